//! Commands that have much to do: an auction, a cascade of stops, a mass cancel. Each is timed at n and at
//! 2 n orders in one run: what is linear has a ratio of 2.

use std::hint::black_box;
use std::time::Duration;

use benches::measure::{Bench, Unit, Value, cpu_time};
use matcher::testing::flow::{Rng, instrument};
use matcher::{
    Command, Engine, Event, EventSink, Input, InstrumentId, Limits, Liquidity, MassCancelScope,
    MsgSeqNum, NewOrder, OrderNumber, ParticipantId, Phase, Price, Qty, SelfTradePrevention,
    Sequence, SessionId, Side, Terms, TimeInForce, Timestamp, Trigger,
};

/// Rounds of each figure.
const ROUNDS: usize = 5;

/// The instrument of all figures.
const X: InstrumentId = InstrumentId(0);

/// The middle of the prices.
const MIDDLE: i64 = 500_000;

fn main() {
    let bench = Bench::new("auction");
    let auctions = [
        (
            "auction/uncross, half of it trades",
            Auction { overlap: 0, time_in_force: TimeInForce::Day },
        ),
        (
            "auction/uncross, all of it trades",
            Auction { overlap: 4_000, time_in_force: TimeInForce::Day },
        ),
        (
            "auction/uncross, at the opening only",
            Auction { overlap: 0, time_in_force: TimeInForce::AtOpen },
        ),
    ];
    for (name, auction) in auctions {
        linear(&bench, name, 500_000, |orders| auction.measure(orders));
    }
    linear(&bench, "auction/uncross, one owner on both sides", 50_000, one_owner);
    linear(&bench, "auction/stops, one elects the next", 50_000, cascade);
    linear(&bench, "auction/mass cancel of one session", 500_000, mass_cancel);
    let name = "auction/mass cancel of one session, 10000 orders, in the core";
    if bench.wants(name) {
        let us = |time: Duration| Value::us(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        bench.figure(name, Unit::Us, (0..ROUNDS).map(|_| us(mass_cancel(10_000))).collect());
    }
}

/// The figures of `measure` at `n` orders and at twice as many.
fn linear(bench: &Bench, name: &str, n: u32, measure: impl Fn(u32) -> Duration) {
    if !bench.wants(name) {
        return;
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        times[0].push(measure(n));
        times[1].push(measure(2 * n));
    }
    for (orders, times) in [n, 2 * n].into_iter().zip(&times) {
        let each = times.iter().map(|time| Value::ns_each(*time, orders.into())).collect();
        bench.figure(&format!("{name}, {orders} orders, each"), Unit::Ns, each);
        let all = times.iter().map(|time| Value::seconds(*time)).collect();
        bench.figure(&format!("{name}, {orders} orders"), Unit::Seconds, all);
    }
    let [once, twice] = times.map(|mut times| {
        times.sort_unstable();
        u64::try_from(times[ROUNDS / 2].as_nanos()).unwrap_or(u64::MAX)
    });
    bench.figure(&format!("{name}, 2 n to n"), Unit::Ratio, vec![Value::ratio(twice, once)]);
}

/// What the engine told.
#[derive(Default)]
struct Told {
    trades: u64,
    canceled: u64,
    volume: u64,
    refused: u64,
}

impl EventSink for Told {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Traded(trade) => {
                self.trades += 1;
                self.volume += trade.qty.lots();
            }
            Event::Canceled(_) => self.canceled += 1,
            Event::Rejected(_) | Event::CommandRefused { .. } => self.refused += 1,
            _ => {}
        }
    }
}

/// An engine with one instrument and some sessions, and what it told.
struct Bed {
    engine: Engine,
    sequence: u64,
    numbers: Vec<u32>,
    told: Told,
}

impl Bed {
    fn new(orders_max: u32, sessions: u32) -> Bed {
        let numbers = vec![0; sessions as usize + 1];
        let mut bed = Bed { engine: Engine::new(), sequence: 0, numbers, told: Told::default() };
        bed.govern(Command::Configure(Limits {
            orders_max,
            levels_max: 1 << 18,
            instruments_max: 1,
            sessions_max: sessions,
        }));
        let instrument = instrument("VESTA", (1, 1_000_000), 1_000_000);
        bed.govern(Command::DefineInstrument { id: X, instrument });
        for id in 1..=sessions {
            let (id, participant) = (SessionId(id), ParticipantId(id));
            bed.govern(Command::DefineSession { id, participant });
        }
        bed
    }

    fn govern(&mut self, command: Command) {
        self.give(SessionId::VENUE, command);
    }

    fn give(&mut self, session: SessionId, command: Command) {
        self.sequence += 1;
        let (sequence, timestamp) = (Sequence(self.sequence), Timestamp(self.sequence));
        let inbound = MsgSeqNum::NONE;
        let input = Input { sequence, timestamp, session, inbound, command };
        self.engine.apply(&input, &mut self.told);
    }

    fn enter(&mut self, session: u32, new: NewOrder, terms: &Terms) {
        let number = &mut self.numbers[session as usize];
        *number += 1;
        let new = NewOrder { number: OrderNumber(*number), ..new };
        let command = match terms {
            &Terms::NONE => Command::New(new),
            terms => Command::NewSpecial(new, *terms),
        };
        self.give(SessionId(session), command);
    }

    /// The CPU time of a command.
    fn time(&mut self, session: SessionId, command: Command) -> Duration {
        assert_eq!(self.told.refused, 0);
        self.told = Told::default();
        let (elapsed, ()) = cpu_time(|| self.give(session, command));
        black_box(&self.engine);
        elapsed
    }
}

const fn limit(side: Side, price: i64, qty: u64, time_in_force: TimeInForce) -> NewOrder {
    let order = NewOrder::limit(X, side, Price::from_ticks(price), Qty::from_lots(qty));
    NewOrder { time_in_force, liquidity: Liquidity::Any, ..order }
}

/// Orders of both sides at random over 4,000 levels each, as many bids as asks.
#[derive(Clone, Copy)]
struct Auction {
    /// How much higher the bids begin than they would if the two sides had the same prices.
    overlap: u64,
    time_in_force: TimeInForce,
}

impl Auction {
    fn measure(self, orders: u32) -> Duration {
        const SESSIONS: u32 = 64;
        let mut bed = Bed::new(orders, SESSIONS);
        bed.govern(Command::SetPhase { instrument: X, phase: Phase::OpeningAuction });
        let mut rng = Rng::new(42);
        for n in 0..orders {
            let side = if n % 2 == 0 { Side::Buy } else { Side::Sell };
            let up = if side == Side::Buy { self.overlap } else { 0 };
            let price = MIDDLE + (rng.below(4_000) + up).cast_signed();
            let session = 1 + u32::try_from(rng.below(SESSIONS.into())).unwrap_or(0);
            let order = limit(side, price, 1 + rng.below(100), self.time_in_force);
            bed.enter(session, order, &Terms::NONE);
        }
        let open = Command::SetPhase { instrument: X, phase: Phase::Continuous };
        let elapsed = bed.time(SessionId::VENUE, open);
        assert!(bed.told.trades > u64::from(orders) / 3);
        elapsed
    }
}

/// Half of the orders are bids, each at a price of its own and for all that is sold, the others asks at a
/// price of their own for a lot each, all of one owner: at each price the bid is taken off, and nothing else.
fn one_owner(orders: u32) -> Duration {
    let mut bed = Bed::new(orders, 1);
    let (session, self_trade) = (SessionId(1), SelfTradePrevention::CancelNewest);
    bed.govern(Command::SetSession { session, group: 0, self_trade });
    bed.govern(Command::SetPhase { instrument: X, phase: Phase::OpeningAuction });
    let (half, day) = (orders / 2, TimeInForce::Day);
    for n in 0..half {
        bed.enter(1, limit(Side::Sell, 1 + i64::from(n), 1, day), &Terms::NONE);
    }
    for n in 0..half {
        let order = limit(Side::Buy, MIDDLE + i64::from(n), half.into(), day);
        bed.enter(1, order, &Terms::NONE);
    }
    let open = Command::SetPhase { instrument: X, phase: Phase::Continuous };
    let elapsed = bed.time(SessionId::VENUE, open);
    assert_eq!((bed.told.trades, bed.told.canceled), (0, half.into()));
    elapsed
}

/// Stops to sell, one below the other, and a bid between each and the next.
fn cascade(stops: u32) -> Duration {
    let mut bed = Bed::new(2 * stops + 2, 64);
    for n in 0..=stops {
        let (price, session) = (MIDDLE - i64::from(n), 1 + n % 64);
        bed.enter(session, limit(Side::Buy, price, 1, TimeInForce::Day), &Terms::NONE);
        if n < stops {
            let trigger = Trigger::Stop(Price::from_ticks(price));
            let stop = NewOrder::market(X, Side::Sell, Qty::from_lots(1));
            let stop = NewOrder { time_in_force: TimeInForce::Day, ..stop };
            bed.enter(session, stop, &Terms { trigger, ..Terms::NONE });
        }
    }
    bed.numbers[1] += 1;
    let number = OrderNumber(bed.numbers[1]);
    let first = NewOrder { number, ..limit(Side::Sell, MIDDLE, 1, TimeInForce::Day) };
    let elapsed = bed.time(SessionId(1), Command::New(first));
    assert_eq!(bed.told.trades, u64::from(stops) + 1);
    elapsed
}

/// All orders of one session, at random over 4,000 levels of both sides.
fn mass_cancel(orders: u32) -> Duration {
    let mut bed = Bed::new(orders, 1);
    let mut rng = Rng::new(42);
    for n in 0..orders {
        let away = 1 + rng.below(4_000).cast_signed();
        let (side, price) = match n % 2 {
            0 => (Side::Buy, MIDDLE - away),
            _ => (Side::Sell, MIDDLE + away),
        };
        bed.enter(1, limit(side, price, 1, TimeInForce::Gtc), &Terms::NONE);
    }
    let elapsed = bed.time(SessionId(1), Command::MassCancel(MassCancelScope::Session));
    assert_eq!(bed.told.canceled, u64::from(orders));
    elapsed
}
