//! `fuse-layer-norm`: the decomposed mean/variance formula becomes one `LayerNormalization`.
//!
//! ```text
//! d = x - ReduceMean(x);   y = d / Sqrt(ReduceMean(d²) + ε) · scale + bias
//!   ->  y = LayerNormalization<axis, epsilon=ε>(x, scale, bias)
//! Cast(LayerNormalization(Cast(x)))   ->   LayerNormalization(x)
//! ```
//!
//! Reassociates. Found with `d²` as `Pow` or as a product, the root as a division, as a product
//! with `Reciprocal` or `1 / Sqrt`, or as a power of ±½, with the axes of `ReduceMean` as attribute
//! or as input, without a bias, and with operands on either side; also as TensorFlow spells it,
//! `x · r + (bias - mean · r)` with `r = scale / Sqrt(…)`. Conversions from half precision and back around it go.
//!
//! Fires only when both means keep their axes and run over the same last ones, or over one before
//! them, as channels first have it: then between two `Transpose`s. Scale and bias become its own when they are of exactly
//! those dims; a wider one would broadcast `x` and stays behind a scale of ones. Double precision
//! stays as it is, since the operator computes in single. So does what
//! `DynamicQuantizeLinear` reads: its steps move with a rounding.
//!
//! Needs opset 17.

mod affine;
mod plain;
mod scaled;

use crate::error::Result;
use crate::ir::{Model, OpId};
use crate::passes::normalization::{Absorb, Half};
use crate::rewrite::{Exactness, Meta, Pass, PassContext, PassStats, Work, fusion, settle};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseLayerNorm;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseLayerNorm)
}

const NORM: &str = "LayerNormalization";

const META: Meta = Meta {
    id: "fuse-layer-norm",
    summary: "(x - mean) / sqrt(variance + ε) · scale + bias becomes LayerNormalization",
    exactness: Exactness::Reassociates,
    since_opset: 17,
    emits: &[OpId::onnx(NORM), OpId::onnx("Transpose")],
};

impl Pass for FuseLayerNorm {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let (scaled, affine, plain) = (fusion(scaled::Scaled), fusion(affine::Affine), fusion(plain::Plain));
        let (absorb, half) = (Absorb { meta: &META, norm: NORM }, Half { meta: &META, norm: NORM });
        settle(&[&*scaled, &*affine, &*plain, &absorb, &half], model, cx)
    }
}
