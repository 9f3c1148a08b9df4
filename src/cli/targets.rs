//! `onnxpress targets`.

use super::Ending;
use super::args::{Shape, target};
use super::screen::Screen;
use crate::error::Result;
use crate::report::{self, TargetList, TargetPage, TargetRow};
use crate::target::Target;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct TargetsArgs {
    /// Show what this one takes: tensorrt, ort-cpu@1.17
    #[arg(value_name = "TARGET", value_parser = target)]
    target: Option<Target>,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &TargetsArgs, screen: &mut Screen) -> Result<Ending> {
    let text = match &args.target {
        Some(target) => {
            let page = TargetPage::of(target);
            if args.shape.json { report::json(&page) + "\n" } else { page.human() }
        }
        None => {
            let list = TargetList { targets: Target::all().iter().map(TargetRow::of).collect() };
            if args.shape.json { report::json(&list) + "\n" } else { list.human() }
        }
    };
    screen.data(&text)?;
    Ok(Ending::Done)
}
