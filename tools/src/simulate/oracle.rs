//! What must be true of a journal, and of what everybody was told: looked at after every start and at
//! the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use feed::{MessageSink, Mirror, Publisher};
use gateway::fix::Note;
use gateway::order_entry::Copy;
use journal::{Frame, Log, Position, Reader};
use matcher::testing::reference::Reference;
use matcher::{Command, Engine, Event, Input, InstrumentId, Sequence, Side, Timestamp};
use venue::replay::Replay;
use venue::turns::{Follower, TurnHead};

use super::ledger::{Ledger, Said};
use super::listener::{Listener, Market, Of, report_copy, trade_copy};
use super::ouch::OuchTrader;
use super::plan::SYMBOLS;
use super::trader::Trader;

/// What the journal says of an outbound message.
#[derive(Clone, Copy, Debug)]
struct Out {
    sequence: Sequence,
    /// Whether it comes again when it is asked for, or is filled over.
    comes_again: bool,
    /// Whether it is a status, which may not come again when its order has gone.
    is_status: bool,
    /// Whether it is a copy of what another turn told somebody.
    is_copy: bool,
    /// Where that turn stands, without which it cannot be told.
    copy_of: Option<u64>,
}

/// A whole journal, replayed.
pub(super) struct History {
    /// Where each turn ends, and a hash of it, in order.
    pub(super) turns: Vec<(u64, u64)>,
    pub(super) engine: Engine,
    /// The engine's state after the turn that was asked for.
    pub(super) state_then: Option<u64>,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    outs: BTreeMap<(u32, u32), Out>,
    inputs: Vec<(Input, Vec<Event>)>,
    day_ends: Vec<Timestamp>,
    /// After which turn copies begin, by session.
    copies_begin: BTreeMap<u32, Sequence>,
    publisher: Publisher,
    feed: Messages,
}

#[derive(Default)]
struct Messages(Vec<Vec<u8>>);

impl MessageSink for Messages {
    fn message(&mut self, bytes: &[u8]) {
        self.0.push(bytes.to_vec());
    }
}

impl Follower for Seen {
    fn input(&mut self, head: &TurnHead) {
        self.inputs.push((head.input, Vec::new()));
        if head.input.command == Command::ExpireDay {
            self.day_ends.push(head.input.timestamp);
        }
        if Copy::decode(head.attachment()) == Some(Copy::Begin) {
            self.copies_begin.insert(head.input.session.0, head.input.sequence);
        }
        self.publisher.input(&head.input);
    }

    fn event(&mut self, head: &TurnHead, _: u32, event: &Event) {
        if let Some((_, events)) = self.inputs.last_mut() {
            events.push(*event);
        }
        for (session, msg) in event.recipients().into_iter().flatten() {
            let numbered = matches!(event, Event::Numbered { .. });
            let no_note = numbered && Note::decode(head.attachment()).is_none();
            let copy = Copy::decode(head.attachment()).filter(|_| no_note);
            let copy_of = match copy {
                Some(Copy::Trade { of, .. } | Copy::Report { of, .. }) => Some(of.position),
                _ => None,
            };
            let is_copy = copy.is_some();
            let comes_again = match event {
                Event::Numbered { .. } => match Note::decode(head.attachment()) {
                    Some(note) => note.is_application() || matches!(note, Note::Reject { .. }),
                    None => is_copy,
                },
                _ => true,
            };
            let is_status = matches!(event, Event::StatusReported(_));
            let out =
                Out { sequence: head.input.sequence, comes_again, is_status, is_copy, copy_of };
            self.outs.insert((session.0, msg.0), out);
        }
        self.publisher.event(event, &mut self.feed);
    }

    fn end_turn(&mut self, _: &TurnHead) {
        self.publisher.end_turn(&mut self.feed);
    }
}

/// A hash of a frame's payload, on top of that of the frames before it in its turn.
pub(super) fn hash_frame(hash: u64, frame: &Frame<'_>) -> u64 {
    let before = if frame.first { 0xcbf2_9ce4_8422_2325 ^ frame.sequence } else { hash };
    frame
        .payload
        .iter()
        .fold(before, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl History {
    /// Replays the journal; `then` is a turn whose state is of interest. What has gone of it is in `gone`, with
    /// the segment that it begins with.
    pub(super) fn read(log: &Log, then: Sequence, gone: &Path) -> Result<History, String> {
        let (mut replay, mut seen) = (Replay::new(), Seen::default());
        let (mut turns, mut hash, mut state_then) = (Vec::new(), 0, None);
        let mut take = |frame: &Frame<'_>| {
            hash = hash_frame(hash, frame);
            replay.frame(frame, &mut seen).map_err(|error| error.to_string())?;
            if frame.last {
                turns.push((frame.end().0, hash));
                if frame.sequence == then.0 {
                    state_then = Some(replay.engine().state_hash());
                }
            }
            Ok::<(), String>(())
        };
        if !log.is_whole() {
            let mut reader = Reader::open(gone, None).map_err(|error| error.to_string())?;
            while let Some(frame) = reader.next().map_err(|error| error.to_string())? {
                if frame.position >= log.start() {
                    break;
                }
                take(&frame)?;
            }
        }
        let (mut tail, limit) = (log.tail(log.start()), log.committed());
        while let Some(frame) = tail.next(limit).map_err(|error| error.to_string())? {
            take(&frame)?;
        }
        Ok(History { turns, engine: replay.into_engine(), state_then, seen })
    }

    /// The turns that end at `position` or before it.
    pub(super) fn turns_to(&self, position: Position) -> u64 {
        self.turns.partition_point(|(end, _)| *end <= position.0) as u64
    }

    /// Numbers of messages to a session that would come again, of what was before `start`: those of its turns, and copies of them.
    pub(super) fn gone(&self, session: u32, start: Position) -> impl Iterator<Item = u32> {
        let turns = self.turns_to(start);
        let outs = self.seen.outs.range((session, 0)..=(session, u32::MAX));
        let gone = outs.filter(move |(_, out)| {
            let has_gone = out.sequence.0 <= turns || out.copy_of.is_some_and(|at| at < start.0);
            out.comes_again && has_gone
        });
        gone.map(|((_, number), _)| *number)
    }

    /// Every message that a session was told stands in the journal as it was told.
    pub(super) fn holds(&self, session: u32, ledger: &Ledger) -> Result<(), String> {
        for (number, said) in ledger.said().filter(|(_, said)| **said != Said::Nothing) {
            let Some(out) = self.seen.outs.get(&(session, number)) else {
                return Err(format!(
                    "session {session} was told message {number}, and the journal has none: {said:?}"
                ));
            };
            let Said::Message(fields) = said else {
                if out.comes_again && !ledger.is_excused(number, out.is_status) {
                    return Err(format!(
                        "message {number} of session {session} was filled over, and is one of {}",
                        out.sequence
                    ));
                }
                continue;
            };
            let text = String::from_utf8_lossy(fields);
            let exec = text.split("|17=").nth(1).and_then(|rest| rest.split('-').next());
            let of_its_turn = exec.is_none_or(|exec| exec == out.sequence.0.to_string());
            let same = out.is_copy || of_its_turn;
            if !out.comes_again || !same {
                return Err(format!(
                    "message {number} of session {session} is of {} in the journal, and was {text}",
                    out.sequence
                ));
            }
        }
        Ok(())
    }

    /// Everything that the journal says to a session was heard.
    fn was_heard(&self, session: u32, ledger: &Ledger) -> Result<(), String> {
        for ((_, number), out) in self.seen.outs.range((session, 0)..=(session, u32::MAX)) {
            let heard = matches!(ledger.said_at(*number), Said::Message(_));
            if out.comes_again && !heard && !ledger.is_excused(*number, out.is_status) {
                return Err(format!(
                    "message {number} of session {session}, of {}, was never told",
                    out.sequence
                ));
            }
        }
        Ok(())
    }

    /// Who only listens was told what there is to hear.
    pub(super) fn was_told(&self, listener: &Listener, names: &[String]) -> Result<(), String> {
        let session = listener.session.0;
        self.holds(session, &listener.ears.ledger)?;
        match &listener.ears.of {
            Of::Copies(told) => {
                self.was_heard(session, &listener.ears.ledger)?;
                self.is_copied(session, told, listener.ears.ledger.blind, names)
            }
            Of::Market(market) => self.is_shown(market),
        }
    }

    /// Every report and every trade was copied once, and in order. Where one was `missed` that has gone since, nothing else was.
    fn is_copied(
        &self,
        session: u32,
        told: &[String],
        missed: bool,
        names: &[String],
    ) -> Result<(), String> {
        let Some(begin) = self.seen.copies_begin.get(&session) else {
            return Err(format!("copies of session {session} never began"));
        };
        let mut expected = Vec::new();
        for (input, events) in self.seen.inputs.iter().filter(|(it, _)| it.sequence > *begin) {
            for (index, event) in events.iter().enumerate() {
                let id = format!("{}-{index}", input.sequence);
                let of = |session: u32| {
                    names.get((session as usize).wrapping_sub(1)).map_or("", |name| name)
                };
                let letters = match event {
                    Event::Traded(_) => {
                        expected.push(trade_copy(&id));
                        ["M", "T"]
                    }
                    Event::Accepted(_)
                    | Event::Rejected(_)
                    | Event::Triggered(_)
                    | Event::Restated(_)
                    | Event::Canceled(_)
                    | Event::Replaced(_) => ["", ""],
                    _ => continue,
                };
                for (letter, told) in letters.into_iter().zip(event.recipients()) {
                    let Some((session, _)) = told else { continue };
                    expected.push(report_copy(of(session.0), &format!("{id}{letter}")));
                }
            }
        }
        let mut rest = expected.iter();
        for copy in told {
            let skipped = rest.position(|next| next == copy);
            if skipped.is_none_or(|skipped| skipped > 0 && !missed) {
                return Err(format!("a copy that is not the next one, or told before: {copy}"));
            }
        }
        match rest.next() {
            Some(copy) if !missed => Err(format!("never copied: {copy}")),
            _ => Ok(()),
        }
    }

    /// Every message that an OUCH session was told stands in the journal.
    pub(super) fn has_told(&self, ouch: &OuchTrader) -> Result<(), String> {
        let session = ouch.session.0;
        match ouch.told().find(|number| !self.seen.outs.contains_key(&(session, *number))) {
            Some(number) => {
                Err(format!("OUCH was told message {number}, and the journal has none"))
            }
            None => Ok(()),
        }
    }

    /// At rest an OUCH session has heard everything, and knows its trades and what works.
    pub(super) fn knows_all(&self, ouch: &OuchTrader) -> Result<(), String> {
        self.has_told(ouch)?;
        if ouch.blind {
            return Ok(());
        }
        let session = ouch.session;
        let outs = self.seen.outs.range((session.0, 0)..=(session.0, u32::MAX));
        let last = outs.last().map_or(0, |((_, number), _)| *number);
        if !ouch.has_all(last) {
            return Err(format!("OUCH has not heard all of {last} messages"));
        }
        let mut trades = Vec::new();
        for event in self.seen.inputs.iter().flat_map(|(_, events)| events) {
            let Event::Traded(trade) = event else { continue };
            let fills = [trade.maker, trade.taker].into_iter().filter(|it| it.session == session);
            trades.extend(fills.map(|_| (trade.id.0, trade.qty.lots())));
        }
        let known: Vec<(u64, u64)> = ouch.trades().map(|(id, qty)| (id, qty.into())).collect();
        if trades != known {
            return Err(format!("OUCH knows of the trades {known:?}, there were {trades:?}"));
        }
        let mut working = Vec::new();
        for (name, (id, _)) in SYMBOLS.into_iter().zip(self.engine.instruments()) {
            let Some(book) = self.engine.book(id) else { continue };
            for (letter, side) in [(b'B', Side::Buy), (b'S', Side::Sell)] {
                for order in book.orders(side).filter(|order| order.session == session) {
                    let price = u64::try_from(order.price.ticks()).unwrap_or(0);
                    let leaves = u32::try_from(order.leaves_qty.lots()).unwrap_or(u32::MAX);
                    working.push((name.to_owned(), letter, price, leaves));
                }
            }
        }
        working.sort_unstable();
        if working != ouch.working() {
            return Err(format!("OUCH believes {:?} works, there is {working:?}", ouch.working()));
        }
        Ok(())
    }

    /// What a subscription shows is what there is, and its trades are those that there were.
    fn is_shown(&self, market: &Market) -> Result<(), String> {
        let mut book = BTreeMap::new();
        for (name, (id, _)) in SYMBOLS.into_iter().zip(self.engine.instruments()) {
            if !market.began.contains(name) {
                return Err(format!("market data of {name} never began"));
            }
            let Some(of) = self.engine.book(id) else { continue };
            for (kind, side) in [(b'0', Side::Buy), (b'1', Side::Sell)] {
                for order in of.orders(side) {
                    let key = (name.to_owned(), kind, order.price.ticks());
                    let (qty, orders) = book.entry(key).or_insert((0, 0));
                    (*qty, *orders) = (*qty + order.displayed_qty.lots(), *orders + 1);
                }
            }
            let trades = self.seen.inputs.iter().flat_map(|(_, events)| events);
            let trades: Vec<u64> = trades
                .filter_map(|event| match event {
                    Event::Traded(trade) if trade.instrument == id => Some(trade.id.0),
                    _ => None,
                })
                .collect();
            let told = market.trades.get(name).map_or(&[][..], |told| told);
            if !trades.ends_with(told) {
                return Err(format!("{name}: told of trades {told:?}, there were {trades:?}"));
            }
        }
        if book != market.shown {
            return Err(format!("market data shows {:?}, there is {book:?}", market.shown));
        }
        Ok(())
    }

    /// The naive engine says the same.
    fn agrees_with_reference(&self) -> Result<(), String> {
        let mut reference = Reference::new();
        for (input, events) in &self.seen.inputs {
            let theirs = reference.apply(input);
            if theirs != *events {
                return Err(format!(
                    "turn {}: {:?} gives {events:?}, the reference says {theirs:?}",
                    input.sequence, input.command
                ));
            }
        }
        Ok(())
    }

    /// What was sent is filled, canceled, working or refused, and both sides of a trade know it.
    fn quantities_add_up(&self, traders: &[Trader]) -> Result<(), String> {
        let seeing = traders.iter().filter(|trader| !trader.ledger.blind);
        let by_session: BTreeMap<u32, &Ledger> =
            seeing.map(|trader| (trader.session.0, &trader.ledger)).collect();
        let mut known = BTreeSet::new();
        for event in self.seen.inputs.iter().flat_map(|(_, events)| events) {
            let Event::Traded(trade) = event else { continue };
            for fill in [&trade.maker, &trade.taker] {
                let Some(ledger) = by_session.get(&fill.session.0) else { continue };
                let key = (trade.id.0, fill.order_id.0);
                known.insert((fill.session.0, key));
                if ledger.fills().get(&key) != Some(&trade.qty.lots()) {
                    return Err(format!("session {} does not know of {trade:?}", fill.session));
                }
            }
        }
        for (session, ledger) in &by_session {
            for key in ledger.fills().keys() {
                if !known.contains(&(*session, *key)) {
                    return Err(format!(
                        "session {session} knows of a trade that is none: {key:?}"
                    ));
                }
            }
        }
        // What works in the books is what its owner believes, and the other way round.
        let (mut working, mut displayed) = (BTreeMap::new(), 0);
        for (id, _) in self.engine.instruments() {
            let Some(book) = self.engine.book(id) else { continue };
            for order in [Side::Buy, Side::Sell].into_iter().flat_map(|side| book.orders(side)) {
                working.insert(order.order_id.0, (order.session.0, order.leaves_qty.lots()));
                displayed += 1;
            }
        }
        let held = self.engine.orders_len() > displayed;
        for (id, (session, leaves)) in &working {
            let Some(ledger) = by_session.get(session) else { continue };
            let told = ledger.working().find(|(told, _)| told == id);
            if told.is_none_or(|(_, told)| told.leaves != *leaves) {
                return Err(format!(
                    "order {id} of session {session} works with {leaves}, its owner believes {told:?}"
                ));
            }
        }
        for (session, ledger) in &by_session {
            for (id, told) in ledger.working() {
                if !working.contains_key(&id) && !held {
                    return Err(format!("session {session} believes that {id} works: {told:?}"));
                }
            }
        }
        Ok(())
    }

    /// A day ends once: no two ends between two times of the clock at which it does, and none is left out.
    pub(super) fn days_end_once(
        &self,
        day_end: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), String> {
        const DAY_NS: u64 = 86_400_000_000_000;
        let Some(day_end) = day_end else { return Ok(()) };
        let mut days = BTreeSet::new();
        for at in &self.seen.day_ends {
            if at.0 < day_end.0 || !days.insert((at.0 - day_end.0) / DAY_NS) {
                return Err(format!("a day that had ended ended again at {at:?}"));
            }
        }
        if days.is_empty() && now.0 > day_end.0 + 3_000_000_000 {
            return Err("the day did not end".into());
        }
        Ok(())
    }

    /// The feed that the journal makes.
    pub(super) fn feed(&self) -> &[Vec<u8>] {
        &self.seen.feed.0
    }

    /// Everything that must hold when everybody is at rest.
    pub(super) fn check_at_rest(&self, traders: &[Trader]) -> Result<(), String> {
        for trader in traders {
            self.holds(trader.session.0, &trader.ledger)?;
            self.was_heard(trader.session.0, &trader.ledger)?;
            if let Some(open) = trader.ledger.unanswered().next()
                && !trader.ledger.blind
            {
                return Err(format!("{open} has no answer"));
            }
        }
        self.quantities_add_up(traders)?;
        self.agrees_with_reference()?;
        self.engine.check();
        Ok(())
    }

    /// A book rebuilt from the feed is the engine's.
    pub(super) fn equals_book(&self, mirror: &Mirror) -> Result<(), String> {
        for (id, _) in self.engine.instruments() {
            self.equals_one(id, mirror)?;
        }
        Ok(())
    }

    fn equals_one(&self, id: InstrumentId, mirror: &Mirror) -> Result<(), String> {
        let locate = u16::try_from(id.0 + 1).map_err(|error| error.to_string())?;
        let (Some(book), Some(scale)) = (self.engine.book(id), self.seen.publisher.scale(locate))
        else {
            return Err(format!("instrument {id} has no book or no feed"));
        };
        for side in [Side::Buy, Side::Sell] {
            let ours: Vec<(u64, Option<u32>, u64)> = book
                .orders(side)
                .map(|order| {
                    let price = scale.to_feed(order.price);
                    (order.order_ref.0, price, order.displayed_qty.lots())
                })
                .collect();
            let theirs: Vec<(u64, Option<u32>, u64)> = mirror
                .orders(locate, side)
                .map(|order| (order.order_ref, Some(order.price), u64::from(order.shares)))
                .collect();
            if ours != theirs {
                return Err(format!(
                    "instrument {id}, {side:?}: the book has {ours:?}, the feed's has {theirs:?}"
                ));
            }
        }
        Ok(())
    }
}
