//! `TensorProto` and `SparseTensorProto` read in place: raw or typed fields, the result is the same tensor.

use bytes::Bytes;
use prost::Message as _;

use super::external::{Entries, ExternalFiles};
use crate::error::{Error, Result};
use crate::ir::SparseTensor;
use crate::proto::TensorProto;
use crate::proto::wire::{Field, Message};
use crate::tensor::{DType, Data, Tensor, element_count};

/// A tensor as it stands in a file.
pub(crate) struct ReadTensor {
    pub(crate) name: String,
    pub(crate) tensor: Tensor,
    /// Whether the message has nothing but dims, type and raw data, so that writing the tensor gives it back.
    pub(crate) plain: bool,
}

/// The tensor of a message that is not part of a model, such as a stored test input; its name may be empty.
///
/// # Errors
/// The data do not fit type and dims, or lie in an external file.
pub fn tensor_from_proto(proto: &TensorProto) -> Result<(String, Tensor)> {
    let read = read(&Message::new(proto.encode_to_vec().into()), &mut ExternalFiles::beside(None))?;
    Ok((read.name, read.tensor))
}

/// Reads an encoded `TensorProto`; the error names the tensor.
pub(crate) fn read(message: &Message, files: &mut ExternalFiles) -> Result<ReadTensor> {
    let parts = Parts::read(message)?;
    let name = parts.name.clone();
    let plain = parts.plain;
    match parts.tensor(files) {
        Ok(tensor) => Ok(ReadTensor { name, tensor, plain }),
        Err(e) if name.is_empty() => Err(e),
        Err(e) => Err(e.at(name)),
    }
}

/// Reads an encoded `SparseTensorProto`; gives its name too, which is that of its values.
pub(crate) fn read_sparse(message: &Message, files: &mut ExternalFiles) -> Result<(String, SparseTensor)> {
    let (mut values, mut indices, mut dims) = (None, None, Vec::new());
    for field in message.fields() {
        let field = field?;
        match field.number() {
            1 => values = Some(read(&field.message()?, files)?),
            2 => indices = Some(read(&field.message()?, files)?.tensor),
            3 => field.varints(&mut dims)?,
            _ => {}
        }
    }
    let incomplete =
        || Error::new("a sparse tensor without values or indices").with_help("export the model again");
    let (values, indices) = (values.ok_or_else(incomplete)?, indices.ok_or_else(incomplete)?);
    let dims = shape(&dims).map_err(|e| e.at(values.name.clone()))?;
    Ok((values.name, SparseTensor { dims, values: values.tensor, indices }))
}

/// Dims from a file: neither negative nor larger than the address space.
fn shape(dims: &[u64]) -> Result<Vec<usize>> {
    let signed: Vec<i64> = dims.iter().map(|&d| d as i64).collect();
    let shape: Option<Vec<usize>> = signed.iter().map(|&d| usize::try_from(d).ok()).collect();
    shape.filter(|s| element_count(s).is_some()).ok_or_else(|| {
        Error::new(format!("the dims {signed:?} are negative or overflow"))
            .with_help("the model is damaged; export it again")
    })
}

struct Parts {
    name: String,
    dims: Vec<u64>,
    code: i32,
    raw: Option<Bytes>,
    /// `float_data`, little-endian.
    floats: Payload,
    /// `double_data`, little-endian.
    doubles: Payload,
    int32: Vec<u64>,
    int64: Vec<u64>,
    uint64: Vec<u64>,
    strings: Vec<Bytes>,
    external: bool,
    entries: Entries,
    plain: bool,
}

/// Pieces of a repeated fixed-width field; one piece, the usual case, stays a slice of the file.
#[derive(Default)]
struct Payload(Vec<Bytes>);

impl Payload {
    fn joined(self) -> Bytes {
        match <[Bytes; 1]>::try_from(self.0) {
            Ok([one]) => one,
            Err(many) => many.concat().into(),
        }
    }
}

impl Parts {
    fn read(message: &Message) -> Result<Self> {
        let mut parts = Self {
            name: String::new(),
            dims: Vec::new(),
            code: 0,
            raw: None,
            floats: Payload::default(),
            doubles: Payload::default(),
            int32: Vec::new(),
            int64: Vec::new(),
            uint64: Vec::new(),
            strings: Vec::new(),
            external: false,
            entries: Entries::default(),
            plain: true,
        };
        for field in message.fields() {
            parts.field(&field?)?;
        }
        Ok(parts)
    }

    fn field(&mut self, field: &Field<'_>) -> Result<()> {
        self.plain &= matches!(field.number(), 1 | 2 | 9);
        match field.number() {
            1 => field.varints(&mut self.dims)?,
            2 => self.code = field.int32()?,
            3 => {
                return Err(Error::new("a tensor in segments, which no runtime reads")
                    .with_help("export the model again"));
            }
            4 => self.floats.0.push(field.fixed(4)?),
            5 => field.varints(&mut self.int32)?,
            6 => self.strings.push(field.bytes()?),
            7 => field.varints(&mut self.int64)?,
            8 => self.name = field.text()?.to_owned(),
            9 => self.raw = Some(field.bytes()?),
            10 => self.doubles.0.push(field.fixed(8)?),
            11 => field.varints(&mut self.uint64)?,
            13 => self.entry(&field.message()?)?,
            14 => self.external = field.int32()? == 1,
            _ => {}
        }
        Ok(())
    }

    fn entry(&mut self, message: &Message) -> Result<()> {
        let (mut key, mut value) = (String::new(), String::new());
        for field in message.fields() {
            let field = field?;
            match field.number() {
                1 => key = field.text()?.to_owned(),
                2 => value = field.text()?.to_owned(),
                _ => {}
            }
        }
        match key.as_str() {
            "location" => self.entries.location = Some(value),
            "offset" => self.entries.offset = Some(value),
            "length" => self.entries.length = Some(value),
            _ => {}
        }
        Ok(())
    }

    fn tensor(self, files: &mut ExternalFiles) -> Result<Tensor> {
        let shape = shape(&self.dims)?;
        let dtype = DType::from_code(self.code).ok_or_else(|| {
            Error::new(format!("a tensor of the unknown element type {}", self.code))
                .with_help("it is newer than this version knows, or the model is damaged")
        })?;
        let data = match dtype {
            DType::String if self.external || self.raw.is_some() => {
                return Err(Error::new("a string tensor with raw or external data")
                    .with_help("export the model again"));
            }
            DType::String => Data::Strings(self.strings.into()),
            _ if self.external => Data::External(files.resolve(&self.entries, byte_len(dtype, &shape)?)?),
            _ => Data::Bytes(self.raw_or_typed(dtype)),
        };
        Tensor::new(dtype, &shape, data).map_err(|e| e.with_help("the model is damaged; export it again"))
    }

    fn raw_or_typed(self, dtype: DType) -> Bytes {
        if let Some(raw) = self.raw.filter(|r| !r.is_empty()) {
            return raw;
        }
        match dtype {
            DType::F32 | DType::C64 => self.floats.joined(),
            DType::F64 | DType::C128 => self.doubles.joined(),
            DType::I64 => little_endian(&self.int64, 8),
            DType::U32 => little_endian(&self.uint64, 4),
            DType::U64 => little_endian(&self.uint64, 8),
            DType::F6E2M3 | DType::F6E3M2 => packed_6_bits(&self.int32),
            _ => little_endian(&self.int32, dtype.bits().div_ceil(8)),
        }
    }
}

fn byte_len(dtype: DType, shape: &[usize]) -> Result<usize> {
    element_count(shape)
        .and_then(|n| dtype.byte_len(n))
        .ok_or_else(|| Error::new(format!("the dims {shape:?} overflow")))
}

/// The low `width` bytes of each number. Types below a byte are stored packed, one byte to a number.
fn little_endian(numbers: &[u64], width: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(numbers.len() * width);
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes()[..width]);
    }
    bytes.into()
}

/// 6-bit types have one element in a number, and four in three bytes of raw data, first element in the low bits.
fn packed_6_bits(numbers: &[u64]) -> Bytes {
    let mut bytes = Vec::with_capacity((numbers.len() * 6).div_ceil(8));
    for four in numbers.chunks(4) {
        let bits = four.iter().rev().fold(0u64, |bits, n| bits << 6 | n & 0x3f);
        bytes.extend_from_slice(&bits.to_le_bytes()[..(four.len() * 6).div_ceil(8)]);
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn proto(dtype: DType, dims: &[i64]) -> TensorProto {
        TensorProto {
            name: Some("t".into()),
            dims: dims.to_vec(),
            data_type: Some(dtype.code()),
            ..Default::default()
        }
    }

    fn bytes(proto: TensorProto) -> Vec<u8> {
        let (name, tensor) = tensor_from_proto(&proto).unwrap();
        assert_eq!(name, "t");
        tensor.bytes().unwrap().to_vec()
    }

    #[test]
    fn typed_fields_look_like_raw_data() {
        let floats = TensorProto { float_data: vec![1.0, -2.5], ..proto(DType::F32, &[2]) };
        assert_eq!(bytes(floats), [1f32, -2.5].map(f32::to_le_bytes).concat());
        let complex = TensorProto { double_data: vec![1.0, 2.0], ..proto(DType::C128, &[1]) };
        assert_eq!(bytes(complex), [1f64, 2.0].map(f64::to_le_bytes).concat());
        let ints = TensorProto { int64_data: vec![-1, 5], ..proto(DType::I64, &[2]) };
        assert_eq!(bytes(ints), [-1i64, 5].map(i64::to_le_bytes).concat());
        let unsigned = TensorProto { uint64_data: vec![7], ..proto(DType::U32, &[1]) };
        assert_eq!(bytes(unsigned), 7u32.to_le_bytes());
        let int8 = TensorProto { int32_data: vec![-1, 3], ..proto(DType::I8, &[2]) };
        assert_eq!(bytes(int8), [0xff, 3]);
        let half = TensorProto { int32_data: vec![0x3c00], ..proto(DType::F16, &[1]) };
        assert_eq!(bytes(half), [0, 0x3c]);
        let fp8 = TensorProto { int32_data: vec![0x7f, 0xff], ..proto(DType::F8E4M3FN, &[2]) };
        assert_eq!(bytes(fp8), [0x7f, 0xff]);
        let int4 = TensorProto { int32_data: vec![0x21, 0x03], ..proto(DType::I4, &[3]) };
        assert_eq!(bytes(int4), [0x21, 0x03]);
        let six = TensorProto { int32_data: vec![1, 2, 3, 4, 5], ..proto(DType::F6E2M3, &[5]) };
        assert_eq!(bytes(six), [0x81, 0x30, 0x10, 0x05]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors_that_name_the_tensor() {
        let short = TensorProto { raw_data: Some(vec![0; 7].into()), ..proto(DType::F32, &[2]) };
        let negative = proto(DType::F32, &[-1]);
        let overflow = proto(DType::F32, &[i64::MAX, 4]);
        let bytes_overflow = proto(DType::F64, &[1 << 61]);
        let unknown = TensorProto { data_type: Some(99), ..proto(DType::F32, &[]) };
        let nothing = proto(DType::F32, &[]);
        let raw_string = TensorProto { raw_data: Some(vec![0].into()), ..proto(DType::String, &[1]) };
        for bad in [short, negative, overflow, bytes_overflow, unknown, nothing, raw_string] {
            let error = tensor_from_proto(&bad).unwrap_err();
            assert_eq!(error.node(), Some("t"), "{error}");
            assert!(error.help().is_some(), "{error}");
        }
    }

    #[test]
    fn strings_and_empty_tensors() {
        let strings = TensorProto {
            string_data: vec![Bytes::from_static(b"a"), Bytes::from_static(&[0xff])],
            ..proto(DType::String, &[2])
        };
        let (_, tensor) = tensor_from_proto(&strings).unwrap();
        assert_eq!(tensor.strings().unwrap()[1], [0xff][..]);
        assert!(bytes(proto(DType::F32, &[0, 3])).is_empty());
    }
}
