//! Self-trade prevention: what happens where two orders of one owner would trade.

use super::special::Terms;
use super::{Incoming, Sides, Store, Taker};
use crate::accounts::Account;
use crate::command::SelfTradePrevention;
use crate::event::{CancelReason, Event, EventSink, RestateReason, Restated};
use crate::orders::Order;
use crate::pool::Id;
use crate::types::{OrderRef, Qty};

/// What became of a taker that met an order of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It goes on.
    Next,
    /// It is canceled.
    TakerIsOff,
}

/// The mode that the flags of an order say.
const fn mode(flags: u8) -> SelfTradePrevention {
    match flags & Order::SELF_TRADE {
        1 => SelfTradePrevention::CancelNewest,
        2 => SelfTradePrevention::CancelOldest,
        3 => SelfTradePrevention::CancelBoth,
        4 => SelfTradePrevention::Decrement,
        _ => SelfTradePrevention::None,
    }
}

/// What says whose an order is, for self-trade prevention.
#[derive(Clone, Copy)]
struct Owner {
    key: u32,
    flags: u8,
    account: Id<Account>,
}

impl Owner {
    /// Whether two orders of one instrument are of one owner who does not trade with himself: of one
    /// group, or of one participant unless both are of a group. In one instrument an account is a
    /// participant.
    fn is_own(self, other: Owner) -> bool {
        if self.key == 0 || other.key == 0 {
            return false;
        }
        match self.flags & other.flags & Order::GROUP_KEY {
            0 => self.account == other.account,
            _ => self.key == other.key,
        }
    }
}

impl Order {
    const fn owner(&self) -> Owner {
        Owner { key: self.stp_key, flags: self.flags, account: self.account }
    }

    /// Whether both orders, of one instrument, are of one owner who does not trade with himself.
    pub(super) fn is_own(&self, other: &Order) -> bool {
        self.owner().is_own(other.owner())
    }
}

impl Taker {
    /// What happens where it meets an order of its owner.
    pub(crate) const fn self_trade(&self) -> SelfTradePrevention {
        mode(self.flags)
    }

    /// Whether its owner is a group, not a participant.
    pub(super) const fn is_of_group(&self) -> bool {
        self.flags & Order::GROUP_KEY != 0
    }

    /// Whether a standing order is of the same owner.
    pub(super) fn is_own(&self, order: &Order) -> bool {
        let owner = Owner { key: self.stp_key, flags: self.flags, account: self.account };
        owner.is_own(order.owner())
    }
}

impl Sides {
    /// A taker meets an order of its owner: it is the newer of the two.
    pub(super) fn meet_own<S: EventSink>(
        &mut self,
        store: &mut Store,
        incoming: &mut Incoming,
        maker: Id<Order>,
        terms: &Terms,
        events: &mut S,
    ) -> Met {
        let is_pegged = store.orders[maker].level.is_none();
        let mode = match incoming.taker.self_trade() {
            _ if terms.has_looked && is_pegged => SelfTradePrevention::CancelOldest,
            mode => mode,
        };
        let qty = incoming.taker.leaves_qty.min(store.orders[maker].leaves_qty);
        if matches!(mode, SelfTradePrevention::CancelOldest | SelfTradePrevention::CancelBoth) {
            self.cancel_standing(store, maker, CancelReason::SelfTrade, events);
        }
        match mode {
            SelfTradePrevention::CancelNewest | SelfTradePrevention::CancelBoth => {
                self.tell_canceled(store, &incoming.taker, CancelReason::SelfTrade, events);
                Met::TakerIsOff
            }
            SelfTradePrevention::CancelOldest => Met::Next,
            SelfTradePrevention::Decrement => {
                let standing = self.cut_standing(store, maker, qty, events);
                let met = self.cut_taker(store, incoming, qty, events);
                if let Some(maker) = standing {
                    self.after_cut(store, maker, events);
                }
                met
            }
            SelfTradePrevention::None => unreachable!("an order without a mode has no key"),
        }
    }

    /// Two standing orders would trade, the newer has the later place. If they are of one owner its mode
    /// decides; whether that was so.
    pub(crate) fn part_owned<S: EventSink>(
        &mut self,
        store: &mut Store,
        older: Id<Order>,
        newer: Id<Order>,
        events: &mut S,
    ) -> bool {
        if !store.orders[older].is_own(&store.orders[newer]) {
            return false;
        }
        let mode = mode(store.orders[newer].flags);
        let qty = store.orders[older].leaves_qty.min(store.orders[newer].leaves_qty);
        if matches!(mode, SelfTradePrevention::CancelOldest | SelfTradePrevention::CancelBoth) {
            self.cancel_standing(store, older, CancelReason::SelfTrade, events);
        }
        if matches!(mode, SelfTradePrevention::CancelNewest | SelfTradePrevention::CancelBoth) {
            self.cancel_standing(store, newer, CancelReason::SelfTrade, events);
        }
        if mode == SelfTradePrevention::Decrement {
            let left = [older, newer].map(|slot| self.cut_standing(store, slot, qty, events));
            for slot in left.into_iter().flatten() {
                self.after_cut(store, slot, events);
            }
        }
        true
    }

    fn cut_taker<S: EventSink>(
        &mut self,
        store: &mut Store,
        incoming: &mut Incoming,
        qty: Qty,
        events: &mut S,
    ) -> Met {
        if incoming.taker.leaves_qty == qty {
            self.tell_canceled(store, &incoming.taker, CancelReason::SelfTrade, events);
            return Met::TakerIsOff;
        }
        incoming.taker.leaves_qty -= qty;
        self.tell_restated(store, incoming, RestateReason::SelfTrade, qty, events);
        Met::Next
    }

    fn tell_canceled<S: EventSink>(
        &self,
        store: &mut Store,
        taker: &Taker,
        reason: CancelReason,
        events: &mut S,
    ) {
        let msg = store.sessions.next_msg(taker.session);
        events.event(&Event::Canceled(taker.canceled(self.id, reason, msg)));
    }

    /// An order that is being handled has changed without being asked.
    pub(crate) fn tell_restated<S: EventSink>(
        &self,
        store: &mut Store,
        incoming: &Incoming,
        reason: RestateReason,
        cut_qty: Qty,
        events: &mut S,
    ) {
        let taker = &incoming.taker;
        events.event(&Event::Restated(Restated {
            session: taker.session,
            number: taker.number,
            msg: store.sessions.next_msg(taker.session),
            order_id: taker.order_id,
            instrument: self.id,
            reason,
            order_ref: OrderRef::NONE,
            price: incoming.extra.limit.unwrap_or_default(),
            cut_qty,
            leaves_qty: taker.leaves_qty,
            cum_qty: taker.done.cum_qty,
            notional: taker.done.notional,
        }));
    }
}
