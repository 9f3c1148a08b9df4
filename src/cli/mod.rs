//! The command line: arguments, exit codes, screens. It decides nothing.
//!
//! Standard output is data, standard error is talk. Exit codes: 0 done, 1 error, 2 usage,
//! 3 validation failed.

mod args;
mod bar;
mod bench;
mod check;
mod compare;
mod completions;
mod diff;
mod explain;
mod inspect;
mod optimize;
mod passes;
mod quantize;
mod screen;
mod setup;
mod targets;
mod version;

use crate::error::Result;
use crate::io::discard_unfinished;
use args::{Cli, Command};
use clap::{CommandFactory, FromArgMatches};
use screen::Screen;
use std::process::ExitCode;

/// 128 + `SIGINT`, as shells report it.
const INTERRUPTED: i32 = 130;

unsafe extern "C" {
    /// Ends the process at once. `exit` would take a runtime's globals from under the thread that is running a model.
    safe fn _exit(status: std::ffi::c_int) -> !;
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It did what it was asked.
    Done,
    /// It found that two models differ, or could not prove that they do not.
    Invalid,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match arguments() {
        Ok(cli) => cli,
        Err(error) => {
            // Help is wanted, and so goes to standard output; a closed one is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let checked = match &cli.command {
        Command::Optimize(args) => args.check(),
        Command::Quantize(args) => args.check(),
        _ => Ok(()),
    };
    if let Err(error) = checked {
        error.exit();
    }
    // Whoever presses Ctrl-C finds the old file or the new one, and nothing else. Without a handler he may find more.
    let _ = ctrlc::set_handler(|| {
        discard_unfinished();
        _exit(INTERRUPTED);
    });
    let mut screen = Screen::new(&cli.talk);
    match run(cli.command, &mut screen) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Invalid) => ExitCode::from(3),
        Err(error) if screen.is_closed() => {
            drop(error);
            ExitCode::SUCCESS
        }
        Err(error) => {
            screen.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    // The search for runtimes takes a while, so it is for those who ask only.
    if std::env::args_os().any(|argument| argument == "--version") {
        let version: &'static str = version::long().leak();
        command = command.long_version(version);
    }
    Cli::from_arg_matches(&command.try_get_matches()?)
}

fn run(command: Command, screen: &mut Screen) -> Result<Ending> {
    match command {
        Command::Optimize(args) => optimize::run(&args, screen),
        Command::Quantize(args) => quantize::run(&args, screen),
        Command::Compare(args) => compare::run(&args, screen),
        Command::Bench(args) => bench::run(&args, screen),
        Command::Inspect(args) => inspect::run(&args, screen),
        Command::Diff(args) => diff::run(&args, screen),
        Command::Check(args) => check::run(&args, screen),
        Command::Targets(args) => targets::run(&args, screen),
        Command::Passes(args) => passes::run(&args, screen),
        Command::Explain(args) => explain::run(&args, screen),
        Command::Setup(args) => setup::run(&args, screen),
        Command::Completions(args) => completions::run(&args, screen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
