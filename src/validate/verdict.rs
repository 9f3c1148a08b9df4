//! What a proof comes to, as reports show it.

use super::compare::Metrics;
use super::noise::Floor;
use super::witness::Witness;
use crate::report::Number;
use crate::rewrite::{Exactness, Tolerance};
use serde::Serialize;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every output of every case is within tolerance.
    Passed,
    /// Some output is not, or only the original runs.
    Failed,
    /// There is nothing to judge by: the original cannot be run.
    Unproven,
    /// Nobody asked.
    Skipped,
}

/// The result of a proof.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The answer.
    pub status: Status,
    /// Who judged, with its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Why it did not pass, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The class that was judged by.
    pub exactness: Exactness,
    /// Largest absolute difference over all outputs; absent where nothing was compared.
    pub max_abs: Option<f64>,
    /// Largest relative difference.
    pub max_rel: Option<f64>,
    /// Most units in the last place.
    pub max_ulp: Option<u64>,
    /// Smallest cosine.
    pub cosine: Option<f64>,
    /// Smallest signal to noise in decibels; absent where nothing differs.
    pub sqnr_db: Option<f64>,
    /// Largest difference between what the original answers to inputs as they are and moved by one unit in the last place.
    pub noise_floor: Option<f64>,
    /// How many sets of inputs were compared.
    pub cases: usize,
    /// Sizes or file of each.
    pub feeds: Vec<String>,
    /// How many random operators became shared inputs.
    pub shared_random: usize,
    /// Branches of `If` nodes that no case took.
    pub untaken_branches: Vec<String>,
    /// Each output, in the model's order.
    pub outputs: Vec<OutputVerdict>,
    /// The first inputs on which it failed.
    #[serde(skip)]
    pub witness: Option<Witness>,
}

/// The worst of one output over all cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutputVerdict {
    /// The output's name.
    pub name: String,
    /// Element type of its (first) tensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Whether every case is within tolerance.
    pub passed: bool,
    /// Why not, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it may differ by: absolute for numbers, as a share of elements for integers, booleans and strings.
    pub tolerance: f64,
    /// The noise floor, in the unit of `tolerance`.
    pub noise_floor: f64,
    /// How far it is off; absent where it could not be compared.
    pub metrics: Option<Metrics>,
    /// The first case that is not within tolerance.
    #[serde(skip)]
    pub(super) failed_at: Option<usize>,
}

impl Verdict {
    pub(super) fn new(status: Status, exactness: Exactness, reason: Option<String>) -> Self {
        Self {
            status,
            runtime: None,
            reason,
            exactness,
            max_abs: None,
            max_rel: None,
            max_ulp: None,
            cosine: None,
            sqnr_db: None,
            noise_floor: None,
            cases: 0,
            feeds: Vec::new(),
            shared_random: 0,
            untaken_branches: Vec::new(),
            outputs: Vec::new(),
            witness: None,
        }
    }

    /// The verdict where no proof was asked for.
    pub fn skipped(exactness: Exactness) -> Self {
        Self::new(Status::Skipped, exactness, None)
    }

    /// The verdict where no proof is possible, such as for lack of a runtime.
    pub fn unproven(exactness: Exactness, reason: impl Into<String>) -> Self {
        Self::new(Status::Unproven, exactness, Some(reason.into()))
    }

    /// Sums the outputs up.
    pub(super) fn conclude(mut self, outputs: Vec<OutputVerdict>) -> Self {
        let metrics: Vec<&Metrics> = outputs.iter().filter_map(|o| o.metrics.as_ref()).collect();
        let most = |of: fn(&Metrics) -> f64| metrics.iter().map(|m| of(m)).reduce(f64::max);
        let least = |of: fn(&Metrics) -> Option<f64>| metrics.iter().filter_map(|m| of(m)).reduce(f64::min);
        self.max_abs = most(|m| m.max_abs);
        self.max_rel = most(|m| m.max_rel);
        self.max_ulp = metrics.iter().map(|m| m.max_ulp).max();
        self.cosine = least(|m| m.cosine);
        self.sqnr_db = least(|m| m.sqnr_db);
        self.noise_floor = outputs.iter().map(|o| o.noise_floor).reduce(f64::max);
        if let Some(bad) = outputs.iter().find(|o| !o.passed) {
            self.status = Status::Failed;
            let why = bad.reason.as_deref().unwrap_or("differs");
            self.reason = Some(format!("output '{}': {why}", bad.name));
        } else {
            self.status = Status::Passed;
        }
        self.outputs = outputs;
        self
    }
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

    pub(super) fn refuse(&mut self, why: String) {
        self.passed = false;
        self.reason.get_or_insert(why);
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
        top1: least(a.top1, b.top1),
        top5: least(a.top5, b.top5),
        equal: share(a.equal, a.elements, b.equal, b.elements),
        same_pattern: a.same_pattern && b.same_pattern,
    }
}
