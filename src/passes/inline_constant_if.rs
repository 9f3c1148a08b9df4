//! `inline-constant-if`: an `If` whose condition is constant becomes the branch that is taken.
//!
//! ```text
//! y = If<then_branch = A, else_branch = B>(true)   ->   the nodes of A; y = what A returns
//! ```
//!
//! Exact. The nodes and initializers of the branch move to where the `If` stood; the other branch
//! goes. What either branch reads from outside is read from there as before.
//!
//! Refused: a branch that returns a value from outside it under the name of a graph output.

use crate::ir::{Attr, NodeId, OpId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct InlineConstantIf;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(InlineConstantIf)
}

const META: Meta = Meta {
    id: "inline-constant-if",
    summary: "an If with a constant condition becomes the branch that is taken",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Rule for InlineConstantIf {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("If")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let condition = n.input(0).ok_or(Miss::Silent)?;
        let taken = cx.graph.const_value(condition).and_then(|t| t.as_int()).ok_or(Miss::Silent)?;
        let branch = if taken != 0 { "then_branch" } else { "else_branch" };
        let Some(Attr::Region(body)) = n.attr(branch) else { return Err(Miss::Silent) };
        if cx.in_function && cx.graph.initializers(*body).next().is_some() {
            return Err(Miss::because("a function cannot hold the branch's initializers", condition));
        }
        let returned: Vec<_> = cx.graph.region(*body).outputs().collect();
        require!(
            returned.len() == n.outputs().len(),
            condition,
            "the branch returns another number of values"
        );
        Ok(Patch::inline(n, *body, returned))
    }
}
