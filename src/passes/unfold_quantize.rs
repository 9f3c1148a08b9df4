//! `unfold-quantize`: `QuantizeLinear` and `DequantizeLinear` that the target refuses become arithmetic with floats.
//!
//! ```text
//! QuantizeLinear(x, s, z)     ->   Cast(Clip(Round(x / s) + z, lowest, highest))
//! DequantizeLinear(q, s, z)   ->   (Cast(q) - z) · s
//! DequantizeLinear(q, s, z)   ->   DequantizeLinear(q - z, s, 0)            for a constant whose q - z fit into INT8
//! ```
//!
//! Reassociates. TensorRT takes zero points of 0 alone, and no UINT8: models that are quantized for a CPU are none of its
//! otherwise. The numbers stay those of the quantized model, and are computed in floats; a model that is to be faster than
//! in floats is quantized symmetrically. `skip-casts` removes the casts between one and the other.
//!
//! Refused: other types than integers of 8 bits and INT32, scales that are not in single precision, scales for
//! blocks.

use crate::error::Result;
use crate::ir::{Model, NodeId, OpId, ValueId};
use crate::passes::unfold::{Formula, centered};
use crate::require;
use crate::rewrite::{
    Context, Exactness, Meta, Miss, Pass, PassContext, PassStats, Patch, Ref, Rule, Work, apply,
};
use crate::target::{Qdq, Target, TypeSet};
use crate::tensor::{DType, Tensor};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct UnfoldQuantize;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(UnfoldQuantize)
}

const META: Meta = Meta {
    id: "unfold-quantize",
    summary: "QuantizeLinear and DequantizeLinear that the target refuses become arithmetic with floats",
    exactness: Exactness::Reassociates,
    since_opset: 11,
    emits: &[],
};

impl Pass for UnfoldQuantize {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let target = cx.target;
        let Some(demands) = &target.qdq else { return Ok(PassStats::default()) };
        let rule = Refused { target, demands, types: TypeSet::parse(&demands.types) };
        apply(&rule, model, cx)
    }
}

/// What the target refuses of the operators.
struct Refused<'a> {
    target: &'a Target,
    demands: &'a Qdq,
    types: TypeSet,
}

impl Rule for Refused<'_> {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        const OPS: &[OpId] = &[OpId::onnx("QuantizeLinear"), OpId::onnx("DequantizeLinear")];
        OPS
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> std::result::Result<Patch, Miss> {
        require!(!cx.in_function, None, "the values of a function have no types");
        let mut f = Formula::new(*cx, self.target, node)?;
        let affine = Affine::read(&mut f)?;
        if self.takes(cx, &affine) {
            return Err(Miss::Silent);
        }
        let y = if f.node().op().is("QuantizeLinear") {
            affine.quantize(&mut f)?
        } else {
            let int8 = self.types.contains(DType::I8.name());
            affine.dequantize(&mut f, int8)?
        };
        f.finish(y)
    }
}

impl Refused<'_> {
    fn takes(&self, cx: &Context<'_>, affine: &Affine) -> bool {
        let zero = |v: ValueId| {
            let numbers = cx.graph.const_value(v).and_then(|t| t.to_f64s());
            numbers.is_some_and(|all| all.iter().all(|&z| z == 0.0))
        };
        let symmetric = affine.zero.is_none_or(zero);
        let known = cx.graph.is_const(affine.scale);
        known && self.types.contains(affine.integer.name()) && (symmetric || !self.demands.symmetric)
    }
}

/// What integers stand for.
struct Affine {
    x: ValueId,
    scale: ValueId,
    zero: Option<ValueId>,
    integer: DType,
}

impl Affine {
    fn read(f: &mut Formula<'_>) -> std::result::Result<Self, Miss> {
        let (x, scale, zero) = (f.operand(0)?, f.operand(1)?, f.optional(2));
        let quantizes = f.node().op().is("QuantizeLinear");
        let integer = if quantizes { Some(f.dtype) } else { f.cx.graph.dtype(x) };
        let integer = integer.ok_or_else(|| Miss::because("the type of the numbers is not known", x))?;
        Ok(Self { x, scale, zero, integer })
    }

    fn quantize(&self, f: &mut Formula<'_>) -> std::result::Result<Ref, Miss> {
        let Some((low, high)) = bounds(self.integer) else {
            return Err(Miss::because("the numbers have not 8 bits", self.x));
        };
        let axis = self.axis(f)?;
        let scale = self.along(f, self.scale, axis)?;
        let y = f.op("Div", [self.x.into(), scale]);
        let mut y = f.op("Round", [y]);
        if let Some(zero) = self.zero(f, axis)? {
            y = f.add(y, zero);
        }
        let bounds = [low, high].map(|bound| f.number_of(DType::F32, bound));
        let y = f.op("Clip", [y, bounds[0], bounds[1]]);
        Ok(f.cast(y, self.integer))
    }

    fn dequantize(&self, f: &mut Formula<'_>, int8: bool) -> std::result::Result<Ref, Miss> {
        let taken = bounds(self.integer).is_some() || self.integer == DType::I32;
        require!(taken, self.x, "the numbers have neither 8 nor 32 bits");
        let axis = self.axis(f)?;
        if let Some(constant) = centered(&f.cx, self.x, self.zero).filter(|_| int8)
            && f.cx.graph.is_const(self.scale)
        {
            let zeros = f.cx.graph.const_value(self.scale).map(|scale| vec![0.0; scale.len()]);
            let zeros = zeros.ok_or(Miss::Silent)?;
            let shape: Vec<usize> =
                if f.shape(self.scale)?.is_empty() { Vec::new() } else { vec![zeros.len()] };
            let zero = Tensor::from_f64s(DType::I8, &shape, &zeros).map_err(|_| Miss::Silent)?;
            let (constant, zero) = (f.constant(constant), f.constant(zero));
            let y = f.op("DequantizeLinear", [constant, self.scale.into(), zero]);
            f.keep("axis");
            return Ok(y);
        }
        let scale = self.along(f, self.scale, axis)?;
        let mut y = f.cast(self.x, DType::F32);
        if let Some(zero) = self.zero(f, axis)? {
            y = f.sub(y, zero);
        }
        Ok(f.mul(y, scale))
    }

    /// Axes behind the one that the scales are for.
    fn axis(&self, f: &mut Formula<'_>) -> std::result::Result<usize, Miss> {
        require!(
            f.cx.graph.dtype(self.scale) == Some(DType::F32),
            self.scale,
            "the scale is not in single precision"
        );
        let rank = f.shape(self.x)?.len();
        let axis = f.int("axis").unwrap_or(1);
        let axis = if axis < 0 { axis + rank as i64 } else { axis };
        Ok(usize::try_from(axis).ok().and_then(|axis| rank.checked_sub(axis + 1)).unwrap_or(0))
    }

    /// One number, or one for each index of the axis that so many follow.
    fn along(&self, f: &mut Formula<'_>, number: ValueId, trailing: usize) -> std::result::Result<Ref, Miss> {
        let size = match f.shape(number)? {
            [] => return Ok(number.into()),
            [size] => size.as_fixed().and_then(|n| i64::try_from(n).ok()),
            _ => return Err(Miss::because("there are scales for blocks", number)),
        };
        let size = size.ok_or_else(|| Miss::because("the number of scales is not known", number))?;
        if size == 1 {
            return Ok(f.shaped(number, &[]));
        }
        let shape: Vec<i64> = std::iter::once(size).chain(std::iter::repeat_n(1, trailing)).collect();
        Ok(f.shaped(number, &shape))
    }

    fn zero(&self, f: &mut Formula<'_>, trailing: usize) -> std::result::Result<Option<Ref>, Miss> {
        let Some(zero) = self.zero else { return Ok(None) };
        let zero = self.along(f, zero, trailing)?;
        Ok(Some(f.cast(zero, DType::F32)))
    }
}

/// The ends of an integer type of 8 bits.
fn bounds(dtype: DType) -> Option<(f64, f64)> {
    Some(match dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        _ => return None,
    })
}
