//! `fuse-linear-scale`: a constant factor moves up into the weights that it scales.
//!
//! ```text
//! (x · W + b) · s                        ->   x · (W · s) + b · s
//! Transpose(Reshape(x · W)) / 8          ->   Transpose(Reshape(x · (W / 8)))
//! MatMul(q · W, k) · s                   ->   MatMul(q · (W · s), k)
//! (x · c) · s                            ->   x · (c · s)
//! -(x · W)                               ->   x · (-W)
//! ```
//!
//! Reassociates. Starts at `Mul` or `Div` by a constant, or at `Neg`, and follows the scaled value up to what can take
//! the factor:
//!
//! | on the way | with |
//! |---|---|
//! | `Conv`, `ConvTranspose`, `Gemm`, `MatMul` with constant weights | one number, or one an output channel: the end |
//! | `LayerNormalization` with constant scale and bias | as above: the end |
//! | `Mul`, `Div` with a constant | one number, or as many as the constant has along the same dim: the end |
//! | `Add`, `Sub` with a constant | which is scaled too |
//! | `MatMul` of two computed values | one number goes into either |
//! | sums, means, `AveragePool` | one number |
//! | `Transpose`, `Reshape`, `Squeeze`, `Unsqueeze`, `Flatten`, `Identity` | one number, or the channels move along |
//! | one output of a `Split`, one of several `Gather` by one number each | one number: the channels of that part |
//! | `Relu` | a positive number |
//!
//! The scaled weights are computed while they are written, so that no memory is spent.
//!
//! Refused: a value on the way that is read elsewhere, a weight that is read elsewhere, since the file would then hold
//! it twice, a factor that is zero or not finite, and one that would leave the range of half precision. The numbers
//! ½, 2, √2 and 1/√2 keep their place in a product near `Erf` or `Tanh`, where runtimes look for GELU.

mod path;

use crate::ir::{NodeId, OpId};
use crate::passes::linear::{Channelwise, beside_constant, is_safe_factor, same_shape};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};
use path::Path;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseLinearScale;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseLinearScale)
}

const META: Meta = Meta {
    id: "fuse-linear-scale",
    summary: "a constant factor moves up into the weights that it scales",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[],
};

impl Rule for FuseLinearScale {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Mul"), OpId::onnx("Div"), OpId::onnx("Neg")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let n = cx.node(node);
        let (x, factor) = if n.op().is("Neg") {
            (n.input(0).ok_or(Miss::Silent)?, Channelwise::number(-1.0))
        } else {
            let (x, constant, second) = beside_constant(cx, node).ok_or(Miss::Silent)?;
            let tensor = cx.graph.const_value(constant).ok_or(Miss::Silent)?;
            let factor = Channelwise::of(&tensor).ok_or(Miss::Silent)?;
            match (n.op().name, second) {
                ("Mul", _) => (x, factor),
                ("Div", true) => (x, factor.map(f64::recip)),
                _ => return Err(Miss::Silent),
            }
        };
        let dtype = cx.graph.dtype(x).filter(|d| d.is_float()).ok_or(Miss::Silent)?;
        let mut path = Path::new(*cx);
        let scaled = path.scaled(x, node, &factor)?;
        require!(same_shape(cx, x, n.outputs()[0]), x, "the factor is not proven to leave the shape alone");
        require!(is_safe_factor(&factor, dtype), x, "the factor is zero, not finite or of unusual size");
        let mut patch = path.patch;
        patch.replace(n.outputs()[0], scaled);
        Ok(patch)
    }
}
