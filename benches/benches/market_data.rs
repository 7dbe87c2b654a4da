//! Market data: from the matcher's event to the bytes on the wire, and what readers cost the core.
//!
//! The core spins on CPU 0, the feed on CPU 1. Three segments are made when the log is opened, enough for a round, so no
//! thread that makes or syncs them is there.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use benches::measure::{Bench, Sorted, Times, Unit, Value, cpu_time, on_cpu, pin};
use benches::orders::{OPERATIONS, Request, SEED, STANDARD, requests, stream};
use benches::rig::{Folder, core, push};
use feed::Publisher;
use feed::mold::MoldPacket;
use gateway::network::Sockets;
use gateway::soup::{SoupClient, SoupClientConfig};
use journal::{Log, Opened, Position};
use matcher::Timestamp;
use venue::config::{Mold, MoldLine};
use venue::feed_thread::{FeedIndex, FeedLoop, FeedParts, Multicast, WINDOW};
use venue::release::Release;
use venue::ring::Requests;
use venue::threads::Sleeper;
use venue::{Clock, Config, Core, Durability, Turned, clock};

const SEGMENT_BYTES: u32 = 256 << 20;
const CELLS: usize = 1 << 14;
const SESSIONS: u32 = 64;
const TURNS_A_ROUND: usize = 256;

/// Rounds of the lag, and how long each is.
const LAG_ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1_000);

/// Rounds with and without readers, in turn, and their commands.
const ROUNDS: usize = 9;
const COMMANDS: usize = 600_000;

const DAY_NS: u64 = 86_400_000_000_000;

fn main() {
    let bench = Bench::new("market_data");
    let stream = stream(&STANDARD, SEED, OPERATIONS);
    let list = requests(&stream.operations, SESSIONS).list;
    for (thousands, lines) in [(20, 1), (20, 2), (100, 1), (250, 1)] {
        let name = format!("market_data/lag, {thousands} k commands/s, {lines} lines");
        if bench.wants(&name) {
            let rounds: Vec<Sorted> =
                (0..LAG_ROUNDS).map(|_| lag(&list, thousands, lines)).collect();
            for (what, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
                let values = rounds.iter().map(|it| Value::us(it.at(per_mille))).collect();
                bench.figure(&format!("{name}, {what}"), Unit::Us, values);
            }
        }
    }
    if bench.wants("market_data/another reader") {
        another(&bench, &list);
    }
    if bench.wants("market_data/readers") {
        readers(&bench, &list[..COMMANDS]);
    }
}

/// The core's thread: commands by the clock, each taken at once. `meanwhile` is what it does besides.
fn paced(
    (core, ring): (&mut Core, &mut Requests),
    list: &[Request],
    gap: Duration,
    over: &AtomicBool,
    mut meanwhile: impl FnMut(),
) {
    let began = Instant::now();
    for (n, request) in (0..).zip(list) {
        let due = gap * n;
        while began.elapsed() < due {
            meanwhile();
        }
        if due > ROUND {
            break;
        }
        assert!(push(ring, request));
        core.turns(1);
    }
    over.store(true, Ordering::Release);
}

/// Of each message: from the time that stands in it, which is when the core took its command, before it matched, to the
/// moment when the packet had been handed to the kernel. On the loopback interface it is in the receiver's socket then.
fn lag(list: &[Request], thousands: u32, lines: usize) -> Sorted {
    let folder = Folder::in_memory("lag");
    let Opened { writer, log, .. } = folder.open(SEGMENT_BYTES);
    let (mut core, mut ring) = core(writer, SESSIONS, CELLS);
    let (mut multicast, heard) = multicast(&log, lines);
    let over = AtomicBool::new(false);
    // The core does not begin while the feed's thread still touches the memory for what it measures.
    let both = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(0);
            both.wait();
            let gap = Duration::from_millis(1) / thousands;
            paced((&mut core, &mut ring), list, gap, &over, std::hint::spin_loop);
        });
        let measured = scope.spawn(|| {
            pin(1);
            let mut times = Times::with_capacity(4 * 1_000_000);
            both.wait();
            while !over.load(Ordering::Acquire) {
                if !multicast.publish().expect("a journal") {
                    std::hint::spin_loop();
                    continue;
                }
                hear(&heard, &mut times);
            }
            times.sorted()
        });
        measured.join().expect("the feed")
    })
}

/// The lines of a feed, and who hears them.
fn multicast(log: &Log, lines: usize) -> (Multicast, Vec<UdpSocket>) {
    let heard: Vec<UdpSocket> = (0..lines)
        .map(|_| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            socket
        })
        .collect();
    let line = |socket: &UdpSocket| {
        let port = socket.local_addr().expect("a port").port();
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 192, 7, 1), port);
        socket.join_multicast_v4(group.ip(), &Ipv4Addr::LOCALHOST).expect("a group");
        MoldLine { group, interface: Ipv4Addr::LOCALHOST }
    };
    let mold = Mold {
        line_a: line(&heard[0]),
        line_b: heard.get(1).map(line),
        ttl: 1,
        batch_us: 5,
        end_s: 0,
        requests: None,
    };
    let release = Release::new(log.clone(), Durability::Memory);
    let from = (log, Position(0), release);
    let time = (Clock::Machine, Timestamp(0));
    let mut multicast = Multicast::new(&mold, time, from, (Publisher::new(), 1)).expect("lines");
    while multicast.publish().expect("a journal") {}
    drain(&heard, |_| {});
    (multicast, heard)
}

/// How long ago each message that waits on line A was made.
fn hear(heard: &[UdpSocket], times: &mut Times) {
    let now = clock::now().0 % DAY_NS;
    drain(heard, |message| {
        let mut time = [0; 8];
        time[2..].copy_from_slice(&message[5..11]);
        times.push(now.saturating_sub(u64::from_be_bytes(time)));
    });
}

/// Every message that waits on line A; what waits on the others is thrown away.
fn drain(heard: &[UdpSocket], mut take: impl FnMut(&[u8])) {
    let mut packet = [0; 2_048];
    for (index, socket) in heard.iter().enumerate() {
        while let Ok(len) = socket.recv(&mut packet) {
            if index == 0 {
                let packet = MoldPacket::parse(&packet[..len]).expect("a packet");
                packet.messages().for_each(|(_, message)| take(message));
            }
        }
    }
}

/// Who reads over SoupBinTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    Nobody,
    /// One that logs in and never reads.
    Asleep,
    /// Two hundred that read.
    Many,
}

/// The same lag where the core's thread publishes too, as a venue with `layout = "joined"` does, with and without readers over SoupBinTCP
/// on the other CPU, in turn.
fn another(bench: &Bench, list: &[Request]) {
    const KINDS: [(Readers, &str); 3] = [
        (Readers::Nobody, "nobody"),
        (Readers::Asleep, "one that never reads"),
        (Readers::Many, "200 that read"),
    ];
    let name = "market_data/another reader, 20 k commands/s";
    let mut rounds: [Vec<Sorted>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for ((kind, _), rounds) in KINDS.iter().zip(&mut rounds) {
            rounds.push(joined(list, 20, *kind));
        }
    }
    for ((_, what), with) in KINDS.iter().zip(&rounds) {
        for (percentile, per_mille) in [("p50", 500), ("p99", 990)] {
            let values = with.iter().map(|it| Value::us(it.at(per_mille))).collect();
            bench.figure(&format!("{name}, beside {what}, {percentile}"), Unit::Us, values);
        }
        let ratios = with.iter().zip(&rounds[0]);
        let ratios = ratios.map(|(with, alone)| Value::ratio(with.at(500), alone.at(500)));
        bench.figure(
            &format!("{name}, beside {what}, p50 to nobody"),
            Unit::Ratio,
            ratios.collect(),
        );
    }
}

fn joined(list: &[Request], thousands: u32, kind: Readers) -> Sorted {
    let folder = Folder::in_memory("another");
    let Opened { writer, log, .. } = folder.open(SEGMENT_BYTES);
    let (mut core, mut ring) = core(writer, SESSIONS, CELLS);
    let (mut multicast, heard) = multicast(&log, 1);
    let (over, ready) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut feed, address) = listening(&log);
    let sleeper = feed.sleeper().expect("a waker");
    let me = &sleeper;
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&mut feed, me, &over));
        scope.spawn(|| read(kind, address, &ready, &over));
        on_cpu(0, || {
            while !ready.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
            let mut times = Times::with_capacity(4 * 1_000_000);
            let gap = Duration::from_millis(1) / thousands;
            paced((&mut core, &mut ring), list, gap, &over, || {
                if multicast.publish().expect("a journal") {
                    hear(&heard, &mut times);
                    sleeper.wake();
                }
            });
            times.sorted()
        })
    })
}

/// The core as fast as it goes, with and without readers, in turn: its own time, and that on the clock.
fn readers(bench: &Bench, list: &[Request]) {
    let kinds = [Readers::Nobody, Readers::Asleep, Readers::Many];
    let mut rounds: [Vec<(Duration, Duration)>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (kind, rounds) in kinds.iter().zip(&mut rounds) {
            rounds.push(full_speed(list, *kind));
        }
    }
    let count = list.len() as u64;
    for (what, rounds) in ["nobody", "one that never reads", "200 that read"].iter().zip(&rounds) {
        let each = rounds.iter().map(|(cpu, _)| Value::ns_each(*cpu, count)).collect();
        bench.figure(&format!("market_data/readers, {what}, a turn"), Unit::Ns, each);
        let each = rounds.iter().map(|(_, clock)| Value::ns_each(*clock, count)).collect();
        bench.figure(&format!("market_data/readers, {what}, a turn on the clock"), Unit::Ns, each);
    }
    let [nobody, asleep, many] = &rounds;
    for (what, with) in [("one that never reads", asleep), ("200 that read", many)] {
        let ratio = |of: fn(&(Duration, Duration)) -> Duration| {
            let both = with.iter().zip(nobody);
            let nanos = |it| u64::try_from(of(it).as_nanos()).unwrap_or(u64::MAX);
            both.map(|(with, without)| Value::ratio(nanos(with), nanos(without))).collect()
        };
        let name = format!("market_data/readers, {what}");
        bench.figure(&format!("{name}, to nobody"), Unit::Ratio, ratio(|it| it.0));
        bench.figure(&format!("{name}, to nobody on the clock"), Unit::Ratio, ratio(|it| it.1));
    }
}

fn full_speed(list: &[Request], kind: Readers) -> (Duration, Duration) {
    let folder = Folder::in_memory("readers");
    let Opened { writer, log, .. } = folder.open(SEGMENT_BYTES);
    let (mut core, mut ring) = core(writer, SESSIONS, CELLS);
    let (over, ready) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut feed, address) = listening(&log);
    // It is woken as a venue's core wakes it.
    let sleeper = feed.sleeper().expect("a waker");
    let me = &sleeper;
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&mut feed, me, &over));
        scope.spawn(|| read(kind, address, &ready, &over));
        on_cpu(0, || {
            while !ready.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
            let began = Instant::now();
            let (cpu, ()) = cpu_time(|| {
                let mut rest = list.iter().peekable();
                while rest.peek().is_some() {
                    while rest.next_if(|request| push(&mut ring, request)).is_some() {}
                    while let Turned::Took(1..) = core.turns(TURNS_A_ROUND) {
                        sleeper.wake();
                    }
                }
            });
            let elapsed = began.elapsed();
            over.store(true, Ordering::Release);
            (cpu, elapsed)
        })
    })
}

/// The feed's thread, as a venue has it.
fn serve(feed: &mut FeedLoop, me: &Sleeper, over: &AtomicBool) {
    pin(1);
    while !over.load(Ordering::Acquire) {
        let mut timeout = Duration::ZERO;
        if !feed.is_listened_to() && !feed.has_askers() {
            timeout = Duration::from_millis(50);
        } else if feed.is_idle() {
            me.doze();
            if feed.is_idle() {
                timeout = Duration::from_millis(100);
            }
        }
        feed.poll(Some(timeout)).expect("a poll");
        me.rise();
        feed.publish().expect("a journal");
    }
}

/// The thread of those who read. `ready`: they are logged in.
fn read(kind: Readers, address: SocketAddr, ready: &AtomicBool, over: &AtomicBool) {
    pin(1);
    let count = match kind {
        Readers::Nobody => 0,
        Readers::Asleep => 1,
        Readers::Many => 200,
    };
    let mut streams: Vec<TcpStream> = (0..count).map(|_| log_in(address)).collect();
    ready.store(true, Ordering::Release);
    let mut buffer = vec![0; 64 << 10];
    while !over.load(Ordering::Acquire) {
        if kind != Readers::Many {
            std::thread::park_timeout(Duration::from_millis(1));
            continue;
        }
        for stream in &mut streams {
            match stream.read(&mut buffer) {
                Ok(len) => assert!(len > 0, "the feed closed"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }
}

/// The feed of a log over SoupBinTCP, and where.
fn listening(log: &Log) -> (FeedLoop, SocketAddr) {
    let listener = mio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = listener.expect("a listener");
    let address = listener.local_addr().expect("an address");
    (feed_loop(log, listener), address)
}

fn feed_loop(log: &Log, listener: mio::net::TcpListener) -> FeedLoop {
    let text = "[fix]\nlisten = \"127.0.0.1:0\"\n[itch.soup]\nlisten = \"127.0.0.1:0\"\n";
    let config = Config::parse("bench", text).expect("a configuration");
    let parts = FeedParts {
        clock: Clock::Machine,
        began: Timestamp(0),
        log,
        from: Position(0),
        release: Release::new(log.clone(), Durability::Memory),
        index: FeedIndex::default(),
        window: WINDOW,
        requests: None,
    };
    FeedLoop::new(&config, Sockets::new(Some(listener), 1_024).expect("a poll"), parts)
}

/// A reader that has logged in for everything.
fn log_in(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let mut login = Vec::new();
    SoupClient::new(SoupClientConfig::new(b"", b"", 1)).login(&mut login);
    stream.write_all(&login).expect("a login");
    // The answer: 33 bytes.
    stream.read_exact(&mut [0; 33]).expect("an answer");
    stream.set_nonblocking(true).expect("a socket");
    stream
}
