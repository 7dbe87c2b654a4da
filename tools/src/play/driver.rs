//! A flow through sessions into a venue: the driver. How a request is said and what answers it is [`OrderEntry`]'s.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use feed::Message;
use indicatif::ProgressBar;
use matcher::Side;

use super::PlayError;
use super::over_fix::OverFix;
use super::over_ouch::OverOuch;
use super::record::Record;
use crate::fix_conn::{FixError, FixTarget, Login};
use crate::itch_conn::{ItchConn, ItchError};
use crate::judge::Verdict;
use crate::order_flow::{Flow, Request, Step};
use crate::ouch_set::{OuchLogin, OuchTarget};

/// Requests of one session that may be under way: their order is that of the connection.
const WINDOW: usize = 64;

/// How long the venue may take for an answer while it is there.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Longest sleep in the poll.
const POLL: Duration = Duration::from_millis(500);

/// How long the feed's thread waits for bytes.
const FEED_WAIT: Duration = Duration::from_millis(50);

/// A venue to play into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where orders go in.
    pub entry: Entry,
    /// ITCH over SoupBinTCP.
    pub soup: SocketAddr,
    /// Its user and password, as far as it wants some.
    pub soup_login: (String, String),
    /// What to trade.
    pub symbol: String,
}

/// By which protocol a flow goes in; the orders are spread over the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// FIX.
    Fix {
        /// Where.
        target: FixTarget,
        /// Who logs on.
        logins: Vec<Login>,
        /// What every ClOrdID begins with.
        prefix: String,
    },
    /// OUCH.
    Ouch {
        /// Where.
        target: OuchTarget,
        /// Who logs in.
        logins: Vec<OuchLogin>,
    },
}

impl Entry {
    fn sessions(&self) -> usize {
        match self {
            Entry::Fix { logins, .. } => logins.len(),
            Entry::Ouch { logins, .. } => logins.len(),
        }
    }

    fn patience(&self) -> Duration {
        match self {
            Entry::Fix { target, .. } => target.patience,
            Entry::Ouch { target, .. } => target.patience,
        }
    }
}

/// How a flow's requests go to a venue, and how its answers come back.
pub(super) trait OrderEntry {
    /// Puts a request in line.
    fn ask(&mut self, id: RequestId, session: usize, request: &Request);

    /// Sends, and takes what comes within `timeout`; over a lost connection a new one is made, for as long as
    /// the target's patience. Says how many requests have got their answer.
    fn hear(&mut self, timeout: Duration, record: &mut Record) -> Result<usize, PlayError>;

    /// Whether a session misses messages that it has asked for.
    fn has_gap(&self) -> bool;

    /// Logins after the first ones.
    fn reconnects(&self) -> u64;

    /// Logs out, when all is said; what is left to check of it is checked.
    fn end(self, record: &mut Record) -> Result<(), PlayError>;
}

/// What came of a play into a venue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Trades and rows.
    pub verdict: Verdict,
    /// Reports, each once: an answer to a request, a side of a trade, what is left of an IOC.
    pub reports: u64,
    /// Reports that should have come and did not.
    pub reports_missing: u64,
    /// Messages that came a second time, with the number they had.
    pub reports_repeated: u64,
    /// Messages that came a second time with another number, or to another session.
    pub reports_renumbered: u64,
    /// Logins after the first ones.
    pub reconnects: u64,
    /// From the first command to the last answer.
    pub elapsed: Duration,
}

/// A request of a play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RequestId {
    /// The command.
    pub(super) n: usize,
    /// Whether it is the first of a command's two requests.
    pub(super) is_first: bool,
}

impl RequestId {
    /// Its place among all requests: they come to a venue in this order.
    pub(super) const fn place(self) -> u64 {
        self.n as u64 * 2 + if self.is_first { 0 } else { 1 }
    }

    /// The request of that place.
    pub(super) fn at(place: u64) -> RequestId {
        let n = usize::try_from(place / 2).unwrap_or(usize::MAX);
        RequestId { n, is_first: place.is_multiple_of(2) }
    }
}

/// How a play is paced and watched.
pub(super) struct Pace<'a> {
    /// Commands a second, at most.
    pub(super) rate: Option<u32>,
    /// So many times as fast as it was recorded, at most.
    pub(super) speed: Option<u32>,
    /// Told before each command; says whether to go on.
    pub(super) on_command: &'a mut dyn FnMut(usize) -> bool,
    pub(super) bar: &'a ProgressBar,
}

/// Plays `flow` into the venue at `target`.
///
/// # Errors
///
/// If the venue cannot be reached, or gives no answer. What it answers wrongly is in the result.
pub(super) fn play(flow: &Flow, target: &Target, pace: Pace<'_>) -> Result<Played, PlayError> {
    let steps = flow.plan(target.entry.sessions()).map_err(PlayError::Plan)?;
    match &target.entry {
        Entry::Fix { target: fix, logins, prefix } => {
            let feed = FeedReader::start(target)?;
            let entry = OverFix::connect(fix, logins, prefix, &target.symbol)?;
            drive(flow, &steps, target, (entry, feed), pace)
        }
        Entry::Ouch { target: ouch, logins } => {
            OverOuch::check(&steps, &target.symbol)?;
            let feed = FeedReader::start(target)?;
            let entry = OverOuch::connect(ouch, logins, &target.symbol)?;
            drive(flow, &steps, target, (entry, feed), pace)
        }
    }
}

fn drive(
    flow: &Flow,
    steps: &[Step],
    target: &Target,
    (entry, feed): (impl OrderEntry, FeedReader),
    pace: Pace<'_>,
) -> Result<Played, PlayError> {
    let mut driver = Driver { entry, steps, record: Record::default(), waiting: 0 };
    let began = Instant::now();
    for (n, step) in steps.iter().enumerate() {
        if !(pace.on_command)(n) {
            return Err(PlayError::Interrupted);
        }
        if let Some(rate) = pace.rate {
            let due = Duration::from_secs(1) * u32::try_from(n).unwrap_or(u32::MAX) / rate.max(1);
            driver.idle_until(began + due)?;
        }
        if let Some(speed) = pace.speed {
            let since = |n: usize| flow.commands.get(n).map_or(0, |it| it.since_midnight_ns);
            let due = since(n).saturating_sub(since(0)) / u64::from(speed.max(1));
            driver.idle_until(began + Duration::from_nanos(due))?;
        }
        // Over another session the order of arrival is not ours: the one before must have answered.
        let other = n > 0 && steps[n - 1].session != step.session;
        driver.await_below(if other { 1 } else { WINDOW })?;
        driver.ask(n, step);
        pace.bar.set_position(n as u64);
    }
    driver.await_below(1)?;
    let expected = reports_expected(flow, steps);
    driver.await_reports(expected)?;
    let elapsed = began.elapsed();
    let marker = driver.place_marker(flow)?;
    let (messages, locate) = feed.until(marker, &target.symbol)?;
    let Driver { entry, mut record, .. } = driver;
    let reconnects = entry.reconnects();
    entry.end(&mut record)?;
    // The two reports of the marker are not the flow's.
    let reports = record.reports().saturating_sub(2);
    let reports_missing = expected.saturating_sub(reports);
    let mut verdict = record.judge(flow, steps, &messages, locate);
    let renumbered = record.renumbered;
    if reports != expected {
        verdict.wrong(format_args!("{reports} reports instead of {expected}"));
    }
    if renumbered > 0 {
        verdict.wrong(format_args!("{renumbered} messages came again with another number"));
    }
    Ok(Played {
        verdict,
        reports,
        reports_missing,
        reports_repeated: record.repeated,
        reports_renumbered: renumbered,
        reconnects,
        elapsed,
    })
}

/// How many reports a flow must bring: an answer a request, two a trade, one for what is
/// left of an IOC.
fn reports_expected(flow: &Flow, steps: &[Step]) -> u64 {
    let of_step = |(n, step): (usize, &Step)| {
        let fills = flow.fills_of(n);
        let filled: u64 = fills.iter().map(|fill| fill.qty).sum();
        let rest = matches!(step.request, Request::New { qty, ioc: true, .. } if filled < qty);
        1 + u64::from(step.first.is_some()) + 2 * fills.len() as u64 + u64::from(rest)
    };
    steps.iter().enumerate().map(of_step).sum()
}

struct Driver<'a, E> {
    entry: E,
    steps: &'a [Step],
    record: Record,
    /// Requests without an answer.
    waiting: usize,
}

impl<E: OrderEntry> Driver<'_, E> {
    fn ask(&mut self, n: usize, step: &Step) {
        if let Some(first) = &step.first {
            self.request(RequestId { n, is_first: true }, step.session, first);
        }
        self.request(RequestId { n, is_first: false }, step.session, &step.request);
    }

    fn request(&mut self, id: RequestId, session: usize, request: &Request) {
        self.entry.ask(id, session, request);
        self.waiting += 1;
    }

    /// Hears until fewer than `bound` requests wait for their answer.
    fn await_below(&mut self, bound: usize) -> Result<(), PlayError> {
        let until = Instant::now() + ANSWER_MAX;
        while self.waiting >= bound {
            self.hear(POLL)?;
            if Instant::now() >= until {
                return Err(PlayError::NoAnswer { waiting: self.waiting });
            }
        }
        Ok(())
    }

    /// Hears until `expected` reports are there; gives up when nothing more comes.
    fn await_reports(&mut self, expected: u64) -> Result<(), PlayError> {
        /// Silence after which what has not come will not.
        const SILENCE: Duration = Duration::from_secs(3);
        let heard = |it: &Self| (it.record.reports(), it.entry.reconnects());
        let (mut seen, mut since) = (heard(self), Instant::now());
        while self.record.reports() < expected && since.elapsed() < SILENCE {
            self.hear(FEED_WAIT)?;
            // What was missed comes behind a login, which may have waited for long.
            if heard(self) != seen || self.entry.has_gap() {
                (seen, since) = (heard(self), Instant::now());
            }
        }
        Ok(())
    }

    fn idle_until(&mut self, due: Instant) -> Result<(), PlayError> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.hear(left.min(POLL))?;
        }
    }

    fn hear(&mut self, timeout: Duration) -> Result<(), PlayError> {
        let answered = self.entry.hear(timeout, &mut self.record)?;
        self.waiting = self.waiting.saturating_sub(answered);
        Ok(())
    }

    /// Enters and cancels an order far from the market: when the feed shows it, it has shown
    /// everything before it. Returns how many orders the feed has shown with it.
    fn place_marker(&mut self, flow: &Flow) -> Result<u64, PlayError> {
        let n = self.steps.len();
        let bids = flow.commands.iter().filter(|command| command.side == Side::Buy);
        let price = bids.map(|command| command.price).min().unwrap_or(1);
        let marker = self.record.places(self.steps) + 1;
        let id = RequestId { n, is_first: false };
        let order = Request::New { side: Side::Buy, price, qty: 1, ioc: false };
        self.request(id, 0, &order);
        self.await_below(1)?;
        if !self.record.accepted(id) {
            return Err(PlayError::NoMarker);
        }
        let cancel = Request::Cancel { target: n, side: Side::Buy };
        self.request(RequestId { n: n + 1, is_first: false }, 0, &cancel);
        self.await_below(1)?;
        Ok(marker)
    }
}

/// A thread that reads the feed from its first message on.
struct FeedReader(Receiver<Result<Message, ItchError>>);

impl FeedReader {
    fn start(target: &Target) -> Result<FeedReader, PlayError> {
        let (user, password) = &target.soup_login;
        let mut conn = ItchConn::connect(target.soup, user, password, 1, FEED_WAIT)
            .map_err(PlayError::Feed)?;
        let patience = target.entry.patience();
        let (sender, receiver) = channel();
        let read = move || {
            let mut heard = true;
            while heard {
                let result =
                    conn.poll(&mut |_, message| heard &= sender.send(Ok(*message)).is_ok());
                let result = match result {
                    Err(error) if error.may_go_on() => conn.reconnect(patience),
                    other => other,
                };
                if let Err(error) = result {
                    // Nobody to tell means that nobody waits for more.
                    let _ = sender.send(Err(error));
                    return;
                }
            }
        };
        let named = std::thread::Builder::new().name("vesta-play-feed".into());
        named.spawn(read).map_err(|error| PlayError::Fix(FixError::Kernel(error)))?;
        Ok(FeedReader(receiver))
    }

    /// Everything before the `marker`-th order of the instrument, and its number.
    fn until(self, marker: u64, symbol: &str) -> Result<(Vec<Message>, u16), PlayError> {
        let (mut messages, mut locate, mut orders) = (Vec::new(), 0, 0);
        loop {
            let message = match self.0.recv_timeout(ANSWER_MAX) {
                Ok(message) => message.map_err(PlayError::Feed)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(PlayError::FeedEnds { marker });
                }
            };
            match &message {
                Message::AddOrder(_) | Message::OrderReplace(_)
                    if message.header().stock_locate == locate =>
                {
                    orders += 1;
                    if orders == marker {
                        return Ok((messages, locate));
                    }
                }
                Message::StockDirectory(it) if it.stock.as_bytes() == symbol.as_bytes() => {
                    locate = it.header.stock_locate;
                }
                _ => {}
            }
            messages.push(message);
        }
    }
}
