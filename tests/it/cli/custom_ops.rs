//! `--custom-ops`: a library of the user's own operators, known to whatever runs the model.

use super::Place;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::PathBuf;

const TWICE: &str = r#"<ir_version: 8, opset_import: ["" : 17, "test.custom" : 1]>
g (float[n, 4] x) => (float[n, 4] y)
<float[4] w = {1, 2, 3, 4}>
{
    a = Identity (x)
    b = test.custom.Twice (a)
    y = Add (b, w)
}
"#;

/// The library that `tests/custom_ops` makes.
fn library() -> String {
    let tests = std::env::current_exe().unwrap();
    let built = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples");
    let library: PathBuf = built.join(format!("{DLL_PREFIX}custom_ops{DLL_SUFFIX}"));
    assert!(
        library.exists(),
        "{} is missing: `cargo build --example custom_ops` makes it",
        library.display()
    );
    library.to_str().unwrap().to_owned()
}

#[test]
fn a_model_is_proved_with_the_library_and_unproven_without() {
    let place = Place::new();
    place.model("twice.onnx", TWICE);
    let library = library();
    let ran = place.run(&["optimize", "twice.onnx", "-o", "out.onnx"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("\nunproven: ") && ran.out.contains("named with --custom-ops"), "{}", ran.out);
    let ran = place.run(&["optimize", "twice.onnx", "-o", "out.onnx", "--custom-ops", &library]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("\nproved: "), "{}", ran.out);
    let ran = place.run(&["compare", "twice.onnx", "out.onnx", "--custom-ops", &library]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let ran = place.run(&["bench", "twice.onnx", "out.onnx", "--pairs", "3", "--custom-ops", &library]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}

#[test]
fn what_is_no_such_library_is_named() {
    let place = Place::new();
    for (file, says) in [("no.so", "No such file"), ("m.onnx", "not a usable library of custom operators")] {
        let ran = place.run(&["optimize", "m.onnx", "-o", "out.onnx", "--custom-ops", file]);
        assert_eq!((ran.code, place.names().len()), (1, 1), "{}", ran.err);
        assert!(ran.err.contains(file) && ran.err.contains(says), "{}", ran.err);
    }
}
