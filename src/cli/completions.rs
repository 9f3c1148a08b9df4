//! `onnxpress completions`.

use super::Ending;
use super::args::Cli;
use super::screen::Screen;
use crate::error::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, screen: &mut Screen) -> Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "onnxpress", &mut script);
    screen.bytes(&script)?;
    Ok(Ending::Done)
}
