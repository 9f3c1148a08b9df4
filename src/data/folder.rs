//! The files of a folder and of those inside it, sorted, all of one kind.
//!
//! Files and folders whose name begins with a dot are passed over, and links to folders are not followed. Files of no
//! kind that is read are left out and counted, and so are folders that are not looked into.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Folders inside one another that are looked into.
const DEEPEST: usize = 16;

/// What the files of a folder are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Folders with `input_0.pb`, ….
    DataSet,
    Npz,
    Npy,
    Image,
    Text,
    Audio,
}

impl Kind {
    /// The kind of a file, by the ending of its name.
    fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "npz" => Self::Npz,
            "npy" => Self::Npy,
            "png" | "jpg" | "jpeg" | "bmp" | "webp" | "ppm" | "pgm" | "pbm" | "pnm" => Self::Image,
            "txt" => Self::Text,
            "wav" => Self::Audio,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DataSet => "test data sets",
            Self::Npz => ".npz archives",
            Self::Npy => ".npy arrays",
            Self::Image => "images",
            Self::Text => "text files",
            Self::Audio => "recordings",
        }
    }
}

/// What is read; for the help of errors.
const READ: &str = "give .npz or .npy arrays, images (png, jpeg, bmp, webp, pnm), .txt, .wav or a folder of one of these, or \
                    test_data_set_* folders with input_0.pb";

/// The files of one source, sorted.
#[derive(Debug)]
pub(super) struct Listing {
    /// What the labels of samples are relative to.
    pub(super) root: PathBuf,
    pub(super) kind: Kind,
    /// Files, or folders where the kind is a data set.
    pub(super) files: Vec<PathBuf>,
    /// Files of no kind that is read.
    pub(super) ignored: Vec<PathBuf>,
    /// Folders that are not looked into: links, and those too far inside.
    pub(super) closed: Vec<PathBuf>,
}

impl Listing {
    /// The files at a path: itself, or those of the folder that it is.
    ///
    /// # Errors
    /// Nothing is there, or nothing of a kind that is read, or files of several kinds.
    pub(super) fn of(path: &Path) -> Result<Self> {
        if path.is_dir() { Self::of_folder(path) } else { Self::of_file(path) }
    }

    fn of_file(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::new("no such file or folder").in_file(path));
        }
        let unread = || Error::new("not a kind of file that is read").in_file(path).with_help(READ);
        let kind = Kind::of(path).ok_or_else(unread)?;
        let root = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { root, kind, files: vec![path.to_path_buf()], ignored: Vec::new(), closed: Vec::new() })
    }

    fn of_folder(folder: &Path) -> Result<Self> {
        let entries = sorted_entries(folder)?;
        let data_sets = |files| Self {
            root: folder.into(),
            kind: Kind::DataSet,
            files,
            ignored: Vec::new(),
            closed: Vec::new(),
        };
        if is_data_set(&entries) {
            return Ok(data_sets(vec![folder.to_path_buf()]));
        }
        let is_set = |p: &&PathBuf| p.is_dir() && file_name(p).starts_with("test_data_set_");
        let sets: Vec<PathBuf> = entries.iter().filter(is_set).cloned().collect();
        if !sets.is_empty() {
            return Ok(data_sets(sets));
        }
        let mut found = Found::default();
        found.add(entries, 0)?;
        let Some((kind, _)) = found.kind else {
            return Err(Error::new("no file of a kind that is read is in this folder")
                .in_file(folder)
                .with_help(READ));
        };
        Ok(Self {
            root: folder.into(),
            kind,
            files: found.files,
            ignored: found.ignored,
            closed: found.closed,
        })
    }

    /// What a file is called: its path inside the folder.
    pub(super) fn label(&self, file: &Path) -> String {
        let inside = file.strip_prefix(&self.root).ok().filter(|p| !p.as_os_str().is_empty());
        let inside = inside.unwrap_or_else(|| Path::new(file.file_name().unwrap_or(file.as_os_str())));
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

#[derive(Default)]
struct Found {
    /// With the first file of it.
    kind: Option<(Kind, PathBuf)>,
    files: Vec<PathBuf>,
    ignored: Vec<PathBuf>,
    closed: Vec<PathBuf>,
}

impl Found {
    fn add(&mut self, entries: Vec<PathBuf>, depth: usize) -> Result<()> {
        for path in entries {
            if path.is_dir() {
                if path.is_symlink() || depth == DEEPEST {
                    self.closed.push(path);
                    continue;
                }
                let inside = sorted_entries(&path)?;
                self.add(inside, depth + 1)?;
            } else {
                self.file(path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf) -> Result<()> {
        let Some(kind) = Kind::of(&path) else {
            self.ignored.push(path);
            return Ok(());
        };
        let (first, example) = self.kind.get_or_insert_with(|| (kind, path.clone()));
        if *first != kind {
            let other = format!(
                "this is one of {}, but {} is one of {}",
                kind.name(),
                example.display(),
                first.name()
            );
            return Err(Error::new(format!("a folder holds one kind of files; {other}"))
                .in_file(path)
                .with_help("give each kind a folder of its own"));
        }
        self.files.push(path);
        Ok(())
    }
}

fn is_data_set(entries: &[PathBuf]) -> bool {
    entries.iter().any(|p| input_index(p).is_some() || file_name(p) == "output_0.pb")
}

/// The number in `input_0.pb`.
pub(super) fn input_index(path: &Path) -> Option<usize> {
    file_name(path).strip_prefix("input_")?.strip_suffix(".pb")?.parse().ok()
}

/// What a folder holds that is not hidden.
pub(super) fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = std::fs::read_dir(folder).map_err(|e| Error::from(e).in_file(folder))?;
    let mut paths = Vec::new();
    for entry in list {
        paths.push(entry.map_err(|e| Error::from(e).in_file(folder))?.path());
    }
    paths.retain(|p| !file_name(p).starts_with('.'));
    // `test_data_set_10` comes behind `test_data_set_9`.
    paths.sort_by_key(|p| (file_name(p).len(), file_name(p)));
    Ok(paths)
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn files_are_sorted_by_number_and_folders_are_looked_into() {
        let folder = folder(&["s10.png", "s9.JPG", "cat/b.webp", "cat/a.webp", ".hidden.npy", "labels.json"]);
        let listing = Listing::of(folder.path()).unwrap();
        let labels: Vec<String> = listing.files.iter().map(|f| listing.label(f)).collect();
        assert_eq!(labels, ["cat/a.webp", "cat/b.webp", "s9.JPG", "s10.png"]);
        assert_eq!((listing.kind, listing.ignored.len()), (Kind::Image, 1));
    }

    #[cfg(unix)]
    #[test]
    fn folders_that_are_not_looked_into_are_named() {
        let deep = ["d"; DEEPEST + 1].join("/");
        let folder = folder(&["a.png", &format!("{deep}/b.png")]);
        std::os::unix::fs::symlink(folder.path().join("d"), folder.path().join("link")).unwrap();
        let listing = Listing::of(folder.path()).unwrap();
        assert_eq!((listing.files.len(), listing.closed.len()), (1, 2));
        assert!(listing.closed.iter().any(|path| path.ends_with("link")));
    }

    #[test]
    fn data_sets_go_before_what_lies_beside_them() {
        let folder =
            folder(&["model.onnx", "x.npy", "test_data_set_10/input_0.pb", "test_data_set_9/input_0.pb"]);
        let listing = Listing::of(folder.path()).unwrap();
        let labels: Vec<String> = listing.files.iter().map(|f| listing.label(f)).collect();
        assert_eq!(
            (listing.kind, labels.join(" ").as_str()),
            (Kind::DataSet, "test_data_set_9 test_data_set_10")
        );
        let one = Listing::of(&folder.path().join("test_data_set_9")).unwrap();
        assert_eq!((one.files.len(), one.label(&one.files[0]).as_str()), (1, "test_data_set_9"));
    }

    #[test]
    fn a_file_stands_for_itself() {
        let folder = folder(&["a.wav", "b.mp3"]);
        let listing = Listing::of(&folder.path().join("a.wav")).unwrap();
        assert_eq!((listing.kind, listing.label(&listing.files[0]).as_str()), (Kind::Audio, "a.wav"));
        assert!(Listing::of(&folder.path().join("b.mp3")).unwrap_err().help().unwrap().contains(".wav"));
        assert!(Listing::of(&folder.path().join("c.wav")).unwrap_err().message().contains("no such file"));
    }

    #[test]
    fn kinds_do_not_mix_and_something_must_be_there() {
        let mixed = folder(&["a.png", "b.npz"]);
        let error = Listing::of(mixed.path()).unwrap_err();
        assert!(error.message().contains("one kind") && error.message().contains("a.png"), "{error}");
        assert_eq!(error.file().unwrap().file_name().unwrap(), "b.npz");
        let error = Listing::of(folder(&["a.mp3"]).path()).unwrap_err();
        assert!(error.message().contains("no file of a kind") && error.help().is_some());
    }
}
