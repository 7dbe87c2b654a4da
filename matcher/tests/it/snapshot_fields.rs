//! Every single field of the state is in the hash: two histories that differ in one value, command by
//! command the same otherwise, end in engines with different hashes and different answers saved.

use matcher::{
    BandAction, Bands, Bust, Command, Engine, Input, Instrument, InstrumentId, LIMITS_MAX, Limits,
    Liquidity, MsgSeqNum, NewOrder, Numbering, OrderKind, OrderNumber, ParticipantId, Peg,
    Permission, PermissionScope, Phase, Price, Qty, RefusedRequest, RejectReason, ReplaceOrder,
    RiskLimits, SelfTradePrevention, Sequence, SessionId, Side, Symbol, Terms, TimeInForce,
    Timestamp, Trigger,
};

const GOLD: InstrumentId = InstrumentId(0);
const OIL: InstrumentId = InstrumentId(1);
const LIMITS: Limits =
    Limits { orders_max: 100, levels_max: 100, instruments_max: 4, sessions_max: 6 };
const ANN: SessionId = SessionId(1);
const BOB: SessionId = SessionId(2);
/// Of Bob's participant.
const BEN: SessionId = SessionId(3);

struct World {
    engine: Engine,
    sequence: u64,
}

impl World {
    fn bare() -> World {
        let mut world = World { engine: Engine::new(), sequence: 0 };
        world.venue(Command::Configure(LIMITS));
        world
    }

    /// Two instruments, three sessions of two participants.
    fn new() -> World {
        let mut world = World::bare();
        for (id, symbol) in [(GOLD, "GOLD"), (OIL, "OIL")] {
            let instrument = Instrument::plain(symbol).unwrap();
            world.venue(Command::DefineInstrument { id, instrument });
        }
        for (id, participant) in [(ANN, 1), (BOB, 2), (BEN, 2)] {
            let participant = ParticipantId(participant);
            world.venue(Command::DefineSession { id, participant });
        }
        world
    }

    fn give(&mut self, session: SessionId, command: Command) {
        self.give_in(session, MsgSeqNum::NONE, command);
    }

    fn give_in(&mut self, session: SessionId, inbound: MsgSeqNum, command: Command) {
        self.sequence += 1;
        let (sequence, timestamp) = (Sequence(self.sequence), Timestamp(self.sequence));
        let input = Input { sequence, timestamp, session, inbound, command };
        let mut events: Vec<matcher::Event> = Vec::new();
        self.engine.apply(&input, &mut events);
        self.engine.check();
        let said = format!("{events:?}");
        let refused = said.contains("Refused") || said.contains("Rejected");
        let expected = matches!(command, Command::Refuse { .. });
        assert!(refused == expected, "{command:?} {said}");
    }

    fn venue(&mut self, command: Command) {
        self.give(SessionId::VENUE, command);
    }

    fn next(&self, session: SessionId) -> OrderNumber {
        OrderNumber(self.engine.session(session).unwrap().last_number.0 + 1)
    }

    fn enter(&mut self, session: SessionId, order: NewOrder) {
        let number = self.next(session);
        self.give(session, Command::New(NewOrder { number, ..order }));
    }

    fn special(&mut self, session: SessionId, order: NewOrder, terms: Terms) {
        let number = self.next(session);
        self.give(session, Command::NewSpecial(NewOrder { number, ..order }, terms));
    }

    /// Ann and Bob trade a lot at that price.
    fn trade(&mut self, price: i64) {
        self.enter(ANN, sell(1, price));
        self.enter(BOB, buy(1, price));
    }

    fn replace(&mut self, session: SessionId, target: u32, order: NewOrder) {
        let OrderKind::Limit(price) = order.kind else { panic!() };
        let NewOrder { instrument, side, qty, .. } = order;
        let (number, target) = (self.next(session), OrderNumber(target));
        let replace = ReplaceOrder { number, target, instrument, side, price, qty };
        self.give(session, Command::Replace(replace));
    }
}

fn limit(side: Side, qty: u64, price: i64) -> NewOrder {
    let (price, qty) = (Price::from_ticks(price), Qty::from_lots(qty));
    NewOrder { time_in_force: TimeInForce::Gtc, ..NewOrder::limit(GOLD, side, price, qty) }
}

fn buy(qty: u64, price: i64) -> NewOrder {
    limit(Side::Buy, qty, price)
}

fn sell(qty: u64, price: i64) -> NewOrder {
    limit(Side::Sell, qty, price)
}

fn market(side: Side) -> NewOrder {
    NewOrder { kind: OrderKind::Market, ..limit(side, 3, 0) }
}

/// Runs a history with 0 and with 1; returns the two hashes.
fn hashes(name: &str, start: fn() -> World, history: &dyn Fn(&mut World, u64)) -> [u64; 2] {
    let [one, other] = [0, 1].map(|variant| {
        let mut world = start();
        history(&mut world, variant);
        let hash = world.engine.state_hash();
        let mut bytes = Vec::new();
        world.engine.save(&mut |block: &[u8]| bytes.extend_from_slice(block));
        let loaded = Engine::load(&bytes, &LIMITS_MAX).unwrap_or_else(|e| panic!("{name}: {e}"));
        loaded.check();
        assert_eq!(loaded.state_hash(), hash, "{name}");
        (hash, bytes)
    });
    let differing = one.1.chunks(8).zip(other.1.chunks(8)).filter(|(a, b)| a != b).count();
    println!("{name}: {differing} words differ");
    [one.0, other.0]
}

fn differs(name: &str, history: impl Fn(&mut World, u64)) {
    let [one, other] = hashes(name, World::new, &history);
    assert_ne!(one, other, "{name}");
}

#[test]
fn tables_and_definitions() {
    let fields: [fn(&mut Limits); 4] = [
        |limits| limits.orders_max += 1,
        |limits| limits.levels_max += 1,
        |limits| limits.instruments_max += 1,
        |limits| limits.sessions_max += 1,
    ];
    for (n, change) in fields.iter().enumerate() {
        differs(&format!("limit {n}"), |world, variant| {
            let mut limits = LIMITS;
            (0..variant).for_each(|_| change(&mut limits));
            world.venue(Command::Configure(limits));
        });
    }
    let fields: [fn(&mut Instrument); 10] = [
        |it| it.symbol = Symbol::new(b"ABCDEFGHIJKLMNOP").unwrap(),
        |it| it.price_decimals = 1,
        |it| it.qty_decimals = 1,
        |it| it.tick_size = 2,
        |it| it.lot_size = 2,
        |it| it.qty_min = Qty::from_lots(2),
        |it| it.qty_max = Qty::from_lots(500),
        |it| it.price_min = Price::from_ticks(-7),
        |it| it.price_max = Price::from_ticks(7),
        |it| it.phase = Phase::PreOpen,
    ];
    for (n, change) in fields.iter().enumerate() {
        differs(&format!("instrument {n}"), |world, variant| {
            let mut instrument = Instrument::plain("SILVER").unwrap();
            (0..variant).for_each(|_| change(&mut instrument));
            world.venue(Command::DefineInstrument { id: InstrumentId(2), instrument });
        });
    }
    differs("participant of a session", |world, variant| {
        let participant = ParticipantId(5 + u32::try_from(variant).unwrap());
        world.venue(Command::DefineSession { id: SessionId(4), participant });
    });
}

#[test]
fn what_the_venue_sets() {
    let price = |variant: u64| Price::from_ticks(100 + variant.cast_signed());
    differs("phase", |world, variant| {
        let phase = [Phase::Halt, Phase::Closed][usize::try_from(variant).unwrap()];
        world.venue(Command::SetPhase { instrument: GOLD, phase });
    });
    differs("reference", |world, variant| {
        world.venue(Command::SetReference { instrument: GOLD, price: price(variant) });
    });
    let bands = Bands { static_ticks: 5, dynamic_ticks: 6, action: BandAction::Reject };
    let fields: [fn(&mut Bands); 3] = [
        |bands| bands.static_ticks += 1,
        |bands| bands.dynamic_ticks += 1,
        |bands| bands.action = BandAction::Interrupt,
    ];
    for (n, change) in fields.iter().enumerate() {
        differs(&format!("bands {n}"), |world, variant| {
            let mut bands = bands;
            (0..variant).for_each(|_| change(&mut bands));
            world.venue(Command::SetBands { instrument: GOLD, bands });
        });
    }
    differs("group", |world, variant| {
        let group = 3 + u32::try_from(variant).unwrap();
        let self_trade = SelfTradePrevention::None;
        world.venue(Command::SetSession { session: ANN, group, self_trade });
    });
    differs("mode", |world, variant| {
        let modes = [SelfTradePrevention::CancelOldest, SelfTradePrevention::CancelBoth];
        let self_trade = modes[usize::try_from(variant).unwrap()];
        world.venue(Command::SetSession { session: ANN, group: 0, self_trade });
    });
    let scopes = [
        PermissionScope::Session(ANN),
        PermissionScope::Participant(ParticipantId(2)),
        PermissionScope::Group(9),
        PermissionScope::Instrument(OIL),
    ];
    for scope in scopes {
        differs(&format!("{scope:?}"), |world, variant| {
            let both = [Permission::CancelOnly, Permission::Killed];
            let permission = both[usize::try_from(variant).unwrap()];
            world.venue(Command::SetPermission { scope, permission });
        });
    }
    let fields: [fn(&mut RiskLimits); 6] = [
        |limits| limits.order_qty_max = Qty::from_lots(77),
        |limits| limits.order_notional_max = 77,
        |limits| limits.collar_ticks = 77,
        |limits| limits.open_notional_max = 77,
        |limits| limits.position_max = 77,
        |limits| limits.open_orders_max = 77,
    ];
    for instrument in [InstrumentId::NONE, OIL] {
        for (n, change) in fields.iter().enumerate() {
            differs(&format!("risk limit {n} of {instrument:?}"), |world, variant| {
                let mut limits = RiskLimits::NONE;
                (0..variant).for_each(|_| change(&mut limits));
                let participant = ParticipantId(1);
                world.venue(Command::SetRisk { participant, instrument, limits });
            });
        }
    }
    differs("limits of its own, though the same", |world, variant| {
        let (participant, limits) = (ParticipantId(1), RiskLimits::NONE);
        let instrument = [InstrumentId::NONE, OIL][usize::try_from(variant).unwrap()];
        world.venue(Command::SetRisk { participant, instrument, limits });
    });
}

#[test]
fn counters_positions_and_busts() {
    let small = |variant: u64| u32::try_from(variant).unwrap();
    differs("last inbound", |world, variant| {
        let inbound = MsgSeqNum(7 + small(variant));
        world.give_in(ANN, inbound, Command::Note(Numbering::InboundOnly));
    });
    differs("last outbound", |world, variant| {
        for _ in 0..=variant {
            world.give(ANN, Command::Note(Numbering::Next));
        }
    });
    differs("last number", |world, variant| {
        let target = OrderNumber(9);
        let reason = RejectReason::Throttled;
        let number = world.next(ANN);
        let request = match variant {
            0 => RefusedRequest::New(number),
            _ => RefusedRequest::Cancel { target },
        };
        world.give(ANN, Command::Refuse { request, reason });
    });
    differs("trades", |world, variant| {
        world.enter(ANN, sell(1, 10));
        world.enter(ANN, sell(1, 10));
        // Two orders of one or one order of two: one trade more, and the same in the end.
        world.enter(BOB, buy(2 - variant, 10));
        world.enter(BOB, buy(2, 10));
        world.give(BOB, Command::Cancel { target: OrderNumber(2) });
        if variant == 0 {
            world.give(BOB, Command::Note(Numbering::Next));
        }
    });
    differs("places", |world, variant| {
        let time_in_force = [TimeInForce::Day, TimeInForce::Ioc][usize::try_from(variant).unwrap()];
        world.enter(ANN, NewOrder { time_in_force, ..buy(1, 10) });
        if variant == 0 {
            world.give(ANN, Command::Cancel { target: OrderNumber(1) });
        }
    });
    differs("last price", |world, variant| world.trade(10 + variant.cast_signed()));
    differs("position", |world, variant| {
        world.enter(ANN, sell(1 + variant, 10));
        world.enter(BOB, buy(1 + variant, 10));
    });
    differs("an account opened", |world, variant| {
        let instrument = [GOLD, OIL][usize::try_from(variant).unwrap()];
        let order = NewOrder { instrument, time_in_force: TimeInForce::Ioc, ..buy(1, 10) };
        world.enter(ANN, order);
    });
    differs("which trade was busted", |world, variant| {
        world.trade(10);
        world.trade(10);
        let (price, qty) = (Price::from_ticks(10), Qty::from_lots(1));
        let (buy, sell) = ((BOB, OrderNumber(1)), (ANN, OrderNumber(1)));
        let trade = matcher::TradeId(1 + variant);
        world.venue(Command::Bust(Bust { trade, instrument: GOLD, price, qty, buy, sell }));
    });
}

#[test]
fn displayed_orders() {
    let lots = Qty::from_lots;
    differs("whose order", |world, variant| {
        world.enter([BOB, BEN][usize::try_from(variant).unwrap()], buy(1, 10));
    });
    differs("order number", |world, variant| {
        let reason = RejectReason::Throttled;
        let refuse = |world: &mut World| {
            let request = RefusedRequest::New(world.next(ANN));
            world.give(ANN, Command::Refuse { request, reason });
        };
        (variant == 0).then(|| refuse(world));
        world.enter(ANN, buy(1, 10));
        (variant == 1).then(|| refuse(world));
    });
    differs("order id", |world, variant| {
        (0..variant).for_each(|_| world.give(ANN, Command::Note(Numbering::InboundOnly)));
        world.enter(ANN, buy(1, 10));
    });
    differs("place", |world, variant| {
        let (one, other) = ([ANN, BOB], [BOB, ANN]);
        for session in if variant == 0 { one } else { other } {
            world.enter(session, buy(1, 10));
        }
    });
    differs("place alone", |world, variant| {
        // Both lose their place; who does so last stands behind.
        world.enter(ANN, buy(5, 10));
        world.enter(BOB, buy(5, 10));
        let both = [(ANN, BOB), (BOB, ANN)][usize::try_from(variant).unwrap()];
        world.replace(both.0, 1, buy(6, 10));
        world.replace(both.1, 1, buy(6, 10));
    });
    differs("leaves", |world, variant| world.enter(ANN, buy(1 + variant, 10)));
    differs("price", |world, variant| world.enter(ANN, buy(1, 10 + variant.cast_signed())));
    differs("side", |world, variant| {
        world.enter(ANN, limit([Side::Buy, Side::Sell][usize::try_from(variant).unwrap()], 1, 10));
    });
    differs("instrument", |world, variant| {
        let instrument = [GOLD, OIL][usize::try_from(variant).unwrap()];
        world.enter(ANN, NewOrder { instrument, ..buy(1, 10) });
    });
    differs("time in force", |world, variant| {
        let time_in_force = [TimeInForce::Day, TimeInForce::Gtc][usize::try_from(variant).unwrap()];
        world.enter(ANN, NewOrder { time_in_force, ..buy(1, 10) });
    });
    for liquidity in [Liquidity::PostOnly, Liquidity::Slide] {
        differs("liquidity", |world, variant| {
            let liquidity = [Liquidity::Any, liquidity][usize::try_from(variant).unwrap()];
            world.enter(ANN, NewOrder { liquidity, ..buy(1, 10) });
        });
    }
    differs("group on entry", |world, variant| {
        let self_trade = SelfTradePrevention::CancelBoth;
        let set = |world: &mut World, group| {
            world.venue(Command::SetSession { session: ANN, group, self_trade });
        };
        set(world, u32::try_from(variant).unwrap());
        world.enter(ANN, buy(1, 10));
        set(world, 0);
    });
    differs("mode on entry", |world, variant| {
        let modes = [SelfTradePrevention::None, SelfTradePrevention::Decrement];
        let set = |world: &mut World, self_trade| {
            world.venue(Command::SetSession { session: ANN, group: 0, self_trade });
        };
        set(world, modes[usize::try_from(variant).unwrap()]);
        world.enter(ANN, buy(1, 10));
        set(world, SelfTradePrevention::None);
    });
    differs("traded quantity", |world, variant| {
        // At price 0 nothing but quantities changes; the rest of the two lots is traded beside.
        world.enter(ANN, sell(10 + variant, 0));
        world.enter(BOB, buy(1 + variant, 0));
        world.enter(ANN, sell(2 - variant, -1));
        world.enter(BOB, buy(2 - variant, -1));
    });
    differs("notional", |world, variant| {
        world.enter(ANN, sell(10, 20 + variant.cast_signed()));
        world.enter(BOB, buy(1, 30));
        world.replace(ANN, 1, sell(10, 25));
        world.enter(BOB, buy(1, 25));
    });
    let iceberg = |display: u64| Terms { display_qty: lots(display), ..Terms::NONE };
    differs("display quantity", |world, variant| {
        world.special(ANN, buy(20, 10), iceberg(5 + variant));
        // What is displayed now is the same again.
        world.enter(BOB, sell(3 + variant, 10));
        world.enter(BOB, sell(3 - variant, 9));
        world.replace(ANN, 1, buy(20 - variant, 10));
    });
    differs("reserve", |world, variant| world.special(ANN, buy(20 + variant, 10), iceberg(5)));
    let until = |at: u64| Terms { expire_at: Timestamp(at), ..Terms::NONE };
    let gtd = |order: NewOrder| NewOrder { time_in_force: TimeInForce::Gtd, ..order };
    differs("time to expire", |world, variant| {
        world.special(ANN, gtd(buy(1, 10)), until(1_000 + variant));
    });
    differs("order in which they expire", |world, variant| {
        // An iceberg keeps its turn to expire when it takes a new place.
        let terms = Terms { expire_at: Timestamp(1_000), ..iceberg(2) };
        world.special(ANN, gtd(sell(6, 10)), terms);
        world.special(ANN, gtd(sell(6, 10)), terms);
        if variant == 1 {
            world.replace(ANN, 1, sell(7, 10));
            world.replace(ANN, 3, sell(6, 10));
        } else {
            world.replace(ANN, 2, sell(7, 10));
            world.replace(ANN, 3, sell(6, 10));
        }
    });
}

#[test]
fn held_orders() {
    let stop =
        |price: i64| Terms { trigger: Trigger::Stop(Price::from_ticks(price)), ..Terms::NONE };
    let trailing = |offset: u64| Terms { trigger: Trigger::Trailing(offset), ..Terms::NONE };
    let peg = |peg| Terms { peg, ..Terms::NONE };
    differs("trigger price", |world, variant| {
        world.special(ANN, buy(3, 90), stop(50 + variant.cast_signed()));
    });
    differs("limit of a stop", |world, variant| {
        world.special(ANN, buy(3, 90 + variant.cast_signed()), stop(50));
    });
    differs("stop or stop-limit", |world, variant| {
        let order = [market(Side::Buy), buy(3, 50)][usize::try_from(variant).unwrap()];
        world.special(ANN, order, stop(50));
    });
    differs("offset of a trailing stop", |world, variant| {
        world.special(ANN, market(Side::Sell), trailing(5 + variant));
    });
    differs("peak", |world, variant| {
        world.trade(10);
        world.special(ANN, market(Side::Sell), trailing(50));
        world.trade(12 + variant.cast_signed());
        world.trade(11);
    });
    differs("peak of a buy", |world, variant| {
        world.special(ANN, market(Side::Buy), trailing(50));
        world.trade(10);
        world.trade(8 - variant.cast_signed());
        world.trade(11);
    });
    differs("kind of peg", |world, variant| {
        let pegs = [Peg::Primary(4), Peg::Midpoint(4)];
        world.special(ANN, market(Side::Buy), peg(pegs[usize::try_from(variant).unwrap()]));
    });
    differs("offset of a peg", |world, variant| {
        world.special(ANN, market(Side::Buy), peg(Peg::Primary(4 + variant)));
    });
    differs("limit of a peg", |world, variant| {
        world.special(ANN, buy(3, 70 + variant.cast_signed()), peg(Peg::Primary(4)));
    });
    differs("value price", |world, variant| {
        world.trade(10 + variant.cast_signed());
        world.special(ANN, market(Side::Buy), peg(Peg::Primary(4)));
        world.trade(12);
    });
    differs("order of elected stops", |world, variant| {
        let (one, other) = (30, 31);
        let both = if variant == 0 { [one, other] } else { [other, one] };
        world.special(ANN, buy(3, 90), stop(both[0]));
        world.special(ANN, buy(3, 90), stop(both[1]));
        world.venue(Command::SetPhase { instrument: GOLD, phase: Phase::OpeningAuction });
        world.enter(ANN, sell(1, 40));
        world.enter(BOB, buy(1, 40));
        // Closed, so that what the uncross elects waits.
        world.venue(Command::SetPhase { instrument: GOLD, phase: Phase::Closed });
    });
    differs("waiting or in the call", |world, variant| {
        let order = NewOrder { time_in_force: TimeInForce::Gfa, ..market(Side::Buy) };
        let phases = [Phase::Halt, Phase::PreOpen];
        if variant == 0 {
            world.enter(ANN, order);
        }
        world.venue(Command::SetPhase { instrument: GOLD, phase: phases[1] });
        if variant == 1 {
            world.enter(ANN, order);
        }
        world.venue(Command::SetPhase { instrument: GOLD, phase: phases[0] });
    });
}

/// Two histories that end in the same state, on different ways: the same hash and the same bytes.
#[test]
fn the_way_to_a_state_is_not_in_it() {
    let [one, other] = hashes("ways", World::new, &|world, variant| {
        // Whose slot is taken first differs, and so do levels and windows that came and went.
        for n in 0..40 {
            let price = if variant == 0 { n * 7_000 } else { 300_000 - n };
            world.enter(ANN, sell(1, price));
        }
        for n in 0..40 {
            let turn = if variant == 0 { n } else { 39 - n };
            world.give(ANN, Command::Cancel { target: OrderNumber(1 + turn) });
        }
        for n in 0..20 {
            world.enter(BOB, buy(2, n));
        }
        world.enter(ANN, sell(3, 18));
    });
    assert_eq!(one, other);
}

#[test]
fn an_engine_without_anything() {
    let [one, other] = hashes("bare", World::bare, &|world, variant| {
        if variant == 1 {
            world.venue(Command::Configure(LIMITS));
        }
    });
    assert_eq!(one, other);
    assert_ne!(Engine::new().state_hash(), World::bare().engine.state_hash());
}
