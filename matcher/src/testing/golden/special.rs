//! What a script says of special orders, auctions and bands, and how it tells what became of them.

use super::{Runner, Understood, Words, kebab, named};
use crate::command::{Command, Liquidity, NewOrder, Peg, ReplaceOrder, Terms, Trigger};
use crate::event::{Event, Fill, PhaseReason, TradeKind, Traded};
use crate::instrument::{BandAction, Bands, Phase};
use crate::types::{MsgSeqNum, OrderRef, Price, Qty, SessionId, Side, TimeInForce, Timestamp};

const PHASES: [Phase; 7] = [
    Phase::Continuous,
    Phase::Halt,
    Phase::Closed,
    Phase::PreOpen,
    Phase::OpeningAuction,
    Phase::VolatilityAuction,
    Phase::ClosingAuction,
];

const TIMES_IN_FORCE: [TimeInForce; 7] = [
    TimeInForce::Day,
    TimeInForce::Gtc,
    TimeInForce::Ioc,
    TimeInForce::Fok,
    TimeInForce::AtOpen,
    TimeInForce::AtClose,
    TimeInForce::Gfa,
];

impl Runner {
    /// The words behind an order's price, each of which may come once or more.
    pub(super) fn order_words(
        &self,
        mut new: NewOrder,
        words: &mut Words<'_>,
    ) -> Understood<Command> {
        let mut terms = Terms::NONE;
        loop {
            let word = words.0.first().copied().unwrap_or_default();
            if let Ok(time_in_force) = named(word, &TIMES_IN_FORCE) {
                words.take(word);
                new.time_in_force = time_in_force;
            } else if words.take("until") {
                new.time_in_force = TimeInForce::Gtd;
                terms.expire_at = Timestamp(words.parse()?);
            } else if words.take("post") {
                new.liquidity = Liquidity::PostOnly;
            } else if words.take("slide") {
                new.liquidity = Liquidity::Slide;
            } else if words.take("display") {
                terms.display_qty = Qty::from_lots(words.parse()?);
            } else if words.take("min") {
                terms.min_qty = Qty::from_lots(words.parse()?);
            } else if words.take("stop") {
                terms.trigger = Trigger::Stop(Price::from_ticks(words.parse()?));
            } else if words.take("trail") {
                terms.trigger = Trigger::Trailing(words.parse()?);
            } else if words.take("primary") {
                terms.peg = Peg::Primary(words.parse()?);
            } else if words.take("midpoint") {
                terms.peg = Peg::Midpoint(words.parse()?);
            } else if let Some(id) = self.on(words)? {
                new.instrument = id;
            } else if terms == Terms::NONE {
                return Ok(Command::New(new));
            } else {
                return Ok(Command::NewSpecial(new, terms));
            }
        }
    }

    /// A replace, or one of a stop order if it has a stop price.
    pub(super) fn replace_words(
        replace: ReplaceOrder,
        words: &mut Words<'_>,
    ) -> Understood<Command> {
        if words.take("stop") {
            return Ok(Command::ReplaceStop(replace, Price::from_ticks(words.parse()?)));
        }
        Ok(Command::Replace(replace))
    }

    /// The command of a line about phases, auctions, bands and time; none if `verb` is none of those.
    pub(super) fn market_command(
        &mut self,
        verb: &str,
        words: &mut Words<'_>,
    ) -> Understood<Option<Command>> {
        if verb == "expire-due" {
            return Ok(Some(Command::Expire));
        }
        if !matches!(verb, "phase" | "bands" | "reference" | "indicative") {
            return Ok(None);
        }
        let instrument = self.instrument(words.next()?);
        Ok(Some(match verb {
            "phase" => Command::SetPhase { instrument, phase: named(words.next()?, &PHASES)? },
            "bands" => Command::SetBands { instrument, bands: bands(words)? },
            "reference" => {
                let price = Price::from_ticks(words.parse()?);
                Command::SetReference { instrument, price }
            }
            _ => Command::PublishIndicative { instrument },
        }))
    }

    pub(super) fn phase_changed(event: &Event, symbol: &str) -> String {
        let Event::PhaseChanged { phase, reason, .. } = event else { return String::new() };
        let why = if *reason == PhaseReason::Volatility { " volatility" } else { "" };
        format!("phase {symbol} {}{why}", kebab(phase))
    }

    pub(super) fn traded(&self, trade: &Traded) -> String {
        let fill = |fill: &Fill| {
            let name = self.order_name(fill.session, fill.number);
            format!("{name} left {}", fill.leaves_qty.lots())
        };
        let (one, other) = match trade.kind {
            TradeKind::Continuous => ("maker", "taker"),
            TradeKind::Auction => ("older", "newer"),
        };
        let (qty, price) = (trade.qty.lots(), trade.price.ticks());
        let (maker, taker) = (fill(&trade.maker), fill(&trade.taker));
        format!("traded {qty} @ {price}  {one} {maker}  {other} {taker}")
    }

    /// A line for what happens to special orders and in auctions, with its messages.
    pub(super) fn special_line(&self, event: &Event) -> (String, Vec<MsgSeqNum>) {
        let name = |session: SessionId, number| self.order_name(session, number);
        let place = |order_ref: OrderRef| {
            if self.show_rested { format!(" place {order_ref}") } else { String::new() }
        };
        match event {
            Event::Held(e) => {
                let (order, reason) = (name(e.session, e.number), kebab(&e.reason));
                let qty = e.leaves_qty.lots();
                (format!("held {order} {qty} {reason}{}", place(e.order_ref)), vec![])
            }
            Event::Triggered(e) => {
                let order = name(e.session, e.number);
                (format!("triggered {order} left {}", e.leaves_qty.lots()), vec![e.msg])
            }
            Event::Restated(e) => {
                let (order, reason) = (name(e.session, e.number), kebab(&e.reason));
                let (cut, left) = (e.cut_qty.lots(), e.leaves_qty.lots());
                let price = e.price.ticks();
                let line = format!("restated {order} {reason} @ {price} cut {cut} left {left}");
                (line, vec![e.msg])
            }
            Event::Replenished(e) => {
                let (order, qty) = (name(e.session, e.number), e.qty.lots());
                let price = e.price.ticks();
                (format!("replenished {order} {qty} @ {price}{}", place(e.order_ref)), vec![])
            }
            Event::Uncrossed(e) => {
                let (symbol, left) = (self.symbol(e.instrument), left_over(e.side, e.imbalance));
                let (qty, price) = (e.qty.lots(), e.price.ticks());
                let phase = kebab(&e.phase);
                (format!("uncrossed {symbol} {phase} {qty} @ {price}, {left}"), vec![])
            }
            Event::Indicative { instrument, price: None, .. } => {
                (format!("indicative {} none", self.symbol(*instrument)), vec![])
            }
            Event::Indicative { instrument, price: Some(price), qty, imbalance, side, .. } => {
                let (symbol, left) = (self.symbol(*instrument), left_over(*side, *imbalance));
                let (qty, price) = (qty.lots(), price.ticks());
                (format!("indicative {symbol} {qty} @ {price}, {left}"), vec![])
            }
            other => (format!("{other:?}"), vec![]),
        }
    }
}

fn left_over(side: Option<Side>, qty: Qty) -> String {
    match side {
        None => "nothing left".to_owned(),
        Some(side) => format!("left to {} {}", kebab(&side), qty.lots()),
    }
}

fn bands(words: &mut Words<'_>) -> Understood<Bands> {
    let mut bands = Bands { static_ticks: 0, dynamic_ticks: 0, action: BandAction::Reject };
    loop {
        if words.take("static") {
            bands.static_ticks = words.parse()?;
        } else if words.take("dynamic") {
            bands.dynamic_ticks = words.parse()?;
        } else if words.take("reject") {
            bands.action = BandAction::Reject;
        } else if words.take("interrupt") {
            bands.action = BandAction::Interrupt;
        } else {
            return Ok(bands);
        }
    }
}
