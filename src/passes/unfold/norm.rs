//! Normalizations over the last axes, as the operator or as the formula behind it.

use super::Formula;
use crate::rewrite::Ref;
use crate::tensor::DType;

/// What is normalized, and how.
#[derive(Clone, Copy, Debug)]
pub(in crate::passes) struct Norm {
    pub(in crate::passes) x: Ref,
    /// How many axes it has.
    pub(in crate::passes) rank: usize,
    /// The first axis that is normalized.
    pub(in crate::passes) axis: usize,
    pub(in crate::passes) scale: Ref,
    pub(in crate::passes) epsilon: f64,
}

impl Norm {
    /// Over the last axis.
    pub(in crate::passes) fn last(x: Ref, rank: usize, scale: Ref, epsilon: f64) -> Self {
        Self { x, rank, axis: rank.saturating_sub(1), scale, epsilon }
    }

    /// `(x - mean) / √(variance + ε) · scale + bias`
    pub(in crate::passes) fn layer(self, f: &mut Formula<'_>, bias: Option<Ref>) -> Ref {
        if f.has("LayerNormalization") {
            return self.operator(f, "LayerNormalization", bias);
        }
        let x = wide(f, self.x);
        let mean = f.mean(x, &self.axes());
        let x = f.sub(x, mean);
        let y = self.over_root(f, x);
        match bias {
            Some(bias) => f.add(y, bias),
            None => y,
        }
    }

    /// `x / √(mean of squares + ε) · scale`
    pub(in crate::passes) fn rms(self, f: &mut Formula<'_>) -> Ref {
        if f.has("RMSNormalization") {
            return self.operator(f, "RMSNormalization", None);
        }
        let x = wide(f, self.x);
        self.over_root(f, x)
    }

    fn operator(self, f: &mut Formula<'_>, name: &'static str, bias: Option<Ref>) -> Ref {
        let y = f.op(name, [self.x, self.scale].into_iter().chain(bias));
        f.attr("axis", self.axis as i64 - self.rank as i64);
        f.attr("epsilon", self.epsilon as f32);
        y
    }

    fn axes(self) -> Vec<i64> {
        (self.axis as i64..self.rank as i64).collect()
    }

    /// `x / √(mean of squares + ε) · scale`, for `x` in the type that [`wide`] gives.
    fn over_root(self, f: &mut Formula<'_>, x: Ref) -> Ref {
        let square = f.mul(x, x);
        let mean = f.mean(square, &self.axes());
        let epsilon = f.number_of(if is_half(f.dtype) { DType::F32 } else { f.dtype }, self.epsilon);
        let sum = f.add(mean, epsilon);
        let root = f.op("Sqrt", [sum]);
        let mut y = f.op("Div", [x, root]);
        if is_half(f.dtype) {
            y = f.cast(y, f.dtype);
        }
        f.mul(y, self.scale)
    }
}

/// Halves are normalized in single precision.
fn wide(f: &mut Formula<'_>, x: Ref) -> Ref {
    if is_half(f.dtype) { f.cast(x, DType::F32) } else { x }
}

fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}
