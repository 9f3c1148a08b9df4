//! What a sequence holds.

use crate::ir::ValueId;
use crate::require;
use crate::rewrite::{Context, Miss};

/// Nodes that make one sequence out of another, at most.
const LONGEST: usize = 64;

/// The elements of a sequence, in order.
pub(super) fn of(cx: &Context<'_>, sequence: ValueId) -> Result<Vec<ValueId>, Miss> {
    // Insertions and removals, the last one first.
    let mut edits = Vec::new();
    let mut at = sequence;
    let mut elements = loop {
        let maker = cx.graph.producer(at).filter(|_| edits.len() < LONGEST);
        let n = cx.node(maker.ok_or_else(|| Miss::because("what makes the sequence is not known", at))?);
        match n.op().name {
            "SequenceConstruct" => break n.inputs().collect::<Option<Vec<_>>>().ok_or(Miss::Silent)?,
            "SequenceEmpty" => break Vec::new(),
            "SequenceInsert" | "SequenceErase" => {
                edits.push(n);
                at = n.input(0).ok_or(Miss::Silent)?;
            }
            "SplitToSequence" => return Err(Miss::Silent),
            _ => return Err(Miss::because("the sequence is not put together of known tensors", at)),
        }
    };
    for n in edits.into_iter().rev() {
        if n.op().is("SequenceErase") {
            let last = elements.len().checked_sub(1).ok_or(Miss::Silent)?;
            let at = if n.input(1).is_none() { last } else { position(cx, n.input(1), elements.len())? };
            require!(at <= last, n.outputs()[0], "the position is outside of the sequence");
            elements.remove(at);
            continue;
        }
        let at = match n.input(2) {
            None => elements.len(),
            given => position(cx, given, elements.len())?,
        };
        elements.insert(at, n.input(1).ok_or(Miss::Silent)?);
    }
    Ok(elements)
}

/// A constant position in a sequence, up to its end.
pub(super) fn position(cx: &Context<'_>, value: Option<ValueId>, length: usize) -> Result<usize, Miss> {
    let value = value.ok_or(Miss::Silent)?;
    let given = cx.graph.const_value(value).and_then(|t| t.as_int());
    let given = given.ok_or_else(|| Miss::because("the position is no constant", value))?;
    let at = if given < 0 { given.saturating_add(length as i64) } else { given };
    let at = usize::try_from(at).ok().filter(|&at| at <= length);
    at.ok_or_else(|| Miss::because("the position is outside of the sequence", value))
}
