//! Patterns, patches and the one engine that commits them.
//!
//! A rule looks and decides; it returns a [`Patch`] or a [`Miss`] that says why not. Only the engine
//! edits the graph, so that no author can forget what keeps a rewrite safe:
//!
//! | | |
//! |---|---|
//! | S1 | Interior values are read only inside the match, unless the rule declares them shared. |
//! | S2 | A replacement's type equals, and its shape is proven compatible with, the old value's. |
//! | S3 | The match and all inputs of the patch are visible in the root's region. |
//! | S4 | No cycle. |
//! | S5 | Graph inputs and outputs keep name, order, type. |
//! | S6 | Nodes go when they are dead; no list of nodes is ever deleted. |
//! | S7 | The rule holds at the model's opset; new ops exist there, for the types of their operands, and the target's table takes them. |
//! | S8 | Random and stateful ops never fold and never match as interior. |
//! | S9 | Patches only add initializers. |
//! | S10 | Sweeps reach a fixpoint; one that does not in 100 is reported as our bug. |

mod border;
mod commit;
mod context;
mod cycle;
mod engine;
mod exactness;
mod fusion;
mod matcher;
mod meta;
mod pass;
mod patch;
mod pattern;
mod stats;
mod substitute;
mod work;

pub(crate) use commit::{keeps_state, sweep};
pub use context::Context;
pub use engine::{apply, settle};
pub use exactness::{Exactness, Tolerance};
pub use fusion::{Fusion, Match, fusion};
pub use meta::{Meta, Miss, Rule};
pub use pass::{OpsetRequest, Pass, PassContext};
pub use patch::{Patch, PatchNode, Ref};
pub use pattern::{Pat, Patterns, Var};
pub use stats::{Missed, PassStats};
pub(crate) use substitute::substitute;
pub use work::Work;
