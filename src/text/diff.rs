//! What changed between two models: the lines of their texts, and counts.

use super::{PrintOptions, print_model};
use crate::ir::{Graph, Model, Node, Opsets, shown_domain};
use similar::{ChangeTag, TextDiff};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// Before and after of one count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the first model.
    pub before: usize,
    /// In the second model.
    pub after: usize,
}

/// The difference between two models. Displayed as the summary and, below it, the changed lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Nodes in graphs, bodies and functions, by op; only ops whose number changed.
    pub ops: BTreeMap<String, Counts>,
    /// Nodes in all.
    pub nodes: Counts,
    /// Initializers in all.
    pub initializers: Counts,
    /// Domains whose import changed, with the version before and after.
    pub opsets: BTreeMap<String, (Option<i64>, Option<i64>)>,
    /// Lines that only the first text has.
    pub removed: usize,
    /// Lines that only the second text has.
    pub added: usize,
    /// Unified diff of the two texts, without names of files; empty where they are equal.
    pub lines: String,
}

impl Diff {
    /// Whether the texts are equal, which they are also where models differ only in what no text holds.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Compares two models as texts in which large tensors are abbreviated.
pub fn diff(before: &Model, after: &Model) -> Diff {
    let (old, new) = (print_model(before, PrintOptions::SHORT), print_model(after, PrintOptions::SHORT));
    let mut found = Diff {
        nodes: counts(before, after, |g| g.len()),
        initializers: counts(before, after, |g| g.region_ids().map(|r| g.initializers(r).count()).sum()),
        opsets: changed_opsets(&before.opsets, &after.opsets),
        ..Diff::default()
    };
    for node in nodes(before) {
        found.ops.entry(node.op().to_string()).or_default().before += 1;
    }
    for node in nodes(after) {
        found.ops.entry(node.op().to_string()).or_default().after += 1;
    }
    found.ops.retain(|_, counts| counts.before != counts.after);
    if old != new {
        let lines = TextDiff::from_lines(&old, &new);
        let count = |tag| lines.iter_all_changes().filter(|c| c.tag() == tag).count();
        (found.removed, found.added) = (count(ChangeTag::Delete), count(ChangeTag::Insert));
        found.lines = lines.unified_diff().context_radius(CONTEXT).to_string();
    }
    found
}

fn nodes(model: &Model) -> impl Iterator<Item = &Node> {
    model.graphs().flat_map(|g| g.nodes().map(|(_, node)| node))
}

fn counts(before: &Model, after: &Model, of: impl Fn(&Graph) -> usize) -> Counts {
    Counts { before: before.graphs().map(&of).sum(), after: after.graphs().map(&of).sum() }
}

fn changed_opsets(before: &Opsets, after: &Opsets) -> BTreeMap<String, (Option<i64>, Option<i64>)> {
    let domains: BTreeSet<&str> = before.iter().chain(after.iter()).map(|(domain, _)| domain).collect();
    let versions = domains.into_iter().map(|d| (d.to_owned(), (before.get(d), after.get(d))));
    versions.filter(|(_, (old, new))| old != new).collect()
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |v: Option<i64>| v.map_or_else(|| "none".to_owned(), |v| v.to_string());
        for (domain, (before, after)) in &self.opsets {
            writeln!(f, "opset {}: {} -> {}", shown_domain(domain), version(*before), version(*after))?;
        }
        writeln!(f, "nodes: {}", self.nodes)?;
        for (op, counts) in &self.ops {
            writeln!(f, "  {op}: {counts}")?;
        }
        writeln!(f, "initializers: {}", self.initializers)?;
        if !self.lines.is_empty() {
            write!(f, "\n{}", self.lines)?;
        }
        Ok(())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.before, self.after)
    }
}
