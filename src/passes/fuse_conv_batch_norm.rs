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

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::{finite, scale_layer};
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
        let bias = norm.bias(cx, layer, &tensor)?;
        Ok(rebuild(cx, layer, finite(scaled, weight)?, finite(bias, input)?))
    }
}

/// `y * factor + shift`, one of each a channel.
struct Normalization {
    factor: Vec<f64>,
    mean: Vec<f64>,
    offset: Vec<f64>,
}

impl Normalization {
    fn read(cx: &Context<'_>, node: NodeId) -> Result<Self, Miss> {
        let n = cx.node(node);
        let at = n.outputs()[0];
        require!(cx.opset() >= 7, at, "before opset 7 the mode of BatchNormalization is another");
        require!(
            cx.opset() < 14 || cx.int(node, "training_mode") == Some(0),
            at,
            "the normalization is in training mode"
        );
        require!(
            cx.opset() >= 9 || cx.int(node, "spatial") == Some(1),
            at,
            "the normalization is not one a channel"
        );
        require!(
            n.outputs()[1..].iter().all(|&o| cx.graph.value(o).name().is_empty()),
            at,
            "the normalization has more than one output"
        );
        let parameter = |i: usize| -> Result<Vec<f64>, Miss> {
            let value = n.input(i).ok_or(Miss::Silent)?;
            let tensor = constant(cx, value, "a parameter of the normalization is no constant")?;
            require!(tensor.rank() == 1, value, "a parameter of the normalization is no vector");
            tensor.to_f64s().ok_or_else(|| Miss::because("a parameter has an unusual type", value))
        };
        let (scale, offset, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        let same = [&offset, &mean, &variance].iter().all(|p| p.len() == scale.len());
        require!(same, at, "the parameters of the normalization differ in length");
        let epsilon = f64::from(cx.float(node, "epsilon").ok_or(Miss::Silent)?);
        let factor: Vec<f64> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        require!(factor.iter().all(|f| f.is_finite()), at, "a factor of the normalization is not finite");
        Ok(Self { factor, mean, offset })
    }

    /// The layer's new bias, of the weight's type.
    fn bias(&self, cx: &Context<'_>, layer: NodeId, weight: &Tensor) -> Result<Tensor, Miss> {
        let channels = self.factor.len();
        let old = match cx.node(layer).input(2) {
            None => vec![0.0; channels],
            Some(value) => {
                let tensor = constant(cx, value, "the bias is no constant")?;
                // Gemm broadcasts its bias; only what is one number a channel can be folded.
                let vector =
                    tensor.shape().split_last().is_none_or(|(_, front)| front.iter().all(|&d| d == 1));
                let numbers = tensor.to_f64s().filter(|b| vector && (b.len() == channels || b.len() == 1));
                let numbers =
                    numbers.ok_or_else(|| Miss::because("the bias is not one number a channel", value))?;
                if numbers.len() == channels { numbers } else { vec![numbers[0]; channels] }
            }
        };
        let beta = match cx.node(layer).op().name {
            "Gemm" => f64::from(cx.float(layer, "beta").ok_or(Miss::Silent)?),
            _ => 1.0,
        };
        let new: Vec<f64> =
            (0..channels).map(|c| (beta * old[c] - self.mean[c]) * self.factor[c] + self.offset[c]).collect();
        Tensor::from_f64s(weight.dtype(), &[channels], &new).map_err(|_| Miss::Silent)
    }
}

fn constant(cx: &Context<'_>, value: ValueId, why: &str) -> Result<Tensor, Miss> {
    cx.graph.const_value(value).ok_or_else(|| Miss::because(why, value))
}

fn rebuild(cx: &Context<'_>, layer: NodeId, weight: Tensor, bias: Tensor) -> Patch {
    let old = cx.node(layer);
    let mut patch = Patch::new();
    let (weight, bias) = (patch.constant(weight), patch.constant(bias));
    patch.copy(old, [Ref::from(old.input(0)), weight, bias]);
    patch.drop_attr("beta");
    patch
}
