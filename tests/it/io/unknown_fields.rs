//! Fields that the pinned `.proto` does not know survive, wherever they stand.

use std::fs;

use bytes::{BufMut, Bytes};
use onnxpress::io;
use onnxpress::proto::wire;
use prost::encoding::encode_varint;

use super::models;

/// The message fields of every message that a model is made of.
const NESTED: &[(&str, &[(u32, &str)])] = &[
    ("Model", &[(7, "Graph"), (8, "Leaf"), (14, "Leaf"), (20, "Training"), (25, "Function"), (26, "Leaf")]),
    ("Training", &[(1, "Graph"), (2, "Graph"), (3, "Leaf"), (4, "Leaf")]),
    ("Function", &[(7, "Node"), (9, "Leaf"), (11, "Attribute"), (12, "ValueInfo"), (14, "Leaf")]),
    (
        "Graph",
        &[
            (1, "Node"),
            (5, "Tensor"),
            (11, "ValueInfo"),
            (12, "ValueInfo"),
            (13, "ValueInfo"),
            (14, "Annotation"),
            (15, "Sparse"),
            (16, "Leaf"),
        ],
    ),
    ("Annotation", &[(2, "Leaf")]),
    ("Node", &[(5, "Attribute"), (9, "Leaf"), (10, "Leaf")]),
    (
        "Attribute",
        &[
            (5, "Tensor"),
            (6, "Graph"),
            (10, "Tensor"),
            (11, "Graph"),
            (14, "Type"),
            (15, "Type"),
            (22, "Sparse"),
            (23, "Sparse"),
        ],
    ),
    ("ValueInfo", &[(2, "Type"), (4, "Leaf")]),
    (
        "Type",
        &[(1, "TensorType"), (4, "Element"), (5, "Map"), (8, "TensorType"), (9, "Element"), (7, "Leaf")],
    ),
    ("TensorType", &[(2, "Shape")]),
    ("Shape", &[(1, "Leaf")]),
    ("Element", &[(1, "Type")]),
    ("Map", &[(2, "Type")]),
    ("Tensor", &[(13, "Leaf"), (16, "Leaf")]),
    ("Sparse", &[(1, "Tensor"), (2, "Tensor")]),
    ("Leaf", &[]),
];

fn nested(message: &str, field: u32) -> Option<&'static str> {
    let (_, fields) = NESTED.iter().find(|(name, _)| *name == message).unwrap();
    fields.iter().find(|(number, _)| *number == field).map(|(_, name)| *name)
}

/// The message with two unknown fields of ever different content in it and in every message inside it.
fn injected(name: &str, message: &wire::Message, count: &mut u64) -> Vec<u8> {
    let mut out = Vec::new();
    for field in message.fields() {
        let field = field.unwrap();
        match nested(name, field.number()) {
            Some(inner) => put(&mut out, field.number(), &injected(inner, &field.message().unwrap(), count)),
            None => out.put(field.raw()),
        }
    }
    *count += 1;
    encode_varint(1000 << 3, &mut out);
    encode_varint(*count, &mut out);
    put(&mut out, 2000, format!("unknown {count}").as_bytes());
    out
}

/// The message with what has no order sorted.
fn canonical(name: &str, message: &wire::Message) -> Vec<u8> {
    let mut fields: Vec<(u32, Vec<u8>)> = Vec::new();
    for field in message.fields() {
        let field = field.unwrap();
        let raw = match nested(name, field.number()) {
            Some(inner) => {
                let mut raw = Vec::new();
                put(&mut raw, field.number(), &canonical(inner, &field.message().unwrap()));
                raw
            }
            None => field.raw().to_vec(),
        };
        fields.push((field.number(), raw));
    }
    fields.sort_by(|a, b| {
        let unordered = name == "Graph" && matches!(a.0, 5 | 13);
        a.0.cmp(&b.0).then_with(|| if unordered { a.1.cmp(&b.1) } else { std::cmp::Ordering::Equal })
    });
    fields.into_iter().flat_map(|(_, raw)| raw).collect()
}

fn put(out: &mut Vec<u8>, number: u32, payload: &[u8]) {
    encode_varint(u64::from(number << 3 | 2), out);
    encode_varint(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

#[test]
fn unknown_fields_come_back() {
    let (mut checked, mut fields) = (0, 0);
    for path in models().iter().filter(|p| fs::metadata(p).unwrap().len() < 6 << 20) {
        let original = wire::Message::new(fs::read(path).unwrap().into());
        let mut count = 0;
        let strange = Bytes::from(injected("Model", &original, &mut count));
        let loaded = io::load_bytes(strange.clone()).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
        let written = io::to_bytes(&loaded.model).unwrap();
        let (want, have) = (wire::Message::new(strange), wire::Message::new(written));
        assert!(canonical("Model", &want) == canonical("Model", &have), "{} changed", path.display());
        checked += 1;
        fields += 2 * count;
    }
    println!("{fields} unknown fields in {checked} models came back");
    assert!(checked > 1900 && fields > 100_000);
}
