//! Recordings: numbers, pieces, and headers that lie.

use super::{all, failure, names, numbers, only, open, says, tensor};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::path::{Path, PathBuf};

const WAVE: &str = "float[n,t] x";
const RATE: &str = "[audio]\nrate = 8000\n";

/// 16-bit samples, channels interleaved.
pub(super) fn wav(folder: &Path, name: &str, channels: u16, samples: &[i16]) -> PathBuf {
    let path = folder.join(name);
    let spec = WavSpec { channels, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(&path, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    path
}

#[test]
fn numbers_are_halves_of_the_range_and_channels_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let mono = wav(folder.path(), "a.wav", 1, &[0, 16384, -32768]);
    let set = only(&mono, WAVE, RATE);
    assert_eq!((tensor(&set, "x").shape(), numbers(&set, "x")), (&[1, 3][..], vec![0.0, 0.5, -1.0]));
    let stereo = wav(folder.path(), "b.wav", 2, &[16384, 0, -16384, -16384]);
    assert_eq!(numbers(&only(&stereo, "float[n,1,t] x", RATE), "x"), [0.25, -0.5]);
    assert_eq!(tensor(&only(&stereo, "float[n,1,t] x", RATE), "x").shape(), [1, 1, 2]);
    assert_eq!(tensor(&only(&stereo, "float[t] x", RATE), "x").shape(), [2]);
}

#[test]
fn every_width_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (bits, format, half) in [
        (8, SampleFormat::Int, 64),
        (16, SampleFormat::Int, 1 << 14),
        (24, SampleFormat::Int, 1 << 22),
        (32, SampleFormat::Int, 1 << 30),
        (32, SampleFormat::Float, 0),
    ] {
        let path = folder.path().join(format!("{bits}{format:?}.wav"));
        let spec = WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: bits, sample_format: format };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for sign in [1, -1] {
            match format {
                SampleFormat::Int => writer.write_sample(sign * half).unwrap(),
                SampleFormat::Float => writer.write_sample(0.5 * sign as f32).unwrap(),
            }
        }
        writer.finalize().unwrap();
        assert_eq!(numbers(&only(&path, WAVE, RATE), "x"), [0.5, -0.5], "{bits} {format:?}");
    }
}

#[test]
fn pieces_overlap_and_the_rest_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let ramp: Vec<i16> = (0..10).map(|i| i * 256).collect();
    wav(folder.path(), "a.wav", 1, &ramp);
    wav(folder.path(), "b.wav", 1, &ramp[..4]);
    let sets = all(folder.path(), WAVE, "[audio]\nrate = 8000\nwindow = 4\nhop = 3");
    let got: Vec<_> = sets.iter().map(|set| (set.label.as_str(), numbers(set, "x")[0] * 128.0)).collect();
    assert_eq!(got, [("a.wav@0", 0.0), ("a.wav@3", 3.0), ("a.wav@6", 6.0), ("b.wav@0", 0.0)]);
    assert!(sets.iter().all(|set| tensor(set, "x").shape() == [1, 4]));
    assert_eq!(all(folder.path(), WAVE, "[audio]\nrate = 8000\nwindow = 4").len(), 3);
}

#[test]
fn short_recordings_are_refused_or_filled_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = wav(folder.path(), "a.wav", 1, &[8192, -8192]);
    let with = |short: &str| format!("[audio]\nrate = 8000\nwindow = 5\n{short}");
    let error = failure(&path, WAVE, &with(""));
    says(&error, "2 samples, fewer than the 5 of a piece");
    names(&error, &path);
    assert_eq!(numbers(&only(&path, WAVE, &with("short = \"zeros\"")), "x"), [0.25, -0.25, 0.0, 0.0, 0.0]);
    assert_eq!(
        numbers(&only(&path, WAVE, &with("short = \"repeat\"")), "x"),
        [0.25, -0.25, 0.25, -0.25, 0.25]
    );
}

#[test]
fn states_and_rates_are_constants() {
    let folder = tempfile::tempdir().unwrap();
    let path = wav(folder.path(), "a.wav", 1, &[1; 8]);
    let inputs = "float[b,t] input, float[2,b,3] state, int64 sr";
    let settings = "constants = { sr = 8000, state = 0 }\n[audio]\nrate = 8000\nwindow = 8";
    let set = only(&path, inputs, settings);
    assert_eq!((tensor(&set, "state").shape(), numbers(&set, "sr")), (&[2, 1, 3][..], vec![8000.0]));
    says(&failure(&path, inputs, RATE), "a model of 3 inputs: input, state, sr");
    let other = failure(&path, "float[1,9] input", RATE);
    says(&other, "float[1, 8] for an input of float[1,9]");
    assert_eq!(other.node(), Some("input"));
}

#[test]
fn what_is_not_said_is_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let path = wav(folder.path(), "a.wav", 1, &[1; 8]);
    says(&failure(&path, WAVE, ""), "do not say how audio becomes an input");
    says(&failure(&path, WAVE, "[audio]"), "do not say how audio becomes an input");
    says(&failure(&path, WAVE, "[audio]\nrate = 8000\nhop = 3"), "mean nothing without `window`");
    says(&failure(&path, WAVE, "[audio]\nrate = 8000\nwindow = 0"), "`window` and `hop`");
    let rate = failure(&path, WAVE, "[audio]\nrate = 16000");
    says(&rate, "8000 samples a second where the model wants 16000");
    names(&rate, &path);
    let whole = failure(&path, "int16[n,t] x", RATE);
    assert!(whole.message().contains("for an input of int16"), "{whole}");
}

#[test]
fn headers_that_lie_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = wav(folder.path(), "a.wav", 1, &[1; 8]);
    let whole = std::fs::read(&path).unwrap();
    let data = whole.windows(4).position(|w| w == b"data").unwrap();
    let mut long = whole.clone();
    long[data + 4..data + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    for (bytes, words) in [
        (long, "it is cut off"),
        (whole[..whole.len() - 3].to_vec(), "it is cut off"),
        (whole[..data].to_vec(), "cut off before its samples"),
        (b"RIFX".to_vec(), "cut off before its samples"),
        (vec![b'x'; 64], "the first bytes are others"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        for settings in [RATE.to_owned(), format!("{RATE}window = 2")] {
            let error = failure(&path, WAVE, &settings);
            says(&error, words);
            names(&error, &path);
        }
    }
}

#[test]
fn no_damage_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = wav(folder.path(), "a.wav", 2, &[1; 8]);
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for value in [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            std::fs::write(&path, bytes).unwrap();
            for settings in [RATE.to_owned(), format!("{RATE}window = 2\nhop = 1\nshort = \"repeat\"")] {
                if let Ok(source) = open(&path, WAVE, &settings) {
                    source.samples().for_each(drop);
                }
            }
        }
    }
}
