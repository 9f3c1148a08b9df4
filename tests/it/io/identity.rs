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
