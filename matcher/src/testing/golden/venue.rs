//! The venue's lines of a script: owners, limits, permissions, busts.

use std::fmt::Write;

use super::{Runner, Understood, Words, named};
use crate::command::{Bust, Command, Permission, PermissionScope, RiskLimits, SelfTradePrevention};
use crate::event::Busted;
use crate::types::{InstrumentId, ParticipantId, Price, Qty, TradeId};

impl Runner {
    /// The command of a line that only the venue gives; none if `verb` is none of those.
    pub(super) fn venue_command(
        &mut self,
        verb: &str,
        words: &mut Words<'_>,
    ) -> Understood<Option<Command>> {
        Ok(Some(match verb {
            "self-trade" => {
                let session = self.session(words.next()?)?;
                let self_trade = named(words.next()?, &MODES)?;
                let group = if words.take("group") { words.parse()? } else { 0 };
                Command::SetSession { session, group, self_trade }
            }
            "risk" => {
                let participant = self.participant(words.next()?)?;
                // To say all instruments is to name none: an unknown one needs an id of its own.
                let instrument = match self.on(words)? {
                    Some(InstrumentId::NONE) => InstrumentId(9_999),
                    named => named.unwrap_or(InstrumentId::NONE),
                };
                Command::SetRisk { participant, instrument, limits: risk_limits(words)? }
            }
            "permit" => {
                let permission = named(words.next()?, &PERMISSIONS)?;
                let scope = match words.next()? {
                    "session" => PermissionScope::Session(self.session(words.next()?)?),
                    "firm" => PermissionScope::Participant(self.participant(words.next()?)?),
                    "group" => PermissionScope::Group(words.parse()?),
                    "on" => PermissionScope::Instrument(self.instrument(words.next()?)),
                    other => return Err(other.to_owned()),
                };
                Command::SetPermission { scope, permission }
            }
            "bust" => Command::Bust(self.bust(words)?),
            _ => return Ok(None),
        }))
    }

    fn bust(&mut self, words: &mut Words<'_>) -> Understood<Bust> {
        let trade = TradeId(words.parse()?);
        let qty = Qty::from_lots(words.parse()?);
        words.expect("@")?;
        let price = Price::from_ticks(words.parse()?);
        words.expect("buy")?;
        let buy = self.order(words.next()?)?;
        words.expect("sell")?;
        let sell = self.order(words.next()?)?;
        let instrument = self.on(words)?.unwrap_or(InstrumentId(0));
        Ok(Bust { trade, instrument, price, qty, buy, sell })
    }

    /// Who the session of that name trades for.
    fn participant(&mut self, name: &str) -> Understood<ParticipantId> {
        let session = self.session(name)?;
        let state = self.engine.session(session);
        Ok(state.map_or(ParticipantId(session.0), |state| state.participant))
    }

    /// Defines the sessions of one firm.
    pub(super) fn firm(&mut self, words: &mut Words<'_>) -> Understood<()> {
        let participant = self.participant(words.next()?)?;
        while !words.0.is_empty() {
            self.session_of(words.next()?, Some(participant))?;
        }
        Ok(())
    }

    pub(super) fn print_account(
        &mut self,
        words: &mut Words<'_>,
        out: &mut String,
    ) -> Understood<()> {
        let name = words.next()?;
        let participant = self.participant(name)?;
        let instrument = self.on(words)?.unwrap_or(InstrumentId(0));
        words.end()?;
        let account = self.engine.account(participant, instrument).ok_or("account")?;
        let _ = writeln!(
            out,
            "account {name}  position {}  orders {}  to buy {}  to sell {}  worth {}",
            account.position,
            account.open_orders,
            account.open_buy_qty,
            account.open_sell_qty,
            account.open_notional
        );
        Ok(())
    }

    pub(super) fn busted(&self, event: &Busted) -> String {
        let Busted { trade, qty, price, buy, sell, .. } = event;
        let (buyer, seller) =
            (self.order_name(buy.session, buy.number), self.order_name(sell.session, sell.number));
        let (qty, price) = (qty.lots(), price.ticks());
        format!("busted {trade}  {qty} @ {price}  bought {buyer}  sold {seller}")
    }
}

const MODES: [SelfTradePrevention; 5] = [
    SelfTradePrevention::None,
    SelfTradePrevention::CancelNewest,
    SelfTradePrevention::CancelOldest,
    SelfTradePrevention::CancelBoth,
    SelfTradePrevention::Decrement,
];

const PERMISSIONS: [Permission; 3] =
    [Permission::Trade, Permission::CancelOnly, Permission::Killed];

fn risk_limits(words: &mut Words<'_>) -> Understood<RiskLimits> {
    let mut limits = RiskLimits::NONE;
    loop {
        if words.take("order-qty") {
            limits.order_qty_max = Qty::from_lots(words.parse()?);
        } else if words.take("order-notional") {
            limits.order_notional_max = words.parse()?;
        } else if words.take("collar") {
            limits.collar_ticks = words.parse()?;
        } else if words.take("orders") {
            limits.open_orders_max = words.parse()?;
        } else if words.take("notional") {
            limits.open_notional_max = words.parse()?;
        } else if words.take("position") {
            limits.position_max = words.parse()?;
        } else {
            return Ok(limits);
        }
    }
}
