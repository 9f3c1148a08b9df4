//! Queries, keys and values of one input, split into heads in several ways.

use super::{Generator, N};

impl Generator {
    pub(super) fn attention(&mut self) {
        let fitting = |v: &&super::Value| v.dtype == "float" && v.shape == [2, N, 4];
        let Some(x) = self.values.iter().rev().find(fitting).map(|v| v.name.clone()) else { return };
        if Self::choice(self.state ^ 4, 2) == 0 {
            return self.shared_keys(&x);
        }
        let query = self.heads(&x, "[0, 2, 1, 3]");
        let key = match self.below(2) {
            0 => self.heads(&x, "[0, 2, 3, 1]"),
            _ => {
                let key = self.heads(&x, "[0, 2, 1, 3]");
                self.inner(&format!("Transpose <perm = [0, 1, 3, 2]> ({key})"))
            }
        };
        let value = self.heads(&x, "[0, 2, 1, 3]");
        let mut scores = self.inner(&format!("MatMul ({query}, {key})"));
        if self.below(3) > 0 {
            let (scale, _) = self.scalar(0.5);
            scores = self.inner(&format!("Mul ({scores}, {scale})"));
        }
        let (bounds, fills, guards) = (self.apart(1), self.apart(2), self.apart(3));
        if bounds {
            let bound = self.constant("float", "3");
            let part = self.inner(&format!("Div ({scores}, {bound})"));
            let curved = self.inner(&format!("Tanh ({part})"));
            scores = self.inner(&format!("Mul ({curved}, {bound})"));
        }
        if fills {
            let (kept, low) = (self.constant("bool[3]", "1, 0, 1"), self.constant("float", "-1e30"));
            scores = self.inner(&format!("Where ({kept}, {scores}, {low})"));
        }
        let mut masked = f64::from([-1.0, -1e9, f32::MIN][self.below(3)]);
        for shape in [vec![N], vec![2, 1, 1, N], vec![2, 1, 1]] {
            if self.below(3) == 0 {
                let count = shape.iter().product();
                let elements: Vec<f64> = (0..count).map(|_| [0.0, 0.5, masked][self.below(3)]).collect();
                let mask = self.floats(&shape, &elements);
                scores = self.inner(&format!("Add ({scores}, {mask})"));
                // Twice the lowest number is none.
                masked = masked.max(-1e30);
            }
        }
        let mut weights = self.inner(&format!("Softmax <axis = -1> ({scores})"));
        if guards {
            let zero = self.constant("float", "0");
            let none = self.inner(&format!("IsNaN ({weights})"));
            weights = self.inner(&format!("Where ({none}, {zero}, {weights})"));
        }
        let output = self.inner(&format!("MatMul ({weights}, {value})"));
        let turned = self.inner(&format!("Transpose <perm = [0, 2, 1, 3]> ({output})"));
        let shape = self.ints(&[0, 0, 4]);
        self.emit(vec![2, N, 4], &format!("Reshape ({turned}, {shape})"));
    }

    /// Two heads of queries that share keys and values, of which there is an earlier one.
    fn shared_keys(&mut self, x: &str) {
        let query = self.heads(x, "[0, 2, 1, 3]");
        let [keys, values] = [(); 2].map(|()| {
            let weight = self.random_floats(&[4, 2]);
            let new = self.inner(&format!("MatMul ({x}, {weight})"));
            let (axis, heads) = (self.ints(&[1]), self.ints(&[0, 0]));
            let new = self.inner(&format!("Unsqueeze ({new}, {axis})"));
            let earlier = self.random_floats(&[2, 1, 1, 2]);
            let all = self.inner(&format!("Concat <axis = 2> ({earlier}, {new})"));
            self.inner(&format!("Gather <axis = 1> ({all}, {heads})"))
        });
        let turned = self.inner(&format!("Transpose <perm = [0, 1, 3, 2]> ({keys})"));
        let scores = self.inner(&format!("MatMul ({query}, {turned})"));
        let (scale, _) = self.scalar(0.5);
        let scores = self.inner(&format!("Mul ({scores}, {scale})"));
        let scores = self.hidden_keys(scores);
        let weights = self.inner(&format!("Softmax <axis = -1> ({scores})"));
        let output = self.inner(&format!("MatMul ({weights}, {values})"));
        let turned = self.inner(&format!("Transpose <perm = [0, 2, 1, 3]> ({output})"));
        let shape = self.ints(&[0, 0, 4]);
        self.emit(vec![2, N, 4], &format!("Reshape ({turned}, {shape})"));
    }

    /// Three times in four with a mask for each of two batches: the lowest number, or a higher one, hides the first keys,
    /// and minus infinity the last ones, never all. It draws no number either.
    fn hidden_keys(&mut self, scores: String) -> String {
        if self.apart(5) {
            return scores;
        }
        let seed = self.state;
        let low = if self.apart(8) { "-1e9" } else { "-3.4028235e38" };
        let [hidden, finite] = [6, 10].map(|k| [0, 1].map(|batch| Self::choice(seed ^ (k + batch), N + 1)));
        let element = |at: usize| match (at / (N + 1), at % (N + 1)) {
            (batch, key) if key > finite[batch] => "-inf",
            (batch, key) if key < hidden[batch] => low,
            _ => "0",
        };
        let elements: Vec<&str> = (0..2 * (N + 1)).map(element).collect();
        let mask = self.constant(&format!("float[2,1,1,{}]", N + 1), &elements.join(", "));
        self.inner(&format!("Add ({scores}, {mask})"))
    }

    /// One time in four. It draws no number, so that what follows is what it would be without this choice.
    fn apart(&self, which: u64) -> bool {
        Self::choice(self.state ^ which, 4) == 0
    }

    pub(super) fn constant(&mut self, ty: &str, elements: &str) -> String {
        let name = self.fresh("k");
        self.initializers.push(format!("{ty} {name} = {{{elements}}}"));
        name
    }

    /// Two heads of two, of the input or of a product with it.
    fn heads(&mut self, x: &str, perm: &str) -> String {
        let mut value = x.to_owned();
        if self.below(2) == 0 {
            let weight = self.random_floats(&[4, 4]);
            value = self.inner(&format!("MatMul ({x}, {weight})"));
        }
        let shape = self.ints(&[0, 0, 2, 2]);
        let split = self.inner(&format!("Reshape ({value}, {shape})"));
        self.inner(&format!("Transpose <perm = {perm}> ({split})"))
    }
}
