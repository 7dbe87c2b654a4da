//! Bytes that are not those that were written.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use journal::{
    CutReason, FrameFault, HeaderFault, OpenError, Position, ReadError, Reader, SnapshotFault,
    SnapshotHead, Snapshots, verify,
};

use crate::support::{
    SEGMENT_BYTES, TempDir, append, copy_dir, prepare, read_log, sizes, sync, try_read,
};

fn segment(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:016}.seg"))
}

fn read_at(file: &Path, at: u64) -> u8 {
    let mut byte = [0];
    let opened = OpenOptions::new().read(true).open(file).unwrap();
    opened.read_exact_at(&mut byte, at).unwrap();
    byte[0]
}

fn write_at(file: &Path, at: u64, bytes: &[u8]) {
    let opened = OpenOptions::new().write(true).open(file).unwrap();
    opened.write_all_at(bytes, at).unwrap();
}

/// A journal of turns of these sizes, each synced before the next; nobody has it open.
fn small(bytes: &[usize]) -> (TempDir, Vec<(u64, usize)>, Vec<Position>) {
    let temp = TempDir::new();
    let mut opened = temp.open();
    let mut wanted = Vec::new();
    let mut ends = vec![opened.log.start()];
    for (sequence, bytes) in (1..).zip(bytes) {
        prepare(&mut opened.preparer);
        ends.push(append(&mut opened.writer, sequence, *bytes, 1024));
        wanted.push((sequence, *bytes));
        sync(&mut opened.syncer);
    }
    drop(opened);
    (temp, wanted, ends)
}

/// What a reader without a live log makes of it, and what verify says to it.
fn read(dir: &Path) -> Result<(Vec<(u64, usize)>, bool), ReadError> {
    let mut reader = Reader::open(dir, None).map_err(|error| match error {
        OpenError::Journal(error) => error,
        other => panic!("{other}"),
    })?;
    let turns = sizes(&try_read(&mut reader)?);
    let verified = verify(dir, None, |_| ()).unwrap();
    assert_eq!(verified.turns, turns.len() as u64);
    assert_eq!(verified.torn_tail, reader.tail_cut());
    Ok((turns, reader.tail_cut().is_some()))
}

/// Damage in the last turn is a torn tail, damage anywhere before it is named; never is a byte read
/// that was not written.
#[test]
fn every_bit_of_a_small_journal_is_guarded() {
    let (temp, wanted, ends) = small(&[8, 64, 0, 200, 40]);
    let file = segment(&temp.dir(), 0);
    let end = ends.last().unwrap().0;
    let last_turn = ends[ends.len() - 2].0;
    for at in 0..end + 64 {
        let byte = read_at(&file, at);
        for bit in 0..8 {
            write_at(&file, at, &[byte ^ 1 << bit]);
            match read(&temp.dir()) {
                Err(_) => assert!(at < last_turn, "byte {at} bit {bit}"),
                Ok((turns, torn)) => {
                    assert!(torn, "byte {at} bit {bit} goes unseen");
                    assert!(at >= last_turn, "byte {at} bit {bit}");
                    let whole = if at < end { wanted.len() - 1 } else { wanted.len() };
                    assert_eq!(turns, wanted[..whole], "byte {at} bit {bit}");
                }
            }
        }
        write_at(&file, at, &[byte]);
    }
    assert_eq!(read(&temp.dir()).unwrap(), (wanted, false));
}

/// The same when the venue starts: it cuts the last turn at most, and says so.
#[test]
fn a_venue_does_not_start_on_damage() {
    let (temp, wanted, ends) = small(&[8, 64, 0, 200, 40]);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    let last_turn = ends[ends.len() - 2].0;
    for at in (0..ends.last().unwrap().0).step_by(3) {
        let fork = TempDir::new();
        copy_dir(&temp.dir(), &fork.dir());
        let file = segment(&fork.dir(), 0);
        write_at(&file, at, &[read_at(&file, at) ^ 0x10]);
        match journal::open(&fork.options()) {
            Err(_) => assert!(at < last_turn, "byte {at}"),
            Ok(opened) => {
                assert!(at >= last_turn, "byte {at}");
                let cut = opened.recovery.cut.unwrap();
                assert_eq!(cut.position, Position(last_turn));
                assert_eq!(sizes(&read_log(&opened.log)), wanted[..wanted.len() - 1]);
                drop(opened);
                // What was cut is gone for good.
                assert_eq!(read(&fork.dir()).unwrap(), (wanted[..wanted.len() - 1].into(), false));
            }
        }
    }
}

/// Wherever the last bytes are missing, the turns before are there.
#[test]
fn a_tail_torn_at_any_byte_is_cut_at_a_turn() {
    let (temp, wanted, ends) = small(&[64, 200, 16]);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    for at in ends[0].0..=ends[3].0 {
        let fork = TempDir::new();
        copy_dir(&temp.dir(), &fork.dir());
        let file = segment(&fork.dir(), 0);
        let zeroes = vec![0; (ends[3].0 - at) as usize];
        write_at(&file, at, &zeroes);
        let whole = ends.iter().filter(|end| end.0 <= at).count() - 1;
        // The last bytes of a turn may have been zero to begin with, and are not here: `byte` is not.
        let (turns, _) = read(&fork.dir()).unwrap();
        assert_eq!(turns, wanted[..whole], "from byte {at}");
        let opened = journal::open(&fork.options()).unwrap();
        assert_eq!(sizes(&read_log(&opened.log)), wanted[..whole], "from byte {at}");
        let torn = opened.recovery.cut.is_some();
        assert_eq!(torn, ends.iter().all(|end| end.0 != at), "from byte {at}");
    }
}

/// Files are made at their full length: one that ends among its frames was cut by somebody, and how
/// much is gone cannot be known.
#[test]
fn a_file_cut_short_is_damage() {
    let (temp, wanted, ends) = small(&[64, 200, 16]);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    let end = ends[3].0;
    for at in 0..end + 8 {
        let fork = TempDir::new();
        copy_dir(&temp.dir(), &fork.dir());
        let file = OpenOptions::new().write(true).open(segment(&fork.dir(), 0)).unwrap();
        file.set_len(at).unwrap();
        if at >= end + 4 {
            // Zeroes are gone, behind a place that says that nothing is there.
            assert_eq!(read(&fork.dir()).unwrap(), (wanted.clone(), false), "at byte {at}");
            let mut opened = journal::open(&fork.options()).unwrap();
            assert_eq!(sizes(&read_log(&opened.log)), wanted, "at byte {at}");
            append(&mut opened.writer, 4, 400, 400);
            sync(&mut opened.syncer);
            assert_eq!(read(&fork.dir()).unwrap().0.len(), 4);
            continue;
        }
        let read = read(&fork.dir()).map(|_| ()).map_err(OpenError::Journal);
        for result in [read, journal::open(&fork.options()).map(|_| ())] {
            let text = result.map_or_else(|error| error.to_string(), |()| String::from("whole"));
            let named = text.contains("0000000000000000.seg");
            assert!(named || at == 0 && text.contains("no journal"), "at byte {at}: {text}");
        }
    }
}

#[test]
fn damage_in_the_middle_is_named() {
    let (temp, _, ends) = small(&[64, 200, 16]);
    let file = segment(&temp.dir(), 0);
    write_at(&file, ends[1].0 + 30, b"!");
    let error = read(&temp.dir()).unwrap_err();
    let text = error.to_string();
    match error {
        ReadError::Corrupt { file: named, offset, position, sequence, why } => {
            assert_eq!((named, u64::from(offset), position), (file, ends[1].0, ends[1].0));
            assert_eq!(sequence, 2);
            assert!(matches!(why, FrameFault::Checksum { .. }));
        }
        other => panic!("{other}"),
    }
    assert!(text.contains("is corrupt at offset"), "{text}");
    assert!(!text.contains('\n'));

    // The same call says the same; behind the bad turn it goes on.
    let mut reader = Reader::open(&temp.dir(), None).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().sequence, 1);
    assert!(reader.next().is_err());
    assert!(reader.next().is_err());
    reader.seek(ends[2]);
    assert_eq!(reader.next().unwrap().unwrap().sequence, 3);
    assert_eq!(reader.next().unwrap(), None);
}

/// A frame is good in its place only.
#[test]
fn a_frame_copied_elsewhere_is_not_one() {
    let (temp, wanted, ends) = small(&[64, 64]);
    let file = segment(&temp.dir(), 0);
    let frame = std::fs::read(&file).unwrap()[ends[0].0 as usize..ends[1].0 as usize].to_vec();
    write_at(&file, ends[2].0, &frame);
    assert_eq!(read(&temp.dir()).unwrap(), (wanted, true));
}

/// Turns through four segments, all on disk.
fn segments() -> TempDir {
    let temp = TempDir::new();
    let mut opened = temp.open();
    for sequence in 1..=40 {
        prepare(&mut opened.preparer);
        append(&mut opened.writer, sequence, 6000, 1000);
        sync(&mut opened.syncer);
    }
    drop(opened);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    temp
}

fn open_error(temp: &TempDir) -> OpenError {
    journal::open(&temp.options()).map(|_| ()).unwrap_err()
}

#[test]
fn a_missing_segment_is_named() {
    for index in 0..3 {
        let temp = segments();
        let file = segment(&temp.dir(), index);
        std::fs::remove_file(&file).unwrap();
        for error in [open_error(&temp), read(&temp.dir()).map(|_| ()).unwrap_err().into()] {
            match error {
                OpenError::Journal(ReadError::FirstSegmentMissing { file: named }) => {
                    assert_eq!((index, &named), (0, &file));
                }
                OpenError::Journal(ReadError::SegmentMissing { file: named }) => {
                    assert!(index > 0);
                    assert_eq!(named, file);
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_segment_of_another_log_is_named() {
    let (temp, other) = (segments(), segments());
    let log_id = Reader::open(&other.dir(), None).unwrap().log_id();
    std::fs::copy(segment(&other.dir(), 1), segment(&temp.dir(), 1)).unwrap();
    match read(&temp.dir()).unwrap_err() {
        ReadError::OtherLog { file, found, .. } => {
            assert_eq!((file, found), (segment(&temp.dir(), 1), log_id));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_segment_under_another_name_is_named() {
    let temp = segments();
    std::fs::copy(segment(&temp.dir(), 2), segment(&temp.dir(), 1)).unwrap();
    match read(&temp.dir()).unwrap_err() {
        ReadError::Header { file, why } => {
            assert_eq!((file, why), (segment(&temp.dir(), 1), HeaderFault::Index(2)));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_blank_segment_in_the_middle_is_named() {
    let temp = segments();
    write_at(&segment(&temp.dir(), 1), 0, &vec![0; SEGMENT_BYTES as usize]);
    match read(&temp.dir()).unwrap_err() {
        ReadError::Header { file, why } => {
            assert_eq!((file, why), (segment(&temp.dir(), 1), HeaderFault::Blank));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_newer_version_stops_every_reader() {
    let temp = segments();
    write_at(&segment(&temp.dir(), 0), 8, &2_u16.to_le_bytes());
    for error in [open_error(&temp), read(&temp.dir()).map(|_| ()).unwrap_err().into()] {
        match error {
            OpenError::Journal(ReadError::Version { file, found, ours }) => {
                assert_eq!((file, found, ours), (segment(&temp.dir(), 0), 2, 1));
            }
            other => panic!("{other}"),
        }
    }
}

/// A turn that goes through a segment's end is cut as a whole.
#[test]
fn a_turn_over_segments_is_cut_where_it_begins() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 60_000, 1000);
    sync(&mut opened.syncer);
    let end = opened.log.committed();
    append(&mut opened.writer, 2, 20_000, 1000);
    sync(&mut opened.syncer);
    drop(opened);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    // The second segment never reached the disk.
    write_at(&segment(&temp.dir(), 1), 0, &vec![0; SEGMENT_BYTES as usize]);

    let mut reader = Reader::open(&temp.dir(), None).unwrap();
    assert_eq!(sizes(&try_read(&mut reader).unwrap()), [(1, 60_000)]);
    let cut = reader.tail_cut().unwrap();
    assert_eq!((cut.position, cut.why), (end, CutReason::Incomplete));
    let opened = temp.open();
    let cut = opened.recovery.cut.unwrap();
    assert_eq!((cut.position, cut.why), (end, CutReason::Incomplete));
    assert_eq!(opened.recovery.end, end);
    assert_eq!(sizes(&read_log(&opened.log)), [(1, 60_000)]);
}

/// The write that begins a segment broke off in its header: the segment was never begun, whatever of the
/// same write is behind it. Once a later write says that the first was synced, it is damage.
#[test]
fn a_header_that_broke_off_is_no_segment() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 60_000, 1000);
    sync(&mut opened.syncer);
    let end = opened.log.committed();
    append(&mut opened.writer, 2, 9_000, 1000);
    sync(&mut opened.syncer);
    let first_write = std::fs::read(segment(&temp.dir(), 1)).unwrap();
    append(&mut opened.writer, 3, 1_000, 1000);
    sync(&mut opened.syncer);
    drop(opened);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    let both_writes = std::fs::read(segment(&temp.dir(), 1)).unwrap();

    for written in 1..64 {
        for rest in [&vec![0; SEGMENT_BYTES as usize], &first_write, &both_writes] {
            let other = TempDir::new();
            std::fs::remove_dir_all(other.dir()).ok();
            copy_dir(&temp.dir(), &other.dir());
            let mut bytes = rest.clone();
            bytes[..64].fill(0);
            bytes[..written].copy_from_slice(&both_writes[..written]);
            write_at(&segment(&other.dir(), 1), 0, &bytes);
            if *rest == both_writes {
                for error in [open_error(&other), read(&other.dir()).unwrap_err().into()] {
                    assert!(
                        matches!(
                            error,
                            OpenError::Journal(ReadError::Header { why: HeaderFault::Torn, .. })
                        ),
                        "{written} bytes: {error}"
                    );
                }
                continue;
            }
            assert_eq!(read(&other.dir()).unwrap().0, [(1, 60_000)], "{written} bytes");
            let opened = other.open();
            assert_eq!((opened.recovery.last_sequence, opened.recovery.end), (1, end));
            assert_eq!(sizes(&read_log(&opened.log)), [(1, 60_000)]);
        }
    }
}

/// The same in the very first segment: there is no journal yet.
#[test]
fn a_creation_that_broke_off_begins_anew() {
    let (temp, _, _) = small(&[]);
    let made = std::fs::read(segment(&temp.dir(), 0)).unwrap();
    for written in 1..64 {
        let other = TempDir::new();
        std::fs::create_dir_all(other.dir()).unwrap();
        let mut bytes = vec![0; SEGMENT_BYTES as usize];
        bytes[..written].copy_from_slice(&made[..written]);
        std::fs::write(segment(&other.dir(), 0), &bytes).unwrap();
        assert!(other.open().recovery.created, "{written} bytes");
    }
}

/// Files whose checksums hold and whose numbers are nonsense: an error, never a panic.
#[test]
fn forged_numbers_are_refused() {
    let (temp, _, _) = small(&[64]);
    let file = segment(&temp.dir(), 0);
    let good = std::fs::read(&file).unwrap();
    let forge = |at: usize, bytes: &[u8]| {
        let mut forged = good[..64].to_vec();
        forged[at..at + bytes.len()].copy_from_slice(bytes);
        let crc = crate::format::crc32c(&forged[..60]);
        forged[60..].copy_from_slice(&crc.to_le_bytes());
        write_at(&file, 0, &forged);
        read(&temp.dir()).unwrap_err()
    };
    let header = |error| match error {
        ReadError::Header { why, .. } => why,
        other => panic!("{other}"),
    };
    let found = header(forge(32, &[0; 8]));
    assert_eq!(found, HeaderFault::FirstSequence { found: 0, expected: 1 });
    assert_eq!(header(forge(12, &[0; 4])), HeaderFault::SegmentBytes(0));
    assert_eq!(header(forge(12, &[0xff; 4])), HeaderFault::SegmentBytes(u32::MAX));
    assert_eq!(header(forge(24, &[0xff; 8])), HeaderFault::Index(u64::MAX));
    assert!(matches!(header(forge(8, &[0; 2])), HeaderFault::Checksum { .. }));

    // A turn that claims the last sequence there is: not the one that comes next.
    write_at(&file, 0, &good);
    let mut frame = good[64..64 + 24 + 64].to_vec();
    frame[8..16].fill(0xff);
    let crc = crate::format::crc32c(&frame[8..]) ^ crate::format::crc32c(&good[16..32]);
    let crc = crc ^ 64 ^ 88_u32.rotate_left(16);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
    write_at(&file, 64, &frame);
    assert_eq!(read(&temp.dir()).unwrap(), (Vec::new(), true));
    std::fs::write(temp.dir().join("9999999999999999.seg"), &good).unwrap();
    assert_eq!(read(&temp.dir()).unwrap(), (Vec::new(), true));
}

/// What a turn left in the live log when its process ended is not found behind the next one.
#[test]
fn the_bytes_of_an_unfinished_turn_are_gone() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 64, 64);
    let mut turn = opened.writer.begin(2);
    turn.space(5000).fill(0x5a);
    std::mem::forget(turn);
    drop(opened);

    let mut reader = Reader::open(&temp.dir(), Some(&temp.live_dir())).unwrap();
    assert_eq!(sizes(&try_read(&mut reader).unwrap()), [(1, 64)]);
    let mut opened = temp.open();
    let cut = opened.recovery.cut.unwrap();
    assert_eq!((cut.why, cut.bytes), (CutReason::Incomplete, 24 + 5000));
    append(&mut opened.writer, 2, 64, 64);
    drop(opened);
    let mut reader = Reader::open(&temp.dir(), Some(&temp.live_dir())).unwrap();
    assert_eq!(sizes(&try_read(&mut reader).unwrap()), [(1, 64), (2, 64)]);
    assert_eq!(temp.open().recovery.cut, None);
}

/// Sectors of a segment whose header never reached the disk are not found behind later turns.
#[test]
fn the_bytes_of_an_unbegun_segment_are_gone() {
    let (temp, _, _) = small(&[64]);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    write_at(&segment(&temp.dir(), 1), 60_000, &[0x5a; 512]);
    let mut opened = temp.open();
    append(&mut opened.writer, 2, 70_000, 1000);
    append(&mut opened.writer, 3, 64, 64);
    sync(&mut opened.syncer);
    drop(opened);
    assert_eq!(read(&temp.dir()).unwrap(), (vec![(1, 64), (2, 70_000), (3, 64)], false));
}

/// A segment that is live and on disk is checked twice: whichever copy has a bad bit is named, and
/// what the other is worth is said.
#[test]
fn both_copies_of_a_segment_are_checked() {
    let (temp, wanted, ends) = small(&[8, 64, 0, 200, 40]);
    let (dir, live_dir) = (temp.dir(), temp.live_dir());
    let (disk, live) = (segment(&dir, 0), segment(&live_dir, 0));
    let look = || verify(&dir, Some(&live_dir), |_| ()).map_err(|unsound| *unsound.why);
    let sound = look().unwrap();
    assert_eq!((sound.copies, sound.turns), (1, wanted.len() as u64));
    for (bad, good) in [(&disk, &live), (&live, &disk)] {
        for at in 0..ends.last().unwrap().0 {
            let byte = read_at(bad, at);
            write_at(bad, at, &[byte ^ 1]);
            let error = look().expect_err("a bad bit");
            if at >= ends[0].0 {
                let ReadError::Copy { file, other, other_bad, .. } = &error else {
                    panic!("byte {at}: {error}")
                };
                assert_eq!((file, other, other_bad), (bad, good, &None), "byte {at}");
                assert!(error.to_string().ends_with("is good"), "{error}");
            } else if at > 3 {
                assert!(error.to_string().contains(bad.to_str().unwrap()), "byte {at}: {error}");
            }
            write_at(bad, at, &[byte]);
        }
    }
    for file in [&disk, &live] {
        write_at(file, ends[2].0 + 30, &[0xaa]);
    }
    let error = look().expect_err("two bad copies");
    assert!(error.to_string().contains("corrupt too, at offset"), "{error}");
}

/// What is live alone is not missed on disk, and what the disk has of an unsynced turn is no fault.
#[test]
fn a_disk_that_is_behind_is_no_bad_copy() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 104, 104);
    let look = || verify(&temp.dir(), Some(&temp.live_dir()), |_| ()).unwrap();
    assert_eq!((look().copies, look().turns), (0, 1));
    sync(&mut opened.syncer);
    let end = append(&mut opened.writer, 2, 104, 104).0;
    assert_eq!((look().copies, look().turns), (1, 2));
    write_at(&segment(&temp.dir(), 0), end - 40, &[7; 16]);
    assert_eq!((look().copies, look().turns), (1, 2));
}

/// A disk that fails to give bytes is an error and not the end of the process. Cutting a file that is mapped is the
/// same to the kernel: it has no bytes to give, and answers a look at them with SIGBUS.
#[test]
fn bytes_that_the_disk_does_not_give_are_an_error() {
    let temp = TempDir::new();
    let mut options = temp.options();
    options.segment_bytes = 1 << 20;
    options.live_segments_kept = 0;
    let mut opened = journal::open(&options).unwrap();
    let mut ends = vec![opened.log.start()];
    for sequence in 1..=6000 {
        prepare(&mut opened.preparer);
        ends.push(append(&mut opened.writer, sequence, 504, 1024));
        sync(&mut opened.syncer);
    }
    prepare(&mut opened.preparer);
    let limit = opened.log.committed();
    let head = SnapshotHead {
        record_version: 1,
        sequence: 6000,
        position: limit,
        last_frame: ends[5999],
        last_checksum: 0,
        time: 0,
        state_hash: 0,
        build: 0,
    };
    let mut snapshot = opened.snapshots.write(&head).unwrap();
    snapshot.part(1, |out| out(&[7; 300_000]));
    snapshot.part(2, |out| out(&[8; 300_000]));
    snapshot.finish().unwrap();

    let mut reader = Reader::open(&temp.dir(), None).unwrap();
    let mut tail = opened.log.tail(opened.log.start());
    let mut archive = opened.log.archive();
    for turn in 1..100 {
        assert_eq!(reader.next().unwrap().unwrap().sequence, turn);
        assert_eq!(tail.next(limit).unwrap().unwrap().sequence, turn);
    }
    assert_eq!(archive.frame(ends[9]).unwrap().sequence, 10);
    let begun = opened.snapshots.open_parts(6000, &[1]).unwrap();
    let cut = |file: &Path, len| {
        OpenOptions::new().write(true).open(file).unwrap().set_len(len).unwrap();
    };
    cut(&segment(&temp.dir(), 0), 704 << 10);
    let is_unread = |error: &ReadError| {
        assert!(matches!(error, ReadError::Io { doing: "read", .. }), "{error}");
        assert!(error.to_string().contains("the disk does not give its bytes"), "{error}");
    };
    let stopped = try_read(&mut reader).unwrap_err();
    is_unread(&stopped);
    is_unread(&reader.next().unwrap_err());
    let failed = loop {
        match tail.next(limit) {
            Ok(frame) => assert!(frame.is_some()),
            Err(error) => break error,
        }
    };
    is_unread(&failed);
    is_unread(&archive.frame(ends[1500]).unwrap_err());
    // What comes after it can be read.
    assert_eq!(archive.frame(ends[9]).unwrap().sequence, 10);
    assert_eq!(archive.frame(ends[5000]).unwrap().sequence, 5001);
    // Who opens it now sees how long it is.
    let error = Reader::open(&temp.dir(), None).and_then(|mut it| Ok(try_read(&mut it)?));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the file ends here") || error.contains("length"), "{error}");

    assert!(begun.part(1).unwrap().iter().all(|byte| *byte == 7));
    cut(&opened.snapshots.path(6000), 400_000);
    assert!(matches!(opened.snapshots.open(6000), Err(SnapshotFault::Short)));
}

/// A pipe keeps whoever opens it waiting until somebody writes.
#[test]
fn a_pipe_is_no_file_of_a_journal() {
    let (temp, ..) = small(&[8, 64]);
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(temp.dir().join(name)).status();
        assert!(made.unwrap().success());
    };
    let sequence = "00000000000000000002";
    pipe(&format!("{sequence}.snap"));
    let log_id = Reader::open(&temp.dir(), None).unwrap().log_id();
    let fault = Snapshots::to_read(&temp.dir(), log_id).open(2).unwrap_err();
    assert!(fault.to_string().contains("no regular file"), "{fault}");
    pipe("retained");
    let error = journal::open(&temp.options()).unwrap_err().to_string();
    assert!(error.contains("retained") && error.contains("no regular file"), "{error}");
    std::fs::remove_file(temp.dir().join("retained")).unwrap();
    pipe("0000000000000001.seg.x");
    std::fs::remove_file(segment(&temp.dir(), 1)).unwrap();
    std::fs::rename(temp.dir().join("0000000000000001.seg.x"), segment(&temp.dir(), 1)).unwrap();
    let error = journal::open(&temp.options()).unwrap_err().to_string();
    assert!(error.contains("no regular file"), "{error}");
}
