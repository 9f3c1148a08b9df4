//! Any bytes give a model or one error. A model that was read prints, verifies or not, and is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onnxpress::analysis::verify;
use onnxpress::io::{load_bytes, to_bytes};
use onnxpress::text::{PrintOptions, print_model};

fuzz_target!(|data: &[u8]| {
    let Ok(loaded) = load_bytes(data.to_vec()) else { return };
    let model = loaded.model;
    let _ = print_model(&model, PrintOptions { elide: Some(16), digest: true });
    if verify(&model).is_err() {
        return;
    }
    let written = to_bytes(&model).expect("a model that was read can be written");
    let again = load_bytes(written.clone()).expect("what we write we read").model;
    assert_eq!(written, to_bytes(&again).expect("it was written once"), "writing is not stable");
});
