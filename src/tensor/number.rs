//! Tensors from and to Rust numbers.
//!
//! Reading widens (`f16` to `f64`, `int4` to `i64`) and copies; bulk work reads [`Tensor::bytes`].

use super::{DType, Tensor};
use crate::error::{Error, Result};
use bytes::Bytes;
use half::{bf16, f16};

/// A Rust type with the layout of one ONNX element type.
pub trait Element: Copy + 'static {
    /// The element type.
    const DTYPE: DType;
    /// Writes the little-endian bytes to exactly `size_of::<Self>()`.
    fn write(self, bytes: &mut [u8]);
    /// Appends the little-endian bytes.
    fn put(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + size_of::<Self>(), 0);
        self.write(&mut out[start..]);
    }
    /// Reads exactly `size_of::<Self>()` bytes.
    fn get(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($($t:ty => $d:ident),*) => { $(
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            #[inline]
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
            #[inline]
            fn get(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("the caller cuts exact chunks"))
            }
        }
    )* };
}
element!(f32 => F32, f64 => F64, f16 => F16, bf16 => BF16, i8 => I8, i16 => I16, i32 => I32, i64 => I64,
         u8 => U8, u16 => U16, u32 => U32, u64 => U64);

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    fn write(self, bytes: &mut [u8]) {
        bytes[0] = u8::from(self);
    }
    fn get(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}

impl Tensor {
    /// A tensor of Rust numbers, row-major.
    ///
    /// # Errors
    /// The number of elements is not the shape's.
    pub fn from_slice<T: Element>(shape: &[usize], values: &[T]) -> Result<Self> {
        Self::from_bytes(T::DTYPE, shape, packed(values.iter().copied()))
    }

    /// A rank-0 tensor.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::from_slice(&[], &[value]).expect("one element fills a scalar")
    }

    /// A rank-1 tensor.
    pub fn vector<T: Element>(values: &[T]) -> Self {
        Self::from_slice(&[values.len()], values).expect("the shape is the slice's length")
    }

    /// Numbers of any real type converted to `dtype`, rounding floats to nearest even and saturating integers.
    ///
    /// # Errors
    /// `dtype` is no IEEE float, `bool` or integer of at least 8 bits, or the number of elements is not the shape's.
    pub fn from_f64s(dtype: DType, shape: &[usize], values: &[f64]) -> Result<Self> {
        fn fill<T: Element>(values: &[f64], to: impl Fn(f64) -> T) -> Vec<u8> {
            packed(values.iter().map(|&v| to(v)))
        }
        let bytes = match dtype {
            DType::F64 => fill(values, |v| v),
            DType::F32 => fill(values, |v| v as f32),
            DType::F16 => fill(values, f16::from_f64),
            DType::BF16 => fill(values, bf16::from_f64),
            DType::Bool => fill(values, |v| v != 0.0),
            DType::I8 => fill(values, |v| v as i8),
            DType::I16 => fill(values, |v| v as i16),
            DType::I32 => fill(values, |v| v as i32),
            DType::I64 => fill(values, |v| v as i64),
            DType::U8 => fill(values, |v| v as u8),
            DType::U16 => fill(values, |v| v as u16),
            DType::U32 => fill(values, |v| v as u32),
            DType::U64 => fill(values, |v| v as u64),
            _ => return Err(Error::new(format!("no conversion of numbers to {dtype}"))),
        };
        Self::from_bytes(dtype, shape, bytes)
    }

    /// The elements as one Rust type; `None` where the element type is another.
    pub fn to_vec<T: Element>(&self) -> Option<Vec<T>> {
        (self.dtype == T::DTYPE).then(|| elements::<T>(&self.bytes()?)).flatten()
    }

    /// The elements widened to `f64`; integers beyond 2⁵³ round. `None` for strings, complex and 8-bit floats or less.
    pub fn to_f64s(&self) -> Option<Vec<f64>> {
        fn widen<T: Element>(bytes: &Bytes, to: impl Fn(T) -> f64) -> Option<Vec<f64>> {
            Some(bytes.chunks_exact(size_of::<T>()).map(|c| to(T::get(c))).collect())
        }
        let bytes = self.bytes()?;
        match self.dtype {
            DType::F32 => widen::<f32>(&bytes, f64::from),
            DType::F64 => widen::<f64>(&bytes, |v| v),
            DType::F16 => widen::<f16>(&bytes, f64::from),
            DType::BF16 => widen::<bf16>(&bytes, f64::from),
            DType::U64 => widen::<u64>(&bytes, |v| v as f64),
            _ => Some(self.to_i64s()?.into_iter().map(|v| v as f64).collect()),
        }
    }

    /// The elements of an integer or `bool` tensor; `None` for other types and where a `uint64` does not fit.
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        let bytes = self.bytes()?;
        fn widen<T: Element + Into<i64>>(bytes: &Bytes) -> Option<Vec<i64>> {
            Some(bytes.chunks_exact(size_of::<T>()).map(|c| T::get(c).into()).collect())
        }
        match self.dtype {
            DType::I64 => elements::<i64>(&bytes),
            DType::I32 => widen::<i32>(&bytes),
            DType::I16 => widen::<i16>(&bytes),
            DType::I8 => widen::<i8>(&bytes),
            DType::U32 => widen::<u32>(&bytes),
            DType::U16 => widen::<u16>(&bytes),
            DType::U8 => widen::<u8>(&bytes),
            DType::Bool => widen::<bool>(&bytes),
            DType::U64 => elements::<u64>(&bytes)?.into_iter().map(|v| i64::try_from(v).ok()).collect(),
            DType::I4 | DType::U4 | DType::I2 | DType::U2 => Some(self.packed_ints(&bytes)),
            _ => None,
        }
    }

    /// The only element, widened to `f64`, whatever the rank; `None` for any other number of elements.
    pub fn as_scalar(&self) -> Option<f64> {
        if self.len() == 1 { self.to_f64s()?.first().copied() } else { None }
    }

    /// The number that every element is, widened to `f64`. `None` for an empty tensor, for other types than
    /// [`Tensor::to_f64s`] takes or smaller than a byte, and where elements are yet to be computed.
    pub fn uniform(&self) -> Option<f64> {
        let width = self.dtype.bits() / 8;
        if matches!(self.data, super::Data::Expr(_)) || width == 0 || self.is_empty() {
            return None;
        }
        let bytes = self.bytes()?;
        let first = bytes.get(..width)?;
        if !bytes.chunks_exact(width).all(|element| element == first) {
            return None;
        }
        Self::from_bytes(self.dtype, &[], bytes.slice(..width)).ok()?.as_scalar()
    }

    /// The only element of an integer tensor, whatever the rank.
    pub fn as_int(&self) -> Option<i64> {
        if self.len() == 1 { self.to_i64s()?.first().copied() } else { None }
    }

    fn packed_ints(&self, bytes: &Bytes) -> Vec<i64> {
        let bits = self.dtype.bits();
        let mask = (1u8 << bits) - 1;
        let sign = if self.dtype.is_signed_int() { 1i64 << (bits - 1) } else { 0 };
        (0..self.len())
            .map(|i| {
                let raw = i64::from(bytes[i * bits / 8] >> (i * bits % 8) & mask);
                (raw ^ sign) - sign
            })
            .collect()
    }
}

fn packed<T: Element>(values: impl ExactSizeIterator<Item = T>) -> Vec<u8> {
    let mut out = vec![0; values.len() * size_of::<T>()];
    out.chunks_exact_mut(size_of::<T>()).zip(values).for_each(|(place, value)| value.write(place));
    out
}

fn elements<T: Element>(bytes: &Bytes) -> Option<Vec<T>> {
    Some(bytes.chunks_exact(size_of::<T>()).map(T::get).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn packed_integers_sign_extend() {
        let t = Tensor::from_bytes(DType::I4, &[3], vec![0x8f, 0x07]).unwrap();
        assert_eq!(t.to_i64s().unwrap(), [-1, -8, 7]);
        let t = Tensor::from_bytes(DType::U2, &[4], vec![0b11_10_01_00]).unwrap();
        assert_eq!(t.to_i64s().unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn uniform_is_every_element() {
        assert_eq!(Tensor::from_slice(&[2, 2], &[2.0f32; 4]).unwrap().uniform(), Some(2.0));
        assert_eq!(Tensor::vector(&[2i64, 2, 3]).uniform(), None);
        assert_eq!(Tensor::from_bytes(DType::F32, &[0], vec![]).unwrap().uniform(), None);
        assert_eq!(Tensor::from_bytes(DType::I4, &[2], vec![0]).unwrap().uniform(), None);
    }

    #[test]
    fn sizes_must_agree() {
        assert!(Tensor::from_bytes(DType::F32, &[2], vec![0; 7]).is_err());
        assert!(Tensor::from_bytes(DType::F32, &[usize::MAX, 2], vec![0; 8]).is_err());
        assert!(Tensor::from_bytes(DType::F32, &[usize::MAX, 0, 2], vec![]).unwrap().is_empty());
    }

    #[test]
    fn rounds_to_nearest() {
        let t = Tensor::from_f64s(DType::F16, &[], &[2049.0]).unwrap();
        assert_eq!(t.as_scalar(), Some(2048.0));
    }
}
