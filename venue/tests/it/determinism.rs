//! The same Inputs give the same state: on every layout, with every way to wait, in every build.

use std::path::Path;

use matcher::testing::flow::{Profile, record};
use matcher::testing::mix::{self, Mix};
use matcher::{Engine, Event, Input, Timestamp};
use venue::snapshots::SnapshotConfig;
use venue::{Clock, Config, Durability, Layout, Venue, Wait};

use crate::folder::Folder;
use crate::loopback::{config, replays, snapshots};
use crate::peer::Peer;

/// 2026-01-05 10:00:00 UTC.
const NOW_NS: u64 = 1_767_607_200_000_000_000;

/// Compares states with those of `tests/states`; `UPDATE_GOLDEN=1` writes them there.
///
/// They are the same in a debug and in a release build, and on every machine. A change of the market's rules, of a
/// flow or of a snapshot's bytes changes them; how the venue is built or put on threads must not.
fn compare(file: &str, found: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/states").join(file);
    let found = found.join("\n") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, found).unwrap();
    } else {
        assert_eq!(found, std::fs::read_to_string(path).unwrap());
    }
}

/// Two sessions in turn, one waiting for the other: the order of the Inputs is given.
fn conversation(config: &Config) -> String {
    let venue = Venue::start_by(config, Clock::set_at(Timestamp(NOW_NS))).unwrap();
    let (mut maker, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    let (mut taker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    for n in 0..60_u32 {
        let price = format!("{}.{:02}", 100 + n % 5, n * 7 % 100);
        maker.order(&format!("m{n}"), if n % 3 == 0 { "2" } else { "1" }, "2", &price);
        while maker.report().get(11) != format!("m{n}") {}
        taker.order(&format!("t{n}"), if n % 2 == 0 { "2" } else { "1" }, "1", &price);
        while taker.report().get(11) != format!("t{n}") {}
        if n % 10 == 9 {
            let (id, old) = (format!("c{n}"), format!("m{}", n - 1));
            let fields = [(11, &id[..]), (41, &old[..]), (55, "BTC-USD"), (54, "1")];
            maker.send("F", &[&fields[..], &[(60, "20260105-10:00:00")]].concat());
            while maker.report().get(11) != id {}
        }
    }
    maker.log_out();
    taker.log_out();
    venue.stop().unwrap();
    replays(config);
    let snapshots = snapshots(config);
    let head = snapshots.head(*snapshots.list().unwrap().last().unwrap()).unwrap();
    format!("sequence {}, state {:016x}", head.sequence, head.state_hash)
}

#[test]
fn a_conversation_ends_in_the_same_state_however_the_venue_is_put_on_threads() {
    let ways = [
        (Layout::Joined, Wait::Park, Durability::Memory),
        (Layout::Joined, Wait::Yield, Durability::Disk),
        (Layout::Split, Wait::Park, Durability::Disk),
        (Layout::Split, Wait::Yield, Durability::Memory),
        (Layout::Split, Wait::Spin, Durability::Memory),
    ];
    let states = ways.map(|(layout, wait, durability)| {
        let folder = Folder::new();
        let snapshots = SnapshotConfig { every_bytes: 1 << 20, keep: 2 };
        conversation(&Config { layout, wait, durability, snapshots, ..config(&folder) })
    });
    assert!(states.iter().all(|state| *state == states[0]), "{ways:?} came to {states:#?}");
    compare("conversation.txt", &states[..1]);
}

#[test]
fn flows_end_in_the_same_state_in_every_build() {
    let state = |name: &str, inputs: &[Input]| {
        let (mut engine, mut events) = (Engine::new(), Vec::<Event>::new());
        for input in inputs {
            engine.apply(input, &mut events);
            events.clear();
        }
        format!("{name}, state {:016x}", engine.state_hash())
    };
    let mut found = vec![
        state("standard", &record(Profile::standard(), 1, 5_000)),
        state("hostile", &record(Profile::hostile(), 1, 5_000)),
    ];
    let mixed = |mix: Mix| state(mix.name, &mix::record(mix.clone(), 1, 5_000));
    found.extend(Mix::all().into_iter().map(mixed));
    found.sort_unstable();
    compare("flows.txt", &found);
}
