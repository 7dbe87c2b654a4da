//! Looking ahead: who sees commands before their turn comes can have their memory fetched meanwhile.
//!
//! What a cancel touches hangs together like links of a chain: the number names a page, the page an
//! order, the order its neighbors and its level. A book that does not fit the cache makes each link wait
//! for memory. [`Engine::prefetch`] takes one link at a time, so that it waits for none: called for the
//! commands that come some turns later, some more turns later, and so on.

use super::Engine;
use crate::book::{Store, ladder_key};
use crate::command::{Command, NewOrder, OrderKind};
use crate::orders::Order;
use crate::prefetch::prefetch;
use crate::types::{OrderNumber, SessionId};

/// Which link of the chain to fetch: each is found with the help of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The first, for the command that is furthest away.
    First,
    /// What the first has named.
    Second,
    /// What the second has named; for the command that is next but a few.
    Third,
}

/// What a caller may do for commands to come.
impl Engine {
    /// Has memory fetched that `command` of `session` will want. Changes nothing, promises nothing.
    ///
    /// For all three steps call it with [`Ahead::First`] for a command that is some 12 turns away, with
    /// [`Ahead::Second`] at 8, with [`Ahead::Third`] at 4; a tenth of an order's time each. Worth it for
    /// books that do not fit the cache.
    #[inline]
    pub fn prefetch(&self, session: SessionId, command: &Command, step: Ahead) {
        match command {
            Command::New(new) => self.prefetch_new(session, new, step),
            Command::Cancel { target } => self.prefetch_order(session, *target, step),
            Command::Replace(replace) => self.prefetch_order(session, replace.target, step),
            _ => {}
        }
    }

    #[inline]
    fn prefetch_new(&self, session: SessionId, new: &NewOrder, step: Ahead) {
        let NewOrder { instrument, side, .. } = *new;
        let OrderKind::Limit(price) = new.kind else { return };
        let Some(book) = self.books.get(instrument.index()) else { return };
        let Store { levels, accounts, sessions, .. } = &self.store;
        match step {
            Ahead::First => {
                prefetch(&book.gate);
                prefetch(book.ladder(side));
                accounts.prefetch_entry(sessions.account_row(session), instrument);
            }
            Ahead::Second => {
                accounts.prefetch(accounts.glance(sessions.account_row(session), instrument));
                book.ladder(side).prefetch(levels, ladder_key(side, price));
            }
            Ahead::Third => {
                levels.pool.prefetch(book.ladder(side).glance(levels, ladder_key(side, price)));
            }
        }
    }

    #[inline]
    fn prefetch_order(&self, session: SessionId, number: OrderNumber, step: Ahead) {
        let Store { orders, levels, accounts, sessions, .. } = &self.store;
        match step {
            Ahead::First => sessions.prefetch(session, number),
            Ahead::Second => orders.prefetch(sessions.glance(session, number)),
            Ahead::Third => {
                let slot = sessions.glance(session, number);
                if slot.is_some() {
                    let Order { level, account, prev, next, .. } = orders[slot];
                    levels.pool.prefetch(level);
                    accounts.prefetch(account);
                    orders.prefetch(prev);
                    orders.prefetch(next);
                }
            }
        }
    }
}
