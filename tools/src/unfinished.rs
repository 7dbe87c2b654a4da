//! A file or folder that has its name only when it is whole.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::failure::Failure;

/// What is being made for `to`, under another name beside it. Dropped before [`Unfinished::finish`] it is removed; of
/// a command that is killed it stays, and its name says what it is.
#[derive(Debug)]
pub struct Unfinished {
    at: PathBuf,
    to: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// Has it made under its other name by `make`, which fails if that is there already.
    ///
    /// # Errors
    ///
    /// If `to` is there already or is no name, or it cannot be made.
    pub fn make<T, E: Display>(
        to: &Path,
        make: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<(Unfinished, T), Failure> {
        let cannot = |why: &str| Failure::usage(format!("cannot make {}: {why}", to.display()));
        let name = to.file_name().ok_or_else(|| cannot("it is no name of a file or folder"))?;
        if name == "-" {
            return Err(cannot(
                "it is written to a file, not to stdout; ./x-, if it is to have such a name",
            ));
        }
        if fs::symlink_metadata(to).is_ok() {
            return Err(cannot("it is there already"));
        }
        let mut name = OsString::from(name);
        name.push(".unfinished");
        let at = to.with_file_name(name);
        let made = make(&at)
            .map_err(|error| Failure::usage(format!("cannot make {}: {error}", at.display())))?;
        Ok((Unfinished { at, to: to.to_path_buf(), finished: false }, made))
    }

    /// Where it is made.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Gives it its name.
    ///
    /// # Errors
    ///
    /// If that cannot be done, or something has that name meanwhile.
    pub fn finish(mut self) -> Result<(), Failure> {
        let renamed = match renameat_with(CWD, &self.at, CWD, &self.to, RenameFlags::NOREPLACE) {
            // Not every file system knows how.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&self.at, &self.to),
            renamed => renamed.map_err(Into::into),
        };
        renamed.map_err(|error| {
            Failure::failed(format!("cannot make {}: {error}", self.to.display()))
        })?;
        self.finished = true;
        // Its place is the parent's: best effort, where a folder can be synced.
        let parent = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Ok(parent) = File::open(parent.unwrap_or(Path::new("."))) {
            let _ = parent.sync_all();
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // One of the two it is.
            let _ = fs::remove_file(&self.at).or_else(|_| fs::remove_dir_all(&self.at));
        }
    }
}

/// A new file whose errors have its name.
#[derive(Debug)]
pub struct NamedFile {
    file: File,
    path: PathBuf,
}

impl NamedFile {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// If it is there already or cannot be made.
    pub fn create(path: &Path) -> io::Result<NamedFile> {
        Ok(NamedFile { file: File::create_new(path)?, path: path.to_path_buf() })
    }

    fn named(&self, error: &io::Error) -> io::Error {
        let what = format!("cannot write {}: {error}", self.path.display());
        io::Error::new(error.kind(), what)
    }
}

impl Write for NamedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| self.named(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| self.named(&error))
    }
}
