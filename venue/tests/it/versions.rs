//! The versions of FIX, and numbers that start again by the clock, over restarts.

use std::net::SocketAddr;

use gateway::fix::Version;
use gateway::zone::{Recurring, Zone};
use venue::snapshots::SnapshotConfig;
use venue::{Config, Venue, clock};

use crate::folder::Folder;
use crate::loopback::{config, fields};
use crate::peer::{Got, Peer};

fn start(config: &Config) -> Open {
    let venue = Venue::start(config).unwrap_or_else(|error| panic!("{error}"));
    Open { address: venue.fix_addr(), venue }
}

struct Open {
    address: SocketAddr,
    venue: Venue,
}

/// Sends a Logon of CLIENT1; gives the peer before it has read anything.
fn logon(
    address: SocketAddr,
    version: Version,
    next_out: u32,
    more: &[(u32, &'static str)],
) -> Peer {
    let mut peer = Peer::connect(address, "CLIENT1", next_out);
    peer.version = version;
    let mut fields = vec![(98, "0"), (108, "30")];
    if version == Version::Fix50Sp2 {
        fields.push((1137, "9"));
    }
    fields.extend(more);
    peer.send("A", &fields);
    peer
}

fn order(peer: &mut Peer, id: &str, side: &str) {
    let fields = [(11, id), (21, "1"), (55, "BTC-USD"), (54, side), (60, "20260101-00:00:00")];
    let mut fields = fields.to_vec();
    fields.extend([(38, "1"), (40, "2"), (44, "100"), (59, "1")]);
    peer.send("D", &fields);
}

/// Everything from number 1 to `last`, sent again: application messages by number.
fn said_again(peer: &mut Peer, last: u32) -> Vec<Got> {
    let mut said = Vec::new();
    let mut next = 1;
    while next <= last {
        let got = peer.report();
        assert_eq!((got.get(43), got.seq()), ("Y", next), "{got:?}");
        next = if got.msg_type() == "4" { got.get(36).parse().unwrap() } else { next + 1 };
        if got.msg_type() != "4" {
            said.push(got);
        }
    }
    said
}

#[test]
fn what_a_session_was_told_is_told_again_in_its_version_after_a_restart() {
    for version in Version::ALL {
        for every_bytes in [0, 4_096] {
            let folder = Folder::new();
            let snapshots = SnapshotConfig { every_bytes, keep: 2 };
            let config = Config { snapshots, ..config(&folder) };
            let Open { address, venue } = start(&config);
            let mut peer = logon(address, version, 1, &[]);
            let answer = peer.read();
            let default_version = if version == Version::Fix50Sp2 { "9" } else { "" };
            let wanted = ["A", version.begin_string(), default_version];
            assert_eq!(fields(&answer, &[35, 8, 1137]), wanted);
            order(&mut peer, "a", "1");
            order(&mut peer, "b", "2");
            peer.send("D", &[(11, "c")]);
            peer.send("S", &[(117, "q")]);
            // Taken, taken, two fills, a Reject and a BusinessMessageReject.
            let told: Vec<Got> = (0..6).map(|_| peer.report()).collect();
            let fill = if version == Version::Fix42 { ["2", "0"] } else { ["F", ""] };
            assert_eq!(fields(&told[3], &[150, 20]), fill, "{:?}", told[3]);
            let trade = told[3].get(527).to_owned() + told[3].get(880);
            assert_eq!(trade, if version == Version::Fix42 { "" } else { "1" });
            drop(peer);
            venue.stop().unwrap();

            let Open { address, venue } = start(&config);
            for other in Version::ALL.into_iter().filter(|other| *other != version) {
                assert_eq!(logon(address, other, 6, &[]).try_read(), None, "{other:?}");
            }
            let expects = if version == Version::Fix42 { vec![] } else { vec![(789, "1")] };
            let mut peer = logon(address, version, 6, &expects);
            let answer = peer.read();
            assert_eq!(answer.get(789), if expects.is_empty() { "" } else { "7" });
            if expects.is_empty() {
                peer.send("2", &[(7, "1"), (16, "0")]);
            }
            let again = said_again(&mut peer, 7);
            let body = |got: &Got| got.body();
            let bodies: Vec<_> = told.iter().map(body).collect();
            assert_eq!(again.iter().map(body).collect::<Vec<_>>(), bodies);
            peer.log_out();

            // With new numbers it may speak another version.
            let mut peer = logon(address, Version::Fix44, 1, &[(141, "Y")]);
            assert_eq!(fields(&peer.read(), &[35, 34, 141, 8]), ["A", "1", "Y", "FIX.4.4"]);
            peer.log_out();
            venue.stop().unwrap();
        }
    }
}

#[test]
fn numbers_whose_time_has_come_start_again_once_also_if_the_venue_was_down() {
    const DAY_NS: i64 = 86_400_000_000_000;
    for every_bytes in [0, 4_096] {
        let folder = Folder::new();
        let snapshots = SnapshotConfig { every_bytes, keep: 2 };
        let mut config = Config { snapshots, ..config(&folder) };
        let Open { address, venue } = start(&config);
        let (peer, _) = Peer::log_on(address, "CLIENT1", 1);
        assert_eq!(peer.log_out(), 3);
        venue.stop().unwrap();

        let first = clock::now().0.cast_signed();
        let resets = Recurring { first, every_ns: DAY_NS, zone: Zone::default() };
        config.sessions[0].resets = Some(resets);
        for next_out in [1, 3] {
            let Open { address, venue } = start(&config);
            let (peer, answer) = Peer::log_on(address, "CLIENT1", next_out);
            assert_eq!(answer.seq(), next_out);
            assert_eq!(peer.log_out(), next_out + 2);
            venue.stop().unwrap();
        }
    }
}
