//! What a proof comes to, as reports show it.

use super::compare::Metrics;
use super::noise::Floor;
use super::witness::Witness;
use crate::report::{Number, OutputReport, ParityReport, Status};
use crate::rewrite::{Exactness, Tolerance};

/// The result of a proof.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What reports show.
    pub parity: ParityReport,
    /// The first inputs on which it failed.
    pub witness: Option<Witness>,
}

/// The worst of one output over all cases.
pub(super) struct OutputVerdict {
    name: String,
    dtype: Option<String>,
    pub(super) passed: bool,
    pub(super) reason: Option<String>,
    /// What it may differ by: absolute for numbers, as a share of elements for integers, booleans and strings.
    tolerance: f64,
    /// In the unit of `tolerance`.
    noise_floor: f64,
    metrics: Option<Metrics>,
    /// The first case that is not within tolerance.
    pub(super) failed_at: Option<usize>,
}

impl Verdict {
    /// The verdict where no proof is possible, such as for lack of a runtime.
    pub(super) fn unproven(exactness: Exactness, reason: impl Into<String>) -> Self {
        let parity = ParityReport::without(Status::Unproven, exactness.to_string(), Some(reason.into()));
        Self { parity, witness: None }
    }

    /// Sums the outputs up.
    pub(super) fn conclude(mut self, outputs: Vec<OutputVerdict>) -> Self {
        let metrics = || outputs.iter().filter_map(|o| o.metrics.as_ref());
        let most = |of: fn(&Metrics) -> f64| metrics().map(of).reduce(f64::max);
        let least = |of: fn(&Metrics) -> Option<f64>| metrics().filter_map(of).reduce(f64::min);
        let worst = outputs.iter().filter_map(|o| Some((o.metrics.as_ref()?.max_abs, o.tolerance)));
        let parity = &mut self.parity;
        parity.max_abs = most(|m| m.max_abs).map(Number);
        parity.max_rel = most(|m| m.max_rel).map(Number);
        parity.max_ulp = metrics().map(|m| m.max_ulp).max();
        parity.cosine = least(|m| m.cosine).map(Number);
        parity.sqnr_db = (!outputs.is_empty()).then(|| decibels(least(|m| m.sqnr_db)));
        parity.noise_floor = outputs.iter().map(|o| o.noise_floor).reduce(f64::max).map(Number);
        parity.allowed = worst.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, tolerance)| Number(tolerance));
        parity.status = Status::Passed;
        parity.reason = None;
        if let Some(bad) = outputs.iter().find(|o| !o.passed) {
            parity.status = Status::Failed;
            let why = bad.reason.as_deref().unwrap_or("differs");
            parity.reason = Some(format!("output '{}': {why}", bad.name));
        }
        let empty = outputs.iter().filter(|o| o.metrics.as_ref().is_some_and(|m| m.elements == 0));
        parity.empty_outputs = empty.map(|o| o.name.clone()).collect();
        parity.outputs = outputs.into_iter().map(OutputVerdict::into_report).collect();
        self
    }
}

/// Signal to noise; where nothing differs there is no noise.
pub(super) fn decibels(sqnr: Option<f64>) -> Number {
    Number(sqnr.unwrap_or(f64::INFINITY))
}

impl OutputVerdict {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dtype: None,
            passed: true,
            reason: None,
            tolerance: 0.0,
            noise_floor: 0.0,
            metrics: None,
            failed_at: None,
        }
    }

    /// Judges one more case.
    pub(super) fn add(&mut self, exactness: Exactness, floor: Floor, compared: Result<Metrics, String>) {
        let metrics = match compared {
            Ok(metrics) => metrics,
            Err(why) => return self.refuse(unstable(floor, why)),
        };
        let judged = Judged::new(exactness, floor, &metrics);
        self.dtype = self.dtype.take().or_else(|| metrics.dtype.map(|d| d.to_string()));
        self.tolerance = self.tolerance.max(judged.tolerance);
        self.noise_floor = self.noise_floor.max(judged.floor);
        if !metrics.same_pattern && exactness != Exactness::Lossy {
            self.refuse(unstable(floor, "NaN or infinity at other places".to_owned()));
        } else if judged.difference > judged.tolerance {
            self.refuse(judged.explain());
        }
        self.metrics = Some(match self.metrics.take() {
            Some(before) => worse(before, metrics),
            None => metrics,
        });
    }

    fn refuse(&mut self, why: String) {
        self.passed = false;
        self.reason.get_or_insert(why);
    }

    fn into_report(self) -> OutputReport {
        let m = self.metrics.as_ref();
        OutputReport {
            name: self.name,
            dtype: self.dtype,
            passed: self.passed,
            max_abs: m.map(|m| Number(m.max_abs)),
            max_rel: m.map(|m| Number(m.max_rel)),
            max_ulp: m.map(|m| m.max_ulp),
            cosine: m.and_then(|m| m.cosine).map(Number),
            sqnr_db: m.map(|m| decibels(m.sqnr_db)),
            equal: m.map(|m| Number(m.equal)),
            allowed: Number(self.tolerance),
            noise_floor: Number(self.noise_floor),
            reason: self.reason,
        }
    }
}

fn unstable(floor: Floor, why: String) -> String {
    if floor.unstable {
        format!("{why}; so it does in the original when its inputs move by one unit in the last place")
    } else {
        why
    }
}

/// One output of one case against its tolerance.
struct Judged {
    difference: f64,
    tolerance: f64,
    floor: f64,
    /// Whether the three are shares of elements.
    shares: bool,
}

/// How many times the noise floor an output may differ by.
const FLOORS: f64 = 4.0;

impl Judged {
    fn new(exactness: Exactness, floor: Floor, metrics: &Metrics) -> Self {
        let exact = Tolerance { abs: 0.0, rel: 0.0 };
        let class = metrics.dtype.map_or(exact, |d| exactness.tolerance(d));
        let shares = metrics.dtype.is_none_or(|d| d.is_int() || d.bits() <= 1 || d.name() == "bool");
        let (difference, floor) =
            if shares { (1.0 - metrics.equal, floor.changed) } else { (metrics.max_abs, floor.abs) };
        let allowed = match class.abs + class.rel * metrics.reference_max {
            class if shares && class.is_finite() => 0.0,
            class => class,
        };
        Self { difference, tolerance: allowed.max(FLOORS * floor), floor, shares }
    }

    fn explain(&self) -> String {
        let Self { difference, tolerance, floor, .. } = self;
        if self.shares {
            format!(
                "{:.2} % of the elements differ, allowed are {:.2} %",
                100.0 * difference,
                100.0 * tolerance
            )
        } else {
            let [difference, tolerance, floor] = [difference, tolerance, floor].map(|n| Number(*n));
            let noise =
                if floor.0 > 0.0 { format!(" (the original's own noise is {floor})") } else { String::new() };
            format!("differs by {difference}, allowed {tolerance}{noise}")
        }
    }
}

fn worse(a: Metrics, b: Metrics) -> Metrics {
    let least = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::min);
    let elements = a.elements + b.elements;
    let share = |a: f64, na: usize, b: f64, nb: usize| {
        if na + nb == 0 { 1.0 } else { (a * na as f64 + b * nb as f64) / (na + nb) as f64 }
    };
    Metrics {
        elements,
        dtype: a.dtype.or(b.dtype),
        reference_max: a.reference_max.max(b.reference_max),
        max_abs: a.max_abs.max(b.max_abs),
        max_rel: a.max_rel.max(b.max_rel),
        max_ulp: a.max_ulp.max(b.max_ulp),
        cosine: least(a.cosine, b.cosine),
        sqnr_db: least(a.sqnr_db, b.sqnr_db),
        signal: a.signal + b.signal,
        error: a.error + b.error,
        top1: least(a.top1, b.top1),
        top5: least(a.top5, b.top5),
        equal: share(a.equal, a.elements, b.equal, b.elements),
        same_pattern: a.same_pattern && b.same_pattern,
    }
}
