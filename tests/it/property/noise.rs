//! How far rounding carries in a graph: what it answers where all floats in it are moved by about one unit in the last
//! place, as another order of summation does.

use super::generate::Generator;
use super::inside::shown;
use super::judge::{answers, session};
use onnxpress::io;
use onnxpress::ir::{Model, NewNode, NewOutput, NodeId, OpId, RegionId, ValueId};
use onnxpress::runtime::RunValue;
use onnxpress::tensor::{DType, Tensor};
use onnxpress::validate::compare;

/// Runs that are measured; the largest counts. In half of them two numbers that cancel each other move alike.
const RUNS: u64 = 16;

/// The largest difference of each output.
pub(super) fn floors(original: &Model, feeds: &[(String, RunValue)], want: &[RunValue]) -> Vec<f64> {
    let mut floors = vec![0.0; want.len()];
    for run in 0..RUNS {
        let answered = moved(original, feeds, run)
            .and_then(|model| io::to_bytes(&model).map_err(|e| e.to_string()))
            .and_then(|bytes| answers(original, &mut *session(bytes)?, feeds));
        for ((floor, was), is) in floors.iter_mut().zip(want).zip(answered.unwrap()) {
            *floor = compare(was, &is).map_or(*floor, |m| m.max_abs.max(*floor));
        }
    }
    floors
}

/// A copy in which the elements of the single-precision inputs and results of the main graph are moved.
fn moved(model: &Model, feeds: &[(String, RunValue)], seed: u64) -> Result<Model, String> {
    let shown = shown(model, feeds)?;
    let mut copy = model.clone();
    let graph = &mut copy.graph;
    let nodes: Vec<NodeId> = graph.nodes_in(RegionId::ROOT).map(|(id, _)| id).collect();
    let mut values: Vec<ValueId> = nodes.iter().flat_map(|&n| graph.node(n).outputs().to_vec()).collect();
    values.extend(graph.root().inputs());
    values.retain(|&v| !graph.is_graph_output(v));
    let mut draw = seed << 32;
    for value in values {
        let tensor = shown.get(&**graph.value(value).name());
        let Some(tensor) = tensor.filter(|t| t.dtype() == DType::F32 && !t.is_empty()) else { continue };
        // Of each element its own: the same for all is lost again where they are divided by each other.
        let factors: Vec<f32> = (0..tensor.len())
            .map(|_| {
                draw += 1;
                if Generator::choice(draw, 2) == 0 { 1.0 + f32::EPSILON } else { 1.0 - f32::EPSILON / 2.0 }
            })
            .collect();
        let factors = Tensor::from_slice(tensor.shape(), &factors).map_err(|e| e.to_string())?;
        let [name, output] = ["factors", "moved"].map(|base| graph.fresh_name(base));
        let factors = graph.add_initializer(RegionId::ROOT, name, factors);
        let product = NewNode::new(OpId::onnx("Mul"), vec![Some(factors); 2], vec![NewOutput::named(output)]);
        let product = graph.add_node(RegionId::ROOT, product);
        let moved = graph.node(product).outputs()[0];
        graph.replace_uses(value, moved);
        graph.set_operand(product, 0, Some(value));
    }
    Ok(copy)
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
