//! The textual syntax: what is printed is read back as the same model.

mod corpus;
mod property;

use onnxpress::ir::Model;
use onnxpress::text::{PrintOptions, diff, parse_model, print_model};

fn print(model: &Model) -> String {
    print_model(model, PrintOptions::default())
}

/// Reads a text, prints it, reads that, and gives back what was printed both times.
fn round(text: &str) -> String {
    let first = print(&parse_model(text).unwrap_or_else(|e| panic!("{e}\n{text}")));
    let second = print(&parse_model(&first).unwrap_or_else(|e| panic!("{e}\n{first}")));
    assert_eq!(first, second);
    first
}

const EVERYTHING: &str = r#"
# a comment
<ir_version: 10, opset_import: ["" : 20, "com.microsoft" : 1], producer_name: "p \"q\"", producer_version: "1",
 domain: "d", model_version: 3, doc_string: "two
lines", metadata_props: ["k": "v", "": ""]>
"main graph" (float[N,"N+1",?] x, bool cond, seq(optional(int64[])) s, float[2] w = {1, 2}, untyped, float[K] d = float[1] {3})
    => (float[N,"N+1",?] "a/b::1", float[2] w)
<
    float h = {-0},
    float16[3] half = {15360, 1.0, -1e-3},
    int4[3] nibbles = {-8, 7, 1},
    float6e2m3[3] six = {63, 0, 1},
    bool[2] flags = {1, 0},
    uint64[1] big = {18446744073709551615},
    int64[1] low = {-9223372036854775808},
    complex64[2] z = {1, 2, nan, -inf},
    string[2] texts = {"a\"b", "\xff\\"},
    float8e4m3fn[0] none = {},
    double[1] tiny = {5e-324},
    float[N] t,
    float[64] noise = random(1),
    int32[3,2] indices = random(2, 0, 10),
    bfloat16[2] ones = fill(1)
>
{
    [n] t, "" = Custom <a = 1, b = 2.5, c = "s", d = [1, 2], e: floats = [1, 2], f: ints = [], g = ["x"],
        h = float[2] {1, 2}, i = float[2] other = {1, 2}, j: type_protos = [float[N], map(string, float)],
        k = seq(float[]), l = [float {1}, int64[0] {}], m = nan, n = -inf, o: float = 3, float = float16,
        p = sparse_tensor(float[9]) (int64[2] {1, 4}, float[2] {5, 6}), "odd name" = -7> (x, "", h, )
    "a/b::1" = If (cond) <then_branch = g () => (float y) <float inner = {1}> { y = Add(t, inner) },
        else_branch = "g 2" () => (y) { y = Later(z2)  z2 = Neg(u) }>
    u = a.b.Op:v1 (t)
    only = Split <bodies = [p () => (q) { q = Neg(u) }, "r" () => (u) {}]> ()
     = Sink (u)
    odd = "dom-ain"."my op" (,u)
}
<domain: "local", opset_import: ["" : 20], overload: "v", doc_string: "f">
fun <alpha, beta: float = 1.0, body = b (float i) => (i) {}> (p, float[2] q) => (r)
{ r = Scale <alpha: float = @alpha> (p, q) }
"#;

#[test]
fn everything_comes_back() {
    let text = round(EVERYTHING);
    for piece in [
        "producer_name: \"p \\\"q\\\"\"",
        "metadata_props: [\"k\": \"v\", \"\": \"\"]",
        "float[2] w = {1, 2}",
        "d = float[1] {3}",
        "float16[3] half = {15360, 15360, 37913}",
        "int4[3] nibbles = {-8, 7, 1}",
        "uint64[1] big = {18446744073709551615}",
        "int64[1] low = {-9223372036854775808}",
        "complex64[2] z = {1, 2, nan, -inf}",
        "string[2] texts = {\"a\\\"b\", \"\\xff\\\\\"}",
        "double[1] tiny = {5e-324}",
        "[n] t, \"\" = Custom",
        "e: floats = [1, 2], f: ints = []",
        "o = 3.0, float = float16,",
        "p = sparse_tensor(float[9]) (int64[2] {1, 4}, float[2] {5, 6})",
        "then_branch = g () => (float y)",
        "else_branch = \"g 2\" () => (y)",
        "a.b.Op:v1 (t)",
        "odd = \"dom-ain\".\"my op\" (\"\", u)",
        "fun <alpha, beta = 1.0, body = b (float i) => (float i)",
        "alpha: float = @alpha",
    ] {
        assert!(text.contains(piece), "{piece} is not in\n{text}");
    }
}

#[test]
fn random_weights_are_the_same_everywhere() {
    let text =
        round("g () => (w) <float[3] w = random(7), int64[4] i = random(7, 0, 5), uint8[2] f = fill(3)> {}");
    assert!(text.contains("uint8[2] f = {3, 3}"), "{text}");
    let again =
        round("g () => (w) <float[3] w = random(8), int64[4] i = random(7, 0, 5), uint8[2] f = fill(3)> {}");
    assert_ne!(text, again);
}

#[test]
fn an_old_model_lists_initializers_as_inputs() {
    let text = "<ir_version: 3, opset_import: [\"\" : 7]> g (float[2] x, float[2] w = {1, 2}) => (y) { y = Add(x, w) }";
    let model = parse_model(text).unwrap();
    assert_eq!(model.graph.root().inputs().len(), 1);
    assert!(round(text).contains("g (float[2] x, float[2] w = {1, 2}) => (y)"));
    let as_onnx_prints =
        "<ir_version: 8> g (float[2] x, float[2] w) => (y) <float[2] w = {1, 2}> { y = Add(x, w) }";
    assert!(round(as_onnx_prints).contains("float[2] w = {1, 2}) => (y)"));
}

#[test]
fn errors_name_line_and_column() {
    for (text, want) in [
        ("", "1:1: expected the name of a graph"),
        ("g (x) => (y) {\n  y = Add(x, zz)\n}", "2:14: nothing here is named 'zz'"),
        ("g (x) => (y) { y = Add(x) y = Add(x) }", "1:27: 'y' is defined twice"),
        ("g (x) => (y) { y = Add<a = []>(x) }", "1:28: an empty list needs a kind"),
        ("g (x) => (y) { y = Add<a = @b>(x) }", "1:28: a reference needs a kind"),
        ("g (x) => (y) { y = Add<a = 1, a = 2>(x) }", "1:31: the attribute 'a' is there twice"),
        ("g (x) => (y) { y = Add<a = [1, \"b\"]>(x) }", "do not make a list of the kind 'ints'"),
        (
            "g (x) => (y) { y = Add<a: int = 1.5>(x) }",
            "expected a value of the kind stated, found one of float",
        ),
        ("g (x) => (x) <float[3] w = {1, 2}> {}", "needs 12 bytes and has 8"),
        ("g (x) => (x) <float[N] w = {1, 2}> {}", "sizes that are numbers"),
        ("g (x) => (x) <float[99999,99999] w = random(1)> {}", "no more than"),
        ("g (x) => (x) <int8[1] w = {128}> {}", "128 does not fit int8"),
        ("g (x) => (x) <float[2] w = [\"location\": \"f\"]> {}", "external data"),
        ("g (x) => (x) <float[2] w = {1, ... 2 in all}> {}", "left out"),
        ("<color: 1> g (x) => (x) {}", "no 'color' in the head"),
    ] {
        let error = parse_model(text).unwrap_err();
        assert!(error.message().contains(want), "{text}\n{error}");
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let bodies = "g () => (x) { x = If <b = ".repeat(5000);
    let types = format!("g ({}", "seq(".repeat(100_000));
    for text in [bodies, types] {
        let error = parse_model(&text).unwrap_err();
        assert!(error.message().contains("nested deeper"), "{error}");
    }
}

#[test]
fn a_short_text_does_not_ask_for_much_memory() {
    let weights: Vec<String> = (0..2000).map(|i| format!("float[9999999] w{i} = fill(1)")).collect();
    let error = parse_model(&format!("g (x) => (x) <{}> {{}}", weights.join(", "))).unwrap_err();
    assert!(error.message().contains("no more than"), "{error}");
}

#[test]
fn what_is_read_can_be_written_and_read_again() {
    let depth = (1..200).rev().find_map(|depth| {
        let text = format!(
            "g (bool c) => (y) {{ y = {}Relu (c){} }}",
            "If <then_branch = b () => (x) { x = ".repeat(depth),
            "}> (c)".repeat(depth)
        );
        Some((depth, parse_model(&text).ok()?))
    });
    let (depth, model) = depth.unwrap();
    assert!(depth > 20, "{depth}");
    onnxpress::io::load_bytes(onnxpress::io::to_bytes(&model).unwrap()).unwrap();
}

#[test]
fn a_type_declared_in_a_body_is_not_that_of_an_outer_value() {
    let text = "g (float[2] x, bool c) => (y) {
        h = Neg (x)
        y = If (c) <then_branch = b () => (z) <float[7] h> { z = Abs (h) }, else_branch = e () => (h) {}> }";
    let model = parse_model(text).unwrap();
    let mut values = model.graph.value_ids().map(|v| model.graph.value(v));
    assert!(values.find(|v| &**v.name() == "h").unwrap().declared().is_none());
}

#[test]
fn names_that_clash_are_changed() {
    use onnxpress::ir::{Attr, NewNode, NewOutput, OpId, RegionId};
    let mut model = Model::new(20);
    let g = &mut model.graph;
    let x = g.add_input(RegionId::ROOT, "x", None);
    let body = g.add_region();
    let inner = g.add_node(body, NewNode::new(OpId::onnx("Neg"), vec![Some(x)], vec![NewOutput::named("x")]));
    let inner = g.node(inner).outputs()[0];
    g.add_output(body, inner);
    let holder = NewNode::new(OpId::onnx("If"), vec![Some(x)], vec![NewOutput::default()]);
    let holder = g.add_node(RegionId::ROOT, holder.attr("then_branch", Attr::Region(body)));
    let y = g.node(holder).outputs()[0];
    g.add_output(RegionId::ROOT, y);
    let text = print(&model);
    assert!(text.contains("x_1 = Neg (x)") && text.contains("value = If (x)"), "{text}");
    assert_eq!(round(&text), text);
}

#[test]
fn large_tensors_are_abbreviated_when_asked() {
    let model = parse_model("g () => (w) <float[100] w = fill(1), float[2] v = {1, 2}> {}").unwrap();
    let text = print_model(&model, PrintOptions { elide: Some(8), digest: true });
    assert!(text.contains("float[100] w = {1, 1, 1, 1, ... 100 in all, sha256 "), "{text}");
    assert!(text.contains("float[2] v = {1, 2}"), "{text}");
}

#[test]
fn a_diff_shows_what_changed() {
    let before = "<opset_import: [\"\" : 18]> g (float[2] x) => (y) <float[100] w = fill(1)> { t = Identity(x) y = Add(t, w) }";
    let after =
        "<opset_import: [\"\" : 20]> g (float[2] x) => (y) <float[100] w = fill(2)> { y = Add(x, w) }";
    let (before, after) = (parse_model(before).unwrap(), parse_model(after).unwrap());
    assert!(diff(&before, &before).is_empty());
    let shown = diff(&before, &after).to_string();
    for piece in [
        "opset ai.onnx: 18 -> 20",
        "nodes: 2 -> 1",
        "  Identity: 1 -> 0",
        "initializers: 1 -> 1",
        "-    t = Identity (x)",
        "-    y = Add (t, w)",
        "+    y = Add (x, w)",
        "+    float[100] w = {2, 2, 2, 2, ... 100 in all, sha256 ",
    ] {
        assert!(shown.contains(piece), "{piece} is not in\n{shown}");
    }
    assert!(!shown.contains("  Add: "), "{shown}");
}
