//! Operators of ONNX Runtime that are not of ONNX.

use super::{Generator, N};

impl Generator {
    /// One of them, of an input that is finite: what is made of infinities is the kernel's choice.
    pub(super) fn foreign(&mut self) {
        let fitting = |v: &&super::Value| v.dtype == "float" && v.shape == [2, N, 4];
        let Some(x) = self.values.iter().rev().find(fitting).map(|v| v.name.clone()) else { return };
        let bounds = ["-4", "4"].map(|bound| self.constant("float", bound));
        let x = self.inner(&format!("Clip ({x}, {}, {})", bounds[0], bounds[1]));
        let call = match self.below(12) {
            0 => format!("Gelu ({x})"),
            1 => format!("FastGelu ({x}, {})", self.tame(&[4])),
            2 => format!("BiasGelu ({x}, {})", self.tame(&[4])),
            3 => format!("QuickGelu <alpha = 1.5> ({x})"),
            4 => format!("SkipLayerNormalization <epsilon = 0.01> ({x}, {x}, {})", self.tame(&[4])),
            5 => format!("SkipSimplifiedLayerNormalization <epsilon = 0.01> ({x}, {x}, {})", self.tame(&[4])),
            6 => format!("FusedMatMul <alpha = 0.5, transB = 1> ({x}, {})", self.tame(&[4, 4])),
            7 => {
                let (weight, bias) = (self.tame(&[4, 12]), self.tame(&[12]));
                let causal = self.below(2);
                format!("Attention <num_heads = 2, unidirectional = {causal}> ({x}, {weight}, {bias})")
            }
            8 => format!("MultiHeadAttention <num_heads = 2> ({x}, {x}, {x}, {})", self.tame(&[12])),
            9 => {
                let (cos, sin) = (self.tame(&[N, 2]), self.tame(&[N, 2]));
                let place = self.ints(&[0]);
                format!("RotaryEmbedding <interleaved = {}> ({x}, {place}, {cos}, {sin})", self.below(2))
            }
            10 => return self.quantized(),
            _ => {
                let ids = self.fresh("i");
                self.initializers.push(format!("int32[2,{N}] {ids} = {{0, 1, 2, 3, 1, 0}}"));
                let [words, places] = [[4, 4], [N, 4]].map(|shape| self.tame(&shape));
                let [gamma, beta] = [4, 4].map(|size| self.tame(&[size]));
                let (y, lengths) = (self.fresh("t"), self.fresh("t"));
                let call = "com.microsoft.EmbedLayerNormalization <epsilon = 0.01>";
                self.lines
                    .push(format!("{y}, {lengths} = {call} ({ids}, , {words}, {places}, , {gamma}, {beta})"));
                self.emit(vec![2, N, 4], &format!("Add ({x}, {y})"));
                return;
            }
        };
        self.emit(vec![2, N, 4], &format!("com.microsoft.{call}"));
    }

    /// Products of bytes, whose sums and scales are exact in single precision.
    fn quantized(&mut self) {
        let whole = |v: &&super::Value| v.dtype == "int64" && v.shape == [N, 4];
        let Some(x) = self.values.iter().find(whole).map(|v| v.name.clone()) else { return };
        let [low, high] = ["0", "255"].map(|bound| self.constant("int64", bound));
        let x = self.inner(&format!("Clip ({x}, {low}, {high})"));
        self.quantized_step(&x);
        let x = self.inner(&format!("Cast <to = 2> ({x})"));
        let weights: Vec<String> = (0..16).map(|_| self.below(256).to_string()).collect();
        let weight = self.constant("uint8[4,4]", &weights.join(", "));
        let [half, quarter, four] = ["0.5", "0.25", "4"].map(|scale| self.constant("float", scale));
        let [a, b, c] = ["3", "120", "9"].map(|zero| self.constant("uint8", zero));
        let product = format!("QLinearMatMul ({x}, {half}, {a}, {weight}, {quarter}, {b}, {four}, {c})");
        let product = self.inner(&product);
        self.emit(vec![N, 4], &format!("DequantizeLinear ({product}, {four}, {c})"));
        let product = self.inner(&format!("MatMulInteger ({x}, {weight}, {a}, {b})"));
        let product = self.inner(&format!("Cast <to = 1> ({product})"));
        self.emit(vec![N, 4], &format!("Mul ({product}, {quarter})"));
    }

    /// One step of whole numbers whose range is all bytes, so that nothing of them is rounded.
    fn quantized_step(&mut self, x: &str) {
        let x = self.inner(&format!("Cast <to = 1> ({x})"));
        let ends = self.constant("float[1,4]", "0, 255, 0, 255");
        let x = self.inner(&format!("Concat <axis = 0> ({x}, {ends})"));
        let step = self.ints(&[1, N as i64 + 1, 4]);
        let x = self.inner(&format!("Reshape ({x}, {step})"));
        let [weight, recurrence] = [(); 2].map(|()| {
            let bytes: Vec<String> = (0..64).map(|_| self.below(256).to_string()).collect();
            self.constant("uint8[1,4,16]", &bytes.join(", "))
        });
        let scale = self.constant("float[1]", "0.0001220703125");
        let zero = self.constant("uint8[1]", "120");
        let weights = format!("{x}, {weight}, {recurrence}, , , , , , {scale}, {zero}, {scale}, {zero}");
        let call = format!("com.microsoft.DynamicQuantizeLSTM <hidden_size = 4> ({weights})");
        self.emit(vec![1, 1, N + 1, 4], &call);
    }

    /// A constant of small numbers.
    fn tame(&mut self, shape: &[usize]) -> String {
        let count = shape.iter().product();
        let elements: Vec<f64> =
            (0..count).map(|_| [0.5, 1.0, -1.5, 0.25, 2.0, -0.5][self.below(6)]).collect();
        self.floats(shape, &elements)
    }
}
