//! What `quantize` has done.

use super::optimize::before_and_after;
use super::table::{BOLD, DIM, narrow_table};
use super::units::{bytes, count, seconds, thousands};
use super::{BuildReport, Change, Number, Race, plain};
use crate::diag::Diags;
use crate::recipe::Recipe;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Nodes of the ranking that a person is shown.
const SHOWN: usize = 5;
/// Operators of one decision that a person is shown, and characters that they take where there are several.
const SHOWN_OPS: usize = 3;
const OPS_WIDTH: usize = 39;

/// What `quantize` has done.
#[derive(Clone, Debug, Serialize)]
pub struct QuantizeReport {
    /// The input file; `-` for standard input.
    pub input: String,
    /// The output file; `-` for standard output.
    pub output: String,
    /// Whether the output was written.
    pub written: bool,
    /// Why the result is not good enough; written by force only.
    pub refused_for: Option<String>,
    /// The file that the plan was written to.
    pub plan_file: Option<String>,
    /// The settings that were in effect.
    pub recipe: Recipe,
    /// Nodes in the file: bodies, functions and `Constant`s included.
    pub nodes: Change,
    /// Bytes of the model, external data included.
    pub bytes: Change,
    /// Version of the default domain.
    pub opset: Change<i64>,
    /// Samples; `None` where ranges are from files alone.
    pub samples: Option<usize>,
    /// Of these, so many are held out: accuracy is measured on them, and nothing else is taken from them. Where it is 0,
    /// accuracy is measured on samples that the result is made from. `None` where there are no samples.
    pub held_out: Option<usize>,
    /// Whether they are random numbers.
    pub random_samples: bool,
    /// What was decided of every node that computes floats, in their order.
    pub plan: Vec<PlanRow>,
    /// What products and tables lose by themselves, the most sensitive first.
    pub sensitivity: Vec<SensitivityRow>,
    /// How far the outputs are from the original's.
    pub accuracy: Option<AccuracyReport>,
    /// Nodes that went back to floats for a bound.
    pub put_back: Option<PutBack>,
    /// What the planned products run as.
    pub kernels: Option<Vec<KernelRow>>,
    /// What the target's compiler said, where it was asked.
    pub build: Option<BuildReport>,
    /// Times beside the original.
    pub race: Option<QuantizedRace>,
    /// Wall time of the whole job.
    pub seconds: f64,
    /// Wall time of the stages.
    pub stages: BTreeMap<&'static str, f64>,
    /// Largest resident memory of the process, mapped files included; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// Largest resident memory of the process that no file backs, among samples 10 ms apart.
    pub peak_anonymous_bytes: Option<u64>,
    /// Remarks about the model and what became of it.
    pub diags: Diags,
}

/// What was decided of one node.
#[derive(Clone, Debug, Serialize)]
pub struct PlanRow {
    /// Its name, or that of its first result.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Whether it computes in whole numbers.
    pub int8: bool,
    /// Why not.
    pub why: Option<String>,
}

/// What one product or table loses.
#[derive(Clone, Debug, Serialize)]
pub struct SensitivityRow {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Power of its result by that of the error, in dB.
    pub sqnr_db: Number,
    /// Whether it computes in whole numbers in the end.
    pub int8: bool,
}

/// How far outputs are from the original's.
#[derive(Clone, Debug, Serialize)]
pub struct AccuracyReport {
    /// Samples that both models ran on.
    pub samples: usize,
    /// The smallest ratio of signal to error of all outputs of floats, in dB.
    pub sqnr_db: Option<Number>,
    /// Each output.
    pub outputs: Vec<OutputAccuracyReport>,
}

/// How far one output is from the original's, over all samples.
#[derive(Clone, Debug, Serialize)]
pub struct OutputAccuracyReport {
    /// Its name.
    pub name: String,
    /// Ratio of signal to error, in dB.
    pub sqnr_db: Option<Number>,
    /// Mean of the samples' cosine similarities.
    pub cosine_mean: Option<Number>,
    /// The smallest of them.
    pub cosine_min: Option<Number>,
    /// Share of rows whose largest element is the same.
    pub top1: Option<Number>,
    /// Share of equal elements.
    pub equal: Number,
    /// Why some samples cannot be compared.
    pub apart: Option<String>,
}

/// Nodes that went back to floats for a bound, and what they would have been worth.
#[derive(Clone, Debug, Serialize)]
pub struct PutBack {
    /// Nodes that went back.
    pub nodes: usize,
    /// Of so many that lose by themselves.
    pub of: usize,
    /// How far the outputs are from the original's with none put back.
    pub accuracy: Option<AccuracyReport>,
    /// Times of the original and the model with none put back, in turn.
    pub race: Option<QuantizedRace>,
}

/// What planned products run as.
#[derive(Clone, Debug, Serialize)]
pub struct KernelRow {
    /// Products in whole numbers, by operator.
    pub planned: BTreeMap<String, usize>,
    /// Kernels for whole numbers in the runtime's own graph, by operator.
    pub found: BTreeMap<String, usize>,
}

/// Times of the original and the result, in turn.
#[derive(Clone, Debug, Serialize)]
pub struct QuantizedRace {
    /// What ran them.
    pub runtime: String,
    /// Runs of both models that were measured.
    pub pairs: usize,
    /// Median time of a run of the original, in milliseconds, one thread.
    pub float_milliseconds: Number,
    /// Of the result.
    pub int8_milliseconds: Number,
    /// The median of the pairs' ratios, time of the result by time of the original.
    pub ratio: Number,
    /// The bounds that hold it with at least 95 % confidence.
    pub ratio_interval: Option<[Number; 2]>,
    /// What that says.
    pub verdict: Race,
}

impl KernelRow {
    /// Products that were planned.
    pub fn planned_count(&self) -> usize {
        self.planned.values().sum()
    }

    /// Kernels that were found.
    pub fn found_count(&self) -> usize {
        self.found.values().sum()
    }

    /// As a person says it.
    pub fn sentence(&self) -> String {
        let list = |counts: &BTreeMap<String, usize>| {
            let all: Vec<String> = counts.iter().map(|(op, n)| format!("{n} {op}")).collect();
            if all.is_empty() { "none".to_owned() } else { all.join(", ") }
        };
        format!("planned {}, run as {}", list(&self.planned), list(&self.found))
    }
}

impl QuantizeReport {
    /// What a person sees at the end; with `all` every node.
    pub fn human(&self, all: bool) -> String {
        let mut text = self.decisions(all);
        text.push('\n');
        text.push_str(&before_and_after(self.nodes, self.bytes, self.opset));
        text.push('\n');
        text.push_str(&self.accuracy_table());
        text.push_str(&self.worst(all));
        for row in self.kernels.iter().flatten() {
            let _ = writeln!(text, "kernels: {}", row.sentence());
        }
        if let Some(build) = &self.build {
            let layers = build.layers.map(|n| format!(", {n} layers")).unwrap_or_default();
            let word = if build.built { "built" } else { "refused" };
            let _ = writeln!(text, "{}: {word}{layers}", build.compiler);
        }
        text.push_str(&self.put_back.as_ref().map(PutBack::line).unwrap_or_default());
        if let Some(race) = &self.race {
            let _ = writeln!(text, "time: {}; {}", race.times(), race.how());
        }
        if let Some(race) = self.put_back.as_ref().and_then(|p| p.race.as_ref()) {
            let _ = writeln!(text, "none put back: {}", race.times());
        }
        let memory =
            self.peak_memory_bytes.map(|m| format!(", peak memory {}", bytes(m))).unwrap_or_default();
        let done = if self.written { "written" } else { "nothing written" };
        let place =
            if self.written && self.output != "-" { format!(" to {}", self.output) } else { String::new() };
        let _ = writeln!(text, "{BOLD}{done}{BOLD:#}{place} in {}{memory}", seconds(self.seconds));
        text
    }

    /// What was decided, with the operators that it was decided of, or every node.
    fn decisions(&self, all: bool) -> String {
        if all {
            let row =
                |r: &PlanRow| vec![r.op.clone(), r.word(), r.why.clone().unwrap_or_default(), r.node.clone()];
            return narrow_table(&["op", "type", "why", "node"], self.plan.iter().map(row).collect());
        }
        let mut groups: BTreeMap<(bool, &str), BTreeMap<&str, usize>> = BTreeMap::new();
        for row in &self.plan {
            let group = groups.entry((!row.int8, row.why.as_deref().unwrap_or_default())).or_default();
            *group.entry(&row.op).or_default() += 1;
        }
        let rows = groups.into_iter().map(|((float, why), ops)| {
            let word = if float { "float" } else { "int8" };
            let nodes = thousands(ops.values().sum::<usize>() as u64);
            vec![nodes, word.to_owned(), most_of(&ops), why.to_owned()]
        });
        narrow_table(&[">nodes", "type", "op", "why"], rows.collect())
    }

    fn accuracy_table(&self) -> String {
        let Some(accuracy) = &self.accuracy else { return String::new() };
        let decibels = |n: Option<Number>| n.map(|n| format!("{:.1}", n.0)).unwrap_or_default();
        let share = |n: Option<Number>| n.map(|n| format!("{:.5}", n.0)).unwrap_or_default();
        let percent = |n: Option<Number>| n.map(|n| format!("{:.1}", n.0 * 100.0)).unwrap_or_default();
        let row = |o: &OutputAccuracyReport| {
            let apart = o.apart.clone().unwrap_or_default();
            vec![
                o.name.clone(),
                decibels(o.sqnr_db),
                share(o.cosine_mean),
                share(o.cosine_min),
                percent(o.top1),
                apart,
            ]
        };
        let header = ["output", ">SQNR (dB)", ">cosine, mean", ">least", ">same top 1 (%)", ""];
        let mut text = narrow_table(&header, accuracy.outputs.iter().map(row).collect());
        let _ = writeln!(
            text,
            "  {DIM}against the original, over {}{DIM:#}\n",
            self.measured_on(accuracy.samples)
        );
        text
    }

    /// What the accuracy is measured on.
    fn measured_on(&self, samples: usize) -> String {
        let held_out = self.held_out.is_some_and(|n| n > 0);
        let samples = count(samples as u64, if held_out { "held-out sample" } else { "sample" });
        let kind = if self.random_samples { " of random numbers" } else { "" };
        let too = if held_out { "" } else { ", which it was calibrated on too" };
        format!("{samples}{kind}{too}")
    }

    fn worst(&self, all: bool) -> String {
        let shown = if all { self.sensitivity.len() } else { SHOWN };
        let rows: Vec<Vec<String>> = self
            .sensitivity
            .iter()
            .take(shown)
            .map(|s| {
                let word = if s.int8 { "int8" } else { "float" };
                vec![format!("{:.1}", s.sqnr_db.0), s.op.clone(), word.to_owned(), s.node.clone()]
            })
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        narrow_table(&[">SQNR (dB)", "op", "type", "loses most by itself"], rows) + "\n"
    }
}

/// Operators with their counts, those with the most nodes first, and as many as there is room for.
fn most_of(ops: &BTreeMap<&str, usize>) -> String {
    let mut ranked: Vec<(&str, usize)> = ops.iter().map(|(op, n)| (*op, *n)).collect();
    ranked.sort_by_key(|(op, n)| (std::cmp::Reverse(*n), *op));
    let first = |shown: usize| {
        let all: Vec<String> = ranked.iter().take(shown).map(|(op, n)| format!("{n} {op}")).collect();
        let more = ranked.len().saturating_sub(shown);
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        all.join(", ") + &rest
    };
    (1..=SHOWN_OPS).rev().map(first).find(|text| text.len() <= OPS_WIDTH).unwrap_or_else(|| first(1))
}

impl PlanRow {
    fn word(&self) -> String {
        if self.int8 { "int8" } else { "float" }.to_owned()
    }
}

impl PutBack {
    fn line(&self) -> String {
        let nodes = format!("{} of {}", thousands(self.nodes as u64), count(self.of as u64, "node"));
        let db = self.accuracy.as_ref().and_then(|a| a.sqnr_db);
        let db = db.map(|db| format!("; with none the outputs have {:.1} dB", db.0)).unwrap_or_default();
        format!("put back to floats: {nodes}{db}\n")
    }
}

impl QuantizedRace {
    fn times(&self) -> String {
        let interval = self
            .ratio_interval
            .map(|[low, high]| format!(" ({:.2}–{:.2})", low.0, high.0))
            .unwrap_or_default();
        let (int8, float) = (milliseconds(self.int8_milliseconds), milliseconds(self.float_milliseconds));
        format!("{int8}, original {float}: {:.2} of it{interval}", self.ratio.0)
    }

    fn how(&self) -> String {
        format!("{}, {}, 1 thread", count(self.pairs as u64, "pair"), plain(&self.runtime))
    }
}

/// Four digits, more where it is longer than ten seconds.
fn milliseconds(time: Number) -> String {
    let digits = if time.0 < 100.0 {
        2
    } else if time.0 < 1000.0 {
        1
    } else {
        0
    };
    format!("{:.digits$} ms", time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_with_the_most_nodes_are_shown() {
        let all = BTreeMap::from([("Add", 2), ("Div", 1), ("Erf", 3), ("Mul", 2)]);
        assert_eq!(most_of(&all), "3 Erf, 2 Add, 2 Mul and 1 more");
        assert_eq!(most_of(&BTreeMap::from([("Conv", 1)])), "1 Conv");
        let long = BTreeMap::from([("LayerNormalization", 25), ("ReduceMean", 104), ("Transpose", 18)]);
        assert_eq!(most_of(&long), "104 ReduceMean and 2 more");
    }

    #[test]
    fn a_line_of_times_stays_within_100_columns() {
        let race = |float: f64| QuantizedRace {
            runtime: "ONNX Runtime 1.31.1".to_owned(),
            pairs: 30,
            float_milliseconds: Number(float),
            int8_milliseconds: Number(float * 0.4218),
            ratio: Number(0.4218),
            ratio_interval: Some([Number(0.41), Number(0.43)]),
            verdict: Race::Faster,
        };
        let line = |float: f64| format!("time: {}; {}", race(float).times(), race(float).how());
        assert_eq!(
            line(31.05),
            "time: 13.10 ms, original 31.05 ms: 0.42 of it (0.41–0.43); 30 pairs, ONNX Runtime 1.31.1, 1 thread"
        );
        for float in [0.03, 31.05, 310.54, 3105.44] {
            assert!(line(float).chars().count() <= 100, "{}", line(float));
        }
    }

    #[test]
    fn kernels_are_counted_in_words() {
        let counts = |all: &[(&str, usize)]| all.iter().map(|(op, n)| ((*op).to_owned(), *n)).collect();
        let row = KernelRow { planned: counts(&[("Conv", 49)]), found: counts(&[("QLinearConv", 49)]) };
        assert_eq!(row.sentence(), "planned 49 Conv, run as 49 QLinearConv");
        let none = KernelRow { planned: counts(&[("Gemm", 1), ("MatMul", 2)]), found: counts(&[]) };
        assert_eq!(none.sentence(), "planned 1 Gemm, 2 MatMul, run as none");
        assert_eq!((none.planned_count(), none.found_count()), (3, 0));
    }
}
