//! INT8: how numbers become whole ones, and where in a graph that happens.
//!
//! A compressor is *plan, then apply*: `choose` decides by the target's table, `plan` gives numbers to it, `place` writes.
//!
//! | file | idea |
//! |---|---|
//! | `layers` | what an operator's operands are to it |
//! | `choose` | which nodes compute in whole numbers, and why the others do not |
//! | `plan` | the choices with their numbers |
//! | `grid` | scale and zero point of a range, and rounding to them |
//! | `weights` | a constant as whole numbers, with one scale or one a channel |
//! | `place` | `QuantizeLinear` and `DequantizeLinear` around the operands and results of a node |

mod choose;
mod grid;
mod layers;
mod place;
mod plan;
mod weights;

pub use choose::{Choice, Role, choose};
pub use grid::{Affine, Grid};
pub use layers::Layer;
pub use place::{Place, place};
pub use plan::{plan, wanted};
pub use weights::{Weights, bias};
