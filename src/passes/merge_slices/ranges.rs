//! What a `Slice` takes, and the constants of a `Gather`.

use crate::ir::NodeId;
use crate::rewrite::Context;

/// Elements of one axis: `start`, `start + step`, …, `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) axis: usize,
    /// The size of the axis.
    pub(super) size: i64,
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) count: i64,
}

impl Range {
    pub(super) fn index(&self, at: i64) -> i64 {
        self.start + self.step * at
    }
}

/// The axis as an index below the rank.
pub(super) fn axis(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    (0..rank).contains(&axis).then_some(axis as usize)
}

/// The ranges of a `Slice`, an axis each, ordered by axis. `None` where one is not known in numbers.
pub(super) fn ranges(cx: &Context<'_>, node: NodeId) -> Option<Vec<Range>> {
    let n = cx.node(node);
    if !n.op().is("Slice") || !n.op().domain.is_empty() {
        return None;
    }
    let shape = cx.graph.shape(n.input(0)?)?;
    let starts = cx.ints(node, 1, "starts")??;
    let ends = cx.ints(node, 2, "ends")??;
    let all: Vec<i64> = (0..i64::try_from(starts.len()).ok()?).collect();
    let axes = cx.ints(node, 3, "axes")?.unwrap_or(all);
    let steps = match n.input(4) {
        Some(v) => cx.constant_ints(v)?,
        None => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()].iter().any(|&l| l != starts.len()) {
        return None;
    }
    let mut ranges = Vec::with_capacity(starts.len());
    for (((&start, &end), &at), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let at = axis(at, shape.len())?;
        let size = i64::try_from(shape[at].as_fixed()?).ok()?;
        ranges.push(range(at, size, start, end, step)?);
    }
    ranges.sort_unstable_by_key(|r| r.axis);
    let distinct = ranges.windows(2).all(|w| w[0].axis != w[1].axis);
    (distinct && !ranges.is_empty()).then_some(ranges)
}

fn range(axis: usize, size: i64, start: i64, end: i64, step: i64) -> Option<Range> {
    let from_front = |n: i64| if n < 0 { n.saturating_add(size) } else { n };
    let (start, end) = (from_front(start), from_front(end));
    let (start, span) = match step {
        1.. => {
            let start = start.clamp(0, size);
            (start, end.clamp(0, size) - start)
        }
        i64::MIN..=-1 if step != i64::MIN => {
            let start = start.clamp(-1, size - 1);
            (start, start - end.clamp(-1, size - 1))
        }
        _ => return None,
    };
    let count = if span <= 0 { 0 } else { (span - 1) / step.abs() + 1 };
    (count > 0).then_some(Range { axis, size, start, step, count })
}

/// The axis, the constant indices, counted from the front, and their shape.
pub(super) fn gather(cx: &Context<'_>, node: NodeId) -> Option<(usize, Vec<i64>, Vec<usize>)> {
    let n = cx.node(node);
    if !n.op().is("Gather") || !n.op().domain.is_empty() {
        return None;
    }
    let shape = cx.graph.shape(n.input(0)?)?;
    let at = axis(cx.int(node, "axis")?, shape.len())?;
    let size = i64::try_from(shape[at].as_fixed()?).ok()?;
    let indices = cx.graph.const_value(n.input(1)?)?;
    let list = indices.to_i64s()?;
    let list: Vec<i64> = list.iter().map(|&i| if i < 0 { i + size } else { i }).collect();
    list.iter().all(|i| (0..size).contains(i)).then(|| (at, list, indices.shape().to_vec()))
}
