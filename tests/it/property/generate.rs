//! Random typed graphs, written as text: every operand fits where it is used once `N` is 3.

mod bodies;
mod formulas;
mod linears;

use std::fmt::Write as _;

/// The size that `N` is fed with.
const N: usize = 3;

/// A value that later nodes may read.
#[derive(Clone)]
struct Value {
    name: String,
    shape: Vec<usize>,
}

/// Writes one model.
pub(super) struct Generator {
    state: u64,
    opset: u64,
    /// Formulas that rules reassociate, or operators that jump, never both: a jump makes rounding large.
    smooth: bool,
    inputs: Vec<String>,
    initializers: Vec<String>,
    lines: Vec<String>,
    values: Vec<Value>,
    names: usize,
}

impl Generator {
    /// The model of a seed.
    pub(super) fn model(seed: u64) -> String {
        let mut g = Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            opset: 0,
            smooth: false,
            inputs: Vec::new(),
            initializers: Vec::new(),
            lines: Vec::new(),
            values: Vec::new(),
            names: 0,
        };
        g.opset = [13, 17, 18, 20][g.below(4)];
        g.smooth = g.below(2) == 0;
        for (dims, shape) in [
            ("N,4", vec![N, 4]),
            ("2,N,4", vec![2, N, 4]),
            ("N,1", vec![N, 1]),
            ("1,3,5,5", vec![1, 3, 5, 5]),
        ] {
            let name = g.fresh("x");
            g.inputs.push(format!("float[{dims}] {name}"));
            g.values.push(Value { name, shape });
        }
        g.inputs.push("bool c".to_owned());
        for _ in 0..3 + g.below(12) {
            g.step();
        }
        g.finish()
    }

    /// A number of a seed, for choices outside the graph.
    pub(super) fn choice(seed: u64, below: usize) -> usize {
        let mixed = (seed ^ 0xa076_1d64_78bd_642f).wrapping_mul(0xe703_7ed1_a0b4_28db);
        ((mixed ^ mixed >> 32) % below as u64) as usize
    }

    fn below(&mut self, n: usize) -> usize {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 33) % n as u64) as usize
    }

    fn fresh(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }

    fn pick(&mut self) -> Value {
        // Late values make deep graphs.
        let n = self.values.len();
        let at = self.below(n).max(self.below(n));
        self.values[at].clone()
    }

    fn emit(&mut self, shape: Vec<usize>, call: &str) -> String {
        let name = self.fresh("v");
        self.lines.push(format!("{name} = {call}"));
        self.values.push(Value { name: name.clone(), shape });
        name
    }

    /// A node whose result only the step itself reads.
    fn inner(&mut self, call: &str) -> String {
        let name = self.fresh("t");
        self.lines.push(format!("{name} = {call}"));
        name
    }

    fn number(&mut self) -> f64 {
        [0.5, 1.0, 2.0, -1.5, 0.0, 0.25, 3.0, -0.0][self.below(8)]
    }

    /// A constant, sometimes one that a caller may override.
    fn floats(&mut self, shape: &[usize], elements: &[f64]) -> String {
        let name = self.fresh("k");
        let text = format!("float{} {name} = {}", dims(shape), list(elements));
        match self.below(12) {
            0 => self.inputs.push(text),
            1 => {
                let line = format!("{name} = Constant <value = float{} {}> ()", dims(shape), list(elements));
                self.lines.push(line);
            }
            _ => self.initializers.push(text),
        }
        name
    }

    fn random_floats(&mut self, shape: &[usize]) -> String {
        let elements: Vec<f64> = (0..shape.iter().product()).map(|_| self.number()).collect();
        self.floats(shape, &elements)
    }

    /// A number and its rank.
    fn scalar(&mut self, value: f64) -> (String, usize) {
        // Rarely of a rank that may widen the result, or disturbed.
        let value = if self.below(20) == 0 { value * 1.25 } else { value };
        let shape = [vec![], vec![], vec![], vec![1], vec![1, 1], vec![1, 1, 1, 1]][self.below(6)].clone();
        (self.floats(&shape, &[value]), shape.len())
    }

    fn ints(&mut self, elements: &[i64]) -> String {
        let name = self.fresh("i");
        let elements: Vec<String> = elements.iter().map(i64::to_string).collect();
        self.initializers.push(format!("int64[{}] {name} = {{{}}}", elements.len(), elements.join(", ")));
        name
    }

    fn step(&mut self) {
        match self.below(21) {
            0 => self.unary(),
            1 => self.binary(),
            2 => self.neutral(),
            3 => self.reduction(),
            4 => self.shape_arithmetic(),
            5 => self.movement(),
            6 => self.repeat(),
            7 => self.branch(),
            8 => self.constants(),
            9 => self.repeated(),
            10 => self.scanned(),
            11 => self.product(),
            12 if self.smooth => self.layer_norm(),
            13 if self.smooth => self.gelu(),
            14 if self.smooth => self.gelu_tanh(),
            15 if self.smooth => self.normalized_layer(),
            16 if self.smooth => self.scaled_layer(),
            17 if self.smooth => self.scaled_window(),
            18 => self.clipped_ramp(),
            19 if self.smooth => self.inverse(),
            _ if self.smooth => self.binary(),
            _ => self.jump(),
        }
    }

    fn unary(&mut self) {
        let x = self.pick();
        let op = ["Relu", "Neg", "Abs", "Sigmoid", "Tanh", "Erf", "Identity", "Sin"][self.below(8)];
        self.emit(x.shape, &format!("{op} ({})", x.name));
    }

    fn binary(&mut self) {
        let a = self.pick();
        let other = self.pick();
        let (b, shape) = match broadcast(&a.shape, &other.shape) {
            Some(shape) => (other.name, shape),
            None => {
                let own = a.shape.len();
                let kept: Vec<usize> = a.shape[self.below(own + 1)..].to_vec();
                (self.random_floats(&kept), a.shape.clone())
            }
        };
        let op = ["Add", "Sub", "Mul", "Min", "Max"][self.below(5)];
        let call = if self.below(2) == 0 {
            format!("{op} ({}, {b})", a.name)
        } else {
            format!("{op} ({b}, {})", a.name)
        };
        if shape.iter().product::<usize>() <= 2000 {
            self.emit(shape, &call);
        }
    }

    fn neutral(&mut self) {
        let x = self.pick();
        let (name, rank) = (x.name.clone(), x.shape.len());
        let mut shape = x.shape.clone();
        let call = match self.below(10) {
            0 => format!("Dropout ({name})"),
            1 => format!("Cast <to = 1> ({name})"),
            2 => {
                let s = self.inner(&format!("Shape ({name})"));
                format!("Reshape ({name}, {s})")
            }
            3 => {
                let wide = self.below(6);
                let one = self.floats(&vec![1; wide], &[1.0]);
                shape = broadcast(&shape, &vec![1; wide]).expect("ones fit all");
                format!("{} ({name}, {one})", ["Mul", "Div"][self.below(2)])
            }
            4 => {
                let zero = self.floats(&[], &[0.0]);
                format!("{} ({name}, {zero})", ["Sub", "Add"][self.below(2)])
            }
            5 => {
                let pads = self.ints(&vec![0; 2 * rank]);
                format!("Pad ({name}, {pads})")
            }
            6 => format!("Concat <axis = 0> ({name})"),
            7 if rank > 0 => {
                let (start, end, axis) = (self.ints(&[0]), self.ints(&[i64::MAX]), self.ints(&[-1]));
                format!("Slice ({name}, {start}, {end}, {axis})")
            }
            8 => {
                let ones = self.ints(&vec![1; rank]);
                format!("Expand ({name}, {ones})")
            }
            _ => format!("Identity ({name})"),
        };
        self.emit(shape, &call);
    }

    fn reduction(&mut self) {
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

    fn reduce(&mut self, op: &str, x: &str, axis: i64, keep: usize) -> String {
        if self.opset < 18 {
            return format!("{op} <axes = [{axis}], keepdims = {keep}> ({x})");
        }
        let axes = self.ints(&[axis]);
        format!("{op} <keepdims = {keep}> ({x}, {axes})")
    }

    /// Sizes read from a tensor, computed with, and used for a new shape.
    fn shape_arithmetic(&mut self) {
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

    fn movement(&mut self) {
        let x = self.pick();
        let rank = x.shape.len();
        match self.below(4) {
            0 if rank > 1 => {
                let turn = self.below(rank);
                let perm: Vec<usize> = (0..rank).map(|d| (d + turn) % rank).collect();
                let shape = perm.iter().map(|&p| x.shape[p]).collect();
                self.emit(shape, &format!("Transpose <perm = {perm:?}> ({})", x.name));
            }
            1 if rank > 0 && x.shape[0] > 1 => {
                let (start, end, axis) = (self.ints(&[1]), self.ints(&[i64::MAX]), self.ints(&[0]));
                let mut shape = x.shape.clone();
                shape[0] -= 1;
                self.emit(shape, &format!("Slice ({}, {start}, {end}, {axis})", x.name));
            }
            2 if rank > 0 => {
                let axis = self.below(rank);
                let mut shape = x.shape.clone();
                shape[axis] *= 2;
                if shape.iter().product::<usize>() <= 2000 {
                    self.emit(shape, &format!("Concat <axis = {axis}> ({0}, {0})", x.name));
                }
            }
            _ => {
                let at = self.below(rank + 1);
                let axes = self.ints(&[at as i64]);
                let mut shape = x.shape.clone();
                shape.insert(at, 1);
                if shape.len() < 6 {
                    self.emit(shape, &format!("Unsqueeze ({}, {axes})", x.name));
                }
            }
        }
    }

    /// A node once more, under another name.
    fn repeat(&mut self) {
        let n = self.lines.len();
        if n == 0 {
            return;
        }
        let at = self.below(n);
        let line = self.lines[at].clone();
        let (old, call) = line.split_once(" = ").expect("a line is an assignment");
        if let Some(shape) = self.values.iter().find(|v| v.name == old).map(|v| v.shape.clone()) {
            self.emit(shape, call);
        }
    }

    /// A chain on constants alone.
    fn constants(&mut self) {
        let (rows, columns) = (1 + self.below(3), 1 + self.below(4));
        let (a, b) = (self.random_floats(&[rows, columns]), self.random_floats(&[columns]));
        let op = ["Add", "Mul", "Min", "Sub"][self.below(4)];
        let sum = self.inner(&format!("{op} ({a}, {b})"));
        let half = self.inner(&format!("Cast <to = 10> ({sum})"));
        let back = self.inner(&format!("Cast <to = 1> ({half})"));
        self.emit(vec![columns, rows], &format!("Transpose ({back})"));
    }

    /// Operators that jump where their operand moves a little.
    fn jump(&mut self) {
        let x = self.pick();
        let call = match self.below(5) {
            0 => format!("Floor ({})", x.name),
            1 => format!("Sign ({})", x.name),
            2 | 3 => {
                let to = [6, 7, 10, 11, 9][self.below(5)];
                let bounded = self.inner(&format!("Tanh ({})", x.name));
                let cast = self.inner(&format!("Cast <to = {to}> ({bounded})"));
                format!("Cast <to = 1> ({cast})")
            }
            _ => {
                let k = self.random_floats(&[]);
                let more = self.inner(&format!("Greater ({}, {k})", x.name));
                format!("Where ({more}, {}, {k})", x.name)
            }
        };
        self.emit(x.shape, &call);
    }

    fn finish(mut self) -> String {
        let mut outputs = Vec::new();
        let last = self.values.len() - 1;
        for at in [last, self.below(last + 1), self.below(last + 1), self.below(4)] {
            let name = self.values[at].name.clone();
            let declared = self.inputs.iter().find(|i| i.ends_with(&format!(" {name}"))).cloned();
            let declared = declared.unwrap_or_else(|| format!("float[] {name}"));
            if !outputs.contains(&declared) {
                outputs.push(declared);
            }
        }
        let named =
            self.emit(self.values[last].shape.clone(), &format!("Identity ({})", self.values[last].name));
        outputs.push(format!("float[] {named}"));
        let mut text = format!("<ir_version: 10, opset_import: [\"\" : {}]>\n", self.opset);
        writeln!(text, "g ({}) => ({})", self.inputs.join(", "), outputs.join(", ")).expect("a string grows");
        writeln!(text, "<{}>", self.initializers.join(", ")).expect("a string grows");
        writeln!(text, "{{\n    {}\n}}", self.lines.join("\n    ")).expect("a string grows");
        text
    }
}

fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], d: usize| (d + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|d| match (at(a, d), at(b, d)) {
            (x, y) if x == y => Some(x),
            (1, n) | (n, 1) => Some(n),
            _ => None,
        })
        .collect()
}

fn dims(shape: &[usize]) -> String {
    if shape.is_empty() { String::new() } else { format!("{shape:?}").replace(' ', "") }
}

fn list(elements: &[f64]) -> String {
    let elements: Vec<String> = elements.iter().map(|e| format!("{e:?}")).collect();
    format!("{{{}}}", elements.join(", "))
}
