//! The arena and what can be asked of it.

use super::{Attr, Attribute, Name, NodeId, OpId, RegionId, Residue, TensorType, Type, ValueId};
use crate::tensor::Tensor;
use bytes::Bytes;
use rustc_hash::FxHashSet;

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Def {
    /// An input of a region. `default` is an initializer of the same name that a caller may override:
    /// only the root graph of a model of IR 4 or newer has such.
    Input {
        /// The region whose input it is.
        region: RegionId,
        /// The overridable value.
        default: Option<Tensor>,
    },
    /// A constant. `listed` where a model older than IR 4 lists it among the graph's inputs too.
    Initializer {
        /// The region that owns it; visible there and in the bodies inside.
        region: RegionId,
        /// Its value.
        tensor: Tensor,
        /// Whether it is also written as a graph input.
        listed: bool,
    },
    /// An output of a node.
    Output {
        /// The producer.
        node: NodeId,
        /// The position among the producer's outputs.
        index: u32,
    },
    /// The producer was removed; nothing reads it.
    Dead,
}

/// One reading of a value. Graph outputs and captures by nested bodies are uses like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Use {
    /// The value is input `index` of `node`, in whichever region the node is.
    Operand {
        /// The reader.
        node: NodeId,
        /// The position among the reader's inputs.
        index: u32,
    },
    /// The value is output `index` of `region`.
    RegionOutput {
        /// The region that returns it.
        region: RegionId,
        /// The position among the region's outputs.
        index: u32,
    },
}

/// An input, initializer or node output.
#[derive(Clone, Debug)]
pub struct Value {
    pub(super) name: Name,
    pub(super) ty: Option<Type>,
    pub(super) declared: Option<Type>,
    pub(super) def: Def,
    pub(super) uses: Vec<Use>,
    pub(super) origins: Vec<Name>,
    pub(super) residue: Residue,
    pub(super) source: Option<Bytes>,
}

impl Value {
    /// The name; empty for an output that its node omits.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What is known of its type. Declarations inside the graph are not trusted and are not here until inferred.
    pub fn ty(&self) -> Option<&Type> {
        self.ty.as_ref()
    }

    /// What the file declares of its type (graph inputs, outputs and value info).
    pub fn declared(&self) -> Option<&Type> {
        self.declared.as_ref()
    }

    /// Element type and shape, for a tensor of known type.
    pub fn tensor_type(&self) -> Option<&TensorType> {
        self.ty.as_ref()?.as_tensor()
    }

    /// Where it comes from.
    pub fn def(&self) -> &Def {
        &self.def
    }

    /// Who reads it, in no particular order.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// Original names that this value stands for beside its own.
    pub fn origins(&self) -> &[Name] {
        &self.origins
    }

    /// What we carry of its `ValueInfoProto`.
    pub fn residue(&self) -> &Residue {
        &self.residue
    }

    /// The `TensorProto` message of an initializer as it stood in the file, while name and data are unchanged.
    pub fn source(&self) -> Option<&Bytes> {
        self.source.as_ref()
    }
}

/// An operand and its place in the use list of its value, so that forgetting a use costs the same for any number of uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) value: ValueId,
    pub(super) at: u32,
}

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) op: OpId,
    pub(super) overload: Name,
    pub(super) name: Name,
    pub(super) region: RegionId,
    pub(super) order: u64,
    pub(super) inputs: Vec<Option<Slot>>,
    pub(super) outputs: Vec<ValueId>,
    pub(super) attrs: Vec<Attribute>,
    pub(super) residue: Residue,
}

impl Node {
    /// What it computes.
    pub fn op(&self) -> OpId {
        self.op
    }

    /// `NodeProto.overload`: which of several functions of one name it calls; empty for most.
    pub fn overload(&self) -> &Name {
        &self.overload
    }

    /// Its name; often empty, never unique by force.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The region that it is in.
    pub fn region(&self) -> RegionId {
        self.region
    }

    /// The position hint: nodes are written in this order as far as their operands allow.
    pub fn order(&self) -> u64 {
        self.order
    }

    /// The operands; `None` where an optional one is omitted.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = Option<ValueId>> + DoubleEndedIterator + '_ {
        self.inputs.iter().map(|s| s.map(|s| s.value))
    }

    /// One operand; `None` where it is omitted or beyond the last.
    pub fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten().map(|s| s.value)
    }

    /// The outputs; one that is omitted has an empty name.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The attributes in file order.
    pub fn attrs(&self) -> &[Attribute] {
        &self.attrs
    }

    /// The attribute of a name.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        self.attrs.iter().find(|a| &*a.name == name).map(|a| &a.value)
    }

    /// An integer attribute. `None` where it is absent, of another kind or a reference.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attr(name)? {
            Attr::Int(v) => Some(*v),
            _ => None,
        }
    }

    /// A float attribute. `None` where it is absent, of another kind or a reference.
    pub fn float(&self, name: &str) -> Option<f32> {
        match self.attr(name)? {
            Attr::Float(v) => Some(*v),
            _ => None,
        }
    }

    /// A list of integers. `None` where it is absent, of another kind or a reference.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attr(name)? {
            Attr::Ints(v) => Some(v),
            _ => None,
        }
    }

    /// A string attribute that is UTF-8. `None` where it is absent, of another kind or a reference.
    pub fn string(&self, name: &str) -> Option<&str> {
        match self.attr(name)? {
            Attr::String(v) => std::str::from_utf8(v).ok(),
            _ => None,
        }
    }

    /// The nested bodies, in the order of the attributes.
    pub fn regions(&self) -> impl Iterator<Item = RegionId> + '_ {
        self.attrs.iter().flat_map(|a| a.value.regions().iter().copied())
    }

    /// What we carry of its `NodeProto`.
    pub fn residue(&self) -> &Residue {
        &self.residue
    }
}

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
    pub(super) names: FxHashSet<Name>,
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

    /// Live nodes of one region, in no particular order; see `analysis::order` for a topological one.
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
            Def::Output { node, .. } => {
                let node = self.node(*node);
                node.op.is("Constant").then(|| constant_of(node)).flatten()
            }
            _ => None,
        }
    }

    /// Whether [`Graph::const_value`] has an answer, without making one.
    pub fn is_const(&self, value: ValueId) -> bool {
        match &self.value(value).def {
            Def::Initializer { .. } => true,
            Def::Output { node, .. } => {
                let node = self.node(*node);
                node.op.is("Constant")
                    && matches!(node.attrs.first(), Some(a) if !matches!(a.value, Attr::Ref(..) | Attr::SparseTensor(_)))
            }
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
    pub fn shape(&self, value: ValueId) -> Option<&[super::Dim]> {
        self.tensor_type(value)?.shape.as_deref()
    }

    /// The element type, where it is known.
    pub fn dtype(&self, value: ValueId) -> Option<crate::tensor::DType> {
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

fn constant_of(node: &Node) -> Option<Tensor> {
    let [attribute] = node.attrs.as_slice() else {
        return None;
    };
    match (&*attribute.name, &attribute.value) {
        ("value", Attr::Tensor(t)) => Some(t.clone()),
        ("value_float", Attr::Float(v)) => Some(Tensor::scalar(*v)),
        ("value_int", Attr::Int(v)) => Some(Tensor::scalar(*v)),
        ("value_floats", Attr::Floats(v)) => Some(Tensor::vector(v)),
        ("value_ints", Attr::Ints(v)) => Some(Tensor::vector(v)),
        ("value_string", Attr::String(v)) => Tensor::from_strings(&[], [v.clone()]).ok(),
        ("value_strings", Attr::Strings(v)) => Tensor::from_strings(&[v.len()], v.clone()).ok(),
        _ => None,
    }
}
