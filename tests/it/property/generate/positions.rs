//! Masks that are made of positions.

use super::Generator;

impl Generator {
    /// A gather at positions, or a choice by a comparison of them.
    pub(super) fn positions(&mut self) {
        if self.below(2) == 0 { self.gathered_grid() } else { self.compared_positions() }
    }

    /// The numbers from 0 to a dim of a value.
    fn ramp(&mut self, of: &str, axis: usize) -> String {
        let (start, end) = (axis, axis + 1);
        let (zero, one) = (self.whole(0), self.whole(1));
        let size = if self.opset >= 15 {
            self.inner(&format!("Shape <start = {start}, end = {end}> ({of})"))
        } else {
            let shape = self.inner(&format!("Shape ({of})"));
            let at = self.ints(&[axis as i64]);
            self.inner(&format!("Gather ({shape}, {at})"))
        };
        let count = self.inner(&format!("Squeeze ({size})"));
        self.inner(&format!("Range ({zero}, {count}, {one})"))
    }

    fn whole(&mut self, number: i64) -> String {
        let name = self.fresh("n");
        self.initializers.push(format!("int64 {name} = {{{number}}}"));
        name
    }

    /// Each element of the first two axes at a place of its own, and those behind it.
    fn gathered_grid(&mut self) {
        let x = self.pick_any();
        if x.shape.len() < 2 || x.dtype == "bool" {
            return;
        }
        let turned = self.below(4) == 0;
        let (rows, columns) = if turned { (2, 0) } else { (0, 2) };
        let coordinate = |g: &mut Self, axis: usize, place: usize| {
            let mut dims = [1i64; 4]; // the last one holds the coordinate
            dims[place] = -1;
            let (ramp, dims) = (g.ramp(&x.name, axis), g.ints(&dims));
            g.inner(&format!("Reshape ({ramp}, {dims})"))
        };
        let (a, b) = (coordinate(self, 0, rows), coordinate(self, 1, columns));
        let grid = self.inner(&format!("Max ({a}, {b})"));
        let grid = self.inner(&format!("Shape ({grid})"));
        let (a, b) =
            (self.inner(&format!("Expand ({a}, {grid})")), self.inner(&format!("Expand ({b}, {grid})")));
        let at = self.inner(&format!("Concat <axis = -1> ({a}, {b})"));
        let mut shape =
            if turned { vec![x.shape[1], 1, x.shape[0]] } else { vec![x.shape[0], 1, x.shape[1]] };
        shape.extend(&x.shape[2..]);
        self.emit_as(x.dtype, shape, &format!("GatherND ({}, {at})", x.name));
    }

    /// A choice by what always holds, or almost.
    fn compared_positions(&mut self) {
        let x = self.pick();
        if x.shape.is_empty() {
            return;
        }
        let axis = self.below(x.shape.len());
        let mut dims = vec![1i64; x.shape.len()];
        dims[axis] = -1;
        let (ramp, dims) = (self.ramp(&x.name, axis), self.ints(&dims));
        let ramp = self.inner(&format!("Reshape ({ramp}, {dims})"));
        let (op, number) = [
            ("GreaterOrEqual", 0),
            ("Greater", -1),
            ("Less", 0),
            ("LessOrEqual", -1),
            ("Greater", 0),
            ("Less", x.shape[axis] as i64),
        ][self.below(6)];
        let number = self.whole(number);
        let holds = self.inner(&format!("{op} ({ramp}, {number})"));
        if self.below(2) == 0 {
            let other = self.floats(&[], &[0.5]);
            self.emit(x.shape, &format!("Where ({holds}, {}, {other})", x.name));
        } else {
            let (zero, low) = (self.floats(&[], &[0.0]), self.floats(&[], &[-2.0]));
            let mask = self.inner(&format!("Less ({}, {zero})", x.name));
            let both = self.inner(&format!("And ({mask}, {holds})"));
            self.emit(x.shape, &format!("Where ({both}, {zero}, {low})"));
        }
    }
}
