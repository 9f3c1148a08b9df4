//! The commands that write no model.

use super::{Place, read};

#[test]
fn every_json_has_a_schema_version() {
    let place = Place::new();
    let commands: [&[&str]; 8] = [
        &["passes"],
        &["explain", "fuse-gelu"],
        &["inspect", "m.onnx"],
        &["inspect", "m.onnx", "--text"],
        &["diff", "m.onnx", "m.onnx"],
        &["compare", "m.onnx", "m.onnx"],
        &["bench", "m.onnx", "m.onnx", "--pairs", "1"],
        &["optimize", "m.onnx", "-o", "out.onnx"],
    ];
    for command in commands {
        let result = place.run(&[command, &["--json"]].concat()).json();
        assert_eq!(result["schema_version"], 1, "{command:?}");
    }
}

#[test]
fn inspect_counts() {
    let place = Place::new();
    let report = place.run(&["inspect", "m.onnx", "--json"]).json();
    assert_eq!((&report["nodes"], &report["ir_version"]), (&4.into(), &8.into()));
    assert_eq!(report["producer"], "maker 1.2");
    assert_eq!(report["inputs"][0], serde_json::json!({ "name": "x", "type": "float[n,4]" }));
    assert_eq!(report["ops"][0], serde_json::json!({ "op": "Mul", "count": 2 }));
    assert_eq!(report["weights"][0]["bytes"], 16);
    assert_eq!(report["bytes"], read(&place.path("m.onnx")).len());
    assert!(place.run(&["inspect", "m.onnx"]).out.contains("float[n,4]"));
}

#[test]
fn diff_shows_what_went() {
    let place = Place::new();
    place.run(&["optimize", "m.onnx", "-o", "out.onnx", "-q"]);
    let ran = place.run(&["diff", "m.onnx", "out.onnx"]);
    assert!(
        ran.code == 0 && ran.out.lines().any(|l| l.starts_with('-') && l.contains("Identity")),
        "{}",
        ran.out
    );
    let report = place.run(&["diff", "m.onnx", "out.onnx", "--json"]).json();
    assert!(report["same"] == false && report["removed"].as_u64() > report["added"].as_u64(), "{report}");
}

#[test]
fn compare_finds_a_difference_and_writes_every_report() {
    let place = Place::new();
    let other = super::MODEL.replace("{1, 2, 3, 4}", "{1, 2, 3, 5}");
    place.model("other.onnx", &other);
    assert_eq!(place.run(&["compare", "m.onnx", "m.onnx"]).code, 0);
    for (name, says) in [
        ("r.xml", "failures=\"1\""),
        ("r.json", "\"status\": \"failed\""),
        ("r.html", "class=\"differs\""),
        ("r.md", "failed"),
    ] {
        let ran = place.run(&["compare", "m.onnx", "other.onnx", "--report", name]);
        assert_eq!(ran.code, 3, "{}", ran.err);
        assert!(ran.out.contains("mismatch"), "{}", ran.out);
        let report = String::from_utf8(read(&place.path(name))).unwrap();
        assert!(report.contains(says), "{report}");
    }
    let ran = place.run(&["compare", "m.onnx", "m.onnx", "--report", "r.pdf"]);
    assert!(ran.code == 1 && ran.err.contains(".html"), "{}", ran.err);
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = Place::new().run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("optimize"), "{shell}");
    }
}

#[test]
fn colors_are_for_terminals_or_on_demand() {
    let place = Place::new();
    assert!(!place.run(&["passes"]).out.contains('\x1b'));
    assert!(place.run(&["passes", "--color", "always"]).out.contains('\x1b'));
    let plain = place.command(&["passes"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!plain.stdout.contains(&0x1b));
}

#[test]
fn the_long_version_names_the_runtimes() {
    let place = Place::new();
    let long = place.run(&["--version"]).out;
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, concat!("onnxpress ", env!("CARGO_PKG_VERSION"))));
    assert!(
        lines[1].starts_with("runtimes: ONNX Runtime 1.") && lines[1].contains("(ORT_DYLIB_PATH: /"),
        "{long}"
    );
    let tract = if cfg!(feature = "tract") { "tract 0." } else { "tract not compiled in" };
    assert!(lines[1].contains(tract), "{long}");
    assert_eq!(place.run(&["-V"]).out.lines().collect::<Vec<_>>(), [lines[0]]);

    let mut wrong = place.command(&["--version"]);
    let wrong = wrong.env("ORT_DYLIB_PATH", place.path("none.so")).output().unwrap();
    let text = String::from_utf8(wrong.stdout).unwrap();
    assert!(wrong.status.success() && text.contains("ONNX Runtime cannot be used: "), "{text}");
}

#[test]
fn names_in_a_model_do_not_command_the_terminal() {
    let place = Place::new();
    let model = |input: &str| {
        format!(
            r#"<ir_version: 8, opset_import: ["" : 17]> g (float[2] {input}) => (y) {{ y = Relu ("a\x1b[2Jb") }}"#
        )
    };
    place.model("m.onnx", &model(r#""a\x1b[2Jb""#));
    let shown = place.run(&["inspect", "m.onnx", "--color", "always"]);
    assert!(shown.code == 0 && shown.out.contains("a\\u{1b}[2Jb"), "{}", shown.out);
    assert!(!shown.out.contains("\u{1b}[2J"));
}
