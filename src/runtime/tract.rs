//! tract: the embedded pure-Rust runtime, fallback and second opinion.
//!
//! It plans for concrete input shapes, so a session plans when it runs and keeps its last plan. tract panics on some
//! models; a panic is an answer, [`RunError::Unsupported`].

use super::{Limits, RunError, RunValue, Runtime, Session, SessionOptions, Source};
use crate::error::Error;
use crate::tensor::{DType, Tensor};
use bytes::Bytes;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
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
        if options.custom_ops.is_some() {
            return Err(RunError::Unsupported("custom operators".to_owned()));
        }
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
        Ok(Box::new(TractSession { model, inputs, outputs, optimize: options.optimize, plan: None }))
    }
}

type Signature = Vec<(DatumType, Vec<usize>)>;

struct TractSession {
    model: InferenceModel,
    inputs: Vec<String>,
    outputs: Vec<String>,
    optimize: bool,
    plan: Option<(Signature, Arc<TypedRunnableModel>)>,
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
        let results = guarded(|| {
            Ok(plan.run(values).map_err(|e| RunError::Failed(Error::new(format!("tract: {}", one_line(&e))))))
        })??;
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
        let signature: Signature =
            values.iter().map(|value| (value.datum_type(), value.shape().to_vec())).collect();
        if let Some((held, plan)) = &self.plan
            && *held == signature
        {
            return Ok(Arc::clone(plan));
        }
        let mut model = self.model.clone();
        let optimize = self.optimize;
        let plan = guarded(|| {
            for (index, (datum, shape)) in signature.iter().enumerate() {
                let fact = InferenceFact::dt_shape(*datum, shape.as_slice());
                model.set_input_fact(index, fact).map_err(unsupported)?;
            }
            let typed = if optimize { model.into_optimized() } else { model.into_typed() };
            typed.and_then(|typed| typed.into_runnable()).map_err(unsupported)
        })?;
        self.plan = Some((signature, Arc::clone(&plan)));
        Ok(plan)
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
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).try_for_each(check)?;
        }
    }
    Ok(())
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
    let bytes = tensor.bytes().unwrap_or_default();
    // SAFETY: a plain element type whose in-memory form is its raw data; a `Tensor` has as many bytes as its shape says.
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
    words.join(" ").chars().take(400).collect()
}

fn unsupported(error: impl std::fmt::Debug) -> RunError {
    RunError::Unsupported(format!("tract: {}", one_line(&error)))
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs tract's code; a panic in it is an answer and prints nothing.
fn guarded<T>(work: impl FnOnce() -> Result<T, RunError>) -> Result<T, RunError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(outer);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(RunError::Unsupported(format!(
            "tract: {}",
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        )))
    })
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
        assert!(!QUIET.get());
    }
}
