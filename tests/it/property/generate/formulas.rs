//! What the fusions look for, spelled in several ways and sometimes disturbed.

use super::{Generator, Value, broadcast};

impl Generator {
    pub(super) fn layer_norm(&mut self) {
        let x = self.pick();
        let Some(&last) = x.shape.last() else { return };
        let call = self.reduce("ReduceMean", &x.name, -1, 1);
        let mean = self.inner(&call);
        let d = self.inner(&format!("Sub ({}, {mean})", x.name));
        let (two, rank) = self.scalar(2.0);
        let power = self.below(2) == 0 && rank <= x.shape.len();
        let square = if power { format!("Pow ({d}, {two})") } else { format!("Mul ({d}, {d})") };
        let square = self.inner(&square);
        let axis = if self.below(8) == 0 { 0 } else { -1 };
        let call = self.reduce("ReduceMean", &square, axis, 1);
        let variance = self.inner(&call);
        let eps = self.floats(&[], &[0.01]);
        let sum = self.inner(&format!("Add ({eps}, {variance})"));
        let root = self.inner(&format!("Sqrt ({sum})"));
        let q = self.inner(&format!("Div ({d}, {root})"));
        let wide = if self.below(6) == 0 { vec![1, last] } else { vec![last] };
        let (scale, bias) = (self.random_floats(&wide), self.random_floats(&[last]));
        let p = self.inner(&format!("Mul ({q}, {scale})"));
        let Some(shape) = broadcast(&x.shape, &wide) else { return };
        if axis == -1 || x.shape.len() == 1 {
            self.emit(shape, &format!("Add ({p}, {bias})"));
        }
    }

    pub(super) fn gelu(&mut self) {
        let x = self.pick();
        let x = if self.below(3) == 0 {
            Value { name: self.floats_of_rank_0(), dtype: "float", shape: vec![] }
        } else {
            x
        };
        self.gelu_of(&x);
    }

    pub(super) fn gelu_of(&mut self, x: &Value) {
        let numbers = [std::f64::consts::SQRT_2, 1.0, 0.5].map(|n| self.scalar(n));
        let wide = numbers
            .iter()
            .map(|(_, rank)| vec![1; *rank])
            .fold(x.shape.clone(), |shape, ones| broadcast(&shape, &ones).expect("ones fit all"));
        let [root, one, half] = numbers.map(|(name, _)| name);
        let a = self.inner(&format!("Div ({}, {root})", x.name));
        let e = self.inner(&format!("Erf ({a})"));
        let p = self.inner(&format!("Add ({one}, {e})"));
        let q = if self.below(2) == 0 {
            let q = self.inner(&format!("Mul ({p}, {})", x.name));
            format!("Mul ({q}, {half})")
        } else {
            let q = self.inner(&format!("Mul ({}, {half})", x.name));
            format!("Mul ({q}, {p})")
        };
        self.emit(wide, &q);
    }

    pub(super) fn gelu_tanh(&mut self) {
        let x = self.pick();
        self.gelu_tanh_of(&x);
    }

    pub(super) fn gelu_tanh_of(&mut self, x: &Value) {
        let numbers = [3.0, 0.044_715, 0.797_884_560_802_865_4, 1.0, 0.5].map(|n| self.scalar(n));
        let wide = numbers
            .iter()
            .map(|(_, rank)| vec![1; *rank])
            .fold(x.shape.clone(), |shape, ones| broadcast(&shape, &ones).expect("ones fit all"));
        let [three, cubic, root, one, half] = numbers.map(|(name, _)| name);
        let cube = if self.below(2) == 0 {
            self.inner(&format!("Pow ({}, {three})", x.name))
        } else {
            let square = self.inner(&format!("Mul ({0}, {0})", x.name));
            self.inner(&format!("Mul ({square}, {})", x.name))
        };
        let scaled = self.inner(&format!("Mul ({cubic}, {cube})"));
        let sum = self.inner(&format!("Add ({}, {scaled})", x.name));
        let inner = self.inner(&format!("Mul ({sum}, {root})"));
        let t = self.inner(&format!("Tanh ({inner})"));
        let p = self.inner(&format!("Add ({t}, {one})"));
        let q = self.inner(&format!("Mul ({}, {p})", x.name));
        self.emit(wide, &format!("Mul ({half}, {q})"));
    }

    /// One `MatMul` or several of one input, their weights on the right.
    pub(super) fn products(&mut self) {
        let x = self.pick();
        let Some((&inner, outer)) = x.shape.split_last() else { return };
        for _ in 0..1 + self.below(3) {
            let columns = 1 + self.below(4);
            let weight = self.random_floats(&[inner, columns]);
            self.emit([outer, &[columns]].concat(), &format!("MatMul ({}, {weight})", x.name));
        }
    }

    fn floats_of_rank_0(&mut self) -> String {
        let x = self.values[0].name.clone();
        if self.opset < 18 {
            return self.inner(&format!("ReduceMax <keepdims = 0> ({x})"));
        }
        let axes = self.ints(&[0, 1]);
        self.inner(&format!("ReduceMax <keepdims = 0> ({x}, {axes})"))
    }

    /// A convolution, its transpose or a Gemm, then a normalization whose layer is sometimes read elsewhere.
    pub(super) fn normalized_layer(&mut self) {
        let x = self.pick();
        let (call, shape) = match x.shape[..] {
            [n, channels, h, w] => {
                let kernel = self.random_floats(&[channels, 4, 1, 1]);
                if self.below(2) == 0 {
                    (format!("ConvTranspose ({}, {kernel})", x.name), vec![n, 4, h, w])
                } else {
                    let kernel = self.random_floats(&[4, channels, 1, 1]);
                    let bias = self.random_floats(&[4]);
                    (format!("Conv ({}, {kernel}, {bias})", x.name), vec![n, 4, h, w])
                }
            }
            [n, inner] => {
                let weight = self.random_floats(&[4, inner]);
                let bias = [vec![4], vec![1], vec![1, 4], vec![n, 1], vec![]][self.below(5)].clone();
                let bias = self.random_floats(&bias);
                let call =
                    format!("Gemm <transB = 1, alpha = 0.5, beta = 2.0> ({}, {weight}, {bias})", x.name);
                (call, vec![n, 4])
            }
            _ => return,
        };
        let layer = if self.below(4) == 0 { self.emit(shape.clone(), &call) } else { self.inner(&call) };
        let call = self.batch_norm(&layer, 4);
        self.emit(shape, &call);
    }

    /// A normalization at inference, its numbers often zero.
    pub(super) fn batch_norm(&mut self, x: &str, channels: usize) -> String {
        let parameters: Vec<String> = (0..3).map(|_| self.random_floats(&[channels])).collect();
        let variance: Vec<f64> = [0.5, 1.0, 2.0, 0.25].into_iter().cycle().take(channels).collect();
        let variance = self.floats(&[channels], &variance);
        format!("BatchNormalization ({x}, {}, {variance})", parameters.join(", "))
    }
}
