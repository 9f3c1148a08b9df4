//! `onnxpress check`.

use super::Ending;
use super::args::{Shape, SizeArgs, target};
use super::screen::Screen;
use crate::error::Result;
use crate::pipeline::{CheckJob, check};
use crate::report;
use crate::target::Target;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The model; - is standard input
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// What it is for: one of `onnxpress targets`, with a version as in tensorrt@10.3 or without
    #[arg(long, value_name = "TARGET", value_parser = target)]
    target: Target,
    /// Also ask the target's own compiler, in a process of its own; needs its Python package
    #[arg(long)]
    build: bool,
    /// The Python that has the compiler's package
    #[arg(long, value_name = "PATH", default_value = "python3", requires = "build")]
    python: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &CheckArgs, screen: &mut Screen) -> Result<Ending> {
    let report = check(&CheckJob {
        input: args.model.clone(),
        target: args.target.clone(),
        sizes: args.sizes.sizes()?,
        python: args.build.then(|| args.python.clone()),
    })?;
    screen.diags(&report.diags);
    screen.data(&if args.shape.json { report::json(&report) + "\n" } else { report.human() })?;
    Ok(if report.taken { Ending::Done } else { Ending::Invalid })
}
