//! The newest versions that a library takes, asked from the library itself with empty models.

use super::api::Api;
use super::session::OrtSession;
use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};
use crate::proto::{TypeProto, type_proto};
use crate::runtime::{Limits, SessionOptions, Source};
use crate::tensor::DType;
use prost::Message;

/// What the oldest library that is taken supports.
const FLOOR: Limits = Limits { ir_version: 10, opset: 22, ml_opset: 3 };

/// Far above every published version; bounds the search.
const CEILING: i64 = 100;

/// Asks a library; a few milliseconds.
pub(super) fn probe(api: &'static Api) -> Limits {
    let highest = |floor: i64, at: &dyn Fn(i64) -> Limits| {
        (floor + 1..CEILING).take_while(|&version| takes(api, at(version))).last().unwrap_or(floor)
    };
    Limits {
        ir_version: highest(FLOOR.ir_version, &|ir_version| Limits { ir_version, ..FLOOR }),
        opset: highest(FLOOR.opset, &|opset| Limits { opset, ..FLOOR }),
        ml_opset: highest(FLOOR.ml_opset, &|ml_opset| Limits { ml_opset, ..FLOOR }),
    }
}

fn takes(api: &'static Api, versions: Limits) -> bool {
    let model = Source::bytes(model(versions).encode_to_vec());
    OrtSession::new(api, &model, &SessionOptions::default(), None).is_ok()
}

/// `y = Identity(x)` that claims these versions.
fn model(versions: Limits) -> ModelProto {
    let value = |name: &str| ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: Some(DType::F32.code()),
                ..Default::default()
            })),
            ..Default::default()
        }),
        ..Default::default()
    };
    let opset = |domain: &str, version: i64| OperatorSetIdProto {
        domain: Some(domain.to_owned()),
        version: Some(version),
    };
    let node = NodeProto {
        op_type: Some("Identity".to_owned()),
        input: vec!["x".to_owned()],
        output: vec!["y".to_owned()],
        ..Default::default()
    };
    ModelProto {
        ir_version: Some(versions.ir_version),
        opset_import: vec![opset("", versions.opset), opset("ai.onnx.ml", versions.ml_opset)],
        graph: Some(GraphProto {
            name: Some("g".to_owned()),
            node: vec![node],
            input: vec![value("x")],
            output: vec![value("y")],
            ..Default::default()
        }),
        ..Default::default()
    }
}
