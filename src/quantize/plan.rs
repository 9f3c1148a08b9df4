//! The choices with their numbers: scale and zero point of every value, weights and biases rounded.

use super::choose::{Choice, Role};
use super::grid::{Affine, Grid};
use super::layers::Layer;
use super::place::Place;
use super::weights::{Weights, bias};
use crate::error::{Error, Result};
use crate::ir::{Graph, NodeId, ValueId};
use crate::target::Quantized;
use crate::tensor::DType;
use rustc_hash::{FxHashMap, FxHashSet};

/// The values whose ranges the choices ask for, each once, in the order of the choices.
pub fn wanted(graph: &Graph, choices: &[Choice]) -> Vec<ValueId> {
    let mut seen = FxHashSet::default();
    let mut values: Vec<ValueId> = choices.iter().flat_map(|c| wanted_by(graph, c)).collect();
    values.retain(|v| seen.insert(*v));
    values
}

/// The values whose ranges one choice asks for.
pub fn wanted_by(graph: &Graph, choice: &Choice) -> Vec<ValueId> {
    let node = graph.node(choice.node);
    match &choice.role {
        Role::Product { layer, result } => node.input(layer.data).into_iter().chain(*result).collect(),
        Role::Between { result } => floats(graph, choice.node).into_iter().chain([*result]).collect(),
        Role::Skip { at } => node.input(*at).into_iter().collect(),
        Role::Clamp | Role::Moved | Role::Lookup | Role::Float(_) => Vec::new(),
    }
}

/// What is to be written for the choices, by the smallest and the largest number of each value that is [`wanted`], with
/// weights in the numbers of a grid.
///
/// # Errors
/// A value has no range, or a weight is not finite: the node is named.
pub fn plan(
    graph: &Graph,
    choices: &[Choice],
    target: &Quantized,
    ranges: &FxHashMap<ValueId, (f32, f32)>,
    weights: Grid,
) -> Result<Vec<Place>> {
    let mut planner =
        Planner { graph, target, grid: Grid::of(target), weights, ranges, known: FxHashMap::default() };
    let mut places = Vec::new();
    for choice in choices {
        let planned = planner.choice(choice).map_err(|e| e.at(graph.label(choice.node)))?;
        places.extend(planned);
    }
    Ok(places)
}

struct Planner<'a> {
    graph: &'a Graph,
    target: &'a Quantized,
    grid: Grid,
    weights: Grid,
    ranges: &'a FxHashMap<ValueId, (f32, f32)>,
    /// What was decided of values before: what moves elements keeps it.
    known: FxHashMap<ValueId, Affine>,
}

impl Planner<'_> {
    fn choice(&mut self, choice: &Choice) -> Result<Vec<Place>> {
        let node = choice.node;
        match &choice.role {
            Role::Product { layer, result } => self.product(node, *layer, *result),
            Role::Between { result } => {
                let mut inputs = Vec::new();
                for at in self.operands(node) {
                    inputs.push((at, self.affine_of(node, at)?));
                }
                self.with_result(Place { inputs, ..Place::nothing(node) }, *result)
            }
            Role::Moved => {
                let at = *self.operands(node).first().ok_or_else(|| Error::new("it moves no floats"))?;
                let affine = self.affine_of(node, at)?;
                self.known.extend(self.graph.node(node).outputs().iter().map(|&v| (v, affine)));
                Ok(vec![Place { inputs: vec![(at, affine)], output: Some(affine), ..Place::nothing(node) }])
            }
            Role::Skip { at } => {
                Ok(vec![Place { inputs: vec![(*at, self.affine_of(node, *at)?)], ..Place::nothing(node) }])
            }
            Role::Lookup => Ok(vec![Place { table: Some(self.table(node)?), ..Place::nothing(node) }]),
            Role::Clamp | Role::Float(_) => Ok(Vec::new()),
        }
    }

    /// A table that rows are looked up in, with a scale for each column.
    fn table(&self, node: NodeId) -> Result<Weights> {
        let table = self.graph.node(node).input(0).and_then(|v| self.graph.const_value(v));
        let rounded = table.and_then(|t| Weights::round(&t, Some(1), Grid::SIGNED));
        rounded.ok_or_else(|| Error::new("its table is not finite"))
    }

    fn product(&mut self, node: NodeId, layer: Layer, result: Option<ValueId>) -> Result<Vec<Place>> {
        let input = self.affine_of(node, layer.data)?;
        let constant = |at: usize| self.graph.const_value(self.graph.node(node).input(at)?);
        let weight = constant(layer.weight).ok_or_else(|| Error::new("its weight cannot be read"))?;
        let rounded = Weights::round(&weight, Some(layer.axis), self.weights);
        let mut weights = rounded.ok_or_else(|| Error::new("its weight is not finite"))?;
        let mut place = Place { inputs: vec![(layer.data, input)], ..Place::nothing(node) };
        if let Some(at) = layer.bias.filter(|_| self.target.whole_bias) {
            let tensor = constant(at).ok_or_else(|| Error::new("its bias cannot be read"))?;
            let fitted = bias(&tensor, input.scale, &weights.scales);
            let (numbers, scales) = fitted.ok_or_else(|| Error::new("its bias has no whole numbers"))?;
            if scales != weights.scales {
                let wider = Weights::round_at(&weight, layer.axis, self.weights, &scales);
                weights = wider.ok_or_else(|| Error::new("its weight cannot be read"))?;
            }
            let steps = scales.iter().map(|s| s * input.scale).collect();
            place.bias = Some((at, numbers, steps));
        }
        place.weights = vec![(layer.weight, weights)];
        match result {
            Some(result) => self.with_result(place, result),
            None => Ok(vec![place]),
        }
    }

    /// A place whose result is quantized, or that of its clamp.
    fn with_result(&mut self, mut place: Place, result: ValueId) -> Result<Vec<Place>> {
        let affine = self.affine(result)?;
        let makes = self.graph.producer(result).ok_or_else(|| Error::new("nothing makes its result"))?;
        if makes == place.node {
            place.output = Some(affine);
            return Ok(vec![place]);
        }
        Ok(vec![place, Place { output: Some(affine), ..Place::nothing(makes) }])
    }

    fn operands(&self, node: NodeId) -> Vec<usize> {
        let n = self.graph.node(node);
        let float = |at: &usize| n.input(*at).is_some_and(|v| self.graph.dtype(v) == Some(DType::F32));
        (0..n.inputs().len()).filter(float).collect()
    }

    fn affine_of(&mut self, node: NodeId, at: usize) -> Result<Affine> {
        let value = self.graph.node(node).input(at).ok_or_else(|| Error::new("an operand is left out"))?;
        self.affine(value)
    }

    fn affine(&mut self, value: ValueId) -> Result<Affine> {
        if let Some(known) = self.known.get(&value) {
            return Ok(*known);
        }
        let range = self.ranges.get(&value);
        let name = self.graph.value(value).name();
        let &(min, max) = range.ok_or_else(|| Error::new(format!("the range of '{name}' is not known")))?;
        let affine = self.grid.fit(min, max);
        let affine = affine.ok_or_else(|| Error::new(format!("the range of '{name}' is not finite")))?;
        self.known.insert(value, affine);
        Ok(affine)
    }
}

fn floats(graph: &Graph, node: NodeId) -> Vec<ValueId> {
    graph.node(node).inputs().flatten().filter(|&v| graph.dtype(v) == Some(DType::F32)).collect()
}
