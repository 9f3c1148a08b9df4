//! What is added to products, so that a query does not look at a key.

use crate::ir::ValueId;
use crate::passes::unfold::Formula;
use crate::require;
use crate::rewrite::{Miss, Ref};
use crate::tensor::DType;

/// Values and axes whose sizes are the numbers of queries, of new keys, and of earlier ones.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) queries: (ValueId, usize),
    pub(super) keys: (ValueId, usize),
    pub(super) past: Option<(ValueId, usize)>,
}

impl Times {
    /// The number of all keys.
    fn keys(self, f: &mut Formula<'_>) -> Ref {
        let keys = f.size(self.keys.0, self.keys.1);
        self.past.map_or(keys, |(past, axis)| {
            let past = f.size(past, axis);
            f.add(past, keys)
        })
    }

    /// The places of the queries among the keys.
    fn rows(self, f: &mut Formula<'_>) -> Ref {
        let queries = f.size(self.queries.0, self.queries.1);
        match self.past {
            Some((past, axis)) => {
                let past = f.size(past, axis);
                let end = f.add(past, queries);
                f.range(past, end)
            }
            None => {
                let first = f.index(0);
                f.range(first, queries)
            }
        }
    }

    /// The places of all keys.
    fn columns(self, f: &mut Formula<'_>) -> Ref {
        let (first, end) = (f.index(0), self.keys(f));
        f.range(first, end)
    }
}

/// A mask as the operator has it.
pub(super) struct Mask {
    keys: Keys,
    /// Added where the mask holds 0.
    filter: f64,
    /// Whether later keys are hidden.
    causal: bool,
}

enum Keys {
    All,
    /// The number of keys of each row.
    Lengths(ValueId),
    /// 0 for what is hidden, and the axes that it lacks.
    Kept(ValueId, &'static [i64]),
}

impl Mask {
    /// The mask of an operand whose rows are those of `x`.
    pub(super) fn read(f: &mut Formula<'_>, mask: Option<ValueId>, x: ValueId) -> Result<Self, Miss> {
        let filter = f.float("mask_filter_value").unwrap_or(-10_000.0);
        let causal = f.flag("unidirectional");
        let keys = match mask {
            None => Keys::All,
            Some(mask) => Keys::read(f, mask, x)?,
        };
        Ok(Self { keys, filter, causal })
    }

    /// What is added; nothing where no key is hidden.
    pub(super) fn emit(self, f: &mut Formula<'_>, times: Times) -> Option<Ref> {
        let kept = match self.keys {
            Keys::All => None,
            Keys::Lengths(lengths) => {
                let places = times.columns(f);
                let places = f.cast(places, DType::I32);
                let lengths = f.unsqueeze(lengths, &[1]);
                let kept = f.op("Less", [places, lengths]);
                Some(f.unsqueeze(kept, &[1, 2]))
            }
            Keys::Kept(mask, axes) => {
                let zero = f.number_of(DType::I32, 0.0);
                let kept = f.op("Greater", [mask.into(), zero]);
                Some(f.unsqueeze(kept, axes))
            }
        };
        let padding = kept.map(|kept| {
            let (zero, hidden) = (f.number(0.0), f.number(self.filter));
            f.op("Where", [kept, zero, hidden])
        });
        if !self.causal {
            return padding;
        }
        let (columns, rows) = (times.columns(f), times.rows(f));
        let rows = f.unsqueeze(rows, &[1]);
        let later = f.op("Greater", [columns, rows]);
        let (lowest, others) = (f.lowest(), padding.unwrap_or_else(|| f.number(0.0)));
        Some(f.op("Where", [later, lowest, others]))
    }
}

impl Keys {
    fn read(f: &Formula<'_>, mask: ValueId, x: ValueId) -> Result<Self, Miss> {
        let integers = f.cx.graph.dtype(mask) == Some(DType::I32);
        require!(integers, mask, "the mask is not of 32-bit integers");
        match f.shape(mask)? {
            [lengths] => {
                let each = f.shape(x)?.first().is_some_and(|batch| batch.same(lengths).is_proven());
                require!(each, mask, "the mask is not proven to hold the length of each row");
                Ok(Self::Lengths(mask))
            }
            // The same for all keys, which a softmax does not see.
            [_, keys] if keys.as_fixed() == Some(1) => Ok(Self::All),
            [_, _] => Ok(Self::Kept(mask, &[1, 2])),
            [_, _, _] => Ok(Self::Kept(mask, &[1])),
            _ => Err(Miss::because("the mask is of rank 4", mask)),
        }
    }
}
