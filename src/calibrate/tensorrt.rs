//! Calibration caches of TensorRT, which newer versions of it do not read any more.
//!
//! ```text
//! TRT-8510-EntropyCalibration2
//! input: 3c010a14
//! (Unnamed Layer* 5) [Convolution]_output: 3d5a3f21
//! ```
//!
//! Each number is the scale of a tensor, a big-endian `float32` in hexadecimal digits: it stands for `-127 * scale` to
//! `127 * scale`. (NVIDIA, "Working with Quantized Types", the cache of `IInt8EntropyCalibrator2`.)

use super::range::Range;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Levels above zero of TensorRT's int8.
const LEVELS: f32 = 127.0;

/// Reads the ranges of all tensors in a calibration cache of TensorRT, by name. [`scales_from_tensorrt_cache`] gives the
/// scales as they are there: `127 * scale` is rounded, so that of a range may differ in the last place.
///
/// # Errors
/// As [`scales_from_tensorrt_cache`].
pub fn ranges_from_tensorrt_cache(path: &Path) -> Result<BTreeMap<String, Range>> {
    let scales = scales_from_tensorrt_cache(path)?;
    Ok(scales.into_iter().map(|(name, scale)| (name, Range::around_zero(scale * LEVELS))).collect())
}

/// Reads the scales of all tensors in a calibration cache of TensorRT, by name: of `-127` to `127`, bit by bit.
///
/// # Errors
/// The file cannot be read, its first line is not that of such a cache, a line is not a name and a scale, a scale is
/// negative or no number or too large, or a name comes twice. The error names file and line.
pub fn scales_from_tensorrt_cache(path: &Path) -> Result<BTreeMap<String, f32>> {
    let text = std::fs::read(path).map_err(|e| Error::from(e).in_file(path))?;
    let text = std::str::from_utf8(&text).map_err(|_| not_a_cache().in_file(path))?;
    parse(text).map_err(|e| e.in_file(path))
}

fn parse(text: &str) -> Result<BTreeMap<String, f32>> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().map(|(_, line)| line.trim()).unwrap_or_default();
    if !(header.starts_with("TRT-") && header.contains("Calibration")) {
        return Err(not_a_cache());
    }
    let mut scales = BTreeMap::new();
    for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let (name, scale) = entry(line).map_err(|what| wrong(at, what))?;
        if scales.insert(name.to_owned(), scale).is_some() {
            return Err(wrong(at, &format!("'{name}' comes twice")));
        }
    }
    Ok(scales)
}

/// Names may hold colons; the last one ends the name.
fn entry(line: &str) -> Result<(&str, f32), &'static str> {
    let (name, digits) = line.trim().rsplit_once(':').ok_or("there is no colon between name and scale")?;
    let digits = digits.trim();
    let is_hex = digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let bits = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex);
    let scale = f32::from_bits(bits.ok_or("the scale is not up to 8 hexadecimal digits")?);
    let limit = scale * LEVELS;
    if !(limit.is_finite() && limit >= 0.0) {
        return Err("the scale is negative, no number or too large");
    }
    Ok((name.trim(), scale))
}

fn wrong(line: usize, what: &str) -> Error {
    Error::new(format!("line {}: {what}", line + 1))
}

fn not_a_cache() -> Error {
    Error::new("line 1: this is no calibration cache of TensorRT")
        .with_help("such a file begins with a line like TRT-8510-EntropyCalibration2")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEADER: &str = "TRT-8510-EntropyCalibration2";

    #[test]
    fn scales_become_ranges() {
        let text = format!(
            "{HEADER}\r\ninput: 3c010a14\r\n\n(Unnamed Layer* 5) [Fully: Connected]_output: 3f800000\nz: 0\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.cache");
        std::fs::write(&path, text).unwrap();
        let (ranges, scales) =
            (ranges_from_tensorrt_cache(&path).unwrap(), scales_from_tensorrt_cache(&path).unwrap());
        assert_eq!((ranges.len(), scales.len()), (3, 3));
        assert_eq!(scales["input"].to_bits(), 0x3c01_0a14);
        assert_eq!(ranges["input"].max, 127.0 * f32::from_bits(0x3c01_0a14));
        assert_eq!(ranges["(Unnamed Layer* 5) [Fully: Connected]_output"], Range { min: -127.0, max: 127.0 });
        assert_eq!(ranges["z"], Range::default());
    }

    #[test]
    fn errors_name_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.cache");
        let cases = [
            ("", 1),
            ("a: 3f800000", 1),
            ("TRT-8510-EntropyCalibration2\na 3f800000", 2),
            ("TRT-8510-EntropyCalibration2\na: 3f800000\n\nb: 3f80000g", 4),
            ("TRT-8510-EntropyCalibration2\na: 3f80000000", 2),
            ("TRT-8510-EntropyCalibration2\na: +3f8000", 2),
            ("TRT-8510-EntropyCalibration2\na: bf800000", 2),
            ("TRT-8510-EntropyCalibration2\na: 7f800000", 2),
            ("TRT-8510-EntropyCalibration2\na: 7fc00000", 2),
            ("TRT-8510-EntropyCalibration2\na: 7f7fffff", 2),
            ("TRT-8510-EntropyCalibration2\na: 0\na: 0", 3),
        ];
        for (text, line) in cases {
            std::fs::write(&path, text).unwrap();
            let error = ranges_from_tensorrt_cache(&path).unwrap_err();
            assert_eq!(error.file(), Some(path.as_path()));
            assert!(error.message().starts_with(&format!("line {line}: ")), "{text:?}: {error}");
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(ranges_from_tensorrt_cache(&path).is_err());
        assert!(ranges_from_tensorrt_cache(folder.path()).is_err());
    }
}
