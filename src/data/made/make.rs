//! Makes one input: numbers that its type, its name and its uses call for.

use super::facts::{Facts, Role};
use super::rng::Rng;
use super::sizes::Sizes;
use crate::error::{Error, Result};
use crate::ir::{Dim, TensorType, Type};
use crate::runtime::RunValue;
use crate::tensor::{DType, Tensor, element_count};
use bytes::Bytes;

/// How numbers are drawn where nothing says what they mean; each is tried in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Floats around zero, integers up to the bound.
    Plain,
    /// Floats in `[0, 1)`, integers below a quarter of the bound.
    Unit,
    /// Floats in `[0.1, 1)`, integers 0 and 1.
    Small,
    /// Floats and integers of 0 to 255.
    Pixels,
}

impl Style {
    /// In the order in which they are tried.
    pub(crate) const ALL: [Style; 4] = [Self::Plain, Self::Unit, Self::Small, Self::Pixels];
}

/// Everything that decides one input.
pub(crate) struct Recipe<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) sizes: &'a Sizes,
    pub(crate) style: Style,
    /// Which of the constants that scalars are compared with is taken.
    pub(crate) choice: usize,
}

/// More elements than this are never made: a wrong size must not exhaust memory.
const MOST_ELEMENTS: usize = 1 << 28;
/// So few floats, of a fixed number, are knobs such as a speed or a temperature.
const MOST_KNOBS: u64 = 8;

impl Recipe<'_> {
    /// A value of this type.
    ///
    /// # Errors
    /// No value of this type can be made.
    pub(crate) fn make(&self, ty: &Type, rng: &mut Rng) -> Result<RunValue> {
        match ty {
            Type::Tensor(t) => self.tensor(t, rng).map(RunValue::Tensor),
            Type::Sequence(inner) => {
                (0..2).map(|_| self.make(inner, rng)).collect::<Result<_>>().map(RunValue::Sequence)
            }
            Type::Optional(inner) if self.choice.is_multiple_of(2) => {
                Ok(RunValue::Optional(Some(Box::new(self.make(inner, rng)?))))
            }
            Type::Optional(_) => Ok(RunValue::Optional(None)),
            Type::Map(key, inner) => {
                let values = match &**inner {
                    Type::Tensor(t) => self.numbers(t.dtype, &[3], rng)?,
                    other => return Err(Error::new(format!("no map of {other} can be made"))),
                };
                let keys = match (key, self.facts.words.as_slice()) {
                    (DType::String, []) => Tensor::from_strings(&[3], ["a", "b", "c"].map(text))?,
                    (DType::String, words) => {
                        Tensor::from_strings(&[3], [0, 1, 2].map(|i| words[i % words.len()].clone()))?
                    }
                    (dtype, _) => Tensor::from_f64s(*dtype, &[3], &[0.0, 1.0, 2.0])?,
                };
                Ok(RunValue::Map(keys, values))
            }
            Type::SparseTensor(_) | Type::Opaque { .. } => {
                Err(Error::new(format!("no value of {ty} can be made")))
            }
        }
    }

    fn tensor(&self, ty: &TensorType, rng: &mut Rng) -> Result<Tensor> {
        let shape: Vec<usize> = match &ty.shape {
            Some(dims) => dims.iter().map(|d| self.sizes.dim(d)).collect(),
            None => self.sizes.unranked(),
        };
        if element_count(&shape).is_none_or(|n| n > MOST_ELEMENTS) {
            return Err(Error::new(format!("a tensor of shape {shape:?} is too large to make")));
        }
        if self.is_knobs(ty) {
            let values: Vec<f64> = (0..shape.iter().product()).map(|_| 0.25 + 0.75 * rng.unit()).collect();
            return Tensor::from_f64s(ty.dtype, &shape, &values);
        }
        self.numbers(ty.dtype, &shape, rng)
    }

    fn is_knobs(&self, ty: &TensorType) -> bool {
        let few = |dims: &[Dim]| {
            dims.len() <= 1 && dims.iter().all(|d| d.as_fixed().is_some_and(|n| n <= MOST_KNOBS))
        };
        let plain = self.facts.role.is_none() && !self.facts.mask;
        plain && ty.dtype.is_float() && ty.shape.as_deref().is_some_and(few)
    }

    fn numbers(&self, dtype: DType, shape: &[usize], rng: &mut Rng) -> Result<Tensor> {
        let count = element_count(shape).unwrap_or(0);
        match dtype {
            DType::String => {
                let words = ["a", "1", "the quick fox", "Zürich", ""].map(text).to_vec();
                let words = if self.facts.words.is_empty() { &words } else { &self.facts.words };
                let pick = |_| words[rng.between(0, words.len() as i64 - 1) as usize].clone();
                Tensor::from_strings(shape, (0..count).map(pick).collect::<Vec<Bytes>>())
            }
            DType::C64 | DType::C128 => {
                let part = if dtype == DType::C64 { DType::F32 } else { DType::F64 };
                let values: Vec<f64> = (0..2 * count).map(|_| rng.normal()).collect();
                let parts = Tensor::from_f64s(part, &[2 * count], &values)?;
                Tensor::from_bytes(dtype, shape, parts.bytes().unwrap_or_default())
            }
            _ if dtype.bits() < 8 || (dtype.bits() == 8 && !dtype.is_int() && dtype != DType::Bool) => {
                self.codes(dtype, shape, count, rng)
            }
            _ => {
                let values: Vec<f64> = self
                    .special(dtype, shape, count, rng)
                    .unwrap_or_else(|| (0..count).map(|_| self.number(dtype, rng)).collect());
                Tensor::from_f64s(dtype, shape, &values)
            }
        }
    }

    /// Random bit patterns, for 8-bit floats only those of magnitude up to about one.
    fn codes(&self, dtype: DType, shape: &[usize], count: usize, rng: &mut Rng) -> Result<Tensor> {
        let len = dtype.byte_len(count).ok_or_else(|| Error::new("too large"))?;
        let mut bytes: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
        if dtype.bits() == 8 {
            bytes.iter_mut().for_each(|b| *b &= 0xbf);
        }
        let spare = len * 8 - count * dtype.bits();
        if let Some(last) = bytes.last_mut() {
            *last &= 0xff >> spare;
        }
        Tensor::from_bytes(dtype, shape, bytes)
    }

    /// The numbers of an input whose meaning is known.
    fn special(&self, dtype: DType, shape: &[usize], count: usize, rng: &mut Rng) -> Option<Vec<f64>> {
        if let Some(role) = self.facts.role
            && (dtype.is_int() || role == Role::Scales)
        {
            return Some((0..count).map(|i| steer(role, i, rng)).collect());
        }
        if self.facts.mask {
            return Some(mask(shape, count, self.choice));
        }
        let whole = dtype.is_int() || dtype == DType::Bool;
        if whole && self.facts.length {
            let most = self.sizes.length().max(1) as f64;
            return Some((0..count).map(|i| if i == 0 { most } else { (most / 2.0).ceil() }).collect());
        }
        if dtype == DType::Bool && count == 1 {
            return Some(vec![f64::from(u8::from(self.choice.is_multiple_of(2)))]);
        }
        if whole && count == 1 && !self.facts.compared.is_empty() {
            let options = &self.facts.compared;
            return Some(vec![options[self.choice % options.len()] as f64]);
        }
        None
    }

    fn number(&self, dtype: DType, rng: &mut Rng) -> f64 {
        if dtype.is_float() {
            return match self.style {
                Style::Plain => rng.normal(),
                Style::Unit => rng.unit(),
                Style::Small => 0.1 + 0.9 * rng.unit(),
                Style::Pixels => rng.between(0, 255) as f64,
            };
        }
        if dtype == DType::Bool {
            return f64::from(u8::from(rng.coin()));
        }
        let bound = match self.facts.bound {
            Some(bound) => i64::try_from(bound).unwrap_or(i64::MAX),
            None if dtype.bits() == 8 => 256,
            None => 100,
        };
        let low = if self.facts.bound.is_none() && dtype == DType::I8 { -128 } else { 0 };
        let high = match self.style {
            Style::Plain => bound + low - 1,
            Style::Unit => (bound / 4 - 1).max(1).min(bound - 1),
            Style::Small => 1.min(bound - 1),
            Style::Pixels => 255.min(bound + low - 1),
        };
        // Elements are also compared with constants, such as that of padding.
        match self.facts.compared.as_slice() {
            [_, ..] if rng.between(0, 7) == 0 => {
                let at = rng.between(0, self.facts.compared.len() as i64 - 1) as usize;
                self.facts.compared[at].clamp(low.min(0), bound - 1) as f64
            }
            _ => rng.between(low, high) as f64,
        }
    }
}

fn text(s: &'static str) -> Bytes {
    Bytes::from_static(s.as_bytes())
}

fn steer(role: Role, index: usize, rng: &mut Rng) -> f64 {
    match role {
        Role::Reshape if index == 0 => -1.0,
        Role::Reshape | Role::Expand => 1.0,
        Role::Size => rng.between(1, 3) as f64,
        Role::Axes => index as f64,
        Role::Zero => 0.0,
        Role::End => f64::from(i32::MAX),
        Role::Scales if index < 2 => 1.0,
        Role::Scales => 2.0,
    }
}

/// Ones, of which each row but the first drops some at its end; every row of every other set keeps all.
fn mask(shape: &[usize], count: usize, choice: usize) -> Vec<f64> {
    let width = shape.last().copied().unwrap_or(1).max(1);
    let dropped = |i: usize| {
        let (row, column) = (i / width, i % width);
        (row + choice) % 2 == 1 && column >= width - width / 4
    };
    (0..count).map(|i| f64::from(u8::from(!dropped(i)))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::made::sizes::{SCHEMES, Symbols};
    use crate::ir::Model;

    fn numbers(facts: &Facts, dtype: DType, dims: &[u64], choice: usize) -> Vec<f64> {
        let sizes = SCHEMES[0].sizes(&Symbols::of(&Model::new(17)));
        let recipe = Recipe { facts, sizes: &sizes, style: Style::Plain, choice };
        let dims: Vec<Dim> = dims.iter().map(|&d| Dim::Fixed(d)).collect();
        match recipe.make(&Type::tensor(dtype, dims), &mut Rng::new(0, "x")).unwrap() {
            RunValue::Tensor(t) => t.to_f64s().unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn indices_reach_all_of_their_range_and_no_more() {
        let facts = Facts { bound: Some(5), ..Facts::default() };
        let got = numbers(&facts, DType::I64, &[300], 0);
        assert!(got.iter().all(|v| (0.0..5.0).contains(v)) && [0.0, 4.0].iter().all(|v| got.contains(v)));
        let facts = Facts { bound: Some(1), ..Facts::default() };
        assert!(numbers(&facts, DType::I64, &[9], 0).iter().all(|&v| v == 0.0));
        // A comparison does not lead out of the range.
        let facts = Facts { bound: Some(3), compared: vec![900], ..Facts::default() };
        assert!(numbers(&facts, DType::I32, &[200], 0).iter().all(|v| (0.0..3.0).contains(v)));
    }

    #[test]
    fn masks_are_mostly_ones() {
        let facts = Facts { mask: true, ..Facts::default() };
        let got = numbers(&facts, DType::I64, &[2, 8], 0);
        assert_eq!(got.iter().filter(|&&v| v == 0.0).count(), 2);
        assert!(got.iter().all(|&v| v == 0.0 || v == 1.0) && got[..8].iter().all(|&v| v == 1.0));
    }

    #[test]
    fn scalars_take_the_constants_they_are_compared_with() {
        let facts = Facts { compared: vec![16000, 16001], ..Facts::default() };
        assert_eq!(numbers(&facts, DType::I64, &[], 0), [16000.0]);
        assert_eq!(numbers(&facts, DType::I64, &[], 1), [16001.0]);
        assert_ne!(
            numbers(&Facts::default(), DType::Bool, &[1], 0),
            numbers(&Facts::default(), DType::Bool, &[1], 1)
        );
    }

    #[test]
    fn every_dtype_can_be_made() {
        let sizes = SCHEMES[0].sizes(&Symbols::of(&Model::new(17)));
        let facts = Facts::default();
        for style in Style::ALL {
            let recipe = Recipe { facts: &facts, sizes: &sizes, style, choice: 0 };
            for &dtype in DType::ALL {
                let ty = Type::tensor(dtype, [Dim::Fixed(3), Dim::Fixed(5)]);
                let RunValue::Tensor(t) = recipe.make(&ty, &mut Rng::new(1, "")).unwrap() else {
                    panic!("{dtype}")
                };
                assert_eq!((t.dtype(), t.len()), (dtype, 15));
            }
        }
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let sizes = SCHEMES[0].sizes(&Symbols::of(&Model::new(17)));
        let recipe = Recipe { facts: &Facts::default(), sizes: &sizes, style: Style::Plain, choice: 0 };
        let ty = Type::tensor(DType::F32, [Dim::Fixed(u64::MAX), Dim::Fixed(2)]);
        assert!(recipe.make(&ty, &mut Rng::new(0, "")).is_err());
    }
}
