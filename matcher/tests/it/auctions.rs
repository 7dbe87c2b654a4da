//! Auctions in which self-trade prevention takes so much off that they have to look for their price again
//! and again: the engine goes by its landmarks from the third time on, the reference looks at every price.

use matcher::testing::{Reference, Rng};
use matcher::{
    Command, Engine, Event, Input, Instrument, InstrumentId, Limits, MassCancelScope, MsgSeqNum,
    NewOrder, OrderKind, OrderNumber, ParticipantId, Phase, Price, Qty, SelfTradePrevention,
    Sequence, SessionId, Side, Terms, TimeInForce, Timestamp,
};

const X: InstrumentId = InstrumentId(0);
const LIMITS: Limits =
    Limits { orders_max: 200, levels_max: 200, instruments_max: 1, sessions_max: 6 };

#[derive(Default)]
struct Both {
    engine: Engine,
    reference: Reference,
    sequence: u64,
}

impl Both {
    fn new() -> Both {
        let mut both = Both::default();
        both.venue(Command::Configure(LIMITS));
        // Few prices, all of which the reference tries.
        let (price_min, price_max) = (Price::from_ticks(-5), Price::from_ticks(75));
        let instrument = Instrument { price_min, price_max, ..Instrument::plain("X").unwrap() };
        both.venue(Command::DefineInstrument { id: X, instrument });
        for id in 1..=4 {
            let participant = ParticipantId(1 + id / 3);
            both.venue(Command::DefineSession { id: SessionId(id), participant });
        }
        both
    }

    /// Both answer alike.
    fn give(&mut self, session: SessionId, command: Command) -> Vec<Event> {
        self.sequence += 1;
        let (sequence, timestamp) = (Sequence(self.sequence), Timestamp(self.sequence));
        let inbound = MsgSeqNum::NONE;
        let input = Input { sequence, timestamp, session, inbound, command };
        let mut events = Vec::new();
        self.engine.apply(&input, &mut events);
        assert_eq!(events, self.reference.apply(&input), "{input:?}");
        events
    }

    fn venue(&mut self, command: Command) -> Vec<Event> {
        self.give(SessionId::VENUE, command)
    }

    fn enter(&mut self, session: SessionId, order: NewOrder, display_qty: Qty) {
        let number = OrderNumber(self.engine.session(session).unwrap().last_number.0 + 1);
        let (order, terms) = (NewOrder { number, ..order }, Terms { display_qty, ..Terms::NONE });
        self.give(session, Command::NewSpecial(order, terms));
    }
}

/// What a call is made of.
struct Call {
    orders: usize,
    /// Prices of either side are so many ticks, and those of bids begin this far above those of asks.
    prices: u64,
    above: i64,
    /// Shares in 100: of market orders, of icebergs.
    market: u64,
    iceberg: u64,
}

/// One owner sells most of what is sold and bids for more than the others do, who bid for a little: so each
/// price gives some trades and takes off some bids that had made it.
fn order(call: &Call, rng: &mut Rng) -> (SessionId, NewOrder, Qty) {
    let is_buy = rng.percent(60);
    let is_owner = rng.percent(if is_buy { 50 } else { 85 });
    let session = match is_owner {
        true => SessionId(1 + u32::from(rng.percent(50))),
        false => SessionId(3 + u32::from(rng.percent(50))),
    };
    let tick = i64::try_from(rng.below(call.prices)).unwrap();
    let (side, tick) = if is_buy { (Side::Buy, call.above + tick) } else { (Side::Sell, tick) };
    let qty = 1 + rng.below(if is_buy && is_owner { 40 } else { 4 });
    let mut order = NewOrder::limit(X, side, Price::from_ticks(tick), Qty::from_lots(qty));
    let mut display_qty = Qty::ZERO;
    if rng.percent(call.market) {
        order.kind = OrderKind::Market;
    } else if rng.percent(call.iceberg) {
        display_qty = Qty::from_lots(qty.div_ceil(3));
    } else if rng.percent(30) {
        order.time_in_force = TimeInForce::Gfa;
    }
    (session, order, display_qty)
}

/// The owner's market orders stand first and are kept, while his own orders of the other side are taken off
/// one price after the other: what is left of them is there when the price is looked for again.
fn market_orders_first(rng: &mut Rng) -> Vec<(SessionId, NewOrder, Qty)> {
    let side = if rng.percent(50) { Side::Buy } else { Side::Sell };
    let order = |side: Side, tick: u64, qty: u64| {
        let tick = i64::try_from(tick).unwrap();
        let price = Price::from_ticks(if side == Side::Buy { 40 - tick } else { 20 + tick });
        NewOrder::limit(X, side, price, Qty::from_lots(qty))
    };
    let mut orders = Vec::new();
    for _ in 0..=rng.below(3) {
        let market = NewOrder { kind: OrderKind::Market, ..order(side, 0, 1 + rng.below(30)) };
        orders.push((SessionId(1), market));
    }
    for _ in 0..=rng.below(3) {
        orders.push((SessionId(3), order(side, rng.below(20), 1 + rng.below(4))));
    }
    for _ in 0..8 + rng.below(32) {
        let session = SessionId(if rng.percent(70) { 2 } else { 4 });
        orders.push((session, order(side.opposite(), rng.below(24), 1 + rng.below(12))));
    }
    orders.into_iter().map(|(session, order)| (session, order, Qty::ZERO)).collect()
}

/// Holds calls and ends them; returns how many had three prices at least.
fn hold(
    seed: u64,
    calls: u64,
    modes: &[SelfTradePrevention],
    orders: impl Fn(&mut Rng) -> Vec<(SessionId, NewOrder, Qty)>,
) -> usize {
    let (mut both, mut rng) = (Both::new(), Rng::new(seed));
    let mut looked_again = 0;
    for _ in 0..calls {
        both.venue(Command::SetPhase { instrument: X, phase: Phase::OpeningAuction });
        for id in 1..=4 {
            let (session, self_trade) = (SessionId(id), modes[rng.index(modes.len())]);
            both.venue(Command::SetSession { session, group: 0, self_trade });
        }
        for (session, order, display_qty) in orders(&mut rng) {
            both.enter(session, order, display_qty);
        }
        let events = both.venue(Command::SetPhase { instrument: X, phase: Phase::Continuous });
        let prices = events.iter().filter(|event| matches!(event, Event::Uncrossed(_))).count();
        looked_again += usize::from(prices > 2);
        both.engine.check();
        both.venue(Command::MassCancel(MassCancelScope::Instrument(X)));
    }
    println!("{looked_again} of {calls} looked again");
    looked_again
}

const MODES: [SelfTradePrevention; 4] = [
    SelfTradePrevention::CancelNewest,
    SelfTradePrevention::Decrement,
    SelfTradePrevention::CancelOldest,
    SelfTradePrevention::CancelBoth,
];

/// Those that may keep the older order.
const KEEPING: &[SelfTradePrevention] = MODES.first_chunk::<2>().unwrap();

fn mixed(call: &Call, rng: &mut Rng) -> Vec<(SessionId, NewOrder, Qty)> {
    (0..call.orders).map(|_| order(call, rng)).collect()
}

#[test]
fn calls_at_few_prices() {
    let call = Call { orders: 32, prices: 6, above: 5, market: 2, iceberg: 10 };
    assert!(hold(1, 60, &MODES, |rng| mixed(&call, rng)) > 15);
}

#[test]
fn calls_at_many_prices() {
    let call = Call { orders: 60, prices: 40, above: 30, market: 2, iceberg: 10 };
    assert!(hold(2, 30, &MODES, |rng| mixed(&call, rng)) > 12);
}

#[test]
fn calls_with_many_market_orders() {
    let call = Call { orders: 40, prices: 20, above: 20, market: 15, iceberg: 0 };
    assert!(hold(3, 40, &MODES, |rng| mixed(&call, rng)) > 15);
}

#[test]
fn calls_with_market_orders_that_are_left() {
    assert!(hold(4, 100, KEEPING, market_orders_first) > 10);
}
