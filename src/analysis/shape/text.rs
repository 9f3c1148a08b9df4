//! Strings.

use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::ir::Dim;

pub(super) const RULES: &[(&str, &str, Rule)] =
    &[("", "StringNormalizer", normalize), ("", "StringSplit", split), ("", "TfIdfVectorizer", vectorize)];

/// Stop words go, so that only the number of rows is known.
fn normalize(site: &mut Site<'_>) -> Option<()> {
    let rank = site.rank(0)?;
    let mut shape = site.fresh_shape(0, rank);
    if rank == 2 {
        shape[0] = Dim::Fixed(1);
    }
    site.set_shape(0, shape);
    Some(())
}

fn split(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let most = site.fresh(0, shape.len());
    site.set_shape(0, [shape, &[most]].concat());
    site.set_shape(1, shape);
    Some(())
}

fn vectorize(site: &mut Site<'_>) -> Option<()> {
    let shape = site.shape(0)?;
    let width = site.ints_or_none("ngram_indexes")??.iter().max()?.checked_add(1).and_then(dims::size)?;
    let rows = shape.get(..shape.len().checked_sub(1)?)?;
    site.set_shape(0, [rows, &[width]].concat());
    Some(())
}
