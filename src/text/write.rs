//! Names, texts and numbers as the parser reads them.

use super::lexer::is_special_float;
use super::types::is_type_word;
use std::fmt::Write as _;

/// A name as it stands; quoted where it is no identifier or would be read as a type or a number.
pub(super) fn quoted_unless_plain(name: &str) -> String {
    let plain = is_identifier(name) && !is_type_word(name) && !is_special_float(name);
    if plain { name.to_owned() } else { quoted(name.as_bytes()) }
}

/// As [`quoted_unless_plain`], where neither a type nor a number may stand.
pub(super) fn quoted_unless_identifier(name: &str) -> String {
    if is_identifier(name) { name.to_owned() } else { quoted(name.as_bytes()) }
}

fn is_identifier(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// A text in quotes. What text cannot hold is written as `\xNN`: control characters but tab and line feed, and
/// bytes that are not UTF-8.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\n' | '\t' => out.push(c),
                c if c.is_control() => c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| escape(&mut out, b)),
                _ => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| escape(&mut out, byte));
    }
    out.push('"');
    out
}

fn escape(out: &mut String, byte: u8) {
    write!(out, "\\x{byte:02x}").expect("writing to a String does not fail");
}

/// The shortest digits that read back as the same `f32`, as those of a whole number where it is one.
pub(super) fn float(value: f32) -> String {
    shortest(value.is_nan(), value.is_sign_negative(), format!("{value:?}"))
}

/// As [`float`], for `f64`.
pub(super) fn double(value: f64) -> String {
    shortest(value.is_nan(), value.is_sign_negative(), format!("{value:?}"))
}

fn shortest(nan: bool, negative: bool, digits: String) -> String {
    match (nan, negative) {
        (true, true) => "-nan".into(),
        (true, false) => "nan".into(),
        _ => digits.strip_suffix(".0").map(str::to_owned).unwrap_or(digits),
    }
}

/// As [`float`], but never to be taken for an integer.
pub(super) fn float_attribute(value: f32) -> String {
    let digits = float(value);
    if digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') { format!("{digits}.0") } else { digits }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_short_and_exact() {
        let cases = [(1.0, "1"), (-0.0, "-0"), (1e-5, "1e-5"), (0.1, "0.1"), (1e16, "1e16"), (-0.5, "-0.5")];
        for (value, want) in cases {
            assert_eq!(float(value), want);
            assert_eq!(want.parse::<f32>().unwrap().to_bits(), value.to_bits());
        }
        assert_eq!(float_attribute(-2.0), "-2.0");
        assert_eq!(float_attribute(f32::NEG_INFINITY), "-inf");
        assert_eq!(float(-f32::NAN), "-nan");
        assert!("-nan".parse::<f32>().unwrap().is_sign_negative());
    }

    #[test]
    fn names_that_read_as_something_else_are_quoted() {
        for (name, want) in [("a_1", "a_1"), ("a/b", "\"a/b\""), ("float", "\"float\""), ("", "\"\"")] {
            assert_eq!(quoted_unless_plain(name), want);
        }
        assert_eq!(quoted_unless_plain("Inf"), "\"Inf\"");
        assert_eq!(quoted("\u{9b}".as_bytes()), "\"\\xc2\\x9b\"");
        assert_eq!(quoted(b"\"\\\n\r\xff\xc3\xa9"), "\"\\\"\\\\\n\\x0d\\xff\u{e9}\"");
    }
}
