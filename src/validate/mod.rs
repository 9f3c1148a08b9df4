//! A model against its original.
//!
//! [`prove`] runs both on the same inputs and compares what they answer.
//!
//! | file | idea |
//! |---|---|
//! | `feeds` | whether the inputs come from files or are made |
//! | `search` | tries made inputs until the original runs on several sizes and takes every branch |
//! | `numbers`, `compare` | how far two values are apart |
//! | `noise` | how far the original's own answers move when its inputs move by one unit in the last place |
//! | `random` | random operators become inputs that both sides share |
//! | `instrument` | copies of a model that show its branches and inner values |
//! | `parity`, `verdict` | the proof and its result |
//! | `localize` | the first value at which two models part |
//! | `bench`, `statistics` | both models timed, and what the times prove |
//! | `witness` | inputs on which two models part, kept to look closer |

mod bench;
mod compare;
mod feeds;
mod instrument;
mod localize;
mod noise;
mod numbers;
mod parity;
mod random;
mod search;
mod statistics;
mod verdict;
mod witness;

pub use bench::{BenchOptions, Times, bench};
pub(crate) use bench::{bench_inputs, bench_on};
pub use compare::{Metrics, compare};
pub use feeds::Feeds;
pub(crate) use instrument::with_outputs;
pub use localize::localize;
pub use parity::{Progress, ProveOptions, Subject, prove};
pub use statistics::{median, median_interval};
pub use verdict::Verdict;
pub use witness::Witness;
