//! A journal whose first segments have gone, as each tool that reads journals sees it; and the tool that moves them.

use std::fs;
use std::path::{Path, PathBuf};

use journal::{Opened, Prepared, Snapshots, Synced};
use matcher::testing::flow::{Profile, record};
use matcher::{Command, Engine, Sequence, Timestamp};
use venue::ring::ring;
use venue::snapshots::{Keeper, RetentionConfig, SnapshotConfig};
use venue::{Core, Turned};

use crate::python;
use crate::support::{Folder, Running, config_text, run, small_segments, vesta};

/// A journal of many small segments, with three snapshots in its second half.
fn long_journal(folder: &Folder) -> (PathBuf, Snapshots) {
    let opened = journal::open(&small_segments(folder)).unwrap();
    let Opened { writer, mut syncer, mut preparer, log, snapshots, retirer, .. } = opened;
    let (mut requests, taken) = ring(1 << 12);
    let mut core = Core::new(Engine::new(), writer, vec![taken], (Sequence(0), Timestamp(0)));
    let mut keeper = None;
    for (n, input) in record(Profile::standard(), 5, 4_000).iter().enumerate() {
        let mut attachment = match input.command {
            Command::DefineSession { id, .. } => format!("TRADER{id}\0FIRM").into_bytes(),
            _ => {
                let name = format!("N{n}");
                [&[11, 0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat()
            }
        };
        attachment.truncate(192);
        assert!(requests.push(input.session, input.inbound, &input.command, &attachment));
        while core.turns(64) != Turned::Idle {}
        while preparer.step().unwrap() == Prepared::Made {}
        while matches!(syncer.step().unwrap(), Synced::Advanced(_)) {}
        if n > 2_000 && n % 700 == 0 {
            let config = SnapshotConfig { every_bytes: 1 << 40, keep: 9 };
            let retention = (retirer.clone(), RetentionConfig::default());
            let keeper: &mut Keeper =
                keeper.insert(Keeper::new(&log, (&snapshots, config), retention, 1_000_000));
            keeper.make(|| true).unwrap().unwrap();
        }
    }
    fs::remove_dir_all(folder.path().join("live")).unwrap();
    (folder.path().join("journal"), snapshots)
}

fn first_file(dir: &Path) -> String {
    let names = fs::read_dir(dir).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".seg")).min().unwrap()
}

#[test]
fn every_tool_says_where_a_journal_begins_and_goes_on_from_there() {
    let folder = Folder::new();
    let (journal, snapshots) = long_journal(&folder);
    let (dir, live) = (journal.to_str().unwrap(), folder.path().join("live"));
    let archive = folder.path().join("old");
    let (to, live) = (archive.to_str().unwrap(), live.to_str().unwrap());
    let whole = folder.path().join("whole");
    fs::create_dir(&whole).unwrap();
    for file in fs::read_dir(&journal).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, whole.join(path.file_name().unwrap())).unwrap();
    }
    let of_whole = run(&["journal", "stat", whole.to_str().unwrap(), "--json"]).json();
    let all = snapshots.list().unwrap();
    let oldest = all[0];

    // Nothing goes that is not before what was asked for, or that a snapshot needs.
    let command = ["journal", "archive", dir, "--live-dir", live, "--to", to, "--json"];
    let with = |more: &[&str]| run(&[&command[..], more].concat());
    let ended = with(&["--keep", "1000"]);
    ended.assert_good();
    assert_eq!(ended.json()["segments"], 0);
    assert!(ended.out.contains("the oldest snapshot, of sequence"), "{}", ended.out);
    let ended = with(&["--before", "700"]);
    ended.assert_good();
    let moved = ended.json();
    let first_sequence = moved["first_sequence"].as_u64().unwrap();
    assert!(first_sequence <= 700 && moved["segments"].as_u64() > Some(0), "{moved}");
    let ended = with(&["--keep", "1"]);
    ended.assert_good();
    let moved = ended.json();
    let first = moved["first_segment"].as_u64().unwrap();
    assert!(moved["first_sequence"].as_u64().unwrap() <= oldest, "{moved}");
    assert_eq!(first_file(&journal), format!("{first:016}.seg"));
    assert!(!Path::new(live).exists(), "the live log is left behind");
    with(&["--before", "yesterday"]).assert_says(2, &["--before"]);

    let begins = format!("begins with segment {first}: the older ones were moved to {to}");
    let ended = run(&["journal", "verify", dir, "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["first_segment"], first);
    assert!(ended.out.contains(&begins), "{}", ended.out);
    if let Some(ended) = python::read(&journal, &[]) {
        ended.assert_good();
        let last = format!("last {}", of_whole["last_sequence"]);
        assert_eq!(ended.out.lines().last(), Some(&*last));
    }
    let ended = run(&["journal", "stat", dir, "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["first_sequence"], moved["first_sequence"]);
    assert_eq!(ended.json()["last_sequence"], of_whole["last_sequence"]);
    assert!(ended.out.contains(&begins) && ended.out.contains("TRADER1"), "{}", ended.out);

    // Names are those that were defined in what has gone.
    let from = moved["first_sequence"].to_string();
    let ended = run(&["journal", "print", dir, "--from", &from]);
    ended.assert_good();
    assert!(ended.out.contains("TRADER1"), "no name in it");
    let again = run(&["journal", "print", whole.to_str().unwrap(), "--from", &from]);
    assert_eq!(ended.out, again.out);
    // Lines are for programs: where it begins is on stderr.
    assert!(ended.err.contains(&begins), "{}", ended.err);
    assert_eq!(again.err, "");
    let ended = run(&["journal", "tail", dir]);
    ended.assert_good();
    assert!(ended.err.contains(&begins), "{}", ended.err);

    let ended = run(&["replay", dir, "--verify", "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["from_sequence"], oldest);
    assert_eq!(ended.json()["last_sequence"], of_whole["last_sequence"]);
    assert!(ended.out.contains("From the oldest snapshot on"), "{}", ended.out);

    let stat: serde_json::Value = of_whole;
    let symbol = run(&["journal", "print", dir, "--kind", "traded"]).out;
    let symbol = symbol.split("traded ").nth(1).unwrap().split(' ').nth(1).unwrap().to_owned();
    let book = |dir: &str, at: u64| {
        let at = at.to_string();
        run(&["book", dir, "--symbol", &symbol, "--orders", "--at", &at, "--json"])
    };
    let last = stat["last_sequence"].as_u64().unwrap();
    for at in [oldest, oldest + 300, last] {
        assert_eq!(book(dir, at).json(), book(whole.to_str().unwrap(), at).json());
    }
    book(dir, oldest - 1).assert_says(2, &["before the oldest good snapshot", &begins]);
    run(&["explain", dir, "60"]).assert_says(2, &["is not in the journal any more", &begins]);
    run(&["diff", dir, "--replay"]).assert_says(1, &["This needs it from turn 1 on", &begins]);
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    run(&["export", dir, "--format", "pcap", "--out", out]).assert_says(1, &["from turn 1 on"]);
    let ended = run(&["export", dir, "--format", "csv", "--out", out]);
    ended.assert_good();
    assert!(ended.err.contains(&begins), "{}", ended.err);

    // A hole is still one, and put together it is all there.
    let hole = journal.join(format!("{:016}.seg", first + 1));
    let aside = folder.path().join("aside");
    fs::rename(&hole, &aside).unwrap();
    run(&["journal", "verify", dir])
        .assert_says(1, &[&format!("{:016}.seg is missing", first + 1)]);
    if let Some(ended) = python::read(&journal, &[]) {
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert!(ended.err.contains("not the segment that comes here"), "{}", ended.err);
    }
    fs::rename(&aside, &hole).unwrap();
    for file in fs::read_dir(&archive).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, journal.join(path.file_name().unwrap())).unwrap();
    }
    if let Some(ended) = python::read(&journal, &[]) {
        ended.assert_good();
        assert_eq!(Some(ended.out), python::read(&whole, &[]).map(|whole| whole.out));
    }
    let ended = run(&["diff", dir, whole.to_str().unwrap()]);
    ended.assert_good();
    let ended = run(&["replay", dir, "--verify", "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["from_sequence"], 0);
}

#[test]
fn a_journal_that_is_in_use_or_has_no_good_snapshot_is_left_alone() {
    let folder = Folder::new();
    let (journal, snapshots) = long_journal(&folder);
    let (dir, live) = (journal.to_str().unwrap(), folder.path().join("live"));
    let (to, live) = (folder.path().join("old"), live.to_str().unwrap());
    let args = [
        "journal",
        "archive",
        dir,
        "--live-dir",
        live,
        "--to",
        to.to_str().unwrap(),
        "--keep",
        "1",
    ];
    let before = fs::read_dir(&journal).unwrap().count();
    let opened = journal::open(&small_segments(&folder)).unwrap();
    run(&args).assert_says(1, &["is in use", "keep_mib"]);
    drop(opened);
    let all = snapshots.list().unwrap();
    let path = snapshots.path(all[0]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[600] ^= 1;
    fs::write(&path, bytes).unwrap();
    run(&args).assert_says(1, &["is damaged in part 1: they wait for newer ones"]);
    assert_eq!(first_file(&journal), format!("{:016}.seg", 0));
    // All but a snapshot of now, and what the open made ahead.
    assert!(fs::read_dir(&journal).unwrap().count() <= before + 3);
}

/// Turns a bit of a part of a snapshot that only a start reads: what each session has of its orders.
/// A copy of the journal of a venue that runs names that venue's live log: it is not taken away from it.
#[test]
fn the_live_log_of_another_venue_is_not_taken() {
    let folder = Folder::new();
    let config = folder.write("vesta.toml", &config_text(&folder, &["A"]));
    let mut venue = Running::start(vesta().args(["serve", "--config"]).arg(&config));
    venue.line("fix");
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(folder.path().join("journal")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let (live, old) = (folder.path().join("live"), folder.path().join("old"));
    let files = || {
        let names = fs::read_dir(&live).unwrap().map(|it| it.unwrap().file_name());
        names.filter(|name| name == "control").count()
    };
    let (copy, live_dir) = (copy.to_str().unwrap(), live.to_str().unwrap());
    for tool in [
        &["journal", "archive", copy, "--live-dir", live_dir, "--keep", "1", "--to"][..],
        &["journal", "index", copy, "--live-dir", live_dir],
    ] {
        let to = if tool.contains(&"--to") { &[old.to_str().unwrap()][..] } else { &[] };
        run(&[tool, to].concat()).assert_says(1, &[live_dir, "in use"]);
        assert_eq!(files(), 1, "{tool:?}");
    }
    assert!(!old.exists());
    venue.signal("-TERM");
    venue.end().assert_good();
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    // The table of parts in the head: kind, checksum, offset, length.
    let entry = (136..508).step_by(24).find(|at| bytes[*at] == 3).unwrap();
    assert!(u64_at(entry + 16) > 0);
    let at = usize::try_from(u64_at(entry + 8)).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_journal_without_its_beginning_and_a_snapshot_is_not_well() {
    let folder = Folder::new();
    let (journal, snapshots) = long_journal(&folder);
    let (dir, live) = (journal.to_str().unwrap(), folder.path().join("live"));
    let (to, live) = (folder.path().join("old"), live.to_str().unwrap());
    let whole = folder.path().join("whole");
    fs::create_dir(&whole).unwrap();
    for file in fs::read_dir(&journal).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, whole.join(path.file_name().unwrap())).unwrap();
    }
    let archive = ["journal", "archive", dir, "--live-dir", live, "--keep", "1", "--to"];
    run(&[&archive[..], &[to.to_str().unwrap()]].concat()).assert_good();
    let all = snapshots.list().unwrap();
    let (last, others) = all.split_last().unwrap();
    let verify = || run(&["journal", "verify", dir, "--json"]);
    let ended = verify();
    ended.assert_good();
    assert_eq!(ended.json()["snapshots"], all.len());

    // One is enough, and of the others it is told.
    others.iter().for_each(|sequence| damage(&snapshots.path(*sequence)));
    let ended = verify();
    ended.assert_good();
    assert_eq!(ended.json()["snapshots"], 1);
    assert_eq!(ended.json()["bad_snapshots"].as_array().unwrap().len(), others.len());
    assert!(ended.out.contains("is damaged in part 3: passed over"), "{}", ended.out);
    run(&["replay", dir, "--verify"]).assert_good();

    damage(&snapshots.path(*last));
    let words = ["there is no good snapshot", "is damaged in part 3"];
    let ended = verify();
    ended.assert_says(1, &words);
    assert_eq!(ended.json()["ok"], false);
    run(&["replay", dir, "--verify"]).assert_says(1, &words);
    run(&["replay", dir, "--verify", "--from-snapshot"]).assert_says(1, &words);

    // A whole one needs none.
    let of_whole = Snapshots::to_read(&whole, 0);
    of_whole.list().unwrap().iter().for_each(|sequence| damage(&of_whole.path(*sequence)));
    let ended = run(&["journal", "verify", whole.to_str().unwrap(), "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["snapshots"], 0);
}
