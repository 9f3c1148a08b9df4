//! Reading a model.

use std::path::Path;

use bytes::Bytes;

use super::external::ExternalFiles;
use super::{import, map};
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::Model;

/// A model and what was remarked while it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The model; its weights are slices of the mapped file.
    pub model: Model,
    /// Defects that were repaired.
    pub diags: Diags,
    /// The size of the model file in bytes, external data not counted.
    pub bytes: u64,
}

/// Maps and reads a model file; `-` is standard input.
///
/// The file must not be changed in place while the model lives; replacing it by renaming is fine.
///
/// # Errors
/// The file cannot be read, is no ONNX model, contradicts itself, or refers to external data that is missing or not
/// its own. The error names file and node or tensor.
pub fn load(path: impl AsRef<Path>) -> Result<Loaded> {
    let path = path.as_ref();
    let piped = path == Path::new("-");
    let bytes = if piped { map::stdin()? } else { map::open(path)? };
    let files = ExternalFiles::beside((!piped).then_some(path));
    read(bytes, files).map_err(|e| e.in_file(path))
}

/// Reads an encoded model. It has no folder, so external data is an error.
///
/// # Errors
/// As [`load`], without a file.
pub fn load_bytes(bytes: impl Into<Bytes>) -> Result<Loaded> {
    read(bytes.into(), ExternalFiles::beside(None))
}

fn read(bytes: Bytes, files: ExternalFiles) -> Result<Loaded> {
    let size = bytes.len() as u64;
    let (model, diags) = import::model(bytes, files)?;
    Ok(Loaded { model, diags, bytes: size })
}
