//! `onnxpress explain`.

use super::Ending;
use super::args::{Shape, pass_ids};
use super::screen::Screen;
use crate::error::Result;
use crate::pipeline;
use crate::report::{self, Page};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The pass
    #[arg(value_name = "ID", value_parser = pass_ids())]
    id: String,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &ExplainArgs, screen: &mut Screen) -> Result<Ending> {
    let pass = pipeline::find(&args.id)?;
    let page = Page { id: args.id.clone(), markdown: pass.page() };
    screen.data(&if args.shape.json { report::json(&page) + "\n" } else { page.markdown })?;
    Ok(Ending::Done)
}
