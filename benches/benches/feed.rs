//! The feed alone: turns to ITCH messages, messages to a book.

use std::hint::black_box;

use benches::measure::{Bench, Unit, Value, cpu_time};
use benches::orders::{LIMITS, SEED, STANDARD, opening, requests, stream};
use feed::{Message, MessageSink, Mirror, Publisher, decode};
use matcher::{Engine, Event, Input, MsgSeqNum, Sequence, SessionId, Timestamp};

const SESSIONS: u32 = 8;
const COMMANDS: usize = 500_000;
const ROUNDS: usize = 9;

fn main() {
    let bench = Bench::new("feed");
    let turns = turns();
    let commands = turns.len() as u64;
    let mut sink = Bytes::with_capacity(64 << 20);
    let (mut published, mut counted) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sink.clear();
        let mut publisher = Publisher::new();
        let (elapsed, ()) = cpu_time(|| {
            for (input, events) in &turns {
                publisher.turn(input, events, &mut sink);
            }
        });
        published.push(elapsed);
        let mut publisher = Publisher::new();
        let (elapsed, count) = cpu_time(|| {
            let counts = turns.iter();
            counts.map(|(input, events)| publisher.messages_in_turn(input, events)).sum::<u64>()
        });
        assert_eq!(count, sink.ends.len() as u64);
        counted.push(Value::ns_each(elapsed, commands));
    }
    let messages = sink.ends.len() as u64;
    let each = |count| published.iter().map(move |elapsed| Value::ns_each(*elapsed, count));
    bench.figure("feed/publish, a turn", Unit::Ns, each(commands).collect());
    bench.figure("feed/publish, a message", Unit::Ns, each(messages).collect());
    bench.figure("feed/count, a turn", Unit::Ns, counted);

    let (mut decodes, mut applies) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (elapsed, decoded) = cpu_time(|| {
            sink.iter().map(|bytes| decode(bytes).expect("ITCH")).collect::<Vec<Message>>()
        });
        decodes.push(Value::ns_each(elapsed, messages));
        let mut mirror = Mirror::new();
        let (elapsed, ()) = cpu_time(|| {
            for message in &decoded {
                mirror.apply(message).expect("a true book");
            }
        });
        black_box(mirror.best(1));
        applies.push(Value::ns_each(elapsed, messages));
    }
    bench.figure("feed/decode, a message, into a list", Unit::Ns, decodes);
    bench.figure("feed/mirror, a message", Unit::Ns, applies);
}

/// Turns of the standard stream, the definitions included.
fn turns() -> Vec<(Input, Vec<Event>)> {
    let stream = stream(&STANDARD, SEED, COMMANDS);
    let requests = requests(&stream.operations, SESSIONS).list;
    let definitions = opening(LIMITS, SESSIONS).into_iter().map(|it| (SessionId::VENUE, it));
    let orders = requests.iter().map(|request| (request.session(), request.command()));
    let mut engine = Engine::new();
    let turns = (1..).zip(definitions.chain(orders)).map(|(sequence, (session, command))| {
        let (inbound, timestamp) = (MsgSeqNum::NONE, Timestamp(sequence * 1_000));
        let input = Input { sequence: Sequence(sequence), timestamp, session, inbound, command };
        let mut events = Vec::new();
        engine.apply(&input, &mut events);
        (input, events)
    });
    turns.collect()
}

/// Messages one after another, as in the window of recent messages.
struct Bytes {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Bytes {
    /// Touched, so that no page fault is measured.
    fn with_capacity(bytes: usize) -> Bytes {
        let mut made = Bytes { bytes: vec![1; bytes], ends: vec![1; 2 * COMMANDS] };
        made.clear();
        made
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[*start..*end])
    }
}

impl MessageSink for Bytes {
    #[inline]
    fn message(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }
}
