//! Arrays that NumPy saved: `.npy`, and `.npz`, a zip of them.
//!
//! Source: NumPy, "NPY format", versions 1.0 to 3.0. Either byte order and either element order; strings as `U`
//! (UTF-32, written as UTF-8) and `S`. A void type of the right width (`V1`, `V2`: what NumPy knows `bfloat16` and
//! the 8-bit floats as) is taken for what the model wants. Pickled objects are refused.

use super::inputs::Input;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor, element_count};
use bytes::Bytes;
use std::fs::File;
use std::io::Read;
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Bytes of the longest header that is read; NumPy refuses more than 10,000.
const MOST_HEADER: usize = 1 << 16;

/// Reads one array of a file or archive member of so many bytes. What the header says is held against these before any
/// data is read or expanded, and against the input that the array is for, where that is known.
pub(super) fn read(source: impl Read, length: u64, input: Option<&Input>) -> Result<Tensor> {
    let check = |dtype, shape: &[usize]| input.map_or(Ok(()), |input| input.check_tensor(dtype, shape));
    read_checked(source, length, input.and_then(Input::dtype), check)
}

/// `wanted` only decides what a void type means.
fn read_checked(
    mut source: impl Read,
    length: u64,
    wanted: Option<DType>,
    check: impl FnOnce(DType, &[usize]) -> Result<()>,
) -> Result<Tensor> {
    let start = part(&mut source, MAGIC.len() + 2)?;
    let version = start.strip_prefix(MAGIC).ok_or_else(|| damaged("the first bytes are others"))?[0];
    let digits = match version {
        1 => 2,
        2 | 3 => 4,
        _ => return Err(damaged("its version is unknown")),
    };
    let mut stated = [0; 4];
    stated[..digits].copy_from_slice(&part(&mut source, digits)?);
    let stated = u32::from_le_bytes(stated) as usize;
    if stated > MOST_HEADER {
        return Err(damaged("the header is too long"));
    }
    let header = part(&mut source, stated)?;
    let header = std::str::from_utf8(&header).map_err(|_| damaged("the header is no text"))?;
    let descr = entry(header, "descr")
        .and_then(quoted)
        .ok_or_else(|| damaged("no simple element type; arrays of records are not read"))?;
    let fortran =
        entry(header, "fortran_order").ok_or_else(|| damaged("no element order"))?.starts_with("True");
    let shape = entry(header, "shape").and_then(dims).ok_or_else(|| damaged("no shape"))?;
    let kind = Kind::parse(descr, wanted)?;
    let count = element_count(&shape).ok_or_else(|| damaged("the shape overflows"))?;
    let size = count.checked_mul(kind.width()).ok_or_else(|| damaged("the shape overflows"))?;
    let left = length.saturating_sub((start.len() + digits + stated) as u64);
    if left != size as u64 {
        return Err(damaged(&format!("{left} bytes of data where {descr}{shape:?} has {size}")));
    }
    check(kind.dtype(), &shape)?;
    let data = part(&mut source, size)?;
    if source.read(&mut [0])? > 0 {
        return Err(damaged("there is more of it than its length says"));
    }
    let data = if fortran { row_major(&data, &shape, kind.width()) } else { data.into() };
    kind.tensor(&shape, data)
}

fn damaged(what: &str) -> Error {
    Error::new(format!("not a NumPy array: {what}")).with_help("save it again with numpy.save")
}

/// The next bytes, as many as asked for.
fn part(source: &mut impl Read, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(count as u64).read_to_end(&mut bytes)?;
    if bytes.len() < count { Err(damaged("it is cut off")) } else { Ok(bytes) }
}

/// Reads one `.npy` file.
pub(super) fn read_file(path: &Path, input: Option<&Input>) -> Result<Tensor> {
    let open = || -> Result<Tensor> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        read(file, length, input)
    };
    open().map_err(|e| e.in_file(path))
}

/// Reads an `.npz` file: arrays by name, sorted.
pub(super) fn read_zip<'a>(
    path: &Path,
    input: impl Fn(&str) -> Option<&'a Input>,
) -> Result<Vec<(String, Tensor)>> {
    let bad = |e: &dyn std::fmt::Display| Error::new(format!("not an .npz archive: {e}")).in_file(path);
    let file = File::open(path).map_err(|e| Error::from(e).in_file(path))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|e| bad(&e))?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| bad(&e))?;
        let file = entry.name().map_err(|e| bad(&e))?.into_owned();
        let Some(name) = file.strip_suffix(".npy") else { continue };
        let length = entry.size();
        let tensor = read(entry, length, input(name)).map_err(|e| e.in_file(path).at(name))?;
        arrays.push((name.to_owned(), tensor));
    }
    arrays.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(arrays)
}

/// What follows a key of the header, a Python dict literal.
fn entry<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'"))?;
    Some(header[at + key.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.split('\'').next()
}

fn dims(text: &str) -> Option<Vec<usize>> {
    let inner = text.strip_prefix('(')?.split(')').next()?;
    inner
        .split(',')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        .map(|d| d.trim_end_matches('L').parse().ok())
        .collect()
}

enum Kind {
    Numbers {
        dtype: DType,
        big_endian: bool,
    },
    /// UTF-32, this many code points each.
    Unicode {
        length: usize,
        big_endian: bool,
    },
    /// Bytes, this many each.
    Strings {
        length: usize,
    },
}

impl Kind {
    fn parse(descr: &str, wanted: Option<DType>) -> Result<Self> {
        let unknown = || {
            Error::new(format!("an array of NumPy type '{descr}', which no ONNX type matches"))
                .with_help("convert it with astype before saving")
        };
        let big_endian = descr.starts_with('>');
        let code = descr.trim_start_matches(['<', '>', '|', '=']);
        if let Some(length) = code.strip_prefix('U') {
            return Ok(Self::Unicode { length: length.parse().map_err(|_| unknown())?, big_endian });
        }
        if let Some(length) = code.strip_prefix('S') {
            return Ok(Self::Strings { length: length.parse().map_err(|_| unknown())? });
        }
        if let Some(width) = code.strip_prefix('V') {
            let width: usize = width.parse().map_err(|_| unknown())?;
            let dtype = wanted.filter(|d| d.bits() == width.saturating_mul(8)).ok_or_else(unknown)?;
            return Ok(Self::Numbers { dtype, big_endian: false });
        }
        let dtype = match code {
            "f2" => DType::F16,
            "f4" => DType::F32,
            "f8" => DType::F64,
            "i1" => DType::I8,
            "i2" => DType::I16,
            "i4" => DType::I32,
            "i8" => DType::I64,
            "u1" => DType::U8,
            "u2" => DType::U16,
            "u4" => DType::U32,
            "u8" => DType::U64,
            "b1" => DType::Bool,
            "c8" => DType::C64,
            "c16" => DType::C128,
            _ => return Err(unknown()),
        };
        Ok(Self::Numbers { dtype, big_endian })
    }

    fn dtype(&self) -> DType {
        match self {
            Self::Numbers { dtype, .. } => *dtype,
            Self::Unicode { .. } | Self::Strings { .. } => DType::String,
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Numbers { dtype, .. } => dtype.bits() / 8,
            Self::Unicode { length, .. } => length.saturating_mul(4),
            Self::Strings { length } => *length,
        }
    }

    fn tensor(&self, shape: &[usize], data: Bytes) -> Result<Tensor> {
        match self {
            Self::Numbers { dtype, big_endian: false } => Tensor::from_bytes(*dtype, shape, data),
            Self::Numbers { dtype, .. } => {
                let width =
                    if matches!(dtype, DType::C64 | DType::C128) { self.width() / 2 } else { self.width() };
                let swapped: Vec<u8> = data.chunks(width).flat_map(|c| c.iter().rev().copied()).collect();
                Tensor::from_bytes(*dtype, shape, swapped)
            }
            Self::Unicode { big_endian, .. } => self.strings(shape, &data, |cell| {
                let code = |c: &[u8]| {
                    let word = [c[0], c[1], c[2], c[3]];
                    if *big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
                };
                let text: Option<String> = cell.chunks_exact(4).map(|c| char::from_u32(code(c))).collect();
                Some(text?.trim_end_matches('\0').to_owned().into())
            }),
            Self::Strings { .. } => self.strings(shape, &data, |cell| {
                let end = cell.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
                Some(Bytes::copy_from_slice(&cell[..end]))
            }),
        }
    }

    fn strings(&self, shape: &[usize], data: &[u8], read: impl Fn(&[u8]) -> Option<Bytes>) -> Result<Tensor> {
        let width = self.width();
        let count = element_count(shape).unwrap_or(0);
        let cells: Option<Vec<Bytes>> = match width {
            0 => {
                // Strings of no width take no bytes, so only the shape says how many there are.
                if count > 1 << 20 {
                    return Err(Error::new("more than a million empty strings"));
                }
                Some(vec![Bytes::new(); count])
            }
            _ => data.chunks_exact(width).map(read).collect(),
        };
        let cells = cells.ok_or_else(|| Error::new("a string with an invalid code point"))?;
        Tensor::from_strings(shape, cells)
    }
}

/// Elements in row-major order from column-major ones.
fn row_major(data: &[u8], shape: &[usize], width: usize) -> Bytes {
    let mut strides = Vec::with_capacity(shape.len());
    let mut step = width;
    for &d in shape {
        strides.push(step);
        step = step.saturating_mul(d);
    }
    let mut out = Vec::with_capacity(data.len());
    let mut index = vec![0usize; shape.len()];
    let mut at = 0;
    while out.len() < data.len() {
        out.extend_from_slice(&data[at..at + width]);
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            at += strides[d];
            if index[d] < shape[d] {
                break;
            }
            at -= strides[d] * shape[d];
            index[d] = 0;
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn npy(version: u8, descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Bytes {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut out = MAGIC.to_vec();
        out.extend([version, 0]);
        if version == 1 {
            out.extend((header.len() as u16).to_le_bytes());
        } else {
            out.extend((header.len() as u32).to_le_bytes());
        }
        out.extend(header.as_bytes());
        out.extend(data);
        out.into()
    }

    fn read(bytes: &Bytes, wanted: Option<DType>) -> Result<Tensor> {
        read_checked(&bytes[..], bytes.len() as u64, wanted, |_, _| Ok(()))
    }

    #[test]
    fn nothing_is_expanded_that_the_shape_does_not_say() {
        let endless = |shape: &str, length: u64| {
            let start = npy(1, "<f4", "False", shape, &[]);
            super::read((&start[..]).chain(std::io::repeat(0)), start.len() as u64 + length, None)
                .unwrap_err()
        };
        assert!(
            endless("(2,)", 1 << 50).message().contains("1125899906842624 bytes of data where <f4[2] has 8")
        );
        assert!(endless("(281474976710656,)", 8).message().contains("8 bytes of data"));
        assert!(endless("(2,)", 8).message().contains("more of it"));
        let start = npy(1, "<f4", "False", "(281474976710656,)", &[0; 64]);
        let error = super::read(&start[..], start.len() as u64 - 64 + (1 << 50), None).unwrap_err();
        assert!(error.message().contains("cut off"), "{error}");
        let mut long = MAGIC.to_vec();
        long.extend([2, 0, 255, 255, 255, 255]);
        let error = super::read((&long[..]).chain(std::io::repeat(0)), u64::MAX, None).unwrap_err();
        assert!(error.message().contains("header is too long"), "{error}");
    }

    #[test]
    fn a_shape_that_does_not_fit_is_refused_before_the_data_are_read() {
        struct Untouched;
        impl Read for Untouched {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("the data were read");
            }
        }
        let start = npy(1, "<f4", "False", "(1048576, 1048576)", &[]);
        let length = start.len() as u64 + (4 << 40);
        let check = |dtype: DType, shape: &[usize]| Err(Error::new(format!("{dtype}{shape:?}")));
        let error = read_checked((&start[..]).chain(Untouched), length, None, check).unwrap_err();
        assert_eq!(error.message(), "float[1048576, 1048576]");
    }

    #[test]
    fn every_version_and_both_orders() {
        let data: Vec<u8> = [1i16, 2, 3, 4, 5, 6].iter().flat_map(|v| v.to_le_bytes()).collect();
        for version in 1..=3 {
            let t = read(&npy(version, "<i2", "False", "(2, 3)", &data), None).unwrap();
            assert_eq!((t.shape(), t.to_i64s().unwrap()), (&[2, 3][..], vec![1, 2, 3, 4, 5, 6]));
        }
        let t = read(&npy(1, "<i2", "True", "(2, 3)", &data), None).unwrap();
        assert_eq!(t.to_i64s().unwrap(), [1, 3, 5, 2, 4, 6]);
        let t = read(&npy(1, ">i2", "False", "(6,)", &data), None).unwrap();
        assert_eq!(t.to_i64s().unwrap()[0], 256);
    }

    #[test]
    fn types() {
        for (descr, dtype) in
            [("<f2", DType::F16), ("|b1", DType::Bool), ("|u1", DType::U8), ("<c8", DType::C64)]
        {
            let t = read(&npy(1, descr, "False", "()", &vec![0; dtype.bits() / 8]), None).unwrap();
            assert_eq!((t.dtype(), t.rank()), (dtype, 0));
        }
        let t = read(&npy(1, "|V2", "False", "(1,)", &[0x80, 0x3f]), Some(DType::BF16)).unwrap();
        assert_eq!(t.as_scalar(), Some(1.0));
        assert!(read(&npy(1, "|V2", "False", "(1,)", &[0, 0]), Some(DType::F32)).is_err());
        assert!(read(&npy(1, "|O", "False", "(1,)", &[0]), None).unwrap_err().message().contains("|O"));
    }

    #[test]
    fn strings() {
        let text: Vec<u8> =
            "ä\0".chars().chain("xy".chars()).flat_map(|c| (c as u32).to_le_bytes()).collect();
        let t = read(&npy(1, "<U2", "False", "(2,)", &text), None).unwrap();
        assert_eq!(t.strings().unwrap(), ["ä".as_bytes(), b"xy"]);
        let t = read(&npy(1, "|S3", "False", "(1,)", b"ab\0"), None).unwrap();
        assert_eq!(t.strings().unwrap(), [&b"ab"[..]]);
    }

    #[test]
    fn damage_is_an_error() {
        let good = npy(1, "<f4", "False", "(2,)", &[0; 8]);
        for cut in 0..good.len() {
            assert!(read(&good.slice(..cut), None).is_err(), "{cut}");
        }
        for shape in ["(18446744073709551615, 8)", "(-1,)", "(3,)", "x"] {
            assert!(read(&npy(1, "<f4", "False", shape, &[0; 8]), None).is_err(), "{shape}");
        }
        assert!(read(&npy(1, "<U99999999999999999999", "False", "(1,)", &[]), None).is_err());
        assert!(read(&npy(1, "<U0", "False", "(99999999999,)", &[]), None).is_err());
    }
}
