//! Where each line of some files begins. A blank line is none.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes of the longest line that is read.
const LONGEST: u64 = 1 << 20;

/// The lines of files, in order.
#[derive(Debug)]
pub(super) struct Index(Vec<Line>);

#[derive(Clone, Copy, Debug)]
struct Line {
    file: u32,
    /// From 1.
    number: u32,
    offset: u64,
}

impl Index {
    /// Reads the files through, holding one piece of them at a time.
    pub(super) fn of(files: &[PathBuf]) -> Result<Self> {
        let mut lines = Vec::new();
        for (at, path) in files.iter().enumerate() {
            let file = u32::try_from(at).map_err(|_| Error::new("too many files"))?;
            add(&mut lines, file, path).map_err(|e| e.in_file(path))?;
        }
        Ok(Self(lines))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The file and the number of a line, from 1.
    pub(super) fn place(&self, at: usize) -> (usize, u32) {
        (self.0[at].file as usize, self.0[at].number)
    }

    /// The text of a line of this file, without its end.
    pub(super) fn read(&self, at: usize, path: &Path) -> Result<String> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.0[at].offset))?;
        let mut bytes = Vec::new();
        BufReader::new(file).take(LONGEST + 1).read_until(b'\n', &mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Err(Error::new("longer than a million bytes").with_help("write one sample a line"));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::new("not UTF-8").with_help("convert the file, with iconv for example"))?;
        Ok(text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']).to_owned())
    }
}

fn add(lines: &mut Vec<Line>, file: u32, path: &Path) -> Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut offset, mut start, mut number) = (0u64, 0u64, 1u32);
    let mut blank = true;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let read = buffer.len();
        for &byte in buffer {
            offset += 1;
            if byte != b'\n' {
                blank &= byte.is_ascii_whitespace();
                continue;
            }
            if !blank {
                lines.push(Line { file, number, offset: start });
            }
            number = number.checked_add(1).ok_or_else(|| Error::new("too many lines"))?;
            (start, blank) = (offset, true);
        }
        reader.consume(read);
    }
    if !blank {
        lines.push(Line { file, number, offset: start });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn blank_lines_and_line_ends_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let files = [folder.path().join("a"), folder.path().join("b")];
        std::fs::write(&files[0], "\u{feff}one\r\n\n  \t\r\n two \n").unwrap();
        std::fs::write(&files[1], "three").unwrap();
        let index = Index::of(&files).unwrap();
        let read: Vec<_> = (0..index.len())
            .map(|at| (index.place(at), index.read(at, &files[index.place(at).0]).unwrap()))
            .collect();
        let want = [((0, 1), "one"), ((0, 4), " two "), ((1, 1), "three")];
        assert_eq!(read, want.map(|(place, text)| (place, text.to_owned())));
    }

    #[test]
    fn no_line_is_endless() {
        let folder = tempfile::tempdir().unwrap();
        let files = [folder.path().join("a")];
        std::fs::write(&files[0], vec![b'x'; LONGEST as usize + 1]).unwrap();
        let index = Index::of(&files).unwrap();
        assert!(index.read(0, &files[0]).unwrap_err().message().contains("million"));
    }
}
