//! Nodes that hold bodies: `If`, `Loop` and `Scan`.

use super::{Generator, Value, broadcast, dims};

/// Elements above which a tensor is not stacked.
const MOST: usize = 600;

impl Generator {
    /// An `If` whose branches read from outside, hold constants, repeat each other or what is outside.
    pub(super) fn branch(&mut self) {
        let (a, b) = (self.pick(), self.pick());
        let condition = match self.below(4) {
            0 => {
                let name = self.fresh("c");
                let bit = self.below(2);
                self.initializers.push(format!("bool {name} = {{{bit}}}"));
                name
            }
            _ => "c".to_owned(),
        };
        let body = |g: &mut Self| {
            let (name, x, k) = (g.fresh("b"), &a.name, g.fresh("k"));
            match g.below(5) {
                0 => format!("() => (float[] {name}) {{ {name} = Identity ({x}) }}"),
                1 => format!("() => (float[] {name}) <float {k} = {{0.5}}> {{ {name} = Mul ({x}, {k}) }}"),
                2 => format!(
                    "() => (float[] {name}) {{ {k} = Constant <value = float {{0.5}}> () {name} = Mul ({k}, {x}) }}"
                ),
                3 => format!("() => (float[] {name}) {{ {k} = Neg ({x}) {name} = Neg ({k}) }}"),
                _ => format!("() => (float[] {name}) {{ {name} = Sigmoid ({x}) }}"),
            }
        };
        let (yes, no) = (body(self), body(self));
        let name = self.emit(
            a.shape.clone(),
            &format!("If ({condition}) <then_branch = t {yes}, else_branch = e {no}>"),
        );
        if broadcast(&a.shape, &b.shape).is_some_and(|s| s == a.shape) {
            self.emit(a.shape.clone(), &format!("Add ({name}, {})", b.name));
        }
    }

    /// A `Loop` that carries one value and stacks another, and reads, repeats and computes what does not change.
    pub(super) fn repeated(&mut self) {
        let (x, outer) = (self.pick(), self.pick());
        if x.shape.iter().product::<usize>() > MOST {
            return;
        }
        let fits = broadcast(&x.shape, &outer.shape).is_some_and(|s| s == x.shape);
        let outer = if fits { outer } else { x.clone() };
        let [count, go, i, on, off, v, w, s, t, u, k] =
            ["n", "go", "i", "on", "off", "v", "w", "s", "t", "u", "k"].map(|stem| self.fresh(stem));
        let trips = self.below(4);
        self.initializers.push(format!("int64 {count} = {{{trips}}}"));
        self.initializers.push(format!("bool {go} = {{1}}"));
        // The name of a value inside may be that of one outside.
        let t = if self.below(4) == 0 { x.name.clone() } else { t };
        let outer = if t == outer.name { Value { name: v.clone(), ..x.clone() } } else { outer };
        let stacked = match self.below(3) {
            0 => format!("{s} = Identity ({t})"),
            1 => format!("{s} = Tanh ({u})"),
            _ => format!("{k} = Constant <value = float {{1}}> () {s} = Mul ({u}, {k})"),
        };
        let body = format!(
            "(int64 {i}, bool {on}, float[] {v}) => (bool {off}, float[] {w}, float[] {s}) {{ {off} = Identity ({on}) \
             {t} = Sigmoid ({0}) {u} = Sigmoid ({0}) {w} = Add ({v}, {t}) {stacked} }}",
            outer.name
        );
        let (last, all) = (self.fresh("v"), self.fresh("v"));
        self.lines.push(format!("{last}, {all} = Loop ({count}, {go}, {}) <body = l {body}>", x.name));
        self.values.push(Value { name: last, dtype: "float", shape: x.shape.clone() });
        if trips > 0 {
            self.values.push(Value { name: all, dtype: "float", shape: [vec![trips], outer.shape].concat() });
        }
    }

    /// A `Loop` of a few nodes, most of which depend on its count alone.
    pub(super) fn counted(&mut self) {
        let x = self.pick();
        let [count, start, i, on, off, n, v, m, f, w] =
            ["n", "k", "i", "on", "off", "n", "v", "m", "f", "w"].map(|stem| self.fresh(stem));
        let trips = 1 + self.below(3);
        self.initializers.push(format!("int64 {count} = {{{trips}}}"));
        self.initializers.push(format!("int64 {start} = {{2}}"));
        let scaled = ["Mul", "Add", "Sub"][self.below(3)];
        let body = format!(
            "(int64 {i}, bool {on}, int64 {n}, float[] {v}) => (bool {off}, int64 {m}, float[] {w}, int64 {f}) {{ \
             {off} = Identity ({on}) {m} = Add ({n}, {i}) {f} = Mul ({m}, {i}) c{m} = Cast <to = 1> ({f}) \
             {w} = {scaled} (c{m}, {v}) }}"
        );
        let [last, scaled, all] = ["v", "v", "v"].map(|stem| self.fresh(stem));
        self.lines.push(format!(
            "{last}, {scaled}, {all} = Loop ({count}, , {start}, {}) <body = l {body}>",
            x.name
        ));
        self.values.push(Value { name: last, dtype: "int64", shape: vec![] });
        self.values.push(Value { name: scaled, dtype: "float", shape: x.shape });
        if self.below(2) == 0 {
            self.values.push(Value { name: all, dtype: "int64", shape: vec![trips] });
        }
    }

    /// An `If` that only returns what can be gone on with where its condition holds, as it does in every run.
    pub(super) fn unfit_branch(&mut self) {
        let Some(x) = self.values.iter().find(|v| v.dtype == "float" && v.shape == [2, super::N, 4]).cloned()
        else {
            return;
        };
        let (at, size) = (self.ints(&[1]), self.ints(&[super::N as i64]));
        let zero = self.ints(&[0]);
        let s = self.inner(&format!("Shape ({})", x.name));
        let d = self.inner(&format!("Gather ({s}, {at})"));
        let condition = self.inner(&format!("Equal ({d}, {size})"));
        let [p, q] = ["p", "q"].map(|stem| self.fresh(stem));
        let y = self.inner(&format!(
            "If ({condition}) <then_branch = t () => (float[] {p}) {{ {p} = Neg ({0}) }}, \
             else_branch = e () => (float[] {q}) {{ {q} = Unsqueeze ({0}, {zero}) }}>",
            x.name
        ));
        let (w, r) = (self.random_floats(&[1, 6, 4]), self.random_floats(&[1, 6, 2]));
        self.emit(vec![2, 1, super::N, 2], &format!("GRU <hidden_size = 2> ({y}, {w}, {r})"));
    }

    /// A `Scan` over the first axis, forward or backward.
    pub(super) fn scanned(&mut self) {
        let x = self.pick();
        if x.shape.is_empty() || x.shape[0] == 0 {
            return;
        }
        let (start, backward) = (self.random_floats(&[]), self.below(2));
        // ONNX Runtime wants to know the shape of what it stacks.
        let part = dims(&x.shape[1..]);
        let [v, e, w, s, t] = ["v", "e", "w", "s", "t"].map(|stem| self.fresh(stem));
        let body = format!(
            "(float {v}, float{part} {e}) => (float {w}, float{part} {s}) {{ {w} = Tanh ({v}) {t} = Tanh ({v}) {s} = Add ({e}, {t}) }}"
        );
        let (last, all) = (self.fresh("v"), self.fresh("v"));
        self.lines.push(format!(
            "{last}, {all} = Scan ({start}, {}) <num_scan_inputs = 1, scan_input_directions = [{backward}], body = s {body}>",
            x.name
        ));
        self.values.push(Value { name: all.clone(), dtype: "float", shape: x.shape.clone() });
        self.emit(x.shape, &format!("Add ({all}, {last})"));
    }
}
