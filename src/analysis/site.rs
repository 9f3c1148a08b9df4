//! One node as inference sees it: what is known of its operands, and what is found out of its outputs.

use super::Facts;
use super::grid::{Grid, MAX_ELEMENTS};
use crate::ir::{Attr, Dim, DimExpr, Graph, Node, NodeId, Shape, Type, ValueId};
use crate::schema::Schema;
use crate::tensor::{DType, Tensor};

/// What was found out of one output.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding {
    pub(super) dtype: Option<DType>,
    pub(super) shape: Option<Shape>,
    pub(super) grid: Option<Grid>,
    /// The whole type; goes before element type and shape.
    pub(super) ty: Option<Type>,
}

impl Finding {
    /// The type, where at least the element type is known.
    pub(super) fn into_type(self) -> (Option<Type>, Option<Grid>) {
        let Self { dtype, shape, grid, ty } = self;
        let ty = ty.or_else(|| {
            let dtype = dtype?;
            Some(shape.map_or_else(|| Type::unranked(dtype), |shape| Type::tensor(dtype, shape)))
        });
        (ty, grid)
    }
}

/// A node, its operands and its outputs to be found out.
pub(super) struct Site<'a> {
    graph: &'a Graph,
    facts: &'a Facts,
    id: NodeId,
    /// The version of the op's domain.
    pub(super) opset: i64,
    pub(super) schema: Option<&'static Schema>,
    pub(super) findings: Vec<Finding>,
    /// Symbols made for this node.
    pub(super) born: Vec<(String, ValueId)>,
}

impl<'a> Site<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        facts: &'a Facts,
        id: NodeId,
        opset: i64,
        schema: Option<&'static Schema>,
    ) -> Self {
        let findings = vec![Finding::default(); graph.node(id).outputs().len()];
        Self { graph, facts, id, opset, schema, findings, born: Vec::new() }
    }

    pub(super) fn node(&self) -> &'a Node {
        self.graph.node(self.id)
    }

    pub(super) fn name(&self) -> &'static str {
        self.node().op().name
    }

    /// Whether the operand is there.
    pub(super) fn has(&self, input: usize) -> bool {
        self.node().input(input).is_some()
    }

    /// How many operands are listed, omitted ones between them counted.
    pub(super) fn arity(&self) -> usize {
        self.node().inputs().len()
    }

    pub(super) fn ty(&self, input: usize) -> Option<&'a Type> {
        self.graph.value(self.node().input(input)?).ty()
    }

    pub(super) fn dtype(&self, input: usize) -> Option<DType> {
        self.graph.dtype(self.node().input(input)?)
    }

    pub(super) fn shape(&self, input: usize) -> Option<&'a [Dim]> {
        self.graph.shape(self.node().input(input)?)
    }

    pub(super) fn rank(&self, input: usize) -> Option<usize> {
        self.shape(input).map(<[_]>::len)
    }

    /// A dim of an operand, counted from the end where negative.
    pub(super) fn dim(&self, input: usize, axis: i64) -> Option<&'a Dim> {
        let shape = self.shape(input)?;
        shape.get(self::axis(axis, shape.len())?)
    }

    pub(super) fn grid(&self, input: usize) -> Option<&'a Grid> {
        self.facts.grid(self.node().input(input)?)
    }

    /// The elements of a small operand, each a number.
    pub(super) fn numbers(&self, input: usize) -> Option<Vec<i64>> {
        self.grid(input)?.numbers()
    }

    /// The one element of an operand.
    pub(super) fn element(&self, input: usize) -> Option<&'a DimExpr> {
        match self.grid(input)?.data.as_slice() {
            [e] => e.as_ref(),
            _ => None,
        }
    }

    /// The one element of an operand, a number.
    pub(super) fn number(&self, input: usize) -> Option<i64> {
        self.element(input)?.as_constant()
    }

    pub(super) fn constant(&self, input: usize) -> Option<Tensor> {
        self.graph.const_value(self.node().input(input)?)
    }

    /// The constant that the node itself is.
    pub(super) fn own_constant(&self) -> Option<Tensor> {
        self.graph.const_value(*self.node().outputs().first()?)
    }

    /// Whether the operand is filled with one number that is not zero.
    pub(super) fn filled_with_nonzero(&self, input: usize) -> bool {
        let fill = self.node().input(input).and_then(|v| self.graph.producer_is(v, "ConstantOfShape"));
        match fill.and_then(|n| self.graph.node(n).attr("value")) {
            Some(Attr::Tensor(t)) => t.as_scalar().is_some_and(|v| v != 0.0),
            _ => false,
        }
    }

    /// The elements of a small constant operand of any real type.
    pub(super) fn floats(&self, input: usize) -> Option<Vec<f64>> {
        let tensor = self.constant(input)?;
        (tensor.len() <= MAX_ELEMENTS).then(|| tensor.to_f64s()).flatten()
    }

    /// The elements of a rank-1 operand, unknown ones included, where at least their number is known.
    pub(super) fn vector(&self, input: usize) -> Option<Vec<Option<DimExpr>>> {
        if let Some(grid) = self.grid(input) {
            return (grid.dims.len() <= 1).then(|| grid.data.clone());
        }
        let [Dim::Fixed(n)] = self.shape(input)? else {
            return None;
        };
        let n = usize::try_from(*n).ok().filter(|&n| n <= MAX_ELEMENTS)?;
        Some(vec![None; n])
    }

    /// An integer attribute. `None` where it is there and cannot be read.
    pub(super) fn int_or(&self, name: &str, default: i64) -> Option<i64> {
        match self.node().attr(name) {
            None => Some(default),
            Some(Attr::Int(v)) => Some(*v),
            Some(_) => None,
        }
    }

    /// A list attribute, empty where it is absent. `None` where it is there and cannot be read.
    pub(super) fn ints_or_none(&self, name: &str) -> Option<Option<&'a [i64]>> {
        match self.node().attr(name) {
            None => Some(None),
            Some(Attr::Ints(v)) => Some(Some(v)),
            Some(_) => None,
        }
    }

    /// A string attribute. `None` where it is there and cannot be read.
    pub(super) fn string_or(&self, name: &str, default: &'a str) -> Option<&'a str> {
        match self.node().attr(name) {
            None => Some(default),
            Some(Attr::String(v)) => std::str::from_utf8(v).ok(),
            Some(_) => None,
        }
    }

    /// The element type that an integer attribute names.
    pub(super) fn dtype_attr(&self, name: &str) -> Option<DType> {
        DType::from_code(i32::try_from(self.node().int(name)?).ok()?)
    }

    /// A list that is an attribute in older opsets and an operand in newer ones: `Some(None)` where it is absent.
    pub(super) fn list(&self, input: usize, attr: &str) -> Option<Option<Vec<i64>>> {
        if self.has(input) {
            return self.numbers(input).map(Some);
        }
        self.ints_or_none(attr).map(|list| list.map(<[i64]>::to_vec))
    }

    /// A size that is known only when the model runs.
    pub(super) fn fresh(&mut self, output: usize, axis: usize) -> Dim {
        let Some(&value) = self.node().outputs().get(output) else {
            return Dim::symbol("?");
        };
        let name = self.facts.symbol_name(value, axis);
        let dim = Dim::symbol(&name);
        self.born.push((name, value));
        dim
    }

    /// The dim, or a fresh one where it is not known.
    pub(super) fn dim_or_fresh(&mut self, dim: Option<Dim>, output: usize, axis: usize) -> Dim {
        dim.unwrap_or_else(|| self.fresh(output, axis))
    }

    /// The size that an element of a shape tensor stands for, or a fresh one.
    pub(super) fn size(&mut self, element: Option<&DimExpr>, output: usize, axis: usize) -> Dim {
        self.dim_or_fresh(element.and_then(|e| Dim::from_expr(e.clone())), output, axis)
    }

    /// A shape of fresh dims.
    pub(super) fn fresh_shape(&mut self, output: usize, rank: usize) -> Shape {
        (0..rank).map(|axis| self.fresh(output, axis)).collect()
    }

    fn finding(&mut self, output: usize) -> Option<&mut Finding> {
        self.findings.get_mut(output)
    }

    pub(super) fn set_shape(&mut self, output: usize, shape: impl Into<Shape>) {
        if let Some(f) = self.finding(output) {
            f.shape = Some(shape.into());
        }
    }

    pub(super) fn set_dtype(&mut self, output: usize, dtype: DType) {
        if let Some(f) = self.finding(output) {
            f.dtype = Some(dtype);
        }
    }

    pub(super) fn set_type(&mut self, output: usize, ty: Type) {
        if let Some(f) = self.finding(output) {
            f.ty = Some(ty);
        }
    }

    pub(super) fn set_grid(&mut self, output: usize, grid: Option<Grid>) {
        if let Some(f) = self.finding(output) {
            f.grid = grid;
        }
    }

    /// The element type found so far, which the schema gives for most ops.
    pub(super) fn found_dtype(&self, output: usize) -> Option<DType> {
        self.findings.get(output)?.dtype
    }

    /// The shape found so far.
    pub(super) fn found_shape(&self, output: usize) -> Option<&Shape> {
        self.findings.get(output)?.shape.as_ref()
    }

    /// Output 0 has the shape of the operand.
    pub(super) fn like(&mut self, output: usize, input: usize) -> Option<()> {
        self.set_shape(output, self.shape(input)?);
        Some(())
    }

    /// The elements of output 0, whose element type is found already.
    pub(super) fn set_elements(&mut self, dims: Vec<usize>, data: Vec<Option<DimExpr>>) {
        let grid = self.found_dtype(0).and_then(|dtype| Grid::new(dtype, dims, data));
        self.set_grid(0, grid);
    }
}

/// An axis counted from the end where negative. `None` where there is none such.
pub(super) fn axis(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    (0..rank).contains(&axis).then_some(axis as usize)
}

/// Axes counted from the end where negative, sorted. `None` where one does not exist.
pub(super) fn axes(list: &[i64], rank: usize) -> Option<Vec<usize>> {
    let mut axes = list.iter().map(|&a| axis(a, rank)).collect::<Option<Vec<_>>>()?;
    axes.sort_unstable();
    axes.dedup();
    Some(axes)
}

#[cfg(test)]
mod tests {
    use super::axis;

    #[test]
    fn axes_count_from_the_end() {
        assert_eq!((axis(-1, 3), axis(2, 3), axis(3, 3), axis(-4, 3)), (Some(2), Some(2), None, None));
        assert_eq!(axis(i64::MIN, 3), None);
    }
}
