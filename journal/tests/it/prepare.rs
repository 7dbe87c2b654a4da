//! The segment after the next is made piece by piece, in good time, and at once when it is late; of new memory, or of that of an
//! old one that nobody reads.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use journal::{Opened, Options, Prepared, Reader};

use crate::support::{
    Random, TempDir, Turns, append, prepare, read_log, read_tail, sync, try_read,
};

const PIECE: u64 = 64 << 10;
const SEGMENT: u32 = 4 << 20;

fn live(options: &Options, index: u64) -> PathBuf {
    options.live_dir.join(format!("{index:016}.seg"))
}

/// Which file it is, whatever its name.
fn inode(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().ino()
}

/// Everything in the live folder.
fn files(options: &Options) -> Vec<PathBuf> {
    std::fs::read_dir(&options.live_dir).unwrap().map(|file| file.unwrap().path()).collect()
}

#[test]
fn a_live_segment_grows_by_pieces_while_another_one_is_ready() {
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let Opened { log, mut writer, mut syncer, mut preparer, .. } = journal::open(&options).unwrap();
    assert!(prepare(&mut preparer));
    let mut sequence = 0;
    // Into the next segment, a bit.
    while log.committed().0 <= u64::from(SEGMENT) {
        sequence += 1;
        append(&mut writer, sequence, 60_000, 60_000);
        sync(&mut syncer);
    }
    let next = live(&options, 3);
    let len = || std::fs::metadata(&next).map_or(0, |file| file.len());
    assert_eq!(len(), 0);
    for piece in 1..u64::from(SEGMENT) / PIECE {
        assert_eq!(preparer.step().unwrap(), Prepared::Made);
        assert_eq!(len(), piece * PIECE);
        assert!(preparer.is_wanted());
    }
    assert_eq!(preparer.step().unwrap(), Prepared::Made);
    assert_eq!(len(), SEGMENT.into());
    assert!(!preparer.is_wanted());
}

#[test]
fn a_live_segment_is_made_at_once_when_none_is_ready() {
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let Opened { log, mut writer, mut syncer, mut preparer, .. } = journal::open(&options).unwrap();
    assert!(prepare(&mut preparer));
    let mut sequence = 0;
    while log.committed().0 <= 2 * u64::from(SEGMENT) {
        sequence += 1;
        append(&mut writer, sequence, 60_000, 60_000);
        sync(&mut syncer);
    }
    let next = live(&options, 3);
    // An old one goes first.
    while !next.exists() {
        assert_eq!(preparer.step().unwrap(), Prepared::Made);
    }
    assert_eq!(std::fs::metadata(&next).unwrap().len(), SEGMENT.into());
    // Now that one is ready, the one after it comes by pieces.
    assert_eq!(preparer.step().unwrap(), Prepared::Made);
    assert_eq!(std::fs::metadata(live(&options, 4)).unwrap().len(), PIECE);
}

#[test]
fn as_many_segments_as_are_asked_for_are_ahead_and_the_writer_has_them_all() {
    const ASKED: u32 = 5;
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let Opened { log, mut writer, mut preparer, .. } = journal::open(&options).unwrap();
    preparer.keep_ahead(ASKED);
    assert!(preparer.is_wanted());
    assert!(prepare(&mut preparer));
    assert_eq!(preparer.ready(), ASKED);
    assert!(!preparer.is_wanted());
    // Neither preparer nor syncer takes another step, as with a disk that stalls.
    let mut sequence = 0;
    while log.committed().0 <= u64::from(ASKED) * u64::from(SEGMENT) {
        sequence += 1;
        append(&mut writer, sequence, 60_000, 60_000);
    }
    assert_eq!(preparer.ready(), 0);
    assert!(preparer.is_wanted());
    // Fewer than two, and more than there may ever be, are not possible.
    preparer.keep_ahead(0);
    assert!(prepare(&mut preparer));
    assert_eq!(preparer.ready(), 2);
}

/// A log whose segment 0 is behind and may go, and how many turns there are in it.
fn two_segments_on(options: &Options) -> (Opened, u64) {
    let mut opened = journal::open(options).unwrap();
    assert!(prepare(&mut opened.preparer));
    let mut sequence = 0;
    while opened.log.committed().0 <= 2 * u64::from(SEGMENT) {
        sequence += 1;
        append(&mut opened.writer, sequence, 60_000, 60_000);
        sync(&mut opened.syncer);
        if opened.log.committed().0 <= u64::from(SEGMENT) {
            assert!(prepare(&mut opened.preparer));
        }
    }
    (opened, sequence)
}

#[test]
fn the_memory_of_a_segment_that_nobody_reads_is_used_again_and_zero() {
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let (mut opened, mut sequence) = two_segments_on(&options);
    let old = inode(&live(&options, 0));
    assert!(prepare(&mut opened.preparer));
    assert!(!live(&options, 0).exists());
    let again =
        (2..=5).map(|index| live(&options, index)).find(|file| file.exists() && inode(file) == old);
    let bytes = std::fs::read(again.expect("the same file under a later name")).unwrap();
    assert_eq!(bytes.len(), SEGMENT as usize);
    assert!(bytes.iter().all(|byte| *byte == 0));
    // What is written there is read, by the same process, another one and the next venue.
    let from = opened.log.committed();
    while opened.log.committed().0 <= 5 * u64::from(SEGMENT) {
        sequence += 1;
        append(&mut opened.writer, sequence, 60_000, 60_000);
        sync(&mut opened.syncer);
        assert!(prepare(&mut opened.preparer));
    }
    let mut reader = Reader::open(&options.dir, Some(&options.live_dir)).unwrap();
    reader.seek(from);
    let read = try_read(&mut reader).unwrap();
    assert!(read.len() > 50);
    assert_eq!(read, read_tail(&mut opened.log.tail(from), opened.log.committed()));
    assert_eq!(read_log(&opened.log).len() as u64, sequence);
    drop(opened);
    let opened = journal::open(&options).unwrap();
    assert_eq!(opened.recovery.last_sequence, sequence);
}

#[test]
fn a_segment_that_another_process_reads_is_not_used_again() {
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let (mut opened, sequence) = two_segments_on(&options);
    let old = inode(&live(&options, 0));
    let mut reader = Reader::open(&options.dir, Some(&options.live_dir)).unwrap();
    let mut turns = Turns::default();
    turns.take(&reader.next().unwrap().expect("a frame"));
    assert!(prepare(&mut opened.preparer));
    assert!(!live(&options, 0).exists());
    assert!(files(&options).iter().all(|file| inode(file) != old));
    // It reads what was there.
    while let Some(frame) = reader.next().unwrap() {
        turns.take(&frame);
    }
    assert_eq!(turns.whole().len() as u64, sequence);
    assert_eq!(reader.position(), opened.log.committed());
}

#[test]
fn a_segment_that_is_read_here_is_not_used_again() {
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let (mut opened, sequence) = two_segments_on(&options);
    let old = inode(&live(&options, 0));
    let mut tail = opened.log.tail(opened.log.start());
    let until = opened.log.committed();
    let mut turns = Turns::default();
    turns.take(&tail.next(until).unwrap().expect("a frame"));
    assert!(prepare(&mut opened.preparer));
    assert!(files(&options).iter().all(|file| inode(file) != old));
    while let Some(frame) = tail.next(until).unwrap() {
        turns.take(&frame);
    }
    assert_eq!(turns.whole().len() as u64, sequence);
}

#[test]
fn a_spare_segment_that_a_killed_venue_left_goes_with_the_next_start() {
    let temp = TempDir::new();
    let options = Options { segment_bytes: SEGMENT, ..temp.options() };
    let (mut opened, sequence) = two_segments_on(&options);
    let spare = live(&options, 0).with_extension("spare");
    while !spare.exists() {
        assert_eq!(opened.preparer.step().unwrap(), Prepared::Made);
    }
    drop(opened);
    let opened = journal::open(&options).unwrap();
    assert_eq!(opened.recovery.last_sequence, sequence);
    assert!(!spare.exists());
}

/// Steps of all threads in an order of chance, with ends of the process in between: what the writer committed is in the files that
/// bear the segments' names, whatever becomes of the memory of old ones.
#[test]
fn in_whatever_order_the_threads_get_on_a_killed_process_loses_nothing() {
    const SEGMENT: u32 = 64 << 10;
    let mut used_again = 0;
    for seed in 1..=40 {
        let mut random = Random::new(seed);
        let temp = TempDir::new();
        let options = Options { segment_bytes: SEGMENT, ..temp.options() };
        let mut sequence = 0;
        for _ in 0..4 {
            let mut opened = journal::open(&options).unwrap();
            assert_eq!(opened.recovery.last_sequence, sequence, "seed {seed}");
            // How often the preparer comes for each step of the others.
            let pace = 1 + random.below(12);
            let mut others: Vec<Reader> = Vec::new();
            for _ in 0..random.below(600) {
                match random.below(4 + pace) {
                    0 if opened.writer.room() > 60_000 => {
                        sequence += 1;
                        let bytes = 8 * usize::try_from(1 + random.below(5_000)).unwrap();
                        append(&mut opened.writer, sequence, bytes, bytes);
                    }
                    1 => {
                        opened.syncer.step().unwrap();
                    }
                    2 if random.below(20) == 0 => {
                        others.push(Reader::open(&options.dir, Some(&options.live_dir)).unwrap());
                    }
                    3 if random.below(10) == 0 => others.clear(),
                    _ => {
                        let before = spares(&options);
                        opened.preparer.step().unwrap();
                        used_again += before.saturating_sub(spares(&options));
                    }
                }
                for other in &mut others {
                    other.next().unwrap();
                }
            }
            // As kill -9 leaves it: the live files as they are, synced or not.
            drop(opened);
        }
        let opened = journal::open(&options).unwrap();
        let told: Vec<u64> = read_log(&opened.log).iter().map(|turn| turn.sequence).collect();
        assert_eq!(told, (1..=sequence).collect::<Vec<u64>>(), "seed {seed}");
    }
    assert!(used_again > 100, "memory was used again {used_again} times only");
}

fn spares(options: &Options) -> usize {
    files(options).iter().filter(|file| file.extension().is_some_and(|end| end == "spare")).count()
}
