//! Many sessions at once: what those cost that say nothing, and whether a thousand that trade are served.
//!
//! The venue is another process, so that its memory and its CPU time are its own.

#![allow(clippy::print_stdout)] // The venue's process answers there.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use benches::measure::{Bench, Times, Unit, Value, on_cpu};
use benches::rig::Folder;
use benches::trader::{nanos, now};
use gateway::fix::client::{Client, ClientConfig, Health, Incoming};
use gateway::fix::{CompId, Fields, Version, decode};
use matcher::MsgSeqNum;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use venue::{Config, Durability, Layout, Venue, Wait};

const VENUE_CPU: usize = 0;
const CLIENT_CPU: usize = 1;

/// Sessions that are logged on and idle, their HeartBtInt(108), and how long they are looked at.
const IDLE: usize = 5_000;
const HEARTBEAT_S: u32 = 30;
const IDLE_FOR: Duration = Duration::from_secs(60);

/// Sessions that trade, orders of each in a second, and for how long.
const ACTIVE: usize = 1_000;
const ORDERS_A_SECOND: u32 = 100;
const ACTIVE_FOR: Duration = Duration::from_secs(60);

/// Orders that a session sends at once, so half as often: one client sends for all of them, and a write a session takes it
/// longer than all else.
const AT_ONCE: usize = 2;

/// Writes before what has come is read.
const SENDS_A_ROUND: usize = 64;

/// How long answers may still come after the last order, and sessions may take to log on.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--venue") {
        return venue(&args[at + 1..]);
    }
    let bench = Bench::new("sessions");
    if bench.wants("sessions/idle") {
        on_cpu(CLIENT_CPU, || idle(&bench));
    }
    if bench.wants("sessions/active") {
        on_cpu(CLIENT_CPU, || active(&bench));
    }
}

fn idle(bench: &Bench) {
    let house = House::open(1);
    let (alone, _) = house.memory();
    drop(house);
    let house = House::open(IDLE);
    let (before, _) = house.memory();
    let began = Instant::now();
    let mut crowd = Crowd::log_on(house.address, IDLE);
    let took = began.elapsed();
    let (after, shared) = house.memory();
    let (began, cpu) = (Instant::now(), house.cpu());
    while began.elapsed() < IDLE_FOR {
        crowd.hear(Duration::from_millis(50), &mut |_| {});
        crowd.tick();
    }
    let busy = house.cpu() - cpu;
    let percent =
        Value(u64::try_from(busy.as_nanos() * 10_000 / began.elapsed().as_nanos()).unwrap_or(0));
    let (later, _) = house.memory();
    crowd.assert_all_there();
    let name = format!("sessions/idle, {IDLE}");
    bench.figure(&format!("{name}, logged on after"), Unit::Seconds, vec![Value::seconds(took)]);
    for (what, bytes) in [
        ("resident with one session defined", alone),
        ("resident with all of them defined", before),
        ("resident with all of them logged on", after),
        ("resident a minute later", later),
        ("of that the live log, shared", shared),
    ] {
        bench.figure(&format!("{name}, {what}"), Unit::Megabytes, vec![Value::megabytes(bytes)]);
    }
    bench.figure(&format!("{name}, CPU of the venue, of one"), Unit::Percent, vec![percent]);
}

fn active(bench: &Bench) {
    let house = House::open(ACTIVE);
    let mut crowd = Crowd::log_on(house.address, ACTIVE);
    let total = ACTIVE
        * usize::try_from(ORDERS_A_SECOND * u32::try_from(ACTIVE_FOR.as_secs()).unwrap_or(0))
            .unwrap_or(0);
    let gap_ns = 1_000_000_000 / (u64::from(ORDERS_A_SECOND) * ACTIVE as u64);
    let (began, cpu) = (Instant::now(), house.cpu());
    let mut times = Times::with_capacity(total);
    let mut answered = 0;
    let mut sent = 0;
    let due = |order: usize| {
        let first = order / AT_ONCE * AT_ONCE;
        began + Duration::from_nanos(first as u64 * gap_ns)
    };
    let mut last_tick = began;
    while answered < total {
        let now = Instant::now();
        assert!(now < due(total) + PATIENCE, "{} orders have no answer", sent - answered);
        // Every session in turn; a client that is late still has to listen.
        for _ in 0..SENDS_A_ROUND {
            if sent == total || due(sent) > now {
                break;
            }
            crowd.orders(sent / AT_ONCE % ACTIVE, sent);
            sent += AT_ONCE;
        }
        crowd.hear(Duration::ZERO, &mut |order| {
            times.push(nanos(due(order).elapsed()));
            answered += 1;
        });
        if last_tick.elapsed() > Duration::from_secs(1) {
            crowd.tick();
            last_tick = Instant::now();
        }
    }
    let elapsed = began.elapsed();
    let busy = house.cpu() - cpu;
    crowd.assert_all_there();
    let times = times.sorted();
    let name = format!("sessions/active, {ACTIVE} of {ORDERS_A_SECOND} orders a second");
    let rate = Value::thousands_per_second(elapsed, total as u64);
    bench.figure(&format!("{name}, orders answered"), Unit::ThousandsPerSecond, vec![rate]);
    for (what, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999), ("max", 1_000)] {
        let value = vec![Value::us(times.at(per_mille))];
        bench.figure(&format!("{name}, from when it was due, {what}"), Unit::Us, value);
    }
    let percent = Value(u64::try_from(busy.as_nanos() * 10_000 / elapsed.as_nanos()).unwrap_or(0));
    bench.figure(&format!("{name}, CPU of the venue, of one"), Unit::Percent, vec![percent]);
    let (resident, _) = house.memory();
    bench.figure(&format!("{name}, resident"), Unit::Megabytes, vec![Value::megabytes(resident)]);
}

/// All sessions, on one thread.
struct Crowd {
    poll: Poll,
    events: Events,
    links: Vec<Link>,
    fields: Box<Fields>,
    bytes: Box<[u8]>,
    out: Vec<u8>,
}

struct Link {
    client: Client,
    stream: TcpStream,
    /// What came of a message that has not come whole.
    kept: Vec<u8>,
    closed: bool,
}

impl Crowd {
    fn log_on(address: SocketAddr, count: usize) -> Crowd {
        let poll = Poll::new().expect("a poll");
        let name = |text: &str| CompId::new(text.as_bytes()).expect("a name");
        let links = (0..count).map(|index| {
            let client = Client::new(ClientConfig {
                version: Version::Fix44,
                sender: name(&comp_id(index)),
                target: name("VESTA"),
                username: None,
                password: None,
                heartbeat_s: HEARTBEAT_S,
                reset: false,
                next_out: MsgSeqNum(1),
                next_in: MsgSeqNum(1),
            });
            let stream = std::net::TcpStream::connect(address).expect("a connection");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            stream.set_nonblocking(true).expect("a mode");
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE;
            poll.registry().register(&mut stream, Token(index), interest).expect("a poll");
            Link { client, stream, kept: Vec::new(), closed: false }
        });
        let links = links.collect();
        let mut crowd = Crowd {
            poll,
            events: Events::with_capacity(1_024),
            links,
            fields: Box::default(),
            bytes: vec![0; 64 << 10].into(),
            out: Vec::new(),
        };
        for link in &mut crowd.links {
            crowd.out.clear();
            link.client.logon(now(), &mut crowd.out);
            link.write(&crowd.out);
        }
        let until = Instant::now() + PATIENCE;
        while !crowd.links.iter().all(|link| link.client.is_logged_on()) {
            assert!(Instant::now() < until, "not all are logged on");
            crowd.hear(Duration::from_millis(10), &mut |_| {});
        }
        crowd
    }

    /// Takes what came; tells `first` the number of each order that is answered for the first time.
    fn hear(&mut self, timeout: Duration, first: &mut impl FnMut(usize)) {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            polled => polled.expect("a poll"),
        }
        for event in &self.events {
            let link = &mut self.links[event.token().0];
            link.hear(&mut self.bytes, &mut self.fields, &mut self.out, first);
        }
    }

    fn tick(&mut self) {
        for link in &mut self.links {
            self.out.clear();
            let health = link.client.tick(now(), &mut self.out);
            link.closed |= health == Health::Silent;
            link.write(&self.out);
        }
    }

    /// Orders that do not trade and do not rest.
    fn orders(&mut self, session: usize, first: usize) {
        let link = &mut self.links[session];
        self.out.clear();
        let now = now();
        for number in first..first + AT_ONCE {
            let (mut id, mut rest) = ([b'0'; 10], number);
            for digit in id.iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                rest /= 10;
            }
            let body = |order: &mut gateway::fix::Encoder<'_>| {
                order.bytes(11, &id).bytes(55, b"VESTA").char(54, b'1').utc(60, now).uint(38, 1);
                order.char(40, b'2').decimal(44, 100, 2).char(59, b'3');
            };
            link.client.send(now, b"D", body, &mut self.out);
        }
        link.write(&self.out);
    }

    fn assert_all_there(&self) {
        let there = self.links.iter().filter(|it| !it.closed && it.client.is_logged_on()).count();
        assert_eq!(there, self.links.len(), "some were disconnected");
    }
}

impl Link {
    /// Little enough never to wait.
    fn write(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.closed {
            self.closed = self.stream.write_all(bytes).is_err();
        }
    }

    fn hear(
        &mut self,
        bytes: &mut [u8],
        fields: &mut Fields,
        out: &mut Vec<u8>,
        first: &mut impl FnMut(usize),
    ) {
        loop {
            let kept = self.kept.len();
            bytes[..kept].copy_from_slice(&self.kept);
            let filled = match self.stream.read(&mut bytes[kept..]) {
                Ok(0) => return self.closed = true,
                Ok(read) => kept + read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.closed = true,
            };
            out.clear();
            let mut at = 0;
            while let Ok((message, used)) = decode(&bytes[at..filled], fields) {
                if let Incoming::Application(report) = self.client.receive(now(), &message, out) {
                    assert_eq!(report.msg_type(), b"8", "{report:?}");
                    // A refusal would be no answer that counts, and never be told.
                    assert_ne!(report.get(150), Some(&b"8"[..]), "{report:?}");
                    if report.get(150) == Some(b"0") {
                        let id = std::str::from_utf8(report.get(11).unwrap_or_default());
                        first(id.ok().and_then(|id| id.parse().ok()).expect("a ClOrdID of ours"));
                    }
                }
                at += used;
            }
            self.kept.clear();
            self.kept.extend_from_slice(&bytes[at..filled]);
            let (drained, answer) = (filled < bytes.len(), std::mem::take(out));
            self.write(&answer);
            *out = answer;
            if drained {
                return;
            }
        }
    }
}

fn comp_id(index: usize) -> String {
    format!("S{index:05}")
}

/// The venue's process.
struct House {
    child: Child,
    address: SocketAddr,
    _folder: Folder,
}

impl House {
    fn open(sessions: usize) -> House {
        let folder = Folder::on_disk(Path::new(DISK), "sessions");
        let me = std::env::current_exe().expect("this program");
        let mut child = Command::new(me)
            .arg("--venue")
            .args([&folder.dir, &folder.live_dir])
            .arg(sessions.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("its output"));
        said.read_line(&mut line).expect("its address");
        let address = line.trim().parse().expect("its address");
        House { child, address, _folder: folder }
    }

    /// Memory that is resident, and the part of it that is shared memory, in bytes.
    fn memory(&self) -> (u64, u64) {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).expect("a process");
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).expect(key);
            let kib = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB");
            kib * 1024
        };
        (value("VmRSS:"), value("RssShmem:"))
    }

    /// CPU time so far.
    fn cpu(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = std::fs::read_to_string(path).expect("a process");
        let behind = text.rsplit(')').next().expect("fields");
        let field = |n: usize| behind.split_whitespace().nth(n).and_then(|it| it.parse().ok());
        let ticks: u64 = field(11).unwrap_or(0) + field(12).unwrap_or(0);
        // Linux counts in hundredths of a second here, whatever its own tick.
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let ended = self.child.wait().expect("the venue's process");
        assert!(ended.success() || std::thread::panicking(), "the venue: {ended}");
    }
}

/// Runs a venue until its input ends: `DIR LIVE_DIR SESSIONS [spin]`. A load client of others finds sessions `S00000` …
/// there, and the instrument `VESTA`.
fn venue(args: &[String]) {
    let [dir, live, sessions, wait @ ..] = args else { panic!("{args:?}") };
    let count: usize = sessions.parse().expect("a number");
    let mut text = format!(
        "[fix]\nlisten = \"127.0.0.1:0\"\nconnections_max = {}\nconnections_before_logon = {0}\n\
         [venue]\nsegment_mib = 16\n[journal]\nsnapshot_mib = 0\n[limits]\nsessions = {0}\n\
         [[instrument]]\nsymbol = \"VESTA\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
         qty_max = \"1000000\"\nprice_min = \"0.01\"\nprice_max = \"2000\"\n",
        count + 8
    );
    for index in 0..count {
        let id = comp_id(index);
        let _ = writeln!(text, "[[session]]\ncomp_id = \"{id}\"\nparticipant = \"F{index}\"");
    }
    let config = Config {
        journal_dir: dir.into(),
        live_dir: Some(live.into()),
        durability: Durability::Memory,
        layout: Layout::Joined,
        wait: if wait == ["spin"] { Wait::Spin } else { Wait::Park },
        core_cpu: Some(VENUE_CPU),
        ..Config::parse("bench", &text).expect("a configuration")
    };
    let venue = Venue::start(&config).expect("a venue");
    println!("{}", venue.fix_addr());
    let _ = std::io::stdin().read(&mut [0]);
    venue.stop().expect("a clean end");
}
