//! The one error type: what went wrong, in which file, at which node, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// What every fallible function of the library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error about a model, a file or an argument, never about our own invariants.
///
/// Displayed on one line as `FILE: 'NAME': message`, the help apart: see [`Error::help`].
pub struct Error(Box<Parts>);

struct Parts {
    message: String,
    file: Option<PathBuf>,
    node: Option<String>,
    help: Option<String>,
}

impl Error {
    /// An error that says what is wrong, in a sentence without a full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Parts { message: message.into(), file: None, node: None, help: None }))
    }

    /// Names the file, unless an inner call has named a more precise one.
    #[must_use]
    pub fn in_file(mut self, file: impl AsRef<Path>) -> Self {
        self.0.file.get_or_insert_with(|| file.as_ref().to_path_buf());
        self
    }

    /// Names the node, tensor or value, unless an inner call has named a more precise one.
    #[must_use]
    pub fn at(mut self, node: impl Into<String>) -> Self {
        self.0.node.get_or_insert_with(|| node.into());
        self
    }

    /// Names the part of the model that holds the node; alone where no node is named.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.0.node = Some(match self.0.node {
            Some(node) => format!("{outer}/{node}"),
            None => outer.to_owned(),
        });
        self
    }

    /// Says in front of the message what it is about.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Says what the user can do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help.get_or_insert_with(|| help.into());
        self
    }

    /// What went wrong, without file and node.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file at fault.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The node, tensor or value at fault.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// What the user can do.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.0.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(node) = &self.0.node {
            write!(f, "'{node}': ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match &self.0.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::new(e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_precise_place_is_kept() {
        let error = Error::new("bad").at("inner").at("outer").in_file("a").in_file("b").with_help("try c");
        assert_eq!(error.to_string(), "a: 'inner': bad");
        assert_eq!(format!("{error:?}"), "a: 'inner': bad (try c)");
    }

    #[test]
    fn places_and_messages_can_be_widened() {
        assert_eq!(Error::new("bad").at("n").within("f").about("x").to_string(), "'f/n': x: bad");
        assert_eq!(Error::new("bad").within("f").to_string(), "'f': bad");
    }
}
