//! A part of a log as a log of its own: frames copied from a reader, with checksums of their new place.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{JournalError, OpenError};
use crate::frame::{
    self, BEHIND_UNKNOWN, FLAG_FIRST, FLAG_LAST, Frame, HEADER_BYTES, Header, KIND_SEAL, KIND_TURN,
};
use crate::recover::unique;
use crate::segment::{self, SegmentHeader};
use crate::storage;

/// Writes frames that are read elsewhere into a new folder of segments.
///
/// They keep their sequences, so a part that begins with turn 1 is a log that a venue can go on with;
/// one that begins later can be read and verified, but what was before it is not there.
#[derive(Debug)]
pub struct Part {
    dir: PathBuf,
    log_id: u64,
    segment_bytes: u32,
    record_version: u16,
    /// The segment being filled.
    index: u64,
    bytes: Vec<u8>,
    /// Where the next frame goes; 0 before the first one.
    at: u32,
    seed: u32,
}

impl Part {
    /// A log without a frame in the folder `dir`, which is made.
    ///
    /// # Errors
    ///
    /// If the folder is there already or cannot be made.
    pub fn create(dir: &Path, segment_bytes: u32, record_version: u16) -> Result<Part, OpenError> {
        let dir_error = |error| OpenError::Dir { dir: dir.to_path_buf(), error };
        fs::create_dir(dir).map_err(dir_error)?;
        let log_id = unique(&storage::Disk)?;
        Ok(Part {
            dir: dir.to_path_buf(),
            log_id,
            segment_bytes,
            record_version,
            index: 0,
            bytes: vec![0; segment_bytes as usize],
            at: 0,
            seed: frame::seed(log_id, 0),
        })
    }

    /// Appends a frame. They come in order and without a gap, as a reader gives them.
    ///
    /// # Errors
    ///
    /// If a full segment cannot be written.
    ///
    /// # Panics
    ///
    /// If the frame does not fit a segment: it is of a log with larger ones.
    pub fn append(&mut self, frame: &Frame<'_>) -> Result<(), JournalError> {
        let length = HEADER_BYTES + u32::try_from(frame.payload.len()).expect("frames are small");
        assert!(segment::HEADER_BYTES + length <= self.segment_bytes);
        if self.at > 0 && self.at + length > self.segment_bytes {
            self.seal(frame.sequence)?;
        }
        if self.at == 0 {
            self.begin(frame.sequence + u64::from(!frame.first));
        }
        let first = if frame.first { FLAG_FIRST } else { 0 };
        let last = if frame.last { FLAG_LAST } else { 0 };
        let from = self.at as usize;
        let body = from + HEADER_BYTES as usize;
        self.bytes[body..body + frame.payload.len()].copy_from_slice(frame.payload);
        self.put(length, frame.sequence, frame.term, (KIND_TURN, first | last));
        Ok(())
    }

    /// Writes what is left; says how many segments there are. A part without a frame has none.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn end(mut self) -> Result<u64, JournalError> {
        if self.at > 0 {
            self.write()?;
        }
        Ok(self.index)
    }

    fn begin(&mut self, first_sequence: u64) {
        self.seed = frame::seed(self.log_id, self.index);
        let header = SegmentHeader {
            record_version: self.record_version,
            segment_bytes: self.segment_bytes,
            log_id: self.log_id,
            index: self.index,
            first_sequence,
        };
        header.write(&mut self.bytes);
        self.at = segment::HEADER_BYTES;
    }

    /// The frame at `at`, its payload in place.
    fn put(&mut self, length: u32, sequence: u64, term: u32, (kind, flags): (u8, u8)) {
        let header = Header { sequence, term, kind, flags, behind: BEHIND_UNKNOWN };
        let (from, to) = (self.at as usize, (self.at + length) as usize);
        let bytes = &mut self.bytes[from..to];
        frame::finish(bytes, self.at, length, self.seed, header);
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        self.at += length;
    }

    fn seal(&mut self, sequence: u64) -> Result<(), JournalError> {
        if self.at + HEADER_BYTES <= self.segment_bytes {
            self.put(HEADER_BYTES, sequence, 0, (KIND_SEAL, 0));
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), JournalError> {
        let file = segment::path(&self.dir, self.index);
        let failed = |doing| {
            let file = file.clone();
            move |error| JournalError::Io { doing, file, error }
        };
        let opened = File::create_new(&file).map_err(failed("make"))?;
        opened.set_len(self.segment_bytes.into()).map_err(failed("size"))?;
        let used = &mut self.bytes[..self.at as usize];
        opened.write_all_at(used, 0).map_err(failed("write"))?;
        opened.sync_all().map_err(failed("sync"))?;
        used.fill(0);
        (self.index, self.at) = (self.index + 1, 0);
        Ok(())
    }
}
