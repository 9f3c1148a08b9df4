//! Files that are protobuf but no valid model: one error that names the file and the node or value in it.

use super::Place;
use super::bad_input::refused;
use crate::io::build::{external, floats, graph, model, nested_ifs, node};
use onnxpress::proto::{ModelProto, NodeProto, TensorProto};
use prost::Message;
use std::fs;

/// Checks the error on a model `bad.onnx` in a place: where it is, and what it says.
fn refused_in(place: &Place, proto: &ModelProto, at: &str, says: &str) {
    fs::write(place.path("bad.onnx"), proto.encode_to_vec()).unwrap();
    for command in ["optimize", "inspect"] {
        let error = match command {
            "optimize" => refused(place, "bad.onnx", "out.onnx"),
            _ => {
                let ran = place.run(&[command, "bad.onnx"]);
                assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
                ran.err
            }
        };
        let first = error.lines().next().unwrap();
        assert!(first.starts_with(&format!("error: bad.onnx: '{at}': ")), "not at '{at}': {error}");
        assert!(first.contains(says), "{error}");
    }
}

fn refused_proto(proto: &ModelProto, at: &str, says: &str) {
    refused_in(&Place::new(), proto, at, says);
}

fn named(name: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { name: Some(name.into()), ..node(op, inputs, outputs) }
}

fn with_weight(tensor: TensorProto) -> ModelProto {
    let mut g = graph(vec![named("sum", "Add", &["x", "weight"], &["y"])]);
    g.initializer.push(tensor);
    model(g)
}

#[test]
fn a_cycle() {
    let nodes = vec![named("first", "Add", &["x", "b"], &["a"]), named("second", "Neg", &["a"], &["b"])];
    let mut g = graph(nodes);
    g.node.push(named("last", "Neg", &["b"], &["y"]));
    refused_proto(&model(g), "first", "cycle");
}

#[test]
fn names_defined_twice() {
    let twice = [named("first", "Neg", &["x"], &["y"]), named("second", "Abs", &["x"], &["y"])];
    refused_proto(&model(graph(twice.into())), "second", "'y' is defined twice");
    let input = [named("first", "Neg", &["x"], &["x"]), named("second", "Abs", &["x"], &["y"])];
    refused_proto(&model(graph(input.into())), "first", "'x' is defined twice");
}

#[test]
fn a_name_defined_nowhere() {
    refused_proto(&model(graph(vec![named("lonely", "Neg", &["gone"], &["y"])])), "lonely", "'gone'");
}

#[test]
fn tensors_of_the_wrong_size() {
    let tensor = |dims: &[i64]| with_weight(TensorProto { dims: dims.into(), ..floats("weight", 2) });
    refused_proto(&tensor(&[3]), "weight", "needs 12 bytes");
    refused_proto(&tensor(&[1]), "weight", "needs 4 bytes");
    refused_proto(&tensor(&[-2]), "weight", "negative");
    refused_proto(&tensor(&[i64::MAX, i64::MAX]), "weight", "overflow");
    refused_proto(&tensor(&[1 << 40, 1 << 21]), "weight", "has no size in bytes");
}

#[test]
fn nesting_too_deep() {
    refused_proto(&nested_ifs(40), "r", "nested deeper");
}

#[test]
fn external_data_that_is_missing_or_outside_the_folder() {
    for (location, says) in [
        ("none.bin", "missing"),
        ("../m.bin", "outside"),
        ("sub/../../m.bin", "outside"),
        ("/etc/hostname", "outside"),
    ] {
        refused_proto(&with_weight(external("weight", 2, &[("location", location)])), "weight", says);
    }
}

#[test]
fn external_data_that_is_too_short() {
    let place = Place::new();
    fs::write(place.path("w.bin"), [0; 8]).unwrap();
    for (offset, length, says) in [
        ("4", "8", "outside 'w.bin'"),
        ("18446744073709551615", "8", "outside 'w.bin'"),
        ("0", "9223372036854775807", "has 9223372036854775807"),
    ] {
        let entries = [("location", "w.bin"), ("offset", offset), ("length", length)];
        refused_in(&place, &with_weight(external("weight", 2, &entries)), "weight", says);
    }
}

#[cfg(unix)]
#[test]
fn external_data_behind_a_link_out_of_the_folder() {
    let (place, outside) = (Place::new(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), [0; 8]).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), place.path("w.bin")).unwrap();
    let proto = with_weight(external("weight", 2, &[("location", "w.bin")]));
    refused_in(&place, &proto, "weight", "outside");
}
