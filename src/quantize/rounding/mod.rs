//! Weights rounded up or down by what the samples say, not to the nearest number.
//!
//! ```text
//! least  Σ_x (x · (w - s q))²  =  (w - s q)ᵀ G (w - s q)      G = Σ_x x xᵀ
//! ```
//!
//! Neighbours in an image are alike, so errors of a filter's weights must cancel each other: to the nearest number they need
//! not. The Gram matrix `G` of what the weights are multiplied with says which errors do. (Nagel et al. 2020, Up or Down?
//! Adaptive Rounding for Post-Training Quantization, equation 13; here each weight is turned where that makes the sum
//! smaller, until none does.)
//!
//! | file | idea |
//! |---|---|
//! | `grams` | the matrices of products, computed in the graph itself |
//! | `descend` | the rounding of channels |

mod descend;
mod grams;

use super::place::Place;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Graph, Model, NodeId};
use crate::runtime::Runtime;
use crate::tensor::Tensor;
use descend::{Channel, Matrix, descend};
use grams::{Gram, Patches};
use rayon::prelude::*;

/// Elements of all matrices that are in memory at once: 128 MiB.
const ELEMENTS: usize = 32 << 20;

/// Channels whose slopes are found at once, by one thread.
const TILE: usize = 64;

/// The whole numbers of one product's weight.
#[derive(Clone, Debug)]
pub struct Rounding {
    /// The product.
    pub node: NodeId,
    /// The scales that they were chosen for.
    pub scales: Vec<f32>,
    /// In the shape of the weight.
    pub numbers: Tensor,
}

/// Rounds the weights of the products among the places by the first samples. What shifts all results of a channel alike
/// counts as well, though a bias could take it back.
///
/// # Errors
/// A sample cannot be read, or the model does not run on it.
pub fn roundings(
    model: &Model,
    places: &[Place],
    (source, samples): (&Source, usize),
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Rounding>> {
    let products: Vec<(&Place, Patches)> = places
        .iter()
        .filter(|p| p.weights.len() == 1)
        .filter_map(|p| Some((p, Patches::of(&model.graph, p.node)?)))
        .collect();
    let mut all = Vec::new();
    for batch in batches(&products) {
        let patches: Vec<&Patches> = batch.iter().map(|(_, patches)| patches).collect();
        let grams = grams::observe(model, &patches, (source, samples), runtime, progress)?;
        for ((place, patches), gram) in batch.iter().zip(&grams) {
            all.extend(round(&model.graph, place, patches, gram));
        }
    }
    Ok(all)
}

/// As many products at a time as memory allows.
fn batches<'a, 'p>(products: &'a [(&'p Place, Patches)]) -> Vec<&'a [(&'p Place, Patches)]> {
    let mut batches = Vec::new();
    let (mut start, mut elements) = (0, 0);
    for (at, (_, patches)) in products.iter().enumerate() {
        if at > start && elements + patches.elements() > ELEMENTS {
            batches.push(&products[start..at]);
            (start, elements) = (at, 0);
        }
        elements += patches.elements();
    }
    batches.extend((start < products.len()).then(|| &products[start..]));
    batches
}

/// Turns the numbers of one weight; `None` where nothing gets better.
fn round(graph: &Graph, place: &Place, patches: &Patches, gram: &Gram) -> Option<Rounding> {
    let (at, weights) = place.weights.first()?;
    let floats = graph.const_value(graph.node(place.node).input(*at)?)?.to_vec::<f32>()?;
    let mut numbers = weights.numbers.to_vec::<i8>()?;
    let most = numbers.iter().map(|n| i32::from(*n).abs()).max()?;
    let weight = Weight { patches, floats: &floats, numbers: &numbers, scales: &weights.scales, most };
    let turned: Vec<Turned> =
        (0..patches.groups).into_par_iter().flat_map_iter(|group| weight.turned(group, gram)).collect();
    for channel in &turned {
        patches.places(channel.output).zip(&channel.numbers).for_each(|(place, &n)| numbers[place] = n);
    }
    let numbers = Tensor::from_slice(weights.numbers.shape(), &numbers).ok()?;
    (!turned.is_empty()).then(|| Rounding { node: place.node, scales: weights.scales.clone(), numbers })
}

/// A weight as it is, and as it is rounded so far.
struct Weight<'a> {
    patches: &'a Patches,
    floats: &'a [f32],
    numbers: &'a [i8],
    scales: &'a [f32],
    most: i32,
}

/// The numbers of a channel, some of which have changed.
struct Turned {
    output: usize,
    numbers: Vec<i8>,
}

impl Weight<'_> {
    fn turned(&self, group: usize, gram: &Gram) -> Vec<Turned> {
        let Some(matrix) = gram.matrix(group) else { return Vec::new() };
        let outputs: Vec<usize> = self.patches.outputs(group).collect();
        outputs.par_chunks(TILE).flat_map_iter(|tile| self.turned_in(tile, &matrix)).collect()
    }

    fn turned_in(&self, outputs: &[usize], gram: &Matrix) -> Vec<Turned> {
        let mut channels: Vec<Channel> = outputs.iter().filter_map(|&output| self.channel(output)).collect();
        descend(&mut channels, self.most, gram);
        let turned = channels.into_iter().filter(|channel| channel.turned > 0);
        let narrow = |c: Channel| c.numbers.iter().map(|&n| n as i8).collect();
        turned.map(|c| Turned { output: c.output, numbers: narrow(c) }).collect()
    }

    fn channel(&self, output: usize) -> Option<Channel> {
        let of_place = |place: usize| (self.floats[place], i32::from(self.numbers[place]));
        let (exact, numbers) = self.patches.places(output).map(of_place).unzip();
        let scale = *self.scales.get(if self.scales.len() == 1 { 0 } else { output })?;
        Some(Channel { output, exact, numbers, scale, turned: 0 })
    }
}
