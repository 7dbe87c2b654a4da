//! Opening a log: what a crash left behind, brought into order.
//!
//! 1. Lock both folders; find the log's segments on disk and in the live folder.
//! 2. Walk the last segments, live ones before disk ones, to the end of the last whole turn.
//! 3. Make the disk say the same, synced, before anything is cut from the live log.
//! 4. Go on in the same segment.
//!
//! Only the last segments are walked: a begun segment on disk proves that those before it were synced.
//! Their frames are checked by whoever reads them.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::control::ControlFile;
use crate::error::{HeaderFault, JournalError, NotOurs, OpenError, ReadError};
use crate::frame::{self, FrameFault};
use crate::log::{Position, Shared};
use crate::mmap::{Cursor, Fresh, ReadMap};
use crate::order::Order;
use crate::preparer::{self, Filling, Prepared, Preparer};
use crate::retained::{self, Retained};
use crate::retire::Retirer;
use crate::scan::{self, Cut, CutReason, Proof, Stop};
use crate::segment::{self, Geometry, SegmentHeader};
use crate::snapshots::Snapshots;
use crate::storage::{self, Storage, UNIQUE_FROM};
use crate::syncer::Syncer;
use crate::tail::{
    all, check_frame, check_header, deny_unmade, dirty, map_begun, map_file, map_segment, unread,
};
use crate::writer::Writer;
use crate::{Log, Opened, Options, Recovery};

/// As [`crate::open`], on a disk of the caller's choice.
///
/// # Errors
///
/// See [`OpenError`].
pub fn open_with(options: &Options, storage: Arc<dyn Storage>) -> Result<Opened, OpenError> {
    if !segment::bytes_are_valid(options.segment_bytes) {
        return Err(OpenError::SegmentBytes { configured: options.segment_bytes });
    }
    make_dir(&options.dir)?;
    let owner = Owner::lock(&options.dir)?;
    let was_there = options.live_dir.exists();
    let live_lock = lock_live(options, &owner)?;
    let held = live_lock.try_clone();
    let opened = open_locked(options, storage, owner, live_lock);
    if opened.is_err() && !was_there && held.is_ok() {
        // Made for nothing. One that is not empty stays, and so does one that is somebody's by now: it is still locked.
        let _ = std::fs::remove_dir(&options.live_dir);
    }
    opened
}

fn open_locked(
    options: &Options,
    storage: Arc<dyn Storage>,
    mut owner: Owner,
    live_lock: File,
) -> Result<Opened, OpenError> {
    if let (Ok(dir), Ok(live_dir)) = (options.dir.canonicalize(), options.live_dir.canonicalize())
        && dir == live_dir
    {
        return Err(OpenError::SameDir { dir });
    }
    let found = Found::look(options, &owner)?;
    let created = found.is_none();
    let found = match found {
        Some(found) => found,
        None => create(options, storage.as_ref())?,
    };
    let end = found.end()?;
    let geometry = Geometry { segment_bytes: options.segment_bytes };
    let position = geometry.base(end.index) + u64::from(end.offset);
    let snapshots = Snapshots::new(&options.dir, found.log_id, Arc::clone(&storage));
    snapshots.deny_cut(&snapshots.list()?, geometry, Position(position), end.sequence)?;

    // All of it was synced then, and the files are those that it was synced in.
    let is_settled = found.control.is_none()
        && end.cut.is_none()
        && owner.said.stopped.is_some_and(|stopped| {
            stopped.position == position
                && print_of(&options.dir, end.index, options.segment_bytes) == Some(stopped.print)
        });
    if !is_settled {
        // Before anything is written: should that fail, the next start does not believe what is not so any more.
        owner.goes_on().map_err(OpenError::Write)?;
    }
    let disk_next = settle_disk(options, storage.as_ref(), &found, &end, is_settled)?;
    let Found { log_id, control, live, first, retained, .. } = found;
    let source = (!end.source_is_live).then(|| segment::path(&options.dir, end.index));
    // No mapping of ours is left when the live segment is written again.
    drop(live);
    let control = match control {
        Some(control) => control,
        None => {
            clear_live(&options.live_dir, None)?;
            owner.write(unique(storage.as_ref())?, &options.live_dir).map_err(OpenError::Write)?;
            let result = ControlFile::create(
                &options.live_dir,
                options.segment_bytes,
                log_id,
                owner.said.instance.unwrap_or(0),
            );
            result.map_err(|error| dir_error(&options.live_dir, options.segment_bytes, error))?
        }
    };
    let fresh = settle_live(options, &end, source.as_deref())?;

    let committed = Arc::new(Cursor::new(position));
    let (map, segment) = fresh.share(end.index, end.offset, Arc::clone(&committed));
    control.set_pid(std::process::id());
    control.set_released(control.released().min(position));
    let shared = Arc::new(Shared::new(
        geometry,
        log_id,
        options.record_version,
        options.dir.clone(),
        options.live_dir.clone(),
        committed,
        control,
        map,
        (owner, live_lock),
        (first, retained),
    ));
    let mut preparer = Preparer::new(
        Arc::clone(&shared),
        Arc::clone(&storage),
        end.index + 1,
        disk_next,
        options.live_segments_kept,
    );
    preparer.is_patient = options.written_ahead;
    loop {
        match preparer.step()? {
            Prepared::Made => {}
            Prepared::Idle => break,
            Prepared::NoSpace { what, needed } if what == options.live_dir => {
                return Err(OpenError::NoSpace { dir: what, needed: 3 * needed });
            }
            // A full disk leaves the rest of this segment; the venue goes on with that.
            Prepared::NoSpace { .. } => break,
        }
    }
    preparer.is_patient = false;
    Ok(Opened {
        writer: Writer::new(Arc::clone(&shared), segment, end.sequence),
        snapshots,
        retirer: Retirer::new(Arc::clone(&shared), Arc::clone(&storage)),
        syncer: Syncer::new(Arc::clone(&shared), storage),
        preparer,
        log: Log(shared),
        recovery: Recovery {
            created,
            last_sequence: end.sequence,
            end: Position(position),
            cut: end.cut,
            from_live: end.from_live,
        },
    })
}

/// Mode of a folder that is made: for its owner alone.
const PRIVATE_DIR_MODE: u32 = 0o700;

fn make_dir(dir: &Path) -> Result<(), OpenError> {
    // Firms' orders are in it. Whom else it is opened to is for whoever runs the venue to say.
    let error = match std::fs::DirBuilder::new().mode(PRIVATE_DIR_MODE).create(dir) {
        Ok(()) => match crate::storage::sync_folder_of(dir) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
        Err(_) if dir.is_dir() => return Ok(()),
        Err(error) => error,
    };
    Err(OpenError::Dir { dir: dir.to_path_buf(), error })
}

fn dir_error(dir: &Path, segment_bytes: u32, error: io::Error) -> OpenError {
    if preparer::is_full(&error) {
        let needed = 3 * u64::from(segment_bytes);
        return OpenError::NoSpace { dir: dir.to_path_buf(), needed };
    }
    OpenError::Dir { dir: dir.to_path_buf(), error }
}

pub(crate) fn unique(storage: &dyn Storage) -> Result<u64, OpenError> {
    storage.unique().map_err(|error| {
        let file = UNIQUE_FROM.into();
        ReadError::Io { doing: "read", file, error }.into()
    })
}

/// The lock file: who has the journal open, and which live log belongs to it.
///
/// Its text names the live folder and the *instance*, a random number that the control file there
/// repeats. A live folder with another instance is one the log went on without: it is stale. After a stop in order it
/// says where the log ended, all of it synced.
#[derive(Debug)]
pub(crate) struct Owner {
    file: File,
    path: PathBuf,
    said: Said,
}

/// What a lock file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) instance: Option<u64>,
    pub(crate) live_dir: Option<PathBuf>,
    pub(crate) stopped: Option<Stopped>,
}

/// Where the log ended when it was stopped in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped {
    pub(crate) position: u64,
    /// [`print_of`] the segment that it ended in.
    pub(crate) print: u32,
}

impl Stopped {
    fn parse(text: &str) -> Option<Stopped> {
        let (position, print) = text.split_once(' ')?;
        let print = u32::from_str_radix(print, 16).ok()?;
        Some(Stopped { position: position.parse().ok()?, print })
    }
}

/// A print of what the system says of the files of segment `index` and later ones: which they are, and when they were changed last. A copy
/// has another one, and so has whatever was cut or written to. `None` if one of them is not whole on the disk, or there is none.
pub(crate) fn print_of(dir: &Path, index: u64, segment_bytes: u32) -> Option<u32> {
    const SECTOR_BYTES: u64 = 512;
    let mut text = String::new();
    for index in segment::list(dir).ok()?.into_iter().filter(|it| *it >= index) {
        let it = std::fs::symlink_metadata(segment::path(dir, index)).ok()?;
        let bytes = u64::from(segment_bytes);
        if it.len() != bytes || it.blocks().saturating_mul(SECTOR_BYTES) < bytes {
            return None;
        }
        let (seconds, ns) = (it.ctime(), it.ctime_nsec());
        let _ = writeln!(text, "{index} {} {} {seconds} {ns}", it.dev(), it.ino());
    }
    (!text.is_empty()).then(|| frame::crc32c(text.as_bytes()))
}

pub(crate) const LOCK_FILE: &str = "lock";

/// How often a lock that somebody has is looked at, and how long between two looks.
const LOCK_LOOKS_MAX: u32 = 20;
const LOCK_LOOK: Duration = Duration::from_millis(5);

/// What the bytes of a lock file say: nothing if they are not those that were written.
pub(crate) fn read_owner(bytes: &[u8]) -> Said {
    let checked = bytes.len().saturating_sub(CHECK_LINE_BYTES);
    let (text, check) = bytes.split_at(checked);
    if check != check_line(text).as_bytes() {
        return Said::default();
    }
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    let instance = lines
        .next()
        .and_then(|line| line.strip_prefix("instance "))
        .and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let live_dir = lines.next().and_then(|line| line.strip_prefix("live ")).map(PathBuf::from);
    let stopped = lines.next().and_then(|line| line.strip_prefix("stopped "));
    Said { instance, live_dir, stopped: stopped.and_then(Stopped::parse) }
}

/// The live folder of the log in `dir`, as its lock file names it; `None` if there is no such file, or none that is whole.
#[must_use]
pub fn live_dir_of(dir: &Path) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    let file = File::open(dir.join(LOCK_FILE)).ok()?;
    // It has three lines, or four.
    std::io::Read::read_to_end(&mut file.take(OWNER_BYTES_MAX), &mut bytes).ok()?;
    read_owner(&bytes).live_dir
}

/// Bytes of a lock file, at most: a path, and little else.
const OWNER_BYTES_MAX: u64 = 8 << 10;

/// Bytes of [`check_line`].
const CHECK_LINE_BYTES: usize = 15;

/// The last line of a lock file: CRC32C of those before it.
fn check_line(text: &[u8]) -> String {
    format!("check {:08x}\n", frame::crc32c(text))
}

impl Owner {
    fn lock(dir: &Path) -> Result<Owner, OpenError> {
        let path = dir.join(LOCK_FILE);
        let io = |error| OpenError::Dir { dir: dir.to_path_buf(), error };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        if !lock(&file).map_err(io)? {
            return Err(OpenError::InUse { dir: dir.to_path_buf() });
        }
        let mut bytes = Vec::new();
        (&mut file).take(OWNER_BYTES_MAX).read_to_end(&mut bytes).map_err(io)?;
        let said = read_owner(&bytes);
        Ok(Owner { file, path, said })
    }

    /// Of a new live log.
    fn write(&mut self, instance: u64, live_dir: &Path) -> Result<(), JournalError> {
        let live_dir = std::path::absolute(live_dir).unwrap_or_else(|_| live_dir.to_path_buf());
        self.said = Said { instance: Some(instance), live_dir: Some(live_dir), stopped: None };
        self.say(None)
    }

    /// The log goes on: it is not where it was stopped any more.
    fn goes_on(&mut self) -> Result<(), JournalError> {
        if self.said.stopped.take().is_some() { self.say(None) } else { Ok(()) }
    }

    /// Says that the log was stopped in order, or that it was not.
    pub(crate) fn say(&self, stopped: Option<Stopped>) -> Result<(), JournalError> {
        let Said { instance, live_dir, .. } = &self.said;
        let live_dir = live_dir.as_deref().unwrap_or(Path::new(""));
        let mut text = format!(
            "instance {:016x}\nlive {}\n",
            instance.unwrap_or_default(),
            live_dir.display()
        );
        if let Some(Stopped { position, print }) = stopped {
            text.push_str(&format!("stopped {position} {print:08x}\n"));
        }
        text.push_str(&check_line(text.as_bytes()));
        let mut file = &self.file;
        // Over what is there: the room of what is given back first somebody else could take, on a disk that is full.
        let written = io::Seek::rewind(&mut file)
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.set_len(text.len() as u64))
            .and_then(|()| file.sync_all());
        written.map_err(|error| JournalError::Io { doing: "write", file: self.path.clone(), error })
    }
}

/// Locks a file or a folder; whether nobody else has it.
fn lock(file: &File) -> io::Result<bool> {
    let mut looks = 1;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            // Where who had it open starts another program (an archive command), that holds it too for the
            // moment before it is that program.
            Err(TryLockError::WouldBlock) if looks < LOCK_LOOKS_MAX => {
                std::thread::park_timeout(LOCK_LOOK);
                looks += 1;
            }
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Makes the live folder and locks it.
///
/// The lock on the journal's folder is not enough: a copy of it has a lock file of its own, which names the
/// live folder of the original.
fn lock_live(options: &Options, owner: &Owner) -> Result<File, OpenError> {
    let live_dir = &options.live_dir;
    let io = |error| OpenError::Dir { dir: live_dir.clone(), error };
    for _ in 0..LOCK_LOOKS_MAX {
        make_dir(live_dir)?;
        #[allow(clippy::cast_possible_wrap)] // Flags.
        let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(live_dir);
        let folder = opened.map_err(|error| match std::fs::symlink_metadata(live_dir) {
            Ok(found) if found.is_symlink() => not_ours(live_dir, NotOurs::Link),
            _ => io(error),
        })?;
        let held = folder.metadata().map_err(io)?;
        let we = rustix::process::geteuid().as_raw();
        if held.uid() != we {
            return Err(not_ours(live_dir, NotOurs::Owner { found: held.uid(), we }));
        }
        if !lock(&folder).map_err(io)? {
            // What is damaged there is the other one's matter.
            let control = ControlFile::open(live_dir, false).ok().flatten();
            return Err(live_in_use(options, owner, live_dir, control.as_ref()));
        }
        // Who had it may have removed it, as a stop in order does.
        let named = std::fs::symlink_metadata(live_dir);
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
            close_to_others(&folder, live_dir, we)?;
            return Ok(folder);
        }
    }
    // It comes and goes: somebody starts and stops there.
    Err(live_in_use(options, owner, live_dir, None))
}

/// Nobody else sees orders in the live folder, or puts a file there from now on; what there is already must be
/// ours: the name of the folder is known before it is made, in a place where everybody may make one.
fn close_to_others(folder: &File, live_dir: &Path, we: u32) -> Result<(), OpenError> {
    let io = |error| OpenError::Dir { dir: live_dir.to_path_buf(), error };
    if folder.metadata().map_err(io)?.mode() & 0o077 != 0 {
        folder.set_permissions(Permissions::from_mode(PRIVATE_DIR_MODE)).map_err(io)?;
    }
    for entry in std::fs::read_dir(live_dir).map_err(io)? {
        let file = entry.map_err(io)?.path();
        let is_segment = file.extension().is_some_and(|extension| extension == "seg");
        if !is_segment && !file.ends_with("control") && !file.ends_with("control.new") {
            continue;
        }
        let found = std::fs::symlink_metadata(&file).map_err(io)?;
        let why = match &found {
            found if found.is_symlink() => NotOurs::Link,
            found if found.uid() != we => NotOurs::Owner { found: found.uid(), we },
            found if !found.is_file() => NotOurs::NoFile,
            found if found.nlink() > 1 => NotOurs::Names,
            _ => continue,
        };
        return Err(not_ours(&file, why));
    }
    Ok(())
}

fn not_ours(file: &Path, why: NotOurs) -> OpenError {
    OpenError::NotOurs { file: file.to_path_buf(), why }
}

fn live_in_use(
    options: &Options,
    owner: &Owner,
    live_dir: &Path,
    control: Option<&ControlFile>,
) -> OpenError {
    let instance = control.map(ControlFile::instance);
    OpenError::LiveInUse {
        dir: options.dir.clone(),
        live_dir: live_dir.to_path_buf(),
        pid: control.map(|control| control.read().pid).filter(|pid| *pid != 0),
        is_copy: instance.is_some() && instance == owner.said.instance,
    }
}

/// Whether somebody holds the lock on a folder or file: a venue, which takes that on its live folder and on the
/// [`LOCK_FILE`] of its journal.
pub(crate) fn is_in_use(locked: &Path) -> bool {
    let looked = File::open(locked).map(|file| file.try_lock_shared());
    matches!(looked, Ok(Err(TryLockError::WouldBlock)))
}

/// A begun segment, as it was found.
#[derive(Debug)]
struct Segment {
    index: u64,
    file: PathBuf,
    map: ReadMap,
    header: SegmentHeader,
    seed: u32,
    live: bool,
}

impl Segment {
    /// Bytes from `from` to the last one that is not zero.
    fn dirty(&self, from: u32) -> Result<u64, ReadError> {
        dirty(&self.map, &self.file, from)
    }

    fn all(&self) -> Result<&[u8], ReadError> {
        all(&self.map, &self.file)
    }
}

/// What is there of a log.
#[derive(Debug)]
struct Found {
    geometry: Geometry,
    log_id: u64,
    dir: PathBuf,
    /// The first segment.
    first: u64,
    retained: Option<Retained>,
    /// The index of the last begun segment on disk.
    disk_last: u64,
    /// Begun live segments, in order, without a gap.
    live: Vec<Segment>,
    control: Option<ControlFile>,
}

/// Where a log ends.
#[derive(Debug)]
struct End {
    index: u64,
    offset: u32,
    /// Of the last whole turn.
    sequence: u64,
    cut: Option<Cut>,
    source_is_live: bool,
    from_live: bool,
    /// The first segment whose bytes on disk may not be those of the log, or not synced.
    settle_from: u64,
}

impl Found {
    /// Looks at the folders; `None` if there is no journal yet.
    fn look(options: &Options, owner: &Owner) -> Result<Option<Found>, OpenError> {
        let (dir, live_dir) = (&options.dir, &options.live_dir);
        let control = ControlFile::open(live_dir, true)?;
        let no_journal = |control: Option<ControlFile>| match control {
            Some(control) => Err(OpenError::LiveOfAnother {
                live_dir: live_dir.clone(),
                found: control.log_id(),
                dir: dir.clone(),
                expected: None,
            }),
            None => Ok(None),
        };
        let mut indexes = segment::list(dir)?;
        let retained = Retained::open(dir, None)?;
        if indexes.is_empty() && retained.is_none() {
            return no_journal(control);
        }
        let first = retained::first_of(dir, &indexes, retained.as_ref())?;
        let first_file = segment::path(dir, first);
        indexes.retain(|index| *index >= first);
        for (expected, index) in (first..).zip(&indexes) {
            if *index != expected {
                let file = segment::path(dir, expected);
                return Err(ReadError::SegmentMissing { file }.into());
            }
        }
        let header = match map_segment(&first_file, first) {
            Ok((_, header)) => header,
            // A lock file that names a live log was written when the first segment was begun.
            Err(ReadError::Header { why: HeaderFault::Torn, .. })
                if owner.said.instance.is_none() =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        let Some(header) = header else {
            // Made, but not begun: a crash while it was created.
            if owner.said.instance.is_some() || any_written(dir, &indexes)? {
                let why = HeaderFault::Blank;
                return Err(ReadError::Header { file: first_file, why }.into());
            }
            return no_journal(control);
        };
        let mut disk_last = first;
        for index in indexes.iter().rev() {
            let (_, begun) = map_begun(&segment::path(dir, *index), *index, header.log_id)?;
            if begun.is_some() {
                disk_last = *index;
                break;
            }
        }
        if header.segment_bytes != options.segment_bytes {
            return Err(OpenError::SegmentBytesDiffer {
                dir: dir.clone(),
                found: header.segment_bytes,
                configured: options.segment_bytes,
            });
        }
        if header.record_version != options.record_version {
            return Err(OpenError::RecordVersion {
                file: first_file,
                found: header.record_version,
                ours: options.record_version,
            });
        }
        let log_id = header.log_id;
        let geometry = Geometry { segment_bytes: header.segment_bytes };
        // Once more, now that it is known whose it must be.
        let retained = Retained::open(dir, Some((log_id, geometry)))?;
        let control = own_control(control, options, owner, log_id)?;
        let live = match &control {
            Some(_) => find_live(live_dir, log_id, header.segment_bytes)?,
            None => Vec::new(),
        };
        if let Some(first) = live.first()
            && first.index > disk_last + 1
        {
            let file = segment::path(live_dir, disk_last + 1);
            return Err(ReadError::SegmentMissing { file }.into());
        }
        Ok(Some(Found {
            geometry,
            log_id,
            dir: dir.clone(),
            first,
            retained,
            disk_last,
            live,
            control,
        }))
    }

    /// Walks to the end of the last whole turn.
    fn end(&self) -> Result<End, ReadError> {
        let on_disk = self.walk(false);
        if self.live.is_empty() {
            return on_disk;
        }
        match (self.walk(true)?, on_disk) {
            (with_live, Ok(on_disk)) if with_live.sequence < on_disk.sequence => Ok(on_disk),
            (mut with_live, on_disk) => {
                with_live.from_live =
                    on_disk.is_ok_and(|on_disk| with_live.sequence > on_disk.sequence);
                Ok(with_live)
            }
        }
    }

    /// Segment `index`, the live one if there is one and it is wanted.
    fn load(&self, index: u64, live: bool) -> Result<Loaded<'_>, ReadError> {
        let found = live.then(|| self.live.iter().find(|it| it.index == index)).flatten();
        if let Some(segment) = found {
            return Ok(Loaded::Live(segment));
        }
        let file = segment::path(&self.dir, index);
        let (map, header) = map_begun(&file, index, self.log_id)?;
        let Some(header) = header else {
            return Err(ReadError::Header { file, why: HeaderFault::Blank });
        };
        check_header(&file, &header, self.log_id, self.geometry.segment_bytes)?;
        let seed = frame::seed(self.log_id, index);
        Ok(Loaded::Disk(Segment { index, file, map, header, seed, live: false }))
    }

    fn last(&self, live: bool) -> u64 {
        let live_last = self.live.last().filter(|_| live).map_or(0, |last| last.index);
        live_last.max(self.disk_last)
    }

    /// Finds the end, from as late a segment as has a whole turn in it.
    fn walk(&self, live: bool) -> Result<End, ReadError> {
        let last = self.last(live);
        let mut from = last;
        loop {
            let walked = self.walk_from(from, last, live)?;
            match walked {
                Some(end) => return Ok(end),
                None => from -= 1,
            }
        }
    }

    /// Walks from the start of segment `from`; `None` if no turn begins and ends there, unless it is
    /// the first.
    fn walk_from(&self, from: u64, last: u64, live: bool) -> Result<Option<End>, ReadError> {
        let mut end: Option<(u64, u32, u64)> = None;
        let mut walk_first = 0;
        let mut order = Order::UNKNOWN;
        let mut fault: Option<(u64, u32, FrameFault)> = None;
        let mut sealed = false;
        for index in from..=last {
            let loaded = self.load(index, live)?;
            let segment = loaded.get();
            let first_sequence = segment.header.first_sequence;
            if index == from {
                walk_first = first_sequence;
                // A turn may go on from the segment before: if it ends here it is no proof of itself.
                let header = first_header(segment)?;
                let goes_on = header.is_some_and(|header| !header.is_first());
                order = if goes_on {
                    Order { next: Some(first_sequence - 1), open: true }
                } else {
                    Order::before(first_sequence)
                };
                if index == self.first {
                    end = Some((index, segment::HEADER_BYTES, first_sequence - 1));
                }
            } else if order.next_beginning() != Some(first_sequence) {
                let expected = order.next_beginning().unwrap_or(0);
                let why = HeaderFault::FirstSequence { found: first_sequence, expected };
                return Err(ReadError::Header { file: segment.file.clone(), why });
            }
            let stop = scan::walk(
                segment.all()?,
                self.geometry.segment_bytes,
                segment::HEADER_BYTES,
                segment.seed,
                &mut order,
                |offset, order| {
                    let whole = order.next.filter(|_| !order.open).map_or(0, |next| next - 1);
                    if whole >= walk_first {
                        end = Some((index, offset, whole));
                    }
                },
            );
            sealed = stop == Stop::Sealed;
            if let Stop::Fault(offset, why) = stop {
                fault = Some((index, offset, why));
                break;
            }
        }
        match fault {
            Some((index, offset, why)) => {
                self.deny_damage(index, offset, why, order, last, live)?;
            }
            None if sealed => deny_unmade(&self.dir, last + 1, self.geometry.segment_bytes)?,
            None => {}
        }
        let Some((index, offset, sequence)) = end else {
            return Ok(None);
        };
        let (cut, source_is_live) = self.cut(index, offset, fault, order.open, last, live)?;
        let settle_from = match self.live.first().filter(|_| live) {
            Some(first) => first.index.min(index),
            None => index,
        };
        let from_live = false;
        Ok(Some(End { index, offset, sequence, cut, source_is_live, from_live, settle_from }))
    }

    /// An error if what is wrong at a place is damage and not the end of the log.
    fn deny_damage(
        &self,
        index: u64,
        offset: u32,
        why: FrameFault,
        order: Order,
        last: u64,
        live: bool,
    ) -> Result<(), ReadError> {
        let loaded = self.load(index, live)?;
        let segment = loaded.get();
        let position = self.geometry.base(index) + u64::from(offset);
        let sequence = order.next.unwrap_or(0);
        let mut damaged = scan::is_cut(segment.all()?, self.geometry.segment_bytes, why);
        // A segment on disk is synced before the next one is begun there.
        damaged |= !segment.live && index < self.disk_last;
        for later in index..=last {
            let loaded = self.load(later, live)?;
            let from = if later == index { offset + 8 } else { segment::HEADER_BYTES };
            let segment = loaded.get();
            let proof = Proof { sequence, position, may_be_torn: !segment.live };
            let base = self.geometry.base(later);
            damaged |= proof.search(segment.all()?, from, base, segment.seed);
        }
        if !damaged {
            return Ok(());
        }
        Err(ReadError::Corrupt { file: segment.file.clone(), offset, position, sequence, why })
    }

    /// What stands behind the end, and whether the end is in a live segment.
    fn cut(
        &self,
        index: u64,
        offset: u32,
        fault: Option<(u64, u32, FrameFault)>,
        open: bool,
        last: u64,
        live: bool,
    ) -> Result<(Option<Cut>, bool), ReadError> {
        let loaded = self.load(index, live)?;
        let segment = loaded.get();
        let mut bytes = 0;
        if !scan::only_seal(segment.all()?, offset, segment.seed) {
            bytes += segment.dirty(offset)?;
        }
        for later in index + 1..=last {
            let loaded = self.load(later, live)?;
            bytes += loaded.get().dirty(segment::HEADER_BYTES)?;
        }
        let position = Position(self.geometry.base(index) + u64::from(offset));
        let why = match fault {
            Some((_, _, why)) if !(open || segment.live && why == FrameFault::Zero) => {
                CutReason::Torn(why)
            }
            _ => CutReason::Incomplete,
        };
        Ok(((bytes > 0).then_some(Cut { position, bytes, why }), segment.live))
    }
}

/// A segment that is held, or was loaded for the moment.
#[derive(Debug)]
enum Loaded<'a> {
    Live(&'a Segment),
    Disk(Segment),
}

impl Loaded<'_> {
    fn get(&self) -> &Segment {
        match self {
            Loaded::Live(segment) => segment,
            Loaded::Disk(segment) => segment,
        }
    }
}

fn first_header(segment: &Segment) -> Result<Option<frame::Header>, ReadError> {
    let Segment { map, file, seed, .. } = segment;
    let first = check_frame(map, file, segment::HEADER_BYTES, *seed)?;
    Ok(first.ok().map(|(_, header)| header))
}

/// The control file, if the live folder is this journal's and the log did not go on without it.
fn own_control(
    control: Option<ControlFile>,
    options: &Options,
    owner: &Owner,
    log_id: u64,
) -> Result<Option<ControlFile>, OpenError> {
    if let Some(control) = &control
        && control.log_id() != log_id
    {
        return Err(OpenError::LiveOfAnother {
            live_dir: options.live_dir.clone(),
            found: control.log_id(),
            dir: options.dir.clone(),
            expected: Some(log_id),
        });
    }
    let instance = owner.said.instance;
    // A crash leaves this only while no live segment is begun.
    if instance.is_none() && control.is_some() && has_begun(&options.live_dir)? {
        let (file, live_dir) = (owner.path.clone(), options.live_dir.clone());
        return Err(ReadError::Owner { file, live_dir }.into());
    }
    let control = control.filter(|control| Some(control.instance()) == instance);
    if control.is_none()
        && let Some(elsewhere) = &owner.said.live_dir
        && let Ok(Some(other)) = ControlFile::open(elsewhere, false)
        && (other.log_id(), Some(other.instance())) == (log_id, instance)
    {
        // The lock file of this journal is ours, so whoever has that open has another one: this is a copy.
        if is_in_use(elsewhere) {
            return Err(live_in_use(options, owner, elsewhere, Some(&other)));
        }
        return Err(OpenError::LiveElsewhere {
            dir: options.dir.clone(),
            found: elsewhere.clone(),
            configured: options.live_dir.clone(),
        });
    }
    Ok(control)
}

/// Whether something stands in the segments on disk beside the header of the first.
fn any_written(dir: &Path, indexes: &[u64]) -> Result<bool, ReadError> {
    for index in indexes {
        let from = if *index == 0 { segment::HEADER_BYTES } else { 0 };
        let file = segment::path(dir, *index);
        let map = map_file(&file)?;
        if dirty(&map, &file, from)? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a live segment is begun.
fn has_begun(live_dir: &Path) -> Result<bool, ReadError> {
    for index in segment::list(live_dir)? {
        if map_segment(&segment::path(live_dir, index), index)?.1.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The begun live segments of the log.
fn find_live(live_dir: &Path, log_id: u64, segment_bytes: u32) -> Result<Vec<Segment>, ReadError> {
    let mut live: Vec<Segment> = Vec::new();
    for index in segment::list(live_dir)? {
        let file = segment::path(live_dir, index);
        let (map, header) = map_segment(&file, index)?;
        let Some(header) = header else {
            continue;
        };
        check_header(&file, &header, log_id, segment_bytes)?;
        if let Some(last) = live.last()
            && last.index + 1 != index
        {
            return Err(ReadError::SegmentMissing { file: segment::path(live_dir, index - 1) });
        }
        let seed = frame::seed(log_id, index);
        live.push(Segment { index, file, map, header, seed, live: true });
    }
    Ok(live)
}

/// Makes a new log on disk.
fn create(options: &Options, storage: &dyn Storage) -> Result<Found, OpenError> {
    let file = segment::path(&options.dir, 0);
    let io = |doing, error| JournalError::Io { doing, file: file.clone(), error };
    for index in segment::list(&options.dir)?.into_iter().rev() {
        // Left over from a creation that did not come to its end.
        let file = segment::path(&options.dir, index);
        storage.remove(&file).map_err(|error| JournalError::Io { doing: "remove", file, error })?;
    }
    let header = SegmentHeader {
        record_version: options.record_version,
        segment_bytes: options.segment_bytes,
        log_id: unique(storage)?,
        index: 0,
        first_sequence: options.first_sequence.max(1),
    };
    let mut bytes = [0; segment::HEADER_BYTES as usize];
    header.write(&mut bytes);
    match storage.create(&file, u64::from(options.segment_bytes)) {
        Ok(()) => {}
        Err(error) if preparer::is_full(&error) => {
            // Nothing is in it yet.
            let _ = storage.remove(&file);
            let (dir, needed) = (options.dir.clone(), 3 * u64::from(options.segment_bytes));
            return Err(OpenError::NoSpace { dir, needed });
        }
        Err(error) => return Err(io("make", error).into()),
    }
    let opened = storage.open(&file).map_err(|error| io("open", error))?;
    opened.write_at(0, &bytes).map_err(|error| io("write", error))?;
    opened.sync_data().map_err(|error| io("sync", error))?;
    if options.written_ahead {
        let opened = storage.open_blocks(&file).map_err(|error| io("open", error))?;
        let mut filling = Filling::new(opened, storage::BLOCK_BYTES as u64);
        while !filling.step(options.segment_bytes).map_err(|error| io("fill", error))? {}
    }
    Ok(Found {
        geometry: Geometry { segment_bytes: options.segment_bytes },
        log_id: header.log_id,
        dir: options.dir.clone(),
        first: 0,
        retained: None,
        disk_last: 0,
        live: Vec::new(),
        control: None,
    })
}

/// Makes the disk say what the log is, synced; returns the first segment that does not exist there.
fn settle_disk(
    options: &Options,
    storage: &dyn Storage,
    found: &Found,
    end: &End,
    is_settled: bool,
) -> Result<u64, OpenError> {
    let dir = &options.dir;
    let segment_bytes = options.segment_bytes as usize;
    let later: Vec<u64> =
        segment::list(dir)?.into_iter().filter(|index| *index > end.index).collect();
    let mut disk_next = end.index + 1;
    let mut untouched = Vec::new();
    for index in &later {
        let (map, _) = map_begun(&segment::path(dir, *index), *index, found.log_id)?;
        if map.len() != segment_bytes {
            // A crash while it was made: nothing was made after it.
            break;
        }
        disk_next = index + 1;
        let first = BLOCK_BYTES.min(segment_bytes);
        // What the disk does not give is written to it again.
        if map.have(0, first).is_ok() && is_zero(&map.bytes()[..first]) {
            untouched.push(*index);
        }
    }
    // What a live log says to be synced is; of everything else only a write of our own makes sure. A sync that
    // failed left bytes in the kernel's cache that read well, that no later sync writes, and that the end of the
    // machine takes away. What was made ahead beside a live log was blank when it was made.
    let durable = found.control.as_ref().map_or(0, |control| control.read().durable.0);
    let blank = if durable > 0 { segment_bytes } else { 0 };
    // What was synced and reads otherwise now is written again. If that fails it reads well from then on, and
    // whoever opens the log next must not believe it.
    let distrust = || {
        if let Some(control) = &found.control {
            control.set_durable(0);
        }
    };
    // From the last one down: a crash in between must not leave a gap. Those made whole stay, blank: a
    // full segment has one behind it.
    let in_memory = is_memory(&options.live_dir);
    for index in later.into_iter().rev() {
        if index < disk_next {
            if is_settled {
                continue;
            }
            // A process writes a segment from its beginning on, so where that is zero the end of one has left nothing: the end of
            // a machine may have left anything, and takes a live log with it that is in memory.
            if durable > 0 && in_memory && untouched.contains(&index) {
                // Whoever made it may have ended before it was synced.
                let file = segment::path(dir, index);
                let synced = storage.open(&file).and_then(|opened| opened.sync_data());
                synced.map_err(|error| JournalError::Io { doing: "sync", file, error })?;
                continue;
            }
            settle_segment(options, storage, index, &[], (blank, &distrust))?;
            continue;
        }
        let file = segment::path(dir, index);
        storage.remove(&file).map_err(|error| JournalError::Io { doing: "remove", file, error })?;
    }
    for index in (end.settle_from..=end.index).filter(|_| !is_settled) {
        let loaded = found.load(index, end.source_is_live)?;
        let source = loaded.get().all()?;
        let used = if index == end.index { end.offset as usize } else { segment_bytes };
        let synced = durable.saturating_sub(found.geometry.base(index));
        let synced = usize::try_from(synced).unwrap_or(usize::MAX);
        let wanted = &source[..used.min(source.len())];
        settle_segment(options, storage, index, wanted, (synced, &distrust))?;
    }
    if !is_settled {
        // What is there has its name, whoever gave it.
        let (path, file) = (segment::path(dir, end.index), dir.clone());
        let synced = crate::storage::sync_folder_of(&path);
        synced.map_err(|error| JournalError::Io { doing: "sync", file, error })?;
    }
    Ok(disk_next)
}

/// Whether what is in a folder is gone with the machine.
fn is_memory(dir: &Path) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    rustix::fs::statfs(dir).is_ok_and(|it| matches!(it.f_type as u64, TMPFS | RAMFS))
}

/// Compared and written in pieces of this size. Unit: bytes.
const BLOCK_BYTES: usize = 64 << 10;

/// Makes segment `index` on disk hold `wanted` and then zeroes, synced. The first `synced` bytes of it are
/// synced already, and written only if they differ; `distrust` is told before.
fn settle_segment(
    options: &Options,
    storage: &dyn Storage,
    index: u64,
    wanted: &[u8],
    (synced, distrust): (usize, &dyn Fn()),
) -> Result<(), OpenError> {
    let file = segment::path(&options.dir, index);
    let io = |doing, error| JournalError::Io { doing, file: file.clone(), error };
    if !file.exists() {
        match storage.create(&file, u64::from(options.segment_bytes)) {
            Ok(()) => {}
            Err(error) if preparer::is_full(&error) => {
                let (dir, needed) = (options.dir.clone(), u64::from(options.segment_bytes));
                return Err(OpenError::NoSpace { dir, needed });
            }
            Err(error) => return Err(io("make", error).into()),
        }
    }
    let map = map_file(&file)?;
    map.read_ahead();
    let opened = storage.open(&file).map_err(|error| io("open", error))?;
    let mut block = [0; BLOCK_BYTES];
    for at in (0..options.segment_bytes as usize).step_by(BLOCK_BYTES) {
        let end = (at + BLOCK_BYTES).min(options.segment_bytes as usize);
        let rest = &wanted[at.min(wanted.len())..end.min(wanted.len())];
        // A file that ends too early differs, and grows; what the disk does not give is written to it again.
        let had = map.have(at, end).ok().and_then(|()| map.bytes().get(at..end));
        let differs = had.is_none_or(|had| {
            let (first, then) = had.split_at(rest.len());
            first != rest || !is_zero(then)
        });
        if end > synced || differs {
            if differs && at < synced {
                distrust();
            }
            let block = &mut block[..end - at];
            block[..rest.len()].copy_from_slice(rest);
            block[rest.len()..].fill(0);
            opened.write_at(at as u64, block).map_err(|error| io("write", error))?;
        }
    }
    // Even what reads well may be in the kernel's cache only.
    opened.sync_data().map_err(|error| io("sync", error))?;
    Ok(())
}

fn is_zero(bytes: &[u8]) -> bool {
    // All of them, not up to the first that is not: so the compiler takes many at once.
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

/// Makes the live segment that the log goes on in, and drops all others.
fn settle_live(options: &Options, end: &End, disk: Option<&Path>) -> Result<Fresh, OpenError> {
    let (live_dir, segment_bytes) = (&options.live_dir, options.segment_bytes);
    clear_live(live_dir, disk.is_none().then_some(end.index))?;
    let file = segment::path(live_dir, end.index);
    let made = match disk {
        None => preparer::reopen_live(&file, segment_bytes),
        Some(_) => preparer::make_live(&file, segment_bytes),
    };
    let mut fresh = made.map_err(|error| dir_error(live_dir, segment_bytes, error))?;
    let used = end.offset as usize;
    match disk {
        None => fresh.bytes_mut()[used..].fill(0),
        Some(disk) => {
            let (map, _) = map_segment(disk, end.index)?;
            map.have(0, used).map_err(|error| unread(disk, error))?;
            fresh.bytes_mut()[..used].copy_from_slice(&map.bytes()[..used]);
        }
    }
    Ok(fresh)
}

/// Removes the live segments, except the one to keep.
fn clear_live(live_dir: &Path, keep: Option<u64>) -> Result<(), OpenError> {
    for index in segment::list(live_dir)?.into_iter().filter(|index| Some(*index) != keep) {
        let result = std::fs::remove_file(segment::path(live_dir, index));
        result.map_err(|error| OpenError::Dir { dir: live_dir.to_path_buf(), error })?;
    }
    let failed = |error| OpenError::Dir { dir: live_dir.to_path_buf(), error };
    for file in std::fs::read_dir(live_dir).map_err(failed)? {
        let file = file.map_err(failed)?.path();
        if file.extension().is_some_and(|end| end == preparer::SPARE) {
            std::fs::remove_file(file).map_err(failed)?;
        }
    }
    Ok(())
}
