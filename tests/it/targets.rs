//! The tables against what they are about: every row of `ort-cpu` against a session of a one-node model.

use crate::fixtures::onnx_runtime;
use onnxpress::check::check;
use onnxpress::diag::Diags;
use onnxpress::io::load_bytes;
use onnxpress::ir::AttrKind;
use onnxpress::pipeline::{Means, Options, Silent, find, run};
use onnxpress::proto::attribute_proto::AttributeType;
use onnxpress::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TypeProto, ValueInfoProto,
    type_proto,
};
use onnxpress::runtime::{Runtime, SessionOptions, Source};
use onnxpress::schema::{AttrDef, Param, ParamOption, Schema, versions};
use onnxpress::target::{Target, Verdict};
use onnxpress::tensor::DType;
use onnxpress::text::parse_model;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// What ONNX Runtime says where it has no kernel.
const ABSENT: &str = "Could not find an implementation";

/// A type in ONNX's spelling, such as `seq(tensor(float))`.
fn type_of(text: &str) -> Option<TypeProto> {
    let inner = |prefix| text.strip_prefix(prefix).and_then(|t: &str| t.strip_suffix(')'));
    let value = if let Some(word) = inner("tensor(") {
        let elem_type = Some(DType::from_name(word)?.code());
        type_proto::Value::TensorType(type_proto::Tensor { elem_type, ..Default::default() })
    } else if let Some(of) = inner("seq(") {
        type_proto::Value::SequenceType(Box::new(type_proto::Sequence {
            elem_type: Some(Box::new(type_of(of)?)),
        }))
    } else if let Some(of) = inner("optional(") {
        type_proto::Value::OptionalType(Box::new(type_proto::Optional {
            elem_type: Some(Box::new(type_of(of)?)),
        }))
    } else {
        return None;
    };
    Some(TypeProto { value: Some(value), ..Default::default() })
}

/// A value for an attribute that must be there; `None` for a body or a tensor.
fn attribute(def: &AttrDef, chosen: &BTreeMap<&str, &str>) -> Option<AttributeProto> {
    let named = |kind: AttributeType| AttributeProto {
        name: Some(def.name.to_owned()),
        r#type: Some(kind as i32),
        ..Default::default()
    };
    let wanted = chosen.get("T2").or(chosen.get("T1")).and_then(|t| type_of(t)).and_then(|t| match t.value {
        Some(type_proto::Value::TensorType(t)) => t.elem_type,
        _ => None,
    });
    Some(match def.kind {
        AttrKind::Int if def.name == "to" => {
            AttributeProto { i: wanted.map(i64::from), ..named(AttributeType::Int) }
        }
        AttrKind::Int => AttributeProto { i: Some(1), ..named(AttributeType::Int) },
        AttrKind::Float => AttributeProto { f: Some(1.0), ..named(AttributeType::Float) },
        AttrKind::String => AttributeProto { s: Some("none".into()), ..named(AttributeType::String) },
        AttrKind::Ints => AttributeProto { ints: vec![1, 1], ..named(AttributeType::Ints) },
        AttrKind::Floats => AttributeProto { floats: vec![1.0], ..named(AttributeType::Floats) },
        AttrKind::Strings => AttributeProto { strings: vec!["a".into()], ..named(AttributeType::Strings) },
        _ => return None,
    })
}

fn required(params: &'static [Param], least: u32) -> impl Iterator<Item = &'static Param> {
    let least = usize::try_from(least).unwrap().max(1);
    let of = |p: &'static Param| matches!(p.option, ParamOption::Single | ParamOption::Variadic);
    params.iter().take(least).filter(move |p| of(p))
}

/// A model of one node, its type parameters at the chosen types; `None` where none can be made.
fn model(schema: &'static Schema, opset: i64, chosen: &BTreeMap<&str, &str>) -> Option<Vec<u8>> {
    let mut inputs = Vec::new();
    for (i, param) in required(schema.inputs, schema.min_inputs).enumerate() {
        let spelled = chosen.get(param.type_name).copied();
        let spelled = spelled.or_else(|| schema.allowed_types(param).first().copied())?;
        inputs.push(ValueInfoProto {
            name: Some(format!("x{i}")),
            r#type: Some(type_of(spelled)?),
            ..Default::default()
        });
    }
    let attrs = schema.attrs.iter().filter(|a| a.required).map(|a| attribute(a, chosen));
    let outputs = required(schema.outputs, schema.min_outputs).enumerate().map(|(i, _)| format!("y{i}"));
    let outputs: Vec<String> = outputs.collect();
    let node = NodeProto {
        op_type: Some(schema.name.to_owned()),
        domain: Some(schema.domain.to_owned()),
        input: inputs.iter().map(|v| v.name.clone().unwrap()).collect(),
        output: outputs.clone(),
        attribute: attrs.collect::<Option<_>>()?,
        ..Default::default()
    };
    let value = |name: String| ValueInfoProto { name: Some(name), ..Default::default() };
    let graph = GraphProto {
        name: Some("g".to_owned()),
        node: vec![node],
        input: inputs,
        output: outputs.into_iter().map(value).collect(),
        ..Default::default()
    };
    let import = |domain: &str, version| OperatorSetIdProto {
        domain: Some(domain.to_owned()),
        version: Some(version),
    };
    let standard = if schema.domain.is_empty() { opset } else { 17 };
    let mut imports = vec![import("", standard)];
    if !schema.domain.is_empty() {
        imports.push(import(schema.domain, opset));
    }
    let model =
        ModelProto { ir_version: Some(10), opset_import: imports, graph: Some(graph), ..Default::default() };
    Some(model.encode_to_vec())
}

/// Each type parameter in each of its types, the others at their first.
fn choices(schema: &'static Schema) -> Vec<BTreeMap<&'static str, &'static str>> {
    let usual = |allowed: &'static [&'static str]| {
        let float = allowed.iter().copied().find(|t| *t == "tensor(float)");
        float.or(allowed.first().copied()).unwrap_or("tensor(float)")
    };
    let first: BTreeMap<_, _> = schema.constraints.iter().map(|c| (c.name, usual(c.allowed))).collect();
    let mut all = BTreeSet::from([first.clone()]);
    for constraint in schema.constraints {
        all.extend(constraint.allowed.iter().map(|t| {
            let mut choice = first.clone();
            choice.insert(constraint.name, t);
            choice
        }));
    }
    all.into_iter().collect()
}

#[test]
fn ort_cpu_takes_what_its_table_says_and_nothing_else() {
    let (target, runtime) = (Target::named("ort-cpu").unwrap(), onnx_runtime());
    let ops: BTreeSet<_> = target.rows().into_iter().map(|row| row.op).collect();
    let (mut agreed, mut unclear) = ([0, 0, 0], 0);
    let mut wrong = Vec::new();
    for op in ops {
        for schema in
            versions(op.domain, op.name).iter().filter(|s| !s.deprecated && s.since <= target.opset.max)
        {
            for chosen in choices(schema) {
                let Some(bytes) = model(schema, schema.since, &chosen) else { continue };
                let Ok(loaded) = load_bytes(bytes.clone()) else { continue };
                let verdict = check(&loaded.model, &target).first().map(|f| f.verdict);
                let says = match runtime.session(&Source::bytes(bytes), &SessionOptions::default()) {
                    Ok(_) => true,
                    Err(e) if e.to_string().contains(ABSENT) => false,
                    Err(_) => {
                        unclear += 1;
                        continue;
                    }
                };
                match (verdict, says) {
                    (None, true) => agreed[0] += 1,
                    (Some(Verdict::Retyped), true) => agreed[1] += 1,
                    (Some(Verdict::Refused), false) => agreed[2] += 1,
                    _ => {
                        wrong.push(format!("{op} {} {chosen:?}: {verdict:?}, takes it: {says}", schema.since))
                    }
                }
            }
        }
    }
    let [taken, retyped, refused] = agreed;
    println!(
        "{taken} taken, {retyped} retyped, {refused} refused, {unclear} refused for another reason than the op"
    );
    assert!(wrong.is_empty(), "{} of the table are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(taken > 1000 && retyped > 50 && refused > 500, "too few rows could be asked");
}

/// No runtime at hand computes in `bfloat16`, so that no fixture can.
#[test]
fn attention_is_added_in_the_types_that_a_target_takes() {
    let added = |target: &str, dtype: &str| {
        let text = format!(
            "<ir_version: 10, opset_import: [\"\" : 23]>\n\
             g ({dtype}[B,2,S,4] q, {dtype}[B,2,4,T] k, {dtype}[B,2,T,4] v) => ({dtype}[B,2,S,4] y) {{\n\
             p = MatMul (q, k)\nw = Softmax <axis = -1> (p)\ny = MatMul (w, v)\n}}"
        );
        let mut model = parse_model(&text).unwrap();
        let mut options = Options::new(Target::named(target).unwrap());
        options.enable = vec!["fuse-attention".to_owned()];
        let means = Means { runtime: None, growth_budget: 0 };
        run(&mut model, &options, means, &mut Diags::new(), &mut Silent).unwrap();
        model.graph.nodes().any(|(_, n)| n.op().is("Attention"))
    };
    for (target, types) in [
        ("onnx", [true, true, true]),
        ("ort-cpu", [true, true, false]),
        ("tensorrt", [true, true, true]),
        ("tensorrt-rtx", [false, true, true]),
    ] {
        assert_eq!(["float", "float16", "bfloat16"].map(|dtype| added(target, dtype)), types, "{target}");
    }
}

#[test]
fn what_targets_hold_back_are_passes() {
    let mut held_back = 0;
    for target in Target::all() {
        for id in &target.held_back {
            let entry = find(id).unwrap_or_else(|e| panic!("{}: {e}", target.id));
            assert!(entry.meta().is_slower_on(&target));
            held_back += 1;
        }
    }
    assert!(held_back > 0);
}
