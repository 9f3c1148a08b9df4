//! Where ranges are from: samples, random numbers, files of other tools.

use super::{models::Numbers, npz, on_samples, place, sample};
use onnxpress::tensor::Tensor;
use std::fs;
use std::time::SystemTime;

const QUANTIZE: [&str; 7] = ["quantize", "mlp.onnx", "-o", "q.onnx", "--target", "ort-cpu", "--no-bench"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    QUANTIZE.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn nothing_that_tells_a_range_is_an_error_with_a_way_out() {
    let ran = place().run(&with(&[]));
    assert!(ran.code == 1 && ran.err.contains("--calibration") && ran.err.contains("ranges"), "{}", ran.err);
}

#[test]
fn random_numbers_are_called_so() {
    let place = place();
    let ran = place.run(&with(&["--random-data"]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("warning") && ran.err.contains("random"), "{}", ran.err);
    assert!(ran.out.contains("of random numbers"), "{}", ran.out);
    let report = place.run(&with(&["--random-data", "--max-samples", "2", "--json"])).json();
    assert_eq!((&report["random_samples"], &report["samples"]), (&true.into(), &2.into()));
    let both = place.run(&with(&["--random-data", "--calibration", "mlp"]));
    assert_eq!(both.code, 2);
}

#[test]
fn samples_of_another_name_or_shape_are_named_with_their_file() {
    let place = place();
    let folder = place.path("wrong");
    fs::create_dir(&folder).unwrap();
    for (array, tensor, says) in [
        ("z", sample("mlp", 0), "no input 'z'"),
        ("x", Tensor::from_slice(&[1, 3], &[0f32; 3]).unwrap(), "[1, 3]"),
    ] {
        npz(&folder.join("s0.npz"), &[(array, &tensor)]);
        let ran = place.run(&with(&["--calibration", "wrong"]));
        assert!(ran.code == 1 && ran.err.contains("s0.npz") && ran.err.contains(says), "{}", ran.err);
    }
    let none = place.run(&with(&["--calibration", "nowhere"]));
    assert!(none.code == 1 && none.err.contains("nowhere"), "{}", none.err);
    assert!(!place.names().contains(&"q.onnx".to_owned()));
}

#[test]
fn a_target_without_int8_names_those_that_have_it() {
    let place = place();
    for target in ["onnx", "ort-cuda"] {
        let ran = place.run(&["quantize", "mlp.onnx", "-o", "q.onnx", "--target", target, "--random-data"]);
        assert!(ran.code == 1 && ran.err.contains(target) && ran.err.contains("tensorrt-rtx"), "{}", ran.err);
    }
}

#[test]
fn a_cache_serves_another_method_without_another_run() {
    let place = place();
    let ranges = |method: &str| {
        let report = place.run(&with(&[
            "--calibration",
            "mlp",
            "--cache",
            "statistics",
            "--method",
            method,
            "--no-smoothing",
            "--no-bias-correction",
            "--no-verify",
            "--write-plan",
            "plan.toml",
            "--json",
        ]));
        report.json();
        let plan: toml::Table = fs::read_to_string(place.path("plan.toml")).unwrap().parse().unwrap();
        plan["value"].to_string()
    };
    let changed = |file: &str| -> SystemTime { fs::metadata(place.path(file)).unwrap().modified().unwrap() };
    let entropy = ranges("entropy");
    let first = changed("statistics");
    let percentile = ranges("percentile:90");
    assert_ne!(entropy, percentile);
    assert_eq!(changed("statistics"), first);
    assert_eq!(ranges("entropy"), entropy);
}

#[test]
fn scales_of_a_tensorrt_cache_are_taken() {
    let place = place();
    let hex = |scale: f32| format!("{:08x}", scale.to_bits());
    let text = format!("TRT-100300-EntropyCalibration2\nx: {}\nr: {}\n", hex(0.05), hex(0.25));
    fs::write(place.path("calibration.cache"), text).unwrap();
    let args = |more: &[&'static str]| {
        let base = [
            "quantize",
            "mlp.onnx",
            "-o",
            "q.onnx",
            "--target",
            "tensorrt",
            "--calibration-cache",
            "calibration.cache",
        ];
        [&base[..], more].concat()
    };
    let ran = place.run(&args(&["--write-plan", "plan.toml", "--json"]));
    let report = ran.json();
    assert!(report["samples"].is_null() && report["accuracy"].is_null());
    let codes: Vec<_> =
        report["diags"].as_array().unwrap().iter().map(|d| d["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"not-measured"), "{codes:?}");
    let plan: toml::Table = fs::read_to_string(place.path("plan.toml")).unwrap().parse().unwrap();
    let most: Vec<f64> =
        plan["value"].as_array().unwrap().iter().map(|v| v["max"].as_float().unwrap()).collect();
    assert!((most[0] - 6.35).abs() < 1e-4 && (most[1] - 31.75).abs() < 1e-4, "{most:?}");

    fs::write(place.path("calibration.cache"), "TRT-100300-EntropyCalibration2\nother: 3d4ccccd\n").unwrap();
    let other = place.run(&args(&[]));
    assert!(other.code == 1 && other.err.contains("calibration.cache"), "{}", other.err);
}

#[test]
fn a_value_that_is_always_zero_leaves_its_product_in_floats() {
    let place = place();
    let zeros = Tensor::from_slice(&[4, 16], &[0f32; 64]).unwrap();
    let folder = place.path("zeros");
    fs::create_dir(&folder).unwrap();
    npz(&folder.join("s0.npz"), &[("x", &zeros)]);
    let report = place.run(&with(&["--calibration", "zeros", "--json"])).json();
    let up = &report["plan"][0];
    assert!(up["int8"] == false && up["why"].as_str().unwrap().contains("zero"), "{up}");
}

#[test]
fn samples_of_several_batches_serve() {
    let place = place();
    let folder = place.path("rows");
    fs::create_dir(&folder).unwrap();
    for rows in 1..5usize {
        let values = Numbers::of(rows as u32).floats(16 * rows, 2.0);
        let tensor = Tensor::from_slice(&[rows, 16], &values).unwrap();
        npz(&folder.join(format!("s{rows}.npz")), &[("x", &tensor)]);
    }
    assert_eq!(place.run(&with(&["--calibration", "rows"])).code, 0);
    let methods = ["minmax", "moving-average", "percentile", "entropy", "mse"];
    for method in methods {
        let ran = on_samples(&place, "mlp", "ort-cpu", &["--method", method]);
        assert_eq!(ran.code, 0, "{method}: {}", ran.err);
    }
    let unknown = on_samples(&place, "mlp", "ort-cpu", &["--method", "guess"]);
    assert!(unknown.code == 2 && methods.iter().all(|m| unknown.err.contains(m)), "{}", unknown.err);
}
