//! Small messages for tests.

use bytes::Bytes;
use onnxpress::proto::tensor_shape_proto::{Dimension, dimension};
use onnxpress::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

/// A value of `float[2]`.
pub(crate) fn float2(name: &str) -> ValueInfoProto {
    let dim = Dimension { value: Some(dimension::Value::DimValue(2)), ..Default::default() };
    let tensor = type_proto::Tensor { elem_type: Some(1), shape: Some(TensorShapeProto { dim: vec![dim] }) };
    let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: Some(name.into()), r#type: Some(ty), ..Default::default() }
}

pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let strings = |names: &[&str]| names.iter().map(|s| (*s).to_owned()).collect();
    NodeProto {
        op_type: Some(op.into()),
        input: strings(inputs),
        output: strings(outputs),
        ..Default::default()
    }
}

/// A `float[n]` with the values 0, 1, 2, …
pub(crate) fn floats(name: &str, n: usize) -> TensorProto {
    let raw: Vec<u8> = (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect();
    TensorProto {
        name: Some(name.into()),
        dims: vec![n as i64],
        data_type: Some(1),
        raw_data: Some(Bytes::from(raw)),
        ..Default::default()
    }
}

/// The same tensor in an external file.
pub(crate) fn external(name: &str, n: usize, entries: &[(&str, &str)]) -> TensorProto {
    let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
        key: Some(key.into()),
        value: Some(value.into()),
    };
    TensorProto {
        raw_data: None,
        external_data: entries.iter().map(entry).collect(),
        data_location: Some(1),
        ..floats(name, n)
    }
}

pub(crate) fn body(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { name: Some(name.into()), g: Some(graph), r#type: Some(5), ..Default::default() }
}

/// `x -> y` through the given nodes.
pub(crate) fn graph(nodes: Vec<NodeProto>) -> GraphProto {
    GraphProto {
        name: Some("g".into()),
        node: nodes,
        input: vec![float2("x")],
        output: vec![float2("y")],
        ..Default::default()
    }
}

/// Opset 17, IR 8.
pub(crate) fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(17) }],
        graph: Some(graph),
        ..Default::default()
    }
}

/// An `If` in an `If`, so many deep.
pub(crate) fn nested_ifs(depth: usize) -> ModelProto {
    let mut inner = GraphProto {
        node: vec![node("Neg", &["x"], &["r"])],
        output: vec![float2("r")],
        ..Default::default()
    };
    for _ in 0..depth {
        let mut holder = node("If", &["x"], &["r"]);
        holder.attribute.push(body("then_branch", inner));
        inner = GraphProto { node: vec![holder], output: vec![float2("r")], ..Default::default() };
    }
    let mut outer = graph(inner.node);
    outer.output = vec![float2("r")];
    model(outer)
}
