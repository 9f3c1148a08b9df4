//! `remove-neutral-operand`: arithmetic with a neutral constant of any shape goes.
//!
//! ```text
//! x + 0, 0 + x, x - 0   ->   x
//! x · 1, 1 · x, x / 1   ->   x
//! x ^ 1                 ->   x
//! x ∧ true, x ∨ false   ->   x
//! Conv(x, w, zeros)     ->   Conv(x, w)
//! ```
//!
//! Reassociates: `-0 + 0` is `0`, and the sign of a zero is all that changes. `remove-identity` is
//! the exact part of it, for single numbers; here the constant may be a whole tensor of one number,
//! such as the bias of a layer that was exported without training. The bias of a `Conv`,
//! `ConvTranspose` or `Gemm` may be left out.
//!
//! Fires only when every element of the constant is the neutral one, and the result's shape is
//! proven to be that of `x`.

use crate::ir::{NodeId, OpId};
use crate::passes::linear::same_shape;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};
use crate::schema::ParamOption;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveNeutralOperand;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(RemoveNeutralOperand)
}

const META: Meta = Meta {
    id: "remove-neutral-operand",
    summary: "arithmetic with a neutral constant of any shape goes",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[],
};

/// Operators, their neutral operand, and whether it may come first.
const NEUTRAL: &[(OpId, f64, bool)] = &[
    (OpId::onnx("Add"), 0.0, true),
    (OpId::onnx("Sub"), 0.0, false),
    (OpId::onnx("Mul"), 1.0, true),
    (OpId::onnx("Div"), 1.0, false),
    (OpId::onnx("Pow"), 1.0, false),
    (OpId::onnx("And"), 1.0, true),
    (OpId::onnx("Or"), 0.0, true),
];

/// Layers whose third operand is added to the result.
const LAYERS: [OpId; 3] = [OpId::onnx("Conv"), OpId::onnx("ConvTranspose"), OpId::onnx("Gemm")];

const OPS: [OpId; NEUTRAL.len() + LAYERS.len()] = {
    let mut ops = [OpId::onnx(""); NEUTRAL.len() + LAYERS.len()];
    let mut layer = 0;
    while layer < LAYERS.len() {
        ops[layer] = LAYERS[layer];
        layer += 1;
    }
    let mut i = 0;
    while i < NEUTRAL.len() {
        ops[LAYERS.len() + i] = NEUTRAL[i].0;
        i += 1;
    }
    ops
};

impl Rule for RemoveNeutralOperand {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        &OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        if LAYERS.contains(&n.op()) {
            return without_bias(cx, node);
        }
        let &(_, neutral, commutes) = NEUTRAL.iter().find(|(op, ..)| *op == n.op()).ok_or(Miss::Silent)?;
        let (a, b) = (n.input(0).ok_or(Miss::Silent)?, n.input(1).ok_or(Miss::Silent)?);
        let kept = if cx.uniform(b) == Some(neutral) {
            a
        } else if commutes && cx.uniform(a) == Some(neutral) {
            b
        } else {
            return Err(Miss::Silent);
        };
        let output = n.outputs()[0];
        require!(same_shape(cx, kept, output), kept, "the result is not proven to have the operand's shape");
        Ok(Patch::forward(output, kept))
    }
}

fn without_bias(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let optional =
        cx.schema(node).and_then(|s| s.input(2)).is_some_and(|p| p.option == ParamOption::Optional);
    if !optional || !n.input(2).is_some_and(|bias| cx.uniform(bias) == Some(0.0)) {
        return Err(Miss::Silent);
    }
    let mut patch = Patch::new();
    patch.copy(n, n.inputs().take(2));
    Ok(patch)
}
