//! A network as a list of steps.

use super::steps::{Add, Concat, Copy, Step};
use crate::float::Float;
use crate::types::{Branch, Chain, Dims, Join, Spec, infer};
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
    pub params: Range<usize>,
    /// Tells apart the random numbers of the layers.
    pub stream: u64,
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
    pub values: Vec<Buffer>,
    pub output: usize,
    /// Numbers of the workspace for one sample: every value, and its gradient.
    pub per_sample: usize,
    /// Numbers of scratch space that the neediest step asks for.
    pub scratch: usize,
    pub params: usize,
}

impl<E: Float> Plan<E> {
    /// The plan of layers that fit `input`.
    pub(crate) fn new(spec: &Spec, input: Dims) -> Self {
        let mut planner = Planner { nodes: Vec::new(), values: vec![input.numel()], params: 0..0, stream: 0 };
        let output = planner.lower(spec, Value { id: 0, dims: input });
        planner.finish(output)
    }
}

/// Lowers layers to steps, in order.
pub(crate) struct Planner<E> {
    nodes: Vec<Node<E>>,
    /// How many numbers each value has per sample; 0 is the input.
    values: Vec<usize>,
    /// The parameters of the layer that is being lowered.
    params: Range<usize>,
    stream: u64,
}

impl<E: Float> Planner<E> {
    /// Adds a step that makes a value of shape `dims` of others, with the parameters of the layer at hand.
    pub(crate) fn step(&mut self, step: impl Step<E> + 'static, inputs: &[Value], dims: Dims) -> Value {
        let output = Value { id: self.values.len(), dims };
        self.values.push(dims.numel());
        self.nodes.push(Node {
            step: Box::new(step),
            inputs: inputs.iter().map(|x| Input { value: x.id, add: false }).collect(),
            output: output.id,
            params: self.params.clone(),
            stream: self.stream,
        });
        output
    }

    fn lower(&mut self, spec: &Spec, x: Value) -> Value {
        match spec.unnamed() {
            Spec::Leaf(leaf) => {
                let (numel, y) = (crate::types::scalars(spec), output(spec, x.dims));
                self.params = self.params.end..self.params.end + numel;
                self.stream += 1;
                leaf.plan(self, x, y)
            }
            Spec::Chain(Chain { fields }) => fields.iter().fold(x, |x, field| self.lower(field.spec, x)),
            Spec::Branch(branch) => self.lower_branch(branch, x, output(spec, x.dims)),
            Spec::Repeat { body, times } => (0..*times).fold(x, |x, _| self.lower(body, x)),
            Spec::Named { .. } | Spec::Misfit { .. } => unreachable!("a network is checked before it is lowered"),
        }
    }

    fn lower_branch(&mut self, branch: &Branch, x: Value, y: Dims) -> Value {
        let mut parts: Vec<Value> = branch.fields.iter().map(|field| self.lower(field.spec, x)).collect();
        if parts.iter().skip(1).any(|part| part.id == parts[0].id) {
            // `x + x`: a step's inputs are values of their own, so that each has a gradient of its own.
            parts[0] = self.step(Copy, &parts[..1], parts[0].dims);
        }
        self.params = self.params.end..self.params.end;
        match branch.join {
            Join::Add => self.step(Add, &parts, y),
            Join::Concat => self.step(Concat { parts: parts.iter().map(|part| part.dims.numel()).collect() }, &parts, y),
        }
    }

    fn finish(mut self, output: Value) -> Plan<E> {
        let mut written = vec![false; self.values.len()];
        for node in self.nodes.iter_mut().rev() {
            for input in &mut node.inputs {
                input.add = core::mem::replace(&mut written[input.value], true);
            }
        }
        let mut at = 0;
        let mut place = |numel: usize| {
            at += numel;
            at - numel
        };
        let values = self.values.iter().enumerate().map(|(id, &numel)| {
            let data = (id > 0).then(|| place(numel));
            Buffer { numel, data, grad: place(numel) }
        });
        let values = values.collect();
        Plan {
            scratch: self.nodes.iter().map(|node| node.step.scratch()).max().unwrap_or(0),
            nodes: self.nodes,
            values,
            output: output.id,
            per_sample: at,
            params: self.params.end,
        }
    }
}

fn output(spec: &Spec, x: Dims) -> Dims {
    match infer(spec, x) {
        Ok(y) => y,
        Err(_) => unreachable!("a network is checked before it is lowered"),
    }
}
