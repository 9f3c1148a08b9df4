//! Samples read from files, against numbers computed by hand.

mod arrays;
mod audio;
mod image;
mod models;
mod settings;
mod source;
mod text;

use onnxpress::data::{FeedSet, Source};
use onnxpress::error::{Error, Result};
use onnxpress::ir::Model;
use onnxpress::recipe::DataSpec;
use onnxpress::runtime::RunValue;
use onnxpress::tensor::Tensor;
use onnxpress::text::parse_model;
use std::path::Path;

/// A model of these inputs, as text; it reads none of them.
fn model(inputs: &str) -> Model {
    let text = format!(
        "<ir_version: 8, opset_import: [\"\" : 17]>\n\
         g ({inputs}) => (float[1] out)\n<float[1] one = {{1}}>\n{{\n out = Identity (one)\n}}"
    );
    parse_model(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Settings as the table `[data]` of a recipe holds them.
fn spec(text: &str) -> DataSpec {
    toml::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn open(path: &Path, inputs: &str, settings: &str) -> Result<Source> {
    Source::open(path, &model(inputs), &spec(settings))
}

/// The samples in the order of their labels.
fn all(path: &Path, inputs: &str, settings: &str) -> Vec<FeedSet> {
    let source = open(path, inputs, settings).unwrap();
    let mut sets: Vec<FeedSet> = source.samples().map(Result::unwrap).collect();
    sets.sort_by(|a, b| a.label.cmp(&b.label));
    sets
}

fn only(path: &Path, inputs: &str, settings: &str) -> FeedSet {
    let mut sets = all(path, inputs, settings);
    assert_eq!(sets.len(), 1);
    sets.remove(0)
}

/// What goes wrong, at the latest with the first sample.
fn failure(path: &Path, inputs: &str, settings: &str) -> Error {
    match open(path, inputs, settings) {
        Ok(source) => source.sample(0).expect_err("the sample was read"),
        Err(error) => error,
    }
}

fn tensor<'a>(set: &'a FeedSet, name: &str) -> &'a Tensor {
    match set.get(name) {
        Some(RunValue::Tensor(tensor)) => tensor,
        other => panic!("{name} is {other:?}"),
    }
}

fn numbers(set: &FeedSet, name: &str) -> Vec<f64> {
    tensor(set, name).to_f64s().unwrap()
}

/// Says that an error has these words in its message, and that it says what to do.
fn says(error: &Error, words: &str) {
    assert!(error.message().contains(words), "{words:?} is not in {error:?}");
    assert!(error.help().is_some(), "{error:?} does not say what to do");
}

/// Says that an error is about this file.
fn names(error: &Error, file: &Path) {
    assert_eq!(error.file(), Some(file), "{error:?}");
}
