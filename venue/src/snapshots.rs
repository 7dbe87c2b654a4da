//! Snapshots of a venue: an engine, what every reader of the journal knows, and the hashes of the states
//! gone by, all after one turn.
//!
//! `State` is what a replay from the start of the journal gives. It is saved and loaded here, and
//! goes on by the same replay, so that it does not matter how often it was a file in between.
//! `journal/FORMAT.md` has the file; a part's bytes are made where its struct is.

mod called;
mod keeper;
mod marks;
mod mending;
mod mentioned;
mod past;
mod retention;
mod saved;

use std::fmt;
use std::path::PathBuf;

use gateway::order_entry::OrderEntry;
use gateway::saved::NotSaved;
use journal::{
    Frame, JournalError, Log, Position, ReadError, Reader, Snapshot, SnapshotFault, SnapshotHead,
    SnapshotWriter, Snapshots, Tail, frame_checksum,
};
use matcher::record::RECORD_VERSION;
use matcher::{
    Engine, Event, InstrumentId, LIMITS_MAX, OrderRef, Sequence, SessionId, SnapshotError,
    Timestamp,
};

use crate::build;
use crate::feed_thread::FeedIndex;
use crate::in_force::InForce;
use crate::outbound::Outbound;
use crate::recovery::{Folds, Names};
use crate::replay::{Replay, ReplayError, StateHash};
use crate::turns::{Follower, TurnHead};
use called::Called;
pub use keeper::{KeepError, Keeper, Made, SnapshotConfig};
pub use marks::{Mark, begins_before, called_marks, marks};
pub use mending::Mended;
use mentioned::Mentions;
pub use retention::{NotRetired, RetentionConfig};
pub(crate) use saved::Checkpoints;

/// The parts of a snapshot.
mod part {
    pub(super) const ENGINE: u32 = 1;
    pub(super) const NAMES: u32 = 2;
    pub(super) const ORDERS: u32 = 3;
    pub(super) const OUTBOUND: u32 = 4;
    pub(super) const FEED: u32 = 5;
    pub(super) const HASHES: u32 = 6;
    pub(super) const MENTIONED: u32 = 7;
    pub(super) const CALLED: u32 = 8;
}

/// What stays of a snapshot that is too old to start from: whoever asks for a book of the past goes on from there, and who
/// follows or looks for an order leaves out what does not name it.
const INDEX_PARTS: [u32; 4] = [part::ENGINE, part::NAMES, part::MENTIONED, part::CALLED];

/// About so many bytes an order takes in an index.
const ORDER_BYTES: u64 = 64;

/// Why a snapshot was passed over.
#[derive(Debug)]
pub enum Unusable {
    /// The file is not whole, or not ours.
    File(SnapshotFault),
    /// It was made of records of another version.
    RecordVersion(u16),
    /// It lacks a part.
    Missing(u32),
    /// The engine's bytes are none of this version.
    Engine(SnapshotError),
    /// The bytes of a part are none of this version, or contradict the engine.
    Part(u32),
    /// The engine's bytes have another hash than the head says.
    StateHash,
    /// The journal does not have the turn that it ends with: it is longer than the journal, or made of
    /// another history.
    OtherHistory,
    /// The journal cannot be read where it ends.
    Read(ReadError),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::File(fault) => fault.fmt(f),
            Unusable::RecordVersion(found) => {
                write!(f, "is of records of version {found}, not {RECORD_VERSION}")
            }
            Unusable::Missing(part) => write!(f, "lacks part {part}"),
            Unusable::Engine(error) => write!(f, "has no engine of this version: {error}"),
            Unusable::Part(part) => write!(f, "has a part {part} that this version does not read"),
            Unusable::StateHash => f.write_str("has another state than it says"),
            Unusable::OtherHistory => {
                f.write_str("ends with a turn that the journal does not have")
            }
            Unusable::Read(error) => write!(f, "ends where the journal cannot be read: {error}"),
        }
    }
}

impl std::error::Error for Unusable {}

impl From<SnapshotFault> for Unusable {
    fn from(fault: SnapshotFault) -> Unusable {
        Unusable::File(fault)
    }
}

impl From<ReadError> for Unusable {
    fn from(error: ReadError) -> Unusable {
        Unusable::Read(error)
    }
}

/// A snapshot that was passed over: the turn that it ends with, and why.
#[derive(Debug)]
pub struct Refused {
    /// The last turn in it.
    pub sequence: Sequence,
    /// Why.
    pub why: Unusable,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the snapshot of sequence {} {}: passed over", self.sequence, self.why)
    }
}

/// A journal whose beginning is not there, and no snapshot that can be used: what it came to is not known.
#[derive(Debug)]
pub struct Headless {
    /// The segment that it begins with.
    pub first_segment: u64,
    /// Where the segments before it went, `None` if they were removed.
    pub archive: Option<PathBuf>,
    /// The snapshots there are, and why they are of no use.
    pub refused: Vec<Refused>,
}

impl fmt::Display for Headless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Headless { first_segment, archive, refused } = self;
        write!(
            f,
            "the journal begins with segment {first_segment}, and there is no good snapshot"
        )?;
        for Refused { sequence, why } in refused {
            write!(f, "; that of sequence {sequence} {why}")?;
        }
        match archive {
            Some(folder) => write!(
                f,
                ": put the segments before it back, which were moved to {}, and it begins with the first again",
                folder.display()
            ),
            None => f.write_str(
                ": put the segments before it back, or a snapshot, from wherever there is a copy; here they were \
                 removed",
            ),
        }
    }
}

impl std::error::Error for Headless {}

/// A journal that can be read from any of its frames on.
trait Source {
    fn seek(&mut self, at: Position);
    /// The next frame, `None` at the end.
    fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError>;
}

struct TailSource<'a> {
    log: &'a Log,
    tail: Tail,
    limit: Position,
}

impl Source for TailSource<'_> {
    fn seek(&mut self, at: Position) {
        self.tail = self.log.tail(at);
    }

    fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        self.tail.next(self.limit)
    }
}

impl Source for Reader {
    fn seek(&mut self, at: Position) {
        Reader::seek(self, at);
    }

    fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        Reader::next(self)
    }
}

/// Brings `source` behind the last turn of a snapshot, if that turn is there.
fn go_on(source: &mut impl Source, head: &SnapshotHead) -> Result<(), Unusable> {
    if !head.last_frame.0.is_multiple_of(8) {
        return Err(Unusable::OtherHistory);
    }
    source.seek(head.last_frame);
    match source.next()? {
        Some(frame)
            if frame.last
                && frame.position == head.last_frame
                && frame.sequence == head.sequence
                && frame_checksum(&frame) == head.last_checksum =>
        {
            Ok(())
        }
        _ => Err(Unusable::OtherHistory),
    }
}

/// Everything that is known after a turn.
pub(crate) struct State {
    /// The engine.
    pub replay: Replay,
    /// The readers' states.
    pub folds: Folds,
    /// Hashes of the states gone by.
    pub checkpoints: Checkpoints,
    /// The turns since the last snapshot or index.
    stretch: Stretch,
    /// Where the last frame of the last turn begins, `None` before the first turn.
    last_frame: Option<Position>,
}

impl State {
    /// Before the first turn.
    pub(crate) fn new(orders_per_session_max: u32) -> State {
        State {
            replay: Replay::new(),
            folds: Folds::new(orders_per_session_max),
            checkpoints: Checkpoints::default(),
            stretch: Stretch::new(Sequence(0), OrderRef::NONE),
            last_frame: None,
        }
    }

    /// Takes the next frame of the journal.
    ///
    /// # Errors
    ///
    /// If it is no frame of a turn, or this build gives other events than it holds.
    pub(crate) fn frame(&mut self, frame: &Frame<'_>) -> Result<(), ReplayError> {
        let State { replay, folds, stretch, .. } = self;
        replay.frame(frame, &mut FoldsAndStretch { folds, stretch })?;
        if frame.last {
            self.last_frame = Some(frame.position);
            if Checkpoints::is_due(Sequence(frame.sequence)) {
                self.checkpoint();
            }
        }
        Ok(())
    }

    /// Remembers the hash of the state as it is.
    fn checkpoint(&mut self) -> StateHash {
        let sequence = self.replay.place().0;
        match self.checkpoints.all().last() {
            Some(last) if last.sequence == sequence => *last,
            _ => {
                let hash = self.replay.engine().state_hash();
                self.checkpoints.push(StateHash { sequence, hash });
                StateHash { sequence, hash }
            }
        }
    }

    fn head(&self, log: &Log, position: Position, hash: u64) -> Result<SnapshotHead, SaveError> {
        head_of(log, self.replay.place(), (position, self.last_frame), hash)
    }

    /// Writes a snapshot of the state, which ends at `position` of `log`. Returns its hash and bytes.
    ///
    /// # Errors
    ///
    /// If it cannot be written; there is none then.
    pub(crate) fn save(
        &mut self,
        log: &Log,
        snapshots: &Snapshots,
        position: Position,
    ) -> Result<(StateHash, u64), SaveError> {
        let checkpoint = self.checkpoint();
        let mut writer = snapshots.write(&self.head(log, position, checkpoint.hash)?)?;
        let State { replay, folds, stretch, .. } = self;
        save_index_parts(replay, (&folds.names, &folds.in_force), stretch, &mut writer);
        let Folds { entry, outbound, feed, .. } = &self.folds;
        writer.part(part::ORDERS, |out| entry.save(out));
        writer.part(part::OUTBOUND, |out| outbound.save(out));
        writer.part(part::FEED, |out| feed.save(out));
        writer.part(part::HASHES, |out| self.checkpoints.save(out));
        let bytes = writer.finish()?;
        self.stretch.begin(checkpoint.sequence);
        Ok((checkpoint, bytes))
    }

    /// The same of an index: what stays of a snapshot for readers of the past.
    ///
    /// # Errors
    ///
    /// As [`State::save`].
    fn save_index(
        &mut self,
        log: &Log,
        snapshots: &Snapshots,
        position: Position,
    ) -> Result<(), SaveError> {
        let State { replay, folds, stretch, last_frame, .. } = self;
        let names = (&folds.names, &folds.in_force);
        save_index((log, snapshots), replay, names, stretch, (position, *last_frame)).map(drop)
    }

    /// About so many bytes an index has.
    fn index_bytes(&self) -> u64 {
        index_bytes(&self.replay, &self.stretch)
    }

    /// An index that ends with the turn at hand is there: what follows is another stretch.
    fn pass_index(&mut self) {
        self.stretch.begin(self.replay.place().0);
    }

    /// The state of a snapshot.
    ///
    /// # Errors
    ///
    /// If any part of it is not what this version saves, or the parts do not fit each other.
    fn load(snapshot: &Snapshot, orders_per_session_max: u32) -> Result<State, Unusable> {
        let head = snapshot.head();
        let bytes = |kind| snapshot.part(kind).ok_or(Unusable::Missing(kind));
        let engine_bytes = engine_bytes(snapshot)?;
        let (names, in_force) = load_names(snapshot)?;
        let (orders, outbound) = (bytes(part::ORDERS)?, bytes(part::OUTBOUND)?);
        let (feed, hashes) = (bytes(part::FEED)?, bytes(part::HASHES)?);
        // Both take their time where millions of orders rest or were.
        let (engine, entry) = std::thread::scope(|scope| {
            let load = || OrderEntry::load(orders, &names.instruments, orders_per_session_max);
            let entry = scope.spawn(load);
            (Engine::load(engine_bytes, &LIMITS_MAX), joined(entry.join()))
        });
        let engine = engine.map_err(Unusable::Engine)?;
        let of = |kind| move |NotSaved| Unusable::Part(kind);
        let folds = Folds {
            entry: entry.map_err(of(part::ORDERS))?,
            outbound: Outbound::load(outbound).map_err(of(part::OUTBOUND))?,
            feed: FeedIndex::load(feed, &names.instruments).map_err(of(part::FEED))?,
            names,
            in_force,
        };
        let checkpoints = Checkpoints::load(hashes).map_err(of(part::HASHES))?;
        fits(&engine, &folds.names)?;
        let stretch = Stretch::new(Sequence(head.sequence), engine.places());
        Ok(State {
            stretch,
            replay: Replay::resume(engine, place(head)),
            folds,
            checkpoints,
            last_frame: Some(head.last_frame),
        })
    }
}

/// What the turns since the last snapshot or index are about, for who looks for one of them.
struct Stretch {
    mentions: Mentions,
    called: Called,
}

impl Stretch {
    /// Of what follows the turn `after`, when `place` was the last place in a queue that was given out.
    fn new(after: Sequence, place: OrderRef) -> Stretch {
        Stretch { mentions: Mentions::new(after, place), called: Called::new(after) }
    }

    /// The next one begins, after the turn `after`.
    fn begin(&mut self, after: Sequence) {
        self.mentions.begin(after);
        self.called = Called::new(after);
    }
}

impl Follower for Stretch {
    #[inline]
    fn input(&mut self, head: &TurnHead) {
        self.mentions.input(head);
        self.called.turn(head);
    }

    #[inline]
    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.mentions.event(head, index, event);
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// Both are told of each turn.
struct FoldsAndStretch<'a> {
    folds: &'a mut Folds,
    stretch: &'a mut Stretch,
}

impl Follower for FoldsAndStretch<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.folds.input(head);
        self.stretch.input(head);
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.folds.event(head, index, event);
        self.stretch.event(head, index, event);
    }

    fn end_turn(&mut self, head: &TurnHead) {
        self.folds.end_turn(head);
    }
}

/// The head of a snapshot that ends with the turn at `place`, at a position and with a frame.
fn head_of(
    log: &Log,
    (sequence, time): (Sequence, Timestamp),
    (position, last_frame): (Position, Option<Position>),
    state_hash: u64,
) -> Result<SnapshotHead, SaveError> {
    // Before the first turn there is no frame, and reading it says so.
    let last_frame = last_frame.unwrap_or_default();
    Ok(SnapshotHead {
        record_version: RECORD_VERSION,
        sequence: sequence.0,
        position,
        last_frame,
        last_checksum: frame_checksum(&log.archive().frame(last_frame)?),
        time: time.0,
        state_hash,
        build: build::id(),
    })
}

/// Writes an index; the next stretch begins behind it. Returns its bytes.
fn save_index(
    (log, snapshots): (&Log, &Snapshots),
    replay: &Replay,
    names: (&Names, &InForce),
    stretch: &mut Stretch,
    end: (Position, Option<Position>),
) -> Result<u64, SaveError> {
    let head = head_of(log, replay.place(), end, replay.engine().state_hash())?;
    let mut writer = snapshots.write(&head)?;
    save_index_parts(replay, names, stretch, &mut writer);
    let bytes = writer.finish_index()?;
    stretch.begin(Sequence(head.sequence));
    Ok(bytes)
}

fn save_index_parts(
    replay: &Replay,
    (names, in_force): (&Names, &InForce),
    stretch: &mut Stretch,
    writer: &mut SnapshotWriter<'_>,
) {
    writer.part(part::ENGINE, |mut out| replay.engine().save(&mut out));
    writer.part(part::NAMES, |out| saved::save_names(names, in_force, out));
    writer.part(part::MENTIONED, |out| stretch.mentions.save(out));
    writer.part(part::CALLED, |out| stretch.called.save(out));
}

/// About so many bytes an index has.
fn index_bytes(replay: &Replay, stretch: &Stretch) -> u64 {
    let orders = replay.engine().orders_len() as u64;
    orders * ORDER_BYTES + stretch.mentions.bytes() + stretch.called.bytes()
}

/// What a thread gave; its panic is ours.
pub(crate) fn joined<T>(result: std::thread::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

const fn place(head: &SnapshotHead) -> (Sequence, Timestamp) {
    (Sequence(head.sequence), Timestamp(head.time))
}

/// The bytes of the engine. They end with the hash of its state.
fn engine_bytes(snapshot: &Snapshot) -> Result<&[u8], Unusable> {
    let head = snapshot.head();
    if head.record_version != RECORD_VERSION {
        return Err(Unusable::RecordVersion(head.record_version));
    }
    let bytes = snapshot.part(part::ENGINE).ok_or(Unusable::Missing(part::ENGINE))?;
    if bytes.last_chunk() != Some(&head.state_hash.to_le_bytes()) {
        return Err(Unusable::StateHash);
    }
    Ok(bytes)
}

fn load_names(snapshot: &Snapshot) -> Result<(Names, crate::in_force::InForce), Unusable> {
    let bytes = snapshot.part(part::NAMES).ok_or(Unusable::Missing(part::NAMES))?;
    saved::load_names(bytes).map_err(|NotSaved| Unusable::Part(part::NAMES))
}

/// Whether the names are those of what the engine has, no more and no less.
fn fits(engine: &Engine, names: &Names) -> Result<(), Unusable> {
    let wrong = Unusable::Part(part::NAMES);
    let ids = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let (instruments, sessions) = (ids(names.instruments.len()), ids(names.sessions.len()));
    // Ids of sessions begin with 1: session 0 is the venue.
    let has = |instrument: Option<u32>| {
        instrument.is_some_and(|id| engine.book(InstrumentId(id)).is_some())
    };
    let good = (instruments == 0 || has(instruments.checked_sub(1)))
        && !has(Some(instruments))
        && (sessions == 0 || engine.session(SessionId(sessions)).is_some())
        && engine.session(SessionId(sessions.saturating_add(1))).is_none();
    if good { Ok(()) } else { Err(wrong) }
}

/// Why a snapshot could not be written.
#[derive(Debug)]
pub(crate) enum SaveError {
    /// The journal's last frame cannot be read.
    Read(ReadError),
    /// The file cannot be written.
    Write(JournalError),
}

impl From<ReadError> for SaveError {
    fn from(error: ReadError) -> SaveError {
        SaveError::Read(error)
    }
}

impl From<JournalError> for SaveError {
    fn from(error: JournalError) -> SaveError {
        SaveError::Write(error)
    }
}

/// Where to go on from: the newest good snapshot, or the start of the journal.
pub(crate) struct Begun {
    /// What is known there.
    pub state: State,
    /// What comes next, up to the limit.
    pub tail: Tail,
    /// Whether it is a snapshot's.
    pub from_snapshot: bool,
    /// Newer snapshots that were passed over.
    pub refused: Vec<Refused>,
}

/// Loads the newest snapshot that is good and not beyond `limit` of the log.
///
/// # Errors
///
/// If there is none and the log's beginning is not there.
pub(crate) fn begin(
    log: &Log,
    snapshots: &Snapshots,
    limit: Position,
    orders_per_session_max: u32,
) -> Result<Begun, Headless> {
    let mut refused = Vec::new();
    for sequence in snapshots.list().unwrap_or_default().into_iter().rev() {
        match begin_with(log, snapshots, sequence, limit, orders_per_session_max) {
            Ok((state, tail)) => return Ok(Begun { state, tail, from_snapshot: true, refused }),
            Err(why) => refused.push(Refused { sequence: Sequence(sequence), why }),
        }
    }
    if !log.is_whole() {
        let retained = log.retained();
        return Err(Headless {
            first_segment: log.first_segment(),
            archive: retained.and_then(|retained| retained.archive()),
            refused,
        });
    }
    let state = State::new(orders_per_session_max);
    Ok(Begun { state, tail: log.tail(log.start()), from_snapshot: false, refused })
}

fn begin_with(
    log: &Log,
    snapshots: &Snapshots,
    sequence: u64,
    limit: Position,
    orders_per_session_max: u32,
) -> Result<(State, Tail), Unusable> {
    let snapshot = snapshots.open(sequence)?;
    let mut source = TailSource { log, tail: log.tail(log.start()), limit };
    go_on(&mut source, snapshot.head())?;
    Ok((State::load(&snapshot, orders_per_session_max)?, source.tail))
}

/// An engine and the names, after some turn of a journal that is only read.
pub struct Index {
    /// The engine, to go on with.
    pub replay: Replay,
    /// Who and what is defined.
    pub names: Names,
}

/// Brings `reader` behind the newest snapshot that `fits` and is good, so that the frames that follow go
/// on from what is returned. `None`: there is none, and the reader is where the journal begins. What was
/// passed over is told too. Of two snapshots the later one fits only if the earlier one does: not all are looked at.
///
/// Nothing of a snapshot but the engine and the names is read.
pub fn index(
    reader: &mut Reader,
    snapshots: &Snapshots,
    fits: impl Fn(&SnapshotHead) -> bool,
) -> (Option<Index>, Vec<Refused>) {
    let newest_first = |mut all: Vec<u64>| {
        all.truncate(fitting(&all, snapshots, &fits));
        all.reverse();
        all
    };
    index_of(reader, snapshots, newest_first, &fits)
}

/// How many of `all` may fit: those behind do not. One that cannot be read stands with those before it.
fn fitting(all: &[u64], snapshots: &Snapshots, fits: impl Fn(&SnapshotHead) -> bool) -> usize {
    let (mut low, mut high) = (0, all.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let readable =
            (low..=middle).rev().find_map(|at| Some((at, snapshots.head(all[at]).ok()?)));
        match readable {
            Some((at, head)) if !fits(&head) => high = at,
            _ => low = middle + 1,
        }
    }
    low
}

/// The same with the oldest one that is good: where the replay of a journal begins whose first segments
/// have gone.
pub fn oldest_index(reader: &mut Reader, snapshots: &Snapshots) -> (Option<Index>, Vec<Refused>) {
    index_of(reader, snapshots, |all| all, |_| true)
}

/// The names that the oldest good snapshot has: those of a journal whose first segments, with the
/// definitions in them, have gone. `None` if there is no good one.
#[must_use]
pub fn oldest_names(snapshots: &Snapshots) -> Option<Names> {
    let all = snapshots.list().unwrap_or_default();
    all.into_iter().find_map(|sequence| names_of(snapshots, sequence))
}

/// The names that the newest good snapshot of `reader`'s journal has: everybody but who was defined since. `None` if there
/// is no good one; `reader` is where it was.
pub fn newest_names(reader: &mut Reader, snapshots: &Snapshots) -> Option<Names> {
    let start = reader.position();
    let mut of = |sequence| {
        go_on(reader, &snapshots.head(sequence).ok()?).ok()?;
        names_of(snapshots, sequence)
    };
    let names = snapshots.list_all().unwrap_or_default().into_iter().rev().find_map(&mut of);
    reader.seek(start);
    names
}

/// Brings `reader` behind turn `sequence`, with the names that its snapshot or index has: for who needs no more to
/// read on from there. `None` if it is not good; `reader` is where it was.
pub fn go_to(reader: &mut Reader, snapshots: &Snapshots, sequence: u64) -> Option<Names> {
    let start = reader.position();
    let gone = snapshots.head(sequence).ok().and_then(|head| go_on(reader, &head).ok());
    let names = gone.and_then(|()| names_of(snapshots, sequence));
    if names.is_none() {
        reader.seek(start);
    }
    names
}

fn names_of(snapshots: &Snapshots, sequence: u64) -> Option<Names> {
    let snapshot = snapshots.open_parts(sequence, &[part::NAMES]).ok()?;
    Some(load_names(&snapshot).ok()?.0)
}

fn index_of(
    reader: &mut Reader,
    snapshots: &Snapshots,
    order: impl Fn(Vec<u64>) -> Vec<u64>,
    fits: impl Fn(&SnapshotHead) -> bool,
) -> (Option<Index>, Vec<Refused>) {
    let start = reader.position();
    let mut refused = Vec::new();
    for sequence in order(snapshots.list_all().unwrap_or_default()) {
        // What is left of one from before the journal's beginning: it goes with the next snapshot.
        let is_there = |head: &SnapshotHead| head.last_frame >= start && fits(head);
        match index_with(reader, snapshots, sequence, is_there) {
            Ok(Some(index)) => return (Some(index), refused),
            Ok(None) => {}
            Err(why) => refused.push(Refused { sequence: Sequence(sequence), why }),
        }
    }
    reader.seek(start);
    (None, refused)
}

fn index_with(
    reader: &mut Reader,
    snapshots: &Snapshots,
    sequence: u64,
    wanted: impl Fn(&SnapshotHead) -> bool,
) -> Result<Option<Index>, Unusable> {
    if !wanted(&snapshots.head(sequence)?) {
        return Ok(None);
    }
    let snapshot = snapshots.open_parts(sequence, &[part::ENGINE, part::NAMES])?;
    go_on(reader, snapshot.head())?;
    let (names, _) = load_names(&snapshot)?;
    let engine = Engine::load(engine_bytes(&snapshot)?, &LIMITS_MAX).map_err(Unusable::Engine)?;
    fits(&engine, &names)?;
    Ok(Some(Index { replay: Replay::resume(engine, place(snapshot.head())), names }))
}

/// The state hashes that the snapshots of `reader`'s journal know: what a replay from its start compares
/// its states with. Snapshots that cannot be used are told; `reader` is where it was.
pub fn state_hashes(reader: &mut Reader, snapshots: &Snapshots) -> (Vec<StateHash>, Vec<Refused>) {
    let start = reader.position();
    let (mut hashes, mut refused) = (Vec::new(), Vec::new());
    for sequence in snapshots.list().unwrap_or_default() {
        match hashes_of(reader, snapshots, sequence) {
            Ok(more) => hashes.extend(more),
            Err(why) => refused.push(Refused { sequence: Sequence(sequence), why }),
        }
    }
    reader.seek(start);
    hashes.sort_unstable_by_key(|known: &StateHash| (known.sequence, known.hash));
    // Of two that differ both stay: one of them will be found out.
    hashes.dedup();
    (hashes, refused)
}

fn hashes_of(
    reader: &mut Reader,
    snapshots: &Snapshots,
    sequence: u64,
) -> Result<Vec<StateHash>, Unusable> {
    let snapshot = snapshots.open_parts(sequence, &[part::HASHES])?;
    go_on(reader, snapshot.head())?;
    let bytes = snapshot.part(part::HASHES).ok_or(Unusable::Missing(part::HASHES))?;
    let checkpoints = Checkpoints::load(bytes).map_err(|NotSaved| Unusable::Part(part::HASHES))?;
    let head = snapshot.head();
    let own = StateHash { sequence: Sequence(head.sequence), hash: head.state_hash };
    Ok(checkpoints.all().iter().copied().chain([own]).collect())
}
