//! External data: read, kept, inlined, separated.

use std::fs;
use std::path::{Path, PathBuf};

use onnxpress::io::{self, ExternalData, WriteOptions};
use onnxpress::ir::{Def, Model};
use onnxpress::proto::ModelProto;
use onnxpress::tensor::Tensor;
use prost::Message;
use tempfile::TempDir;

use super::build::{external, floats, graph, model, node};

/// A model whose weights `a` (8 KiB) and `b` (8 KiB) are in one file and `c` (8 bytes) is its own.
fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let mut g = graph(vec![node("Add", &["x", "c"], &["y"]), node("Concat", &["a", "b"], &["z"])]);
    g.initializer = vec![
        external("a", 2048, &[("location", "w.bin"), ("length", "8192")]),
        external("b", 2048, &[("location", "w.bin"), ("offset", "8192"), ("length", "8192")]),
        floats("c", 2),
    ];
    let data: Vec<u8> = (0..4096u32).flat_map(|i| (i as f32).to_le_bytes()).collect();
    fs::write(dir.path().join("w.bin"), data).unwrap();
    let path = dir.path().join("m.onnx");
    fs::write(&path, model(g).encode_to_vec()).unwrap();
    (dir, path)
}

fn weights(model: &Model) -> Vec<(String, Tensor)> {
    let values = model.graph.value_ids().map(|v| model.graph.value(v));
    values
        .filter_map(|v| match v.def() {
            Def::Initializer { tensor, .. } => Some((v.name().to_string(), tensor.clone())),
            _ => None,
        })
        .collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn options(external_data: ExternalData, source: &Path) -> WriteOptions {
    WriteOptions { external_data, source: Some(source.to_path_buf()) }
}

fn assert_same_weights(a: &Model, b: &Model) {
    let (a, b) = (weights(a), weights(b));
    assert_eq!(a.len(), 3);
    for ((name, left), (other, right)) in a.iter().zip(&b) {
        assert!(name == other && left.same_bits(right), "{name} changed");
    }
}

#[test]
fn every_mode_keeps_the_weights() {
    let (_source, path) = folder();
    let loaded = io::load(&path).unwrap();
    for (mode, files, inline) in
        [(ExternalData::Keep, 2, 1), (ExternalData::Separate, 2, 1), (ExternalData::Inline, 1, 3)]
    {
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("out.onnx");
        let written = io::save(&loaded.model, &target, &options(mode, &path)).unwrap();
        assert_eq!((written.files.len(), names(out.path()).len()), (files, files), "{mode:?}");
        let sizes: u64 = written.files.iter().map(|f| fs::metadata(f).unwrap().len()).sum();
        assert_eq!(written.bytes, sizes);
        let proto = ModelProto::decode(fs::read(&target).unwrap().as_slice()).unwrap();
        let in_file = proto.graph.unwrap().initializer.iter().filter(|t| t.data_location.is_none()).count();
        assert_eq!(in_file, inline, "{mode:?}");
        assert_same_weights(&loaded.model, &io::load(&target).unwrap().model);
    }
}

#[test]
fn data_is_kept_in_place_in_its_own_folder() {
    let (dir, path) = folder();
    let loaded = io::load(&path).unwrap();
    let target = dir.path().join("out.onnx");
    io::save(&loaded.model, &target, &options(ExternalData::Keep, &path)).unwrap();
    assert_eq!(names(dir.path()), ["m.onnx", "out.onnx", "w.bin"]);
    assert_eq!(fs::read(&target).unwrap(), fs::read(&path).unwrap());
}

#[test]
fn separated_data_is_aligned_and_named_after_its_content() {
    let (_source, path) = folder();
    let loaded = io::load(&path).unwrap();
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("out.onnx");
    let write = || io::save(&loaded.model, &target, &options(ExternalData::Separate, &path)).unwrap();
    let first = write();
    let bytes = fs::read(&target).unwrap();
    assert_eq!(write().files, first.files);
    assert_eq!(fs::read(&target).unwrap(), bytes);
    let graph = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
    let mut offsets = 0;
    for entry in graph.initializer.iter().flat_map(|t| &t.external_data).filter(|e| e.key() == "offset") {
        assert_eq!(entry.value().parse::<u64>().unwrap() % 4096, 0);
        offsets += 1;
    }
    assert_eq!(offsets, 2);
    let data = first.files[0].file_name().unwrap().to_str().unwrap();
    assert!(data.starts_with("out.onnx.") && data.ends_with(".data"), "{data}");
}

#[test]
fn a_failed_write_leaves_nothing_and_the_old_files() {
    let (_source, path) = folder();
    let loaded = io::load(&path).unwrap();
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("out.onnx");
    fs::create_dir(&target).unwrap();
    let error = io::save(&loaded.model, &target, &options(ExternalData::Separate, &path)).unwrap_err();
    assert!(error.message().contains("directory"), "{error}");
    assert_eq!(names(out.path()), ["out.onnx"]);
}

#[test]
fn the_input_and_its_data_are_never_overwritten() {
    let (dir, path) = folder();
    let loaded = io::load(&path).unwrap();
    let before = names(dir.path());
    let link = dir.path().join("hard.onnx");
    fs::hard_link(&path, &link).unwrap();
    for (target, says) in
        [(&path, "input itself"), (&link, "input itself"), (&dir.path().join("w.bin"), "data file")]
    {
        let error = io::save(&loaded.model, target, &options(ExternalData::Keep, &path)).unwrap_err();
        assert!(error.message().contains(says), "{error}");
        assert!(error.file().is_some() && error.help().is_some());
    }
    fs::remove_file(link).unwrap();
    assert_eq!(names(dir.path()), before);
}

#[test]
fn the_data_of_an_attribute_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (path, data) = (dir.path().join("m.onnx"), dir.path().join("k.bin"));
    fs::write(&data, [0; 8]).unwrap();
    let mut constant = node("Constant", &[], &["k"]);
    constant.attribute.push(onnxpress::proto::AttributeProto {
        name: Some("value".into()),
        t: Some(external("", 2, &[("location", "k.bin")])),
        r#type: Some(4),
        ..Default::default()
    });
    let proto = model(graph(vec![constant, node("Add", &["x", "k"], &["y"])]));
    fs::write(&path, proto.encode_to_vec()).unwrap();
    let loaded = io::load(&path).unwrap();
    let error = io::save(&loaded.model, &data, &options(ExternalData::Keep, &path)).unwrap_err();
    assert!(error.message().contains("data file"), "{error}");
    assert_eq!(fs::read(&data).unwrap(), [0; 8]);
}
