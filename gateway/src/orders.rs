//! One session's orders of the day: ClOrdID(11) ↔ number, and what became of each order.

mod index;
mod pages;
mod saved;

use foldhash::quality::RandomState;
use matcher::{
    Command, Liquidity, NewOrder, Notional, OrderId, OrderKind, OrderNumber, Peg, Price, Qty, Side,
    TimeInForce, Trigger,
};
use std::collections::BTreeMap;

use index::Index;
pub use pages::{PAGES_READY, PageMaker, Pages, pages};

/// Numbers a session can have at most: the texts of more would not be reached by 32 bits.
pub const ORDERS_PER_SESSION_MAX: u32 = 50_000_000;

/// Entries in one allocation: growing never moves what is there.
const ENTRIES_PER_PAGE: usize = 256;

/// Bytes of text in one allocation. At least 51 of the longest texts (48 + 32 bytes) fit, so 2^20 pages
/// hold [`ORDERS_PER_SESSION_MAX`] of them.
const TEXT_PAGE_BYTES: usize = 4096;

/// A position that no turn of the journal has reached: "not yet".
const NEVER: u64 = u64::MAX;

/// One session's orders, by [`OrderNumber`] and by ClOrdID(11).
///
/// Each number has one ClOrdID for ever: a replace has a number and a ClOrdID of its own. What is kept
/// for a number is either fixed when it is entered, or a fact with the journal position at which it
/// became one. So a question about the past ([`Orders::standing_at`]) has the same answer whenever it is asked,
/// and a report sent again is the report that was sent.
///
/// Bounds: a number takes 64 bytes, at most 21 in the index, and the bytes of its ClOrdID and Account; with
/// the free part of the pages under 90 bytes and the text, once a session has some thousand orders. The first
/// order takes 21 KiB. An order whose price or quantity the venue changed, and one of whose trades was busted,
/// takes some 50 bytes more each time. A refused order takes a number too. Growing never moves entries or text; it
/// rehashes a part of the index from hashes kept there, without touching the text.
pub struct Orders {
    entries: Vec<Vec<Entry>>,
    last: u32,
    texts: Vec<Vec<u8>>,
    index: Index,
    /// Numbers up to this one are in it.
    indexed: u32,
    hasher: RandomState,
    restated: BTreeMap<(OrderNumber, Moment), Restatement>,
    busted: BTreeMap<(OrderNumber, u64), WhenBusted>,
}

/// A place in the journal: of a turn, and in it of an Event, from 0.
pub type Moment = (u64, u32);

/// What an order became without a number of its own: a price or a quantity that no Command said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restatement {
    /// The limit price from then on, `None` if it has none.
    pub price: Option<Price>,
    /// OrderQty(38) from then on.
    pub order_qty: Qty,
}

/// Where an order stood when a trade of it was busted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhenBusted {
    /// What it was called.
    pub present: OrderNumber,
    /// Done over its life.
    pub cum_qty: Qty,
    /// Price × quantity of all its fills.
    pub notional: Notional,
}

/// What is known of one number. The fields after `root` are facts of the order, kept at its first number.
///
/// It is a cache line and begins with one: whoever folds the journal waits for each once.
#[derive(Debug)]
#[repr(align(64))]
struct Entry {
    /// Journal position of the turn whose Input carried this number.
    position: u64,
    order_id: OrderId,
    /// Journal position of the turn of its first fill.
    traded_at: u64,
    /// Journal position of the turn that ended it.
    done_at: u64,
    cum_qty: Qty,
    notional: Notional,
    /// The number the order began with: itself, or after an accepted replace that of its target.
    root: u32,
    text_at: u32,
    /// What the order is called now.
    present: u32,
    cl_ord_id_len: u8,
    account_len: u8,
    terms: Terms,
    state: State,
}

const _: () = assert!(size_of::<Entry>() == 64);

impl Entry {
    /// Of no number, nothing of which is known.
    fn blank() -> Entry {
        Entry {
            position: NEVER,
            order_id: OrderId(0),
            traded_at: NEVER,
            done_at: NEVER,
            cum_qty: Qty::ZERO,
            notional: Notional::ZERO,
            root: 0,
            text_at: 0,
            present: 0,
            cl_ord_id_len: 0,
            account_len: 0,
            terms: Terms::PLAIN,
            state: State::Entered,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Entered,
    Accepted,
    Refused,
    Filled,
    Canceled,
    Expired,
}

/// What an order keeps through its replaces, in one byte: TimeInForce in the low three bits, its form in
/// the next four, and whether more than that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms(u8);

/// OrdType(40) and ExecInst(18) of each form. Reports have no word for a post-only order that slides, since FIX has
/// none: it is post-only, and ExecType(150)=D tells its price.
const FORMS: [(u8, Option<u8>); 13] = [
    (b'2', None),
    (b'1', None),
    (b'2', Some(b'6')),
    (b'2', Some(b'6')),
    (b'K', None),
    (b'3', None),
    (b'4', None),
    (b'P', Some(b'a')),
    (b'P', Some(b'R')),
    (b'P', Some(b'M')),
    (b'P', Some(b'R')),
    (b'P', Some(b'M')),
    // Refused, and told as it was asked for.
    (b'1', Some(b'6')),
];

impl Terms {
    const DETAILED: u8 = 0x80;

    /// A day limit order.
    pub const PLAIN: Terms = Terms(0);

    /// The terms of an order.
    #[must_use]
    pub const fn new(new: &NewOrder, terms: &matcher::Terms) -> Terms {
        let time_in_force = match new.time_in_force {
            TimeInForce::Day => 0,
            TimeInForce::Gtc => 1,
            TimeInForce::AtOpen => 2,
            TimeInForce::Ioc => 3,
            TimeInForce::Fok => 4,
            TimeInForce::Gtd => 5,
            TimeInForce::AtClose => 6,
            TimeInForce::Gfa => 7,
        };
        let form = match (terms.trigger, terms.peg, new.kind, new.liquidity) {
            (Trigger::Stop(_), _, OrderKind::Limit(_), _) => 6,
            (Trigger::Stop(_), ..) => 5,
            (Trigger::Trailing(_), ..) => 7,
            (_, Peg::Primary(_), OrderKind::Limit(_), _) => 10,
            (_, Peg::Midpoint(_), OrderKind::Limit(_), _) => 11,
            (_, Peg::Primary(_), ..) => 8,
            (_, Peg::Midpoint(_), ..) => 9,
            (_, _, OrderKind::MarketToLimit, _) => 4,
            (_, _, OrderKind::Market, Liquidity::Any) => 1,
            (_, _, OrderKind::Market, _) => 12,
            (_, _, OrderKind::Limit(_), Liquidity::PostOnly) => 2,
            (_, _, OrderKind::Limit(_), Liquidity::Slide) => 3,
            (_, _, OrderKind::Limit(_), Liquidity::Any) => 0,
        };
        let plain = terms.display_qty.is_zero()
            && terms.min_qty.is_zero()
            && terms.expire_at.0 == 0
            && matches!(terms.trigger, Trigger::None)
            && matches!(terms.peg, Peg::None);
        let detailed = if plain { 0 } else { Terms::DETAILED };
        Terms(time_in_force | form << 3 | detailed)
    }

    /// TimeInForce(59). Good for auction is 9, at crossing, which came with FIX 5.0.
    #[must_use]
    pub const fn time_in_force(self) -> u8 {
        match self.0 & 7 {
            7 => b'9',
            code if code < 5 => b'0' + code,
            code => b'1' + code,
        }
    }

    /// OrdType(40).
    #[must_use]
    pub const fn ord_type(self) -> u8 {
        FORMS[(self.0 >> 3 & 0xf) as usize].0
    }

    /// ExecInst(18).
    #[must_use]
    pub const fn exec_inst(self) -> Option<u8> {
        FORMS[(self.0 >> 3 & 0xf) as usize].1
    }

    /// Whether ExecInst(18)=6, participate do not initiate.
    #[must_use]
    pub const fn is_post_only(self) -> bool {
        matches!(self.exec_inst(), Some(b'6'))
    }

    /// Whether it takes another price where it would trade at once.
    #[must_use]
    pub const fn slides(self) -> bool {
        self.0 >> 3 & 0xf == 3
    }

    /// Whether the order has a limit price.
    #[must_use]
    pub const fn has_limit(self) -> bool {
        !matches!(self.0 >> 3 & 0xf, 1 | 5 | 7 | 8 | 9 | 12)
    }

    /// Whether the order was entered with [`matcher::Terms`] that its first Command tells.
    #[must_use]
    pub const fn is_detailed(self) -> bool {
        self.0 & Terms::DETAILED != 0
    }
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// OrdStatus(39)=2.
    Filled,
    /// OrdStatus(39)=4.
    Canceled,
    /// OrdStatus(39)=C.
    Expired,
}

/// Where an order stood at some position of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The number is not known, or was not answered yet.
    Unknown,
    /// The order or the replace was rejected: the number never named a working order.
    Refused,
    /// The order works.
    Working {
        /// Whether it had a fill.
        traded: bool,
    },
    /// The order is done.
    Done {
        /// How.
        ending: Ending,
        /// Done over its life.
        cum_qty: Qty,
        /// Price × quantity of all its fills.
        notional: Notional,
    },
}

impl Default for Orders {
    fn default() -> Orders {
        Orders::new()
    }
}

impl Orders {
    /// No orders yet; takes no memory.
    #[must_use]
    pub fn new() -> Orders {
        Orders {
            entries: Vec::new(),
            last: 0,
            texts: Vec::new(),
            index: Index::new(),
            indexed: 0,
            hasher: RandomState::default(),
            restated: BTreeMap::new(),
            busted: BTreeMap::new(),
        }
    }

    /// The highest number given, [`OrderNumber::NONE`] if none.
    #[must_use]
    pub fn last_number(&self) -> OrderNumber {
        OrderNumber(self.last)
    }

    /// The ClOrdID of a number; empty if it is not known.
    #[must_use]
    pub fn cl_ord_id(&self, number: OrderNumber) -> &[u8] {
        self.entry(number).map_or(&[], |entry| self.text(entry.text_at, entry.cl_ord_id_len))
    }

    /// Account(1) of a number; empty if it has none.
    #[must_use]
    pub fn account(&self, number: OrderNumber) -> &[u8] {
        self.entry(number).map_or(&[], |entry| {
            self.text(entry.text_at + u32::from(entry.cl_ord_id_len), entry.account_len)
        })
    }

    /// The terms of a number.
    #[must_use]
    pub fn terms(&self, number: OrderNumber) -> Option<Terms> {
        self.entry(number).map(|entry| entry.terms)
    }

    /// The journal position of the turn that entered a number, `None` if the journal has not shown it.
    #[must_use]
    pub fn position(&self, number: OrderNumber) -> Option<u64> {
        self.entry(number).map(|entry| entry.position).filter(|position| *position != NEVER)
    }

    /// The venue's id of the order that a number names or named, `None` if it never was one.
    #[must_use]
    pub fn order_id(&self, number: OrderNumber) -> Option<OrderId> {
        let root = self.root(number)?;
        (!matches!(root.state, State::Entered | State::Refused)).then_some(root.order_id)
    }

    /// What the order of `number` has traded, as far as the journal was followed.
    #[must_use]
    pub fn cum_qty(&self, number: OrderNumber) -> Qty {
        self.root(number).map_or(Qty::ZERO, |root| root.cum_qty)
    }

    /// The number that the order of `number` has now, after its replaces.
    #[must_use]
    pub fn present(&self, number: OrderNumber) -> OrderNumber {
        self.root(number).map_or(number, |root| OrderNumber(root.present))
    }

    /// The number that the order of `number` began with.
    #[must_use]
    pub fn first(&self, number: OrderNumber) -> OrderNumber {
        self.root_number(number).unwrap_or(number)
    }

    /// What the order of `number` was restated to last, up to `moment`.
    #[must_use]
    pub fn restatement(&self, number: OrderNumber, moment: Moment) -> Option<Restatement> {
        let known = self.restated.range((number, (0, 0))..=(number, moment));
        known.last().map(|(_, restatement)| *restatement)
    }

    /// Where the order of `number` stood when a trade of it was busted in the turn at `position`.
    #[must_use]
    pub fn when_busted(&self, number: OrderNumber, position: u64) -> Option<WhenBusted> {
        self.busted.get(&(number, position)).copied()
    }

    /// Where the order of a number stood when the turn at `position` was done.
    ///
    /// The answer depends on the journal up to `position` alone, however much later it is asked.
    #[must_use]
    pub fn standing_at(&self, number: OrderNumber, position: u64) -> Standing {
        let Some(root) = self.root(number) else { return Standing::Unknown };
        let done =
            |ending| Standing::Done { ending, cum_qty: root.cum_qty, notional: root.notional };
        match root.state {
            State::Entered => Standing::Unknown,
            State::Refused => Standing::Refused,
            State::Filled if root.done_at <= position => done(Ending::Filled),
            State::Canceled if root.done_at <= position => done(Ending::Canceled),
            State::Expired if root.done_at <= position => done(Ending::Expired),
            _ => Standing::Working { traded: root.traded_at <= position },
        }
    }

    /// Gives the next number to a ClOrdID.
    ///
    /// A ClOrdID that has a number already keeps it; the new number has the text, but is not found by it.
    ///
    /// # Panics
    ///
    /// If the texts are longer than 255 bytes, or [`ORDERS_PER_SESSION_MAX`] is passed: both are
    /// bounded at the border.
    pub fn enter(&mut self, cl_ord_id: &[u8], account: &[u8], terms: Terms) -> OrderNumber {
        let number = self.append(cl_ord_id, account, terms);
        self.index();
        number
    }

    /// The same for many, whose ClOrdIDs nobody asks for before [`Orders::index`]: [`Orders::find`] looks at
    /// each of them until then.
    ///
    /// # Panics
    ///
    /// As [`Orders::enter`].
    pub fn append(&mut self, cl_ord_id: &[u8], account: &[u8], terms: Terms) -> OrderNumber {
        self.append_on(None, cl_ord_id, account, terms)
    }

    /// The same with the next page taken from `pages`, if one is ready there.
    ///
    /// # Panics
    ///
    /// As [`Orders::enter`].
    pub fn append_on(
        &mut self,
        pages: Option<&Pages>,
        cl_ord_id: &[u8],
        account: &[u8],
        terms: Terms,
    ) -> OrderNumber {
        assert!(self.last < ORDERS_PER_SESSION_MAX);
        let (cl_ord_id_len, account_len) = (len(cl_ord_id), len(account));
        let text_at = self.push_text(pages, cl_ord_id, account);
        let number = self.last + 1;
        let entry = Entry {
            root: number,
            text_at,
            present: number,
            cl_ord_id_len,
            account_len,
            terms,
            ..Entry::blank()
        };
        match self.entries.last_mut() {
            Some(page) if page.len() < ENTRIES_PER_PAGE => page.push(entry),
            _ => {
                let mut page = Pages::entries(pages);
                page.push(entry);
                self.entries.push(page);
            }
        }
        self.last = number;
        OrderNumber(number)
    }

    /// The journal has the Input of a number at `position`. Told again, it changes nothing.
    pub fn journaled(&mut self, number: OrderNumber, position: u64) {
        if let Some(entry) = self.entry_mut(number)
            && entry.position == NEVER
        {
            entry.position = position;
        }
    }

    /// The order of `number` works.
    pub fn accepted(&mut self, number: OrderNumber, order_id: OrderId) {
        if let Some(entry) = self.entry_mut(number)
            && entry.state == State::Entered
        {
            entry.order_id = order_id;
            entry.state = State::Accepted;
        }
    }

    /// The order or the replace of `number` was rejected.
    pub fn refused(&mut self, number: OrderNumber) {
        if let Some(entry) = self.entry_mut(number)
            && entry.state == State::Entered
        {
            entry.state = State::Refused;
        }
    }

    /// The order that `old` names is called `number` from now on.
    pub fn replaced(&mut self, old: OrderNumber, number: OrderNumber) {
        let Some(root) = self.root_number(old) else { return };
        if self.working_root_mut(old).is_none() {
            return;
        }
        let Some(entry) = self.entry_mut(number) else { return };
        if entry.state == State::Entered {
            entry.root = root.0;
            entry.state = State::Accepted;
            if let Some(root) = self.entry_mut(root) {
                root.present = number.0;
            }
        }
    }

    /// The order of `number` traded in the turn at `position`.
    pub fn traded(
        &mut self,
        number: OrderNumber,
        position: u64,
        cum_qty: Qty,
        notional: Notional,
        leaves_qty: Qty,
    ) {
        let Some(root) = self.working_root_mut(number) else { return };
        root.traded_at = root.traded_at.min(position);
        (root.cum_qty, root.notional) = (cum_qty, notional);
        if leaves_qty.is_zero() {
            root.done_at = position;
            root.state = State::Filled;
        }
    }

    /// The order of `number` has another price or quantity since `moment`.
    pub fn restated(&mut self, number: OrderNumber, moment: Moment, to: Restatement) {
        self.restated.insert((number, moment), to);
    }

    /// A trade of the order of `number` was busted in the turn at `position`.
    pub fn busted(&mut self, number: OrderNumber, position: u64) {
        if let Some(root) = self.root(number) {
            let Entry { present, cum_qty, notional, .. } = *root;
            let present = OrderNumber(present);
            self.busted.insert((number, position), WhenBusted { present, cum_qty, notional });
        }
    }

    /// Where the Inputs are, before the turn at `before`, that reports of that turn and later ones are made from:
    /// of each order that worked then, the one that it was called by, and its first if that has more to tell.
    #[must_use]
    pub fn needed(&self, before: u64) -> Vec<u64> {
        let mut called: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
        for number in 1..=self.last {
            let Some(entry) = self.entry(OrderNumber(number)) else { continue };
            if entry.position >= before || matches!(entry.state, State::Entered | State::Refused) {
                continue;
            }
            let root = self.root(OrderNumber(number));
            if root.is_some_and(|root| root.done_at >= before) {
                called.insert(entry.root, (number, entry.position));
            }
        }
        let mut needed = Vec::with_capacity(called.len());
        for (root, (number, position)) in called {
            needed.push(position);
            let first = self.entry(OrderNumber(root)).filter(|first| first.terms.is_detailed());
            if let Some(first) = first.filter(|_| number != root) {
                needed.push(first.position);
            }
        }
        needed
    }

    /// The order of `number` ended in the turn at `position` without being filled.
    pub fn ended(&mut self, number: OrderNumber, position: u64, ending: Ending) {
        let Some(root) = self.working_root_mut(number) else { return };
        root.done_at = position;
        root.state = match ending {
            Ending::Filled => State::Filled,
            Ending::Canceled => State::Canceled,
            Ending::Expired => State::Expired,
        };
    }

    /// Reads what a fold is about to change of the order of `number`; means nothing. Many of these in a row wait
    /// for memory together, where changes that follow one another wait one by one.
    #[must_use]
    pub fn touch(&self, number: OrderNumber) -> u64 {
        self.root(number).map_or(0, |root| root.done_at)
    }

    /// Bytes on the heap, the free part of pages included.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let entries = self.entries.len() * ENTRIES_PER_PAGE * size_of::<Entry>();
        let texts = self.texts.len() * TEXT_PAGE_BYTES;
        let directories = (self.entries.capacity() + self.texts.capacity()) * size_of::<Vec<u8>>();
        entries + texts + directories + self.index.heap_bytes()
    }

    fn entry(&self, number: OrderNumber) -> Option<&Entry> {
        let index = number.0.checked_sub(1)? as usize;
        self.entries.get(index / ENTRIES_PER_PAGE)?.get(index % ENTRIES_PER_PAGE)
    }

    fn entry_mut(&mut self, number: OrderNumber) -> Option<&mut Entry> {
        let index = number.0.checked_sub(1)? as usize;
        self.entries.get_mut(index / ENTRIES_PER_PAGE)?.get_mut(index % ENTRIES_PER_PAGE)
    }

    fn root_number(&self, number: OrderNumber) -> Option<OrderNumber> {
        self.entry(number).map(|entry| OrderNumber(entry.root))
    }

    fn root(&self, number: OrderNumber) -> Option<&Entry> {
        self.entry(self.root_number(number)?)
    }

    fn working_root_mut(&mut self, number: OrderNumber) -> Option<&mut Entry> {
        let root = self.root_number(number)?;
        self.entry_mut(root).filter(|root| root.state == State::Accepted)
    }

    fn text(&self, at: u32, len: u8) -> &[u8] {
        let (page, offset) = (at as usize / TEXT_PAGE_BYTES, at as usize % TEXT_PAGE_BYTES);
        self.texts.get(page).map_or(&[], |page| &page[offset..offset + usize::from(len)])
    }

    fn push_text(&mut self, pages: Option<&Pages>, cl_ord_id: &[u8], account: &[u8]) -> u32 {
        let len = cl_ord_id.len() + account.len();
        if self.texts.last().is_none_or(|page| page.len() + len > TEXT_PAGE_BYTES) {
            self.texts.push(Pages::text(pages));
        }
        let page_index = self.texts.len() - 1;
        let page = &mut self.texts[page_index];
        let at = page_index * TEXT_PAGE_BYTES + page.len();
        page.extend_from_slice(cl_ord_id);
        page.extend_from_slice(account);
        u32::try_from(at).expect("2^20 pages hold ORDERS_PER_SESSION_MAX texts")
    }
}

/// PegOffsetValue(211) of an order that trails or is pegged, `None` for others. Ours is a distance, that of FIX is
/// added to what is followed: a stop follows from behind, a peg stands behind.
#[must_use]
pub fn peg_offset(side: Side, trigger: Trigger, peg: Peg) -> Option<Price> {
    let (distance, adds) = match (trigger, peg) {
        (Trigger::Trailing(distance), _) => (distance, Side::Buy),
        (_, Peg::Primary(distance) | Peg::Midpoint(distance)) => (distance, Side::Sell),
        _ => return None,
    };
    let distance = i64::try_from(distance).unwrap_or(i64::MAX);
    Some(Price::from_ticks(if side == adds { distance } else { -distance }))
}

/// The terms that a number entered by `command` has.
///
/// A replace inherits those of its target, whatever becomes of it: they are fixed when the number is
/// entered.
#[must_use]
pub fn terms_of(command: &Command, orders: &Orders) -> Terms {
    match command {
        Command::New(new) => Terms::new(new, &matcher::Terms::NONE),
        Command::NewSpecial(new, terms) => Terms::new(new, terms),
        Command::Replace(replace) | Command::ReplaceStop(replace, _) => {
            orders.terms(replace.target).unwrap_or(Terms::PLAIN)
        }
        _ => Terms::PLAIN,
    }
}

fn len(text: &[u8]) -> u8 {
    u8::try_from(text.len()).expect("the border bounds texts")
}
