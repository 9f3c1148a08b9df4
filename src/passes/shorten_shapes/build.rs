//! Makes the nodes of a plan.

use super::META;
use super::needs::Need;
use super::plan::{Piece, Plan};
use crate::analysis::Env;
use crate::ir::{Model, Name, NewNode, NewOutput, OpId, RegionId, ValueId};
use crate::rewrite::{PassContext, sweep};
use crate::tensor::Tensor;
use rustc_hash::FxHashMap;

/// Lets every need read what the plan has for it.
pub(super) fn commit(
    model: &mut Model,
    cx: &mut PassContext<'_>,
    region: RegionId,
    needs: &[Need],
    plan: &Plan,
) {
    let mut builder = Builder { model, cx, region, made: FxHashMap::default() };
    for (need, piece) in needs.iter().zip(&plan.pieces) {
        if let Some(piece) = piece {
            let new = builder.build(piece, need);
            builder.model.graph.set_operand(need.node, need.operand, Some(new));
        }
    }
    for need in needs {
        if let Some(producer) = model.graph.producer(need.value) {
            sweep(&mut model.graph, producer);
        }
    }
}

struct Builder<'a, 'b> {
    model: &'a mut Model,
    cx: &'a mut PassContext<'b>,
    region: RegionId,
    made: FxHashMap<Piece, ValueId>,
}

impl Builder<'_, '_> {
    fn build(&mut self, piece: &Piece, need: &Need) -> ValueId {
        if let Some(&made) = self.made.get(piece) {
            return made;
        }
        let value = match piece {
            Piece::Vector(value) => *value,
            Piece::Numbers(list) => self.constant(self.region, Tensor::vector(list), need),
            Piece::Whole(x) => self.node("Shape", vec![*x], &[], need),
            Piece::Part(x, start, end) => {
                self.node("Shape", vec![*x], &[("start", *start as i64), ("end", *end as i64)], need)
            }
            Piece::Picked(x, axes) => {
                let axes: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
                self.gather(*x, Tensor::vector(&axes), need)
            }
            Piece::One(x, axis) => self.gather(*x, Tensor::scalar(*axis as i64), need),
            Piece::Lifted(value) => self.lift(*value, need),
            Piece::Joined(parts) => self.join(parts, need),
        };
        self.made.insert(piece.clone(), value);
        value
    }

    fn gather(&mut self, x: ValueId, indices: Tensor, need: &Need) -> ValueId {
        let shape = self.build(&Piece::Whole(x), need);
        let indices = self.constant(self.home(&[shape]), indices, need);
        self.node("Gather", vec![shape, indices], &[("axis", 0)], need)
    }

    fn lift(&mut self, value: ValueId, need: &Need) -> ValueId {
        if self.model.opset() >= 13 {
            let axes = self.constant(self.home(&[value]), Tensor::vector(&[0i64]), need);
            return self.node("Unsqueeze", vec![value, axes], &[], need);
        }
        let shape = self.constant(self.home(&[value]), Tensor::vector(&[1i64]), need);
        self.node("Reshape", vec![value, shape], &[], need)
    }

    fn constant(&mut self, region: RegionId, tensor: Tensor, need: &Need) -> ValueId {
        let name = self.name(need, "/constant");
        self.model.graph.add_initializer(region, name, tensor)
    }

    /// The region in which all values are: outside of a loop what does not change in it.
    fn home(&self, values: &[ValueId]) -> RegionId {
        let graph = &self.model.graph;
        let regions = values.iter().filter_map(|&v| graph.region_of(v));
        regions.max_by_key(|&r| graph.enclosing(r).count()).unwrap_or(self.region)
    }

    fn join(&mut self, parts: &[Piece], need: &Need) -> ValueId {
        let computed: Vec<ValueId> =
            parts.iter().filter(|p| !matches!(p, Piece::Numbers(_))).map(|p| self.build(p, need)).collect();
        let home = self.home(&computed);
        let mut computed = computed.into_iter();
        let mut joined = Vec::with_capacity(parts.len());
        for part in parts {
            joined.extend(match part {
                Piece::Numbers(list) => Some(self.constant(home, Tensor::vector(list), need)),
                _ => computed.next(),
            });
        }
        self.node("Concat", joined, &[("axis", 0)], need)
    }

    fn name(&mut self, need: &Need, what: &str) -> Name {
        let graph = &mut self.model.graph;
        let base = format!("{}/{}{what}", graph.value(need.value).name(), META.id);
        graph.fresh_name(&base)
    }

    fn node(&mut self, op: &'static str, inputs: Vec<ValueId>, ints: &[(&str, i64)], need: &Need) -> ValueId {
        let (name, home) = (self.name(need, ""), self.home(&inputs));
        let order = Some(self.model.graph.node(need.node).order());
        let inputs = inputs.into_iter().map(Some).collect();
        let new = NewNode { order, ..NewNode::new(OpId::onnx(op), inputs, vec![NewOutput::named(name)]) };
        let new = ints.iter().fold(new, |new, (name, value)| new.attr(name, *value));
        let Model { graph, opsets, functions, .. } = &mut *self.model;
        let id = graph.add_node(home, new);
        self.cx.facts.infer_node(graph, &Env { opsets, functions }, id);
        graph.node(id).outputs()[0]
    }
}
