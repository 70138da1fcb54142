//! A network as a list of steps.

use super::batch::{ChunkSize, SHARED};
use super::fuse::fuse;
use super::steps::{Add, Concat, Copy, Forward, Onward, Part, Stage, Step};
use super::together::{GradientPart, parts};
use crate::engine::Architecture;
use crate::float::Float;
use crate::layers::Leaf;
use crate::types::{Branch, Chain, Dims, Join, Parts, Slot, Spec, Tied, infer};
use core::ops::Range;

/// Numbers that one step writes and others read: the input, or a step's output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    id: usize,
    /// The shape for one sample. Views of one value have shapes of their own.
    pub dims: Dims,
}

impl Value {
    /// The same numbers as samples of another shape.
    pub(crate) fn with_dims(self, dims: Dims) -> Self {
        Value { dims, ..self }
    }
}

/// Where a value lies in the workspace, in numbers per sample.
#[derive(Clone, Copy)]
pub(crate) struct Buffer {
    pub numel: usize,
    /// `None` for the input, which is read where the caller has it.
    pub data: Option<usize>,
    pub grad: usize,
}

/// A step, and what it works on.
pub(crate) struct Node<E> {
    pub step: Box<dyn Step<E>>,
    pub inputs: Vec<Input>,
    pub output: usize,
    /// How many numbers it writes for each sample.
    pub numel: usize,
    /// Where the numbers lie that it leaves for the way back, per sample.
    pub saved: Range<usize>,
    pub params: Range<usize>,
    pub buffers: Range<usize>,
    /// Where the numbers lie that it knows of the whole batch.
    pub known: Range<usize>,
    /// Where the numbers lie that it makes of its parameters before a batch.
    pub prepared: Range<usize>,
    /// Tells apart the random numbers of the layers.
    pub stream: u64,
    /// What it is to steps that take several layers at once.
    pub stage: Option<Stage>,
    /// Whether the gradients of its parameters are computed when all samples have gone back.
    pub is_deferred: bool,
}

/// Some parameters whose gradients are computed together, when all samples have gone back.
pub(crate) struct Block {
    pub params: Range<usize>,
    /// The node that learns them; without one they are summed over the parts of the batch.
    pub node: Option<usize>,
}

/// How many numbers a block has, if it can: they stay in the first-level cache.
const BLOCK: usize = 8192;
/// How many blocks deferred parameters have at least, so that there is something for several threads to do.
const FEWEST: usize = 4;
/// Rows of weights are taken in fours, for whole register tiles; so many at least, since each pass over the batch should be worth
/// it, and at most, as many as a panel of them has.
const ROWS: [usize; 2] = [24, 96];

/// What a value is when the next position of a sequence is shown: what another one is now.
pub(crate) struct Carried {
    pub to: usize,
    pub from: usize,
}

/// Where a sequence is shown position by position: which one it is, as a value, and how many there can be.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    pub position: Value,
    pub capacity: usize,
}

/// A value that a step reads.
#[derive(Clone, Copy)]
pub(crate) struct Input {
    pub value: usize,
    /// On the way back: whether a step behind this one has written the value's gradient already, so that it is added to.
    pub add: bool,
}

/// The steps of a network, and how large the workspace is that they need.
pub(crate) struct Plan<E> {
    pub nodes: Vec<Node<E>>,
    /// In training: nodes that a batch goes through together. Each but the first begins with a step that looks at the whole
    /// batch.
    pub segments: Vec<Range<usize>>,
    pub values: Vec<Buffer>,
    /// Values whose gradient nobody writes.
    pub dead_ends: Vec<usize>,
    pub carried: Vec<Carried>,
    pub output: usize,
    /// The value that each layer makes, in order.
    pub layers: Vec<usize>,
    /// Numbers of the workspace for one sample: values and what steps leave for the way back, and gradients.
    pub per_sample: [usize; 2],
    /// Numbers that steps know of the whole batch.
    pub known: usize,
    /// Numbers that steps make of their parameters before a batch.
    pub prepared: usize,
    /// Numbers of scratch space that the neediest step asks for.
    pub scratch: usize,
    /// All parameters, in blocks.
    pub blocks: Vec<Block>,
    /// How many parameters there are up to the end of each block.
    pub block_ends: Vec<usize>,
    /// All parameters, in parts that are contiguous, the last one first: what ranks sum while they compute the next.
    pub gradients: Vec<GradientPart>,
    pub chunk: ChunkSize,
    pub params: usize,
    pub buffers: usize,
}

impl<E: Float> Plan<E> {
    /// The plan of a network.
    pub(crate) fn new(network: &Architecture) -> Self {
        let mut planner = Planner::new(network.input.numel());
        planner.fuses = true;
        planner.network(network)
    }

    /// The plan of a network each of whose layers writes a value of its own, to be looked at.
    pub(crate) fn observed(network: &Architecture) -> Self {
        Planner::new(network.input.numel()).network(network)
    }

    /// The plan of a network that is shown a sequence position by position, which its layers allow. What they have to know of
    /// the positions before is carried from one to the next.
    pub(crate) fn streaming(network: &Architecture) -> Self {
        let position = network.input.x.with(0, 1);
        let mut planner = Planner::new(position.numel());
        let count = planner.carried(Dims::new(&[1]));
        planner.shown = Some(Stream { position: count, capacity: network.input.x.size(0) });
        let y = planner.lower(network.spec, Parts::alone(Value { id: 0, dims: position }));
        let next = planner.onward(|at| at.output[0] = at.inputs[0][0] + E::one(), &[count], count.dims);
        planner.carry(next, count);
        planner.finish(y.x)
    }
}

/// Lowers layers to steps, in order.
pub(crate) struct Planner<E> {
    nodes: Vec<Node<E>>,
    /// How many numbers each value has per sample; 0 is the input.
    values: Vec<usize>,
    /// The parameters and the buffers of the layer that is being lowered.
    at: [Range<usize>; 2],
    layers: Vec<usize>,
    /// Whether one step may do what several layers say.
    fuses: bool,
    stream: u64,
    shown: Option<Stream>,
    carried: Vec<Carried>,
}

impl<E: Float> Planner<E> {
    fn new(input: usize) -> Self {
        Planner {
            nodes: Vec::new(),
            values: vec![input],
            at: [0..0, 0..0],
            layers: Vec::new(),
            fuses: false,
            stream: 0,
            shown: None,
            carried: Vec::new(),
        }
    }

    fn network(mut self, network: &Architecture) -> Plan<E> {
        let x = self.inputs(network.input);
        let y = self.lower(network.spec, x);
        let output = self.outputs(y, network.output);
        self.finish(output)
    }

    /// Where the network is shown a sequence position by position.
    pub(crate) fn stream(&self) -> Option<Stream> {
        self.shown
    }

    /// A value that is zeros at first, and then what is carried to it from the position before.
    pub(crate) fn carried(&mut self, dims: Dims) -> Value {
        self.values.push(dims.numel());
        Value { id: self.values.len() - 1, dims }
    }

    /// Makes a value what `to` is at the next position.
    pub(crate) fn carry(&mut self, from: Value, to: Value) {
        self.carried.push(Carried { to: to.id, from: from.id });
    }

    /// A step that is only taken forward.
    pub(crate) fn onward(&mut self, forward: impl Fn(Forward<'_, E>) + Send + Sync + 'static, inputs: &[Value], dims: Dims) -> Value {
        self.step(Onward(forward), inputs, dims)
    }

    /// Adds a step that makes a value of shape `dims` of others, with the parameters of the layer at hand.
    pub(crate) fn step(&mut self, step: impl Step<E> + 'static, inputs: &[Value], dims: Dims) -> Value {
        let mut ids: Vec<usize> = Vec::new();
        for x in inputs {
            // A step's inputs are values of their own, so that each has a gradient of its own.
            let id = if ids.contains(&x.id) { self.push(Box::new(Copy), &[x.id], x.dims, false).id } else { x.id };
            ids.push(id);
        }
        self.push(Box::new(step), &ids, dims, true)
    }

    fn push(&mut self, step: Box<dyn Step<E>>, inputs: &[usize], dims: Dims, has_params: bool) -> Value {
        let output = Value { id: self.values.len(), dims };
        self.values.push(dims.numel());
        let [params, buffers] = if has_params { self.at.clone() } else { [0..0, 0..0] };
        self.nodes.push(Node {
            step,
            inputs: inputs.iter().map(|&value| Input { value, add: false }).collect(),
            output: output.id,
            numel: dims.numel(),
            saved: 0..0,
            params,
            buffers,
            known: 0..0,
            prepared: 0..0,
            stream: self.stream,
            stage: None,
            is_deferred: false,
        });
        output
    }

    /// Says what the step that was just added is to steps that take several layers at once.
    pub(crate) fn mark(&mut self, stage: Stage) {
        if let Some(node) = self.nodes.last_mut() {
            node.stage = Some(stage);
        }
    }

    /// A step that belongs to no layer.
    fn join(&mut self, step: impl Step<E> + 'static, inputs: &[Value], dims: Dims) -> Value {
        let at = core::mem::replace(&mut self.at, [0..0, 0..0]);
        let value = self.step(step, inputs, dims);
        self.at = at;
        value
    }

    /// Some numbers of each sample of a value.
    pub(crate) fn part(&mut self, of: Value, begin: usize, dims: Dims) -> Value {
        self.join(Part { begin, numel: dims.numel(), width: of.dims.numel() }, &[of], dims)
    }

    /// The parts of a sample.
    fn inputs(&mut self, input: Parts<Dims>) -> Parts<Value> {
        let all = Value { id: 0, dims: Dims::new(&[input.numel()]) };
        if input.numel() == input.x.numel() {
            return Parts::alone(all.with_dims(input.x));
        }
        let mut parts = Parts::alone(self.part(all, 0, input.x));
        for slot in Slot::ALL.into_iter().filter(|&slot| input.beside(slot).is_some()) {
            let (begin, dims) = input.place(Some(slot));
            parts.put(slot, Some(self.part(all, begin, dims)));
        }
        parts
    }

    /// The declared parts of the output, one behind the other.
    fn outputs(&mut self, y: Parts<Value>, declared: Parts<Dims>) -> Value {
        let sides = Slot::ALL.into_iter().filter(|&slot| declared.beside(slot).is_some()).filter_map(|slot| y.beside(slot).copied());
        let parts: Vec<Value> = core::iter::once(y.x).chain(sides).collect();
        if parts.len() == 1 { y.x } else { self.concat(&parts, Dims::new(&[declared.numel()])) }
    }

    /// Values one behind the other, sample by sample.
    pub(crate) fn concat(&mut self, parts: &[Value], dims: Dims) -> Value {
        self.join(Concat { parts: parts.iter().map(|part| part.dims.numel()).collect() }, parts, dims)
    }

    fn lower(&mut self, spec: &Spec, x: Parts<Value>) -> Parts<Value> {
        match spec.unnamed() {
            Spec::Leaf(leaf) => {
                let y = output(spec, x);
                for (range, numel) in self.at.iter_mut().zip(widths(leaf)) {
                    *range = range.end..range.end + numel;
                }
                self.stream += 1;
                let y = leaf.plan(self, x, y);
                self.layers.push(y.x.id);
                y
            }
            Spec::Chain(Chain { fields }) => fields.iter().fold(x, |x, field| self.lower(field.spec, x)),
            Spec::Branch(branch) => self.lower_branch(branch, x, output(spec, x).x),
            Spec::Repeat(repeat) => {
                let begin = self.at.clone();
                (0..repeat.times).fold(x, |x, _| {
                    if repeat.shared {
                        self.at = begin.clone();
                    }
                    self.lower(repeat.body, x)
                })
            }
            Spec::Tied(Tied { fields: [first, body, last] }) => {
                let begin = self.at.clone();
                let x = self.lower(first.spec, x);
                let x = self.lower(body.spec, x);
                let end = core::mem::replace(&mut self.at, begin);
                let y = self.lower(last.spec, x);
                self.at = end;
                y
            }
            Spec::Encode { body } => {
                let Some(memory) = x.memory() else { unreachable!("a network is checked before it is lowered") };
                x.with(Slot::Memory, self.lower(body, memory).x)
            }
            Spec::Named { .. } | Spec::Misfit { .. } => unreachable!("a network is checked before it is lowered"),
        }
    }

    fn lower_branch(&mut self, branch: &Branch, x: Parts<Value>, y: Dims) -> Parts<Value> {
        let parts: Vec<Value> = branch.fields.iter().map(|field| self.lower(field.spec, x).x).collect();
        let joined = match branch.join {
            Join::Add => parts[1..].iter().fold(parts[0], |sum, &part| self.join(Add, &[sum, part], y)),
            Join::Concat => self.concat(&parts, y),
        };
        x.with_x(joined)
    }

    /// Takes no room for values that are inside of steps now.
    fn forget_values(&mut self) {
        let is_used = |id: usize| self.nodes.iter().any(|node| node.output == id || node.inputs.iter().any(|input| input.value == id));
        let unused: Vec<usize> = (1..self.values.len()).filter(|&id| !is_used(id)).collect();
        unused.into_iter().for_each(|id| self.values[id] = 0);
    }

    fn finish(mut self, output: Value) -> Plan<E> {
        if self.fuses {
            self.nodes = fuse(core::mem::take(&mut self.nodes), output.id);
            self.forget_values();
        }
        let mut written = vec![false; self.values.len()];
        for node in self.nodes.iter_mut().rev() {
            for input in &mut node.inputs {
                input.add = core::mem::replace(&mut written[input.value], true);
            }
        }
        written[output.id] = true;
        let [mut data, mut grads, mut known, mut prepared] = [const { Space(0) }; 4];
        let place = |(id, &numel): (usize, &usize)| Buffer { numel, data: (id > 0).then(|| data.take(numel).start), grad: grads.take(numel).start };
        let values: Vec<Buffer> = self.values.iter().enumerate().map(place).collect();
        for node in &mut self.nodes {
            node.saved = data.take(node.step.saved());
            node.known = known.take(node.step.whole_batch().map_or(0, |step| step.numbers()));
            node.prepared = prepared.take(node.step.prepared());
        }
        defer(&mut self.nodes);
        let fitting = CACHE / ((data.0 + grads.0) * size_of::<E>()).max(1);
        let efficient = self.nodes.iter().map(|node| node.step.efficient()).max().unwrap_or(1);
        let begins = self.nodes.iter().enumerate().filter(|(_, node)| !node.known.is_empty()).map(|(i, _)| i);
        let bounds: Vec<usize> = core::iter::once(0).chain(begins).chain([self.nodes.len()]).collect();
        let shared = shared_out(&self.nodes, self.at[0].end, data.0);
        let blocks = blocks(&self.nodes, self.at[0].end);
        let segments: Vec<Range<usize>> = bounds.windows(2).map(|bounds| bounds[0]..bounds[1]).collect();
        let sum = |sum: &mut usize, block: &Block| {
            *sum += block.params.len();
            Some(*sum)
        };
        Plan {
            block_ends: blocks.iter().scan(0, sum).collect(),
            scratch: self.nodes.iter().map(|node| node.step.scratch()).max().unwrap_or(0),
            chunk: ChunkSize { fitting, efficient, shared },
            gradients: parts(&self.nodes, &segments, &blocks, self.at[0].end),
            segments,
            blocks,
            dead_ends: (1..values.len()).filter(|&id| !written[id]).collect(),
            carried: self.carried,
            nodes: self.nodes,
            values,
            output: output.id,
            layers: self.layers,
            per_sample: [data.0, grads.0],
            known: known.0,
            prepared: prepared.0,
            params: self.at[0].end,
            buffers: self.at[1].end,
        }
    }
}

/// How many bytes a step of training needs for each sample of a batch.
pub(crate) fn workspace<E: Float>(network: &Architecture) -> usize {
    let [data, grads] = Plan::<E>::new(network).per_sample;
    (data + grads) * size_of::<E>()
}

/// How many bytes the numbers of a chunk should have at most.
const CACHE: usize = 256 * 1024;

/// Up to how many samples go together while threads share out each step, if all steps can be and are made of parameters rather than
/// of values: then what a thread's cache should keep is its part of them.
fn shared_out<E: Float>(nodes: &[Node<E>], params: usize, values: usize) -> Option<usize> {
    // How many parameters there are for each value of a sample so that reading values again costs little, and in all so that caches
    // make a difference.
    const DENSE: usize = 192;
    const MANY: usize = 1 << 16;
    let is_dense = params >= MANY && params >= DENSE * values;
    (is_dense && nodes.iter().all(|node| node.step.is_shared_out())).then_some(SHARED)
}

/// The parameters that a node learns.
fn learned<E>(node: &Node<E>) -> impl Iterator<Item = Range<usize>> {
    let begin = node.params.start;
    let of_layer = if node.params.is_empty() { Vec::new() } else { node.step.learns(node.params.len()) };
    of_layer.into_iter().map(move |range| begin + range.start..begin + range.end).filter(|range| !range.is_empty())
}

/// Defers the gradients of steps that can compute them for the whole batch, where nobody else learns the same parameters.
fn defer<E>(nodes: &mut [Node<E>]) {
    let all: Vec<Vec<Range<usize>>> = nodes.iter().map(|node| learned(node).collect()).collect();
    let meets = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
    for (i, node) in nodes.iter_mut().enumerate() {
        let mut others = all.iter().enumerate().filter(|&(j, _)| j != i).flat_map(|(_, ranges)| ranges);
        let is_shared = others.any(|other| all[i].iter().any(|own| meets(own, other)));
        node.is_deferred = node.step.deferred().is_some() && !is_shared;
    }
}

/// All parameters, in blocks: those of deferred steps in whole rows, and what is between them.
fn blocks<E>(nodes: &[Node<E>], params: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let deferred: usize = nodes.iter().filter(|node| node.is_deferred).flat_map(learned).map(|range| range.len()).sum();
    for (i, node) in nodes.iter().enumerate().filter(|(_, node)| node.is_deferred) {
        let Some(step) = node.step.deferred() else { continue };
        for range in learned(node) {
            let row = step.row(range.start - node.params.start);
            let ([least, most], rows) = (ROWS, range.len().div_ceil(row));
            let of_block = (deferred / FEWEST / row).clamp(least, most);
            let rows = rows.div_ceil(rows.div_ceil(of_block)).next_multiple_of(4).max(BLOCK / row / 4 * 4);
            let of_node = cut(range, rows * row).map(|params| Block { params, node: Some(i) });
            blocks.extend(of_node);
        }
    }
    blocks.sort_by_key(|block| block.params.start);
    let ends: Vec<usize> = core::iter::once(0).chain(blocks.iter().map(|block| block.params.end)).collect();
    let begins = blocks.iter().map(|block| block.params.start).chain([params]);
    let between: Vec<Range<usize>> = ends.into_iter().zip(begins).map(|(end, begin)| end..begin).collect();
    blocks.extend(between.into_iter().flat_map(|range| cut(range, BLOCK)).map(|params| Block { params, node: None }));
    blocks
}

/// Pieces of a range, each of so many numbers but for the last.
fn cut(range: Range<usize>, numbers: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(numbers).map(move |begin| begin..(begin + numbers).min(end))
}

/// How many numbers the parameters and the buffers of a layer have.
fn widths(leaf: &Leaf) -> [usize; 2] {
    let mut widths = [0, 0];
    for param in (0..).map_while(|i| leaf.param(i)) {
        widths[usize::from(!param.is_trained())] += param.dims.numel();
    }
    widths
}

/// How much of a memory has been handed out.
struct Space(usize);

impl Space {
    fn take(&mut self, numel: usize) -> Range<usize> {
        self.0 += numel;
        self.0 - numel..self.0
    }
}

fn output(spec: &Spec, x: Parts<Value>) -> Parts<Dims> {
    match infer(spec, x.map_ref(|x| x.dims)) {
        Ok(y) => y,
        Err(_) => unreachable!("a network is checked before it is lowered"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Architecture, Plan, SHARED};
    use crate::prelude::*;

    #[network([1600] => [10])]
    type Dense = (Linear<1600, 128>, Gelu, Dropout<25>, Linear<128, 10>);

    #[network([64] => [10])]
    type Small = (Linear<64, 128>, Relu, Linear<128, 10>);

    #[network([1, 64, 64] => [10])]
    type Convolutional = (Conv2d<1, 1, 3, 1, 1>, Flatten, Linear<4096, 128>, Relu, Linear<128, 10>);

    #[test]
    fn layers_are_shared_out_where_all_can_be_and_are_large() {
        let of = |network| Plan::<f32>::new(&network).chunk.shared;
        assert_eq!(of(Architecture::of::<Dense>()), Some(SHARED));
        assert_eq!(of(Architecture::of::<Small>()), None);
        assert_eq!(of(Architecture::of::<Convolutional>()), None);
    }
}
