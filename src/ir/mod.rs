//! The graph and its only mutation API. Knows no op's meaning.
//!
//! One arena holds the root graph and every `If`/`Loop`/`Scan` body inside it, as *regions*. Ids are
//! never renumbered and never reused. A nested body reads an outer [`ValueId`] directly, so a capture
//! is a use like any other: [`Use::Operand`] or [`Use::RegionOutput`], recorded at the value.
//!
//! | file | idea |
//! |---|---|
//! | `id` | typed ids |
//! | `op` | what a node computes, by name |
//! | `dim`, `types` | shapes and types |
//! | `attr` | attributes, nested bodies among them |
//! | `residue` | what we carry without understanding it |
//! | `value`, `node` | what the arena holds |
//! | `graph` | the arena, read side |
//! | `new`, `edit`, `remove` | the arena, write side |
//! | `taken`, `names` | new names; the name under which each value is written |
//! | `order` | topological order, captures |
//! | `model` | graph, functions, opsets |

mod attr;
mod dim;
mod edit;
mod graph;
mod id;
mod model;
mod names;
mod new;
mod node;
mod op;
mod order;
mod remove;
mod residue;
#[cfg(test)]
mod sabotage;
mod taken;
mod types;
mod value;

pub use attr::{Attr, AttrKind, Attribute, SparseTensor};
pub use dim::{Dim, DimExpr, Truth, is_nameless};
pub use graph::{Graph, Region};
pub use id::{NodeId, RegionId, ValueId};
pub use model::{Function, Model, Opsets};
pub(crate) use names::Names;
pub use new::{NewNode, NewOutput};
pub use node::Node;
pub use op::{Name, OpId, canonical_domain, shown_domain};
pub use order::{captures, topological};
pub use residue::Residue;
pub use types::{Shape, TensorType, Type};
pub use value::{Def, Use, Value};
