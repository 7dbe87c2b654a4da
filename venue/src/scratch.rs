//! A journal of one test, gone when the test is over.

use std::path::PathBuf;

use journal::{Log, Options};
use matcher::record::RECORD_VERSION;

pub(crate) struct Scratch {
    folder: PathBuf,
    /// The log, with nothing in it.
    pub(crate) log: Log,
}

impl Scratch {
    /// `name` is the test's alone.
    pub(crate) fn new(name: &str) -> Scratch {
        let folder = std::env::temp_dir().join(format!("vesta-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let options = Options {
            dir: folder.join("journal"),
            live_dir: folder.join("live"),
            segment_bytes: 1 << 20,
            record_version: RECORD_VERSION,
            live_segments_kept: 1,
            written_ahead: false,
            first_sequence: 1,
        };
        let log = journal::open(&options).unwrap().log;
        Scratch { folder, log }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
