//! Indexes: what readers of the past begin at, made between snapshots and made again where they are not whole.

use std::fs;

use gateway::order_entry::cl_ord_id_of;
use journal::{Reader, Snapshots};
use matcher::Sequence;
use matcher::testing::flow::{Profile, record};
use matcher::testing::mix::{self, Mix};
use venue::snapshots::{
    Keeper, RetentionConfig, SnapshotConfig, begins_before, called_marks, marks,
};
use venue::turns::read_head;

use crate::folder::Folder;
use crate::snapshots::Bench;

/// A snapshot is due after so much, an index after a sixteenth. Unit: bytes.
const EVERY: u64 = 2 << 20;

/// A flow whose book is small beside the journal between two indexes.
fn small(seed: u64, commands: usize) -> Vec<matcher::Input> {
    record(Profile { resting: 20, ..Profile::standard() }, seed, commands)
}

/// Runs a market, with indexes as they become due and none of the snapshots but the last.
fn market(folder: &Folder, every_bytes: u64) -> (Bench, Keeper, Vec<u64>) {
    let mut bench = Bench::open(folder);
    let mut keeper = keeper(&bench, every_bytes);
    let mut made = 0;
    for some in mix::record(Mix::everything(), 21, 6_000).chunks(200) {
        bench.run(some);
        assert!(!keeper.is_due());
        if keeper.is_index_due() {
            made += keeper.make_index(|| true).unwrap();
            assert!(!keeper.is_index_due());
        }
    }
    let all = bench.snapshots.list_all().unwrap();
    assert!(all.len() == made as usize && made > 5, "{made} {all:?}");
    (bench, keeper, all)
}

fn keeper(bench: &Bench, every_bytes: u64) -> Keeper {
    let retention = (bench.retirer.clone(), RetentionConfig::default());
    let config = SnapshotConfig { every_bytes, keep: 3 };
    Keeper::new(&bench.log, (&bench.snapshots, config), retention, 1_000_000)
}

/// That no turn between the first and the last of the snapshots and indexes is in no stretch.
fn assert_no_gap(folder: &Folder, snapshots: &Snapshots, all: &[u64]) {
    let mut reader = Reader::open(&folder.journal().dir, None).unwrap();
    let marks = marks(&mut reader, snapshots, Sequence(0));
    let ends: Vec<u64> = marks.iter().map(|mark| mark.head().sequence).collect();
    assert_eq!(ends, all);
    let mut last = 0;
    for mark in &marks {
        assert!(mark.after().0 <= last, "{} to {last}", mark.after());
        last = mark.head().sequence;
    }
    assert_eq!(called_marks(&mut reader, snapshots).len(), all.len());
}

fn files(snapshots: &Snapshots, all: &[u64]) -> Vec<Vec<u8>> {
    all.iter().map(|sequence| fs::read(snapshots.index_path(*sequence)).unwrap()).collect()
}

#[test]
fn an_index_made_of_the_one_before_is_the_one_made_of_the_whole_journal() {
    let folder = Folder::new();
    let (bench, mut keeper, all) = market(&folder, EVERY);
    assert_no_gap(&folder, &bench.snapshots, &all);
    // The way to a snapshot goes over them and leaves them.
    let made = files(&bench.snapshots, &all);
    let snapshot = keeper.make(|| true).unwrap().unwrap().state;
    assert_eq!(snapshot.hash, bench.core.engine().state_hash());
    let with_it = bench.snapshots.list_all().unwrap();
    assert!(with_it.starts_with(&all) && with_it.last() == Some(&snapshot.sequence.0));
    assert!(files(&bench.snapshots, &all) == made);
    assert_no_gap(&folder, &bench.snapshots, &with_it);

    let remove = |it: &u64| fs::remove_file(bench.snapshots.index_path(*it)).unwrap();
    with_it.iter().filter(|it| **it != snapshot.sequence.0).for_each(remove);
    fs::remove_file(bench.snapshots.path(snapshot.sequence.0)).unwrap();
    self::keeper(&bench, EVERY).make(|| true).unwrap().unwrap();
    assert_eq!(bench.snapshots.list_all().unwrap(), with_it);
    assert!(files(&bench.snapshots, &all) == made);
}

#[test]
fn a_snapshot_between_two_indexes_leaves_no_gap() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    let mut keeper = keeper(&bench, EVERY);
    for (n, some) in small(22, 6_000).chunks(200).enumerate() {
        bench.run(some);
        if keeper.is_index_due() {
            keeper.make_index(|| true).unwrap();
        }
        if n % 7 == 3 {
            keeper.make(|| true).unwrap().unwrap();
        }
    }
    let all = bench.snapshots.list_all().unwrap();
    assert!(bench.snapshots.list().unwrap().len() == 3 && all.len() > 6, "{all:?}");
    assert_no_gap(&folder, &bench.snapshots, &all);
}

#[test]
fn who_is_told_to_stop_makes_no_index() {
    let folder = Folder::new();
    let (bench, keeper, all) = market(&folder, EVERY);
    all.iter().for_each(|it| fs::remove_file(bench.snapshots.index_path(*it)).unwrap());
    let mut again = self::keeper(&bench, EVERY);
    assert_eq!(again.make_index(|| false).unwrap(), 0);
    assert_eq!(keeper.mend(usize::MAX, || false).made, 0);
    assert!(bench.snapshots.list_all().unwrap().is_empty());
}

/// Each turn is where the filters and the places of turns say, and hardly a name is anywhere else.
#[test]
fn indexes_know_where_turns_and_names_are() {
    let folder = Folder::new();
    let (bench, _keeper, all) = market(&folder, EVERY);
    let mut reader = Reader::open(&folder.journal().dir, None).unwrap();
    let mut turns = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        if frame.first {
            let head = read_head(&frame).unwrap();
            let name = cl_ord_id_of(&head.input.command, head.attachment()).map(<[u8]>::to_vec);
            turns.push((head.input.sequence, head.position, name));
        }
    }
    let mut reader = Reader::open(&folder.journal().dir, None).unwrap();
    let marks = called_marks(&mut reader, &bench.snapshots);
    let places = |name: &[u8]| {
        let (mut from, mut after, mut places) = (reader.start(), Sequence(0), Vec::new());
        for mark in &marks {
            places.extend(mark.called_at(name, after, from));
            (from, after) = (mark.head().position, Sequence(mark.head().sequence));
        }
        places
    };
    let end = marks.last().unwrap().head().position;
    let mut count = 0;
    for (sequence, position, name) in turns.iter().filter(|(_, position, _)| *position < end) {
        let Some(name) = name else { continue };
        count += 1;
        let places = places(name);
        assert!(places.iter().any(|(from, to)| (from..to).contains(&position)), "{sequence}");
    }
    assert!(count > 3_000, "{count}");
    let wrong: usize = (0..1_000).map(|n| places(format!("NO{n}").as_bytes()).len()).sum();
    assert!(wrong < 1_000 * all.len() / 50, "{wrong}");

    let mut reader = Reader::open(&folder.journal().dir, None).unwrap();
    for (sequence, position, _) in turns.iter().step_by(61) {
        let start = reader.position();
        let found = begins_before(&mut reader, &bench.snapshots, *sequence);
        assert_eq!(reader.position(), start);
        assert!(found.unwrap() <= *position);
        let index = turns.binary_search_by_key(&found.unwrap(), |(_, position, _)| *position);
        assert!(turns[index.unwrap()].0 <= *sequence);
    }
}

#[test]
fn what_is_missing_or_damaged_is_made_again_as_it_was() {
    let folder = Folder::new();
    let (bench, keeper, all) = market(&folder, EVERY);
    let snapshots = &bench.snapshots;
    let made = files(snapshots, &all);
    assert_eq!(keeper.mend(usize::MAX, || true).made, 0);
    let path = |at: usize| snapshots.index_path(all[at]);
    let changed = |at: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = made[at].clone();
        change(&mut bytes);
        fs::write(path(at), bytes).unwrap();
    };
    let last = all.len() - 1;
    let offset = |at: usize, kind: u32| {
        let bytes = &made[at];
        let entry = (136..).step_by(24).find(|at| bytes[*at] == u8::try_from(kind).unwrap());
        let raw = bytes[entry.unwrap() + 8..][..8].try_into().unwrap();
        usize::try_from(u64::from_le_bytes(raw)).unwrap()
    };
    for kind in [1, 2, 7, 8] {
        for at in [0, 2, last] {
            changed(at, &|bytes| bytes[offset(at, kind) + 9] ^= 4);
            assert_eq!(keeper.mend(usize::MAX, || true).made, 1, "part {kind} of {at}");
            assert!(files(snapshots, &all) == made);
        }
    }
    changed(1, &|bytes| bytes[20] ^= 1);
    changed(2, &|bytes| bytes.truncate(700));
    changed(3, &Vec::clear);
    changed(last, &|bytes| bytes.extend_from_slice(&[0; 8]));
    assert_eq!(keeper.mend(usize::MAX, || true).made, 4);
    assert!(files(snapshots, &all) == made);

    // One that is not there is missed by the one behind it.
    fs::remove_file(path(2)).unwrap();
    assert_eq!(keeper.mend(2, || true).made, 0, "not among the newest two");
    assert_eq!(keeper.mend(usize::MAX, || true).made, 2);
    assert!(files(snapshots, &all) == made);

    // An earlier release knew no names.
    let old = snapshots.open(all[1]).unwrap();
    let mut writer = snapshots.write(old.head()).unwrap();
    for kind in [1, 2, 7] {
        writer.part(kind, |out| out(old.part(kind).unwrap()));
    }
    writer.finish_index().unwrap();
    assert_eq!(keeper.mend(usize::MAX, || true).made, 1);
    assert!(files(snapshots, &all) == made);
}

/// On the way to a snapshot a damaged index is made again.
#[test]
fn a_snapshot_takes_no_damaged_index_for_one() {
    let folder = Folder::new();
    let (bench, mut keeper, all) = market(&folder, EVERY);
    let made = files(&bench.snapshots, &all);
    for at in [1, 3] {
        let mut bytes = made[at].clone();
        let end = bytes.len() - 9;
        bytes[end] ^= 1;
        fs::write(bench.snapshots.index_path(all[at]), bytes).unwrap();
    }
    keeper.make(|| true).unwrap().unwrap();
    assert!(files(&bench.snapshots, &all) == made);
}

#[test]
fn a_book_with_many_orders_has_fewer_indexes() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    let mut keeper = keeper(&bench, EVERY);
    let profile = Profile { resting: 600, ..Profile::standard() };
    for some in record(profile, 23, 24_000).chunks(200) {
        bench.run(some);
        if keeper.is_index_due() {
            keeper.make_index(|| true).unwrap();
        }
    }
    let all = bench.snapshots.list_all().unwrap();
    let ends: Vec<u64> =
        all.iter().map(|it| bench.snapshots.head(*it).unwrap().position.0).collect();
    let bytes: u64 = files(&bench.snapshots, &all).iter().map(|file| file.len() as u64).sum();
    assert!(all.len() > 2 && bytes * 3 < ends[ends.len() - 1], "{bytes} of {ends:?}");
    assert!(ends.windows(2).any(|pair| pair[1] - pair[0] > 2 * EVERY / 16), "{ends:?}");
}

/// Where a journal begins later nothing is known before the first good index: a damaged one there stays what it is.
#[test]
fn a_journal_without_its_beginning_is_mended_from_its_first_index_on() {
    let folder = Folder::new();
    let mut options = folder.journal();
    (options.segment_bytes, options.live_segments_kept) = (64 << 10, 0);
    let mut bench = Bench::open_with(&options);
    let retention = RetentionConfig {
        keep_bytes: 1,
        keep_ns: 0,
        archive: Some(folder.path().join("archive")),
        archive_command: Vec::new(),
    };
    let config = SnapshotConfig { every_bytes: EVERY, keep: 2 };
    let mut keeper = bench.keeper_of(config, retention);
    for (n, some) in small(24, 12_000).chunks(200).enumerate() {
        bench.run(some);
        if keeper.is_index_due() {
            keeper.make_index(|| true).unwrap();
        }
        if n % 20 == 19 {
            keeper.make(|| true).unwrap().unwrap();
        }
    }
    assert!(!bench.log.is_whole());
    let all = bench.snapshots.list_all().unwrap();
    let of = |at: usize| {
        bench.snapshots.list_indexes().unwrap().get(at).map(|it| bench.snapshots.index_path(*it))
    };
    let damage = |path: &std::path::Path| {
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        bad[600] ^= 1;
        fs::write(path, &bad).unwrap();
        (good, bad)
    };
    let indexes = bench.snapshots.list_indexes().unwrap();
    assert!(indexes.len() > 2 && keeper.mend(usize::MAX, || true).made == 0, "{indexes:?}");
    let last = of(indexes.len() - 1).unwrap();
    let (good, _) = damage(&last);
    assert_eq!(keeper.mend(usize::MAX, || true).made, 1);
    assert!(fs::read(&last).unwrap() == good);
    let newest = bench.snapshots.list().unwrap()[0];
    if all[0] < newest {
        let first = bench.snapshots.index_path(all[0]);
        let (_, bad) = damage(&first);
        assert_eq!(keeper.mend(usize::MAX, || true).made, 0);
        assert!(fs::read(&first).unwrap() == bad);
    }
}
