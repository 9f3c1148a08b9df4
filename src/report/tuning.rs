//! What `optimize --tune` has tried.

use super::table::table;
use super::{Number, plain};
use serde::Serialize;

/// All trials.
#[derive(Clone, Debug, Serialize)]
pub struct TuningReport {
    /// The sizes or file of each set of inputs that was timed.
    pub feeds: Vec<String>,
    /// In order.
    pub trials: Vec<Trial>,
    /// Passes that were not tried, as the time was up.
    pub untried: usize,
}

/// One pass, switched and timed.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// The pass.
    pub pass: String,
    /// Whether it was switched on; else off.
    pub enabled: bool,
    /// Runs of both models that were measured.
    pub pairs: usize,
    /// The median of the pairs' ratios, time with the switch by time without; `None` where it does not run.
    pub ratio: Option<Number>,
    /// The bounds that hold it; `None` of too few pairs.
    pub ratio_interval: Option<[Number; 2]>,
    /// How sure that is, as a share of 1: for all trials together 0.95.
    pub confidence: f64,
    /// Whether the switch was kept.
    pub kept: bool,
    /// Why there is no such model, or why the runtime does not take it.
    pub failed: Option<String>,
}

impl TuningReport {
    /// The trials as a table, and what was not tried.
    pub(super) fn human(&self) -> String {
        let rows: Vec<_> = self.trials.iter().map(row).collect();
        let mut text = match rows.is_empty() {
            true => "tuned: no pass to switch\n".to_owned(),
            false => table(&["switched", ">time against before", ""], rows),
        };
        text += &format!("timed on {}\n", self.feeds.join("; "));
        if self.untried > 0 {
            text += &format!(
                "untried switches: {}, as the time was up; --tune=SECONDS allows more\n",
                self.untried
            );
        }
        text
    }
}

fn row(trial: &Trial) -> Vec<String> {
    let time = match (&trial.ratio, &trial.ratio_interval) {
        (Some(ratio), Some([low, high])) => format!("{:.3} ({:.3}–{:.3})", ratio.0, low.0, high.0),
        (Some(ratio), None) => format!("{:.3}", ratio.0),
        (None, _) => String::new(),
    };
    let outcome = match &trial.failed {
        Some(why) => plain(why).into_owned(),
        None if trial.kept => "kept".to_owned(),
        None if trial.ratio_interval.is_none() => "too few runs to tell".to_owned(),
        None => String::new(),
    };
    let switch = if trial.enabled { "on" } else { "off" };
    vec![format!("{} {switch}", trial.pass), time, outcome]
}
