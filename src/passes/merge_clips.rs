//! `merge-clips`: bounds that follow each other become one, and bounds that are kept anyway go.
//!
//! ```text
//! Clip(Clip(x)), Relu(Clip(x)), Relu(Relu(x))     ->   Clip(x), Relu(x)
//! Min(Max(x, 0), 6), Max(Min(x, 6), 0)            ->   Clip(x, 0, 6)
//! Max(x, 0)                                       ->   Relu(x)
//! Max(Max(x, y), z)                               ->   Max(x, y, z)          Min and Sum as well
//! Relu(Exp(x)), Abs(Sigmoid(x)), LeakyRelu(Sqrt(x)), Clip(Softmax(x), 0, 1)   ->   without the outer one
//! ```
//!
//! Reassociates: `Relu` keeps -0 where `Max` with 0 gives 0. What is not a number passes all of them. The bounds are
//! constants of one element. What a value's range is follows from the operators that made it.
//!
//! Refused: an inner bound that is read elsewhere too, and whole numbers beyond 2⁵³.

mod clamp;
mod flatten;

use crate::ir::{NodeId, OpId};
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeClips;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(MergeClips)
}

const META: Meta = Meta {
    id: "merge-clips",
    summary: "bounds that follow each other become one Clip or Relu",
    exactness: Exactness::Reassociates,
    since_opset: 6,
    emits: &[OpId::onnx("Clip"), OpId::onnx("Relu")],
};

impl Rule for MergeClips {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("Relu"),
            OpId::onnx("Clip"),
            OpId::onnx("Max"),
            OpId::onnx("Min"),
            OpId::onnx("Sum"),
            OpId::onnx("Abs"),
            OpId::onnx("LeakyRelu"),
            OpId::onnx("PRelu"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        match clamp::merge(cx, node) {
            Err(Miss::Silent) => flatten::merge(cx, node),
            done => done,
        }
    }
}
