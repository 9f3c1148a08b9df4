//! `drop-known-conditions`: comparisons of positions that always hold, or never do, decide nothing.
//!
//! ```text
//! And(Range(0, n) >= 0, m)                  ->   m
//! And(Range(0, past + 1) <= past, m)        ->   m
//! Where(Range(0, n) < n, a, b)              ->   a
//! ```
//!
//! Exact. Whole numbers between bounds that are known as sizes: of a `Range`, of what is added to it, of sizes
//! themselves. Exporters write masks of any kind by one formula, and much of it holds for all queries of an encoder, and
//! for the one query of a decoder. Where the comparison made the result larger, an `Expand` does.
//!
//! Refused: bounds that overlap, and a result whose shape is not proven to stay.

mod bounds;

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::same_shape;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use bounds::decided;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct DropKnownConditions;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(DropKnownConditions)
}

const META: Meta = Meta {
    id: "drop-known-conditions",
    summary: "comparisons of positions that always hold decide nothing",
    exactness: Exactness::Exact,
    since_opset: 9,
    emits: &[OpId::onnx("Shape"), OpId::onnx("Expand")],
};

impl Rule for DropKnownConditions {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("And"), OpId::onnx("Where")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let operands: Vec<ValueId> = n.inputs().collect::<Option<_>>().ok_or(Miss::Silent)?;
        let chosen = match operands[..] {
            [a, b] if decided(cx, a) == Some(true) => Some((a, b)),
            [a, b] if decided(cx, b) == Some(true) => Some((b, a)),
            [condition, yes, no] => {
                decided(cx, condition).map(|holds| (condition, if holds { yes } else { no }))
            }
            _ => None,
        };
        let (condition, kept) = chosen.ok_or(Miss::Silent)?;
        let output = n.outputs()[0];
        if same_shape(cx, kept, output) {
            return Ok(Patch::forward(output, kept));
        }
        let like = shaped_like(cx, condition);
        let mut patch = Patch::new();
        let shape = patch.node("Shape", [like]);
        patch.node("Expand", [Ref::from(kept), shape]);
        Ok(patch)
    }
}

/// What has the shape of a comparison without being it.
fn shaped_like(cx: &Context<'_>, condition: ValueId) -> ValueId {
    let operands = cx.graph.producer(condition).map(|node| cx.node(node).inputs());
    operands.into_iter().flatten().flatten().find(|&v| same_shape(cx, v, condition)).unwrap_or(condition)
}
