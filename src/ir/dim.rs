//! One dim of a shape: a number or a symbolic expression.

use std::fmt;
use std::sync::Arc;

/// The answer to a question about symbolic dims. A rule fires on `Proven` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// True for every size.
    Proven,
    /// False for every size.
    Refuted,
    /// Depends on sizes, or we cannot tell.
    Unknown,
}

/// One dim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A known size.
    Fixed(u64),
    /// A size known by name or formula.
    Sym(DimExpr),
}

/// A symbolic size. Equal symbols are equal sizes throughout a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DimExpr(Arc<str>);

impl DimExpr {
    /// The size that `name` stands for.
    pub fn symbol(name: &str) -> Self {
        Self(name.into())
    }

    /// The symbol's name, unless it is a formula.
    pub fn as_symbol(&self) -> Option<&str> {
        Some(&self.0)
    }
}

impl Dim {
    /// A named size.
    pub fn symbol(name: &str) -> Self {
        Self::Sym(DimExpr::symbol(name))
    }

    /// The size, where it is a number.
    pub fn as_fixed(&self) -> Option<u64> {
        match self {
            Self::Fixed(n) => Some(*n),
            Self::Sym(_) => None,
        }
    }

    /// Whether two dims are the same size.
    pub fn same(&self, other: &Dim) -> Truth {
        match (self, other) {
            (a, b) if a == b => Truth::Proven,
            (Self::Fixed(_), Self::Fixed(_)) => Truth::Refuted,
            _ => Truth::Unknown,
        }
    }
}

impl fmt::Display for DimExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Sym(e) => write!(f, "{e}"),
        }
    }
}

impl From<u64> for Dim {
    fn from(n: u64) -> Self {
        Self::Fixed(n)
    }
}
