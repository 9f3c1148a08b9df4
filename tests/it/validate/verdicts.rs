//! What the proof concludes from what the two sides answer.

use onnxpress::error::Error;
use onnxpress::ir::{Dim, Model, NewNode, NewOutput, OpId, RegionId, Type};
use onnxpress::report::{Number, ParityReport, Status};
use onnxpress::rewrite::Exactness;
use onnxpress::runtime::{Limits, RunError, RunValue, Runtime, Session, SessionOptions, Source};
use onnxpress::tensor::{DType, Tensor};
use onnxpress::validate::{ProveOptions, Subject, prove};

type Answer = fn(&[f32]) -> Result<Vec<f32>, RunError>;

/// Answers as it is told; which side runs, the file name says. Copies of a model run as it does.
struct Fake {
    original: Answer,
    candidate: Answer,
}

struct FakeSession {
    answer: Answer,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl Runtime for Fake {
    fn name(&self) -> &str {
        "fake 1.0"
    }

    fn limits(&self) -> Limits {
        Limits { ir_version: i64::MAX, opset: i64::MAX, ml_opset: i64::MAX }
    }

    fn session(&self, model: &Source, _: &SessionOptions) -> Result<Box<dyn Session>, RunError> {
        let candidate = matches!(model, Source::File(path) if path.ends_with("candidate"));
        let answer = if candidate { self.candidate } else { self.original };
        Ok(Box::new(FakeSession { answer, inputs: vec!["x".to_owned()], outputs: vec!["y".to_owned()] }))
    }
}

impl Session for FakeSession {
    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&mut self, feeds: &[(&str, &RunValue)], outputs: &[&str]) -> Result<Vec<RunValue>, RunError> {
        let [(_, RunValue::Tensor(x))] = feeds else { panic!("one input") };
        let floats: Vec<f32> = x.to_f64s().unwrap().iter().map(|&v| v as f32).collect();
        let y = (self.answer)(&floats)?;
        Ok(outputs.iter().map(|_| RunValue::Tensor(Tensor::vector(&y))).collect())
    }
}

fn model(input: DType) -> Model {
    let mut m = Model::new(17);
    let x = m.graph.add_input(
        RegionId::ROOT,
        "x",
        Some(Type::tensor(input, [Dim::symbol("frames"), Dim::Fixed(4)])),
    );
    let node = NewNode::new(OpId::onnx("Foo"), vec![Some(x)], vec![NewOutput::named("y")]);
    let node = m.graph.add_node(RegionId::ROOT, node);
    let y = m.graph.node(node).outputs()[0];
    m.graph.add_output(RegionId::ROOT, y);
    m
}

fn judge_as(exactness: Exactness, original: Answer, candidate: Answer) -> ParityReport {
    let model = model(DType::F32);
    let side = |name: &str| Subject { model: &model, source: Source::file(name) };
    let runtime = Fake { original, candidate };
    let options = ProveOptions::new(exactness);
    prove(&side("original"), &side("candidate"), &options, &runtime, &mut |_| {}).unwrap().parity
}

fn judge(original: Answer, candidate: Answer) -> ParityReport {
    judge_as(Exactness::Reassociates, original, candidate)
}

fn twice(x: &[f32]) -> Result<Vec<f32>, RunError> {
    Ok(x.iter().map(|v| v * 2.0).collect())
}

#[test]
fn equal_answers_pass() {
    let v = judge_as(Exactness::Exact, twice, twice);
    assert_eq!(
        (v.status, v.runtime.as_deref(), v.max_abs),
        (Status::Passed, Some("fake 1.0"), Some(Number(0.0)))
    );
    assert_eq!(v.cases, 3, "three sizes: {:?}", v.feeds);
    assert!(v.reason.is_none() && v.sqnr_db == Some(Number(f64::INFINITY)));
    assert!(v.noise_floor.unwrap().0 > 0.0);
}

#[test]
fn a_difference_within_the_class_passes_and_beyond_it_fails() {
    let near: Answer = |x| Ok(twice(x)?.iter().map(|v| v * (1.0 + 1e-5)).collect());
    assert_eq!(judge(twice, near).status, Status::Passed);
    let v = judge_as(Exactness::Exact, twice, near);
    assert_eq!(v.status, Status::Failed);
    assert!(v.reason.unwrap().starts_with("output 'y': differs by"));
    let far: Answer = |x| Ok(twice(x)?.iter().map(|v| v + 0.1).collect());
    let v = judge(twice, far);
    assert_eq!(v.status, Status::Failed);
    assert!((v.max_abs.unwrap().0 - 0.1).abs() < 1e-5 && !v.outputs[0].passed);
    assert_eq!(judge_as(Exactness::Approximates { bound: 0.2 }, twice, far).status, Status::Passed);
    assert_eq!(judge_as(Exactness::Lossy, twice, far).status, Status::Passed);
}

#[test]
fn a_nan_on_one_side_only_fails() {
    let nan: Answer = |x| {
        let mut y = twice(x)?;
        y[0] = f32::NAN;
        Ok(y)
    };
    let v = judge(twice, nan);
    assert_eq!(v.status, Status::Failed);
    assert!(v.reason.unwrap().contains("NaN"));
    assert_eq!(judge(nan, nan).status, Status::Passed);
}

#[test]
fn another_shape_fails() {
    let longer: Answer = |x| Ok(twice(x)?.into_iter().chain([0.0]).collect());
    assert_eq!(judge(twice, longer).status, Status::Failed);
}

#[test]
fn the_models_own_noise_is_allowed_four_times() {
    // A quantizer with steps of 1/8 on the bits that a unit in the last place moves.
    let steps: Answer = |x| Ok(x.iter().map(|v| (v.to_bits() & 1) as f32 / 8.0).collect());
    let other: Answer = |x| Ok(x.iter().map(|v| (v.to_bits() & 1) as f32 / 8.0 + 0.4).collect());
    let v = judge_as(Exactness::Exact, steps, other);
    assert_eq!((v.status, v.noise_floor), (Status::Passed, Some(Number(0.125))));
    let beyond: Answer = |x| Ok(x.iter().map(|v| (v.to_bits() & 1) as f32 / 8.0 + 0.6).collect());
    assert_eq!(judge_as(Exactness::Exact, steps, beyond).status, Status::Failed);
}

#[test]
fn an_original_that_cannot_run_leaves_it_unproven() {
    let broken: Answer = |_| Err(RunError::Failed(Error::new("bad sizes")));
    let v = judge(broken, twice);
    assert_eq!(v.status, Status::Unproven);
    let reason = v.reason.unwrap();
    assert!(reason.contains("bad sizes") && reason.contains("--inputs"), "{reason}");
    let unknown: Answer = |_| Err(RunError::Unsupported("opset 99".to_owned()));
    let v = judge(unknown, twice);
    assert_eq!((v.status, v.cases), (Status::Unproven, 0));
    assert!(v.reason.unwrap().contains("opset 99"));
}

#[test]
fn a_candidate_that_cannot_run_fails_unless_the_runtime_lacks_something() {
    let broken: Answer = |_| Err(RunError::Failed(Error::new("no such input")));
    let v = judge(twice, broken);
    assert_eq!(v.status, Status::Failed);
    assert!(v.reason.unwrap().contains("no such input"));
    let unknown: Answer = |_| Err(RunError::Unsupported("IR 14".to_owned()));
    assert_eq!(judge(twice, unknown).status, Status::Unproven);
}

#[test]
fn sizes_are_searched_until_the_original_runs() {
    let picky: Answer = |x| match x.len() {
        len if len % (32 * 4) == 0 => twice(x),
        _ => Err(RunError::Failed(Error::new("not a multiple of 32"))),
    };
    let v = judge(picky, picky);
    assert_eq!((v.status, v.cases), (Status::Passed, 3));
}

#[test]
fn mostly_nan_answers_are_avoided_where_others_exist() {
    // Defined on non-negative numbers only, so that the first style of numbers gives NaN for half of them.
    let root: Answer = |x| Ok(x.iter().map(|v| (v - 0.3).sqrt()).collect());
    let v = judge(root, root);
    assert_eq!(v.status, Status::Passed);
    assert!(v.cases > 0 && v.sqnr_db == Some(Number(f64::INFINITY)));
}

#[test]
fn two_proofs_are_equal() {
    let once = judge(twice, twice);
    let text = |parity: &ParityReport| serde_json::to_string(parity).unwrap();
    assert_eq!(text(&once), text(&judge(twice, twice)));
}

#[test]
fn noise_that_the_smallest_case_does_not_show_is_found_where_it_counts() {
    let large: Answer = |x| match x.len() {
        0..=10 => Ok(vec![0.0; x.len()]),
        _ => Ok(x.iter().map(|v| (v.to_bits() & 1) as f32 / 8.0).collect()),
    };
    let other: Answer = |x| match x.len() {
        0..=10 => Ok(vec![0.0; x.len()]),
        _ => Ok(x.iter().map(|v| (v.to_bits() & 1) as f32 / 8.0 + 0.4).collect()),
    };
    let v = judge_as(Exactness::Exact, large, other);
    assert_eq!(
        (v.status, v.noise_floor),
        (Status::Passed, Some(Number(0.125))),
        "{:?} {:?}",
        v.reason,
        v.feeds
    );
}
