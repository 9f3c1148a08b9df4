//! `merge-slices`: slices, splits, gathers and concatenations that undo or continue each other become fewer nodes.
//!
//! ```text
//! Slice(x, 0:a), Slice(x, a:b), Slice(x, b:)         ->   Split(x)
//! Slice(Slice(x))                                    ->   Slice(x)
//! Concat(Slice(x, k:), Slice(x, :k))                 ->   Gather(x, [k, ..., 0, ...])     (a roll)
//! Concat(x[::2, ::2], x[1::2, ::2], ...)             ->   Reshape, Transpose, Reshape     (focus, patch merging)
//! Gather, Gather, Reshape, Transpose, Reshape        ->   Reshape, Gather, Reshape        (shifted windows)
//! Concat(Concat(a, b), c)                            ->   Concat(a, b, c)
//! Concat(Split(x))                                   ->   x
//! Slice(Concat(a, b)) of just one operand            ->   that operand
//! Squeeze(Slice(x, k:k+1)), Unsqueeze(Gather(x, k))  ->   Gather(x, k), Gather(x, [k])
//! ```
//!
//! Exact. Starts, ends and indices are constants, and the sizes of the axes concerned are known numbers.
//!
//! Slices become one `Split` when together they cover the axis and none overlaps another. A roll is one `Gather` when
//! nothing else reads the slices and each index moves 64 bytes or more. Gathers by constants and movements in a row become a single `Gather` over one
//! flattened axis when that takes fewer nodes and each index moves 64 bytes or more.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId};
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, settle,
};

mod concats;
mod ranges;
mod rolled;
mod shuffled;
mod single;
mod slices;
mod split;
mod strided;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeSlices;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(MergeSlices)
}

const META: Meta = Meta {
    id: "merge-slices",
    summary: "slices, gathers and concatenations that continue each other become fewer nodes",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[
        OpId::onnx("Split"),
        OpId::onnx("Slice"),
        OpId::onnx("Gather"),
        OpId::onnx("Concat"),
        OpId::onnx("Reshape"),
        OpId::onnx("Transpose"),
    ],
};

impl Pass for MergeSlices {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        // What is joined again is no reason to split.
        settle(&[&Merge, &Cover], model, cx)
    }
}

struct Merge;

impl Rule for Merge {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("Slice"),
            OpId::onnx("Concat"),
            OpId::onnx("Gather"),
            OpId::onnx("Squeeze"),
            OpId::onnx("Unsqueeze"),
            OpId::onnx("Reshape"),
            OpId::onnx("Transpose"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let rules: &[fn(&Context<'_>, NodeId) -> Option<Patch>] = match cx.node(node).op().name {
            "Slice" => &[slices::of_concat, slices::merge],
            "Concat" => &[concats::of_split, strided::merge, rolled::merge, concats::flatten],
            "Squeeze" => &[single::slice, shuffled::merge],
            "Unsqueeze" => &[single::gather, shuffled::merge],
            _ => &[shuffled::merge],
        };
        rules.iter().find_map(|rule| rule(cx, node)).ok_or(Miss::Silent)
    }
}

struct Cover;

impl Rule for Cover {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Slice")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        split::merge(cx, node).ok_or(Miss::Silent)
    }
}
