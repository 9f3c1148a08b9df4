//! The sizes that an image goes through, as `[height, width]`.

use crate::error::{Error, Result};
use crate::recipe::{Cut, Resize};
use std::cmp::Ordering;

/// Pixels of the largest image that is read.
pub(super) const MOST_READ: u64 = 1 << 27;
/// Pixels of the largest image that is made.
pub(super) const MOST_MADE: u64 = 1 << 25;

/// A side in proportion, not yet whole: so many parts of a pixel.
#[derive(Clone, Copy)]
struct Side {
    parts: u128,
    of: u128,
    round: Round,
}

#[derive(Clone, Copy)]
enum Round {
    Down,
    Near,
    Up,
}

impl Side {
    fn whole(pixels: u128) -> Self {
        Self { parts: pixels, of: 1, round: Round::Near }
    }

    /// The pixels; of a multiple above 1 the nearest, rounded once.
    fn pixels(self, multiple: u128) -> u128 {
        let pixels = match self.round {
            _ if multiple > 1 => nearest(self.parts, self.of.saturating_mul(multiple)),
            Round::Down => self.parts / self.of,
            Round::Near => nearest(self.parts, self.of),
            Round::Up => self.parts.div_ceil(self.of),
        };
        pixels.max(1).saturating_mul(multiple)
    }

    fn at_most(self, pixels: u128) -> Self {
        if self.parts.div_ceil(self.of) > pixels { Self::whole(pixels) } else { self }
    }
}

/// The nearest whole number, of two the even one, as Python's `round`.
fn nearest(parts: u128, of: u128) -> u128 {
    let (whole, rest) = (parts / of, parts % of);
    let up = match (2 * rest).cmp(&of) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => whole % 2 == 1,
    };
    whole + u128::from(up)
}

/// The size that an image of a size is resampled to.
///
/// # Errors
/// It would be absurdly large: the image is a line, say.
pub(super) fn resized(size: [u32; 2], resize: Option<Resize>, multiple: u32) -> Result<[u32; 2]> {
    let [h, w] = size.map(u128::from);
    let whole = Side::whole;
    // A side that becomes `n` pixels times `part / of`.
    let share = |n: u32, part: u128, of: u128, round| Side { parts: u128::from(n) * part, of, round };
    // Height and width where the height becomes `n`, and where the width does.
    let by_height = |n: u32, round| [whole(n.into()), share(n, w, h, round)];
    let by_width = |n: u32, round| [share(n, h, w, round), whole(n.into())];
    let wanted = match resize {
        None => [whole(h), whole(w)],
        Some(Resize::Exact(size)) => size.map(|side| whole(side.into())),
        Some(Resize::Shorter(n)) if h <= w => by_height(n, Round::Down),
        Some(Resize::Shorter(n)) => by_width(n, Round::Down),
        Some(Resize::Most(n)) if h.max(w) <= n.into() => [whole(h), whole(w)],
        Some(Resize::Longer(n) | Resize::Most(n)) if h >= w => by_height(n, Round::Near),
        Some(Resize::Longer(n) | Resize::Most(n)) => by_width(n, Round::Near),
        Some(Resize::Height(n)) => by_height(n, Round::Up),
        Some(Resize::Line([n, most])) => {
            let [height, width] = by_height(n, Round::Up);
            [height, width.at_most(most.into())]
        }
        Some(Resize::Fit([most_h, most_w])) if u128::from(most_h) * w <= u128::from(most_w) * h => {
            by_height(most_h, Round::Near)
        }
        Some(Resize::Fit([_, most_w])) => by_width(most_w, Round::Near),
    };
    let [h, w] = wanted.map(|side| side.pixels(multiple.into()));
    let fits = h.checked_mul(w).is_some_and(|pixels| pixels <= u128::from(MOST_MADE));
    match (u32::try_from(h), u32::try_from(w)) {
        (Ok(h), Ok(w)) if fits => Ok([h, w]),
        _ => {
            let [from_h, from_w] = size;
            Err(Error::new(format!("an image of {from_h}x{from_w} would be resized to {h}x{w}")).with_help(
                "remove it, or set `resize` in the data's image settings to a rule that bounds both sides",
            ))
        }
    }
}

/// What is cut out before resizing: where it begins, and its size.
///
/// A square begins as TensorFlow's EfficientNet has it, a share of both sides as `tf.image.central_crop` has it.
pub(super) fn cut([h, w]: [u32; 2], cut: Cut) -> ([u32; 2], [u32; 2]) {
    match cut {
        Cut::Square(share) => {
            let side = ((f64::from(h.min(w)) * share) as u32).max(1);
            ([(h - side).div_ceil(2), (w - side).div_ceil(2)], [side, side])
        }
        Cut::Share(share) => {
            let start = |side: u32| (((1.0 - share) * f64::from(side) / 2.0) as u32).min((side - 1) / 2);
            let starts = [start(h), start(w)];
            (starts, [h - 2 * starts[0], w - 2 * starts[1]])
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
            (Resize::Line([48, 192]), [30, 60], [48, 96]),
            (Resize::Line([48, 192]), [31, 100], [48, 155]),
            (Resize::Line([48, 192]), [30, 121], [48, 192]),
            (Resize::Most(960), [333, 500], [333, 500]),
            (Resize::Most(960), [1000, 2000], [480, 960]),
        ] {
            assert_eq!(resized(size, Some(resize), 1).unwrap(), want, "{resize:?} of {size:?}");
        }
        assert_eq!(resized([5, 6], None, 1).unwrap(), [5, 6]);
        assert_eq!(resized([47, 3], None, 32).unwrap(), [32, 32]);
        // Half way between two multiples, the even one.
        assert_eq!(resized([48, 81], None, 32).unwrap(), [64, 96]);
        assert_eq!(resized([80, 144], None, 32).unwrap(), [64, 128]);
    }

    #[test]
    fn a_multiple_is_rounded_to_once() {
        // 64 * 119 / 160 = 47.6, nearer to 32 than to 64, though 48 is as near to either.
        assert_eq!(resized([119, 160], Some(Resize::Longer(64)), 32).unwrap(), [32, 64]);
        // PaddleOCR's detector: 960 * 1080 / 1920 = 540 -> 544; smaller images are not enlarged.
        assert_eq!(resized([1080, 1920], Some(Resize::Most(960)), 32).unwrap(), [544, 960]);
        assert_eq!(resized([20, 100], Some(Resize::Most(960)), 32).unwrap(), [32, 96]);
    }

    #[test]
    fn cuts_are_of_the_middle() {
        // int(0.875 * 333) = 291; (333 - 291 + 1) // 2 = 21; (500 - 291 + 1) // 2 = 105
        assert_eq!(cut([333, 500], Cut::Square(0.875)), ([21, 105], [291, 291]));
        // int((333 - 333 * 0.875) / 2) = 20; int(31.25) = 31
        assert_eq!(cut([333, 500], Cut::Share(0.875)), ([20, 31], [293, 438]));
        for share in [1e-9, 0.5, 1.0] {
            for size in [[1, 1], [1, 9], [2, 2]] {
                let ([top, left], [h, w]) = cut(size, Cut::Share(share));
                assert!(h > 0 && w > 0 && top + h <= size[0] && left + w <= size[1]);
                let ([top, left], [h, w]) = cut(size, Cut::Square(share));
                assert!(h > 0 && w > 0 && top + h <= size[0] && left + w <= size[1]);
            }
        }
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
