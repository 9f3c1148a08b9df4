//! A normalization between two conversions, from half precision to single and back, computes in single by itself.

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::sole_producer;
use crate::require;
use crate::rewrite::{Context, Meta, Miss, Patch, Ref, Rule};
use crate::tensor::{DType, Tensor};

/// The rule, for the operators that a pass emits.
pub(in crate::passes) struct Half {
    pub(in crate::passes) meta: &'static Meta,
    pub(in crate::passes) norm: &'static str,
}

impl Rule for Half {
    fn meta(&self) -> &Meta {
        self.meta
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Cast")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let (Some(inner), output) = (n.input(0), n.outputs()[0]) else { return Err(Miss::Silent) };
        if cx.graph.dtype(output) != Some(DType::F16) || cx.graph.dtype(inner) != Some(DType::F32) {
            return Err(Miss::Silent);
        }
        let producer = cx.node(cx.graph.producer_is(inner, self.norm).ok_or(Miss::Silent)?);
        require!(
            sole_producer(cx, inner, node).is_ok() && producer.outputs().len() == 1,
            inner,
            "the normalized value is read elsewhere too"
        );
        let mut patch = Patch::new();
        let x = producer.input(0).and_then(|x| widened(cx, x));
        let x = x.ok_or_else(|| Miss::because("what is normalized is no half precision", inner))?;
        let mut inputs: Vec<Ref> = vec![x.into()];
        for weight in producer.inputs().skip(1).flatten() {
            inputs.push(narrowed(cx, weight, &mut patch)?);
        }
        patch.copy(producer, inputs);
        Ok(patch)
    }
}

/// What a value in single precision was converted from.
fn widened(cx: &Context<'_>, value: ValueId) -> Option<ValueId> {
    let cast = cx.node(cx.graph.producer_is(value, "Cast")?);
    cast.input(0).filter(|&x| cx.graph.dtype(x) == Some(DType::F16))
}

/// A weight in half precision, if that loses nothing.
fn narrowed(cx: &Context<'_>, weight: ValueId, patch: &mut Patch) -> Result<Ref, Miss> {
    if let Some(half) = widened(cx, weight) {
        return Ok(half.into());
    }
    let tensor = if cx.graph.is_const(weight) { cx.graph.const_value(weight) } else { None };
    let tensor = tensor.ok_or_else(|| Miss::because("a weight is no constant", weight))?;
    let values = tensor.to_f64s().ok_or(Miss::Silent)?;
    let half = Tensor::from_f64s(DType::F16, tensor.shape(), &values).map_err(|_| Miss::Silent)?;
    require!(half.to_f64s().as_ref() == Some(&values), weight, "a weight is no half precision");
    Ok(patch.constant(half))
}
