//! The command as a user meets it: screens, exit codes, files.

mod bad_input;
mod bad_models;
mod bench;
mod check;
mod commands;
mod compiler;
mod custom_ops;
mod mismatch;
mod optimize;
mod quantize;
mod transcripts;
mod tune;

use onnxpress::io::{WriteOptions, save};
use onnxpress::text::parse_model;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder of its own for one test, with a small model `m.onnx` in it that passes can work on.
pub(crate) struct Place(TempDir);

const MODEL: &str = r#"<ir_version: 8, opset_import: ["" : 17], producer_name: "maker", producer_version: "1.2">
g (float[n, 4] x) => (float[n, 4] y)
<float[4] w = {1, 2, 3, 4}>
{
    [same] a = Identity (x)
    [first] b = Mul (a, w)
    [second] c = Mul (a, w)
    [sum] y = Add (b, c)
}
"#;

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.model("m.onnx", MODEL);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a model given as text.
    pub(crate) fn model(&self, name: &str, text: &str) {
        save(&parse_model(text).unwrap(), self.path(name), &WriteOptions::default()).unwrap();
    }

    /// What is in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The command, run in the folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onnxpress"));
        command.args(args).current_dir(self.0.path()).env("ORT_DYLIB_PATH", crate::fixtures::library());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as JSON, of a run that succeeded.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
