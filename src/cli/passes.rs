//! `onnxpress passes`.

use super::Ending;
use super::args::Shape;
use super::screen::Screen;
use crate::error::Result;
use crate::pipeline::registry;
use crate::report::{self, PassList, PassRow};
use crate::rewrite::Meta;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct PassesArgs {
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &PassesArgs, screen: &mut Screen) -> Result<Ending> {
    let row = |m: &Meta| PassRow {
        id: m.id.to_owned(),
        exactness: m.exactness.to_string(),
        level: m.exactness.level(),
        since_opset: m.since_opset,
        summary: m.summary.to_owned(),
    };
    let list = PassList { passes: registry().iter().map(|e| row(e.meta())).collect() };
    screen.data(&if args.shape.json { report::json(&list) + "\n" } else { list.human() })?;
    Ok(Ending::Done)
}
