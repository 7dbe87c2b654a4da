//! `vesta export --format pcap`, and what goes over a line, as Wireshark's own dissectors see it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gateway::fix::Version;
use tools::fix_conn::{FixSet, FixTarget, Heard, Login};
use venue::{Config, Venue, clock};

use crate::line::{By, Line};
use crate::support::{Ended, Folder, MAKER, Market, TAKER, config_text, run, skipped};

/// Packets, or messages in them, that a dissector has something against.
pub(crate) const FAULTS: &str = "_ws.malformed || _ws.expert.severity >= 6291456 || fix.checksum_bad == 1 \
                      || tcp.checksum.status == 0 || ip.checksum.status == 0";

/// Those that are FIX, with everything right.
const GOOD: &str = "fix.checksum_good == 1 && tcp.checksum.status == 1 && ip.checksum.status == 1";

/// Runs tshark with its dissectors of FIX and of SoupBinTCP; `None` where there is none.
pub(crate) fn dissect(capture: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(capture)
        .args(["-d", "tcp.port==5001,fix", "-d", "tcp.port==5020,soupbintcp"])
        .args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"])
        .args(args)
        .output();
    let Ok(output) = output else {
        skipped("the capture under tshark: there is none (apt-get install tshark)");
        return None;
    };
    let ended = Ended::of(output);
    ended.assert_good();
    Some(ended.out)
}

/// Every message of some thousand is one to a dissector that knows nothing of us, in streams without a
/// fault.
#[test]
fn wireshark_reads_the_sessions() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    for round in 0..600 {
        market.order(MAKER, &format!("m{round}"), b'2', "1.5", "50000.00");
        market.order(TAKER, &format!("t{round}"), b'1', "1.0", "50000.00");
        if round % 3 == 0 {
            let (id, old) = (format!("r{round}"), format!("m{round}"));
            market.replace((MAKER, &id, &old), (b'2', "1.2", "50000.00"));
            market.cancel_side(MAKER, &format!("c{round}"), &id, b'2');
        } else {
            market.cancel_side(MAKER, &format!("c{round}"), &format!("m{round}"), b'2');
        }
    }
    let heard = market.heard.len();
    let journal = market.close(&folder);
    let dir = journal.to_str().unwrap();
    let capture = folder.path().join("sessions.pcap");
    let file = capture.to_str().unwrap();
    let ended = run(&["export", dir, "--format", "pcap", "--out", file, "--json"]);
    ended.assert_good();
    let (ours, theirs) = (&ended.json()["messages"], &ended.json()["client_messages"]);
    let messages = ours.as_u64().unwrap() + theirs.as_u64().unwrap();

    let types = ["-Y", "fix", "-T", "fields", "-E", "occurrence=a", "-e", "fix.MsgType"];
    let Some(types) = dissect(&capture, &types) else { return };
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for kind in types.split(['\n', ',']).filter(|kind| !kind.is_empty()) {
        *seen.entry(kind).or_default() += 1;
    }
    assert_eq!(seen.values().sum::<u64>(), messages, "{seen:?}");
    assert!(messages > 3_000 && seen["8"] >= heard as u64, "{heard} were heard of {seen:?}");
    assert_eq!((seen["D"], seen["F"], seen["G"]), (1_200, 600, 200));
    assert_eq!(dissect(&capture, &["-Y", FAULTS]).unwrap(), "");
    let frames = |filter| dissect(&capture, &["-Y", filter]).unwrap().lines().count();
    assert_eq!(frames(GOOD), frames("fix"));

    // It would say so: a byte of one message is another.
    let mut bytes = std::fs::read(&capture).unwrap();
    let at = bytes.windows(5).position(|part| part == b"\x0111=t").unwrap() + 4;
    bytes[at] = b'Z';
    std::fs::write(&capture, bytes).unwrap();
    assert_eq!(dissect(&capture, &["-Y", FAULTS]).unwrap().lines().count(), 1);
}

/// The bytes that went over a line, as a capture that nobody of ours made.
fn captured(folder: &Folder, record: &[(By, Vec<u8>)]) -> Option<PathBuf> {
    let mut text = String::new();
    for (by, bytes) in record {
        text += if *by == By::Client { "O\n000000" } else { "I\n000000" };
        for byte in bytes {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    let (dump, capture) = (folder.write("line.txt", &text), folder.path().join("line.pcapng"));
    let mut made = Command::new("text2pcap");
    made.args(["-q", "-D", "-4", "192.0.2.1,198.18.0.1", "-T", "5001,40000"]);
    let Ok(output) = made.args([&dump, &capture]).output() else {
        skipped("a line under tshark: there is no text2pcap (apt-get install tshark)");
        return None;
    };
    Ended::of(output).assert_good();
    Some(capture)
}

/// A session that is told of the market, over a line that keeps what goes over it.
struct Watcher {
    set: FixSet,
    version: Version,
    /// Each message by its type, and its fields.
    heard: Vec<(String, String)>,
}

impl Watcher {
    fn log_on(address: SocketAddr, comp_id: &str, version: Version) -> Watcher {
        let patience = Duration::from_secs(60);
        let target = FixTarget { address, comp_id: "VESTA".into(), reset: true, patience };
        let login = Login { version, ..Login::plain(comp_id) };
        Watcher { set: FixSet::connect(target, &[login]).unwrap(), version, heard: Vec::new() }
    }

    fn ask(&mut self, msg_type: &[u8], fields: &[(u32, &str)]) {
        self.set.send(0, clock::now(), msg_type, |request| {
            for (tag, value) in fields {
                request.bytes(*tag, value.as_bytes());
            }
        });
    }

    /// MarketDataRequest(V) of prices and trades.
    fn subscribe(&mut self, id: &str, depth: &str, update_type: &str) {
        let head = [(262, id), (263, "1"), (264, depth), (265, update_type)];
        let entries = [(267, "3"), (269, "0"), (269, "1"), (269, "2"), (146, "1"), (55, "BTC-USD")];
        self.ask(b"V", &[&head[..], &entries].concat());
    }

    fn count(&self, msg_type: &str, of: &str) -> usize {
        let are = |(kind, fields): &&(String, String)| kind == msg_type && fields.contains(of);
        self.heard.iter().filter(are).count()
    }

    /// Hears until so many messages of a type have a field.
    fn hear(&mut self, msg_type: &str, of: &str, at_least: usize) {
        while self.count(msg_type, of) < at_least {
            let (heard, version) = (&mut self.heard, self.version);
            let mut hear = |_: usize, one: Heard<'_>| {
                let Heard::Application(message) = one else { panic!("{one:?}") };
                version.dictionary().check_sent(&message).unwrap();
                let kind = String::from_utf8(message.msg_type().to_vec()).unwrap();
                heard.push((kind, format!("{message:?}")));
            };
            self.set.poll(Some(Duration::from_secs(20)), &mut hear).unwrap();
        }
    }
}

/// Market data is not in the journal, so it is looked at as it went over a line: what is asked, granted, refused and
/// told of a market that moves, in each version.
#[test]
fn wireshark_reads_market_data() {
    const ROUNDS: usize = 60;
    let folder = Folder::new();
    let watcher = "[[session]]\ncomp_id = \"WATCH\"\nparticipant = \"WATCHERS\"\n\
                   permissions = [\"market-data\"]\n";
    let text = config_text(&folder, &["MAKER", "TAKER"]) + watcher;
    let file = folder.write("vesta.toml", &text);
    let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
    let mut traders = Watcher::log_on(venue.fix_addr(), "MAKER", Version::Fix44);
    // Whoever has not said in the configuration that it wants market data is told that.
    traders.subscribe("mine", "1", "1");
    traders.hear("Y", "|281=3|58=this session may not have market data|", 1);
    let mut orders = 0;
    let mut order = |side: &str, price: &str| {
        orders += 1;
        let (id, qty) = (format!("m{orders}"), if side == "1" { "1.0" } else { "1.5" });
        let fields = [(11, &*id), (55, "BTC-USD"), (54, side), (60, "20260101-00:00:00")];
        let rest = [(38, qty), (40, "2"), (44, price), (59, "1")];
        traders.ask(b"D", &[&fields[..], &rest].concat());
        traders.hear("8", &format!("|11={id}|"), 1);
    };
    for version in Version::ALL {
        let (line, record) = Line::recording(venue.fix_addr());
        let mut watcher = Watcher::log_on(line.address, "WATCH", version);
        watcher.subscribe("changes", "5", "1");
        watcher.subscribe("whole", "1", "0");
        watcher.subscribe("deep", "99", "1");
        watcher.ask(b"e", &[(324, "state"), (55, "BTC-USD"), (263, "1")]);
        watcher.hear("W", "|262=changes|", 1);
        watcher.hear("W", "|262=whole|", 1);
        watcher.hear("Y", "|262=deep|281=5|", 1);
        watcher.hear("f", "|324=state|", 1);
        // Two sells of 1.5 and three buys of 1 trade out: prices come, change their size and go.
        for round in 0..ROUNDS {
            let price = format!("{}.00", 50_000 + round % 7);
            ["2", "2", "1", "1", "1"].into_iter().for_each(|side| order(side, &price));
        }
        let trades = ROUNDS * 4;
        let told = |watcher: &Watcher| {
            let changes = watcher.heard.iter().filter(|(kind, _)| kind == "X");
            changes.map(|(_, fields)| fields.matches("|269=2|").count()).sum::<usize>()
        };
        while told(&watcher) < trades {
            watcher.hear("X", "", watcher.count("X", "") + 1);
        }
        watcher.ask(
            b"V",
            &[
                (262, "changes"),
                (263, "2"),
                (264, "5"),
                (267, "1"),
                (269, "0"),
                (146, "1"),
                (55, "BTC-USD"),
            ],
        );
        watcher.ask(
            b"V",
            &[
                (262, "never"),
                (263, "2"),
                (264, "5"),
                (267, "1"),
                (269, "0"),
                (146, "1"),
                (55, "BTC-USD"),
            ],
        );
        watcher.hear("Y", "|262=never|", 1);
        assert_eq!(told(&watcher), trades, "{version:?}");
        watcher.set.logout(Duration::from_secs(20), &mut |_, _| {});

        let record = record.lock().unwrap().clone();
        let Some(capture) = captured(&folder, &record) else { break };
        let types = ["-Y", "fix && tcp.srcport == 5001", "-T", "fields", "-e", "fix.MsgType"];
        let Some(types) = dissect(&capture, &types) else { break };
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for kind in types.split(['\n', ',']).filter(|kind| !kind.is_empty()) {
            *seen.entry(kind).or_default() += 1;
        }
        for kind in ["W", "X", "Y", "f"] {
            assert!(seen[kind] >= watcher.count(kind, ""), "{version:?}: {seen:?}");
        }
        assert!(seen["X"] > 3 && seen["W"] > 3 && seen["Y"] == 2, "{version:?}: {seen:?}");
        assert_eq!(dissect(&capture, &["-Y", FAULTS]).unwrap(), "", "{version:?}");
        let frames = |filter| dissect(&capture, &["-Y", filter]).unwrap().lines().count();
        assert_eq!(frames("fix.checksum_good == 1"), frames("fix"), "{version:?}");
    }
    venue.stop().unwrap();
}
