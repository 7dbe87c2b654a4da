//! The stream of orders that books are compared on, and its way into the engine.
//!
//! Integer arithmetic and one seed: the same operations on any machine. A naive book runs along while
//! they are made, so that cancels hit what rests; its trades are what the engine's must be.

use std::collections::BTreeMap;

use matcher::testing::flow::{Rng, instrument};
use matcher::{
    Ahead, Command, Engine, EventSink, Input, InstrumentId, Limits, Liquidity, MsgSeqNum, NewOrder,
    OrderKind, OrderNumber, ParticipantId, Price, Qty, ReplaceOrder, RiskLimits, Sequence,
    SessionId, Side, TimeInForce, Timestamp, Wanted,
};

/// What a stream is like.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Its name in figures.
    pub name: &'static str,
    /// Instruments; the first ones get the most of it.
    pub instruments: usize,
    /// Fewer resting orders in its instrument turn a cancel into an order.
    pub resting_low: usize,
    /// More turn an order into a cancel.
    pub resting_high: usize,
    /// Orders that come first and alone, over all instruments.
    pub preload: usize,
    /// Passive orders stand up to this many ticks from the middle, most of them near.
    pub range: u64,
    /// The middle at first, in ticks.
    pub middle: u32,
    /// Of 100 operations so many are at most passive orders, cancels or those, takers or those; the
    /// rest are replaces.
    pub parts: [u32; 3],
    /// What the naive book of a stream of 3,000,000 operations with seed 42 says.
    pub expected: Expected,
}

/// What a stream does to a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Trades.
    pub trades: u64,
    /// Sum of their quantities.
    pub qty: u64,
    /// Over taker, maker, price and quantity of each, in order.
    pub hash: u64,
}

/// 46.5 % new, 38.5 % cancel, 10 % taking, 5 % replace; about 4,500 resting on 146 levels.
pub const STANDARD: Mix = Mix {
    name: "std",
    instruments: 1,
    resting_low: 4_500,
    resting_high: 8_000,
    preload: 5_000,
    range: 50,
    middle: 50_000,
    parts: [45, 85, 95],
    expected: Expected { trades: 526_375, qty: 10_210_916, hash: 0xf499_9374_9e10_ce45 },
};

/// The same kinds of operations on 150,000 resting orders on 4,195 levels.
pub const DEEP: Mix = Mix {
    name: "deep",
    resting_low: 150_000,
    resting_high: 220_000,
    preload: 160_000,
    range: 2_000,
    expected: Expected { trades: 466_267, qty: 8_805_419, hash: 0xdfc7_80be_4c5e_7d72 },
    ..STANDARD
};

/// 82 % replaces, about 1,000 resting.
pub const REPLACES: Mix = Mix {
    name: "ecore",
    resting_low: 900,
    resting_high: 1_100,
    preload: 1_000,
    range: 400,
    parts: [9, 15, 18],
    expected: Expected { trades: 122_499, qty: 2_839_058, hash: 0x6616_d747_a52e_5526 },
    ..STANDARD
};

/// The kinds of `STANDARD` over 256 instruments.
pub const MANY: Mix = Mix {
    name: "multi",
    instruments: 256,
    resting_low: 300,
    resting_high: 1_500,
    preload: 500 * 256,
    expected: Expected { trades: 459_132, qty: 8_667_954, hash: 0x2aa2_619c_b337_4501 },
    ..STANDARD
};

/// Operations of the streams whose trades are known.
pub const OPERATIONS: usize = 3_000_000;

/// Their seed.
pub const SEED: u64 = 42;

/// One operation; orders have dense ids from 1, a replace keeps the id.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// An order comes in.
    Enter {
        /// Which.
        id: u32,
        /// In which book.
        instrument: u32,
        /// Its side.
        side: Side,
        /// Its limit.
        price: u32,
        /// How much.
        qty: u32,
        /// GTC or IOC.
        time_in_force: TimeInForce,
    },
    /// A resting order goes.
    Cancel {
        /// Which.
        id: u32,
    },
    /// A resting order moves to the end of a queue.
    Replace {
        /// Which.
        id: u32,
        /// In which book.
        instrument: u32,
        /// Its side.
        side: Side,
        /// Its new limit.
        price: u32,
        /// OrderQty(38) from now on.
        order_qty: u32,
        /// What that leaves to trade.
        leaves_qty: u32,
    },
}

/// Operations and what they do.
pub struct Stream {
    /// The operations.
    pub operations: Vec<Operation>,
    /// What the naive book says.
    pub expected: Expected,
}

/// The first `operations` operations of `mix`.
#[must_use]
pub fn stream(mix: &Mix, seed: u64, operations: usize) -> Stream {
    let books = (0..mix.instruments).map(|_| Books::new(mix.middle)).collect();
    let naive = Naive { books, ..Naive::default() };
    let mut maker = Maker { mix, rng: Rng::new(seed), naive, at: 0 };
    let mut made = Vec::with_capacity(operations);
    while made.len() < operations {
        let preload = made.len() < mix.preload;
        maker.choose_book(preload, made.len());
        if let Some(operation) = maker.next(preload) {
            made.push(operation);
        }
    }
    Stream { operations: made, expected: maker.naive.told }
}

struct Maker<'a> {
    mix: &'a Mix,
    rng: Rng,
    naive: Naive,
    /// The book of the next operation.
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    New,
    Cancel,
    Take,
    Replace,
}

impl Maker<'_> {
    fn below(&mut self, bound: u64) -> u32 {
        u32::try_from(self.rng.below(bound)).unwrap_or(0)
    }

    fn choose_book(&mut self, preload: bool, made: usize) {
        let books = self.mix.instruments;
        self.at = match books {
            1 => 0,
            _ if preload => made % books,
            // The lesser of two: the first books get more.
            _ => self.rng.index(books).min(self.rng.index(books)),
        };
    }

    fn book(&mut self) -> &mut Books {
        &mut self.naive.books[self.at]
    }

    fn next(&mut self, preload: bool) -> Option<Operation> {
        if !preload && self.below(64) == 0 {
            let up = self.below(2) == 0;
            let middle = &mut self.book().middle;
            *middle = if up { *middle + 1 } else { *middle - 1 };
        }
        let roll = self.below(100);
        let resting = self.book().resting.len();
        let [new, cancel, take] = self.mix.parts;
        let kind = match roll {
            _ if preload || roll < new => Kind::New,
            _ if roll < cancel => Kind::Cancel,
            _ if roll < take => Kind::Take,
            _ => Kind::Replace,
        };
        let kind = match kind {
            Kind::Cancel if resting < self.mix.resting_low => Kind::New,
            Kind::New if resting > self.mix.resting_high && !preload => Kind::Cancel,
            Kind::Replace if resting == 0 => Kind::New,
            kind => kind,
        };
        let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
        self.below(1_000); // The account, which we do not use.
        match kind {
            Kind::New => Some(self.passive(side, preload)),
            Kind::Cancel => Some(self.cancel()),
            Kind::Take => self.taking(side),
            Kind::Replace => Some(self.replace()),
        }
    }

    /// Price of an order that must not trade, if `clamped`.
    fn passive_price(&self, side: Side, price: u32, clamped: bool) -> u32 {
        match (side, self.naive.books[self.at].best(side.opposite())) {
            (Side::Buy, Some(ask)) if clamped => price.min(ask - 1),
            (Side::Sell, Some(bid)) if clamped => price.max(bid + 1),
            _ => price,
        }
    }

    fn passive(&mut self, side: Side, preload: bool) -> Operation {
        let u = u128::from(self.below(1 << 20));
        let cubed = u64::try_from((u * u * u) >> 40).unwrap_or(0);
        let distance = u32::try_from((cubed * self.mix.range) >> 20).unwrap_or(0);
        let qty = 1 + self.below(100);
        let clamped = preload || self.below(10) != 0;
        let middle = self.book().middle;
        let price = match side {
            Side::Buy => middle - 1 - distance,
            Side::Sell => middle + 1 + distance,
        };
        let price = self.passive_price(side, price, clamped);
        self.enter(side, price, qty, TimeInForce::Gtc)
    }

    fn enter(&mut self, side: Side, price: u32, qty: u32, time_in_force: TimeInForce) -> Operation {
        let id = self.naive.next_id();
        let order = Order { book: self.at, side, price, leaves_qty: qty, cum_qty: 0, came: 0 };
        self.naive.limit(id, order, time_in_force);
        let instrument = u32::try_from(self.at).unwrap_or(0);
        Operation::Enter { id, instrument, side, price, qty, time_in_force }
    }

    fn cancel(&mut self) -> Operation {
        let len = self.book().resting.len();
        let index = if self.below(100) < 50 {
            len - 1 - self.rng.index(len.min(200)) // One of the youngest.
        } else {
            self.rng.index(len)
        };
        let id = self.book().resting[index];
        self.naive.remove(id);
        Operation::Cancel { id }
    }

    fn taking(&mut self, side: Side) -> Option<Operation> {
        let best = self.book().best(side.opposite())?;
        let through = self.below(4);
        let price = if side == Side::Buy { best + through } else { best - through };
        let qty = if self.below(50) == 0 { 200 + self.below(400) } else { 1 + self.below(40) };
        let ioc = self.below(2) == 0;
        let time_in_force = if ioc { TimeInForce::Ioc } else { TimeInForce::Gtc };
        Some(self.enter(side, price, qty, time_in_force))
    }

    fn replace(&mut self) -> Operation {
        let index = self.rng.index(self.naive.books[self.at].resting.len());
        let id = self.book().resting[index];
        let order = self.naive.orders[id as usize];
        let more = 1 + self.below(20);
        let price = order.price + self.below(7) - 3;
        let clamped = self.below(10) != 0;
        let price = self.passive_price(order.side, price, clamped);
        let leaves_qty = order.leaves_qty + more;
        self.naive.remove(id);
        self.naive.limit(id, Order { price, leaves_qty, ..order }, TimeInForce::Gtc);
        let order_qty = order.cum_qty + leaves_qty;
        let instrument = u32::try_from(self.at).unwrap_or(0);
        Operation::Replace { id, instrument, side: order.side, price, order_qty, leaves_qty }
    }
}

#[derive(Clone, Copy)]
struct Order {
    book: usize,
    side: Side,
    price: u32,
    leaves_qty: u32,
    cum_qty: u32,
    came: u64,
}

/// Books so plain that they are right.
struct Naive {
    /// By id.
    orders: Vec<Order>,
    books: Vec<Books>,
    came: u64,
    /// Place in `resting`, by id.
    places: Vec<usize>,
    told: Expected,
}

/// Ids by the moment they came.
type Queue = BTreeMap<u64, u32>;

/// One of them.
struct Books {
    bids: BTreeMap<u32, Queue>,
    asks: BTreeMap<u32, Queue>,
    resting: Vec<u32>,
    middle: u32,
}

impl Books {
    fn new(middle: u32) -> Books {
        Books { bids: BTreeMap::new(), asks: BTreeMap::new(), resting: Vec::new(), middle }
    }

    fn queues(&mut self, side: Side) -> &mut BTreeMap<u32, Queue> {
        if side == Side::Buy { &mut self.bids } else { &mut self.asks }
    }

    fn best(&self, side: Side) -> Option<u32> {
        match side {
            Side::Buy => self.bids.keys().next_back().copied(),
            Side::Sell => self.asks.keys().next().copied(),
        }
    }
}

impl Default for Naive {
    fn default() -> Naive {
        let nobody =
            Order { book: 0, side: Side::Buy, price: 0, leaves_qty: 0, cum_qty: 0, came: 0 };
        Naive {
            orders: vec![nobody],
            books: Vec::new(),
            came: 0,
            places: vec![0],
            told: Expected { hash: HASH_START, ..Expected::default() },
        }
    }
}

impl Naive {
    fn next_id(&mut self) -> u32 {
        self.orders.push(self.orders[0]);
        self.places.push(0);
        u32::try_from(self.orders.len() - 1).unwrap_or(0)
    }

    fn limit(&mut self, id: u32, mut taker: Order, time_in_force: TimeInForce) {
        while taker.leaves_qty > 0 {
            let book = &mut self.books[taker.book];
            let Some(price) = book.best(taker.side.opposite()) else { break };
            let limit = Price::from_ticks(taker.price.into());
            if !taker.side.accepts(limit, Price::from_ticks(price.into())) {
                break;
            }
            let queue = &book.queues(taker.side.opposite())[&price];
            let Some((_, &maker_id)) = queue.first_key_value() else { break };
            let maker = &mut self.orders[maker_id as usize];
            let qty = taker.leaves_qty.min(maker.leaves_qty);
            for order in [&mut *maker, &mut taker] {
                order.leaves_qty -= qty;
                order.cum_qty += qty;
            }
            let filled = maker.leaves_qty == 0;
            self.told.traded(id, maker_id, price, qty);
            if filled {
                self.remove(maker_id);
            }
        }
        self.came += 1;
        taker.came = self.came;
        self.orders[id as usize] = taker;
        if taker.leaves_qty > 0 && time_in_force.rests() {
            let book = &mut self.books[taker.book];
            book.queues(taker.side).entry(taker.price).or_default().insert(taker.came, id);
            self.places[id as usize] = book.resting.len();
            book.resting.push(id);
        }
    }

    fn remove(&mut self, id: u32) {
        let Order { book, side, price, came, .. } = self.orders[id as usize];
        let book = &mut self.books[book];
        let queues = book.queues(side);
        if let Some(queue) = queues.get_mut(&price) {
            queue.remove(&came);
            if queue.is_empty() {
                queues.remove(&price);
            }
        }
        let place = self.places[id as usize];
        book.resting.swap_remove(place);
        if let Some(moved) = book.resting.get(place) {
            self.places[*moved as usize] = place;
        }
    }
}

const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Expected {
    /// Before the first trade.
    #[must_use]
    pub const fn nothing() -> Expected {
        Expected { trades: 0, qty: 0, hash: HASH_START }
    }

    /// Counts a trade.
    pub fn traded(&mut self, taker: u32, maker: u32, price: u32, qty: u32) {
        let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        self.trades += 1;
        self.qty += u64::from(qty);
        let a = (self.hash ^ pair(taker, maker)).wrapping_mul(HASH_FACTOR);
        let a = a ^ (a >> 29);
        let b = (a ^ pair(price, qty)).wrapping_mul(HASH_FACTOR);
        self.hash = b ^ (b >> 32);
    }
}

/// An operation as the engine is asked for it: 28 bytes, so that reading them is not what is measured.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    session: u32,
    number: u32,
    target: u32,
    price: u32,
    qty: u32,
    instrument: u32,
    kind: RequestKind,
    side: Side,
}

#[derive(Clone, Copy, Debug)]
enum RequestKind {
    Gtc,
    Ioc,
    Cancel,
    Replace,
}

impl Request {
    /// Who asks.
    #[must_use]
    #[inline]
    pub const fn session(&self) -> SessionId {
        SessionId(self.session)
    }

    /// What it will want, for who looks ahead.
    #[must_use]
    #[inline]
    pub fn wanted(&self) -> Wanted {
        let Request { session, target, instrument, side, price, .. } = *self;
        Wanted {
            session: SessionId(session),
            target: OrderNumber(target),
            instrument: InstrumentId(instrument),
            side,
            price: Price::from_ticks(price.into()),
        }
    }

    /// What is asked.
    #[must_use]
    #[inline]
    pub fn command(&self) -> Command {
        let (number, target) = (OrderNumber(self.number), OrderNumber(self.target));
        let (price, qty) = (Price::from_ticks(self.price.into()), Qty::from_lots(self.qty.into()));
        let (instrument, side) = (InstrumentId(self.instrument), self.side);
        let new = |time_in_force| {
            let (kind, liquidity) = (OrderKind::Limit(price), Liquidity::Any);
            Command::New(NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity })
        };
        match self.kind {
            RequestKind::Gtc => new(TimeInForce::Gtc),
            RequestKind::Ioc => new(TimeInForce::Ioc),
            RequestKind::Cancel => Command::Cancel { target },
            RequestKind::Replace => {
                Command::Replace(ReplaceOrder { number, target, instrument, side, price, qty })
            }
        }
    }

    /// As the Input of that Sequence.
    #[must_use]
    #[inline]
    pub fn input(&self, sequence: u64) -> Input {
        Input {
            sequence: Sequence(sequence),
            timestamp: Timestamp(sequence),
            session: self.session(),
            inbound: MsgSeqNum::NONE,
            command: self.command(),
        }
    }
}

/// Requests, and how to find an operation's id again.
pub struct Requests {
    /// In order.
    pub list: Vec<Request>,
    /// Id of each number, by session.
    ids: Vec<Vec<u32>>,
}

impl Requests {
    /// The id of an order that the engine names so.
    #[must_use]
    pub fn id(&self, session: SessionId, number: OrderNumber) -> u32 {
        self.ids[session.index()][number.0 as usize]
    }
}

/// The operations as requests of `sessions` sessions, to which the orders are dealt in turn.
#[must_use]
pub fn requests(operations: &[Operation], sessions: u32) -> Requests {
    let mut numbers = vec![0; operations.len() + 1];
    let mut ids = vec![vec![0]; sessions as usize + 1];
    let list = operations.iter().map(|operation| {
        let (Operation::Enter { id, .. }
        | Operation::Cancel { id }
        | Operation::Replace { id, .. }) = *operation;
        let session = 1 + id % sessions;
        let target = numbers[id as usize];
        let mut next = || {
            let ids = &mut ids[session as usize];
            let number = u32::try_from(ids.len()).unwrap_or(0);
            ids.push(id);
            numbers[id as usize] = number;
            number
        };
        match *operation {
            Operation::Enter { instrument, side, price, qty, time_in_force, .. } => {
                let kind = if time_in_force.rests() { RequestKind::Gtc } else { RequestKind::Ioc };
                Request { session, number: next(), target: 0, price, qty, instrument, kind, side }
            }
            Operation::Cancel { .. } => {
                let (kind, side) = (RequestKind::Cancel, Side::Buy);
                let (price, qty, instrument) = (0, 0, 0);
                Request { session, number: 0, target, price, qty, instrument, kind, side }
            }
            Operation::Replace { instrument, side, price, order_qty: qty, .. } => {
                let kind = RequestKind::Replace;
                Request { session, number: next(), target, price, qty, instrument, kind, side }
            }
        }
    });
    let list = list.collect();
    Requests { list, ids }
}

/// The Commands that make an engine ready for `sessions` sessions and the one instrument.
#[must_use]
pub fn opening(limits: Limits, sessions: u32) -> Vec<Command> {
    opening_of(limits, sessions, 1)
}

/// The same for many instruments.
#[must_use]
pub fn opening_of(limits: Limits, sessions: u32, instruments: u32) -> Vec<Command> {
    let mut commands = vec![Command::Configure(limits)];
    for id in 0..instruments {
        let symbol = if id == 0 { "VESTA".to_owned() } else { format!("VESTA{id}") };
        let instrument = instrument(&symbol, (1, 400_000), 1_000_000);
        commands.push(Command::DefineInstrument { id: InstrumentId(id), instrument });
    }
    for id in 1..=sessions {
        let (id, participant) = (SessionId(id), ParticipantId(id));
        commands.push(Command::DefineSession { id, participant });
    }
    commands
}

/// Tables that hold any of the streams.
pub const LIMITS: Limits = Limits {
    orders_max: 1 << 18,
    levels_max: 1 << 16,
    instruments_max: 256,
    sessions_max: 1 << 10,
};

/// All six limits, none of them in the way of any of the streams.
pub const GENEROUS: RiskLimits = RiskLimits {
    order_qty_max: Qty::from_lots(1_000_000),
    order_notional_max: 1 << 40,
    collar_ticks: 100_000,
    open_notional_max: 1 << 60,
    position_max: 1 << 40,
    open_orders_max: 1 << 24,
};

/// Gives every participant these limits in all instruments; returns the last Sequence given.
pub fn limit_all(engine: &mut Engine, sequence: u64, sessions: u32, limits: RiskLimits) -> u64 {
    let commands = (1..=sessions).map(|id| Command::SetRisk {
        participant: ParticipantId(id),
        instrument: InstrumentId::NONE,
        limits,
    });
    apply_venue(engine, sequence, commands)
}

/// The same in each instrument for itself, which opens all their accounts; returns the last Sequence
/// given.
pub fn limit_each(
    engine: &mut Engine,
    sequence: u64,
    (sessions, instruments): (u32, u32),
    limits: RiskLimits,
) -> u64 {
    let commands = (1..=sessions).flat_map(|id| {
        let participant = ParticipantId(id);
        let instruments = (0..instruments).map(InstrumentId);
        instruments.map(move |instrument| Command::SetRisk { participant, instrument, limits })
    });
    apply_venue(engine, sequence, commands)
}

/// An engine that is ready for one instrument, and the last Sequence given.
#[must_use]
pub fn engine(limits: Limits, sessions: u32) -> (Engine, u64) {
    engine_of(limits, sessions, 1)
}

/// The same for many instruments.
#[must_use]
pub fn engine_of(limits: Limits, sessions: u32, instruments: u32) -> (Engine, u64) {
    let mut engine = Engine::new();
    let sequence = apply_venue(&mut engine, 0, opening_of(limits, sessions, instruments));
    (engine, sequence)
}

/// Applies what the venue commands, which must not be refused; returns the last Sequence given.
fn apply_venue(
    engine: &mut Engine,
    mut sequence: u64,
    commands: impl IntoIterator<Item = Command>,
) -> u64 {
    for command in commands {
        sequence += 1;
        let input = Input {
            sequence: Sequence(sequence),
            timestamp: Timestamp(sequence),
            session: SessionId::VENUE,
            inbound: MsgSeqNum::NONE,
            command,
        };
        let mut events = Vec::new();
        engine.apply(&input, &mut events);
        let refused =
            events.iter().any(|event| matches!(event, matcher::Event::CommandRefused { .. }));
        assert!(!refused, "{command:?} was refused");
    }
    sequence
}

/// Applies all requests: the loop that the book's figures time.
#[inline(never)]
pub fn apply_all<S: EventSink>(
    engine: &mut Engine,
    mut sequence: u64,
    requests: &[Request],
    events: &mut S,
) {
    for request in requests {
        sequence += 1;
        engine.apply(&request.input(sequence), events);
    }
}

/// The same for a caller that sees requests before their turn.
#[inline(never)]
pub fn apply_all_ahead<S: EventSink>(
    engine: &mut Engine,
    mut sequence: u64,
    requests: &[Request],
    events: &mut S,
) {
    let mut ahead = Ahead::new();
    for (index, request) in requests.iter().enumerate() {
        if let Some(coming) = requests.get(index + Ahead::TURNS) {
            engine.look_ahead(&mut ahead, &coming.wanted());
        }
        sequence += 1;
        engine.apply(&request.input(sequence), events);
    }
}
