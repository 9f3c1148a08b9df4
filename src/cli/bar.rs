//! A progress bar on standard error.

use crate::pipeline::{Progress, Step};
use crate::validate::Progress as Proving;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// The bar; it goes when it is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn visible() -> Self {
        let bar = ProgressBar::new(1);
        bar.set_style(
            ProgressStyle::with_template("{spinner:.cyan} {bar:24.cyan/dim} {msg}")
                .expect("the template is well-formed"),
        );
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    pub(super) fn hidden() -> Self {
        Self(ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()))
    }

    fn counted(&self, what: &str, at: usize, of: usize, more: &str) {
        self.0.set_length(of as u64);
        self.0.set_position(at as u64);
        self.0.set_message(format!("{what}: {at} of {of}{more}"));
    }
}

impl Progress for Bar {
    fn begin(&mut self, step: Step<'_>) {
        match step {
            Step::Load => self.0.set_message("reading"),
            Step::Pass { id, index, of } => {
                // Reading comes before the passes, writing and the proof behind them.
                self.0.set_length(of as u64 + 3);
                self.0.set_position(index as u64 + 1);
                self.0.set_message(id.to_owned());
            }
            Step::Write => {
                self.0.set_position(self.0.length().unwrap_or(3).saturating_sub(2));
                self.0.set_message("writing");
            }
            Step::Prove(at) => {
                self.0.set_position(self.0.length().unwrap_or(3).saturating_sub(1));
                self.0.set_message(match at {
                    Proving::Search(tries) => format!("looking for inputs: try {tries}"),
                    Proving::Original(at, of) => format!("running the original: {at} of {of}"),
                    Proving::Noise => "measuring the original's own noise".to_owned(),
                    Proving::Candidate(at, of) => format!("running the result: {at} of {of}"),
                });
            }
            Step::Blame(run, of) => {
                self.0.set_message(format!(
                    "looking for the change that made the difference: run {run} of at most {of}"
                ));
            }
            Step::Calibrate(at) => {
                let runs =
                    if at.runs > 1 { format!(", run {} of {}", at.run + 1, at.runs) } else { String::new() };
                self.counted("calibrating", at.sample, at.samples, &runs);
            }
            Step::Rank(at, of) => self.counted("ranking nodes", at, of, ""),
            Step::Effects(run, of) => {
                self.0.set_message(format!("ranking nodes by the outputs: run {} of {of}", run + 1));
            }
            Step::Smooth(at, of) => self.counted("looking at channels", at, of, ""),
            Step::Round(at, of) => self.counted("rounding weights", at, of, ""),
            Step::Correct(at, of) => self.counted("correcting biases", at, of, ""),
            Step::Judge(at, of) => self.counted("measuring accuracy", at, of, ""),
            Step::Time(at, of) => self.counted("timing", at, of, ""),
            Step::Localize => self.0.set_message("looking for the first value that differs"),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
