//! One-node models, made for a test.

use bytes::Bytes;
use onnxpress::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TypeProto, ValueInfoProto, type_proto,
};
use onnxpress::runtime::{RunValue, Source};
use onnxpress::tensor::{DType, Tensor};
use prost::Message;

/// The type of a tensor of any shape.
pub(super) fn tensor_type(dtype: DType) -> TypeProto {
    let tensor = type_proto::Tensor { elem_type: Some(dtype.code()), ..Default::default() };
    TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() }
}

/// The type of a sequence of tensors.
pub(super) fn sequence_type(dtype: DType) -> TypeProto {
    let sequence = type_proto::Sequence { elem_type: Some(Box::new(tensor_type(dtype))) };
    TypeProto { value: Some(type_proto::Value::SequenceType(Box::new(sequence))), ..Default::default() }
}

/// `y = OP(x)` at IR 10 and opset 22, open to change.
pub(super) fn one_node(op: &str, x: TypeProto, y: TypeProto) -> ModelProto {
    let value = |name: &str, t: TypeProto| ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(t),
        ..Default::default()
    };
    let node = NodeProto {
        op_type: Some(op.to_owned()),
        input: vec!["x".to_owned()],
        output: vec!["y".to_owned()],
        ..Default::default()
    };
    let graph = GraphProto {
        name: Some("g".to_owned()),
        node: vec![node],
        input: vec![value("x", x)],
        output: vec![value("y", y)],
        ..Default::default()
    };
    ModelProto {
        ir_version: Some(10),
        opset_import: vec![OperatorSetIdProto { version: Some(22), ..Default::default() }],
        graph: Some(graph),
        ..Default::default()
    }
}

/// `y = Identity(x)` on floats.
pub(super) fn identity() -> ModelProto {
    one_node("Identity", tensor_type(DType::F32), tensor_type(DType::F32))
}

pub(super) fn source(model: &ModelProto) -> Source {
    Source::bytes(model.encode_to_vec())
}

/// A vector of floats.
pub(super) fn floats(values: &[f32]) -> RunValue {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    RunValue::Tensor(Tensor::from_bytes(DType::F32, &[values.len()], bytes).unwrap())
}

/// A vector of strings.
pub(super) fn strings(values: &[&'static [u8]]) -> RunValue {
    let values: Vec<Bytes> = values.iter().map(|v| Bytes::from_static(v)).collect();
    RunValue::Tensor(Tensor::from_strings(&[values.len()], values).unwrap())
}

/// The tensor of a value.
pub(super) fn tensor(value: &RunValue) -> &Tensor {
    match value {
        RunValue::Tensor(tensor) => tensor,
        other => panic!("not a tensor: {other:?}"),
    }
}
