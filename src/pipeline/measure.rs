//! Figures of a model's files.

use crate::ir::{Attr, Def, Graph, Model};
use crate::tensor::{Data, Tensor};
use std::collections::BTreeMap;

/// Every `NodeProto` in the file: bodies, functions and `Constant`s included.
pub(super) fn node_count(model: &Model) -> u64 {
    model.graphs().map(|g| g.len() as u64).sum()
}

/// Bytes of the data files that the model refers to, each counted once.
pub(super) fn data_bytes(model: &Model) -> u64 {
    let mut files: BTreeMap<&str, u64> = BTreeMap::new();
    for graph in model.graphs() {
        for tensor in tensors(graph) {
            if let Data::External(external) = tensor.data() {
                files.insert(&external.location, external.file.len() as u64);
            }
        }
    }
    files.values().sum()
}

fn tensors(graph: &Graph) -> impl Iterator<Item = &Tensor> {
    let initializers = graph.value_ids().filter_map(|v| match graph.value(v).def() {
        Def::Initializer { tensor, .. } | Def::Input { default: Some(tensor), .. } => Some(tensor),
        _ => None,
    });
    let attributes = graph.nodes().flat_map(|(_, n)| n.attrs()).filter_map(|a| match &a.value {
        Attr::Tensor(tensor) => Some(tensor),
        _ => None,
    });
    initializers.chain(attributes)
}
