//! Activations and reductions as exporters without the operator spell them, of bounded values that no exponential lifts out
//! of range.

use super::{Generator, Value};

impl Generator {
    pub(super) fn recomposed(&mut self) {
        let x = self.pick();
        let x = self.within(x);
        match self.below(7) {
            0 => self.softplus(&x),
            1 => self.mish(&x),
            2 | 3 => self.swish(&x),
            4 => self.softmax(&x),
            _ => self.reduced(&x),
        }
    }

    pub(super) fn swap(&mut self, op: &str, a: &str, b: &str) -> String {
        if self.below(2) == 0 { format!("{op} ({a}, {b})") } else { format!("{op} ({b}, {a})") }
    }

    fn softplus(&mut self, x: &Value) {
        let (one, rank) = self.scalar(1.0);
        if rank > x.shape.len() {
            return;
        }
        let stable = self.below(2) == 0;
        let inside = if stable {
            let a = self.inner(&format!("Abs ({})", x.name));
            self.inner(&format!("Neg ({a})"))
        } else {
            x.name.clone()
        };
        let e = self.inner(&format!("Exp ({inside})"));
        let call = self.swap("Add", &e, &one);
        let sum = self.inner(&call);
        if !stable {
            self.emit(x.shape.clone(), &format!("Log ({sum})"));
            return;
        }
        let log = self.inner(&format!("Log ({sum})"));
        let positive = self.inner(&format!("Relu ({})", x.name));
        let call = self.swap("Add", &positive, &log);
        self.emit(x.shape.clone(), &call);
    }

    fn mish(&mut self, x: &Value) {
        let s = self.inner(&format!("Softplus ({})", x.name));
        let t = self.inner(&format!("Tanh ({s})"));
        let call = self.swap("Mul", &x.name, &t);
        self.emit(x.shape.clone(), &call);
    }

    fn swish(&mut self, x: &Value) {
        let (alpha, rank) = self.scalar(1.5);
        let scaled = self.below(2) == 0 && rank <= x.shape.len();
        let inside = if scaled {
            let call = self.swap("Mul", &x.name, &alpha);
            self.inner(&call)
        } else {
            x.name.clone()
        };
        let s = self.inner(&format!("Sigmoid ({inside})"));
        let call = self.swap("Mul", &x.name, &s);
        self.emit(x.shape.clone(), &call);
    }

    fn axis(&mut self, x: &Value) -> i64 {
        let ranks = x.shape.len() as i64;
        self.below(x.shape.len()) as i64 - ranks * self.below(2) as i64
    }

    fn softmax(&mut self, x: &Value) {
        if x.shape.is_empty() {
            return;
        }
        let axis = self.axis(x);
        let shifted = if self.below(2) == 0 {
            let call = self.reduce("ReduceMax", &x.name, axis, 1);
            let max = self.inner(&call);
            self.inner(&format!("Sub ({}, {max})", x.name))
        } else {
            x.name.clone()
        };
        let e = self.inner(&format!("Exp ({shifted})"));
        let call = self.reduce("ReduceSum", &e, axis, 1);
        let sum = self.inner(&call);
        let call = match self.below(4) {
            0 => format!("Div ({e}, {sum})"),
            1 => {
                let inverse = self.inner(&format!("Reciprocal ({sum})"));
                self.swap("Mul", &inverse, &e)
            }
            2 => {
                let log = self.inner(&format!("Log ({sum})"));
                format!("Sub ({shifted}, {log})")
            }
            _ => {
                let quotient = self.inner(&format!("Div ({e}, {sum})"));
                format!("Log ({quotient})")
            }
        };
        self.emit(x.shape.clone(), &call);
    }

    /// A reduction in its parts, sometimes dividing what it reduces.
    fn reduced(&mut self, x: &Value) {
        if x.shape.is_empty() {
            return;
        }
        let axis = self.axis(x);
        let form = self.below(4);
        let inside = match form {
            0 => self.inner(&format!("Abs ({})", x.name)),
            1 => self.inner(&format!("Exp ({})", x.name)),
            _ => self.inner(&format!("Mul ({0}, {0})", x.name)),
        };
        let call = self.reduce("ReduceSum", &inside, axis, 1);
        let sum = self.inner(&call);
        let norm = match form {
            1 => self.inner(&format!("Log ({sum})")),
            2 => self.inner(&format!("Sqrt ({sum})")),
            _ => sum,
        };
        // Far from zero, where a quotient would make rounding large.
        let away = self.floats(&[], &[4.0]);
        let mut shape = x.shape.clone();
        shape[axis.rem_euclid(x.shape.len() as i64) as usize] = 1;
        self.emit(shape, &format!("Add ({norm}, {away})"));
        if form == 2 || form == 0 {
            let sure = self.inner(&format!("Exp ({})", x.name));
            let op = if form == 2 { "ReduceL2" } else { "ReduceL1" };
            let call = self.reduce(op, &sure, axis, 1);
            let norm = self.inner(&call);
            self.emit(x.shape.clone(), &format!("Div ({sure}, {norm})"));
        }
    }
}
