//! Bad input ends with exit code 1, one clear error with the file, and leaves nothing behind.

use super::{Place, read};
use std::fs;

/// Runs `optimize` on a file that it must refuse, and gives back what it says.
pub(super) fn refused(place: &Place, input: &str, output: &str) -> String {
    let before = place.names();
    let ran = place.run(&["optimize", input, "-o", output]);
    assert_eq!(ran.code, 1, "{input}: {}{}", ran.out, ran.err);
    assert_eq!(ran.out, "", "{input}");
    assert_eq!(place.names(), before, "{input} left something behind");
    let lines: Vec<&str> = ran.err.lines().collect();
    let errors = lines.iter().filter(|l| l.starts_with("error: ")).count();
    assert_eq!(errors, 1, "{input}: one error, not\n{}", ran.err);
    assert!(lines.iter().any(|l| l.starts_with("help: ")), "{input} has no help:\n{}", ran.err);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran.err
}

/// As [`refused`], of bytes; the error names the file.
fn refused_bytes(bytes: &[u8]) -> String {
    let place = Place::new();
    fs::write(place.path("bad.onnx"), bytes).unwrap();
    let error = refused(&place, "bad.onnx", "out.onnx");
    assert!(error.starts_with("error: bad.onnx: "), "{error}");
    error
}

#[test]
fn truncated_at_every_length() {
    let whole = read(&Place::new().path("m.onnx"));
    let mut tried = 0;
    for len in (1..whole.len()).step_by(whole.len() / 12) {
        refused_bytes(&whole[..len]);
        tried += 1;
    }
    assert!(tried > 10);
}

#[test]
fn random_and_empty_files() {
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for len in [1, 7, 100, 5000] {
        refused_bytes(&std::iter::repeat_with(&mut byte).take(len).collect::<Vec<u8>>());
    }
    assert!(refused_bytes(b"").contains("empty"));
}

#[test]
fn things_that_are_no_files() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    assert!(refused(&place, "folder", "out.onnx").contains("folder: is a directory"));
    assert!(refused(&place, "none.onnx", "out.onnx").contains("none.onnx: no such file"));
}

#[test]
fn outputs_that_cannot_be() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    let original = read(&place.path("m.onnx"));
    assert!(refused(&place, "m.onnx", "m.onnx").contains("the output is the input"));
    assert!(refused(&place, "m.onnx", "./folder/../m.onnx").contains("the output is the input"));
    assert!(refused(&place, "m.onnx", "folder").contains("folder: the output is a directory"));
    assert!(refused(&place, "m.onnx", "none/out.onnx").contains("the output's folder does not exist"));
    assert_eq!(read(&place.path("m.onnx")), original);
}

#[cfg(unix)]
#[test]
fn outputs_that_are_protected_or_devices() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    fs::write(place.path("out.onnx"), b"old").unwrap();
    fs::set_permissions(place.path("out.onnx"), fs::Permissions::from_mode(0o444)).unwrap();
    assert!(refused(&place, "m.onnx", "out.onnx").contains("write-protected"));
    assert!(refused(&place, "m.onnx", "/dev/null").contains("not a regular file"));
    assert_eq!(read(&place.path("out.onnx")), b"old");
}

/// A model that is read but not valid: the error names the node or value too.
fn refused_model(text: &str, at: &str) -> String {
    let place = Place::new();
    place.model("bad.onnx", text);
    let error = refused(&place, "bad.onnx", "out.onnx");
    assert!(error.starts_with("error: bad.onnx: ") && error.contains(at), "{error}");
    error
}

const HEAD: &str = "<ir_version: 8, opset_import: [\"\" : 17]>\n";

#[test]
fn a_node_without_its_inputs() {
    refused_model(&format!("{HEAD}g (float[2] x) => (float[2] y) {{ [lonely] y = Add (x) }}"), "lonely");
}

#[test]
fn an_unwritable_report_or_dump() {
    let place = Place::new();
    fs::write(place.path("file"), b"").unwrap();
    let ran = place.run(&["optimize", "m.onnx", "-o", "out.onnx", "--dump-ir", "file/dump"]);
    assert_eq!((ran.code, place.names()), (1, vec!["file".to_owned(), "m.onnx".to_owned()]), "{}", ran.err);
    assert!(ran.err.contains("--dump-ir"), "{}", ran.err);
    let ran = place.run(&["compare", "m.onnx", "m.onnx", "--report", "none/r.xml"]);
    assert!(ran.code == 1 && ran.err.contains("none/r.xml"), "{}", ran.err);
}

#[test]
fn a_runtime_or_inputs_that_are_not_there() {
    let place = Place::new();
    for (option, what) in [("--ort-lib", "no.so"), ("--inputs", "no.npz")] {
        let ran = place.run(&["optimize", "m.onnx", "-o", "out.onnx", option, what]);
        assert_eq!((ran.code, place.names().len()), (1, 1), "{}", ran.err);
        assert!(
            ran.err.contains(what) && ran.err.contains("help: ") && ran.err.contains(option),
            "{}",
            ran.err
        );
    }
}
