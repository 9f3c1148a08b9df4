//! Kernels for whole numbers against the same model in floats: nothing differs by more than one step.

use super::{model, table};
use crate::fixtures::onnx_runtime;
use onnxpress::io::to_bytes;
use onnxpress::ir::Model;
use onnxpress::quantize::{Grid, choose, place, plan, wanted};
use onnxpress::runtime::{Optimization, RunValue, Runtime, SessionOptions, Source};
use onnxpress::tensor::Tensor;
use proptest::prelude::*;

fn listed(values: &[f32]) -> String {
    values.iter().map(|v| format!("{v:.5}")).collect::<Vec<_>>().join(", ")
}

fn at(model: &Model, optimize: Optimization, x: &Tensor) -> Vec<f32> {
    let options = SessionOptions { optimize, ..SessionOptions::default() };
    let mut session = onnx_runtime().session(&Source::bytes(to_bytes(model).unwrap()), &options).unwrap();
    let RunValue::Tensor(y) = session.run(&[("x", &RunValue::Tensor(x.clone()))], &["y"]).unwrap().remove(0)
    else {
        panic!("no tensor")
    };
    y.to_vec::<f32>().unwrap()
}

/// Quantized with ranges as wide as `reach`, and the step of the last range.
fn quantized(text: &str, reach: f32) -> (Model, f32) {
    let mut model = model(text);
    let choices = choose(&model.graph, &table(), &Default::default()).unwrap();
    let ranges = wanted(&model.graph, &choices).into_iter().map(|v| (v, (-reach, reach))).collect();
    // With 8 bits, kernels of processors without VNNI saturate.
    let places = plan(&model.graph, &choices, &table(), &ranges, Grid::SIGNED_7_BITS).unwrap();
    place(&mut model.graph, &places);
    (model, 2.0 * reach / 255.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_are_their_own_simulation(
        w in prop::collection::vec(-1.0f32..1.0, 36),
        b in prop::collection::vec(-2.0f32..2.0, 4),
        x in prop::collection::vec(-3.0f32..3.0, 100),
        groups in prop::sample::select(vec![1usize, 2, 4]),
        pad in 0usize..2,
        stride in 1usize..3,
        bias in any::<bool>(),
        reach in 4.0f32..20.0,
    ) {
        let channels = 4 / groups;
        let weights: Vec<f32> = w.iter().copied().cycle().take(4 * channels * 9).collect();
        let operand = if bias { ", b" } else { "" };
        let text = format!(
            "<ir_version: 8, opset_import: [\"\" : 13]> g (float[1,4,5,5] x) => (float[1,4,H,W] y)\n\
             <float[4,{channels},3,3] w = {{{}}}, float[4] b = {{{}}}>\n\
             {{ y = Conv <group = {groups}, pads = [{pad},{pad},{pad},{pad}], strides = [{stride},{stride}]> (x, w{operand}) }}",
            listed(&weights), listed(&b),
        );
        let (model, step) = quantized(&text, reach);
        let x = Tensor::from_slice(&[1, 4, 5, 5], &x).unwrap();
        let (floats, whole) = (at(&model, Optimization::None, &x), at(&model, Optimization::All, &x));
        for (a, b) in floats.iter().zip(&whole) {
            prop_assert!((a - b).abs() <= step * 1.001, "{a} {b} {step}");
        }
    }

    #[test]
    fn products_are_their_own_simulation(
        w in prop::collection::vec(-1.0f32..1.0, 24),
        b in prop::collection::vec(-2.0f32..2.0, 4),
        x in prop::collection::vec(-3.0f32..3.0, 18),
        turned in any::<bool>(),
        bias in any::<bool>(),
        gemm in any::<bool>(),
    ) {
        let shape = if gemm && turned { "4,6" } else { "6,4" };
        let product = match (gemm, bias) {
            (true, bias) => format!(
                "y = Gemm <transB = {}> (x, w{})", i32::from(turned), if bias { ", b" } else { "" }
            ),
            (false, true) => "p = MatMul (x, w)\n y = Add (p, b)".to_owned(),
            (false, false) => "y = MatMul (x, w)".to_owned(),
        };
        let text = format!(
            "<ir_version: 8, opset_import: [\"\" : 13]> g (float[3,6] x) => (float[3,4] y)\n\
             <float[{shape}] w = {{{}}}, float[4] b = {{{}}}>\n{{ {product} }}",
            listed(&w), listed(&b),
        );
        let (model, _) = quantized(&text, 3.0);
        let x = Tensor::from_slice(&[3, 6], &x).unwrap();
        let (floats, whole) = (at(&model, Optimization::None, &x), at(&model, Optimization::All, &x));
        // Their results stay floats, and the sums are exact: there is no step to differ by.
        for (a, b) in floats.iter().zip(&whole) {
            prop_assert!((a - b).abs() <= 1e-4, "{a} {b}");
        }
    }
}
