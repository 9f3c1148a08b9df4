//! Audio: recordings, or pieces of them, as numbers of −1 to 1.
//!
//! `wav` reads the files.

mod wav;

use super::folder::Listing;
use super::inputs::{Input, Inputs, Sample};
use super::numbers;
use super::source::Samples;
use crate::error::{Error, Result};
use crate::ir::Dim;
use crate::recipe::{AudioSpec, Short};
use crate::runtime::RunValue;
use crate::tensor::DType;
use std::path::{Path, PathBuf};
use wav::Wav;

/// Samples of the longest piece.
const LONGEST: usize = 1 << 26;

/// Pieces of recordings as samples.
pub(super) struct Recordings {
    listing: Listing,
    input: String,
    dtype: DType,
    /// The number of dims of the input.
    rank: usize,
    rate: u32,
    cut: Option<Cut>,
}

/// How recordings are cut.
struct Cut {
    window: usize,
    hop: usize,
    short: Short,
    /// How many pieces the files up to and with each have.
    pieces: Vec<usize>,
}

impl Recordings {
    /// Reads the headers where pieces are to be counted.
    ///
    /// # Errors
    /// The settings are missing or not whole, or a header is damaged.
    pub(super) fn new(listing: Listing, spec: Option<&AudioSpec>, input: &Input) -> Result<Self> {
        let missing = || {
            Error::new("the data's settings do not say how audio becomes an input").with_help(
                "set `rate` in the data's audio settings to the sampling rate that the model wants",
            )
        };
        let spec = spec.ok_or_else(missing)?;
        let unknown = || Error::new("the type of the model's input is unknown").at(&*input.name);
        let mut all = Self {
            input: input.name.clone(),
            dtype: input.dtype().ok_or_else(unknown)?,
            rank: input.dims().map_or(2, <[Dim]>::len),
            rate: spec.rate.ok_or_else(missing)?,
            listing,
            cut: None,
        };
        all.cut = all.cut_as(spec)?;
        Ok(all)
    }

    fn cut_as(&self, spec: &AudioSpec) -> Result<Option<Cut>> {
        let Some(window) = spec.window else {
            return match (spec.hop, spec.short) {
                (None, None) => Ok(None),
                _ => Err(Error::new(
                    "`hop` and `short` of the data's audio settings mean nothing without `window`",
                )
                .with_help("set `window` to the samples of a piece")),
            };
        };
        let hop = spec.hop.unwrap_or(window);
        if window == 0 || hop == 0 || window > LONGEST {
            let message = format!("`window` and `hop` of the data's audio settings are {window} and {hop}");
            return Err(Error::new(message).with_help(format!("set them to 1 to {LONGEST}")));
        }
        let mut cut = Cut { window, hop, short: spec.short.unwrap_or_default(), pieces: Vec::new() };
        let mut total = 0usize;
        for path in &self.listing.files {
            let pieces =
                self.open(path).and_then(|wav| cut.pieces_of(wav.len)).map_err(|e| e.in_file(path))?;
            total = total.saturating_add(pieces);
            cut.pieces.push(total);
        }
        Ok(Some(cut))
    }

    fn open(&self, path: &Path) -> Result<Wav> {
        let wav = Wav::open(path)?;
        if wav.rate != self.rate {
            return Err(Error::new(format!(
                "{} samples a second where the model wants {}",
                wav.rate, self.rate
            ))
            .with_help("resample it before, with ffmpeg or sox for example"));
        }
        if wav.len == 0 {
            return Err(Error::new("a recording without samples").with_help("remove it"));
        }
        Ok(wav)
    }

    /// The file of a sample, and which of its pieces it is.
    fn place(&self, at: usize) -> (usize, usize) {
        let Some(cut) = &self.cut else { return (at, 0) };
        let file = cut.pieces.partition_point(|&end| end <= at);
        let before = if file == 0 { 0 } else { cut.pieces[file - 1] };
        (file, at - before)
    }

    fn numbers(&self, path: &Path, piece: usize) -> Result<Vec<f64>> {
        let mut wav = self.open(path)?;
        let Some(cut) = &self.cut else { return wav.read(0, wav.len) };
        let start = piece as u64 * cut.hop as u64;
        let left = wav.len.checked_sub(start).filter(|&left| piece == 0 || left >= cut.window as u64);
        let left = left.ok_or_else(|| Error::new("it has become shorter since its pieces were counted"))?;
        let mut numbers = wav.read(start, left.min(cut.window as u64))?;
        let own = numbers.len();
        match cut.short {
            Short::Zeros => numbers.resize(cut.window, 0.0),
            _ => {
                numbers.extend((own..cut.window).map(|at| at % own).map(|at| numbers[at]).collect::<Vec<_>>())
            }
        }
        Ok(numbers)
    }
}

impl Cut {
    fn pieces_of(&self, len: u64) -> Result<usize> {
        match len.checked_sub(self.window as u64) {
            Some(rest) => Ok(usize::try_from(rest / self.hop as u64).unwrap_or(usize::MAX).saturating_add(1)),
            None if self.short == Short::Refuse => Err(Error::new(format!(
                "{len} samples, fewer than the {} of a piece",
                self.window
            ))
            .with_help(
                "set `short` in the data's audio settings to \"zeros\" or \"repeat\", or remove the file",
            )),
            None => Ok(1),
        }
    }
}

impl Samples for Recordings {
    fn len(&self) -> usize {
        let files = self.listing.files.len();
        self.cut.as_ref().map_or(files, |cut| cut.pieces.last().copied().unwrap_or(0))
    }

    fn label(&self, at: usize) -> String {
        let (file, piece) = self.place(at);
        let name = self.listing.label(&self.listing.files[file]);
        match &self.cut {
            Some(cut) => format!("{name}@{}", piece as u64 * cut.hop as u64),
            None => name,
        }
    }

    fn files(&self, at: usize) -> Result<Vec<PathBuf>> {
        Ok(vec![self.listing.files[self.place(at).0].clone()])
    }

    fn name(&self, file: &Path) -> String {
        self.listing.label(file)
    }

    fn begins(&self, at: usize) -> bool {
        self.place(at).1 == 0
    }

    fn read(&self, at: usize, _: &Inputs) -> Result<Sample> {
        let (file, piece) = self.place(at);
        let file = &self.listing.files[file];
        let here = |e: Error| e.in_file(file);
        let values = self.numbers(file, piece).map_err(here)?;
        let shape = numbers::batched(&[values.len()], self.rank);
        let tensor = numbers::tensor(self.dtype, &shape, &values).map_err(|e| here(e).at(&*self.input))?;
        Ok(Sample {
            label: self.label(at),
            file: file.clone(),
            values: vec![(self.input.clone(), RunValue::Tensor(tensor))],
            help: Some("set `window` of the data's audio settings to the length that the model wants"),
        })
    }
}
