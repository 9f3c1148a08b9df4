//! Random models and random texts.

use std::sync::Arc;

use bytes::Bytes;
use onnxpress::ir::{
    Attr, AttrKind, Dim, Graph, Model, NewNode, NewOutput, OpId, RegionId, SparseTensor, TensorType, Type,
    ValueId,
};
use onnxpress::tensor::{DType, Tensor};
use onnxpress::text::{PrintOptions, parse_model, print_model};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn print(model: &Model) -> String {
    print_model(model, PrintOptions::default())
}

/// Names of which some are no identifiers and some clash.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]",
        "[a-z_][a-z0-9_]{0,6}",
        Just("float".to_owned()),
        Just("seq".to_owned()),
        Just("inf".to_owned()),
        Just("random".to_owned()),
        Just(String::new()),
        any::<String>(),
    ]
}

fn dim() -> impl Strategy<Value = Dim> {
    prop_oneof![
        any::<u64>().prop_map(Dim::Fixed),
        name().prop_map(|n| Dim::symbol(&format!("n{n}"))),
        Just(Dim::symbol("?7")),
    ]
}

fn tensor_type() -> impl Strategy<Value = TensorType> {
    let shape = prop::option::of(prop::collection::vec(dim(), 0..3));
    (prop::sample::select(DType::ALL), shape).prop_map(|(dtype, shape)| TensorType { dtype, shape })
}

fn ty() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        4 => tensor_type().prop_map(Type::Tensor),
        1 => tensor_type().prop_map(Type::SparseTensor),
        1 => (name(), "[a-z.\"]{1,5}").prop_map(|(domain, name)| Type::Opaque { domain, name }),
    ];
    leaf.prop_recursive(3, 4, 1, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| Type::Sequence(Box::new(t))),
            inner.clone().prop_map(|t| Type::Optional(Box::new(t))),
            inner.prop_map(|t| Type::Map(DType::String, Box::new(t))),
        ]
    })
}

/// A tensor of any type with any bits.
fn tensor() -> impl Strategy<Value = Tensor> {
    (prop::sample::select(DType::ALL), prop::collection::vec(0..4usize, 0..3)).prop_flat_map(
        |(dtype, shape)| {
            let len: usize = shape.iter().product();
            let bytes = dtype.byte_len(len).unwrap_or(len);
            prop::collection::vec(any::<u8>(), bytes).prop_map(move |bytes| match dtype {
                DType::String => {
                    let strings: Vec<Bytes> = bytes.iter().map(|&b| vec![b, b'x'].into()).collect();
                    Tensor::from_strings(&shape, strings).unwrap()
                }
                _ => Tensor::from_bytes(dtype, &shape, bytes).unwrap(),
            })
        },
    )
}

fn sparse() -> impl Strategy<Value = SparseTensor> {
    (prop::collection::vec(1..4usize, 0..3), tensor(), tensor())
        .prop_map(|(dims, values, indices)| SparseTensor { dims, values, indices })
}

fn text() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..6).prop_map(Bytes::from)
}

fn attr() -> impl Strategy<Value = Attr> {
    let list = 0..3usize;
    prop_oneof![
        any::<u32>().prop_map(|bits| Attr::Float(f32::from_bits(bits))),
        any::<i64>().prop_map(Attr::Int),
        text().prop_map(Attr::String),
        tensor().prop_map(Attr::Tensor),
        sparse().prop_map(|s| Attr::SparseTensor(Box::new(s))),
        ty().prop_map(|t| Attr::Type(Box::new(t))),
        prop::collection::vec(any::<f32>(), list.clone()).prop_map(Attr::Floats),
        prop::collection::vec(any::<i64>(), list.clone()).prop_map(Attr::Ints),
        prop::collection::vec(text(), list.clone()).prop_map(Attr::Strings),
        prop::collection::vec(tensor(), list.clone()).prop_map(Attr::Tensors),
        prop::collection::vec(sparse(), list.clone()).prop_map(Attr::SparseTensors),
        prop::collection::vec(ty(), list).prop_map(Attr::Types),
        name().prop_map(|n| Attr::Ref(Arc::from(n), AttrKind::Regions)),
        Just(Attr::Regions(Vec::new())),
    ]
}

/// What one node is made of; operands are positions among the values that are there by then.
#[derive(Clone, Debug)]
struct Recipe {
    op: (String, String, String),
    name: String,
    attrs: Vec<Attr>,
    operands: Vec<Option<prop::sample::Index>>,
    outputs: Vec<(String, Option<Type>)>,
    bodies: Vec<Vec<Recipe>>,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let outputs = prop::collection::vec((name(), prop::option::of(ty())), 0..3);
    let operands = prop::collection::vec(any::<Option<prop::sample::Index>>(), 0..3);
    let leaf = ((name(), name(), name()), name(), prop::collection::vec(attr(), 0..3), operands, outputs)
        .prop_map(|(op, name, attrs, operands, outputs)| Recipe {
            op,
            name,
            attrs,
            operands,
            outputs,
            bodies: Vec::new(),
        })
        .boxed();
    leaf.clone().prop_recursive(2, 12, 3, move |inner| {
        let bodies = prop::collection::vec(prop::collection::vec(inner, 0..3), 1..3);
        (leaf.clone(), bodies).prop_map(|(recipe, bodies)| Recipe { bodies, ..recipe })
    })
}

fn cook(graph: &mut Graph, region: RegionId, recipes: &[Recipe], mut visible: Vec<ValueId>) {
    for recipe in recipes {
        let pick = |i: &prop::sample::Index| (!visible.is_empty()).then(|| *i.get(&visible));
        let operands = recipe.operands.iter().map(|i| i.as_ref().and_then(pick)).collect();
        let outputs = recipe.outputs.iter().map(|(name, _)| NewOutput::named(name.as_str())).collect();
        let (domain, op, overload) = &recipe.op;
        let mut new = NewNode::new(OpId::intern(domain, op), operands, outputs);
        new.name = Arc::from(recipe.name.as_str());
        new.overload = Arc::from(overload.as_str());
        for (i, attr) in recipe.attrs.iter().enumerate() {
            new = new.attr(&format!("a {i}"), attr.clone());
        }
        for (i, body) in recipe.bodies.iter().enumerate() {
            let inner = graph.add_region();
            graph.describe_region(inner, recipe.name.as_str(), Default::default());
            cook(graph, inner, body, visible.clone());
            let attr = if i == 0 { Attr::Region(inner) } else { Attr::Regions(vec![inner]) };
            new = new.attr(&format!("body{i}"), attr);
        }
        let id = graph.add_node(region, new);
        let values = graph.node(id).outputs().to_vec();
        for (value, (_, ty)) in values.iter().zip(&recipe.outputs) {
            graph.set_declared(*value, ty.clone());
        }
        visible.extend(values);
    }
    if let Some(&last) = visible.last() {
        graph.add_output(region, last);
    }
}

fn model() -> impl Strategy<Value = Model> {
    let inputs = prop::collection::vec((name(), prop::option::of(ty()), prop::option::of(tensor())), 0..3);
    let constants = prop::collection::vec((name(), tensor()), 0..3);
    (inputs, constants, prop::collection::vec(recipe(), 0..4)).prop_map(|(inputs, constants, recipes)| {
        let mut model = Model::new(18);
        let graph = &mut model.graph;
        let mut visible = Vec::new();
        for (name, ty, default) in inputs {
            let input = graph.add_input(RegionId::ROOT, name.as_str(), ty);
            if let Some(default) = default {
                graph.set_input_default(input, default);
            }
            visible.push(input);
        }
        for (name, constant) in constants {
            visible.push(graph.add_initializer(RegionId::ROOT, name.as_str(), constant));
        }
        cook(graph, RegionId::ROOT, &recipes, visible);
        model
    })
}

/// Pieces of the syntax, so that random texts get further than the first token.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "g",
        "(",
        ")",
        "=>",
        "{",
        "}",
        "<",
        ">",
        "=",
        ",",
        "[",
        "]",
        ":",
        "@",
        ".",
        "?",
        "-",
        "1",
        "2.5",
        "1e",
        "\"",
        "\\",
        "\"a\"",
        "#",
        "\n",
        " ",
        "float",
        "float[2]",
        "int4",
        "seq(",
        "map(",
        "x",
        "y",
        "If",
        "random(1)",
        "fill(",
        "ir_version",
        "opset_import",
        "inf",
        "é",
        "...",
        "sparse_tensor(",
        "ints",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The same cases in every run.
fn settings() -> ProptestConfig {
    ProptestConfig {
        cases: 500,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..Default::default()
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn printed_models_come_back(model in model()) {
        let text = print(&model);
        let read = parse_model(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        prop_assert_eq!(print(&read), text);
    }

    #[test]
    fn texts_never_panic(text in prop_oneof![soup(), any::<String>(), soup().prop_map(|s| format!("g (x) => (x) {s}"))]) {
        if let Ok(model) = parse_model(&text) {
            let printed = print(&model);
            prop_assert!(parse_model(&printed).is_ok(), "{}", printed);
        }
    }
}
