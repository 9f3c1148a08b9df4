//! What an original meets on the way where operators leave open what they answer.

use super::judge::{answers, names, session};
use onnxpress::analysis::Facts;
use onnxpress::diag::Diags;
use onnxpress::io;
use onnxpress::ir::{Graph, Model, Node, NodeId, RegionId, ValueId, captures};
use onnxpress::runtime::RunValue;
use onnxpress::tensor::{DType, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// What looks for the largest or smallest of several elements. ONNX does not say what that is where one is no number, nor
/// which of two zeros it is; in ONNX Runtime it depends on where they stand, and on whether anything reads the indices.
const PICKERS: [&str; 6] = ["ArgMax", "ArgMin", "GlobalMaxPool", "MaxPool", "ReduceMax", "ReduceMin"];
/// What answers infinity to zero.
const POLES: [&str; 4] = ["Div", "Log", "Pow", "Reciprocal"];
/// Up to here floats hold all whole numbers: ONNX Runtime sums those in floats.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// What nodes meet on one set of inputs.
#[derive(Clone, Copy, Default)]
pub(super) struct Inside {
    /// A node's answer is up to the runtime: one of [`PICKERS`] meets NaN, a float is cast to a whole
    /// number that the type does not hold, whole numbers are summed beyond what floats hold.
    pub(super) open: bool,
    /// One of [`PICKERS`] meets zeros of both signs, and either may be its answer.
    pub(super) zeros: bool,
    /// A node reads infinity, and not that of a constant mask alone.
    pub(super) endless: bool,
    /// A node makes infinity of finite numbers, and not by a zero: in another order it might not.
    pub(super) overflows: bool,
    /// A node makes NaN, of infinities or zeros, or is asked of one whether it is NaN, or may choose another for it.
    pub(super) nan_made: bool,
}

/// The elements of a value.
#[derive(Clone, Copy)]
struct Span {
    low: f64,
    high: f64,
    plus_zero: bool,
    minus_zero: bool,
    nan: bool,
}

impl Span {
    fn of(tensor: &Tensor) -> Option<Self> {
        let none = Self {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            plus_zero: false,
            minus_zero: false,
            nan: false,
        };
        let with = |s: Self, v: f64| Self {
            low: s.low.min(v),
            high: s.high.max(v),
            plus_zero: s.plus_zero || v == 0.0 && v.is_sign_positive(),
            minus_zero: s.minus_zero || v == 0.0 && v.is_sign_negative(),
            nan: s.nan || v.is_nan(),
        };
        Some(tensor.to_f64s()?.into_iter().fold(none, with))
    }

    fn has_zero(self) -> bool {
        self.plus_zero || self.minus_zero
    }

    fn is_endless(self) -> bool {
        self.low == f64::NEG_INFINITY || self.high == f64::INFINITY
    }

    fn is_whole_in(self, dtype: DType) -> bool {
        let signed = i32::from(dtype.is_signed_int());
        let end = 2f64.powi(dtype.bits() as i32 - signed);
        !self.nan && self.low > f64::from(-signed) * end - 1.0 && self.high < end
    }
}

/// All numbers of the main graph: what is fed and what its nodes make, by name.
pub(super) fn shown(
    original: &Model,
    feeds: &[(String, RunValue)],
) -> Result<BTreeMap<String, Tensor>, String> {
    let mut copy = original.clone();
    Facts::new().infer_model(&mut copy, &mut Diags::new());
    let graph = &mut copy.graph;
    let nodes: Vec<NodeId> = graph.nodes_in(RegionId::ROOT).map(|(id, _)| id).collect();
    let made: Vec<ValueId> = nodes.iter().flat_map(|&n| graph.node(n).outputs().to_vec()).collect();
    for value in made {
        let numbers = graph.dtype(value).is_some_and(|d| d.is_float() || d.is_int());
        if numbers && !graph.is_graph_output(value) {
            graph.add_output(RegionId::ROOT, value);
        }
    }
    let bytes = io::to_bytes(&copy).map_err(|e| e.to_string())?;
    let made = answers(&copy, &mut *session(bytes)?, feeds)?;
    let all = feeds.iter().cloned().chain(names(&copy).into_iter().zip(made));
    let tensor = |(name, value)| match value {
        RunValue::Tensor(tensor) => Some((name, tensor)),
        _ => None,
    };
    Ok(all.filter_map(tensor).collect())
}

/// What each node of an original meets, on one set of inputs.
pub(super) struct Met<'a> {
    graph: &'a Graph,
    nodes: BTreeMap<NodeId, Inside>,
}

impl<'a> Met<'a> {
    pub(super) fn of(original: &'a Model, feeds: &[(String, RunValue)]) -> Result<Self, String> {
        let shown = shown(original, feeds)?;
        let spans: BTreeMap<&str, Span> =
            shown.iter().filter_map(|(name, tensor)| Some((&**name, Span::of(tensor)?))).collect();
        let graph = &original.graph;
        let span = |v: ValueId| {
            let constant = || graph.const_value(v).and_then(|t| Span::of(&t));
            spans.get(&**graph.value(v).name()).copied().or_else(constant)
        };
        let dtype = |v: ValueId| {
            let constant = || graph.const_value(v).map(|t| t.dtype());
            shown.get(&**graph.value(v).name()).map(Tensor::dtype).or_else(constant)
        };
        let is_endless = |v: ValueId| span(v).is_some_and(Span::is_endless);
        let added_up = |v: ValueId| graph.producer_is(v, "Add").map(|sum| graph.node(sum).inputs().flatten());
        let of_mask = |v: ValueId| {
            graph.is_const(v)
                || added_up(v).is_some_and(|mut of| of.all(|v| graph.is_const(v) || !is_endless(v)))
        };
        let meets = |node: &Node| {
            let op = node.op().name;
            let read: Vec<Span> = node.inputs().flatten().filter_map(span).collect();
            let made: Vec<Span> = node.outputs().iter().filter_map(|&v| span(v)).collect();
            let from = node.input(0).and_then(dtype);
            let to = node.outputs().first().and_then(|&v| dtype(v));
            let (reads_nan, endless) = (read.iter().any(|s| s.nan), read.iter().any(|s| s.is_endless()));
            let pole = POLES.contains(&op) && read.iter().any(|s| s.has_zero());
            Inside {
                open: from.zip(to).is_some_and(|(from, to)| is_open(op, from, to, &read)),
                zeros: PICKERS.contains(&op) && read.iter().any(|s| s.plus_zero && s.minus_zero),
                endless: node.inputs().flatten().any(|v| is_endless(v) && !of_mask(v)),
                overflows: !endless && !pole && made.iter().any(|s| s.is_endless()),
                nan_made: reads_nan && matches!(op, "IsNaN" | "Where")
                    || (!reads_nan || endless) && made.iter().any(|s| s.nan),
            }
        };
        let nodes = graph.nodes_in(RegionId::ROOT).map(|(id, node)| (id, meets(node))).collect();
        Ok(Self { graph, nodes })
    }

    /// What the nodes meet that an output depends on.
    pub(super) fn before(&self, output: usize) -> Inside {
        let mut wanted: Vec<ValueId> = self.graph.root().outputs().skip(output).take(1).collect();
        let mut seen = BTreeSet::new();
        let mut all = Inside::default();
        while let Some(value) = wanted.pop() {
            let Some(id) = self.graph.producer(value).filter(|&id| seen.insert(id)) else { continue };
            let met = self.nodes.get(&id).copied().unwrap_or_default();
            all.open |= met.open;
            all.zeros |= met.zeros;
            all.endless |= met.endless;
            all.overflows |= met.overflows;
            all.nan_made |= met.nan_made;
            wanted.extend(self.graph.node(id).inputs().flatten());
            wanted.extend(captures(self.graph, id));
        }
        all
    }
}

fn is_open(op: &str, from: DType, to: DType, read: &[Span]) -> bool {
    match op {
        op if PICKERS.contains(&op) => read.iter().any(|s| s.nan),
        // Of a window of minus infinity the answer depends on whether all of it was padded.
        "Pad" => from.is_float() && read.first().is_some_and(|s| s.low == f64::NEG_INFINITY),
        "Cast" => from.is_float() && to.is_int() && !read.iter().all(|s| s.is_whole_in(to)),
        op => {
            let large = |s: &Span| s.low < -WHOLE || s.high > WHOLE;
            op.starts_with("Reduce") && from.is_int() && read.first().is_some_and(large)
        }
    }
}
