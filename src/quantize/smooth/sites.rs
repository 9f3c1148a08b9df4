//! Values whose channels may be divided, and the products that read them.

use crate::ir::{Graph, NodeId, ValueId};
use crate::quantize::layers::Layer;
use crate::tensor::Tensor;
use rustc_hash::FxHashMap;

/// A value that products read as their data.
pub(super) struct Site {
    pub(super) value: ValueId,
    /// The axis of the channels.
    pub(super) axis: usize,
    pub(super) rank: usize,
    pub(super) readers: Vec<Reader>,
    /// Dividing it needs no node.
    pub(super) is_free: bool,
}

/// A product, and its weight as a matrix.
pub(super) struct Reader {
    pub(super) node: NodeId,
    /// The operand that is the weight.
    pub(super) weight: usize,
    pub(super) lie: Lie,
}

/// How the channels of the data lie in a weight.
#[derive(Clone, Copy)]
pub(super) struct Lie {
    /// Channels of the data.
    pub(super) inputs: usize,
    /// Channels of the result.
    pub(super) outputs: usize,
    /// Neighbours in the weight that belong to the same pair of channels.
    inner: usize,
    order: Order,
}

#[derive(Clone, Copy)]
enum Order {
    /// `[inputs, outputs]`.
    InputsFirst,
    /// `[outputs, inputs]`.
    OutputsFirst,
    /// `[outputs, inputs / groups, …]`.
    Grouped(usize),
}

impl Lie {
    /// Channel of the data and of the result of the weight's element at a place.
    pub(super) fn channels(self, at: usize) -> (usize, usize) {
        let pair = at / self.inner;
        match self.order {
            Order::InputsFirst => (pair / self.outputs, pair % self.outputs),
            Order::OutputsFirst => (pair % self.inputs, pair / self.inputs),
            Order::Grouped(groups) => {
                let (each, of_group) = (self.inputs / groups, self.outputs / groups);
                let output = pair / each;
                (output / of_group * each + pair % each, output)
            }
        }
    }

    fn of(graph: &Graph, node: NodeId, layer: Layer) -> Option<(Self, usize, usize)> {
        let n = graph.node(node);
        let weight = graph.const_value(n.input(layer.weight)?)?;
        let (shape, rank) = (weight.shape(), graph.rank(n.input(layer.data)?)?);
        let op = n.op();
        let lie = |inputs, outputs, inner, order| Self { inputs, outputs, inner, order };
        if op.is("MatMul") && shape.len() == 2 && rank >= 2 {
            return Some((lie(shape[0], shape[1], 1, Order::InputsFirst), rank - 1, rank));
        }
        if op.is("Gemm") && n.int("transA").unwrap_or(0) == 0 {
            let lie = match n.int("transB").unwrap_or(0) {
                0 => lie(shape[0], shape[1], 1, Order::InputsFirst),
                _ => lie(shape[1], shape[0], 1, Order::OutputsFirst),
            };
            return Some((lie, 1, 2));
        }
        if op.is("Conv") {
            let groups = usize::try_from(n.int("group").unwrap_or(1)).ok().filter(|g| *g > 0)?;
            let inputs = shape[1].checked_mul(groups)?;
            let whole = shape[0] % groups == 0 && shape[0] > 0;
            let inner = shape[2..].iter().product();
            return whole.then_some((lie(inputs, shape[0], inner, Order::Grouped(groups)), 1, rank));
        }
        None
    }
}

impl Reader {
    /// Its weight.
    pub(super) fn tensor(&self, graph: &Graph) -> Option<Tensor> {
        graph.const_value(graph.node(self.node).input(self.weight)?)
    }
}

/// Every value that at least one of the products reads; nothing else that reads it is asked.
pub(super) fn sites(graph: &Graph, products: &[NodeId]) -> Vec<Site> {
    let mut sites: Vec<Site> = Vec::new();
    let mut places: FxHashMap<ValueId, usize> = FxHashMap::default();
    for &node in products {
        let n = graph.node(node);
        let Ok(layer) = Layer::of(graph, n) else { continue };
        let Some((lie, axis, rank)) = Lie::of(graph, node, layer) else { continue };
        let Some(value) = n.input(layer.data) else { continue };
        let reader = Reader { node, weight: layer.weight, lie };
        let at = *places.entry(value).or_insert_with(|| {
            sites.push(Site { value, axis, rank, readers: Vec::new(), is_free: false });
            sites.len() - 1
        });
        let site = &mut sites[at];
        if site.axis == axis && site.readers.first().is_none_or(|r| r.lie.inputs == lie.inputs) {
            site.readers.push(reader);
        }
    }
    sites.retain(|site| site.readers.iter().all(|r| r.lie.inputs > 1));
    sites
}
