//! Snapshots: what is written comes back, what is damaged is refused, what fails was never there.

use std::path::Path;
use std::sync::Arc;

use journal::storage::Disk;
use journal::{
    JournalError, OpenError, Position, ReadError, SnapshotFault, SnapshotHead, Snapshots,
};

use crate::crash::{Fault, FaultyDisk, Image};
use crate::support::{Random, TempDir, append, byte, sync};

const LOG: u64 = 0x0123_4567_89ab_cdef;

fn head(sequence: u64) -> SnapshotHead {
    SnapshotHead {
        record_version: 2,
        sequence,
        position: Position(sequence * 100),
        last_frame: Position(sequence * 100 - 48),
        last_checksum: 0xfeed_beef,
        time: sequence * 1_000,
        state_hash: !sequence,
        build: 7,
    }
}

fn bytes(sequence: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| byte(sequence, at)).collect()
}

/// A snapshot of three parts: of one byte, of none, and of `len` in pieces.
fn write(snapshots: &Snapshots, sequence: u64, len: usize) -> Result<u64, JournalError> {
    let mut writer = snapshots.write(&head(sequence))?;
    writer.part(1, |out| out(&[9]));
    writer.part(9, |_| ());
    writer.part(4, |out| bytes(sequence, len).chunks(1_000).for_each(out));
    writer.finish()
}

fn check(snapshots: &Snapshots, sequence: u64, len: usize) {
    let snapshot = snapshots.open(sequence).unwrap();
    assert_eq!(*snapshot.head(), head(sequence));
    assert_eq!(snapshots.head(sequence).unwrap(), head(sequence));
    assert_eq!(snapshot.part(1), Some(&[9][..]));
    assert_eq!(snapshot.part(9), Some(&[][..]));
    assert_eq!(snapshot.part(4), Some(&bytes(sequence, len)[..]));
    assert_eq!(snapshot.part(2), None);
}

fn store(dir: &Path) -> Snapshots {
    Snapshots::new(dir, LOG, Arc::new(Disk))
}

#[test]
fn what_is_written_comes_back() {
    let temp = TempDir::new();
    let snapshots = store(temp.path());
    assert_eq!(snapshots.list().unwrap(), []);
    // Around the bytes that are written at once.
    for (sequence, len) in (1..).zip([0, 1, 1_048_575, 1_048_576, 1_048_577, 9_000_000]) {
        let bytes = write(&snapshots, sequence, len).unwrap();
        assert_eq!(bytes, std::fs::metadata(snapshots.path(sequence)).unwrap().len());
        check(&snapshots, sequence, len);
    }
    assert_eq!(snapshots.list().unwrap(), [1, 2, 3, 4, 5, 6]);
    // The same turn again: the later file counts.
    write(&snapshots, 6, 10).unwrap();
    check(&snapshots, 6, 10);
    assert_eq!(Snapshots::to_read(&temp.path().join("none"), LOG).list().unwrap(), []);
}

#[test]
fn one_that_is_not_finished_is_not_there() {
    let temp = TempDir::new();
    let snapshots = store(temp.path());
    let mut writer = snapshots.write(&head(1)).unwrap();
    writer.part(1, |out| out(&[1; 100]));
    drop(writer);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let temp = TempDir::new();
    let snapshots = store(temp.path());
    write(&snapshots, 3, 300).unwrap();
    let path = snapshots.path(3);
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, &bytes).unwrap();
            assert!(snapshots.open(3).is_err(), "bit {bit} of byte {at}");
        }
    }
    for len in 0..whole.len() {
        std::fs::write(&path, &whole[..len]).unwrap();
        assert!(snapshots.open(3).is_err(), "cut to {len} bytes");
    }
    let longer = [&whole[..], &[0; 8]].concat();
    std::fs::write(&path, longer).unwrap();
    assert!(matches!(snapshots.open(3), Err(SnapshotFault::Layout)));
    let mut bytes = whole.clone();
    bytes[whole.len() - 8] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    // Damage in a part is no matter to who asks for another.
    let snapshot = snapshots.open_parts(3, &[1]).unwrap();
    assert_eq!((snapshot.part(1), snapshot.part(4)), (Some(&[9][..]), None));
    assert!(matches!(
        snapshots.open_parts(3, &[1, 4]),
        Err(SnapshotFault::Checksum { part: Some(4) })
    ));
    std::fs::write(&path, &whole).unwrap();
    check(&snapshots, 3, 300);
}

#[test]
fn another_log_another_name_and_a_newer_version_are_named() {
    let temp = TempDir::new();
    let snapshots = store(temp.path());
    write(&snapshots, 3, 300).unwrap();
    let other = Snapshots::to_read(temp.path(), LOG + 1);
    assert!(matches!(other.open(3), Err(SnapshotFault::OtherLog { found: LOG, .. })));
    std::fs::copy(snapshots.path(3), snapshots.path(4)).unwrap();
    assert!(matches!(snapshots.open(4), Err(SnapshotFault::Sequence { found: 3 })));
    let mut bytes = std::fs::read(snapshots.path(3)).unwrap();
    bytes[8] = 2;
    std::fs::write(snapshots.path(3), &bytes).unwrap();
    let found = snapshots.open(3).unwrap_err();
    assert!(matches!(found, SnapshotFault::Version { found: 2, ours: 1 }));
    assert!(matches!(snapshots.open(5), Err(SnapshotFault::Io(_))));
}

#[test]
fn random_bytes_behind_a_right_head_never_panic() {
    let temp = TempDir::new();
    let snapshots = store(temp.path());
    write(&snapshots, 3, 64).unwrap();
    let whole = std::fs::read(snapshots.path(3)).unwrap();
    let mut random = Random::new(5);
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        // The table of parts and the number of them, with the checksum made right again.
        for _ in 0..1 + random.below(6) {
            let at = [12, 13, 14, 15, 136 + random.below(72) as usize]
                .get(random.below(5) as usize)
                .copied()
                .unwrap();
            bytes[at] = random.next() as u8;
        }
        let checksum = crc32c(&bytes[..508]);
        bytes[508..512].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(snapshots.path(3), &bytes).unwrap();
        if let Ok(snapshot) = snapshots.open(3) {
            for kind in 0..256 {
                let _ = snapshot.part(kind);
            }
        }
    }
}

/// Bit by bit, as the document says.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn the_oldest_go_and_refused_ones_do_not_count() {
    let temp = TempDir::new();
    let snapshots = store(temp.path());
    for sequence in 1..=6 {
        write(&snapshots, sequence, 10).unwrap();
    }
    assert_eq!(snapshots.prune(6, &[]).unwrap(), []);
    assert_eq!(snapshots.prune(3, &[6, 4]).unwrap(), [1]);
    assert_eq!(snapshots.prune(2, &[]).unwrap(), [2, 3, 4]);
    assert_eq!(snapshots.prune(2, &[6]).unwrap(), []);
    assert_eq!(snapshots.list().unwrap(), [5, 6]);
}

/// What is too old to start from stays as an index, with the parts that are asked for, as long as the log has
/// its place.
#[test]
fn an_index_is_left_of_the_oldest() {
    let temp = TempDir::new();
    let snapshots = store(temp.path());
    for sequence in 1..=5 {
        write(&snapshots, sequence, 10).unwrap();
    }
    let whole = snapshots.open(2).unwrap();
    let (kind, part) = (1, whole.part(1).unwrap().to_vec());
    assert!((2..=6).any(|kind| whole.part(kind).is_some()), "it has more parts than that one");
    snapshots.reduce((2, &[3]), &[kind], Position(0)).unwrap();
    assert_eq!(snapshots.prune(2, &[3]).unwrap(), [1, 2, 3]);
    assert_eq!(snapshots.list().unwrap(), [4, 5]);
    assert_eq!(snapshots.list_all().unwrap(), [1, 2, 4, 5]);
    let index = snapshots.open(2).unwrap();
    assert_eq!((index.head(), index.part(kind)), (whole.head(), Some(&*part)));
    assert!((2..=6).all(|kind| index.part(kind).is_none()));
    let behind = Position(whole.head().position.0 + 1);
    snapshots.reduce((2, &[]), &[kind], behind).unwrap();
    let first = snapshots.head(1).is_ok();
    assert!(!first && snapshots.head(2).is_err() && snapshots.list_all().unwrap() == [4, 5]);
}

/// At every call of the disk the machine ends, or the call fails: the snapshot before is there, and
/// the new one is whole or not there.
#[test]
fn a_crash_while_writing_leaves_a_whole_snapshot_or_none() {
    for fault in [Fault::Stop, Fault::Transient] {
        let mut n = 1;
        loop {
            let mut reached = false;
            for image in [Image::Lost, Image::Written, Image::Torn(n), Image::Torn(n + 1_000)] {
                let temp = TempDir::new();
                write(&store(temp.path()), 1, 2_000).unwrap();
                let disk = FaultyDisk::new(n, fault);
                let faulty = Snapshots::new(temp.path(), LOG, Arc::new(disk.clone()));
                let written = write(&faulty, 2, 3_000_000);
                reached = disk.calls() >= n;
                disk.end(image);
                let snapshots = store(temp.path());
                check(&snapshots, 1, 2_000);
                match written {
                    Ok(_) => check(&snapshots, 2, 3_000_000),
                    Err(_) => assert_eq!(snapshots.list().unwrap(), [1], "{fault:?} at {n}"),
                }
                // The next one finds its way, whatever is left.
                write(&snapshots, 3, 500).unwrap();
                check(&snapshots, 3, 500);
            }
            if !reached {
                break;
            }
            n += 1;
        }
        assert!(n > 6, "only {n} calls");
    }
}

/// What was synced last may be a write that was broken off, for all that the frames can say; a snapshot that
/// has it knows better.
#[test]
fn damage_at_the_end_is_an_error_where_a_snapshot_has_what_was_there() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    let mut ends = Vec::new();
    for sequence in 1..=3 {
        ends.push(append(&mut opened.writer, sequence, 400, 1000));
    }
    sync(&mut opened.syncer);
    let (snapshots, log_id) = (opened.snapshots.clone(), opened.log.log_id());
    drop(opened);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    let segment = temp.dir().join(format!("{:016}.seg", 0));
    let whole = std::fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    damaged[usize::try_from(ends[2].0).unwrap() - 9] ^= 4;
    std::fs::write(&segment, &damaged).unwrap();

    let of = |sequence: u64| SnapshotHead {
        position: ends[usize::try_from(sequence).unwrap() - 1],
        ..head(sequence)
    };
    let made = |sequence: u64, log_id| {
        let snapshots = Snapshots::new(&temp.dir(), log_id, Arc::new(Disk));
        snapshots.write(&of(sequence)).unwrap().finish().unwrap();
    };
    // Those of what is there, and of another log, prove nothing.
    made(2, log_id);
    made(3, log_id ^ 1);
    assert_eq!(journal::verify(&temp.dir(), None, |_| ()).unwrap().last_sequence, 2);
    std::fs::remove_file(snapshots.path(3)).unwrap();

    made(3, log_id);
    let cut = |error: &ReadError| {
        let ReadError::Cut { file, position, sequence, snapshot, known, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((file, snapshot), (&segment, &snapshots.path(3)));
        assert_eq!((*position, *sequence, *known), (ends[1].0, 3, 3));
    };
    let Err(OpenError::Journal(error)) = journal::open(&temp.options()) else { panic!("opened") };
    cut(&error);
    cut(&journal::verify(&temp.dir(), None, |_| ()).unwrap_err().why);
    assert_eq!(std::fs::read(&segment).unwrap(), damaged, "nothing was written");

    std::fs::write(&segment, &whole).unwrap();
    assert_eq!(temp.open().recovery.last_sequence, 3);
    std::fs::remove_dir_all(temp.live_dir()).unwrap();
    // Or the loss is taken.
    std::fs::write(&segment, &damaged).unwrap();
    std::fs::remove_file(snapshots.path(3)).unwrap();
    assert_eq!(temp.open().recovery.last_sequence, 2);
}
