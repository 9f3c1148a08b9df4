//! What `tools/fetch.py all` fetched: models, node cases, and the ONNX Runtime that judges. It must be there.

use onnxpress::runtime::OrtRuntime;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One folder of the fetched fixtures.
pub(crate) fn folder(name: &str) -> PathBuf {
    let cache = std::env::var_os("ONNXPRESS_FIXTURES").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cache"));
    let folder = cache.join(name);
    assert!(folder.is_dir(), "{} is missing; run `python3 tools/fetch.py all` first", folder.display());
    folder
}

/// What lies in a folder, sorted; at least one.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty(), "{} is empty", folder.display());
    found
}

/// The files of a folder with an extension, sorted; at least one.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = entries(folder);
    found.retain(|path| path.extension().is_some_and(|e| e == extension));
    assert!(!found.is_empty(), "{} holds no .{extension}", folder.display());
    found
}

/// The library that the tests judge with.
pub(crate) fn library() -> PathBuf {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let folder = folder("ort");
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libonnxruntime.") || name == "onnxruntime.dll"
    };
    let found = entries(&folder).into_iter().find(is_library);
    found.unwrap_or_else(|| panic!("no library in {}", folder.display()))
}

/// ONNX Runtime, loaded once.
pub(crate) fn onnx_runtime() -> &'static OrtRuntime {
    static RUNTIME: LazyLock<OrtRuntime> = LazyLock::new(|| OrtRuntime::load(&library()).unwrap());
    &RUNTIME
}
