//! What the watched values of a sample take in memory: from shapes where inference knows them, else from a run.

use super::run::session;
use super::watched::Watched;
use crate::analysis::Facts;
use crate::data::FeedSet;
use crate::diag::Diags;
use crate::error::Result;
use crate::ir::{Dim, Model, TensorType, Type, ValueId};
use crate::runtime::{RunError, RunValue, Runtime, SessionOptions};

/// Values of unknown size that are fetched at once.
const PIECE: usize = 16;

/// Bytes of each value when this sample is run.
///
/// # Errors
/// Sizes have to be measured, and the model does not run on the sample.
pub(super) fn sizes(
    model: &Model,
    watched: &[&Watched],
    sample: &FeedSet,
    runtime: &dyn Runtime,
    options: &SessionOptions,
) -> Result<Vec<u64>> {
    let inferred = inferred(model, watched, sample);
    let unknown: Vec<usize> = (0..watched.len()).filter(|&i| inferred[i].is_none()).collect();
    let mut sizes: Vec<u64> = inferred.into_iter().map(Option::unwrap_or_default).collect();
    for piece in unknown.chunks(PIECE) {
        let values: Vec<&Watched> = piece.iter().map(|&i| watched[i]).collect();
        let names: Vec<&str> = values.iter().map(|w| w.own_name.as_str()).collect();
        let mut session = session(model, &values, runtime, options)?;
        let fetched = session.run(&sample.as_feeds(), &names).map_err(RunError::into_error)?;
        for (&i, value) in piece.iter().zip(&fetched) {
            sizes[i] = bytes_of(value);
        }
    }
    Ok(sizes)
}

/// Bytes that a value takes.
pub(super) fn bytes_of(value: &RunValue) -> u64 {
    match value {
        RunValue::Tensor(tensor) => tensor.byte_len() as u64,
        RunValue::Optional(Some(inner)) => bytes_of(inner),
        // Refused when it is observed.
        _ => 0,
    }
}

/// By shape inference from the sample's own shapes.
fn inferred(model: &Model, watched: &[&Watched], sample: &FeedSet) -> Vec<Option<u64>> {
    let mut copy = model.clone();
    for &input in model.graph.root().inputs() {
        if let Some(RunValue::Tensor(tensor)) = sample.get(model.graph.value(input).name()) {
            let dims = tensor.shape().iter().map(|&d| Dim::Fixed(d as u64)).collect();
            let ty = Type::Tensor(TensorType { dtype: tensor.dtype(), shape: Some(dims) });
            copy.graph.set_declared(input, Some(ty.clone()));
            copy.graph.set_type(input, Some(ty));
        }
    }
    Facts::new().infer_model(&mut copy, &mut Diags::new());
    watched.iter().map(|w| known(&copy, w.value)).collect()
}

fn known(model: &Model, value: ValueId) -> Option<u64> {
    let ty = model.graph.tensor_type(value)?;
    let dims = ty.shape.as_ref()?.iter().map(Dim::as_fixed);
    let elements = dims.into_iter().try_fold(1u64, |n, dim| n.checked_mul(dim?))?;
    elements.checked_mul(ty.dtype.bits() as u64 / 8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::requests::{Requests, Want};
    use super::super::watched::watched;
    use super::*;
    use crate::tensor::Tensor;
    use crate::text::parse_model;

    #[test]
    fn shapes_follow_from_the_sample() {
        let text = "<ir_version: 8, opset_import: [\"\" : 17]> g (float[n,3] x) => (float[n,3] y)
            { a = Relu (x) s = NonZero (a) f = Cast <to = 1> (s) y = Neg (a) }";
        let model = parse_model(text).unwrap();
        let mut requests = Requests::new();
        ["a", "f", "y"].into_iter().for_each(|name| requests.add(name, Want::Range));
        let watched = watched(&model, &requests).unwrap();
        let tensor = Tensor::from_slice(&[5, 3], &[0f32; 15]).unwrap();
        let sample =
            FeedSet { label: String::new(), values: vec![("x".to_owned(), RunValue::Tensor(tensor))] };
        let watched: Vec<&Watched> = watched.iter().collect();
        assert_eq!(inferred(&model, &watched, &sample), [Some(60), None, Some(60)]);
    }
}
