//! Operators that move elements and compute nothing.

use super::{Generator, Value};

impl Generator {
    pub(super) fn movement(&mut self) {
        let x = self.pick_any();
        let rank = x.shape.len();
        match self.below(16) {
            0 | 1 if rank > 1 => self.transpose(),
            2 if rank > 0 && x.shape[0] > 1 => {
                let (start, end, axis) = (self.ints(&[1]), self.ints(&[i64::MAX]), self.ints(&[0]));
                let mut shape = x.shape.clone();
                shape[0] -= 1;
                self.emit_as(x.dtype, shape, &format!("Slice ({}, {start}, {end}, {axis})", x.name));
            }
            3 if rank > 0 => self.slice(),
            4 if rank > 0 => self.concat(),
            5 if rank > 0 => self.split(),
            6 | 7 => self.reshape(),
            8 if rank > 0 => self.gather(),
            9 => self.expand(),
            10 if rank > 0 => {
                let axis = self.below(rank + 1);
                let shape = vec![x.shape[..axis].iter().product(), x.shape[axis..].iter().product()];
                self.emit_as(x.dtype, shape, &format!("Flatten <axis = {axis}> ({})", x.name));
            }
            11 if rank > 0 && x.dtype == "float" => self.pad(),
            12 if x.shape.contains(&1) => {
                let axis = x.shape.iter().position(|&n| n == 1).expect("there is one");
                let axes = self.ints(&[axis as i64]);
                let mut shape = x.shape.clone();
                shape.remove(axis);
                self.emit_as(x.dtype, shape, &format!("Squeeze ({}, {axes})", x.name));
            }
            13 if rank == 4 && x.dtype == "float" && x.shape[2..].iter().all(|n| n.is_multiple_of(2)) => {
                let shape = vec![x.shape[0], x.shape[1] * 4, x.shape[2] / 2, x.shape[3] / 2];
                self.emit(shape, &format!("SpaceToDepth <blocksize = 2> ({})", x.name));
            }
            _ => {
                let at = self.below(rank + 1);
                let axes = self.ints(&[at as i64]);
                let mut shape = x.shape.clone();
                shape.insert(at, 1);
                if shape.len() < 6 {
                    self.emit_as(x.dtype, shape, &format!("Unsqueeze ({}, {axes})", x.name));
                }
            }
        }
    }

    /// One or two in a row, any order, with an elementwise operator between.
    fn transpose(&mut self) {
        let mut x = self.pick_any();
        if x.shape.is_empty() {
            return; // ONNX Runtime reads no empty list.
        }
        for _ in 0..1 + self.below(2) {
            let rank = x.shape.len();
            let mut perm: Vec<usize> = (0..rank).collect();
            for i in (1..rank).rev() {
                let j = self.below(i + 1);
                perm.swap(i, j);
            }
            let shape: Vec<usize> = perm.iter().map(|&p| x.shape[p]).collect();
            let name =
                self.emit_as(x.dtype, shape.clone(), &format!("Transpose <perm = {perm:?}> ({})", x.name));
            x = Value { name, shape, ..x };
            if x.dtype == "float" && self.below(2) == 0 {
                let k = self.random_floats(&x.shape[x.shape.len().saturating_sub(1)..]);
                let name = self.emit(x.shape.clone(), &format!("Mul ({}, {k})", x.name));
                x = Value { name, ..x };
            }
        }
    }

    /// Starts, ends and steps of any sign.
    fn slice(&mut self) {
        let x = self.pick_any();
        let Some(last) = x.shape.len().checked_sub(1) else { return };
        let axis = self.below(last + 1);
        let n = x.shape[axis] as i64;
        let (start, end, step, left) = match self.below(4) {
            0 => (0, n, 2, (n + 1) / 2),
            1 => (-1, i64::MIN + 1, -1, n),
            2 => (-n, -1, 1, n - 1),
            _ => (0, (n + 1) / 2, 1, (n + 1) / 2),
        };
        if left < 1 {
            return;
        }
        let (start, end, axes, step) =
            (self.ints(&[start]), self.ints(&[end]), self.ints(&[axis as i64]), self.ints(&[step]));
        let mut shape = x.shape.clone();
        shape[axis] = left as usize;
        self.emit_as(x.dtype, shape, &format!("Slice ({}, {start}, {end}, {axes}, {step})", x.name));
    }

    /// Values whose other sizes are the same; often the pieces of a split put together again.
    fn concat(&mut self) {
        let x = self.pick_any();
        let Some(last) = x.shape.len().checked_sub(1) else { return };
        let axis = self.below(last + 1);
        let fits = |v: &&Value| {
            v.dtype == x.dtype
                && v.shape.len() == x.shape.len()
                && (0..=last).all(|d| d == axis || v.shape[d] == x.shape[d])
        };
        let fitting: Vec<Value> = self.values.iter().filter(fits).cloned().collect();
        let others: Vec<Value> =
            (0..1 + self.below(2)).map(|_| fitting[self.below(fitting.len())].clone()).collect();
        let mut shape = x.shape.clone();
        shape[axis] += others.iter().map(|o| o.shape[axis]).sum::<usize>();
        if shape.iter().product::<usize>() <= super::MOST_ELEMENTS {
            let names: Vec<String> = std::iter::once(&x).chain(&others).map(|v| v.name.clone()).collect();
            self.emit_as(x.dtype, shape, &format!("Concat <axis = {axis}> ({})", names.join(", ")));
        }
    }

    fn split(&mut self) {
        let x = self.pick_any();
        let Some(axis) = (0..x.shape.len()).find(|&a| x.shape[a] > 1) else { return };
        let first = 1 + self.below(x.shape[axis] - 1);
        let rest = x.shape[axis] - first;
        let sizes = self.ints(&[first as i64, rest as i64]);
        let with = |n: usize| {
            x.shape.iter().enumerate().map(|(a, &d)| if a == axis { n } else { d }).collect::<Vec<_>>()
        };
        let call = format!("Split <axis = {axis}> ({}, {sizes})", x.name);
        self.emit_all(x.dtype, vec![with(first), with(rest)], &call);
        if self.below(2) == 0 {
            let n = self.values.len();
            let (a, b) = (self.values[n - 2].name.clone(), self.values[n - 1].name.clone());
            self.emit_as(x.dtype, x.shape, &format!("Concat <axis = {axis}> ({a}, {b})"));
        }
    }

    /// To a flat tensor and maybe back, with `0` and `-1`.
    fn reshape(&mut self) {
        let x = self.pick_any();
        let count: usize = x.shape.iter().product();
        let flat = self.ints(&[-1]);
        let (to, shape) = match x.shape[..] {
            [a, b] => (self.ints(&[0, 1, -1]), vec![a, 1, b]),
            [a, b, c] => (self.ints(&[0, -1]), vec![a, b * c]),
            [a, b, c, d] => (self.ints(&[(a * b) as i64, -1]), vec![a * b, c * d]),
            _ => (flat.clone(), vec![count]),
        };
        let (to, shape) = if self.below(3) == 0 { (flat, vec![count]) } else { (to, shape) };
        let name = self.emit_as(x.dtype, shape, &format!("Reshape ({}, {to})", x.name));
        if self.below(3) == 0 {
            let back: Vec<i64> = x.shape.iter().map(|&n| n as i64).collect();
            let back = self.ints(&back);
            self.emit_as(x.dtype, x.shape, &format!("Reshape ({name}, {back})"));
        }
    }

    fn gather(&mut self) {
        let x = self.pick_any();
        let Some(last) = x.shape.len().checked_sub(1) else { return };
        let axis = self.below(last + 1);
        let n = x.shape[axis] as i64;
        let mut shape = x.shape.clone();
        match self.below(3) {
            0 => {
                let at = self.fresh("i");
                let index = -1 - self.below(n as usize) as i64;
                self.initializers.push(format!("int64 {at} = {{{index}}}"));
                shape.remove(axis);
                self.emit_as(x.dtype, shape, &format!("Gather <axis = {axis}> ({}, {at})", x.name));
            }
            1 => {
                let all: Vec<i64> = (0..n).collect();
                let all = self.ints(&all);
                self.emit_as(x.dtype, shape, &format!("Gather <axis = {axis}> ({}, {all})", x.name));
            }
            _ => {
                let at = self.ints(&[n - 1, 0]);
                shape[axis] = 2;
                self.emit_as(x.dtype, shape, &format!("Gather <axis = {axis}> ({}, {at})", x.name));
            }
        }
    }

    /// Dims of 1 to more, once or twice.
    fn expand(&mut self) {
        let mut x = self.pick_of(&["float", "int64", "bool"]);
        for _ in 0..1 + self.below(2) {
            let shape: Vec<usize> =
                x.shape.iter().map(|&n| if n == 1 { 1 + self.below(3) } else { n }).collect();
            let times = if self.below(4) == 0 { 2 } else { 1 };
            if shape.is_empty() || times * shape.iter().product::<usize>() > super::MOST_ELEMENTS {
                return;
            }
            let (call, shape) = if self.below(2) == 0 {
                let to = shape.iter().zip(&x.shape).map(|(&n, &was)| if n == was { 1 } else { n as i64 });
                let to = self.ints(&to.collect::<Vec<i64>>());
                (format!("Expand ({}, {to})", x.name), shape)
            } else {
                let shape: Vec<usize> = shape.iter().map(|n| n * times).collect();
                let each = shape.iter().zip(&x.shape).map(|(n, was)| (n / was) as i64);
                let each = self.ints(&each.collect::<Vec<i64>>());
                (format!("Tile ({}, {each})", x.name), shape)
            };
            let name = self.emit_as(x.dtype, shape.clone(), &call);
            x = Value { name, shape, ..x };
        }
    }

    /// Before a window or not: zeros, another number, edges; once or twice.
    fn pad(&mut self) {
        let mut x = self.pick();
        let rank = x.shape.len();
        if rank == 0 {
            return;
        }
        let (mode, with) = match self.below(3) {
            0 => (" <mode = \"edge\">", String::new()),
            1 => ("", String::new()),
            _ => ("", format!(", {}", self.random_floats(&[]))),
        };
        for _ in 0..1 + self.below(2) {
            let axis = rank - 1 - self.below(rank.min(2));
            let mut pads = vec![0; 2 * rank];
            pads[axis] = self.below(3) as i64;
            pads[axis + rank] = self.below(3) as i64;
            let mut shape = x.shape.clone();
            shape[axis] += (pads[axis] + pads[axis + rank]) as usize;
            if shape.iter().product::<usize>() > super::MOST_ELEMENTS {
                return;
            }
            let pads = self.ints(&pads);
            let name = self.emit(shape.clone(), &format!("Pad{mode} ({}, {pads}{with})", x.name));
            x = Value { name, shape, ..x };
        }
    }
}
