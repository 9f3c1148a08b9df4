//! A measured number that may be infinite, which JSON has no number for.

use serde::{Serialize, Serializer};
use std::fmt;

/// A measurement. In JSON a number where it is finite, else the string `"inf"`, `"-inf"` or `"nan"`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { s.serialize_f64(self.0) } else { s.collect_str(self) }
    }
}

impl fmt::Display for Number {
    /// Short, as a person compares them: three decimals (`0.3`, `120.457`), or two digits and a power (`2.1e-6`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            x if x.is_nan() => f.write_str("nan"),
            x if x.is_infinite() => f.write_str(if x > 0.0 { "inf" } else { "-inf" }),
            0.0 => f.write_str("0"),
            x if (0.01..1000.0).contains(&x.abs()) => write!(f, "{}", (x * 1000.0).round() / 1000.0),
            x => write!(f, "{x:.1e}"),
        }
    }
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        Self(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_short() {
        let texts: Vec<String> =
            [0.0, 2.1234e-6, 0.3, 120.45678, 1.0e9, f64::INFINITY].map(|x| Number(x).to_string()).into();
        assert_eq!(texts, ["0", "2.1e-6", "0.3", "120.457", "1.0e9", "inf"]);
    }

    #[test]
    fn infinity_is_a_string_in_json() {
        let text = serde_json::to_string(&[Number(f64::INFINITY), Number(0.5)]);
        assert_eq!(text.ok().as_deref(), Some("[\"inf\",0.5]"));
    }
}
