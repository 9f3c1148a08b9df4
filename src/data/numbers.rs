//! Numbers in the type that an input declares, which must be able to hold them.

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// A tensor of these numbers. Floats are rounded; where the type is an integer or `bool`, each number must be one of its.
///
/// # Errors
/// A number is not one of the type's, or the type is none of numbers.
pub(super) fn tensor(dtype: DType, shape: &[usize], values: &[f64]) -> Result<Tensor> {
    let tensor = Tensor::from_f64s(dtype, shape, values)?;
    if !dtype.is_float() {
        let stored = tensor.to_f64s().unwrap_or_default();
        if let Some((&wrong, _)) = values.iter().zip(&stored).find(|(value, stored)| value != stored) {
            return Err(Error::new(format!("the number {wrong} for an input of {dtype}")));
        }
    }
    Ok(tensor)
}

/// The dims of a value without a batch, with leading ones where the input has more.
pub(super) fn batched(dims: &[usize], rank: usize) -> Vec<usize> {
    let mut shape = vec![1; rank.saturating_sub(dims.len())];
    shape.extend(dims);
    shape
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn integers_are_exact_and_floats_round() {
        assert_eq!(tensor(DType::U8, &[2], &[0.0, 255.0]).unwrap().to_i64s().unwrap(), [0, 255]);
        for (dtype, value) in
            [(DType::U8, 256.0), (DType::I32, 0.5), (DType::Bool, 2.0), (DType::I64, f64::NAN)]
        {
            let error = tensor(dtype, &[1], &[value]).unwrap_err();
            assert!(error.message().contains(&value.to_string()), "{error}");
        }
        assert_eq!(tensor(DType::F16, &[], &[0.1]).unwrap().rank(), 0);
        assert!(tensor(DType::String, &[], &[0.1]).is_err());
    }

    #[test]
    fn batches_are_of_one() {
        assert_eq!(batched(&[3, 4], 4), [1, 1, 3, 4]);
        assert_eq!(batched(&[3, 4], 1), [3, 4]);
    }
}
