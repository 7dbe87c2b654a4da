//! The acceptor with OUCH sessions, an engine behind it, a journal, and time and network by hand: nothing here waits, so
//! that the fuzzer runs it too.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use gateway::acceptor::{
    Acceptor, AcceptorConfig, CancelRules, History, LastConnection, Lockout, OuchSetup, Requests,
    Rights, SessionSetup,
};
use gateway::fix::{Conduct, Identity, Profile, UnknownTags, Version, Versions};
use gateway::network::{Door, Network, Ready, Stream};
use gateway::order_entry::{Inputs, OrderEntry, Told, Unreadable};
use gateway::ouch::{Enter, FromClient, Options};
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent, SoupClose};
use matcher::record::{ATTACHMENT_BYTES_MAX, encode_event, event_bytes};
use matcher::{
    Command, Engine, Event, Input, Instrument, InstrumentId, Limits, MsgSeqNum, ParticipantId,
    Phase, Price, Qty, Sequence, SessionId, Symbol, Timestamp,
};

pub(crate) const SECOND: u64 = 1_000_000_000;

/// A day in 2026, half past nine.
pub(crate) const OPEN: Timestamp = Timestamp(1_767_605_400_000_000_000);

/// One connection: what is on its way in each direction.
#[derive(Default)]
struct Pipe {
    to_venue: VecDeque<u8>,
    to_client: Vec<u8>,
    /// The client has closed it.
    left: bool,
    /// The venue has.
    cut: bool,
    /// The client takes nothing at present.
    stuffed: bool,
}

#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Vec<Pipe>>>);

struct WireStream {
    wire: Wire,
    id: usize,
}

impl Read for WireStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let pipe = &mut self.wire.0.borrow_mut()[self.id];
        let len = out.len().min(pipe.to_venue.len());
        if len == 0 && !pipe.left {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (to, byte) in out.iter_mut().zip(pipe.to_venue.drain(..len)) {
            *to = byte;
        }
        Ok(len)
    }
}

impl Write for WireStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let pipe = &mut self.wire.0.borrow_mut()[self.id];
        if pipe.left {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if pipe.stuffed {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.to_client.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for WireStream {
    fn no_delay(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for WireStream {
    fn drop(&mut self) {
        self.wire.0.borrow_mut()[self.id].cut = true;
    }
}

#[derive(Default)]
struct WireNetwork {
    wire: Wire,
    knocking: Rc<RefCell<VecDeque<usize>>>,
    peers: HashMap<usize, usize>,
    ready: Vec<Ready>,
}

impl Network for WireNetwork {
    type Stream = WireStream;

    fn accept(&mut self) -> io::Result<(WireStream, SocketAddr, Door)> {
        let id = self.knocking.borrow_mut().pop_front().ok_or(ErrorKind::WouldBlock)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1_000));
        Ok((WireStream { wire: self.wire.clone(), id }, address, Door::Ouch))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)))
    }

    fn register(&mut self, stream: &mut WireStream, peer: usize) -> io::Result<()> {
        self.peers.insert(stream.id, peer);
        Ok(())
    }

    fn forget(&mut self, stream: &mut WireStream) {
        self.peers.remove(&stream.id);
    }

    fn poll(&mut self, _: Option<Duration>) -> io::Result<()> {
        self.ready.clear();
        if !self.knocking.borrow().is_empty() {
            self.ready.push(Ready::Listener);
        }
        let mut peers: Vec<(usize, usize)> =
            self.peers.iter().map(|(id, peer)| (*id, *peer)).collect();
        peers.sort_unstable();
        for (id, peer) in peers {
            let pipe = &self.wire.0.borrow()[id];
            let readable = !pipe.to_venue.is_empty() || pipe.left;
            let (writable, ends) = (!pipe.stuffed, pipe.left);
            self.ready.push(Ready::Peer { peer, readable, writable, ends });
        }
        Ok(())
    }

    fn ready(&self) -> impl Iterator<Item = Ready> + '_ {
        self.ready.iter().copied()
    }
}

/// The turns of the core so far.
#[derive(Clone, Default)]
struct Journal(Vec<Turn>);

#[derive(Clone)]
struct Turn {
    input: Input,
    attachment: Vec<u8>,
    events: Vec<Event>,
}

impl Turn {
    /// Records of the Events behind the one at `index`.
    fn rest(&self, index: usize) -> Vec<u8> {
        let mut rest = Vec::new();
        for event in &self.events[index + 1..] {
            let at = rest.len();
            rest.resize(at + event_bytes(event), 0);
            encode_event(event, &mut rest[at..]);
        }
        rest
    }
}

impl Inputs for Journal {
    fn input(
        &mut self,
        position: u64,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize)> {
        let turn = self.0.get(usize::try_from(position).ok()?)?;
        attachment[..turn.attachment.len()].copy_from_slice(&turn.attachment);
        Some((turn.input, turn.attachment.len()))
    }
}

impl History for Journal {
    fn oldest(&self, _: SessionId, from: MsgSeqNum) -> MsgSeqNum {
        from
    }

    fn messages(
        &mut self,
        session: SessionId,
        from: MsgSeqNum,
        to: MsgSeqNum,
        each: &mut dyn FnMut(MsgSeqNum, &Told<'_>) -> ControlFlow<()>,
    ) -> Result<(), Unreadable> {
        for (msg, turn, event_index) in self.said_to(session) {
            if msg < from || msg > to {
                continue;
            }
            let of = &self.0[turn];
            let rest = of.rest(event_index);
            let told = told(session, (turn, event_index), of, &rest);
            if each(msg, &told).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Journal {
    /// The messages of a session under its present numbers: number, turn, place of the Event.
    fn said_to(&self, session: SessionId) -> Vec<(MsgSeqNum, usize, usize)> {
        let mut said = Vec::new();
        for (turn, of) in self.0.iter().enumerate() {
            if of.input.session == session
                && matches!(of.input.command, Command::Note(matcher::Numbering::Clear))
            {
                said.clear();
            }
            for (index, event) in of.events.iter().enumerate() {
                for (id, msg) in event.recipients().into_iter().flatten() {
                    if id == session {
                        said.push((msg, turn, index));
                    }
                }
            }
        }
        said
    }
}

fn told<'a>(
    session: SessionId,
    (turn, event_index): (usize, usize),
    of: &'a Turn,
    rest: &'a [u8],
) -> Told<'a> {
    Told {
        session,
        position: turn as u64,
        input: &of.input,
        attachment: &of.attachment,
        event: &of.events[event_index],
        event_index: u32::try_from(event_index).unwrap(),
        rest,
        relayed: None,
    }
}

#[derive(Default)]
struct Asked(VecDeque<(SessionId, MsgSeqNum, Command, Vec<u8>)>, Option<SessionId>);

impl Requests for Asked {
    fn room(&self) -> usize {
        1_000
    }

    fn takes_orders(&self) -> bool {
        true
    }

    fn submit(&mut self, session: SessionId, inbound: MsgSeqNum, command: &Command, bytes: &[u8]) {
        self.0.push_back((session, inbound, *command, bytes.to_vec()));
    }

    fn is_held(&self, session: SessionId) -> bool {
        self.1 == Some(session)
    }
}

/// A venue with OUCH sessions `m1`, `m2`, … of ids 1, 2, …
pub(crate) struct OuchVenue {
    acceptor: Option<Acceptor<WireNetwork>>,
    wire: Wire,
    knocking: Rc<RefCell<VecDeque<usize>>>,
    setups: fn() -> Vec<SessionSetup>,
    engine: Engine,
    journal: Journal,
    asked: Asked,
    pub(crate) now: Timestamp,
    /// Every message that a client of a session has seen, by number.
    pub(crate) seen: HashMap<SessionId, Vec<Vec<u8>>>,
}

pub(crate) fn setup(number: u32) -> SessionSetup {
    SessionSetup {
        id: SessionId(number),
        profile: Profile {
            identity: Identity::new(Version::Fix44, b"VESTA", format!("M{number}").as_bytes())
                .unwrap(),
            versions: Versions::ALL,
            username: None,
            password: None,
            heartbeat_s_min: 0,
            heartbeat_s_max: 600,
            latency_s_max: 120,
            unknown_tags: UnknownTags::Reject,
            conduct: Conduct::Venue,
            resets: None,
        },
        last_inbound: MsgSeqNum::NONE,
        last_outbound: MsgSeqNum::NONE,
        cancel: CancelRules::default(),
        last: LastConnection::default(),
        is_lost: false,
        began: OPEN,
        takeover: false,
        addresses: Vec::new(),
        rights: Rights::default(),
        rate: None,
        drop_copy: None,
        ouch: Some(OuchSetup { username: format!("m{number}").into_bytes(), firm: *b"FIRM" }),
    }
}

pub(crate) fn two() -> Vec<SessionSetup> {
    vec![setup(1), setup(2)]
}

impl OuchVenue {
    pub(crate) fn new(setups: fn() -> Vec<SessionSetup>) -> OuchVenue {
        let mut venue = OuchVenue {
            acceptor: None,
            wire: Wire::default(),
            knocking: Rc::default(),
            setups,
            engine: Engine::new(),
            journal: Journal::default(),
            asked: Asked::default(),
            now: OPEN,
            seen: HashMap::new(),
        };
        venue.begin();
        let limits =
            Limits { orders_max: 1_000, levels_max: 1_000, instruments_max: 4, sessions_max: 16 };
        venue.govern(Command::Configure(limits));
        for (id, symbol) in (0..).map(InstrumentId).zip(["BTC-USD", "ETH-USD"]) {
            let instrument = Instrument {
                symbol: Symbol::new(symbol.as_bytes()).unwrap(),
                price_decimals: 2,
                qty_decimals: 0,
                tick_size: 1,
                lot_size: 1,
                qty_min: Qty::from_lots(1),
                qty_max: Qty::from_lots(1_000),
                price_min: Price::from_ticks(1),
                price_max: Price::from_ticks(1_000_000),
                phase: Phase::Continuous,
            };
            venue.govern(Command::DefineInstrument { id, instrument });
        }
        for setup in setups() {
            let participant = ParticipantId(setup.id.0);
            venue.govern(Command::DefineSession { id: setup.id, participant });
        }
        venue
    }

    /// A gateway that has read the journal to its end.
    fn begin(&mut self) {
        let mut entry = OrderEntry::new(100_000);
        let mut last = HashMap::new();
        for (position, turn) in (0..).zip(&self.journal.0) {
            entry.input(position, &turn.input, &turn.attachment);
            for (index, event) in (0..).zip(&turn.events) {
                entry.event(position, &turn.input, index, event);
            }
            let known: &mut LastConnection = last.entry(turn.input.session).or_default();
            *known = known.after(&turn.attachment);
        }
        let setups = (self.setups)().into_iter().map(|setup| {
            let state = self.engine.session(setup.id);
            let (last_inbound, last_outbound) = state
                .map_or_else(Default::default, |state| (state.last_inbound, state.last_outbound));
            let last = last.get(&setup.id).copied().unwrap_or_default();
            SessionSetup { last_inbound, last_outbound, last, began: self.now, ..setup }
        });
        let config = AcceptorConfig {
            connections_max: 10_000,
            before_logon_max: 10_000,
            of_network_max: None,
            lockout: Lockout { after: 0, first_ns: SECOND, most_ns: 60 * SECOND },
            out_buffer_bytes: 8 << 10,
            slow_peer_ns: 10 * SECOND,
            logon_timeout_ns: 10 * SECOND,
        };
        let knocking = Rc::clone(&self.knocking);
        let network = WireNetwork { wire: self.wire.clone(), knocking, ..WireNetwork::default() };
        self.acceptor = Some(Acceptor::new(network, config, setups.collect(), entry));
    }

    /// The process ends at once, with what was asked and not taken, and begins again.
    pub(crate) fn kill(&mut self) {
        self.asked.0.clear();
        self.knocking.borrow_mut().clear();
        self.acceptor = None;
        self.begin();
    }

    /// A command of the venue itself.
    pub(crate) fn govern(&mut self, command: Command) {
        self.asked.0.push_back((SessionId::VENUE, MsgSeqNum::NONE, command, Vec::new()));
        self.core(usize::MAX);
    }

    /// What the gateway has to say for the log.
    pub(crate) fn notices(&mut self) -> String {
        self.acceptor.as_mut().unwrap().take_notices().join("\n")
    }

    /// Commands that sessions asked for, but for notes.
    pub(crate) fn commands(&self) -> usize {
        let is_one = |turn: &&Turn| {
            turn.input.session != SessionId::VENUE
                && !matches!(turn.input.command, Command::Note(_))
        };
        self.journal.0.iter().filter(is_one).count()
    }

    /// A message that is not the next one comes to a session, as if somebody had counted wrong.
    pub(crate) fn say_under_another_number(&mut self, session: SessionId, msg: MsgSeqNum) {
        let turn = self.journal.0.iter().position(|turn| turn.input.session == session).unwrap();
        let of =
            Turn { events: vec![Event::Numbered { session, msg }], ..self.journal.0[turn].clone() };
        let told = told(session, (turn, 0), &of, &[]);
        self.acceptor.as_mut().unwrap().event(self.now, &told, &mut self.journal);
    }

    /// Up to `turns` turns of the core, each told at once.
    fn core(&mut self, turns: usize) {
        let acceptor = self.acceptor.as_mut().unwrap();
        for _ in 0..turns {
            let Some((session, inbound, command, attachment)) = self.asked.0.pop_front() else {
                return;
            };
            let turn = self.journal.0.len();
            let sequence = Sequence(turn as u64 + 1);
            let input = Input { sequence, timestamp: self.now, session, inbound, command };
            let mut events: Vec<Event> = Vec::new();
            self.engine.apply(&input, &mut events);
            self.journal.0.push(Turn { input, attachment, events });
            let of = self.journal.0[turn].clone();
            acceptor.input(turn as u64, &input, &of.attachment);
            for index in 0..of.events.len() {
                let rest = of.rest(index);
                let told = told(SessionId::VENUE, (turn, index), &of, &rest);
                acceptor.event(self.now, &told, &mut self.journal);
            }
        }
    }

    /// The gateway reads.
    pub(crate) fn take(&mut self) {
        let acceptor = self.acceptor.as_mut().unwrap();
        acceptor.poll(None).unwrap();
        acceptor.serve(self.now, &mut self.asked);
        acceptor.tick(self.now, &mut self.asked);
    }

    /// The core takes some of what was asked, and the gateway tells.
    pub(crate) fn tell(&mut self, turns: usize) {
        self.core(turns);
        let acceptor = self.acceptor.as_mut().unwrap();
        acceptor.resend(self.now, &mut self.journal);
        acceptor.flush(self.now);
    }

    /// Everything that is on its way arrives. Some time passes, since strangers have a share of it.
    pub(crate) fn settle(&mut self) {
        for _ in 0..40 {
            self.take();
            self.tell(usize::MAX);
            self.now.0 += 1_000_000;
        }
    }

    /// A session is not read, as where a shard holds it up; `None`: each is.
    pub(crate) fn hold(&mut self, session: Option<SessionId>) {
        self.asked.1 = session;
    }

    /// Time passes, in steps as the venue's loop sees them.
    pub(crate) fn pass(&mut self, ns: u64) {
        let until = self.now.0 + ns;
        while self.now.0 < until {
            self.now.0 = (self.now.0 + SECOND / 4).min(until);
            self.take();
            self.tell(usize::MAX);
        }
    }

    /// Somebody connects and says nothing.
    pub(crate) fn connect(&mut self, number: u32) -> OuchClient {
        let id = self.wire.0.borrow().len();
        self.wire.0.borrow_mut().push(Pipe::default());
        self.knocking.borrow_mut().push_back(id);
        let config = SoupClientConfig::new(format!("M{number}").as_bytes(), b"", 0);
        let client = SoupClient::new(config);
        let session = SessionId(number);
        OuchClient { wire: self.wire.clone(), id, session, client, bytes: Vec::new() }
    }

    /// The same, with a login that wants `next`.
    pub(crate) fn connect_wanting(&mut self, number: u32, next: u64) -> OuchClient {
        let mut client = self.connect(number);
        client.client =
            SoupClient::new(SoupClientConfig::new(format!("M{number}").as_bytes(), b"", next));
        client.say(|client, out| client.login(out));
        client
    }

    /// The same, let in.
    pub(crate) fn log_in(&mut self, number: u32, next: u64) -> OuchClient {
        let mut client = self.connect_wanting(number, next);
        self.settle();
        let heard = self.hear(&mut client);
        assert!(client.client.is_open(), "{heard:?}: {}", self.notices());
        client
    }

    /// What has come for a client: its messages, whose numbers and bytes must be those of before, and `debug …`, `closed …`.
    pub(crate) fn hear(&mut self, client: &mut OuchClient) -> Vec<String> {
        let mut heard = Vec::new();
        let now = self.now;
        client.bytes.append(&mut self.wire.0.borrow_mut()[client.id].to_client);
        loop {
            let received = client.client.receive(now, &client.bytes);
            match received.event {
                None => {}
                Some(SoupClientEvent::Accepted { .. }) => heard.push("in".into()),
                Some(SoupClientEvent::Sequenced { sequence, message }) => {
                    let seen = self.seen.entry(client.session).or_default();
                    let index = usize::try_from(sequence).unwrap() - 1;
                    if index < seen.len() {
                        assert_eq!(seen[index], message, "message {sequence} is another one");
                    } else if index == seen.len() {
                        seen.push(message.to_vec());
                    }
                    let message = gateway::ouch::FromVenue::decode(message).unwrap();
                    heard.push(crate::ouch_shown::shown(&message));
                }
                Some(SoupClientEvent::Unsequenced(_)) => panic!("nobody sends these"),
                Some(SoupClientEvent::Debug(text)) => {
                    heard.push(format!("debug {}", String::from_utf8_lossy(text)));
                }
                Some(SoupClientEvent::Close(close)) => heard.push(format!("closed: {close}")),
            }
            let (consumed, more) = (received.consumed, received.event.is_some());
            client.bytes.drain(..consumed);
            if !more {
                break;
            }
        }
        if self.wire.0.borrow()[client.id].cut {
            heard.push("cut".into());
        }
        heard
    }

    /// Sends messages, and gives what comes of them.
    pub(crate) fn ask(&mut self, client: &mut OuchClient, messages: &[FromClient]) -> Vec<String> {
        messages.iter().for_each(|message| client.put(message));
        self.settle();
        self.hear(client)
    }

    /// What every session was told since its numbers began, made again from the journal alone.
    pub(crate) fn told_again(&mut self, session: SessionId) -> Vec<Vec<u8>> {
        let mut entry = OrderEntry::new(100_000);
        for (position, turn) in (0..).zip(&self.journal.0) {
            entry.input(position, &turn.input, &turn.attachment);
            for (index, event) in (0..).zip(&turn.events) {
                entry.event(position, &turn.input, index, event);
            }
        }
        let mut again = Vec::new();
        for (msg, turn, index) in self.journal.said_to(session) {
            let of = self.journal.0[turn].clone();
            let rest = of.rest(index);
            let told = told(session, (turn, index), &of, &rest);
            let mut out = Vec::new();
            entry.ouch_report(&told, msg, &mut self.journal, &mut out).unwrap();
            again.push(out);
        }
        again
    }

    /// Whether the state that a snapshot keeps of order entry comes back.
    pub(crate) fn saved_and_loaded(&self) {
        let mut entry = OrderEntry::new(100_000);
        for (position, turn) in (0..).zip(&self.journal.0) {
            entry.input(position, &turn.input, &turn.attachment);
            for (index, event) in (0..).zip(&turn.events) {
                entry.event(position, &turn.input, index, event);
            }
        }
        let save = |entry: &OrderEntry| {
            let mut bytes = Vec::new();
            entry.save(&mut |part| bytes.extend_from_slice(part));
            bytes
        };
        let bytes = save(&entry);
        let instruments: Vec<Instrument> =
            self.engine.instruments().map(|(_, instrument)| *instrument).collect();
        let loaded = OrderEntry::load(&bytes, &instruments, 100_000).unwrap();
        assert_eq!(save(&loaded), bytes);
        assert!(OrderEntry::load(&bytes[..bytes.len() - 1], &instruments, 100_000).is_err());
    }
}

/// A client by hand.
pub(crate) struct OuchClient {
    wire: Wire,
    id: usize,
    session: SessionId,
    pub(crate) client: SoupClient,
    bytes: Vec<u8>,
}

impl OuchClient {
    fn say(&mut self, say: impl FnOnce(&mut SoupClient, &mut Vec<u8>)) {
        let mut out = Vec::new();
        say(&mut self.client, &mut out);
        self.raw(&out);
    }

    /// Any bytes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.wire.0.borrow_mut()[self.id].to_venue.extend(bytes);
    }

    /// A message.
    pub(crate) fn put(&mut self, message: &FromClient) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        if self.client.is_open() {
            self.say(|client, out| client.unsequenced(&bytes, out));
        }
    }

    /// What its side of the session does by the clock.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Option<SoupClose> {
        let mut out = Vec::new();
        let close = self.client.tick(now, &mut out);
        self.raw(&out);
        close
    }

    pub(crate) fn log_out(&mut self) {
        self.say(SoupClient::logout);
    }

    /// The line breaks.
    pub(crate) fn hang_up(&mut self) {
        self.wire.0.borrow_mut()[self.id].left = true;
    }

    /// It takes nothing any more, or again.
    pub(crate) fn stuff(&mut self, stuffed: bool) {
        self.wire.0.borrow_mut()[self.id].stuffed = stuffed;
    }

    /// Whether the venue has closed it.
    pub(crate) fn is_cut(&self) -> bool {
        self.wire.0.borrow()[self.id].cut
    }
}

impl Drop for OuchClient {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// A limit order for the day.
pub(crate) fn order(user_ref_num: u32, side: u8, quantity: u32, ticks: u64) -> Enter {
    Enter {
        user_ref_num,
        side,
        quantity,
        symbol: *b"BTC-USD ",
        price: ticks * 100,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        iso: b'N',
        cross_type: b'N',
        cl_ord_id: *b"text          ",
        options: Options::default(),
    }
}
