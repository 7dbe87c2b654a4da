//! Publisher and mirror against the engine: after every turn the mirror shows the engine's books.
//!
//! The comparison itself is in `support::Market::turn`.

use feed::mold::{MoldReceiver, MoldSender};
use feed::{MESSAGE_KINDS_PUBLISHED, MessageCount, Window};
use matcher::{
    Command, Instrument, InstrumentId, Liquidity, MassCancelScope, NewOrder, OrderKind,
    OrderNumber, Phase, Price, Qty, ReplaceOrder, SessionId, Side, TimeInForce,
};

use matcher::testing::flow::{Profile, record};

use crate::support::{Market, Random, Turn, instrument};

/// A seeded flow that makes every kind of Event: rests, trades, partial fills, replaces that keep,
/// lose, trade or fill, mass cancels, halts, expiry, refusals.
struct Flow {
    random: Random,
    market: Market,
    turns: Vec<Turn>,
    last: Vec<u32>,
    /// Session, number, instrument and side of orders that were once accepted.
    known: Vec<(SessionId, OrderNumber, InstrumentId, Side)>,
}

const SESSIONS: u32 = 4;
const INSTRUMENTS: u32 = 5;

impl Flow {
    fn new(seed: u64) -> Flow {
        let mut market = Market::new();
        let mut turns = vec![market.configure()];
        for (symbol, decimals, tick_size) in
            [("EURUSD", 4, 1), ("BTCUSD", 2, 25), ("NOT-ON-FEED", 4, 1), ("XRPBTC", 8, 10)]
        {
            turns.push(market.define_instrument(instrument(symbol, decimals, tick_size)).1);
        }
        let halted = Instrument { phase: Phase::Halt, ..instrument("GOLD", 0, 5) };
        turns.push(market.define_instrument(halted).1);
        for _ in 0..SESSIONS {
            market.define_session();
        }
        let last = vec![0; SESSIONS as usize + 1];
        Flow { random: Random::new(seed), market, turns, last, known: Vec::new() }
    }

    fn run(&mut self, turns: usize) {
        for _ in 0..turns {
            let (session, command) = self.command();
            let turn = self.market.turn(session, command);
            self.turns.push(turn);
        }
    }

    fn u32_below(&mut self, n: u32) -> u32 {
        u32::try_from(self.random.below(n.into())).unwrap()
    }

    fn command(&mut self) -> (SessionId, Command) {
        let session = SessionId(1 + self.u32_below(SESSIONS));
        let instrument = InstrumentId(self.u32_below(INSTRUMENTS));
        match self.random.below(1_000) {
            0..500 => (session, self.new_order(session, instrument)),
            500..700 => self.cancel(),
            700..990 => self.replace(),
            990..993 => (session, Command::MassCancel(MassCancelScope::Session)),
            993..996 => {
                (session, Command::MassCancel(MassCancelScope::SessionInstrument(instrument)))
            }
            996 => (SessionId::VENUE, Command::MassCancel(MassCancelScope::Instrument(instrument))),
            997..999 => {
                let phase =
                    [Phase::Continuous, Phase::Continuous, Phase::Halt][self.random.index(3)];
                (SessionId::VENUE, Command::SetPhase { instrument, phase })
            }
            _ => (SessionId::VENUE, Command::ExpireDay),
        }
    }

    fn next_number(&mut self, session: SessionId) -> OrderNumber {
        let last = &mut self.last[session.index()];
        *last += 1;
        OrderNumber(*last)
    }

    fn price(&mut self, side: Side) -> Price {
        let offset = i64::try_from(self.random.below(10)).unwrap();
        Price::from_ticks(match side {
            Side::Buy => 9_993 + offset,
            Side::Sell => 10_007 - offset,
        })
    }

    fn qty(&mut self) -> Qty {
        Qty::from_lots(1 + self.random.below(100))
    }

    fn new_order(&mut self, session: SessionId, instrument: InstrumentId) -> Command {
        let side = if self.random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let price = self.price(side);
        let number = self.next_number(session);
        self.known.push((session, number, instrument, side));
        let market = self.random.below(20) == 0;
        let time_in_force = [
            TimeInForce::Day,
            TimeInForce::Gtc,
            TimeInForce::Day,
            TimeInForce::Gtc,
            TimeInForce::Ioc,
            TimeInForce::Fok,
        ][self.random.index(6)];
        let post_only = self.random.below(10) == 0;
        Command::New(NewOrder {
            number,
            instrument,
            side,
            kind: if market { OrderKind::Market } else { OrderKind::Limit(price) },
            qty: self.qty(),
            time_in_force,
            liquidity: if post_only { Liquidity::PostOnly } else { Liquidity::Any },
        })
    }

    /// Mostly a young order: it may still work.
    fn target(&mut self) -> (SessionId, OrderNumber, InstrumentId, Side) {
        if self.known.is_empty() {
            return (SessionId(1), OrderNumber(1), InstrumentId(0), Side::Buy);
        }
        let back = self.random.index(self.known.len().min(60));
        self.known[self.known.len() - 1 - back]
    }

    fn cancel(&mut self) -> (SessionId, Command) {
        let (session, target, ..) = self.target();
        (session, Command::Cancel { target })
    }

    fn replace(&mut self) -> (SessionId, Command) {
        let (session, target, instrument, side) = self.target();
        let resting = self.market.engine.book(instrument).and_then(|book| {
            book.orders(side).find(|order| (order.session, order.number) == (session, target))
        });
        let mut price = self.price(side);
        let mut qty = self.qty();
        if let Some(order) = resting.filter(|_| self.random.below(2) == 0) {
            price = order.price;
            qty = Qty::from_lots(1 + self.random.below(order.leaves_qty.lots()));
        }
        let number = self.next_number(session);
        self.known.push((session, number, instrument, side));
        let replace = ReplaceOrder { number, target, instrument, side, price, qty };
        (session, Command::Replace(replace))
    }
}

/// More with FEED_TURNS in the environment.
fn turns() -> usize {
    std::env::var("FEED_TURNS").ok().and_then(|turns| turns.parse().ok()).unwrap_or(20_000)
}

#[test]
fn the_mirror_shows_the_books_of_the_engine_after_every_turn() {
    let mut kinds = [0_u64; 256];
    for seed in [0xFEED, 0xB00C, 0x17C4] {
        println!("seed {seed:#x}");
        let mut flow = Flow::new(seed);
        flow.run(turns());
        flow.market.engine.check();
        for bytes in flow.turns.iter().flat_map(|turn| &turn.messages) {
            kinds[usize::from(bytes[0])] += 1;
        }
    }
    for kind in b"SRHAEXDU" {
        assert!(kinds[usize::from(*kind)] > 0, "the flow makes no '{}'", kind.escape_ascii());
    }
    let published: u64 = MESSAGE_KINDS_PUBLISHED.iter().map(|kind| kinds[usize::from(*kind)]).sum();
    assert_eq!(published, kinds.iter().sum::<u64>(), "a type that is not documented");
    for kind in b"AEXDU" {
        assert!(kinds[usize::from(*kind)] > 100, "hardly any '{}'", kind.escape_ascii());
    }
}

/// The flows of the matcher's own tests: absurd prices, wrong numbers, jumps. Prices below zero and
/// quantities beyond 32 bits are not for the feed, so the instruments get ranges that fit; of the hostile ones
/// one is left as it is.
#[test]
fn the_mirror_follows_the_flows_of_the_matcher() {
    for (mut profile, seed, commands) in [
        (Profile { resting: 150, ..Profile::standard() }, 0xA, 10_000),
        (Profile::hostile(), 0xB, 20_000),
        (Profile { resting: 150, ..Profile::jumpy() }, 0xC, 10_000),
    ] {
        println!("seed {seed:#x}");
        let skip = usize::from(profile.instruments.len() > 2);
        for instrument in profile.instruments.iter_mut().skip(skip) {
            instrument.price_min = Price::from_ticks(1);
            instrument.price_max = Price::from_ticks(40_000_000);
            instrument.qty_max = Qty::from_lots(1_000);
        }
        let mut market: Market = Market::new();
        let mut messages = 0;
        for input in record(profile, seed, commands) {
            messages += market.apply(input).messages.len();
        }
        assert!(messages > commands / 4, "only {messages} messages");
    }
}

/// The feed of a venue that was restarted is the feed it had before.
#[test]
fn any_turn_can_be_encoded_again() {
    let mut flow = Flow::new(0x5EED);
    flow.run(3_000);
    let mut random = Random::new(1);
    for _ in 0..200 {
        let from = random.index(flow.turns.len());
        let len = 1 + random.index(50);
        let mut publisher = flow.market.publisher.clone();
        for turn in flow.turns.iter().skip(from).take(len) {
            let mut again: Vec<Vec<u8>> = Vec::new();
            publisher.turn(&turn.input, &turn.events, &mut again);
            assert_eq!(again, turn.messages);
            let count = publisher.messages_in_turn(&turn.input, &turn.events);
            assert_eq!(count, turn.messages.len() as u64);
        }
    }
    let mut all = MessageCount(0);
    let mut publisher = feed::Publisher::new();
    for turn in &flow.turns {
        publisher.turn(&turn.input, &turn.events, &mut all);
    }
    assert_eq!(all.0, flow.turns.iter().map(|turn| turn.messages.len() as u64).sum::<u64>());
}

/// The whole way: window, packets, receiver, mirror.
#[test]
fn a_mirror_behind_the_network_ends_with_the_same_books() {
    let mut flow = Flow::new(0xFA11);
    flow.run(3_000);
    let mut window = Window::new(1 << 20, 1 << 16, 1);
    for bytes in flow.turns.iter().flat_map(|turn| &turn.messages) {
        window.push(window.next(), bytes);
    }
    assert_eq!(window.first(), 1);

    let mut mirror = feed::Mirror::new();
    let mut sender = MoldSender::new(*b"VESTA00001", 1);
    let mut receiver = MoldReceiver::new(None, 1, 8);
    let mut receive = |packet: &[u8]| {
        receiver
            .receive(packet, |_, bytes| mirror.apply(&crate::support::message(bytes)).unwrap())
            .unwrap();
    };
    for (_, bytes) in window.range(1).unwrap() {
        sender.push(flow.market.now, bytes, &mut receive);
    }
    sender.end(flow.market.now, &mut receive);
    assert!(receiver.is_complete());
    for locate in 1..=5 {
        for side in [Side::Buy, Side::Sell] {
            let theirs = flow.market.mirror.orders(locate, side);
            assert!(mirror.orders(locate, side).eq(theirs));
        }
    }
    assert!(mirror.orders_len() > 0);
}
