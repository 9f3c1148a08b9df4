//! `onnxpress setup`.

use super::Ending;
use super::args::Shape;
use super::screen::Screen;
use crate::error::Result;
use crate::report::{self, SetupReport};
use crate::runtime::{Origin, OrtRuntime, Outcome, Runtime, Setup, setup};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct SetupArgs {
    /// An onnxruntime wheel that is already here, instead of a download
    #[arg(long, value_name = "WHEEL")]
    from: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &SetupArgs, screen: &mut Screen) -> Result<Ending> {
    if args.from.is_none() {
        screen.talk("getting ONNX Runtime, unless it is there already\n");
    }
    let done = setup(&Setup { wheel: args.from.clone() })?;
    let runtime = OrtRuntime::load(&done.library)?;
    let report = SetupReport {
        runtime: runtime.name().to_owned(),
        library: done.library.display().to_string(),
        library_bytes: done.bytes,
        wheel: done.pin.wheel.to_owned(),
        origin: origin(&done),
    };
    screen.data(&if args.shape.json { report::json(&report) + "\n" } else { report.human() })?;
    Ok(Ending::Done)
}

fn origin(done: &Outcome) -> String {
    match &done.origin {
        Origin::AlreadyThere => "already there".to_owned(),
        Origin::Downloaded { python } => format!("downloaded with {python}'s pip"),
        Origin::Wheel(wheel) => format!("from {}", wheel.display()),
    }
}
