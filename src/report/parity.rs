//! What the comparison of a model with its original came to.

use super::Number;
use super::table::table;
use super::units::count;
use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every output of every case is within what the passes that fired allow.
    Passed,
    /// Some output is not.
    Failed,
    /// The original could not be run, so nothing can be said.
    Unproven,
    /// Not asked for.
    Skipped,
}

/// How the outputs of two models compare on the same inputs.
#[derive(Clone, Debug, Serialize)]
pub struct ParityReport {
    /// The verdict.
    pub status: Status,
    /// Name and version of the runtime that judged, such as `ONNX Runtime 1.31.1`.
    pub runtime: Option<String>,
    /// Sets of inputs on which both models ran.
    pub cases: usize,
    /// The declared exactness by which the verdict was reached.
    pub exactness: String,
    /// Largest absolute difference over all outputs.
    pub max_abs: Option<Number>,
    /// Largest difference relative to the largest magnitude of its output.
    pub max_rel: Option<Number>,
    /// Largest difference in units in the last place.
    pub max_ulp: Option<Number>,
    /// Smallest cosine similarity of an output with its original.
    pub cosine: Option<Number>,
    /// Smallest ratio of signal to error, in dB; `inf` where all outputs are bit-equal.
    pub sqnr_db: Option<Number>,
    /// Largest absolute difference with which the original itself answers to float inputs moved by one unit in the last place.
    pub noise_floor: Option<Number>,
    /// The absolute difference that was allowed where [`ParityReport::max_abs`] was found.
    pub allowed: Option<Number>,
    /// Why it failed or could not be proven.
    pub reason: Option<String>,
    /// The worst case of each output.
    pub outputs: Vec<OutputReport>,
}

/// The worst case of one output.
#[derive(Clone, Debug, Serialize)]
pub struct OutputReport {
    /// The output's name.
    pub name: String,
    /// Whether it is within what is allowed.
    pub passed: bool,
    /// Largest absolute difference.
    pub max_abs: Number,
    /// Largest difference relative to the largest magnitude.
    pub max_rel: Number,
    /// Largest difference in units in the last place.
    pub max_ulp: Number,
    /// Cosine similarity.
    pub cosine: Number,
    /// Ratio of signal to error, in dB.
    pub sqnr_db: Number,
    /// The absolute difference that was allowed.
    pub allowed: Number,
    /// What is wrong beyond the difference: another shape, another pattern of NaN.
    pub reason: Option<String>,
}

impl ParityReport {
    /// A verdict without a comparison.
    pub fn without(status: Status, exactness: impl Into<String>, reason: Option<String>) -> Self {
        Self {
            status,
            runtime: None,
            cases: 0,
            exactness: exactness.into(),
            max_abs: None,
            max_rel: None,
            max_ulp: None,
            cosine: None,
            sqnr_db: None,
            noise_floor: None,
            allowed: None,
            reason,
            outputs: Vec::new(),
        }
    }

    /// The verdict on one line: `proved: 12 cases on ONNX Runtime 1.31.1, largest difference 2.1e-6, allowed 1.2e-4`.
    pub fn line(&self) -> String {
        let (word, color) = match self.status {
            Status::Passed => ("proved", AnsiColor::Green),
            Status::Failed => ("mismatch", AnsiColor::Red),
            Status::Unproven => ("unproven", AnsiColor::Yellow),
            Status::Skipped => ("not proved", AnsiColor::Yellow),
        };
        let style = Style::new().fg_color(Some(color.into())).bold();
        let mut parts = Vec::new();
        if let Some(runtime) = &self.runtime
            && self.cases > 0
        {
            parts.push(format!("{} on {runtime}", count(self.cases as u64, "case")));
        }
        parts.extend(self.difference());
        parts.extend(self.reason.clone());
        format!("{style}{word}{style:#}: {}", parts.join(", "))
    }

    fn difference(&self) -> Option<String> {
        let max_abs = self.max_abs?;
        if max_abs.0 == 0.0 {
            return Some("outputs bit-equal".to_owned())
                .filter(|_| self.sqnr_db.is_none_or(|s| s.0 == f64::INFINITY));
        }
        let allowed = self.allowed.map(|a| format!(", allowed {a}")).unwrap_or_default();
        Some(format!("largest difference {max_abs}{allowed}"))
    }

    /// A table of the outputs.
    pub fn table(&self) -> String {
        let rows = self.outputs.iter().map(|o| {
            let verdict =
                if o.passed { "same".to_owned() } else { o.reason.clone().unwrap_or("differs".into()) };
            let sqnr = if o.sqnr_db.0.is_finite() {
                format!("{:.1} dB", o.sqnr_db.0)
            } else {
                o.sqnr_db.to_string()
            };
            vec![
                o.name.clone(),
                o.max_abs.to_string(),
                o.allowed.to_string(),
                o.max_rel.to_string(),
                o.max_ulp.to_string(),
                o.cosine.to_string(),
                sqnr,
                verdict,
            ]
        });
        let header = ["output", ">max abs", ">allowed", ">max rel", ">ulp", ">cosine", ">SQNR", "verdict"];
        table(&header, rows.collect())
    }
}

impl Status {
    /// As JSON spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unproven => "unproven",
            Self::Skipped => "skipped",
        }
    }
}
