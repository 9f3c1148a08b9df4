//! The job as a recipe.

use super::QuantizeJob;
use crate::data::spelled_out;
use crate::error::Result;
use crate::pipeline::recipe::{placement, shapes};
use crate::recipe::{Proof, Quantize, RECIPE_VERSION, Recipe, Step, Write};
use std::path::PathBuf;

impl QuantizeJob {
    /// The settings of this job, presets spelled out; its model is no part of them.
    ///
    /// # Errors
    /// There is no preset of that name.
    pub fn recipe(&self) -> Result<Recipe> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        let evidence = &self.evidence;
        let quantize = Quantize {
            target: self.target.name(),
            method: self.method.as_ref().map(ToString::to_string),
            weight_bits: self.weight_bits,
            keep_float: self.keep_float.clone(),
            min_sqnr_db: self.bounds.min_sqnr_db,
            max_drop: self.bounds.max_drop.iter().map(|(m, most)| (m.name().to_owned(), *most)).collect(),
            smooth: self.smooth,
            bias_correction: self.bias_correction,
            calibration: path(&evidence.calibration),
            random: evidence.random,
            plan: path(&evidence.plan),
            tensorrt_cache: path(&evidence.tensorrt_cache),
            dims: self.sizes.dims.clone(),
            shapes: shapes(&self.sizes),
        };
        Ok(Recipe {
            version: RECIPE_VERSION,
            steps: vec![Step::Quantize(quantize)],
            data: Some(spelled_out(&evidence.data)?),
            proof: Proof {
                verify: self.verify,
                require: false,
                force: self.force,
                inputs: path(&evidence.calibration),
                seed: None,
            },
            write: Write { external_data: placement(self.external_data) },
        })
    }
}
