//! Elements moved to and fro, taken apart and joined, expanded, padded and cast.

use super::{Generator, Value};

impl Generator {
    pub(super) fn moved(&mut self) {
        match self.below(7) {
            5 => self.headed(),
            6 => self.rotated(),
            0 => self.slices(),
            1 => self.expanded(),
            2 => self.casts(),
            3 => self.picked(),
            _ => self.shuffled(),
        }
    }

    /// All of an axis in two slices, sometimes joined the other way round.
    fn slices(&mut self) {
        let x = self.pick();
        let Some(axis) = (0..x.shape.len()).find(|&a| x.shape[a] > 1) else { return };
        let size = x.shape[axis];
        let at = 1 + self.below(size - 1);
        let (zero, cut, end) = (self.ints(&[0]), self.ints(&[at as i64]), self.ints(&[i64::MAX]));
        let axes = self.ints(&[axis as i64]);
        let first = format!("Slice ({}, {zero}, {cut}, {axes})", x.name);
        let second = format!("Slice ({}, {cut}, {end}, {axes})", x.name);
        if self.below(2) == 0 {
            let (a, b) = (self.inner(&first), self.inner(&second));
            self.emit(x.shape, &format!("Concat <axis = {axis}> ({b}, {a})"));
            return;
        }
        for (call, count) in [(first, at), (second, size - at)] {
            let mut shape = x.shape.clone();
            shape[axis] = count;
            self.emit(shape, &call);
        }
    }

    fn expanded(&mut self) {
        let x = self.pick();
        if self.below(3) == 0 && !x.shape.is_empty() {
            return self.interleaved(x);
        }
        let wide: Vec<i64> = x.shape.iter().map(|&d| if d == 1 { 2 } else { 1 }).collect();
        let shape: Vec<usize> = x.shape.iter().map(|&d| if d == 1 { 2 } else { d }).collect();
        let to = self.ints(&wide);
        let op = ["Expand", "Tile"][self.below(2)];
        let e = self.inner(&format!("{op} ({}, {to})", x.name));
        let other = self.random_floats(&shape);
        self.emit(shape, &format!("Mul ({e}, {other})"));
    }

    /// Rows of two dims each through a product, the dims before them in another order.
    fn headed(&mut self) {
        let x = self.pick();
        let [a, b, c, d] = x.shape[..] else { return };
        let (turned, sizes) = match self.below(3) {
            0 => ([2, 0, 1, 3], [c, a, b, d]),
            1 => ([1, 0, 2, 3], [b, a, c, d]),
            _ => ([2, 1, 0, 3], [c, b, a, d]),
        };
        let [first, second, row] = [sizes[0], sizes[1], sizes[2] * sizes[3]];
        let columns = 2 + self.below(2);
        let weight = self.random_floats(&[row, columns]);
        let (flat, back) = (self.ints(&[-1, row as i64]), self.ints(&[first as i64, -1, columns as i64]));
        let t = self.inner(&format!("Transpose <perm = {turned:?}> ({})", x.name));
        let r = self.inner(&format!("Reshape ({t}, {flat})"));
        let op = ["Gemm", "MatMul"][self.below(2)];
        let m = self.inner(&format!("{op} ({r}, {weight})"));
        let u = self.inner(&format!("Reshape ({m}, {back})"));
        self.emit(vec![second, first, columns], &format!("Transpose <perm = [1, 0, 2]> ({u})"));
    }

    /// Halves the other way round, one of them negated, times one factor.
    fn rotated(&mut self) {
        let x = self.pick();
        let Some(&last) = x.shape.last().filter(|n| n.is_multiple_of(2)) else { return };
        let factor = self.inner(&format!("Sin ({})", x.name));
        let half = last as i64 / 2;
        for op in ["Neg", "Tanh"] {
            let whole = self.inner(&format!("{op} ({})", x.name));
            let sizes = self.ints(&[half, half]);
            let (a, b) = (self.fresh("t"), self.fresh("t"));
            self.lines.push(format!("{a}, {b} = Split <axis = -1> ({whole}, {sizes})"));
            let negated = self.inner(&format!("Neg ({b})"));
            let turned = self.inner(&format!("Concat <axis = -1> ({negated}, {a})"));
            self.emit(x.shape.clone(), &format!("Mul ({turned}, {factor})"));
        }
    }

    /// Each element along an axis two times.
    fn interleaved(&mut self, x: Value) {
        let axis = self.below(x.shape.len());
        let ones = |at: usize, n: i64| {
            (0..=x.shape.len()).map(|d| if d == at { n } else { 1 }).collect::<Vec<i64>>()
        };
        let mut shape = x.shape.clone();
        shape[axis] *= 2;
        if shape.iter().product::<usize>() > super::MOST_ELEMENTS {
            return;
        }
        let merged: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        let [at, twice, merged] =
            [self.ints(&[axis as i64 + 1]), self.ints(&ones(axis + 1, 2)), self.ints(&merged)];
        let u = self.inner(&format!("Unsqueeze ({}, {at})", x.name));
        let e = self.inner(&format!("Expand ({u}, {twice})"));
        self.emit(shape, &format!("Reshape ({e}, {merged})"));
    }

    /// There and back. ONNX Runtime drops such a pair even unasked, and then misses it where a body reads it.
    fn casts(&mut self) {
        let x = self.pick();
        let wide = self.inner(&format!("Cast <to = 11> ({})", x.name));
        let back = self.inner(&format!("Cast <to = 1> ({wide})"));
        self.emit(x.shape, &format!("Neg ({back})"));
    }

    /// Elements of an axis, all moved alike.
    fn picked(&mut self) {
        let x = self.pick();
        let rank = x.shape.len();
        let Some(axis) = (0..rank).rev().find(|&a| x.shape[a] > 1).filter(|_| rank > 2) else { return };
        let mut rest = x.shape.clone();
        rest.remove(axis);
        rest.reverse();
        for index in 0..2 {
            let at = self.inner(&format!("Constant <value = int64 {{{index}}}> ()"));
            let a = self.inner(&format!("Gather <axis = {axis}> ({}, {at})", x.name));
            self.emit(rest.clone(), &format!("Transpose ({a})"));
        }
    }

    /// Reshapes and transpositions with something between.
    fn shuffled(&mut self) {
        let mut x = self.pick();
        for _ in 0..2 + self.below(4) {
            x = self.once(x);
        }
        let name = x.name;
        self.emit(x.shape, &format!("Neg ({name})"));
    }

    fn once(&mut self, x: Value) -> Value {
        let rank = x.shape.len();
        let count: usize = x.shape.iter().product();
        match self.below(6) {
            0 | 1 if rank > 1 => {
                let turn = 1 + self.below(rank - 1);
                let perm: Vec<usize> = (0..rank).map(|d| (d + turn) % rank).collect();
                let shape = perm.iter().map(|&p| x.shape[p]).collect();
                Value { name: self.inner(&format!("Transpose <perm = {perm:?}> ({})", x.name)), shape, ..x }
            }
            2 | 3 => {
                let by = [2, 3, 4, 5][self.below(4)];
                let shape = if count.is_multiple_of(by) { vec![count / by, by] } else { vec![1, count] };
                let shape = if self.below(3) == 0 && rank > 0 && x.shape[0] > 0 {
                    vec![x.shape[0], count / x.shape[0]]
                } else {
                    shape
                };
                let to: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
                let to = self.ints(&[&[-1], &to[1..]].concat());
                Value { name: self.inner(&format!("Reshape ({}, {to})", x.name)), shape, ..x }
            }
            4 if rank > 0 => {
                let last = x.shape[rank - 1];
                let scale = self.random_floats(&[last]);
                Value { name: self.inner(&format!("Add ({}, {scale})", x.name)), ..x }
            }
            5 if rank > 1 && x.shape[1] > 1 && x.shape[1] < 9 => {
                let order: Vec<i64> = (0..x.shape[1] as i64).rev().collect();
                let order = self.ints(&order);
                Value { name: self.inner(&format!("Gather <axis = 1> ({}, {order})", x.name)), ..x }
            }
            _ => Value { name: self.inner(&format!("Softsign ({})", x.name)), ..x },
        }
    }

    /// A padded image and what looks at it.
    pub(super) fn padded(&mut self) {
        let x = self.pick();
        let [n, channels, h, w] = x.shape[..] else { return };
        let pads = self.ints(&[0, 0, 0, 1, 0, 0, 1, 1]);
        if self.below(3) == 0 {
            let call = if self.below(2) == 0 {
                let lowest = self.floats(&[], &[f64::NEG_INFINITY]);
                format!("Pad ({}, {pads}, {lowest})", x.name)
            } else {
                format!("Pad ({}, {pads})", self.inner(&format!("Relu ({})", x.name)))
            };
            let p = self.inner(&call);
            self.emit(vec![n, channels, h, w + 1], &format!("MaxPool <kernel_shape = [2, 2]> ({p})"));
            return;
        }
        let p = self.inner(&format!("Pad ({}, {pads})", x.name));
        if self.below(2) == 0 {
            let count = self.below(2);
            let shape = vec![n, channels, h, w + 1];
            self.emit(
                shape,
                &format!("AveragePool <kernel_shape = [2, 2], count_include_pad = {count}> ({p})"),
            );
            return;
        }
        let kernel = self.random_floats(&[2, channels, 1, 1]);
        self.emit(vec![n, 2, h + 1, w + 2], &format!("Conv ({p}, {kernel})"));
    }
}
