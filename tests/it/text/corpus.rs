//! Every model of the fixtures as text.

use std::fs;

use onnxpress::analysis::verify;
use onnxpress::io;
use onnxpress::text::{PrintOptions, parse_model, print_model};

use crate::io::models;

/// Files up to this many bytes are printed in full.
const SMALL: u64 = 2 << 20;

#[test]
fn every_model_is_verified_printed_and_read_back() {
    let (mut whole, mut abbreviated) = (0, 0);
    for path in models() {
        let model = io::load(&path).unwrap_or_else(|e| panic!("{e:?}")).model;
        verify(&model).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
        if fs::metadata(&path).unwrap().len() > SMALL {
            let text = print_model(&model, PrintOptions { elide: Some(8), digest: false });
            assert!(text.contains(" in all}"), "{}", path.display());
            abbreviated += 1;
            continue;
        }
        let text = print_model(&model, PrintOptions::default());
        let read = parse_model(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        verify(&read).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
        assert!(print_model(&read, PrintOptions::default()) == text, "{} changed", path.display());
        whole += 1;
    }
    println!("{whole} models came back from their text, {abbreviated} larger ones were abbreviated");
    assert!(whole > 2000 && abbreviated > 0);
}
