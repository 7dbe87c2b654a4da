//! A folder of one test, gone when the test is over.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use journal::Options;
use matcher::record::RECORD_VERSION;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vesta-test-{}-{number}", std::process::id());
        // Memory, where there is such a folder: thousands of syncs are tested, none of the disk.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let path = base.join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A journal with small segments, so that tests see several.
    pub(crate) fn journal(&self) -> Options {
        Options {
            dir: self.0.join("journal"),
            live_dir: self.0.join("live"),
            segment_bytes: 1 << 20,
            record_version: RECORD_VERSION,
            live_segments_kept: 1,
            written_ahead: false,
            first_sequence: 1,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
