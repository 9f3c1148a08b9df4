//! Statistics of the values of small models, through ONNX Runtime, against the same computed outside.

use crate::fixtures::onnx_runtime;
use bytes::Bytes;
use onnxpress::calibrate::{
    CalibrateOptions, Calibration, Histogram, Levels, Method, Requests, Response, Statistics, Want, calibrate,
};
use onnxpress::data::Source;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::Model;
use onnxpress::pipeline::{Means, Options, Silent, run as optimize};
use onnxpress::recipe::DataSpec;
use onnxpress::runtime::{
    Limits, RunError, RunValue, Runtime, Session, SessionOptions, Source as ModelSource,
};
use onnxpress::target::Target;
use onnxpress::tensor::Tensor;
use onnxpress::text::parse_model;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Two products with a Relu between, whose rows vary from sample to sample.
const TWO_PRODUCTS: &str = "<ir_version: 8, opset_import: [\"\" : 17]>
    g (float[n,3] x) => (float[n,2] y)
    <float[3,4] a = {1, -2, 0.5, 3, 0.25, 1, -1, 2, -0.5, 0.125, 2, -3}, float[4,2] b = {1, 2, -1, 0.5, 3, -2, 0.25, 1}>
    { p = MatMul (x, a) r = Relu (p) y = MatMul (r, b) }";

const INNER: [&str; 3] = ["p", "r", "y"];

fn model(text: &str) -> Model {
    parse_model(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Rows of sample `at`: 2 to 5 of them.
fn rows(at: usize) -> Vec<f32> {
    let mut state = 1 + at as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..3 * (2 + at % 4)).map(|_| next() * 4.0).collect()
}

fn save(folder: &Path, at: usize, values: &[f32]) {
    save_as(&folder.join(format!("s{at:03}.npy")), values);
}

fn save_as(path: &Path, values: &[f32]) {
    let shape = format!("({}, 3)", values.len() / 3);
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.bytes());
    values.iter().for_each(|x| out.extend(x.to_le_bytes()));
    std::fs::write(path, out).unwrap();
}

/// A folder of samples for [`TWO_PRODUCTS`].
fn samples(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    (0..count).for_each(|at| save(folder.path(), at, &rows(at)));
    folder
}

fn open(folder: &Path, model: &Model) -> Source {
    Source::open(folder, model, &DataSpec::default()).unwrap()
}

fn asked(names: &[&str], wants: &[Want]) -> Requests {
    let mut requests = Requests::new();
    names.iter().for_each(|name| wants.iter().for_each(|&want| requests.add(*name, want)));
    requests
}

const ALL: [Want; 4] = [Want::Range, Want::Histogram, Want::ChannelMax { axis: -1 }, Want::Gram];

fn run(
    folder: &Path,
    model: &Model,
    requests: &Requests,
    options: &CalibrateOptions,
) -> onnxpress::error::Result<Calibration> {
    calibrate(model, requests, &open(folder, model), onnx_runtime(), options, &mut |_| {})
}

fn taken(folder: &Path, names: &[&str], wants: &[Want]) -> Statistics {
    let model = model(TWO_PRODUCTS);
    run(folder, &model, &asked(names, wants), &CalibrateOptions::default()).unwrap().statistics
}

/// All elements of some values over all samples, by a session of the test's own.
fn fetched(folder: &Path) -> BTreeMap<&'static str, Vec<f32>> {
    let text = TWO_PRODUCTS.replace("=> (float[n,2] y)", "=> (float[n,2] y, float[n,4] p, float[n,4] r)");
    let shown = model(&text);
    let bytes = ModelSource::bytes(io::to_bytes(&shown).unwrap());
    let mut session = onnx_runtime().session(&bytes, &SessionOptions::default()).unwrap();
    let mut all: BTreeMap<&str, Vec<f32>> = BTreeMap::new();
    for sample in open(folder, &shown).samples() {
        let values = session.run(&sample.unwrap().as_feeds(), &INNER).unwrap();
        for (name, value) in INNER.into_iter().zip(values) {
            let RunValue::Tensor(tensor) = value else { panic!("{name} is no tensor") };
            all.entry(name).or_default().extend(tensor.to_vec::<f32>().unwrap());
        }
    }
    all
}

#[test]
fn statistics_are_those_of_the_values_computed_outside() {
    let folder = samples(9);
    let statistics = taken(folder.path(), &INNER, &ALL);
    assert_eq!(statistics.samples, 9);
    for (name, values) in fetched(folder.path()) {
        let of = &statistics.values[name];
        let mut expected = Histogram::new();
        expected.observe(&values);
        assert_eq!(of.histogram.as_ref(), Some(&expected), "{name}");
        assert_eq!(&of.extent, expected.extent());
        let width = if name == "y" { 2 } else { 4 };
        let column_max =
            |c: usize| values.iter().skip(c).step_by(width).fold(0f32, |max, x| max.max(x.abs()));
        assert_eq!(of.channels[&-1].maxima(), (0..width).map(column_max).collect::<Vec<_>>(), "{name}");
        let gram = of.gram.as_ref().unwrap();
        assert_eq!((gram.size(), gram.rows()), (width, values.len() as u64 / width as u64));
        let sum: f64 = values.chunks_exact(width).map(|r| f64::from(r[0]) * f64::from(r[1])).sum();
        assert!((gram.at(1, 0) - sum).abs() < 1e-4, "{} {sum}", gram.at(1, 0));
    }
}

#[test]
fn inputs_of_the_model_are_observed_too() {
    let folder = samples(5);
    let statistics = taken(folder.path(), &["x"], &ALL);
    let mut expected = Histogram::new();
    (0..5).for_each(|at| expected.observe(&rows(at)));
    assert_eq!(statistics.values["x"].histogram, Some(expected));
    let with_others = taken(folder.path(), &["x", "r"], &ALL);
    assert_eq!(with_others.values["x"], statistics.values["x"]);
}

#[test]
fn several_runs_give_what_one_gives() {
    let folder = samples(12);
    let (model, requests) = (model(TWO_PRODUCTS), asked(&["p", "r", "x", "y"], &ALL));
    let whole = run(folder.path(), &model, &requests, &CalibrateOptions::default()).unwrap();
    assert_eq!((whole.runs, whole.remarks.len()), (1, 0));
    // The first sample has as many rows as it happens to have: p and r take 16 bytes a row, y takes 8.
    let rows = open(folder.path(), &model).sample(0).unwrap();
    let Some(RunValue::Tensor(x)) = rows.get("x") else { panic!("no input") };
    let row = x.shape()[0] as u64;
    for (bytes, runs, remarks) in [(80, 1, 0), (79, 2, 0), (48, 2, 0), (47, 3, 0), (31, 3, 2), (0, 3, 3)] {
        let options = CalibrateOptions { memory_limit: bytes * row, ..CalibrateOptions::default() };
        let mut steps = Vec::new();
        let source = open(folder.path(), &model);
        let split = calibrate(&model, &requests, &source, onnx_runtime(), &options, &mut |p| {
            steps.push((p.run, p.sample))
        })
        .unwrap();
        assert_eq!((split.runs, split.remarks.len()), (runs, remarks), "{bytes} bytes");
        assert_eq!(split.statistics, whole.statistics);
        let expected: Vec<_> = (0..runs).flat_map(|run| (0..12).map(move |sample| (run, sample))).collect();
        assert_eq!(steps, expected);
    }
}

#[test]
fn sizes_that_inference_does_not_know_are_measured() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]> g (float[n,3] x) => (float[k] f)
        { z = NonZero (x) c = Cast <to = 1> (z) m = Constant <value = int64[1] {-1}> () f = Reshape (c, m) }";
    let folder = samples(3);
    let options = CalibrateOptions { memory_limit: 0, ..CalibrateOptions::default() };
    let found = run(folder.path(), &model(text), &asked(&["c", "f"], &[Want::Range]), &options).unwrap();
    assert_eq!((found.runs, found.remarks.len()), (2, 2));
    assert_eq!(found.statistics.values["c"].extent.max, 3.0);
}

/// Bytes of values that a runtime gave and that are still held, and the most that ever were.
#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Counted(Bytes, Arc<Held>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.now.fetch_sub(self.0.len(), Ordering::SeqCst);
    }
}

impl Held {
    fn counted(self: &Arc<Self>, value: RunValue) -> RunValue {
        let RunValue::Tensor(tensor) = value else { panic!("no tensor") };
        let bytes = tensor.bytes().unwrap();
        let now = self.now.fetch_add(bytes.len(), Ordering::SeqCst) + bytes.len();
        self.most.fetch_max(now, Ordering::SeqCst);
        let bytes = Bytes::from_owner(Counted(bytes, self.clone()));
        RunValue::Tensor(Tensor::from_bytes(tensor.dtype(), tensor.shape(), bytes).unwrap())
    }
}

/// ONNX Runtime, with what it gives counted.
struct Watching(Arc<Held>);

impl Runtime for Watching {
    fn name(&self) -> &str {
        onnx_runtime().name()
    }

    fn limits(&self) -> Limits {
        onnx_runtime().limits()
    }

    fn session(&self, model: &ModelSource, options: &SessionOptions) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(WatchingSession(onnx_runtime().session(model, options)?, self.0.clone())))
    }
}

struct WatchingSession(Box<dyn Session>, Arc<Held>);

impl Session for WatchingSession {
    fn inputs(&self) -> &[String] {
        self.0.inputs()
    }

    fn outputs(&self) -> &[String] {
        self.0.outputs()
    }

    fn run(&mut self, feeds: &[(&str, &RunValue)], outputs: &[&str]) -> Result<Vec<RunValue>, RunError> {
        let values = self.0.run(feeds, outputs)?;
        Ok(values.into_iter().map(|value| self.1.counted(value)).collect())
    }
}

#[test]
fn no_more_than_two_samples_are_in_memory() {
    for count in [16, 128] {
        let (folder, model, held) = (samples(count), model(TWO_PRODUCTS), Arc::new(Held::default()));
        let runtime = Watching(held.clone());
        let source = open(folder.path(), &model);
        let requests = asked(&INNER, &ALL);
        calibrate(&model, &requests, &source, &runtime, &CalibrateOptions::default(), &mut |_| {}).unwrap();
        // Five rows at most, of 4, 4 and 2 numbers.
        let sample = 5 * 10 * 4;
        let most = held.most.load(Ordering::SeqCst);
        assert!((sample..=2 * sample).contains(&most), "{most} of {count} samples");
        assert_eq!(held.now.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_sample_larger_than_the_first_is_remarked_on() {
    let folder = samples(12);
    let (model, requests) = (model(TWO_PRODUCTS), asked(&INNER, &[Want::Range]));
    let source = open(folder.path(), &model);
    let rows = |place: usize| match source.sample(place).unwrap().get("x") {
        Some(RunValue::Tensor(x)) => x.shape()[0] as u64,
        _ => 0,
    };
    let largest = (0..12).map(rows).max().unwrap();
    let first = source.sample(0).unwrap().label;
    save_as(&folder.path().join(first), &[0.5, 1.0, 2.0]);
    assert_eq!((rows(0), largest), (1, 5));
    let options = CalibrateOptions { memory_limit: 2 * 40 * rows(0), ..CalibrateOptions::default() };
    let found = run(folder.path(), &model, &requests, &options).unwrap();
    let remarks: Vec<_> = found.remarks.iter().collect();
    assert_eq!((found.runs, remarks.len(), remarks[0].code), (1, 1, "over-memory-limit"));
    assert!(remarks[0].message.contains(&format!("take {} bytes", 40 * largest)), "{}", remarks[0]);
    let enough = CalibrateOptions { memory_limit: 2 * 40 * largest, ..CalibrateOptions::default() };
    assert!(run(folder.path(), &model, &requests, &enough).unwrap().remarks.is_empty());
}

/// A sum that one run hands to the next.
const RUNNING_SUM: &str = "<ir_version: 8, opset_import: [\"\" : 17]>
    g (float[n,3] x, float[3] state) => (float[3] stateN)
    { axes = Constant <value = int64[1] {0}> () s = ReduceSum <keepdims = 0> (x, axes) stateN = Add (s, state) }";

#[test]
fn a_state_is_handed_from_sample_to_sample() {
    let folder = tempfile::tempdir().unwrap();
    (0..6).for_each(|at| save(folder.path(), at, &[1.0, 2.0, -1.0]));
    let model = model(RUNNING_SUM);
    let taken = |settings: &str| {
        let spec: DataSpec = toml::from_str(settings).unwrap();
        let source = Source::open(folder.path(), &model, &spec).unwrap();
        let requests = asked(&["state", "stateN"], &[Want::Range]);
        calibrate(&model, &requests, &source, onnx_runtime(), &CalibrateOptions::default(), &mut |_| {})
            .unwrap()
    };
    let alone = taken("constants = { state = 0 }");
    let remarks: Vec<_> = alone.remarks.iter().map(|d| (d.code, d.at.as_deref().unwrap())).collect();
    assert_eq!(remarks, [("only-zeros", "state")]);
    let carried = taken("constants = { state = 0 }\ncarry = { state = \"stateN\" }");
    assert!(carried.remarks.is_empty());
    let (state, next) = (&carried.statistics.values["state"], &carried.statistics.values["stateN"]);
    assert_eq!((state.extent.min, state.extent.max), (-5.0, 10.0));
    assert_eq!((next.extent.min, next.extent.max), (-6.0, 12.0));
}

#[test]
fn a_value_is_found_by_what_it_was_once_called() {
    let folder = samples(3);
    let text = "<ir_version: 8, opset_import: [\"\" : 17]> g (float[n,3] x) => (float[n,3] y)
        { a = Relu (x) b = Identity (a) y = Neg (b) }";
    let mut model = model(text);
    let options = Options::new(Target::named("onnx").unwrap());
    let means = Means { runtime: None, growth_budget: 0 };
    optimize(&mut model, &options, means, &mut Diags::new(), &mut Silent).unwrap();
    assert_eq!(model.graph.nodes().count(), 2);
    let found = run(folder.path(), &model, &asked(&["a", "b"], &[Want::Range]), &CalibrateOptions::default())
        .unwrap();
    assert_eq!(found.statistics.values["a"], found.statistics.values["b"]);
    assert!(found.statistics.values["a"].extent.max > 0.0);
}

#[test]
fn two_runs_are_equal() {
    let folder = samples(10);
    assert_eq!(taken(folder.path(), &INNER, &ALL), taken(folder.path(), &INNER, &ALL));
}

#[test]
fn numbers_that_are_none_are_left_out_and_remarked_on() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), 0, &[f32::NAN, 1.0, 2.0, -1.0, f32::INFINITY, 0.5]);
    save(folder.path(), 1, &[f32::NAN; 3]);
    let (model, requests) = (model(TWO_PRODUCTS), asked(&["x", "p"], &ALL));
    let found = run(folder.path(), &model, &requests, &CalibrateOptions::default()).unwrap();
    let x = &found.statistics.values["x"];
    assert_eq!((x.extent.min, x.extent.max, x.extent.finite, x.extent.non_finite), (-1.0, 2.0, 4, 5));
    assert_eq!(x.average.ends(), Some((-1.0, 2.0)));
    assert_eq!(x.channels[&-1].maxima(), [1.0, 1.0, 2.0]);
    assert_eq!(x.gram.as_ref().unwrap().rows(), 0);
    let remarks: Vec<_> = found.remarks.iter().map(|d| (d.code, d.at.as_deref().unwrap())).collect();
    assert_eq!(remarks, [("non-finite-values", "p"), ("non-finite-values", "x")]);
    assert!(found.statistics.range("x", Method::Entropy, Levels::INT8, Response::SAME).is_ok());
    let none = found.statistics.range("p", Method::MinMax, Levels::INT8, Response::SAME).unwrap_err();
    assert!(none.node() == Some("p") && none.help().is_some(), "{none:?}");
}

#[test]
fn half_precision_is_converted_and_integers_are_refused() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]> g (float[n,3] x) => (float16[n,3] h, float[k] y)
        { h = Cast <to = 10> (x) i = Cast <to = 6> (x) s = Shape (i) f = Cast <to = 1> (s) y = Neg (f) }";
    let folder = samples(4);
    let found = |name| run(folder.path(), &model(text), &asked(&[name], &ALL), &CalibrateOptions::default());
    let largest = (0..4).flat_map(rows).fold(0f32, |max, x| max.max(x.abs()));
    assert!((found("h").unwrap().statistics.values["h"].extent.limit() - largest).abs() < 4e-3);
    let error = found("i").unwrap_err();
    assert!(error.node() == Some("i") && error.message().contains("int32"), "{error}");
}

#[test]
fn what_goes_wrong_names_the_value_or_the_sample() {
    let folder = samples(4);
    let fails = |names: &[&str], want| {
        run(folder.path(), &model(TWO_PRODUCTS), &asked(names, &[want]), &CalibrateOptions::default())
            .unwrap_err()
    };
    assert_eq!(fails(&["nowhere"], Want::Range).node(), Some("nowhere"));
    assert_eq!(fails(&["a"], Want::Range).node(), Some("a"));
    assert_eq!(fails(&["p"], Want::ChannelMax { axis: 2 }).node(), Some("p"));
    // Rows differ in number, so the first axis is not equally long.
    let error = fails(&["p"], Want::ChannelMax { axis: 0 });
    assert!(error.node() == Some("p") && error.message().contains("another sample"), "{error}");
    assert!(error.message().starts_with("sample 's00"), "{error}");
    std::fs::write(folder.path().join("s002.npy"), "damaged").unwrap();
    assert!(fails(&["p"], Want::Range).file().is_some());
}

#[test]
fn a_cache_saves_the_run_for_another_method() {
    let folder = samples(6);
    let scratch = tempfile::tempdir().unwrap();
    let cache = scratch.path().join("calibration");
    let options = CalibrateOptions { cache: Some(cache.clone()), ..CalibrateOptions::default() };
    let (model, requests) = (model(TWO_PRODUCTS), asked(&INNER, &ALL));
    let first = run(folder.path(), &model, &requests, &options).unwrap();
    let bytes = std::fs::read(&cache).unwrap();
    let second = run(folder.path(), &model, &requests, &options).unwrap();
    assert_eq!((first.runs, second.runs, second.remarks.len()), (1, 0, 0));
    assert_eq!(first.statistics, second.statistics);
    for name in Method::NAMES {
        let method: Method = name.parse().unwrap();
        let range = |s: &Statistics| s.range("r", method, Levels::UINT8, Response::SAME).unwrap();
        assert_eq!(range(&first.statistics), range(&second.statistics));
    }
    // Fewer values of it are taken from it, too.
    assert_eq!(run(folder.path(), &model, &asked(&["r"], &ALL[..2]), &options).unwrap().runs, 0);
    std::fs::remove_file(&cache).unwrap();
    run(folder.path(), &model, &requests, &options).unwrap();
    assert_eq!(std::fs::read(&cache).unwrap(), bytes);
}

#[test]
fn what_a_cache_lacks_is_added_to_it() {
    let folder = samples(6);
    let scratch = tempfile::tempdir().unwrap();
    let options =
        CalibrateOptions { cache: Some(scratch.path().join("cache")), ..CalibrateOptions::default() };
    let model = model(TWO_PRODUCTS);
    let taken = |names: &[&str], wants: &[Want]| {
        let found = run(folder.path(), &model, &asked(names, wants), &options).unwrap();
        (found.runs, found.remarks.len(), found.statistics)
    };
    let steps: [(&[&str], &[Want], usize); 5] = [
        (&["p", "r"], &[Want::Histogram], 1),
        (&["r"], &[Want::Gram], 1),
        (&["r"], &[Want::Histogram, Want::Gram], 0),
        (&INNER, &ALL, 1),
        (&INNER, &ALL, 0),
    ];
    for (names, wants, runs) in steps {
        let (ran, remarks, statistics) = taken(names, wants);
        assert_eq!((ran, remarks, statistics.values.len()), (runs, 0, names.len()), "{names:?} {wants:?}");
    }
    let whole = run(folder.path(), &model, &asked(&INNER, &ALL), &CalibrateOptions::default()).unwrap();
    assert_eq!(taken(&INNER, &ALL).2, whole.statistics);
}

#[test]
fn a_cache_of_something_else_is_not_used() {
    let (folder, more) = (samples(6), samples(7));
    let scratch = tempfile::tempdir().unwrap();
    let cache = scratch.path().join("calibration");
    let options = CalibrateOptions { cache: Some(cache.clone()), ..CalibrateOptions::default() };
    let (ours, other) = (model(TWO_PRODUCTS), model(&TWO_PRODUCTS.replace("Relu", "Abs")));
    let ranges = asked(&INNER, &[Want::Range]);
    let all = asked(&INNER, &ALL);
    run(folder.path(), &ours, &ranges, &options).unwrap();
    let steps: [(&Path, &Model, &Requests); 3] =
        [(more.path(), &ours, &ranges), (more.path(), &other, &ranges), (folder.path(), &ours, &all)];
    for (folder, model, requests) in steps {
        let found = run(folder, model, requests, &options).unwrap();
        let codes: Vec<_> = found.remarks.iter().map(|d| d.code).collect();
        assert_eq!((found.runs, codes), (1, vec!["calibration-cache-ignored"]));
        assert_eq!(run(folder, model, requests, &options).unwrap().runs, 0);
    }
    let expected = taken(folder.path(), &INNER, &ALL);
    std::fs::write(&cache, &std::fs::read(&cache).unwrap()[..500]).unwrap();
    let found = run(folder.path(), &ours, &all, &options).unwrap();
    assert_eq!((found.runs, found.statistics), (1, expected));
}
