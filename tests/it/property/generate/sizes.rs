//! Sizes read from tensors, computed with, and used for new shapes.

use super::Generator;

impl Generator {
    /// Sizes read from a tensor, computed with, and used for a new shape.
    pub(super) fn shape_arithmetic(&mut self) {
        let x = self.pick();
        let rank = x.shape.len();
        if rank == 0 || x.shape.contains(&0) {
            return;
        }
        let axis = self.below(rank);
        let s = self.inner(&format!("Shape ({})", x.name));
        let at = self.ints(&[axis as i64]);
        let d = self.inner(&format!("Gather <axis = 0> ({s}, {at})"));
        let count: usize = x.shape.iter().product();
        match self.below(4) {
            0 => {
                let rest = self.ints(&[-1]);
                let to = self.inner(&format!("Concat <axis = 0> ({d}, {rest})"));
                let shape = vec![x.shape[axis], count / x.shape[axis]];
                self.emit(shape, &format!("Reshape ({}, {to})", x.name));
            }
            1 => {
                let all = self.inner(&format!("ReduceProd <keepdims = 1> ({s})"));
                self.emit(vec![count], &format!("Reshape ({}, {all})", x.name));
            }
            2 => {
                let two = self.ints(&[2]);
                let twice = self.inner(&format!("Mul ({d}, {two})"));
                let back = self.inner(&format!("Div ({twice}, {two})"));
                let kept = self.inner(&format!("Concat <axis = 0> ({back}, {back})"));
                let one = self.inner(&format!("ConstantOfShape <value = float[1] {{0.5}}> ({kept})"));
                self.emit(vec![x.shape[axis]; 2], &format!("Relu ({one})"));
            }
            _ => {
                let zeros = self.ints(&vec![0; rank]);
                let ones = self.ints(&vec![1; rank]);
                let q = self.inner(&format!("Equal ({s}, {zeros})"));
                let to = self.inner(&format!("Where ({q}, {ones}, {s})"));
                self.emit(x.shape.clone(), &format!("Expand ({}, {to})", x.name));
            }
        }
    }
}
