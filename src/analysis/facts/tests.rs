//! Inference on small graphs.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::diag::Diags;
use crate::text::parse_model;

fn infer(text: &str) -> (Model, Facts, Diags) {
    let text = format!("<ir_version: 8, opset_import: [\"\" : 17, \"local\" : 1]>\n{text}");
    let mut model = parse_model(&text).unwrap_or_else(|e| panic!("{e:?}"));
    let (mut facts, mut diags) = (Facts::new(), Diags::new());
    facts.infer_model(&mut model, &mut diags);
    (model, facts, diags)
}

fn value(graph: &Graph, name: &str) -> ValueId {
    graph.value_ids().find(|&v| &**graph.value(v).name() == name).unwrap()
}

/// The inferred type in print, symbols of inference under the value's name.
fn shown(model: &Model, name: &str) -> String {
    let v = value(&model.graph, name);
    let text = model.graph.value(v).ty().map_or("nothing".to_owned(), ToString::to_string);
    text.replace(&format!("?v{}_", v.index()), &format!("{name}."))
}

#[test]
fn shape_tensors_are_followed() {
    let (model, facts, diags) = infer(
        "g (float[batch, seq, 768] x) => (float[?, ?, ?, ?] y)
         <int64[1] head = {64}, int64 one = {1}, int64 zero = {0}, int64[1] axis = {0}, int64[1] rest = {-1}> {
            s = Shape (x)
            b = Gather (s, zero)  t = Gather (s, one)
            b1 = Unsqueeze (b, axis)  t1 = Unsqueeze (t, axis)
            to = Concat <axis = 0> (b1, t1, rest, head)
            y = Reshape (x, to)
         }",
    );
    assert_eq!(shown(&model, "y"), "float[batch,seq,12,64]");
    let to = facts.elements(value(&model.graph, "to")).unwrap();
    assert_eq!(
        to.iter().map(|e| e.as_ref().unwrap().to_string()).collect::<Vec<_>>(),
        ["batch", "seq", "-1", "64"]
    );
    assert_eq!(facts.constant_elements(value(&model.graph, "to")), None);
    assert_eq!(facts.constant_elements(value(&model.graph, "rest")), Some(vec![-1]));
    assert!(diags.is_empty());
}

#[test]
fn arithmetic_on_sizes_is_exact() {
    let (model, ..) = infer(
        "g (float[n, c, h, w] x) => (float[?, ?, ?, ?] y)
         <int64[2] from = {2, 3}, int64[2] double = {2, 2}, int64[2] three = {3, 3}, int64[1] at = {0}, int64[1] two = {2}> {
            s = Shape (x)  hw = Gather (s, from)
            big = Mul (hw, double)  odd = Sub (big, three)  half = Div (big, double)
            same = Equal (half, hw)  sizes = Where (same, odd, hw)
            nc = Slice (s, at, two)
            all = Concat <axis = 0> (nc, sizes)
            y = Expand (one, all)  one = Constant <value_float = 1.0> ()
         }",
    );
    assert_eq!(shown(&model, "y"), "float[n,c,2*h - 3,2*w - 3]");
}

#[test]
fn pytorch_paddings_are_reordered() {
    let (model, facts, _) = infer(
        "g (float[n, 3] x) => (float[?, ?] y)
         <int64[4] pads = {1, 2, 3, 4}, int64[2] pairs = {-1, 2}, int64[1] axis = {0}, int64[1] start = {-1},
          int64[1] end = {-9223372036854775807}, int64[1] step = {-1}, int64[1] flat = {-1}> {
            p = Reshape (pads, pairs)  r = Slice (p, start, end, axis, step)
            t = Transpose <perm = [1, 0]> (r)  q = Reshape (t, flat)
            y = Pad (x, q)
         }",
    );
    assert_eq!(facts.constant_elements(value(&model.graph, "q")), Some(vec![3, 1, 4, 2]));
    assert_eq!(shown(&model, "y"), "float[n + 7,6]");
}

#[test]
fn branches_keep_what_they_agree_on() {
    let (model, ..) = infer(
        "g (bool c, float[n, 4] x) => (float[?, ?] y, float z) {
            y, z = If (c) <then_branch = a () => (p, p2) { p = Relu (x)  p2 = Flatten <axis = 0> (x) },
                           else_branch = b () => (q, q2) { q = Concat <axis = 0> (x, x)  q2 = ReduceSum <keepdims = 0> (x) }>
         }",
    );
    assert_eq!(shown(&model, "y"), "float[y.0,4]");
    assert_eq!(shown(&model, "z"), "float");
}

#[test]
fn a_constant_condition_takes_its_branch() {
    let (model, ..) = infer(
        "g (float[n, 4] x) => (float[?, ?] y) <bool yes = {1}> {
            y = If (yes) <then_branch = a () => (p) { p = Relu (x) },
                          else_branch = b () => (q) { q = Concat <axis = 0> (x, x) }>
         }",
    );
    assert_eq!(shown(&model, "y"), "float[n,4]");
}

const GROWING: &str = "g (float[n, 4] x, int64 m) => (float[?, ?] y, float[?, ?, ?] all, float[?, ?] kept)
    <int64 five = {5}, bool yes = {1}> {
        y, kept, all = Loop (five, yes, x, x) <body = b (int64 i, bool c, float[?, ?] grows, float[?, ?] stays)
            => (c2, more, same, row) {
                c2 = Identity (c)
                more = Concat <axis = 0> (grows, x)
                same = Relu (stays)
                row = Neg (stays)
            }>
    }";

#[test]
fn carried_shapes_are_widened_until_they_hold() {
    let (model, ..) = infer(GROWING);
    assert_eq!(shown(&model, "y"), "float[y.0,4]");
    assert_eq!(shown(&model, "kept"), "float[n,4]");
    assert_eq!(shown(&model, "all"), "float[5,n,4]");
}

#[test]
fn an_unknown_condition_leaves_the_count_open() {
    let (model, ..) = infer(&GROWING.replace("c2 = Identity (c)", "c2 = Not (c)"));
    assert_eq!(shown(&model, "all"), "float[all.0,all.1,4]");
}

#[test]
fn scans_slice_and_stack() {
    let (model, ..) = infer(
        "g (float[b] s, float[t, b] x) => (float[?] y, float[?, ?] z) {
            y, z = Scan <num_scan_inputs = 1, body = f (float[?] state, float[?] row) => (sum, out) {
                sum = Add (state, row)  out = Neg (sum) }> (s, x)
         }",
    );
    assert_eq!((shown(&model, "y"), shown(&model, "z")), ("float[b]".to_owned(), "float[t,b]".to_owned()));
}

#[test]
fn functions_are_inferred_for_each_call() {
    let (model, ..) = infer(
        "g (float[n, 4] x, int64[3] i) => (float[?] y, int64[?] z, float[?, ?] u, float[?, ?] v) {
            y = local.flat <axis = 0> (x)  z = local.flat <axis = 0> (i)
            u = local.found (x)  v = local.found (x)
         }
         <domain: \"local\", opset_import: [\"\" : 17]>
         flat <axis> (p) => (r) { s = Flatten <axis: int = @axis> (p)  a = Constant <value_ints = [0]> ()  r = Squeeze (s, a) }
         <domain: \"local\", opset_import: [\"\" : 17]>
         found (p) => (r) { q = NonZero (p)  r = Cast <to = 1> (q) }",
    );
    assert_eq!(shown(&model, "y"), "float[4*n]");
    assert_eq!(shown(&model, "z"), "int64[3]");
    assert_eq!(
        (shown(&model, "u"), shown(&model, "v")),
        ("float[2,u.1]".to_owned(), "float[2,v.1]".to_owned())
    );
    assert!(model.functions.iter().all(|f| f.graph.value_ids().all(|v| f.graph.value(v).ty().is_none())));
}

#[test]
fn declarations_inside_are_not_believed() {
    let (mut model, mut facts, diags) = infer(
        "g (float[n, 4] x) => (float[n, 5] y, int64[3] z) {
            y = Relu (x)  z = Unheard (x)
         }",
    );
    assert_eq!(shown(&model, "y"), "float[n,4]");
    assert_eq!(shown(&model, "z"), "int64");
    let codes: Vec<&str> = diags.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["wrong-declared-shape"]);
    let before = model.clone();
    facts.infer_model(&mut model, &mut Diags::new());
    for v in model.graph.value_ids() {
        assert_eq!(model.graph.value(v).ty(), before.graph.value(v).ty(), "inferring twice changes nothing");
    }
}

#[test]
fn wrong_shapes_are_corrected_at_the_border_and_dropped_inside() {
    let (mut model, ..) = infer(
        "g (float[n, 4] x) => (float[n] y, float[m, 5] z, float[k, 4] u) <float[3] w> {
            w = Relu (x)  y = Neg (w)  z = Abs (w)  u = Exp (w)
         }",
    );
    let mut diags = Diags::new();
    Facts::correct_declarations(&mut model, &mut diags);
    let declared = |name: &str| {
        let found = model.graph.value_ids().find(|&v| &**model.graph.value(v).name() == name).unwrap();
        model.graph.value(found).declared().map(ToString::to_string)
    };
    assert_eq!(declared("y").as_deref(), Some("float[n,4]"));
    assert_eq!(declared("z").as_deref(), Some("float[m,4]"));
    assert_eq!(declared("u").as_deref(), Some("float[k,4]"), "k may be n");
    assert_eq!(declared("w"), None);
    let codes: Vec<&str> = diags.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["wrong-output-shape", "wrong-output-shape", "wrong-inner-shape"]);
}

#[test]
fn sequences_with_unequal_elements_have_no_shape() {
    let (model, ..) = infer(
        "g (float[n] a, float[m] b, int64 i) => (float[?] y, float[?] z) {
            s = SequenceConstruct (a, b)  y = SequenceAt (s, i)
            t = SequenceConstruct (a, a)  z = SequenceAt (t, i)
         }",
    );
    assert_eq!((shown(&model, "s"), shown(&model, "y")), ("seq(float)".to_owned(), "float".to_owned()));
    assert_eq!(shown(&model, "z"), "float[n]");
}

#[test]
fn calls_in_circles_end() {
    let (model, ..) = infer(
        "g (float[n] x) => (float[?] y) { y = local.f (x) }
         <domain: \"local\", opset_import: [\"\" : 17, \"local\" : 1]>
         f (p) => (r) { q = local.f (p)  s = local.f (p)  r = Add (q, s) }",
    );
    assert_eq!(shown(&model, "y"), "float");
}

#[test]
fn floats_are_counted_where_both_precisions_agree() {
    let (model, ..) = infer(
        "g (float x) => (float[?] y, float[?] z)
         <float zero = {0}, float tenth = {0.1}, float more = {1.1}, float one = {1}> {
            y = Range (tenth, more, one)
            z = Range (zero, more, one)
         }",
    );
    assert_eq!([shown(&model, "y"), shown(&model, "z")], ["float[y.0]", "float[2]"]);
}

#[test]
fn an_empty_list_of_axes_is_not_settled() {
    let (model, ..) = infer(
        "g (float[1,3] x, float[2,3] w, int64[0] given) => (float[?] y, float[?] z, float[?] r, float[?] s)
         <int64[0] none = {}> {
            y = Squeeze (x, none)  z = Squeeze (x, given)
            r = ReduceSum <keepdims = 0> (x, given)  s = Squeeze (w, none)
         }",
    );
    assert_eq!(["y", "z", "r"].map(|name| shown(&model, name)), ["float"; 3]);
    assert_eq!(shown(&model, "s"), "float[2,3]");
}
