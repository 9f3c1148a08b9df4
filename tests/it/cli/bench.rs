//! `bench`: times are what the machine gives, everything else is not.

use super::Place;

/// The text with every number that follows from a time as `#`.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        let figure = word.trim_end();
        let is_time =
            figure.contains('.') && figure.trim_matches(['(', ')']).starts_with(|c: char| c.is_ascii_digit());
        out.push_str(if is_time { "#" } else { figure });
        out.push_str(&word[figure.len()..]);
    }
    out
}

#[test]
fn a_person_reads_medians_and_a_verdict() {
    let place = Place::new();
    let ran = place.run(&["bench", "m.onnx", "m.onnx", "--pairs", "8", "--warmup", "1", "--threads", "2"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let lines: Vec<String> = without_times(&ran.out).lines().map(str::to_owned).collect();
    let verdicts = ["B is faster: # #", "B is slower: # #", "no difference measured: # #"];
    assert!(verdicts.contains(&lines[4].as_str()), "{}", ran.out);
    let table = ["     model   median (ms)", "  A  m.onnx       #", "  B  m.onnx       #", ""];
    assert_eq!(lines[..4], table.map(str::to_owned), "{}", ran.out);
    assert!(lines[5].starts_with("8 pairs in "), "{}", ran.out);
    assert!(ran.out.contains("2 threads, optimizations: all; inputs: n="), "{}", ran.out);
    assert_eq!(lines.len(), 6);
}

#[test]
fn json_has_figures_that_fit_each_other() {
    let place = Place::new();
    for level in ["none", "basic", "extended", "all"] {
        let report =
            place.run(&["bench", "m.onnx", "m.onnx", "--pairs", "6", "--level", level, "--json"]).json();
        assert_eq!(
            (&report["schema_version"], &report["pairs"], &report["threads"]),
            (&1.into(), &6.into(), &1.into())
        );
        assert_eq!(report["level"], level);
        let bound = |at: usize| report["ratio_interval"][at].as_f64().unwrap();
        let ratio = report["ratio"].as_f64().unwrap();
        assert!(bound(0) <= ratio && ratio <= bound(1), "{report}");
        let verdict = match (bound(0), bound(1)) {
            (_, high) if high < 1.0 => "faster",
            (low, _) if low > 1.0 => "slower",
            _ => "no_difference",
        };
        assert_eq!(report["verdict"], verdict);
        assert!(
            report["a_milliseconds"].as_f64().unwrap() > 0.0
                && report["b_milliseconds"].as_f64().unwrap() > 0.0
        );
    }
}

#[test]
fn time_bounds_the_pairs_and_too_few_tell_nothing() {
    let place = Place::new();
    let report = place.run(&["bench", "m.onnx", "m.onnx", "--time", "0", "--json"]).json();
    assert_eq!((&report["pairs"], &report["verdict"]), (&1.into(), &"too_few".into()));
    assert!(report["ratio_interval"].is_null());
}

#[test]
fn what_cannot_be_timed_is_an_error() {
    let place = Place::new();
    let other = super::MODEL.replace("] x)", "] z)").replace("(x)", "(z)");
    place.model("other.onnx", &other);
    for b in ["other.onnx", "no-such.onnx"] {
        let ran = place.run(&["bench", "m.onnx", b]);
        assert!(ran.code == 1 && ran.err.starts_with("error: ") && ran.err.contains(b), "{}", ran.err);
    }
    assert_eq!(place.run(&["bench", "m.onnx"]).code, 2);
}
