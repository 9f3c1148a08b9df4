//! What ONNX Runtime has an operator of its own for: biases, activations and normalizations behind what makes their input.

use super::{Generator, N, Value};

impl Generator {
    /// GELU of a value and its bias, as operator or formula; the sum sometimes read elsewhere too.
    pub(super) fn biased_gelu(&mut self) {
        let x = self.pick();
        let Some(&last) = x.shape.last() else { return };
        let bias = self.random_floats(&[last]);
        let call = self.swap("Add", &x.name, &bias);
        let sum = if self.below(6) == 0 { self.emit(x.shape.clone(), &call) } else { self.inner(&call) };
        let sum = Value { name: sum, ..x };
        match self.below(4) {
            0 if self.opset >= 20 => {
                let call = format!("Gelu ({})", sum.name);
                self.emit(sum.shape, &call);
            }
            1 if self.opset >= 20 => {
                let call = format!("Gelu <approximate = \"tanh\"> ({})", sum.name);
                self.emit(sum.shape, &call);
            }
            0 | 2 => self.gelu_of(&sum),
            _ => self.gelu_tanh_of(&sum),
        }
    }

    /// A value times the `Sigmoid` of it, or of it times a number.
    pub(super) fn gated(&mut self) {
        let x = self.pick();
        let (factor, rank) = self.scalar(1.702);
        let within = if self.below(3) > 0 && rank <= x.shape.len() {
            let call = self.swap("Mul", &x.name, &factor);
            self.inner(&call)
        } else {
            x.name.clone()
        };
        let call = format!("Sigmoid ({within})");
        let gate = if self.below(6) == 0 { self.emit(x.shape.clone(), &call) } else { self.inner(&call) };
        let call = self.swap("Mul", &x.name, &gate);
        self.emit(x.shape, &call);
    }

    /// A convolution of an image, sometimes a sum, and an activation.
    pub(super) fn activated(&mut self) {
        let images: Vec<Value> =
            self.values.iter().filter(|v| v.dtype == "float" && v.shape.len() == 4).cloned().collect();
        let x = images[self.below(images.len())].clone();
        let (n, channels) = (x.shape[0], x.shape[1]);
        let shape = vec![n, 2, x.shape[2], x.shape[3]];
        let (weight, bias) = (self.random_floats(&[2, channels, 1, 1]), self.random_floats(&[2]));
        let call = match self.below(2) {
            0 => format!("Conv ({}, {weight}, {bias})", x.name),
            _ => format!("Conv ({}, {weight})", x.name),
        };
        let mut layer = self.own_or_shared(&shape, &call);
        if self.below(2) == 0 {
            let wide = if self.below(4) == 0 { vec![1, 2, 1, 1] } else { shape.clone() };
            let summand = match images.iter().find(|v| v.shape == wide) {
                Some(image) => image.name.clone(),
                None => self.random_floats(&wide),
            };
            let call = self.swap("Add", &layer, &summand);
            layer = self.own_or_shared(&shape, &call);
        }
        let call = match self.below(6) {
            0 => format!("Sigmoid ({layer})"),
            1 => format!("Tanh ({layer})"),
            2 => format!("LeakyRelu <alpha = 0.2> ({layer})"),
            3 => format!("HardSigmoid ({layer})"),
            4 => {
                let bounds = [-0.5, 1.5].map(|bound| self.floats(&[], &[bound]));
                format!("Clip ({layer}, {}, {})", bounds[0], bounds[1])
            }
            _ => format!("Relu ({layer})"),
        };
        self.emit(shape, &call);
    }

    fn own_or_shared(&mut self, shape: &[usize], call: &str) -> String {
        if self.below(8) == 0 { self.emit(shape.to_vec(), call) } else { self.inner(call) }
    }

    /// Rows of two or three tables, and the normalization of their sum.
    pub(super) fn embedded(&mut self) {
        if self.opset < 17 {
            return;
        }
        const WIDTH: usize = 3;
        let Some(ids) = self.values.iter().find(|v| v.dtype == "int64" && v.shape == [N, 4]).cloned() else {
            return;
        };
        let words = self.rows_by(&ids.name, 5, WIDTH);
        let segments = (self.below(2) == 0).then(|| self.rows_by(&ids.name, 2, WIDTH));
        let positions = match self.below(4) {
            0 => {
                let shape = [vec![1, 4, WIDTH], vec![4, WIDTH]][self.below(2)].clone();
                self.random_floats(&shape)
            }
            1 => self.rows_by(&ids.name, 4, WIDTH),
            2 => {
                let table = self.random_floats(&[6, WIDTH]);
                let first = self.below(2) as i64;
                let places = self.ints(&[first, first + 1, first + 2, first + 3]);
                self.inner(&format!("Gather ({table}, {places})"))
            }
            _ => {
                let table = self.random_floats(&[6, WIDTH]);
                let [zero, one] = [0, 1].map(|n| {
                    let name = self.fresh("i");
                    self.initializers.push(format!("int64 {name} = {{{n}}}"));
                    name
                });
                let shape = self.inner(&format!("Shape ({})", ids.name));
                let length = self.inner(&format!("Gather ({shape}, {one})"));
                let places = self.inner(&format!("Range ({zero}, {length}, {one})"));
                self.inner(&format!("Gather ({table}, {places})"))
            }
        };
        let mut sum = words;
        for part in segments.into_iter().chain([positions]) {
            let call = self.swap("Add", &sum, &part);
            sum = self.inner(&call);
        }
        let shape = vec![N, 4, WIDTH];
        if self.below(4) == 0 {
            sum = self.emit(shape.clone(), &format!("Identity ({sum})"));
        }
        let [gamma, beta] = [0, 1].map(|_| self.random_floats(&[WIDTH]));
        self.emit(shape, &format!("LayerNormalization <epsilon = 0.01> ({sum}, {gamma}, {beta})"));
    }

    /// Rows of a table, by whole numbers of any size.
    fn rows_by(&mut self, ids: &str, rows: usize, width: usize) -> String {
        let count = self.fresh("i");
        self.initializers.push(format!("int64 {count} = {{{rows}}}"));
        let within = self.inner(&format!("Mod ({ids}, {count})"));
        let table = self.random_floats(&[rows, width]);
        self.inner(&format!("Gather ({table}, {within})"))
    }

    /// A normalization of groups of channels that come last, sometimes with SiLU.
    pub(super) fn grouped_last(&mut self) {
        let fitting: Vec<Value> =
            self.values.iter().filter(|v| v.dtype == "float" && v.shape == [2, N, 4]).cloned().collect();
        let x = fitting[self.below(fitting.len())].clone();
        let x = self.within(x);
        let axis = self.ints(&[0]);
        let x = self.inner(&format!("Unsqueeze ({}, {axis})", x.name));
        let first = self.inner(&format!("Transpose <perm = [0, 3, 1, 2]> ({x})"));
        let groups = 1 + self.below(2);
        let normalized = if self.opset >= 21 && self.below(2) == 0 {
            let [scale, bias] = [0, 1].map(|_| self.random_floats(&[4]));
            let at = format!("num_groups = {groups}, epsilon = 0.01");
            self.inner(&format!("GroupNormalization <{at}> ({first}, {scale}, {bias})"))
        } else {
            let split = self.ints(&[0, groups as i64, -1]);
            let split = self.inner(&format!("Reshape ({first}, {split})"));
            let [ones, zeros] = [1.0, 0.0].map(|n| self.floats(&[groups], &vec![n; groups]));
            let at = "InstanceNormalization <epsilon = 0.01>";
            let normalized = self.inner(&format!("{at} ({split}, {ones}, {zeros})"));
            let shape = self.inner(&format!("Shape ({first})"));
            let restored = self.inner(&format!("Reshape ({normalized}, {shape})"));
            let [scale, bias] = [0, 1].map(|_| self.random_floats(&[4, 1, 1]));
            let scaled = self.inner(&format!("Mul ({restored}, {scale})"));
            self.inner(&format!("Add ({scaled}, {bias})"))
        };
        let end = match self.below(3) {
            0 => normalized,
            _ => {
                let gate = self.inner(&format!("Sigmoid ({normalized})"));
                self.inner(&format!("Mul ({normalized}, {gate})"))
            }
        };
        self.emit(vec![1, 2, N, 4], &format!("Transpose <perm = [0, 2, 3, 1]> ({end})"));
    }
}
