//! What `optimize` has done.

use super::table::{BOLD, DIM, table};
use super::units::{bytes, count, seconds, thousands};
use super::{ParityReport, TuningReport, plain};
use crate::diag::Diags;
use crate::recipe::Recipe;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A figure of the file before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Change<T = u64> {
    /// Of the input.
    pub before: T,
    /// Of the output.
    pub after: T,
}

/// What one pass has done.
#[derive(Clone, Debug, Serialize)]
pub struct PassReport {
    /// The pass.
    pub id: String,
    /// How many changes it made.
    pub applied: usize,
    /// Why candidates were left alone, by reason.
    pub misses: BTreeMap<String, MissReport>,
    /// Time over all sweeps.
    pub seconds: f64,
}

/// Candidates left alone for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissReport {
    /// How many.
    pub count: usize,
    /// The first of them: its node, and the value in the way.
    pub example: String,
}

/// What `optimize` has done.
#[derive(Clone, Debug, Serialize)]
pub struct OptimizeReport {
    /// The input file; `-` for standard input.
    pub input: String,
    /// The output file; `-` for standard output.
    pub output: String,
    /// Whether the output was written.
    pub written: bool,
    /// The settings that were in effect, as `--print-recipe` prints them.
    pub recipe: Recipe,
    /// Nodes in the file: bodies, functions and `Constant`s included.
    pub nodes: Change,
    /// Bytes of the model, external data included.
    pub bytes: Change,
    /// Version of the default domain.
    pub opset: Change<i64>,
    /// The weakest class of the passes that fired.
    pub exactness: String,
    /// Changes over all passes.
    pub changes: u64,
    /// How often the passes went over the model until nothing changed.
    pub sweeps: usize,
    /// What the passes called `fuse-…` and `fuse-grouped-…` have made, by what follows in their name.
    pub fused: BTreeMap<String, usize>,
    /// Every pass that was run, in order.
    pub passes: Vec<PassReport>,
    /// What `--tune` has tried.
    pub tuning: Option<TuningReport>,
    /// The proof.
    pub parity: ParityReport,
    /// The command that builds an engine of the output, with a profile of the sizes of the proof for inputs of dynamic
    /// ones; `None` where the target has no compiler, or no input a dynamic size.
    pub build_command: Option<String>,
    /// Wall time of the whole job.
    pub seconds: f64,
    /// Wall time of the stages: load, runtime, passes, write, proof, and after a mismatch blame: the search for its cause.
    pub stages: BTreeMap<&'static str, f64>,
    /// Largest resident memory of the process, mapped files included; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// Largest resident memory of the process that no file backs (allocations and stacks; no mapped files), among
    /// samples 10 ms apart: shorter peaks may be missed. `None` where the system does not say.
    pub peak_anonymous_bytes: Option<u64>,
    /// Remarks about the model and what became of it.
    pub diags: Diags,
}

impl OptimizeReport {
    /// What a person sees at the end. `all` shows passes that changed nothing too, and how long each took.
    pub fn human(&self, all: bool) -> String {
        let mut text = String::new();
        let rows: Vec<_> = self.passes.iter().filter(|p| all || p.applied > 0).map(row).collect();
        if rows.is_empty() {
            let none =
                if self.passes.is_empty() { "no pass was run" } else { "no pass found anything to change" };
            let _ = writeln!(text, "  {DIM}{none}{DIM:#}");
        } else {
            text.push_str(&table(&["pass", ">changes", ">time", ">left alone"], rows));
        }
        text.push('\n');
        if let Some(tuning) = &self.tuning {
            text.push_str(&tuning.human());
            text.push('\n');
        }
        text.push_str(&before_and_after(self.nodes, self.bytes, self.opset));
        let _ = writeln!(text, "\n{}", self.parity.line());
        text.push_str(&self.parity.whereabouts());
        let memory =
            self.peak_memory_bytes.map(|m| format!(", peak memory {}", bytes(m))).unwrap_or_default();
        let done = if self.written { "written" } else { "nothing written" };
        let place =
            if self.written && self.output != "-" { format!(" to {}", self.output) } else { String::new() };
        let _ = writeln!(text, "{BOLD}{done}{BOLD:#}{place} in {}{memory}", seconds(self.seconds));
        if let Some(command) = self.build_command.as_ref().filter(|_| self.written) {
            let _ = writeln!(
                text,
                "\nto build it for inputs of dynamic sizes, with yours in place of the proof's:"
            );
            let _ = writeln!(text, "  {}", plain(command));
        }
        text
    }
}

fn row(pass: &PassReport) -> Vec<String> {
    let missed: usize = pass.misses.values().map(|m| m.count).sum();
    let missed = if missed > 0 { thousands(missed as u64) } else { String::new() };
    vec![pass.id.clone(), thousands(pass.applied as u64), seconds(pass.seconds), missed]
}

/// Figures of the file before and after, as a table.
pub(super) fn before_and_after(nodes: Change, size: Change, opset: Change<i64>) -> String {
    let mut figures = vec![
        figure("nodes", thousands(nodes.before), thousands(nodes.after), nodes),
        figure("size", bytes(size.before), bytes(size.after), size),
    ];
    if opset.before != opset.after {
        figures.push(vec!["opset".into(), opset.before.to_string(), opset.after.to_string(), String::new()]);
    }
    table(&["", ">before", ">after", ">change"], figures)
}

fn figure(name: &str, before: String, after: String, change: Change) -> Vec<String> {
    let difference = match (change.before, change.after) {
        (a, b) if a == b => "same".to_owned(),
        (0, _) => String::new(),
        (a, b) => match (b as f64 / a as f64 - 1.0) * 100.0 {
            share if share.abs() < 0.05 => "under 0.1 %".to_owned(),
            share => format!("{share:+.1} %"),
        },
    };
    vec![name.to_owned(), before, after, difference]
}

/// `--why`: the candidates of one pass that were left alone, most frequent reason first.
pub fn why(pass: &PassReport) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#}: {}", pass.id, count(pass.applied as u64, "change"));
    if pass.misses.is_empty() {
        text.push_str("; nothing else in the model looked like it\n");
        return text;
    }
    text.push_str(", left alone:\n");
    let mut misses: Vec<_> = pass.misses.iter().collect();
    misses.sort_by_key(|(_, m)| std::cmp::Reverse(m.count));
    for (reason, miss) in misses {
        let (reason, example) = (plain(reason), plain(&miss.example));
        let _ = writeln!(text, "  {:>5}  {reason}\n         {DIM}first: {example}{DIM:#}", miss.count);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_as_a_share() {
        let shares = [(200, 100), (100, 100), (0, 5), (5000, 4999)].map(|(before, after)| {
            figure("nodes", String::new(), String::new(), Change { before, after })[3].clone()
        });
        assert_eq!(shares, ["-50.0 %", "same", "", "under 0.1 %"]);
    }

    #[test]
    fn why_puts_the_most_frequent_reason_first() {
        let miss = |count| MissReport { count, example: "n".into() };
        let misses = BTreeMap::from([("a".to_owned(), miss(1)), ("b".to_owned(), miss(7))]);
        let text = why(&PassReport { id: "fuse-gelu".into(), applied: 0, misses, seconds: 0.0 });
        assert!(text.find("7  b") < text.find("1  a"), "{text}");
    }
}
