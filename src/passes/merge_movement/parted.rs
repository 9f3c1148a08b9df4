//! A movement before a `Split` whose parts are all moved again goes into those movements.

use super::super::layout::{Known, Layout, is_move, plans, realize};
use super::between::{known_shape, movement};
use crate::ir::{NodeId, Shape, Use};
use crate::rewrite::{Context, Miss, Patch, Ref};

/// Starts at the `Split`.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    if !cx.node(node).op().is("Split") || !cx.node(node).op().domain.is_empty() {
        return Err(Miss::Silent);
    }
    split_first(cx, node).ok_or(Miss::Silent)
}

fn split_first(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let n = cx.node(node);
    let value = n.input(0)?;
    let before = cx.graph.producer(value)?;
    let own = cx.graph.value(value).uses().len() == 1 && cx.node(before).region() == n.region();
    if !own || !is_move(cx, before) {
        return None;
    }
    let source = cx.node(before).input(0)?;
    let shape = cx.graph.shape(source)?;
    let mut layout = Layout::of(shape)?;
    movement(cx, before, &mut layout)?;
    let rank = i64::try_from(layout.last().len()).ok()?;
    let axis = cx.int(node, "axis")?;
    let axis = layout.last().get(usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()?)?;
    let &[along] = axis.as_slice() else { return None };
    let from = layout.frame(0).iter().position(|a| a == axis)?;

    let mut patch = Patch::new();
    let operands: Vec<Ref> =
        std::iter::once(Ref::Old(source)).chain(n.inputs().skip(1).map(Ref::from)).collect();
    let parts = patch.copy_with_outputs(n, operands);
    patch.reset_attr("axis", i64::try_from(from).ok()?);
    for (&output, part) in n.outputs().iter().zip(parts) {
        let [Use::Operand { node: then, index: 0 }] = cx.graph.value(output).uses() else { return None };
        if !is_move(cx, *then) || cx.node(*then).region() != n.region() {
            return None;
        }
        let size = cx.graph.shape(output)?.get(layout.last().iter().position(|a| a == axis)?)?.clone();
        if size.as_fixed().is_none_or(|s| s < 2) {
            return None;
        }
        let mut here = layout.clone();
        here.sizes[along] = size.clone();
        movement(cx, *then, &mut here)?;
        let mut given: Shape = shape.to_vec();
        given[from] = size;
        let known: Known = known_shape(cx, *then).into_iter().collect();
        let plans = plans(here.frame(0), here.last(), &here.sizes);
        let ops = plans.iter().find_map(|plan| realize(cx, &given, plan, &known))?;
        if ops.len() > 1 {
            return None;
        }
        let moved = ops.iter().fold(part, |x, op| op.write(cx, &mut patch, x));
        patch.replace(cx.node(*then).outputs()[0], moved);
    }
    Some(patch)
}
