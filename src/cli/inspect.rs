//! `onnxpress inspect`.

use super::Ending;
use super::args::Shape;
use super::screen::Screen;
use crate::error::Result;
use crate::pipeline::{inspect, model_text};
use crate::report;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The model; - is standard input
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Print the whole model in ONNX textual syntax, long constants cut short
    #[arg(long)]
    text: bool,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &InspectArgs, screen: &mut Screen) -> Result<Ending> {
    if args.text {
        let text = model_text(&args.model)?;
        screen.data(&if args.shape.json { report::json(&text) + "\n" } else { text.text })?;
        return Ok(Ending::Done);
    }
    let report = inspect(&args.model)?;
    screen.diags(&report.diags);
    screen.data(&if args.shape.json { report::json(&report) + "\n" } else { report.human() })?;
    Ok(Ending::Done)
}
