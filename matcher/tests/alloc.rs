//! Memory: none is taken while matching, what is taken at the start is what is promised, and where there
//! is none nothing changes.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use matcher::testing::flow::Rng;
use matcher::testing::{Mix, MixedFlow, Profile, flow};
use matcher::{
    Command, Engine, Event, EventSink, Input, InstrumentId, Limits, Liquidity, MassCancelScope,
    MsgSeqNum, NewOrder, OrderKind, OrderNumber, ParticipantId, Peg, Phase, Price, Qty,
    RejectReason, Sequence, SessionId, Side, Terms, TimeInForce, Timestamp, Trigger,
};

/// Counts the calls of each thread, and has no memory if it is told so.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    /// How often there is memory yet.
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

fn count() {
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

/// Counts, and whether there is memory.
fn has_memory() -> bool {
    count();
    let left = LEFT.try_with(|left| {
        let now = left.get();
        // Where it was never told, it never ends.
        left.replace(if now == u64::MAX { now } else { now.saturating_sub(1) })
    });
    left != Ok(0)
}

// SAFETY: every call goes on to the system's allocator as it came; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !has_memory() {
            return null_mut();
        }
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !has_memory() {
            return null_mut();
        }
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !has_memory() {
            return null_mut();
        }
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn calls() -> u64 {
    CALLS.with(Cell::get)
}

/// Memory of this process that was touched: what the tables reserve and nobody uses is no cost.
fn bytes() -> u64 {
    let smaps = fs::read_to_string("/proc/self/smaps_rollup").expect("a Linux kernel since 4.14");
    let anonymous = smaps.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = anonymous.and_then(|rest| rest.trim().strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).expect("a number of kB") * 1024
}

/// The tests of this binary run one after the other: they look at the whole process.
static ALONE: Mutex<()> = Mutex::new(());

#[derive(Default)]
struct Tally {
    events: u64,
    rested: u64,
    auctions: u64,
}

impl EventSink for Tally {
    fn event(&mut self, event: &Event) {
        self.events += 1;
        self.rested += u64::from(matches!(event, Event::Rested(_)));
        self.auctions += u64::from(matches!(event, Event::Uncrossed(_)));
    }
}

#[test]
fn a_million_commands_allocate_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (profile, warm_up) in [(Profile::standard(), 50_000), (Profile::hostile(), 50_000)] {
        let inputs = flow::record(profile, 11, 1_000_000 + warm_up);
        let (mut engine, mut tally) = (Engine::new(), Tally::default());
        let (first, rest) = inputs.split_at(warm_up);
        first.iter().for_each(|input| engine.apply(input, &mut tally));
        let before = calls();
        // A Configure may take memory, that is what it is for.
        let rest = rest.iter().filter(|input| !matches!(input.command, Command::Configure(_)));
        rest.for_each(|input| engine.apply(input, &mut tally));
        assert_eq!(calls() - before, 0);
        assert!(tally.events > 1_000_000);
    }
}

/// Tables of special orders (there are seven), of sessions and of busts that may still double late in a
/// flow; a leak would take memory thousands of times.
const ALLOCATIONS_MAX: u64 = 5;

/// The tables of special orders grow up to what has worked at one time, and then no more.
#[test]
fn special_orders_take_memory_for_their_tables_alone() {
    for mix in Mix::all() {
        let name = mix.name;
        let mut flow = MixedFlow::new(mix, 12);
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        let (mut allocations, mut inputs) = (0, 0);
        for n in 0..60_000 {
            let input = flow.input();
            events.clear();
            events.reserve(100_000);
            let before = calls();
            engine.apply(&input, &mut events);
            if n >= 30_000 && !matches!(input.command, Command::Configure(_)) {
                allocations += calls() - before;
                inputs += 1;
            }
            events.iter().for_each(|event| flow.observe(event));
        }
        println!("{name}: {allocations} allocations");
        assert!(inputs > 29_000);
        assert!(allocations <= ALLOCATIONS_MAX, "{name}");
    }
}

/// An opening auction of a thousand orders of all kinds, then a volatility auction, then nobody is left.
fn auctions(engine: &mut Engine, number: &mut u32, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::new(seed);
    let instrument = InstrumentId(0);
    let mut give = |session, command| {
        let (sequence, timestamp) = (Sequence(1), Timestamp(0));
        let inbound = MsgSeqNum::NONE;
        engine.apply(&Input { sequence, timestamp, session, inbound, command }, tally);
    };
    for (phase, for_now) in [
        (Phase::OpeningAuction, TimeInForce::AtOpen),
        (Phase::VolatilityAuction, TimeInForce::AtClose),
    ] {
        give(SessionId::VENUE, Command::SetPhase { instrument, phase });
        for n in 0..1_000 {
            *number += 1;
            let side = if rng.percent(50) { Side::Buy } else { Side::Sell };
            let price = Price::from_ticks(rng.below(200).cast_signed());
            let qty = Qty::from_lots(1 + rng.below(99));
            let limit = NewOrder {
                number: OrderNumber(*number),
                ..NewOrder::limit(instrument, side, price, qty)
            };
            let (kind, offset) = (OrderKind::Market, 1 + rng.below(3));
            let held = |trigger, peg| {
                let terms = Terms { trigger, peg, ..Terms::NONE };
                Command::NewSpecial(NewOrder { kind, ..limit }, terms)
            };
            let command = match rng.below(10) {
                0 => Command::New(NewOrder { kind, ..limit }),
                1 => Command::New(NewOrder { time_in_force: for_now, ..limit }),
                2 => Command::New(NewOrder { kind, time_in_force: TimeInForce::Gfa, ..limit }),
                3 => held(Trigger::Stop(price), Peg::None),
                4 => held(Trigger::Trailing(offset), Peg::None),
                5 => held(Trigger::None, Peg::Primary(offset)),
                6 => {
                    let display_qty = Qty::from_lots(2);
                    Command::NewSpecial(limit, Terms { display_qty, ..Terms::NONE })
                }
                _ => Command::New(limit),
            };
            give(SessionId(1), command);
            if n % 100 == 0 {
                give(SessionId::VENUE, Command::PublishIndicative { instrument });
            }
        }
        give(SessionId::VENUE, Command::SetPhase { instrument, phase: Phase::Continuous });
    }
    give(SessionId::VENUE, Command::MassCancel(MassCancelScope::Instrument(instrument)));
}

/// Tables of special orders grow until they have their sizes; after that nothing is taken.
#[test]
fn auctions_allocate_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut engine, mut number) = (engine_for_a_million_orders(), 0);
    for seed in 0..20 {
        auctions(&mut engine, &mut number, seed, &mut Tally::default());
    }
    let (before, mut tally) = (calls(), Tally::default());
    for seed in 0..20 {
        auctions(&mut engine, &mut number, seed, &mut tally);
    }
    assert_eq!(calls() - before, 0);
    assert!(tally.auctions == 40 && tally.events > 40_000, "{}", tally.auctions);
    engine.check();
}

const MILLION: u32 = 1_000_000;

fn engine_for_a_million_orders() -> Engine {
    let mut engine = Engine::new();
    let limits =
        Limits { orders_max: MILLION, levels_max: MILLION, instruments_max: 10, sessions_max: 100 };
    let mut give = |command| {
        let (sequence, timestamp) = (Sequence(1), Timestamp(0));
        let (session, inbound) = (SessionId::VENUE, MsgSeqNum::NONE);
        let input = Input { sequence, timestamp, session, inbound, command };
        engine.apply(&input, &mut Tally::default());
    };
    give(Command::Configure(limits));
    for id in 0..10 {
        let instrument = flow::instrument(&format!("X{id}"), (-(1 << 40), 1 << 40), 100);
        give(Command::DefineInstrument { id: InstrumentId(id), instrument });
    }
    for id in 1..=100 {
        give(Command::DefineSession { id: SessionId(id), participant: ParticipantId(id) });
    }
    engine
}

fn rest(engine: &mut Engine, n: u32, price: i64, tally: &mut Tally) {
    let side = if n.is_multiple_of(2) { Side::Buy } else { Side::Sell };
    let price = if side == Side::Buy { -1 - price } else { price };
    let new = NewOrder {
        number: OrderNumber(n / 100 + 1),
        instrument: InstrumentId(n / 2 % 10),
        side,
        kind: OrderKind::Limit(Price::from_ticks(price)),
        qty: Qty::from_lots(1),
        time_in_force: TimeInForce::Gtc,
        liquidity: Liquidity::Any,
    };
    let input = Input {
        sequence: Sequence(u64::from(n) + 1),
        timestamp: Timestamp(0),
        session: SessionId(n % 100 + 1),
        inbound: MsgSeqNum::NONE,
        command: Command::New(new),
    };
    engine.apply(&input, tally);
}

/// Prices near one another, so that they share levels; far apart, so that each has a level to itself
/// (an odd factor times n, modulo a power of two, hits no price twice).
fn near(n: u32) -> i64 {
    i64::from(n).wrapping_mul(2_654_435_761) & 0x3ff
}

fn far(n: u32) -> i64 {
    i64::from(n).wrapping_mul(2_654_435_761) & 0xff_ffff_ffff
}

#[test]
fn a_million_resting_orders_take_what_is_promised() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The larger one first: memory that the allocator has had before is no longer untouched.
    // A price of its own for every order, anywhere, is the worst there is for the tree of prices.
    for (name, price, bytes_max) in
        [("own", far as fn(u32) -> i64, 180_000_000), ("shared", near, 150_000_000)]
    {
        let before = bytes();
        let (mut engine, mut tally) = (engine_for_a_million_orders(), Tally::default());
        for n in 0..MILLION {
            rest(&mut engine, n, price(n), &mut tally);
        }
        assert_eq!((tally.rested, engine.orders_len()), (1_000_000, 1_000_000));
        let taken = bytes().saturating_sub(before);
        println!("{name} levels: {} levels, {taken} bytes", engine.levels_len());
        assert!(taken < bytes_max);
        engine.check();
    }
}

const SMALL: Limits = Limits { orders_max: 12, levels_max: 4, instruments_max: 2, sessions_max: 2 };
const LARGE: Limits =
    Limits { orders_max: 90_000, levels_max: 70_000, instruments_max: 9, sessions_max: 50 };

/// The commands of the venue for `SMALL`, and orders until a table is full.
fn fill(engine: &mut Engine, events: &mut Vec<Event>) {
    let mut sequence = 0;
    let mut give = |session, command| {
        sequence += 1;
        let (sequence, timestamp) = (Sequence(sequence), Timestamp(0));
        let inbound = MsgSeqNum::NONE;
        engine.apply(&Input { sequence, timestamp, session, inbound, command }, events);
    };
    for id in 0..3 {
        let instrument = flow::instrument(&format!("X{id}"), (1, 1_000), 100);
        let id = InstrumentId(id);
        give(SessionId::VENUE, Command::DefineInstrument { id, instrument });
    }
    for id in 1..=3 {
        let participant = ParticipantId(id);
        give(SessionId::VENUE, Command::DefineSession { id: SessionId(id), participant });
    }
    // Six levels are two too many, and so are four of the orders at the others.
    for number in 1..=10 {
        let (id, price) = (InstrumentId(number % 2), i64::from(500 + number % 6));
        let (price, qty) = (Price::from_ticks(price), Qty::from_lots(5));
        let order = NewOrder::limit(id, Side::Buy, price, qty);
        let number = OrderNumber(number);
        give(SessionId(1), Command::New(NewOrder { number, ..order }));
        let display_qty = Qty::from_lots(2);
        let terms = Terms { display_qty, ..Terms::NONE };
        give(SessionId(2), Command::NewSpecial(NewOrder { number, ..order }, terms));
    }
}

/// Wherever memory ends while the tables grow, they are as large as before.
#[test]
fn limits_that_there_is_no_memory_for_change_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let input = |limits| Input {
        sequence: Sequence(1),
        timestamp: Timestamp(0),
        session: SessionId::VENUE,
        inbound: MsgSeqNum::NONE,
        command: Command::Configure(limits),
    };
    let mut expected = Vec::new();
    let mut small = Engine::new();
    small.apply(&input(SMALL), &mut expected);
    fill(&mut small, &mut expected);
    let refused = |reason| {
        expected.iter().any(|event| match event {
            Event::Rejected(rejected) => rejected.reason == reason,
            Event::CommandRefused { reason: refused } => *refused == reason,
            _ => false,
        })
    };
    assert!(refused(RejectReason::TooManyLevels) && refused(RejectReason::TooManyOrders));
    assert!(refused(RejectReason::TableFull));

    let mut allocations = 0;
    loop {
        let (mut engine, mut events) = (Engine::new(), Vec::with_capacity(1_000));
        engine.apply(&input(SMALL), &mut events);
        LEFT.set(allocations);
        engine.apply(&input(LARGE), &mut events);
        LEFT.set(u64::MAX);
        if events.pop() == Some(Event::Configured) {
            break;
        }
        fill(&mut engine, &mut events);
        assert_eq!(events, expected, "with {allocations} allocations");
        engine.check();
        allocations += 1;
    }
    assert!(allocations > 10, "{allocations}");
}
