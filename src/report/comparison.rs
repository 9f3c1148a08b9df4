//! Results about two models, and of the set-up.

use super::ParityReport;
use super::table::BOLD;
use super::units::{bytes, count};
use crate::diag::Diags;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::fmt::Write as _;

/// Two models run on the same inputs.
#[derive(Clone, Debug, Serialize)]
pub struct CompareReport {
    /// The model that is right by definition.
    pub a: String,
    /// The model that is judged.
    pub b: String,
    /// How their outputs compare.
    pub parity: ParityReport,
    /// Wall time.
    pub seconds: f64,
    /// Remarks of the imports.
    pub diags: Diags,
}

impl CompareReport {
    /// As a person reads it.
    pub fn human(&self) -> String {
        let mut text = String::new();
        if !self.parity.outputs.is_empty() {
            let _ = writeln!(text, "{}", self.parity.table());
        }
        let _ = writeln!(text, "{}", self.parity.line());
        text.push_str(&self.parity.whereabouts());
        text
    }
}

/// Two models side by side as text.
#[derive(Clone, Debug, Serialize)]
pub struct DiffReport {
    /// The old model.
    pub a: String,
    /// The new model.
    pub b: String,
    /// Whether they are the same text.
    pub same: bool,
    /// Lines that only the old one has.
    pub removed: usize,
    /// Lines that only the new one has.
    pub added: usize,
    /// A unified diff of the two in ONNX textual syntax.
    pub diff: String,
}

/// A model as text.
#[derive(Clone, Debug, Serialize)]
pub struct TextReport {
    /// The file; `-` for standard input.
    pub input: String,
    /// The model in ONNX textual syntax.
    pub text: String,
}

/// The page of a pass.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// The pass.
    pub id: String,
    /// What it does, when, and what it refuses.
    pub markdown: String,
}

/// What `setup` has done.
#[derive(Clone, Debug, Serialize)]
pub struct SetupReport {
    /// Name and version of the runtime, which was loaded to see that it works.
    pub runtime: String,
    /// The library that will be used.
    pub library: String,
    /// Its size.
    pub library_bytes: u64,
    /// The wheel of this platform.
    pub wheel: String,
    /// Where the library came from.
    pub origin: String,
}

impl DiffReport {
    /// The diff, and how large it is.
    pub fn human(&self) -> String {
        if self.same {
            return "the models are the same text\n".to_owned();
        }
        let mut text = String::new();
        for line in self.diff.lines() {
            let color = match line.as_bytes().first() {
                Some(b'-') => AnsiColor::Red.on_default(),
                Some(b'+') => AnsiColor::Green.on_default(),
                Some(b'@') => AnsiColor::Cyan.on_default(),
                _ => Style::new(),
            };
            let _ = writeln!(text, "{color}{line}{color:#}");
        }
        let (removed, added) = (count(self.removed as u64, "line"), count(self.added as u64, "line"));
        let _ = writeln!(text, "\n{removed} removed, {added} added");
        text
    }
}

impl SetupReport {
    /// As a person reads it.
    pub fn human(&self) -> String {
        format!(
            "{BOLD}{}{BOLD:#} is ready: {} ({}), {}\n",
            self.runtime,
            self.library,
            bytes(self.library_bytes),
            self.origin
        )
    }
}
