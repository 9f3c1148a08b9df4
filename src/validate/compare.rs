//! How far two values are apart.
//!
//! Over all elements of an output, `a` the reference and `b` what is judged:
//!
//! | | |
//! |---|---|
//! | `max_abs` | largest `\|a - b\|` |
//! | `max_rel` | largest `\|a - b\| / \|a\|`, where an `\|a\|` below 10⁻⁶ of the largest one counts as that much |
//! | `max_ulp` | most representable numbers between `a` and `b` |
//! | `cosine` | `a·b / (\|a\| \|b\|)` |
//! | `sqnr_db` | `10 log10(Σa² / Σ(a - b)²)`; absent where nothing differs |
//! | `top1`, `top5` | share of rows along the last dim whose largest (five largest) elements are the same |
//! | `equal` | share of equal elements, `NaN` equal to `NaN` |
//!
//! `NaN` and infinities must stand at the same places; they are left out of the other figures.

use super::numbers::{ranks, widen};
use crate::runtime::RunValue;
use crate::tensor::{DType, Tensor};
use serde::Serialize;

/// The distance of one value to another; see the module's table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Elements compared, those inside sequences, maps and optionals included.
    pub elements: usize,
    /// Element type of the first tensor in the value.
    #[serde(skip)]
    pub dtype: Option<DType>,
    /// Largest magnitude of the reference.
    pub reference_max: f64,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Largest relative difference.
    pub max_rel: f64,
    /// Most units in the last place; 0 for types that are not floating point.
    pub max_ulp: u64,
    /// Cosine of the angle between the two; absent for strings and where one is zero.
    pub cosine: Option<f64>,
    /// Signal to noise in decibels.
    pub sqnr_db: Option<f64>,
    /// Sum of the squares of the reference.
    #[serde(skip)]
    pub signal: f64,
    /// Sum of the squares of the differences.
    #[serde(skip)]
    pub error: f64,
    /// Agreement on the largest element, for rows of at least 2.
    pub top1: Option<f64>,
    /// Agreement on the set of the five largest elements, for rows of at least 10.
    pub top5: Option<f64>,
    /// Share of equal elements.
    pub equal: f64,
    /// Whether `NaN` and infinities are at the same places.
    pub same_pattern: bool,
}

/// Compares what is judged with the reference.
///
/// # Errors
/// One sentence: the two differ in kind, type or shape, so that no distance exists.
pub fn compare(reference: &RunValue, judged: &RunValue) -> Result<Metrics, String> {
    let mut sums = Sums { same_pattern: true, ..Sums::default() };
    sums.value(reference, judged)?;
    Ok(sums.finish())
}

#[derive(Default)]
struct Sums {
    elements: usize,
    equal: usize,
    dtype: Option<DType>,
    reference_max: f64,
    max_abs: f64,
    /// Differences with their reference magnitude, kept only as the worst quotient per tensor.
    max_rel: f64,
    max_ulp: u64,
    numbers: bool,
    reference_square: f64,
    judged_square: f64,
    error_square: f64,
    product: f64,
    top1: Share,
    top5: Share,
    same_pattern: bool,
}

#[derive(Default)]
struct Share {
    agreeing: usize,
    of: usize,
}

impl Share {
    fn ratio(&self) -> Option<f64> {
        (self.of > 0).then(|| self.agreeing as f64 / self.of as f64)
    }
}

impl Sums {
    fn value(&mut self, reference: &RunValue, judged: &RunValue) -> Result<(), String> {
        match (reference, judged) {
            (RunValue::Tensor(a), RunValue::Tensor(b)) => self.tensor(a, b),
            (RunValue::Sequence(a), RunValue::Sequence(b)) => {
                if a.len() != b.len() {
                    return Err(format!("a sequence of {} where {} are expected", b.len(), a.len()));
                }
                a.iter().zip(b).try_for_each(|(a, b)| self.value(a, b))
            }
            (RunValue::Optional(None), RunValue::Optional(None)) => Ok(()),
            (RunValue::Optional(Some(a)), RunValue::Optional(Some(b))) => self.value(a, b),
            (RunValue::Optional(a), RunValue::Optional(_)) => Err(format!(
                "an optional that is {} only in the reference",
                if a.is_some() { "present" } else { "absent" }
            )),
            (RunValue::Map(ka, va), RunValue::Map(kb, vb)) => {
                if !ka.same_bits(kb) {
                    return Err("a map with other keys".to_owned());
                }
                self.tensor(va, vb)
            }
            (a, b) => Err(format!("{} where {} is expected", kind(b), kind(a))),
        }
    }

    fn tensor(&mut self, a: &Tensor, b: &Tensor) -> Result<(), String> {
        if a.dtype() != b.dtype() || a.shape() != b.shape() {
            let show = |t: &Tensor| format!("{}{:?}", t.dtype(), t.shape());
            return Err(format!("{} where {} is expected", show(b), show(a)));
        }
        self.dtype.get_or_insert(a.dtype());
        self.elements += a.len();
        if let (Some(a), Some(b)) = (a.strings(), b.strings()) {
            self.equal += a.iter().zip(b).filter(|(a, b)| a == b).count();
            return Ok(());
        }
        let (Some(x), Some(y)) = (widen(a), widen(b)) else {
            return Err(format!("a tensor of {}, which has no numbers", a.dtype()));
        };
        // Beyond 2^53 different integers may widen to the same number.
        let same = if a.dtype().bits() == 64 && a.dtype().is_int() { equal_words(a, b) } else { None };
        self.numbers(&x, &y, a.dtype().is_int(), same);
        if let (Some(ra), Some(rb)) = (ranks(a), ranks(b)) {
            let finite = |i: usize| x[i].is_finite() && y[i].is_finite();
            let ulps =
                ra.iter().zip(&rb).enumerate().filter(|(i, _)| finite(*i)).map(|(_, (a, b))| a.abs_diff(*b));
            self.max_ulp = self.max_ulp.max(ulps.max().unwrap_or(0));
        }
        if a.dtype().is_float() {
            self.rows(a.shape(), &x, &y);
        }
        Ok(())
    }

    fn numbers(&mut self, x: &[f64], y: &[f64], integers: bool, same: Option<usize>) {
        self.numbers |= !x.is_empty();
        let finite_max = x.iter().filter(|v| v.is_finite()).fold(0f64, |m, v| m.max(v.abs()));
        self.reference_max = self.reference_max.max(finite_max);
        let smallest = if integers { 1.0 } else { (finite_max * 1e-6).max(f64::MIN_POSITIVE) };
        let mut equal = 0;
        for (&a, &b) in x.iter().zip(y) {
            if a == b || (a.is_nan() && b.is_nan()) {
                equal += 1;
            } else if !(a.is_finite() && b.is_finite()) {
                self.same_pattern = false;
                continue;
            }
            if !a.is_finite() {
                continue;
            }
            let error = (a - b).abs();
            self.max_abs = self.max_abs.max(error);
            self.max_rel = self.max_rel.max(error / a.abs().max(smallest));
            self.reference_square += a * a;
            self.judged_square += b * b;
            self.error_square += error * error;
            self.product += a * b;
        }
        self.equal += same.unwrap_or(equal);
        if same.is_some_and(|same| same < equal) {
            self.max_abs = self.max_abs.max(1.0);
        }
    }

    fn rows(&mut self, shape: &[usize], x: &[f64], y: &[f64]) {
        let width = shape.last().copied().unwrap_or(0);
        if width < 2 {
            return;
        }
        for (a, b) in x.chunks_exact(width).zip(y.chunks_exact(width)) {
            self.top1.of += 1;
            self.top1.agreeing += usize::from(top(a, 1) == top(b, 1));
            if width >= 10 {
                self.top5.of += 1;
                self.top5.agreeing += usize::from(top(a, 5) == top(b, 5));
            }
        }
    }

    fn finish(self) -> Metrics {
        let norms = (self.reference_square * self.judged_square).sqrt();
        Metrics {
            elements: self.elements,
            dtype: self.dtype,
            reference_max: self.reference_max,
            max_abs: self.max_abs,
            max_rel: self.max_rel,
            max_ulp: self.max_ulp,
            cosine: (self.numbers && norms > 0.0).then(|| (self.product / norms).clamp(-1.0, 1.0)),
            signal: self.reference_square,
            error: self.error_square,
            sqnr_db: (self.error_square > 0.0 && self.reference_square > 0.0)
                .then(|| 10.0 * (self.reference_square / self.error_square).log10()),
            top1: self.top1.ratio(),
            top5: self.top5.ratio(),
            equal: if self.elements == 0 { 1.0 } else { self.equal as f64 / self.elements as f64 },
            same_pattern: self.same_pattern,
        }
    }
}

fn equal_words(a: &Tensor, b: &Tensor) -> Option<usize> {
    let (a, b) = (a.bytes()?, b.bytes()?);
    Some(a.chunks_exact(8).zip(b.chunks_exact(8)).filter(|(a, b)| a == b).count())
}

/// Positions of the `k` largest elements in ascending order; of equal ones the first count.
fn top(row: &[f64], k: usize) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::with_capacity(k + 1);
    for i in 0..row.len() {
        let at = best.iter().position(|&j| row[i] > row[j]).unwrap_or(best.len());
        if at < k {
            best.insert(at, i);
            best.truncate(k);
        }
    }
    best.sort_unstable();
    best
}

fn kind(value: &RunValue) -> &'static str {
    match value {
        RunValue::Tensor(_) => "a tensor",
        RunValue::Sequence(_) => "a sequence",
        RunValue::Optional(_) => "an optional",
        RunValue::Map(..) => "a map",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tensor::Element;

    fn value<T: Element>(v: &[T]) -> RunValue {
        RunValue::Tensor(Tensor::vector(v))
    }

    fn metrics<T: Element>(a: &[T], b: &[T]) -> Metrics {
        compare(&value(a), &value(b)).unwrap()
    }

    #[test]
    fn closed_forms() {
        let m = metrics(&[3.0f64, 4.0], &[3.0, 4.5]);
        assert_eq!((m.elements, m.max_abs, m.max_rel, m.reference_max), (2, 0.5, 0.125, 4.0));
        assert!((m.sqnr_db.unwrap() - 20.0).abs() < 1e-12, "25 / 0.25 is 20 dB");
        assert!((m.cosine.unwrap() - 27.0 / (5.0 * 29.25f64.sqrt())).abs() < 1e-12);
        assert_eq!((m.equal, m.top1, m.top5), (0.5, Some(1.0), None));
    }

    #[test]
    fn equal_values_have_no_noise() {
        let m = metrics(&[1.0f32, f32::NAN, f32::INFINITY], &[1.0, f32::NAN, f32::INFINITY]);
        assert_eq!((m.max_abs, m.max_ulp, m.sqnr_db, m.equal), (0.0, 0, None, 1.0));
        assert!(m.same_pattern);
    }

    #[test]
    fn patterns_of_nan_and_infinity_must_match() {
        for (a, b) in
            [(f32::NAN, 1.0), (1.0, f32::NAN), (f32::INFINITY, f32::NEG_INFINITY), (f32::INFINITY, f32::MAX)]
        {
            assert!(!metrics(&[a, 0.0], &[b, 0.0]).same_pattern, "{a} {b}");
        }
    }

    #[test]
    fn units_in_the_last_place() {
        let next = |v: f32, n| f32::from_bits(v.to_bits() + n);
        assert_eq!(metrics(&[1.0f32, 8.0], &[next(1.0, 3), next(8.0, 1)]).max_ulp, 3);
        assert_eq!(metrics(&[f32::from_bits(1)], &[-f32::from_bits(1)]).max_ulp, 2);
    }

    #[test]
    fn tiny_references_do_not_inflate_the_relative_error() {
        let m = metrics(&[1.0f64, 1e-30], &[1.0, 2e-30]);
        assert!(m.max_rel < 1e-20, "{}", m.max_rel);
    }

    #[test]
    fn integers_and_strings_count_equal_elements() {
        let m = metrics(&[1i64, 2, 3, 4], &[1, 2, 3, 5]);
        assert_eq!((m.equal, m.max_abs), (0.75, 1.0));
        let big = 1i64 << 60;
        let m = metrics(&[big], &[big + 1]);
        assert_eq!((m.equal, m.max_abs), (0.0, 1.0));
        let strings = |s: [&'static str; 2]| {
            RunValue::Tensor(
                Tensor::from_strings(&[2], s.map(|s| bytes::Bytes::from_static(s.as_bytes()))).unwrap(),
            )
        };
        assert_eq!(compare(&strings(["a", "b"]), &strings(["a", "c"])).unwrap().equal, 0.5);
    }

    #[test]
    fn rankings() {
        let a: Vec<f32> = (0..20).map(|i| i as f32).collect();
        let mut b = a.clone();
        b.swap(0, 19);
        let m = metrics(&a, &b);
        assert_eq!((m.top1, m.top5), (Some(0.0), Some(0.0)));
        b = a.clone();
        b.swap(18, 19);
        let m = metrics(&a, &b);
        assert_eq!((m.top1, m.top5), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn containers_recurse_and_other_kinds_are_refused() {
        let seq = |v: f32| RunValue::Sequence(vec![RunValue::Optional(Some(Box::new(value(&[v]))))]);
        assert_eq!(compare(&seq(1.0), &seq(1.5)).unwrap().max_abs, 0.5);
        assert!(compare(&seq(1.0), &value(&[1.0f32])).is_err());
        assert!(compare(&value(&[1.0f32]), &value(&[1.0f64])).unwrap_err().contains("double"));
        assert!(compare(&value(&[1.0f32]), &value(&[1.0f32, 2.0])).is_err());
        assert!(compare(&RunValue::Optional(None), &RunValue::Optional(Some(Box::new(seq(1.0))))).is_err());
        let map = |k: i64, v: f32| RunValue::Map(Tensor::vector(&[k]), Tensor::vector(&[v]));
        assert_eq!(compare(&map(1, 1.0), &map(1, 3.0)).unwrap().max_abs, 2.0);
        assert!(compare(&map(1, 1.0), &map(2, 1.0)).is_err());
    }
}
