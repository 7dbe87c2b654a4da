//! The sessions of a journal as a capture, those of FIX and those of OUCH: what the gateway said, byte for byte, and what it
//! was asked, as far as the journal keeps that.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4};

use gateway::fix::{CompId, Encoder, Header, Identity, Note, Version, tag};
use gateway::order_entry::{Copy, EventAt, Inputs, OrderEntry, Told, first_attached, is_quiet};
use gateway::orders::peg_offset;
use gateway::ouch::{self, FromClient};
use gateway::soup::SoupSession;
use journal::{Position, Reader};
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Command, Event, Input, InstrumentId, MassCancelScope, MsgSeqNum, NewOrder, OrderKind,
    OrderNumber, Price, Qty, RefusedRequest, ReplaceOrder, SessionId, Side, Terms, Timestamp,
    Trigger,
};
use venue::turns::{Cutter, Follower, TurnHead, Wanted, read_head};

use super::packets::{Capture, Conversation, From};
use super::soup::Line;
use crate::failure::Failure;
use crate::select::{Turn, Turns};
use crate::text;

/// Where the venue is said to be: an address for documentation, and the ports of the sample configuration.
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 5001);
const OUCH_SERVER: SocketAddrV4 = SocketAddrV4::new(*SERVER.ip(), 5020);

/// The network of the clients: the one for benchmarks, the session's id behind it.
const CLIENTS: [u8; 2] = [198, 18];

/// The first port of a client; each connection takes the next.
const CLIENT_PORT: u16 = 40_000;

/// Takes the messages of sessions, in the order of the journal.
pub(crate) trait Sink {
    /// A message. What the client sent is put together from what the journal keeps; what the gateway sent is what it was.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    fn message(&mut self, of: &Of<'_>, from: From, message: &[u8]) -> Result<(), Failure>;

    /// The gateway ended a connection in order.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    fn close(&mut self, of: &Of<'_>) -> Result<(), Failure>;

    /// Something of a session that speaks OUCH.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    fn ouch(&mut self, of: &Of<'_>, what: &Ouch<'_>) -> Result<(), Failure>;
}

/// What happens in a session that speaks OUCH.
pub(crate) enum Ouch<'a> {
    /// The client is let in.
    Login {
        /// The session.
        session: SoupSession,
        /// Number of the next message that is new.
        next: u64,
    },
    /// A message of the client's, put together from what the journal keeps.
    Asked(&'a FromClient),
    /// A message of ours, as it was.
    Said {
        /// Its number.
        number: u64,
        /// Its bytes.
        message: &'a [u8],
    },
    /// The client leaves.
    Logout,
}

/// Whose messages, and when.
pub(crate) struct Of<'a> {
    pub(crate) at: Timestamp,
    pub(crate) session: SessionId,
    pub(crate) comp_id: Cow<'a, str>,
    pub(crate) version: Version,
}

/// Makes the messages of sessions again.
pub(crate) struct Sessions<S> {
    pub(crate) sink: S,
    entry: OrderEntry,
    inputs: Positions,
    /// Sessions that speak OUCH, and their last number.
    ouch: BTreeMap<SessionId, u64>,
    /// Shards whose messages are not here, by session, and whether this is a journal of one; each is said once.
    elsewhere: BTreeSet<(SessionId, u8)>,
    /// Our CompID.
    name: String,
    message: Vec<u8>,
    /// Messages written: ours, theirs.
    pub(crate) messages: (u64, u64),
}

/// The messages as packets of connections that are made up.
pub(super) struct Packets<W> {
    capture: Capture<W>,
    conversations: BTreeMap<SessionId, Open>,
}

struct Open {
    conversation: Option<Conversation>,
    /// Of a session that speaks OUCH.
    line: Line,
    /// Connections up to now.
    connections: u16,
}

impl<W: Write> Packets<W> {
    pub(super) fn new(out: W) -> Result<Packets<W>, Failure> {
        let capture = Capture::new(out).map_err(Failure::failed)?;
        Ok(Packets { capture, conversations: BTreeMap::new() })
    }

    /// Packets written.
    pub(super) fn packets(&self) -> u64 {
        self.capture.packets()
    }

    pub(super) fn end(self) -> Result<(), Failure> {
        self.capture.end().map_err(Failure::failed)
    }

    /// Begins a conversation if there is none.
    fn send(
        &mut self,
        of: &Of<'_>,
        (from, server): (From, SocketAddrV4),
        message: &[u8],
    ) -> Result<(), Failure> {
        let none = || Open { conversation: None, line: Line::default(), connections: 0 };
        let open = self.conversations.entry(of.session).or_insert_with(none);
        let mut conversation = match open.conversation {
            Some(conversation) => conversation,
            None => {
                let [_, _, high, low] = of.session.0.to_be_bytes();
                let address = Ipv4Addr::new(CLIENTS[0], CLIENTS[1], high, low);
                let port = CLIENT_PORT.wrapping_add(open.connections);
                open.connections += 1;
                let client = SocketAddrV4::new(address, port);
                self.capture.open(of.at, client, server).map_err(Failure::failed)?
            }
        };
        let sent = self.capture.send(of.at, &mut conversation, from, message);
        sent.map_err(Failure::failed)?;
        open.conversation = Some(conversation);
        Ok(())
    }
}

impl<W: Write> Sink for Packets<W> {
    fn message(&mut self, of: &Of<'_>, from: From, message: &[u8]) -> Result<(), Failure> {
        self.send(of, (from, SERVER), message)
    }

    fn close(&mut self, of: &Of<'_>) -> Result<(), Failure> {
        let open = self.conversations.get_mut(&of.session);
        let Some(conversation) = open.and_then(|open| open.conversation.take()) else {
            return Ok(());
        };
        self.capture.close(of.at, conversation).map_err(Failure::failed)
    }

    fn ouch(&mut self, of: &Of<'_>, what: &Ouch<'_>) -> Result<(), Failure> {
        if matches!(what, Ouch::Login { .. }) {
            // A login is the first that a connection says.
            self.close(of)?;
        }
        let line = self.conversations.get_mut(&of.session).map(|open| &mut open.line);
        let mut line = line.map(std::mem::take).unwrap_or_default();
        for (from, packets) in line.packets(of, what) {
            self.send(of, (from, OUCH_SERVER), &packets)?;
        }
        if let Some(open) = self.conversations.get_mut(&of.session) {
            open.line = line;
        }
        if matches!(what, Ouch::Logout) { self.close(of) } else { Ok(()) }
    }
}

/// Inputs by their position, from a reader of their own.
struct Positions(Reader);

impl Positions {
    /// The records behind an Event, as far as its frame has them.
    fn behind(&mut self, position: Position, index: u32) -> Vec<u8> {
        self.0.seek(position);
        let (mut cutter, mut behind) = (Cutter::default(), Behind { index, rest: None });
        while let Ok(Some(frame)) = self.0.next() {
            if cutter.frame(&frame, &mut behind).is_err() || behind.rest.is_some() || frame.last {
                break;
            }
        }
        behind.rest.unwrap_or_default()
    }
}

/// Keeps what stands behind one Event.
struct Behind {
    index: u32,
    rest: Option<Vec<u8>>,
}

impl Follower for Behind {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, _: &TurnHead, _: u32, _: &Event) {}

    fn event_with(&mut self, _: &TurnHead, index: u32, _: &Event, rest: &[u8]) {
        if index == self.index {
            self.rest = Some(rest.to_vec());
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

impl Inputs for Positions {
    fn input(
        &mut self,
        position: u64,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize)> {
        self.0.seek(Position(position));
        let head = read_head(&self.0.next().ok()??).ok()?;
        let bytes = head.attachment();
        attachment[..bytes.len()].copy_from_slice(bytes);
        Some((head.input, bytes.len()))
    }

    fn event(
        &mut self,
        at: EventAt,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize, Event)> {
        self.0.seek(Position(at.position));
        let (mut cutter, mut wanted) = (Cutter::default(), Wanted::new(at.index));
        while wanted.found.is_none() {
            let frame = self.0.next().ok()??;
            let last = frame.last;
            cutter.frame(&frame, &mut wanted).ok()?;
            if last {
                break;
            }
        }
        let (head, event) = wanted.found?;
        let bytes = head.attachment();
        attachment[..bytes.len()].copy_from_slice(bytes);
        Some((head.input, bytes.len(), event))
    }
}

impl<S: Sink> Sessions<S> {
    /// `reader` is for the Inputs that a report needs; `name` our CompID.
    pub(crate) fn new(sink: S, reader: Reader, name: &str) -> Sessions<S> {
        Sessions {
            sink,
            entry: OrderEntry::new(u32::MAX),
            inputs: Positions(reader),
            ouch: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
            name: name.to_owned(),
            message: Vec::new(),
            messages: (0, 0),
        }
    }

    fn identity(
        &self,
        session: SessionId,
        turn: &Turn<'_>,
        from: From,
    ) -> Result<Identity, Failure> {
        let comp_id = turn.names.session(session);
        let (ours, theirs) = (self.name.as_bytes(), comp_id.as_bytes());
        let version = self.entry.version(session).unwrap_or_default();
        let identity = match from {
            From::Server => Identity::new(version, ours, theirs),
            From::Client => Identity::new(version, theirs, ours),
        };
        identity.ok_or_else(|| Failure::usage(format!("{} is no CompID", self.name)))
    }

    fn of<'t>(&self, turn: &'t Turn<'_>, session: SessionId) -> Of<'t> {
        Of {
            at: turn.head.input.timestamp,
            session,
            comp_id: turn.names.session(session),
            version: self.entry.version(session).unwrap_or_default(),
        }
    }

    /// Hands `self.message` over, if there is one.
    fn send(&mut self, turn: &Turn<'_>, session: SessionId, from: From) -> Result<(), Failure> {
        if self.message.is_empty() {
            return Ok(());
        }
        let of = self.of(turn, session);
        self.sink.message(&of, from, &self.message)?;
        match from {
            From::Server => self.messages.0 += 1,
            From::Client => self.messages.1 += 1,
        }
        self.message.clear();
        Ok(())
    }

    fn close(&mut self, turn: &Turn<'_>, session: SessionId) -> Result<(), Failure> {
        let of = self.of(turn, session);
        self.sink.close(&of)
    }

    /// What a session that speaks OUCH did or asked.
    fn ouch_asked(&mut self, turn: &Turn<'_>, last: u64) -> Result<(), Failure> {
        let input = &turn.head.input;
        let of = self.of(turn, input.session);
        match ouch::Note::decode(turn.head.attachment()) {
            Some(ouch::Note::Login { .. }) => {
                let session = ouch::session_name(self.entry.begun_at(input.session));
                return self.sink.ouch(&of, &Ouch::Login { session, next: last + 1 });
            }
            Some(ouch::Note::Logout { asked: true, .. }) => {
                return self.sink.ouch(&of, &Ouch::Logout);
            }
            Some(ouch::Note::Logout { asked: false, .. }) => return self.sink.close(&of),
            Some(ouch::Note::Said(_)) | None => {}
        }
        let asked = self.entry.ouch_asked(input, turn.head.attachment());
        let Some(asked) = asked else { return Ok(()) };
        self.messages.1 += 1;
        self.sink.ouch(&of, &Ouch::Asked(&asked))
    }

    /// The message that the Input answers for.
    fn asked(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        let input = &turn.head.input;
        if let Some(last) = self.ouch.get(&input.session).copied() {
            return self.ouch_asked(turn, last);
        }
        if input.inbound == MsgSeqNum::NONE || input.session == SessionId::VENUE {
            return Ok(());
        }
        let identity = self.identity(input.session, turn, From::Client)?;
        let sending_time = input.timestamp;
        let header = Header { msg: input.inbound, sending_time, resend: false, now: sending_time };
        let mut out = std::mem::take(&mut self.message);
        let written = match &input.command {
            Command::Note(_) => session_message(turn.head, &identity, &header, &mut out),
            _ => self.request(turn, &identity, &header, &mut out),
        };
        self.message = out;
        match written {
            Some(()) => self.send(turn, input.session, From::Client),
            None => Ok(()),
        }
    }

    fn request(
        &mut self,
        turn: &Turn<'_>,
        identity: &Identity,
        header: &Header,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let command = &turn.head.input.command;
        let msg_type: &[u8] = match command {
            Command::New(_) | Command::NewSpecial(..) => b"D",
            Command::Cancel { .. } | Command::Reduce(_) => b"F",
            Command::Replace(_) | Command::ReplaceStop(..) => b"G",
            Command::MassCancel(_) => b"q",
            Command::Status { .. } => b"H",
            Command::Refuse { request, .. } => match request {
                RefusedRequest::New(_) => b"D",
                RefusedRequest::Cancel { .. } => b"F",
                RefusedRequest::Replace { .. } => b"G",
                RefusedRequest::MassCancel => b"q",
            },
            _ => return None,
        };
        let target = venue::named::requested(command).1;
        let of_target = target.and_then(|target| self.entered(turn.head.input.session, target));
        let orders = self.entry.orders(turn.head.input.session);
        let mut body = Body {
            message: identity.begin(out, msg_type, header),
            said: Vec::new(),
            target: target.and_then(|target| orders?.terms(target)),
        };
        // What the border kept is what was said; the rest is what it was understood as.
        let mut kept = turn.head.attachment();
        while let Some((field, value, rest)) = first_attached(kept) {
            body.put(field, value);
            kept = rest;
        }
        if let (Some(target), Some(orders)) = (target, self.entry.orders(turn.head.input.session)) {
            let is_status = matches!(command, Command::Status { .. });
            let place = if is_status { tag::CL_ORD_ID } else { tag::ORIG_CL_ORD_ID };
            body.put(place, orders.cl_ord_id(target));
        }
        match command {
            Command::New(new) => body.new_order(new, &Terms::NONE, turn),
            Command::NewSpecial(new, terms) => body.new_order(new, terms, turn),
            Command::Replace(replace) => body.replace(replace, None, turn),
            Command::ReplaceStop(replace, stop) => body.replace(replace, Some(*stop), turn),
            Command::Reduce(reduce) => body.reduce(reduce.qty, of_target, turn),
            Command::MassCancel(MassCancelScope::SessionInstrument(id)) => body.symbol(*id, turn),
            _ => {}
        }
        if let Some((id, side)) = of_target {
            body.symbol(id, turn);
            body.side(side);
        }
        body.message.utc(tag::TRANSACT_TIME, header.sending_time);
        body.message.finish();
        Some(())
    }

    /// Instrument and side of an order.
    fn entered(&mut self, session: SessionId, number: OrderNumber) -> Option<(InstrumentId, Side)> {
        let position = self.entry.orders(session)?.position(number)?;
        let input = self.inputs.input(position, &mut [0; ATTACHMENT_BYTES_MAX])?.0;
        match input.command {
            Command::New(new) | Command::NewSpecial(new, _) => Some((new.instrument, new.side)),
            Command::Replace(it) | Command::ReplaceStop(it, _) => Some((it.instrument, it.side)),
            _ => None,
        }
    }

    /// What an Event tells a session.
    fn told(
        &mut self,
        turn: &Turn<'_>,
        (index, event): (u32, &Event),
        (session, msg): (SessionId, MsgSeqNum),
    ) -> Result<(), Failure> {
        let head = turn.head;
        let now = head.input.timestamp;
        if self.ouch.contains_key(&session) {
            return self.ouch_told(turn, (index, event), (session, msg));
        }
        let header = Header { msg, sending_time: now, resend: false, now };
        let identity = self.identity(session, turn, From::Server)?;
        let mut last = false;
        if let Event::Numbered { .. } = event {
            match (Note::decode(head.attachment()), Copy::decode(head.attachment())) {
                (Some(note), _) => {
                    last = matches!(note, Note::Logout { .. });
                    note.write(&identity, &header, &mut self.message);
                }
                (None, Some(copy)) => {
                    let names = |id| CompId::new(turn.names.session(id).as_bytes());
                    let (inputs, out) = (&mut self.inputs, &mut self.message);
                    let copied =
                        self.entry.copy((&copy, session), &names, &identity, &header, inputs, out);
                    copied.map_err(Failure::failed)?;
                }
                (None, None) => return Ok(()),
            }
        } else {
            let told = told_of(turn, session, (index, event), &[]);
            // Its number is filled over.
            if is_quiet(&told) {
                return Ok(());
            }
            let (inputs, out) = (&mut self.inputs, &mut self.message);
            self.entry.report(&told, &identity, &header, inputs, out).map_err(Failure::failed)?;
        }
        self.send(turn, session, From::Server)?;
        if last { self.close(turn, session) } else { Ok(()) }
    }

    /// What an Event tells a session that speaks OUCH.
    fn ouch_told(
        &mut self,
        turn: &Turn<'_>,
        (index, event): (u32, &Event),
        (session, msg): (SessionId, MsgSeqNum),
    ) -> Result<(), Failure> {
        // Which place an order takes is said where it was accepted, as far as that was known there.
        let looks_ahead = matches!(event, Event::Accepted(_) | Event::Replaced(_));
        let position = turn.head.position;
        let rest = if looks_ahead { self.inputs.behind(position, index) } else { Vec::new() };
        let told = told_of(turn, session, (index, event), &rest);
        let (inputs, mut out) = (&mut self.inputs, std::mem::take(&mut self.message));
        self.entry.ouch_report(&told, msg, inputs, &mut out).map_err(Failure::failed)?;
        self.messages.0 += 1;
        let of = self.of(turn, session);
        let said = Ouch::Said { number: msg.0.into(), message: &out };
        self.sink.ouch(&of, &said)?;
        out.clear();
        self.message = out;
        Ok(())
    }
}

fn told_of<'a>(
    turn: &'a Turn<'_>,
    session: SessionId,
    (event_index, event): (u32, &'a Event),
    rest: &'a [u8],
) -> Told<'a> {
    let head = turn.head;
    let (position, input, attachment) = (head.position.0, &head.input, head.attachment());
    let relayed = None;
    Told { session, position, input, attachment, event, event_index, rest, relayed }
}

impl<S> Sessions<S> {
    /// Says what of a venue with shards is not to be seen here.
    fn say_of_shards(&mut self, turn: &Turn<'_>) {
        let shard = turn.head.input.sequence.shard();
        if shard != 0 && self.elsewhere.insert((SessionId::VENUE, 0)) {
            eprintln!(
                "vesta: this is the journal of shard {shard}: the numbers in it are its own, not those that sessions saw"
            );
        }
        for event in turn.events {
            let Event::Relayed(it) = event else { continue };
            let is_new = turn.filter.shows_session(it.session, turn.names)
                && self.elsewhere.insert((it.session, it.shard));
            if is_new {
                eprintln!(
                    "vesta: session {} was told of shard {} too: those messages are left out, they are in its journal",
                    turn.names.session(it.session),
                    it.shard
                );
            }
        }
    }
}

impl<S: Sink> Turns for Sessions<S> {
    fn every(&mut self, head: &TurnHead, events: &[Event]) {
        let position = head.position.0;
        if ouch::Note::decode(head.attachment()).is_some() {
            self.ouch.entry(head.input.session).or_insert(0);
        }
        self.entry.input(position, &head.input, head.attachment());
        for (index, event) in (0..).zip(events) {
            self.entry.event(position, &head.input, index, event);
            let relayed = match event {
                Event::Relayed(it) => Some((it.session, it.last())),
                _ => None,
            };
            for (session, msg) in event.recipients().into_iter().flatten().chain(relayed) {
                if let Some(last) = self.ouch.get_mut(&session) {
                    *last = msg.0.into();
                }
            }
        }
    }

    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        if turn.filter.shows_session(turn.head.input.session, turn.names) {
            self.asked(turn)?;
        }
        self.say_of_shards(turn);
        for (index, event) in (0..).zip(turn.events) {
            for (session, msg) in event.recipients().into_iter().flatten() {
                if turn.filter.shows_session(session, turn.names) {
                    self.told(turn, (index, event), (session, msg))?;
                }
            }
        }
        Ok(())
    }
}

/// The message of a client's session layer that a Note answers.
fn session_message(
    head: &TurnHead,
    identity: &Identity,
    header: &Header,
    out: &mut Vec<u8>,
) -> Option<()> {
    match Note::decode(head.attachment())? {
        // A client says it as we do, but for what is an answer.
        Note::Logon { heartbeat_s, reset, connection, version, next_expected, .. } => {
            let password_changed = false;
            let note = Note::Logon {
                heartbeat_s,
                reset,
                connection,
                version,
                next_expected,
                password_changed,
            };
            note.write(identity, header, out);
        }
        Note::Logout { text, connection, .. } => {
            Note::Logout { text, connection, status: 0 }.write(identity, header, out);
        }
        Note::Heartbeat { test_req_id } if !test_req_id.is_empty() => {
            let mut message = identity.begin(out, b"1", header);
            message.bytes(tag::TEST_REQ_ID, test_req_id);
            message.finish();
        }
        _ => return None,
    }
    Some(())
}

/// The fields of a request, each once.
struct Body<'o> {
    message: Encoder<'o>,
    said: Vec<u32>,
    /// What the order that is asked about was entered as.
    target: Option<gateway::orders::Terms>,
}

impl Body<'_> {
    fn put(&mut self, tag: u32, value: &[u8]) {
        if !self.said.contains(&tag) {
            self.said.push(tag);
            self.message.bytes(tag, value);
        }
    }

    fn symbol(&mut self, id: InstrumentId, turn: &Turn<'_>) {
        if let Some(instrument) = turn.names.instruments.get(id.index()) {
            self.put(tag::SYMBOL, instrument.symbol.as_bytes());
        }
    }

    fn side(&mut self, side: Side) {
        self.put(tag::SIDE, if side == Side::Buy { b"1" } else { b"2" });
    }

    fn number(&mut self, tag: u32, number: &impl std::fmt::Display) {
        self.put(tag, number.to_string().as_bytes());
    }

    fn new_order(&mut self, new: &NewOrder, terms: &Terms, turn: &Turn<'_>) {
        self.symbol(new.instrument, turn);
        self.side(new.side);
        let form = gateway::orders::Terms::new(new, terms);
        if let Some(code) = form.exec_inst() {
            self.put(tag::EXEC_INST, &[code]);
        }
        let Some(instrument) = turn.names.instruments.get(new.instrument.index()) else { return };
        self.number(tag::ORDER_QTY, &text::qty(new.qty, instrument));
        self.put(tag::ORD_TYPE, &[form.ord_type()]);
        if let OrderKind::Limit(price) = new.kind {
            self.number(tag::PRICE, &text::price(price, instrument));
        }
        self.put(tag::TIME_IN_FORCE, &[form.time_in_force()]);
        let Terms { display_qty, min_qty, expire_at, trigger, peg } = *terms;
        if let Trigger::Stop(stop) = trigger {
            self.number(tag::STOP_PX, &text::price(stop, instrument));
        }
        for (tag, qty) in [(tag::MIN_QTY, min_qty), (tag::MAX_FLOOR, display_qty)] {
            if qty != Qty::ZERO {
                self.number(tag, &text::qty(qty, instrument));
            }
        }
        if expire_at.0.is_multiple_of(1_000_000) && expire_at != Timestamp(0) {
            self.message.utc(tag::EXPIRE_TIME, expire_at);
        } else if expire_at != Timestamp(0) {
            self.message.utc_ns(tag::EXPIRE_TIME, expire_at);
        }
        if let Some(offset) = peg_offset(new.side, trigger, peg) {
            self.number(tag::PEG_OFFSET_VALUE, &text::price(offset, instrument));
        }
    }

    /// What is to be left of an order, what was executed included.
    fn reduce(&mut self, qty: Qty, of_target: Option<(InstrumentId, Side)>, turn: &Turn<'_>) {
        let instrument = of_target.and_then(|(id, _)| turn.names.instruments.get(id.index()));
        if let Some(instrument) = instrument {
            self.number(tag::ORDER_QTY, &text::qty(qty, instrument));
        }
    }

    fn replace(&mut self, replace: &ReplaceOrder, stop: Option<Price>, turn: &Turn<'_>) {
        self.symbol(replace.instrument, turn);
        self.side(replace.side);
        let Some(instrument) = turn.names.instruments.get(replace.instrument.index()) else {
            return;
        };
        self.number(tag::ORDER_QTY, &text::qty(replace.qty, instrument));
        let form = self.target.unwrap_or(gateway::orders::Terms::PLAIN);
        self.put(tag::ORD_TYPE, &[form.ord_type()]);
        if form.has_limit() {
            self.number(tag::PRICE, &text::price(replace.price, instrument));
        }
        if let Some(stop) = stop {
            self.number(tag::STOP_PX, &text::price(stop, instrument));
        }
    }
}
