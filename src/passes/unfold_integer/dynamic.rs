//! Quantization by the range of the numbers.

use crate::passes::unfold::{Dynamic, Formula};
use crate::rewrite::{Miss, Ref};
use crate::tensor::DType;

pub(super) fn quantize(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let x = f.operand(0)?;
    let Dynamic { numbers, scale, zero } = Dynamic::of(f, x);
    let [y, zero] = [numbers, zero].map(|x| f.cast(x, DType::U8));
    for (at, new) in [(1, scale), (2, zero)] {
        if let Some(read) = f.result(at) {
            f.give(read, new);
        }
    }
    Ok(y)
}
