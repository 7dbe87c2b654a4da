//! Seeded order flow: the same seed gives the same Inputs, on any machine.

use std::collections::BTreeMap;

use crate::command::{
    Command, Input, Limits, Liquidity, MassCancelScope, NewOrder, Numbering, OrderKind,
    RefusedRequest, ReplaceOrder,
};
use crate::engine::{Engine, LIMITS_MAX};
use crate::event::{Event, RejectReason};
use crate::instrument::{Instrument, Phase};
use crate::types::{
    InstrumentId, MsgSeqNum, OrderNumber, ParticipantId, Price, Qty, Sequence, SessionId, Side,
    Text, TimeInForce, Timestamp,
};

/// A small generator of random numbers (SplitMix64): for tests, not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator that gives the same numbers for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 to `bound` - 1; 0 if `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        let wide = self.bits() as u128 * bound as u128;
        (wide >> 64) as u64
    }

    /// As [`Rng::below`], for indices.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True in `percent` of 100 cases.
    pub const fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn ticks(&mut self, bound: i64) -> i64 {
        self.below(bound.unsigned_abs()).cast_signed()
    }

    fn number(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(bound.into())).unwrap_or(0)
    }
}

/// What a flow is like.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The engine's tables.
    pub limits: Limits,
    /// Instruments, defined in this order.
    pub instruments: Vec<Instrument>,
    /// Sessions.
    pub sessions: u32,
    /// Resting orders that the flow aims at.
    pub resting: usize,
    /// Passive orders stand up to this many ticks from the middle, most of them near.
    pub spread: i64,
    /// In so many of 10,000 commands the market jumps by up to 8 times `spread`.
    pub jumps: u64,
    /// Of 100 commands: passive orders.
    pub new: u64,
    /// Of 100 commands: cancels of resting orders.
    pub cancel: u64,
    /// Of 100 commands: orders that trade at once.
    pub take: u64,
    /// Of 100 commands: replaces of resting orders. The rest of the 100 are status requests.
    pub replace: u64,
    /// Of 100 commands: something wrong, absurd or rare instead.
    pub hostile: u64,
}

/// An instrument with that range of prices and quantities.
///
/// # Panics
///
/// If `symbol` is not a valid symbol.
#[must_use]
pub fn instrument(symbol: &str, prices: (i64, i64), qty_max: u64) -> Instrument {
    Instrument {
        symbol: Text::new(symbol.as_bytes()).expect("a valid symbol"),
        price_decimals: 2,
        qty_decimals: 0,
        tick_size: 1,
        lot_size: 1,
        qty_min: Qty::from_lots(1),
        qty_max: Qty::from_lots(qty_max),
        price_min: Price::from_ticks(prices.0),
        price_max: Price::from_ticks(prices.1),
        phase: Phase::Continuous,
    }
}

impl Profile {
    /// An ordinary market: about 4,500 resting orders in one book, 46 % new, 38 % cancel, 10 % taking,
    /// 5 % replace.
    #[must_use]
    pub fn standard() -> Profile {
        Profile {
            limits: Limits {
                orders_max: 1 << 20,
                levels_max: 1 << 16,
                instruments_max: 16,
                sessions_max: 64,
            },
            instruments: vec![instrument("VESTA", (1, 1 << 32), 1 << 24)],
            sessions: 8,
            resting: 4_500,
            spread: 400,
            jumps: 0,
            new: 46,
            cancel: 38,
            take: 10,
            replace: 5,
            hostile: 0,
        }
    }

    /// Several small books, tight limits, prices up to the ends of what an integer holds, and a third
    /// of all commands wrong or rare.
    #[must_use]
    pub fn hostile() -> Profile {
        Profile {
            limits: Limits { orders_max: 120, levels_max: 24, instruments_max: 5, sessions_max: 6 },
            instruments: vec![
                instrument("NARROW", (-5, 5), 100),
                instrument("WIDE", (-(1 << 40), 1 << 40), 1 << 20),
                instrument("ENDS", (-i64::MAX, i64::MAX), 1),
                instrument("ZERO", (0, 0), 1 << 50),
            ],
            sessions: 5,
            resting: 80,
            spread: 40,
            jumps: 20,
            hostile: 35,
            ..Profile::standard()
        }
    }

    /// Sparse prices and a market that jumps, so that ladders are on the move all the time.
    #[must_use]
    pub fn jumpy() -> Profile {
        Profile {
            limits: Limits {
                orders_max: 2_000,
                levels_max: 1_500,
                instruments_max: 2,
                sessions_max: 4,
            },
            instruments: vec![
                instrument("SPARSE", (-(1 << 50), 1 << 50), 1 << 10),
                instrument("ENDS", (-i64::MAX, i64::MAX), 1),
            ],
            sessions: 4,
            resting: 350,
            spread: 3_000,
            jumps: 60,
            hostile: 2,
            ..Profile::standard()
        }
    }
}

#[derive(Clone, Copy)]
struct Resting {
    session: SessionId,
    number: OrderNumber,
    instrument: InstrumentId,
    side: Side,
    price: Price,
    qty: Qty,
}

/// Gives one Input after another. Tell it the Events of each ([`Flow::observe`]): it aims its cancels
/// and replaces at what rests.
pub struct Flow {
    profile: Profile,
    rng: Rng,
    sequence: u64,
    opening: Vec<Command>,
    /// Last order number used up and last inbound message, by session.
    sessions: Vec<(u32, u32)>,
    /// The number of the last order sent, by session, and whether it was right.
    middles: Vec<i64>,
    resting: Vec<Resting>,
    index: BTreeMap<(SessionId, OrderNumber), usize>,
}

impl Flow {
    /// A flow of that profile. Its first Inputs configure the engine.
    #[must_use]
    pub fn new(profile: Profile, seed: u64) -> Flow {
        let mut opening = vec![Command::Configure(profile.limits)];
        for (id, instrument) in (0..).map(InstrumentId).zip(&profile.instruments) {
            opening.push(Command::DefineInstrument { id, instrument: *instrument });
        }
        for id in 1..=profile.sessions {
            let participant = ParticipantId(100 + id / 2);
            opening.push(Command::DefineSession { id: SessionId(id), participant });
        }
        opening.reverse();
        let middle = |i: &Instrument| {
            let (min, max) = (i.price_min.ticks(), i.price_max.ticks());
            (min / 2 + max / 2).clamp(min, max)
        };
        Flow {
            sessions: vec![(0, 0); profile.sessions as usize + 1],
            middles: profile.instruments.iter().map(middle).collect(),
            profile,
            rng: Rng::new(seed),
            sequence: 0,
            opening,
            resting: Vec::new(),
            index: BTreeMap::new(),
        }
    }

    /// The next Input.
    pub fn input(&mut self) -> Input {
        self.sequence += 1;
        let (session, command) = match self.opening.pop() {
            Some(command) => (SessionId::VENUE, command),
            None => self.command(),
        };
        let mut inbound = MsgSeqNum::NONE;
        if session != SessionId::VENUE
            && self.rng.percent(95)
            && let Some((_, last)) = self.sessions.get_mut(session.index())
        {
            *last += 1;
            inbound = MsgSeqNum(*last);
        }
        Input {
            sequence: Sequence(self.sequence),
            timestamp: Timestamp(1_700_000_000_000_000_000 + self.sequence * 1_000),
            session,
            inbound,
            command,
        }
    }

    /// Learns what happened.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Rested(event) => {
                self.index.insert((event.session, event.number), self.resting.len());
                self.resting.push(Resting {
                    session: event.session,
                    number: event.number,
                    instrument: event.instrument,
                    side: event.side,
                    price: event.price,
                    qty: event.leaves_qty,
                });
            }
            Event::Traded(event) if event.maker.leaves_qty.is_zero() => {
                self.forget(event.maker.session, event.maker.number);
            }
            Event::Canceled(event) => self.forget(event.session, event.number),
            Event::Replaced(event) => {
                let old = self.index.get(&(event.session, event.old_number)).copied();
                let Some(mut order) = old.map(|at| self.resting[at]) else { return };
                self.forget(event.session, event.old_number);
                if event.priority == crate::Priority::Kept {
                    (order.number, order.qty) = (event.number, event.order_qty);
                    self.index.insert((order.session, order.number), self.resting.len());
                    self.resting.push(order);
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, session: SessionId, number: OrderNumber) {
        if let Some(at) = self.index.remove(&(session, number)) {
            self.resting.swap_remove(at);
            if let Some(moved) = self.resting.get(at) {
                self.index.insert((moved.session, moved.number), at);
            }
        }
    }

    fn command(&mut self) -> (SessionId, Command) {
        self.move_market();
        if self.rng.percent(self.profile.hostile) {
            return self.hostile();
        }
        let Profile { new, cancel, take, replace, resting, .. } = self.profile;
        let mut roll = self.rng.below(100);
        // Towards the number of resting orders that is wanted.
        if self.resting.len() < resting / 2 && roll >= new + take {
            roll = 0;
        } else if self.resting.len() > resting + resting / 8 && roll < new / 4 {
            roll = new;
        }
        let session = SessionId(1 + self.rng.number(self.profile.sessions));
        if roll < new {
            return (session, self.passive(session));
        }
        if roll >= new + cancel && roll < new + cancel + take {
            return (session, self.taking(session));
        }
        let Some(order) = self.any_resting() else { return (session, self.passive(session)) };
        if roll < new + cancel {
            (order.session, Command::Cancel { target: order.number })
        } else if roll < new + cancel + take + replace {
            (order.session, self.replacing(&order))
        } else {
            (order.session, Command::Status { target: order.number })
        }
    }

    fn move_market(&mut self) {
        let at = self.rng.index(self.middles.len());
        let Instrument { price_min, price_max, .. } = self.profile.instruments[at];
        let (min, max) = (price_min.ticks(), price_max.ticks());
        let spread = self.profile.spread;
        let mut step = 0;
        if self.rng.below(10_000) < self.profile.jumps {
            step = self.rng.ticks(16 * spread) - 8 * spread;
            if self.rng.percent(10) {
                // To one end of what is allowed.
                step = if self.rng.percent(50) { i64::MIN } else { i64::MAX };
            }
        } else if self.rng.percent(10) {
            step = self.rng.ticks(3) - 1;
        }
        self.middles[at] = self.middles[at].saturating_add(step).clamp(min, max);
    }

    fn any_resting(&mut self) -> Option<Resting> {
        let at = self.rng.index(self.resting.len());
        self.resting.get(at).copied()
    }

    fn next_number(&mut self, session: SessionId) -> OrderNumber {
        let (number, _) = &mut self.sessions[session.index()];
        *number += 1;
        OrderNumber(*number)
    }

    fn side(&mut self) -> Side {
        if self.rng.percent(50) { Side::Buy } else { Side::Sell }
    }

    /// A price `distance` ticks on the passive side of the middle.
    fn price(&self, instrument: InstrumentId, side: Side, distance: i64) -> Price {
        let away = if side == Side::Buy { -distance } else { distance };
        let Instrument { price_min, price_max, .. } = self.profile.instruments[instrument.index()];
        let price = Price::from_ticks(self.middles[instrument.index()].saturating_add(away));
        price.clamp(price_min, price_max)
    }

    fn instrument_id(&mut self) -> InstrumentId {
        let len = u32::try_from(self.profile.instruments.len()).unwrap_or(0);
        InstrumentId(self.rng.number(len))
    }

    fn qty(&mut self, instrument: InstrumentId) -> Qty {
        let qty_max = self.profile.instruments[instrument.index()].qty_max;
        let lots = if self.rng.percent(2) {
            qty_max.lots()
        } else {
            (1 + self.rng.below(10)) * if self.rng.percent(50) { 1 } else { 10 }
        };
        Qty::from_lots(lots).min(qty_max)
    }

    fn passive(&mut self, session: SessionId) -> Command {
        let (instrument, side) = (self.instrument_id(), self.side());
        let spread = self.profile.spread;
        let distance = self.rng.ticks(spread).min(self.rng.ticks(spread));
        let distance = distance.min(self.rng.ticks(spread)) + 1;
        let limit = self.price(instrument, side, distance);
        Command::New(NewOrder {
            number: self.next_number(session),
            instrument,
            side,
            kind: OrderKind::Limit(limit),
            qty: self.qty(instrument),
            time_in_force: if self.rng.percent(70) { TimeInForce::Day } else { TimeInForce::Gtc },
            liquidity: if self.rng.percent(10) { Liquidity::PostOnly } else { Liquidity::Any },
        })
    }

    fn taking(&mut self, session: SessionId) -> Command {
        let (instrument, side) = (self.instrument_id(), self.side());
        let distance = -self.rng.ticks(self.profile.spread / 40 + 2);
        let kind = match self.rng.below(10) {
            0 => OrderKind::Market,
            _ => OrderKind::Limit(self.price(instrument, side, distance)),
        };
        let time_in_force = match self.rng.below(10) {
            0 => TimeInForce::Fok,
            1..=6 => TimeInForce::Ioc,
            _ => TimeInForce::Day,
        };
        Command::New(NewOrder {
            number: self.next_number(session),
            instrument,
            side,
            kind,
            qty: self.qty(instrument),
            time_in_force,
            liquidity: Liquidity::Any,
        })
    }

    fn replacing(&mut self, order: &Resting) -> Command {
        let price = match self.rng.below(10) {
            0..=3 => order.price,
            4..=8 => {
                let distance = self.rng.ticks(self.profile.spread) - self.profile.spread / 100;
                self.price(order.instrument, order.side, distance)
            }
            _ => self.price(order.instrument, order.side, -2),
        };
        let lots = order.qty.lots();
        let less = Qty::from_lots(lots - self.rng.below(lots));
        let qty = if self.rng.percent(60) { less } else { self.qty(order.instrument) };
        Command::Replace(ReplaceOrder {
            number: self.next_number(order.session),
            target: order.number,
            instrument: order.instrument,
            side: order.side,
            price,
            qty,
        })
    }

    /// Something wrong, absurd or rare.
    fn hostile(&mut self) -> (SessionId, Command) {
        let session = SessionId(1 + self.rng.number(self.profile.sessions));
        let command = match self.rng.below(16) {
            0 => self.wrong_number(session),
            1..=4 => self.absurd_order(session),
            5 | 6 => Command::Cancel { target: self.any_number(session) },
            7 | 8 => self.wrong_replace(session),
            9 => Command::MassCancel(self.scope()),
            10 => Command::Status { target: self.any_number(session) },
            11 => self.refusal(session),
            12 => return (session, self.note(session)),
            13 => return (self.someone(session), self.governing()),
            14 if self.rng.percent(50) => return (SessionId::VENUE, self.governing()),
            14 => return (SessionId::VENUE, self.wrong_number(session)),
            _ => return (SessionId(self.rng.number(20)), Command::Note(Numbering::InboundOnly)),
        };
        (session, command)
    }

    fn someone(&mut self, session: SessionId) -> SessionId {
        match self.rng.below(8) {
            0 => session,
            1 => SessionId(u32::MAX),
            _ => SessionId::VENUE,
        }
    }

    /// An order whose number is not the next.
    fn wrong_number(&mut self, session: SessionId) -> Command {
        let used = self.sessions[session.index()].0;
        let number = match self.rng.below(4) {
            0 => 0,
            1 => used,
            2 => used + 2,
            _ => u32::MAX,
        };
        let Command::New(new) = self.passive(session) else { return Command::ExpireDay };
        self.sessions[session.index()].0 = used;
        Command::New(NewOrder { number: OrderNumber(number), ..new })
    }

    fn absurd_order(&mut self, session: SessionId) -> Command {
        let instrument = match self.rng.below(20) {
            0 => InstrumentId::NONE,
            _ => self.instrument_id(),
        };
        let (side, number) = (self.side(), self.next_number(session));
        let edges = self.profile.instruments.get(instrument.index());
        let (min, max) = edges.map_or((0, 0), |i| (i.price_min.ticks(), i.price_max.ticks()));
        let price = match self.rng.below(12) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => min.saturating_sub(1),
            3 => max.saturating_add(1),
            4 | 5 => min.saturating_add(self.rng.ticks(10_000)).min(max),
            6 | 7 => max.saturating_sub(self.rng.ticks(10_000)).max(min),
            _ => self.rng.bits().cast_signed().clamp(min, max),
        };
        let qty = match self.rng.below(12) {
            0 => 0,
            1 => u64::MAX,
            2 => edges.map_or(0, |i| i.qty_max.lots()),
            _ => 1 + self.rng.below(20),
        };
        let time_in_force = match self.rng.below(8) {
            0 => TimeInForce::Ioc,
            1 | 2 => TimeInForce::Fok,
            3 => TimeInForce::Gtc,
            _ => TimeInForce::Day,
        };
        let liquidity = if self.rng.percent(15) { Liquidity::PostOnly } else { Liquidity::Any };
        let kind = match self.rng.below(10) {
            0 => OrderKind::Market,
            _ => OrderKind::Limit(Price::from_ticks(price)),
        };
        let qty = Qty::from_lots(qty);
        Command::New(NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity })
    }

    fn any_number(&mut self, session: SessionId) -> OrderNumber {
        let used = self.sessions[session.index()].0;
        match self.rng.below(6) {
            0 => OrderNumber::NONE,
            1 => OrderNumber(u32::MAX),
            2 => OrderNumber(used + 1),
            _ => OrderNumber(self.rng.number(used) + 1),
        }
    }

    fn wrong_replace(&mut self, session: SessionId) -> Command {
        let Some(order) = self.any_resting() else { return self.absurd_order(session) };
        let Command::Replace(mut replace) = self.replacing(&order) else {
            return Command::ExpireDay;
        };
        // The number went to the order's own session, which may not be the one that asks.
        self.sessions[order.session.index()].0 -= 1;
        replace.number = match self.rng.below(8) {
            0 => replace.target,
            _ => self.next_number(session),
        };
        if replace.number == replace.target && session == order.session {
            replace.number = OrderNumber(0);
        }
        match self.rng.below(8) {
            0 => replace.target = replace.number,
            1 => replace.target = self.any_number(session),
            2 => replace.instrument = InstrumentId(replace.instrument.0 ^ 1),
            3 => replace.side = replace.side.opposite(),
            4 => replace.price = Price::from_ticks(self.rng.bits().cast_signed()),
            5 => replace.qty = Qty::from_lots(self.rng.below(3)),
            6 => replace.qty = Qty::from_lots(self.rng.bits()),
            _ => {}
        }
        Command::Replace(replace)
    }

    fn scope(&mut self) -> MassCancelScope {
        let instrument = InstrumentId(self.instrument_id().0 + self.rng.number(2));
        match self.rng.below(4) {
            0 => MassCancelScope::Session,
            1 => MassCancelScope::Instrument(instrument),
            _ => MassCancelScope::SessionInstrument(instrument),
        }
    }

    fn refusal(&mut self, session: SessionId) -> Command {
        let target = self.any_number(session);
        let request = match self.rng.below(6) {
            0 => RefusedRequest::New(self.next_number(session)),
            1 => RefusedRequest::New(OrderNumber(0)),
            2 => RefusedRequest::Cancel { target },
            3 => RefusedRequest::Replace { number: self.next_number(session), target },
            4 => RefusedRequest::Replace { number: OrderNumber(0), target },
            _ => RefusedRequest::MassCancel,
        };
        let reason = RejectReason::ALL[self.rng.index(RejectReason::ALL.len())];
        Command::Refuse { request, reason }
    }

    fn note(&mut self, session: SessionId) -> Command {
        Command::Note(match self.rng.below(8) {
            0 => {
                self.sessions[session.index()].1 = 0;
                Numbering::Reset
            }
            1 | 2 => Numbering::InboundOnly,
            _ => Numbering::Next,
        })
    }

    /// A command that is the venue's to give.
    fn governing(&mut self) -> Command {
        let Limits { orders_max, .. } = self.profile.limits;
        let id = self.instrument_id();
        match self.rng.below(40) {
            0 => Command::ExpireDay,
            1 | 2 => Command::MassCancel(MassCancelScope::Instrument(id)),
            3 => Command::MassCancel(self.scope()),
            4 => Command::Configure(Limits { orders_max: orders_max - 1, ..self.profile.limits }),
            5 => Command::Configure(Limits { sessions_max: u32::MAX, ..LIMITS_MAX }),
            6 => {
                // Rarely: tables that are never full would answer less.
                if self.rng.percent(5) {
                    self.profile.limits.orders_max += self.rng.number(3);
                    self.profile.limits.levels_max += self.rng.number(3);
                }
                Command::Configure(self.profile.limits)
            }
            7 => {
                let instrument = self.profile.instruments[id.index()];
                Command::DefineInstrument { id: InstrumentId(self.rng.number(9)), instrument }
            }
            8 => {
                let instrument = instrument("BAD", (1, i64::MAX), u64::MAX);
                let id = u32::try_from(self.profile.instruments.len()).unwrap_or(0);
                Command::DefineInstrument { id: InstrumentId(id), instrument }
            }
            9 => {
                // The sixth can be defined; then it is there, but gives no orders.
                let id = SessionId(self.rng.number(9));
                Command::DefineSession { id, participant: ParticipantId(7) }
            }
            10..=14 => Command::SetPhase { instrument: id, phase: Phase::Halt },
            15 => Command::SetPhase { instrument: id, phase: Phase::Closed },
            16 => Command::SetPhase { instrument: InstrumentId::NONE, phase: Phase::Continuous },
            _ => Command::SetPhase { instrument: id, phase: Phase::Continuous },
        }
    }
}

/// `commands` Inputs of a flow after the opening, with that opening in front.
///
/// An engine runs along, so that cancels meet what rests.
#[must_use]
pub fn record(profile: Profile, seed: u64, commands: usize) -> Vec<Input> {
    let mut flow = Flow::new(profile, seed);
    let total = flow.opening.len() + commands;
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    (0..total)
        .map(|_| {
            let input = flow.input();
            engine.apply(&input, &mut events);
            for event in events.drain(..) {
                flow.observe(&event);
            }
            input
        })
        .collect()
}
