//! What a model is written to.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, StdoutLock, Write};
use std::sync::PoisonError;

use tempfile::NamedTempFile;

use super::map;

/// Slices of a mapped file from this length on go from file to file.
const LONG: usize = 256 << 10;
const BUFFER: usize = 256 << 10;

/// Takes bytes in order.
pub(crate) trait Out: Write {
    /// Takes bytes that may be a slice of a mapped file.
    ///
    /// # Errors
    /// As [`Write::write_all`].
    fn write_shared(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
}

impl Out for Vec<u8> {}

impl Out for BufWriter<StdoutLock<'_>> {}

/// A file: short pieces through a buffer, long slices of another file without a look at them, on Linux, which can copy
/// from file to file.
pub(crate) struct FileOut {
    buffered: BufWriter<NamedTempFile>,
}

impl FileOut {
    pub(crate) fn new(file: NamedTempFile) -> Self {
        Self { buffered: BufWriter::with_capacity(BUFFER, file) }
    }

    /// The file, with all that was written.
    ///
    /// # Errors
    /// The rest cannot be written.
    pub(crate) fn finish(mut self) -> io::Result<NamedTempFile> {
        self.flush()?;
        self.buffered.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for FileOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffered.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.buffered.flush()
    }
}

impl Out for FileOut {
    fn write_shared(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((file, offset)) =
            (cfg!(target_os = "linux") && bytes.len() >= LONG).then(|| map::file_of(bytes)).flatten()
        else {
            return self.write_all(bytes);
        };
        self.flush()?;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        let mut from: io::Take<&File> = (&*file).take(bytes.len() as u64);
        let mut to: &File = self.buffered.get_ref().as_file();
        match io::copy(&mut from, &mut to)? {
            copied if copied == bytes.len() as u64 => Ok(()),
            _ => Err(io::Error::other("the input was cut short while it was read")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn slices_of_files_keep_their_place_among_other_pieces() {
        let _room = map::ROOM.lock().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        let content: Vec<u8> = (0..3 * LONG).map(|i| (i % 251) as u8).collect();
        std::fs::write(&source, &content).unwrap();
        let mapped = map::open(&source).unwrap();
        // The name is gone, as when the input is replaced; the mapping and its file are not.
        std::fs::remove_file(&source).unwrap();
        let mut out = FileOut::new(NamedTempFile::new_in(dir.path()).unwrap());
        let own = vec![1u8; LONG];
        let pieces: [&[u8]; 5] = [b"head", &mapped[5..LONG + 17], b"middle", &mapped[LONG - 3..], &own];
        for piece in pieces {
            out.write_shared(piece).unwrap();
        }
        out.write_all(b"tail").unwrap();
        let written = std::fs::read(out.finish().unwrap().path()).unwrap();
        assert_eq!(written, [&pieces.concat()[..], b"tail"].concat());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_source_that_was_cut_is_an_error() {
        let _room = map::ROOM.lock().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        std::fs::write(&source, vec![7; 2 * LONG]).unwrap();
        let mapped = map::open(&source).unwrap();
        File::options().write(true).open(&source).unwrap().set_len(LONG as u64).unwrap();
        let mut out = FileOut::new(NamedTempFile::new_in(dir.path()).unwrap());
        assert!(out.write_shared(&mapped).unwrap_err().to_string().contains("cut short"));
    }
}
