//! A reduction of a reduction.

use super::reduction::Reduction;
use crate::ir::{NodeId, OpId};
use crate::passes::linear::sole_producer;
use crate::require;
use crate::rewrite::{Context, Miss, Patch};

pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let read = |node| Reduction::read(cx, node).filter(|r| !r.axes.is_empty()).ok_or(Miss::Silent);
    let outer = read(node)?;
    let producer = cx.graph.producer(outer.x).ok_or(Miss::Silent)?;
    let inner = read(producer)?;
    let op = both(inner.op, outer.op).ok_or(Miss::Silent)?;
    let float = cx.graph.dtype(inner.x).ok_or(Miss::Silent)?.is_float();
    let truncates = ["ReduceMean", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"].contains(&op.name);
    require!(float || !truncates, outer.x, "each of the two cuts off a fraction");
    sole_producer(cx, outer.x, node)?;
    let rank = cx.graph.rank(inner.x).ok_or(Miss::Silent)?;
    let left: Vec<usize> = (0..rank).filter(|a| inner.keep || !inner.axes.contains(a)).collect();
    let mut axes: Vec<usize> = outer.axes.iter().filter_map(|&a| left.get(a).copied()).collect();
    let covers = inner.axes.iter().all(|a| axes.contains(a));
    let keep = outer.keep;
    require!(inner.keep == keep || inner.keep && covers, outer.x, "one of the two alone keeps its axes");
    axes.extend(&inner.axes);
    axes.sort_unstable();
    axes.dedup();
    let mut patch = Patch::new();
    Reduction { op, axes, keep, ..inner }.emit(cx, &mut patch);
    Ok(patch)
}

/// The reduction that does what two do after each other.
fn both(inner: OpId, outer: OpId) -> Option<OpId> {
    match (inner.name, outer.name) {
        ("ReduceL1" | "ReduceSumSquare", "ReduceSum") => Some(inner),
        ("ReduceSumSquare", _) => None,
        (a, b) if a == b => Some(inner),
        _ => None,
    }
}
