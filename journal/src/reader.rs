//! Reading a log from another process, or one that nobody has open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::control::{self, Control, ControlFile};
use crate::copies;
use crate::error::{HeaderFault, OpenError, ReadError, Unsound};
use crate::frame::{self, Frame, FrameFault, HEADER_BYTES, KIND_SEAL};
use crate::log::Position;
use crate::mmap::ReadMap;
use crate::order::Order;
use crate::recover::{LOCK_FILE, is_in_use, read_owner};
use crate::retained::{Retained, first_of};
use crate::scan::{self, Cut, CutReason, Proof};
use crate::segment::{self, Geometry};
use crate::snapshots::Snapshots;
use crate::tail::{
    Checked, all, check_frame, check_header, deny_unmade, dirty, hold_live, map_begun, map_segment,
};

/// Iterates over the frames of a log from its folders: live segments before those on disk.
///
/// Every frame is checked. A turn comes when all of it is there. At the end `next` says `None`, and
/// may say more later if a venue is appending.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    live_dir: Option<PathBuf>,
    control: Option<ControlFile>,
    log_id: u64,
    record_version: u16,
    geometry: Geometry,
    /// The first segment that is there.
    first: u64,
    retained: Option<Arc<Retained>>,
    index: u64,
    offset: u32,
    order: Order,
    source: Option<Source>,
    cut: Option<Cut>,
    /// The end of the log at which nothing good was found behind.
    searched: Option<Position>,
    ahead: Ahead,
}

/// What is fetched from the disk before it is read: nothing for who looks at a few frames, and more and more for who
/// reads on. How far the kernel reads ahead by itself is the system's affair, and may be nothing or megabytes around
/// each place.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    /// When the reader is here more is fetched.
    at: u32,
    /// Up to here it was. Both are offsets in the segment at hand.
    to: u32,
    /// So much beyond the reader. Unit: bytes.
    window: u32,
}

/// Who has read so much from one place on reads on. Unit: bytes.
const AHEAD_AFTER: u32 = 16 << 10;

/// What is fetched at first. Unit: bytes.
const AHEAD_MIN: u32 = 256 << 10;

/// What is fetched at most: some milliseconds of a usual disk. Unit: bytes.
const AHEAD_MAX: u32 = 4 << 20;

impl Ahead {
    /// Of who looks at the place `offset`.
    fn from(offset: u32) -> Ahead {
        Ahead { at: offset.saturating_add(AHEAD_AFTER), to: offset, window: AHEAD_MIN / 2 }
    }

    /// Of who has read the segment before to its end.
    fn go_on(self) -> Ahead {
        let reads_on = self.window >= AHEAD_MIN;
        Ahead { at: if reads_on { 0 } else { AHEAD_AFTER }, to: 0, ..self }
    }

    /// The bytes to fetch for a reader that has come to `offset`.
    fn next(&mut self, offset: u32) -> (u32, u32) {
        self.window = (self.window * 2).min(AHEAD_MAX);
        let from = self.to.max(offset);
        self.to = offset.saturating_add(self.window);
        self.at = offset.saturating_add(self.window / 2);
        (from, self.to)
    }
}

/// One segment, mapped; its header was checked.
#[derive(Clone, Debug)]
struct Source {
    index: u64,
    file: PathBuf,
    live: bool,
    map: Arc<ReadMap>,
    seed: u32,
    first_sequence: u64,
}

impl Source {
    /// Length and header of the frame at `offset`.
    #[inline]
    fn check(&self, offset: u32) -> Result<Checked, ReadError> {
        check_frame(&self.map, &self.file, offset, self.seed)
    }

    /// Bytes from `from` to the last one that is not zero.
    fn dirty(&self, from: u32) -> Result<u64, ReadError> {
        dirty(&self.map, &self.file, from)
    }

    /// All its bytes.
    fn all(&self) -> Result<&[u8], ReadError> {
        all(&self.map, &self.file)
    }
}

/// What there is of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Which one.
    pub index: u64,
    /// Its file: the live one if there is one.
    pub file: PathBuf,
    /// Whether that is in the live folder.
    pub live: bool,
    /// Sequence of the first turn that begins in it; `None` if it was made ahead and not begun.
    pub first_sequence: Option<u64>,
}

/// How often a log is looked at again whose first segments go meanwhile.
const LOOKS_MAX: u32 = 8;

/// What [`Reader::advance`] found.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u32,
    to: u32,
}

/// Whether a live log went on at a place that read as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grown {
    /// It did meanwhile.
    By,
    /// Not yet.
    NotYet,
    /// It did not, and nobody appends any more, or it should have.
    NoMore,
}

impl Reader {
    /// Opens the log in `dir` at the first frame that is there: that of turn 1, unless its first segments have
    /// gone ([`Reader::is_whole`]). With `live_dir`, what is not on disk yet is read from there.
    ///
    /// # Errors
    ///
    /// [`OpenError::Journal`] if there is no journal, or what is there is not one, or the live folder
    /// is another journal's.
    pub fn open(dir: &Path, live_dir: Option<&Path>) -> Result<Reader, OpenError> {
        Ok(Reader::look(dir, live_dir)?)
    }

    fn look(dir: &Path, live_dir: Option<&Path>) -> Result<Reader, ReadError> {
        let mut looks = 1;
        loop {
            match Reader::look_once(dir, live_dir) {
                // Between two looks of ours the log may have begun to begin later.
                Err(ReadError::FirstSegmentMissing { .. } | ReadError::SegmentMissing { .. })
                    if looks < LOOKS_MAX =>
                {
                    looks += 1;
                }
                looked => return looked,
            }
        }
    }

    fn look_once(dir: &Path, live_dir: Option<&Path>) -> Result<Reader, ReadError> {
        let indexes = segment::list(dir)?;
        let retained = Retained::open(dir, None)?;
        if indexes.is_empty() && retained.is_none() {
            return Err(ReadError::Absent { dir: dir.to_path_buf() });
        }
        let index = first_of(dir, &indexes, retained.as_ref())?;
        let Some(header) = map_segment(&segment::path(dir, index), index)?.1 else {
            return Err(ReadError::Absent { dir: dir.to_path_buf() });
        };
        let geometry = Geometry { segment_bytes: header.segment_bytes };
        let retained = match retained {
            Some(_) => Retained::open(dir, Some((header.log_id, geometry)))?.map(Arc::new),
            None => None,
        };
        let mut control = None;
        if let Some(live_dir) = live_dir {
            control = ControlFile::open(live_dir, false)?;
            let found = control.as_ref().map(ControlFile::log_id);
            if let Some(found) = found.filter(|found| *found != header.log_id) {
                let (file, expected) = (control::path(live_dir), header.log_id);
                return Err(ReadError::OtherLog { file, found, expected });
            }
            // The log may have gone on without this live folder: then it counts no more.
            let owner = std::fs::read(dir.join(LOCK_FILE)).unwrap_or_default();
            let instance = read_owner(&owner).instance;
            if control.is_some() && instance.is_none() {
                let (file, live_dir) = (dir.join(LOCK_FILE), live_dir.to_path_buf());
                return Err(ReadError::Owner { file, live_dir });
            }
            control = control.filter(|control| Some(control.instance()) == instance);
        }
        Ok(Reader {
            dir: dir.to_path_buf(),
            live_dir: live_dir.filter(|_| control.is_some()).map(Path::to_path_buf),
            control,
            log_id: header.log_id,
            record_version: header.record_version,
            geometry,
            first: index,
            retained,
            index,
            offset: segment::HEADER_BYTES,
            order: Order::before(header.first_sequence),
            source: None,
            cut: None,
            searched: None,
            ahead: Ahead::from(segment::HEADER_BYTES),
        })
    }

    /// The next frame; `None` at the end, which may move if a venue is appending.
    ///
    /// # Errors
    ///
    /// [`ReadError::Corrupt`] for a bad frame with good ones behind it, [`ReadError::Gone`] if the venue takes
    /// segments away faster than they are read, and whatever else keeps the log from being read on. The same call gives the same error again; [`Reader::seek`] goes on
    /// elsewhere.
    #[allow(clippy::should_implement_trait)] // It lends.
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        let Some(Span { from, to }) = self.advance()? else {
            return Ok(None);
        };
        let position = Position(self.geometry.base(self.index) + u64::from(from));
        let bytes = self.source.as_ref().map_or(&[][..], |source| source.map.bytes());
        Ok(Some(Frame::read(position, &bytes[from as usize..to as usize])))
    }

    /// Where the next frame begins, or where the last one ended.
    #[must_use]
    pub fn position(&self) -> Position {
        Position(self.geometry.base(self.index) + u64::from(self.offset))
    }

    /// Goes on with the frame that begins at `at`.
    pub fn seek(&mut self, at: Position) {
        let (index, offset) = self.geometry.split(at.0);
        if self.index != index {
            self.source = None;
        }
        (self.index, self.offset) = (index, offset);
        self.order = Order::UNKNOWN;
        (self.cut, self.searched) = (None, None);
        self.ahead = Ahead::from(offset);
    }

    /// What stands behind the end of the log, after [`Reader::next`] has said `None`: bytes of a turn
    /// that is not whole. `None` if it ends cleanly.
    #[must_use]
    pub fn tail_cut(&self) -> Option<Cut> {
        self.cut
    }

    /// How far the venue is, if there is a live log.
    #[must_use]
    pub fn control(&self) -> Option<Control> {
        self.control.as_ref().map(ControlFile::read)
    }

    /// Whether the log begins with turn 1, so that all of it can be replayed from nothing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.first == 0
    }

    /// The segment that the log begins with.
    #[must_use]
    pub fn first_segment(&self) -> u64 {
        self.first
    }

    /// Where the first frame of the log begins that is there.
    #[must_use]
    pub fn start(&self) -> Position {
        Position(self.geometry.base(self.first) + u64::from(segment::HEADER_BYTES))
    }

    /// What stays of the segments that have gone, `None` if none ever did.
    #[must_use]
    pub fn retained(&self) -> Option<&Retained> {
        self.retained.as_deref()
    }

    /// The random number that names the log.
    #[must_use]
    pub fn log_id(&self) -> u64 {
        self.log_id
    }

    /// Version of the bytes inside its frames.
    #[must_use]
    pub fn record_version(&self) -> u16 {
        self.record_version
    }

    /// Bytes of a segment.
    #[must_use]
    pub fn segment_bytes(&self) -> u32 {
        self.geometry.segment_bytes
    }

    /// Bytes of the log as it is now; [`Reader::position`] goes from the first to the last of them.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        if let Some(control) = self.control() {
            return control.committed.0;
        }
        let mut indexes = self.indexes().unwrap_or_default().into_iter().rev();
        let last = indexes.find_map(|index| self.load(index).ok().flatten());
        last.map_or(0, |last| {
            // What cannot be read counts as whole: whoever goes on to read it is told why.
            let whole = u64::from(self.geometry.segment_bytes);
            let used = scan::dirty(&last.map, 0).unwrap_or(whole);
            self.geometry.base(last.index) + used
        })
    }

    /// What there is of each segment, those made ahead included.
    ///
    /// # Errors
    ///
    /// If a folder or a segment's header cannot be read.
    pub fn segments(&self) -> Result<Vec<SegmentInfo>, ReadError> {
        let mut infos = Vec::new();
        for index in self.indexes()? {
            let source = self.load(index)?;
            let (first_sequence, live, file) = match source {
                Some(source) => (Some(source.first_sequence), source.live, source.file),
                None => (None, false, segment::path(&self.dir, index)),
            };
            infos.push(SegmentInfo { index, file, live, first_sequence });
        }
        Ok(infos)
    }

    /// All segments there are files of.
    fn indexes(&self) -> Result<Vec<u64>, ReadError> {
        let mut indexes = segment::list(&self.dir)?;
        if let Some(live_dir) = &self.live_dir {
            indexes.extend(segment::list(live_dir)?);
        }
        indexes.retain(|index| *index >= self.first);
        indexes.sort_unstable();
        indexes.dedup();
        Ok(indexes)
    }

    /// Maps segment `index`, live if it can; `None` if it is not begun.
    fn load(&self, index: u64) -> Result<Option<Source>, ReadError> {
        let live = self.live_dir.as_ref().map(|live_dir| (live_dir, true));
        for (folder, live) in live.into_iter().chain([(&self.dir, false)]) {
            let file = segment::path(folder, index);
            let held = match live.then(|| hold_live(&file)).transpose() {
                Err(ReadError::SegmentMissing { .. }) => continue,
                held => held?,
            };
            let (mut map, header) = match map_begun(&file, index, self.log_id) {
                Ok((map, Some(header))) => (map, header),
                Ok((_, None)) | Err(ReadError::SegmentMissing { .. }) => continue,
                Err(error) => return Err(error),
            };
            check_header(&file, &header, self.log_id, self.geometry.segment_bytes)?;
            map.read_places();
            map.keep(held);
            return Ok(Some(Source {
                index,
                file,
                live,
                map: Arc::new(map),
                seed: frame::seed(self.log_id, index),
                first_sequence: header.first_sequence,
            }));
        }
        Ok(None)
    }

    /// Maps segment `index` as the one that comes next in `order`; `None` at the end of the log.
    fn load_next(&self, index: u64, order: Order) -> Result<Option<Source>, ReadError> {
        let Some(source) = self.load(index)? else {
            self.deny_gone(index)?;
            for later in self.indexes()?.into_iter().filter(|later| *later > index) {
                if self.load(later)?.is_some() {
                    let file = segment::path(&self.dir, index);
                    return Err(if file.exists() {
                        ReadError::Header { file, why: HeaderFault::Blank }
                    } else {
                        ReadError::SegmentMissing { file }
                    });
                }
            }
            return Ok(None);
        };
        if let Some(expected) = order.next_beginning()
            && expected != source.first_sequence
        {
            let why = HeaderFault::FirstSequence { found: source.first_sequence, expected };
            return Err(ReadError::Header { file: source.file, why });
        }
        Ok(Some(source))
    }

    /// An error if segment `index`, which is not there, was taken away while this reader was on its way to it.
    #[cold]
    fn deny_gone(&self, index: u64) -> Result<(), ReadError> {
        let retained = Retained::open(&self.dir, Some((self.log_id, self.geometry)))?;
        let first = retained.as_ref().map_or(0, Retained::first_segment);
        if index >= first.max(self.first) {
            return Ok(());
        }
        let archive = retained.and_then(|retained| retained.archive());
        Err(ReadError::Gone { file: segment::path(&self.dir, index), first, archive })
    }

    #[inline]
    fn advance(&mut self) -> Result<Option<Span>, ReadError> {
        loop {
            let from = self.offset;
            if from + HEADER_BYTES > self.geometry.segment_bytes {
                self.next_segment();
                continue;
            }
            let source = match &self.source {
                Some(source) if source.index == self.index => source,
                _ => {
                    let order = match self.offset {
                        segment::HEADER_BYTES => self.order,
                        _ => Order::UNKNOWN,
                    };
                    self.source = self.load_next(self.index, order)?;
                    match &self.source {
                        Some(source) => source,
                        None => return Ok(None),
                    }
                }
            };
            let (length, header) = match source.check(from)? {
                Ok(found) => found,
                Err(FrameFault::Zero) if source.live => match self.grown(from) {
                    Grown::By => continue,
                    Grown::NotYet => return Ok(None),
                    Grown::NoMore => return self.stop(from, FrameFault::Zero),
                },
                Err(why) => return self.stop(from, why),
            };
            if header.kind == KIND_SEAL {
                // Where the log ends with a seal, it is looked at again the next time.
                if self.load(self.index + 1)?.is_none() && self.is_last()? {
                    deny_unmade(&self.dir, self.index + 1, self.geometry.segment_bytes)?;
                    self.cut = None;
                    return Ok(None);
                }
                self.next_segment();
                continue;
            }
            if header.is_first() && !header.is_last() && !self.turn_is_whole(from)? {
                return Ok(None);
            }
            let mut order = self.order;
            if let Err(why) = order.take(header) {
                return self.stop(from, why);
            }
            self.order = order;
            self.offset = from + length;
            self.cut = None;
            if self.offset >= self.ahead.at {
                self.read_ahead();
            }
            return Ok(Some(Span { from, to: from + length }));
        }
    }

    #[cold]
    fn read_ahead(&mut self) {
        let (from, to) = self.ahead.next(self.offset);
        // What is live is in memory.
        if let Some(source) = self.source.as_ref().filter(|source| !source.live) {
            source.map.fetch(from as usize, to as usize);
        }
    }

    fn next_segment(&mut self) {
        self.index += 1;
        self.offset = segment::HEADER_BYTES;
        self.source = None;
        self.ahead = self.ahead.go_on();
    }

    /// Whether no later segment is begun.
    fn is_last(&self) -> Result<bool, ReadError> {
        for later in self.indexes()?.into_iter().filter(|later| *later > self.index) {
            if self.load(later)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether every frame of the turn that begins at `from` is there. If not, the log ends here, or
    /// it is damaged further on.
    #[cold]
    fn turn_is_whole(&mut self, from: u32) -> Result<bool, ReadError> {
        let mut order = Order::UNKNOWN;
        let mut source = self.source.clone();
        let mut offset = from;
        loop {
            let Some(segment) = &source else {
                // The next segment is not begun: nothing can be behind it.
                let why = CutReason::Incomplete;
                let bytes = match &self.source {
                    Some(source) => source.dirty(from)?,
                    None => 0,
                };
                self.cut = Some(Cut { position: self.position(), bytes, why });
                return Ok(false);
            };
            let index = segment.index;
            let found = if offset + HEADER_BYTES > self.geometry.segment_bytes {
                None
            } else {
                match segment.check(offset)? {
                    Ok((_, header)) if header.kind == KIND_SEAL => None,
                    Ok((length, header)) => match order.take(header) {
                        Ok(()) => Some((length, header)),
                        Err(why) => return self.cut_turn(segment.clone(), offset, why),
                    },
                    Err(why) => return self.cut_turn(segment.clone(), offset, why),
                }
            };
            match found {
                Some((_, header)) if header.is_last() => return Ok(true),
                Some((length, _)) => offset += length,
                None => {
                    source = self.load_next(index + 1, order)?;
                    offset = segment::HEADER_BYTES;
                }
            }
        }
    }

    /// The turn at hand breaks off at `offset` of `source`.
    fn cut_turn(
        &mut self,
        source: Source,
        offset: u32,
        why: FrameFault,
    ) -> Result<bool, ReadError> {
        let sequence = self.order.next.unwrap_or(0);
        self.deny_damage(&source, offset, why, sequence)?;
        let mut bytes = source.dirty(offset)?;
        bytes += self.geometry.base(source.index) + u64::from(offset) - self.position().0;
        let why = CutReason::Incomplete;
        self.cut = Some(Cut { position: self.position(), bytes, why });
        Ok(false)
    }

    /// No frame, or a bad one, stands at `from`: the end of the log, or damage.
    #[cold]
    fn stop(&mut self, from: u32, why: FrameFault) -> Result<Option<Span>, ReadError> {
        let Some(source) = self.source.clone() else {
            return Ok(None);
        };
        let grows = source.live && why == FrameFault::Zero;
        let position = self.position();
        if self.searched == Some(position) {
            return Ok(None);
        }
        self.deny_damage(&source, from, why, self.order.next.unwrap_or(0))?;
        self.searched = Some(position);
        let bytes = source.dirty(from)?;
        let why = if grows { CutReason::Incomplete } else { CutReason::Torn(why) };
        self.cut = (bytes > 0).then_some(Cut { position, bytes, why });
        Ok(None)
    }

    /// What a length of zero at `from` of the live segment at hand means.
    #[cold]
    fn grown(&self, from: u32) -> Grown {
        let (Some(control), Some(source)) = (&self.control, &self.source) else {
            return Grown::NoMore;
        };
        let is_further = || control.read().committed > self.position();
        // A live log grows right here; searching the rest of its segment each time would be a waste. Who has it open
        // holds the lock; the number of its process may be another's by now, or mean nothing in our container.
        if !is_further() && is_in_use(&self.dir.join(LOCK_FILE)) {
            return Grown::NotYet;
        }
        // Asked again: it may have gone on until just before the lock was given back.
        if !is_further() {
            return Grown::NoMore;
        }
        // Stored after the length was.
        if source.map.length(from) == Some(0) { Grown::NoMore } else { Grown::By }
    }

    /// An error if good frames follow the bad place.
    fn deny_damage(
        &self,
        source: &Source,
        offset: u32,
        why: FrameFault,
        sequence: u64,
    ) -> Result<(), ReadError> {
        let position = self.geometry.base(source.index) + u64::from(offset);
        let proof = Proof { sequence, position, may_be_torn: false };
        let base = self.geometry.base(source.index);
        source.map.read_ahead();
        let bytes = source.all()?;
        let mut damaged = scan::is_cut(bytes, self.geometry.segment_bytes, why)
            || proof.search(bytes, offset + 8, base, source.seed);
        for later in self.indexes()?.into_iter().filter(|later| *later > source.index) {
            if damaged {
                break;
            }
            if let Some(later) = self.load(later)? {
                let base = self.geometry.base(later.index);
                later.map.read_ahead();
                damaged = proof.search(later.all()?, segment::HEADER_BYTES, base, later.seed);
            }
        }
        if !damaged {
            return Ok(());
        }
        let file = source.file.clone();
        Err(ReadError::Corrupt { file, offset, position, sequence, why })
    }
}

/// What [`verify`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Begun segments.
    pub segments: u64,
    /// The first of them; above 0 the ones before it were taken away, as configured.
    pub first_segment: u64,
    /// Turns that have gone of which something stays.
    pub kept: u64,
    /// Frames.
    pub frames: u64,
    /// Turns.
    pub turns: u64,
    /// Sequence of the first turn, 0 if there is none.
    pub first_sequence: u64,
    /// Sequence of the last turn, 0 if there is none.
    pub last_sequence: u64,
    /// Bytes of all frames.
    pub bytes: u64,
    /// Segments that are there twice, live and on disk: both copies were read.
    pub copies: u64,
    /// What stands behind the last whole turn.
    pub torn_tail: Option<Cut>,
}

/// `progress` is told at least each time this many bytes were read. Unit: bytes.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Reads a whole log and checks every header, checksum and sequence, in both copies of what is live and
/// on disk. `progress` is told the position reached, see [`Reader::bytes_total`].
///
/// # Errors
///
/// The first thing that is wrong. A torn tail is not: see [`Verified::torn_tail`].
pub fn verify(
    dir: &Path,
    live_dir: Option<&Path>,
    progress: impl FnMut(u64),
) -> Result<Verified, Unsound> {
    let mut verified = Verified::default();
    match read_through(dir, live_dir, &mut verified, progress) {
        Ok(()) => Ok(verified),
        Err(error) => Err(Unsound::new(error, verified.last_sequence)),
    }
}

fn read_through(
    dir: &Path,
    live_dir: Option<&Path>,
    verified: &mut Verified,
    mut progress: impl FnMut(u64),
) -> Result<(), ReadError> {
    let mut reader = Reader::look(dir, live_dir)?;
    verified.first_segment = reader.first;
    verified.kept = reader.retained().map_or(0, |retained| retained.len() as u64);
    if let (Some(live_dir), Some(control)) = (&reader.live_dir, reader.control()) {
        verified.copies = copies::check(dir, live_dir, &control, reader.geometry)?;
    }
    // Before the frames: a venue may make more of both meanwhile.
    let snapshots = Snapshots::to_read(dir, reader.log_id);
    let listed = snapshots.list()?;
    let mut told = 0;
    while let Some(frame) = reader.next()? {
        verified.frames += 1;
        verified.turns += u64::from(frame.last);
        if verified.first_sequence == 0 {
            verified.first_sequence = frame.sequence;
        }
        if frame.last {
            verified.last_sequence = frame.sequence;
        }
        verified.bytes += frame.end().0 - frame.position.0;
        let end = frame.end().0;
        if end - told >= PROGRESS_BYTES {
            told = end;
            progress(end);
        }
    }
    progress(reader.position().0);
    verified.segments =
        reader.segments()?.iter().filter(|it| it.first_sequence.is_some()).count() as u64;
    verified.torn_tail = reader.tail_cut();
    snapshots.deny_cut(&listed, reader.geometry, reader.position(), verified.last_sequence)
}
