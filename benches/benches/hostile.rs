//! What a well-behaved session feels of a hostile one: order → ExecutionReport with and without each attack, in turn.
//!
//! The attacker is another process of lowest priority on the client's CPU. Without the attack it burns its CPU and
//! sends nothing, so that both sides differ by the attack alone.

#![allow(clippy::print_stdout)] // The attacker's process answers there.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use benches::measure::{Bench, Sorted, Times, Unit, Value, on_cpu, pin};
use benches::rig::Folder;
use benches::trader::{Believed, Connection, Trader, nanos, now};
use gateway::fix::Encoder;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, RootCertStore};
use socket2::{Domain, Socket, Type};
use venue::credentials::{Credentials, Password};
use venue::{Config, Durability, Layout, Venue, Wait};

/// The venue's CPU, and that of everybody else: the client, the attacker, the venue's other threads.
const VENUE_CPU: usize = 0;
const CLIENT_CPU: usize = 1;

/// Rounds with and without an attack, in turn.
const ROUNDS: usize = 7;

/// How long a round is measured, and how long what was before may die down.
const ROUND: Duration = Duration::from_millis(400);
const PAUSE: Duration = Duration::from_millis(60);

/// How long an attack may take to be what it is.
const PATIENCE: Duration = Duration::from_secs(8);

/// Between two orders.
const GAP: Duration = Duration::from_micros(500);

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// What is done, and to whom it is done.
type Attack = (&'static str, fn(&mut Ground));

const ATTACKS: [Attack; 16] = [
    ("connect and go", connect_and_go),
    ("10,000 connections that say nothing", many_connections),
    ("200 Logons a byte at a time", slow_logons),
    ("noise", noise),
    ("a message without an end", no_end),
    ("a giant BodyLength(9)", giant),
    ("Logons of nobody", logons_of_nobody),
    ("Logons with wrong passwords", wrong_passwords),
    ("TLS handshakes that do not go on", tls_never),
    ("TLS handshakes one after another", tls_storm),
    ("TLS noise", tls_noise),
    ("logged on, never reads", never_reads),
    ("logged on, a byte at a time", byte_by_byte),
    ("logged on, garbled messages", garbled),
    ("logged on, asks for everything again and again", resends),
    ("logged on, far beyond its rate", beyond_its_rate),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--attack") {
        return attack(&args[at + 1..]);
    }
    let bench = Bench::new("hostile");
    for (name, _) in ATTACKS {
        let figure = format!("hostile/{name}");
        if bench.wants(&figure) {
            compare(&bench, &figure, name);
        }
    }
}

fn compare(bench: &Bench, figure: &str, name: &str) {
    let folder = Folder::on_disk(Path::new(DISK), "hostile");
    let believed = Believed::new(folder.dir.parent().expect("a folder"));
    let config = config(&folder, &believed);
    // Threads that are not told where to be are where the one is that starts them.
    let venue = on_cpu(CLIENT_CPU, || Venue::start(&config)).expect("a venue");
    let mut attacker = Attacker::start(name, &venue);
    let (mut with, mut without) = (Rows::default(), Rows::default());
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    on_cpu(CLIENT_CPU, || {
        let mut connection = Connection::open(venue.fix_addr(), Wait::Spin);
        let mut trader = Trader::new();
        trader.log_on(&mut connection);
        let mut index = 0;
        // The first is not counted.
        for round in 0..=ROUNDS {
            attacker.say("rest");
            let rest = measure(&mut trader, &mut connection, &mut index);
            attacker.say("go");
            let attacked = measure(&mut trader, &mut connection, &mut index);
            if round > 0 {
                p50.push(Value::ratio(attacked.at(500), rest.at(500)));
                p99.push(Value::ratio(attacked.at(990), rest.at(990)));
                with.push(&attacked);
                without.push(&rest);
            }
        }
    });
    drop(attacker);
    venue.stop().expect("a clean end");
    with.print(bench, figure, "with");
    without.print(bench, figure, "without");
    bench.figure(&format!("{figure}, median to median"), Unit::Ratio, p50);
    bench.figure(&format!("{figure}, p99 to p99"), Unit::Ratio, p99);
}

/// Orders at a fixed rate for a round, each measured from just before its write.
fn measure(trader: &mut Trader, connection: &mut Connection, index: &mut usize) -> Sorted {
    // What the part before has left in sockets and buffers is not this one's.
    std::thread::sleep(PAUSE);
    let orders = usize::try_from(ROUND.as_nanos() / GAP.as_nanos()).unwrap_or(0);
    let mut times = Times::with_capacity(orders);
    let began = Instant::now();
    for n in 0..orders {
        let due = began + GAP * u32::try_from(n).unwrap_or(0);
        // Not spinning: the attacker is on this CPU, and would get none of it.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        trader.order(*index);
        let start = Instant::now();
        connection.write(&trader.out);
        times.push(nanos(trader.reports(connection, *index) - start));
        *index += 1;
    }
    times.sorted()
}

#[derive(Default)]
struct Rows(Vec<Value>, Vec<Value>);

impl Rows {
    fn push(&mut self, times: &Sorted) {
        self.0.push(Value::us(times.at(500)));
        self.1.push(Value::us(times.at(990)));
    }

    fn print(self, bench: &Bench, figure: &str, what: &str) {
        bench.figure(&format!("{figure}, {what}, p50"), Unit::Us, self.0);
        bench.figure(&format!("{figure}, {what}, p99"), Unit::Us, self.1);
    }
}

/// The session of the attacker is the second; the third has a password.
fn config(folder: &Folder, believed: &Believed) -> Config {
    let text = "[fix]\nlisten = \"127.0.0.1:0\"\n\
         [venue]\nsegment_mib = 16\n[journal]\nsnapshot_mib = 0\n\
         [[instrument]]\nsymbol = \"VESTA\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
         qty_max = \"1000000\"\nprice_min = \"0.01\"\nprice_max = \"2000\"\n\
         [[instrument]]\nsymbol = \"OTHER\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
         qty_max = \"1000000\"\nprice_min = \"0.01\"\nprice_max = \"2000\"\n\
         [[session]]\ncomp_id = \"CLIENT1\"\nparticipant = \"FIRM1\"\n\
         [[session]]\ncomp_id = \"CLIENT2\"\nparticipant = \"FIRM2\"\n\
         [[session]]\ncomp_id = \"CLIENT3\"\nparticipant = \"FIRM3\"\n\
         [[session]]\ncomp_id = \"CLIENT4\"\nparticipant = \"FIRM4\"\n\
         rate = { per_s = 100, over = \"delay\" }\n";
    let mut config = Config::parse("bench", text).expect("a configuration");
    let hash = Password::hash(b"a word that nobody says").expect("a hash");
    let password = Password::parse(&hash).expect("a hash");
    let credentials = Credentials { password: Some(password), ..Credentials::default() };
    config.sessions[2].credentials = credentials;
    config.fix.tls = Some((config.fix.listen, believed.files.clone()));
    // What is heard of each connection is what it would be without it, but for these.
    config.fix.slow_peer_s = 1;
    Config {
        journal_dir: folder.dir.clone(),
        live_dir: Some(folder.live_dir.clone()),
        durability: Durability::Memory,
        layout: Layout::Joined,
        wait: Wait::Spin,
        core_cpu: Some(VENUE_CPU),
        ..config
    }
}

/// The other process.
struct Attacker {
    child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Attacker {
    fn start(name: &str, venue: &Venue) -> Attacker {
        let me = std::env::current_exe().expect("this program");
        let tls = venue.tls_addr().expect("a listener");
        let mut child = Command::new(me)
            .args(["--attack", name, &venue.fix_addr().to_string(), &tls.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let say = child.stdin.take().expect("its input");
        let hear = BufReader::new(child.stdout.take().expect("its output"));
        Attacker { child, say, hear }
    }

    /// Says what to do and waits until it does it.
    fn say(&mut self, word: &str) {
        writeln!(self.say, "{word}").expect("the attacker");
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("the attacker");
        assert_eq!(line.trim(), word, "the attacker");
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const REST: u8 = 0;
const GO: u8 = 1;

/// The attacker's process.
fn attack(args: &[String]) {
    let [name, fix, tls] = args else { panic!("{args:?}") };
    let (_, run) = ATTACKS.iter().find(|(known, _)| known == name).expect("an attack");
    pin(CLIENT_CPU);
    let _ = rustix::process::setpriority_process(None, 19);
    let word = Arc::new(AtomicU8::new(REST));
    let heard = Arc::clone(&word);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let word = if line.is_ok_and(|line| line == "go") { GO } else { REST };
            heard.store(word, Ordering::Release);
        }
        std::process::exit(0);
    });
    let address = |text: &str| text.parse().expect("an address");
    let (fix, tls) = (address(fix), address(tls));
    let mut ground = Ground { fix, tls, word, told: 2, next: 0, hello: hello() };
    loop {
        ground.tell(REST);
        while ground.word.load(Ordering::Acquire) != GO {
            std::hint::spin_loop();
        }
        run(&mut ground);
        ground.tell(GO);
    }
}

/// Where an attack takes place.
struct Ground {
    fix: SocketAddr,
    tls: SocketAddr,
    word: Arc<AtomicU8>,
    /// What the bench was told last.
    told: u8,
    next: u32,
    /// A whole ClientHello.
    hello: Vec<u8>,
}

impl Ground {
    fn goes_on(&self) -> bool {
        self.word.load(Ordering::Acquire) == GO
    }

    /// The attack is what it is from now on, or it is over.
    fn tell(&mut self, word: u8) {
        if std::mem::replace(&mut self.told, word) != word {
            println!("{}", if word == GO { "go" } else { "rest" });
        }
    }

    /// A connection from another address each time; what is not taken at once is not waited for.
    fn open(&mut self, to: SocketAddr) -> Option<TcpStream> {
        self.next = self.next.wrapping_add(1);
        let [_, _, high, low] = (self.next % 50_000).to_be_bytes();
        let from = Ipv4Addr::new(127, 1, high, low.max(1));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
        socket.set_linger(Some(Duration::ZERO)).ok()?;
        socket.set_nonblocking(true).ok()?;
        socket.set_tcp_nodelay(true).ok()?;
        socket.bind(&SocketAddr::from((from, 0)).into()).ok()?;
        match socket.connect(&to.into()) {
            Ok(()) => Some(socket.into()),
            Err(error) if error.raw_os_error() == Some(115) => Some(socket.into()),
            Err(_) => None,
        }
    }

    /// A session that is logged on with its numbers begun anew.
    fn log_on(&mut self, comp_id: &'static str) -> Option<Session> {
        let until = Instant::now() + PATIENCE;
        while self.goes_on() && Instant::now() < until {
            let stream = TcpStream::connect(self.fix).ok()?;
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
            let mut session = Session { stream, comp_id, number: 0 };
            let mut logon = Vec::new();
            session.message(&mut logon, b"A", |it| {
                it.uint(98, 0).uint(108, 60).char(141, b'Y');
            });
            session.stream.write_all(&logon).ok()?;
            if session.stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                session.stream.set_nonblocking(true).ok()?;
                return Some(session);
            }
        }
        None
    }

    /// Keeps `count` connections busy with `step`, which says no when one is to be replaced.
    fn keep(
        &mut self,
        to: SocketAddr,
        count: usize,
        mut step: impl FnMut(&mut TcpStream, usize, &[u8]) -> bool,
    ) {
        let mut open: Vec<Option<(TcpStream, usize)>> = (0..count).map(|_| None).collect();
        let hello = std::mem::take(&mut self.hello);
        while self.goes_on() {
            for slot in &mut open {
                if !self.goes_on() {
                    break;
                }
                let goes_on = slot.as_mut().is_some_and(|(stream, at)| {
                    *at += 1;
                    step(stream, *at - 1, &hello)
                });
                if !goes_on {
                    *slot = self.open(to).map(|stream| (stream, 0));
                }
            }
            self.tell(GO);
        }
        self.hello = hello;
    }
}

struct Session {
    stream: TcpStream,
    comp_id: &'static str,
    number: u32,
}

impl Session {
    fn message(&mut self, out: &mut Vec<u8>, msg_type: &[u8], body: impl FnOnce(&mut Encoder<'_>)) {
        self.number += 1;
        let mut message = Encoder::begin(out, b"FIX.4.4", msg_type);
        message.uint(34, self.number.into()).bytes(49, self.comp_id.as_bytes());
        message.utc(52, now()).bytes(56, b"VESTA");
        body(&mut message);
        message.finish();
    }

    fn order(&mut self, out: &mut Vec<u8>) {
        let id = self.number.to_string();
        self.message(out, b"D", |it| {
            it.bytes(11, id.as_bytes()).bytes(55, b"OTHER").char(54, b'1').utc(60, now());
            it.uint(38, 1).char(40, b'2').decimal(44, 100, 2).char(59, b'3');
        });
    }

    /// Writes as far as the socket takes it; `false` if it is closed.
    fn write(&mut self, bytes: &[u8]) -> bool {
        writes(&mut self.stream, bytes)
    }

    /// Reads what there is and throws it away; `false` if it is closed.
    fn drain(&mut self) -> bool {
        let mut bytes = [0; 65_536];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}

/// A part written is enough for an attack.
fn writes(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    match stream.write(bytes) {
        Ok(written) => written > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected),
    }
}

/// Whether the venue has closed it.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 4096]) {
        Ok(read) => read == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected),
    }
}

fn hello() -> Vec<u8> {
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("a version")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a ClientHello");
    hello
}

fn random_bytes(count: usize) -> Vec<u8> {
    let byte = |n: usize| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0];
    (0..count).map(byte).collect()
}

fn connect_and_go(ground: &mut Ground) {
    let fix = ground.fix;
    while ground.goes_on() {
        ground.open(fix);
        ground.tell(GO);
    }
}

fn many_connections(ground: &mut Ground) {
    let fix = ground.fix;
    ground.keep(fix, 10_000, |stream, at, _| at % 16 != 1 || !is_closed(stream));
}

fn slow_logons(ground: &mut Ground) {
    let mut logon = Vec::new();
    let mut message = Encoder::begin(&mut logon, b"FIX.4.4", b"A");
    message.bytes(58, &[b'x'; 4_000]);
    message.finish();
    let fix = ground.fix;
    ground.keep(fix, 200, |stream, at, _| {
        at < logon.len() && writes(stream, &logon[at..=at]) && !is_closed(stream)
    });
}

fn noise(ground: &mut Ground) {
    let bytes = random_bytes(16_384);
    let fix = ground.fix;
    ground.keep(fix, 20, |stream, _, _| writes(stream, &bytes) && !is_closed(stream));
}

fn no_end(ground: &mut Ground) {
    let mut bytes = b"8=FIX.4.4\x019=5\x0135=A\x01".to_vec();
    bytes.resize(3_000, b'x');
    let fix = ground.fix;
    ground.keep(fix, 20, |stream, at, _| {
        writes(stream, if at == 0 { &bytes } else { &bytes[30..] }) && !is_closed(stream)
    });
}

fn giant(ground: &mut Ground) {
    let mut bytes = b"8=FIX.4.4\x019=99999999\x0135=A\x01".to_vec();
    bytes.resize(16_384, b'x');
    let fix = ground.fix;
    ground.keep(fix, 20, |stream, _, _| writes(stream, &bytes) && !is_closed(stream));
}

fn logon_of(comp_id: &str) -> Vec<u8> {
    let mut logon = Vec::new();
    let mut message = Encoder::begin(&mut logon, b"FIX.4.4", b"A");
    message.uint(34, 1).bytes(49, comp_id.as_bytes()).utc(52, now()).bytes(56, b"VESTA");
    message.uint(98, 0).uint(108, 30).char(141, b'Y').bytes(554, b"another word");
    message.finish();
    logon
}

fn logons_of_nobody(ground: &mut Ground) {
    let (logon, fix) = (logon_of("NOBODY"), ground.fix);
    ground.keep(
        fix,
        50,
        |stream, at, _| {
            if at == 0 { writes(stream, &logon) } else { !is_closed(stream) }
        },
    );
}

fn wrong_passwords(ground: &mut Ground) {
    let (logon, fix) = (logon_of("CLIENT3"), ground.fix);
    ground.keep(
        fix,
        50,
        |stream, at, _| {
            if at == 0 { writes(stream, &logon) } else { !is_closed(stream) }
        },
    );
}

fn tls_never(ground: &mut Ground) {
    let tls = ground.tls;
    ground.keep(tls, 1_000, |stream, at, hello| {
        let part = hello.chunks(hello.len() / 8).nth(at / 16);
        let write = at.is_multiple_of(16);
        match part {
            Some(part) if write && at < 7 * 16 => writes(stream, part) && !is_closed(stream),
            _ => at < 200 && !is_closed(stream),
        }
    });
}

fn tls_storm(ground: &mut Ground) {
    let tls = ground.tls;
    // Until the venue's own part has come, which costs it the most.
    ground.keep(tls, 50, |stream, at, hello| {
        if at == 0 {
            return writes(stream, hello);
        }
        let nothing_yet = ErrorKind::WouldBlock;
        stream.read(&mut [0; 4096]).is_err_and(|error| error.kind() == nothing_yet)
    });
}

fn tls_noise(ground: &mut Ground) {
    let bytes = random_bytes(16_384);
    let tls = ground.tls;
    ground.keep(tls, 20, |stream, _, _| writes(stream, &bytes) && !is_closed(stream));
}

fn never_reads(ground: &mut Ground) {
    while ground.goes_on() {
        let Some(mut session) = ground.log_on("CLIENT2") else { return };
        let mut burst = Vec::new();
        while ground.goes_on() {
            if burst.is_empty() {
                for _ in 0..100 {
                    session.message(&mut burst, b"1", |it| {
                        it.bytes(112, b"are you there");
                    });
                }
            }
            match session.stream.write(&burst) {
                Ok(written) => drop(burst.drain(..written)),
                // It is full: from now on nobody reads.
                Err(error) if error.kind() == ErrorKind::WouldBlock => ground.tell(GO),
                Err(_) => break,
            }
        }
    }
}

fn byte_by_byte(ground: &mut Ground) {
    while ground.goes_on() {
        let Some(mut session) = ground.log_on("CLIENT2") else { return };
        ground.tell(GO);
        let mut message = Vec::new();
        while ground.goes_on() && session.drain() {
            message.clear();
            session.message(&mut message, b"1", |it| {
                it.bytes(112, &[b'x'; 150]);
            });
            if !message.iter().all(|byte| session.write(&[*byte])) {
                break;
            }
        }
    }
}

fn garbled(ground: &mut Ground) {
    while ground.goes_on() {
        let Some(mut session) = ground.log_on("CLIENT2") else { return };
        ground.tell(GO);
        let one = b"8=FIX.4.4\x019=7\x0135=1\x01";
        let burst: Vec<u8> = std::iter::repeat_n(one, 700).flatten().copied().collect();
        while ground.goes_on() && session.write(&burst) && session.drain() {}
    }
}

fn resends(ground: &mut Ground) {
    let Some(mut session) = ground.log_on("CLIENT2") else { return };
    let mut out = Vec::new();
    for _ in 0..200 {
        out.clear();
        (0..50).for_each(|_| session.order(&mut out));
        let mut written = 0;
        while written < out.len() && session.drain() {
            written += session.stream.write(&out[written..]).unwrap_or(0);
        }
    }
    ground.tell(GO);
    while ground.goes_on() && session.drain() {
        out.clear();
        // Something new in between: the same request again and again would end the session.
        session.order(&mut out);
        session.message(&mut out, b"2", |it| {
            it.uint(7, 1).uint(16, 0);
        });
        if !session.write(&out) {
            return;
        }
        let until = Instant::now() + Duration::from_millis(2);
        while ground.goes_on() && Instant::now() < until && session.drain() {}
    }
}

fn beyond_its_rate(ground: &mut Ground) {
    let Some(mut session) = ground.log_on("CLIENT4") else { return };
    ground.tell(GO);
    let mut burst = Vec::new();
    while ground.goes_on() && session.drain() {
        if burst.is_empty() {
            (0..50).for_each(|_| session.order(&mut burst));
        }
        match session.stream.write(&burst) {
            Ok(written) => drop(burst.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
