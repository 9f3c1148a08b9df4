//! One or two bounds as one node, or none.

use crate::ir::{NodeId, ValueId};
use crate::passes::linear::same_shape;
use crate::passes::range::{Range, clip_bounds, largest};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::{DType, Tensor};

/// `min(max(x, low), high)`.
#[derive(Clone, Copy)]
struct Clamp {
    x: ValueId,
    low: f64,
    high: f64,
}

impl Clamp {
    fn read(cx: &Context<'_>, node: NodeId) -> Option<Self> {
        let n = cx.node(node);
        let (x, low, high) = match n.op().name {
            "Relu" => (n.input(0)?, 0.0, f64::INFINITY),
            "Clip" => {
                let (low, high) = clip_bounds(cx, node)?;
                (n.input(0)?, low, high)
            }
            "Max" => {
                let (x, bound) = beside_numbers(cx, node, f64::max)?;
                (x, bound, f64::INFINITY)
            }
            "Min" => {
                let (x, bound) = beside_numbers(cx, node, f64::min)?;
                (x, f64::NEG_INFINITY, bound)
            }
            _ => return None,
        };
        let float = cx.graph.dtype(x)?.is_float();
        let exact = |bound: f64| float || bound.is_infinite() || bound.abs() < (1u64 << 53) as f64;
        (exact(low) && exact(high)).then_some(Self { x, low, high })
    }

    /// This one after another.
    fn after(self, inner: Self) -> Self {
        let through = |v: f64| v.max(self.low).min(self.high);
        Self { x: inner.x, low: through(inner.low.min(inner.high)), high: through(inner.high) }
    }
}

/// The only operand that is no constant, and what the others, one element each, come to.
fn beside_numbers(cx: &Context<'_>, node: NodeId, pick: fn(f64, f64) -> f64) -> Option<(ValueId, f64)> {
    let n = cx.node(node);
    let (mut x, mut bound) = (None, None);
    for value in n.inputs() {
        let value = value?;
        if !cx.graph.is_const(value) {
            if x.replace(value).is_some() {
                return None;
            }
            continue;
        }
        let number = cx.graph.const_value(value)?.as_scalar().filter(|v| !v.is_nan())?;
        bound = Some(bound.map_or(number, |b| pick(b, number)));
    }
    let (x, bound) = (x?, bound?);
    same_shape(cx, x, n.outputs()[0]).then_some((x, bound))
}

pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let y = n.outputs()[0];
    let x = n.input(0).ok_or(Miss::Silent)?;
    if matches!(n.op().name, "Abs" | "LeakyRelu" | "PRelu") {
        let kept = Range::of(cx, x).low >= 0.0 && same_shape(cx, x, y);
        return if kept { Ok(Patch::forward(y, x)) } else { Err(Miss::Silent) };
    }
    let outer = Clamp::read(cx, node).ok_or(Miss::Silent)?;
    let dtype = cx.graph.dtype(outer.x).ok_or(Miss::Silent)?;
    let range = Range::of(cx, outer.x);
    if range.low >= outer.low && range.high <= outer.high {
        return Ok(Patch::forward(y, outer.x));
    }
    let inner = cx.graph.producer(outer.x).and_then(|inner| Clamp::read(cx, inner));
    let clamp = match inner {
        Some(inner) => {
            let sole = cx.graph.value(outer.x).uses().len() == 1;
            require!(sole, outer.x, "the inner bound is read elsewhere too");
            outer.after(inner)
        }
        None if n.op().is("Max") && outer.low == 0.0 && dtype.is_float() => outer,
        None => return Err(Miss::Silent),
    };
    emit(cx, node, clamp, dtype)
}

fn emit(cx: &Context<'_>, node: NodeId, clamp: Clamp, dtype: DType) -> Result<Patch, Miss> {
    let Clamp { x, low, high } = clamp;
    if low == 0.0 && high == f64::INFINITY && dtype.is_float() {
        return Ok(Patch::op("Relu", [x]));
    }
    let is = |op| cx.node(node).op().is(op);
    let one_sided = (is("Max") && high == f64::INFINITY) || (is("Min") && low == f64::NEG_INFINITY);
    let opset = cx.opset();
    let mut patch = Patch::new();
    let most = largest(dtype);
    let bound = |patch: &mut Patch, value: f64, default: f64| {
        if value == default {
            return Ok(Ref::Omitted);
        }
        let tensor = Tensor::from_f64s(dtype, &[], &[value]).map_err(|_| Miss::Silent)?;
        Ok(patch.constant(tensor))
    };
    if one_sided {
        let bound = bound(&mut patch, if is("Max") { low } else { high }, f64::NAN)?;
        patch.node(cx.node(node).op(), [Ref::from(x), bound]);
        return Ok(patch);
    }
    require!(clips(dtype, opset), x, "Clip does not take the type at this opset");
    if opset < 11 {
        patch.node("Clip", [x]);
        if low != -most {
            patch.set_attr("min", low as f32);
        }
        if high != most {
            patch.set_attr("max", high as f32);
        }
        return Ok(patch);
    }
    let (low, high) = (bound(&mut patch, low, -most)?, bound(&mut patch, high, most)?);
    let inputs = [Ref::from(x), low, high];
    let given = if high == Ref::Omitted { 2 } else { 3 };
    patch.node("Clip", inputs.into_iter().take(given));
    Ok(patch)
}

/// Whether `Clip` is defined for a type, and runtimes have it.
fn clips(dtype: DType, opset: i64) -> bool {
    match dtype {
        DType::F32 => true,
        DType::F16
        | DType::F64
        | DType::I8
        | DType::U8
        | DType::I32
        | DType::U32
        | DType::I64
        | DType::U64 => opset >= 12,
        _ => false,
    }
}
