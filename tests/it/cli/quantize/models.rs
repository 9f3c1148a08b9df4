//! Small models with weights of seeded numbers.

/// Seeded numbers.
pub(super) struct Numbers(u32);

impl Numbers {
    pub(super) fn of(seed: u32) -> Self {
        Self(seed.wrapping_mul(2_654_435_761).wrapping_add(1))
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.next() % end
    }

    /// From minus `most` to `most`.
    pub(super) fn floats(&mut self, count: usize, most: f32) -> Vec<f32> {
        (0..count).map(|_| (self.next() as f32 / (1 << 23) as f32 - 1.0) * most).collect()
    }

    /// `float[SHAPE] NAME = {…}`.
    pub(super) fn constant(&mut self, name: &str, shape: &[usize], most: f32) -> String {
        let values: Vec<String> =
            self.floats(shape.iter().product(), most).iter().map(|v| format!("{v:.6}")).collect();
        let dims: Vec<String> = shape.iter().map(ToString::to_string).collect();
        format!("float[{}] {name} = {{{}}}", dims.join(","), values.join(", "))
    }
}

fn constants(seed: u32, all: &[(&str, &[usize], f32)]) -> String {
    let mut numbers = Numbers::of(seed);
    let all: Vec<String> =
        all.iter().map(|(name, shape, most)| numbers.constant(name, shape, *most)).collect();
    all.join(",\n")
}

/// A residual network at opset 11: two convolutions, a sum, a product.
pub(super) fn cnn() -> String {
    let weights = constants(
        1,
        &[
            ("w", &[8, 3, 3, 3], 0.4),
            ("b", &[8], 0.5),
            ("u", &[8, 8, 3, 3], 0.2),
            ("c", &[8], 0.5),
            ("m", &[8, 5], 1.0),
            ("d", &[5], 0.5),
        ],
    );
    format!(
        "<ir_version: 7, opset_import: [\"\" : 11]>
        g (float[N,3,8,8] x) => (float[N,5] y)
        <{weights}>
        {{
            [first] a = Conv <pads = [1,1,1,1]> (x, w, b)
            [clamp] r = Relu (a)
            [second] e = Conv <pads = [1,1,1,1]> (r, u, c)
            [sum] s = Add (e, r)
            [after] t = Relu (s)
            [mean] p = GlobalAveragePool (t)
            [flat] f = Flatten (p)
            [head] y = Gemm (f, m, d)
        }}"
    )
}

/// Two products with biases, one of them transposed.
pub(super) fn mlp() -> String {
    let weights =
        constants(2, &[("w", &[32, 16], 0.5), ("b", &[32], 0.5), ("u", &[32, 6], 0.5), ("c", &[6], 0.5)]);
    format!(
        "<ir_version: 8, opset_import: [\"\" : 17]>
        g (float[N,16] x) => (float[N,6] y)
        <{weights}>
        {{
            [up] a = Gemm <transB = 1> (x, w, b)
            [clamp] r = Relu (a)
            [down] y = Gemm (r, u, c)
        }}"
    )
}

/// One block: embeddings, a normalization, attention of one head, a sum.
pub(super) fn transformer() -> String {
    let weights = constants(
        3,
        &[
            ("table", &[32, 8], 1.0),
            ("scale", &[8], 1.0),
            ("shift", &[8], 0.3),
            ("q", &[8, 8], 0.6),
            ("k", &[8, 8], 0.6),
            ("v", &[8, 8], 0.6),
            ("o", &[8, 8], 0.6),
        ],
    );
    format!(
        "<ir_version: 8, opset_import: [\"\" : 17]>
        g (int64[N,S] ids) => (float[N,S,8] y)
        <{weights}>
        {{
            [rows] e = Gather (table, ids)
            [norm] n = LayerNormalization (e, scale, shift)
            [query] nq = MatMul (n, q)
            [key] nk = MatMul (n, k)
            [value] nv = MatMul (n, v)
            [turned] kt = Transpose <perm = [0, 2, 1]> (nk)
            [scores] a = MatMul (nq, kt)
            [weights] p = Softmax (a)
            [mixed] m = MatMul (p, nv)
            [out] h = MatMul (m, o)
            [sum] y = Add (h, e)
        }}"
    )
}
