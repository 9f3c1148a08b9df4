//! Calls of model functions, and nodes whose optional operands and outputs say nothing.

use super::Generator;

/// The functions that graphs may call, each behind `<domain: "local", opset_import: [...]>`.
pub(in super::super) const FUNCTIONS: [&str; 5] = [
    "scaled <alpha: float = 0.5> (a) => (b) { k = Constant <value_float: float = @alpha> () b = Mul (a, k) }",
    "twice <alpha> (a) => (c) { b = local.scaled <alpha: float = @alpha> (a) c = Add (b, b) }",
    "bounded (a, low, high) => (b, c) { b = Clip (a, low, high) c = Neg (b) }",
    "chosen (c, a) => (b) { h = Constant <value = float {0.5}> () t = Mul (a, h) b = If (c) <then_branch = t () => \
     (float[] p) { p = Relu (t) }, else_branch = e () => (float[] q) { k = Constant <value = float {2.0}> () q = Mul \
     (t, k) }> }",
    "dims (a) => (s, r) { s = Shape (a) r = Reshape (a, s) }",
];

impl Generator {
    /// A call of one of [`FUNCTIONS`], with and without what is optional, sometimes in a body.
    pub(super) fn called(&mut self) {
        let x = self.pick();
        let number = self.number();
        match self.below(6) {
            0 => drop(self.emit(x.shape, &format!("local.scaled ({})", x.name))),
            1 => drop(self.emit(x.shape, &format!("local.twice <alpha = {number:?}> ({})", x.name))),
            2 => {
                let (low, high) = (self.floats(&[], &[-0.5]), self.floats(&[], &[2.0]));
                let operands =
                    [format!(", {low}"), format!(", , {high}"), format!(", {low}, {high}"), String::new()];
                let call = format!("local.bounded ({}{})", x.name, operands[self.below(4)]);
                self.emit_all("float", vec![x.shape.clone(), x.shape], &call);
            }
            3 => drop(self.emit(x.shape, &format!("local.chosen (c, {})", x.name))),
            4 => {
                let same = self.fresh("v");
                let sizes = self.fresh("s");
                self.lines.push(format!("{sizes}, {same} = local.dims ({})", x.name));
                self.values.push(super::Value { name: same, dtype: "float", shape: x.shape });
            }
            _ => {
                let [p, q] = ["p", "q"].map(|stem| self.fresh(stem));
                let call = format!(
                    "If (c) <then_branch = t () => (float[] {p}) {{ {p} = local.scaled <alpha = {number:?}> ({0}) }}, \
                     else_branch = e () => (float[] {q}) {{ {q} = local.twice <alpha = 0.25> ({0}) }}>",
                    x.name
                );
                self.emit(x.shape, &call);
            }
        }
    }

    /// A node of optional operands that may say the default, and of outputs that nobody reads.
    pub(super) fn optional(&mut self) {
        let x = self.pick();
        let rank = x.shape.len();
        let zero = self.below(3) > 0;
        match self.below(5) {
            0 => self.recurrent(),
            1 if rank > 0 => {
                let axes: Vec<i64> = (0..rank as i64).collect();
                let [from, to] = [0, 1000].map(|n| self.ints(&vec![n; rank]));
                let (axes, steps) = (self.ints(&axes), self.ints(&vec![1; rank]));
                self.emit(x.shape, &format!("Slice ({}, {from}, {to}, {axes}, {steps})", x.name));
            }
            2 if rank > 0 => {
                let pads: Vec<i64> =
                    (0..2 * rank).map(|i| i64::from(i + 1 == rank || i + 1 == 2 * rank)).collect();
                let mut shape = x.shape.clone();
                shape[rank - 1] += 2;
                let (pads, value) = (self.ints(&pads), self.floats(&[], &[if zero { 0.0 } else { 0.5 }]));
                if shape.iter().product::<usize>() <= super::MOST_ELEMENTS {
                    self.emit(shape, &format!("Pad ({}, {pads}, {value})", x.name));
                }
            }
            3 if rank == 4 && x.shape[2] > 1 && x.shape[3] > 1 => {
                let mut shape = x.shape.clone();
                shape[2..].iter_mut().for_each(|d| *d -= 1);
                let indices = self.fresh("i");
                let name = self.fresh("v");
                self.lines.push(format!("{name}, {indices} = MaxPool <kernel_shape = [2, 2]> ({})", x.name));
                self.values.push(super::Value { name, dtype: "float", shape: shape.clone() });
                if !zero {
                    self.values.push(super::Value { name: indices, dtype: "int64", shape });
                }
            }
            _ => {
                let (low, high) = (self.floats(&[], &[f64::from(f32::MIN)]), self.floats(&[], &[2.0]));
                self.emit(x.shape, &format!("Clip ({}, {low}, {high})", x.name));
            }
        }
    }

    /// A GRU over `[2, N, 4]` or another value of rank 3.
    fn recurrent(&mut self) {
        let x = self.pick();
        let [steps, batch, features] = x.shape[..] else { return };
        if steps == 0 || batch == 0 || features == 0 {
            return;
        }
        let (w, r) = (self.random_floats(&[1, 6, features]), self.random_floats(&[1, 6, 2]));
        let state = match self.below(3) {
            0 => self.floats(&[1, batch, 2], &vec![0.0; 2 * batch]),
            1 => self.random_floats(&[1, batch, 2]),
            _ => String::new(),
        };
        let lengths = self.fresh("l");
        let length = steps - self.below(2).min(steps - 1);
        let each: Vec<String> = vec![length.to_string(); batch];
        self.initializers.push(format!("int32[{batch}] {lengths} = {{{}}}", each.join(", ")));
        let lengths = if self.below(2) == 0 { lengths } else { String::new() };
        let (all, last) = (self.fresh("v"), self.fresh("v"));
        self.lines.push(format!(
            "{all}, {last} = GRU <hidden_size = 2> ({}, {w}, {r}, , {lengths}, {state})",
            x.name
        ));
        let made = [(all, vec![steps, 1, batch, 2]), (last, vec![1, batch, 2])];
        let [all, last] = made.map(|(name, shape)| super::Value { name, dtype: "float", shape });
        match self.below(3) {
            0 => self.values.push(all),
            1 => self.values.push(last),
            _ => self.values.extend([all, last]),
        }
    }
}
