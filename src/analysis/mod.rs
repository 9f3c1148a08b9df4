//! What can be known of a graph without running it: validity, shapes and small values, cost.
//!
//! | file | idea |
//! |---|---|
//! | `facts` | types of values and elements of small tensors, inferred node by node |
//! | `facts/control` | the bodies of `If`, `Loop`, `Scan` and `SequenceMap` |
//! | `facts/call` | calls of a model's own functions |
//! | `facts/declared` | what the file declares against what was inferred |
//! | `facts/generic` | element types that follow from the schema alone |
//! | `site` | one node as an op's rule sees it |
//! | `grid` | elements of small tensors |
//! | `shape` | one rule an op |

mod facts;
mod grid;
mod shape;
mod site;
mod verify;

pub use facts::{Env, Facts};
pub use grid::Element;
pub use verify::verify;
