//! `narrow-indices`: indices that are written as INT64 and fit into INT32 become INT32.
//!
//! ```text
//! Gather(x, int64 {0, 3})              ->   Gather(x, int32 {0, 3})
//! Gather(x, Cast<to = INT64>(i))       ->   Gather(x, i)              where i is INT32
//! Slice(x, int64 {0}, int64 {2⁶³-1})   ->   Slice(x, int32 {0}, int32 {2³¹-1})
//! ```
//!
//! Exact. For `Gather`, `GatherElements`, `ScatterElements` and `Slice`; the other operators with indices take INT64 alone.
//! What a `Cast` widened is read as it was, or is widened to INT32. The largest number of INT64 as the end of a `Slice` means
//! the end of the axis, as the largest of INT32 does.
//!
//! TensorRT computes indices in the type that the file says. ONNX Runtime gains nothing, so there it runs by name only.
//!
//! Refused: indices that are computed in INT64, indices that do not fit, a `Slice` of which any bound does not become INT32.

use crate::ir::{NodeId, OpId, ValueId};
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::{DType, Tensor};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct NarrowIndices;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(NarrowIndices)
}

const SLICE: OpId = OpId::onnx("Slice");
const CAST: OpId = OpId::onnx("Cast");

/// The operand of a `Slice` that says where it ends.
const ENDS: usize = 2;

const META: Meta = Meta {
    id: "narrow-indices",
    summary: "indices in INT64 that fit into INT32 become INT32",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[OpId::onnx("Gather"), OpId::onnx("GatherElements"), OpId::onnx("ScatterElements"), SLICE, CAST],
};

impl Rule for NarrowIndices {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        META.emits.split_last().map_or(&[], |(_, ops)| ops)
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let is_slice = n.op() == SLICE;
        let indices = if is_slice { 1..n.inputs().len() } else { 1..2 };
        let wide = |i: usize| n.input(i).is_some_and(|v| cx.graph.dtype(v) == Some(DType::I64));
        if !indices.clone().any(wide) {
            return Err(Miss::Silent);
        }
        let mut patch = Patch::new();
        let mut inputs: Vec<Ref> = n.inputs().map(Ref::from).collect();
        for at in indices {
            let Some(value) = n.input(at) else { continue };
            let ends = is_slice && at == ENDS;
            inputs[at] = match Narrow::of(cx, value, ends)? {
                Narrow::Constant(tensor) => patch.constant(tensor),
                Narrow::Value(narrow) => narrow.into(),
                Narrow::Cast(from) => {
                    let cast = patch.node(CAST, [from]);
                    patch.set_attr("to", i64::from(DType::I32.code()));
                    cast
                }
            };
        }
        let made = patch.copy(n, inputs);
        patch.replace(n.outputs()[0], made);
        Ok(patch)
    }
}

/// What INT64 indices are in INT32.
enum Narrow {
    Constant(Tensor),
    Value(ValueId),
    Cast(ValueId),
}

impl Narrow {
    fn of(cx: &Context<'_>, value: ValueId, ends: bool) -> Result<Self, Miss> {
        if let Some(constant) = cx.graph.const_value(value) {
            let narrow = narrowed(&constant, ends);
            return narrow
                .map(Self::Constant)
                .ok_or_else(|| Miss::because("an index is beyond INT32", value));
        }
        let cast = cx.graph.producer_is(value, "Cast");
        let cast = cast.ok_or_else(|| Miss::because("the indices are computed in INT64", value))?;
        let from = cx.node(cast).input(0).ok_or(Miss::Silent)?;
        match cx.graph.dtype(from) {
            Some(DType::I32) => Ok(Self::Value(from)),
            Some(DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::Bool) => Ok(Self::Cast(from)),
            _ => Err(Miss::because("the indices are cast from a type with more numbers than INT32", value)),
        }
    }
}

fn narrowed(constant: &Tensor, ends: bool) -> Option<Tensor> {
    // Other ends beyond INT32 mean the size of the axis, from where nothing is left for a step backwards.
    let narrow = |wide: i64| match wide {
        i64::MAX if ends => Some(i32::MAX),
        i64::MIN if ends => Some(i32::MIN),
        _ => i32::try_from(wide).ok(),
    };
    let numbers: Vec<i32> = constant.to_i64s()?.into_iter().map(narrow).collect::<Option<_>>()?;
    Tensor::from_slice(constant.shape(), &numbers).ok()
}
