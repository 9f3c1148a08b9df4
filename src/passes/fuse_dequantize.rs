//! `fuse-dequantize`: a constant of bytes that is cast and scaled becomes `DequantizeLinear`.
//!
//! ```text
//! Cast(q) · s         ->   DequantizeLinear(q, s, 0)
//! (Cast(q) - z) · s   ->   DequantizeLinear(q, s, z)
//! ```
//!
//! Exact. `q` is a constant of INT8 or UINT8. `s` and `z` are constants: one number, or one for each index of one axis.
//!
//! TensorRT refuses INT8 that anything but a `DequantizeLinear` reads, and multiplies with such a weight in one layer. ONNX
//! Runtime turns `Cast` and `Mul` of constants into floats while it loads a model, and computes a `DequantizeLinear` at
//! every run, so there it runs by name only.
//!
//! Refused: types that the target does not take, constants of one number, scales that are not positive, zero points that the type of the constant does not hold or where the target
//! takes none, one number for each index of an axis before opset 13, half precision before opset 19.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId, ValueId};
use crate::passes::linear::Channelwise;
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Ref, Rule, Work, settle,
};
use crate::target::TypeSet;
use crate::tensor::{DType, Tensor};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseDequantize;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(FuseDequantize)
}

const DEQUANTIZE: OpId = OpId::onnx("DequantizeLinear");

const META: Meta = Meta {
    id: "fuse-dequantize",
    summary: "a constant of bytes that is cast and scaled becomes DequantizeLinear",
    exactness: Exactness::Exact,
    since_opset: 10,
    emits: &[DEQUANTIZE],
};

impl Pass for FuseDequantize {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let rule = match &cx.target.qdq {
            Some(qdq) => Scaled { symmetric: qdq.symmetric, types: Some(TypeSet::parse(&qdq.types)) },
            None => Scaled { symmetric: false, types: None },
        };
        settle(&[&rule], model, cx)
    }
}

/// The rule, as the target demands it of quantized nodes.
struct Scaled {
    /// Zero points are zero.
    symmetric: bool,
    /// The types that are taken; all where nothing is said.
    types: Option<TypeSet>,
}

impl Rule for Scaled {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("Mul")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        let n = cx.node(node);
        let (Some(a), Some(b)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
        let (bytes, scale) = match (Bytes::of(cx, a), Bytes::of(cx, b)) {
            (Some(bytes), None) => (bytes, b),
            (None, Some(bytes)) => (bytes, a),
            _ => return Err(Miss::Silent),
        };
        let dtype = cx.graph.dtype(n.outputs()[0]).ok_or(Miss::Silent)?;
        let made = dtype == DType::F32 || dtype == DType::F16 && cx.opset() >= 19;
        require!(made, scale, "the type is not one to which this opset dequantizes");
        let constant = cx.graph.const_value(bytes.value).ok_or(Miss::Silent)?;
        require!(constant.rank() > 0, bytes.value, "the constant is one number");
        let taken = self.types.as_ref().is_none_or(|types| types.contains(constant.dtype().name()));
        require!(taken, bytes.value, "the target does not take the constant's type");
        let steps = channelwise(cx, scale, constant.rank())?;
        require!(
            steps.values.iter().all(|s| s.is_finite() && *s > 0.0),
            scale,
            "a scale is not a positive number"
        );
        let zeros = match bytes.zero {
            Some(zero) => channelwise(cx, zero, constant.rank())?,
            None => Channelwise::number(0.0),
        };
        let symmetric = zeros.values.iter().all(|z| *z == 0.0);
        require!(symmetric || !self.symmetric, bytes.zero, "the target takes no zero point but zero");
        require!(fits(&constant, &zeros), bytes.zero, "the type of the constant does not hold a zero point");
        let parts = Parts { constant: &constant, steps, zeros };
        require!(
            parts.axis().is_none() || cx.opset() >= 13,
            scale,
            "one number for each index of an axis needs opset 13"
        );
        parts.patch(bytes.value, dtype).ok_or_else(|| {
            Miss::because("scale and zero point are no numbers for one axis of the constant", scale)
        })
    }
}

/// A constant of bytes as floats, less a zero point.
struct Bytes {
    value: ValueId,
    zero: Option<ValueId>,
}

impl Bytes {
    fn of(cx: &Context<'_>, value: ValueId) -> Option<Self> {
        if let Some(cast) = cx.graph.producer_is(value, "Cast") {
            let value = cx.node(cast).input(0)?;
            let bytes = matches!(cx.graph.dtype(value), Some(DType::I8 | DType::U8));
            return (bytes && cx.graph.is_const(value)).then_some(Self { value, zero: None });
        }
        let sub = cx.node(cx.graph.producer_is(value, "Sub")?);
        let (minuend, zero) = (sub.input(0)?, sub.input(1)?);
        match Self::of(cx, minuend)? {
            Self { value, zero: None } => Some(Self { value, zero: Some(zero) }),
            Self { .. } => None,
        }
    }
}

/// The numbers of a constant that widens nothing of so many dims.
fn channelwise(cx: &Context<'_>, value: ValueId, rank: usize) -> std::result::Result<Channelwise, Miss> {
    let constant = cx.graph.const_value(value).ok_or_else(|| Miss::because("it is computed", value))?;
    require!(constant.rank() <= rank, value, "it has more dims than the constant");
    Channelwise::of(&constant).ok_or_else(|| Miss::because("it varies along several axes", value))
}

/// Whether the type of a constant holds the zero points.
fn fits(constant: &Tensor, zeros: &Channelwise) -> bool {
    let (least, most) = if constant.dtype() == DType::I8 { (-128.0, 127.0) } else { (0.0, 255.0) };
    zeros.values.iter().all(|z| z.fract() == 0.0 && (least..=most).contains(z))
}

struct Parts<'t> {
    constant: &'t Tensor,
    steps: Channelwise,
    zeros: Channelwise,
}

impl Parts<'_> {
    fn patch(&self, value: ValueId, dtype: DType) -> Option<Patch> {
        let mut patch = Patch::new();
        let Some(from_end) = self.axis() else {
            let operands =
                self.operands(&mut patch, value, dtype, &[], &self.steps.values, &self.zeros.values)?;
            patch.node(DEQUANTIZE, operands);
            return Some(patch);
        };
        let axis = self.constant.rank().checked_sub(from_end + 1)?;
        let channels = self.constant.shape()[axis];
        let (steps, zeros) = (self.steps.along(from_end, channels)?, self.zeros.along(from_end, channels)?);
        let operands = self.operands(&mut patch, value, dtype, &[channels], &steps, &zeros)?;
        patch.node(DEQUANTIZE, operands);
        patch.set_attr("axis", axis as i64);
        Some(patch)
    }

    /// The axis along which scale or zero point vary, counted from the last one.
    fn axis(&self) -> Option<usize> {
        [&self.steps, &self.zeros].into_iter().find(|c| c.as_number().is_none()).map(|c| c.from_end)
    }

    fn operands(
        &self,
        patch: &mut Patch,
        value: ValueId,
        dtype: DType,
        shape: &[usize],
        steps: &[f64],
        zeros: &[f64],
    ) -> Option<[Ref; 3]> {
        let scale = patch.constant(Tensor::from_f64s(dtype, shape, steps).ok()?);
        let zero = patch.constant(Tensor::from_f64s(self.constant.dtype(), shape, zeros).ok()?);
        Some([value.into(), scale, zero])
    }
}
