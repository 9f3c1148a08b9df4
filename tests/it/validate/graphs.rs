//! Small graphs judged by ONNX Runtime: random operators, branches, noise, stored inputs, the first divergence.

use crate::fixtures::{folder, onnx_runtime};
use onnxpress::data::{FeedSet, load};
use onnxpress::io;
use onnxpress::ir::Model;
use onnxpress::report::{Number, ParityReport, Status};
use onnxpress::rewrite::Exactness;
use onnxpress::runtime::{RunValue, Source};
use onnxpress::text::parse_model;
use onnxpress::validate::{Feeds, ProveOptions, Subject, localize, prove};

fn subject(model: &Model) -> Subject<'_> {
    Subject { model, source: Source::bytes(io::to_bytes(model).unwrap()) }
}

fn model(text: &str) -> Model {
    parse_model(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn judge(original: &str, candidate: &str) -> ParityReport {
    let (original, candidate) = (model(original), model(candidate));
    let options = ProveOptions::new(Exactness::Exact);
    prove(&subject(&original), &subject(&candidate), &options, onnx_runtime(), &mut |_| {}).unwrap().parity
}

#[test]
fn sizes_that_others_decide_are_found() {
    let text = "<ir_version: 8, opset_import: [\"\" : 15]>\n\
         g (float[b,past,4] before, float[c,now,4] x, float[a,total] mask) => (float[b,all,4] y)\n<int64[1] last = {-1}>\n\
         {\n u = Concat <axis = 1> (before, x) m = Unsqueeze (mask, last) y = Add (u, m)\n}";
    let v = judge(text, text);
    assert_eq!((v.status, v.cases), (Status::Passed, 3), "{:?}", v.reason);
    assert!(v.feeds.iter().any(|f| f == "a=2 b=2 c=2 now=32 past=24 total=56"), "{:?}", v.feeds);
}

#[test]
fn sizes_that_constants_insist_on_are_found() {
    let text = "<ir_version: 8, opset_import: [\"\" : 15]>\n\
         g (float[b,now] x, float[b,past] before) => (float[b,all] y)\n<int64[2] traced = {19, 2}>\n\
         {\n u = Concat <axis = 1> (before, x) w = ConstantOfShape (traced) v = MatMul (u, w) y = Concat <axis = 1> (v, x)\n}";
    let v = judge(text, text);
    assert_eq!((v.status, v.cases), (Status::Passed, 3), "{:?}", v.reason);
    let all = |feeds: &str| -> u64 {
        let sizes = feeds.split(' ').filter_map(|size| size.split_once('='));
        sizes.filter(|(name, _)| *name != "b").map(|(_, size)| size.parse::<u64>().unwrap()).sum()
    };
    assert!(v.feeds.iter().all(|feeds| all(feeds) == 19), "{:?}", v.feeds);
}

/// An input that is to be longer than two others together, which only sizes that are drawn are, beside something else.
fn drawn_sizes(inputs: &str, outputs: &str, constants: &str, nodes: &str) -> String {
    format!(
        "<ir_version: 8, opset_import: [\"\" : 15]>\n\
         g (float[now] x, float[total] mask, float[past] before, {inputs}) => (float[all] y, {outputs})\n\
         <int64 zero = {{0}}, int64 one = {{1}}, int64 many = {{5000}}, {constants}>\n\
         {{\n u = Concat <axis = 0> (before, x) n = Size (u) at = Range (zero, n, one)\n\
           m = Gather (mask, at) y = Add (u, m)\n{nodes}\n}}"
    )
}

/// A body that is never run adds constants of a length to `s`.
fn not_taken(length: &str, otherwise: &str) -> String {
    let nodes = format!(
        "k = Size (s) long = Greater (k, many)\n\
         q = If (long) <then_branch = t () => (float[i] a) {{ w = ConstantOfShape (traced) a = Add (s, w) }},\n\
         else_branch = e () => (float[j] c) {{ c = {otherwise} (s, s) }}>"
    );
    drawn_sizes("float[k] s", "float[k] q", &format!("int64[1] traced = {{{length}}}"), &nodes)
}

#[test]
fn sizes_of_constants_that_nothing_insists_on_spoil_no_proof() {
    let two = "w = ConstantOfShape (a) v = ConstantOfShape (b) c = Add (s, w) d = Add (s, v)\n\
               e = ReduceSum (d) q = Add (c, e)";
    let two = drawn_sizes("float[k] s", "float[17] q", "int64[1] a = {17}, int64[1] b = {19}", two);
    for text in [two, not_taken("512", "Add"), not_taken("200000000", "Add")] {
        let v = judge(&text, &text);
        assert_eq!((v.status, v.cases), (Status::Passed, 3), "{:?}\n{text}", v.reason);
    }
    let v = judge(&not_taken("0", "Add"), &not_taken("0", "Mul"));
    assert_eq!(v.status, Status::Failed, "{:?}", v.feeds);
}

/// Places of what exceeds a number.
fn places(above: &str, outputs: &str) -> String {
    format!(
        "<ir_version: 8, opset_import: [\"\" : 15]>\n\
         g (float[n,6] x) => (int64[2,found] at{outputs})\n<float bound = {{{above}}}>\n\
         {{\n s = Sigmoid (x) y = Greater (s, bound) at = NonZero (y)\n}}"
    )
}

#[test]
fn outputs_that_are_always_empty_prove_nothing() {
    let v = judge(&places("0.5", ""), &places("0.5", ""));
    assert_eq!((v.status, v.empty_outputs.len()), (Status::Passed, 0), "{:?}", v.reason);
    let v = judge(&places("2.0", ""), &places("3.0", ""));
    assert_eq!((v.status, &v.empty_outputs[..]), (Status::Unproven, &["at".to_owned()][..]));
    assert!(v.reason.as_ref().is_some_and(|why| why.contains("--inputs")), "{:?}", v.reason);
    let v = judge(&places("2.0", ", bool[n,6] y"), &places("3.0", ", bool[n,6] y"));
    assert_eq!((v.status, &v.empty_outputs[..]), (Status::Passed, &["at".to_owned()][..]));
    assert!(v.line().contains("at always empty"), "{}", v.line());
}

#[test]
fn sizes_that_must_exceed_a_sum_are_found() {
    let text = "<ir_version: 8, opset_import: [\"\" : 15]>\n\
         g (float[now] x, float[total] mask, float[past] before) => (float[all] y)\n\
         <int64 zero = {0}, int64 one = {1}>\n\
         {\n u = Concat <axis = 0> (before, x) n = Size (u) at = Range (zero, n, one)\n\
           m = Gather (mask, at) y = Add (u, m)\n}";
    let v = judge(text, text);
    assert_eq!((v.status, v.cases), (Status::Passed, 3), "{:?}", v.reason);
}

/// A graph with a random operator behind a factor, so that what is in front of it matters.
fn drawn(factor: &str, random: &str, output: &str) -> String {
    format!(
        "<ir_version: 8, opset_import: [\"\" : 15]>\n\
         g (float[n,6] x) => ({output} y)\n<float f = {{{factor}}}, float ratio = {{0.4}}, bool train = {{1}}>\n\
         {{\n u = Sigmoid (x)\n s = Mul (u, f)\n {random}\n}}"
    )
}

#[test]
fn random_operators_are_shared_and_what_feeds_them_is_still_judged() {
    for (random, output) in [
        ("r = RandomNormalLike (s) y = Add (r, s)", "float[n,6]"),
        ("r = RandomUniformLike <low = -1.0, high = 1.0> (s) y = Mul (r, s)", "float[n,6]"),
        ("r = RandomNormal <shape = [6]> () y = Add (r, s)", "float[n,6]"),
        ("y = Bernoulli (s)", "float[n,6]"),
        ("y = Multinomial <sample_size = 9> (s)", "int32[n,9]"),
        ("y = Dropout (s, ratio, train)", "float[n,6]"),
        ("y, kept = Dropout (s, ratio, train)", "float[n,6]"),
    ] {
        let (one, other) = (drawn("0.5", random, output), drawn("0.9", random, output));
        let v = judge(&one, &one);
        assert_eq!((v.status, v.shared_random), (Status::Passed, 1), "{random}: {:?}", v.reason);
        assert_eq!(judge(&one, &other).status, Status::Failed, "{random}");
    }
}

#[test]
fn branches_are_taken_in_nested_bodies_and_loops() {
    let text = r#"<ir_version: 8, opset_import: ["" : 15]>
        g (float[n] x, int64 k, bool c) => (float[m] y)
        <int64 seven = {7}, int64 trips = {2}, bool keep = {1}>
        {
            is = Equal (k, seven)
            z = If (is) <
                then_branch = a () => (float[p] t) { t = If (c) <
                    then_branch = b () => (float[q] t2) { t2 = Neg (x) },
                    else_branch = d () => (float[r] t3) { t3 = Abs (x) } > },
                else_branch = e () => (float[s] e1) { e1 = Exp (x) }
            >
            y = Loop (trips, keep, z) <
                body = step (int64 i, bool go, float[v] l) => (bool again, float[w] l2) {
                    again = Identity (go)
                    l2 = If (c) <
                        then_branch = h () => (float[o1] o) { o = Identity (l) },
                        else_branch = j () => (float[o2] o3) { o3 = Neg (l) } >
                }
            >
        }"#;
    let v = judge(text, text);
    assert_eq!((v.status, v.untaken_branches.as_slice()), (Status::Passed, &[][..]), "{:?}", v.reason);
    // The inner branch matters only where the outer one is taken.
    let other = text.replace("t3 = Abs (x)", "t3 = Identity (x)");
    assert_eq!(judge(text, &other).status, Status::Failed);
    let never = text.replace("is = Equal (k, seven)", "seven2 = Identity (seven) is = Less (seven2, seven)");
    let v = judge(&never, &never);
    assert!(v.untaken_branches.iter().any(|b| b.ends_with(": then")), "{:?}", v.untaken_branches);
}

#[test]
fn integers_alone_get_their_noise_floor_from_the_weights() {
    let text = r#"<ir_version: 8, opset_import: ["" : 15]>
        g (int64[n] ids) => (float[n,2] y)
        <float[3,2] table = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, float[2] w = {1.5, 2.5}>
        {
            e = Gather (table, ids)
            y = Mul (e, w)
        }"#;
    let v = judge(text, text);
    // Weights so small might decide a shape, so none is moved.
    assert_eq!((v.status, v.noise_floor), (Status::Passed, Some(Number(0.0))), "{:?}", v.reason);
    let large = text.replace(
        "float[3,2] table = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}",
        &format!("float[40,2] table = {{{}}}", vec!["0.3"; 80].join(", ")),
    );
    let floor = judge(&large, &large).noise_floor.unwrap();
    assert!(floor.0 > 0.0 && floor.0 < 1e-6, "{floor}");
}

#[test]
fn stored_inputs_of_every_kind_are_read() {
    let mut kinds = [0; 3];
    for case in ["test_add", "test_identity_sequence", "test_identity_opt", "test_loop13_seq"] {
        let folder = folder("node-cases").join(case);
        let loaded = io::load(folder.join("model.onnx")).unwrap();
        let sets = load(&folder, &loaded.model).unwrap();
        assert_eq!(
            (sets.len(), sets[0].values.len()),
            (1, loaded.model.graph.root().inputs().len()),
            "{case}"
        );
        for (_, value) in &sets[0].values {
            match value {
                RunValue::Tensor(_) => kinds[0] += 1,
                RunValue::Sequence(_) => kinds[1] += 1,
                _ => kinds[2] += 1,
            }
        }
        let mut options = ProveOptions::new(Exactness::Exact);
        options.feeds = Feeds::Data(folder);
        let both = subject(&loaded.model);
        let v = prove(&both, &both, &options, onnx_runtime(), &mut |_| {}).unwrap().parity;
        assert_eq!((v.status, v.cases), (Status::Passed, 1), "{case}: {:?}", v.reason);
    }
    assert!(kinds.iter().all(|&n| n > 0), "{kinds:?}");
}

#[test]
fn the_first_divergence_is_found() {
    let text = r#"<ir_version: 8, opset_import: ["" : 15]>
        g (float[n] x) => (float[n] y)
        <float two = {2.0}>
        {
            a = Abs (x)
            b = Mul (a, two)
            c = Sqrt (b)
            y = Neg (c)
        }"#;
    let (original, candidate) = (model(text), model(&text.replace("{2.0}", "{2.5}")));
    let x = onnxpress::tensor::Tensor::vector(&[1f32, -2.0]);
    let feeds = FeedSet { label: String::new(), values: vec![("x".to_owned(), RunValue::Tensor(x))] };
    let (a, b) = (&original, &candidate);
    let found = localize(a, b, &feeds, Exactness::Exact, onnx_runtime()).unwrap().unwrap();
    assert_eq!((found.value.as_str(), found.op.as_str(), found.after.as_deref()), ("b", "Mul", Some("a")));
    assert!((found.max_abs.unwrap().0 - 1.0).abs() < 1e-6);
    assert!(localize(a, a, &feeds, Exactness::Exact, onnx_runtime()).unwrap().is_none());
}
