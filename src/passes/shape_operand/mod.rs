//! What the elements of a shape operand may be without changing what its node computes.

use crate::ir::{Dim, DimExpr, NodeId, Truth};
use crate::rewrite::Context;

/// `Slice` ends here at the latest.
const TO_THE_END: i64 = i64::MAX;

/// One element.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// What it is; `None` where that is not known.
    pub(super) value: Option<DimExpr>,
    /// The number that may stand in its place.
    pub(super) number: Option<i64>,
}

/// All elements of an operand, which has rank 1.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub(super) elements: Vec<Choice>,
    /// Positions of which one may be -1, if all others are what they are.
    pub(super) rest: Vec<usize>,
}

impl Choices {
    /// The numbers that may stand in place of all elements.
    pub(super) fn numbers(&self) -> Option<Vec<i64>> {
        let mut open = (0..self.elements.len()).filter(|&at| self.elements[at].number.is_none());
        let rest = open.next();
        if open.next().is_some() || rest.is_some_and(|at| !self.rest.contains(&at)) {
            return None;
        }
        Some(self.elements.iter().map(|e| e.number.unwrap_or(-1)).collect())
    }
}

/// The operand of a node that is a shape and may be written in other ways, and what it may be.
pub(super) fn choices(cx: &Context<'_>, node: NodeId, operand: usize) -> Option<Choices> {
    let n = cx.node(node);
    match (n.op().domain, n.op().name, operand) {
        ("", "Reshape", 1) => reshape(cx, node, cx.int(node, "allowzero").unwrap_or(0) == 0),
        ("", "Expand", 1) => expand(cx, node),
        ("", "Tile", 1) if n.inputs().len() == 2 => tile(cx, node),
        ("", "Slice", 2) => ends(cx, node),
        _ => None,
    }
}

/// The elements of a vector, unknown ones included.
fn elements(cx: &Context<'_>, node: NodeId, operand: usize) -> Option<Vec<Option<DimExpr>>> {
    let value = cx.node(node).input(operand)?;
    let [length] = cx.graph.shape(value)? else {
        return None;
    };
    let length = usize::try_from(length.as_fixed()?).ok()?;
    match cx.facts.elements(value) {
        Some(known) => (known.len() == length).then(|| known.to_vec()),
        None => (length <= 64).then(|| vec![None; length]),
    }
}

fn same(a: &Dim, b: &Dim) -> bool {
    a.same(b) == Truth::Proven
}

fn number(dim: &Dim) -> Option<i64> {
    i64::try_from(dim.as_fixed()?).ok()
}

/// What the shape of a `Reshape` may be once its `allowzero` is off.
pub(super) fn with_copies(cx: &Context<'_>, node: NodeId) -> Option<Choices> {
    reshape(cx, node, true)
}

/// A dim that stays is 0 where zeros copy, a known one its number; -1 stands for one that neither is, where the others leave exactly
/// that: none of them may be 0, unless the operand had its -1 there already.
fn reshape(cx: &Context<'_>, node: NodeId, copies: bool) -> Option<Choices> {
    let n = cx.node(node);
    let (from, to) = (cx.graph.shape(n.input(0)?)?, cx.graph.shape(*n.outputs().first()?)?);
    let wanted = elements(cx, node, 1).filter(|w| w.len() == to.len())?;
    let copied = |at: usize| copies && from.get(at).is_some_and(|d| same(d, &to[at]));
    let number = |at: usize| match number(&to[at]) {
        Some(0) => copied(at).then_some(0),
        Some(size) => Some(size),
        None => copied(at).then_some(0),
    };
    let minus = wanted.iter().position(|e| e.as_ref().and_then(DimExpr::as_constant) == Some(-1));
    let positive = |at: usize| to[at].at_least(1).is_proven();
    let rest = (0..to.len()).filter(|&at| match minus {
        Some(there) => at == there || positive(there),
        None => (0..to.len()).all(|other| other == at || positive(other)),
    });
    let rest = rest.collect();
    let elements = wanted.into_iter().enumerate().map(|(at, element)| {
        // An element that is 0 or -1 by design is no size.
        let size = element.filter(|e| e.as_constant().is_none()).or_else(|| to[at].expr());
        Choice { value: size, number: number(at) }
    });
    Some(Choices { elements: elements.collect(), rest })
}

/// A dim that is not stretched may be 1.
fn expand(cx: &Context<'_>, node: NodeId) -> Option<Choices> {
    let n = cx.node(node);
    let (from, to) = (cx.graph.shape(n.input(0)?)?, cx.graph.shape(*n.outputs().first()?)?);
    let wanted = elements(cx, node, 1)?;
    let skip = to.len().checked_sub(wanted.len())?;
    let elements = wanted.into_iter().enumerate().map(|(at, value)| {
        let at = at + skip;
        let have = (at + from.len()).checked_sub(to.len()).map(|at| &from[at]);
        let kept = have.is_some_and(|have| same(have, &to[at]));
        Choice { value, number: if kept { Some(1) } else { number(&to[at]) } }
    });
    Some(Choices { elements: elements.collect(), rest: Vec::new() })
}

/// A dim that stays is repeated once.
fn tile(cx: &Context<'_>, node: NodeId) -> Option<Choices> {
    let n = cx.node(node);
    let (from, to) = (cx.graph.shape(n.input(0)?)?, cx.graph.shape(*n.outputs().first()?)?);
    let wanted = elements(cx, node, 1).filter(|w| w.len() == to.len() && w.len() == from.len())?;
    let elements = wanted.into_iter().enumerate().map(|(at, value)| {
        let number = value.as_ref().and_then(DimExpr::as_constant);
        Choice { number: number.or_else(|| same(&from[at], &to[at]).then_some(1)), value }
    });
    Some(Choices { elements: elements.collect(), rest: Vec::new() })
}

/// An end that is not before the dim's is as good as any behind it.
fn ends(cx: &Context<'_>, node: NodeId) -> Option<Choices> {
    let n = cx.node(node);
    let shape = cx.graph.shape(n.input(0)?)?;
    let wanted = elements(cx, node, 2)?;
    let axes = match n.input(3) {
        Some(v) => cx.constant_ints(v)?,
        None => (0..wanted.len() as i64).collect(),
    };
    let forward = match n.input(4) {
        Some(v) => cx.constant_ints(v)?.iter().all(|&step| step > 0),
        None => true,
    };
    if axes.len() != wanted.len() || !forward {
        return None;
    }
    let rank = i64::try_from(shape.len()).ok()?;
    let elements = wanted.into_iter().zip(axes).map(|(value, axis)| {
        let axis = usize::try_from(if axis < 0 { axis.checked_add(rank)? } else { axis }).ok()?;
        let size = shape.get(axis)?.expr()?;
        let number = value.as_ref().and_then(|end| match end.as_constant() {
            Some(end) => Some(end),
            None => end.sub(&size)?.is_nonneg().then_some(TO_THE_END),
        });
        Some(Choice { value, number })
    });
    Some(Choices { elements: elements.collect::<Option<_>>()?, rest: Vec::new() })
}
