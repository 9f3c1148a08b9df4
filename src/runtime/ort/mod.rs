//! ONNX Runtime through its C API, from a shared library that is loaded when it is first needed.
//!
//! A process holds one library and one environment. Sessions log nothing; what goes wrong is in the error. Telemetry,
//! on by default in official builds, is switched off.

mod absent;
mod api;
mod errors;
mod limits;
mod session;
mod values;

use crate::error::{Error, Result};
use crate::runtime::{Limits, RunError, Runtime, Session, SessionOptions, Source};
use api::{Api, LoadFailure, OLDEST_MINOR};
use session::OrtSession;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The library that this process has loaded, and from where.
static LOADED: Mutex<Option<(PathBuf, &'static Api)>> = Mutex::new(None);

/// A loaded ONNX Runtime.
#[derive(Clone)]
pub struct OrtRuntime {
    name: String,
    library: PathBuf,
    /// A shared library of custom operators that each session knows.
    custom_ops: Option<PathBuf>,
    api: &'static Api,
}

impl OrtRuntime {
    /// Loads a shared library of ONNX Runtime 1.22 or newer.
    ///
    /// Sets `ORT_DISABLE_TELEMETRY` in this process unless it is set: official builds send usage data otherwise. Call
    /// it before threads run that read the environment from C.
    ///
    /// # Errors
    /// The file is missing, no ONNX Runtime of this machine's kind or too old; or this process has already loaded another one.
    pub fn load(library: &Path) -> Result<Self> {
        let path = std::fs::canonicalize(library).map_err(|e| Error::new(e.to_string()).in_file(library))?;
        if cfg!(target_endian = "big") {
            return Err(Error::new("ONNX Runtime is used on little-endian machines only"));
        }
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let api = match &*loaded {
            Some((held, api)) if *held == path => api,
            Some((held, api)) => {
                let (version, held) = (&api.version, held.display());
                return Err(Error::new(format!("ONNX Runtime {version} is already loaded from {held}"))
                    .in_file(&path)
                    .with_help("one process can load only one ONNX Runtime"));
            }
            None => {
                let api = Api::load(&path).map_err(|failure| refusal(&failure).in_file(library))?;
                let api: &'static Api = Box::leak(Box::new(api));
                *loaded = Some((path.clone(), api));
                api
            }
        };
        Ok(Self { name: format!("ONNX Runtime {}", api.version), library: path, custom_ops: None, api })
    }

    /// The same, with a shared library of custom operators. Its code is run, here once and in each session.
    ///
    /// # Errors
    /// The file is missing, no shared library, or does not register custom operators.
    pub fn with_custom_ops(mut self, library: &Path) -> Result<Self> {
        let path = std::fs::canonicalize(library).map_err(|e| Error::new(e.to_string()).in_file(library))?;
        session::try_custom_ops(self.api, &path).map_err(|e| {
            Error::new(format!("not a usable library of custom operators: {}", e.message))
                .in_file(library)
                .with_help(
                    "name a shared library that exports RegisterCustomOps, built for this ONNX Runtime",
                )
        })?;
        self.custom_ops = Some(path);
        Ok(self)
    }

    /// The library's version, such as `1.31.1`.
    pub fn version(&self) -> &str {
        &self.api.version
    }

    /// Where the library is.
    pub fn library(&self) -> &Path {
        &self.library
    }
}

fn refusal(failure: &LoadFailure) -> Error {
    match failure {
        LoadFailure::TooOld { version } => {
            Error::new(format!("ONNX Runtime {version} is too old, 1.{OLDEST_MINOR} or newer is needed"))
                .with_help("run `onnxpress setup`, or name a newer library with --ort-lib")
        }
        LoadFailure::Unusable(why) => Error::new(format!("not a usable ONNX Runtime library: {why}"))
            .with_help("name the shared library itself, such as libonnxruntime.so, built for this machine"),
    }
}

impl Runtime for OrtRuntime {
    fn name(&self) -> &str {
        &self.name
    }

    fn limits(&self) -> Limits {
        static LIMITS: OnceLock<Limits> = OnceLock::new();
        *LIMITS.get_or_init(|| limits::probe(self.api))
    }

    fn session(&self, model: &Source, options: &SessionOptions) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(OrtSession::new(self.api, model, options, self.custom_ops.as_deref())?))
    }
}
