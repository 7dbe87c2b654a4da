//! The largest commands there are: what one order can set off.

use matcher::testing::flow;
use matcher::{
    Command, Engine, Event, Input, InstrumentId, Limits, Liquidity, MsgSeqNum, NewOrder, OrderKind,
    OrderNumber, ParticipantId, Phase, Price, Qty, SelfTradePrevention, Sequence, SessionId, Side,
    Terms, TimeInForce, Timestamp, Trigger,
};

/// Orders that one command sets off.
const LINKS: u32 = 100_000;

struct Venue {
    engine: Engine,
    sequence: u64,
    numbers: [u32; 3],
}

impl Venue {
    fn new() -> Venue {
        let mut venue = Venue { engine: Engine::new(), sequence: 0, numbers: [0; 3] };
        let max = 3 * LINKS;
        let limits =
            Limits { orders_max: max, levels_max: max, instruments_max: 1, sessions_max: 2 };
        venue.give(SessionId::VENUE, Command::Configure(limits));
        let instrument = flow::instrument("X", (1, 1_000_000), 1_000_000);
        venue.give(SessionId::VENUE, Command::DefineInstrument { id: InstrumentId(0), instrument });
        for id in [1, 2] {
            let participant = ParticipantId(id);
            venue.give(SessionId::VENUE, Command::DefineSession { id: SessionId(id), participant });
        }
        venue
    }

    fn give(&mut self, session: SessionId, command: Command) -> Vec<Event> {
        self.sequence += 1;
        let sequence = Sequence(self.sequence);
        let (timestamp, inbound) = (Timestamp(1), MsgSeqNum::NONE);
        let mut events = Vec::new();
        self.engine.apply(&Input { sequence, timestamp, session, inbound, command }, &mut events);
        events
    }

    fn order(
        &mut self,
        session: u32,
        side: Side,
        qty: u64,
        kind: OrderKind,
        terms: Terms,
    ) -> Vec<Event> {
        let number = &mut self.numbers[session as usize];
        *number += 1;
        let new = NewOrder {
            number: OrderNumber(*number),
            instrument: InstrumentId(0),
            side,
            kind,
            qty: Qty::from_lots(qty),
            time_in_force: TimeInForce::Gtc,
            liquidity: Liquidity::Any,
        };
        self.give(SessionId(session), Command::NewSpecial(new, terms))
    }
}

fn limit(ticks: u32) -> OrderKind {
    OrderKind::Limit(Price::from_ticks(ticks.into()))
}

fn trades_and_triggers(events: &[Event]) -> (usize, usize) {
    let trades = events.iter().filter(|event| matches!(event, Event::Traded(_)));
    let triggers = events.iter().filter(|event| matches!(event, Event::Triggered(_)));
    (trades.count(), triggers.count())
}

/// Each stop trades one tick higher and elects the next with it.
#[test]
fn a_hundred_thousand_stops_one_after_the_other() {
    let mut venue = Venue::new();
    for n in 1..=LINKS + 1 {
        venue.order(1, Side::Sell, 1, limit(n), Terms::NONE);
    }
    for n in 1..=LINKS {
        let trigger = Trigger::Stop(Price::from_ticks(n.into()));
        venue.order(2, Side::Buy, 1, OrderKind::Market, Terms { trigger, ..Terms::NONE });
    }
    let events = venue.order(2, Side::Buy, 1, limit(1), Terms::NONE);
    assert_eq!(trades_and_triggers(&events), (LINKS as usize + 1, LINKS as usize));
    assert_eq!(venue.engine.orders_len(), 0);
    venue.engine.check();
}

/// One trade reaches all of them: fixed ones and trailing ones in turn.
#[test]
fn a_hundred_thousand_stops_at_once() {
    let mut venue = Venue::new();
    venue.order(1, Side::Buy, 1, limit(500_000), Terms::NONE);
    venue.order(2, Side::Sell, 1, limit(500_000), Terms::NONE);
    for n in 0..LINKS {
        let trigger = match n % 2 {
            0 => Trigger::Stop(Price::from_ticks((400_000 - n / 2).into())),
            _ => Trigger::Trailing((100_000 + n / 2).into()),
        };
        venue.order(2, Side::Sell, 1, OrderKind::Market, Terms { trigger, ..Terms::NONE });
    }
    venue.order(1, Side::Buy, u64::from(LINKS) / 2, limit(300_000), Terms::NONE);
    let events = venue.order(2, Side::Sell, 1, limit(300_000), Terms::NONE);
    assert_eq!(trades_and_triggers(&events), (LINKS as usize / 2, LINKS as usize));
    // Nearest to the market first, then the one that waits longest.
    let ids = events.iter().filter_map(|event| match event {
        Event::Triggered(event) => Some(event.order_id),
        _ => None,
    });
    assert!(ids.is_sorted());
    assert_eq!(venue.engine.orders_len(), 0);
    venue.engine.check();
}

/// As many slices as an iceberg may have, in one trade after the other.
#[test]
fn ten_thousand_slices() {
    let mut venue = Venue::new();
    let display_qty = Qty::from_lots(1);
    let iceberg = Terms { display_qty, ..Terms::NONE };
    for _ in 0..10 {
        venue.order(1, Side::Sell, 10_000, limit(100), iceberg);
    }
    let events = venue.order(2, Side::Buy, 100_000, limit(100), Terms::NONE);
    assert_eq!(trades_and_triggers(&events).0, 100_000);
    let slices = events.iter().filter(|event| matches!(event, Event::Replenished(_))).count();
    assert_eq!((slices, venue.engine.orders_len()), (99_990, 0));
    venue.engine.check();
}

/// All of them expire in one command, in the order in which they came.
#[test]
fn a_hundred_thousand_orders_expire() {
    let mut venue = Venue::new();
    for n in 0..LINKS {
        let number = OrderNumber(n + 1);
        let new = NewOrder {
            number,
            instrument: InstrumentId(0),
            side: Side::Buy,
            kind: limit(1 + n % 1_000),
            qty: Qty::from_lots(1),
            time_in_force: TimeInForce::Gtd,
            liquidity: Liquidity::Any,
        };
        let terms = Terms { expire_at: Timestamp(10 + u64::from(n / 2)), ..Terms::NONE };
        venue.give(SessionId(1), Command::NewSpecial(new, terms));
    }
    assert_eq!(venue.engine.next_expiry(), Some(Timestamp(10)));
    let input = Input {
        sequence: Sequence(venue.sequence + 1),
        timestamp: Timestamp(10 + u64::from(LINKS) / 4 - 1),
        session: SessionId::VENUE,
        inbound: MsgSeqNum::NONE,
        command: Command::Expire,
    };
    let mut events = Vec::new();
    venue.engine.apply(&input, &mut events);
    let numbers: Vec<u32> = events
        .iter()
        .map(|event| match event {
            Event::Canceled(event) => event.number.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(numbers.iter().copied().eq(1..=LINKS / 2));
    assert_eq!(venue.engine.next_expiry(), Some(Timestamp(10 + u64::from(LINKS) / 4)));
    venue.engine.check();
}

/// An owner sells a lot at each of many low prices, and bids for all of them at each of many high ones;
/// before each of those bids somebody else bids for one. Each price takes a look at the auction of its own:
/// one lot trades, the owner's bid is taken off, and the rest is left over. The last bid meets nobody.
#[test]
fn an_auction_that_one_owner_is_in_on_both_sides() {
    const PRICES: u32 = 3_000;
    let mut venue = Venue::new();
    let (session, self_trade) = (SessionId(1), SelfTradePrevention::CancelNewest);
    venue.give(SessionId::VENUE, Command::SetSession { session, group: 0, self_trade });
    let instrument = InstrumentId(0);
    let phase = |phase| Command::SetPhase { instrument, phase };
    venue.give(SessionId::VENUE, phase(Phase::OpeningAuction));
    for price in 1..=PRICES {
        venue.order(1, Side::Sell, 1, limit(price), Terms::NONE);
    }
    for price in 10_001..=10_000 + PRICES {
        venue.order(2, Side::Buy, 1, limit(price), Terms::NONE);
        venue.order(1, Side::Buy, PRICES.into(), limit(price), Terms::NONE);
    }
    let events = venue.give(SessionId::VENUE, phase(Phase::Continuous));
    let outcomes = events.iter().filter_map(|event| match event {
        Event::Uncrossed(it) => Some((it.price.ticks(), it.qty.lots(), it.imbalance.lots())),
        _ => None,
    });
    let of_turn = |n| {
        let left = if n < PRICES { PRICES - n } else { PRICES };
        (i64::from(10_001 + PRICES - n), 1_u64, u64::from(left))
    };
    let expected = (1..=PRICES).map(of_turn);
    assert!(outcomes.eq(expected));
    let canceled = events.iter().filter(|event| matches!(event, Event::Canceled(_))).count();
    assert_eq!((trades_and_triggers(&events).0, canceled), (3_000, 2_999));
    assert_eq!(venue.engine.orders_len(), 1);
    venue.engine.check();
}
