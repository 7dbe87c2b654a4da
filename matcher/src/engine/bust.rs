//! Trades undone on paper: positions go back, orders stay as they are.

use super::Engine;
use crate::book::Store;
use crate::command::Bust;
use crate::event::{Busted, BustedPart, Event, RejectReason};
use crate::types::{OrderNumber, Sequence, SessionId, Side, TradeId};

/// Trades busted at most; one more is refused with `TableFull`.
const BUSTS_MAX: usize = 1 << 16;

/// The trades that were busted.
pub(super) struct Busts {
    /// Sorted.
    trades: Vec<TradeId>,
}

impl Busts {
    pub(super) const fn new() -> Busts {
        Busts { trades: Vec::new() }
    }

    /// In order of their ids.
    pub(super) fn trades(&self) -> &[TradeId] {
        &self.trades
    }

    /// Notes a trade behind all others; `None` if it is not, or there is no room.
    pub(super) fn restore(&mut self, trade: TradeId) -> Option<()> {
        let is_next = self.trades.last().is_none_or(|last| *last < trade) && self.reserve();
        is_next.then(|| self.trades.push(trade))
    }

    fn contains(&self, trade: TradeId) -> bool {
        self.trades.binary_search(&trade).is_ok()
    }

    /// Whether there is room for one more; takes it.
    fn reserve(&mut self) -> bool {
        self.trades.len() < BUSTS_MAX && self.trades.try_reserve(1).is_ok()
    }

    fn insert(&mut self, trade: TradeId) {
        if let Err(place) = self.trades.binary_search(&trade) {
            self.trades.insert(place, trade);
        }
    }
}

/// Busts.
impl Engine {
    pub(super) fn bust(&mut self, bust: &Bust) -> Result<Event, RejectReason> {
        let Bust { trade, instrument, price, qty, buy, sell } = *bust;
        let before = Sequence(self.store.trades).before_journal();
        if trade.0 <= before.0 || trade.0 > self.store.trades {
            return Err(RejectReason::UnknownTrade);
        }
        if self.busts.contains(trade) {
            return Err(RejectReason::AlreadyBusted);
        }
        let sessions = &self.store.sessions;
        if !sessions.is_counterparty(buy.0) || !sessions.is_counterparty(sell.0) {
            return Err(RejectReason::UnknownSession);
        }
        if instrument.index() >= self.books.len() {
            return Err(RejectReason::UnknownInstrument);
        }
        if qty.is_zero() {
            return Err(RejectReason::QtyZero);
        }
        // Both have an account since the trade; only a bust that names others opens one, or two.
        if self.store.accounts.room() < 2 && self.opens_account(bust) || !self.busts.reserve() {
            return Err(RejectReason::TableFull);
        }
        let buyer = self.store.account_of(buy.0, instrument)?;
        let seller = self.store.account_of(sell.0, instrument)?;
        self.busts.insert(trade);
        self.store.accounts.get_mut(buyer).fill(Side::Sell, qty);
        self.store.accounts.get_mut(seller).fill(Side::Buy, qty);
        let (buy, sell) = (self.busted_part(buy), self.busted_part(sell));
        Ok(Event::Busted(Busted { trade, instrument, price, qty, buy, sell }))
    }

    /// Whether one of the two has no account yet.
    fn opens_account(&self, bust: &Bust) -> bool {
        let Store { sessions, accounts, .. } = &self.store;
        [bust.buy, bust.sell].into_iter().any(|(session, _)| {
            accounts.find(sessions.account_row(session), bust.instrument).is_none()
        })
    }

    fn busted_part(&mut self, (session, number): (SessionId, OrderNumber)) -> BustedPart {
        BustedPart { session, number, msg: self.store.sessions.next_msg(session) }
    }
}
