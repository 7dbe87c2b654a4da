//! Segments that go: into another folder or for good, wherever a crash or a failure comes; and what a log
//! still says whose beginning is not there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{
    Kept, OpenError, Opened, Position, ReadError, Reader, RetireError, Retired, open_with, verify,
};

use crate::crash::{Fault, FaultyDisk, Image};
use crate::support::{
    Random, Read, SEGMENT_BYTES, TempDir, append, byte, copy_dir, prepare, read_log, read_tail,
    sizes, sync, try_read,
};

/// Turns of some kilobytes each until segment `index` is begun, all synced; returns where each begins.
fn fill(opened: &mut Opened, index: u64) -> Vec<Position> {
    let mut begins = Vec::new();
    let mut random = Random::new(index + 1);
    let mut at = opened.log.committed();
    while at.0 < index * u64::from(SEGMENT_BYTES) + 4096 {
        prepare(&mut opened.preparer);
        let bytes = 8 * (1 + random.below(700) as usize);
        begins.push(at);
        let next = opened.writer.last_sequence() + 1;
        at = append(&mut opened.writer, next, bytes, 5000);
        sync(&mut opened.syncer);
    }
    prepare(&mut opened.preparer);
    begins
}

fn kept(positions: &[(u64, u64)]) -> Vec<Kept> {
    let kept = |&(position, sequence): &(u64, u64)| Kept {
        position: Position(position),
        sequence,
        bytes: (0..sequence as usize * 8).map(|at| byte(sequence, at)).collect(),
    };
    positions.iter().map(kept).collect()
}

fn check_kept(opened: &Opened, wanted: &[Kept]) {
    let retained = opened.log.retained().unwrap();
    assert_eq!(retained.len(), wanted.len());
    for kept in wanted {
        assert_eq!(retained.kept(kept.position), Some((kept.sequence, &kept.bytes[..])));
        assert_eq!(retained.kept(Position(kept.position.0 + 8)), None);
    }
}

fn archive(temp: &TempDir) -> PathBuf {
    temp.path().join("archive")
}

fn files(dir: &Path, extension: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(extension)).collect();
    names.sort_unstable();
    names
}

fn name(index: u64) -> String {
    format!("{index:016}.seg")
}

/// Everything that is anywhere, put into one folder, is a journal.
fn whole(temp: &TempDir) -> Vec<Read> {
    let folder = temp.path().join("whole");
    let _ = std::fs::remove_dir_all(&folder);
    if archive(temp).exists() {
        copy_dir(&archive(temp), &folder);
    }
    copy_dir(&temp.dir(), &folder);
    let mut reader = Reader::open(&folder, None).unwrap();
    assert!(reader.is_whole());
    try_read(&mut reader).unwrap()
}

#[test]
fn a_log_goes_on_without_its_beginning() {
    for moved in [true, false] {
        let temp = TempDir::new();
        let archive = moved.then(|| archive(&temp));
        let mut opened = temp.open();
        assert!(opened.log.is_whole() && opened.log.retained().is_none());
        fill(&mut opened, 6);
        let turns = read_log(&opened.log);
        let end = opened.log.committed();
        assert_eq!(opened.retirer.first(), 0);
        assert!(opened.retirer.last_possible() >= 4);

        let stays = kept(&[(64, 1), (1_000, 2), (70_000, 3), (140_000, 4)]);
        let mut asked = Vec::new();
        let retired = opened.retirer.retire(3, &stays, archive.as_deref(), |file| {
            assert!(file.exists());
            asked.push(file.file_name().unwrap().to_str().unwrap().to_owned());
            Ok(())
        });
        let retired = retired.unwrap();
        assert_eq!(asked, [name(0), name(1), name(2)]);
        let first = turns.iter().position(|turn| turn.sequence == retired.first_sequence).unwrap();
        let wanted =
            Retired { segments: 3, first: 3, kept: 4, archive: archive.clone(), ..retired.clone() };
        assert_eq!(retired, wanted);
        check_kept(&opened, &stays);
        assert!(!opened.log.is_whole());
        assert_eq!(opened.log.start(), Position(3 * u64::from(SEGMENT_BYTES) + 64));
        assert_eq!(read_log(&opened.log), turns[first..]);
        // Who was about to read what has gone is told so, and where it is.
        let gone = |error: ReadError| match error {
            ReadError::Gone { first: 3, archive: told, .. } => assert_eq!(told, archive),
            error => panic!("{error}"),
        };
        gone(opened.log.tail(Position(64)).next(end).unwrap_err());
        gone(opened.log.archive().frame(Position(64)).unwrap_err());

        drop(opened);
        let opened = temp.open();
        assert_eq!(opened.log.committed(), end);
        assert_eq!(read_log(&opened.log), turns[first..]);
        check_kept(&opened, &stays);
        drop(opened);

        let mut reader = Reader::open(&temp.dir(), None).unwrap();
        assert!(!reader.is_whole());
        assert_eq!(reader.retained().unwrap().archive(), archive);
        assert_eq!(try_read(&mut reader).unwrap(), turns[first..]);
        reader.seek(Position(64));
        gone(reader.next().unwrap_err());
        let verified = verify(&temp.dir(), None, |_| ()).unwrap();
        assert_eq!((verified.first_segment, verified.kept), (3, 4));
        assert_eq!(verified.first_sequence, retired.first_sequence);

        // It grows, and loses more.
        let mut opened = temp.open();
        fill(&mut opened, 9);
        let stays = kept(&[(64, 9)]);
        let retired = opened.retirer.retire(6, &stays, archive.as_deref(), |_| Ok(())).unwrap();
        assert_eq!((retired.segments, retired.first), (3, 6));
        check_kept(&opened, &stays);
        if moved {
            let all = whole(&temp);
            assert_eq!(sizes(&all[..turns.len()]), sizes(&turns));
            assert_eq!(all.len() as u64, opened.writer.last_sequence());
        }
        assert_eq!(files(&temp.dir(), ".seg")[0], name(6));
    }
}

#[test]
fn what_is_put_back_is_the_logs_again() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    fill(&mut opened, 6);
    let turns = read_log(&opened.log);
    opened.retirer.retire(4, &[], Some(&archive(&temp)), |_| Ok(())).unwrap();
    drop(opened);
    // From the last one down; with a hole what is before it does not count.
    for (index, first) in [(3, 3), (1, 3), (2, 1), (0, 0)] {
        let file = name(index);
        std::fs::copy(archive(&temp).join(&file), temp.dir().join(&file)).unwrap();
        let mut opened = temp.open();
        assert_eq!(opened.retirer.first(), first, "segment {index} is back");
        let read = read_log(&opened.log);
        assert_eq!(read[..], turns[turns.len() - read.len()..]);
        let mut reader = Reader::open(&temp.dir(), None).unwrap();
        assert_eq!(try_read(&mut reader).unwrap(), read);
        assert_eq!(opened.log.is_whole(), first == 0);
        prepare(&mut opened.preparer);
    }
    // They go again, and are in the folder already.
    let opened = temp.open();
    let retired = opened.retirer.retire(4, &[], Some(&archive(&temp)), |_| Ok(())).unwrap();
    assert_eq!(retired.segments, 4);
    assert_eq!(files(&temp.dir(), ".seg")[0], name(4));
}

#[test]
fn no_log_begins_in_the_middle_of_a_turn() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    fill(&mut opened, 1);
    // One turn over three segments.
    prepare(&mut opened.preparer);
    let next = opened.writer.last_sequence() + 1;
    append(&mut opened.writer, next, 150_000, 5000);
    sync(&mut opened.syncer);
    fill(&mut opened, 6);
    let retirer = &opened.retirer;
    let possible: Vec<u64> =
        (0..=4).filter(|index| retirer.last_with_turn(*index).unwrap() == *index).collect();
    assert_eq!(possible, [0, 1, 4]);
    assert_eq!(retirer.last_with_turn(3).unwrap(), 1);
    retirer.retire(4, &[], Some(&archive(&temp)), |_| Ok(())).unwrap();
    assert_eq!(retirer.last_with_turn(2).unwrap(), 4);
    drop(opened);
    // The end of the long turn is no beginning of a log.
    for index in [3, 2] {
        std::fs::copy(archive(&temp).join(name(index)), temp.dir().join(name(index))).unwrap();
        assert_eq!(temp.open().retirer.first(), 4);
    }
    std::fs::copy(archive(&temp).join(name(1)), temp.dir().join(name(1))).unwrap();
    assert_eq!(temp.open().retirer.first(), 1);
}

#[test]
fn what_somebody_holds_or_is_live_stays() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    fill(&mut opened, 6);
    let possible = opened.retirer.last_possible();
    assert!(possible >= 4 && !temp.live_dir().join(name(possible - 1)).exists());
    let hold = opened.log.hold(opened.log.start());
    assert_eq!(opened.retirer.last_possible(), 0);
    hold.pass(Position(2 * u64::from(SEGMENT_BYTES) + 100));
    assert_eq!(opened.retirer.last_possible(), 2);
    let other = opened.log.hold(Position(u64::from(SEGMENT_BYTES)));
    assert_eq!(opened.retirer.last_possible(), 1);
    drop((hold, other));
    assert_eq!(opened.retirer.last_possible(), possible);
}

#[test]
fn who_reads_a_segment_keeps_it() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    fill(&mut opened, 6);
    let (turns, end) = (read_log(&opened.log), opened.log.committed());
    let mut tail = opened.log.tail(opened.log.start());
    let mut reader = Reader::open(&temp.dir(), Some(&temp.live_dir())).unwrap();
    tail.next(end).unwrap().unwrap();
    reader.next().unwrap().unwrap();
    opened.retirer.retire(3, &[], None, |_| Ok(())).unwrap();
    // The segment that they are in is mapped; then they are told.
    let (mut by_tail, mut by_reader) = (1, 1);
    let told = loop {
        match tail.next(end) {
            Ok(frame) => by_tail += usize::from(frame.unwrap().last),
            Err(error) => break error,
        }
    };
    assert!(matches!(told, ReadError::Gone { first: 3, .. }), "{told}");
    let told = loop {
        match reader.next() {
            Ok(frame) => by_reader += usize::from(frame.unwrap().last),
            Err(error) => break error,
        }
    };
    assert!(matches!(told, ReadError::Gone { first: 3, .. }), "{told}");
    assert!(matches!(reader.next(), Err(ReadError::Gone { .. })));
    assert_eq!(by_tail, by_reader);
    assert!(by_tail > 2 && by_tail < turns.len());
    reader.seek(opened.log.start());
    assert_eq!(try_read(&mut reader).unwrap(), read_log(&opened.log));
}

#[test]
fn a_missing_segment_is_still_missed() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    fill(&mut opened, 6);
    opened.retirer.retire(3, &[], None, |_| Ok(())).unwrap();
    drop(opened);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    for index in [3, 4] {
        let file = temp.dir().join(name(index));
        let aside = temp.path().join("aside");
        std::fs::rename(&file, &aside).unwrap();
        let missing = |error: &ReadError| matches!(error, ReadError::SegmentMissing { file: named } if *named == file);
        match verify(&temp.dir(), None, |_| ()) {
            Err(unsound) => assert!(missing(&unsound.why), "{unsound}"),
            Ok(verified) => panic!("{verified:?}"),
        }
        match journal::open(&temp.options()) {
            Err(OpenError::Journal(error)) => assert!(missing(&error), "{error}"),
            other => panic!("{other:?}"),
        }
        std::fs::rename(&aside, &file).unwrap();
    }
    // Without the file that says so, the beginning is missed.
    std::fs::remove_file(temp.dir().join("retained")).unwrap();
    match journal::open(&temp.options()) {
        Err(OpenError::Journal(ReadError::FirstSegmentMissing { .. })) => {}
        other => panic!("{other:?}"),
    }
    let unsound = verify(&temp.dir(), None, |_| ()).unwrap_err();
    assert!(matches!(*unsound.why, ReadError::FirstSegmentMissing { .. }));
}

#[test]
fn every_bit_of_where_a_log_begins_is_checked() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    fill(&mut opened, 6);
    let stays = kept(&[(64, 1), (1_000, 2)]);
    opened.retirer.retire(3, &stays, Some(&archive(&temp)), |_| Ok(())).unwrap();
    drop(opened);
    let file = temp.dir().join("retained");
    let good = std::fs::read(&file).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&file, &bad).unwrap();
        let refused = |error: &ReadError| {
            matches!(error, ReadError::Retained { .. } | ReadError::Version { .. })
        };
        match journal::open(&temp.options()) {
            Err(OpenError::Journal(error)) => assert!(refused(&error), "bit {bit}: {error}"),
            other => panic!("bit {bit}: {other:?}"),
        }
        let unsound = verify(&temp.dir(), None, |_| ()).unwrap_err();
        assert!(refused(&unsound.why), "bit {bit}: {unsound}");
    }
    for len in 0..good.len() {
        std::fs::write(&file, &good[..len]).unwrap();
        assert!(journal::open(&temp.options()).is_err(), "cut at {len}");
    }
    std::fs::write(&file, &good).unwrap();
    check_kept(&temp.open(), &stays);

    // That of another log is none of ours.
    let other = TempDir::new();
    let mut opened = other.open();
    fill(&mut opened, 4);
    drop(opened);
    std::fs::copy(&file, other.dir().join("retained")).unwrap();
    match journal::open(&other.options()) {
        Err(OpenError::Journal(ReadError::OtherLog { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_unsound_is_moved() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    fill(&mut opened, 6);
    let before = files(&temp.dir(), ".seg");
    let unchanged = |opened: &Opened| {
        assert_eq!(files(&temp.dir(), ".seg"), before);
        assert!(opened.log.is_whole() && opened.log.retained().is_none());
    };
    for own in [temp.dir(), temp.live_dir()] {
        let refused = opened.retirer.retire(3, &[], Some(&own), |_| Ok(()));
        assert!(matches!(refused, Err(RetireError::OwnFolder { .. })), "{refused:?}");
        unchanged(&opened);
    }
    std::fs::create_dir(archive(&temp)).unwrap();
    std::fs::write(archive(&temp).join(name(1)), b"of somebody else").unwrap();
    let refused = opened.retirer.retire(3, &[], Some(&archive(&temp)), |_| Ok(()));
    assert!(matches!(refused, Err(RetireError::Exists { .. })), "{refused:?}");
    unchanged(&opened);
    assert_eq!(std::fs::read(archive(&temp).join(name(1))).unwrap(), b"of somebody else");
    std::fs::remove_file(archive(&temp).join(name(1))).unwrap();

    let refused = opened.retirer.retire(3, &[], None, |file| {
        if file.ends_with(name(2)) { Err("not this one".into()) } else { Ok(()) }
    });
    assert!(matches!(refused, Err(RetireError::Refused { .. })), "{refused:?}");
    unchanged(&opened);

    let file = temp.dir().join(name(1));
    let good = std::fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[30_000] ^= 4;
    std::fs::write(&file, &bad).unwrap();
    let refused = opened.retirer.retire(3, &[], Some(&archive(&temp)), |_| Ok(()));
    assert!(matches!(refused, Err(RetireError::Read(ReadError::Corrupt { .. }))), "{refused:?}");
    unchanged(&opened);
    assert_eq!(files(&archive(&temp), ".seg"), [name(0)]);
    std::fs::write(&file, &good).unwrap();
    opened.retirer.retire(3, &[], Some(&archive(&temp)), |_| Ok(())).unwrap();
    assert_eq!(files(&archive(&temp), ""), [name(0), name(1), name(2)]);
}

/// Everything ends at call `n` of taking segments away, or only that call fails; whether there was such a
/// call.
fn end_at(n: u64, fault: Fault, moved: bool) -> bool {
    let what = format!("call {n}, {fault:?}, moved: {moved}");
    let temp = TempDir::new();
    let mut opened = temp.open();
    fill(&mut opened, 6);
    let turns = read_log(&opened.log);
    drop(opened);

    let disk = FaultyDisk::new(u64::MAX, fault);
    let opened = open_with(&temp.options(), Arc::new(disk.clone())).unwrap();
    let (archive, stays) = (archive(&temp), kept(&[(64, 1), (80_000, 2)]));
    let to = moved.then_some(&*archive);
    disk.fail_after(n);
    let retired = opened.retirer.retire(3, &stays, to, |_| Ok(()));
    let reached = disk.failed();
    assert_eq!(retired.is_err(), reached, "{what}: {retired:?}");
    // The log itself has not failed, and says what is there.
    assert_eq!(opened.log.failure(), None, "{what}");
    let read = read_log(&opened.log);
    assert_eq!(read[..], turns[turns.len() - read.len()..], "{what}");
    if fault != Fault::Stop && reached {
        // What failed once goes when it is tried again.
        let again = opened.retirer.retire(3, &stays, to, |_| Ok(()));
        assert_eq!(again.unwrap().first, 3, "{what}");
        assert_eq!(files(&temp.dir(), ".seg")[0], name(3), "{what}");
    }
    drop(opened);
    disk.end(if n.is_multiple_of(2) { Image::Lost } else { Image::Torn(n) });
    let _ = std::fs::remove_dir_all(temp.live_dir());

    let opened = temp.open();
    let read = read_log(&opened.log);
    assert_eq!(read[..], turns[turns.len() - read.len()..], "{what}");
    if read.len() < turns.len() {
        check_kept(&opened, &stays);
    }
    let again = opened.retirer.retire(3, &stays, to, |_| Ok(())).unwrap();
    assert_eq!((again.first, opened.retirer.first()), (3, 3), "{what}");
    check_kept(&opened, &stays);
    assert_eq!(files(&temp.dir(), ".seg")[0], name(3), "{what}");
    if moved {
        assert_eq!(sizes(&whole(&temp)), sizes(&turns), "{what}");
        assert_eq!(files(&archive, ""), [name(0), name(1), name(2)], "{what}");
    }
    let rest = read_tail(&mut opened.log.tail(opened.log.start()), opened.log.committed());
    assert_eq!(rest[0].sequence, again.first_sequence, "{what}");
    reached
}

#[test]
fn segments_go_whole_or_stay_wherever_it_ends() {
    for moved in [true, false] {
        for fault in [Fault::Stop, Fault::Transient, Fault::Full] {
            let mut n = 1;
            while end_at(n, fault, moved) {
                n += 1;
            }
            assert!(n > if moved { 20 } else { 7 }, "only {n} calls");
        }
    }
}
