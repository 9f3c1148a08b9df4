//! Ops whose first output has the shape of the first operand.

use super::Rule;
use crate::analysis::site::Site;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "Acos", same),
    ("", "Acosh", same),
    ("", "Asin", same),
    ("", "Asinh", same),
    ("", "Atan", same),
    ("", "Atanh", same),
    ("", "BitwiseNot", same),
    ("", "Celu", same),
    ("", "Clip", same),
    ("", "Cos", same),
    ("", "Cosh", same),
    ("", "CumProd", same),
    ("", "CumSum", same),
    ("", "Dropout", dropout),
    ("", "Elu", same),
    ("", "Erf", same),
    ("", "Exp", same),
    ("", "Gelu", same),
    ("", "HardSigmoid", same),
    ("", "HardSwish", same),
    ("", "Hardmax", same),
    ("", "IsInf", same),
    ("", "IsNaN", same),
    ("", "LRN", same),
    ("", "LeakyRelu", same),
    ("", "Log", same),
    ("", "LogSoftmax", same),
    ("", "LpNormalization", same),
    ("", "MeanVarianceNormalization", same),
    ("", "Mish", same),
    ("", "PRelu", same),
    ("", "RegexFullMatch", same),
    ("", "Reciprocal", same),
    ("", "ReverseSequence", same),
    ("", "RotaryEmbedding", same),
    ("", "Scatter", same),
    ("", "ScatterElements", same),
    ("", "ScatterND", same),
    ("", "Selu", same),
    ("", "Shrink", same),
    ("", "Sigmoid", same),
    ("", "Sin", same),
    ("", "Sinh", same),
    ("", "Softmax", same),
    ("", "Softplus", same),
    ("", "Softsign", same),
    ("", "Sqrt", same),
    ("", "Swish", same),
    ("", "Tan", same),
    ("", "Tanh", same),
    ("", "TensorScatter", same),
    ("", "ThresholdedRelu", same),
    ("", "Trilu", same),
    ("com.microsoft", "BiasAdd", same),
    ("com.microsoft", "BiasDropout", dropout),
    ("com.microsoft", "BiasSoftmax", same),
    ("com.microsoft", "FastGelu", same),
    ("com.microsoft", "Gelu", same),
    ("com.microsoft", "GemmaRotaryEmbedding", rotary_pair),
    ("com.microsoft", "GroupNorm", same),
    ("com.microsoft", "Inverse", same),
    ("com.microsoft", "QLinearLeakyRelu", same),
    ("com.microsoft", "QLinearSigmoid", same),
    ("com.microsoft", "QLinearSoftmax", same),
    ("com.microsoft", "QuickGelu", same),
    ("com.microsoft", "RotaryEmbedding", same),
    ("com.microsoft", "Trilu", same),
];

pub(super) fn same(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 0)
}

fn dropout(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 0)?;
    site.like(1, 0)
}

/// Queries and keys that are turned share their shape.
fn rotary_pair(site: &mut Site<'_>) -> Option<()> {
    site.like(0, 1)?;
    site.like(1, 2)
}
