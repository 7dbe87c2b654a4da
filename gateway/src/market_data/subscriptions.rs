//! Who is told what, and what of it has changed since.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Included, Unbounded};

use matcher::{
    BookLevel, Busted, Instrument, InstrumentId, Price, Qty, SessionId, Side, Timestamp, Traded,
};

use super::request::reason;
use super::words::{Action, ENTRIES_MAX, Entries, refused, snapshot};
use super::{Ask, Books, Client, Said, TRADES_MAX, UNREAD_MAX, Updates, Wanted};

/// Messages that one view makes at once, at most: [`super::DEPTH_MAX`] prices of two sides that are all others than
/// before, and every trade that is kept.
const MESSAGES_OF_A_VIEW: usize = 3 + TRADES_MAX / ENTRIES_MAX + 1;

/// Room without which a view is not looked at: for its own, and for the entries that are left at the end.
const ROOM_MIN: usize = MESSAGES_OF_A_VIEW + 1;

/// A trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    pub(super) id: u64,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) at: Timestamp,
    /// It was undone.
    pub(super) is_busted: bool,
}

/// What has happened in an instrument.
#[derive(Default)]
struct Market {
    /// Counts changes of its book.
    changes: u64,
    /// Trades since somebody wants them.
    prints: VecDeque<Print>,
    /// Trades before those.
    prints_gone: u64,
    last: Option<Print>,
    /// Views that want its trades.
    listeners: usize,
}

impl Market {
    fn prints_end(&self) -> u64 {
        self.prints_gone + self.prints.len() as u64
    }

    fn print(&mut self, print: Print) {
        if self.listeners == 0 {
            return;
        }
        if self.prints.len() == TRADES_MAX {
            self.prints.pop_front();
            self.prints_gone += 1;
        }
        self.prints.push_back(print);
    }

    fn heard_by_one_less(&mut self) {
        self.listeners -= 1;
        if self.listeners == 0 {
            self.prints_gone = self.prints_end();
            self.prints = VecDeque::new();
        }
    }
}

/// One instrument, as a subscription was told of it.
struct View {
    instrument: InstrumentId,
    /// It was told nothing yet.
    is_new: bool,
    /// [`Market::changes`] then.
    seen: u64,
    /// Trades that it was told of, or that were before it.
    heard: u64,
    /// Bids and asks that it was told of, best first.
    sides: [Vec<BookLevel>; 2],
}

struct Subscription {
    number: u64,
    wanted: Wanted,
    views: Vec<View>,
    /// How many of them are new.
    new: usize,
    /// The view that has its turn.
    next: usize,
}

#[derive(Default)]
struct Told {
    /// Messages that were said and not taken.
    unread: u32,
    subscriptions: Vec<Subscription>,
    /// The subscription that has its turn.
    next: usize,
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Only what a request is answered with first: it need not wait until changes are told.
    First,
    /// That, and what has changed.
    All,
}

/// What every connection wants to be told.
///
/// Memory: for each subscription and instrument the prices that it was told of; for each instrument of which somebody
/// wants the trades the latest [`TRADES_MAX`]. What is said and not taken is bounded by [`UNREAD_MAX`] for a connection, and what one
/// view makes at once.
pub struct Subscriptions {
    clients: BTreeMap<Client, Told>,
    markets: Vec<Market>,
    /// The connection that has its turn: the first for which there was no room.
    next: Client,
}

impl Default for Subscriptions {
    fn default() -> Subscriptions {
        Subscriptions::new()
    }
}

impl Subscriptions {
    /// Nobody wants anything.
    #[must_use]
    pub fn new() -> Subscriptions {
        let next = Client { session: SessionId::VENUE, connection: 0 };
        Subscriptions { clients: BTreeMap::new(), markets: Vec::new(), next }
    }

    /// Whether nobody wants anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Takes what the gateway asks.
    pub fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Begin(client, number, wanted) => self.begin(client, number, wanted),
            Ask::End(client, number) => {
                let Some(told) = self.clients.get_mut(&client) else { return };
                let is_it = |it: &Subscription| it.number == number;
                if let Some(at) = told.subscriptions.iter().position(is_it) {
                    let ended = told.subscriptions.remove(at);
                    // Those behind it move up: the turn stays with who has it.
                    told.next -= usize::from(at < told.next);
                    self.forget(&ended);
                }
            }
            Ask::Taken(client, count) => {
                if let Some(told) = self.clients.get_mut(&client) {
                    told.unread = told.unread.saturating_sub(count);
                }
            }
            Ask::Gone(client) => {
                let Some(told) = self.clients.remove(&client) else { return };
                told.subscriptions.iter().for_each(|ended| self.forget(ended));
            }
        }
    }

    fn begin(&mut self, client: Client, number: u64, wanted: Wanted) {
        let mut views = Vec::with_capacity(wanted.instruments.len());
        for instrument in wanted.instruments.iter().copied() {
            let market = self.market(instrument);
            market.listeners += usize::from(wanted.trades);
            let heard = market.prints_end();
            let sides = [Vec::new(), Vec::new()];
            views.push(View { instrument, is_new: true, seen: 0, heard, sides });
        }
        let told = self.clients.entry(client).or_default();
        let new = views.len();
        told.subscriptions.push(Subscription { number, wanted, views, new, next: 0 });
    }

    fn forget(&mut self, ended: &Subscription) {
        if ended.wanted.trades {
            for view in &ended.views {
                self.market(view.instrument).heard_by_one_less();
            }
        }
    }

    fn market(&mut self, instrument: InstrumentId) -> &mut Market {
        if self.markets.len() <= instrument.index() {
            self.markets.resize_with(instrument.index() + 1, Market::default);
        }
        &mut self.markets[instrument.index()]
    }

    /// The book of an instrument may have changed.
    #[inline]
    pub fn changed(&mut self, instrument: InstrumentId) {
        self.market(instrument).changes += 1;
    }

    /// There was a trade.
    pub fn traded(&mut self, traded: &Traded, at: Timestamp) {
        let Traded { id, price, qty, .. } = *traded;
        let print = Print { id: id.0, price, qty, at, is_busted: false };
        let market = self.market(traded.instrument);
        market.last = Some(print);
        market.print(print);
    }

    /// A trade was undone.
    pub fn busted(&mut self, busted: &Busted, at: Timestamp) {
        let Busted { trade, price, qty, .. } = *busted;
        let print = Print { id: trade.0, price, qty, at, is_busted: true };
        let market = self.market(busted.instrument);
        market.last = market.last.filter(|last| last.id != print.id);
        market.print(print);
    }

    /// Says what is new to connections that have taken what was said before, as long as there is room for so many
    /// messages. Returns whether there was not: then who was not told is first the next time.
    pub fn publish(
        &mut self,
        news: News,
        books: &impl Books,
        mut room: usize,
        say: &mut impl FnMut(Said),
    ) -> bool {
        let mut ended = Vec::new();
        let mut is_full = false;
        let turns = [(Included(self.next), Unbounded), (Unbounded, Excluded(self.next))];
        'all: for turn in turns {
            for (client, told) in self.clients.range_mut(turn) {
                if room < ROOM_MIN {
                    (self.next, is_full) = (*client, true);
                    break 'all;
                }
                let unread = &mut told.unread;
                let mut out = Out { client: *client, unread, room: &mut room, say };
                let (subscriptions, next) = (&mut told.subscriptions, &mut told.next);
                let count = subscriptions.len();
                for turn in 0..count {
                    let at = (*next + turn) % count;
                    if !out.may_say() {
                        *next = at;
                        break;
                    }
                    let subscription = &mut subscriptions[at];
                    if subscription.publish(news, &self.markets, books, &mut out) == After::Ends {
                        ended.push((*client, subscription.number));
                    }
                }
            }
        }
        for (client, number) in ended {
            self.ask(Ask::End(client, number));
        }
        self.clients.retain(|_, told| told.unread > 0 || !told.subscriptions.is_empty());
        is_full
    }
}

/// Where a subscription's messages go.
struct Out<'a, F> {
    client: Client,
    unread: &'a mut u32,
    room: &'a mut usize,
    say: &'a mut F,
}

impl<F: FnMut(Said)> Out<'_, F> {
    fn say(&mut self, msg_type: u8, body: Vec<u8>, ends: Option<u64>) {
        *self.unread += 1;
        *self.room -= 1;
        (self.say)(Said { client: self.client, msg_type, body, ends });
    }

    fn may_say(&self) -> bool {
        *self.unread < UNREAD_MAX && *self.room >= ROOM_MIN
    }
}

#[derive(PartialEq, Eq)]
enum After {
    GoesOn,
    Ends,
}

impl Subscription {
    fn publish<F: FnMut(Said)>(
        &mut self,
        news: News,
        markets: &[Market],
        books: &impl Books,
        out: &mut Out<'_, F>,
    ) -> After {
        if self.new == 0 && news == News::First {
            return After::GoesOn;
        }
        let Subscription { number, wanted, views, new, next } = self;
        let mut entries = Entries::new();
        let count = views.len();
        for turn in 0..count {
            let at = (*next + turn) % count;
            if !out.may_say() {
                *next = at;
                break;
            }
            let view = &mut views[at];
            let Some(market) = markets.get(view.instrument.index()) else { continue };
            let Some(instrument) = books.instrument(view.instrument) else { continue };
            if view.is_new {
                *new -= 1;
                let is_last = *new == 0 && wanted.updates == Updates::Never;
                view.all(wanted, market, instrument, books, (is_last.then_some(*number), out));
                continue;
            }
            let is_as_told = view.seen == market.changes && view.heard == market.prints_end();
            if is_as_told || news == News::First {
                continue;
            }
            match wanted.updates {
                Updates::Never => {}
                Updates::Full => view.all(wanted, market, instrument, books, (None, out)),
                Updates::Incremental if wanted.trades && view.heard < market.prints_gone => {
                    let text = "trades came faster than they were read: the subscription is over";
                    let body = refused(&wanted.id, Some(reason::BANDWIDTH), text);
                    out.say(b'Y', body, Some(*number));
                    return After::Ends;
                }
                Updates::Incremental => {
                    view.changes(wanted, market, instrument, books, (&mut entries, out));
                }
            }
        }
        if !entries.is_empty() {
            out.say(b'X', entries.take(wanted), None);
        }
        let is_done = *new == 0 && wanted.updates == Updates::Never;
        if is_done { After::Ends } else { After::GoesOn }
    }
}

impl View {
    /// What it shows now.
    fn now(&self, wanted: &Wanted, books: &impl Books) -> [Vec<BookLevel>; 2] {
        let mut sides = [Vec::new(), Vec::new()];
        if wanted.bids {
            books.best(self.instrument, Side::Buy, wanted.depth, &mut sides[0]);
        }
        if wanted.asks {
            books.best(self.instrument, Side::Sell, wanted.depth, &mut sides[1]);
        }
        sides
    }

    fn told(&mut self, market: &Market) {
        self.is_new = false;
        self.seen = market.changes;
        self.heard = market.prints_end();
    }

    fn all<F: FnMut(Said)>(
        &mut self,
        wanted: &Wanted,
        market: &Market,
        instrument: &Instrument,
        books: &impl Books,
        (ends, out): (Option<u64>, &mut Out<'_, F>),
    ) {
        let sides = self.now(wanted, books);
        // A change below the depth is none, and is not told as one.
        let has_traded = wanted.trades && self.heard != market.prints_end();
        let is_news = self.is_new || has_traded || sides != self.sides;
        if is_news {
            let last = market.last.as_ref().filter(|_| wanted.trades);
            let body = snapshot(wanted, instrument, [&sides[0], &sides[1]], last);
            out.say(b'W', body, ends);
        }
        self.sides = sides;
        self.told(market);
    }

    fn changes<F: FnMut(Said)>(
        &mut self,
        wanted: &Wanted,
        market: &Market,
        instrument: &Instrument,
        books: &impl Books,
        (entries, out): (&mut Entries, &mut Out<'_, F>),
    ) {
        let now = self.now(wanted, books);
        let mut add = |entry: &dyn Fn(&mut Entries)| {
            entry(entries);
            if entries.is_full() {
                out.say(b'X', entries.take(wanted), None);
            }
        };
        if wanted.trades {
            let heard = usize::try_from(self.heard - market.prints_gone).unwrap_or(usize::MAX);
            for print in market.prints.iter().skip(heard) {
                add(&|entries| entries.print(print, instrument));
            }
        }
        for (side, (before, now)) in
            [Side::Buy, Side::Sell].into_iter().zip(self.sides.iter().zip(&now))
        {
            // First what is gone: whoever applies one entry after another never shows more than the depth.
            for (action, level) in differences(side, before, now) {
                if action == Action::Delete {
                    add(&|entries| entries.level(action, side, level, instrument));
                }
            }
            for (action, level) in differences(side, before, now) {
                if action != Action::Delete {
                    add(&|entries| entries.level(action, side, level, instrument));
                }
            }
        }
        self.sides = now;
        self.told(market);
    }
}

/// What makes one list of prices the other, both best first.
fn differences<'a>(
    side: Side,
    before: &'a [BookLevel],
    now: &'a [BookLevel],
) -> impl Iterator<Item = (Action, &'a BookLevel)> {
    let is_better = move |one: Price, other: Price| match side {
        Side::Buy => one > other,
        Side::Sell => one < other,
    };
    let (mut before, mut now) = (before.iter().peekable(), now.iter().peekable());
    std::iter::from_fn(move || {
        loop {
            let next = match (before.peek(), now.peek()) {
                (None, None) => return None,
                (Some(_), None) => (Action::Delete, before.next()?),
                (None, Some(_)) => (Action::New, now.next()?),
                (Some(old), Some(new)) if is_better(old.price, new.price) => {
                    (Action::Delete, before.next()?)
                }
                (Some(old), Some(new)) if old.price != new.price => (Action::New, now.next()?),
                (Some(old), Some(new)) if old == new => {
                    before.next();
                    now.next();
                    continue;
                }
                (Some(_), Some(_)) => {
                    before.next();
                    (Action::Change, now.next()?)
                }
            };
            return Some(next);
        }
    })
}
