//! The table `[data]` of a recipe.

use onnxpress::recipe::{DataSpec, Layout, Recipe, Resize, TextInput};

const ALL: &str = r#"
version = 1
step = []

[data]
seed = 3
max_samples = 64
input = "x"

[data.constants]
sr = 16000
scales = [0.667, 1, 0.8]
state = { value = 0, shape = [2, 1, 128] }

[data.image]
preset = "imagenet"
resize = { exact = [224, 192] }
multiple = 32
filter = "bicubic"
crop = [224, 224]
pad = { to = [320, 320], value = 114, image = "center" }
scale = 0.5
mean = [1, 2, 3]
std = [4.0]
channels = "bgr"
layout = "nhwc"

[data.text]
tokenizer = "tokenizer.json"
max_length = 128
padding = "max-length"
pad_token = "[PAD]"
inputs = { ids = "input_ids" }

[data.audio]
rate = 16000
window = 576
hop = 512
short = "repeat"

[proof]
verify = true
require = false
force = false

[write]
external_data = "keep"
"#;

#[test]
fn every_field_is_read_and_written() {
    let recipe = Recipe::parse(ALL).unwrap();
    let data = recipe.data.clone().unwrap();
    let image = data.image.unwrap();
    assert_eq!((image.resize, image.layout), (Some(Resize::Exact([224, 192])), Some(Layout::Nhwc)));
    assert_eq!(data.text.unwrap().inputs["ids"], TextInput::InputIds);
    assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe);
    let json = serde_json::to_string(&recipe).unwrap();
    assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
}

#[test]
fn every_field_may_be_left_out() {
    assert_eq!(toml::from_str::<DataSpec>("").unwrap(), DataSpec::default());
    let empty: DataSpec = toml::from_str("[image]\n[text]\n[audio]").unwrap();
    assert_eq!(empty.image, Some(Default::default()));
    assert_eq!((empty.text, empty.audio), (Some(Default::default()), Some(Default::default())));
}

#[test]
fn unknown_fields_and_words_are_refused() {
    for (from, to) in [
        ("seed = 3", "sede = 3"),
        ("preset =", "pre_set ="),
        ("exact = [224, 192]", "smaller = 224"),
        ("\"bicubic\"", "\"tricubic\""),
        ("value = 114", "colour = 114"),
        ("window = 576", "windows = 576"),
        ("shape = [2, 1, 128]", "dims = [2, 1, 128]"),
        ("\"max-length\"", "\"longest\""),
        ("\"input_ids\"", "\"ids\""),
    ] {
        assert!(ALL.contains(from));
        let error = Recipe::parse(&ALL.replacen(from, to, 1)).unwrap_err();
        assert!(error.message().contains("is no recipe"), "{to}: {error}");
    }
}
