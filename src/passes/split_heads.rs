//! `split-heads`: a product that is cut into heads is cut once.
//!
//! ```text
//! q, k, v = Split<axis = -1>(MatMul(x, W) + b);  Reshape(q, [0, 0, H, D]), ...
//!   ->  Split<axis = 2>(Reshape(MatMul(x, W) + b, [0, 0, 3·H, D]))
//!
//! Gather<axis = 0>(Transpose<perm = [2, 0, 3, 1, 4]>(Reshape(MatMul(x, W) + b, [0, 0, 3, H, D])), k)
//!   ->  Split<axis = 1>(Transpose<perm = [0, 2, 1, 3]>(Reshape(MatMul(x, W) + b, [0, 0, 3·H, D])))
//! ```
//!
//! Exact. TensorRT cuts the weight of a product whose columns are cut, and adds a bias to each part in a layer of its own: a
//! block of 8 heads of 32 becomes 10 layers of an engine, and 8 with heads cut; in INT8 12 and 9, and only with heads cut
//! does the product run in whole numbers at all, for what is cut has no weights in them.
//!
//! Products without a bias are left as they are, but for INT8: of those it writes each part where it is read (7 layers, and 8
//! with heads cut). On ONNX Runtime it runs by name only.
//!
//! Refused: parts that others than reshapes read, or that are cut into heads of several sizes; dims that are not known to stay.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId, Use, ValueId};
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Ref, Rule, Work, apply,
};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct SplitHeads;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(SplitHeads)
}

const META: Meta = Meta {
    id: "split-heads",
    summary: "a product that is cut into heads is cut once",
    exactness: Exactness::Exact,
    since_opset: 5,
    emits: &[OpId::onnx("Reshape"), OpId::onnx("Split"), OpId::onnx("Transpose")],
};

/// Parts, heads and their size behind the dims of a batch and of a sequence, and the order in which parts are gathered.
const PARTS_FIRST: [usize; 5] = [2, 0, 3, 1, 4];

impl Pass for SplitHeads {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        apply(&Cut { placed: cx.target.places_products }, model, cx)
    }
}

/// The rule, as the target's compiler leaves something to gain.
struct Cut {
    /// Whether it writes parts of a product without a bias where they are read.
    placed: bool,
}

impl Rule for Cut {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Split"), OpId::onnx("Transpose")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        if cx.node(node).op().is("Split") {
            columns(cx, self.placed, node)
        } else {
            gathered(cx, self.placed, node)
        }
    }
}

/// Columns are split, and each part is reshaped into heads.
fn columns(cx: &Context<'_>, placed: bool, split: NodeId) -> std::result::Result<Patch, Miss> {
    let n = cx.node(split);
    let x = n.input(0).filter(|&v| is_cut(cx, placed, v)).ok_or(Miss::Silent)?;
    let rank = cx.graph.rank(x).filter(|&r| r > 1).ok_or(Miss::Silent)?;
    let axis = cx.int(split, "axis").unwrap_or(0);
    if axis != -1 && axis != rank as i64 - 1 {
        return Err(Miss::Silent);
    }
    let mut heads = Vec::new();
    for &part in n.outputs() {
        let reshaped = only_reshape(cx, part, split);
        let (shape, out) = (cx.graph.shape(x).ok_or(Miss::Silent)?, reshaped.ok_or(Miss::Silent)?);
        let cut = cx.graph.shape(out).filter(|s| s.len() == rank + 1).ok_or(Miss::Silent)?;
        require!(cut[..rank - 1] == shape[..rank - 1], out, "the other dims are not known to stay");
        let sizes = (
            cut[rank - 1].as_fixed().and_then(|d| i64::try_from(d).ok()),
            cut[rank].as_fixed().and_then(|d| i64::try_from(d).ok()),
        );
        let (Some(count), Some(size)) = sizes else { return Err(Miss::Silent) };
        heads.push((out, count, size));
    }
    let size = heads.first().ok_or(Miss::Silent)?.2;
    require!(heads.len() > 1 && heads.iter().all(|h| h.2 == size), x, "the heads differ in size");
    let counts: Vec<i64> = heads.iter().map(|h| h.1).collect();
    let mut patch = Patch::new();
    let whole = reshaped(&mut patch, x, rank - 1, counts.iter().sum(), size);
    let parts = split_into(cx, &mut patch, whole, rank - 1, &counts);
    heads.iter().zip(parts).for_each(|((out, ..), part)| patch.replace(*out, part));
    Ok(patch)
}

/// Parts, heads and their size become dims, parts come first, and each is gathered.
fn gathered(cx: &Context<'_>, placed: bool, transpose: NodeId) -> std::result::Result<Patch, Miss> {
    let n = cx.node(transpose);
    let (cut, out) = (n.input(0).ok_or(Miss::Silent)?, n.outputs()[0]);
    if cx.permutation(transpose).as_deref() != Some(&PARTS_FIRST) || cx.graph.value(cut).uses().len() != 1 {
        return Err(Miss::Silent);
    }
    let reshape = cx.graph.producer_is(cut, "Reshape").ok_or(Miss::Silent)?;
    let x = cx.node(reshape).input(0).filter(|&v| is_cut(cx, placed, v)).ok_or(Miss::Silent)?;
    let shape = cx.node(reshape).input(1).and_then(|v| cx.constant_ints(v)).ok_or(Miss::Silent)?;
    let [batch, sequence, parts, count, size] = shape[..] else { return Err(Miss::Silent) };
    let copies = cx.int(reshape, "allowzero").unwrap_or(0) == 0;
    if !copies || parts < 1 || count < 1 || size < 1 || cx.node(reshape).region() != n.region() {
        return Err(Miss::Silent);
    }
    let mut read = Vec::new();
    for reader in cx.graph.value(out).uses() {
        let Use::Operand { node, index: 0 } = *reader else { return Err(Miss::Silent) };
        let gather = cx.node(node);
        let first = gather.op().is("Gather") && cx.int(node, "axis").unwrap_or(0) == 0;
        let index = gather.input(1).filter(|&v| first && cx.graph.rank(v) == Some(0));
        let index = index.and_then(|v| cx.constant_ints(v)).and_then(|v| v.first().copied());
        let index = index.map(|i| if i < 0 { i + parts } else { i }).ok_or(Miss::Silent)?;
        if gather.region() != n.region() || !(0..parts).contains(&index) {
            return Err(Miss::Silent);
        }
        read.push((gather.outputs()[0], index as usize));
    }
    let mut patch = Patch::new();
    let shape = patch.constant(Tensor::vector(&[batch, sequence, parts * count, size]));
    let whole = patch.node("Reshape", [Ref::Old(x), shape]);
    let whole = patch.node("Transpose", [whole]);
    patch.set_attr("perm", vec![0i64, 2, 1, 3]);
    let cut = split_into(cx, &mut patch, whole, 1, &vec![count; parts as usize]);
    read.iter().for_each(|(old, index)| patch.replace(*old, cut[*index]));
    Ok(patch)
}

/// Whether the value is a matrix product that the compiler cuts: nothing but one with a bias where it places those without.
fn is_cut(cx: &Context<'_>, placed: bool, value: ValueId) -> bool {
    let product = |v| ["MatMul", "Gemm"].iter().any(|op| cx.graph.producer_is(v, op).is_some());
    let biased = |add: NodeId| {
        let operands = || cx.node(add).inputs().flatten();
        operands().any(product) && operands().any(|v| cx.graph.is_const(v))
    };
    (!placed && product(value))
        || cx.graph.producer_is(value, "Add").is_some_and(biased)
        || cx.graph.producer_is(value, "Gemm").is_some_and(|gemm| cx.node(gemm).input(2).is_some())
}

/// The result of the reshape that alone reads a value.
fn only_reshape(cx: &Context<'_>, value: ValueId, beside: NodeId) -> Option<ValueId> {
    let [Use::Operand { node, index: 0 }] = *cx.graph.value(value).uses() else { return None };
    let reshape = cx.node(node);
    let here = reshape.op().is("Reshape") && reshape.region() == cx.node(beside).region();
    here.then(|| reshape.outputs()[0])
}

/// All heads of a value, behind so many dims that stay.
fn reshaped(patch: &mut Patch, x: ValueId, kept: usize, heads: i64, size: i64) -> Ref {
    let mut shape = vec![0i64; kept];
    shape.extend([heads, size]);
    let shape = patch.constant(Tensor::vector(&shape));
    patch.node("Reshape", [Ref::Old(x), shape])
}

fn split_into(cx: &Context<'_>, patch: &mut Patch, value: Ref, axis: usize, sizes: &[i64]) -> Vec<Ref> {
    let mut inputs = vec![value];
    if cx.opset() >= 13 {
        inputs.push(patch.constant(Tensor::vector(sizes)));
    }
    let parts = patch.node_with_outputs("Split", inputs, sizes.len() as u32);
    patch.set_attr("axis", axis as i64);
    if cx.opset() < 13 {
        patch.set_attr("split", sizes.to_vec());
    }
    parts
}
