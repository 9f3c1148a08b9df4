//! What a node computes, by domain and name: no enum, so unknown and contrib ops are ordinary.

use rustc_hash::FxHashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A name of a value, node or region; shared, so that copies are cheap.
pub type Name = Arc<str>;

/// An op's domain and name. The version in force follows from the model's opset import of the domain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId {
    /// Empty for `ai.onnx`.
    pub domain: &'static str,
    /// The op type.
    pub name: &'static str,
}

impl OpId {
    /// An op of the default domain.
    pub const fn onnx(name: &'static str) -> Self {
        Self { domain: "", name }
    }

    /// An op of ONNX Runtime's `com.microsoft` domain.
    pub const fn microsoft(name: &'static str) -> Self {
        Self { domain: "com.microsoft", name }
    }

    /// An op named by a file; `ai.onnx` is the default domain.
    pub fn intern(domain: &str, name: &str) -> Self {
        Self { domain: intern(canonical_domain(domain)), name: intern(name) }
    }

    /// Whether this is `name` of the default domain.
    pub fn is(self, name: &str) -> bool {
        self.domain.is_empty() && self.name == name
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.domain.is_empty() {
            f.write_str(self.name)
        } else {
            write!(f, "{}.{}", self.domain, self.name)
        }
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The domain as the crate writes it: `ai.onnx` becomes the empty string.
pub fn canonical_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// The domain as people read it: the empty string becomes `ai.onnx`.
pub fn shown_domain(domain: &str) -> &str {
    if domain.is_empty() { "ai.onnx" } else { domain }
}

/// Op names are few, however many nodes there are; each distinct one is kept for the process's life.
fn intern(text: &str) -> &'static str {
    static NAMES: Mutex<Option<FxHashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(text) {
        return known;
    }
    let new: &'static str = Box::leak(text.into());
    names.insert(new);
    new
}

impl From<&'static str> for OpId {
    fn from(name: &'static str) -> Self {
        Self::onnx(name)
    }
}
