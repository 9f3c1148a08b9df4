//! Products of whole numbers with scales.

use super::{Formula, shifted};
use crate::ir::ValueId;
use crate::require;
use crate::rewrite::{Miss, Ref};

/// Whole numbers that stand for `(number - zero) · scale`.
#[derive(Clone, Copy)]
pub(in crate::passes) struct Scaled {
    pub(in crate::passes) number: ValueId,
    pub(in crate::passes) scale: ValueId,
    pub(in crate::passes) zero: Option<ValueId>,
}

impl Scaled {
    /// The product with a matrix that may have a scale and a zero point for each column, and a summand.
    pub(in crate::passes) fn product(
        self,
        f: &mut Formula<'_>,
        columns: Self,
        bias: Option<ValueId>,
    ) -> Result<Ref, Miss> {
        for whole in [Some(self.scale), self.zero].into_iter().flatten() {
            let one = f.shape(whole)?.iter().all(|d| d.as_fixed() == Some(1));
            require!(one, whole, "there is a scale for each row");
        }
        let scale = f.mul(self.scale, columns.scale);
        if !computes_whole(f) {
            let a = shifted(f, self.number, self.zero, &[])?;
            let b = shifted(f, columns.number, columns.zero, &[&[]])?;
            let product = f.op("MatMul", [a, b]);
            let y = f.mul(product, scale);
            return Ok(f.plus(y, bias));
        }
        let (a, b) = (self.number, columns.number);
        let product = match (self.zero, columns.zero) {
            (None, None) => f.op("MatMulInteger", [a, b]),
            (a_zero, b_zero) => f.op("MatMulInteger", [Ref::from(a), b.into(), a_zero.into(), b_zero.into()]),
        };
        Ok(rescaled(f, product, scale, bias))
    }
}

/// Whether the target has the operators on whole numbers.
pub(in crate::passes) fn computes_whole(f: &Formula<'_>) -> bool {
    f.has("DynamicQuantizeLinear") && f.has("MatMulInteger")
}

/// Sums of products of whole numbers as floats.
pub(in crate::passes) fn rescaled(
    f: &mut Formula<'_>,
    product: Ref,
    scale: Ref,
    bias: Option<ValueId>,
) -> Ref {
    let product = f.cast(product, f.dtype);
    let y = f.mul(product, scale);
    f.plus(y, bias)
}
