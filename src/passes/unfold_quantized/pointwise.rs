//! What is computed for each element, or only moves elements.

use super::affine::{Affine, Steps};
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};

pub(super) fn add(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    both(f, "Add")
}

pub(super) fn mul(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    both(f, "Mul")
}

fn both(f: &mut Formula<'_>, op: &'static str) -> Result<Ref, Miss> {
    let (a, b, steps) = (Affine::read(f, 0)?, Affine::read(f, 3)?, Steps::read(f, 6)?);
    let operands = [a.whole(f)?, b.whole(f)?];
    let y = f.op(op, operands);
    Ok(steps.of(f, y))
}

pub(super) fn choice(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let condition = f.operand(0)?;
    let (x, y, steps) = (Affine::read(f, 1)?, Affine::read(f, 4)?, Steps::read(f, 7)?);
    let operands = [condition.into(), x.whole(f)?, y.whole(f)?];
    let y = f.op("Where", operands);
    Ok(steps.of(f, y))
}

/// The result's scale and zero point come first.
pub(super) fn concat(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (steps, count) = (Steps::read(f, 0)?, f.node().inputs().count());
    let mut parts = Vec::new();
    for at in (2..count).step_by(3) {
        parts.push(Affine::read(f, at)?.whole(f)?);
    }
    let axis = f.int("axis").ok_or_else(|| f.miss("the axis is not a number"))?;
    let y = f.concat(&parts, axis);
    Ok(steps.of(f, y))
}

pub(super) fn sigmoid(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, steps) = (Affine::read(f, 0)?, Steps::read(f, 3)?);
    let x = x.whole(f)?;
    let y = f.op("Sigmoid", [x]);
    Ok(steps.of(f, y))
}

pub(super) fn leaky(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, steps) = (Affine::read(f, 0)?, Steps::read(f, 3)?);
    let x = x.whole(f)?;
    let y = f.op("LeakyRelu", [x]);
    f.keep("alpha");
    Ok(steps.of(f, y))
}

/// Before opset 13 all axes from one on are one.
pub(super) fn softmax(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let (x, steps) = (Affine::read(f, 0)?, Steps::read(f, 3)?);
    let rank = f.shape(x.number)?.len() as i64;
    let axis = f.int("axis").ok_or_else(|| f.miss("the axis is not a number"))?;
    let opset = f.int("opset").ok_or_else(|| f.miss("the opset is not a number"))?;
    let last = axis == -1 || axis == rank - 1;
    let alike = last || (opset < 13) == (f.cx.opset() < 13);
    require!(alike, x.number, "the axes are those of another opset");
    let x = x.whole(f)?;
    let y = f.softmax(x, axis);
    Ok(steps.of(f, y))
}
