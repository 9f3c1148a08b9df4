//! `targets` and `check`: what they print, and their exit codes.

use super::Place;
use serde_json::json;

const NONZERO: &str = r#"<ir_version: 8, opset_import: ["" : 17]>
g (float[2, 3] x) => (int64[2, n] y)
{
    [where] y = NonZero (x)
}
"#;

const BODY: &str = r#"<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
g (bool c, double[4] x) => (double[4] y)
{
    y = If (c) <then_branch = t () => (double[4] a) { [inner] a = Relu (x) },
                else_branch = e () => (double[4] b) { b = local.f (x) }>
}
<opset_import: ["" : 17], domain: "local">
f (v) => (w)
{
    [called] w = Det (v)
}
"#;

const QUANTIZED: &str = r#"<ir_version: 8, opset_import: ["" : 17]>
g (float[2, 3] x) => (float[2, 3] y)
<float s = {0.5}, float zero = {0}, uint8 z = {3}>
{
    [bare] a = QuantizeLinear (x, s)
    [unsigned] b = DequantizeLinear (a, s, z)
    [flat] c = QuantizeLinear (b, zero, z)
    y = DequantizeLinear (c, s, z)
}
"#;

/// An LSTM in one branch of an `If` that names these outputs, of which the branch reads one.
fn in_a_branch(condition: &str, outputs: &str, returned: &str) -> String {
    format!(
        r#"<ir_version: 8, opset_import: ["" : 16]>
g (bool c, float[5,1,8] x, float[1,1,8] q) => (float[a,b,d] y)
<float[1,32,8] w = random(1), float[1,32,8] r = random(2), bool always = {{1}}, int64[1] axis = {{0}}>
{{
    y = If ({condition}) <
        then_branch = t () => (float[a,b,d] s) {{ [recurrent] {outputs} = LSTM <hidden_size = 8> (x, w, r) s = ReduceSum <keepdims = 0> ({returned}, axis) }},
        else_branch = e () => (float[a,b,d] z) {{ z = Relu (q) }}
    >
}}
"#
    )
}

#[test]
fn recurrent_nodes_in_a_branch_are_refused_where_only_their_last_step_is_read() {
    let place = Place::new();
    for (condition, outputs, returned, target, refused) in [
        ("c", "\"\", h", "h", "tensorrt-rtx", true),
        ("c", "all, h", "h", "tensorrt-rtx", true),
        ("c", "\"\", h, l", "l", "tensorrt-rtx", true),
        ("c", "all", "all", "tensorrt-rtx", false),
        ("c", "all, h", "all", "tensorrt-rtx", false),
        ("always", "\"\", h", "h", "tensorrt-rtx", false),
        ("c", "\"\", h", "h", "ort-cpu", false),
    ] {
        place.model("branch.onnx", &in_a_branch(condition, outputs, returned));
        let ran = place.run(&["check", "branch.onnx", "--target", target]);
        let expected = if refused { 3 } else { 0 };
        assert_eq!(ran.code, expected, "{condition}, {outputs}, {target}: {}{}", ran.out, ran.err);
        assert_eq!(ran.out.contains("recurrent"), refused, "{}", ran.out);
    }
}

#[test]
fn both_directions_have_the_same_activations_for_tensorrt() {
    let place = Place::new();
    for (direction, activations, refused) in [
        ("bidirectional", r#""Sigmoid", "Tanh", "Sigmoid", "Relu""#, true),
        ("bidirectional", r#""Sigmoid", "Relu", "Sigmoid", "Relu""#, false),
        ("forward", r#""Sigmoid", "Relu""#, false),
    ] {
        let directions = if direction == "forward" { 1 } else { 2 };
        let text = format!(
            r#"<ir_version: 8, opset_import: ["" : 17]>
g (float[5,1,3] x, float[{directions},6,3] w, float[{directions},6,2] r) => (float[5,{directions},1,2] y)
{{
    y = GRU <hidden_size = 2, direction = "{direction}", activations = [{activations}]> (x, w, r)
}}
"#
        );
        place.model("gru.onnx", &text);
        for target in ["tensorrt", "tensorrt-rtx"] {
            let ran = place.run(&["check", "gru.onnx", "--target", target]);
            assert_eq!(ran.code == 3, refused, "{activations}: {}{}", ran.out, ran.err);
        }
    }
}

#[test]
fn activations_are_named_as_tensorrt_reads_them() {
    let place = Place::new();
    for (op, gates, activations, target, refused) in [
        ("RNN", 1, r#""tanh""#, "tensorrt-rtx", true),
        ("RNN", 1, r#""Affine""#, "tensorrt-rtx", true),
        ("RNN", 1, r#""ScaledTanh""#, "tensorrt-rtx", false),
        ("GRU", 3, r#""Sigmoid", "tanh""#, "tensorrt", true),
        ("GRU", 3, r#""HardSigmoid", "Softsign""#, "tensorrt", false),
        ("LSTM", 4, r#""sigmoid", "tanh", "tanh""#, "tensorrt-rtx", true),
        ("LSTM", 4, r#""sigmoid", "tanh", "tanh""#, "ort-cpu", false),
        ("LSTM", 4, r#""Sigmoid", "Elu", "Relu""#, "tensorrt-rtx", false),
    ] {
        let text = format!(
            r#"<ir_version: 8, opset_import: ["" : 17]>
g (float[5,1,3] x, float[1,{0},3] w, float[1,{0},2] r) => (float[5,1,1,2] y)
{{
    y = {op} <hidden_size = 2, activations = [{activations}]> (x, w, r)
}}
"#,
            2 * gates
        );
        place.model("recurrent.onnx", &text);
        let ran = place.run(&["check", "recurrent.onnx", "--target", target]);
        assert_eq!(ran.code == 3, refused, "{op} {activations}: {}{}", ran.out, ran.err);
        assert!(!refused || ran.out.contains("none of its parser's"), "{}", ran.out);
        assert!(
            !refused || ran.out.contains("for others export the layer as single operators"),
            "{}",
            ran.out
        );
    }
}

/// Bytes that rows are picked from, sums of them, and what they become in the end.
fn picked(fed: &str, constant: &str, dtype: &str, last: &str) -> String {
    format!(
        r#"<ir_version: 8, opset_import: ["" : 17]>
g (int64[2,3] i{fed}) => ({dtype}[2,3,4] y)
<{constant}>
{{
    a = Gather (t, i)
    [turned] b = Transpose <perm = [0, 1, 2]> (a)
    y = {last} (b)
}}
"#
    )
}

#[test]
fn constants_of_bytes_count_as_tensorrt_holds_them() {
    const TABLE: &str = "uint8[3,4] t = {200, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255}";
    let place = Place::new();
    for (fed, constant, dtype, last, refused) in [
        ("", TABLE, "float", "Cast <to = 1>", None),
        (", uint8[3,4] t", "float z = {0}", "float", "Cast <to = 1>", Some("not uint8")),
        ("", TABLE, "uint8", "Identity", Some("which it holds as int32")),
    ] {
        place.model("t.onnx", &picked(fed, constant, dtype, last));
        let args = ["check", "t.onnx", "--target", "tensorrt-rtx"];
        let ran = place.run(&args);
        let expected = if refused.is_some() { 3 } else { 0 };
        assert_eq!(ran.code, expected, "{last}: {}{}", ran.out, ran.err);
        assert!(refused.is_none_or(|why| ran.out.contains(why)), "{}", ran.out);
    }
}

#[test]
fn targets_are_listed_and_shown() {
    let place = Place::new();
    let list = place.run(&["targets", "--json"]).json();
    let ids: Vec<&str> =
        list["targets"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["onnx", "ort-cpu", "ort-cuda", "tensorrt", "tensorrt-rtx"]);
    let page = place.run(&["targets", "ort-cpu@1.17", "--json"]).json();
    assert_eq!((&page["version"], &page["opset"]), (&json!("1.17"), &json!([1, 20])));
    assert!(page["rows"].as_array().unwrap().len() > 300);
    assert!(place.run(&["targets", "tensorrt"]).out.contains("demands beyond types"));
    let unknown = place.run(&["targets", "tensorrt@7"]);
    assert!(unknown.code == 2 && unknown.err.contains("versions of tensorrt: 8.5"), "{}", unknown.err);
}

#[test]
fn what_is_refused_ends_with_3_and_what_is_taken_with_0() {
    let place = Place::new();
    place.model("nonzero.onnx", NONZERO);
    for target in ["onnx", "ort-cpu", "ort-cuda", "tensorrt"] {
        let ran = place.run(&["check", "nonzero.onnx", "--target", target]);
        assert_eq!(ran.code, 0, "{target}: {}{}", ran.out, ran.err);
    }
    let ran = place.run(&["check", "nonzero.onnx", "--target", "tensorrt-rtx", "--json"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&report["taken"], &report["target"]), (&json!(false), &json!("tensorrt-rtx@1.7")));
    let finding = &report["findings"][0];
    for (field, value) in [("node", "where"), ("op", "NonZero"), ("verdict", "refused")] {
        assert_eq!(finding[field], value, "{finding}");
    }
    for field in ["reason", "source"] {
        assert!(finding[field].is_string(), "{field}: {finding}");
    }
    let human = place.run(&["check", "nonzero.onnx", "--target", "tensorrt-rtx"]);
    assert!(human.code == 3 && human.out.contains("  at: where\n"), "{}", human.out);
}

#[test]
fn bodies_and_functions_are_looked_at_and_a_warning_is_no_refusal() {
    let place = Place::new();
    place.model("body.onnx", BODY);
    let ran = place.run(&["check", "body.onnx", "--target", "tensorrt", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let found: Vec<(&str, &str)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["node"].as_str().unwrap(), f["verdict"].as_str().unwrap()))
        .collect();
    assert!(found.contains(&("inner", "retyped")) && found.contains(&("called", "refused")), "{report}");
    assert_eq!(ran.code, 3);
    place.model("warned.onnx", &BODY.replace("Det", "Relu"));
    assert_eq!(place.run(&["check", "warned.onnx", "--target", "tensorrt"]).code, 0);
}

#[test]
fn versions_of_the_file_count_too() {
    let place = Place::new();
    place.model("new.onnx", &NONZERO.replace("17", "21"));
    let old = place.run(&["check", "new.onnx", "--target", "ort-cpu@1.17"]);
    assert!(old.code == 3 && old.out.contains("the model has opset 21"), "{}", old.out);
    assert_eq!(place.run(&["check", "new.onnx", "--target", "ort-cpu@1.18"]).code, 0);
}

#[test]
fn quantization_that_only_onnx_allows_is_named() {
    let place = Place::new();
    place.model("q.onnx", QUANTIZED);
    let ran = place.run(&["check", "q.onnx", "--target", "tensorrt"]);
    assert_eq!(ran.code, 3);
    for part in
        ["without a zero point", "quantized to uint8", "a scale is not above 0", "write the zero point"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert_eq!(place.run(&["check", "q.onnx", "--target", "ort-cpu"]).code, 0);
}

#[test]
fn optimize_ends_with_the_same_as_warnings() {
    let place = Place::new();
    place.model("nonzero.onnx", NONZERO);
    let ran =
        place.run(&["optimize", "nonzero.onnx", "-o", "out.onnx", "--target", "tensorrt-rtx@1.7", "--json"]);
    let report = ran.json();
    assert_eq!(report["recipe"]["step"][0]["target"], "tensorrt-rtx@1.7");
    let diags = report["diags"].as_array().unwrap();
    let warning = diags.iter().find(|d| d["code"] == "target-refuses").unwrap();
    assert_eq!((&warning["severity"], &warning["at"]), (&json!("warning"), &json!("where")));
}

#[test]
fn a_compiler_that_is_not_there_is_an_error_that_says_what_to_install() {
    let place = Place::new();
    for python in ["no-such-python", env!("CARGO_BIN_EXE_onnxpress")] {
        let ran = place.run(&["check", "m.onnx", "--target", "tensorrt-rtx", "--build", "--python", python]);
        if python == "no-such-python" {
            assert!(ran.code == 1 && ran.err.contains("tensorrt-rtx-cu13-libs"), "{}{}", ran.code, ran.err);
        } else {
            assert!(ran.code == 3 && ran.out.contains("crashed"), "{}{}", ran.code, ran.out);
        }
    }
    let none = place.run(&["check", "m.onnx", "--target", "onnx", "--build"]);
    assert!(none.code == 1 && none.err.contains("has no compiler"), "{}", none.err);
}

#[test]
fn what_optimize_writes_otherwise_is_named_as_the_fix() {
    let place = Place::new();
    place.model(
        "contrib.onnx",
        r#"<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
        g (float[n,4] x) => (float[n,4] y)
        <float[4,4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2}>
        {
            [gelu] h = com.microsoft.Gelu (x)
            [product] y = com.microsoft.FusedGemm <activation = "Sin"> (h, w)
        }"#,
    );
    let ran = place.run(&["check", "contrib.onnx", "--target", "tensorrt@10.9", "--json"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let fixes: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|f| (&f["node"], &f["fix"])).collect();
    let fix = json!("`onnxpress optimize --target tensorrt@10.9` writes it with standard operators");
    assert_eq!(fixes, [(&json!("gelu"), &fix), (&json!("product"), &json!(null))], "{report:#}");
}

#[test]
fn integers_are_summed_up_since_the_release_that_has_a_layer_for_it() {
    let place = Place::new();
    place.model(
        "positions.onnx",
        r#"<ir_version: 8, opset_import: ["" : 14]>
        g (int64[n,4] x) => (int64[n,4] y)
        <int64 axis = {1}>
        {
            y = CumSum (x, axis)
        }"#,
    );
    for (target, code) in [("tensorrt@10.6", 3), ("tensorrt@10.9", 0), ("tensorrt", 0), ("tensorrt-rtx", 0)] {
        let ran = place.run(&["check", "positions.onnx", "--target", target]);
        assert_eq!(ran.code, code, "{target}: {}{}", ran.out, ran.err);
    }
}
