//! Operators that work element by element, on every type they take.

use super::{Generator, NUMBERS, Value, broadcast};

impl Generator {
    pub(super) fn unary(&mut self) {
        let x = self.pick();
        let op = ["Relu", "Neg", "Abs", "Sigmoid", "Tanh", "Erf", "Identity", "Sin"][self.below(8)];
        self.emit(x.shape, &format!("{op} ({})", x.name));
    }

    pub(super) fn binary(&mut self) {
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

    pub(super) fn neutral(&mut self) {
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
            5 if rank > 0 => {
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

    /// Operators that jump where their operand moves a little.
    pub(super) fn jump(&mut self) {
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

    /// A node once more, under another name.
    pub(super) fn repeat(&mut self) {
        let n = self.lines.len();
        if n == 0 {
            return;
        }
        let at = self.below(n);
        let line = self.lines[at].clone();
        let (old, call) = line.split_once(" = ").expect("a line is an assignment");
        if let Some(Value { dtype, shape, .. }) = self.values.iter().find(|v| v.name == old).cloned() {
            self.emit_as(dtype, shape, call);
        }
    }

    /// A chain on constants alone.
    pub(super) fn constants(&mut self) {
        let (rows, columns) = (1 + self.below(3), 1 + self.below(4));
        let (a, b) = (self.random_floats(&[rows, columns]), self.random_floats(&[columns]));
        let op = ["Add", "Mul", "Min", "Sub"][self.below(4)];
        let sum = self.inner(&format!("{op} ({a}, {b})"));
        let half = self.inner(&format!("Cast <to = 10> ({sum})"));
        let back = self.inner(&format!("Cast <to = 1> ({half})"));
        self.emit(vec![columns, rows], &format!("Transpose ({back})"));
    }

    /// An operator of floats whose derivative is bounded, with what keeps its operand in its domain.
    pub(super) fn typed_unary(&mut self) {
        let x = self.pick_of(&["float", "float", "double", "int32", "int64", "bool"]);
        let name = x.name.clone();
        let call = match x.dtype {
            "bool" => format!("Not ({name})"),
            "float" => match self.below(14) {
                0 => format!("Sqrt ({})", self.inner(&format!("Abs ({name})"))),
                1 => format!("Exp ({})", self.inner(&format!("Tanh ({name})"))),
                2 | 3 => {
                    let one = self.floats(&[], &[1.0]);
                    let positive = self.inner(&format!("Abs ({name})"));
                    let above = self.inner(&format!("Add ({positive}, {one})"));
                    format!("{} ({above})", ["Log", "Reciprocal"][self.below(2)])
                }
                4 => format!("LeakyRelu <alpha = 0.25> ({name})"),
                5 => format!("Elu <alpha = 0.5> ({name})"),
                6 => format!("HardSigmoid <alpha = 0.25, beta = 0.5> ({name})"),
                7 => format!("Selu ({name})"),
                8 if self.opset >= 14 => format!("HardSwish ({name})"),
                9 if self.opset >= 18 => format!("Mish ({name})"),
                10 if self.opset >= 20 => format!("Gelu ({name})"),
                11 => {
                    let slope = self.random_floats(&x.shape[x.shape.len().saturating_sub(1)..]);
                    format!("PRelu ({name}, {slope})")
                }
                _ => format!("{} ({name})", ["Softplus", "Softsign", "Cos", "Atan", "Celu"][self.below(5)]),
            },
            _ => format!("{} ({name})", ["Neg", "Abs", "Identity"][self.below(3)]),
        };
        self.emit_as(x.dtype, x.shape, &call);
    }

    /// Two operands of one type; a divisor is a constant that is not zero.
    pub(super) fn typed_binary(&mut self) {
        let a = self.pick_of(&["float", "double", "int32", "int64", "bool"]);
        let b = self.pick_of(&[a.dtype]);
        let shape =
            broadcast(&a.shape, &b.shape).filter(|s| s.iter().product::<usize>() <= super::MOST_ELEMENTS);
        if a.dtype == "bool" {
            let Some(shape) = shape else { return };
            let op = ["And", "Or", "Xor"][self.below(3)];
            self.emit_as("bool", shape, &format!("{op} ({}, {})", a.name, b.name));
            return;
        }
        let suffix = a.shape[self.below(a.shape.len() + 1)..].to_vec();
        match (self.below(6), shape) {
            (0, _) => {
                let k = self.numbers(a.dtype, &suffix);
                self.emit_as(a.dtype, a.shape, &format!("Div ({}, {k})", a.name));
            }
            (1, _) if a.dtype.starts_with("int") => {
                let k = self.numbers(a.dtype, &suffix);
                let fmod = self.below(2);
                self.emit_as(a.dtype, a.shape, &format!("Mod <fmod = {fmod}> ({}, {k})", a.name));
            }
            (2 | 3, _) => {
                let (k, again) = (self.numbers(a.dtype, &suffix), self.numbers(a.dtype, &suffix));
                let ops = ["Add", "Sub", "Mul", "Div"];
                let (first, second) = (ops[self.below(4)], ops[self.below(4)]);
                let inner = self.inner(&format!("{first} ({}, {k})", a.name));
                self.emit_as(a.dtype, a.shape, &format!("{second} ({inner}, {again})"));
            }
            (_, Some(shape)) => {
                let op = ["Add", "Sub", "Mul", "Min", "Max", "Sum"][self.below(6)];
                let op = if op == "Sum" && a.dtype.starts_with("int") { "Max" } else { op };
                self.emit_as(a.dtype, shape, &format!("{op} ({}, {})", a.name, b.name));
            }
            _ => {}
        }
    }

    /// Floats are compared in graphs without rounding only.
    pub(super) fn comparison(&mut self) {
        let dtypes: &[&str] = if self.smooth { &["int32", "int64"] } else { &NUMBERS };
        let (a, mut ops) = (self.pick_of(dtypes), vec!["Equal", "Less", "Greater"]);
        if self.opset >= 16 {
            ops.extend(["LessOrEqual", "GreaterOrEqual"]);
        }
        let op = ops[self.below(ops.len())];
        let b = self.pick_of(&[a.dtype]);
        let (b, shape) = match broadcast(&a.shape, &b.shape) {
            Some(shape) if self.below(2) == 0 => (b.name, shape),
            _ => (self.numbers(a.dtype, &[]), a.shape),
        };
        if shape.iter().product::<usize>() <= super::MOST_ELEMENTS {
            self.emit_as("bool", shape, &format!("{op} ({}, {b})", a.name));
        }
    }

    /// A cast, often back and forth; numbers are brought to where the narrower type has them.
    pub(super) fn cast(&mut self) {
        let x = self.pick_any();
        let codes = [("float", 1), ("double", 11), ("int32", 6), ("int64", 7), ("bool", 9), ("float16", 10)];
        let (dtype, code) = codes[self.below(codes.len())];
        let from_float = ["float", "double", "float16"].contains(&x.dtype);
        let to_float = ["float", "double"].contains(&dtype);
        if self.smooth && from_float && !to_float {
            return;
        }
        let mut name = x.name.clone();
        if ["float", "double"].contains(&x.dtype) && !to_float {
            let bounded = self.inner(&format!("Sin ({name})"));
            let k = self.numbers(x.dtype, &[]);
            name = self.inner(&format!("Mul ({bounded}, {k})"));
        }
        if dtype == "float16" && x.dtype.starts_with("int") {
            return;
        }
        let name = self.emit_as(dtype, x.shape.clone(), &format!("Cast <to = {code}> ({name})"));
        if let Some((_, back)) = codes.iter().find(|(d, _)| *d == x.dtype)
            && (dtype, x.dtype) != ("float16", "int64")
            && self.below(2) == 0
        {
            self.emit_as(x.dtype, x.shape, &format!("Cast <to = {back}> ({name})"));
        }
    }

    /// `Where`, sometimes with a constant condition.
    pub(super) fn choose(&mut self) {
        let a = self.pick_of(&["float", "float", "int64"]);
        let b = self.pick_of(&[a.dtype]);
        let c = self.pick_of(&["bool"]);
        let (mut condition, mut shape) = (c.name, c.shape);
        if self.below(3) == 0 {
            condition = self.fresh("k");
            shape = vec![];
            let bit = self.below(2);
            self.initializers.push(format!("bool {condition} = {{{bit}}}"));
        }
        let both = broadcast(&a.shape, &b.shape).and_then(|s| broadcast(&s, &shape));
        if let Some(both) = both.filter(|s| s.iter().product::<usize>() <= super::MOST_ELEMENTS) {
            self.emit_as(a.dtype, both, &format!("Where ({condition}, {}, {})", a.name, b.name));
        }
    }

    /// Bounds one after the other, as constants or not at all.
    pub(super) fn clip(&mut self) {
        let x = self.pick_of(&["float", "int64"]);
        let mut name = x.name.clone();
        for _ in 0..1 + self.below(3) {
            let k = self.numbers(x.dtype, &[]);
            let call = match self.below(5) {
                0 => format!("Clip ({name}, {k})"),
                1 => format!("Clip ({name}, , {k})"),
                2 => format!("Min ({name}, {k})"),
                3 if x.dtype == "float" => format!("Relu ({name})"),
                _ => format!("Max ({k}, {name})"),
            };
            name = self.inner(&call);
        }
        self.emit_as(x.dtype, x.shape, &format!("Identity ({name})"));
    }
}
