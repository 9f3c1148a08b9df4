//! Division of expressions, with a normal form for quotients by a number.

use super::Truth;
use super::expr::{Atom, DimExpr, Term, floor_div, gcd};

/// Steps of the division of one polynomial by another.
const MAX_STEPS: usize = 16;

impl DimExpr {
    /// The quotient rounded toward negative infinity. `None` for the divisor 0.
    ///
    /// A symbolic divisor is taken not to be zero, since there is no quotient where it is.
    pub fn floor_div(&self, by: &Self) -> Option<Self> {
        match (self.as_constant(), by.as_constant()) {
            (_, Some(0)) => None,
            (_, Some(1)) => Some(self.clone()),
            (Some(a), Some(b)) => floor_div(a, b).map(Self::constant),
            (_, Some(b)) if b > 0 => self.divide_by_number(b),
            (_, Some(b)) => self.neg()?.floor_div(&Self::constant(b.checked_neg()?)),
            _ => self.divide_by_expr(by),
        }
    }

    /// The quotient rounded up. `None` for a divisor that is not proven positive, unless the quotient is a number.
    pub fn ceil_div(&self, by: &Self) -> Option<Self> {
        if let (Some(a), Some(b)) = (self.as_constant(), by.as_constant()) {
            return floor_div(a.checked_neg()?, b)?.checked_neg().map(Self::constant);
        }
        if let Some(exact) = self.exact_quotient(by) {
            return Some(exact);
        }
        match by.at_least(0) {
            Truth::Proven => self.add(by)?.offset(-1)?.floor_div(by),
            _ => None,
        }
    }

    /// `(k*q + r) // k = q + r // k`, with coefficients of `r` between 0 and `k`.
    fn divide_by_number(&self, k: i64) -> Option<Self> {
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        for term in self.terms() {
            whole.push(Term { factors: term.factors.clone(), coef: term.coef.div_euclid(k) });
            rest.push(Term { factors: term.factors.clone(), coef: term.coef.rem_euclid(k) });
        }
        let (whole, rest) = (Self::from_terms(whole)?, Self::from_terms(rest)?);
        if rest.as_constant().is_some() {
            return Some(whole);
        }
        whole.add(&rest.proper_quotient(k)?)
    }

    /// `self // k` where nothing of `self` is divisible by `k` as a whole.
    fn proper_quotient(&self, k: i64) -> Option<Self> {
        let symbolic = self.terms().iter().filter(|t| !t.factors.is_empty());
        let common = symbolic.fold(k.unsigned_abs(), |g, t| gcd(g, t.coef.unsigned_abs()));
        let common = i64::try_from(common).ok()?;
        if common > 1 {
            let reduced = self.terms().iter().map(|t| {
                // The constant alone need not be divisible, and rounds down with the quotient.
                Term { factors: t.factors.clone(), coef: t.coef.div_euclid(common) }
            });
            return Self::from_terms(reduced.collect())?.floor_div(&Self::constant(k / common));
        }
        if let Some((inner, divisor, constant)) = self.as_quotient_plus_constant() {
            let shifted = inner.offset(constant.checked_mul(divisor)?)?;
            return shifted.floor_div(&Self::constant(divisor.checked_mul(k)?));
        }
        Self::atom(Atom::FloorDiv(self.clone(), Self::constant(k)))
    }

    /// `(x // d) + c` for a positive number `d`.
    fn as_quotient_plus_constant(&self) -> Option<(&DimExpr, i64, i64)> {
        let (constant, term) = match self.terms() {
            [term] => (0, term),
            [c, term] if c.factors.is_empty() => (c.coef, term),
            _ => return None,
        };
        match term.factors.as_slice() {
            [Atom::FloorDiv(x, d)] if term.coef == 1 => {
                d.as_constant().filter(|d| *d > 0).map(|d| (x, d, constant))
            }
            _ => None,
        }
    }

    fn divide_by_expr(&self, by: &Self) -> Option<Self> {
        if let Some(exact) = self.exact_quotient(by) {
            return Some(exact);
        }
        let [divisor] = by.terms() else {
            return Self::atom(Atom::FloorDiv(self.clone(), by.clone()));
        };
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        for term in self.terms() {
            match quotient(term, divisor) {
                Some(q) => whole.push(q),
                None => rest.push(term.clone()),
            }
        }
        let rest = Self::from_terms(rest)?;
        let whole = Self::from_terms(whole)?;
        whole.add(&Self::atom(Atom::FloorDiv(rest, by.clone()))?)
    }

    /// `q` where `self = q * by` as polynomials.
    fn exact_quotient(&self, by: &Self) -> Option<Self> {
        let lead = by.terms().iter().max_by_key(|t| t.factors.len())?;
        let mut rest = self.clone();
        let mut quotients = Vec::new();
        for _ in 0..MAX_STEPS {
            let divisible = rest.terms().iter().filter_map(|t| Some((t.factors.len(), quotient(t, lead)?)));
            let Some((_, q)) = divisible.max_by_key(|(degree, _)| *degree) else {
                break;
            };
            rest = rest.sub(&by.times_term(&q)?)?;
            quotients.push(q);
        }
        if rest.terms().is_empty() { Self::from_terms(quotients) } else { None }
    }
}

/// `a / b` where it is a term.
fn quotient(a: &Term, b: &Term) -> Option<Term> {
    if a.coef.checked_rem(b.coef)? != 0 {
        return None;
    }
    let mut factors = a.factors.clone();
    for factor in &b.factors {
        let at = factors.iter().position(|f| f == factor)?;
        factors.remove(at);
    }
    Some(Term { factors, coef: a.coef.checked_div(b.coef)? })
}
