//! For passes over whole models, which edit for themselves: one value takes another's place under the engine's rules.

use super::{Miss, border};
use crate::analysis::Facts;
use crate::ir::{Graph, ValueId};

/// Lets every reader of `old` read `new`, which takes over names at the border (S5) and what is known.
///
/// # Errors
/// A body or the graph could not return `new` in place of `old`; nothing was changed.
pub(crate) fn substitute(
    graph: &mut Graph,
    facts: &mut Facts,
    old: ValueId,
    new: ValueId,
) -> Result<(), Miss> {
    border::check(graph, old, new, None)?;
    border::hand_over(graph, old, new);
    graph.replace_uses(old, new);
    facts.forward(old, new);
    Ok(())
}
