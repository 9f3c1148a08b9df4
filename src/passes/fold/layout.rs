//! Moving elements without looking at them: one walk over source positions serves every kernel that only moves.

use crate::tensor::{DType, Data, Tensor, element_count};
use bytes::Bytes;

/// Row-major steps between neighbours along each dim, in elements.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1usize; shape.len()];
    for d in (0..shape.len().saturating_sub(1)).rev() {
        out[d] = out[d + 1].saturating_mul(shape[d + 1]);
    }
    out
}

/// Positions visited in the row-major order of `dims`, each dim with its own step in the source.
pub(super) struct Walk {
    dims: Vec<usize>,
    steps: Vec<isize>,
    index: Vec<usize>,
    at: isize,
    left: usize,
}

impl Walk {
    /// Starts at element `start`. The caller sees to it that every position lies in the source.
    pub(super) fn new(dims: Vec<usize>, steps: Vec<isize>, start: usize) -> Self {
        let left = element_count(&dims).unwrap_or(0);
        Self { index: vec![0; dims.len()], dims, steps, at: start as isize, left }
    }

    /// Walks `shape` as if it were stretched to `to`, whose rank is at least its own.
    pub(super) fn broadcast(shape: &[usize], to: &[usize]) -> Self {
        let lead = to.len() - shape.len();
        let own = strides(shape);
        let steps = (0..to.len())
            .map(|d| if d < lead || shape[d - lead] == 1 { 0 } else { own[d - lead] as isize })
            .collect();
        Self::new(to.to_vec(), steps, 0)
    }
}

impl Iterator for Walk {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let here = self.at as usize;
        for d in (0..self.dims.len()).rev() {
            self.index[d] += 1;
            self.at += self.steps[d];
            if self.index[d] < self.dims[d] {
                break;
            }
            self.at -= self.steps[d] * self.dims[d] as isize;
            self.index[d] = 0;
        }
        Some(here)
    }
}

/// The shape that numpy-style broadcasting gives; `None` where the shapes do not fit.
pub(super) fn broadcast_shape(shapes: &[&[usize]]) -> Option<Vec<usize>> {
    let rank = shapes.iter().map(|s| s.len()).max()?;
    (0..rank)
        .map(|d| {
            let mut dim = 1;
            for shape in shapes {
                let Some(own) = (d + shape.len()).checked_sub(rank).map(|i| shape[i]) else { continue };
                match (dim, own) {
                    (_, 1) => {}
                    (1, n) => dim = n,
                    (a, b) if a == b => {}
                    _ => return None,
                }
            }
            Some(dim)
        })
        .collect()
}

/// A tensor of elements taken from `sources`, each given by source and position.
///
/// `None` for elements that share bytes and where the result takes more than `limit` bytes.
pub(super) fn pick(
    sources: &[&Tensor],
    shape: &[usize],
    limit: usize,
    positions: impl Iterator<Item = (usize, usize)>,
) -> Option<Tensor> {
    let dtype = sources.first()?.dtype();
    let count = element_count(shape)?;
    if sources.iter().any(|s| s.dtype() != dtype) {
        return None;
    }
    if dtype == DType::String {
        let pools: Vec<&[Bytes]> = sources.iter().map(|s| s.strings()).collect::<Option<_>>()?;
        if count.checked_mul(size_of::<Bytes>())? > limit {
            return None;
        }
        let strings: Option<Vec<Bytes>> = positions.map(|(s, at)| pools[s].get(at).cloned()).collect();
        return Tensor::from_strings(shape, strings?).ok();
    }
    let width = byte_width(dtype)?;
    let len = dtype.byte_len(count).filter(|&n| n <= limit)?;
    let pools: Vec<Bytes> = sources.iter().map(|s| s.bytes()).collect::<Option<_>>()?;
    let mut out = Vec::with_capacity(len);
    for (source, at) in positions {
        out.extend_from_slice(pools[source].get(at * width..(at + 1) * width)?);
    }
    Tensor::new(dtype, shape, Data::Bytes(out.into())).ok()
}

/// Bytes of one element, where it has its own.
pub(super) fn byte_width(dtype: DType) -> Option<usize> {
    let bits = dtype.bits();
    (bits > 0 && bits.is_multiple_of(8)).then_some(bits / 8)
}

/// An axis of `rank` dims counted from the front; `None` where it is out of range.
pub(super) fn axis(axis: i64, rank: usize) -> Option<usize> {
    let rank_i = i64::try_from(rank).ok()?;
    let positive = if axis < 0 { axis + rank_i } else { axis };
    (0..rank_i).contains(&positive).then_some(positive as usize)
}

/// Distinct axes counted from the front, in the order given.
pub(super) fn axes(list: &[i64], rank: usize) -> Option<Vec<usize>> {
    let out: Vec<usize> = list.iter().map(|&a| axis(a, rank)).collect::<Option<_>>()?;
    let distinct = (1..out.len()).all(|i| !out[..i].contains(&out[i]));
    distinct.then_some(out)
}
