//! Market data over FIX: follows the journal beside everybody else, keeps the books, and says what is new to each
//! connection that wants it.
//!
//! It has a thread of its own in every layout, so neither the core nor the gateway's loop waits for it, and the core
//! does not even wake it: it looks at the journal at a fixed pace while somebody wants something. A request wakes it. A simulation
//! has no threads and calls [`MarketDataLoop::round`] itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feed::Depth;
use gateway::market_data::{Ask, Books, MarketData, News, Said, Subscriptions};
use journal::{Hold, Log, Position, Tail};
use matcher::{BookLevel, Command, Engine, Event, Instrument, InstrumentId, Side};

use crate::release::Release;
use crate::threads::{Fate, Sleeper};
use crate::turns::{Cutter, FollowError, Follower, TurnHead};

/// Requests that wait for this thread.
const ASKS: usize = 1 << 12;

/// Messages that wait for the gateway.
const SAID: usize = 1 << 10;

/// Frames read before requests are looked at again.
const FRAMES_A_ROUND: usize = 4_096;

/// How often the journal is looked at while nobody wants anything: so little is left to read when somebody does.
const IDLE_PACE: Duration = Duration::from_millis(250);

/// How soon it goes on when the gateway has not taken what was said.
const FULL_PACE: Duration = Duration::from_millis(1);

/// Of this thread: where CPUs are few, orders come first.
pub(crate) const NICE: i32 = 5;

/// The gateway's end.
pub(crate) struct MarketDataLink {
    asks: rtrb::Producer<Ask>,
    said: rtrb::Consumer<Said>,
    /// What did not fit: connections that are gone, and messages that were taken. Those of one connection are few.
    waiting: VecDeque<Ask>,
    thread: Arc<Sleeper>,
}

impl MarketData for MarketDataLink {
    fn ask(&mut self, ask: Ask) -> bool {
        let is_request = matches!(ask, Ask::Begin(..));
        let is_heard = !self.asks.is_abandoned();
        let has_room = is_heard && self.waiting.is_empty() && !self.asks.is_full();
        if is_request && !has_room {
            return false;
        }
        self.waiting.push_back(ask);
        self.push();
        self.thread.wake();
        true
    }

    fn next(&mut self) -> Option<Said> {
        self.push();
        self.said.pop().ok()
    }

    #[inline]
    fn has_next(&self) -> bool {
        !self.said.is_empty()
    }
}

impl MarketDataLink {
    /// Hands over what waits, as far as there is room.
    #[inline]
    fn push(&mut self) {
        while let Some(first) = self.waiting.pop_front() {
            if let Err(rtrb::PushError::Full(first)) = self.asks.push(first) {
                return self.waiting.push_front(first);
            }
        }
    }
}

/// The thread's end.
pub struct MarketDataLoop {
    asks: rtrb::Consumer<Ask>,
    said: rtrb::Producer<Said>,
    me: Arc<Sleeper>,
    tail: Tail,
    /// What is not read yet stays in the journal.
    hold: Hold,
    cutter: Cutter,
    release: Release,
    market: Market,
    subscriptions: Subscriptions,
    pace: Duration,
}

/// What a round of [`MarketDataLoop`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// There is more of the journal to read before anybody is told.
    Reads,
    /// Everybody was told what is new.
    Told {
        /// There was something.
        any: bool,
        /// The gateway has no room for the rest.
        is_full: bool,
    },
}

/// The books, as far as the journal was read.
struct Market {
    depth: Depth,
    instruments: Vec<Instrument>,
}

impl Books for Market {
    fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.index())
    }

    fn best(&self, id: InstrumentId, side: Side, depth: usize, out: &mut Vec<BookLevel>) {
        out.extend(self.depth.levels(id, side).take(depth));
    }
}

struct Reader<'a> {
    market: &'a mut Market,
    subscriptions: &'a mut Subscriptions,
}

impl Follower for Reader<'_> {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, head: &TurnHead, _: u32, event: &Event) {
        if let Some(instrument) = self.market.depth.event(event) {
            self.subscriptions.changed(instrument);
        }
        let at = head.input.timestamp;
        match (event, &head.input.command) {
            (Event::Traded(traded), _) => self.subscriptions.traded(traded, at),
            (Event::Busted(busted), _) => self.subscriptions.busted(busted, at),
            (Event::InstrumentDefined { .. }, Command::DefineInstrument { instrument, .. }) => {
                self.market.instruments.push(*instrument);
            }
            _ => {}
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// Both ends. `engine` has followed the journal up to `from`.
pub(crate) fn market_data(
    engine: &Engine,
    log: &Log,
    from: Position,
    release: Release,
    pace: Duration,
) -> (MarketDataLink, MarketDataLoop) {
    let (asks, asked) = rtrb::RingBuffer::new(ASKS);
    let (say, said) = rtrb::RingBuffer::new(SAID);
    let thread = Sleeper::parked();
    let instruments = engine.instruments().map(|(_, instrument)| *instrument).collect();
    let read = MarketDataLoop {
        asks: asked,
        said: say,
        me: Arc::clone(&thread),
        tail: log.tail(from),
        hold: log.hold(from),
        cutter: Cutter::default(),
        release,
        market: Market { depth: Depth::of(engine), instruments },
        subscriptions: Subscriptions::new(),
        pace,
    };
    (MarketDataLink { asks, said, waiting: VecDeque::new(), thread }, read)
}

impl MarketDataLoop {
    /// Wakes its thread.
    pub(crate) fn sleeper(&self) -> Arc<Sleeper> {
        Arc::clone(&self.me)
    }

    /// The end of what it has read of the journal.
    #[must_use]
    pub fn position(&self) -> Position {
        self.tail.position()
    }

    /// Goes on until the venue stops.
    ///
    /// # Errors
    ///
    /// If the journal cannot be followed.
    pub(crate) fn run(mut self, fate: &Fate, gateway: &Sleeper) -> Result<(), String> {
        let mut due = Instant::now();
        while !fate.is_stopping() {
            let now = Instant::now();
            // Between two times only requests are answered, so nobody is told changes faster by whoever asks much.
            let news = if now >= due { News::All } else { News::First };
            let Round::Told { any, is_full } = self.round(news)? else { continue };
            if any {
                gateway.wake();
            }
            if news == News::All {
                due = now + if is_full { FULL_PACE } else { self.pace };
            }
            let pause = match is_full {
                true => FULL_PACE,
                false if self.subscriptions.is_empty() => IDLE_PACE,
                false => due.saturating_duration_since(now),
            };
            let asks = &self.asks;
            self.me.park(pause, || !asks.is_empty() || fate.is_stopping());
        }
        Ok(())
    }

    /// Requests, then the journal as far as it is released, then what is new.
    ///
    /// # Errors
    ///
    /// If the journal cannot be followed.
    pub fn round(&mut self, news: News) -> Result<Round, String> {
        while let Ok(ask) = self.asks.pop() {
            self.subscriptions.ask(ask);
        }
        if self.follow().map_err(|error| error.to_string())? {
            return Ok(Round::Reads);
        }
        let room = self.said.slots();
        let mut any = false;
        let (say, subscriptions) = (&mut self.said, &mut self.subscriptions);
        let is_full = subscriptions.publish(news, &self.market, room, &mut |message| {
            let pushed = say.push(message);
            assert!(pushed.is_ok(), "there was room for it");
            any = true;
        });
        Ok(Round::Told { any, is_full })
    }

    /// Reads on, as far as the release cursor. Says whether there is more.
    fn follow(&mut self) -> Result<bool, FollowError> {
        let limit = self.release.cursor();
        let (market, subscriptions) = (&mut self.market, &mut self.subscriptions);
        let mut reader = Reader { market, subscriptions };
        for _ in 0..FRAMES_A_ROUND {
            let Some(frame) = self.tail.next(limit)? else {
                self.hold.pass(self.tail.position());
                return Ok(false);
            };
            self.cutter.frame(&frame, &mut reader)?;
        }
        self.hold.pass(self.tail.position());
        Ok(true)
    }
}
