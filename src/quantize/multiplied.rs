//! Which elements of values become operands of products, at once or after any other nodes have computed with them.
//!
//! ```text
//! both = Concat <axis = 1> (boxes, scores)   p, q = Split <axis = 1> (both)   y = Conv (Softmax (p), w)
//! ```
//!
//! Of `both` those along axis 1 that are `boxes`, of `scores` none.

use super::choose::{Choice, Role};
use crate::error::Result;
use crate::ir::{Dim, Graph, Node, NodeId, RegionId, ValueId, captures, topological};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// Elements of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of them, as far as is known.
    All,
    /// Those at some indices of an axis.
    Along(usize, Range<u64>),
}

impl Part {
    /// Both parts; the least that holds them.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Along(a, x), Self::Along(b, y)) if a == b => {
                Self::Along(a, x.start.min(y.start)..x.end.max(y.end))
            }
            _ => Self::All,
        }
    }
}

/// The parts of values that products in whole numbers multiply; values of which they multiply nothing are not there.
///
/// # Errors
/// The graph has a cycle.
pub(super) fn multiplied(graph: &Graph, choices: &[Choice]) -> Result<FxHashMap<ValueId, Part>> {
    let whole = choices.iter().filter(|c| matches!(c.role, Role::Product { .. } | Role::Skip { .. }));
    let whole: FxHashSet<NodeId> = whole.map(|c| c.node).collect();
    let mut parts: FxHashMap<ValueId, Part> = FxHashMap::default();
    for id in topological(graph, RegionId::ROOT)?.into_iter().rev() {
        let node = graph.node(id);
        let read = match whole.contains(&id) {
            true => all(node),
            false => read(graph, node, &parts),
        };
        let captured = (!read.is_empty() && node.regions().next().is_some()).then(|| captures(graph, id));
        let captured = captured.into_iter().flatten().map(|v| (v, Part::All));
        for (value, part) in read.into_iter().chain(captured) {
            let joined = match parts.remove(&value) {
                Some(known) => known.and(part),
                None => part,
            };
            let joined = match joined {
                Part::Along(axis, part) if size(graph, value, axis) == Some(part.end - part.start) => {
                    Part::All
                }
                other => other,
            };
            parts.insert(value, joined);
        }
    }
    Ok(parts)
}

fn all(node: &Node) -> Vec<(ValueId, Part)> {
    node.inputs().flatten().map(|v| (v, Part::All)).collect()
}

/// What a node reads for the parts of its results.
fn read(graph: &Graph, node: &Node, parts: &FxHashMap<ValueId, Part>) -> Vec<(ValueId, Part)> {
    if !node.outputs().iter().any(|v| parts.contains_key(v)) {
        return Vec::new();
    }
    let op = node.op();
    if op.is("Shape") || op.is("Size") {
        return Vec::new();
    }
    let moved = if op.is("Split") {
        of_split(graph, node, parts)
    } else if op.is("Concat") {
        of_concat(graph, node, parts)
    } else if op.is("Transpose") || op.is("Reshape") {
        of_moved(graph, node, parts)
    } else {
        None
    };
    moved.unwrap_or_else(|| all(node))
}

fn of_split(graph: &Graph, node: &Node, parts: &FxHashMap<ValueId, Part>) -> Option<Vec<(ValueId, Part)>> {
    let value = node.input(0)?;
    let axis = axis(graph, value, node.int("axis").unwrap_or(0))?;
    let (mut start, mut joined) = (0, None::<Part>);
    for output in node.outputs() {
        let end = start + size(graph, *output, axis)?;
        if let Some(part) = parts.get(output) {
            let here = match part {
                Part::Along(own, part) if *own == axis => part.start + start..part.end + start,
                _ => start..end,
            };
            let here = Part::Along(axis, here);
            joined = Some(joined.map_or(here.clone(), |known| known.and(here)));
        }
        start = end;
    }
    Some(vec![(value, joined?)])
}

fn of_concat(graph: &Graph, node: &Node, parts: &FxHashMap<ValueId, Part>) -> Option<Vec<(ValueId, Part)>> {
    let result = node.outputs()[0];
    let Part::Along(own, part) = parts.get(&result)? else { return None };
    if *own != axis(graph, result, node.int("axis")?)? {
        return Some(node.inputs().flatten().map(|value| (value, Part::Along(*own, part.clone()))).collect());
    }
    let (mut start, mut read) = (0, Vec::new());
    for value in node.inputs().flatten() {
        let end = start + size(graph, value, *own)?;
        let both = part.start.max(start)..part.end.min(end);
        if both.start < both.end {
            read.push((value, Part::Along(*own, both.start - start..both.end - start)));
        }
        start = end;
    }
    Some(read)
}

/// Where an axis and all before it stay as they are, or are only permuted.
fn of_moved(graph: &Graph, node: &Node, parts: &FxHashMap<ValueId, Part>) -> Option<Vec<(ValueId, Part)>> {
    let (value, result) = (node.input(0)?, node.outputs()[0]);
    let Part::Along(axis, part) = parts.get(&result)? else { return None };
    let axis = if node.op().is("Transpose") {
        let rank = graph.rank(result)?;
        let reversed = || (0..rank as i64).rev().collect();
        let order = node.ints("perm").map_or_else(reversed, <[i64]>::to_vec);
        usize::try_from(*order.get(*axis)?).ok()?
    } else {
        let (before, after) = (graph.shape(value)?.get(..=*axis)?, graph.shape(result)?.get(..=*axis)?);
        (before == after).then_some(*axis)?
    };
    Some(vec![(value, Part::Along(axis, part.clone()))])
}

fn axis(graph: &Graph, value: ValueId, axis: i64) -> Option<usize> {
    let rank = graph.rank(value)? as i64;
    usize::try_from(if axis < 0 { axis + rank } else { axis }).ok().filter(|&axis| (axis as i64) < rank)
}

fn size(graph: &Graph, value: ValueId, axis: usize) -> Option<u64> {
    graph.shape(value)?.get(axis).and_then(Dim::as_fixed)
}
