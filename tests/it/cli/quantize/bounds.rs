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
fn int8_is_not_called_slow_where_nothing_is_quantized() {
    let place = place();
    place.model(
        "sine.onnx",
        "<ir_version: 8, opset_import: [\"\" : 17]>\ng (float[4,8] x) => (float[4,8] y) {\n y = Sin (x)\n}",
    );
    let ran = place.run(&[
        "quantize",
        "sine.onnx",
        "-o",
        "q.onnx",
        "--target",
        "ort-cpu",
        "--random-data",
        "--json",
    ]);
    let report = ran.json();
    assert!(report["race"].is_null(), "{}", ran.err);
    let codes: Vec<&str> =
        report["diags"].as_array().unwrap().iter().filter_map(|d| d["code"].as_str()).collect();
    assert!(codes.contains(&"nothing-quantized") && !codes.contains(&"not-faster"), "{codes:?}");
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
fn figures_drop_no_further_than_they_may() {
    let place = place();
    let drop = |more: &[&str], figure: &str| {
        let report = on_samples(&place, "cnn", "tensorrt", &[&["--json"], more].concat()).json();
        (1.0 - report["accuracy"]["outputs"][0][figure].as_f64().unwrap(), report)
    };
    for (metric, figure) in [("cosine", "cosine_mean"), ("cosine-min", "cosine_min")] {
        let (free, report) = drop(&[], figure);
        assert!(report["put_back"].is_null());
        let bound = format!("{metric}={}", free / 2.0);
        let (bounded, report) = drop(&["--max-drop", &bound], figure);
        assert!(bounded <= free / 2.0, "{metric}: {bounded} {free}");
        let put_back = &report["put_back"];
        assert!((1..3).contains(&put_back["nodes"].as_u64().unwrap()) && put_back["of"] == 3, "{put_back}");
        assert!((1.0 - put_back["accuracy"]["outputs"][0][figure].as_f64().unwrap() - free).abs() < 1e-9);
        // Nothing is timed for this target.
        assert!(put_back["race"].is_null());
        assert_eq!(report["recipe"]["step"][0]["max_drop"][metric], free / 2.0);
    }
    // Both hold: the one that is met already asks nothing.
    let (_, report) = drop(&["--max-drop", "top1=1,cosine=1", "--min-sqnr", "1"], "top1");
    assert!(report["put_back"].is_null());
}

#[test]
fn the_speed_that_a_bound_costs_is_told() {
    let place = place();
    let free = on_samples(&place, "mlp", "ort-cpu", &["--json"]).json();
    let least = format!("{}", free["accuracy"]["sqnr_db"].as_f64().unwrap() + 1.0);
    let args = ["quantize", "mlp.onnx", "-o", "q.onnx", "--target", "ort-cpu", "--calibration", "mlp"];
    let bounded = |more: &[&str]| place.run(&[&args[..], &["--min-sqnr", &least], more].concat());
    let report = bounded(&["--json"]).json();
    for race in [&report["race"], &report["put_back"]["race"]] {
        assert!(race["ratio"].as_f64().unwrap() > 0.0 && race["pairs"].as_u64().unwrap() > 0, "{race}");
    }
    let out = bounded(&[]).out;
    let says = |text: &str| out.lines().any(|line| line.starts_with(text));
    assert!(says("put back to floats: 1 of 2 nodes; with none the outputs have "), "{out}");
    assert!(says("time: ") && says("none put back: "), "{out}");
    let out = bounded(&["--no-bench"]).out;
    assert!(out.contains("put back to floats: 1") && !out.contains("\nnone put back: "), "{out}");
}

#[test]
fn a_bound_that_cannot_be_measured_is_named() {
    let place = place();
    for (bound, says) in [
        ("top5=0.1", "'top5' is none of top1, cosine, cosine-min, equal"),
        ("top1=2", "a share from 0 to 1"),
        ("cosine=0.1,top1", "a share from 0 to 1"),
    ] {
        let ran = on_samples(&place, "mlp", "ort-cpu", &["--max-drop", bound]);
        assert!(ran.code == 2 && ran.err.contains(says), "{bound}: {}", ran.err);
    }
    for more in [["--min-sqnr", "nan"], ["--max-drop", "top1=0.1"]] {
        let ran = on_samples(&place, "mlp", "ort-cpu", &[&more[..], &["--no-verify"]].concat());
        assert_eq!(ran.code, 2, "{}", ran.err);
    }
    // All outputs are floats.
    let ran = on_samples(&place, "mlp", "ort-cpu", &["--max-drop", "equal=0.5"]);
    assert!(ran.code == 3 && ran.err.contains("--max-drop equal cannot be measured"), "{}", ran.err);
    quantized(&place, "mlp", "ort-cpu", &["--write-plan", "plan.toml"]);
    for bound in [["--min-sqnr", "1"], ["--max-drop", "top1=1"]] {
        let plan = ["quantize", "mlp.onnx", "-o", "p.onnx", "--target", "ort-cpu", "--plan", "plan.toml"];
        let ran = place.run(&[&plan[..], &bound].concat());
        assert!(ran.code == 1 && ran.err.contains("--calibration"), "{}", ran.err);
    }
}

#[test]
fn labels_are_held_by_their_share_of_equal_elements() {
    let place = place();
    let text = super::mlp()
        .replace("(float[N,6] y)", "(int64[N,1] label)")
        .replace("[down] y = Gemm (r, u, c)", "[down] d = Gemm (r, u, c)\n label = ArgMax <axis = 1> (d)");
    place.model("labels.onnx", &text);
    let args = ["quantize", "labels.onnx", "-o", "q.onnx", "--target", "ort-cpu", "--calibration", "mlp"];
    let report = |more: &[&str]| {
        place.run(&[&args[..], &["--no-bench", "--json", "--weight-bits", "7"], more].concat()).json()
    };
    let equal = |report: &serde_json::Value| report["accuracy"]["outputs"][0]["equal"].as_f64().unwrap();
    assert!(equal(&report(&["--max-drop", "equal=0"])) == 1.0);
    let top1 = place.run(&[&args[..], &["--no-bench", "--max-drop", "top1=0.5"]].concat());
    assert!(top1.code == 3 && top1.err.contains("no output of floats"), "{}", top1.err);
}

#[test]
fn tables_go_back_too() {
    let place = place();
    let report = on_samples(&place, "transformer", "ort-cpu", &["--min-sqnr", "80", "--json"]).json();
    assert_eq!(report["written"], true);
    let rows = report["plan"].as_array().unwrap().iter().find(|p| p["node"] == "rows").unwrap();
    assert!(rows["why"].as_str().is_some_and(|why| why.contains("--min-sqnr")), "{rows}");
    let ranked = report["sensitivity"].as_array().unwrap();
    assert!(ranked.iter().any(|s| s["node"] == "rows" && s["op"] == "Gather"), "{ranked:?}");
    assert_eq!((&report["put_back"]["nodes"], &report["put_back"]["of"]), (&3.into(), &3.into()));
}

#[test]
fn a_bound_out_of_reach_writes_nothing_unless_forced() {
    let place = place();
    // Floats are summed in another order once ONNX Runtime has fused nodes.
    let out_of_reach = ["--min-sqnr", "200", "--write-plan", "plan.toml"];
    let refused = on_samples(&place, "cnn", "ort-cpu", &out_of_reach);
    assert_eq!(refused.code, 3, "{}", refused.err);
    for says in ["output 'y' has", "less than 200 dB (--min-sqnr)", "--force"] {
        assert!(refused.err.contains(says), "{}", refused.err);
    }
    assert!(refused.err.contains("its plan is in plan.toml"), "{}", refused.err);
    let names = place.names();
    assert!(!names.iter().any(|n| n == "cnn.q.onnx"), "{names:?}");
    let plan: toml::Table = std::fs::read_to_string(place.path("plan.toml")).unwrap().parse().unwrap();
    assert!(plan["node"].as_array().unwrap().len() > 3, "{plan}");
    let silent = on_samples(&place, "cnn", "ort-cpu", &["--min-sqnr", "200"]);
    assert!(silent.code == 3 && !silent.err.contains("its plan"), "{}", silent.err);
    let forced = on_samples(&place, "cnn", "ort-cpu", &["--min-sqnr", "200", "--force", "--json"]);
    assert_eq!(forced.code, 3);
    let report: serde_json::Value = serde_json::from_str(&forced.out).unwrap();
    assert!(report["written"] == true && report["refused_for"].is_string());
    assert!(!read(&place.path("cnn.q.onnx")).is_empty());
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
