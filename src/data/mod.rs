//! Samples for a model, read from files one at a time, or made from what the model says of its inputs.
//!
//! A [`Source`] knows how many samples there are and in which order they come, and holds none of them. How images, text
//! and audio become inputs, a [`DataSpec`] says; without one they are refused.
//!
//! | file | idea |
//! |---|---|
//! | `source` | what a file or folder holds, in an order that a seed chooses, one sample at a time |
//! | `folder` | the files of a folder, and which kind they are |
//! | `inputs` | the model's inputs: what fits them, what is missing |
//! | `constants` | inputs that are the same in every sample |
//! | `numbers` | numbers in the type that an input declares |
//! | `shuffle` | a seeded order of any length without a table |
//! | `fingerprint` | what a cache of results is keyed by |
//! | `arrays` | npz, npy, ONNX `test_data_set_*` |
//! | `npy`, `protos` | the two kinds of files that hold arrays |
//! | `image`, `text`, `audio` | files of one kind, prepared for a model |
//! | `made` | inputs made from the model itself |

mod arrays;
mod audio;
mod constants;
mod fingerprint;
mod folder;
mod image;
mod inputs;
pub(crate) mod made;
mod npy;
mod numbers;
mod protos;
mod shuffle;
mod source;
mod text;

pub use source::{RANDOM_SAMPLES, Source, load};

pub(crate) use inputs::required_inputs;

use crate::error::Result;
use crate::recipe::DataSpec;
use crate::runtime::RunValue;
use std::collections::BTreeMap;

/// Settings with what their presets stand for.
///
/// # Errors
/// There is no preset of that name.
pub fn spelled_out(spec: &DataSpec) -> Result<DataSpec> {
    let image = spec.image.as_ref().map(image::spelled_out).transpose()?;
    Ok(DataSpec { image, ..spec.clone() })
}

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
    pub(crate) fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        let shape = |(name, value): &(String, RunValue)| match value {
            RunValue::Tensor(tensor) => Some((name.clone(), tensor.shape().to_vec())),
            _ => None,
        };
        self.values.iter().filter_map(shape).collect()
    }

    /// Bytes of all tensors.
    pub(crate) fn byte_len(&self) -> usize {
        self.values.iter().map(|(_, value)| byte_len(value)).fold(0, usize::saturating_add)
    }

    /// The value of an input.
    pub fn get(&self, name: &str) -> Option<&RunValue> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }
}

/// Bytes of all tensors of a value.
pub(crate) fn byte_len(value: &RunValue) -> usize {
    match value {
        RunValue::Tensor(t) => t.byte_len(),
        RunValue::Sequence(all) => all.iter().map(byte_len).fold(0, usize::saturating_add),
        RunValue::Optional(inner) => inner.as_deref().map_or(0, byte_len),
        RunValue::Map(keys, values) => keys.byte_len().saturating_add(values.byte_len()),
    }
}
