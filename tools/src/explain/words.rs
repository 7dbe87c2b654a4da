//! The life of an order as lines for a person.

use matcher::{
    CancelReason, Command, Event, Fill, InstrumentId, Notional, Priority, Qty, SessionId,
    Timestamp, Traded,
};
use venue::Names;
use venue::turns::{Follower, TurnHead};

use super::find::turn_at;
use super::life::{End, Life, Stop};
use super::look::Found;
use super::queue::{Ahead, Why};
use crate::describe;
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::text::{Decimal, Rfc3339, TimeOfDay};

/// Changes of the queue that are told between two stops where not all are asked for.
const CHANGES_TOLD: usize = 4;

/// How much of the queue is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The first and the last changes between two stops.
    Ends,
    /// Every change.
    All,
}

/// What is printed.
pub(super) struct Told {
    pub(super) lines: Vec<String>,
    /// How it ended, in a line.
    pub(super) end: String,
}

/// Tells it.
pub(super) fn tell(journal: &JournalArgs, found: &Found, detail: Detail) -> Result<Told, Failure> {
    let Found { names, life, .. } = found;
    let mut teller = Teller { life, names, lines: Vec::new(), last: None, begun: None };
    let mut ahead = found.ahead.iter().peekable();
    teller.title();
    for stop in &life.stops {
        let at = (stop.head.input.sequence.0, stop.event.as_ref().map_or(0, |(index, _)| *index));
        let mut changes = Vec::new();
        while let Some(change) = ahead.next_if(|it| (it.sequence, it.index) < at) {
            changes.push(change);
        }
        teller.changes(&changes, detail);
        teller.stop(stop);
        if let Some(change) = ahead.next_if(|it| (it.sequence, it.index) == at) {
            teller.line(None, &format!("before it in the queue: {}", before(change, names)));
        }
    }
    let rest: Vec<&Ahead> = ahead.collect();
    teller.changes(&rest, detail);
    let end = teller.end();
    teller.lines.push(format!("end: {end}"));
    for turn in &found.later {
        let mut after = After { names, lines: Vec::new() };
        turn_at(journal, *turn, &mut after)?;
        teller.lines.extend(after.lines);
    }
    Ok(Told { lines: teller.lines, end })
}

struct Teller<'a> {
    life: &'a Life,
    names: &'a Names,
    lines: Vec<String>,
    /// Time of the line before.
    last: Option<Timestamp>,
    /// Time of the first request.
    begun: Option<Timestamp>,
}

impl Teller<'_> {
    fn title(&mut self) {
        let life = self.life;
        let numbers: Vec<String> = life.numbers.iter().map(ToString::to_string).collect();
        let session = self.names.session(life.session);
        let id = life.order_id.map_or("no order".into(), |id| format!("order {id}"));
        self.lines.push(format!("{id}, {session}:{}", numbers.join(", then ")));
    }

    /// A line; with a head the time and how long after the line before.
    fn line(&mut self, head: Option<(u64, Timestamp)>, what: &str) {
        let Some((sequence, time)) = head else {
            self.lines.push(format!("{:>10} {:>18} {:>12}   {what}", "", "", ""));
            return;
        };
        let since = self.last.map_or(String::new(), |last| format!("+{}", span(last, time)));
        self.lines.push(format!("{sequence:>10} {} {since:>12} {what}", TimeOfDay(time)));
        self.begun.get_or_insert(time);
        self.last = Some(time);
    }

    fn stop(&mut self, stop: &Stop) {
        let head = &stop.head;
        match &stop.event {
            None => {
                let place = Some((head.input.sequence.0, head.input.timestamp));
                let what = describe::input(head, self.names);
                self.line(place, &what);
            }
            Some((_, event)) => {
                let what = self.happened(event);
                self.line(None, &what);
            }
        }
    }

    fn changes(&mut self, changes: &[&Ahead], detail: Detail) {
        let told = match detail {
            Detail::All => changes.len(),
            Detail::Ends => CHANGES_TOLD,
        };
        let left_out = changes.len().saturating_sub(told);
        for (index, change) in changes.iter().enumerate() {
            // The first and the last ones say most.
            let kept = index < told / 2 || index >= told / 2 + left_out;
            if index == told / 2 && left_out > 0 {
                self.line(None, &format!("… {left_out} changes more of the queue: --queue"));
            }
            if kept {
                let what = format!(
                    "before it in the queue: {} ({})",
                    before(change, self.names),
                    why(change.why, self.names)
                );
                self.line(Some((change.sequence().0, change.time)), &what);
            }
        }
    }

    fn happened(&self, event: &Event) -> String {
        let names = self.names;
        let told = |msg: u32| if msg == 0 { String::new() } else { format!(", told in out#{msg}") };
        match event {
            Event::Accepted(it) => format!("accepted{}", told(it.msg.0)),
            Event::Rejected(it) => format!("refused: {}{}", it.reason.text(), told(it.msg.0)),
            Event::Rested(it) => format!(
                "rests on the book: {} {} @ {}, place {}",
                describe::side(it.side),
                describe::qty(it.leaves_qty, it.instrument, names),
                describe::price(it.price, it.instrument, names),
                it.order_ref
            ),
            Event::Traded(it) => self.traded(it),
            Event::Canceled(it) => format!(
                "canceled, {} not done: {}{}",
                describe::qty(it.canceled_qty, it.instrument, names),
                because(it.reason),
                told(it.msg.0)
            ),
            Event::Replaced(it) => format!(
                "replaced: now number {}, {} left @ {}; {}{}",
                it.number,
                describe::qty(it.leaves_qty, it.instrument, names),
                describe::price(it.price, it.instrument, names),
                match it.priority {
                    Priority::Kept if it.leaves_qty == it.old_leaves_qty => {
                        "as large as it was, the place is kept"
                    }
                    Priority::Kept => "less quantity at the same price keeps the place",
                    Priority::Lost => "the place is lost",
                },
                told(it.msg.0)
            ),
            Event::CancelRejected(it) => {
                format!("the request is refused: {}{}", it.reason.text(), told(it.msg.0))
            }
            other => describe::event(other, names),
        }
    }

    fn traded(&self, it: &Traded) -> String {
        let ours = |fill: &Fill| self.life.is_ours(fill.session, fill.number);
        let (mine, other, role) = if ours(&it.maker) {
            (&it.maker, &it.taker, "as maker")
        } else {
            (&it.taker, &it.maker, "as taker")
        };
        let names = self.names;
        format!(
            "trades {} @ {} {role} with {} (order {}), trade {}: {} done, {} left, told in out#{}",
            describe::qty(it.qty, it.instrument, names),
            describe::price(it.price, it.instrument, names),
            describe::who(other.session, other.number, names),
            other.order_id,
            it.id,
            describe::qty(mine.cum_qty, it.instrument, names),
            describe::qty(mine.leaves_qty, it.instrument, names),
            mine.msg
        )
    }

    fn end(&self) -> String {
        let (cum_qty, fills) = self.life.done();
        let instrument = self.instrument();
        let done = match fills {
            0 => "nothing done".into(),
            _ => format!(
                "{} done in {fills} trades at {} on average",
                describe::qty(cum_qty, instrument, self.names),
                self.average(cum_qty, instrument)
            ),
        };
        let after = match (self.begun, self.life.stops.last()) {
            (Some(begun), Some(last)) => {
                format!(", {} after it was entered", span(begun, last.head.input.timestamp))
            }
            _ => String::new(),
        };
        match self.life.end {
            End::Working => format!("it works: {done}"),
            End::Filled => format!("filled: {done}{after}"),
            End::Canceled(reason) => format!("canceled, {}: {done}{after}", because(reason)),
            End::Rejected => "refused: it never was an order".into(),
        }
    }

    fn instrument(&self) -> InstrumentId {
        let mut requests = self.life.stops.iter().filter(|stop| stop.event.is_none());
        let named = requests.find_map(|stop| match stop.head.input.command {
            Command::New(new) | Command::NewSpecial(new, _) => Some(new.instrument),
            _ => None,
        });
        named.unwrap_or(InstrumentId::NONE)
    }

    fn average(&self, cum_qty: Qty, instrument: InstrumentId) -> String {
        let notional = self.life.stops.iter().rev().find_map(|stop| match &stop.event {
            Some((_, Event::Traded(it))) => [&it.maker, &it.taker]
                .into_iter()
                .find(|fill| self.life.is_ours(fill.session, fill.number))
                .map(|fill| fill.notional),
            _ => None,
        });
        let ticks = average_ticks(notional.unwrap_or(Notional::ZERO), cum_qty);
        self.names.instruments.get(instrument.index()).map_or("?".into(), |it| {
            let mantissa = ticks * i128::from(it.tick_size);
            // Two places more than a price has: an average falls between ticks.
            let decimals = it.price_decimals + 2;
            Decimal { mantissa, decimals }.to_string()
        })
    }
}

/// Hundredths of ticks, rounded towards zero.
fn average_ticks(notional: Notional, qty: Qty) -> i128 {
    let lots = i128::from(qty.lots());
    if lots == 0 { 0 } else { i128::from(notional.tick_lots()) * 100 / lots }
}

/// What stands before the order.
fn before(ahead: &Ahead, names: &Names) -> String {
    match ahead.orders {
        0 => "nobody, it is the first".into(),
        1 => format!("1 order of {}", describe::qty(ahead.qty, ahead.instrument, names)),
        n => {
            format!("{n} orders of {} together", describe::qty(ahead.qty, ahead.instrument, names))
        }
    }
}

/// Why the queue changed.
pub(super) fn why(why: Why, names: &Names) -> String {
    let who = |session: SessionId, number| describe::who(session, number, names);
    match why {
        Why::Placed => "it takes its place".into(),
        Why::Traded(session, number) => format!("{} traded", who(session, number)),
        Why::Gone(session, number) => format!("{} was canceled", who(session, number)),
        Why::Cut(session, number) => format!("{} has less", who(session, number)),
        Why::Moved(session, number) => {
            format!("{} lost its place by a replace", who(session, number))
        }
    }
}

fn because(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Requested => "its session asked",
        CancelReason::MassCancel => "its session canceled all",
        CancelReason::Venue => "the venue took all orders of the instrument off",
        CancelReason::Ioc => "it was immediate or cancel, and this was left",
        CancelReason::Fok => "it was fill or kill and could not trade whole",
        CancelReason::Market => "a market order never rests, and nothing was left to trade with",
        CancelReason::Expired => "its time was over",
        CancelReason::MinQty => "less than its minimum quantity could trade",
        CancelReason::SelfTrade => "it would have traded with its own owner",
        CancelReason::PriceBand => "the rest would have traded beyond the price band",
        CancelReason::KillSwitch => "the kill switch",
        CancelReason::AuctionEnd => "its auction is over",
        CancelReason::NoRoom => "there was no room for another price level",
    }
}

/// A span of time with three places.
fn span(from: Timestamp, to: Timestamp) -> String {
    let ns = to.0.saturating_sub(from.0);
    let (unit, name) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{}.{:03} {name}", ns / unit, ns % unit * 1_000 / unit)
}

/// What came after the end of the order.
struct After<'a> {
    names: &'a Names,
    lines: Vec<String>,
}

impl Follower for After<'_> {
    fn input(&mut self, head: &TurnHead) {
        let (sequence, time) = (head.input.sequence, Rfc3339(head.input.timestamp));
        let what = describe::input(head, self.names);
        self.lines.push(format!("later: {sequence} {time} {what}"));
    }

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        self.lines.push(format!("       → {}", describe::event(event, self.names)));
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}
