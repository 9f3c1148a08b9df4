//! Whether a computed weight stays within the range of its type.

use crate::ir::ValueId;
use crate::require;
use crate::rewrite::Miss;
use crate::tensor::{DType, Data, Expr, Tensor};
use bytes::Bytes;
use std::io::ErrorKind;

/// A computed constant, refused where an element left the range of its type.
pub(in crate::passes) fn finite(computed: Tensor, at: ValueId) -> Result<Tensor, Miss> {
    require!(is_finite(&computed), at, "an element of the computed constant is not finite");
    Ok(computed)
}

/// A computed tensor is evaluated in pieces, unless factors of at most 1 only make it smaller.
fn is_finite(tensor: &Tensor) -> bool {
    let piece_is = |piece: &[u8]| all_finite(tensor.dtype(), piece);
    match tensor.data() {
        Data::Expr(expr) => {
            if let Expr::Scale { by, .. } = &**expr
                && by.iter().all(|factor| factor.abs() <= 1.0)
            {
                return true;
            }
            let mut sink = |piece: &[u8]| match piece_is(piece) {
                true => Ok(()),
                false => Err(ErrorKind::InvalidData.into()),
            };
            expr.stream(&mut sink).is_ok()
        }
        _ => tensor.bytes().is_some_and(|bytes| piece_is(&bytes)),
    }
}

fn all_finite(dtype: DType, elements: &[u8]) -> bool {
    if dtype == DType::F32 {
        let (numbers, rest) = elements.as_chunks::<4>();
        return rest.is_empty() && numbers.iter().all(|&n| f32::from_le_bytes(n).is_finite());
    }
    let part = Bytes::copy_from_slice(elements);
    let len = part.len() * 8 / dtype.bits();
    let numbers = Tensor::from_bytes(dtype, &[len], part).ok().and_then(|t| t.to_f64s());
    numbers.is_some_and(|n| n.iter().all(|v| v.is_finite()))
}
