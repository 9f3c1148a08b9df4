//! How much each node loses by itself, all in one run.
//!
//! What leaves the graph of [`twins`](super::twins) are two numbers a node, the power of its result and that of the
//! difference, so that values of any size cost nothing:
//!
//! ```text
//! Σ Conv(x, w)²     Σ (Conv(x, w) - Conv(DQ(Q(x)), DQ(w')))²
//! ```
//!
//! Of a table these are the powers of the rows that the samples look up.

use super::accuracy::decibels;
use super::place::Place;
use super::probe::numbers;
use super::twins::{Twin, Twins};
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Model, NodeId};
use crate::runtime::Runtime;

/// What one node loses.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// The node.
    pub node: NodeId,
    /// Power of its result by that of the error, in decibels.
    pub sqnr_db: f64,
}

/// Ranks the products and tables among the places by the first samples, the most sensitive first.
///
/// # Errors
/// A sample cannot be read, or the model does not run on it.
pub fn sensitivities(
    model: &Model,
    places: &[Place],
    source: &Source,
    samples: usize,
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Sensitivity>> {
    let mut twins = Twins::alone(model, places);
    let all = twins.all.clone();
    for value in all.iter().flat_map(|t| [t.value, t.loss]) {
        let power = twins.probe.reduce("ReduceSumSquare", value, &[]);
        twins.probe.tell(power);
    }
    let mut powers = vec![0f64; 2 * all.len()];
    twins.run(source, samples, runtime, |at, values| {
        progress(at);
        powers.iter_mut().zip(&values).try_for_each(|(power, value)| {
            *power += numbers::<f32>(value)?.first().copied().map_or(0.0, f64::from);
            Ok(())
        })
    })?;
    let rank = |(twin, power): (&Twin, &[f64])| Sensitivity {
        node: twin.node,
        sqnr_db: decibels(power[0], power[1]),
    };
    let mut ranked: Vec<Sensitivity> = all.iter().zip(powers.chunks(2)).map(rank).collect();
    ranked.sort_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db));
    Ok(ranked)
}
