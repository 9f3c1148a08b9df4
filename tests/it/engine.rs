//! The engine's rules S1 to S10: each one stops a patch that breaks it, and the graph stays as it was.

use onnxpress::analysis::{Facts, verify};
use onnxpress::diag::Diags;
use onnxpress::error::Result;
use onnxpress::ir::{Attr, Model, NodeId, OpId};
use onnxpress::pipeline::{Means, Options, Silent, run as run_passes};
use onnxpress::rewrite::{
    Context, Exactness, Fusion, Match, Meta, Miss, OpsetRequest, PassContext, PassStats, Pat, Patch,
    Patterns, Ref, Rule, Var, apply, fusion,
};
use onnxpress::target::Target;
use onnxpress::text::{PrintOptions, parse_model, print_model};

const META: Meta = Meta {
    id: "test-rule",
    summary: "a rule of the tests",
    exactness: Exactness::Reassociates,
    since_opset: 1,
    emits: &[],
};

fn run(rule: &dyn Rule, text: &str) -> (Model, PassStats) {
    let mut model = parse_model(text).unwrap();
    let stats = run_on(rule, &mut model);
    (model, stats)
}

fn run_on(rule: &dyn Rule, model: &mut Model) -> PassStats {
    let stats = try_run(rule, model).unwrap();
    verify(model).unwrap();
    stats
}

fn try_run(rule: &dyn Rule, model: &mut Model) -> Result<PassStats> {
    try_run_for("onnx", rule, model)
}

fn try_run_for(target: &str, rule: &dyn Rule, model: &mut Model) -> Result<PassStats> {
    let (mut facts, mut diags) = (Facts::new(), Diags::new());
    facts.infer_model(model, &mut diags);
    let target = Target::named(target)?;
    let mut cx = PassContext {
        facts: &mut facts,
        diags: &mut diags,
        runtime: None,
        growth_budget: 0,
        opset: OpsetRequest::Keep,
        target: &target,
        changes_left: u64::MAX,
    };
    apply(rule, model, &mut cx)
}

/// The reasons given, and proof that nothing was changed.
fn refused(rule: &dyn Rule, text: &str) -> Vec<String> {
    let mut before = parse_model(text).unwrap();
    Facts::new().infer_model(&mut before, &mut Diags::new());
    let (after, stats) = run(rule, text);
    assert_eq!(stats.applied, 0, "it fired");
    let print = |m: &Model| print_model(m, PrintOptions::default());
    assert_eq!(print(&before), print(&after));
    stats.misses.into_keys().collect()
}

fn ops(model: &Model) -> Vec<&'static str> {
    let mut ops: Vec<_> = model.graph.nodes().map(|(_, n)| n.op().name).collect();
    ops.sort_unstable();
    ops
}

/// `-(-x)` becomes what the test says.
struct DoubleNeg(fn(&Match<'_>, Var) -> Result<Patch, Miss>);

impl Fusion for DoubleNeg {
    type Vars = Var;
    const META: Meta = META;
    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
        let x = p.any();
        (p.op("Neg", [p.op("Neg", [x])]), x.var())
    }
    fn rewrite(&self, m: &Match<'_>, x: &Var) -> Result<Patch, Miss> {
        self.0(m, *x)
    }
}

fn to_abs() -> Box<dyn Rule> {
    fusion(DoubleNeg(|m, x| Ok(Patch::op("Abs", [m.get(x)]))))
}

fn graph(body: &str) -> String {
    graph_at(17, body)
}

fn graph_at(opset: i64, body: &str) -> String {
    format!(
        "<ir_version: 8, opset_import: [\"\" : {opset}]>\ng (float[N,3] x) => (float[N,3] y) {{\n{body}\n}}"
    )
}

#[test]
fn a_match_is_replaced_and_its_dead_nodes_go() {
    let (model, stats) = run(&*to_abs(), &graph("a = Neg(x)\nb = Neg(a)\ny = Relu(b)"));
    assert_eq!((stats.applied, ops(&model)), (1, vec!["Abs", "Relu"]));
}

#[test]
fn s1_values_read_elsewhere_refuse() {
    let outside = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[N,3] x) => (float[N,3] y, float[N,3] a) {\na = Neg(x)\ny = Neg(a)\n}";
    assert_eq!(refused(&*to_abs(), outside), ["an inner value is read outside the match"]);
    assert_eq!(
        refused(&*to_abs(), &graph("a = Neg(x)\nb = Neg(a)\ny = Add(a, b)")),
        ["an inner value is read outside the match"]
    );
    let captured = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[N,3] x, bool c) => (float[N,3] y, float[N,3] z) {\na = Neg(x)\ny = Neg(a)\n\
        z = If (c) <then_branch = t () => (float[N,3] p) { p = Relu(a) }, \
        else_branch = e () => (float[N,3] q) { q = Exp(x) }>\n}";
    assert_eq!(refused(&*to_abs(), captured), ["an inner value is read outside the match"]);
}

#[test]
fn s1_shared_values_live_on() {
    struct Shared;
    impl Fusion for Shared {
        type Vars = Var;
        const META: Meta = META;
        fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
            let x = p.any();
            (p.op("Neg", [p.op("Neg", [x]).shared()]), x.var())
        }
        fn rewrite(&self, m: &Match<'_>, x: &Var) -> Result<Patch, Miss> {
            Ok(Patch::op("Abs", [m.get(*x)]))
        }
    }
    let (model, stats) = run(&*fusion(Shared), &graph("a = Neg(x)\nb = Neg(a)\ny = Add(a, b)"));
    assert_eq!((stats.applied, ops(&model)), (1, vec!["Abs", "Add", "Neg"]));
}

#[test]
fn s2_another_type_or_shape_refuses() {
    let cast = fusion(DoubleNeg(|m, x| Ok(Patch::op("Cast", [m.get(x)]).attr("to", Attr::Int(11)))));
    assert_eq!(
        refused(&*cast, &graph("a = Neg(x)\nb = Neg(a)\ny = Relu(b)")),
        ["the new value is double instead of float"]
    );
    let turned =
        fusion(DoubleNeg(|m, x| Ok(Patch::op("Transpose", [m.get(x)]).attr("perm", Attr::Ints(vec![1, 0])))));
    assert_eq!(
        refused(&*turned, &graph("a = Neg(x)\nb = Neg(a)\ny = Relu(b)")),
        ["the new value's shape is not proven to be the same"]
    );
    let flat = fusion(DoubleNeg(|m, x| Ok(Patch::op("Flatten", [m.get(x)]).attr("axis", Attr::Int(0)))));
    assert_eq!(refused(&*flat, &graph("a = Neg(x)\nb = Neg(a)\ny = Relu(b)")).len(), 1);
}

#[test]
fn s3_a_match_does_not_cross_into_a_body() {
    let crossing = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[N,3] x, bool c) => (float[N,3] y) {\na = Neg(x)\n\
        y = If (c) <then_branch = t () => (float[N,3] p) { p = Neg(a) }, \
        else_branch = e () => (float[N,3] q) { q = Exp(a) }>\n}";
    refused(&*to_abs(), crossing);
}

#[test]
fn bodies_are_rewritten_as_the_root_is() {
    let inside = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[N,3] x, bool c) => (float[N,3] y) {\n\
        y = If (c) <then_branch = t () => (float[N,3] p) { a = Neg(x)\n p = Neg(a) }, \
        else_branch = e () => (float[N,3] q) { q = Exp(x) }>\n}";
    let (model, stats) = run(&*to_abs(), inside);
    assert_eq!((stats.applied, ops(&model)), (1, vec!["Abs", "Exp", "If"]));
}

/// Starts at `Relu` and reads its own output.
struct Cyclic;

impl Rule for Cyclic {
    fn meta(&self) -> &Meta {
        &META
    }
    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Relu")];
        OPS
    }
    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        Ok(Patch::op("Abs", [cx.node(node).outputs()[0]]))
    }
}

#[test]
fn s4_a_patch_that_reads_what_it_replaces_refuses() {
    assert_eq!(
        refused(&Cyclic, &graph("a = Relu(x)\ny = Exp(a)")),
        ["the new nodes would read what they replace"]
    );
}

/// Writes `Abs` for `Relu` and then the sum anew, whose other operand depends on what is replaced.
struct Apart;

impl Rule for Apart {
    fn meta(&self) -> &Meta {
        &META
    }
    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Add")];
        OPS
    }
    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let (a, b) = (cx.node(node).input(0), cx.node(node).input(1));
        let relu = a.and_then(|a| cx.graph.producer_is(a, "Relu")).ok_or(Miss::Silent)?;
        let mut patch = Patch::new();
        let new = patch.node("Abs", [Ref::from(cx.node(relu).input(0))]);
        let root = patch.node("Add", [new, Ref::from(b)]);
        patch.replace(cx.node(relu).outputs()[0], new);
        patch.replace(cx.node(node).outputs()[0], root);
        Ok(patch)
    }
}

#[test]
fn s4_a_patch_may_read_what_depends_on_its_own_new_nodes() {
    let (model, stats) = run(&Apart, &graph("a = Relu(x)\nb = Exp(a)\ny = Add(a, b)"));
    assert_eq!((stats.applied, ops(&model)), (1, vec!["Abs", "Add", "Exp"]));
}

#[test]
fn s5_outputs_keep_name_and_producer() {
    let (model, stats) = run(&*to_abs(), &graph("a = Neg(x)\ny = Neg(a)"));
    let output = model.graph.root().outputs().next().unwrap();
    assert_eq!((stats.applied, &**model.graph.value(output).name()), (1, "y"));

    let forward =
        || fusion(DoubleNeg(|m, x| Ok(Patch::forward(m.graph.node(m.root()).outputs()[0], m.get(x)))));
    assert_eq!(
        refused(&*forward(), &graph("a = Neg(x)\ny = Neg(a)")),
        ["an output needs a producer of its own, apart from the input"]
    );
    let two = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[N,3] x) => (float[N,3] y, float[N,3] z) {\nz = Exp(x)\na = Neg(z)\ny = Neg(a)\n}";
    assert_eq!(refused(&*forward(), two), ["two outputs cannot be one value"]);
    let (model, _) = run(&*forward(), &graph("e = Exp(x)\na = Neg(e)\ny = Neg(a)"));
    let output = model.graph.root().outputs().next().unwrap();
    assert_eq!((ops(&model), &**model.graph.value(output).name()), (vec!["Exp"], "y"));
}

#[test]
fn s7_an_op_that_the_opset_or_target_lacks_refuses() {
    let gelu = fusion(DoubleNeg(|m, x| Ok(Patch::op("Gelu", [m.get(x)]))));
    assert_eq!(
        refused(&*gelu, &graph("a = Neg(x)\nb = Neg(a)\ny = Relu(b)")),
        ["Gelu needs opset 20 and the model has 17: see --opset"]
    );
    assert_eq!(run(&*gelu, &graph_at(20, "a = Neg(x)\nb = Neg(a)\ny = Relu(b)")).1.applied, 1);
    let contrib = fusion(DoubleNeg(|m, x| Ok(Patch::op(OpId::microsoft("Gelu"), [m.get(x)]))));
    assert_eq!(
        refused(&*contrib, &graph("a = Neg(x)\nb = Neg(a)\ny = Relu(b)")),
        ["the target onnx gets no com.microsoft.Gelu"]
    );
}

#[test]
fn s7_a_type_that_the_op_lacks_refuses() {
    let not = || fusion(DoubleNeg(|m, x| Ok(Patch::op("BitwiseNot", [m.get(x)]))));
    assert_eq!(
        refused(&*not(), &graph_at(18, "a = Neg(x)\nb = Neg(a)\ny = Relu(b)")),
        ["BitwiseNot has no float at this opset"]
    );
    let integers = "<ir_version: 8, opset_import: [\"\" : 18]>\n\
        g (int32[N,3] x) => (int32[N,3] y) {\na = Neg(x)\nb = Neg(a)\ny = Abs(b)\n}";
    assert_eq!(run(&*not(), integers).1.applied, 1);
}

#[test]
fn s7_a_node_that_the_target_refuses_for_its_type_rank_or_attributes_refuses() {
    let tried = |target: &str, dtype: &str, rule: &dyn Rule| {
        let mut model = parse_model(&format!(
            "<ir_version: 8, opset_import: [\"\" : 17]>\n\
             g ({dtype}[N,3] x) => ({dtype}[N,3] y) {{\na = Neg(x)\nb = Neg(a)\ny = Identity(b)\n}}"
        ))
        .unwrap();
        let stats = try_run_for(target, rule, &mut model).unwrap();
        (stats.applied, stats.misses.into_keys().next().unwrap_or_default())
    };
    let taken = (1, String::new());
    assert_eq!(tried("ort-cpu", "float", &*to_abs()), taken);
    // Run in float.
    assert_eq!(tried("ort-cpu", "float16", &*to_abs()), taken);
    let reason = "ort-cpu@1.31 takes ints double float in T of Abs, not bfloat16".to_owned();
    assert_eq!(tried("ort-cpu", "bfloat16", &*to_abs()), (0, reason));
    assert_eq!(tried("onnx", "bfloat16", &*to_abs()), taken);

    let pooled = fusion(DoubleNeg(|m, x| {
        let mut patch = Patch::op("MaxPool", [m.get(x)]);
        patch.set_attr("kernel_shape", vec![1]);
        patch.set_attr("dilations", vec![2]);
        Ok(patch)
    }));
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[N,3,5] x) => (float[N,3,5] y) {\na = Neg(x)\nb = Neg(a)\ny = Identity(b)\n}";
    let mut model = parse_model(text).unwrap();
    let stats = try_run_for("tensorrt", &*pooled, &mut model).unwrap();
    assert_eq!(stats.misses.into_keys().collect::<Vec<_>>(), ["dilated pooling is not taken"]);
    assert_eq!(try_run_for("onnx", &*pooled, &mut model).unwrap().applied, 1);
}

#[test]
fn s7_a_rule_holds_from_its_opset_on() {
    struct Late;
    impl Fusion for Late {
        type Vars = Var;
        const META: Meta = Meta { since_opset: 18, ..META };
        fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
            let x = p.any();
            (p.op("Neg", [p.op("Neg", [x])]), x.var())
        }
        fn rewrite(&self, m: &Match<'_>, x: &Var) -> Result<Patch, Miss> {
            Ok(Patch::op("Abs", [m.get(*x)]))
        }
    }
    let body = "a = Neg(x)\nb = Neg(a)\ny = Relu(b)";
    assert_eq!(
        refused(&*fusion(Late), &graph_at(17, body)),
        ["test-rule needs opset 18 and the model has 17: see --opset"]
    );
    assert_eq!(run(&*fusion(Late), &graph_at(18, body)).1.applied, 1);
}

/// Replaces any node by `Abs` of its first input.
struct Everything;

impl Rule for Everything {
    fn meta(&self) -> &Meta {
        &META
    }
    fn ops(&self) -> &[OpId] {
        &[]
    }
    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        match cx.node(node).input(0) {
            Some(x) if !cx.node(node).op().is("Abs") => Ok(Patch::op("Abs", [x])),
            _ => Err(Miss::Silent),
        }
    }
}

#[test]
fn s8_random_nodes_are_not_visited() {
    let text = graph("a = RandomNormalLike(x)\ny = Exp(a)");
    let (model, stats) = run(&Everything, &text);
    assert_eq!((stats.applied, ops(&model)), (1, vec!["Abs", "RandomNormalLike"]));
}

/// Replaces `Abs` by `Abs`, for ever.
struct Endless;

impl Rule for Endless {
    fn meta(&self) -> &Meta {
        &META
    }
    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Abs")];
        OPS
    }
    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        Ok(Patch::op("Abs", [cx.node(node).input(0).unwrap()]))
    }
}

#[test]
fn s10_a_rule_without_end_is_our_defect() {
    let mut model = parse_model(&graph("y = Abs(x)")).unwrap();
    let error = try_run(&Endless, &mut model).unwrap_err();
    assert!(error.message().contains("test-rule never comes to an end"), "{error}");
    assert!(error.help().unwrap().contains("defect of onnxpress"));
}

#[test]
fn a_rule_is_asked_again_about_what_it_has_left_one_reader() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (int64[N] x) => (int64[N] y) <int64 m = {-1}, int64 z = {0}, int64 o = {1}, int64 t = {2}> {\n\
        a = Min(m, x)\nb = Clip(a, m, o)\nc = Clip(a, m, t)\nd = Min(z, c)\ny = Abs(b)\n}";
    let mut model = parse_model(text).unwrap();
    let options = Options::new(Target::named("onnx").unwrap());
    let mut changes = || {
        let means = Means { runtime: None, growth_budget: 0 };
        run_passes(&mut model, &options, means, &mut Diags::new(), &mut Silent).unwrap().changes()
    };
    assert!(changes() > 0);
    assert_eq!(changes(), 0);
}

/// `x * t * 0.5` for any `t` that is `1 + Tanh(x)`.
struct Chain;

impl Fusion for Chain {
    type Vars = Var;
    const META: Meta = META;
    fn pattern<'p>(&self, p: &'p Patterns) -> (Pat<'p>, Var) {
        let x = p.any();
        (x * (p.op("Tanh", [x]) + 1.0) * 0.5, x.var())
    }
    fn rewrite(&self, m: &Match<'_>, x: &Var) -> Result<Patch, Miss> {
        Ok(Patch::op("Abs", [m.get(*x)]))
    }
}

#[test]
fn sums_and_products_match_in_any_order_and_bracketing() {
    let k = "<float one = {1}, float half = {0.5}>\n";
    for product in [
        "u = Mul(x, t)\ny = Mul(u, half)",
        "u = Mul(t, x)\ny = Mul(half, u)",
        "u = Mul(half, x)\ny = Mul(t, u)",
        "u = Mul(t, half)\ny = Mul(x, u)",
    ] {
        let text = format!(
            "<ir_version: 8, opset_import: [\"\" : 17]>\ng (float[N,3] x) => (float[N,3] y) {k} {{\n\
             h = Tanh(x)\nt = Add(one, h)\n{product}\n}}"
        );
        let (model, stats) = run(&*fusion(Chain), &text);
        assert_eq!((stats.applied, ops(&model)), (1, vec!["Abs"]), "{product}");
    }
}

#[test]
fn numbers_match_with_their_rank_and_value() {
    let text = |one: &str, half: &str, x: &str| {
        format!(
            "<ir_version: 8, opset_import: [\"\" : 17]>\ng ({x} x) => (float y) \
             <{one}, {half}> {{\nh = Tanh(x)\nt = Add(one, h)\nu = Mul(x, t)\ny = Mul(u, half)\n}}"
        )
    };
    let fires = |one: &str, half: &str, x: &str| {
        let mut model = parse_model(&text(one, half, x)).unwrap();
        run_on(&*fusion(Chain), &mut model).applied == 1
    };
    let (one, half) = ("float one = {1}", "float half = {0.5}");
    assert!(fires(one, half, "float[N,3]"));
    assert!(fires("float[1] one = {1}", "float[1,1] half = {0.5}", "float[N,3]"));
    assert!(!fires("float[1,1] one = {1}", half, "float[N]"), "a wider constant adds a dim");
    assert!(!fires(one, "float half = {0.25}", "float[N,3]"));
    assert!(!fires(one, "float[3] half = {0.5, 0.5, 0.5}", "float[N,3]"));
}

#[test]
fn near_misses_say_where() {
    let text = graph("h = Tanh(x)\nt = Add(h, h)\nu = Mul(x, t)\ny = Mul(u, u)");
    let (_, stats) = run(&*fusion(Chain), &text);
    assert_eq!(stats.applied, 0);
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\ng (float[N,3] x, float k) => (float[N,3] y) \
         <float half = {0.5}> {\nh = Tanh(x)\nt = Add(k, h)\nu = Mul(x, t)\ny = Mul(u, half)\n}";
    let (_, stats) = run(&*fusion(Chain), text);
    let (reason, missed) = stats.misses.iter().next().expect("most of the formula was there");
    assert!(reason.contains("no constant"), "{reason}");
    assert!(missed.example.contains('k'), "{}", missed.example);
}

#[test]
fn a_constant_with_many_readers_costs_no_more() {
    let lines: String = (0..2000).map(|i| format!("a{i} = Add(x{i}, k)\nx{} = Neg(a{i})\n", i + 1)).collect();
    let text = format!(
        "<ir_version: 8, opset_import: [\"\" : 17]>\ng (float[N,3] x0) => (float[N,3] x2000) <float k = {{1}}> {{\n{lines}}}"
    );
    let (model, stats) = run(&Everything, &text);
    assert_eq!((stats.applied, model.graph.len()), (4000, 4000));
}
