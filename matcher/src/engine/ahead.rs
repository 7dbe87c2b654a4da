//! Looking ahead: who sees commands before their turn comes can have their memory fetched meanwhile.
//!
//! What a cancel touches hangs together like a chain: the number names a page, the page an order, the
//! order its neighbors and its level. A book that does not fit the cache makes each link wait for
//! memory. [`Engine::look_ahead`] takes one link at a time, several turns apart, so that it waits for
//! none.

use super::Engine;
use crate::book::{Store, ladder_key};
use crate::command::{Command, NewOrder, OrderKind, ReplaceOrder};
use crate::orders::Order;
use crate::pool::Id;
use crate::prefetch::prefetch;
use crate::sessions::Entry;
use crate::tree::Branch;
use crate::types::{InstrumentId, OrderNumber, Price, SessionId, Side};

/// Resting orders, an instrument counted as 8 of them, from which on looking ahead pays: below, all of
/// it is near anyway. Source: benches, `book/look ahead`.
const ORDERS_MIN: usize = 12_000;

/// Books or levels from which on not only orders are far: below, a command that waits for anything waits
/// for an order, and the rest of the chain is not worth asking for. Source: benches, `book/deep` and
/// `book/shape`.
const BOOKS_FAR: usize = 64;
const LEVELS_FAR: u32 = 8_192;

/// Turns between one link and the next: the time that memory takes.
const TURNS_APART: usize = 4;

/// Links at most, and the turns of one more.
const HINTS: usize = 32;

/// Commands whose turn comes soon.
#[derive(Debug)]
pub struct Ahead {
    hints: [Hint; HINTS],
    next: usize,
}

/// What a command says of the memory that it will want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who asks.
    pub session: SessionId,
    /// The order to cancel or to replace; [`OrderNumber::NONE`] if there is none.
    pub target: OrderNumber,
    /// Where an order is to stand; 0 if none is.
    pub instrument: InstrumentId,
    /// On which side; any if none is.
    pub side: Side,
    /// At which price; 0 if at none.
    pub price: Price,
}

impl Wanted {
    /// What `command` says. Who has its fields at hand need not ask which command it is.
    #[must_use]
    #[inline]
    pub fn by(session: SessionId, command: &Command) -> Wanted {
        let nothing = Wanted {
            session,
            target: OrderNumber::NONE,
            instrument: InstrumentId(0),
            side: Side::Buy,
            price: Price::from_ticks(0),
        };
        match command {
            Command::New(new) | Command::NewSpecial(new, _) => {
                let NewOrder { instrument, side, kind, .. } = new;
                let (instrument, side) = (*instrument, *side);
                let OrderKind::Limit(price) = *kind else {
                    return Wanted { instrument, side, ..nothing };
                };
                Wanted { instrument, side, price, ..nothing }
            }
            Command::Cancel { target } => Wanted { target: *target, ..nothing },
            Command::Replace(replace) | Command::ReplaceStop(replace, _) => {
                let ReplaceOrder { target, instrument, side, price, .. } = *replace;
                Wanted { session, target, instrument, side, price }
            }
            _ => nothing,
        }
    }
}

/// What is known of the memory that a command will want.
#[derive(Clone, Copy, Debug)]
struct Hint {
    /// Of a new order: its level's.
    key: i64,
    side: Side,
    instrument: InstrumentId,
    /// Of a new order: where its account is named.
    account: usize,
    /// Where its target is named.
    entry: Entry,
    target: Id<Order>,
    /// On the way to where a new order is to stand, or to the best that it trades with.
    at: Branch,
    /// A new order trades.
    trades: bool,
    /// The first that it trades with, or the one that it will stand behind.
    neighbor: Id<Order>,
}

impl Hint {
    const NONE: Hint = Hint {
        key: 0,
        side: Side::Buy,
        instrument: InstrumentId(0),
        account: 0,
        entry: Entry::NONE,
        target: Id::NONE,
        at: Branch::NONE,
        trades: false,
        neighbor: Id::NONE,
    };
}

impl Ahead {
    /// How many turns before its own a command is best shown.
    pub const TURNS: usize = 6 * TURNS_APART;

    /// No commands.
    #[must_use]
    pub const fn new() -> Ahead {
        Ahead { hints: [Hint::NONE; HINTS], next: 0 }
    }

    /// The command that was shown so many links ago.
    #[inline(always)]
    const fn hint(&mut self, links: usize) -> &mut Hint {
        &mut self.hints[self.next.wrapping_sub(links * TURNS_APART) % HINTS]
    }
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead::new()
    }
}

/// What a caller may do for commands to come.
impl Engine {
    /// Whether the books are so large now that [`Engine::look_ahead`] does something.
    #[must_use]
    #[inline]
    pub fn pays_to_look_ahead(&self) -> bool {
        self.store.orders.len() as usize + 8 * self.books.len() >= ORDERS_MIN
    }

    /// Has memory fetched that a command will want; changes nothing, promises nothing.
    ///
    /// To be called for each command in order, [`Ahead::TURNS`] commands before it is applied. It does
    /// nothing where books are so small that it would not pay.
    ///
    /// Orders and cancels go the same way here: which of them comes next cannot be foretold, and what
    /// one has no use for stands in memory that is always near.
    #[inline]
    pub fn look_ahead(&self, ahead: &mut Ahead, wanted: &Wanted) {
        if !self.pays_to_look_ahead() {
            return;
        }
        ahead.next = ahead.next.wrapping_add(1);
        // Which it is changes seldom: this branch costs nothing.
        if self.books.len() >= BOOKS_FAR || self.store.levels.pool.len() >= LEVELS_FAR {
            self.look_for_all(ahead, wanted);
        } else {
            self.look_for_orders(ahead, wanted);
        }
    }

    /// Few books of many orders: what is far is the target, and who stands next to it.
    #[inline]
    fn look_for_orders(&self, ahead: &mut Ahead, wanted: &Wanted) {
        let Store { orders, levels, sessions, .. } = &self.store;
        let entry = sessions.entry(wanted.session, wanted.target);
        sessions.prefetch(entry);
        *ahead.hint(0) = Hint { entry, ..Hint::NONE };

        let hint = ahead.hint(2);
        hint.target = sessions.glance(hint.entry);
        orders.prefetch(hint.target);

        let hint = ahead.hint(4);
        if let Some(order) = orders.get(hint.target) {
            levels.pool.prefetch(order.level);
            orders.prefetch(order.prev);
            orders.prefetch(order.next);
        }
    }

    /// Many books or levels: all that a command touches may be far.
    #[inline(never)]
    fn look_for_all(&self, ahead: &mut Ahead, wanted: &Wanted) {
        let Wanted { session, target, instrument, side, price } = *wanted;
        let Store { orders, levels, accounts, sessions, .. } = &self.store;
        let book_of = |instrument: InstrumentId| self.books.get(instrument.index());

        if let Some(book) = book_of(instrument) {
            prefetch(&book.gate);
            prefetch(book.ladder(Side::Buy));
        }
        let account = accounts.place(sessions.account_row(session), instrument);
        accounts.prefetch_place(account);
        let entry = sessions.entry(session, target);
        sessions.prefetch(entry);
        let key = ladder_key(side, price);
        *ahead.hint(0) = Hint { key, side, instrument, account, entry, ..Hint::NONE };

        let hint = ahead.hint(1);
        if let Some(book) = book_of(hint.instrument) {
            let price = Price::from_ticks(ladder_key(hint.side, Price::from_ticks(hint.key)));
            hint.trades = book.would_trade(hint.side, price);
            hint.at = match hint.trades {
                true => Branch::level(book.ladder(hint.side.opposite()).best()),
                false => book.ladder(hint.side).root(),
            };
            levels.tree.prefetch(&levels.pool, hint.at);
        }
        let account = accounts.glance(hint.account);
        accounts.prefetch(account);
        accounts.prefetch_limits(account);
        hint.target = sessions.glance(hint.entry);
        orders.prefetch(hint.target);

        let hint = ahead.hint(2);
        if hint.at.is_node() {
            hint.at = levels.tree.toward(hint.at, hint.key);
            levels.tree.prefetch(&levels.pool, hint.at);
        }
        if let Some(order) = orders.get(hint.target) {
            levels.pool.prefetch(order.level);
            accounts.prefetch(order.account);
            orders.prefetch(order.prev);
            orders.prefetch(order.next);
        }

        let hint = ahead.hint(3);
        if hint.at.is_node() {
            hint.at = levels.tree.toward(hint.at, hint.key);
            levels.tree.prefetch(&levels.pool, hint.at);
        }
        let left = orders.get(hint.target).and_then(|order| levels.pool.get(order.level));
        if let Some(level) = left {
            // It may have to go out of its ladder.
            if let Some(book) = book_of(level.instrument) {
                prefetch(book.ladder(level.side));
            }
            levels.tree.prefetch_change(level.above);
        }

        let hint = ahead.hint(4);
        if !hint.at.is_node()
            && let Some(level) = levels.pool.get(hint.at.level_id())
        {
            hint.neighbor = if hint.trades { level.head } else { level.tail };
            orders.prefetch(hint.neighbor);
        }

        let hint = ahead.hint(5);
        if hint.trades
            && let Some(maker) = orders.get(hint.neighbor)
        {
            accounts.prefetch(maker.account);
            sessions.prefetch(sessions.entry(maker.session, maker.number));
            orders.prefetch(maker.next);
        }
    }
}
