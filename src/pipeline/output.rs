//! A result on its way to its place: a file beside it, or bytes for standard output.

use super::measure::data_bytes;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::io::{Staged, WriteOptions, stage, to_bytes};
use crate::ir::Model;
use crate::runtime::Source;
use bytes::Bytes;
use std::io::Write;
use std::path::Path;

/// What will be written, so that the proof runs on exactly that. Dropped, it vanishes.
pub(super) enum Output {
    File(Staged),
    Pipe(Bytes),
}

impl Output {
    pub(super) fn make(model: &Model, path: &Path, options: &WriteOptions) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Pipe(to_bytes(model)?));
        }
        Ok(Self::File(stage(model, path, options)?))
    }

    /// How a runtime reads it.
    pub(super) fn source(&mut self) -> Result<Source> {
        match self {
            Self::File(staged) => Ok(Source::file(staged.file()?)),
            Self::Pipe(bytes) => Ok(Source::bytes(bytes.clone())),
        }
    }

    /// Its bytes and those of the data files that it refers to.
    pub(super) fn bytes(&self, model: &Model) -> u64 {
        match self {
            Self::File(staged) if staged.keeps_references() => staged.written().bytes + data_bytes(model),
            Self::File(staged) => staged.written().bytes,
            Self::Pipe(bytes) => bytes.len() as u64,
        }
    }

    /// Puts it in its place.
    pub(super) fn commit(self) -> Result<Diags> {
        match self {
            Self::File(staged) => Ok(staged.commit()?.diags),
            Self::Pipe(bytes) => {
                let mut out = std::io::stdout().lock();
                let written = out.write_all(&bytes).and_then(|()| out.flush());
                written
                    .map_err(|e| Error::new(format!("cannot be written: {e}")).in_file("standard output"))?;
                Ok(Diags::new())
            }
        }
    }
}
