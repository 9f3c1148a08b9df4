//! Nodes of several operands that return one of them.

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::same_shape;
use crate::rewrite::{Context, Miss};

/// Which operand a node returns.
type Choice = fn(&Context<'_>, NodeId) -> Option<ValueId>;

pub(super) const CHOICES: &[(OpId, Choice)] = &[
    (OpId::onnx("And"), twice),
    (OpId::onnx("Or"), twice),
    (OpId::onnx("Equal"), equal_true),
    (OpId::onnx("Xor"), xor_false),
    (OpId::onnx("Concat"), only_filled),
    (OpId::onnx("Neg"), undone),
    (OpId::onnx("Not"), undone),
    (OpId::onnx("BitwiseNot"), undone),
    (OpId::onnx("Abs"), done_already),
    (OpId::onnx("Ceil"), done_already),
    (OpId::onnx("Floor"), done_already),
    (OpId::onnx("Relu"), done_already),
    (OpId::onnx("Round"), done_already),
    (OpId::onnx("Sign"), done_already),
];

/// The operand that a node returns.
pub(super) fn choose(cx: &Context<'_>, node: NodeId) -> Result<ValueId, Miss> {
    let n = cx.node(node);
    let (_, choice) = CHOICES.iter().find(|(op, _)| *op == n.op()).ok_or(Miss::Silent)?;
    let kept = choice(cx, node).ok_or(Miss::Silent)?;
    if same_shape(cx, kept, n.outputs()[0]) {
        return Ok(kept);
    }
    Err(Miss::because("the result is not proven to have the operand's shape", kept))
}

fn twice(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    n.input(0).filter(|_| n.input(0) == n.input(1))
}

/// A boolean compared with a constant.
fn beside(cx: &Context<'_>, node: NodeId, number: f64) -> Option<ValueId> {
    let n = cx.node(node);
    let of_booleans = cx.graph.dtype(n.input(0)?)? == crate::tensor::DType::Bool;
    if !of_booleans || cx.opset() < 7 {
        return None;
    }
    match [0, 1].map(|i| cx.uniform(n.input(i)?)) {
        [None, Some(k)] if k == number => n.input(0),
        [Some(k), None] if k == number => n.input(1),
        _ => None,
    }
}

fn equal_true(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    beside(cx, node, 1.0)
}

fn xor_false(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    beside(cx, node, 0.0)
}

/// The operand of a `Concat` beside which all others are empty along its axis.
fn only_filled(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    let rank = i64::try_from(cx.graph.rank(n.outputs()[0])?).ok()?;
    let axis = cx.int(node, "axis")?;
    let axis = usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()?;
    let operands: Vec<ValueId> = n.inputs().collect::<Option<_>>()?;
    let is_empty = |&&v: &&ValueId| cx.graph.shape(v).and_then(|s| s.get(axis)?.as_fixed()) == Some(0);
    let mut filled = operands.iter().filter(|v| !is_empty(v));
    let only = filled.next().or(operands.first())?;
    (operands.len() > 1 && filled.next().is_none()).then_some(*only)
}

/// What the same op in front of it was given.
fn undone(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let before = cx.graph.producer(cx.node(node).input(0)?)?;
    cx.node(before).input(0).filter(|_| cx.node(before).op() == cx.node(node).op())
}

/// What an op of the same effect returned.
fn done_already(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    const ROUND: [&str; 3] = ["Ceil", "Floor", "Round"];
    let (n, before) = (cx.node(node), cx.graph.producer(cx.node(node).input(0)?)?);
    let (was, is) = (cx.node(before).op(), n.op());
    let rounded = ROUND.contains(&was.name) && ROUND.contains(&is.name);
    (was.domain.is_empty() && (was == is || rounded)).then(|| n.input(0))?
}
