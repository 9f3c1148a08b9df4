//! `fold-uniform`: arithmetic on a tensor of one number everywhere is done on the number.
//!
//! ```text
//! Cast(ConstantOfShape<value=0>(s))      ->   ConstantOfShape<value=false>(s), and the like
//! ConstantOfShape<value=1>(s) · 3        ->   ConstantOfShape<value=3>(s)
//! Neg(Expand(2, s))                      ->   Expand(-2, s)
//! ```
//!
//! Exact. Casts, comparisons and arithmetic that need no runtime; the other operand, if there is one, is a constant of
//! one element.
//!
//! Refused: a tensor that is read elsewhere too, and a result whose shape is not proven to stay.

use crate::ir::{Attr, NodeId, OpId, ValueId};
use crate::passes::fold::{Call, evaluate};
use crate::passes::linear::same_shape;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::Tensor;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FoldUniform;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(FoldUniform)
}

const META: Meta = Meta {
    id: "fold-uniform",
    summary: "arithmetic on a tensor of one number everywhere is done on the number",
    exactness: Exactness::Exact,
    since_opset: 9,
    emits: &[OpId::onnx("ConstantOfShape"), OpId::onnx("Expand")],
};

/// Bytes of one number.
const LIMIT: usize = 64;

impl Rule for FoldUniform {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[
            OpId::onnx("Abs"),
            OpId::onnx("Add"),
            OpId::onnx("Cast"),
            OpId::onnx("Div"),
            OpId::onnx("Equal"),
            OpId::onnx("Greater"),
            OpId::onnx("Less"),
            OpId::onnx("Mul"),
            OpId::onnx("Neg"),
            OpId::onnx("Not"),
            OpId::onnx("Sub"),
        ];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let operands: Vec<ValueId> = n.inputs().collect::<Option<_>>().ok_or(Miss::Silent)?;
        let spread = operands.iter().find_map(|&v| Some((v, number(cx, v)?)));
        let (wide, number) = spread.ok_or(Miss::Silent)?;
        let inputs: Option<Vec<Option<Tensor>>> = operands
            .iter()
            .map(|&v| if v == wide { Some(Some(number.clone())) } else { single(cx, v).map(Some) })
            .collect();
        let inputs = inputs.ok_or(Miss::Silent)?;
        require!(cx.graph.value(wide).uses().len() == 1, wide, "the tensor is read elsewhere too");
        require!(
            same_shape(cx, wide, n.outputs()[0]),
            wide,
            "the result is not proven to have the operand's shape"
        );
        let call = Call { node: n, opset: cx.opset(), inputs: &inputs, limit: LIMIT };
        let results =
            evaluate(&call).ok_or_else(|| Miss::because("there is no kernel for the operator", wide))?;
        let result = results.into_iter().next().filter(|t| t.len() == 1).ok_or(Miss::Silent)?;
        write(cx, wide, &result)
    }
}

/// The tensor instead of the one that spreads another number.
fn write(cx: &Context<'_>, wide: ValueId, number: &Tensor) -> Result<Patch, Miss> {
    let maker = cx.node(cx.graph.producer(wide).ok_or(Miss::Silent)?);
    let mut patch = Patch::new();
    patch.sharpen();
    if maker.op().is("ConstantOfShape") {
        patch.copy(maker, maker.inputs());
        let number = number.reshaped(&[1]).map_err(|_| Miss::Silent)?;
        patch.reset_attr("value", Attr::Tensor(number));
        return Ok(patch);
    }
    let shape = cx.graph.const_value(maker.input(0).ok_or(Miss::Silent)?).ok_or(Miss::Silent)?;
    let number = patch.constant(number.reshaped(shape.shape()).map_err(|_| Miss::Silent)?);
    patch.copy(maker, [number, Ref::from(maker.input(1))]);
    Ok(patch)
}

/// A constant of one element, as a scalar.
fn single(cx: &Context<'_>, value: ValueId) -> Option<Tensor> {
    let constant = cx.graph.is_const(value).then(|| cx.graph.const_value(value))??;
    if constant.len() == 1 { constant.reshaped(&[]).ok() } else { None }
}

/// The number that a node spreads over a shape.
fn number(cx: &Context<'_>, value: ValueId) -> Option<Tensor> {
    let maker = cx.node(cx.graph.producer(value)?);
    match (maker.op().domain, maker.op().name) {
        ("", "ConstantOfShape") => match maker.attr("value") {
            None => Some(Tensor::scalar(0f32)),
            Some(Attr::Tensor(tensor)) if tensor.len() == 1 => tensor.reshaped(&[]).ok(),
            Some(_) => None,
        },
        ("", "Expand") => single(cx, maker.input(0)?),
        _ => None,
    }
}
