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

/// Where tract gives other outputs than those stored, or fails on a valid model.
const KNOWN: &[&str] = &[
    // Rounding: single precision against zeros, halves against their neighbours.
    "test_attention_4d_causal_fp16_expanded",
    "test_attention_4d_gqa_with_past_and_present_fp16_expanded",
    "test_dft",
    "test_dft_axis",
    "test_dft_axis_opset19",
    "test_dft_opset19",
    "test_dft_rfft",
    "test_dft_rfft_opset19",
    "test_gru_bidirectional",
    "test_gru_seq_length",
    // A softmax over nothing but minus infinity.
    "test_attention_23_boolmask_fullymasked_row_nan_robustness_expanded",
    "test_attention_23_fullymasked_qk_matmul_output_mode3_zero_expanded",
    "test_attention_4d_causal_nonpad_negative_offset_structural_empty_expanded",
    // Symbolic sizes outlive their model.
    "test_slice_default_axes",
];

#[test]
fn node_cases_give_their_stored_outputs() {
    let tally = cases::tally(&TractRuntime::new());
    let known = |told: &&String| KNOWN.contains(&told.split_once(':').unwrap().0);
    let unknown: Vec<_> = tally.wrong.iter().chain(&tally.failed).filter(|told| !known(told)).collect();
    assert!(tally.passed >= 1050, "{} passed", tally.passed);
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn a_size_that_an_input_gives_is_planned_for() {
    let mut model = one_node("ConstantOfShape", tensor_type(DType::I64), tensor_type(DType::F32));
    model.opset_import[0].version = Some(13);
    let mut session = session(&source(&model)).unwrap();
    for size in [2i64, 3, 2] {
        let x = Tensor::from_bytes(DType::I64, &[1], size.to_le_bytes().to_vec()).unwrap();
        let outputs = session.run(&[("x", &RunValue::Tensor(x))], &["y"]).unwrap();
        assert_eq!(tensor(&outputs[0]).shape(), [size as usize]);
    }
}
