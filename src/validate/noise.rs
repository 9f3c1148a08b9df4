//! The noise floor: what the original answers to a disturbance of one unit in the last place.
//!
//! Every finite float of the inputs moves to a neighbour, up or down by a seeded coin, and the answers are compared
//! with those to the inputs as they are; the larger of several such runs counts. Where that cannot disturb the model
//! (only integers go in, or they are rounded away at once), its float weights are moved instead, those that the graph
//! reads first. Where outputs differ nevertheless, and not all passes that fired are exact, what the model itself rounds
//! to fewer digits, by quantizers, `Round` and conversions, is moved right before: an element near a step falls to the
//! other side, which no disturbance of the inputs may have shown.

use super::compare::{Metrics, compare};
use super::numbers::moved;
use super::search::Case;
use crate::data::FeedSet;
use crate::data::made::rng::Rng;
use crate::runtime::{RunValue, Session};

/// The noise floor of one output.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Floor {
    /// Largest absolute difference.
    pub(super) abs: f64,
    /// Largest share of elements that changed.
    pub(super) changed: f64,
    /// Whether the disturbance changed the shape, or where `NaN` and infinities are.
    pub(super) unstable: bool,
}

impl Floor {
    fn add(&mut self, measured: Result<Metrics, String>) {
        match measured {
            Ok(m) => {
                self.abs = self.abs.max(m.max_abs);
                self.changed = self.changed.max(1.0 - m.equal);
                self.unstable |= !m.same_pattern;
            }
            Err(_) => self.unstable = true,
        }
    }
}

/// Whether the disturbance changed nothing at all.
pub(super) fn is_silent(floors: &[Floor]) -> bool {
    floors.iter().all(|f| *f == Floor::default())
}

/// Moves the inputs of each case and adds what the answers differ by.
pub(super) fn by_inputs(
    session: &mut dyn Session,
    cases: &[Case],
    outputs: &[&str],
    seed: u64,
    runs: usize,
    floors: &mut [Floor],
) {
    for (at, case) in cases.iter().enumerate() {
        for run in 0..runs {
            let mut rng = Rng::new(seed, &format!("noise/{at}/{run}"));
            let Some(feeds) = disturbed(&case.feeds, &mut rng) else { continue };
            add(session, &feeds, case, outputs, floors);
        }
    }
}

/// Adds what a session of the model with moved weights, or moved before it rounds, answers to each case.
pub(super) fn by_weights(session: &mut dyn Session, cases: &[Case], outputs: &[&str], floors: &mut [Floor]) {
    for case in cases {
        add(session, &case.feeds, case, outputs, floors);
    }
}

fn add(session: &mut dyn Session, feeds: &FeedSet, case: &Case, outputs: &[&str], floors: &mut [Floor]) {
    // Inputs that the model no longer takes say nothing about its noise.
    let Ok(answers) = session.run(&feeds.as_feeds(), outputs) else { return };
    for ((floor, was), is) in floors.iter_mut().zip(&case.outputs).zip(&answers) {
        floor.add(compare(was, is));
    }
}

/// The feeds with their floats moved; `None` where there are none.
fn disturbed(feeds: &FeedSet, rng: &mut Rng) -> Option<FeedSet> {
    let mut any = false;
    let values =
        feeds.values.iter().map(|(name, value)| (name.clone(), shift(value, rng, &mut any))).collect();
    any.then(|| FeedSet { label: feeds.label.clone(), values })
}

fn shift(value: &RunValue, rng: &mut Rng, any: &mut bool) -> RunValue {
    match value {
        RunValue::Tensor(t) => match moved(t, || rng.coin()) {
            Some(t) => {
                *any = true;
                RunValue::Tensor(t)
            }
            None => value.clone(),
        },
        RunValue::Sequence(all) => RunValue::Sequence(all.iter().map(|v| shift(v, rng, any)).collect()),
        RunValue::Optional(Some(inner)) => RunValue::Optional(Some(Box::new(shift(inner, rng, any)))),
        RunValue::Optional(None) | RunValue::Map(..) => value.clone(),
    }
}
