//! The formula as one node.

use super::heads::{Flat, Flats, merged};
use super::operand::{HEADS_FIRST, Operand, transposed};
use super::scores::Formula;
use super::window::reshaped;
use super::{ATTENTION, MULTI_HEAD, mask};
use crate::ir::Dim;
use crate::rewrite::{Context, Miss, Patch, Ref};

/// Operands as they are before they are split into heads, and the value behind the heads put together.
fn flats(cx: &Context<'_>, f: &Formula) -> Option<[Flat; 3]> {
    if f.windows.is_some() {
        return None;
    }
    Some([Flat::read(cx, &f.query)?, Flat::read(cx, &f.key)?, Flat::read(cx, &f.value)?])
}

/// As ONNX has it since opset 23.
pub(super) fn standard(cx: &Context<'_>, f: &Formula) -> Result<Patch, Miss> {
    let mut patch = Patch::new();
    let sizes = [fixed(cx, &f.query, 1), fixed(cx, &f.value, 3)];
    if let (Some(flats), [Some(heads), Some(size)]) = (flats(cx, f), sizes) {
        let [q, k, v] = flat_operands(&mut patch, &flats)?;
        let mask = mask::emit(cx, f, &mut patch, 2)?;
        let result = attend(&mut patch, [q, k, v, mask], f);
        patch.set_attr("q_num_heads", heads);
        patch.set_attr("kv_num_heads", heads);
        return replaced(cx, f, patch, result, [heads, size]);
    }
    let (key, value) = match (f.key.ungrouped(cx), f.value.ungrouped(cx)) {
        (Some(key), Some(value)) => (key, value),
        _ => (f.key, f.value),
    };
    let operands = [f.query, key, value].map(|operand| operand.emit(&mut patch));
    let [q, k, v] = windowed(&mut patch, f, operands)?;
    let mask = mask::emit(cx, f, &mut patch, 2)?;
    let mut result = attend(&mut patch, [q, k, v, mask], f);
    if let Some(windows) = &f.windows {
        result = windows.part(&mut patch, result).ok_or(Miss::Silent)?;
    }
    patch.replace(f.output, result);
    Ok(patch)
}

fn attend(patch: &mut Patch, inputs: [Ref; 4], f: &Formula) -> Ref {
    let given = if inputs[3] == Ref::Omitted { 3 } else { 4 };
    let result = patch.node(ATTENTION, inputs[..given].iter().copied());
    patch.set_attr("scale", f.scale as f32);
    result
}

/// As ONNX Runtime has it: queries, and where they can be keys and values, with their heads side by side.
pub(super) fn multi_head(cx: &Context<'_>, f: &Formula) -> Result<Patch, Miss> {
    let mut patch = Patch::new();
    let unknown = || Miss::because("the number and size of heads is not known", f.output);
    let mut heads = fixed(cx, &f.query, 1).ok_or_else(unknown)?;
    let sizes = [&f.query, &f.value].map(|operand| fixed(cx, operand, 3));
    let [Some(size), Some(value_size)] = sizes else { return Err(unknown()) };
    let flat = flats(cx, f);
    let [q, k, v] = if let Some(flats) = &flat {
        flat_operands(&mut patch, flats)?
    } else {
        let operands = [f.query, f.key, f.value].map(|operand| operand.emit(&mut patch));
        let [q, k, v] = windowed(&mut patch, f, operands)?;
        if let Some(windows) = &f.windows {
            heads = windows.heads().ok_or_else(unknown)?;
        }
        let mut flat = |value: Ref, size: i64| {
            let turned = transposed(&mut patch, value, HEADS_FIRST);
            reshaped(&mut patch, turned, &[0, 0, heads.checked_mul(size)?])
        };
        let q = flat(q, size).ok_or(Miss::Silent)?;
        if size == value_size {
            [q, k, v]
        } else {
            [q, flat(k, size).ok_or(Miss::Silent)?, flat(v, value_size).ok_or(Miss::Silent)?]
        }
    };
    let mask = mask::emit(cx, f, &mut patch, 4)?;
    let mut inputs = vec![q, k, v];
    if mask != Ref::Omitted {
        inputs.extend([Ref::Omitted, Ref::Omitted, mask]);
    }
    let result = patch.node(MULTI_HEAD, inputs);
    patch.set_attr("num_heads", heads);
    patch.set_attr("scale", f.scale as f32);
    replaced(cx, f, patch, result, [heads, value_size])
}

/// The result with its heads side by side, in place of the output or of what puts its heads side by side.
fn replaced(
    cx: &Context<'_>,
    f: &Formula,
    mut patch: Patch,
    result: Ref,
    [heads, size]: [i64; 2],
) -> Result<Patch, Miss> {
    if let Some(output) = merged(cx, f.output).filter(|_| f.windows.is_none()) {
        patch.replace(output, result);
        return Ok(patch);
    }
    let split = reshaped(&mut patch, result, &[0, 0, heads, size]).ok_or(Miss::Silent)?;
    let mut result = transposed(&mut patch, split, HEADS_FIRST);
    if let Some(windows) = &f.windows {
        result = windows.part(&mut patch, result).ok_or(Miss::Silent)?;
    }
    patch.replace(f.output, result);
    Ok(patch)
}

fn flat_operands(patch: &mut Patch, flats: &[Flat; 3]) -> Result<[Ref; 3], Miss> {
    let mut splits = Flats::default();
    let mut emit = |flat: &Flat| splits.emit(patch, flat).ok_or(Miss::Silent);
    Ok([emit(&flats[0])?, emit(&flats[1])?, emit(&flats[2])?])
}

/// Operands with windows among their heads, where there are windows.
fn windowed(patch: &mut Patch, f: &Formula, operands: [Ref; 3]) -> Result<[Ref; 3], Miss> {
    let Some(windows) = &f.windows else { return Ok(operands) };
    let mut join = |value: Ref| windows.join(patch, value).ok_or(Miss::Silent);
    Ok([join(operands[0])?, join(operands[1])?, join(operands[2])?])
}

fn fixed(cx: &Context<'_>, operand: &Operand, axis: usize) -> Option<i64> {
    operand.shape(cx).and_then(|shape| Dim::as_fixed(&shape[axis])).and_then(|n| i64::try_from(n).ok())
}
