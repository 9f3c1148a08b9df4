//! What ONNX Runtime's error messages mean.

use crate::error::Error;
use crate::runtime::RunError;

/// An `OrtStatus` that is not OK.
#[derive(Debug)]
pub(super) struct Status {
    /// `OrtErrorCode`.
    pub(super) code: i32,
    /// The message as ONNX Runtime words it.
    pub(super) message: String,
}

const NOT_IMPLEMENTED: i32 = 9;

/// Said of a node whose operator no library has registered.
const UNREGISTERED: &str = "is not a registered function/op";

/// Said where the model asks for what this build does not know; the codes are the same as for broken models.
const UNKNOWN_TO_IT: &[&str] = &[
    "Unsupported model IR version",
    "is under development and support for this is limited",
    UNREGISTERED,
    "No Op registered for",
    "Unrecognized attribute",
    "Failed to construct locale",
    "not currently registered",
    "not implemented",
    "not supported",
    "Unsupported",
    "unsupported",
];

impl Status {
    /// An error of our own making.
    pub(super) fn of_ours(message: impl Into<String>) -> Self {
        Self { code: 0, message: message.into() }
    }

    fn is_capability(&self) -> bool {
        self.code == NOT_IMPLEMENTED || UNKNOWN_TO_IT.iter().any(|part| self.message.contains(part))
    }
}

impl From<Status> for RunError {
    fn from(status: Status) -> Self {
        let mut message = clean(&status.message);
        if is_foreign(&message) {
            message.push_str("; a library of custom operators is named with --custom-ops");
        }
        if status.is_capability() { Self::Unsupported(message) } else { Self::Failed(Error::new(message)) }
    }
}

/// Whether it misses an operator of a domain that it does not define itself.
fn is_foreign(message: &str) -> bool {
    let op = message.split_once(UNREGISTERED).and_then(|(before, _)| before.split_whitespace().last());
    let domain = op.and_then(|op| Some(op.split_once(':')?.0));
    domain.is_some_and(|d| !d.is_empty() && !d.starts_with("ai.onnx") && !d.starts_with("com.microsoft"))
}

/// The sentence within a message: without the path that was loaded, source positions and C++ signatures.
fn clean(message: &str) -> String {
    let mut text = message.trim();
    if text.starts_with("Load model from ")
        && let Some((_, rest)) = text.split_once(" failed:")
    {
        text = rest;
    }
    for stage in ["Exception during initialization: ", "Exception during loading: "] {
        text = text.strip_prefix(stage).unwrap_or(text);
    }
    let mut out = String::with_capacity(text.len());
    while let Some((before, after)) = split_at_position(text) {
        out.push_str(before);
        text = after;
    }
    out.push_str(text);
    let line = out.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_suffix('.').unwrap_or(&line).to_owned()
}

/// Splits around the first `/path/file.cc:123 signature(args) const [with T = float]`.
fn split_at_position(text: &str) -> Option<(&str, &str)> {
    let mut start = 0;
    for word in text.split(' ') {
        if is_position(word) {
            let rest = &text[start + word.len()..];
            let open = rest.find('(')?;
            let after = skip_signature_tail(&rest[open..]);
            let path = word.find('/').unwrap_or(0);
            return Some((&text[..start + path], after));
        }
        start += word.len() + 1;
    }
    None
}

fn is_position(word: &str) -> bool {
    word.rsplit_once(':').is_some_and(|(file, line)| {
        file.contains('/')
            && [".cc", ".h", ".cpp", ".hpp"].iter().any(|end| file.ends_with(end))
            && !line.is_empty()
            && line.bytes().all(|b| b.is_ascii_digit())
    })
}

/// `text` begins with the argument list; returns what follows the whole signature.
fn skip_signature_tail(text: &str) -> &str {
    let mut rest = skip_brackets(text);
    rest = rest.find(' ').map_or("", |space| &rest[space + 1..]);
    rest = rest.strip_prefix("const ").unwrap_or(rest);
    if rest.starts_with("[with ") { skip_brackets(rest).trim_start() } else { rest }
}

fn skip_brackets(text: &str) -> &str {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return &text[at + c.len_utf8()..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i32, message: &str) -> RunError {
        Status { code, message: message.to_owned() }.into()
    }

    #[test]
    fn positions_and_signatures_are_dropped() {
        let cases = [
            (
                "Load model from /a/b c.onnx failed:/onnxruntime_src/core/graph/model.cc:256 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&) Unsupported model IR version: 14, max supported IR version: 13",
                "Unsupported model IR version: 14, max supported IR version: 13",
            ),
            (
                "Exception during initialization: /src/cpu/rnn/rnn.h:48 onnxruntime::RNN<T>::RNN(const onnxruntime::OpKernelInfo&) [with T = float] layout_ == 0 was false. Layout 1 is not supported.\n",
                "layout_ == 0 was false. Layout 1 is not supported",
            ),
            (
                "/src/string_normalizer.cc:235 Locale::Locale(const std::string&)::<lambda()> Failed to construct locale",
                "Failed to construct locale",
            ),
            ("Non-zero status (code) at x.onnx: y", "Non-zero status (code) at x.onnx: y"),
            ("broken /a/b.cc:12", "broken /a/b.cc:12"),
        ];
        for (message, want) in cases {
            assert_eq!(clean(message), want);
        }
    }

    #[test]
    fn a_missing_kernel_is_no_fault_of_the_model() {
        assert!(matches!(
            answer(9, "Could not find an implementation for Add(14) node"),
            RunError::Unsupported(_)
        ));
        assert!(matches!(
            answer(1, "Fatal error: a:B(-1) is not a registered function/op"),
            RunError::Unsupported(_)
        ));
        let hinted = |op: &str| is_foreign(&format!("Fatal error: {op}(-1) is not a registered function/op"));
        assert!(
            hinted("a:B") && !hinted("Add") && !hinted("com.microsoft:Gelu") && !hinted("ai.onnx.ml:Scaler")
        );
        assert!(matches!(answer(2, "Invalid input name: z"), RunError::Failed(_)));
        assert!(matches!(answer(7, "Protobuf parsing failed."), RunError::Failed(_)));
    }
}
