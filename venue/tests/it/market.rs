//! The market over FIX through whole venues: what can be traded, in which state it is, over restarts.

use gateway::fix::Version;
use matcher::{Command, InstrumentId, Phase};
use venue::snapshots::SnapshotConfig;
use venue::{Config, Durability, Layout, Venue};

use crate::folder::Folder;
use crate::loopback::{config, fields};
use crate::peer::{Got, Peer};

fn start(config: &Config) -> Venue {
    Venue::start(config).unwrap_or_else(|error| panic!("{error}"))
}

fn set_phase(venue: &Venue, phase: Phase) {
    assert!(venue.submit(&Command::SetPhase { instrument: InstrumentId(0), phase }));
}

/// The next message as type and body.
fn said(got: &Got) -> String {
    let header = [8, 9, 10, 34, 35, 49, 52, 56];
    let body = got.0.iter().filter(|(tag, _)| !header.contains(tag));
    let body: Vec<String> = body.map(|(tag, value)| format!("{tag}={value}")).collect();
    format!("{}|{}", got.msg_type(), body.join("|"))
}

#[test]
fn states_are_told_in_every_layout_and_durability() {
    for layout in [Layout::Joined, Layout::Split] {
        for durability in [Durability::Memory, Durability::Disk] {
            let folder = Folder::new();
            let config = Config { layout, durability, ..config(&folder) };
            let venue = start(&config);
            let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
            peer.send("x", &[(320, "l"), (559, "4")]);
            let list = peer.report();
            assert_eq!(fields(&list, &[35, 320, 560, 393, 893]), ["y", "l", "0", "2", "Y"]);
            peer.send("e", &[(324, "s"), (263, "1"), (55, "BTC-USD")]);
            assert_eq!(fields(&peer.report(), &[35, 324, 326, 325]), ["f", "s", "17", ""]);
            set_phase(&venue, Phase::Halt);
            assert_eq!(fields(&peer.report(), &[35, 324, 326, 325]), ["f", "s", "2", "Y"]);
            peer.order("o", "1", "1", "100");
            assert_eq!(fields(&peer.report(), &[35, 39]), ["8", "8"], "it is halted");
            peer.log_out();
            venue.stop().unwrap();
        }
    }
}

/// The phase is that of the journal, whatever the snapshot; a subscription ends with its connection; what was told once
/// has numbers that are filled over; and what was asked before is not asked for again.
#[test]
fn after_a_restart_the_present_is_told_and_the_past_is_filled_over() {
    for every_bytes in [0, 1 << 12] {
        let folder = Folder::new();
        let snapshots = SnapshotConfig { every_bytes, keep: 2 };
        let config = Config { snapshots, ..config(&folder) };
        let venue = start(&config);
        let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        peer.send("e", &[(324, "s"), (263, "1"), (55, "BTC-USD")]);
        assert_eq!(peer.report().get(326), "17");
        peer.order("o", "1", "1", "100");
        let accepted = peer.report();
        set_phase(&venue, Phase::PreOpen);
        let told = peer.report();
        assert_eq!((told.get(326), told.seq()), ("21", 4));
        let next_out = peer.next_out;
        drop(peer);
        venue.stop().unwrap();

        let venue = start(&config);
        assert_eq!(venue.from_snapshot().is_some(), every_bytes > 0);
        let (mut peer, answer) = Peer::log_on(venue.fix_addr(), "CLIENT1", next_out);
        // The Logout at the end of the run may have come before the end of the connection was seen.
        assert!((5..=6).contains(&answer.seq()), "{answer:?}");
        let next = (answer.seq() + 1).to_string();
        // Were its requests not in the journal, a ResendRequest would come first.
        peer.send("2", &[(7, "1"), (16, "0")]);
        let filled = ["4|43=Y|122=", "8|43=Y|122=", "4|43=Y|122="];
        let again = [(); 3].map(|()| peer.report());
        for (got, begin) in again.iter().zip(filled) {
            assert!(said(got).starts_with(begin), "{got:?}");
        }
        assert_eq!(fields(&again[0], &[34, 36]), ["1", "3"]);
        assert_eq!(again[1].body(), accepted.body());
        assert_eq!(fields(&again[2], &[34, 36]), ["4", &next]);

        set_phase(&venue, Phase::Halt);
        peer.send("e", &[(324, "s"), (263, "1"), (55, "BTC-USD")]);
        assert_eq!(fields(&peer.report(), &[35, 326, 325]), ["f", "2", ""]);
        peer.log_out();
        venue.stop().unwrap();
    }
}

#[test]
fn every_version_is_told_in_its_words() {
    let folder = Folder::new();
    let venue = start(&config(&folder));
    for version in Version::ALL {
        let mut peer = Peer::connect(venue.fix_addr(), "CLIENT1", 1);
        peer.version = version;
        let mut logon = vec![(98, "0"), (108, "30"), (141, "Y")];
        logon.extend((version == Version::Fix50Sp2).then_some((1137, "9")));
        peer.send("A", &logon);
        assert_eq!(peer.read().msg_type(), "A");
        peer.send("c", &[(320, "d"), (321, "3")]);
        let definitions = [peer.report(), peer.report()];
        let symbols = definitions.each_ref().map(|got| got.get(55));
        assert_eq!(symbols, ["BTC-USD", "ETH-USD"]);
        let said = match version {
            Version::Fix42 => ["4", "2", ""],
            Version::Fix44 => ["1", "", ""],
            Version::Fix50Sp2 => ["4", "", "0.01"],
        };
        assert_eq!(fields(&definitions[0], &[323, 393, 969]), said, "{:?}", definitions[0]);
        peer.send("g", &[(335, "t"), (263, "0")]);
        let said = if version == Version::Fix42 { "2" } else { "23" };
        let got = peer.report();
        assert_eq!(got.get(340).to_owned() + got.get(625), said, "{got:?}");
        peer.log_out();
    }
    venue.stop().unwrap();
}

fn config_with_market_data(folder: &Folder) -> Config {
    let mut config = config(folder);
    config.sessions[0].rights.market_data = true;
    config
}

const SUBSCRIBE: [(u32, &str); 10] = [
    (262, "m"),
    (263, "1"),
    (264, "5"),
    (265, "1"),
    (267, "3"),
    (269, "0"),
    (269, "1"),
    (269, "2"),
    (146, "1"),
    (55, "BTC-USD"),
];

fn subscribe(peer: &mut Peer) -> Got {
    peer.send("V", &SUBSCRIBE);
    peer.report()
}

#[test]
fn market_data_comes_in_every_layout_and_durability() {
    for layout in [Layout::Joined, Layout::Split] {
        for durability in [Durability::Memory, Durability::Disk] {
            let folder = Folder::new();
            let config = Config { layout, durability, ..config_with_market_data(&folder) };
            let venue = start(&config);
            let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
            assert_eq!(said(&subscribe(&mut peer)), "W|262=m|55=BTC-USD|268=0");
            let (mut maker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
            maker.order("o", "2", "3", "100");
            assert_eq!(maker.report().get(39), "0");
            let level = "269=1|55=BTC-USD|270=100.00|271=3.0000|346=1";
            assert_eq!(said(&peer.report()), format!("X|262=m|268=1|279=0|{level}"));
            maker.order("p", "1", "1", "100");
            let trade = peer.report();
            assert_eq!(
                fields(&trade, &[35, 268, 279, 269, 278, 271]),
                ["X", "2", "0", "2", "1", "1.0000"]
            );
            // Without the permission there is none.
            while maker.report().get(39) != "2" {}
            maker.send("V", &SUBSCRIBE);
            let refused = maker.report();
            assert_eq!(fields(&refused, &[35, 262, 281]), ["Y", "m", "3"]);
            maker.log_out();
            peer.log_out();
            venue.stop().unwrap();
        }
    }
}

/// Books are those of the journal, whatever the snapshot; what was told is filled over.
#[test]
fn after_a_restart_market_data_is_that_of_the_journal() {
    for every_bytes in [0, 1 << 12] {
        let folder = Folder::new();
        let snapshots = SnapshotConfig { every_bytes, keep: 2 };
        let config = Config { snapshots, ..config_with_market_data(&folder) };
        let venue = start(&config);
        let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
        for (id, price) in [("a", "99"), ("b", "98"), ("c", "99")] {
            peer.order(id, "1", "2", price);
            assert_eq!(peer.report().get(39), "0");
        }
        let bids =
            "268=2|269=0|270=99.00|271=4.0000|290=1|346=2|269=0|270=98.00|271=2.0000|290=2|346=1";
        let shown = format!("W|262=m|55=BTC-USD|{bids}");
        let told = subscribe(&mut peer);
        assert_eq!((said(&told), told.seq()), (shown.clone(), 5));
        let next_out = peer.next_out;
        drop(peer);
        venue.stop().unwrap();

        let venue = start(&config);
        let (mut peer, answer) = Peer::log_on(venue.fix_addr(), "CLIENT1", next_out);
        peer.send("2", &[(7, "5"), (16, "0")]);
        let next = (answer.seq() + 1).to_string();
        assert_eq!(fields(&peer.report(), &[35, 34, 123, 36]), ["4", "5", "Y", &next]);
        assert_eq!(said(&subscribe(&mut peer)), shown);
        peer.log_out();
        venue.stop().unwrap();
    }
}
