//! `vesta journal print`, `tail` and `cut`: what is shown, followed and copied.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::support::{Folder, MAKER, Market, Running, TAKER, make_journal, run, vesta};

/// Sequences of the turns that `print` shows, from its JSON.
fn shown(dir: &str, filter: &[&str]) -> Vec<(u64, String)> {
    let ended = run(&[&["journal", "print", dir, "--json"], filter].concat());
    ended.assert_good();
    let record = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = value["fields"]["Kind"].as_str().unwrap().to_owned();
        (value["sequence"].as_u64().unwrap(), kind)
    };
    ended.out.lines().map(record).collect()
}

fn kinds(dir: &str, filter: &[&str]) -> Vec<String> {
    shown(dir, filter).into_iter().map(|(_, kind)| kind).collect()
}

#[test]
fn a_filter_shows_what_it_asks_for() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();

    // One order: entered, traded with, and nothing of the others.
    let life = ["new", "accepted", "rested", "new", "accepted", "traded", "traded"];
    assert_eq!(kinds(dir, &["--order", "MAKER:1"]), life);
    assert_eq!(kinds(dir, &["--cl-ord-id", "a", "--session", "MAKER"]), life);
    let entered = shown(dir, &["--order", "MAKER:1"])[0].0;
    assert_eq!(kinds(dir, &["--order", &entered.to_string()]), life);
    let gone = ["new", "accepted", "rested", "cancel", "canceled"];
    assert_eq!(kinds(dir, &["--order", "MAKER:3"]), gone);

    // Kinds are of records, and the turn of an Event is told with it.
    assert_eq!(kinds(dir, &["--kind", "traded"]), ["traded", "traded"]);
    assert_eq!(kinds(dir, &["--kind", "cancel,canceled"]), ["cancel", "canceled"]);
    let traded = run(&["journal", "print", dir, "--kind", "traded"]);
    let taken = shown(dir, &["--kind", "traded"])[0].0;
    assert!(traded.out.trim_start().starts_with(&taken.to_string()), "{}", traded.out);

    // The time of a turn, from and to, is that turn alone.
    let line = run(&["journal", "print", dir, "--kind", "canceled", "--json"]);
    let canceled: serde_json::Value = serde_json::from_str(line.out.trim()).unwrap();
    let at = canceled["time"].as_str().unwrap();
    assert_eq!(kinds(dir, &["--from", at, "--to", at]), ["cancel", "canceled"]);
    assert_eq!(canceled["fields"]["CanceledQty"], "7.0");
    assert_eq!(canceled["fields"]["CompID"], "MAKER");
    assert_eq!(canceled["fields"]["Symbol"], "BTC-USD");

    run(&["journal", "print", dir, "--kind", "trade"]).assert_says(2, &["trade", "traded"]);
    run(&["journal", "print", dir, "--order", "x"]).assert_says(2, &["COMPID:NUMBER"]);
    run(&["journal", "print", dir, "--from", "noon"]).assert_says(2, &["--from", "noon"]);
}

/// A replace renames an order; the filter goes on under the new name.
#[test]
fn an_order_is_followed_through_its_replaces() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    market.order(MAKER, "a", b'2', "1.5", "50000.00");
    market.order(MAKER, "b", b'2', "1.5", "50000.00");
    market.replace((MAKER, "c", "a"), (b'2', "2.0", "50001.00"));
    market.cancel_side(MAKER, "d", "c", b'2');
    let journal = market.close(&folder);
    let dir = journal.to_str().unwrap();
    let life = ["new", "accepted", "rested", "replace", "replaced", "rested", "cancel", "canceled"];
    assert_eq!(kinds(dir, &["--order", "MAKER:1"]), life);
    assert_eq!(kinds(dir, &["--cl-ord-id", "c", "--session", "MAKER"]), life[3..]);
}

/// Nothing shown would look like an order to which nothing happened.
#[test]
fn an_order_that_is_not_there_is_told() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    for (filter, word) in [
        (&["--order", "CLIENT9:3"][..], "order CLIENT9:3"),
        (&["--order", "MAKER:999"], "order MAKER:999"),
        (&["--cl-ord-id", "zzz"], "order with ClOrdID zzz"),
    ] {
        let ended = run(&[&["journal", "print", dir], filter].concat());
        ended.assert_says(2, &["the journal has no request of an ", word]);
        assert_eq!(ended.out, "");
    }
    // Behind the end of the range it may be.
    run(&["journal", "print", dir, "--order", "MAKER:1", "--to", "1"]).assert_good();
}

#[test]
fn fields_have_the_names_of_fix() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let ended = run(&["journal", "print", dir, "--fix", "--order", "MAKER:1"]);
    ended.assert_good();
    for words in [
        "Kind=new CompID=MAKER MsgSeqNum=2 OrderNumber=1 ClOrdID=a Symbol=BTC-USD Side=sell \
         OrdType=limit TimeInForce=gtc OrderQty=1.5 Price=50000.00",
        "LastQty=1.5 LastPx=50000.00",
        "ContraCompID=MAKER",
    ] {
        assert!(ended.out.contains(words), "no {words:?} in\n{}", ended.out);
    }
}

#[test]
fn colours_are_only_where_they_are_seen() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let colored = |color: &[&str]| {
        let ended = run(&[&["journal", "print", dir], color].concat());
        ended.assert_good();
        ended.out.contains('\x1b')
    };
    assert!(!colored(&[]), "a pipe is no terminal");
    assert!(!colored(&["--color", "never"]));
    assert!(colored(&["--color", "always"]));
}

#[test]
fn the_end_of_a_journal_is_shown() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let all = run(&["journal", "print", dir]).out;
    for (turns, filter) in [("1000", &[][..]), ("2", &["--kind", "new"]), ("0", &[])] {
        let ended = run(&[&["journal", "tail", dir, "-n", turns], filter].concat());
        ended.assert_good();
        match (turns, filter) {
            ("1000", _) => assert_eq!(ended.out, all),
            ("2", _) => assert_eq!(ended.out.lines().count(), 2, "{}", ended.out),
            _ => assert_eq!(ended.out, ""),
        }
    }
    let ended = run(&["journal", "tail", "-f", dir, "-n", "1"]);
    ended.assert_says(0, &["no venue has the journal open"]);
}

/// While a venue in another process appends, every line comes once, whole and in order, and when it
/// stops that is said.
#[test]
fn a_running_venue_is_followed_to_its_end() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    let (journal, live) = (folder.path().join("journal"), folder.path().join("live"));
    let dir = journal.to_str().unwrap();
    let live = ["--live-dir", live.to_str().unwrap()];
    let tail = |turns: &str, live: &[&str]| {
        let args = [&["journal", "tail", "-f", dir, "-n", turns], live].concat();
        Running::start(vesta().args(args))
    };
    let mut followed = tail("1000000", &live);
    let mut line = followed.line("");
    let mut printed = vec![line.clone()];
    for n in 0..300 {
        let id = n.to_string();
        market.order(MAKER, &format!("s{id}"), b'2', "1.0", "50000.00");
        market.order(TAKER, &format!("b{id}"), b'1', "1.0", "50000.00");
    }
    // Up to the last trade: the follower keeps up while the venue still runs.
    while !line.contains("traded 300 ") {
        line = followed.line("");
        printed.push(line.clone());
    }
    // Where its live log is the journal says as well.
    let mut interrupted = tail("1", &[]);
    assert!(!interrupted.line("").is_empty());
    interrupted.signal("-INT");
    assert_eq!(interrupted.end().code, Some(0));

    market.close(&folder);
    let ended = followed.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("is gone"), "{}", ended.err);
    printed.extend(ended.out.lines().map(str::to_owned));
    let all = run(&["journal", "print", dir]).out;
    assert_eq!(printed, all.lines().collect::<Vec<_>>());
}

/// A process with the number of a venue that is gone is no venue.
#[test]
fn a_live_log_that_was_left_is_not_followed_for_ever() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    market.order(MAKER, "a", b'2', "1.0", "50000.00");
    // What this process writes, as it were after a crash: the number in it is that of a process that runs.
    for name in ["journal", "live"] {
        let to = folder.path().join(format!("{name}-left"));
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(folder.path().join(name)).unwrap() {
            let path = file.unwrap().path();
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (left, live) = (at("journal-left"), at("live-left"));
    let ended = run(&["journal", "stat", &left, "--live-dir", &live]);
    ended.assert_good();
    let pid = std::process::id();
    assert!(ended.out.contains(&format!("venue      process {pid} is gone, ")), "{}", ended.out);
    run(&["journal", "tail", "-f", &left, "--live-dir", &live]).assert_says(0, &["is gone"]);
    let ended = run(&["journal", "stat", &at("journal"), "--live-dir", &at("live")]);
    assert!(ended.out.contains(&format!("venue      process {pid}, ")), "{}", ended.out);
    market.close(&folder);
}

#[test]
fn both_copies_of_a_running_journal_are_verified() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    market.order(MAKER, "a", b'2', "1.5", "50000.00");
    let (journal, live) = (folder.path().join("journal"), folder.path().join("live"));
    let (dir, live) = (journal.to_str().unwrap(), live.to_str().unwrap());
    let verify = || run(&["journal", "verify", dir, "--live-dir", live, "--json"]);
    // The syncer is behind for a moment: what it has not written yet is no second copy.
    let mut sound = verify();
    while sound.json()["copies"] == 0 {
        sound.assert_good();
        sound = verify();
    }
    sound.assert_good();
    // Until all is synced a block may be written again, and be good again.
    let reader = journal::Reader::open(&journal, Some(Path::new(live))).unwrap();
    while reader.control().is_none_or(|control| control.durable < control.committed) {
        std::thread::yield_now();
    }
    // The first turn: synced before anybody could log on.
    let disk = journal.join("0000000000000000.seg");
    let file = OpenOptions::new().write(true).open(&disk).unwrap();
    let at = 64 + 26;
    let good = fs::read(&disk).unwrap()[at];
    file.write_all_at(&[good ^ 4], at as u64).unwrap();
    verify()
        .assert_says(1, &[disk.to_str().unwrap(), "offset 64", "the other copy", live, "is good"]);
    file.write_all_at(&[good], at as u64).unwrap();
    market.close(&folder);
}

#[test]
fn a_part_from_the_first_turn_is_a_journal() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let last = shown(dir, &["--kind", "traded"])[0].0;
    let part = folder.path().join("part");
    let out = part.to_str().unwrap();
    let ended = run(&["journal", "cut", dir, "--to", &last.to_string(), "--out", out, "--json"]);
    ended.assert_good();
    assert_eq!((&ended.json()["turns"], &ended.json()["replays"]), (&last.into(), &true.into()));
    run(&["journal", "verify", out]).assert_good();
    run(&["replay", out, "--verify"]).assert_good();
    let text = |dir: &str| run(&["journal", "print", dir, "--to", &last.to_string()]).out;
    assert_eq!(text(out), text(dir));
    let book = |dir: &str, at: &[&str]| {
        run(&[&["book", dir, "--symbol", "BTC-USD", "--json"], at].concat()).json()
    };
    assert_eq!(book(out, &[]), book(dir, &["--at", &last.to_string()]));
    run(&["journal", "cut", dir, "--out", out]).assert_says(2, &[out]);
}

#[test]
fn a_part_from_later_on_is_read_and_not_replayed() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let first = shown(dir, &["--kind", "traded"])[0].0;
    let part = folder.path().join("part");
    let out = part.to_str().unwrap();
    let ended = run(&["journal", "cut", dir, "--from", &first.to_string(), "--out", out, "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["replays"], false);
    assert!(ended.out.contains("cannot be replayed"), "{}", ended.out);
    run(&["journal", "verify", out]).assert_good();
    assert_eq!(shown(out, &[]), shown(dir, &["--from", &first.to_string()]));
    for args in [&["replay", out, "--verify"][..], &["book", out, "--symbol", "BTC-USD"]] {
        run(args).assert_says(1, &["begins with sequence", "not replayed"]);
    }
    // What is not defined in it goes by its number, and not by the name of the venue.
    let text = run(&["journal", "print", out]).out;
    let input = text.lines().next().unwrap();
    assert!(input.contains(" session 2 in#") && !text.contains("VENUE in#"), "{text}");
    let of_one = shown(out, &["--session", "session 2"]);
    assert_eq!(of_one.first().map(|line| line.0), Some(first));
    run(&["journal", "print", out, "--session", "session 9"]).assert_says(2, &["session 9"]);
    let csv = folder.path().join("part.csv");
    run(&["export", out, "--format", "csv", "--out", csv.to_str().unwrap()]).assert_good();
    let csv = fs::read_to_string(csv).unwrap();
    assert!(csv.contains(",session 1,") && !csv.contains("VENUE"), "{csv}");
    let none = folder.path().join("none");
    let none = none.to_str().unwrap();
    run(&["journal", "cut", dir, "--from", "100000", "--out", none]).assert_says(2, &["no turn"]);
    assert!(!folder.path().join("none").exists());
}

/// The turns of `journal` in `out`, a second apart from 2026-01-02T09:30:00Z on; those from sequence `later` on two
/// days later.
fn retimed(journal: &Path, out: &Path, later: u64) {
    const BEGIN_S: u64 = 1_767_346_200;
    const TWO_DAYS_S: u64 = 2 * 86_400;
    let mut reader = journal::Reader::open(journal, None).unwrap();
    let (bytes, version) = (reader.segment_bytes(), reader.record_version());
    let mut part = journal::Part::create(out, bytes, version).unwrap();
    while let Some(frame) = reader.next().unwrap() {
        let mut payload = frame.payload.to_vec();
        if frame.first {
            let days_s = if frame.sequence < later { 0 } else { TWO_DAYS_S };
            let time = (BEGIN_S + days_s + frame.sequence) * 1_000_000_000;
            payload[8..16].copy_from_slice(&time.to_le_bytes());
        }
        part.append(&journal::Frame { payload: &payload, ..frame }).unwrap();
    }
    part.end().unwrap();
}

#[test]
fn a_time_without_a_date_is_told_with_its_day_where_there_are_more() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let later = shown(journal.to_str().unwrap(), &["--kind", "traded"])[0].0;
    let (days, day) = (folder.path().join("days"), folder.path().join("day"));
    retimed(&journal, &days, later);
    retimed(&journal, &day, u64::MAX);
    let (days, day, out) =
        (days.to_str().unwrap(), day.to_str().unwrap(), folder.path().join("out"));
    let out = out.to_str().unwrap();
    let book = ["book", days, "--symbol", "BTC-USD", "--at"];
    for (args, option) in [
        (&["journal", "print", days, "--from", "09:30:00.5"][..], "--from 09:30:00.5"),
        (&["journal", "tail", days, "--to", "09:30:00.5"], "--to 09:30:00.5"),
        (&["journal", "cut", days, "--to", "09:31:00", "--out", out], "--to 09:31:00"),
        (&[&book[..], &["09:31:00"]].concat(), "--at 09:31:00"),
    ] {
        let ended = run(args);
        ended.assert_good();
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert!(ended.err.contains(&format!("{option} is 2026-01-02T")), "{}", ended.err);
        assert!(ended.err.contains("goes on to 2026-01-04T09:30:"), "{}", ended.err);
    }
    // With a date, a sequence or a single day there is nothing to tell.
    for args in [
        &["journal", "print", days, "--from", "2026-01-04T09:30:00Z"][..],
        &["journal", "print", days, "--from", "1", "--to", "5"],
        &["journal", "print", day, "--from", "09:30:00"],
        &[&book[..], &["2026-01-04T12:00:00Z"]].concat(),
    ] {
        let ended = run(args);
        ended.assert_good();
        assert_eq!(ended.err, "", "{args:?}");
    }
}
