//! The elements of a small tensor, as far as they are known.

use crate::ir::{Dim, DimExpr};
use crate::tensor::{DType, Tensor, element_count};

/// One element of a small tensor, where it is known: a number or an expression of sizes. Booleans are 0 and 1.
pub type Element = Option<DimExpr>;

/// Larger tensors are not looked into.
pub(super) const MAX_ELEMENTS: usize = 64;

/// A small tensor. Of floats only whole numbers are known, and only where the type holds each one up to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) dtype: DType,
    pub(super) dims: Vec<usize>,
    /// Row-major; as many as the dims demand.
    pub(super) data: Vec<Element>,
}

impl Grid {
    /// `None` where data and dims disagree, the tensor is large, of a type that is not looked into, or nothing is known.
    pub(super) fn new(dtype: DType, dims: Vec<usize>, data: Vec<Element>) -> Option<Self> {
        if element_count(&dims)? != data.len() || data.len() > MAX_ELEMENTS || whole_limit(dtype).is_none() {
            return None;
        }
        let data: Vec<Element> = data.into_iter().map(|e| e.filter(|e| holds(dtype, e))).collect();
        (data.is_empty() || data.iter().any(Option::is_some)).then_some(Self { dtype, dims, data })
    }

    /// The elements of a constant.
    pub(super) fn of_tensor(tensor: &Tensor) -> Option<Self> {
        if tensor.len() > MAX_ELEMENTS {
            return None;
        }
        let data = if tensor.dtype().is_float() {
            tensor.to_f64s()?.into_iter().map(whole).collect()
        } else {
            tensor.to_i64s()?.into_iter().map(|v| Some(DimExpr::constant(v))).collect()
        };
        Self::new(tensor.dtype(), tensor.shape().to_vec(), data)
    }

    /// All elements, where each is a known number.
    pub(super) fn numbers(&self) -> Option<Vec<i64>> {
        self.data.iter().map(|e| e.as_ref()?.as_constant()).collect()
    }

    /// The element at the position, one index per dim; a dim of 1 or one that is missing in front is broadcast.
    pub(super) fn at(&self, index: &[usize]) -> Option<&DimExpr> {
        let skip = index.len().checked_sub(self.dims.len())?;
        let mut flat = 0usize;
        for (&i, &d) in index[skip..].iter().zip(&self.dims) {
            flat = d.checked_mul(flat)?.checked_add(if d == 1 { 0 } else { i })?;
        }
        self.data.get(flat)?.as_ref()
    }
}

/// Every index of a tensor of these dims, row-major. Empty where there are more than a small tensor has.
pub(super) fn indices(dims: &[usize]) -> Vec<Vec<usize>> {
    let count = element_count(dims).filter(|&n| n <= MAX_ELEMENTS).unwrap_or(0);
    (0..count)
        .map(|mut flat| {
            let mut index = vec![0; dims.len()];
            for (i, &d) in index.iter_mut().zip(dims).rev() {
                *i = flat % d;
                flat /= d;
            }
            index
        })
        .collect()
}

/// The dims, where each is a number.
pub(super) fn fixed(shape: &[Dim]) -> Option<Vec<usize>> {
    shape.iter().map(|d| usize::try_from(d.as_fixed()?).ok()).collect()
}

fn whole(v: f64) -> Element {
    (v.fract() == 0.0 && v.abs() <= 9.0e15).then(|| DimExpr::constant(v as i64))
}

/// The largest number up to which the type holds every whole one, and the smallest; `None` for other types.
fn whole_limit(dtype: DType) -> Option<(i64, i64)> {
    Some(match dtype {
        DType::I64 | DType::U64 => (if dtype == DType::I64 { i64::MIN } else { 0 }, i64::MAX),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::U32 => (0, u32::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::U16 => (0, u16::MAX.into()),
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::U8 => (0, u8::MAX.into()),
        DType::Bool => (0, 1),
        DType::F64 => (-(1 << 53), 1 << 53),
        DType::F32 => (-(1 << 24), 1 << 24),
        DType::F16 => (-(1 << 11), 1 << 11),
        DType::BF16 => (-(1 << 8), 1 << 8),
        _ => return None,
    })
}

/// Whether the type holds the number. Sizes are taken to fit 32 bits and more, signed ones at least.
fn holds(dtype: DType, element: &DimExpr) -> bool {
    match (element.as_constant(), whole_limit(dtype)) {
        (_, None) => false,
        (Some(n), Some((lo, hi))) => (lo..=hi).contains(&n),
        (None, _) => match dtype {
            DType::I64 | DType::I32 => true,
            DType::U64 | DType::U32 => element.is_nonneg(),
            _ => false,
        },
    }
}
