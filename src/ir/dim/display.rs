//! Expressions in print: `2*batch + 1`, `(width + 31)//32`, `max(n - 1, 0)`. `//` rounds down.

use super::Dim;
use super::expr::{Atom, DimExpr, Term};
use std::fmt;

impl fmt::Display for DimExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms().is_empty() {
            return f.write_str("0");
        }
        // Names before the number, and a positive term first where there is one.
        let mut terms: Vec<&Term> = self.terms().iter().collect();
        terms.sort_by_key(|t| (t.factors.is_empty(), t.coef < 0));
        for (i, term) in terms.iter().enumerate() {
            match (i, term.coef < 0) {
                (0, false) => {}
                (0, true) => f.write_str("-")?,
                (_, false) => f.write_str(" + ")?,
                (_, true) => f.write_str(" - ")?,
            }
            write!(f, "{}", Magnitude(term))?;
        }
        Ok(())
    }
}

struct Magnitude<'a>(&'a Term);

impl fmt::Display for Magnitude<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Term { factors, coef } = self.0;
        let coef = coef.unsigned_abs();
        if factors.is_empty() || coef != 1 {
            write!(f, "{coef}")?;
        }
        for (i, factor) in factors.iter().enumerate() {
            if i > 0 || coef != 1 {
                f.write_str("*")?;
            }
            let alone = factors.len() == 1 && coef == 1;
            match factor {
                Atom::FloorDiv(..) if !alone => write!(f, "({factor})")?,
                _ => write!(f, "{factor}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(name) => f.write_str(name),
            Self::FloorDiv(a, b) => write!(f, "{}//{}", Operand(a), Operand(b)),
            Self::Max(a, b) => write!(f, "max({b}, {a})"),
            Self::Min(a, b) => write!(f, "min({b}, {a})"),
            Self::Broadcast(sizes) => {
                f.write_str("broadcast(")?;
                for (i, size) in sizes.iter().enumerate() {
                    write!(f, "{}{size}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// In brackets unless it is one name or number.
struct Operand<'a>(&'a DimExpr);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.0.as_symbol().is_some() || self.0.as_constant().is_some_and(|n| n >= 0);
        if bare { write!(f, "{}", self.0) } else { write!(f, "({})", self.0) }
    }
}

impl fmt::Debug for DimExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_as_written() {
        let (n, k) = (DimExpr::symbol("n"), DimExpr::constant);
        let shown = |e: Option<DimExpr>| e.unwrap().to_string();
        assert_eq!(shown(n.mul(&k(2)).unwrap().offset(1)), "2*n + 1");
        assert_eq!(shown(k(3).sub(&n)), "-n + 3");
        assert_eq!(shown(n.offset(-1).unwrap().maximum(&k(0))), "max(n - 1, 0)");
        assert_eq!(shown(n.floor_div(&k(2)).unwrap().mul(&k(6))), "6*(n//2)");
        assert_eq!(shown(n.rem(&k(4))), "n - 4*(n//4)");
        assert_eq!(k(0).to_string(), "0");
    }
}
