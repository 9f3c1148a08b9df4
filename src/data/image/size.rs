//! The sizes that an image goes through, as `[height, width]`.

use crate::error::{Error, Result};
use crate::recipe::Resize;

/// Pixels of the largest image that is read.
pub(super) const MOST_READ: u64 = 1 << 27;
/// Pixels of the largest image that is made.
pub(super) const MOST_MADE: u64 = 1 << 25;

/// The size that an image of a size is resampled to.
///
/// # Errors
/// It would be absurdly large: the image is a line, say.
pub(super) fn resized(size: [u32; 2], resize: Option<Resize>, multiple: u32) -> Result<[u32; 2]> {
    let [h, w] = size.map(u128::from);
    let near = |n: u128, part: u128, whole: u128| ((2 * n * part + whole) / (2 * whole)).max(1);
    let wanted = match resize {
        None => [h, w],
        Some(Resize::Exact(size)) => size.map(u128::from),
        Some(Resize::Shorter(n)) => {
            let n = u128::from(n);
            if h <= w { [n, n * w / h] } else { [n * h / w, n] }
        }
        Some(Resize::Longer(n)) => {
            let n = u128::from(n);
            if h >= w { [n, near(n, w, h)] } else { [near(n, h, w), n] }
        }
        Some(Resize::Height(n)) => [u128::from(n), (u128::from(n) * w).div_ceil(h)],
        Some(Resize::Fit([most_h, most_w])) => {
            let (most_h, most_w) = (u128::from(most_h), u128::from(most_w));
            if most_h * w <= most_w * h { [most_h, near(most_h, w, h)] } else { [near(most_w, h, w), most_w] }
        }
    };
    let multiple = u128::from(multiple);
    let whole = wanted.map(|side| ((side + multiple / 2) / multiple).max(1).saturating_mul(multiple));
    let [h, w] = whole;
    let fits = h.checked_mul(w).is_some_and(|pixels| pixels <= u128::from(MOST_MADE));
    match (u32::try_from(h), u32::try_from(w)) {
        (Ok(h), Ok(w)) if fits => Ok([h, w]),
        _ => {
            let [from_h, from_w] = size;
            Err(Error::new(format!("an image of {from_h}x{from_w} would be resized to {h}x{w}")))
        }
    }
}

/// Where a crop of the middle begins, rounded half to even as torchvision's.
///
/// # Errors
/// The image is smaller.
pub(super) fn crop_start(size: [u32; 2], crop: [u32; 2]) -> Result<[u32; 2]> {
    let start =
        |side: u32, cut: u32| Some((f64::from(side.checked_sub(cut)?) / 2.0).round_ties_even() as u32);
    match (start(size[0], crop[0]), start(size[1], crop[1])) {
        (Some(top), Some(left)) => Ok([top, left]),
        _ => Err(Error::new(format!(
            "an image of {}x{} is smaller than the crop of {}x{}",
            size[0], size[1], crop[0], crop[1]
        ))
        .with_help("set `resize` in the data's image settings")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn proportions_are_kept_as_each_rule_says() {
        for (resize, size, want) in [
            (Resize::Shorter(256), [333, 500], [256, 384]),
            (Resize::Shorter(256), [500, 333], [384, 256]),
            (Resize::Longer(640), [333, 500], [426, 640]),
            (Resize::Height(48), [30, 100], [48, 160]),
            (Resize::Height(48), [31, 100], [48, 155]),
            (Resize::Exact([7, 9]), [30, 100], [7, 9]),
            (Resize::Fit([640, 640]), [333, 500], [426, 640]),
            (Resize::Fit([48, 192]), [30, 60], [48, 96]),
            (Resize::Fit([10, 10]), [1, 1000], [1, 10]),
        ] {
            assert_eq!(resized(size, Some(resize), 1).unwrap(), want, "{resize:?} of {size:?}");
        }
        assert_eq!(resized([5, 6], None, 1).unwrap(), [5, 6]);
        assert_eq!(resized([47, 3], None, 32).unwrap(), [32, 32]);
        assert_eq!(resized([48, 81], None, 32).unwrap(), [64, 96]);
    }

    #[test]
    fn lines_do_not_become_huge() {
        let error = resized([1, 30_000], Some(Resize::Shorter(256)), 1).unwrap_err();
        assert!(error.message().contains("256x7680000"), "{error}");
        assert!(resized([u32::MAX, u32::MAX], Some(Resize::Longer(u32::MAX)), u32::MAX).is_err());
        assert!(resized([1, u32::MAX], Some(Resize::Height(u32::MAX)), 1).is_err());
    }

    #[test]
    fn crops_are_of_the_middle() {
        assert_eq!(crop_start([256, 384], [224, 224]).unwrap(), [16, 80]);
        assert_eq!(crop_start([5, 7], [4, 4]).unwrap(), [0, 2]);
        assert!(crop_start([5, 7], [5, 8]).unwrap_err().message().contains("5x7"));
    }
}
