//! Goes over the layers of a network and asks each for its nodes.

use super::graph::{Graph, Kind, Samples, Tensor};
use crate::engine::{Architecture, State};
use crate::error::Error;
use crate::float::Float;
use crate::layers::Leaf;
use crate::types::{Branch, Chain, Dims, Field, Join, NamedLeaf, NamedParam, Parts, Role, Slot, Spec, Tied, infer, leaves, tensors};

/// A network with these parameters and buffers as a graph.
pub(super) fn graph<E: Float>(name: &'static str, network: &Architecture, state: &State<E>) -> Result<Graph, Error> {
    let kind = if E::DTYPE == f64::DTYPE { Kind::F64 } else { Kind::F32 };
    let mut graph = Graph::new(name, kind);
    let named = tensors(network.spec);
    let params = named.into_iter().filter(|param| param.role != Role::Counter).map(|param| {
        let numbers = if param.is_trained() { &state.parameters } else { &state.buffers };
        let tensor = graph.parameter(&param.name, param.dims.sizes(), E::to_le_bytes(&numbers[param.range()]));
        (param, tensor)
    });
    let params = params.collect();
    let x = inputs(&mut graph, network.input);
    let mut walk = Walk { graph, params, leaves: leaves(network.spec).into_iter() };
    let y = walk.run(network.spec, x, "")?;
    Ok(walk.outputs(y, network.output))
}

/// The parts of the samples.
fn inputs(graph: &mut Graph, input: Parts<Dims>) -> Parts<Samples> {
    let float = graph.kind;
    let mut part = |name: &str, dims: Dims| graph.input(name, if dims.vocabulary().is_some() { Kind::I64 } else { float }, dims);
    let mut parts = Parts::alone(part("x", input.x));
    for slot in Slot::ALL {
        parts.put(slot, input.beside(slot).map(|&dims| part(slot.name(), dims)));
    }
    parts
}

/// A walk over the layers: how far it has come.
struct Walk<'a> {
    graph: Graph,
    params: Vec<(NamedParam, Tensor)>,
    leaves: std::vec::IntoIter<NamedLeaf<'a>>,
}

impl Walk<'_> {
    /// The layers of `spec`; `prefix` is what their names begin with.
    fn run(&mut self, spec: &Spec, x: Parts<Samples>, prefix: &str) -> Result<Parts<Samples>, Error> {
        match spec.unnamed() {
            Spec::Leaf(leaf) => self.run_leaf(leaf, x),
            Spec::Chain(Chain { fields }) => (0..).zip(*fields).try_fold(x, |x, (i, field)| self.run_field(field, i, x, prefix)),
            Spec::Branch(branch) => self.run_branch(branch, x, prefix),
            Spec::Repeat(repeat) => (0..repeat.times).try_fold(x, |x, i| {
                let own = if repeat.shared { prefix.to_owned() } else { format!("{prefix}{i}.") };
                self.run(repeat.body, x, &own)
            }),
            Spec::Tied(Tied { fields }) => (0..).zip(*fields).try_fold(x, |x, (i, field)| self.run_field(field, i, x, prefix)),
            Spec::Encode { body } => {
                let Some(memory) = x.memory() else { unreachable!("a network is checked before it is exported") };
                Ok(x.with(Slot::Memory, self.run(body, memory, prefix)?.x))
            }
            Spec::Named { .. } | Spec::Misfit { .. } => unreachable!("a network is checked before it is exported"),
        }
    }

    fn run_field(&mut self, field: &Field, number: usize, x: Parts<Samples>, prefix: &str) -> Result<Parts<Samples>, Error> {
        self.run(field.spec, x, &field.extend(prefix, number))
    }

    fn run_leaf(&mut self, leaf: &Leaf, x: Parts<Samples>) -> Result<Parts<Samples>, Error> {
        let Some(named) = self.leaves.next() else { unreachable!("every layer that computes has a name") };
        let params = named.tensors().iter().filter_map(|param| self.param(param)).collect();
        self.graph.enter(named.name(), params);
        let before = self.graph.nodes.len();
        let y = output(&Spec::Leaf(*leaf), x);
        let (network, layer) = (self.graph.name, format!("{} {}", named.name(), leaf.label()).trim_start().to_owned());
        let error = |problem: String| Error::Onnx { network, layer, problem };
        let y = match leaf.onnx(&mut self.graph, x, y) {
            Some(y) => y,
            None => return Err(error("its `Meaning` has no function `onnx`".to_owned())),
        };
        match self.graph.nodes[before..].iter().find(|node| self.graph.kind == Kind::F64 && SINGLE.contains(&node.op)) {
            Some(node) => Err(error(format!("onnxruntime has no {} for f64; a model of f32 can be exported", node.op))),
            None => Ok(y),
        }
    }

    /// The tensor of a parameter, which layers may share.
    fn param(&self, param: &NamedParam) -> Option<Tensor> {
        let is_same = |(own, _): &&(NamedParam, Tensor)| own.offset == param.offset && own.is_trained() == param.is_trained();
        let own = self.params.iter().find(is_same).filter(|_| param.role != Role::Counter);
        own.map(|&(_, tensor)| tensor)
    }

    fn run_branch(&mut self, branch: &Branch, x: Parts<Samples>, prefix: &str) -> Result<Parts<Samples>, Error> {
        let y = output(&Spec::Branch(*branch), x).x;
        let parts = (0..).zip(branch.fields).map(|(i, field)| Ok(self.run_field(field, i, x, prefix)?.x.tensor));
        let parts: Vec<Tensor> = parts.collect::<Result<_, Error>>()?;
        self.graph.enter(prefix.trim_end_matches('.'), Vec::new());
        let tensor = match branch.join {
            Join::Add => parts[1..].iter().fold(parts[0], |sum, &part| self.graph.node("Add", &[sum, part], &[])),
            Join::Concat => self.graph.concat(&parts, 1),
        };
        Ok(x.with_x(Samples { tensor, dims: y }))
    }

    /// Hands out the declared parts: `y`, and `y_hidden` where hidden states are beside it.
    fn outputs(mut self, y: Parts<Samples>, declared: Parts<Dims>) -> Graph {
        self.graph.output("y", y.x);
        for slot in Slot::ALL.into_iter().filter(|&slot| declared.beside(slot).is_some()) {
            let Some(&part) = y.beside(slot) else { unreachable!("a network is checked before it is exported") };
            self.graph.output(&format!("y_{}", slot.name()), part);
        }
        self.graph
    }
}

/// The operations that onnxruntime has in single precision only.
const SINGLE: [&str; 9] = ["AveragePool", "Conv", "ConvTranspose", "Gelu", "GRU", "LSTM", "LeakyRelu", "RNN", "Resize"];

fn output(spec: &Spec, x: Parts<Samples>) -> Parts<Dims> {
    infer(spec, x.map_ref(|x| x.dims)).unwrap_or_else(|_| unreachable!("a network is checked before it is exported"))
}
