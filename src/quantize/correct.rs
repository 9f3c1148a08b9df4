//! Biases that take back what rounding shifts the mean of each channel by.
//!
//! ```text
//! b'[c] = b[c] + mean(Conv(x, w)[c] - Conv(DQ(Q(x)), DQ(w'))[c])
//! ```
//!
//! The error of a weight meets inputs whose mean is not zero, such as those behind a `Relu`, and moves every element of a
//! channel alike; of a depthwise convolution that is most of the error. (Nagel et al. 2019, Data-Free Quantization Through
//! Weight Equalization and Bias Correction, section 4.2; here the mean is measured over samples.) Where a result is read
//! through one function alone, elements count by the square of its slope: those below zero that a `Relu` hides do not.

use super::layers::Layer;
use super::place::Place;
use super::probe::numbers;
use super::slopes::passed;
use super::twins::Twins;
use crate::data::Source;
use crate::error::{Error, Result};
use crate::ir::{Graph, Model, NodeId, RegionId, Use};
use crate::runtime::{RunValue, Runtime};
use crate::tensor::{DType, Tensor};

/// What is added to the bias of a product: one number a channel of its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// The product.
    pub node: NodeId,
    /// By channel.
    pub shift: Vec<f32>,
}

/// Measures over the first samples what each product among the places is off by in the mean.
///
/// # Errors
/// A sample cannot be read, or the model does not run on it.
pub fn corrections(
    model: &Model,
    places: &[Place],
    source: &Source,
    samples: usize,
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Correction>> {
    let mut twins = Twins::on_rounded(model, places)?;
    let mut nodes = Vec::new();
    for twin in twins.all.clone() {
        let Some(axes) = summed(&model.graph, twin.node) else { continue };
        let (mut loss, mut weights) = (twin.loss, twins.probe.add("Size", &[twin.loss], DType::I64));
        if let Some(passed) = passed(&mut twins.probe, model, twin.value) {
            loss = twins.probe.add("Mul", &[loss, passed], DType::F32);
            weights = twins.probe.reduce("ReduceSum", passed, &axes);
        }
        let sum = twins.probe.reduce("ReduceSum", loss, &axes);
        twins.probe.tell(sum);
        twins.probe.tell(weights);
        nodes.push(twin.node);
    }
    let mut sums = vec![Sum::default(); nodes.len()];
    twins.run(source, samples, runtime, |at, values| {
        progress(at);
        sums.iter_mut().zip(values.chunks(2)).try_for_each(|(sum, told)| sum.add(&told[0], &told[1]))
    })?;
    Ok(nodes.into_iter().zip(sums).map(|(node, sum)| Correction { node, shift: sum.mean() }).collect())
}

/// The axes of a product's result but that of its channels; `None` where it has no bias to correct.
fn summed(graph: &Graph, node: NodeId) -> Option<Vec<i64>> {
    Bias::of(graph, node)?;
    let n = graph.node(node);
    let rank = graph.rank(n.outputs()[0]).filter(|rank| *rank > 1)? as i64;
    let axis = if n.op().is("Conv") || n.op().is("ConvTranspose") { 1 } else { rank - 1 };
    Some((0..rank).filter(|a| *a != axis).collect())
}

#[derive(Clone, Default)]
struct Sum {
    channels: Vec<f64>,
    /// What the sums are to be divided by.
    weights: Vec<f64>,
}

impl Sum {
    /// Adds sums of the channels, and their weights or the number of elements of all.
    fn add(&mut self, sums: &RunValue, weights: &RunValue) -> Result<()> {
        let sums = numbers::<f32>(sums)?;
        let count = sums.len();
        let weights = numbers::<f32>(weights).or_else(|_| {
            let size = numbers::<i64>(weights)?.first().copied().unwrap_or_default();
            Ok::<_, Error>(vec![size as f32 / count.max(1) as f32; count])
        })?;
        self.channels.resize(count, 0.0);
        self.weights.resize(count, 0.0);
        let adds =
            |all: &mut [f64], more: &[f32]| all.iter_mut().zip(more).for_each(|(a, b)| *a += f64::from(*b));
        adds(&mut self.channels, &sums);
        adds(&mut self.weights, &weights);
        Ok(())
    }

    /// A mean that is no number corrects nothing.
    fn mean(self) -> Vec<f32> {
        let mean =
            |(sum, weight): (f64, f64)| Some((sum / weight) as f32).filter(|m| m.is_finite()).unwrap_or(0.0);
        self.channels.into_iter().zip(self.weights).map(mean).collect()
    }
}

/// A model whose biases are corrected.
pub fn corrected(model: &Model, corrections: &[Correction]) -> Model {
    let mut model = model.clone();
    corrections.iter().for_each(|c| correct(&mut model.graph, c));
    model
}

fn correct(graph: &mut Graph, correction: &Correction) {
    let Some(bias) = Bias::of(graph, correction.node) else { return };
    let (node, at) = match bias {
        Bias::Operand(at) => (correction.node, at),
        Bias::Sum(node, at) => (node, at),
    };
    let old = graph.node(node).input(at).and_then(|v| graph.const_value(v));
    let Some(tensor) = shifted(old.as_ref(), &correction.shift) else { return };
    let name = graph.fresh_name(&format!("{}/bias", graph.label(correction.node)));
    let new = graph.add_initializer(RegionId::ROOT, name, tensor);
    if at < graph.node(node).inputs().len() {
        graph.set_operand(node, at, Some(new));
    } else {
        graph.push_operand(node, Some(new));
    }
}

/// A bias with a number more a channel, in its own shape; `None` where it has others.
fn shifted(old: Option<&Tensor>, shift: &[f32]) -> Option<Tensor> {
    let Some(old) = old else { return Some(Tensor::vector(shift)) };
    let values = old.to_vec::<f32>().filter(|v| v.len() == shift.len())?;
    let sum: Vec<f32> = values.iter().zip(shift).map(|(value, shift)| value + shift).collect();
    Tensor::from_slice(old.shape(), &sum).ok()
}

/// Where the bias of a product is.
enum Bias {
    /// An operand of its own; perhaps not there yet.
    Operand(usize),
    /// An operand of the sum that alone reads it.
    Sum(NodeId, usize),
}

impl Bias {
    fn of(graph: &Graph, node: NodeId) -> Option<Self> {
        let n = graph.node(node);
        let layer = Layer::of(graph, n).ok()?;
        if let Some(at) = layer.bias {
            return Some(Self::Operand(at));
        }
        if n.op().is("Conv") || n.op().is("ConvTranspose") {
            return Some(Self::Operand(2));
        }
        let [Use::Operand { node: sum, index }] = graph.value(n.outputs()[0]).uses() else { return None };
        let (sum, at) = (*sum, usize::from(*index == 0));
        let other = graph.node(sum).input(at)?;
        // Only the last dim is longer than 1: one number a channel.
        let shape = graph.const_value(other)?;
        let vector = shape.shape().last() == Some(&shape.len());
        (graph.node(sum).op().is("Add") && vector && shape.dtype() == DType::F32)
            .then_some(Self::Sum(sum, at))
    }
}
