//! Drop copy: who is told of the trades of others is told of each once, whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use gateway::fix::decode::{Fields, decode};
use gateway::fix::{Version, tag};
use matcher::{Bust, Command, InstrumentId, OrderNumber, Price, Qty, SessionId, TradeId};
use tools::fix_conn::{FixSet, FixTarget, Heard, Login};
use tools::random::Random;
use venue::{Config, Venue, clock};

use crate::address::own_address;
use crate::support::{Folder, Running, config_text, run, vesta};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/FIX-DROP-COPY.md");

/// Two who trade, for two firms, and those that are told of it.
const SESSIONS: &str = r#"
[[session]]
comp_id = "ALPHA"
participant = "ONE"
[[session]]
comp_id = "BETA"
participant = "TWO"
[[session]]
comp_id = "RISK"
participant = "VENUE"
permissions = ["drop-copy"]
drop_copy = { of = "all", reports = true }
[[session]]
comp_id = "ONE-COPY"
participant = "ONE"
permissions = ["drop-copy"]
[[session]]
comp_id = "OF-BETA"
participant = "VENUE"
permissions = ["drop-copy"]
drop_copy = { of = ["BETA"], trades = false, reports = true }
"#;

const ALPHA: usize = 0;
const BETA: usize = 1;
const RISK: usize = 2;
const ONE_COPY: usize = 3;
const OF_BETA: usize = 4;
const NAMES: [&str; 5] = ["ALPHA", "BETA", "RISK", "ONE-COPY", "OF-BETA"];

/// Everybody's sessions, and what each has heard: a message, and its number.
struct Everybody {
    set: FixSet,
    heard: Vec<(usize, String)>,
}

/// A message without its header, time and day; `|` stands for SOH.
fn bare(version: Version, bytes: &[u8]) -> String {
    let mut fields = Fields::new();
    let (message, _) = decode(bytes, &mut fields).unwrap();
    version
        .dictionary()
        .check_sent(&message)
        .unwrap_or_else(|fault| panic!("{fault:?} {message:?}"));
    let mut line = String::from_utf8(message.msg_type().to_vec()).unwrap();
    for (tag, value) in message.iter() {
        let around = [8, 9, 10, 34, 35, 43, 49, 52, 56, 60, 75, 122];
        if !around.contains(&tag) {
            line += &format!("|{tag}={}", value.escape_ascii());
        }
    }
    line
}

fn field(line: &str, tag: u32) -> Option<&str> {
    let name = format!("|{tag}=");
    let at = line.find(&name)? + name.len();
    line[at..].split('|').next()
}

impl Everybody {
    fn log_on(address: SocketAddr, versions: [Version; 5]) -> Everybody {
        let target = FixTarget {
            address,
            comp_id: "VESTA".into(),
            reset: false,
            patience: Duration::from_secs(30),
        };
        let logins: Vec<Login> = NAMES
            .iter()
            .zip(versions)
            .map(|(name, version)| Login { version, ..Login::plain(*name) })
            .collect();
        Everybody { set: FixSet::connect(target, &logins).unwrap(), heard: Vec::new() }
    }

    /// Hears until `done`, coming back after a lost line if `up` has brought the venue up again.
    fn hear(&mut self, versions: [Version; 5], done: impl Fn(&[(usize, String)]) -> bool) {
        while !done(&self.heard) {
            let heard = &mut self.heard;
            let mut hear = |session: usize, heard_one: Heard<'_>| match heard_one {
                Heard::Application(message) => {
                    heard.push((session, bare(versions[session], message.bytes())));
                }
                Heard::Repeated(_) => {}
                Heard::Rejected(message) => panic!("{message:?}"),
            };
            if self.set.poll(Some(Duration::from_secs(20)), &mut hear).is_err() {
                self.set.reconnect(&mut hear).unwrap();
            }
        }
    }

    fn order(&mut self, session: usize, id: &str, side: u8, qty: u64) {
        let now = clock::now();
        self.set.send(session, now, b"D", |order| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes()).bytes(tag::SYMBOL, b"BTC-USD");
            order.char(tag::SIDE, side).utc(tag::TRANSACT_TIME, now).uint(tag::ORDER_QTY, qty);
            order.char(tag::ORD_TYPE, b'2').uint(tag::PRICE, 100).char(tag::TIME_IN_FORCE, b'0');
        });
    }

    fn ask(&mut self, session: usize, id: &str, after: Option<&str>) {
        let request_type = if after.is_some() { b'1' } else { b'0' };
        self.set.send(session, clock::now(), b"AD", |request| {
            request.bytes(tag::TRADE_REQUEST_ID, id.as_bytes());
            request.char(tag::TRADE_REQUEST_TYPE, request_type);
            request.bytes(tag::EXEC_ID, after.unwrap_or_default().as_bytes());
        });
    }

    fn of(&self, session: usize, msg_type: &str) -> Vec<&str> {
        let start = format!("{msg_type}|");
        let of =
            self.heard.iter().filter(|(who, line)| *who == session && line.starts_with(&start));
        of.map(|(_, line)| &**line).collect()
    }
}

fn count(heard: &[(usize, String)], session: usize) -> usize {
    heard.iter().filter(|(who, _)| *who == session).count()
}

/// Compares with the examples of the document, or writes them into it.
fn is_in_document(name: &str, lines: &[String]) {
    let text = fs::read_to_string(DOCUMENT).unwrap();
    let begin = format!("```text\n# {name}\n");
    let at = text.find(&begin).unwrap_or_else(|| panic!("no example {name}")) + begin.len();
    let end = at + text[at..].find("```").unwrap();
    let made = lines.join("\n") + "\n";
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(DOCUMENT, format!("{}{made}{}", &text[..at], &text[end..])).unwrap();
    } else {
        assert_eq!(text[at..end], made, "{name}: UPDATE_GOLDEN=1 rewrites it");
    }
}

fn with_names(heard: &[(usize, String)], from: usize, who: &[usize]) -> Vec<String> {
    let of = who
        .iter()
        .flat_map(|session| heard[from..].iter().filter(move |(heard_by, _)| heard_by == session));
    of.map(|(session, line)| format!("{} {line}", NAMES[*session])).collect()
}

#[test]
fn each_is_told_of_whom_it_may_hear_and_the_document_says_so() {
    let folder = Folder::new();
    let file = folder.write("vesta.toml", &(config_text(&folder, &[]) + SESSIONS));
    let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
    let versions = [Version::Fix44; 5];
    let mut all = Everybody::log_on(venue.fix_addr(), versions);
    all.order(ALPHA, "a1", b'2', 3);
    all.hear(versions, |heard| count(heard, ALPHA) == 1 && count(heard, RISK) == 1);
    let from = all.heard.len();
    all.order(BETA, "b1", b'1', 2);
    all.hear(versions, |heard| {
        let now = &heard[from..];
        count(now, RISK) == 4 && count(now, ONE_COPY) == 1 && count(now, OF_BETA) == 2
    });
    is_in_document("a trade", &with_names(&all.heard, from, &[RISK, ONE_COPY, OF_BETA]));

    // Who may not is told so, and who is only told of others may not trade.
    let from = all.heard.len();
    all.ask(ALPHA, "no", None);
    all.order(RISK, "r1", b'1', 1);
    all.hear(versions, |heard| {
        let now = &heard[from..];
        count(now, ALPHA) == 1 && count(now, RISK) == 1
    });
    is_in_document("not allowed", &with_names(&all.heard, from, &[ALPHA, RISK]));

    // Once more, and what was before.
    all.order(BETA, "b2", b'1', 1);
    all.hear(versions, |heard| count(heard, ONE_COPY) == 2);
    let first = all.of(ONE_COPY, "AE")[0].to_owned();
    let from = all.heard.len();
    all.ask(ONE_COPY, "all", None);
    all.hear(versions, |heard| count(&heard[from..], ONE_COPY) == 4);
    all.ask(ONE_COPY, "later", field(&first, 17));
    all.hear(versions, |heard| count(&heard[from..], ONE_COPY) == 7);
    let last = all.of(ONE_COPY, "AE")[1].to_owned();
    all.ask(ONE_COPY, "nothing", field(&last, 17));
    all.hear(versions, |heard| count(&heard[from..], ONE_COPY) == 9);
    is_in_document("history", &with_names(&all.heard, from, &[ONE_COPY]));
    let refused = |id: &str, request_type: u8, exec_id: &str, subscribe: u8| {
        let id = id.to_owned();
        let exec_id = exec_id.to_owned();
        move |request: &mut gateway::fix::Encoder<'_>| {
            request.bytes(tag::TRADE_REQUEST_ID, id.as_bytes());
            request.char(tag::TRADE_REQUEST_TYPE, request_type);
            request.char(tag::SUBSCRIPTION_REQUEST_TYPE, subscribe);
            request.bytes(tag::EXEC_ID, exec_id.as_bytes());
        }
    };
    let from = all.heard.len();
    let requests = [("type", b'3', "", b'0'), ("live", b'0', "", b'1')];
    for (n, (id, request_type, exec_id, subscribe)) in (1..).zip(requests) {
        let body = refused(id, request_type, exec_id, subscribe);
        all.set.send(ONE_COPY, clock::now(), b"AD", body);
        all.hear(versions, |heard| count(&heard[from..], ONE_COPY) == n);
    }
    let acks = all.of(ONE_COPY, "AQ");
    assert!(acks[acks.len() - 2..].iter().all(|ack| field(ack, 750) == Some("2")), "{acks:?}");
    all.set.logout(Duration::from_secs(10), &mut |_, _| {});
    venue.stop().unwrap();

    // The journal knows what it told: the capture has the same messages, and words for a person.
    let journal = folder.path().join("journal");
    let printed = run(&["journal", "print", journal.to_str().unwrap(), "--session", "RISK"]);
    printed.assert_good();
    assert!(printed.out.contains("drop copy of a trade"), "{}", printed.out);
    let capture = folder.path().join("risk.pcap");
    let out = capture.to_str().unwrap();
    let ended = run(&["export", journal.to_str().unwrap(), "--format", "pcap", "--out", out]);
    ended.assert_good();
    let capture = String::from_utf8_lossy(&fs::read(capture).unwrap()).replace('\u{1}', "|");
    for (_, line) in all.heard.iter().filter(|(_, line)| line.starts_with("AE|")) {
        let beginning = line.trim_start_matches("AE").split("|31=").next().unwrap();
        assert!(capture.contains(beginning), "no {beginning} in the capture");
    }
}

/// A trade that the venue takes back is told to those that were told of it, again after a restart, and as history.
#[test]
fn a_trade_that_is_taken_back_is_told_to_whoever_heard_of_it() {
    let folder = Folder::new();
    let file = folder.write("vesta.toml", &(config_text(&folder, &[]) + SESSIONS));
    let config = Config::load(&file).unwrap();
    let versions = [Version::Fix44; 5];
    let venue = Venue::start(&config).unwrap();
    let mut all = Everybody::log_on(venue.fix_addr(), versions);
    all.order(ALPHA, "a1", b'2', 3);
    all.hear(versions, |heard| count(heard, ALPHA) == 1 && count(heard, RISK) == 1);
    all.order(BETA, "b1", b'1', 2);
    all.hear(versions, |heard| {
        count(heard, RISK) == 5 && count(heard, ONE_COPY) == 1 && count(heard, OF_BETA) == 2
    });
    let from = all.heard.len();
    let order = |session| (SessionId(session), OrderNumber(1));
    let bust = Bust {
        trade: TradeId(1),
        instrument: InstrumentId(0),
        price: Price::from_ticks(10_000),
        qty: Qty::from_lots(20),
        buy: order(2),
        sell: order(1),
    };
    assert!(venue.submit(&Command::Bust(bust)));
    all.hear(versions, |heard| {
        let now = &heard[from..];
        let [alpha, beta, risk] = [ALPHA, BETA, RISK].map(|session| count(now, session));
        (alpha, beta, risk) == (1, 1, 3) && count(now, ONE_COPY) == 1 && count(now, OF_BETA) == 1
    });
    is_in_document(
        "a trade that is taken back",
        &with_names(&all.heard, from, &[RISK, ONE_COPY, OF_BETA]),
    );
    let [told, taken] = all.of(ONE_COPY, "AE")[..] else { panic!("{:?}", all.heard) };
    assert_eq!([told, taken].map(|line| field(line, 487)), [Some("0"), Some("1")]);
    assert_eq!(field(taken, 572), field(told, 571));
    let taken = taken.to_owned();
    // Nothing is there to be taken back twice.
    assert!(venue.submit(&Command::Bust(bust)));
    let asked = all.heard.len();
    all.order(ALPHA, "a2", b'2', 1);
    all.hear(versions, |heard| count(&heard[asked..], RISK) == 1);
    assert!(all.heard[asked..].iter().all(|(_, line)| line.starts_with('8')), "{:?}", all.heard);
    all.set.logout(Duration::from_secs(10), &mut |_, _| {});
    venue.stop().unwrap();

    let venue = Venue::start(&config).unwrap();
    let target = FixTarget {
        address: venue.fix_addr(),
        comp_id: "VESTA".into(),
        reset: true,
        patience: Duration::from_secs(30),
    };
    let set = FixSet::connect(target, &[Login::plain(NAMES[ONE_COPY])]).unwrap();
    let mut again = Everybody { set, heard: Vec::new() };
    again.ask(0, "all", None);
    again.hear(versions, |heard| count(heard, 0) == 4);
    let history = again.of(0, "AE");
    let as_before = taken.replace("|487=1", "|487=1|568=all").replace("|570=N", "|570=Y");
    let [_, last] = history[..] else { panic!("{history:?}") };
    let sorted = |line: &str| {
        let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
        fields.sort_unstable();
        fields
    };
    assert_eq!(sorted(last), sorted(&as_before));
    again.set.logout(Duration::from_secs(10), &mut |_, _| {});
    venue.stop().unwrap();
}

/// In FIX 5.0 SP2 and FIX 4.2, whose dictionaries the messages are held against.
#[test]
fn every_version_is_told_in_its_own_words() {
    let folder = Folder::new();
    let file = folder.write("vesta.toml", &(config_text(&folder, &[]) + SESSIONS));
    let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
    let versions =
        [Version::Fix44, Version::Fix44, Version::Fix42, Version::Fix50Sp2, Version::Fix42];
    let mut all = Everybody::log_on(venue.fix_addr(), versions);
    all.order(ALPHA, "a1", b'2', 3);
    all.order(BETA, "b1", b'1', 2);
    all.hear(versions, |heard| {
        count(heard, RISK) == 4 && count(heard, ONE_COPY) == 1 && count(heard, OF_BETA) == 2
    });
    // FIX 4.2 has no word for a trade of others: only the reports come.
    assert!(all.of(RISK, "AE").is_empty() && all.of(RISK, "8").len() == 4);
    let fills = all.of(RISK, "8").iter().filter(|line| field(line, 32) == Some("2.0")).count();
    assert_eq!(fills, 2);
    assert_eq!(all.of(ONE_COPY, "AE").len(), 1);
    all.set.logout(Duration::from_secs(10), &mut |_, _| {});
    venue.stop().unwrap();
}

fn start(config: &Path) -> Running {
    let mut venue = Running::start(vesta().args(["serve", "--config"]).arg(config));
    venue.line("fix");
    venue
}

/// A venue is killed again and again while orders trade and copies are on their way.
#[test]
fn kill_9_in_the_middle_and_each_trade_is_told_once() {
    const ROUNDS: u64 = 6;
    let seed = env::var("VESTA_KILL_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(0x51ab);
    let mut random = Random::new(seed);
    let folder = Folder::new();
    let free = own_address();
    let text = config_text(&folder, &[]) + SESSIONS;
    let text = text.replacen("listen = \"127.0.0.1:0\"", &format!("listen = \"{free}\""), 1);
    let config = folder.write("vesta.toml", &text);
    let mut venue = start(&config);
    let versions = [Version::Fix44; 5];
    let mut all = Everybody::log_on(free, versions);
    let mut orders = 0;
    for _ in 0..ROUNDS {
        for _ in 0..150 {
            orders += 1;
            all.order(ALPHA, &format!("a{orders}"), b'2', 1);
            all.order(BETA, &format!("b{orders}"), b'1', 1);
        }
        let more = count(&all.heard, RISK) + 20 + usize::try_from(random.below(600)).unwrap();
        all.hear(versions, |heard| count(heard, RISK) >= more);
        venue.signal("-KILL");
        drop(venue);
        venue = start(&config);
    }
    // What is told of the last trade is told after all that was before it.
    all.hear(versions, |heard| {
        let mine = heard.iter().filter(|(who, line)| *who == BETA && field(line, 150) == Some("F"));
        mine.count() as u64 == orders
    });
    all.order(ALPHA, "last-a", b'2', 1);
    all.hear(versions, |heard| {
        heard.iter().any(|(who, it)| *who == ALPHA && it.contains("last-a"))
    });
    all.order(BETA, "last-b", b'1', 1);
    // Their own last fills too: each hears over a line of its own, and none is behind another's.
    let fills = |heard: &[(usize, String)], whom: usize, id: &str| {
        let is_fill = |line: &str| field(line, 150) == Some("F") && field(line, 11) == Some(id);
        heard.iter().filter(|(who, line)| *who == whom && is_fill(line)).count()
    };
    all.hear(versions, |heard| {
        let trade = |whom: usize, id: &str| {
            let of = |line: &str| line.starts_with("AE|") && line.contains(id);
            heard.iter().any(|(who, line)| *who == whom && of(line))
        };
        let own = [(ALPHA, "last-a"), (BETA, "last-b")];
        let copies = [(RISK, "last-a"), (RISK, "last-b"), (OF_BETA, "last-b")];
        own.into_iter().chain(copies).all(|(whom, id)| fills(heard, whom, id) == 1)
            && trade(RISK, "=last-b")
            && trade(ONE_COPY, "=last-a")
    });

    let mut traded = BTreeSet::new();
    let mut told = BTreeMap::<&str, BTreeSet<&str>>::new();
    for session in [ALPHA, BETA] {
        for line in all.of(session, "8") {
            told.entry(NAMES[session]).or_default().insert(field(line, 17).unwrap());
            if field(line, 150) == Some("F") {
                traded.insert(field(line, 527).unwrap());
            }
        }
    }
    assert_eq!(traded.len() as u64, orders + 1, "seed {seed}");
    for session in [RISK, ONE_COPY] {
        let copies = all.of(session, "AE");
        let ids: BTreeSet<&str> = copies.iter().map(|line| field(line, 880).unwrap()).collect();
        assert_eq!(copies.len(), ids.len(), "seed {seed}: {} told one twice", NAMES[session]);
        assert_eq!(ids, traded, "seed {seed}: {}", NAMES[session]);
    }
    for (session, of) in [(RISK, &["ALPHA", "BETA"][..]), (OF_BETA, &["BETA"])] {
        let mut copied = BTreeMap::<&str, BTreeSet<&str>>::new();
        let copies = all.of(session, "8");
        for line in &copies {
            let of = copied.entry(field(line, 115).unwrap()).or_default();
            assert!(of.insert(field(line, 17).unwrap()), "seed {seed}: {line} twice");
        }
        let expected: BTreeMap<&str, BTreeSet<&str>> =
            of.iter().map(|name| (*name, told[name].clone())).collect();
        assert_eq!(copied, expected, "seed {seed}: {}", NAMES[session]);
    }
    all.set.logout(Duration::from_secs(10), &mut |_, _| {});
    venue.signal("-TERM");
    venue.end().assert_good();
}

#[test]
fn what_makes_no_sense_is_refused_with_its_line() {
    let folder = Folder::new();
    for (session, word) in [
        ("drop_copy = { of = \"all\" }", "permissions"),
        ("permissions = [\"drop-copy\"]\ndrop_copy = { of = \"some\" }", "\"firm\""),
        ("permissions = [\"drop-copy\"]\ndrop_copy = { of = [\"NOBODY\"] }", "NOBODY"),
        ("permissions = [\"drop-copy\"]\ndrop_copy = { of = [] }", "empty"),
        ("permissions = [\"drop-copy\"]\ndrop_copy = { trades = false }", "neither"),
        ("permissions = [\"drop-copy\"]\ndrop_copy = { off = 1 }", "off"),
    ] {
        let text = config_text(&folder, &["A"]) + session + "\n";
        let file = folder.write("vesta.toml", &text);
        let ended = run(&["check-config", file.to_str().unwrap()]);
        assert_eq!(ended.code, Some(2), "{session}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(word), "{session}: {}", ended.err);
    }
}
