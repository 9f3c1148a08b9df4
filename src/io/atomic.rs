//! Files that appear complete or not at all: written beside their place, synchronized, then renamed.
//!
//! Of several files the last one added is renamed last. A model and its data file are therefore committed data first, and
//! the data file's name is new whenever its content is (see [`super::external`]): whenever the run is interrupted, the
//! model in place is the old one or the new one, and the data that it names is there and its own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile, TempDir};

use super::folder_of;
use super::out::FileOut;
use crate::error::{Error, Result};

/// Files that must go when the process is told to end: drops do not run then.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all that was written but is not yet in place; for a process that ends without unwinding.
///
/// From then on no model can be written: whoever tries waits for the end.
pub fn discard_unfinished() {
    let mut unfinished = unfinished();
    // From behind: a folder comes before what is in it.
    for path in std::mem::take(&mut *unfinished).into_iter().rev() {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
    }
    std::mem::forget(unfinished);
}

/// A folder for files that are to vanish. Dropped, it goes with all that is in it.
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes one on the disk of a file that is to be written; for standard output, where the system keeps such folders.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn beside(file: &Path) -> Result<Self> {
        let mut unfinished = unfinished();
        let mut builder = Builder::new();
        builder.prefix(".onnxpress-");
        let made =
            if file == Path::new("-") { builder.tempdir() } else { builder.tempdir_in(folder_of(file)) };
        let folder = made.map_err(|e| cannot_write(file, &e))?;
        unfinished.insert(folder.path().to_path_buf());
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        unfinished().remove(self.folder.path());
    }
}

/// Files written but not yet in place; dropped without [`Commit::commit`] they vanish.
#[derive(Default)]
pub(crate) struct Commit {
    files: Vec<Pending>,
    /// Put in place ahead of the last one; they go again unless that follows.
    ahead: Vec<PathBuf>,
}

struct Pending {
    temporary: NamedTempFile,
    target: PathBuf,
}

impl Commit {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes a temporary file in the folder of `target`.
    ///
    /// # Errors
    /// `target` is a directory or a device, or its folder cannot be written, or `write` fails.
    pub(crate) fn add(
        &mut self,
        target: &Path,
        write: impl FnOnce(&mut FileOut) -> io::Result<()>,
    ) -> Result<()> {
        let temporary = self.create(target)?;
        let mut out = FileOut::new(temporary);
        let written = write(&mut out).and_then(|()| out.finish());
        let temporary = written.map_err(|e| cannot_write(target, &e))?;
        temporary.as_file().sync_all().map_err(|e| cannot_write(target, &e))?;
        self.files.push(Pending { temporary, target: target.to_path_buf() });
        Ok(())
    }

    /// Gives the last added file another place in the same folder, for a name that depends on the content.
    pub(crate) fn retarget_last(&mut self, target: &Path) {
        if let Some(last) = self.files.last_mut() {
            last.target = target.to_path_buf();
        }
    }

    fn create(&self, target: &Path) -> Result<NamedTempFile> {
        let failed = |e: io::Error| cannot_write(target, &e);
        if target.is_dir() {
            let error = Error::new("cannot be written: it is a directory").in_file(target);
            return Err(error.with_help("name a file for the output"));
        }
        let present = fs::metadata(target).ok();
        if present.as_ref().is_some_and(|meta| !meta.is_file()) {
            let error = Error::new("cannot be written: it is not a regular file").in_file(target);
            return Err(error.with_help("name a file for the output, or - for standard output"));
        }
        let mut builder = Builder::new();
        builder.prefix(".onnxpress-").suffix(".tmp");
        #[cfg(unix)]
        builder.permissions(new_file_permissions());
        // Taken before the file is there, so that no moment finds it unlisted.
        let mut unfinished = unfinished();
        let temporary = builder.tempfile_in(folder_of(target)).map_err(failed)?;
        unfinished.insert(temporary.path().to_path_buf());
        drop(unfinished);
        if let Some(present) = present {
            temporary.as_file().set_permissions(present.permissions()).map_err(failed)?;
        }
        Ok(temporary)
    }

    /// The file added last, still under its temporary name, with all others in place so that it can refer to them.
    ///
    /// # Errors
    /// A rename fails.
    pub(crate) fn last(&mut self) -> Result<Option<&Path>> {
        let Some(last) = self.files.pop() else { return Ok(None) };
        let mut unfinished = unfinished();
        for Pending { temporary, target } in self.files.drain(..) {
            let is_new = !target.exists();
            temporary.persist(&target).map_err(|e| cannot_write(&target, &e.error))?;
            if is_new {
                unfinished.insert(target.clone());
                self.ahead.push(target);
            }
        }
        self.files.push(last);
        Ok(self.files.last().map(|last| last.temporary.path()))
    }

    /// Renames every file into place, in the order in which they were added.
    ///
    /// # Errors
    /// A rename fails; the files not yet renamed vanish, those before it stay.
    pub(crate) fn commit(mut self) -> Result<()> {
        // Held to the end: whoever discards between the last rename and the next lines would take the data of a model
        // that is in place.
        let mut unfinished = unfinished();
        for Pending { temporary, target } in self.files.drain(..) {
            temporary.persist(&target).map_err(|e| cannot_write(&target, &e.error))?;
            sync_folder(folder_of(&target));
        }
        self.ahead.drain(..).for_each(|file| _ = unfinished.remove(&file));
        Ok(())
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        for file in &self.ahead {
            let _ = fs::remove_file(file);
            unfinished.remove(file);
        }
    }
}

/// Writes one file from its parts.
///
/// # Errors
/// As [`Commit::add`] and [`Commit::commit`].
pub(crate) fn write_whole(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let mut commit = Commit::new();
    commit.add(path, |out| parts.iter().try_for_each(|part| out.write_all(part)))?;
    commit.commit()
}

/// Makes the rename itself durable; some file systems refuse, and then there is nothing to do.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// What a new file is created with, less the user's mask; temporary files would be private.
#[cfg(unix)]
fn new_file_permissions() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666)
}

fn cannot_write(path: &Path, e: &io::Error) -> Error {
    let help = match e.kind() {
        io::ErrorKind::NotFound => "create the folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder that you may write"
        }
        io::ErrorKind::StorageFull => "free some space or choose another disk",
        _ => "check the folder, its permissions and the space on the disk",
    };
    Error::new(format!("cannot be written: {e}")).in_file(path).with_help(help)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn commits_all() {
        let dir = tempfile::tempdir().unwrap();
        let (data, model) = (dir.path().join("m.data"), dir.path().join("m"));
        let mut commit = Commit::new();
        commit.add(&data, |out| out.write_all(b"data")).unwrap();
        commit.add(&model, |out| out.write_all(b"model")).unwrap();
        assert!(!model.exists() && !data.exists());
        commit.commit().unwrap();
        assert_eq!(names(dir.path()), ["m", "m.data"]);
        assert_eq!(fs::read(model).unwrap(), b"model");
    }

    #[test]
    fn an_error_leaves_the_old_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("m");
        fs::write(&model, b"old").unwrap();
        let mut commit = Commit::new();
        let error = commit
            .add(&model, |out| {
                out.write_all(&[0; 1 << 20])?;
                Err(io::Error::from(io::ErrorKind::StorageFull))
            })
            .unwrap_err();
        assert_eq!(error.file(), Some(model.as_path()));
        drop(commit);
        assert_eq!(names(dir.path()), ["m"]);
        assert_eq!(fs::read(model).unwrap(), b"old");
    }

    #[test]
    fn what_was_put_in_place_ahead_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let (data, model) = (dir.path().join("m.data"), dir.path().join("m"));
        for keep in [false, true] {
            let mut commit = Commit::new();
            commit.add(&data, |out| out.write_all(b"data")).unwrap();
            commit.add(&model, |out| out.write_all(b"model")).unwrap();
            let staged = commit.last().unwrap().unwrap().to_path_buf();
            assert_eq!(
                (fs::read(&staged).unwrap(), data.exists(), model.exists()),
                (b"model".to_vec(), true, false)
            );
            if keep {
                commit.commit().unwrap();
                assert_eq!(names(dir.path()), ["m", "m.data"]);
            } else {
                drop(commit);
                assert!(names(dir.path()).is_empty());
            }
        }
    }

    #[test]
    fn unwritable_places_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for target in [dir.path().to_path_buf(), dir.path().join("no/such/folder/m")] {
            let error = Commit::new().add(&target, |_| Ok(())).unwrap_err();
            assert_eq!(error.file(), Some(target.as_path()));
        }
        assert!(names(dir.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn sockets_and_devices_are_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = Commit::new().add(&socket, |_| Ok(())).unwrap_err();
        assert!(error.message().contains("not a regular file"), "{error}");
        assert_eq!(names(dir.path()), ["s"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_the_old_file_or_of_a_new_one() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (plain, old, new) = (dir.path().join("plain"), dir.path().join("old"), dir.path().join("new"));
        fs::write(&plain, b"").unwrap();
        fs::write(&old, b"").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).unwrap();
        for target in [&old, &new] {
            let mut commit = Commit::new();
            commit.add(target, |_| Ok(())).unwrap();
            commit.commit().unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&old), mode(&new)), (0o600, mode(&plain)));
    }
}
