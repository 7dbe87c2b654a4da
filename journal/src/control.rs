//! The control file of a live folder: which log it is, and how far it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::mmap::Words;
use crate::segment::FORMAT_VERSION;
use crate::{Position, ReadError};

const MAGIC: u64 = u64::from_le_bytes(*b"VESTACTL");

const MAGIC_AT: usize = 0;
/// Format version in the low 16 bits, segment bytes in the high 32.
const VERSION_AT: usize = 8;
const LOG_ID_AT: usize = 16;
const INSTANCE_AT: usize = 24;
const PID_AT: usize = 32;
// Cursors have a cache line each: three threads store them.
const COMMITTED_AT: usize = 64;
const DURABLE_AT: usize = 128;
const RELEASED_AT: usize = 192;

/// Bytes of the control file.
pub(crate) const CONTROL_BYTES: usize = 256;

const _: () = assert!(RELEASED_AT + 8 <= CONTROL_BYTES);

/// What the control file of a live log says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// The log.
    pub log_id: u64,
    /// Everything before is committed: it survives the process.
    pub committed: Position,
    /// Everything before is synced: it survives the machine.
    pub durable: Position,
    /// Everything before may have been told to the outside.
    pub released: Position,
    /// Process id of the venue that wrote it last; it may be gone.
    pub pid: u32,
}

/// The mapped control file.
#[derive(Debug)]
pub(crate) struct ControlFile(Words);

pub(crate) fn path(live_dir: &Path) -> PathBuf {
    live_dir.join("control")
}

impl ControlFile {
    /// Makes the control file of a new live log.
    pub(crate) fn create(
        live_dir: &Path,
        segment_bytes: u32,
        log_id: u64,
        instance: u64,
    ) -> io::Result<ControlFile> {
        let (file_path, new_path) = (path(live_dir), live_dir.join("control.new"));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new_path)?;
        file.write_all(&[0; CONTROL_BYTES])?;
        let words = Words::map(&file, CONTROL_BYTES, true)?;
        words.store(MAGIC_AT, MAGIC);
        words.store(VERSION_AT, u64::from(FORMAT_VERSION) | u64::from(segment_bytes) << 32);
        words.store(LOG_ID_AT, log_id);
        words.store(INSTANCE_AT, instance);
        std::fs::rename(&new_path, file_path)?;
        Ok(ControlFile(words))
    }

    /// Maps the control file of `live_dir`; `None` if there is none, or not a whole one.
    pub(crate) fn open(live_dir: &Path, writable: bool) -> Result<Option<ControlFile>, ReadError> {
        let file_path = path(live_dir);
        let opened = OpenOptions::new().read(true).write(writable).open(&file_path);
        let words = match opened.and_then(|file: File| Words::map(&file, CONTROL_BYTES, writable)) {
            Ok(words) => words,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => return Ok(None),
                _ => return Err(ReadError::Io { doing: "open", file: file_path, error }),
            },
        };
        if words.load(MAGIC_AT) != MAGIC {
            return Ok(None);
        }
        #[allow(clippy::cast_possible_truncation)] // The low 16 bits are meant.
        let version = words.load(VERSION_AT) as u16;
        if version > FORMAT_VERSION {
            return Err(ReadError::Version {
                file: file_path,
                found: version,
                ours: FORMAT_VERSION,
            });
        }
        Ok(Some(ControlFile(words)))
    }

    pub(crate) fn log_id(&self) -> u64 {
        self.0.load(LOG_ID_AT)
    }

    pub(crate) fn instance(&self) -> u64 {
        self.0.load(INSTANCE_AT)
    }

    pub(crate) fn set_pid(&self, pid: u32) {
        self.0.store(PID_AT, u64::from(pid));
    }

    #[inline]
    pub(crate) fn set_committed(&self, position: u64) {
        self.0.store(COMMITTED_AT, position);
    }

    pub(crate) fn set_durable(&self, position: u64) {
        self.0.store(DURABLE_AT, position);
    }

    pub(crate) fn set_released(&self, position: u64) {
        self.0.store(RELEASED_AT, position);
    }

    pub(crate) fn released(&self) -> u64 {
        self.0.load(RELEASED_AT)
    }

    pub(crate) fn read(&self) -> Control {
        Control {
            log_id: self.log_id(),
            committed: Position(self.0.load(COMMITTED_AT)),
            durable: Position(self.0.load(DURABLE_AT)),
            released: Position(self.released()),
            pid: u32::try_from(self.0.load(PID_AT)).unwrap_or(0),
        }
    }
}
