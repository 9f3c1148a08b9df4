//! `onnxpress setup`: puts the pinned ONNX Runtime into the user's cache folder.
//!
//! The wheel comes from pip, the ordinary client, with whatever index the user has configured, or from a file.

use super::locate::{cached_library, pythons};
use super::pinned::{Pin, pin_here};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::{Builder, NamedTempFile, TempDir};

/// What `onnxpress setup` was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// A wheel that is already there, instead of a download (`--from`).
    pub wheel: Option<PathBuf>,
}

/// Where the library came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was already in the cache, complete.
    AlreadyThere,
    /// Out of a wheel that this interpreter's pip downloaded.
    Downloaded {
        /// The interpreter, such as `python3`.
        python: &'static str,
    },
    /// Out of the wheel that the user named.
    Wheel(PathBuf),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The wheel and library that this platform gets.
    pub pin: Pin,
    /// Where the library now is.
    pub library: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where it came from.
    pub origin: Origin,
}

/// Makes sure that the pinned library is in the cache.
///
/// # Errors
/// The platform has no wheel, pip is missing or fails, or a digest is not the pinned one.
pub fn setup(request: &Setup) -> Result<Outcome> {
    install(&pin_here()?, &cached_library()?, request)
}

fn install(pin: &Pin, library: &Path, request: &Setup) -> Result<Outcome> {
    let outcome = |origin| {
        let bytes = std::fs::metadata(library).map_err(|e| Error::from(e).in_file(library))?.len();
        Ok(Outcome { pin: *pin, library: library.to_path_buf(), bytes, origin })
    };
    if library.is_file() && digest_of(library)? == pin.library_sha256 {
        return outcome(Origin::AlreadyThere);
    }
    let folder = library.parent().ok_or_else(|| Error::new("the cache has no folder").in_file(library))?;
    std::fs::create_dir_all(folder).map_err(|e| Error::from(e).in_file(folder))?;
    if let Some(wheel) = &request.wheel {
        unpack(pin, wheel, library)?;
        return outcome(Origin::Wheel(wheel.clone()));
    }
    let scratch =
        Builder::new().prefix(".setup-").tempdir_in(folder).map_err(|e| Error::from(e).in_file(folder))?;
    let python = download(pin, &scratch)?;
    unpack(pin, &scratch.path().join(pin.wheel), library)?;
    outcome(Origin::Downloaded { python })
}

/// Downloads the wheel into a folder; returns the interpreter whose pip did it.
fn download(pin: &Pin, into: &TempDir) -> Result<&'static str> {
    let help = format!("get {} elsewhere and run `onnxpress setup --from {}`", pin.wheel, pin.wheel);
    for python in pythons() {
        let output = match pip(python, pin, into.path()).output() {
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            other => other.map_err(|e| Error::new(format!("{python} cannot be run: {e}")))?,
        };
        if output.status.success() {
            return Ok(python);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            continue;
        }
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim();
        return Err(Error::new(format!("pip could not download {}: {last}", pin.wheel))
            .with_help(format!("check the network and pip's index, or {help}")));
    }
    Err(Error::new("no Python with pip was found").with_help(format!("install Python 3 with pip, or {help}")))
}

/// `pip download` from within the empty folder: Python would take modules out of the current one first.
fn pip(python: &str, pin: &Pin, into: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--implementation", "cp", "--python-version", pin.python])
        .args(["--platform", pin.tag, "--dest"])
        .arg(into)
        .arg(format!("onnxruntime=={}", pin.version))
        .current_dir(into)
        .stdin(Stdio::null());
    command
}

/// Takes the library out of a wheel, checking both.
fn unpack(pin: &Pin, wheel: &Path, library: &Path) -> Result<()> {
    let in_wheel = |e: zip::result::ZipError| Error::new(e.to_string()).in_file(wheel);
    let digest = digest_of(wheel)?;
    if digest != pin.wheel_sha256 {
        return Err(Error::new(format!("the wheel's sha256 is {digest}, expected {}", pin.wheel_sha256))
            .in_file(wheel)
            .with_help(format!("this platform takes {}", pin.wheel)));
    }
    let file = File::open(wheel).map_err(|e| Error::from(e).in_file(wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(in_wheel)?;
    let mut member = archive.by_name(pin.library).map_err(in_wheel)?;
    let folder = library.parent().ok_or_else(|| Error::new("the cache has no folder").in_file(library))?;
    let in_cache = |e: std::io::Error| Error::from(e).in_file(library);
    let mut file = NamedTempFile::new_in(folder).map_err(in_cache)?;
    let digest = copy_digested(&mut member, file.as_file_mut()).map_err(in_cache)?;
    if digest != pin.library_sha256 {
        return Err(Error::new(format!("the library's sha256 is {digest}, expected {}", pin.library_sha256))
            .in_file(wheel));
    }
    file.as_file().sync_all().map_err(in_cache)?;
    file.persist(library).map_err(|e| in_cache(e.error))?;
    Ok(())
}

fn digest_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::from(e).in_file(path))?;
    copy_digested(&mut file, &mut std::io::sink()).map_err(|e| Error::from(e).in_file(path))
}

/// Copies and returns the sha256 in hexadecimal.
fn copy_digested(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match from.read(&mut block) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&block[..n]);
                to.write_all(&block[..n])?;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A wheel with one member, and the pin that fits it.
    fn wheel(folder: &Path, contents: &[u8]) -> (PathBuf, Pin) {
        let path = folder.join("any.whl");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        archive.start_file("onnxruntime/capi/lib.so", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(contents).unwrap();
        archive.finish().unwrap();
        let leak = |text: String| -> &'static str { text.leak() };
        let pin = Pin {
            platform: "any",
            version: "1",
            python: "3",
            tag: "any",
            wheel: "any.whl",
            wheel_sha256: leak(digest_of(&path).unwrap()),
            library: "onnxruntime/capi/lib.so",
            library_sha256: leak(copy_digested(&mut &*contents, &mut std::io::sink()).unwrap()),
        };
        (path, pin)
    }

    #[test]
    fn the_library_is_taken_out_once() {
        let folder = tempfile::tempdir().unwrap();
        let (path, pin) = wheel(folder.path(), b"a library");
        let library = folder.path().join("cache/1/lib.so");
        let request = Setup { wheel: Some(path.clone()) };
        let first = install(&pin, &library, &request).unwrap();
        assert_eq!((first.origin, first.bytes), (Origin::Wheel(path), 9));
        assert_eq!(std::fs::read(&library).unwrap(), b"a library");
        assert_eq!(install(&pin, &library, &request).unwrap().origin, Origin::AlreadyThere);
        std::fs::write(&library, "damaged").unwrap();
        install(&pin, &library, &request).unwrap();
        assert_eq!(std::fs::read(&library).unwrap(), b"a library");
        assert_eq!(
            std::fs::read_dir(library.parent().unwrap()).unwrap().count(),
            1,
            "something was left behind"
        );
    }

    #[test]
    fn pip_runs_where_no_module_lies() {
        let folder = tempfile::tempdir().unwrap();
        let (_, pin) = wheel(folder.path(), b"a library");
        assert_eq!(pip("python3", &pin, folder.path()).get_current_dir(), Some(folder.path()));
    }

    #[test]
    fn another_wheel_or_library_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, pin) = wheel(folder.path(), b"a library");
        let library = folder.path().join("cache/lib.so");
        let request = Setup { wheel: Some(path) };
        let other = "0".repeat(64).leak();
        for wrong in [
            Pin { wheel_sha256: other, ..pin },
            Pin { library_sha256: other, ..pin },
            Pin { library: "missing", ..pin },
        ] {
            install(&wrong, &library, &request).unwrap_err();
            assert!(!library.exists());
            assert_eq!(std::fs::read_dir(library.parent().unwrap()).unwrap().count(), 0);
        }
        let missing = Setup { wheel: Some(folder.path().join("missing.whl")) };
        assert!(install(&pin, &library, &missing).unwrap_err().file().is_some());
    }
}
