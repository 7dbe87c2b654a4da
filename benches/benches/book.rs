//! The matcher alone: time a command, and memory a resting order.

use std::hint::black_box;

use benches::floor::Floor;
use benches::machine;
use benches::measure::{Bench, Unit, Value, cpu_time};
use benches::orders::{
    DEEP, Expected, GENEROUS, LIMITS, MANY, Mix, OPERATIONS, REPLACES, Request, Requests, SEED,
    STANDARD, Stream, apply_all, apply_all_ahead, engine_of, limit_all, limit_each, requests,
    stream,
};
use matcher::record::{EVENT_BYTES_MAX, encode_event, event_bytes};
use matcher::testing::flow::{Rng, instrument};
use matcher::{
    Command, Engine, Event, EventSink, Input, InstrumentId, Limits, Liquidity, MsgSeqNum, NewOrder,
    OrderKind, OrderNumber, ParticipantId, Price, Qty, RiskLimits, Sequence, SessionId, Side,
    TimeInForce, Timestamp,
};

/// Rounds of each figure of time.
const ROUNDS: usize = 9;

/// Sessions of the books of other shapes.
const SESSIONS: u32 = 64;

fn main() {
    let bench = Bench::new("book");
    // First, while the heap of the process is small.
    for (name, memory) in [
        ("book/memory, 1,000,000 resting", Resting { levels: 4_000, numbers_apart: 1 }),
        ("book/memory, every 32nd number rests", Resting { levels: 4_000, numbers_apart: 32 }),
        ("book/memory, 4 orders a level", Resting { levels: 250_000, numbers_apart: 1 }),
    ] {
        if bench.wants(name) {
            let bytes = memory.measure();
            bench.figure(name, Unit::Megabytes, vec![Value::megabytes(bytes)]);
            let each = Value::bytes_each(bytes, RESTING.into());
            bench.figure(&format!("{name}, each"), Unit::Bytes, vec![each]);
        }
    }
    for mix in [&STANDARD, &DEEP, &REPLACES, &MANY] {
        if bench.wants(&format!("book/{}", mix.name)) {
            times(&bench, mix);
        }
    }
    shapes(&bench);
}

/// The same kinds of operations on books of other shapes, all in turn, so that a slow minute of the
/// machine falls on all of them.
fn shapes(bench: &Bench) {
    let resting = |name, low: usize| Mix {
        name,
        resting_low: low - low / 10,
        resting_high: low + low / 10,
        preload: low,
        ..STANDARD
    };
    let levels = |name, range| Mix { range, middle: 150_000, ..resting(name, 300_000) };
    let instruments = |name, instruments: usize| Mix {
        name,
        instruments,
        preload: 20 * 5_000,
        resting_low: 18 * 5_000 / instruments,
        resting_high: 22 * 5_000 / instruments,
        ..STANDARD
    };
    let shapes = [
        resting("1,000 resting", 1_000),
        resting("1,000,000 resting", 1_000_000),
        levels("100 levels", 50),
        levels("100,000 levels", 130_000),
        instruments("1 instrument", 1),
        instruments("5,000 instruments", 5_000),
    ];
    let limits = Limits {
        orders_max: 1 << 21,
        levels_max: 1 << 20,
        instruments_max: 5_000,
        sessions_max: 1 << 10,
    };
    let name = |mix: &Mix| format!("book/shape, {}", mix.name);
    let wanted = shapes.iter().filter(|mix| bench.wants(&name(mix)));
    let mut runs: Vec<_> = wanted
        .map(|mix| {
            // The orders that come first are not timed.
            let stream = stream(mix, SEED, mix.preload + 1_000_000);
            let requests = requests(&stream.operations, SESSIONS);
            (mix, stream, requests, [Vec::new(), Vec::new()], Vec::new(), 0)
        })
        .collect();
    for _ in 0..ROUNDS {
        for (mix, stream, requests, values, floor, levels) in &mut runs {
            for (way, values) in LIMITED.iter().zip(values) {
                let (mut engine, sequence) = way.engine(limits, SESSIONS, mix);
                // That an account is opened is not what a command costs.
                let instruments = u32::try_from(mix.instruments).unwrap_or(0);
                let size = (SESSIONS, instruments);
                let sequence = limit_each(&mut engine, sequence, size, GENEROUS);
                let (first, rest) = requests.list.split_at(mix.preload);
                let mut events = Encode::new();
                apply_all(&mut engine, sequence, first, &mut events);
                let sequence = sequence + first.len() as u64;
                let (elapsed, ()) =
                    cpu_time(|| (way.apply)(&mut engine, sequence, rest, &mut events));
                values.push(Value::ns_each(elapsed, rest.len() as u64));
                *levels = engine.levels_len();
            }
            let (first, rest) = stream.operations.split_at(mix.preload);
            let (books, orders) = (mix.instruments, stream.operations.len());
            let mut book = Floor::new(books, mix.middle, orders, limits.orders_max, SESSIONS);
            book.apply_all(first);
            let (elapsed, ()) = cpu_time(|| book.apply_all(rest));
            floor.push(Value::ns_each(elapsed, rest.len() as u64));
            assert_eq!(book.trades, stream.expected.trades, "the floor trades otherwise");
        }
    }
    for (mix, _, _, values, floor, levels) in runs {
        let name = format!("{} ({levels} levels at the end)", name(mix));
        for (way, values) in LIMITED.iter().zip(values) {
            bench.figure(&format!("{name}, {}", way.name), Unit::Ns, values);
        }
        bench.figure(&format!("{name}, a book to throw away"), Unit::Ns, floor);
    }
}

/// How commands are applied.
struct Way {
    name: &'static str,
    /// What every participant has in every instrument.
    risk: Option<RiskLimits>,
    apply: fn(&mut Engine, u64, &[Request], &mut Encode),
}

const FREE: [Way; 2] = [
    Way { name: "events encoded", risk: None, apply: apply_all::<Encode> },
    Way { name: "events encoded, looking ahead", risk: None, apply: apply_all_ahead::<Encode> },
];

const LIMITED: [Way; 2] = [
    Way { name: "six limits, events encoded", risk: Some(GENEROUS), apply: apply_all::<Encode> },
    Way {
        name: "six limits, events encoded, looking ahead",
        risk: Some(GENEROUS),
        apply: apply_all_ahead::<Encode>,
    },
];

impl Way {
    /// An engine for it, and the last Sequence given.
    fn engine(&self, limits: Limits, sessions: u32, mix: &Mix) -> (Engine, u64) {
        let (mut engine, mut sequence) =
            engine_of(limits, sessions, u32::try_from(mix.instruments).unwrap_or(0));
        if let Some(risk) = self.risk {
            sequence = limit_all(&mut engine, sequence, sessions, risk);
        }
        (engine, sequence)
    }
}

fn times(bench: &Bench, mix: &Mix) {
    let stream = stream(mix, SEED, OPERATIONS);
    assert_eq!(stream.expected, mix.expected, "the stream is not the known one");
    for sessions in [1, 64] {
        let requests = requests(&stream.operations, sessions);
        let ways = || FREE.iter().chain(&LIMITED);
        for way in [&FREE[0], &LIMITED[0]] {
            verify(&stream, &requests, way.engine(LIMITS, sessions, mix));
        }
        let name = format!("book/{}, {sessions} sessions", mix.name);
        let (mut counted, mut encoded) = (Vec::new(), vec![Vec::new(); ways().count()]);
        for _ in 0..ROUNDS {
            let (mut engine, sequence) = FREE[0].engine(LIMITS, sessions, mix);
            let mut count = Count::default();
            let (elapsed, ()) =
                cpu_time(|| apply_all(&mut engine, sequence, &requests.list, &mut count));
            counted.push(Value::ns_each(elapsed, requests.list.len() as u64));
            assert_eq!((count.trades, count.qty), (mix.expected.trades, mix.expected.qty));
            for (way, values) in ways().zip(&mut encoded) {
                let (mut engine, sequence) = way.engine(LIMITS, sessions, mix);
                let (list, mut events) = (&requests.list, Encode::new());
                let (elapsed, ()) =
                    cpu_time(|| (way.apply)(&mut engine, sequence, list, &mut events));
                black_box(&engine);
                values.push(Value::ns_each(elapsed, list.len() as u64));
            }
        }
        bench.figure(&format!("{name}, events counted"), Unit::Ns, counted);
        for (way, values) in ways().zip(encoded) {
            bench.figure(&format!("{name}, {}", way.name), Unit::Ns, values);
        }
    }
}

/// Every trade of the engine is the naive book's, in order.
fn verify(stream: &Stream, requests: &Requests, (mut engine, sequence): (Engine, u64)) {
    let mut trades = Trades { requests, told: Expected::nothing() };
    apply_all(&mut engine, sequence, &requests.list, &mut trades);
    assert_eq!(trades.told, stream.expected, "the engine trades otherwise than the naive book");
    engine.check();
}

struct Trades<'a> {
    requests: &'a Requests,
    told: Expected,
}

impl EventSink for Trades<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Traded(traded) => {
                let taker = self.requests.id(traded.taker.session, traded.taker.number);
                let maker = self.requests.id(traded.maker.session, traded.maker.number);
                let price = u32::try_from(traded.price.ticks()).expect("a price of the stream");
                let qty = u32::try_from(traded.qty.lots()).expect("a quantity of the stream");
                self.told.traded(taker, maker, price, qty);
            }
            Event::Rejected(_) | Event::CancelRejected(_) => panic!("{event:?}"),
            _ => {}
        }
    }
}

/// Looks at every Event, keeps three sums.
#[derive(Default)]
struct Count {
    events: u64,
    trades: u64,
    qty: u64,
}

impl EventSink for Count {
    #[inline]
    fn event(&mut self, event: &Event) {
        self.events += 1;
        if let Event::Traded(traded) = black_box(event) {
            self.trades += 1;
            self.qty += traded.qty.lots();
        }
    }
}

/// Writes every Event's record into a buffer that stays in the cache.
struct Encode {
    bytes: Vec<u8>,
    at: usize,
}

impl Encode {
    fn new() -> Encode {
        Encode { bytes: vec![0; 32 << 10], at: 0 }
    }
}

impl EventSink for Encode {
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        if self.at + EVENT_BYTES_MAX > self.bytes.len() {
            black_box(&self.bytes);
            self.at = 0;
        }
        let len = event_bytes(event);
        encode_event(event, &mut self.bytes[self.at..self.at + len]);
        self.at += len;
    }
}

const RESTING: u32 = 1_000_000;

/// A million resting orders of 64 sessions in 16 instruments.
struct Resting {
    /// Over all instruments.
    levels: u32,
    /// Of so many numbers one rests; the others are IOC orders that found nothing.
    numbers_apart: u32,
}

impl Resting {
    fn measure(&self) -> u64 {
        const SESSIONS: u32 = 64;
        const INSTRUMENTS: u32 = 16;
        let before = machine::private_bytes();
        let mut engine = Engine::new();
        let mut sequence = 0;
        let mut refused = Refused(0);
        let mut apply = |engine: &mut Engine, session: u32, command| {
            sequence += 1;
            let input = Input {
                sequence: Sequence(sequence),
                timestamp: Timestamp(sequence),
                session: SessionId(session),
                inbound: MsgSeqNum::NONE,
                command,
            };
            engine.apply(&input, &mut refused);
        };
        // The defaults of a venue.
        let limits = Limits {
            orders_max: RESTING,
            levels_max: 250_000,
            instruments_max: 1_024,
            sessions_max: 4_096,
        };
        apply(&mut engine, 0, Command::Configure(limits));
        for id in 0..INSTRUMENTS {
            let instrument = instrument(&format!("I{id}"), (1, 1 << 20), 1_000);
            apply(&mut engine, 0, Command::DefineInstrument { id: InstrumentId(id), instrument });
        }
        for id in 1..=SESSIONS {
            let define =
                Command::DefineSession { id: SessionId(id), participant: ParticipantId(id) };
            apply(&mut engine, 0, define);
        }
        let mut rng = Rng::new(SEED);
        let mut numbers = vec![0; SESSIONS as usize + 1];
        // Bids below the middle, asks above: each side has half of an instrument's levels.
        let half = u64::from(self.levels / INSTRUMENTS / 2);
        for index in 0..RESTING * self.numbers_apart {
            let rests = index % self.numbers_apart == 0;
            let session = 1 + (index / self.numbers_apart) % SESSIONS;
            let number = &mut numbers[session as usize];
            *number += 1;
            let side = if rng.percent(50) { Side::Buy } else { Side::Sell };
            let distance = i64::try_from(rng.below(half)).expect("a few ticks");
            let away = if side == Side::Buy { -1 - distance } else { distance };
            let new = NewOrder {
                number: OrderNumber(*number),
                instrument: InstrumentId(rng.below(INSTRUMENTS.into()).try_into().unwrap_or(0)),
                side,
                kind: OrderKind::Limit(Price::from_ticks(500_000 + away)),
                qty: Qty::from_lots(1 + rng.below(100)),
                time_in_force: if rests { TimeInForce::Gtc } else { TimeInForce::Ioc },
                liquidity: Liquidity::Any,
            };
            // An IOC order far on its own side finds nothing.
            let far = if side == Side::Buy { 1 } else { 1 << 20 };
            let kind = if rests { new.kind } else { OrderKind::Limit(Price::from_ticks(far)) };
            apply(&mut engine, session, Command::New(NewOrder { kind, ..new }));
        }
        assert_eq!((engine.orders_len(), refused.0), (RESTING as usize, 0));
        machine::private_bytes().saturating_sub(before)
    }
}

struct Refused(u64);

impl EventSink for Refused {
    fn event(&mut self, event: &Event) {
        let refused = matches!(
            event,
            Event::Rejected(_) | Event::CommandRefused { .. } | Event::CancelRejected(_)
        );
        self.0 += u64::from(refused);
    }
}
