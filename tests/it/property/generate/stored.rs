//! Weights that are stored as bytes.

use super::{Generator, Value, dims};

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
        if depth > 1 {
            self.rows_of_bytes(&name, depth, WIDTH);
        }
        self.split_after_transposed(&x);
        let mut shape = x.shape;
        *shape.last_mut().expect("it has a last dim") = WIDTH;
        self.emit(shape, &format!("MatMul ({}, {weight})", x.name));
    }

    /// Rows of bytes with a scale for each row, by whole numbers of any size.
    fn rows_of_bytes(&mut self, bytes: &str, rows: usize, width: usize) {
        let steps: Vec<f64> = (1..=rows).map(|i| 1.0 / (64 * i) as f64).collect();
        let scales = self.floats(&[rows], &steps);
        let table = self.inner(&format!("DequantizeLinear <axis = 0> ({bytes}, {scales})"));
        let ids = self.pick_of(&["int64"]);
        let count = self.fresh("i");
        self.initializers.push(format!("int64 {count} = {{{rows}}}"));
        let within = self.inner(&format!("Mod ({}, {count})", ids.name));
        self.emit([ids.shape, vec![width]].concat(), &format!("Gather ({table}, {within})"));
    }

    /// A product whose columns are moved before the rows, and then split in two.
    fn split_after_transposed(&mut self, x: &Value) {
        let (perm, to, outer): (&str, &[i64], &[usize]) = match x.shape[..] {
            [_, _] => ("1, 0", &[2, 3, -1], &[]),
            [ref outer @ .., _, _] if outer.len() == 1 => ("0, 2, 1", &[0, 2, 3, -1], outer),
            _ => return,
        };
        let [.., rows, depth] = x.shape[..] else { return };
        let weight = self.random_floats(&[depth, 6]);
        let product = self.inner(&format!("MatMul ({}, {weight})", x.name));
        let turned = self.inner(&format!("Transpose <perm = [{perm}]> ({product})"));
        let to = self.ints(to);
        self.emit([outer, &[2, 3, rows]].concat(), &format!("Reshape ({turned}, {to})"));
    }
}
