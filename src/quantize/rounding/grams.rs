//! The matrices of products, computed in the graph itself.
//!
//! What a convolution multiplies its weights with are patches of its data. A convolution of the same strides and pads whose
//! filters each pick one element lays them out:
//!
//! ```text
//! P = Conv<group = channels>(x, one-hot)   [batch, groups, patch, places]
//! G = Σ_batch (P · a) Pᵀ                   [groups, patch, patch]
//! ```
//!
//! Where a convolution's result is read through one function alone, places count by the square of its slope there, averaged
//! over the channels of the group: `a`. What a `Relu` hides in all of them counts nothing.

use super::descend::Matrix;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Attr, Attribute, Graph, Model, NodeId, ValueId};
use crate::quantize::layers::Layer;
use crate::quantize::probe::{Probe, numbers};
use crate::quantize::slopes::passed;
use crate::runtime::{RunValue, Runtime};
use crate::tensor::{DType, Tensor};

/// Longer patches are left alone: their matrix is too large, and many errors cancel by themselves.
const LONGEST: usize = 2048;
/// What is added to the diagonal, as a share of its mean: samples are never all there is.
const DAMPING: f32 = 0.01;

/// What the weights of a product are multiplied with.
pub(super) struct Patches {
    data: ValueId,
    result: ValueId,
    /// Channels of a result have patches of their group alone.
    pub(super) groups: usize,
    /// Elements of a patch.
    len: usize,
    all_outputs: usize,
    lie: Lie,
}

/// How the weights of a channel of the result lie.
enum Lie {
    /// Together.
    Rows,
    /// As a column.
    Columns,
    /// Together; the data are laid out first.
    Patches { channels: usize, kernel: Vec<usize>, attrs: Vec<Attribute> },
}

impl Patches {
    /// `None` where the product is of a kind or size that is left alone.
    pub(super) fn of(graph: &Graph, node: NodeId) -> Option<Self> {
        let n = graph.node(node);
        let layer = Layer::of(graph, n).ok()?;
        let (data, op) = (n.input(layer.data)?, n.op());
        let weight = graph.const_value(n.input(layer.weight)?)?;
        let shape = weight.shape();
        let result = n.outputs()[0];
        let new = |groups, len, all_outputs, lie| Self { data, result, groups, len, all_outputs, lie };
        let found = if op.is("MatMul") && shape.len() == 2 {
            new(1, shape[0], shape[1], Lie::Columns)
        } else if op.is("Gemm") && n.int("transA").unwrap_or(0) == 0 {
            match n.int("transB").unwrap_or(0) {
                0 => new(1, shape[0], shape[1], Lie::Columns),
                _ => new(1, shape[1], shape[0], Lie::Rows),
            }
        } else if op.is("Conv") {
            let groups = usize::try_from(n.int("group").unwrap_or(1)).ok().filter(|g| *g > 0)?;
            let (kernel, channels) = (shape[2..].to_vec(), shape[1].checked_mul(groups)?);
            let attrs = n.attrs().iter().filter(|a| &*a.name != "group").cloned().collect();
            let len = shape[1..].iter().product();
            let whole = shape[0] % groups == 0;
            whole.then(|| new(groups, len, shape[0], Lie::Patches { channels, kernel, attrs }))?
        } else {
            return None;
        };
        (found.len > 0 && found.len <= LONGEST && found.all_outputs > 0).then_some(found)
    }

    /// Elements of its matrices.
    pub(super) fn elements(&self) -> usize {
        self.groups * self.len * self.len
    }

    /// The channels of the result that a group has.
    pub(super) fn outputs(&self, group: usize) -> std::ops::Range<usize> {
        let each = self.all_outputs / self.groups;
        group * each..(group + 1) * each
    }

    /// Where the weights of a channel of the result are, in the order of the patch.
    pub(super) fn places(&self, output: usize) -> impl Iterator<Item = usize> + use<> {
        let (len, all) = (self.len, self.all_outputs);
        let columns = matches!(self.lie, Lie::Columns);
        (0..len).map(move |at| if columns { at * all + output } else { output * len + at })
    }

    /// The patches in a graph: `[batch, groups, patch, places]`.
    fn laid_out(&self, probe: &mut Probe) -> ValueId {
        let data = match &self.lie {
            Lie::Rows | Lie::Columns => {
                let rows = self.shaped(probe, self.data, &[1, 1, -1, self.len as i64]);
                return probe.transposed(rows, &[0, 1, 3, 2]);
            }
            Lie::Patches { channels, kernel, attrs } => {
                let filters = one_hot(*channels, kernel);
                probe.convolution(self.data, filters, *channels as i64, attrs)
            }
        };
        self.shaped(probe, data, &[0, self.groups as i64, self.len as i64, -1])
    }

    /// How much of the errors at each place of a convolution is passed on: `[batch, groups, 1, places]`.
    fn passed(&self, probe: &mut Probe, model: &Model) -> Option<ValueId> {
        let Lie::Patches { .. } = self.lie else { return None };
        let passed = passed(probe, model, self.result)?;
        let each = self.all_outputs / self.groups;
        let of_group = self.shaped(probe, passed, &[0, self.groups as i64, each as i64, -1]);
        let sum = probe.reduce("ReduceSum", of_group, &[2]);
        Some(self.shaped(probe, sum, &[0, self.groups as i64, 1, -1]))
    }

    fn shaped(&self, probe: &mut Probe, value: ValueId, shape: &[i64]) -> ValueId {
        let shape = probe.constant(shape);
        probe.add("Reshape", &[value, shape], DType::F32)
    }
}

/// Filters that each pick one element of one channel.
fn one_hot(channels: usize, kernel: &[usize]) -> Tensor {
    let len: usize = kernel.iter().product();
    let mut filters = vec![0f32; channels * len * len];
    for (filter, place) in filters.chunks_exact_mut(len.max(1)).zip((0..len).cycle()) {
        filter[place] = 1.0;
    }
    let shape: Vec<usize> = [channels * len, 1].into_iter().chain(kernel.iter().copied()).collect();
    Tensor::from_slice(&shape, &filters).expect("so many numbers were just made")
}

/// The matrices of one product.
pub(super) struct Gram {
    len: usize,
    sums: Vec<f32>,
}

impl Gram {
    /// That of a group, of a mean diagonal of 1. `None` where it holds what is no number, or zeros alone.
    pub(super) fn matrix(&self, group: usize) -> Option<Matrix> {
        let len = self.len;
        let sums = self.sums.get(group * len * len..)?.get(..len * len)?;
        let mean = (0..len).map(|i| f64::from(sums[i * len + i])).sum::<f64>() / len as f64;
        let mut rows: Vec<f32> = sums.iter().map(|sum| (f64::from(*sum) / mean) as f32).collect();
        (0..len).for_each(|i| rows[i * len + i] += DAMPING);
        rows.iter().all(|x| x.is_finite()).then_some(Matrix { len, rows })
    }
}

/// Runs the first samples and sums up the matrices of all products.
pub(super) fn observe(
    model: &Model,
    products: &[&Patches],
    (source, samples): (&Source, usize),
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Gram>> {
    let mut probe = Probe::new(model);
    for product in products {
        let patches = product.laid_out(&mut probe);
        let other = probe.transposed(patches, &[0, 1, 3, 2]);
        let passed = product.passed(&mut probe, model);
        let counted = passed.map_or(patches, |passed| probe.add("Mul", &[patches, passed], DType::F32));
        let gram = probe.add("MatMul", &[counted, other], DType::F32);
        let gram = probe.reduce("ReduceSum", gram, &[0]);
        probe.tell(gram);
    }
    let mut all: Vec<Gram> = products.iter().map(|p| Gram { len: p.len, sums: Vec::new() }).collect();
    probe.run(source, samples, runtime, |at, values| {
        progress(at);
        all.iter_mut().zip(&values).try_for_each(|(gram, told)| gram.add(told))
    })?;
    Ok(all)
}

impl Gram {
    fn add(&mut self, told: &RunValue) -> Result<()> {
        let sums = numbers::<f32>(told)?;
        self.sums.resize(sums.len(), 0.0);
        self.sums.iter_mut().zip(&sums).for_each(|(all, sum)| *all += sum);
        Ok(())
    }
}

impl Probe {
    fn transposed(&mut self, value: ValueId, order: &[i64]) -> ValueId {
        self.with_attrs("Transpose", &[value], vec![("perm", Attr::from(order.to_vec()))])
    }

    fn convolution(&mut self, data: ValueId, filters: Tensor, groups: i64, attrs: &[Attribute]) -> ValueId {
        let filters = self.tensor(filters);
        let mut all: Vec<(&str, Attr)> = attrs.iter().map(|a| (&*a.name, a.value.clone())).collect();
        all.push(("group", Attr::Int(groups)));
        self.with_attrs("Conv", &[data, filters], all)
    }
}
