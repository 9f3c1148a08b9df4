//! `reshape-first`: a product's result that is transposed and then split is split and then transposed.
//!
//! ```text
//! Reshape(Transpose<perm = [0, 2, 1]>(MatMul(x, W)), [0, H, D, -1])
//!   ->  Transpose<perm = [0, 2, 3, 1]>(Reshape(MatMul(x, W), [0, 0, H, D]))
//! ```
//!
//! Exact. TensorRT sees that products of one input are treated alike only where each is first split into heads: then it
//! computes all of them at once and writes each where it is read. A T5 encoder of 6 layers becomes 61 layers of an engine
//! instead of 87.
//!
//! ONNX Runtime takes as long for either, or longer (1.31.1, one thread, 4 x 512 rows of 768: 1.12 ms for 0.88 ms), so there
//! it runs by name only.
//!
//! Refused: a transposed value that others read too, or that is no product's result, with or without a bias; a shape that
//! joins what the transposition has brought together, or that cannot be written in numbers with zeros for copied dims
//! and one -1.

use super::layout::{Known, Layout, Op, Step, plans, realize};
use crate::ir::{NodeId, OpId, ValueId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct ReshapeFirst;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(ReshapeFirst)
}

const RESHAPE: OpId = OpId::onnx("Reshape");
const TRANSPOSE: OpId = OpId::onnx("Transpose");

const META: Meta = Meta {
    id: "reshape-first",
    summary: "a product's result that is transposed and then split is split first",
    exactness: Exactness::Exact,
    since_opset: 5,
    emits: &[RESHAPE, TRANSPOSE],
};

impl Rule for ReshapeFirst {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[RESHAPE];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let (moved, out) = (cx.node(node).input(0).ok_or(Miss::Silent)?, cx.node(node).outputs()[0]);
        let transpose = cx.graph.producer_is(moved, "Transpose").ok_or(Miss::Silent)?;
        require!(
            cx.node(transpose).region() == cx.node(node).region(),
            moved,
            "it is transposed in another body"
        );
        require!(
            cx.graph.value(moved).uses().len() == 1,
            moved,
            "the transposed value is read elsewhere too"
        );
        let x = cx.node(transpose).input(0).ok_or(Miss::Silent)?;
        require!(is_product(cx, x), x, "what is transposed is no product's result");
        let ops = ways(cx, x, transpose, out)
            .ok_or_else(|| Miss::because("the shape cannot be taken before the transposition", out))?;
        let mut patch = Patch::new();
        let made = ops.iter().fold(Ref::Old(x), |at, op| op.write(cx, &mut patch, at));
        patch.replace(out, made);
        Ok(patch)
    }
}

/// Whether the value is a matrix product, with or without a constant that is added.
fn is_product(cx: &Context<'_>, value: ValueId) -> bool {
    let product = |v| ["MatMul", "Gemm"].iter().any(|op| cx.graph.producer_is(v, op).is_some());
    let biased = |add: NodeId| {
        let operands = || cx.node(add).inputs().flatten();
        operands().any(product) && operands().any(|v| cx.graph.is_const(v))
    };
    product(value) || cx.graph.producer_is(value, "Add").is_some_and(biased)
}

/// A reshape and then a transposition from `x` to `out`.
fn ways(cx: &Context<'_>, x: ValueId, transpose: NodeId, out: ValueId) -> Option<Vec<Op>> {
    let shape = cx.graph.shape(x)?;
    let mut layout = Layout::of(shape)?;
    layout.transpose(&cx.permutation(transpose)?)?;
    layout.reshape(cx.graph.shape(out)?)?;
    let plans = plans(layout.frame(0), layout.last(), &layout.sizes);
    let first = plans.iter().find(|p| matches!(p[..], [Step::Reshape(_), Step::Transpose(_)]))?;
    realize(cx, shape, first, &Known::new())
}
