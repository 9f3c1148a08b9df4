//! Values that the C API cannot make: an absent optional and an empty sequence.
//!
//! One-node models make them; what they return can be fed like any other value.

use super::api::{Api, Owned};
use super::session::OrtSession;
use super::values::{Kind, dtype};
use crate::error::Error;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TypeProto, ValueInfoProto,
    type_proto,
};
use crate::runtime::{RunError, SessionOptions, Source};
use ort_sys as sys;
use prost::Message;

/// The first opset and IR with both operators.
const OPSET: i64 = 15;
const IR_VERSION: i64 = 8;

/// An optional of `kind` that holds nothing.
pub(super) fn none(api: &'static Api, kind: &Kind) -> Result<Owned<sys::OrtValue>, RunError> {
    let Kind::Optional(inner) = kind else {
        return Err(Error::new("an absent value is fed to an input that is not optional").into());
    };
    // ONNX Runtime 1.31.1 reads through the null pointer of such a feed, which would end the process.
    if matches!(**inner, Kind::Tensor(_)) {
        return Err(RunError::Unsupported("an absent tensor as a model's input".to_owned()));
    }
    let attribute = AttributeProto {
        name: Some("type".to_owned()),
        r#type: Some(AttributeType::TypeProto as i32),
        tp: Some(type_of(inner)?),
        ..Default::default()
    };
    make(api, "Optional", attribute, type_of(kind)?)
}

/// A sequence of `kind` without elements.
pub(super) fn empty_sequence(api: &'static Api, kind: &Kind) -> Result<Owned<sys::OrtValue>, RunError> {
    let Kind::Sequence(inner) = kind else {
        return Err(Error::new("an empty sequence is fed to an input that is no sequence").into());
    };
    let Kind::Tensor(code) = **inner else {
        return Err(RunError::Unsupported("an empty sequence of other values than tensors".to_owned()));
    };
    let attribute = AttributeProto {
        name: Some("dtype".to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(i64::from(element_code(code)?)),
        ..Default::default()
    };
    make(api, "SequenceEmpty", attribute, type_of(kind)?)
}

fn make(
    api: &'static Api,
    op: &str,
    attribute: AttributeProto,
    output: TypeProto,
) -> Result<Owned<sys::OrtValue>, RunError> {
    let node = NodeProto {
        op_type: Some(op.to_owned()),
        output: vec!["y".to_owned()],
        attribute: vec![attribute],
        ..Default::default()
    };
    let y = ValueInfoProto { name: Some("y".to_owned()), r#type: Some(output), ..Default::default() };
    let graph =
        GraphProto { name: Some("g".to_owned()), node: vec![node], output: vec![y], ..Default::default() };
    let opset = OperatorSetIdProto { version: Some(OPSET), ..Default::default() };
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        opset_import: vec![opset],
        graph: Some(graph),
        ..Default::default()
    };
    let session =
        OrtSession::new(api, &Source::bytes(model.encode_to_vec()), &SessionOptions::default(), None)?;
    let mut values = session.run_raw(&[], &[c"y".to_owned()])?;
    values.pop().ok_or_else(|| Error::new("ONNX Runtime made no value").into())
}

fn type_of(kind: &Kind) -> Result<TypeProto, RunError> {
    use type_proto::Value;
    let value = match kind {
        Kind::Tensor(code) => Value::TensorType(type_proto::Tensor {
            elem_type: Some(element_code(*code)?),
            ..Default::default()
        }),
        Kind::Sequence(inner) => {
            Value::SequenceType(Box::new(type_proto::Sequence { elem_type: Some(Box::new(type_of(inner)?)) }))
        }
        Kind::Optional(inner) => {
            Value::OptionalType(Box::new(type_proto::Optional { elem_type: Some(Box::new(type_of(inner)?)) }))
        }
        Kind::Other => return Err(RunError::Unsupported("an absent value of this type".to_owned())),
    };
    Ok(TypeProto { value: Some(value), ..Default::default() })
}

fn element_code(code: i32) -> Result<i32, RunError> {
    dtype(code)
        .map(|t| t.code())
        .ok_or_else(|| RunError::Unsupported(format!("ONNX Runtime's element type {code}")))
}
