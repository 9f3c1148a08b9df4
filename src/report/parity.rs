//! What the comparison of a model with its original came to.

use super::table::table;
use super::units::count;
use super::{Number, plain};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::collections::BTreeMap;

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
    pub max_ulp: Option<u64>,
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
    /// The sizes or file of each set of inputs.
    pub feeds: Vec<String>,
    /// The dims of the tensors in each of them, by name.
    pub feed_shapes: Vec<BTreeMap<String, Vec<usize>>>,
    /// Operators without a kernel in the runtime, which ran as the formulas that they stand for.
    pub spelled_out: Vec<String>,
    /// Random operators that became inputs which both models share.
    pub shared_random: usize,
    /// Branches of `If` nodes that no set of inputs took.
    pub untaken_branches: Vec<String>,
    /// Outputs without a single element in all sets of inputs: nothing is known of their values.
    pub empty_outputs: Vec<String>,
    /// The first value at which the two part; where they do not, or it could not be found, `None`.
    pub first_divergence: Option<DivergenceReport>,
    /// The change that made the difference, where the passes of one run did.
    pub made_by: Option<Culprit>,
    /// The worst case of each output.
    pub outputs: Vec<OutputReport>,
}

/// The first value, in the order of the original's graph, that both models have and that differs.
#[derive(Clone, Debug, Serialize)]
pub struct DivergenceReport {
    /// Its name in the original.
    pub value: String,
    /// The node that makes it there.
    pub node: String,
    /// That node's op.
    pub op: String,
    /// The last value before it that agrees.
    pub after: Option<String>,
    /// How it differs, in one sentence.
    pub reason: String,
    /// Largest absolute difference; `None` where type or shape differ.
    pub max_abs: Option<Number>,
    /// Ratio of signal to error, in dB.
    pub sqnr_db: Option<Number>,
}

/// The change of a pass that made a difference, found by running the passes again up to some change.
#[derive(Clone, Debug, Serialize)]
pub struct Culprit {
    /// The pass that made it.
    pub pass: String,
    /// The change, counted from 1 as `--pass-limit` counts: with one less the models agree.
    pub change: u64,
    /// The last change that is known to be harmless; smaller than `change - 1` where the search was cut short.
    pub harmless: u64,
    /// Changes in all.
    pub changes: u64,
}

/// The worst case of one output.
#[derive(Clone, Debug, Serialize)]
pub struct OutputReport {
    /// The output's name.
    pub name: String,
    /// The element type of its first tensor.
    pub dtype: Option<String>,
    /// Whether it is within what is allowed.
    pub passed: bool,
    /// Largest absolute difference.
    pub max_abs: Option<Number>,
    /// Largest difference relative to the largest magnitude.
    pub max_rel: Option<Number>,
    /// Most units in the last place.
    pub max_ulp: Option<u64>,
    /// Cosine similarity.
    pub cosine: Option<Number>,
    /// Ratio of signal to error, in dB.
    pub sqnr_db: Option<Number>,
    /// Share of equal elements.
    pub equal: Option<Number>,
    /// What was allowed: an absolute difference, for integers, booleans and strings a share of elements.
    pub allowed: Number,
    /// The noise floor, in the unit of [`OutputReport::allowed`].
    pub noise_floor: Number,
    /// Why it did not pass.
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
            feeds: Vec::new(),
            feed_shapes: Vec::new(),
            spelled_out: Vec::new(),
            shared_random: 0,
            untaken_branches: Vec::new(),
            empty_outputs: Vec::new(),
            first_divergence: None,
            made_by: None,
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
        if !self.spelled_out.is_empty() {
            parts.push(format!("with the formula of {}", self.spelled_out.join(", ")));
        }
        // A mismatch says by how much in its reason.
        parts.extend(self.difference().filter(|_| self.status != Status::Failed));
        if !self.empty_outputs.is_empty() {
            parts.push(format!("{} always empty", plain(&self.empty_outputs.join(", "))));
        }
        parts.extend(self.reason.as_deref().map(|reason| plain(reason).into_owned()));
        format!("{style}{word}{style:#}: {}", parts.join(", "))
    }

    fn difference(&self) -> Option<String> {
        let max_abs = self.max_abs?;
        if max_abs.0 == 0.0 {
            return Some("outputs bit-equal".to_owned())
                .filter(|_| self.sqnr_db.is_none_or(|s| s.0 == f64::INFINITY));
        }
        let noise = self.noise_floor.filter(|n| n.0 > 0.0 && self.allowed.is_some_and(|a| a.0 <= 4.0 * n.0));
        let noise = noise.map(|n| format!(" for the original's own noise of {n}")).unwrap_or_default();
        let allowed = self.allowed.map(|a| format!(", allowed {a}{noise}")).unwrap_or_default();
        Some(format!("largest difference {max_abs}{allowed}"))
    }

    /// Where the two part, a line each for the value and for the change that made it; empty where neither is known.
    pub fn whereabouts(&self) -> String {
        let mut text = String::new();
        if let Some(first) = &self.first_divergence {
            let after = first.after.as_ref().map(|v| format!("; '{v}' before it agrees")).unwrap_or_default();
            let DivergenceReport { value, op, node, reason, .. } = first;
            text.push_str(&format!("first difference: '{value}' of {op} '{node}': {reason}{after}\n"));
        }
        if let Some(Culprit { pass, change, harmless, changes }) = &self.made_by {
            let at = if harmless + 1 == *change {
                format!("change {change} of {changes}")
            } else {
                format!("one of the changes {} to {change} of {changes}", harmless + 1)
            };
            text.push_str(&format!(
                "cause: {pass}, {at}; --disable {pass} or --pass-limit {harmless} leaves it out\n"
            ));
        }
        plain(&text).into_owned()
    }

    /// A table of the outputs.
    pub fn table(&self) -> String {
        let mut rows = Vec::new();
        for o in &self.outputs {
            let mut row = o.cells().to_vec();
            row.insert(2, o.allowed.to_string());
            rows.push(row);
        }
        let header =
            ["output", ">max abs", ">allowed", ">max rel", ">ULP", ">cosine", ">SQNR (dB)", "verdict"];
        table(&header, rows)
    }
}

impl OutputReport {
    /// Name, max abs, max rel, ULP, cosine, SQNR in dB, verdict.
    pub(super) fn cells(&self) -> [String; 7] {
        let number = |n: Option<Number>| n.map_or("-".to_owned(), |n| n.to_string());
        [
            self.name.clone(),
            number(self.max_abs),
            number(self.max_rel),
            self.max_ulp.map_or("-".to_owned(), |n| n.to_string()),
            number(self.cosine),
            number(self.sqnr_db),
            self.verdict(),
        ]
    }

    /// `same`, or why not.
    pub(super) fn verdict(&self) -> String {
        if self.passed { "same".to_owned() } else { self.reason.clone().unwrap_or("differs".to_owned()) }
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
