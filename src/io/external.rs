//! External data files: where `TensorProto.external_data` may point to, and what it says.
//!
//! A location is a path relative to the model's folder that stays in it. Absolute paths, `..` and symbolic links out of
//! the folder are refused: a model must not name other files of whoever reads it. Where the model file is itself a
//! link, as in a download cache, the folder of the file behind it counts too.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::map;
use crate::error::{Error, Result};
use crate::tensor::External;

/// The entries of `TensorProto.external_data`, as text.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) location: Option<String>,
    pub(crate) offset: Option<String>,
    pub(crate) length: Option<String>,
}

/// The external data files of one model, each mapped once.
#[derive(Debug, Default)]
pub(crate) struct ExternalFiles {
    model: Option<PathBuf>,
    files: BTreeMap<String, (Arc<str>, Bytes)>,
}

impl ExternalFiles {
    /// The files beside a model file; `None` for a model that is not a file.
    pub(crate) fn beside(model: Option<&Path>) -> Self {
        Self { model: model.map(Path::to_path_buf), files: BTreeMap::new() }
    }

    /// The range that the entries name, of `size` bytes.
    ///
    /// # Errors
    /// No, an unreadable or a forbidden location; a number that is none; a range outside the file or of another length.
    pub(crate) fn resolve(&mut self, entries: &Entries, size: usize) -> Result<External> {
        let location = entries.location.as_deref().filter(|l| !l.is_empty());
        let location = location.ok_or_else(|| {
            Error::new("external data without a location").with_help("export the model again")
        })?;
        let offset = number(entries.offset.as_deref(), "offset")?.unwrap_or(0);
        let length = number(entries.length.as_deref(), "length")?.unwrap_or(size);
        if length != size {
            let message = format!("its type and dims need {size} bytes, and its external data has {length}");
            return Err(Error::new(message)
                .with_help("the model and its data file do not belong together; export them again"));
        }
        let (location, file) = self.file(location)?;
        match offset.checked_add(length) {
            Some(end) if end <= file.len() => Ok(External { file, location, range: offset..end }),
            _ => Err(Error::new(format!(
                "external data of {length} bytes at {offset} lies outside '{location}' of {} bytes",
                file.len()
            ))
            .with_help("the data file is truncated or of another model; fetch it again")),
        }
    }

    fn file(&mut self, location: &str) -> Result<(Arc<str>, Bytes)> {
        if let Some((name, file)) = self.files.get(location) {
            return Ok((name.clone(), file.clone()));
        }
        let path = self.path(location)?;
        let file = map::open_data(&path)?;
        let name: Arc<str> = location.into();
        self.files.insert(location.to_owned(), (name.clone(), file.clone()));
        Ok((name, file))
    }

    /// The file of a location, all links resolved.
    fn path(&self, location: &str) -> Result<PathBuf> {
        let model = self.model.as_deref().ok_or_else(|| {
            Error::new(format!("external data '{location}' of a model that is not a file has no folder"))
                .with_help("name the model's file instead of piping it")
        })?;
        let relative = Path::new(location);
        if !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
            || location.contains('\\')
        {
            return Err(leaves(location));
        }
        let folder = super::folder_of(model);
        let path = folder.join(relative);
        let found = fs::canonicalize(&path).map_err(|e| missing(location, &path, &e))?;
        let homes = [
            fs::canonicalize(folder).ok(),
            fs::canonicalize(model).ok().and_then(|m| m.parent().map(Path::to_path_buf)),
        ];
        if homes.iter().flatten().any(|home| found.starts_with(home)) {
            Ok(found)
        } else {
            Err(leaves(location))
        }
    }
}

fn leaves(location: &str) -> Error {
    Error::new(format!("external data '{location}' lies outside the model's folder"))
        .with_help("move the data file beside the model and name it by a relative path")
}

fn missing(location: &str, path: &Path, e: &io::Error) -> Error {
    let what = if e.kind() == io::ErrorKind::NotFound {
        "is missing".to_owned()
    } else {
        format!("cannot be read: {e}")
    };
    Error::new(format!("external data file '{location}' {what}"))
        .with_help(format!("put it at {}; it belongs to the model", path.display()))
}

fn number(text: Option<&str>, what: &str) -> Result<Option<usize>> {
    text.map(|text| {
        text.trim().parse().map_err(|_| {
            Error::new(format!("external data {what} '{text}' is not a number of bytes"))
                .with_help("export the model again")
        })
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entries(location: &str, offset: &str, length: &str) -> Entries {
        let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
        Entries { location: some(location), offset: some(offset), length: some(length) }
    }

    fn folder() -> (tempfile::TempDir, ExternalFiles) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("w.bin"), [7u8; 100]).unwrap();
        let model = dir.path().join("m.onnx");
        fs::write(&model, b"model").unwrap();
        let files = ExternalFiles::beside(Some(&model));
        (dir, files)
    }

    #[test]
    fn ranges_share_one_mapping() {
        let (_dir, mut files) = folder();
        let a = files.resolve(&entries("w.bin", "", "8"), 8).unwrap();
        let b = files.resolve(&entries("./w.bin", "92", ""), 8).unwrap();
        let c = files.resolve(&entries("w.bin", "8", "8"), 8).unwrap();
        assert_eq!((a.range, b.range), (0..8, 92..100));
        assert_eq!(a.file.as_ptr(), c.file.as_ptr());
    }

    #[test]
    fn bad_entries_are_errors() {
        let (dir, mut files) = folder();
        fs::create_dir(dir.path().join("folder")).unwrap();
        let bad = [
            ("", "", "", "location"),
            ("none.bin", "", "", "missing"),
            ("folder", "", "", "regular file"),
            ("/etc/passwd", "", "", "outside"),
            ("../w.bin", "", "", "outside"),
            ("a/../../w.bin", "", "", "outside"),
            ("w.bin", "-1", "", "not a number"),
            ("w.bin", "99999999999999999999999", "", "not a number"),
            ("w.bin", "18446744073709551615", "", "outside"),
            ("w.bin", "93", "8", "outside"),
            ("w.bin", "0", "9", "need 8 bytes"),
        ];
        for (location, offset, length, says) in bad {
            let error = files.resolve(&entries(location, offset, length), 8).map(drop).unwrap_err();
            assert!(error.message().contains(says), "{error}");
            assert!(error.help().is_some());
        }
        let error = ExternalFiles::beside(None).resolve(&entries("w.bin", "", ""), 8).map(drop).unwrap_err();
        assert!(error.message().contains("folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_may_not_leave_the_folder() {
        use std::os::unix::fs::symlink;
        let (dir, mut files) = folder();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), [1u8; 8]).unwrap();
        symlink(outside.path().join("secret"), dir.path().join("out.bin")).unwrap();
        symlink(dir.path().join("w.bin"), dir.path().join("in.bin")).unwrap();
        assert!(
            files
                .resolve(&entries("out.bin", "", ""), 8)
                .map(drop)
                .unwrap_err()
                .message()
                .contains("outside")
        );
        assert!(files.resolve(&entries("in.bin", "", ""), 8).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_model_brings_the_files_beside_its_target() {
        use std::os::unix::fs::symlink;
        let (store, _) = folder();
        let dir = tempfile::tempdir().unwrap();
        symlink(store.path().join("m.onnx"), dir.path().join("model.onnx")).unwrap();
        symlink(store.path().join("w.bin"), dir.path().join("model.onnx_data")).unwrap();
        let mut files = ExternalFiles::beside(Some(&dir.path().join("model.onnx")));
        assert!(files.resolve(&entries("model.onnx_data", "", ""), 8).is_ok());
    }
}
