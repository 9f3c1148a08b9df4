//! What inference says of every value of the public models, against what ONNX Runtime computes at several sizes.

use super::{bind, contradiction};
use crate::fixtures::{files, folder, onnx_runtime};
use onnxpress::analysis::Facts;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::{Dim, Model, RegionId, Type, ValueId, topological};
use onnxpress::rewrite::Exactness;
use onnxpress::runtime::{Limits, RunError, RunValue, Runtime, Session, SessionOptions, Source};
use onnxpress::validate::{ProveOptions, Subject, prove};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Sizes at which one model is looked into.
const MOST_SIZES: usize = 3;

type Feeds = Vec<(String, RunValue)>;

/// ONNX Runtime, keeping the inputs on which a model ran.
struct Recorder(Arc<Mutex<Vec<Feeds>>>);

struct Recorded {
    inner: Box<dyn Session>,
    ran: Arc<Mutex<Vec<Feeds>>>,
}

impl Runtime for Recorder {
    fn name(&self) -> &str {
        onnx_runtime().name()
    }

    fn limits(&self) -> Limits {
        onnx_runtime().limits()
    }

    fn session(&self, model: &Source, options: &SessionOptions) -> Result<Box<dyn Session>, RunError> {
        let inner = onnx_runtime().session(model, options)?;
        Ok(Box::new(Recorded { inner, ran: self.0.clone() }))
    }
}

impl Session for Recorded {
    fn inputs(&self) -> &[String] {
        self.inner.inputs()
    }

    fn outputs(&self) -> &[String] {
        self.inner.outputs()
    }

    fn run(&mut self, feeds: &[(&str, &RunValue)], outputs: &[&str]) -> Result<Vec<RunValue>, RunError> {
        let answers = self.inner.run(feeds, outputs)?;
        let kept = feeds.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect();
        self.ran.lock().unwrap().push(kept);
        Ok(answers)
    }
}

fn shape_of(value: &RunValue) -> Vec<usize> {
    match value {
        RunValue::Tensor(t) => t.shape().to_vec(),
        _ => Vec::new(),
    }
}

/// Inputs of different sizes on which the model runs.
fn feeds(path: &Path, model: &Model) -> Vec<Feeds> {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let subject = Subject { model, source: Source::file(path) };
    let options = ProveOptions { noise_runs: 0, ..ProveOptions::new(Exactness::Exact) };
    prove(&subject, &subject.clone(), &options, &Recorder(ran.clone()), &mut |_| {}).unwrap();
    let mut sizes = BTreeSet::new();
    let all = std::mem::take(&mut *ran.lock().unwrap());
    // Random numbers that both sides share are no inputs of the model itself.
    let graph = &model.graph;
    let inputs: BTreeSet<&str> = graph.root().inputs().iter().map(|&v| &**graph.value(v).name()).collect();
    let own =
        |feeds: Feeds| feeds.into_iter().filter(|(n, _)| inputs.contains(n.as_str())).collect::<Feeds>();
    let fresh = all
        .into_iter()
        .map(own)
        .filter(|feeds| sizes.insert(feeds.iter().map(|(_, v)| shape_of(v)).collect::<Vec<_>>()));
    fresh.take(MOST_SIZES).collect()
}

/// A copy that returns every tensor of the main graph.
fn laid_open(model: &Model) -> Model {
    let mut copy = model.clone();
    let returned: BTreeSet<ValueId> = copy.graph.root().outputs().collect();
    for value in tensors(model).into_iter().filter(|v| !returned.contains(v)) {
        copy.graph.add_output(RegionId::ROOT, value);
    }
    copy
}

/// The tensors that nodes of the main graph compute, in order.
fn tensors(model: &Model) -> Vec<ValueId> {
    let graph = &model.graph;
    let nodes = topological(graph, RegionId::ROOT).unwrap();
    let outputs = nodes.iter().flat_map(|&n| graph.node(n).outputs()).copied();
    outputs
        .filter(|&v| {
            !graph.value(v).name().is_empty() && matches!(graph.value(v).ty(), Some(Type::Tensor(_)))
        })
        .collect()
}

/// Values and dims that were compared.
#[derive(Default)]
struct Count {
    values: usize,
    ranked: usize,
    dims: usize,
    told: usize,
}

fn look(model: &Model, session: &mut dyn Session, feeds: &Feeds, count: &mut Count) -> Vec<String> {
    let graph = &model.graph;
    let given: Vec<(&str, &RunValue)> = feeds.iter().map(|(n, v)| (n.as_str(), v)).collect();
    let mut sizes = BTreeMap::new();
    for &input in graph.root().inputs() {
        let value = feeds.iter().find(|(name, _)| **name == **graph.value(input).name());
        if let (Some(shape), Some((_, value))) = (graph.shape(input), value) {
            bind(&mut sizes, shape, &shape_of(value));
        }
    }
    let values = tensors(model);
    let names: Vec<String> = values.iter().map(|&v| graph.value(v).name().to_string()).collect();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let answers = session.run(&given, &wanted).unwrap();
    let mut wrong = Vec::new();
    for (&value, answer) in values.iter().zip(&answers) {
        let RunValue::Tensor(actual) = answer else { continue };
        count.values += 1;
        let ty = graph.value(value).ty().unwrap();
        if let Some(shape) = graph.shape(value) {
            count.ranked += 1;
            count.dims += shape.len();
            let told = |d: &&Dim| match d {
                Dim::Fixed(_) => true,
                Dim::Sym(e) => e.eval(&|name| sizes.get(name).copied()).is_some(),
            };
            count.told += shape.iter().filter(told).count();
            if shape.len() == actual.rank() {
                bind(&mut sizes, shape, actual.shape());
            }
        }
        let name = graph.value(value).name();
        wrong.extend(contradiction(ty, actual, &sizes).map(|why| format!("{name}: {why} at {sizes:?}")));
    }
    wrong
}

#[test]
fn every_value_of_public_models_is_what_is_inferred() {
    let (mut runs, mut models) = (0, 0);
    for path in files(&folder("models"), "onnx") {
        let mut model = io::load(&path).unwrap().model;
        let feeds = feeds(&path, &model);
        Facts::new().infer_model(&mut model, &mut Diags::new());
        let source = Source::bytes(io::to_bytes(&laid_open(&model)).unwrap());
        let mut session = onnx_runtime().session(&source, &SessionOptions::default()).unwrap();
        let (mut count, mut wrong) = (Count::default(), Vec::new());
        for case in &feeds {
            wrong.extend(look(&model, &mut *session, case, &mut count));
        }
        let Count { values, ranked, dims, told } = count;
        println!(
            "{}: {} sizes, {values} values, {ranked} with a rank, {told} of {dims} dims known before they were computed",
            path.file_name().unwrap().to_string_lossy(),
            feeds.len(),
        );
        assert!(
            wrong.is_empty(),
            "{}: {} contradictions:\n{}",
            path.display(),
            wrong.len(),
            wrong.join("\n")
        );
        assert!(!feeds.is_empty() && values > 0, "{} was not run", path.display());
        runs += feeds.len();
        models += 1;
    }
    println!("{models} models, {runs} runs");
    assert_eq!(models, 17);
    assert!(runs > 25, "{runs}");
}
