//! Tensors computed from other tensors, evaluated in pieces while they stream out.
//!
//! Packing weights or folding a scale into them therefore costs no memory until they are written.

use super::{DType, Tensor};
use crate::error::{Error, Result};
use bytes::Bytes;
use half::{bf16, f16};

/// A computation over constants. Operands must hold bytes, not strings.
#[derive(Debug)]
pub enum Expr {
    /// Tensors of one type joined along `axis`.
    Concat {
        /// The dim along which to join, below the rank.
        axis: usize,
        /// At least one tensor; all dims but `axis` are equal.
        parts: Vec<Tensor>,
    },
    /// `of` multiplied, along `axis`, by one factor per index.
    Scale {
        /// A floating-point tensor.
        of: Tensor,
        /// The dim that the factors follow, below the rank.
        axis: usize,
        /// One factor per index of `axis`; the product is rounded once to the tensor's type.
        by: Vec<f64>,
    },
    /// `of` with its dims permuted: output dim `i` is input dim `perm[i]`.
    Transpose {
        /// A tensor with elements of whole bytes.
        of: Tensor,
        /// A permutation of the dims.
        perm: Vec<usize>,
    },
}

/// Receives consecutive pieces of raw data.
pub type Sink<'a> = dyn FnMut(&[u8]) -> std::io::Result<()> + 'a;

const PIECE: usize = 1 << 16;

impl Expr {
    /// The type and shape of the result.
    ///
    /// # Errors
    /// The operands do not fit each other or the operation.
    pub fn signature(&self) -> Result<(DType, Vec<usize>)> {
        match self {
            Self::Concat { axis, parts } => concat_signature(*axis, parts),
            Self::Scale { of, axis, by } => {
                if !of.dtype().is_float() || of.shape().get(*axis) != Some(&by.len()) {
                    return Err(Error::new(format!(
                        "{} factors do not fit {of:?} along dim {axis}",
                        by.len()
                    )));
                }
                Ok((of.dtype(), of.shape().to_vec()))
            }
            Self::Transpose { of, perm } => {
                let mut sorted = perm.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..of.rank())
                    || of.dtype().bits() % 8 != 0
                    || of.dtype().bits() == 0
                {
                    return Err(Error::new(format!("{of:?} cannot be transposed by {perm:?}")));
                }
                Ok((of.dtype(), perm.iter().map(|&p| of.shape()[p]).collect()))
            }
        }
    }

    /// Bytes of the result; errors as in [`Expr::signature`].
    pub fn byte_len(&self) -> Result<usize> {
        let (dtype, shape) = self.signature()?;
        super::element_count(&shape)
            .and_then(|n| dtype.byte_len(n))
            .ok_or_else(|| Error::new(format!("the dims {shape:?} overflow")))
    }

    /// The whole result in memory.
    pub fn eval(&self) -> Bytes {
        let mut out = Vec::new();
        self.stream(&mut |piece| {
            out.extend_from_slice(piece);
            Ok(())
        })
        .expect("writing to memory does not fail");
        out.into()
    }

    /// Hands the result to `sink` in order, in pieces of at most a few rows.
    ///
    /// # Errors
    /// Whatever `sink` returns.
    pub fn stream(&self, sink: &mut Sink<'_>) -> std::io::Result<()> {
        // Beside a dim of 0 the others may be so large that their products overflow.
        if self.byte_len().is_ok_and(|len| len == 0) {
            return Ok(());
        }
        match self {
            Self::Concat { axis, parts } => stream_concat(*axis, parts, sink),
            Self::Scale { of, axis, by } => stream_scale(of, *axis, by, sink),
            Self::Transpose { of, perm } => stream_transpose(of, perm, sink),
        }
    }
}

fn raw(t: &Tensor) -> Bytes {
    t.bytes().expect("operands hold bytes: checked by `signature`")
}

fn concat_signature(axis: usize, parts: &[Tensor]) -> Result<(DType, Vec<usize>)> {
    let misfit = || Error::new(format!("{parts:?} cannot be joined along dim {axis}"));
    let first = parts.first().ok_or_else(misfit)?;
    if axis >= first.rank() || first.dtype().bits() == 0 || first.dtype().bits() % 8 != 0 {
        return Err(misfit());
    }
    let mut shape = first.shape().to_vec();
    for part in &parts[1..] {
        let fits = part.dtype() == first.dtype()
            && part.rank() == first.rank()
            && (0..part.rank()).all(|d| d == axis || part.shape()[d] == shape[d]);
        if !fits {
            return Err(misfit());
        }
        shape[axis] = shape[axis].checked_add(part.shape()[axis]).ok_or_else(misfit)?;
    }
    Ok((first.dtype(), shape))
}

fn stream_concat(axis: usize, parts: &[Tensor], sink: &mut Sink<'_>) -> std::io::Result<()> {
    let outer: usize = parts[0].shape()[..axis].iter().product();
    let sources: Vec<Bytes> = parts.iter().map(raw).collect();
    for i in 0..outer {
        for source in &sources {
            let row = source.len() / outer;
            sink(&source[i * row..(i + 1) * row])?;
        }
    }
    Ok(())
}

fn stream_scale(of: &Tensor, axis: usize, by: &[f64], sink: &mut Sink<'_>) -> std::io::Result<()> {
    let bytes = raw(of);
    let inner: usize = of.shape()[axis + 1..].iter().product();
    let mut out = Vec::with_capacity(2 * PIECE);
    let rows = bytes.chunks_exact(inner * of.dtype().bits() / 8);
    for (row, &factor) in rows.zip(by.iter().cycle()) {
        for run in row.chunks(PIECE) {
            append_scaled(of.dtype(), run, factor, &mut out);
            if out.len() >= PIECE {
                sink(&out)?;
                out.clear();
            }
        }
    }
    sink(&out)
}

fn append_scaled(dtype: DType, run: &[u8], factor: f64, out: &mut Vec<u8>) {
    match dtype {
        DType::F32 => {
            append(run, out, |e| ((f64::from(f32::from_le_bytes(e)) * factor) as f32).to_le_bytes())
        }
        DType::F64 => append(run, out, |e| (f64::from_le_bytes(e) * factor).to_le_bytes()),
        DType::F16 => {
            append(run, out, |e| f16::from_f64(f16::from_le_bytes(e).to_f64() * factor).to_le_bytes())
        }
        _ => append(run, out, |e| bf16::from_f64(bf16::from_le_bytes(e).to_f64() * factor).to_le_bytes()),
    }
}

fn append<const WIDTH: usize>(run: &[u8], out: &mut Vec<u8>, of: impl Fn([u8; WIDTH]) -> [u8; WIDTH]) {
    let start = out.len();
    out.resize(start + run.len(), 0);
    let (elements, _) = run.as_chunks::<WIDTH>();
    let (places, _) = out[start..].as_chunks_mut::<WIDTH>();
    for (place, &element) in places.iter_mut().zip(elements) {
        *place = of(element);
    }
}

fn stream_transpose(of: &Tensor, perm: &[usize], sink: &mut Sink<'_>) -> std::io::Result<()> {
    let bytes = raw(of);
    let width = of.dtype().bits() / 8;
    let mut strides = vec![width; of.rank()];
    for d in (0..of.rank().saturating_sub(1)).rev() {
        strides[d] = strides[d + 1] * of.shape()[d + 1];
    }
    let dims: Vec<usize> = perm.iter().map(|&p| of.shape()[p]).collect();
    let steps: Vec<usize> = perm.iter().map(|&p| strides[p]).collect();
    let mut index = vec![0usize; dims.len()];
    let mut at = 0;
    let mut out = Vec::with_capacity(PIECE + width);
    for _ in 0..of.len() {
        out.extend_from_slice(&bytes[at..at + width]);
        if out.len() >= PIECE {
            sink(&out)?;
            out.clear();
        }
        for d in (0..dims.len()).rev() {
            index[d] += 1;
            at += steps[d];
            if index[d] < dims[d] {
                break;
            }
            at -= steps[d] * dims[d];
            index[d] = 0;
        }
    }
    sink(&out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn iota(shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        Tensor::from_slice(shape, &(0..n).map(|i| i as f32).collect::<Vec<_>>()).unwrap()
    }

    fn values(e: Expr) -> (Vec<usize>, Vec<f64>) {
        let t = Tensor::from_expr(e).unwrap();
        (t.shape().to_vec(), t.to_f64s().unwrap())
    }

    #[test]
    fn concat_joins_rows() {
        let e = Expr::Concat { axis: 1, parts: vec![iota(&[2, 2]), iota(&[2, 1])] };
        assert_eq!(values(e), (vec![2, 3], vec![0., 1., 0., 2., 3., 1.]));
    }

    #[test]
    fn scale_follows_its_axis() {
        let e = Expr::Scale { of: iota(&[2, 2, 2]), axis: 1, by: vec![1., 10.] };
        assert_eq!(values(e).1, [0., 1., 20., 30., 4., 5., 60., 70.]);
    }

    #[test]
    fn transpose_permutes() {
        let e = Expr::Transpose { of: iota(&[2, 3]), perm: vec![1, 0] };
        assert_eq!(values(e), (vec![3, 2], vec![0., 3., 1., 4., 2., 5.]));
    }

    #[test]
    fn misfits_are_errors() {
        assert!(
            Tensor::from_expr(Expr::Concat { axis: 0, parts: vec![iota(&[1, 2]), iota(&[1, 3])] }).is_err()
        );
        assert!(Tensor::from_expr(Expr::Scale { of: iota(&[2]), axis: 0, by: vec![1.] }).is_err());
        assert!(Tensor::from_expr(Expr::Transpose { of: iota(&[2]), perm: vec![1] }).is_err());
    }

    #[test]
    fn empty_results_may_have_huge_dims() {
        let huge = usize::MAX / 2;
        let empty = |shape: &[usize]| Tensor::from_bytes(DType::F32, shape, vec![]).unwrap();
        let all = [
            Expr::Concat { axis: 2, parts: vec![empty(&[huge, huge, 0])] },
            Expr::Scale { of: empty(&[1, huge, huge, 0]), axis: 0, by: vec![2.0] },
            Expr::Transpose { of: empty(&[0, huge, huge]), perm: vec![2, 1, 0] },
        ];
        for expr in all {
            assert!(Tensor::from_expr(expr).unwrap().bytes().unwrap().is_empty());
        }
    }

    #[test]
    fn large_results_stream_in_pieces() {
        let by: Vec<f64> = (0..300).map(f64::from).collect();
        let of = iota(&[300, 300]);
        let got = Tensor::from_expr(Expr::Scale { of: of.clone(), axis: 0, by }).unwrap().to_f64s().unwrap();
        let want: Vec<f64> = of
            .to_f64s()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(i, v)| f64::from((v * (i / 300) as f64) as f32))
            .collect();
        assert_eq!(got, want);
        let transposed = Tensor::from_expr(Expr::Transpose { of: of.clone(), perm: vec![1, 0] }).unwrap();
        let (rows, columns) = (of.to_f64s().unwrap(), transposed.to_f64s().unwrap());
        assert!((0..90_000).all(|i| columns[i] == rows[i % 300 * 300 + i / 300]));
    }
}
