//! Books rebuilt from the messages of the feed.

use std::collections::BTreeMap;
use std::fmt;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use matcher::Side;

use crate::message::{AddOrder, Message, OrderExecuted, OrderReplace, Stock, TradingStatus};

/// No order: the end of a queue.
const NONE: u32 = u32::MAX;

/// Every book of a feed, order by order.
///
/// It is strict: a message that cannot be true of a price-time book is an error and changes nothing.
/// After an error the feed or the reader has lost something, so the books are not to be trusted.
#[derive(Clone, Debug)]
pub struct Mirror {
    orders: Vec<Slot>,
    free: Vec<u32>,
    by_ref: HashMap<u64, u32, FixedState>,
    /// By `stock_locate`; 0 is never listed.
    books: Vec<Option<MirrorBook>>,
    orders_max: u32,
}

#[derive(Clone, Debug)]
struct MirrorBook {
    stock: Stock,
    status: TradingStatus,
    /// Lowest price first.
    bids: BTreeMap<u32, Level>,
    /// Lowest price first.
    asks: BTreeMap<u32, Level>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    shares: u64,
    orders: u32,
    head: u32,
    tail: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    order_ref: u64,
    price: u32,
    shares: u32,
    next: u32,
    prev: u32,
    stock_locate: u16,
    side: Side,
}

/// One price of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorLevel {
    /// In units of the feed.
    pub price: u32,
    /// Sum over its orders.
    pub shares: u64,
    /// How many orders.
    pub orders: u32,
}

/// One order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorOrder {
    /// Its name on the feed.
    pub order_ref: u64,
    /// Its side.
    pub side: Side,
    /// In units of the feed.
    pub price: u32,
    /// What is left of it.
    pub shares: u32,
}

/// The best level of each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// Highest bid.
    pub bid: Option<MirrorLevel>,
    /// Lowest ask.
    pub ask: Option<MirrorLevel>,
}

/// What cannot be true of a book, so the feed is wrong or something of it was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorError {
    /// An order or a state for an instrument without a directory entry.
    UnknownInstrument {
        /// Its number.
        stock_locate: u16,
    },
    /// A directory entry or an order names another symbol than the number stands for.
    OtherStock {
        /// Its number.
        stock_locate: u16,
    },
    /// A message about an order that does not stand on the book.
    UnknownOrder {
        /// The order.
        order_ref: u64,
    },
    /// A new order with the name of one that stands on the book.
    DuplicateOrder {
        /// The order.
        order_ref: u64,
    },
    /// The order stands in another instrument than the message says.
    OtherInstrument {
        /// The order.
        order_ref: u64,
        /// What the message says.
        stock_locate: u16,
    },
    /// A new order of nothing, or a message that takes nothing off.
    NoShares {
        /// The order.
        order_ref: u64,
    },
    /// More is taken off an order than is left of it.
    TooManyShares {
        /// The order.
        order_ref: u64,
        /// What is taken off.
        shares: u32,
        /// What was left.
        leaves: u32,
    },
    /// An order traded at its own price that is not the first of the best level.
    OutOfPriority {
        /// The order.
        order_ref: u64,
        /// The one before it.
        first: u64,
    },
    /// The new order would trade with what stands on the other side.
    Crossed {
        /// The order.
        order_ref: u64,
        /// Its price.
        price: u32,
        /// The best of the other side.
        against: u32,
    },
    /// An instrument trades from now on, and its best bid is not below its best ask.
    OpensCrossed {
        /// Its number.
        stock_locate: u16,
    },
    /// As many orders as the mirror may hold.
    TooManyOrders {
        /// The bound.
        orders_max: u32,
    },
}

impl Default for Mirror {
    fn default() -> Mirror {
        Mirror::new()
    }
}

impl Mirror {
    /// An empty mirror for at most 16,777,216 resting orders (at about 50 bytes each, taken as they come).
    #[must_use]
    pub fn new() -> Mirror {
        Mirror::with_orders_max(1 << 24)
    }

    /// An empty mirror for at most `orders_max` resting orders.
    #[must_use]
    pub fn with_orders_max(orders_max: u32) -> Mirror {
        Mirror {
            orders: Vec::new(),
            free: Vec::new(),
            by_ref: HashMap::with_hasher(FixedState::default()),
            books: Vec::new(),
            orders_max,
        }
    }

    /// Takes the next message.
    ///
    /// # Errors
    ///
    /// If it cannot be true. Nothing is changed then.
    pub fn apply(&mut self, message: &Message) -> Result<(), MirrorError> {
        match message {
            Message::StockDirectory(directory) => {
                self.list(directory.header.stock_locate, directory.stock)
            }
            Message::TradingAction(action) => {
                self.book_of(action.header.stock_locate, action.stock)?;
                self.set_status(action.header.stock_locate, action.status)
            }
            Message::AddOrder(add) => self.add(add),
            Message::AddOrderAttributed(message) => self.add(&message.add),
            Message::OrderExecuted(executed) => {
                let slot = self.find(executed.order_ref, executed.header.stock_locate)?;
                self.check_priority(slot)?;
                self.execute(slot, executed)
            }
            Message::OrderExecutedWithPrice(message) => {
                let executed = &message.executed;
                let slot = self.find(executed.order_ref, executed.header.stock_locate)?;
                self.execute(slot, executed)
            }
            Message::OrderCancel(cancel) => {
                let slot = self.find(cancel.order_ref, cancel.header.stock_locate)?;
                let leaves = self.orders[index(slot)].shares;
                if cancel.shares > leaves {
                    let (order_ref, shares) = (cancel.order_ref, cancel.shares);
                    return Err(MirrorError::TooManyShares { order_ref, shares, leaves });
                }
                self.reduce(slot, cancel.shares)
            }
            Message::OrderDelete(delete) => {
                let slot = self.find(delete.order_ref, delete.header.stock_locate)?;
                let leaves = self.orders[index(slot)].shares;
                self.reduce(slot, leaves)
            }
            Message::OrderReplace(replace) => self.replace(replace),
            Message::SystemEvent(_)
            | Message::RegSho(_)
            | Message::Trade(_)
            | Message::CrossTrade(_)
            | Message::BrokenTrade(_)
            | Message::NetOrderImbalance(_)
            | Message::AuctionCollar(_)
            | Message::OperationalHalt(_) => Ok(()),
        }
    }

    /// The number of an instrument on the feed. Looks at every instrument: keep the answer.
    #[must_use]
    pub fn stock_locate(&self, stock: &[u8]) -> Option<u16> {
        let named = |book: &Option<MirrorBook>| {
            book.as_ref().is_some_and(|book| book.stock.as_bytes() == stock)
        };
        self.books.iter().position(named).and_then(|locate| u16::try_from(locate).ok())
    }

    /// The symbol of an instrument.
    #[must_use]
    pub fn stock(&self, stock_locate: u16) -> Option<Stock> {
        self.book(stock_locate).map(|book| book.stock)
    }

    /// Whether an instrument trades.
    #[must_use]
    pub fn status(&self, stock_locate: u16) -> Option<TradingStatus> {
        self.book(stock_locate).map(|book| book.status)
    }

    /// The best level of each side; nothing where nothing is listed.
    #[must_use]
    pub fn best(&self, stock_locate: u16) -> Top {
        let Some(book) = self.book(stock_locate) else { return Top::default() };
        Top {
            bid: book.bids.last_key_value().map(MirrorLevel::of),
            ask: book.asks.first_key_value().map(MirrorLevel::of),
        }
    }

    /// The levels of one side, best first.
    pub fn levels(&self, stock_locate: u16, side: Side) -> impl Iterator<Item = MirrorLevel> + '_ {
        self.ladder(stock_locate, side).map(MirrorLevel::of)
    }

    /// The orders of one side, best level first, oldest first.
    pub fn orders(&self, stock_locate: u16, side: Side) -> impl Iterator<Item = MirrorOrder> + '_ {
        self.ladder(stock_locate, side).flat_map(|(_, level)| {
            let first = self.orders.get(index(level.head));
            std::iter::successors(first, |slot| self.orders.get(index(slot.next)))
                .map(MirrorOrder::of)
        })
    }

    /// The order of this name.
    #[must_use]
    pub fn order(&self, order_ref: u64) -> Option<MirrorOrder> {
        self.by_ref.get(&order_ref).map(|slot| MirrorOrder::of(&self.orders[index(*slot)]))
    }

    /// How many orders stand on all books.
    #[must_use]
    pub fn orders_len(&self) -> usize {
        self.by_ref.len()
    }

    fn book(&self, stock_locate: u16) -> Option<&MirrorBook> {
        self.books.get(usize::from(stock_locate))?.as_ref()
    }

    /// The levels of one side, best first.
    fn ladder(&self, stock_locate: u16, side: Side) -> impl Iterator<Item = (&u32, &Level)> {
        let book = self.book(stock_locate);
        let bids = book.filter(|_| side == Side::Buy).map(|book| book.bids.iter().rev());
        let asks = book.filter(|_| side == Side::Sell).map(|book| book.asks.iter());
        bids.into_iter().flatten().chain(asks.into_iter().flatten())
    }

    fn book_mut(&mut self, stock_locate: u16) -> Result<&mut MirrorBook, MirrorError> {
        self.books
            .get_mut(usize::from(stock_locate))
            .and_then(Option::as_mut)
            .ok_or(MirrorError::UnknownInstrument { stock_locate })
    }

    /// The book of an instrument that a message names twice, by number and by symbol.
    fn book_of(&mut self, locate: u16, stock: Stock) -> Result<&mut MirrorBook, MirrorError> {
        let book = self.book_mut(locate)?;
        if book.stock != stock {
            return Err(MirrorError::OtherStock { stock_locate: locate });
        }
        Ok(book)
    }

    fn list(&mut self, stock_locate: u16, stock: Stock) -> Result<(), MirrorError> {
        if stock_locate == 0 {
            return Err(MirrorError::UnknownInstrument { stock_locate });
        }
        let at = usize::from(stock_locate);
        if self.books.len() <= at {
            self.books.resize_with(at + 1, || None);
        }
        match &mut self.books[at] {
            Some(book) if book.stock != stock => Err(MirrorError::OtherStock { stock_locate }),
            Some(_) => Ok(()),
            empty => {
                let status = TradingStatus::Halted;
                let (bids, asks) = (BTreeMap::new(), BTreeMap::new());
                *empty = Some(MirrorBook { stock, status, bids, asks });
                Ok(())
            }
        }
    }

    fn set_status(&mut self, locate: u16, status: TradingStatus) -> Result<(), MirrorError> {
        let top = self.best(locate);
        if status == TradingStatus::Trading
            && let (Some(bid), Some(ask)) = (top.bid, top.ask)
            && bid.price >= ask.price
        {
            return Err(MirrorError::OpensCrossed { stock_locate: locate });
        }
        self.book_mut(locate)?.status = status;
        Ok(())
    }

    fn find(&self, order_ref: u64, stock_locate: u16) -> Result<u32, MirrorError> {
        let slot = *self.by_ref.get(&order_ref).ok_or(MirrorError::UnknownOrder { order_ref })?;
        if self.orders[index(slot)].stock_locate != stock_locate {
            return Err(MirrorError::OtherInstrument { order_ref, stock_locate });
        }
        Ok(slot)
    }

    fn add(&mut self, add: &AddOrder) -> Result<(), MirrorError> {
        let stock_locate = add.header.stock_locate;
        self.book_of(stock_locate, add.stock)?;
        let AddOrder { order_ref, side, shares, price, .. } = *add;
        let slot = Slot { order_ref, price, shares, next: NONE, prev: NONE, stock_locate, side };
        self.check_new(&slot)?;
        if self.by_ref.len() >= index(self.orders_max) {
            return Err(MirrorError::TooManyOrders { orders_max: self.orders_max });
        }
        self.enter(slot);
        Ok(())
    }

    fn replace(&mut self, replace: &OrderReplace) -> Result<(), MirrorError> {
        let old = self.find(replace.old_order_ref, replace.header.stock_locate)?;
        let leaves = self.orders[index(old)].shares;
        let order_ref = replace.new_order_ref;
        let (price, shares) = (replace.price, replace.shares);
        let slot =
            Slot { order_ref, price, shares, next: NONE, prev: NONE, ..self.orders[index(old)] };
        self.check_new(&slot)?;
        self.reduce(old, leaves)?;
        self.enter(slot);
        Ok(())
    }

    /// Whether an order may stand on its book. A crossed book is possible only where nothing trades.
    fn check_new(&self, slot: &Slot) -> Result<(), MirrorError> {
        let Slot { order_ref, price, stock_locate, .. } = *slot;
        if slot.shares == 0 {
            return Err(MirrorError::NoShares { order_ref });
        }
        if self.by_ref.contains_key(&order_ref) {
            return Err(MirrorError::DuplicateOrder { order_ref });
        }
        if self.status(stock_locate) != Some(TradingStatus::Trading) {
            return Ok(());
        }
        let top = self.best(stock_locate);
        let (against, crosses): (_, fn(&u32, &u32) -> bool) = match slot.side {
            Side::Buy => (top.ask, u32::ge),
            Side::Sell => (top.bid, u32::le),
        };
        match against {
            Some(level) if crosses(&price, &level.price) => {
                Err(MirrorError::Crossed { order_ref, price, against: level.price })
            }
            _ => Ok(()),
        }
    }

    /// Whether an order is the first of the best level of its side.
    fn check_priority(&self, slot: u32) -> Result<(), MirrorError> {
        let Slot { order_ref, stock_locate, side, .. } = self.orders[index(slot)];
        let head = self.ladder(stock_locate, side).next().map_or(NONE, |(_, level)| level.head);
        if head == slot {
            return Ok(());
        }
        Err(MirrorError::OutOfPriority { order_ref, first: self.orders[index(head)].order_ref })
    }

    fn execute(&mut self, slot: u32, executed: &OrderExecuted) -> Result<(), MirrorError> {
        let OrderExecuted { order_ref, shares, .. } = *executed;
        let leaves = self.orders[index(slot)].shares;
        if shares > leaves {
            return Err(MirrorError::TooManyShares { order_ref, shares, leaves });
        }
        self.reduce(slot, shares)
    }

    /// The order that a new one stands behind: the last one of its price, but for an order that waited for
    /// its auction, which has a place already.
    fn before(&self, order: &Slot) -> u32 {
        let Some(book) = self.book(order.stock_locate) else { return NONE };
        let ladder = if order.side == Side::Buy { &book.bids } else { &book.asks };
        let mut prev = ladder.get(&order.price).map_or(NONE, |level| level.tail);
        if book.status != TradingStatus::Trading {
            while let Some(other) = self.orders.get(index(prev))
                && other.order_ref > order.order_ref
            {
                prev = other.prev;
            }
        }
        prev
    }

    /// Puts an order into the queue of its price.
    fn enter(&mut self, order: Slot) {
        let free = self.free.pop();
        let next_slot = u32::try_from(self.orders.len()).unwrap_or(NONE);
        let slot = free.unwrap_or(next_slot);
        assert!(slot != NONE);

        let prev = self.before(&order);

        let book = self.books[usize::from(order.stock_locate)].as_mut();
        let ladder = book.map(|book| book.ladder_mut(order.side));
        let Some(ladder) = ladder else { unreachable!("the caller has found the book") };
        let level = ladder.entry(order.price).or_insert(Level::EMPTY);
        level.orders += 1;
        level.shares += u64::from(order.shares);
        let next = match self.orders.get_mut(index(prev)) {
            Some(prev) => std::mem::replace(&mut prev.next, slot),
            None => std::mem::replace(&mut level.head, slot),
        };
        match self.orders.get_mut(index(next)) {
            Some(next) => next.prev = slot,
            None => level.tail = slot,
        }

        let order = Slot { prev, next, ..order };
        match free {
            Some(free) => self.orders[index(free)] = order,
            None => self.orders.push(order),
        }
        match self.by_ref.entry(order.order_ref) {
            Entry::Vacant(entry) => entry.insert(slot),
            Entry::Occupied(_) => unreachable!("the caller has looked for it"),
        };
    }

    /// Takes `shares` off an order, which is gone when nothing is left. `shares` is at most what is left.
    fn reduce(&mut self, slot: u32, shares: u32) -> Result<(), MirrorError> {
        let order = &mut self.orders[index(slot)];
        if shares == 0 {
            return Err(MirrorError::NoShares { order_ref: order.order_ref });
        }
        order.shares -= shares;
        let Slot { order_ref, price, next, prev, stock_locate, side, .. } = *order;
        let gone = order.shares == 0;

        let ladder = self.book_mut(stock_locate)?.ladder_mut(side);
        let Some(level) = ladder.get_mut(&price) else {
            unreachable!("a resting order has a level");
        };
        level.shares -= u64::from(shares);
        if !gone {
            return Ok(());
        }
        level.orders -= 1;
        if prev == NONE {
            level.head = next;
        }
        if next == NONE {
            level.tail = prev;
        }
        if level.orders == 0 {
            ladder.remove(&price);
        }
        if prev != NONE {
            self.orders[index(prev)].next = next;
        }
        if next != NONE {
            self.orders[index(next)].prev = prev;
        }
        self.by_ref.remove(&order_ref);
        self.free.push(slot);
        Ok(())
    }
}

impl MirrorBook {
    fn ladder_mut(&mut self, side: Side) -> &mut BTreeMap<u32, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

impl Level {
    const EMPTY: Level = Level { shares: 0, orders: 0, head: NONE, tail: NONE };
}

impl MirrorLevel {
    fn of((price, level): (&u32, &Level)) -> MirrorLevel {
        MirrorLevel { price: *price, shares: level.shares, orders: level.orders }
    }
}

impl MirrorOrder {
    fn of(slot: &Slot) -> MirrorOrder {
        let Slot { order_ref, side, price, shares, .. } = *slot;
        MirrorOrder { order_ref, side, price, shares }
    }
}

/// `NONE` is outside every `Vec` of slots.
const fn index(slot: u32) -> usize {
    slot as usize
}

impl fmt::Display for MirrorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MirrorError::UnknownInstrument { stock_locate } => {
                write!(f, "no instrument has stock locate {stock_locate}")
            }
            MirrorError::OtherStock { stock_locate } => {
                write!(f, "stock locate {stock_locate} stands for another symbol")
            }
            MirrorError::UnknownOrder { order_ref } => {
                write!(f, "order {order_ref} is not on the book")
            }
            MirrorError::DuplicateOrder { order_ref } => {
                write!(f, "order {order_ref} is on the book already")
            }
            MirrorError::OtherInstrument { order_ref, stock_locate } => {
                write!(f, "order {order_ref} is not in stock locate {stock_locate}")
            }
            MirrorError::NoShares { order_ref } => {
                write!(f, "order {order_ref} is given or loses 0 shares")
            }
            MirrorError::TooManyShares { order_ref, shares, leaves } => {
                write!(f, "order {order_ref} has {leaves} shares and should lose {shares}")
            }
            MirrorError::OutOfPriority { order_ref, first } => {
                write!(f, "order {order_ref} traded before order {first}, which is first")
            }
            MirrorError::Crossed { order_ref, price, against } => {
                write!(f, "order {order_ref} at {price} crosses the book at {against}")
            }
            MirrorError::OpensCrossed { stock_locate } => {
                write!(f, "stock locate {stock_locate} begins to trade with a crossed book")
            }
            MirrorError::TooManyOrders { orders_max } => {
                write!(f, "the mirror may hold {orders_max} orders and does")
            }
        }
    }
}

impl std::error::Error for MirrorError {}
