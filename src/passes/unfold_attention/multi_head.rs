//! `MultiHeadAttention`: queries, keys and values side by side.

use super::core::{self, Attended, join, split_heads};
use super::mask::{Mask, Times};
use crate::ir::ValueId;
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};

pub(super) fn multi_head(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let query = f.operand(0)?;
    let (Some(key), Some(value)) = (f.optional(1), f.optional(2)) else {
        return Err(f.miss("queries, keys and values are packed"));
    };
    let (bias, mask, attention_bias) = (f.optional(3), f.optional(4), f.optional(5));
    let (past_key, past_value) = (f.optional(6), f.optional(7));
    let heads = core::heads(f)?;
    require!(f.shape(query)?.len() == 3, query, "queries, keys and values are packed");
    let (width, value_width) = (width(f, query)?, width(f, value)?);
    require!(width % heads == 0 && value_width % heads == 0, query, "the heads do not share the width");
    let time = if f.shape(key)?.len() == 4 { 2 } else { 1 };
    require!(
        time == 1 || (bias.is_none() && past_key.is_none()),
        key,
        "keys of separate heads have a bias or are put behind earlier ones"
    );
    if let (Some(past), Some(mask)) = (past_key, mask) {
        let all = f.shape(past)?.get(2).zip(f.shape(key)?.get(1)).and_then(|(past, new)| past.add(new));
        let covers = f.shape(mask)?.last().zip(all).is_some_and(|(keys, all)| keys.same(&all).is_proven());
        require!(covers, mask, "the mask is not proven to cover earlier keys");
    }

    let biases = match bias {
        Some(bias) => f.split(bias, 0, &[width, width, value_width]).into_iter().map(Some).collect(),
        None => vec![None; 3],
    };
    let query_heads = split(f, query, biases[0], heads, width)?;
    let key_heads = split(f, key, biases[1], heads, width)?;
    let value_heads = split(f, value, biases[2], heads, value_width)?;
    let key_heads = join(f, past_key.map(Ref::from), key_heads);
    let value_heads = join(f, past_value.map(Ref::from), value_heads);
    for (at, new) in [(1, key_heads), (2, value_heads)] {
        if let Some(read) = f.result(at) {
            f.give(read, new);
        }
    }
    let times = Times { queries: (query, 1), keys: (key, time), past: past_key.map(|past| (past, 2)) };
    let mask = Mask::read(f, mask, query)?.emit(f, times);
    let attended = Attended {
        query: query_heads,
        key: key_heads,
        value: value_heads,
        size: width / heads,
        width: value_width,
        softcap: None,
    };
    attended.emit(f, attention_bias, mask)
}

/// Of all heads together.
fn width(f: &Formula<'_>, of: ValueId) -> Result<i64, Miss> {
    let width = match f.shape(of)?.len() {
        3 => f.fixed(of, 2),
        4 => f.fixed(of, 1).zip(f.fixed(of, 3)).and_then(|(heads, size)| heads.checked_mul(size)),
        _ => return Err(Miss::because("queries, keys and values are packed", of)),
    };
    width.filter(|&w| w > 0).ok_or_else(|| Miss::because("the width of an operand is not known", of))
}

/// `[batch, heads, sequence, size]`, as which keys and values may be given.
fn split(f: &mut Formula<'_>, x: ValueId, bias: Option<Ref>, heads: i64, width: i64) -> Result<Ref, Miss> {
    if f.shape(x)?.len() == 4 {
        return Ok(x.into());
    }
    let x = match bias {
        Some(bias) => f.add(x, bias),
        None => x.into(),
    };
    Ok(split_heads(f, x, heads, width / heads))
}
