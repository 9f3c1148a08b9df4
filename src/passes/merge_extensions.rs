//! `merge-extensions`: what is padded or repeated twice is padded or repeated once.
//!
//! ```text
//! Pad(Pad(x, p), q)                  ->   Pad(x, p + q)
//! Tile(Tile(x, m), n)                ->   Tile(x, m · n)
//! Tile(Expand(x, shape), n)          ->   Tile(x, m · n)      where Expand repeats dims of 1 for m times
//! Expand(Tile(x, m), shape)          ->   Tile(x, m · n)      likewise
//! Reshape(Expand(Unsqueeze(x)))      ->   Gather(x, [0, 0, 1, 1, ...])      where each element is repeated
//! Reshape(Expand(Unsqueeze(x)))      ->   Expand(x)                         where there is just one
//! ```
//!
//! Exact. Pads and repetitions are constants. Two of `Pad` have one mode, fill in the same number, and the inner one
//! takes nothing away; the outer one may take away what the inner one has added. Where pads repeat elements
//! of `x` by reflection or around its end, the two pad different axes.
//!
//! An axis that is repeated in a new one, as heads are that several queries share, has a known size, and each
//! index moves 64 bytes or more.
//!
//! Refused: an inner node that is read elsewhere too.

mod interleaved;
mod padded;
mod repeated;

use crate::ir::{NodeId, OpId};
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeExtensions;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(MergeExtensions)
}

const META: Meta = Meta {
    id: "merge-extensions",
    summary: "what is padded or repeated twice is padded or repeated once",
    exactness: Exactness::Exact,
    since_opset: 2,
    emits: &[OpId::onnx("Expand"), OpId::onnx("Gather"), OpId::onnx("Pad"), OpId::onnx("Tile")],
};

impl Rule for MergeExtensions {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] =
            &[OpId::onnx("Expand"), OpId::onnx("Pad"), OpId::onnx("Reshape"), OpId::onnx("Tile")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        match cx.node(node).op().name {
            "Pad" => padded::merge(cx, node),
            "Reshape" => interleaved::merge(cx, node),
            _ => repeated::merge(cx, node),
        }
    }
}
