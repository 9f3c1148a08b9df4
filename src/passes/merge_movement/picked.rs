//! What is picked from one value and moved alike is picked from the moved value.

use super::super::layout::{Known, Layout, Op, is_move, plans, realize};
use super::between::movement;
use crate::ir::{Dim, NodeId, Use, ValueId};
use crate::passes::linear::same_shape;
use crate::rewrite::{Context, Miss, Patch, Ref};

/// An element along one axis of a value, and what is done with it.
struct Pick {
    node: NodeId,
    index: ValueId,
    /// The movement that alone reads it.
    then: Option<NodeId>,
}

/// Starts at the movement after one of several `Gather`s of one value.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    if !is_move(cx, node) {
        return Err(Miss::Silent);
    }
    moved_first(cx, node).ok_or(Miss::Silent)
}

fn moved_first(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let gather = cx.graph.producer(cx.node(node).input(0)?)?;
    let axis = picked_axis(cx, gather)?;
    let value = cx.node(gather).input(0)?;
    let picks = picks(cx, node, value, axis)?;
    let like = |p: &Pick| {
        p.then.is_some_and(|t| cx.node(t).op().is("Transpose") == cx.node(node).op().is("Transpose"))
    };
    let equal = |p: &Pick| p.then.is_some_and(|t| alike(cx, t, node));

    // The value as the picks are to find it: the axis first, then what the movement makes of the others.
    let shape = cx.graph.shape(value)?;
    let mut layout = Layout::of(shape)?;
    let front: Vec<usize> = std::iter::once(axis).chain((0..shape.len()).filter(|&a| a != axis)).collect();
    layout.transpose(&front)?;
    let count = shape[axis].clone();
    beside(cx, node, count, &mut layout)?;
    let first = ways(cx, shape, &layout, 0, layout.now())?;
    let gained = picks.iter().filter(|p| equal(p)).count();
    let lost = first.len() + picks.iter().filter(|p| !like(p)).count();
    if gained <= lost {
        return None;
    }

    let mut patch = Patch::new();
    let mut x = Ref::Old(value);
    for op in &first {
        x = op.write(cx, &mut patch, x);
    }
    let mut back = Layout::of(cx.graph.shape(cx.node(gather).outputs()[0])?)?;
    movement(cx, node, &mut back)?;
    let moved = cx.graph.shape(cx.node(node).outputs()[0])?;
    let undo = plans(back.last(), back.frame(0), &back.sizes);
    let undo = undo.iter().find_map(|plan| realize(cx, moved, plan, &Known::new()));
    for pick in &picks {
        let mut y = patch.node("Gather", [x, Ref::Old(pick.index)]);
        patch.set_attr("axis", 0i64);
        if equal(pick) {
            patch.replace(cx.node(pick.then?).outputs()[0], y);
            continue;
        }
        for op in undo.as_ref()? {
            y = op.write(cx, &mut patch, y);
        }
        patch.replace(cx.node(pick.node).outputs()[0], y);
    }
    Some(patch)
}

/// The axis along which a `Gather` takes one element by a constant index.
fn picked_axis(cx: &Context<'_>, node: NodeId) -> Option<usize> {
    let n = cx.node(node);
    let index = n.input(1).filter(|_| n.op().is("Gather") && n.op().domain.is_empty())?;
    cx.graph.const_value(index).filter(|t| t.rank() == 0)?;
    let rank = i64::try_from(cx.graph.rank(n.input(0)?)?).ok()?;
    let axis = cx.int(node, "axis")?;
    usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()
}

/// All readers of the value, where each picks along the axis.
fn picks(cx: &Context<'_>, node: NodeId, value: ValueId, axis: usize) -> Option<Vec<Pick>> {
    let region = cx.node(node).region();
    let mut picks = Vec::new();
    for reader in cx.graph.value(value).uses() {
        let Use::Operand { node: gather, index: 0 } = *reader else { return None };
        if picked_axis(cx, gather) != Some(axis) || cx.node(gather).region() != region {
            return None;
        }
        let picked = cx.node(gather).outputs()[0];
        let then = match cx.graph.value(picked).uses() {
            [Use::Operand { node, index: 0 }] if is_move(cx, *node) && cx.node(*node).region() == region => {
                Some(*node)
            }
            _ => None,
        };
        picks.push(Pick { node: gather, index: cx.node(gather).input(1)?, then });
    }
    picks.sort_by_key(|p| (cx.node(p.node).order(), p.node));
    Some(picks)
}

/// Whether two movements of values of one shape do the same.
fn alike(cx: &Context<'_>, a: NodeId, b: NodeId) -> bool {
    let transposes = |n: NodeId| cx.node(n).op().is("Transpose");
    match (transposes(a), transposes(b)) {
        (true, true) => cx.permutation(a) == cx.permutation(b),
        (false, false) => same_shape(cx, cx.node(a).outputs()[0], cx.node(b).outputs()[0]),
        _ => false,
    }
}

/// Does what the movement does to all axes but the first.
fn beside(cx: &Context<'_>, node: NodeId, first: Dim, layout: &mut Layout) -> Option<()> {
    if cx.node(node).op().is("Transpose") {
        let perm = cx.permutation(node)?;
        return layout.transpose(&std::iter::once(0).chain(perm.iter().map(|p| p + 1)).collect::<Vec<_>>());
    }
    let shape = cx.graph.shape(cx.node(node).outputs()[0])?;
    layout.reshape(&std::iter::once(first).chain(shape.iter().cloned()).collect::<Vec<_>>())
}

fn ways(cx: &Context<'_>, shape: &[Dim], layout: &Layout, from: usize, to: usize) -> Option<Vec<Op>> {
    let plans = plans(layout.frame(from), layout.frame(to), &layout.sizes);
    plans.iter().find_map(|plan| realize(cx, shape, plan, &Known::new()))
}
