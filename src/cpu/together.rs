//! What ranks sum together: gradients in parts, so that some are on their way while others are still computed.

use super::plan::{Block, Node};
use core::cmp::Reverse;
use core::ops::Range;
use std::thread::{ThreadId, current};

/// Gradients that are summed together.
pub(crate) struct GradientPart {
    /// The first parameter; it ends where the part before begins.
    pub begin: usize,
    /// The first segment that has to have gone back before.
    pub segment: usize,
    /// The blocks of parameters that there are.
    pub blocks: Vec<usize>,
    /// How many parameters there are up to the end of each block.
    pub ends: Vec<usize>,
}

/// How many numbers are worth a sum of their own.
const WORTH: usize = 1 << 14;

/// Cuts the gradients where there is a segment left to go back through. Within a segment it does not pay: deferred gradients are there
/// so soon that a step with several sums took up to a quarter longer over loopback than with one, and gained only over a slow network.
pub(super) fn parts<E>(nodes: &[Node<E>], segments: &[Range<usize>], blocks: &[Block], params: usize) -> Vec<GradientPart> {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_unstable_by_key(|&i| Reverse(blocks[i].params.start));
    let empty = |begin: usize, segment: usize| GradientPart { begin, segment, blocks: Vec::new(), ends: Vec::new() };
    let (mut parts, mut part) = (Vec::new(), empty(params, segments.len() - 1));
    for i in order {
        let params = &blocks[i].params;
        let segment = segment_of(nodes, segments, params).min(part.segment);
        if segment < part.segment && part.numbers() >= WORTH {
            parts.push(core::mem::replace(&mut part, empty(params.end, segment)));
        }
        (part.begin, part.segment) = (params.start, segment);
        part.ends.push(part.numbers() + params.len());
        part.blocks.push(i);
    }
    parts.push(part);
    parts
}

impl GradientPart {
    /// How many parameters there are.
    fn numbers(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }
}

/// The first segment with a step that has some of these parameters: on the way back, the last one to learn them. The step that a segment
/// begins with goes back with the segment before, since it looks at the whole batch.
fn segment_of<E>(nodes: &[Node<E>], segments: &[Range<usize>], params: &Range<usize>) -> usize {
    let has_some = |node: &Node<E>| node.params.start < params.end && params.start < node.params.end;
    let first = nodes.iter().position(has_some).unwrap_or(nodes.len());
    segments[1..].iter().take_while(|segment| segment.start < first).count()
}

/// What the thread that has begun some work does now and then while it is done.
#[derive(Clone, Copy)]
pub(super) struct Meanwhile<'a> {
    go_on: &'a dyn Fn(),
    thread: ThreadId,
}

// SAFETY: the function is called on the thread that it is from, and on no other.
unsafe impl Sync for Meanwhile<'_> {}
// SAFETY: as above.
unsafe impl Send for Meanwhile<'_> {}

impl<'a> Meanwhile<'a> {
    pub fn new(go_on: &'a dyn Fn()) -> Self {
        Meanwhile { go_on, thread: current().id() }
    }

    /// Does it, if this is the thread.
    pub fn go_on(&self) {
        if current().id() == self.thread {
            (self.go_on)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use crate::engine::Architecture;
    use crate::prelude::*;

    #[network([1, 8, 8] => [10])]
    #[rustfmt::skip]
    type Normalized = (
        Conv2d<1, 4, 3, 1, 1>, BatchNorm2d<4>, Relu, Flatten,
        Linear<256, 128>, BatchNorm1d<128>, Relu,
        Linear<128, 200>, Relu, Linear<200, 10>,
    );

    #[network([64] => [10])]
    type Dense = (Linear<64, 512>, Relu, Linear<512, 512>, Relu, Linear<512, 10>);

    #[network([8] => [1])]
    type Small = (Linear<8, 8>, BatchNorm1d<8>, Tanh, Linear<8, 1>);

    /// With which parameter each part begins, and which segment has to have gone back.
    fn parts<N: Network>() -> (Vec<usize>, Vec<usize>) {
        let plan = Plan::<f32>::new(&Architecture::of::<N>());
        let covered: usize = plan.gradients.iter().map(|part| part.numbers()).sum();
        assert_eq!(covered, plan.params);
        plan.gradients.into_iter().map(|part| (part.begin, part.segment)).unzip()
    }

    #[test]
    fn a_part_ends_where_a_segment_does_if_it_is_large_enough() {
        // 40 + 8 in front, 32 768 weights in the second segment, and with them what the third begins with.
        assert_eq!(parts::<Normalized>(), (vec![48 + 32_768 + 128 + 256, 48, 0], vec![2, 1, 0]));
    }

    #[test]
    fn one_segment_is_one_part_and_little_too() {
        assert_eq!(parts::<Dense>(), (vec![0], vec![0]));
        assert_eq!(parts::<Small>(), (vec![0], vec![0]));
    }
}
