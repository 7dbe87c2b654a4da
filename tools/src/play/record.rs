//! What the venue said during a play, and what it means for the flow.

use std::collections::HashMap;
use std::fmt;

use feed::{Message, Mirror};
use matcher::Side;

use super::driver::RequestId;
use crate::judge::{Judge, JudgedTrade, Verdict};
use crate::order_flow::{Flow, Level, Request, Step};

/// What tells a report from all others.
///
/// Over FIX it is the ExecID(17); over OUCH the number of a trade or of a request, the order and the kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReportId(pub(super) u64, pub(super) u64, pub(super) u8);

/// Which session was told, and in the message of which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) session: usize,
    pub(super) number: u64,
}

/// What was said of an order, as far as a play looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// The request that it answers, or whose order it is about.
    pub(super) request: RequestId,
    /// Place of its turn of the core among the others. Of the side of a trade that was resting it does not count.
    pub(super) turn: u64,
    /// What both sides of a trade must have in common, since one turn told them.
    pub(super) turn_mark: u64,
    /// Place of the event in its turn.
    pub(super) index: u64,
    /// ExecType(150): 0 new, 4 canceled, 5 replaced, 8 rejected, F trade.
    pub(super) exec_type: u8,
    /// What is open of the order.
    pub(super) leaves: u64,
    /// Of a trade.
    pub(super) fill: Option<Fill>,
}

/// One side of a trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    pub(super) id: u64,
    pub(super) is_maker: bool,
    pub(super) price: i64,
    pub(super) qty: u64,
}

/// Everything that the venue said, each report once.
#[derive(Default)]
pub(super) struct Record {
    reports: Vec<Report>,
    told: HashMap<ReportId, Told>,
    /// Messages that came again as a resend of what we had, with the number they had.
    pub(super) repeated: u64,
    /// Messages that came with another number or to another session than before.
    pub(super) renumbered: u64,
    first_wrong: Option<String>,
}

impl Record {
    /// Takes a report; says whether it is a new one.
    pub(super) fn report(&mut self, id: ReportId, told: Told, report: Report) -> bool {
        match self.told.insert(id, told) {
            None => {
                self.reports.push(report);
                true
            }
            Some(before) => {
                self.renumbered += u64::from(before != told);
                self.repeated += 1;
                false
            }
        }
    }

    /// Takes a report that the session layer has recognised as a repeat.
    pub(super) fn repeated(&mut self, id: Option<ReportId>, told: Told) {
        self.repeated += 1;
        let known = id.and_then(|id| self.told.get(&id));
        self.renumbered += u64::from(known != Some(&told));
    }

    /// A message came again because it was asked for again: with the number and the bytes that it had, or not.
    pub(super) fn again(&mut self, same: bool) {
        self.repeated += 1;
        self.renumbered += u64::from(!same);
    }

    /// Something else that must not be.
    pub(super) fn wrong(&mut self, what: fmt::Arguments<'_>) {
        self.first_wrong.get_or_insert_with(|| what.to_string());
    }

    /// Reports, each once.
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
        let makers: HashMap<u64, (&Report, Fill)> = (self.reports.iter())
            .filter_map(|report| Some((report, report.fill?)))
            .filter(|(_, side)| side.is_maker)
            .map(|(report, side)| (side.id, (report, side)))
            .collect();
        let mut trades = vec![Vec::new(); flow.commands.len()];
        let mut takers: Vec<(u64, usize, JudgedTrade)> = Vec::new();
        for report in &self.reports {
            let Some(taker) = report.fill.filter(|side| !side.is_maker) else { continue };
            let maker = makers.get(&taker.id);
            let same = |it: &&(&Report, Fill)| {
                it.1.price == taker.price
                    && it.1.qty == taker.qty
                    && it.0.turn_mark == report.turn_mark
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
        reports.sort_by_key(|report| (report.turn, report.index));
        // What was left of an order after the turn of its report.
        let mut left: HashMap<(u64, RequestId), u64> = HashMap::new();
        for report in &reports {
            left.insert((report.turn, report.request), report.leaves);
        }
        let rests = |report: &Report| left[&(report.turn, report.request)] > 0;
        let mut reduced: HashMap<u64, u32> = HashMap::new();
        for report in reports {
            let RequestId { n, is_first } = report.request;
            let step = steps.get(n);
            if let Some(side) = report.fill {
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
