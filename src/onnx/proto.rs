//! The part of ONNX's file format that a [`Graph`] needs: `onnx.proto`, with its names and numbers.

use super::graph::{Attribute, Graph, Initializer, Kind, Node, Port};
use super::{IR_VERSION, OPSET};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, tag = "2")]
    f: f32,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(bytes = "vec", tag = "4")]
    s: Vec<u8>,
    // In this version of the protocol lists are not packed.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
    /// 1 for `f`, 2 for `i`, 3 for `s`, 7 for `ints`.
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DimensionProto {
    #[prost(oneof = "Size", tags = "1, 2")]
    size: Option<Size>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Size {
    #[prost(int64, tag = "1")]
    Value(i64),
    #[prost(string, tag = "2")]
    Param(String),
}

/// The bytes of an ONNX file.
pub(super) fn encode(graph: &Graph) -> Vec<u8> {
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph_proto(graph)),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
    };
    model.encode_to_vec()
}

fn graph_proto(graph: &Graph) -> GraphProto {
    let ports = |ports: &[Port]| ports.iter().map(|port| port_proto(graph, port)).collect();
    GraphProto {
        node: graph.nodes.iter().map(|node| node_proto(graph, node)).collect(),
        name: graph.name.to_owned(),
        initializer: graph.initializers.iter().map(|initializer| tensor_proto(graph, initializer)).collect(),
        input: ports(&graph.inputs),
        output: ports(&graph.outputs),
    }
}

fn node_proto(graph: &Graph, node: &Node) -> NodeProto {
    NodeProto {
        input: node.inputs.iter().map(|&tensor| graph.name(tensor).to_owned()).collect(),
        output: node.outputs.iter().map(|&tensor| graph.name(tensor).to_owned()).collect(),
        name: node.name.clone(),
        op_type: node.op.to_owned(),
        attribute: node.attributes.iter().map(|(name, attribute)| attribute_proto(name, attribute)).collect(),
    }
}

fn attribute_proto(name: &str, attribute: &Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    match attribute {
        Attribute::Float(x) => (proto.kind, proto.f) = (1, *x as f32),
        Attribute::Int(i) => (proto.kind, proto.i) = (2, *i),
        Attribute::Text(text) => (proto.kind, proto.s) = (3, text.as_bytes().to_vec()),
        Attribute::Ints(ints) => (proto.kind, proto.ints) = (7, ints.clone()),
    }
    proto
}

fn tensor_proto(graph: &Graph, Initializer { tensor, kind, sizes, bytes }: &Initializer) -> TensorProto {
    TensorProto {
        dims: sizes.iter().map(|&size| size as i64).collect(),
        data_type: data_type(*kind),
        name: graph.name(*tensor).to_owned(),
        raw_data: bytes.clone(),
    }
}

/// A tensor whose first dimension is the batch.
fn port_proto(graph: &Graph, port: &Port) -> ValueInfoProto {
    let batch = core::iter::once(Size::Param("batch".to_owned()));
    let sizes = batch.chain(port.dims.sizes().iter().map(|&size| Size::Value(size as i64)));
    let shape = TensorShapeProto { dim: sizes.map(|size| DimensionProto { size: Some(size) }).collect() };
    let tensor_type = TensorTypeProto { elem_type: data_type(port.kind), shape: Some(shape) };
    ValueInfoProto { name: graph.name(port.tensor).to_owned(), kind: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

/// ONNX's number for a type.
fn data_type(kind: Kind) -> i32 {
    match kind {
        Kind::F32 => 1,
        Kind::I64 => 7,
        Kind::F64 => 11,
    }
}
