//! A plan as a text that is read, changed and fed back.
//!
//! ```toml
//! version = 1
//! target = "ort-cpu"
//!
//! [[node]]
//! name = "/conv1/Conv"
//! op = "Conv"
//! compute = "int8"      # "float" leaves it as it is
//!
//! [[value]]
//! name = "x"
//! min = -2.1            # what is quantized covers this range
//! max = 2.6
//! ```
//!
//! Names are those of the graph after its simplification. Nodes that are not in the text are decided of as without one.

use super::choose::{Choice, Role};
use super::correct::Correction;
use super::labels::Labels;
use super::smooth::Smoothing;
use crate::error::{Error, Result};
use crate::ir::{Graph, NodeId, ValueId};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// The version of the format that is written and read.
const VERSION: u32 = 1;

const HEAD: &str =
    "# What `onnxpress quantize` computes in whole numbers. Change it and feed it back with --plan:
# compute = \"float\" leaves a node as it is, min and max are the range of a value that is covered.

";

/// The text as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    version: u32,
    /// What the model is quantized for, with its version.
    pub target: String,
    /// Every node that computes floats.
    #[serde(default, rename = "node")]
    pub nodes: Vec<SheetNode>,
    /// What channels of values are divided by before.
    #[serde(default, rename = "smooth")]
    pub smoothings: Vec<SheetSmoothing>,
    /// What biases of products are shifted by.
    #[serde(default, rename = "bias")]
    pub corrections: Vec<SheetCorrection>,
    /// Every range that a scale was made of.
    #[serde(default, rename = "value")]
    pub values: Vec<SheetValue>,
}

/// What is decided of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetNode {
    /// Its name, or that of its first result.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// In which numbers it computes.
    pub compute: Compute,
    /// Why in floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// In which numbers a node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compute {
    /// Whole numbers.
    Int8,
    /// As before.
    Float,
}

/// The range of a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetValue {
    /// Its name.
    pub name: String,
    /// The smallest number that is covered.
    pub min: f32,
    /// The largest.
    pub max: f32,
}

/// What the channels of a value are divided by, where products read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetSmoothing {
    /// The value.
    pub value: String,
    /// The products.
    pub readers: Vec<String>,
    /// The axis of the channels.
    pub axis: usize,
    /// By channel.
    pub by: Vec<f32>,
}

/// What the bias of a product is shifted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetCorrection {
    /// The product.
    pub node: String,
    /// By channel of its result.
    pub shift: Vec<f32>,
}

impl Sheet {
    /// Of choices and the ranges that they want, with what was done to the floats before.
    pub fn new(
        target: String,
        graph: &Graph,
        choices: &[Choice],
        ranges: &[(ValueId, (f32, f32))],
        (smoothings, corrections): (&[Smoothing], &[Correction]),
    ) -> Self {
        let labels = Labels::of(graph);
        let smoothing = |s: &Smoothing| SheetSmoothing {
            value: graph.value(s.value).name().to_string(),
            readers: s.readers.iter().map(|&node| labels.name(node)).collect(),
            axis: s.axis,
            by: s.by.clone(),
        };
        let node = |choice: &Choice| {
            let why = match &choice.role {
                Role::Float(why) => Some((*why).to_owned()),
                _ => None,
            };
            SheetNode {
                name: labels.name(choice.node),
                op: graph.node(choice.node).op().to_string(),
                compute: if why.is_some() { Compute::Float } else { Compute::Int8 },
                why,
            }
        };
        let correction =
            |c: &Correction| SheetCorrection { node: labels.name(c.node), shift: c.shift.clone() };
        let value = |&(value, (min, max)): &(ValueId, (f32, f32))| SheetValue {
            name: graph.value(value).name().to_string(),
            min,
            max,
        };
        Self {
            version: VERSION,
            target,
            nodes: choices.iter().map(node).collect(),
            smoothings: smoothings.iter().map(smoothing).collect(),
            corrections: corrections.iter().map(correction).collect(),
            values: ranges.iter().map(value).collect(),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It is no such text, or a range holds no numbers.
    pub fn read(text: &str) -> Result<Self> {
        let sheet: Self = toml::from_str(text).map_err(|e| {
            Error::new(format!("this is no plan: {}", e.message()))
                .with_help("--write-plan writes one that can be changed")
        })?;
        if sheet.version != VERSION {
            return Err(Error::new(format!("this plan has version {}, not {VERSION}", sheet.version))
                .with_help("write it anew with --write-plan"));
        }
        for value in &sheet.values {
            if !(value.min.is_finite() && value.max.is_finite() && value.min <= value.max) {
                let message = format!("the range {} to {} of this value is none", value.min, value.max);
                return Err(Error::new(message).at(&*value.name));
            }
        }
        Ok(sheet)
    }

    /// As text.
    pub fn text(&self) -> String {
        HEAD.to_owned() + &toml::to_string(self).expect("a plan is tables of strings and numbers")
    }

    /// What channels are divided by in a graph.
    ///
    /// # Errors
    /// A value or node is not in the graph, or a number is not positive.
    pub fn smoothings(&self, graph: &Graph) -> Result<Vec<Smoothing>> {
        let labels = Labels::of(graph);
        let values = values(graph);
        let smoothing = |s: &SheetSmoothing| {
            if !s.by.iter().all(|by| by.is_normal() && *by > 0.0) {
                return Err(
                    Error::new("the plan divides this value by numbers that are not positive").at(&*s.value)
                );
            }
            let readers = s
                .readers
                .iter()
                .map(|name| planned(labels.node(name), "node", name))
                .collect::<Result<_>>()?;
            let value = planned(values.get(&s.value).copied(), "value", &s.value)?;
            Ok(Smoothing { value, readers, axis: s.axis, by: s.by.clone(), gain_db: 0.0 })
        };
        self.smoothings.iter().map(smoothing).collect()
    }

    /// What the biases of a graph's products are shifted by.
    ///
    /// # Errors
    /// A node is not in the graph, or a number is not finite.
    pub fn corrections(&self, graph: &Graph) -> Result<Vec<Correction>> {
        let labels = Labels::of(graph);
        let correction = |c: &SheetCorrection| {
            if !c.shift.iter().all(|s| s.is_finite()) {
                return Err(Error::new("the plan shifts this bias by what is no number").at(&*c.node));
            }
            Ok(Correction { node: planned(labels.node(&c.node), "node", &c.node)?, shift: c.shift.clone() })
        };
        self.corrections.iter().map(correction).collect()
    }

    /// Ranges of a graph's values.
    ///
    /// # Errors
    /// A value is not in the graph.
    pub fn ranges(&self, graph: &Graph) -> Result<Vec<(ValueId, (f32, f32))>> {
        let values = values(graph);
        let range =
            |v: &SheetValue| Ok((planned(values.get(&v.name).copied(), "value", &v.name)?, (v.min, v.max)));
        self.values.iter().map(range).collect()
    }

    /// The nodes of a graph that are to stay floats.
    ///
    /// # Errors
    /// A node is not in the graph.
    pub fn floats(&self, graph: &Graph) -> Result<Vec<NodeId>> {
        let labels = Labels::of(graph);
        let known =
            |node: &SheetNode| Ok((node.compute, planned(labels.node(&node.name), "node", &node.name)?));
        let all = self.nodes.iter().map(known).collect::<Result<Vec<_>>>()?;
        Ok(all.into_iter().filter(|(compute, _)| *compute == Compute::Float).map(|(_, id)| id).collect())
    }
}

fn values(graph: &Graph) -> FxHashMap<String, ValueId> {
    graph.value_ids().map(|v| (graph.value(v).name().to_string(), v)).collect()
}

fn planned<T>(found: Option<T>, what: &str, name: &str) -> Result<T> {
    found.ok_or_else(|| {
        Error::new(format!("the plan names this {what}, and the simplified graph has none of that name"))
            .at(name)
            .with_help("write the plan of this model anew with --write-plan")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            version: VERSION,
            target: "ort-cpu@1.31".into(),
            nodes: vec![SheetNode {
                name: "a".into(),
                op: "Conv".into(),
                compute: Compute::Float,
                why: Some("the plan says so".into()),
            }],
            smoothings: vec![SheetSmoothing {
                value: "x".into(),
                readers: vec!["a".into()],
                axis: 1,
                by: vec![0.5, 1.0],
            }],
            corrections: vec![SheetCorrection { node: "a".into(), shift: vec![0.25, -1e-3] }],
            values: vec![SheetValue { name: "x".into(), min: -1.5, max: 2.25 }],
        }
    }

    #[test]
    fn a_text_is_read_back() {
        assert_eq!(Sheet::read(&sheet().text()).unwrap(), sheet());
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let of = |values: &str| Sheet::read(&format!("version = 1\ntarget = \"x\"\n{values}"));
        assert!(of("").is_ok());
        for wrong in ["min = inf\nmax = 1", "min = 2\nmax = 1", "min = nan\nmax = 1"] {
            let error = of(&format!("[[value]]\nname = \"v\"\n{wrong}")).unwrap_err();
            assert!(error.help().is_some() || error.node() == Some("v"), "{wrong}: {error:?}");
        }
        assert!(Sheet::read("version = 2\ntarget = \"x\"").unwrap_err().help().is_some());
        assert!(of("[[node]]\nname = \"n\"\nop = \"Conv\"\ncompute = \"int4\"").is_err());
    }
}
