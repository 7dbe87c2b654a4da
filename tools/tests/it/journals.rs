//! `vesta journal`, `vesta replay` and `vesta book` on a journal that holds a short day.

use std::fs;
use std::path::Path;

use crate::support::{Ended, Folder, make_journal, run, vesta};

fn segment(journal: &Path) -> std::path::PathBuf {
    let mut files: Vec<_> = fs::read_dir(journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| fs::metadata(path).unwrap().len() >= 1 << 20)
        .collect();
    files.sort();
    files.remove(0)
}

#[test]
fn a_good_journal_is_told_to_be_one() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();

    let ended = run(&["journal", "verify", dir, "--json"]);
    ended.assert_good();
    let verified = ended.json();
    assert_eq!((&verified["ok"], &verified["first_sequence"]), (&true.into(), &1.into()));

    let ended = run(&["replay", dir, "--verify", "--json"]);
    ended.assert_good();
    let replayed = ended.json();
    assert_eq!(replayed["ok"], true);
    assert_eq!(replayed["commands"], verified["turns"]);
    assert_eq!(replayed["last_sequence"], verified["last_sequence"]);

    let ended = run(&["journal", "stat", dir, "--json"]);
    ended.assert_good();
    let stat = ended.json();
    assert_eq!(stat["turns"], verified["turns"]);
    assert_eq!((&stat["inputs"]["new"], &stat["inputs"]["cancel"]), (&4.into(), &1.into()));
    assert_eq!((&stat["events"]["traded"], &stat["events"]["canceled"]), (&2.into(), &1.into()));
    assert!(ended.out.contains("MAKER TAKER") && ended.out.contains("BTC-USD"), "{}", ended.out);
}

#[test]
fn a_journal_is_printed_with_its_own_names() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let ended = run(&["journal", "print", dir]);
    ended.assert_good();
    for line in [
        "MAKER in#2 new 1 BTC-USD sell 1.5 @ 50000.00 gtc 11=a",
        "traded 1 BTC-USD 1.5 @ 50000.00  maker MAKER/1",
        "traded 2 BTC-USD 1.0 @ 50000.00  maker MAKER/2",
        "canceled MAKER/3",
    ] {
        assert!(ended.out.contains(line), "no {line:?} in\n{}", ended.out);
    }

    let taker = run(&["journal", "print", dir, "--session", "TAKER", "--symbol", "BTC-USD"]);
    taker.assert_good();
    assert!(taker.out.contains("TAKER in#2 new 1"), "{}", taker.out);
    assert!(!taker.out.contains("11=a"), "{}", taker.out);

    let json = run(&["journal", "print", dir, "--from", "2", "--to", "2", "--json"]);
    json.assert_good();
    for line in json.out.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["sequence"], 2);
    }
    assert_eq!(json.out.lines().count(), 2, "{}", json.out);

    run(&["journal", "print", dir, "--symbol", "NONE"]).assert_says(2, &["NONE"]);
    run(&["journal", "print", dir, "--session", "NOBODY"]).assert_says(2, &["NOBODY"]);
}

#[test]
fn a_book_is_shown_as_of_any_moment() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let book = |args: &[&str]| {
        let all = [&["book", dir, "--symbol", "BTC-USD", "--json", "--orders"], args].concat();
        let ended = run(&all);
        ended.assert_good();
        ended.json()
    };
    let end = book(&[]);
    assert_eq!(
        end["asks"],
        serde_json::json!([{ "price": "50000.00", "qty": "1.0", "orders": 1 }])
    );
    assert_eq!(end["bids"], serde_json::json!([]));
    assert_eq!(end["ask_orders"][0]["session"], "MAKER");
    assert_eq!(end["ask_orders"][0]["number"], 2);

    // Before anything traded all three orders stood there.
    let printed =
        run(&["journal", "print", dir, "--session", "TAKER", "--symbol", "BTC-USD", "--json"]);
    let taken: serde_json::Value =
        serde_json::from_str(printed.out.lines().next().unwrap()).unwrap();
    let before = (taken["sequence"].as_u64().unwrap() - 1).to_string();
    let full = book(&["--at", &before]);
    assert_eq!(
        full["asks"],
        serde_json::json!([{ "price": "50000.00", "qty": "3.5", "orders": 2 }])
    );
    assert_eq!(
        full["bids"],
        serde_json::json!([{ "price": "49999.99", "qty": "7.0", "orders": 1 }])
    );

    // The time of that turn, to the nanosecond, says the same.
    let at = full["time"].as_str().unwrap();
    assert_eq!(book(&["--at", at]), full);
    let of_day = at.split(['T', 'Z']).nth(1).unwrap();
    assert_eq!(book(&["--at", of_day])["sequence"], full["sequence"]);

    run(&["book", dir, "--symbol", "NONE"]).assert_says(2, &["NONE", "BTC-USD"]);
    run(&["book", dir, "--symbol", "BTC-USD", "--at", "noon"]).assert_says(2, &["noon"]);
    for early in ["0", "1970-01-02T00:00:00Z"] {
        let book = run(&["book", dir, "--symbol", "BTC-USD", "--at", early]);
        book.assert_says(2, &[early, "before the first turn", "sequence 1"]);
    }
}

#[test]
fn a_flipped_bit_is_named_with_its_place() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let file = segment(&journal);
    let good = fs::read(&file).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    let mut bad = good.clone();
    bad[used / 2] ^= 0x10;
    fs::write(&file, &bad).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    for args in [&["journal", "verify", dir, "--json"][..], &["replay", dir, "--verify", "--json"]]
    {
        let ended = run(args);
        ended.assert_says(1, &[name, "offset", "sequence"]);
        assert_eq!(ended.json()["ok"], false);
    }
    run(&["journal", "stat", dir]).assert_says(1, &[name, "offset", "sequence"]);
    fs::write(&file, &good).unwrap();
    run(&["journal", "verify", dir]).assert_good();
}

#[test]
fn a_torn_end_is_no_damage_and_is_told() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let file = segment(&journal);
    let mut bytes = fs::read(&file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[used] ^= 0xff;
    fs::write(&file, &bytes).unwrap();
    for args in [&["journal", "verify", dir, "--json"][..], &["replay", dir, "--verify", "--json"]]
    {
        let ended = run(args);
        ended.assert_good();
        assert!(ended.json()["torn_tail"].is_string(), "{}", ended.out);
    }
}

#[test]
fn a_journal_of_another_version_is_refused_in_a_line() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let file = segment(&journal);
    let mut bytes = fs::read(&file).unwrap();
    // FORMAT.md: the version stands behind the eight bytes of the magic.
    bytes[8..10].copy_from_slice(&99_u16.to_le_bytes());
    fs::write(&file, &bytes).unwrap();
    for args in [
        &["journal", "verify", dir][..],
        &["journal", "print", dir],
        &["replay", dir, "--verify"],
        &["book", dir, "--symbol", "BTC-USD"],
    ] {
        run(args).assert_says(1, &["version", "99"]);
    }
    let config = folder.path().join("vesta.toml");
    run(&["serve", "--config", config.to_str().unwrap()]).assert_says(1, &["version", "99"]);
}

#[test]
fn what_is_no_journal_is_named() {
    let folder = Folder::new();
    let empty = folder.path().to_str().unwrap();
    run(&["journal", "verify", empty]).assert_says(2, &["no journal", empty]);
    let absent = folder.path().join("absent");
    let absent = absent.to_str().unwrap();
    for args in [
        &["journal", "stat", absent][..],
        &["replay", absent, "--verify"],
        &["book", absent, "--symbol", "X"],
    ] {
        run(args).assert_says(2, &[absent]);
    }
}

/// What cannot be written is no success: whoever has the file would take it for whole.
#[test]
fn an_output_that_is_not_written_is_a_failure() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for args in [
        &["journal", "print", dir, "--json"][..],
        &["journal", "tail", dir],
        &["journal", "stat", dir],
        &["journal", "verify", dir, "--json"],
        &["book", dir, "--symbol", "BTC-USD"],
        &["explain", dir, "MAKER:1"],
        &["replay", dir, "--verify", "--json"],
        &["replay", dir, "--answers"],
    ] {
        let output = vesta().args(args).stdout(full()).output().unwrap();
        Ended::of(output).assert_says(1, &["cannot write the output", "No space left"]);
        // Whoever reads no more has what it wanted.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Ended::of(vesta().args(args).stdout(writer).output().unwrap());
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{args:?}");
    }
}

/// Snapshots all over a journal that stands, as a venue would have made them.
fn make_snapshots(folder: &Folder, journal: &Path) -> journal::Snapshots {
    let reader = journal::Reader::open(journal, None).unwrap();
    let options = journal::Options {
        dir: journal.to_path_buf(),
        live_dir: folder.path().join("live-again"),
        segment_bytes: reader.segment_bytes(),
        record_version: matcher::record::RECORD_VERSION,
        live_segments_kept: 1,
        written_ahead: false,
        first_sequence: 1,
    };
    let opened = journal::open(&options).unwrap();
    let config = venue::snapshots::SnapshotConfig { every_bytes: 400, keep: 100 };
    let retention = (opened.retirer.clone(), venue::snapshots::RetentionConfig::default());
    let mut keeper = venue::snapshots::Keeper::new(
        &opened.log,
        (&opened.snapshots, config),
        retention,
        1_000_000,
    );
    keeper.make(|| true).unwrap().unwrap();
    opened.snapshots.clone()
}

#[test]
fn with_snapshots_everything_is_as_without() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let books = || -> Vec<serde_json::Value> {
        let last = run(&["replay", dir, "--json"]).json()["last_sequence"].as_u64().unwrap();
        let book = |at: u64| {
            let at = at.to_string();
            run(&["book", dir, "--symbol", "BTC-USD", "--json", "--orders", "--at", &at]).json()
        };
        (4..=last).map(book).collect()
    };
    let without = books();
    let snapshots = make_snapshots(&folder, &journal);
    let made = snapshots.list().unwrap();
    assert!(made.len() >= 3, "{made:?}");
    assert_eq!(books(), without);

    let ended = run(&["replay", dir, "--verify", "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["states"], made.len());
    let ended = run(&["replay", dir, "--from-snapshot", "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["from_sequence"], *made.last().unwrap());

    // The newest is damaged in a part, the one before it in its head.
    let damage = |sequence: u64, at: usize| {
        let mut bytes = fs::read(snapshots.path(sequence)).unwrap();
        bytes[at] ^= 1;
        fs::write(snapshots.path(sequence), bytes).unwrap();
    };
    damage(made[made.len() - 1], 600);
    damage(made[made.len() - 2], 70);
    assert_eq!(books(), without);
    let ended = run(&["replay", dir, "--from-snapshot", "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["from_sequence"], made[made.len() - 3]);
    assert!(ended.out.contains("is damaged in part 1: passed over"), "{}", ended.out);
}
