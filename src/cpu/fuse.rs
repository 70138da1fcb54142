//! Several steps as one.

use super::plan::Node;
use super::steps::{Layer, Levels, Stack, Stage};
use crate::float::Float;
use core::ops::Range;

/// Puts steps together that one step does better; `output` is the value that the network writes.
pub(super) fn fuse<E: Float>(nodes: Vec<Node<E>>, output: usize) -> Vec<Node<E>> {
    let ends: Vec<usize> = (0..nodes.len()).map(|begin| chain(&nodes, begin, output).end).collect();
    let mut fused = Vec::new();
    let (mut nodes, mut at) = (nodes.into_iter(), 0);
    while at < ends.len() {
        let layers: Vec<Node<E>> = nodes.by_ref().take(ends[at] - at).collect();
        at = ends[at];
        fused.extend(stack(layers));
    }
    fused
}

/// The steps from `begin` on that a [`Stack`] can take: a convolution and what follows it, where nobody else reads what is
/// between them. At least one.
fn chain<E>(nodes: &[Node<E>], begin: usize, output: usize) -> Range<usize> {
    let readers = |value: usize| nodes.iter().flat_map(|node| &node.inputs).filter(|input| input.value == value).count();
    let mut end = begin + 1;
    if !matches!(nodes[begin].stage, Some(Stage::Conv(_))) {
        return begin..end;
    }
    while end < nodes.len() {
        let [before, next] = [&nodes[end - 1], &nodes[end]];
        let follows = next.inputs.len() == 1 && next.inputs[0].value == before.output && next.params.start == before.params.end;
        if next.stage.is_none() || !follows || readers(before.output) > 1 || before.output == output {
            break;
        }
        end += 1;
    }
    begin..end
}

/// Some steps as one, if that pays; otherwise as they are.
fn stack<E: Float>(nodes: Vec<Node<E>>) -> Vec<Node<E>> {
    let Some(stages) = nodes.iter().map(|node| node.stage).collect::<Option<Vec<Stage>>>() else { return nodes };
    let Some(levels) = Levels::new::<E>(&stages) else { return nodes };
    let mut nodes = nodes.into_iter();
    let Some(first) = nodes.next() else { return Vec::new() };
    let Node { inputs, params, buffers, stream, .. } = first;
    let (begin, mut end, mut output) = (params.start, params.end, first.output);
    let mut layers = vec![Layer { step: first.step, params: 0..end - begin, numel: first.numel }];
    for node in nodes {
        (end, output) = (node.params.end, node.output);
        layers.push(Layer { step: node.step, params: node.params.start - begin..end - begin, numel: node.numel });
    }
    pool_first(&stages, &mut layers);
    let numel = layers.last().map_or(0, |layer| layer.numel);
    let step = Box::new(Stack::new(levels, layers));
    vec![Node {
        step,
        inputs,
        output,
        numel,
        saved: 0..0,
        params: begin..end,
        buffers,
        known: 0..0,
        prepared: 0..0,
        stream,
        stage: None,
        is_deferred: false,
    }]
}

/// Has pools come before ReLUs, which have less to do then: the largest of some numbers is the same, whether what is below zero is cut off
/// before or after.
fn pool_first<E>(stages: &[Stage], layers: &mut [Layer<E>]) {
    for (i, pair) in stages.windows(2).enumerate() {
        if matches!(pair, [Stage::Relu, Stage::MaxPool(_)]) {
            layers.swap(i, i + 1);
            layers[i + 1].numel = layers[i].numel;
        }
    }
}
