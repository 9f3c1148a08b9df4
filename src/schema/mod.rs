//! What ONNX says of each operator, as data: arity, attributes with defaults, type constraints, versions.
//!
//! The table holds every domain and version of the pinned `onnx` release and ONNX Runtime's `com.microsoft` operators
//! (`tools/gen_schema.py` writes it). Beside it stand the few facts that no schema states: which operators commute or
//! associate, and which draw random numbers or keep state.
//!
//! So does the reader of what `Einsum` has for an equation.
//!
//! The domain `ai.onnx` may be written out or left empty. An operator that is not in the table is an unknown one,
//! never an error.

mod algebra;
mod effects;
mod equation;
mod lookup;
#[rustfmt::skip]
mod ops;
mod types;

pub use algebra::{Law, associativity, commutativity, is_associative, is_commutative};
pub use effects::{When, randomness, statefulness};
pub use equation::{Equation, Index, Indices};
pub use lookup::{domains, latest_opset, lookup, min_ir_version, names, versions};
pub use types::{AttrDef, AttrDefault, Determinism, Param, ParamOption, Schema, TypeConstraint};
