//! What can be known of a graph without running it: order, validity, shapes and small values, cost.

pub mod order;

mod facts;
pub use facts::{Env, Facts};
pub use order::captures;
