//! What each target takes, as data: one file a target in `data/`, every limit with its source.
//!
//! A target restricts what we add, never what we carry.
//!
//! | file | idea |
//! |---|---|
//! | `data/ID.toml` | what a person writes of a target: versions, demands, where each is from |
//! | `data/ID.ops.toml` | what a script measured: ops and their types |
//! | `release` | versions of a target |
//! | `table` | rows and limits |
//! | `types` | sets of types |
//! | `node` | a node as the tables ask for it |
//! | `answer` | what becomes of one node by op, version and types |
//! | `limits` | demands beyond types |
//! | `standard` | a target without a table: what ONNX itself says |

mod answer;
mod limits;
mod node;
mod release;
mod standard;
mod table;
mod types;

pub use answer::Answer;
pub use node::Asked;
pub use release::Release;
pub use table::{Limit, RowView, Table, Verdict, When};
pub use types::{TypeSet, type_word};

use crate::error::{Error, Result};
use crate::ir::OpId;
use crate::schema;
use serde::Deserialize;
use std::collections::BTreeMap;
use table::Rows;

/// A target at one of its releases: what may be added for it, and what it takes.
#[derive(Clone, Debug)]
pub struct Target {
    /// What `--target` calls it, without a version.
    pub id: String,
    /// The release; `None` where the target has none.
    pub release: Option<Release>,
    /// One line without a full stop.
    pub summary: String,
    /// Domains of which ops may be added; empty for `ai.onnx`.
    pub domains: Vec<String>,
    /// Whether it takes newer opsets and IR versions too, as far as it knows the ops.
    pub takes_newer: bool,
    /// Ops, with their domain unless it is the default one, that its runtimes take no less time for than for the formula
    /// that they stand for, or make themselves: passes that add them run by name only.
    pub expanded: Vec<String>,
    /// Passes whose results its runtimes gain nothing by, or lose: they run by name only.
    pub held_back: Vec<String>,
    /// Passes that run although they add such ops: they fire only where its runtimes gain by it.
    pub gains: Vec<String>,
    /// Whether its compiler lets a matrix product write each number where the reshapes and transpositions behind it move
    /// it, and computes products of one input at once. It does while rows stay in order and nothing else lies between.
    pub places_products: bool,
    /// Whether its compiler normalizes and clamps while it pools over whole images, and takes a layer more to pool what a
    /// convolution has clamped.
    pub pools_normalized: bool,
    /// Whether it holds constants of `uint8` as `int32`, unless they are quantized numbers.
    pub widens_bytes: bool,
    /// Versions of the default domain that it takes.
    pub opset: Range,
    /// `ir_version`s that it takes.
    pub ir: Range,
    /// Ops of the default domain that it no longer takes in newer opsets than this.
    pub newest_opset: BTreeMap<String, i64>,
    /// Where what is said of the target as a whole is from.
    pub source: String,
    /// What it demands of quantized nodes; `None` where nothing is known of it.
    pub qdq: Option<Qdq>,
    /// How a model is quantized for it; `None` where it is not.
    pub quantized: Option<Quantized>,
    /// How `--build` asks its compiler; `None` where it has none that can be asked.
    pub compiler: Option<Compiler>,
    /// The releases that there are, oldest first.
    pub releases: Vec<Release>,
    /// The ops that it takes; `None` where every standard one is taken.
    pub table: Option<Table>,
    /// Demands beyond types.
    limits: Vec<Limit>,
    /// What can be done about an op that is someone's own; `None` where nothing can.
    pub custom_ops: Option<String>,
    retyped: Vec<Retyped>,
    /// The target that runs what this one does not; `None` where nothing does.
    pub fallback: Option<Box<Target>>,
}

/// Versions from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The oldest.
    pub min: i64,
    /// The newest.
    pub max: i64,
}

impl Range {
    /// Whether a version is within.
    pub fn contains(&self, version: i64) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

/// A type that is carried out in another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retyped {
    from: String,
    to: String,
    why: String,
    fix: Option<String>,
    source: String,
}

/// What a target demands of `QuantizeLinear` and `DequantizeLinear`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qdq {
    /// Zero points are zero.
    #[serde(default)]
    pub symmetric: bool,
    /// Quantized types that are taken.
    pub types: String,
    /// The type that a missing zero point means to it where ONNX means `uint8`.
    pub missing_zero_point: Option<String>,
    /// The axis that a missing one means to it where ONNX means 1.
    pub missing_axis: Option<i64>,
    /// Constants of these types are read by `DequantizeLinear` alone.
    #[serde(default)]
    pub constants_are_dequantized: bool,
    /// Where this is from.
    pub source: String,
}

/// How a model is quantized for a target.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantized {
    /// The type of values that are known only when the model runs; `uint8` with a zero point of their own, `int8` without.
    pub activations: String,
    /// Whether a bias becomes INT32 at the scale of the products.
    pub whole_bias: bool,
    /// Products with a weight whose result is quantized too, or the kernel computes in floats.
    pub to_whole: Vec<String>,
    /// Products with a weight whose result is a float.
    pub to_float: Vec<String>,
    /// What has a kernel for whole numbers and no weight.
    pub between: Vec<String>,
    /// What moves elements.
    pub moves: Vec<String>,
    /// Clamps that vanish in what quantizes their result.
    pub clamps: Vec<String>,
    /// Sums that a product swallows when the operand that it does not make is quantized.
    #[serde(default)]
    pub skips: Vec<String>,
    /// Whether constants that rows are looked up in are stored as whole numbers.
    #[serde(default)]
    pub lookups: bool,
    /// The target whose passes prepare the graph: they make no operator that has no kernel for whole numbers.
    pub prepared_for: String,
    /// What its products run as, where ONNX Runtime says.
    #[serde(default)]
    pub kernels: Vec<Kernels>,
    /// Where this is from.
    pub source: String,
}

/// What products become in a runtime's own graph.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernels {
    /// The operators of the products.
    pub of: Vec<String>,
    /// Those that compute them in whole numbers.
    pub by: Vec<String>,
}

/// A compiler that comes as a Python package.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiler {
    /// Modules to import, the first that is there, separated by blanks.
    pub modules: String,
    /// What to install.
    pub install: String,
    /// The program that builds an engine of a file, by flags of `trtexec`.
    pub program: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    summary: String,
    domains: Vec<String>,
    source: String,
    #[serde(default)]
    takes_newer: bool,
    #[serde(default)]
    expanded: Vec<String>,
    #[serde(default)]
    held_back: Vec<String>,
    #[serde(default)]
    gains: Vec<String>,
    #[serde(default)]
    places_products: bool,
    #[serde(default)]
    pools_normalized: bool,
    #[serde(default)]
    widens_bytes: bool,
    #[serde(default)]
    newest_opset: BTreeMap<String, i64>,
    release: Vec<WrittenRelease>,
    #[serde(default)]
    retyped: Vec<Retyped>,
    fallback: Option<String>,
    qdq: Option<Qdq>,
    quantized: Option<Quantized>,
    compiler: Option<Compiler>,
    #[serde(default)]
    limit: Vec<Limit>,
    custom_ops: Option<String>,
    /// Ops that need no kernel, beside the other file's.
    #[serde(default)]
    takes: Rows,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRelease {
    version: Option<Release>,
    opset: [i64; 2],
    ir: [i64; 2],
}

struct Files {
    head: &'static str,
    ops: Option<&'static str>,
}

const FILES: &[Files] = &[
    Files { head: include_str!("data/onnx.toml"), ops: None },
    Files { head: include_str!("data/ort-cpu.toml"), ops: Some(include_str!("data/ort-cpu.ops.toml")) },
    Files { head: include_str!("data/ort-cuda.toml"), ops: Some(include_str!("data/ort-cuda.ops.toml")) },
    Files { head: include_str!("data/tensorrt.toml"), ops: Some(include_str!("data/tensorrt.ops.toml")) },
    Files {
        head: include_str!("data/tensorrt-rtx.toml"),
        ops: Some(include_str!("data/tensorrt-rtx.ops.toml")),
    },
];

impl Target {
    /// All targets, each at its newest release.
    pub fn all() -> Vec<Target> {
        FILES.iter().map(|f| Self::read(f, None).expect("a test reads every table")).collect()
    }

    /// The target of a name, with a version behind `@` or without.
    ///
    /// # Errors
    /// There is none; the help lists those that are.
    pub fn named(name: &str) -> Result<Target> {
        let (id, version) = match name.split_once('@') {
            Some((id, version)) => (id, Some(version)),
            None => (name, None),
        };
        let mut known = Vec::new();
        for files in FILES {
            let written = head(files)?;
            if written.id == id {
                return Self::read(files, version);
            }
            known.push(written.id);
        }
        let error = Error::new(format!("there is no target '{id}'"));
        Err(error.with_help(format!("targets: {}", known.join(", "))))
    }

    fn read(files: &Files, version: Option<&str>) -> Result<Target> {
        let written = head(files)?;
        let WrittenRelease { version: release, opset, ir } = *choose(&written, version)?;
        let at = release.unwrap_or_default();
        let table = match files.ops {
            Some(text) => Some(Table::new(read(text)?, written.takes, at)),
            None => None,
        };
        let fallback = written.fallback.as_deref().map(|id| match version {
            Some(version) => Self::named(&format!("{id}@{version}")),
            None => Self::named(id),
        });
        let [opset, ir] = [opset, ir].map(|[min, max]| Range { min, max });
        let mut target = Target {
            release,
            opset,
            ir,
            table,
            fallback: fallback.transpose()?.map(Box::new),
            releases: written.release.iter().filter_map(|r| r.version).collect(),
            id: written.id,
            summary: written.summary,
            domains: written.domains,
            takes_newer: written.takes_newer,
            expanded: written.expanded,
            held_back: written.held_back,
            gains: written.gains,
            places_products: written.places_products,
            pools_normalized: written.pools_normalized,
            widens_bytes: written.widens_bytes,
            newest_opset: written.newest_opset,
            source: written.source,
            qdq: written.qdq,
            quantized: written.quantized,
            compiler: written.compiler,
            limits: written.limit,
            custom_ops: written.custom_ops,
            retyped: written.retyped,
        };
        target.find_newest_opsets();
        Ok(target)
    }

    /// The name that finds it again, version included.
    pub fn name(&self) -> String {
        match self.release {
            Some(release) => format!("{}@{release}", self.id),
            None => self.id.clone(),
        }
    }

    /// Whether nodes of this op may be added.
    pub fn may_add(&self, op: OpId) -> bool {
        let known = self.table.as_ref().is_none_or(|t| t.is_empty() || t.knows(op.domain, op.name));
        known && self.domains.iter().any(|d| d == op.domain)
    }

    /// Whether nodes of this op, as an opset of its domain defines it, are taken: in whatever types.
    pub fn takes(&self, op: OpId, opset: i64) -> bool {
        match &self.table {
            Some(table) => table.knows(op.domain, op.name),
            None => {
                let defined = schema::lookup(op.domain, op.name, opset).is_some_and(|s| !s.deprecated);
                defined && self.domains.iter().any(|d| d == op.domain)
            }
        }
    }

    /// Whether nodes of this op run at an opset of its domain, as far as the target says.
    pub fn runs(&self, op: OpId, opset: i64) -> bool {
        !op.domain.is_empty() || self.newest_opset.get(op.name).is_none_or(|&newest| opset <= newest)
    }

    /// Whether passes that add this op run by name only.
    pub fn expands(&self, op: OpId) -> bool {
        let is_it = |name: &String| match name.rsplit_once('.') {
            Some(full) => full == (op.domain, op.name),
            None => op.domain.is_empty() && name == op.name,
        };
        self.expanded.iter().any(is_it)
    }

    /// The rows of the table, sorted by domain and op; none where every standard op is taken.
    pub fn rows(&self) -> Vec<RowView<'_>> {
        self.table.iter().flat_map(Table::views).collect()
    }

    /// The demands at this release.
    pub fn limits(&self) -> impl Iterator<Item = &Limit> {
        let release = self.release.unwrap_or_default();
        self.limits.iter().filter(move |limit| limit.holds(release))
    }

    /// The demands on an op at this release.
    pub fn limits_of<'a>(&'a self, domain: &'a str, op: &'a str) -> impl Iterator<Item = &'a Limit> {
        self.limits().filter(move |limit| limit.concerns(domain, op))
    }

    /// Ops whose newest version within the opsets is not taken, while an older one is.
    fn find_newest_opsets(&mut self) {
        let Some(table) = &self.table else { return };
        for (_, name) in table.ops().filter(|(domain, _)| domain.is_empty()) {
            let takes = |opset: &i64| {
                schema::lookup("", name, *opset)
                    .is_some_and(|s| !s.deprecated && self.has_version("", name, s.since))
            };
            let newest = (self.opset.min..=self.opset.max).rev().find(takes);
            if let Some(newest) = newest.filter(|n| *n < self.opset.max)
                && schema::lookup("", name, self.opset.max).is_some_and(|s| !s.deprecated)
            {
                self.newest_opset.insert(name.to_owned(), newest);
            }
        }
    }
}

/// The release that is asked for: the newest, or that of a version.
fn choose<'a>(written: &'a Written, version: Option<&str>) -> Result<&'a WrittenRelease> {
    let newest = written
        .release
        .last()
        .ok_or_else(|| Error::new(format!("the table of {} has no release", written.id)))?;
    let Some(version) = version else { return Ok(newest) };
    let asked = Release::parse(version);
    let found = written.release.iter().find(|r| r.version.is_some() && r.version == asked);
    found.ok_or_else(|| {
        let known: Vec<String> =
            written.release.iter().filter_map(|r| r.version).map(|v| v.to_string()).collect();
        let help = if known.is_empty() {
            format!("{} has no versions: leave @{version} out", written.id)
        } else {
            format!("versions of {}: {}", written.id, known.join(", "))
        };
        Error::new(format!("there is no version '{version}' of the target {}", written.id)).with_help(help)
    })
}

fn head(files: &Files) -> Result<Written> {
    read(files.head)
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    toml::from_str(text).map_err(|e| Error::new(format!("a table of a target cannot be read: {e}")))
}

#[cfg(test)]
mod tests;
