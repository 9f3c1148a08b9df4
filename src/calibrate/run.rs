//! The run over the samples.

use super::cache::{self, Key};
use super::floats::tensor;
use super::plan::runs;
use super::requests::Requests;
use super::sizes::{bytes_of, sizes};
use super::statistics::{Statistics, ValueStatistics};
use super::watched::{Watched, watched};
use crate::data;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::io::{self, ExternalData, Scratch, WriteOptions};
use crate::ir::{Model, ValueId};
use crate::runtime::{RunError, RunValue, Runtime, Session, SessionOptions, Source};
use crate::validate::with_outputs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

/// Bytes that values of samples may take where nothing else is said.
pub const DEFAULT_MEMORY_LIMIT: u64 = 128 << 20;

/// The values of so many samples are in memory at once: one is observed while the next is computed.
const SAMPLES_IN_MEMORY: u64 = 2;

/// How to calibrate.
#[derive(Clone, Debug)]
pub struct CalibrateOptions {
    /// Threads within an operator; 0 leaves the number to the runtime.
    pub threads: usize,
    /// Bytes that fetched values may take at once, by the sizes that they have in the first sample; a remark says where
    /// those of another are larger. Model, statistics
    /// and what the runtime needs to compute are apart. A value that alone takes more is fetched alone.
    pub memory_limit: u64,
    /// A file that the statistics are read from, if it holds what is asked for, and else written to.
    pub cache: Option<PathBuf>,
}

impl Default for CalibrateOptions {
    fn default() -> Self {
        Self { threads: 1, memory_limit: DEFAULT_MEMORY_LIMIT, cache: None }
    }
}

/// Where a calibration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Runs over all samples that are done.
    pub run: usize,
    /// Of so many.
    pub runs: usize,
    /// Samples of this run that are done.
    pub sample: usize,
    /// Of so many.
    pub samples: usize,
}

/// What a calibration gives.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The statistics.
    pub statistics: Statistics,
    /// Runs over all samples; 0 where a cache had everything.
    pub runs: usize,
    /// What should be known of them.
    pub remarks: Diags,
}

/// Runs a model on all samples and takes statistics of its values.
///
/// The values are made outputs of a copy; the runtime optimizes the rest of it as it likes. Inputs of the model may be
/// asked for too. Values inside the bodies of If, Loop and Scan may not. Inputs that the data's settings `carry` get from
/// the second sample on what the one before it gave.
///
/// # Errors
/// * A name is of no value of the main graph, of a constant, or of a value that is no tensor of float, float16 or
///   bfloat16.
/// * An axis of a per-channel statistic is missing, or not equally long in every sample.
/// * A sample cannot be read, or the model does not run on it.
///
/// The error names the value or the sample. A cache that does not fit, is damaged or cannot be written is no error.
pub fn calibrate(
    model: &Model,
    requests: &Requests,
    source: &data::Source,
    runtime: &dyn Runtime,
    options: &CalibrateOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Calibration> {
    let mut remarks = Diags::new();
    let cached = options.cache.as_deref().map(|path| Ok::<_, Error>((path, Key::of(model, source)?)));
    let cached = cached.transpose()?;
    let held = match &cached {
        Some((path, key)) => cache::load(path, key, &mut remarks)?,
        None => None,
    };
    let mut statistics = held.unwrap_or_default();
    statistics.samples = source.len() as u64;
    let lacking = statistics.lacks(requests);
    let watched = watched(model, &lacking)?;
    let job = Job { model, requests: &lacking, source, runtime, options };
    let plan = if watched.is_empty() { Vec::new() } else { job.plan(&watched, &mut remarks)? };
    for (run, values) in plan.iter().enumerate() {
        let runs = plan.len();
        let mut tell = |sample| progress(Progress { run, runs, sample, samples: source.len() });
        job.run(values, &mut tell, &mut remarks)?
            .into_iter()
            .for_each(|(name, value)| statistics.add(name, value));
    }
    if let Some((path, key)) = cached.as_ref().filter(|_| !plan.is_empty()) {
        cache::save(path, key, &statistics, &mut remarks);
    }
    statistics.values.retain(|name, _| requests.iter().any(|(asked, _)| asked == name));
    remarks.extend(statistics.remarks());
    Ok(Calibration { statistics, runs: plan.len(), remarks })
}

struct Job<'a> {
    model: &'a Model,
    requests: &'a Requests,
    source: &'a data::Source,
    runtime: &'a dyn Runtime,
    options: &'a CalibrateOptions,
}

/// Values by name, with their statistics so far.
type Observed = Vec<(String, ValueStatistics)>;

impl Job<'_> {
    /// Which values are fetched in which run; inputs, which are in memory anyway, in the first.
    fn plan<'w>(&self, watched: &'w [Watched], remarks: &mut Diags) -> Result<Vec<Vec<&'w Watched>>> {
        let (inputs, inner): (Vec<&Watched>, Vec<&Watched>) = watched.iter().partition(|w| w.is_input);
        let limit = self.options.memory_limit / SAMPLES_IN_MEMORY;
        let first = self.source.sample(0)?;
        let sizes = sizes(self.model, &inner, &first, self.runtime, &self.session_options())?;
        for (value, &bytes) in inner.iter().zip(&sizes) {
            if bytes > limit {
                let message = format!(
                    "{SAMPLES_IN_MEMORY} samples of {bytes} bytes each are more than the memory limit"
                );
                remarks.note("over-memory-limit", Some(&value.name), message);
            }
        }
        let mut plan: Vec<Vec<&Watched>> =
            runs(&sizes, limit).into_iter().map(|run| run.into_iter().map(|i| inner[i]).collect()).collect();
        if !inputs.is_empty() {
            match plan.first_mut() {
                Some(run) => run.extend(inputs),
                None => plan.push(inputs),
            }
        }
        Ok(plan)
    }

    /// One run over all samples.
    fn run(&self, values: &[&Watched], tell: &mut dyn FnMut(usize), remarks: &mut Diags) -> Result<Observed> {
        let (inputs, inner): (Vec<&Watched>, Vec<&Watched>) = values.iter().partition(|w| w.is_input);
        let session = if inner.is_empty() && self.source.carried().is_empty() {
            None
        } else {
            Some(session(self.model, &inner, self.runtime, &self.session_options())?)
        };
        let mut fetch = Fetch {
            session,
            inner: &inner,
            inputs: &inputs,
            states: Vec::new(),
            largest: (0, String::new()),
        };
        let order = inner.iter().chain(&inputs);
        let observed: Observed = order.map(|w| (w.name.clone(), self.nothing_of(&w.name))).collect();
        let observed = thread::scope(|scope| {
            let (send, receive) = mpsc::sync_channel::<Fetched>(0);
            let observer = scope.spawn(move || observe(observed, receive));
            let fed = (0..self.source.len()).try_for_each(|place| {
                tell(place);
                // Where nobody listens, the observer has an error to tell.
                let sent = send.send(fetch.sample(self.source, place)?);
                sent.map_err(|_| Error::new("the observer has stopped"))
            });
            drop(send);
            let observed = observer.join().expect("observing does not panic")?;
            fed.map(|()| observed)
        })?;
        let (bytes, sample) = fetch.largest;
        if inner.len() > 1 && bytes > self.options.memory_limit / SAMPLES_IN_MEMORY {
            let message = format!(
                "the values of sample '{sample}' take {bytes} bytes, of which {SAMPLES_IN_MEMORY} samples are more than the \
                 memory limit: they were divided over runs by the sizes of the first sample, which is smaller"
            );
            remarks.note("over-memory-limit", None, message);
        }
        Ok(observed)
    }

    fn nothing_of(&self, name: &str) -> ValueStatistics {
        let wants = self.requests.iter().find(|(n, _)| *n == name).map(|(_, wants)| wants.clone());
        ValueStatistics::new(&wants.unwrap_or_default())
    }

    fn session_options(&self) -> SessionOptions {
        SessionOptions { threads: self.options.threads, ..SessionOptions::deployed() }
    }
}

/// What a run takes from each sample.
struct Fetch<'a> {
    session: Option<Box<dyn Session>>,
    inner: &'a [&'a Watched],
    inputs: &'a [&'a Watched],
    /// What the last sample hands to the next.
    states: Vec<RunValue>,
    /// Bytes of the inner values of the sample that has most, and its name.
    largest: (u64, String),
}

/// The values of a sample, and what it is called.
type Fetched = (String, Vec<RunValue>);

impl Fetch<'_> {
    /// The inner values of a sample, then its inputs.
    fn sample(&mut self, source: &data::Source, place: usize) -> Result<Fetched> {
        let mut feeds = source.sample(place)?;
        if !source.begins(place) {
            for ((input, _), state) in source.carried().iter().zip(self.states.drain(..)) {
                feeds.values.retain(|(name, _)| name != input);
                feeds.values.push((input.clone(), state));
            }
        }
        let mut values = match &mut self.session {
            Some(session) => {
                let names = self.inner.iter().map(|w| &w.own_name);
                let names: Vec<&str> = names
                    .chain(source.carried().iter().map(|(_, output)| output))
                    .map(String::as_str)
                    .collect();
                let failed = |e: RunError| e.into_error().about(&format!("sample '{}'", feeds.label));
                session.run(&feeds.as_feeds(), &names).map_err(failed)?
            }
            None => Vec::new(),
        };
        self.states = values.split_off(self.inner.len());
        let bytes = values.iter().map(bytes_of).fold(0, u64::saturating_add);
        if bytes > self.largest.0 {
            self.largest = (bytes, feeds.label.clone());
        }
        for input in self.inputs {
            let missing =
                || Error::new(format!("sample '{}' does not hold this input", feeds.label)).at(&*input.name);
            values.push(feeds.get(&input.own_name).ok_or_else(missing)?.clone());
        }
        Ok((feeds.label, values))
    }
}

/// Updates the statistics with each sample that comes.
fn observe(mut observed: Observed, samples: mpsc::Receiver<Fetched>) -> Result<Observed> {
    for (label, values) in samples {
        for ((name, statistics), value) in observed.iter_mut().zip(values) {
            let told = tensor(&value).and_then(|tensor| statistics.observe(tensor));
            told.map_err(|e| e.at(&**name).about(&format!("sample '{label}'")))?;
        }
    }
    Ok(observed)
}

/// A session of a copy that returns these values too.
///
/// Weights go to a file beside the copy: the runtime maps them where it can, instead of holding them twice.
pub(super) fn session(
    model: &Model,
    values: &[&Watched],
    runtime: &dyn Runtime,
    options: &SessionOptions,
) -> Result<Box<dyn Session>> {
    let values: Vec<ValueId> = values.iter().map(|w| w.value).collect();
    let folder = Scratch::beside(Path::new("-"))?;
    let file = folder.path().join("model.onnx");
    let separate = WriteOptions { external_data: ExternalData::Separate, source: None };
    io::save(&with_outputs(model, &values), &file, &separate)?;
    runtime.session(&Source::file(file), options).map_err(RunError::into_error)
}
