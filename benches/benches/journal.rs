//! The journal alone: appending, getting durable, reading back.

use std::collections::VecDeque;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use benches::measure::{Bench, Times, Unit, Value, cpu_time, on_cpu, pin, time};
use benches::rig::{Folder, Helpers};
use journal::{Opened, Position, Prepared, Reader, SEGMENT_BYTES_DEFAULT, Synced, Writer};
use rustix::fs::{FlockOperation, flock};

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// Bytes of a frame beside its records.
const FRAME_BYTES: usize = 24;

fn main() {
    let bench = Bench::new("journal");
    if let Some(folder) = std::env::var_os(FOLLOWER_ENV) {
        return follow_as_another_process(Path::new(&folder));
    }
    for record in [64, 128, 256] {
        if bench.wants("journal/append") {
            append(&bench, record);
        }
    }
    if bench.wants("journal/bare store") {
        beside_a_bare_store(&bench);
    }
    if bench.wants("journal/segment ahead") {
        segment_ahead(&bench);
    }
    if bench.wants("journal/followed by another process") {
        followed(&bench);
    }
    if bench.wants("journal/durable, one at a time") {
        one_at_a_time(&bench);
    }
    for thousands in [100, 500] {
        let name = format!("journal/durable, {thousands} k turns/s");
        if bench.wants(&name) {
            stream(&bench, &name, thousands);
        }
    }
    if bench.wants("journal/read") {
        read(&bench);
    }
}

#[inline]
fn turn(writer: &mut Writer, sequence: u64, record: &[u8]) -> Position {
    let mut turn = writer.begin(sequence);
    turn.space(record.len()).copy_from_slice(record);
    turn.commit()
}

/// As the core does it: of a size that is known when it is compiled.
#[inline]
fn turn_of<const BYTES: usize>(
    writer: &mut Writer,
    sequence: u64,
    record: &[u8; BYTES],
) -> Position {
    let mut turn = writer.begin(sequence);
    turn.space(BYTES).copy_from_slice(record);
    turn.commit()
}

/// Turns of one record, as many as the first segment holds, with nobody else at work.
fn append(bench: &Bench, record: usize) {
    let bytes = vec![0x5a; record];
    let turns = (SEGMENT_BYTES_DEFAULT as usize - 4096) / (record + FRAME_BYTES + 8);
    let (mut each, mut rate) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let folder = Folder::in_memory("append");
        let mut writer = folder.open(SEGMENT_BYTES_DEFAULT).writer;
        let (elapsed, ()) = cpu_time(|| {
            for sequence in 1..=turns as u64 {
                black_box(turn(&mut writer, sequence, black_box(&bytes)));
            }
        });
        each.push(Value::ns_each(elapsed, turns as u64));
        rate.push(Value::gigabytes_per_second(elapsed, (turns * record) as u64));
    }
    bench.figure(&format!("journal/append, {record} B"), Unit::Ns, each);
    bench.figure(&format!("journal/append, {record} B, records"), Unit::GigabytesPerSecond, rate);
}

/// An event of 64 bytes, and the least that it can cost: copied into memory that was touched, with its
/// CRC32C. Rounds alternate.
fn beside_a_bare_store(bench: &Bench) {
    const RECORD: usize = 64;
    let bytes = [0x5a; RECORD];
    let turns = (SEGMENT_BYTES_DEFAULT as usize - 4096) / (RECORD + FRAME_BYTES + 8);
    let mut memory = vec![1_u8; SEGMENT_BYTES_DEFAULT as usize];
    let (mut bare, mut each, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..21 {
        let (floor, ()) = cpu_time(|| {
            for slot in memory.chunks_exact_mut(RECORD + 8).take(turns) {
                let bytes = black_box(&bytes);
                slot[8..].copy_from_slice(bytes);
                let checksum = crc_fast::crc32_iscsi(&slot[8..]);
                slot[..4].copy_from_slice(&checksum.to_le_bytes());
            }
        });
        black_box(&mut memory);
        let folder = Folder::in_memory("append");
        let mut writer = folder.open(SEGMENT_BYTES_DEFAULT).writer;
        let (elapsed, ()) = cpu_time(|| {
            for sequence in 1..=turns as u64 {
                black_box(turn_of(&mut writer, sequence, black_box(&bytes)));
            }
        });
        bare.push(Value::ns_each(floor, turns as u64));
        each.push(Value::ns_each(elapsed, turns as u64));
        ratio.push(Value::ratio(nanos(elapsed), nanos(floor)));
    }
    bench.figure("journal/bare store, 64 B and CRC32C", Unit::Ns, bare);
    bench.figure("journal/bare store, a turn of one event of 64 B beside it", Unit::Ns, each);
    bench.figure("journal/bare store, the turn to the bare store", Unit::Ratio, ratio);
}

/// What the preparer's thread takes for a segment: of new memory, because somebody has locked the old ones as a reader does, and of that of
/// an old one. Rounds alternate; the zeroes for the disk are in both, beside the disk's own time.
fn segment_ahead(bench: &Bench) {
    const SEGMENT: u32 = 16 << 20;
    const SEGMENTS: u64 = 16;
    let record = vec![0x5a; 32 << 10];
    let (mut of_new, mut again, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..9 {
        let mut elapsed = [Duration::ZERO; 2];
        for (locked, elapsed) in [true, false].into_iter().zip(&mut elapsed) {
            let folder = Folder::on_disk(Path::new(DISK), "ahead");
            let Opened { mut writer, mut syncer, mut preparer, log, .. } = folder.open(SEGMENT);
            let (mut sequence, mut segment, mut locks) = (0, 0, Vec::new());
            // Until the first old ones have gone nothing is used again.
            while segment < SEGMENTS + 6 {
                sequence += 1;
                turn(&mut writer, sequence, &record);
                while syncer.step().expect("a sync") != Synced::Idle {}
                if log.committed().0 / u64::from(SEGMENT) == segment {
                    continue;
                }
                segment += 1;
                if locked {
                    let files = std::fs::read_dir(&folder.live_dir).expect("the live log");
                    for file in files.map(|file| file.expect("a file").path()) {
                        let file = File::open(file).expect("a live segment");
                        flock(&file, FlockOperation::LockShared).expect("a lock");
                        locks.push(file);
                    }
                }
                let (took, ()) =
                    cpu_time(|| while preparer.step().expect("a segment") == Prepared::Made {});
                if segment > 6 {
                    *elapsed += took;
                }
                // Their memory is given back in a moment that is not measured, for our side's sake.
                locks.clear();
            }
        }
        let each =
            |elapsed: Duration| Value::us(nanos(elapsed) / SEGMENTS / u64::from(SEGMENT >> 20));
        of_new.push(each(elapsed[0]));
        again.push(each(elapsed[1]));
        ratio.push(Value::ratio(nanos(elapsed[1]), nanos(elapsed[0])));
    }
    bench.figure("journal/segment ahead, a MiB of new memory", Unit::Us, of_new);
    bench.figure("journal/segment ahead, a MiB of an old one", Unit::Us, again);
    bench.figure("journal/segment ahead, old to new", Unit::Ratio, ratio);
}

/// Set in the process that follows: the folder of the log.
const FOLLOWER_ENV: &str = "VESTA_BENCH_FOLLOWER";

/// Set too if it looks all the time.
const FOLLOWER_SPINS_ENV: &str = "VESTA_BENCH_FOLLOWER_SPINS";

/// How another process waits that has read all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// As `vesta journal tail -f` does.
    Looks,
    /// It looks again at once.
    Spins,
}

/// Between two looks of `vesta journal tail -f`.
const LOOK: Duration = Duration::from_millis(5);

/// The same turns with nobody looking and with another process that reads every frame; rounds alternate.
fn followed(bench: &Bench) {
    const TURNS: u64 = 2_000_000;
    let kinds = [None, Some(Waits::Looks), Some(Waits::Spins)];
    let mut each: [Vec<Value>; 3] = Default::default();
    let mut slower: [Vec<Value>; 3] = Default::default();
    for _ in 0..15 {
        let mut elapsed = [Duration::ZERO; 3];
        for (with, elapsed) in kinds.into_iter().zip(&mut elapsed) {
            let folder = Folder::in_memory("followed");
            let opened = folder.open(256 << 20);
            let mut writer = opened.writer;
            let follower = with.map(|waits| {
                let program = std::env::current_exe().expect("this program");
                let folder = folder.dir.parent().expect("a folder");
                let mut command = Command::new(program);
                command.arg("none").env(FOLLOWER_ENV, folder).stdout(Stdio::piped());
                if waits == Waits::Spins {
                    command.env(FOLLOWER_SPINS_ENV, "1");
                }
                let mut child = command.spawn().expect("a follower");
                let mut said = BufReader::new(child.stdout.take().expect("its output"));
                let mut line = String::new();
                while line != "follows\n" {
                    line.clear();
                    assert!(said.read_line(&mut line).expect("a line") > 0, "no follower");
                }
                (child, said)
            });
            let (took, ()) = on_cpu(1, || {
                cpu_time(|| {
                    for sequence in 1..=TURNS {
                        black_box(turn(&mut writer, sequence, &[0x5a; 128]));
                    }
                })
            });
            *elapsed = took;
            if let Some((mut child, mut said)) = follower {
                let mut line = String::new();
                said.read_line(&mut line).expect("what it saw");
                assert_eq!(line, format!("saw {TURNS}\n"));
                assert!(child.wait().expect("its end").success());
            }
        }
        for (at, elapsed_of) in elapsed.iter().enumerate() {
            each[at].push(Value::ns_each(*elapsed_of, TURNS));
            slower[at].push(Value::ratio(nanos(*elapsed_of), nanos(elapsed[0])));
        }
    }
    let name = "journal/followed by another process";
    for ((kind, each), slower) in kinds.iter().zip(each).zip(slower) {
        let what = match kind {
            None => "nobody looking",
            Some(Waits::Looks) => "looking as tail -f does",
            Some(Waits::Spins) => "looking all the time",
        };
        bench.figure(&format!("{name}, a turn, {what}"), Unit::Ns, each);
        if kind.is_some() {
            let slower_name = format!("{name}, {what}, to nobody looking");
            bench.figure(&slower_name, Unit::Ratio, slower);
        }
    }
}

/// Reads until all turns of [`followed`] were seen: every frame with its checksum, no sequence left out.
fn follow_as_another_process(folder: &Path) {
    const TURNS: u64 = 2_000_000;
    pin(0);
    let live_dir =
        benches::machine::memory_folder().join(folder.file_name().expect("its name")).join("live");
    let mut reader = Reader::open(&folder.join("journal"), Some(&live_dir)).expect("a log");
    tell("follows");
    let spins = std::env::var_os(FOLLOWER_SPINS_ENV).is_some();
    let mut seen = 0;
    while seen < TURNS {
        match reader.next().expect("a frame") {
            Some(frame) => {
                assert!(frame.sequence == seen + 1 && frame.payload == [0x5a; 128]);
                seen += 1;
            }
            None if spins => std::hint::spin_loop(),
            None => std::thread::park_timeout(LOOK),
        }
    }
    tell(&format!("saw {seen}"));
}

/// A line for the process that measures.
fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody who reads");
}

/// Commit, wait until it is durable, again: what one order alone waits for the disk.
fn one_at_a_time(bench: &Bench) {
    const TURNS: u64 = 3_000;
    let (mut p50, mut p99, mut rate) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let folder = Folder::on_disk(Path::new(DISK), "durable");
        let opened = folder.open(SEGMENT_BYTES_DEFAULT);
        let (mut writer, log) = (opened.writer, opened.log);
        let helpers = Helpers::start(opened.syncer, opened.preparer, Some(0));
        let mut times = Times::with_capacity(usize::try_from(TURNS).unwrap_or(0));
        let ((elapsed, ()), times) = on_cpu(1, || {
            let measured = time(|| {
                for sequence in 1..=TURNS {
                    let start = Instant::now();
                    let end = turn(&mut writer, sequence, &[0x5a; 128]);
                    helpers.wake();
                    while log.durable() < end {
                        std::hint::spin_loop();
                    }
                    times.push(nanos(start.elapsed()));
                }
            });
            (measured, times.sorted())
        });
        p50.push(Value::us(times.at(500)));
        p99.push(Value::us(times.at(990)));
        rate.push(Value::thousands_per_second(elapsed, helpers.syncs()));
        helpers.stop();
    }
    bench.figure("journal/durable, one at a time, p50", Unit::Us, p50);
    bench.figure("journal/durable, one at a time, p99", Unit::Us, p99);
    bench.figure("journal/durable, one at a time, syncs", Unit::ThousandsPerSecond, rate);
}

/// Turns at a fixed rate, measured from when each should have been committed.
fn stream(bench: &Bench, name: &str, thousands: u64) {
    let turns = thousands * 1_000;
    let (mut p50, mut p99, mut stall, mut rate) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let folder = Folder::on_disk(Path::new(DISK), "stream");
        let opened = folder.open(SEGMENT_BYTES_DEFAULT);
        let (mut writer, log) = (opened.writer, opened.log);
        let helpers = Helpers::start(opened.syncer, opened.preparer, Some(0));
        let count = usize::try_from(turns).unwrap_or(0);
        let (mut durable, mut appended) =
            (Times::with_capacity(count), Times::with_capacity(count));
        let elapsed = on_cpu(1, || {
            let mut waiting: VecDeque<(Position, Duration)> = VecDeque::with_capacity(count);
            let start = Instant::now();
            let mut sequence = 0;
            let mut settled = 0;
            while settled < turns {
                let now = start.elapsed();
                let intended = Duration::from_nanos(sequence * 1_000_000 / thousands);
                if sequence < turns && now >= intended {
                    sequence += 1;
                    waiting.push_back((turn(&mut writer, sequence, &[0x5a; 128]), intended));
                    appended.push(nanos(start.elapsed() - now));
                    helpers.wake();
                }
                let reached = log.durable();
                while let Some((end, intended)) = waiting.front() {
                    if *end > reached {
                        break;
                    }
                    durable.push(nanos(now.saturating_sub(*intended)));
                    settled += 1;
                    waiting.pop_front();
                }
            }
            start.elapsed()
        });
        let (durable, appended) = (durable.sorted(), appended.sorted());
        p50.push(Value::us(durable.at(500)));
        p99.push(Value::us(durable.at(990)));
        stall.push(Value::us(appended.at(999)));
        rate.push(Value::thousands_per_second(elapsed, helpers.syncs()));
        helpers.stop();
    }
    bench.figure(&format!("{name}, p50"), Unit::Us, p50);
    bench.figure(&format!("{name}, p99"), Unit::Us, p99);
    bench.figure(&format!("{name}, the writer's p99.9"), Unit::Us, stall);
    bench.figure(&format!("{name}, syncs"), Unit::ThousandsPerSecond, rate);
}

/// A log of 2,000,000 turns of 128 bytes, some 300 MB: verified, opened, followed.
fn read(bench: &Bench) {
    const TURNS: u64 = 2_000_000;
    let folder = Folder::on_disk(Path::new(DISK), "read");
    let opened = folder.open(SEGMENT_BYTES_DEFAULT);
    let (mut writer, log) = (opened.writer, opened.log);
    // It holds the log too.
    drop(opened.retirer);
    let helpers = Helpers::start(opened.syncer, opened.preparer, Some(0));
    for sequence in 1..=TURNS {
        while writer.room() < 1 << 20 {
            std::thread::yield_now();
        }
        turn(&mut writer, sequence, &[0x5a; 128]);
    }
    helpers.stop();
    let bytes = log.committed().0;
    drop((writer, log));

    let rate = |elapsed| Value::gigabytes_per_second(elapsed, bytes);
    let verified = (0..5).map(|_| {
        let (elapsed, verified) = cpu_time(|| journal::verify(&folder.dir, None, |_| {}));
        assert_eq!(verified.expect("a log").turns, TURNS);
        rate(elapsed)
    });
    let verified: Vec<Value> = verified.collect();
    bench.figure("journal/read, verified from disk (cached)", Unit::GigabytesPerSecond, verified);

    let mut opens = Vec::new();
    let mut tails = Vec::new();
    for _ in 0..5 {
        let (elapsed, opened) = time(|| folder.open(SEGMENT_BYTES_DEFAULT));
        assert_eq!(opened.recovery.last_sequence, TURNS);
        opens.push(Value::seconds(elapsed));
        let (mut tail, limit) = (opened.log.tail(opened.log.start()), opened.log.committed());
        let (elapsed, turns) = cpu_time(|| {
            let mut turns = 0;
            while let Some(frame) = tail.next(limit).expect("a frame") {
                turns += u64::from(frame.last);
                black_box(frame.payload);
            }
            turns
        });
        assert_eq!(turns, TURNS);
        tails.push(rate(elapsed));
        drop(opened);
        folder.lose_memory();
    }
    bench.figure("journal/read, opened without its memory", Unit::Seconds, opens);
    bench.figure("journal/read, followed by a tail", Unit::GigabytesPerSecond, tails);
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
