//! Ops that follow each other and do the work of one.

use super::Generator;

impl Generator {
    /// Bounds of bounds, some of them crossed or kept anyway.
    pub(super) fn bounded(&mut self) {
        let x = self.pick_of(&["float", "float", "int32", "int64"]);
        let (mut value, float) = (x.name, x.dtype == "float");
        for _ in 0..2 + self.below(3) {
            let [low, high] = [0, 1].map(|_| self.bound(x.dtype));
            let call = match self.below(if float { 9 } else { 5 }) {
                0 => format!("Max ({value}, {low})"),
                1 => format!("Clip ({value}, {low})"),
                2 => format!("Min ({high}, {value})"),
                3 => format!("Clip ({value}, {low}, {high})"),
                4 => format!("Clip ({value}, , {high})"),
                5 => format!("Relu ({value})"),
                6 => format!("Sigmoid ({value})"),
                7 => format!("Abs ({value})"),
                _ => format!("LeakyRelu <alpha = 0.5> ({value})"),
            };
            value = self.emit_as(x.dtype, x.shape.clone(), &call);
        }
    }

    fn bound(&mut self, dtype: &str) -> String {
        let name = self.fresh("k");
        let bound = self.number_of(dtype, &["-1", "0", "1", "2"]);
        self.initializers.push(format!("{dtype} {name} = {{{bound}}}"));
        name
    }

    /// Negations and comparisons of booleans, and a choice by one.
    pub(super) fn logical(&mut self) {
        let x = self.pick_of(&["bool"]);
        let mut value = x.name;
        for _ in 0..2 + self.below(3) {
            let k = self.fresh("k");
            let bit = self.below(2);
            self.initializers.push(format!("bool {k} = {{{bit}}}"));
            let call = match self.below(5) {
                0 | 1 => format!("Not ({value})"),
                2 => format!("Equal ({value}, {k})"),
                3 => format!("Xor ({value}, {k})"),
                _ => {
                    let number = self.inner(&format!("Cast <to = 7> ({value})"));
                    let one = self.inner(&format!("Cast <to = 7> ({k})"));
                    format!("Equal ({number}, {one})")
                }
            };
            value = self.emit_as("bool", x.shape.clone(), &call);
        }
        let not = self.inner(&format!("Not ({value})"));
        let (a, b) = (self.random_floats(&[]), self.random_floats(&[]));
        self.emit(x.shape, &format!("Where ({not}, {a}, {b})"));
    }

    /// Tensors through a sequence, or split into one.
    pub(super) fn sequenced(&mut self) {
        let x = self.pick();
        let at = self.fresh("k");
        if self.below(2) == 0 || x.shape.is_empty() || x.shape[0] == 0 {
            let other = self.inner(&format!("Neg ({})", x.name));
            let place = self.below(2);
            self.initializers.push(format!("int64 {at} = {{{place}}}"));
            let s = self.inner(&format!("SequenceConstruct ({}, {other})", x.name));
            self.emit(x.shape, &format!("SequenceAt ({s}, {at})"));
            return;
        }
        let place = self.below(x.shape[0]);
        self.initializers.push(format!("int64 {at} = {{{place}}}"));
        let s = self.inner(&format!("SplitToSequence <axis = 0, keepdims = 0> ({})", x.name));
        self.emit(x.shape[1..].to_vec(), &format!("SequenceAt ({s}, {at})"));
    }

    /// One number everywhere, and arithmetic on it.
    pub(super) fn uniform(&mut self) {
        let x = self.pick();
        let s = self.inner(&format!("Shape ({})", x.name));
        let value = self.inner(&format!("ConstantOfShape <value = int64[1] {{3}}> ({s})"));
        let value = self.inner(&format!("Cast <to = 1> ({value})"));
        let k = self.random_floats(&[]);
        self.emit(x.shape, &format!("Mul ({value}, {k})"));
    }
}
