//! `quantize`: what it writes, what it says of it, and when it writes nothing.

mod bounds;
mod corners;
mod data;
mod held_out;
mod models;
mod plans;
mod result;

use super::{Place, Ran, read};
use crate::fixtures::onnx_runtime;
use models::{Numbers, cnn, mlp, transformer};
use onnxpress::ir::{Model, RegionId};
use onnxpress::runtime::{Optimization, RunValue, Runtime, SessionOptions, Source};
use onnxpress::tensor::{DType, Tensor};
use std::io::Write as _;
use std::path::Path;

/// Samples in a test's folder.
const SAMPLES: usize = 6;

/// A place with the three models and samples of each.
fn place() -> Place {
    let place = Place::new();
    place.model("cnn.onnx", &cnn());
    place.model("mlp.onnx", &mlp());
    place.model("transformer.onnx", &transformer());
    for name in ["cnn", "mlp", "transformer"] {
        let folder = place.path(name);
        std::fs::create_dir(&folder).unwrap();
        for at in 0..SAMPLES {
            let tensor = sample(name, at);
            let input = if name == "transformer" { "ids" } else { "x" };
            npz(&folder.join(format!("s{at}.npz")), &[(input, &tensor)]);
        }
    }
    place
}

/// Sample `at` of a model.
fn sample(name: &str, at: usize) -> Tensor {
    let mut numbers = Numbers::of(100 + at as u32);
    match name {
        "cnn" => Tensor::from_slice(&[1, 3, 8, 8], &numbers.floats(192, 2.0)).unwrap(),
        "mlp" => Tensor::from_slice(&[4, 16], &numbers.floats(64, 3.0)).unwrap(),
        _ => {
            let ids: Vec<i64> = (0..10).map(|_| i64::from(numbers.below(32))).collect();
            Tensor::from_slice(&[2, 5], &ids).unwrap()
        }
    }
}

fn npz(path: &Path, arrays: &[(&str, &Tensor)]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, tensor) in arrays {
        let kind = if tensor.dtype() == DType::I64 { "<i8" } else { "<f4" };
        let dims: String = tensor.shape().iter().map(|d| format!("{d}, ")).collect();
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({dims}), }}");
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        zip.write_all(header.as_bytes()).unwrap();
        zip.write_all(&tensor.bytes().unwrap()).unwrap();
    }
    zip.finish().unwrap();
}

/// `quantize NAME.onnx -o NAME.q.onnx`, on its samples, without timing.
fn on_samples(place: &Place, name: &str, target: &str, more: &[&str]) -> Ran {
    let (model, out) = (format!("{name}.onnx"), format!("{name}.q.onnx"));
    let quantize = ["quantize", &model, "-o", &out, "--target", target, "--calibration", name, "--no-bench"];
    place.run(&[&quantize[..], more].concat())
}

/// The result, of a run that succeeded.
fn quantized(place: &Place, name: &str, target: &str, more: &[&str]) -> Model {
    let ran = on_samples(place, name, target, more);
    assert_eq!(ran.code, 0, "{}", ran.err);
    loaded(place, &format!("{name}.q.onnx"))
}

fn loaded(place: &Place, file: &str) -> Model {
    onnxpress::io::load(place.path(file)).unwrap().model
}

/// The first output.
fn run(file: &Path, feed: (&str, Tensor), optimize: Optimization) -> Vec<f32> {
    let options = SessionOptions { optimize, ..SessionOptions::default() };
    let mut session = onnx_runtime().session(&Source::file(file), &options).unwrap();
    let value = RunValue::Tensor(feed.1);
    let outputs = session.outputs().to_vec();
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let RunValue::Tensor(first) = session.run(&[(feed.0, &value)], &outputs).unwrap().remove(0) else {
        panic!("no tensor")
    };
    first.to_vec::<f32>().unwrap()
}

/// Power of the first by that of the difference, in decibels.
fn decibels(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let power = |all: &mut dyn Iterator<Item = f64>| all.map(|x| x * x).sum::<f64>();
    let signal = power(&mut a.iter().map(|x| f64::from(*x)));
    let error = power(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    10.0 * (signal / error).log10()
}

fn count(model: &Model, op: &str) -> usize {
    model.graph.nodes().filter(|(_, n)| n.op().is(op)).count()
}

/// The types of constants of an operand of all nodes of an operator.
fn constants(model: &Model, op: &str, at: usize) -> Vec<DType> {
    let graph = &model.graph;
    let of = |n: &onnxpress::ir::Node| graph.const_value(n.input(at)?).map(|t| t.dtype());
    graph.nodes().filter(|(_, n)| n.op().is(op)).filter_map(|(_, n)| of(n)).collect()
}

/// Types and names of inputs and outputs, as text.
fn interface(model: &Model) -> Vec<String> {
    let graph = &model.graph;
    let said = |v: onnxpress::ir::ValueId| {
        let value = graph.value(v);
        format!("{} {:?}", value.name(), value.ty().or(value.declared()))
    };
    let root = graph.region(RegionId::ROOT);
    root.inputs().iter().copied().chain(root.outputs()).map(said).collect()
}
