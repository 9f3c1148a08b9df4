//! The elements of a tensor as `f32`, without a copy where they are.

use crate::error::{Error, Result};
use crate::runtime::RunValue;
use crate::tensor::{DType, Tensor};
use half::{bf16, f16};

/// Whether elements of this type are observed.
pub(super) fn is_observed(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
}

/// Why a type is not observed.
pub(super) fn refused(dtype: DType) -> Error {
    Error::new(format!("a tensor of {dtype} has no statistics"))
        .with_help("ask for values of float, float16 or bfloat16")
}

/// The tensor that a value is.
///
/// # Errors
/// It is none.
pub(super) fn tensor(value: &RunValue) -> Result<&Tensor> {
    match value {
        RunValue::Tensor(tensor) => Ok(tensor),
        RunValue::Optional(Some(inner)) => tensor(inner),
        _ => Err(Error::new("only tensors have statistics")),
    }
}

/// Hands out the elements.
///
/// # Errors
/// They are of another type.
pub(super) fn with_floats<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let refused = || refused(tensor.dtype());
    match tensor.dtype() {
        DType::F32 => {
            let bytes = tensor.bytes().ok_or_else(refused)?;
            match bytemuck::try_cast_slice(&bytes) {
                Ok(floats) if cfg!(target_endian = "little") => Ok(read(floats)),
                _ => tensor.to_vec::<f32>().map(|floats| read(&floats)).ok_or_else(refused),
            }
        }
        DType::F16 => {
            let halves = tensor.to_vec::<f16>().ok_or_else(refused)?;
            Ok(read(&halves.into_iter().map(f16::to_f32).collect::<Vec<_>>()))
        }
        DType::BF16 => {
            let halves = tensor.to_vec::<bf16>().ok_or_else(refused)?;
            Ok(read(&halves.into_iter().map(bf16::to_f32).collect::<Vec<_>>()))
        }
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;

    #[test]
    fn floats_of_any_width_and_alignment() {
        let expected = [1.5f32, -2.0, 0.25];
        let mut odd = vec![0u8];
        expected.iter().for_each(|x| odd.extend(x.to_le_bytes()));
        let odd = Bytes::from(odd).slice(1..);
        let tensors = [
            Tensor::vector(&expected),
            Tensor::from_bytes(DType::F32, &[3], odd).unwrap(),
            Tensor::vector(&expected.map(f16::from_f32)),
            Tensor::vector(&expected.map(bf16::from_f32)),
        ];
        for tensor in tensors {
            assert_eq!(with_floats(&tensor, <[f32]>::to_vec).unwrap(), expected);
        }
        assert!(with_floats(&Tensor::vector(&[1i64]), <[f32]>::to_vec).is_err());
    }
}
