//! Values in and out of ONNX Runtime.

use super::absent;
use super::api::{Api, Owned};
use super::errors::Status;
use crate::error::{Error, Result};
use crate::runtime::{RunError, RunValue, raw};
use crate::tensor::{DType, Tensor, element_count};
use bytes::Bytes;
use ort_sys as sys;
use std::ptr;

/// What a session declares an input or output to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A tensor of an `ONNXTensorElementDataType`.
    Tensor(i32),
    Sequence(Box<Kind>),
    Optional(Box<Kind>),
    /// A map, or what this table does not know.
    Other,
}

const TENSOR: i32 = sys::ONNXType::ONNX_TYPE_TENSOR as i32;
const SEQUENCE: i32 = sys::ONNXType::ONNX_TYPE_SEQUENCE as i32;
const MAP: i32 = sys::ONNXType::ONNX_TYPE_MAP as i32;
const OPTIONAL: i32 = sys::ONNXType::ONNX_TYPE_OPTIONAL as i32;

/// Element types that ONNX Runtime numbers otherwise than `TensorProto.DataType`; `None` for what it lacks.
fn element_type(dtype: DType) -> Option<sys::ONNXTensorElementDataType> {
    use sys::ONNXTensorElementDataType::*;
    Some(match dtype {
        DType::F32 => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        DType::U8 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
        DType::I8 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
        DType::U16 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
        DType::I16 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
        DType::I32 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
        DType::I64 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        DType::String => ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
        DType::Bool => ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
        DType::F16 => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        DType::F64 => ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
        DType::U32 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
        DType::U64 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
        DType::C64 => ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX64,
        DType::C128 => ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX128,
        DType::BF16 => ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
        DType::F8E4M3FN => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FN,
        DType::F8E4M3FNUZ => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FNUZ,
        DType::F8E5M2 => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2,
        DType::F8E5M2FNUZ => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2FNUZ,
        DType::U4 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT4,
        DType::I4 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT4,
        DType::F4E2M1 => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT4E2M1,
        DType::U2 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT2,
        DType::I2 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT2,
        DType::F8E8M0 => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E8M0,
        DType::F6E2M3 | DType::F6E3M2 => return None,
    })
}

/// The element type of an `ONNXTensorElementDataType`.
pub(super) fn dtype(code: i32) -> Option<DType> {
    DType::ALL.iter().copied().find(|&t| element_type(t).is_some_and(|e| e as i32 == code))
}

/// Smaller tensors are copied, larger ones stay where ONNX Runtime has put them.
const WORTH_SHARING: usize = 64 << 10;

/// The bytes of a tensor that no run writes to any more.
struct Held {
    data: *const u8,
    len: usize,
    _value: Owned<sys::OrtValue>,
}

// SAFETY: the bytes are the value's own and go with it; ONNX Runtime's values are not bound to a thread.
unsafe impl Send for Held {}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the value, a tensor of this many bytes, lives as long as `self`, and nothing else has access to it.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl Api {
    /// The kind that a type description declares.
    pub(super) fn kind(&self, info: &Owned<sys::OrtTypeInfo>) -> Result<Kind, Status> {
        let mut code = 0i32;
        // SAFETY: `ONNXType` is an `int`; the description is valid.
        self.check(unsafe {
            (self.table.GetOnnxTypeFromTypeInfo)(info.as_ptr(), ptr::from_mut(&mut code).cast())
        })?;
        match code {
            TENSOR => {
                let mut tensor = ptr::null();
                // SAFETY: the description is valid; the result lives in it.
                self.check(unsafe { (self.table.CastTypeInfoToTensorInfo)(info.as_ptr(), &mut tensor) })?;
                self.element_code(tensor).map(Kind::Tensor)
            }
            SEQUENCE => {
                let (mut sequence, mut inner) = (ptr::null(), ptr::null_mut());
                // SAFETY: as above; `inner` is a new description that we own.
                let inner = unsafe {
                    self.check((self.table.CastTypeInfoToSequenceTypeInfo)(info.as_ptr(), &mut sequence))?;
                    self.check((self.table.GetSequenceElementType)(sequence, &mut inner))?;
                    Self::own(inner, self.table.ReleaseTypeInfo)?
                };
                Ok(Kind::Sequence(Box::new(self.kind(&inner)?)))
            }
            OPTIONAL => {
                let (mut optional, mut inner) = (ptr::null(), ptr::null_mut());
                // SAFETY: as above.
                let inner = unsafe {
                    self.check((self.table.CastTypeInfoToOptionalTypeInfo)(info.as_ptr(), &mut optional))?;
                    self.check((self.table.GetOptionalContainedTypeInfo)(optional, &mut inner))?;
                    Self::own(inner, self.table.ReleaseTypeInfo)?
                };
                Ok(Kind::Optional(Box::new(self.kind(&inner)?)))
            }
            _ => Ok(Kind::Other),
        }
    }

    fn element_code(&self, info: *const sys::OrtTensorTypeAndShapeInfo) -> Result<i32, Status> {
        let mut code = 0i32;
        // SAFETY: the description is valid; `ONNXTensorElementDataType` is an `int`.
        self.check(unsafe { (self.table.GetTensorElementType)(info, ptr::from_mut(&mut code).cast()) })?;
        Ok(code)
    }

    /// Copies a value into ONNX Runtime. `kind` is what the session declares the input to be.
    pub(super) fn write(
        &'static self,
        value: &RunValue,
        kind: &Kind,
    ) -> Result<Owned<sys::OrtValue>, RunError> {
        match (value, kind) {
            (RunValue::Optional(Some(inner)), Kind::Optional(kind)) => self.write(inner, kind),
            (RunValue::Optional(Some(inner)), _) => self.write(inner, kind),
            (RunValue::Optional(None), _) => absent::none(self, kind),
            (RunValue::Tensor(tensor), _) => self.write_tensor(tensor),
            (RunValue::Sequence(_), Kind::Optional(kind)) => self.write(value, kind),
            (RunValue::Sequence(items), _) if items.is_empty() => absent::empty_sequence(self, kind),
            (RunValue::Sequence(items), _) => {
                let element = match kind {
                    Kind::Sequence(element) => element,
                    _ => &Kind::Other,
                };
                let parts = items
                    .iter()
                    .map(|item| self.write(item, element))
                    .collect::<Result<Vec<_>, RunError>>()?;
                self.compose(&parts, sys::ONNXType::ONNX_TYPE_SEQUENCE)
            }
            (RunValue::Map(keys, values), _) => {
                let parts = [self.write_tensor(keys)?, self.write_tensor(values)?];
                self.compose(&parts, sys::ONNXType::ONNX_TYPE_MAP)
            }
        }
    }

    fn compose(
        &self,
        parts: &[Owned<sys::OrtValue>],
        kind: sys::ONNXType,
    ) -> Result<Owned<sys::OrtValue>, RunError> {
        let pointers: Vec<*const sys::OrtValue> =
            parts.iter().map(|part| part.as_ptr().cast_const()).collect();
        let mut out = ptr::null_mut();
        // SAFETY: all parts are valid; the new value shares them, it does not take them over.
        let value = unsafe {
            self.check((self.table.CreateValue)(pointers.as_ptr(), pointers.len(), kind, &mut out))?;
            self.own_value(out)?
        };
        Ok(value)
    }

    fn write_tensor(&self, tensor: &Tensor) -> Result<Owned<sys::OrtValue>, RunError> {
        let code = element_type(tensor.dtype())
            .ok_or_else(|| RunError::Unsupported(format!("tensors of {}", tensor.dtype())))?;
        let dims = tensor.shape().iter().map(|&d| i64::try_from(d)).collect::<Result<Vec<_>, _>>();
        let dims = dims.map_err(|_| Error::new("a dim is above the 63 bits of ONNX"))?;
        let mut out = ptr::null_mut();
        // SAFETY: the dims outlive the call; the new tensor is ours.
        let value = unsafe {
            self.check((self.table.CreateTensorAsOrtValue)(
                self.allocator.as_ptr(),
                dims.as_ptr(),
                dims.len(),
                code,
                &mut out,
            ))?;
            self.own_value(out)?
        };
        if let Some(strings) = tensor.strings() {
            for (index, text) in strings.iter().enumerate() {
                let mut buffer = ptr::null_mut();
                // SAFETY: the index is below the number of elements; the buffer holds `text.len()` bytes.
                unsafe {
                    self.check((self.table.GetResizedStringTensorElementBuffer)(
                        value.as_ptr(),
                        index,
                        text.len(),
                        &mut buffer,
                    ))?;
                    ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len());
                }
            }
        } else if let Some(bytes) = raw(tensor).filter(|bytes| !bytes.is_empty()) {
            let mut data = ptr::null_mut();
            // SAFETY: a tensor of this type and shape takes exactly these bytes; sub-byte types are packed alike.
            unsafe {
                self.check((self.table.GetTensorMutableData)(value.as_ptr(), &mut data))?;
                ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast(), bytes.len());
            }
        }
        Ok(value)
    }

    /// Takes a value over from ONNX Runtime.
    pub(super) fn read(&self, value: Owned<sys::OrtValue>) -> Result<RunValue, RunError> {
        let mut present = 0;
        // SAFETY: the value is valid.
        self.check(unsafe { (self.table.HasValue)(value.as_ptr(), &mut present) })?;
        if present == 0 {
            return Ok(RunValue::Optional(None));
        }
        let mut code = 0i32;
        // SAFETY: as above; `ONNXType` is an `int`.
        self.check(unsafe { (self.table.GetValueType)(value.as_ptr(), ptr::from_mut(&mut code).cast()) })?;
        match code {
            TENSOR => Ok(RunValue::Tensor(self.read_tensor(value)?)),
            SEQUENCE => {
                let mut count = 0;
                // SAFETY: as above.
                self.check(unsafe { (self.table.GetValueCount)(value.as_ptr(), &mut count) })?;
                let items = (0..count).map(|index| self.read(self.part(&value, index)?));
                Ok(RunValue::Sequence(items.collect::<Result<_, RunError>>()?))
            }
            MAP => {
                let keys = self.read_tensor(self.part(&value, 0)?)?;
                Ok(RunValue::Map(keys, self.read_tensor(self.part(&value, 1)?)?))
            }
            _ => Err(RunError::Unsupported(format!("a value of ONNX Runtime's type {code}"))),
        }
    }

    fn part(&self, value: &Owned<sys::OrtValue>, index: usize) -> Result<Owned<sys::OrtValue>, RunError> {
        let index = i32::try_from(index).map_err(|_| Error::new("the sequence is too long to be read"))?;
        let mut out = ptr::null_mut();
        // SAFETY: the value is valid, the index is checked by the callee; the part is a new value.
        let part = unsafe {
            let status = (self.table.GetValue)(value.as_ptr(), index, self.allocator.as_ptr(), &mut out);
            self.check(status)?;
            self.own_value(out)?
        };
        Ok(part)
    }

    fn read_tensor(&self, value: Owned<sys::OrtValue>) -> Result<Tensor, RunError> {
        let mut info = ptr::null_mut();
        // SAFETY: the value is a tensor; its description is ours.
        let info = unsafe {
            self.check((self.table.GetTensorTypeAndShape)(value.as_ptr(), &mut info))?;
            Self::own(info, self.table.ReleaseTensorTypeAndShapeInfo)?
        };
        let code = self.element_code(info.as_ptr())?;
        let dtype = dtype(code).ok_or_else(|| {
            RunError::Unsupported(format!("a tensor of ONNX Runtime's element type {code}"))
        })?;
        let mut rank = 0;
        // SAFETY: the description is valid, and the vector has room for all dims.
        let dims = unsafe {
            self.check((self.table.GetDimensionsCount)(info.as_ptr(), &mut rank))?;
            let mut dims = vec![0i64; rank];
            self.check((self.table.GetDimensions)(info.as_ptr(), dims.as_mut_ptr(), rank))?;
            dims
        };
        let shape = dims.iter().map(|&d| usize::try_from(d)).collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| Error::new(format!("ONNX Runtime returned the dims {dims:?}")))?;
        let count = element_count(&shape)
            .ok_or_else(|| Error::new(format!("ONNX Runtime returned the dims {dims:?}")))?;
        let Some(len) = dtype.byte_len(count) else {
            return Ok(Tensor::from_strings(&shape, self.read_strings(&value, count)?)?);
        };
        let mut data = ptr::null_mut();
        // SAFETY: the value is a tensor.
        self.check(unsafe { (self.table.GetTensorMutableData)(value.as_ptr(), &mut data) })?;
        let bytes = if len == 0 || data.is_null() {
            Bytes::new()
        } else if len >= WORTH_SHARING {
            Bytes::from_owner(Held { data: data.cast(), len, _value: value })
        } else {
            // SAFETY: a tensor of this type and shape holds exactly these bytes and lives until the copy is done.
            Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) })
        };
        Ok(Tensor::from_bytes(dtype, &shape, bytes)?)
    }

    fn read_strings(&self, value: &Owned<sys::OrtValue>, count: usize) -> Result<Vec<Bytes>, RunError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut len = 0;
        // SAFETY: the value is a string tensor.
        self.check(unsafe { (self.table.GetStringTensorDataLength)(value.as_ptr(), &mut len) })?;
        let mut text = vec![0u8; len];
        let mut starts = vec![0usize; count];
        // SAFETY: both buffers have the lengths given.
        self.check(unsafe {
            (self.table.GetStringTensorContent)(
                value.as_ptr(),
                text.as_mut_ptr().cast(),
                len,
                starts.as_mut_ptr(),
                count,
            )
        })?;
        let text = Bytes::from(text);
        let ends = starts.iter().skip(1).copied().chain([len]);
        let ranges = starts.iter().copied().zip(ends);
        if ranges.clone().any(|(start, end)| start > end || end > len) {
            return Err(Error::new("ONNX Runtime returned strings out of order").into());
        }
        Ok(ranges.map(|(start, end)| text.slice(start..end)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_types_are_told_apart() {
        let codes: std::collections::BTreeSet<i32> =
            DType::ALL.iter().filter_map(|&t| element_type(t)).map(|e| e as i32).collect();
        assert_eq!(codes.len(), DType::ALL.len() - 2);
        for &t in DType::ALL {
            if let Some(code) = element_type(t) {
                assert_eq!(dtype(code as i32), Some(t));
            }
        }
        assert_eq!(dtype(0), None);
        assert_eq!(dtype(99), None);
    }
}
