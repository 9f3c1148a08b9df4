//! The samples of a file or folder, or made ones, in an order that a seed chooses.

use super::FeedSet;
use super::arrays::Arrays;
use super::audio::Recordings;
use super::constants::Constants;
use super::fingerprint::Fingerprint;
use super::folder::{Kind, Listing};
use super::image::Images;
use super::inputs::{Inputs, Sample};
use super::made::random::Random;
use super::shuffle::Shuffle;
use super::text::Lines;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::ir::Model;
use crate::recipe::DataSpec;
use crate::runtime::Session;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples of random data where nothing says how many.
pub const RANDOM_SAMPLES: usize = 32;

/// Samples of one kind, each read when it is asked for.
pub(super) trait Samples: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;
    /// What a sample is called.
    fn label(&self, at: usize) -> String;
    /// The files that a sample is read from.
    fn files(&self, at: usize) -> Result<Vec<PathBuf>>;
    /// What a file is called, wherever the folder lies.
    fn name(&self, file: &Path) -> String;
    /// Reads a sample.
    fn read(&self, at: usize, inputs: &Inputs) -> Result<Sample>;
    /// Whether a sample has nothing to do with the one before it.
    fn begins(&self, at: usize) -> bool {
        at == 0
    }
    /// What decides the samples beside their files, as text: settings with presets spelled out.
    fn settings(&self) -> String {
        String::new()
    }
    /// A file that all samples depend on.
    fn shared_file(&self) -> Option<&Path> {
        None
    }
}

/// Samples for a model: known by number, read one at a time.
///
/// Beside the names of the files, and of text where each line begins, it holds nothing that grows with their number.
#[derive(Clone)]
pub struct Source {
    samples: Arc<dyn Samples>,
    inputs: Inputs,
    constants: Constants,
    /// Inputs, and the outputs that they are taken from.
    carried: Vec<(String, String)>,
    /// `None` where one sample follows from the other.
    shuffle: Option<Shuffle>,
    /// Which places of that order are taken.
    places: Range<usize>,
    spec: DataSpec,
    random: bool,
    remarks: Diags,
}

impl Source {
    /// Finds the samples in a file or folder, without reading them.
    ///
    /// | path | samples |
    /// |---|---|
    /// | `.npz` file, or folder of them | one a file; arrays by input name |
    /// | `.npy` file, or folder of them | one a file; one for all where they are named as the model's inputs |
    /// | `test_data_set_0`, or folder of such | one a folder; ONNX messages `input_0.pb`, … |
    /// | image (png, jpeg, bmp, webp, pnm), or folder of them | one a file; see [`ImageSpec`](crate::recipe::ImageSpec) |
    /// | `.txt` file, or folder of them | one a line that is not blank; see [`TextSpec`](crate::recipe::TextSpec) |
    /// | `.wav` file, or folder of them | one a file or piece of it; see [`AudioSpec`](crate::recipe::AudioSpec) |
    ///
    /// Folders are looked into, hidden files passed over. Which samples are taken, and their order, depends on the seed
    /// and the sorted list of files alone.
    ///
    /// # Errors
    /// Nothing is there that is read; files of several kinds; settings that are missing or do not fit the model; a text
    /// that cannot be read; a damaged recording where pieces are counted. Each error names the file or the setting.
    pub fn open(path: &Path, model: &Model, spec: &DataSpec) -> Result<Self> {
        let inputs = Inputs::of(model);
        let constants = Constants::of(&spec.constants, &inputs)?;
        let listing = Listing::of(path)?;
        let mut remarks = Diags::new();
        if let Some(first) = listing.ignored.first() {
            let count = listing.ignored.len();
            let message = format!("{count} files are of no kind that is read, and were left out");
            remarks.note("unread-files", Some(&first.display().to_string()), message);
        }
        if let Some(first) = listing.closed.first() {
            let count = listing.closed.len();
            let message = format!("{count} folders are links or too far inside, and were not looked into");
            remarks.warn("unread-folders", Some(&first.display().to_string()), message);
        }
        let carried = carried(model, spec, &inputs, &constants)?;
        let samples = of_kind(listing, spec, &inputs, &constants).map_err(|e| e.in_file(path))?;
        if samples.len() == 0 {
            return Err(Error::new("there is no sample in this file or folder").in_file(path));
        }
        Self::new(samples, inputs, constants, carried, spec, remarks)
    }

    /// Makes samples from what the model says of its inputs: numbers without meaning, in sizes on which it runs. Each has
    /// the same sizes; [`RANDOM_SAMPLES`] unless the settings say how many.
    ///
    /// # Errors
    /// The model runs on none of the inputs that were tried in this session.
    pub fn random(model: &Model, spec: &DataSpec, session: &mut dyn Session) -> Result<Self> {
        let inputs = Inputs::of(model);
        let constants = Constants::of(&spec.constants, &inputs)?;
        let carried = carried(model, spec, &inputs, &constants)?;
        let count = spec.max_samples.unwrap_or(RANDOM_SAMPLES);
        let random = Random::find(model, &inputs, &constants, spec.seed, count, session)?;
        let mut remarks = Diags::new();
        let message = "the samples are random numbers, not data: what is measured on them need not hold for real inputs";
        remarks.warn("random-data", None, message);
        let mut source = Self::new(Arc::new(random), inputs, constants, carried, spec, remarks)?;
        source.random = true;
        Ok(source)
    }

    fn new(
        samples: Arc<dyn Samples>,
        inputs: Inputs,
        constants: Constants,
        carried: Vec<(String, String)>,
        spec: &DataSpec,
        remarks: Diags,
    ) -> Result<Self> {
        if spec.max_samples == Some(0) {
            return Err(
                Error::new("`max_samples` of the data's settings is 0").with_help("leave it out for all")
            );
        }
        let len = samples.len().min(spec.max_samples.unwrap_or(usize::MAX));
        let shuffle = carried.is_empty().then(|| Shuffle::new(samples.len(), spec.seed));
        Ok(Self {
            samples,
            inputs,
            constants,
            carried,
            shuffle,
            places: 0..len,
            spec: spec.clone(),
            random: false,
            remarks,
        })
    }

    /// How many samples are taken.
    #[expect(clippy::len_without_is_empty, reason = "a source has at least one sample")]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The samples at some of the places, which begin at 0 again.
    ///
    /// # Panics
    /// There are no such places, or none.
    #[must_use]
    pub fn part(&self, places: Range<usize>) -> Self {
        assert!(!places.is_empty() && places.end <= self.len(), "samples {places:?} of {}", self.len());
        let first = self.places.start;
        Self { places: first + places.start..first + places.end, ..self.clone() }
    }

    /// Reads the samples in their order, each when it is asked for; a second call reads them again.
    ///
    /// A sample that cannot be read, or does not fit the model's inputs, is an error that names file and input. Those
    /// behind it can be read all the same.
    pub fn samples(&self) -> impl Iterator<Item = Result<FeedSet>> + '_ {
        (0..self.len()).map(|place| self.sample(place))
    }

    /// Reads the sample at a place below [`Source::len`]; several threads may do so at once.
    ///
    /// # Errors
    /// As [`Source::samples`].
    ///
    /// # Panics
    /// There is no such place.
    pub fn sample(&self, place: usize) -> Result<FeedSet> {
        assert!(place < self.len(), "sample {place} of {}", self.len());
        self.read(self.at(place))
    }

    /// Inputs that are a state, each with the output that hands it to the next sample. Whoever runs the samples does so.
    pub fn carried(&self) -> &[(String, String)] {
        &self.carried
    }

    /// Whether the sample at a place begins with the state that it holds itself.
    pub fn begins(&self, place: usize) -> bool {
        self.samples.begins(self.at(place))
    }

    fn at(&self, place: usize) -> usize {
        let place = self.places.start + place;
        self.shuffle.as_ref().map_or(place, |shuffle| shuffle.at(place))
    }

    fn read(&self, at: usize) -> Result<FeedSet> {
        self.inputs.complete(self.samples.read(at, &self.inputs)?, &self.constants)
    }

    /// Reads all that decides the samples, and gives back a SHA-256 of it in hexadecimal digits: names, lengths and
    /// contents of the files that are taken, their order, the settings with presets spelled out. Where the folder lies
    /// does not matter. Of random data, the settings and the sizes that were found; the model is not part of it.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn digest(&self) -> Result<String> {
        let mut print = Fingerprint::new(&self.spec, &self.samples.settings());
        if let Some(file) = self.samples.shared_file() {
            print.file("", file)?;
        }
        for place in 0..self.len() {
            let at = self.at(place);
            print.sample(&self.samples.label(at));
            for file in self.samples.files(at)? {
                print.file(&self.samples.name(&file), &file)?;
            }
        }
        Ok(print.finish())
    }

    /// Whether the samples are made and say nothing of real inputs.
    pub fn is_random(&self) -> bool {
        self.random
    }

    /// What a report should say of the samples: `random-data` where they are made, `unread-files` where a folder holds
    /// files of other kinds, `unread-folders` where one is a link or too far inside.
    pub fn remarks(&self) -> &Diags {
        &self.remarks
    }
}

/// Inputs that are handed on, and the outputs that they are taken from.
fn carried(
    model: &Model,
    spec: &DataSpec,
    inputs: &Inputs,
    constants: &Constants,
) -> Result<Vec<(String, String)>> {
    let setting = "`carry` of the data's settings";
    let outputs: Vec<&str> =
        model.graph.root().outputs().map(|v| model.graph.value(v).name().as_ref()).collect();
    let one = |(input, output): (&String, &String)| {
        let input = &inputs.named(input).map_err(|e| e.about(setting))?.name;
        if !outputs.contains(&output.as_str()) {
            return Err(Error::new(format!("{setting}: the model has no output '{output}'"))
                .with_help(format!("its outputs are {}", outputs.join(", "))));
        }
        if !constants.gives(input) {
            return Err(Error::new(format!("{setting}: nothing says how '{input}' begins"))
                .with_help("give it under `constants` in the data's settings, such as 0"));
        }
        Ok((input.clone(), output.clone()))
    };
    spec.carry.iter().map(one).collect()
}

fn of_kind(
    listing: Listing,
    spec: &DataSpec,
    inputs: &Inputs,
    constants: &Constants,
) -> Result<Arc<dyn Samples>> {
    let asked = spec.input.as_deref();
    Ok(match listing.kind {
        Kind::DataSet | Kind::Npz | Kind::Npy => Arc::new(Arrays::new(listing, inputs, asked, constants)?),
        Kind::Image => Arc::new(Images::new(listing, spec.image.as_ref(), inputs.only(asked, constants)?)?),
        Kind::Text => Arc::new(Lines::new(listing, spec.text.as_ref(), inputs)?),
        Kind::Audio => {
            Arc::new(Recordings::new(listing, spec.audio.as_ref(), inputs.only(asked, constants)?)?)
        }
    })
}

/// Reads all samples that a file or folder of arrays holds, in the order of the files.
///
/// # Errors
/// The files are images, text or audio, which need settings; else as [`Source::open`] and [`Source::samples`].
pub fn load(data: &Path, model: &Model) -> Result<Vec<FeedSet>> {
    let kind = Listing::of(data)?.kind;
    if !matches!(kind, Kind::DataSet | Kind::Npz | Kind::Npy) {
        return Err(Error::new(format!("{} cannot be fed as they are", kind.name()))
            .in_file(data)
            .with_help("save what the model takes, with numpy.savez by input name"));
    }
    let source = Source::open(data, model, &DataSpec::default())?;
    (0..source.len()).map(|at| source.read(at)).collect()
}
