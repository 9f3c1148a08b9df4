//! What the outputs of a result must keep of the original's.

use super::accuracy::{Accuracy, OutputAccuracy};
use crate::error::Error;
use crate::report::Number;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Outputs whose error is as large as they are say nothing any more, in decibels.
const LEAST_SQNR_DB: f64 = 0.0;
/// Shares are sums of rounded numbers.
const ROUNDING: f64 = 1e-9;

/// A figure that is 1 where an output is the original's, and less where it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropMetric {
    /// Share of rows whose largest element is the same; of floats.
    Top1,
    /// Mean of the samples' cosine similarities; of floats.
    Cosine,
    /// The least of them.
    CosineMin,
    /// Share of equal elements; of all but floats.
    Equal,
}

/// A figure, and the most that it may be below 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxDrop {
    /// The figure.
    pub metric: DropMetric,
    /// From 0 to 1.
    pub most: f64,
}

/// The bounds of a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The least ratio of signal to error of every output, in decibels. Left out, 0 holds, and nothing is put back for it.
    pub min_sqnr_db: Option<f64>,
    /// By how much figures may be below 1.
    pub max_drop: BTreeMap<DropMetric, f64>,
}

impl DropMetric {
    const ALL: [Self; 4] = [Self::Top1, Self::Cosine, Self::CosineMin, Self::Equal];

    /// As it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Top1 => "top1",
            Self::Cosine => "cosine",
            Self::CosineMin => "cosine-min",
            Self::Equal => "equal",
        }
    }

    /// How far an output is below 1; `None` where it has no such figure.
    fn drop(self, output: &OutputAccuracy) -> Option<f64> {
        let floats = output.sqnr_db.is_some();
        let kept = match self {
            _ if output.apart.is_some() => Some(f64::NEG_INFINITY),
            Self::Equal => (!floats).then_some(output.equal),
            _ if !floats => None,
            Self::Top1 => output.top1,
            Self::Cosine => output.cosine_mean,
            Self::CosineMin => output.cosine_min,
        };
        kept.map(|kept| 1.0 - kept)
    }

    /// What has none.
    fn absent(self) -> &'static str {
        match self {
            Self::Top1 => "no output of floats has rows of two or more elements",
            Self::Cosine | Self::CosineMin => "no output of floats is other than zero",
            Self::Equal => "all outputs are floats",
        }
    }
}

impl FromStr for MaxDrop {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, most) = text.split_once('=').unwrap_or((text, ""));
        let metric = DropMetric::ALL.into_iter().find(|metric| metric.name() == name.trim());
        let metric = metric.ok_or_else(|| {
            let names = DropMetric::ALL.map(DropMetric::name).join(", ");
            Error::new(format!("'{name}' is none of {names}")).with_help("such as top1=0.01")
        })?;
        let share = most.trim().parse().ok().filter(|most| (0.0..=1.0).contains(most));
        let most = share.ok_or_else(|| {
            Error::new(format!("{name} needs a share from 0 to 1"))
                .with_help(format!("{name}=0.01 is one in a hundred"))
        })?;
        Ok(Self { metric, most })
    }
}

impl fmt::Display for MaxDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.metric.name(), self.most)
    }
}

impl Bounds {
    /// Of several drops of one figure the least holds.
    pub fn new(min_sqnr_db: Option<f64>, drops: &[MaxDrop]) -> Self {
        let mut max_drop = BTreeMap::new();
        for &MaxDrop { metric, most } in drops {
            let held: &mut f64 = max_drop.entry(metric).or_insert(most);
            *held = held.min(most);
        }
        Self { min_sqnr_db, max_drop }
    }

    /// Whether any is asked for.
    pub fn is_asked(&self) -> bool {
        self.min_sqnr_db.is_some() || !self.max_drop.is_empty()
    }

    /// What nothing can hold: no output has the figure.
    pub fn unmeasured(&self, accuracy: &Accuracy) -> Option<String> {
        let none = |metric: &&DropMetric| accuracy.outputs.iter().all(|o| metric.drop(o).is_none());
        let metric = self.max_drop.keys().find(none)?;
        Some(format!("--max-drop {} cannot be measured: {}", metric.name(), metric.absent()))
    }

    /// Each bound that is missed, by the output that is worst.
    pub fn missed(&self, accuracy: &Accuracy) -> Option<String> {
        let sqnr = accuracy.outputs.iter().filter_map(|o| Some((o, o.compared_db()?)));
        let least = self.min_sqnr_db.unwrap_or(LEAST_SQNR_DB);
        let sqnr = sqnr.min_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, reached)| *reached < least);
        let sqnr = sqnr.map(|(output, reached)| match &output.apart {
            Some(why) => format!("output '{}' cannot be compared: {why}", output.name),
            None => {
                let asked = if self.min_sqnr_db.is_some() { " (--min-sqnr)" } else { "" };
                let (name, reached, least) = (&output.name, Number(reached), Number(least));
                format!("output '{name}' has {reached} dB of signal to error, which is less than {least} dB{asked}")
            }
        });
        let drops = self.max_drop.iter().filter_map(|(metric, &most)| {
            let drops = accuracy.outputs.iter().filter_map(|o| Some((o, metric.drop(o)?)));
            let (output, drop) = drops.max_by(|a, b| a.1.total_cmp(&b.1))?;
            (output.apart.is_none() && drop > most + ROUNDING).then(|| {
                let (name, metric, drop, most) = (&output.name, metric.name(), Number(drop), Number(most));
                format!("output '{name}' loses {drop} of {metric}, which is more than {most} (--max-drop)")
            })
        });
        let all: Vec<String> = sqnr.into_iter().chain(drops).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bounds(min_sqnr_db: Option<f64>, drops: &[&str]) -> Bounds {
        let drops: Vec<MaxDrop> = drops.iter().map(|d| d.parse().unwrap()).collect();
        Bounds::new(min_sqnr_db, &drops)
    }

    fn scores() -> OutputAccuracy {
        OutputAccuracy {
            name: "scores".into(),
            sqnr_db: Some(12.0),
            cosine_mean: Some(0.98),
            cosine_min: Some(0.9),
            top1: Some(0.99),
            equal: 0.25,
            apart: None,
        }
    }

    fn labels() -> OutputAccuracy {
        OutputAccuracy { name: "labels".into(), top1: Some(0.0), equal: 0.75, ..OutputAccuracy::default() }
    }

    fn missed(bounds: &Bounds, outputs: &[OutputAccuracy]) -> Option<String> {
        bounds.missed(&Accuracy { samples: 1, outputs: outputs.to_vec() })
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let of = |text: &str| text.parse::<MaxDrop>();
        assert_eq!(of("cosine-min=0.5").unwrap(), MaxDrop { metric: DropMetric::CosineMin, most: 0.5 });
        for metric in DropMetric::ALL {
            let drop = MaxDrop { metric, most: 0.25 };
            assert_eq!(of(&drop.to_string()).unwrap(), drop);
        }
        for (text, says) in [
            ("top5=0.1", "'top5' is none of top1, cosine, cosine-min, equal"),
            ("top1", "a share from 0 to 1"),
            ("top1=", "a share from 0 to 1"),
            ("top1=1.5", "a share from 0 to 1"),
            ("top1=-0.1", "a share from 0 to 1"),
            ("top1=nan", "a share from 0 to 1"),
            ("top1=1%", "a share from 0 to 1"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.message().contains(says) && error.help().is_some(), "{text}: {error:?}");
        }
        assert_eq!(bounds(None, &["top1=0.2", "top1=0.1", "top1=0.3"]), bounds(None, &["top1=0.1"]));
    }

    #[test]
    fn a_bound_holds_up_to_what_it_allows() {
        let both = [scores(), labels()];
        for (metric, drop) in [("top1", 0.01), ("cosine", 0.02), ("cosine-min", 0.1), ("equal", 0.25)] {
            let of = |most: f64| missed(&bounds(None, &[&format!("{metric}={most}")]), &both);
            assert_eq!(of(drop), None, "{metric}");
            let said = of(drop - 0.001).unwrap();
            let output = if metric == "equal" { "'labels'" } else { "'scores'" };
            assert!(said.contains(output) && said.contains(&format!("of {metric}")), "{said}");
        }
    }

    #[test]
    fn every_bound_that_is_missed_is_named_with_its_worst_output() {
        let worse = OutputAccuracy { name: "worse".into(), sqnr_db: Some(-1.0), ..scores() };
        let said = missed(&bounds(Some(15.0), &["cosine=0.001"]), &[scores(), worse.clone()]).unwrap();
        assert!(
            said.contains("'worse' has -1 dB") && said.contains("less than 15 dB (--min-sqnr)"),
            "{said}"
        );
        assert!(said.contains("0.02 of cosine"), "{said}");
        // Without a bound the error is to be less than the output.
        assert_eq!(missed(&Bounds::default(), &[scores(), labels()]), None);
        let said = missed(&Bounds::default(), &[worse]).unwrap();
        assert!(said.contains("less than 0 dB") && !said.contains("--min-sqnr"), "{said}");
        let apart = OutputAccuracy { apart: Some("another shape".into()), ..scores() };
        let said = missed(&bounds(None, &["top1=0.5"]), &[apart]).unwrap();
        assert_eq!(said, "output 'scores' cannot be compared: another shape");
    }

    #[test]
    fn a_figure_that_no_output_has_holds_nothing() {
        let of = |drop: &str, output: OutputAccuracy| {
            bounds(None, &[drop]).unmeasured(&Accuracy { samples: 1, outputs: vec![output] })
        };
        assert!(of("equal=0", scores()).unwrap().contains("all outputs are floats"));
        assert!(of("top1=0", labels()).unwrap().contains("--max-drop top1"));
        assert!(of("cosine=0", OutputAccuracy { cosine_mean: None, ..scores() }).is_some());
        assert!(of("cosine=0", scores()).is_none() && of("equal=0", labels()).is_none());
    }
}
