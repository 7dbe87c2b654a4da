//! Appending, rolling, aborting, following.

use journal::{Position, Reader};

use crate::support::{
    Random, SEGMENT_BYTES, TempDir, append, prepare, read_log, read_tail, sizes, sync, try_read,
};

#[test]
fn what_is_appended_is_read_back() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    assert!(opened.recovery.created);
    assert_eq!(opened.recovery.last_sequence, 0);
    assert_eq!(opened.recovery.end, opened.log.start());
    let mut wanted = Vec::new();
    for (sequence, bytes) in (1..).zip([8, 16, 128, 0, 200, 4096]) {
        let end = append(&mut opened.writer, sequence, bytes, 64);
        assert_eq!(end, opened.log.committed());
        wanted.push((sequence, bytes));
    }
    assert_eq!(sizes(&read_log(&opened.log)), wanted);
}

#[test]
fn a_tail_stops_at_its_limit_and_goes_on_later() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    let mut tail = opened.log.tail(opened.log.start());
    assert_eq!(tail.next(opened.log.committed()).unwrap(), None);
    let first = append(&mut opened.writer, 1, 64, 64);
    let second = append(&mut opened.writer, 2, 64, 64);
    assert_eq!(sizes(&read_tail(&mut tail, Position(second.0 - 8))), [(1, 64)]);
    assert_eq!(tail.position(), first);
    assert_eq!(sizes(&read_tail(&mut tail, second)), [(2, 64)]);
    assert_eq!(tail.next(Position(u64::MAX)).unwrap(), None);
    append(&mut opened.writer, 3, 64, 64);
    assert_eq!(sizes(&read_tail(&mut tail, Position(u64::MAX))), [(3, 64)]);
}

#[test]
fn the_durable_cursor_follows_the_syncer() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    let end = append(&mut opened.writer, 1, 64, 64);
    assert_eq!(opened.log.durable(), opened.log.start());
    sync(&mut opened.syncer);
    assert_eq!(opened.log.durable(), end);
    let mut reader = Reader::open(&temp.dir(), None).unwrap();
    assert_eq!(sizes(&try_read(&mut reader).unwrap()), [(1, 64)]);
    assert_eq!(reader.tail_cut(), None);
}

/// Turns of every size up to several segments, aborted ones among them, through many segments: a tail
/// that is near, one that is far behind, one that starts late, and a reader of files all see the same.
#[test]
fn turns_of_every_size_roll_through_segments() {
    for seed in 1..=6 {
        let temp = TempDir::new();
        let mut opened = temp.open();
        let mut random = Random::new(seed);
        let mut near = opened.log.tail(opened.log.start());
        let mut wanted = Vec::new();
        let mut ends = vec![opened.log.start()];
        for sequence in 1..=300 {
            prepare(&mut opened.preparer);
            let bytes = match random.below(40) {
                0 => random.below(u64::from(2 * SEGMENT_BYTES)),
                1..=4 => random.below(20_000),
                _ => random.below(400),
            } as usize
                & !7;
            let record = 8 * (1 + random.below(64)) as usize;
            if random.below(8) == 0 {
                let room = opened.writer.room();
                let mut turn = opened.writer.begin(sequence);
                let mut at = 0;
                while at < bytes {
                    turn.space(record).fill(0xee);
                    at += record;
                }
                drop(turn);
                // Only the end of a segment that was left for good is gone.
                assert!(opened.writer.room() + record as u64 + 48 >= room);
            }
            ends.push(append(&mut opened.writer, sequence, bytes, record));
            wanted.push((sequence, bytes));
            if random.below(3) == 0 {
                sync(&mut opened.syncer);
            }
            if random.below(5) == 0 {
                let seen = read_tail(&mut near, opened.log.committed());
                let from = wanted.len() - seen.len();
                assert_eq!(sizes(&seen), wanted[from..], "seed {seed}");
            }
        }
        assert_eq!(opened.writer.last_sequence(), 300);
        assert_eq!(sizes(&read_log(&opened.log)), wanted, "seed {seed}");
        for late in [1, 150, 299, 300] {
            let mut tail = opened.log.tail(ends[late]);
            let seen = read_tail(&mut tail, opened.log.committed());
            assert_eq!(sizes(&seen), wanted[late..], "seed {seed}");
        }
        sync(&mut opened.syncer);
        assert_eq!(opened.log.durable(), opened.log.committed());
        prepare(&mut opened.preparer);
        assert_eq!(sizes(&read_log(&opened.log)), wanted, "seed {seed}, from disk");
        for live_dir in [None, Some(temp.live_dir())] {
            let mut reader = Reader::open(&temp.dir(), live_dir.as_deref()).unwrap();
            assert_eq!(sizes(&try_read(&mut reader).unwrap()), wanted, "seed {seed}");
            assert_eq!(reader.tail_cut(), None);
        }
        let live = std::fs::read_dir(temp.live_dir()).unwrap().count();
        assert!(live <= 6, "{live} files: old live segments are gone, seed {seed}");
    }
}
