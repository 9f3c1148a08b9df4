//! `fuse-attention`: products of queries and keys, their `Softmax` and its product with values become one node.
//!
//! ```text
//! MatMul(Softmax(MatMul(q, kᵀ) * scale + mask), v)
//!   ->  Attention<scale>(q, k, v, mask)                            opset 23
//!   ->  com.microsoft.MultiHeadAttention<num_heads, scale>(…)      below, where the target has it
//! ```
//!
//! `q`, `k` and `v` are `[batch, heads, sequence, size]`, from wherever they come: separate or packed products, a cache of
//! earlier keys and values, windows of an image. Factors of `q`, of `k` and of the product all count for `scale`. The
//! mask is what is added, in one step or several, or what `Where` puts in place of products. Keys and values that are
//! repeated for groups of heads are read before that by `Attention`. Where windows have masks of their own, the product
//! is seen as `[batch, windows, heads, …]` for a moment: then windows count as heads.
//!
//! Reassociates. A mask that may hold the lowest number of its type, or half of it, is raised to a quarter of it by one
//! `Max` that all layers share: runtimes take the lowest for "nowhere" and answer 0 where a row holds nothing else, and
//! the formula answers the mean. Where the formula itself asks for 0, by a `Where` on `IsNaN` behind the `Softmax`, a
//! mask of minus infinity stays what it is. A mask is expanded to all queries and keys, which ONNX Runtime demands.
//!
//! Fires when the shapes are proven to fit and nothing in between is read elsewhere. Runtimes on a CPU take as long for
//! the node as for the formula, most of which are the products; a target's table says whether the pass runs unasked.
//!
//! Refused: ranks other than 4, a factor on the product after its mask, a scale that is not positive, attention weights
//! that are read elsewhere.

mod emit;
mod heads;
mod mask;
mod operand;
mod scores;
mod window;

use crate::ir::{NodeId, OpId};
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};
use scores::Formula;
pub(super) use scores::lowest;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseAttention;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FuseAttention)
}

const ATTENTION: OpId = OpId::onnx("Attention");
const MULTI_HEAD: OpId = OpId { domain: "com.microsoft", name: "MultiHeadAttention" };

const META: Meta = Meta {
    id: "fuse-attention",
    summary: "products of queries, keys and values around a Softmax become Attention",
    exactness: Exactness::Reassociates,
    since_opset: 13,
    emits: &[ATTENTION, MULTI_HEAD],
};

impl Rule for FuseAttention {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("MatMul")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let formula = Formula::read(cx, node)?;
        let standard = emit::standard(cx, &formula)?;
        Ok(match emit::multi_head(cx, &formula) {
            Ok(other) => standard.or(other),
            Err(_) => standard,
        })
    }
}
