//! The real models against themselves, judged by ONNX Runtime on inputs that are made.

use crate::fixtures::{files, folder, onnx_runtime};
use onnxpress::io;
use onnxpress::ir::Model;
use onnxpress::report::{Number, ParityReport, Status};
use onnxpress::rewrite::Exactness;
use onnxpress::runtime::{Runtime, Source};
use onnxpress::validate::{ProveOptions, Subject, prove};
use std::path::Path;

fn against_itself(path: &Path, runtime: &dyn Runtime) -> (Model, ParityReport) {
    let loaded = io::load(path).unwrap();
    let copy = io::to_bytes(&loaded.model).unwrap();
    let original = Subject { model: &loaded.model, source: Source::file(path) };
    let candidate = Subject { model: &loaded.model, source: Source::bytes(copy) };
    let options = ProveOptions::new(Exactness::Exact);
    let verdict = prove(&original, &candidate, &options, runtime, &mut |_| {}).unwrap();
    (loaded.model, verdict.parity)
}

#[test]
fn every_model_runs_on_made_inputs_and_equals_itself() {
    let runtime = onnx_runtime();
    let mut proven = 0;
    for path in files(&folder("models"), "onnx") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let started = std::time::Instant::now();
        let (model, v) = against_itself(&path, runtime);
        println!(
            "{name:24} {:>5.1} s  floor {:.1e}  {:?}  untaken {}",
            started.elapsed().as_secs_f64(),
            v.noise_floor.map_or(f64::NAN, |n| n.0),
            v.feeds,
            v.untaken_branches.len()
        );
        assert_eq!(v.status, Status::Passed, "{name}: {:?}", v.reason);
        assert_eq!((v.max_abs, v.runtime.as_deref()), (Some(Number(0.0)), Some(runtime.name())), "{name}");
        let dynamic =
            model.graph.root().inputs().iter().any(|&i| {
                model.graph.shape(i).is_some_and(|dims| dims.iter().any(|d| d.as_fixed().is_none()))
            });
        assert!(v.cases >= if dynamic { 3 } else { 2 }, "{name}: {:?}", v.feeds);
        proven += 1;
    }
    assert_eq!(proven, 17);
}

#[test]
fn both_sampling_rates_of_the_voice_detector_are_taken() {
    let (_, v) = against_itself(&folder("models").join("silero-vad.onnx"), onnx_runtime());
    assert!(v.untaken_branches.iter().all(|b| !b.starts_with("If_0: ")), "{:?}", v.untaken_branches);
    assert!(!v.untaken_branches.is_empty(), "its bodies hold branches that no input reaches");
}

#[test]
fn the_speech_synthesizer_shares_its_random_numbers() {
    let (_, v) = against_itself(&folder("models").join("piper-vits.onnx"), onnx_runtime());
    assert_eq!((v.status, v.shared_random, v.max_abs), (Status::Passed, 2, Some(Number(0.0))));
}
