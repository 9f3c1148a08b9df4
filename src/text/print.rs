//! Models to text, in the form that [`parse_model`](super::parse_model) reads.

use super::attribute::{is_list, kind_word};
use super::header;
use super::tensor::{PrintOptions, initial_text, initializer_text, tensor_text};
use super::types::type_text;
use super::write::{float, float_attribute, quoted, quoted_unless_identifier, quoted_unless_plain};
use crate::ir::{
    Attr, AttrKind, Attribute, Def, Function, Graph, Model, Names, Node, NodeId, RegionId, SparseTensor,
    ValueId, topological,
};
use rustc_hash::FxHashSet;

/// The whole model.
pub fn print_model(model: &Model, options: PrintOptions) -> String {
    let mut out = header::model_text(model);
    out.push_str(&print_graph(&model.graph, options));
    for function in &model.functions {
        out.push_str(&print_function(function, options));
    }
    out
}

/// A graph with the bodies inside it, without head and functions.
pub fn print_graph(graph: &Graph, options: PrintOptions) -> String {
    let mut printer = Printer::new(graph, options);
    printer.region(RegionId::ROOT);
    printer.line("");
    printer.out
}

fn print_function(function: &Function, options: PrintOptions) -> String {
    let mut printer = Printer::new(&function.graph, options);
    printer.out.push_str(&header::function_text(function));
    printer.out.push_str(&quoted_unless_plain(&function.name));
    if !function.attributes.is_empty() || !function.defaults.is_empty() {
        let names = function.attributes.iter().map(|name| quoted_unless_plain(name));
        printer.out.push_str(" <");
        printer.out.push_str(&names.collect::<Vec<_>>().join(", "));
        if !function.attributes.is_empty() && !function.defaults.is_empty() {
            printer.out.push_str(", ");
        }
        printer.attributes(&function.defaults);
        printer.out.push('>');
    }
    printer.signature(RegionId::ROOT);
    printer.line("");
    printer.out
}

struct Printer<'g> {
    graph: &'g Graph,
    names: Names,
    options: PrintOptions,
    depth: usize,
    out: String,
}

impl<'g> Printer<'g> {
    fn new(graph: &'g Graph, options: PrintOptions) -> Self {
        Self { graph, names: Names::of(graph), options, depth: 0, out: String::new() }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn indent(&mut self) {
        self.out.push_str(&"    ".repeat(self.depth));
    }

    fn name(&self, value: ValueId) -> String {
        quoted_unless_plain(self.names.get(value))
    }

    fn region(&mut self, region: RegionId) {
        self.out.push_str(&quoted_unless_plain(self.graph.region(region).name()));
        self.signature(region);
    }

    /// Inputs, outputs, values and nodes; a line is not ended.
    fn signature(&mut self, region: RegionId) {
        let inputs: Vec<String> = self.inputs(region).into_iter().map(|v| self.input(v)).collect();
        let outputs: Vec<String> =
            self.graph.region(region).outputs().map(|v| self.output(region, v)).collect();
        self.line(&format!(" ({}) => ({})", inputs.join(", "), outputs.join(", ")));
        let nodes = self.nodes(region);
        let values = self.values(region, &nodes);
        if !values.is_empty() {
            self.indent();
            self.line("<");
            self.entries(&values);
            self.indent();
            self.line(">");
        }
        self.indent();
        self.line("{");
        self.depth += 1;
        for node in nodes {
            self.node(self.graph.node(node));
        }
        self.depth -= 1;
        self.indent();
        self.out.push('}');
    }

    fn entries(&mut self, entries: &[String]) {
        self.depth += 1;
        for (i, entry) in entries.iter().enumerate() {
            self.indent();
            self.out.push_str(entry);
            self.line(if i + 1 < entries.len() { "," } else { "" });
        }
        self.depth -= 1;
    }

    /// Nodes in their order; where a cycle leaves none, as they were added.
    fn nodes(&self, region: RegionId) -> Vec<NodeId> {
        topological(self.graph, region)
            .unwrap_or_else(|_| self.graph.nodes_in(region).map(|(id, _)| id).collect())
    }

    /// Inputs and the initializers that are listed among them, where they stood.
    fn inputs(&self, region: RegionId) -> Vec<ValueId> {
        let mut listed = self.graph.initializers(region).filter(|&v| self.is_listed(v)).peekable();
        let mut inputs = Vec::new();
        for &input in self.graph.region(region).inputs() {
            inputs.extend(std::iter::from_fn(|| listed.next_if(|l| *l < input)));
            inputs.push(input);
        }
        inputs.extend(listed);
        inputs
    }

    fn is_listed(&self, value: ValueId) -> bool {
        matches!(self.graph.value(value).def(), Def::Initializer { listed: true, .. })
    }

    fn input(&self, value: ValueId) -> String {
        let declared = self.declared(value);
        let initial = match self.graph.value(value).def() {
            Def::Input { default: Some(tensor), .. } | Def::Initializer { tensor, .. } => {
                let declared = declared.as_deref().unwrap_or_default();
                format!(" = {}", initial_text(tensor, declared, self.options))
            }
            _ => String::new(),
        };
        format!("{}{initial}", self.typed(value, declared))
    }

    /// The type is declared where the value is at home.
    fn output(&self, region: RegionId, value: ValueId) -> String {
        let here = self.graph.region_of(value) == Some(region);
        self.typed(value, self.declared(value).filter(|_| here))
    }

    fn declared(&self, value: ValueId) -> Option<String> {
        self.graph.value(value).declared().map(type_text)
    }

    fn typed(&self, value: ValueId, ty: Option<String>) -> String {
        match ty {
            Some(ty) => format!("{ty} {}", self.name(value)),
            None => self.name(value),
        }
    }

    /// Initializers, and the types that are declared of what is neither input nor output.
    fn values(&self, region: RegionId, nodes: &[NodeId]) -> Vec<String> {
        let returned: FxHashSet<ValueId> = self.graph.region(region).outputs().collect();
        let mut entries = Vec::new();
        for value in self.graph.initializers(region).filter(|&v| !self.is_listed(v)) {
            if let Def::Initializer { tensor, .. } = self.graph.value(value).def() {
                entries.push(initializer_text(self.names.get(value), tensor, self.options));
            }
        }
        let inner = nodes.iter().flat_map(|&node| self.graph.node(node).outputs());
        for &value in inner.filter(|v| !returned.contains(v) && !self.names.get(**v).is_empty()) {
            entries.extend(self.declared(value).map(|ty| format!("{ty} {}", self.name(value))));
        }
        entries
    }

    fn node(&mut self, node: &Node) {
        self.indent();
        if !node.name().is_empty() {
            self.out.push_str(&format!("[{}] ", quoted_unless_plain(node.name())));
        }
        let outputs: Vec<String> = node.outputs().iter().map(|&v| self.name(v)).collect();
        self.out.push_str(&format!("{} = {}", outputs.join(", "), op_text(node)));
        let inputs: Vec<String> =
            node.inputs().map(|v| v.map_or_else(|| "\"\"".into(), |v| self.name(v))).collect();
        let inputs = format!(" ({})", inputs.join(", "));
        if node.regions().next().is_some() {
            self.out.push_str(&inputs);
            self.attribute_lines(node.attrs());
        } else {
            if !node.attrs().is_empty() {
                self.out.push_str(" <");
                self.attributes(node.attrs());
                self.out.push('>');
            }
            self.out.push_str(&inputs);
        }
        self.line("");
    }

    /// Attributes with bodies among them, each on a line of its own.
    fn attribute_lines(&mut self, attrs: &[Attribute]) {
        self.out.push_str(" <");
        self.depth += 1;
        for (i, attribute) in attrs.iter().enumerate() {
            self.line(if i > 0 { "," } else { "" });
            self.indent();
            self.named(attribute);
        }
        self.depth -= 1;
        self.out.push('>');
    }

    fn attributes(&mut self, attrs: &[Attribute]) {
        for (i, attribute) in attrs.iter().enumerate() {
            self.out.push_str(if i > 0 { ", " } else { "" });
            self.named(attribute);
        }
    }

    fn named(&mut self, attribute: &Attribute) {
        self.out.push_str(&quoted_unless_identifier(&attribute.name));
        self.attribute(&attribute.value);
    }

    fn attribute(&mut self, value: &Attr) {
        let (kind, word) = (value.kind(), kind_word(value.kind()));
        let text = match value {
            Attr::Ref(name, _) => {
                self.out.push_str(&format!(": {word} = @{}", quoted_unless_identifier(name)));
                return;
            }
            Attr::Region(body) => return self.bodies(" = ", std::slice::from_ref(body), ""),
            Attr::Regions(bodies) if !bodies.is_empty() => return self.bodies(": graphs = [", bodies, "]"),
            Attr::Float(v) => float_attribute(*v),
            Attr::Int(v) => v.to_string(),
            Attr::String(v) => quoted(v),
            Attr::Tensor(v) => tensor_text(v, self.options),
            Attr::SparseTensor(v) => self.sparse_tensor(v),
            Attr::Type(v) => type_text(v),
            Attr::Floats(v) => list(v, |v| float(*v)),
            Attr::Ints(v) => list(v, i64::to_string),
            Attr::Strings(v) => list(v, |v| quoted(v)),
            Attr::Tensors(v) => list(v, |v| tensor_text(v, self.options)),
            Attr::SparseTensors(v) => list(v, |v| self.sparse_tensor(v)),
            Attr::Types(v) => list(v, type_text),
            Attr::Regions(_) => "[]".into(),
        };
        // Said where the values alone would not, to us or to ONNX's own parser.
        let stated = text == "[]" || !matches!(kind, AttrKind::Ints | AttrKind::Strings) && is_list(kind);
        self.out.push_str(&if stated { format!(": {word} = {text}") } else { format!(" = {text}") });
    }

    fn bodies(&mut self, open: &str, bodies: &[RegionId], close: &str) {
        self.out.push_str(open);
        for (i, body) in bodies.iter().enumerate() {
            self.out.push_str(if i > 0 { ", " } else { "" });
            self.region(*body);
        }
        self.out.push_str(close);
    }

    fn sparse_tensor(&self, sparse: &SparseTensor) -> String {
        let dims: Vec<String> = sparse.dims.iter().map(usize::to_string).collect();
        let dims = if dims.is_empty() { String::new() } else { format!("[{}]", dims.join(",")) };
        let (indices, values) =
            (tensor_text(&sparse.indices, self.options), tensor_text(&sparse.values, self.options));
        format!("sparse_tensor({}{dims}) ({indices}, {values})", sparse.values.dtype())
    }
}

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(text).collect();
    format!("[{}]", items.join(", "))
}

/// `domain.Op:overload`; a domain that is not made of identifiers is quoted as a whole.
fn op_text(node: &Node) -> String {
    let op = node.op();
    let mut text = quoted_unless_identifier(op.name);
    if !op.domain.is_empty() {
        let parts = op.domain.split('.').all(|part| quoted_unless_identifier(part) == part);
        let domain = if parts { op.domain.to_owned() } else { quoted_unless_identifier(op.domain) };
        text = format!("{domain}.{text}");
    }
    match node.overload() {
        overload if overload.is_empty() => text,
        overload => format!("{text}:{}", quoted_unless_identifier(overload)),
    }
}
