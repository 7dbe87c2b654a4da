//! Readers in other threads, in other processes, and far behind.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{Opened, Position, ReadError, Reader};

use crate::support::{Random, TempDir, Turns, append, prepare, read_log, sizes, sync, try_read};

const TURNS: u64 = 5_000;

fn turn_bytes(random: &mut Random) -> usize {
    let bytes = if random.below(200) == 0 { random.below(90_000) } else { random.below(500) };
    bytes as usize & !7
}

fn wanted() -> Vec<(u64, usize)> {
    let mut random = Random::new(5);
    (1..=TURNS).map(|sequence| (sequence, turn_bytes(&mut random))).collect()
}

/// Writes all turns while the other threads of a venue do their part.
fn write_all(opened: Opened) {
    let Opened { mut writer, mut syncer, mut preparer, .. } = opened;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                prepare(&mut preparer);
                std::thread::yield_now();
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                sync(&mut syncer);
                std::thread::yield_now();
            }
            sync(&mut syncer);
        });
        for (sequence, bytes) in wanted() {
            append(&mut writer, sequence, bytes, 256);
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_tail_in_another_thread_sees_every_turn_whole() {
    let temp = TempDir::new();
    let opened = temp.open();
    let log = opened.log.clone();
    std::thread::scope(|scope| {
        let committed = scope.spawn(|| {
            let mut tail = log.tail(log.start());
            let mut turns = Turns::default();
            while turns.turns.len() < TURNS as usize {
                match tail.next(log.committed()).unwrap() {
                    Some(frame) => turns.take(&frame),
                    None => std::thread::yield_now(),
                }
            }
            turns.whole()
        });
        let durable = scope.spawn(|| {
            let mut tail = log.tail(log.start());
            let mut turns = Turns::default();
            while turns.turns.len() < TURNS as usize {
                let limit = log.durable();
                match tail.next(limit).unwrap() {
                    Some(frame) => {
                        assert!(frame.end() <= limit);
                        turns.take(&frame);
                    }
                    None => std::thread::yield_now(),
                }
            }
            turns.whole()
        });
        write_all(opened);
        assert_eq!(sizes(&committed.join().unwrap()), wanted());
        assert_eq!(sizes(&durable.join().unwrap()), wanted());
    });
}

/// Set in the process that only reads: the folder of the journal.
const READER_ENV: &str = "VESTA_JOURNAL_TEST_READER";

/// This test runs itself once more as the process that reads.
#[test]
fn a_reader_in_another_process_sees_every_turn_whole() {
    if let Some(folder) = std::env::var_os(READER_ENV) {
        return read_as_another_process(&PathBuf::from(folder));
    }
    let temp = TempDir::new();
    let opened = temp.open();
    let mut reader = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "follow::a_reader_in_another_process_sees_every_turn_whole",
            "--nocapture",
        ])
        .env(READER_ENV, temp.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    write_all(opened);
    assert!(reader.wait().unwrap().success());
}

fn read_as_another_process(folder: &std::path::Path) {
    let (dir, live_dir) = (folder.join("disk"), folder.join("live"));
    let mut reader = Reader::open(&dir, Some(&live_dir)).unwrap();
    let mut turns = Turns::default();
    while turns.turns.len() < TURNS as usize {
        let position = reader.position();
        match reader.next().unwrap() {
            Some(frame) => {
                assert!(frame.position >= position);
                turns.take(&frame);
            }
            None => std::thread::yield_now(),
        }
    }
    let end = reader.position();
    assert_eq!(sizes(&turns.whole()), wanted());
    let control = reader.control().unwrap();
    assert_eq!((control.log_id, control.committed), (reader.log_id(), end));
    assert!(control.durable <= control.committed);
}

#[test]
fn the_control_file_tells_how_far_the_venue_is() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    let reader = Reader::open(&temp.dir(), Some(&temp.live_dir())).unwrap();
    let start = opened.log.start();
    let control = reader.control().unwrap();
    assert_eq!((control.committed, control.durable), (start, start));
    assert_eq!(control.pid, std::process::id());
    let first = append(&mut opened.writer, 1, 64, 64);
    sync(&mut opened.syncer);
    let second = append(&mut opened.writer, 2, 64, 64);
    opened.log.set_released(first);
    let control = reader.control().unwrap();
    assert_eq!((control.committed, control.durable, control.released), (second, first, first));
    assert_eq!(reader.bytes_total(), second.0);
    assert_eq!(Reader::open(&temp.dir(), None).unwrap().bytes_total(), first.0);
}

#[test]
fn the_archive_finds_any_frame_and_nothing_else() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    let mut at = Vec::new();
    for sequence in 1..=2000 {
        prepare(&mut opened.preparer);
        at.push(opened.log.committed());
        append(&mut opened.writer, sequence, 1000, 1000);
        sync(&mut opened.syncer);
    }
    let mut archive = opened.log.archive();
    let mut random = Random::new(1);
    let mut found = 0;
    for _ in 0..3000 {
        let n = random.below(2000) as usize;
        match archive.frame(at[n]) {
            Ok(frame) => {
                assert_eq!((frame.sequence, frame.position), (n as u64 + 1, at[n]));
                assert_eq!(frame.payload[999], crate::support::byte(n as u64 + 1, 999));
                found += 1;
            }
            // A turn that did not fit there began in the next segment.
            Err(ReadError::NoFrame { position }) => assert_eq!(position, at[n].0),
            Err(other) => panic!("{other}"),
        }
        for off in [4, 8, 512] {
            let inside = Position(at[n].0 + off);
            assert!(matches!(archive.frame(inside), Err(ReadError::NoFrame { .. })));
        }
    }
    assert!(found > 2900, "{found}");
    for nowhere in [0, 8, opened.log.committed().0, u64::MAX / 2] {
        let nothing = archive.frame(Position(nowhere));
        assert!(matches!(nothing, Err(ReadError::NoFrame { .. })), "{nowhere}");
    }
}

/// Its segments leave the live log under a reader that stands still; it reads on, from the mapping it
/// has and then from disk.
#[test]
fn a_reader_that_stands_still_loses_nothing() {
    let temp = TempDir::new();
    let mut opened = temp.open();
    append(&mut opened.writer, 1, 1000, 1000);
    let mut tail = opened.log.tail(opened.log.start());
    let mut reader = Reader::open(&temp.dir(), Some(&temp.live_dir())).unwrap();
    assert_eq!(tail.next(opened.log.committed()).unwrap().unwrap().sequence, 1);
    assert_eq!(reader.next().unwrap().unwrap().sequence, 1);
    for sequence in 2..=500 {
        prepare(&mut opened.preparer);
        append(&mut opened.writer, sequence, 1000, 1000);
        sync(&mut opened.syncer);
    }
    prepare(&mut opened.preparer);
    assert!(!temp.live_dir().join("0000000000000000.seg").exists());
    for sequence in 2..=500 {
        assert_eq!(tail.next(opened.log.committed()).unwrap().unwrap().sequence, sequence);
    }
    assert_eq!(try_read(&mut reader).unwrap().len(), 499);
    assert_eq!(read_log(&opened.log).len(), 500);
}

/// Nobody looks at the clock: each segment that is taken asks for the next one, also in the middle of a
/// turn that is longer than all that is ready.
#[test]
fn a_segment_that_is_taken_asks_for_the_next() {
    let temp = TempDir::new();
    let Opened { mut writer, mut syncer, mut preparer, log, .. } = temp.open();
    let (wake, woken) = std::sync::mpsc::channel();
    log.on_segment_taken(move || wake.send(()).unwrap());
    let segments = 20;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for () in woken.iter().take(segments) {
                assert!(prepare(&mut preparer));
            }
        });
        let mut turn = writer.begin(1);
        for _ in 0..segments {
            turn.space(60_000).fill(7);
        }
        turn.space(60_000).fill(7);
        turn.commit();
    });
    sync(&mut syncer);
    assert_eq!(read_log_bytes(&log), 60_000 * (segments + 1));
}

fn read_log_bytes(log: &journal::Log) -> usize {
    let mut tail = log.tail(log.start());
    let mut bytes = 0;
    while let Some(frame) = tail.next(log.committed()).unwrap() {
        assert!(frame.payload.iter().all(|byte| *byte == 7));
        bytes += frame.payload.len();
    }
    bytes
}
