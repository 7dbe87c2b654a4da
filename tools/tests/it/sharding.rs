//! Instruments on two cores: one connection and one sequence over both, whatever ends in between.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use feed::decode as decode_itch;
use gateway::fix::{DecodeError, Encoder, Fields, decode};
use gateway::ouch::{FromClient, FromVenue};
use gateway::soup::SoupClientConfig;
use journal::Reader;
use matcher::{Command, InstrumentId, Phase};
use tools::ouch_conn::OuchConn;
use venue::replay::{Nobody, Replay};
use venue::snapshots::SnapshotConfig;
use venue::{Config, Venue, clock};

use crate::ouching::{ALL, cancel, line, log_in, login, mass_cancel, order, said, text};
use crate::support::{Folder, Running, run, vesta};

/// How long a test waits for what must come. Only a failing test ever waits that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same venue as for OUCH, with ETH-USD on a core of its own.
fn two_shards(folder: &Folder, more: &str) -> String {
    let eth = "[[instrument]]\nsymbol = \"ETH-USD\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
               qty_max = \"100000\"\nprice_max = \"100000\"\nshard = 1\n";
    let shard = format!("[[shard]]\nitch = {{ soup = {{ listen = \"127.0.0.1:0\" }} }}\n{more}\n");
    let text = text(folder, "").replace("[[instrument]]", &format!("{shard}[[instrument]]"));
    text.replacen("[[session]]", &format!("{eth}[[session]]"), 1)
}

fn start(folder: &Folder, text: &str) -> Venue {
    let file = folder.write("vesta.toml", text);
    let snapshots = SnapshotConfig { every_bytes: 4 << 10, keep: 2 };
    let config = Config { snapshots, ..Config::load(&file).unwrap() };
    Venue::start(&config).unwrap_or_else(|error| panic!("{error}"))
}

type Got = BTreeMap<u32, String>;

/// A message that was sent: its type, and fields of the body.
type Sent = (String, Vec<(u32, String)>);

/// A FIX session that keeps what it has said.
struct Peer {
    stream: TcpStream,
    bytes: Vec<u8>,
    sent: Vec<Sent>,
    /// The number that it expects next.
    next_in: u32,
}

impl Peer {
    /// Logs on after what `sent` has, and expects number `next_in`.
    fn log_on(address: SocketAddr, sent: Vec<Sent>, next_in: u32) -> Peer {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut peer = Peer { stream, bytes: Vec::new(), sent, next_in };
        peer.send("A", &[(98, "0"), (108, "30")]);
        // What the venue said and nobody heard has numbers: it is asked for again.
        let answer = peer.try_read().expect("a Logon");
        assert_eq!(answer[&35], "A", "{answer:?}");
        let number: u32 = answer[&34].parse().unwrap();
        assert!(number >= next_in, "its numbers go back: {answer:?}");
        peer.next_in = number + 1;
        peer
    }

    /// Says goodbye; gives what it has sent, and the number that it expects next.
    fn log_out(mut self) -> (Vec<Sent>, u32) {
        self.send("5", &[]);
        while self.hear().is_some() {}
        (self.sent, self.next_in)
    }

    fn send(&mut self, msg_type: &str, fields: &[(u32, &str)]) {
        let fields = fields.iter().map(|(tag, value)| (*tag, (*value).to_owned())).collect();
        self.sent.push((msg_type.to_owned(), fields));
        self.write(self.sent.len(), false);
    }

    /// Writes the message of a number, or a gap fill where that is a session-layer message.
    fn write(&mut self, number: usize, again: bool) {
        let (msg_type, fields) = &self.sent[number - 1];
        let is_admin = matches!(msg_type.as_str(), "A" | "2" | "4" | "5");
        let mut bytes = Vec::new();
        let now = clock::now();
        let kind: &[u8] = if again && is_admin { b"4" } else { msg_type.as_bytes() };
        let mut message = Encoder::begin(&mut bytes, b"FIX.4.4", kind);
        message.uint(34, number as u64).bytes(49, b"TAKER").utc(52, now).bytes(56, b"VESTA");
        if again {
            message.char(43, b'Y').utc(122, now);
        }
        if again && is_admin {
            message.char(123, b'Y').uint(36, number as u64 + 1);
        } else {
            for (tag, value) in fields {
                message.bytes(*tag, value.as_bytes());
            }
        }
        message.finish();
        // A venue that was killed does not take it.
        let _ = self.stream.write_all(&bytes);
    }

    fn order(&mut self, id: &str, symbol: &str, side: &str, qty: u32, price: &str) {
        let qty = qty.to_string();
        let fields = [(11, id), (55, symbol), (54, side), (60, "20260101-00:00:00")];
        let mut fields = fields.to_vec();
        fields.extend([(38, qty.as_str()), (40, "2"), (44, price), (59, "1")]);
        self.send("D", &fields);
    }

    fn try_read(&mut self) -> Option<Got> {
        loop {
            let mut fields = Fields::new();
            match decode(&self.bytes, &mut fields) {
                Ok((message, used)) => {
                    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
                    let got = message.iter().map(|(tag, value)| (tag, text(value))).collect();
                    self.bytes.drain(..used);
                    return Some(got);
                }
                Err(DecodeError::Incomplete) => {}
                Err(error) => panic!("the venue sent no FIX: {error:?}"),
            }
            let mut buffer = [0; 65_536];
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.bytes.extend_from_slice(&buffer[..read]),
            }
        }
    }

    /// The next message that is not a repeat and no heartbeat, in order of numbers; answers a ResendRequest.
    fn read(&mut self) -> Got {
        self.hear().expect("the venue closed")
    }

    fn hear(&mut self) -> Option<Got> {
        loop {
            let got = self.try_read()?;
            if got.get(&43).is_none_or(|dup| dup == "N") {
                let number: u32 = got[&34].parse().unwrap();
                assert_eq!(number, self.next_in, "a hole or a repeat: {got:?}");
                self.next_in += 1;
            }
            match got[&35].as_str() {
                "0" => {}
                "2" => {
                    let from: usize = got[&7].parse().unwrap();
                    let last = self.sent.len();
                    (from..=last).for_each(|number| self.write(number, true));
                }
                _ => return Some(got),
            }
        }
    }

    /// Asks for everything again: what each number was, up to the last before this.
    fn all_again(&mut self) -> BTreeMap<u32, Got> {
        let last = self.next_in - 1;
        self.send("2", &[(7, "1"), (16, "0")]);
        let (mut all, mut next) = (BTreeMap::new(), 1);
        while next <= last {
            let got = self.try_read().expect("the venue closed");
            if got.get(&43).is_none_or(|dup| dup == "N") {
                self.next_in += 1;
                continue;
            }
            let number: u32 = got[&34].parse().unwrap();
            assert_eq!(number, next, "a hole in a resend: {got:?}");
            if got[&35] == "4" {
                next = got[&36].parse().unwrap();
            } else {
                next = number + 1;
                all.insert(number, body(&got));
            }
        }
        all
    }
}

/// What a resend may not change.
fn body(got: &Got) -> Got {
    let header = [9, 10, 43, 52, 122];
    got.iter()
        .filter(|(tag, _)| !header.contains(tag))
        .map(|(tag, it)| (*tag, it.clone()))
        .collect()
}

fn get<'a>(got: &'a Got, tags: &[u32]) -> Vec<&'a str> {
    tags.iter().map(|tag| got.get(tag).map_or("", String::as_str)).collect()
}

/// `qty` for one of the books: OUCH's order with another symbol.
fn of(symbol: &[u8; 8], user_ref: u32, side: u8, quantity: u32, price: u64) -> FromClient {
    let mut enter = order(user_ref, side, quantity, price);
    enter.symbol = *symbol;
    FromClient::Enter(enter)
}

const BTC: &[u8; 8] = b"BTC-USD ";
const ETH: &[u8; 8] = b"ETH-USD ";

/// Replays the journal of a shard of a venue that has stopped; gives its first sequence.
fn replays(dir: &Path) -> u64 {
    let mut reader = Reader::open(dir, None).unwrap();
    let (mut replay, mut first) = (Replay::new(), None);
    while let Some(frame) = reader.next().unwrap() {
        first.get_or_insert(frame.sequence);
        replay.frame(&frame, &mut Nobody).unwrap();
    }
    assert!(replay.turns() > 5);
    first.unwrap()
}

/// The symbols that a feed names, and its orders, from its first message on.
fn feed_of(address: SocketAddr, orders: usize) -> (Vec<String>, usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = gateway::soup::SoupClient::new(SoupClientConfig::new(b"", b"", 1));
    let (mut out, mut bytes) = (Vec::new(), Vec::new());
    client.login(&mut out);
    stream.write_all(&out).unwrap();
    let (mut symbols, mut seen, mut mirror) = (Vec::new(), 0, feed::Mirror::new());
    let until = Instant::now() + PATIENCE;
    while seen < orders {
        assert!(Instant::now() < until, "{seen} orders of {orders}");
        let received = client.receive(clock::now(), &bytes);
        let (consumed, is_none) = (received.consumed, received.event.is_none());
        if let Some(gateway::soup::SoupClientEvent::Sequenced { message, .. }) = received.event {
            let message: feed::Message = decode_itch(message).unwrap();
            mirror.apply(&message).unwrap();
            match message {
                feed::Message::StockDirectory(it) => {
                    symbols.push(String::from_utf8_lossy(it.stock.as_bytes()).trim().to_owned());
                }
                feed::Message::AddOrder(_) => seen += 1,
                _ => {}
            }
        }
        bytes.drain(..consumed);
        if is_none {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).expect("the feed went silent");
            bytes.extend_from_slice(&buffer[..read]);
        }
    }
    (symbols, seen)
}

#[test]
fn one_connection_trades_on_both_shards_under_one_sequence() {
    for layout in ["joined", "split"] {
        for durability in ["memory", "disk"] {
            let folder = Folder::new();
            let text = two_shards(&folder, "")
                .replace("durability = \"memory\"", &format!("durability = \"{durability}\""))
                + &format!("[threads]\nlayout = \"{layout}\"\n");
            trade_on_both(&folder, &text);
        }
    }
}

fn trade_on_both(folder: &Folder, text: &str) {
    let venue = start(folder, text);
    let mut maker = log_in(venue.ouch_addr().unwrap(), "maker", 1);
    assert_eq!(line(&mut maker), "system S");
    for (at, book) in [BTC, ETH, BTC, ETH].into_iter().enumerate() {
        let (user_ref, price) = (u32::try_from(at).unwrap() + 1, 5_000_000 + at as u64);
        maker.send(&of(book, user_ref, b'S', 100, price)).unwrap();
    }
    let mut refs = Vec::new();
    for user_ref in 1..=4 {
        let (sequence, message) = said(&mut maker);
        assert_eq!(sequence, 1 + user_ref, "one sequence");
        let FromVenue::Accepted(accepted) = message else { panic!("{message:?}") };
        assert_eq!(u64::from(accepted.user_ref_num), user_ref, "in the order of the requests");
        refs.push(accepted.order_ref);
    }
    refs.sort_unstable();
    refs.dedup();
    assert_eq!(refs.len(), 4, "an order's reference means one order");

    let mut taker = Peer::log_on(venue.fix_addr(), Vec::new(), 1);
    taker.order("b1", "BTC-USD", "1", 10, "50000.00");
    taker.order("e1", "ETH-USD", "1", 20, "50000.01");
    taker.order("b2", "BTC-USD", "1", 5, "49000.00");
    taker.order("e2", "ETH-USD", "1", 6, "49000.00");
    taker.order("e3", "ETH-USD", "1", 7, "48000.00");
    taker.order("e1", "BTC-USD", "1", 8, "49000.00");
    taker.order("x1", "XRP-USD", "1", 8, "49000.00");
    let mut reports: Vec<Got> = (0..9).map(|_| taker.read()).collect();
    let told: Vec<Vec<&str>> = reports.iter().map(|got| get(got, &[11, 150, 55, 32])).collect();
    let told: Vec<String> = told.iter().map(|fields| fields.join(" ")).collect();
    assert_eq!(
        told,
        [
            "b1 0 BTC-USD ",
            "b1 F BTC-USD 10",
            "e1 0 ETH-USD ",
            "e1 F ETH-USD 20",
            "b2 0 BTC-USD ",
            "e2 0 ETH-USD ",
            "e3 0 ETH-USD ",
            "e1 8 BTC-USD ",
            "x1 8 XRP-USD "
        ],
        "in the order of the requests; a name of one shard is known on the other"
    );
    assert_eq!(get(&reports[7], &[103]), ["6"], "duplicate order");
    for ids in [17, 527] {
        let mut all: Vec<String> =
            reports.iter().filter_map(|got| got.get(&ids).cloned()).collect();
        let len = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), len, "{ids} is no report's but one");
    }
    assert_eq!(line(&mut maker).split(' ').next(), Some("executed"));
    assert_eq!(line(&mut maker).split(' ').next(), Some("executed"));

    // What is about an order goes where it is.
    let about = [(54, "1"), (60, "20260101-00:00:00")];
    let mut replace =
        vec![(11, "e4"), (41, "e3"), (55, "ETH-USD"), (38, "9"), (40, "2"), (44, "48000.00")];
    replace.extend(about);
    taker.send("G", &replace);
    taker.send("H", &[(11, "e4"), (55, "ETH-USD"), (54, "1")]);
    taker.send(
        "F",
        &[(11, "c1"), (41, "b2"), (55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00")],
    );
    taker.send(
        "F",
        &[(11, "c2"), (41, "none"), (55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00")],
    );
    let answers: Vec<Got> = (0..4).map(|_| taker.read()).collect();
    let told: Vec<String> =
        answers.iter().map(|got| get(got, &[35, 11, 150, 38]).join(" ")).collect();
    assert_eq!(told, ["8 e4 5 9", "8 e4 I 9", "8 c1 4 5", "9 c2  "]);
    // Of states and quotes it is said that they are not told, and why.
    taker.send("e", &[(324, "r1"), (55, "ETH-USD"), (263, "0")]);
    assert_eq!(get(&taker.read(), &[35, 380]), ["j", "4"]);
    reports.extend(answers);

    // A mass cancel reaches all, and its report adds them up.
    taker.order("b5", "BTC-USD", "1", 5, "49000.00");
    assert_eq!(get(&taker.read(), &[11, 150]), ["b5", "0"]);
    taker.send("q", &[(11, "q1"), (530, "7"), (60, "20260101-00:00:00")]);
    let mut canceled: Vec<String> = (0..3)
        .map(|_| taker.read())
        .map(|got| {
            assert_eq!(got[&150], "4", "{got:?}");
            got[&11].clone()
        })
        .collect();
    canceled.sort_unstable();
    assert_eq!(canceled, ["b5", "e2", "e4"]);
    let report = taker.read();
    assert_eq!(get(&report, &[35, 531, 533]), ["r", "7", "3"], "{report:?}");
    // One of a symbol is its shard's.
    taker.order("e6", "ETH-USD", "1", 5, "49000.00");
    assert_eq!(get(&taker.read(), &[11, 150]), ["e6", "0"]);
    let fields = [(11, "q2"), (530, "1"), (55, "ETH-USD"), (60, "20260101-00:00:00")];
    taker.send("q", &fields);
    assert_eq!(get(&taker.read(), &[11, 150]), ["e6", "4"]);
    assert_eq!(get(&taker.read(), &[35, 533]), ["r", "1"]);

    // The feed of each shard has its books.
    assert_eq!(feed_of(venue.soup_addr().unwrap(), 4), (vec!["BTC-USD".to_owned()], 4));
    let shard = &venue.shards()[0];
    assert_eq!(feed_of(shard.soup_addr().unwrap(), 5), (vec!["ETH-USD".to_owned()], 5));

    // A halt is the instrument's, by its place in the file.
    let halt = Command::SetPhase { instrument: InstrumentId(1), phase: Phase::Halt };
    assert!(venue.submit(&halt));
    let halted = |taker: &mut Peer, n: u32| {
        taker.order(&format!("h{n}"), "ETH-USD", "1", 1, "1.00");
        taker.read()[&150] == "8"
    };
    let mut tries = (0..).take_while(|n| !halted(&mut taker, *n));
    assert!(tries.by_ref().count() < 10_000, "it is halted some day");
    taker.order("go", "BTC-USD", "1", 1, "1.00");
    assert_eq!(get(&taker.read(), &[11, 150]), ["go", "0"], "the other trades on");

    // OUCH: a cancel finds its order, a mass cancel all that are left.
    maker.send(&cancel(2, 0)).unwrap();
    assert_eq!(line(&mut maker), "canceled 2 80 U");
    maker.send(&of(ETH, 5, b'S', 1, 5_000_000)).unwrap();
    assert_eq!(line(&mut maker).split(' ').next(), Some("rejected"));
    maker.send(&mass_cancel(6, ALL)).unwrap();
    let mut lines: Vec<String> = (0..4).map(|_| line(&mut maker)).collect();
    let last = lines.pop().unwrap();
    assert!(last.starts_with("mass"), "{last}");
    lines.sort_unstable();
    let refs: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(refs, ["1", "3", "4"], "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with(" U")), "it was asked for: {lines:?}");

    let before = taker.all_again();
    for report in reports {
        let number: u32 = report[&34].parse().unwrap();
        assert_eq!(before[&number], body(&report), "said again word for word");
    }
    let dirs = [folder.path().join("journal"), shard.journal_dir().to_path_buf()];
    drop(maker);
    let (sent, next_in) = taker.log_out();
    venue.stop().unwrap();
    assert!(!folder.path().join("live").exists(), "all of it is on disk");
    assert_eq!(dirs.each_ref().map(|dir| replays(dir)), [1, (1 << 48) + 1]);
    // From its snapshots it knows everything again.
    let venue = start(folder, text);
    assert!(venue.from_snapshot().is_some() && venue.shards()[0].from_snapshot().is_some());
    let mut taker = Peer::log_on(venue.fix_addr(), sent, next_in);
    let again = taker.all_again();
    assert!(before.iter().all(|(number, message)| again.get(number) == Some(message)));
    taker.send(
        "F",
        &[(11, "c9"), (41, "e4"), (55, "ETH-USD"), (54, "1"), (60, "20260101-00:00:00")],
    );
    assert_eq!(get(&taker.read(), &[35, 39, 102]), ["9", "4", "0"], "too late: it knows the order");
    venue.stop().unwrap();
}

/// `vesta serve` is killed in the middle of traffic on both shards, again and again: every request has one answer, every report
/// its number, and what a number was it is for ever.
#[test]
fn a_killed_venue_of_two_shards_says_again_what_it_said() {
    for durability in ["memory", "disk"] {
        let folder = Folder::new();
        let text = two_shards(&folder, "")
            .replace("orders = 1000\n", "orders = 20000\n")
            .replace("durability = \"memory\"", &format!("durability = \"{durability}\""));
        killed_and_started_again(&folder, &text);
    }
}

const ROUNDS: u32 = 5;
const OF_A_ROUND: u32 = 300;

fn killed_and_started_again(folder: &Folder, text: &str) {
    let file = folder.write("vesta.toml", text);
    // What each was told, by number; and OUCH's orders that have an answer.
    let (mut of_fix, mut of_ouch): (BTreeMap<u32, Got>, Vec<(u64, FromVenue)>) = Default::default();
    let (mut sent, mut next_in, mut next_order, mut answered) = (Vec::new(), 1, 1, 0);
    let (mut session, mut asked) = (None, 0);
    for round in 1..=ROUNDS {
        let (running, fix, ouch) = serve(&file);
        let config = SoupClientConfig { session, ..login("maker", of_ouch.len() as u64 + 1) };
        let mut maker = OuchConn::log_in(ouch, config, PATIENCE).unwrap();
        session = maker.session();
        let mut taker = Peer::log_on(fix, sent, next_in);
        // What was not heard before the kill comes again; what was is the same.
        for (number, message) in taker.all_again() {
            let known = of_fix.entry(number).or_insert_with(|| message.clone());
            assert_eq!(*known, message, "number {number} means another message");
        }
        next_order = next_order.min(answered + 1);
        let last_round = round == ROUNDS;
        let most = round * OF_A_ROUND;
        let enough = if last_round { most } else { most - 60 };
        let mut fix_asked = 0;
        while answered < enough {
            while next_order <= most && next_order < answered + 40 {
                let book = if next_order % 3 == 0 { ETH } else { BTC };
                maker.put(&of(book, next_order, b'S', 10, 5_000_000));
                next_order += 1;
            }
            maker.flush().unwrap();
            if fix_asked < 100 {
                asked += 1;
                fix_asked += 1;
                let symbol = if asked % 2 == 0 { "BTC-USD" } else { "ETH-USD" };
                // Every fifth trades with what OUCH has.
                let price = if asked % 5 == 0 { "50000.00" } else { "40000.00" };
                taker.order(&format!("f{asked}"), symbol, "1", 1, price);
            }
            let (sequence, message) = said(&mut maker);
            assert_eq!(sequence, of_ouch.len() as u64 + 1, "a hole or a repeat");
            if let FromVenue::Accepted(accepted) = &message {
                assert_eq!(accepted.user_ref_num, answered + 1, "in order, each once");
                answered = accepted.user_ref_num;
            }
            of_ouch.push((sequence, message));
            taker.stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            while let Some(got) = taker.hear() {
                of_fix.insert(got[&34].parse().unwrap(), body(&got));
            }
            taker.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        if last_round {
            // Everything that was asked has its answer.
            while answers(&of_fix).len() < asked as usize {
                let got = taker.read();
                of_fix.insert(got[&34].parse().unwrap(), body(&got));
            }
            running.signal("-TERM");
            running.end().assert_good();
        } else {
            // With requests on their way in and reports on their way out.
            running.signal("-KILL");
            drop(running);
        }
        (sent, next_in) = (taker.sent, taker.next_in);
    }
    let answers = answers(&of_fix);
    for n in 1..=asked {
        assert_eq!(answers.get(&format!("f{n}")), Some(&1), "order f{n} has one answer");
    }
    for dir in ["journal", "journal/shard-1"] {
        replays(&folder.path().join(dir));
    }
    // From the beginning, once more: the same.
    let (running, fix, ouch) = serve(&file);
    let mut maker = log_in(ouch, "MAKER", 1);
    for message in &of_ouch {
        assert_eq!(&said(&mut maker), message);
    }
    let mut taker = Peer::log_on(fix, sent, next_in);
    let again = taker.all_again();
    assert!(of_fix.iter().all(|(number, message)| again.get(number) == Some(message)));
    drop(running);
}

/// How many times each order was answered.
fn answers(of_fix: &BTreeMap<u32, Got>) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for got in
        of_fix.values().filter(|got| matches!(got.get(&150).map(String::as_str), Some("0" | "8")))
    {
        *answers.entry(got[&11].clone()).or_insert(0) += 1;
    }
    answers
}

/// A venue of its own process: where FIX and OUCH are.
fn serve(file: &Path) -> (Running, SocketAddr, SocketAddr) {
    let mut running = Running::start(vesta().arg("serve").arg("--config").arg(file));
    let shard = running.line("shard 1");
    assert!(shard.contains("shard-1"), "{shard}");
    let ouch = running.line("ouch ").split(' ').next_back().unwrap().parse().unwrap();
    let fix = running.line("fix ");
    let fix = fix.split(" on ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    (running, fix, ouch)
}

#[test]
fn shards_that_are_not_there_are_refused() {
    let folder = Folder::new();
    let good = two_shards(&folder, "");
    let check = |text: &str, words: &[&str]| {
        let file = folder.write("other.toml", text);
        run(&["check-config", file.to_str().unwrap()]).assert_says(2, words);
    };
    check(
        &good.replace("shard = 1", "shard = 2"),
        &["ETH-USD", "no shard 2", "0 to 1", "other.toml:"],
    );
    check(&good.replace("[[shard]]\nitch", "[itch2]\nitch"), &["itch2"]);
    check(
        &format!("{good}\n[journal]\nkeep_mib = 10\n"),
        &["[[shard]] does not go with journal.keep_mib"],
    );
    let copy = good.replacen("[[session]]", "[[session]]\ndrop_copy = { }", 1);
    check(&copy, &["drop"]);
    // None is taken away, and no instrument moves.
    start(&folder, &good).stop().unwrap();
    let refused = |text: &str, words: &[&str]| {
        let config = Config::parse("f", text)
            .map(|config| Config { journal_dir: folder.path().join("journal"), ..config });
        let error = Venue::start(&config.unwrap()).err().expect("it starts").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let without = good.replace("shard = 1\n", "");
    refused(&without, &["shard 1: ", "ETH-USD", "on shard 0 in the config", "none moves"]);
    let moved = good.replace("symbol = \"BTC-USD\"", "shard = 1\nsymbol = \"BTC-USD\"");
    refused(&moved, &["BTC-USD", "on shard 1 in the config", "none moves"]);
    let cut = without.find("[[shard]]").unwrap()..without.find("[[instrument]]").unwrap();
    let mut none = without.clone();
    none.replace_range(cut, "");
    refused(&none, &["shard 1", "take none away"]);
    // Nothing of that is in a journal.
    start(&folder, &good).stop().unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().flatten().filter(|file| file.path().is_file()) {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Each shard's journal is one like any other to whoever reads it.
#[test]
fn tools_read_the_journal_of_each_shard() {
    let folder = Folder::new();
    let venue = start(&folder, &two_shards(&folder, ""));
    let mut taker = Peer::log_on(venue.fix_addr(), Vec::new(), 1);
    let mut ids = Vec::new();
    for symbol in ["BTC-USD", "ETH-USD"] {
        taker.order(&format!("of {symbol}").replace(' ', "-"), symbol, "1", 7, "10.00");
        ids.push(taker.read()[&37].clone());
    }
    taker.log_out();
    venue.stop().unwrap();
    let dirs = ["journal", "journal/shard-1"].map(|dir| folder.path().join(dir));
    let dirs = dirs.each_ref().map(|dir| dir.to_str().unwrap());
    for (at, (dir, symbol)) in dirs.into_iter().zip(["BTC-USD", "ETH-USD"]).enumerate() {
        run(&["replay", "--verify", dir]).assert_good();
        run(&["journal", "verify", dir]).assert_good();
        let says = |args: &[&str], word: &str| {
            let ended = run(args);
            ended.assert_good();
            assert!(ended.out.contains(word), "{args:?}: {}", ended.out);
        };
        says(&["journal", "stat", dir], "sequences");
        says(&["book", "--symbol", symbol, dir], "10.00");
        says(&["explain", dir, &ids[at]], &format!("of-{symbol}"));
        let ended = run(&["explain", dir, &ids[1 - at]]);
        ended.assert_says(2, &[&format!("of shard {}", 1 - at), &format!("shard {at}'s journal")]);
        says(&["journal", "print", "--fix", "TAKER", dir], &format!("of-{symbol}"));
        let cut = folder.path().join(format!("cut-{at}"));
        let cut = cut.to_str().unwrap();
        says(&["journal", "cut", dir, "--out", cut], "it begins with the first turn");
        run(&["replay", "--verify", cut]).assert_good();
    }
}

/// The next so many lines, in the order of the alphabet: that of different shards is not said.
fn lines(conn: &mut OuchConn, count: usize) -> Vec<String> {
    let mut lines: Vec<String> = (0..count).map(|_| line(conn)).collect();
    lines.sort_unstable();
    lines
}

/// Whoever takes a session's orders off takes them off on all shards: a lost connection, a second one, a restart, a kill.
#[test]
fn what_ends_a_sessions_orders_ends_them_on_all_shards() {
    let folder = Folder::new();
    let text = two_shards(&folder, "");
    let rules = "comp_id = \"MAKER\"\ncancel_on_disconnect = true\ntakeover = true";
    let text = text.replace("comp_id = \"MAKER\"", rules);
    let venue = start(&folder, &text);
    let address = venue.ouch_addr().unwrap();
    let enter = |maker: &mut OuchConn, from: u32| {
        for (book, user_ref) in [BTC, ETH].into_iter().zip(from..) {
            maker.send(&of(book, user_ref, b'S', 100, 5_000_000)).unwrap();
            assert!(line(maker).starts_with("accepted"));
        }
    };
    let canceled = |from: u32, why: &str| {
        [from, from + 1].map(|user_ref| format!("canceled {user_ref} 100 {why}"))
    };
    let mut maker = log_in(address, "maker", 1);
    assert_eq!(line(&mut maker), "system S");
    enter(&mut maker, 1);
    drop(maker);
    let mut maker = log_in(address, "maker", 4);
    assert_eq!(lines(&mut maker, 2), canceled(1, "S"));
    // A second connection: those of the first go, its own stay.
    enter(&mut maker, 3);
    let mut second = log_in(address, "maker", 8);
    second.send(&of(ETH, 5, b'S', 100, 5_000_000)).unwrap();
    assert_eq!(lines(&mut second, 2), canceled(3, "S"));
    assert!(line(&mut second).starts_with("accepted 5"));
    second.send(&cancel(5, 0)).unwrap();
    assert_eq!(line(&mut second), "canceled 5 100 U");
    // A kill, and what comes after it.
    enter(&mut second, 6);
    let scope = matcher::PermissionScope::Session(matcher::SessionId(2));
    let permit = |permission| {
        assert!(venue.submit(&Command::SetPermission { scope, permission }));
    };
    permit(matcher::Permission::Killed);
    let told = lines(&mut second, 2);
    assert!(told[0].starts_with("canceled 6 100") && told[1].starts_with("canceled 7 100"));
    for (book, user_ref) in [(BTC, 8), (ETH, 9)] {
        second.send(&of(book, user_ref, b'S', 100, 5_000_000)).unwrap();
        assert!(line(&mut second).starts_with(&format!("rejected {user_ref} ")));
    }
    permit(matcher::Permission::Trade);
    let mut user_ref = 9;
    while {
        user_ref += 2;
        second.send(&of(BTC, user_ref, b'S', 100, 5_000_000)).unwrap();
        second.send(&of(ETH, user_ref + 1, b'S', 100, 5_000_000)).unwrap();
        lines(&mut second, 2).iter().any(|line| line.starts_with("rejected"))
    } {
        second.send(&mass_cancel(user_ref + 2, ALL)).unwrap();
        while !line(&mut second).starts_with("mass") {}
        user_ref += 1;
    }
    venue.stop().unwrap();
    let venue = start(&folder, &text);
    let config = SoupClientConfig { session: second.session(), ..login("maker", 1) };
    let mut maker = OuchConn::log_in(venue.ouch_addr().unwrap(), config, PATIENCE).unwrap();
    let mut last = Vec::new();
    while last.len() < 2 {
        let line = line(&mut maker);
        let is_last = line.starts_with(&format!("canceled {user_ref} "))
            || line.starts_with(&format!("canceled {} ", user_ref + 1));
        last.extend(is_last.then_some(line));
    }
    venue.stop().unwrap();
}

/// By the configuration the ladder of an instrument is heard where its shard says it.
#[test]
fn watch_listens_to_the_shard_of_its_instrument() {
    let folder = Folder::new();
    let text = two_shards(&folder, "");
    let file = folder.write("without.toml", &text);
    run(&["watch", "ETH-USD", "--config", file.to_str().unwrap()])
        .assert_says(2, &["[[shard]] of ETH-USD, 1", "no itch.mold"]);
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let feed = format!(
        "itch = {{ mold = {{ group = \"239.192.8.1:{}\", interface = \"127.0.0.1\" }}, \
         glimpse = {{ listen = \"{}\" }} }}",
        free().port(),
        free()
    );
    let text = text.replace("itch = { soup = { listen = \"127.0.0.1:0\" } }", &feed);
    let venue = start(&folder, &text);
    let mut taker = Peer::log_on(venue.fix_addr(), Vec::new(), 1);
    taker.order("e1", "ETH-USD", "1", 7, "10.00");
    assert_eq!(get(&taker.read(), &[11, 150]), ["e1", "0"]);
    let file = folder.path().join("vesta.toml");
    let ended = run(&["watch", "ETH-USD", "--once", "--config", file.to_str().unwrap()]);
    ended.assert_good();
    assert!(ended.out.starts_with("ETH-USD ") && ended.out.contains("10.00"), "{}", ended.out);
    venue.stop().unwrap();
}

/// A third core, with SOL-USD.
fn three_shards(folder: &Folder) -> String {
    let sol = "[[instrument]]\nsymbol = \"SOL-USD\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
               qty_max = \"100000\"\nprice_max = \"100000\"\nshard = 2\n";
    let text = two_shards(folder, "[[shard]]\n");
    text.replacen("[[session]]", &format!("{sol}[[session]]"), 1)
}

/// What each of the others has and home was not told of yet: the highest number that a session used is in one of them, and it is
/// not the last that is looked at.
#[test]
fn what_home_was_not_told_of_brings_the_highest_number_last() {
    let folder = Folder::new();
    let text = three_shards(&folder);
    start(&folder, &text).stop().unwrap();
    let (journal, kept) = (folder.path().join("journal"), folder.path().join("kept"));
    copy(&journal, &kept);
    let venue = start(&folder, &text);
    let mut maker = log_in(venue.ouch_addr().unwrap(), "maker", 1);
    assert_eq!(line(&mut maker), "system S");
    for (user_ref, book) in [(1, b"SOL-USD "), (2, ETH)] {
        maker.send(&of(book, user_ref, b'S', 100, 5_000)).unwrap();
        assert!(line(&mut maker).starts_with("accepted"));
    }
    maker.log_out().unwrap();
    venue.stop().unwrap();
    // Home's end is lost, as in a machine that fails before its disk has it.
    for file in std::fs::read_dir(&journal).unwrap().flatten() {
        let name = file.file_name();
        if file.path().is_file() {
            std::fs::remove_file(file.path()).unwrap();
        } else if !name.to_string_lossy().starts_with("shard-") {
            std::fs::remove_dir_all(file.path()).unwrap();
        }
    }
    copy(&kept, &journal);

    let venue = start(&folder, &text);
    let mut maker = log_in(venue.ouch_addr().unwrap(), "maker", 0);
    // Sent again for want of an answer: it was taken, and is not taken twice.
    maker.send(&of(ETH, 2, b'S', 100, 5_000)).unwrap();
    maker.send(&of(ETH, 3, b'S', 100, 5_000)).unwrap();
    let (_, message) = said(&mut maker);
    assert!(matches!(&message, FromVenue::Accepted(it) if it.user_ref_num == 3), "{message:?}");
    venue.stop().unwrap();
}

/// Where nobody waits for the disk a machine that fails may take more of one shard than of another. The numbers of what is lost
/// are no other message's.
#[test]
fn a_shard_that_lost_its_end_goes_on_under_other_numbers() {
    let folder = Folder::new();
    let text = two_shards(&folder, "");
    let (journal, kept) = (folder.path().join("journal/shard-1"), folder.path().join("kept"));
    let (mut sent, mut next_in) = (Vec::new(), 1);
    for id in ["e1", "e2"] {
        let venue = start(&folder, &text);
        let mut taker = Peer::log_on(venue.fix_addr(), sent, next_in);
        taker.order(id, "ETH-USD", "1", 1, "10.00");
        assert_eq!(get(&taker.read(), &[11, 150]), [id, "0"]);
        (sent, next_in) = taker.log_out();
        venue.stop().unwrap();
        if id == "e1" {
            copy(&journal, &kept);
        }
    }
    std::fs::remove_dir_all(&journal).unwrap();
    copy(&kept, &journal);
    let on_disk = text.replace("durability = \"memory\"", "durability = \"disk\"");
    let file = folder.write("disk.toml", &on_disk);
    let error = Venue::start(&Config::load(&file).unwrap()).err().expect("it starts").to_string();
    assert!(error.contains("shard 1") && error.contains("cut off"), "{error}");

    let venue = start(&folder, &text);
    let mut taker = Peer::log_on(venue.fix_addr(), sent, next_in);
    taker.order("e3", "ETH-USD", "1", 1, "10.00");
    assert_eq!(get(&taker.read(), &[11, 150]), ["e3", "0"], "under the next number");
    let again = taker.all_again();
    let ids: Vec<&str> = again.values().map(|got| got[&11].as_str()).collect();
    assert_eq!(ids, ["e1", "e3"], "what is lost is filled over");
    // The first still works.
    let fields = [(11, "c1"), (41, "e1"), (55, "ETH-USD"), (54, "1"), (60, "20260101-00:00:00")];
    taker.send("F", &fields);
    assert_eq!(get(&taker.read(), &[11, 150]), ["c1", "4"]);
    venue.stop().unwrap();
}
