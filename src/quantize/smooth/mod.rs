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
//! | `absorb` | constants that take the division in |
//! | `apply` | where a model divides: in those, or in a `Mul` |

mod absorb;
mod apply;
mod channels;
mod search;
mod sites;
#[cfg(test)]
mod tests;

pub use apply::{divisible, smooth};

use super::grid::Grid;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Model, NodeId, ValueId};
use crate::runtime::Runtime;
use rustc_hash::FxHashSet;
use sites::Site;

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

/// Finds what is worth to be divided for the products that are to be quantized. Values that are `whole` anyway, and what
/// convolutions read, are divided only where constants of what makes them take that in.
///
/// # Errors
/// A sample cannot be read, or the model does not run on it.
pub fn smoothings(
    model: &Model,
    products: &[NodeId],
    whole: &FxHashSet<ValueId>,
    grid: Grid,
    (source, samples): (&Source, usize),
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Smoothing>> {
    let graph = &model.graph;
    let mut sites = sites::sites(graph, products);
    for site in &mut sites {
        let readers: Vec<NodeId> = site.readers.iter().map(|r| r.node).collect();
        let channels = site.readers.first().map_or(0, |r| r.lie.inputs);
        site.is_free = absorb::slots(graph, site.value, (site.axis, channels), &readers).is_some();
    }
    let is_bound = |site: &Site| whole.contains(&site.value) || search::is_convolved(graph, site);
    sites.retain(|site| site.is_free || !is_bound(site));
    let channels = channels::observe(model, &sites, source, samples, runtime, progress)?;
    Ok(sites
        .iter()
        .zip(&channels)
        .filter_map(|(site, seen)| search::search(model, site, seen, grid))
        .collect())
}
