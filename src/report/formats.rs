//! `compare --report FILE`: the format follows the file's ending.

use super::units::{count, seconds};
use super::{CompareReport, Status, json};
use crate::error::{Error, Result};
use std::fmt::Write as _;
use std::path::Path;

/// A format of a report file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JUnit XML: one test case an output.
    Xml,
    /// The schema of `--json`.
    Json,
    /// One page without scripts or outside resources.
    Html,
    /// A Markdown table.
    Markdown,
}

impl Format {
    /// The format of a file by its ending.
    ///
    /// # Errors
    /// The ending is none of `xml`, `json`, `html`, `md`.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("xml") => Ok(Self::Xml),
            Some("json") => Ok(Self::Json),
            Some("html" | "htm") => Ok(Self::Html),
            Some("md") => Ok(Self::Markdown),
            _ => Err(Error::new("the ending says no known report format")
                .in_file(path)
                .with_help("end the name in .xml (JUnit), .json, .html or .md")),
        }
    }

    /// The report in this format.
    pub fn render(self, report: &CompareReport) -> String {
        match self {
            Self::Xml => xml(report),
            Self::Json => json(report) + "\n",
            Self::Html => html(report),
            Self::Markdown => markdown(report),
        }
    }
}

const HEADER: [&str; 7] = ["output", "max abs", "max rel", "ULP", "cosine", "SQNR (dB)", "verdict"];

fn summary(report: &CompareReport) -> String {
    let p = &report.parity;
    let runtime = p.runtime.as_deref().unwrap_or("no runtime");
    let reason = p.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    let place = p.whereabouts();
    let place = if place.is_empty() { place } else { format!("; {}", place.trim_end()) };
    format!("{} on {runtime} in {}{reason}{place}", count(p.cases as u64, "case"), seconds(report.seconds))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no way to write most control characters.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn xml(report: &CompareReport) -> String {
    let p = &report.parity;
    let mut cases = String::new();
    let (mut failed, mut errors) = (0, 0);
    for o in &p.outputs {
        let class = escape(&report.b);
        let _ = write!(cases, "    <testcase classname=\"{class}\" name=\"{}\"", escape(&o.name));
        let figures = HEADER
            .iter()
            .zip(o.cells())
            .skip(1)
            .map(|(h, c)| format!("{h} {c}"))
            .collect::<Vec<_>>()
            .join(", ");
        if o.passed {
            let _ =
                writeln!(cases, ">\n      <system-out>{}</system-out>\n    </testcase>", escape(&figures));
        } else {
            failed += 1;
            let _ = writeln!(
                cases,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escape(&o.verdict()),
                escape(&figures)
            );
        }
    }
    let named = failed > 0 || p.status == Status::Passed;
    if !named {
        errors = 1;
        let reason = escape(p.reason.as_deref().unwrap_or("the models could not be compared"));
        let _ = writeln!(
            cases,
            "    <testcase name=\"compare\">\n      <error message=\"{reason}\"/>\n    </testcase>"
        );
    }
    let tests = p.outputs.len() + errors;
    let suite = escape(&format!("{} against {}", report.b, report.a));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{suite}\" tests=\"{tests}\" \
         failures=\"{failed}\" errors=\"{errors}\" time=\"{:.3}\">\n{cases}  </testsuite>\n</testsuites>\n",
        report.seconds
    )
}

fn html(report: &CompareReport) -> String {
    let mut rows = String::new();
    for o in &report.parity.outputs {
        let class = if o.passed { "same" } else { "differs" };
        let cells: String = o.cells().iter().map(|c| format!("<td>{}</td>", escape(c))).collect();
        let _ = writeln!(rows, "<tr class=\"{class}\">{cells}</tr>");
    }
    let header: String = HEADER.iter().map(|h| format!("<th>{h}</th>")).collect();
    let title = escape(&format!("{} against {}", report.b, report.a));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n\
         body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; }}\n\
         td, th {{ padding: 0.2rem 1rem 0.2rem 0; text-align: right; }}\n\
         td:first-child, th:first-child, td:last-child, th:last-child {{ text-align: left; }}\n\
         .differs td:last-child {{ color: #b00020; }}\n</style>\n\
         <h1>{title}: {}</h1>\n<p>{}</p>\n<table>\n<tr>{header}</tr>\n{rows}</table>\n</html>\n",
        report.parity.status.word(),
        escape(&summary(report))
    )
}

fn markdown(report: &CompareReport) -> String {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| markdown_text(c)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let title = markdown_text(&format!("{} against {}", report.b, report.a));
    let mut text = format!("# {title}: {}\n\n", report.parity.status.word());
    let _ = writeln!(text, "{}\n", markdown_text(&summary(report)));
    text.push_str(&row(&HEADER.map(str::to_owned)));
    text.push_str("| --- | ---: | ---: | ---: | ---: | ---: | --- |\n");
    report.parity.outputs.iter().for_each(|o| text.push_str(&row(&o.cells())));
    text
}

/// On one line, and in a cell of its own.
fn markdown_text(text: &str) -> String {
    escape(text).replace("&quot;", "\"").replace('|', "\\|").replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::diag::Diags;
    use crate::report::{Number, OutputReport, ParityReport};

    fn report() -> CompareReport {
        let output = |name: &str, passed| OutputReport {
            name: name.into(),
            passed,
            dtype: Some("float".into()),
            max_abs: Some(Number(0.5)),
            max_rel: Some(Number(0.1)),
            max_ulp: Some(9),
            cosine: None,
            sqnr_db: Some(Number(f64::INFINITY)),
            equal: Some(Number(0.0)),
            allowed: Number(1e-4),
            noise_floor: Number(0.0),
            reason: None,
        };
        let parity = ParityReport {
            outputs: vec![output("a<b>", true), output("c|d\n", false)],
            cases: 2,
            ..ParityReport::without(Status::Failed, "exact", None)
        };
        CompareReport { a: "a.onnx".into(), b: "b.onnx".into(), parity, seconds: 1.5, diags: Diags::new() }
    }

    #[test]
    fn the_ending_decides() {
        assert_eq!(Format::of(Path::new("x/r.XML")).unwrap(), Format::Xml);
        assert!(Format::of(Path::new("report")).unwrap_err().help().unwrap().contains(".xml"));
    }

    #[test]
    fn xml_counts_and_escapes() {
        let text = Format::Xml.render(&report());
        assert!(text.contains("tests=\"2\" failures=\"1\" errors=\"0\" time=\"1.500\""), "{text}");
        assert!(
            text.contains("name=\"a&lt;b&gt;\"") && text.contains("<failure message=\"differs\">"),
            "{text}"
        );
    }

    #[test]
    fn xml_has_an_error_where_nothing_could_be_compared() {
        let parity = ParityReport::without(Status::Unproven, "exact", Some("no runtime".into()));
        let text = Format::Xml.render(&CompareReport { parity, ..report() });
        assert!(text.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "{text}");
        assert!(text.contains("<error message=\"no runtime\"/>"), "{text}");
    }

    #[test]
    fn markdown_and_html_hold_every_output() {
        let markdown = Format::Markdown.render(&report());
        assert!(markdown.contains("| c\\|d  | 0.5 |") && markdown.contains("| a&lt;b&gt; |"), "{markdown}");
        let html = Format::Html.render(&report());
        assert!(html.contains("a&lt;b&gt;") && html.contains("class=\"differs\""), "{html}");
    }
}
