//! Choices, plan and placement; which nodes stay floats.

use super::QuantizeJob;
use super::ranges::{self, Range};
use crate::analysis::verify;
use crate::data::Source;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::{Model, Node, NodeId, ValueId};
use crate::passes::remove_dead::clean;
use crate::pipeline::progress::{Progress, Step};
use crate::quantize::{
    Choice, Correction, Grid, Labels, Place, Role, Rounding, Sheet, Smoothing, choose, corrected,
    corrections, divisible, not_finite, place, plan, roundings, smooth, smoothings, wanted, wanted_by,
};
use crate::runtime::Runtime;
use crate::target::{Quantized, Target};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Samples over which means are taken.
const CORRECTED_SAMPLES: usize = 16;
/// Samples by which weights are rounded.
const ROUNDED_SAMPLES: usize = 8;

/// The user says so by name.
const ASKED: &str = "it was asked for (--keep-float)";
const PLANNED: &str = "the plan says so";
const NOT_FINITE: &str = "a weight, bias or table of it is not finite";
const UNKNOWN: &str = "no range is known of one of its values";
const ZEROS: &str = "one of its values was zero in every sample";

/// Makes quantized models of one float model.
#[derive(Clone)]
pub(super) struct Composer<'a> {
    job: &'a QuantizeJob,
    table: &'a Quantized,
    sheet: Option<Rc<Sheet>>,
    float: Rc<Model>,
    kept: FxHashMap<NodeId, &'static str>,
    smoothings: Vec<Smoothing>,
    ranges: FxHashMap<ValueId, Range>,
    roundings: FxHashMap<NodeId, Rounding>,
    corrections: Vec<Correction>,
}

/// A quantized model, and how it came to be.
#[derive(Clone)]
pub(super) struct Composed {
    pub(super) model: Model,
    pub(super) choices: Vec<Choice>,
    pub(super) places: Vec<Place>,
    /// Nodes that compute products in whole numbers, by operator.
    pub(super) products: BTreeMap<String, usize>,
}

impl<'a> Composer<'a> {
    /// With what the user has said of nodes.
    pub(super) fn new(job: &'a QuantizeJob, float: Model, table: &'a Quantized) -> Result<Self> {
        let sheet = job.evidence.plan.as_deref().map(|path| {
            let text = std::fs::read_to_string(path).map_err(|e| Error::from(e).in_file(path))?;
            let sheet = Sheet::read(&text).map_err(|e| e.in_file(path))?;
            match of_target(&sheet, &job.target) {
                true => Ok(sheet),
                false => {
                    let message = format!("the plan is for {}, not for {}", sheet.target, job.target.id);
                    let help = "--write-plan writes one for this target";
                    Err(Error::new(message).in_file(path).with_help(help))
                }
            }
        });
        let sheet = sheet.transpose()?;
        let graph = &float.graph;
        let mut kept = FxHashMap::default();
        let labels = Labels::of(graph);
        for name in &job.keep_float {
            let named = |(id, n): &(NodeId, &Node)| {
                labels.name(*id) == *name || graph.label(*id) == *name || n.op().to_string() == *name
            };
            let nodes: Vec<NodeId> = graph.nodes().filter(named).map(|(id, _)| id).collect();
            if nodes.is_empty() {
                let message = format!("no node or operator of the simplified graph is called '{name}'");
                return Err(Error::new(message).with_help(
                    "--write-plan lists the nodes; --keep-float takes their names or an operator's",
                ));
            }
            kept.extend(nodes.into_iter().map(|node| (node, ASKED)));
        }
        let spoiled = not_finite(graph, &choose(graph, table, &kept)?);
        kept.extend(spoiled.into_iter().map(|node| (node, NOT_FINITE)));
        Ok(Self {
            job,
            table,
            sheet: sheet.map(Rc::new),
            float: Rc::new(float),
            kept,
            smoothings: Vec::new(),
            ranges: FxHashMap::default(),
            roundings: FxHashMap::default(),
            corrections: Vec::new(),
        })
    }

    /// Whether a plan says what is divided and shifted.
    pub(super) fn is_planned(&self) -> bool {
        self.sheet.is_some()
    }

    /// The model in floats, as it is calibrated.
    pub(super) fn float(&self) -> &Rc<Model> {
        &self.float
    }

    /// Divides channels, as the plan says or as the samples do.
    pub(super) fn smooth(
        &mut self,
        source: Option<&Source>,
        runtime: &dyn Runtime,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        self.smoothings = match (&self.sheet, source) {
            (Some(sheet), _) => {
                let planned = sheet.smoothings(&self.float.graph);
                let planned = planned.and_then(|all| self.divisible(all));
                planned.map_err(|e| in_plan(self.job, e))?
            }
            (None, Some(source)) if self.job.smooth => {
                let samples = source.len();
                let mut tell = |at| progress.begin(Step::Smooth(at, samples));
                let (grid, (products, whole)) = (Grid::of(self.table), self.smoothed()?);
                smoothings(&self.float, &products, &whole, grid, (source, samples), runtime, &mut tell)?
            }
            _ => Vec::new(),
        };
        smooth(Rc::make_mut(&mut self.float), &self.smoothings);
        // What divides channels is in the plan too.
        if let Some(sheet) = &self.sheet {
            let floats = sheet.floats(&self.float.graph).map_err(|e| in_plan(self.job, e))?;
            self.kept.extend(floats.into_iter().map(|node| (node, PLANNED)));
        }
        Ok(())
    }

    fn divisible(&self, smoothings: Vec<Smoothing>) -> Result<Vec<Smoothing>> {
        let Some(wrong) = smoothings.iter().find(|s| !divisible(&self.float, s)) else {
            return Ok(smoothings);
        };
        let message =
            format!("the plan divides this value by {} numbers that do not fit its products", wrong.by.len());
        let name = self.float.graph.value(wrong.value).name().to_string();
        Err(Error::new(message).at(name).with_help("write the plan of this model anew with --write-plan"))
    }

    /// Products, and values that are whole for other nodes too.
    fn smoothed(&self) -> Result<(Vec<NodeId>, FxHashSet<ValueId>)> {
        let graph = &self.float.graph;
        let (mut products, mut whole) = (Vec::new(), FxHashSet::default());
        for choice in choose(graph, self.table, &self.kept)? {
            match &choice.role {
                Role::Product { result, .. } => {
                    products.push(choice.node);
                    whole.extend(*result);
                }
                Role::Between { result } => _ = whole.insert(*result),
                Role::Moved => whole.extend(graph.node(choice.node).outputs()),
                Role::Skip { at } => whole.extend(graph.node(choice.node).input(*at)),
                _ => {}
            }
        }
        Ok((products, whole))
    }

    /// Observes what no file has told, and leaves in floats what nothing tells.
    pub(super) fn calibrate(
        &mut self,
        source: Option<&Source>,
        runtime: &dyn Runtime,
        diags: &mut Diags,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let float = Rc::clone(&self.float);
        let graph = &float.graph;
        self.ranges = ranges::read(self.job, self.sheet.as_deref(), &float)?;
        if let Some(sheet) = &self.sheet {
            self.corrections = sheet.corrections(graph).map_err(|e| in_plan(self.job, e))?;
        }
        let choices = choose(graph, self.table, &self.kept)?;
        let mut values = wanted(graph, &choices);
        values.retain(|v| !self.ranges.contains_key(v));
        if let Some(source) = source.filter(|_| !values.is_empty()) {
            let grid = Grid::of(self.table);
            let by = (source, runtime);
            let values = ranges::asked(self.job, graph, &choices, &values)?;
            self.ranges.extend(ranges::observe(self.job, &float, &values, grid, by, diags, progress)?);
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
        let mut model = corrected(&self.float, &self.of_products(&choices));
        // A convolution may have a bias now that had none.
        let choices = choose(&model.graph, self.table, &self.kept)?;
        let mut places = plan(&model.graph, &choices, self.table, &self.ranges, self.job.weights())
            .map_err(|e| e.with_help("--keep-float leaves this node in floats"))?;
        places.iter_mut().for_each(|place| self.turn(place));
        place(&mut model.graph, &places);
        clean(&mut model.graph);
        verify(&model)?;
        let mut products = BTreeMap::new();
        for choice in choices.iter().filter(|c| matches!(c.role, Role::Product { .. })) {
            *products.entry(self.float.graph.node(choice.node).op().to_string()).or_default() += 1;
        }
        Ok(Composed { model, choices, places, products })
    }

    /// The corrections of products in whole numbers: what stays floats is right without one.
    fn of_products(&self, choices: &[Choice]) -> Vec<Correction> {
        let products: FxHashSet<NodeId> =
            choices.iter().filter(|c| matches!(c.role, Role::Product { .. })).map(|c| c.node).collect();
        self.corrections.iter().filter(|c| products.contains(&c.node)).cloned().collect()
    }

    /// The same, with nothing fitted to what is rounded.
    pub(super) fn plain(&self) -> Self {
        Self { roundings: FxHashMap::default(), corrections: Vec::new(), ..self.clone() }
    }

    /// The same, with biases corrected anew where they were: other nodes round now. `None` where none was.
    pub(super) fn corrected_anew(
        &self,
        by: (&Source, &dyn Runtime),
        progress: &mut dyn Progress,
    ) -> Result<Option<(Self, Composed)>> {
        if self.corrections.is_empty() || self.is_planned() {
            return Ok(None);
        }
        let mut other = Self { corrections: Vec::new(), ..self.clone() };
        let composed = other.compose()?;
        other.correct(&composed, by, progress)?;
        let composed = other.compose()?;
        Ok(Some((other, composed)))
    }

    /// The same, with some nodes left in floats too, for this reason.
    pub(super) fn without(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
        why: &'static str,
    ) -> Result<(Self, Composed)> {
        let mut other = self.clone();
        other.kept.extend(nodes.into_iter().map(|node| (node, why)));
        let composed = other.compose()?;
        Ok((other, composed))
    }

    /// Gives a place the numbers that were chosen for it, where its scales are still those.
    fn turn(&self, place: &mut Place) {
        let Some(rounding) = self.roundings.get(&place.node) else { return };
        if let Some((_, weights)) = place.weights.first_mut().filter(|(_, w)| w.scales == rounding.scales) {
            weights.numbers = rounding.numbers.clone();
        }
    }

    /// Chooses how weights are rounded, for all that is composed from now on.
    pub(super) fn round(
        &mut self,
        composed: &Composed,
        (source, runtime): (&Source, &dyn Runtime),
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let samples = source.len().min(ROUNDED_SAMPLES);
        let mut tell = |at| progress.begin(Step::Round(at, samples));
        let all = roundings(&self.float, &composed.places, (source, samples), runtime, &mut tell)?;
        self.roundings = all.into_iter().map(|r| (r.node, r)).collect();
        Ok(())
    }

    /// Measures what rounding shifts the means by, for all that is composed from now on.
    pub(super) fn correct(
        &mut self,
        composed: &Composed,
        (source, runtime): (&Source, &dyn Runtime),
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let samples = source.len().min(CORRECTED_SAMPLES);
        let mut tell = |at| progress.begin(Step::Correct(at, samples));
        self.corrections = corrections(&self.float, &composed.places, source, samples, runtime, &mut tell)?;
        Ok(())
    }
}

/// An error of the plan, and not of the model.
fn in_plan(job: &QuantizeJob, error: Error) -> Error {
    match &job.evidence.plan {
        Some(path) => error.in_file(path),
        None => error,
    }
}

/// Whether a plan is for a target, in whatever version.
fn of_target(sheet: &Sheet, target: &Target) -> bool {
    sheet.target.split('@').next() == Some(&*target.id)
}

impl Composed {
    /// Whether anything computes in whole numbers.
    pub(super) fn is_int8(&self) -> bool {
        self.choices.iter().any(|choice| !choice.role.is_float())
    }

    /// What it does in whole numbers, as a plan that can be fed back.
    pub(super) fn sheet(&self, composer: &Composer<'_>) -> Sheet {
        let graph = &composer.float.graph;
        let ranges: Vec<(ValueId, Range)> =
            wanted(graph, &self.choices).into_iter().map(|v| (v, composer.ranges[&v])).collect();
        let corrections = composer.of_products(&self.choices);
        let before = (&*composer.smoothings, &*corrections);
        Sheet::new(composer.job.target.name(), graph, &self.choices, &ranges, before)
    }
}
