//! How accurate, how fast, and on which kernels the result runs.

use super::QuantizeJob;
use super::compose::Composed;
use crate::data::Source as Samples;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::io::{ExternalData, Scratch, WriteOptions, save};
use crate::ir::Model;
use crate::pipeline::bench::Figures;
use crate::pipeline::compare::source as source_of;
use crate::pipeline::progress::{Progress, Step};
use crate::proto::ModelProto;
use crate::quantize::{
    Accuracy, Answers, Compute, Labels, OutputAccuracy, Place, Sensitivity, Sheet, SheetNode, accuracy,
};
use crate::report::{
    AccuracyReport, BuildReport, KernelRow, Number, OutputAccuracyReport, PlanRow, QuantizedRace, Race,
    SensitivityRow,
};
use crate::runtime::{Optimization, RunError, Runtime, Session, SessionOptions, Source};
use crate::target::{Kernels, Quantized};
use crate::validate::{BenchOptions, Feeds, Subject, bench_on};
use prost::Message as _;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Pairs of runs that are timed, and before.
const PAIRS: usize = 30;
const WARMUP: usize = 3;
/// No pair is begun after this.
const TIME: Duration = Duration::from_secs(30);
/// Samples that are timed.
const TIMED_SAMPLES: usize = 4;

/// What a result is held against, and by whom.
pub(super) struct Judge<'a> {
    pub(super) job: &'a QuantizeJob,
    pub(super) table: &'a Quantized,
    pub(super) runtime: &'a dyn Runtime,
    /// As it was read; standard input is read but once.
    pub(super) original: &'a Model,
    /// What it is measured on.
    pub(super) source: Option<&'a Samples>,
    /// What the original makes of it.
    pub(super) answers: RefCell<Answers<'a>>,
}

impl<'a> Judge<'a> {
    /// With an original that is opened when it is needed.
    pub(super) fn new(
        job: &'a QuantizeJob,
        table: &'a Quantized,
        runtime: &'a dyn Runtime,
        original: &'a Model,
        source: Option<&'a Samples>,
    ) -> Self {
        let open = move || session(runtime, &source_of(&job.input, original)?, Optimization::None);
        let answers = RefCell::new(Answers::new(Box::new(open), job.evidence.memory_limit));
        Self { job, table, runtime, original, source, answers }
    }

    /// How far the outputs are from the original's; `None` without samples.
    pub(super) fn accuracy(&self, model: &Model, progress: &mut dyn Progress) -> Result<Option<Accuracy>> {
        let Some(samples) = self.source else { return Ok(None) };
        let of = samples.len();
        let mut tell = |at| progress.begin(Step::Judge(at, of));
        let (_folder, file) = aside(model)?;
        let mut judged = session(self.runtime, &file, self.level())?;
        let mut answers = self.answers.borrow_mut();
        let measured = accuracy(&mut answers, &mut *judged, samples, &mut tell);
        answers.close();
        measured.map(Some)
    }

    /// Kernels of this machine where the target is one of ONNX Runtime's; else the rounding in floats.
    fn level(&self) -> Optimization {
        if self.table.kernels.is_empty() { Optimization::Basic } else { Optimization::All }
    }

    /// What ONNX Runtime makes of the products that are planned; `None` where the target is another runtime, or it cannot
    /// write what it has made.
    pub(super) fn kernels(&self, composed: &Composed, source: Source) -> Result<Option<Vec<KernelRow>>> {
        if self.table.kernels.is_empty() {
            return Ok(None);
        }
        let folder = Scratch::beside(Path::new("-"))?;
        let file = folder.path().join("optimized.onnx");
        let options = SessionOptions {
            threads: 1,
            optimize: Optimization::Extended,
            deployed: false,
            optimized: Some(file.clone()),
        };
        // Weights that it changes go into its file, which holds 2 GiB.
        if self.runtime.session(&source, &options).is_err() {
            return Ok(None);
        }
        let found = operators(&file)?;
        let planned = &composed.products;
        let row = |kernels: &Kernels| KernelRow {
            planned: kernels.of.iter().filter_map(|op| Some((op.clone(), *planned.get(op)?))).collect(),
            found: kernels.by.iter().filter_map(|op| Some((op.clone(), *found.get(op)?))).collect(),
        };
        Ok(Some(self.table.kernels.iter().map(row).filter(|r| !r.planned.is_empty()).collect()))
    }

    /// Times the original and a model in turn; `None` without samples, or where the target is another runtime.
    pub(super) fn race_of(
        &self,
        model: &Model,
        progress: &mut dyn Progress,
    ) -> Result<Option<QuantizedRace>> {
        let original = Subject { model: self.original, source: source_of(&self.job.input, self.original)? };
        self.timed(&original, model, progress)
    }

    /// As [`Judge::race_of`], of two models.
    pub(super) fn race(
        &self,
        a: &Model,
        b: &Model,
        progress: &mut dyn Progress,
    ) -> Result<Option<QuantizedRace>> {
        let (_folder, source) = aside(a)?;
        self.timed(&Subject { model: a, source }, b, progress)
    }

    fn timed(
        &self,
        a: &Subject<'_>,
        b: &Model,
        progress: &mut dyn Progress,
    ) -> Result<Option<QuantizedRace>> {
        let Some(samples) = self.source.filter(|_| !self.table.kernels.is_empty()) else { return Ok(None) };
        let sets: Vec<_> = samples.samples().take(TIMED_SAMPLES).collect::<Result<_>>()?;
        let options = BenchOptions {
            feeds: Feeds::default(),
            session: SessionOptions::deployed(),
            pairs: PAIRS,
            warmup: WARMUP,
            limit: TIME,
        };
        let (_folder, source) = aside(b)?;
        let b = Subject { model: b, source };
        let mut tell = |at| progress.begin(Step::Time(at, PAIRS));
        let times = bench_on(&sets, [a, &b], &options, self.runtime, &mut tell)?;
        Ok(Figures::of(&times).map(|figures| QuantizedRace {
            runtime: self.runtime.name().to_owned(),
            pairs: times.pairs.len(),
            float_milliseconds: Number(figures.a * 1e3),
            int8_milliseconds: Number(figures.b * 1e3),
            ratio: Number(figures.ratio),
            ratio_interval: figures.interval.map(|(low, high)| [Number(low), Number(high)]),
            verdict: Race::of(figures.interval),
        }))
    }

    /// Whether the outputs keep to the bounds.
    pub(super) fn holds(&self, accuracy: &Accuracy) -> bool {
        self.job.bounds.missed(accuracy).is_none()
    }

    /// Why a result is not to be written.
    pub(super) fn verdict(&self, accuracy: Option<&Accuracy>) -> Option<String> {
        let bounds = &self.job.bounds;
        bounds.unmeasured(accuracy?).or_else(|| bounds.missed(accuracy?))
    }
}

fn session(runtime: &dyn Runtime, source: &Source, optimize: Optimization) -> Result<Box<dyn Session>> {
    let deployed = optimize == Optimization::All;
    let options = SessionOptions { threads: 1, optimize, deployed, optimized: None };
    runtime.session(source, &options).map_err(RunError::into_error)
}

/// A model in a folder that goes when it is dropped.
fn aside(model: &Model) -> Result<(Scratch, Source)> {
    let folder = Scratch::beside(Path::new("-"))?;
    let file = folder.path().join("model.onnx");
    save(model, &file, &WriteOptions { external_data: ExternalData::Separate, source: None })?;
    Ok((folder, Source::file(file)))
}

/// The operators of a file's main graph, and how often each is there. Weights need not be there.
fn operators(file: &Path) -> Result<BTreeMap<String, usize>> {
    let bytes = std::fs::read(file).map_err(|e| Error::from(e).in_file(file))?;
    let model = ModelProto::decode(&*bytes).map_err(|e| Error::new(e.to_string()).in_file(file))?;
    let mut found = BTreeMap::new();
    for node in model.graph.unwrap_or_default().node {
        *found.entry(node.op_type.unwrap_or_default()).or_default() += 1;
    }
    Ok(found)
}

/// What the compiler's listing says of the products that are planned; `None` where there is none.
pub(super) fn listed(composed: &Composed, build: &BuildReport) -> Option<Vec<KernelRow>> {
    let nodes: BTreeSet<&str> = build.int8_nodes.as_ref()?.iter().map(String::as_str).collect();
    let graph = &composed.model.graph;
    let runs = |place: &&Place| {
        let node = graph.node(place.node);
        // TensorRT names nodes that have no name by their first result.
        let result = format!("node_of_{}", graph.value(node.outputs()[0]).name());
        let name: &str = node.name();
        nodes.contains(if name.is_empty() { result.as_str() } else { name })
    };
    let found = composed.places.iter().filter(|p| !p.weights.is_empty()).filter(runs).count();
    let found = BTreeMap::from([("Int8".to_owned(), found)]);
    Some(vec![KernelRow { planned: composed.products.clone(), found }])
}

/// Why the compiler does not take the result.
pub(super) fn refusal(build: Option<&BuildReport>) -> Option<String> {
    let build = build.filter(|b| !b.built)?;
    let why = build.errors.first().map(String::as_str).unwrap_or("it does not say why");
    Some(format!("{} refuses the result: {why}", build.compiler))
}

/// Says what the figures mean, where that is not good.
pub(super) fn remark(
    job: &QuantizeJob,
    accuracy: Option<&Accuracy>,
    race: Option<&QuantizedRace>,
    kernels: Option<&[KernelRow]>,
    diags: &mut Diags,
) {
    if let Some(race) = race.filter(|r| matches!(r.verdict, Race::Slower | Race::NoDifference)) {
        let message = format!("INT8 is not faster here: {:.2} of the float model's time", race.ratio.0);
        diags.warn("not-faster", None, message);
    }
    for row in kernels.into_iter().flatten().filter(|r| r.found_count() < r.planned_count()) {
        let message = format!("{}: some products run as floats all the same", row.sentence());
        diags.warn("planned-not-run", None, message);
    }
    if accuracy.is_none() && job.verify {
        diags.warn("not-measured", None, "there are no samples, so nobody knows how accurate the result is");
    }
}

/// The ranking as a report shows it.
pub(super) fn rows(float: &Model, ranked: &[Sensitivity], composed: &Composed) -> Vec<SensitivityRow> {
    let labels = Labels::of(&float.graph);
    let whole = |s: &Sensitivity| composed.choices.iter().any(|c| c.node == s.node && !c.role.is_float());
    ranked
        .iter()
        .map(|s| SensitivityRow {
            node: labels.name(s.node),
            op: float.graph.node(s.node).op().to_string(),
            sqnr_db: Number(s.sqnr_db),
            int8: whole(s),
        })
        .collect()
}

/// Rows of the plan as a report shows them.
pub(super) fn plan_rows(sheet: &Sheet) -> Vec<PlanRow> {
    let row = |node: &SheetNode| PlanRow {
        node: node.name.clone(),
        op: node.op.clone(),
        int8: node.compute == Compute::Int8,
        why: node.why.clone(),
    };
    sheet.nodes.iter().map(row).collect()
}

/// The accuracy as a report shows it.
pub(super) fn accuracy_report(accuracy: &Accuracy) -> AccuracyReport {
    let output = |o: &OutputAccuracy| OutputAccuracyReport {
        name: o.name.clone(),
        sqnr_db: o.sqnr_db.map(Number),
        cosine_mean: o.cosine_mean.map(Number),
        cosine_min: o.cosine_min.map(Number),
        top1: o.top1.map(Number),
        equal: Number(o.equal),
        apart: o.apart.clone(),
    };
    AccuracyReport {
        samples: accuracy.samples,
        sqnr_db: accuracy.sqnr_db().map(Number),
        outputs: accuracy.outputs.iter().map(output).collect(),
    }
}
