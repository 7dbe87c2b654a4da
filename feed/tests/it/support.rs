//! What several tests need: random numbers, hex, an engine that publishes.

use feed::message::Message;
use feed::{Depth, Mirror, Publisher, decode};
use matcher::testing::Reference;
use matcher::{
    BookLevel, Command, Engine, Event, Input, Instrument, InstrumentId, Limits, MsgSeqNum,
    OrderRef, ParticipantId, Phase, Price, Qty, Sequence, SessionId, Side, Symbol, Timestamp,
};

/// Random numbers that are the same everywhere: an xorshift over a Weyl sequence.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x ^= x >> 32;
        x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        x ^= x >> 32;
        x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        x ^ (x >> 32)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }
}

/// Bytes from hex with spaces anywhere.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    assert!(digits.len().is_multiple_of(2), "odd number of hex digits in {text}");
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

pub(crate) fn instrument(symbol: &str, price_decimals: u8, tick_size: u32) -> Instrument {
    Instrument {
        symbol: Symbol::new(symbol.as_bytes()).unwrap(),
        price_decimals,
        qty_decimals: 0,
        tick_size,
        lot_size: 1,
        qty_min: Qty::from_lots(1),
        qty_max: Qty::from_lots(1_000_000),
        price_min: Price::from_ticks(0),
        price_max: Price::from_ticks(20_000),
        phase: Phase::Continuous,
    }
}

/// An Input for the publisher alone.
pub(crate) fn input(sequence: u64, timestamp_ns: u64, command: Command) -> Input {
    Input {
        sequence: Sequence(sequence),
        timestamp: Timestamp(timestamp_ns),
        session: SessionId::VENUE,
        inbound: MsgSeqNum::NONE,
        command,
    }
}

/// One turn as the journal would hold it.
pub(crate) struct Turn {
    pub(crate) input: Input,
    pub(crate) events: Vec<Event>,
    /// What was published of it.
    pub(crate) messages: Vec<Vec<u8>>,
}

/// What takes Inputs and has books: the engine, and the slow one that the matcher's tests hold it to.
pub(crate) trait Books: Default {
    fn events(&mut self, input: &Input) -> Vec<Event>;

    /// What is displayed of each order of a side, best first.
    fn queue(&self, instrument: InstrumentId, side: Side) -> Vec<(OrderRef, Price, Qty)>;
}

impl Books for Engine {
    fn events(&mut self, input: &Input) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        self.apply(input, &mut events);
        events
    }

    fn queue(&self, instrument: InstrumentId, side: Side) -> Vec<(OrderRef, Price, Qty)> {
        let book = self.book(instrument).unwrap();
        book.orders(side).map(|order| (order.order_ref, order.price, order.displayed_qty)).collect()
    }
}

impl Books for Reference {
    fn events(&mut self, input: &Input) -> Vec<Event> {
        self.apply(input)
    }

    fn queue(&self, instrument: InstrumentId, side: Side) -> Vec<(OrderRef, Price, Qty)> {
        let queue = Reference::queue(self, instrument, side);
        queue.iter().map(|order| (order.order_ref, order.price, order.displayed_qty)).collect()
    }
}

/// An engine whose turns are published into a mirror, which must always show the same books.
#[derive(Default)]
pub(crate) struct Market<B = Engine> {
    pub(crate) engine: B,
    pub(crate) publisher: Publisher,
    pub(crate) mirror: Mirror,
    pub(crate) depth: Depth,
    pub(crate) now: Timestamp,
    instruments: Vec<Instrument>,
    sessions: u32,
    sequence: u64,
}

impl<B: Books> Market<B> {
    pub(crate) fn new() -> Market<B> {
        // 2026-01-02 09:30:00 UTC.
        Market { now: Timestamp(1_767_346_200_000_000_000), ..Market::default() }
    }

    pub(crate) fn configure(&mut self) -> Turn {
        self.venue(Command::Configure(Limits {
            orders_max: 10_000,
            levels_max: 10_000,
            instruments_max: 16,
            sessions_max: 32,
        }))
    }

    pub(crate) fn define_session(&mut self) -> SessionId {
        self.sessions += 1;
        let id = self.sessions;
        self.venue(Command::DefineSession { id: SessionId(id), participant: ParticipantId(id) });
        SessionId(id)
    }

    pub(crate) fn define_instrument(&mut self, instrument: Instrument) -> (InstrumentId, Turn) {
        let id = InstrumentId(u32::try_from(self.instruments.len()).unwrap());
        (id, self.venue(Command::DefineInstrument { id, instrument }))
    }

    pub(crate) fn venue(&mut self, command: Command) -> Turn {
        self.turn(SessionId::VENUE, command)
    }

    pub(crate) fn turn(&mut self, session: SessionId, command: Command) -> Turn {
        self.sequence += 1;
        self.now.0 += 1_000;
        self.apply(Input {
            sequence: Sequence(self.sequence),
            timestamp: self.now,
            session,
            inbound: MsgSeqNum::NONE,
            command,
        })
    }

    pub(crate) fn apply(&mut self, input: Input) -> Turn {
        let turn = input.sequence;
        let events = self.engine.events(&input);
        if let (Command::DefineInstrument { instrument, .. }, [Event::InstrumentDefined { .. }]) =
            (&input.command, events.as_slice())
        {
            self.instruments.push(*instrument);
        }
        let mut messages: Vec<Vec<u8>> = Vec::new();
        self.publisher.turn(&input, &events, &mut messages);
        for bytes in &messages {
            let message = decode(bytes).unwrap();
            if let Err(error) = self.mirror.apply(&message) {
                panic!("turn {turn}: {error}: {message:?}");
            }
        }
        for event in &events {
            self.depth.event(event);
        }
        self.compare(turn);
        Turn { input, events, messages }
    }

    /// The books of the mirror against those of the engine: levels, and the queue at each of them.
    fn compare(&self, turn: Sequence) {
        let (mut orders_len, mut displayed_len) = (0, 0);
        for (id, instrument) in (0..).map(InstrumentId).zip(&self.instruments) {
            for side in [Side::Buy, Side::Sell] {
                let queue = self.engine.queue(id, side);
                let levels = queue.chunk_by(|one, next| one.1 == next.1).map(|level| BookLevel {
                    price: level[0].1,
                    qty: Qty::from_lots(level.iter().map(|order| order.2.lots()).sum()),
                    orders: u32::try_from(level.len()).unwrap(),
                });
                assert!(self.depth.levels(id, side).eq(levels), "depth differs in turn {turn}");
                displayed_len += queue.len();
            }
            let locate = u16::try_from(id.0 + 1).unwrap();
            let Some(scale) = self.publisher.scale(locate) else {
                assert!(
                    Publisher::check(instrument).is_err() && self.mirror.stock(locate).is_none()
                );
                continue;
            };
            for side in [Side::Buy, Side::Sell] {
                let queue: Vec<(u64, u32, u64)> = self
                    .engine
                    .queue(id, side)
                    .iter()
                    .map(|(place, price, qty)| {
                        (place.0, scale.to_feed(*price).unwrap(), qty.lots())
                    })
                    .collect();
                let ours = queue.chunk_by(|one, next| one.1 == next.1).map(|level| {
                    let shares: u64 = level.iter().map(|order| order.2).sum();
                    (level[0].1, shares, u32::try_from(level.len()).unwrap())
                });
                let theirs = self
                    .mirror
                    .levels(locate, side)
                    .map(|level| (level.price, level.shares, level.orders));
                assert!(ours.eq(theirs), "levels differ in turn {turn}");
                let theirs = self
                    .mirror
                    .orders(locate, side)
                    .map(|order| (order.order_ref, order.price, u64::from(order.shares)));
                assert!(queue.iter().copied().eq(theirs), "orders differ in turn {turn}");
                orders_len += self.mirror.orders(locate, side).count();
            }
            let top = self.mirror.best(locate);
            assert_eq!(top.bid, self.mirror.levels(locate, Side::Buy).next());
            assert_eq!(top.ask, self.mirror.levels(locate, Side::Sell).next());
        }
        assert_eq!(self.mirror.orders_len(), orders_len);
        assert_eq!(self.depth.orders_len(), displayed_len);
    }
}

pub(crate) fn message(bytes: &[u8]) -> Message {
    decode(bytes).unwrap()
}
