//! `vesta export`: every format is read back and holds what the journal holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gateway::fix::{Fields, decode};
use gateway::ouch::{
    AccountQuery, DisableOrderEntry, EnableOrderEntry, FromClient, FromVenue, Modify, Options,
};
use serde_json::Value;
use tools::ouch_conn::OuchConn;

use crate::dissecting::{FAULTS, dissect};
use crate::ouching;
use crate::support::{Folder, MAKER, Market, TAKER, make_journal, run, run_without_room};

fn export(journal: &Path, folder: &Folder, args: &[&str]) -> (Value, Vec<u8>) {
    let out = folder.path().join("export");
    let _ = fs::remove_file(&out);
    let (dir, file) = (journal.to_str().unwrap(), out.to_str().unwrap());
    let ended = run(&[&["export", dir, "--json", "--out", file], args].concat());
    ended.assert_good();
    (ended.json(), fs::read(out).unwrap())
}

/// Records of the journal, by kind.
fn counts(journal: &Path) -> BTreeMap<String, u64> {
    let stat = run(&["journal", "stat", journal.to_str().unwrap(), "--json"]).json();
    let of = |what: &str| stat[what].as_object().unwrap().clone();
    let both = of("inputs").into_iter().chain(of("events"));
    both.map(|(kind, count)| (kind, count.as_u64().unwrap())).collect()
}

#[test]
fn lines_hold_every_record_once() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let wanted = counts(&journal);
    let total: u64 = wanted.values().sum();

    let (told, json) = export(&journal, &folder, &["--format", "jsonl"]);
    assert_eq!(told["records"], total);
    let (mut kinds, mut traded) = (BTreeMap::new(), 0.0);
    for line in String::from_utf8(json).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        *kinds.entry(record["Kind"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        if record["Kind"] == "traded" {
            traded += record["LastQty"].as_str().unwrap().parse::<f64>().unwrap();
        }
    }
    assert_eq!(kinds, wanted);
    assert!((traded - 2.5).abs() < 1e-9, "{traded}");

    let (told, csv) = export(&journal, &folder, &["--format", "csv"]);
    assert_eq!(told["records"], total);
    let csv = String::from_utf8(csv).unwrap();
    let mut lines = csv.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| head.iter().position(|it| *it == name).unwrap();
    let (mut kinds, mut traded) = (BTreeMap::new(), 0.0);
    for line in lines {
        let cells = cells(line);
        assert_eq!(cells.len(), head.len(), "{line}");
        *kinds.entry(cells[at("Kind")].clone()).or_insert(0) += 1;
        if cells[at("Kind")] == "traded" {
            traded += cells[at("LastQty")].parse::<f64>().unwrap();
            assert_eq!(cells[at("LastPx")], "50000.00");
            assert_eq!((&*cells[at("CompID")], &*cells[at("ContraCompID")]), ("TAKER", "MAKER"));
        }
    }
    assert_eq!(kinds, wanted);
    assert!((traded - 2.5).abs() < 1e-9, "{traded}");
}

/// The cells of a line of CSV: RFC 4180 without line breaks in cells.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

#[test]
fn a_filter_holds_for_exports() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let (told, csv) = export(&journal, &folder, &["--format", "csv", "--kind", "traded"]);
    assert_eq!(told["records"], 2);
    assert_eq!(String::from_utf8(csv).unwrap().lines().count(), 3);
    let dir = journal.to_str().unwrap();
    let there = folder.path().join("export");
    let args = ["export", dir, "--format", "csv", "--out", there.to_str().unwrap()];
    run(&args).assert_says(2, &[there.to_str().unwrap()]);
}

/// One direction of a connection.
type Stream = (([u8; 4], u16), ([u8; 4], u16));

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Adds up to all ones where a checksum is right.
fn sum(parts: &[&[u8]]) -> u32 {
    let bytes = parts.concat();
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// The bytes of every direction, put together as a kernel would: each checksum right, each number next.
fn streams(capture: &[u8]) -> Vec<(Stream, Vec<u8>)> {
    assert_eq!(capture[..4], 0xa1b2_3c4d_u32.to_le_bytes());
    assert_eq!(capture[20..24], 101_u32.to_le_bytes());
    let mut streams: Vec<(Stream, Vec<u8>)> = Vec::new();
    let mut next: BTreeMap<Stream, u32> = BTreeMap::new();
    let (mut at, mut last) = (24, 0);
    while at < capture.len() {
        let word = |i: usize| u32::from_le_bytes(capture[at + i..at + i + 4].try_into().unwrap());
        let (time, len) = (u64::from(word(0)) * 1_000_000_000 + u64::from(word(4)), word(8));
        assert!(time >= last && word(4) < 1_000_000_000 && word(12) == len);
        last = time;
        let packet = &capture[at + 16..at + 16 + len as usize];
        at += 16 + len as usize;
        let (ip, tcp) = packet.split_at(20);
        assert_eq!((ip[0], ip[9], u32::from(u16_at(ip, 2))), (0x45, 6, len));
        assert_eq!(sum(&[ip]), 0xffff, "checksum of IP");
        let tcp_len = u16::try_from(tcp.len()).unwrap().to_be_bytes();
        assert_eq!(sum(&[&ip[12..20], &[0, 6], &tcp_len, tcp]), 0xffff, "checksum of TCP");
        let from = (ip[12..16].try_into().unwrap(), u16_at(tcp, 0));
        let to = (ip[16..20].try_into().unwrap(), u16_at(tcp, 2));
        let (number, acknowledged, flags, payload) =
            (u32_at(tcp, 4), u32_at(tcp, 8), tcp[13], &tcp[20..]);
        let syn_or_fin = u32::from(flags & 0x03 != 0);
        if flags & 0x02 != 0 {
            assert!(!next.contains_key(&(from, to)), "a port twice");
            streams.push(((from, to), Vec::new()));
        } else {
            assert_eq!(Some(&number), next.get(&(from, to)));
        }
        if flags & 0x10 != 0 {
            assert_eq!(Some(&acknowledged), next.get(&(to, from)));
        }
        next.insert((from, to), number + u32::try_from(payload.len()).unwrap() + syn_or_fin);
        let stream = streams.iter_mut().find(|(stream, _)| *stream == (from, to)).unwrap();
        stream.1.extend_from_slice(payload);
    }
    streams
}

/// MsgType and bytes of each message, its numbers checked to come one after another.
fn messages(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut messages, mut fields, mut last) = (Vec::new(), Fields::new(), None);
    while !bytes.is_empty() {
        let (message, used) = decode(bytes, &mut fields).unwrap();
        assert!(message.fault().is_none());
        let number: u32 = std::str::from_utf8(message.get(34).unwrap()).unwrap().parse().unwrap();
        assert!(last.is_none_or(|last| number == last + 1), "{number} after {last:?}");
        last = Some(number);
        messages.push((message.msg_type()[0], message.bytes().to_vec()));
        bytes = &bytes[used..];
    }
    messages
}

#[test]
fn a_capture_holds_what_the_clients_heard() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    market.order(MAKER, "a", b'2', "1.5", "50000.00");
    market.order(MAKER, "b", b'2', "2.0", "50000.00");
    market.order(MAKER, "toobig", b'2', "5000.0", "50000.00");
    market.order(TAKER, "d", b'1', "2.5", "50000.00");
    market.replace((MAKER, "b2", "b"), (b'2', "2.5", "50001.00"));
    market.cancel_side(MAKER, "c", "b2", b'2');
    market.cancel_side(MAKER, "late", "a", b'2');
    market.settle();
    let mut heard: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    for (session, message) in &market.heard {
        heard.entry(*session).or_default().push(message.clone());
    }
    let journal = market.close(&folder);

    let (told, capture) = export(&journal, &folder, &["--format", "pcap"]);
    let streams = streams(&capture);
    assert_eq!(streams.len(), 4, "two sessions, two directions");
    assert!(told["packets"].as_u64().unwrap() > 30);
    for session in [MAKER, TAKER] {
        let client = u8::try_from(session + 1).unwrap();
        let ours = streams.iter().find(|((_, to), _)| to.0 == [198, 18, 0, client]).unwrap();
        let theirs = streams.iter().find(|((from, _), _)| from.0 == [198, 18, 0, client]).unwrap();
        let (ours, theirs) = (messages(&ours.1), messages(&theirs.1));
        // Byte for byte, checksums and times included.
        let reports: Vec<Vec<u8>> =
            ours.iter().filter(|it| b"89r".contains(&it.0)).map(|it| it.1.clone()).collect();
        assert_eq!(reports, heard[&session]);
        assert_eq!((ours[0].0, ours.last().unwrap().0), (b'A', b'5'));
        let asked: Vec<u8> = theirs.iter().map(|it| it.0).collect();
        let wanted: &[u8] = if session == MAKER { b"ADDDGFFD5" } else { b"ADD5" };
        assert_eq!(asked, wanted, "what {session} asked");
        let mut fields = Fields::new();
        let first = decode(&theirs[1].1, &mut fields).unwrap().0;
        let field = |tag| std::str::from_utf8(first.get(tag).unwrap()).unwrap();
        if session == MAKER {
            assert_eq!((field(11), field(55), field(54), field(38)), ("a", "BTC-USD", "2", "1.5"));
            assert_eq!((field(44), field(59), field(40)), ("50000.00", "1", "2"));
            assert_eq!((field(49), field(56)), ("MAKER", "VESTA"));
        }
    }
    // One session alone is that session's packets.
    let (_, one) = export(&journal, &folder, &["--format", "pcap", "--session", "TAKER"]);
    let of_taker: Vec<Vec<u8>> = streams
        .iter()
        .filter(|((from, to), _)| [from, to].iter().any(|end| end.0 == [198, 18, 0, 2]))
        .map(|(_, bytes)| bytes.clone())
        .collect();
    let alone: Vec<Vec<u8>> = self::streams(&one).into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(alone, of_taker);
}

/// Type and payload of each packet of SoupBinTCP.
fn packets(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let (packet, rest) = bytes[2..].split_at(u16_at(bytes, 0).into());
        packets.push((packet[0], packet[1..].to_vec()));
        bytes = rest;
    }
    packets
}

/// Bytes of what a market maker hears, up to a message.
fn hear(conn: &mut OuchConn, said: &mut Vec<Vec<u8>>, is_last: impl Fn(&FromVenue) -> bool) {
    loop {
        let (number, message) = ouching::said(conn);
        assert_eq!(number, said.len() as u64 + 1);
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        said.push(bytes);
        if is_last(&message) {
            return;
        }
    }
}

/// Of OUCH what was said is there byte for byte, in the packets that it was said in; what was asked but for what was refused at
/// the border, of which nothing is kept but the answer.
#[test]
fn a_capture_and_a_print_have_a_market_maker_too() {
    let folder = Folder::new();
    let venue = ouching::start(&folder, &ouching::text(&folder, ""));
    let address = venue.ouch_addr().unwrap();
    let mut maker = ouching::log_in(address, "MAKER", 1);
    let mut other = ouching::log_in(address, "OTHER", 1);
    let mut hidden = ouching::order(3, b'S', 30, 10_020);
    hidden.options.post_only = Some(b'P');
    let (none, firm) = (Options::default(), *b"    ");
    let asked = vec![
        FromClient::Enter(ouching::order(1, b'T', 100, 10_010)),
        FromClient::Enter(ouching::order(2, b'S', 50, 10_020)),
        FromClient::Enter(hidden),
        ouching::replace(2, 4, 60, 10_015),
        ouching::cancel(4, 20),
        FromClient::Modify(Modify { user_ref_num: 1, side: b'E', quantity: 90, options: none }),
        ouching::cancel(3, 0),
    ];
    let refused = FromClient::Enter(ouching::order(5, b'S', 0, 10_020));
    let disable = DisableOrderEntry { user_ref_num: 6, firm, options: none };
    let enable = EnableOrderEntry { user_ref_num: 7, firm, options: none };
    let behind = [
        FromClient::AccountQuery(AccountQuery { options: none }),
        FromClient::DisableOrderEntry(disable),
        FromClient::EnableOrderEntry(enable),
        ouching::mass_cancel(8, ouching::ALL),
    ];
    let mut said = Vec::new();
    for message in asked.iter().chain([&refused]) {
        maker.send(message).unwrap();
    }
    hear(&mut maker, &mut said, |it| matches!(it, FromVenue::Rejected(_)));
    other.send(&FromClient::Enter(ouching::order(1, b'B', 95, 10_015))).unwrap();
    let traded = |it: &FromVenue| matches!(it, FromVenue::Executed(it) if it.quantity == 5);
    hear(&mut maker, &mut said, traded);
    maker.log_out().unwrap();
    let next = said.len() as u64 + 1;
    let mut maker = ouching::log_in(address, "MAKER", next);
    for message in &behind {
        maker.send(message).unwrap();
    }
    hear(&mut maker, &mut said, |it| matches!(it, FromVenue::MassCancelResponse(_)));
    venue.stop().unwrap();

    let journal = folder.path().join("journal");
    let (_, capture) = export(&journal, &folder, &["--format", "pcap", "--session", "MAKER"]);
    let streams = streams(&capture);
    let of = |is_ours: bool| {
        let of = streams.iter().filter(|((from, _), _)| (from.1 == 5020) == is_ours);
        of.map(|(_, bytes)| packets(bytes)).collect::<Vec<_>>()
    };
    let (ours, theirs) = (of(true), of(false));
    assert_eq!((ours.len(), theirs.len()), (2, 2), "two connections");
    let kinds: Vec<u8> = ours.concat().iter().map(|it| it.0).collect();
    let logins = ours.iter().map(|it| String::from_utf8_lossy(&it[0].1).trim().to_owned());
    let logins: Vec<String> = logins.collect();
    assert!(logins[0].ends_with(" 1") && logins[1].ends_with(&format!(" {next}")), "{logins:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == b'A').count(), 2);
    let told: Vec<Vec<u8>> =
        ours.concat().into_iter().filter(|it| it.0 == b'S').map(|it| it.1).collect();
    assert_eq!(told, said, "byte for byte");
    let messages = theirs.concat().into_iter().filter(|it| it.0 == b'U');
    let messages: Vec<FromClient> = messages.map(|it| FromClient::decode(&it.1).unwrap()).collect();
    assert_eq!(messages, [asked, behind.to_vec()].concat());
    let ends: Vec<u8> = theirs.iter().map(|it| it.last().unwrap().0).collect();
    assert_eq!((theirs[0][0].0, ends), (b'L', vec![b'O', b'U']));
    let file = folder.path().join("export");
    let fields = ["-Y", "soupbintcp", "-T", "fields", "-e", "soupbintcp.packet_type"];
    if let Some(types) = dissect(&file, &fields) {
        let seen = types.split(['\n', ',']).filter(|it| !it.is_empty()).count();
        assert_eq!(seen, ours.concat().len() + theirs.concat().len(), "{types}");
        assert_eq!(dissect(&file, &["-Y", FAULTS]).unwrap(), "");
    }

    let ended = run(&["journal", "print", journal.to_str().unwrap(), "--fix", "MAKER"]);
    ended.assert_good();
    for wanted in [
        "MAKER ← LoginAccepted session=",
        "~MAKER → Enter user_ref_num=1 side=T quantity=100 symbol=BTC-USD price=1001000 ",
        "post_only=P",
        " MAKER ← Executed sequence=",
        "~MAKER → MassCancel user_ref_num=8 firm= symbol=",
        "~MAKER → Logout",
    ] {
        assert!(ended.out.contains(wanted), "{wanted} is not in {}", ended.out);
    }
}

/// Half a file looks like a whole one: it is not there.
#[test]
fn what_cannot_be_written_to_its_end_is_not_there() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let messages = folder.write("messages.csv", "34200.1,1,13,300,5853300,1\n");
    let (dir, file) = (journal.to_str().unwrap(), messages.to_str().unwrap());
    let out = folder.path().join("out");
    let to = out.to_str().unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();
    for args in [
        &["export", dir, "--format", "csv", "--out", to][..],
        &["export", dir, "--format", "pcap", "--out", to],
        &["journal", "cut", dir, "--out", to],
        &["import", "--format", "lobster", file, "--out", to],
    ] {
        run_without_room(args).assert_says(1, &["cannot ", to, "File too large"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "{args:?}");
        // And what is there of somebody else stays.
        fs::write(&out, "theirs").unwrap();
        run(args).assert_says(2, &["is there already", to]);
        assert_eq!(fs::read(&out).unwrap(), b"theirs");
        fs::remove_file(&out).unwrap();
        run(args).assert_good();
        fs::remove_file(&out).or_else(|_| fs::remove_dir_all(&out)).unwrap();
    }
    run(&["export", dir, "--format", "csv", "--out", "-"]).assert_says(2, &["not to stdout"]);
    let nothing = ["export", dir, "--format", "csv", "--symbol", "NONE", "--out", to];
    run(&nothing).assert_says(2, &["NONE"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
}
