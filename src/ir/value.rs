//! Values: where they come from, who reads them, what is known of them.

use super::{Name, NodeId, RegionId, Residue, TensorType, Type, ValueId};
use crate::tensor::Tensor;
use bytes::Bytes;

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
