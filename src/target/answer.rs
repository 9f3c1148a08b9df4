//! What becomes of one node at a target.

use super::node::Asked;
use super::table::{Row, Verdict};
use super::types::TypeSet;
use super::{Target, standard};
use crate::ir::shown_domain;

/// What becomes of a node that is not taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why, in one sentence without a full stop.
    pub reason: String,
    /// What can be done about it.
    pub fix: Option<String>,
    /// Where that is known from.
    pub source: String,
}

impl Target {
    /// What becomes of a node by op, version and types; `None` where it is taken as it is.
    pub fn answer(&self, node: &Asked<'_>) -> Option<Answer> {
        let Some(table) = &self.table else { return standard::answer(self, node) };
        let (domain, op) = node.op();
        if node.version().is_some_and(|v| table.expands(domain, op, v)) {
            return None;
        }
        let refusal = self.refusal(node)?;
        if let Some(retyped) = self.retyped(node) {
            return Some(retyped);
        }
        let Some(fallback) = &self.fallback else { return Some(refusal) };
        match fallback.answer(node) {
            Some(there) if there.verdict == Verdict::Refused => Some(Answer {
                reason: format!("{}; and on the CPU, {}", refusal.reason, there.reason),
                ..refusal
            }),
            _ => Some(Answer { verdict: Verdict::Fallback, ..refusal }),
        }
    }

    /// Whether the table has a row of this version of an op.
    pub(super) fn has_version(&self, domain: &str, op: &str, version: i64) -> bool {
        let Some(table) = &self.table else { return true };
        let at = |row: &Row| row.versions.as_ref().is_none_or(|v| v.contains(&version));
        table.rows(domain, op).iter().any(at) || table.expands(domain, op, version)
    }

    fn refusal(&self, node: &Asked<'_>) -> Option<Answer> {
        let table = self.table.as_ref()?;
        let (domain, op) = node.op();
        let rows = table.rows(domain, op);
        let reason = if rows.is_empty() {
            format!("{} does not take {}", self.name(), named(domain, op))
        } else {
            let here: Vec<&Row> = rows.iter().filter(|row| fits_version(row, node.version())).collect();
            if here.is_empty() {
                let version = node.version().unwrap_or_default();
                format!("{} does not take {} as opset {version} defines it", self.name(), named(domain, op))
            } else {
                self.mistyped(&here, node)?
            }
        };
        Some(Answer { verdict: Verdict::Refused, reason, fix: None, source: table.source.clone() })
    }

    /// Why no row takes the types of a node; `None` where one does.
    fn mistyped(&self, rows: &[&Row], node: &Asked<'_>) -> Option<String> {
        let wrong = rows.iter().map(|row| wrong_types(row, node, &|word| word.to_owned()));
        let nearest = wrong.min_by_key(Vec::len)?;
        let first = nearest.first()?;
        let (domain, op) = node.op();
        Some(format!(
            "{} takes {} in {} of {}, not {}",
            self.name(),
            first.2,
            first.0,
            named(domain, op),
            first.1
        ))
    }

    fn retyped(&self, node: &Asked<'_>) -> Option<Answer> {
        let table = self.table.as_ref()?;
        let (domain, op) = node.op();
        let other = |word: &str| match self.retyped.iter().find(|r| r.from == word) {
            Some(rule) => rule.to.clone(),
            None => word.to_owned(),
        };
        let row = table
            .rows(domain, op)
            .iter()
            .find(|row| fits_version(row, node.version()) && wrong_types(row, node, &other).is_empty())?;
        let (_, word, _) = wrong_types(row, node, &|word| word.to_owned()).into_iter().next()?;
        let rule = self.retyped.iter().find(|r| r.from == word)?;
        Some(Answer {
            verdict: Verdict::Retyped,
            reason: format!("{} has no {word} for {}: {}", self.name(), named(domain, op), rule.why),
            fix: rule.fix.clone(),
            source: rule.source.clone(),
        })
    }
}

fn fits_version(row: &Row, version: Option<i64>) -> bool {
    match (&row.versions, version) {
        (Some(versions), Some(version)) => versions.contains(&version),
        _ => true,
    }
}

/// Parameter, word and what is taken, for each type that a row does not take.
fn wrong_types(
    row: &Row,
    node: &Asked<'_>,
    as_run: &dyn Fn(&str) -> String,
) -> Vec<(String, String, String)> {
    let wrong = |(name, set): (&String, &TypeSet)| {
        let word = node.types(name).into_iter().find(|word| !set.contains(&as_run(word)))?;
        Some((name.clone(), word, set.text().to_owned()))
    };
    row.types.iter().filter_map(wrong).collect()
}

fn named(domain: &str, op: &str) -> String {
    if domain.is_empty() { op.to_owned() } else { format!("{}.{op}", shown_domain(domain)) }
}
