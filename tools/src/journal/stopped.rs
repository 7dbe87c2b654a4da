//! A journal that no venue has open, opened as one would.

use std::path::PathBuf;

use journal::{OpenError, Opened, Options};
use matcher::record::RECORD_VERSION;

use crate::failure::Failure;
use crate::journal_reader::JournalArgs;

/// Opens it. All of it is on disk then; the live log is only memory, and goes with what is returned beside it. `by_itself`
/// is what has a venue that runs do the same.
pub(super) fn open(journal: &JournalArgs, by_itself: &str) -> Result<(Opened, ClearLive), Failure> {
    let segment_bytes = journal.open()?.segment_bytes();
    let live_dir = journal.live_dir.clone().or_else(|| venue::default_live_dir(&journal.dir));
    let live_dir = live_dir.ok_or_else(|| {
        Failure::usage("there is no /dev/shm: --live-dir names a folder in a memory file system")
    })?;
    let opened = journal::open(&Options {
        dir: journal.dir.clone(),
        live_dir: live_dir.clone(),
        segment_bytes,
        record_version: RECORD_VERSION,
        live_segments_kept: 0,
        written_ahead: false,
        first_sequence: 1,
    });
    let opened = opened.map_err(|error| match error {
        OpenError::InUse { .. } => Failure::failed(format!("{error}: a venue that runs does it by itself, with [journal] {by_itself} in its configuration")),
        error => Failure::failed(error),
    })?;
    Ok((opened, ClearLive(live_dir)))
}

/// Removes a live log that nobody needs when it goes out of scope.
pub(super) struct ClearLive(PathBuf);

impl Drop for ClearLive {
    fn drop(&mut self) {
        let Ok(files) = std::fs::read_dir(&self.0) else { return };
        for file in files.flatten() {
            let path = file.path();
            let is_segment = path.extension().is_some_and(|extension| extension == "seg");
            if is_segment || path.ends_with("control") {
                let _ = std::fs::remove_file(path);
            }
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}
