//! Elements of every floating-point type as `f64`, and how many representable numbers lie between two of them.
//!
//! Sources: IEEE 754; ONNX `docs/docsgen/source/technical/float8.md` and `float4.md`; OCP Microscaling v1.0 for
//! the 6-bit types and E8M0.

use crate::tensor::{DType, Element, Tensor};
use half::{bf16, f16};

/// A float of at most 8 bits: sign, exponent, mantissa.
#[derive(Clone, Copy)]
struct Mini {
    exponent: u32,
    mantissa: u32,
    bias: i32,
    special: Special,
}

/// What the codes at the end of the range stand for.
#[derive(Clone, Copy)]
enum Special {
    /// The largest exponent holds infinity and NaN.
    Ieee,
    /// All ones is NaN, nothing is infinite.
    AllOnes,
    /// Minus zero is NaN, nothing is infinite.
    MinusZero,
    /// Every code is a number.
    Nothing,
}

const fn mini(exponent: u32, mantissa: u32, bias: i32, special: Special) -> Option<Mini> {
    Some(Mini { exponent, mantissa, bias, special })
}

fn mini_of(dtype: DType) -> Option<Mini> {
    match dtype {
        DType::F8E4M3FN => mini(4, 3, 7, Special::AllOnes),
        DType::F8E4M3FNUZ => mini(4, 3, 8, Special::MinusZero),
        DType::F8E5M2 => mini(5, 2, 15, Special::Ieee),
        DType::F8E5M2FNUZ => mini(5, 2, 16, Special::MinusZero),
        DType::F4E2M1 => mini(2, 1, 1, Special::Nothing),
        DType::F6E2M3 => mini(2, 3, 1, Special::Nothing),
        DType::F6E3M2 => mini(3, 2, 3, Special::Nothing),
        _ => None,
    }
}

impl Mini {
    fn value(self, code: u8) -> f64 {
        let bits = u32::from(code);
        let all = (1u32 << (self.exponent + self.mantissa)) - 1;
        let magnitude = bits & all;
        let negative = bits > all;
        let exponent = magnitude >> self.mantissa;
        let mantissa = magnitude & ((1 << self.mantissa) - 1);
        let nan = match self.special {
            Special::Ieee => exponent == (1 << self.exponent) - 1 && mantissa != 0,
            Special::AllOnes => magnitude == all,
            Special::MinusZero => negative && magnitude == 0,
            Special::Nothing => false,
        };
        if nan {
            return f64::NAN;
        }
        let infinite = matches!(self.special, Special::Ieee) && exponent == (1 << self.exponent) - 1;
        let fraction = f64::from(mantissa) / f64::from(1u32 << self.mantissa);
        let size = match exponent {
            _ if infinite => f64::INFINITY,
            0 => fraction * 2f64.powi(1 - self.bias),
            e => (1.0 + fraction) * 2f64.powi(e as i32 - self.bias),
        };
        if negative { -size } else { size }
    }
}

/// The bit patterns of a tensor whose elements have at most 8 bits.
fn codes(tensor: &Tensor) -> Option<Vec<u8>> {
    let bytes = tensor.bytes()?;
    let bits = tensor.dtype().bits();
    let mask = ((1u16 << bits) - 1) as u8;
    let code = |i: usize| {
        let at = i * bits;
        let low = u16::from(bytes[at / 8]);
        let high = bytes.get(at / 8 + 1).map_or(0, |&b| u16::from(b));
        ((low | high << 8) >> (at % 8)) as u8 & mask
    };
    Some((0..tensor.len()).map(code).collect())
}

/// The elements of a numeric tensor as `f64`; a complex one gives its real and imaginary parts in turn.
/// `None` for strings.
pub(super) fn widen(tensor: &Tensor) -> Option<Vec<f64>> {
    if let Some(mini) = mini_of(tensor.dtype()) {
        return Some(codes(tensor)?.into_iter().map(|c| mini.value(c)).collect());
    }
    match tensor.dtype() {
        DType::F8E8M0 => Some(codes(tensor)?.into_iter().map(power_of_two).collect()),
        DType::C64 => Some(tensor.bytes()?.chunks_exact(4).map(|c| f64::from(f32::get(c))).collect()),
        DType::C128 => Some(tensor.bytes()?.chunks_exact(8).map(f64::get).collect()),
        _ => tensor.to_f64s(),
    }
}

fn power_of_two(code: u8) -> f64 {
    if code == 0xff { f64::NAN } else { 2f64.powi(i32::from(code) - 127) }
}

/// For each element its rank among the numbers of its type, so that neighbours differ by one and both zeros are 0.
/// `None` for types that are not binary floating point with a sign.
pub(super) fn ranks(tensor: &Tensor) -> Option<Vec<i64>> {
    fn rank(bits: u64, width: usize) -> i64 {
        let sign = 1u64 << (width - 1);
        let magnitude = (bits & (sign - 1)) as i64;
        if bits & sign == 0 { magnitude } else { -magnitude }
    }
    let dtype = tensor.dtype();
    if mini_of(dtype).is_some() {
        return Some(codes(tensor)?.into_iter().map(|c| rank(u64::from(c), dtype.bits())).collect());
    }
    let bytes = tensor.bytes()?;
    let each = |width: usize, read: fn(&[u8]) -> u64| {
        Some(bytes.chunks_exact(width / 8).map(|c| rank(read(c), width)).collect())
    };
    match dtype {
        DType::F16 | DType::BF16 => each(16, |c| u64::from(u16::get(c))),
        DType::F32 | DType::C64 => each(32, |c| u64::from(u32::get(c))),
        DType::F64 | DType::C128 => each(64, u64::get),
        _ => None,
    }
}

/// The tensor with each finite number moved to a neighbour, upward where `up` says so.
/// `None` for all types but IEEE-like floats of 16 to 64 bits.
pub(super) fn moved(tensor: &Tensor, mut up: impl FnMut() -> bool) -> Option<Tensor> {
    macro_rules! moved {
        ($float:ty, $bits:ty) => {{
            let mut out = Vec::with_capacity(tensor.byte_len());
            for chunk in tensor.bytes()?.chunks_exact(size_of::<$bits>()) {
                let up = up();
                let bits = <$bits>::get(chunk);
                let value = <$float>::get(chunk);
                let sign: $bits = 1 << (<$bits>::BITS - 1);
                let neighbour = match (f64::from(value), up) {
                    (v, _) if !v.is_finite() => bits,
                    (0.0, true) => 1,
                    (0.0, false) => sign | 1,
                    (v, up) if (v > 0.0) == up => bits + 1,
                    _ => bits - 1,
                };
                let finite = f64::from(<$float>::from_bits(neighbour)).is_finite();
                (if finite { neighbour } else { bits }).put(&mut out);
            }
            Tensor::from_bytes(tensor.dtype(), tensor.shape(), out).ok()
        }};
    }
    match tensor.dtype() {
        DType::F16 => moved!(f16, u16),
        DType::BF16 => moved!(bf16, u16),
        DType::F32 => moved!(f32, u32),
        DType::F64 => moved!(f64, u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn values(dtype: DType, shape: &[usize], codes: &[u8]) -> Vec<f64> {
        widen(&Tensor::from_bytes(dtype, shape, codes.to_vec()).unwrap()).unwrap()
    }

    #[test]
    fn small_floats_have_the_published_values() {
        assert_eq!(
            values(DType::F8E4M3FN, &[4], &[0x7e, 0x01, 0xb8, 0x38]),
            [448.0, 2f64.powi(-9), -1.0, 1.0]
        );
        assert!(values(DType::F8E4M3FN, &[1], &[0x7f])[0].is_nan());
        assert_eq!(values(DType::F8E4M3FNUZ, &[2], &[0x7f, 0x01]), [240.0, 2f64.powi(-10)]);
        assert!(values(DType::F8E4M3FNUZ, &[1], &[0x80])[0].is_nan());
        assert_eq!(
            values(DType::F8E5M2, &[3], &[0x7b, 0xfc, 0x01]),
            [57344.0, f64::NEG_INFINITY, 2f64.powi(-16)]
        );
        assert!(values(DType::F8E5M2, &[1], &[0x7d])[0].is_nan());
        assert_eq!(values(DType::F8E5M2FNUZ, &[2], &[0x7f, 0x01]), [57344.0, 2f64.powi(-17)]);
        assert_eq!(values(DType::F4E2M1, &[4], &[0x71, 0xf2]), [0.5, 6.0, 1.0, -6.0]);
        assert_eq!(values(DType::F6E2M3, &[2], &[0xdf, 0x0f]), [7.5, -7.5]);
        assert_eq!(values(DType::F6E3M2, &[1], &[0x1f]), [28.0]);
        assert_eq!(values(DType::F8E8M0, &[2], &[127, 130]), [1.0, 8.0]);
    }

    #[test]
    fn ranks_count_neighbours() {
        let of = |v: &[f32]| ranks(&Tensor::vector(v)).unwrap();
        assert_eq!(of(&[0.0, -0.0, f32::from_bits(1), -f32::from_bits(1)]), [0, 0, 1, -1]);
        let r = of(&[1.0, 1.0 + f32::EPSILON]);
        assert_eq!(r[1] - r[0], 1);
        assert_eq!(ranks(&Tensor::vector(&[1i64])), None);
    }

    #[test]
    fn moving_goes_to_the_neighbour_both_ways() {
        let t = Tensor::vector(&[1.0f32, -1.0, 0.0, f32::MAX, f32::INFINITY]);
        let before = ranks(&t).unwrap();
        for (up, step) in [(true, 1), (false, -1)] {
            let after = ranks(&moved(&t, || up).unwrap()).unwrap();
            assert_eq!(after[0] - before[0], step);
            assert_eq!(after[1] - before[1], step);
            assert_eq!(after[2] - before[2], step);
            assert_eq!(after[4], before[4]);
        }
        let highest = moved(&t, || true).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(highest[3], f32::MAX);
        assert!(moved(&Tensor::vector(&[1i32]), || true).is_none());
    }
}
