//! Standard output for data, standard error for talk.

use super::args::Talk;
use super::bar::Bar;
use crate::diag::{Diags, Severity};
use crate::error::{Error, Result};
use crate::report::plain;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::io::{self, ErrorKind, IsTerminal, Write};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();
const HELP: Style = AnsiColor::Green.on_default().bold();

/// The two streams of the process.
pub(super) struct Screen {
    quiet: bool,
    verbose: bool,
    closed: bool,
}

impl Screen {
    pub(super) fn new(talk: &Talk) -> Self {
        let choice = match talk.color {
            clap::ColorChoice::Auto => ColorChoice::Auto,
            clap::ColorChoice::Always => ColorChoice::Always,
            clap::ColorChoice::Never => ColorChoice::Never,
        };
        choice.write_global();
        Self { quiet: talk.quiet, verbose: talk.verbose > 0, closed: false }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether whoever reads our standard output has gone away, as `head` does.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Prints a result.
    ///
    /// # Errors
    /// Standard output cannot be written; where its reader has gone, [`Screen::is_closed`] says so.
    pub(super) fn data(&mut self, text: &str) -> Result<()> {
        let mut out = AutoStream::auto(io::stdout().lock());
        self.wrote(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// Prints bytes that are no text: a model.
    ///
    /// # Errors
    /// As [`Screen::data`].
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        self.wrote(out.write_all(bytes).and_then(|()| out.flush()))
    }

    fn wrote(&mut self, result: io::Result<()>) -> Result<()> {
        result.map_err(|e| {
            self.closed = e.kind() == ErrorKind::BrokenPipe;
            Error::new(format!("cannot be written: {e}")).in_file("standard output")
        })
    }

    /// Prints a text to standard error, unless all talk is off.
    pub(super) fn talk(&mut self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    pub(super) fn error(&mut self, error: &Error) {
        let help = error.help().map(|h| format!("\n{HELP}help{HELP:#}: {}", plain(h))).unwrap_or_default();
        say(&format!("{ERROR}error{ERROR:#}: {}{help}\n", plain(&error.to_string())));
    }

    /// Warnings, and notes where more was asked for.
    pub(super) fn diags(&mut self, diags: &Diags) {
        for diag in diags {
            let (word, style) = match diag.severity {
                Severity::Warning => ("warning", WARNING),
                Severity::Note if self.verbose => ("note", NOTE),
                Severity::Note => continue,
            };
            self.talk(&format!("{style}{word}{style:#}: {}\n", plain(&diag.to_string())));
        }
    }

    /// A progress bar, visible on a terminal only.
    pub(super) fn bar(&self) -> Bar {
        if self.quiet || !io::stderr().is_terminal() { Bar::hidden() } else { Bar::visible() }
    }
}

/// There is nobody left to tell where this fails.
fn say(text: &str) {
    let mut err = AutoStream::auto(io::stderr().lock());
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
