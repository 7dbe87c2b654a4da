//! Accounts and permissions, and the commands of the venue that set them.

use super::order::Order;
use super::{Answer, Reference};
use crate::accounts::AccountState;
use crate::command::{Bust, Permission, PermissionScope, RiskLimits, SelfTradePrevention, Trigger};
use crate::event::{Busted, BustedPart, CancelReason, Event, RejectReason};
use crate::instrument::Bands;
use crate::types::{InstrumentId, OrderNumber, ParticipantId, Price, Sequence, SessionId, Side};

/// Busts that the venue can remember.
const BUSTS_MAX: usize = 65_536;

/// Groups that may be less than [`Permission::Trade`].
const GROUPS_MAX: usize = 65_536;

/// Qty × |price|, or nothing for an order without a value price.
fn value(order: &Order) -> u128 {
    let price = order.value_price.map_or(0, |price| price.ticks().unsigned_abs());
    u128::from(order.leaves()) * u128::from(price)
}

impl Reference {
    pub(super) fn middle(&self, id: InstrumentId) -> Option<Price> {
        let market = &self.markets[id.index()];
        market.last.or(market.reference)
    }

    /// The price that an order is valued with: RULES.md, section 10.
    pub(super) fn value_price(&self, order: &Order) -> Option<Price> {
        match (order.limit, order.trigger) {
            (Some(limit), _) => Some(limit),
            (None, Trigger::Stop(price)) => Some(price),
            _ => self.middle(order.instrument),
        }
    }

    /// What a participant has at work in an instrument, and what it holds there.
    #[must_use]
    pub fn account(&self, participant: ParticipantId, id: InstrumentId) -> AccountState {
        let mut working = self.orders_of(id);
        working.retain(|order| order.participant == participant);
        let open_qty = |side| {
            let orders = working.iter().filter(|order| order.side == side);
            orders.map(Order::leaves).sum()
        };
        AccountState {
            open_orders: u32::try_from(working.len()).unwrap_or(u32::MAX),
            open_buy_qty: open_qty(Side::Buy),
            open_sell_qty: open_qty(Side::Sell),
            open_notional: working.iter().map(value).sum(),
            position: self.positions.get(&(participant, id)).copied().unwrap_or(0),
        }
    }

    fn limits_of(&self, participant: ParticipantId, id: InstrumentId) -> RiskLimits {
        let set = |id| self.risk.get(&(participant, id)).copied();
        set(id).or_else(|| set(InstrumentId::NONE)).unwrap_or(RiskLimits::NONE)
    }

    /// Step 11 for an order that is not in the list. `unvalued` is the answer where its value counts and
    /// there is no price.
    pub(super) fn admit_risk(&self, order: &Order, unvalued: Answer) -> Answer {
        let limits = self.limits_of(order.participant, order.instrument);
        if order.leaves() > limits.order_qty_max.lots() {
            return Err(RejectReason::RiskOrderQty);
        }
        let counts = [limits.order_notional_max, limits.open_notional_max, limits.collar_ticks];
        if order.value_price.is_none() && counts.iter().any(|limit| *limit != u64::MAX) {
            unvalued?;
        }
        // A limit of the largest number is none: nothing is above it.
        let above = |value: u128, limit: u64| limit != u64::MAX && value > u128::from(limit);
        if above(value(order), limits.order_notional_max) {
            return Err(RejectReason::RiskOrderNotional);
        }
        if let (Some(limit), Some(middle)) = (order.limit, self.collar_middle(order)) {
            let beyond = i128::from(limit.ticks()) - i128::from(middle.ticks());
            let beyond = if order.side == Side::Buy { beyond } else { -beyond };
            if limits.collar_ticks != u64::MAX && beyond > i128::from(limits.collar_ticks) {
                return Err(RejectReason::RiskCollar);
            }
        }
        let mut working = self.orders_of(order.instrument);
        working.retain(|other| other.participant == order.participant);
        if above(working.len() as u128 + 1, limits.open_orders_max.into())
            && limits.open_orders_max != u32::MAX
        {
            return Err(RejectReason::RiskOpenOrders);
        }
        let notional = working.iter().map(value).sum::<u128>() + value(order);
        if above(notional, limits.open_notional_max) {
            return Err(RejectReason::RiskOpenNotional);
        }
        let same_side = working.iter().filter(|other| other.side == order.side);
        let wanted = same_side.map(|other| i128::from(other.leaves())).sum::<i128>();
        let account = (order.participant, order.instrument);
        let position = self.positions.get(&account).copied().unwrap_or(0);
        let position = if order.side == Side::Buy { position } else { -position };
        let reach = position + wanted + i128::from(order.leaves());
        if limits.position_max != u64::MAX && reach > i128::from(limits.position_max) {
            return Err(RejectReason::RiskPosition);
        }
        Ok(())
    }

    /// The strictest of what these may do.
    fn strictest(&self, scopes: &[PermissionScope]) -> Permission {
        let set = self.permissions.iter().filter(|(scope, _)| scopes.contains(scope));
        set.map(|(_, permission)| *permission).max().unwrap_or(Permission::Trade)
    }

    /// What a session may do, whatever the instrument.
    fn permission_of(&self, session: SessionId) -> Permission {
        let known = &self.sessions[session.index() - 1];
        self.strictest(&[
            PermissionScope::Session(session),
            PermissionScope::Participant(known.participant),
            // Nobody can say anything of group 0.
            PermissionScope::Group(known.group),
        ])
    }

    /// Step 3.
    pub(super) fn admit_permission(&self, session: SessionId, id: InstrumentId) -> Answer {
        let of_book = self.strictest(&[PermissionScope::Instrument(id)]);
        match self.permission_of(session).max(of_book) {
            Permission::Killed => Err(RejectReason::KillSwitch),
            Permission::CancelOnly => Err(RejectReason::CancelOnly),
            Permission::Trade => Ok(()),
        }
    }

    fn known_instrument(&self, id: InstrumentId) -> Answer {
        let known = id.index() < self.markets.len();
        if known { Ok(()) } else { Err(RejectReason::UnknownInstrument) }
    }

    fn known_session(&self, id: SessionId) -> Answer {
        let known = id != SessionId::VENUE && id.index() <= self.sessions.len();
        if known { Ok(()) } else { Err(RejectReason::UnknownSession) }
    }

    fn known_participant(&self, id: ParticipantId) -> Answer {
        let known = self.sessions.iter().any(|session| session.participant == id);
        if known { Ok(()) } else { Err(RejectReason::UnknownParticipant) }
    }

    pub(super) fn set_bands(&mut self, id: InstrumentId, bands: Bands) -> Answer {
        self.known_instrument(id)?;
        self.markets[id.index()].bands = bands;
        self.applied()
    }

    pub(super) fn set_reference(&mut self, id: InstrumentId, price: Price) -> Answer {
        self.known_instrument(id)?;
        let market = &mut self.markets[id.index()];
        if !market.allows(price) {
            return Err(RejectReason::BadDefinition);
        }
        market.reference = Some(price);
        self.applied()
    }

    pub(super) fn set_session(
        &mut self,
        id: SessionId,
        group: u32,
        mode: SelfTradePrevention,
    ) -> Answer {
        self.known_session(id)?;
        let session = self.session(id);
        (session.group, session.mode) = (group, mode);
        self.applied()?;
        if self.permission_of(id) == Permission::Killed {
            self.cancel_session(id, None, CancelReason::KillSwitch);
        }
        Ok(())
    }

    pub(super) fn set_risk(
        &mut self,
        participant: ParticipantId,
        id: InstrumentId,
        limits: RiskLimits,
    ) -> Answer {
        if id != InstrumentId::NONE {
            self.known_instrument(id)?;
        }
        self.known_participant(participant)?;
        self.risk.insert((participant, id), limits);
        self.applied()
    }

    fn applied(&mut self) -> Answer {
        self.events.push(Event::Applied);
        Ok(())
    }

    pub(super) fn set_permission(
        &mut self,
        scope: PermissionScope,
        permission: Permission,
    ) -> Answer {
        match scope {
            PermissionScope::Session(id) => self.known_session(id)?,
            PermissionScope::Participant(id) => self.known_participant(id)?,
            PermissionScope::Group(0) => return Err(RejectReason::BadDefinition),
            PermissionScope::Group(_) => {
                let groups = |(other, _): &&_| matches!(other, PermissionScope::Group(_));
                let full = self.permissions.iter().filter(groups).count() >= GROUPS_MAX;
                let known = self.permissions.iter().any(|(other, _)| *other == scope);
                if full && !known && permission != Permission::Trade {
                    return Err(RejectReason::TableFull);
                }
            }
            PermissionScope::Instrument(id) => self.known_instrument(id)?,
        }
        self.permissions.retain(|(other, _)| *other != scope);
        if permission != Permission::Trade {
            self.permissions.push((scope, permission));
        }
        self.applied()?;
        if permission != Permission::Killed {
            return Ok(());
        }
        if let PermissionScope::Instrument(id) = scope {
            self.cancel_book(id, CancelReason::KillSwitch);
            return Ok(());
        }
        for (id, session) in (1..).map(SessionId).zip(self.sessions.clone()) {
            let concerned = match scope {
                PermissionScope::Session(one) => id == one,
                PermissionScope::Participant(participant) => session.participant == participant,
                PermissionScope::Group(group) => session.group == group,
                PermissionScope::Instrument(_) => false,
            };
            if concerned {
                self.cancel_session(id, None, CancelReason::KillSwitch);
            }
        }
        Ok(())
    }

    pub(super) fn bust(&mut self, bust: &Bust) -> Answer {
        let Bust { trade, instrument, price, qty, buy, sell } = *bust;
        if trade.0 <= Sequence(self.trades).before_journal().0 || trade.0 > self.trades {
            return Err(RejectReason::UnknownTrade);
        }
        if self.busts.contains(&trade) {
            return Err(RejectReason::AlreadyBusted);
        }
        self.known_session(buy.0)?;
        self.known_session(sell.0)?;
        self.known_instrument(instrument)?;
        if qty.is_zero() {
            return Err(RejectReason::QtyZero);
        }
        if self.busts.len() >= BUSTS_MAX {
            return Err(RejectReason::TableFull);
        }
        self.busts.push(trade);
        let buy = self.bust_part(buy, instrument, -i128::from(qty.lots()));
        let sell = self.bust_part(sell, instrument, qty.lots().into());
        self.events.push(Event::Busted(Busted { trade, instrument, price, qty, buy, sell }));
        Ok(())
    }

    fn bust_part(
        &mut self,
        (session, number): (SessionId, OrderNumber),
        id: InstrumentId,
        moved: i128,
    ) -> BustedPart {
        let participant = self.session(session).participant;
        *self.positions.entry((participant, id)).or_default() += moved;
        BustedPart { session, number, msg: self.msg(session) }
    }
}
