//! A reduction of a value of known rank, whatever form its axes have.

use crate::ir::{Dim, NodeId, OpId, ValueId};
use crate::passes::reduction::{axes_of, over_axes};
use crate::rewrite::{Context, Patch, Ref};

/// What a node reduces, and how.
pub(super) struct Reduction {
    pub(super) node: NodeId,
    pub(super) op: OpId,
    pub(super) x: ValueId,
    /// From 0, in order.
    pub(super) axes: Vec<usize>,
    pub(super) keep: bool,
}

impl Reduction {
    pub(super) fn read(cx: &Context<'_>, node: NodeId) -> Option<Self> {
        let n = cx.node(node);
        let x = n.input(0)?;
        let rank = cx.graph.rank(x)?;
        if !n.op().domain.is_empty() || n.outputs().len() != 1 {
            return None;
        }
        let global = |op| (OpId::onnx(op), (2..rank).collect::<Vec<_>>(), true);
        let (op, axes, keep) = match n.op().name {
            "GlobalAveragePool" => global("ReduceMean"),
            "GlobalMaxPool" => global("ReduceMax"),
            "ArgMax" | "ArgMin" => (n.op(), vec![axis(cx, node, rank)?], cx.int(node, "keepdims")? != 0),
            name if name.starts_with("Reduce") => {
                (n.op(), axes(cx, node, rank)?, cx.int(node, "keepdims")? != 0)
            }
            _ => return None,
        };
        Some(Self { node, op, x, axes, keep })
    }

    /// The dims of the result.
    pub(super) fn shape(&self, cx: &Context<'_>) -> Option<Vec<Dim>> {
        let dims = cx.graph.shape(self.x)?.iter().enumerate();
        let dims = dims.filter_map(|(at, dim)| match self.axes.contains(&at) {
            true => self.keep.then_some(Dim::Fixed(1)),
            false => Some(dim.clone()),
        });
        Some(dims.collect())
    }

    /// The node.
    pub(super) fn emit(&self, cx: &Context<'_>, patch: &mut Patch) -> Ref {
        let axes: Vec<i64> = self.axes.iter().map(|&a| a as i64).collect();
        let keep = i64::from(self.keep);
        if matches!(self.op.name, "ArgMax" | "ArgMin") {
            let made = patch.copy(cx.node(self.node), [self.x]);
            patch.reset_attr("keepdims", keep);
            return made;
        }
        let made = over_axes(cx, patch, self.op, self.x, &axes);
        patch.set_attr("keepdims", keep);
        made
    }
}

/// The axes of a reduction, none where it says that nothing is reduced.
fn axes(cx: &Context<'_>, node: NodeId, rank: usize) -> Option<Vec<usize>> {
    let listed = cx.ints(node, 1, "axes")?.is_some_and(|axes| !axes.is_empty());
    if !listed && cx.int(node, "noop_with_empty_axes").unwrap_or(0) != 0 {
        return Some(Vec::new());
    }
    axes_of(cx, node, rank).ok()
}

/// The axis of `ArgMax` or `ArgMin`.
fn axis(cx: &Context<'_>, node: NodeId, rank: usize) -> Option<usize> {
    let (axis, whole) = (cx.int(node, "axis")?, i64::try_from(rank).ok()?);
    usize::try_from(if axis < 0 { axis + whole } else { axis }).ok().filter(|&a| a < rank)
}
