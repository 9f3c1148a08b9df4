//! One graph: optimized, run beside its original, optimized again.

use super::generate::Generator;
use super::inside::{Inside, Met};
use super::noise::floors;
use super::sketch::Sketch;
use super::special;
use crate::fixtures::onnx_runtime;
use crate::passes::{close, random_tensor, spelled};
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::{Def, Dim, Model, Use, ValueId, captures};
use onnxpress::pipeline::{Means, Options, Outcome, Silent, registry, run};
use onnxpress::rewrite::{Exactness, OpsetRequest};
use onnxpress::runtime::{RunValue, Runtime, Session, SessionOptions, Source};
use onnxpress::target::Target;
use onnxpress::tensor::Tensor;
use onnxpress::text::{diff, parse_model};
use onnxpress::validate::{Metrics, compare};
use std::sync::LazyLock;

/// What a symbolic dim is fed with.
const SIZE: usize = 3;
/// Sets of inputs that a graph is run on, and again with special numbers among them.
const SETS: u64 = 2;
/// How many times the original's own noise an output may differ by.
const FLOORS: f64 = 4.0;
/// Passes whose operators are defined where the formula is NaN: of one infinity, of zeros alone, of rows where masks that
/// overflow leave nothing, of an infinite scale.
const DEFINED: [&str; 6] = [
    "fuse-attention",
    "fuse-grouped-attention",
    "fuse-layer-norm",
    "fuse-lp-norm",
    "fuse-reduction",
    "fuse-softmax",
];
/// What ONNX Runtime 1.31.1 says where it has lost the second of two casts, see [`may_lose_a_cast`].
const LOST: &str = "Missing Input";
/// Add their mask to scores that the formula replaces, which is not the same where they are infinite.
const MASKS: [&str; 2] = ["fuse-attention", "fuse-grouped-attention"];
/// Every so many graphs one is optimized twice, for the bytes.
const TWICE: u64 = 8;

/// Why a graph did not pass.
#[derive(Debug)]
pub(super) enum Failure {
    /// The original does not run, so that nothing can be said.
    Unfit(String),
    /// We did something wrong.
    Real(String),
}

fn real(why: impl ToString) -> Failure {
    Failure::Real(why.to_string())
}

/// A graph of which all is well.
pub(super) struct Passed {
    /// The passes that changed something.
    pub(super) fired: Vec<&'static str>,
    /// Sets of inputs with special numbers that it was held to.
    pub(super) special: usize,
    /// Sets on which it answered otherwise, as operators on the way leave it open.
    pub(super) excused: usize,
}

pub(super) fn check(seed: u64, sketch: &Sketch) -> Result<Passed, Failure> {
    let text = sketch.text();
    let parsed = parse_model(&text).map_err(|e| Failure::Unfit(format!("{e:?}\n{text}")))?;
    let bytes = io::to_bytes(&parsed).map_err(real)?;
    let original = io::load_bytes(bytes.clone()).map_err(real)?.model;
    let mut before = session(bytes).map_err(Failure::Unfit)?;
    let mut sets = Vec::new();
    let kinds = if sketch.special.is_empty() { vec![&[][..]] } else { vec![&[], sketch.special] };
    for (set, floats) in (0..SETS).flat_map(|set| kinds.iter().map(move |floats| (set, *floats))) {
        let feeds = feeds(&original, set, floats).map_err(Failure::Unfit)?;
        let want = answers(&original, &mut *before, &feeds).map_err(Failure::Unfit)?;
        sets.push((feeds, want, !floats.is_empty()));
    }
    let options = options(seed, sketch.smooth);
    // Without any, weights that are small enough for a test count as large.
    let budget = if Generator::choice(seed + 5, 6) == 0 { 0 } else { 64 << 10 };
    let setting = || {
        let Options { level, opset, disable, target, .. } = &options;
        format!("-O{level} for {} at {opset:?} with {budget} bytes to spare without {disable:?}", target.id)
    };

    let (after, outcome) =
        optimize(&original, &options, budget).map_err(|e| real(format!("{e}; {}", setting())))?;
    let bytes = io::to_bytes(&after).map_err(real)?;
    if seed.is_multiple_of(TWICE) {
        let again = optimize(&original, &options, budget)
            .and_then(|(m, _)| io::to_bytes(&m).map_err(|e| e.to_string()));
        if again.map_err(real)? != bytes {
            return Err(real("two runs give different bytes"));
        }
    }
    if signature(&original) != signature(&after) {
        return Err(real(format!("{:?} became {:?}", signature(&original), signature(&after))));
    }
    let by = || format!("{:?}, {}", changed(&outcome), setting());
    let runnable = io::to_bytes(&spelled(&after)).map_err(real)?;
    let mut now = session(runnable).map_err(|e| real(format!("{e}; {}", by())))?;
    let (mut special, mut excused) = (0, 0);
    for (feeds, want, is_special) in sets {
        let got = answers(&original, &mut *now, &feeds).map_err(|e| match e.contains(LOST) {
            true if may_lose_a_cast(&after) => Failure::Unfit(e),
            _ => real(format!("{e}; {}", by())),
        })?;
        let differing = differing(&want, &got, outcome.exactness).map_err(real)?;
        let Some((_, first)) = differing.first() else {
            special += usize::from(is_special);
            continue;
        };
        if is_noise(&original, &feeds, &want, &got, outcome.exactness) {
            special += usize::from(is_special);
            continue;
        }
        let met = Met::of(&original, &feeds).map_err(|e| real(format!("{first}; and inside: {e}")))?;
        let excused_is = |output: usize| {
            let inside = met.before(output);
            is_excused(&inside, &outcome)
                || inside.zeros && are_zeros_apart(&want[output], &got[output], outcome.exactness)
        };
        if !differing.iter().all(|(output, _)| excused_is(*output)) {
            return Err(real(format!("{first}; {}", by())));
        }
        excused += 1;
    }
    let reread = io::load_bytes(bytes.clone()).map_err(real)?.model;
    let (second, rest) = optimize(&reread, &options, budget).map_err(real)?;
    if rest.changes() > 0 || io::to_bytes(&second).map_err(real)? != bytes {
        let change = diff(&reread, &second);
        return Err(real(format!("a second run: {:?}, {}\n{change}", changed(&rest), setting())));
    }
    Ok(Passed { fired: changed(&outcome), special, excused })
}

fn changed(outcome: &Outcome) -> Vec<&'static str> {
    outcome.passes.iter().filter(|p| p.stats.applied > 0).map(|p| p.id).collect()
}

/// A graph with jumps is held to the bits, and so gets exact passes only.
fn options(seed: u64, smooth: bool) -> Options {
    static TARGETS: LazyLock<Vec<Target>> = LazyLock::new(Target::all);
    let target = &TARGETS[Generator::choice(seed + 3, TARGETS.len())];
    let mut options = Options::new(target.clone());
    options.verify_each = true;
    options.level = if smooth { 1 + Generator::choice(seed, 4).min(2) as u8 } else { 1 };
    if options.level >= 2 {
        let slower = registry().into_iter().filter(|e| e.meta().is_slower_on(&options.target));
        options.enable = slower.map(|e| e.id().to_owned()).collect();
    }
    if Generator::choice(seed + 1, 3) == 0 {
        options.opset = OpsetRequest::Latest;
    }
    if Generator::choice(seed + 2, 2) == 0 {
        let ids = registry();
        let off = ids.iter().enumerate().filter(|(i, _)| Generator::choice(seed + 7 * *i as u64, 3) == 0);
        options.disable = off.map(|(_, e)| e.id().to_owned()).collect();
    }
    options
}

fn optimize(model: &Model, options: &Options, growth_budget: u64) -> Result<(Model, Outcome), String> {
    let mut model = model.clone();
    let mut diags = Diags::new();
    let means = Means { runtime: Some(onnx_runtime()), growth_budget };
    let outcome =
        run(&mut model, options, means, &mut diags, &mut Silent).map_err(|e| format!("a run: {e:?}"))?;
    if outcome.sweeps >= 100 {
        let busy = outcome.passes.iter().filter(|p| p.stats.applied > 10).map(|p| (p.id, p.stats.applied));
        return Err(format!("no fixpoint: {:?}", busy.collect::<Vec<_>>()));
    }
    Ok((model, outcome))
}

pub(super) fn session(bytes: bytes::Bytes) -> Result<Box<dyn Session>, String> {
    let session = onnx_runtime().session(&Source::bytes(bytes), &SessionOptions::default());
    session.map_err(|e| format!("session: {e}"))
}

pub(super) fn names(model: &Model) -> Vec<String> {
    model.graph.root().outputs().map(|v| model.graph.value(v).name().to_string()).collect()
}

pub(super) fn answers(
    original: &Model,
    session: &mut dyn Session,
    feeds: &[(String, RunValue)],
) -> Result<Vec<RunValue>, String> {
    let names = names(original);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let feeds: Vec<(&str, &RunValue)> = feeds.iter().map(|(n, v)| (n.as_str(), v)).collect();
    session.run(&feeds, &names).map_err(|e| format!("run: {e}"))
}

/// Inputs that a caller may override keep their value.
fn feeds(model: &Model, set: u64, special: &[f64]) -> Result<Vec<(String, RunValue)>, String> {
    let graph = &model.graph;
    let mut state = set.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let required = graph.root().inputs().iter().map(|&v| graph.value(v));
    let required = required.filter(|v| !matches!(v.def(), Def::Input { default: Some(_), .. }));
    let feed = |value: &onnxpress::ir::Value| {
        let ty = value.tensor_type().ok_or("an input is no tensor")?;
        let size = |d: &Dim| d.as_fixed().map_or(SIZE, |n| n as usize);
        let shape: Vec<usize> = ty.shape.iter().flat_map(|dims| dims.iter().map(size)).collect();
        let tensor = random_tensor(ty.dtype, &shape, set, &mut state).map_err(|e| e.to_string())?;
        let tensor = special::mixed(tensor, special, state).ok_or("an input has no numbers")?;
        Ok((value.name().to_string(), RunValue::Tensor(tensor)))
    };
    required.map(feed).collect()
}

/// Outputs that are further apart than the class allows, and how.
fn differing(want: &[RunValue], got: &[RunValue], class: Exactness) -> Result<Vec<(usize, String)>, String> {
    if want.is_empty() || want.len() != got.len() {
        return Err("outputs are missing".into());
    }
    let mut differing = Vec::new();
    for (i, pair) in want.iter().zip(got).enumerate() {
        let (RunValue::Tensor(want), RunValue::Tensor(got)) = pair else {
            return Err(format!("output {i} is no tensor"));
        };
        if let Err(e) = close(want, got, class) {
            differing.push((i, format!("output {i} differs: {e}")));
        }
    }
    Ok(differing)
}

/// Whether what was met before an output is cause enough for it to differ.
fn is_excused(met: &Inside, outcome: &Outcome) -> bool {
    let own = changed(outcome).iter().any(|id| DEFINED.contains(id));
    met.open
        || own && met.nan_made
        || MASKS.iter().any(|id| outcome.fired(id)) && met.endless
        || outcome.exactness != Exactness::Exact && met.overflows
}

/// Whether two values differ in the signs of zeros alone.
fn are_zeros_apart(want: &RunValue, got: &RunValue, class: Exactness) -> bool {
    let plain = |value: &RunValue| {
        let RunValue::Tensor(tensor) = value else { return None };
        let unsigned: Vec<f64> = tensor.to_f64s()?.into_iter().map(|v| v + 0.0).collect();
        Tensor::from_f64s(tensor.dtype(), tensor.shape(), &unsigned).ok()
    };
    plain(want).zip(plain(got)).is_some_and(|(a, b)| close(&a, &b, class).is_ok())
}

/// Whether a cast back to the type that was is read by bodies alone: ONNX Runtime 1.31.1 loses it there, at each of its
/// levels.
fn may_lose_a_cast(model: &Model) -> bool {
    let graph = &model.graph;
    let is_lost = |v: ValueId| {
        let cast_of = |v: ValueId| graph.producer_is(v, "Cast").and_then(|cast| graph.node(cast).input(0));
        let home = graph.region_of(v);
        let read_here =
            |u: &Use| matches!(u, Use::Operand { node, .. } if Some(graph.node(*node).region()) == home);
        let was = cast_of(v).and_then(cast_of);
        was.is_some_and(|was| graph.dtype(was) == graph.dtype(v))
            && !graph.value(v).uses().iter().any(read_here)
    };
    graph.nodes().any(|(id, _)| captures(graph, id).into_iter().any(is_lost))
}

/// Whether a difference that is beyond the plain tolerance of a class that rounds is what rounding does in this graph.
fn is_noise(
    original: &Model,
    feeds: &[(String, RunValue)],
    want: &[RunValue],
    got: &[RunValue],
    class: Exactness,
) -> bool {
    if class == Exactness::Exact {
        return false;
    }
    let floors = floors(original, feeds, want);
    want.iter().zip(got).zip(floors).all(|((a, b), floor)| {
        let within = |m: Metrics| {
            let class =
                m.dtype.map_or(0.0, |d| class.tolerance(d).abs + class.tolerance(d).rel * m.reference_max);
            m.same_pattern && m.max_abs <= class.max(FLOORS * floor)
        };
        compare(a, b).is_ok_and(within)
    })
}

fn signature(model: &Model) -> Vec<(String, String)> {
    let root = model.graph.root();
    let line = |v: ValueId| {
        let value = model.graph.value(v);
        (value.name().to_string(), format!("{:?}", value.declared()))
    };
    root.inputs().iter().copied().chain(root.outputs()).map(line).collect()
}
