//! Two models timed on the same inputs.
//!
//! Runs are interleaved and the order within a pair alternates, so that whatever else the machine does meets both
//! models alike; each pair gives one ratio.

use super::Feeds;
use super::parity::Subject;
use super::search::Search;
use crate::analysis::Facts;
use crate::data::{self, FeedSet};
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::runtime::{RunError, Runtime, Session, SessionOptions};
use std::time::{Duration, Instant};

/// No further input is tried after this.
const SEARCH_LIMIT: Duration = Duration::from_secs(60);

/// How to measure.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Which inputs.
    pub feeds: Feeds,
    /// How the sessions run.
    pub session: SessionOptions,
    /// Runs of both models that are measured.
    pub pairs: usize,
    /// Runs of both models before, that are not.
    pub warmup: usize,
    /// No pair is begun after this; the first always is.
    pub limit: Duration,
}

/// Times of both models, pair by pair.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Where the inputs come from.
    pub feeds: Vec<String>,
    /// Seconds of the one model, of the other.
    pub pairs: Vec<(f64, f64)>,
}

/// Runs both models in turn. `progress` is told the number of pairs that are done.
///
/// # Errors
/// The inputs cannot be read, or one of the models does not run on them.
pub fn bench(
    a: &Subject<'_>,
    b: &Subject<'_>,
    options: &BenchOptions,
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Times> {
    let mut first = session(a, options, runtime)?;
    let sets = inputs(a, options, &mut *first)?;
    let race = Race { a: first, b: session(b, options, runtime)?, sets: &sets };
    timed(race, options, progress)
}

/// The inputs that [`bench`] would run a model on.
///
/// # Errors
/// As [`bench`].
pub(crate) fn bench_inputs(
    subject: &Subject<'_>,
    options: &BenchOptions,
    runtime: &dyn Runtime,
) -> Result<Vec<FeedSet>> {
    inputs(subject, options, &mut *session(subject, options, runtime)?)
}

/// Runs both models in turn on the same inputs, in sessions of its own.
///
/// # Errors
/// One of the models does not run on them.
pub(crate) fn bench_on(
    sets: &[FeedSet],
    [a, b]: [&Subject<'_>; 2],
    options: &BenchOptions,
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Times> {
    let race = Race { a: session(a, options, runtime)?, b: session(b, options, runtime)?, sets };
    timed(race, options, progress)
}

fn session(subject: &Subject<'_>, options: &BenchOptions, runtime: &dyn Runtime) -> Result<Box<dyn Session>> {
    runtime.session(&subject.source, &options.session).map_err(RunError::into_error)
}

fn timed(mut race: Race<'_>, options: &BenchOptions, progress: &mut dyn FnMut(usize)) -> Result<Times> {
    let start = Instant::now();
    for at in 0..options.warmup {
        if at > 0 && start.elapsed() >= options.limit {
            break;
        }
        race.pair(at)?;
    }
    let mut times = Times { feeds: race.sets.iter().map(|s| s.label.clone()).collect(), pairs: Vec::new() };
    while times.pairs.len() < options.pairs && (times.pairs.is_empty() || start.elapsed() < options.limit) {
        times.pairs.push(race.pair(times.pairs.len())?);
        progress(times.pairs.len());
    }
    Ok(times)
}

struct Race<'a> {
    a: Box<dyn Session>,
    b: Box<dyn Session>,
    sets: &'a [FeedSet],
}

impl Race<'_> {
    /// Seconds of both models on one set of inputs; the odd pairs begin with the second model.
    fn pair(&mut self, at: usize) -> Result<(f64, f64)> {
        // Both orders meet every set.
        let feeds = self.sets[at / 2 % self.sets.len()].as_feeds();
        let time = |session: &mut dyn Session| -> Result<f64> {
            let time = session.time(&feeds).map_err(RunError::into_error)?;
            // A clock too coarse for the model must not divide by zero.
            Ok(time.max(Duration::from_nanos(1)).as_secs_f64())
        };
        if at.is_multiple_of(2) {
            let a = time(&mut *self.a)?;
            Ok((a, time(&mut *self.b)?))
        } else {
            let b = time(&mut *self.b)?;
            Ok((time(&mut *self.a)?, b))
        }
    }
}

/// The sets that the user gave, or the first made one that the model runs on.
fn inputs(subject: &Subject<'_>, options: &BenchOptions, session: &mut dyn Session) -> Result<Vec<FeedSet>> {
    let none = |why: &str| Error::new(format!("there are no inputs to run on ({why})"));
    let seed = match &options.feeds {
        Feeds::Data(path) => {
            let sets = data::load(path, subject.model)?;
            return if sets.is_empty() { Err(none("the data are empty").in_file(path)) } else { Ok(sets) };
        }
        Feeds::Made { seed } => *seed,
    };
    let mut typed = subject.model.clone();
    Facts::new().infer_model(&mut typed, &mut Diags::new());
    let names = session.outputs().to_vec();
    let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
    let search = Search {
        model: &typed,
        session,
        outputs: &outputs,
        pools: &[],
        seed,
        limit: SEARCH_LIMIT,
        observer: None,
        progress: &mut |_| {},
    };
    let found = search.run().map_err(RunError::into_error)?;
    let why = found.failures.last().map_or("none could be made", String::as_str);
    let first = found.cases.into_iter().next();
    first.map(|case| vec![case.feeds]).ok_or_else(|| none(why).with_help("give some with --inputs"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::runtime::RunValue;
    use std::sync::{Arc, Mutex};

    /// Notes when it runs, and takes as many milliseconds as it is told.
    struct Clockwork(char, u64, Arc<Mutex<String>>);

    impl Session for Clockwork {
        fn inputs(&self) -> &[String] {
            &[]
        }
        fn outputs(&self) -> &[String] {
            &[]
        }
        fn run(&mut self, _: &[(&str, &RunValue)], _: &[&str]) -> Result<Vec<RunValue>, RunError> {
            Ok(Vec::new())
        }
        fn time(&mut self, _: &[(&str, &RunValue)]) -> Result<Duration, RunError> {
            self.2.lock().unwrap().push(self.0);
            Ok(Duration::from_millis(self.1))
        }
    }

    #[test]
    fn the_order_alternates_and_times_stay_with_their_model() {
        let log = Arc::new(Mutex::new(String::new()));
        let set = FeedSet { label: String::new(), values: Vec::new() };
        let mut race = Race {
            a: Box::new(Clockwork('a', 3, log.clone())),
            b: Box::new(Clockwork('b', 0, log.clone())),
            sets: &[set],
        };
        for at in 0..4 {
            assert_eq!(race.pair(at).unwrap(), (0.003, 1e-9));
        }
        assert_eq!(*log.lock().unwrap(), "abbaabba");
    }
}
