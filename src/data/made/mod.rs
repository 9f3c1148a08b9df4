//! Inputs made from what the model says of them.
//!
//! | file | idea |
//! |---|---|
//! | `facts` | what the graph does with an input, and so which numbers mean something |
//! | `sizes`, `ties` | numbers for symbolic dims |
//! | `make` | one input of given facts and size |
//! | `inputs` | all inputs of a model |
//! | `random` | samples on which a model runs |
//! | `rng` | seeded random numbers |

pub(crate) mod facts;
pub(crate) mod inputs;
pub(crate) mod make;
pub(crate) mod random;
pub(crate) mod rng;
pub(crate) mod sizes;
mod ties;

use crate::runtime::RunValue;

/// Whether more of a tensor's numbers are NaN than not.
pub(crate) fn is_mostly_nan(value: &RunValue) -> bool {
    match value {
        RunValue::Tensor(t) if t.dtype().is_float() => {
            t.to_f64s().is_some_and(|v| v.iter().filter(|v| v.is_nan()).count() * 2 > v.len())
        }
        _ => false,
    }
}
