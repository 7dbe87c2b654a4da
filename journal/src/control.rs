//! The control file of a live folder: which log it is, and how far it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::frame::crc32c;
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
/// CRC32C of the 32 bytes before [`PID_AT`], which never change, in the low half.
const CHECK_AT: usize = 40;
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

/// What [`CHECK_AT`] holds.
fn check(words: &Words) -> u64 {
    let mut bytes = [0; PID_AT];
    for (at, out) in (0..).step_by(8).zip(bytes.chunks_exact_mut(8)) {
        out.copy_from_slice(&words.load(at).to_le_bytes());
    }
    u64::from(crc32c(&bytes))
}

pub(crate) fn path(live_dir: &Path) -> PathBuf {
    live_dir.join("control")
}

/// Makes a file of a live folder, for its owner alone; what has its name already is not followed or written to.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
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
        match std::fs::remove_file(&new_path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut file = private_file(&new_path)?;
        file.write_all(&[0; CONTROL_BYTES])?;
        let words = Words::map(&file, CONTROL_BYTES, true)?;
        words.store(MAGIC_AT, MAGIC);
        words.store(VERSION_AT, u64::from(FORMAT_VERSION) | u64::from(segment_bytes) << 32);
        words.store(LOG_ID_AT, log_id);
        words.store(INSTANCE_AT, instance);
        words.store(CHECK_AT, check(&words));
        std::fs::rename(&new_path, file_path)?;
        Ok(ControlFile(words))
    }

    /// Maps the control file of `live_dir`; `None` if there is none, or nothing is in it.
    ///
    /// # Errors
    ///
    /// If what is in it is not what was written: were it taken for none, turns that are only in memory
    /// would be forgotten.
    pub(crate) fn open(live_dir: &Path, writable: bool) -> Result<Option<ControlFile>, ReadError> {
        let file_path = path(live_dir);
        let opened = OpenOptions::new().read(true).write(writable).open(&file_path);
        let io = |error| ReadError::Io { doing: "open", file: file_path.clone(), error };
        let file: File = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        // What a machine leaves that ended while the file was new, where the folder is on a disk.
        if file.metadata().map_err(io)?.len() == 0 {
            return Ok(None);
        }
        let words = match Words::map(&file, CONTROL_BYTES, writable) {
            Ok(words) => words,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ReadError::Control { file: file_path });
            }
            Err(error) => return Err(io(error)),
        };
        if (0..CONTROL_BYTES).step_by(8).all(|at| words.load(at) == 0) {
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
        if words.load(MAGIC_AT) != MAGIC || words.load(CHECK_AT) != check(&words) {
            return Err(ReadError::Control { file: file_path });
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
