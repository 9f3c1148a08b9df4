//! Random typed graphs: every operand fits where it is used once `N` is 3.

mod attended;
mod bodies;
mod calls;
mod chained;
mod einsum;
mod elementwise;
mod foreign;
mod formulas;
mod fused;
mod layers;
mod linears;
mod moved;
mod movement;
mod normalized;
mod positions;
mod recomposed;
mod reduce;
mod residual;
mod sizes;
mod stored;

use super::sketch::Sketch;
use super::special;
pub(super) use calls::FUNCTIONS;
use std::collections::BTreeMap;

/// The size that `N` is fed with.
const N: usize = 3;

/// A value that later nodes may read.
#[derive(Clone)]
struct Value {
    name: String,
    dtype: &'static str,
    shape: Vec<usize>,
}

/// Elements of the largest tensors.
const MOST_ELEMENTS: usize = 1000;
/// Elements that may be compared, and counted with.
const NUMBERS: [&str; 4] = ["float", "double", "int32", "int64"];

/// Writes one model.
pub(super) struct Generator {
    state: u64,
    opset: u64,
    /// Formulas that rules reassociate, or operators that jump, never both: a jump makes rounding large.
    smooth: bool,
    /// Floats to be found among the constants.
    special: &'static [f64],
    inputs: Vec<String>,
    initializers: Vec<String>,
    lines: Vec<String>,
    values: Vec<Value>,
    names: usize,
}

impl Generator {
    /// The model of a seed.
    pub(super) fn model(seed: u64) -> Sketch {
        let mut g = Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            opset: 0,
            smooth: false,
            special: &[],
            inputs: Vec::new(),
            initializers: Vec::new(),
            lines: Vec::new(),
            values: Vec::new(),
            names: 0,
        };
        g.opset = [13, 15, 17, 18, 20, 21, 24, 24][g.below(8)];
        g.smooth = g.below(2) == 0;
        g.special = special::floats(seed, g.smooth);
        for (dtype, dims, shape) in [
            ("float", "N,4", vec![N, 4]),
            ("float", "2,N,4", vec![2, N, 4]),
            ("float", "N,1", vec![N, 1]),
            ("float", "1,3,5,5", vec![1, 3, 5, 5]),
            ("int64", "N,4", vec![N, 4]),
            ("bool", "4", vec![4]),
        ] {
            let name = g.fresh("x");
            g.inputs.push(format!("{dtype}[{dims}] {name}"));
            g.values.push(Value { name, dtype, shape });
        }
        g.inputs.push("bool c".to_owned());
        if g.smooth && Self::choice(seed + 13, 8) == 0 {
            (0..3).for_each(|_| g.foreign());
        }
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
        self.pick_of(&["float"])
    }

    fn pick_any(&mut self) -> Value {
        let n = self.values.len();
        let at = self.below(n).max(self.below(n));
        self.values[at].clone()
    }

    /// One of some types; there are always floats, integers and booleans.
    fn pick_of(&mut self, dtypes: &[&str]) -> Value {
        let fitting: Vec<usize> =
            (0..self.values.len()).filter(|&i| dtypes.contains(&self.values[i].dtype)).collect();
        // Late values make deep graphs, and in deep graphs NaN is everywhere.
        let (a, b) = (self.below(fitting.len()), self.below(fitting.len()));
        let at = if self.special.is_empty() { a.max(b) } else { a.min(b) };
        self.values[fitting[at]].clone()
    }

    fn emit(&mut self, shape: Vec<usize>, call: &str) -> String {
        self.emit_as("float", shape, call)
    }

    fn emit_as(&mut self, dtype: &'static str, shape: Vec<usize>, call: &str) -> String {
        let name = self.fresh("v");
        self.lines.push(format!("{name} = {call}"));
        self.values.push(Value { name: name.clone(), dtype, shape });
        name
    }

    /// A node with several results of one type.
    fn emit_all(&mut self, dtype: &'static str, shapes: Vec<Vec<usize>>, call: &str) {
        let names: Vec<String> = shapes.iter().map(|_| self.fresh("v")).collect();
        self.lines.push(format!("{} = {call}", names.join(", ")));
        let made = names.into_iter().zip(shapes).map(|(name, shape)| Value { name, dtype, shape });
        self.values.extend(made);
    }

    /// A node whose result only the step itself reads.
    fn inner(&mut self, call: &str) -> String {
        let name = self.fresh("t");
        self.lines.push(format!("{name} = {call}"));
        name
    }

    fn number(&mut self) -> f64 {
        match self.special.len() {
            n if n > 0 && self.below(6) == 0 => self.special[self.below(n)],
            _ => [0.5, 1.0, 2.0, -1.5, 0.0, 0.25, 3.0, -0.0][self.below(8)],
        }
    }

    /// A number of a type as text, one of these or a special one.
    fn number_of(&mut self, dtype: &str, tame: &[&str]) -> String {
        match self.special.len() {
            n if n > 0 && self.below(8) == 0 => {
                let which = self.below(n);
                if dtype.starts_with("int") {
                    special::integer(dtype, which)
                } else {
                    format!("{:?}", self.special[which])
                }
            }
            _ => tame[self.below(tame.len())].to_owned(),
        }
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

    /// A constant of any numeric type, of small whole numbers that are not zero.
    fn numbers(&mut self, dtype: &str, shape: &[usize]) -> String {
        let name = self.fresh("k");
        let count = shape.iter().product();
        let elements: Vec<String> =
            (0..count).map(|_| self.number_of(dtype, &["1", "2", "3", "-2", "5"])).collect();
        self.initializers.push(format!("{dtype}{} {name} = {{{}}}", dims(shape), elements.join(", ")));
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
        let list: Vec<String> = elements.iter().map(i64::to_string).collect();
        let text = format!("= {{{}}}", list.join(", "));
        // Often one that is read already.
        let known = self
            .initializers
            .iter()
            .find(|i| i.starts_with(&format!("int64[{}]", list.len())) && i.ends_with(&text));
        if let Some(known) = known.cloned()
            && self.below(2) == 0
        {
            return known.split(' ').nth(1).expect("a type, then a name").to_owned();
        }
        let name = self.fresh("i");
        self.initializers.push(format!("int64[{}] {name} {text}", list.len()));
        name
    }

    fn step(&mut self) {
        match self.below(58) {
            0 => self.unary(),
            1 => self.binary(),
            2 => self.neutral(),
            3 => self.reduction(),
            4 => self.shape_arithmetic(),
            5 | 6 => self.movement(),
            30 => self.moved(),
            31 => self.padded(),
            32 => self.called(),
            33 => self.optional(),
            36 => self.bounded(),
            39 => self.logical(),
            40 => self.sequenced(),
            41 if self.below(2) == 0 => self.uniform(),
            41 => self.positions(),
            42 => self.counted(),
            43 => self.unfit_branch(),
            44 if self.smooth => self.largest(),
            45 if self.smooth => self.twice_stored(),
            7 => self.repeat(),
            8 => self.branch(),
            9 => self.constants(),
            10 => self.typed_unary(),
            11 => self.typed_binary(),
            12 => self.comparison(),
            13 => self.cast(),
            14 => self.choose(),
            15 => self.product(),
            16 => self.window(),
            17 => self.repetition(),
            18 => self.repeated(),
            19 => self.scanned(),
            24 => self.clipped_ramp(),
            25 => self.products(),
            26 if self.smooth => self.scaled_layer(),
            27 if self.smooth => self.scaled_window(),
            28 if self.smooth => self.inverse(),
            29 if self.smooth => self.attention(),
            20 if self.smooth => self.layer_norm(),
            21 if self.smooth => self.gelu(),
            22 if self.smooth => self.gelu_tanh(),
            23 if self.smooth => self.normalized_layer(),
            34 | 35 if self.smooth => self.recomposed(),
            37 | 38 if self.smooth => self.normalized(),
            46 if self.smooth => self.residual(),
            47 if self.smooth => self.rotary(),
            48 | 54 if self.smooth => self.biased_gelu(),
            49 if self.smooth => self.gated(),
            50 | 51 if self.smooth => self.activated(),
            52 if self.smooth => self.embedded(),
            53 | 55 | 56 if self.smooth => self.grouped_last(),
            57 if self.smooth => self.stored(),
            20 => self.clip(),
            _ if self.smooth => self.normalization(),
            _ => self.jump(),
        }
    }

    fn finish(mut self) -> Sketch {
        let last = self.values.len() - 1;
        let mut outputs: Vec<Value> = Vec::new();
        // What becomes of special numbers is lost further on.
        let more = if self.special.is_empty() { 2 } else { 6 };
        let ends: Vec<usize> = (0..more).map(|_| self.below(last + 1)).collect();
        for at in [last, self.below(4)].into_iter().chain(ends) {
            let value = self.values[at].clone();
            if !outputs.iter().any(|o| o.name == value.name) {
                outputs.push(value);
            }
        }
        let Value { name, dtype, shape } = self.values[last].clone();
        self.emit_as(dtype, shape, &format!("Identity ({name})"));
        outputs.extend(self.values.last().cloned());
        let declared = |v: &Value| {
            let as_input = self.inputs.iter().find(|i| i.ends_with(&format!(" {}", v.name)));
            as_input.cloned().unwrap_or_else(|| format!("{}[] {}", v.dtype, v.name))
        };
        let outputs = outputs.iter().map(declared).collect();
        let types = self.values.iter().map(|v| (v.name.clone(), format!("{}{}", v.dtype, dims(&v.shape))));
        Sketch {
            opset: self.opset,
            smooth: self.smooth,
            special: self.special,
            types: types.collect::<BTreeMap<String, String>>(),
            inputs: self.inputs,
            outputs,
            initializers: self.initializers,
            lines: self.lines,
        }
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
