//! How far the outputs of a model are from those of its original, over samples.

use super::answers::{Answers, failed};
use crate::data::Source;
use crate::error::Result;
use crate::runtime::{RunValue, Session};
use crate::validate::{Metrics, compare};

/// The distance of all outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Accuracy {
    /// Samples that both models ran on.
    pub samples: usize,
    /// In the model's order.
    pub outputs: Vec<OutputAccuracy>,
}

/// The distance of one output, over all samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputAccuracy {
    /// Its name.
    pub name: String,
    /// `10 log10(Σa² / Σ(a - b)²)` over all elements of all samples; infinite where nothing differs, `None` where the
    /// output is no float.
    pub sqnr_db: Option<f64>,
    /// Mean of the samples' cosine similarities.
    pub cosine_mean: Option<f64>,
    /// The smallest of them.
    pub cosine_min: Option<f64>,
    /// Share of rows whose largest element is the same, where there are rows.
    pub top1: Option<f64>,
    /// Share of equal elements.
    pub equal: f64,
    /// Why some samples cannot be compared: another shape, infinities elsewhere.
    pub apart: Option<String>,
}

impl Accuracy {
    /// The smallest ratio of signal to error of all outputs of floats, in decibels; minus infinity where one cannot be
    /// compared.
    pub fn sqnr_db(&self) -> Option<f64> {
        self.outputs.iter().filter_map(OutputAccuracy::compared_db).reduce(f64::min)
    }
}

impl OutputAccuracy {
    /// The ratio of signal to error; minus infinity where it cannot be compared.
    pub(super) fn compared_db(&self) -> Option<f64> {
        if self.apart.is_some() { Some(f64::NEG_INFINITY) } else { self.sqnr_db }
    }
}

/// Runs a model on all samples, and its original on those whose answers are not known yet.
///
/// # Errors
/// A sample cannot be read, or one of the models does not run on it.
pub fn accuracy(
    original: &mut Answers<'_>,
    judged: &mut dyn Session,
    source: &Source,
    progress: &mut dyn FnMut(usize),
) -> Result<Accuracy> {
    let names = original.names()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut sums: Vec<Sums> = names.iter().map(|_| Sums::default()).collect();
    for place in 0..source.len() {
        progress(place);
        let feeds = source.sample(place)?;
        let a = original.of(place, &feeds)?;
        let b = judged.run(&feeds.as_feeds(), &names).map_err(|e| failed(e, &feeds))?;
        sums.iter_mut().zip(a.iter().zip(&b)).for_each(|(sums, (a, b))| sums.add(a, b));
    }
    let outputs = names.iter().zip(sums).map(|(name, sums)| sums.finish(name)).collect();
    Ok(Accuracy { samples: source.len(), outputs })
}

/// What an output comes to over samples.
#[derive(Default)]
pub(super) struct Sums {
    signal: f64,
    error: f64,
    floats: bool,
    cosines: Vec<f64>,
    top1: Vec<f64>,
    equal: f64,
    elements: usize,
    apart: Option<String>,
}

impl Sums {
    pub(super) fn add(&mut self, a: &RunValue, b: &RunValue) {
        match compare(a, b) {
            Ok(metrics) => self.metrics(&metrics),
            Err(why) => self.apart = Some(why),
        }
    }

    fn metrics(&mut self, metrics: &Metrics) {
        self.floats |= metrics.dtype.is_some_and(|t| t.is_float());
        self.signal += metrics.signal;
        self.error += metrics.error;
        self.cosines.extend(metrics.cosine);
        self.top1.extend(metrics.top1);
        self.equal += metrics.equal * metrics.elements as f64;
        self.elements += metrics.elements;
        if !metrics.same_pattern {
            self.apart = Some("infinities or NaN stand elsewhere".to_owned());
        }
    }

    /// The power of the error by that of the signal, infinite where it cannot be compared; of what are no floats the share of
    /// elements that differ.
    pub(super) fn error_power(self) -> f64 {
        let output = self.finish("");
        output.compared_db().map_or(1.0 - output.equal, |db| 10f64.powf(-db / 10.0))
    }

    pub(super) fn finish(self, name: &str) -> OutputAccuracy {
        let mean = |all: &[f64]| (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
        OutputAccuracy {
            name: name.to_owned(),
            sqnr_db: self.floats.then(|| decibels(self.signal, self.error)),
            cosine_mean: mean(&self.cosines),
            cosine_min: self.cosines.iter().copied().reduce(f64::min),
            top1: mean(&self.top1),
            equal: if self.elements == 0 { 1.0 } else { self.equal / self.elements as f64 },
            apart: self.apart,
        }
    }
}

/// The ratio of two powers; infinite where there is no error.
pub(super) fn decibels(signal: f64, error: f64) -> f64 {
    if error == 0.0 { f64::INFINITY } else { 10.0 * (signal / error).log10() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tensor::Tensor;

    fn value(numbers: &[f32]) -> RunValue {
        RunValue::Tensor(Tensor::vector(numbers))
    }

    #[test]
    fn powers_are_summed_over_samples_and_cosines_averaged() {
        let mut sums = Sums::default();
        sums.add(&value(&[3.0, 4.0]), &value(&[3.0, 4.0]));
        sums.add(&value(&[0.0, 5.0]), &value(&[0.0, 4.5]));
        let output = sums.finish("y");
        // 50 / 0.25.
        assert!((output.sqnr_db.unwrap() - 23.010_299_956).abs() < 1e-6, "{output:?}");
        assert!((output.cosine_min.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((output.top1, output.equal, output.apart), (Some(1.0), 0.75, None));
    }

    #[test]
    fn what_cannot_be_compared_is_worst() {
        let mut sums = Sums::default();
        sums.add(&value(&[1.0]), &value(&[1.0, 2.0]));
        let accuracy = Accuracy { samples: 1, outputs: vec![sums.finish("y")] };
        assert_eq!(accuracy.sqnr_db(), Some(f64::NEG_INFINITY));
        assert!(accuracy.outputs[0].apart.is_some());
    }
}
