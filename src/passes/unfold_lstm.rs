//! `unfold-lstm`: a quantized `LSTM` becomes one on floats, where the target has not got it.
//!
//! ```text
//! com.microsoft.DynamicQuantizeLSTM<…>(x, w, r, b, n, h, c, p, s, y, t, z)
//!   ->  LSTM<…>(x, Transpose((w - y) · s), Transpose((r - z) · t), b, n, h, c, p)
//! ```
//!
//! The weights are the same numbers; one scale and zero point for each direction, or for each column of it.
//!
//! Approximates: the operator rounds its input, and in each step the last state, to 256 numbers, and the `LSTM` does not.
//! The bound is eight such steps; what a model makes of the difference over a sequence is for the proof to say.
//!
//! Refused: scales of other ranks.

use crate::ir::{OpId, ValueId};
use crate::passes::unfold::{Formula, Unfold, Write, shifted};
use crate::rewrite::{Exactness, Meta, Miss, Ref, Work};

const META: Meta = Meta {
    id: "unfold-lstm",
    summary: "a quantized LSTM becomes one on floats",
    exactness: Exactness::Approximates { bound: 1.0 / 32.0 },
    since_opset: 10,
    emits: &[],
};

/// The operators, and what writes each.
const OPS: &[(OpId, Write)] = &[(OpId::microsoft("DynamicQuantizeLSTM"), lstm)];

/// Attributes that both operators have.
const SETTINGS: [&str; 7] = [
    "activation_alpha",
    "activation_beta",
    "activations",
    "clip",
    "direction",
    "hidden_size",
    "input_forget",
];

/// What numbers of each direction lack of the axes of weights, and what numbers of each column do.
const LACKING: [&[i64]; 2] = [&[1, 2], &[1]];

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(Unfold { meta: META, ops: OPS })
}

fn lstm(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let x = f.operand(0)?;
    let weights = [weights(f, 1, 8)?, weights(f, 2, 10)?];
    let others: Vec<Ref> = (3..8).map(|at| f.optional(at).into()).collect();
    let states = f.results("LSTM", [x.into()].into_iter().chain(weights).chain(others), 3);
    SETTINGS.into_iter().for_each(|name| f.keep(name));
    for at in [1, 2] {
        if let Some(read) = f.result(at) {
            f.give(read, states[at]);
        }
    }
    Ok(states[0])
}

/// Weights as `LSTM` has them, `[directions, 4 · hidden, input]`.
fn weights(f: &mut Formula<'_>, at: usize, scale: usize) -> Result<Ref, Miss> {
    let (number, scale, zero) = (f.operand(at)?, f.operand(scale)?, f.operand(scale + 1)?);
    let numbers = shifted(f, number, Some(zero), &LACKING)?;
    let scales = scales(f, scale)?;
    let weights = f.mul(numbers, scales);
    Ok(f.transpose(weights, &[0, 2, 1]))
}

fn scales(f: &mut Formula<'_>, scale: ValueId) -> Result<Ref, Miss> {
    let rank = f.shape(scale)?.len();
    let lacking = rank.checked_sub(1).and_then(|rank| LACKING.get(rank));
    let lacking =
        lacking.ok_or_else(|| Miss::because("the scales are none of directions or columns", scale))?;
    Ok(f.unsqueeze(scale, lacking))
}
