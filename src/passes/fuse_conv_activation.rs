//! `fuse-conv-activation`: a convolution and the activation behind it become ONNX Runtime's node for both.
//!
//! ```text
//! activation(Conv(x, w, b))       ->   com.microsoft.FusedConv<activation, activation_params>(x, w, b)
//! activation(Conv(x, w, b) + z)   ->   com.microsoft.FusedConv<activation, activation_params>(x, w, b, z)
//! ```
//!
//! Reassociates. Activations are `Relu`, `Sigmoid`, `Tanh`, `LeakyRelu`, `HardSigmoid`, and `Clip` between constants. `z`
//! has the shape of the convolution. On CUDA, where the node has no activation but `Relu`, a target's table refuses the
//! others.
//!
//! ONNX Runtime makes the same node itself while it loads a model. In the file it is for those who run models with its
//! optimizations off or save them for devices; a target's table says whether the pass runs unasked.
//!
//! Refused: a convolution or a sum that is read elsewhere too, a summand that is not proven to be of the convolution's
//! shape, bounds that are computed or cross, other types than float. Other activations: the node knows no `Elu` or
//! `Softplus`, and `HardSwish` in late releases only.

use crate::ir::{Attr, NodeId, OpId, ValueId};
use crate::passes::linear::{same_shape, sole_producer};
use crate::passes::range::clip_bounds;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseConvActivation;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseConvActivation)
}

const FUSED_CONV: OpId = OpId::microsoft("FusedConv");

const META: Meta = Meta {
    id: "fuse-conv-activation",
    summary: "a Conv, a sum and an activation become ONNX Runtime's FusedConv",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[FUSED_CONV],
};

impl Rule for FuseConvActivation {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("Relu"),
            OpId::onnx("Sigmoid"),
            OpId::onnx("Tanh"),
            OpId::onnx("LeakyRelu"),
            OpId::onnx("HardSigmoid"),
            OpId::onnx("Clip"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let Layer { conv, summand } = Layer::before(cx, node)?;
        let y = cx.node(node).outputs()[0];
        require!(cx.graph.dtype(y) == Some(DType::F32), y, "the type is not float");
        let parameters = parameters(cx, node)?;
        let n = cx.node(conv);
        let quantized = n.input(0).is_some_and(|x| cx.graph.producer_is(x, "DequantizeLinear").is_some());
        require!(!quantized, y, "the convolution is quantized, which runtimes compute in whole numbers");
        let mut inputs: Vec<Ref> = (0..3).map(|at| n.input(at).into()).collect();
        match summand {
            Some(z) => inputs.push(z.into()),
            None => inputs.truncate(if n.input(2).is_some() { 3 } else { 2 }),
        }
        let mut patch = Patch::op(FUSED_CONV, inputs);
        n.attrs().iter().for_each(|a| patch.set_attr(a.name.clone(), a.value.clone()));
        patch.set_attr("activation", cx.node(node).op().name);
        if !parameters.is_empty() {
            patch.set_attr("activation_params", Attr::Floats(parameters));
        }
        Ok(patch)
    }
}

/// A convolution, and what is added to it.
struct Layer {
    conv: NodeId,
    summand: Option<ValueId>,
}

impl Layer {
    fn before(cx: &Context<'_>, activation: NodeId) -> Result<Self, Miss> {
        let x = cx.node(activation).input(0).ok_or(Miss::Silent)?;
        let Some(add) = cx.graph.producer_is(x, "Add") else {
            return Ok(Self { conv: sole_conv(cx, x, activation)?, summand: None });
        };
        let [Some(a), Some(b)] = [0, 1].map(|at| cx.node(add).input(at)) else { return Err(Miss::Silent) };
        let (conv, of, z) = match sole_conv(cx, a, add) {
            Ok(conv) => (conv, a, b),
            Err(why) => match sole_conv(cx, b, add) {
                Ok(conv) => (conv, b, a),
                Err(Miss::Silent) => return Err(why),
                Err(other) => return Err(other),
            },
        };
        sole_producer(cx, x, activation)?;
        require!(same_shape(cx, of, z), z, "the summand is not proven to be of the convolution's shape");
        Ok(Self { conv, summand: Some(z) })
    }
}

/// The convolution that makes a value for one reader.
fn sole_conv(cx: &Context<'_>, value: ValueId, reader: NodeId) -> Result<NodeId, Miss> {
    cx.graph.producer_is(value, "Conv").ok_or(Miss::Silent)?;
    sole_producer(cx, value, reader)
}

/// The numbers of an activation, in the order in which the node reads them.
fn parameters(cx: &Context<'_>, node: NodeId) -> Result<Vec<f32>, Miss> {
    let of = |name| cx.float(node, name).ok_or(Miss::Silent);
    Ok(match cx.node(node).op().name {
        "LeakyRelu" => vec![of("alpha")?],
        "HardSigmoid" => vec![of("alpha")?, of("beta")?],
        "Clip" => {
            let y = cx.node(node).outputs()[0];
            let bounds = clip_bounds(cx, node);
            let (low, high) = bounds.ok_or_else(|| Miss::because("a bound is no constant number", y))?;
            let crossed = low > high;
            require!(!crossed, y, "the bounds cross");
            vec![low as f32, high as f32]
        }
        _ => Vec::new(),
    })
}
