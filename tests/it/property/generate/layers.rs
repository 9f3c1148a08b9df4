//! Products, windows and normalizations, with constant weights or without.

use super::{Generator, broadcast};

impl Generator {
    /// A MatMul, sometimes with a bias, a transposed operand, or as Gemm or Einsum.
    pub(super) fn product(&mut self) {
        let x = self.pick();
        let Some(&inner) = x.shape.last() else { return };
        let (rank, columns) = (x.shape.len(), 1 + self.below(5));
        let mut shape = x.shape.clone();
        shape[rank - 1] = columns;
        if rank < 2 || shape.iter().product::<usize>() > super::MOST_ELEMENTS {
            return;
        }
        let weight = self.random_floats(&[inner, columns]);
        let rows: usize = x.shape[..rank - 1].iter().product();
        let call = match self.below(8) {
            0 | 1 | 7 if rank > 2 => {
                let flat = [-1, inner as i64];
                let restored: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
                let (flat, restored) = (self.ints(&flat), self.ints(&restored));
                let bias = [vec![columns], vec![1, columns], vec![rows, columns]][self.below(3)].clone();
                let bias = self.random_floats(&bias);
                let flat = self.inner(&format!("Reshape ({}, {flat})", x.name));
                let product = self.inner(&format!("Gemm ({flat}, {weight}, {bias})"));
                format!("Reshape ({product}, {restored})")
            }
            0 if rank == 2 => {
                let bias = self.random_floats(&[columns]);
                format!("Gemm ({}, {weight}, {bias})", x.name)
            }
            1 if rank == 2 => {
                let turned = self.inner(&format!("Transpose <perm = [1, 0]> ({})", x.name));
                format!("Gemm <transA = 1, alpha = 0.5> ({turned}, {weight})")
            }
            2 | 5 if rank == 2 => self.einsum(&x.name, &weight, "c"),
            3 | 6 if rank == 3 => self.einsum(&x.name, &weight, "bc"),
            4 => {
                let mut perm: Vec<usize> = (0..rank).collect();
                perm.swap(rank - 1, rank - 2);
                let turned = self.inner(&format!("Transpose <perm = {perm:?}> ({})", x.name));
                shape[rank - 1] = x.shape[rank - 2];
                if shape.iter().product::<usize>() > super::MOST_ELEMENTS {
                    return;
                }
                format!("MatMul ({}, {turned})", x.name)
            }
            _ => format!("MatMul ({}, {weight})", x.name),
        };
        let wide = *shape.last().expect("rank is at least 2");
        let name = self.emit(shape.clone(), &call);
        for _ in 0..self.below(3) {
            let k = if self.below(2) == 0 { self.random_floats(&[wide]) } else { self.random_floats(&[]) };
            let op = ["Add", "Mul"][self.below(2)];
            self.emit(shape.clone(), &format!("{op} ({name}, {k})"));
        }
    }

    /// A window over an image: convolution with pads, strides and groups, pools, and what is often behind them.
    pub(super) fn window(&mut self) {
        let x = self.pick();
        let [n, channels, h, w] = x.shape[..] else { return };
        if h < 2 || w < 2 {
            return;
        }
        let (pad, stride) = (self.below(2), 1 + self.below(2));
        let size = |d: usize| (d + 2 * pad - 2) / stride + 1;
        let at = format!(
            "kernel_shape = [2, 2], pads = [{pad}, {pad}, {pad}, {pad}], strides = [{stride}, {stride}]"
        );
        let (call, out) = match self.below(5) {
            0 => (format!("MaxPool <{at}> ({})", x.name), channels),
            1 => {
                let all = self.below(2);
                (format!("AveragePool <{at}, count_include_pad = {all}> ({})", x.name), channels)
            }
            2 => {
                let weight = self.random_floats(&[channels, 1, 2, 2]);
                (format!("Conv <{at}, group = {channels}> ({}, {weight})", x.name), channels)
            }
            3 => {
                self.emit(vec![n, channels, 1, 1], &format!("GlobalAveragePool ({})", x.name));
                return;
            }
            _ => {
                let (weight, bias) = (self.random_floats(&[4, channels, 2, 2]), self.random_floats(&[4]));
                (format!("Conv <{at}> ({}, {weight}, {bias})", x.name), 4)
            }
        };
        let shape = vec![n, out, size(h), size(w)];
        if shape.iter().product::<usize>() > super::MOST_ELEMENTS {
            return;
        }
        let name = self.emit(shape.clone(), &call);
        if self.below(2) == 0 {
            let wide = [[1, out, 1, 1], [1, 1, 1, 1]][self.below(2)];
            let k = self.random_floats(&wide);
            let op = ["Add", "Mul", "Sub"][self.below(3)];
            self.emit(shape, &format!("{op} ({name}, {k})"));
        }
    }

    /// Normalizations as operators, and spelled out.
    pub(super) fn normalization(&mut self) {
        let x = self.pick();
        let rank = x.shape.len();
        let Some(&last) = x.shape.last() else { return };
        let axis = if self.below(3) == 0 { self.below(rank) as i64 } else { -1 };
        let call = match self.below(6) {
            0 => format!("LogSoftmax <axis = {axis}> ({})", x.name),
            1 => {
                let max = self.reduce("ReduceMax", &x.name, axis, 1);
                let max = self.inner(&max);
                let moved = self.inner(&format!("Sub ({}, {max})", x.name));
                let e = self.inner(&format!("Exp ({moved})"));
                let axes = self.ints(&[axis]);
                let sum = self.inner(&format!("ReduceSum <keepdims = 1> ({e}, {axes})"));
                format!("Div ({e}, {sum})")
            }
            2 if self.opset >= 17 => {
                let (scale, bias) = (self.random_floats(&[last]), self.random_floats(&[last]));
                format!("LayerNormalization <axis = -1, epsilon = 0.01> ({}, {scale}, {bias})", x.name)
            }
            3 => {
                let s = self.inner(&format!("Sigmoid ({})", x.name));
                format!("Mul ({s}, {})", x.name)
            }
            4 if rank == 4 => {
                let c = x.shape[1];
                let (scale, bias) = (self.random_floats(&[c]), self.random_floats(&[c]));
                format!("InstanceNormalization <epsilon = 0.01> ({}, {scale}, {bias})", x.name)
            }
            _ => format!("Softmax <axis = {axis}> ({})", x.name),
        };
        let shape = broadcast(&x.shape, &x.shape).expect("a shape fits itself");
        self.emit(shape, &call);
    }
}
