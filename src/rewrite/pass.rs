//! What works on a whole model instead of a node at a time: folding, merging, converting.

use super::{Meta, PassStats};
use crate::analysis::Facts;
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::{Model, OpId};
use crate::runtime::Runtime;
use crate::target::Target;

/// A pass over a whole model.
pub trait Pass: Sync + Send {
    /// What it says of itself.
    fn meta(&self) -> &Meta;
    /// Changes the model.
    ///
    /// # Errors
    /// Only what makes going on senseless; what merely cannot be done is a miss or a remark.
    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats>;
    /// Operators that it writes as others where a target lacks them.
    fn unfolds(&self) -> Vec<OpId> {
        Vec::new()
    }
}

/// What passes share during a run.
pub struct PassContext<'a> {
    /// What is known of the main graph's values beyond their types.
    pub facts: &'a mut Facts,
    /// Remarks for the user.
    pub diags: &'a mut Diags,
    /// Evaluates constant nodes that we have no kernel for.
    pub runtime: Option<&'a dyn Runtime>,
    /// Bytes by which folding may still grow the file: whoever grows it takes them off.
    pub growth_budget: u64,
    /// The opset that the user asked for.
    pub opset: OpsetRequest,
    /// What may be added.
    pub target: &'a Target,
    /// How many more changes may be made by rules; for bisecting.
    pub changes_left: u64,
}

/// `--opset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpsetRequest {
    /// The model's own.
    #[default]
    Keep,
    /// This one, never lower than the model's own.
    Version(i64),
    /// The newest that the target takes.
    Latest,
}
