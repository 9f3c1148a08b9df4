//! Ops that follow each other and do the work of one.

use super::Generator;

impl Generator {
    /// Bounds of bounds, some of them crossed or kept anyway.
    pub(super) fn bounded(&mut self) {
        let x = self.pick_of(&["float", "float", "int32", "int64"]);
        let (mut value, float) = (x.name, x.dtype == "float");
        for _ in 0..2 + self.below(3) {
            let [low, high] = [0, 1].map(|_| self.bound(x.dtype));
            let call = match self.below(if float { 9 } else { 5 }) {
                0 | 1 => format!("Max ({value}, {low})"),
                2 => format!("Min ({high}, {value})"),
                3 => format!("Clip ({value}, {low}, {high})"),
                4 => format!("Clip ({value}, , {high})"),
                5 => format!("Relu ({value})"),
                6 => format!("Sigmoid ({value})"),
                7 => format!("Abs ({value})"),
                _ => format!("LeakyRelu <alpha = 0.5> ({value})"),
            };
            value = self.emit_as(x.dtype, x.shape.clone(), &call);
        }
    }

    fn bound(&mut self, dtype: &str) -> String {
        let name = self.fresh("k");
        let bound = ["-1", "0", "1", "2"][self.below(4)];
        self.initializers.push(format!("{dtype} {name} = {{{bound}}}"));
        name
    }
}
