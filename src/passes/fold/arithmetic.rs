//! Elementwise numbers: integers wrap as ONNX Runtime's do, floats are rounded once as IEEE 754 says.

use super::Call;
use super::layout::{Walk, broadcast_shape};
use crate::tensor::{DType, Element, Tensor, element_count};
use half::{bf16, f16};

/// A number that arithmetic kernels compute with. `None` where the specification leaves the result open.
pub(super) trait Number: Element + PartialOrd {
    fn binary(op: &str, a: Self, b: Self, fmod: bool) -> Option<Self>;
    fn unary(op: &str, a: Self) -> Option<Self>;
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        impl Number for $t {
            fn binary(op: &str, a: Self, b: Self, fmod: bool) -> Option<Self> {
                Some(match op {
                    "Add" => a.wrapping_add(b),
                    "Sub" => a.wrapping_sub(b),
                    "Mul" => a.wrapping_mul(b),
                    "Div" => a.checked_div(b)?,
                    "Mod" if fmod => a.checked_rem(b)?,
                    "Mod" => {
                        let rest = a.checked_rem(b)?;
                        #[allow(unused_comparisons, reason = "unsigned types share this macro")]
                        let opposite = rest != 0 && (rest < 0) != (b < 0);
                        if opposite { rest.wrapping_add(b) } else { rest }
                    }
                    "Min" => a.min(b),
                    "Max" => a.max(b),
                    _ => return None,
                })
            }

            #[allow(unused_comparisons, clippy::unnecessary_cast, reason = "unsigned types share this macro")]
            fn unary(op: &str, a: Self) -> Option<Self> {
                let signed = Self::MIN != 0;
                Some(match op {
                    "Neg" if signed => a.wrapping_neg(),
                    "Abs" if a < 0 => a.wrapping_neg(),
                    "Abs" => a,
                    "Sign" if a < 0 => (0 as Self).wrapping_sub(1),
                    "Sign" => (a > 0) as Self,
                    _ => return None,
                })
            }
        }
    )* };
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! floats {
    ($($t:ty),*) => { $(
        impl Number for $t {
            fn binary(op: &str, a: Self, b: Self, fmod: bool) -> Option<Self> {
                let ordered = || {
                    let apart = a.partial_cmp(&b).is_some_and(std::cmp::Ordering::is_ne);
                    (apart || a.to_bits() == b.to_bits()).then_some(())
                };
                Some(match op {
                    "Add" => a + b,
                    "Sub" => a - b,
                    "Mul" => a * b,
                    "Div" => a / b,
                    "Mod" if fmod => a % b,
                    "Min" => { ordered()?; if a < b { a } else { b } }
                    "Max" => { ordered()?; if a > b { a } else { b } }
                    _ => return None,
                })
            }

            fn unary(op: &str, a: Self) -> Option<Self> {
                Some(match op {
                    "Neg" => -a,
                    "Abs" => a.abs(),
                    "Sign" if a > 0.0 => 1.0,
                    "Sign" if a < 0.0 => -1.0,
                    "Floor" => a.floor(),
                    "Ceil" => a.ceil(),
                    "Sqrt" if a >= 0.0 => a.sqrt(),
                    _ => return None,
                })
            }
        }
    )* };
}
floats!(f32, f64);

/// Half types through `f32`, which has more than twice their digits: rounding twice is rounding once.
///
/// `rounds` says whether each node rounds: ONNX Runtime has no half kernels for the CPU and computes chains of them in
/// `f32`, so that only what needs no rounding is the same there.
macro_rules! halves {
    ($($t:ty, $rounds:expr);*) => { $(
        impl Number for $t {
            fn binary(op: &str, a: Self, b: Self, fmod: bool) -> Option<Self> {
                let wide = f32::binary(op, a.to_f32(), b.to_f32(), fmod)?;
                let half = Self::from_f32(wide);
                ($rounds || half.to_f32().to_bits() == wide.to_bits()).then_some(half)
            }

            fn unary(op: &str, a: Self) -> Option<Self> {
                let wide = f32::unary(op, a.to_f32())?;
                let half = Self::from_f32(wide);
                ($rounds || half.to_f32().to_bits() == wide.to_bits()).then_some(half)
            }
        }
    )* };
}
halves!(f16, false; bf16, true);

/// Calls a generic kernel with the Rust type of an element type.
macro_rules! for_number {
    ($dtype:expr, $kernel:ident($($arg:expr),*)) => {
        match $dtype {
            DType::F32 => $kernel::<f32>($($arg),*),
            DType::F64 => $kernel::<f64>($($arg),*),
            DType::F16 => $kernel::<half::f16>($($arg),*),
            DType::BF16 => $kernel::<half::bf16>($($arg),*),
            DType::I8 => $kernel::<i8>($($arg),*),
            DType::I16 => $kernel::<i16>($($arg),*),
            DType::I32 => $kernel::<i32>($($arg),*),
            DType::I64 => $kernel::<i64>($($arg),*),
            DType::U8 => $kernel::<u8>($($arg),*),
            DType::U16 => $kernel::<u16>($($arg),*),
            DType::U32 => $kernel::<u32>($($arg),*),
            DType::U64 => $kernel::<u64>($($arg),*),
            _ => None,
        }
    };
}
pub(super) use for_number;

/// `Add Sub Mul Div Mod` of two, `Min Max` of any number of operands; from opset 7 on, where broadcasting is mutual.
pub(super) fn binary(call: &Call<'_>) -> Option<Tensor> {
    let variadic = matches!(call.node.op().name, "Min" | "Max");
    if call.opset < 7 && !variadic {
        return None;
    }
    let mut result = call.input(0)?.clone();
    for index in 1..call.inputs.len() {
        let next = call.input(index)?;
        result = for_number!(result.dtype(), fold_two(call, &result, next))?;
    }
    Some(result)
}

fn fold_two<T: Number>(call: &Call<'_>, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let op = call.node.op().name;
    let fmod = call.int_or("fmod", 0)? != 0;
    let dims = broadcast_shape(&[a.shape(), b.shape()])?;
    let count = element_count(&dims)?;
    if count.checked_mul(size_of::<T>())? > call.limit {
        return None;
    }
    let (left, right) = (a.to_vec::<T>()?, b.to_vec::<T>()?);
    let walks = Walk::broadcast(a.shape(), &dims).zip(Walk::broadcast(b.shape(), &dims));
    let values: Vec<T> = walks.map(|(i, j)| T::binary(op, left[i], right[j], fmod)).collect::<Option<_>>()?;
    Tensor::from_slice(&dims, &values).ok()
}

/// `Neg Abs Sign Floor Ceil Sqrt`.
pub(super) fn unary(call: &Call<'_>) -> Option<Tensor> {
    let a = call.input(0)?;
    for_number!(a.dtype(), map_one(call, a))
}

fn map_one<T: Number>(call: &Call<'_>, a: &Tensor) -> Option<Tensor> {
    if a.byte_len() > call.limit {
        return None;
    }
    let values: Vec<T> =
        a.to_vec::<T>()?.into_iter().map(|v| T::unary(call.node.op().name, v)).collect::<Option<_>>()?;
    Tensor::from_slice(a.shape(), &values).ok()
}
