//! What the samples say of each channel.

use super::sites::Site;
use crate::data::Source;
use crate::error::Result;
use crate::ir::Model;
use crate::quantize::probe::{Probe, numbers};
use crate::runtime::{RunValue, Runtime};
use crate::tensor::DType;

/// Figures of the channels of one value.
#[derive(Clone, Debug, Default)]
pub(super) struct Channels {
    /// The smallest number.
    pub(super) min: Vec<f32>,
    /// The largest.
    pub(super) max: Vec<f32>,
    /// The mean of the squares.
    pub(super) power: Vec<f64>,
    /// Numbers that were seen, of all channels.
    pub(super) elements: f64,
}

/// Runs the first samples and looks at the channels of all sites.
pub(super) fn observe(
    model: &Model,
    sites: &[Site],
    source: &Source,
    samples: usize,
    runtime: &dyn Runtime,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Channels>> {
    let mut probe = Probe::new(model);
    for site in sites {
        let axes: Vec<i64> = (0..site.rank as i64).filter(|a| *a != site.axis as i64).collect();
        for op in ["ReduceMin", "ReduceMax", "ReduceSumSquare"] {
            let told = probe.reduce(op, site.value, &axes);
            probe.tell(told);
        }
        let size = probe.add("Size", &[site.value], DType::I64);
        probe.tell(size);
    }
    let mut all = vec![Channels::default(); sites.len()];
    probe.run(source, samples, runtime, |at, values| {
        progress(at);
        all.iter_mut().zip(values.chunks(4)).try_for_each(|(channels, told)| channels.add(told))
    })?;
    all.iter_mut().for_each(Channels::finish);
    Ok(all)
}

impl Channels {
    fn add(&mut self, told: &[RunValue]) -> Result<()> {
        let size = numbers::<i64>(&told[3])?.first().copied().unwrap_or_default();
        if size == 0 {
            return Ok(());
        }
        let (min, max, power) =
            (numbers::<f32>(&told[0])?, numbers::<f32>(&told[1])?, numbers::<f32>(&told[2])?);
        if self.elements == 0.0 {
            (self.min, self.max, self.power) = (min.clone(), max.clone(), vec![0.0; power.len()]);
        }
        self.min.iter_mut().zip(&min).for_each(|(a, b)| *a = a.min(*b));
        self.max.iter_mut().zip(&max).for_each(|(a, b)| *a = a.max(*b));
        self.power.iter_mut().zip(&power).for_each(|(a, b)| *a += f64::from(*b));
        self.elements += size as f64;
        Ok(())
    }

    fn finish(&mut self) {
        let each = self.seen();
        self.power.iter_mut().for_each(|p| *p /= each.max(1.0));
    }

    /// Numbers that were seen of each.
    pub(super) fn seen(&self) -> f64 {
        self.elements / self.power.len().max(1) as f64
    }

    /// Whether all figures are numbers.
    pub(super) fn are_finite(&self) -> bool {
        let floats = self.min.iter().chain(&self.max).all(|x| x.is_finite());
        floats && self.power.iter().all(|p| p.is_finite())
    }

    /// The largest magnitude of each channel.
    pub(super) fn limits(&self) -> Vec<f32> {
        self.max.iter().zip(&self.min).map(|(max, min)| max.max(-min)).collect()
    }
}
