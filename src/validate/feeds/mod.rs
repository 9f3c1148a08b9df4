//! Where a model's inputs come from: files, or made from what the model says of them.
//!
//! | file | idea |
//! |---|---|
//! | `files` | `--inputs DATA`: npz, npy, ONNX `test_data_set_*` |
//! | `npy`, `protos` | the two kinds of files |
//! | `facts` | what the graph does with an input, and so which numbers mean something |
//! | `sizes` | numbers for symbolic dims |
//! | `make` | one input of given facts and size |
//! | `rng` | seeded random numbers |

pub(super) mod facts;
mod files;
pub(super) mod make;
mod npy;
mod protos;
pub(super) mod rng;
pub(super) mod sizes;
mod ties;

pub use files::load;

use crate::ir::{Def, Model, ValueId};
use crate::runtime::RunValue;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One value for every input that needs one.
#[derive(Clone, Debug)]
pub struct FeedSet {
    /// Where it comes from: a file or folder name, or the sizes that it was made with.
    pub label: String,
    /// Inputs by name.
    pub values: Vec<(String, RunValue)>,
}

impl FeedSet {
    /// The values as a session takes them.
    pub fn as_feeds(&self) -> Vec<(&str, &RunValue)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// The dims of the tensors by name.
    pub(super) fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        let shape = |(name, value): &(String, RunValue)| match value {
            RunValue::Tensor(tensor) => Some((name.clone(), tensor.shape().to_vec())),
            _ => None,
        };
        self.values.iter().filter_map(shape).collect()
    }

    /// Bytes of all tensors.
    pub(super) fn byte_len(&self) -> usize {
        self.values.iter().map(|(_, value)| byte_len(value)).fold(0, usize::saturating_add)
    }

    /// The value of an input.
    pub fn get(&self, name: &str) -> Option<&RunValue> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }
}

/// Which inputs to prove a model on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feeds {
    /// Made from the model; equal seeds make equal inputs.
    Made {
        /// Chooses the random numbers.
        seed: u64,
    },
    /// Read from a file or folder; see [`load`].
    Data(PathBuf),
}

fn byte_len(value: &RunValue) -> usize {
    match value {
        RunValue::Tensor(t) => t.byte_len(),
        RunValue::Sequence(all) => all.iter().map(byte_len).fold(0, usize::saturating_add),
        RunValue::Optional(inner) => inner.as_deref().map_or(0, byte_len),
        RunValue::Map(keys, values) => keys.byte_len().saturating_add(values.byte_len()),
    }
}

impl Default for Feeds {
    fn default() -> Self {
        Self::Made { seed: 0 }
    }
}

/// The inputs that a caller must give, in order: those without a default.
pub(super) fn required_inputs(model: &Model) -> Vec<ValueId> {
    let needs = |v: &ValueId| matches!(model.graph.value(*v).def(), Def::Input { default: None, .. });
    model.graph.root().inputs().iter().copied().filter(needs).collect()
}
