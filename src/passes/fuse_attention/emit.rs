//! The formula as one node.

use super::fold::reshaped;
use super::heads::{Flat, Flats, merged};
use super::mask::{self, Emitted, Taker};
use super::operand::{HEADS_FIRST, Operand, transposed};
use super::scores::Formula;
use super::{ATTENTION, MULTI_HEAD};
use crate::ir::Dim;
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::{DType, Tensor};

/// One way to write the formula.
pub(super) type Form = fn(&Context<'_>, &Formula) -> Result<Patch, Miss>;
/// The ways, the best first.
pub(super) const FORMS: [Form; 3] = [side_by_side, apart, multi_head];

/// ONNX and ONNX Runtime say so of minus infinity, ONNX Runtime's kernel does so for the lowest number.
const STANDARD: Taker = Taker { least_rank: 2, zeroes: true };
/// A row of nothing is what `Softmax` gives.
const CONTRIB: Taker = Taker { least_rank: 4, zeroes: false };

/// Operands as they are before they are split into heads, and the value behind the heads put together.
fn flats(cx: &Context<'_>, f: &Formula) -> Option<[Flat; 3]> {
    if f.way.fold.is_some() || f.way.head_scales.is_some() {
        return None;
    }
    Some([Flat::read(cx, &f.query)?, Flat::read(cx, &f.key)?, Flat::read(cx, &f.value)?])
}

/// As ONNX has it since opset 23, of operands with their heads side by side.
fn side_by_side(cx: &Context<'_>, f: &Formula) -> Result<Patch, Miss> {
    let flats = flats(cx, f).filter(|[.., value]| value.is_plain(cx)).ok_or(Miss::Silent)?;
    let [Some(heads), Some(size)] = [fixed(cx, &f.query, 1), fixed(cx, &f.value, 3)] else {
        return Err(Miss::Silent);
    };
    let mut patch = Patch::new();
    let operands = flat_operands(&mut patch, &flats);
    let result = attend(cx, f, &mut patch, operands)?;
    patch.set_attr("q_num_heads", heads);
    patch.set_attr("kv_num_heads", heads);
    Ok(replaced(cx, f, patch, result, [heads, size]))
}

/// As ONNX has it since opset 23, of operands with their heads apart.
pub(super) fn apart(cx: &Context<'_>, f: &Formula) -> Result<Patch, Miss> {
    let few = f.key.ungrouped(cx).zip(f.value.ungrouped(cx)).filter(|_| f.way.fold.is_none());
    let (key, value) = few.unwrap_or((f.key, f.value));
    let f = &Formula { key, value, ..f.clone() };
    let mut patch = Patch::new();
    let operands = windowed(&mut patch, f, [f.query, f.key, f.value]);
    let result = attend(cx, f, &mut patch, operands)?;
    let result = f.way.fold.iter().fold(result, |result, fold| fold.part(&mut patch, result));
    let result = if f.query.is_one_head() { without_head(&mut patch, result) } else { result };
    patch.replace(f.output, result);
    Ok(patch)
}

/// `[batch, 1, …]` as `[batch, …]`.
fn without_head(patch: &mut Patch, value: Ref) -> Ref {
    let axis = patch.constant(Tensor::vector(&[1i64]));
    patch.node("Squeeze", [value, axis])
}

fn attend(cx: &Context<'_>, f: &Formula, patch: &mut Patch, operands: [Ref; 3]) -> Result<Ref, Miss> {
    let Emitted { mask, .. } = mask::emit(cx, f, patch, STANDARD)?;
    let mask = Some(mask).filter(|mask| *mask != Ref::Omitted);
    let result = patch.node(ATTENTION, operands.into_iter().chain(mask));
    patch.set_attr("scale", f.way.scale as f32);
    if let Some(bound) = f.way.softcap {
        patch.set_attr("softcap", bound as f32);
    }
    if f.in_float {
        patch.set_attr("softmax_precision", i64::from(DType::F32.code()));
    }
    Ok(result)
}

/// As ONNX Runtime has it: queries, and where they can be keys and values, with their heads side by side.
fn multi_head(cx: &Context<'_>, f: &Formula) -> Result<Patch, Miss> {
    require!(f.way.softcap.is_none(), f.product, "MultiHeadAttention does not bound scores");
    let unknown = || Miss::because("the number and size of heads is not known", f.output);
    let heads = fixed(cx, &f.query, 1).ok_or_else(unknown)?;
    let heads = f.way.fold.map_or(heads, |fold| fold.all_heads);
    let sizes = [&f.query, &f.value].map(|operand| fixed(cx, operand, 3));
    let [Some(size), Some(value_size)] = sizes else { return Err(unknown()) };
    let mut patch = Patch::new();
    let [q, k, v] = if let Some(flats) = flats(cx, f) {
        flat_operands(&mut patch, &flats)
    } else {
        let [q, k, v] = windowed(&mut patch, f, [f.query, f.key, f.value]);
        let mut flat = |value: Ref, size: i64| {
            let turned = transposed(&mut patch, value, HEADS_FIRST);
            let width = heads.checked_mul(size).ok_or_else(unknown)?;
            Ok(reshaped(&mut patch, turned, &[0, 0, width]))
        };
        match size == value_size {
            true => [flat(q, size)?, k, v],
            false => [flat(q, size)?, flat(k, size)?, flat(v, value_size)?],
        }
    };
    let Emitted { mask, emptied } = mask::emit(cx, f, &mut patch, CONTRIB)?;
    let mut inputs = vec![q, k, v];
    if mask != Ref::Omitted {
        inputs.extend([Ref::Omitted, Ref::Omitted, mask]);
    }
    let result = patch.node(MULTI_HEAD, inputs);
    patch.set_attr("num_heads", heads);
    patch.set_attr("scale", f.way.scale as f32);
    let result = emptied.map_or(Ok(result), |rows| rows.emit(f, &mut patch, result))?;
    Ok(replaced(cx, f, patch, result, [heads, value_size]))
}

/// The result with its heads side by side, in place of the output or of what puts its heads side by side.
fn replaced(cx: &Context<'_>, f: &Formula, mut patch: Patch, result: Ref, [heads, size]: [i64; 2]) -> Patch {
    if f.query.is_one_head() && f.way.fold.is_none() {
        patch.replace(f.output, result);
        return patch;
    }
    if let Some(output) = merged(cx, f.output).filter(|_| f.way.fold.is_none()) {
        patch.replace(output, result);
        return patch;
    }
    let split = reshaped(&mut patch, result, &[0, 0, heads, size]);
    let result = transposed(&mut patch, split, HEADS_FIRST);
    let result = f.way.fold.iter().fold(result, |result, fold| fold.part(&mut patch, result));
    let result = if f.query.is_one_head() { without_head(&mut patch, result) } else { result };
    patch.replace(f.output, result);
    patch
}

fn flat_operands(patch: &mut Patch, flats: &[Flat; 3]) -> [Ref; 3] {
    let mut splits = Flats::default();
    flats.each_ref().map(|flat| splits.emit(patch, flat))
}

/// Operands, with what is seen apart from their batches among their heads.
fn windowed(patch: &mut Patch, f: &Formula, operands: [Operand; 3]) -> [Ref; 3] {
    let mut scales = f.way.head_scales;
    operands.map(|operand| {
        let value = operand.emit(patch);
        // The queries come first.
        let scales = scales.take();
        let scaled = |patch: &mut Patch, value: Ref| match scales {
            Some(scales) => patch.node("Mul", [value, scales.into()]),
            None => value,
        };
        match f.way.fold {
            // Heads that are among batches are scaled where they are apart.
            Some(fold) if fold.heads == 1 => {
                let joined = fold.join(patch, value);
                scaled(patch, joined)
            }
            Some(fold) => {
                let value = scaled(patch, value);
                fold.join(patch, value)
            }
            None => scaled(patch, value),
        }
    })
}

fn fixed(cx: &Context<'_>, operand: &Operand, axis: usize) -> Option<i64> {
    operand.shape(cx).and_then(|shape| Dim::as_fixed(&shape[axis])).and_then(|n| i64::try_from(n).ok())
}
