//! Whether one matrix is another one transposed: some elements first, then all, block by block.

use crate::tensor::Tensor;

/// Elements that are compared before all of them.
const SAMPLES: usize = 64;

/// Rows and columns of a block; two of them fit into the first cache.
const BLOCK: usize = 32;

/// Whether `b[j, i]` has the bits of `a[i, j]` for all `i` and `j`.
pub(super) fn transposed(a: &Tensor, b: &Tensor) -> bool {
    let (&[rows, columns], &[other, another]) = (a.shape(), b.shape()) else { return false };
    let (Some(x), Some(y)) = (a.bytes(), b.bytes()) else { return false };
    let width = a.dtype().bits() / 8;
    if a.dtype() != b.dtype() || (rows, columns) != (another, other) || x.len() != y.len() || x.is_empty() {
        return false;
    }
    match width {
        1 => same::<1>(&x, &y, rows, columns),
        2 => same::<2>(&x, &y, rows, columns),
        4 => same::<4>(&x, &y, rows, columns),
        8 => same::<8>(&x, &y, rows, columns),
        16 => same::<16>(&x, &y, rows, columns),
        _ => false,
    }
}

/// The comparison for elements of `W` bytes.
fn same<const W: usize>(x: &[u8], y: &[u8], rows: usize, columns: usize) -> bool {
    let (x, y) = (x.as_chunks::<W>().0, y.as_chunks::<W>().0);
    // Steps without a common factor with most sizes reach all over the matrix.
    let mut samples = (0..SAMPLES).map(|s| (s.wrapping_mul(7919) % rows, s.wrapping_mul(104_729) % columns));
    samples.all(|(i, j)| x[i * columns + j] == y[j * rows + i])
        && blocks(rows).all(|(r, r_end)| {
            blocks(columns).all(|(c, c_end)| {
                (r..r_end).all(|i| (c..c_end).all(|j| x[i * columns + j] == y[j * rows + i]))
            })
        })
}

fn blocks(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(BLOCK).map(move |start| (start, len.min(start + BLOCK)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_transposition_is_told_from_what_differs_in_one_element() {
        let (rows, columns) = (70, 45);
        let at = |i: usize, j: usize| (i * 1000 + j) as f32;
        let a: Vec<f32> = (0..rows * columns).map(|e| at(e / columns, e % columns)).collect();
        let b: Vec<f32> = (0..rows * columns).map(|e| at(e % rows, e / rows)).collect();
        let a = Tensor::from_slice(&[rows, columns], &a).unwrap();
        assert!(transposed(&a, &Tensor::from_slice(&[columns, rows], &b).unwrap()));
        for changed in [0, 1, rows, 2000, rows * columns - 1] {
            let mut b = b.clone();
            b[changed] += 0.5;
            assert!(!transposed(&a, &Tensor::from_slice(&[columns, rows], &b).unwrap()));
        }
        assert!(!transposed(&a, &a));
    }
}
