//! Which input of a text model gets what.

use crate::data::inputs::{Input, Inputs};
use crate::error::{Error, Result};
use crate::recipe::{TextInput, TextSpec};

/// The inputs that get something of a line: those that the settings name, then those of a known name.
///
/// # Errors
/// The settings name an input that the model has not, or no input gets the tokens.
pub(super) fn of<'a>(spec: &TextSpec, inputs: &'a Inputs) -> Result<Vec<(&'a Input, TextInput)>> {
    let mut roles: Vec<(&Input, TextInput)> = Vec::new();
    for (name, role) in &spec.inputs {
        let input = inputs.named(name).map_err(|e| e.about("`inputs` of the data's text settings"))?;
        roles.push((input, *role));
    }
    for input in inputs.all() {
        if roles.iter().all(|(before, _)| before.name != input.name)
            && let Some(role) = by_name(&input.name)
        {
            roles.push((input, role));
        }
    }
    if roles.iter().all(|(_, role)| *role != TextInput::InputIds) {
        let names: Vec<&str> = inputs.all().map(|input| input.name.as_str()).collect();
        return Err(Error::new(format!(
            "none of the model's inputs is called input_ids: {}",
            names.join(", ")
        ))
        .with_help(
            "say which one gets the tokens: `inputs = { NAME = \"input_ids\" }` in the data's text settings",
        ));
    }
    Ok(roles)
}

fn by_name(name: &str) -> Option<TextInput> {
    match name.strip_suffix(":0").unwrap_or(name) {
        "input_ids" => Some(TextInput::InputIds),
        "attention_mask" | "input_mask" => Some(TextInput::AttentionMask),
        "token_type_ids" | "segment_ids" => Some(TextInput::TokenTypeIds),
        "position_ids" => Some(TextInput::PositionIds),
        _ => None,
    }
}
