//! Pre-trade risk: who is limited how. The checks themselves are the account's.

use super::Engine;
use crate::accounts::{Account, Exposure, Worth};
use crate::book::{Sides, Store};
use crate::command::{NewOrder, OrderKind, RiskLimits};
use crate::event::{Event, RejectReason};
use crate::orders::Order;
use crate::pool::Id;
use crate::types::{InstrumentId, ParticipantId, Price, Qty, SessionId};

/// Limits and accounts.
impl Engine {
    pub(super) fn set_risk(
        &mut self,
        participant: ParticipantId,
        instrument: InstrumentId,
        limits: &RiskLimits,
    ) -> Result<Event, RejectReason> {
        if instrument != InstrumentId::NONE && instrument.index() >= self.books.len() {
            return Err(RejectReason::UnknownInstrument);
        }
        let accounts = &mut self.store.accounts;
        let row = accounts.row(participant).ok_or(RejectReason::UnknownParticipant)?;
        if instrument == InstrumentId::NONE {
            accounts.limit_all(row, limits);
        } else {
            let account = accounts.find_or_open(row, instrument);
            accounts.limit(account.some().ok_or(RejectReason::TableFull)?, limits);
        }
        Ok(Event::Applied)
    }

    /// Decides whether its account lets a displayed order come in again for `qty` at `price`; its own
    /// share does not count.
    pub(super) fn admit_risk_again(
        &self,
        slot: Id<Order>,
        qty: Qty,
        price: Price,
    ) -> Result<(), RejectReason> {
        let order = &self.store.orders[slot];
        let account = self.store.accounts.get(order.account);
        let level = &self.store.levels.pool[order.level];
        let book = &self.books[level.instrument.index()];
        let side = level.side;
        // What would be let in beside itself is let in instead of itself.
        if !account.is_limited() || account.is_within(side, qty, price, book.middle()) {
            return Ok(());
        }
        let mut account = *account;
        account.release(side, order.leaves_qty, level.price());
        let (limit, worth) = (Some(price), Worth::At(price));
        account.admit(&Exposure { side, qty, limit, worth }, || book.middle())
    }
}

impl Store {
    /// The account of a session in an instrument, which is defined.
    #[inline]
    pub(super) fn account_of(
        &mut self,
        session: SessionId,
        instrument: InstrumentId,
    ) -> Result<Id<Account>, RejectReason> {
        let row = self.sessions.account_row(session);
        self.accounts.find_or_open(row, instrument).some().ok_or(RejectReason::TableFull)
    }
}

/// Decides whether its account lets a plain order come in.
#[inline]
pub(super) fn admit_risk(
    account: &Account,
    book: &Sides,
    new: &NewOrder,
) -> Result<(), RejectReason> {
    let (limit, worth) = match new.kind {
        OrderKind::Limit(price) => {
            if !account.is_limited() || account.is_within(new.side, new.qty, price, book.middle()) {
                return Ok(());
            }
            (Some(price), Worth::At(price))
        }
        OrderKind::Market => (None, book.middle().map_or(Worth::Unknown, Worth::At)),
        OrderKind::MarketToLimit => {
            let limit = book.best_price(new.side.opposite());
            (limit, limit.map_or(Worth::Nothing, Worth::At))
        }
    };
    let exposure = Exposure { side: new.side, qty: new.qty, limit, worth };
    account.admit(&exposure, || book.middle())
}
