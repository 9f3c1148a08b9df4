//! What reading, the passes and writing cost.
//!
//! ```text
//! cargo bench --no-default-features              all
//! cargo bench --no-default-features -- passes    those whose name holds the word
//! ```
//!
//! Times of one machine say little on another: compare ratios of one run. `load` and `write` show bytes a second, and
//! `passes` nodes a second, which stay the same as graphs grow where the cost is in proportion. To compare two
//! commits, run both side by side on an idle machine and set the medians of each line against each other.
//! `tools/measure_io.py` sets reading and writing against Python's `onnx` and `cp`, `tools/measure_passes.py` the
//! passes against the size of the graph, up to 100,000 nodes, with memory.
//!
//! The models are those that `tools/fetch.py` puts into `fixtures/cache`, or into the folder that
//! `ONNXPRESS_FIXTURES` names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use onnxpress::calibrate::{Histogram, Levels, Method, Response, ValueStatistics};
use onnxpress::diag::Diags;
use onnxpress::io::{self, Loaded, WriteOptions};
use onnxpress::ir::Model;
use onnxpress::pipeline::{Means, Options, Silent, run};
use onnxpress::target::Target;
use onnxpress::text::parse_model;

const MODELS: [&str; 4] = ["silero-vad", "minilm-l6-int8w", "minilm-l6", "piper-vits"];
const SIZES: [usize; 2] = [1_000, 10_000];

fn main() {
    let missing: Vec<PathBuf> = MODELS.into_iter().map(path).filter(|p| !p.exists()).collect();
    if let Some(first) = missing.first() {
        eprintln!("{} is missing: run `tools/fetch.py models` first", first.display());
        std::process::exit(1);
    }
    divan::main();
}

fn path(model: &str) -> PathBuf {
    let named = std::env::var_os("ONNXPRESS_FIXTURES").map(PathBuf::from);
    let root = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cache"));
    root.join("models").join(model).with_extension("onnx")
}

fn loaded(model: &str) -> Loaded {
    io::load(path(model)).expect("the public models are valid")
}

#[divan::bench(args = MODELS)]
fn load(bencher: Bencher<'_, '_>, model: &str) {
    let path = path(model);
    bencher.counter(BytesCount::new(loaded(model).bytes)).bench(|| io::load(&path));
}

#[divan::bench(args = MODELS)]
fn write(bencher: Bencher<'_, '_>, model: &str) {
    let loaded = loaded(model);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out.onnx");
    let write = || io::save(&loaded.model, &target, &WriteOptions::default());
    bencher.counter(BytesCount::new(loaded.bytes)).bench(write);
}

/// Statistics of a million elements, as a layer's input gives them; a range of these.
mod calibrate {
    use super::*;

    const ELEMENTS: usize = 1 << 20;

    /// Sums of uniform numbers, nearly normal; half of them 0 behind a Relu.
    fn elements(relu: bool) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let mut one = || (0..6).map(|_| next()).sum::<f32>();
        (0..ELEMENTS).map(|_| one()).map(|x| if relu { x.max(0.0) } else { x }).collect()
    }

    #[divan::bench(args = [false, true])]
    fn histogram(bencher: Bencher<'_, '_>, relu: bool) {
        let (values, mut histogram) = (elements(relu), Histogram::new());
        bencher.counter(ItemsCount::new(ELEMENTS)).bench_local(|| histogram.observe(&values));
    }

    #[divan::bench(args = ["percentile", "entropy", "mse"])]
    fn range(bencher: Bencher<'_, '_>, method: &str) {
        let method: Method = method.parse().expect("a method");
        let mut histogram = Histogram::new();
        histogram.observe(&elements(false));
        let extent = *histogram.extent();
        let value = ValueStatistics { extent, histogram: Some(histogram), ..ValueStatistics::default() };
        bencher.bench(|| method.range(&value, Levels::UINT8, Response::SAME));
    }
}

/// The passes of level 2, without a runtime and without a proof.
mod passes {
    use super::*;

    fn bench(bencher: Bencher<'_, '_>, model: &Model) {
        let options = Options::new(Target::named("onnx").expect("the default target"));
        let means = Means { runtime: None, growth_budget: 1 << 16 };
        bencher
            .counter(ItemsCount::new(model.graph.nodes().count()))
            .with_inputs(|| model.clone())
            .bench_values(|mut model| {
                run(&mut model, &options, means, &mut Diags::new(), &mut Silent)
                    .expect("the passes leave a valid model");
                model
            });
    }

    #[divan::bench(args = MODELS, sample_count = 20)]
    fn public(bencher: Bencher<'_, '_>, model: &str) {
        bench(bencher, &loaded(model).model);
    }

    /// Nothing to do: each node reads the one before it and the one constant of the graph.
    #[divan::bench(args = SIZES, sample_count = 20)]
    fn chain(bencher: Bencher<'_, '_>, nodes: usize) {
        bench(bencher, &generated(nodes, |_, before| format!("Add({before}, c0)")));
    }

    /// Nine nodes of ten go.
    #[divan::bench(args = SIZES, sample_count = 20)]
    fn identities(bencher: Bencher<'_, '_>, nodes: usize) {
        let op = |i: usize| if i.is_multiple_of(10) { "Sin" } else { "Identity" };
        bench(bencher, &generated(nodes, |i, before| format!("{}({before})", op(i))));
    }

    /// Every node is inside a body of an `If`.
    #[divan::bench(args = SIZES, sample_count = 20)]
    fn bodies(bencher: Bencher<'_, '_>, nodes: usize) {
        let step = |i: usize, before: &str| {
            let body =
                |k: &str, op: &str| format!("{k}{i} () => (float[2] {k}{i}v) {{ {k}{i}v = {op}({before}) }}");
            format!("If <then_branch = {}, else_branch = {}> (b)", body("t", "Sin"), body("e", "Cos"))
        };
        bench(bencher, &generated(nodes / 3, step));
    }

    /// A chain of so many steps, each written by `step` from its number and the value before.
    fn generated(steps: usize, step: impl Fn(usize, &str) -> String) -> Model {
        let mut text = String::from("<ir_version: 8, opset_import: [\"\" : 17]>\n");
        let _ = writeln!(text, "g (float[2] v0, bool b) => (float[2] v{steps}) <float[2] c0 = {{1, 2}}> {{");
        for i in 0..steps {
            let _ = writeln!(text, "v{} = {}", i + 1, step(i, &format!("v{i}")));
        }
        text.push('}');
        parse_model(&text).expect("the text of a generated model is valid")
    }
}
