//! `fuse-attention`: products of queries and keys, their `Softmax` and its product with values become one node.
//!
//! ```text
//! MatMul(Softmax(MatMul(q, kᵀ) * scale + mask), v)
//!   ->  Attention<scale, …>(q, k, v, mask)                         opset 23
//!   ->  com.microsoft.MultiHeadAttention<num_heads, scale>(…)      below, where the target has it
//! ```
//!
//! `q`, `k` and `v` are `[batch, heads, sequence, size]`, from wherever they come: separate or packed products, a cache of
//! earlier keys and values, windows of an image. Factors of `q`, of `k` and of the product all count for `scale`. The
//! mask is what is added, in one step or several, or what `Where` puts in place of products, which are taken for finite:
//! the node adds to an infinite product what the formula puts in its place. `c * Tanh(product / c)` below the mask becomes
//! `softcap`, and a `Softmax` of half precision between casts to `float` and back
//! `softmax_precision`. Keys and values that are repeated for groups of heads are read before that by `Attention`. Where
//! windows have masks of their own, the product is seen as `[batch, windows, heads, …]` for a moment: then windows count
//! as heads. Heads may be among the batches of operands of rank 3, as they are in multiplied products of batches. Where
//! the product is seen with its heads apart while it is masked, or a mask of each batch is repeated for its heads and put among
//! batches, they become heads again and the mask is read as it was; elsewhere each counts as a batch of one head. A
//! constant for each head that its product is multiplied with goes to the queries.
//!
//! Reassociates. Of a row whose mask is the lowest number of its type throughout, the formula answers the mean, and
//! ONNX Runtime's `Attention` 0. So a mask that may hold that, or half of it, is raised to a quarter of it by one `Max`
//! that all layers share, and by a `Where` on `IsInf` keeps what is minus infinity beside it. A mask that is minus infinity or a higher number stays what it is: where it leaves nothing of a
//! row `Attention` answers 0, which the formula does only with a `Where` on `IsNaN` behind the `Softmax`, and is no
//! number else. That `Where` goes: rows that hold NaN for another reason keep it. `MultiHeadAttention` answers what the
//! formula does, and there a `Where` behind it makes the rows 0 of which a mask that heads share leaves nothing. A mask is
//! expanded to all queries and keys, which ONNX Runtime demands.
//!
//! Fires when the shapes are proven to fit and nothing in between is read elsewhere. `Attention` reads operands with
//! their heads side by side where they were that before, the target takes that, and ONNX Runtime can tell how wide the
//! values are, and apart elsewhere. Runtimes on a CPU take as long for the node as for the formula, most of which are
//! the products; a target's table says whether the pass runs unasked.
//!
//! Refused: ranks other than 3 and 4, a factor on the product after its mask, a scale that is not positive, attention weights
//! that are read elsewhere, a product outside the body of a loop that reads it, a finite number in place of products of
//! half precision, which may be added to them but does not hide them, and a `Where` on `IsNaN` whose mask is not known
//! to be one that the node answers 0 for.

mod emit;
mod fold;
mod heads;
mod mask;
mod operand;
mod rows;
mod scores;
mod weights;
mod width;
mod window;

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId};
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, settle,
};
use crate::tensor::DType;
use scores::Formula;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseAttention;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseAttention)
}

pub(super) const ATTENTION: OpId = OpId::onnx("Attention");
const MULTI_HEAD: OpId = OpId::microsoft("MultiHeadAttention");

const META: Meta = Meta {
    id: "fuse-attention",
    summary: "products of queries, keys and values around a Softmax become Attention",
    exactness: Exactness::Reassociates,
    since_opset: 13,
    emits: &[ATTENTION, MULTI_HEAD],
};

impl Pass for FuseAttention {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let [a, b, c] = emit::FORMS.map(Written);
        settle(&[&a, &b, &c], model, cx)
    }
}

/// The formula, where the target takes it written in one of its forms.
struct Written(emit::Form);

impl Rule for Written {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("MatMul")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        (self.0)(cx, &Formula::read(cx, node)?)
    }
}

/// The formula as ONNX's node, which reads keys and values once for their group, where groups of queries share them, single
/// precision is computed, and there may be fewer queries than keys.
pub(super) fn of_groups(cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
    let formula = Formula::read(cx, node)?;
    // What is seen apart from batches is not read by groups.
    if formula.way.fold.is_some() || formula.key.ungrouped(cx).and(formula.value.ungrouped(cx)).is_none() {
        return Err(Miss::Silent);
    }
    require!(formula.dtype == DType::F32, formula.product, "the type is not that of the measurements");
    let times = [&formula.query, &formula.key].map(|operand| operand.shape(cx));
    let [Some(queries), Some(keys)] = times else { return Err(Miss::Silent) };
    require!(!queries[2].same(&keys[2]).is_proven(), formula.product, "there are as many queries as keys");
    emit::apart(cx, &formula)
}
