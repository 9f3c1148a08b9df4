//! The formula of a node, written operator by operator.

use crate::ir::{Attr, Dim, Node, NodeId, OpId, ValueId};
use crate::passes::range::largest;
use crate::passes::reduction::over_axes;
use crate::require;
use crate::rewrite::{Context, Miss, Patch, Ref};
use crate::schema::{self, AttrDefault};
use crate::target::Target;
use crate::tensor::{DType, Tensor};

/// A node that is to go, and the nodes that take its place.
pub(in crate::passes) struct Formula<'g> {
    pub(in crate::passes) cx: Context<'g>,
    /// The type of its first result, and of the numbers in the formula.
    pub(in crate::passes) dtype: DType,
    target: &'g Target,
    id: NodeId,
    patch: Patch,
    asked_inputs: Vec<usize>,
    asked_attrs: Vec<&'static str>,
    given: Vec<(ValueId, Ref)>,
}

impl<'g> Formula<'g> {
    pub(in crate::passes) fn new(cx: Context<'g>, target: &'g Target, id: NodeId) -> Result<Self, Miss> {
        let &output = cx.node(id).outputs().first().ok_or(Miss::Silent)?;
        let dtype = cx.graph.dtype(output);
        let dtype = dtype.ok_or_else(|| Miss::because("the type of the result is not known", output))?;
        Ok(Self {
            cx,
            dtype,
            target,
            id,
            patch: Patch::new(),
            asked_inputs: Vec::new(),
            asked_attrs: Vec::new(),
            given: Vec::new(),
        })
    }

    /// The patch, unless the node has an operand, an attribute or a reader that the formula knows nothing of.
    pub(in crate::passes) fn finish(self, first: Ref) -> Result<Patch, Miss> {
        let (node, schema) = (self.node(), self.cx.schema(self.id));
        let name = |param: Option<&schema::Param>, at: usize| {
            param.map_or_else(|| format!("number {at}"), |p| format!("'{}'", p.name))
        };
        for (at, value) in node.inputs().enumerate().filter(|(at, _)| !self.asked_inputs.contains(at)) {
            let what = name(schema.and_then(|s| s.input(at)), at);
            require!(value.is_none(), value, "its operand {what} is not written with standard operators");
        }
        for attr in node.attrs().iter().filter(|a| !self.asked_attrs.contains(&&*a.name)) {
            let default = schema.and_then(|s| s.attr(&attr.name)?.default);
            let idle = matches!(attr.value, Attr::Int(n) if n == 0 || default == Some(AttrDefault::Int(n)));
            let at = node.outputs()[0];
            require!(idle, at, "its attribute '{}' is not written with standard operators", attr.name);
        }
        let mut patch = self.patch;
        // The formula has the shapes of the operator that it defines, also where no symbol says so.
        patch.sharpen();
        patch.replace(node.outputs()[0], first);
        for (at, &output) in node.outputs().iter().enumerate().skip(1) {
            let given = self.given.iter().find(|(old, _)| *old == output);
            let what = name(schema.and_then(|s| s.output(at)), at);
            require!(
                given.is_some() || self.cx.graph.value(output).uses().is_empty(),
                output,
                "its result {what} is read and not written with standard operators"
            );
            given.into_iter().for_each(|&(old, new)| patch.replace(old, new));
        }
        Ok(patch)
    }

    pub(in crate::passes) fn node(&self) -> &'g Node {
        self.cx.node(self.id)
    }

    /// Says why the node stays.
    pub(in crate::passes) fn miss(&self, why: impl Into<String>) -> Miss {
        Miss::because(why, self.node().outputs()[0])
    }

    /// An operand that may be left out.
    pub(in crate::passes) fn optional(&mut self, at: usize) -> Option<ValueId> {
        self.asked_inputs.push(at);
        self.node().input(at)
    }

    /// An operand.
    pub(in crate::passes) fn operand(&mut self, at: usize) -> Result<ValueId, Miss> {
        self.optional(at).ok_or_else(|| self.miss("an operand is missing"))
    }

    /// An integer attribute or its default.
    pub(in crate::passes) fn int(&mut self, name: &'static str) -> Option<i64> {
        self.asked_attrs.push(name);
        self.cx.int(self.id, name)
    }

    /// Whether an integer attribute is set to anything but 0.
    pub(in crate::passes) fn flag(&mut self, name: &'static str) -> bool {
        self.int(name).unwrap_or(0) != 0
    }

    /// Whether an integer attribute is set to anything but 0, or what it is by default.
    pub(in crate::passes) fn flag_or(&mut self, name: &'static str, default: bool) -> bool {
        self.int(name).map_or(default, |n| n != 0)
    }

    /// A float attribute or its default.
    pub(in crate::passes) fn float(&mut self, name: &'static str) -> Option<f64> {
        self.asked_attrs.push(name);
        self.cx.float(self.id, name).map(f64::from)
    }

    /// An attribute, where it is given.
    pub(in crate::passes) fn given(&mut self, name: &'static str) -> Option<&'g Attr> {
        self.asked_attrs.push(name);
        self.node().attr(name)
    }

    /// A result beside the first, where anything reads it.
    pub(in crate::passes) fn result(&self, at: usize) -> Option<ValueId> {
        let output = self.node().outputs().get(at).copied();
        output.filter(|&v| !self.cx.graph.value(v).uses().is_empty())
    }

    /// Says what takes the place of a result beside the first.
    pub(in crate::passes) fn give(&mut self, old: ValueId, new: Ref) {
        self.given.push((old, new));
    }

    /// Whether an op may be written: it exists at this opset, and the target has it and runs it as fast as its formula.
    pub(in crate::passes) fn has(&self, name: &'static str) -> bool {
        let (op, opset) = (OpId::onnx(name), self.cx.opset());
        let exists = schema::lookup("", name, opset).is_some_and(|s| !s.deprecated);
        exists && self.target.may_add(op) && self.target.runs(op, opset) && !self.target.expands(op)
    }

    /// Whether the target reads constants of bytes only to dequantize them.
    pub(in crate::passes) fn dequantizes_constants(&self) -> bool {
        self.target.qdq.as_ref().is_some_and(|qdq| qdq.constants_are_dequantized)
    }

    /// The dims of an operand.
    pub(in crate::passes) fn shape(&self, of: ValueId) -> Result<&'g [Dim], Miss> {
        let shape = self.cx.graph.shape(of);
        shape.ok_or_else(|| Miss::because("the rank of an operand is not known", of))
    }

    /// The size of an axis, where it is a number.
    pub(in crate::passes) fn fixed(&self, of: ValueId, axis: usize) -> Option<i64> {
        i64::try_from(self.cx.graph.shape(of)?.get(axis)?.as_fixed()?).ok()
    }

    /// An operator of `ai.onnx`.
    pub(in crate::passes) fn op<R: Into<Ref>>(
        &mut self,
        name: &'static str,
        inputs: impl IntoIterator<Item = R>,
    ) -> Ref {
        self.patch.node(OpId::onnx(name), inputs)
    }

    /// The results of an operator of `ai.onnx`.
    pub(in crate::passes) fn results<R: Into<Ref>>(
        &mut self,
        name: &'static str,
        inputs: impl IntoIterator<Item = R>,
        count: u32,
    ) -> Vec<Ref> {
        self.patch.node_with_outputs(OpId::onnx(name), inputs, count)
    }

    /// Gives the operator written last an attribute of the node, where it has it.
    pub(in crate::passes) fn keep(&mut self, name: &'static str) {
        if let Some(value) = self.given(name) {
            self.attr(name, value.clone());
        }
    }

    /// Gives the operator written last an attribute.
    pub(in crate::passes) fn attr(&mut self, name: &str, value: impl Into<Attr>) {
        self.patch.set_attr(name, value);
    }

    pub(in crate::passes) fn add(&mut self, a: impl Into<Ref>, b: impl Into<Ref>) -> Ref {
        self.op("Add", [a.into(), b.into()])
    }

    pub(in crate::passes) fn sub(&mut self, a: impl Into<Ref>, b: impl Into<Ref>) -> Ref {
        self.op("Sub", [a.into(), b.into()])
    }

    pub(in crate::passes) fn mul(&mut self, a: impl Into<Ref>, b: impl Into<Ref>) -> Ref {
        self.op("Mul", [a.into(), b.into()])
    }

    /// A product with a number, none with 1.
    pub(in crate::passes) fn scaled(&mut self, x: impl Into<Ref>, by: f64) -> Ref {
        let x = x.into();
        if by == 1.0 {
            return x;
        }
        let by = self.number(by);
        self.mul(x, by)
    }

    /// The sum, where there is a second summand.
    pub(in crate::passes) fn plus(&mut self, x: impl Into<Ref>, summand: Option<ValueId>) -> Ref {
        let x = x.into();
        summand.map_or(x, |summand| self.add(x, summand))
    }

    /// A number of the type of the result.
    pub(in crate::passes) fn number(&mut self, value: f64) -> Ref {
        self.number_of(self.dtype, value)
    }

    /// A number of a type; of single precision where the type holds none.
    pub(in crate::passes) fn number_of(&mut self, dtype: DType, value: f64) -> Ref {
        let tensor = Tensor::from_f64s(dtype, &[], &[value]);
        self.patch.constant(tensor.unwrap_or_else(|_| Tensor::scalar(value as f32)))
    }

    /// A vector of one number in single precision.
    pub(in crate::passes) fn filled(&mut self, size: usize, value: f32) -> Ref {
        self.patch.constant(Tensor::vector(&vec![value; size]))
    }

    /// The lowest number of the type of the result.
    pub(in crate::passes) fn lowest(&mut self) -> Ref {
        self.number(-largest(self.dtype))
    }

    pub(in crate::passes) fn constant(&mut self, tensor: Tensor) -> Ref {
        self.patch.constant(tensor)
    }

    pub(in crate::passes) fn ints(&mut self, values: &[i64]) -> Ref {
        self.patch.constant(Tensor::vector(values))
    }

    pub(in crate::passes) fn index(&mut self, value: i64) -> Ref {
        self.patch.constant(Tensor::scalar(value))
    }

    pub(in crate::passes) fn cast(&mut self, x: impl Into<Ref>, to: DType) -> Ref {
        let y = self.op("Cast", [x.into()]);
        self.attr("to", i64::from(to.code()));
        y
    }

    pub(in crate::passes) fn transpose(&mut self, x: impl Into<Ref>, perm: &[i64]) -> Ref {
        let y = self.op("Transpose", [x.into()]);
        self.attr("perm", perm.to_vec());
        y
    }

    pub(in crate::passes) fn reshape(&mut self, x: impl Into<Ref>, to: &[i64]) -> Ref {
        let to = self.ints(to);
        self.op("Reshape", [x.into(), to])
    }

    /// A value of fixed dims, a constant where it is one.
    pub(in crate::passes) fn shaped(&mut self, x: ValueId, to: &[i64]) -> Ref {
        let sizes: Option<Vec<usize>> = to.iter().map(|&size| usize::try_from(size).ok()).collect();
        let tensor = self.cx.graph.const_value(x);
        match tensor.zip(sizes).and_then(|(tensor, sizes)| tensor.reshaped(&sizes).ok()) {
            Some(tensor) => self.constant(tensor),
            None => self.reshape(x, to),
        }
    }

    pub(in crate::passes) fn concat(&mut self, parts: &[Ref], axis: i64) -> Ref {
        let y = self.op("Concat", parts.iter().copied());
        self.attr("axis", axis);
        y
    }

    pub(in crate::passes) fn gather(&mut self, x: impl Into<Ref>, at: impl Into<Ref>, axis: i64) -> Ref {
        let y = self.op("Gather", [x.into(), at.into()]);
        self.attr("axis", axis);
        y
    }

    pub(in crate::passes) fn softmax(&mut self, x: impl Into<Ref>, axis: i64) -> Ref {
        let y = self.op("Softmax", [x.into()]);
        self.attr("axis", axis);
        y
    }

    pub(in crate::passes) fn unsqueeze(&mut self, x: impl Into<Ref>, axes: &[i64]) -> Ref {
        over_axes(&self.cx, &mut self.patch, "Unsqueeze", x, axes)
    }

    pub(in crate::passes) fn mean(&mut self, x: impl Into<Ref>, axes: &[i64]) -> Ref {
        over_axes(&self.cx, &mut self.patch, "ReduceMean", x, axes)
    }

    /// The sum over an axis, which goes.
    pub(in crate::passes) fn sum(&mut self, x: impl Into<Ref>, axis: i64) -> Ref {
        let y = over_axes(&self.cx, &mut self.patch, "ReduceSum", x, &[axis]);
        self.attr("keepdims", 0i64);
        y
    }

    /// Parts along an axis.
    pub(in crate::passes) fn split(&mut self, x: impl Into<Ref>, axis: i64, sizes: &[i64]) -> Vec<Ref> {
        let count = sizes.len() as u32;
        let parts = if self.cx.opset() >= 13 {
            let sizes = self.ints(sizes);
            self.results("Split", [x.into(), sizes], count)
        } else {
            let parts = self.results("Split", [x.into()], count);
            self.attr("split", sizes.to_vec());
            parts
        };
        self.attr("axis", axis);
        parts
    }

    /// The size of an axis as a number without dims.
    pub(in crate::passes) fn size(&mut self, of: ValueId, axis: usize) -> Ref {
        if let Some(size) = self.fixed(of, axis) {
            return self.index(size);
        }
        let shape = self.op("Shape", [of]);
        let axis = self.index(axis as i64);
        self.gather(shape, axis, 0)
    }

    /// The numbers from one up to another.
    pub(in crate::passes) fn range(&mut self, from: Ref, to: Ref) -> Ref {
        let step = self.index(1);
        self.op("Range", [from, to, step])
    }
}
