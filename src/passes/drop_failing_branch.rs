//! `drop-failing-branch`: an `If` after one of whose branches the model can only fail becomes the other branch.
//!
//! ```text
//! y = If<then_branch = Squeeze(x), else_branch = x>(c);  LSTM(Unsqueeze(y), …)   ->   y = Squeeze(x);  …
//! ```
//!
//! Exact for every run of the original that ends well; a run that failed fails still or returns something.
//! Exporters write such an `If` where a dim is squeezed only if it is 1, although everything after it needs that.
//!
//! Fires where the branches return tensors of known rank and one of these ranks leads to an error, by way of `Shape`,
//! `Size`, `Equal`, `Not`, `Unsqueeze`, `Squeeze` and further `If`s: an `LSTM`, `GRU` or `RNN` wants rank 3, and a
//! convolution the rank of its weight. What fails must run whenever the `If` does.

mod assume;

use crate::ir::{Attr, NodeId, OpId, RegionId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct DropFailingBranch;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(DropFailingBranch)
}

const META: Meta = Meta {
    id: "drop-failing-branch",
    summary: "an If after one of whose branches the model can only fail becomes the other",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Rule for DropFailingBranch {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("If")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let n = cx.node(node);
        let body = |name: &str| -> Option<RegionId> {
            match n.attr(name)? {
                Attr::Region(body) if cx.graph.region(*body).outputs().len() == n.outputs().len() => {
                    Some(*body)
                }
                _ => None,
            }
        };
        let (Some(yes), Some(no)) = (body("then_branch"), body("else_branch")) else {
            return Err(Miss::Silent);
        };
        let kept = match (assume::fails(cx, node, yes), assume::fails(cx, node, no)) {
            (false, true) => yes,
            (true, false) => no,
            (both, _) => {
                require!(!both, n.outputs()[0], "the model fails after either branch");
                return Err(Miss::Silent);
            }
        };
        Ok(Patch::inline(n, kept, cx.graph.region(kept).outputs()))
    }
}
