//! `pack-linears`: several matrix products of one input become one, and a `Split`.
//!
//! ```text
//! q = MatMul(x, Q) + a;  k = MatMul(x, K) + b;  v = MatMul(x, V) + c
//!   ->  q, k, v = Split<axis = -1>(MatMul(x, [Q K V]) + [a b c])
//! ```
//!
//! Reassociates: each number is the same sum, which a wider product may take in another order.
//!
//! Where each result is next split into heads of one size, `Reshape` (`[…, H·D]` to `[…, H, D]`) and
//! `Transpose` are shared too, and the split is along the heads. A result that wants other dims in another order than
//! most gets a `Transpose` of its own behind the split. Of these forms the one with the fewest nodes is taken. `Gemm`
//! of equal attributes is packed with its bias. The joined weights are computed while they are written, so that no
//! memory is spent. A weight may itself be computed of a constant, by `Cast`, `DequantizeLinear` and arithmetic with one
//! number a column: the constants are joined, and so are the numbers.
//!
//! Fires only where nodes become fewer, when the weights are constant matrices of one type, or computed of such by equal
//! steps, and nothing in between is read elsewhere.
//!
//! Refused: a weight that is read elsewhere, since the file would then hold it twice. A bias that is read elsewhere is
//! copied where it has less than a hundredth of the weight's bytes, and so are zeros for a product that has none beside
//! others that have one. For TensorRT, products without a bias of which nothing but other products reads, behind reshapes,
//! transpositions and scaling: its compiler computes these at once and writes each result where it is read, while packed
//! ones have to be cut (6 layers of DistilBERT's 67). Products of two dequantized operands, which runtimes compute in whole
//! numbers with what quantizes each result.

mod branch;
mod placed;
mod plan;
mod weight;

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId, Use, ValueId};
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, apply,
};
use branch::Branch;

/// Readers of one value beyond which the products among them are not looked for.
const MOST_READERS: usize = 256;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct PackLinears;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(PackLinears)
}

const META: Meta = Meta {
    id: "pack-linears",
    summary: "products of one input with several weights become one product and a Split",
    exactness: Exactness::Reassociates,
    since_opset: 7,
    emits: &[OpId::onnx("Split"), OpId::onnx("Reshape"), OpId::onnx("Transpose")],
};

impl Pass for PackLinears {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        apply(&Pack { placed: cx.target.places_products }, model, cx)
    }
}

/// The rule, as the target's compiler leaves something to gain.
struct Pack {
    /// Whether it places products itself.
    placed: bool,
}

impl Rule for Pack {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("MatMul"), OpId::onnx("Gemm")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let x = cx.node(node).input(0).ok_or(Miss::Silent)?;
        let siblings = siblings(cx, node, x)?;
        let rank = cx.graph.rank(x).filter(|&r| r > 0);
        let rank = rank.ok_or_else(|| Miss::because("the rank of the input is not known", x))?;
        let mut branches = Vec::new();
        let mut refused = None;
        for sibling in siblings {
            match Branch::read(cx, sibling, rank) {
                Ok(branch) => branches.push(branch),
                Err(miss) => refused = Some(miss),
            }
        }
        let quantized = cx.graph.producer(x).is_some_and(|p| cx.node(p).op().is("DequantizeLinear"));
        require!(
            !quantized || branches.iter().all(|b| b.weight.nodes() == 0),
            x,
            "both operands are dequantized, which runtimes compute in whole numbers"
        );
        let like = |b: &Branch| b.weight.is_like(&branches[0].weight, cx);
        let likes: Vec<bool> = branches.iter().map(like).collect();
        let mut likes = likes.into_iter();
        branches.retain(|_| likes.next() == Some(true));
        if branches.len() < 2 {
            return Err(refused.unwrap_or(Miss::Silent));
        }
        require!(
            !self.placed || !branches.iter().all(|b| placed::is_placed(cx, b)),
            x,
            "the target's compiler makes one product of them itself"
        );
        plan::best(cx, x, rank, &branches)
    }
}

/// The products of `x` that are like this one, in order.
fn siblings(cx: &Context<'_>, node: NodeId, x: ValueId) -> std::result::Result<Vec<NodeId>, Miss> {
    let uses = cx.graph.value(x).uses();
    let n = cx.node(node);
    if uses.len() < 2 {
        return Err(Miss::Silent);
    }
    require!(uses.len() <= MOST_READERS, x, "the input has too many readers to look through");
    let mut found: Vec<NodeId> = uses
        .iter()
        .filter_map(|u| match u {
            Use::Operand { node, index: 0 } => Some(*node),
            _ => None,
        })
        .filter(|&s| cx.node(s).op() == n.op() && cx.node(s).region() == n.region() && alike(cx, node, s))
        .collect();
    found.sort_unstable_by_key(|&s| (cx.node(s).order(), s));
    if found.len() < 2 { Err(Miss::Silent) } else { Ok(found) }
}

fn alike(cx: &Context<'_>, a: NodeId, b: NodeId) -> bool {
    let ints = |n| ["transA", "transB"].map(|name| cx.int(n, name));
    let floats = |n| ["alpha", "beta"].map(|name| cx.float(n, name).map(f32::to_bits));
    let dtype = |n: NodeId| cx.node(n).input(1).and_then(|w| cx.graph.dtype(w));
    let biased = |n: NodeId| cx.node(n).input(2).is_some();
    ints(a) == ints(b) && floats(a) == floats(b) && dtype(a) == dtype(b) && biased(a) == biased(b)
}
