#![allow(clippy::unwrap_used)]
//! One broken graph, at least, for each invariant.

use super::verify;
use crate::ir::{Attr, Def, Dim, Model, NodeId, RegionId, Type, Use, ValueId};
use crate::tensor::{DType, Tensor};
use crate::text::parse_model;

const MODEL: &str = r#"<ir_version: 8, opset_import: ["" : 18, "local" : 1]>
g (float[2] x, bool c) => (float[2] y) <float[2] w = {1, 2}>
{
    a = Add (x, w)
    b = If (c) <then_branch = t () => (t1) { t1 = Neg (a) }, else_branch = e () => (e1) { e1 = Abs (x) }>
    d = local.F (b)
    y = Clip (d, "", w)
}
<domain: "local", opset_import: ["" : 18]> F (p) => (q) { q = Neg (p) }"#;

fn model() -> Model {
    let model = parse_model(MODEL).unwrap();
    verify(&model).unwrap();
    model
}

fn value(model: &Model, name: &str) -> ValueId {
    model.graph.value_ids().find(|&v| **model.graph.value(v).name() == *name).unwrap()
}

fn node(model: &Model, output: &str) -> NodeId {
    model.graph.producer(value(model, output)).unwrap()
}

fn region(model: &Model, output: &str) -> RegionId {
    model.graph.node(node(model, output)).region()
}

#[track_caller]
fn refused(model: &Model, rule: &str) {
    let error = verify(model).unwrap_err();
    assert!(error.message().ends_with(&format!("({rule})")), "{error}");
    assert!(error.help().is_some(), "{error}");
}

/// Breaks the model and expects the invariant to be named.
#[track_caller]
fn broken(rule: &str, sabotage: impl FnOnce(&mut Model)) {
    let mut model = model();
    sabotage(&mut model);
    refused(&model, rule);
}

#[track_caller]
fn text_refused(text: &str, rule: &str) {
    refused(&parse_model(&format!("<ir_version: 8, opset_import: [\"\" : 18]> {text}")).unwrap(), rule);
}

#[test]
fn v1_uses_are_recorded_at_both_ends() {
    broken("V1", |m| {
        let a = value(m, "a");
        m.graph.break_uses(a);
    });
    broken("V1", |m| {
        let (x, y) = (value(m, "x"), node(m, "y"));
        m.graph.break_with_use(x, Use::Operand { node: y, index: 1 });
    });
    broken("V1", |m| {
        let a = value(m, "a");
        let again = m.graph.value(a).uses()[0];
        m.graph.break_with_use(a, again);
    });
    broken("V1", |m| {
        let y = value(m, "y");
        m.graph.break_output(RegionId::ROOT, y);
    });
}

#[test]
fn v2_values_are_where_their_definition_says() {
    broken("V2", |m| {
        let a = value(m, "a");
        m.graph.break_def(a, Def::Dead);
    });
    broken("V2", |m| {
        let (x, body) = (value(m, "x"), region(m, "t1"));
        m.graph.break_def(x, Def::Input { region: body, default: None });
    });
    broken("V2", |m| {
        let (a, y) = (value(m, "a"), node(m, "y"));
        m.graph.break_def(a, Def::Output { node: y, index: 0 });
    });
}

#[test]
fn v2_nothing_reads_the_dead() {
    broken("V2", |m| {
        let w = value(m, "w");
        m.graph.break_def(w, Def::Dead);
    });
}

#[test]
fn v3_nodes_are_listed_once() {
    broken("V3", |m| {
        let a = node(m, "a");
        m.graph.break_listing(a);
    });
}

#[test]
fn v4_bodies_have_one_holder() {
    broken("V4", |m| {
        m.graph.add_region();
    });
    broken("V4", |m| {
        let (body, other) = (region(m, "t1"), node(m, "a"));
        m.graph.break_parent(body, Some(other));
    });
    broken("V4", |m| {
        let holder = node(m, "b");
        m.graph.break_parent(RegionId::ROOT, Some(holder));
    });
    broken("V4", |m| {
        let (body, holder) = (region(m, "t1"), node(m, "b"));
        m.graph.move_node(holder, body, 0);
    });
}

#[test]
fn v5_readers_see_what_they_read() {
    broken("V5", |m| {
        let (inner, y) = (value(m, "t1"), node(m, "y"));
        m.graph.set_operand(y, 0, Some(inner));
    });
    broken("V5", |m| {
        let (other, body) = (value(m, "e1"), region(m, "t1"));
        m.graph.set_region_output(body, 0, other);
    });
}

#[test]
fn v6_no_node_depends_on_itself() {
    let mut m = model();
    let (a, y) = (node(&m, "a"), value(&m, "y"));
    m.graph.set_operand(a, 1, Some(y));
    let error = verify(&m).unwrap_err();
    assert!(error.message().contains("cycle"), "{error}");
    let mut m = model();
    let (b, inner) = (value(&m, "b"), node(&m, "t1"));
    m.graph.set_operand(inner, 0, Some(b));
    assert!(verify(&m).unwrap_err().message().contains("cycle"));
}

#[test]
fn v7_the_border_is_named() {
    broken("V7", |m| {
        let y = value(m, "y");
        m.graph.rename(y, "");
    });
    broken("V7", |m| {
        let y = value(m, "y");
        m.graph.rename(y, "x");
    });
    broken("V7", |m| {
        let graph = &mut m.functions[0].graph;
        let p = graph.root().inputs()[0];
        graph.rename(p, "");
    });
}

#[test]
fn v8_a_constant_has_its_tensors_type() {
    for ty in [
        None,
        Some(Type::unranked(DType::F32)),
        Some(Type::tensor(DType::F32, [])),
        Some(Type::tensor(DType::I64, [Dim::Fixed(2)])),
    ] {
        broken("V8", |m| {
            let w = value(m, "w");
            m.graph.break_type(w, ty);
        });
    }
}

#[test]
fn v9_known_domains_are_imported() {
    text_refused("g (x) => (y) { y = com.microsoft.Gelu (x) }", "V9");
    let unknown = "<opset_import: [\"\" : 18]> g (x) => (y) { y = other.Op (x) }";
    verify(&parse_model(unknown).unwrap()).unwrap();
}

#[test]
fn v10_nodes_fit_their_schema() {
    text_refused("g (x) => (y) { y = Add (x) }", "V10");
    text_refused("g (x) => (y) { y, z = Neg (x) }", "V10");
    text_refused("g (x) => (y) { y = Cast (x) }", "V10");
    text_refused("g (x) => (y) { y = Softmax <axis = 1.0> (x) }", "V10");
    broken("V10", |m| {
        let a = node(m, "a");
        m.graph.truncate_operands(a, 1);
    });
    let lenient = "<opset_import: [\"\" : 18]> g (x) => (y) { y = Neg <my_own = 1> (x) z = Future(x) }";
    verify(&parse_model(lenient).unwrap()).unwrap();
    let contrib =
        "<opset_import: [\"\" : 18, \"com.microsoft\" : 1]> g (x) => (y) { y = com.microsoft.Gelu(x, x, x) }";
    verify(&parse_model(contrib).unwrap()).unwrap();
    let newer = "<opset_import: [\"\" : 99]> g (x) => (y) { y = Neg(x, x) }";
    verify(&parse_model(newer).unwrap()).unwrap();
}

#[test]
fn v11_functions_differ() {
    broken("V11", |m| {
        let twin = m.functions[0].clone();
        m.functions.push(twin);
    });
}

#[test]
fn a_function_may_stand_for_a_known_op() {
    let text = "<opset_import: [\"\" : 18]> g (x) => (y) { y = Gelu (x) }
        <domain: \"\", opset_import: [\"\" : 18]> Gelu <k = b () => () {}> (p, q) => (r) { r = Neg (p) }";
    verify(&parse_model(text).unwrap()).unwrap();
}

#[test]
fn many_readers_are_verified_in_time() {
    let mut m = model();
    let w = m.graph.add_initializer(RegionId::ROOT, "shared", Tensor::scalar(1.0f32));
    for i in 0..100_000 {
        let new = crate::ir::NewNode::new(
            crate::ir::OpId::onnx("Clip"),
            vec![Some(w), Some(w)],
            vec![crate::ir::NewOutput::named(format!("many{i}"))],
        );
        m.graph.add_node(RegionId::ROOT, new.attr("unknown", Attr::Int(1)));
    }
    verify(&m).unwrap();
}
