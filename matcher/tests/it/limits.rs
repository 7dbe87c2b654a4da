//! Limits with room for many orders. Nearly all of those come in by one look at the account, which says
//! how many more surely fit; each limit is still where it was set, whatever came in between.

use matcher::testing::Reference;
use matcher::testing::flow::{Rng, instrument};
use matcher::{
    Bust, Command, Engine, Event, Input, InstrumentId, Limits, Liquidity, MsgSeqNum, NewOrder,
    OrderKind, OrderNumber, ParticipantId, Price, Qty, RejectReason, ReplaceOrder, RiskLimits,
    Sequence, SessionId, Side, Terms, TimeInForce, Timestamp,
};

const EPISODES: u64 = 90;
const COMMANDS: usize = 250;

/// Who is limited, by two sessions, and somebody to trade with.
const LIMITED: [SessionId; 2] = [SessionId(1), SessionId(2)];
const OTHER: SessionId = SessionId(3);

/// The engine and the reference, and what the flow has to remember.
struct Episode {
    engine: Engine,
    reference: Reference,
    rng: Rng,
    sequence: u64,
    used: [u32; 4],
    trades: Vec<Bust>,
    /// In so many of 100 orders the limited one buys.
    buys: u64,
    /// Lots of which all sizes are made: what an account is sure of has few digits.
    unit: u64,
}

impl Episode {
    fn new(seed: u64) -> Episode {
        let mut rng = Rng::new(seed);
        let buys = [10, 50, 90][rng.index(3)];
        let unit = [1, 317, 1 << 28][rng.index(3)];
        Episode::of(rng, buys, unit)
    }

    fn of(rng: Rng, buys: u64, unit: u64) -> Episode {
        let (engine, reference) = (Engine::new(), Reference::default());
        let (used, trades) = ([0; 4], Vec::new());
        let mut episode = Episode { engine, reference, rng, sequence: 0, used, trades, buys, unit };
        let limits =
            Limits { orders_max: 400, levels_max: 60, instruments_max: 1, sessions_max: 3 };
        episode.give(SessionId::VENUE, Command::Configure(limits));
        let (id, instrument) = (InstrumentId(0), instrument("X", (1, 200), 1_000 * unit));
        episode.give(SessionId::VENUE, Command::DefineInstrument { id, instrument });
        for (id, participant) in [(1, 1), (2, 1), (3, 2)] {
            let (id, participant) = (SessionId(id), ParticipantId(participant));
            episode.give(SessionId::VENUE, Command::DefineSession { id, participant });
        }
        episode
    }

    /// Both answer alike, and what the account keeps is true; returns why the engine refused, if it did.
    fn give(&mut self, session: SessionId, command: Command) -> Option<RejectReason> {
        self.sequence += 1;
        let (sequence, timestamp) = (Sequence(self.sequence), Timestamp(1));
        let input = Input { sequence, timestamp, session, inbound: MsgSeqNum::NONE, command };
        let mut events = Vec::new();
        self.engine.apply(&input, &mut events);
        assert_eq!(events, self.reference.apply(&input), "{input:?}");
        self.engine.check();
        for event in &events {
            match event {
                Event::Traded(e) => {
                    let parts = [&e.maker, &e.taker].map(|fill| (fill.session, fill.number));
                    let [sell, buy] = match e.taker_side {
                        Side::Buy => parts,
                        Side::Sell => [parts[1], parts[0]],
                    };
                    let (trade, instrument, price, qty) = (e.id, e.instrument, e.price, e.qty);
                    self.trades.push(Bust { trade, instrument, price, qty, buy, sell });
                }
                Event::Rejected(event) => return Some(event.reason),
                Event::CancelRejected(event) => return Some(event.reason),
                _ => {}
            }
        }
        None
    }

    fn limits(&mut self) -> RiskLimits {
        let (rng, unit) = (&mut self.rng, self.unit);
        let mut limit = |from: u64, to: u64, unit: u64| {
            if rng.percent(50) { u64::MAX } else { from * unit + rng.below((to - from) * unit) }
        };
        RiskLimits {
            order_qty_max: Qty::from_lots(limit(16, 300, unit)),
            order_notional_max: limit(1_700, 30_000, unit),
            collar_ticks: limit(1, 5, 1),
            // An order of one lot finds that 64 of 16 lots surely fit.
            open_orders_max: u32::try_from(limit(62, 90, 1)).unwrap_or(u32::MAX),
            open_notional_max: limit(95_000, 130_000, unit),
            position_max: limit(1_000, 1_300, unit),
        }
    }

    fn order(&mut self, session: SessionId, side: Side, crosses: bool) -> NewOrder {
        let away = self.rng.below(6).cast_signed();
        let away = if crosses { -away } else { away };
        let price = if side == Side::Buy { 100 - away } else { 101 + away };
        let lots = match self.rng.below(10) {
            0..=3 => 1,
            4..=7 => 16,
            _ => 1 + self.rng.below(40),
        };
        let lots = lots * self.unit - self.rng.below(1 + self.unit / 8);
        let used = &mut self.used[session.index()];
        *used += 1;
        NewOrder {
            number: OrderNumber(*used),
            instrument: InstrumentId(0),
            side,
            kind: OrderKind::Limit(Price::from_ticks(price)),
            qty: Qty::from_lots(lots),
            time_in_force: TimeInForce::Gtc,
            liquidity: Liquidity::Any,
        }
    }

    fn command(&mut self) -> (SessionId, Command) {
        let session = LIMITED[self.rng.index(2)];
        let side = if self.rng.percent(self.buys) { Side::Buy } else { Side::Sell };
        let command = match self.rng.below(100) {
            0..=69 => Command::New(self.order(session, side, false)),
            70..=73 => {
                let side = if self.rng.percent(50) { Side::Buy } else { Side::Sell };
                return (OTHER, Command::New(self.order(OTHER, side, true)));
            }
            74..=78 => {
                let new = self.order(session, side, true);
                let is_ioc = self.rng.percent(50);
                let time_in_force = if is_ioc { TimeInForce::Ioc } else { TimeInForce::Day };
                Command::New(NewOrder { time_in_force, ..new })
            }
            79..=81 => {
                let new = self.order(session, side, true);
                Command::New(NewOrder { kind: OrderKind::Market, ..new })
            }
            82..=86 => {
                let new = self.order(session, side, false);
                let display_qty = Qty::from_lots((1 + self.rng.below(5)) * self.unit);
                Command::NewSpecial(new, Terms { display_qty, ..Terms::NONE })
            }
            87..=92 => {
                let target = self.working(session);
                let new = self.order(session, side, false);
                let OrderKind::Limit(price) = new.kind else { unreachable!("it has a limit") };
                let NewOrder { number, instrument, side, qty, .. } = new;
                Command::Replace(ReplaceOrder { number, target, instrument, side, price, qty })
            }
            93..=95 => Command::Cancel { target: self.working(session) },
            96 | 97 => match self.trades.pop() {
                Some(bust) => return (SessionId::VENUE, Command::Bust(bust)),
                None => Command::Status { target: OrderNumber(1) },
            },
            _ => {
                let (participant, instrument) = (ParticipantId(1), InstrumentId(0));
                let limits = self.limits();
                return (SessionId::VENUE, Command::SetRisk { participant, instrument, limits });
            }
        };
        (session, command)
    }

    /// A number of the session, most of which work.
    fn working(&mut self, session: SessionId) -> OrderNumber {
        let used = self.used[session.index()];
        OrderNumber(1 + u32::try_from(self.rng.below(used.max(1).into())).unwrap())
    }
}

#[test]
fn a_limit_with_room_for_many_is_where_it_was_set() {
    let mut refused = std::collections::BTreeMap::new();
    for seed in 1..=EPISODES {
        println!("seed {seed}");
        let mut episode = Episode::new(seed);
        let (participant, instrument) = (ParticipantId(1), InstrumentId(0));
        let limits = episode.limits();
        episode.give(SessionId::VENUE, Command::SetRisk { participant, instrument, limits });
        for _ in 0..COMMANDS {
            let (session, command) = episode.command();
            if let Some(reason) = episode.give(session, command) {
                *refused.entry(reason.code()).or_insert(0) += 1;
            }
        }
    }
    for reason in [
        RejectReason::RiskOrderQty,
        RejectReason::RiskOrderNotional,
        RejectReason::RiskCollar,
        RejectReason::RiskOpenOrders,
        RejectReason::RiskOpenNotional,
        RejectReason::RiskPosition,
    ] {
        assert!(refused.get(&reason.code()).is_some_and(|times| *times > 15), "{refused:?}");
    }
}

/// An account is sure of 64 orders of some size at most. The one that it asked the sums for is one of them
/// only if it is no larger: that size has fewer digits, or was bounded by something else.
#[test]
fn an_order_larger_than_what_is_sure_makes_nothing_sure() {
    let none = RiskLimits::NONE;
    let (two, many) = (Qty::from_lots(2_047), Qty::from_lots(5_001));
    let cases = [
        // More than a number of 32 bits, and all that there is room for.
        (RiskLimits { position_max: 1 << 38, ..none }, 1 << 38, 4_000_000_000, 0),
        (RiskLimits { position_max: 300_000_000_000, ..none }, 290_000_000_000, 4_000_000_000, 2),
        // Rounded down.
        (RiskLimits { order_qty_max: many, position_max: 320_000, ..none }, 5_001, 5_000, 62),
        (RiskLimits { order_qty_max: two, position_max: 64 * 2_046, ..none }, 2_047, 2_046, 62),
        (
            RiskLimits { order_notional_max: 2_047, open_notional_max: 64 * 2_046, ..none },
            2_047,
            2_046,
            62,
        ),
    ];
    for (limits, first, others, fit) in cases {
        let mut episode = Episode::of(Rng::new(1), 100, 1 << 30);
        let (participant, instrument) = (ParticipantId(1), InstrumentId(0));
        episode.give(SessionId::VENUE, Command::SetRisk { participant, instrument, limits });
        let mut buy = |lots| {
            let new = episode.order(LIMITED[0], Side::Buy, false);
            let (kind, qty) = (OrderKind::Limit(Price::from_ticks(1)), Qty::from_lots(lots));
            episode.give(LIMITED[0], Command::New(NewOrder { kind, qty, ..new }))
        };
        assert_eq!(buy(first), None);
        for _ in 0..fit {
            assert_eq!(buy(others), None, "{limits:?}");
        }
        let reason = buy(others);
        let wanted = [RejectReason::RiskPosition, RejectReason::RiskOpenNotional];
        assert!(reason.is_some_and(|reason| wanted.contains(&reason)), "{limits:?}: {reason:?}");
    }
}
