//! `onnxpress bench`.

use super::Ending;
use super::args::{Judge, Shape};
use super::screen::Screen;
use crate::error::Result;
use crate::pipeline::{BenchJob, bench};
use crate::report;
use crate::runtime::Optimization;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// The model that is the measure
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The model that is measured against it
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Threads within an operator; 0 leaves the number to ONNX Runtime
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// ONNX Runtime's own optimizations
    #[arg(long, value_name = "LEVEL", default_value = "all")]
    level: Level,
    /// Runs of both models that are measured
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Runs of both models before, that are not
    #[arg(long, value_name = "N", default_value_t = 3)]
    warmup: u32,
    /// Begin no further pair after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    time: u64,
    #[command(flatten)]
    judge: Judge,
    #[command(flatten)]
    shape: Shape,
}

/// `--level`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    None,
    Basic,
    Extended,
    All,
}

pub(super) fn run(args: &BenchArgs, screen: &mut Screen) -> Result<Ending> {
    let job = BenchJob {
        a: args.a.clone(),
        b: args.b.clone(),
        feeds: args.judge.feeds(),
        threads: args.threads,
        level: match args.level {
            Level::None => Optimization::None,
            Level::Basic => Optimization::Basic,
            Level::Extended => Optimization::Extended,
            Level::All => Optimization::All,
        },
        pairs: args.pairs as usize,
        warmup: args.warmup as usize,
        limit: Duration::from_secs(args.time),
        runtime: args.judge.preferences(),
    };
    let mut bar = screen.bar();
    let result = bench(&job, &mut bar);
    drop(bar);
    let result = result?;
    screen.diags(&result.diags);
    screen.data(&if args.shape.json { report::json(&result) + "\n" } else { result.human() })?;
    Ok(Ending::Done)
}
