//! Samples of WAVE files: PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64 bits.
//!
//! Nothing that the header says is believed that the file is too short for. Source: Microsoft and IBM, "Multimedia
//! Programming Interface and Data Specifications 1.0", RIFF WAVE; `WAVEFORMATEXTENSIBLE` in Microsoft's `mmreg.h`.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;
/// Bytes of the `fmt ` chunk up to the code of the format inside an extensible one.
const MOST_FORMAT: u64 = 26;
/// Samples of all channels that are read at once.
const MOST_READ: u64 = 1 << 26;

/// A file whose header was read.
#[derive(Debug)]
pub(super) struct Wav {
    file: File,
    /// Samples a second.
    pub(super) rate: u32,
    /// Samples of each channel.
    pub(super) len: u64,
    channels: u64,
    format: Format,
    /// Where the samples begin.
    start: u64,
}

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Format {
    fn of(code: u16, bits: u16) -> Option<Self> {
        Some(match (code, bits) {
            (PCM, 8) => Self::U8,
            (PCM, 16) => Self::I16,
            (PCM, 24) => Self::I24,
            (PCM, 32) => Self::I32,
            (FLOAT, 32) => Self::F32,
            (FLOAT, 64) => Self::F64,
            _ => return None,
        })
    }

    fn width(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// A number of −1 to 1: whole ones are divided by half of their range.
    fn number(self, b: &[u8]) -> f64 {
        match self {
            Self::U8 => (f64::from(b[0]) - 128.0) / 128.0,
            Self::I16 => f64::from(i16::from_le_bytes([b[0], b[1]])) / 2f64.powi(15),
            Self::I24 => f64::from(i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) / 2f64.powi(23),
            Self::I32 => f64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]])) / 2f64.powi(31),
            Self::F32 => f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            Self::F64 => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
        }
    }
}

impl Wav {
    /// Reads the header.
    ///
    /// # Errors
    /// The file is no WAVE file, is shorter than its header says, or holds numbers that are not read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let end = file.get_ref().metadata()?.len();
        let head: [u8; 12] = bytes(&mut file)?;
        if &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
            return Err(damaged("the first bytes are others"));
        }
        let mut at = head.len() as u64;
        let mut format = None;
        loop {
            let chunk: [u8; 8] = bytes(&mut file)?;
            let size = u64::from(u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]));
            at += chunk.len() as u64;
            if size > end.saturating_sub(at) {
                return Err(damaged(&format!(
                    "it is cut off: {size} bytes where {} are left",
                    end.saturating_sub(at)
                )));
            }
            match &chunk[..4] {
                b"fmt " => format = Some(read_format(&mut file, size)?),
                b"data" => {
                    let (rate, channels, format) =
                        format.ok_or_else(|| damaged("samples before their format"))?;
                    let frame = channels * format.width() as u64;
                    if size % frame != 0 {
                        return Err(damaged("the last sample is not whole"));
                    }
                    return Ok(Self {
                        file: file.into_inner(),
                        rate,
                        len: size / frame,
                        channels,
                        format,
                        start: at,
                    });
                }
                _ => {}
            }
            // Chunks are padded to an even length.
            at += size + size % 2;
            file.seek(SeekFrom::Start(at))?;
        }
    }

    /// The mean of the channels in a piece of the recording.
    ///
    /// # Errors
    /// The piece is too long for the memory, or the file has changed.
    pub(super) fn read(&mut self, start: u64, len: u64) -> Result<Vec<f64>> {
        let all = len.checked_mul(self.channels).filter(|&all| all <= MOST_READ);
        let all = all.ok_or_else(|| {
            Error::new("too long to be read at once").with_help("set `window` in the data's audio settings")
        })?;
        let width = self.format.width();
        let frame = self.channels * width as u64;
        self.file.seek(SeekFrom::Start(self.start + start * frame))?;
        let mut bytes = vec![0; all as usize * width];
        self.file.read_exact(&mut bytes).map_err(|_| damaged("it is cut off"))?;
        let mean = |frame: &[u8]| {
            let sum: f64 = frame.chunks_exact(width).map(|b| self.format.number(b)).sum();
            sum / self.channels as f64
        };
        Ok(bytes.chunks_exact(frame as usize).map(mean).collect())
    }
}

/// The rate, the number of channels and how numbers are stored.
fn read_format(file: &mut impl Read, size: u64) -> Result<(u32, u64, Format)> {
    let mut f = Vec::new();
    file.take(size.min(MOST_FORMAT)).read_to_end(&mut f)?;
    let half = |at: usize| Some(u16::from_le_bytes([*f.get(at)?, *f.get(at + 1)?]));
    let fields = || Some((half(0)?, half(2)?, half(4)?, half(6)?, half(12)?, half(14)?));
    let (code, channels, low, high, frame, bits) =
        fields().ok_or_else(|| damaged("its format is cut off"))?;
    let code = if code == EXTENSIBLE { half(24).unwrap_or(code) } else { code };
    if channels == 0 || u32::from(frame) * 8 != u32::from(channels) * u32::from(bits) {
        return Err(damaged(&format!("{channels} channels of {bits} bits in {frame} bytes")));
    }
    let format = Format::of(code, bits).ok_or_else(|| {
        Error::new(format!("a WAVE file of {bits} bits in format {code}, which is not read"))
            .with_help("save it as PCM of 16 bits")
    })?;
    Ok((u32::from(low) | u32::from(high) << 16, u64::from(channels), format))
}

fn bytes<const N: usize>(file: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map_err(|_| damaged("it is cut off before its samples"))?;
    Ok(bytes)
}

fn damaged(what: &str) -> Error {
    Error::new(format!("not a whole WAVE file: {what}")).with_help("remove it, or save it again")
}
