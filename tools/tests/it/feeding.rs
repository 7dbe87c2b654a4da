//! The feed as others read it: a BinaryFILE, SoupBinTCP, GLIMPSE, the multicast; by our own tools and by clients that know
//! nothing of us.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use feed::message::{MESSAGE_BYTES_MAX, Message};
use feed::{Mirror, decode};
use gateway::soup::{SoupClientConfig, SoupClose, SoupReject};
use matcher::Side;
use serde_json::Value;
use tools::ouch_conn::{OuchConn, OuchError};
use tools::random::Random;
use venue::config::{Mold, MoldLine, Soup};
use venue::{Config, Venue};

use crate::support::{
    Ended, Folder, MAKER, Market, Running, TAKER, config_text, make_journal, run, skipped, vesta,
};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// A journal of so many requests by chance: orders that trade, rest, shrink, move and go.
pub(crate) fn busy_journal(folder: &Folder, requests: u32) -> PathBuf {
    let mut market = Market::open(folder);
    let mut random = Random::new(0x17C4);
    let mut known: Vec<(usize, String, u8, String)> = Vec::new();
    for n in 0..requests {
        let id = format!("r{n}");
        let chosen = usize::try_from(random.below(known.len() as u64)).unwrap();
        let price = format!("{}.00", 100 + random.below(8));
        let qty = format!("{}.{}", 1 + random.below(9), random.below(10));
        match random.below(10) {
            0 | 1 if !known.is_empty() => {
                let (session, target, side, _) = known[chosen].clone();
                market.cancel_side(session, &id, &target, side);
            }
            2 | 3 if !known.is_empty() => {
                // Half of them only take some off, and keep their place.
                let (session, target, side, last) = known[chosen].clone();
                let less = random.below(2) == 0;
                let (qty, price) = if less { ("0.5", &last) } else { (&*qty, &price) };
                market.replace((session, &id, &target), (side, qty, price));
                known[chosen] = (session, id, side, price.clone());
            }
            _ => {
                let session = if random.below(2) == 0 { MAKER } else { TAKER };
                let side = if random.below(2) == 0 { b'1' } else { b'2' };
                market.order(session, &id, side, &qty, &price);
                known.push((session, id, side, price));
            }
        }
    }
    market.settle();
    market.close(folder)
}

pub(crate) fn export(journal: &Path, folder: &Folder, args: &[&str]) -> (PathBuf, Value) {
    let out = folder.path().join("day.itch");
    let _ = fs::remove_file(&out);
    let (dir, file) = (journal.to_str().unwrap(), out.to_str().unwrap());
    let ended = run(&[&["export", dir, "--itch", "--json", "--out", file], args].concat());
    ended.assert_good();
    (out, ended.json())
}

/// The messages of a BinaryFILE, as bytes.
pub(crate) fn binary_file(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let (mut rest, mut messages) = (&bytes[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (message, after) = after.split_at(u16::from_be_bytes(*length).into());
        messages.push(message.to_vec());
        rest = after;
    }
    assert!(rest.is_empty(), "half a length at the end");
    messages
}

fn books(messages: &[Vec<u8>]) -> Mirror {
    let mut mirror = Mirror::new();
    messages.iter().for_each(|bytes| mirror.apply(&decode(bytes).unwrap()).unwrap());
    mirror
}

/// Each order of the book: side, price on the feed, reference, shares; best first, oldest first.
fn orders(mirror: &Mirror) -> Vec<String> {
    let side = |side, letter| {
        mirror
            .orders(1, side)
            .map(move |it| format!("{letter} {} {} {}", it.price, it.order_ref, it.shares))
    };
    side(Side::Buy, 'B').chain(side(Side::Sell, 'S')).collect()
}

/// The same of the venue's own book, as its journal has it: prices have two decimals and lots one.
pub(crate) fn resting(journal: &Path) -> Vec<String> {
    let dir = journal.to_str().unwrap();
    let book = run(&["book", dir, "--symbol", "BTC-USD", "--orders", "--json"]).json();
    let side = |name: &str, letter| -> Vec<String> {
        let number =
            |value: &Value| value.as_str().unwrap().replace('.', "").parse::<u64>().unwrap();
        let orders = book[name].as_array().unwrap().iter();
        let line = |it: &Value| {
            let (price, qty) = (number(&it["price"]) * 100, number(&it["qty"]));
            format!("{letter} {price} {} {qty}", it["order_ref"])
        };
        orders.map(line).collect()
    };
    [side("bid_orders", 'B'), side("ask_orders", 'S')].concat()
}

#[test]
fn a_binary_file_has_every_message_and_makes_the_venues_book() {
    let folder = Folder::new();
    let journal = busy_journal(&folder, 300);
    let (file, told) = export(&journal, &folder, &[]);
    let messages = binary_file(&file);
    assert_eq!((&told["messages"], &told["stood_before"]), (&messages.len().into(), &0.into()));
    let mut kinds = BTreeMap::new();
    for bytes in &messages {
        let message: Message = decode(bytes).unwrap();
        assert_eq!(message.encode(&mut [0; MESSAGE_BYTES_MAX]), &bytes[..]);
        *kinds.entry(char::from(bytes[0])).or_insert(0) += 1;
    }
    for kind in "SRHAEXDU".chars() {
        assert!(kinds.contains_key(&kind), "no {kind} in {kinds:?}");
    }
    let all = books(&messages);
    assert!(all.orders_len() > 5);
    assert_eq!(orders(&all), resting(&journal));

    // What begins in the middle begins with what stands, and goes on byte for byte.
    for from in ["40", "200"] {
        let (part, told) = export(&journal, &folder, &["--from", from]);
        let part = binary_file(&part);
        let stood = usize::try_from(told["stood_before"].as_u64().unwrap()).unwrap();
        assert!(stood > 5 && part.len() < messages.len());
        assert_eq!(part[stood..], messages[messages.len() - (part.len() - stood)..]);
        assert_eq!(orders(&books(&part)), orders(&all));
        assert_eq!(part[0][0], b'S');
    }
    let (start, _) = export(&journal, &folder, &["--to", "40"]);
    let start = binary_file(&start);
    assert_eq!(start[..], messages[..start.len()]);
    assert!(start.len() < messages.len());
}

#[test]
fn a_binary_file_has_the_whole_market() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let out = folder.path().join("no.itch");
    let (dir, out) = (journal.to_str().unwrap(), out.to_str().unwrap());
    for more in [["--symbol", "BTC-USD"], ["--kind", "traded"], ["--session", "MAKER"]] {
        let ended = run(&[&["export", dir, "--itch", "--out", out], &more[..]].concat());
        ended.assert_says(2, &["whole market"]);
    }
    run(&["export", dir, "--out", out]).assert_usage();
    run(&["export", dir, "--itch", "--format", "csv", "--out", out]).assert_usage();
    assert!(!Path::new(out).exists());
}

/// The Python that has this module, which comes with `package`; `None` where there is none.
fn python(module: &str, package: &str) -> Option<Command> {
    let python = env::var("VESTA_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut has = Command::new(&python);
    has.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
    if has.status().is_ok_and(|status| status.success()) {
        return Some(Command::new(&python));
    }
    skipped(&format!("the feed read by {package}: {python} has it not (pip install {package})"));
    None
}

#[test]
fn itchfeed_reads_a_binary_file_field_by_field() {
    let Some(mut reader) = python("itch", "itchfeed") else { return };
    let folder = Folder::new();
    let journal = busy_journal(&folder, 200);
    let (file, _) = export(&journal, &folder, &[]);
    let messages = binary_file(&file);
    let ended =
        Ended::of(reader.arg(format!("{EXAMPLES}/read_itch.py")).arg(&file).output().unwrap());
    ended.assert_good();
    assert_eq!(ended.out.lines().count(), messages.len());
    for (line, bytes) in ended.out.lines().zip(&messages) {
        assert_eq!(line, understood(bytes));
    }
}

/// What itchfeed should have understood.
fn understood(bytes: &[u8]) -> String {
    let message = decode(bytes).unwrap();
    let header = *message.header();
    let kind = char::from(bytes[0]);
    let mut line = format!("{kind} {} {}", header.stock_locate, header.since_midnight_ns);
    let mut say = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(line, " {name}={value}");
    };
    match &message {
        Message::AddOrder(it) => {
            say("order_reference_number", &it.order_ref);
            say("buy_sell_indicator", &if it.side == Side::Buy { 'B' } else { 'S' });
            say("shares", &it.shares);
            say("price", &it.price);
        }
        Message::OrderExecuted(it) => {
            say("order_reference_number", &it.order_ref);
            say("executed_shares", &it.shares);
            say("match_number", &it.match_number);
        }
        Message::OrderCancel(it) => {
            say("order_reference_number", &it.order_ref);
            say("cancelled_shares", &it.shares);
        }
        Message::OrderDelete(it) => say("order_reference_number", &it.order_ref),
        Message::OrderReplace(it) => {
            say("order_reference_number", &it.old_order_ref);
            say("new_order_reference_number", &it.new_order_ref);
            say("shares", &it.shares);
            say("price", &it.price);
        }
        _ => {}
    }
    line.push(' ');
    line + &hex(bytes)
}

#[test]
fn meatpy_rebuilds_the_book_and_finds_every_execution_in_priority() {
    let Some(builder) = python("meatpy", "meatpy") else { return };
    let folder = Folder::new();
    let journal = busy_journal(&folder, 300);
    let (executions, book) = meatpy(builder, &journal, &folder, "BTC-USD");
    assert!(executions > 20, "{executions}");
    assert_eq!(book, resting(&journal));
}

/// How many executions meatpy saw, all of them in priority, and the book that it ended with.
fn meatpy(
    mut builder: Command,
    journal: &Path,
    folder: &Folder,
    symbol: &str,
) -> (usize, Vec<String>) {
    let (file, _) = export(journal, folder, &[]);
    let messages = binary_file(&file);
    builder.arg(format!("{EXAMPLES}/build_book.py")).arg(&file).arg(symbol);
    let ended = Ended::of(builder.output().unwrap());
    ended.assert_good();
    let mut lines: Vec<String> = ended.out.lines().map(str::to_owned).collect();
    let executions = messages.iter().filter(|it| matches!(it[0], b'E' | b'C')).count();
    let last = format!("executions {executions} out of priority 0");
    assert_eq!(lines.pop(), Some(last), "{}", ended.out);
    assert_eq!(lines, orders(&books(&messages)));
    (executions, lines)
}

/// A whole recorded day, by way of FIX in and by way of OUCH in: where `VESTA_FEED_FLOW` names its folder (`tools/test feed`).
#[test]
fn meatpy_rebuilds_a_recorded_day() {
    let Some(flow) = env::var_os("VESTA_FEED_FLOW") else { return };
    let mut seen = Vec::new();
    for ouch in [false, true] {
        let Some(builder) = python("meatpy", "meatpy") else { return };
        let folder = Folder::new();
        let file = folder.write("vesta.toml", &recorded_day(&folder, ouch));
        let venue = Venue::start(&Config::load(&file).unwrap()).unwrap();
        let entry = if ouch { venue.ouch_addr().unwrap() } else { venue.fix_addr() }.to_string();
        let soup = venue.soup_addr().unwrap().to_string();
        let mut play = vesta();
        play.arg("play").arg(&flow).args(["--connect", &entry, "--feed", &soup]);
        play.args(["--symbol", "BTC-USD", "--json"]);
        if ouch {
            play.args(["--ouch", "--password-env", "PLAY_PASSWORD"]).env("PLAY_PASSWORD", "secret");
        }
        for sender in DAY_SESSIONS {
            play.args(["--sender", sender]);
        }
        let ended = Ended::of(play.output().unwrap());
        ended.assert_good();
        venue.stop().unwrap();
        let journal = folder.path().join("journal");
        let (executions, book) = meatpy(builder, &journal, &folder, "BTC-USD");
        let trades = ended.json()["trades_checked"].as_u64().unwrap();
        assert_eq!(executions as u64, trades);
        println!("meatpy: {executions} executions, none out of priority");
        seen.push(book);
    }
    // Side, price, reference and shares of every order that is left.
    assert_eq!(seen[0], seen[1], "by way of FIX and by way of OUCH");
}

const DAY_SESSIONS: [&str; 4] = ["ONE", "TWO", "THREE", "FOUR"];

/// A venue for a recorded day, whose sessions speak FIX or OUCH.
fn recorded_day(folder: &Folder, ouch: bool) -> String {
    let text = config_text(folder, if ouch { &[] } else { &DAY_SESSIONS });
    let text = text.replace("orders = 1000\nlevels = 1000", "orders = 500000\nlevels = 100000");
    let text = text.replace("price_decimals = 2\nqty_decimals = 1", "price_decimals = 4");
    let mut text = text.replace(
        "tick_size = \"0.01\"\nlot_size = \"0.1\"\nqty_max = \"1000\"",
        "tick_size = \"0.0001\"\nqty_max = \"10000000\"",
    );
    if ouch {
        text = text.replace("[fix]\n", "[fix]\nplain_passwords = true\n");
        text = text.replace("[[instrument]]", "[ouch]\nlisten = \"127.0.0.1:0\"\n[[instrument]]");
        for name in DAY_SESSIONS {
            let _ = write!(
                text,
                "[[session]]\ncomp_id = \"{name}\"\nparticipant = \"FIRM\"\nprotocol = \"ouch\"\n\
                 username = \"{name}\"\npassword = \"secret\"\n"
            );
        }
    }
    text
}

/// Node with soupbintcp; `None` where it is not.
fn node() -> Option<Command> {
    let mut node = Command::new("node");
    node.args(["-e", "require('soupbintcp')"]).stderr(Stdio::null());
    if node.status().is_ok_and(|status| status.success()) {
        return Some(Command::new("node"));
    }
    skipped("the feed read by soupbintcp: node has it not (npm install soupbintcp, NODE_PATH)");
    None
}

/// A venue with everything of the feed, in `folder`.
pub(crate) fn venue(folder: &Folder) -> (Venue, [SocketAddrV4; 2]) {
    let file = folder.write("vesta.toml", &config_text(folder, &["MAKER", "TAKER"]));
    let mut config = Config::load(&file).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let group = |last| {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        SocketAddrV4::new(Ipv4Addr::new(239, 192, 8, last), port)
    };
    let groups = [group(1), group(2)];
    let line = |group| MoldLine { group, interface: Ipv4Addr::LOCALHOST };
    config.mold = Some(Mold {
        line_a: line(groups[0]),
        line_b: Some(line(groups[1])),
        ttl: 1,
        batch_us: 5,
        end_s: 1,
        requests: Some(any),
    });
    config.glimpse = Some(Soup { connections_max: 8, ..config.soup.clone().unwrap() });
    (Venue::start(&config).unwrap(), groups)
}

#[test]
fn soupbintcp_for_node_reads_the_feed_and_a_snapshot() {
    if node().is_none() {
        return;
    }
    let folder = Folder::new();
    let journal = busy_journal(&folder, 60);
    let (file, _) = export(&journal, &folder, &[]);
    let expected: Vec<String> = binary_file(&file).iter().map(|bytes| hex(bytes)).collect();
    let (venue, _) = venue(&folder);
    let read = |address: std::net::SocketAddr, first: usize, count: usize| -> Vec<String> {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut reader = Command::new("node");
        reader.arg(format!("{EXAMPLES}/read_feed.js")).args([host, port]);
        reader.args([first.to_string(), count.to_string()]);
        let ended = Ended::of(reader.output().unwrap());
        ended.assert_good();
        ended.out.lines().map(str::to_owned).collect()
    };
    let soup = venue.soup_addr().unwrap();
    for first in [1, 20] {
        let said = read(soup, first, expected.len() + 1 - first);
        assert!(said[0].starts_with("accepted V") && said[0].ends_with(&format!(" {first}")));
        assert_eq!(said[1..said.len() - 1], expected[first - 1..]);
        assert_eq!(said[said.len() - 1], "closed");
    }
    let standing = books(&binary_file(&file)).orders_len();
    let said = read(venue.glimpse_addr().unwrap(), 1, standing + 4);
    assert!(said[0].ends_with(" 1"), "{}", said[0]);
    let end = format!("G{:020}", expected.len() + 1);
    assert_eq!(said[said.len() - 2], hex(end.as_bytes()));
    assert_eq!(said[said.len() - 1], "closed");
    let said = read(venue.glimpse_addr().unwrap(), 7, 1);
    assert_eq!(said, ["rejected S", "closed"]);
    venue.stop().unwrap();
}

#[test]
fn nasdaq_protocols_reads_the_feed_field_by_field() {
    let Some(_) = python("nasdaq_protocols", "nasdaq-protocols") else { return };
    let folder = Folder::new();
    let journal = busy_journal(&folder, 100);
    let (file, _) = export(&journal, &folder, &[]);
    let expected: Vec<String> = binary_file(&file).iter().map(|bytes| understood(bytes)).collect();
    let (venue, _) = venue(&folder);
    let address = venue.soup_addr().unwrap();
    for first in [1, 30] {
        let mut reader = python("nasdaq_protocols", "nasdaq-protocols").unwrap();
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let count = expected.len() + 1 - first;
        reader.arg(format!("{EXAMPLES}/read_nasdaq.py")).args([host, port]);
        reader.args([first.to_string(), count.to_string()]);
        let ended = Ended::of(reader.output().unwrap());
        ended.assert_good();
        let said: Vec<&str> = ended.out.lines().collect();
        assert_eq!(said, expected[first - 1..]);
    }
    venue.stop().unwrap();
}

/// Whoever expects a message beyond the next one counts those of another feed: it is let in under no number.
#[test]
fn a_reader_from_beyond_the_end_is_refused() {
    let folder = Folder::new();
    let journal = busy_journal(&folder, 60);
    let (file, _) = export(&journal, &folder, &[]);
    let next = binary_file(&file).len() as u64 + 1;
    let (venue, _) = venue(&folder);
    let patience = std::time::Duration::from_secs(10);
    let log_in = |from| {
        let config = SoupClientConfig::new(b"", b"", from);
        OuchConn::log_in(venue.soup_addr().unwrap(), config, patience)
    };
    for from in [next, 0] {
        assert_eq!(log_in(from).unwrap().next_sequence(), next);
    }
    for from in [next + 1, u64::MAX] {
        match log_in(from) {
            Err(OuchError::Closed(SoupClose::Rejected(SoupReject::SessionNotAvailable))) => {}
            other => panic!("{from}: {:?}", other.map(|_| ())),
        }
    }
    venue.stop().unwrap();
}

/// Wireshark's dissector of MoldUDP64 has nothing against any packet of a line, from the first to the end of session, and finds in them
/// what a BinaryFILE of the journal has. (Its dissector of ITCH is for versions before 5.0.)
#[test]
fn wireshark_reads_the_multicast() {
    let folder = Folder::new();
    let (venue, groups) = venue(&folder);
    let line = UdpSocket::bind(groups[0]).unwrap();
    line.join_multicast_v4(groups[0].ip(), &Ipv4Addr::LOCALHOST).unwrap();
    line.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut set = sessions(&venue);
    for n in 0..60 {
        order(&mut set, &format!("n{n}"), &format!("{}.00", 100 + n % 7));
    }
    drop(set);
    venue.stop().unwrap();
    // Offsets and bytes of each packet, as text2pcap reads them.
    let (mut dump, mut packet, mut packets) = (String::new(), [0; 2_048], 0);
    let session = loop {
        let len = line.recv(&mut packet).unwrap();
        let bytes = &packet[..len];
        dump += "0000";
        for byte in bytes {
            let _ = write!(dump, " {byte:02x}");
        }
        dump.push('\n');
        packets += 1;
        if bytes[18..20] == [0xFF; 2] {
            break String::from_utf8_lossy(&bytes[..10]).into_owned();
        }
    };
    let text = folder.write("line.txt", &dump);
    let capture = folder.path().join("line.pcap");
    let made = Command::new("text2pcap")
        .args(["-q", "-F", "pcap", "-4", "127.0.0.1,239.192.8.1", "-u", "30000,30001"])
        .args([&text, &capture])
        .output();
    let dissect = |args: &[&str]| {
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(&capture).args(["-d", "udp.port==30001,moldudp64"]).args(args).output()
    };
    let (Ok(made), Ok(faults)) =
        (made, dissect(&["-Y", "_ws.malformed || _ws.expert.severity >= 6291456"]))
    else {
        return skipped("the multicast under tshark: there is none (apt-get install tshark)");
    };
    Ended::of(made).assert_good();
    let faults = Ended::of(faults);
    faults.assert_good();
    assert_eq!(faults.out, "");
    let fields = ["session", "sequence", "count", "msgdata"].map(|it| format!("moldudp64.{it}"));
    let mut args = vec!["-T", "fields", "-E", "separator=;"];
    fields.iter().for_each(|field| args.extend(["-e", field]));
    let ended = Ended::of(dissect(&args).unwrap());
    ended.assert_good();
    let (mut told, mut next) = (Vec::new(), None);
    for row in ended.out.lines() {
        let [of, sequence, count, data] = row.split(';').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        assert_eq!(of.trim(), session.trim());
        let sequence: u64 = sequence.parse().unwrap();
        assert!(next.is_none_or(|next| next == sequence), "{row} after {next:?}");
        let messages = data.split(',').filter(|it| !it.is_empty());
        let before = told.len();
        told.extend(messages.map(str::to_owned));
        let found = told.len() - before;
        assert!(count == "65535" && found == 0 || count == found.to_string(), "{row}");
        next = Some(sequence + found as u64);
    }
    assert_eq!(ended.out.lines().count(), packets);
    let (file, _) = export(&folder.path().join("journal"), &folder, &[]);
    let messages: Vec<String> = binary_file(&file).iter().map(|bytes| hex(bytes)).collect();
    // Said before anybody listened.
    let earlier = messages.len() - told.len();
    assert!(told.len() >= 60 && earlier < 10, "{earlier}");
    assert_eq!(told, messages[earlier..]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn watch(venue: &Venue, groups: [SocketAddrV4; 2], more: &[&str]) -> Command {
    let mut command = vesta();
    let [a, b] = groups.map(|group| group.to_string());
    let requests = venue.requests_addr().unwrap().to_string();
    let glimpse = venue.glimpse_addr().unwrap().to_string();
    command.args(["watch", "BTC-USD", "--line-a", &a, "--line-b", &b]);
    command.args(["--requests", &requests, "--glimpse", &glimpse]).args(more);
    command
}

#[test]
fn watch_shows_the_ladder_and_its_changes() {
    let folder = Folder::new();
    // Before anybody watches: b, the rest of a, c is gone.
    make_journal(&folder);
    let (venue, groups) = venue(&folder);
    let ended = Ended::of(watch(&venue, groups, &["--once", "--json"]).output().unwrap());
    ended.assert_good();
    let lines: Vec<&str> = ended.out.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(lines[0].starts_with("BTC-USD  next message "), "{}", lines[0]);
    assert_eq!(words(lines[1]), ["ask", "50000.0000", "10", "1"]);
    assert_eq!(lines[2], "---");
    let said = ended.json();
    assert_eq!((&said["snapshots"], said["bids"].as_array().unwrap().len()), (&1.into(), 0));

    let mut running = Running::start(&mut watch(&venue, groups, &["--every", "1ms"]));
    let first = running.line("BTC-USD");
    assert!(first.starts_with("BTC-USD - | 10 @ 50000.0000 ("), "{first}");
    let mut set = sessions(&venue);
    order(&mut set, "new", "49000.50");
    let next = running.line("BTC-USD 5 @");
    assert!(next.starts_with("BTC-USD 5 @ 49000.5000 | 10 @ 50000.0000 ("), "{next}");
    running.signal("-INT");
    let ended = running.end();
    ended.assert_good();
    assert!(ended.err.is_empty(), "{}", ended.err);

    // It ends with the session too.
    let mut running = Running::start(&mut watch(&venue, groups, &["--json"]));
    running.line("BTC-USD 5 @");
    venue.stop().unwrap();
    let ended = running.end();
    ended.assert_good();
    assert_eq!(ended.json()["bids"][0]["price"], "49000.5000");
}

pub(crate) fn sessions(venue: &Venue) -> tools::fix_conn::FixSet {
    let target = tools::fix_conn::FixTarget {
        address: venue.fix_addr(),
        comp_id: "VESTA".into(),
        reset: true,
        patience: std::time::Duration::from_secs(10),
    };
    let logins = ["TAKER"].map(tools::fix_conn::Login::plain);
    tools::fix_conn::FixSet::connect(target, &logins).unwrap()
}

pub(crate) fn order(set: &mut tools::fix_conn::FixSet, id: &str, price: &str) {
    use gateway::fix::tag;
    let now = venue::clock::now();
    set.send(0, now, b"D", |order| {
        order.bytes(tag::CL_ORD_ID, id.as_bytes()).bytes(tag::SYMBOL, b"BTC-USD");
        order.char(tag::SIDE, b'1').utc(tag::TRANSACT_TIME, now);
        order.bytes(tag::ORDER_QTY, b"0.5").char(tag::ORD_TYPE, b'2');
        order.bytes(tag::PRICE, price.as_bytes()).char(tag::TIME_IN_FORCE, b'1');
    });
    let mut heard = false;
    while !heard {
        set.poll(Some(std::time::Duration::from_secs(10)), &mut |_, _| heard = true).unwrap();
    }
}

#[test]
fn watch_says_what_it_does_not_find() {
    let folder = Folder::new();
    let file = folder.write("vesta.toml", &config_text(&folder, &["MAKER"]));
    let file = file.to_str().unwrap();
    run(&["watch", "BTC-USD"]).assert_usage();
    run(&["watch", "BTC-USD", "--config", file]).assert_says(2, &["[itch.mold]"]);
    run(&["watch", "BTC-USD", "--config", "/nowhere/vesta.toml"]).assert_says(2, &["nowhere"]);
    let (venue, groups) = venue(&folder);
    let mut command = watch(&venue, groups, &[]);
    let mut other = vesta();
    let args: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    other
        .args(args.iter().map(|arg| if arg == "BTC-USD" { "NOTHING".into() } else { arg.clone() }));
    Ended::of(other.output().unwrap()).assert_says(1, &["the feed has no NOTHING"]);
    command.args(["--config", file]);
    Ended::of(command.output().unwrap()).assert_usage();
    venue.stop().unwrap();
}
