//! INT8: simplify, calibrate, plan, place, measure, write.
//!
//! | file | idea |
//! |---|---|
//! | `prepare` | the float graph that is calibrated: standard operators, the opset that the scales need |
//! | `held_out` | which samples the result is made from, and on which it is measured |
//! | `ranges` | where the range of each value is from: a plan, a cache of TensorRT, the user's data |
//! | `compose` | choices, plan and placement; which nodes stay floats |
//! | `settle` | which model is written: what the samples, the bounds and the clock leave of the first |
//! | `refine` | weights and biases chosen by the samples, where the outputs gain by it |
//! | `measure` | how accurate, how fast, and on which kernels the result runs |
//! | `faster` | kinds of nodes that go back to floats where INT8 is not faster |
//! | `front` | the first products, which stay floats where that is no slower |
//! | `bound` | nodes that go back to floats until the outputs are accurate enough |

mod bound;
mod compose;
mod faster;
mod front;
mod held_out;
mod measure;
mod prepare;
mod ranges;
mod recipe;
mod refine;
mod settle;

use super::measure::{data_bytes, node_count};
use super::memory::{Sampler, peak};
use super::output::Output;
use super::progress::{Progress, Step};
use super::sizes::Sizes;
use super::{optimize::Clock, place};
use crate::calibrate::Method;
use crate::data::Source;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::io::{ExternalData, Loaded, WriteOptions, load, write_whole};
use crate::ir::Model;
use crate::quantize::{Bounds, Grid, products_in_bodies};
use crate::recipe::DataSpec;
use crate::report::{Change, QuantizeReport};
use crate::runtime::{Preferences, Runtime, find};
use crate::target::{Quantized, Target};
use compose::{Composed, Composer};
use measure::Judge;
use settle::{Settled, settled};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Samples on which nodes are ranked.
const RANKED_SAMPLES: usize = 4;

/// What is to be quantized, and how.
#[derive(Clone, Debug)]
pub struct QuantizeJob {
    /// The model file; `-` is standard input.
    pub input: PathBuf,
    /// Where the result goes; `-` is standard output.
    pub output: PathBuf,
    /// What it is for.
    pub target: Target,
    /// Sizes that are fixed before anything else is done.
    pub sizes: Sizes,
    /// Where ranges are from.
    pub evidence: Evidence,
    /// How a range is chosen from what was observed; `None` leaves it to what reads the value.
    pub method: Option<Method>,
    /// Bits of a weight, 7 or 8: on processors without VNNI, 8 can overflow.
    pub weight_bits: u8,
    /// Names or operators of nodes that stay floats.
    pub keep_float: Vec<String>,
    /// Nodes go back to floats until the outputs keep to these.
    pub bounds: Bounds,
    /// Divide channels of values, and multiply weights with the same.
    pub smooth: bool,
    /// Round weights up or down by what the samples say.
    pub adaptive_rounding: bool,
    /// Shift biases by what rounding shifts the means of their channels.
    pub bias_correction: bool,
    /// A file that the plan is written to, that of a refused result too.
    pub write_plan: Option<PathBuf>,
    /// Hold the result against the original.
    pub verify: bool,
    /// Time it beside the original.
    pub bench: bool,
    /// The Python whose compiler is asked too.
    pub python: Option<PathBuf>,
    /// Write a result that is worse than its bound.
    pub force: bool,
    /// Where the weights go.
    pub external_data: ExternalData,
    /// Where ONNX Runtime is.
    pub runtime: Preferences,
}

/// Where the ranges of values are from; what comes first here goes first.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// A plan that was written before, and perhaps changed.
    pub plan: Option<PathBuf>,
    /// A calibration cache of TensorRT.
    pub tensorrt_cache: Option<PathBuf>,
    /// Samples: a file or folder.
    pub calibration: Option<PathBuf>,
    /// Samples of random numbers, where there are no others.
    pub random: bool,
    /// Which samples, and how they become inputs.
    pub data: DataSpec,
    /// Bytes that fetched values may take at once.
    pub memory_limit: u64,
    /// A file that statistics are kept in, for another method without another run.
    pub cache: Option<PathBuf>,
}

/// Runs the job. Nothing but the plan is written where the result is worse than its bound, unless forced.
///
/// # Errors
/// The input is no valid model, the target has no INT8, a file of ranges or samples cannot be used, there is no ONNX
/// Runtime, or the output cannot be written. Nothing is left behind.
pub fn quantize(job: &QuantizeJob, progress: &mut dyn Progress) -> Result<QuantizeReport> {
    let (start, memory, mut clock) = (Instant::now(), Sampler::start(), Clock::new());
    place::check(&job.input, &job.output)?;
    if let Some(plan) = &job.write_plan {
        place::check(&job.input, plan)?;
        if *plan == job.output || plan == Path::new("-") {
            return Err(Error::new("the plan needs a file of its own").in_file(plan));
        }
    }
    let table = job.table()?;
    ranges::told(&job.evidence)?;
    measurable(job)?;
    if let Some(python) = &job.python {
        super::build::available(&job.target, python)?;
    }
    let recipe = job.recipe()?;
    progress.begin(Step::Load);
    let Loaded { mut model, mut diags, bytes } = clock.time("load", || load(&job.input))?;
    let in_file = |e: Error| if e.file().is_none() { e.in_file(&job.input) } else { e };
    let before =
        Figures { nodes: node_count(&model), bytes: bytes + data_bytes(&model), opset: model.opset() };
    let original = model.clone();
    job.sizes.fix(&mut model).map_err(in_file)?;
    let runtime = clock.time("runtime", || find(&job.runtime)).map_err(|e| {
        Error::from(e).with_help("quantize runs the model in ONNX Runtime: get it with `onnxpress setup`")
    })?;
    let runtime: &dyn Runtime = &runtime.0;
    clock
        .time("simplify", || prepare::prepare(&mut model, table, runtime, before.bytes, &mut diags, progress))
        .map_err(in_file)?;
    remark_bodies(&model, table, &mut diags);
    let source = clock.time("data", || ranges::source(job, &model, runtime))?;
    let divided = source.as_ref().map(|s| held_out::divided(s, job, &mut diags)).transpose()?;
    let fitted = divided.as_ref().map(|d| &d.fitted);
    let mut composer = Composer::new(job, model, table).map_err(in_file)?;
    clock.time("smooth", || composer.smooth(fitted, runtime, progress)).map_err(in_file)?;
    clock.time("calibrate", || composer.calibrate(fitted, runtime, &mut diags, progress)).map_err(in_file)?;
    let composed = clock.time("plan", || composer.compose()).map_err(in_file)?;
    let judged = divided.as_ref().map(|d| &d.judged);
    let judge = Judge::new(job, table, runtime, &original, judged);
    let first = (composer, composed);
    let Settled { composer, composed, accuracy, ranked, put_back, race, .. } =
        settled(&judge, fitted, first, &mut clock, &mut diags, progress)?;
    let sheet = composed.sheet(&composer);
    let Composed { model: result, .. } = &composed;
    clock.time("check", || super::check::warn(result, &job.target, &mut diags));

    progress.begin(Step::Write);
    let source_file = (job.input != Path::new("-")).then(|| job.input.clone());
    let options = WriteOptions { external_data: job.external_data, source: source_file };
    let mut output = clock.time("write", || Output::make(result, &job.output, &options))?;
    let kernels =
        if job.verify { clock.time("kernels", || judge.kernels(&composed, output.source()?))? } else { None };
    let build = job.python.as_deref();
    let build = build
        .map(|python| clock.time("build", || super::build::build(result, &job.input, &job.target, python)));
    let build = build.transpose()?;
    let kernels = kernels.or_else(|| measure::listed(&composed, build.as_ref()?));
    let after = Figures { nodes: node_count(result), bytes: output.bytes(result), opset: result.opset() };
    let verdict = measure::refusal(build.as_ref()).or_else(|| judge.verdict(accuracy.as_ref()));
    let written = verdict.is_none() || job.force;
    if written {
        diags.extend(clock.time("write", || output.commit())?);
    }
    // What is refused is changed by its plan.
    if let Some(path) = &job.write_plan {
        write_whole(path, &[sheet.text().as_bytes()])?;
    }
    if !composed.is_int8() {
        let message = "no node computes in INT8: the result is the model, simplified";
        diags.warn("nothing-quantized", None, message);
    }
    let raced = race.as_ref().filter(|_| composed.is_int8());
    measure::remark(job, accuracy.as_ref(), raced, kernels.as_deref(), &mut diags);
    Ok(QuantizeReport {
        input: job.input.display().to_string(),
        output: job.output.display().to_string(),
        written,
        refused_for: verdict,
        plan_file: job.write_plan.as_ref().map(|path| path.display().to_string()),
        recipe,
        nodes: Change { before: before.nodes, after: after.nodes },
        bytes: Change { before: before.bytes, after: after.bytes },
        opset: Change { before: before.opset, after: after.opset },
        samples: source.as_ref().map(Source::len),
        held_out: divided.as_ref().map(|d| d.held_out),
        random_samples: source.as_ref().is_some_and(Source::is_random),
        plan: measure::plan_rows(&sheet),
        sensitivity: measure::rows(composer.float(), &ranked, &composed),
        accuracy: accuracy.as_ref().map(measure::accuracy_report),
        put_back,
        kernels,
        build,
        race,
        seconds: start.elapsed().as_secs_f64(),
        stages: clock.stages,
        peak_memory_bytes: peak(),
        peak_anonymous_bytes: memory.peak(),
        diags: diags.unique(),
    })
}

/// Whether there is anything to measure bounds on.
fn measurable(job: &QuantizeJob) -> Result<()> {
    let samples = job.evidence.calibration.is_some() || job.evidence.random;
    if !job.bounds.is_asked() || !job.verify || samples {
        return Ok(());
    }
    Err(Error::new("there are no samples on which --min-sqnr and --max-drop could be measured")
        .with_help("give some with --calibration"))
}

fn remark_bodies(model: &Model, table: &Quantized, diags: &mut Diags) {
    let count = products_in_bodies(&model.graph, table);
    if count > 0 {
        let message =
            format!("{count} products with a weight are in bodies of If, Loop or Scan: they stay floats");
        diags.note("bodies-stay-float", None, message);
    }
}

impl QuantizeJob {
    fn table(&self) -> Result<&Quantized> {
        self.target.quantized.as_ref().ok_or_else(|| {
            let ids: Vec<String> =
                Target::all().into_iter().filter(|t| t.quantized.is_some()).map(|t| t.id).collect();
            Error::new(format!("nothing is known of INT8 on {}", self.target.id))
                .with_help(format!("the targets that are: {}", ids.join(", ")))
        })
    }

    /// The whole numbers of weights.
    fn weights(&self) -> Grid {
        if self.weight_bits == 7 { Grid::SIGNED_7_BITS } else { Grid::SIGNED }
    }
}

struct Figures {
    nodes: u64,
    bytes: u64,
    opset: i64,
}
