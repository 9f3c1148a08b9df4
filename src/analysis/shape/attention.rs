//! Attention.

use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::ir::{Dim, Shape};

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "Attention", attention),
    ("", "LinearAttention", linear),
    ("ai.onnx.preview", "FlexAttention", flex),
];

/// Heads, sequence and head size of an operand of `[batch, heads, sequence, size]` or `[batch, sequence, heads * size]`.
fn parts(site: &Site<'_>, input: usize, heads: &str) -> Option<[Dim; 3]> {
    match site.shape(input)? {
        [_, heads, time, size] => Some([heads.clone(), time.clone(), size.clone()]),
        [_, time, hidden] => {
            let heads = site.node().int(heads).and_then(dims::size)?;
            let size = hidden.floor_div(&heads)?;
            Some([heads, time.clone(), size])
        }
        _ => None,
    }
}

fn attention(site: &mut Site<'_>) -> Option<()> {
    let query = site.shape(0)?;
    let batch = query.first()?.clone();
    let value = parts(site, 2, "kv_num_heads");
    let head_size = value.as_ref().map(|[_, _, size]| size.clone());
    let mut output: Shape = query.to_vec();
    let last = match query.len() {
        3 => {
            let heads = site.node().int("q_num_heads").and_then(dims::size);
            heads.zip(head_size).and_then(|(heads, size)| heads.mul(&size))
        }
        _ => head_size,
    };
    *output.last_mut()? = site.dim_or_fresh(last, 0, query.len() - 1);
    site.set_shape(0, output);

    let key = parts(site, 1, "kv_num_heads")?;
    let time = |site: &Site<'_>, past: usize, now: &Dim| {
        if site.has(past) { site.dim(past, 2).and_then(|p| p.add(now)) } else { Some(now.clone()) }
    };
    let total = time(site, 4, &key[1]);
    let total = site.dim_or_fresh(total, 1, 2);
    site.set_shape(1, [batch.clone(), key[0].clone(), total.clone(), key[2].clone()]);
    if let Some([heads, now, size]) = value {
        let total = time(site, 5, &now);
        let total = site.dim_or_fresh(total, 2, 2);
        site.set_shape(2, [batch.clone(), heads, total, size]);
    }
    let [heads, time, _] = parts(site, 0, "q_num_heads")?;
    site.set_shape(3, [batch, heads, time, total]);
    Some(())
}

fn linear(site: &mut Site<'_>) -> Option<()> {
    let [batch, time, _] = site.shape(0)? else {
        return None;
    };
    let queries = site.node().int("q_num_heads").and_then(dims::size)?;
    let heads = site.node().int("kv_num_heads").and_then(dims::size)?;
    let key = site.dim(1, 2).and_then(|k| k.floor_div(&heads));
    let value = site.dim(2, 2).and_then(|v| v.floor_div(&heads));
    let width = value.as_ref().and_then(|v| v.mul(&queries));
    let width = site.dim_or_fresh(width, 0, 2);
    site.set_shape(0, [batch.clone(), time.clone(), width]);
    let state = [batch.clone(), heads, site.dim_or_fresh(key, 1, 2), site.dim_or_fresh(value, 1, 3)];
    site.set_shape(1, state);
    Some(())
}

fn flex(site: &mut Site<'_>) -> Option<()> {
    let [batch, heads, time, _] = site.shape(0)? else {
        return None;
    };
    let size = site.dim(2, 3).cloned();
    let size = site.dim_or_fresh(size, 0, 3);
    site.set_shape(0, [batch.clone(), heads.clone(), time.clone(), size]);
    Some(())
}
