//! A recipe becomes ordered passes, and these an outcome. The only module that knows all passes.

mod bench;
mod blame;
mod build;
mod check;
mod compare;
mod inspect;
mod measure;
mod memory;
mod optimize;
mod options;
mod output;
mod place;
mod profile;
mod progress;
mod proof;
mod quantize;
mod recipe;
mod registry;
mod run;
mod signature;
mod sizes;
mod spelled;
mod tune;

pub use bench::{BenchJob, bench};
pub use check::{CheckJob, check};
pub use compare::{CompareJob, compare};
pub use inspect::{diff, inspect, model_text};
pub use memory::peak;
pub use optimize::{OptimizeJob, optimize};
pub use options::{Growth, Options, find};
pub use progress::{Progress, Silent, Step};
pub use proof::Proof;
pub use quantize::{Evidence, QuantizeJob, quantize};
pub use registry::{Entry, registry};
pub use run::{Means, Outcome, Ran, run};
pub use sizes::Sizes;
