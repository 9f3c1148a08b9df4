//! The model's tokenizer, as its `tokenizer.json` describes it.

use crate::error::{Error, Result};
use crate::foreign::guarded;
use crate::recipe::{Padding, TextInput, TextSpec};
use std::path::{Path, PathBuf};
use tokenizers::{
    Encoding, PaddingParams, PaddingStrategy, PostProcessor, Tokenizer, TruncationParams, TruncationStrategy,
};

/// Tokens of the longest sample that is made.
const MOST_TOKENS: usize = 1 << 20;

/// Turns lines into tokens.
pub(super) struct Tokens {
    file: PathBuf,
    tokenizer: Tokenizer,
}

/// The tokens of one line.
pub(super) struct Encoded(Encoding);

impl Tokens {
    /// # Errors
    /// No tokenizer is named, its file is damaged, or nothing says what short lines are filled up with.
    pub(super) fn load(spec: &TextSpec) -> Result<Self> {
        let missing = || {
            Error::new("the data's text settings name no tokenizer")
                .with_help("set `tokenizer` to the model's tokenizer.json")
        };
        let file = PathBuf::from(spec.tokenizer.as_ref().ok_or_else(missing)?);
        let tokenizer = tokenizer(&file, spec).map_err(|e| e.in_file(&file))?;
        Ok(Self { file, tokenizer })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn encode(&self, text: &str) -> Result<Encoded> {
        let failed =
            |why: String| Error::new(format!("the tokenizer fails: {why}")).with_help("remove the line");
        let encoding = guarded(|| self.tokenizer.encode_fast(text, true)).map_err(failed)?;
        let encoding = encoding.map_err(|e| failed(e.to_string()))?;
        if encoding.is_empty() {
            return Err(Error::new("no token comes of it").with_help("remove the line"));
        }
        Ok(Encoded(encoding))
    }
}

impl Encoded {
    /// What an input of this role gets.
    pub(super) fn of(&self, role: TextInput) -> Vec<f64> {
        let numbers = match role {
            TextInput::InputIds => self.0.get_ids(),
            TextInput::AttentionMask => self.0.get_attention_mask(),
            TextInput::TokenTypeIds => self.0.get_type_ids(),
            TextInput::PositionIds => return (0..self.0.len()).map(|position| position as f64).collect(),
        };
        numbers.iter().map(|&number| f64::from(number)).collect()
    }
}

fn tokenizer(file: &Path, spec: &TextSpec) -> Result<Tokenizer> {
    let text = std::fs::read(file)?;
    let unreadable = |why: String| {
        Error::new(format!("not a tokenizer that can be read: {why}"))
            .with_help("give the tokenizer.json that comes with the model")
    };
    let read = guarded(|| Tokenizer::from_bytes(text)).map_err(unreadable)?;
    let mut tokenizer = read.map_err(|e| unreadable(e.to_string()))?;
    let truncation = truncation(&tokenizer, spec)?;
    let padding = padding(&tokenizer, spec, truncation.as_ref().map(|t| t.max_length))?;
    let unfit = |e| Error::new(format!("lines cannot be cut: {e}"));
    tokenizer.with_truncation(truncation).map_err(unfit)?;
    tokenizer.with_padding(padding);
    Ok(tokenizer)
}

/// What `tokenizer.json` says of long lines, at the length that is asked for, without pieces that overlap.
fn truncation(tokenizer: &Tokenizer, spec: &TextSpec) -> Result<Option<TruncationParams>> {
    let own = tokenizer.get_truncation();
    let Some(max_length) = spec.max_length.or(own.map(|t| t.max_length)) else { return Ok(None) };
    // The crate subtracts these without a look.
    let around = tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(false));
    if max_length <= around || max_length > MOST_TOKENS {
        let message = format!("`max_length` is {max_length}, and {around} tokens stand around each line");
        return Err(Error::new(message).with_help("set `max_length` in the data's text settings"));
    }
    let direction = own.map(|t| t.direction).unwrap_or_default();
    Ok(Some(TruncationParams {
        max_length,
        stride: 0,
        direction,
        strategy: TruncationStrategy::LongestFirst,
    }))
}

fn padding(tokenizer: &Tokenizer, spec: &TextSpec, length: Option<usize>) -> Result<Option<PaddingParams>> {
    if spec.padding.unwrap_or_default() == Padding::None {
        return Ok(None);
    }
    let length = length.ok_or_else(|| {
        Error::new("nothing says how long short lines become")
            .with_help("set `max_length` in the data's text settings")
    })?;
    let own = tokenizer.get_padding().cloned();
    let token = match (&spec.pad_token, &own) {
        (Some(token), _) => known(tokenizer, token).ok_or_else(|| no_token(token))?,
        (None, Some(own)) => (own.pad_id, own.pad_token.clone()),
        (None, None) => {
            let usual = ["[PAD]", "<pad>"].iter().find_map(|token| known(tokenizer, token));
            usual.ok_or_else(|| {
                Error::new("nothing says which token fills up short lines")
                    .with_help("set `pad_token` in the data's text settings")
            })?
        }
    };
    Ok(Some(PaddingParams {
        strategy: PaddingStrategy::Fixed(length),
        pad_to_multiple_of: None,
        pad_id: token.0,
        pad_token: token.1,
        ..own.unwrap_or_default()
    }))
}

fn known(tokenizer: &Tokenizer, token: &str) -> Option<(u32, String)> {
    Some((tokenizer.token_to_id(token)?, token.to_owned()))
}

fn no_token(token: &str) -> Error {
    Error::new(format!("the tokenizer has no token '{token}'"))
        .with_help("set `pad_token` in the data's text settings to one that it has")
}
