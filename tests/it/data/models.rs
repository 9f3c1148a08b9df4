//! Real models run on samples that were prepared as their makers do.

use super::{audio, image, spec, text};
use crate::fixtures::{folder, onnx_runtime};
use onnxpress::data::Source;
use onnxpress::io;
use onnxpress::runtime::{RunValue, Runtime, Session, SessionOptions, Source as File};
use std::path::Path;

/// Runs a model on all samples.
fn runs(id: &str, data: &Path, settings: &str) {
    let (model, mut session) = opened(id);
    let source = Source::open(data, &model, &spec(settings)).unwrap_or_else(|e| panic!("{id}: {e:?}"));
    check(id, &source, &mut *session);
}

fn opened(id: &str) -> (onnxpress::ir::Model, Box<dyn Session>) {
    let path = folder("models").join(format!("{id}.onnx"));
    let model = io::load(&path).unwrap().model;
    (model, onnx_runtime().session(&File::file(&path), &SessionOptions::default()).unwrap())
}

/// The model runs, its numbers are finite, and samples that differ give numbers that differ.
fn check(id: &str, source: &Source, session: &mut dyn Session) {
    let names = session.outputs().to_vec();
    let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut before: Option<Vec<f64>> = None;
    for sample in source.samples() {
        let sample = sample.unwrap_or_else(|e| panic!("{id}: {e:?}"));
        let values = session.run(&sample.as_feeds(), &outputs).unwrap_or_else(|e| panic!("{id}: {e}"));
        let RunValue::Tensor(first) = &values[0] else { panic!("{id}: no tensor") };
        let numbers = first.to_f64s().unwrap();
        assert!(!numbers.is_empty() && numbers.iter().all(|n| n.is_finite()), "{id}");
        assert_ne!(before.as_ref(), Some(&numbers), "{id}");
        before = Some(numbers);
    }
}

#[test]
fn images() {
    let data = tempfile::tempdir().unwrap();
    image::saved(&data, "a.png", &image::picture(25, 20));
    image::saved(&data, "b.jpg", &image::picture(20, 60));
    for (id, settings) in [
        ("effnet-lite0", "preset = \"efficientnet-lite\""),
        (
            "opennsfw",
            "scale = 1\nmean = [104, 117, 123]\nchannels = \"bgr\"\nresize = { exact = [224, 224] }",
        ),
        (
            "yolov8n-nudenet",
            "preset = \"yolo\"\nsquare = {}\nresize = { exact = [320, 320] }\npad = { to = [320, 320] }",
        ),
        ("ppocrv4-rec", "preset = \"paddle-ocr-rec\""),
        ("ppocrv4-det", "preset = \"paddle-ocr-det\""),
        ("ppocrv2-cls", "preset = \"paddle-ocr-cls\""),
    ] {
        runs(id, data.path(), &format!("[image]\n{settings}"));
    }
}

#[test]
fn recordings() {
    let data = tempfile::tempdir().unwrap();
    let wave: Vec<i16> = (0..2000).map(|i| ((i * 37) % 2000 - 1000) as i16).collect();
    audio::wav(data.path(), "a.wav", 1, &wave);
    let state = "constants = { sr = 8000, state = { value = 0, shape = [2, 1, 128] } }";
    let windows = "[audio]\nrate = 8000\nwindow = 288\nhop = 256";
    runs("silero-vad", data.path(), &format!("max_samples = 3\n{state}\n{windows}"));
    runs("dnsmos", data.path(), "[audio]\nrate = 8000\nwindow = 144160\nshort = \"repeat\"");
}

#[test]
fn lines() {
    let case = text::case("The cat sat\ncat", "", "max_length = 4");
    for id in ["minilm-l6", "t5s-title-encoder", "tashkeel-bilstm-int8"] {
        runs(id, &case.text, &case.settings);
    }
}

#[test]
fn random_numbers() {
    for (id, settings) in [
        ("silero-vad", "max_samples = 2"),
        ("minilm-l6", "max_samples = 2"),
        ("ppocrv4-rec", "max_samples = 1"),
    ] {
        let (model, mut session) = opened(id);
        let source =
            Source::random(&model, &spec(settings), &mut *session).unwrap_or_else(|e| panic!("{id}: {e:?}"));
        check(id, &source, &mut *session);
    }
}
