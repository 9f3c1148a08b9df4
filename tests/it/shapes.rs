//! What inference says against what ONNX's node tests and the public models hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use onnxpress::analysis::Facts;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::{Dim, Graph, Type};
use onnxpress::proto::TensorProto;
use onnxpress::tensor::Tensor;
use prost::Message;

/// Fixtures of one kind. They must be there.
fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cache").join(folder);
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}; fetch the fixtures first", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

fn stored(path: &Path) -> Option<Tensor> {
    let proto = TensorProto::decode(std::fs::read(path).ok()?.as_slice()).ok()?;
    io::tensor_from_proto(&proto).ok().map(|(_, tensor)| tensor)
}

/// Sizes of the symbols that stand alone among a value's dims.
fn bind(sizes: &mut BTreeMap<String, i64>, shape: &[Dim], actual: &[usize]) {
    for (dim, &size) in shape.iter().zip(actual) {
        if let Dim::Sym(expr) = dim
            && let Some(name) = expr.as_symbol()
        {
            sizes.entry(name.to_owned()).or_insert(size as i64);
        }
    }
}

fn contradiction(ty: &Type, actual: &Tensor, sizes: &BTreeMap<String, i64>) -> Option<String> {
    let Some(tensor) = ty.as_tensor() else {
        return Some(format!("{ty} is a tensor"));
    };
    let told = || Some(format!("{ty} is {}{:?}", actual.dtype(), actual.shape()));
    if tensor.dtype != actual.dtype() {
        return told();
    }
    let shape = tensor.shape.as_ref()?;
    if shape.len() != actual.rank() {
        return told();
    }
    let wrong = shape.iter().zip(actual.shape()).any(|(dim, &size)| match dim {
        Dim::Fixed(n) => *n != size as u64,
        Dim::Sym(e) => e.eval(&|name| sizes.get(name).copied()).is_some_and(|n| n != size as i64),
    });
    if wrong { told() } else { None }
}

#[test]
fn no_node_case_contradicts() {
    let (mut checked, mut dims, mut unknown) = (0, 0, BTreeMap::<String, usize>::new());
    let mut wrong = Vec::new();
    for case in fixtures("node-cases") {
        let (Some(name), data) = (case.file_name().and_then(|n| n.to_str()), case.join("test_data_set_0"))
        else {
            continue;
        };
        if !data.is_dir() {
            continue;
        }
        let mut model = io::load(case.join("model.onnx")).unwrap().model;
        let mut diags = Diags::new();
        Facts::new().infer_model(&mut model, &mut diags);
        let graph = &model.graph;
        let read = |kind: &str, i: usize| stored(&data.join(format!("{kind}_{i}.pb")));
        let mut sizes = BTreeMap::new();
        for (i, &input) in graph.root().inputs().iter().enumerate() {
            if let (Some(shape), Some(actual)) = (graph.shape(input), read("input", i)) {
                bind(&mut sizes, shape, actual.shape());
            }
        }
        for (i, output) in graph.root().outputs().enumerate() {
            let declared_tensor = matches!(graph.value(output).declared(), Some(Type::Tensor(_)));
            let Some(actual) = read("output", i).filter(|_| declared_tensor) else {
                continue;
            };
            checked += 1;
            let Some(ty) = graph.value(output).ty() else {
                *unknown.entry("no type".to_owned()).or_default() += 1;
                continue;
            };
            match graph.shape(output) {
                Some(shape) => {
                    dims += 1;
                    bind(&mut sizes, shape, actual.shape());
                }
                None => {
                    let producer =
                        graph.producer(output).map_or("input".to_owned(), |n| graph.node(n).op().to_string());
                    *unknown.entry(producer).or_default() += 1;
                }
            }
            wrong.extend(contradiction(ty, &actual, &sizes).map(|why| format!("{name}, output {i}: {why}")));
        }
    }
    let without: usize = unknown.values().sum();
    println!("outputs of node cases: {checked} checked, {dims} with a shape, {without} without: {unknown:?}");
    assert!(checked > 1500, "only {checked} outputs were checked");
    assert!(dims * 100 > checked * 97, "only {dims} of {checked} have a shape");
    assert!(wrong.is_empty(), "{} contradictions:\n{}", wrong.len(), wrong.join("\n"));
}

/// Tensors of the model without a shape.
fn shapeless(graph: &Graph) -> Vec<String> {
    let outputs = graph.nodes().flat_map(|(id, node)| node.outputs().iter().map(move |&v| (id, v)));
    outputs
        .filter(|&(_, v)| !graph.value(v).name().is_empty() && graph.shape(v).is_none())
        .map(|(id, v)| format!("{} of {}", graph.value(v).name(), graph.node(id).op()))
        .collect()
}

#[test]
fn public_models_are_inferred() {
    let mut models = 0;
    for path in fixtures("models").into_iter().filter(|p| p.extension().is_some_and(|e| e == "onnx")) {
        let mut model = io::load(&path).unwrap().model;
        let mut diags = Diags::new();
        Facts::new().infer_model(&mut model, &mut diags);
        let (name, graph) = (path.file_name().unwrap().to_string_lossy(), &model.graph);
        let missing = shapeless(graph);
        println!("{name}: {} nodes, {} values without a shape", graph.len(), missing.len());
        // Branches that give different ranks for different sizes leave some of silero-vad's open.
        assert!(missing.len() * 10 <= graph.len(), "{name}: {missing:#?}");
        for output in graph.root().outputs() {
            let declared = graph.value(output).declared().and_then(Type::as_tensor);
            let (Some(declared), Some(known)) =
                (declared.and_then(|d| d.shape.as_ref()), graph.shape(output))
            else {
                continue;
            };
            let fixed = declared.iter().zip(known).all(|(d, k)| match (d, k) {
                (Dim::Fixed(d), Dim::Fixed(k)) => d == k,
                _ => true,
            });
            assert!(
                fixed && declared.len() == known.len(),
                "{name}: {} is {known:?}",
                graph.value(output).name()
            );
        }
        models += 1;
    }
    assert_eq!(models, 17);
}
