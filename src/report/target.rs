//! The targets that there are, and what one takes.

use super::table::{BOLD, DIM, table};
use crate::target::{Target, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Columns that a page of a target fits into.
const WIDTH: usize = 80;

/// One target.
#[derive(Clone, Debug, Serialize)]
pub struct TargetRow {
    /// What `--target` calls it.
    pub id: String,
    /// Its versions, oldest first; the last one is meant where none is named.
    pub versions: Vec<String>,
    /// Oldest and newest opset that it takes.
    pub opset: [i64; 2],
    /// Oldest and newest IR version that it takes.
    pub ir: [i64; 2],
    /// One line.
    pub summary: String,
}

/// All targets.
#[derive(Clone, Debug, Serialize)]
pub struct TargetList {
    /// The targets.
    pub targets: Vec<TargetRow>,
}

/// One way in which a target takes an op.
#[derive(Clone, Debug, Serialize)]
pub struct OpRow {
    /// Domain and op, the default domain left out.
    pub op: String,
    /// Versions of the op, as the opsets that brought them; `None` where any is taken.
    pub versions: Option<Vec<i64>>,
    /// Types by type parameter or by the formal name of an operand; `first` is the first operand.
    pub types: BTreeMap<String, Vec<String>>,
    #[serde(skip)]
    text: String,
}

/// A demand beyond types.
#[derive(Clone, Debug, Serialize)]
pub struct LimitRow {
    /// The ops that it is about.
    pub ops: Vec<String>,
    /// What becomes of a node that does not meet it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// What can be done about it.
    pub fix: Option<String>,
    /// Where that is known from.
    pub source: String,
}

/// What one target takes.
#[derive(Clone, Debug, Serialize)]
pub struct TargetPage {
    /// The target.
    #[serde(flatten)]
    pub target: TargetRow,
    /// The version that the page is about.
    pub version: Option<String>,
    /// Where what is said of the target as a whole is from.
    pub source: String,
    /// Where the rows are from.
    pub rows_source: Option<String>,
    /// The ops, sorted; empty where every standard one is taken.
    pub rows: Vec<OpRow>,
    /// Demands beyond types.
    pub limits: Vec<LimitRow>,
}

impl TargetRow {
    /// The row of a target.
    pub fn of(target: &Target) -> Self {
        Self {
            id: target.id.clone(),
            versions: target.releases.iter().map(ToString::to_string).collect(),
            opset: [target.opset.min, target.opset.max],
            ir: [target.ir.min, target.ir.max],
            summary: target.summary.clone(),
        }
    }
}

impl TargetList {
    /// As a table.
    pub fn human(&self) -> String {
        let rows = self.targets.iter().map(|t| {
            let versions = match (t.versions.first(), t.versions.last()) {
                (Some(first), Some(last)) => format!("{first} to {last}"),
                _ => String::new(),
            };
            let [opset, ir] = [t.opset, t.ir].map(|[min, max]| format!("{min}-{max}"));
            vec![t.id.clone(), versions, opset, ir, t.summary.clone()]
        });
        table(&["target", "versions", ">opset", ">IR", "what it is"], rows.collect())
    }
}

impl TargetPage {
    /// The page of a target at its version.
    pub fn of(target: &Target) -> Self {
        let rows = target.rows().into_iter().map(|row| OpRow {
            op: row.op.to_string(),
            versions: row.versions.map(<[i64]>::to_vec),
            types: row
                .types
                .iter()
                .map(|(k, set)| (k.clone(), set.words().map(str::to_owned).collect()))
                .collect(),
            text: row
                .types
                .iter()
                .map(|(k, set)| format!("{k}: {}", set.text()))
                .collect::<Vec<_>>()
                .join("; "),
        });
        let limits = target.limits().map(|limit| {
            let (_, ops) = limit.ops();
            let answer = limit.answer(&target.source);
            LimitRow {
                ops: ops.map(str::to_owned).collect(),
                verdict: answer.verdict,
                reason: answer.reason,
                fix: answer.fix,
                source: answer.source,
            }
        });
        Self {
            target: TargetRow::of(target),
            version: target.release.map(|r| r.to_string()),
            source: target.source.clone(),
            rows_source: target.table.as_ref().map(|t| t.source().to_owned()),
            rows: rows.collect(),
            limits: limits.collect(),
        }
    }

    /// As a person reads it.
    pub fn human(&self) -> String {
        let mut text = String::new();
        let t = &self.target;
        let version = self.version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
        let _ = writeln!(text, "{BOLD}{}{version}{BOLD:#}: {}", t.id, t.summary);
        let [opset, ir] = [t.opset, t.ir].map(|[min, max]| format!("{min} to {max}"));
        let _ = writeln!(text, "opsets {opset}, IR versions {ir}");
        let _ = writeln!(text, "{DIM}{}{DIM:#}", wrapped(&format!("source: {}", self.source), 2));
        if !t.versions.is_empty() {
            let _ = writeln!(text, "{}", wrapped(&format!("versions: {}", t.versions.join(", ")), 2));
        }
        match &self.rows_source {
            Some(source) => {
                let _ = writeln!(text, "\n{BOLD}ops{BOLD:#}, the opsets that brought them, and their types");
                let _ = writeln!(text, "{DIM}{}{DIM:#}", wrapped(&format!("source: {source}"), 2));
            }
            None => text.push_str("\nevery op of its domains, in the types that ONNX allows\n"),
        }
        for row in &self.rows {
            let versions = row.versions.iter().flatten().map(i64::to_string).collect::<Vec<_>>().join(" ");
            let line = [row.op.as_str(), &versions, &row.text].into_iter().filter(|part| !part.is_empty());
            let _ = writeln!(text, "{}", wrapped(&line.collect::<Vec<_>>().join("  "), 4));
        }
        if !self.limits.is_empty() {
            let _ = writeln!(text, "\n{BOLD}demands beyond types{BOLD:#}");
        }
        for limit in &self.limits {
            let _ = writeln!(text, "{}", wrapped(&format!("{}: {}", limit.ops.join(", "), limit.reason), 4));
        }
        text
    }
}

/// Words over as many lines as they need, all but the first indented.
fn wrapped(words: &str, indent: usize) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in words.split(' ') {
        let width = word.chars().count();
        if column > indent && column + 1 + width > WIDTH {
            let kept = text.trim_end().len();
            text.truncate(kept);
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_and_the_list_fit_the_screen() {
        let all = Target::all();
        let list = TargetList { targets: all.iter().map(TargetRow::of).collect() }.human();
        let pages = all.iter().map(|t| TargetPage::of(t).human());
        for text in pages.chain([list]) {
            let text = anstream::adapter::strip_str(&text).to_string();
            let too_long = text.lines().find(|l| l.chars().count() > WIDTH && l.trim().contains(' '));
            assert_eq!(too_long, None);
        }
    }

    #[test]
    fn a_page_names_versions_and_types() {
        let page = TargetPage::of(&Target::named("ort-cpu@1.31").unwrap()).human();
        assert!(page.contains("Abs  6 13  T: ints double float\n"), "{page}");
    }
}
