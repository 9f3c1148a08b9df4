//! Elements of elementwise integer ops, and of booleans.

use crate::analysis::grid::{Grid, fixed, indices};
use crate::analysis::site::Site;
use crate::ir::{DimExpr, Truth};

/// Sets the elements of output 0, whose shape is found already, from those of the operands.
pub(super) fn infer(site: &mut Site<'_>) -> Option<()> {
    let grids: Vec<&Grid> = (0..site.arity()).map(|i| site.grid(i)).collect::<Option<_>>()?;
    let dims = fixed(site.found_shape(0)?)?;
    let operation = Operation { name: site.name(), float: grids.last()?.dtype.is_float() };
    let floored = site.name() == "Mod" && site.int_or("fmod", 0)? == 0;
    if site.name() == "Mod" && !floored {
        return None;
    }
    let data = indices(&dims).into_iter().map(|index| {
        let operands: Vec<Option<&DimExpr>> = grids.iter().map(|g| g.at(&index)).collect();
        operation.apply(&operands)
    });
    let data = data.collect();
    site.set_elements(dims, data);
    Some(())
}

struct Operation {
    name: &'static str,
    float: bool,
}

impl Operation {
    fn apply(&self, operands: &[Option<&DimExpr>]) -> Option<DimExpr> {
        if self.name == "Where" {
            return choose(operands);
        }
        let known: Vec<&DimExpr> = operands.iter().copied().collect::<Option<_>>()?;
        match known.as_slice() {
            [a] => self.unary(a),
            [a, b] => self.binary(a, b),
            many => {
                let (first, rest) = many.split_first()?;
                rest.iter().try_fold((*first).clone(), |a, b| self.binary(&a, b))
            }
        }
    }

    fn unary(&self, a: &DimExpr) -> Option<DimExpr> {
        match self.name {
            "Neg" => a.neg(),
            "Abs" if a.is_nonneg() => Some(a.clone()),
            "Abs" => a.as_constant()?.checked_abs().map(DimExpr::constant),
            "Sign" => a.as_constant().map(|n| DimExpr::constant(n.signum())),
            "Not" => a.as_constant().map(|n| boolean(n == 0)),
            "Floor" | "Ceil" | "Round" | "Sum" | "Max" | "Min" => Some(a.clone()),
            "Relu" => a.maximum(&DimExpr::constant(0)),
            _ => None,
        }
    }

    fn binary(&self, a: &DimExpr, b: &DimExpr) -> Option<DimExpr> {
        match self.name {
            "Add" | "Sum" => a.add(b),
            "Sub" => a.sub(b),
            "Mul" => a.mul(b),
            "Div" => self.divide(a, b),
            "Mod" => (!self.float).then(|| a.rem(b)).flatten(),
            "Max" => a.maximum(b),
            "Min" => a.minimum(b),
            "Pow" => {
                let power = u32::try_from(b.as_constant()?).ok()?;
                a.as_constant()?.checked_pow(power).map(DimExpr::constant)
            }
            "Equal" => decided(a.same(b)),
            "GreaterOrEqual" => decided(a.sub(b)?.at_least(0)),
            "Greater" => decided(a.sub(b)?.at_least(1)),
            "LessOrEqual" => decided(b.sub(a)?.at_least(0)),
            "Less" => decided(b.sub(a)?.at_least(1)),
            "And" => Some(boolean(a.as_constant()? != 0 && b.as_constant()? != 0)),
            "Or" => Some(boolean(a.as_constant()? != 0 || b.as_constant()? != 0)),
            "Xor" => Some(boolean((a.as_constant()? != 0) != (b.as_constant()? != 0))),
            _ => None,
        }
    }

    /// Integers are rounded toward zero; of floats only a whole quotient is known.
    fn divide(&self, a: &DimExpr, b: &DimExpr) -> Option<DimExpr> {
        if let (Some(x), Some(y)) = (a.as_constant(), b.as_constant()) {
            let exact = x.checked_rem(y)? == 0;
            return (exact || !self.float).then(|| x.checked_div(y)).flatten().map(DimExpr::constant);
        }
        (!self.float && a.is_nonneg() && b.is_nonneg()).then(|| a.floor_div(b)).flatten()
    }
}

fn choose(operands: &[Option<&DimExpr>]) -> Option<DimExpr> {
    let [condition, yes, no] = operands else {
        return None;
    };
    match condition.and_then(DimExpr::as_constant) {
        Some(0) => no.cloned(),
        Some(_) => yes.cloned(),
        None if yes == no => yes.cloned(),
        None => None,
    }
}

fn decided(truth: Truth) -> Option<DimExpr> {
    match truth {
        Truth::Proven => Some(boolean(true)),
        Truth::Refuted => Some(boolean(false)),
        Truth::Unknown => None,
    }
}

fn boolean(yes: bool) -> DimExpr {
    DimExpr::constant(i64::from(yes))
}
