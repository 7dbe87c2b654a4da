//! The acceptor over real sockets, with an engine behind it and the time by hand: what a client can see of the
//! border, and what reaches the core.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::acceptor::{
    Acceptor, AcceptorConfig, AcceptorStats, CancelRules, Credentials, LastConnection, Lockout,
    Requests, Rights, SessionSetup,
};
use gateway::fix::{
    Conduct, DecodeError, Encoder, Fields, Identity, Profile, UnknownTags, Version, Versions,
    decode,
};
use gateway::market_data::{Ask, Books, MarketData, News, Said, Subscriptions};
use gateway::network::Sockets;
use gateway::order_entry::{Inputs, OrderEntry, Told};
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    BookLevel, Command, Engine, Event, Input, Instrument, InstrumentId, Limits, MsgSeqNum,
    ParticipantId, Phase, Price, Qty, Sequence, SessionId, Side, Symbol, Timestamp,
};
use socket2::{Domain, Socket, Type};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

/// A day in 2026, half past nine.
pub(crate) const OPEN: Timestamp = Timestamp(1_767_605_400_000_000_000);

/// How long a test waits for a socket. Only a failing test ever waits that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The turns of the core so far, by position.
#[derive(Default)]
struct Turns(Vec<(Input, Vec<u8>)>);

impl Inputs for Turns {
    fn input(
        &mut self,
        position: u64,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize)> {
        let (input, bytes) = self.0.get(usize::try_from(position).ok()?)?;
        attachment[..bytes.len()].copy_from_slice(bytes);
        Some((*input, bytes.len()))
    }

    fn is_gone(&self, _: u64) -> bool {
        false
    }
}

#[derive(Default)]
struct Asked(Vec<(SessionId, MsgSeqNum, Command, Vec<u8>)>, Option<SessionId>);

impl Requests for Asked {
    fn room(&self) -> usize {
        1_000
    }

    fn takes_orders(&self) -> bool {
        true
    }

    fn submit(&mut self, session: SessionId, inbound: MsgSeqNum, command: &Command, bytes: &[u8]) {
        self.0.push((session, inbound, *command, bytes.to_vec()));
    }

    fn is_held(&self, session: SessionId) -> bool {
        self.1 == Some(session)
    }
}

/// Market data from the engine's own books, said when the test says so.
#[derive(Clone, Default)]
struct Floor(Arc<Mutex<OnFloor>>);

#[derive(Default)]
struct OnFloor {
    asks: VecDeque<Ask>,
    said: VecDeque<Said>,
    subscriptions: Subscriptions,
}

impl MarketData for Floor {
    fn ask(&mut self, ask: Ask) -> bool {
        self.0.lock().unwrap().asks.push_back(ask);
        true
    }

    fn next(&mut self) -> Option<Said> {
        self.0.lock().unwrap().said.pop_front()
    }

    fn has_next(&self) -> bool {
        !self.0.lock().unwrap().said.is_empty()
    }
}

struct EngineBooks<'a>(&'a Engine);

impl Books for EngineBooks<'_> {
    fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.0.instrument(id)
    }

    fn best(&self, id: InstrumentId, side: Side, depth: usize, out: &mut Vec<BookLevel>) {
        out.extend(self.0.book(id).unwrap().levels(side).take(depth));
    }
}

impl Floor {
    fn follow(&self, event: &Event, at: Timestamp) {
        let subscriptions = &mut self.0.lock().unwrap().subscriptions;
        for id in [InstrumentId(0), InstrumentId(1)] {
            subscriptions.changed(id);
        }
        match event {
            Event::Traded(traded) => subscriptions.traded(traded, at),
            Event::Busted(busted) => subscriptions.busted(busted, at),
            _ => {}
        }
    }

    fn publish(&self, engine: &Engine) {
        let OnFloor { asks, said, subscriptions } = &mut *self.0.lock().unwrap();
        asks.drain(..).for_each(|ask| subscriptions.ask(ask));
        let books = EngineBooks(engine);
        subscriptions.publish(News::All, &books, 1_000, &mut |it| said.push_back(it));
    }
}

pub(crate) struct Desk {
    pub(crate) acceptor: Acceptor,
    floor: Floor,
    /// Nothing new is said of the market meanwhile.
    pub(crate) market_stands: bool,
    pub(crate) now: Timestamp,
    address: SocketAddr,
    asked: Asked,
    engine: Engine,
    turns: Turns,
}

/// What a test may set.
pub(crate) fn settings() -> AcceptorConfig {
    AcceptorConfig {
        connections_max: 100,
        before_logon_max: 100,
        of_network_max: None,
        lockout: Lockout { after: 3, first_ns: SECOND, most_ns: 60 * SECOND },
        out_buffer_bytes: 1 << 20,
        slow_peer_ns: 10 * SECOND,
        logon_timeout_ns: 10 * SECOND,
    }
}

/// Session `number`, with CompID C1, C2 …
pub(crate) fn session(number: u32) -> SessionSetup {
    SessionSetup {
        id: SessionId(number),
        profile: Profile {
            identity: Identity::new(Version::Fix44, b"VESTA", format!("C{number}").as_bytes())
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
        ouch: None,
    }
}

impl Desk {
    pub(crate) fn new(config: AcceptorConfig, sessions: Vec<SessionSetup>) -> Desk {
        Desk::with(config, sessions, None)
    }

    pub(crate) fn with(
        config: AcceptorConfig,
        sessions: Vec<SessionSetup>,
        credentials: Option<Box<dyn Credentials + Send>>,
    ) -> Desk {
        let listener = mio::net::TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let sockets = Sockets::new(Some(listener), 64).unwrap();
        let count = u32::try_from(sessions.len()).unwrap();
        let floor = Floor::default();
        let acceptor = Acceptor::new(sockets, config, sessions, OrderEntry::new(10_000));
        let mut acceptor = acceptor.with_market_data(Box::new(floor.clone()));
        if let Some(credentials) = credentials {
            acceptor = acceptor.with_credentials(credentials);
        }
        let mut desk = Desk {
            acceptor,
            floor,
            market_stands: false,
            now: OPEN,
            address,
            asked: Asked::default(),
            engine: Engine::new(),
            turns: Turns::default(),
        };
        let limits =
            Limits { orders_max: 1_000, levels_max: 1_000, instruments_max: 4, sessions_max: 16 };
        desk.govern(Command::Configure(limits));
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
            desk.govern(Command::DefineInstrument { id, instrument });
        }
        for id in (1..=count).map(SessionId) {
            desk.govern(Command::DefineSession { id, participant: ParticipantId(id.0) });
        }
        desk.core();
        desk
    }

    pub(crate) fn govern(&mut self, command: Command) {
        self.asked.0.push((SessionId::VENUE, MsgSeqNum::NONE, command, Vec::new()));
    }

    pub(crate) fn stats(&self) -> AcceptorStats {
        self.acceptor.stats()
    }

    /// The last numbers of a session, in and out, as the core has them.
    pub(crate) fn numbers(&self, session: SessionId) -> (MsgSeqNum, MsgSeqNum) {
        let state = self.engine.session(session).unwrap();
        (state.last_inbound, state.last_outbound)
    }

    /// Commands of sessions that the core took, but for what only numbers need.
    pub(crate) fn commands(&self) -> Vec<(SessionId, Command)> {
        let asked = self.turns.0.iter().map(|(input, _)| (input.session, input.command));
        asked.filter(|(id, it)| id.0 > 0 && !matches!(it, Command::Note(_))).collect()
    }

    /// Whether an attachment of a turn has these bytes.
    pub(crate) fn has_journaled(&self, bytes: &[u8]) -> bool {
        let has = |attachment: &[u8]| attachment.windows(bytes.len()).any(|it| it == bytes);
        self.turns.0.iter().any(|(_, attachment)| has(attachment))
    }

    /// One round of the gateway and the core; waits for sockets up to `timeout`.
    pub(crate) fn round(&mut self, timeout: Duration) {
        self.acceptor.poll(Some(timeout)).unwrap();
        self.acceptor.serve(self.now, &mut self.asked);
        self.acceptor.tick(self.now, &mut self.asked);
        self.core();
        if !self.market_stands {
            self.floor.publish(&self.engine);
        }
        self.acceptor.flush(self.now);
    }

    /// Whether nobody wants market data.
    pub(crate) fn market_is_quiet(&self) -> bool {
        self.floor.0.lock().unwrap().subscriptions.is_empty()
    }

    fn core(&mut self) {
        for (session, inbound, command, attachment) in std::mem::take(&mut self.asked.0) {
            let position = self.turns.0.len() as u64;
            let sequence = Sequence(position + 1);
            let input = Input { sequence, timestamp: self.now, session, inbound, command };
            let mut events: Vec<Event> = Vec::new();
            self.engine.apply(&input, &mut events);
            self.turns.0.push((input, attachment.clone()));
            self.acceptor.input(position, &input, &attachment);
            for (event_index, event) in (0..).zip(&events) {
                self.floor.follow(event, self.now);
                let told = Told {
                    session: SessionId::VENUE,
                    position,
                    input: &input,
                    attachment: &attachment,
                    event,
                    event_index,
                    rest: &[],
                    relayed: None,
                };
                self.acceptor.event(self.now, &told, &mut self.turns);
            }
        }
    }

    /// A session is not read, as where a shard holds it up; `None`: each is.
    pub(crate) fn hold(&mut self, session: Option<SessionId>) {
        self.asked.1 = session;
    }

    /// Time passes and nobody says anything.
    pub(crate) fn pass(&mut self, ns: u64) {
        self.now.0 += ns;
        self.round(Duration::ZERO);
    }

    /// Rounds until `done`; a test that would wait for ever fails.
    pub(crate) fn until(&mut self, mut done: impl FnMut(&mut Desk) -> bool) {
        for _ in 0..2_000 {
            self.round(Duration::from_millis(10));
            if done(self) {
                return;
            }
        }
        panic!("it does not happen: {:?}", self.acceptor.take_notices());
    }

    pub(crate) fn connect(&mut self, number: u32) -> Client {
        self.connect_from("127.0.0.1".parse().unwrap(), number)
    }

    /// A client of session `number` that connects from `address` of this machine.
    pub(crate) fn connect_from(&mut self, address: IpAddr, number: u32) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(address, 0).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let (comp_id, version) = (format!("C{number}"), Version::Fix44);
        Client { stream, comp_id, version, bytes: Vec::new(), next_out: 1 }
    }

    /// The next message for `client`, as its fields; `None` if it is closed.
    pub(crate) fn read(&mut self, client: &mut Client) -> Option<String> {
        let began = std::time::Instant::now();
        loop {
            match client.take() {
                Some(got) => return got,
                None => self.round(Duration::from_millis(5)),
            }
            assert!(
                began.elapsed() < PATIENCE,
                "nothing comes: {:?}",
                self.acceptor.take_notices()
            );
        }
    }

    /// The next message for `client` as a script shows it, if one comes within so many rounds.
    pub(crate) fn read_shown(&mut self, client: &mut Client, rounds: u32) -> Option<String> {
        for _ in 0..rounds {
            if let Some(got) = client.take_shown(&[8, 9, 34, 49, 52, 56, 10], '|') {
                return Some(got.map_or("closed".into(), |line| line[3..].to_owned()));
            }
            self.round(Duration::from_millis(1));
        }
        None
    }

    /// What has come for `client` by now, after a few rounds.
    pub(crate) fn try_read(&mut self, client: &mut Client) -> Option<String> {
        for _ in 0..3 {
            if let Some(got) = client.take() {
                return got;
            }
            self.round(Duration::from_millis(1));
        }
        None
    }

    /// Reads messages up to one of this type and gives it.
    pub(crate) fn read_until(&mut self, client: &mut Client, msg_type: &str) -> String {
        loop {
            let got = self.read(client).unwrap_or_else(|| {
                panic!("closed before a {msg_type}: {:?}", self.acceptor.take_notices())
            });
            if got.starts_with(&format!("35={msg_type} ")) {
                return got;
            }
        }
    }

    /// Connects and logs on, starting at 1 again.
    pub(crate) fn log_on(&mut self, number: u32) -> Client {
        let mut client = self.connect(number);
        client.log_on(self.now, "");
        let answer = self.read(&mut client);
        let answer = answer.unwrap_or_else(|| panic!("{:?}", self.acceptor.take_notices()));
        assert!(answer.starts_with("35=A "), "{answer}");
        client
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    comp_id: String,
    /// What it speaks.
    pub(crate) version: Version,
    bytes: Vec<u8>,
    pub(crate) next_out: u32,
}

impl Client {
    pub(crate) fn encode(&mut self, now: Timestamp, msg_type: &str, fields: &str) -> Vec<u8> {
        self.encode_fields(now, msg_type, fields.split_whitespace())
    }

    /// The same of fields that may have spaces in them.
    pub(crate) fn encode_fields<'f>(
        &mut self,
        now: Timestamp,
        msg_type: &str,
        fields: impl Iterator<Item = &'f str>,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let begin_string = self.version.begin_string().as_bytes();
        let mut message = Encoder::begin(&mut bytes, begin_string, msg_type.as_bytes());
        message.uint(34, self.next_out.into()).bytes(49, self.comp_id.as_bytes());
        message.utc(52, now).bytes(56, b"VESTA");
        for field in fields {
            let (tag, value) = field.split_once('=').unwrap();
            message.bytes(tag.parse().unwrap(), value.as_bytes());
        }
        message.finish();
        self.next_out += 1;
        bytes
    }

    pub(crate) fn send(&mut self, now: Timestamp, msg_type: &str, fields: &str) {
        let bytes = self.encode(now, msg_type, fields);
        self.write(&bytes);
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn log_on(&mut self, now: Timestamp, more: &str) {
        self.send(now, "A", &format!("98=0 108=0 141=Y {more}"));
    }

    /// A limit order to buy one BTC-USD.
    pub(crate) fn order(&mut self, now: Timestamp, id: &str) {
        let fields = "55=BTC-USD 54=1 60=20260105-09:30:00 38=1 40=2 44=100 59=1";
        self.send(now, "D", &format!("11={id} {fields}"));
    }

    /// What came, if something did: a message without 8 9 34 49 52 56 10, or the end.
    fn take(&mut self) -> Option<Option<String>> {
        let shown = self.take_shown(&[8, 9, 34, 49, 52, 56, 10], ' ')?;
        Some(shown.map(|line| line + " "))
    }

    /// The same with other fields left out, and this between them.
    fn take_shown(&mut self, left_out: &[u32], between: char) -> Option<Option<String>> {
        let mut buffer = [0; 65_536];
        let ended = match self.stream.read(&mut buffer) {
            Ok(read) => {
                self.bytes.extend_from_slice(&buffer[..read]);
                read == 0
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
            Err(error) => panic!("{error}"),
        };
        let mut fields = Fields::new();
        match decode(&self.bytes, &mut fields) {
            Ok((message, used)) => {
                let checked = self.version.dictionary().check_sent(&message);
                assert_eq!(checked, Ok(()), "{message:?}");
                let kept = message.iter().filter(|(tag, _)| !left_out.contains(tag));
                let text = |(tag, value)| format!("{tag}={}", String::from_utf8_lossy(value));
                let line = kept.map(text).collect::<Vec<_>>().join(&between.to_string());
                self.bytes.drain(..used);
                Some(Some(line))
            }
            Err(DecodeError::Incomplete) => ended.then_some(None),
            Err(error) => panic!("{error:?}"),
        }
    }
}
