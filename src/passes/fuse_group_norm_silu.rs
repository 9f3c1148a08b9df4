//! `fuse-group-norm-silu`: a group normalization of channels that come last, and SiLU behind it, become ONNX Runtime's node.
//!
//! ```text
//! first(x) = Transpose<perm = [0, 3, 1, 2]>(x);   last(x) = Transpose<perm = [0, 2, 3, 1]>(x);   silu(x) = x · Sigmoid(x)
//! last(GroupNormalization<num_groups = G>(first(x), scale, bias))   ->   com.microsoft.GroupNorm<groups = G>(x, scale, bias)
//! last(silu(GroupNormalization<…>(first(x), scale, bias)))          ->   …GroupNorm<groups = G, activation = 1>(x, scale, bias)
//! silu(com.microsoft.GroupNorm<activation = 0>(…))                  ->   com.microsoft.GroupNorm<activation = 1>(…)
//! ```
//!
//! Reassociates. The normalization is `GroupNormalization` from opset 21 on, or the formula of `fuse-group-norm` with scale
//! and bias behind it, at every opset; SiLU is its formula, `Swish` or `QuickGelu<alpha = 1>`. Fires only between the two
//! `Transpose`s, which go: the node wants the channels last, and anywhere else it would cost the `Transpose`s that it saves.
//!
//! The node has a kernel on CUDA and none on a CPU. So what is written is proven with the formula that the node stands for.
//!
//! Refused: scale or bias that is computed, groups of an odd number of channels, which the kernel reads in pairs,
//! double precision, a normalization that is read elsewhere too.

use super::fuse_group_norm::Grouped;
use crate::error::Result;
use crate::ir::{Model, NodeId, OpId, ValueId};
use crate::passes::linear::{Channelwise, beside_constant, constant, sole_producer};
use crate::passes::normalization::operand;
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Ref, Rule, Work, settle,
};
use crate::tensor::{DType, Tensor};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseGroupNormSilu;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseGroupNormSilu)
}

const GROUP_NORM: OpId = OpId::microsoft("GroupNorm");

const META: Meta = Meta {
    id: "fuse-group-norm-silu",
    summary: "GroupNormalization and SiLU between Transposes become ONNX Runtime's GroupNorm",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[GROUP_NORM],
};

impl Pass for FuseGroupNormSilu {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        settle(&[&Turned, &Activated], model, cx)
    }
}

/// A normalization, or that and SiLU, between two `Transpose`s.
struct Turned;

impl Rule for Turned {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Transpose")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let inner = cx.node(node).input(0).ok_or(Miss::Silent)?;
        if cx.permutation(node).as_deref() != Some(&[0, 2, 3, 1]) {
            return Err(Miss::Silent);
        }
        let last = cx.graph.producer(inner).ok_or(Miss::Silent)?;
        let silu = silu_of(cx, last);
        let end = match silu {
            Some(normalized) => cx.graph.producer(normalized).ok_or(Miss::Silent)?,
            None => last,
        };
        let norm = Norm::read(cx, end)?;
        let sole = sole_producer(cx, inner, node)?;
        require!(
            silu.is_none() || read_by_silu(cx, end, sole),
            inner,
            "the normalization is read elsewhere too"
        );
        let first = cx.graph.producer_is(norm.x, "Transpose");
        let first = first.filter(|&t| cx.permutation(t).as_deref() == Some(&[0, 3, 1, 2]));
        let first = first.ok_or_else(|| Miss::because("the channels do not come last before it", norm.x))?;
        let x = cx.node(first).input(0).ok_or(Miss::Silent)?;
        norm.emit(cx, x, silu.is_some())
    }
}

/// SiLU of the node that has none yet.
struct Activated;

impl Rule for Activated {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Mul"), OpId::onnx("Swish"), OpId::microsoft("QuickGelu")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let normalized = silu_of(cx, node).ok_or(Miss::Silent)?;
        let norm = cx.graph.producer(normalized).filter(|&n| cx.node(n).op() == GROUP_NORM);
        let norm = norm.filter(|&n| cx.int(n, "activation") == Some(0)).ok_or(Miss::Silent)?;
        require!(
            read_by_silu(cx, norm, node),
            normalized,
            "the normalization is read elsewhere too"
        );
        let mut patch = Patch::new();
        patch.copy(cx.node(norm), cx.node(norm).inputs().map(Ref::from));
        patch.reset_attr("activation", 1i64);
        Ok(patch)
    }
}

/// Of what a node is the SiLU.
fn silu_of(cx: &Context<'_>, node: NodeId) -> Option<ValueId> {
    let n = cx.node(node);
    if n.op().is("Swish") || n.op() == OpId::microsoft("QuickGelu") {
        return (cx.float(node, "alpha")? == 1.0).then_some(n.input(0)?);
    }
    if !n.op().is("Mul") {
        return None;
    }
    let (a, b) = (n.input(0)?, n.input(1)?);
    let gated = |x: ValueId, gate: ValueId| {
        let sigmoid = cx.graph.producer_is(gate, "Sigmoid")?;
        (cx.node(sigmoid).input(0)? == x && sole_producer(cx, gate, node).is_ok()).then_some(x)
    };
    gated(a, b).or_else(|| gated(b, a))
}

/// Whether nothing but a SiLU in the same region reads a normalization.
fn read_by_silu(cx: &Context<'_>, norm: NodeId, silu: NodeId) -> bool {
    let n = cx.node(norm);
    let readers = if cx.node(silu).op().is("Mul") { 2 } else { 1 };
    n.region() == cx.node(silu).region() && cx.graph.value(n.outputs()[0]).uses().len() == readers
}

/// A group normalization, its channels before the other dims.
struct Norm {
    x: ValueId,
    scale: ValueId,
    bias: ValueId,
    /// Where the channels of scale and bias are, counted from the last dim.
    from_end: usize,
    groups: i64,
    epsilon: f32,
}

impl Norm {
    fn read(cx: &Context<'_>, node: NodeId) -> std::result::Result<Self, Miss> {
        let n = cx.node(node);
        if n.op().is("Add") {
            return Self::of_formula(cx, node);
        }
        let ([Some(x), Some(scale), Some(bias)], true) =
            ([0, 1, 2].map(|at| n.input(at)), n.op().is("GroupNormalization"))
        else {
            return Err(Miss::Silent);
        };
        require!(cx.opset() >= 21, x, "scale and bias are one a group before opset 21");
        require!(cx.int(node, "stash_type").unwrap_or(1) == 1, x, "the statistics are not of single precision");
        let groups = cx.int(node, "num_groups").ok_or(Miss::Silent)?;
        let epsilon = cx.float(node, "epsilon").ok_or(Miss::Silent)?;
        Ok(Self { x, scale, bias, from_end: 0, groups, epsilon })
    }

    /// `Reshape(…) · scale + bias`
    fn of_formula(cx: &Context<'_>, add: NodeId) -> std::result::Result<Self, Miss> {
        let (scaled, bias, _) = beside_constant(cx, add).ok_or(Miss::Silent)?;
        let mul = cx.graph.producer_is(scaled, "Mul").ok_or(Miss::Silent)?;
        let (plain, scale, _) = beside_constant(cx, mul).ok_or(Miss::Silent)?;
        let reshape = cx.graph.producer_is(plain, "Reshape").ok_or(Miss::Silent)?;
        let Grouped { x, groups, epsilon } = Grouped::read(cx, reshape)?;
        sole_producer(cx, scaled, add)?;
        sole_producer(cx, plain, mul)?;
        Ok(Self { x, scale, bias, from_end: 2, groups, epsilon })
    }

    /// The node for this normalization of `x`, of which the channels come last.
    fn emit(&self, cx: &Context<'_>, x: ValueId, silu: bool) -> std::result::Result<Patch, Miss> {
        let (_, shape) = operand(cx, x)?;
        let [_, _, _, channels] = shape else { return Err(Miss::Silent) };
        let channels = channels.as_fixed().and_then(|c| i64::try_from(c).ok());
        let channels = channels.ok_or_else(|| Miss::because("the number of channels is not known", x))?;
        let even = self.groups > 0 && channels % self.groups == 0 && (channels / self.groups) % 2 == 0;
        require!(even, x, "the groups are not of an even number of channels");
        let mut patch = Patch::new();
        let [scale, bias] = [self.scale, self.bias].map(|v| self.weight(cx, &mut patch, v, channels as usize));
        patch.node(GROUP_NORM, [x.into(), scale?, bias?]);
        patch.set_attr("activation", i64::from(silu));
        patch.set_attr("channels_last", 1i64);
        patch.set_attr("epsilon", self.epsilon);
        Ok(patch.attr("groups", self.groups))
    }

    /// Scale or bias in single precision, one number a channel.
    fn weight(
        &self,
        cx: &Context<'_>,
        patch: &mut Patch,
        value: ValueId,
        channels: usize,
    ) -> std::result::Result<Ref, Miss> {
        let tensor = constant(cx, value, "scale or bias is no constant")?;
        if tensor.dtype() == DType::F32 && tensor.shape() == [channels] && self.from_end == 0 {
            return Ok(value.into());
        }
        let fits = tensor.rank() <= 4;
        let numbers = Channelwise::of(&tensor).filter(|_| fits).and_then(|c| c.along(self.from_end, channels));
        let numbers = numbers.ok_or_else(|| Miss::because("scale or bias is not one number a channel", value))?;
        let weight = Tensor::from_f64s(DType::F32, &[channels], &numbers).map_err(|_| Miss::Silent)?;
        Ok(patch.constant(weight))
    }
}
