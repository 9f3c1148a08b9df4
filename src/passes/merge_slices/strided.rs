//! Strided slices that together take all of a value, joined: its blocks, moved.

use super::super::layout::{Known, Layout, plans, realize};
use super::ranges::{Range, axis, ranges};
use crate::ir::{Dim, NodeId, ValueId};
use crate::rewrite::{Context, Patch, Ref};

/// Starts at the `Concat`.
pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Option<Patch> {
    let n = cx.node(node);
    let out = cx.graph.shape(n.outputs()[0])?;
    let joined = axis(cx.int(node, "axis")?, out.len())?;
    let mut parts: Vec<Vec<Range>> = Vec::new();
    let mut whole: Option<ValueId> = None;
    for operand in n.inputs() {
        let (ranges, value) = part(cx, node, operand?)?;
        if whole.is_some_and(|w| w != value) {
            return None;
        }
        whole = Some(value);
        parts.push(ranges);
    }
    let whole = whole?;
    let first = parts.first()?;
    let blocks: Vec<(usize, i64)> = first.iter().map(|r| (r.axis, r.step)).collect();
    let fits =
        |r: &Range| r.step > 1 && r.start < r.step && r.size % r.step == 0 && r.count == r.size / r.step;
    let same =
        |p: &Vec<Range>| p.iter().map(|r| (r.axis, r.step)).eq(blocks.iter().copied()) && p.iter().all(fits);
    if !parts.iter().all(same) || blocks.iter().any(|b| b.0 == joined) {
        return None;
    }
    let order = counting_order(&parts, &blocks)?;

    let shape = cx.graph.shape(whole)?;
    let mut layout = Layout::of(shape)?;
    let (mut torn, mut at) = (Vec::new(), Vec::new());
    for (axis, dim) in shape.iter().enumerate() {
        at.push(torn.len());
        match blocks.iter().find(|b| b.0 == axis) {
            None => torn.push(dim.clone()),
            Some(&(_, step)) => {
                let step = Dim::Fixed(u64::try_from(step).ok()?);
                torn.extend([dim.floor_div(&step)?, step]);
            }
        }
    }
    layout.reshape(&torn)?;
    let mut perm = Vec::with_capacity(torn.len());
    for axis in 0..shape.len() {
        if axis == joined {
            perm.extend(order.iter().map(|&b| at[blocks[b].0] + 1));
        }
        perm.push(at[axis]);
    }
    layout.transpose(&perm)?;
    layout.reshape(out)?;
    let plans = plans(layout.frame(0), layout.last(), &layout.sizes);
    let ops = plans.iter().find_map(|plan| realize(cx, shape, plan, &Known::new()))?;
    if ops.len() > parts.len() {
        return None;
    }
    let mut patch = Patch::new();
    let moved = ops.iter().fold(Ref::Old(whole), |x, op| op.write(cx, &mut patch, x));
    patch.replace(n.outputs()[0], moved);
    Some(patch)
}

/// What an operand takes, and of what; nothing but the `Concat` reads it.
fn part(cx: &Context<'_>, node: NodeId, operand: ValueId) -> Option<(Vec<Range>, ValueId)> {
    let own = cx.graph.value(operand).uses().len() == 1;
    let mut value = operand;
    let mut all: Vec<Range> = Vec::new();
    while let Some(slice) = cx.graph.producer(value).filter(|&p| cx.node(p).op().is("Slice")) {
        let found = ranges(cx, slice)?;
        if found.iter().any(|r| all.iter().any(|a| a.axis == r.axis))
            || cx.node(slice).region() != cx.node(node).region()
        {
            return None;
        }
        all.extend(found);
        value = cx.node(slice).input(0)?;
    }
    all.sort_unstable_by_key(|r| r.axis);
    (own && !all.is_empty()).then_some((all, value))
}

/// The blocked axes, slowest first, such that the starts of the parts count through all of a block.
fn counting_order(parts: &[Vec<Range>], blocks: &[(usize, i64)]) -> Option<Vec<usize>> {
    let all = blocks.iter().try_fold(1i64, |n, b| n.checked_mul(b.1))?;
    if i64::try_from(parts.len()).ok()? != all {
        return None;
    }
    let mut period: Vec<(i64, usize)> = Vec::new();
    for (b, _) in blocks.iter().enumerate() {
        // The first part at which the start changes tells how fast the axis counts.
        let turn = parts.iter().position(|p| p[b].start != parts[0][b].start)?;
        period.push((-i64::try_from(turn).ok()?, b));
    }
    period.sort_unstable();
    let order: Vec<usize> = period.into_iter().map(|(_, b)| b).collect();
    let counts = parts.iter().enumerate().all(|(i, part)| {
        let mut rest = i as i64;
        order.iter().rev().all(|&b| {
            let digit = rest % blocks[b].1;
            rest /= blocks[b].1;
            part[b].start == digit
        })
    });
    counts.then_some(order)
}
