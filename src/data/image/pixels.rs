//! Pixels become numbers: channels, padding, scaling, layout.

use super::plan::{Plan, channel_count};
use super::size::MOST_MADE;
use crate::data::numbers;
use crate::error::{Error, Result};
use crate::recipe::{Channels, Layout, Place};
use crate::tensor::Tensor;
use ::image::{Rgb, RgbImage};

/// The tensor of an image of its final size.
///
/// # Errors
/// The input is of integers, and a number is none of them.
pub(super) fn tensor(image: &RgbImage, plan: &Plan) -> Result<Tensor> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let [least_h, least_w] = plan.pad.map_or([0, 0], |pad| pad.to.map(|side| side as usize));
    let (h, w) = (height.max(least_h), width.max(least_w));
    if h.checked_mul(w).is_none_or(|pixels| pixels as u64 > MOST_MADE) {
        return Err(Error::new(format!("an image of {height}x{width} would be padded to {h}x{w}"))
            .with_help("set `resize` in the data's image settings"));
    }
    let (top, left) = match plan.pad.map(|pad| pad.image) {
        Some(Place::Center) => ((h - height) / 2, (w - width) / 2),
        _ => (0, 0),
    };
    let count = channel_count(plan.channels);
    let at = |channel: usize, y: usize, x: usize| match plan.layout {
        Layout::Nchw => (channel * h + y) * w + x,
        Layout::Nhwc => (y * w + x) * count + channel,
    };
    let number = |pixel: f64, channel: usize| (pixel * plan.scale - plan.mean[channel]) / plan.std[channel];
    let mut values = vec![0.0; count * h * w];
    let value = plan.pad.map_or(0.0, |pad| pad.value);
    for channel in 0..count {
        let around = number(value, channel);
        for y in 0..h {
            for x in 0..w {
                let (row, column) = (y.wrapping_sub(top), x.wrapping_sub(left));
                let inside = row < height && column < width;
                values[at(channel, y, x)] = if inside {
                    number(pixel(image.get_pixel(column as u32, row as u32), channel, plan.channels), channel)
                } else {
                    around
                };
            }
        }
    }
    let dims = match plan.layout {
        Layout::Nchw => [count, h, w],
        Layout::Nhwc => [h, w, count],
    };
    numbers::tensor(plan.dtype, &numbers::batched(&dims, plan.rank), &values)
}

fn pixel(Rgb([r, g, b]): &Rgb<u8>, channel: usize, channels: Channels) -> f64 {
    let of = match channels {
        Channels::Rgb => [r, g, b][channel],
        Channels::Bgr => [b, g, r][channel],
        Channels::Gray => return luma(*r, *g, *b),
    };
    f64::from(*of)
}

/// ITU-R BT.601 in the whole numbers of Pillow's `L`.
fn luma(r: u8, g: u8, b: u8) -> f64 {
    let sum = 19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 0x8000;
    f64::from(sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_is_that_of_bt_601() {
        // 0.299 · 255 = 76.2, 0.587 · 255 = 149.7, 0.114 · 255 = 29.1
        assert_eq!(
            [luma(255, 0, 0), luma(0, 255, 0), luma(0, 0, 255), luma(255, 255, 255)],
            [76.0, 150.0, 29.0, 255.0]
        );
    }
}
