//! A factor behind a normalization becomes its scale, a summand its bias, also behind a `Transpose`.

use super::{finite_weight, fixed};
use crate::ir::{Node, NodeId, OpId, ValueId};
use crate::passes::linear::{own_constant, sole_producer};
use crate::require;
use crate::rewrite::{Context, Meta, Miss, Patch, Ref, Rule};

/// The rule, for the operators that a pass emits.
pub(in crate::passes) struct Absorb {
    pub(in crate::passes) meta: &'static Meta,
    pub(in crate::passes) norm: &'static str,
}

/// A normalization that nothing but the arithmetic behind it reads.
struct Found<'g> {
    norm: &'g Node,
    transpose: Option<&'g Node>,
    /// Dims of scale and bias.
    dims: Vec<usize>,
    /// The shape that a factor of these dims has beside the result.
    placed: Vec<usize>,
}

impl Rule for Absorb {
    fn meta(&self) -> &Meta {
        self.meta
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Mul"), OpId::onnx("Add")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let (Some(a), Some(b)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
        let (found, weight) = match (self.found(cx, a, node), self.found(cx, b, node)) {
            (Some(found), _) => (found, b),
            (None, Some(found)) => (found, a),
            _ => return Err(Miss::Silent),
        };
        let (scale, bias) = (found.norm.input(1).ok_or(Miss::Silent)?, found.norm.input(2));
        let plain = bias.is_none_or(|b| cx.uniform(b) == Some(0.0));
        let scaled = n.op().is("Mul");
        require!(
            plain && (!scaled || cx.uniform(scale) == Some(1.0)),
            weight,
            "there is a scale or bias already"
        );
        require!(cx.graph.dtype(weight) == cx.graph.dtype(scale), weight, "a weight is of another type");
        let mut patch = Patch::new();
        let weight = placed(cx, &found, weight, &mut patch)?;
        let x: Ref = found.norm.input(0).into();
        let mut inputs = vec![x];
        if scaled {
            inputs.push(weight);
            inputs.extend(bias.map(Ref::Old));
        } else {
            inputs.extend([scale.into(), weight]);
        }
        let normalized = patch.copy(found.norm, inputs);
        if let Some(transpose) = found.transpose {
            patch.copy(transpose, [normalized]);
        }
        Ok(patch)
    }
}

impl Absorb {
    fn found<'g>(&self, cx: &Context<'g>, value: ValueId, reader: NodeId) -> Option<Found<'g>> {
        let mut producer = sole_producer(cx, value, reader).ok()?;
        let (mut transpose, mut perm) = (None, None);
        if cx.node(producer).op().is("Transpose") {
            let outer = cx.node(producer);
            perm = Some(cx.permutation(producer)?);
            producer = sole_producer(cx, outer.input(0)?, producer).ok()?;
            transpose = Some(outer);
        }
        let norm = cx.node(producer);
        let takes_bias = self.norm != "RMSNormalization";
        if !norm.op().is(self.norm) || norm.outputs().len() != 1 || (!takes_bias && is_add(cx, reader)) {
            return None;
        }
        let dims = fixed(cx.graph.shape(norm.input(1)?)?)?;
        let rank = cx.graph.rank(norm.outputs()[0])?;
        let placed = placement(self.norm, &dims, rank, perm.as_deref())?;
        Some(Found { norm, transpose, dims, placed })
    }
}

fn is_add(cx: &Context<'_>, node: NodeId) -> bool {
    cx.node(node).op().is("Add")
}

/// Where the dims of scale and bias are in the result.
fn placement(norm: &str, dims: &[usize], rank: usize, perm: Option<&[usize]>) -> Option<Vec<usize>> {
    let mut placed = vec![1; rank];
    let trailing = matches!(norm, "LayerNormalization" | "RMSNormalization");
    match (perm, dims) {
        (None, _) if trailing => placed[rank.checked_sub(dims.len())?..].copy_from_slice(dims),
        (None, &[channels]) => *placed.get_mut(1)? = channels,
        (Some(perm), &[last]) if trailing => {
            let at = perm.iter().position(|&from| from + 1 == rank)?;
            *placed.get_mut(at)? = last;
        }
        _ => return None,
    }
    Some(placed)
}

/// The weight in the dims of scale and bias.
fn placed(cx: &Context<'_>, found: &Found<'_>, weight: ValueId, patch: &mut Patch) -> Result<Ref, Miss> {
    let shape = cx.graph.shape(weight).and_then(fixed);
    let shape = shape.ok_or_else(|| Miss::because("the dims of a weight are not known", weight))?;
    let missing = found.placed.len().checked_sub(shape.len());
    let fits =
        missing.is_some_and(|m| found.placed[..m].iter().all(|&d| d == 1) && found.placed[m..] == shape[..]);
    require!(fits, weight, "a weight does not vary along the normalized dims as scale and bias do");
    finite_weight(cx, weight)?;
    if shape == found.dims {
        return Ok(weight.into());
    }
    let tensor = own_constant(cx, weight, "weight")?;
    Ok(patch.constant(tensor.reshaped(&found.dims).map_err(|_| Miss::Silent)?))
}
