//! Constant data: immutable tensors whose bytes are shared, mapped or not yet computed.
//!
//! A [`Tensor`] never changes. Its bytes are a reference-counted slice (often of the memory-mapped
//! model file), a range of an external data file, strings, or an [`Expr`] of other tensors that is
//! evaluated while it streams out. Raw bytes are little-endian and row-major as in
//! `TensorProto.raw_data`; elements below a byte are packed, first element in the low bits.

mod dtype;
mod expr;
mod number;

pub use dtype::DType;
pub use expr::{Expr, Sink};
pub use number::Element;

use crate::error::{Error, Result};
use bytes::Bytes;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Where a tensor's elements are.
#[derive(Clone)]
pub enum Data {
    /// Little-endian raw data, a buffer of its own or a slice of the mapped file.
    Bytes(Bytes),
    /// A range of an external data file.
    External(External),
    /// Elements of a string tensor, any bytes.
    Strings(Arc<[Bytes]>),
    /// Computed from other tensors when it is read or written.
    Expr(Arc<Expr>),
}

/// A range of a mapped external data file.
#[derive(Clone)]
pub struct External {
    /// The whole mapped file; shared by every tensor in it.
    pub file: Bytes,
    /// The file's name as the model spells it, relative to the model's folder.
    pub location: Arc<str>,
    /// Bytes of this tensor in the file.
    pub range: Range<usize>,
}

/// An immutable constant: element type, shape and data that agree in size.
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Arc<[usize]>,
    data: Data,
}

/// The number of elements of a shape; `None` where it overflows.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    // A zero anywhere empties the tensor, however large its neighbours are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// Bytes of a result that are computed at once: an expression takes about as much, and chains of them hold each other.
const SMALL_EXPR: usize = 1 << 10;

impl Tensor {
    /// Builds a tensor.
    ///
    /// # Errors
    /// The number of bytes (or strings) is not what type and shape demand, the shape overflows, or the range is not in
    /// its file.
    pub fn new(dtype: DType, shape: &[usize], data: Data) -> Result<Self> {
        let count = element_count(shape).ok_or_else(|| Error::new(format!("the dims {shape:?} overflow")))?;
        let (have, want) = match &data {
            Data::Strings(s) if dtype == DType::String => (s.len(), Some(count)),
            Data::Strings(_) => return Err(Error::new(format!("strings in a tensor of {dtype}"))),
            Data::Bytes(b) => (b.len(), dtype.byte_len(count)),
            Data::External(e) if e.file.get(e.range.clone()).is_none() => {
                let message = format!("the bytes {:?} are not in '{}'", e.range, e.location);
                return Err(Error::new(message));
            }
            Data::External(e) => (e.range.len(), dtype.byte_len(count)),
            Data::Expr(e) => (e.byte_len()?, dtype.byte_len(count)),
        };
        match want {
            Some(want) if want == have => Ok(Self { dtype, shape: shape.into(), data }),
            Some(want) => Err(Error::new(format!(
                "a {dtype} tensor of shape {shape:?} needs {want} bytes and has {have}"
            ))),
            None => Err(Error::new(format!("a {dtype} tensor of shape {shape:?} has no size in bytes"))),
        }
    }

    /// A tensor of raw little-endian bytes; see [`Tensor::new`] for errors.
    pub fn from_bytes(dtype: DType, shape: &[usize], bytes: impl Into<Bytes>) -> Result<Self> {
        Self::new(dtype, shape, Data::Bytes(bytes.into()))
    }

    /// A string tensor; see [`Tensor::new`] for errors.
    pub fn from_strings(shape: &[usize], strings: impl Into<Arc<[Bytes]>>) -> Result<Self> {
        Self::new(DType::String, shape, Data::Strings(strings.into()))
    }

    /// A tensor computed when it is needed, or at once where that takes no more memory than the expression; type and
    /// shape are the expression's.
    ///
    /// # Errors
    /// The expression's operands do not fit each other.
    pub fn from_expr(expr: Expr) -> Result<Self> {
        let (dtype, shape) = expr.signature()?;
        if expr.byte_len()? <= SMALL_EXPR && dtype != DType::String {
            return Self::from_bytes(dtype, &shape, expr.eval());
        }
        Self::new(dtype, &shape, Data::Expr(Arc::new(expr)))
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Dims, outermost first; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of dims.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        element_count(&self.shape).expect("checked when the tensor was built")
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the elements are.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Bytes of the elements; for strings the sum of their lengths.
    pub fn byte_len(&self) -> usize {
        match &self.data {
            Data::Strings(s) => s.iter().map(Bytes::len).sum(),
            _ => self.dtype.byte_len(self.len()).expect("checked when the tensor was built"),
        }
    }

    /// Raw little-endian bytes: shared where they exist, computed for an expression.
    /// `None` for strings.
    pub fn bytes(&self) -> Option<Bytes> {
        match &self.data {
            Data::Bytes(b) => Some(b.clone()),
            Data::External(e) => Some(e.file.slice(e.range.clone())),
            Data::Expr(e) => Some(e.eval()),
            Data::Strings(_) => None,
        }
    }

    /// The elements of a string tensor.
    pub fn strings(&self) -> Option<&[Bytes]> {
        match &self.data {
            Data::Strings(s) => Some(s),
            _ => None,
        }
    }

    /// The same elements under other dims.
    ///
    /// # Errors
    /// The number of elements differs.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        Self::new(self.dtype, shape, self.data.clone())
    }

    /// Whether type, shape and every bit are equal.
    pub fn same_bits(&self, other: &Tensor) -> bool {
        self.dtype == other.dtype
            && self.shape == other.shape
            && match (&self.data, &other.data) {
                (Data::Strings(a), Data::Strings(b)) => a == b,
                (Data::Expr(a), Data::Expr(b)) if Arc::ptr_eq(a, b) => true,
                _ => self.bytes() == other.bytes(),
            }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)?;
        match self.len() {
            0..=8 if self.dtype != DType::String => {
                write!(f, "{:?}", self.to_f64s().unwrap_or_default())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn external_ranges_lie_in_their_file() {
        let tensor = |range: Range<usize>| {
            let file = Bytes::from_static(&[1, 2, 3, 4]);
            let count = range.len();
            Tensor::new(DType::U8, &[count], Data::External(External { file, location: "w".into(), range }))
        };
        assert_eq!(tensor(2..4).unwrap().bytes().unwrap()[..], [3, 4]);
        let backward = Range { start: 3, end: 2 };
        assert!(tensor(3..5).is_err() && tensor(backward).is_err());
    }

    #[test]
    fn strings_and_bytes_do_not_mix() {
        let strings: Arc<[Bytes]> = Arc::new([Bytes::from_static(b"a")]);
        assert!(Tensor::new(DType::U8, &[1], Data::Strings(strings.clone())).is_err());
        assert!(Tensor::from_bytes(DType::String, &[1], vec![b'a']).is_err());
        assert!(Tensor::from_strings(&[2], strings.clone()).is_err());
        assert_eq!(Tensor::from_strings(&[1], strings).unwrap().byte_len(), 1);
    }
}
