//! Folders that are gone when the command ends, however it ends.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::{fs, io, process};

/// Folders to be removed if a thread panics: the release build aborts then, and no `Drop` runs.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder of our own that is removed with all its contents on drop, and on a panic.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes a new folder in the system's place for temporary ones.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new(what: &str) -> io::Result<TemporaryFolder> {
        TemporaryFolder::new_in(&std::env::temp_dir(), what)
    }

    /// Makes a new folder in a memory file system, or where temporary folders are if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new_in_memory(what: &str) -> io::Result<TemporaryFolder> {
        let shm = Path::new("/dev/shm");
        if shm.is_dir()
            && let Ok(folder) = TemporaryFolder::new_in(shm, what)
        {
            return Ok(folder);
        }
        TemporaryFolder::new(what)
    }

    fn new_in(parent: &Path, what: &str) -> io::Result<TemporaryFolder> {
        remove_on_panic();
        for attempt in 0..1_000 {
            let path = parent.join(format!("vesta-{what}-{}-{attempt}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    folders(|folders| folders.push(path.clone()));
                    return Ok(TemporaryFolder(path));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        remove(&self.0);
        folders(|folders| folders.retain(|path| *path != self.0));
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        eprintln!("vesta: {} stays behind: {error}", path.display());
    }
}

fn folders<T>(look: impl FnOnce(&mut Vec<PathBuf>) -> T) -> T {
    look(&mut FOLDERS.lock().unwrap_or_else(PoisonError::into_inner))
}

fn remove_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            // Where panics unwind, the folder's owner may be another thread that goes on.
            if cfg!(panic = "abort") {
                folders(|folders| folders.drain(..).for_each(|path| remove(&path)));
            }
        }));
    });
}
