//! Statistics in a file, so that another method needs no other run.
//!
//! A line of text, the SHA-256 of what follows, and a protobuf message that names model and data by their digests. It is
//! used where it was taken of the same model and the same data; what it lacks is taken in a run and added. Another cache is
//! replaced with a remark, and any other file is an error. Ranges are not stored: they follow from the statistics.

use super::statistics::Statistics;
use super::stored::Stored;
use crate::data::Source;
use crate::diag::Diags;
use crate::error::{Error, Result};
use crate::io;
use crate::ir::Model;
use prost::Message;
use sha2::{Digest, Sha256};
use std::path::Path;

/// What caches of every version begin with.
const FAMILY: &[u8] = b"onnxpress calibration ";
/// The number counts up when equal runs begin to give other statistics, or the message changes.
const HEADER: &[u8] = b"onnxpress calibration 2\n";
const DIGEST: usize = 32;

/// What statistics depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// [`io::digest()`] of the model that is run.
    pub model: String,
    /// [`Source::digest`] of the samples.
    pub data: String,
}

impl Key {
    /// Reads all samples' files and the weights.
    ///
    /// # Errors
    /// A file cannot be read, or the model cannot be written.
    pub fn of(model: &Model, source: &Source) -> Result<Self> {
        Ok(Self { model: io::digest(model)?, data: source.digest()? })
    }
}

/// All statistics that a file holds of this model and data; with a remark, `None`.
///
/// # Errors
/// The file is something else than a cache: it would be lost where the statistics are written.
pub(super) fn load(path: &Path, key: &Key, remarks: &mut Diags) -> Result<Option<Statistics>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Ok(ignored(path, &format!("cannot be read: {e}"), remarks)),
    };
    if !bytes.is_empty() && !bytes.starts_with(FAMILY) {
        return Err(Error::new("this is no calibration cache, and would be overwritten")
            .in_file(path)
            .with_help("name a file that is not there yet"));
    }
    Ok(match parse(&bytes, key) {
        Ok(statistics) => Some(statistics),
        Err(reason) => ignored(path, reason, remarks),
    })
}

fn ignored(path: &Path, reason: &str, remarks: &mut Diags) -> Option<Statistics> {
    let message = format!("the calibration cache was not used: it {reason}");
    remarks.note("calibration-cache-ignored", Some(&path.display().to_string()), message);
    None
}

fn parse(bytes: &[u8], key: &Key) -> Result<Statistics, &'static str> {
    let rest = bytes.strip_prefix(HEADER).ok_or("is no calibration cache of this version")?;
    let (digest, body) = rest.split_at_checked(DIGEST).ok_or("is damaged")?;
    if Sha256::digest(body)[..] != *digest {
        return Err("is damaged");
    }
    let stored = Stored::decode(body).map_err(|_| "is damaged")?;
    if stored.model != key.model {
        return Err("is of another model");
    }
    if stored.data != key.data {
        return Err("is of other data");
    }
    stored.statistics().ok_or("is damaged")
}

/// Writes the file; where that fails, the statistics are still good, and a remark says why.
pub(super) fn save(path: &Path, key: &Key, statistics: &Statistics, remarks: &mut Diags) {
    let body = Stored::of(&key.model, &key.data, statistics).encode_to_vec();
    let digest = Sha256::digest(&body);
    if let Err(error) = io::write_whole(path, &[HEADER, &digest, &body]) {
        let message = format!("the calibration cache was not written: {}", error.message());
        remarks.warn("calibration-cache-not-written", Some(&path.display().to_string()), message);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::requests::Want;
    use super::super::statistics::ValueStatistics;
    use super::*;
    use crate::tensor::Tensor;

    fn example() -> (Key, Statistics) {
        let wants = [Want::Histogram, Want::Gram, Want::ChannelMax { axis: -1 }];
        let mut value = ValueStatistics::new(&wants.into());
        let tensor = Tensor::from_slice(&[2, 2], &[1.0f32, -2.0, f32::NAN, 3.0]).unwrap();
        value.observe(&tensor).unwrap();
        let statistics = Statistics { samples: 1, values: [("x".to_owned(), value)].into() };
        (Key { model: "m".to_owned(), data: "d".to_owned() }, statistics)
    }

    fn codes(remarks: &Diags) -> Vec<&'static str> {
        remarks.iter().map(|d| d.code).collect()
    }

    #[test]
    fn what_is_written_is_read_back_and_written_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let (key, statistics) = example();
        let mut remarks = Diags::new();
        assert_eq!(load(&path, &key, &mut remarks).unwrap(), None);
        save(&path, &key, &statistics, &mut remarks);
        let bytes = std::fs::read(&path).unwrap();
        let read = load(&path, &key, &mut remarks).unwrap().unwrap();
        assert_eq!(read, statistics);
        save(&path, &key, &read, &mut remarks);
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert!(remarks.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_left_alone_with_a_remark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let (key, statistics) = example();
        let mut remarks = Diags::new();
        save(&path, &key, &statistics, &mut remarks);
        let other_model = Key { model: "n".to_owned(), ..key.clone() };
        let other_data = Key { data: "e".to_owned(), ..key.clone() };
        for other in [other_model, other_data] {
            assert_eq!(load(&path, &other, &mut remarks).unwrap(), None);
        }
        let good = std::fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[HEADER.len() + DIGEST + 9] ^= 1;
        for bad in [
            &flipped[..],
            &good[..good.len() - 1],
            &good[..HEADER.len() + 3],
            b"",
            b"onnxpress calibration 0\n",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(load(&path, &key, &mut remarks).unwrap(), None);
        }
        assert_eq!(load(folder.path(), &key, &mut remarks).unwrap(), None);
        assert_eq!(codes(&remarks), ["calibration-cache-ignored"; 8]);
    }

    #[test]
    fn a_file_that_is_no_cache_is_an_error_before_anything_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.table");
        std::fs::write(&path, "TRT-8510-EntropyCalibration2\nx: 3c010a14\n").unwrap();
        let error = load(&path, &example().0, &mut Diags::new()).unwrap_err().to_string();
        assert!(error.contains("no calibration cache") && error.contains("calibration.table"), "{error}");
    }

    #[test]
    fn what_no_run_can_have_counted_is_damage() {
        let (key, statistics) = example();
        let change = |f: &dyn Fn(&mut ValueStatistics)| {
            let mut changed = statistics.clone();
            changed.values.values_mut().for_each(f);
            let body = Stored::of(&key.model, &key.data, &changed).encode_to_vec();
            parse(&[HEADER, &Sha256::digest(&body)[..], &body].concat(), &key).err()
        };
        assert_eq!(change(&|_| {}), None);
        let wrong: [&dyn Fn(&mut ValueStatistics); 4] = [
            &|v| v.extent.min = f32::NAN,
            &|v| v.extent.max = f32::INFINITY,
            &|v| v.extent.zeros = u64::MAX,
            &|v| v.average.max = f64::NAN as _,
        ];
        for f in wrong {
            assert_eq!(change(f), Some("is damaged"));
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_remarked_on() {
        let folder = tempfile::tempdir().unwrap();
        let (key, statistics) = example();
        let mut remarks = Diags::new();
        save(&folder.path().join("no/such/cache"), &key, &statistics, &mut remarks);
        assert_eq!(codes(&remarks), ["calibration-cache-not-written"]);
    }
}
