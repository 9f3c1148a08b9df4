//! `fuse-conv-batch-norm`: a `BatchNormalization` is folded into the weights before it.
//!
//! ```text
//! f = scale / Sqrt(variance + ε)
//! BatchNormalization(Conv(x, W, b), scale, B, mean, variance)   ->   Conv(x, W · f, (b - mean) · f + B)
//! ```
//!
//! Reassociates. The same for `ConvTranspose`, whose output channels are the second dim of `W`
//! within each group, and for `Gemm`, plain or with `transB`. The factors are computed in double
//! precision; the scaled weights are computed while they are written, so that no memory is spent.
//!
//! Fires only when the normalization is in inference mode with one output, when all its parameters
//! are constants of one number a channel, and when weight and bias are constants.
//!
//! Refused: a convolution that is read elsewhere too, a weight that is read elsewhere, since the
//! file would then hold it twice, and a weight or bias that would overflow its type. For TensorRT, a convolution whose
//! normalized result is clamped by `Relu` or `Clip` and then pooled by `GlobalAveragePool`: its compiler does all three in
//! one layer, and takes two where the convolution clamps.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId, Use, ValueId};
use crate::passes::linear::{Normalization, bias, constant, finite, scale_layer};
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Ref, Rule, Work, apply,
};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseConvBatchNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseConvBatchNorm)
}

const META: Meta = Meta {
    id: "fuse-conv-batch-norm",
    summary: "BatchNormalization is folded into the weights of Conv, ConvTranspose or Gemm",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("Conv"), OpId::onnx("ConvTranspose"), OpId::onnx("Gemm")],
};

impl Pass for FuseConvBatchNorm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        apply(&Fold { pooled: cx.target.pools_normalized }, model, cx)
    }
}

/// The rule, as the target's compiler leaves something to gain.
struct Fold {
    /// Whether it normalizes what it pools.
    pooled: bool,
}

impl Rule for Fold {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("BatchNormalization")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let input = cx.node(node).input(0).ok_or(Miss::Silent)?;
        let layer = cx.graph.producer(input).ok_or(Miss::Silent)?;
        let op = cx.node(layer).op();
        if !META.emits.contains(&op) {
            return Err(Miss::Silent);
        }
        let pooled = self.pooled && op.is("Conv") && is_pooled(cx, cx.node(node).outputs()[0]);
        require!(!pooled, input, "the target's compiler normalizes what it pools");
        require!(cx.graph.value(input).uses().len() == 1, input, "the layer's result is read elsewhere too");
        require!(cx.node(layer).region() == cx.node(node).region(), input, "the layer is in another body");
        let norm = Normalization::read(cx, node)?;
        let weight = cx.node(layer).input(1).ok_or(Miss::Silent)?;
        let tensor = constant(cx, weight, "the weight is no constant")?;
        require!(cx.graph.value(weight).uses().len() == 1, weight, "the weight is read elsewhere too");
        let scaled = scale_layer(cx, layer, &tensor, &norm.factor);
        let scaled = scaled.ok_or_else(|| Miss::because("the weight does not have the channels", weight))?;
        let old = bias(cx, layer, norm.factor.len())?;
        let new: Vec<f64> =
            (0..old.len()).map(|c| (old[c] - norm.mean[c]) * norm.factor[c] + norm.offset[c]).collect();
        let bias = Tensor::from_f64s(tensor.dtype(), &[new.len()], &new).map_err(|_| Miss::Silent)?;
        Ok(rebuild(cx, layer, finite(scaled, weight)?, finite(bias, input)?))
    }
}

/// Whether the value is clamped, and then pooled over the whole image.
fn is_pooled(cx: &Context<'_>, value: ValueId) -> bool {
    let reader = |u: &Use| match u {
        Use::Operand { node, index: 0 } => Some(*node),
        _ => None,
    };
    let [clamp] = cx.graph.value(value).uses() else { return false };
    let clamp = reader(clamp).filter(|&n| ["Relu", "Clip"].iter().any(|op| cx.node(n).op().is(op)));
    let pooled = |n: NodeId| cx.node(n).op().is("GlobalAveragePool");
    clamp
        .is_some_and(|n| cx.graph.value(cx.node(n).outputs()[0]).uses().iter().filter_map(reader).any(pooled))
}

fn rebuild(cx: &Context<'_>, layer: NodeId, weight: Tensor, bias: Tensor) -> Patch {
    let old = cx.node(layer);
    let mut patch = Patch::new();
    let (weight, bias) = (patch.constant(weight), patch.constant(bias));
    patch.copy(old, [Ref::from(old.input(0)), weight, bias]);
    patch.drop_attr("beta");
    patch
}
