//! Files as byte slices: mapped where they are regular files, read where they are pipes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memmap2::{Advice, Mmap};

use crate::error::{Error, Result};

/// Maps a file; the bytes stay valid as long as a slice of them is held, also after the file was replaced by renaming.
///
/// Whoever truncates or overwrites the file in place while it is mapped changes or kills the process, as with every
/// mapping; this crate replaces files by renaming only.
///
/// # Errors
/// The file is missing, a directory, empty, or cannot be read.
pub(crate) fn open(path: &Path) -> Result<Bytes> {
    let failed = |e: io::Error| cannot_read(path, &e);
    let meta = fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        let error = Error::new("is a directory, not a model file").in_file(path);
        return Err(error.with_help("name the .onnx file inside it"));
    }
    let mut file = File::open(path).map_err(failed)?;
    let bytes = if meta.is_file() { map(file).map_err(failed)? } else { read(&mut file).map_err(failed)? };
    non_empty(bytes).map_err(|e| e.in_file(path))
}

/// Maps an external data file, which may be empty; else as [`open`].
///
/// # Errors
/// The file is missing, not a regular one, or cannot be read.
pub(crate) fn open_data(path: &Path) -> Result<Bytes> {
    let failed = |e: io::Error| cannot_read(path, &e);
    // Before it is opened: a pipe would not be until somebody writes to it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        let error = Error::new("is not a regular file").in_file(path);
        return Err(error.with_help("put the data file that belongs to the model there"));
    }
    File::open(path).and_then(map).map_err(failed)
}

/// Reads a model from standard input to its end.
///
/// # Errors
/// It cannot be read, or nothing came.
pub(crate) fn stdin() -> Result<Bytes> {
    let bytes = read(&mut io::stdin().lock()).map_err(|e| cannot_read(Path::new("-"), &e))?;
    non_empty(bytes).map_err(|e| e.in_file("-"))
}

fn read(source: &mut dyn Read) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

#[allow(unsafe_code)]
fn map(file: File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the mapping is private and read-only; that nobody truncates the file is the documented condition of `open`.
    let map = unsafe { Mmap::map(&file)? };
    // Advice only: where the system does not take it, nothing is lost.
    #[cfg(unix)]
    let _ = map.advise(Advice::Sequential);
    let mut all = mapped();
    if all.len() < MOST_OPEN {
        let file = Arc::new(Mutex::new(file));
        all.push(Mapped { start: map.as_ptr() as usize, len: map.len(), file });
    }
    Ok(Bytes::from_owner(Mapping(map)))
}

/// A mapping; its file is closed with it.
struct Mapping(Mmap);

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start = self.0.as_ptr() as usize;
        mapped().retain(|m| m.start != start);
    }
}

/// Files that are kept open beside their mapping; a process may have some hundred, and a model a data file for each tensor.
const MOST_OPEN: usize = 64;

/// A mapping whose file is open.
struct Mapped {
    start: usize,
    len: usize,
    file: Arc<Mutex<File>>,
}

static MAPPED: Mutex<Vec<Mapped>> = Mutex::new(Vec::new());

/// Held by tests that need room among the open files, or take all of it.
#[cfg(test)]
pub(super) static ROOM: Mutex<()> = Mutex::new(());

fn mapped() -> MutexGuard<'static, Vec<Mapped>> {
    MAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file of which the bytes are a mapped slice, if it is still open, and where they begin in it.
pub(super) fn file_of(bytes: &[u8]) -> Option<(Arc<Mutex<File>>, u64)> {
    let start = bytes.as_ptr() as usize;
    let all = mapped();
    let found = all.iter().find(|m| m.start <= start && start + bytes.len() <= m.start + m.len)?;
    Some((found.file.clone(), (start - found.start) as u64))
}

fn non_empty(bytes: Bytes) -> Result<Bytes> {
    if bytes.is_empty() {
        return Err(Error::new("is empty: not a model").with_help("fetch or export the model again"));
    }
    Ok(bytes)
}

fn cannot_read(path: &Path, e: &io::Error) -> Error {
    let (message, help) = match e.kind() {
        io::ErrorKind::NotFound => ("no such file".to_owned(), "check the path"),
        io::ErrorKind::PermissionDenied => {
            ("may not be read: permission denied".to_owned(), "check the file's permissions")
        }
        _ => (format!("cannot be read: {e}"), "check that the file can be read"),
    };
    Error::new(message).in_file(path).with_help(help)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bad_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.onnx");
        fs::write(&empty, b"").unwrap();
        let missing = dir.path().join("missing.onnx");
        for (path, says) in [(dir.path(), "directory"), (&empty, "empty"), (&missing, "no such file")] {
            let error = open(path).unwrap_err();
            assert!(error.message().contains(says), "{error}");
            assert_eq!(error.file(), Some(path));
            assert!(error.help().is_some());
        }
    }

    #[test]
    fn a_model_of_many_files_keeps_few_of_them_open() {
        let _room = ROOM.lock().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let maps: Vec<Bytes> = (0..2 * MOST_OPEN)
            .map(|i| {
                let path = dir.path().join(i.to_string());
                fs::write(&path, i.to_string()).unwrap();
                open_data(&path).unwrap()
            })
            .collect();
        assert!(mapped().len() <= MOST_OPEN);
        assert!(maps.iter().enumerate().all(|(i, map)| map[..] == *i.to_string().as_bytes()));
        assert!(maps.iter().any(|map| file_of(map).is_none()));
    }

    #[test]
    fn a_map_outlives_the_replaced_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, b"old").unwrap();
        fs::write(&other, b"new").unwrap();
        let bytes = open(&path).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(&bytes[..], b"old");
    }
}
