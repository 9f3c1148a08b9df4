//! What is done to a model, as TOML: `--print-recipe` writes it, every report embeds it.
//!
//! A recipe names no model: the same one serves many. Presets are spelled out, so that it says today what it will do
//! with a later version; what a run does not use is left out.

mod data;

pub use data::{
    AudioSpec, Channels, Constant, Cut, DataSpec, Elements, Filter, ImageSpec, Layout, Pad, Padding, Place,
    Resize, Scalar, Shaped, Short, Square, TextInput, TextSpec,
};

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format that is written and read.
pub const RECIPE_VERSION: u32 = 1;

/// All settings of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// [`RECIPE_VERSION`].
    pub version: u32,
    /// What is done, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
    /// How the user's data become inputs, where a step runs the model on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSpec>,
    /// How the result is proved.
    pub proof: Proof,
    /// How the result is written.
    pub write: Write,
}

/// One thing to do, named as its command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub enum Step {
    /// Simplify and fuse the graph.
    Optimize(Optimize),
    /// Compute in whole numbers.
    Quantize(Quantize),
}

/// The settings of `quantize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantize {
    /// What the model is written for.
    pub target: String,
    /// How a range is chosen from what was observed; left out, by what reads the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Names or operators of nodes that stay floats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_float: Vec<String>,
    /// Nodes go back to floats until the outputs have this ratio of signal to error, in decibels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_sqnr_db: Option<f64>,
    /// … and until these figures of each are at most so far below 1: `top1`, `cosine`, `cosine-min`, `equal`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max_drop: BTreeMap<String, f64>,
    /// Channels of values are divided, weights multiplied with the same.
    #[serde(default = "yes")]
    pub smooth: bool,
    /// Biases are shifted by what rounding shifts the means of their channels.
    #[serde(default = "yes")]
    pub bias_correction: bool,
    /// The file or folder of samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<String>,
    /// Whether the samples are random numbers.
    #[serde(default)]
    pub random: bool,
    /// A plan that was written before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// A calibration cache of TensorRT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensorrt_cache: Option<String>,
    /// Sizes of symbolic dims, fixed before anything else is done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dims: BTreeMap<String, u64>,
    /// Dims of inputs, fixed before anything else is done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shapes: BTreeMap<String, Vec<Size>>,
}

fn yes() -> bool {
    true
}

/// The settings of `optimize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimize {
    /// What the model is written for.
    pub target: String,
    /// The `-O` that chose the passes.
    pub level: u8,
    /// The opset to end with.
    pub opset: Opset,
    /// The passes, in the order in which they run: no others do, whatever the level.
    pub passes: Vec<String>,
    /// The run stops after so many changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_limit: Option<u64>,
    /// Folding may grow the file by this share of its size, in percent, rounded down to a power of two of bytes …
    pub growth_percent: u64,
    /// … or by so many bytes where that is more.
    pub growth_bytes: u64,
    /// Sizes of symbolic dims, fixed before anything else is done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dims: BTreeMap<String, u64>,
    /// Dims of inputs, fixed before anything else is done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shapes: BTreeMap<String, Vec<Size>>,
}

/// One dim of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// This size.
    Fixed(u64),
    /// The one that it has.
    Kept(Kept),
}

/// A dim that is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// The only way to say so.
    #[serde(rename = "?")]
    Kept,
}

/// An opset: a version or a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Opset {
    /// This version, never lower than the model's own.
    Version(i64),
    /// A version that depends on the model or the target.
    Named(OpsetName),
}

/// The opsets that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpsetName {
    /// The model's own.
    Keep,
    /// The newest that the target takes.
    Latest,
}

/// How the result is proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Prove it at all.
    pub verify: bool,
    /// Write nothing where it cannot be proved.
    pub require: bool,
    /// Write the result even where it differs.
    pub force: bool,
    /// The file or folder of inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// Where there is none: the seed that makes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// How the result is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Where the weights go.
    pub external_data: Placement,
}

/// Where weights go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Where they are in the input.
    Keep,
    /// Into the model file.
    Inline,
    /// Into a file of their own beside the model.
    Separate,
}

impl Recipe {
    /// As TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self)
            .expect("every field is a string, a number, a boolean or a table of these")
    }

    /// Reads what [`Recipe::to_toml`] has written.
    ///
    /// # Errors
    /// The text is no TOML, has unknown or missing fields, or is of another version.
    pub fn parse(text: &str) -> Result<Self> {
        let help = "`onnxpress optimize --print-recipe` prints a recipe to start from";
        let recipe: Self = toml::from_str(text)
            .map_err(|e| Error::new(format!("is no recipe: {}", e.to_string().trim_end())).with_help(help))?;
        if recipe.version != RECIPE_VERSION {
            let message = format!("is a recipe of version {}, not {RECIPE_VERSION}", recipe.version);
            return Err(Error::new(message).with_help(help));
        }
        Ok(recipe)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn recipe(opset: Opset) -> Recipe {
        let optimize = Optimize {
            target: "onnx".into(),
            level: 2,
            opset,
            passes: vec!["fuse-gelu".into()],
            pass_limit: None,
            growth_percent: 1,
            growth_bytes: 65536,
            dims: BTreeMap::from([("batch".into(), 8)]),
            shapes: BTreeMap::from([("x".into(), vec![Size::Fixed(1), Size::Kept(Kept::Kept)])]),
        };
        Recipe {
            version: RECIPE_VERSION,
            steps: vec![Step::Optimize(optimize)],
            data: None,
            proof: Proof { verify: true, require: false, force: false, inputs: None, seed: Some(7) },
            write: Write { external_data: Placement::Inline },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for opset in [Opset::Version(20), Opset::Named(OpsetName::Keep), Opset::Named(OpsetName::Latest)] {
            let recipe = recipe(opset);
            assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe);
            let json = serde_json::to_string(&recipe).unwrap();
            assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let text = recipe(Opset::Version(20)).to_toml();
        for (from, to, says) in [
            ("level = 2", "level = 2\ncolour = 3", "colour"),
            ("level = 2\n", "", "level"),
            ("opset = 20", "opset = \"newest\"", "is no recipe"),
            ("command = \"optimize\"", "command = \"shrink\"", "shrink"),
            ("version = 1", "version = 2", "version 2, not 1"),
        ] {
            assert!(text.contains(from), "{text}");
            let error = Recipe::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert!(error.message().contains(says) && error.help().is_some(), "{error:?}");
        }
    }
}
