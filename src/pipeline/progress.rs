//! How a long job tells where it is.

use crate::{calibrate, validate};

/// What a job is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Reads a model.
    Load,
    /// Runs a pass: its name, how many were begun, how many there are in one sweep.
    Pass {
        /// The pass.
        id: &'a str,
        /// Its position in the sweep, from 0.
        index: usize,
        /// Passes in a sweep.
        of: usize,
    },
    /// Verifies the graph and writes it beside its place.
    Write,
    /// Runs both models and compares.
    Prove(validate::Progress),
    /// Looks for the change that made a difference: the run of so many at most.
    Blame(usize, usize),
    /// Runs the model on samples and observes its values.
    Calibrate(calibrate::Progress),
    /// Runs nodes beside themselves in whole numbers: has run so many samples of so many.
    Rank(usize, usize),
    /// Runs the model with one node alone in whole numbers: the run of so many.
    Effects(usize, usize),
    /// Looks at channels of values: has run so many samples of so many.
    Smooth(usize, usize),
    /// Chooses how weights are rounded: has run so many samples of so many.
    Round(usize, usize),
    /// Measures what rounding shifts the means by: has run so many samples of so many.
    Correct(usize, usize),
    /// Holds the result against the original: has run so many samples of so many.
    Judge(usize, usize),
    /// Has timed so many pairs of runs of so many.
    Time(usize, usize),
    /// Looks for the first value that differs.
    Localize,
}

/// Told of every step before it begins.
pub trait Progress {
    /// The next step begins.
    fn begin(&mut self, step: Step<'_>);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: Step<'_>) {}
}
