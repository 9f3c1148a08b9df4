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
//! convolution the rank of its weight. What fails must run whenever the `If` does. A branch that is decided tells the
//! rank of what comes after it, which may decide the next.

mod assume;

use crate::diag::Diags;
use crate::error;
use crate::ir::{Attr, Model, NodeId, OpId, RegionId};
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, apply,
};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct DropFailingBranch;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(DropFailingBranch)
}

const META: Meta = Meta {
    id: "drop-failing-branch",
    summary: "an If after one of whose branches the model can only fail becomes the other",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Pass for DropFailingBranch {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> error::Result<PassStats> {
        let mut all = PassStats::default();
        loop {
            let stats = apply(self, model, cx)?;
            let fired = stats.applied > 0;
            all.then(stats);
            if !fired {
                return Ok(all);
            }
            cx.facts.infer_model(model, &mut Diags::new());
        }
    }
}

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
