//! How ONNX Runtime is found.
//!
//! In this order: `--ort-lib`, `ORT_DYLIB_PATH`, beside the executable, the cache that `onnxpress setup` fills, an
//! `onnxruntime` wheel of the active Python, the system's library folders. A library that the user named is the only
//! one tried; one of the others that cannot be loaded is passed over.

use super::pinned::pin_here;
use super::{OrtRuntime, Runtime};
use crate::diag::Diags;
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the user said about the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The shared library of ONNX Runtime, or the folder that holds it (`--ort-lib`).
    pub library: Option<PathBuf>,
}

/// How a library was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Named by the caller.
    Named,
    /// Named by `ORT_DYLIB_PATH`.
    Environment,
    /// Beside the executable.
    BesideExecutable,
    /// In the cache that `onnxpress setup` fills.
    Cache,
    /// In the `onnxruntime` wheel of the active Python.
    Python,
    /// In a library folder of the system.
    System,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named => "--ort-lib",
            Self::Environment => "ORT_DYLIB_PATH",
            Self::BesideExecutable => "beside the executable",
            Self::Cache => "the cache of `onnxpress setup`",
            Self::Python => "the active Python's onnxruntime",
            Self::System => "the system's libraries",
        })
    }
}

/// A shared library and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The library.
    pub library: PathBuf,
    /// How it was found.
    pub how: How,
}

/// The runtime to judge with: ONNX Runtime, or tract with a warning where none is found.
///
/// # Errors
/// The library that the user named cannot be loaded; or none can, and tract is not compiled in.
pub fn default_runtime(preferences: &Preferences, diags: &mut Diags) -> Result<Box<dyn Runtime>> {
    match find(preferences) {
        Ok((runtime, _)) => Ok(Box::new(runtime)),
        Err(Missing::Named(error)) => Err(error),
        Err(Missing::Nowhere(error)) => without_ort(error, diags),
    }
}

#[cfg(feature = "tract")]
fn without_ort(error: Error, diags: &mut Diags) -> Result<Box<dyn Runtime>> {
    let runtime = super::TractRuntime::new();
    diags.warn(
        "no-onnx-runtime",
        None,
        format!("{error}; {} judges instead (`onnxpress setup` gets ONNX Runtime)", runtime.name()),
    );
    Ok(Box::new(runtime))
}

#[cfg(not(feature = "tract"))]
fn without_ort(error: Error, _: &mut Diags) -> Result<Box<dyn Runtime>> {
    Err(error)
}

/// Why ONNX Runtime could not be loaded.
#[derive(Debug)]
pub enum Missing {
    /// The library that the user named is unusable.
    Named(Error),
    /// The search ended without one.
    Nowhere(Error),
}

/// Finds and loads ONNX Runtime.
///
/// # Errors
/// See [`Missing`].
pub fn find(preferences: &Preferences) -> Result<(OrtRuntime, Found), Missing> {
    find_in(preferences, &Surroundings::here())
}

/// What of the machine the search depends on.
struct Surroundings {
    named_by_environment: Option<PathBuf>,
    executable: Option<PathBuf>,
    cache: Option<PathBuf>,
    /// Roots of the active virtual environments.
    python_roots: Vec<PathBuf>,
    /// Interpreters to ask.
    pythons: &'static [&'static str],
    system: Vec<PathBuf>,
}

impl Surroundings {
    fn here() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            named_by_environment: variable("ORT_DYLIB_PATH").map(PathBuf::from),
            executable: std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_path_buf())),
            cache: cached_library().ok(),
            python_roots: ["VIRTUAL_ENV", "CONDA_PREFIX"]
                .into_iter()
                .filter_map(variable)
                .map(PathBuf::from)
                .collect(),
            pythons: pythons(),
            system: system_folders(variable),
        }
    }

    /// What there is of one kind; looked for only when it is that kind's turn.
    fn candidates(&self, how: How) -> Vec<PathBuf> {
        match how {
            How::Named | How::Environment => Vec::new(),
            How::BesideExecutable => self.executable.iter().filter_map(|folder| library_in(folder)).collect(),
            How::Cache => self.cache.iter().filter(|library| library.is_file()).cloned().collect(),
            How::Python => {
                let packages = self.python_roots.iter().flat_map(|root| packages_of(root));
                let mut found: Vec<_> =
                    packages.filter_map(|package| library_in(&package.join("capi"))).collect();
                if found.is_empty() {
                    let packages = self.pythons.iter().filter_map(|python| ask_python(python));
                    found.extend(packages.filter_map(|package| library_in(&package.join("capi"))));
                }
                found
            }
            How::System => self.system.iter().filter_map(|folder| library_in(folder)).collect(),
        }
    }
}

fn find_in(preferences: &Preferences, here: &Surroundings) -> Result<(OrtRuntime, Found), Missing> {
    for (path, how) in [(&preferences.library, How::Named), (&here.named_by_environment, How::Environment)] {
        if let Some(path) = path {
            let library = if path.is_dir() { library_in(path) } else { Some(path.clone()) };
            let library = library.ok_or_else(|| {
                Missing::Named(Error::new(format!("{how} names a folder without ONNX Runtime")).in_file(path))
            })?;
            let runtime = OrtRuntime::load(&library).map_err(Missing::Named)?;
            return Ok((runtime, Found { library, how }));
        }
    }
    let mut passed_over = Vec::new();
    for how in [How::BesideExecutable, How::Cache, How::Python, How::System] {
        let candidates = here.candidates(how);
        if candidates.is_empty() {
            passed_over.push(format!("{how}: none"));
        }
        for library in candidates {
            match OrtRuntime::load(&library) {
                Ok(runtime) => return Ok((runtime, Found { library, how })),
                Err(error) => passed_over.push(format!("{how}: {error}")),
            }
        }
    }
    let looked = passed_over.join("; ");
    Err(Missing::Nowhere(Error::new(format!("no usable ONNX Runtime was found ({looked})")).with_help(
        "run `onnxpress setup` to fetch it, or name the shared library with --ort-lib or ORT_DYLIB_PATH",
    )))
}

/// Where `onnxpress setup` puts the library of this machine.
///
/// # Errors
/// No wheel is published for this machine, or it has no home folder.
pub(super) fn cached_library() -> Result<PathBuf> {
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
fn library_in(folder: &Path) -> Option<PathBuf> {
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

/// The `onnxruntime` packages under the root of a Python environment.
fn packages_of(root: &Path) -> Vec<PathBuf> {
    let mut places = vec![root.join("Lib/site-packages")];
    for lib in ["lib", "lib64"] {
        let versions = std::fs::read_dir(root.join(lib)).into_iter().flatten().flatten();
        let pythons = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
        places.extend(pythons.map(|entry| entry.path().join("site-packages")));
    }
    places.sort();
    places.into_iter().map(|place| place.join("onnxruntime")).filter(|package| package.is_dir()).collect()
}

/// Names of the interpreter on the search path.
pub(super) fn pythons() -> &'static [&'static str] {
    if cfg!(windows) { &["python", "py"] } else { &["python3", "python"] }
}

/// Prints where the package is, without importing it and without looking into the current folder.
const WHERE: &str = "import sys
sys.path[:] = [p for p in sys.path if p]
from importlib.util import find_spec
spec = find_spec('onnxruntime')
print(spec.submodule_search_locations[0] if spec else '')";

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks an interpreter where its `onnxruntime` is; gives up after a few seconds.
fn ask_python(python: &str) -> Option<PathBuf> {
    let mut child = Command::new(python)
        .args(["-c", WHERE])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                // Nothing more can be done about a process that will not die.
                let _ = child.kill().and_then(|()| child.wait());
                return None;
            }
        }
    };
    let mut answer = String::new();
    child.stdout.take()?.read_to_string(&mut answer).ok()?;
    let path = PathBuf::from(answer.trim());
    (status.success() && path.is_absolute()).then_some(path)
}

fn system_folders(variable: impl Fn(&'static str) -> Option<OsString>) -> Vec<PathBuf> {
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

    fn nothing() -> Surroundings {
        Surroundings {
            named_by_environment: None,
            executable: None,
            cache: None,
            python_roots: Vec::new(),
            pythons: &[],
            system: Vec::new(),
        }
    }

    #[test]
    fn the_error_lists_where_it_looked() {
        let Err(Missing::Nowhere(error)) = find_in(&Preferences::default(), &nothing()) else {
            panic!("nothing is there to be found")
        };
        for place in ["executable", "cache", "Python", "system"] {
            assert!(error.message().contains(place), "{error}");
        }
        assert!(error.help().unwrap().contains("onnxpress setup"));
    }

    #[test]
    fn a_named_library_is_the_only_one_tried() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("libonnxruntime.so");
        std::fs::write(&text, "no library").unwrap();
        for named in [text, folder.path().join("missing.so"), folder.path().join("..")] {
            let preferences = Preferences { library: Some(named) };
            assert!(matches!(find_in(&preferences, &nothing()), Err(Missing::Named(_))));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_unusable_library_is_passed_over_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("lib/python3.12/site-packages/onnxruntime/capi");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("libonnxruntime.so.1.30.0"), "no library").unwrap();
        let here = Surroundings { python_roots: vec![folder.path().to_path_buf()], ..nothing() };
        let Err(Missing::Nowhere(error)) = find_in(&Preferences::default(), &here) else {
            panic!("an unusable library was taken")
        };
        assert!(error.message().contains("libonnxruntime.so.1.30.0"), "{error}");
    }

    #[test]
    fn an_interpreter_that_is_not_there_answers_nothing() {
        assert_eq!(ask_python("no-such-python-interpreter"), None);
    }
}
