//! `SplitToSequence` of which single elements, all together or their number is read.

use super::elements::position;
use crate::ir::{NodeId, Use, ValueId};
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::tensor::Tensor;

/// Parts at most.
const MOST_PARTS: usize = 256;

pub(super) fn merge(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let (x, sequence) = (n.input(0).ok_or(Miss::Silent)?, n.outputs()[0]);
    let dims = cx.graph.shape(x).ok_or_else(|| Miss::because("the rank is not known", x))?;
    let axis = cx.int(node, "axis").ok_or(Miss::Silent)?;
    let along = usize::try_from(if axis < 0 { axis + dims.len() as i64 } else { axis }).ok();
    let size = along.and_then(|a| i64::try_from(dims.get(a)?.as_fixed()?).ok());
    let parts = parts(cx, n.input(1), size)
        .filter(|p| !p.is_empty() && p.len() <= MOST_PARTS)
        .ok_or_else(|| Miss::because("the sizes of the parts are not known", sequence))?;
    let dropped = n.input(1).is_none() && cx.int(node, "keepdims") == Some(0);
    let readers = readers(cx, node)?;
    let picked = |reader: &NodeId| cx.node(*reader).op().is("SequenceAt");
    let mut patch = Patch::new();
    let mut made = Vec::new();
    if !dropped && readers.iter().any(|r| !cx.node(*r).op().is("SequenceLength")) {
        made = split(cx, &mut patch, x, axis, &parts);
    }
    for reader in readers {
        let r = cx.node(reader);
        let old = r.outputs()[0];
        if r.op().is("SequenceLength") {
            let length = patch.constant(Tensor::scalar(parts.len() as i64));
            patch.replace(old, length);
            continue;
        }
        if !picked(&reader) {
            require!(!dropped && cx.int(reader, "new_axis") == Some(0), old, "the elements are stacked");
            let joined = patch.node("Concat", made.clone());
            patch.set_attr("axis", cx.int(reader, "axis").ok_or(Miss::Silent)?);
            patch.replace(old, joined);
            continue;
        }
        let at = position(cx, r.input(1), parts.len())?;
        require!(at < parts.len(), old, "the position is outside of the sequence");
        if !dropped {
            patch.replace(old, made[at]);
            continue;
        }
        let index = patch.constant(Tensor::scalar(at as i64));
        let element = patch.node("Gather", [Ref::from(x), index]);
        patch.set_attr("axis", axis);
        patch.replace(old, element);
    }
    Ok(patch)
}

/// Those that read the sequence, each of which can do without.
fn readers(cx: &Context<'_>, node: NodeId) -> Result<Vec<NodeId>, Miss> {
    let sequence = cx.node(node).outputs()[0];
    let mut readers = Vec::new();
    for reader in cx.graph.value(sequence).uses() {
        let plain = match reader {
            &Use::Operand { node: at, index: 0 } if cx.node(at).region() == cx.node(node).region() => {
                Some(at)
            }
            _ => None,
        };
        let known = ["SequenceAt", "SequenceLength", "ConcatFromSequence"];
        let plain = plain.filter(|&r| known.contains(&cx.node(r).op().name));
        readers.push(plain.ok_or_else(|| Miss::because("the sequence itself is read", sequence))?);
    }
    if readers.is_empty() { Err(Miss::Silent) } else { Ok(readers) }
}

/// The sizes of the parts.
fn parts(cx: &Context<'_>, sizes: Option<ValueId>, whole: Option<i64>) -> Option<Vec<i64>> {
    let Some(sizes) = sizes else {
        return Some(vec![1; usize::try_from(whole?).ok().filter(|&n| n <= MOST_PARTS)?]);
    };
    let tensor = cx.graph.const_value(sizes)?;
    if tensor.rank() == 1 {
        return tensor.to_i64s();
    }
    let (size, whole) = (tensor.as_int().filter(|&s| s > 0)?, whole?);
    let count = usize::try_from(whole / size).ok().filter(|&n| n < MOST_PARTS)?;
    let mut parts = vec![size; count];
    parts.extend((whole % size > 0).then_some(whole % size));
    Some(parts)
}

fn split(cx: &Context<'_>, patch: &mut Patch, x: ValueId, axis: i64, parts: &[i64]) -> Vec<Ref> {
    let count = parts.len() as u32;
    let made = if cx.opset() < 13 {
        let made = patch.node_with_outputs("Split", [x], count);
        patch.set_attr("split", parts.to_vec());
        made
    } else {
        let sizes = patch.constant(Tensor::vector(parts));
        patch.node_with_outputs("Split", [Ref::from(x), sizes], count)
    };
    patch.set_attr("axis", axis);
    made
}
