//! The node tests of ONNX: stored inputs, stored outputs.

use crate::fixtures;
use onnxpress::io::tensor_from_proto;
use onnxpress::proto::optional_proto::DataType as OptionalKind;
use onnxpress::proto::sequence_proto::DataType as SequenceKind;
use onnxpress::proto::type_proto::Value as Kind;
use onnxpress::proto::{ModelProto, OptionalProto, SequenceProto, TensorProto, TypeProto, ValueInfoProto};
use onnxpress::runtime::{RunError, RunValue, Runtime, SessionOptions, Source};
use onnxpress::tensor::{DType, Tensor};
use prost::Message;
use std::path::{Path, PathBuf};

/// One case with its first data set.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) model: PathBuf,
    rtol: f64,
    atol: f64,
}

/// Every case, as its index lists them.
pub(crate) fn all() -> Vec<Case> {
    let folder = fixtures::folder("node-cases");
    let index = folder.join("index.tsv");
    let text = std::fs::read_to_string(&index)
        .unwrap_or_else(|e| panic!("{}: {e}; run `python3 tools/fetch.py` first", index.display()));
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            Case {
                name: cells[0].to_owned(),
                model: folder.join(cells[0]).join("model.onnx"),
                rtol: cells[1].parse().unwrap(),
                atol: cells[2].parse().unwrap(),
            }
        })
        .collect()
}

/// What became of a case.
pub(crate) enum Verdict {
    Passed,
    Wrong(String),
    Unsupported(String),
    Failed(String),
}

/// Runs a case as it is and compares its outputs with the stored ones.
pub(crate) fn judge(runtime: &dyn Runtime, case: &Case) -> Verdict {
    judge_as(runtime, case, &Source::file(&case.model))
}

/// Runs another form of a case's model and compares its outputs with the stored ones.
pub(crate) fn judge_as(runtime: &dyn Runtime, case: &Case, model: &Source) -> Verdict {
    let proto = ModelProto::decode(&*std::fs::read(&case.model).unwrap()).unwrap();
    let graph = proto.graph.unwrap();
    let folder = case.model.with_file_name("test_data_set_0");
    let inputs = read_all(&folder, "input", &graph.input);
    let stored = read_all(&folder, "output", &graph.output);
    let feeds: Vec<(&str, &RunValue)> = inputs.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let names: Vec<&str> = stored.iter().map(|(name, _)| name.as_str()).collect();
    assert!(!names.is_empty(), "{} stores no output", case.name);
    let answer = runtime
        .session(model, &SessionOptions::default())
        .and_then(|mut session| session.run(&feeds, &names));
    match answer {
        Err(RunError::Unsupported(why)) => Verdict::Unsupported(why),
        Err(RunError::Failed(why)) => Verdict::Failed(why.to_string()),
        Ok(outputs) => {
            let differs = outputs.iter().zip(&stored).find_map(|(got, (name, want))| {
                difference(got, want, case.rtol, case.atol).map(|why| format!("'{name}': {why}"))
            });
            differs.map_or(Verdict::Passed, Verdict::Wrong)
        }
    }
}

fn read_all(folder: &Path, stem: &str, values: &[ValueInfoProto]) -> Vec<(String, RunValue)> {
    let files = values.iter().enumerate().filter_map(|(index, value)| {
        let bytes = std::fs::read(folder.join(format!("{stem}_{index}.pb"))).ok()?;
        Some((value.name.clone().unwrap(), decode(&bytes, value.r#type.as_ref().unwrap())))
    });
    files.filter(|(name, _)| !name.is_empty()).collect()
}

fn decode(bytes: &[u8], kind: &TypeProto) -> RunValue {
    match kind.value.as_ref().unwrap() {
        Kind::SequenceType(_) => sequence(&SequenceProto::decode(bytes).unwrap()),
        Kind::OptionalType(_) => optional(&OptionalProto::decode(bytes).unwrap()),
        _ => plain(&TensorProto::decode(bytes).unwrap()),
    }
}

fn plain(proto: &TensorProto) -> RunValue {
    RunValue::Tensor(tensor_from_proto(proto).unwrap().1)
}

fn sequence(proto: &SequenceProto) -> RunValue {
    let items = match SequenceKind::try_from(proto.elem_type.unwrap_or_default()).unwrap() {
        SequenceKind::Sequence => proto.sequence_values.iter().map(sequence).collect(),
        SequenceKind::Optional => proto.optional_values.iter().map(optional).collect(),
        _ => proto.tensor_values.iter().map(plain).collect(),
    };
    RunValue::Sequence(items)
}

fn optional(proto: &OptionalProto) -> RunValue {
    let inner = match OptionalKind::try_from(proto.elem_type.unwrap_or_default()).unwrap() {
        OptionalKind::Sequence => proto.sequence_value.as_ref().map(sequence),
        OptionalKind::Optional => proto.optional_value.as_ref().map(|inner| optional(inner)),
        _ => proto.tensor_value.as_ref().map(plain),
    };
    RunValue::Optional(inner.map(Box::new))
}

/// Where two values differ by more than the tolerance; `None` where they agree.
pub(crate) fn difference(got: &RunValue, want: &RunValue, rtol: f64, atol: f64) -> Option<String> {
    match (got, want) {
        (RunValue::Tensor(got), RunValue::Tensor(want)) => tensors_differ(got, want, rtol, atol),
        (RunValue::Sequence(got), RunValue::Sequence(want)) if got.len() == want.len() => {
            got.iter().zip(want).find_map(|(got, want)| difference(got, want, rtol, atol))
        }
        (RunValue::Optional(None), RunValue::Optional(None)) => None,
        (RunValue::Optional(Some(got)), RunValue::Optional(Some(want))) => difference(got, want, rtol, atol),
        (RunValue::Optional(Some(got)), want) => difference(got, want, rtol, atol),
        (got, RunValue::Optional(Some(want))) => difference(got, want, rtol, atol),
        _ => Some(format!("{got:?} instead of {want:?}")),
    }
}

fn tensors_differ(got: &Tensor, want: &Tensor, rtol: f64, atol: f64) -> Option<String> {
    if got.dtype() != want.dtype() || got.shape() != want.shape() {
        return Some(format!("{got:?} instead of {want:?}"));
    }
    if got.same_bits(want) {
        return None;
    }
    if got.dtype() == DType::String {
        return Some("other strings".to_owned());
    }
    let (Some(got), Some(want)) = (numbers(got), numbers(want)) else {
        return Some(format!("{got:?} has other bits"));
    };
    let close = |(got, want): (&f64, &f64)| {
        got == want || (got.is_nan() && want.is_nan()) || (got - want).abs() <= atol + rtol * want.abs()
    };
    let at = got.iter().zip(&want).position(|pair| !close(pair))?;
    Some(format!("{} instead of {} at {at}", got[at], want[at]))
}

fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    match tensor.dtype() {
        // The upper half of a 16-bit float.
        DType::F8E5M2 => {
            let wide: Vec<u8> = tensor.bytes()?.iter().flat_map(|&b| [0, b]).collect();
            Tensor::from_bytes(DType::F16, tensor.shape(), wide).unwrap().to_f64s()
        }
        _ => tensor.to_f64s(),
    }
}

/// How many cases passed, and the others by kind as `name: why`.
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) wrong: Vec<String>,
    pub(super) unsupported: Vec<String>,
    pub(super) failed: Vec<String>,
}

/// Runs every case.
pub(super) fn tally(runtime: &dyn Runtime) -> Tally {
    let mut tally = Tally { passed: 0, wrong: Vec::new(), unsupported: Vec::new(), failed: Vec::new() };
    for case in all() {
        let told = |why: &str| format!("{}: {why}", case.name);
        match judge(runtime, &case) {
            Verdict::Passed => tally.passed += 1,
            Verdict::Wrong(why) => tally.wrong.push(told(&why)),
            Verdict::Unsupported(why) => tally.unsupported.push(told(&why)),
            Verdict::Failed(why) => tally.failed.push(told(&why)),
        }
    }
    println!(
        "{}: {} passed, {} wrong, {} unsupported, {} failed",
        runtime.name(),
        tally.passed,
        tally.wrong.len(),
        tally.unsupported.len(),
        tally.failed.len()
    );
    tally
}
