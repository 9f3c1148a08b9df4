//! Numbers of a few bits as `MatMulNBits` packs them.

use crate::ir::ValueId;
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::Miss;
use crate::tensor::{DType, Tensor};

/// Rows, columns, and columns of a block.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    rows: i64,
    columns: i64,
    pub(super) block: i64,
}

impl Grid {
    fn read(f: &mut Formula<'_>) -> Result<Self, Miss> {
        let [rows, columns, block] = ["N", "K", "block_size"].map(|name| f.int(name).filter(|&n| n > 0));
        let (Some(rows), Some(columns), Some(block)) = (rows, columns, block) else {
            return Err(f.miss("a size is not positive"));
        };
        if columns % block != 0 {
            return Err(f.miss("rows end within a block"));
        }
        Ok(Self { rows, columns, block })
    }

    pub(super) fn shape(self) -> [i64; 2] {
        [self.rows, self.columns]
    }

    /// How many rows, and how many blocks in each.
    pub(super) fn blocks(self) -> [i64; 2] {
        [self.rows, self.columns / self.block]
    }
}

/// The numbers of the weights, row by row, and what stands for 0 in each block.
pub(super) struct Packed {
    pub(super) grid: Grid,
    bits: u32,
    numbers: Vec<u8>,
    zeros: Option<Vec<f64>>,
}

impl Packed {
    pub(super) fn read(f: &mut Formula<'_>, numbers: ValueId, zeros: Option<ValueId>) -> Result<Self, Miss> {
        let bits =
            f.int("bits").and_then(|bits| u32::try_from(bits).ok()).filter(|bits| [2, 4, 8].contains(bits));
        let bits = bits.ok_or_else(|| Miss::because("the weights are not of 2, 4 or 8 bits", numbers))?;
        let grid = Grid::read(f)?;
        let no = || Miss::because("the weights are no constant of bytes", numbers);
        let bytes = f.cx.graph.const_value(numbers).filter(|t| t.dtype() == DType::U8);
        let bytes = bytes.and_then(|t| t.bytes()).ok_or_else(no)?;
        let numbers_of_rows: Vec<u8> = unpacked(&bytes, bits).collect();
        let all = grid.rows.checked_mul(grid.columns).and_then(|all| usize::try_from(all).ok());
        require!(all == Some(numbers_of_rows.len()), numbers, "the weights have another size");
        let zeros = zeros.map(|zeros| read_zeros(f, zeros, grid, bits)).transpose()?;
        Ok(Self { grid, bits, numbers: numbers_of_rows, zeros })
    }

    /// Columns in the order of their groups, where that is another; each group is a block.
    pub(super) fn order(&self, f: &Formula<'_>, groups: ValueId) -> Result<Option<Vec<usize>>, Miss> {
        let of = f.cx.graph.const_value(groups).and_then(|t| t.to_i64s());
        let of = of.ok_or_else(|| Miss::because("the groups of columns are no constant", groups))?;
        require!(
            Ok(self.grid.columns) == i64::try_from(of.len()),
            groups,
            "there is not one group for each column"
        );
        let mut order: Vec<usize> = (0..of.len()).collect();
        order.sort_by_key(|&column| of[column]);
        let fits = (0i64..).zip(&order).all(|(place, &column)| of[column] == place / self.grid.block);
        require!(fits, groups, "groups of columns are not as large as blocks");
        Ok(Some(order).filter(|order| !order.is_sorted()))
    }

    /// With each row in another order.
    pub(super) fn reordered(self, order: &[usize]) -> Self {
        let numbers =
            self.numbers.chunks(order.len()).flat_map(|row| order.iter().map(|&column| row[column]));
        Self { numbers: numbers.collect(), ..self }
    }

    /// The numbers as they are, for a type of ONNX that has as many bits.
    pub(super) fn as_stored(&self) -> Option<Tensor> {
        self.zeros.as_ref()?;
        self.zeros_as_stored()?;
        self.stored(&self.numbers, self.grid.shape())
    }

    /// Zero points of the type of [`Packed::as_stored`]; `None` where it does not hold one.
    pub(super) fn zeros_as_stored(&self) -> Option<Tensor> {
        let whole =
            |zero: &f64| (zero.fract() == 0.0 && (0.0..=self.top()).contains(zero)).then_some(*zero as u8);
        let zeros: Option<Vec<u8>> = self.zeros.as_ref()?.iter().map(whole).collect();
        self.stored(&zeros?, self.grid.blocks())
    }

    fn stored(&self, numbers: &[u8], shape: [i64; 2]) -> Option<Tensor> {
        let shape = shape.map(|size| usize::try_from(size).unwrap_or_default());
        let (dtype, bytes) = match self.bits {
            4 => (DType::U4, nibbles(numbers)),
            8 => (DType::U8, numbers.to_vec()),
            _ => return None,
        };
        Tensor::from_bytes(dtype, &shape, bytes).ok()
    }

    /// Bits of a number.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// What zero points are that are left out.
    fn middle(&self) -> f64 {
        f64::from(1u32 << (self.bits - 1))
    }

    /// Whether zero points say no more than none would.
    pub(super) fn is_around_middle(&self) -> bool {
        self.zeros.as_ref().is_none_or(|zeros| zeros.iter().all(|&zero| zero == self.middle()))
    }

    /// The largest number.
    fn top(&self) -> f64 {
        f64::from((1u32 << self.bits) - 1)
    }

    /// Numbers less their zero points, or less the middle and what is left of each zero point.
    pub(super) fn centered(&self) -> (Vec<i8>, Option<Vec<f64>>) {
        let middle = self.middle();
        let less = |zero: &dyn Fn(usize) -> f64| -> Option<Vec<i8>> {
            let blocks = self.numbers.chunks(self.grid.block as usize).enumerate();
            let all = blocks.flat_map(|(at, block)| {
                let zero = zero(at);
                block.iter().map(move |&number| byte(f64::from(number) - zero))
            });
            all.collect()
        };
        let around = |zeros: &Vec<f64>| less(&|at| zeros[at]);
        let middled = || less(&|_| middle).unwrap_or_default();
        match &self.zeros {
            None => (middled(), None),
            Some(zeros) => match around(zeros) {
                Some(numbers) => (numbers, None),
                None => (middled(), Some(zeros.iter().map(|zero| zero - middle).collect())),
            },
        }
    }
}

/// Packed as the weights are, each row beginning with a byte, or floats.
fn read_zeros(f: &Formula<'_>, zeros: ValueId, grid: Grid, bits: u32) -> Result<Vec<f64>, Miss> {
    let tensor = f.cx.graph.const_value(zeros);
    let tensor = tensor.ok_or_else(|| Miss::because("the zero points are no constant", zeros))?;
    let [rows, blocks] = grid.blocks().map(|size| usize::try_from(size).unwrap_or_default());
    let found: Option<Vec<f64>> = if tensor.dtype() == DType::U8 {
        let row = (blocks * bits as usize).div_ceil(8);
        tensor.bytes().filter(|bytes| bytes.len() == row * rows).map(|bytes| {
            bytes.chunks(row).flat_map(|row| unpacked(row, bits).take(blocks)).map(f64::from).collect()
        })
    } else {
        tensor.to_f64s().filter(|all| all.len() == rows * blocks && all.iter().all(|zero| zero.is_finite()))
    };
    found.ok_or_else(|| Miss::because("there is not one zero point for each block", zeros))
}

/// The numbers in bytes, the lowest bits first.
fn unpacked(bytes: &[u8], bits: u32) -> impl Iterator<Item = u8> + '_ {
    let mask = u8::MAX >> (8 - bits);
    bytes.iter().flat_map(move |byte| (0..8 / bits).map(move |at| (byte >> (at * bits)) & mask))
}

/// A whole number that a signed byte holds.
fn byte(number: f64) -> Option<i8> {
    (number.fract() == 0.0 && (-128.0..=127.0).contains(&number)).then_some(number as i8)
}

/// Signed numbers in four bits each, where they fit.
pub(super) fn four_bits(numbers: &[i8]) -> Option<Vec<u8>> {
    let fit = numbers.iter().all(|number| (-8..8).contains(number));
    let low: Vec<u8> = numbers.iter().map(|number| number.cast_unsigned() & 0xf).collect();
    fit.then(|| nibbles(&low))
}

fn nibbles(numbers: &[u8]) -> Vec<u8> {
    numbers.chunks(2).map(|pair| pair[0] | pair.get(1).map_or(0, |high| high << 4)).collect()
}
