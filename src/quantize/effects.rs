//! Which nodes are best left in floats for the outputs' sake.
//!
//! A node may lose much by itself and the outputs little, since all else averages it away; or little, of which everything
//! after it depends: a shift of an even ground is in every mean. So each node alone is run in whole numbers, and what that
//! costs the outputs is measured, at the price of a run for each node and sample.

use super::accuracy::Sums;
use super::answers::failed;
use super::gates::Gates;
use super::layers::Layer;
use super::place::Place;
use super::probe::numbers;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Dim, Model, NodeId, RegionId, topological};
use crate::runtime::Runtime;
use rustc_hash::FxHashSet;

/// What a node in floats costs an element beside its products: its neighbours' numbers are converted, there and back.
const CONVERSIONS: f64 = 16.0;

/// What one node does to the outputs.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// The node.
    pub node: NodeId,
    /// Power of the error by that of the output that it spoils most.
    pub error: f64,
    /// What floats are instead: products and conversions of a run, and numbers that are stored.
    pub work: f64,
}

/// Measures the products and tables among the places over the first samples.
///
/// # Errors
/// A sample cannot be read, or the model does not run on it.
pub fn effects(
    model: &Model,
    places: &[Place],
    (source, samples): (&Source, usize),
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Effect>> {
    let gates = Gates::new(model, places);
    let nodes = gates.nodes.len();
    if nodes == 0 {
        return Ok(Vec::new());
    }
    let mut session = gates.open(runtime)?;
    let mut sums: Vec<Vec<Sums>> =
        (0..nodes).map(|_| session.outputs.iter().map(|_| Sums::default()).collect()).collect();
    let mut elements = vec![0.0; nodes];
    let samples = samples.min(source.len());
    for at in 0..samples {
        let feeds = source.sample(at)?;
        let (float, sizes) = session.floats(&feeds).map_err(|e| failed(e, &feeds))?;
        for (elements, size) in elements.iter_mut().zip(&sizes) {
            *elements += numbers::<i64>(size)?.first().map_or(0.0, |size| *size as f64);
        }
        for (node, sums) in sums.iter_mut().enumerate() {
            progress(at * nodes + node, samples * nodes);
            let rounded = session.run(&feeds, node).map_err(|e| failed(e, &feeds))?;
            sums.iter_mut().zip(float.iter().zip(&rounded)).for_each(|(sums, (a, b))| sums.add(a, b));
        }
    }
    let effect = |((&node, sums), elements): ((&NodeId, Vec<Sums>), f64)| Effect {
        node,
        error: sums.into_iter().map(Sums::error_power).fold(0.0, f64::max),
        work: elements / samples as f64 * (products(model, node) + CONVERSIONS) + stored(model, node),
    };
    Ok(gates.nodes.iter().zip(sums).zip(elements).map(effect).collect())
}

/// Orders in which nodes may go back to floats; which of them serves a model best is seen by trying.
///
/// First what spoils the outputs most; first what does for its work in floats; and from the inputs on, since an error there
/// goes through everything, and floats side by side need no conversions.
pub fn orders(model: &Model, effects: &[Effect]) -> Result<Vec<Vec<NodeId>>> {
    let ranked = |gain: fn(&Effect) -> f64| {
        let mut effects: Vec<&Effect> = effects.iter().collect();
        effects.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
        effects.into_iter().map(|effect| effect.node).collect()
    };
    let ruled: FxHashSet<NodeId> = effects.iter().map(|effect| effect.node).collect();
    let mut forward = topological(&model.graph, RegionId::ROOT)?;
    forward.retain(|node| ruled.contains(node));
    Ok(vec![ranked(|effect| effect.error), ranked(|effect| effect.error / effect.work.max(1.0)), forward])
}

/// Numbers of a node's constants.
fn stored(model: &Model, node: NodeId) -> f64 {
    let constants = model.graph.node(node).inputs().flatten().filter_map(|v| model.graph.const_value(v));
    constants.map(|tensor| tensor.len() as f64).sum()
}

/// Products that an element of a node's result is the sum of.
fn products(model: &Model, node: NodeId) -> f64 {
    let (graph, n) = (&model.graph, model.graph.node(node));
    let channels = Layer::with_any_bias(graph, n).ok().and_then(|layer| {
        let weight = graph.shape(n.input(layer.weight)?)?;
        let sizes: Option<Vec<u64>> = weight.iter().map(Dim::as_fixed).collect();
        let sizes = sizes?;
        Some(sizes.iter().product::<u64>() as f64 / sizes[layer.axis].max(1) as f64)
    });
    channels.unwrap_or(0.0)
}
