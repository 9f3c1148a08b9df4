//! `onnxpress compare`.

use super::Ending;
use super::args::{Judge, Shape};
use super::screen::Screen;
use crate::error::{Error, Result};
use crate::pipeline::{CompareJob, compare};
use crate::report::{self, Format, Status};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The model that is right by definition
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The model that is judged
    #[arg(value_name = "B")]
    b: PathBuf,
    #[command(flatten)]
    judge: Judge,
    /// Write a report too; its ending says the format
    #[arg(long, value_name = "F.xml|F.json|F.html|F.md")]
    report: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &CompareArgs, screen: &mut Screen) -> Result<Ending> {
    let format = args.report.as_deref().map(Format::of).transpose()?;
    let job = CompareJob {
        a: args.a.clone(),
        b: args.b.clone(),
        feeds: args.judge.feeds(),
        runtime: args.judge.preferences(),
    };
    let mut bar = screen.bar();
    let result = compare(&job, &mut bar);
    drop(bar);
    let result = result?;
    screen.diags(&result.diags);
    if let (Some(format), Some(path)) = (format, &args.report) {
        std::fs::write(path, format.render(&result)).map_err(|e| {
            Error::new(format!("cannot be written: {e}"))
                .in_file(path)
                .with_help("name a file in a folder that you may write")
        })?;
    }
    screen.data(&if args.shape.json { report::json(&result) + "\n" } else { result.human() })?;
    Ok(if result.parity.status == Status::Passed { Ending::Done } else { Ending::Invalid })
}
