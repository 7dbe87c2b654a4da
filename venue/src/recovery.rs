//! Start-up: the journal is replayed, every reader's state is folded from it, and what the
//! configuration adds becomes the next Inputs.

use std::borrow::Cow;
use std::fmt;

use gateway::order_entry::OrderEntry;
use journal::{Log, Position, Snapshots, Tail};
use matcher::{Command, Engine, Event, Instrument, InstrumentId, Sequence, SessionId, Timestamp};

use crate::build;
use crate::config::Config;
use crate::feed_thread::FeedIndex;
use crate::in_force::InForce;
use crate::outbound::Outbound;
use crate::replay::{Replay, ReplayError};
use crate::snapshots::{self, Begun, Headless, Refused, State, joined};
use crate::turns::{Cutter, FollowError, Follower, TurnHead};

/// What the readers know at the end of the journal.
pub(crate) struct Folds {
    /// Every session's orders of the day.
    pub entry: OrderEntry,
    /// Where every outbound message is.
    pub outbound: Outbound,
    /// Where every ITCH message is.
    pub feed: FeedIndex,
    /// Who and what is defined.
    pub names: Names,
    /// What the venue has set.
    pub in_force: InForce,
}

impl Folds {
    /// Before the first turn.
    pub(crate) fn new(orders_per_session_max: u32) -> Folds {
        Folds {
            entry: OrderEntry::new(orders_per_session_max),
            outbound: Outbound::default(),
            feed: FeedIndex::default(),
            names: Names::default(),
            in_force: InForce::default(),
        }
    }
}

/// Names that stand in the journal: it can be read without the configuration.
#[derive(Clone, Default)]
pub struct Names {
    /// CompID and firm of each session, from session 1.
    pub sessions: Vec<(String, String)>,
    /// Each instrument as defined.
    pub instruments: Vec<Instrument>,
    /// When day orders expired last.
    pub expired: Option<Timestamp>,
    /// When the journal began.
    pub began: Option<Timestamp>,
}

impl Names {
    /// CompID of a session; of one whose definition was not told, in a part of a journal, its number: what it asked
    /// for is not the venue's doing.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Cow<'_, str> {
        let Some(index) = id.index().checked_sub(1) else { return "VENUE".into() };
        match self.sessions.get(index) {
            Some((comp_id, _)) => comp_id.into(),
            None => format!("session {}", id.0).into(),
        }
    }

    /// The instrument with this symbol.
    #[must_use]
    pub fn instrument(&self, symbol: &str) -> Option<(InstrumentId, &Instrument)> {
        (0..).zip(&self.instruments).find_map(|(id, instrument)| {
            (instrument.symbol.as_str() == symbol).then_some((InstrumentId(id), instrument))
        })
    }
}

impl Follower for Names {
    fn input(&mut self, head: &TurnHead) {
        self.began.get_or_insert(head.input.timestamp);
    }

    fn event(&mut self, head: &TurnHead, _: u32, event: &Event) {
        match (event, &head.input.command) {
            // Ids are dense. One that is known was told by a snapshot from behind this place.
            (Event::SessionDefined { id }, _) if id.index() > self.sessions.len() => {
                self.sessions.push(session_names(head.attachment()))
            }
            (Event::InstrumentDefined { id }, Command::DefineInstrument { instrument, .. })
                if id.index() >= self.instruments.len() =>
            {
                self.instruments.push(*instrument);
            }
            _ => {}
        }
    }

    fn end_turn(&mut self, head: &TurnHead) {
        if head.input.command == Command::ExpireDay {
            self.expired = Some(head.input.timestamp);
        }
    }
}

/// Every session's orders.
struct EntryFold<'a>(&'a mut OrderEntry);

impl Follower for EntryFold<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.0.input(head.position.0, &head.input, head.attachment());
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.0.event(head.position.0, &head.input, index, event);
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// What is known beside the orders.
struct Others<'a> {
    outbound: &'a mut Outbound,
    feed: &'a mut FeedIndex,
    names: &'a mut Names,
    in_force: &'a mut InForce,
}

impl Follower for Others<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.names.input(head);
        self.in_force.input(head);
        self.outbound.input(&head.input);
        self.feed.input(head);
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.names.event(head, index, event);
        self.in_force.event(head, index, event);
        self.outbound.event(head.position, event);
        self.feed.event(head, index, event);
    }

    fn end_turn(&mut self, head: &TurnHead) {
        self.names.end_turn(head);
        self.feed.end_turn(head);
    }
}

impl Folds {
    /// Both halves.
    fn halves(&mut self) -> (EntryFold<'_>, Others<'_>) {
        let Folds { entry, outbound, feed, names, in_force } = self;
        (EntryFold(entry), Others { outbound, feed, names, in_force })
    }
}

impl Follower for Folds {
    fn input(&mut self, head: &TurnHead) {
        let (mut entry, mut others) = self.halves();
        entry.input(head);
        others.input(head);
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        let (mut entry, mut others) = self.halves();
        entry.event(head, index, event);
        others.event(head, index, event);
    }

    fn end_turn(&mut self, head: &TurnHead) {
        let (mut entry, mut others) = self.halves();
        entry.end_turn(head);
        others.end_turn(head);
    }
}

/// Why a venue cannot go on from its journal.
#[derive(Debug)]
pub enum RecoveryError {
    /// The journal does not replay.
    Replay(ReplayError),
    /// The configuration contradicts what the journal holds.
    Config(String),
    /// The journal's beginning is not there, and no good snapshot.
    Headless(Headless),
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoveryError::Replay(error) => error.fmt(f),
            RecoveryError::Config(what) => f.write_str(what),
            RecoveryError::Headless(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RecoveryError {}

/// What the journal gives.
pub(crate) struct Recovered {
    /// The engine as of the last turn.
    pub engine: Engine,
    /// The readers' states.
    pub folds: Folds,
    /// The last turn's place and time.
    pub last: (Sequence, Timestamp),
    /// Where the next turn begins.
    pub end: Position,
    /// The last turn in the snapshot that the rest was replayed from, if there was one.
    pub from_snapshot: Option<Sequence>,
    /// Newer snapshots that cannot be used.
    pub refused: Vec<Refused>,
}

/// Replays `log` to its end, from the newest good one of `snapshots`, and folds every reader's state.
///
/// # Errors
///
/// If the journal cannot be read, or this build gives other events than it holds, or its beginning is not there
/// and no good snapshot.
pub(crate) fn recover(
    log: &Log,
    snapshots: &Snapshots,
    orders_per_session_max: u32,
) -> Result<Recovered, RecoveryError> {
    let limit = log.committed();
    let begun = snapshots::begin(log, snapshots, limit, orders_per_session_max);
    let Begun { state, mut tail, from_snapshot, refused } =
        begun.map_err(RecoveryError::Headless)?;
    let State { mut replay, mut folds, .. } = state;
    let from_snapshot = from_snapshot.then(|| replay.place().0);
    // The names of orders take as long as everything else, and neither needs the other.
    let from = tail.position();
    let (replayed, folded) = std::thread::scope(|scope| {
        let (mut entry, mut others) = folds.halves();
        let followed = log.tail(from);
        let (tail, replay) = (&mut tail, &mut replay);
        let replaying = scope.spawn(move || replay_to(tail, limit, replay, &mut others));
        // On this thread: the tables of orders are most of what is allocated, and on another one the allocator asks the
        // kernel for it a page of the table at a time, where the other waits for the same lock.
        let folded = fold(followed, limit, &mut entry);
        (joined(replaying.join()), folded)
    });
    // What was not replayed is not believed: only then it does not matter what folding it did.
    replayed.map_err(RecoveryError::Replay)?;
    folded.map_err(|error| RecoveryError::Replay(error.into()))?;
    let (last, end) = (replay.place(), tail.position());
    Ok(Recovered { engine: replay.into_engine(), folds, last, end, from_snapshot, refused })
}

fn replay_to(
    tail: &mut Tail,
    limit: Position,
    replay: &mut Replay,
    others: &mut Others<'_>,
) -> Result<(), ReplayError> {
    while let Some(frame) = tail.next(limit).map_err(FollowError::from)? {
        replay.frame(&frame, others)?;
    }
    Ok(())
}

fn fold(mut tail: Tail, limit: Position, entry: &mut EntryFold<'_>) -> Result<(), FollowError> {
    let mut cutter = Cutter::default();
    let mut batch = Batch { entry, waiting: Vec::with_capacity(BATCH) };
    while let Some(frame) = tail.next(limit)? {
        cutter.frame(&frame, &mut batch)?;
    }
    batch.tell();
    batch.entry.0.index();
    Ok(())
}

/// Events that are told at once.
const BATCH: usize = 64;

/// Tells events some at a time: the order that one is about may be anywhere in memory, and to wait for
/// each in turn takes longer than everything else. So all of a batch are touched before the first is told.
///
/// Requests are told at once, and whether they were accepted. What they enter stands at the end of what there is, and depends
/// on no event but a definition; what happens to it comes after that.
struct Batch<'a, 'b> {
    entry: &'a mut EntryFold<'b>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    position: Position,
    event: Event,
}

impl Batch<'_, '_> {
    fn tell(&mut self) {
        let touched = self.waiting.iter().fold(0, |sum, it| sum ^ self.entry.0.touch(&it.event));
        std::hint::black_box(touched);
        for Waiting { position, event } in &self.waiting {
            self.entry.0.changed(position.0, event);
        }
        self.waiting.clear();
    }
}

impl Follower for Batch<'_, '_> {
    fn input(&mut self, head: &TurnHead) {
        self.entry.input(head);
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        match event {
            // Most of what there is, and nothing to an order's name.
            Event::Rested(_) => {}
            Event::Accepted(_) | Event::Rejected(_) => self.entry.event(head, index, event),
            _ if OrderEntry::may_wait(event) => {
                self.waiting.push(Waiting { position: head.position, event: *event });
                if self.waiting.len() == BATCH {
                    self.tell();
                }
            }
            _ => {
                self.tell();
                self.entry.event(head, index, event);
            }
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// Brings `folds` on from `from` to `to`.
///
/// # Errors
///
/// If the journal cannot be followed.
pub(crate) fn follow(
    log: &Log,
    from: Position,
    to: Position,
    folds: &mut Folds,
) -> Result<Position, RecoveryError> {
    let failed = |error| RecoveryError::Replay(ReplayError::Follow(error));
    let (mut tail, mut cutter) = (log.tail(from), Cutter::default());
    while let Some(frame) = tail.next(to).map_err(|error| failed(error.into()))? {
        cutter.frame(&frame, folds).map_err(failed)?;
    }
    Ok(tail.position())
}

/// A command of the venue itself, with its attachment.
pub(crate) type Definition = (Command, Vec<u8>);

/// What the configuration adds to what the journal holds, as the next Inputs.
///
/// # Errors
///
/// If it takes something away or changes it: ids and rules of the past stay as they are.
pub(crate) fn definitions(
    config: &Config,
    engine: &Engine,
    folds: &Folds,
    now: Timestamp,
) -> Result<Vec<Definition>, RecoveryError> {
    let names = &folds.names;
    let mut commands: Vec<Definition> = Vec::new();
    let (known, limits) = (engine.limits(), config.limits);
    if known != limits {
        let shrinks = limits.orders_max < known.orders_max
            || limits.levels_max < known.levels_max
            || limits.instruments_max < known.instruments_max
            || limits.sessions_max < known.sessions_max;
        if shrinks {
            let what = format!("[limits] can only grow: the journal has {known:?}");
            return Err(RecoveryError::Config(what));
        }
    }
    let moved =
        config.elsewhere.iter().find(|(symbol, _)| names.instrument(symbol.as_str()).is_some());
    if let Some((symbol, shard)) = moved {
        let what = format!(
            "instrument {symbol} is in this journal, and on shard {shard} in the config: none moves"
        );
        return Err(RecoveryError::Config(what));
    }
    // At every start, changed or not: it says which program the turns from here on are from.
    commands.push((Command::Configure(limits), build::text().into_bytes()));
    for (index, instrument) in config.instruments.iter().enumerate() {
        let id = InstrumentId(u32::try_from(index).unwrap_or(u32::MAX));
        match names.instruments.get(index) {
            None => {
                let phase = config.schedule.phase_at(id, now);
                let instrument = Instrument { phase, ..*instrument };
                commands.push((Command::DefineInstrument { id, instrument }, Vec::new()));
            }
            // The phase is that of the day it was defined.
            Some(known) if Instrument { phase: known.phase, ..*instrument } == *known => {}
            Some(known) => {
                return Err(RecoveryError::Config(format!(
                    "instrument {} is {} in the journal with other rules: add new instruments at the \
                     end, change none (the journal has {known:?})",
                    index + 1,
                    known.symbol,
                )));
            }
        }
    }
    if let Some(missing) = names.instruments.get(config.instruments.len()) {
        let what = format!("instrument {} of the journal is missing in the config", missing.symbol);
        return Err(RecoveryError::Config(what));
    }
    for (index, session) in config.sessions.iter().enumerate() {
        let id = SessionId(u32::try_from(index + 1).unwrap_or(u32::MAX));
        let participant = config.participant(&session.participant).unwrap_or_default();
        match names.sessions.get(index) {
            None => commands.push((
                Command::DefineSession { id, participant },
                session_attachment(&session.comp_id, &session.participant),
            )),
            Some((comp_id, firm))
                if *comp_id == session.comp_id && *firm == session.participant => {}
            Some((comp_id, firm)) => {
                return Err(RecoveryError::Config(format!(
                    "session {} is {comp_id} of {firm} in the journal but {} of {} in the config: add \
                     new sessions at the end, change none",
                    index + 1,
                    session.comp_id,
                    session.participant,
                )));
            }
        }
    }
    if let Some((missing, _)) = names.sessions.get(config.sessions.len()) {
        let what = format!("session {missing} of the journal is missing in the config");
        return Err(RecoveryError::Config(what));
    }
    let changes = folds.in_force.changes(config).into_iter();
    commands.extend(changes.map(|command| (command, Vec::new())));
    Ok(commands)
}

/// CompID and firm, a zero byte between: the attachment of a session's definition.
pub(crate) fn session_attachment(comp_id: &str, participant: &str) -> Vec<u8> {
    let mut bytes = comp_id.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend_from_slice(participant.as_bytes());
    bytes
}

pub(crate) fn session_names(attachment: &[u8]) -> (String, String) {
    let mut parts = attachment.splitn(2, |byte| *byte == 0);
    let mut next = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    (next(), next())
}

#[cfg(test)]
mod tests {
    use matcher::testing::mix::{self, Mix};

    use super::*;

    /// Told in batches or one by one: the same orders, whatever comes.
    #[test]
    fn a_batch_tells_what_one_by_one_tells() {
        for (seed, mix) in (0..).zip(Mix::all()) {
            let (mut one, mut batched) = (OrderEntry::new(u32::MAX), OrderEntry::new(u32::MAX));
            let mut entry = EntryFold(&mut batched);
            let mut batch = Batch { entry: &mut entry, waiting: Vec::with_capacity(BATCH) };
            let mut engine = Engine::new();
            let mut head = TurnHead::NONE;
            for input in mix::record(mix, seed, 3_000) {
                (head.position, head.input) = (Position(input.sequence.0 * 128), input);
                let mut events: Vec<Event> = Vec::new();
                engine.apply(&input, &mut events);
                EntryFold(&mut one).input(&head);
                batch.input(&head);
                for (index, event) in (0..).zip(&events) {
                    EntryFold(&mut one).event(&head, index, event);
                    batch.event(&head, index, event);
                }
            }
            batch.tell();
            let saved = |entry: &OrderEntry| {
                let mut bytes = Vec::new();
                entry.save(&mut |part| bytes.extend_from_slice(part));
                bytes
            };
            assert!(saved(&one).len() > 64 * 500, "few orders with seed {seed}");
            assert!(saved(&one) == saved(&batched), "other orders with seed {seed}");
        }
    }

    /// Events that no engine gave are refused by the replay; the fold beside it believes them first.
    #[test]
    fn events_that_no_engine_gave_are_refused() {
        use matcher::record::{
            EVENT_BYTES_MAX, INPUT_BYTES_MAX, encode_event, encode_input, event_bytes,
        };
        let folder = std::env::temp_dir().join(format!("vesta-review-fold-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let options = journal::Options {
            dir: folder.join("journal"),
            live_dir: folder.join("live"),
            segment_bytes: 1 << 20,
            record_version: matcher::record::RECORD_VERSION,
            live_segments_kept: 1,
            written_ahead: false,
            first_sequence: 1,
        };
        let mut opened = journal::open(&options).unwrap();
        let input = matcher::Input {
            sequence: Sequence(1),
            timestamp: Timestamp(1),
            session: SessionId::VENUE,
            inbound: matcher::MsgSeqNum::NONE,
            command: Command::ExpireDay,
        };
        let id = SessionId(1);
        let restated = matcher::Restated {
            session: id,
            number: matcher::OrderNumber(1),
            msg: matcher::MsgSeqNum(1),
            order_id: matcher::OrderId(1),
            instrument: InstrumentId(0),
            reason: matcher::RestateReason::SelfTrade,
            order_ref: matcher::OrderRef::NONE,
            price: matcher::Price::from_ticks(1),
            cut_qty: matcher::Qty::ZERO,
            leaves_qty: matcher::Qty::from_lots(u64::MAX),
            cum_qty: matcher::Qty::from_lots(1),
            notional: matcher::Notional::ZERO,
        };
        let mut bytes = [0; INPUT_BYTES_MAX];
        let len = encode_input(&input, &[], &mut bytes);
        let mut turn = opened.writer.begin(1);
        turn.space(len).copy_from_slice(&bytes[..len]);
        for event in [Event::SessionDefined { id }, Event::Restated(restated)] {
            let mut bytes = [0; EVENT_BYTES_MAX];
            let len = event_bytes(&event);
            encode_event(&event, &mut bytes[..len]);
            turn.space(len).copy_from_slice(&bytes[..len]);
        }
        turn.commit();
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            recover(&opened.log, &opened.snapshots, 100).map(|_| ()).map_err(|it| it.to_string())
        }));
        let _ = std::fs::remove_dir_all(&folder);
        assert!(matches!(told, Ok(Err(_))));
    }
}
