//! Whole numbers with scale and zero point, as floats and back.

use crate::ir::{Dim, ValueId};
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};
use crate::tensor::DType;

/// Whole numbers that stand for `(number - zero) · scale`.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub(super) number: ValueId,
    pub(super) scale: ValueId,
    pub(super) zero: Option<ValueId>,
}

impl Affine {
    /// The operands from one on: numbers, scale, zero point.
    pub(super) fn read(f: &mut Formula<'_>, at: usize) -> Result<Self, Miss> {
        Ok(Self { number: f.operand(at)?, scale: f.operand(at + 1)?, zero: f.optional(at + 2) })
    }

    /// As floats, of one scale.
    pub(super) fn whole(self, f: &mut Formula<'_>) -> Result<Ref, Miss> {
        require!(self.is_whole(f)?, self.scale, "there is more than one scale");
        let scale = scalar(f, self.scale);
        let zero = self.zero.map(|zero| scalar(f, zero));
        Ok(f.op("DequantizeLinear", [self.number.into(), scale].into_iter().chain(zero)))
    }

    /// As floats, of one scale or of one for each index of an axis.
    pub(super) fn along(self, f: &mut Formula<'_>, axis: usize) -> Result<Ref, Miss> {
        if self.is_whole(f)? {
            return self.whole(f);
        }
        require!(f.cx.opset() >= 13, self.scale, "before opset 13 there is one scale");
        let shape = f.shape(self.number)?;
        let each = |f: &Formula<'_>, v: ValueId| -> Result<bool, Miss> {
            Ok(matches!((f.shape(v)?, shape.get(axis)), ([one], Some(all)) if one.same(all).is_proven()))
        };
        require!(each(f, self.scale)?, self.scale, "the scales are not one for each channel");
        if let Some(zero) = self.zero {
            require!(each(f, zero)?, zero, "the zero points are not one for each channel");
        }
        let y = f.op("DequantizeLinear", [self.number, self.scale].into_iter().chain(self.zero));
        f.attr("axis", axis as i64);
        Ok(y)
    }

    pub(super) fn is_whole(self, f: &Formula<'_>) -> Result<bool, Miss> {
        Ok(is_one(f, self.scale)? && self.zero.map_or(Ok(true), |zero| is_one(f, zero))?)
    }
}

fn is_one(f: &Formula<'_>, value: ValueId) -> Result<bool, Miss> {
    Ok(f.shape(value)?.iter().all(|d| *d == Dim::Fixed(1)))
}

/// One number without dims, as a scale for all is.
fn scalar(f: &mut Formula<'_>, value: ValueId) -> Ref {
    match f.cx.graph.rank(value) {
        Some(0) => value.into(),
        _ => f.shaped(value, &[]),
    }
}

/// The scale and zero point of the result, operands from one on.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    scale: ValueId,
    zero: Option<ValueId>,
}

impl Steps {
    pub(super) fn read(f: &mut Formula<'_>, at: usize) -> Result<Self, Miss> {
        let (scale, zero) = (f.operand(at)?, f.optional(at + 1));
        for number in [Some(scale), zero].into_iter().flatten() {
            require!(is_one(f, number)?, number, "the result has more than one scale");
        }
        Ok(Self { scale, zero })
    }

    /// Floats as whole numbers of the result's type.
    pub(super) fn of(self, f: &mut Formula<'_>, x: Ref) -> Ref {
        let scale = scalar(f, self.scale);
        let zero = match self.zero {
            Some(zero) => Some(scalar(f, zero)),
            None if f.dtype == DType::U8 => None,
            None => Some(f.number(0.0)),
        };
        f.op("QuantizeLinear", [x, scale].into_iter().chain(zero))
    }
}
