//! Conversions of small graphs, built and inspected through the IR.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::ir::{Attr, AttrKind, Dim, Function, NewNode, NewOutput, OpId, RegionId, Residue, Type};
use crate::tensor::{DType, Tensor};

fn input(graph: &mut Graph, name: &str, dims: &[u64]) -> ValueId {
    let dims: Vec<Dim> = dims.iter().map(|&d| Dim::Fixed(d)).collect();
    graph.add_input(RegionId::ROOT, name, Some(Type::tensor(DType::F32, dims)))
}

fn op(name: &'static str, inputs: &[ValueId], outputs: &[&str]) -> NewNode {
    let outputs = outputs.iter().map(|&o| NewOutput::named(o)).collect();
    NewNode::new(OpId::onnx(name), inputs.iter().map(|&v| Some(v)).collect(), outputs)
}

fn add(graph: &mut Graph, new: NewNode) -> ValueId {
    let id = graph.add_node(RegionId::ROOT, new);
    graph.node(id).outputs()[0]
}

/// A model of `x[2,3,4]` through one node to the graph output `y`.
fn one(opset: i64, node: impl FnOnce(ValueId) -> NewNode) -> Model {
    let mut model = Model::new(opset);
    let x = input(&mut model.graph, "x", &[2, 3, 4]);
    let y = add(&mut model.graph, node(x));
    model.graph.add_output(RegionId::ROOT, y);
    model
}

fn ops(graph: &Graph) -> Vec<&'static str> {
    graph.nodes().map(|(_, n)| n.op().name).collect()
}

fn only(graph: &Graph, name: &str) -> NodeId {
    let found: Vec<NodeId> = graph.nodes().filter(|(_, n)| n.op().is(name)).map(|(id, _)| id).collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0]
}

/// Converts for plain ONNX; gives back the count of changes, the import's among them.
fn raise(model: &mut Model, to: i64, diags: &mut Diags) -> usize {
    let target = Target::named("onnx").unwrap();
    convert(model, to, &target, &mut Facts::new(), diags).applied
}

fn messages(diags: &Diags) -> Vec<String> {
    diags.iter().map(ToString::to_string).collect()
}

#[test]
fn an_attribute_becomes_an_operand() {
    let mut model = one(11, |x| op("Unsqueeze", &[x], &["y"]).attr("axes", vec![0i64]));
    let mut diags = Diags::new();
    assert_eq!(raise(&mut model, 20, &mut diags), 2);
    assert!(diags.is_empty(), "{:?}", messages(&diags));
    assert_eq!((model.opset(), model.ir_version), (20, 9));
    let node = model.graph.node(only(&model.graph, "Unsqueeze"));
    assert!(node.attrs().is_empty());
    let axes = node.input(1).unwrap();
    assert_eq!(&**model.graph.value(axes).name(), "y/axes");
    assert_eq!(model.graph.const_value(axes).unwrap().to_i64s(), Some(vec![0]));
    assert_eq!(raise(&mut model, 20, &mut diags), 0);
}

#[test]
fn below_the_change_nothing_is_rewritten() {
    let mut model = one(9, |x| op("Unsqueeze", &[x], &["y"]).attr("axes", vec![0i64]));
    assert_eq!(raise(&mut model, 12, &mut Diags::new()), 1);
    assert_eq!(model.opset(), 12);
    assert!(model.graph.node(only(&model.graph, "Unsqueeze")).ints("axes").is_some());
}

#[test]
fn softmax_over_several_dims_keeps_the_outputs_name() {
    let mut model = one(11, |x| op("Softmax", &[x], &["y"]));
    assert_eq!(raise(&mut model, 13, &mut Diags::new()), 2);
    let graph = &model.graph;
    assert_eq!(ops(graph), ["Softmax", "Flatten", "Reshape"]);
    let output = graph.root().outputs().next().unwrap();
    assert_eq!(&**graph.value(output).name(), "y");
    assert_eq!(graph.producer(output), Some(only(graph, "Reshape")));
    let softmax = graph.node(only(graph, "Softmax"));
    assert_eq!(softmax.int("axis"), Some(-1));
    assert_eq!(graph.producer_is(softmax.input(0).unwrap(), "Flatten"), Some(only(graph, "Flatten")));
    let shape = graph.node(only(graph, "Reshape")).input(1).unwrap();
    assert_eq!(graph.const_value(shape).unwrap().to_i64s(), Some(vec![2, 3, 4]));
}

#[test]
fn softmax_over_the_last_dim_stays_one_node() {
    let mut model = one(11, |x| op("Softmax", &[x], &["y"]).attr("axis", 2));
    assert_eq!(raise(&mut model, 13, &mut Diags::new()), 2);
    assert_eq!(ops(&model.graph), ["Softmax"]);
    assert_eq!(model.graph.node(only(&model.graph, "Softmax")).int("axis"), Some(2));
}

#[test]
fn one_node_that_cannot_go_holds_the_model_and_is_named() {
    let mut model = one(11, |x| {
        op("Resize", &[x], &["y"]).attr("coordinate_transformation_mode", "tf_half_pixel_for_nn")
    });
    let x = model.graph.root().inputs()[0];
    let z = add(&mut model.graph, op("Squeeze", &[x], &["z"]));
    model.graph.add_output(RegionId::ROOT, z);
    let mut diags = Diags::new();
    assert_eq!(raise(&mut model, 18, &mut diags), 1);
    assert_eq!(model.opset(), 12);
    assert_eq!(
        messages(&diags),
        ["opset 18 is not reached, only 12: Resize cannot be converted: 'tf_half_pixel_for_nn' is gone \
          (at 'Resize -> y') [opset-kept]"]
    );
}

#[test]
fn an_unknown_op_keeps_the_opset() {
    let mut model = one(11, |x| op("Frobnicate", &[x], &["y"]));
    let mut diags = Diags::new();
    assert_eq!(raise(&mut model, 18, &mut diags), 0);
    assert_eq!((model.opset(), model.ir_version), (11, 8));
    assert_eq!(diags.len(), 1);
}

#[test]
fn what_the_newer_version_cannot_say_is_refused() {
    let mut model = one(7, |x| op("BatchNormalization", &[x], &["y"]).attr("spatial", 0));
    assert_eq!(raise(&mut model, 26, &mut Diags::new()), 1);
    assert_eq!(model.opset(), 8);

    let mut model = one(8, |x| op("BatchNormalization", &[x], &["y", "mean"]));
    let mean = model.graph.node(only(&model.graph, "BatchNormalization")).outputs()[1];
    model.graph.add_output(RegionId::ROOT, mean);
    assert_eq!(raise(&mut model, 26, &mut Diags::new()), 1);
    assert_eq!(model.opset(), 13);
}

#[test]
fn what_the_target_no_longer_takes_is_refused() {
    let mut model = one(15, |x| op("RandomNormalLike", &[x], &["y"]));
    let mut diags = Diags::new();
    assert_eq!(raise(&mut model, 26, &mut diags), 1);
    assert_eq!(model.opset(), 21);
    assert!(messages(&diags)[0].contains("does not take it beyond opset 21"), "{:?}", messages(&diags));
    let mut beyond = one(22, |x| op("RandomNormalLike", &[x], &["y"]));
    assert_eq!(raise(&mut beyond, 26, &mut Diags::new()), 1);
    assert_eq!(beyond.opset(), 26);
}

#[test]
fn an_unknown_type_refuses_where_it_matters() {
    let mut model = Model::new(9);
    let x = model.graph.add_input(RegionId::ROOT, "x", None);
    let y = add(&mut model.graph, op("Clip", &[x], &["y"]).attr("min", 0.0f32));
    model.graph.add_output(RegionId::ROOT, y);
    assert_eq!(raise(&mut model, 26, &mut Diags::new()), 1);
    assert_eq!(model.opset(), 10);
}

#[test]
fn requests_outside_the_range_are_said() {
    let mut model = one(20, |x| op("Relu", &[x], &["y"]));
    let mut diags = Diags::new();
    assert_eq!(raise(&mut model, 13, &mut diags), 0);
    assert_eq!(raise(&mut model, 99, &mut diags), 1);
    assert_eq!((model.opset(), model.ir_version), (26, 13));
    assert_eq!(diags.len(), 2);
    let mut old = one(6, |x| op("Relu", &[x], &["y"]));
    assert_eq!(raise(&mut old, 20, &mut diags), 0);
    assert_eq!(old.opset(), 6);
    assert_eq!(diags.len(), 3);
}

#[test]
fn listed_initializers_become_plain_constants() {
    let mut model = one(8, |x| op("Relu", &[x], &["y"]));
    model.ir_version = 3;
    let w = model.graph.add_initializer(RegionId::ROOT, "w", Tensor::scalar(1.0f32));
    model.graph.set_listed(w, true);
    assert_eq!(raise(&mut model, 13, &mut Diags::new()), 1);
    assert_eq!(model.ir_version, 7);
    assert!(matches!(model.graph.value(w).def(), Def::Initializer { listed: false, .. }));
}

fn function(opset: i64, axes: Attr) -> Function {
    let mut graph = Graph::new();
    let x = graph.add_input(RegionId::ROOT, "x", None);
    let mut new = op("Unsqueeze", &[x], &["y"]);
    new = new.attr("axes", axes);
    let y = add(&mut graph, new);
    graph.add_output(RegionId::ROOT, y);
    let mut opsets = Opsets::new();
    opsets.set("", opset);
    Function {
        domain: "local".into(),
        name: "Grow".into(),
        overload: String::new(),
        graph,
        attributes: Vec::new(),
        defaults: Vec::new(),
        opsets,
        residue: Residue::default(),
    }
}

#[test]
fn functions_go_with_the_model_and_get_constant_nodes() {
    let mut model = one(11, |x| op("Relu", &[x], &["y"]));
    model.functions.push(function(11, Attr::Ints(vec![0])));
    assert_eq!(raise(&mut model, 18, &mut Diags::new()), 2);
    let body = &model.functions[0];
    assert_eq!(body.opsets.get(""), Some(18));
    assert_eq!(ops(&body.graph), ["Unsqueeze", "Constant"]);

    model = one(11, |x| op("Relu", &[x], &["y"]));
    model.functions.push(function(11, Attr::Ref("axes".into(), AttrKind::Ints)));
    let mut diags = Diags::new();
    assert_eq!(raise(&mut model, 18, &mut diags), 1);
    assert_eq!(model.opset(), 12);
    assert!(messages(&diags)[0].contains("given by the caller"), "{:?}", messages(&diags));
}

#[test]
fn group_statistics_become_those_of_channels() {
    let mut model = Model::new(18);
    let x = input(&mut model.graph, "x", &[1, 4, 3]);
    let scale = model.graph.add_initializer(RegionId::ROOT, "s", Tensor::vector(&[1.5f32, 0.5]));
    let bias = model.graph.add_initializer(RegionId::ROOT, "b", Tensor::vector(&[0.0f32, 1.0]));
    let y = add(&mut model.graph, op("GroupNormalization", &[x, scale, bias], &["y"]).attr("num_groups", 2));
    model.graph.add_output(RegionId::ROOT, y);
    assert_eq!(raise(&mut model, 21, &mut Diags::new()), 2);
    let node = model.graph.node(only(&model.graph, "GroupNormalization"));
    let scale = model.graph.const_value(node.input(1).unwrap()).unwrap();
    assert_eq!(scale.to_vec::<f32>(), Some(vec![1.5, 1.5, 0.5, 0.5]));
}

#[test]
fn an_unread_output_without_an_equal_goes() {
    let mut model = one(9, |x| op("Dropout", &[x], &["y", "mask"]).attr("ratio", 0.25f32));
    assert_eq!(raise(&mut model, 13, &mut Diags::new()), 2);
    let node = model.graph.node(only(&model.graph, "Dropout"));
    assert_eq!(node.outputs().len(), 1);
    let ratio = model.graph.const_value(node.input(1).unwrap()).unwrap();
    assert_eq!(ratio.as_scalar(), Some(0.25));
}
