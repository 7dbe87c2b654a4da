//! `kill -9` of the venue in the middle of order flow: nothing that was said is lost or said twice.
//!
//! A venue with disk durability is killed at random moments while `vesta play` sends orders over
//! several FIX sessions, and started again; sessions log on with their numbers. In the end every trade
//! and every book row must be as without any kill, every ExecutionReport must have come, none under two
//! numbers, and the journal must replay to the same events.
//!
//! Then the same with the power gone at each kill: `power/power.c`, loaded into the venue, keeps what is not
//! synced from the journal's files, and the live log is removed with the kill.
//!
//! Then over OUCH, where sessions log in with the next number that they expect.
//!
//! And once more with receivers of its multicast, of whose packets one of twenty is lost: over the kills they hear every
//! message once and in order, and their books are the venue's.
//!
//! `VESTA_KILLS`, `VESTA_POWER_CUTS` (default 6) and `VESTA_KILL_SEED` choose how often and when;
//! `VESTA_KILL_COMMANDS` (default 3,000) how long the flow is. `VESTA_KILL_FLOW` names a folder of
//! recorded flow to use instead of the generated one.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test that cannot go on fails; it says its seed.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use feed::message::Message;
use feed::receiver::Start;
use feed::{Mirror, decode};
use matcher::Side;
use serde_json::Value;
use tools::feed_client::{FeedClient, FeedTarget};
use tools::fix_conn::{FixTarget, Login};
use tools::order_flow::{Action, Flow, FlowCommand, FlowFill, FlowRow, Level};
use tools::ouch_set::{OuchLogin, OuchTarget};
use tools::own_venue::{COMP_ID, FLOW_SYMBOL};
use tools::play::{Entry, Options, Place, Played, Target, run_with};
use tools::random::Random;

#[path = "it/address.rs"]
mod address;
use address::own_address;

const SESSIONS: [&str; 4] = ["KILL1", "KILL2", "KILL3", "KILL4"];

#[test]
fn what_was_said_survives_kill_9_at_random_moments() {
    let kills = usize::try_from(number("VESTA_KILLS", 6)).unwrap();
    let folder = Folder::new("kill");
    let machine = Machine { config: folder.0.join("vesta.toml"), power: None };
    play_and_kill(&folder, machine, kills);
}

/// Each client comes back with the next number that it expects and is told what it missed and nothing else; what it had asked
/// and was not answered it asks again, and the venue does it once. At the end all is said again from message 1 on, as it was.
#[test]
fn what_was_said_over_ouch_survives_kill_9_at_random_moments() {
    let kills = usize::try_from(number("VESTA_KILLS", 6)).unwrap();
    let folder = Folder::new("ouch");
    let machine = Machine { config: folder.0.join("vesta.toml"), power: None };
    let ouch = own_address();
    let config = |fix, soup| {
        let mut text = config_text(fix, soup);
        text = text.replacen("[fix]\n", "[fix]\nplain_passwords = true\n", 1);
        text = text.replacen(
            "[[instrument]]",
            &format!("[ouch]\nlisten = \"{ouch}\"\n[[instrument]]"),
            1,
        );
        for comp_id in SESSIONS {
            let session = format!("comp_id = \"{comp_id}\"\n");
            let more =
                format!("protocol = \"ouch\"\nusername = \"{comp_id}\"\npassword = \"secret\"\n");
            text = text.replacen(&session, &(session.clone() + &more), 1);
        }
        text
    };
    let login = |name: &str| OuchLogin {
        username: name.into(),
        password: "secret".into(),
        next_sequence: 1,
    };
    let entry = Entry::Ouch {
        target: OuchTarget { address: ouch, patience: Duration::from_secs(60) },
        logins: SESSIONS.into_iter().map(login).collect(),
    };
    let played = play_and_kill_with(&folder, machine, kills, (config, Some(entry)), |_| {});
    // Every message of the day, and no other.
    assert!(played.reports_repeated > played.reports, "{played:?}");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn what_was_said_survives_power_cuts_at_random_moments() {
    let cuts = usize::try_from(number("VESTA_POWER_CUTS", 6)).unwrap();
    let folder = Folder::new("power");
    let power = Some(Power::build(&folder.0));
    let machine = Machine { config: folder.0.join("vesta.toml"), power };
    play_and_kill(&folder, machine, cuts);
}

#[test]
fn receivers_of_a_lossy_multicast_hear_everything_over_kill_9() {
    let kills = usize::try_from(number("VESTA_KILLS", 6)).unwrap().min(12);
    let folder = Folder::new("multicast");
    let machine = Machine { config: folder.0.join("vesta.toml"), power: None };
    let said = Said::choose();
    let relays = [
        Relay::start(said.lines[0], said.heard[0], 1),
        Relay::start(said.lines[1], said.heard[1], 2),
    ];
    let from_start = said.listen(Some(said.heard[1]), Start::Message(1));
    let one_line = said.listen(None, Start::Message(1));
    let began = AtomicBool::new(false);
    let mut late = None;
    let config = |fix, soup| config_text(fix, soup) + &said.config_text();
    play_and_kill_with(&folder, machine, kills, (config, None), |n| {
        // In the middle of the burst.
        if n > 500 && !began.swap(true, Ordering::Relaxed) {
            late = Some(said.listen(Some(said.heard[1]), Start::Snapshot));
        }
    });
    let file = folder.0.join("day.itch");
    let journal = folder.0.join("journal");
    let exported =
        vesta().arg("export").arg(&journal).args(["--itch", "--out"]).arg(&file).output();
    let exported = exported.unwrap();
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let day = binary_file(&std::fs::read(&file).unwrap());
    let mut books = Mirror::new();
    day.iter().for_each(|message| books.apply(message).unwrap());
    assert_eq!(orders(&books), resting(&journal), "the feed's books and the venue's");

    for receiver in [from_start, one_line] {
        let (client, heard) = receiver.end();
        let told = client.receiver().stats();
        println!("{told:?}, of no use: {:?}", client.wrong());
        assert!(told.requests > 0 && client.wrong().0 == 0, "{:?}", client.wrong());
        assert!(heard.iter().map(|(number, _)| *number).eq(1..=day.len() as u64));
        assert!(heard.iter().map(|(_, message)| message).eq(&day));
        assert_eq!(orders(client.receiver().mirror()), orders(&books));
    }
    let (client, heard) = late.unwrap().end();
    println!("late: {:?}", client.receiver().stats());
    assert!(client.receiver().stats().snapshots >= 1);
    assert_eq!(client.receiver().next(), day.len() as u64 + 1);
    assert_eq!(orders(client.receiver().mirror()), orders(&books));
    for (number, message) in heard {
        assert_eq!(message, day[usize::try_from(number - 1).unwrap()]);
    }
    for relay in relays {
        let (packets, lost) = relay.end();
        println!("{lost} of {packets} packets lost on a line");
        assert!(lost * 100 > packets * 2 && lost * 100 < packets * 10);
    }
}

/// Where a venue says its feed, and where it is heard.
struct Said {
    lines: [SocketAddrV4; 2],
    /// The same behind relays.
    heard: [SocketAddrV4; 2],
    requests: SocketAddr,
    glimpse: SocketAddr,
}

impl Said {
    fn choose() -> Said {
        let group = |last| {
            let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            SocketAddrV4::new(Ipv4Addr::new(239, 192, 9, last), port)
        };
        let (lines, heard) = ([group(1), group(2)], [group(3), group(4)]);
        Said { lines, heard, requests: own_address(), glimpse: own_address() }
    }

    fn config_text(&self) -> String {
        let [a, b] = self.lines;
        format!(
            "[itch.mold]\ngroup = \"{a}\"\ninterface = \"127.0.0.1\"\nend_s = 10\nrequests = \"{}\"\n\
             [itch.mold.line_b]\ngroup = \"{b}\"\ninterface = \"127.0.0.1\"\n\
             [itch.glimpse]\nlisten = \"{}\"\n",
            self.requests, self.glimpse
        )
    }

    fn listen(&self, line_b: Option<SocketAddrV4>, start: Start) -> Listener {
        let target = FeedTarget {
            line_a: self.heard[0],
            line_b,
            interface: Ipv4Addr::LOCALHOST,
            requests: Some(self.requests),
            glimpse: (start == Start::Snapshot).then_some(self.glimpse),
            login: (String::new(), String::new()),
        };
        let mut client = FeedClient::starting(target, start).unwrap();
        Listener(std::thread::spawn(move || {
            let mut heard = Vec::new();
            let until = Instant::now() + Duration::from_secs(240);
            // A venue that was killed has not ended its session.
            while !client.receiver().is_complete() {
                assert!(Instant::now() < until, "no end: {:?}", client.receiver().stats());
                let polled = client.poll(Duration::from_millis(20), &mut |number, message| {
                    heard.push((number, *message));
                });
                polled.unwrap();
            }
            (client, heard)
        }))
    }
}

/// A client of the feed on a thread of its own.
struct Listener(JoinHandle<(FeedClient, Vec<(u64, Message)>)>);

impl Listener {
    /// Waits until it has heard the end of the session.
    fn end(self) -> (FeedClient, Vec<(u64, Message)>) {
        self.0.join().unwrap()
    }
}

/// Passes packets on from one group to another, but for one of twenty.
struct Relay {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(u64, u64)>,
}

impl Relay {
    fn start(from: SocketAddrV4, to: SocketAddrV4, seed: u64) -> Relay {
        let inbound = UdpSocket::bind(from).unwrap();
        inbound.join_multicast_v4(from.ip(), &Ipv4Addr::LOCALHOST).unwrap();
        inbound.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // With an address of the interface, packets go out on it.
        let outbound = UdpSocket::bind("127.0.0.1:0").unwrap();
        outbound.set_multicast_loop_v4(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut random, mut packet) = (Random::new(seed), [0; 2_048]);
            let (mut packets, mut lost) = (0, 0);
            while !stopped.load(Ordering::Relaxed) {
                match inbound.recv(&mut packet) {
                    Ok(_) if random.below(20) == 0 => lost += 1,
                    Ok(len) => drop(outbound.send_to(&packet[..len], to)),
                    Err(error) => {
                        let waits = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                        assert!(waits.contains(&error.kind()), "{error}");
                        continue;
                    }
                }
                packets += 1;
            }
            (packets, lost)
        });
        Relay { stop, thread }
    }

    /// Packets that came, and how many of them were lost.
    fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The messages of a BinaryFILE.
fn binary_file(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (message, after) = rest.split_at(u16::from_be_bytes(*length).into());
        messages.push(decode(message).unwrap());
        bytes = after;
    }
    assert!(bytes.is_empty());
    messages
}

/// Reference, side, price and shares of every order, in its place.
type Orders = Vec<(u64, Side, u64, u64)>;

fn orders(books: &Mirror) -> Orders {
    let both = [Side::Buy, Side::Sell].into_iter().flat_map(|side| books.orders(1, side));
    both.map(|it| (it.order_ref, it.side, it.price.into(), it.shares.into())).collect()
}

/// The same of the venue's own book, as its journal has it.
fn resting(journal: &Path) -> Orders {
    let mut book = vesta();
    let said = book
        .arg("book")
        .arg(journal)
        .args(["--symbol", FLOW_SYMBOL, "--orders", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let book: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let side = |name: &str, side| {
        let orders = book[name].as_array().unwrap().clone();
        orders.into_iter().map(move |order| {
            let number = |key: &str| order[key].as_str().unwrap().replace('.', "").parse().unwrap();
            (order["order_ref"].as_u64().unwrap(), side, number("price"), number("qty"))
        })
    };
    side("bid_orders", Side::Buy).chain(side("ask_orders", Side::Sell)).collect()
}

fn play_and_kill(folder: &Folder, machine: Machine, kills: usize) {
    play_and_kill_with(folder, machine, kills, (config_text, None), |_| {});
}

/// `config` is given the addresses of FIX and SoupBinTCP, `before` what the next command is. Without an entry orders go in over FIX.
fn play_and_kill_with(
    folder: &Folder,
    machine: Machine,
    kills: usize,
    (config, entry): (impl FnOnce(SocketAddr, SocketAddr) -> String, Option<Entry>),
    mut before: impl FnMut(usize),
) -> Played {
    let seed = number("VESTA_KILL_SEED", 0x9e37);
    let flow = flow(seed);
    let commands = flow.commands.len();
    println!("seed {seed}: {kills} kills over {commands} commands");

    let (fix, soup) = (own_address(), own_address());
    std::fs::write(&machine.config, config(fix, soup)).unwrap();

    let mut random = Random::new(seed);
    let mut moments: Vec<usize> =
        (0..kills).map(|_| usize::try_from(random.below(commands as u64)).unwrap()).collect();
    moments.sort_unstable();

    let (kill, asked) = mpsc::channel::<()>();
    let mut venue = machine.start(&mut random);
    let killer = std::thread::spawn(move || {
        let mut restarts = 0;
        while asked.recv().is_ok() {
            // Somewhere between two turns, in one, in a sync, or in the recovery of the last kill.
            let until = Instant::now() + Duration::from_micros(random.below(2_000));
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            machine.kill(venue, &mut random);
            if random.below(4) == 0 {
                venue = machine.spawn(&mut random);
                let until = Instant::now() + Duration::from_micros(random.below(60_000));
                while Instant::now() < until {
                    std::thread::yield_now();
                }
                machine.kill(venue, &mut random);
            }
            venue = machine.start(&mut random);
            restarts += 1;
        }
        (venue, restarts)
    });

    let over_fix = || Entry::Fix {
        target: FixTarget {
            address: fix,
            comp_id: COMP_ID.into(),
            reset: false,
            patience: Duration::from_secs(60),
        },
        logins: SESSIONS.into_iter().map(Login::plain).collect(),
        prefix: String::new(),
    };
    let target = Target {
        entry: entry.unwrap_or_else(over_fix),
        soup,
        soup_login: (String::new(), String::new()),
        symbol: FLOW_SYMBOL.into(),
    };
    let options =
        Options { flow, place: Place::Running(target), rate: None, speed: None, progress: false };
    let mut next = 0;
    let outcome = run_with(&options, &mut |n| {
        before(n);
        while moments.get(next).is_some_and(|moment| *moment <= n) {
            kill.send(()).unwrap();
            next += 1;
        }
        true
    });
    drop(kill);
    let (venue, restarts) = killer.join().unwrap();
    let outcome = outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let played = &outcome.played;
    println!("{restarts} restarts, {} reconnects, {played:?}", played.reconnects);
    assert!(outcome.holds, "seed {seed}: {:?}", played.verdict.first_wrong);
    assert_eq!(played.reports_missing, 0, "seed {seed}");
    assert_eq!(played.reports_renumbered, 0, "seed {seed}");
    assert_eq!(restarts, kills);
    assert!(kills == 0 || played.reconnects > 0, "no kill was felt");

    venue.stop();
    let replay =
        vesta().args(["replay", "--verify", "--json"]).arg(folder.0.join("journal")).output();
    let replay = replay.unwrap();
    let said = String::from_utf8_lossy(&replay.stdout);
    assert!(replay.status.success(), "{said}{}", String::from_utf8_lossy(&replay.stderr));
    outcome.played
}

/// Where the venue runs.
struct Machine {
    config: PathBuf,
    /// What a kill takes along, if it is more than the process.
    power: Option<Power>,
}

impl Machine {
    fn spawn(&self, random: &mut Random) -> Venue {
        let mut command = vesta();
        command.arg("serve").arg("--config").arg(&self.config).stdout(Stdio::piped());
        if let Some(power) = &self.power {
            power.supply(&mut command, random);
        }
        Venue { child: command.spawn().unwrap() }
    }

    /// Starts it and waits until it listens.
    fn start(&self, random: &mut Random) -> Venue {
        let mut venue = self.spawn(random);
        let stdout = venue.child.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let listens = lines.by_ref().any(|line| line.unwrap().contains("FIX"));
        assert!(listens, "the venue did not start");
        // What else it says is read until it ends, so that it never waits for us.
        std::thread::spawn(move || lines.count());
        venue
    }

    fn kill(&self, mut venue: Venue, random: &mut Random) {
        venue.child.kill().unwrap();
        venue.child.wait().unwrap();
        if let Some(power) = &self.power {
            power.cut(random);
        }
    }
}

/// What `power/power.c` needs and leaves behind.
struct Power {
    library: PathBuf,
    journal: PathBuf,
    live: PathBuf,
    told: PathBuf,
}

impl Power {
    fn build(folder: &Path) -> Power {
        let folder = folder.canonicalize().unwrap();
        let library = folder.join("power.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/power.c");
        // Who links Rust for this target has it.
        let built = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(built.unwrap().success(), "{} does not compile", source.display());
        let told = folder.join("power.told");
        Power { library, journal: folder.join("journal"), live: folder.join("live"), told }
    }

    fn supply(&self, command: &mut Command, random: &mut Random) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("VESTA_POWER_DIR", &self.journal)
            .env("VESTA_POWER_LOG", &self.told)
            .env("VESTA_POWER_SEED", random.below(1 << 40).to_string());
    }

    /// The power goes, after the process: with it goes what is only in memory, and names of files that
    /// the journal's folder was not synced for come and go by a coin.
    fn cut(&self, random: &mut Random) {
        let _ = std::fs::remove_dir_all(&self.live);
        let told = std::fs::read_to_string(&self.told).unwrap_or_default();
        let unsynced = told.lines().rev().take_while(|line| !line.starts_with('S'));
        let unsynced: Vec<(&str, &str)> = unsynced.map(|line| line.split_at(2)).collect();
        for (what, name) in &unsynced {
            let file = self.journal.join(name);
            let gone = self.journal.join(format!("{name}.gone"));
            match *what {
                "C " if random.below(2) == 0 => drop(std::fs::remove_file(&file)),
                "C " if !unsynced.contains(&("F ", name)) => {
                    let bytes = random.below(1 << 20) & !4095;
                    let file = std::fs::OpenOptions::new().write(true).open(&file);
                    drop(file.and_then(|file| file.set_len(bytes)));
                }
                "U " if !file.exists() && random.below(2) == 0 => {
                    drop(std::fs::rename(&gone, &file));
                }
                _ => {}
            }
        }
        for entry in std::fs::read_dir(&self.journal).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "gone") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        let _ = std::fs::remove_file(&self.told);
    }
}

/// A venue in a process of its own.
struct Venue {
    child: Child,
}

impl Venue {
    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "the venue did not stop in order");
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn vesta() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vesta"))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

fn config_text(fix: SocketAddr, soup: SocketAddr) -> String {
    let mut text = format!(
        r#"[venue]
name = "{COMP_ID}"
journal_dir = "journal"
live_dir = "live"
segment_mib = 1
durability = "disk"
[limits]
orders = 100000
levels = 20000
[fix]
listen = "{fix}"
[itch.soup]
listen = "{soup}"
[[instrument]]
symbol = "{FLOW_SYMBOL}"
price_decimals = 4
tick_size = "0.0001"
qty_max = "1000000"
price_max = "100000"
"#
    );
    for comp_id in SESSIONS {
        text += &format!("[[session]]\ncomp_id = \"{comp_id}\"\nparticipant = \"{comp_id}\"\n");
    }
    text
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("vesta-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The recorded flow if there is one, else a generated one with what a naive book does with it.
fn flow(seed: u64) -> Flow {
    let commands = usize::try_from(number("VESTA_KILL_COMMANDS", 3_000)).unwrap();
    match std::env::var_os("VESTA_KILL_FLOW") {
        Some(dir) => Flow::read(Path::new(&dir)).unwrap().cut(commands),
        None => generated(seed, commands),
    }
}

/// One order of the naive book.
struct Resting {
    oid: u64,
    side: Side,
    price: i64,
    left: u64,
}

fn generated(seed: u64, commands: usize) -> Flow {
    let mut random = Random::new(seed ^ 0x51ab);
    let mut flow = Flow { commands: Vec::new(), fills: Vec::new(), rows: Vec::new() };
    let mut book: Vec<Resting> = Vec::new();
    let mut oid = 0;
    for n in 0..commands {
        let roll = random.below(100);
        let chosen =
            (!book.is_empty()).then(|| usize::try_from(random.below(book.len() as u64)).unwrap());
        let command = |action, oid, side, price, qty| FlowCommand {
            since_midnight_ns: n as u64,
            action,
            oid,
            side,
            price,
            qty,
        };
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = if roll < 15 { -5 } else { 2 };
        let distance = away + random.between(0, 10);
        let price = match side {
            Side::Buy => 1_000_000 - 100 * distance,
            Side::Sell => 1_000_000 + 100 * distance,
        };
        let qty = 1 + random.below(50);
        let command = match (chosen, roll) {
            (Some(at), 50..75) => {
                let gone = book.remove(at);
                command(Action::Cancel, gone.oid, gone.side, gone.price, gone.left)
            }
            (Some(at), 75..85) if book[at].left > 1 => {
                let order = &mut book[at];
                let off = 1 + random.below(order.left - 1);
                order.left -= off;
                command(Action::Reduce, order.oid, order.side, order.price, off)
            }
            (Some(at), 85..95) => {
                let old = book.remove(at);
                oid += 1;
                // On its own side of the market, or through it.
                let price = old.price + 100 * random.between(-4, 4);
                let left = cross(&mut book, &mut flow, n, old.side, price, qty);
                if left > 0 {
                    book.push(Resting { oid, side: old.side, price, left });
                }
                command(Action::Replace { old: old.oid }, oid, old.side, price, qty)
            }
            (_, 95..) => {
                oid += 1;
                cross(&mut book, &mut flow, n, side, price, qty);
                command(Action::Ioc, oid, side, price, qty)
            }
            _ => {
                oid += 1;
                let left = cross(&mut book, &mut flow, n, side, price, qty);
                if left > 0 {
                    book.push(Resting { oid, side, price, left });
                }
                command(Action::New, oid, side, price, qty)
            }
        };
        flow.commands.push(command);
        flow.rows.push(row(&book, n));
    }
    flow
}

/// Trades with the best and, of those, the oldest; returns what is left. The book is in order of age.
fn cross(
    book: &mut Vec<Resting>,
    flow: &mut Flow,
    n: usize,
    side: Side,
    price: i64,
    qty: u64,
) -> u64 {
    let mut left = qty;
    while left > 0 {
        let better = |order: &Resting| match side {
            Side::Buy => order.price,
            Side::Sell => -order.price,
        };
        let reaches = |order: &&Resting| {
            order.side != side
                && if side == Side::Buy { order.price <= price } else { order.price >= price }
        };
        let Some(best) = book.iter().filter(reaches).map(better).min() else { break };
        let at = book.iter().position(|order| reaches(&order) && better(order) == best).unwrap();
        let traded = left.min(book[at].left);
        flow.fills.push(FlowFill {
            n,
            maker_oid: book[at].oid,
            price: book[at].price,
            qty: traded,
        });
        left -= traded;
        book[at].left -= traded;
        if book[at].left == 0 {
            book.remove(at);
        }
    }
    left
}

fn row(book: &[Resting], n: usize) -> FlowRow {
    let level = |side: Side, best: Option<i64>| -> Option<Level> {
        let price = best?;
        let at = book.iter().filter(|order| order.side == side && order.price == price);
        Some((price, at.map(|order| order.left).sum()))
    };
    let prices =
        |side: Side| book.iter().filter(move |order| order.side == side).map(|order| order.price);
    FlowRow {
        after: Some(n),
        asks: vec![level(Side::Sell, prices(Side::Sell).min())],
        bids: vec![level(Side::Buy, prices(Side::Buy).max())],
    }
}
