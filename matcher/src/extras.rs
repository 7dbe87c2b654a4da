//! What special orders have beside what every order has, and what stands beside a book.
//!
//! A plain limit order is its node in [`crate::orders`] and nothing else. An order with more to it (a
//! reserve, a trigger, a peg, a time to expire, an auction to wait for) has an [`Extra`], named by its
//! node. A *held* order has a node without a level: the orders that are held beside one book are chained
//! by their nodes, in order of their places, and what each of them waits for is a set of [`Beside`].

use std::collections::TryReserveError;
use std::iter;
use std::ops::{Index, IndexMut, RangeInclusive};

use crate::command::{Peg, Trigger};
use crate::instrument::{BandAction, Bands};
use crate::ordered::{Member, Set};
use crate::orders::{Order, Orders};
use crate::pegs::{Pegged, Pegs};
use crate::pool::{Id, Pool, Pooled};
use crate::trailing::{Trailing, Trails};
use crate::types::{InstrumentId, OrderRef, Price, Qty, Side, TimeInForce, Timestamp};

/// Offsets of trailing stops and pegs are at most this.
pub(crate) const OFFSET_MAX: u64 = 1 << 62;

/// Slices of an iceberg at most.
pub(crate) const SLICES_MAX: u128 = 10_000;

/// Where a special order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nowhere: it is being handled.
    Lifted,
    /// In the book, at its limit price.
    Displayed,
    /// Held: a stop at a fixed price.
    Stop,
    /// Held: a stop whose price follows the market.
    Trailing,
    /// Held: a stop whose price was reached, in the queue of elected orders.
    Elected,
    /// Held: its price follows the book.
    Peg,
    /// Held: it waits for the auction that it is for.
    Waiting,
    /// Held: a market order in a call.
    Market,
}

/// What a special order has beside its node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra {
    /// Its node.
    pub(crate) order: Id<Order>,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) standing: Standing,
    /// None once it is elected.
    pub(crate) trigger: Trigger,
    /// Best price since entry of a trailing stop that is being handled.
    pub(crate) peak: Option<Price>,
    pub(crate) peg: Peg,
    /// None: it trades at any price, or at that of its peg.
    pub(crate) limit: Option<Price>,
    /// What an iceberg displays at most; zero: it is none.
    pub(crate) display_qty: Qty,
    /// What an iceberg works beside what it displays.
    pub(crate) reserve: Qty,
    /// What its risk is valued at while it is held; none: nothing.
    pub(crate) value_price: Option<Price>,
    /// 0: it does not expire.
    pub(crate) expire_at: Timestamp,
    /// Orders that expire at one time do so in this order: the place at entry or last replace.
    pub(crate) expire_seq: OrderRef,
    /// Its member of the set or tree of what it waits for.
    pub(crate) member: u32,
    /// Its member of the set of orders that expire.
    pub(crate) expiry: Id<Member>,
    /// Its member of the set of orders that end with the auction.
    pub(crate) ending: Id<Member>,
    /// Neighbors in the queue of elected or of waiting orders.
    pub(crate) next: Id<Extra>,
    pub(crate) prev: Id<Extra>,
}

impl Pooled for Extra {
    const EMPTY: Extra = Extra {
        order: Id::NONE,
        instrument: InstrumentId::NONE,
        side: Side::Buy,
        standing: Standing::Lifted,
        trigger: Trigger::None,
        peak: None,
        peg: Peg::None,
        limit: None,
        display_qty: Qty::ZERO,
        reserve: Qty::ZERO,
        value_price: None,
        expire_at: Timestamp(0),
        expire_seq: OrderRef::NONE,
        member: 0,
        expiry: Id::NONE,
        ending: Id::NONE,
        next: Id::NONE,
        prev: Id::NONE,
    };

    fn link(&self) -> u32 {
        self.member
    }

    fn set_link(&mut self, link: u32) {
        self.member = link;
    }
}

impl Extra {
    /// Slices that an iceberg has yet to display.
    pub(crate) const fn slices(&self) -> u64 {
        match self.display_qty {
            Qty::ZERO => 0,
            display_qty => self.reserve.lots().div_ceil(display_qty.lots()),
        }
    }

    /// Whether an order that stands in the book with this is more than a plain limit order.
    pub(crate) const fn matters_displayed(&self, time_in_force: TimeInForce) -> bool {
        !self.display_qty.is_zero() || self.expire_at.0 != 0 || is_for_auction(time_in_force)
    }
}

/// Whether an order works for an auction only.
pub(crate) const fn is_for_auction(time_in_force: TimeInForce) -> bool {
    matches!(time_in_force, TimeInForce::AtOpen | TimeInForce::AtClose | TimeInForce::Gfa)
}

/// The extras of all books, and the members of their sets.
pub(crate) struct Extras {
    pool: Pool<Extra>,
    /// Of stops and of market orders in a call: an order is one of them at most.
    pub(crate) members: Pool<Member>,
    pub(crate) trails: Pool<Trailing>,
    pub(crate) pegs: Pool<Pegged>,
    /// Of orders that end with an auction.
    pub(crate) ending: Pool<Member>,
    expiring: Pool<Member>,
    /// All orders that expire at a time, over all books.
    expiry: Set,
    /// When the first of them does; [`NEVER`] if none does.
    expires_next: Timestamp,
    /// Slices that the icebergs of all books have yet to display.
    pub(crate) slices: u64,
}

/// Later than any order expires, but for those that do so then.
const NEVER: Timestamp = Timestamp(u64::MAX);

/// Special orders that there is room for before the tables have to grow, as a part of `orders_max`.
const RESERVED_PART: u32 = 64;

/// The order of times as that of signed keys.
const fn expiry_key(at: Timestamp) -> i64 {
    (at.0 ^ 1 << 63).cast_signed()
}

impl Extras {
    pub(crate) const fn new() -> Extras {
        Extras {
            pool: Pool::new(),
            members: Pool::new(),
            trails: Pool::new(),
            pegs: Pool::new(),
            ending: Pool::new(),
            expiring: Pool::new(),
            expiry: Set::new(),
            expires_next: NEVER,
            slices: 0,
        }
    }

    pub(crate) fn grow(&mut self, orders_max: u32) -> Result<(), TryReserveError> {
        let reserved = orders_max / RESERVED_PART;
        self.pool.grow(orders_max, reserved)?;
        self.members.grow(orders_max, reserved)?;
        self.trails.grow(orders_max, reserved)?;
        self.pegs.grow(orders_max, reserved)?;
        self.ending.grow(orders_max, reserved)?;
        self.expiring.grow(orders_max, reserved)
    }

    pub(crate) const fn len(&self) -> u32 {
        self.pool.len()
    }

    pub(crate) fn take(&mut self, extra: Extra) -> Id<Extra> {
        self.pool.take(extra)
    }

    /// Frees the slot of an extra that is in no set but that of the orders that expire.
    pub(crate) fn give_back(&mut self, id: Id<Extra>) {
        self.forget_expiry(id);
        self.pool.give_back(id);
    }

    /// Notes when the order expires, if it does and is not noted yet; `place` is the one it takes now.
    pub(crate) fn note_expiry(&mut self, id: Id<Extra>, place: OrderRef) {
        let Extra { expire_at, expiry, .. } = self.pool[id];
        if expire_at.0 == 0 || expiry.is_some() {
            return;
        }
        let key = expiry_key(expire_at);
        let expiry = self.expiry.insert(&mut self.expiring, key, place.0, id.raw());
        self.pool[id].expiry = expiry;
        self.pool[id].expire_seq = place;
        self.expires_next = self.expires_next.min(expire_at);
    }

    /// The opposite: until it has another place it is not noted.
    pub(crate) fn forget_expiry(&mut self, id: Id<Extra>) {
        let expiry = self.pool[id].expiry;
        if expiry.is_some() {
            self.expiry.remove(&mut self.expiring, expiry);
            self.pool[id].expiry = Id::NONE;
            self.expires_next = self.next_expiry().map_or(NEVER, |(at, _)| at);
        }
    }

    /// Takes `extra` as it was saved, with the sequence that it has among those that expire.
    pub(crate) fn restore(&mut self, extra: Extra) -> Id<Extra> {
        let expire_seq = extra.expire_seq;
        self.slices += extra.slices();
        let id = self.take(extra);
        self.note_expiry(id, expire_seq);
        id
    }

    /// Whether no two orders that expire do so at one time and with one sequence.
    pub(crate) fn expire_one_by_one(&self) -> bool {
        let members = self.expiry.iter(&self.expiring).map(|id| &self.expiring[id]);
        members.map(|node| (node.key(), node.seq())).is_sorted_by(|one, next| one < next)
    }

    /// Whether an order may be due. Asked of every Input, so it is one comparison.
    #[inline(always)]
    pub(crate) const fn may_expire(&self, now: Timestamp) -> bool {
        now.0 >= self.expires_next.0
    }

    /// The order that expires next.
    pub(crate) fn next_expiry(&self) -> Option<(Timestamp, Id<Extra>)> {
        let extra = Id::from_raw(self.expiring[self.expiry.first().some()?].payload);
        Some((self.pool[extra].expire_at, extra))
    }

    /// Holds the sets that span all books against the extras.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self) {
        assert_eq!(self.expiry.check(&self.expiring), self.expiring.len());
        assert_eq!(self.expires_next, self.next_expiry().map_or(NEVER, |(at, _)| at));
        for member in self.expiry.iter(&self.expiring) {
            let node = &self.expiring[member];
            let extra = &self.pool[Id::from_raw(node.payload)];
            assert_eq!(extra.expiry, member);
            assert_eq!((node.key(), node.seq()), (expiry_key(extra.expire_at), extra.expire_seq.0));
        }
    }

    pub(crate) const fn expiring_len(&self) -> u32 {
        self.expiring.len()
    }
}

impl Index<Id<Extra>> for Extras {
    type Output = Extra;

    fn index(&self, id: Id<Extra>) -> &Extra {
        &self.pool[id]
    }
}

impl IndexMut<Id<Extra>> for Extras {
    fn index_mut(&mut self, id: Id<Extra>) -> &mut Extra {
        &mut self.pool[id]
    }
}

/// Orders one behind the other, chained by their extras.
#[derive(Debug)]
pub(crate) struct Queue {
    head: Id<Extra>,
    tail: Id<Extra>,
    len: u32,
}

impl Queue {
    pub(crate) const fn new() -> Queue {
        Queue { head: Id::NONE, tail: Id::NONE, len: 0 }
    }

    pub(crate) const fn first(&self) -> Id<Extra> {
        self.head
    }

    /// The orders, the first first.
    pub(crate) fn iter<'a>(&self, extras: &'a Extras) -> impl Iterator<Item = Id<Extra>> + use<'a> {
        iter::successors(self.head.some(), |at| extras[*at].next.some())
    }

    pub(crate) fn push(&mut self, extras: &mut Extras, id: Id<Extra>) {
        let tail = self.tail;
        extras[id].prev = tail;
        extras[id].next = Id::NONE;
        match tail.some() {
            None => self.head = id,
            Some(tail) => extras[tail].next = id,
        }
        self.tail = id;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, extras: &mut Extras, id: Id<Extra>) {
        let Extra { prev, next, .. } = extras[id];
        match prev.some() {
            None => self.head = next,
            Some(prev) => extras[prev].next = next,
        }
        match next.some() {
            None => self.tail = prev,
            Some(next) => extras[next].prev = prev,
        }
        extras[id].prev = Id::NONE;
        extras[id].next = Id::NONE;
        self.len -= 1;
    }

    /// Walks the queue; all in it stand as `standing`. Returns their number.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, extras: &Extras, standing: Standing) -> u32 {
        let (mut at, mut prev, mut len) = (self.head, Id::NONE, 0);
        while at.is_some() {
            let extra = &extras[at];
            assert_eq!((extra.prev, extra.standing), (prev, standing));
            (prev, at) = (at, extra.next);
            len += 1;
        }
        assert_eq!((prev, len), (self.tail, self.len));
        len
    }
}

/// The held orders of a book, chained by their nodes in order of their places.
#[derive(Debug)]
pub(crate) struct HeldQueue {
    head: Id<Order>,
    tail: Id<Order>,
    len: u32,
}

impl HeldQueue {
    pub(crate) const fn new() -> HeldQueue {
        HeldQueue { head: Id::NONE, tail: Id::NONE, len: 0 }
    }

    pub(crate) const fn first(&self) -> Id<Order> {
        self.head
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Puts an order at the end: its place is the newest.
    pub(crate) fn push(&mut self, orders: &mut Orders, slot: Id<Order>) {
        let tail = self.tail;
        orders[slot].prev = tail;
        orders[slot].next = Id::NONE;
        match tail.some() {
            None => self.head = slot,
            Some(tail) => orders[tail].next = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, orders: &mut Orders, slot: Id<Order>) {
        let Order { prev, next, .. } = orders[slot];
        match prev.some() {
            None => self.head = next,
            Some(prev) => orders[prev].next = next,
        }
        match next.some() {
            None => self.tail = prev,
            Some(next) => orders[next].prev = prev,
        }
        orders[slot].prev = Id::NONE;
        orders[slot].next = Id::NONE;
        self.len -= 1;
    }
}

/// What stands beside the two ladders of a book.
pub(crate) struct Beside {
    /// Special orders of the book, displayed ones too.
    pub(crate) extras: u32,
    pub(crate) bands: Bands,
    /// It is among the books to be settled.
    pub(crate) is_touched: bool,
    pub(crate) held: HeldQueue,
    /// Stops at a fixed price, nearest to the market first: of buys, of sells.
    pub(crate) stops: [Set; 2],
    pub(crate) trails: [Trails; 2],
    /// Stops whose price was reached.
    pub(crate) elected: Queue,
    pub(crate) pegs: [Pegs; 2],
    /// Orders that wait for the auction that they are for.
    pub(crate) waiting: Queue,
    /// Market orders in a call, by place: buys, sells.
    pub(crate) market: [Set; 2],
    /// Sums of what they work.
    pub(crate) market_qty: [u64; 2],
    /// Orders that end with the auction that they are in, by place.
    pub(crate) ending: Set,
}

/// The index of what is kept by side.
pub(crate) const fn by_side(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

impl Beside {
    pub(crate) fn new(prices: &RangeInclusive<Price>) -> Beside {
        Beside {
            extras: 0,
            is_touched: false,
            bands: Bands { static_ticks: 0, dynamic_ticks: 0, action: BandAction::Reject },
            held: HeldQueue::new(),
            stops: [Set::new(), Set::new()],
            trails: [Trails::new(Side::Buy), Trails::new(Side::Sell)],
            elected: Queue::new(),
            pegs: [Pegs::new(Side::Buy, prices), Pegs::new(Side::Sell, prices)],
            waiting: Queue::new(),
            market: [Set::new(), Set::new()],
            market_qty: [0; 2],
            ending: Set::new(),
        }
    }
}
