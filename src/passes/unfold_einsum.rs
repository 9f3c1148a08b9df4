//! `unfold-einsum`: an `Einsum` that one node can do, or a product and a transposition, is written as these.
//!
//! ```text
//! bij,bjk->bik      ->   MatMul(a, b)
//! i,ij->j           ->   MatMul(a, b)
//! ij,ki->kj         ->   MatMul(b, a)
//! bhid,bhjd->bhij   ->   MatMul(a, Transpose(b))
//! bij,bjk->bki      ->   Transpose(MatMul(a, b))
//! bij,j->bij        ->   Mul(a, b)
//! ijk->kij          ->   Transpose(a)
//! ijk->ik           ->   ReduceSum(a) over axis 1
//! ```
//!
//! Reassociates: a product may be summed in another order. Equations may leave the result out, have letters of both
//! cases, and ellipses where the ranks are known. Letters of both operands and the result are a batch: they lead, in the
//! order of the result, and an operand may lack the first ones, as `MatMul` broadcasts.
//!
//! Two nodes for one are worth it: the `Einsum` of ONNX Runtime is slower than a `MatMul` and a `Transpose`, which it fuses
//! where they swap the last axes of floats; other passes move, merge or fold the `Transpose`, but cannot see into an `Einsum`.
//! More than one `Transpose` is written where others than that one are of a constant, which is folded, or
//! beside another `Transpose`, with which they become one.
//!
//! Refused: three operands or more, a letter that stands twice in one operand, sums over several letters or over one of a
//! single operand beside another operand, outer products, more than one other `Transpose`, other integers than those of 32 and 64
//! bits, and a summed letter whose sizes are not proven equal, since ONNX Runtime's `Einsum` stretches a size of 1.

mod contraction;

use crate::ir::{NodeId, OpId, Use, ValueId};
use crate::passes::linear::{own_constant, sole_producer};
use crate::passes::reduction::over_axes;
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::schema::{Equation, Index};
use crate::tensor::DType;
use contraction::{Plan, Turn, binary, unary};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct UnfoldEinsum;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(UnfoldEinsum)
}

const META: Meta = Meta {
    id: "unfold-einsum",
    summary: "an Einsum that is a product, a transposition or a sum becomes MatMul, Mul, Transpose or ReduceSum",
    exactness: Exactness::Reassociates,
    since_opset: 12,
    emits: &[OpId::onnx("MatMul"), OpId::onnx("Mul"), OpId::onnx("ReduceSum"), OpId::onnx("Transpose")],
};

impl Rule for UnfoldEinsum {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Einsum")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let n = cx.node(node);
        let output = n.outputs()[0];
        let refused = |why: &'static str| Miss::because(why, output);
        let operands: Vec<ValueId> = n.inputs().flatten().collect();
        let equation = n.string("equation").and_then(Equation::parse);
        let equation = equation.filter(|e| e.operands.len() == operands.len());
        let equation = equation.ok_or_else(|| refused("the equation is not one of these operands"))?;
        require!(operands.len() < 3, output, "it has more than two operands");
        let (indices, result) = spread(cx, &equation, &operands, output)?;
        let plan = match &indices[..] {
            [a] => unary(a, &result),
            [a, b] => binary([a, b], &result, &free(cx, node)),
            _ => Err("it has no operand"),
        };
        let plan = plan.map_err(refused)?;
        if let Plan::MatMul { summed, .. } = &plan {
            let size = |at: usize| cx.graph.shape(operands[at]).and_then(|s| s.get(summed[at]));
            let same = size(0).zip(size(1)).is_some_and(|(a, b)| a.same(b).is_proven());
            require!(same, output, "the sizes of the summed letter are not proven equal");
        }
        let moves = matches!(plan, Plan::Same | Plan::Transpose(_));
        require!(
            moves || cx.graph.dtype(operands[0]).is_some_and(is_multiplied),
            output,
            "the type is not one of MatMul"
        );
        Ok(written(cx, &plan, &operands, output))
    }
}

/// Whether `MatMul`, `Mul` and `ReduceSum` have the type wherever `Einsum` has it.
fn is_multiplied(dtype: DType) -> bool {
    use DType::{BF16, F16, F32, F64, I32, I64, U32, U64};
    matches!(dtype, BF16 | F16 | F32 | F64 | I32 | I64 | U32 | U64)
}

/// What each axis of the operands and of the result stands for, none of them twice.
fn spread(
    cx: &Context<'_>,
    equation: &Equation,
    operands: &[ValueId],
    output: ValueId,
) -> Result<(Vec<Vec<Index>>, Vec<Index>), Miss> {
    let open = equation.operands.iter().any(|o| o.is_open());
    require!(!open || equation.result.is_open(), output, "the result lacks the ellipsis");
    let (mut indices, mut widest) = (Vec::with_capacity(operands.len()), 0);
    for (part, &value) in equation.operands.iter().zip(operands) {
        let rank = cx.graph.rank(value);
        require!(
            rank.is_some() || !part.is_open(),
            value,
            "an ellipsis stands for an unknown number of axes"
        );
        let wild = rank.unwrap_or(part.letters()).checked_sub(part.letters());
        let wild = wild.filter(|&wild| wild == 0 || part.is_open());
        let wild =
            wild.ok_or_else(|| Miss::because("the equation does not fit the rank of an operand", value))?;
        widest = widest.max(wild);
        indices.push(part.spread(wild));
    }
    let result = equation.result.spread(widest);
    let lists = || indices.iter().chain([&result]);
    require!(lists().all(|l| distinct(l)), output, "a letter stands twice in one operand");
    let known = result.iter().all(|i| indices.iter().any(|o| o.contains(i)));
    require!(known, output, "a letter of the result is of no operand");
    if equation.implicit {
        let lower = |i: &Index| matches!(i, Index::Letter(c) if c.is_ascii_lowercase());
        let upper = |i: &Index| matches!(i, Index::Letter(c) if c.is_ascii_uppercase());
        let mixed = result.iter().any(lower) && result.iter().any(upper);
        require!(!mixed, output, "runtimes differ in the order of letters of both cases");
    }
    Ok((indices, result))
}

fn distinct(indices: &[Index]) -> bool {
    indices.iter().enumerate().all(|(at, i)| !indices[..at].contains(i))
}

fn written(cx: &Context<'_>, plan: &Plan, operands: &[ValueId], output: ValueId) -> Patch {
    let mut patch = Patch::new();
    match plan {
        Plan::Same => patch.replace(output, operands[0]),
        Plan::Transpose(perm) => drop(transposed(&mut patch, operands[0].into(), perm)),
        Plan::Sum(axes) => sum(cx, &mut patch, operands[0], axes),
        Plan::Mul => drop(patch.node("Mul", operands.iter().copied())),
        Plan::MatMul { swapped, turns, .. } => {
            let mut factors: Vec<Ref> = operands.iter().map(|&v| v.into()).collect();
            let turned = |which| turns.iter().find(|(turn, _)| *turn == which).map(|(_, perm)| perm);
            for (at, which) in [Turn::First, Turn::Second].into_iter().enumerate() {
                if let Some(perm) = turned(which) {
                    factors[at] = transposed(&mut patch, factors[at], perm);
                }
            }
            if *swapped {
                factors.reverse();
            }
            let product = patch.node("MatMul", factors);
            if let Some(perm) = turned(Turn::Result) {
                transposed(&mut patch, product, perm);
            }
        }
    }
    patch
}

/// What may be transposed at no cost, since it is folded or merged with another `Transpose`.
fn free(cx: &Context<'_>, node: NodeId) -> Vec<Turn> {
    let n = cx.node(node);
    let merged = |v: ValueId| {
        let before = cx.graph.producer_is(v, "Transpose").is_some();
        before && sole_producer(cx, v, node).is_ok()
    };
    let operand = |at: usize| {
        let folded = |v| !cx.in_function && own_constant(cx, v, "operand").is_ok();
        n.input(at).is_some_and(|v| folded(v) || merged(v))
    };
    let result = match cx.graph.value(n.outputs()[0]).uses() {
        [Use::Operand { node: reader, .. }] => {
            cx.node(*reader).op().is("Transpose") && cx.node(*reader).region() == n.region()
        }
        _ => false,
    };
    let places = [(Turn::First, operand(0)), (Turn::Second, operand(1)), (Turn::Result, result)];
    places.into_iter().filter(|(_, free)| *free).map(|(turn, _)| turn).collect()
}

fn transposed(patch: &mut Patch, x: Ref, perm: &[i64]) -> Ref {
    let turned = patch.node("Transpose", [x]);
    patch.set_attr("perm", perm.to_vec());
    turned
}

fn sum(cx: &Context<'_>, patch: &mut Patch, x: ValueId, axes: &[i64]) {
    over_axes(cx, patch, "ReduceSum", x, axes);
    patch.set_attr("keepdims", 0i64);
}
