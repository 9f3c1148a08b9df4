//! `remove-identity`: a node that returns what it is given goes.
//!
//! ```text
//! y = Identity(x)   ->   every reader of y reads x
//! ```
//!
//! Exact. Beside `Identity`:
//!
//! | op | when |
//! |---|---|
//! | `Cast`, `CastLike` | `x` has the type already |
//! | `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`, `Expand`, `Tile` | the result's shape is proven to be that of `x` |
//! | `Slice` | as above, and no step runs backwards |
//! | `Transpose` | no dim moves but those of size 1, and the shape is proven to stay |
//! | `Pad` | all pads are constant zeros |
//! | `Concat`, `Sum`, `Max`, `Min`, `Mean`, `Split` | of one operand, or into one part |
//! | `Dropout` | at inference, when nothing reads the mask |
//! | `Mul`, `Div` by one, `Sub` of zero | the other operand's shape is proven to be the result's |
//! | `And`, `Or`; `Equal`, `Xor` | of one value twice; with the boolean that changes nothing |
//! | `Concat` | all operands but one are empty |
//! | `Neg`, `Not`, `BitwiseNot` | of another one: what that was given |
//! | `Abs`, `Ceil`, `Floor`, `Relu`, `Round`, `Sign` | of another one; the three that round, of one another |
//! | `Gather` | the indices are all of the axis, in order |
//! | `ScatterND`, `ScatterElements` | the indices are all there are, in order: the updates |
//! | `Resize`, `Upsample` | all scales are 1, or the sizes are those of `x` |
//! | `MaxPool`, `AveragePool`, `CumSum`; global ones | over single elements |
//! | `LeakyRelu` | of slope 1 |
//!
//! Where one of several operands is returned, its shape is proven to be the result's.
//!
//! `x + 0` stays: it turns -0 into 0. A node between a graph input and a graph output stays, since
//! both names are given, and so does one through which a body returns a value from outside it.

mod choice;
mod whole;

use crate::ir::{Graph, NodeId, OpId, Truth, ValueId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveIdentity;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(RemoveIdentity)
}

const META: Meta = Meta {
    id: "remove-identity",
    summary: "nodes that return what they are given go",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

/// Whether a node returns its first operand: `Miss::Silent` where it plainly computes something.
type Test = fn(&Context<'_>, NodeId) -> Result<(), Miss>;

const TESTS: &[(OpId, Test)] = &[
    (OpId::onnx("Identity"), always),
    (OpId::onnx("Cast"), cast),
    (OpId::onnx("CastLike"), cast_like),
    (OpId::onnx("Reshape"), same_shape),
    (OpId::onnx("Flatten"), same_shape),
    (OpId::onnx("Squeeze"), same_shape),
    (OpId::onnx("Unsqueeze"), same_shape),
    (OpId::onnx("Expand"), same_shape),
    (OpId::onnx("Tile"), same_shape),
    (OpId::onnx("Slice"), slice),
    (OpId::onnx("Transpose"), transpose),
    (OpId::onnx("Pad"), pad),
    (OpId::onnx("Concat"), one_operand),
    (OpId::onnx("Sum"), one_operand),
    (OpId::onnx("Max"), one_operand),
    (OpId::onnx("Min"), one_operand),
    (OpId::onnx("Mean"), one_operand),
    (OpId::onnx("Split"), one_part),
    (OpId::onnx("Dropout"), dropout),
    (OpId::onnx("Mul"), neutral_one),
    (OpId::onnx("Div"), neutral_one),
    (OpId::onnx("Sub"), neutral_zero),
];

const OPS: [OpId; TESTS.len() + choice::CHOICES.len() + whole::TESTS.len()] = {
    let (choices, wholes) = (choice::CHOICES, whole::TESTS);
    let mut ops = [OpId::onnx(""); TESTS.len() + choice::CHOICES.len() + whole::TESTS.len()];
    let mut i = 0;
    while i < ops.len() {
        ops[i] = if i < TESTS.len() {
            TESTS[i].0
        } else if i < TESTS.len() + choices.len() {
            choices[i - TESTS.len()].0
        } else {
            wholes[i - TESTS.len() - choices.len()].0
        };
        i += 1;
    }
    ops
};

impl Rule for RemoveIdentity {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        &OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let &output = n.outputs().first().ok_or(Miss::Silent)?;
        let tested = TESTS.iter().find(|(op, _)| *op == n.op());
        let why = match tested.map_or(Err(Miss::Silent), |(_, test)| test(cx, node)) {
            Ok(()) => return Ok(Patch::forward(output, kept(cx, node)?)),
            Err(why) => why,
        };
        if let Some(returned) = whole::returned(cx, node) {
            return Ok(Patch::forward(output, returned));
        }
        match choice::choose(cx, node) {
            Ok(chosen) => Ok(Patch::forward(output, chosen)),
            Err(Miss::Silent) => Err(why),
            Err(miss) => Err(miss),
        }
    }
}

/// The operand that a node of the table returns.
fn kept(cx: &Context<'_>, node: NodeId) -> Result<ValueId, Miss> {
    let n = cx.node(node);
    let second = n.op().is("Mul") && !is_number(cx.graph, n.input(1), 1.0);
    n.input(usize::from(second)).ok_or(Miss::Silent)
}

fn always(_: &Context<'_>, _: NodeId) -> Result<(), Miss> {
    Ok(())
}

fn holds(condition: bool) -> Result<(), Miss> {
    if condition { Ok(()) } else { Err(Miss::Silent) }
}

fn cast(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    let n = cx.node(node);
    let to = n.int("to").and_then(|code| DType::from_code(i32::try_from(code).ok()?));
    let from = n.input(0).and_then(|v| cx.graph.dtype(v));
    holds(to.is_some() && to == from)
}

fn cast_like(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    let dtype = |i| cx.node(node).input(i).and_then(|v| cx.graph.dtype(v));
    holds(dtype(0).is_some() && dtype(0) == dtype(1))
}

/// Whether the shape is proven to stay. A shape that merely may stay is a near miss.
fn same_shape(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    shape_stays(cx, node, 0)
}

fn shape_stays(cx: &Context<'_>, node: NodeId, operand: usize) -> Result<(), Miss> {
    let n = cx.node(node);
    let (from, to) = (n.input(operand).ok_or(Miss::Silent)?, n.outputs()[0]);
    match compare_shapes(cx.graph, from, to) {
        Truth::Proven => Ok(()),
        Truth::Refuted => Err(Miss::Silent),
        Truth::Unknown => Err(Miss::because("the shape is not proven to stay", from)),
    }
}

fn compare_shapes(graph: &Graph, a: ValueId, b: ValueId) -> Truth {
    let (Some(a), Some(b)) = (graph.shape(a), graph.shape(b)) else { return Truth::Unknown };
    if a.len() != b.len() {
        return Truth::Refuted;
    }
    let mut all = Truth::Proven;
    for (x, y) in a.iter().zip(b) {
        match x.same(y) {
            Truth::Proven => {}
            Truth::Refuted => return Truth::Refuted,
            Truth::Unknown => all = Truth::Unknown,
        }
    }
    all
}

fn slice(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    same_shape(cx, node)?;
    let steps = match cx.node(node).input(4) {
        None => return Ok(()),
        Some(v) => cx.constant_ints(v),
    };
    require!(steps.is_some(), cx.node(node).input(4), "the steps are not constant");
    holds(steps.unwrap_or_default().iter().all(|&s| s > 0))
}

fn transpose(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    let n = cx.node(node);
    let x = n.input(0).ok_or(Miss::Silent)?;
    let perm = cx.permutation(node).ok_or(Miss::Silent)?;
    if perm.iter().copied().eq(0..perm.len()) {
        return Ok(());
    }
    let shape = cx.graph.shape(x).filter(|s| s.len() == perm.len()).ok_or(Miss::Silent)?;
    let moving = perm.iter().copied().filter(|&p| shape.get(p).is_none_or(|d| d.as_fixed() != Some(1)));
    holds(moving.is_sorted() && compare_shapes(cx.graph, x, n.outputs()[0]) == Truth::Proven)
}

fn pad(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    let attr = if cx.opset() < 2 { "paddings" } else { "pads" };
    let pads = cx.ints(node, 1, attr).ok_or(Miss::Silent)?.ok_or(Miss::Silent)?;
    holds(pads.iter().all(|&p| p == 0))
}

fn one_operand(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    holds(cx.node(node).inputs().len() == 1)
}

fn one_part(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    holds(cx.node(node).outputs().len() == 1)?;
    same_shape(cx, node)
}

fn dropout(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    let n = cx.node(node);
    for &mask in &n.outputs()[1..] {
        require!(cx.graph.value(mask).uses().is_empty(), mask, "the mask of the Dropout is read");
    }
    Ok(())
}

fn is_number(graph: &Graph, value: Option<ValueId>, number: f64) -> bool {
    // A one-element tensor is read, a large weight is not.
    let Some(v) = value.filter(|&v| graph.is_const(v) && graph.shape(v).is_none_or(|s| s.len() <= 8)) else {
        return false;
    };
    let small = graph.shape(v).is_some_and(|s| s.iter().all(|d| d.as_fixed() == Some(1)));
    small && graph.const_value(v).and_then(|t| t.as_scalar()) == Some(number)
}

/// The result's shape is that of the operand that stays: a number of higher rank would add dims.
fn neutral(cx: &Context<'_>, node: NodeId, number: usize, kept: usize, value: f64) -> Result<(), Miss> {
    let n = cx.node(node);
    holds(cx.opset() >= 7 && is_number(cx.graph, n.input(number), value))?;
    shape_stays(cx, node, kept)
}

fn neutral_one(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    let n = cx.node(node);
    if n.op().is("Mul") && !is_number(cx.graph, n.input(1), 1.0) {
        return neutral(cx, node, 0, 1, 1.0);
    }
    neutral(cx, node, 1, 0, 1.0)
}

fn neutral_zero(cx: &Context<'_>, node: NodeId) -> Result<(), Miss> {
    // x - (-0) turns -0 into 0.
    let zero = cx.node(node).input(1).filter(|&v| cx.graph.rank(v).is_some_and(|r| r <= 8));
    holds(zero.is_some_and(|v| is_number(cx.graph, Some(v), 0.0)))?;
    let positive =
        zero.and_then(|v| cx.graph.const_value(v)?.as_scalar()).is_some_and(|z| z.is_sign_positive());
    holds(positive)?;
    neutral(cx, node, 1, 0, 0.0)
}
