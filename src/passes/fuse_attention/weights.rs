//! What the values are multiplied with: a `Softmax`, and what may stand around it.

use crate::ir::{NodeId, ValueId};
use crate::require;
use crate::rewrite::{Context, Miss};
use crate::tensor::DType;

/// The weights of attention.
pub(super) struct Weights {
    pub(super) softmax: NodeId,
    /// What they are the `Softmax` of, in their own type.
    pub(super) scores: ValueId,
    /// Whether rows that are no numbers are made 0.
    pub(super) guarded: bool,
    /// Whether the `Softmax` of half precision is computed in `float`.
    pub(super) in_float: bool,
}

impl Weights {
    pub(super) fn read(cx: &Context<'_>, weights: ValueId) -> Result<Self, Miss> {
        let graph = cx.graph;
        let input = |node: NodeId| cx.node(node).input(0).ok_or(Miss::Silent);
        let narrowed = graph.producer_is(weights, "Cast");
        let result = narrowed.map_or(Ok(weights), input)?;
        let (softmax, guarded) = guarded(cx, result).ok_or(Miss::Silent)?;
        let inner = input(softmax)?;
        let mut scores = inner;
        if narrowed.is_some() {
            let widened = graph.producer_is(inner, "Cast");
            let widened = widened
                .ok_or_else(|| Miss::because("the Softmax is not of half precision in float", inner))?;
            scores = input(widened)?;
            let half = matches!(graph.dtype(scores), Some(DType::F16 | DType::BF16));
            let back = half && graph.dtype(scores) == graph.dtype(weights);
            require!(
                back && graph.dtype(inner) == Some(DType::F32),
                inner,
                "the Softmax is not of half precision in float"
            );
        }
        let sole = |v: ValueId| graph.value(v).uses().len() == 1;
        require!(
            sole(weights) && sole(result) && sole(inner),
            weights,
            "the attention weights are read elsewhere"
        );
        Ok(Self { softmax, scores, guarded, in_float: narrowed.is_some() })
    }
}

/// The `Softmax` that made a value, and whether rows that are no numbers are made 0 behind it.
fn guarded(cx: &Context<'_>, value: ValueId) -> Option<(NodeId, bool)> {
    let graph = cx.graph;
    if let Some(softmax) = graph.producer_is(value, "Softmax") {
        return Some((softmax, false));
    }
    let choice = graph.producer_is(value, "Where")?;
    let [condition, zero, kept] = [0, 1, 2].map(|i| cx.node(choice).input(i));
    let (condition, zero, kept) = (condition?, zero?, kept?);
    let test = graph.producer_is(condition, "IsNaN")?;
    let softmax = graph.producer_is(kept, "Softmax")?;
    let used = |v: ValueId| graph.value(v).uses().len();
    let is_zero = graph.const_value(zero)?.as_scalar() == Some(0.0);
    let inside = used(condition) == 1 && used(kept) == 2;
    (is_zero && inside && cx.node(test).input(0) == Some(kept)).then_some((softmax, true))
}
