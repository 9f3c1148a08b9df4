//! Sizes that follow from others having to be equal: `a*n = a` of sizes that are not 0 makes `n` 1.

use super::DimExpr;
use super::expr::{Atom, Term};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Each round finds a size or ends the search; a file may name as many symbols as it likes.
const MAX_ROUNDS: usize = 32;

/// What is known of sizes at each run that does not fail, and what follows.
#[derive(Debug, Default)]
pub struct Equations {
    /// Pairs of equal sizes, each as their difference.
    zeros: Vec<DimExpr>,
    /// Symbols that are not 0.
    positive: BTreeSet<Arc<str>>,
    numbers: BTreeMap<String, i64>,
}

impl Equations {
    /// The two are equal.
    pub fn equal(&mut self, a: &DimExpr, b: &DimExpr) {
        self.zeros.extend(a.sub(b).filter(|d| d.as_constant().is_none()));
    }

    /// The size is not 0.
    pub fn positive(&mut self, size: &DimExpr) {
        if let [term] = size.terms() {
            self.all_positive(&term.factors);
        }
    }

    /// The symbols that can only be one number.
    pub fn solve(mut self) -> BTreeMap<String, i64> {
        for _ in 0..MAX_ROUNDS {
            let before = (self.positive.len(), self.numbers.len());
            for zero in std::mem::take(&mut self.zeros) {
                if let Some(zero) = self.resolved(&zero) {
                    self.learn(&zero);
                    self.zeros.push(zero);
                }
            }
            if before == (self.positive.len(), self.numbers.len()) {
                break;
            }
        }
        self.numbers
    }

    /// A difference of two terms is 0: what follows for their factors.
    fn learn(&mut self, zero: &DimExpr) {
        let [a, b] = zero.terms() else { return };
        if a.coef.signum() == b.coef.signum() {
            return;
        }
        if a.factors.iter().all(|f| self.is_positive(f)) {
            self.all_positive(&b.factors);
        }
        if b.factors.iter().all(|f| self.is_positive(f)) {
            self.all_positive(&a.factors);
        }
        let (a, b) = self.without_common(a, b);
        let (product, number) = match (a.factors.is_empty(), b.factors.is_empty()) {
            (false, true) => (a, b.coef),
            (true, false) => (b, a.coef),
            _ => return,
        };
        let Some(0) = number.checked_rem(product.coef) else { return };
        let number = number.checked_neg().and_then(|n| n.checked_div(product.coef));
        let Some(number) = number.filter(|&n| n >= 0) else { return };
        match product.factors.as_slice() {
            [Atom::Symbol(name)] => _ = self.numbers.insert(name.to_string(), number),
            factors if number == 1 => {
                let symbols = factors.iter().filter_map(Atom::as_symbol);
                self.numbers.extend(symbols.map(|name| (name.to_string(), 1)));
            }
            _ => {}
        }
    }

    /// Both divided by the factors that they share and that are not 0.
    fn without_common(&self, a: &Term, b: &Term) -> (Term, Term) {
        let (mut a, mut b) = (a.clone(), b.clone());
        a.factors.retain(|factor| {
            let shared = b.factors.iter().position(|f| f == factor).filter(|_| self.is_positive(factor));
            shared.map(|at| b.factors.remove(at)).is_none()
        });
        (a, b)
    }

    /// A product is positive: so is each factor.
    fn all_positive(&mut self, factors: &[Atom]) {
        for factor in factors {
            match factor {
                Atom::Symbol(name) => _ = self.positive.insert(name.clone()),
                // 0 broadcasts to 0.
                Atom::Broadcast(sizes) => sizes.iter().for_each(|size| self.positive(size)),
                Atom::FloorDiv(..) | Atom::Max(..) | Atom::Min(..) => {}
            }
        }
    }

    fn is_positive(&self, factor: &Atom) -> bool {
        match factor {
            Atom::Symbol(name) => self.positive.contains(name),
            Atom::Broadcast(sizes) => sizes.iter().all(|size| self.is_positive_product(size)),
            Atom::FloorDiv(..) | Atom::Max(..) | Atom::Min(..) => false,
        }
    }

    fn is_positive_product(&self, size: &DimExpr) -> bool {
        matches!(size.terms(), [t] if t.coef > 0 && t.factors.iter().all(|f| self.is_positive(f)))
    }

    /// With the numbers found, and of sizes that broadcast without those that divide another.
    fn resolved(&self, expr: &DimExpr) -> Option<DimExpr> {
        let expr = expr.substitute(&|name| self.numbers.get(name).copied().map(DimExpr::constant))?;
        expr.terms().iter().try_fold(DimExpr::constant(0), |sum, term| {
            let product = term.factors.iter().try_fold(DimExpr::constant(term.coef), |product, factor| {
                product.mul(&self.narrowed(factor)?)
            })?;
            sum.add(&product)
        })
    }

    /// A size that is not 0 broadcasts with a multiple of it to the multiple: they are equal, or the size is 1.
    fn narrowed(&self, factor: &Atom) -> Option<DimExpr> {
        let Atom::Broadcast(sizes) = factor else { return DimExpr::atom(factor.clone()) };
        let divides = |a: &DimExpr, b: &DimExpr| {
            let quotient = b.floor_div(a).filter(|q| a != b && self.is_positive_product(q));
            quotient.and_then(|q| q.mul(a)).is_some_and(|product| product == *b)
        };
        let kept =
            sizes.iter().filter(|a| !(self.is_positive_product(a) && sizes.iter().any(|b| divides(a, b))));
        kept.cloned().try_fold(DimExpr::constant(1), |all, size| all.broadcast(&size))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn s(name: &str) -> DimExpr {
        DimExpr::symbol(name)
    }

    fn solved(positive: &[&DimExpr], equal: &[(&DimExpr, &DimExpr)]) -> Vec<(String, i64)> {
        let mut equations = Equations::default();
        positive.iter().for_each(|e| equations.positive(e));
        equal.iter().for_each(|(a, b)| equations.equal(a, b));
        equations.solve().into_iter().collect()
    }

    #[test]
    fn what_multiplies_a_size_and_leaves_it_is_one() {
        let (a, n) = (s("a"), s("n"));
        let an = a.mul(&n).unwrap();
        assert_eq!(solved(&[], &[(&an, &a)]), [], "0 times anything is 0");
        assert_eq!(solved(&[&a], &[(&an, &a)]), [("n".to_owned(), 1)]);
    }

    #[test]
    fn a_size_and_its_multiple_broadcast_to_the_multiple() {
        let (a, n) = (s("a"), s("n"));
        let an = a.mul(&n).unwrap();
        let stretched = a.broadcast(&an).unwrap().mul(&n).unwrap();
        assert_eq!(solved(&[&a], &[(&stretched, &a)]), [("n".to_owned(), 1)]);
        assert_eq!(solved(&[], &[(&stretched, &a)]), []);
    }

    #[test]
    fn a_number_found_is_put_in() {
        let (a, b) = (s("a"), s("b"));
        let twice = a.mul(&DimExpr::constant(2)).unwrap();
        let sum = a.add(&b).unwrap();
        assert_eq!(
            solved(&[], &[(&sum, &DimExpr::constant(7)), (&twice, &DimExpr::constant(6))]),
            [("a".to_owned(), 3), ("b".to_owned(), 4)]
        );
        assert_eq!(solved(&[], &[(&twice, &DimExpr::constant(5))]), [], "no size fits");
    }
}
