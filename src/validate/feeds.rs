//! Where the inputs of a proof come from.

use std::path::PathBuf;

/// Which inputs to prove a model on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feeds {
    /// Made from the model; equal seeds make equal inputs.
    Made {
        /// Chooses the random numbers.
        seed: u64,
    },
    /// Read from a file or folder; see [`load`](crate::data::load).
    Data(PathBuf),
}

impl Default for Feeds {
    fn default() -> Self {
        Self::Made { seed: 0 }
    }
}
