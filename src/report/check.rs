//! What a target does not take of a model.

use super::plain;
use super::table::{BOLD, DIM};
use crate::diag::Diags;
use crate::target::Verdict;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One thing that a target does not take as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The node; `None` where the model as a whole is meant.
    pub node: Option<String>,
    /// Its op; the default domain is left out.
    pub op: Option<String>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why, in one sentence without a full stop.
    pub reason: String,
    /// What can be done about it.
    pub fix: Option<String>,
    /// Where that is known from.
    pub source: String,
}

/// What the target's own compiler said of the model.
#[derive(Clone, Debug, Serialize)]
pub struct BuildReport {
    /// The compiler and its version.
    pub compiler: String,
    /// Whether it built the model.
    pub built: bool,
    /// What it complained of.
    pub errors: Vec<String>,
    /// The sizes at which it was asked, of inputs with dims that are not fixed.
    pub profile: BTreeMap<String, Vec<i64>>,
    /// Layers of the engine; `None` where the compiler lists none.
    pub layers: Option<usize>,
    /// Nodes that the engine computes in INT8, by the compiler's names; `None` where it lists none.
    pub int8_nodes: Option<Vec<String>>,
    /// Its time.
    pub seconds: f64,
}

/// What a target does not take of a model.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// The file; `-` for standard input.
    pub input: String,
    /// The target, with its version.
    pub target: String,
    /// Whether nothing is refused.
    pub taken: bool,
    /// What is not taken as it is, in the order of the model.
    pub findings: Vec<Finding>,
    /// What the compiler said, where it was asked.
    pub build: Option<BuildReport>,
    /// Remarks of the import.
    pub diags: Diags,
}

/// Nodes that are named of those with one reason; `--json` has all.
const NAMED: usize = 3;

impl CheckReport {
    /// As a person reads it: findings of one reason together, refusals first.
    pub fn human(&self) -> String {
        let mut text = String::new();
        let mut groups: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
        for (at, finding) in self.findings.iter().enumerate() {
            let same = |f: &&Finding| f.reason == finding.reason && f.verdict == finding.verdict;
            let first = self.findings.iter().position(|f| same(&f)).unwrap_or(at);
            groups.entry((std::cmp::Reverse(finding.verdict), first)).or_default().push(finding);
        }
        for findings in groups.values() {
            let first = findings[0];
            let _ = writeln!(text, "{BOLD}{}{BOLD:#}: {}", word(first.verdict), plain(&first.reason));
            let nodes = findings.iter().filter_map(|f| f.node.as_deref());
            let nodes: Vec<String> = nodes.map(|node| plain(node).into_owned()).collect();
            let more = nodes.len().saturating_sub(NAMED);
            let mut names = nodes.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
            if more > 0 {
                let _ = write!(names, " and {more} more");
            }
            if !names.is_empty() {
                let _ = writeln!(text, "  at: {names}");
            }
            if let Some(fix) = &first.fix {
                let _ = writeln!(text, "  fix: {}", plain(fix));
            }
            let _ = writeln!(text, "  {DIM}source: {}{DIM:#}", plain(&first.source));
        }
        self.built(&mut text);
        let _ = writeln!(text, "{}", self.summary());
        text
    }

    fn built(&self, text: &mut String) {
        let Some(build) = &self.build else { return };
        let outcome = if build.built { "built" } else { "did not build" };
        let _ = writeln!(text, "{BOLD}{}{BOLD:#} {outcome} in {:.1} s", build.compiler, build.seconds);
        for (input, sizes) in &build.profile {
            let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
            let _ =
                writeln!(text, "  at {}={}: --shape and --dim ask for others", plain(input), sizes.join(","));
        }
        for error in &build.errors {
            let _ = writeln!(text, "  {}", plain(error));
        }
    }

    fn summary(&self) -> String {
        let count = |verdict| self.findings.iter().filter(|f| f.verdict == verdict).count();
        let words = [Verdict::Refused, Verdict::Fallback, Verdict::Retyped].map(|v| (count(v), word(v)));
        let words: Vec<String> = words.iter().filter(|w| w.0 > 0).map(|(n, w)| format!("{n} {w}")).collect();
        let verdict = if self.taken { "takes" } else { "refuses" };
        let details = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
        format!("{} {verdict} {}{details}", self.target, plain(&self.input))
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Refused => "refused",
        Verdict::Fallback => "falls back",
        Verdict::Retyped => "retyped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_one_reason_stand_together_and_refusals_first() {
        let finding = |node: &str, verdict, reason: &str| Finding {
            node: Some(node.to_owned()),
            op: None,
            verdict,
            reason: reason.to_owned(),
            fix: None,
            source: "s".to_owned(),
        };
        let findings = vec![
            finding("a", Verdict::Retyped, "r"),
            finding("b", Verdict::Refused, "q"),
            finding("c", Verdict::Retyped, "r"),
        ];
        let report = CheckReport {
            input: "m".to_owned(),
            target: "t".to_owned(),
            taken: false,
            findings,
            build: None,
            diags: Diags::new(),
        };
        let text = anstream::adapter::strip_str(&report.human()).to_string();
        let expected = "refused: q\n  at: b\n  source: s\nretyped: r\n  at: a, c\n  source: s\nt refuses m: 1 refused, 2 retyped\n";
        assert_eq!(text, expected);
    }
}
