//! What can be wrong outside: files, folders, disks.

use std::fmt;
use std::io;
use std::path::PathBuf;

pub use crate::frame::FrameFault;

/// Why a journal cannot be read on. Its bytes are as they were.
#[derive(Debug)]
pub enum ReadError {
    /// The operating system says no.
    Io {
        /// What we wanted.
        doing: &'static str,
        /// Of which file or folder.
        file: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// There is no journal in the folder.
    Absent {
        /// The folder.
        dir: PathBuf,
    },
    /// Segment 0 is not there, later ones are: bring it back from where it was moved.
    FirstSegmentMissing {
        /// The file.
        file: PathBuf,
    },
    /// A segment is not there, later ones are or the one before it is sealed: bring it back.
    SegmentMissing {
        /// The file.
        file: PathBuf,
    },
    /// The segment was the log's and was taken away, as configured.
    Gone {
        /// The file that was.
        file: PathBuf,
        /// The segment that the log begins with now.
        first: u64,
        /// The folder that segments were moved to, `None` if they were removed.
        archive: Option<PathBuf>,
    },
    /// The file that says where the log begins is not what was written.
    Retained {
        /// The file.
        file: PathBuf,
    },
    /// The file belongs to another log.
    OtherLog {
        /// The file.
        file: PathBuf,
        /// Its log id.
        found: u64,
        /// The log id of the journal.
        expected: u64,
    },
    /// The control file of a live folder is not what was written.
    Control {
        /// The file.
        file: PathBuf,
    },
    /// The lock file does not say which live log is the journal's, and there is one.
    Owner {
        /// The file.
        file: PathBuf,
        /// The live log that may be the journal's.
        live_dir: PathBuf,
    },
    /// Written by a newer release: read it with that.
    Version {
        /// The file.
        file: PathBuf,
        /// Its format version.
        found: u16,
        /// The newest we know.
        ours: u16,
    },
    /// The header of a segment is damaged, or it is no segment.
    Header {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: HeaderFault,
    },
    /// Damage in the middle: a frame is bad and good ones come after it.
    Corrupt {
        /// The segment's file.
        file: PathBuf,
        /// Where in the file.
        offset: u32,
        /// Where in the log.
        position: u64,
        /// The sequence that was expected there.
        sequence: u64,
        /// What is wrong.
        why: FrameFault,
    },
    /// The log ends before a turn that was synced: a snapshot has it, and is made of synced turns alone.
    Cut {
        /// The segment's file.
        file: PathBuf,
        /// Where in the file the log ends.
        offset: u32,
        /// Where in the log.
        position: u64,
        /// The sequence that was expected there.
        sequence: u64,
        /// The file of the snapshot.
        snapshot: PathBuf,
        /// The last sequence in it.
        known: u64,
    },
    /// A segment is there twice, live and on disk, and a copy is bad where it must be whole.
    Copy {
        /// The bad copy.
        file: PathBuf,
        /// Where in the file.
        offset: u32,
        /// Where in the log.
        position: u64,
        /// The sequence that was expected there.
        sequence: u64,
        /// What is wrong.
        why: FrameFault,
        /// The other copy.
        other: PathBuf,
        /// Where and how that is bad too; `None` if it is good.
        other_bad: Option<(u32, FrameFault)>,
    },
    /// No frame begins at the position that was asked for.
    NoFrame {
        /// The position.
        position: u64,
    },
}

/// What is wrong with a log, and where: what [`verify`](crate::verify) says.
#[derive(Debug)]
pub struct Unsound {
    /// The segment, if it is about one.
    pub segment: Option<u64>,
    /// Where in it.
    pub offset: u32,
    /// The sequence that comes next after all that is sound.
    pub sequence: u64,
    /// What is wrong.
    pub why: Box<ReadError>,
}

impl Unsound {
    /// `why` a log cannot be read on after the turn `last`.
    pub(crate) fn new(why: ReadError, last: u64) -> Unsound {
        let (offset, sequence) = match &why {
            ReadError::Corrupt { offset, sequence, .. }
            | ReadError::Cut { offset, sequence, .. }
            | ReadError::Copy { offset, sequence, .. } => (*offset, *sequence),
            _ => (0, last + 1),
        };
        let segment = why.file().and_then(crate::segment::index_of);
        Unsound { segment, offset, sequence, why: Box::new(why) }
    }
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unsound { segment, offset, sequence, why } = self;
        if let Some(segment) = segment {
            write!(f, "segment {segment}, offset {offset}, sequence {sequence}: ")?;
        }
        fmt::Display::fmt(why, f)
    }
}

impl std::error::Error for Unsound {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.why)
    }
}

/// What is wrong with a segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// The file is shorter than it was made.
    Short,
    /// It does not begin as a segment does.
    Magic,
    /// Its bytes are not those that were written.
    Checksum {
        /// What the header says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// It says another index than its file name.
    Index(u64),
    /// It says another segment size than its journal, or an impossible one.
    SegmentBytes(u32),
    /// It says that another turn begins in it than the one that comes next.
    FirstSequence {
        /// What the header says.
        found: u64,
        /// What comes next.
        expected: u64,
    },
    /// All zeroes, yet it or later segments were written.
    Blank,
    /// Only its beginning was written, yet the segment or later ones were.
    Torn,
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderFault::Short => write!(f, "shorter than it was made"),
            HeaderFault::Magic => write!(f, "not a segment of a vesta journal"),
            HeaderFault::Checksum { stored, computed } => {
                write!(f, "header checksum is {stored:08x}, its bytes give {computed:08x}")
            }
            HeaderFault::Index(index) => write!(f, "header says segment {index}"),
            HeaderFault::SegmentBytes(bytes) => write!(f, "header says {bytes} bytes a segment"),
            HeaderFault::FirstSequence { found, expected } => {
                write!(f, "header says it begins with sequence {found}, next is {expected}")
            }
            HeaderFault::Blank => write!(f, "blank, yet it or later segments were written"),
            HeaderFault::Torn => {
                write!(f, "only the beginning of its header is there, yet it was written")
            }
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io { doing, file, error } => {
                write!(f, "cannot {doing} {}: {error}", file.display())
            }
            ReadError::Absent { dir } => write!(f, "no journal in {}", dir.display()),
            ReadError::FirstSegmentMissing { file } => {
                write!(f, "first segment {} is missing, later ones exist", file.display())
            }
            ReadError::SegmentMissing { file } => {
                write!(
                    f,
                    "segment {} is missing, and the log goes on in it or behind it",
                    file.display()
                )
            }
            ReadError::Gone { file, first, archive } => {
                let file = file.display();
                write!(
                    f,
                    "segment {file} is not there any more: the journal begins with segment {first} now"
                )?;
                match archive {
                    Some(folder) => write!(f, ", older ones were moved to {}", folder.display()),
                    None => write!(f, ", older ones were removed"),
                }
            }
            ReadError::Retained { file } => write!(
                f,
                "{} is damaged, which says where the journal begins: put back a copy of it, or all segments from \
                 0 on and remove it",
                file.display()
            ),
            ReadError::OtherLog { file, found, expected } => {
                let file = file.display();
                write!(f, "{file} belongs to log {found:016x}, the journal is log {expected:016x}")
            }
            ReadError::Control { file } => write!(
                f,
                "{} is damaged: remove it, and what was not synced is lost",
                file.display()
            ),
            ReadError::Owner { file, live_dir } => write!(
                f,
                "{} does not say whether the live log in {} is the journal's: remove that, and what was \
                 not synced is lost",
                file.display(),
                live_dir.display()
            ),
            ReadError::Version { file, found, ours } => {
                let file = file.display();
                write!(f, "{file} has format version {found}, this program knows up to {ours}")
            }
            ReadError::Header { file, why } => write!(f, "{}: {why}", file.display()),
            ReadError::Corrupt { file, offset, position, sequence, why } => write!(
                f,
                "{} is corrupt at offset {offset} (position {position}, sequence {sequence} \
                 expected): {why}, and good frames follow",
                file.display()
            ),
            ReadError::Cut { file, offset, position, sequence, snapshot, known } => write!(
                f,
                "{} ends at offset {offset} (position {position}, sequence {sequence} expected), and {} \
                 proves that sequence {known} was synced: bring the segment back, or remove every \
                 snapshot beyond {}, and what was behind is lost",
                file.display(),
                snapshot.display(),
                sequence.saturating_sub(1)
            ),
            ReadError::Copy { file, offset, position, sequence, why, other, other_bad } => {
                write!(
                    f,
                    "{} is corrupt at offset {offset} (position {position}, sequence {sequence} \
                     expected): {why}; the other copy, {}, is ",
                    file.display(),
                    other.display()
                )?;
                match other_bad {
                    None => f.write_str("good"),
                    Some((offset, why)) => write!(f, "corrupt too, at offset {offset}: {why}"),
                }
            }
            ReadError::NoFrame { position } => write!(f, "no frame begins at position {position}"),
        }
    }
}

impl ReadError {
    /// The file or folder it is about, if it is about one.
    #[must_use]
    pub fn file(&self) -> Option<&std::path::Path> {
        match self {
            ReadError::Io { file, .. }
            | ReadError::FirstSegmentMissing { file }
            | ReadError::SegmentMissing { file }
            | ReadError::Gone { file, .. }
            | ReadError::Retained { file }
            | ReadError::OtherLog { file, .. }
            | ReadError::Control { file }
            | ReadError::Owner { file, .. }
            | ReadError::Version { file, .. }
            | ReadError::Header { file, .. }
            | ReadError::Corrupt { file, .. }
            | ReadError::Cut { file, .. }
            | ReadError::Copy { file, .. } => Some(file),
            ReadError::Absent { dir } => Some(dir),
            ReadError::NoFrame { .. } => None,
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Why what is found in place of the live folder, or in it, is not taken for the venue's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// It belongs to another user.
    Owner {
        /// That user.
        found: u32,
        /// The user who opens the journal.
        we: u32,
    },
    /// It is a symbolic link.
    Link,
    /// It is neither a file nor a link.
    NoFile,
    /// It is a file with more names than this.
    Names,
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotOurs::Owner { found, we } => {
                write!(f, "belongs to user {found}, and this program runs as user {we}")
            }
            NotOurs::Link => write!(f, "is a symbolic link"),
            NotOurs::NoFile => write!(f, "is no file"),
            NotOurs::Names => write!(f, "has a second name elsewhere"),
        }
    }
}

/// Why a journal cannot be opened. Nothing in it was lost.
#[derive(Debug)]
pub enum OpenError {
    /// The options ask for what no journal can be.
    SegmentBytes {
        /// The size asked for.
        configured: u32,
    },
    /// One folder is to be both.
    SameDir {
        /// The folder.
        dir: PathBuf,
    },
    /// The journal has segments of another size: configure that one.
    SegmentBytesDiffer {
        /// The folder.
        dir: PathBuf,
        /// The size on disk.
        found: u32,
        /// The size asked for.
        configured: u32,
    },
    /// The journal's records are of another version.
    RecordVersion {
        /// The file that says so.
        file: PathBuf,
        /// Its version.
        found: u16,
        /// The version asked for.
        ours: u16,
    },
    /// Another process has the journal open for writing.
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// A folder cannot be made or written to.
    Dir {
        /// The folder.
        dir: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// `live_dir` holds the live log of another journal: remove it or configure another.
    LiveOfAnother {
        /// The live folder.
        live_dir: PathBuf,
        /// The log it belongs to.
        found: u64,
        /// The journal's folder.
        dir: PathBuf,
        /// The journal's log id, `None` if there is no journal yet.
        expected: Option<u64>,
    },
    /// The journal's live log is in another folder: open it with that, or remove it.
    LiveElsewhere {
        /// The journal's folder.
        dir: PathBuf,
        /// Where its live log is.
        found: PathBuf,
        /// The live folder asked for.
        configured: PathBuf,
    },
    /// The live folder, or a file in it, is not of our making.
    NotOurs {
        /// The folder or file.
        file: PathBuf,
        /// What is wrong with it.
        why: NotOurs,
    },
    /// Somebody has the live log open whose journal is not this one.
    LiveInUse {
        /// The journal's folder.
        dir: PathBuf,
        /// The live folder.
        live_dir: PathBuf,
        /// The process that has it open, where its control file says so.
        pid: Option<u32>,
        /// The journal's lock file names that live log: the journal is a copy of the one it belongs to.
        is_copy: bool,
    },
    /// There is no room for the first segments.
    NoSpace {
        /// The folder.
        dir: PathBuf,
        /// Bytes that are needed in it.
        needed: u64,
    },
    /// What is there cannot be read.
    Journal(ReadError),
    /// What is there cannot be brought into order.
    Write(JournalError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::SegmentBytes { configured } => write!(
                f,
                "segments of {configured} bytes are impossible: a multiple of 4096 from 65536 to \
                 1073741824 is needed"
            ),
            OpenError::SameDir { dir } => {
                write!(f, "{} cannot hold both the journal and its live log", dir.display())
            }
            OpenError::SegmentBytesDiffer { dir, found, configured } => write!(
                f,
                "journal {} has segments of {found} bytes, configured are {configured}",
                dir.display()
            ),
            OpenError::RecordVersion { file, found, ours } => write!(
                f,
                "{} has records of version {found}, this program writes version {ours}",
                file.display()
            ),
            OpenError::InUse { dir } => {
                write!(f, "journal {} is in use by another process", dir.display())
            }
            OpenError::Dir { dir, error } => {
                write!(f, "cannot use folder {}: {error}", dir.display())
            }
            OpenError::LiveOfAnother { live_dir, found, dir, expected } => {
                let (live, dir) = (live_dir.display(), dir.display());
                write!(f, "live folder {live} belongs to log {found:016x}, but ")?;
                match expected {
                    Some(expected) => write!(f, "journal {dir} is log {expected:016x}")?,
                    None => write!(f, "{dir} holds no journal")?,
                }
                write!(f, ": remove the live folder or configure another")
            }
            OpenError::LiveElsewhere { dir, found, configured } => write!(
                f,
                "the live log of journal {} is in {}, configured is {}: configure the former, or \
                 remove it and lose what was not synced",
                dir.display(),
                found.display(),
                configured.display()
            ),
            OpenError::NotOurs { file, why } => write!(
                f,
                "{} {why}: it is not taken for a live log. If a venue made it, run this program as the user \
                 who ran that; else remove it or configure another folder for the live log",
                file.display()
            ),
            OpenError::LiveInUse { dir, live_dir, pid, is_copy } => {
                let (dir, live_dir) = (dir.display(), live_dir.display());
                let process =
                    pid.map_or("another process".to_owned(), |pid| format!("process {pid}"));
                if !is_copy {
                    return write!(
                        f,
                        "the live log in {live_dir} is in use by {process}, which has another journal \
                         than {dir}: configure another folder for the live log of this one"
                    );
                }
                write!(
                    f,
                    "this looks like a copy of a journal whose venue, {process}, is running: its live log \
                     in {live_dir} is in use, and {dir} is not open there. Leave that folder alone; to start \
                     the copy by itself, with what was on disk when it was made, remove {dir}/lock and \
                     configure another folder for its live log"
                )
            }
            OpenError::NoSpace { dir, needed } => {
                write!(f, "no room in {}: {needed} bytes are needed", dir.display())
            }
            OpenError::Journal(error) => fmt::Display::fmt(error, f),
            OpenError::Write(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Dir { error, .. } => Some(error),
            OpenError::Journal(error) => Some(error),
            OpenError::Write(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> OpenError {
        OpenError::Journal(error)
    }
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> OpenError {
        OpenError::Write(error)
    }
}

/// Why a snapshot cannot be used.
#[derive(Debug)]
pub enum SnapshotFault {
    /// The operating system does not give it.
    Io(io::Error),
    /// It ends too early.
    Short,
    /// It does not begin as a snapshot does.
    Magic,
    /// Written by a newer release.
    Version {
        /// The version of the file.
        found: u16,
        /// The newest we know.
        ours: u16,
    },
    /// Bytes of it are not those that were written.
    Checksum {
        /// In which part; `None`: in its head.
        part: Option<u32>,
    },
    /// It belongs to another log.
    OtherLog {
        /// Its log id.
        found: u64,
        /// The log id of the journal.
        expected: u64,
    },
    /// It ends with another turn than its name says.
    Sequence {
        /// The turn.
        found: u64,
    },
    /// Its parts do not lie one behind the other up to its end.
    Layout,
}

impl fmt::Display for SnapshotFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotFault::Io(error) => write!(f, "cannot be read: {error}"),
            SnapshotFault::Short => write!(f, "ends too early"),
            SnapshotFault::Magic => write!(f, "is no snapshot of a vesta journal"),
            SnapshotFault::Version { found, ours } => {
                write!(f, "has version {found}, this program knows up to {ours}")
            }
            SnapshotFault::Checksum { part: None } => write!(f, "has a damaged head"),
            SnapshotFault::Checksum { part: Some(part) } => write!(f, "is damaged in part {part}"),
            SnapshotFault::OtherLog { found, expected } => {
                write!(f, "belongs to log {found:016x}, the journal is log {expected:016x}")
            }
            SnapshotFault::Sequence { found } => write!(f, "says that it ends with turn {found}"),
            SnapshotFault::Layout => write!(f, "has parts that do not fit together"),
        }
    }
}

impl std::error::Error for SnapshotFault {}

/// A write or a sync failed. Final: what the disk holds is not known any more, so nothing is tried
/// again; stop, and recover by opening the journal anew.
#[derive(Debug)]
pub enum JournalError {
    /// The operating system says no.
    Io {
        /// What we wanted.
        doing: &'static str,
        /// Of which file.
        file: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// It failed before: the text of that failure.
    Failed(String),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Io { doing, file, error } => {
                write!(f, "cannot {doing} {}: {error}", file.display())
            }
            JournalError::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JournalError::Io { error, .. } => Some(error),
            JournalError::Failed(_) => None,
        }
    }
}
