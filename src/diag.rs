//! Remarks that do not stop the work: repaired defects, dropped residue, refused conversions.

use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// The user should look at it.
    Warning,
}

/// One remark. `code` is stable and may be matched by scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diag {
    /// Kebab-case identifier such as `missing-opset-import`.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The node, value or file it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// One sentence without a full stop.
    pub message: String,
}

impl fmt::Display for Diag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(at) = &self.at {
            write!(f, " (at '{at}')")?;
        }
        write!(f, " [{}]", self.code)
    }
}

/// Remarks in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diags(Vec<Diag>);

impl Diags {
    /// No remarks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a remark worth knowing.
    pub fn note(&mut self, code: &'static str, at: Option<&str>, message: impl Into<String>) {
        self.push(code, Severity::Note, at, message.into());
    }

    /// Adds a remark that the user should look at.
    pub fn warn(&mut self, code: &'static str, at: Option<&str>, message: impl Into<String>) {
        self.push(code, Severity::Warning, at, message.into());
    }

    fn push(&mut self, code: &'static str, severity: Severity, at: Option<&str>, message: String) {
        self.0.push(Diag { code, severity, at: at.map(str::to_owned), message });
    }

    /// Takes over all remarks of `other`.
    pub fn extend(&mut self, other: Diags) {
        self.0.extend(other.0);
    }

    /// Each remark once, where it was made first.
    #[must_use]
    pub fn unique(self) -> Self {
        let mut seen = BTreeSet::new();
        let new = |d: &Diag| seen.insert((d.code, d.at.clone(), d.message.clone()));
        Self(self.0.into_iter().filter(new).collect())
    }

    /// All remarks, oldest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Diag> {
        self.0.iter()
    }

    /// Whether nothing was remarked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many remarks were made.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> IntoIterator for &'a Diags {
    type Item = &'a Diag;
    type IntoIter = std::slice::Iter<'a, Diag>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
