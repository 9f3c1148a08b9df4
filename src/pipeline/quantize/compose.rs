//! Choices, plan and placement; which nodes stay floats.

use super::QuantizeJob;
use super::ranges::{self, Range};
use crate::analysis::verify;
use crate::data::Source;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::{Model, NodeId, ValueId};
use crate::passes::remove_dead::clean;
use crate::pipeline::progress::Progress;
use crate::quantize::{Choice, Grid, Place, Role, Sheet, choose, place, plan, wanted, wanted_by};
use crate::runtime::Runtime;
use crate::target::Quantized;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// The user says so by name.
const ASKED: &str = "it was asked for (--keep-float)";
const PLANNED: &str = "the plan says so";
const UNKNOWN: &str = "no range is known of one of its values";
const ZEROS: &str = "one of its values was zero in every sample";
const ACCURACY: &str = "the outputs need its accuracy (--min-sqnr)";

/// Makes quantized models of one float model.
pub(super) struct Composer<'a> {
    job: &'a QuantizeJob,
    float: &'a Model,
    table: &'a Quantized,
    kept: FxHashMap<NodeId, &'static str>,
    ranges: FxHashMap<ValueId, Range>,
}

/// A quantized model, and how it came to be.
pub(super) struct Composed {
    pub(super) model: Model,
    pub(super) choices: Vec<Choice>,
    pub(super) places: Vec<Place>,
    /// Nodes that compute products in whole numbers, by operator.
    pub(super) products: BTreeMap<String, usize>,
}

impl<'a> Composer<'a> {
    /// With what the user has said of nodes and ranges.
    pub(super) fn new(job: &'a QuantizeJob, float: &'a Model, table: &'a Quantized) -> Result<Self> {
        let sheet = job.evidence.plan.as_deref().map(|path| {
            let text = std::fs::read_to_string(path).map_err(|e| Error::from(e).in_file(path))?;
            Sheet::read(&text).map_err(|e| e.in_file(path))
        });
        let sheet = sheet.transpose()?;
        let graph = &float.graph;
        let mut kept = FxHashMap::default();
        if let Some(sheet) = &sheet {
            kept.extend(sheet.floats(graph)?.into_iter().map(|node| (node, PLANNED)));
        }
        for name in &job.keep_float {
            let named = |(id, n): &(NodeId, &crate::ir::Node)| {
                graph.label(*id) == *name || n.op().to_string() == *name
            };
            let nodes: Vec<NodeId> = graph.nodes().filter(named).map(|(id, _)| id).collect();
            if nodes.is_empty() {
                return Err(Error::new(format!(
                    "no node or operator of the simplified graph is called '{name}'"
                ))
                .with_help("--write-plan lists the nodes; --keep-float takes their names or an operator's"));
            }
            kept.extend(nodes.into_iter().map(|node| (node, ASKED)));
        }
        let ranges = ranges::read(job, sheet.as_ref(), float)?;
        Ok(Self { job, float, table, kept, ranges })
    }

    /// Observes what no file has told, and leaves in floats what nothing tells.
    pub(super) fn calibrate(
        &mut self,
        source: Option<&Source>,
        runtime: &dyn Runtime,
        diags: &mut Diags,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let graph = &self.float.graph;
        let choices = choose(graph, self.table, &self.kept)?;
        let mut values = wanted(graph, &choices);
        values.retain(|v| !self.ranges.contains_key(v));
        if let Some(source) = source.filter(|_| !values.is_empty()) {
            let grid = Grid::of(self.table);
            let by = (source, runtime);
            self.ranges.extend(ranges::observe(self.job, self.float, &values, grid, by, diags, progress)?);
        }
        loop {
            let choices = choose(graph, self.table, &self.kept)?;
            let unknown: Vec<(NodeId, &'static str)> =
                choices.iter().filter_map(|c| Some((c.node, self.lacks(c)?))).collect();
            if unknown.is_empty() {
                return Ok(());
            }
            self.kept.extend(unknown);
        }
    }

    /// Why a choice cannot be carried out.
    fn lacks(&self, choice: &Choice) -> Option<&'static str> {
        let ranges = wanted_by(&self.float.graph, choice).into_iter().map(|v| self.ranges.get(&v));
        ranges
            .filter_map(|range| match range {
                None => Some(UNKNOWN),
                Some((0.0, 0.0)) => Some(ZEROS),
                Some(_) => None,
            })
            .next()
    }

    /// The model that the choices make.
    pub(super) fn compose(&self) -> Result<Composed> {
        let choices = choose(&self.float.graph, self.table, &self.kept)?;
        let places = plan(&self.float.graph, &choices, self.table, &self.ranges, self.job.weights())?;
        let mut model = self.float.clone();
        place(&mut model.graph, &places);
        clean(&mut model.graph);
        verify(&model)?;
        let mut products = BTreeMap::new();
        for choice in choices.iter().filter(|c| matches!(c.role, Role::Product { .. })) {
            *products.entry(self.float.graph.node(choice.node).op().to_string()).or_default() += 1;
        }
        Ok(Composed { model, choices, places, products })
    }

    /// The same, with some nodes left in floats too.
    pub(super) fn without(&self, nodes: impl IntoIterator<Item = NodeId>) -> Result<Composed> {
        let mut kept = self.kept.clone();
        kept.extend(nodes.into_iter().map(|node| (node, ACCURACY)));
        Composer { kept, ranges: self.ranges.clone(), ..*self }.compose()
    }
}

impl Composed {
    /// What it does in whole numbers, as a plan that can be fed back.
    pub(super) fn sheet(&self, composer: &Composer<'_>) -> Sheet {
        let graph = &composer.float.graph;
        let ranges: Vec<(ValueId, Range)> =
            wanted(graph, &self.choices).into_iter().map(|v| (v, composer.ranges[&v])).collect();
        Sheet::new(composer.job.target.name(), graph, &self.choices, &ranges)
    }
}
