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
use descend::Channel;
use grams::{Gram, Patches};

/// Elements of all matrices that are in memory at once: 128 MiB.
const ELEMENTS: usize = 32 << 20;

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
    let mut turned = 0;
    for group in 0..patches.groups {
        let Some(matrix) = gram.matrix(group) else { continue };
        let scale = |output| weights.scales.get(if weights.scales.len() == 1 { 0 } else { output }).copied();
        let channel = |output| {
            let at = |place: usize| (floats[place], i32::from(numbers[place]));
            let (exact, numbers) = patches.places(output).map(at).unzip();
            Some(Channel { exact, numbers, scale: scale(output)? })
        };
        let mut channels: Vec<Channel> = patches.outputs(group).map(channel).collect::<Option<_>>()?;
        turned += descend::descend(&mut channels, most, &matrix);
        for (output, channel) in patches.outputs(group).zip(&channels) {
            patches.places(output).zip(&channel.numbers).for_each(|(place, &n)| numbers[place] = n as i8);
        }
    }
    let numbers = Tensor::from_slice(weights.numbers.shape(), &numbers).ok()?;
    (turned > 0).then(|| Rounding { node: place.node, scales: weights.scales.clone(), numbers })
}
