//! Characters to tokens: blanks and comments, identifiers, literals, and errors with line and column.

use crate::error::{Error, Result};

/// Bodies and types nested deeper than this are refused. A body is three messages deep in a model file, which may have
/// [`wire::MAX_DEPTH`](crate::proto::wire::MAX_DEPTH) of them.
const MAX_DEPTH: usize = 30;

/// A position in untrusted text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    /// Elements made by a rule so far; never more than [`made`](super::made) allows.
    pub(super) made: usize,
}

/// A number or a string.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal<'t> {
    /// Digits with an optional sign.
    Int(&'t str),
    /// Digits with a point or an exponent, or a word such as `-inf`.
    Float(&'t str),
    /// What stood between double quotes, escapes resolved.
    Text(Vec<u8>),
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, depth: 0, made: 0 }
    }

    /// The offset of the next token.
    pub(super) fn position(&mut self) -> usize {
        self.skip_blanks();
        self.at
    }

    /// An error about the text at `offset`.
    pub(super) fn error_at(&self, offset: usize, message: impl AsRef<str>) -> Error {
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        Error::new(format!("{line}:{column}: {}", message.as_ref()))
    }

    /// An error about the next token.
    pub(super) fn error(&mut self, message: impl AsRef<str>) -> Error {
        let at = self.position();
        self.error_at(at, message)
    }

    /// An error that says what should stand here instead of what does.
    pub(super) fn expected(&mut self, what: &str) -> Error {
        let at = self.position();
        match self.text[at..].chars().next() {
            Some(found) => self.error_at(at, format!("expected {what}, found '{}'", found.escape_debug())),
            None => self.error_at(at, format!("expected {what}, found the end of the text")),
        }
    }

    /// Runs `parse` one level deeper.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.enter()?;
        let parsed = parse(self);
        self.leave();
        parsed
    }

    /// Goes one level deeper, to be followed by [`Lexer::leave`] unless an error ends the parse.
    pub(super) fn enter(&mut self) -> Result<()> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The first byte of the next token; `None` at the end.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.skip_blanks();
        self.rest().first().copied()
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Takes a mark if it comes next.
    pub(super) fn eat(&mut self, mark: &str) -> bool {
        self.skip_blanks();
        let found = self.text[self.at..].starts_with(mark);
        if found {
            self.at += mark.len();
        }
        found
    }

    pub(super) fn expect(&mut self, mark: &str) -> Result<()> {
        if self.eat(mark) { Ok(()) } else { Err(self.expected(&format!("'{mark}'"))) }
    }

    /// The next identifier, left where it is.
    pub(super) fn peek_identifier(&mut self) -> Option<&'t str> {
        self.skip_blanks();
        let text = self.text;
        let rest = &text[self.at..];
        let len = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let word = &rest[..len];
        word.bytes().next().filter(|b| !b.is_ascii_digit()).map(|_| word)
    }

    pub(super) fn identifier(&mut self) -> Option<&'t str> {
        let word = self.peek_identifier()?;
        self.at += word.len();
        Some(word)
    }

    /// Takes a word and the parenthesis behind it, if both come next.
    pub(super) fn eat_call(&mut self, word: &str) -> bool {
        let mut ahead = self.clone();
        let found = ahead.identifier() == Some(word) && ahead.eat("(");
        if found {
            *self = ahead;
        }
        found
    }

    /// An identifier or a quoted name; `None` if neither comes next.
    pub(super) fn optional_name(&mut self) -> Result<Option<String>> {
        if self.peek() != Some(b'"') {
            return Ok(self.identifier().map(str::to_owned));
        }
        self.utf8().map(Some)
    }

    pub(super) fn name(&mut self, what: &str) -> Result<String> {
        match self.optional_name()? {
            Some(name) => Ok(name),
            None => Err(self.expected(what)),
        }
    }

    /// A quoted text.
    pub(super) fn utf8(&mut self) -> Result<String> {
        let at = self.position();
        String::from_utf8(self.quoted()?).map_err(|_| self.error_at(at, "a text that is not UTF-8"))
    }

    pub(super) fn int(&mut self) -> Result<i64> {
        let at = self.position();
        match self.literal()? {
            Literal::Int(digits) => self.number(at, digits),
            _ => Err(self.error_at(at, "expected an integer")),
        }
    }

    /// A number of any spelling, as a float.
    pub(super) fn float<T: std::str::FromStr + Into<f64> + Copy>(&mut self) -> Result<T> {
        let at = self.position();
        match self.literal()? {
            Literal::Int(digits) | Literal::Float(digits) => self.finite(at, digits),
            Literal::Text(_) => Err(self.error_at(at, "expected a number")),
        }
    }

    /// The value of digits read at `at`.
    pub(super) fn number<T: std::str::FromStr>(&self, at: usize, digits: &str) -> Result<T> {
        digits.parse().map_err(|_| self.error_at(at, format!("{digits} does not fit the type")))
    }

    /// The float that digits read at `at` stand for; only a word may stand for infinity.
    pub(super) fn finite<T: std::str::FromStr + Into<f64> + Copy>(
        &self,
        at: usize,
        digits: &str,
    ) -> Result<T> {
        let value: T = self.number(at, digits)?;
        if value.into().is_infinite() && digits.contains(|c: char| c.is_ascii_digit()) {
            return Err(self.error_at(at, format!("{digits} does not fit the type")));
        }
        Ok(value)
    }

    pub(super) fn literal(&mut self) -> Result<Literal<'t>> {
        if self.peek() == Some(b'"') {
            return self.quoted().map(Literal::Text);
        }
        let text = self.text;
        let rest = &text[self.at..];
        let unsigned = rest.strip_prefix('-').unwrap_or(rest);
        let sign = rest.len() - unsigned.len();
        if let Some(word) = special_float(unsigned) {
            self.at += sign + word;
            return Ok(Literal::Float(&rest[..sign + word]));
        }
        let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(unsigned);
        if whole == 0 {
            return Err(self.expected("a value"));
        }
        let mut len = whole;
        if unsigned[len..].starts_with('.') {
            len += 1;
            len += digits(&unsigned[len..]);
        }
        if unsigned[len..].starts_with(['e', 'E']) {
            let power = &unsigned[len + 1..];
            let sign = usize::from(power.starts_with(['+', '-']));
            len += 1 + sign + digits(&power[sign..]);
        }
        self.at += sign + len;
        let spelled = &rest[..sign + len];
        Ok(if len == whole { Literal::Int(spelled) } else { Literal::Float(spelled) })
    }

    fn quoted(&mut self) -> Result<Vec<u8>> {
        let start = self.position();
        self.expect("\"")?;
        let mut out = Vec::new();
        loop {
            match self.take_byte() {
                None => return Err(self.error_at(start, "a text without its closing quote")),
                Some(b'"') => return Ok(out),
                Some(b'\\') => out.push(self.escaped(start)?),
                Some(byte) => out.push(byte),
            }
        }
    }

    /// `\xNN` is the byte; any other character stands for itself.
    fn escaped(&mut self, start: usize) -> Result<u8> {
        let byte =
            self.take_byte().ok_or_else(|| self.error_at(start, "a text without its closing quote"))?;
        let digits = self.text.get(self.at..self.at.saturating_add(2));
        let code = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match code.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(code) if byte == b'x' => {
                self.at += 2;
                Ok(code)
            }
            _ => Ok(byte),
        }
    }

    fn take_byte(&mut self) -> Option<u8> {
        let byte = self.rest().first().copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn rest(&self) -> &'t [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn skip_blanks(&mut self) {
        loop {
            self.at += self.rest().iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
            if self.rest().first() != Some(&b'#') {
                return;
            }
            self.at += self.rest().iter().take_while(|b| **b != b'\n').count();
        }
    }
}

/// The length of a leading `nan`, `inf` or `infinity` that is a word of its own.
fn special_float(text: &str) -> Option<usize> {
    let len = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    is_special_float(&text[..len]).then_some(len)
}

/// Whether a word is read as a number.
pub(super) fn is_special_float(word: &str) -> bool {
    ["nan", "inf", "infinity"].iter().any(|s| word.eq_ignore_ascii_case(s))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn literals_keep_their_spelling() {
        let mut lexer = Lexer::new("1 -2 # one\n 3.5 -1e-3 -inf \"a\\\"\\\\\\xff\\x\"");
        let want = [Literal::Int("1"), Literal::Int("-2"), Literal::Float("3.5"), Literal::Float("-1e-3")];
        for want in want {
            assert_eq!(lexer.literal().unwrap(), want);
        }
        assert_eq!(lexer.literal().unwrap(), Literal::Float("-inf"));
        assert_eq!(lexer.literal().unwrap(), Literal::Text(vec![b'a', b'"', b'\\', 0xff, b'x']));
        assert!(lexer.at_end());
    }

    #[test]
    fn errors_name_line_and_column() {
        let mut lexer = Lexer::new("é\n  é§");
        lexer.at = 5;
        assert_eq!(lexer.expected("'x'").message(), "2:3: expected 'x', found 'é'");
        assert!(Lexer::new("\"abc").utf8().unwrap_err().message().contains("closing quote"));
        assert!(Lexer::new("9223372036854775808").int().unwrap_err().message().contains("1:1"));
        assert!(Lexer::new("1e400").float::<f64>().is_err());
        assert_eq!(Lexer::new("-Infinity").float::<f32>().unwrap(), f32::NEG_INFINITY);
    }
}
