//! Whether the output can be written at all, asked before the long work.

use crate::error::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Checks that a file can be put at `output` and that it is not the input; `-` is standard output.
///
/// # Errors
/// It cannot, and why.
pub(super) fn check(input: &Path, output: &Path) -> Result<()> {
    if output == Path::new("-") {
        return Ok(());
    }
    let refuse = |message: &str, help: &str| Err(Error::new(message).in_file(output).with_help(help));
    if same_file(input, output) {
        return refuse(
            "the output is the input",
            "name another file with -o; the original is needed for the proof",
        );
    }
    if output.file_name().is_none() {
        return refuse("the output is no file name", "name a file with -o");
    }
    if let Ok(there) = fs::metadata(output) {
        if there.is_dir() {
            return refuse("the output is a directory", "name a file in it with -o");
        }
        if !there.is_file() {
            return refuse(
                "the output is not a regular file",
                "name a file with -o, or - for standard output",
            );
        }
        if there.permissions().readonly() {
            return refuse(
                "the output is write-protected",
                "change its permissions or name another file with -o",
            );
        }
    }
    folder(output)
}

/// Tries it: permissions alone do not tell of full or read-only disks.
fn folder(output: &Path) -> Result<()> {
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new().prefix(".onnxpress-").tempfile_in(folder).map(drop).map_err(|e| {
        let (message, help) = match e.kind() {
            ErrorKind::NotFound => {
                ("the output's folder does not exist".to_owned(), "create the folder first")
            }
            ErrorKind::NotADirectory => {
                ("the output's folder is a file".to_owned(), "name another file with -o")
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                ("the output's folder cannot be written".to_owned(), "choose a folder that you may write")
            }
            _ => (format!("the output's folder cannot be written: {e}"), "choose another folder or disk"),
        };
        Error::new(message).in_file(output).with_help(help)
    })
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_cannot_be_written_is_said_before() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("in.onnx");
        fs::write(&input, b"x").unwrap();
        let says = |output: &Path| check(&input, output).unwrap_err().message().to_owned();
        assert_eq!(says(&dir.path().join("./in.onnx")), "the output is the input");
        assert_eq!(says(dir.path()), "the output is a directory");
        assert_eq!(says(&dir.path().join("no/out.onnx")), "the output's folder does not exist");
        assert_eq!(says(&input.join("out.onnx")), "the output's folder is a file");
        assert!(check(&input, &dir.path().join("out.onnx")).is_ok());
        assert!(check(&input, Path::new("-")).is_ok());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was left behind");
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_protected_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.onnx");
        fs::write(&out, b"x").unwrap();
        let mut permissions = fs::metadata(&out).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&out, permissions).unwrap();
        let input = dir.path().join("in.onnx");
        assert!(check(&input, &out).unwrap_err().message().contains("write-protected"));
        assert!(check(&input, Path::new("/dev/null")).unwrap_err().message().contains("not a regular file"));
    }
}
