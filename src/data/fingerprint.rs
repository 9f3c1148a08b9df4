//! What decides a run over data, as one SHA-256.

use crate::error::{Error, Result};
use crate::recipe::DataSpec;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Counts up when equal files begin to make other samples.
const VERSION: u8 = 2;

/// Every text goes in with its length, so that no two lists of texts run together.
pub(super) struct Fingerprint {
    hasher: Sha256,
    seen: BTreeSet<PathBuf>,
}

impl Fingerprint {
    /// Of settings; `spelled_out` is what presets among them stand for.
    pub(super) fn new(spec: &DataSpec, spelled_out: &str) -> Self {
        let mut print = Self { hasher: Sha256::new(), seen: BTreeSet::new() };
        print.hasher.update([VERSION]);
        // Which samples are held out shows in those that are taken.
        let mut spec = DataSpec { held_out: None, ..spec.clone() };
        // Its content goes in, so where it lies does not matter.
        if let Some(text) = &mut spec.text {
            text.tokenizer = None;
        }
        // JSON has neither infinities nor NaN.
        print.text(format!("{spec:?}").as_bytes());
        print.text(spelled_out.as_bytes());
        print
    }

    /// The next sample.
    pub(super) fn sample(&mut self, label: &str) {
        self.text(label.as_bytes());
    }

    /// A file, the first time that it is named.
    pub(super) fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        if self.seen.insert(path.to_path_buf()) {
            self.text(name.as_bytes());
            self.content(path).map_err(|e| Error::from(e).in_file(path))?;
        }
        Ok(())
    }

    fn content(&mut self, path: &Path) -> std::io::Result<()> {
        let mut file = File::open(path)?;
        let mut content = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut length = 0u64;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            length += read as u64;
            content.update(&buffer[..read]);
        }
        self.hasher.update(length.to_le_bytes());
        self.hasher.update(content.finalize());
        Ok(())
    }

    fn text(&mut self, text: &[u8]) {
        self.hasher.update((text.len() as u64).to_le_bytes());
        self.hasher.update(text);
    }

    pub(super) fn finish(self) -> String {
        self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
