//! `merge-duplicates`: what is computed or stored twice is kept once.
//!
//! ```text
//! a = Sin(x);  b = Sin(x)        ->   a = Sin(x), read in place of b
//! s = Shape(x);  t = Shape(x+1)  ->   s, read in place of t
//! w, v: initializers, equal bits ->   w, read in place of v
//! ```
//!
//! Exact. Nodes are equal when op, attributes and operands are; the first in order stays. A node in
//! a body of `If`, `Loop` or `Scan` also goes when one outside computed the same before, and so does
//! a whole `If`, `Loop` or `Scan` whose bodies do the same, node for node, with the same values. Equal
//! initializers of different bodies move to the nearest region around them all. Integers that are
//! computed from shapes are equal when shape inference proves it element by element.
//!
//! Refused: nodes that draw random numbers or keep state, also within bodies, ops that ONNX and ONNX
//! Runtime do not define, and values that two outputs would have to share.

mod initializers;
mod nodes;
mod shapes;

use crate::analysis::Facts;
use crate::error::Result;
use crate::ir::Model;
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeDuplicates;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(MergeDuplicates)
}

const META: Meta = Meta {
    id: "merge-duplicates",
    summary: "equal nodes and equal initializers become one",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for MergeDuplicates {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let mut merged = initializers::merge(&mut model.graph, cx.facts);
        merged += shapes::merge(&mut model.graph, &model.opsets, cx.facts)?;
        merged += nodes::merge(&mut model.graph, &model.opsets, cx.facts, false)?;
        for function in &mut model.functions {
            merged += nodes::merge(&mut function.graph, &function.opsets, &mut Facts::new(), true)?;
        }
        Ok(PassStats::applied(merged))
    }
}
