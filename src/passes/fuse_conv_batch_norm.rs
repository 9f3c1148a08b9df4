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
//! file would then hold it twice, and a weight or bias that would overflow its type.

use crate::ir::{NodeId, OpId};
use crate::passes::linear::{Normalization, bias, constant, finite, scale_layer};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseConvBatchNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseConvBatchNorm)
}

const META: Meta = Meta {
    id: "fuse-conv-batch-norm",
    summary: "BatchNormalization is folded into the weights of Conv, ConvTranspose or Gemm",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("Conv"), OpId::onnx("ConvTranspose"), OpId::onnx("Gemm")],
};

impl Rule for FuseConvBatchNorm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("BatchNormalization")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let input = cx.node(node).input(0).ok_or(Miss::Silent)?;
        let layer = cx.graph.producer(input).ok_or(Miss::Silent)?;
        let op = cx.node(layer).op();
        if !META.emits.contains(&op) {
            return Err(Miss::Silent);
        }
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

fn rebuild(cx: &Context<'_>, layer: NodeId, weight: Tensor, bias: Tensor) -> Patch {
    let old = cx.node(layer);
    let mut patch = Patch::new();
    let (weight, bias) = (patch.constant(weight), patch.constant(bias));
    patch.copy(old, [Ref::from(old.input(0)), weight, bias]);
    patch.drop_attr("beta");
    patch
}
