//! What `bench` has measured.

use super::table::{DIM, table};
use super::units::{count, seconds};
use super::{Number, plain};
use crate::diag::Diags;
use serde::Serialize;
use std::fmt::Write as _;

/// What the times say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Race {
    /// The interval of the ratio lies below 1.
    Faster,
    /// It lies above 1.
    Slower,
    /// It holds 1.
    NoDifference,
    /// There are too few pairs for an interval.
    TooFew,
}

/// Two models timed on the same inputs.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// The model that is the measure.
    pub a: String,
    /// The model that is measured against it.
    pub b: String,
    /// What ran them.
    pub runtime: String,
    /// Threads within an operator.
    pub threads: usize,
    /// The runtime's own optimizations.
    pub level: String,
    /// Where the inputs come from.
    pub feeds: Vec<String>,
    /// Runs of both models that were measured.
    pub pairs: usize,
    /// Median time of a run of `a`, in milliseconds.
    pub a_milliseconds: Number,
    /// Of `b`.
    pub b_milliseconds: Number,
    /// The median of the pairs' ratios, time of `b` by time of `a`.
    pub ratio: Number,
    /// The bounds that hold it with at least 95 % confidence.
    pub ratio_interval: Option<[Number; 2]>,
    /// What that says.
    pub verdict: Race,
    /// Wall time.
    pub seconds: f64,
    /// Remarks of the imports.
    pub diags: Diags,
}

impl Race {
    /// The verdict of an interval.
    pub fn of(interval: Option<(f64, f64)>) -> Self {
        match interval {
            None => Self::TooFew,
            Some((_, high)) if high < 1.0 => Self::Faster,
            Some((low, _)) if low > 1.0 => Self::Slower,
            Some(_) => Self::NoDifference,
        }
    }
}

impl BenchReport {
    /// As a person reads it.
    pub fn human(&self) -> String {
        let row =
            |label: &str, model: &str, time: Number| vec![label.to_owned(), model.to_owned(), figure(time)];
        let rows = vec![row("A", &self.a, self.a_milliseconds), row("B", &self.b, self.b_milliseconds)];
        let mut text = table(&["", "model", ">median (ms)"], rows);
        let _ = writeln!(text, "\n{}", self.verdict());
        let threads = count(self.threads as u64, "thread");
        let threads = if self.threads == 0 { "its own number of threads".to_owned() } else { threads };
        let _ = writeln!(
            text,
            "{DIM}{} in {} on {}, {threads}, optimizations: {}; inputs: {}{DIM:#}",
            count(self.pairs as u64, "pair"),
            seconds(self.seconds),
            self.runtime,
            self.level,
            plain(&self.feeds.join("; "))
        );
        text
    }

    fn verdict(&self) -> String {
        let words = match self.verdict {
            Race::Faster => "B is faster",
            Race::Slower => "B is slower",
            Race::NoDifference => "no difference measured",
            Race::TooFew => return format!("too few pairs to tell: {:.2}", self.ratio.0),
        };
        let [low, high] = self.ratio_interval.map_or([self.ratio; 2], |interval| interval);
        // Two digits may hide which side of 1 a bound lies on.
        let digits = if (high.0 - low.0) < 0.02 || (low.0 - 1.0).abs().min((high.0 - 1.0).abs()) < 0.005 {
            3
        } else {
            2
        };
        format!("{words}: {:.digits$} ({:.digits$}–{:.digits$})", self.ratio.0, low.0, high.0)
    }
}

/// Three digits that mean something.
fn figure(time: Number) -> String {
    let digits = match time.0 {
        t if t >= 100.0 => 0,
        t if t >= 10.0 => 1,
        t if t >= 1.0 => 2,
        _ => 4,
    };
    format!("{:.digits$}", time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ratio: f64, interval: Option<(f64, f64)>) -> BenchReport {
        BenchReport {
            a: "a.onnx".into(),
            b: "b.onnx".into(),
            runtime: "ONNX Runtime 1.31.1".into(),
            threads: 1,
            level: "all".into(),
            feeds: vec!["n=1".into()],
            pairs: 30,
            a_milliseconds: Number(12.345),
            b_milliseconds: Number(0.98765),
            ratio: Number(ratio),
            ratio_interval: interval.map(|(low, high)| [Number(low), Number(high)]),
            verdict: Race::of(interval),
            seconds: 1.5,
            diags: Diags::new(),
        }
    }

    #[test]
    fn the_interval_decides() {
        let cases = [
            (0.78, Some((0.76, 0.8)), "B is faster: 0.78 (0.76–0.80)"),
            (1.25, Some((1.1, 1.3)), "B is slower: 1.25 (1.10–1.30)"),
            (1.01, Some((0.95, 1.05)), "no difference measured: 1.01 (0.95–1.05)"),
            (0.99, Some((0.96, 0.999)), "B is faster: 0.990 (0.960–0.999)"),
            (0.5, None, "too few pairs to tell: 0.50"),
        ];
        for (ratio, interval, words) in cases {
            assert_eq!(report(ratio, interval).verdict(), words);
        }
    }

    #[test]
    fn reads_as_a_table() {
        let text = report(0.78, Some((0.76, 0.8))).human();
        assert!(
            text.contains("A  a.onnx         12.3\n") && text.contains("B  b.onnx       0.9877\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "30 pairs in 1.5 s on ONNX Runtime 1.31.1, 1 thread, optimizations: all; inputs: n=1"
            )
        );
    }
}
