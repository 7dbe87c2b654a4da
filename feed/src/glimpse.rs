//! GLIMPSE 5.0: everything that stands at one moment, and the number of the message to go on with.
//!
//! [`Standing`] follows the messages of the feed and writes the snapshot; [`SnapshotReader`] reads one.

use std::fmt;

use matcher::{Command, Engine, Event, Input, MsgSeqNum, Sequence, SessionId, Side, Timestamp};

use crate::decode::{DecodeError, decode};
use crate::message::{
    AddOrder, Alpha, EventCode, Header, Message, StockDirectory, SystemEvent, TradingAction,
    TradingStatus,
};
use crate::mirror::{Mirror, MirrorError};
use crate::publisher::{DAY_NS, MessageSink, Publisher};

/// The type of the message that ends a snapshot.
pub const SNAPSHOT_END: u8 = b'G';

/// Its length: the type and 20 digits.
pub const SNAPSHOT_END_BYTES: usize = 21;

/// The message that ends a snapshot: the real-time feed goes on with message `next`.
#[must_use]
pub fn encode_snapshot_end(next: u64) -> [u8; SNAPSHOT_END_BYTES] {
    let mut bytes = [b'0'; SNAPSHOT_END_BYTES];
    bytes[0] = SNAPSHOT_END;
    let mut rest = next;
    for digit in bytes[1..].iter_mut().rev() {
        #[allow(clippy::cast_possible_truncation)] // A digit.
        let last = (rest % 10) as u8;
        *digit = b'0' + last;
        rest /= 10;
    }
    bytes
}

/// The number in the message that ends a snapshot, padded on either side; `None` if it is not one.
#[must_use]
pub fn decode_snapshot_end(bytes: &[u8]) -> Option<u64> {
    let bytes: &[u8; SNAPSHOT_END_BYTES] = bytes.try_into().ok()?;
    if bytes[0] != SNAPSHOT_END {
        return None;
    }
    let digits = bytes[1..].trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// What stands after the messages so far: instruments, their states, and every displayed order.
///
/// It is given each message of a feed as a [`MessageSink`]. Memory: that of a [`Mirror`].
#[derive(Clone, Debug, Default)]
pub struct Standing {
    mirror: Mirror,
    /// By `stock_locate`.
    listed: Vec<Option<(StockDirectory, TradingAction)>>,
    system: Option<SystemEvent>,
    messages: u64,
    /// What could not be true; from there on nothing is known.
    failed: Option<MirrorError>,
}

impl Standing {
    /// What stands at the start of a feed.
    #[must_use]
    pub fn new() -> Standing {
        Standing::default()
    }

    /// What stands in the books of `engine`, whose feed has had so many messages; `at` is the time of its last turn,
    /// `day_ended` when a day of it ended last.
    #[must_use]
    pub fn of(
        engine: &Engine,
        messages: u64,
        (at, day_ended): (Timestamp, Option<Timestamp>),
    ) -> Standing {
        let mut standing = Standing::new();
        let mut publisher = Publisher::new();
        for (id, instrument) in engine.instruments() {
            let input = Input {
                // Not the first turn, which begins the feed.
                sequence: Sequence(2),
                timestamp: at,
                session: SessionId::VENUE,
                inbound: MsgSeqNum::NONE,
                command: Command::DefineInstrument { id, instrument: *instrument },
            };
            publisher.turn(&input, &[Event::InstrumentDefined { id }], &mut standing);
        }
        for (id, _) in engine.instruments() {
            let Some(book) = engine.book(id) else { continue };
            for side in [Side::Buy, Side::Sell] {
                for order in book.orders(side) {
                    let (order_ref, qty) = (order.order_ref, order.displayed_qty);
                    publisher.add(id, order_ref, side, qty, order.price, &mut standing);
                }
            }
        }
        let (event, at) = match day_ended {
            Some(at) => (EventCode::EndOfMarketHours, at),
            None => (EventCode::StartOfMessages, at),
        };
        let header =
            Header { stock_locate: 0, tracking_number: 0, since_midnight_ns: at.0 % DAY_NS };
        standing.system = (messages > 0).then_some(SystemEvent { header, event });
        standing.messages = messages;
        standing
    }

    /// Number of the next message of the feed.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.messages + 1
    }

    /// The books.
    #[must_use]
    pub const fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// What could not be true of the messages so far: our bug. Nothing is known then.
    #[must_use]
    pub const fn failed(&self) -> Option<MirrorError> {
        self.failed
    }

    /// Writes the snapshot: the last system event; each instrument with its state; each order as an `A`, those of a price
    /// oldest first; the number to go on with. `at` is the time that stands in the orders: that of the last turn. Call it
    /// between two turns.
    pub fn snapshot(&self, at: Timestamp, mut write: impl FnMut(&[u8])) {
        let since_midnight_ns = at.0 % DAY_NS;
        if let Some(system) = &self.system {
            write(&system.encode());
        }
        let listed = || (0..).zip(&self.listed).filter_map(|(at, it)| Some((at, it.as_ref()?)));
        for (_, (directory, _)) in listed() {
            write(&directory.encode());
        }
        for (_, (_, action)) in listed() {
            write(&action.encode());
        }
        for (stock_locate, (directory, _)) in listed() {
            let header = Header { stock_locate, tracking_number: 0, since_midnight_ns };
            for side in [Side::Buy, Side::Sell] {
                for order in self.mirror.orders(stock_locate, side) {
                    let add = AddOrder {
                        header,
                        order_ref: order.order_ref,
                        side,
                        shares: order.shares,
                        stock: directory.stock,
                        price: order.price,
                    };
                    write(&add.encode());
                }
            }
        }
        write(&encode_snapshot_end(self.next()));
    }

    fn list(&mut self, directory: StockDirectory) {
        let at = usize::from(directory.header.stock_locate);
        if self.listed.len() <= at {
            self.listed.resize(at + 1, None);
        }
        let action = TradingAction {
            header: directory.header,
            stock: directory.stock,
            status: TradingStatus::Halted,
            reason: Alpha::literal(*b"    "),
        };
        self.listed[at] = Some((directory, action));
    }
}

impl MessageSink for Standing {
    fn message(&mut self, bytes: &[u8]) {
        self.messages += 1;
        let Ok(message) = decode(bytes) else {
            unreachable!("the publisher makes messages that can be read");
        };
        match &message {
            Message::SystemEvent(event) => self.system = Some(*event),
            Message::StockDirectory(directory) => self.list(*directory),
            Message::TradingAction(action) => {
                let at = usize::from(action.header.stock_locate);
                if let Some(Some((_, last))) = self.listed.get_mut(at) {
                    *last = *action;
                }
            }
            _ => {}
        }
        if self.failed.is_none() {
            self.failed = self.mirror.apply(&message).err();
        }
    }
}

/// Why a snapshot cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// It has a message that cannot be read.
    Decode(DecodeError),
    /// It has a message that cannot be true.
    Mirror(MirrorError),
    /// It goes on behind its end.
    Ended,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Decode(error) => error.fmt(f),
            SnapshotError::Mirror(error) => error.fmt(f),
            SnapshotError::Ended => f.write_str("a snapshot that goes on behind its end"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// Puts the books of a snapshot together, message by message.
#[derive(Clone, Debug, Default)]
pub struct SnapshotReader {
    mirror: Mirror,
    next: Option<u64>,
}

impl SnapshotReader {
    /// Before its first message.
    #[must_use]
    pub fn new() -> SnapshotReader {
        SnapshotReader::default()
    }

    /// Takes the next message. Says, once it was the last, with which message the feed goes on.
    ///
    /// # Errors
    ///
    /// If it is none of a snapshot. The reader is of no use then.
    pub fn message(&mut self, bytes: &[u8]) -> Result<Option<u64>, SnapshotError> {
        if self.next.is_some() {
            return Err(SnapshotError::Ended);
        }
        if let Some(next) = decode_snapshot_end(bytes) {
            self.next = Some(next);
            return Ok(self.next);
        }
        match decode(bytes) {
            Ok(message) => self.mirror.apply(&message).map_err(SnapshotError::Mirror)?,
            // Of the types of ITCH that we do not know none changes a book.
            Err(DecodeError::UnknownKind(_)) => {}
            Err(error) => return Err(SnapshotError::Decode(error)),
        }
        Ok(None)
    }

    /// The books.
    #[must_use]
    pub fn into_mirror(self) -> Mirror {
        self.mirror
    }
}
