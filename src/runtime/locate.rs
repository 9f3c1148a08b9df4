//! How ONNX Runtime is found.
//!
//! In this order: `--ort-lib`, `ORT_DYLIB_PATH`, beside the executable, the cache that `onnxpress setup` fills, an
//! `onnxruntime` wheel of the active Python, the system's library folders. A library that the user named is the only
//! one tried; one of the others that cannot be loaded is passed over.

mod folders;
mod python;

pub(super) use folders::cached_library;
pub(super) use python::pythons;

use super::{OrtRuntime, Runtime};
use crate::diag::Diags;
use crate::error::{Error, Result};
use folders::{library_in, system_folders};
use python::{ask_python, packages_of};
use std::fmt;
use std::path::PathBuf;

/// What the user said about the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The shared library of ONNX Runtime, or the folder that holds it (`--ort-lib`).
    pub library: Option<PathBuf>,
    /// A shared library of custom operators (`--custom-ops`). It is loaded, and so runs its own code.
    pub custom_ops: Option<PathBuf>,
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
/// A library that the user named cannot be loaded; or none can, and tract is not compiled in.
pub fn default_runtime(preferences: &Preferences, diags: &mut Diags) -> Result<Box<dyn Runtime>> {
    match find(preferences) {
        Ok((runtime, _)) => Ok(Box::new(runtime)),
        Err(Missing::Named(error)) => Err(error),
        Err(Missing::Nowhere(error)) if preferences.custom_ops.is_some() => Err(error),
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
    /// A library that the user named is unusable.
    Named(Error),
    /// The search ended without one.
    Nowhere(Error),
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Named(error) | Missing::Nowhere(error) => error,
        }
    }
}

/// Finds and loads ONNX Runtime.
///
/// # Errors
/// See [`Missing`].
pub fn find(preferences: &Preferences) -> Result<(OrtRuntime, Found), Missing> {
    let (runtime, found) = find_in(preferences, &Surroundings::here())?;
    match &preferences.custom_ops {
        None => Ok((runtime, found)),
        Some(library) => Ok((runtime.with_custom_ops(library).map_err(Missing::Named)?, found)),
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
            let preferences = Preferences { library: Some(named), custom_ops: None };
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
}
