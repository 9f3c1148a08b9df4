//! `onnxpress --version`: the version, and the runtimes that would judge.

#[cfg(feature = "tract")]
use crate::runtime::TractRuntime;
use crate::runtime::{Missing, Preferences, Runtime, find};

/// What `--version` prints behind the name: the version, and on a second line the runtimes.
pub(super) fn long() -> String {
    format!("{}\nruntimes: {}, {}", env!("CARGO_PKG_VERSION"), onnx_runtime(), tract())
}

#[cfg(feature = "tract")]
fn tract() -> String {
    format!("{} (compiled in)", TractRuntime::new().name())
}

#[cfg(not(feature = "tract"))]
fn tract() -> String {
    "tract not compiled in".to_owned()
}

fn onnx_runtime() -> String {
    match find(&Preferences::default()) {
        Ok((runtime, found)) => {
            format!("{} ({}: {})", runtime.name(), found.how, found.library.display())
        }
        Err(Missing::Nowhere(_)) => "ONNX Runtime not found: run `onnxpress setup`".to_owned(),
        Err(Missing::Named(error)) => format!("ONNX Runtime cannot be used: {error}"),
    }
}
