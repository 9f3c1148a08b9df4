//! Channels are divided, and the model computes what it did.

use super::{model, run};
use onnxpress::ir::{Model, NodeId, ValueId};
use onnxpress::quantize::{Smoothing, smooth};
use onnxpress::tensor::Tensor;

const BY: [f32; 4] = [1.0, 0.25, 0.01, 3.0];

/// Two products of one value, a transposed one of another, a normalization that makes the first.
const MODEL: &str = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
    g (float[5,4] x) => (float[5,2] y, float[5,4] seen)\n\
    <float[4] scale = {1, -2, 0.5, 3}, float[4] shift = {0.5, 0, -1, 2}, float[4,4] a = {0.1, -0.5, 1, 2, -3, 0.25,\n\
     0.75, 1.5, 4, 2, 1, 0.5, -1, -2, -0.5, 3}, float[2,4] b = {1, 2, -1, 0.5, 3, -2, 0.25, 1}, float[2] c = {1, -1},\n\
     float[4,2] d = {0.5, -1, 2, 0.25, 1, 1, -0.75, 3}>\n\
    {\n\
      [norm] n = LayerNormalization (x, scale, shift)\n\
      [left] l = MatMul (n, a)\n\
      [turned] t = Gemm <transB = 1> (l, b, c)\n\
      [right] r = MatMul (n, d)\n\
      y = Add (t, r)\n seen = Identity (KEPT)\n\
    }";

fn named(model: &Model, name: &str) -> NodeId {
    model.graph.nodes().find(|(_, n)| &**n.name() == name).unwrap().0
}

fn smoothing(model: &Model, value: &str, readers: &[&str]) -> Smoothing {
    let value: ValueId = model.graph.value_ids().find(|&v| &**model.graph.value(v).name() == value).unwrap();
    let readers = readers.iter().map(|name| named(model, name)).collect();
    Smoothing { value, axis: 1, readers, by: BY.to_vec(), gain_db: 3.0 }
}

/// Whether each reader multiplies other numbers than before.
fn are_multiplied(before: &Model, after: &Model, readers: &[NodeId]) -> bool {
    let weight = |model: &Model, node| {
        let value = model.graph.node(node).input(1).unwrap();
        model.graph.const_value(value).unwrap().to_vec::<f32>().unwrap()
    };
    readers.iter().all(|&node| weight(before, node) != weight(after, node))
}

/// The model before and after, and how many `Mul` there are then.
fn smoothed(kept: &str, all: &[(&str, &[&str])]) -> usize {
    let before = model(&MODEL.replace("KEPT", kept));
    let smoothings: Vec<Smoothing> =
        all.iter().map(|(value, readers)| smoothing(&before, value, readers)).collect();
    let mut after = before.clone();
    smooth(&mut after, &smoothings);
    assert!(smoothings.iter().all(|s| are_multiplied(&before, &after, &s.readers)), "{kept} {all:?}");
    let values: Vec<f32> = (0..20).map(|i| ((i * 37) % 101) as f32 / 20.0 - 2.0).collect();
    let x = || [("x", Tensor::from_slice(&[5, 4], &values).unwrap())];
    for (want, got) in run(&before, &x()).iter().zip(run(&after, &x())) {
        assert!((want - got).abs() <= 1e-4 * want.abs().max(1.0), "{kept} {all:?}: {want} {got}");
    }
    after.graph.nodes().filter(|(_, n)| n.op().is("Mul")).count()
}

#[test]
fn a_normalization_that_only_products_read_takes_the_numbers_in() {
    assert_eq!(smoothed("x", &[("n", &["left", "right"])]), 0);
}

#[test]
fn whatever_else_reads_the_value_reads_it_as_it_was() {
    assert_eq!(smoothed("n", &[("n", &["left", "right"])]), 1);
    assert_eq!(smoothed("x", &[("n", &["left"])]), 1);
}

#[test]
fn weights_are_multiplied_along_the_channels_of_the_data() {
    assert_eq!(smoothed("n", &[("n", &["right"])]), 1);
}

#[test]
fn a_product_takes_in_what_its_result_is_divided_by_and_what_its_data_are() {
    assert_eq!(smoothed("x", &[("l", &["turned"])]), 0);
    assert_eq!(smoothed("x", &[("n", &["left", "right"]), ("l", &["turned"])]), 0);
    assert_eq!(smoothed("l", &[("l", &["turned"])]), 1);
}

/// Channels of images: what makes `v`, what the depthwise `reader` reads. The numbers of `Mul` and of all nodes, before and
/// after.
fn convolved(between: &str) -> ((usize, usize), (usize, usize)) {
    convolved_of(
        between,
        "float[4,2,1,1] w = {1, -2, 0.5, 3, 0.25, -0.75, 2, 1}, float[4] b = {0.5, -1, 2, 0.25}",
    )
}

fn convolved_of(between: &str, weights: &str) -> ((usize, usize), (usize, usize)) {
    let text = format!(
        "<ir_version: 8, opset_import: [\"\" : 17]>\n\
         g (float[1,2,2,5] x) => (float[1,4,2,5] y)\n\
         <{weights}, float[1] one = {{0.75}},\n\
          float[4,1,1] four = {{1, -2, 3, 0.5}}, float[4,1,1,1] k = {{2, -1, 0.5, 3}}, float[1,1,1,5] five = {{1, 2, 3, 4, 5}}>\n\
         {{ c = Conv (x, w, b)\n {between}\n [reader] y = Conv <group = 4> (v, k) }}"
    );
    let before = model(&text);
    let mut after = before.clone();
    smooth(&mut after, &[smoothing(&before, "v", &["reader"])]);
    assert!(are_multiplied(&before, &after, &[named(&before, "reader")]), "{between}");
    let values: Vec<f32> = (0..20).map(|i| ((i * 29) % 31) as f32 / 15.0 - 1.0).collect();
    let x = || [("x", Tensor::from_slice(&[1, 2, 2, 5], &values).unwrap())];
    for (want, got) in run(&before, &x()).iter().zip(run(&after, &x())) {
        assert!((want - got).abs() <= 1e-4 * want.abs().max(1.0), "{between}: {want} {got}");
    }
    let counts = |model: &Model| {
        let nodes = model.graph.nodes();
        nodes.fold((0, 0), |(muls, all), (_, n)| (muls + usize::from(n.op().is("Mul")), all + 1))
    };
    (counts(&before), counts(&after))
}

#[test]
fn convolutions_are_divided_through_what_passes_factors_on() {
    for between in [
        "v = Relu (c)",
        "v = LeakyRelu <alpha = 0.25> (c)",
        "r = Relu (c)\n v = MaxPool <kernel_shape = [1, 2], pads = [0, 0, 0, 1]> (r)",
        "v = Add (c, four)",
        "v = Add (one, c)",
        "s = HardSwish_ (c)\n m = Mul (s, one)\n v = Add (m, four)",
        "s = HardSwish_ (c)\n v = Mul (four, s)",
    ] {
        let between = between.replace("HardSwish_", "HardSigmoid <alpha = 0.3>");
        let (before, after) = convolved(&between);
        assert_eq!(before, after, "{between}");
    }
}

/// A sum that spreads one channel over four: its maker would have to compute four.
#[test]
fn one_channel_that_is_spread_later_stays_one() {
    let (before, after) = convolved_of("v = Add (c, four)", "float[1,2,1,1] w = {1, -2}, float[1] b = {0.5}");
    assert_eq!((before.0 + 1, before.1 + 1), after);
}

#[test]
fn what_passes_no_factors_on_is_divided_by_a_node() {
    for between in [
        "v = HardSigmoid (c)",
        "r = Relu (c)\n s = Sigmoid (c)\n v = Mul (r, s)",
        // Runtimes know GELU by its half.
        "e = Erf (c)\n m = Mul (c, e)\n v = Mul (m, one)",
        "h = HardSigmoid (c)\n v = Add (h, one)",
        // It would be four times as large.
        "h = HardSigmoid (c)\n v = Mul (h, five)",
    ] {
        let (before, after) = convolved(between);
        assert_eq!((before.0 + 1, before.1 + 1), after, "{between}");
    }
}

#[test]
fn a_weight_that_two_products_share_is_multiplied_for_each_alone() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[5,4] x) => (float[5,4] y)\n\
        <float[4,4] a = {0.1, -0.5, 1, 2, -3, 0.25, 0.75, 1.5, 4, 2, 1, 0.5, -1, -2, -0.5, 3}>\n\
        { [left] l = MatMul (x, a)\n [right] y = MatMul (l, a) }";
    let before = model(text);
    let mut after = before.clone();
    smooth(&mut after, &[smoothing(&before, "l", &["right"])]);
    let values: Vec<f32> = (0..20).map(|i| ((i * 29) % 31) as f32 / 15.0 - 1.0).collect();
    let x = || [("x", Tensor::from_slice(&[5, 4], &values).unwrap())];
    for (want, got) in run(&before, &x()).iter().zip(run(&after, &x())) {
        assert!((want - got).abs() <= 1e-4 * want.abs().max(1.0), "{want} {got}");
    }
}
