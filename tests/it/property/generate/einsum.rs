//! Sums over named axes.

use super::Generator;

impl Generator {
    /// A product with a weight as one `Einsum` or several; `rows` are the letters of all axes but the last one.
    pub(super) fn einsum(&mut self, x: &str, weight: &str, rows: &str) -> String {
        let equation =
            |equation: String, operands: &str| format!("Einsum <equation = \"{equation}\"> ({operands})");
        let form = Self::choice(self.state, 10);
        let turned = match form {
            0 | 1 => self.inner(&equation("de->ed".into(), weight)),
            _ => weight.to_owned(),
        };
        let whole = match form {
            0 => equation(format!("{rows}d,ed->{rows}e"), &format!("{x}, {turned}")),
            1 => equation(format!("ed,{rows}d->{rows}e"), &format!("{turned}, {x}")),
            2 => equation("...d,de".into(), &format!("{x}, {weight}")),
            _ => equation(format!("{rows}d,de->{rows}e"), &format!("{x}, {weight}")),
        };
        if form < 4 {
            return whole;
        }
        let product = self.inner(&whole);
        match form {
            4 => {
                let first = self.inner(&equation(format!("{rows}e->e{rows}"), &product));
                equation(format!("e{rows}->{rows}e"), &first)
            }
            5 => {
                let first = self.inner(&equation(format!("{rows}d,de->e{rows}"), &format!("{x}, {weight}")));
                equation(format!("e{rows}->{rows}e"), &first)
            }
            6 => {
                let sum = self.inner(&equation(format!("{rows}e->e"), &product));
                let bounded = self.inner(&format!("Tanh ({sum})"));
                equation(format!("e,{rows}e->{rows}e"), &format!("{bounded}, {product}"))
            }
            7 => {
                let scores =
                    self.inner(&equation("...ie,...je->...ij".into(), &format!("{product}, {product}")));
                let bounded = self.inner(&format!("Tanh ({scores})"));
                equation("...ij,...je->...ie".into(), &format!("{bounded}, {product}"))
            }
            8 if rows.len() == 2 => {
                let turned = self.inner(&format!("Transpose <perm = [1, 0, 2]> ({product})"));
                let scores = self.inner(&equation("cbe,bke->bck".into(), &format!("{turned}, {product}")));
                let bounded = self.inner(&format!("Tanh ({scores})"));
                equation("bck,bke->bce".into(), &format!("{bounded}, {product}"))
            }
            _ => {
                let scores =
                    self.inner(&equation("...ie,...je->...ji".into(), &format!("{product}, {product}")));
                let bounded = self.inner(&format!("Tanh ({scores})"));
                equation("...ie,...ij->...je".into(), &format!("{product}, {bounded}"))
            }
        }
    }
}
