//! Before and after a pass through ONNX Runtime, on seeded inputs, at the class that the pass declares.

use super::fixture::{Feed, Fixture};
use crate::fixtures::onnx_runtime;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::{Dim, Model, OpId};
use onnxpress::pipeline::{self, Means, Options, Silent, registry};
use onnxpress::rewrite::Exactness;
use onnxpress::runtime::{RunValue, Runtime, SessionOptions, Source};
use onnxpress::target::Target;
use onnxpress::tensor::{DType, Tensor};
use std::sync::LazyLock;

/// The size of a symbolic dim where the fixture does not say.
const SIZE: usize = 3;

/// Whether the outputs of both models agree for true and false conditions.
pub(super) fn check(
    before: &Model,
    after: &Model,
    fixture: &Fixture,
    class: Exactness,
) -> Result<(), String> {
    for seed in 0..2 {
        let feeds = feeds(before, fixture, seed)?;
        let got = run(after, &feeds)?;
        let want =
            if fixture.answers.is_empty() { run(before, &feeds)? } else { answers(before, fixture, &got)? };
        for (i, (want, got)) in want.iter().zip(&got).enumerate() {
            compare(want, got, class).map_err(|e| format!("output {i} differs: {e}"))?;
        }
        if want.len() != got.len() || want.is_empty() {
            return Err("the number of outputs differs or is zero".into());
        }
    }
    Ok(())
}

/// What the fixture says that the outputs are.
fn answers(model: &Model, fixture: &Fixture, like: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let outputs = model.graph.root().outputs().map(|v| model.graph.value(v).name().to_string());
    let answer = |(name, like): (String, &Tensor)| {
        let elements = fixture.answers.get(&name).ok_or_else(|| format!("{name} has no answer"))?;
        Tensor::from_f64s(like.dtype(), like.shape(), elements).map_err(|e| e.to_string())
    };
    outputs.zip(like).map(answer).collect()
}

/// The model, with the formulas of operators that no CPU has a kernel of.
pub(crate) fn spelled(model: &Model) -> Model {
    static CPU: LazyLock<Target> = LazyLock::new(|| Target::named("ort-cpu").unwrap());
    let foreign = |op: OpId| op.domain == "com.microsoft" && !CPU.takes(op, 1);
    let mut spelled = model.clone();
    if model.graph.nodes().any(|(_, node)| foreign(node.op())) {
        let unfolds = registry().into_iter().filter(|e| !e.work().unfolds().is_empty());
        let only = unfolds.map(|e| e.id().to_owned()).collect();
        let means = Means { runtime: None, growth_budget: 0 };
        let options = Options { only, ..Options::new(CPU.clone()) };
        pipeline::run(&mut spelled, &options, means, &mut Diags::new(), &mut Silent).unwrap();
    }
    spelled
}

fn run(model: &Model, feeds: &[(String, RunValue)]) -> Result<Vec<Tensor>, String> {
    let bytes = io::to_bytes(&spelled(model)).map_err(|e| format!("writing: {e:?}"))?;
    let mut session = onnx_runtime()
        .session(&Source::bytes(bytes), &SessionOptions::default())
        .map_err(|e| format!("session: {e}"))?;
    let feeds: Vec<(&str, &RunValue)> = feeds.iter().map(|(n, v)| (n.as_str(), v)).collect();
    let names: Vec<String> =
        model.graph.root().outputs().map(|v| model.graph.value(v).name().to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let outputs = session.run(&feeds, &names).map_err(|e| format!("run: {e}"))?;
    let tensor =
        |v| if let RunValue::Tensor(t) = v { Ok(t) } else { Err("an output is no tensor".to_owned()) };
    outputs.into_iter().map(tensor).collect()
}

/// Inputs that a caller may override keep their value.
fn feeds(model: &Model, fixture: &Fixture, seed: u64) -> Result<Vec<(String, RunValue)>, String> {
    let graph = &model.graph;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut feeds = Vec::new();
    for &input in graph.root().inputs() {
        let value = graph.value(input);
        if matches!(value.def(), onnxpress::ir::Def::Input { default: Some(_), .. }) {
            continue;
        }
        let ty = value.tensor_type().ok_or_else(|| format!("{} is no tensor", value.name()))?;
        let said = fixture.feeds.get(value.name().as_ref());
        let size = |d: &Dim| match d {
            Dim::Fixed(n) => *n as usize,
            Dim::Sym(e) => fixture.dims.get(&e.to_string()).copied().unwrap_or(SIZE),
        };
        let shape: Vec<usize> = match (said, &ty.shape) {
            (Some(Feed::Shape(shape)), _) => shape.clone(),
            (_, Some(dims)) => dims.iter().map(size).collect(),
            _ => return Err(format!("{} has no shape: say # feed", value.name())),
        };
        let tensor = match said {
            Some(Feed::Elements(elements)) => Tensor::from_f64s(ty.dtype, &shape, elements),
            _ => random(ty.dtype, &shape, seed, &mut state),
        };
        let tensor = tensor.map_err(|e| format!("{}: {e}", value.name()))?;
        feeds.push((value.name().to_string(), RunValue::Tensor(tensor)));
    }
    Ok(feeds)
}

/// Floats in -2..2, integers in -8..8, one seed's booleans all true, the other's all false.
pub(crate) fn random(
    dtype: DType,
    shape: &[usize],
    seed: u64,
    state: &mut u64,
) -> Result<Tensor, onnxpress::error::Error> {
    let count: usize = shape.iter().product();
    if dtype == DType::String {
        let words: Vec<bytes::Bytes> = (0..count).map(|i| format!("w{i}").into()).collect();
        return Tensor::from_strings(shape, words);
    }
    let mut unit = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 40) as f64 / (1u64 << 24) as f64
    };
    let values: Vec<f64> = (0..count)
        .map(|_| match dtype {
            DType::Bool => (seed == 0).into(),
            d if d.is_float() => unit() * 4.0 - 2.0,
            _ => (unit() * 16.0).floor() - 8.0,
        })
        .collect();
    Tensor::from_f64s(dtype, shape, &values)
}

pub(crate) fn compare(want: &Tensor, got: &Tensor, class: Exactness) -> Result<(), String> {
    if (want.dtype(), want.shape()) != (got.dtype(), got.shape()) {
        return Err(format!("{want:?} became {got:?}"));
    }
    if want.same_bits(got) {
        return Ok(());
    }
    let (Some(a), Some(b)) = (want.to_f64s(), got.to_f64s()) else {
        return Err(format!("{want:?} became {got:?}"));
    };
    let tolerance = class.tolerance(want.dtype());
    let largest = a.iter().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(v.abs()));
    let allowed = tolerance.abs + tolerance.rel * largest;
    let close = |(x, y): (&f64, &f64)| match class {
        _ if x.is_nan() || y.is_nan() => x.is_nan() && y.is_nan(),
        // Exact means the same bits: a zero of another sign is a change.
        Exactness::Exact => x.to_bits() == y.to_bits(),
        _ => x == y || (x - y).abs() <= allowed,
    };
    match a.iter().zip(&b).position(|pair| !close(pair)) {
        None => Ok(()),
        Some(i) => Err(format!("element {i} is {:?} instead of {:?}, allowed {allowed:e}", b[i], a[i])),
    }
}
