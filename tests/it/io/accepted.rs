//! What ONNX Runtime takes, we take; what was repaired is reported.

use onnxpress::io::{self, Loaded};
use onnxpress::ir::{Attr, Def, RegionId, Use};
use onnxpress::proto::{
    FunctionProto, GraphProto, ModelProto, OperatorSetIdProto, SparseTensorProto, TensorProto, type_proto,
};
use prost::Message;

use super::build::{body, float2, floats, graph, model, node};

fn load(model: &ModelProto) -> Loaded {
    io::load_bytes(model.encode_to_vec()).unwrap()
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diags.iter().map(|d| d.code).collect()
}

fn written(loaded: &Loaded) -> ModelProto {
    ModelProto::decode(io::to_bytes(&loaded.model).unwrap()).unwrap()
}

#[test]
fn nodes_out_of_order_are_sorted() {
    let loaded = load(&model(graph(vec![node("Abs", &["h"], &["y"]), node("Neg", &["x"], &["h"])])));
    assert_eq!(codes(&loaded), ["nodes-out-of-order"]);
    let nodes = written(&loaded).graph.unwrap().node;
    assert_eq!(nodes.iter().map(|n| n.op_type()).collect::<Vec<_>>(), ["Neg", "Abs"]);
}

#[test]
fn missing_opset_imports_are_added() {
    let mut gelu = node("FastGelu", &["x"], &["y"]);
    gelu.domain = Some("com.microsoft".into());
    let loaded = load(&model(graph(vec![gelu])));
    assert_eq!(codes(&loaded), ["missing-opset-import"]);
    assert_eq!(loaded.model.opsets.get("com.microsoft"), Some(1));

    let old = ModelProto {
        ir_version: Some(1),
        opset_import: vec![],
        ..model(graph(vec![node("Neg", &["x"], &["y"])]))
    };
    assert_eq!(load(&old).model.opset(), 1);
    let unversioned = ModelProto { ir_version: None, ..model(graph(vec![node("Neg", &["x"], &["y"])])) };
    assert_eq!(codes(&load(&unversioned)), ["missing-ir-version"]);
}

#[test]
fn both_spellings_of_the_default_domain_are_one() {
    let mut neg = node("Neg", &["x"], &["y"]);
    neg.domain = Some("ai.onnx".into());
    let mut proto = model(graph(vec![neg]));
    proto.opset_import = vec![OperatorSetIdProto { domain: Some("ai.onnx".into()), version: Some(17) }];
    let loaded = load(&proto);
    assert_eq!(loaded.model.opset(), 17);
    assert!(loaded.model.graph.nodes().all(|(_, n)| n.op().is("Neg")));
    assert_eq!(written(&loaded), proto);
}

fn with_weight(ir_version: i64, listed: bool) -> ModelProto {
    let mut g = graph(vec![node("Add", &["x", "w"], &["y"])]);
    g.initializer.push(floats("w", 2));
    if listed {
        g.input.insert(0, float2("w"));
    }
    ModelProto { ir_version: Some(ir_version), ..model(g) }
}

#[test]
fn a_listed_initializer_is_constant_before_ir_4_and_overridable_after() {
    for (ir, listed, constant) in [(3, true, true), (3, false, true), (4, true, false), (8, false, true)] {
        let proto = with_weight(ir, listed);
        let loaded = load(&proto);
        let graph = &loaded.model.graph;
        let weight = graph.value_ids().find(|&v| &**graph.value(v).name() == "w").unwrap();
        assert_eq!(graph.const_value(weight).is_some(), constant, "IR {ir}, listed: {listed}");
        assert_eq!(graph.root().inputs().len(), if constant { 1 } else { 2 });
        assert_eq!(written(&loaded), proto);
    }
}

#[test]
fn a_new_initializer_of_an_old_model_is_listed() {
    let mut loaded = load(&with_weight(3, true));
    let weight = io::tensor_from_proto(&floats("", 2)).unwrap().1;
    let graph = &mut loaded.model.graph;
    let new = graph.add_initializer(RegionId::ROOT, "new", weight);
    let add = graph.nodes().next().unwrap().0;
    graph.set_operand(add, 0, Some(new));
    let graph = written(&loaded).graph.unwrap();
    let inputs: Vec<&str> = graph.input.iter().map(|i| i.name()).collect();
    assert_eq!(inputs, ["w", "x", "new"]);
    assert!(graph.input[2].r#type.is_some());
}

#[test]
fn sparse_initializers_come_back() {
    let values = TensorProto { name: Some("w".into()), ..floats("", 1) };
    let indices =
        TensorProto { dims: vec![1], data_type: Some(7), int64_data: vec![1], ..Default::default() };
    let sparse = SparseTensorProto { values: Some(values), indices: Some(indices), dims: vec![2] };
    let mut g = graph(vec![node("Add", &["x", "w"], &["y"])]);
    g.sparse_initializer.push(sparse);
    let proto = model(g);
    let loaded = load(&proto);
    let constants = loaded
        .model
        .graph
        .nodes()
        .filter(|(_, n)| matches!(n.attr("sparse_value"), Some(Attr::SparseTensor(_))));
    assert_eq!(constants.count(), 1);
    assert_eq!(written(&loaded), proto);
}

#[test]
fn the_last_of_two_initializers_counts() {
    let mut proto = with_weight(8, false);
    let second = TensorProto { raw_data: Some(vec![9; 8].into()), ..floats("w", 2) };
    proto.graph.as_mut().unwrap().initializer.push(second);
    let loaded = load(&proto);
    assert_eq!(codes(&loaded), ["duplicate-initializer"]);
    assert_eq!(written(&loaded).graph.unwrap().initializer[0].raw_data(), [9; 8]);
}

/// `If(c) { y = Neg(inner) }` where the body's own `inner` is made of the outer value `h`.
fn branching(inner: &str) -> ModelProto {
    let branch = |op: &str| GraphProto {
        name: Some(op.into()),
        node: vec![node(op, &["h"], &[inner]), node("Neg", &[inner], &["r"])],
        output: vec![float2("r")],
        ..Default::default()
    };
    let mut choose = node("If", &["c"], &["y"]);
    choose.attribute = vec![body("then_branch", branch("Abs")), body("else_branch", branch("Exp"))];
    let mut g = graph(vec![node("Relu", &["x"], &["h"]), choose, node("Neg", &["x"], &["taken"])]);
    let mut condition = float2("c");
    if let Some(onnxpress::proto::type_proto::Value::TensorType(t)) =
        &mut condition.r#type.as_mut().unwrap().value
    {
        t.elem_type = Some(9);
    }
    g.input.push(condition);
    model(g)
}

#[test]
fn captures_are_uses_and_siblings_share_names() {
    let proto = branching("t");
    let loaded = load(&proto);
    let graph = &loaded.model.graph;
    let h = graph.value_ids().find(|&v| &**graph.value(v).name() == "h").unwrap();
    let regions: Vec<RegionId> = graph
        .value(h)
        .uses()
        .iter()
        .map(|u| match u {
            Use::Operand { node, .. } => graph.node(*node).region(),
            Use::RegionOutput { region, .. } => *region,
        })
        .collect();
    assert!(regions.len() == 2 && !regions.contains(&RegionId::ROOT));
    assert_eq!(written(&loaded), proto);
}

#[test]
fn values_that_hide_outer_ones_are_renamed() {
    let loaded = load(&branching("taken"));
    let graph = written(&loaded).graph.unwrap();
    let choose = graph.node.iter().find(|n| n.op_type() == "If").unwrap();
    for branch in &choose.attribute {
        let nodes = &branch.g.as_ref().unwrap().node;
        assert_ne!(nodes[0].output[0], "taken");
        assert_eq!(nodes[0].output, nodes[1].input);
    }
    let again = io::load_bytes(io::to_bytes(&loaded.model).unwrap()).unwrap();
    assert_eq!(io::to_bytes(&again.model).unwrap(), io::to_bytes(&loaded.model).unwrap());
}

#[test]
fn functions_keep_attribute_references() {
    let mut leaky = node("LeakyRelu", &["a"], &["b"]);
    leaky.attribute.push(onnxpress::proto::AttributeProto {
        name: Some("alpha".into()),
        ref_attr_name: Some("slope".into()),
        r#type: Some(1),
        ..Default::default()
    });
    let function = FunctionProto {
        name: Some("F".into()),
        domain: Some("local".into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        attribute: vec!["slope".into()],
        node: vec![leaky],
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(17) }],
        ..Default::default()
    };
    let mut call = node("F", &["x"], &["y"]);
    call.domain = Some("local".into());
    let mut proto = model(graph(vec![call]));
    proto.opset_import.push(OperatorSetIdProto { domain: Some("local".into()), version: Some(1) });
    proto.functions.push(function);
    let mut loaded = load(&proto);
    assert!(codes(&loaded).is_empty());
    assert_eq!(written(&loaded), proto);

    let weight = io::tensor_from_proto(&floats("", 2)).unwrap().1;
    let graph = &mut loaded.model.functions[0].graph;
    let new = graph.add_initializer(RegionId::ROOT, "w", weight);
    assert!(matches!(graph.value(new).def(), Def::Initializer { .. }));
    let function = &written(&loaded).functions[0];
    assert_eq!((function.node[0].op_type(), &*function.node[0].output[0]), ("Constant", "w"));
}

/// A function's attribute may be a body, with a default that no node holds.
#[test]
fn a_default_that_is_a_body_comes_back() {
    let default = GraphProto {
        name: Some("default".into()),
        node: vec![node("Neg", &["i"], &["j"]), node("Abs", &["j"], &["k"])],
        input: vec![float2("i")],
        output: vec![float2("k")],
        ..Default::default()
    };
    let function = FunctionProto {
        name: Some("F".into()),
        domain: Some("local".into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: vec![node("Relu", &["a"], &["b"])],
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(17) }],
        attribute_proto: vec![body("body", default)],
        ..Default::default()
    };
    let mut call = node("F", &["x"], &["y"]);
    call.domain = Some("local".into());
    let mut proto = model(graph(vec![call]));
    proto.opset_import.push(OperatorSetIdProto { domain: Some("local".into()), version: Some(1) });
    proto.functions.push(function);
    assert_eq!(written(&load(&proto)), proto);
}

/// The verifier refuses it; what is only read and written must not panic.
#[test]
fn a_sparse_constant_may_have_no_output() {
    let sparse = |name: &str| SparseTensorProto {
        values: Some(TensorProto { name: Some(name.into()), ..floats("", 1) }),
        indices: Some(TensorProto {
            dims: vec![1],
            data_type: Some(7),
            int64_data: vec![1],
            ..Default::default()
        }),
        dims: vec![2],
    };
    let mut lost = node("Constant", &[], &[]);
    lost.attribute.push(onnxpress::proto::AttributeProto {
        name: Some("sparse_value".into()),
        sparse_tensor: Some(sparse("")),
        r#type: Some(11),
        ..Default::default()
    });
    let mut g = graph(vec![lost, node("Add", &["x", "w"], &["y"])]);
    g.sparse_initializer.push(sparse("w"));
    let proto = model(g);
    assert_eq!(written(&load(&proto)), proto);
}

#[test]
fn texts_that_are_there_but_empty_come_back() {
    let mut neg = node("Neg", &["x"], &["y"]);
    (neg.name, neg.domain, neg.doc_string) = (Some(String::new()), Some(String::new()), Some("d".into()));
    let mut proto = model(graph(vec![neg]));
    proto.opset_import[0].domain = Some(String::new());
    proto.graph.as_mut().unwrap().name = Some(String::new());
    let loaded = load(&proto);
    assert_eq!(io::to_bytes(&loaded.model).unwrap(), proto.encode_to_vec());
}

#[test]
fn a_value_returned_twice_with_other_dims_comes_back() {
    let mut wider = float2("y");
    let Some(type_proto::Value::TensorType(tensor)) = wider.r#type.as_mut().and_then(|t| t.value.as_mut())
    else {
        panic!("it is a tensor");
    };
    tensor.shape = None;
    let mut model = model(graph(vec![node("Relu", &["x"], &["y"])]));
    let graph = model.graph.as_mut().unwrap();
    graph.output.push(wider);
    let first = written(&load(&model));
    assert_eq!(first.graph.as_ref().unwrap().output, model.graph.unwrap().output);
    assert_eq!(written(&load(&first)), first);
}
