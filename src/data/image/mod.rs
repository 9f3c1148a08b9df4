//! Images: decoded, cut, resized, cropped, padded, and their pixels turned into numbers.
//!
//! | file | idea |
//! |---|---|
//! | `preset` | what the makers of well-known models do, by name |
//! | `plan` | settings that are whole and fit the model |
//! | `size` | the sizes that an image goes through |
//! | `resample` | another size, as the library does that prepared the training data |
//! | `pillow`, `opencv` | one library each |
//! | `pixels` | channels, numbers and layout |

mod opencv;
mod pillow;
mod pixels;
mod plan;
mod preset;
mod resample;
mod size;

use super::folder::Listing;
use super::inputs::{Input, Inputs, Sample};
use super::source::Samples;
use crate::error::{Error, Result};
use crate::foreign::guarded;
use crate::recipe::{ImageSpec, Place, Square};
use crate::runtime::RunValue;
use crate::tensor::Tensor;
use ::image::imageops;
use ::image::{ImageReader, Limits, Rgb, RgbImage};
pub(super) use preset::spelled_out;

use plan::Plan;
use std::path::{Path, PathBuf};

/// Bytes that a decoder may take.
const MOST_BYTES: u64 = 1 << 29;

/// Images as samples, one a file.
pub(super) struct Images {
    listing: Listing,
    input: String,
    plan: Plan,
}

impl Images {
    /// # Errors
    /// The settings are missing, not whole, or do not fit the input.
    pub(super) fn new(listing: Listing, spec: Option<&ImageSpec>, input: &Input) -> Result<Self> {
        Ok(Self { listing, input: input.name.clone(), plan: Plan::of(spec, input)? })
    }
}

impl Samples for Images {
    fn len(&self) -> usize {
        self.listing.files.len()
    }

    fn label(&self, at: usize) -> String {
        self.listing.label(&self.listing.files[at])
    }

    fn files(&self, at: usize) -> Result<Vec<PathBuf>> {
        Ok(vec![self.listing.files[at].clone()])
    }

    fn name(&self, file: &Path) -> String {
        self.listing.label(file)
    }

    fn read(&self, at: usize, _: &Inputs) -> Result<Sample> {
        let file = &self.listing.files[at];
        let tensor = decoded(file).and_then(|image| prepared(image, &self.plan));
        let tensor = tensor.map_err(|e| e.in_file(file).at(&*self.input))?;
        Ok(Sample {
            label: self.label(at),
            file: file.clone(),
            values: vec![(self.input.clone(), RunValue::Tensor(tensor))],
            help: Some(
                "set `resize`, `crop` or `pad` of the data's image settings to the size that the model wants",
            ),
        })
    }

    fn settings(&self) -> String {
        self.plan.to_text()
    }
}

/// The pixels of a file, whatever its name ends in.
fn decoded(path: &Path) -> Result<RgbImage> {
    let unreadable = |why: String| {
        Error::new(format!("not an image that can be read: {why}")).with_help("remove it, or save it as PNG")
    };
    let open = || ImageReader::open(path)?.with_guessed_format();
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    let mut reader = open().map_err(Error::from)?;
    reader.limits(limits);
    let image = guarded(|| reader.decode()).map_err(unreadable)?.map_err(|e| unreadable(e.to_string()))?;
    if u64::from(image.width()) * u64::from(image.height()) > size::MOST_READ {
        return Err(Error::new("an image of too many pixels").with_help("remove it, or make it smaller"));
    }
    Ok(image.into_rgb8())
}

fn prepared(image: RgbImage, plan: &Plan) -> Result<Tensor> {
    if image.width() == 0 || image.height() == 0 {
        return Err(Error::new("an image without pixels"));
    }
    let image = match plan.cut {
        None => image,
        Some(cut) => {
            let (start, part) = size::cut(sides(&image), cut);
            part_of(&image, start, part)
        }
    };
    let image = match plan.square {
        None => image,
        Some(square) => squared(image, square)?,
    };
    let to = size::resized(sides(&image), plan.resize, plan.multiple)?;
    let image = resample::resample(image, to, plan.filter)?;
    let image = match plan.crop {
        None => image,
        Some(crop) => part_of(&image, size::crop_start(sides(&image), crop)?, crop),
    };
    pixels::tensor(&image, plan)
}

/// `[height, width]`.
fn sides(image: &RgbImage) -> [u32; 2] {
    [image.height(), image.width()]
}

fn part_of(image: &RgbImage, [top, left]: [u32; 2], [height, width]: [u32; 2]) -> RgbImage {
    imageops::crop_imm(image, left, top, width, height).to_image()
}

/// The image with what makes it a square around it.
fn squared(image: RgbImage, square: Square) -> Result<RgbImage> {
    let [h, w] = sides(&image);
    let side = h.max(w);
    if h == w {
        return Ok(image);
    }
    if u64::from(side) * u64::from(side) > size::MOST_READ {
        return Err(Error::new(format!("an image of {h}x{w} would be filled up to {side}x{side}"))
            .with_help("remove it, or cut it into pieces"));
    }
    let mut out = RgbImage::from_pixel(side, side, Rgb([square.value; 3]));
    let (top, left) = match square.image {
        Place::Start => (0, 0),
        Place::Center => ((side - h) / 2, (side - w) / 2),
    };
    imageops::replace(&mut out, &image, left.into(), top.into());
    Ok(out)
}
