//! Running models: ONNX Runtime, tract, and what they answer to what they cannot run.

pub(crate) mod cases;
mod models;
mod ort;
#[cfg(feature = "tract")]
mod tract;

use onnxpress::runtime::OrtRuntime;
use std::path::PathBuf;

/// The fetched fixtures.
pub(crate) fn fixtures() -> PathBuf {
    let folder = std::env::var_os("ONNXPRESS_FIXTURES").map(PathBuf::from);
    folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/cache"))
}

/// The library that the tests judge with; it must be there.
fn library() -> PathBuf {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let folder = fixtures().join("ort");
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}; run `python3 tools/fetch.py ort` first", folder.display()));
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libonnxruntime.") || name == "onnxruntime.dll"
    };
    paths.find(is_library).unwrap_or_else(|| panic!("no library in {}", folder.display()))
}

pub(crate) fn onnx_runtime() -> OrtRuntime {
    OrtRuntime::load(&library()).unwrap()
}
