//! `[data]`: which samples of a file or folder are taken, and how each becomes the inputs of a model.
//!
//! Every field may be left out; what then holds is said at the field. A name that is not one of these is an error.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which samples, and how they become inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// Chooses the order of the samples, and the numbers of random data. Default: 0.
    pub seed: u64,
    /// At most so many samples, the first in that order. Default: all, and 32 of random data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_samples: Option<usize>,
    /// So many samples, the last in that order, are those on which a result is measured, and serve nothing else; 0 measures
    /// on the others. Default: a quarter, at most 16, and none of fewer than 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<usize>,
    /// The model's input that gets the image, the audio or a nameless array. Default: the only one that has neither a
    /// default nor a constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Inputs that are the same in every sample, by name: `sr = 16000`. What a sample itself holds for one of them goes
    /// first. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, Constant>,
    /// Inputs that are a state which one run hands to the next, each with the output that it is then taken from:
    /// `state = "stateN"`. A constant says how it begins: in the first sample, and in the first piece of each recording.
    /// Samples keep the order of their files. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub carry: BTreeMap<String, String>,
    /// How an image becomes an input. Without it, images are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSpec>,
    /// How a line of text becomes inputs. Without it, text is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextSpec>,
    /// How a recording becomes an input. Without it, audio is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioSpec>,
}

/// The value of an input that is the same in every sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// Every element, in the shape that the model declares. A dim named by a symbol is as long as the sample makes it.
    One(Scalar),
    /// The elements in order: a vector, or what fills the shape that the model declares.
    Many(Vec<Scalar>),
    /// Elements, or one for all, and the shape.
    Shaped(Shaped),
}

/// A constant of a given shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shaped {
    /// The elements, or one for all.
    pub value: Elements,
    /// Dims, outermost first.
    pub shape: Vec<usize>,
}

/// One number for all elements, or one each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Elements {
    /// Every element.
    One(Scalar),
    /// The elements in order.
    Many(Vec<Scalar>),
}

/// A number of a constant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// 1 or 0.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number.
    Float(f64),
}

/// How an image becomes an input: cut, filled up to a square, resized, cropped, padded, each where it is asked for; then
/// each number is `(pixel · scale − mean) / std`.
///
/// Pixels are 0 to 255. Sizes are `[height, width]`. An orientation that a camera noted is not followed, transparency is
/// dropped: as Pillow's `Image.open(…).convert("RGB")`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSpec {
    /// What holds for the fields that are left out here: a name of `src/data/image/presets.toml`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// What is cut out of the middle before resizing. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// What is then put beside the image to make it a square. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub square: Option<Square>,
    /// The size before cropping. Default: the image's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    /// Both sides become the nearest multiple of it, at least one; each is rounded once. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple: Option<u32>,
    /// How pixels are resampled. Default: bilinear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What is cut out of the middle behind resizing. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<[u32; 2]>,
    /// What smaller images are filled up to. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<Pad>,
    /// What a pixel is multiplied with, such as 1/255. No default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// What is then subtracted: one number, or one a channel in the order in which the model gets them. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f64>>,
    /// What is then divided by, likewise. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<Vec<f64>>,
    /// The order of the channels. Default: rgb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
    /// Where the channels stand. Default: where the model's input has a dim of that many, if that is one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

/// What is cut out of the middle of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// A square, whose side is this share of the shorter side: 0.875 as TensorFlow's EfficientNet.
    Square(f64),
    /// This share of each side, as `tf.image.central_crop`.
    Share(f64),
}

/// What makes an image a square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Square {
    /// The pixel. Default: 0.
    pub value: u8,
    /// Where the image stands. Default: at the start.
    pub image: Place,
}

/// A size that an image is resampled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// The shorter side; the other in proportion, rounded down, as torchvision.
    Shorter(u32),
    /// The longer side; the other in proportion, rounded.
    Longer(u32),
    /// The longer side at most: smaller images keep their size; else as `longer`. PaddleOCR's detector, with a `multiple`
    /// of 32.
    Most(u32),
    /// The height; the width in proportion, rounded up, as PaddleOCR.
    Height(u32),
    /// The height, and the width in proportion, rounded up, at most the second number: a line of text, as PaddleOCR.
    Line([u32; 2]),
    /// Both sides, whatever the proportion.
    Exact([u32; 2]),
    /// The largest size within these that keeps the proportion, rounded.
    Fit([u32; 2]),
}

/// How pixels are resampled.
///
/// Those of Pillow, which torchvision, timm and Keras prepare images with, widen with the step where an image shrinks;
/// those of OpenCV look at the nearest pixels only, whatever the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The nearest pixel: Pillow's `NEAREST`.
    Nearest,
    /// The mean: Pillow's `BOX`.
    Box,
    /// A triangle: Pillow's `BILINEAR`.
    #[default]
    Bilinear,
    /// Catmull-Rom, a = −0.5: Pillow's `BICUBIC`.
    Bicubic,
    /// Three lobes: Pillow's `LANCZOS`.
    Lanczos,
    /// Two pixels a side: OpenCV's `INTER_LINEAR`, its default.
    Linear,
    /// Four pixels a side, a = −0.75: OpenCV's `INTER_CUBIC`.
    Cubic,
}

/// What an image is filled up to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// At least this size.
    pub to: [u32; 2],
    /// The pixel, 0 to 255, before it is scaled. Default: 0.
    #[serde(default)]
    pub value: f64,
    /// Where the image stands. Default: at the start.
    #[serde(default)]
    pub image: Place,
}

/// Where an image stands in the larger one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// At the upper left.
    #[default]
    Start,
    /// In the middle; an odd pixel goes to the lower right.
    Center,
}

/// The channels of an image and their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Luma of ITU-R BT.601, as Pillow's `L`.
    Gray,
}

/// Where the channels of an image stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Before height and width.
    Nchw,
    /// Behind them.
    Nhwc,
}

/// How a line of text becomes inputs.
///
/// Each goes to the model's input of its name, or of an older one: `input_ids`; `attention_mask` or `input_mask`;
/// `token_type_ids` or `segment_ids`; `position_ids`. A `:0` behind the name does not count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextSpec {
    /// The model's `tokenizer.json`, from the current folder. No default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// At most so many tokens, those around the text included. Default: what `tokenizer.json` says, else all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// What short lines are filled up to, whatever `tokenizer.json` says. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<Padding>,
    /// The token that fills up. Default: that of `tokenizer.json`'s padding, else `[PAD]` or `<pad>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_token: Option<String>,
    /// Inputs of other names, each with what it gets: `ids = "input_ids"`. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, TextInput>,
}

/// What short lines are filled up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Nothing: each sample is as long as its line.
    #[default]
    None,
    /// `max_length` tokens.
    MaxLength,
}

/// What an input of a text model gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextInput {
    /// The tokens' numbers.
    InputIds,
    /// 1 for a token, 0 for what fills up.
    AttentionMask,
    /// Which of two texts a token is of.
    TokenTypeIds,
    /// 0, 1, 2, …
    PositionIds,
}

/// How a recording becomes an input: numbers of −1 to 1, the mean of its channels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudioSpec {
    /// Samples a second that the model wants; recordings of another rate are refused, none is resampled. No default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Length of a piece in samples of the recording. Default: the whole recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// From the start of one piece to that of the next. Default: the length of a piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop: Option<usize>,
    /// What becomes of a recording shorter than one piece. Default: it is refused. Of a longer one, what is left behind
    /// the last whole piece is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short: Option<Short>,
}

/// What becomes of a recording shorter than one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Short {
    /// It is refused.
    #[default]
    Refuse,
    /// Silence is added.
    Zeros,
    /// It is repeated.
    Repeat,
}
