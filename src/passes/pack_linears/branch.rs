//! One of the products: its weight, and what follows it on its own.

use super::weight::{COPIES_IN_WEIGHT, Weight};
use crate::ir::{Dim, NodeId, Truth, Use, ValueId};
use crate::rewrite::{Context, Miss};
use crate::tensor::Tensor;

/// A product and what follows it.
pub(super) struct Branch {
    pub(super) node: NodeId,
    pub(super) weight: Weight,
    /// The result's last dim.
    pub(super) width: usize,
    /// What the product returns.
    pub(super) product: ValueId,
    /// One number a column, and the value behind it.
    pub(super) bias: Option<(Tensor, ValueId)>,
    /// How the result, with its bias, is split into heads.
    pub(super) heads: Option<Heads>,
}

/// `[…, count · size]` as `[…, count, size]`, its dims permuted.
pub(super) struct Heads {
    pub(super) count: usize,
    pub(super) size: usize,
    pub(super) perm: Vec<usize>,
    /// Nodes that do it.
    pub(super) nodes: usize,
    /// What the last of them returns.
    pub(super) output: ValueId,
}

impl Branch {
    /// Reads a product of an input of this rank.
    pub(super) fn read(cx: &Context<'_>, node: NodeId, rank: usize) -> Result<Self, Miss> {
        let n = cx.node(node);
        let (value, product) = (n.input(1).ok_or(Miss::Silent)?, n.outputs()[0]);
        let gemm = n.op().is("Gemm");
        let axis = usize::from(!(gemm && cx.int(node, "transB") != Some(0)));
        let weight = Weight::read(cx, node, value, axis)?;
        let width = weight.width();
        if gemm {
            let bias = match n.input(2) {
                None => None,
                Some(b) => {
                    let bias = vector(cx, b, width, 2, &weight);
                    Some((bias.ok_or_else(|| Miss::because("the bias is no constant vector", b))?, product))
                }
            };
            return Ok(Self { node, weight, width, product, bias, heads: None });
        }
        let bias = added(cx, node, product, width, rank, &weight);
        let heads = heads(cx, bias.as_ref().map_or(product, |(_, v)| *v), node, rank);
        Ok(Self { node, weight, width, product, bias, heads })
    }

    /// Whether zeros in place of a bias are next to nothing beside the weight.
    pub(super) fn affords_bias(&self) -> bool {
        let bias = self.width * self.weight.dtype.bits().div_ceil(8);
        self.weight.dtype.is_float() && bias * COPIES_IN_WEIGHT <= self.weight.tensor.byte_len()
    }

    /// What is added to the result.
    pub(super) fn bias_or_zeros(&self) -> Option<Tensor> {
        match &self.bias {
            Some((bias, _)) => Some(bias.clone()),
            None => Tensor::from_f64s(self.weight.dtype, &[self.width], &vec![0.0; self.width]).ok(),
        }
    }
}

/// A constant of one number a column that may be copied.
fn vector(
    cx: &Context<'_>,
    value: ValueId,
    width: usize,
    most_rank: usize,
    weight: &Weight,
) -> Option<Tensor> {
    let tensor = cx.graph.const_value(value)?;
    let (&last, front) = tensor.shape().split_last()?;
    let shaped = last == width && front.iter().all(|&d| d == 1) && tensor.rank() <= most_rank;
    let alone = cx.graph.value(value).uses().len() == 1;
    let small = tensor.byte_len().checked_mul(COPIES_IN_WEIGHT)? <= weight.tensor.byte_len();
    if shaped && tensor.dtype() == weight.dtype && (alone || small) {
        tensor.reshaped(&[width]).ok()
    } else {
        None
    }
}

/// The only reader of a value, if it is a node of this op in the region of `like` that reads it once.
fn reader(cx: &Context<'_>, value: ValueId, op: &str, like: NodeId) -> Option<NodeId> {
    match cx.graph.value(value).uses() {
        [Use::Operand { node, .. }] => {
            let n = cx.node(*node);
            (n.op().is(op) && n.region() == cx.node(like).region()).then_some(*node)
        }
        _ => None,
    }
}

fn added(
    cx: &Context<'_>,
    node: NodeId,
    product: ValueId,
    width: usize,
    rank: usize,
    weight: &Weight,
) -> Option<(Tensor, ValueId)> {
    let add = reader(cx, product, "Add", node)?;
    let bias = cx.node(add).inputs().flatten().find(|&v| v != product)?;
    Some((vector(cx, bias, width, rank, weight)?, cx.node(add).outputs()[0]))
}

fn heads(cx: &Context<'_>, value: ValueId, node: NodeId, rank: usize) -> Option<Heads> {
    let reshape = reader(cx, value, "Reshape", node).filter(|&r| cx.node(r).input(0) == Some(value))?;
    let reshaped = cx.node(reshape).outputs()[0];
    let (from, to) = (cx.graph.shape(value)?, cx.graph.shape(reshaped)?);
    if from.len() != rank || to.len() != rank + 1 {
        return None;
    }
    let front = from[..rank - 1].iter().zip(to).all(|(a, b)| a.same(b) == Truth::Proven);
    let fixed = |d: &Dim| usize::try_from(d.as_fixed()?).ok();
    let (count, size, width) = (fixed(&to[rank - 1])?, fixed(&to[rank])?, fixed(&from[rank - 1])?);
    if !front || count.checked_mul(size) != Some(width) || width == 0 {
        return None;
    }
    let stays: Vec<usize> = (0..=rank).collect();
    let transposed = reader(cx, reshaped, "Transpose", node).and_then(|t| {
        let perm = cx.permutation(t)?;
        let mut sorted = perm.clone();
        sorted.sort_unstable();
        (sorted == stays).then(|| (perm, cx.node(t).outputs()[0]))
    });
    Some(match transposed {
        Some((perm, output)) => Heads { count, size, perm, nodes: 2, output },
        None => Heads { count, size, perm: stays, nodes: 1, output: reshaped },
    })
}
