//! `merge-logic`: negations and comparisons of booleans, and choices by them, become fewer nodes.
//!
//! ```text
//! Where(Not(c), a, b)                  ->   Where(c, b, a)
//! Where(true, a, b), Where(c, a, a)    ->   a
//! Where(c, a, Where(c, b, d))          ->   Where(c, a, d)
//! Equal(c, false), Xor(c, true)        ->   Not(c)
//! Not(Less(a, b))                      ->   GreaterOrEqual(a, b), and the like, for whole numbers
//! Cast(c) == 1, Cast(c) > 0            ->   c                of booleans that were made numbers
//! ```
//!
//! Reassociates: ONNX Runtime's `Where` may turn the sign of a zero. Comparisons of floats stay: what is not a number is
//! neither less nor greater.
//!
//! Refused: a comparison that is read elsewhere too, and a result whose shape is not proven to stay.

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::same_shape;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeLogic;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(MergeLogic)
}

const META: Meta = Meta {
    id: "merge-logic",
    summary: "negations and comparisons of booleans, and choices by them, become fewer nodes",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("Not"), OpId::onnx("Where")],
};

/// Comparisons, and what they are when they do not hold.
const OPPOSITE: &[(&str, &str)] = &[
    ("Less", "GreaterOrEqual"),
    ("Greater", "LessOrEqual"),
    ("LessOrEqual", "Greater"),
    ("GreaterOrEqual", "Less"),
];

impl Rule for MergeLogic {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("Where"),
            OpId::onnx("Not"),
            OpId::onnx("Equal"),
            OpId::onnx("Xor"),
            OpId::onnx("Greater"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        match cx.node(node).op().name {
            "Where" => choice(cx, node),
            "Not" => negated(cx, node),
            _ => compared(cx, node),
        }
    }
}

fn choice(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let condition = n.input(0).ok_or(Miss::Silent)?;
    let chosen = match cx.uniform(condition) {
        Some(0.0) => n.input(2),
        Some(_) => n.input(1),
        None => n.input(1).filter(|_| n.input(1) == n.input(2)),
    };
    if let Some(chosen) = chosen {
        return truth(cx, node, chosen, true);
    }
    let (Some(yes), Some(no)) = (n.input(1), n.input(2)) else { return Err(Miss::Silent) };
    let (inner_yes, inner_no) = (chosen_by(cx, condition, yes, 1), chosen_by(cx, condition, no, 2));
    if inner_yes.is_some() || inner_no.is_some() {
        return Ok(Patch::op("Where", [condition, inner_yes.unwrap_or(yes), inner_no.unwrap_or(no)]));
    }
    let not = cx.graph.producer_is(condition, "Not").ok_or(Miss::Silent)?;
    let plain = cx.node(not).input(0).ok_or(Miss::Silent)?;
    Ok(Patch::op("Where", [plain, no, yes]))
}

/// The operand that a value is where the condition by which it was chosen is known.
fn chosen_by(cx: &Context<'_>, condition: ValueId, value: ValueId, operand: usize) -> Option<ValueId> {
    let choice = cx.node(cx.graph.producer_is(value, "Where")?);
    choice.input(operand).filter(|_| choice.input(0) == Some(condition))
}

/// The node is a value, or the negation of a boolean.
fn truth(cx: &Context<'_>, node: NodeId, value: ValueId, as_it_is: bool) -> Result<Patch, Miss> {
    let y = cx.node(node).outputs()[0];
    require!(same_shape(cx, value, y), value, "the result is not proven to have the operand's shape");
    Ok(if as_it_is { Patch::forward(y, value) } else { Patch::op("Not", [value]) })
}

fn negated(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let compared = cx.node(node).input(0).ok_or(Miss::Silent)?;
    let comparison = cx.graph.producer(compared).ok_or(Miss::Silent)?;
    let n = cx.node(comparison);
    let &(_, opposite) = OPPOSITE.iter().find(|(op, _)| n.op() == OpId::onnx(op)).ok_or(Miss::Silent)?;
    let whole = n.input(0).and_then(|v| cx.graph.dtype(v)).is_some_and(DType::is_int);
    require!(whole, compared, "what is compared may be no number");
    require!(cx.graph.value(compared).uses().len() == 1, compared, "the comparison is read elsewhere too");
    Ok(Patch::op(OpId::onnx(opposite), n.inputs()))
}

/// A boolean, as it is or made a number, compared with a constant.
fn compared(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let (value, constant) = match [0, 1].map(|i| cx.uniform(n.input(i)?)) {
        [None, Some(k)] => (n.input(0).ok_or(Miss::Silent)?, k),
        [Some(k), None] if !n.op().is("Greater") => (n.input(1).ok_or(Miss::Silent)?, k),
        _ => return Err(Miss::Silent),
    };
    let is_boolean = |v: ValueId| cx.graph.dtype(v) == Some(DType::Bool);
    let boolean = match cx.graph.producer_is(value, "Cast").and_then(|cast| cx.node(cast).input(0)) {
        _ if is_boolean(value) => value,
        Some(before) if is_boolean(before) => before,
        _ => return Err(Miss::Silent),
    };
    let as_it_is = match (n.op().name, constant) {
        ("Equal", 1.0) | ("Xor" | "Greater", 0.0) => true,
        ("Equal", 0.0) | ("Xor", 1.0) => false,
        _ => return Err(Miss::Silent),
    };
    truth(cx, node, boolean, as_it_is)
}
