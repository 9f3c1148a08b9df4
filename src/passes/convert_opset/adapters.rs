//! What each changed version demands of a node, one small function a change.
//!
//! Source: the texts of the versions in the ONNX operator specification ("Changelog for Operators").

use super::draft::{Draft, Operand, Refused};
use super::resize::{resize_11, resize_13, upsample_9, upsample_10};
use super::softmax::softmax_13;
use crate::tensor::{DType, Tensor};

/// Takes a node over one version of its op.
pub(super) type Adapter = fn(&mut Draft<'_>) -> Result<(), Refused>;

/// The adapter of an op's step to the version that begins at opset `since`.
pub(super) fn adapter(op: &str, since: i64) -> Option<Adapter> {
    Some(match (op, since) {
        ("BatchNormalization", 9) => batch_norm_9,
        ("BatchNormalization", 14) => keep_first_output,
        ("Clip", 11) => clip_11,
        ("ConvTranspose", 11) => conv_transpose_11,
        ("DFT", 20) => dft_20,
        ("Dropout", 10) => keep_first_output,
        ("Dropout", 12) => dropout_12,
        ("GridSample", 20) => grid_sample_20,
        ("GroupNormalization", 21) => group_norm_21,
        ("Pad", 11) => pad_11,
        ("QuantizeLinear", 19) => quantize_linear_19,
        (
            "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax" | "ReduceMean"
            | "ReduceMin" | "ReduceProd" | "ReduceSumSquare",
            18,
        )
        | ("ReduceSum" | "Squeeze", 13) => optional_axes,
        ("Resize", 11) => resize_11,
        ("Resize", 13) => resize_13,
        ("RoiAlign", 16) => roi_align_16,
        ("Scatter", 11) => scatter_11,
        ("Slice", 10) => slice_10,
        ("Softmax" | "LogSoftmax" | "Hardmax", 13) => softmax_13,
        ("Split", 13) => split_13,
        ("Split", 18) => split_18,
        ("TopK", 10) => top_k_10,
        ("Unsqueeze", 13) => unsqueeze_13,
        ("Upsample", 9) => upsample_9,
        ("Upsample", 10) => upsample_10,
        _ => return None,
    })
}

/// Later outputs have lost their meaning or changed their type.
fn keep_first_output(d: &mut Draft<'_>) -> Result<(), Refused> {
    d.keep_first_output()
}

/// Version 9 has lost `spatial=0`: statistics for each position.
fn batch_norm_9(d: &mut Draft<'_>) -> Result<(), Refused> {
    if d.int("spatial")?.unwrap_or(1) == 0 {
        return Err("'spatial' is 0".into());
    }
    d.drop_attr("spatial");
    Ok(())
}

/// Bounds become operands. Absent ones were those of `float`, and are those of the operand's type.
fn clip_11(d: &mut Draft<'_>) -> Result<(), Refused> {
    let bounds = [d.float("min")?.unwrap_or(f32::MIN), d.float("max")?.unwrap_or(f32::MAX)];
    let dtype = d.dtype(0).ok_or("the element type of its operand is unknown")?;
    for (index, (name, bound)) in ["min", "max"].into_iter().zip(bounds).enumerate() {
        d.drop_attr(name);
        if bound.abs() < f32::MAX || bound.is_nan() || dtype == DType::F64 {
            let tensor = number(dtype, bound)?;
            d.put(index + 1, Operand::New(name, tensor));
        }
    }
    Ok(())
}

/// The formula of automatic padding put an odd element at the other end before version 11.
fn conv_transpose_11(d: &mut Draft<'_>) -> Result<(), Refused> {
    if d.text("auto_pad", "NOTSET")?.starts_with("SAME") {
        return Err("'auto_pad' had another meaning".into());
    }
    if d.ints("output_shape")?.is_some_and(|shape| !shape.is_empty()) {
        return Err("'output_shape' was padded in another way".into());
    }
    Ok(())
}

fn dft_20(d: &mut Draft<'_>) -> Result<(), Refused> {
    let axis = d.int("axis")?.unwrap_or(1);
    d.drop_attr("axis");
    d.put(2, Operand::New("axis", Tensor::scalar(axis)));
    Ok(())
}

/// The mask of an inactive `Dropout` is all ones since version 12, and was left open before.
fn dropout_12(d: &mut Draft<'_>) -> Result<(), Refused> {
    d.keep_first_output()?;
    let ratio = d.float("ratio")?;
    d.drop_attr("ratio");
    if let Some(ratio) = ratio.filter(|&r| r != 0.5) {
        d.put(1, Operand::New("ratio", Tensor::scalar(ratio)));
    }
    Ok(())
}

fn grid_sample_20(d: &mut Draft<'_>) -> Result<(), Refused> {
    match d.text("mode", "bilinear")?.as_str() {
        "bilinear" => d.drop_attr("mode"),
        "bicubic" => d.set("mode", "cubic"),
        _ => {}
    }
    Ok(())
}

/// Scale and bias of each group become those of each channel; the first stage keeps the operand's precision.
fn group_norm_21(d: &mut Draft<'_>) -> Result<(), Refused> {
    let groups = d.int("num_groups")?.and_then(|g| usize::try_from(g).ok()).filter(|&g| g > 0);
    let groups = groups.ok_or("'num_groups' is no positive number")?;
    let channels = d.shape(0).and_then(|s| s.get(1)?.as_fixed()).and_then(|c| usize::try_from(c).ok());
    let channels = channels.ok_or("the number of channels is unknown")?;
    if !channels.is_multiple_of(groups) {
        return Err("the channels do not fall into equal groups".into());
    }
    let dtype = d.dtype(0).ok_or("the element type of its operand is unknown")?;
    if channels != groups {
        for (index, name) in [(1, "scale"), (2, "bias")] {
            let tensor = d.constant(index).ok_or_else(|| format!("its {name} is no constant"))?;
            let tensor = repeat_each(&tensor, groups, channels / groups)
                .ok_or_else(|| format!("its {name} is not of one number for each group"))?;
            d.put(index, Operand::New(name, tensor));
        }
    }
    if dtype != DType::F32 {
        d.set("stash_type", i64::from(dtype.code()));
    }
    Ok(())
}

/// `[a, b]` repeated twice is `[a, a, b, b]`.
fn repeat_each(tensor: &Tensor, len: usize, times: usize) -> Option<Tensor> {
    let width = tensor.dtype().bits() / 8;
    if tensor.shape() != [len] || width == 0 {
        return None;
    }
    let bytes: Vec<u8> = tensor.bytes()?.chunks_exact(width).flat_map(|c| c.repeat(times)).collect();
    Tensor::from_bytes(tensor.dtype(), &[len.checked_mul(times)?], bytes).ok()
}

fn pad_11(d: &mut Draft<'_>) -> Result<(), Refused> {
    let pads = d.ints("pads")?.ok_or("'pads' is missing")?;
    let value = d.float("value")?.unwrap_or(0.0);
    d.drop_attr("pads");
    d.drop_attr("value");
    d.put_ints(1, "pads", &pads);
    if value.to_bits() != 0 {
        let dtype = d.dtype(0).ok_or("the element type of its operand is unknown")?;
        d.put(2, Operand::New("value", number(dtype, value)?));
    }
    Ok(())
}

/// From version 19 on the scale is of the operand's type: `int32` with a `float` scale is gone.
fn quantize_linear_19(d: &mut Draft<'_>) -> Result<(), Refused> {
    match (d.dtype(0), d.dtype(1)) {
        (Some(DType::F32), _) => Ok(()),
        (Some(x), Some(scale)) if x == scale => Ok(()),
        (None, _) | (_, None) => Err("the element type of its operand is unknown".into()),
        _ => Err("its scale is of another type than its operand".into()),
    }
}

fn optional_axes(d: &mut Draft<'_>) -> Result<(), Refused> {
    let axes = d.ints("axes")?.unwrap_or_default();
    d.drop_attr("axes");
    if !axes.is_empty() {
        d.put_ints(1, "axes", &axes);
    }
    Ok(())
}

fn unsqueeze_13(d: &mut Draft<'_>) -> Result<(), Refused> {
    let axes = d.ints("axes")?.ok_or("'axes' is missing")?;
    d.drop_attr("axes");
    d.put_ints(1, "axes", &axes);
    Ok(())
}

fn roi_align_16(d: &mut Draft<'_>) -> Result<(), Refused> {
    d.set("coordinate_transformation_mode", "output_half_pixel");
    Ok(())
}

fn scatter_11(d: &mut Draft<'_>) -> Result<(), Refused> {
    d.rename("ScatterElements");
    Ok(())
}

fn slice_10(d: &mut Draft<'_>) -> Result<(), Refused> {
    for (index, name) in [(1, "starts"), (2, "ends")] {
        let values = d.ints(name)?.ok_or_else(|| format!("'{name}' is missing"))?;
        d.drop_attr(name);
        d.put_ints(index, name, &values);
    }
    if let Some(axes) = d.ints("axes")? {
        d.drop_attr("axes");
        d.put_ints(3, "axes", &axes);
    }
    Ok(())
}

fn split_13(d: &mut Draft<'_>) -> Result<(), Refused> {
    let sizes = d.ints("split")?.unwrap_or_default();
    d.drop_attr("split");
    if !sizes.is_empty() {
        d.put_ints(1, "split", &sizes);
    }
    Ok(())
}

fn split_18(d: &mut Draft<'_>) -> Result<(), Refused> {
    if !d.has(1) {
        d.set("num_outputs", d.outputs() as i64);
    }
    Ok(())
}

fn top_k_10(d: &mut Draft<'_>) -> Result<(), Refused> {
    let k = d.int("k")?.ok_or("'k' is missing")?;
    d.drop_attr("k");
    d.put_ints(1, "k", &[k]);
    Ok(())
}

fn number(dtype: DType, value: f32) -> Result<Tensor, Refused> {
    Tensor::from_f64s(dtype, &[], &[f64::from(value)]).map_err(|e| e.message().to_owned())
}
