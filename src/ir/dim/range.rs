//! Between which numbers an expression lies, whatever the sizes.

use super::Truth;
use super::expr::{Atom, DimExpr};

/// Bounds from here on are no bounds. Products of two stay far below the end of `i128`.
const INFINITY: i128 = 1 << 60;

#[derive(Clone, Copy)]
struct Interval {
    lo: i128,
    hi: i128,
}

impl Interval {
    fn new(lo: i128, hi: i128) -> Self {
        Self { lo: lo.clamp(-INFINITY, INFINITY), hi: hi.clamp(-INFINITY, INFINITY) }
    }

    fn point(n: i64) -> Self {
        Self::new(n.into(), n.into())
    }

    fn add(self, other: Self) -> Self {
        // An infinite bound stays infinite whatever is added.
        let low = if self.lo == -INFINITY || other.lo == -INFINITY { -INFINITY } else { self.lo + other.lo };
        let high = if self.hi == INFINITY || other.hi == INFINITY { INFINITY } else { self.hi + other.hi };
        Self::new(low, high)
    }

    fn mul(self, other: Self) -> Self {
        let corners = [self.lo * other.lo, self.lo * other.hi, self.hi * other.lo, self.hi * other.hi];
        let (lo, hi) = corners.iter().fold((i128::MAX, i128::MIN), |(lo, hi), &c| (lo.min(c), hi.max(c)));
        Self::new(lo, hi)
    }

    /// Rounded down; the divisor is at least 1 and has no sign to turn.
    fn floor_div(self, by: Self) -> Self {
        let (near, far) = (by.lo.max(1), by.hi.max(1));
        let lo =
            if self.lo >= 0 { if far == INFINITY { 0 } else { self.lo / far } } else { floor(self.lo, near) };
        let hi = if self.hi >= 0 {
            floor(self.hi, near)
        } else {
            if far == INFINITY { -1 } else { floor(self.hi, far) }
        };
        Self::new(
            if self.lo == -INFINITY { -INFINITY } else { lo },
            if self.hi == INFINITY { INFINITY } else { hi },
        )
    }
}

fn floor(a: i128, b: i128) -> i128 {
    a.div_euclid(b)
}

impl DimExpr {
    fn interval(&self) -> Interval {
        self.terms().iter().fold(Interval::point(0), |sum, term| {
            let product =
                term.factors.iter().fold(Interval::point(term.coef), |p, atom| p.mul(atom.interval()));
            sum.add(product)
        })
    }

    /// The least and the greatest value that it is known to keep to.
    pub(super) fn sign_bounds(&self) -> (Option<i128>, Option<i128>) {
        let Interval { lo, hi } = self.interval();
        ((lo > -INFINITY).then_some(lo), (hi < INFINITY).then_some(hi))
    }

    /// Whether it is `n` or more.
    pub fn at_least(&self, n: i64) -> Truth {
        match self.sign_bounds() {
            (Some(lo), _) if lo >= i128::from(n) => Truth::Proven,
            (_, Some(hi)) if hi < i128::from(n) => Truth::Refuted,
            _ => Truth::Unknown,
        }
    }

    /// Whether it is known to be 0 or more.
    pub fn is_nonneg(&self) -> bool {
        self.at_least(0).is_proven()
    }

    /// Whether it is known to be 1 or more.
    pub fn is_positive(&self) -> bool {
        self.at_least(1).is_proven()
    }
}

impl Atom {
    fn interval(&self) -> Interval {
        match self {
            Self::Symbol(_) => Interval::new(0, INFINITY),
            Self::FloorDiv(a, b) => match b.interval() {
                by if by.lo >= 0 => a.interval().floor_div(by),
                _ => Interval::new(-INFINITY, INFINITY),
            },
            Self::Max(a, b) => {
                let (a, b) = (a.interval(), b.interval());
                Interval::new(a.lo.max(b.lo), a.hi.max(b.hi))
            }
            Self::Min(a, b) => {
                let (a, b) = (a.interval(), b.interval());
                Interval::new(a.lo.min(b.lo), a.hi.min(b.hi))
            }
            Self::Broadcast(sizes) => sizes
                .iter()
                .map(DimExpr::interval)
                .fold(Interval::point(1), |all, e| Interval::new(all.lo.min(e.lo), all.hi.max(e.hi))),
        }
    }
}
