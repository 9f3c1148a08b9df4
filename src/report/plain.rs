//! Texts that come out of a model, on their way to a terminal.

use std::borrow::Cow;

/// The text with control characters shown as escapes, line breaks and tabs excepted: a name in a model must not
/// command the terminal of whoever reads it.
pub fn plain(text: &str) -> Cow<'_, str> {
    let commands = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if commands(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown_and_not_obeyed() {
        assert_eq!(plain("\u{1b}[2Ja\u{9b}\u{7f}"), "\\u{1b}[2Ja\\u{9b}\\u{7f}");
        assert!(matches!(plain("näme\n\tb"), Cow::Borrowed("näme\n\tb")));
    }
}
