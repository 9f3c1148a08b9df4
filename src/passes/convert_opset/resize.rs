//! `Upsample` becomes `Resize`, and `Resize` says its coordinates.
//!
//! Before version 11 an output element's place in the operand was `x / scale`. The nearest element was
//! below it where an axis grew and above it where it shrank, as the node test `resize_downsample_nearest`
//! of those versions and ONNX Runtime have it.

use super::draft::{Draft, Operand, Refused};
use crate::tensor::Tensor;

pub(super) fn upsample_9(d: &mut Draft<'_>) -> Result<(), Refused> {
    let scales = d.floats("scales")?.ok_or("'scales' is missing")?;
    d.drop_attr("scales");
    d.put(1, Operand::New("scales", Tensor::vector(&scales)));
    Ok(())
}

pub(super) fn upsample_10(d: &mut Draft<'_>) -> Result<(), Refused> {
    d.rename("Resize");
    d.upscales = true;
    Ok(())
}

pub(super) fn resize_11(d: &mut Draft<'_>) -> Result<(), Refused> {
    match d.text("mode", "nearest")?.as_str() {
        "nearest" => {
            let rounding = nearest_mode(d)?;
            d.set("nearest_mode", rounding);
        }
        "linear" => {}
        other => return Err(format!("'mode' is '{other}'")),
    }
    d.set("coordinate_transformation_mode", "asymmetric");
    // Only version 11 demands the operand; nothing reads it in this mode.
    let roi = if d.to < 13 { Operand::New("roi", Tensor::vector::<f32>(&[])) } else { Operand::Omitted };
    d.insert(1, roi);
    Ok(())
}

fn nearest_mode(d: &Draft<'_>) -> Result<&'static str, Refused> {
    if d.upscales {
        return Ok("floor");
    }
    let scales = d.constant(1).and_then(|t| t.to_f64s()).ok_or("its scales are no constant")?;
    if scales.iter().all(|&s| s >= 1.0) {
        Ok("floor")
    } else if scales.iter().all(|&s| s <= 1.0) {
        Ok("ceil")
    } else {
        Err("its scales grow one axis and shrink another".into())
    }
}

/// Version 13 has lost one mode, and an operand that is not given is left out instead of empty.
pub(super) fn resize_13(d: &mut Draft<'_>) -> Result<(), Refused> {
    if d.text("coordinate_transformation_mode", "half_pixel")? == "tf_half_pixel_for_nn" {
        return Err("'tf_half_pixel_for_nn' is gone".into());
    }
    for index in [1, 2] {
        if d.constant(index).is_some_and(|t| t.is_empty()) {
            d.put(index, Operand::Omitted);
        }
    }
    Ok(())
}
