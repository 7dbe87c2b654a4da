//! Runs scripts that a trader can read: commands, `----`, what the engine answered.
//!
//! ```text
//! # Comments and empty lines stay as they are. `b2` is session b, order 2.
//! sell a1 100 @ 1001
//! buy b1 30 @ 1001 ioc
//! ----
//! accepted a1
//! accepted b1
//! traded 30 @ 1001  maker a1 left 70  taker b1 left 0
//! ```
//!
//! | line | what it does |
//! |---|---|
//! | `buy`, `sell ORDER QTY @ PRICE` or `market`, `market-to-limit`, then any of the next two lines' words | `New` or `NewSpecial`, a day order if nothing else is said |
//! | .. `ioc fok gtc at-open at-close gfa`, `until TIME`, `post slide`, `on SYMBOL` | |
//! | .. `display QTY`, `min QTY`, `stop PRICE`, `trail TICKS`, `primary TICKS`, `midpoint TICKS` | |
//! | `cancel ORDER`, `status ORDER` | `Cancel`, `Status` |
//! | `replace ORDER with ORDER buy QTY @ PRICE [on SYMBOL] [stop PRICE]` | `Replace`, `ReplaceStop`; `with same`: it keeps its number |
//! | `mass-cancel SESSION [on SYMBOL]`, `mass-cancel venue on SYMBOL` | `MassCancel` |
//! | `refuse REASON new ORDER`, `cancel ORDER`, `replace ORDER with ORDER`, `mass-cancel SESSION` | `Refuse` |
//! | `note SESSION next`, `reset`, `inbound` | `Note` |
//! | `open`, `halt`, `close SYMBOL`; `expire` | `SetPhase`, `ExpireDay` |
//! | `phase SYMBOL PHASE` | `SetPhase`; phases as `opening-auction` |
//! | `bands SYMBOL [static TICKS] [dynamic TICKS] [reject` or `interrupt]` | `SetBands` |
//! | `reference SYMBOL PRICE`, `indicative SYMBOL` | `SetReference`, `PublishIndicative` |
//! | `time N`, `expire-due` | the time from here on (0 before that), `Expire` |
//! | `self-trade SESSION MODE [group N]` | `SetSession`; modes as `cancel-newest` |
//! | `risk SESSION [on SYMBOL]`, then limits: `order-qty order-notional collar orders notional position N` | `SetRisk` of the session's participant |
//! | `permit trade`, `cancel-only`, `killed` with `session`, `firm SESSION`, `group N`, `on SYMBOL` | `SetPermission` |
//! | `bust TRADE QTY @ PRICE buy ORDER sell ORDER [on SYMBOL]` | `Bust` |
//! | `limits ORDERS LEVELS INSTRUMENTS SESSIONS` | `Configure` |
//! | `define SYMBOL [qty MIN..MAX] [price MIN..MAX] [id N]` | `DefineInstrument` |
//! | `firm SESSION SESSION ..` | defines sessions of one participant |
//! | `book [SYMBOL]`, `session SESSION` | prints the book, the session's counters |
//! | `account SESSION [on SYMBOL]` | prints what its participant has at work and holds |
//! | `show rested`, `show numbers` | from here on prints `Rested` and places; message numbers |
//!
//! Before a command, `by NAME` lets another session give it (`venue`, `nobody`, a letter); after it,
//! `in N` gives it an inbound message number. Sessions are defined when first named; a script that does
//! not define an instrument first trades `X`, with quantities 1..1000000 and prices ±1000000.

mod special;
mod venue;

use std::fmt::{self, Write};
use std::str::FromStr;

use crate::command::{
    Command, Input, Limits, Liquidity, MassCancelScope, NewOrder, Numbering, OrderKind,
    RefusedRequest, ReplaceOrder,
};
use crate::engine::Engine;
use crate::event::{CancelRequest, Event, Priority, RejectReason};
use crate::instrument::Phase;
use crate::testing::flow;
use crate::types::{
    InstrumentId, MsgSeqNum, OrderNumber, ParticipantId, Price, Qty, Sequence, SessionId, Side,
    Symbol, TimeInForce, Timestamp,
};

/// A line of a script that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// The word that is not understood; empty if one is missing.
    pub word: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: not understood: {:?}", self.line, self.word)
    }
}

impl std::error::Error for ScriptError {}

/// Runs a script; returns it with the outputs as they are.
///
/// # Errors
///
/// If a line is not understood.
pub fn run(script: &str) -> Result<String, ScriptError> {
    let mut runner = Runner::default();
    let (mut out, mut answer, mut answering) = (String::new(), String::new(), false);
    for (line, text) in (1..).zip(script.lines()) {
        let text = text.trim_end();
        if text.is_empty() {
            out.push_str(&answer);
            answer.clear();
            answering = false;
            out.push('\n');
        } else if text == "----" {
            out.push_str("----\n");
            answering = true;
        } else if !answering {
            let _ = writeln!(out, "{text}");
            if !text.starts_with('#') {
                let error = |word: &str| ScriptError { line, word: word.to_owned() };
                runner.run_line(text, &mut answer).map_err(|word| error(&word))?;
            }
        }
    }
    out.push_str(&answer);
    Ok(out)
}

#[derive(Default)]
struct Runner {
    engine: Engine,
    sequence: u64,
    configured: bool,
    sessions: Vec<char>,
    time: Timestamp,
    show_rested: bool,
    show_numbers: bool,
}

/// The words of a line; an error is the word that is not understood.
struct Words<'a>(Vec<&'a str>);

type Understood<T> = Result<T, String>;

impl<'a> Words<'a> {
    fn next(&mut self) -> Understood<&'a str> {
        if self.0.is_empty() { Err(String::new()) } else { Ok(self.0.remove(0)) }
    }

    fn parse<T: FromStr>(&mut self) -> Understood<T> {
        parse(self.next()?)
    }

    fn expect(&mut self, word: &str) -> Understood<()> {
        if self.take(word) { Ok(()) } else { Err(word.to_owned()) }
    }

    /// Whether the next word is `word`; takes it then.
    fn take(&mut self, word: &str) -> bool {
        let found = self.0.first() == Some(&word);
        if found {
            self.0.remove(0);
        }
        found
    }

    fn end(&self) -> Understood<()> {
        self.0.first().map_or(Ok(()), |word| Err((*word).to_owned()))
    }
}

fn parse<T: FromStr>(word: &str) -> Understood<T> {
    word.parse().map_err(|_| word.to_owned())
}

fn range<T: FromStr>(word: &str) -> Understood<(T, T)> {
    let (min, max) = word.split_once("..").ok_or_else(|| word.to_owned())?;
    Ok((parse(min)?, parse(max)?))
}

fn side(word: &str) -> Understood<Side> {
    match word {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(word.to_owned()),
    }
}

impl Runner {
    fn run_line(&mut self, text: &str, out: &mut String) -> Understood<()> {
        let mut words = Words(text.split_whitespace().collect());
        let by = if words.take("by") { Some(self.session(words.next()?)?) } else { None };
        let verb = words.next()?;
        if !self.configured && verb != "limits" && by.is_none() {
            let limits =
                Limits { orders_max: 100, levels_max: 100, instruments_max: 8, sessions_max: 26 };
            self.govern(Command::Configure(limits), &mut String::new());
        }
        if self.engine.instruments().len() == 0 && !matches!(verb, "limits" | "define" | "show") {
            self.define("X", (1, 1_000_000), (-1_000_000, 1_000_000), None, &mut String::new());
        }
        let (session, command) = match verb {
            "show" => return self.show(&mut words),
            "time" => {
                self.time = Timestamp(words.parse()?);
                return words.end();
            }
            "book" => return self.print_book(&mut words, out),
            "session" => return self.print_session(words.next()?, out),
            "account" => return self.print_account(&mut words, out),
            "firm" => return self.firm(&mut words),
            "define" => return self.run_define(&mut words, by, out),
            "limits" => {
                self.configured = true;
                (SessionId::VENUE, Command::Configure(limits(&mut words)?))
            }
            "expire" => (SessionId::VENUE, Command::ExpireDay),
            "open" | "halt" | "close" => {
                let instrument = self.instrument(words.next()?);
                let phase = match verb {
                    "open" => Phase::Continuous,
                    "halt" => Phase::Halt,
                    _ => Phase::Closed,
                };
                (SessionId::VENUE, Command::SetPhase { instrument, phase })
            }
            "buy" | "sell" => self.new_order(side(verb)?, &mut words)?,
            "cancel" => {
                let (session, target) = self.order(words.next()?)?;
                (session, Command::Cancel { target })
            }
            "status" => {
                let (session, target) = self.order(words.next()?)?;
                (session, Command::Status { target })
            }
            "replace" => self.replace_order(&mut words)?,
            "mass-cancel" => self.mass_cancel(&mut words)?,
            "refuse" => self.refusal(&mut words)?,
            "note" => {
                let session = self.session(words.next()?)?;
                let numbering = match words.next()? {
                    "next" => Numbering::Next,
                    "reset" => Numbering::Reset,
                    "inbound" => Numbering::InboundOnly,
                    "clear" => Numbering::Clear,
                    other => return Err(other.to_owned()),
                };
                (session, Command::Note(numbering))
            }
            other => {
                let command = match self.market_command(other, &mut words)? {
                    None => self.venue_command(other, &mut words)?,
                    found => found,
                };
                (SessionId::VENUE, command.ok_or_else(|| other.to_owned())?)
            }
        };
        let inbound = if words.take("in") { words.parse()? } else { 0 };
        words.end()?;
        self.give(by.unwrap_or(session), MsgSeqNum(inbound), command, out);
        Ok(())
    }

    fn govern(&mut self, command: Command, out: &mut String) {
        self.configured = true;
        self.give(SessionId::VENUE, MsgSeqNum::NONE, command, out);
    }

    fn give(&mut self, session: SessionId, inbound: MsgSeqNum, command: Command, out: &mut String) {
        self.sequence += 1;
        let sequence = Sequence(self.sequence);
        let input = Input { sequence, timestamp: self.time, session, inbound, command };
        let mut events = Vec::new();
        self.engine.apply(&input, &mut events);
        self.engine.check();
        for event in &events {
            self.print(event, out);
        }
    }

    fn session(&mut self, name: &str) -> Understood<SessionId> {
        self.session_of(name, None)
    }

    /// The session of that name; a new one is `participant`'s, or has a participant of its own.
    fn session_of(
        &mut self,
        name: &str,
        participant: Option<ParticipantId>,
    ) -> Understood<SessionId> {
        let letter = match name {
            "venue" => return Ok(SessionId::VENUE),
            "nobody" => return Ok(SessionId(9_999)),
            _ => parse(name)?,
        };
        let at = self.sessions.iter().position(|session| *session == letter);
        let at = at.unwrap_or(self.sessions.len());
        let id = SessionId(u32::try_from(at).unwrap_or(u32::MAX) + 1);
        if at == self.sessions.len() {
            self.sessions.push(letter);
            let participant = participant.unwrap_or(ParticipantId(id.0));
            self.govern(Command::DefineSession { id, participant }, &mut String::new());
        }
        Ok(id)
    }

    fn order(&mut self, name: &str) -> Understood<(SessionId, OrderNumber)> {
        let split = name.find(|c: char| c.is_ascii_digit()).ok_or_else(|| name.to_owned())?;
        let (session, number) = name.split_at(split);
        Ok((self.session(session)?, OrderNumber(parse(number)?)))
    }

    fn instrument(&self, symbol: &str) -> InstrumentId {
        let found = self.engine.instruments().find(|(_, i)| i.symbol.as_str() == symbol);
        found.map_or(InstrumentId::NONE, |(id, _)| id)
    }

    fn on(&self, words: &mut Words<'_>) -> Understood<Option<InstrumentId>> {
        Ok(if words.take("on") { Some(self.instrument(words.next()?)) } else { None })
    }

    fn new_order(&mut self, side: Side, words: &mut Words<'_>) -> Understood<(SessionId, Command)> {
        let (session, number) = self.order(words.next()?)?;
        let qty = Qty::from_lots(words.parse()?);
        let kind = match words.next()? {
            "market" => OrderKind::Market,
            "market-to-limit" => OrderKind::MarketToLimit,
            "@" => OrderKind::Limit(Price::from_ticks(words.parse()?)),
            other => return Err(other.to_owned()),
        };
        let new = NewOrder {
            number,
            instrument: InstrumentId(0),
            side,
            kind,
            qty,
            time_in_force: TimeInForce::Day,
            liquidity: Liquidity::Any,
        };
        Ok((session, self.order_words(new, words)?))
    }

    fn replace_order(&mut self, words: &mut Words<'_>) -> Understood<(SessionId, Command)> {
        let (session, target) = self.order(words.next()?)?;
        words.expect("with")?;
        let number = match words.take("same") {
            true => OrderNumber::NONE,
            false => self.order(words.next()?)?.1,
        };
        let side = side(words.next()?)?;
        let qty = Qty::from_lots(words.parse()?);
        words.expect("@")?;
        let price = Price::from_ticks(words.parse()?);
        let instrument = self.on(words)?.unwrap_or(InstrumentId(0));
        let replace = ReplaceOrder { number, target, instrument, side, price, qty };
        Ok((session, Runner::replace_words(replace, words)?))
    }

    fn mass_cancel(&mut self, words: &mut Words<'_>) -> Understood<(SessionId, Command)> {
        let session = self.session(words.next()?)?;
        let scope = match (session, self.on(words)?) {
            (SessionId::VENUE, Some(id)) => MassCancelScope::Instrument(id),
            (_, Some(id)) => MassCancelScope::SessionInstrument(id),
            (_, None) => MassCancelScope::Session,
        };
        Ok((session, Command::MassCancel(scope)))
    }

    fn refusal(&mut self, words: &mut Words<'_>) -> Understood<(SessionId, Command)> {
        let word = words.next()?;
        let reason = RejectReason::ALL.iter().find(|reason| kebab(reason) == word);
        let reason = *reason.ok_or_else(|| word.to_owned())?;
        let (session, request) = match words.next()? {
            "new" => {
                let (session, number) = self.order(words.next()?)?;
                (session, RefusedRequest::New(number))
            }
            "cancel" => {
                let (session, target) = self.order(words.next()?)?;
                (session, RefusedRequest::Cancel { target })
            }
            "replace" => {
                let (session, target) = self.order(words.next()?)?;
                if !words.take("with") {
                    return Err("with".to_owned());
                }
                let (_, number) = self.order(words.next()?)?;
                (session, RefusedRequest::Replace { number, target })
            }
            "mass-cancel" => (self.session(words.next()?)?, RefusedRequest::MassCancel),
            other => return Err(other.to_owned()),
        };
        Ok((session, Command::Refuse { request, reason }))
    }

    fn run_define(
        &mut self,
        words: &mut Words<'_>,
        by: Option<SessionId>,
        out: &mut String,
    ) -> Understood<()> {
        let symbol = words.next()?;
        let (mut qty, mut price) = ((1, 1_000_000), (-1_000_000, 1_000_000));
        let mut id = None;
        loop {
            if words.take("qty") {
                qty = range(words.next()?)?;
            } else if words.take("price") {
                price = range(words.next()?)?;
            } else if words.take("id") {
                id = Some(InstrumentId(words.parse()?));
            } else {
                break;
            }
        }
        words.end()?;
        let command = self.definition(symbol, qty, price, id);
        self.give(by.unwrap_or(SessionId::VENUE), MsgSeqNum::NONE, command, out);
        Ok(())
    }

    fn definition(
        &self,
        symbol: &str,
        qty: (u64, u64),
        price: (i64, i64),
        id: Option<InstrumentId>,
    ) -> Command {
        let next = u32::try_from(self.engine.instruments().len()).unwrap_or(u32::MAX);
        let mut instrument = flow::instrument(symbol, price, qty.1);
        instrument.qty_min = Qty::from_lots(qty.0);
        Command::DefineInstrument { id: id.unwrap_or(InstrumentId(next)), instrument }
    }

    fn define(
        &mut self,
        symbol: &str,
        qty: (u64, u64),
        price: (i64, i64),
        id: Option<InstrumentId>,
        out: &mut String,
    ) {
        let command = self.definition(symbol, qty, price, id);
        self.govern(command, out);
    }

    fn show(&mut self, words: &mut Words<'_>) -> Understood<()> {
        match words.next()? {
            "rested" => self.show_rested = true,
            "numbers" => self.show_numbers = true,
            other => return Err(other.to_owned()),
        }
        words.end()
    }

    fn print_session(&mut self, name: &str, out: &mut String) -> Understood<()> {
        let id = self.session(name)?;
        if let Some(state) = self.engine.session(id) {
            let _ = writeln!(
                out,
                "session {name}  in {}  out {}  orders {}",
                state.last_inbound, state.last_outbound, state.last_number
            );
        }
        Ok(())
    }

    /// Asks from the worst down to the best, then bids from the best down: as on a screen.
    fn print_book(&self, words: &mut Words<'_>, out: &mut String) -> Understood<()> {
        let id = if words.0.is_empty() { InstrumentId(0) } else { self.instrument(words.next()?) };
        words.end()?;
        let Some(book) = self.engine.book(id) else { return Err("book".to_owned()) };
        let row = |side: Side, name: &str| -> Vec<String> {
            let of_level = |price: Price| {
                let orders = book.orders(side).filter(move |order| order.price == price);
                let names = orders.map(|order| {
                    let name = self.order_name(order.session, order.number);
                    let displayed = order.displayed_qty.lots();
                    match order.leaves_qty.lots() - displayed {
                        0 => format!("{name}:{displayed}"),
                        reserve => format!("{name}:{displayed}+{reserve}"),
                    }
                });
                names.collect::<Vec<_>>().join(" ")
            };
            let levels = book.levels(side);
            let rows = levels.map(|level| {
                let (price, qty) = (level.price.ticks(), level.qty.lots());
                format!("{name} {price:>6} {qty:>5}  {}\n", of_level(level.price))
            });
            rows.collect()
        };
        let asks = row(Side::Sell, "ask");
        let rows: String = asks.into_iter().rev().chain(row(Side::Buy, "bid")).collect();
        out.push_str(if rows.is_empty() { "empty\n" } else { &rows });
        Ok(())
    }

    fn session_name(&self, id: SessionId) -> String {
        match id.index().checked_sub(1).and_then(|at| self.sessions.get(at)) {
            Some(letter) => letter.to_string(),
            None => "venue".to_owned(),
        }
    }

    fn order_name(&self, session: SessionId, number: OrderNumber) -> String {
        format!("{}{number}", self.session_name(session))
    }

    fn symbol(&self, id: InstrumentId) -> Symbol {
        self.engine.instrument(id).map_or_else(
            || Symbol::new(b"?").expect("one graphic character"),
            |instrument| instrument.symbol,
        )
    }

    fn print(&self, event: &Event, out: &mut String) {
        let name = |session, number| self.order_name(session, number);
        let (line, messages) = match event {
            Event::Configured => ("configured".to_owned(), vec![]),
            Event::InstrumentDefined { id } => (format!("defined {}", self.symbol(*id)), vec![]),
            Event::SessionDefined { id } => {
                (format!("defined session {}", self.session_name(*id)), vec![])
            }
            Event::PhaseChanged { instrument, .. } => {
                (Runner::phase_changed(event, self.symbol(*instrument).as_str()), vec![])
            }
            Event::CommandRefused { reason } => (format!("refused {}", kebab(reason)), vec![]),
            Event::Applied => ("applied".to_owned(), vec![]),
            Event::Busted(e) => (self.busted(e), vec![e.buy.msg, e.sell.msg]),
            Event::Held(_)
            | Event::Triggered(_)
            | Event::Restated(_)
            | Event::Replenished(_)
            | Event::Uncrossed(_)
            | Event::Indicative { .. } => self.special_line(event),
            Event::Accepted(e) => (format!("accepted {}", name(e.session, e.number)), vec![e.msg]),
            Event::Rejected(e) => {
                let reason = kebab(&e.reason);
                (format!("rejected {} {reason}", name(e.session, e.number)), vec![e.msg])
            }
            Event::Rested(e) => {
                if !self.show_rested {
                    return;
                }
                let (price, qty) = (e.price.ticks(), e.leaves_qty.lots());
                let order = name(e.session, e.number);
                (format!("rested {order} {qty} @ {price} place {}", e.order_ref), vec![])
            }
            Event::Traded(e) => (self.traded(e), vec![e.maker.msg, e.taker.msg]),
            Event::Canceled(e) => {
                let (order, reason) = (name(e.session, e.number), kebab(&e.reason));
                (format!("canceled {order} {} {reason}", e.canceled_qty.lots()), vec![e.msg])
            }
            Event::Replaced(e) => {
                let old = name(e.session, e.old_number);
                let priority = if e.priority == Priority::Kept { "kept" } else { "lost" };
                let (qty, price) = (e.order_qty.lots(), e.price.ticks());
                let new = name(e.session, e.number);
                let left = e.leaves_qty.lots();
                let line = format!(
                    "replaced {old} with {new} {qty} @ {price} left {left}, place {priority}"
                );
                (line, vec![e.msg])
            }
            Event::CancelRejected(e) => {
                let request = match e.request {
                    CancelRequest::Cancel => "cancel",
                    CancelRequest::Replace => "replace",
                };
                let (target, reason) = (name(e.session, e.target), kebab(&e.reason));
                (format!("{request}-rejected {target} {reason}"), vec![e.msg])
            }
            Event::MassCanceled { session, msg, orders } => {
                (format!("mass-canceled {} {orders}", self.session_name(*session)), vec![*msg])
            }
            Event::MassCancelRejected { session, msg, reason } => {
                let (session, reason) = (self.session_name(*session), kebab(reason));
                (format!("mass-cancel-rejected {session} {reason}"), vec![*msg])
            }
            Event::StatusReported(e) => {
                let working = e.working.map_or("not working".to_owned(), |order| {
                    let (left, done) = (order.leaves_qty.lots(), order.cum_qty.lots());
                    format!("left {left} done {done} for {}", order.notional.tick_lots())
                });
                (format!("status {} {working}", name(e.session, e.target)), vec![e.msg])
            }
            Event::Relayed(e) => (
                format!(
                    "relayed {} {} of shard {}",
                    self.session_name(e.session),
                    e.count,
                    e.shard
                ),
                vec![e.msg],
            ),
            Event::Numbered { session, msg } => {
                (format!("numbered {} {msg}", self.session_name(*session)), vec![])
            }
        };
        out.push_str(&line);
        if self.show_numbers {
            for msg in messages {
                let _ = write!(out, "  #{msg}");
            }
        }
        out.push('\n');
    }
}

fn limits(words: &mut Words<'_>) -> Understood<Limits> {
    Ok(Limits {
        orders_max: words.parse()?,
        levels_max: words.parse()?,
        instruments_max: words.parse()?,
        sessions_max: words.parse()?,
    })
}

/// The one of `all` whose name is `word`.
fn named<T: Copy + std::fmt::Debug>(word: &str, all: &[T]) -> Understood<T> {
    all.iter().copied().find(|one| kebab(one) == word).ok_or_else(|| word.to_owned())
}

/// The name of an enum's variant, as `too-late`.
fn kebab(variant: &impl fmt::Debug) -> String {
    let mut out = String::new();
    for c in format!("{variant:?}").chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
