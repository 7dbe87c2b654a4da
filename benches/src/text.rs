//! The stream of orders as FIX messages, and the way of a message into a Command.

use std::io::Write;

use gateway::fix::{Encoder, Fields, Header, Identity, Version, decode};
use gateway::order_entry::{OrderEntry, Request};
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Command, Event, Input, MsgSeqNum, Sequence, SessionId, Side, TimeInForce, Timestamp,
};

use crate::orders::{LIMITS, Operation, opening};

/// 2026-01-02 09:30:00 UTC.
pub const OPEN: Timestamp = Timestamp(1_767_346_200_000_000_000);

/// Writes operations as the messages of `sessions` sessions, to which the orders are dealt in turn.
pub struct Texts {
    sessions: u32,
    /// Replaces so far, by order.
    versions: Vec<u32>,
    /// The last MsgSeqNum(34), by session.
    numbers: Vec<u32>,
}

fn cl_ord_id(id: u32, version: u32) -> [u8; 12] {
    let mut text = [b'0'; 12];
    write!(&mut text[..], "{id:08}-{version:03}").expect("ids of 8 digits, versions of 3");
    text
}

impl Texts {
    /// Nothing written yet.
    #[must_use]
    pub fn new(sessions: u32) -> Texts {
        Texts { sessions, versions: vec![0], numbers: vec![1; sessions as usize + 1] }
    }

    /// The header of both directions.
    ///
    /// # Panics
    ///
    /// Never: the names are good.
    #[must_use]
    pub fn identity(session: SessionId, ours: bool) -> Identity {
        let client = format!("CLIENT{session}").into_bytes();
        let (from, to) =
            if ours { (&b"VESTA"[..], &client[..]) } else { (&client[..], &b"VESTA"[..]) };
        Identity::new(Version::Fix44, from, to).expect("good names")
    }

    /// Appends the message of `operation` to `out`; returns whose it is.
    pub fn write(&mut self, operation: &Operation, out: &mut Vec<u8>) -> SessionId {
        let (Operation::Enter { id, .. }
        | Operation::Cancel { id }
        | Operation::Replace { id, .. }) = *operation;
        let session = SessionId(1 + id % self.sessions);
        let number = &mut self.numbers[session.index()];
        *number += 1;
        let header =
            Header { msg: MsgSeqNum(*number), sending_time: OPEN, resend: false, now: OPEN };
        let identity = Texts::identity(session, false);
        if self.versions.len() <= id as usize {
            self.versions.resize(id as usize + 1, 0);
        }
        let version = &mut self.versions[id as usize];
        match *operation {
            Operation::Enter { side, price, qty, time_in_force, .. } => {
                let mut message = identity.begin(out, b"D", &header);
                message.bytes(11, &cl_ord_id(id, 0));
                order(&mut message, side, price, qty);
                let ioc = time_in_force == TimeInForce::Ioc;
                message.char(59, if ioc { b'3' } else { b'1' });
                message.finish();
            }
            Operation::Cancel { .. } => {
                let mut message = identity.begin(out, b"F", &header);
                // Its own ClOrdID(11) need only be new in form: a cancel takes no number.
                message.bytes(11, &cl_ord_id(id, 999)).bytes(41, &cl_ord_id(id, *version));
                message.bytes(55, b"VESTA").char(54, b'1').utc(60, OPEN);
                message.finish();
            }
            Operation::Replace { side, price, order_qty, .. } => {
                let mut message = identity.begin(out, b"G", &header);
                message.bytes(41, &cl_ord_id(id, *version));
                *version += 1;
                message.bytes(11, &cl_ord_id(id, *version));
                order(&mut message, side, price, order_qty);
                message.finish();
            }
        }
        session
    }
}

fn order(message: &mut Encoder<'_>, side: Side, price: u32, qty: u32) {
    message.bytes(55, b"VESTA").char(54, if side == Side::Buy { b'1' } else { b'2' });
    message.utc(60, OPEN).uint(38, qty.into()).char(40, b'2').decimal(44, price.into(), 2);
}

/// Order entry that knows the instrument and `sessions` sessions.
#[must_use]
pub fn order_entry(sessions: u32) -> OrderEntry {
    let mut entry = OrderEntry::new(10_000_000);
    let mut engine = matcher::Engine::new();
    for (sequence, command) in (1..).zip(opening(LIMITS, sessions)) {
        let input = Input {
            sequence: Sequence(sequence),
            timestamp: OPEN,
            session: SessionId::VENUE,
            inbound: MsgSeqNum::NONE,
            command,
        };
        let mut events: Vec<Event> = Vec::new();
        engine.apply(&input, &mut events);
        entry.input(sequence, &input, &[]);
        for (event_index, event) in (0..).zip(&events) {
            entry.event(sequence, &input, event_index, event);
        }
    }
    entry
}

/// What the gateway makes of the bytes of one message: a Command and the length of its attachment.
///
/// # Panics
///
/// If it makes none.
#[inline]
pub fn command(
    entry: &mut OrderEntry,
    session: SessionId,
    bytes: &[u8],
    fields: &mut Fields,
    attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
) -> (Command, usize) {
    let (message, _) = decode(bytes, fields).expect("a message");
    match entry.request(session, &message, false, false, attachment) {
        Request::Submit { command, attachment_len } => (command, attachment_len),
        other => panic!("{other:?} for {}", String::from_utf8_lossy(bytes)),
    }
}
