//! Images of another size: pixels resampled as the library does that prepared the model's training data.
//!
//! Sides and what lies between the two axes are bounded before anything is made: a line of 100 million pixels is a small
//! file.

use super::{opencv, pillow};
use crate::error::{Error, Result};
use crate::recipe::Filter;
use ::image::RgbImage;

/// The longest side of an image that is resized. Weights of a side take up to 24 bytes a pixel.
const LONGEST: u32 = 1 << 20;
/// Pixels that the image between the two axes may have: so wide as the result, so high as the original.
const MOST_BETWEEN: u64 = 1 << 27;

/// The image with sides of `[height, width]`.
///
/// # Errors
/// A side is too long, or the image would be too large between the axes.
pub(super) fn resample(image: RgbImage, to: [u32; 2], filter: Filter) -> Result<RgbImage> {
    let from = [image.height(), image.width()];
    if from == to {
        return Ok(image);
    }
    check(from, to)?;
    Ok(match filter {
        Filter::Nearest => nearest(&image, to),
        Filter::Box => pillow::resize(image, to, pillow::Kernel::BOX),
        Filter::Bilinear => pillow::resize(image, to, pillow::Kernel::BILINEAR),
        Filter::Bicubic => pillow::resize(image, to, pillow::Kernel::BICUBIC),
        Filter::Lanczos => pillow::resize(image, to, pillow::Kernel::LANCZOS),
        Filter::Linear => opencv::linear(&image, to),
        Filter::Cubic => opencv::cubic(&image, to),
    })
}

fn check(from: [u32; 2], to: [u32; 2]) -> Result<()> {
    let help = "remove it, or cut it into pieces of the proportions that the model was trained on";
    let [h, w] = from;
    if h > LONGEST || w > LONGEST {
        let message =
            format!("an image of {h}x{w} is resized, which takes sides of at most {LONGEST} pixels");
        return Err(Error::new(message).with_help(help));
    }
    let between = u64::from(h) * u64::from(to[1]);
    if between > MOST_BETWEEN {
        let message = format!(
            "an image of {h}x{w} resized to {}x{} would be {h}x{} between the two axes, which is too large",
            to[0], to[1], to[1]
        );
        return Err(Error::new(message).with_help(help));
    }
    Ok(())
}

/// The pixel in which the middle of the new one lies: Pillow's `NEAREST`.
fn nearest(image: &RgbImage, [height, width]: [u32; 2]) -> RgbImage {
    let places = |from: u32, to: u32| -> Vec<u32> {
        let scale = f64::from(from) / f64::from(to);
        (0..to).map(|at| (((f64::from(at) + 0.5) * scale) as u32).min(from - 1)).collect()
    };
    let (columns, rows) = (places(image.width(), width), places(image.height(), height));
    RgbImage::from_fn(width, height, |x, y| *image.get_pixel(columns[x as usize], rows[y as usize]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ::image::Rgb;

    /// `(31 x² + 73 y + 97 c + 11 x y) mod 256` of column x, row y, channel c.
    fn picture(height: u32, width: u32) -> RgbImage {
        let one = |x: u32, y: u32, c: u32| ((31 * x * x + 73 * y + 97 * c + 11 * x * y) % 256) as u8;
        RgbImage::from_fn(width, height, |x, y| Rgb([0, 1, 2].map(|c| one(x, y, c))))
    }

    fn numbers(from: [u32; 2], to: [u32; 2], filter: Filter) -> Vec<u8> {
        resample(picture(from[0], from[1]), to, filter).unwrap().into_raw()
    }

    fn weighed(numbers: &[u8]) -> u64 {
        numbers.iter().enumerate().map(|(at, &n)| (at as u64 % 251 + 1) * u64::from(n)).sum()
    }

    /// `numpy.asarray(PIL.Image.fromarray(picture).resize((width, height), filter))` of Pillow 11.3.0: 7x9 shrunk to 3x4;
    /// enlarged to 11x13, and 101x67 to 24x90, each number times its place modulo 251, from 1 on, added up.
    #[test]
    fn pillow_gives_the_same_numbers() {
        let expected: [(Filter, [u8; 36], u64, u64); 5] = [
            (
                Filter::Nearest,
                [
                    115, 212, 53, 129, 226, 67, 135, 232, 73, 133, 230, 71, 27, 124, 221, 85, 182, 23, 135,
                    232, 73, 177, 18, 115, 195, 36, 133, 41, 138, 235, 135, 232, 73, 221, 62, 159,
                ],
                6_110_663,
                102_690_261,
            ),
            (
                Filter::Box,
                [
                    55, 152, 121, 140, 151, 120, 117, 150, 119, 166, 135, 104, 123, 135, 147, 163, 118, 129,
                    109, 163, 132, 85, 97, 108, 128, 97, 130, 115, 127, 138, 80, 177, 146, 175, 144, 113,
                ],
                6_110_663,
                103_653_459,
            ),
            (
                Filter::Bilinear,
                [
                    97, 149, 120, 135, 144, 136, 120, 147, 125, 136, 138, 118, 128, 138, 145, 141, 136, 116,
                    121, 148, 121, 124, 100, 113, 125, 112, 123, 126, 121, 144, 93, 148, 148, 143, 153, 103,
                ],
                6_171_632,
                103_498_376,
            ),
            (
                Filter::Bicubic,
                [
                    92, 149, 119, 137, 146, 138, 122, 148, 123, 138, 135, 121, 130, 142, 148, 147, 131, 116,
                    123, 149, 121, 114, 98, 112, 124, 110, 121, 127, 118, 142, 87, 151, 153, 149, 156, 97,
                ],
                6_171_248,
                103_457_158,
            ),
            (
                Filter::Lanczos,
                [
                    91, 148, 120, 137, 146, 141, 123, 149, 121, 137, 136, 124, 135, 146, 146, 147, 129, 117,
                    125, 150, 119, 112, 98, 115, 122, 111, 120, 128, 115, 142, 84, 151, 157, 154, 159, 90,
                ],
                6_178_767,
                103_250_895,
            ),
        ];
        for (filter, shrunk, enlarged, mixed) in expected {
            assert_eq!(numbers([7, 9], [3, 4], filter), shrunk, "{filter:?}");
            assert_eq!(weighed(&numbers([7, 9], [11, 13], filter)), enlarged, "{filter:?}");
            assert_eq!(weighed(&numbers([101, 67], [24, 90], filter)), mixed, "{filter:?}");
        }
    }

    /// `cv2.resize(picture, (width, height), interpolation=filter)` of OpenCV 4.14.0 on x86-64: 7x9 shrunk to 3x4, and 3x3
    /// enlarged to 5x4.
    #[test]
    fn opencv_gives_numbers_that_differ_by_one_at_most() {
        let expected: [(Filter, [u8; 36], [u8; 60]); 2] = [
            (
                Filter::Linear,
                [
                    72, 170, 96, 105, 181, 118, 104, 179, 116, 153, 165, 91, 99, 100, 197, 94, 191, 32, 150,
                    215, 88, 172, 13, 110, 136, 94, 127, 81, 168, 169, 89, 186, 123, 190, 116, 128,
                ],
                [
                    0, 97, 194, 19, 116, 213, 66, 163, 164, 124, 221, 62, 29, 126, 121, 51, 148, 143, 101,
                    159, 135, 162, 156, 100, 73, 170, 11, 99, 196, 37, 154, 155, 92, 219, 60, 157, 117, 214,
                    55, 147, 148, 85, 149, 112, 145, 122, 117, 214, 146, 243, 84, 179, 116, 117, 146, 83,
                    180, 58, 155, 252,
                ],
            ),
            (
                Filter::Cubic,
                [
                    52, 192, 82, 95, 199, 106, 117, 195, 106, 161, 191, 67, 82, 87, 212, 94, 191, 29, 152,
                    222, 90, 164, 5, 102, 152, 73, 140, 60, 184, 180, 103, 206, 101, 226, 97, 141,
                ],
                [
                    0, 88, 209, 2, 96, 251, 59, 165, 177, 121, 245, 39, 21, 116, 115, 33, 156, 146, 103, 171,
                    134, 181, 150, 88, 70, 167, 8, 88, 214, 26, 157, 162, 95, 226, 49, 164, 119, 228, 39,
                    160, 152, 60, 162, 99, 144, 124, 106, 231, 149, 255, 87, 206, 90, 113, 154, 49, 193, 31,
                    174, 255,
                ],
            ),
        ];
        for (filter, shrunk, enlarged) in expected {
            let near = |got: &[u8], want: &[u8]| got.iter().zip(want).all(|(a, b)| a.abs_diff(*b) <= 1);
            let (small, large) = (numbers([7, 9], [3, 4], filter), numbers([3, 3], [5, 4], filter));
            assert!(near(&small, &shrunk), "{filter:?} {small:?}");
            assert!(near(&large, &enlarged), "{filter:?} {large:?}");
        }
    }

    #[test]
    fn a_flat_image_stays_flat() {
        use Filter::{Bicubic, Bilinear, Box, Cubic, Lanczos, Linear, Nearest};
        for filter in [Nearest, Box, Bilinear, Bicubic, Lanczos, Linear, Cubic] {
            for (from, to) in [([5, 7], [1, 1]), ([5, 7], [40, 3]), ([1, 1], [4, 4])] {
                let flat = RgbImage::from_pixel(from[1], from[0], Rgb([0, 255, 77]));
                let got = resample(flat, to, filter).unwrap();
                assert!(got.pixels().all(|p| *p == Rgb([0, 255, 77])), "{filter:?} {from:?} {to:?}");
            }
        }
    }

    #[test]
    fn lines_are_refused_before_anything_is_made() {
        let line = |h, w, to| resample(RgbImage::new(w, h), to, Filter::Bilinear).unwrap_err();
        let long = line(1, 1 << 21, [224, 224]);
        assert!(long.message().contains("1x2097152") && long.help().is_some(), "{long}");
        let high = line(1 << 20, 1, [224, 224]);
        assert!(high.message().contains("1048576x224 between the two axes"), "{high}");
        assert!(high.help().is_some());
        // The same pixels are no trouble where nothing is resized.
        assert!(resample(RgbImage::new(1 << 21, 1), [1, 1 << 21], Filter::Bilinear).is_ok());
    }
}
