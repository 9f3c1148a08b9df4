//! Any text gives a model or one error; a model that was parsed prints to a text that parses and prints alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onnxpress::text::{PrintOptions, parse_model, print_model};

fuzz_target!(|text: &str| {
    let Ok(model) = parse_model(text) else { return };
    let printed = print_model(&model, PrintOptions::default());
    let again = parse_model(&printed).expect("what we print we parse");
    assert_eq!(printed, print_model(&again, PrintOptions::default()), "printing is not stable");
});
