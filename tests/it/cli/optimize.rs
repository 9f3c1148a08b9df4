//! `optimize`: what it writes, what it says of it, and when it writes nothing.

use super::{Place, read};
use onnxpress::recipe::{Opset, Recipe, Step};
use std::fs;
use std::io::Write;
use std::process::Stdio;

const OPTIMIZE: [&str; 4] = ["optimize", "m.onnx", "-o", "out.onnx"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    OPTIMIZE.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn the_report_has_every_field() {
    let place = Place::new();
    let report = place.run(&with(&["--json"])).json();
    assert_eq!(report["schema_version"], 1);
    assert_eq!((&report["nodes"]["before"], &report["nodes"]["after"]), (&4.into(), &2.into()));
    assert_eq!(report["bytes"]["before"], read(&place.path("m.onnx")).len());
    assert_eq!(report["bytes"]["after"], read(&place.path("out.onnx")).len());
    assert_eq!((&report["written"], &report["parity"]["status"]), (&true.into(), &"passed".into()));
    assert!(report["parity"]["runtime"].as_str().unwrap().starts_with("ONNX Runtime 1."));
    for field in ["max_abs", "max_rel", "noise_floor"] {
        assert!(report["parity"][field].is_number(), "{field}: {report}");
    }
    assert!(report["parity"].get("sqnr_db").is_some_and(|s| !s.is_null()));
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    let step = &report["recipe"]["step"][0];
    assert_eq!((&step["target"], &step["level"]), (&"onnx".into(), &2.into()));
    let passes = report["passes"].as_array().unwrap();
    let identity = passes.iter().find(|p| p["id"] == "remove-identity").unwrap();
    assert_eq!(identity["applied"], 1);
    assert!(identity["misses"].is_object() && identity["seconds"].is_number());
    #[cfg(target_os = "linux")]
    {
        let [all, anonymous] =
            ["peak_memory_bytes", "peak_anonymous_bytes"].map(|field| report[field].as_u64().unwrap());
        assert!(anonymous > 1 << 16 && anonymous < all, "{anonymous} of {all}");
    }
}

#[test]
fn an_engine_for_dynamic_sizes_gets_a_profile() {
    let place = Place::new();
    let text =
        "<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,4] x) => (float[N,4] y) { y = Relu (x) }";
    place.model("dynamic.onnx", text);
    let optimize = |more: &[&str]| {
        let ran = place.run(&[&["optimize", "dynamic.onnx", "-o", "out.onnx"], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran
    };
    let human = optimize(&["--target", "tensorrt"]).out;
    let command = human.lines().last().unwrap().trim();
    assert!(command.starts_with("trtexec --onnx=out.onnx --minShapes=x:1x4 --optShapes=x:"), "{human}");
    let report = optimize(&["--target", "tensorrt", "--json"]).json();
    assert_eq!(report["build_command"], command);
    for none in [&["--target", "onnx", "--json"][..], &["--target", "tensorrt", "--dim", "N=2", "--json"]] {
        assert!(optimize(none).json()["build_command"].is_null(), "{none:?}");
    }
}

#[test]
fn a_recipe_says_what_a_run_would_do_and_its_report_embeds_it() {
    let place = Place::new();
    let options = ["-O3", "--opset", "20", "--disable", "remove-dead", "--seed", "7", "--require-proof"];
    let printed = place.run(&[&["optimize", "--print-recipe"], &options[..]].concat());
    assert_eq!((printed.code, printed.err.as_str(), place.names().len()), (0, "", 1));
    let recipe = Recipe::parse(&printed.out).unwrap();
    let Step::Optimize(step) = &recipe.steps[0] else { panic!("{:?}", recipe.steps) };
    assert_eq!((step.level, step.opset, recipe.proof.seed), (3, Opset::Version(20), Some(7)));
    assert_eq!(step.passes.first().map(String::as_str), Some("inline-functions"));
    assert!(!step.passes.iter().any(|id| id == "remove-dead") && recipe.proof.require);

    let report = place.run(&with(&[&options[..], &["--json"]].concat())).json();
    assert_eq!(serde_json::from_value::<Recipe>(report["recipe"].clone()).unwrap(), recipe);
    let ran: Vec<&str> =
        report["passes"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(ran, step.passes);
    let json = place.run(&[&["optimize", "--print-recipe", "--json"], &options[..]].concat()).json();
    assert_eq!(json["step"], report["recipe"]["step"]);
}

#[test]
fn sizes_are_fixed_before_anything_else() {
    let place = Place::new();
    let report = place.run(&with(&["--dim", "n=8", "--json"])).json();
    assert_eq!(report["recipe"]["step"][0]["dims"]["n"], 8);
    assert_eq!(report["parity"]["status"], "passed");
    let inspected = place.run(&["inspect", "out.onnx", "--json"]).json();
    assert_eq!(
        (&inspected["inputs"][0]["type"], &inspected["outputs"][0]["type"]),
        (&"float[8,4]".into(), &"float[8,4]".into())
    );

    let report = place.run(&with(&["--shape", "x=2,?", "--json"])).json();
    assert_eq!(report["recipe"]["step"][0]["shapes"]["x"], serde_json::json!([2, "?"]));
    assert_eq!(serde_json::from_value::<Recipe>(report["recipe"].clone()).unwrap().steps.len(), 1);
    let inspected = place.run(&["inspect", "out.onnx", "--json"]).json();
    assert_eq!(inspected["inputs"][0]["type"], "float[2,4]");

    let refused = |args: &[&str], code: i32, words: &str| {
        let ran = place.run(&with(args));
        assert!(ran.code == code && ran.err.contains(words), "{} {}", ran.code, ran.err);
    };
    refused(&["--dim", "m=8"], 1, "the inputs' symbolic dims are n");
    refused(&["--shape", "z=8"], 1, "the inputs are x");
    refused(&["--shape", "x=8"], 1, "1 dims instead of 2");
    refused(&["--shape", "x=8,5"], 1, "5 instead of 4");
    refused(&["--shape", "x=8,4", "--dim", "n=2"], 1, "contradicts");
    refused(&["--dim", "n=1", "--dim", "n=2"], 1, "given twice");
    refused(&["--dim", "n=many"], 2, "'many' is no size");
    refused(&["--shape", "x"], 2, "expected INPUT=SIZES");
}

#[test]
fn misses_say_why_and_where() {
    let place = Place::new();
    let erf = "<ir_version: 8, opset_import: [\"\" : 17]>
        g (float[4] x) => (float[4] y) <float two = {1.4142135}, float one = {1.0}, float half = {0.5}>
        { d = Div (x, two) e = Erf (d) s = Add (e, one) m = Mul (x, s) y = Mul (m, half) }";
    place.model("gelu.onnx", erf);
    let ran = place.run(&["optimize", "gelu.onnx", "-o", "out.onnx", "--why", "fuse-gelu"]);
    assert!(ran.code == 0 && ran.out.contains("needs opset 20"), "{}{}", ran.out, ran.err);
    let fused = place.run(&["optimize", "gelu.onnx", "-o", "out.onnx", "--opset", "20", "--json"]).json();
    assert_eq!(fused["nodes"]["after"], 1);
    assert_eq!(fused["opset"], serde_json::json!({ "before": 17, "after": 20 }));
}

#[test]
fn level_0_gives_back_the_same_bytes() {
    let place = Place::new();
    let report = place.run(&with(&["-O0", "--json"])).json();
    assert_eq!((&report["changes"], &report["passes"]), (&0.into(), &serde_json::json!([])));
    assert_eq!(read(&place.path("out.onnx")), read(&place.path("m.onnx")));
}

#[test]
fn passes_are_chosen_by_name() {
    let place = Place::new();
    let applied = |more: &[&str]| -> Vec<String> {
        let report = place.run(&[&with(more)[..], &["--json"]].concat()).json();
        let passes = report["passes"].as_array().unwrap();
        passes.iter().filter(|p| p["applied"] != 0).map(|p| p["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(applied(&["--only", "remove-identity"]), ["remove-identity"]);
    assert_eq!(applied(&["-O0", "--enable", "remove-identity,merge-duplicates"]).len(), 2);
    assert!(!applied(&["--disable", "remove-identity"]).contains(&"remove-identity".to_owned()));
    assert_eq!(applied(&["--pass-limit", "1"]).len(), 1);
    assert!(applied(&["--pass-limit", "0"]).is_empty());
}

#[test]
fn the_text_after_every_change_is_dumped() {
    let place = Place::new();
    place.run(&with(&["--dump-ir", "dump", "--verify-each", "--json"])).json();
    let mut names: Vec<String> = fs::read_dir(place.path("dump"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names[..2], ["00-input.onnxtxt", "01-remove-identity.onnxtxt"]);
    let text = |name: &str| fs::read_to_string(place.path("dump").join(name)).unwrap();
    assert!(text(&names[0]).contains("Identity") && !text(&names[1]).contains("Identity"));
}

#[test]
fn an_older_output_is_replaced_and_nothing_else_is_left() {
    let place = Place::new();
    fs::write(place.path("out.onnx"), b"old").unwrap();
    assert_eq!(place.run(&with(&["-q"])).code, 0);
    assert_eq!(place.names(), ["m.onnx", "out.onnx"]);
    assert_ne!(read(&place.path("out.onnx")), b"old");
}

#[test]
fn standard_streams_take_and_give_models() {
    let place = Place::new();
    place.run(&with(&["--no-verify", "-q"]));
    let mut child = place
        .command(&["optimize", "-", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&read(&place.path("m.onnx"))).unwrap();
    let done = child.wait_with_output().unwrap();
    let talk = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && talk.contains("proved"), "{talk}");
    assert_eq!(done.stdout, read(&place.path("out.onnx")));
}

#[test]
fn weights_move_to_a_data_file_and_back() {
    let place = Place::new();
    let many = (0..1000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    place.model(
        "w.onnx",
        &format!(
            "<ir_version: 8, opset_import: [\"\" : 17]> g (float[1000] x) => (float[1000] y) <float[1000] w = {{{many}}}> {{ y = Add (x, w) }}"
        ),
    );
    let report = place
        .run(&["optimize", "w.onnx", "-o", "apart.onnx", "--external-data", "separate", "--json"])
        .json();
    let data: Vec<String> = place.names().into_iter().filter(|n| n.ends_with(".data")).collect();
    assert_eq!(data.len(), 1, "{:?}", place.names());
    let bytes = |name: &str| fs::metadata(place.path(name)).unwrap().len();
    assert_eq!(report["bytes"]["after"], bytes("apart.onnx") + bytes(&data[0]));
    let back = ["optimize", "apart.onnx", "-o", "back.onnx", "--external-data", "inline", "--json"];
    let report = place.run(&back).json();
    assert_eq!(report["bytes"]["before"], bytes("apart.onnx") + bytes(&data[0]));
    assert_eq!(read(&place.path("back.onnx")), read(&place.path("w.onnx")));
}

#[test]
fn a_model_that_nothing_can_run_is_written_unproven_unless_proof_is_required() {
    let place = Place::new();
    place.model(
        "odd.onnx",
        "<ir_version: 8, opset_import: [\"\" : 17, \"some.where\" : 1]>
         g (float[4] x) => (float[4] y) { a = Identity (x) y = some.where.Odd (a) }",
    );
    let refused = place.run(&["optimize", "odd.onnx", "-o", "out.onnx", "--require-proof"]);
    assert_eq!((refused.code, place.names().len()), (3, 2), "{}", refused.err);
    assert!(refused.err.contains("could not be proved"), "{}", refused.err);
    let report = place.run(&["optimize", "odd.onnx", "-o", "out.onnx", "--json"]).json();
    assert_eq!((&report["parity"]["status"], &report["written"]), (&"unproven".into(), &true.into()));
    assert!(report["parity"]["reason"].as_str().unwrap().contains("cannot be run"), "{report}");
    assert_eq!(place.names(), ["m.onnx", "odd.onnx", "out.onnx"]);
}

#[test]
fn a_skipped_proof_is_called_so() {
    let report = Place::new().run(&with(&["--no-verify", "--json"])).json();
    assert_eq!(report["parity"]["status"], "skipped");
}

#[test]
fn a_closed_reader_is_no_failure() {
    let place = Place::new();
    let mut child = place.command(&["inspect", "m.onnx", "--text"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_the_old_file_and_nothing_else() {
    let place = Place::new();
    // A loop of many steps, so that the signal finds it at work.
    place.model(
        "slow.onnx",
        "<ir_version: 8, opset_import: [\"\" : 17]>
         g (float[300, 300] x) => (float[300, 300] y) <int64 n = {1000000000}, bool t = {1}>
         { y = Loop (n, t, x) <body = b (int64 i, bool c, float[300, 300] s) => (bool c2, float[300, 300] s2)
           { c2 = Identity (c) s2 = MatMul (s, s) }> }",
    );
    fs::write(place.path("out.onnx"), b"old").unwrap();
    let mut child = place.command(&["optimize", "slow.onnx", "-o", "out.onnx"]).spawn().unwrap();
    while !place.names().iter().any(|n| n.ends_with(".tmp")) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it wrote anything");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(place.names(), ["m.onnx", "out.onnx", "slow.onnx"]);
    assert_eq!(read(&place.path("out.onnx")), b"old");
}

#[cfg(unix)]
#[test]
fn a_new_file_is_as_private_as_the_user_wants() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let script = "umask 077 && exec \"$0\" optimize m.onnx -o out.onnx --no-verify --quiet";
    let mut shell = std::process::Command::new("sh");
    let status = shell
        .args(["-c", script, env!("CARGO_BIN_EXE_onnxpress")])
        .current_dir(place.path("."))
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(fs::metadata(place.path("out.onnx")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn inferred_types_are_written_only_where_asked_for_and_declared_ones_are_kept() {
    let place = Place::new();
    let text = r#"<ir_version: 10, opset_import: ["" : 20]>
g (float[n, 4] x, bool c) => (float[n, 4] y) <float[k, 4] declared>
{
    declared = Neg (x)
    inner = Exp (declared)
    y = If (c) <
        then_branch = t () => (float[n, 4] a) { nested = Sin (inner) a = Cos (nested) },
        else_branch = e () => (float[n, 4] b) { b = Tanh (inner) }
    >
}
"#;
    place.model("m.onnx", text);
    let types = |file: &str| {
        let model = onnxpress::io::load(place.path(file)).unwrap().model;
        let found =
            |name| model.graph.value_ids().map(|v| model.graph.value(v)).find(|v| &**v.name() == name);
        ["declared", "inner", "nested"].map(|n| found(n).unwrap().declared().map(ToString::to_string))
    };
    let declared = Some("float[k,4]".to_owned());
    let inferred = Some("float[n,4]".to_owned());
    assert_eq!(place.run(&with(&[])).code, 0);
    assert_eq!(types("out.onnx"), [declared.clone(), None, None]);
    let ran = place.run(&with(&["--enable", "declare-shapes", "--json"])).json();
    assert_eq!(types("out.onnx"), [declared, inferred.clone(), inferred]);
    assert_eq!(ran["parity"]["status"], "passed");

    let first = read(&place.path("out.onnx"));
    place.run(&["optimize", "out.onnx", "-o", "again.onnx", "--enable", "declare-shapes"]);
    assert!(read(&place.path("again.onnx")) == first, "a second run writes other types");
}
