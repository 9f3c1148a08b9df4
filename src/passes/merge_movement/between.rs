//! What may lie between two movements.

use super::super::layout::{Layout, is_move};
use crate::ir::{DimExpr, NodeId, Shape, ValueId};
use crate::passes::linear::same_shape;
use crate::rewrite::Context;

/// How a node treats the operand that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It moves elements.
    Move,
    /// Each element apart; other operands are numbers.
    Each,
    /// Each element apart, with one of the operand at this index, which broadcasts.
    With(usize),
    /// Each row, that is, along the last axis.
    Rows,
    /// Each row of a matrix.
    Matrix,
}

/// A node of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) node: NodeId,
    pub(super) kind: Kind,
    /// Which operand is followed.
    pub(super) data: usize,
}

const EACH: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "BitwiseNot",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Cosh",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "IsInf",
    "IsNaN",
    "LeakyRelu",
    "Log",
    "Mish",
    "Neg",
    "Not",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "QuantizeLinear",
    "DequantizeLinear",
];

/// Elementwise ops of two operands that broadcast both ways.
pub(super) const PAIRS: &[&str] = &[
    "Add",
    "And",
    "BitShift",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "Div",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Or",
    "PRelu",
    "Pow",
    "Sub",
    "Xor",
];

const ROWS: &[&str] =
    &["LayerNormalization", "RMSNormalization", "Softmax", "LogSoftmax", "Hardmax", "LpNormalization"];

/// Does what a movement does.
pub(super) fn movement(cx: &Context<'_>, node: NodeId, layout: &mut Layout) -> Option<()> {
    if cx.node(node).op().is("Transpose") {
        return layout.transpose(&cx.permutation(node)?);
    }
    layout.reshape(cx.graph.shape(cx.node(node).outputs()[0])?)
}

/// The shape that a `Reshape` reads from a value: it may be written where no other one can.
pub(super) fn known_shape(cx: &Context<'_>, node: NodeId) -> Option<(Shape, ValueId, bool)> {
    let n = cx.node(node);
    let target = n.input(1).filter(|_| n.op().is("Reshape"))?;
    // A 0 that copies a dim of this operand would copy another one of another operand.
    let plain = |e: &Option<DimExpr>| e.as_ref().is_some_and(|e| e.as_constant() != Some(0));
    let usable = cx.graph.const_value(target).is_none() && cx.facts.elements(target)?.iter().all(plain);
    usable.then_some((cx.graph.shape(n.outputs()[0])?.to_vec(), target, n.int("allowzero") == Some(1)))
}

/// How the node may be part of a chain.
pub(super) fn link(cx: &Context<'_>, node: NodeId) -> Option<Link> {
    let n = cx.node(node);
    let op = n.op();
    if !op.domain.is_empty() || n.outputs().len() != 1 {
        return None;
    }
    let at = |kind| Some(Link { node, kind, data: 0 });
    if is_move(cx, node) {
        return at(Kind::Move);
    }
    if EACH.contains(&op.name) {
        let numbers = n.inputs().skip(1).flatten().all(|v| cx.graph.rank(v) == Some(0));
        return if numbers { at(Kind::Each) } else { None };
    }
    if PAIRS.contains(&op.name) && n.inputs().len() == 2 && cx.opset() >= 7 {
        return pair(cx, node);
    }
    if ROWS.contains(&op.name) {
        return if over_last_axis(cx, node)? { at(Kind::Rows) } else { None };
    }
    match op.name {
        "MatMul" if cx.graph.rank(n.input(1)?)? == 2 && cx.graph.rank(n.input(0)?)? >= 2 => at(Kind::Rows),
        "Gemm" if cx.int(node, "transA")? == 0 && bias_of_rows(cx, n.input(2)) => at(Kind::Matrix),
        _ => None,
    }
}

/// The operand whose shape is the result's, where the other one is a constant or a number.
fn pair(cx: &Context<'_>, node: NodeId) -> Option<Link> {
    let n = cx.node(node);
    let (a, b) = (n.input(0)?, n.input(1)?);
    let data = usize::from(secondary(cx, a) && !secondary(cx, b));
    let (value, other) = if data == 0 { (a, b) } else { (b, a) };
    let fits = secondary(cx, other) && same_shape(cx, value, n.outputs()[0]);
    fits.then_some(Link { node, kind: Kind::With(1 - data), data })
}

fn secondary(cx: &Context<'_>, value: ValueId) -> bool {
    is_number(cx, value) || cx.graph.const_value(value).is_some()
}

/// Whether the value has one element.
pub(super) fn is_number(cx: &Context<'_>, value: ValueId) -> bool {
    cx.graph.shape(value).is_some_and(|s| s.iter().all(|d| d.as_fixed() == Some(1)))
}

fn over_last_axis(cx: &Context<'_>, node: NodeId) -> Option<bool> {
    let n = cx.node(node);
    if cx.opset() < 11 {
        return Some(false);
    }
    let rank = i64::try_from(cx.graph.rank(n.input(0)?)?).ok()?;
    let axis = cx.int(node, "axis")?;
    Some(axis == -1 || axis == rank - 1)
}

/// Whether the bias is the same in each row.
fn bias_of_rows(cx: &Context<'_>, bias: Option<ValueId>) -> bool {
    let Some(shape) = bias.map(|b| cx.graph.shape(b)) else { return true };
    shape.is_some_and(|s| s.len() < 2 || (s.len() == 2 && s[0].as_fixed() == Some(1)))
}
