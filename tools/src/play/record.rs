//! What the venue said during a play, and what it means for the flow.

use std::collections::HashMap;
use std::fmt;

use feed::{Message, Mirror};
use gateway::fix::decode::Message as FixMessage;
use gateway::fix::{decimal::parse_scaled, tag};
use matcher::Side;

use super::over_fix::RequestId;
use crate::judge::{Judge, JudgedTrade, Verdict};
use crate::order_flow::{Flow, Level, Request, Step};

/// Decimals of a flow's prices, and of the feed's.
const PRICE_DECIMALS: u8 = 4;

/// SecondaryExecID(527): the venue's number of a trade.
const SECONDARY_EXEC_ID: u32 = 527;

/// An ExecID(17): Sequence of the turn, place of the event in it, side of a trade.
pub(super) type ExecId = (u64, u32, u8);

/// An ExecutionReport, as far as a play looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) request: RequestId,
    pub(super) sequence: u64,
    /// Place of the event in its turn.
    index: u32,
    exec_type: u8,
    leaves: u64,
    trade: Option<Side1>,
}

/// One side of a trade.
#[derive(Clone, Copy, Debug)]
struct Side1 {
    id: u64,
    is_maker: bool,
    price: i64,
    qty: u64,
}

/// Everything that the venue said, each report once.
#[derive(Default)]
pub(super) struct Record {
    reports: Vec<Report>,
    /// By ExecID: which session was told, and in the message of which number.
    numbers: HashMap<ExecId, (usize, u32)>,
    /// Reports that came again as a resend of what we had, with the number they had.
    pub(super) repeated: u64,
    /// Reports that came with another number or to another session than before.
    pub(super) renumbered: u64,
    first_wrong: Option<String>,
}

impl Record {
    /// Takes a message of `session`; says which request it answers, if it is a new one.
    pub(super) fn message(
        &mut self,
        session: usize,
        message: &FixMessage<'_>,
        prefix: &str,
    ) -> Option<RequestId> {
        if message.msg_type() != b"8" {
            self.wrong(format_args!("the venue answered {message:?}"));
            return message.get(tag::CL_ORD_ID).and_then(|id| RequestId::parse(id, prefix));
        }
        let Some((exec_id, report)) = parse(message, prefix) else {
            self.wrong(format_args!("a report cannot be read: {message:?}"));
            return None;
        };
        let number = message.get(tag::MSG_SEQ_NUM).and_then(uint).unwrap_or(0);
        let told = (session, u32::try_from(number).unwrap_or(u32::MAX));
        match self.numbers.insert(exec_id, told) {
            None => {}
            Some(before) => {
                self.renumbered += u64::from(before != told);
                self.repeated += 1;
                return None;
            }
        }
        if report.exec_type == b'8' {
            self.wrong(format_args!("an order was rejected: {message:?}"));
        }
        self.reports.push(report);
        Some(report.request)
    }

    /// Takes a message that the session layer has recognised as a repeat.
    pub(super) fn repeated(&mut self, session: usize, message: &FixMessage<'_>, prefix: &str) {
        if message.msg_type() != b"8" {
            return;
        }
        let number = message.get(tag::MSG_SEQ_NUM).and_then(uint).unwrap_or(0);
        let told = (session, u32::try_from(number).unwrap_or(u32::MAX));
        self.repeated += 1;
        let known = parse(message, prefix).and_then(|(exec_id, _)| self.numbers.get(&exec_id));
        self.renumbered += u64::from(known != Some(&told));
    }

    /// Something else that must not be.
    pub(super) fn wrong(&mut self, what: fmt::Arguments<'_>) {
        self.first_wrong.get_or_insert_with(|| what.to_string());
    }

    /// Reports with an ExecID of their own.
    pub(super) fn reports(&self) -> u64 {
        self.reports.len() as u64
    }

    /// Whether the venue accepted the order of `request`.
    pub(super) fn accepted(&self, request: RequestId) -> bool {
        self.reports.iter().rev().any(|it| it.request == request && it.exec_type == b'0')
    }

    /// How often an order came on the book: so many orders the feed has shown by now.
    pub(super) fn places(&self, steps: &[Step]) -> u64 {
        let mut marks = Marks::new(steps.len());
        marks.reports(&self.reports, steps, steps.len());
        marks.places
    }

    /// Holds the reports and the feed against the flow.
    pub(super) fn judge(
        &self,
        flow: &Flow,
        steps: &[Step],
        feed: &[Message],
        locate: u16,
    ) -> Verdict {
        let mut judge = Judge::new(flow);
        if let Some(what) = &self.first_wrong {
            judge.wrong(format_args!("{what}"));
        }
        let mut marks = Marks::new(steps.len());
        marks.reports(&self.reports, steps, flow.commands.len());
        let trades = self.trades(flow, &mut judge);
        for (n, trades) in trades.iter().enumerate() {
            judge.trades(n, trades);
        }
        judge_feed(feed, locate, &marks, flow.commands.len(), &mut judge);
        judge.verdict()
    }

    /// The trades of each command, in order; both sides must have been told the same.
    fn trades(&self, flow: &Flow, judge: &mut Judge<'_>) -> Vec<Vec<JudgedTrade>> {
        let oid = |report: &Report| flow.commands.get(report.request.n).map_or(0, |it| it.oid);
        let makers: HashMap<u64, (&Report, Side1)> = (self.reports.iter())
            .filter_map(|report| Some((report, report.trade?)))
            .filter(|(_, side)| side.is_maker)
            .map(|(report, side)| (side.id, (report, side)))
            .collect();
        let mut trades = vec![Vec::new(); flow.commands.len()];
        let mut takers: Vec<(u64, usize, JudgedTrade)> = Vec::new();
        for report in &self.reports {
            let Some(taker) = report.trade.filter(|side| !side.is_maker) else { continue };
            let maker = makers.get(&taker.id);
            let same = |it: &&(&Report, Side1)| {
                it.1.price == taker.price
                    && it.1.qty == taker.qty
                    && it.0.sequence == report.sequence
            };
            let maker_oid = maker.filter(same).map_or(0, |(maker, _)| oid(maker));
            let JudgedTrade { price, qty, .. } =
                JudgedTrade { maker_oid, price: taker.price, qty: taker.qty };
            takers.push((taker.id, report.request.n, JudgedTrade { maker_oid, price, qty }));
        }
        if takers.len() != makers.len() {
            let (takers, makers) = (takers.len(), makers.len());
            judge.wrong(format_args!("{takers} takers and {makers} makers were told of trades"));
        }
        takers.sort_unstable_by_key(|(id, ..)| *id);
        for (_, n, trade) in takers {
            if let Some(trades) = trades.get_mut(n) {
                trades.push(trade);
            }
        }
        trades
    }
}

/// Reads an ExecutionReport.
fn parse(message: &FixMessage<'_>, prefix: &str) -> Option<(ExecId, Report)> {
    let exec_id = parse_exec_id(message.get(tag::EXEC_ID)?)?;
    let exec_type = *message.get(tag::EXEC_TYPE)?.first()?;
    let request = RequestId::parse(message.get(tag::CL_ORD_ID)?, prefix)?;
    let trade = match exec_type {
        b'F' => Some(Side1 {
            id: uint(message.get(SECONDARY_EXEC_ID).or(message.get(tag::TRD_MATCH_ID))?)?,
            is_maker: exec_id.2 == b'M',
            price: parse_scaled(message.get(tag::LAST_PX)?, PRICE_DECIMALS).ok()?,
            qty: parse_scaled(message.get(tag::LAST_QTY)?, 0).ok()?.try_into().ok()?,
        }),
        _ => None,
    };
    let leaves = parse_scaled(message.get(tag::LEAVES_QTY)?, 0).ok()?.try_into().ok()?;
    let (sequence, index, _) = exec_id;
    Some((exec_id, Report { request, sequence, index, exec_type, leaves, trade }))
}

/// Reads `12-0`, `12-1M`, `12-1T`.
fn parse_exec_id(text: &[u8]) -> Option<ExecId> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let (sequence, rest) = (uint(&text[..dash])?, &text[dash + 1..]);
    let (index, side) = match rest {
        [index @ .., side @ (b'M' | b'T')] => (index, *side),
        index => (index, 0),
    };
    Some((sequence, u32::try_from(uint(index)?).ok()?, side))
}

fn uint(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What a message of the feed is about. Orders are counted as they come on the book, from 1: what was left of
/// an order in its reports tells which do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mark {
    /// This order comes on the book.
    Added(u64),
    /// It leaves it other than by trading.
    Removed(u64),
    /// It gets smaller for the n-th time other than by trading.
    Reduced(u64, u32),
    /// This trade.
    Traded(u64),
}

/// Which command each message of the feed comes from.
struct Marks {
    commands: HashMap<Mark, usize>,
    /// By command: which order it is afterwards, 0 if it is not on the book.
    refs: Vec<u64>,
    /// Orders that came on the book.
    places: u64,
}

impl Marks {
    fn new(steps: usize) -> Marks {
        Marks { commands: HashMap::new(), refs: vec![0; steps], places: 0 }
    }

    fn reports(&mut self, reports: &[Report], steps: &[Step], end: usize) {
        // Reports of several sessions, in the order of the turns that made them.
        let mut reports: Vec<&Report> = reports.iter().collect();
        reports.sort_by_key(|report| (report.sequence, report.index));
        // What was left of an order after the turn of its report.
        let mut left: HashMap<(u64, RequestId), u64> = HashMap::new();
        for report in &reports {
            left.insert((report.sequence, report.request), report.leaves);
        }
        let rests = |report: &Report| left[&(report.sequence, report.request)] > 0;
        let mut reduced: HashMap<u64, u32> = HashMap::new();
        for report in reports {
            let RequestId { n, is_first } = report.request;
            let step = steps.get(n);
            if let Some(side) = report.trade {
                if !side.is_maker {
                    self.commands.insert(Mark::Traded(side.id), n);
                }
                continue;
            }
            let request = step.map(|step| if is_first { step.first } else { Some(step.request) });
            match (report.exec_type, request.flatten()) {
                (b'0', _) => self.enter(n, end, rests(report)),
                (b'5', Some(Request::Replace { target, keeps_place: true, .. })) => {
                    let order_ref = self.refs[target];
                    let times = reduced.entry(order_ref).or_default();
                    *times += 1;
                    self.commands.insert(Mark::Reduced(order_ref, *times), n);
                    self.name(n, order_ref);
                }
                (b'5', Some(Request::Replace { target, .. })) => {
                    self.commands.insert(Mark::Removed(self.refs[target]), n);
                    self.enter(n, end, rests(report));
                }
                (b'4', Some(Request::Cancel { target, .. })) => {
                    self.commands.insert(Mark::Removed(self.refs[target]), n);
                }
                _ => {}
            }
        }
    }

    /// An order comes in, and what is left of it on the book.
    fn enter(&mut self, n: usize, end: usize, rests: bool) {
        if rests {
            self.places += 1;
            self.commands.insert(Mark::Added(self.places), n.min(end));
        }
        self.name(n, if rests { self.places } else { 0 });
    }

    fn name(&mut self, n: usize, order_ref: u64) {
        if let Some(slot) = self.refs.get_mut(n) {
            *slot = order_ref;
        }
    }
}

/// Rebuilds the book from the feed and holds it against the rows, command by command.
fn judge_feed(
    feed: &[Message],
    locate: u16,
    marks: &Marks,
    commands: usize,
    judge: &mut Judge<'_>,
) {
    let mut mirror = Mirror::new();
    let mut seen = Seen::default();
    // The next command whose book is to be looked at, from 1; 0 is the book before the first.
    let mut next = 0;
    for message in feed {
        if message.header().stock_locate == locate {
            match seen.mark(message).map(|mark| marks.commands.get(&mark)) {
                None => {}
                Some(None) => judge.wrong(format_args!("no report knows of {message:?}")),
                Some(Some(n)) => {
                    while next <= *n {
                        judge_book(&mirror, locate, next, judge);
                        next += 1;
                    }
                    if *n + 1 < next {
                        judge.wrong(format_args!("the feed goes back to command {n}: {message:?}"));
                    }
                }
            }
        }
        if let Err(error) = mirror.apply(message) {
            judge.wrong(format_args!("the feed cannot be true: {error:?} at {message:?}"));
        }
    }
    while next <= commands {
        judge_book(&mirror, locate, next, judge);
        next += 1;
    }
}

fn judge_book(mirror: &Mirror, locate: u16, next: usize, judge: &mut Judge<'_>) {
    let after = next.checked_sub(1);
    if judge.wants_book(after) {
        let levels = |side| {
            let level = |level: feed::MirrorLevel| -> Level { (level.price.into(), level.shares) };
            mirror.levels(locate, side).map(level)
        };
        judge.book(after, levels(Side::Sell), levels(Side::Buy));
    }
}

/// What the feed has shown so far.
#[derive(Default)]
struct Seen {
    /// By reference: the how-manieth order it is.
    orders: HashMap<u64, u64>,
    reduced: HashMap<u64, u32>,
}

impl Seen {
    fn mark(&mut self, message: &Message) -> Option<Mark> {
        let order = |seen: &Seen, order_ref| seen.orders.get(&order_ref).copied().unwrap_or(0);
        Some(match message {
            Message::AddOrder(add) => self.added(add.order_ref),
            Message::OrderReplace(replace) => self.added(replace.new_order_ref),
            Message::OrderExecuted(executed) => Mark::Traded(executed.match_number),
            Message::OrderDelete(delete) => Mark::Removed(order(self, delete.order_ref)),
            Message::OrderCancel(cancel) => {
                let order = order(self, cancel.order_ref);
                let times = self.reduced.entry(order).or_default();
                *times += 1;
                Mark::Reduced(order, *times)
            }
            _ => return None,
        })
    }

    fn added(&mut self, order_ref: u64) -> Mark {
        let order = self.orders.len() as u64 + 1;
        self.orders.insert(order_ref, order);
        Mark::Added(order)
    }
}
