//! What transformers do around attention: sums that are normalized, positions that are turned into values.

use super::{Generator, N};

impl Generator {
    /// A normalized sum of two values, sometimes with a bias in it, sometimes read elsewhere too.
    pub(super) fn residual(&mut self) {
        let x = self.pick();
        let x = self.within(x);
        let Some(&last) = x.shape.last().filter(|_| matches!(x.shape.len(), 2 | 3)) else { return };
        let same: Vec<String> = self
            .values
            .iter()
            .filter(|v| v.dtype == "float" && v.shape == x.shape)
            .map(|v| v.name.clone())
            .collect();
        let skip = if same.is_empty() { x.name.clone() } else { same[self.below(same.len())].clone() };
        let mut left = x.name;
        if self.below(3) == 0 {
            let bias = self.random_floats(&[last]);
            let call = self.swap("Add", &left, &bias);
            left = self.inner(&call);
        }
        let op = if self.below(4) == 0 { "Sum" } else { "Add" };
        let call = self.swap(op, &left, &skip);
        let sum = if self.below(2) == 0 { self.emit(x.shape.clone(), &call) } else { self.inner(&call) };
        let gamma = self.random_floats(&[last]);
        let call = match self.below(3) {
            0 if self.opset >= 23 => format!("RMSNormalization <epsilon = 0.01> ({sum}, {gamma})"),
            1 => {
                let beta = self.random_floats(&[last]);
                format!("LayerNormalization <epsilon = 0.01> ({sum}, {gamma}, {beta})")
            }
            _ => format!("LayerNormalization <epsilon = 0.01> ({sum}, {gamma})"),
        };
        if self.opset >= 17 {
            self.emit(x.shape, &call);
        }
    }

    /// Two heads turned by angles that differ from position to position, and may from batch to batch.
    pub(super) fn rotary(&mut self) {
        let shape = [2, N, 4];
        let fitting: Vec<String> = self
            .values
            .iter()
            .filter(|v| v.dtype == "float" && v.shape == shape)
            .map(|v| v.name.clone())
            .collect();
        let (x, of) =
            (fitting[self.below(fitting.len())].clone(), fitting[self.below(fitting.len())].clone());
        let [zero, one, half, three] = [[0], [1], [2], [3]].map(|n| self.ints(&n));
        let batches = if self.below(2) == 0 { &one } else { &half };
        let t = self.inner(&format!("Slice ({of}, {zero}, {batches}, {zero})"));
        let t = self.inner(&format!("Slice ({t}, {zero}, {half}, {half})"));
        let t = self.inner(&format!("Concat <axis = -1> ({t}, {t})"));
        let [cos, sin] = ["Cos", "Sin"].map(|op| {
            let angle = self.inner(&format!("{op} ({t})"));
            self.inner(&format!("Unsqueeze ({angle}, {one})"))
        });
        let x = self.inner(&format!("Unsqueeze ({x}, {one})"));
        let x = self.inner(&format!("Concat <axis = 1> ({x}, {x})"));
        let (end, last) = (self.ints(&[i64::MAX]), three);
        let a = self.inner(&format!("Slice ({x}, {zero}, {half}, {last})"));
        let b = self.inner(&format!("Slice ({x}, {half}, {end}, {last})"));
        let n = self.inner(&format!("Neg ({b})"));
        let turned = self.inner(&format!("Concat <axis = -1> ({n}, {a})"));
        let call = self.swap("Mul", &x, &cos);
        let p = self.inner(&call);
        let call = self.swap("Mul", &turned, &sin);
        let q = self.inner(&call);
        let call = self.swap("Add", &p, &q);
        self.emit(vec![2, 2, N, 4], &call);
    }
}
