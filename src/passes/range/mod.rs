//! Between which numbers the elements of a value lie, read off the operators that made it.

use crate::ir::{NodeId, ValueId};
use crate::rewrite::Context;
use crate::tensor::DType;

/// Nodes above a value that are looked at.
const MOST_NODES: usize = 48;
/// Elements of a constant that are looked at.
const MOST_ELEMENTS: usize = 1 << 12;

/// Bounds of all elements, those that are not numbers apart. Rounding may leave them by a unit in the last place, but
/// never turns a sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Range {
    /// Anything.
    pub(super) const ALL: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };
    const UNIT: Self = Self { low: 0.0, high: 1.0 };
    const BALL: Self = Self { low: -1.0, high: 1.0 };
    const POSITIVE: Self = Self { low: 0.0, high: f64::INFINITY };
    const NEGATIVE: Self = Self { low: f64::NEG_INFINITY, high: 0.0 };

    /// The range of a value.
    pub(super) fn of(cx: &Context<'_>, value: ValueId) -> Self {
        Search { cx, left: MOST_NODES }.value(value)
    }

    fn join(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// What is left of it between two bounds, the upper one taken last.
    pub(super) fn clamped(self, low: f64, high: f64) -> Self {
        Self { low: self.low.max(low).min(high), high: self.high.max(low).min(high) }
    }

    /// Only what it says of the sign.
    fn sign(self) -> Self {
        let low = if self.low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        Self { low, high: if self.high <= 0.0 { 0.0 } else { f64::INFINITY } }
    }
}

struct Search<'c, 'g> {
    cx: &'c Context<'g>,
    left: usize,
}

impl Search<'_, '_> {
    fn value(&mut self, value: ValueId) -> Range {
        let graph = self.cx.graph;
        if graph.is_const(value) {
            return self.constant(value).unwrap_or(Range::ALL);
        }
        match graph.producer(value) {
            Some(node) if self.left > 0 => {
                self.left -= 1;
                self.output(node, value)
            }
            _ => Range::ALL,
        }
    }

    fn constant(&self, value: ValueId) -> Option<Range> {
        let tensor =
            self.cx.graph.const_value(value).filter(|t| !t.is_empty() && t.len() <= MOST_ELEMENTS)?;
        let numbers = tensor.to_f64s()?;
        let bound = |pick: fn(f64, f64) -> f64| numbers.iter().copied().reduce(pick);
        Some(Range { low: bound(f64::min)?, high: bound(f64::max)? })
    }

    fn input(&mut self, node: NodeId, index: usize) -> Range {
        self.cx.node(node).input(index).map_or(Range::ALL, |v| self.value(v))
    }

    fn joined(&mut self, node: NodeId, skip: usize) -> Range {
        let operands: Vec<_> = self.cx.node(node).inputs().skip(skip).collect();
        let ranges = operands.into_iter().map(|v| v.map_or(Range::ALL, |v| self.value(v)));
        ranges.reduce(Range::join).unwrap_or(Range::ALL)
    }

    fn output(&mut self, node: NodeId, value: ValueId) -> Range {
        let n = self.cx.node(node);
        let first = n.outputs()[0] == value || n.op().is("Split");
        match n.op().name {
            name if first && n.op().domain.is_empty() => self.kept(node, name).unwrap_or_else(|| {
                // Whole numbers wrap around.
                let float = self.cx.graph.dtype(value).is_some_and(|d| d.is_float());
                if float { self.computed(node, name) } else { Range::ALL }
            }),
            _ => Range::ALL,
        }
    }

    /// What bounds or hands on its operands.
    fn kept(&mut self, node: NodeId, name: &str) -> Option<Range> {
        Some(match name {
            "Relu" => self.input(node, 0).clamped(0.0, f64::INFINITY),
            "Clip" => {
                let (low, high) = clip_bounds(self.cx, node)?;
                self.input(node, 0).clamped(low, high)
            }
            "Shape" | "Size" | "NonZero" | "ArgMax" | "ArgMin" => Range::POSITIVE,
            "Identity" | "Reshape" | "Transpose" | "Slice" | "Gather" | "Squeeze" | "Unsqueeze"
            | "Flatten" | "Expand" | "Tile" | "Split" | "DepthToSpace" | "SpaceToDepth" | "GlobalMaxPool"
            | "MaxPool" => self.input(node, 0),
            "Concat" => self.joined(node, 0),
            "Where" => self.joined(node, 1),
            "Max" | "Min" => self.extremum(node),
            _ => return None,
        })
    }

    fn computed(&mut self, node: NodeId, name: &str) -> Range {
        match name {
            "Sigmoid" | "HardSigmoid" | "Softmax" => Range::UNIT,
            "Tanh" | "Erf" | "Sin" | "Cos" | "Sign" | "Softsign" => Range::BALL,
            "LogSoftmax" => Range::NEGATIVE,
            "Exp" | "Abs" | "Sqrt" | "Softplus" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" => {
                Range::POSITIVE
            }
            "Mul" if self.cx.node(node).input(0) == self.cx.node(node).input(1) => Range::POSITIVE,
            "ReduceMean" | "AveragePool" | "GlobalAveragePool" | "ReduceSum" | "Cast" => {
                self.input(node, 0).sign()
            }
            "Add" | "Mul" if self.joined(node, 0).low >= 0.0 => Range::POSITIVE,
            _ => Range::ALL,
        }
    }

    fn extremum(&mut self, node: NodeId) -> Range {
        let operands: Vec<_> = self.cx.node(node).inputs().flatten().collect();
        let pick: fn(f64, f64) -> f64 = if self.cx.node(node).op().is("Max") { f64::max } else { f64::min };
        let ranges = operands.into_iter().map(|v| self.value(v));
        let both = |a: Range, b: Range| Range { low: pick(a.low, b.low), high: pick(a.high, b.high) };
        ranges.reduce(both).unwrap_or(Range::ALL)
    }
}

/// The largest number of a type of floats, which is the bound of a `Clip` without one; whole numbers need none.
pub(super) fn largest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 65504.0,
        DType::BF16 => f64::from(f32::from_bits(0x7f7f_0000)),
        DType::F32 => f64::from(f32::MAX),
        DType::F64 => f64::MAX,
        _ => f64::INFINITY,
    }
}

/// The constant bounds of a `Clip`; `None` where one is computed or no number.
pub(super) fn clip_bounds(cx: &Context<'_>, node: NodeId) -> Option<(f64, f64)> {
    let n = cx.node(node);
    let dtype = cx.graph.dtype(n.input(0)?)?;
    // Before opset 11 the bounds are attributes, of one type for all.
    let most = largest(if cx.opset() < 11 && dtype.is_float() { DType::F32 } else { dtype });
    let bound = |index: usize, name: &str, none: f64| match n.input(index) {
        Some(v) => cx.graph.const_value(v)?.as_scalar(),
        None => Some(n.float(name).map_or(none, f64::from)),
    };
    let (low, high) = (bound(1, "min", -most)?, bound(2, "max", most)?);
    (!low.is_nan() && !high.is_nan()).then_some((low, high))
}
