//! `guard-sums`: an `Add` that only a `LayerNormalization` reads becomes a `Sum`.
//!
//! ```text
//! LayerNormalization(Add(x, skip))   ->   LayerNormalization(Sum(x, skip))
//! ```
//!
//! Exact. ONNX Runtime makes `SkipLayerNormalization` of such an `Add` while it loads a model. On a CPU that takes three
//! times as long as the two nodes (1.31.1, 64 rows of 1,024 with a bias: 0.53 ms for 0.17 ms). A `Sum` of two takes as
//! long as an `Add`, and is left alone. So the pass runs unasked where that runtime and its CPU kernels judge. Never for
//! targets whose table holds `Sum` back as slower: there `plain-sums` takes such sums away.
//!
//! Refused, since ONNX Runtime leaves them alone too: sums that others read, of ranks other than 3, of operands that are
//! not proven to be of one shape, of double precision. Sums of embeddings, and those behind attention whose queries, keys
//! and values are three `MatMul`s: of each it makes one node, for which it wants to see an `Add`.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId, Use, ValueId};
use crate::passes::linear::same_shape;
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, apply,
};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardSums;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(GuardSums)
}

const SUM: OpId = OpId::onnx("Sum");

const META: Meta = Meta {
    id: "guard-sums",
    summary: "an Add that only a LayerNormalization reads becomes a Sum, which runtimes do not fuse",
    exactness: Exactness::Exact,
    since_opset: 17,
    emits: &[SUM],
};

impl Pass for GuardSums {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        if cx.target.expands(SUM) { Ok(PassStats::default()) } else { apply(self, model, cx) }
    }
}

impl Rule for GuardSums {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("LayerNormalization")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let sum = cx.node(node).input(0).ok_or(Miss::Silent)?;
        let add = cx.graph.producer_is(sum, "Add").ok_or(Miss::Silent)?;
        let (Some(x), Some(skip)) = (cx.node(add).input(0), cx.node(add).input(1)) else {
            return Err(Miss::Silent);
        };
        require!(cx.node(add).region() == cx.node(node).region(), sum, "the sum is in another body");
        require!(cx.graph.value(sum).uses().len() == 1, sum, "the sum is read elsewhere too");
        require!(cx.graph.rank(sum) == Some(3), sum, "the sum is not of rank 3");
        let whole = same_shape(cx, x, sum) && same_shape(cx, skip, sum);
        require!(whole, sum, "the operands are not proven to be of one shape");
        let fused = matches!(cx.graph.dtype(sum), Some(DType::F32 | DType::F16 | DType::BF16));
        require!(fused, sum, "the type is none that is fused");
        let embedded = [x, skip].into_iter().any(|v| cx.graph.producer_is(v, "Gather").is_some());
        require!(!embedded, sum, "embeddings are summed");
        let attended = [x, skip].into_iter().any(|v| starts_attention(cx, v));
        require!(!attended, sum, "the sum ends an attention that is fused");
        let mut patch = Patch::new();
        let made = patch.node(SUM, [x, skip]);
        patch.replace(sum, made);
        Ok(patch)
    }
}

/// Whether a normalization is read by the three products of an attention.
fn starts_attention(cx: &Context<'_>, value: ValueId) -> bool {
    let is_product = |u: &&Use| matches!(u, Use::Operand { node, .. } if cx.node(*node).op().is("MatMul"));
    let products = cx.graph.value(value).uses().iter().filter(is_product).count();
    products == 3 && cx.graph.producer_is(value, "LayerNormalization").is_some()
}
