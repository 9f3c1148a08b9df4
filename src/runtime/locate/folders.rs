//! The folders that may hold the library, and which of their files it is.

use crate::error::{Error, Result};
use crate::runtime::pinned::pin_here;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where `onnxpress setup` puts the library of this machine.
///
/// # Errors
/// No wheel is published for this machine, or it has no home folder.
pub(in crate::runtime) fn cached_library() -> Result<PathBuf> {
    let pin = pin_here()?;
    Ok(cache_folder(std::env::consts::OS, |name| std::env::var_os(name))?
        .join("onnxruntime")
        .join(pin.version)
        .join(pin.library_name()))
}

/// The user's cache folder for onnxpress on a system, given its environment variables.
fn cache_folder(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match os {
        "windows" => folder("LOCALAPPDATA"),
        "macos" => folder("HOME").map(|home| home.join("Library/Caches")),
        _ => folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache"))),
    };
    base.map(|base| base.join("onnxpress")).ok_or_else(|| {
        Error::new("there is no folder for caches").with_help(if os == "windows" {
            "set LOCALAPPDATA"
        } else {
            "set HOME to an absolute path"
        })
    })
}

/// The library in a folder: the name without a version, else the newest version.
pub(super) fn library_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let named = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let version = library_version(entry.file_name().to_str()?, std::env::consts::OS)?;
        let path = entry.path();
        path.is_file().then_some((version.is_empty(), version, path))
    });
    named.max().map(|(_, _, path)| path)
}

/// The version in a file name of ONNX Runtime's library on a system; empty without one, `None` for other files.
fn library_version(name: &str, os: &str) -> Option<Vec<u64>> {
    let version = match os {
        "windows" => name.eq_ignore_ascii_case("onnxruntime.dll").then_some("")?,
        "macos" => name.strip_prefix("libonnxruntime")?.strip_suffix(".dylib")?,
        _ => name.strip_prefix("libonnxruntime.so")?,
    };
    if version.is_empty() {
        return Some(Vec::new());
    }
    version.strip_prefix('.')?.split('.').map(|part| part.parse().ok()).collect()
}

pub(super) fn system_folders(variable: impl Fn(&'static str) -> Option<OsString>) -> Vec<PathBuf> {
    let listed = |name| variable(name).map(|list| std::env::split_paths(&list).collect()).unwrap_or_default();
    let (mut folders, fixed): (Vec<PathBuf>, &[&str]) = match std::env::consts::OS {
        // Windows itself ships an old onnxruntime.dll in its system folder.
        "windows" => {
            let windows = variable("SystemRoot").map(PathBuf::from);
            let mut path: Vec<PathBuf> = listed("PATH");
            path.retain(|folder| windows.as_ref().is_none_or(|root| !folder.starts_with(root)));
            (path, &[])
        }
        "macos" => (listed("DYLD_LIBRARY_PATH"), &["/opt/homebrew/lib", "/usr/local/lib"]),
        _ => (listed("LD_LIBRARY_PATH"), &["/usr/local/lib", "/usr/local/lib64", "/usr/lib", "/usr/lib64"]),
    };
    folders.retain(|folder| folder.is_absolute());
    folders.extend(fixed.iter().map(PathBuf::from));
    if cfg!(target_os = "linux") {
        folders.push(format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH).into());
    }
    folders
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn caches_are_where_the_system_keeps_them() {
        let environment = |name: &str| match name {
            "HOME" => Some("/home/u".into()),
            "LOCALAPPDATA" if cfg!(windows) => Some("C:\\u".into()),
            _ => None,
        };
        assert_eq!(cache_folder("linux", environment).unwrap(), Path::new("/home/u/.cache/onnxpress"));
        assert_eq!(
            cache_folder("macos", environment).unwrap(),
            Path::new("/home/u/Library/Caches/onnxpress")
        );
        let moved = |name: &str| (name == "XDG_CACHE_HOME").then(|| OsString::from("/c"));
        assert_eq!(cache_folder("linux", moved).unwrap(), Path::new("/c/onnxpress"));
        let relative = |name: &str| (name == "XDG_CACHE_HOME").then(|| OsString::from("c"));
        for os in ["linux", "macos", "windows"] {
            assert!(cache_folder(os, relative).unwrap_err().help().is_some());
        }
    }

    #[test]
    fn library_names_are_told_from_others() {
        let cases: [(&str, &str, Option<&[u64]>); 10] = [
            ("libonnxruntime.so", "linux", Some(&[])),
            ("libonnxruntime.so.1.31.1", "linux", Some(&[1, 31, 1])),
            ("libonnxruntime_providers_shared.so", "linux", None),
            ("libonnxruntime.so.debug", "linux", None),
            ("libonnxruntime.dylib", "macos", Some(&[])),
            ("libonnxruntime.1.23.2.dylib", "macos", Some(&[1, 23, 2])),
            ("libonnxruntime.1.23.2.dylib", "linux", None),
            ("onnxruntime.dll", "windows", Some(&[])),
            ("onnxruntime_providers_shared.dll", "windows", None),
            ("onnxruntime_pybind11_state.so", "macos", None),
        ];
        for (name, os, version) in cases {
            assert_eq!(library_version(name, os).as_deref(), version, "{name} on {os}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_newest_version_of_a_folder_wins() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.22.0", "libonnxruntime_providers_shared.so"]
        {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(library_in(folder.path()).unwrap(), folder.path().join("libonnxruntime.so.1.22.0"));
        std::fs::write(folder.path().join("libonnxruntime.so"), "").unwrap();
        assert_eq!(library_in(folder.path()).unwrap(), folder.path().join("libonnxruntime.so"));
    }
}
