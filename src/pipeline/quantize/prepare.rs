//! The float graph that is calibrated: standard operators, the opset that the scales need.

use crate::analysis::Facts;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::Model;
use crate::pipeline::options::{Growth, Options};
use crate::pipeline::progress::Progress;
use crate::pipeline::run::{Means, run};
use crate::rewrite::OpsetRequest;
use crate::runtime::Runtime;
use crate::target::{Quantized, Target};

/// The first opset whose `QuantizeLinear` and `DequantizeLinear` have an axis.
const LEAST_OPSET: i64 = 13;

/// Simplifies a model as the target's table says, and raises its opset where it is too old.
pub(super) fn prepare(
    model: &mut Model,
    table: &Quantized,
    runtime: &dyn Runtime,
    bytes: u64,
    diags: &mut Diags,
    progress: &mut dyn Progress,
) -> Result<()> {
    let opset = match model.opset() {
        opset if opset >= LEAST_OPSET => OpsetRequest::Keep,
        _ => OpsetRequest::Version(LEAST_OPSET),
    };
    // TensorRT places no products whose channels have scales of their own: packed BERT has 148 layers in INT8, unpacked 172.
    let mut target = Target::named(&table.prepared_for)?;
    target.places_products = false;
    let options = Options { opset, ..Options::new(target) };
    let means = Means { runtime: Some(runtime), growth_budget: Growth::default().budget(bytes) };
    let before = model.opset();
    run(model, &options, means, diags, progress)?;
    if model.opset() < LEAST_OPSET {
        let message = format!("scales along an axis need opset {LEAST_OPSET}, and this model keeps {before}");
        return Err(Error::new(message).with_help(format!(
            "export it at opset {LEAST_OPSET} or newer; --verbose says what is in the way"
        )));
    }
    if model.opset() != before {
        diags.note(
            "opset-raised",
            None,
            format!("from {before} to {}: scales along an axis need it", model.opset()),
        );
    }
    Facts::new().infer_model(model, &mut Diags::new());
    Ok(())
}
