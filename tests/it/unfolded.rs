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
fn quantized_recurrent_layers_are_taken_by_tensorrt() {
    let place = Place::new();
    let input = folder("models").join("tashkeel-bilstm-int8.onnx");
    let input = input.to_str().unwrap();
    optimize(&place, input, "carried.onnx", &["--target", "tensorrt-rtx"]);
    assert_eq!(foreign(&place, "carried.onnx"), BTreeMap::from([("DynamicQuantizeLSTM".to_owned(), 3)]));
    optimize(&place, input, "plain.onnx", &["--target", "tensorrt-rtx", "--enable", "unfold-lstm"]);
    assert_eq!(foreign(&place, "plain.onnx"), BTreeMap::new());
    let check = ["check", "plain.onnx", "--target", "tensorrt-rtx"];
    assert_eq!(place.run(&check).code, 0);
    if let Ok(python) = std::env::var("ONNXPRESS_RTX_PYTHON") {
        let args = [&check[..], &["--build", "--python", &python, "--json"]].concat();
        let report = place.run(&args).json();
        assert_eq!(report["build"]["built"], true, "{}", report["build"]);
    }
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

/// One of each operator that passes of another name write as standard ones.
const FUSED: &str = r#"<ir_version: 10, opset_import: ["" : 17, "com.microsoft" : 1]>
g (int32[2,N] i, int32[2,N] t, float[2,2,3,3] x, float[2,2,2,2] z, float[2,N,4] v)
    => (float[2,N,4] e, float[2,N,4] y, float[2,2,2,2] c)
<
    float[5,4] w = {1, 2, 3, 4, -1, -2, 0.5, 1, 0.25, 2, -3, 1, 0.5, -1, 2, 1, 0, -0.5, 1, 1},
    float[6,4] p = {1, 0, 3, 4, -1, 2, 0.5, 1, 0.25, 2, 3, 1, 0.5, -1, 2, 1, 0, -0.5, 1, 1, 2, 2, 1, 0},
    float[2,4] s = {0.5, 1, -1, 0, 2, 1, 0, -0.5}, float[4] g = {1, 0.5, -2, 3}, float[4] b = {0.5, -1, 0, 2},
    float[2,2,2,2] k = {1, -1, 0.5, 2, 0.25, 1, -2, 1, 0.5, 0.5, -1, 1, 2, 1, -0.5, 1}, float[2] o = {0.5, -1}, float[2,2,1,1] r = {1, -0.5, 2, 1}
>
{
    e, m = com.microsoft.EmbedLayerNormalization <epsilon = 0.001> (i, t, w, p, s, g, b)
    f = com.microsoft.BiasGelu (v, b)
    q = com.microsoft.FastGelu (f, g)
    y = com.microsoft.QuickGelu <alpha = 1.5> (q)
    d = com.microsoft.FusedConv <activation = "LeakyRelu", activation_params = [0.25]> (x, k, o)
    c = com.microsoft.FusedConv <activation = "Relu", kernel_shape = [1, 1]> (d, r, , z)
}
"#;

/// Writes a model with standard operators and fuses it again: proved, and the same operators as before.
fn comes_back(place: &Place, file: &str, target: &str, passes: &[&str]) {
    let before = foreign(place, file);
    optimize(place, file, "plain.onnx", &["--target", "tensorrt"]);
    assert_eq!(foreign(place, "plain.onnx"), BTreeMap::new());
    let enable: Vec<String> = passes.iter().map(|id| format!("--enable={id}")).collect();
    let options: Vec<&str> =
        ["--target", target].into_iter().chain(enable.iter().map(String::as_str)).collect();
    optimize(place, "plain.onnx", "again.onnx", &options);
    assert_eq!(foreign(place, "again.onnx"), before);
}

/// What runs by name where ONNX Runtime fuses by itself.
const NAMED: [&str; 5] =
    ["fuse-bias-gelu", "fuse-conv-activation", "fuse-embed-norm", "fuse-fast-gelu", "fuse-quick-gelu"];

#[test]
fn operators_come_back_from_what_they_stand_for() {
    let place = Place::new();
    place.model("m.onnx", FUSED);
    comes_back(&place, "m.onnx", "ort-cpu", &NAMED);
    place.model("d.onnx", CHANNELS_LAST);
    comes_back(&place, "d.onnx", "ort-cuda", &["fuse-group-norm-silu"]);
}

#[test]
fn what_a_language_model_is_made_of_comes_back() {
    let place = Place::new();
    let input = folder("models").join("minilm-l6.onnx");
    let enable =
        ["--target", "ort-cpu", "--opset", "17", "--enable", "fuse-bias-gelu,fuse-embed-norm,fuse-skip-norm"];
    optimize(&place, input.to_str().unwrap(), "fused.onnx", &enable);
    let made = ["BiasGelu", "EmbedLayerNormalization", "SkipLayerNormalization"].map(str::to_owned);
    assert_eq!(foreign(&place, "fused.onnx"), BTreeMap::from_iter(made.into_iter().zip([6, 1, 12])));
    comes_back(&place, "fused.onnx", "ort-cpu", &["fuse-bias-gelu", "fuse-embed-norm", "fuse-skip-norm"]);
}

const CHANNELS_LAST: &str = r#"<ir_version: 10, opset_import: ["" : 17, "com.microsoft" : 1]>
g (float[2,4,4,8] x) => (float[2,4,4,8] y)
<float[8] g = {1, 2, 0.5, -1, 1, 1, 3, 2}, float[8] b = {0, 1, 0, -1, 0.5, 0, 2, 0}>
{
    n = com.microsoft.GroupNorm <groups = 4, activation = 1> (x, g, b)
    y = com.microsoft.GroupNorm <groups = 2, activation = 0> (n, g, b)
}
"#;

/// `s` is read twice, so that something is left to do beside the operators that only a GPU has.
const DIFFUSION: &str = r#"<ir_version: 10, opset_import: ["" : 17, "com.microsoft" : 1]>
g (float[2,4,4,8] x, float[2,4,4,8] k) => (float[2,4,4,8] y, float[2,16,4] z)
<float[8] g = {1, 2, 0.5, -1, 1, 1, 3, 2}, float[8] b = {0, 1, 0, -1, 0.5, 0, 2, 0}, int64[3] flat = {2, 16, 8}>
{
    a = Identity (x)
    y, s = com.microsoft.SkipGroupNorm <groups = 4, activation = 1> (a, g, b, k)
    n = com.microsoft.GroupNorm <groups = 2, activation = 0> (s, g, b)
    r = Reshape (n, flat)
    z = com.microsoft.BiasSplitGelu (r, b)
}
"#;

#[test]
fn what_no_cpu_has_a_kernel_of_is_proved_by_its_formula() {
    let place = Place::new();
    place.model("m.onnx", DIFFUSION);
    let ops = ["BiasSplitGelu", "GroupNorm", "SkipGroupNorm"].map(|op| format!("com.microsoft.{op}"));
    for (target, left) in [("ort-cuda", 3), ("tensorrt", 0), ("onnx", 3)] {
        let report = optimize(&place, "m.onnx", "out.onnx", &["--target", target]);
        assert_eq!(report["parity"]["spelled_out"], serde_json::json!(ops), "{target}");
        assert_eq!(foreign(&place, "out.onnx").len(), left, "{target}");
    }
    let said = place.run(&["compare", "m.onnx", "out.onnx"]);
    assert!(said.out.contains("with the formula of com.microsoft.BiasSplitGelu, "), "{}", said.out);
    let ran = optimize(&place, "out.onnx", "plain.onnx", &["--target", "onnx", "--opset", "20"]);
    assert_eq!(ran["parity"]["spelled_out"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_formula_that_differs_is_found() {
    let place = Place::new();
    place.model("m.onnx", DIFFUSION);
    place.model("other.onnx", &DIFFUSION.replace("groups = 2", "groups = 4"));
    let ran = place.run(&["compare", "m.onnx", "other.onnx"]);
    assert!(ran.code == 3 && ran.out.contains("mismatch: "), "{} {}", ran.code, ran.out);
}
