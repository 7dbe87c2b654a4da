//! The journal alone: appending, getting durable, reading back.

use std::collections::VecDeque;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use benches::measure::{Bench, Times, Unit, Value, cpu_time, on_cpu, time};
use benches::rig::{Folder, Helpers};
use journal::{Position, SEGMENT_BYTES_DEFAULT, Writer};

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// Bytes of a frame beside its records.
const FRAME_BYTES: usize = 24;

fn main() {
    let bench = Bench::new("journal");
    for record in [64, 128, 256] {
        if bench.wants("journal/append") {
            append(&bench, record);
        }
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
