//! What a target takes, row by row: read from TOML once, asked node by node.

use super::answer::Answer;
use super::release::{Release, Span};
use super::types::TypeSet;
use crate::ir::OpId;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A row, to be shown.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    /// The op.
    pub op: OpId,
    /// The versions of it; `None` for all.
    pub versions: Option<&'a [i64]>,
    /// Types by type parameter or formal name.
    pub types: &'a BTreeMap<String, TypeSet>,
}

/// What becomes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It runs in another type than written.
    Retyped,
    /// It runs elsewhere: on the CPU.
    Fallback,
    /// The target refuses the model for it.
    Refused,
}

/// One way in which an op is taken.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) span: Span,
    /// Versions of the op, as ONNX counts them: the opset that brought each. `None` where it does not matter.
    pub(super) versions: Option<Vec<i64>>,
    /// Types by type parameter or by formal name; `first` is the first operand, or the first output where there is none.
    pub(super) types: BTreeMap<String, TypeSet>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    from: Option<Release>,
    until: Option<Release>,
    v: Option<Vec<i64>>,
    #[serde(default)]
    types: BTreeMap<String, String>,
}

/// The nodes of an op that a demand is about; all where nothing is said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Attributes that have these values.
    #[serde(default)]
    pub attr: BTreeMap<String, String>,
    /// Formal names of this rank; where it is not known the demand is not made.
    #[serde(default)]
    pub rank: BTreeMap<String, usize>,
    /// Formal inputs and outputs that are left out.
    #[serde(default)]
    pub absent: String,
    /// Formal inputs and outputs that are given.
    #[serde(default)]
    pub present: String,
    /// The op of which it is in a body, not deeper; of an `If` only where its condition is no constant.
    pub body_of: Option<String>,
}

/// A demand on nodes of some ops beyond their types, and what becomes of those that do not meet it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The ops, separated by blanks.
    ops: String,
    #[serde(default)]
    domain: String,
    from: Option<Release>,
    until: Option<Release>,
    /// Which nodes it is about.
    #[serde(default)]
    pub when: When,
    #[serde(default = "refused")]
    /// What becomes of a node that does not meet it.
    pub verdict: Verdict,
    /// Types by type parameter or formal name.
    #[serde(default)]
    types: BTreeMap<String, String>,
    /// Types that are not admitted, by type parameter or formal name.
    #[serde(default)]
    without: BTreeMap<String, String>,
    /// Smallest and largest rank by formal name.
    #[serde(default)]
    pub rank: BTreeMap<String, [usize; 2]>,
    /// Formal inputs that must be known when the model is built.
    #[serde(default)]
    pub constant: String,
    /// Formal inputs whose dims must be numbers.
    #[serde(default)]
    pub fixed: String,
    /// Formal inputs and outputs that must be left out.
    #[serde(default)]
    pub absent: String,
    /// Formal inputs and outputs that must be given; outputs must be read, too.
    #[serde(default)]
    pub present: String,
    /// Values that an attribute may have, none where it must be left out; a list of integers is written with blanks, and any
    /// number of equal ones as `1*`.
    #[serde(default)]
    pub attr: BTreeMap<String, Vec<String>>,
    /// Words that the lists of strings of an attribute may hold, separated by blanks.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// Attributes whose lists must say the same in their second half as in their first.
    #[serde(default)]
    pub repeated: String,
    why: String,
    fix: Option<String>,
    /// Where it is from; where the target is from where it says nothing.
    source: Option<String>,
}

fn refused() -> Verdict {
    Verdict::Refused
}

impl Limit {
    pub(super) fn holds(&self, release: Release) -> bool {
        Span { from: self.from, until: self.until }.holds(release)
    }

    pub(super) fn concerns(&self, domain: &str, op: &str) -> bool {
        self.domain == domain && self.ops.split_whitespace().any(|o| o == op)
    }

    /// The types that it admits, by type parameter or formal name.
    pub fn types(&self) -> impl Iterator<Item = (&str, TypeSet)> {
        self.types.iter().map(|(name, set)| (name.as_str(), TypeSet::parse(set)))
    }

    /// The types that it does not admit, by type parameter or formal name.
    pub fn without(&self) -> impl Iterator<Item = (&str, TypeSet)> {
        self.without.iter().map(|(name, set)| (name.as_str(), TypeSet::parse(set)))
    }

    /// What becomes of a node that does not meet it.
    pub fn answer(&self, source: &str) -> Answer {
        Answer {
            verdict: self.verdict,
            reason: self.why.clone(),
            fix: self.fix.clone(),
            source: self.source.clone().unwrap_or_else(|| source.to_owned()),
        }
    }

    /// The ops that it is about, and their domain.
    pub fn ops(&self) -> (&str, impl Iterator<Item = &str>) {
        (&self.domain, self.ops.split_whitespace())
    }
}

/// Rows by domain and op.
pub(super) type Rows = BTreeMap<String, BTreeMap<String, Vec<Written>>>;

/// One row of several ops.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// The ops, separated by blanks.
    ops: String,
    #[serde(default)]
    domain: String,
    from: Option<Release>,
    until: Option<Release>,
    v: Option<Vec<i64>>,
    #[serde(default)]
    types: BTreeMap<String, String>,
}

/// What another file holds of a table, since a script writes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ops {
    /// Where the rows are from, unless a row says otherwise.
    pub(super) source: String,
    /// The rows.
    #[serde(default)]
    takes: Rows,
    #[serde(default)]
    group: Vec<Group>,
    /// Ops that are replaced by what ONNX defines them to be, and those versions of them.
    #[serde(default)]
    expands: BTreeMap<String, BTreeMap<String, Vec<i64>>>,
}

/// The ops of one target at one of its releases.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: BTreeMap<(String, String), Vec<Row>>,
    expands: BTreeMap<(String, String), Vec<i64>>,
    pub(super) source: String,
}

impl Table {
    /// The rows that hold for a release.
    pub(super) fn new(ops: Ops, more: Rows, release: Release) -> Self {
        let mut table = Table { source: ops.source, ..Table::default() };
        for (domain, ops) in ops.takes.into_iter().chain(more) {
            for (op, rows) in ops {
                rows.iter().for_each(|row| table.add(&domain, &op, row, release));
            }
        }
        for group in ops.group {
            let Group { ops, domain, from, until, v, types } = group;
            let row = Written { from, until, v, types };
            ops.split_whitespace().for_each(|op| table.add(&domain, op, &row, release));
        }
        for (domain, names) in ops.expands {
            let domain = if domain == "ai.onnx" { String::new() } else { domain };
            table.expands.extend(names.into_iter().map(|(name, v)| ((domain.clone(), name), v)));
        }
        table
    }

    fn add(&mut self, domain: &str, op: &str, written: &Written, release: Release) {
        let row = Row::read(written);
        if row.span.holds(release) {
            let domain = if domain == "ai.onnx" { "" } else { domain };
            self.rows.entry((domain.to_owned(), op.to_owned())).or_default().push(row);
        }
    }

    pub(super) fn rows(&self, domain: &str, op: &str) -> &[Row] {
        self.rows.get(&(domain.to_owned(), op.to_owned())).map_or(&[], Vec::as_slice)
    }

    pub(super) fn expands(&self, domain: &str, op: &str, version: i64) -> bool {
        self.expands.get(&(domain.to_owned(), op.to_owned())).is_some_and(|v| v.contains(&version))
    }

    /// Whether there is any row of an op, at whatever version of it.
    pub(super) fn knows(&self, domain: &str, op: &str) -> bool {
        let key = (domain.to_owned(), op.to_owned());
        self.rows.contains_key(&key) || self.expands.contains_key(&key)
    }

    /// Where the rows are from.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn views(&self) -> impl Iterator<Item = RowView<'_>> {
        self.rows.iter().flat_map(|((domain, name), rows)| {
            let op = OpId::intern(domain, name);
            rows.iter().map(move |row| RowView { op, versions: row.versions.as_deref(), types: &row.types })
        })
    }

    /// The ops, with their domain.
    pub fn ops(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut keys: Vec<_> = self.rows.keys().chain(self.expands.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().map(|(domain, name)| (domain.as_str(), name.as_str()))
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Row {
    fn read(written: &Written) -> Self {
        Self {
            span: Span { from: written.from, until: written.until },
            versions: written.v.clone(),
            types: written.types.iter().map(|(k, set)| (k.clone(), TypeSet::parse(set))).collect(),
        }
    }
}
