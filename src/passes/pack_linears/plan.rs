//! Which form of the packed product has the fewest nodes, and that form as a patch.

use super::branch::{Branch, Heads};
use super::weight::Weight;
use crate::ir::{Attr, ValueId};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::{Data, Expr, Tensor};

/// Bytes up to which joined biases are computed at once, so that equal ones can be merged.
const EAGER_BYTES: usize = 1 << 16;

/// The patch that leaves the fewest nodes.
pub(super) fn best(cx: &Context<'_>, x: ValueId, rank: usize, branches: &[Branch]) -> Result<Patch, Miss> {
    let gemm = cx.node(branches[0].node).op().is("Gemm");
    let biased = branches.iter().any(|b| b.bias.is_some());
    let addable = branches.iter().all(|b| b.bias.is_some() || (!gemm && b.affords_bias()));
    require!(!biased || addable, x, "some of the products have a bias and some have none");
    let packed = 2 + usize::from(biased && !gemm) + branches[0].weight.nodes();
    let nodes = |b: &Branch| 1 + usize::from(!gemm && b.bias.is_some()) + b.weight.nodes();
    let alone = branches.iter().map(nodes).sum::<usize>();
    let plain = alone.saturating_sub(packed);
    let heads: Option<Vec<&Heads>> = branches.iter().map(|b| b.heads.as_ref()).collect();
    let heads = heads.filter(|h| h.iter().all(|o| o.size == h[0].size));
    let shared = heads.map(|h| (common(&h), h));
    let deep = shared.as_ref().map_or(0, |(perm, h)| {
        let before = alone + h.iter().map(|h| h.nodes).sum::<usize>();
        before.saturating_sub(1 + packed + transposes(perm, h))
    });
    if plain == 0 && deep == 0 {
        return Err(Miss::because("as many nodes would be left", x));
    }
    let mut patch = Patch::new();
    let packed = product(cx, &mut patch, x, branches, biased)?;
    match shared.filter(|_| deep >= plain) {
        Some((perm, heads)) => split_heads(cx, &mut patch, packed, rank, &perm, &heads),
        None => {
            let widths: Vec<usize> = branches.iter().map(|b| b.width).collect();
            let parts = split(cx, &mut patch, packed, rank - 1, &widths);
            for (branch, part) in branches.iter().zip(parts) {
                let behind = branch.bias.as_ref().map(|(_, v)| *v);
                patch.replace(behind.unwrap_or(branch.product), part);
            }
        }
    }
    Ok(patch)
}

/// The one product, with its bias.
fn product(
    cx: &Context<'_>,
    patch: &mut Patch,
    x: ValueId,
    branches: &[Branch],
    biased: bool,
) -> Result<Ref, Miss> {
    let first = branches[0].node;
    let gemm = cx.node(first).op().is("Gemm");
    let weights: Vec<&Weight> = branches.iter().map(|b| &b.weight).collect();
    let weight = Weight::join(cx, patch, &weights)
        .ok_or_else(|| Miss::because("the weights do not fit together", x))?;
    let bias = if biased {
        let parts: Option<Vec<Tensor>> = branches.iter().map(Branch::bias_or_zeros).collect();
        let parts = parts.ok_or(Miss::Silent)?;
        let bias = Tensor::from_expr(Expr::Concat { axis: 0, parts }).map_err(|_| Miss::Silent)?;
        Some(patch.constant(computed(bias)))
    } else {
        None
    };
    if !gemm {
        let product = patch.node("MatMul", [Ref::from(x), weight]);
        return Ok(bias.map_or(product, |b| patch.node("Add", [product, b])));
    }
    Ok(patch.copy(cx.node(first), [Ref::from(x), weight].into_iter().chain(bias)))
}

fn computed(tensor: Tensor) -> Tensor {
    let small = tensor.byte_len() <= EAGER_BYTES && matches!(tensor.data(), Data::Expr(_));
    let bytes = if small { tensor.bytes() } else { None };
    bytes.and_then(|b| Tensor::from_bytes(tensor.dtype(), tensor.shape(), b).ok()).unwrap_or(tensor)
}

fn split_heads(
    cx: &Context<'_>,
    patch: &mut Patch,
    packed: Ref,
    rank: usize,
    perm: &[usize],
    heads: &[&Heads],
) {
    let counts: Vec<usize> = heads.iter().map(|h| h.count).collect();
    let mut shape = vec![0i64; rank - 1];
    shape.extend([counts.iter().sum::<usize>() as i64, heads[0].size as i64]);
    let shape = patch.constant(Tensor::vector(&shape));
    let mut all = patch.node("Reshape", [packed, shape]);
    if !is_identity(perm) {
        all = patch.node("Transpose", [all]);
        patch.set_attr("perm", ints(perm));
    }
    let axis = perm.iter().position(|&p| p == rank - 1).expect("the heads are one of the dims");
    let parts = split(cx, patch, all, axis, &counts);
    for (head, mut part) in heads.iter().zip(parts) {
        let rest = relative(perm, &head.perm);
        if !is_identity(&rest) {
            part = patch.node("Transpose", [part]);
            patch.set_attr("perm", ints(&rest));
        }
        patch.replace(head.output, part);
    }
}

fn split(cx: &Context<'_>, patch: &mut Patch, value: Ref, axis: usize, sizes: &[usize]) -> Vec<Ref> {
    let even = sizes.iter().all(|&s| s == sizes[0]);
    let as_input = !even && cx.opset() >= 13;
    let mut inputs = vec![value];
    if as_input {
        let sizes: Vec<i64> = sizes.iter().map(|&s| s as i64).collect();
        inputs.push(patch.constant(Tensor::vector(&sizes)));
    }
    let parts = patch.node_with_outputs("Split", inputs, sizes.len() as u32);
    patch.set_attr("axis", axis as i64);
    if even && cx.opset() >= 18 {
        patch.set_attr("num_outputs", sizes.len() as i64);
    } else if !even && !as_input {
        patch.set_attr("split", ints(sizes));
    }
    parts
}

/// The order of dims that leaves the fewest transpositions; of equal ones the first branch's.
fn common(heads: &[&Heads]) -> Vec<usize> {
    let stays: Vec<usize> = (0..heads[0].perm.len()).collect();
    let orders = heads.iter().map(|h| h.perm.clone()).chain([stays]);
    orders.min_by_key(|perm| transposes(perm, heads)).expect("there is a branch")
}

fn transposes(perm: &[usize], heads: &[&Heads]) -> usize {
    usize::from(!is_identity(perm)) + heads.iter().filter(|h| h.perm != perm).count()
}

/// The permutation that, after `first`, makes `both`.
fn relative(first: &[usize], both: &[usize]) -> Vec<usize> {
    both.iter().map(|b| first.iter().position(|f| f == b).expect("both permute the same dims")).collect()
}

fn is_identity(perm: &[usize]) -> bool {
    perm.iter().copied().eq(0..perm.len())
}

fn ints(values: &[usize]) -> Attr {
    Attr::Ints(values.iter().map(|&v| v as i64).collect())
}
