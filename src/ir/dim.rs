//! One dim of a shape: a number or a symbolic expression.

mod display;
mod divide;
mod expr;
mod range;
#[cfg(test)]
mod tests;

pub use expr::DimExpr;

/// Names of sizes without a name begin with this; no symbol of a file does.
const NAMELESS: char = '?';

/// Whether a symbol stands for a size without a name; no file may spell such a symbol.
pub fn is_nameless(symbol: &str) -> bool {
    symbol.starts_with(NAMELESS)
}

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

impl Truth {
    /// Whether it is true for every size.
    pub fn is_proven(self) -> bool {
        self == Self::Proven
    }
}

impl From<bool> for Truth {
    fn from(yes: bool) -> Self {
        if yes { Self::Proven } else { Self::Refuted }
    }
}

/// One dim.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dim {
    /// A known size.
    Fixed(u64),
    /// A size known by name or formula; never a mere number.
    Sym(DimExpr),
}

impl Dim {
    /// A named size.
    pub fn symbol(name: &str) -> Self {
        Self::Sym(DimExpr::symbol(name))
    }

    /// A size without a name, told from others by a number; equal numbers are equal sizes.
    pub fn nameless(number: u64) -> Self {
        Self::symbol(&format!("{NAMELESS}{number}"))
    }

    /// Whether a size without a name is part of this one.
    pub fn is_nameless(&self) -> bool {
        matches!(self, Self::Sym(e) if e.mentions(&is_nameless))
    }

    /// The size that an expression gives. `None` for a negative number.
    pub fn from_expr(expr: DimExpr) -> Option<Self> {
        match expr.as_constant() {
            Some(n) => u64::try_from(n).ok().map(Self::Fixed),
            None => Some(Self::Sym(expr)),
        }
    }

    /// The size as an expression. `None` for a number beyond `i64`, which no file can state.
    pub fn expr(&self) -> Option<DimExpr> {
        match self {
            Self::Fixed(n) => i64::try_from(*n).ok().map(DimExpr::constant),
            Self::Sym(e) => Some(e.clone()),
        }
    }

    /// The size, where it is a number.
    pub fn as_fixed(&self) -> Option<u64> {
        match self {
            Self::Fixed(n) => Some(*n),
            Self::Sym(_) => None,
        }
    }

    /// Whether two dims are the same size, given that neither is negative.
    pub fn same(&self, other: &Dim) -> Truth {
        match (self, other) {
            (a, b) if a == b => Truth::Proven,
            (Self::Fixed(_), Self::Fixed(_)) => Truth::Refuted,
            (a, b) => match (a.expr(), b.expr()) {
                (Some(a), Some(b)) => a.same(&b),
                _ => Truth::Unknown,
            },
        }
    }

    /// Whether the size is `n` or more.
    pub fn at_least(&self, n: u64) -> Truth {
        match self {
            Self::Fixed(have) => Truth::from(*have >= n),
            Self::Sym(_) if n == 0 => Truth::Proven,
            Self::Sym(e) => i64::try_from(n).map_or(Truth::Unknown, |n| e.at_least(n)),
        }
    }

    /// The sum. `None` on overflow, as for all operations here.
    pub fn add(&self, other: &Dim) -> Option<Dim> {
        Self::from_expr(self.expr()?.add(&other.expr()?)?)
    }

    /// The difference. `None` where it is a negative number.
    pub fn sub(&self, other: &Dim) -> Option<Dim> {
        Self::from_expr(self.expr()?.sub(&other.expr()?)?)
    }

    /// The product.
    pub fn mul(&self, other: &Dim) -> Option<Dim> {
        Self::from_expr(self.expr()?.mul(&other.expr()?)?)
    }

    /// The common size of two dims that broadcast.
    pub fn broadcast(&self, other: &Dim) -> Option<Dim> {
        Self::from_expr(self.expr()?.broadcast(&other.expr()?)?)
    }

    /// The quotient, rounded down.
    pub fn floor_div(&self, other: &Dim) -> Option<Dim> {
        Self::from_expr(self.expr()?.floor_div(&other.expr()?)?)
    }

    /// The quotient, rounded up.
    pub fn ceil_div(&self, other: &Dim) -> Option<Dim> {
        Self::from_expr(self.expr()?.ceil_div(&other.expr()?)?)
    }
}

impl From<u64> for Dim {
    fn from(n: u64) -> Self {
        Self::Fixed(n)
    }
}
