//! `lift-constants`: what a `Constant` node holds becomes an initializer.
//!
//! ```text
//! w = Constant<value = T>()   ->   w, an initializer T
//! ```
//!
//! Exact. The number and string forms (`value_float`, `value_ints`, …) become tensors of the shape
//! that the specification gives them. A constant inside a body of `If`, `Loop` or `Scan` becomes an
//! initializer of that body, so that no branch pays for the other's constants.
//!
//! Refused: sparse constants, constants given by an attribute of a function call, and everything
//! inside functions, which have no initializers.

use crate::ir::{NodeId, OpId};
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct LiftConstants;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(LiftConstants)
}

const META: Meta = Meta {
    id: "lift-constants",
    summary: "Constant nodes become initializers",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[],
};

impl Rule for LiftConstants {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Constant")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let &[output] = cx.node(node).outputs() else { return Err(Miss::Silent) };
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let tensor = cx
            .graph
            .const_value(output)
            .ok_or_else(|| Miss::because("the constant is sparse or no tensor", output))?;
        let mut patch = Patch::new();
        let lifted = patch.constant(tensor);
        patch.replace(output, lifted);
        Ok(patch)
    }
}
