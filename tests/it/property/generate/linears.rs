//! Layers with constant weights between arithmetic that their weights may take, and ramps that are clipped.

use super::{Generator, Value};

impl Generator {
    /// A product with constant weights, something on the way, and constants after it and before it.
    pub(super) fn scaled_layer(&mut self) {
        let x = self.pick();
        let Some((&inner, outer)) = x.shape.split_last() else { return };
        let columns = 1 + self.below(4);
        let input = match self.below(6) {
            0 | 1 => self.affine(&x.name, &[]),
            2 if outer.len() == 1 => {
                let call = self.batch_norm(&x.name, inner);
                self.inner(&call)
            }
            _ => x.name,
        };
        let weight = self.random_floats(&[inner, columns]);
        let mut value = self.inner(&format!("MatMul ({input}, {weight})"));
        let mut shape = [outer, &[columns]].concat();
        for _ in 0..self.below(4) {
            value = match self.below(5) {
                0 => self.inner(&format!("Relu ({value})")),
                4 if shape.last().is_some_and(|n| n.is_multiple_of(2)) => self.halved(&value, &mut shape),
                1 if shape.len() >= 2 => {
                    let turned: Vec<usize> = (0..shape.len()).rev().collect();
                    shape = turned.iter().map(|&d| shape[d]).collect();
                    self.inner(&format!("Transpose <perm = {turned:?}> ({value})"))
                }
                2 => self.inner(&format!("Neg ({value})")),
                _ => self.affine(&value, &shape),
            };
        }
        let last = self.affine(&value, &shape);
        self.emit(shape, &format!("Tanh ({last})"));
    }

    /// The first half of the last dim; the second one may be read as it is.
    fn halved(&mut self, x: &str, shape: &mut Vec<usize>) -> String {
        let (first, second) = (self.fresh("t"), self.fresh("v"));
        let half = shape.pop().expect("there is a last dim") / 2;
        shape.push(half);
        let sizes = self.ints(&[half as i64, half as i64]);
        self.lines.push(format!("{first}, {second} = Split <axis = -1> ({x}, {sizes})"));
        self.values.push(Value { name: second, dtype: "float", shape: shape.clone() });
        first
    }

    /// A table and its transposition, of which another product reads one.
    pub(super) fn twice_stored(&mut self) {
        let x = self.pick();
        let Some((&inner, outer)) = x.shape.split_last() else { return };
        let columns = 2 + self.below(4);
        let table: Vec<f64> = (0..columns * inner).map(|_| self.number()).collect();
        let turned: Vec<f64> =
            (0..inner * columns).map(|i| table[i % columns * inner + i / columns]).collect();
        let (table, turned) =
            (self.floats(&[columns, inner], &table), self.floats(&[inner, columns], &turned));
        let ids = self.ints(&[1, 0]);
        self.emit(vec![2, inner], &format!("Gather ({table}, {ids})"));
        self.emit([outer, &[columns]].concat(), &format!("MatMul ({}, {turned})", x.name));
    }

    /// A convolution between a normalization, constant factor or summand before it and one after it.
    pub(super) fn scaled_window(&mut self) {
        let Some(x) = self.values.iter().find(|v| v.dtype == "float" && v.shape == [1, 3, 5, 5]) else {
            return;
        };
        let x = x.name.clone();
        let before = if self.below(3) == 0 {
            let call = self.batch_norm(&x, 3);
            self.inner(&call)
        } else {
            self.affine(&x, &[1, 3, 1, 1])
        };
        let kernel = self.random_floats(&[4, 3, 1, 1]);
        let pads = [0, 0, 1][self.below(3)];
        let layer =
            self.inner(&format!("Conv <pads = [{pads}, {pads}, {pads}, {pads}]> ({before}, {kernel})"));
        let after = self.affine(&layer, &[1, 4, 1, 1]);
        let side = 5 + 2 * pads;
        self.emit(vec![1, 4, side, side], &format!("Tanh ({after})"));
    }

    /// A constant factor, divisor or summand: one number, or of the last dim or the whole of a shape that it broadcasts to.
    fn affine(&mut self, x: &str, shape: &[usize]) -> String {
        let dims = match (shape.split_last(), self.below(3)) {
            (Some((&last, _)), 1) if shape.len() < 4 => vec![last],
            (Some(_), 2) => shape.to_vec(),
            _ => vec![],
        };
        let count = dims.iter().product();
        let op = ["Mul", "Mul", "Div", "Add", "Sub"][self.below(5)];
        let numbers: Vec<f64> = (0..count).map(|_| [0.75, -1.5, 0.25, 3.0][self.below(4)]).collect();
        let k = self.floats(&dims, &numbers);
        self.inner(&format!("{op} ({x}, {k})"))
    }

    /// Arithmetic with an inverse.
    pub(super) fn inverse(&mut self) {
        let Value { name: x, shape, .. } = self.pick();
        // Away from zero.
        let bounded = self.inner(&format!("Tanh ({x})"));
        let exp = self.inner(&format!("Exp ({bounded})"));
        let (inverse, ops) = match self.below(4) {
            0 => (format!("Reciprocal ({exp})"), ["Mul", "Div"]),
            1 => (format!("Div ({}, {exp})", self.floats(&[], &[1.0])), ["Mul", "Div"]),
            _ => (format!("Neg ({exp})"), ["Add", "Sub"]),
        };
        let y = self.inner(&inverse);
        let op = ops[self.below(2)];
        self.emit(shape, &format!("{op} ({x}, {y})"));
    }

    /// A ramp between 0 and 1, alone or times what it is the ramp of.
    pub(super) fn clipped_ramp(&mut self) {
        let Value { name: x, shape, .. } = self.pick();
        let (zero, six) = (self.floats(&[], &[0.0]), self.floats(&[], &[6.0]));
        let three = self.floats(&[], &[3.0]);
        let sum = self.inner(&format!("Add ({x}, {three})"));
        let clip = self.inner(&format!("Clip ({sum}, {zero}, {six})"));
        let clip = if self.below(3) > 0 { self.inner(&format!("Mul ({x}, {clip})")) } else { clip };
        self.emit(shape, &format!("Div ({clip}, {six})"));
    }
}
