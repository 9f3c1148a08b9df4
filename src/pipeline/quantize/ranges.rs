//! Where the range of each value is from: a plan, a cache of TensorRT, the user's data.

use super::{Evidence, QuantizeJob};
use crate::calibrate::{
    CalibrateOptions, Levels, Method, Requests, Response, Want, calibrate, ranges_from_tensorrt_cache,
};
use crate::data::Source;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::io::{ExternalData, Scratch, WriteOptions, save};
use crate::ir::{Graph, Model, ValueId};
use crate::pipeline::progress::{Progress, Step};
use crate::quantize::{Choice, Grid, Role, Sheet, ends, response, widened};
use crate::runtime::{RunError, Runtime, SessionOptions};
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::Path;

/// Smallest and largest number.
pub(super) type Range = (f32, f32);

/// Whether anything tells a range.
///
/// # Errors
/// Nothing does.
pub(super) fn told(evidence: &Evidence) -> Result<()> {
    let Evidence { plan, tensorrt_cache, calibration, random, .. } = evidence;
    if plan.is_some() || tensorrt_cache.is_some() || calibration.is_some() || *random {
        return Ok(());
    }
    Err(Error::new("nothing tells the ranges of the model's values").with_help(
        "give samples of its inputs with --calibration; --random-data tries the command out without any",
    ))
}

/// The samples, where there are any.
///
/// # Errors
/// They cannot be used.
pub(super) fn source(job: &QuantizeJob, model: &Model, runtime: &dyn Runtime) -> Result<Option<Source>> {
    let Evidence { calibration, random, data, .. } = &job.evidence;
    if let Some(path) = calibration {
        return Source::open(path, model, data).map(Some);
    }
    if *random {
        let folder = Scratch::beside(Path::new("-"))?;
        let file = folder.path().join("model.onnx");
        save(model, &file, &WriteOptions { external_data: ExternalData::Separate, source: None })?;
        let file = crate::runtime::Source::file(file);
        let mut session = runtime.session(&file, &SessionOptions::default()).map_err(RunError::into_error)?;
        return Source::random(model, data, &mut *session).map(Some);
    }
    Ok(None)
}

/// Ranges by value, from files that hold such.
pub(super) fn read(
    job: &QuantizeJob,
    sheet: Option<&Sheet>,
    model: &Model,
) -> Result<FxHashMap<ValueId, Range>> {
    let graph = &model.graph;
    let mut ranges = FxHashMap::default();
    if let Some(path) = &job.evidence.tensorrt_cache {
        let known = ranges_from_tensorrt_cache(path)?;
        for value in graph.value_ids() {
            if let Some(range) = known.get(&**graph.value(value).name()) {
                ranges.insert(value, (range.min, range.max));
            }
        }
        if ranges.is_empty() {
            return Err(
                Error::new("no tensor of this calibration cache is a value of the model").in_file(path)
            );
        }
    }
    if let (Some(sheet), Some(path)) = (sheet, &job.evidence.plan) {
        ranges.extend(sheet.ranges(graph).map_err(|e| e.in_file(path))?);
    }
    Ok(ranges)
}

/// A value to observe, and how its range is chosen.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    value: ValueId,
    method: Method,
    /// With room for what the samples do not show.
    room: bool,
}

/// Observes values over the samples. What was never a finite number has no range.
pub(super) fn observe(
    job: &QuantizeJob,
    model: &Model,
    values: &[Asked],
    grid: Grid,
    (source, runtime): (&Source, &dyn Runtime),
    diags: &mut Diags,
    progress: &mut dyn Progress,
) -> Result<FxHashMap<ValueId, Range>> {
    let name = |value: ValueId| model.graph.value(value).name().to_string();
    let mut requests = Requests::new();
    for &Asked { value, method, .. } in values {
        requests.add(name(value), if method.needs_histogram() { Want::Histogram } else { Want::Range });
    }
    let options = CalibrateOptions {
        memory_limit: job.evidence.memory_limit,
        cache: job.evidence.cache.clone(),
        ..CalibrateOptions::default()
    };
    let mut tell = |at| progress.begin(Step::Calibrate(at));
    let observed = calibrate(model, &requests, source, runtime, &options, &mut tell)?;
    diags.extend(source.remarks().clone());
    diags.extend(observed.remarks);
    let levels = if grid.is_symmetric() { Levels::INT8 } else { Levels::UINT8 };
    let statistics = observed.statistics;
    let range = |&Asked { value, method, room }: &Asked| {
        let range = statistics.range(&name(value), method, levels, response(&model.graph, value)).ok()?;
        let range = (range.min, range.max);
        Some((value, if room { widened(range) } else { range }))
    };
    Ok(values.iter().filter_map(range).collect())
}

/// How the range of each value is chosen: by the method that was asked for. Where none was, what matrix products read keeps
/// its outliers, which in transformers carry meaning; what only floats read from there on gets room besides; all else loses
/// what costs more than it is worth.
pub(super) fn asked(
    job: &QuantizeJob,
    graph: &Graph,
    choices: &[Choice],
    values: &[ValueId],
) -> Result<Vec<Asked>> {
    let (multiplied, ends) = (multiplied(graph, choices), ends(graph, choices)?);
    let ask = |&value: &ValueId| match job.method {
        Some(method) => Asked { value, method, room: false },
        None if ends.contains(&value) && response(graph, value) == Response::SAME => {
            Asked { value, method: Method::MinMax, room: true }
        }
        None if multiplied.contains(&value) => Asked { value, method: Method::MinMax, room: false },
        None => Asked { value, method: Method::Mse, room: false },
    };
    Ok(values.iter().map(ask).collect())
}

/// The values that matrix products read.
fn multiplied(graph: &Graph, choices: &[Choice]) -> FxHashSet<ValueId> {
    let data = |choice: &Choice| {
        let node = graph.node(choice.node);
        let Role::Product { layer, .. } = &choice.role else { return None };
        node.input(layer.data).filter(|_| node.op().is("MatMul") || node.op().is("Gemm"))
    };
    choices.iter().filter_map(data).collect()
}
