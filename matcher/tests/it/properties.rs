//! What holds whatever the flow is.

use std::collections::BTreeMap;

use matcher::testing::{Flow, Profile, flow};
use matcher::{
    Command, Engine, Event, EventSink, Fill, Input, InstrumentId, Limits, Liquidity, MsgSeqNum,
    NewOrder, Notional, OrderId, OrderKind, OrderNumber, OrderRef, ParticipantId, Price, Priority,
    Qty, RejectReason, Sequence, SessionId, Side, TimeInForce, Timestamp, record,
};

const COMMANDS: usize = 30_000;

fn profiles() -> [(&'static str, Profile); 3] {
    [
        ("standard", Profile { resting: 400, ..Profile::standard() }),
        ("hostile", Profile::hostile()),
        ("jumpy", Profile::jumpy()),
    ]
}

/// Each flow with its Events, Input by Input.
fn runs() -> impl Iterator<Item = (&'static str, Vec<(Input, Vec<Event>)>, Engine)> {
    profiles().into_iter().map(|(name, profile)| {
        println!("{name} seed 5");
        let mut engine = Engine::new();
        let turns = flow::record(profile, 5, COMMANDS)
            .into_iter()
            .map(|input| {
                let mut events = Vec::new();
                engine.apply(&input, &mut events);
                (input, events)
            })
            .collect();
        (name, turns, engine)
    })
}

#[derive(Default)]
struct Account {
    order_qty: u64,
    done: u64,
    notional: i128,
    gone: bool,
}

impl Account {
    fn fill(&mut self, price: Price, qty: Qty, fill: &Fill) {
        assert!(!self.gone);
        self.done += qty.lots();
        self.notional += i128::from(price.ticks()) * i128::from(qty.lots());
        assert_eq!(fill.cum_qty.lots(), self.done);
        assert_eq!(fill.leaves_qty.lots() + self.done, self.order_qty);
        assert_eq!(i128::from(fill.notional.tick_lots()), self.notional);
        self.gone = self.done == self.order_qty;
    }
}

#[test]
fn what_was_ordered_is_traded_canceled_or_rests() {
    for (_, turns, engine) in runs() {
        let mut accounts: BTreeMap<OrderId, Account> = BTreeMap::new();
        for (input, events) in &turns {
            for event in events {
                match event {
                    Event::Accepted(_) => {
                        let Command::New(new) = input.command else { panic!("{input:?}") };
                        let account = Account { order_qty: new.qty.lots(), ..Account::default() };
                        assert!(accounts.insert(OrderId(input.sequence.0), account).is_none());
                    }
                    Event::Traded(trade) => {
                        for fill in [&trade.maker, &trade.taker] {
                            let account = accounts.get_mut(&fill.order_id).unwrap();
                            account.fill(trade.price, trade.qty, fill);
                        }
                    }
                    Event::Canceled(cancel) => {
                        let account = accounts.get_mut(&cancel.order_id).unwrap();
                        assert!(!account.gone);
                        account.gone = true;
                        assert_eq!(cancel.cum_qty.lots(), account.done);
                        assert_eq!(cancel.canceled_qty.lots() + account.done, account.order_qty);
                        let notional =
                            Notional::from_tick_lots(account.notional.try_into().unwrap());
                        assert_eq!(cancel.notional, notional);
                    }
                    Event::Replaced(replace) => {
                        let account = accounts.get_mut(&replace.order_id).unwrap();
                        assert!(!account.gone);
                        assert_eq!(replace.old_leaves_qty.lots() + account.done, account.order_qty);
                        account.order_qty = replace.order_qty.lots();
                        assert_eq!(replace.leaves_qty.lots() + account.done, account.order_qty);
                    }
                    _ => {}
                }
            }
        }
        let mut working: BTreeMap<OrderId, u64> = BTreeMap::new();
        for (id, _) in engine.instruments() {
            for side in [Side::Buy, Side::Sell] {
                let orders = engine.book(id).unwrap().orders(side);
                working.extend(orders.map(|order| (order.order_id, order.leaves_qty.lots())));
            }
        }
        assert_eq!(working.len(), engine.orders_len());
        for (id, account) in accounts {
            let leaves = (!account.gone).then(|| account.order_qty - account.done);
            assert_eq!(working.get(&id).copied(), leaves);
        }
    }
}

#[test]
fn a_taker_pays_the_makers_price_within_its_limit() {
    for (_, turns, _) in runs() {
        let mut prices = BTreeMap::new();
        for (input, events) in &turns {
            let limit = match input.command {
                Command::New(NewOrder { kind: OrderKind::Limit(price), .. }) => Some(price),
                Command::Replace(replace) => Some(replace.price),
                _ => None,
            };
            for event in events {
                match event {
                    Event::Rested(rested) => {
                        prices.insert(rested.order_ref, rested.price);
                    }
                    Event::Traded(trade) => {
                        assert_eq!(prices[&trade.maker_ref], trade.price);
                        let within =
                            limit.is_none_or(|limit| trade.taker_side.accepts(limit, trade.price));
                        assert!(within);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_book_is_never_crossed() {
    for (name, profile) in profiles() {
        println!("{name} seed 6");
        let mut flow = Flow::new(profile, 6);
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        for _ in 0..COMMANDS {
            engine.apply(&flow.input(), &mut events);
            for (id, _) in engine.instruments() {
                let book = engine.book(id).unwrap();
                if let (Some(bid), Some(ask)) = (book.bids().next(), book.asks().next()) {
                    assert!(bid.price < ask.price);
                }
            }
            events.drain(..).for_each(|event| flow.observe(&event));
        }
    }
}

#[test]
fn messages_of_a_session_are_numbered_without_a_gap() {
    for (_, turns, engine) in runs() {
        let mut last: BTreeMap<SessionId, MsgSeqNum> = BTreeMap::new();
        for (input, events) in &turns {
            if matches!(input.command, Command::Note(matcher::Numbering::Reset))
                && !matches!(events[..], [Event::CommandRefused { .. }])
            {
                last.insert(input.session, MsgSeqNum::NONE);
            }
            for (session, msg) in events.iter().flat_map(Event::recipients).flatten() {
                assert!(session != SessionId::VENUE);
                let last = last.entry(session).or_default();
                assert_eq!(msg.0, last.0 + 1);
                *last = msg;
            }
        }
        for (session, msg) in last {
            assert_eq!(engine.session(session).unwrap().last_outbound, msg);
        }
    }
}

#[test]
fn a_replay_of_the_bytes_gives_the_same_events() {
    for (_, turns, engine) in runs() {
        let mut again = Engine::new();
        for (input, events) in &turns {
            let mut bytes = [0xff; record::INPUT_BYTES_MAX];
            let len = record::encode_input(input, b"ClOrdID", &mut bytes);
            let (decoded, _, _) = record::decode_input(input.sequence, &bytes[..len]).unwrap();
            let mut events_again = Vec::new();
            again.apply(&decoded, &mut events_again);
            assert_eq!(&events_again, events);
        }
        assert_eq!(again.orders_len(), engine.orders_len());
        again.check();
    }
}

/// What a reader of Events knows of a book: places in the queue by side and price, oldest first.
#[derive(Default)]
struct Mirror(BTreeMap<OrderRef, (InstrumentId, Side, Price, Qty)>);

impl Mirror {
    fn reduce(&mut self, place: OrderRef, qty: Qty) {
        let order = self.0.get_mut(&place).unwrap();
        order.3 -= qty;
        if order.3.is_zero() {
            self.0.remove(&place);
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Rested(e) => {
                let order = (e.instrument, e.side, e.price, e.leaves_qty);
                assert!(self.0.insert(e.order_ref, order).is_none());
            }
            Event::Traded(e) => self.reduce(e.maker_ref, e.qty),
            Event::Canceled(e) if e.order_ref != OrderRef::NONE => {
                assert_eq!(self.0.remove(&e.order_ref).unwrap().3, e.canceled_qty);
            }
            Event::Replaced(e) if e.priority == Priority::Kept => {
                self.reduce(e.old_ref, e.old_leaves_qty - e.leaves_qty);
            }
            Event::Replaced(e) => {
                assert_eq!(self.0.remove(&e.old_ref).unwrap().3, e.old_leaves_qty);
            }
            _ => {}
        }
    }

    fn side(&self, id: InstrumentId, side: Side) -> Vec<(OrderRef, Price, Qty)> {
        let orders = self.0.iter().filter(|(_, order)| (order.0, order.1) == (id, side));
        let mut rows: Vec<_> = orders.map(|(place, order)| (*place, order.2, order.3)).collect();
        // The sort is stable: oldest first at each price.
        rows.sort_by_key(|row| {
            let price = i128::from(row.1.ticks());
            if side == Side::Buy { -price } else { price }
        });
        rows
    }
}

#[test]
fn a_book_rebuilt_from_the_events_is_the_book() {
    for (_, turns, engine) in runs() {
        let mut mirror = Mirror::default();
        turns.iter().flat_map(|(_, events)| events).for_each(|event| mirror.observe(event));
        for (id, _) in engine.instruments() {
            for side in [Side::Buy, Side::Sell] {
                let orders = engine.book(id).unwrap().orders(side);
                let rows: Vec<_> =
                    orders.map(|order| (order.order_ref, order.price, order.leaves_qty)).collect();
                assert_eq!(rows, mirror.side(id, side));
            }
        }
    }
}

/// One session, one instrument, and a hand on the price.
struct Market {
    engine: Engine,
    sequence: u64,
    number: u32,
}

impl Market {
    fn new(limits: Limits, prices: (i64, i64)) -> Market {
        let mut market = Market { engine: Engine::new(), sequence: 0, number: 0 };
        market.give(SessionId::VENUE, Command::Configure(limits));
        let instrument = flow::instrument("X", prices, 1);
        let id = InstrumentId(0);
        market.give(SessionId::VENUE, Command::DefineInstrument { id, instrument });
        let participant = ParticipantId(1);
        market.give(SessionId::VENUE, Command::DefineSession { id: SessionId(1), participant });
        market
    }

    fn give(&mut self, session: SessionId, command: Command) -> Vec<Event> {
        self.sequence += 1;
        let mut events = Vec::new();
        let input = Input {
            sequence: Sequence(self.sequence),
            timestamp: Timestamp(0),
            session,
            inbound: MsgSeqNum::NONE,
            command,
        };
        self.engine.apply(&input, &mut events);
        events
    }

    fn rest(&mut self, side: Side, price: i64) -> OrderNumber {
        self.number += 1;
        let number = OrderNumber(self.number);
        let events = self.give(
            SessionId(1),
            Command::New(NewOrder {
                number,
                instrument: InstrumentId(0),
                side,
                kind: OrderKind::Limit(Price::from_ticks(price)),
                qty: Qty::from_lots(1),
                time_in_force: TimeInForce::Gtc,
                liquidity: Liquidity::PostOnly,
            }),
        );
        assert!(matches!(events[..], [Event::Accepted(_), Event::Rested(_)]), "{events:?}");
        number
    }

    fn cancel(&mut self, target: OrderNumber) {
        let events = self.give(SessionId(1), Command::Cancel { target });
        assert!(matches!(events[..], [Event::Canceled(_)]), "{events:?}");
    }

    fn prices(&self, side: Side) -> Vec<i64> {
        let book = self.engine.book(InstrumentId(0)).unwrap();
        book.levels(side).map(|level| level.price.ticks()).collect()
    }
}

const ROOMY: Limits =
    Limits { orders_max: 20_000, levels_max: 20_000, instruments_max: 1, sessions_max: 1 };

/// The best price goes back and forth over the whole range of an integer, with many prices at both
/// ends: whatever structure holds them has to follow or to stay, and must not lose one.
#[test]
fn a_best_price_that_jumps_from_end_to_end_loses_no_price() {
    for side in [Side::Buy, Side::Sell] {
        let mut market = Market::new(ROOMY, (-i64::MAX, i64::MAX));
        let worst = if side == Side::Buy { -i64::MAX } else { i64::MAX };
        let inward = -worst.signum();
        let mut expected: Vec<i64> = (0..2_000).map(|n| worst + inward * n * 3).collect();
        for price in &expected {
            market.rest(side, *price);
        }
        for n in 0..1_500 {
            let number = market.rest(side, -worst - inward * (n % 700) * 5);
            assert_eq!(market.prices(side)[0], -worst - inward * (n % 700) * 5);
            if n % 50 == 0 {
                market.engine.check();
            }
            market.cancel(number);
        }
        market.engine.check();
        let far: Vec<i64> = (0..300).map(|n| -worst - inward * n * 7).collect();
        for price in &far {
            market.rest(side, *price);
        }
        expected.extend(far);
        expected.sort_by_key(|price| i128::from(*price) * i128::from(worst.signum()));
        market.engine.check();
        assert_eq!(market.prices(side), expected);
    }
}

/// A window at the very end of the keys must not reach round to the other end.
#[test]
fn the_two_ends_of_the_prices_are_not_neighbours() {
    for side in [Side::Buy, Side::Sell] {
        let mut market = Market::new(ROOMY, (-i64::MAX, i64::MAX));
        let worst = if side == Side::Buy { -i64::MAX } else { i64::MAX };
        let inward = -worst.signum();
        // Enough prices at the worst end for the ladder to settle there.
        for n in (0..400).rev() {
            market.rest(side, worst + inward * n);
        }
        for n in 0..400 {
            market.rest(side, -worst - inward * n);
            market.engine.check();
        }
        let prices = market.prices(side);
        assert_eq!(prices.len(), 800);
        assert_eq!((prices[0], prices[799]), (-worst, worst));
    }
}

#[test]
fn tables_grow_under_a_working_market() {
    let limits = Limits { orders_max: 8, levels_max: 8, instruments_max: 1, sessions_max: 1 };
    let mut market = Market::new(limits, (-1_000_000, 1_000_000));
    let mut expected = Vec::new();
    for n in 0..2_000_i64 {
        if n % 8 == 0 && n > 0 {
            let room = u32::try_from(n).unwrap() + 8;
            let limits = Limits { orders_max: room, levels_max: room, ..limits };
            let events = market.give(SessionId::VENUE, Command::Configure(limits));
            assert_eq!(events, [Event::Configured]);
            market.engine.check();
        }
        market.rest(Side::Sell, n * 37 % 20_011);
        expected.push(n * 37 % 20_011);
    }
    expected.sort_unstable();
    assert_eq!(market.prices(Side::Sell), expected);
    assert_eq!(market.engine.limits().orders_max, 2_000);
}

#[test]
fn nothing_is_done_before_configure() {
    let mut events = Vec::new();
    let mut engine = Engine::default();
    let mut flow = Flow::new(Profile::hostile(), 1);
    let configure = flow.input();
    let define = flow.input();
    engine.apply(&define, &mut events);
    assert_eq!(events, [Event::CommandRefused { reason: RejectReason::TableFull }]);
    for _ in 0..1_000 {
        let input = flow.input();
        if !matches!(input.command, Command::Configure(_)) {
            engine.apply(&input, &mut events);
        }
    }
    assert!(events.iter().all(|event| matches!(event, Event::CommandRefused { .. })));
    assert!(engine.book(InstrumentId(0)).is_none() && engine.session(SessionId(1)).is_none());
    assert_eq!((engine.orders_len(), engine.sessions_len()), (0, 0));
    engine.check();
    events.clear();
    engine.apply(&configure, &mut events);
    assert_eq!(events, [Event::Configured]);
}

#[test]
fn a_sink_is_told_events_in_order() {
    struct Last(u64);
    impl EventSink for Last {
        fn event(&mut self, event: &Event) {
            if let Event::Traded(trade) = event {
                assert_eq!(trade.id.0, self.0 + 1);
                self.0 = trade.id.0;
            }
        }
    }
    let (mut engine, mut last) = (Engine::new(), Last(0));
    for input in flow::record(Profile::hostile(), 3, COMMANDS) {
        engine.apply(&input, &mut last);
    }
    assert!(last.0 > 1_000);
}
