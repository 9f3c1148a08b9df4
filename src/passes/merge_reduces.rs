//! `merge-reduces`: reductions that follow each other become one, and keep their axes or not as is read next.
//!
//! ```text
//! ReduceMean(ReduceMean(x))                       ->   ReduceMean(x)         Sum, Max, Min, Prod, L1, L2, LogSumExp too
//! Unsqueeze(ReduceSum<keepdims=0>(x))             ->   ReduceSum<keepdims=1>(x)
//! Squeeze(ArgMax(x)), Reshape(ReduceMax(x))       ->   ArgMax<keepdims=0>(x), ReduceMax<keepdims=0>(x)
//! Flatten(GlobalAveragePool(x))                   ->   ReduceMean<keepdims=0>(x)
//! ReduceMean(x) over dims of 1 or no axes         ->   x, or Squeeze(x)
//! ```
//!
//! Reassociates: the sums are taken in another order. The axes are constants and the rank is known; a movement is taken
//! in where it leaves the shape that the reduction has with its axes kept, or without.
//!
//! Refused: an inner reduction that is read elsewhere too, and two of which one alone keeps its axes.

mod chained;
mod reduction;
mod shaped;
mod trivial;

use crate::ir::{NodeId, OpId};
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeReduces;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(MergeReduces)
}

const META: Meta = Meta {
    id: "merge-reduces",
    summary: "reductions that follow each other, and reshapes behind one, become one reduction",
    exactness: Exactness::Reassociates,
    since_opset: 1,
    emits: &[OpId::onnx("ReduceMean"), OpId::onnx("ReduceMax"), OpId::onnx("Squeeze")],
};

impl Rule for MergeReduces {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("ReduceL1"),
            OpId::onnx("ReduceL2"),
            OpId::onnx("ReduceLogSumExp"),
            OpId::onnx("ReduceMax"),
            OpId::onnx("ReduceMean"),
            OpId::onnx("ReduceMin"),
            OpId::onnx("ReduceProd"),
            OpId::onnx("ReduceSum"),
            OpId::onnx("Flatten"),
            OpId::onnx("Reshape"),
            OpId::onnx("Squeeze"),
            OpId::onnx("Unsqueeze"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        match cx.node(node).op().name {
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => shaped::merge(cx, node),
            _ => match trivial::merge(cx, node) {
                Err(Miss::Silent) => chained::merge(cx, node),
                done => done,
            },
        }
    }
}
