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

/// The model before and after, and how many `Mul` there are then.
fn smoothed(kept: &str, all: &[(&str, &[&str])]) -> usize {
    let before = model(&MODEL.replace("KEPT", kept));
    let smoothings: Vec<Smoothing> =
        all.iter().map(|(value, readers)| smoothing(&before, value, readers)).collect();
    let mut after = before.clone();
    smooth(&mut after, &smoothings);
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
    assert_eq!(smoothed("x", &[("l", &["turned"])]), 1);
    assert_eq!(smoothed("x", &[("n", &["left", "right"]), ("l", &["turned"])]), 1);
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
