//! Constants, both ways: `float[2] {1, 2.5}`.
//!
//! As ONNX's own parser has it, numbers of 16 bits and less that are no integers (`float16`, `float8e4m3fn`, …) stand
//! there as the integer with their bits; `float16` and `bfloat16` may also be spelled with a point or an exponent.
//! A complex number is two numbers. Elements below a byte are unpacked.

use super::lexer::{Lexer, Literal};
use super::made;
use super::types::{TypeReader, is_type_word};
use super::write::{double, float, quoted, quoted_unless_plain};
use crate::error::Result;
use crate::ir::{Dim, Type};
use crate::tensor::{DType, Element, Tensor};
use half::{bf16, f16};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// A tensor whose type was read already. A name and a `=` before the values are skipped, as they are by ONNX's parser.
pub(super) fn read_after_type(lexer: &mut Lexer<'_>, at: usize, ty: &Type) -> Result<Tensor> {
    if !made::is_next(lexer) {
        lexer.optional_name()?;
    }
    lexer.eat("=");
    read_values(lexer, at, ty)
}

/// The initial value of something declared as `ty`. It may state its own type where the declared one is symbolic.
pub(super) fn read_initial(lexer: &mut Lexer<'_>, at: usize, ty: Option<&Type>) -> Result<Tensor> {
    let at_value = lexer.position();
    match (TypeReader::default().optional(lexer)?, ty) {
        (Some(own), _) => read_values(lexer, at_value, &own),
        (None, Some(declared)) => read_values(lexer, at, declared),
        (None, None) => Err(lexer.error_at(at, "a value needs a type")),
    }
}

/// A tensor with its type before it.
pub(super) fn read_typed(lexer: &mut Lexer<'_>) -> Result<Tensor> {
    let at = lexer.position();
    read_initial(lexer, at, None)
}

/// The dims of a type that has a value.
pub(super) fn sizes(lexer: &Lexer<'_>, at: usize, ty: &Type) -> Result<Vec<usize>> {
    let shape = match ty {
        Type::Tensor(t) | Type::SparseTensor(t) => t.shape.as_ref(),
        _ => None,
    };
    let dims = shape.and_then(|dims| dims.iter().map(fixed).collect());
    dims.ok_or_else(|| lexer.error_at(at, "the type of a value needs sizes that are numbers"))
}

/// Whether a tensor's values may follow a type here.
pub(super) fn values_are_next(lexer: &mut Lexer<'_>) -> bool {
    match lexer.peek() {
        Some(b'{' | b'=' | b'[' | b'"') => true,
        _ => lexer.peek_identifier().is_some_and(|word| !is_type_word(word)),
    }
}

fn read_values(lexer: &mut Lexer<'_>, at: usize, ty: &Type) -> Result<Tensor> {
    let dtype = ty.as_tensor().ok_or_else(|| lexer.error_at(at, "only a tensor may have a value"))?.dtype;
    let shape = sizes(lexer, at, ty)?;
    if let Some(tensor) = made::read(lexer, dtype, &shape)? {
        return Ok(tensor);
    }
    if lexer.peek() == Some(b'[') {
        return Err(lexer.error("external data has no place in a text: write the values"));
    }
    lexer.expect("{")?;
    let tensor = if dtype == DType::String {
        let mut strings = Vec::new();
        list(lexer, |lexer| {
            let at = lexer.position();
            match lexer.literal()? {
                Literal::Text(text) => strings.push(text.into()),
                _ => return Err(lexer.error_at(at, "expected a text in quotes")),
            }
            Ok(())
        })?;
        Tensor::from_strings(&shape, strings)
    } else {
        let mut sink = Packed::new(dtype);
        list(lexer, |lexer| {
            let at = lexer.position();
            let literal = lexer.literal()?;
            sink.push(lexer, at, &literal)
        })?;
        Tensor::from_bytes(dtype, &shape, sink.bytes)
    };
    tensor.map_err(|e| lexer.error_at(at, e.message()))
}

fn fixed(dim: &Dim) -> Option<usize> {
    usize::try_from(dim.as_fixed()?).ok()
}

fn list(lexer: &mut Lexer<'_>, mut item: impl FnMut(&mut Lexer<'_>) -> Result<()>) -> Result<()> {
    if lexer.eat("}") {
        return Ok(());
    }
    loop {
        if lexer.eat("...") {
            return Err(lexer.error("the values were left out when this text was printed"));
        }
        item(lexer)?;
        if !lexer.eat(",") {
            return lexer.expect("}");
        }
    }
}

/// Raw data that grows by one literal at a time.
struct Packed {
    dtype: DType,
    bytes: Vec<u8>,
    /// Bits in use, for elements below a byte.
    bits: usize,
}

impl Packed {
    fn new(dtype: DType) -> Self {
        Self { dtype, bytes: Vec::new(), bits: 0 }
    }

    fn push(&mut self, lexer: &Lexer<'_>, at: usize, literal: &Literal<'_>) -> Result<()> {
        let (digits, whole) = match literal {
            Literal::Int(digits) => (*digits, true),
            Literal::Float(digits) => (*digits, false),
            Literal::Text(_) => return Err(lexer.error_at(at, "expected a number")),
        };
        let out = &mut self.bytes;
        match self.dtype {
            DType::F32 | DType::C64 => lexer.finite::<f32>(at, digits)?.put(out),
            DType::F64 | DType::C128 => lexer.finite::<f64>(at, digits)?.put(out),
            DType::F16 if !whole => f16::from_f64(lexer.finite(at, digits)?).put(out),
            DType::BF16 if !whole => bf16::from_f64(lexer.finite(at, digits)?).put(out),
            _ if !whole => {
                return Err(lexer.error_at(at, format!("expected an integer for {}", self.dtype)));
            }
            DType::U64 => lexer.number::<u64>(at, digits)?.put(out),
            DType::I64 => lexer.number::<i64>(at, digits)?.put(out),
            _ => self.push_int(lexer, at, digits)?,
        }
        Ok(())
    }

    fn push_int(&mut self, lexer: &Lexer<'_>, at: usize, digits: &str) -> Result<()> {
        let value: i64 = lexer.number(at, digits)?;
        let width = if self.dtype == DType::Bool { 1 } else { self.dtype.bits() };
        let range = match self.dtype.is_signed_int() {
            true => -(1i64 << (width - 1))..1i64 << (width - 1),
            false => 0..1i64 << width,
        };
        if !range.contains(&value) {
            return Err(lexer.error_at(at, format!("{value} does not fit {}", self.dtype)));
        }
        let bits = self.dtype.bits();
        if bits >= 8 {
            self.bytes.extend_from_slice(&value.to_le_bytes()[..bits / 8]);
            return Ok(());
        }
        for bit in 0..bits {
            if self.bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let set = (value >> bit & 1) as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= set << (self.bits % 8);
            }
            self.bits += 1;
        }
        Ok(())
    }
}

/// How much of a tensor to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrintOptions {
    /// Tensors of more elements than this show the first ones only; all show everything where `None`.
    /// A text with elements left out cannot be parsed.
    pub elide: Option<usize>,
    /// Whether what is left out is stood for by a digest of the data, so that a change shows. Reads all data.
    pub digest: bool,
}

impl PrintOptions {
    /// For people: tensors of more than 16 elements are cut short, and a change of one shows.
    pub const SHORT: Self = Self { elide: Some(16), digest: true };
}

/// How many elements of an abbreviated tensor are shown.
const SHOWN: usize = 4;

/// Type and values, as in an attribute.
pub(super) fn tensor_text(tensor: &Tensor, options: PrintOptions) -> String {
    format!("{} {}", tensor_type(tensor), values_text(tensor, options))
}

/// The type of a constant.
pub(super) fn tensor_type(tensor: &Tensor) -> String {
    if tensor.rank() == 0 {
        return tensor.dtype().to_string();
    }
    let dims: Vec<String> = tensor.shape().iter().map(usize::to_string).collect();
    format!("{}[{}]", tensor.dtype(), dims.join(","))
}

/// The values in braces.
pub(super) fn values_text(tensor: &Tensor, options: PrintOptions) -> String {
    let elided = options.elide.is_some_and(|most| tensor.len() > most);
    if !elided {
        return format!("{{{}}}", elements_text(tensor, tensor.len()));
    }
    let mut out =
        format!("{{{}, ... {} in all", elements_text(tensor, SHOWN.min(tensor.len())), tensor.len());
    if options.digest {
        write!(out, ", sha256 {}", digest(tensor)).expect("writing to a String does not fail");
    }
    out + "}"
}

/// The first bytes of the SHA-256 of a tensor's data, in hexadecimal.
fn digest(tensor: &Tensor) -> String {
    let mut hasher = Sha256::new();
    for string in tensor.strings().unwrap_or_default() {
        hasher.update(string.len().to_le_bytes());
        hasher.update(string);
    }
    hasher.update(tensor.bytes().unwrap_or_default());
    hasher.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The first `count` elements.
fn elements_text(tensor: &Tensor, count: usize) -> String {
    if let Some(strings) = tensor.strings() {
        return join(strings[..count].iter(), |s| quoted(s));
    }
    let bytes = tensor.bytes().unwrap_or_default();
    let dtype = tensor.dtype();
    match dtype.bits() {
        0 => String::new(),
        bits @ 1..8 => join(0..count, |i| small(&bytes, i, bits, dtype.is_signed_int()).to_string()),
        bits => join(bytes.chunks_exact(bits / 8).take(count), |element| element_text(dtype, element)),
    }
}

fn join<T>(items: impl Iterator<Item = T>, text: impl Fn(T) -> String) -> String {
    let mut out = String::new();
    for (i, item) in items.enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        out.push_str(&text(item));
    }
    out
}

fn small(bytes: &[u8], index: usize, bits: usize, signed: bool) -> i64 {
    let first = index * bits;
    let raw =
        (0..bits).fold(0i64, |v, b| v | i64::from(bytes[(first + b) / 8] >> ((first + b) % 8) & 1) << b);
    let sign = if signed { 1i64 << (bits - 1) } else { 0 };
    (raw ^ sign) - sign
}

fn element_text(dtype: DType, element: &[u8]) -> String {
    match dtype {
        DType::F32 => float(f32::get(element)),
        DType::F64 => double(f64::get(element)),
        DType::C64 => join(element.chunks_exact(4), |part| float(f32::get(part))),
        DType::C128 => join(element.chunks_exact(8), |part| double(f64::get(part))),
        DType::I64 => i64::get(element).to_string(),
        DType::I32 => i32::get(element).to_string(),
        DType::I16 => i16::get(element).to_string(),
        DType::I8 => i8::get(element).to_string(),
        DType::Bool => u8::from(element[0] != 0).to_string(),
        _ => element.iter().rev().fold(0u64, |v, &b| v << 8 | u64::from(b)).to_string(),
    }
}

/// The initial value of an input: its own type is stated where the declared one is another.
pub(super) fn initial_text(tensor: &Tensor, declared: &str, options: PrintOptions) -> String {
    if tensor_type(tensor) == declared { values_text(tensor, options) } else { tensor_text(tensor, options) }
}

/// `type name = values`, as in a list of initializers.
pub(super) fn initializer_text(name: &str, tensor: &Tensor, options: PrintOptions) -> String {
    format!("{} {} = {}", tensor_type(tensor), quoted_unless_plain(name), values_text(tensor, options))
}
