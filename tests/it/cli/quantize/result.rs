//! What is written, and the report of it.

use super::{
    Numbers, SAMPLES, constants, count, decibels, interface, loaded, on_samples, place, quantized, read, run,
    sample,
};
use onnxpress::analysis::verify;
use onnxpress::runtime::Optimization;
use onnxpress::tensor::DType;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::process::Stdio;

const MODELS: [&str; 3] = ["cnn", "mlp", "transformer"];

fn input(name: &str) -> &'static str {
    if name == "transformer" { "ids" } else { "x" }
}

#[test]
fn results_run_close_to_the_original_and_look_the_same_from_outside() {
    let place = place();
    for name in MODELS {
        let file = place.path(&format!("{name}.onnx"));
        let before = read(&file);
        for target in ["ort-cpu", "tensorrt", "tensorrt-rtx"] {
            let model = quantized(&place, name, target, &[]);
            verify(&model).unwrap();
            assert!(count(&model, "QuantizeLinear") > 0, "{name} {target}");
            assert_eq!(interface(&model), interface(&loaded(&place, &format!("{name}.onnx"))));
            let out = place.path(&format!("{name}.q.onnx"));
            let feed = || (input(name), sample(name, 3));
            let want = run(&file, feed(), Optimization::None);
            for optimize in [Optimization::None, Optimization::All] {
                let db = decibels(&want, &run(&out, feed(), optimize));
                assert!(db > 25.0, "{name} {target} {optimize:?}: {db} dB");
            }
        }
        assert_eq!(read(&file), before);
    }
}

#[test]
fn the_report_has_every_field() {
    let place = place();
    let ran = place.run(&[
        "quantize",
        "mlp.onnx",
        "-o",
        "q.onnx",
        "--target",
        "ort-cpu",
        "--calibration",
        "mlp",
        "--no-bench",
        "--json",
    ]);
    let report = ran.json();
    assert_eq!(report["schema_version"], 1);
    assert_eq!((&report["written"], &report["refused_for"]), (&json!(true), &json!(null)));
    assert_eq!((&report["samples"], &report["random_samples"]), (&json!(SAMPLES), &json!(false)));
    assert_eq!(report["bytes"]["before"], read(&place.path("mlp.onnx")).len());
    assert_eq!(report["bytes"]["after"], read(&place.path("q.onnx")).len());
    assert_eq!((&report["nodes"]["before"], &report["opset"]["after"]), (&json!(3), &json!(17)));
    let plan = report["plan"].as_array().unwrap();
    let said: Vec<_> = plan.iter().map(|p| (p["node"].as_str().unwrap(), p["int8"] == true)).collect();
    assert_eq!(said, [("up", true), ("clamp", false), ("down", true)]);
    assert!(plan[1]["why"].is_string() && plan[0]["why"].is_null());
    let sensitivity = report["sensitivity"].as_array().unwrap();
    assert_eq!(sensitivity.len(), 2);
    assert!(sensitivity[0]["sqnr_db"].as_f64().unwrap() <= sensitivity[1]["sqnr_db"].as_f64().unwrap());
    let accuracy = &report["accuracy"];
    assert_eq!(accuracy["samples"], SAMPLES);
    assert_eq!(
        (&accuracy["outputs"][0]["name"], &accuracy["outputs"][0]["apart"]),
        (&json!("y"), &json!(null))
    );
    for field in ["sqnr_db", "cosine_mean", "cosine_min", "top1", "equal"] {
        assert!(accuracy["outputs"][0][field].is_number(), "{field}: {accuracy}");
    }
    assert_eq!(report["kernels"][0]["planned"], json!({"Gemm": 2}));
    let found = report["kernels"][0]["found"].as_object().unwrap();
    assert_eq!(found.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 2, "{found:?}");
    assert!(report["race"].is_null());
    let step = &report["recipe"]["step"][0];
    assert_eq!((&step["command"], &step["smooth"]), (&json!("quantize"), &json!(true)));
    for stage in ["calibrate", "smooth", "bias correction", "sensitivity", "accuracy"] {
        assert!(report["stages"][stage].is_number(), "{stage}: {}", report["stages"]);
    }
}

#[test]
fn what_was_timed_says_which_floats_it_kept_for_their_speed() {
    let place = place();
    let command = ["quantize", "mlp.onnx", "-o", "q.onnx", "--target", "ort-cpu", "--calibration", "mlp"];
    let report = place.run(&[&command[..], &["--json"]].concat()).json();
    let race = &report["race"];
    assert!(race["pairs"].as_u64().unwrap() > 0 && race["ratio"].as_f64().unwrap() > 0.0, "{race}");
    assert!(report["stages"]["bench"].is_number());
    let rows = |is: &dyn Fn(&serde_json::Value) -> bool| {
        report["plan"].as_array().unwrap().iter().filter(|row| is(row)).count()
    };
    let noted = report["diags"].as_array().unwrap().iter().any(|d| d["code"] == "floats-are-faster");
    let whys = ["floats are faster here", "floats are as fast here"];
    assert_eq!(rows(&|row| whys.iter().any(|why| row["why"] == *why)) > 0, noted, "{report}");
    let scaled = count(&loaded(&place, "q.onnx"), "QuantizeLinear");
    assert_eq!(rows(&|row| row["int8"] == true) > 0, scaled > 0, "{report}");
}

#[test]
fn an_old_opset_is_raised_to_the_one_with_scales_along_an_axis() {
    let place = place();
    let report = on_samples(&place, "cnn", "ort-cpu", &["--json"]).json();
    assert_eq!(report["opset"], json!({"before": 11, "after": 13}));
    let codes: Vec<_> =
        report["diags"].as_array().unwrap().iter().map(|d| d["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"opset-raised"), "{codes:?}");
    assert_eq!(loaded(&place, "cnn.q.onnx").opset(), 13);
}

#[test]
fn tensorrt_gets_int8_around_zero_and_every_zero_point() {
    let place = place();
    for name in MODELS {
        let model = quantized(&place, name, "tensorrt", &[]);
        for op in ["QuantizeLinear", "DequantizeLinear"] {
            for (_, node) in model.graph.nodes().filter(|(_, n)| n.op().is(op)) {
                let zero = model.graph.const_value(node.input(2).unwrap()).unwrap();
                assert!(zero.dtype() == DType::I8 && zero.to_i64s().unwrap().iter().all(|z| *z == 0));
            }
        }
        // Nothing but weights of products is INT8.
        assert!(constants(&model, "DequantizeLinear", 0).iter().all(|t| *t == DType::I8));
        let ran = place.run(&["check", &format!("{name}.q.onnx"), "--target", "tensorrt"]);
        assert_eq!(ran.code, 0, "{}", ran.out);
    }
}

#[test]
fn embeddings_are_int8_where_the_target_looks_rows_up() {
    let place = place();
    let report = on_samples(&place, "transformer", "ort-cpu", &["--json"]).json();
    let scores = report["plan"].as_array().unwrap().iter().find(|p| p["node"] == "scores").unwrap();
    assert_eq!(scores["why"], "the weight is computed");
    let cpu = loaded(&place, "transformer.q.onnx");
    assert_eq!(constants(&cpu, "Gather", 0), [DType::I8]);
    for target in ["tensorrt", "tensorrt-rtx"] {
        assert_eq!(constants(&quantized(&place, "transformer", target, &[]), "Gather", 0), [DType::F32]);
    }
}

#[test]
fn two_runs_write_the_same_bytes() {
    let place = place();
    for name in MODELS {
        quantized(&place, name, "ort-cpu", &[]);
        let first = read(&place.path(&format!("{name}.q.onnx")));
        quantized(&place, name, "ort-cpu", &[]);
        assert_eq!(first, read(&place.path(&format!("{name}.q.onnx"))), "{name}");
    }
}

#[test]
fn standard_input_and_output_serve_too() {
    let place = place();
    quantized(&place, "mlp", "ort-cpu", &[]);
    let common = ["--target", "ort-cpu", "--calibration", "mlp", "--no-bench"];
    let mut command = place.command(&[&["quantize", "-", "-o", "-"][..], &common].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&read(&place.path("mlp.onnx"))).unwrap();
    let ran = child.wait_with_output().unwrap();
    let talk = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && talk.contains("SQNR"), "{talk}");
    fs::write(place.path("piped.onnx"), &ran.stdout).unwrap();
    assert_eq!(ran.stdout, read(&place.path("mlp.q.onnx")));

    let both = place.run(&[&["quantize", "mlp.onnx", "-o", "-", "--json"][..], &common].concat());
    assert!(both.code == 2 && both.err.contains("standard output"), "{}", both.err);
}

#[test]
fn external_weights_are_read_and_written() {
    let place = place();
    let text = format!(
        "<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,16] x) => (float[N,128] y) <{}> {{ y = MatMul (x, w) }}",
        Numbers::of(7).constant("w", &[16, 128], 1.0)
    );
    place.model("inline.onnx", &text);
    let common = ["--target", "ort-cpu", "--calibration", "mlp", "--no-bench", "-o"];
    let outside = |name: &str| place.names().iter().any(|n| n.starts_with(name) && n != name);
    for (input, output, how, is_outside) in [
        ("inline.onnx", "a.onnx", "separate", true),
        // What is made anew is in the model file.
        ("a.onnx", "b.onnx", "keep", false),
        ("a.onnx", "c.onnx", "inline", false),
        ("inline.onnx", "d.onnx", "keep", false),
    ] {
        if input == "a.onnx" {
            let ran = place.run(&["optimize", "inline.onnx", "-o", "a.onnx", "--external-data", "separate"]);
            assert_eq!(ran.code, 0, "{}", ran.err);
        }
        let ran = place.run(&[&["quantize", input][..], &common, &[output, "--external-data", how]].concat());
        assert_eq!((ran.code, outside(output)), (0, is_outside), "{input} {output}: {}", ran.err);
        assert_eq!(count(&loaded(&place, output), "QuantizeLinear"), 1);
    }
}

#[test]
fn a_compiler_that_is_not_there_is_missed_before_anything_is_done() {
    let place = place();
    let quantize = ["quantize", "none.onnx", "-o", "q.onnx", "--random-data", "--build"];
    for (target, python, says) in [
        ("tensorrt-rtx", "no/such/python", "no/such/python"),
        // It is a program, and has no module.
        ("tensorrt", "false", "--python names the Python"),
        ("ort-cpu", "python3", "no compiler"),
    ] {
        let ran = place.run(&[&quantize[..], &["--target", target, "--python", python]].concat());
        let errors = ran.err.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!((ran.code, errors), (1, 1), "{}", ran.err);
        assert!(ran.err.contains(says) && !ran.err.contains("none.onnx"), "{target}: {}", ran.err);
    }
}

#[test]
fn a_report_keeps_to_100_columns_and_the_rest_names_in_full() {
    let place = place();
    let long = |of: &str| format!("/model/encoder/{}{of}/MatMul_with_a_name", "block.attention/".repeat(8));
    let mut text = super::transformer();
    for (of, node) in [("query", "[query]"), ("out", "[out]"), ("sum", "[sum]")] {
        text = text.replace(node, &format!("[\"{}\"]", long(of)));
    }
    let output = format!("{}y", "sentence_embedding.".repeat(6));
    text = text
        .replace("S,8] y)", &format!("S,8] \"{output}\")"))
        .replace(" y = ", &format!(" \"{output}\" = "));
    place.model("transformer.onnx", &text);
    for more in [&[][..], &["--verbose"]] {
        let ran = on_samples(&place, "transformer", "tensorrt", more);
        assert_eq!(ran.code, 0, "{}", ran.err);
        for line in ran.out.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(ran.out.contains('…') && !ran.out.contains(&long("out")), "{}", ran.out);
    }
    let report = on_samples(&place, "transformer", "tensorrt", &["--json"]).json();
    assert!(report["plan"].as_array().unwrap().iter().any(|p| p["node"] == long("out").as_str()));
    assert_eq!(report["accuracy"]["outputs"][0]["name"], output.as_str());
}
