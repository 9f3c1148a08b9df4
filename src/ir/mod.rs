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
//! | `graph` | the arena, read side |
//! | `edit` | the arena, write side |
//! | `order` | topological order, captures |
//! | `model` | graph, functions, opsets |

mod attr;
mod dim;
mod edit;
mod graph;
mod id;
mod model;
mod op;
mod order;
mod residue;
#[cfg(test)]
mod sabotage;
mod types;

pub use attr::{Attr, AttrKind, Attribute, SparseTensor};
pub use dim::{Dim, DimExpr, Truth, is_nameless};
pub use edit::{NewNode, NewOutput};
pub use graph::{Def, Graph, Node, Region, Use, Value};
pub use id::{NodeId, RegionId, ValueId};
pub use model::{Function, Model, Opsets};
pub use op::{Name, OpId, canonical_domain, shown_domain};
pub use order::{captures, topological};
pub use residue::Residue;
pub use types::{Shape, TensorType, Type};
