//! Samples that nothing is fitted to: what the result is measured on.

use super::{Place, npz, on_samples, place, sample};
use serde_json::{Value, json};
use std::fs;

/// Samples beside those that every place has.
const ENOUGH: usize = 12;

fn enough() -> Place {
    let place = place();
    for at in 0..ENOUGH {
        npz(&place.path("mlp").join(format!("s{at}.npz")), &[("x", &sample("mlp", at))]);
    }
    place
}

fn ran(place: &Place, more: &[&str]) -> Value {
    on_samples(place, "mlp", "ort-cpu", &[&["--json"], more].concat()).json()
}

/// Ranges, biases and weights of what is written.
fn made(place: &Place, more: &[&str]) -> (String, Vec<u8>) {
    ran(place, &[&["--write-plan", "plan.toml"], more].concat());
    (fs::read_to_string(place.path("plan.toml")).unwrap(), super::read(&place.path("mlp.q.onnx")))
}

#[test]
fn a_quarter_is_measured_on_and_of_few_samples_none() {
    let (place, few) = (enough(), place());
    let report = ran(&place, &[]);
    assert_eq!((&report["samples"], &report["held_out"]), (&json!(12), &json!(3)));
    assert_eq!(report["accuracy"]["samples"], 3);
    let report = ran(&few, &[]);
    assert_eq!((&report["held_out"], &report["accuracy"]["samples"]), (&json!(0), &json!(6)));
    let noted =
        |report: &Value| report["diags"].as_array().unwrap().iter().any(|d| d["code"] == "nothing-held-out");
    assert!(noted(&report) && !noted(&ran(&few, &["--held-out", "0"])));
    for (place, more, says) in [
        (&place, &[][..], "over 3 held-out samples\n"),
        (&place, &["--held-out", "1"], "over 1 held-out sample\n"),
        (&place, &["--held-out", "0"], "over 12 samples, which it was calibrated on too\n"),
        (&few, &[], "over 6 samples, which it was calibrated on too\n"),
    ] {
        let out = on_samples(place, "mlp", "ort-cpu", more).out;
        assert!(out.contains(says), "{more:?}: {out}");
    }
}

#[test]
fn nothing_is_fitted_to_what_is_held_out() {
    let place = enough();
    let alone = ["--held-out", "0", "--max-samples", "8", "--no-verify"];
    assert_eq!(made(&place, &["--held-out", "4", "--no-verify"]), made(&place, &alone));
    // Without a measurement all serve.
    let all = made(&place, &["--no-verify"]);
    assert_eq!(all, made(&place, &["--held-out", "0", "--no-verify"]));
    assert_ne!(all, made(&place, &alone));
}

#[test]
fn a_cache_is_of_the_samples_that_were_calibrated_on() {
    let place = enough();
    let cached = |n: &str| made(&place, &["--cache", "statistics", "--held-out", n]);
    let without = |n: &str| made(&place, &["--held-out", n]);
    for n in ["4", "0", "4", "2"] {
        assert_eq!(cached(n), without(n), "{n}");
    }
    fs::write(place.path("data.toml"), "held_out = 2").unwrap();
    let before = super::read(&place.path("statistics"));
    assert_eq!(made(&place, &["--cache", "statistics", "--data", "data.toml"]), without("2"));
    assert_eq!(super::read(&place.path("statistics")), before);
}

#[test]
fn something_must_be_left() {
    let place = enough();
    for n in ["12", "13"] {
        let ran = on_samples(&place, "mlp", "ort-cpu", &["--held-out", n]);
        assert!(ran.code == 1 && ran.err.contains("of 12") && ran.err.contains("--held-out"), "{}", ran.err);
    }
    assert_eq!(on_samples(&place, "mlp", "ort-cpu", &["--held-out", "some"]).code, 2);
}
