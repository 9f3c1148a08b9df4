//! Models at the edges: each is quantized for every target, runs, and answers much like before.

use super::{interface, loaded, place};
use onnxpress::analysis::verify;
use serde_json::Value;

/// Name, signature, constants, nodes.
const MODELS: &[(&str, &str, &str, &str)] = &[
    (
        "no_rows",
        "(float[0,4] x) => (float[0,2] y)",
        "float[4,2] w = {1, 2, 3, 4, 5, 6, 7, 8}",
        "y = MatMul (x, w)",
    ),
    (
        "no_channels",
        "(float[3,4] x) => (float[3,0] y, float[3,4] z)",
        "float[4,0] w = {}",
        "y = MatMul (x, w)\n z = Relu (x)",
    ),
    ("nothing_to_sum", "(float[3,0] x) => (float[3,2] y)", "float[0,2] w = {}", "y = MatMul (x, w)"),
    (
        "number",
        "(float x) => (float[1,2] y)",
        "float[1,2] w = {1, -2}, int64[2] s = {1, 1}",
        "m = Mul (x, x)\n r = Reshape (m, s)\n y = MatMul (r, w)",
    ),
    (
        "vectors",
        "(float[4] x) => (float[2] y, float z)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}, float[4] v = {1, 2, -3, 4}",
        "y = MatMul (x, w)\n z = MatMul (x, v)",
    ),
    (
        "stacked",
        "(float[2,3,4] x) => (float[2,3,2] y)",
        "float[2,4,2] w = {1, 2, 3, 4, 5, -6, 7, 8, 1, 3, -2, 5, 6, 1, 2, 4}",
        "y = MatMul (x, w)",
    ),
    (
        "shared",
        "(float[N,4] x) => (float[N,4] y, float[N,4] z)",
        "float[4,4] w = {1, 2, -3, 4, 5, 6, 7, -8, 1, 3, -2, 5, 6, 1, 2, 4}",
        "a = MatMul (x, w)\n y = MatMul (a, w)\n z = Gemm <transB = 1> (a, w)",
    ),
    (
        "both",
        "(float[1,2,3,3] x) => (float[1,2,3,3] y, float[1,2,3,3] z)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}",
        "y = Conv (x, w)\n z = Conv (y, w)",
    ),
    (
        "clamped_output",
        "(float[1,2,3,3] x) => (float[1,2,3,3] y, float[1,2,3,3] z)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}",
        "y = Conv (x, w)\n z = Relu (y)",
    ),
    (
        "input_as_output",
        "(float[3,4] x) => (float[3,2] y, float[3,4] z)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}",
        "y = MatMul (x, w)\n z = Identity (x)",
    ),
    (
        "turned",
        "(float[4,3] x) => (float[3,2] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}, float[2] b = {1, 2}",
        "y = Gemm <transA = 1> (x, w, b)",
    ),
    (
        "scaled",
        "(float[3,4] x) => (float[3,2] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}, float[2] b = {1, 2}",
        "y = Gemm <alpha = 0.5, beta = 2.0> (x, w, b)",
    ),
    (
        "halved",
        "(float[3,4] x) => (float[3,2] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}",
        "y = Gemm <alpha = 0.5> (x, w)",
    ),
    (
        "row_bias",
        "(float[3,4] x) => (float[3,2] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}, float[1,2] b = {1, 2}",
        "y = Gemm (x, w, b)",
    ),
    (
        "whole_bias",
        "(float[3,4] x) => (float[3,2] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}, float[3,2] b = {1, 2, 3, 4, 5, 6}",
        "y = Gemm (x, w, b)",
    ),
    (
        "one_bias",
        "(float[3,4] x) => (float[3,2] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}, float b = {1}",
        "y = Gemm (x, w, b)",
    ),
    (
        "one_added",
        "(float[3,4] x) => (float[3,2] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}, float[1] b = {1}",
        "p = MatMul (x, w)\n y = Add (b, p)",
    ),
    (
        "widened",
        "(float[1,4] x) => (float[3,2] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}, float[3,2] b = {1, 2, 3, 4, 5, 6}",
        "p = MatMul (x, w)\n y = Add (p, b)",
    ),
    (
        "depthwise",
        "(float[1,4,3,3] x) => (float[1,4,3,3] y)",
        "float[4,1,1,1] w = {1, -2, 3, 0.5}, float[4] b = {1, 2, 3, 4}",
        "y = Conv <group = 4> (x, w, b)",
    ),
    ("line", "(float[1,2,5] x) => (float[1,2,5] y)", "float[2,2,1] w = {1, -2, 3, 0.5}", "y = Conv (x, w)"),
    (
        "volume",
        "(float[1,2,2,2,2] x) => (float[1,2,2,2,2] y)",
        "float[2,2,1,1,1] w = {1, -2, 3, 0.5}",
        "y = Conv (x, w)",
    ),
    (
        "upward",
        "(float[1,2,3,3] x) => (float[1,2,3,3] y)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}, float[2] b = {1, 2}",
        "y = ConvTranspose (x, w, b)",
    ),
    (
        "upward_groups",
        "(float[1,2,3,3] x) => (float[1,2,3,3] y)",
        "float[2,1,1,1] w = {1, -2}",
        "y = ConvTranspose <group = 2> (x, w)",
    ),
    (
        "sum_of_itself",
        "(float[1,2,3,3] x) => (float[1,2,3,3] y)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}",
        "a = Conv (x, w)\n y = Add (a, a)",
    ),
    (
        "sum_with_the_input",
        "(float[1,2,3,3] x) => (float[1,2,3,3] y)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}",
        "a = Conv (x, w)\n b = Add (x, a)\n y = Relu (b)",
    ),
    (
        "two_sums",
        "(float[1,2,3,3] x) => (float[1,2,3,3] y, float[1,2,3,3] z)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}",
        "a = Conv (x, w)\n b = Conv (a, w)\n y = Add (a, b)\n z = Add (y, a)",
    ),
    (
        "pool_indices",
        "(float[1,2,4,4] x) => (float[1,2,2,2] y, int64[1,2,2,2] i)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}",
        "a = Conv (x, w)\n y, i = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)",
    ),
    (
        "joined",
        "(float[1,2,3,3] x) => (float[1,4,3,3] y)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}",
        "a = Conv (x, w)\n b = Conv (a, w)\n y = Concat <axis = 1> (a, b)",
    ),
    (
        "clip",
        "(float[1,2,3,3] x, float most) => (float[1,2,3,3] y, float[1,2,3,3] z)",
        "float[2,2,1,1] w = {1, -2, 3, 0.5}, float zero = {0}, float six = {6}",
        "a = Conv (x, w)\n y = Clip (a, zero, six)\n b = Conv (x, w)\n z = Clip (b, zero, most)",
    ),
    (
        "taken_names",
        "(float[3,4] x) => (float[3,2] y, float[3,4] \"x/quantized\")",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}",
        "y = MatMul (x, w)\n \"x/quantized\" = Relu (x)",
    ),
    (
        "rows",
        "(int64[2,3] i, int64 j) => (float[2,3,2] y, float[2] z, float[4,4] t)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}",
        "y = Gather (w, i)\n z = Gather (w, j)\n u = Transpose (w)\n t = MatMul (w, u)",
    ),
    (
        "tied",
        "(int64[3] i) => (float[3,4] y)",
        "float[4,2] w = {1, 2, 3, 4, -5, 6, 7, 8}",
        "e = Gather (w, i)\n u = Transpose (w)\n y = MatMul (e, u)",
    ),
    (
        "infinite",
        "(int64[2] i, float[3,2] x) => (float[2,2] y, float[3,2] z)",
        "float[3,2] t = {1, 2, 3, 4, -inf, 0}, float[2,2] w = {1, inf, 3, 4}",
        "y = Gather (t, i)\n z = MatMul (x, w)",
    ),
    ("wide", "(double[3,2] x) => (double[3,2] y)", "double[2,2] w = {1, 2, 3, 4}", "y = MatMul (x, w)"),
    ("no_products", "(float[3,2] x) => (float[3,2] y)", "float[2] w = {1, 2}", "y = Mul (x, w)"),
    (
        "computed_weight",
        "(float[3,2] x, float[2,2] w) => (float[3,2] y)",
        "float one = {1}",
        "y = MatMul (x, w)",
    ),
    (
        "branches",
        "(float[3,2] x, bool c) => (float[3,2] y)",
        "float[2,2] w = {1, -2, 3, 4}",
        "a = MatMul (x, w)\n y = If (c) <then_branch = t () => (float[3,2] p) { p = MatMul (a, w) }, else_branch = e () => (float[3,2] q) { q = Neg (a) }>",
    ),
    (
        "zero_weight",
        "(float[3,2] x) => (float[3,2] y)",
        "float[2,2] w = {0, 0, 0, 0}, float[2] b = {0, 1}",
        "y = Gemm (x, w, b)",
    ),
    (
        "tiny_weight",
        "(float[3,2] x) => (float[3,2] y)",
        "float[2,2] w = {1e-42, 0, 1e-38, 1}, float[2] b = {1e10, 1e-40}",
        "y = Gemm (x, w, b)",
    ),
    (
        "normalized",
        "(float[600,4] x) => (float[600,4] y, float[600,4] z, float[600,1] m)",
        "float[4] s = {1, 100, 0.01, 1}, float[4,4] w = {1, 2, -3, 4, 5, 6, 7, -8, 1, 3, -2, 5, 6, 1, 2, 4}",
        "n, m = LayerNormalization (x, s)\n y = MatMul (n, w)\n z = MatMul (y, w)",
    ),
];

#[test]
fn models_at_the_edges_are_quantized_as_far_as_they_can_be() {
    let place = place();
    let mut failed = Vec::new();
    for (name, signature, constants, nodes) in MODELS {
        let text =
            format!("<ir_version: 8, opset_import: [\"\" : 17]> g {signature} <{constants}> {{ {nodes} }}");
        let file = format!("{name}.onnx");
        place.model(&file, &text);
        for target in ["ort-cpu", "tensorrt", "tensorrt-rtx"] {
            let ran = place.run(&[
                "quantize",
                &file,
                "-o",
                "q.onnx",
                "--target",
                target,
                "--random-data",
                "--no-bench",
                "--json",
                "--max-samples",
                "4",
            ]);
            if ran.code != 0 {
                failed.push(format!("{name} {target}: {} {}", ran.code, ran.err));
                continue;
            }
            let model = loaded(&place, "q.onnx");
            verify(&model).unwrap();
            assert_eq!(interface(&model), interface(&loaded(&place, &file)), "{name} {target}");
            let report: Value = serde_json::from_str(&ran.out).unwrap();
            let db = report["accuracy"]["sqnr_db"].as_f64();
            if db.is_some_and(|db| db < 25.0) {
                failed.push(format!("{name} {target}: {db:?}\n{:#}", report["plan"]));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
