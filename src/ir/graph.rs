//! The arena and what can be asked of it.

use super::taken::Taken;
use super::value::{Def, Slot, Value};
use super::{Dim, Name, Node, NodeId, RegionId, Residue, TensorType, ValueId};
use crate::tensor::{DType, Tensor};

/// The root graph or a nested body.
#[derive(Clone, Debug, Default)]
pub struct Region {
    pub(super) name: Name,
    pub(super) parent: Option<NodeId>,
    pub(super) inputs: Vec<ValueId>,
    pub(super) outputs: Vec<Slot>,
    pub(super) initializers: Vec<ValueId>,
    pub(super) nodes: Vec<NodeId>,
    pub(super) residue: Residue,
}

impl Region {
    /// `GraphProto.name`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The node that holds this body; `None` for the root.
    pub fn parent(&self) -> Option<NodeId> {
        self.parent
    }

    /// The inputs in order.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The outputs in order; one value may be returned more than once.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = ValueId> + DoubleEndedIterator + '_ {
        self.outputs.iter().map(|s| s.value)
    }

    /// What we carry of its `GraphProto`.
    pub fn residue(&self) -> &Residue {
        &self.residue
    }
}

/// The arena: nodes, values and regions of a graph and of all bodies inside it.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(super) nodes: Vec<Option<Node>>,
    pub(super) values: Vec<Value>,
    pub(super) regions: Vec<Option<Region>>,
    pub(super) taken: Taken,
    pub(super) live: usize,
    pub(super) clock: u64,
}

impl Graph {
    /// The node; `None` once it was removed.
    pub fn get(&self, node: NodeId) -> Option<&Node> {
        self.nodes[node.index()].as_ref()
    }

    /// The node.
    ///
    /// # Panics
    /// It was removed; ask [`Graph::get`] where that may be.
    pub fn node(&self, node: NodeId) -> &Node {
        self.get(node).expect("a removed node is never read: S6")
    }

    /// The value.
    pub fn value(&self, value: ValueId) -> &Value {
        &self.values[value.index()]
    }

    /// The region; `None` once the node that held it was removed.
    pub fn get_region(&self, region: RegionId) -> Option<&Region> {
        self.regions[region.index()].as_ref()
    }

    /// The region.
    ///
    /// # Panics
    /// The node that held it was removed.
    pub fn region(&self, region: RegionId) -> &Region {
        self.get_region(region).expect("a removed body is never read: S6")
    }

    /// The root region: the graph's own inputs, outputs and initializers.
    pub fn root(&self) -> &Region {
        self.region(RegionId::ROOT)
    }

    /// Live nodes of all regions, oldest first.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> + '_ {
        self.nodes.iter().enumerate().filter_map(|(i, n)| Some((NodeId::new(i), n.as_ref()?)))
    }

    /// Live nodes of one region, in no particular order; see [`topological`](super::topological).
    pub fn nodes_in(&self, region: RegionId) -> impl Iterator<Item = (NodeId, &Node)> + '_ {
        self.region(region)
            .nodes
            .iter()
            .filter_map(move |&id| self.get(id).filter(|n| n.region == region).map(|n| (id, n)))
    }

    /// Live regions, the root first; a body after the region that holds it is not guaranteed.
    pub fn region_ids(&self) -> impl Iterator<Item = RegionId> + '_ {
        self.regions.iter().enumerate().filter(|(_, r)| r.is_some()).map(|(i, _)| RegionId::new(i))
    }

    /// Initializers of one region in file order, those that a caller may override excepted.
    pub fn initializers(&self, region: RegionId) -> impl Iterator<Item = ValueId> + '_ {
        self.region(region)
            .initializers
            .iter()
            .copied()
            .filter(move |&v| matches!(self.value(v).def, Def::Initializer { region: r, .. } if r == region))
    }

    /// The number of live nodes in all regions.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no node is left.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// One more than the largest index of a [`NodeId`] ever given out, for side tables.
    pub fn node_bound(&self) -> usize {
        self.nodes.len()
    }

    /// One more than the largest index of a [`ValueId`] ever given out, for side tables.
    pub fn value_bound(&self) -> usize {
        self.values.len()
    }

    /// Every value ever made, dead ones included.
    pub fn value_ids(&self) -> impl Iterator<Item = ValueId> + use<> {
        (0..self.values.len()).map(ValueId::new)
    }

    /// The node whose output the value is.
    pub fn producer(&self, value: ValueId) -> Option<NodeId> {
        match self.value(value).def {
            Def::Output { node, .. } => Some(node),
            _ => None,
        }
    }

    /// The node whose output the value is, if it computes the op `name` of the default domain.
    pub fn producer_is(&self, value: ValueId, name: &str) -> Option<NodeId> {
        self.producer(value).filter(|&n| self.node(n).op.is(name))
    }

    /// The value's constant: initializers and `Constant` nodes alike; `None` for what a caller may override.
    ///
    /// Of `Constant`'s attributes the tensor and the number and string forms are read, the sparse one is not.
    pub fn const_value(&self, value: ValueId) -> Option<Tensor> {
        match &self.value(value).def {
            Def::Initializer { tensor, .. } => Some(tensor.clone()),
            Def::Output { node, index: 0 } => self.node(*node).constant(),
            _ => None,
        }
    }

    /// Whether [`Graph::const_value`] has an answer, without making one.
    pub fn is_const(&self, value: ValueId) -> bool {
        match &self.value(value).def {
            Def::Initializer { .. } => true,
            Def::Output { node, index: 0 } => self.node(*node).constant_form().is_some(),
            _ => false,
        }
    }

    /// Element type and shape of a tensor, as far as they are known.
    pub fn tensor_type(&self, value: ValueId) -> Option<&TensorType> {
        self.value(value).tensor_type()
    }

    /// The number of dims, where it is known.
    pub fn rank(&self, value: ValueId) -> Option<usize> {
        self.shape(value).map(<[_]>::len)
    }

    /// The dims, where the rank is known.
    pub fn shape(&self, value: ValueId) -> Option<&[Dim]> {
        self.tensor_type(value)?.shape.as_deref()
    }

    /// The element type, where it is known.
    pub fn dtype(&self, value: ValueId) -> Option<DType> {
        self.tensor_type(value).map(|t| t.dtype)
    }

    /// The region in which a value is defined.
    ///
    /// `None` for a dead value.
    pub fn region_of(&self, value: ValueId) -> Option<RegionId> {
        match self.value(value).def {
            Def::Input { region, .. } | Def::Initializer { region, .. } => Some(region),
            Def::Output { node, .. } => Some(self.node(node).region),
            Def::Dead => None,
        }
    }

    /// The region and those around it, innermost first, ending with the root.
    pub fn enclosing(&self, region: RegionId) -> impl Iterator<Item = RegionId> + '_ {
        std::iter::successors(Some(region), |&r| self.region(r).parent.map(|n| self.node(n).region))
    }

    /// Whether a node of `region` may read the value.
    pub fn is_visible(&self, value: ValueId, region: RegionId) -> bool {
        self.region_of(value).is_some_and(|home| self.enclosing(region).any(|r| r == home))
    }

    /// Whether the root graph returns the value.
    pub fn is_graph_output(&self, value: ValueId) -> bool {
        self.root().outputs().any(|v| v == value)
    }
}
