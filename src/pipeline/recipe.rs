//! A job as a recipe.

use super::optimize::OptimizeJob;
use super::sizes::Sizes;
use crate::error::Result;
use crate::io::ExternalData;
use crate::recipe::{
    Kept, Opset, OpsetName, Optimize, Placement, Proof, RECIPE_VERSION, Recipe, Size, Step, Write,
};
use crate::rewrite::OpsetRequest;
use crate::validate::Feeds;
use std::collections::BTreeMap;

impl OptimizeJob {
    /// The settings of this job, presets spelled out; its model is no part of them.
    ///
    /// # Errors
    /// A name is none of a pass.
    pub fn recipe(&self) -> Result<Recipe> {
        let options = &self.options;
        let optimize = Optimize {
            target: options.target.name(),
            level: options.level,
            opset: match options.opset {
                OpsetRequest::Keep => Opset::Named(OpsetName::Keep),
                OpsetRequest::Latest => Opset::Named(OpsetName::Latest),
                OpsetRequest::Version(version) => Opset::Version(version),
            },
            passes: options.passes()?.iter().map(|p| p.id().to_owned()).collect(),
            pass_limit: options.pass_limit,
            growth_percent: options.growth.percent,
            growth_bytes: options.growth.bytes,
            dims: options.sizes.dims.clone(),
            shapes: shapes(&options.sizes),
        };
        let (inputs, seed) = match &self.proof.feeds {
            Feeds::Data(path) => (Some(path.display().to_string()), None),
            Feeds::Made { seed } => (None, Some(*seed)),
        };
        Ok(Recipe {
            version: RECIPE_VERSION,
            steps: vec![Step::Optimize(optimize)],
            data: None,
            proof: Proof {
                verify: self.proof.verify,
                require: self.proof.require,
                force: self.proof.force,
                inputs,
                seed,
            },
            write: Write { external_data: placement(self.external_data) },
        })
    }
}

/// Where weights go, as a recipe says it.
pub(super) fn placement(data: ExternalData) -> Placement {
    match data {
        ExternalData::Keep => Placement::Keep,
        ExternalData::Inline => Placement::Inline,
        ExternalData::Separate => Placement::Separate,
    }
}

/// Sizes of all inputs, as a recipe says them.
pub(super) fn shapes(sizes: &Sizes) -> BTreeMap<String, Vec<Size>> {
    sizes.shapes.iter().map(|(name, sizes)| (name.clone(), shape(sizes))).collect()
}

fn shape(sizes: &[Option<u64>]) -> Vec<Size> {
    sizes.iter().map(|size| size.map_or(Size::Kept(Kept::Kept), Size::Fixed)).collect()
}
