//! `fuse-group-norm-silu`: a group normalization of channels that come last, and SiLU behind it, become ONNX Runtime's node.
//!
//! ```text
//! first(x) = Transpose<perm = [0, 3, 1, 2]>(x);   last(x) = Transpose<perm = [0, 2, 3, 1]>(x);   silu(x) = x · Sigmoid(x)
//! norm(x) = GroupNormalization<num_groups = G>(x, scale, bias);   node(x) = com.microsoft.GroupNorm<groups = G>(x, scale, bias)
//! last(norm(first(x)))         ->   node(x)
//! last(silu(norm(first(x))))   ->   node<activation = 1>(x)
//! last(silu(norm(x)))          ->   node<activation = 1>(last(x))
//! norm(first(x))               ->   first(node(x))
//! silu(node(x))                ->   node<activation = 1>(x)
//! ```
//!
//! Reassociates. The normalization is `GroupNormalization` from opset 21 on, or the formula of `fuse-group-norm` with scale
//! and bias behind it, at every opset; SiLU is its formula, `Swish` or `QuickGelu<alpha = 1>`. The node wants the channels
//! last. So the pass fires only where a `Transpose` is beside the normalization already: of two both go, and one changes
//! sides. Elsewhere the node would cost two `Transpose`s.
//!
//! The node has a kernel on CUDA and none on a CPU. So what is written is proven with the formula that the node stands for.
//!
//! Refused: a normalization without a `Transpose` beside it, one before it that others read too and none behind it, scale or
//! bias that is computed, groups of an odd number of channels, which the kernel reads in pairs, double precision, and with
//! nothing before it, a normalization that is read elsewhere too.

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

/// Channels of the largest group for which the kernel has threads (contrib_ops/cuda/diffusion/group_norm_impl.cu).
const MOST_OF_GROUP: i64 = 512;

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
        settle(&[&Turned, &Before, &Activated], model, cx)
    }
}

/// A normalization, or that and SiLU, with a `Transpose` behind it, and perhaps one before.
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
        let mut patch = Patch::new();
        let x = match norm.before_first(cx) {
            Some((_, x)) => x.into(),
            None => patch.copy(cx.node(node), [norm.x]),
        };
        norm.emit(cx, &mut patch, x, silu.is_some())?;
        Ok(patch)
    }
}

/// A normalization with a `Transpose` before it.
struct Before;

impl Rule for Before {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("GroupNormalization"), OpId::onnx("Add")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let norm = Norm::read(cx, node)?;
        let found = norm.before_first(cx);
        let (first, x) = found.ok_or_else(|| Miss::because("no Transpose is beside it", norm.x))?;
        let shared = cx.graph.value(norm.x).uses().len() > norm.readers;
        require!(!shared, norm.x, "the Transpose before it is read elsewhere too");
        let mut patch = Patch::new();
        let normalized = norm.emit(cx, &mut patch, x.into(), false)?;
        patch.copy(cx.node(first), [normalized]);
        Ok(patch)
    }
}

/// SiLU of the node that has none yet, or of that transposed.
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
        let gated = silu_of(cx, node).ok_or(Miss::Silent)?;
        let end = cx.graph.producer(gated).ok_or(Miss::Silent)?;
        let turned = cx.node(end).op().is("Transpose");
        let norm = if turned { cx.node(end).input(0).and_then(|v| cx.graph.producer(v)) } else { Some(end) };
        let norm = norm.filter(|&n| cx.node(n).op() == GROUP_NORM && cx.int(n, "activation") == Some(0));
        let norm = norm.ok_or(Miss::Silent)?;
        require!(read_by_silu(cx, end, node), gated, "the normalization is read elsewhere too");
        if turned {
            sole_producer(cx, cx.node(norm).outputs()[0], end)?;
        }
        let mut patch = Patch::new();
        let made = patch.copy(cx.node(norm), cx.node(norm).inputs().map(Ref::from));
        patch.reset_attr("activation", 1i64);
        if turned {
            patch.copy(cx.node(end), [made]);
        }
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
    /// How often it reads `x`.
    readers: usize,
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
        require!(
            cx.int(node, "stash_type").unwrap_or(1) == 1,
            x,
            "the statistics are not of single precision"
        );
        let groups = cx.int(node, "num_groups").ok_or(Miss::Silent)?;
        let epsilon = cx.float(node, "epsilon").ok_or(Miss::Silent)?;
        Ok(Self { x, scale, bias, from_end: 0, groups, epsilon, readers: 1 })
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
        // The shape that is restored.
        let shape = cx.node(reshape).input(1).and_then(|v| cx.graph.producer_is(v, "Shape"));
        let reads_shape = shape.is_some_and(|s| cx.node(s).input(0) == Some(x));
        let readers = 1 + usize::from(reads_shape);
        Ok(Self { x, scale, bias, from_end: 2, groups, epsilon, readers })
    }

    /// The `Transpose` that makes the channels the first of the dims behind the batch, and what they come last in.
    fn before_first(&self, cx: &Context<'_>) -> Option<(NodeId, ValueId)> {
        let first = cx.graph.producer_is(self.x, "Transpose")?;
        let fits = cx.permutation(first).as_deref() == Some(&[0, 3, 1, 2]);
        Some((first, cx.node(first).input(0).filter(|_| fits)?))
    }

    /// The node for this normalization, of the same values with the channels last.
    fn emit(
        &self,
        cx: &Context<'_>,
        patch: &mut Patch,
        x: Ref,
        silu: bool,
    ) -> std::result::Result<Ref, Miss> {
        let (_, shape) = operand(cx, self.x)?;
        let [_, channels, _, _] = shape else { return Err(Miss::Silent) };
        let channels = channels.as_fixed().and_then(|c| i64::try_from(c).ok());
        let channels =
            channels.ok_or_else(|| Miss::because("the number of channels is not known", self.x))?;
        let even = self.groups > 0 && channels % self.groups == 0 && (channels / self.groups) % 2 == 0;
        require!(even, self.x, "the groups are not of an even number of channels");
        require!(
            channels / self.groups <= MOST_OF_GROUP,
            self.x,
            "a group has more channels than the kernel takes"
        );
        let [scale, bias] = [self.scale, self.bias].map(|v| self.weight(cx, patch, v, channels as usize));
        let made = patch.node(GROUP_NORM, [x, scale?, bias?]);
        patch.set_attr("activation", i64::from(silu));
        patch.set_attr("channels_last", 1i64);
        patch.set_attr("epsilon", self.epsilon);
        patch.set_attr("groups", self.groups);
        Ok(made)
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
        let numbers =
            Channelwise::of(&tensor).filter(|_| fits).and_then(|c| c.along(self.from_end, channels));
        let numbers =
            numbers.ok_or_else(|| Miss::because("scale or bias is not one number a channel", value))?;
        let weight = Tensor::from_f64s(DType::F32, &[channels], &numbers).map_err(|_| Miss::Silent)?;
        Ok(patch.constant(weight))
    }
}
