//! Order → ExecutionReport over loopback, beside a bare TCP echo with the same waits on the same CPUs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use benches::measure::{Bench, Sorted, Times, Unit, Value, on_cpu, pin};
use benches::rig::Folder;
use gateway::fix::client::{Client, ClientConfig, Incoming};
use gateway::fix::{CompId, Fields, Version, decode};
use matcher::{MsgSeqNum, Timestamp};
use rcgen::CertifiedKey;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, RootCertStore, StreamOwned};
use venue::tls::TlsFiles;
use venue::{Config, Durability, Layout, Venue, Wait};

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// Rounds of each side, venue and echo in turn.
const ROUNDS: usize = 5;

/// How both sides wait and where they are.
#[derive(Clone, Copy)]
struct Placement {
    name: &'static str,
    wait: Wait,
    server_cpu: usize,
    client_cpu: usize,
}

const PLACEMENTS: [Placement; 3] = [
    Placement { name: "spin, a CPU each", wait: Wait::Spin, server_cpu: 0, client_cpu: 1 },
    Placement { name: "park, one CPU", wait: Wait::Park, server_cpu: 0, client_cpu: 0 },
    Placement { name: "park, a CPU each", wait: Wait::Park, server_cpu: 0, client_cpu: 1 },
];

fn main() {
    let bench = Bench::new("wire_to_wire");
    for placement in PLACEMENTS {
        for (durability, orders) in [(Durability::Memory, 10_000), (Durability::Disk, 1_500)] {
            let what = if durability == Durability::Memory { "memory" } else { "disk" };
            let name = format!("wire_to_wire/{what}, {}", placement.name);
            if bench.wants(&name) {
                compare(&bench, &name, placement, durability, orders);
            }
        }
        let name = format!("wire_to_wire/tls, {}", placement.name);
        if bench.wants(&name) {
            compare_tls(&bench, &name, placement, 10_000);
        }
    }
}

/// The same venue with and without TLS, in turn.
fn compare_tls(bench: &Bench, name: &str, at: Placement, orders: usize) {
    let (mut tls, mut plain, mut added) = (Rows::default(), Rows::default(), Vec::new());
    for _ in 0..ROUNDS {
        let under = venue_round(at, Durability::Memory, orders, Over::Tls);
        let bare = venue_round(at, Durability::Memory, orders, Over::Tcp);
        added.push(Value::us(under.at(500).saturating_sub(bare.at(500))));
        tls.push(&under);
        plain.push(&bare);
    }
    tls.print(bench, name, "order to report");
    plain.print(bench, name, "without TLS");
    bench.figure(&format!("{name}, added to the median"), Unit::Us, added);
}

fn compare(bench: &Bench, name: &str, at: Placement, durability: Durability, orders: usize) {
    let (mut venue, mut echo, mut ratios) = (Rows::default(), Rows::default(), Vec::new());
    for _ in 0..ROUNDS {
        let order = venue_round(at, durability, orders, Over::Tcp);
        let bare = echo_round(at, orders);
        ratios.push(Value::ratio(order.at(500), bare.at(500)));
        venue.push(&order);
        echo.push(&bare);
    }
    venue.print(bench, name, "order to report");
    echo.print(bench, name, "echo");
    bench.figure(&format!("{name}, median to median"), Unit::Ratio, ratios);
}

/// Percentiles of the rounds.
#[derive(Default)]
struct Rows([Vec<Value>; 3]);

const PERCENTILES: [(&str, usize); 3] = [("p50", 500), ("p99", 990), ("p99.9", 999)];

impl Rows {
    fn push(&mut self, times: &Sorted) {
        for (row, (_, per_mille)) in self.0.iter_mut().zip(PERCENTILES) {
            row.push(Value::us(times.at(per_mille)));
        }
    }

    fn print(self, bench: &Bench, name: &str, what: &str) {
        for (row, (percentile, _)) in self.0.into_iter().zip(PERCENTILES) {
            bench.figure(&format!("{name}, {what}, {percentile}"), Unit::Us, row);
        }
    }
}

/// What the client speaks FIX over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Tcp,
    Tls,
}

/// A stream of bytes, as it is or under TLS.
enum Line {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Line {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Line::Tcp(stream) => stream.read(bytes),
            Line::Tls(stream) => stream.read(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Line::Tcp(stream) => stream.write_all(bytes),
            Line::Tls(stream) => stream.write_all(bytes),
        }
    }
}

/// A certificate for the venue, and a client that believes it.
struct Believed {
    files: TlsFiles,
    client: Arc<rustls::ClientConfig>,
}

impl Believed {
    fn new(folder: &Path) -> Believed {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file");
            let owner = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, owner).expect("a mode");
            path
        };
        let files = TlsFiles {
            cert: write("cert.pem", &cert.pem()),
            key: write("key.pem", &signing_key.serialize_pem()),
            client_ca: None,
        };
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a root");
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Believed { files, client: Arc::new(client) }
    }

    /// A connection with the handshake behind it.
    fn open(&self, address: SocketAddr, wait: Wait) -> Connection {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::clone(&self.client), name);
        let mut tls = tls.expect("a client");
        let mut socket = TcpStream::connect(address).expect("a connection");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).expect("a handshake");
        }
        socket.set_nonblocking(wait == Wait::Spin).expect("a mode");
        let line = Line::Tls(Box::new(StreamOwned::new(tls, socket)));
        Connection { line, bytes: vec![0; 64 << 10], filled: 0 }
    }
}

/// A socket that waits as it is told.
struct Connection {
    line: Line,
    bytes: Vec<u8>,
    /// Bytes read and not taken yet.
    filled: usize,
}

impl Connection {
    fn new(stream: TcpStream, wait: Wait) -> Connection {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_nonblocking(wait == Wait::Spin).expect("a mode");
        Connection { line: Line::Tcp(stream), bytes: vec![0; 64 << 10], filled: 0 }
    }

    fn open(address: SocketAddr, wait: Wait) -> Connection {
        Connection::new(TcpStream::connect(address).expect("a connection"), wait)
    }

    /// Writes all of `bytes`: little enough never to wait.
    fn write(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).expect("room in the socket");
    }

    /// Waits for bytes; `false` at the end of the stream.
    fn read(&mut self) -> bool {
        loop {
            match self.line.read(&mut self.bytes[self.filled..]) {
                Ok(0) => return false,
                Ok(count) => {
                    self.filled += count;
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn take(&mut self, count: usize) {
        self.bytes.copy_within(count..self.filled, 0);
        self.filled -= count;
    }
}

/// What comes in goes out: as long as an order, so as far as the network goes the least a venue can do.
fn echo_round(at: Placement, orders: usize) -> Sorted {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        pin(at.server_cpu);
        let mut peer = Connection::new(listener.accept().expect("the client").0, at.wait);
        while peer.read() {
            let bytes = std::mem::take(&mut peer.bytes);
            peer.write(&bytes[..peer.filled]);
            (peer.bytes, peer.filled) = (bytes, 0);
        }
    });
    let times = on_cpu(at.client_cpu, || echoes(address, at.wait, orders));
    server.join().expect("the server");
    times
}

fn echoes(address: SocketAddr, wait: Wait, orders: usize) -> Sorted {
    let mut connection = Connection::open(address, wait);
    let mut trader = Trader::new();
    let mut times = Times::with_capacity(orders);
    let warm_up = orders / 10;
    for index in 0..warm_up + orders {
        trader.order(index);
        let start = Instant::now();
        connection.write(&trader.out);
        while connection.filled < trader.out.len() {
            assert!(connection.read());
        }
        if index >= warm_up {
            times.push(nanos(start.elapsed()));
        }
        connection.filled = 0;
    }
    times.sorted()
}

/// Bids and offers of one lot at one price in turn: every offer trades with the bid before it.
fn venue_round(at: Placement, durability: Durability, orders: usize, over: Over) -> Sorted {
    let folder = Folder::on_disk(Path::new(DISK), "wire");
    let believed = Believed::new(folder.dir.parent().expect("a folder"));
    let mut config = Config {
        journal_dir: folder.dir.clone(),
        live_dir: Some(folder.live_dir.clone()),
        durability,
        layout: Layout::Joined,
        wait: at.wait,
        core_cpu: Some(at.server_cpu),
        ..config()
    };
    let any = config.fix.listen;
    config.fix.tls = (over == Over::Tls).then(|| (any, believed.files.clone()));
    let venue = Venue::start(&config).expect("a venue");
    let times = on_cpu(at.client_cpu, || {
        let connection = match venue.tls_addr() {
            Some(address) => believed.open(address, at.wait),
            None => Connection::open(venue.fix_addr(), at.wait),
        };
        trades(connection, orders)
    });
    venue.stop().expect("a clean end");
    times
}

fn trades(mut connection: Connection, orders: usize) -> Sorted {
    let mut trader = Trader::new();
    trader.log_on(&mut connection);
    let mut times = Times::with_capacity(orders);
    let warm_up = orders / 10;
    for index in 0..warm_up + orders {
        trader.order(index);
        let start = Instant::now();
        connection.write(&trader.out);
        let answered = trader.reports(&mut connection, index);
        if index >= warm_up {
            times.push(nanos(answered - start));
        }
    }
    times.sorted()
}

/// One client, its messages and what it makes of the venue's.
struct Trader {
    client: Client,
    out: Vec<u8>,
    fields: Box<Fields>,
    cl_ord_id: [u8; 8],
}

impl Trader {
    fn new() -> Trader {
        let name = |text: &[u8]| CompId::new(text).expect("a name");
        let config = ClientConfig {
            version: Version::Fix44,
            sender: name(b"CLIENT1"),
            target: name(b"VESTA"),
            username: None,
            password: None,
            heartbeat_s: 600,
            reset: false,
            next_out: MsgSeqNum(1),
            next_in: MsgSeqNum(1),
        };
        Trader {
            client: Client::new(config),
            out: Vec::with_capacity(4096),
            fields: Box::default(),
            cl_ord_id: [0; 8],
        }
    }

    fn log_on(&mut self, connection: &mut Connection) {
        self.client.logon(now(), &mut self.out);
        connection.write(&self.out);
        while !self.client.is_logged_on() {
            assert!(connection.read(), "the venue closed the connection");
            self.receive(connection, |_, _| {});
        }
    }

    /// Makes the message of order `index` in `out`.
    fn order(&mut self, index: usize) {
        self.out.clear();
        let mut rest = index;
        for digit in self.cl_ord_id.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        let now = now();
        let side = if index.is_multiple_of(2) { b'1' } else { b'2' };
        let id = self.cl_ord_id;
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(11, &id).bytes(55, b"VESTA").char(54, side).utc(60, now).uint(38, 1);
            order.char(40, b'2').decimal(44, 50_000, 2).char(59, b'1');
        };
        self.client.send(now, b"D", body, &mut self.out);
    }

    /// Reads the reports of order `index`, all of them; says when the first one was there.
    fn reports(&mut self, connection: &mut Connection, index: usize) -> Instant {
        // A bid: New. An offer: New, and a fill of each side.
        let expected = if index.is_multiple_of(2) { 1 } else { 3 };
        let (mut first, mut seen) = (None, 0);
        let cl_ord_id = self.cl_ord_id;
        while seen < expected {
            assert!(connection.read(), "the venue closed the connection");
            self.receive(connection, |id, exec_type| {
                assert!(matches!(exec_type, b"0" | b"F"), "order {index} was refused");
                seen += 1;
                if id == cl_ord_id {
                    first.get_or_insert_with(Instant::now);
                }
            });
        }
        first.expect("a report of the order itself")
    }

    /// Takes the whole messages that were read; tells `report` ClOrdID(11) and ExecType(150) of each
    /// ExecutionReport.
    fn receive(&mut self, connection: &mut Connection, mut report: impl FnMut(&[u8], &[u8])) {
        self.out.clear();
        let mut at = 0;
        while let Ok((message, used)) =
            decode(&connection.bytes[at..connection.filled], &mut self.fields)
        {
            match self.client.receive(now(), &message, &mut self.out) {
                Incoming::Application(message) => report(
                    message.get(11).unwrap_or_default(),
                    message.get(150).unwrap_or_default(),
                ),
                Incoming::LoggedOn | Incoming::Admin => {}
                other => panic!("{other:?}"),
            }
            at += used;
        }
        connection.take(at);
    }
}

fn config() -> Config {
    let text = "[fix]\nlisten = \"127.0.0.1:0\"\n\
         [venue]\nsegment_mib = 16\n[journal]\nsnapshot_mib = 0\n\
         [itch.soup]\nlisten = \"127.0.0.1:0\"\n\
         [[instrument]]\nsymbol = \"VESTA\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
         qty_max = \"1000000\"\nprice_min = \"0.01\"\nprice_max = \"2000\"\n\
         [[session]]\ncomp_id = \"CLIENT1\"\nparticipant = \"FIRM1\"\n";
    Config::parse("bench", text).expect("a configuration")
}

fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp(nanos(since))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
