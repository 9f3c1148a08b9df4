//! Whether a computed weight stays within the range of its type.

use crate::tensor::{Data, Tensor};
use bytes::Bytes;
use std::io::ErrorKind;

/// Whether all elements are finite; a computed tensor is evaluated in pieces.
pub(in crate::passes) fn is_finite(tensor: &Tensor) -> bool {
    let dtype = tensor.dtype();
    let piece_is = |piece: &[u8]| {
        let part = Bytes::copy_from_slice(piece);
        let len = part.len() * 8 / dtype.bits();
        let numbers = Tensor::from_bytes(dtype, &[len], part).ok().and_then(|t| t.to_f64s());
        numbers.is_some_and(|n| n.iter().all(|v| v.is_finite()))
    };
    match tensor.data() {
        Data::Expr(expr) => {
            let mut sink = |piece: &[u8]| match piece_is(piece) {
                true => Ok(()),
                false => Err(ErrorKind::InvalidData.into()),
            };
            expr.stream(&mut sink).is_ok()
        }
        _ => tensor.bytes().is_some_and(|bytes| piece_is(&bytes)),
    }
}
