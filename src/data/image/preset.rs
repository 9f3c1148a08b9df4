//! What the makers of well-known models do with an image, by name.

use crate::error::{Error, Result};
use crate::recipe::ImageSpec;
use serde::Deserialize;
use std::collections::BTreeMap;

const TABLE: &str = include_str!("presets.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preset {
    /// Where the numbers are from.
    #[serde(rename = "source")]
    _source: String,
    image: ImageSpec,
}

/// The settings with those of their preset, where they name one and leave something out.
///
/// # Errors
/// There is no preset of that name; the help lists those that there are.
pub(in crate::data) fn spelled_out(spec: &ImageSpec) -> Result<ImageSpec> {
    let Some(name) = &spec.preset else { return Ok(spec.clone()) };
    let mut table = presets();
    let names = || presets().into_keys().collect::<Vec<_>>().join(", ");
    let preset = table.remove(name).map(|preset| preset.image).ok_or_else(|| {
        Error::new(format!("no preset is called '{name}'")).with_help(format!("there are {}", names()))
    })?;
    Ok(ImageSpec {
        preset: None,
        cut: spec.cut.or(preset.cut),
        square: spec.square.or(preset.square),
        resize: spec.resize.or(preset.resize),
        multiple: spec.multiple.or(preset.multiple),
        filter: spec.filter.or(preset.filter),
        crop: spec.crop.or(preset.crop),
        pad: spec.pad.or(preset.pad),
        scale: spec.scale.or(preset.scale),
        mean: spec.mean.clone().or(preset.mean),
        std: spec.std.clone().or(preset.std),
        channels: spec.channels.or(preset.channels),
        layout: spec.layout.or(preset.layout),
    })
}

fn presets() -> BTreeMap<String, Preset> {
    toml::from_str(TABLE).expect("the table is part of the program")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::recipe::{Channels, Resize};

    #[test]
    fn every_preset_has_a_source_and_says_how_pixels_become_numbers() {
        let all = presets();
        assert!(all.len() >= 9);
        for (name, preset) in all {
            let image = preset.image;
            assert!(preset._source.len() > 20, "{name}");
            assert!(image.scale.is_some() && image.mean.is_some() && image.std.is_some(), "{name}");
            assert!(image.channels.is_some() && image.preset.is_none() && image.layout.is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_set_goes_before_the_preset() {
        let spec = ImageSpec {
            preset: Some("imagenet".into()),
            resize: Some(Resize::Shorter(342)),
            crop: Some([299, 299]),
            ..ImageSpec::default()
        };
        let full = spelled_out(&spec).unwrap();
        assert_eq!((full.resize, full.crop), (Some(Resize::Shorter(342)), Some([299, 299])));
        assert_eq!((full.mean.unwrap()[0], full.channels), (0.485, Some(Channels::Rgb)));
        let unknown = ImageSpec { preset: Some("imagnet".into()), ..ImageSpec::default() };
        let error = spelled_out(&unknown).unwrap_err();
        assert!(error.message().contains("'imagnet'") && error.help().unwrap().contains("imagenet-tf"));
    }
}
