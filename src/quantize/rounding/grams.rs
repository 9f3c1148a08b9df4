//! The matrices of products, computed in the graph itself.
//!
//! What a convolution multiplies its weights with are patches of its data. A convolution of the same strides and pads whose
//! filters each pick one element lays them out:
//!
//! ```text
//! P = Conv<group = channels>(x, one-hot)   [batch, groups, patch, places]
//! G = Σ_batch P Pᵀ                         [groups, patch, patch]
//! ```

use super::descend::Matrix;
use crate::data::Source;
use crate::error::Result;
use crate::ir::{Attr, Attribute, Graph, Model, NodeId, ValueId};
use crate::quantize::layers::Layer;
use crate::quantize::probe::{Probe, numbers};
use crate::runtime::{RunValue, Runtime};
use crate::tensor::{DType, Tensor};

/// Longer patches are left alone: their matrix is too large, and many errors cancel by themselves.
const LONGEST: usize = 2048;
/// What is added to the diagonal, as a share of its mean: samples are never all there is.
const DAMPING: f64 = 0.01;

/// What the weights of a product are multiplied with.
pub(super) struct Patches {
    data: ValueId,
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
        let new = |groups, len, all_outputs, lie| Self { data, groups, len, all_outputs, lie };
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
    means: Vec<f64>,
    count: f64,
}

impl Gram {
    /// That of a group; `centered` on the means of what it is of. `None` where it holds what is no number.
    pub(super) fn matrix(&self, group: usize, centered: bool) -> Option<Matrix> {
        let len = self.len;
        let sums = self.sums.get(group * len * len..)?.get(..len * len)?;
        let means = self.means.get(group * len..)?.get(..len)?;
        let count = self.count.max(1.0);
        let mut rows: Vec<f32> = Vec::with_capacity(len * len);
        for (i, row) in sums.chunks_exact(len.max(1)).enumerate() {
            let shift = |j: usize| if centered { means[i] * means[j] / (count * count) } else { 0.0 };
            rows.extend(row.iter().enumerate().map(|(j, sum)| (f64::from(*sum) / count - shift(j)) as f32));
        }
        let diagonal = (0..len).map(|i| f64::from(rows[i * len + i])).sum::<f64>() / len as f64;
        (0..len).for_each(|i| rows[i * len + i] += (diagonal * DAMPING) as f32);
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
        let gram = probe.add("MatMul", &[patches, other], DType::F32);
        let gram = probe.reduce("ReduceSum", gram, &[0]);
        let mean = probe.reduce("ReduceSum", patches, &[0, 3]);
        let size = probe.add("Size", &[patches], DType::I64);
        [gram, mean, size].into_iter().for_each(|v| probe.tell(v));
    }
    let empty = |p: &&Patches| Gram { len: p.len, sums: Vec::new(), means: Vec::new(), count: 0.0 };
    let mut all: Vec<Gram> = products.iter().map(empty).collect();
    probe.run(source, samples, runtime, |at, values| {
        progress(at);
        all.iter_mut().zip(values.chunks(3)).try_for_each(|(gram, told)| gram.add(told))
    })?;
    Ok(all)
}

impl Gram {
    fn add(&mut self, told: &[RunValue]) -> Result<()> {
        let (sums, means) = (numbers::<f32>(&told[0])?, numbers::<f32>(&told[1])?);
        let size = numbers::<i64>(&told[2])?.first().copied().unwrap_or_default();
        self.sums.resize(sums.len(), 0.0);
        self.means.resize(means.len(), 0.0);
        self.sums.iter_mut().zip(&sums).for_each(|(all, sum)| *all += sum);
        self.means.iter_mut().zip(&means).for_each(|(all, sum)| *all += f64::from(*sum));
        self.count += size as f64 / means.len().max(1) as f64;
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
