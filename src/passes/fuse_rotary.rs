//! `fuse-rotary`: positions that are turned into queries and keys become one `RotaryEmbedding`.
//!
//! ```text
//! a, b = halves of each head of x
//! x · cos + Concat(-b, a) · sin   ->   RotaryEmbedding(x, cos', sin')                              opset 23
//!                                 ->   com.microsoft.RotaryEmbedding(x, 0, cos', sin')    below, where the target has it
//! ```
//!
//! `x` is `[batch, heads, sequence, size]`. `cos` and `sin` hold each angle twice, side by side; `cos'` and `sin'` are their
//! first halves. The signs may have moved from the halves of `x` to `sin`, as `share-signs` does.
//!
//! Reassociates. All layers share what is made of the angles.
//!
//! Refused: angles that are not proven to be held twice, that differ between heads, or, for ONNX Runtime's own operator,
//! between batches; halves that are read in another order; parts of a head.

mod angles;

use crate::ir::{NodeId, OpId, ValueId};
use crate::passes::linear::same_shape;
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Rule, Work, settle,
};
use crate::tensor::DType;
use angles::{Angles, Form};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseRotary;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseRotary)
}

const ROTARY: OpId = OpId::onnx("RotaryEmbedding");
const CONTRIB: OpId = OpId::microsoft("RotaryEmbedding");

const META: Meta = Meta {
    id: "fuse-rotary",
    summary: "x · cos + (halves of x, swapped) · sin becomes RotaryEmbedding",
    exactness: Exactness::Reassociates,
    since_opset: 13,
    emits: &[ROTARY, CONTRIB],
};

impl Pass for FuseRotary {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut crate::ir::Model, cx: &mut PassContext<'_>) -> crate::error::Result<PassStats> {
        settle(&[&Written(Form::Standard), &Written(Form::Contrib)], model, cx)
    }
}

/// The formula, where the target takes it in one of its forms.
struct Written(Form);

impl Rule for Written {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Add")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        if cx.in_function {
            return Err(Miss::Silent);
        }
        let n = cx.node(node);
        let (Some(a), Some(b)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
        let turned = read(cx, a, b).or_else(|| read(cx, b, a)).ok_or(Miss::Silent)?;
        let y = n.outputs()[0];
        require!(same_shape(cx, turned.x, y), turned.x, "the angles are not proven to leave the shape alone");
        let float = matches!(cx.graph.dtype(y), Some(DType::F32 | DType::F16 | DType::BF16));
        require!(float, y, "the type is none of RotaryEmbedding's");
        let size =
            cx.graph.shape(y).and_then(|dims| dims[3].as_fixed()).filter(|&size| size > 0 && size % 2 == 0);
        let half = size.ok_or_else(|| Miss::because("the size of a head is not known", y))? / 2;
        let mut patch = Patch::new();
        let [cos, sin] = [turned.cos, turned.sin].map(|angle| {
            let angles = Angles::read(cx, angle, turned.x, half)?;
            angles.emit(cx, &mut patch, turned.x, self.0)
        });
        let (cos, sin) = (cos?, sin?);
        let result = match self.0 {
            Form::Standard => patch.node(ROTARY, [turned.x.into(), cos, sin]),
            Form::Contrib => {
                let first = patch.constant(crate::tensor::Tensor::vector(&[0i64]));
                patch.node(CONTRIB, [turned.x.into(), first, cos, sin])
            }
        };
        patch.replace(y, result);
        Ok(patch)
    }
}

/// What is turned, by which angles.
struct Turned {
    x: ValueId,
    cos: ValueId,
    sin: ValueId,
}

/// Reads `x · cos` and `Concat(-b, a) · sin`.
fn read(cx: &Context<'_>, plain: ValueId, swapped: ValueId) -> Option<Turned> {
    let (p, q) = (factors(cx, plain)?, factors(cx, swapped)?);
    for (x, cos) in [p, (p.1, p.0)] {
        for (halves, sin) in [q, (q.1, q.0)] {
            if let Some(sin) = signed(cx, x, halves, sin) {
                return Some(Turned { x, cos, sin });
            }
        }
    }
    None
}

/// The factors of a product that nothing else reads.
fn factors(cx: &Context<'_>, value: ValueId) -> Option<(ValueId, ValueId)> {
    let node = cx.graph.producer_is(value, "Mul").filter(|_| cx.graph.value(value).uses().len() == 1)?;
    let n = cx.node(node);
    Some((n.input(0)?, n.input(1)?))
}

/// The sines, if the halves are those of `x`, swapped, with a sign on one of them or on its sines.
fn signed(cx: &Context<'_>, x: ValueId, halves: ValueId, sin: ValueId) -> Option<ValueId> {
    let concat = cx.graph.producer_is(halves, "Concat")?;
    let axis = cx.int(concat, "axis")?;
    let n = cx.node(concat);
    let (Some(first), Some(second), None) = (n.input(0), n.input(1), n.input(2)) else { return None };
    if !matches!(axis, -1 | 3) || half_of(cx, second)? != (x, 0) {
        return None;
    }
    if let Some(neg) = cx.graph.producer_is(first, "Neg") {
        return (half_of(cx, cx.node(neg).input(0)?)? == (x, 1)).then_some(sin);
    }
    if half_of(cx, first)? != (x, 1) {
        return None;
    }
    let product = cx.node(cx.graph.producer_is(sin, "Mul")?);
    let (a, b) = (product.input(0)?, product.input(1)?);
    let is_signs = |v: ValueId| {
        let signs = cx.graph.const_value(v)?;
        let (numbers, half) = (signs.to_f64s()?, signs.shape().last()? / 2);
        let (low, high) = numbers.split_at_checked(half)?;
        (numbers.len() == 2 * half && low.iter().all(|&s| s == -1.0) && high.iter().all(|&s| s == 1.0))
            .then_some(())
    };
    if is_signs(b).is_some() { Some(a) } else { is_signs(a).map(|()| b) }
}

/// Of what a value is which half along the last axis.
fn half_of(cx: &Context<'_>, value: ValueId) -> Option<(ValueId, usize)> {
    let node = cx.graph.producer(value)?;
    let n = cx.node(node);
    let of = n.input(0)?;
    let (whole, part) = (cx.graph.shape(of)?.last()?.as_fixed()?, cx.graph.shape(value)?.last()?.as_fixed()?);
    if part * 2 != whole || cx.graph.rank(of)? != 4 {
        return None;
    }
    if n.op().is("Split") {
        let last = matches!(cx.int(node, "axis").unwrap_or(0), -1 | 3);
        let index = n.outputs().iter().position(|&v| v == value)?;
        return (last && n.outputs().len() == 2).then_some((of, index));
    }
    if !n.op().is("Slice") {
        return None;
    }
    let one = |at: usize| n.input(at).map(|v| cx.constant_ints(v)).map_or(Some(vec![1]), |given| given);
    let (starts, axes, steps) = (one(1)?, one(3)?, one(4)?);
    match (&starts[..], &axes[..], &steps[..]) {
        ([0], [-1 | 3], [1]) => Some((of, 0)),
        (&[start], [-1 | 3], [1]) if start == part as i64 || start == -(part as i64) => Some((of, 1)),
        _ => None,
    }
}
