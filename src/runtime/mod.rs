//! Running a model: ONNX Runtime is the judge, tract the embedded fallback and second opinion.
//!
//! Both sit behind [`Runtime`] and [`Session`]; their own types stay inside `ort.rs` and `tract.rs`.
//! A model that one cannot run is an answer, [`RunError::Unsupported`], never a crash.

mod locate;
mod ort;
mod pinned;
mod setup;
#[cfg(feature = "tract")]
mod tract;

pub use locate::{Found, How, Missing, Preferences, default_runtime, find};
pub use ort::OrtRuntime;
pub use pinned::{Pin, pin_for};
pub use setup::{Origin, Outcome, Setup, setup};
#[cfg(feature = "tract")]
pub use tract::TractRuntime;

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What goes into a session and comes out of it.
#[derive(Clone, Debug)]
pub enum RunValue {
    /// A dense tensor.
    Tensor(Tensor),
    /// A sequence.
    Sequence(Vec<RunValue>),
    /// An optional value; `None` where it is absent.
    Optional(Option<Box<RunValue>>),
    /// A map: keys and values in the same order.
    Map(Tensor, Tensor),
}

/// The model that a session runs.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file; external data lies beside it.
    File(PathBuf),
    /// A serialized model; `folder` is where its external data lies.
    Bytes {
        /// `ModelProto` in wire format.
        model: Bytes,
        /// The folder that external locations are relative to.
        folder: Option<PathBuf>,
    },
}

impl Source {
    /// A model file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::File(path.as_ref().to_path_buf())
    }

    /// A serialized model without external data.
    pub fn bytes(model: impl Into<Bytes>) -> Self {
        Self::Bytes { model: model.into(), folder: None }
    }
}

/// Raw data as a runtime takes it: a boolean other than 0 and 1 is true here and undefined in C++ and Rust.
fn raw(tensor: &Tensor) -> Option<Bytes> {
    let bytes = tensor.bytes()?;
    let odd = tensor.dtype() == DType::Bool && bytes.iter().any(|&b| b > 1);
    Some(if odd { bytes.iter().map(|&b| u8::from(b != 0)).collect() } else { bytes })
}

/// How a session runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads within an operator; 0 leaves the number to the runtime.
    pub threads: usize,
    /// How far the runtime may optimize the graph itself; a reference that does is none.
    pub optimize: Optimization,
    /// As those run it who use it: the fastest kernels, an arena of memory. Else equal runs give equal bits, and memory
    /// is given back.
    pub deployed: bool,
    /// Where the runtime is to write the model as it has optimized it.
    pub optimized: Option<PathBuf>,
}

impl Default for SessionOptions {
    /// The reference: one thread, no optimization.
    fn default() -> Self {
        Self { threads: 1, optimize: Optimization::None, deployed: false, optimized: None }
    }
}

impl SessionOptions {
    /// As those run a model who deploy it: one thread, all optimizations.
    pub fn deployed() -> Self {
        Self { optimize: Optimization::All, deployed: true, ..Self::default() }
    }
}

/// The runtime's own optimizations when it loads a model, as ONNX Runtime ranks them; other runtimes know none and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimization {
    /// None.
    None,
    /// Constant folding, redundant nodes, fusions of standard operators.
    Basic,
    /// Fusions that depend on the execution provider too.
    Extended,
    /// Layouts too.
    All,
}

/// Why a runtime gave no outputs.
#[derive(Debug)]
pub enum RunError {
    /// The runtime does not know an op, a type or a version that the model uses.
    Unsupported(String),
    /// The model was refused as invalid, or failed on these inputs.
    Failed(Error),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "not supported: {what}"),
            Self::Failed(e) => write!(f, "{e}"),
        }
    }
}

impl From<Error> for RunError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl RunError {
    /// The same as an error of the library, for callers to whom the model has to run.
    pub fn into_error(self) -> Error {
        match self {
            Self::Unsupported(what) => Error::new(format!("the runtime does not support this model: {what}")),
            Self::Failed(error) => error,
        }
    }
}

/// The newest versions that a runtime takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `ModelProto.ir_version`.
    pub ir_version: i64,
    /// Opset of the default domain.
    pub opset: i64,
    /// Opset of `ai.onnx.ml`.
    pub ml_opset: i64,
}

/// Something that runs models.
pub trait Runtime: Send + Sync {
    /// Name and version as reports show it, such as `ONNX Runtime 1.31.1`.
    fn name(&self) -> &str;
    /// The newest versions that it takes; a model above them is [`RunError::Unsupported`].
    fn limits(&self) -> Limits;
    /// Prepares a model.
    ///
    /// # Errors
    /// The model cannot be run, and whether that is the model's fault.
    fn session(&self, model: &Source, options: &SessionOptions) -> Result<Box<dyn Session>, RunError>;
}

/// A model ready to run.
pub trait Session: Send {
    /// Names of the inputs, in the model's order; none that initializers give.
    fn inputs(&self) -> &[String];
    /// Names of the outputs, in the model's order.
    fn outputs(&self) -> &[String];
    /// Runs the model on inputs by name and returns the outputs of the given names in that order.
    ///
    /// # Errors
    /// See [`RunError`].
    fn run(&mut self, feeds: &[(&str, &RunValue)], outputs: &[&str]) -> Result<Vec<RunValue>, RunError>;
    /// The time of one run for all outputs: without the conversion of values, where the runtime can tell them apart.
    ///
    /// # Errors
    /// See [`RunError`].
    fn time(&mut self, feeds: &[(&str, &RunValue)]) -> Result<Duration, RunError> {
        let outputs = self.outputs().to_vec();
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let start = Instant::now();
        self.run(feeds, &outputs)?;
        Ok(start.elapsed())
    }
}
