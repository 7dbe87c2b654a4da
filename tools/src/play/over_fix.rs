//! A flow through FIX sessions into a venue: the driver.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use feed::Message;
use gateway::fix::encode::Encoder;
use gateway::fix::tag;
use indicatif::ProgressBar;
use matcher::{Side, Timestamp};
use venue::clock;

use super::PlayError;
use super::record::Record;
use crate::fix_conn::{FixError, FixSet, FixTarget, Heard, Login};
use crate::itch_conn::{ItchConn, ItchError};
use crate::judge::Verdict;
use crate::order_flow::{Flow, Request, Step};

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
    /// FIX.
    pub fix: FixTarget,
    /// Who logs on; the orders are spread over these.
    pub logins: Vec<Login>,
    /// ITCH over SoupBinTCP.
    pub soup: SocketAddr,
    /// Its user and password, as far as it wants some.
    pub soup_login: (String, String),
    /// What to trade.
    pub symbol: String,
    /// What every ClOrdID begins with.
    pub prefix: String,
}

/// What came of a play over FIX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Trades and rows.
    pub verdict: Verdict,
    /// ExecutionReports, each ExecID once.
    pub reports: u64,
    /// Reports that should have come and did not.
    pub reports_missing: u64,
    /// Reports that came a second time, with the number they had.
    pub reports_repeated: u64,
    /// Reports that came a second time with another number, or to another session.
    pub reports_renumbered: u64,
    /// Logons after the first ones.
    pub reconnects: u64,
    /// From the first command to the last answer.
    pub elapsed: Duration,
}

/// A request of a play, as its ClOrdID names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RequestId {
    /// The command.
    pub(super) n: usize,
    /// Whether it is the first of a command's two requests.
    pub(super) is_first: bool,
}

impl RequestId {
    pub(super) fn parse(cl_ord_id: &[u8], prefix: &str) -> Option<RequestId> {
        let text = std::str::from_utf8(cl_ord_id).ok()?.strip_prefix(prefix)?;
        let (digits, is_first) = match text.strip_suffix('f') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        Some(RequestId { n: digits.parse().ok()?, is_first })
    }

    fn text(self, prefix: &str) -> String {
        format!("{prefix}{}{}", self.n, if self.is_first { "f" } else { "" })
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
    let steps = flow.plan(target.logins.len()).map_err(PlayError::Plan)?;
    let feed = FeedReader::start(target)?;
    let set = FixSet::connect(target.fix.clone(), &target.logins).map_err(PlayError::Fix)?;
    let mut driver = Driver { set, target, steps: &steps, record: Record::default(), waiting: 0 };
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
    let expected = reports_expected(flow, &steps);
    driver.await_reports(expected)?;
    let elapsed = began.elapsed();
    let marker = driver.place_marker(flow)?;
    let (messages, locate) = feed.until(marker, &target.symbol)?;
    let Driver { mut set, record, .. } = driver;
    let reconnects = set.reconnects();
    set.logout(Duration::from_secs(2), &mut |_, _| {});
    // The two reports of the marker are not the flow's.
    let reports = record.reports().saturating_sub(2);
    let reports_missing = expected.saturating_sub(reports);
    let mut verdict = record.judge(flow, &steps, &messages, locate);
    let renumbered = record.renumbered;
    if reports != expected {
        verdict.wrong(format_args!("{reports} reports instead of {expected}"));
    }
    if renumbered > 0 {
        verdict.wrong(format_args!("{renumbered} reports came again with another number"));
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

/// How many ExecutionReports a flow must bring: an answer a request, two a trade, one for what is
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

struct Driver<'a> {
    set: FixSet,
    target: &'a Target,
    steps: &'a [Step],
    record: Record,
    /// Requests without an answer.
    waiting: usize,
}

impl Driver<'_> {
    fn ask(&mut self, n: usize, step: &Step) {
        let now = clock::now();
        if let Some(first) = &step.first {
            self.request(RequestId { n, is_first: true }, step.session, first, now);
        }
        self.request(RequestId { n, is_first: false }, step.session, &step.request, now);
    }

    fn request(&mut self, id: RequestId, session: usize, request: &Request, now: Timestamp) {
        let Target { prefix, symbol, .. } = self.target;
        let text = id.text(prefix);
        let name = |target: usize| RequestId { n: target, is_first: false }.text(prefix);
        let (kind, target): (&[u8], _) = match *request {
            Request::New { .. } => (b"D", None),
            Request::Cancel { target, .. } => (b"F", Some(name(target))),
            Request::Replace { target, .. } => (b"G", Some(name(target))),
        };
        self.set.send(session, now, kind, |message| {
            message.bytes(tag::CL_ORD_ID, text.as_bytes());
            if let Some(target) = &target {
                message.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            }
            message.bytes(tag::SYMBOL, symbol.as_bytes());
            write_terms(message, request, now);
        });
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
        let (mut seen, mut since) = (self.record.reports(), Instant::now());
        while self.record.reports() < expected && since.elapsed() < SILENCE {
            self.hear(FEED_WAIT)?;
            if self.record.reports() != seen || self.set.has_gap() {
                (seen, since) = (self.record.reports(), Instant::now());
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

    /// Sends, and takes what comes; over a lost connection a new one is made, for as long as the
    /// target's patience.
    fn hear(&mut self, timeout: Duration) -> Result<(), PlayError> {
        let Driver { set, target, record, waiting, .. } = self;
        let mut heard = |session: usize, heard: Heard<'_>| match heard {
            Heard::Application(message) => {
                let first = record.message(session, &message, &target.prefix);
                let is_answer =
                    !matches!(message.get(tag::EXEC_TYPE), Some(b"F")) && !is_rest_of_ioc(&message);
                *waiting -= usize::from(first.is_some() && is_answer).min(*waiting);
            }
            Heard::Repeated(message) => record.repeated(session, &message, &target.prefix),
            Heard::Rejected(message) => record.wrong(format_args!("the venue refused {message:?}")),
        };
        match set.poll(Some(timeout), &mut heard) {
            Ok(()) => Ok(()),
            Err(FixError::Lost { .. }) => set.reconnect(&mut heard).map_err(PlayError::Fix),
            Err(error) => Err(PlayError::Fix(error)),
        }
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
        let now = clock::now();
        self.request(id, 0, &order, now);
        self.await_below(1)?;
        if !self.record.accepted(id) {
            return Err(PlayError::NoMarker);
        }
        let cancel = Request::Cancel { target: n, side: Side::Buy };
        self.request(RequestId { n: n + 1, is_first: false }, 0, &cancel, now);
        self.await_below(1)?;
        Ok(marker)
    }
}

/// The second report of an IOC that did not trade whole: what was left of it is canceled. A cancel that
/// was asked for names the order in OrigClOrdID(41).
fn is_rest_of_ioc(message: &gateway::fix::decode::Message<'_>) -> bool {
    message.get(tag::EXEC_TYPE) == Some(b"4") && message.get(tag::ORIG_CL_ORD_ID).is_none()
}

/// What a request says beside the names of its orders and the symbol.
pub(crate) fn write_terms(message: &mut Encoder<'_>, request: &Request, now: Timestamp) {
    let (side, terms) = match *request {
        Request::New { side, price, qty, ioc } => {
            (side, Some((price, qty, if ioc { b'3' } else { b'1' })))
        }
        Request::Replace { side, price, order_qty, .. } => (side, Some((price, order_qty, b'1'))),
        Request::Cancel { side, .. } => (side, None),
    };
    message.char(tag::SIDE, if side == Side::Buy { b'1' } else { b'2' });
    message.utc(tag::TRANSACT_TIME, now);
    if let Some((price, qty, time_in_force)) = terms {
        message.uint(tag::ORDER_QTY, qty).char(tag::ORD_TYPE, b'2');
        message.decimal(tag::PRICE, price, 4).char(tag::TIME_IN_FORCE, time_in_force);
    }
}

/// A thread that reads the feed from its first message on.
struct FeedReader(Receiver<Result<Message, ItchError>>);

impl FeedReader {
    fn start(target: &Target) -> Result<FeedReader, PlayError> {
        let (user, password) = &target.soup_login;
        let mut conn = ItchConn::connect(target.soup, user, password, 1, FEED_WAIT)
            .map_err(PlayError::Feed)?;
        let patience = target.fix.patience;
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
