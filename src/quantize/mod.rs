//! INT8: how numbers become whole ones, and where in a graph that happens.
//!
//! A compressor is *plan, then apply*. So far there are the numbers and the edits; which nodes they are asked for is not
//! decided here.
//!
//! | file | idea |
//! |---|---|
//! | `grid` | scale and zero point of a range, and rounding to them |
//! | `weights` | a constant as whole numbers, with one scale or one a channel |
//! | `place` | `QuantizeLinear` and `DequantizeLinear` around the operands and results of a node |

mod grid;
mod place;
mod weights;

pub use grid::{Affine, Grid};
pub use place::{Place, place};
pub use weights::{Weights, bias};
