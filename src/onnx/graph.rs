//! An ONNX graph as data: nodes, and the tensors between them.

use crate::types::Dims;
use std::collections::HashSet;

/// A tensor of a [`Graph`]: an input, a parameter, a constant, or what a node makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor(usize);

impl Tensor {
    /// In place of an input that a node can do without.
    pub const ABSENT: Tensor = Tensor(0);
}

/// What layers work on: a tensor `[B, ..dims]`.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// The tensor.
    pub tensor: Tensor,
    /// Its shape for one sample.
    pub dims: Dims,
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A number, which ONNX keeps in single precision.
    Float(f64),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// A word.
    Text(&'static str),
}

/// An operation of ONNX.
#[derive(Clone, Debug)]
pub struct Node {
    /// The path of its layer and what it does: `layer1.conv1/Conv`.
    pub name: String,
    /// What it does.
    pub op: &'static str,
    /// What it takes.
    pub inputs: Vec<Tensor>,
    /// What it makes.
    pub outputs: Vec<Tensor>,
    /// How it does it.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// What the numbers of a tensor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `i64`: token ids, and what nodes want to know.
    I64,
}

/// A tensor whose numbers are in the graph.
#[derive(Clone, Debug)]
pub struct Initializer {
    /// The tensor.
    pub tensor: Tensor,
    /// What its numbers are.
    pub kind: Kind,
    /// Its shape.
    pub sizes: Vec<usize>,
    /// Its numbers, little-endian.
    pub bytes: Vec<u8>,
}

/// What goes into a graph or comes out of it: `[B, ..dims]`.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// The tensor.
    pub tensor: Tensor,
    /// What its numbers are.
    pub kind: Kind,
    /// Its shape for one sample.
    pub dims: Dims,
}

/// A network as an ONNX graph.
///
/// Layers add nodes to it. A tensor that depends on the samples begins with the batch dimension, whose size is not known.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) name: &'static str,
    /// What numbers that are no whole ones are.
    pub(crate) kind: Kind,
    pub(crate) nodes: Vec<Node>,
    pub(crate) initializers: Vec<Initializer>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    /// The name of each tensor; the first stands for none.
    names: Vec<String>,
    taken: HashSet<String>,
    /// The path of the layer at hand, and its parameters and buffers.
    layer: String,
    params: Vec<Tensor>,
}

impl Graph {
    pub(crate) fn new(name: &'static str, kind: Kind) -> Self {
        Graph {
            name,
            kind,
            nodes: Vec::new(),
            initializers: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            names: vec![String::new()],
            taken: HashSet::new(),
            layer: String::new(),
            params: Vec::new(),
        }
    }

    /// The nodes, in an order in which they can run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What is fed, in the order of a sample.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What comes out.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Parameters, and the constants of nodes.
    pub fn initializers(&self) -> &[Initializer] {
        &self.initializers
    }

    /// The name of a tensor: that of its node, of a parameter, or of an input.
    pub fn name(&self, tensor: Tensor) -> &str {
        &self.names[tensor.0]
    }

    /// Parameter or buffer number `i` of the layer at hand, in the order in which the layer lists them.
    pub fn param(&self, i: usize) -> Tensor {
        self.params[i]
    }

    /// Numbers that are no parameters; `sizes` is their shape.
    pub fn constant(&mut self, numbers: &[f64], sizes: &[usize]) -> Tensor {
        let bytes = match self.kind {
            Kind::F64 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            _ => numbers.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
        };
        let name = self.within("Constant");
        self.initializer(name, self.kind, sizes, bytes)
    }

    /// Whole numbers in a row: axes, sizes, places.
    pub fn ints(&mut self, numbers: &[i64]) -> Tensor {
        let name = self.within("Constant");
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.initializer(name, Kind::I64, &[numbers.len()], bytes)
    }

    /// A node that makes one tensor.
    pub fn node(&mut self, op: &'static str, inputs: &[Tensor], attributes: &[(&'static str, Attribute)]) -> Tensor {
        let [output] = self.split_node(op, inputs, attributes);
        output
    }

    /// A node that makes several tensors.
    pub fn split_node<const N: usize>(&mut self, op: &'static str, inputs: &[Tensor], attributes: &[(&'static str, Attribute)]) -> [Tensor; N] {
        let name = self.within(op);
        let outputs = core::array::from_fn(|i| {
            let output = if i == 0 { name.clone() } else { self.fresh(format!("{name}.{i}")) };
            self.tensor(output)
        });
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), outputs: outputs.to_vec(), attributes: attributes.to_vec() });
        outputs
    }

    /// The same numbers in another shape. Of `sizes`, which begin with that of the batch, 0 keeps a size and one -1 is what is
    /// left over.
    pub fn reshape(&mut self, x: Tensor, sizes: &[i64]) -> Tensor {
        let sizes = self.ints(sizes);
        self.node("Reshape", &[x, sizes], &[])
    }

    /// The same numbers as samples of another shape.
    pub fn reshape_samples(&mut self, x: Tensor, sizes: &[usize]) -> Tensor {
        let sizes: Vec<i64> = core::iter::once(0).chain(sizes.iter().map(|&size| size as i64)).collect();
        self.reshape(x, &sizes)
    }

    /// The dimensions in another order; the batch is number 0.
    pub fn transpose(&mut self, x: Tensor, order: &[i64]) -> Tensor {
        self.node("Transpose", &[x], &[("perm", Attribute::Ints(order.to_vec()))])
    }

    /// The places from `begin` on and before `end` of a dimension; that of the batch is number 0.
    pub fn slice(&mut self, x: Tensor, axis: i64, [begin, end]: [usize; 2]) -> Tensor {
        let [begin, end, axis] = [begin as i64, end as i64, axis].map(|number| self.ints(&[number]));
        self.node("Slice", &[x, begin, end, axis], &[])
    }

    /// Several tensors one behind the other along a dimension; that of the batch is number 0.
    pub fn concat(&mut self, parts: &[Tensor], axis: i64) -> Tensor {
        if let [only] = parts { *only } else { self.node("Concat", parts, &[("axis", Attribute::Int(axis))]) }
    }

    /// `A x Bᵀ` of each channel of images `[B, C, H, W]`; `A` has `H` columns and `B` has `W`, row by row.
    pub(crate) fn between_matrices(&mut self, [a, b]: [&[f64]; 2], [height, width]: [usize; 2], x: Tensor) -> Tensor {
        let a = self.constant(a, &[a.len() / height, height]);
        let b = self.constant(b, &[b.len() / width, width]);
        let b = self.transpose(b, &[1, 0]);
        let along_rows = self.node("MatMul", &[x, b], &[]);
        self.node("MatMul", &[a, along_rows], &[])
    }

    /// Goes on with the nodes of another layer.
    pub(crate) fn enter(&mut self, layer: &str, params: Vec<Tensor>) {
        (self.layer, self.params) = (layer.to_owned(), params);
    }

    /// A tensor that is fed.
    pub(crate) fn input(&mut self, name: &str, kind: Kind, dims: Dims) -> Samples {
        let name = self.fresh(name.to_owned());
        let tensor = self.tensor(name);
        self.inputs.push(Port { tensor, kind, dims });
        Samples { tensor, dims }
    }

    /// Hands a value out under a name.
    pub(crate) fn output(&mut self, name: &str, value: Samples) {
        let name = self.fresh(name.to_owned());
        let tensor = self.tensor(name.clone());
        self.nodes.push(Node { name, op: "Identity", inputs: vec![value.tensor], outputs: vec![tensor], attributes: Vec::new() });
        self.outputs.push(Port { tensor, kind: self.kind, dims: value.dims });
    }

    /// A parameter, which has a name already.
    pub(crate) fn parameter(&mut self, name: &str, sizes: &[usize], bytes: Vec<u8>) -> Tensor {
        let name = self.fresh(name.to_owned());
        self.initializer(name, self.kind, sizes, bytes)
    }

    fn initializer(&mut self, name: String, kind: Kind, sizes: &[usize], bytes: Vec<u8>) -> Tensor {
        let tensor = self.tensor(name);
        self.initializers.push(Initializer { tensor, kind, sizes: sizes.to_vec(), bytes });
        tensor
    }

    fn tensor(&mut self, name: String) -> Tensor {
        self.names.push(name);
        Tensor(self.names.len() - 1)
    }

    /// A name for what the layer at hand does.
    fn within(&mut self, what: &str) -> String {
        let name = if self.layer.is_empty() { what.to_owned() } else { format!("{}/{what}", self.layer) };
        self.fresh(name)
    }

    /// The name, with a number if it is taken.
    fn fresh(&mut self, name: String) -> String {
        let numbered = (1..).map(|i| format!("{name}_{i}"));
        let free = core::iter::once(name.clone()).chain(numbered).find(|name| !self.taken.contains(name));
        let name = free.unwrap_or(name);
        self.taken.insert(name.clone());
        name
    }
}
