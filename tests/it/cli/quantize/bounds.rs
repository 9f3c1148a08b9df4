//! What stays in floats, because it was asked for or because the outputs need it.

use super::{count, on_samples, place, quantized, read};

#[test]
fn nodes_stay_floats_by_name_and_by_operator() {
    let place = place();
    let named = on_samples(&place, "cnn", "ort-cpu", &["--keep-float", "second", "--json"]).json();
    let of = |report: &serde_json::Value, node: &str| {
        report["plan"].as_array().unwrap().iter().find(|p| p["node"] == node).unwrap().clone()
    };
    assert_eq!((&of(&named, "second")["int8"], &of(&named, "first")["int8"]), (&false.into(), &true.into()));
    assert!(of(&named, "second")["why"].as_str().unwrap().contains("--keep-float"));
    let all = on_samples(&place, "cnn", "ort-cpu", &["--keep-float", "Conv,Gemm", "--json"]).json();
    for node in ["first", "second", "head"] {
        assert_eq!(of(&all, node)["int8"], false, "{node}");
    }
    let warned = all["diags"].as_array().unwrap().iter().any(|d| d["code"] == "nothing-quantized");
    assert!(warned, "{}", all["diags"]);
    assert!(all["sensitivity"].as_array().unwrap().is_empty());
}

#[test]
fn a_name_that_nothing_has_is_an_error() {
    let place = place();
    let ran = on_samples(&place, "mlp", "ort-cpu", &["--keep-float", "up,nothing"]);
    assert!(
        ran.code == 1 && ran.err.contains("'nothing'") && ran.err.contains("--write-plan"),
        "{}",
        ran.err
    );
    assert!(!place.names().contains(&"mlp.q.onnx".to_owned()));
}

#[test]
fn nodes_go_back_to_floats_until_the_bound_is_reached() {
    let place = place();
    let free = on_samples(&place, "cnn", "tensorrt", &["--json"]).json();
    let reached = free["accuracy"]["sqnr_db"].as_f64().unwrap();
    let floats = |report: &serde_json::Value| {
        let why = |p: &&serde_json::Value| p["why"].as_str().is_some_and(|w| w.contains("--min-sqnr"));
        report["plan"].as_array().unwrap().iter().filter(why).count()
    };
    assert_eq!(floats(&free), 0);
    let least = format!("{}", reached + 1.0);
    let bound = on_samples(&place, "cnn", "tensorrt", &["--min-sqnr", &least, "--json"]).json();
    assert!(bound["accuracy"]["sqnr_db"].as_f64().unwrap() >= reached + 1.0);
    assert!(floats(&bound) > 0 && floats(&bound) < 3, "{}", bound["plan"]);
    // What the bound asks less than is not touched.
    let met = format!("{}", reached - 1.0);
    let same = on_samples(&place, "cnn", "tensorrt", &["--min-sqnr", &met, "--json"]).json();
    assert_eq!(floats(&same), 0);
}

#[test]
fn a_bound_out_of_reach_writes_nothing_unless_forced() {
    let place = place();
    // Rows of the table are no product: nothing puts them back.
    let out_of_reach = ["--min-sqnr", "200", "--write-plan", "plan.toml"];
    let refused = on_samples(&place, "transformer", "ort-cpu", &out_of_reach);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("200.0 dB") && refused.err.contains("--force"), "{}", refused.err);
    let names = place.names();
    assert!(!names.iter().any(|n| n == "transformer.q.onnx" || n == "plan.toml"), "{names:?}");
    let forced = on_samples(&place, "transformer", "ort-cpu", &["--min-sqnr", "200", "--force", "--json"]);
    assert_eq!(forced.code, 3);
    let report: serde_json::Value = serde_json::from_str(&forced.out).unwrap();
    assert!(report["written"] == true && report["refused_for"].is_string());
    assert!(!read(&place.path("transformer.q.onnx")).is_empty());
}

#[test]
fn weights_of_seven_bits_leave_a_bit_free() {
    let place = place();
    let model = quantized(&place, "mlp", "ort-cpu", &["--weight-bits", "7"]);
    let mut weights = 0;
    for (_, node) in model.graph.nodes().filter(|(_, n)| n.op().is("DequantizeLinear")) {
        let Some(constant) = model.graph.const_value(node.input(0).unwrap()) else { continue };
        if constant.rank() == 2 {
            weights += 1;
            assert_eq!(constant.to_i64s().unwrap().iter().map(|q| q.abs()).max(), Some(63));
        }
    }
    assert_eq!((weights, count(&model, "Gemm")), (2, 2));
}

/// Rounding and correction by the samples are kept only where the outputs gain.
#[test]
fn no_option_makes_the_outputs_worse_than_leaving_it_out() {
    let place = place();
    let off = ["--no-adaptive-rounding", "--no-bias-correction"];
    for (name, target) in [("cnn", "ort-cpu"), ("cnn", "tensorrt"), ("mlp", "ort-cpu")] {
        let reached = |more: &[&str]| {
            let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
            let report = on_samples(&place, name, target, &more).json();
            let diags = report["diags"].as_array().unwrap();
            let note = diags.iter().find(|d| d["code"] == "refinement-left-out").map(|d| &d["message"]);
            // What was switched off is not left out.
            for (option, what) in off.iter().zip(["adaptive rounding", "bias correction"]) {
                let named = note.is_some_and(|said| said.as_str().unwrap().contains(what));
                assert!(!(named && more.contains(option)), "{option}: {note:?}");
            }
            (report["accuracy"]["sqnr_db"].as_f64().unwrap(), note.is_some())
        };
        let (all, left_out) = reached(&[]);
        let others = [&off[..], &off[..1], &off[1..]].map(|more| reached(more).0);
        let best = others.iter().copied().fold(f64::MIN, f64::max);
        assert!(all >= best - 1e-6, "{name} {target}: {all} {others:?}");
        assert_eq!(left_out, (all - best).abs() < 1e-6, "{name} {target}: {all} {others:?}");
    }
}
