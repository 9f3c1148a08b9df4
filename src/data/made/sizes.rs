//! Numbers for symbolic dims: a few sizes that most models take, then odd ones that some insist on.

use super::rng::Rng;
use super::ties::ties;
use crate::data::required_inputs;
use crate::ir::{Dim, DimExpr, Model, Type, is_nameless};
use std::collections::BTreeMap;

/// What a symbolic dim most likely counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Samples.
    Batch,
    /// Rows of an image.
    Height,
    /// Columns of an image.
    Width,
    /// Tokens, frames, anything else.
    Sequence,
}

/// One choice of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scheme {
    batch: u64,
    sequence: u64,
    height: u64,
    width: u64,
    /// Whether sequence dims of different names get different sizes.
    spread: bool,
    /// Where it is not 0, each batch and sequence dim draws a size of its own in this lot.
    lot: u64,
}

const fn scheme(batch: u64, sequence: u64, height: u64, width: u64, spread: bool) -> Scheme {
    Scheme { batch, sequence, height, width, spread, lot: 0 }
}

/// In the order in which they are tried.
pub(crate) const SCHEMES: [Scheme; 17] = [
    scheme(1, 16, 64, 64, false),
    scheme(2, 24, 96, 64, true),
    scheme(1, 7, 64, 128, false),
    scheme(2, 32, 64, 96, false),
    scheme(1, 32, 224, 224, false),
    scheme(1, 64, 48, 320, false),
    scheme(1, 128, 320, 320, false),
    scheme(1, 256, 256, 256, false),
    scheme(1, 512, 32, 100, false),
    scheme(1, 1, 640, 640, false),
    scheme(1, 576, 299, 299, false),
    scheme(1, 1024, 512, 512, false),
    scheme(1, 4096, 112, 112, false),
    scheme(1, 16000, 28, 28, false),
    scheme(1, 3, 800, 800, false),
    scheme(1, 2, 1024, 1024, false),
    scheme(32, 32, 32, 32, false),
];

/// Some insist on 1, and exporters do not say so.
const DRAWN: [u64; 12] = [1, 1, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24];

/// Tried when all short ones have failed: one size may have to be at least the sum of others, or the like.
pub(crate) fn lots() -> impl Iterator<Item = Scheme> {
    (1..=32).map(|lot| Scheme { lot, ..scheme(1, 1, 64, 64, false) })
}

impl Scheme {
    /// Whether its sizes were drawn.
    pub(crate) fn is_drawn(self) -> bool {
        self.lot > 0
    }

    /// Whether it takes a model much memory that multiplies each token by each.
    pub(crate) fn is_long(self) -> bool {
        self.sequence >= 1024
    }

    /// Other sizes of the kind that worked.
    pub(crate) fn relatives(self) -> [Scheme; 6] {
        [
            Scheme { batch: self.batch + 1, ..self },
            Scheme { height: self.height + 32, sequence: self.sequence * 2, ..self },
            Scheme { width: self.width + 32, sequence: self.sequence + 1, ..self },
            Scheme { height: self.height * 2, width: self.width * 2, sequence: self.sequence + 32, ..self },
            Scheme { batch: self.batch + 2, sequence: self.sequence * 3, width: self.width + 64, ..self },
            Scheme { width: self.width + 96, sequence: self.sequence.div_ceil(2), ..self },
        ]
    }

    fn size(self, name: &str, class: Class, nth: u64) -> u64 {
        let drawn = |from: &[u64]| from[Rng::new(self.lot, name).between(0, from.len() as i64 - 1) as usize];
        match class {
            Class::Batch if self.lot > 0 => drawn(&[1, 2, 3]),
            Class::Sequence if self.lot > 0 => drawn(&DRAWN) * self.sequence,
            Class::Batch => self.batch,
            Class::Height => self.height,
            Class::Width => self.width,
            Class::Sequence if self.spread => self.sequence + 8 * nth,
            Class::Sequence => self.sequence,
        }
    }

    /// Numbers for all symbols.
    pub(crate) fn sizes(self, symbols: &Symbols) -> Sizes {
        let mut nth = 0;
        let mut sizes = BTreeMap::new();
        for (name, class) in &symbols.free {
            sizes.insert(name.clone(), self.size(name, *class, nth));
            // A dim without a name of its own may have to equal its neighbours.
            nth += u64::from(*class == Class::Sequence && !is_anonymous(name));
        }
        let mut sizes = Sizes { sizes, scheme: self };
        for (name, expr) in if self.lot % 2 == 1 { &symbols.numbered } else { &symbols.tied } {
            let size = expr.eval(&|symbol| sizes.symbol(symbol)).and_then(|n| u64::try_from(n).ok());
            let size = size.filter(|size| *size > 0);
            sizes.sizes.extend(size.map(|size| (name.clone(), size)));
        }
        sizes
    }
}

/// The symbols of a model's inputs in order of appearance, sums of symbols left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbols {
    free: Vec<(String, Class)>,
    /// Those that others decide.
    tied: Vec<(String, DimExpr)>,
    /// The same, with those that a number decides. What is a hint only is tried in every other lot.
    numbered: Vec<(String, DimExpr)>,
}

impl Symbols {
    pub(crate) fn of(model: &Model) -> Self {
        let mut found: Vec<(String, Class)> = Vec::new();
        for input in required_inputs(model) {
            let value = model.graph.value(input);
            let Some(dims) = value.declared().or(value.ty()).and_then(dims_inside) else { continue };
            for (at, dim) in dims.iter().enumerate() {
                let Dim::Sym(expr) = dim else { continue };
                let Some(name) = expr.as_symbol().map(str::to_owned) else { continue };
                if found.iter().all(|(n, _)| *n != name) && terms(&name).len() < 2 {
                    let class = class_of(&name, value.name(), at, dims);
                    found.push((name, class));
                }
            }
        }
        let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
        let (tied, numbered) = (ties(model, &names, false), ties(model, &names, true));
        Self { free: found, tied, numbered }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.is_empty()
    }
}

fn dims_inside(ty: &Type) -> Option<&[Dim]> {
    match ty {
        Type::Tensor(t) | Type::SparseTensor(t) => t.shape.as_deref(),
        Type::Sequence(inner) | Type::Optional(inner) | Type::Map(_, inner) => dims_inside(inner),
        Type::Opaque { .. } => None,
    }
}

/// A name that an exporter made up for a dim without one.
fn is_anonymous(name: &str) -> bool {
    is_nameless(name) || name.starts_with("unk__") || name.contains("DynamicDimension")
}

fn class_of(name: &str, input: &str, at: usize, dims: &[Dim]) -> Class {
    let lower = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if !is_anonymous(name) {
        if has(&["batch"]) || (dims.len() > 1 && matches!(lower.as_str(), "n" | "b" | "bs")) {
            return Class::Batch;
        }
        if has(&["height"]) || lower == "h" {
            return Class::Height;
        }
        if has(&["width"]) || lower == "w" {
            return Class::Width;
        }
        if has(&["seq", "len", "time", "token", "frame", "past", "step", "phoneme"]) {
            return Class::Sequence;
        }
    }
    class_by_place(input, at, dims)
}

fn class_by_place(input: &str, at: usize, dims: &[Dim]) -> Class {
    let rank = dims.len();
    let channels_last = rank == 4 && dims[3].as_fixed().is_some_and(|c| c <= 4);
    // Recurrent state is [layers, batch, hidden].
    let state = rank == 3 && at == 1 && dims[0].as_fixed().is_some() && dims[2].as_fixed().is_some();
    let named_state = ["state", "hidden", "cell", "h0", "c0", "hn", "cn"].iter().any(|w| input.contains(w));
    match at {
        0 if rank > 1 => Class::Batch,
        1 if state && (named_state || dims[0] != Dim::Fixed(1)) => Class::Batch,
        1 if channels_last => Class::Height,
        2 if channels_last => Class::Width,
        // Keys and values of attention are [batch, heads, tokens, size of a head].
        2 if rank == 4 && [1, 3].iter().all(|&d: &usize| dims[d].as_fixed().is_some_and(|n| n > 4)) => {
            Class::Sequence
        }
        _ if rank >= 4 && at == rank - 2 => Class::Height,
        _ if rank >= 4 && at == rank - 1 => Class::Width,
        _ => Class::Sequence,
    }
}

/// Numbers for the symbols of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    sizes: BTreeMap<String, u64>,
    scheme: Scheme,
}

impl Sizes {
    /// The number of a dim: fixed ones as they are, sums of symbols summed.
    pub(crate) fn dim(&self, dim: &Dim) -> usize {
        let number = match dim {
            Dim::Fixed(n) => Some(*n),
            Dim::Sym(expr) => expr.eval(&|name| self.symbol(name)).and_then(|n| u64::try_from(n).ok()),
        };
        number.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX)
    }

    fn symbol(&self, name: &str) -> Option<i64> {
        let known = self.sizes.get(name).copied();
        let number =
            known.or_else(|| terms(name).iter().try_fold(0u64, |sum, t| sum.checked_add(self.term(t))));
        i64::try_from(number?).ok()
    }

    fn term(&self, text: &str) -> u64 {
        text.parse().ok().or_else(|| self.sizes.get(text).copied()).unwrap_or(self.scheme.sequence)
    }

    /// Dims for an input of unknown rank; each attempt of another scheme tries another rank.
    pub(crate) fn unranked(&self) -> Vec<usize> {
        let s = self.scheme;
        let at = SCHEMES.iter().position(|x| *x == s).unwrap_or(0);
        let dims: &[u64] = match at % 5 {
            0 => &[s.batch, s.sequence],
            1 => &[s.sequence],
            2 => &[s.batch, s.sequence, 8],
            3 => &[s.batch, 3, s.height, s.width],
            _ => &[],
        };
        dims.iter().map(|&d| usize::try_from(d).unwrap_or(usize::MAX)).collect()
    }

    /// What a length may be at most.
    pub(crate) fn length(&self) -> u64 {
        self.scheme.sequence
    }

    /// Sizes by symbol for people: `batch=1 sequence=16`.
    pub(crate) fn label(&self) -> String {
        let parts: Vec<String> = self.sizes.iter().map(|(name, n)| format!("{name}={n}")).collect();
        if parts.is_empty() { "fixed sizes".to_owned() } else { parts.join(" ") }
    }
}

/// The terms of a sum; one term for a plain symbol.
fn terms(text: &str) -> Vec<&str> {
    text.trim_start_matches('(').trim_end_matches(')').split('+').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::RegionId;
    use crate::tensor::DType;

    fn symbols(inputs: &[(&str, Vec<Dim>)]) -> (Model, Symbols) {
        let mut model = Model::new(17);
        for (name, dims) in inputs {
            model.graph.add_input(RegionId::ROOT, *name, Some(Type::tensor(DType::F32, dims.clone())));
        }
        let symbols = Symbols::of(&model);
        (model, symbols)
    }

    #[test]
    fn names_and_places_say_what_a_dim_counts() {
        let s = Dim::symbol;
        let (_, found) = symbols(&[
            ("ids", vec![s("batch"), s("sequence")]),
            ("image", vec![s("?1"), Dim::Fixed(3), s("?2"), s("?3")]),
            ("state", vec![Dim::Fixed(2), s("?4"), Dim::Fixed(128)]),
            ("nhwc", vec![s("unk__5"), s("unk__6"), s("unk__7"), Dim::Fixed(3)]),
            ("atoms", vec![Dim::Fixed(1), s("seq_len")]),
            ("key", vec![s("batch"), Dim::Fixed(12), s("?8"), Dim::Fixed(64)]),
            ("all", vec![s("batch"), s("past + sequence")]),
        ]);
        let classes: Vec<Class> = found.free.iter().map(|f| f.1).collect();
        use Class::{Batch, Height, Sequence, Width};
        assert_eq!(
            classes,
            [Batch, Sequence, Batch, Height, Width, Batch, Batch, Height, Width, Sequence, Sequence]
        );
    }

    #[test]
    fn equal_symbols_get_equal_sizes_and_sums_are_summed() {
        let s = Dim::symbol;
        let (_, found) =
            symbols(&[("x", vec![s("batch"), s("past")]), ("y", vec![s("batch"), s("sequence")])]);
        let sizes = SCHEMES[1].sizes(&found);
        assert_eq!((sizes.dim(&s("batch")), sizes.dim(&s("past")), sizes.dim(&s("sequence"))), (2, 24, 32));
        assert_eq!(sizes.dim(&s("past + sequence")), 56);
        assert_eq!(sizes.dim(&s("past + 1")), 25);
        assert_eq!(sizes.dim(&Dim::Fixed(5)), 5);
        assert_eq!(sizes.label(), "batch=2 past=24 sequence=32");
    }

    #[test]
    fn the_first_three_schemes_differ_and_images_go_by_32() {
        for (i, a) in SCHEMES.iter().take(3).enumerate() {
            assert!(
                SCHEMES[..i]
                    .iter()
                    .all(|b| a.sequence != b.sequence && (a.height, a.width) != (b.height, b.width))
            );
            assert!(a.height % 32 == 0 && a.width % 32 == 0);
        }
    }
}
