//! tract: the embedded pure-Rust runtime, fallback and second opinion.
//!
//! It plans for concrete input shapes, so a session plans when it runs and keeps its last plan. tract panics on some
//! models; a panic is an answer, [`RunError::Unsupported`].

use super::{Limits, Optimization, RunError, RunValue, Runtime, Session, SessionOptions, Source, raw};
use crate::error::Error;
use crate::foreign;
use crate::tensor::{DType, Tensor};
use bytes::Bytes;
use std::sync::Arc;
use tract_onnx::pb;
use tract_onnx::prelude::*;

const NAME: &str = "tract 0.23.9";

/// The domains whose operators tract knows; it ignores the domain of a node and would take another's for one of these.
const DOMAINS: &[&str] = &["", "ai.onnx", "ai.onnx.ml"];

/// tract checks no versions; these are the newest whose node tests it was tried with.
const LIMITS: Limits = Limits { ir_version: 13, opset: 26, ml_opset: 5 };

/// The embedded runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct TractRuntime;

impl TractRuntime {
    /// The embedded runtime.
    pub fn new() -> Self {
        Self
    }
}

impl Runtime for TractRuntime {
    fn name(&self) -> &str {
        NAME
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn session(&self, model: &Source, options: &SessionOptions) -> Result<Box<dyn Session>, RunError> {
        let bytes = match model {
            Source::File(path) => std::fs::read(path).map_err(|e| Error::from(e).in_file(path))?.into(),
            Source::Bytes { model, .. } => model.clone(),
        };
        let framework = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        let proto = guarded(|| Ok(framework.proto_model_for_read(&mut &*bytes)))?
            .map_err(|e| Error::new(format!("{e:#}")))?;
        let graph = proto.graph.as_ref().ok_or_else(|| Error::new("the model has no graph"))?;
        check(graph)?;
        if let Some(newer) = proto.opset_import.iter().find(|import| import.version > newest(&import.domain))
        {
            return Err(RunError::Unsupported(format!("opset {} of '{}'", newer.version, newer.domain)));
        }
        let given: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let inputs = graph.input.iter().map(|input| input.name.clone());
        let inputs = inputs.filter(|name| !given.contains(&name.as_str())).collect();
        let outputs = graph.output.iter().map(|output| output.name.clone()).collect();
        let model = guarded(|| framework.model_for_proto_model(&proto).map_err(unsupported))?;
        Ok(Box::new(TractSession {
            model,
            inputs,
            outputs,
            optimize: options.optimize != Optimization::None,
            plan: None,
        }))
    }
}

/// What a plan was made for: an input's type and shape, and its value where the plan depends on it.
#[derive(PartialEq)]
struct Planned {
    datum: DatumType,
    shape: Vec<usize>,
    value: Option<Arc<tract_onnx::prelude::Tensor>>,
}

/// Integers of at most this many elements may be axes, shapes, pads or indices, without which tract cannot plan.
const MOST_FIXED: usize = 64;

impl Planned {
    fn of(value: &TValue, fix: bool) -> Self {
        let fixed = fix && value.datum_type().is_integer() && value.rank() <= 1 && value.len() <= MOST_FIXED;
        let held = fixed.then(|| value.clone().into_arc_tensor());
        Self { datum: value.datum_type(), shape: value.shape().to_vec(), value: held }
    }

    fn fact(&self) -> InferenceFact {
        match &self.value {
            Some(value) => InferenceFact::from(tract_onnx::prelude::Tensor::clone(value)),
            None => InferenceFact::dt_shape(self.datum, self.shape.as_slice()),
        }
    }

    fn fits(&self, value: &TValue) -> bool {
        self.datum == value.datum_type()
            && self.shape == value.shape()
            && self.value.as_ref().is_none_or(|held| **held == **value)
    }
}

struct TractSession {
    model: InferenceModel,
    inputs: Vec<String>,
    outputs: Vec<String>,
    optimize: bool,
    plan: Option<(Vec<Planned>, Arc<TypedRunnableModel>)>,
}

impl Session for TractSession {
    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&mut self, feeds: &[(&str, &RunValue)], outputs: &[&str]) -> Result<Vec<RunValue>, RunError> {
        if let Some((name, _)) = feeds.iter().find(|(name, _)| !self.inputs.iter().any(|input| input == name))
        {
            return Err(RunError::Unsupported(format!("'{name}' is fed and no required input")));
        }
        let mut values: TVec<TValue> = TVec::new();
        for name in &self.inputs {
            let feed = feeds.iter().find(|(fed, _)| fed == name).map(|(_, value)| value);
            let feed = feed.ok_or_else(|| Error::new("the input is not fed").at(name))?;
            values.push(write(feed)?.into_tvalue());
        }
        let plan = self.plan_for(&values)?;
        let results = guarded(|| plan.run(values).map_err(evaluation))?;
        outputs
            .iter()
            .map(|name| {
                let at = self.outputs.iter().position(|output| output == name);
                let value = at.and_then(|at| results.get(at));
                read(value.ok_or_else(|| Error::new("the model has no such output").at(*name))?)
            })
            .collect()
    }
}

impl TractSession {
    fn plan_for(&mut self, values: &[TValue]) -> Result<Arc<TypedRunnableModel>, RunError> {
        if let Some((planned, plan)) = &self.plan
            && planned.iter().zip(values).all(|(planned, value)| planned.fits(value))
        {
            return Ok(Arc::clone(plan));
        }
        let inputs = |fix| values.iter().map(|value| Planned::of(value, fix)).collect::<Vec<_>>();
        let mut planned = inputs(false);
        let mut plan = self.plan(&planned);
        if plan.is_err() {
            let fixed = inputs(true);
            if fixed.iter().any(|input| input.value.is_some()) {
                plan = self.plan(&fixed);
                planned = fixed;
            }
        }
        let plan = plan?;
        self.plan = Some((planned, Arc::clone(&plan)));
        Ok(plan)
    }

    fn plan(&self, inputs: &[Planned]) -> Result<Arc<TypedRunnableModel>, RunError> {
        let mut model = self.model.clone();
        guarded(|| {
            for (index, input) in inputs.iter().enumerate() {
                model.set_input_fact(index, input.fact()).map_err(unsupported)?;
            }
            let typed = if self.optimize { model.into_optimized() } else { model.into_typed() };
            typed.and_then(|typed| typed.into_runnable()).map_err(unsupported)
        })
    }
}

fn newest(domain: &str) -> i64 {
    match domain {
        "" | "ai.onnx" => LIMITS.opset,
        "ai.onnx.ml" => LIMITS.ml_opset,
        _ => i64::MAX,
    }
}

/// Refuses what tract would take for something else.
fn check(graph: &pb::GraphProto) -> Result<(), RunError> {
    if let Some(tensor) = graph.initializer.iter().find(|tensor| !tensor.external_data.is_empty()) {
        return Err(RunError::Unsupported(format!("external data of '{}'", tensor.name)));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(RunError::Unsupported("sparse initializers".to_owned()));
    }
    for node in &graph.node {
        if !DOMAINS.contains(&node.domain.as_str()) {
            return Err(RunError::Unsupported(format!("{}:{}", node.domain, node.op_type)));
        }
        if is_misread(node) {
            return Err(RunError::Unsupported(format!("this form of {}", node.op_type)));
        }
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).try_for_each(check)?;
        }
    }
    Ok(())
}

/// What tract 0.23.9 runs without an error and with other results than the node tests of ONNX.
fn is_misread(node: &pb::NodeProto) -> bool {
    match node.op_type.as_str() {
        "Attention" => true,
        "GRU" | "LSTM" | "RNN" => node.attribute.iter().any(|a| a.name == "direction" && a.s == b"reverse"),
        _ => false,
    }
}

fn datum(dtype: DType) -> Option<DatumType> {
    Some(match dtype {
        DType::F32 => DatumType::F32,
        DType::F64 => DatumType::F64,
        DType::F16 => DatumType::F16,
        DType::I8 => DatumType::I8,
        DType::I16 => DatumType::I16,
        DType::I32 => DatumType::I32,
        DType::I64 => DatumType::I64,
        DType::U8 => DatumType::U8,
        DType::U16 => DatumType::U16,
        DType::U32 => DatumType::U32,
        DType::U64 => DatumType::U64,
        DType::Bool => DatumType::Bool,
        _ => return None,
    })
}

fn write(value: &RunValue) -> Result<tract_onnx::prelude::Tensor, RunError> {
    let RunValue::Tensor(tensor) = value else {
        return Err(RunError::Unsupported("inputs that are no tensors".to_owned()));
    };
    if let Some(strings) = tensor.strings() {
        let texts =
            strings.iter().map(|text| String::from_utf8(text.to_vec())).collect::<Result<Vec<_>, _>>();
        let texts = texts.map_err(|_| RunError::Unsupported("strings that are not UTF-8".to_owned()))?;
        let array = tract_ndarray::ArrayD::from_shape_vec(tensor.shape(), texts).map_err(unsupported)?;
        return Ok(array.into_tensor());
    }
    let datum = datum(tensor.dtype())
        .ok_or_else(|| RunError::Unsupported(format!("tensors of {}", tensor.dtype())))?;
    let bytes = raw(tensor).unwrap_or_default();
    // SAFETY: a plain element type whose in-memory form is its raw data, booleans 0 or 1; a `Tensor` has as many bytes as its shape says.
    unsafe { tract_onnx::prelude::Tensor::from_raw_dt(datum, tensor.shape(), &bytes) }.map_err(unsupported)
}

fn read(value: &TValue) -> Result<RunValue, RunError> {
    if value.datum_type() == DatumType::String {
        let texts = value.to_plain_array_view::<String>().map_err(unsupported)?;
        let texts: Vec<Bytes> = texts.iter().map(|text| Bytes::from(text.clone())).collect();
        return Ok(RunValue::Tensor(Tensor::from_strings(value.shape(), texts)?));
    }
    let plain =
        if value.datum_type() == DatumType::TDim { DatumType::I64 } else { value.datum_type().unquantized() };
    let dtype = DType::ALL.iter().copied().find(|&t| datum(t) == Some(plain));
    let dtype = dtype.ok_or_else(|| RunError::Unsupported(format!("outputs of {plain:?}")))?;
    let cast;
    let held = if value.datum_type() == DatumType::TDim {
        cast = value.cast_to_dt(plain).map_err(unsupported)?;
        &*cast
    } else {
        &**value
    };
    let bytes = Bytes::copy_from_slice(held.try_as_plain_ram().map_err(unsupported)?.as_bytes());
    Ok(RunValue::Tensor(Tensor::from_bytes(dtype, held.shape(), bytes)?))
}

fn one_line(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    let lines = text.lines().take_while(|line| !line.starts_with("Stack backtrace"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").chars().take(200).collect()
}

fn unsupported(error: impl std::fmt::Debug) -> RunError {
    RunError::Unsupported(format!("tract: {}", one_line(&error)))
}

/// A plan that does not run to its end: what tract leaves out, or inputs that the model does not take.
fn evaluation(error: TractError) -> RunError {
    let text = format!("tract: {}", one_line(&error));
    if ["not supported", "not a number", "nimplemented"].iter().any(|part| text.contains(part)) {
        return RunError::Unsupported(text);
    }
    RunError::Failed(Error::new(text))
}

/// Runs tract's code; a panic in it is an answer and prints nothing.
fn guarded<T>(work: impl FnOnce() -> Result<T, RunError>) -> Result<T, RunError> {
    foreign::guarded(work).unwrap_or_else(|text| Err(RunError::Unsupported(format!("tract: {text}"))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_name_tells_the_locked_version() {
        let lock: toml::Table =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).parse().unwrap();
        let packages = lock["package"].as_array().unwrap();
        let tract = packages.iter().find(|package| package["name"].as_str() == Some("tract-onnx")).unwrap();
        assert_eq!(NAME, format!("tract {}", tract["version"].as_str().unwrap()));
    }

    #[test]
    fn a_panic_is_an_answer() {
        let answer = guarded::<()>(|| panic!("index out of bounds"));
        assert!(matches!(answer, Err(RunError::Unsupported(why)) if why.contains("out of bounds")));
    }
}
