//! `fuse-skip-norm`: a sum and the normalization that reads it become ONNX Runtime's node for both.
//!
//! ```text
//! LayerNormalization(x + skip, gamma, beta)          ->  com.microsoft.SkipLayerNormalization(x, skip, gamma, beta)
//! LayerNormalization((x + bias) + skip, gamma, beta) ->  …SkipLayerNormalization(x, skip, gamma, beta, bias)
//! LayerNormalization((x + skip) + bias, gamma, beta) ->  …SkipLayerNormalization(x, skip, gamma, beta, bias)
//! RMSNormalization(x + skip, gamma)                  ->  com.microsoft.SkipSimplifiedLayerNormalization(x, skip, gamma)
//! ```
//!
//! Reassociates. Where the sum is read elsewhere too, as in every transformer that normalizes first, it is the node's
//! last result. A bias has one number for each channel. The sum may be a `Sum` of two, as `guard-sums` writes it.
//!
//! ONNX Runtime makes the same node itself while it loads a model. In the file it is for those who run models with its
//! optimizations off or save them for devices; a target's table says whether the pass runs unasked.
//!
//! Refused: ranks other than 2 and 3, normalizations over several axes, operands that are not proven to be of one shape,
//! scales that are computed, double precision.

use crate::ir::{NodeId, OpId, RegionId, ValueId};
use crate::passes::linear::{is_of_channels, same_shape, with_bias};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseSkipNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseSkipNorm)
}

const SKIP_LAYER: OpId = OpId::microsoft("SkipLayerNormalization");
const SKIP_RMS: OpId = OpId::microsoft("SkipSimplifiedLayerNormalization");
/// The result of both that is the sum.
const SUM: usize = 3;

const META: Meta = Meta {
    id: "fuse-skip-norm",
    summary: "a sum and its normalization become ONNX Runtime's SkipLayerNormalization",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[SKIP_LAYER, SKIP_RMS],
};

impl Rule for FuseSkipNorm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("LayerNormalization"),
            OpId::onnx("RMSNormalization"),
            OpId::onnx("SimplifiedLayerNormalization"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let (Some(sum), Some(gamma), [y]) = (n.input(0), n.input(1), n.outputs()) else {
            return Err(Miss::Silent);
        };
        let add = cx.graph.producer_is(sum, "Add").or_else(|| cx.graph.producer_is(sum, "Sum"));
        let add = add.ok_or(Miss::Silent)?;
        fits(cx, node, sum)?;
        let beta = n.input(2);
        for vector in [Some(gamma), beta].into_iter().flatten() {
            require!(is_of_channels(cx, vector, sum), vector, "a scale is computed or not one a channel");
        }
        let alike =
            [Some(gamma), beta].into_iter().flatten().all(|v| cx.graph.dtype(v) == cx.graph.dtype(sum));
        require!(alike, sum, "a scale is of another type");
        require!(cx.node(add).region() == n.region(), sum, "the sum is in another body");
        let Summands { x, skip, bias } = Summands::read(cx, add)?;
        let mut patch = Patch::new();
        let layer = n.op().is("LayerNormalization");
        let mut inputs = vec![x.into(), skip.into(), gamma.into()];
        if layer && (beta.is_some() || bias.is_some()) {
            inputs.push(beta.map_or(Ref::Omitted, Ref::from));
        }
        inputs.extend(bias.map(Ref::from));
        let summed = cx.graph.value(sum).uses().len() > 1 || cx.graph.is_graph_output(sum);
        let results = if summed { SUM as u32 + 1 } else { 1 };
        let made = patch.node_with_outputs(if layer { SKIP_LAYER } else { SKIP_RMS }, inputs, results);
        patch.set_attr("epsilon", cx.float(node, "epsilon").unwrap_or(1e-5));
        patch.replace(*y, made[0]);
        if summed {
            patch.replace(sum, made[SUM]);
        }
        Ok(patch)
    }
}

/// Whether the normalization is one that the node does.
pub(super) fn fits(cx: &Context<'_>, node: NodeId, sum: ValueId) -> Result<(), Miss> {
    let rank = cx.graph.rank(sum).ok_or_else(|| Miss::because("the rank of the sum is not known", sum))?;
    require!(matches!(rank, 2 | 3), sum, "the sum is not of rank 2 or 3");
    let axis = cx.int(node, "axis").unwrap_or(-1);
    require!(axis == -1 || axis == rank as i64 - 1, sum, "several axes are normalized");
    require!(cx.int(node, "stash_type").unwrap_or(1) == 1, sum, "the statistics are not of single precision");
    let taken = matches!(cx.graph.dtype(sum), Some(DType::F32 | DType::F16));
    require!(taken, sum, "the type is not float or float16");
    Ok(())
}

/// What is summed.
struct Summands {
    x: ValueId,
    skip: ValueId,
    bias: Option<ValueId>,
}

impl Summands {
    fn read(cx: &Context<'_>, add: NodeId) -> Result<Self, Miss> {
        let (a, b, sum) = operands(cx, add)?;
        if let Some((inner, bias)) = with_bias(cx, a, b)
            && let Some((x, skip)) = summed(cx, cx.node(add).region(), inner)
        {
            return Ok(Self { x, skip, bias: Some(bias) });
        }
        let whole = same_shape(cx, a, sum) && same_shape(cx, b, sum);
        require!(whole, sum, "the operands are not proven to be of one shape");
        let biased = [(a, b), (b, a)].into_iter().find_map(|(inner, skip)| {
            let (x, bias) = biased(cx, cx.node(add).region(), inner)?;
            Some(Self { x, skip, bias: Some(bias) })
        });
        Ok(biased.unwrap_or(Self { x: a, skip: b, bias: None }))
    }
}

/// Two values of one shape of which nothing but this is the sum.
fn summed(cx: &Context<'_>, region: RegionId, value: ValueId) -> Option<(ValueId, ValueId)> {
    let add = cx.graph.producer_is(value, "Add").filter(|_| cx.graph.value(value).uses().len() == 1)?;
    let (a, b, sum) = operands(cx, add).ok()?;
    let whole = same_shape(cx, a, sum) && same_shape(cx, b, sum);
    (whole && cx.node(add).region() == region).then_some((a, b))
}

/// A value and the bias of which nothing but this is the sum.
fn biased(cx: &Context<'_>, region: RegionId, value: ValueId) -> Option<(ValueId, ValueId)> {
    let add = cx.graph.producer_is(value, "Add").filter(|_| cx.graph.value(value).uses().len() == 1)?;
    let (a, b, sum) = operands(cx, add).ok()?;
    if cx.node(add).region() != region {
        return None;
    }
    with_bias(cx, a, b).filter(|(x, _)| same_shape(cx, *x, sum))
}

fn operands(cx: &Context<'_>, add: NodeId) -> Result<(ValueId, ValueId, ValueId), Miss> {
    let n = cx.node(add);
    match (n.input(0), n.input(1), n.input(2), n.outputs()) {
        (Some(a), Some(b), None, [sum]) => Ok((a, b, *sum)),
        _ => Err(Miss::Silent),
    }
}
