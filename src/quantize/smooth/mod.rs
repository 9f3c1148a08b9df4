//! Channels of inputs divided by numbers that the weights are multiplied with.
//!
//! ```text
//! x · W   =   (x / s) · (s W)
//! ```
//!
//! One scale serves all channels of a value, and one channel of large numbers makes it coarse for all others. Divided by
//! numbers of their own, channels become alike; the weights, whose channels of the result have scales each, take the
//! difference. (Xiao et al. 2023, SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models.)
//!
//! | file | idea |
//! |---|---|
//! | `sites` | values whose channels may be divided, and the products that read them |
//! | `channels` | what the samples say of each channel |
//! | `search` | the numbers for which the expected error is least |
//! | `apply` | where a model divides: in the weights of a normalization, or in a `Mul` |

mod apply;
mod channels;
mod search;
mod sites;
#[cfg(test)]
mod tests;

pub use apply::smooth;

use super::grid::Grid;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Model, NodeId, ValueId};
use crate::runtime::Runtime;

/// What the channels of one value are divided by.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothing {
    /// The value.
    pub value: ValueId,
    /// The axis of its channels.
    pub axis: usize,
    /// The products that read it divided.
    pub readers: Vec<NodeId>,
    /// By channel; positive.
    pub by: Vec<f32>,
    /// By how much the expected error goes down, in decibels.
    pub gain_db: f64,
}

/// Finds what is worth to be divided for the products that are to be quantized.
///
/// # Errors
/// A sample cannot be read, or the model does not run on it.
pub fn smoothings(
    model: &Model,
    products: &[NodeId],
    grid: Grid,
    (source, samples): (&Source, usize),
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Smoothing>> {
    let sites = sites::sites(&model.graph, products);
    let channels = channels::observe(model, &sites, source, samples, runtime, progress)?;
    Ok(sites
        .iter()
        .zip(&channels)
        .filter_map(|(site, seen)| search::search(model, site, seen, grid))
        .collect())
}
