//! One streaming run over samples that fills the statistics a compressor asks for, by value name.
//!
//! [`calibrate`] makes the asked values of a model outputs of a copy, runs each sample, updates the statistics and drops
//! what it fetched: memory is bounded by the statistics and by the values of two samples, never by their number.
//!
//! | file | idea |
//! |---|---|
//! | `requests` | which statistics of which values |
//! | `run` | the run over the samples; a second thread updates statistics while the next sample is inferred |
//! | `watched` | the asked names as values of the model: which are refused |
//! | `plan`, `sizes` | as few runs as the memory limit allows; what the values of a sample take |
//! | `statistics`, `floats` | what is known of a value; its elements as `f32` |
//! | `extent`, `average` | exact minimum and maximum; those of samples, averaged |
//! | `histogram`, `window` | bins as fine as the numbers in them are small; their fast update |
//! | `channels`, `gram` | absolute maximum per channel; XᵀX of the rows |
//! | `range`, `method` | what quantization is to cover, and the ways to choose it |
//! | `percentile`, `entropy`, `mse` | one way each |
//! | `response` | what hides errors of a value: the function through which it is read |
//! | `clipping` | the search for the cells to keep that entropy and MSE share |
//! | `cache`, `stored` | statistics in a file, for another method without another run |
//! | `tensorrt` | calibration caches of TensorRT |
//!
//! # Numbers that are none
//! Infinities and NaN are counted, left out of every statistic, and remarked on (`non-finite-values`). Values without a
//! finite element have no range: asking for one is an error. Zeros alone give the range `[0, 0]`, for which any scale
//! is right. Subnormal numbers are numbers.
//!
//! # Remarks made here
//! `non-finite-values`, `never-observed`, `only-zeros`, `over-memory-limit`, `calibration-cache-ignored`,
//! `calibration-cache-not-written`.

mod average;
mod cache;
mod channels;
mod clipping;
mod entropy;
mod extent;
mod floats;
mod gram;
mod histogram;
mod method;
mod mse;
mod percentile;
mod plan;
mod range;
mod requests;
mod response;
mod run;
mod sizes;
mod statistics;
mod stored;
mod tensorrt;
mod watched;
mod window;

pub use average::{MOMENTUM, MovingAverage};
pub use cache::Key;
pub use channels::ChannelMax;
pub use extent::Extent;
pub use gram::Gram;
pub use histogram::{Bin, Histogram, STEPS};
pub use method::{DEFAULT_PERCENTILE, Method, Percent};
pub use range::{Levels, Range};
pub use requests::{Requests, Want};
pub use response::{Curve, Response};
pub use run::{CalibrateOptions, Calibration, DEFAULT_MEMORY_LIMIT, Progress, calibrate};
pub use statistics::{Statistics, ValueStatistics};
pub use tensorrt::{ranges_from_tensorrt_cache, scales_from_tensorrt_cache};
