//! Normalizations in their parts, of bounded values.

use super::{Generator, Value};

impl Generator {
    pub(super) fn normalized(&mut self) {
        // Few values are images.
        let image = self.values.iter().find(|v| v.dtype == "float" && v.shape.len() == 4).cloned();
        let picked = self.pick();
        let x = image.filter(|_| self.below(3) == 0).unwrap_or(picked);
        let x = self.within(x);
        match x.shape.len() {
            0 => {}
            3.. if self.below(3) == 0 => self.instance(&x),
            4 if self.below(2) == 0 => self.grouped(&x),
            _ if self.below(2) == 0 => self.root_mean_square(&x),
            _ => self.rescaled(&x),
        }
    }

    /// Bounded, but for some of what is an input of infinities.
    pub(super) fn within(&mut self, x: Value) -> Value {
        if x.name.starts_with('x') && self.special.contains(&f64::INFINITY) && self.below(2) == 0 {
            return x;
        }
        Value { name: self.inner(&format!("Tanh ({})", x.name)), ..x }
    }

    /// `1 / Sqrt(ReduceMean(of²) + ε)` in one of its spellings.
    fn inverse_root(&mut self, of: &str, axes: &[i64]) -> String {
        let square = self.inner(&format!("Mul ({of}, {of})"));
        let call = self.reduce_over("ReduceMean", &square, axes, 1);
        let mean = self.inner(&call);
        let eps = self.floats(&[], &[0.01]);
        let sum = self.inner(&format!("Add ({mean}, {eps})"));
        if self.below(2) == 0 {
            let power = self.floats(&[], &[-0.5]);
            return self.inner(&format!("Pow ({sum}, {power})"));
        }
        let root = self.inner(&format!("Sqrt ({sum})"));
        self.inner(&format!("Reciprocal ({root})"))
    }

    fn root_mean_square(&mut self, x: &Value) {
        let last = x.shape[x.shape.len() - 1];
        let inverse = self.inverse_root(&x.name, &[-1]);
        let wide = if self.below(4) == 0 { vec![1, last] } else { vec![last] };
        if wide.len() > x.shape.len() {
            return;
        }
        let scale = self.random_floats(&wide);
        let call = if self.below(2) == 0 {
            let factor = self.inner(&format!("Mul ({scale}, {inverse})"));
            format!("Mul ({}, {factor})", x.name)
        } else {
            let n = self.inner(&format!("Mul ({}, {inverse})", x.name));
            format!("Mul ({n}, {scale})")
        };
        self.emit(x.shape.clone(), &call);
    }

    /// `x · r + (bias - mean · r)`, or one axis before the last without scale and bias.
    fn rescaled(&mut self, x: &Value) {
        let rank = x.shape.len() as i64;
        let axis = if rank > 1 && self.below(2) == 0 { rank - 2 } else { rank - 1 };
        let call = self.reduce("ReduceMean", &x.name, axis, 1);
        let mean = self.inner(&call);
        let d = self.inner(&format!("Sub ({}, {mean})", x.name));
        let inverse = self.inverse_root(&d, &[axis]);
        if axis + 1 < rank {
            self.emit(x.shape.clone(), &format!("Mul ({d}, {inverse})"));
            return;
        }
        let last = x.shape[x.shape.len() - 1];
        let (scale, bias) = (self.random_floats(&[last]), self.random_floats(&[last]));
        let r = self.inner(&format!("Mul ({inverse}, {scale})"));
        let a = self.inner(&format!("Mul ({}, {r})", x.name));
        let b = self.inner(&format!("Mul ({mean}, {r})"));
        let c = self.inner(&format!("Sub ({bias}, {b})"));
        self.emit(x.shape.clone(), &format!("Add ({a}, {c})"));
    }

    fn instance(&mut self, x: &Value) {
        let axes: Vec<i64> = (2..x.shape.len() as i64).collect();
        let call = self.reduce_over("ReduceMean", &x.name, &axes, 1);
        let mean = self.inner(&call);
        let d = self.inner(&format!("Sub ({}, {mean})", x.name));
        let inverse = self.inverse_root(&d, &axes);
        let n = self.inner(&format!("Mul ({d}, {inverse})"));
        let mut channels = vec![1; x.shape.len() - 1];
        channels[0] = x.shape[1];
        let (scale, bias) = (self.random_floats(&channels), self.random_floats(&channels));
        let s = self.inner(&format!("Mul ({n}, {scale})"));
        self.emit(x.shape.clone(), &format!("Add ({s}, {bias})"));
    }

    /// All channels as one group.
    fn grouped(&mut self, x: &Value) {
        let shape = self.ints(&[0, 1, -1]);
        let grouped = self.inner(&format!("Reshape ({}, {shape})", x.name));
        let (ones, zeros) = (self.floats(&[1], &[1.0]), self.floats(&[1], &[0.0]));
        let n = self.inner(&format!("InstanceNormalization <epsilon = 0.01> ({grouped}, {ones}, {zeros})"));
        let back = self.inner(&format!("Shape ({})", x.name));
        let restored = self.inner(&format!("Reshape ({n}, {back})"));
        let scale = self.random_floats(&[x.shape[1], 1, 1]);
        self.emit(x.shape.clone(), &format!("Mul ({restored}, {scale})"));
    }
}
