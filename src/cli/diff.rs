//! `onnxpress diff`.

use super::Ending;
use super::args::Shape;
use super::screen::Screen;
use crate::error::Result;
use crate::pipeline::diff;
use crate::report;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The old model; - is standard input
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The new model
    #[arg(value_name = "B")]
    b: PathBuf,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &DiffArgs, screen: &mut Screen) -> Result<Ending> {
    let report = diff(&args.a, &args.b)?;
    screen.data(&if args.shape.json { report::json(&report) + "\n" } else { report.human() })?;
    Ok(Ending::Done)
}
