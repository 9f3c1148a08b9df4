//! Image settings that are whole and fit the model's input.

use super::preset;
use super::size::MOST_MADE;
use crate::data::inputs::Input;
use crate::error::{Error, Result};
use crate::ir::Dim;
use crate::recipe::{Channels, Cut, Filter, ImageSpec, Layout, Pad, Resize, Square};
use crate::tensor::DType;

/// How every image is prepared.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) cut: Option<Cut>,
    pub(super) square: Option<Square>,
    pub(super) resize: Option<Resize>,
    pub(super) multiple: u32,
    pub(super) filter: Filter,
    pub(super) crop: Option<[u32; 2]>,
    pub(super) pad: Option<Pad>,
    pub(super) scale: f64,
    /// One a channel.
    pub(super) mean: Vec<f64>,
    /// One a channel.
    pub(super) std: Vec<f64>,
    pub(super) channels: Channels,
    pub(super) layout: Layout,
    pub(super) dtype: DType,
    pub(super) rank: usize,
}

const HELP: &str =
    "set `preset` in the data's image settings, such as \"imagenet\", or `scale`, `mean` and `std`";

impl Plan {
    /// # Errors
    /// Something that no default can stand for is missing, a number makes no sense, or where the channels stand cannot
    /// be told.
    pub(super) fn of(spec: Option<&ImageSpec>, input: &Input) -> Result<Self> {
        let missing = |what: &str| Error::new(format!("{what} how images become inputs")).with_help(HELP);
        let spec = spec.ok_or_else(|| missing("the data's settings do not say"))?;
        let spec = preset::spelled_out(spec)?;
        check_sizes(&spec)?;
        let channels = spec.channels.unwrap_or_default();
        let scale = spec.scale.ok_or_else(|| missing("neither a preset nor `scale` says"))?;
        let unknown = || Error::new("the type of the model's input is unknown").at(&*input.name);
        let plan = Self {
            cut: spec.cut,
            square: spec.square,
            resize: spec.resize,
            multiple: spec.multiple.unwrap_or(1),
            filter: spec.filter.unwrap_or_default(),
            crop: spec.crop,
            pad: spec.pad,
            scale: finite("scale", scale)?,
            mean: each_channel("mean", spec.mean.as_deref().unwrap_or(&[0.0]), channels)?,
            std: each_channel("std", spec.std.as_deref().unwrap_or(&[1.0]), channels)?,
            channels,
            layout: layout(spec.layout, input, channels)?,
            dtype: input.dtype().ok_or_else(unknown)?,
            rank: input.dims().map_or(4, <[Dim]>::len),
        };
        if plan.std.contains(&0.0) {
            return Err(wrong("std", "is 0, by which nothing can be divided"));
        }
        Ok(plan)
    }

    pub(super) fn to_text(&self) -> String {
        format!("{self:?}")
    }
}

/// How many channels there are.
pub(super) fn channel_count(channels: Channels) -> usize {
    if channels == Channels::Gray { 1 } else { 3 }
}

fn wrong(field: &str, what: &str) -> Error {
    Error::new(format!("`{field}` of the data's image settings {what}"))
}

fn finite(field: &str, value: f64) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(wrong(field, "is no number")) }
}

fn each_channel(field: &str, values: &[f64], channels: Channels) -> Result<Vec<f64>> {
    let count = channel_count(channels);
    for &value in values {
        finite(field, value)?;
    }
    match values {
        [one] => Ok(vec![*one; count]),
        all if all.len() == count => Ok(all.to_vec()),
        all => Err(wrong(field, &format!("has {} numbers for {count} channels", all.len()))),
    }
}

fn check_sizes(spec: &ImageSpec) -> Result<()> {
    let resize = match spec.resize {
        None => [1, 1],
        Some(Resize::Shorter(n) | Resize::Longer(n) | Resize::Most(n) | Resize::Height(n)) => [n, 1],
        Some(Resize::Exact(size) | Resize::Fit(size) | Resize::Line(size)) => size,
    };
    if let Some(Cut::Square(share) | Cut::Share(share)) = spec.cut
        && !(share > 0.0 && share <= 1.0)
    {
        return Err(wrong("cut", &format!("is {share}, which is no share above 0 and up to 1")));
    }
    let pad = spec.pad.map_or([1, 1], |pad| pad.to);
    finite("pad", spec.pad.map_or(0.0, |pad| pad.value))?;
    let sizes = [("resize", resize), ("crop", spec.crop.unwrap_or([1, 1])), ("pad", pad)];
    for (field, [h, w]) in sizes.into_iter().chain([("multiple", [spec.multiple.unwrap_or(1), 1])]) {
        if h == 0 || w == 0 {
            return Err(wrong(field, "is 0"));
        }
        if u64::from(h) * u64::from(w) > MOST_MADE {
            return Err(wrong(field, &format!("asks for {h}x{w} pixels")));
        }
    }
    Ok(())
}

/// Where the channels stand: as asked, or where the input has a dim of that many, if that is one place.
fn layout(asked: Option<Layout>, input: &Input, channels: Channels) -> Result<Layout> {
    let declared = input.ty.as_ref().map(ToString::to_string).unwrap_or_else(|| "unknown type".into());
    if let Some(dims) = input.dims()
        && !matches!(dims.len(), 3 | 4)
    {
        return Err(Error::new(format!("images for an input of {declared}, which has not 3 or 4 dims"))
            .at(&*input.name)
            .with_help("name the input that takes images with `input` in the data's settings"));
    }
    if let Some(layout) = asked {
        return Ok(layout);
    }
    let count = channel_count(channels);
    let is_count = |from_last: usize| {
        let dims = input.dims()?;
        Some(dims.get(dims.len() - from_last)?.as_fixed() == Some(count as u64))
    };
    match (is_count(3), is_count(1)) {
        (Some(true), Some(false)) => Ok(Layout::Nchw),
        (Some(false), Some(true)) => Ok(Layout::Nhwc),
        _ => Err(Error::new(format!("where the {count} channels stand cannot be told from an input of {declared}"))
            .at(&*input.name)
            .with_help(
                "set `layout` in the data's image settings to \"nchw\" or \"nhwc\", and `channels` to \"gray\" where \
                 the model takes one channel",
            )),
    }
}
