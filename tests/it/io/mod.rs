//! Files in and out.

mod accepted;
mod bad_input;
pub(crate) mod build;
mod external;
mod identity;
mod unknown_fields;

use crate::fixtures::{entries, folder};
use std::path::{Path, PathBuf};

/// Every model of the fixtures but the generated large ones, sorted.
pub(super) fn models() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in ["models", "node-cases", "light", "simple", "pytorch-converted", "pytorch-operator"] {
        let before = found.len();
        find(&folder(name), &mut found);
        assert!(found.len() > before, "{name} holds no model");
    }
    found.sort();
    found
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|e| e == "onnx") {
            found.push(path);
        }
    }
}
