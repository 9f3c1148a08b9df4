//! Operators of ONNX Runtime in whole models: written as standard ones, found again, and the same answers each time.

use crate::cli::Place;
use crate::fixtures::{folder, onnx_runtime};
use onnxpress::io;
use onnxpress::pipeline::registry;
use onnxpress::runtime::{Optimization, Runtime, SessionOptions, Source};
use std::collections::BTreeMap;

/// How often operators that are not of ONNX occur.
fn foreign(place: &Place, file: &str) -> BTreeMap<String, usize> {
    let model = io::load(place.path(file)).unwrap().model;
    let mut found = BTreeMap::new();
    for (_, node) in model.graph.nodes() {
        let op = node.op();
        if !op.domain.is_empty() || op.is("SimplifiedLayerNormalization") {
            *found.entry(op.name.to_owned()).or_default() += 1;
        }
    }
    found
}

/// Optimizes a file, proved, and gives back how often each pass has fired.
fn optimize(place: &Place, from: &str, to: &str, more: &[&str]) -> serde_json::Value {
    let report = place.run(&[&["optimize", from, "-o", to, "--json"], more].concat()).json();
    assert_eq!(report["parity"]["status"], "passed", "{from}: {:#}", report["parity"]);
    report
}

/// A model as ONNX Runtime writes it once it has optimized it, of these operators, written for a target that has none.
fn unfolds(id: &str, target: &str, operators: &[&str]) {
    let place = Place::new();
    let input = folder("models").join(format!("{id}.onnx"));
    let options = SessionOptions {
        optimize: Optimization::Extended,
        optimized: Some(place.path("ort.onnx")),
        ..SessionOptions::default()
    };
    onnx_runtime().session(&Source::file(input.clone()), &options).unwrap();
    let before = foreign(&place, "ort.onnx");
    assert_eq!(before.keys().collect::<Vec<_>>(), operators, "{id}");

    if target == "onnx" {
        optimize(&place, "ort.onnx", "carried.onnx", &[]);
        assert_eq!(foreign(&place, "carried.onnx"), before, "{id}: carried unless a pass is named");
    }
    let named = registry().into_iter().filter(|e| target == "onnx" && e.id().starts_with("unfold-"));
    let named: Vec<String> = named.map(|e| format!("--enable={}", e.id())).collect();
    let options: Vec<&str> =
        ["--target", target].into_iter().chain(named.iter().map(String::as_str)).collect();
    optimize(&place, "ort.onnx", "plain.onnx", &options);
    assert_eq!(foreign(&place, "plain.onnx"), BTreeMap::new(), "{id}");
}

#[test]
fn what_onnx_runtime_fuses_is_written_with_standard_operators() {
    unfolds("effnet-lite0", "tensorrt", &["FusedConv"]);
    unfolds("minilm-l6", "tensorrt", &["BiasGelu", "FusedMatMul"]);
    unfolds("minilm-l6-int8w", "tensorrt", &["FusedMatMul", "SkipLayerNormalization"]);
    unfolds("ppocrv4-rec", "tensorrt-rtx", &["FusedConv", "FusedMatMul", "QuickGelu"]);
    let quantized =
        ["DynamicQuantizeMatMul", "FastGelu", "MatMulIntegerToFloat", "SimplifiedLayerNormalization"];
    unfolds("t5s-title-encoder", "onnx", &quantized);
}

#[test]
fn attention_comes_back_from_its_formula() {
    let place = Place::new();
    let input = folder("models").join("minilm-l6.onnx");
    let fuse = ["--target", "ort-cpu", "--enable", "fuse-attention"];
    let of = |report: serde_json::Value| report["fused"]["attention"].as_u64().unwrap();
    let first = of(optimize(&place, input.to_str().unwrap(), "fused.onnx", &fuse));
    assert_eq!(foreign(&place, "fused.onnx"), BTreeMap::from([("MultiHeadAttention".to_owned(), 6)]));
    optimize(&place, "fused.onnx", "plain.onnx", &["--target", "tensorrt"]);
    assert_eq!(foreign(&place, "plain.onnx"), BTreeMap::new());
    let second = of(optimize(&place, "plain.onnx", "again.onnx", &fuse));
    assert_eq!((first, second), (6, 6));
    assert_eq!(foreign(&place, "again.onnx"), foreign(&place, "fused.onnx"));
}
