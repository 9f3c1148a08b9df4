//! A comparison as a file: JSON, JUnit XML, Markdown or HTML, by the file's extension.

use super::localize::Divergence;
use super::verdict::{OutputVerdict, Status, Verdict};
use crate::error::{Error, Result};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// What `compare` has to tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Version of this form; grows when a field changes its meaning or goes.
    pub schema_version: u32,
    /// The reference model.
    pub original: String,
    /// The judged model.
    pub candidate: String,
    /// The result.
    pub parity: Verdict,
    /// Where the two part, where that was looked for and found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.json`
    Json,
    /// `.xml`, as JUnit writes it: one test case per output.
    JUnit,
    /// `.md`
    Markdown,
    /// `.html`
    Html,
}

impl Format {
    /// The form that a file's extension asks for.
    ///
    /// # Errors
    /// The extension is none of the four.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => Ok(Self::Json),
            Some("xml") => Ok(Self::JUnit),
            Some("md") => Ok(Self::Markdown),
            Some("html") => Ok(Self::Html),
            _ => Err(Error::new("the form of the report is not known from its name")
                .in_file(path)
                .with_help("end its name in .json, .xml, .md or .html")),
        }
    }
}

impl Comparison {
    /// A comparison of two models by the names that people know them by.
    pub fn new(original: impl Into<String>, candidate: impl Into<String>, parity: Verdict) -> Self {
        Self {
            schema_version: 1,
            original: original.into(),
            candidate: candidate.into(),
            parity,
            divergence: None,
        }
    }

    /// The report's text.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Json => {
                let mut text =
                    serde_json::to_string_pretty(self).expect("strings, numbers and lists serialize");
                text.push('\n');
                text
            }
            Format::JUnit => self.junit(),
            Format::Markdown => self.markdown(),
            Format::Html => self.html(),
        }
    }

    fn junit(&self) -> String {
        let verdict = &self.parity;
        let mut cases = String::new();
        for output in &verdict.outputs {
            let outcome = match &output.reason {
                Some(why) if !output.passed => format!("<failure message=\"{}\"/>", escape(why)),
                _ => String::new(),
            };
            let name = escape(&output.name);
            _ = writeln!(cases, "    <testcase classname=\"parity\" name=\"{name}\">{outcome}</testcase>");
        }
        let failures = verdict.outputs.iter().filter(|o| !o.passed).count();
        let (mut errors, mut skipped) = (0, 0);
        if verdict.outputs.is_empty() {
            let why = escape(verdict.reason.as_deref().unwrap_or("no proof was asked for"));
            let tag = if verdict.status == Status::Failed { "error" } else { "skipped" };
            (errors, skipped) = if tag == "error" { (1, 0) } else { (0, 1) };
            _ = writeln!(
                cases,
                "    <testcase classname=\"parity\" name=\"run\"><{tag} message=\"{why}\"/></testcase>"
            );
        }
        let tests = verdict.outputs.len().max(1);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{}\" tests=\"{tests}\" \
             failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n{cases}  </testsuite>\n</testsuites>\n",
            escape(&format!("{} against {}", self.candidate, self.original)),
        )
    }

    fn markdown(&self) -> String {
        let mut text = format!("# {} against {}\n\n", self.candidate, self.original);
        for (key, value) in self.facts() {
            _ = writeln!(text, "- {key}: {value}");
        }
        if !self.parity.outputs.is_empty() {
            _ = writeln!(text, "\n| {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
        }
        for output in &self.parity.outputs {
            let cells = row(output).map(|c| c.replace('|', "\\|"));
            _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }

    fn html(&self) -> String {
        let title = escape(&format!("{} against {}", self.candidate, self.original));
        let mut text = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n"
        );
        for (key, value) in self.facts() {
            _ = writeln!(text, "<li>{key}: {}</li>", escape(&value));
        }
        let cell = |tag: &str, c: &str| format!("<{tag}>{}</{tag}>", escape(c));
        let head: String = COLUMNS.iter().map(|c| cell("th", c)).collect();
        _ = writeln!(text, "</ul>\n<table>\n<tr>{head}</tr>");
        for output in &self.parity.outputs {
            let cells: String = row(output).iter().map(|c| cell("td", c)).collect();
            _ = writeln!(text, "<tr>{cells}</tr>");
        }
        text.push_str("</table>\n</html>\n");
        text
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let verdict = &self.parity;
        let status = match verdict.status {
            Status::Passed => "passed",
            Status::Failed => "failed",
            Status::Unproven => "unproven",
            Status::Skipped => "skipped",
        };
        let mut facts = vec![("result", status.to_owned())];
        facts.extend(verdict.reason.clone().map(|r| ("reason", r)));
        facts.extend(verdict.runtime.clone().map(|r| ("judged by", r)));
        facts.push(("judged as", verdict.exactness.to_string()));
        facts.push(("inputs", format!("{} sets: {}", verdict.cases, verdict.feeds.join("; "))));
        if !verdict.untaken_branches.is_empty() {
            facts.push(("branches never taken", verdict.untaken_branches.join("; ")));
        }
        if let Some(d) = &self.divergence {
            facts.push(("parts at", format!("'{}', which {} '{}' makes", d.value, d.op, d.node)));
        }
        facts
    }
}

const COLUMNS: [&str; 9] =
    ["output", "type", "result", "max abs", "max rel", "max ulp", "SQNR dB", "noise floor", "tolerance"];

fn row(output: &OutputVerdict) -> [String; 9] {
    let metrics = output.metrics.as_ref();
    let number = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.3e}"));
    [
        output.name.clone(),
        output.dtype.clone().unwrap_or_default(),
        output.reason.clone().unwrap_or_else(|| "passed".to_owned()),
        number(metrics.map(|m| m.max_abs)),
        number(metrics.map(|m| m.max_rel)),
        metrics.map_or_else(String::new, |m| m.max_ulp.to_string()),
        metrics.and_then(|m| m.sqnr_db).map_or_else(|| "∞".to_owned(), |v| format!("{v:.1}")),
        number(Some(output.noise_floor)),
        number(Some(output.tolerance)),
    ]
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no way to write other control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rewrite::Exactness;

    fn failed() -> Comparison {
        let mut output = OutputVerdict::new("a<b>|c");
        output.refuse("differs by \"1\" & more".to_owned());
        let verdict = Verdict::new(Status::Passed, Exactness::Exact, None).conclude(vec![output]);
        Comparison::new("a.onnx", "b.onnx", verdict)
    }

    #[test]
    fn every_form_tells_the_failure() {
        let report = failed();
        let json: serde_json::Value = serde_json::from_str(&report.render(Format::Json)).unwrap();
        assert_eq!((&json["parity"]["status"], &json["schema_version"]), (&"failed".into(), &1.into()));
        let xml = report.render(Format::JUnit);
        assert!(xml.contains("failures=\"1\"") && xml.contains("name=\"a&lt;b&gt;|c\""), "{xml}");
        assert!(xml.contains("differs by &quot;1&quot; &amp; more"), "{xml}");
        assert!(report.render(Format::Markdown).contains("a<b>\\|c"));
        assert!(report.render(Format::Html).contains("<td>a&lt;b&gt;|c</td>"));
    }

    #[test]
    fn what_was_not_compared_is_no_passed_test() {
        let skipped = Comparison::new("a", "b", Verdict::unproven(Exactness::Exact, "why"));
        assert!(skipped.render(Format::JUnit).contains("skipped=\"1\""));
        let mut broken = skipped.clone();
        broken.parity.status = Status::Failed;
        assert!(broken.render(Format::JUnit).contains("errors=\"1\""));
    }

    #[test]
    fn the_extension_decides() {
        assert_eq!(Format::of(Path::new("r.md")).unwrap(), Format::Markdown);
        assert!(Format::of(Path::new("r.pdf")).unwrap_err().help().is_some());
    }
}
