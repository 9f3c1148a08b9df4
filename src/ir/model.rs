//! A whole model: the graph, its functions and the opsets they are written in.

use super::{Attribute, Graph, Node, Residue, canonical_domain};

/// Opset imports in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opsets(Vec<(String, i64)>);

impl Opsets {
    /// No import.
    pub fn new() -> Self {
        Self::default()
    }

    /// The version imported for a domain; `ai.onnx` is the empty domain.
    pub fn get(&self, domain: &str) -> Option<i64> {
        self.0.iter().find(|(d, _)| canonical_domain(d) == canonical_domain(domain)).map(|(_, v)| *v)
    }

    /// Imports a domain at a version, or changes the version.
    pub fn set(&mut self, domain: &str, version: i64) {
        match self.0.iter_mut().find(|(d, _)| canonical_domain(d) == canonical_domain(domain)) {
            Some((_, v)) => *v = version,
            None => self.0.push((domain.to_owned(), version)),
        }
    }

    /// Takes back the import of a domain.
    pub fn remove(&mut self, domain: &str) {
        self.0.retain(|(d, _)| canonical_domain(d) != canonical_domain(domain));
    }

    /// Domain as spelled in the file, and version, in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(d, v)| (d.as_str(), *v))
    }
}

/// A model-local function. Its root region has inputs and outputs without types, and cannot see outside.
#[derive(Clone, Debug)]
pub struct Function {
    /// The domain of the op that it defines.
    pub domain: String,
    /// The op that it defines.
    pub name: String,
    /// Distinguishes functions of one name; empty for most.
    pub overload: String,
    /// The body.
    pub graph: Graph,
    /// Attributes without a default.
    pub attributes: Vec<String>,
    /// Attributes with a default.
    pub defaults: Vec<Attribute>,
    /// What the body is written in.
    pub opsets: Opsets,
    /// Doc string, metadata, value info and unknown fields.
    pub residue: Residue,
}

impl Function {
    /// Whether the node calls this function.
    pub fn is_called_by(&self, node: &Node) -> bool {
        let op = node.op();
        canonical_domain(&self.domain) == op.domain
            && self.name == op.name
            && *self.overload == **node.overload()
    }
}

/// A model.
#[derive(Clone, Debug)]
pub struct Model {
    /// The main graph with all bodies inside it.
    pub graph: Graph,
    /// Model-local functions, in file order.
    pub functions: Vec<Function>,
    /// What the main graph is written in.
    pub opsets: Opsets,
    /// `ModelProto.ir_version`.
    pub ir_version: i64,
    /// Producer, model version, doc string, metadata, training info and unknown fields.
    pub residue: Residue,
}

impl Model {
    /// An empty model of one opset of the default domain, at IR version 8.
    pub fn new(opset: i64) -> Self {
        let mut opsets = Opsets::new();
        opsets.set("", opset);
        Self {
            graph: Graph::new(),
            functions: Vec::new(),
            opsets,
            ir_version: 8,
            residue: Residue::default(),
        }
    }

    /// The main graph, then the functions' in order.
    pub fn graphs(&self) -> impl Iterator<Item = &Graph> {
        std::iter::once(&self.graph).chain(self.functions.iter().map(|f| &f.graph))
    }

    /// The imported version of the default domain; 1 where none is imported.
    pub fn opset(&self) -> i64 {
        self.opsets.get("").unwrap_or(1)
    }
}
