//! What holds whatever the flow is.

use std::collections::BTreeMap;

use matcher::testing::{Flow, Mix, Profile, flow, mix};
use matcher::{
    Ahead, Command, Engine, Event, EventSink, Fill, Input, Instrument, InstrumentId, Limits,
    Liquidity, MsgSeqNum, NewOrder, Notional, OrderId, OrderKind, OrderNumber, OrderRef,
    ParticipantId, Phase, Price, Priority, Qty, RejectReason, ReplaceOrder, Replenished, Rested,
    Sequence, SessionId, Side, TimeInForce, Timestamp, TradeKind, Traded, Wanted, record,
};

const COMMANDS: usize = 30_000;

fn profiles() -> [(&'static str, Profile); 3] {
    [
        ("standard", Profile { resting: 400, ..Profile::standard() }),
        ("hostile", Profile::hostile()),
        ("jumpy", Profile::jumpy()),
    ]
}

type Turns = Vec<(Input, Vec<Event>)>;

fn answered(inputs: Vec<Input>) -> (Turns, Engine) {
    let mut engine = Engine::new();
    let turns = inputs.into_iter().map(|input| {
        let mut events = Vec::new();
        engine.apply(&input, &mut events);
        (input, events)
    });
    (turns.collect(), engine)
}

/// Each flow of plain orders with its Events, Input by Input.
fn plain_runs() -> impl Iterator<Item = (Turns, Engine)> {
    profiles().into_iter().map(|(name, profile)| {
        println!("{name} seed 5");
        answered(flow::record(profile, 5, COMMANDS))
    })
}

/// Each flow with its Events, Input by Input.
fn runs() -> impl Iterator<Item = (Turns, Engine)> {
    let mixes = Mix::all().into_iter().flat_map(|mix| [(mix.clone(), 5), (mix, 6)]);
    plain_runs().chain(mixes.map(|(mix, seed)| {
        println!("{} seed {seed}", mix.name);
        answered(mix::record(mix, seed, COMMANDS / 5))
    }))
}

/// What an order was told to have.
#[derive(Default)]
struct Told {
    order_qty: u64,
    done: u64,
    notional: i128,
    gone: bool,
}

impl Told {
    fn fill(&mut self, price: Price, qty: Qty, fill: &Fill) {
        assert!(!self.gone);
        self.done += qty.lots();
        self.notional += i128::from(price.ticks()) * i128::from(qty.lots());
        self.agrees(fill.leaves_qty, fill.cum_qty, fill.notional);
        self.gone = self.done == self.order_qty;
    }

    fn agrees(&self, leaves_qty: Qty, cum_qty: Qty, notional: Notional) {
        assert_eq!(cum_qty.lots(), self.done);
        assert_eq!(leaves_qty.lots() + self.done, self.order_qty);
        assert_eq!(i128::from(notional.tick_lots()), self.notional);
    }
}

/// Orders by what their sessions were told of them.
#[derive(Default)]
struct Orders(BTreeMap<OrderId, Told>);

impl Orders {
    fn get(&mut self, id: OrderId) -> &mut Told {
        let order = self.0.get_mut(&id).unwrap();
        assert!(!order.gone);
        order
    }

    fn observe(&mut self, input: &Input, event: &Event) {
        match event {
            Event::Accepted(_) => {
                let (Command::New(new) | Command::NewSpecial(new, _)) = input.command else {
                    panic!("{input:?}")
                };
                let order = Told { order_qty: new.qty.lots(), ..Told::default() };
                assert!(self.0.insert(OrderId(input.sequence.0), order).is_none());
            }
            Event::Traded(trade) => {
                for fill in [&trade.maker, &trade.taker] {
                    self.get(fill.order_id).fill(trade.price, trade.qty, fill);
                }
            }
            Event::Triggered(event) => {
                let order = self.get(event.order_id);
                assert_eq!((order.done, event.leaves_qty.lots()), (0, order.order_qty));
            }
            Event::Restated(event) => {
                let order = self.get(event.order_id);
                order.order_qty -= event.cut_qty.lots();
                order.agrees(event.leaves_qty, event.cum_qty, event.notional);
                assert!(!event.leaves_qty.is_zero());
            }
            Event::Canceled(event) => {
                let order = self.get(event.order_id);
                order.agrees(event.canceled_qty, event.cum_qty, event.notional);
                assert!(!event.canceled_qty.is_zero());
                order.gone = true;
            }
            Event::Replaced(event) => {
                let order = self.get(event.order_id);
                assert_eq!(event.old_leaves_qty.lots() + order.done, order.order_qty);
                order.order_qty = event.order_qty.lots();
                order.agrees(event.leaves_qty, Qty::from_lots(order.done), event.notional);
            }
            _ => {}
        }
    }
}

/// Entered = done + canceled + cut + still working, and every order is told once that it is done.
#[test]
fn what_was_ordered_is_traded_canceled_or_works() {
    for (turns, engine) in runs() {
        let mut orders = Orders::default();
        for (input, events) in &turns {
            events.iter().for_each(|event| orders.observe(input, event));
        }
        let working = orders.0.values().filter(|order| !order.gone).count();
        assert_eq!(working, engine.orders_len());
        for (id, _) in engine.instruments() {
            for side in [Side::Buy, Side::Sell] {
                for order in engine.book(id).unwrap().orders(side) {
                    let told = orders.get(order.order_id);
                    assert_eq!(order.leaves_qty.lots() + told.done, told.order_qty);
                }
            }
        }
    }
}

#[test]
fn a_taker_pays_the_makers_price_within_its_limit() {
    for (turns, _) in plain_runs() {
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
fn messages_of_a_session_are_numbered_without_a_gap() {
    for (turns, engine) in runs() {
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
    for (turns, engine) in runs() {
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

/// A place that a reader of Events knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    instrument: InstrumentId,
    side: Side,
    price: Price,
    qty: Qty,
}

/// What a reader of Events knows of the books: places, oldest first, and phases.
#[derive(Default)]
struct Mirror {
    places: BTreeMap<OrderRef, Place>,
    phases: BTreeMap<InstrumentId, Phase>,
}

impl Mirror {
    fn stand(&mut self, order_ref: OrderRef, place: Place) {
        assert!(!place.qty.is_zero());
        assert!(self.places.insert(order_ref, place).is_none());
    }

    /// A place that is told loses quantity; never more than it has.
    fn reduce(&mut self, order_ref: OrderRef, qty: Qty) {
        if order_ref == OrderRef::NONE {
            return;
        }
        let place = self.places.get_mut(&order_ref).unwrap();
        place.qty = place.qty.checked_sub(qty).unwrap();
        if place.qty.is_zero() {
            self.places.remove(&order_ref);
        }
    }

    fn remove(&mut self, order_ref: OrderRef, of: Qty) {
        if order_ref != OrderRef::NONE {
            assert!(self.places.remove(&order_ref).unwrap().qty <= of);
        }
    }

    fn observe(&mut self, event: &Event) {
        match event {
            Event::Rested(e) => {
                let Rested { instrument, side, price, leaves_qty: qty, .. } = *e;
                self.stand(e.order_ref, Place { instrument, side, price, qty });
            }
            Event::Replenished(e) => {
                let Replenished { instrument, side, price, qty, .. } = *e;
                self.stand(e.order_ref, Place { instrument, side, price, qty });
            }
            Event::Traded(e) => {
                if e.kind == TradeKind::Continuous {
                    assert_eq!(e.taker_ref, OrderRef::NONE);
                    let maker = self.places.get(&e.maker_ref);
                    assert!(maker.is_none_or(|place| place.price == e.price));
                }
                self.reduce(e.maker_ref, e.qty);
                self.reduce(e.taker_ref, e.qty);
            }
            Event::Restated(e) => self.reduce(e.order_ref, e.cut_qty),
            Event::Canceled(e) => self.remove(e.order_ref, e.canceled_qty),
            Event::Replaced(e) if e.priority == Priority::Kept => {
                // Nothing less is displayed where an iceberg gives up a part of its reserve.
                self.reduce(e.old_ref, e.cut_qty);
            }
            Event::Replaced(e) => self.remove(e.old_ref, e.old_leaves_qty),
            Event::PhaseChanged { instrument, phase, .. } => {
                self.phases.insert(*instrument, *phase);
            }
            _ => {}
        }
    }

    fn side(&self, id: InstrumentId, side: Side) -> Vec<(OrderRef, Price, Qty)> {
        let places = self.places.iter().filter(|(_, at)| (at.instrument, at.side) == (id, side));
        let mut rows: Vec<_> = places.map(|(place, at)| (*place, at.price, at.qty)).collect();
        // The sort is stable: oldest first at each price.
        rows.sort_by_key(|row| {
            let price = i128::from(row.1.ticks());
            if side == Side::Buy { -price } else { price }
        });
        rows
    }

    fn is_crossed(&self, id: InstrumentId) -> bool {
        let prices =
            |side| self.places.values().filter(move |at| (at.instrument, at.side) == (id, side));
        let bid = prices(Side::Buy).map(|at| at.price).max();
        let ask = prices(Side::Sell).map(|at| at.price).min();
        bid.zip(ask).is_some_and(|(bid, ask)| bid >= ask)
    }
}

/// From Events alone: no place trades more than it shows, no book is crossed in continuous trading, and
/// what is left is the book.
#[test]
fn a_book_rebuilt_from_the_events_is_the_book() {
    for (turns, engine) in runs() {
        let mut mirror = Mirror::default();
        for (input, events) in &turns {
            if let Command::DefineInstrument { id, instrument } = input.command {
                mirror.phases.entry(id).or_insert(instrument.phase);
            }
            events.iter().for_each(|event| mirror.observe(event));
            for (id, phase) in &mirror.phases {
                assert!(*phase != Phase::Continuous || !mirror.is_crossed(*id), "{input:?}");
            }
        }
        for (id, _) in engine.instruments() {
            for side in [Side::Buy, Side::Sell] {
                let orders = engine.book(id).unwrap().orders(side);
                let rows: Vec<_> =
                    orders.map(|o| (o.order_ref, o.price, o.displayed_qty)).collect();
                assert_eq!(rows, mirror.side(id, side));
            }
        }
    }
}

/// Trades of an auction are told before its price, and all have it.
#[test]
fn an_auction_has_one_price_and_the_quantity_of_its_trades() {
    for (turns, _) in runs() {
        for (input, events) in &turns {
            let mut traded: Vec<&Traded> = Vec::new();
            for event in events {
                match event {
                    Event::Traded(trade) if trade.kind == TradeKind::Auction => traded.push(trade),
                    Event::Uncrossed(uncrossed) => {
                        assert!(traded.iter().all(|trade| trade.price == uncrossed.price));
                        let qty: u64 = traded.drain(..).map(|trade| trade.qty.lots()).sum();
                        assert_eq!(uncrossed.qty.lots(), qty);
                        assert!(qty > 0);
                        assert_eq!(uncrossed.side.is_none(), uncrossed.imbalance.is_zero());
                    }
                    _ => {}
                }
            }
            assert!(traded.is_empty(), "{input:?}");
        }
    }
}

/// A net position is what a participant's orders bought less what they sold, but for busts.
#[test]
fn positions_are_the_sum_of_the_trades() {
    for (turns, engine) in runs() {
        let mut positions: BTreeMap<(ParticipantId, InstrumentId), i128> = BTreeMap::new();
        let participant = |session| engine.session(session).unwrap().participant;
        let mut moved = |session, id, side, qty: Qty| {
            let lots = i128::from(qty.lots());
            *positions.entry((participant(session), id)).or_default() +=
                if side == Side::Buy { lots } else { -lots };
        };
        for event in turns.iter().flat_map(|(_, events)| events) {
            match event {
                Event::Traded(e) => {
                    moved(e.taker.session, e.instrument, e.taker_side, e.qty);
                    moved(e.maker.session, e.instrument, e.taker_side.opposite(), e.qty);
                }
                Event::Busted(e) => {
                    moved(e.buy.session, e.instrument, Side::Sell, e.qty);
                    moved(e.sell.session, e.instrument, Side::Buy, e.qty);
                }
                _ => {}
            }
        }
        for ((participant, id), position) in positions {
            assert_eq!(engine.account(participant, id).unwrap().position, position);
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

/// It is told of commands to come, of others, and of nonsense, at every turn of a book that is large
/// enough for it to look at all.
#[test]
fn looking_ahead_changes_nothing() {
    let profile = Profile { resting: 15_000, new: 80, cancel: 10, take: 5, ..Profile::standard() };
    let inputs = flow::record(profile, 8, 40_000);
    let (mut plain, mut looking, mut ahead) = (Engine::new(), Engine::new(), Ahead::new());
    let nonsense = Wanted {
        session: SessionId(u32::MAX),
        target: OrderNumber(u32::MAX),
        instrument: InstrumentId::NONE,
        side: Side::Sell,
        price: Price::MIN,
    };
    for (n, input) in inputs.iter().enumerate() {
        let (mut expected, mut events) = (Vec::new(), Vec::new());
        plain.apply(input, &mut expected);
        if let Some(Input { session, command, .. }) = inputs.get(n + Ahead::TURNS) {
            let wanted = Wanted::by(*session, command);
            looking.look_ahead(&mut ahead, &wanted);
            if n % 8 == 0 {
                looking.look_ahead(&mut ahead, &Wanted { session: *session, ..nonsense });
                looking.look_ahead(&mut ahead, &nonsense);
            }
        }
        looking.apply(input, &mut events);
        assert_eq!(events, expected);
    }
    assert!(looking.orders_len() > 12_000);
    looking.check();
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

/// The directory has a page for 64 numbers and room for as many pages as there may be orders: with every
/// order alone in its page, a replace must give a page back before it takes one.
#[test]
fn a_replace_finds_room_where_every_order_stands_alone_in_its_page() {
    for (orders_max, price, qty) in [(1, 101, 10), (2, 100, 5)] {
        let limits = Limits { orders_max, levels_max: 10, instruments_max: 1, sessions_max: 2 };
        let mut market = matcher::Market::new(limits).unwrap();
        let gold = market.define(Instrument::plain("GOLD").unwrap()).unwrap();
        let order =
            |qty| NewOrder::limit(gold, Side::Buy, Price::from_ticks(100), Qty::from_lots(qty));
        let first = market.session(ParticipantId(1)).unwrap();
        let (target, _) = market.enter(first, order(10));
        if orders_max > 1 {
            let other = market.session(ParticipantId(2)).unwrap();
            market.enter(other, order(10));
        }
        while market.next_number(first).0 < 64 {
            market.enter(first, order(0)); // Refused; the number is used up.
        }
        let (price, qty) = (Price::from_ticks(price), Qty::from_lots(qty));
        let (number, side) = (OrderNumber::NONE, Side::Buy);
        let (number, events) = market
            .replace(first, ReplaceOrder { number, target, instrument: gold, side, price, qty });
        assert!(matches!(events[0], Event::Replaced(_)), "{events:?}");
        assert_eq!(number, OrderNumber(64));
        market.engine().check();
    }
}
