//! A whole venue over loopback: few tests, each a promise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use journal::{Reader, Snapshots};
use matcher::{Command, InstrumentId, Phase};
use venue::replay::{Nobody, Replay};
use venue::snapshots::SnapshotConfig;
use venue::{Config, Durability, Layout, StartError, Venue, Wait};

use crate::folder::Folder;
use crate::peer::{Got, Peer, Subscriber};

/// The sample configuration on free ports in a folder of its own, with small segments.
pub(crate) fn config(folder: &Folder) -> Config {
    let mut config = Config::parse("sample", venue::config::SAMPLE).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    config.journal_dir = folder.path().join("journal");
    config.live_dir = Some(folder.path().join("live"));
    config.segment_bytes = 1 << 20;
    config.durability = Durability::Memory;
    config.layout = Layout::Joined;
    config.fix.listen = any;
    config.soup.as_mut().unwrap().listen = any;
    config.limits.orders_max = 100_000;
    config.limits.levels_max = 10_000;
    config.fix.orders_per_session_max = 100_000;
    config
}

/// The same with a snapshot at a clean end if so many bytes are given.
pub(crate) fn config_with(folder: &Folder, every_bytes: u64) -> Config {
    Config { snapshots: SnapshotConfig { every_bytes, keep: 2 }, ..config(folder) }
}

pub(crate) fn start(config: &Config) -> Venue {
    Venue::start(config).unwrap_or_else(|error| panic!("{error}"))
}

/// Replays the journal on disk of a venue that has stopped.
pub(crate) fn replays(config: &Config) -> u64 {
    let mut reader = Reader::open(&config.journal_dir, None).unwrap();
    let mut replay = Replay::new();
    while let Some(frame) = reader.next().unwrap() {
        replay.frame(&frame, &mut Nobody).unwrap();
    }
    replay.turns()
}

/// The snapshots of a venue that has stopped.
pub(crate) fn snapshots(config: &Config) -> Snapshots {
    let reader = Reader::open(&config.journal_dir, None).unwrap();
    Snapshots::to_read(&config.journal_dir, reader.log_id())
}

fn damage_newest_snapshot(config: &Config) {
    let snapshots = snapshots(config);
    let newest = snapshots.path(*snapshots.list().unwrap().last().unwrap());
    let mut bytes = std::fs::read(&newest).unwrap();
    *bytes.last_mut().unwrap() ^= 0x10;
    std::fs::write(&newest, bytes).unwrap();
}

pub(crate) fn fields<'a>(got: &'a Got, tags: &[u32]) -> Vec<&'a str> {
    tags.iter().map(|tag| got.get(*tag)).collect()
}

#[test]
fn an_order_walks_through_and_trades_in_every_layout_and_durability() {
    for layout in [Layout::Joined, Layout::Split] {
        for durability in [Durability::Memory, Durability::Disk] {
            for wait in [Wait::Park, Wait::Yield] {
                let folder = Folder::new();
                let config = Config { layout, durability, wait, ..config(&folder) };
                let venue = start(&config);
                let (mut maker, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
                let (mut taker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
                maker.order("m1", "1", "2", "100.50");
                let accepted = maker.report();
                assert_eq!(fields(&accepted, &[150, 39, 11, 151]), ["0", "0", "m1", "2.0000"]);
                taker.order("t1", "2", "0.5", "100.40");
                assert_eq!(fields(&taker.report(), &[150, 11]), ["0", "t1"]);
                let tags = [150, 39, 11, 31, 32, 14, 151, 6, 851];
                let (made, took) = (maker.report(), taker.report());
                let traded =
                    ["F", "1", "m1", "100.50", "0.5000", "0.5000", "1.5000", "100.50", "1"];
                assert_eq!(fields(&made, &tags), traded);
                let traded =
                    ["F", "2", "t1", "100.50", "0.5000", "0.5000", "0.0000", "100.50", "2"];
                assert_eq!(fields(&took, &tags), traded);
                assert_eq!((made.get(527), took.get(527)), ("1", "1"), "the trade has one id");

                let mut subscriber = Subscriber::connect(venue.soup_addr().unwrap(), 1);
                subscriber.read_until(|got| got.kinds().contains('E'));
                assert_eq!(subscriber.kinds(), "SRHRHAE");
                let top = subscriber.mirror().best(1);
                assert_eq!(top.bid.map(|bid| (bid.price, bid.shares)), Some((1_005_000, 15_000)));

                maker.log_out();
                taker.log_out();
                venue.stop().unwrap();
                assert!(!config.live_dir.as_ref().unwrap().exists(), "all of it is on disk");
                assert!(replays(&config) >= 8);
            }
        }
    }
}

#[test]
fn after_a_restart_a_session_goes_on_and_gets_what_it_missed_under_the_old_numbers() {
    for (every_bytes, damaged) in [(0, false), (1 << 14, false), (1 << 14, true)] {
        a_session_goes_on(every_bytes, damaged);
    }
}

fn a_session_goes_on(every_bytes: u64, damaged: bool) {
    let folder = Folder::new();
    let config = config_with(&folder, every_bytes);
    let venue = start(&config);
    let (mut maker, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    maker.order("m1", "1", "3", "100");
    let accepted = maker.report();
    assert_eq!(accepted.seq(), 2);
    let next_out = maker.next_out;
    drop(maker);

    // While it is away its order trades twice.
    let (mut taker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    for id in ["t1", "t2"] {
        taker.order(id, "2", "1", "100");
        assert_eq!(taker.report().get(150), "0");
        assert_eq!(taker.report().get(150), "F");
    }
    taker.log_out();
    venue.stop().unwrap();
    if damaged {
        damage_newest_snapshot(&config);
    }

    let venue = start(&config);
    assert_eq!(venue.from_snapshot().is_some(), every_bytes > 0 && !damaged);
    let (mut maker, answer) = Peer::log_on(venue.fix_addr(), "CLIENT1", next_out);
    assert_eq!(answer.seq(), 5, "two fills took 3 and 4");
    maker.send("2", &[(7, "2"), (16, "0")]);
    let again = [maker.read(), maker.read(), maker.read(), maker.read()];
    assert_eq!(again[0].body(), accepted.body(), "a resend says the same");
    assert_eq!(again[0].get(122), accepted.get(52));
    for (got, cum) in again[1..3].iter().zip(["1.0000", "2.0000"]) {
        assert_eq!(fields(got, &[43, 150, 11, 14]), ["Y", "F", "m1", cum]);
    }
    assert_eq!([again[1].seq(), again[2].seq()], [3, 4]);
    assert_eq!(fields(&again[3], &[35, 123, 36]), ["4", "Y", "6"], "the Logon is filled over");

    // The order is known under its id, and a number used before the restart is too low after it.
    maker.send(
        "F",
        &[(11, "c1"), (41, "m1"), (55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00")],
    );
    let canceled = maker.report();
    assert_eq!(fields(&canceled, &[150, 11, 41, 14, 151]), ["4", "c1", "m1", "2.0000", "0.0000"]);
    maker.next_out = 2;
    maker.send("0", &[]);
    let refused = maker.report();
    assert_eq!(refused.msg_type(), "5");
    assert!(refused.get(58).contains("too low"), "{refused:?}");
    venue.stop().unwrap();
    replays(&config);
}

#[test]
fn a_duplicate_client_id_is_found_after_a_restart_and_a_done_order_is_still_known() {
    for every_bytes in [0, 1 << 14] {
        a_duplicate_is_found(every_bytes);
    }
}

fn a_duplicate_is_found(every_bytes: u64) {
    let folder = Folder::new();
    let config = config_with(&folder, every_bytes);
    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    peer.order("one", "1", "1", "50");
    peer.report();
    peer.send(
        "F",
        &[(11, "c1"), (41, "one"), (55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00")],
    );
    assert_eq!(peer.report().get(150), "4");
    let next_out = peer.log_out();
    venue.stop().unwrap();

    let venue = start(&config);
    assert_eq!(venue.from_snapshot().is_some(), every_bytes > 0);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", next_out);
    peer.order("one", "1", "1", "50");
    let refused = peer.report();
    assert_eq!(fields(&refused, &[150, 39, 103]), ["8", "8", "6"]);
    peer.send("H", &[(11, "one"), (55, "BTC-USD"), (54, "1")]);
    assert_eq!(fields(&peer.report(), &[150, 39, 151]), ["I", "4", "0.0000"]);
    venue.stop().unwrap();
}

/// A stop and an iceberg that rest over a restart: triggered, filled and reported as if there had been none.
#[test]
fn special_orders_work_over_fix_and_over_a_restart() {
    for every_bytes in [0, 1 << 14] {
        let folder = Folder::new();
        let config = config_with(&folder, every_bytes);
        let venue = start(&config);
        let (mut stop, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        let order = |id, side, qty, more: &[(u32, &'static str)]| {
            let fields =
                [(11, id), (55, "BTC-USD"), (54, side), (60, "20260101-00:00:00"), (38, qty)];
            [&fields[..], &[(59, "1")], more].concat()
        };
        stop.send("D", &order("stop", "1", "3", &[(40, "4"), (44, "102"), (99, "101")]));
        assert_eq!(fields(&stop.report(), &[150, 40, 44, 99]), ["0", "4", "102.00", "101.00"]);
        let (mut ice, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
        ice.send("D", &order("ice", "2", "10", &[(40, "2"), (44, "101"), (111, "2")]));
        assert_eq!(fields(&ice.report(), &[150, 111]), ["0", "2.0000"]);
        let (stop_out, ice_out) = (stop.log_out(), ice.log_out());
        venue.stop().unwrap();

        let venue = start(&config);
        assert_eq!(venue.from_snapshot().is_some(), every_bytes > 0);
        let (mut stop, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", stop_out);
        let (mut ice, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", ice_out);
        stop.send("D", &order("trade", "1", "1", &[(40, "1")]));
        let told: Vec<_> = (0..5).map(|_| stop.report()).collect();
        let told: Vec<_> = told.iter().map(|it| fields(it, &[11, 150, 14])).collect();
        let wanted = [
            ["trade", "0", "0.0000"],
            ["trade", "F", "1.0000"],
            ["stop", "D", "0.0000"],
            ["stop", "F", "1.0000"],
            ["stop", "F", "3.0000"],
        ];
        assert_eq!(told, wanted);
        for cum in ["1.0000", "2.0000", "4.0000"] {
            let report = ice.report();
            assert_eq!(
                fields(&report, &[11, 150, 111, 38, 14]),
                ["ice", "F", "2.0000", "10.0000", cum]
            );
        }
        venue.stop().unwrap();
        replays(&config);
    }
}

#[test]
fn garbage_and_a_peer_that_never_reads_do_not_hurt_others() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.fix.out_buffer_bytes = 64 << 10;
    config.fix.slow_peer_s = 1;
    let venue = start(&config);
    let (mut good, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);

    let mut garbage = Peer::connect(venue.fix_addr(), "NOBODY", 1);
    let noise: Vec<u8> =
        (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let _ = garbage.write(&noise);
    let mut endless = Peer::connect(venue.fix_addr(), "NOBODY", 1);
    let _ = endless.write(b"8=FIX.4.4\x019=99999999\x0135=D\x01");
    let _ = endless.write(&[b'1'; 100_000]);

    // It asks and asks, and never reads an answer: it is cut, and the write fails.
    let (mut deaf, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    let started = Instant::now();
    let mut cut = false;
    while !cut && started.elapsed() < Duration::from_secs(30) {
        let burst: Vec<u8> =
            (0..200).flat_map(|_| deaf.encode("1", &[(112, "are you there")])).collect();
        cut = deaf.write(&burst).is_err();
    }
    assert!(cut, "a peer that never reads is cut");
    good.order("g1", "1", "1", "10");
    assert_eq!(fields(&good.report(), &[150, 11]), ["0", "g1"]);
    assert_eq!(garbage.try_read(), None);
    assert_eq!(endless.try_read(), None);
    good.log_out();
    venue.stop().unwrap();
    replays(&config);
}

#[test]
fn messages_in_pieces_and_in_one_piece_are_the_same() {
    let folder = Folder::new();
    let config = config(&folder);
    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    let order =
        [(55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00"), (38, "1"), (40, "2"), (44, "9")];
    let mut bytes = Vec::new();
    for id in ["a", "b", "c"] {
        let mut fields = vec![(11, id)];
        fields.extend(order);
        bytes.extend(peer.encode("D", &fields));
    }
    peer.write(&bytes).unwrap();
    let mut fields_of = vec![(11, "d")];
    fields_of.extend(order);
    for byte in peer.encode("D", &fields_of) {
        peer.write(&[byte]).unwrap();
    }
    for id in ["a", "b", "c", "d"] {
        assert_eq!(fields(&peer.report(), &[150, 11]), ["0", id]);
    }
    venue.stop().unwrap();
}

#[test]
fn orders_of_a_lost_connection_are_canceled_where_that_is_asked_for() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.sessions[0].cancel.on_disconnect = true;
    let venue = start(&config);
    let (mut keeps, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    keeps.order("k", "1", "1", "20");
    keeps.report();
    let (mut loses, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    for id in ["x", "y"] {
        loses.order(id, "1", "1", "21");
        loses.report();
    }
    let mut subscriber = Subscriber::connect(venue.soup_addr().unwrap(), 1);
    subscriber.read_until(|got| got.kinds().ends_with("AAA"));
    drop(loses);
    subscriber.read_until(|got| got.kinds().ends_with("DD"));
    let top = subscriber.mirror().best(1);
    assert_eq!(top.bid.map(|bid| bid.price), Some(200_000));

    let (mut loses, answer) = Peer::log_on(venue.fix_addr(), "CLIENT1", 4);
    loses.send("2", &[(7, "4"), (16, (answer.seq() - 1).to_string().as_str())]);
    for id in ["x", "y"] {
        assert_eq!(fields(&loses.read(), &[43, 150, 11]), ["Y", "4", id]);
    }
    venue.stop().unwrap();
}

#[test]
fn a_new_connection_keeps_its_orders_while_those_of_the_last_one_go() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.sessions[0].cancel.on_disconnect = true;
    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    for round in 0..50 {
        let next_out = peer.next_out;
        drop(peer);
        // The Logon and an order behind it, before the venue may have seen the old connection end.
        peer = Peer::connect(venue.fix_addr(), "CLIENT1", next_out);
        let id = format!("r{round}");
        let mut bytes = peer.encode("A", &[(98, "0"), (108, "30")]);
        let order = [(11, id.as_str()), (55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00")];
        let mut order = order.to_vec();
        order.extend([(38, "1"), (40, "2"), (44, "9"), (59, "1")]);
        bytes.extend(peer.encode("D", &order));
        peer.write(&bytes).unwrap();
        let mut answer = peer.try_read();
        if answer.is_none() {
            // The old connection was still there: refused in silence, as a second Logon is.
            peer = Peer::connect(venue.fix_addr(), "CLIENT1", next_out);
            peer.next_out += 2;
            while answer.is_none() {
                peer = Peer::connect(venue.fix_addr(), "CLIENT1", next_out);
                peer.write(&bytes).unwrap();
                peer.next_out += 2;
                answer = peer.try_read();
            }
        }
        assert_eq!(answer.unwrap().msg_type(), "A");
        let accepted = peer.report();
        assert_eq!(fields(&accepted, &[150, 11]), ["0", id.as_str()]);
        peer.send("H", &[(11, &id), (55, "BTC-USD"), (54, "1")]);
        assert_eq!(fields(&peer.report(), &[150, 39, 11]), ["I", "0", id.as_str()]);
    }
    venue.stop().unwrap();

    // A restart is a disconnect too.
    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", peer.next_out);
    peer.send("H", &[(11, "r49"), (55, "BTC-USD"), (54, "1")]);
    assert_eq!(fields(&peer.report(), &[150, 39]), ["I", "4"]);
    venue.stop().unwrap();
    replays(&config);
}

#[test]
fn more_reports_than_the_buffer_holds_reach_a_reader_whole_and_in_order() {
    const ORDERS: u32 = 3_000;
    let folder = Folder::new();
    let mut config = config(&folder);
    config.fix.out_buffer_bytes = 16 << 10;
    let venue = start(&config);
    let (mut maker, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    let (mut taker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    let mut expected = 1;
    for n in 0..ORDERS {
        maker.order(&format!("o{n}"), "1", "1", "10");
        let got = maker.report();
        expected += 1;
        assert_eq!((got.seq(), got.get(150)), (expected, "0"));
    }
    // One order sweeps a third of them, a mass cancel takes the rest; nobody is cut.
    taker.order("sweep", "2", "1000", "10");
    let mut fills = 0;
    let mut last = 2;
    assert_eq!(taker.report().get(150), "0");
    while fills < 1_000 {
        let got = taker.report();
        last += 1;
        assert_eq!((got.seq(), got.get(150), got.get(43)), (last, "F", ""));
        fills += 1;
    }
    maker.send("q", &[(11, "all"), (530, "7"), (60, "20260101-00:00:00")]);
    let mut kinds = BTreeMap::new();
    loop {
        let got = maker.report();
        expected += 1;
        assert_eq!((got.seq(), got.get(43)), (expected, ""));
        *kinds.entry(got.get(150).to_owned()).or_insert(0) += 1;
        if got.msg_type() == "r" {
            assert_eq!(got.get(533), "2000");
            break;
        }
    }
    assert_eq!((kinds["F"], kinds["4"]), (1_000, 2_000));

    // All of it again, a large turn included.
    maker.send("2", &[(7, "2"), (16, "0")]);
    for seq in 2..=expected {
        let got = maker.report();
        assert_eq!((got.seq(), got.get(43)), (seq, "Y"), "{got:?}");
    }
    venue.stop().unwrap();
    replays(&config);
}

#[test]
fn the_operator_halts_and_the_day_ends() {
    let folder = Folder::new();
    let config = config(&folder);
    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    let day = [(11, "day"), (55, "ETH-USD"), (54, "2"), (60, "20260101-00:00:00"), (38, "1")];
    let mut day = day.to_vec();
    day.extend([(40, "2"), (44, "7"), (59, "0")]);
    peer.send("D", &day);
    assert_eq!(peer.report().get(150), "0");
    peer.order("gtc", "2", "1", "7");
    assert_eq!(peer.report().get(150), "0");
    assert!(venue.submit(&Command::ExpireDay));
    assert_eq!(fields(&peer.report(), &[150, 39, 11]), ["C", "C", "day"]);
    let halt = Command::SetPhase { instrument: InstrumentId(0), phase: Phase::Halt };
    assert!(venue.submit(&halt));
    let mut subscriber = Subscriber::connect(venue.soup_addr().unwrap(), 1);
    subscriber.read_until(|got| got.kinds().ends_with('H') && got.messages.len() > 8);
    peer.order("no", "2", "1", "7");
    let refused = peer.report();
    assert_eq!(fields(&refused, &[150, 11]), ["8", "no"]);
    assert!(refused.get(58).contains("halted"), "{refused:?}");
    venue.stop().unwrap();
    replays(&config);
}

#[test]
fn the_feed_is_the_same_from_any_number_and_after_a_restart() {
    for every_bytes in [0, 1 << 20] {
        the_feed_is_the_same(every_bytes);
    }
}

fn the_feed_is_the_same(every_bytes: u64) {
    let folder = Folder::new();
    let config = config_with(&folder, every_bytes);
    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    for n in 0..700u32 {
        let (id, price) = (format!("o{n}"), format!("{}.{:02}", 100 + n % 7, n % 100));
        peer.order(&id, if n % 2 == 0 { "1" } else { "2" }, "1", &price);
    }
    let mut live = Subscriber::connect(venue.soup_addr().unwrap(), 1);
    for _ in 0..700 {
        while peer.report().get(150) != "0" {}
    }
    venue.stop().unwrap();
    live.read_until(|_| false);
    assert!(live.ended && live.messages.len() > 700);

    let venue = start(&config);
    assert_eq!(venue.from_snapshot().is_some(), every_bytes > 0);
    let total = u64::try_from(live.messages.len()).unwrap();
    let sent: BTreeMap<u64, Vec<u8>> = live.messages.iter().cloned().collect();
    for from in [1, 2, 255, 256, 257, 258, 600, total] {
        let mut late = Subscriber::connect(venue.soup_addr().unwrap(), from);
        late.read_until(|got| got.messages.last().is_some_and(|(last, _)| *last == total));
        let expected: Vec<_> = sent.range(from..).map(|(n, m)| (*n, m.clone())).collect();
        assert!(late.messages == expected, "from {from}");
    }
    let book = live.mirror();
    assert!(book.best(1).bid.is_some());
    venue.stop().unwrap();
}

#[test]
fn what_cannot_start_says_why_and_harms_nothing() {
    let folder = Folder::new();
    let config = config(&folder);
    let venue = start(&config);

    let second = Venue::start(&config).err().unwrap().to_string();
    assert!(second.contains("journal"), "{second}");
    let elsewhere = Folder::new();
    let mut other = self::config(&elsewhere);
    other.fix.listen = venue.fix_addr();
    let in_use = Venue::start(&other).err().unwrap();
    assert!(matches!(in_use, StartError::Listen { what: "FIX", .. }), "{in_use}");
    assert!(in_use.to_string().contains(&venue.fix_addr().to_string()), "{in_use}");
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    peer.order("a", "1", "1", "10");
    assert_eq!(peer.report().get(150), "0");
    let next_out = peer.log_out();
    venue.stop().unwrap();

    let mut changed = config.clone();
    changed.sessions.swap(0, 1);
    let error = Venue::start(&changed).err().unwrap().to_string();
    assert!(error.contains("CLIENT1") && error.contains("CLIENT2"), "{error}");
    let mut changed = config.clone();
    changed.instruments[0].tick_size = 2;
    let error = Venue::start(&changed).err().unwrap().to_string();
    assert!(error.contains("BTC-USD"), "{error}");
    let mut fewer = config.clone();
    fewer.instruments.pop();
    let error = Venue::start(&fewer).err().unwrap().to_string();
    assert!(error.contains("ETH-USD"), "{error}");

    let venue = start(&config);
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", next_out);
    peer.send("H", &[(11, "a"), (55, "BTC-USD"), (54, "1")]);
    assert_eq!(fields(&peer.report(), &[150, 39]), ["I", "0"]);
    venue.stop().unwrap();
}
