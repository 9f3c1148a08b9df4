//! Constants too large to write out, made by a rule: `random(SEED)`, `random(SEED, LOW, HIGH)` and `fill(VALUE)`.
//!
//! ONNX's own syntax has neither. Random numbers are uniform in `LOW..HIGH` (`-1..1` where not given), rounded down for
//! integers, and depend on nothing but the seed: the bits of SplitMix64 (Steele, Lea, Flood: Fast Splittable
//! Pseudorandom Number Generators, 2014).

use super::lexer::Lexer;
use crate::error::Result;
use crate::tensor::{DType, Tensor, element_count};

/// A text may ask for no more than this many elements in all.
const MOST: usize = 1 << 24;

/// Whether a rule comes next.
pub(super) fn is_next(lexer: &Lexer<'_>) -> bool {
    let mut ahead = lexer.clone();
    ahead.eat_call("random") || ahead.eat_call("fill")
}

/// The constant that a rule makes, if one comes next.
pub(super) fn read(lexer: &mut Lexer<'_>, dtype: DType, shape: &[usize]) -> Result<Option<Tensor>> {
    let at = lexer.position();
    let random = lexer.eat_call("random");
    if !random && !lexer.eat_call("fill") {
        return Ok(None);
    }
    let count = element_count(shape).filter(|&n| n <= MOST - lexer.made);
    let count =
        count.ok_or_else(|| lexer.error_at(at, format!("a text may make no more than {MOST} elements")))?;
    lexer.made += count;
    let values = if random { random_values(lexer, dtype, count)? } else { vec![lexer.float()?; count] };
    lexer.expect(")")?;
    Tensor::from_f64s(dtype, shape, &values).map(Some).map_err(|e| lexer.error_at(at, e.message()))
}

fn random_values(lexer: &mut Lexer<'_>, dtype: DType, count: usize) -> Result<Vec<f64>> {
    let mut state = lexer.int()?.cast_unsigned();
    let (mut low, mut high) = (-1.0, 1.0);
    if lexer.eat(",") {
        low = lexer.float()?;
        lexer.expect(",")?;
        high = lexer.float()?;
    }
    let value = |unit: f64| low + (high - low) * unit;
    let values = (0..count).map(|_| value(unit(&mut state)));
    Ok(if dtype.is_float() { values.collect() } else { values.map(f64::floor).collect() })
}

/// The next number of SplitMix64, in `0..1` with 24 bits, so that `f32` holds it exactly.
fn unit(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1u32 << 24)
}
