//! Weights that are stored as bytes.

use super::{Generator, dims};

impl Generator {
    /// A product with bytes that are cast, sometimes shifted, and scaled.
    pub(super) fn stored(&mut self) {
        const WIDTH: usize = 3;
        let x = self.pick();
        let Some(&depth) = x.shape.last() else { return };
        let dtype = ["int8", "uint8"][self.below(2)];
        let bytes: Vec<String> = (0..depth * WIDTH).map(|_| self.below(128).to_string()).collect();
        let name = self.fresh("q");
        self.initializers.push(format!("{dtype}{} {name} = {{{}}}", dims(&[depth, WIDTH]), bytes.join(", ")));
        let mut weight = self.inner(&format!("Cast <to = 1> ({name})"));
        if self.below(3) == 0 {
            let zero = [64.0, 0.0, 0.5][self.below(3)];
            let zero = self.floats(&[], &[zero]);
            weight = self.inner(&format!("Sub ({weight}, {zero})"));
        }
        let shapes = [vec![], vec![1], vec![WIDTH], vec![1, WIDTH], vec![depth, 1], vec![depth, WIDTH]];
        let shape = &shapes[self.below(shapes.len())];
        let scale = if self.below(4) == 0 {
            self.random_floats(shape)
        } else {
            let steps: Vec<f64> = (1..=shape.iter().product()).map(|i| 1.0 / (64 * i) as f64).collect();
            self.floats(shape, &steps)
        };
        let call = self.swap("Mul", &weight, &scale);
        let weight = self.inner(&call);
        let mut shape = x.shape;
        *shape.last_mut().expect("it has a last dim") = WIDTH;
        self.emit(shape, &format!("MatMul ({}, {weight})", x.name));
    }
}
