//! Keys and values that each row has so many of, new ones behind them.

use crate::ir::ValueId;
use crate::passes::unfold::Formula;
use crate::rewrite::Ref;
use crate::tensor::DType;

/// How keys and values lie in what is given back.
pub(super) enum Layout {
    /// New ones behind all earlier ones, if there are any, for every row; the places of the new ones.
    Even {
        /// `[1, sequence]`
        places: Ref,
        /// The number of all.
        all: Ref,
    },
    /// New ones behind those that are filled of a row.
    Ragged(Ragged),
}

/// Places in a buffer of which each row has filled another part.
pub(super) struct Ragged {
    /// `[batch, sequence]`
    places: Ref,
    /// The size of the buffer.
    all: Ref,
    /// Of each place of the buffer, where it is among earlier and new ones, `[batch, 1, all, 1]`.
    from: Ref,
    /// Whether a place is filled, likewise.
    filled: Ref,
}

/// What a layout follows from.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    /// The operand whose second axis is the sequence.
    pub(super) query: ValueId,
    /// `[batch, groups, earlier, size]`
    pub(super) past: Option<ValueId>,
    /// For each row, the last place that is filled.
    pub(super) last: ValueId,
    /// The length of the longest row.
    pub(super) total: ValueId,
}

impl Layout {
    pub(super) fn read(f: &mut Formula<'_>, of: Lengths) -> Self {
        match of.past {
            Some(past) if !of.is_even(f, past) => Self::Ragged(of.ragged(f, past)),
            past => {
                let new = f.size(of.query, 1);
                let (first, all) = match past {
                    None => (f.index(0), new),
                    Some(past) => {
                        let first = f.size(past, 2);
                        (first, f.add(first, new))
                    }
                };
                let places = f.range(first, all);
                Self::Even { places: f.unsqueeze(places, &[0]), all }
            }
        }
    }

    /// The places of new ones, `[batch or 1, sequence]`.
    pub(super) fn places(&self) -> Ref {
        match self {
            Self::Even { places, .. } => *places,
            Self::Ragged(ragged) => ragged.places,
        }
    }

    /// Earlier and new ones, `[batch, groups, all, size]`.
    pub(super) fn join(&self, f: &mut Formula<'_>, past: Option<ValueId>, new: Ref, dims: [i64; 2]) -> Ref {
        let Some(past) = past else { return new };
        let both = f.concat(&[past.into(), new], 2);
        let Self::Ragged(ragged) = self else { return both };
        let sizes = f.ints(&[1, dims[0], 1, dims[1]]);
        let from = f.op("Expand", [ragged.from, sizes]);
        let joined = f.op("GatherElements", [both, from]);
        f.attr("axis", 2i64);
        let zero = f.number(0.0);
        f.op("Where", [ragged.filled, joined, zero])
    }

    /// What hides keys behind the place of a query, `[batch or 1, 1, sequence, all]`.
    pub(super) fn mask(&self, f: &mut Formula<'_>) -> Ref {
        let (Self::Even { all, .. } | Self::Ragged(Ragged { all, .. })) = *self;
        let first = f.index(0);
        let columns = f.range(first, all);
        let rows = f.unsqueeze(self.places(), &[1, 3]);
        let later = f.op("Greater", [columns, rows]);
        let (lowest, zero) = (f.lowest(), f.number(0.0));
        f.op("Where", [later, lowest, zero])
    }
}

impl Lengths {
    /// Whether every row is known to be filled up with earlier ones.
    fn is_even(self, f: &Formula<'_>, past: ValueId) -> bool {
        let ints = |v: ValueId| f.cx.graph.const_value(v)?.to_i64s();
        let all = f.fixed(past, 2).zip(f.fixed(self.query, 1)).and_then(|(past, new)| past.checked_add(new));
        let (Some(last), Some(total), Some(all)) = (ints(self.last), ints(self.total), all) else {
            return false;
        };
        // With nothing but new ones the operator takes earlier ones for an empty buffer.
        let begins = f.fixed(self.query, 1) == Some(all);
        !begins && total == [all] && last.iter().all(|&last| last == all - 1)
    }

    fn ragged(self, f: &mut Formula<'_>, past: ValueId) -> Ragged {
        let (new, earlier) = (f.size(self.query, 1), f.size(past, 2));
        let total = f.cast(self.total, DType::I64);
        let total = f.reshape(total, &[]);
        let all = f.op("Max", [total, earlier]);
        let before = self.before(f, new, total);
        let zero = f.index(0);
        let steps = f.range(zero, new);
        let places = f.add(before, steps);

        let columns = f.range(zero, all);
        let old = f.op("Less", [columns, before]);
        let behind = f.sub(columns, before);
        let filled = f.op("Less", [behind, new]);
        let behind = f.add(behind, earlier);
        let from = f.op("Where", [old, columns, behind]);
        let (one, end) = (f.index(1), f.add(earlier, new));
        let end = f.sub(end, one);
        let from = f.op("Min", [from, end]);
        let [from, filled] = [from, filled].map(|x| f.unsqueeze(x, &[1, 3]));
        Ragged { places, all, from, filled }
    }

    /// How many of each row are filled before: none in the first run, whose sequence is all there is. `[batch, 1]`
    fn before(self, f: &mut Formula<'_>, new: Ref, total: Ref) -> Ref {
        let last = f.cast(self.last, DType::I64);
        let (zero, one) = (f.index(0), f.index(1));
        let length = f.add(last, one);
        let before = f.sub(length, new);
        let first = f.op("Equal", [total, new]);
        let before = f.op("Where", [first, zero, before]);
        f.unsqueeze(before, &[1])
    }
}
