//! tract.

use super::cases;
use super::models::{floats, identity, one_node, source, tensor, tensor_type};
use onnxpress::runtime::{RunError, RunValue, Runtime, Session, SessionOptions, Source, TractRuntime};
use onnxpress::tensor::{DType, Tensor};

fn session(model: &Source) -> Result<Box<dyn Session>, RunError> {
    TractRuntime::new().session(model, &SessionOptions::default())
}

#[test]
fn a_model_runs_at_any_size() {
    let mut session = session(&source(&identity())).unwrap();
    assert_eq!((session.inputs(), session.outputs()), (&["x".to_owned()][..], &["y".to_owned()][..]));
    for values in [&[1.0][..], &[1.0, 2.0], &[3.0]] {
        let outputs = session.run(&[("x", &floats(values))], &["y"]).unwrap();
        assert!(tensor(&outputs[0]).same_bits(tensor(&floats(values))));
    }
}

#[test]
fn what_it_would_misread_is_unsupported() {
    let mut foreign = identity();
    foreign.graph.as_mut().unwrap().node[0].domain = Some("com.example".to_owned());
    let mut newer = identity();
    newer.opset_import[0].version = Some(99);
    let unknown = one_node("NoSuchOperator", tensor_type(DType::F32), tensor_type(DType::F32));
    for model in [foreign, newer, unknown] {
        let answer =
            session(&source(&model)).and_then(|mut session| session.run(&[("x", &floats(&[1.0]))], &["y"]));
        assert!(matches!(answer, Err(RunError::Unsupported(_))), "{answer:?}");
    }
    let mut session = session(&source(&identity())).unwrap();
    let half = RunValue::Tensor(Tensor::from_bytes(DType::BF16, &[1], vec![0, 0]).unwrap());
    assert!(matches!(session.run(&[("x", &half)], &["y"]), Err(RunError::Unsupported(_))));
}

#[test]
fn what_is_broken_fails() {
    for bytes in [&b"\x08\xff\xff\xff not a model"[..], b""] {
        assert!(matches!(session(&Source::bytes(bytes)), Err(RunError::Failed(_))));
    }
    assert!(matches!(session(&Source::file("no/such/model.onnx")), Err(RunError::Failed(_))));
    let mut session = session(&source(&identity())).unwrap();
    assert!(matches!(session.run(&[], &["y"]), Err(RunError::Failed(_))));
    assert!(matches!(session.run(&[("x", &floats(&[1.0]))], &["z"]), Err(RunError::Failed(_))));
}

#[test]
fn node_cases_give_an_answer() {
    let tally = cases::tally(&TractRuntime::new());
    assert!(tally.passed >= 1000, "{} passed", tally.passed);
    println!("{:#?}\n{:#?}", tally.wrong, tally.failed);
}
