//! Import then export without a pass is an identity.

use std::fs;

use bytes::Bytes;
use onnxpress::io;
use onnxpress::proto::ModelProto;
use prost::Message;

use super::models;

/// The message with what has no order sorted by name.
fn canonical(bytes: &[u8]) -> ModelProto {
    let mut model = ModelProto::decode(bytes).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.initializer.sort_by(|a, b| a.name.cmp(&b.name));
    graph.value_info.sort_by(|a, b| a.name.cmp(&b.name));
    model
}

#[test]
fn untouched_models_come_back() {
    let (mut same_bytes, mut same_message) = (0, 0);
    for path in models() {
        let original = Bytes::from(fs::read(&path).unwrap());
        let loaded = io::load(&path).unwrap_or_else(|e| panic!("{e:?}"));
        assert!(loaded.diags.is_empty(), "{}: {:?}", path.display(), loaded.diags);
        let written = io::to_bytes(&loaded.model).unwrap();
        if written == original {
            same_bytes += 1;
            continue;
        }
        assert!(canonical(&written) == canonical(&original), "{} changed", path.display());
        assert_eq!(written.len(), original.len(), "{} changed in size", path.display());
        same_message += 1;
    }
    println!(
        "{same_bytes} models came back byte for byte, {same_message} with initializers or value infos in another order"
    );
    assert!(same_bytes > 2000);
}

#[test]
fn what_is_omitted_declares_no_type() {
    let text = r#"<ir_version: 8, opset_import: ["" : 18]>
g (float[4] x) => (float[2] y) <float[2] a, float[2] b>
{ a, b = Split <num_outputs = 2> (x) y = Neg (b) }"#;
    let mut model = onnxpress::text::parse_model(text).unwrap();
    let split = model.graph.nodes().find(|(_, n)| n.op().is("Split")).unwrap().0;
    let first = model.graph.node(split).outputs()[0];
    model.graph.rename(first, "");
    let written = ModelProto::decode(&io::to_bytes(&model).unwrap()[..]).unwrap();
    let infos: Vec<String> = written.graph.unwrap().value_info.into_iter().filter_map(|v| v.name).collect();
    assert_eq!(infos, ["b"]);
}
