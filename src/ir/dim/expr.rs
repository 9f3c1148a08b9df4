//! Integer polynomials over sizes, in a normal form: equal expressions are equal structures.

use super::Truth;
use std::sync::Arc;

/// Terms, factors and operands of one expression; beyond it an operation has no result.
const MAX_WEIGHT: u32 = 256;

/// A symbolic integer: a polynomial over named sizes, quotients, maxima and minima.
///
/// Equal symbols are equal sizes throughout a model, and no symbol is negative. An expression may be: a symbolic
/// element of a shape tensor is one too. Operations give `None` where a coefficient overflows or the expression
/// would grow beyond reason.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DimExpr(Arc<Sum>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Sum {
    /// Sorted by factors, which differ; no coefficient is zero.
    terms: Vec<Term>,
    weight: u32,
}

/// A coefficient times a product of atoms.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Term {
    /// Sorted, powers as repetitions; empty for the constant.
    pub(super) factors: Vec<Atom>,
    pub(super) coef: i64,
}

/// What a polynomial is over.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Atom {
    Symbol(Arc<str>),
    FloorDiv(DimExpr, DimExpr),
    Max(DimExpr, DimExpr),
    Min(DimExpr, DimExpr),
    /// The common size of dims that broadcast; sorted, at least two.
    Broadcast(Vec<DimExpr>),
}

impl Atom {
    fn weight(&self) -> u32 {
        match self {
            Self::Symbol(_) => 1,
            Self::FloorDiv(a, b) | Self::Max(a, b) | Self::Min(a, b) => 1 + a.0.weight + b.0.weight,
            Self::Broadcast(sizes) => 1 + sizes.iter().map(|e| e.0.weight).sum::<u32>(),
        }
    }
}

impl DimExpr {
    /// The size that `name` stands for.
    pub fn symbol(name: &str) -> Self {
        Self::atom(Atom::Symbol(name.into())).expect("one symbol is light")
    }

    /// A number.
    pub fn constant(n: i64) -> Self {
        Self::from_terms(vec![Term { factors: Vec::new(), coef: n }]).expect("one number is light")
    }

    pub(super) fn atom(atom: Atom) -> Option<Self> {
        Self::from_terms(vec![Term { factors: vec![atom], coef: 1 }])
    }

    /// Sorts and merges; factors of each term are sorted already.
    pub(super) fn from_terms(mut terms: Vec<Term>) -> Option<Self> {
        terms.sort_unstable_by(|a, b| a.factors.cmp(&b.factors));
        let mut merged: Vec<Term> = Vec::with_capacity(terms.len());
        for term in terms {
            match merged.last_mut() {
                Some(last) if last.factors == term.factors => last.coef = last.coef.checked_add(term.coef)?,
                _ => merged.push(term),
            }
        }
        merged.retain(|t| t.coef != 0);
        let weight = merged.iter().map(|t| 1 + t.factors.iter().map(Atom::weight).sum::<u32>()).sum();
        (weight <= MAX_WEIGHT).then(|| Self(Arc::new(Sum { terms: merged, weight })))
    }

    pub(super) fn terms(&self) -> &[Term] {
        &self.0.terms
    }

    /// The number, where it is one.
    pub fn as_constant(&self) -> Option<i64> {
        match self.terms() {
            [] => Some(0),
            [t] if t.factors.is_empty() => Some(t.coef),
            _ => None,
        }
    }

    /// The symbol's name, where it is a mere symbol.
    pub fn as_symbol(&self) -> Option<&str> {
        match self.terms() {
            [Term { factors, coef: 1 }] => match factors.as_slice() {
                [Atom::Symbol(name)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The sum.
    pub fn add(&self, other: &Self) -> Option<Self> {
        Self::from_terms(self.terms().iter().chain(other.terms()).cloned().collect())
    }

    /// The negative.
    pub fn neg(&self) -> Option<Self> {
        self.scale(-1)
    }

    /// The difference.
    pub fn sub(&self, other: &Self) -> Option<Self> {
        self.add(&other.neg()?)
    }

    /// The sum with a number.
    pub fn offset(&self, n: i64) -> Option<Self> {
        self.add(&Self::constant(n))
    }

    fn scale(&self, by: i64) -> Option<Self> {
        let scaled = |t: &Term| Some(Term { factors: t.factors.clone(), coef: t.coef.checked_mul(by)? });
        Self::from_terms(self.terms().iter().map(scaled).collect::<Option<_>>()?)
    }

    pub(super) fn times_term(&self, by: &Term) -> Option<Self> {
        let product = |t: &Term| {
            let mut factors = [t.factors.as_slice(), &by.factors].concat();
            factors.sort_unstable();
            Some(Term { factors, coef: t.coef.checked_mul(by.coef)? })
        };
        Self::from_terms(self.terms().iter().map(product).collect::<Option<_>>()?)
    }

    /// The product.
    pub fn mul(&self, other: &Self) -> Option<Self> {
        let mut sum = Self::constant(0);
        for term in other.terms() {
            sum = sum.add(&self.times_term(term)?)?;
        }
        Some(sum)
    }

    /// The remainder with the sign of the divisor, as ONNX `Mod` without `fmod` has it.
    pub fn rem(&self, by: &Self) -> Option<Self> {
        self.sub(&self.floor_div(by)?.mul(by)?)
    }

    /// The larger of two.
    pub fn maximum(&self, other: &Self) -> Option<Self> {
        match self.sub(other)?.sign_bounds() {
            (Some(lo), _) if lo >= 0 => Some(self.clone()),
            (_, Some(hi)) if hi <= 0 => Some(other.clone()),
            _ => {
                let (a, b) = if self <= other { (self, other) } else { (other, self) };
                Self::atom(Atom::Max(a.clone(), b.clone()))
            }
        }
    }

    /// The smaller of two.
    pub fn minimum(&self, other: &Self) -> Option<Self> {
        match self.sub(other)?.sign_bounds() {
            (Some(lo), _) if lo >= 0 => Some(other.clone()),
            (_, Some(hi)) if hi <= 0 => Some(self.clone()),
            _ => {
                let (a, b) = if self <= other { (self, other) } else { (other, self) };
                Self::atom(Atom::Min(a.clone(), b.clone()))
            }
        }
    }

    /// The size of a dim that both broadcast to: what is not 1, if that is one number.
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        let mut sizes = [self.broadcast_sizes(), other.broadcast_sizes()].concat();
        sizes.retain(|e| e.as_constant() != Some(1));
        sizes.sort_unstable();
        sizes.dedup();
        // What is not 1 is the result, since the others can only be 1 or the same.
        if let Some(decided) = sizes.iter().find(|e| e.as_constant().is_some() || e.at_least(2).is_proven()) {
            return Some(decided.clone());
        }
        // Where a size is cut off it broadcasts with itself uncut only if the cut takes nothing, or leaves 1.
        let all = sizes.clone();
        sizes.retain(|e| !e.is_cut_of(&all));
        match sizes.len() {
            0 => Some(Self::constant(1)),
            1 => sizes.pop(),
            _ => Self::atom(Atom::Broadcast(sizes)),
        }
    }

    /// Whether it is the smaller of one of these and a number or size of 1 or more.
    fn is_cut_of(&self, sizes: &[Self]) -> bool {
        let [Term { factors, coef: 1 }] = self.terms() else { return false };
        let [Atom::Min(a, b)] = factors.as_slice() else { return false };
        (sizes.contains(a) && b.is_positive()) || (sizes.contains(b) && a.is_positive())
    }

    fn broadcast_sizes(&self) -> Vec<Self> {
        if let [Term { factors, coef: 1 }] = self.terms()
            && let [Atom::Broadcast(sizes)] = factors.as_slice()
        {
            return sizes.clone();
        }
        vec![self.clone()]
    }

    /// Whether two expressions are equal for all sizes, or for none.
    pub fn same(&self, other: &Self) -> Truth {
        if self == other {
            return Truth::Proven;
        }
        let Some(difference) = self.sub(other) else {
            return Truth::Unknown;
        };
        if difference.terms().is_empty() {
            return Truth::Proven;
        }
        let excluded = match difference.sign_bounds() {
            (Some(lo), _) if lo > 0 => true,
            (_, Some(hi)) if hi < 0 => true,
            _ => difference.is_never_divisible(),
        };
        if excluded { Truth::Refuted } else { Truth::Unknown }
    }

    /// Whether the constant is no multiple of what all other coefficients have in common, as in `2*n - 2*m + 1`.
    fn is_never_divisible(&self) -> bool {
        let (constant, rest): (Vec<&Term>, Vec<&Term>) =
            self.terms().iter().partition(|t| t.factors.is_empty());
        let common = rest.iter().fold(0, |g, t| gcd(g, t.coef.unsigned_abs()));
        constant.first().is_some_and(|c| common > 1 && !c.coef.unsigned_abs().is_multiple_of(common))
    }

    /// The value under an assignment of the symbols. `None` where one is missing, a divisor is zero, or on overflow.
    pub fn eval(&self, value_of: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
        self.terms().iter().try_fold(0i64, |sum, term| {
            let product = term.factors.iter().try_fold(term.coef, |p, a| p.checked_mul(a.eval(value_of)?))?;
            sum.checked_add(product)
        })
    }

    /// The expression with symbols replaced by others; those for which `new` has none stay.
    pub fn substitute(&self, new: &dyn Fn(&str) -> Option<DimExpr>) -> Option<Self> {
        let mut sum = Self::constant(0);
        for term in self.terms() {
            let mut product = Self::constant(term.coef);
            for atom in &term.factors {
                product = product.mul(&atom.substitute(new)?)?;
            }
            sum = sum.add(&product)?;
        }
        Some(sum)
    }

    /// Whether any symbol in it fulfils the condition.
    pub fn mentions(&self, condition: &dyn Fn(&str) -> bool) -> bool {
        self.terms().iter().flat_map(|t| &t.factors).any(|atom| match atom {
            Atom::Symbol(name) => condition(name),
            Atom::FloorDiv(a, b) | Atom::Max(a, b) | Atom::Min(a, b) => {
                a.mentions(condition) || b.mentions(condition)
            }
            Atom::Broadcast(sizes) => sizes.iter().any(|e| e.mentions(condition)),
        })
    }
}

impl Atom {
    fn eval(&self, value_of: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
        match self {
            Self::Symbol(name) => value_of(name),
            Self::FloorDiv(a, b) => floor_div(a.eval(value_of)?, b.eval(value_of)?),
            Self::Max(a, b) => Some(a.eval(value_of)?.max(b.eval(value_of)?)),
            Self::Min(a, b) => Some(a.eval(value_of)?.min(b.eval(value_of)?)),
            Self::Broadcast(sizes) => {
                sizes.iter().try_fold(1, |common, e| broadcast(common, e.eval(value_of)?))
            }
        }
    }

    fn substitute(&self, new: &dyn Fn(&str) -> Option<DimExpr>) -> Option<DimExpr> {
        match self {
            Self::Symbol(name) => new(name).or_else(|| DimExpr::atom(self.clone())),
            Self::FloorDiv(a, b) => a.substitute(new)?.floor_div(&b.substitute(new)?),
            Self::Max(a, b) => a.substitute(new)?.maximum(&b.substitute(new)?),
            Self::Min(a, b) => a.substitute(new)?.minimum(&b.substitute(new)?),
            Self::Broadcast(sizes) => {
                sizes.iter().try_fold(DimExpr::constant(1), |common, e| common.broadcast(&e.substitute(new)?))
            }
        }
    }
}

/// The quotient rounded toward negative infinity. `None` for a zero divisor and on overflow.
pub(super) fn floor_div(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    let inexact = a.checked_rem(b)? != 0 && ((a < 0) != (b < 0));
    Some(quotient - i64::from(inexact))
}

pub(super) fn broadcast(a: i64, b: i64) -> Option<i64> {
    match (a, b) {
        (1, n) | (n, 1) => Some(n),
        (a, b) => (a == b).then_some(a),
    }
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
