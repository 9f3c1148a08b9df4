//! `remove-expand`: an operand that would broadcast anyway is not expanded first.
//!
//! ```text
//! Expand(x, shape) + y             ->   x + y                where x alone gives the same shape with y
//! Expand(Expand(x, shape), other)  ->   Expand(x, other)     likewise
//! Expand(Expand(x, shape), other)  ->   Expand(x, both)      where the sizes of both are known
//! Where(Expand(c, shape), 0, 1)    ->   Expand(Where(c, 0, 1), shape)
//! ```
//!
//! Exact. The same for `Tile` that repeats only dims of 1, for every elementwise op whose operands broadcast, and for
//! the leading dims of `MatMul`.
//!
//! Refused: a result whose shape is not proven to stay, and two of `Expand` whose sizes are no numbers.

mod expanded;
mod last;

use crate::ir::{Dim, NodeId, OpId, ValueId};
use crate::passes::linear::same_dims;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveExpand;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(RemoveExpand)
}

const META: Meta = Meta {
    id: "remove-expand",
    summary: "Expand of an operand that broadcasts anyway goes",
    exactness: Exactness::Exact,
    since_opset: 8,
    emits: &[OpId::onnx("Expand")],
};

/// Ops whose operands broadcast both ways from opset 8 on.
const OPS: &[OpId] = &[
    OpId::onnx("Add"),
    OpId::onnx("And"),
    OpId::onnx("BitwiseAnd"),
    OpId::onnx("BitwiseOr"),
    OpId::onnx("BitwiseXor"),
    OpId::onnx("Div"),
    OpId::onnx("Equal"),
    OpId::onnx("Expand"),
    OpId::onnx("Greater"),
    OpId::onnx("GreaterOrEqual"),
    OpId::onnx("Less"),
    OpId::onnx("LessOrEqual"),
    OpId::onnx("MatMul"),
    OpId::onnx("Max"),
    OpId::onnx("Mean"),
    OpId::onnx("Min"),
    OpId::onnx("Mod"),
    OpId::onnx("Mul"),
    OpId::onnx("Or"),
    OpId::onnx("Pow"),
    OpId::onnx("Sub"),
    OpId::onnx("Sum"),
    OpId::onnx("Where"),
    OpId::onnx("Xor"),
];

impl Rule for RemoveExpand {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        if n.op().is("Expand") {
            return expanded::merge(cx, node);
        }
        let operands: Vec<ValueId> = n.inputs().collect::<Option<_>>().ok_or(Miss::Silent)?;
        let mut left = operands.clone();
        let mut refused = None;
        for at in 0..operands.len() {
            let Some(plain) = unexpanded(cx, operands[at]) else { continue };
            let kept = std::mem::replace(&mut left[at], plain);
            if !same_shape(cx, node, &left) {
                left[at] = kept;
                refused = Some(kept);
            }
        }
        if left == operands
            && let Some(patch) = last::expanded(cx, node, &operands)
        {
            return Ok(patch);
        }
        if left == operands {
            let why = |value| Miss::because("the shape is not proven to stay without the Expand", value);
            return Err(refused.map_or(Miss::Silent, why));
        }
        let mut patch = Patch::new();
        patch.copy(n, left);
        Ok(patch)
    }
}

/// What was expanded, where only dims of 1 were.
fn unexpanded(cx: &Context<'_>, value: ValueId) -> Option<ValueId> {
    let producer = cx.graph.producer(value)?;
    let n = cx.node(producer);
    if n.op() != OpId::onnx("Expand") && n.op() != OpId::onnx("Tile") {
        return None;
    }
    let plain = n.input(0)?;
    let (small, large) = (cx.graph.shape(plain)?, cx.graph.shape(value)?);
    let added = large.len().checked_sub(small.len())?;
    let ones = |(a, b): (&Dim, &Dim)| a.as_fixed() == Some(1) || a.same(b).is_proven();
    small.iter().zip(&large[added..]).all(ones).then_some(plain)
}

fn same_shape(cx: &Context<'_>, node: NodeId, operands: &[ValueId]) -> bool {
    let result = || {
        let mut shapes = operands.iter().map(|&v| cx.graph.shape(v)).collect::<Option<Vec<_>>>()?;
        let mut out = cx.graph.shape(cx.node(node).outputs()[0])?;
        if cx.node(node).op().is("MatMul") {
            // The matrices stay as they were; the dims before them broadcast.
            for (shape, &was) in shapes.iter_mut().zip(&cx.node(node).inputs().collect::<Vec<_>>()) {
                let (lead, matrix) = shape.split_at(shape.len().checked_sub(2)?);
                let was = cx.graph.shape(was?)?;
                same_dims(matrix, was.get(was.len().checked_sub(2)?..)?).then_some(())?;
                *shape = lead;
            }
            out = &out[..out.len().checked_sub(2)?];
        }
        Some(same_dims(&broadcast(&shapes)?, out))
    };
    result().unwrap_or(false)
}

fn broadcast(shapes: &[&[Dim]]) -> Option<Vec<Dim>> {
    let rank = shapes.iter().map(|s| s.len()).max()?;
    (0..rank)
        .map(|axis| {
            let dims = shapes.iter().filter_map(|s| s.get((axis + s.len()).checked_sub(rank)?));
            dims.into_iter().try_fold(Dim::Fixed(1), |all, dim| all.broadcast(dim))
        })
        .collect()
}
