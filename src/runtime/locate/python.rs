//! The `onnxruntime` package of a Python.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The `onnxruntime` packages under the root of a Python environment.
pub(super) fn packages_of(root: &Path) -> Vec<PathBuf> {
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
pub(in crate::runtime) fn pythons() -> &'static [&'static str] {
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
pub(super) fn ask_python(python: &str) -> Option<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_that_is_not_there_answers_nothing() {
        assert_eq!(ask_python("no-such-python-interpreter"), None);
    }
}
