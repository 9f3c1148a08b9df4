//! `fuse-group-norm`: an `InstanceNormalization` of channels taken together becomes `GroupNormalization`.
//!
//! ```text
//! Reshape(InstanceNormalization(Reshape(x, [N, G, …]), 1, 0), Shape(x)) · scale + bias
//!   ->  GroupNormalization<num_groups = G>(x, scale, bias)
//! ```
//!
//! Reassociates. Without scale or bias it gets one of ones or zeros. Runs only where it is asked for by name: ONNX Runtime
//! has no kernel for it and expands it into more than two dozen nodes, which take twice the time.
//!
//! Refused: a scale or bias inside the groups, and a second `Reshape` that is not proven to restore the shape of `x`.
//!
//! Needs opset 21: scale and bias were one a group before.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId, Truth, ValueId};
use crate::passes::linear::{same_shape, sole_producer};
use crate::passes::normalization::{Absorb, operand, uniform};
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, settle,
};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseGroupNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseGroupNorm)
}

const NORM: &str = "GroupNormalization";

const META: Meta = Meta {
    id: "fuse-group-norm",
    summary: "InstanceNormalization of reshaped channels becomes GroupNormalization",
    exactness: Exactness::Reassociates,
    since_opset: 21,
    emits: &[OpId::onnx(NORM)],
};

impl Pass for FuseGroupNorm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        settle(&[&Reshaped, &Absorb { meta: &META, norm: NORM }], model, cx)
    }
}

struct Reshaped;

impl Rule for Reshaped {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Reshape")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let Grouped { x, groups, epsilon } = Grouped::read(cx, node)?;
        let (dtype, shape) = operand(cx, x)?;
        let mut patch = Patch::new();
        let ones = patch.constant(uniform(dtype, &shape[1..2], 1.0, x)?);
        let zeros = patch.constant(uniform(dtype, &shape[1..2], 0.0, x)?);
        patch.node(NORM, [x.into(), ones, zeros]);
        Ok(patch.attr("num_groups", groups).attr("epsilon", epsilon))
    }
}

/// The formula without scale and bias.
pub(super) struct Grouped {
    pub(super) x: ValueId,
    pub(super) groups: i64,
    pub(super) epsilon: f32,
}

impl Grouped {
    /// That of the `Reshape` that restores the shape.
    pub(super) fn read(cx: &Context<'_>, node: NodeId) -> std::result::Result<Self, Miss> {
        let n = cx.node(node);
        let inner = n.input(0).ok_or(Miss::Silent)?;
        if cx.graph.producer_is(inner, "InstanceNormalization").is_none() {
            return Err(Miss::Silent);
        }
        let norm = sole_producer(cx, inner, node)?;
        let [Some(grouped), Some(scale), Some(bias)] = [0, 1, 2].map(|i| cx.node(norm).input(i)) else {
            return Err(Miss::Silent);
        };
        if cx.graph.producer_is(grouped, "Reshape").is_none() {
            return Err(Miss::Silent);
        }
        let reshape = sole_producer(cx, grouped, norm)?;
        let x = cx.node(reshape).input(0).ok_or(Miss::Silent)?;
        require!(cx.uniform(scale) == Some(1.0), scale, "there is a scale inside the groups");
        require!(cx.uniform(bias) == Some(0.0), bias, "there is a bias inside the groups");
        require!(same_shape(cx, x, n.outputs()[0]), x, "the shape is not proven to be restored");
        let groups = groups(cx, x, grouped)?;
        let epsilon = cx.float(norm, "epsilon").ok_or(Miss::Silent)?;
        Ok(Self { x, groups, epsilon })
    }
}

/// How many groups the channels of a value make in its reshaped form.
fn groups(cx: &Context<'_>, x: ValueId, grouped: ValueId) -> std::result::Result<i64, Miss> {
    let refused = || Miss::because("the channels are not proven to be taken together in groups", grouped);
    let (Some(from), Some(to)) = (cx.graph.shape(x), cx.graph.shape(grouped)) else { return Err(refused()) };
    let ([batch, channels, _, ..], [same, groups, _, ..]) = (from, to) else { return Err(refused()) };
    let (Some(channels), Some(groups)) = (channels.as_fixed(), groups.as_fixed()) else {
        return Err(refused());
    };
    let fits = batch.same(same) == Truth::Proven && groups > 0 && channels % groups == 0;
    if fits { i64::try_from(groups).map_err(|_| refused()) } else { Err(refused()) }
}
