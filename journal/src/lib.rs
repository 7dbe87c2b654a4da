//! A memory-mapped, append-only log of checksummed frames, with a synced copy on disk.
//!
//! The crate knows bytes, not orders; it has no clock and no threads. A *turn* is what is appended at
//! once: all of it comes back after a crash, or nothing. The log is cut into *segments* of one size;
//! the live ones are files in memory (`live_dir`), mapped by writer and readers, and every segment has
//! a file on disk (`dir`) with the same bytes. `FORMAT.md` has the byte tables.
//!
//! What is promised:
//! * What [`Turn::commit`] returned from survives the end of the process, as long as the machine and
//!   `live_dir` stay.
//! * What is before [`Log::durable`] survives the machine.
//! * After a crash the log is a prefix of what was committed, and no turn is cut in two.
//! * Damage in the middle is an error that names the place, never the end of the log.
//!
//! The types to know: [`Writer`] appends, [`Log`] gives [`Tail`]s that follow, [`Syncer`] and
//! [`Preparer`] are stepped by threads of the venue; [`Reader`] is for another process.

mod archive;
mod control;
mod copies;
#[allow(unsafe_code)] // One call of what only some processors have.
mod crc;
mod error;
mod frame;
mod log;
#[allow(unsafe_code)] // The one module that may: see its first lines.
mod mmap;
mod order;
mod part;
mod preparer;
mod reader;
mod recover;
mod retained;
mod retire;
mod scan;
mod segment;
mod snapshots;
pub mod storage;
mod syncer;
mod tail;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

pub use archive::Archive;
pub use control::Control;
pub use error::{
    FrameFault, HeaderFault, JournalError, NotOurs, OpenError, ReadError, SnapshotFault, Unsound,
};
pub use frame::Frame;
pub use log::{Hold, Log, Position};
pub use part::Part;
pub use preparer::{Prepared, Preparer};
pub use reader::{Reader, SegmentInfo, Verified, verify};
pub use recover::{live_dir_of, open_with};
pub use retained::{Kept, Retained};
pub use retire::{RetireError, Retired, Retirer};
pub use scan::{Cut, CutReason};
pub use segment::{FORMAT_VERSION, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
pub use snapshots::{
    SNAPSHOT_FILE_VERSION, SNAPSHOT_PARTS_MAX, Snapshot, SnapshotHead, SnapshotWriter, Snapshots,
    frame_checksum,
};
pub use syncer::{Synced, Syncer, Written};
pub use tail::Tail;
pub use writer::{RECORD_BYTES_MAX, Turn, Writer};

/// Where a log lives and how it is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder of the segments on disk; made if its parent is there.
    pub dir: PathBuf,
    /// The folder of the live segments, in a memory file system; made if its parent is there. One
    /// log's own.
    pub live_dir: PathBuf,
    /// Bytes of a segment: a multiple of 4096, from [`SEGMENT_BYTES_MIN`] to [`SEGMENT_BYTES_MAX`].
    /// Fixed for the life of the log.
    pub segment_bytes: u32,
    /// Version of the bytes inside frames. Fixed for the life of the log.
    pub record_version: u16,
    /// Full, synced segments that stay in memory for readers that are behind, where that has room for them.
    pub live_segments_kept: u32,
    /// Whether the segments that a log begins with are written with zeroes before it is open, as later ones
    /// are before they are needed: the syncs of a new log take as long as those of an old one then, and
    /// opening it as long as it takes to write three segments.
    pub written_ahead: bool,
    /// Sequence of the first turn of a new log.
    pub first_sequence: u64,
}

/// The usual size of a segment. Unit: bytes.
pub const SEGMENT_BYTES_DEFAULT: u32 = 64 << 20;

/// An open log: the parts go to their threads.
#[derive(Debug)]
pub struct Opened {
    /// Appends; for the core's thread.
    pub writer: Writer,
    /// Copies to disk.
    pub syncer: Syncer,
    /// Makes segments ahead. It has made the first ones.
    pub preparer: Preparer,
    /// Takes old segments away.
    pub retirer: Retirer,
    /// For readers.
    pub log: Log,
    /// Beside the segments.
    pub snapshots: Snapshots,
    /// What was found.
    pub recovery: Recovery,
}

/// What [`open`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// There was no journal; there is one now.
    pub created: bool,
    /// Sequence of the last turn, 0 if there is none.
    pub last_sequence: u64,
    /// Where it ends: committed and durable cursor start here.
    pub end: Position,
    /// What was cut off at the end, if anything.
    pub cut: Option<Cut>,
    /// The live log survived and held turns that the disk did not.
    pub from_live: bool,
}

/// Opens the log, or makes it; brings what a crash left behind into order.
///
/// What is committed and survived is on disk and synced when it returns. An incomplete turn at the end
/// is cut off.
///
/// # Errors
///
/// See [`OpenError`]; nothing is lost by one.
pub fn open(options: &Options) -> Result<Opened, OpenError> {
    open_with(options, Arc::new(storage::Disk))
}
