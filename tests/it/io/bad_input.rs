//! Bad input gets one clear error that names file and node, and never a panic.

use std::fs;

use onnxpress::error::Error;
use onnxpress::io::{self, WriteOptions};
use onnxpress::proto::{ModelProto, TensorProto};
use prost::Message;

use crate::fixtures;

use super::build::{body, external, floats, graph, model, nested_ifs, node};

/// Writes the model into a folder of its own and gives the error of loading it.
fn refused(proto: &ModelProto) -> Error {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.onnx");
    fs::write(&path, proto.encode_to_vec()).unwrap();
    let error = io::load(&path).expect_err("a bad model was taken");
    assert_eq!(error.file(), Some(path.as_path()), "{error}");
    error
}

fn check(proto: &ModelProto, node: &str, says: &str) {
    let error = refused(proto);
    assert!(error.message().contains(says), "{error:?}");
    assert!(error.node().is_some_and(|n| n.contains(node)), "{error:?}");
    assert!(error.help().is_some(), "{error:?}");
}

fn with_initializer(tensor: TensorProto) -> ModelProto {
    let mut g = graph(vec![node("Add", &["x", "w"], &["y"])]);
    g.initializer.push(tensor);
    model(g)
}

#[test]
fn graphs_that_contradict_themselves() {
    check(
        &model(graph(vec![
            node("Add", &["x", "b"], &["a"]),
            node("Neg", &["a"], &["b"]),
            node("Neg", &["b"], &["y"]),
        ])),
        "",
        "cycle",
    );
    check(&model(graph(vec![node("Add", &["x", "y"], &["y"])])), "y", "cycle");
    check(
        &model(graph(vec![node("Neg", &["x"], &["y"]), node("Abs", &["x"], &["y"])])),
        "y",
        "defined twice",
    );
    check(
        &model(graph(vec![node("Neg", &["x"], &["x"]), node("Abs", &["x"], &["y"])])),
        "x",
        "defined twice",
    );
    check(&model(graph(vec![node("Neg", &["gone"], &["y"])])), "y", "'gone' is defined nowhere");
    check(&model(graph(vec![node("Neg", &["x"], &["z"])])), "y", "defined nowhere");
    let mut inner = graph(vec![node("Neg", &["gone"], &["y"])]);
    inner.input.clear();
    let mut holder = node("If", &["x"], &["y"]);
    holder.attribute.push(body("then_branch", inner));
    check(&model(graph(vec![holder])), "y", "'gone'");
}

#[test]
fn tensors_that_do_not_fit() {
    check(&with_initializer(TensorProto { dims: vec![3], ..floats("w", 2) }), "w", "needs 12 bytes");
    check(&with_initializer(TensorProto { dims: vec![-2], ..floats("w", 2) }), "w", "negative");
    check(
        &with_initializer(TensorProto { dims: vec![i64::MAX, i64::MAX], ..floats("w", 2) }),
        "w",
        "overflow",
    );
    check(
        &with_initializer(TensorProto { data_type: Some(77), ..floats("w", 2) }),
        "w",
        "unknown element type 77",
    );
}

#[test]
fn external_data_that_is_missing_or_elsewhere() {
    for (location, says) in [
        ("none.bin", "missing"),
        ("../none.bin", "outside"),
        ("/etc/hostname", "outside"),
        ("a/../../b", "outside"),
        ("", "without a location"),
    ] {
        check(&with_initializer(external("w", 2, &[("location", location)])), "w", says);
    }
}

#[cfg(unix)]
#[test]
fn external_data_behind_a_link_out_of_the_folder() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), [0; 8]).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("w.bin")).unwrap();
    let path = dir.path().join("m.onnx");
    let proto = with_initializer(external("w", 2, &[("location", "w.bin")]));
    fs::write(&path, proto.encode_to_vec()).unwrap();
    let error = io::load(&path).unwrap_err();
    assert!(error.message().contains("outside"), "{error}");
}

#[test]
fn nesting_beyond_the_limit() {
    let deep = io::load_bytes(nested_ifs(30).encode_to_vec()).unwrap();
    assert_eq!(deep.model.graph.len(), 31);
    let error = refused(&nested_ifs(40));
    assert!(error.message().contains("nested deeper"), "{error}");
}

#[test]
fn text_that_is_not_utf8() {
    let bytes = model(graph(vec![node("Neg", &["x"], &["y"])])).encode_to_vec();
    let at = bytes.windows(3).position(|w| w == b"Neg").unwrap();
    let mut bytes = bytes;
    bytes[at] = 0xff;
    let error = io::load_bytes(bytes).unwrap_err();
    assert!(error.message().contains("UTF-8"), "{error}");
}

#[test]
fn files_that_are_no_models() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    for (path, says) in [
        (write("empty.onnx", b""), "empty"),
        (write("text.onnx", b"hello, world"), "not a"),
        (write("other.onnx", &[0x08, 0x07]), "no graph"),
        (dir.path().to_path_buf(), "directory"),
        (dir.path().join("missing.onnx"), "no such file"),
    ] {
        let error = io::load(&path).unwrap_err();
        assert!(error.message().contains(says), "{error}");
        assert_eq!(error.file(), Some(path.as_path()));
        assert!(error.help().is_some());
    }
}

#[test]
fn an_output_that_cannot_be_written() {
    let loaded = io::load_bytes(model(graph(vec![node("Neg", &["x"], &["y"])])).encode_to_vec()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for target in [dir.path().to_path_buf(), dir.path().join("no/folder/m.onnx")] {
        let error = io::save(&loaded.model, &target, &WriteOptions::default()).unwrap_err();
        assert_eq!(error.file(), Some(target.as_path()));
        assert!(error.help().is_some());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// A model with something of everything.
fn rich() -> Vec<u8> {
    let mut largest = (0, Vec::new());
    for case in fixtures::entries(&fixtures::folder("node-cases")) {
        let Ok(bytes) = fs::read(case.join("model.onnx")) else { continue };
        let loaded = io::load_bytes(bytes.clone()).unwrap();
        let regions = loaded.model.graph.region_ids().count();
        if regions > largest.0 {
            largest = (regions, bytes);
        }
    }
    assert!(largest.0 > 1);
    largest.1
}

#[test]
fn truncated_and_damaged_models_never_panic() {
    let good = rich();
    let mut errors = 0;
    for len in 0..good.len() {
        errors += usize::from(io::load_bytes(good[..len].to_vec()).is_err());
    }
    assert!(errors * 10 > good.len() * 9, "{errors} of {} truncations were errors", good.len());
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for _ in 0..5000 {
        let mut bad = good.clone();
        for _ in 0..1 + random() % 4 {
            let at = random() % bad.len();
            bad[at] = random() as u8;
        }
        if let Ok(loaded) = io::load_bytes(bad) {
            io::to_bytes(&loaded.model).unwrap();
        }
        let noise: Vec<u8> = (0..random() % 200).map(|_| random() as u8).collect();
        assert!(io::load_bytes(noise).is_err());
    }
}
