//! `merge-casts`: a `Cast` of a `Cast` that loses nothing reads what the first one read.
//!
//! ```text
//! Cast<to=C>(Cast<to=B>(x))   ->   Cast<to=C>(x)        where B holds all that the type of x does
//! ```
//!
//! Exact. Whole numbers and floats that become others of more bits, booleans that become anything.
//!
//! Refused: a float that ends as a whole number, since what is out of range is up to the runtime.

use crate::ir::{NodeId, OpId};
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Rule, Work};
use crate::tensor::DType;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeCasts;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(MergeCasts)
}

const META: Meta = Meta {
    id: "merge-casts",
    summary: "Cast of a Cast that loses nothing becomes one Cast",
    exactness: Exactness::Exact,
    since_opset: 6,
    emits: &[OpId::onnx("Cast")],
};

impl Rule for MergeCasts {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        META.emits
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        one(cx, node)
    }
}

fn one(cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
    let n = cx.node(node);
    let between = n.input(0).ok_or(Miss::Silent)?;
    let inner =
        cx.graph.producer(between).filter(|&p| cx.node(p).op() == OpId::onnx("Cast")).ok_or(Miss::Silent)?;
    let value = cx.node(inner).input(0).ok_or(Miss::Silent)?;
    let (Some(a), Some(b), Some(c)) =
        (cx.graph.dtype(value), cx.graph.dtype(between), cx.graph.dtype(n.outputs()[0]))
    else {
        return Err(Miss::because("the types are not known", between));
    };
    if !holds(b, a) {
        return Err(Miss::because("the first Cast loses something", between));
    }
    if a.is_float() && !c.is_float() && c != DType::Bool {
        return Err(Miss::because("a float may be out of the range of whole numbers", between));
    }
    if a == c && cx.node(inner).region() == n.region() && !cx.graph.is_graph_output(n.outputs()[0]) {
        return Ok(Patch::forward(n.outputs()[0], value));
    }
    let mut patch = Patch::new();
    patch.copy(n, [value]);
    Ok(patch)
}

/// Whether the wide type holds every value of the narrow one.
fn holds(wide: DType, narrow: DType) -> bool {
    if wide == narrow {
        return true;
    }
    match (digits(wide), digits(narrow)) {
        (Some(w), Some(n)) => {
            w.digits >= n.digits
                && (w.signed || !n.signed)
                && (w.float || !n.float)
                && w.exponent >= n.exponent
        }
        _ => false,
    }
}

/// What a type holds: whole numbers of so many bits, and exponents of so many where it is a float.
struct Digits {
    digits: u32,
    signed: bool,
    float: bool,
    exponent: u32,
}

fn digits(dtype: DType) -> Option<Digits> {
    let (digits, signed, exponent) = match dtype {
        DType::Bool => (1, false, 0),
        DType::U8 => (8, false, 0),
        DType::U16 => (16, false, 0),
        DType::U32 => (32, false, 0),
        DType::U64 => (64, false, 0),
        DType::I8 => (7, true, 0),
        DType::I16 => (15, true, 0),
        DType::I32 => (31, true, 0),
        DType::I64 => (63, true, 0),
        DType::BF16 => (8, true, 8),
        DType::F16 => (11, true, 5),
        DType::F32 => (24, true, 8),
        DType::F64 => (53, true, 11),
        _ => return None,
    };
    Some(Digits { digits, signed, float: exponent > 0, exponent })
}
