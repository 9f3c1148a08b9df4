//! A recipe becomes ordered passes, and these an outcome. The only module that knows all passes.

mod memory;
mod progress;
mod registry;

pub use memory::peak;
pub use progress::{Progress, Silent, Step};
pub use registry::{Entry, Work, registry};
