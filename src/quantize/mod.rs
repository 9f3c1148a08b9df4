//! INT8: how numbers become whole ones, and where in a graph that happens.
//!
//! A compressor is *plan, then apply*: `choose` decides by the target's table, `plan` gives numbers to it, `place` writes.
//!
//! | file | idea |
//! |---|---|
//! | `layers` | what an operator's operands are to it |
//! | `choose` | which nodes compute in whole numbers, and why the others do not |
//! | `plan` | the choices with their numbers |
//! | `multiplied` | which elements of values become operands of products |
//! | `ends` | values that whole numbers end with, which need room |
//! | `responses` | through which function a value is read |
//! | `grid` | scale and zero point of a range, and rounding to them |
//! | `weights` | a constant as whole numbers, with one scale or one a channel |
//! | `labels` | what nodes are called |
//! | `sheet` | a plan as a text that is read, changed and fed back |
//! | `smooth` | channels of inputs divided by numbers that their weights are multiplied with |
//! | `slopes` | how much of an error in a value its only reader passes on |
//! | `probe` | small numbers about values of a model, computed in the graph itself |
//! | `rounding` | weights rounded up or down by what the samples say |
//! | `twins` | products beside themselves in whole numbers, in one graph |
//! | `correct` | biases that take back what rounding shifts the mean by |
//! | `sensitivity` | how much each node loses by itself, all in one run |
//! | `gates` | nodes in floats or in whole numbers as flags say, in one graph |
//! | `effects` | which nodes are best left in floats for the outputs' sake |
//! | `answers` | what an original makes of samples, run once where memory allows |
//! | `accuracy` | how far the outputs of a model are from those of its original, over samples |
//! | `bounds` | what the outputs of a result must keep of the original's |
//! | `place` | `QuantizeLinear` and `DequantizeLinear` around the operands and results of a node |

mod accuracy;
mod answers;
mod bounds;
mod choose;
mod correct;
mod effects;
mod ends;
mod gates;
mod grid;
mod labels;
mod layers;
mod multiplied;
mod place;
mod plan;
mod probe;
mod responses;
mod rounding;
mod sensitivity;
mod sheet;
mod slopes;
mod smooth;
mod twins;
mod weights;

pub use accuracy::{Accuracy, OutputAccuracy, accuracy};
pub use answers::{Answers, Open};
pub use bounds::{Bounds, DropMetric, MaxDrop};
pub use choose::{Choice, Role, choose, not_finite, products_in_bodies};
pub use correct::{Correction, corrected, corrections};
pub use effects::{Effect, effects, orders};
pub use ends::{ends, widened};
pub use grid::{Affine, Grid};
pub use labels::Labels;
pub use layers::Layer;
pub use place::{Place, place};
pub use plan::{plan, wanted, wanted_by};
pub use responses::response;
pub use rounding::{Rounding, roundings};
pub use sensitivity::{Sensitivity, sensitivities};
pub use sheet::{Compute, Sheet, SheetCorrection, SheetNode, SheetSmoothing, SheetValue};
pub use smooth::{Smoothing, divisible, smooth, smoothings};
pub use weights::{Weights, bias};
