//! `tools/examples/read_journal.py`: FORMAT.md is enough to write a reader.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, Folder, make_journal, run, skipped};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/read_journal.py");

/// Runs the reader; `None` where there is no Python.
pub(crate) fn read(journal: &Path, option: &[&str]) -> Option<Ended> {
    let output = Command::new("python3").arg(READER).arg(journal).args(option).output();
    match output {
        Ok(output) => Some(Ended::of(output)),
        Err(_) => {
            skipped("the reader in Python: there is no python3");
            None
        }
    }
}

#[test]
fn a_reader_of_few_lines_counts_what_we_count() {
    let text = fs::read_to_string(READER).unwrap();
    assert!(text.lines().count() <= 75, "{} lines", text.lines().count());
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let Some(ended) = read(&journal, &["--print"]) else { return };
    ended.assert_good();
    let stat = run(&["journal", "stat", journal.to_str().unwrap(), "--json"]).json();
    let plain = |name: &str| name.to_lowercase();
    let mut kinds = 0;
    for of in ["inputs", "events"] {
        for (kind, count) in stat[of].as_object().unwrap() {
            let name = kind.replace('_', "");
            let line = format!("{name} {count}");
            assert!(ended.out.lines().any(|it| plain(it) == line), "no {line} in {}", ended.out);
            kinds += 1;
        }
    }
    assert!(kinds > 10);
    let last = format!("last {}", stat["last_sequence"]);
    assert_eq!(ended.out.lines().last(), Some(&*last));
    let sum = |of: &str| -> u64 {
        stat[of].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    };
    let printed = ended.out.lines().filter(|line| line.contains(" code=")).count();
    assert_eq!(printed as u64, sum("inputs") + sum("events"));
}

/// Whichever bit of the log is turned, the reader says where.
#[test]
fn the_reader_sees_a_flipped_bit() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let file = journal.join("0000000000000000.seg");
    let good = fs::read(&file).unwrap();
    let end = good.iter().rposition(|byte| *byte != 0).unwrap();
    for at in [9, 20, 40, 61, 64, 68, 72, 90, end / 2, end / 2 + 100, end] {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&file, &bad).unwrap();
        let Some(ended) = read(&journal, &[]) else { return };
        assert_eq!(ended.code, Some(1), "byte {at}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains("at offset"), "byte {at}: {}", ended.err);
        assert!(!ended.err.contains("Traceback"), "byte {at}: {}", ended.err);
    }
}
