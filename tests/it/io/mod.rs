//! Files in and out.

mod accepted;
mod bad_input;
mod build;
mod external;
mod identity;
mod unknown_fields;

use std::fs;
use std::path::{Path, PathBuf};

/// Every model of the fixtures but the generated large ones, sorted. They must be there.
pub(super) fn fixtures() -> Vec<PathBuf> {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cache");
    let mut found = Vec::new();
    for folder in ["models", "node-cases", "light", "simple", "pytorch-converted", "pytorch-operator"] {
        let before = found.len();
        find(&cache.join(folder), &mut found);
        assert!(found.len() > before, "fixtures/cache/{folder} is empty; fetch the fixtures first");
    }
    found.sort();
    found
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}; fetch the fixtures first", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|e| e == "onnx") {
            found.push(path);
        }
    }
}
