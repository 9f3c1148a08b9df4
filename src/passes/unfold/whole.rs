//! Whole numbers as floats.

use super::Formula;
use crate::ir::ValueId;
use crate::rewrite::{Context, Miss, Ref};
use crate::tensor::{DType, Tensor};

/// What `DynamicQuantizeLinear` makes of numbers, as floats.
#[derive(Clone, Copy)]
pub(in crate::passes) struct Dynamic {
    /// Whole numbers from 0 to 255.
    pub(in crate::passes) numbers: Ref,
    pub(in crate::passes) scale: Ref,
    /// The number that stands for 0.
    pub(in crate::passes) zero: Ref,
}

impl Dynamic {
    /// Numbers quantized by their range.
    pub(in crate::passes) fn of(f: &mut Formula<'_>, x: ValueId) -> Self {
        let [none, one, top] = [0.0, 1.0, 255.0].map(|number| f.number_of(DType::F32, number));
        let low = extreme(f, "ReduceMin", x);
        let low = f.op("Min", [low, none]);
        let high = extreme(f, "ReduceMax", x);
        let high = f.op("Max", [high, none]);
        let range = f.sub(high, low);
        let flat = f.op("Equal", [range, none]);
        let scale = f.op("Div", [range, top]);
        let scale = f.op("Where", [flat, one, scale]);
        let zero = f.op("Div", [low, scale]);
        let zero = f.sub(none, zero);
        let zero = f.op("Round", [zero]);
        let zero = f.op("Clip", [zero, none, top]);
        let numbers = f.op("Div", [x.into(), scale]);
        let numbers = f.op("Round", [numbers]);
        let numbers = f.add(numbers, zero);
        let numbers = f.op("Clip", [numbers, none, top]);
        Self { numbers, scale, zero }
    }
}

/// Over all axes, which go.
fn extreme(f: &mut Formula<'_>, op: &'static str, x: ValueId) -> Ref {
    let y = f.op(op, [x]);
    f.attr("keepdims", 0i64);
    y
}

/// Integers less their zero point, in single precision: one zero point, or several, for each rank of which it is said what
/// axes they lack.
pub(in crate::passes) fn shifted(
    f: &mut Formula<'_>,
    x: ValueId,
    zero: Option<ValueId>,
    lacking: &[&[i64]],
) -> Result<Ref, Miss> {
    if let Some(constant) = centered(&f.cx, x, zero).filter(|_| f.dequantizes_constants()) {
        let (constant, one) = (f.constant(constant), f.number_of(DType::F32, 1.0));
        let zero = f.number_of(DType::I8, 0.0);
        return Ok(f.op("DequantizeLinear", [constant, one, zero]));
    }
    let number = f.cast(x, DType::F32);
    let Some(zero) = zero else { return Ok(number) };
    let shape = f.shape(zero)?;
    let one = shape.iter().all(|dim| dim.as_fixed() == Some(1));
    let axes = match shape.len().checked_sub(1) {
        None => &[][..],
        Some(0) if one => &[],
        Some(rank) => match lacking.get(rank) {
            Some(axes) => axes,
            None => return Err(Miss::because("there is a zero point for each row", zero)),
        },
    };
    let mut zero = f.cast(zero, DType::F32);
    if !axes.is_empty() {
        zero = f.unsqueeze(zero, axes);
    }
    Ok(f.sub(number, zero))
}

/// A constant of bytes less its one zero point, where all that is left fits into INT8.
pub(in crate::passes) fn centered(cx: &Context<'_>, x: ValueId, zero: Option<ValueId>) -> Option<Tensor> {
    let constant = cx.graph.const_value(x).filter(|t| matches!(t.dtype(), DType::U8 | DType::I8))?;
    let zero = match zero {
        None => 0.0,
        Some(zero) => {
            let zeros = cx.graph.const_value(zero)?.to_f64s()?;
            zeros.first().copied().filter(|first| zeros.iter().all(|zero| zero == first))?
        }
    };
    let numbers: Vec<f64> = constant.to_f64s()?.into_iter().map(|number| number - zero).collect();
    let fits = numbers.iter().all(|number| (-128.0..=127.0).contains(number));
    if !fits {
        return None;
    }
    Tensor::from_f64s(DType::I8, constant.shape(), &numbers).ok()
}
