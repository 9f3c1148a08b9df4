//! `QuantizeLinear` and `DequantizeLinear` around the operands and results of nodes.
//!
//! ```text
//! Conv(x, w, b)   ->   DQ(Q(Conv(DQ(Q(x)), DQ(w'), DQ(b'))))
//! ```
//!
//! A value is quantized once in each body for all nodes that read it there, a constant once for all that want the same of
//! it. Zero point and, where scales differ along one, the axis are always written: runtimes disagree on what their absence
//! means. Equal zero points are one constant. The opset must have what is written: 13 for scales along an axis.

use super::grid::{Affine, Grid};
use super::weights::Weights;
use crate::ir::{Attr, Attribute, Graph, NewNode, NewOutput, NodeId, OpId, RegionId, Residue, Type, ValueId};
use crate::tensor::{DType, Tensor};
use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

const QUANTIZE: OpId = OpId::onnx("QuantizeLinear");
const DEQUANTIZE: OpId = OpId::onnx("DequantizeLinear");

/// What becomes of one node.
#[derive(Clone, Debug)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// Operands that are quantized when the model runs.
    pub inputs: Vec<(usize, Affine)>,
    /// Constant operands, as whole numbers.
    pub weights: Vec<(usize, Weights)>,
    /// The operand that is added to the products: INT32 numbers, and the scale of each.
    pub bias: Option<(usize, Vec<i32>, Vec<f32>)>,
    /// The first result, where it is quantized too.
    pub output: Option<Affine>,
    /// The constant that rows are looked up in, as whole numbers with a scale for each column.
    pub table: Option<Weights>,
}

impl Place {
    /// A node of which nothing is quantized yet.
    pub fn nothing(node: NodeId) -> Self {
        Self { node, inputs: Vec::new(), weights: Vec::new(), bias: None, output: None, table: None }
    }
}

/// Writes all of them into a graph. Names and types of its inputs and outputs stay.
pub fn place(graph: &mut Graph, places: &[Place]) {
    let mut writer = Writer {
        graph,
        made: FxHashSet::default(),
        values: FxHashMap::default(),
        tables: FxHashMap::default(),
        zeros: FxHashMap::default(),
    };
    let outputs = places.iter().filter_map(|p| Some((p.node, p.output?)));
    outputs.for_each(|(node, affine)| writer.output(node, affine));
    for place in places {
        place.inputs.iter().for_each(|(at, affine)| writer.input(place.node, *at, *affine));
        place.weights.iter().for_each(|(at, weights)| writer.weight(place.node, *at, weights));
        if let Some((at, numbers, scales)) = &place.bias {
            writer.bias(place.node, *at, numbers, scales);
        }
        if let Some(table) = &place.table {
            writer.lookup(place.node, table);
        }
    }
}

/// What was asked of a value: in which body, as what, along which axis, with which scales and zero points.
type Key = (ValueId, RegionId, DType, Option<usize>, Bytes, Bytes);

/// In which body, of which type and shape, and the numbers.
type ZeroKey = (RegionId, DType, Vec<usize>, Bytes);

struct Writer<'g> {
    graph: &'g mut Graph,
    /// What is dequantized already.
    made: FxHashSet<ValueId>,
    values: FxHashMap<Key, ValueId>,
    /// Whole numbers that rows are looked up in.
    tables: FxHashMap<Key, ValueId>,
    zeros: FxHashMap<ZeroKey, ValueId>,
}

impl Writer<'_> {
    fn output(&mut self, node: NodeId, affine: Affine) {
        let Some(&value) = self.graph.node(node).outputs().first() else { return };
        let quantized = self.quantize(node, value, affine);
        let quantizer = self.graph.producer(quantized).expect("a node was just made for it");
        let through = self.dequantize(node, value, quantized, &Steps::of(affine));
        self.stand_for(value, through);
        self.graph.set_operand(quantizer, 0, Some(value));
    }

    /// Everything that reads a value reads another from now on; as an output of the graph that has its name.
    fn stand_for(&mut self, value: ValueId, through: ValueId) {
        self.graph.replace_uses(value, through);
        if self.graph.is_graph_output(through) {
            let name = self.graph.value(value).name().clone();
            let aside = self.graph.fresh_name(&format!("{name}/float"));
            self.graph.rename(value, aside);
            self.graph.rename(through, name);
        }
    }

    fn input(&mut self, node: NodeId, at: usize, affine: Affine) {
        let n = self.graph.node(node);
        let Some(value) = n.input(at).filter(|v| !self.made.contains(v)) else { return };
        let key = self.key(node, value, affine.grid.dtype(), &Steps::of(affine));
        let through = match self.values.get(&key) {
            Some(&known) => known,
            None => {
                let quantized = self.quantize(node, value, affine);
                let through = self.dequantize(node, value, quantized, &Steps::of(affine));
                self.values.insert(key, through);
                through
            }
        };
        self.graph.set_operand(node, at, Some(through));
    }

    fn weight(&mut self, node: NodeId, at: usize, weights: &Weights) {
        self.constant(node, at, &weights.numbers, &Steps::of_weights(weights, weights.axis));
    }

    /// Rows are looked up as whole numbers, and dequantized then.
    fn lookup(&mut self, node: NodeId, table: &Weights) {
        let n = self.graph.node(node);
        let (value, Some(floats)) = (n.outputs()[0], n.input(0)) else { return };
        let Some(rank) = self.graph.rank(value) else { return };
        let (region, order, inputs) = (n.region(), n.order(), n.inputs().collect::<Vec<_>>());
        let key = self.key(node, floats, table.numbers.dtype(), &Steps::of_weights(table, None));
        let stored = match self.tables.get(&key) {
            Some(&known) => known,
            None => {
                let name = table.numbers.dtype().name();
                let stored = self.initializer(node, floats, name, table.numbers.clone());
                self.tables.insert(key, stored);
                stored
            }
        };
        let mut operands = inputs;
        operands[0] = Some(stored);
        let name = self.name(value, "quantized");
        let ty = self.typed(value, table.numbers.dtype());
        let gather = NewNode {
            order: Some(order),
            ..NewNode::new(OpId::onnx("Gather"), operands, vec![NewOutput { name, ty }])
        };
        let gather = self.graph.add_node(region, gather);
        let rows = self.graph.node(gather).outputs()[0];
        let through = self.dequantize(node, value, rows, &Steps::of_weights(table, Some(rank - 1)));
        self.stand_for(value, through);
    }

    fn bias(&mut self, node: NodeId, at: usize, numbers: &[i32], scales: &[f32]) {
        let several = scales.len() > 1;
        let steps = Steps {
            scale: if several { Tensor::vector(scales) } else { Tensor::scalar(scales[0]) },
            zero: zeros::<i32>(several.then_some(scales.len())),
            axis: several.then_some(0),
        };
        self.constant(node, at, &Tensor::vector(numbers), &steps);
    }

    fn constant(&mut self, node: NodeId, at: usize, numbers: &Tensor, steps: &Steps) {
        let n = self.graph.node(node);
        let Some(value) = n.input(at).filter(|v| !self.made.contains(v)) else { return };
        let key = self.key(node, value, numbers.dtype(), steps);
        let through = match self.values.get(&key) {
            Some(&known) => known,
            None => {
                let stored = self.initializer(node, value, numbers.dtype().name(), numbers.clone());
                let through = self.dequantize(node, value, stored, steps);
                self.values.insert(key, through);
                through
            }
        };
        self.graph.set_operand(node, at, Some(through));
    }

    fn key(&self, node: NodeId, value: ValueId, dtype: DType, steps: &Steps) -> Key {
        let bytes = |t: &Tensor| t.bytes().unwrap_or_default();
        let region = self.graph.node(node).region();
        (value, region, dtype, steps.axis, bytes(&steps.scale), bytes(&steps.zero))
    }

    /// `QuantizeLinear` of a value.
    fn quantize(&mut self, node: NodeId, value: ValueId, affine: Affine) -> ValueId {
        let steps = Steps::of(affine);
        let scale = self.initializer(node, value, "scale", steps.scale);
        let zero = self.zero_point(node, steps.zero);
        self.node(node, QUANTIZE, [value, scale, zero], value, "quantized", affine.grid.dtype(), None)
    }

    /// `DequantizeLinear` of whole numbers that stand for a value.
    fn dequantize(&mut self, node: NodeId, value: ValueId, numbers: ValueId, steps: &Steps) -> ValueId {
        // The pair shares scale and zero point.
        let shared =
            self.graph.producer(numbers).map(|q| self.graph.node(q)).map(|q| (q.input(1), q.input(2)));
        let (scale, zero) = match shared {
            Some((Some(scale), Some(zero))) => (scale, zero),
            _ => (
                self.initializer(node, value, "scale", steps.scale.clone()),
                self.zero_point(node, steps.zero.clone()),
            ),
        };
        let float = self.graph.dtype(value).unwrap_or(DType::F32);
        let through =
            self.node(node, DEQUANTIZE, [numbers, scale, zero], value, "dequantized", float, steps.axis);
        self.made.insert(through);
        through
    }

    /// The zero point of this type, shape and number that nodes of a body share: most are zeros.
    fn zero_point(&mut self, node: NodeId, tensor: Tensor) -> ValueId {
        let region = self.graph.node(node).region();
        let key = (region, tensor.dtype(), tensor.shape().to_vec(), tensor.bytes().unwrap_or_default());
        if let Some(&known) = self.zeros.get(&key) {
            return known;
        }
        let name = self.graph.fresh_name(&format!("zero_point/{}", tensor.dtype().name()));
        let zero = self.graph.add_initializer(region, name, tensor);
        self.zeros.insert(key, zero);
        zero
    }

    /// A constant beside a node, called after a value.
    fn initializer(&mut self, node: NodeId, value: ValueId, what: &str, tensor: Tensor) -> ValueId {
        let region = self.graph.node(node).region();
        let name = self.name(value, what);
        self.graph.add_initializer(region, name, tensor)
    }

    #[allow(clippy::too_many_arguments)]
    fn node(
        &mut self,
        beside: NodeId,
        op: OpId,
        inputs: [ValueId; 3],
        value: ValueId,
        what: &str,
        dtype: DType,
        axis: Option<usize>,
    ) -> ValueId {
        let name = self.name(value, what);
        let ty = self.typed(value, dtype);
        let n = self.graph.node(beside);
        let (region, order) = (n.region(), n.order());
        let axis = axis.map(|a| Attribute {
            name: "axis".into(),
            value: Attr::Int(a as i64),
            residue: Residue::default(),
        });
        let new = NewNode {
            attrs: axis.into_iter().collect(),
            order: Some(order),
            ..NewNode::new(op, inputs.map(Some).to_vec(), vec![NewOutput { name, ty }])
        };
        let id = self.graph.add_node(region, new);
        self.graph.node(id).outputs()[0]
    }

    /// The type of a value, with other elements.
    fn typed(&self, value: ValueId, dtype: DType) -> Option<Type> {
        self.graph.value(value).ty().cloned().map(|ty| match ty {
            Type::Tensor(mut tensor) => {
                tensor.dtype = dtype;
                Type::Tensor(tensor)
            }
            other => other,
        })
    }

    fn name(&mut self, value: ValueId, what: &str) -> crate::ir::Name {
        let base = format!("{}/{what}", self.graph.value(value).name());
        self.graph.fresh_name(&base)
    }
}

/// Scale, zero point and the axis along which they differ.
struct Steps {
    scale: Tensor,
    zero: Tensor,
    axis: Option<usize>,
}

impl Steps {
    fn of(affine: Affine) -> Self {
        let zero = if affine.grid == Grid::UNSIGNED {
            Tensor::scalar(affine.zero as u8)
        } else {
            Tensor::scalar(affine.zero as i8)
        };
        Self { scale: Tensor::scalar(affine.scale), zero, axis: None }
    }

    /// Those of a constant, or of what is taken of it, along an axis.
    fn of_weights(weights: &Weights, axis: Option<usize>) -> Self {
        let zero = zeros::<i8>(weights.axis.map(|_| weights.scales.len()));
        Self { scale: weights.scale_tensor(), zero, axis }
    }
}

/// A zero, or so many of them.
fn zeros<T: crate::tensor::Element + Default>(count: Option<usize>) -> Tensor {
    match count {
        None => Tensor::scalar(T::default()),
        Some(count) => Tensor::vector(&vec![T::default(); count]),
    }
}
