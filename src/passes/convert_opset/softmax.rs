//! `Softmax`, `LogSoftmax` and `Hardmax`: over all dims from `axis` on before version 13, over that one dim since.

use super::draft::{Draft, Refused};
use crate::ir::Dim;

/// Names the one dim that is normalized where there is only one, else flattens the operand to a matrix.
pub(super) fn softmax_13(d: &mut Draft<'_>) -> Result<(), Refused> {
    let axis = d.int("axis")?.unwrap_or(1);
    match d.shape(0) {
        Some(dims) => match only_axis(dims, axis)? {
            Some(only) => d.set("axis", only),
            None => flatten(d, axis),
        },
        None => flatten(d, axis),
    }
    Ok(())
}

fn flatten(d: &mut Draft<'_>, axis: i64) {
    d.set("axis", -1);
    d.flatten(axis);
}

/// The dim that holds all elements from `axis` on; `None` where two or more may.
fn only_axis(dims: &[Dim], axis: i64) -> Result<Option<i64>, Refused> {
    let rank = dims.len() as i64;
    let first = if axis < 0 { axis + rank } else { axis };
    if !(0..rank).contains(&first) {
        return Err(format!("'axis' is {axis} for an operand of rank {rank}"));
    }
    let mut wide = (first..rank).filter(|&i| dims[i as usize] != Dim::Fixed(1));
    Ok(match (wide.next(), wide.next()) {
        (None, _) => Some(first),
        (Some(only), None) => Some(only),
        _ => None,
    })
}
