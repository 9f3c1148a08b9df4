//! Reductions: axes as attribute or as input, one or several, alone or one after the other.

use super::Generator;

impl Generator {
    pub(super) fn reduction(&mut self) {
        let x = self.pick();
        if x.shape.is_empty() {
            return;
        }
        let axis = self.below(x.shape.len());
        let keep = self.below(2);
        let op = ["ReduceMean", "ReduceMax", "ReduceMin"][self.below(3)];
        let written = if self.below(2) == 0 { axis as i64 } else { axis as i64 - x.shape.len() as i64 };
        let mut shape = x.shape.clone();
        if keep == 1 {
            shape[axis] = 1;
        } else {
            shape.remove(axis);
        }
        let call = self.reduce(op, &x.name, written, keep);
        self.emit(shape, &call);
    }

    /// Over several axes, or all; sometimes of a reduction.
    pub(super) fn repetition(&mut self) {
        let x = self.pick_of(&["float", "float", "int64"]);
        let rank = x.shape.len();
        if rank == 0 {
            return;
        }
        let integral = x.dtype == "int64";
        let ops: &[&str] = match (integral, self.smooth) {
            (true, _) => &["ReduceSum", "ReduceMax", "ReduceMin"],
            (_, true) => &["ReduceSum", "ReduceMean", "ReduceMax", "ReduceSumSquare", "ReduceL1"],
            _ => &["ReduceMax", "ReduceMin", "ReduceSum"],
        };
        let op = ops[self.below(ops.len())];
        let (from, keep) = (self.below(rank), self.below(2));
        let axes: Vec<i64> = (from..rank).map(|a| a as i64).collect();
        let shape: Vec<usize> = match keep {
            0 => x.shape[..from].to_vec(),
            _ => x.shape.iter().enumerate().map(|(a, &n)| if a < from { n } else { 1 }).collect(),
        };
        let call = self.reduce_over(op, &x.name, &axes, keep);
        let name = self.emit_as(x.dtype, shape.clone(), &call);
        if !shape.is_empty() && self.below(2) == 0 {
            let call = self.reduce_over(op, &name, &[0], 0);
            self.emit_as(x.dtype, shape[1..].to_vec(), &call);
        }
        if !integral && !self.smooth && self.below(2) == 0 {
            let op = ["ArgMax", "ArgMin"][self.below(2)];
            let mut shape = x.shape.clone();
            shape[from] = 1;
            self.emit_as("int64", shape, &format!("{op} <axis = {from}> ({})", x.name));
        }
    }

    /// Where the largest or smallest of elements is that are far apart.
    pub(super) fn largest(&mut self) {
        let x = self.pick();
        let Some((&last, outer)) = x.shape.split_last() else { return };
        let steps: Vec<f64> = (0..last).map(|i| 3.0 * ((i + 1) % last) as f64).collect();
        let steps = self.floats(&[last], &steps);
        let bounded = self.inner(&format!("Sin ({})", x.name));
        let apart = self.inner(&format!("Add ({bounded}, {steps})"));
        let (op, curve) = match self.below(4) {
            0 => ("ArgMax", format!("Softmax <axis = -1> ({apart})")),
            1 => ("ArgMin", format!("LogSoftmax <axis = -1> ({apart})")),
            2 => ("ArgMax", format!("LogSoftmax <axis = -1> ({apart})")),
            _ => ("ArgMin", format!("Sqrt ({})", self.inner(&format!("Relu ({apart})")))),
        };
        let curve = self.inner(&curve);
        self.emit_as("int64", [outer, &[1]].concat(), &format!("{op} <axis = -1> ({curve})"));
    }

    pub(super) fn reduce(&mut self, op: &str, x: &str, axis: i64, keep: usize) -> String {
        self.reduce_over(op, x, &[axis], keep)
    }

    pub(super) fn reduce_over(&mut self, op: &str, x: &str, axes: &[i64], keep: usize) -> String {
        if self.opset < if op == "ReduceSum" { 13 } else { 18 } {
            return format!("{op} <axes = {axes:?}, keepdims = {keep}> ({x})");
        }
        let axes = self.ints(axes);
        format!("{op} <keepdims = {keep}> ({x}, {axes})")
    }
}
