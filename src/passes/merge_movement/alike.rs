//! Operands that are all moved alike are moved once, after the op.

use super::super::layout::{Known, Layout, is_move, plans, realize};
use super::between::{PAIRS, known_shape, movement};
use super::operand;
use crate::ir::{NodeId, ValueId};
use crate::passes::linear::same_shape;
use crate::rewrite::{Context, Miss, Patch, Ref};

/// Elementwise ops of several operands that broadcast.
const MANY: &[&str] = &["Max", "Min", "Sum", "Mean", "Where"];

/// Does the op on what was moved, then moves the result.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let op = n.op();
    if !op.domain.is_empty() || cx.opset() < 8 {
        return Err(Miss::Silent);
    }
    let operands: Vec<ValueId> = n.inputs().collect::<Option<_>>().ok_or(Miss::Silent)?;
    if op.is("Concat") {
        return concat(cx, node, &operands).ok_or(Miss::Silent);
    }
    if PAIRS.contains(&op.name) || MANY.contains(&op.name) {
        return elementwise(cx, node, &operands).ok_or(Miss::Silent);
    }
    Err(Miss::Silent)
}

/// The movement that gives an operand, where nothing else reads it.
fn own_movement(cx: &Context<'_>, node: NodeId, operand: ValueId) -> Option<NodeId> {
    let producer = cx.graph.producer(operand)?;
    let own = cx.graph.value(operand).uses().len() == 1;
    (own && is_move(cx, producer) && cx.node(producer).region() == cx.node(node).region()).then_some(producer)
}

fn elementwise(cx: &Context<'_>, node: NodeId, operands: &[ValueId]) -> Option<Patch> {
    let moves: Vec<Option<NodeId>> = operands.iter().map(|&v| own_movement(cx, node, v)).collect();
    let mut given = moves.iter().flatten().copied();
    let first = given.next()?;
    let mut others = given.peekable();
    others.peek()?;
    if !others.all(|other| alike(cx, first, other)) {
        return None;
    }
    let source = cx.node(first).input(0)?;
    let mut layout = Layout::of(cx.graph.shape(source)?)?;
    movement(cx, first, &mut layout)?;
    if !same_shape(cx, cx.node(first).outputs()[0], cx.node(node).outputs()[0]) {
        return None;
    }
    let mut patch = Patch::new();
    let mut inputs = Vec::with_capacity(operands.len());
    for (&value, movement) in operands.iter().zip(&moves) {
        inputs.push(match movement {
            Some(m) => Ref::Old(cx.node(*m).input(0)?),
            None => operand::moved(cx, &mut patch, value, &layout.sizes, layout.last(), layout.frame(0))?,
        });
    }
    let mut x = patch.copy(cx.node(node), inputs);
    let known: Known = moves.iter().flatten().filter_map(|&m| known_shape(cx, m)).collect();
    let plans = plans(layout.frame(0), layout.last(), &layout.sizes);
    let ops = plans.iter().find_map(|plan| realize(cx, cx.graph.shape(source)?, plan, &known))?;
    if ops.len() > 1 {
        return None;
    }
    for op in &ops {
        x = op.write(cx, &mut patch, x);
    }
    patch.replace(cx.node(node).outputs()[0], x);
    Some(patch)
}

/// Whether two movements do the same to values of the same shape.
fn alike(cx: &Context<'_>, a: NodeId, b: NodeId) -> bool {
    let (first, second) = (cx.node(a), cx.node(b));
    let read = first.input(0).zip(second.input(0)).is_some_and(|(a, b)| same_shape(cx, a, b));
    let turns = first.op().is("Transpose");
    read && same_shape(cx, first.outputs()[0], second.outputs()[0])
        && turns == second.op().is("Transpose")
        && (!turns || cx.permutation(a) == cx.permutation(b))
}

fn concat(cx: &Context<'_>, node: NodeId, operands: &[ValueId]) -> Option<Patch> {
    let moves: Vec<NodeId> = operands.iter().map(|&v| own_movement(cx, node, v)).collect::<Option<_>>()?;
    let perm = cx.permutation(*moves.first()?)?;
    let alike = |&m: &NodeId| cx.node(m).op().is("Transpose") && cx.permutation(m).as_ref() == Some(&perm);
    if moves.len() < 2 || !moves.iter().all(alike) {
        return None;
    }
    let axis = cx.int(node, "axis")?;
    let axis = if axis < 0 { axis.checked_add(i64::try_from(perm.len()).ok()?)? } else { axis };
    let axis = *perm.get(usize::try_from(axis).ok()?)?;
    let inputs = moves.iter().map(|&m| cx.node(m).input(0)).collect::<Option<Vec<_>>>()?;
    let mut patch = Patch::new();
    let joined = patch.node("Concat", inputs);
    patch.set_attr("axis", axis as i64);
    patch.node("Transpose", [joined]);
    patch.set_attr("perm", perm.iter().map(|&p| p as i64).collect::<Vec<i64>>());
    Some(patch)
}
