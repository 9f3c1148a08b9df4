//! Two models against the clock.

use super::compare::{read, same_names, source};
use super::progress::{Progress, Step};
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::report::{BenchReport, Number, Race};
use crate::runtime::{Optimization, Preferences, Runtime, SessionOptions, find};
use crate::validate::{BenchOptions, Feeds, Subject, Times, bench as measure, median, median_interval};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const CONFIDENCE: f64 = 0.95;

/// What is to be timed, and how.
#[derive(Clone, Debug)]
pub struct BenchJob {
    /// The model that is the measure; `-` is standard input.
    pub a: PathBuf,
    /// The model that is measured against it.
    pub b: PathBuf,
    /// The inputs.
    pub feeds: Feeds,
    /// Threads within an operator; 0 leaves the number to the runtime.
    pub threads: usize,
    /// The runtime's own optimizations.
    pub level: Optimization,
    /// Runs of both models that are measured.
    pub pairs: usize,
    /// Runs of both models before, that are not.
    pub warmup: usize,
    /// No pair is begun after this.
    pub limit: Duration,
    /// Where ONNX Runtime is.
    pub runtime: Preferences,
}

/// Times both models in ONNX Runtime.
///
/// # Errors
/// A file is no model, their inputs or outputs are not the same, one of them does not run, or there is no ONNX Runtime.
pub fn bench(job: &BenchJob, progress: &mut dyn Progress) -> Result<BenchReport> {
    let start = Instant::now();
    progress.begin(Step::Load);
    let mut diags = Diags::new();
    let (a, b) = (read(&job.a, &mut diags)?, read(&job.b, &mut diags)?);
    same_names(&a, &b).map_err(|e| e.in_file(&job.b))?;
    let (runtime, _) = find(&job.runtime)?;
    let options = BenchOptions {
        feeds: job.feeds.clone(),
        session: SessionOptions {
            threads: job.threads,
            optimize: job.level,
            deployed: true,
            optimized: None,
        },
        pairs: job.pairs,
        warmup: job.warmup,
        limit: job.limit,
    };
    let (one, other) = (
        Subject { model: &a, source: source(&job.a, &a)? },
        Subject { model: &b, source: source(&job.b, &b)? },
    );
    let times =
        measure(&one, &other, &options, &runtime, &mut |at| progress.begin(Step::Time(at, job.pairs)))?;
    let figures = Figures::of(&times).ok_or_else(|| Error::new("nothing was measured"))?;
    Ok(BenchReport {
        a: job.a.display().to_string(),
        b: job.b.display().to_string(),
        runtime: runtime.name().to_owned(),
        threads: job.threads,
        level: level(job.level).to_owned(),
        feeds: times.feeds,
        pairs: times.pairs.len(),
        a_milliseconds: Number(figures.a * 1e3),
        b_milliseconds: Number(figures.b * 1e3),
        ratio: Number(figures.ratio),
        ratio_interval: figures.interval.map(|(low, high)| [Number(low), Number(high)]),
        verdict: Race::of(figures.interval),
        seconds: start.elapsed().as_secs_f64(),
        diags: diags.unique(),
    })
}

/// What the times of pairs come to.
pub(super) struct Figures {
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) ratio: f64,
    pub(super) interval: Option<(f64, f64)>,
}

impl Figures {
    /// `None` of no pairs.
    pub(super) fn of(times: &Times) -> Option<Self> {
        let column = |of: fn(&(f64, f64)) -> f64| times.pairs.iter().map(of).collect::<Vec<f64>>();
        let ratios = column(|(a, b)| b / a);
        Some(Self {
            a: median(&column(|p| p.0))?,
            b: median(&column(|p| p.1))?,
            ratio: median(&ratios)?,
            interval: median_interval(&ratios, CONFIDENCE),
        })
    }
}

fn level(level: Optimization) -> &'static str {
    match level {
        Optimization::None => "none",
        Optimization::Basic => "basic",
        Optimization::Extended => "extended",
        Optimization::All => "all",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_pairs_and_not_of_the_medians() {
        // Every second pair met a machine that was three times as slow.
        let pairs = (0..30).map(|i| if i % 2 == 0 { (1.0, 0.5) } else { (3.0, 1.5) }).collect();
        let figures = Figures::of(&Times { feeds: Vec::new(), pairs }).unwrap();
        assert_eq!((figures.a, figures.b, figures.ratio), (2.0, 1.0, 0.5));
        assert_eq!(figures.interval, Some((0.5, 0.5)));
        assert!(Figures::of(&Times::default()).is_none());
    }
}
