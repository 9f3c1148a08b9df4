//! Results that differ: exit code 3, what differs first and what made it, and nothing written unless forced.

use super::{MODEL, Place, read};

/// The sine of a million times a GELU: it turns the rounding that the fusion changes into a difference that no tolerance
/// covers. Only integers go in and nothing is rounded inside, so that the model has no noise of its own.
const WAVES: &str = r#"<ir_version: 9, opset_import: ["" : 20]>
g (int64[n] x) => (float[n] y)
<float two = {1.4142135}, float one = {1.0}, float half = {0.5}, float small = {0.01}, float large = {1000000.0}>
{
    c = Cast<to = 1> (x)
    f = Mul (c, small)
    same = Identity (f)
    d = Div (same, two)
    e = Erf (d)
    s = Add (e, one)
    m = Mul (same, s)
    [gelu] g = Mul (m, half)
    a = Mul (g, large)
    b = Abs (a)
    [fraction] y = Sin (b)
}
"#;

const OPTIMIZE: [&str; 4] = ["optimize", "waves.onnx", "-o", "out.onnx"];

fn place() -> Place {
    let place = Place::new();
    place.model("waves.onnx", WAVES);
    place
}

#[test]
fn nothing_is_written_and_the_pass_and_the_value_are_named() {
    let place = place();
    std::fs::write(place.path("out.onnx"), b"old").unwrap();
    let ran = place.run(&OPTIMIZE);
    assert_eq!((ran.code, place.names()), (3, ["m.onnx", "out.onnx", "waves.onnx"].map(String::from).into()));
    assert_eq!(read(&place.path("out.onnx")), b"old");
    for says in [
        "mismatch: ",
        "first difference: 'y' of Sin 'fraction': differs by ",
        "cause: fuse-gelu, change 2 of 2",
    ] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    assert!(ran.out.contains("nothing written") && ran.err.contains("--disable fuse-gelu"), "{}", ran.err);

    let without = place.run(&[&OPTIMIZE[..], &["--disable", "fuse-gelu", "-q"]].concat());
    assert_eq!(without.code, 0, "{}", without.err);
    let before = place.run(&[&OPTIMIZE[..], &["--pass-limit", "1", "-q"]].concat());
    assert_eq!(before.code, 0, "{}", before.err);
}

#[test]
fn force_writes_it_and_the_exit_code_still_tells() {
    let place = place();
    let ran = place.run(&[&OPTIMIZE[..], &["--force", "--json"]].concat());
    assert_eq!((ran.code, place.names()), (3, ["m.onnx", "out.onnx", "waves.onnx"].map(String::from).into()));
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let parity = &report["parity"];
    assert_eq!((&report["written"], &parity["status"]), (&true.into(), &"failed".into()));
    assert_eq!(
        parity["made_by"],
        serde_json::json!({ "pass": "fuse-gelu", "change": 2, "harmless": 1, "changes": 2 })
    );
    let first = &parity["first_divergence"];
    assert_eq!((&first["value"], &first["after"]), (&"y".into(), &"b".into()));
    assert!(first["max_abs"].as_f64().unwrap() > 1e-3, "{first}");
    let fused = place.run(&["inspect", "out.onnx"]);
    assert!(fused.out.contains("Gelu"), "{}", fused.out);
}

#[test]
fn standard_output_gets_no_model_that_differs() {
    let place = place();
    let ran = place.run(&["optimize", "waves.onnx", "-o", "-"]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{}", ran.err);
    assert!(ran.err.contains("cause: fuse-gelu"), "{}", ran.err);
}

#[test]
fn compare_names_the_first_value_that_differs() {
    let place = Place::new();
    place.model("other.onnx", &MODEL.replace("[second] c = Mul", "[second] c = Sub"));
    let ran = place.run(&["compare", "m.onnx", "other.onnx"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.out.contains("first difference: 'c' of Mul 'second': differs by "), "{}", ran.out);
    assert!(ran.out.contains("'b' before it agrees") && !ran.out.contains("cause: "), "{}", ran.out);
    let ran = place.run(&["compare", "m.onnx", "other.onnx", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let first = &report["parity"]["first_divergence"];
    assert_eq!(
        (&first["value"], &first["node"], &first["op"]),
        (&"c".into(), &"second".into(), &"Mul".into())
    );
    let same = place.run(&["compare", "m.onnx", "m.onnx", "--json"]).json();
    assert!(same["parity"]["first_divergence"].is_null() && same["parity"]["made_by"].is_null());
}
