//! A venue whose old segments go: what its sessions and subscribers are told of what was in them, and that it
//! starts again.

use std::time::Duration;

use journal::{ReadError, Reader};
use venue::snapshots::{Keeper, RetentionConfig, SnapshotConfig};
use venue::{Config, RecoveryError, StartError, Venue};

use crate::folder::Folder;
use crate::loopback::{config, fields};
use crate::peer::{Peer, Subscriber, login_refused};

const TIME: &str = "20260101-00:00:00";

fn small(folder: &Folder) -> Config {
    let mut config = config(folder);
    config.segment_bytes = 64 << 10;
    config.snapshots.every_bytes = 0;
    config
}

/// Takes away what may go of the journal of a venue that has stopped, as its snapshot thread would; gives the
/// first segment that stays.
fn retire(config: &Config, retention: RetentionConfig) -> u64 {
    let opened = journal::open(&journal::Options {
        dir: config.journal_dir.clone(),
        live_dir: config.live_dir.clone().unwrap(),
        segment_bytes: config.segment_bytes,
        record_version: matcher::record::RECORD_VERSION,
        live_segments_kept: 0,
        written_ahead: false,
        first_sequence: 1,
    });
    let opened = opened.unwrap();
    let every_bytes = 1 << 30;
    let snapshots = SnapshotConfig { every_bytes, keep: 1 };
    let mut keeper = Keeper::new(
        &opened.log,
        (&opened.snapshots, snapshots),
        (opened.retirer, retention),
        config.fix.orders_per_session_max,
    );
    let made = keeper.make(|| true).unwrap().unwrap();
    made.retired.unwrap().unwrap().first
}

/// Orders that come and go, until there are segments enough.
fn trade(peer: &mut Peer, name: &str, count: u32) {
    for n in 0..count {
        let (id, cancel) = (format!("{name}{n}"), format!("{name}c{n}"));
        peer.order(&id, "1", "1", "50");
        let symbol = [(55, "BTC-USD"), (54, "1"), (60, TIME)];
        peer.send("F", &[&[(11, &*cancel), (41, &*id)][..], &symbol].concat());
        while peer.report().get(150) != "4" {}
    }
}

#[test]
fn a_venue_goes_on_without_its_old_segments() {
    for moved in [true, false] {
        goes_on(moved);
    }
}

fn goes_on(moved: bool) {
    let folder = Folder::new();
    let mut config = small(&folder);
    let archive = moved.then(|| folder.path().join("archive"));
    let venue = Venue::start(&config).unwrap();
    let (mut maker, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    // One that works on, one that is replaced and works on, and many that are done.
    maker.order("old", "2", "5", "100");
    maker.report();
    maker.order("named", "2", "5", "101");
    maker.report();
    let fields_of = |id, orig| {
        vec![
            (11, id),
            (41, orig),
            (55, "BTC-USD"),
            (54, "2"),
            (60, TIME),
            (38, "7"),
            (40, "2"),
            (44, "102"),
        ]
    };
    maker.send("G", &fields_of("renamed", "named"));
    assert_eq!(maker.report().get(150), "5");
    trade(&mut maker, "x", 900);
    let done = maker.log_out();
    venue.stop().unwrap();

    let retention =
        RetentionConfig { keep_bytes: 1, archive: archive.clone(), ..RetentionConfig::default() };
    let first = retire(&config, retention);
    assert!(first >= 3, "{first}");
    let reader = Reader::open(&config.journal_dir, None).unwrap();
    assert_eq!((reader.is_whole(), reader.first_segment()), (false, first));

    let venue = Venue::start(&config).unwrap();
    assert!(venue.from_snapshot().is_some());
    let soup = venue.soup_addr().unwrap();
    // The old orders trade; what is said of them has everything that they were entered with.
    let (mut taker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    taker.order("t1", "1", "3", "100");
    taker.order("t2", "1", "4", "102");
    while taker.report().get(11) != "t2" {}
    let (mut maker, answer) = Peer::log_on(venue.fix_addr(), "CLIENT1", done);
    maker.send("2", &[(7, "1"), (16, "0")]);
    let gap = maker.report();
    assert_eq!(fields(&gap, &[35, 34, 43, 123]), ["4", "1", "Y", "Y"], "{gap:?}");
    let oldest: u32 = gap.get(36).parse().unwrap();
    assert!(oldest > 100 && oldest < answer.seq(), "{gap:?}");
    let mut expected = oldest;
    let mut filled = Vec::new();
    while expected <= answer.seq() {
        let got = maker.report();
        assert_eq!(got.seq(), expected, "{got:?}");
        expected = if got.msg_type() == "4" { got.get(36).parse().unwrap() } else { expected + 1 };
        if got.get(150) == "F" {
            filled.push(got);
        }
    }
    let told = |at: usize| fields(&filled[at], &[11, 55, 54, 38, 44, 32, 14, 151]);
    assert_eq!(told(0), ["old", "BTC-USD", "2", "5.0000", "100.00", "3.0000", "3.0000", "2.0000"]);
    let two = filled.iter().position(|fill| fill.get(11) == "renamed").unwrap();
    assert_eq!(fields(&filled[two], &[38, 44]), ["7.0000", "102.00"]);

    // A name is used up for good, and a status of what is long over says so; said again it is filled over.
    maker.order("x7", "1", "1", "50");
    assert_eq!(fields(&maker.report(), &[150, 103]), ["8", "6"]);
    let status = |maker: &mut Peer, id: &str| {
        maker.send("H", &[(11, id), (55, "BTC-USD"), (54, "1")]);
        maker.report()
    };
    let old = status(&mut maker, "x7");
    assert_eq!(fields(&old, &[150, 39, 103, 11, 55]), ["I", "8", "5", "x7", "BTC-USD"]);
    assert!(old.get(58).contains("too long ago"), "{old:?}");
    assert_eq!(fields(&status(&mut maker, "old"), &[150, 39, 14]), ["I", "2", "5.0000"]);
    let number = old.seq().to_string();
    maker.send("2", &[(7, &number), (16, &number)]);
    let again = maker.report();
    assert_eq!(fields(&again, &[35, 34, 123]), ["4", &*number, "Y"], "{again:?}");

    // The feed has what is there, and says what is not.
    let why = login_refused(soup, 1);
    assert!(why.contains("message 1 is not kept any more, the first one is "), "{why}");
    let number: u64 = why.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(login_refused(soup, number - 1).contains("not kept"));
    let mut late = Subscriber::connect(soup, number);
    late.read_until(|got| got.messages.len() > 3);
    assert_eq!(late.messages[0].0, number);
    venue.stop().unwrap();

    // Once more, from one more snapshot.
    config.snapshots = SnapshotConfig { every_bytes: 1 << 14, keep: 1 };
    let venue = Venue::start(&config).unwrap();
    venue.stop().unwrap();
    headless(&config, archive.as_deref());
}

/// Every snapshot is damaged: a start says where the older segments are; with these back it starts.
fn headless(config: &Config, archive: Option<&std::path::Path>) {
    for file in std::fs::read_dir(&config.journal_dir).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|it| it == "snap") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[600] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let Err(StartError::Recovery(error @ RecoveryError::Headless(_))) = Venue::start(config) else {
        panic!("a venue without a beginning starts")
    };
    let why = error.to_string();
    assert!(why.contains("put the segments before it back"), "{why}");
    let Some(archive) = archive else {
        assert!(why.contains("removed"), "{why}");
        return;
    };
    assert!(why.contains(archive.to_str().unwrap()), "{why}");
    for file in std::fs::read_dir(archive).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, config.journal_dir.join(path.file_name().unwrap())).unwrap();
    }
    let venue = Venue::start(config).unwrap();
    assert!(venue.from_snapshot().is_none() && venue.log().is_whole());
    // What was long ago is known again.
    let (mut maker, answer) = Peer::log_on(venue.fix_addr(), "CLIENT1", 5_000);
    assert_eq!(answer.msg_type(), "A");
    assert_eq!(maker.report().msg_type(), "2", "it misses our numbers");
    maker.send("2", &[(7, "2"), (16, "2")]);
    assert_eq!(fields(&maker.report(), &[35, 43, 150, 11]), ["8", "Y", "0", "old"]);
    drop(maker);
    venue.stop().unwrap();
}

/// While it runs: the segments go by themselves, and a reader of another process is told.
#[test]
fn old_segments_go_while_a_venue_runs() {
    let folder = Folder::new();
    let mut config = small(&folder);
    config.snapshots = SnapshotConfig { every_bytes: 100 << 10, keep: 2 };
    config.retention = RetentionConfig {
        keep_bytes: 64 << 10,
        archive: Some(folder.path().join("archive")),
        ..RetentionConfig::default()
    };
    let venue = Venue::start(&config).unwrap();
    let mut reader = Reader::open(&config.journal_dir, config.live_dir.as_deref()).unwrap();
    reader.next().unwrap();
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    peer.order("first", "2", "1", "100");
    peer.report();
    // Whoever makes snapshots has the lowest priority: it is waited for. Some thousand orders are enough.
    let mut rounds = 0;
    while venue.log().first_segment() < 2 {
        trade(&mut peer, &format!("r{rounds}-"), 100);
        assert!(!venue.wait(Duration::from_millis(50)), "the venue failed");
        rounds += 1;
        assert!(rounds < 400, "nothing goes");
    }
    let told = loop {
        match reader.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the reader missed nothing"),
            Err(error) => break error,
        }
    };
    assert!(matches!(told, ReadError::Gone { .. }), "{told}");
    // The first order works still.
    let (mut taker, _) = Peer::log_on(venue.fix_addr(), "CLIENT2", 1);
    taker.order("t", "1", "1", "100");
    let fill = loop {
        let got = peer.report();
        if got.get(150) == "F" {
            break got;
        }
    };
    assert_eq!(fields(&fill, &[11, 38, 44, 39]), ["first", "1.0000", "100.00", "2"]);
    venue.stop().unwrap();
    let venue = Venue::start(&config).unwrap();
    assert!(venue.from_snapshot().is_some());
    venue.stop().unwrap();
}
