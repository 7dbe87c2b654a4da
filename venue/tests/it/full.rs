//! A venue whose journal has no room: it still ends when it is told to.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use journal::Reader;
use venue::snapshots::SnapshotConfig;
use venue::{Config, Layout, Venue};

use crate::folder::Folder;
use crate::loopback::config;
use crate::peer::Peer;

/// Set in the process that sees a small file system: where it is.
const SMALL_ENV: &str = "VESTA_VENUE_TEST_SMALL";

/// Room for three segments of a MiB, and not for a fourth.
const SMALL_BYTES: u64 = 4 << 20;
const SEGMENTS_BYTES: u64 = 3 << 20;

/// No answer comes later than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// This test runs itself once more in a mount namespace of its own, with a small file system in it.
#[test]
fn a_venue_without_room_stops_in_every_layout() {
    if let Some(small) = std::env::var_os(SMALL_ENV) {
        for layout in [Layout::Joined, Layout::Split] {
            stop_without_room(&PathBuf::from(&small), layout);
        }
        return;
    }
    let folder = Folder::new();
    let mount = format!("mount -t tmpfs -o size={SMALL_BYTES} none \"$0\"");
    let namespace = |script: String| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(script).arg(folder.path());
        command
    };
    if !namespace(mount.clone()).stderr(Stdio::null()).status().is_ok_and(|it| it.success()) {
        println!("no mount namespace for this user: a full disk is not tested");
        return;
    }
    let status = namespace(format!("{mount} && exec \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::a_venue_without_room_stops_in_every_layout", "--nocapture"])
        .env(SMALL_ENV, folder.path())
        .stdout(Stdio::null())
        .status();
    let status = status.unwrap();
    assert!(status.success(), "{status}");
}

fn stop_without_room(small: &Path, layout: Layout) {
    let folder = Folder::new();
    let journal_dir = small.join("journal");
    let snapshots = SnapshotConfig { every_bytes: 0, keep: 1 };
    let config = Config { journal_dir, layout, snapshots, ..config(&folder) };
    let venue = Venue::start(&config).unwrap();
    let reader = Reader::open(&config.journal_dir, config.live_dir.as_deref()).unwrap();
    let committed = || reader.control().unwrap().committed.0;
    let (mut peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", 1);
    // While orders are taken.
    let (mut orders, mut are_taken) = (0, true);
    while are_taken {
        for order in orders..orders + 50 {
            peer.order(&format!("o{order}"), "1", "1", "50");
        }
        for _ in 0..50 {
            are_taken &= peer.report().get(150) == "0";
        }
        orders += 50;
    }
    // And then what takes them off, more of it than there is room for.
    let mut cancels = Vec::new();
    for order in 0..orders {
        let (id, cancel) = (format!("o{order}"), format!("c{order}"));
        let fields = [(11, &*cancel), (41, &*id), (55, "BTC-USD"), (54, "1")];
        cancels.extend(peer.encode("F", &[&fields[..], &[(60, "20260101-00:00:00")]].concat()));
    }
    peer.write(&cancels).unwrap();
    let until = Instant::now() + PATIENCE;
    while committed() < SEGMENTS_BYTES - (65 << 10) {
        assert!(Instant::now() < until, "{} of the journal", committed());
        std::thread::yield_now();
    }
    let (stopped, stops) = channel();
    std::thread::spawn(move || stopped.send(venue.stop()));
    match stops.recv_timeout(PATIENCE) {
        Ok(result) => result.unwrap(),
        Err(RecvTimeoutError::Timeout) => panic!("{layout:?}: it does not stop"),
        Err(error) => panic!("{error}"),
    }
    drop(reader);
    std::fs::remove_dir_all(&config.journal_dir).unwrap();
}
