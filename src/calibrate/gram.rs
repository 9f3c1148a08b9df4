//! XᵀX of the rows of an activation: what GPTQ, SparseGPT and least squares ask of a layer's input.
//!
//! X has a row for each index of all axes but the last, over all samples. Rows are multiplied in blocks in `f32` and the
//! products of blocks added up in `f64`: an entry's error is about that of one block, at most `ROWS · 2⁻²⁴` of the sum
//! of the products' absolute values, however many samples there are. Blocks whose products are beyond `f32` are multiplied
//! in `f64`. Rows with an infinity or NaN are left out.

use crate::error::{Error, Result};

/// Rows whose products are added up in `f32`.
const ROWS: usize = 256;
/// Columns of XᵀX, from the left, that are computed at once.
const STRIPE: usize = 128;

/// A symmetric matrix, of which the upper triangle is held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gram {
    pub(super) size: usize,
    pub(super) rows: u64,
    /// Row after row, each from its diagonal on.
    pub(super) upper: Vec<f64>,
}

impl Gram {
    /// Rows and columns; 0 before the first sample.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Rows of X.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// An entry.
    ///
    /// # Panics
    /// A number is not below [`Gram::size`].
    pub fn at(&self, row: usize, column: usize) -> f64 {
        let (row, column) = (row.min(column), row.max(column));
        assert!(column < self.size, "column {column} of {}", self.size);
        self.upper[self.start(row) + column - row]
    }

    /// Where the held part of a row begins.
    fn start(&self, row: usize) -> usize {
        row * self.size - row * row.saturating_sub(1) / 2
    }

    /// Adds the rows of a row-major tensor.
    ///
    /// # Errors
    /// It has no axis, or the last is not as long as before, or is too long for the matrix to be held.
    pub fn observe(&mut self, values: &[f32], shape: &[usize]) -> Result<()> {
        let Some(&size) = shape.last() else {
            return Err(Error::new("a tensor of rank 0 has no rows"));
        };
        if self.upper.is_empty() && size > 0 {
            let too_long = || Error::new(format!("the Gram matrix of rows of {size} elements is too large"));
            let entries = (size as u128 * (size as u128 + 1) / 2).try_into().map_err(|_| too_long())?;
            self.upper.try_reserve_exact(entries).map_err(|_| too_long())?;
            self.upper.resize(entries, 0.0);
            self.size = size;
        }
        if self.size != size {
            let before = self.size;
            return Err(Error::new(format!("rows have {size} elements, and {before} in another sample")));
        }
        if size == 0 {
            return Ok(());
        }
        let mut products = vec![0.0; STRIPE.min(size) * size];
        for block in values.chunks(ROWS * size) {
            let clean: Vec<f32>;
            let is_finite = |row: &&[f32]| row.iter().all(|x| x.is_finite());
            let block = if is_finite(&block) {
                block
            } else {
                clean = block.chunks_exact(size).filter(is_finite).flatten().copied().collect();
                &clean
            };
            self.add_block(block, &mut products);
            self.rows += (block.len() / size) as u64;
        }
        Ok(())
    }

    fn add_block(&mut self, block: &[f32], products: &mut [f32]) {
        let size = self.size;
        for first in (0..size).step_by(STRIPE) {
            let (height, width) = (STRIPE.min(size - first), size - first);
            multiply(block, size, first, height, &mut products[..height * width]);
            if products[..height * width].iter().any(|x| !x.is_finite()) {
                self.add_wide(block, first, height);
                continue;
            }
            for (row, computed) in products[..height * width].chunks_exact(width).enumerate() {
                let start = self.start(first + row);
                let held = &mut self.upper[start..start + width - row];
                held.iter_mut().zip(&computed[row..]).for_each(|(sum, &more)| *sum += f64::from(more));
            }
        }
    }
}

impl Gram {
    /// Adds what `f32` is too narrow for.
    fn add_wide(&mut self, block: &[f32], first: usize, height: usize) {
        let size = self.size;
        for row in first..first + height {
            let start = self.start(row);
            for x in block.chunks_exact(size) {
                let factor = f64::from(x[row]);
                let held = &mut self.upper[start..start + size - row];
                held.iter_mut().zip(&x[row..]).for_each(|(sum, &more)| *sum += factor * f64::from(more));
            }
        }
    }
}

/// The rows of XᵀX from `first` on, so many, from column `first` on.
fn multiply(x: &[f32], size: usize, first: usize, height: usize, out: &mut [f32]) {
    let (rows, width) = (x.len() / size, size - first);
    assert!(x.len() == rows * size && first + height <= size && out.len() == height * width);
    if rows == 0 {
        out.fill(0.0);
        return;
    }
    let from = x[first..].as_ptr();
    let (row, one) = (size as isize, 1);
    // SAFETY: X has `rows` rows of `size` elements, so that from column `first` on there are `width` in each, and the
    // result has `height` rows of `width`: asserted above.
    unsafe {
        matrixmultiply::sgemm(
            height,
            rows,
            width,
            1.0,
            from,
            one,
            row,
            from,
            row,
            one,
            0.0,
            out.as_mut_ptr(),
            width as isize,
            one,
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn integers_add_up_exactly() {
        for (rows, size) in [(1, 1), (3, 2), (700, 5), (300, 131), (5, 300)] {
            let values: Vec<f32> = (0..rows * size).map(|i| ((i * 7919) % 17) as f32 - 8.0).collect();
            let mut gram = Gram::default();
            gram.observe(&values, &[rows, size]).unwrap();
            assert_eq!(
                (gram.size(), gram.rows(), gram.upper.len()),
                (size, rows as u64, size * (size + 1) / 2)
            );
            for (i, j) in [(0, 0), (size - 1, 0), (size / 2, size - 1), (size - 1, size - 1)] {
                let sum: f32 = values.chunks_exact(size).map(|row| row[i] * row[j]).sum();
                assert_eq!(gram.at(i, j), f64::from(sum), "{rows} {size} {i} {j}");
            }
        }
    }

    #[test]
    fn samples_and_leading_axes_are_rows() {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let (mut whole, mut parts) = (Gram::default(), Gram::default());
        whole.observe(&values, &[2, 3, 4]).unwrap();
        parts.observe(&values[..4], &[4]).unwrap();
        parts.observe(&values[4..], &[5, 4]).unwrap();
        assert_eq!(whole, parts);
        assert!(whole.observe(&values, &[8, 3]).is_err());
        assert!(whole.observe(&values[..1], &[]).is_err());
    }

    #[test]
    fn products_beyond_single_precision_are_held() {
        let mut gram = Gram::default();
        gram.observe(&[1e30, 2.0, -3e30, 1.0], &[2, 2]).unwrap();
        assert!((gram.at(0, 0) / 1e61 - 1.0).abs() < 1e-6 && (gram.at(0, 1) / -1e30 - 1.0).abs() < 1e-6);
        assert_eq!(gram.at(1, 1), 5.0);
    }

    #[test]
    fn rows_with_numbers_that_are_none_are_left_out() {
        let mut gram = Gram::default();
        gram.observe(&[1.0, 2.0, f32::NAN, 5.0, 3.0, 4.0], &[3, 2]).unwrap();
        assert_eq!((gram.rows(), gram.at(0, 0), gram.at(0, 1), gram.at(1, 1)), (2, 10.0, 14.0, 20.0));
    }
}
