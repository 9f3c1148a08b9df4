//! `constant-shapes`: a computed shape that says nothing new becomes a constant.
//!
//! ```text
//! x: float[B,S,768];  y = Reshape(x, Concat(Shape<0,2>(x), [12, 64]))   ->   y = Reshape(x, [0,0,12,64])
//! x: float[B,64,7,7]; y = Reshape(x, Concat(Shape<0,1>(x), [-1]))       ->   y = Reshape(x, [0,3136])
//! x: float[B,1,S];    y = Expand(x, [B,1,S] computed)                   ->   y = Expand(x, [1,1,1])
//! ```
//!
//! Exact. What the shape's elements are follows from shape inference.
//!
//! | operand | an element becomes |
//! |---|---|
//! | of `Reshape` | its number; 0 where it copies the dim of `x` at its place (`allowzero` goes); one other -1 |
//! | of `Expand` | its number; 1 where the dim of `x` stays |
//! | of `Tile` | its number; 1 where the dim of `x` stays |
//! | end of `Slice` | its number; the largest there is where it is not before the end of `x` |
//! | sizes of `Split` | the operand goes where all parts are of one size |
//!
//! A -1 is written only where all other dims are proven to be 1 or more, or the shape had it there before: of an empty
//! tensor it says nothing. Refused: shapes of which a symbolic element stays.

use crate::ir::{Dim, NodeId, OpId, Truth, ValueId};
use crate::passes::shape_operand::{choices, with_copies};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct ConstantShapes;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(ConstantShapes)
}

/// Makes a zero of a Reshape's shape a size.
const ALLOW_ZERO: &str = "allowzero";

const OPS: &[OpId] = &[
    OpId::onnx("Reshape"),
    OpId::onnx("Expand"),
    OpId::onnx("Tile"),
    OpId::onnx("Slice"),
    OpId::onnx("Split"),
];

const META: Meta = Meta {
    id: "constant-shapes",
    summary: "computed shapes whose elements are known, copied or left over become constants",
    exactness: Exactness::Exact,
    since_opset: 5,
    emits: OPS,
};

impl Rule for ConstantShapes {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let operand = if n.op().is("Slice") { 2 } else { 1 };
        let shape = n.input(operand).filter(|&v| !cx.graph.is_const(v)).ok_or(Miss::Silent)?;
        if cx.graph.producer(shape).is_none() {
            return Err(Miss::Silent);
        }
        if n.op().is("Split") {
            return split(cx, node, shape);
        }
        let found = if n.op().is("Reshape") { with_copies(cx, node) } else { choices(cx, node, operand) };
        let choices = found.ok_or_else(|| Miss::because("the rank of the result is not known", shape))?;
        let numbers = choices.numbers();
        require!(numbers.is_some(), shape, "a symbolic element of the shape is neither copied nor left over");
        let mut patch = Patch::new();
        let constant = patch.constant(Tensor::vector(&numbers.unwrap_or_default()));
        let mut inputs: Vec<Ref> = n.inputs().map(Ref::from).collect();
        inputs[operand] = constant;
        add_like(&mut patch, cx, node, inputs);
        Ok(patch)
    }
}

/// The node with other operands.
fn add_like(patch: &mut Patch, cx: &Context<'_>, node: NodeId, inputs: Vec<Ref>) {
    let n = cx.node(node);
    let new = patch.copy_with_outputs(n, inputs);
    patch.drop_attr(ALLOW_ZERO);
    for (&old, new) in n.outputs().iter().zip(new) {
        patch.replace(old, new);
    }
}

fn split(cx: &Context<'_>, node: NodeId, sizes: ValueId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let axis = cx.int(node, "axis").unwrap_or(0);
    let size_of = |value: ValueId| -> Option<&Dim> {
        let shape = cx.graph.shape(value)?;
        let axis = if axis < 0 { axis.checked_add(i64::try_from(shape.len()).ok()?)? } else { axis };
        shape.get(usize::try_from(axis).ok()?)
    };
    let parts: Option<Vec<&Dim>> = n.outputs().iter().map(|&o| size_of(o)).collect();
    let (Some(parts), Some(whole)) = (parts, n.input(0).and_then(size_of)) else {
        return Err(Miss::because("the sizes of the parts are not known", sizes));
    };
    let count = parts.len() as u64;
    let even = parts.iter().all(|p| p.same(parts[0]) == Truth::Proven)
        && parts[0].mul(&Dim::Fixed(count)).is_some_and(|sum| sum.same(whole) == Truth::Proven);
    require!(even, sizes, "the parts are not proven to be of one size");
    let mut patch = Patch::new();
    add_like(&mut patch, cx, node, vec![Ref::from(n.input(0))]);
    if cx.opset() >= 18 {
        patch.set_attr("num_outputs", count as i64);
    }
    Ok(patch)
}
