//! How far rounding carries in a graph: what it answers where all floats in it are moved by about one unit in the last
//! place, as another order of summation does.

use super::generate::Generator;
use super::judge::{answers, session};
use onnxpress::analysis::Facts;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::{Model, NewNode, NewOutput, NodeId, OpId, RegionId, ValueId};
use onnxpress::runtime::RunValue;
use onnxpress::tensor::{DType, Tensor};
use onnxpress::validate::compare;

/// Runs that are measured; the largest counts.
const RUNS: u64 = 4;

/// The largest difference of each output.
pub(super) fn floors(original: &Model, feeds: &[(String, RunValue)], want: &[RunValue]) -> Vec<f64> {
    let mut floors = vec![0.0; want.len()];
    for run in 0..RUNS {
        let answered = io::to_bytes(&moved(original, run))
            .map_err(|e| e.to_string())
            .and_then(|bytes| answers(original, &mut *session(bytes)?, feeds));
        for ((floor, was), is) in floors.iter_mut().zip(want).zip(answered.unwrap_or_default()) {
            *floor = compare(was, &is).map_or(*floor, |m| m.max_abs.max(*floor));
        }
    }
    floors
}

/// A copy in which the single-precision inputs and results of the main graph are moved.
fn moved(model: &Model, seed: u64) -> Model {
    let mut copy = model.clone();
    Facts::new().infer_model(&mut copy, &mut Diags::new());
    let graph = &mut copy.graph;
    let nodes: Vec<NodeId> = graph.nodes_in(RegionId::ROOT).map(|(id, _)| id).collect();
    let mut values: Vec<ValueId> = nodes.iter().flat_map(|&n| graph.node(n).outputs().to_vec()).collect();
    values.extend(graph.root().inputs());
    values.retain(|&v| graph.dtype(v) == Some(DType::F32) && !graph.is_graph_output(v));
    for (at, value) in values.into_iter().enumerate() {
        let up = Generator::choice(seed << 32 | at as u64, 2) == 0;
        let factor = if up { 1.0 + f32::EPSILON } else { 1.0 - f32::EPSILON / 2.0 };
        let [name, output] = ["factor", "moved"].map(|base| graph.fresh_name(base));
        let factor = graph.add_initializer(RegionId::ROOT, name, Tensor::scalar(factor));
        let product =
            NewNode::new(OpId::onnx("Mul"), vec![Some(factor), Some(factor)], vec![NewOutput::named(output)]);
        let node = graph.add_node(RegionId::ROOT, product);
        let moved = graph.node(node).outputs()[0];
        graph.replace_uses(value, moved);
        graph.set_operand(node, 0, Some(value));
    }
    copy
}

#[test]
fn what_rounding_loses_inside_counts() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]> g (float[4] x) => (float[4] y) <float k = {1000}>
        { a = Add (x, k) b = Sub (a, k) y = Abs (b) }";
    let model = onnxpress::text::parse_model(text).unwrap();
    let feeds = [("x".to_owned(), RunValue::Tensor(Tensor::vector(&[0.1f32, 0.2, 0.3, 0.4])))];
    let want = answers(&model, &mut *session(io::to_bytes(&model).unwrap()).unwrap(), &feeds).unwrap();
    let floor = floors(&model, &feeds, &want)[0];
    assert!(floor > 2e-5 && floor < 5e-4, "about 1000 times the unit of 1: {floor}");
}
