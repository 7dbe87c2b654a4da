//! `vesta diff`: the first difference is named, wherever it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{Options, Reader, storage};
use matcher::record::{decode_event, encode_event, record_bytes};
use matcher::{Event, Qty};

use crate::support::{Folder, MAKER, Market, TAKER, make_journal, run};

fn json(args: &[&str]) -> serde_json::Value {
    let ended = run(&[args, &["--json"]].concat());
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    ended.json()
}

#[test]
fn a_journal_is_its_own_re_run() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let ended = run(&["diff", dir, "--replay", "--json"]);
    ended.assert_good();
    let turns = run(&["journal", "verify", dir, "--json"]).json()["turns"].clone();
    assert_eq!((&ended.json()["same"], &ended.json()["turns"]), (&true.into(), &turns));
    let ended = run(&["diff", dir, dir, "--times", "--json"]);
    ended.assert_good();
    assert_eq!(ended.json()["other_times"], 0);
    run(&["diff", dir]).assert_usage();
    run(&["diff", dir, dir, "--replay"]).assert_usage();
}

/// Two venues that were asked the same differ in nothing but the time.
#[test]
fn the_same_day_twice_differs_in_time_alone() {
    let (one, other) = (Folder::new(), Folder::new());
    let (a, b) = (make_journal(&one), make_journal(&other));
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    let ended = run(&["diff", a, b, "--json"]);
    ended.assert_good();
    assert!(ended.json()["other_times"].as_u64().unwrap() > 5, "{}", ended.out);
    assert_eq!(json(&["diff", a, b, "--times"])["sequence"], 1);
}

#[test]
fn another_request_is_shown_with_both_books() {
    let folders = [Folder::new(), Folder::new()];
    let journals = ["2.5", "1.0"].map(|qty| {
        let folder = &folders[usize::from(qty == "1.0")];
        let mut market = Market::open(folder);
        market.order(MAKER, "a", b'2', "1.5", "50000.00");
        market.order(MAKER, "b", b'2', "2.0", "50000.00");
        market.order(TAKER, "d", b'1', qty, "50000.00");
        market.close(folder)
    });
    let [a, b] = journals.each_ref().map(|it: &PathBuf| it.to_str().unwrap());
    let ended = run(&["diff", a, b, "--json"]);
    ended.assert_says(1, &["the request differs at sequence"]);
    let told = ended.json();
    let level = |book: &str| told[book][0].as_str().unwrap().split_whitespace().nth(2);
    assert_eq!(level("book_before"), Some("3.5"));
    assert_eq!((level("book_after_a"), level("book_after_b")), (Some("1.0"), Some("2.5")));
    assert!(told["a"][0].as_str().unwrap().contains("buy 2.5"), "{told}");
    assert!(told["b"][0].as_str().unwrap().contains("buy 1.0"), "{told}");
    assert_eq!(told["config"]["only_a"], serde_json::json!([]));
}

#[test]
fn an_end_and_other_rules_are_told() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let part = folder.path().join("part");
    let out = part.to_str().unwrap();
    run(&["journal", "cut", dir, "--to", "3", "--out", out]).assert_good();
    run(&["diff", dir, out]).assert_says(1, &["B ends before sequence 4, A goes on"]);
    run(&["diff", out, dir]).assert_says(1, &["A ends before sequence 4, B goes on"]);
    let config = json(&["diff", dir, out])["config"]["only_a"].to_string();
    assert!(config.contains("define-session"), "{config}");
}

/// Copies a journal with one event changed: what another build would have answered.
fn forge(from: &Path, to: &Path, change: impl Fn(&mut Event) -> bool) -> u64 {
    let mut reader = Reader::open(from, None).unwrap();
    let record_version = reader.record_version();
    let live_dir = to.with_extension("live");
    let options = Options {
        dir: to.to_path_buf(),
        live_dir: live_dir.clone(),
        segment_bytes: reader.segment_bytes(),
        record_version,
        live_segments_kept: 1,
        written_ahead: false,
        first_sequence: 1,
    };
    let mut opened = journal::open_with(&options, Arc::new(storage::Disk)).unwrap();
    let mut forged = 0;
    while let Some(frame) = reader.next().unwrap() {
        let mut turn = opened.writer.begin(frame.sequence);
        let head = record_bytes(frame.payload).unwrap();
        turn.space(head).copy_from_slice(&frame.payload[..head]);
        let mut rest = &frame.payload[head..];
        while !rest.is_empty() {
            let (mut event, used) = decode_event(rest).unwrap();
            if forged == 0 && change(&mut event) {
                forged = frame.sequence;
            }
            encode_event(&event, turn.space(used));
            rest = &rest[used..];
        }
        turn.commit();
    }
    while opened.syncer.step().unwrap() != journal::Synced::Idle {}
    drop(opened);
    std::fs::remove_dir_all(live_dir).unwrap();
    forged
}

#[test]
fn an_event_of_another_build_is_named() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let forged = folder.path().join("forged");
    let at = forge(&journal, &forged, |event| match event {
        Event::Traded(traded) => {
            traded.maker.cum_qty = Qty::from_lots(1);
            true
        }
        _ => false,
    });
    let dir = forged.to_str().unwrap();
    let told = json(&["diff", dir, "--replay"]);
    assert_eq!(told["sequence"], at);
    let other = json(&["diff", journal.to_str().unwrap(), dir]);
    assert_eq!(other["sequence"], at);
    // The words leave the quantity out, so it is the bytes that differ.
    assert!(told["why"].as_str().unwrap().contains("bytes"), "{told}");

    let forged = folder.path().join("forged2");
    let at = forge(&journal, &forged, |event| match event {
        Event::Rested(rested) => {
            rested.leaves_qty = Qty::from_lots(7);
            true
        }
        _ => false,
    });
    let ended = run(&["diff", forged.to_str().unwrap(), "--replay"]);
    let place = format!("differs at sequence {at}, event 1");
    ended.assert_says(1, &[&place, "sell 0.7", "this build", "sell 1.5"]);
    assert!(ended.out.contains("≠ rested"), "{}", ended.out);
}

/// A script that is run in place of a build.
fn script(folder: &Folder, name: &str, line: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.write(name, &format!("#!/bin/sh\n{line}\n"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

#[test]
fn another_build_answers_the_same_requests() {
    let (folder, changed) = (Folder::new(), Folder::new());
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let binary = env!("CARGO_BIN_EXE_vesta");
    let ended = run(&["diff", dir, "--with", binary, "--json"]);
    ended.assert_good();
    let turns = run(&["journal", "verify", dir, "--json"]).json()["turns"].clone();
    assert_eq!((&ended.json()["same"], &ended.json()["turns"]), (&true.into(), &turns));

    // A build that trades at other prices: it answers to another day.
    let mut market = Market::open(&changed);
    market.order(MAKER, "a", b'2', "1.5", "49999.00");
    market.order(MAKER, "b", b'2', "2.0", "50000.00");
    market.order(MAKER, "c", b'1', "7.0", "49998.99");
    market.order(TAKER, "d", b'1', "2.5", "50000.00");
    let other = market.close(&changed);
    let line = format!("exec '{binary}' replay '{}' --answers", other.display());
    let build = script(&folder, "changed", &line);
    let ended = run(&["diff", dir, "--with", build.to_str().unwrap(), "--json"]);
    ended.assert_says(1, &["this build has", "50000.00", "vesta 0", "49999.00"]);
    let told = ended.json();
    assert_eq!(told["same"], false);
    assert_ne!(told["a"], told["b"]);
    assert_eq!(told["symbol"], "BTC-USD");
}

#[test]
fn a_build_that_cannot_answer_is_named() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    let binary = env!("CARGO_BIN_EXE_vesta");
    let with = |what: &Path| run(&["diff", dir, "--with", what.to_str().unwrap()]);
    with(&folder.path().join("nothing")).assert_says(2, &["cannot run", "nothing"]);
    with(&script(&folder, "other", "echo hello")).assert_says(2, &["other", "--answers"]);
    // As an older build does: it does not know the option.
    with(&script(&folder, "old", "exit 2")).assert_says(2, &["old", "--answers"]);
    let short = format!("'{binary}' \"$@\" | head -c 300");
    with(&script(&folder, "short", &short)).assert_says(1, &["stopped answering after sequence"]);
    // The record version is behind the magic number and the stream's own.
    let records = "printf 'VESTAANS\\001\\000\\377\\377\\003\\000\\000\\000new'";
    with(&script(&folder, "new", records)).assert_says(2, &["version 65535", "new"]);
    run(&["diff", dir, dir, "--with", binary]).assert_usage();
    run(&["diff", dir, "--replay", "--with", binary]).assert_usage();
}
