//! Plans: written, changed, fed back; recipes.

use super::{count, loaded, place, quantized, read};
use onnxpress::recipe::{Recipe, Step};
use std::fs;

const FOLLOW: [&str; 8] =
    ["--target", "ort-cpu", "--plan", "plan.toml", "--no-verify", "--no-bench", "-o", "planned.onnx"];

#[test]
fn a_plan_gives_the_same_file_without_any_samples() {
    let place = place();
    for name in ["cnn", "mlp", "transformer"] {
        quantized(&place, name, "ort-cpu", &["--no-adaptive-rounding", "--write-plan", "plan.toml"]);
        let ran = place.run(&[&["quantize", &format!("{name}.onnx")][..], &FOLLOW].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(read(&place.path("planned.onnx")), read(&place.path(&format!("{name}.q.onnx"))), "{name}");
    }
}

/// The products of this model are so small that floats are faster.
#[test]
fn a_plan_is_followed_however_slow_it_is() {
    let place = place();
    let to_nearest = ["--no-adaptive-rounding", "--write-plan", "plan.toml"];
    quantized(&place, "mlp", "ort-cpu", &to_nearest);
    let follow = ["quantize", "mlp.onnx", "-o", "timed.onnx", "--target", "ort-cpu", "--calibration", "mlp"];
    let more = ["--plan", "plan.toml", "--no-adaptive-rounding", "--json"];
    let report = place.run(&[&follow[..], &more].concat()).json();
    assert!(report["race"]["pairs"].as_u64().unwrap() > 0, "{report}");
    assert!(read(&place.path("timed.onnx")) == read(&place.path("mlp.q.onnx")));
}

#[test]
fn a_plan_that_divides_by_a_node_of_its_own_can_be_followed() {
    let place = place();
    quantized(&place, "mlp", "ort-cpu", &["--no-smoothing", "--write-plan", "plan.toml"]);
    let plan = fs::read_to_string(place.path("plan.toml")).unwrap();
    let by: Vec<String> = (0..16).map(|at| format!("{}", [0.5, 1.0, 2.0][at % 3])).collect();
    let divided = format!(
        "{plan}\n[[smooth]]\nvalue = \"x\"\nreaders = [\"up\"]\naxis = 1\nby = [{}]\n",
        by.join(", ")
    );
    fs::write(place.path("divided.toml"), divided).unwrap();
    let more = ["--plan", "divided.toml", "--no-adaptive-rounding", "--write-plan", "plan.toml"];
    let model = quantized(&place, "mlp", "ort-cpu", &more);
    assert_eq!(count(&model, "Mul"), 1);
    let ran = place.run(&[&["quantize", "mlp.onnx"][..], &FOLLOW].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(read(&place.path("planned.onnx")), read(&place.path("mlp.q.onnx")));
}

#[test]
fn what_a_plan_is_changed_in_changes() {
    let place = place();
    quantized(&place, "mlp", "ort-cpu", &["--write-plan", "plan.toml"]);
    let plan = fs::read_to_string(place.path("plan.toml")).unwrap();
    let edited = plan.replacen("compute = \"int8\"", "compute = \"float\"", 1);
    assert_ne!(plan, edited);
    fs::write(place.path("plan.toml"), edited).unwrap();
    let ran = place.run(&[&["quantize", "mlp.onnx", "--json"][..], &FOLLOW].concat());
    let report = ran.json();
    let first = &report["plan"][0];
    assert!(first["int8"] == false && first["why"] == "the plan says so", "{first}");
    assert_eq!(report["plan"][2]["int8"], true);
    let (before, after) = (loaded(&place, "mlp.q.onnx"), loaded(&place, "planned.onnx"));
    assert_eq!((count(&before, "QuantizeLinear"), count(&after, "QuantizeLinear")), (2, 1));
    let weight = |model: &onnxpress::ir::Model| {
        let up = model.graph.nodes().find(|(_, n)| n.name().to_string() == "up").unwrap().1;
        [1, 2].map(|at| model.graph.const_value(up.input(at).unwrap()).map(|t| t.bytes().unwrap()))
    };
    // As it was, its bias too.
    assert_eq!(weight(&after), weight(&loaded(&place, "mlp.onnx")));
}

#[test]
fn a_range_of_a_plan_is_the_one_that_is_covered() {
    let place = place();
    quantized(&place, "mlp", "tensorrt", &["--write-plan", "plan.toml"]);
    let plan = fs::read_to_string(place.path("plan.toml")).unwrap();
    let mut sheet: toml::Table = plan.parse().unwrap();
    let value = sheet["value"].as_array_mut().unwrap()[0].as_table_mut().unwrap();
    value.insert("min".into(), toml::Value::Float(-12.7));
    value.insert("max".into(), toml::Value::Float(1.0));
    fs::write(place.path("plan.toml"), toml::to_string(&sheet).unwrap()).unwrap();
    let follow = FOLLOW.map(|word| if word == "ort-cpu" { "tensorrt" } else { word });
    let ran = place.run(&[&["quantize", "mlp.onnx"][..], &follow].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let model = loaded(&place, "planned.onnx");
    let (_, first) = model.graph.nodes().find(|(_, n)| n.op().is("QuantizeLinear")).unwrap();
    let scale = model.graph.const_value(first.input(1).unwrap()).unwrap().to_vec::<f32>().unwrap();
    assert!((scale[0] - 0.1).abs() < 1e-6, "{scale:?}");
}

#[test]
fn a_plan_of_something_else_is_refused() {
    let place = place();
    quantized(&place, "mlp", "ort-cpu", &["--write-plan", "plan.toml"]);
    let other = place.run(&[&["quantize", "cnn.onnx"][..], &FOLLOW].concat());
    assert!(
        other.code == 1 && other.err.contains("plan.toml") && other.err.contains("'up'"),
        "{}",
        other.err
    );
    let follow = FOLLOW.map(|word| if word == "ort-cpu" { "tensorrt" } else { word });
    let target = place.run(&[&["quantize", "mlp.onnx"][..], &follow].concat());
    assert!(target.code == 1 && target.err.contains("ort-cpu"), "{}", target.err);
    fs::write(place.path("plan.toml"), "nodes = 3").unwrap();
    let text = place.run(&[&["quantize", "mlp.onnx"][..], &FOLLOW].concat());
    assert!(text.code == 1 && text.err.contains("--write-plan"), "{}", text.err);
    assert!(!place.names().contains(&"planned.onnx".to_owned()));
}

#[test]
fn numbers_of_a_plan_that_do_not_fit_are_refused() {
    let place = place();
    quantized(&place, "mlp", "ort-cpu", &["--write-plan", "plan.toml"]);
    let plan = fs::read_to_string(place.path("plan.toml")).unwrap();
    for (wrong, says) in [
        ("[[bias]]\nnode = \"down\"\nshift = [1.0]\n", "'down'"),
        ("[[bias]]\nnode = \"clamp\"\nshift = [1.0]\n", "'clamp'"),
        ("[[smooth]]\nvalue = \"r\"\nreaders = [\"down\"]\naxis = 1\nby = [0.5, 1.0]\n", "2 numbers"),
        ("[[smooth]]\nvalue = \"r\"\nreaders = [\"up\"]\naxis = 1\nby = [0.5, 1.0]\n", "'r'"),
    ] {
        fs::write(place.path("plan.toml"), format!("{plan}\n{wrong}")).unwrap();
        let ran = place.run(&[&["quantize", "mlp.onnx"][..], &FOLLOW].concat());
        assert!(ran.code == 1 && ran.err.contains("plan.toml") && ran.err.contains(says), "{}", ran.err);
    }
}

#[test]
fn a_plan_is_no_model() {
    let place = place();
    let to = |plan: &str| {
        let args = ["quantize", "mlp.onnx", "-o", "q.onnx", "--target", "ort-cpu", "--random-data"];
        place.run(&[&args[..], &["--write-plan", plan]].concat())
    };
    let before = read(&place.path("mlp.onnx"));
    for plan in ["mlp.onnx", "q.onnx", "no/plan.toml", "-"] {
        let ran = to(plan);
        assert!(ran.code == 1 && ran.err.contains(plan), "{plan}: {}", ran.err);
    }
    assert_eq!(read(&place.path("mlp.onnx")), before);
}

#[test]
fn a_recipe_spells_presets_out() {
    let place = place();
    let print = |preset: &str| {
        place.run(&[
            "quantize",
            "--print-recipe",
            "--target",
            "tensorrt",
            "--random-data",
            "--preset",
            preset,
        ])
    };
    let recipe = Recipe::parse(&print("imagenet").out).unwrap();
    let image = recipe.data.unwrap().image.unwrap();
    assert!(image.preset.is_none() && image.crop == Some([224, 224]), "{image:?}");
    let unknown = print("imagenett");
    assert!(unknown.code == 1 && unknown.err.contains("imagenet-tf"), "{}", unknown.err);
}

#[test]
fn a_recipe_says_what_a_run_would_do_and_its_report_embeds_it() {
    let place = place();
    let options = [
        "--target",
        "ort-cpu",
        "--calibration",
        "mlp",
        "--method",
        "percentile:99.9",
        "--weight-bits",
        "7",
        "--keep-float",
        "up",
        "--no-smoothing",
        "--no-bias-correction",
        "--max-samples",
        "3",
        "--held-out",
        "1",
        "--min-sqnr",
        "5",
        "--max-drop",
        "top1=0.5,cosine=0.25",
        "--max-drop",
        "top1=0.75",
    ];
    let printed = place.run(&[&["quantize", "--print-recipe"], &options[..]].concat());
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    let recipe = Recipe::parse(&printed.out).unwrap();
    let Step::Quantize(step) = &recipe.steps[0] else { panic!("{:?}", recipe.steps) };
    assert_eq!((step.weight_bits, step.smooth, step.bias_correction), (7, false, false));
    assert_eq!((step.min_sqnr_db, &*step.keep_float), (Some(5.0), &["up".to_owned()][..]));
    let drops: Vec<(&str, f64)> = step.max_drop.iter().map(|(m, most)| (m.as_str(), *most)).collect();
    assert_eq!(drops, [("cosine", 0.25), ("top1", 0.5)]);
    let data = recipe.data.as_ref().unwrap();
    assert_eq!((data.max_samples, data.held_out), (Some(3), Some(1)));
    assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe);

    let run = ["quantize", "mlp.onnx", "-o", "q.onnx", "--no-bench", "--json"];
    let report = place.run(&[&run[..], &options].concat()).json();
    assert_eq!(serde_json::from_value::<Recipe>(report["recipe"].clone()).unwrap(), recipe);
    assert_eq!((&report["samples"], &report["held_out"]), (&3.into(), &1.into()));
}
