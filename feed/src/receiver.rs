//! A reader of the multicast: arbitration of two lines, recovery, books. A state machine without sockets.
//!
//! ```text
//!   line A ─┐   first of each number       in order       ┌──────────┐
//!   line B ─┼──▶ MoldReceiver ───────────────────────────▶│  Mirror  │──▶ whoever embeds it
//!  answers ─┘        │ something is missing               └────▲─────┘
//!                    ├─▶ Wants::Request   to the request server │
//!                    └─▶ Wants::Snapshot  a session of GLIMPSE ─┘
//! ```
//!
//! Whoever embeds it brings the bytes ([`Receiver::packet`], [`Receiver::snapshot_message`]) and does what
//! [`Receiver::wants`] says. It asks for messages one packet at a time; when it is too far behind, when nobody answers, or
//! when what it heard cannot be true, it wants a snapshot, and holds what is multicast meanwhile.

use std::fmt;

use matcher::Timestamp;

use crate::decode::{DecodeError, decode};
use crate::glimpse::{SnapshotError, SnapshotReader};
use crate::message::Message;
use crate::mirror::{Mirror, MirrorError};
use crate::mold::{MoldError, MoldReceiver, MoldRequest, MoldSession};

/// How long a snapshot that failed is not tried again.
const SNAPSHOT_AGAIN_NS: u64 = 1_000_000_000;

/// Where a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Line A.
    LineA,
    /// Line B.
    LineB,
    /// The request server.
    Answer,
}

/// With what a receiver begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With a snapshot, and what comes after it.
    Snapshot,
    /// With this message; what was before is not in its books.
    Message(u64),
}

/// What a receiver may do and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// The session, or none: the first that is heard.
    pub session: Option<MoldSession>,
    /// With what it begins.
    pub start: Start,
    /// Whether there is a request server.
    pub has_requests: bool,
    /// Whether there are snapshots.
    pub has_snapshots: bool,
    /// Packets held that came before their turn, 1,400 bytes each at most.
    pub held_packets_max: usize,
    /// How long the other line may take to bring what is missing before it is asked for.
    pub ask_after_ns: u64,
    /// How long an answer may take.
    pub ask_again_ns: u64,
    /// How often the same messages are asked for before a snapshot is wanted.
    pub asks_max: u32,
    /// So many messages behind a snapshot is sooner there than the messages.
    pub behind_max: u64,
}

impl Default for ReceiverConfig {
    fn default() -> ReceiverConfig {
        ReceiverConfig {
            session: None,
            start: Start::Snapshot,
            has_requests: true,
            has_snapshots: true,
            held_packets_max: 1 << 15,
            ask_after_ns: 1_000_000,
            ask_again_ns: 20_000_000,
            asks_max: 10,
            behind_max: 50_000,
        }
    }
}

/// What a receiver needs from whoever embeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// These 20 bytes at the request server ([`MoldRequest::encode`]); the answer is a [`Source::Answer`].
    Request(MoldRequest),
    /// A new session of GLIMPSE, its messages given to [`Receiver::snapshot_message`]. If it cannot be had to its end:
    /// [`Receiver::snapshot_failed`].
    Snapshot,
}

/// Why something that came is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverError {
    /// No packet of this session.
    Mold(MoldError),
    /// A message that is none of ITCH 5.0.
    Decode {
        /// Its number.
        sequence: u64,
        /// What is wrong.
        error: DecodeError,
    },
    /// A message that cannot be true of the books.
    Mirror {
        /// Its number.
        sequence: u64,
        /// What is wrong.
        error: MirrorError,
    },
    /// A snapshot that is none.
    Snapshot(SnapshotError),
}

impl fmt::Display for ReceiverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiverError::Mold(error) => error.fmt(f),
            ReceiverError::Decode { sequence, error } => write!(f, "message {sequence}: {error}"),
            ReceiverError::Mirror { sequence, error } => {
                write!(f, "message {sequence} cannot be true: {error}")
            }
            ReceiverError::Snapshot(error) => write!(f, "snapshot: {error}"),
        }
    }
}

impl std::error::Error for ReceiverError {}

/// What came so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Packets of line A, of line B, of the request server.
    pub packets: [u64; 3],
    /// Messages that had their turn.
    pub messages: u64,
    /// Requests that were wanted.
    pub requests: u64,
    /// Snapshots that were taken.
    pub snapshots: u64,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    mold: MoldReceiver,
    mirror: Mirror,
    state: State,
    asking: Option<Asking>,
    /// The last thing that was wanted in full was a snapshot: the messages since are asked for however many they are.
    is_fresh: bool,
    stats: ReceiverStats,
}

#[derive(Clone, Debug)]
enum State {
    /// The books are those of the last message that had its turn.
    Following,
    /// They are not, and nobody was told yet.
    Lacks { not_before: Timestamp },
    /// A snapshot is on its way.
    Reading(Box<SnapshotReader>),
}

/// What is missing at present.
#[derive(Clone, Copy, Debug)]
struct Asking {
    /// Number of the first message that is.
    next: u64,
    /// When to ask, or to ask again.
    at: Timestamp,
    asked: u32,
}

impl Receiver {
    /// A receiver before its first packet.
    #[must_use]
    pub fn new(config: ReceiverConfig) -> Receiver {
        let next = match config.start {
            Start::Snapshot => 1,
            Start::Message(next) => next,
        };
        let mut receiver = Receiver {
            config,
            mold: MoldReceiver::new(config.session, next, config.held_packets_max),
            mirror: Mirror::new(),
            state: State::Following,
            asking: None,
            is_fresh: false,
            stats: ReceiverStats::default(),
        };
        if config.start == Start::Snapshot {
            receiver.lack(Timestamp(0));
        }
        receiver
    }

    /// The books, as of the last message that had its turn.
    #[must_use]
    pub const fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Number of the next message.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.mold.next()
    }

    /// Whether the books are there, and nothing is missing of what is known of.
    #[must_use]
    pub fn is_current(&self) -> bool {
        matches!(self.state, State::Following) && self.mold.gap().is_none()
    }

    /// Whether the venue has ended the session and every message of it had its turn.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Following) && self.mold.is_complete()
    }

    /// What came so far.
    #[must_use]
    pub const fn stats(&self) -> ReceiverStats {
        self.stats
    }

    /// Takes a packet, and tells `heard` of every message whose turn it is, after it is in the books.
    ///
    /// # Errors
    ///
    /// If the packet or a message in it is of no use. Where there are snapshots one is wanted then if the books are not
    /// right any more; where there are none, they are not.
    pub fn packet(
        &mut self,
        source: Source,
        bytes: &[u8],
        mut heard: impl FnMut(u64, &Message),
    ) -> Result<(), ReceiverError> {
        self.stats.packets[source as usize] += 1;
        if !matches!(self.state, State::Following) {
            return self.mold.hold_only(bytes).map_err(ReceiverError::Mold);
        }
        let mut books = Books::of(&mut self.mirror, &mut self.stats);
        let taken =
            self.mold.receive(bytes, |number, message| books.take(number, message, &mut heard));
        let wrong = books.wrong;
        taken.map_err(ReceiverError::Mold)?;
        self.believe(wrong)
    }

    /// What is to be done now. Ask again after each packet and a few hundred times a second.
    pub fn wants(&mut self, now: Timestamp) -> Option<Wants> {
        match &self.state {
            State::Reading(_) => return None,
            State::Lacks { not_before } if now < *not_before => return None,
            State::Lacks { .. } => {
                self.state = State::Reading(Box::default());
                return Some(Wants::Snapshot);
            }
            State::Following => {}
        }
        let Some(request) = self.mold.gap() else {
            (self.asking, self.is_fresh) = (None, false);
            return None;
        };
        let is_far = self.mold.behind() > self.config.behind_max && !self.is_fresh;
        if self.config.has_snapshots && (is_far || !self.config.has_requests) {
            self.lack(now);
            return self.wants(now);
        }
        let asking = match self.asking {
            Some(asking) if asking.next == request.sequence => asking,
            // An answer came, and there is more to ask for.
            Some(Asking { asked, .. }) if asked > 0 => {
                Asking { next: request.sequence, at: now, asked: 0 }
            }
            _ => {
                let at = Timestamp(now.0.saturating_add(self.config.ask_after_ns));
                Asking { next: request.sequence, at, asked: 0 }
            }
        };
        self.asking = Some(asking);
        if now < asking.at || !self.config.has_requests {
            return None;
        }
        if asking.asked >= self.config.asks_max && self.config.has_snapshots {
            self.mold.forget_held();
            self.lack(now);
            return self.wants(now);
        }
        let at = Timestamp(now.0.saturating_add(self.config.ask_again_ns));
        self.asking = Some(Asking { at, asked: asking.asked + 1, ..asking });
        self.stats.requests += 1;
        Some(Wants::Request(request))
    }

    /// Takes the next message of the snapshot that was wanted. Says whether it was the last; `heard` is told of the
    /// messages since that were multicast meanwhile.
    ///
    /// # Errors
    ///
    /// If the snapshot is none, or what came since does not go with it. Another one is wanted then.
    pub fn snapshot_message(
        &mut self,
        now: Timestamp,
        bytes: &[u8],
        mut heard: impl FnMut(u64, &Message),
    ) -> Result<bool, ReceiverError> {
        let State::Reading(reader) = &mut self.state else { return Ok(true) };
        let next = match reader.message(bytes) {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(false),
            Err(error) => {
                self.snapshot_failed(now);
                return Err(ReceiverError::Snapshot(error));
            }
        };
        let reader = std::mem::replace(&mut self.state, State::Following);
        if let State::Reading(reader) = reader {
            self.mirror = reader.into_mirror();
        }
        self.stats.snapshots += 1;
        (self.asking, self.is_fresh) = (None, true);
        let mut books = Books::of(&mut self.mirror, &mut self.stats);
        self.mold.go_on(next, |number, message| books.take(number, message, &mut heard));
        let wrong = books.wrong;
        self.believe(wrong).map(|()| true)
    }

    /// The snapshot that was wanted cannot be had: it is wanted again after a while.
    pub fn snapshot_failed(&mut self, now: Timestamp) {
        if matches!(self.state, State::Reading(_)) {
            self.lack(Timestamp(now.0.saturating_add(SNAPSHOT_AGAIN_NS)));
        }
    }

    fn lack(&mut self, not_before: Timestamp) {
        self.state = State::Lacks { not_before };
        self.asking = None;
    }

    fn believe(&mut self, wrong: Option<ReceiverError>) -> Result<(), ReceiverError> {
        let Some(wrong) = wrong else { return Ok(()) };
        if self.config.has_snapshots {
            self.lack(Timestamp(0));
        }
        Err(wrong)
    }
}

/// Books under messages whose turn it is.
struct Books<'a> {
    mirror: &'a mut Mirror,
    stats: &'a mut ReceiverStats,
    /// After the first thing that is wrong nothing is taken.
    wrong: Option<ReceiverError>,
}

impl<'a> Books<'a> {
    fn of(mirror: &'a mut Mirror, stats: &'a mut ReceiverStats) -> Books<'a> {
        Books { mirror, stats, wrong: None }
    }

    fn take(&mut self, sequence: u64, bytes: &[u8], heard: &mut impl FnMut(u64, &Message)) {
        if self.wrong.is_some() {
            return;
        }
        self.stats.messages += 1;
        let message = match decode(bytes) {
            Ok(message) => message,
            // Of the types of ITCH that we do not know none changes a book.
            Err(DecodeError::UnknownKind(_)) => return,
            Err(error) => {
                self.wrong = Some(ReceiverError::Decode { sequence, error });
                return;
            }
        };
        match self.mirror.apply(&message) {
            Ok(()) => heard(sequence, &message),
            Err(error) => self.wrong = Some(ReceiverError::Mirror { sequence, error }),
        }
    }
}
