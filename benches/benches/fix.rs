//! FIX alone: bytes to Commands, Events to bytes; no socket, no session.

use std::hint::black_box;

use benches::measure::{Bench, Unit, Value, cpu_time};
use benches::orders::{LIMITS, Operation, SEED, STANDARD, engine, stream};
use benches::text::{OPEN, Texts, command, order_entry};
use gateway::fix::{Fields, Header, Identity, UnknownTags, Version, decode};
use gateway::order_entry::{Inputs, OrderEntry, Told};
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Event, Input, MsgSeqNum, Sequence, SessionId, Timestamp};

const SESSIONS: u32 = 8;
const COMMANDS: usize = 300_000;
const ROUNDS: usize = 9;

fn main() {
    let bench = Bench::new("fix");
    let stream = stream(&STANDARD, SEED, COMMANDS);
    let messages = Messages::new(&stream.operations);
    if bench.wants("fix/decode") {
        decoding(&bench, &messages);
    }
    if bench.wants("fix/encode ExecutionReport") {
        encoding(&bench);
    }
    if bench.wants("fix/request") {
        requests(&bench, &messages);
    }
    if bench.wants("fix/report") || bench.wants("fix/fold") {
        reports(&bench, &messages);
    }
}

/// The stream as bytes, one message after another.
struct Messages {
    bytes: Vec<u8>,
    /// Whose, and where it ends.
    ends: Vec<(SessionId, usize)>,
    /// Indices of the NewOrderSingles.
    orders: Vec<usize>,
}

impl Messages {
    fn new(operations: &[Operation]) -> Messages {
        let mut texts = Texts::new(SESSIONS);
        let (mut bytes, mut ends, mut orders) = (Vec::new(), Vec::new(), Vec::new());
        for (index, operation) in operations.iter().enumerate() {
            let session = texts.write(operation, &mut bytes);
            ends.push((session, bytes.len()));
            if matches!(operation, Operation::Enter { .. }) {
                orders.push(index);
            }
        }
        Messages { bytes, ends, orders }
    }

    fn get(&self, index: usize) -> (SessionId, &[u8]) {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (session, end) = self.ends[index];
        (session, &self.bytes[start..end])
    }

    fn iter(&self) -> impl Iterator<Item = (SessionId, &[u8])> {
        (0..self.ends.len()).map(|index| self.get(index))
    }
}

/// NewOrderSingle(D) of some 150 bytes, framed and checked; then checked against the dictionary too.
fn decoding(bench: &Bench, messages: &Messages) {
    let (mut framed, mut checked) = (Vec::new(), Vec::new());
    let mut fields = Fields::new();
    let orders = messages.orders.len() as u64;
    let dictionary = Version::Fix44.dictionary();
    for _ in 0..ROUNDS {
        let (elapsed, ()) = cpu_time(|| {
            for index in &messages.orders {
                let (_, bytes) = messages.get(*index);
                black_box(decode(bytes, &mut fields).expect("a message"));
            }
        });
        framed.push(Value::ns_each(elapsed, orders));
        let (elapsed, ()) = cpu_time(|| {
            for index in &messages.orders {
                let (_, bytes) = messages.get(*index);
                let (message, _) = decode(bytes, &mut fields).expect("a message");
                let checked = dictionary.check(&message, UnknownTags::Reject);
                checked.expect("a good message");
                black_box(message);
            }
        });
        checked.push(Value::ns_each(elapsed, orders));
    }
    let bytes = messages.orders.iter().map(|index| messages.get(*index).1.len() as u64).sum();
    bench.figure("fix/decode, its length", Unit::Bytes, vec![Value::bytes_each(bytes, orders)]);
    bench.figure("fix/decode NewOrderSingle", Unit::Ns, framed);
    bench.figure("fix/decode NewOrderSingle and dictionary", Unit::Ns, checked);
}

/// An ExecutionReport(8) with 18 body fields, field by field.
fn encoding(bench: &Bench) {
    const MESSAGES: u64 = 300_000;
    let identity: Identity = Texts::identity(SessionId(1), true);
    let mut out = Vec::with_capacity(1 << 16);
    let mut rounds = Vec::new();
    let mut len = 0;
    for _ in 0..ROUNDS {
        let (elapsed, ()) = cpu_time(|| {
            for n in 1..=MESSAGES {
                if out.len() > 60_000 {
                    black_box(&out);
                    out.clear();
                }
                let start = out.len();
                let at = Timestamp(OPEN.0 + n * 1_000);
                let msg = MsgSeqNum(u32::try_from(n).unwrap_or(0));
                let header = Header { msg, sending_time: at, resend: false, now: at };
                let mut report = identity.begin(&mut out, b"8", &header);
                report.uint(37, n).bytes(11, b"00000001-000").uint(17, n * 16).char(150, b'F');
                report.char(39, b'1').bytes(55, b"VESTA").char(54, b'1').uint(38, 100);
                report.char(40, b'2').decimal(44, 50_000, 2).char(59, b'1').uint(32, 40);
                report.decimal(31, 50_000, 2).uint(151, 60).uint(14, 40).decimal(6, 50_000, 2);
                report.utc_ns(60, at).uint(880, n);
                report.finish();
                len = out.len() - start;
            }
        });
        rounds.push(Value::ns_each(elapsed, MESSAGES));
    }
    let length = Value::bytes_each(len as u64, 1);
    bench.figure("fix/encode ExecutionReport, its length", Unit::Bytes, vec![length]);
    bench.figure("fix/encode ExecutionReport", Unit::Ns, rounds);
}

/// Bytes to Commands: decode and order entry, each ClOrdID(11) new.
fn requests(bench: &Bench, messages: &Messages) {
    let mut rounds = Vec::new();
    let mut fields = Fields::new();
    let mut attachment = [0; ATTACHMENT_BYTES_MAX];
    for _ in 0..ROUNDS {
        let mut entry = order_entry(SESSIONS);
        let (elapsed, ()) = cpu_time(|| {
            for (session, bytes) in messages.iter() {
                black_box(command(&mut entry, session, bytes, &mut fields, &mut attachment));
            }
        });
        rounds.push(Value::ns_each(elapsed, COMMANDS as u64));
    }
    bench.figure("fix/request, decoded, a mix of D F G", Unit::Ns, rounds);
}

/// The journal as a list; a turn's position is its index.
struct Turns(Vec<Turn>);

struct Turn {
    input: Input,
    attachment: Vec<u8>,
    events: Vec<Event>,
}

impl Inputs for &Turns {
    fn input(
        &mut self,
        position: u64,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize)> {
        let turn = self.0.get(usize::try_from(position).ok()?.checked_sub(FIRST)?)?;
        attachment[..turn.attachment.len()].copy_from_slice(&turn.attachment);
        Some((turn.input, turn.attachment.len()))
    }
}

/// Positions of the orders come after those of the definitions.
const FIRST: usize = 1_000;

impl Turns {
    fn new(messages: &Messages) -> Turns {
        let mut fields = Fields::new();
        let mut entry = order_entry(SESSIONS);
        let (mut engine, last) = engine(LIMITS, SESSIONS);
        let turns = (last + 1..).zip(messages.iter()).map(|(sequence, (session, bytes))| {
            let mut attachment = [0; ATTACHMENT_BYTES_MAX];
            let (command, len) = command(&mut entry, session, bytes, &mut fields, &mut attachment);
            let input = Input {
                sequence: Sequence(sequence),
                timestamp: Timestamp(OPEN.0 + sequence * 1_000),
                session,
                inbound: MsgSeqNum::NONE,
                command,
            };
            let mut events = Vec::new();
            engine.apply(&input, &mut events);
            Turn { input, attachment: attachment[..len].to_vec(), events }
        });
        Turns(turns.collect())
    }

    fn iter(&self) -> impl Iterator<Item = (u64, &Turn)> {
        (FIRST as u64..).zip(&self.0)
    }
}

/// Events to bytes, live: the fold takes a turn, then its messages are written.
fn reports(bench: &Bench, messages: &Messages) {
    let turns = Turns::new(messages);
    let identities: Vec<Identity> =
        (0..=SESSIONS).map(|id| Texts::identity(SessionId(id), true)).collect();
    let (mut folds, mut both, mut written, mut bytes) = (Vec::new(), Vec::new(), 0u64, 0u64);
    for _ in 0..ROUNDS {
        let mut entry = order_entry(SESSIONS);
        let (elapsed, ()) = cpu_time(|| {
            for (position, turn) in turns.iter() {
                fold(&mut entry, position, turn, |_, _| {});
            }
        });
        folds.push(Value::ns_each(elapsed, COMMANDS as u64));

        let mut entry = order_entry(SESSIONS);
        let mut out = Vec::with_capacity(1 << 16);
        bytes = 0;
        let (elapsed, ()) = cpu_time(|| {
            for (position, turn) in turns.iter() {
                fold(&mut entry, position, turn, |entry, told| {
                    let sending_time = told.input.timestamp;
                    for (session, msg) in told.event.recipients().into_iter().flatten() {
                        let header = Header { msg, sending_time, resend: false, now: sending_time };
                        let told = Told { session, ..*told };
                        let identity = &identities[session.index()];
                        let told = entry.report(&told, identity, &header, &mut &turns, &mut out);
                        told.expect("a report");
                    }
                });
                if out.len() > 60_000 {
                    bytes += out.len() as u64;
                    black_box(&out);
                    out.clear();
                }
            }
        });
        written = turns.messages();
        both.push((elapsed, written));
    }
    let fold = bench.figure("fix/fold, a turn of the journal", Unit::Ns, folds);
    let length = Value::bytes_each(bytes, written);
    bench.figure("fix/report, its length", Unit::Bytes, vec![length]);
    let fold_ns = u128::from(fold.0) * COMMANDS as u128 / 10;
    let reports = both.iter().map(|(elapsed, count)| {
        let ns = u64::try_from(elapsed.as_nanos().saturating_sub(fold_ns)).unwrap_or(0);
        Value::ns_each(std::time::Duration::from_nanos(ns), *count)
    });
    bench.figure("fix/report, a message, the fold taken off", Unit::Ns, reports.collect());
}

impl Turns {
    /// Messages that tell of all the turns.
    fn messages(&self) -> u64 {
        let events = self.0.iter().flat_map(|turn| &turn.events);
        events.map(|event| event.recipients().into_iter().flatten().count() as u64).sum()
    }
}

#[inline]
fn fold(
    entry: &mut OrderEntry,
    position: u64,
    turn: &Turn,
    mut each: impl FnMut(&OrderEntry, &Told<'_>),
) {
    let Turn { input, attachment, events } = turn;
    entry.input(position, input, attachment);
    for (event_index, event) in (0..).zip(events) {
        entry.event(position, input, event_index, event);
        let session = SessionId::VENUE;
        let (rest, relayed): (&[u8], _) = (&[], None);
        let told = Told { session, position, input, attachment, event, event_index, rest, relayed };
        each(entry, &told);
    }
}
