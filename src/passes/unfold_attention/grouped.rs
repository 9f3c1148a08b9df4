//! `GroupQueryAttention`: several heads of queries share one of keys and values, and see no later key.

use super::cache::{Layout, Lengths};
use super::core::{self, Attended};
use crate::ir::ValueId;
use crate::passes::unfold::{Formula, Turn};
use crate::require;
use crate::rewrite::{Miss, Ref};

/// Heads of queries, of keys and values, and the size of each.
#[derive(Clone, Copy)]
struct Heads {
    queries: i64,
    groups: i64,
    size: i64,
}

pub(super) fn grouped(f: &mut Formula<'_>) -> Result<Ref, Miss> {
    let query = f.operand(0)?;
    let (last, total) = (f.operand(5)?, f.operand(6)?);
    let (past_key, past_value) = (f.optional(3), f.optional(4));
    require!(f.flag_or("causal", true), query, "queries see later keys");
    require!(f.shape(query)?.len() == 3, query, "the queries are not of rank 3");
    require!(f.shape(last)?.len() == 1, last, "there is not one length for each row");
    require!(f.cx.opset() >= 13, query, "before opset 13 whole numbers have no largest");
    require!(past_key.is_some() == past_value.is_some(), query, "there are earlier keys or values, not both");
    let (operands, heads) = operands(f, query)?;
    let layout = Layout::read(f, Lengths { query, past: past_key, last, total });
    let [mut q, mut k, v] = operands;
    if f.flag("do_rotary") {
        let turned = turned(f, [q, k], heads.size, &layout)?;
        [q, k] = turned;
    }
    let [q, k, v] = [q, k, v].map(|x| f.transpose(x, &[0, 2, 1, 3]));
    let dims = [heads.groups, heads.size];
    let [key, value] = [(past_key, k), (past_value, v)].map(|(past, new)| layout.join(f, past, new, dims));
    for (at, all) in [(1, key), (2, value)] {
        if let Some(read) = f.result(at) {
            f.give(read, all);
        }
    }
    let bias = f.optional(10);
    require!(bias.is_none() || past_key.is_none(), query, "scores of earlier keys have a bias");
    let softcap = f.float("softcap").filter(|&bound| bound > 0.0);
    let mask = layout.mask(f);
    let [key, value] = [key, value].map(|x| repeated(f, x, heads));
    let width = heads.queries * heads.size;
    Attended { query: q, key, value, size: heads.size, width, softcap }.emit(f, bias, Some(mask))
}

/// Queries, keys and values, `[batch, sequence, heads, size]`: separate ones, or packed as the queries.
fn operands(f: &mut Formula<'_>, query: ValueId) -> Result<([Ref; 3], Heads), Miss> {
    let queries = core::heads(f)?;
    let groups = f.int("kv_num_heads").filter(|&n| n > 0 && queries % n == 0);
    let groups = groups.ok_or_else(|| f.miss("the heads are not in groups"))?;
    let width = f.fixed(query, 2).ok_or_else(|| f.miss("the width of the queries is not known"))?;
    let (key, value) = (f.optional(1), f.optional(2));
    let shared = if key.is_some() { queries } else { queries + 2 * groups };
    require!(width > 0 && width % shared == 0, query, "the heads do not share the width");
    let size = width / shared;
    let flat = match (key, value) {
        (Some(key), Some(value)) => {
            for x in [key, value] {
                require!(f.shape(x)?.len() == 3, x, "keys or values are not of rank 3");
            }
            [query, key, value].map(Ref::from)
        }
        (None, None) => {
            let parts = f.split(query, 2, &[queries * size, groups * size, groups * size]);
            [parts[0], parts[1], parts[2]]
        }
        _ => return Err(f.miss("keys or values are missing")),
    };
    let [q, k, v] = flat;
    let split = [(q, queries), (k, groups), (v, groups)].map(|(x, n)| f.reshape(x, &[0, 0, n, size]));
    Ok((split, Heads { queries, groups, size }))
}

/// Queries and new keys, turned by their places.
fn turned(f: &mut Formula<'_>, heads: [Ref; 2], size: i64, layout: &Layout) -> Result<[Ref; 2], Miss> {
    let caches = [f.operand(7)?, f.operand(8)?];
    // ONNX Runtime reads places that are given in some runs and not in others.
    let given = f.optional(9);
    require!(given.is_none(), given, "the places of queries are given");
    let places = layout.places();
    let half = f.fixed(caches[0], 1).filter(|half| (1..=size / 2).contains(half));
    let half =
        half.ok_or_else(|| Miss::because("the size of the cache is not known or too large", caches[0]))?;
    let interleaved = f.flag("rotary_interleaved");
    let angles = caches.map(|cache| {
        let angle = f.gather(cache, places, 0);
        f.unsqueeze(angle, &[2])
    });
    Ok(heads.map(|heads| Turn { heads, angles, half, size, interleaved }.emit(f)))
}

/// Each head for all queries of its group.
fn repeated(f: &mut Formula<'_>, x: Ref, heads: Heads) -> Ref {
    if heads.queries == heads.groups {
        return x;
    }
    let each = heads.queries / heads.groups;
    let picked: Vec<i64> = (0..heads.queries).map(|head| head / each).collect();
    let picked = f.ints(&picked);
    f.gather(x, picked, 1)
}
