//! `optimize --tune`: passes switched and timed.

use super::Place;

const NORMS: &str = r#"<ir_version: 8, opset_import: ["" : 17]>
g (float[2,8,16] x, float[2,8,16] s) => (float[2,8,16] y)
<float[16] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}>
{
    a = Add (x, s)
    y = LayerNormalization (a, w)
}
"#;

#[test]
fn what_is_kept_was_faster_and_is_in_the_result() {
    let place = Place::new();
    place.model("norms.onnx", NORMS);
    let args = ["optimize", "norms.onnx", "-o", "out.onnx", "--target", "ort-cpu", "--tune=20", "--json"];
    let report = place.run(&args).json();
    assert_eq!(report["parity"]["status"], "passed");
    let trials = report["tuning"]["trials"].as_array().unwrap();
    assert_eq!(report["tuning"]["feeds"].as_array().map(Vec::len), Some(1));
    let trial = trials.iter().find(|t| t["pass"] == "fuse-skip-norm").expect("it runs by name only");
    assert_eq!(trial["enabled"], true);
    assert!(trial["ratio"].as_f64().unwrap() > 0.0 && trial["pairs"].as_u64().unwrap() > 0);
    assert!(trial["failed"].is_null(), "{trial}");
    for trial in trials {
        let faster = trial["ratio_interval"][1].as_f64().is_some_and(|high| high < 1.0);
        assert_eq!(trial["kept"], faster, "{trial}");
    }
    let text = place.run(&["inspect", "out.onnx", "--text"]).out;
    assert_eq!(text.contains("SkipLayerNormalization"), trial["kept"] == true, "{text}");
    let passes = report["recipe"].to_string();
    assert_eq!(passes.contains("fuse-skip-norm"), trial["kept"] == true, "{passes}");
}

#[test]
fn tuning_needs_no_proof_and_chooses_passes_by_itself() {
    let place = Place::new();
    place.model("norms.onnx", NORMS);
    let args = ["optimize", "norms.onnx", "-o", "o.onnx", "--target", "ort-cpu", "--tune=9", "--no-verify"];
    let ran = place.run(&args);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("fuse-skip-norm on") && ran.out.contains("timed on "), "{}", ran.out);
    assert_eq!(place.names().iter().filter(|n| n.starts_with('.')).count(), 0, "{:?}", place.names());
    let nothing = place.run(&[&args[..], &["-O0"]].concat());
    assert!(nothing.out.contains("tuned: no pass to switch"), "{}", nothing.out);
    for other in [&["--only", "fuse-gelu"][..], &["--pass-limit", "3"], &["--print-recipe"]] {
        let ran = place.run(&[&args[..], other].concat());
        assert!(ran.code == 2 && ran.err.contains("--tune"), "{}", ran.err);
    }
}

#[test]
fn a_target_that_this_machine_does_not_run_is_refused() {
    let place = Place::new();
    for target in ["tensorrt", "ort-cuda"] {
        let ran = place.run(&["optimize", "m.onnx", "-o", "out.onnx", "--target", target, "--tune"]);
        assert_eq!((ran.code, place.names().len()), (1, 1), "{}", ran.err);
        assert!(ran.err.contains("--tune") && ran.err.contains(target), "{}", ran.err);
    }
}
