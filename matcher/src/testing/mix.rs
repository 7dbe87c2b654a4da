//! Seeded flow that mixes every order type, phase and command of the venue in small, narrow books, so
//! that they meet. The same seed gives the same Inputs, on any machine.

use crate::command::{
    Bust, Command, Input, Limits, Liquidity, MassCancelScope, NewOrder, Numbering, OrderKind, Peg,
    Permission, PermissionScope, ReduceOrder, RefusedRequest, ReplaceOrder, RiskLimits,
    SelfTradePrevention, Terms, Trigger,
};
use crate::engine::Engine;
use crate::event::{Event, HeldReason, RejectReason};
use crate::instrument::{BandAction, Bands, Instrument, Phase};
use crate::types::{
    InstrumentId, MsgSeqNum, OrderNumber, ParticipantId, Price, Qty, Sequence, SessionId, Side,
    TimeInForce, Timestamp, TradeId,
};

use super::flow::{Rng, instrument};

/// Trades that a flow remembers to bust.
const TRADES_KEPT: usize = 32;

/// What a command of the flow is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    /// Limit, market and market-to-limit orders that stay or not.
    Plain,
    /// Post-only and sliding orders.
    Post,
    Iceberg,
    Minimum,
    Stop,
    Peg,
    /// Orders for an auction.
    Call,
    /// Whatever combination, most of them contradictory.
    Absurd,
    Cancel,
    Replace,
    ReplaceStop,
    MassCancel,
    Phase,
    Band,
    ReferencePrice,
    Indicative,
    SelfTrade,
    Risk,
    Permission,
    Bust,
    Expire,
    ExpireDay,
    Status,
    Note,
    /// Numbers, targets, ids and senders that are wrong.
    Wrong,
}

/// What a mixed flow is like.
#[derive(Clone, Debug)]
pub struct Mix {
    /// What the profile is called.
    pub name: &'static str,
    /// The engine's tables.
    pub limits: Limits,
    /// Instruments, defined in this order.
    pub instruments: Vec<Instrument>,
    /// Sessions; two of them may be one participant.
    pub sessions: u32,
    /// Prices are so many ticks around a middle that wanders.
    pub spread: u64,
    /// Orders that the flow aims at.
    pub working: usize,
    /// In so many of 100 commands what stops an instrument or a session from trading is undone.
    pub healing: u64,
    /// How often each topic comes, relative to the others.
    topics: Vec<(Topic, u64)>,
}

impl Mix {
    /// All profiles.
    #[must_use]
    pub fn all() -> Vec<Mix> {
        vec![
            Mix::special(),
            Mix::auctions(),
            Mix::stops(),
            Mix::pegs(),
            Mix::icebergs(),
            Mix::selftrade(),
            Mix::risky(),
            Mix::everything(),
        ]
    }

    /// The profile of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mix> {
        Mix::all().into_iter().find(|mix| mix.name == name)
    }

    /// The same without topics of these names (`Peg`, `Phase`, …).
    #[must_use]
    pub fn without(self, names: &[&str]) -> Mix {
        let mut mix = self;
        mix.topics.retain(|(topic, _)| !names.contains(&format!("{topic:?}").as_str()));
        mix
    }

    fn of(name: &'static str, topics: &[(Topic, u64)]) -> Mix {
        let common = [
            (Topic::Plain, 30),
            (Topic::Cancel, 12),
            (Topic::Replace, 10),
            (Topic::Status, 1),
            (Topic::Note, 1),
            (Topic::Wrong, 1),
        ];
        let narrow =
            Instrument { qty_min: Qty::from_lots(2), ..instrument("NARROW", (90, 110), 60) };
        Mix {
            name,
            limits: Limits {
                orders_max: 400,
                levels_max: 200,
                instruments_max: 4,
                sessions_max: 8,
            },
            instruments: vec![narrow, instrument("BELOW", (-6, 5), 20_000)],
            sessions: 4,
            spread: 6,
            working: 40,
            healing: 8,
            topics: common.iter().chain(topics).copied().collect(),
        }
    }

    /// Continuous trading with every order type in equal parts.
    #[must_use]
    pub fn special() -> Mix {
        Mix::of(
            "special",
            &[
                (Topic::Post, 6),
                (Topic::Iceberg, 8),
                (Topic::Minimum, 6),
                (Topic::Stop, 8),
                (Topic::Peg, 8),
                (Topic::Absurd, 2),
                (Topic::ReplaceStop, 2),
                (Topic::SelfTrade, 1),
                (Topic::Expire, 2),
                (Topic::MassCancel, 1),
            ],
        )
    }

    /// Calls and uncrosses, with bands that begin some of them.
    #[must_use]
    pub fn auctions() -> Mix {
        let mix = Mix::of(
            "auctions",
            &[
                (Topic::Call, 25),
                (Topic::Post, 2),
                (Topic::Iceberg, 8),
                (Topic::Minimum, 1),
                (Topic::Stop, 6),
                (Topic::Peg, 3),
                (Topic::Absurd, 1),
                (Topic::Phase, 10),
                (Topic::Band, 2),
                (Topic::ReferencePrice, 2),
                (Topic::Indicative, 6),
                (Topic::SelfTrade, 1),
                (Topic::Expire, 1),
                (Topic::ExpireDay, 1),
            ],
        );
        let ends = instrument("ENDS", (-i64::MAX, i64::MAX), 1);
        let wide = instrument("WIDE", (-(1 << 40), 1 << 40), 50);
        let instruments = mix.instruments.iter().copied().chain([wide, ends]).collect();
        Mix { instruments, healing: 2, ..mix }
    }

    /// Stops upon stops: cascades, and few prices left for them to rest at.
    #[must_use]
    pub fn stops() -> Mix {
        let mix = Mix::of(
            "stops",
            &[
                (Topic::Stop, 40),
                (Topic::ReplaceStop, 8),
                (Topic::Iceberg, 2),
                (Topic::Peg, 2),
                (Topic::Phase, 2),
                (Topic::Band, 1),
                (Topic::Expire, 1),
                (Topic::MassCancel, 1),
            ],
        );
        Mix { limits: Limits { levels_max: 10, ..mix.limits }, working: 70, ..mix }
    }

    /// Pegs of both sides, and few displayed orders for them to follow.
    #[must_use]
    pub fn pegs() -> Mix {
        let mix = Mix::of(
            "pegs",
            &[
                (Topic::Peg, 40),
                (Topic::Post, 12),
                (Topic::Minimum, 6),
                (Topic::Stop, 4),
                (Topic::Iceberg, 2),
                (Topic::SelfTrade, 3),
                (Topic::Band, 2),
                (Topic::ReferencePrice, 1),
                (Topic::Phase, 2),
                (Topic::Expire, 1),
                (Topic::MassCancel, 1),
            ],
        );
        Mix { instruments: [mix.instruments[1], mix.instruments[0]].into(), ..mix }
    }

    /// Icebergs that meet icebergs.
    #[must_use]
    pub fn icebergs() -> Mix {
        Mix::of(
            "icebergs",
            &[
                (Topic::Iceberg, 40),
                (Topic::Minimum, 6),
                (Topic::Post, 4),
                (Topic::SelfTrade, 1),
                (Topic::Phase, 2),
                (Topic::Stop, 3),
                (Topic::Expire, 1),
            ],
        )
    }

    /// Few owners, every mode, groups that change.
    #[must_use]
    pub fn selftrade() -> Mix {
        let mix = Mix::of(
            "selftrade",
            &[
                (Topic::SelfTrade, 8),
                (Topic::Iceberg, 12),
                (Topic::Minimum, 8),
                (Topic::Stop, 5),
                (Topic::Peg, 10),
                (Topic::Post, 4),
                (Topic::Call, 4),
                (Topic::Phase, 4),
                (Topic::Band, 1),
                (Topic::Expire, 1),
            ],
        );
        Mix { sessions: 3, ..mix }
    }

    /// Tight accounts, permissions that come and go, busts.
    #[must_use]
    pub fn risky() -> Mix {
        let mix = Mix::of(
            "risky",
            &[
                (Topic::Risk, 4),
                (Topic::Permission, 2),
                (Topic::Bust, 4),
                (Topic::Post, 3),
                (Topic::Iceberg, 4),
                (Topic::Minimum, 3),
                (Topic::Stop, 8),
                (Topic::Peg, 5),
                (Topic::Call, 2),
                (Topic::Phase, 2),
                (Topic::ReferencePrice, 2),
                (Topic::SelfTrade, 5),
                (Topic::ReplaceStop, 2),
                (Topic::Expire, 1),
                (Topic::MassCancel, 1),
                (Topic::ExpireDay, 1),
            ],
        );
        Mix { healing: 12, ..mix }
    }

    /// All of it at once, in four books with full tables.
    #[must_use]
    pub fn everything() -> Mix {
        let mix = Mix::of(
            "everything",
            &[
                (Topic::Post, 6),
                (Topic::Iceberg, 8),
                (Topic::Minimum, 6),
                (Topic::Stop, 12),
                (Topic::Peg, 8),
                (Topic::Call, 8),
                (Topic::Absurd, 6),
                (Topic::ReplaceStop, 2),
                (Topic::MassCancel, 1),
                (Topic::Phase, 4),
                (Topic::Band, 3),
                (Topic::ReferencePrice, 2),
                (Topic::Indicative, 2),
                (Topic::SelfTrade, 2),
                (Topic::Risk, 2),
                (Topic::Permission, 1),
                (Topic::Bust, 1),
                (Topic::Expire, 1),
                (Topic::ExpireDay, 1),
                (Topic::Wrong, 6),
            ],
        );
        let pre_open =
            Instrument { phase: Phase::PreOpen, ..instrument("WIDE", (-(1 << 40), 1 << 40), 50) };
        let ends = instrument("ENDS", (-i64::MAX, i64::MAX), 1);
        let instruments = mix.instruments.iter().copied().chain([pre_open, ends]).collect();
        let limits = Limits { orders_max: 45, levels_max: 16, instruments_max: 4, sessions_max: 5 };
        Mix { limits, instruments, sessions: 5, working: 60, healing: 15, ..mix }
    }
}

/// An order that works, as far as Events tell.
#[derive(Clone, Copy)]
struct Working {
    session: SessionId,
    number: OrderNumber,
    instrument: InstrumentId,
    side: Side,
    price: Price,
    qty: Qty,
    held: Option<HeldReason>,
}

/// Gives one Input after another. Tell it the Events of each ([`MixedFlow::observe`]).
pub struct MixedFlow {
    mix: Mix,
    rng: Rng,
    sequence: u64,
    now: u64,
    opening: Vec<Command>,
    /// Last order number used up and last inbound message, by session.
    sessions: Vec<(u32, u32)>,
    middles: Vec<i64>,
    phases: Vec<Phase>,
    working: Vec<Working>,
    trades: Vec<Bust>,
    /// Scopes that may not trade.
    restricted: Vec<PermissionScope>,
    /// Accounts whose limits were set.
    limited: Vec<(ParticipantId, InstrumentId)>,
    /// The order of the last Input, if it was one.
    last: Option<(NewOrder, SessionId)>,
}

fn participant_of(session: u32) -> ParticipantId {
    ParticipantId(100 + session / 2)
}

impl MixedFlow {
    /// A flow of that profile. Its first Inputs configure the engine.
    #[must_use]
    pub fn new(mix: Mix, seed: u64) -> MixedFlow {
        let mut opening = vec![Command::Configure(mix.limits)];
        for (id, instrument) in (0..).map(InstrumentId).zip(&mix.instruments) {
            opening.push(Command::DefineInstrument { id, instrument: *instrument });
        }
        for id in 1..=mix.sessions {
            let participant = participant_of(id);
            opening.push(Command::DefineSession { id: SessionId(id), participant });
        }
        opening.reverse();
        let middle = |i: &Instrument| {
            let (min, max) = (i.price_min.ticks(), i.price_max.ticks());
            (min / 2 + max / 2).clamp(min, max)
        };
        MixedFlow {
            sessions: vec![(0, 0); mix.sessions as usize + 1],
            middles: mix.instruments.iter().map(middle).collect(),
            phases: mix.instruments.iter().map(|instrument| instrument.phase).collect(),
            mix,
            rng: Rng::new(seed),
            sequence: 0,
            now: 1_700_000_000_000_000_000,
            opening,
            working: Vec::new(),
            trades: Vec::new(),
            restricted: Vec::new(),
            limited: Vec::new(),
            last: None,
        }
    }

    /// Inputs that define what there is to trade and who trades.
    #[must_use]
    pub fn opening_len(&self) -> usize {
        self.opening.len()
    }

    /// The next Input.
    pub fn input(&mut self) -> Input {
        self.sequence += 1;
        self.now += self.rng.below(2_000);
        let (session, command) = match self.opening.pop() {
            Some(command) => (SessionId::VENUE, command),
            None => self.command(),
        };
        let number = match command {
            Command::New(new) | Command::NewSpecial(new, _) => new.number,
            Command::Replace(replace) | Command::ReplaceStop(replace, _) => replace.number,
            Command::Refuse {
                request: RefusedRequest::New(number) | RefusedRequest::Replace { number, .. },
                ..
            } => number,
            _ => OrderNumber::NONE,
        };
        if let Some((used, _)) = self.sessions.get_mut(session.index())
            && number.0 == *used + 1
            && session != SessionId::VENUE
        {
            *used += 1;
        }
        self.last = match command {
            Command::New(new) | Command::NewSpecial(new, _) => Some((new, session)),
            _ => None,
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
            timestamp: Timestamp(self.now),
            session,
            inbound,
            command,
        }
    }

    /// Learns what happened.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Rested(event) => {
                self.forget(event.session, event.number);
                self.working.push(Working {
                    session: event.session,
                    number: event.number,
                    instrument: event.instrument,
                    side: event.side,
                    price: event.price,
                    qty: event.leaves_qty,
                    held: None,
                });
            }
            Event::Held(event) => {
                let new = self
                    .last
                    .filter(|last| (last.1, last.0.number) == (event.session, event.number));
                let price = match new.map(|(new, _)| new.kind) {
                    Some(OrderKind::Limit(price)) => price,
                    _ => self.price(event.instrument),
                };
                self.forget(event.session, event.number);
                self.working.push(Working {
                    session: event.session,
                    number: event.number,
                    instrument: event.instrument,
                    side: event.side,
                    price,
                    qty: event.leaves_qty,
                    held: Some(event.reason),
                });
            }
            Event::Traded(event) => {
                for fill in [&event.maker, &event.taker] {
                    if fill.leaves_qty.is_zero() {
                        self.forget(fill.session, fill.number);
                    }
                }
                let parts = [&event.maker, &event.taker].map(|fill| (fill.session, fill.number));
                let [sell, buy] = match event.taker_side {
                    Side::Buy => parts,
                    Side::Sell => [parts[1], parts[0]],
                };
                if self.trades.len() == TRADES_KEPT {
                    self.trades.remove(0);
                }
                self.trades.push(Bust {
                    trade: event.id,
                    instrument: event.instrument,
                    price: event.price,
                    qty: event.qty,
                    buy,
                    sell,
                });
            }
            Event::Canceled(event) => self.forget(event.session, event.number),
            Event::Replaced(event) => {
                for order in &mut self.working {
                    if (order.session, order.number) == (event.session, event.old_number) {
                        order.number = event.number;
                        order.qty = event.leaves_qty;
                        if order.held.is_none() {
                            order.price = event.price;
                        }
                    }
                }
            }
            Event::PhaseChanged { instrument, phase, .. } => {
                self.phases[instrument.index()] = *phase;
            }
            _ => {}
        }
    }

    fn forget(&mut self, session: SessionId, number: OrderNumber) {
        self.working.retain(|order| (order.session, order.number) != (session, number));
    }

    fn command(&mut self) -> (SessionId, Command) {
        self.wander();
        if self.rng.percent(self.mix.healing)
            && let Some(command) = self.heal()
        {
            return (SessionId::VENUE, command);
        }
        let session = SessionId(1 + self.number(self.mix.sessions));
        let topic = self.topic();
        if matches!(topic, Topic::Wrong) {
            return self.wrong(session);
        }
        if let Some(command) = self.venues(topic) {
            return (SessionId::VENUE, command);
        }
        if let Some(asked) = self.about_an_order(topic, session) {
            return asked;
        }
        (session, self.order(topic, session))
    }

    fn wander(&mut self) {
        let at = self.rng.index(self.middles.len());
        let Instrument { price_min, price_max, .. } = self.mix.instruments[at];
        let step = match self.rng.below(200) {
            0 => i64::MAX,
            1 => i64::MIN,
            2..=5 => self.rng.bits().cast_signed() >> 40,
            6..=30 => -1,
            31..=55 => 1,
            _ => 0,
        };
        let moved = self.middles[at].saturating_add(step);
        self.middles[at] = moved.clamp(price_min.ticks(), price_max.ticks());
    }

    fn topic(&mut self) -> Topic {
        let total = self.mix.topics.iter().map(|(_, weight)| weight).sum();
        let mut roll = self.rng.below(total);
        for (topic, weight) in &self.mix.topics {
            if roll < *weight {
                let crowded = self.working.len() > self.mix.working;
                return if crowded && roll.is_multiple_of(2) && *weight > 4 {
                    Topic::Cancel
                } else {
                    *topic
                };
            }
            roll -= weight;
        }
        Topic::Plain
    }

    /// Undoes one thing that keeps somebody from trading.
    fn heal(&mut self) -> Option<Command> {
        match self.rng.below(3) {
            0 => {
                let scope = self.restricted.pop()?;
                Some(Command::SetPermission { scope, permission: Permission::Trade })
            }
            1 => {
                let (participant, instrument) = self.limited.pop()?;
                Some(Command::SetRisk { participant, instrument, limits: RiskLimits::NONE })
            }
            _ => {
                let at = self.phases.iter().position(|phase| *phase != Phase::Continuous)?;
                let instrument = InstrumentId(u32::try_from(at).ok()?);
                Some(Command::SetPhase { instrument, phase: Phase::Continuous })
            }
        }
    }

    /// A command that is the venue's to give.
    fn venues(&mut self, topic: Topic) -> Option<Command> {
        let instrument = self.instrument_id();
        Some(match topic {
            Topic::Phase => {
                let phase = if self.rng.percent(45) { Phase::Continuous } else { self.phase() };
                Command::SetPhase { instrument, phase }
            }
            Topic::Band => Command::SetBands { instrument, bands: self.bands() },
            Topic::ReferencePrice => {
                Command::SetReference { instrument, price: self.price(instrument) }
            }
            Topic::Indicative => Command::PublishIndicative { instrument },
            Topic::SelfTrade => Command::SetSession {
                session: SessionId(1 + self.number(self.mix.sessions)),
                group: self.number(3),
                self_trade: self.self_trade(),
            },
            Topic::Risk => {
                let participant = participant_of(1 + self.number(self.mix.sessions));
                let instrument = if self.rng.percent(40) { InstrumentId::NONE } else { instrument };
                self.limited.push((participant, instrument));
                let limits = self.risk_limits();
                Command::SetRisk { participant, instrument, limits }
            }
            Topic::Permission => {
                let scope = self.scope();
                let permission = match self.rng.below(3) {
                    0 => Permission::Trade,
                    1 => Permission::CancelOnly,
                    _ => Permission::Killed,
                };
                if permission != Permission::Trade {
                    self.restricted.push(scope);
                }
                Command::SetPermission { scope, permission }
            }
            Topic::Bust => Command::Bust(self.bust()),
            Topic::Expire => Command::Expire,
            Topic::ExpireDay => Command::ExpireDay,
            Topic::MassCancel if self.rng.percent(30) => {
                Command::MassCancel(MassCancelScope::Instrument(instrument))
            }
            _ => return None,
        })
    }

    /// A request about an order that works.
    fn about_an_order(&mut self, topic: Topic, session: SessionId) -> Option<(SessionId, Command)> {
        if !matches!(
            topic,
            Topic::Cancel
                | Topic::Replace
                | Topic::ReplaceStop
                | Topic::MassCancel
                | Topic::Status
                | Topic::Note
        ) {
            return None;
        }
        if topic == Topic::Note {
            let numbering = match self.rng.below(8) {
                0 => {
                    self.sessions[session.index()].1 = 0;
                    Numbering::Reset
                }
                1 => Numbering::InboundOnly,
                _ => Numbering::Next,
            };
            return Some((session, Command::Note(numbering)));
        }
        if topic == Topic::MassCancel {
            let scope = if self.rng.percent(50) {
                MassCancelScope::Session
            } else {
                MassCancelScope::SessionInstrument(self.instrument_id())
            };
            return Some((session, Command::MassCancel(scope)));
        }
        let stops_only = topic == Topic::ReplaceStop && self.rng.percent(90);
        let choice: Vec<Working> = self
            .working
            .iter()
            .copied()
            .filter(|order| !stops_only || order.held == Some(HeldReason::Stop))
            .collect();
        let order = *choice.get(self.rng.index(choice.len()))?;
        let target = order.number;
        let command = match topic {
            Topic::Cancel => Command::Cancel { target },
            Topic::Status => Command::Status { target },
            Topic::ReplaceStop => {
                let stop = self.price(order.instrument);
                Command::ReplaceStop(self.replacing(&order), stop)
            }
            _ if self.rng.percent(20) => {
                let ReplaceOrder { qty, .. } = self.replacing(&order);
                let qty =
                    if self.rng.percent(10) { Qty::from_lots(self.rng.below(3)) } else { qty };
                Command::Reduce(ReduceOrder { target, qty })
            }
            _ => Command::Replace(self.replacing(&order)),
        };
        Some((order.session, command))
    }

    fn replacing(&mut self, order: &Working) -> ReplaceOrder {
        let price = if self.rng.percent(45) { order.price } else { self.price(order.instrument) };
        let lots = order.qty.lots();
        let qty = match self.rng.below(10) {
            0..=4 => Qty::from_lots(lots - self.rng.below(lots)),
            5 | 6 => Qty::from_lots(lots + self.rng.below(5)),
            7 => order.qty,
            8 if self.rng.percent(10) => self.mix.instruments[order.instrument.index()].qty_max,
            _ => self.qty(order.instrument),
        };
        let number =
            if self.rng.percent(35) { OrderNumber::NONE } else { self.next_number(order.session) };
        ReplaceOrder {
            number,
            target: order.number,
            instrument: order.instrument,
            side: order.side,
            price,
            qty,
        }
    }

    fn order(&mut self, topic: Topic, session: SessionId) -> Command {
        let instrument = self.instrument_id();
        let side = self.side();
        let limit = OrderKind::Limit(self.price_of(instrument, side));
        let mut new = NewOrder {
            number: self.next_number(session),
            instrument,
            side,
            kind: limit,
            qty: self.qty(instrument),
            time_in_force: self.staying(),
            liquidity: Liquidity::Any,
        };
        let mut terms = Terms::NONE;
        match topic {
            Topic::Post => {
                new.liquidity =
                    if self.rng.percent(60) { Liquidity::Slide } else { Liquidity::PostOnly };
                if self.rng.percent(10) {
                    terms.display_qty = self.slice(instrument, new.qty);
                }
            }
            Topic::Iceberg => {
                new.qty = self.large_qty(instrument);
                terms.display_qty = self.slice(instrument, new.qty);
                new.liquidity = match self.rng.below(10) {
                    0 => Liquidity::PostOnly,
                    1 => Liquidity::Slide,
                    _ => Liquidity::Any,
                };
            }
            Topic::Minimum => {
                new.qty = self.large_qty(instrument);
                terms.min_qty = Qty::from_lots(1 + self.rng.below(new.qty.lots() + 1));
                if self.rng.percent(60) {
                    terms.min_qty = Qty::from_lots(1 + self.rng.below(8)).min(new.qty);
                }
                if self.rng.percent(20) {
                    new.kind = OrderKind::Market;
                }
                if self.rng.percent(40) {
                    new.time_in_force = TimeInForce::Ioc;
                }
            }
            Topic::Stop => {
                if self.rng.percent(50) {
                    new.kind = OrderKind::Market;
                }
                terms.trigger = Trigger::Stop(self.price(instrument));
                if self.rng.percent(30) {
                    new.kind = OrderKind::Market;
                    terms.trigger = Trigger::Trailing(self.offset(1));
                }
            }
            Topic::Peg => {
                if self.rng.percent(50) {
                    new.kind = OrderKind::Market;
                }
                let offset = self.offset(0);
                terms.peg =
                    if self.rng.percent(65) { Peg::Midpoint(offset) } else { Peg::Primary(offset) };
            }
            Topic::Call => {
                if self.rng.percent(30) {
                    new.kind = OrderKind::Market;
                }
                new.time_in_force = match self.rng.below(4) {
                    0 => TimeInForce::AtOpen,
                    1 => TimeInForce::AtClose,
                    2 => TimeInForce::Gfa,
                    _ => self.staying(),
                };
            }
            Topic::Absurd => (new, terms) = self.absurd(new),
            _ => match self.rng.below(20) {
                0 | 1 => new.time_in_force = TimeInForce::Ioc,
                2 | 3 => {
                    new.time_in_force = TimeInForce::Fok;
                    new.qty = self.large_qty(instrument);
                }
                4 | 5 => new.kind = OrderKind::Market,
                6 => {
                    new.kind = OrderKind::Market;
                    new.time_in_force =
                        if self.rng.percent(50) { TimeInForce::Ioc } else { TimeInForce::Fok };
                }
                7 | 8 => new.kind = OrderKind::MarketToLimit,
                9 => new.qty = self.large_qty(instrument),
                _ => {}
            },
        }
        if new.time_in_force == TimeInForce::Gtd && topic != Topic::Absurd {
            terms.expire_at = self.expiry();
        }
        if terms == Terms::NONE && self.rng.percent(80) {
            Command::New(new)
        } else {
            Command::NewSpecial(new, terms)
        }
    }

    /// Anything with anything.
    fn absurd(&mut self, new: NewOrder) -> (NewOrder, Terms) {
        let mut new = new;
        let mut terms = Terms::NONE;
        new.time_in_force = match self.rng.below(8) {
            0 => TimeInForce::Day,
            1 => TimeInForce::Gtc,
            2 => TimeInForce::Ioc,
            3 => TimeInForce::Fok,
            4 => TimeInForce::AtOpen,
            5 => TimeInForce::AtClose,
            6 => TimeInForce::Gfa,
            _ => TimeInForce::Gtd,
        };
        match self.rng.below(4) {
            0 => new.kind = OrderKind::Market,
            1 => new.kind = OrderKind::MarketToLimit,
            2 if self.rng.percent(40) => {
                new.kind = OrderKind::Limit(self.far(new.instrument));
            }
            _ => {}
        }
        new.liquidity = match self.rng.below(6) {
            0 => Liquidity::PostOnly,
            1 => Liquidity::Slide,
            _ => Liquidity::Any,
        };
        match self.rng.below(8) {
            0 => new.qty = Qty::ZERO,
            1 => new.qty = Qty::from_lots(self.rng.bits()),
            2 => new.qty = Qty::from_lots(1),
            _ => {}
        }
        match self.rng.below(7) {
            0 => {
                terms.display_qty = Qty::from_lots(1 + self.rng.below(3));
                new.qty = Qty::from_lots(9_000 + self.rng.below(21_001));
            }
            1 => {
                terms.min_qty =
                    Qty::from_lots(1 + self.rng.below(new.qty.lots().saturating_add(3)));
            }
            2 => terms.trigger = Trigger::Stop(self.far(new.instrument)),
            3 => terms.trigger = Trigger::Trailing(self.far_offset()),
            4 => terms.peg = Peg::Primary(self.far_offset()),
            5 => terms.peg = Peg::Midpoint(self.far_offset()),
            _ => {}
        }
        if self.rng.percent(10) {
            terms.min_qty = Qty::from_lots(2);
        }
        if self.rng.percent(if new.time_in_force == TimeInForce::Gtd { 85 } else { 10 }) {
            terms.expire_at = self.expiry();
        }
        (new, terms)
    }

    /// Something whose number, target, id or sender is wrong.
    fn wrong(&mut self, session: SessionId) -> (SessionId, Command) {
        let used = self.sessions[session.index()].0;
        let target = match self.rng.below(5) {
            0 => OrderNumber::NONE,
            1 => OrderNumber(u32::MAX),
            2 => OrderNumber(used + 1),
            _ => OrderNumber(self.number(used) + 1),
        };
        let instrument = match self.rng.below(4) {
            0 => InstrumentId::NONE,
            1 => InstrumentId(self.number(9)),
            _ => self.instrument_id(),
        };
        let stranger = SessionId(self.number(9));
        let command = match self.rng.below(22) {
            0 => {
                let Command::New(new) = self.order(Topic::Plain, session) else {
                    return (session, Command::Cancel { target });
                };
                let number = OrderNumber(used.saturating_add(2));
                Command::New(NewOrder {
                    number: if self.rng.percent(50) { target } else { number },
                    ..new
                })
            }
            1 => {
                let command = self.order(Topic::Plain, session);
                match command {
                    Command::New(new) => Command::New(NewOrder { instrument, ..new }),
                    command => command,
                }
            }
            2 => Command::Cancel { target },
            3 | 4 => {
                let Some(order) = self.working.get(self.rng.index(self.working.len())).copied()
                else {
                    return (session, Command::Status { target });
                };
                let number = self.next_number(order.session);
                let mut replace = ReplaceOrder {
                    number,
                    target: order.number,
                    instrument: order.instrument,
                    side: order.side,
                    price: order.price,
                    qty: order.qty,
                };
                match self.rng.below(8) {
                    0 => replace.instrument = instrument,
                    1 => replace.side = order.side.opposite(),
                    2 => replace.price = self.far(order.instrument),
                    3 => replace.qty = Qty::from_lots(self.rng.below(3)),
                    4 => replace.qty = Qty::from_lots(self.rng.bits()),
                    5 => {
                        replace.number = OrderNumber(number.0 + 1);
                    }
                    6 => replace.target = OrderNumber(self.number(number.0) + 1),
                    _ => {
                        let stop = self.far(order.instrument);
                        return (order.session, Command::ReplaceStop(replace, stop));
                    }
                }
                return (order.session, Command::Replace(replace));
            }
            5 => Command::MassCancel(MassCancelScope::SessionInstrument(instrument)),
            6 => Command::MassCancel(MassCancelScope::Instrument(instrument)),
            7 if self.rng.percent(50) => {
                Command::Reduce(ReduceOrder { target, qty: Qty::from_lots(self.rng.below(3)) })
            }
            7 => Command::Status { target },
            8 => {
                let request = match self.rng.below(5) {
                    0 => RefusedRequest::New(self.next_number(session)),
                    1 => RefusedRequest::Cancel { target },
                    2 => RefusedRequest::Replace { number: self.next_number(session), target },
                    3 => RefusedRequest::Replace { number: OrderNumber::NONE, target },
                    _ => RefusedRequest::MassCancel,
                };
                let reason = RejectReason::ALL[self.rng.index(RejectReason::ALL.len())];
                Command::Refuse { request, reason }
            }
            9 => {
                let topics = [Topic::Phase, Topic::Risk, Topic::Bust, Topic::Expire, Topic::Band];
                let topic = topics[self.rng.index(topics.len())];
                // Not the venue: not permitted.
                self.venues(topic).unwrap_or(Command::ExpireDay)
            }
            10 => return (SessionId::VENUE, Command::Cancel { target }),
            11 => return (stranger, Command::Note(Numbering::InboundOnly)),
            12 => {
                let phase = self.phase();
                return (SessionId::VENUE, Command::SetPhase { instrument, phase });
            }
            13 => {
                let bands = self.bands();
                return (SessionId::VENUE, Command::SetBands { instrument, bands });
            }
            14 => {
                let price = self.far(self.mix_instrument(instrument));
                return (SessionId::VENUE, Command::SetReference { instrument, price });
            }
            15 => {
                let self_trade = self.self_trade();
                let command = Command::SetSession { session: stranger, group: 1, self_trade };
                return (SessionId::VENUE, command);
            }
            16 => {
                let participant = ParticipantId(99 + self.number(7));
                let limits = RiskLimits::NONE;
                return (SessionId::VENUE, Command::SetRisk { participant, instrument, limits });
            }
            17 => {
                let scope = match self.rng.below(4) {
                    0 => PermissionScope::Session(stranger),
                    1 => PermissionScope::Participant(ParticipantId(99 + self.number(7))),
                    2 => PermissionScope::Group(0),
                    _ => PermissionScope::Instrument(instrument),
                };
                let permission = Permission::Trade;
                return (SessionId::VENUE, Command::SetPermission { scope, permission });
            }
            18 => {
                let mut bust = self.bust();
                match self.rng.below(5) {
                    0 => bust.trade = TradeId(0),
                    1 => bust.trade = TradeId(u64::MAX),
                    2 => bust.qty = Qty::ZERO,
                    3 => bust.instrument = instrument,
                    _ => bust.sell.0 = stranger,
                }
                return (SessionId::VENUE, Command::Bust(bust));
            }
            19 => return (SessionId::VENUE, Command::PublishIndicative { instrument }),
            20 => {
                let definition = self.mix.instruments[0];
                let command = Command::DefineInstrument { id: instrument, instrument: definition };
                return (SessionId::VENUE, command);
            }
            _ => {
                let orders_max = self.mix.limits.orders_max - 1;
                let limits = Limits { orders_max, ..self.mix.limits };
                return (SessionId::VENUE, Command::Configure(limits));
            }
        };
        (session, command)
    }

    fn number(&mut self, bound: u32) -> u32 {
        u32::try_from(self.rng.below(bound.into())).unwrap_or(0)
    }

    /// The number of the session's next order. It is used up when it is sent.
    fn next_number(&self, session: SessionId) -> OrderNumber {
        OrderNumber(self.sessions[session.index()].0 + 1)
    }

    fn side(&mut self) -> Side {
        if self.rng.percent(50) { Side::Buy } else { Side::Sell }
    }

    /// Most commands go to the first book: orders meet where there are many.
    fn instrument_id(&mut self) -> InstrumentId {
        let len = u32::try_from(self.mix.instruments.len()).unwrap_or(0);
        if self.rng.percent(60) { InstrumentId(0) } else { InstrumentId(self.number(len)) }
    }

    /// That instrument, or the first one if there is none.
    fn mix_instrument(&self, id: InstrumentId) -> InstrumentId {
        if id.index() < self.mix.instruments.len() { id } else { InstrumentId(0) }
    }

    /// A price near the middle.
    fn price(&mut self, id: InstrumentId) -> Price {
        let spread = self.mix.spread;
        let away = self.rng.below(spread).cast_signed() - self.rng.below(spread).cast_signed();
        let Instrument { price_min, price_max, .. } = self.mix.instruments[id.index()];
        let price = Price::from_ticks(self.middles[id.index()].saturating_add(away));
        price.clamp(price_min, price_max)
    }

    /// A price of an order: more often than not one that waits.
    fn price_of(&mut self, id: InstrumentId, side: Side) -> Price {
        let spread = self.mix.spread;
        let passive = self.rng.below(spread).cast_signed() - 2;
        let away = if side == Side::Buy { -passive } else { passive };
        let Instrument { price_min, price_max, .. } = self.mix.instruments[id.index()];
        let price = Price::from_ticks(self.middles[id.index()].saturating_add(away));
        price.clamp(price_min, price_max)
    }

    /// A price at the edges of the range and beyond.
    fn far(&mut self, id: InstrumentId) -> Price {
        let Instrument { price_min, price_max, .. } = self.mix.instruments[id.index()];
        let (min, max) = (price_min.ticks(), price_max.ticks());
        Price::from_ticks(match self.rng.below(7) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => min.saturating_sub(1),
            3 => max.saturating_add(1),
            4 => min,
            5 => max,
            _ => self.middles[id.index()],
        })
    }

    fn offset(&mut self, least: u64) -> u64 {
        let offset = self.rng.below(5);
        if self.rng.percent(60) { least } else { least + offset }
    }

    fn far_offset(&mut self) -> u64 {
        match self.rng.below(5) {
            0 => 0,
            1 => 1 << 62,
            2 => (1 << 62) + 1,
            3 => u64::MAX,
            _ => self.rng.below(100),
        }
    }

    fn qty(&mut self, id: InstrumentId) -> Qty {
        let Instrument { qty_min, qty_max, .. } = self.mix.instruments[id.index()];
        Qty::from_lots(1 + self.rng.below(9)).clamp(qty_min, qty_max)
    }

    fn large_qty(&mut self, id: InstrumentId) -> Qty {
        let Instrument { qty_min, qty_max, .. } = self.mix.instruments[id.index()];
        Qty::from_lots(1 + self.rng.below(40)).clamp(qty_min, qty_max)
    }

    fn slice(&mut self, id: InstrumentId, qty: Qty) -> Qty {
        let slice = match self.rng.below(12) {
            0 => qty.lots(),
            1 => qty.lots() + 1,
            2 => 1,
            _ => 1 + self.rng.below(6),
        };
        let slice = Qty::from_lots(slice);
        if self.rng.percent(95) {
            slice.max(self.mix.instruments[id.index()].qty_min)
        } else {
            slice
        }
    }

    fn staying(&mut self) -> TimeInForce {
        match self.rng.below(10) {
            0..=4 => TimeInForce::Day,
            5..=7 => TimeInForce::Gtc,
            _ => TimeInForce::Gtd,
        }
    }

    fn expiry(&mut self) -> Timestamp {
        match self.rng.below(20) {
            0 => Timestamp(0),
            1 => Timestamp(self.now),
            2 => Timestamp(u64::MAX),
            // Round, so that several expire at once.
            _ => Timestamp((self.now / 50_000 + 1 + self.rng.below(5)) * 50_000),
        }
    }

    fn phase(&mut self) -> Phase {
        match self.rng.below(7) {
            0 => Phase::Continuous,
            1 => Phase::Halt,
            2 => Phase::Closed,
            3 => Phase::PreOpen,
            4 => Phase::OpeningAuction,
            5 => Phase::VolatilityAuction,
            _ => Phase::ClosingAuction,
        }
    }

    fn bands(&mut self) -> Bands {
        let mut ticks = || match self.rng.below(12) {
            0 => u64::MAX,
            1..=4 => 0,
            _ => 1 + self.rng.below(6),
        };
        let (static_ticks, dynamic_ticks) = (ticks(), ticks());
        let action = if self.rng.percent(50) { BandAction::Reject } else { BandAction::Interrupt };
        Bands { static_ticks, dynamic_ticks, action }
    }

    fn self_trade(&mut self) -> SelfTradePrevention {
        match self.rng.below(5) {
            0 => SelfTradePrevention::None,
            1 => SelfTradePrevention::CancelNewest,
            2 => SelfTradePrevention::CancelOldest,
            3 => SelfTradePrevention::CancelBoth,
            _ => SelfTradePrevention::Decrement,
        }
    }

    fn risk_limits(&mut self) -> RiskLimits {
        let mut limit = |bound: u64| {
            if self.rng.percent(70) { u64::MAX } else { self.rng.below(bound) }
        };
        RiskLimits {
            order_qty_max: Qty::from_lots(limit(10)),
            order_notional_max: limit(1_500),
            collar_ticks: limit(5),
            open_notional_max: limit(6_000),
            position_max: limit(40),
            open_orders_max: u32::try_from(limit(12)).unwrap_or(u32::MAX),
        }
    }

    fn scope(&mut self) -> PermissionScope {
        let session = 1 + self.number(self.mix.sessions);
        match self.rng.below(4) {
            0 => PermissionScope::Session(SessionId(session)),
            1 => PermissionScope::Participant(participant_of(session)),
            2 => PermissionScope::Group(1 + self.number(2)),
            _ => PermissionScope::Instrument(self.instrument_id()),
        }
    }

    fn bust(&mut self) -> Bust {
        let unknown = Bust {
            trade: TradeId(1),
            instrument: InstrumentId(0),
            price: Price::from_ticks(100),
            qty: Qty::from_lots(1),
            buy: (SessionId(1), OrderNumber(1)),
            sell: (SessionId(2), OrderNumber(1)),
        };
        self.trades.get(self.rng.index(self.trades.len())).copied().unwrap_or(unknown)
    }
}

/// `commands` Inputs of a mixed flow after the opening, with that opening in front.
///
/// An engine runs along, so that cancels meet what works.
#[must_use]
pub fn record(mix: Mix, seed: u64, commands: usize) -> Vec<Input> {
    let mut flow = MixedFlow::new(mix, seed);
    let total = flow.opening_len() + commands;
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    (0..total)
        .map(|_| {
            let input = flow.input();
            engine.apply(&input, &mut events);
            events.drain(..).for_each(|event| flow.observe(&event));
            input
        })
        .collect()
}
