//! Models, functions, graphs and nodes.

use super::attribute;
use super::header::{self, Header};
use super::lexer::Lexer;
use super::scope::{Draft, Role};
use super::tensor;
use super::types::TypeReader;
use crate::error::Result;
use crate::ir::{
    Attribute, Function, Graph, Model, Name, NewNode, NewOutput, OpId, RegionId, Residue, Type, ValueId,
};
use crate::tensor::Tensor;
use rustc_hash::FxHashMap;

/// Graphs of models from this IR version on have initializers that are no inputs, and overridable ones that are.
const OVERRIDABLE_SINCE: i64 = 4;

/// Reads a model in ONNX's textual syntax.
///
/// # Errors
/// The text is not of the syntax or reads a name that stands for nothing; the message begins with `line:column`.
pub fn parse_model(text: &str) -> Result<Model> {
    let mut lexer = Lexer::new(text);
    let mut reader = Reader { lexer: &mut lexer, types: TypeReader::default(), ir_version: 0 };
    let header = header::read(reader.lexer)?;
    reader.ir_version = header.ir_version.unwrap_or(header::DEFAULT_IR_VERSION);
    let graph = reader.root_graph()?;
    let mut functions = Vec::new();
    while !reader.lexer.at_end() {
        functions.push(reader.function()?);
    }
    let ir_version = reader.ir_version;
    Ok(Model { graph, functions, ir_version, residue: header.model_residue(), opsets: header.opsets })
}

/// The state that all of a model's text shares.
pub(super) struct Reader<'l, 't> {
    pub(super) lexer: &'l mut Lexer<'t>,
    pub(super) types: TypeReader,
    ir_version: i64,
}

/// `type name = value` with everything but the name optional.
struct Declared {
    at: usize,
    name: String,
    ty: Option<Type>,
    initial: Option<Tensor>,
}

impl Reader<'_, '_> {
    fn root_graph(&mut self) -> Result<Graph> {
        let name = self.lexer.name("the name of a graph")?;
        let mut draft = Draft::default();
        self.graph(&mut draft, RegionId::ROOT, &name)?;
        draft.finish(self.lexer)
    }

    /// What follows the name of a graph, into `region`.
    pub(super) fn graph(&mut self, draft: &mut Draft, region: RegionId, name: &str) -> Result<()> {
        let inputs = self.declarations("(", ")")?;
        self.lexer.expect("=>")?;
        let outputs = self.declarations("(", ")")?;
        let infos = if self.lexer.peek() == Some(b'<') { self.declarations("<", ">")? } else { Vec::new() };
        draft.graph.describe_region(region, name, Residue::default());
        self.define(draft, region, inputs, infos)?;
        self.returns(draft, region, outputs)?;
        self.nodes(draft, region)
    }

    fn function(&mut self) -> Result<Function> {
        let header: Header = header::read(self.lexer)?;
        let name = self.lexer.name("the name of a function")?;
        let mut draft = Draft::default();
        let (attributes, defaults) = self.function_attributes(&mut draft)?;
        self.graph(&mut draft, RegionId::ROOT, "")?;
        Ok(Function {
            name,
            graph: draft.finish(self.lexer)?,
            attributes,
            defaults,
            residue: header.function_residue(),
            domain: header.domain.unwrap_or_default(),
            overload: header.overload.unwrap_or_default(),
            opsets: header.opsets,
        })
    }

    fn function_attributes(&mut self, draft: &mut Draft) -> Result<(Vec<String>, Vec<Attribute>)> {
        let (mut names, mut defaults) = (Vec::new(), Vec::new());
        if !self.lexer.eat("<") || self.lexer.eat(">") {
            return Ok((names, defaults));
        }
        loop {
            let name = self.lexer.name("the name of an attribute")?;
            match self.lexer.peek() {
                Some(b':' | b'=') => {
                    defaults.push(attribute::read(self, draft, &name)?);
                }
                _ => names.push(name),
            }
            if !self.lexer.eat(",") {
                self.lexer.expect(">")?;
                return Ok((names, defaults));
            }
        }
    }

    fn declarations(&mut self, open: &str, close: &str) -> Result<Vec<Declared>> {
        let mut list = Vec::new();
        self.lexer.expect(open)?;
        if self.lexer.eat(close) {
            return Ok(list);
        }
        loop {
            let ty = self.types.optional(self.lexer)?;
            let at = self.lexer.position();
            let name = self.lexer.name("the name of a value")?;
            // The arrow of a signature may follow a name where the parenthesis was forgotten: that is no value.
            let initial = if self.lexer.peek() == Some(b'=') && !self.lexer.clone().eat("=>") {
                self.lexer.expect("=")?;
                Some(tensor::read_initial(self.lexer, at, ty.as_ref())?)
            } else {
                None
            };
            list.push(Declared { at, name, ty, initial });
            if !self.lexer.eat(",") {
                self.lexer.expect(close)?;
                return Ok(list);
            }
        }
    }

    /// Adds inputs and initializers; what both lists name is an input with a value.
    fn define(
        &mut self,
        draft: &mut Draft,
        region: RegionId,
        mut inputs: Vec<Declared>,
        infos: Vec<Declared>,
    ) -> Result<()> {
        let mut initializers = Vec::new();
        let names: FxHashMap<String, usize> =
            inputs.iter().enumerate().map(|(i, input)| (input.name.clone(), i)).collect();
        for info in infos {
            match (names.get(&info.name), info.initial, info.ty) {
                (Some(&index), Some(initial), _) => inputs[index].initial = Some(initial),
                (None, Some(initial), _) => initializers.push((info.at, info.name, initial)),
                (_, None, Some(ty)) => draft.read(info.at, region, info.name, Role::Info(ty)),
                (_, None, None) => {}
            }
        }
        for input in inputs {
            let value = self.input(draft, region, &input);
            draft.define(self.lexer, input.at, region, &input.name, value)?;
        }
        for (at, name, initial) in initializers {
            let value = draft.graph.add_initializer(region, name.as_str(), initial);
            draft.define(self.lexer, at, region, &name, value)?;
        }
        Ok(())
    }

    fn input(&self, draft: &mut Draft, region: RegionId, input: &Declared) -> ValueId {
        let graph = &mut draft.graph;
        let Some(initial) = input.initial.clone() else {
            return graph.add_input(region, input.name.as_str(), input.ty.clone());
        };
        if region == RegionId::ROOT && self.ir_version >= OVERRIDABLE_SINCE {
            let value = graph.add_input(region, input.name.as_str(), input.ty.clone());
            graph.set_input_default(value, initial);
            return value;
        }
        let value = graph.add_initializer(region, input.name.as_str(), initial);
        graph.set_listed(value, true);
        graph.set_declared(value, input.ty.clone());
        value
    }

    fn returns(&mut self, draft: &mut Draft, region: RegionId, outputs: Vec<Declared>) -> Result<()> {
        for output in outputs {
            if output.initial.is_some() {
                return Err(self.lexer.error_at(output.at, "an output has no value of its own"));
            }
            draft.read(output.at, region, output.name, Role::Output(output.ty));
        }
        Ok(())
    }

    fn nodes(&mut self, draft: &mut Draft, region: RegionId) -> Result<()> {
        self.lexer.expect("{")?;
        while !self.lexer.eat("}") {
            self.node(draft, region)?;
        }
        Ok(())
    }

    fn node(&mut self, draft: &mut Draft, region: RegionId) -> Result<()> {
        let mut name = String::new();
        if self.lexer.eat("[") {
            name = self.lexer.optional_name()?.unwrap_or_default();
            self.lexer.expect("]")?;
        }
        let outputs = self.names()?;
        self.lexer.expect("=")?;
        let op = self.op()?;
        let overload = if self.lexer.eat(":") { self.lexer.name("an overload")? } else { String::new() };
        let mut attrs = attribute::read_list(self, draft)?;
        self.lexer.expect("(")?;
        let inputs = self.names()?;
        self.lexer.expect(")")?;
        if attrs.is_empty() {
            attrs = attribute::read_list(self, draft)?;
        }
        let id = draft.graph.add_node(
            region,
            NewNode {
                name: name.into(),
                overload: overload.into(),
                attrs,
                ..NewNode::new(
                    op,
                    vec![None; inputs.len()],
                    outputs.iter().map(|(_, name)| NewOutput::named(Name::from(name.as_str()))).collect(),
                )
            },
        );
        let values = draft.graph.node(id).outputs().to_vec();
        for ((at, name), value) in outputs.iter().zip(values) {
            draft.define(self.lexer, *at, region, name, value)?;
        }
        for (index, (at, name)) in inputs.into_iter().enumerate().filter(|(_, (_, name))| !name.is_empty()) {
            draft.read(at, region, name, Role::Operand(id, index));
        }
        Ok(())
    }

    /// `domain.Op`, where a domain may have points of its own.
    fn op(&mut self) -> Result<OpId> {
        let mut name = self.lexer.name("an op")?;
        let mut domain = String::new();
        while self.lexer.eat(".") {
            if !domain.is_empty() {
                domain.push('.');
            }
            domain.push_str(&name);
            name = self.lexer.name("an op")?;
        }
        Ok(OpId::intern(&domain, &name))
    }

    /// Names between commas. An empty one is `""` or nothing before a comma; a comma behind the last is skipped.
    fn names(&mut self) -> Result<Vec<(usize, String)>> {
        let mut names = Vec::new();
        loop {
            let at = self.lexer.position();
            match self.lexer.optional_name()? {
                Some(name) => names.push((at, name)),
                None if self.lexer.peek() == Some(b',') => names.push((at, String::new())),
                None => return Ok(names),
            }
            if !self.lexer.eat(",") {
                return Ok(names);
            }
        }
    }
}
