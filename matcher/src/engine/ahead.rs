//! Looking ahead: who sees commands before their turn comes can have their memory fetched meanwhile.
//!
//! What a cancel touches hangs together like a chain: the number names a page, the page an order, the
//! order its neighbors and its level. A book that does not fit the cache makes each link wait for
//! memory. [`Engine::look_ahead`] takes one link at a time, several turns apart, so that it waits for
//! none.

use super::Engine;
use crate::book::{Sides, Store, ladder_key};
use crate::command::{Command, NewOrder, OrderKind, ReduceOrder, ReplaceOrder};
use crate::orders::Order;
use crate::pool::Id;
use crate::prefetch::{prefetch, select};
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

/// The same where orders that come and orders that leave go ways of their own, in turns of that kind, of
/// which every other one is.
const TURNS_APART_OF_A_KIND: usize = 2;

/// Links at most, and the turns of one more.
const HINTS: usize = 32;

/// Commands whose turn comes soon.
#[derive(Debug)]
pub struct Ahead {
    coming: Ring<Coming>,
    leaving: Ring<Leaving>,
}

/// What is known of commands of a kind, the last ones first.
#[derive(Debug)]
struct Ring<T> {
    hints: [T; HINTS],
    next: usize,
}

impl<T> Ring<T> {
    #[inline(always)]
    fn push(&mut self, hint: T) {
        self.next = self.next.wrapping_add(1);
        self.hints[self.next % HINTS] = hint;
    }

    /// Of the command that was shown so many turns ago.
    #[inline(always)]
    const fn ago(&mut self, turns: usize) -> &mut T {
        &mut self.hints[self.next.wrapping_sub(turns) % HINTS]
    }
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
            Command::Cancel { target } | Command::Reduce(ReduceOrder { target, .. }) => {
                Wanted { target: *target, ..nothing }
            }
            Command::Replace(replace) | Command::ReplaceStop(replace, _) => {
                let ReplaceOrder { target, instrument, side, price, .. } = *replace;
                Wanted { session, target, instrument, side, price }
            }
            _ => nothing,
        }
    }
}

/// What is known of the memory that a new order will want.
#[derive(Clone, Copy, Debug)]
struct Coming {
    /// Its level's.
    key: i64,
    side: Side,
    /// It trades.
    trades: bool,
    instrument: InstrumentId,
    /// Where its account is named.
    account: usize,
    /// On the way to where it is to stand, or to the best that it trades with.
    at: Branch,
    /// The first that it trades with, or the one that it will stand behind.
    neighbor: Id<Order>,
}

/// What is known of the memory that an order which leaves its place will want.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    /// Where it is named.
    entry: Entry,
    order: Id<Order>,
}

impl Coming {
    const NONE: Coming = Coming {
        key: 0,
        side: Side::Buy,
        trades: false,
        instrument: InstrumentId(0),
        account: 0,
        at: Branch::NONE,
        neighbor: Id::NONE,
    };
}

impl Leaving {
    const NONE: Leaving = Leaving { entry: Entry::NONE, order: Id::NONE };
}

impl Ahead {
    /// How many turns before its own a command is best shown.
    pub const TURNS: usize = 6 * TURNS_APART;

    /// No commands.
    #[must_use]
    pub const fn new() -> Ahead {
        Ahead {
            coming: Ring { hints: [Coming::NONE; HINTS], next: 0 },
            leaving: Ring { hints: [Leaving::NONE; HINTS], next: 0 },
        }
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
    #[inline]
    pub fn look_ahead(&self, ahead: &mut Ahead, wanted: &Wanted) {
        if !self.pays_to_look_ahead() {
            return;
        }
        // Which it is changes seldom: these branches cost nothing.
        if self.books.len() >= BOOKS_FAR {
            self.look_for_all::<true>(ahead, wanted);
        } else if self.store.levels.pool.len() >= LEVELS_FAR {
            self.look_for_all::<false>(ahead, wanted);
        } else {
            self.look_for_orders(&mut ahead.leaving, wanted);
        }
    }

    /// Few books of many orders: what is far is the target, and who stands next to it. A command without
    /// one goes the same way: to tell them apart would cost more than slot 0 does, which is near.
    #[inline]
    fn look_for_orders(&self, ahead: &mut Ring<Leaving>, wanted: &Wanted) {
        let Store { orders, levels, sessions, .. } = &self.store;
        let entry = sessions.entry(wanted.session, wanted.target);
        sessions.prefetch(entry);
        ahead.push(Leaving { entry, order: Id::NONE });

        let hint = ahead.ago(2 * TURNS_APART);
        hint.order = sessions.glance(hint.entry);
        orders.prefetch(hint.order);

        let hint = ahead.ago(4 * TURNS_APART);
        if let Some(order) = orders.get(hint.order) {
            levels.pool.prefetch(order.level);
            orders.prefetch(order.prev);
            orders.prefetch(order.next);
        }
    }

    /// Many levels, and with `BOOKS` many books: all that a command touches may be far, books and accounts
    /// only where there are many books.
    ///
    /// Nothing of a command can be foretold, so there is this one branch on what it is, and hardly any
    /// other: nobody's order, level and node are slot 0 of their tables, which are near.
    #[inline(never)]
    fn look_for_all<const BOOKS: bool>(&self, ahead: &mut Ahead, wanted: &Wanted) {
        if wanted.target != OrderNumber::NONE {
            self.look_for_leaving::<BOOKS>(&mut ahead.leaving, wanted);
            if wanted.price.ticks() == 0 {
                return;
            }
        }
        self.look_for_coming::<BOOKS>(&mut ahead.coming, wanted);
    }

    /// Of an order that leaves its place: the order, its neighbors and level, what the level hangs on.
    #[inline(always)]
    fn look_for_leaving<const BOOKS: bool>(&self, ahead: &mut Ring<Leaving>, wanted: &Wanted) {
        let Store { orders, levels, accounts, sessions, .. } = &self.store;
        let entry = sessions.entry(wanted.session, wanted.target);
        sessions.prefetch(entry);
        ahead.push(Leaving { entry, order: Id::NONE });

        let hint = ahead.ago(TURNS_APART_OF_A_KIND);
        hint.order = sessions.glance(hint.entry);
        orders.prefetch(hint.order);

        let hint = ahead.ago(2 * TURNS_APART_OF_A_KIND);
        if let Some(order) = orders.get(hint.order) {
            levels.pool.prefetch(order.level);
            if BOOKS {
                accounts.prefetch(order.account);
            }
            orders.prefetch(order.prev);
            orders.prefetch(order.next);
        }

        let hint = ahead.ago(3 * TURNS_APART_OF_A_KIND);
        if let Some(order) = orders.get(hint.order)
            && let Some(level) = levels.pool.get(order.level)
        {
            // It may have to go out of its ladder.
            if BOOKS && let Some(book) = self.book_near(level.instrument) {
                prefetch(book.ladder(level.side));
            }
            levels.tree.prefetch_change(level.above);
        }
    }

    /// Of an order that comes: its book and account, the way to its level, and who stands there.
    #[inline(always)]
    fn look_for_coming<const BOOKS: bool>(&self, ahead: &mut Ring<Coming>, wanted: &Wanted) {
        let Wanted { session, instrument, side, price, .. } = *wanted;
        let Store { orders, levels, accounts, sessions, .. } = &self.store;
        let tree = &levels.tree;
        let mut coming = Coming { key: ladder_key(side, price), side, instrument, ..Coming::NONE };
        // Turns since it was shown.
        let mut turns = 0;
        if BOOKS {
            if let Some(book) = self.book_near(instrument) {
                prefetch(&book.gate);
                prefetch(book.ladder(Side::Buy));
            }
            coming.account = accounts.place(sessions.account_row(session), instrument);
            accounts.prefetch_place(coming.account);
            ahead.push(coming);

            turns += TURNS_APART_OF_A_KIND;
            let hint = ahead.ago(turns);
            self.set_out(hint);
            tree.prefetch(&levels.pool, hint.at);
            accounts.prefetch(accounts.glance(hint.account));

            turns += TURNS_APART_OF_A_KIND;
            let hint = ahead.ago(turns);
            hint.at = tree.toward(hint.at, hint.key);
            tree.prefetch(&levels.pool, hint.at);
        } else {
            self.set_out(&mut coming);
            // Near the root of a large tree all is near.
            for _ in 0..4 {
                coming.at = tree.toward(coming.at, coming.key);
            }
            tree.prefetch(&levels.pool, coming.at);
            ahead.push(coming);
        }

        turns += TURNS_APART_OF_A_KIND;
        let hint = ahead.ago(turns);
        hint.at = tree.toward(hint.at, hint.key);
        tree.prefetch(&levels.pool, hint.at);

        turns += TURNS_APART_OF_A_KIND;
        let hint = ahead.ago(turns);
        if let Some(level) = levels.pool.get(hint.at.some_level_id()) {
            let neighbor = select(hint.trades, level.head.raw(), level.tail.raw());
            hint.neighbor = Id::from_raw(neighbor);
            orders.prefetch(hint.neighbor);
        }

        turns += TURNS_APART_OF_A_KIND;
        let hint = ahead.ago(turns);
        // Seldom enough to be foretold.
        if hint.trades
            && let Some(maker) = orders.get(hint.neighbor)
        {
            if BOOKS {
                accounts.prefetch(maker.account);
            }
            sessions.prefetch(sessions.entry(maker.session, maker.number));
            orders.prefetch(maker.next);
        }
    }

    /// Where its way begins, once its book is near.
    #[inline(always)]
    fn set_out(&self, hint: &mut Coming) {
        if let Some(book) = self.book_near(hint.instrument) {
            let price = Price::from_ticks(ladder_key(hint.side, Price::from_ticks(hint.key)));
            hint.trades = book.would_trade(hint.side, price);
            let best = Branch::level(book.ladder(hint.side.opposite()).best());
            hint.at = Branch::select(hint.trades, best, book.ladder(hint.side).root());
        }
    }

    /// The book of an instrument, or that of another if it is not known.
    #[inline(always)]
    fn book_near(&self, instrument: InstrumentId) -> Option<&Sides> {
        let is_known = instrument.index() < self.books.len();
        self.books.get(select(is_known, instrument.0, 0) as usize)
    }
}
