//! A book to throw away, for what the machine's memory alone makes of a stream: arrays of all prices, a
//! bit a price, queues linked both ways. It knows no sessions, no rules and no risk beside one line of
//! sums, and nobody could run a venue on it.

use matcher::Side;

use crate::orders::Operation;

const NONE: u32 = u32::MAX;

/// One word of bits for 64 words of the level below, and so on: three levels, 2^18 prices.
const LEVELS: usize = 3;

#[derive(Clone, Copy)]
struct Order {
    qty: u32,
    price: u32,
    next: u32,
    prev: u32,
    id: u32,
    book: u32,
    account: u32,
    side: u32,
}

#[derive(Clone, Copy)]
struct Level {
    head: u32,
    tail: u32,
    qty: u64,
}

/// One cache line: what an order and a fill count.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Account {
    open_qty: [u64; 2],
    open_notional: u64,
    position: i64,
    open_orders: u64,
}

struct Ladder {
    best: u32,
    bits: [Vec<u64>; LEVELS],
}

/// Books side by side, as [`Mix`](crate::orders::Mix) has instruments.
pub struct Floor {
    /// The lowest price of each book.
    base: u32,
    prices: usize,
    sessions: u32,
    /// By book and side.
    ladders: Vec<[Ladder; 2]>,
    /// By book and price.
    levels: Vec<Level>,
    orders: Vec<Order>,
    free: u32,
    /// Place of each order, by id.
    places: Vec<u32>,
    accounts: Vec<Account>,
    events: Vec<[u64; 4]>,
    told: usize,
    /// Trades so far.
    pub trades: u64,
}

impl Floor {
    /// Books of prices around `middle`, for that many orders ever and resting at once.
    #[must_use]
    pub fn new(books: usize, middle: u32, orders: usize, resting: u32, sessions: u32) -> Floor {
        // Where there are many books each of them moves little.
        let prices = if books == 1 { 1 << 18 } else { 1 << 12 };
        let half = u32::try_from(prices / 2).unwrap_or(0);
        let words = |level: u32| vec![0; (prices >> (6 * (level + 1))).max(1)];
        let ladder = |best| Ladder { best, bits: [words(0), words(1), words(2)] };
        let order = |next| Order {
            qty: 0,
            price: 0,
            next,
            prev: NONE,
            id: 0,
            book: 0,
            account: 0,
            side: 0,
        };
        Floor {
            base: middle.saturating_sub(half),
            prices,
            sessions,
            ladders: (0..books).map(|_| [ladder(NONE), ladder(NONE)]).collect(),
            levels: vec![Level { head: NONE, tail: NONE, qty: 0 }; books * prices],
            orders: (1..=resting).map(order).collect(),
            free: 0,
            places: vec![NONE; orders + 2],
            accounts: vec![Account::default(); books * sessions as usize],
            events: vec![[0; 4]; 1 << 10],
            told: 0,
            trades: 0,
        }
    }

    /// Applies all of them.
    #[inline(never)]
    pub fn apply_all(&mut self, operations: &[Operation]) {
        for operation in operations {
            match *operation {
                Operation::Enter { id, instrument, side, price, qty, time_in_force } => {
                    self.enter([id, instrument, price, qty], side, time_in_force.rests());
                }
                Operation::Cancel { id } => self.cancel(id),
                Operation::Replace { id, instrument, side, price, leaves_qty, .. } => {
                    self.cancel(id);
                    self.enter([id, instrument, price, leaves_qty], side, true);
                }
            }
        }
    }

    fn tell(&mut self, event: [u64; 4]) {
        let place = self.told % self.events.len();
        self.events[place] = event;
        self.told += 1;
    }

    fn enter(&mut self, [id, book, price, qty]: [u32; 4], side: Side, rests: bool) {
        let price = price - self.base;
        let side = u32::from(side == Side::Sell);
        let account = book * self.sessions + id % self.sessions;
        self.tell([0, id.into(), price.into(), qty.into()]);
        let sums = &self.accounts[account as usize];
        if sums.open_orders > 1 << 24 || sums.open_notional > 1 << 60 || qty > 1 << 24 {
            return;
        }
        let left = self.take(id, [book, side, price, account], qty);
        if left > 0 && rests {
            self.rest(id, [book, side, price, account], left);
        } else if left > 0 {
            self.tell([2, id.into(), price.into(), left.into()]);
        }
    }

    fn take(&mut self, id: u32, [book, side, price, account]: [u32; 4], mut left: u32) -> u32 {
        let other = 1 - side;
        while left > 0 {
            let best = self.ladders[book as usize][other as usize].best;
            if best == NONE || (side == 0 && best > price) || (side == 1 && best < price) {
                break;
            }
            let place = self.level(book, best);
            let maker_place = self.levels[place].head;
            let maker = self.orders[maker_place as usize];
            let qty = left.min(maker.qty);
            left -= qty;
            self.trades += 1;
            let pair = u64::from(id) << 32 | u64::from(maker.id);
            self.tell([1, pair, best.into(), qty.into()]);
            self.fill(account, side, qty);
            self.fill(maker.account, other, qty);
            if qty == maker.qty {
                self.unlink(maker_place);
            } else {
                self.orders[maker_place as usize].qty -= qty;
                self.levels[place].qty -= u64::from(qty);
                let sums = &mut self.accounts[maker.account as usize];
                sums.open_qty[other as usize] -= u64::from(qty);
                sums.open_notional -= u64::from(qty) * u64::from(best);
            }
        }
        left
    }

    fn rest(&mut self, id: u32, [book, side, price, account]: [u32; 4], qty: u32) {
        let place = self.free;
        self.free = self.orders[place as usize].next;
        self.places[id as usize] = place;
        let level = self.level(book, price);
        let tail = self.levels[level].tail;
        self.levels[level].tail = place;
        self.levels[level].qty += u64::from(qty);
        if tail == NONE {
            self.levels[level].head = place;
            self.ladders[book as usize][side as usize].add(price, side);
        } else {
            self.orders[tail as usize].next = place;
        }
        let order = Order { qty, price, next: NONE, prev: tail, id, book, account, side };
        self.orders[place as usize] = order;
        let sums = &mut self.accounts[account as usize];
        sums.open_orders += 1;
        sums.open_qty[side as usize] += u64::from(qty);
        sums.open_notional += u64::from(qty) * u64::from(price);
    }

    fn cancel(&mut self, id: u32) {
        let place = self.places[id as usize];
        if place != NONE {
            let order = self.unlink(place);
            self.tell([3, id.into(), order.price.into(), order.qty.into()]);
        }
    }

    fn unlink(&mut self, place: u32) -> Order {
        let order = self.orders[place as usize];
        let Order { qty, price, next, prev, id, book, account, side } = order;
        let level = self.level(book, price);
        match prev {
            NONE => self.levels[level].head = next,
            prev => self.orders[prev as usize].next = next,
        }
        match next {
            NONE => self.levels[level].tail = prev,
            next => self.orders[next as usize].prev = prev,
        }
        self.levels[level].qty -= u64::from(qty);
        if prev == NONE && next == NONE {
            self.ladders[book as usize][side as usize].remove(price, side);
        }
        let sums = &mut self.accounts[account as usize];
        sums.open_orders -= 1;
        sums.open_qty[side as usize] -= u64::from(qty);
        sums.open_notional -= u64::from(qty) * u64::from(price);
        self.places[id as usize] = NONE;
        self.orders[place as usize].next = self.free;
        self.free = place;
        order
    }

    fn fill(&mut self, account: u32, side: u32, qty: u32) {
        let qty = i64::from(qty);
        self.accounts[account as usize].position += if side == 0 { qty } else { -qty };
    }

    const fn level(&self, book: u32, price: u32) -> usize {
        book as usize * self.prices + price as usize
    }
}

impl Ladder {
    fn add(&mut self, price: u32, side: u32) {
        let is_best = self.best == NONE || (price > self.best) == (side == 0);
        self.best = if is_best { price } else { self.best };
        let mut at = price;
        for words in &mut self.bits {
            words[(at >> 6) as usize] |= 1 << (at & 63);
            at >>= 6;
        }
    }

    fn remove(&mut self, price: u32, side: u32) {
        let mut at = price;
        for words in &mut self.bits {
            let word = &mut words[(at >> 6) as usize];
            *word &= !(1 << (at & 63));
            if *word != 0 {
                break;
            }
            at >>= 6;
        }
        if price == self.best {
            self.best = self.next(price, side);
        }
    }

    /// The next price away from the middle, or none.
    fn next(&self, price: u32, side: u32) -> u32 {
        let mut at = price;
        for level in 0..LEVELS {
            let word = self.bits[level][(at >> 6) as usize];
            // Two shifts, because there may be none left.
            let beyond = match side {
                0 => word & !(u64::MAX << (at & 63)),
                _ => word & (u64::MAX << (at & 63) << 1),
            };
            if beyond != 0 {
                return self.down(level, (at & !63) | nearest(beyond, side), side);
            }
            at >>= 6;
        }
        NONE
    }

    /// The price nearest to the middle below a bit of that level.
    fn down(&self, level: usize, bit: u32, side: u32) -> u32 {
        (0..level)
            .rev()
            .fold(bit, |at, level| at << 6 | nearest(self.bits[level][at as usize], side))
    }
}

const fn nearest(word: u64, side: u32) -> u32 {
    if side == 0 { word.ilog2() } else { word.trailing_zeros() }
}
