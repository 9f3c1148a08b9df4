//! Writing a model, with its external data if it has any.
//!
//! A data file is named after its content, `MODEL.onnx.0123456789ab.data`: an older model of the same path keeps its own
//! data until it is replaced, so an interrupted run leaves a model and the data that belongs to it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::atomic::Commit;
use super::export::{self, Exported, Placement};
use super::folder_of;
use super::out::{FileOut, Out};
use super::rope::Rope;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::{Attr, Def, Graph, Model, ValueId};
use crate::tensor::{Data, Tensor};

/// No protobuf message may be longer, in bytes.
const MESSAGE_LIMIT: u64 = i32::MAX as u64;

/// Smaller tensors, in bytes, stay in the model file: a reference takes nearly as much (ONNX's own default).
const SEPARATE_FROM: usize = 1024;

/// Tensors of a page or more begin at a page, as `onnx.proto` recommends for mapping; smaller ones at a cache line.
const PAGE: u64 = 4096;
const LINE: u64 = 64;

/// Where the data of initializers is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExternalData {
    /// External data stays external, all other data stays in the model file.
    #[default]
    Keep,
    /// All data in the model file.
    Inline,
    /// Initializers of 1 KiB and more in a data file beside the model file.
    Separate,
}

/// How to write a model.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Where the data of initializers is written.
    pub external_data: ExternalData,
    /// The file that the model was read from: it is never overwritten, and external data beside it is kept in place
    /// where the output goes to the same folder.
    pub source: Option<PathBuf>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The size of all written files in bytes.
    pub bytes: u64,
    /// The written files, the model last; empty for standard output.
    pub files: Vec<PathBuf>,
    /// What the user should know of it.
    pub diags: Diags,
}

/// Writes a model atomically; `-` is standard output, which takes all data inline.
///
/// # Errors
/// The output is the input or one of its data files, cannot be written, or is too large for a protobuf message. Then
/// nothing is left behind and an older file is untouched.
pub fn save(model: &Model, path: impl AsRef<Path>, options: &WriteOptions) -> Result<Written> {
    let path = path.as_ref();
    if path == Path::new("-") {
        return to_stdout(model);
    }
    stage(model, path, options)?.commit()
}

/// A model written beside its place, so that it can be judged before it replaces anything. Dropped, it vanishes.
pub struct Staged {
    commit: Commit,
    written: Written,
    keeps_references: bool,
}

impl Staged {
    /// The written model under its temporary name; the data files that it refers to are in place.
    ///
    /// # Errors
    /// A data file cannot be put in place.
    pub fn file(&mut self) -> Result<PathBuf> {
        let file = self.commit.last()?.map(Path::to_path_buf);
        Ok(file.expect("`stage` adds the model"))
    }

    /// What will have been written.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Whether external data of the input stays where it is, and the model refers to it.
    pub fn keeps_references(&self) -> bool {
        self.keeps_references
    }

    /// Puts everything in place.
    ///
    /// # Errors
    /// A file cannot be renamed.
    pub fn commit(self) -> Result<Written> {
        self.commit.commit()?;
        Ok(self.written)
    }
}

/// Writes a model beside its place.
///
/// # Errors
/// As [`save`].
pub fn stage(model: &Model, path: impl AsRef<Path>, options: &WriteOptions) -> Result<Staged> {
    let path = path.as_ref();
    refuse_inputs(model, path, options)?;
    let mut diags = Diags::new();
    let keeps_references = options.external_data == ExternalData::Keep && in_source_folder(path, options);
    let kept = Placement { keeps_references, ..Placement::default() };
    let moves = !wanted(model, options.external_data, keeps_references).is_empty();
    let mut commit = Commit::new();
    let mut written = Written { bytes: 0, files: Vec::new(), diags: Diags::new() };
    let mut exported = if moves { None } else { Some(export::model(model, &kept)?) };
    if exported.as_ref().is_some_and(|e| e.rope.len() > MESSAGE_LIMIT) {
        let message =
            "the model exceeds the 2 GiB of a protobuf message; its data is written to a file beside it";
        diags.warn("separated-data", None, message);
        exported = None;
    }
    let exported = match exported {
        Some(exported) => exported,
        None => {
            let mode = if moves { options.external_data } else { ExternalData::Separate };
            let wanted = wanted(model, mode, keeps_references);
            let placement = write_data(&wanted, path, keeps_references, &mut commit, &mut written)?;
            export::model(model, &placement)?
        }
    };
    refuse_too_long(&exported.rope).map_err(|e| e.in_file(path))?;
    note_renamed(&exported, &mut diags);
    commit.add(path, |out| exported.rope.write_to(out))?;
    written.bytes += exported.rope.len();
    written.files.push(path.to_path_buf());
    written.diags = diags;
    Ok(Staged { commit, written, keeps_references })
}

/// The encoded model in memory, all data inline: for sessions.
///
/// # Errors
/// It is longer than a protobuf message may be.
pub fn to_bytes(model: &Model) -> Result<Bytes> {
    let exported = export::model(model, &Placement::default())?;
    refuse_too_long(&exported.rope)?;
    Ok(exported.rope.to_bytes())
}

fn to_stdout(model: &Model) -> Result<Written> {
    let exported = export::model(model, &Placement::default())?;
    refuse_too_long(&exported.rope)?;
    let mut diags = Diags::new();
    note_renamed(&exported, &mut diags);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = exported.rope.write_to(&mut out).and_then(|()| out.flush());
    done.map_err(|e| Error::new(format!("cannot be written: {e}")).in_file("-"))?;
    Ok(Written { bytes: exported.rope.len(), files: Vec::new(), diags })
}

fn note_renamed(exported: &Exported, diags: &mut Diags) {
    if exported.renamed > 0 {
        let message = format!("{} values were renamed that would have hidden others", exported.renamed);
        diags.note("renamed-values", None, message);
    }
}

fn refuse_too_long(rope: &Rope) -> Result<()> {
    if rope.len() <= MESSAGE_LIMIT {
        return Ok(());
    }
    let message = format!("the model takes {} bytes, more than the 2 GiB of a protobuf message", rope.len());
    Err(Error::new(message).with_help("write it to a file with --external-data separate"))
}

/// The initializers whose data a mode puts into a new data file, in the order of their ids.
fn wanted(model: &Model, mode: ExternalData, keeps_references: bool) -> Vec<(ValueId, &Tensor)> {
    let is_wanted = |t: &Tensor| match (mode, t.data()) {
        (_, Data::Strings(_)) | (ExternalData::Inline, _) => false,
        (ExternalData::Keep, data) => matches!(data, Data::External(_)) && !keeps_references,
        (ExternalData::Separate, _) => t.byte_len() >= SEPARATE_FROM,
    };
    initializers(&model.graph).filter(|(_, t)| is_wanted(t)).collect()
}

fn initializers(graph: &Graph) -> impl Iterator<Item = (ValueId, &Tensor)> {
    graph.value_ids().filter_map(|v| match graph.value(v).def() {
        Def::Initializer { tensor, .. } | Def::Input { default: Some(tensor), .. } => Some((v, tensor)),
        _ => None,
    })
}

/// The constants of a graph, those of attributes included.
fn tensors(graph: &Graph) -> impl Iterator<Item = &Tensor> {
    let held = graph.nodes().flat_map(|(_, node)| node.attrs()).flat_map(|a| match &a.value {
        Attr::Tensor(tensor) => std::slice::from_ref(tensor),
        Attr::Tensors(tensors) => tensors,
        _ => &[],
    });
    initializers(graph).map(|(_, tensor)| tensor).chain(held)
}

/// Writes the data file, not yet in place, and says what lies where in it.
fn write_data(
    wanted: &[(ValueId, &Tensor)],
    model: &Path,
    keeps_references: bool,
    commit: &mut Commit,
    written: &mut Written,
) -> Result<Placement> {
    let mut data = Rope::new();
    let mut offsets = FxHashMap::default();
    for (value, tensor) in wanted {
        data.pad(if tensor.byte_len() as u64 >= PAGE { PAGE } else { LINE });
        offsets.insert(*value, data.len());
        match tensor.data() {
            Data::Expr(expr) => data.lazy_payload(expr.clone(), tensor.byte_len() as u64),
            _ => data.raw(&tensor.bytes().unwrap_or_default()),
        }
    }
    let mut digest = Sha256::new();
    commit.add(model, |out| data.write_to(&mut Tee { out, digest: &mut digest }))?;
    let digest: String = digest.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect();
    let name = model.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let location = format!("{name}.{digest}.data");
    let target = folder_of(model).join(&location);
    commit.retarget_last(&target);
    written.bytes += data.len();
    written.files.push(target);
    Ok(Placement { offsets, location, keeps_references })
}

/// Writes and digests.
struct Tee<'t> {
    out: &'t mut FileOut,
    digest: &'t mut Sha256,
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.digest.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Out for Tee<'_> {}

fn in_source_folder(path: &Path, options: &WriteOptions) -> bool {
    let Some(source) = &options.source else { return false };
    match (fs::canonicalize(folder_of(path)), fs::canonicalize(folder_of(source))) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The output must not replace what the model is read from: a failed proof or run would leave nothing to go back to.
fn refuse_inputs(model: &Model, path: &Path, options: &WriteOptions) -> Result<()> {
    let Some(source) = &options.source else { return Ok(()) };
    let refused = |what: &str| {
        Err(Error::new(format!("the output is {what}")).in_file(path).with_help("write to another file"))
    };
    if is_same_file(path, source) {
        return refused("the input itself");
    }
    for tensor in model.graphs().flat_map(tensors) {
        if let Data::External(e) = tensor.data()
            && is_same_file(path, &folder_of(source).join(&*e.location))
        {
            return refused("a data file of the input");
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
