//! `infer-shapes`: types and shapes, symbolic where they are not fixed, are worked out for every value.
//!
//! ```text
//! x: float[N,3,H,W], w: float[8,3,3,3];  y = Conv<strides=[2,2], pads=[1,1,1,1]>(x, w)
//!   ->  y: float[N,8,(H + 1)//2,(W + 1)//2]
//! ```
//!
//! Exact: no node changes. Declarations inside the graph are not trusted; what is inferred follows
//! from the graph's inputs, its constants and the operators' definitions. Later passes fire on what
//! is proven here.
//!
//! Functions are inferred per call; their bodies keep no types.

use crate::error::Result;
use crate::ir::Model;
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct InferShapes;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(InferShapes)
}

const META: Meta = Meta {
    id: "infer-shapes",
    summary: "types and symbolic shapes are worked out for every value",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for InferShapes {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        cx.facts.infer_model(model, cx.diags);
        Ok(PassStats::default())
    }
}
