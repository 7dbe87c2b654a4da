//! The full turn: ring, core, journal, a tail on another CPU; and the same journal read again.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use benches::fill::{Filler, config, replay, resting_order};
use benches::measure::{Bench, Times, Unit, Value, cpu_time, on_cpu, pin, time};
use benches::orders::{DEEP, OPERATIONS, Operation, Request, SEED, STANDARD, requests, stream};
use benches::rig::{Folder, Helpers, core, push};
use journal::{Log, SEGMENT_BYTES_DEFAULT};
use matcher::{Engine, LIMITS_MAX};
use venue::ring::Requests;
use venue::snapshots::{Keeper, RetentionConfig, SnapshotConfig};
use venue::{Core, Turned, Venue};

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// Set to 1: recovery of 10,000,000 commands instead of 1,000,000.
const FULL: &str = "VESTA_BENCH_FULL";

/// As many as the venue's own ring to the core.
const CELLS: usize = 1 << 14;

/// As the venue's own core takes.
const TURNS_A_ROUND: usize = 256;

/// Three of these are made when the log is opened: enough for a round without a helper.
const SEGMENT_BYTES: u32 = 256 << 20;

const SESSIONS: u32 = 64;

/// Commands of a round.
const COMMANDS: usize = 2_000_000;

const ROUNDS: usize = 5;

fn main() {
    let bench = Bench::new("pipeline");
    if bench.wants("pipeline/hop") {
        hop(&bench);
    }
    if bench.wants("pipeline/turn") || bench.wants("pipeline/replay") {
        let stream = stream(&STANDARD, SEED, OPERATIONS);
        let list = requests(&stream.operations, SESSIONS).list;
        let list = &list[..COMMANDS];
        if bench.wants("pipeline/turn, the core alone") {
            alone(&bench, "pipeline/turn, the core alone", list);
        }
        if bench.wants("pipeline/turn, one at a time") {
            one_at_a_time(&bench, list);
        }
        if bench.wants("pipeline/turn, with the disk") {
            with_disk(&bench, list);
        }
        if bench.wants("pipeline/turn, full") || bench.wants("pipeline/replay") {
            full(&bench, list);
        }
    }
    let deep = "pipeline/turn, the core alone, deep book";
    if bench.wants(deep) {
        let stream = stream(&DEEP, SEED, OPERATIONS);
        alone(&bench, deep, &requests(&stream.operations, SESSIONS).list[..COMMANDS]);
    }
    if bench.wants("pipeline/recovery") {
        recovery(&bench);
    }
    if bench.wants("pipeline/snapshot") {
        snapshot(&bench);
    }
}

type Cell = [u64; 8];

/// A bare SPSC ring of cache lines between the two CPUs: what no pipeline can beat.
fn hop(bench: &Bench) {
    const CELLS_SENT: u64 = 20_000_000;
    const TRIPS: u64 = 500_000;
    let (mut each, mut rate, mut trips) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut to, mut taken) = rtrb::RingBuffer::<Cell>::new(CELLS);
        let consumer = std::thread::spawn(move || {
            pin(0);
            let mut sum = 0;
            let mut got = 0;
            while got < CELLS_SENT {
                if let Ok(cell) = taken.pop() {
                    sum ^= cell[0];
                    got += 1;
                }
            }
            sum
        });
        let (elapsed, sum) = on_cpu(1, || {
            time(|| {
                for n in 0..CELLS_SENT {
                    let mut cell = [n; 8];
                    while let Err(rtrb::PushError::Full(back)) = to.push(cell) {
                        cell = back;
                    }
                }
                consumer.join().expect("the consumer")
            })
        });
        black_box(sum);
        each.push(Value::ns_each(elapsed, CELLS_SENT));
        rate.push(Value::millions_per_second(elapsed, CELLS_SENT));

        let (mut to, mut taken) = rtrb::RingBuffer::<Cell>::new(64);
        let (mut back, mut returned) = rtrb::RingBuffer::<Cell>::new(64);
        let mirror = std::thread::spawn(move || {
            pin(0);
            for _ in 0..TRIPS {
                let cell = spin_for(|| taken.pop().ok());
                back.push(cell).expect("room for one");
            }
        });
        let (elapsed, ()) = on_cpu(1, || {
            time(|| {
                for n in 0..TRIPS {
                    to.push([n; 8]).expect("room for one");
                    black_box(spin_for(|| returned.pop().ok()));
                }
            })
        });
        mirror.join().expect("the mirror");
        trips.push(Value::ns_each(elapsed, TRIPS));
    }
    bench.figure("pipeline/hop, a cell of 64 B", Unit::Ns, each);
    bench.figure("pipeline/hop, cells", Unit::MillionsPerSecond, rate);
    bench.figure("pipeline/hop, there and back", Unit::Ns, trips);
}

#[inline]
fn spin_for<T>(mut take: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = take() {
            return value;
        }
        std::hint::spin_loop();
    }
}

/// The core alone: the ring is filled, then emptied, both on one CPU; only the emptying counts.
fn alone(bench: &Bench, name: &str, list: &[Request]) {
    let mut each = Vec::new();
    for _ in 0..ROUNDS {
        let folder = Folder::in_memory("alone");
        let opened = folder.open(SEGMENT_BYTES);
        let (mut core, mut ring) = core(opened.writer, SESSIONS, CELLS);
        let mut elapsed = Duration::ZERO;
        let mut sent = 0;
        while sent < list.len() {
            while sent < list.len() && push(&mut ring, &list[sent]) {
                sent += 1;
            }
            elapsed += cpu_time(|| while core.turns(TURNS_A_ROUND) != Turned::Idle {}).0;
        }
        assert_eq!(core.refused_for_room(), 0);
        each.push(Value::ns_each(elapsed, list.len() as u64));
    }
    bench.figure(name, Unit::Ns, each);
}

/// A core that spins on CPU 0 until it is told to stop.
fn spawn_core(mut core: Core, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<Core> {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        pin(0);
        while !stop.load(Ordering::Acquire) {
            if core.turns(TURNS_A_ROUND) == Turned::Idle {
                std::hint::spin_loop();
            }
        }
        core
    })
}

/// Sends the requests and follows the journal, in turn, until the last turn was seen.
fn send_and_follow(ring: &mut Requests, log: &Log, list: &[Request], disk: Option<&Helpers>) {
    let mut tail = log.tail(log.committed());
    let (mut sent, mut seen) = (0, 0);
    while seen < list.len() {
        for _ in 0..64 {
            if sent == list.len() || !push(ring, &list[sent]) {
                break;
            }
            sent += 1;
        }
        let limit = log.committed();
        while let Some(frame) = tail.next(limit).expect("a frame") {
            black_box(frame.payload);
            seen += usize::from(frame.last);
        }
        if let Some(helpers) = disk {
            helpers.wake();
        }
    }
}

/// Ring → match → journal → visible to a tail: the core on CPU 0, sender and tail on CPU 1.
fn full(bench: &Bench, list: &[Request]) {
    let (mut rate, mut replayed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = Folder::in_memory("full");
        let opened = folder.open(SEGMENT_BYTES);
        let (core, mut ring) = core(opened.writer, SESSIONS, CELLS);
        let stop = Arc::new(AtomicBool::new(false));
        let core = spawn_core(core, &stop);
        let (elapsed, ()) =
            on_cpu(1, || time(|| send_and_follow(&mut ring, &opened.log, list, None)));
        stop.store(true, Ordering::Release);
        let core = core.join().expect("the core");
        assert_eq!(core.refused_for_room(), 0);
        rate.push(Value::millions_per_second(elapsed, list.len() as u64));

        let (elapsed, turns) = cpu_time(|| replay(&opened.log).turns());
        replayed.push(Value::millions_per_second(elapsed, turns));
    }
    if bench.wants("pipeline/turn, full") {
        bench.figure("pipeline/turn, full", Unit::MillionsPerSecond, rate);
    }
    bench.figure("pipeline/replay, every event compared", Unit::MillionsPerSecond, replayed);
}

/// The same with 64 MiB segments, made ahead and brought to disk meanwhile: four threads on two CPUs.
fn with_disk(bench: &Bench, list: &[Request]) {
    let mut rate = Vec::new();
    for _ in 0..3 {
        let folder = Folder::on_disk(Path::new(DISK), "full");
        let opened = folder.open(SEGMENT_BYTES_DEFAULT);
        let helpers = Helpers::start(opened.syncer, opened.preparer, None);
        let (core, mut ring) = core(opened.writer, SESSIONS, CELLS);
        let stop = Arc::new(AtomicBool::new(false));
        let core = spawn_core(core, &stop);
        let (elapsed, ()) =
            on_cpu(1, || time(|| send_and_follow(&mut ring, &opened.log, list, Some(&helpers))));
        stop.store(true, Ordering::Release);
        let refused = core.join().expect("the core").refused_for_room();
        helpers.stop();
        if refused > 0 {
            bench.note(&format!("with the disk: {refused} orders refused for want of room"));
        }
        rate.push(Value::millions_per_second(elapsed, list.len() as u64));
    }
    bench.figure("pipeline/turn, with the disk", Unit::MillionsPerSecond, rate);
}

/// One command at a time, from the ring to a tail on the sender's CPU.
fn one_at_a_time(bench: &Bench, list: &[Request]) {
    let list = &list[..500_000];
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = Folder::in_memory("single");
        let opened = folder.open(SEGMENT_BYTES);
        let (core, mut ring) = core(opened.writer, SESSIONS, CELLS);
        let stop = Arc::new(AtomicBool::new(false));
        let core = spawn_core(core, &stop);
        let mut times = Times::with_capacity(list.len());
        on_cpu(1, || {
            let mut tail = opened.log.tail(opened.log.committed());
            for request in list {
                let start = Instant::now();
                assert!(push(&mut ring, request));
                spin_for(|| {
                    let limit = opened.log.committed();
                    tail.next(limit).expect("a frame").map(|frame| black_box(frame.payload.len()))
                });
                times.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
        });
        stop.store(true, Ordering::Release);
        core.join().expect("the core");
        let times = times.sorted();
        p50.push(Value(times.at(500) * 10));
        p99.push(Value(times.at(990) * 10));
    }
    bench.figure("pipeline/turn, one at a time, p50", Unit::Ns, p50);
    bench.figure("pipeline/turn, one at a time, p99", Unit::Ns, p99);
}

/// A venue's start from a journal of real orders, with everything it folds from it.
fn recovery(bench: &Bench) {
    let full = std::env::var_os(FULL).is_some_and(|value| value == "1");
    let commands = if full { 10_000_000 } else { 1_000_000 };
    let folder = Folder::on_disk(Path::new(DISK), "recovery");
    let config = config(&folder);
    Venue::start(&config).expect("a venue").stop().expect("a clean end");
    Filler::new().fill(&folder, &stream(&STANDARD, SEED, commands).operations);
    let millions = commands / 1_000_000;
    for (what, lost) in [("in memory too", false), ("from disk alone", true)] {
        let (mut seconds, mut opens, mut replays) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..if full { 1 } else { 3 } {
            if lost {
                folder.lose_memory();
            }
            let (elapsed, venue) = time(|| Venue::start(&config));
            let venue = venue.expect("a venue");
            assert!(venue.last_at_start().0 > commands as u64);
            seconds.push(Value::seconds(elapsed));
            venue.stop().expect("a clean end");
            if lost {
                folder.lose_memory();
            }
            let (elapsed, opened) = time(|| folder.open(SEGMENT_BYTES_DEFAULT));
            opens.push(Value::seconds(elapsed));
            let (elapsed, turns) = cpu_time(|| replay(&opened.log).turns());
            replays.push(Value::millions_per_second(elapsed, turns));
        }
        let name = format!("pipeline/recovery, {millions} M commands, {what}");
        bench.figure(&name, Unit::Seconds, seconds);
        bench.figure(&format!("{name}, opening the log"), Unit::Seconds, opens);
        bench.figure(&format!("{name}, replay alone"), Unit::MillionsPerSecond, replays);
    }
}

/// A start from a snapshot with orders that rest, and the commands since; and the making of that snapshot.
fn snapshot(bench: &Bench) {
    let full = std::env::var_os(FULL).is_some_and(|value| value == "1");
    let (resting, commands) = if full { (1_000_000, 10_000_000) } else { (100_000, 1_000_000) };
    let folder = Folder::on_disk(Path::new(DISK), "snapshot");
    let config = config(&folder);
    Venue::start(&config).expect("a venue").stop().expect("a clean end");
    let (mut filler, rounds) = (Filler::new(), if full { 1 } else { 3 });
    let rest: Vec<Operation> = (0..resting).map(|n| resting_order(commands, n)).collect();
    filler.fill(&folder, &rest);
    let (mut made, mut again, mut loads) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for round in 0..=rounds {
        let opened = folder.open(SEGMENT_BYTES_DEFAULT);
        let config = SnapshotConfig { every_bytes: 1 << 40, keep: 1 };
        let mut keeper = Keeper::new(
            &opened.log,
            (&opened.snapshots, config),
            (opened.retirer.clone(), RetentionConfig::default()),
            10_000_000,
        );
        let (elapsed, snapshot) = time(|| keeper.make(|| true));
        let snapshot = snapshot.expect("a snapshot").expect("something new");
        bytes = snapshot.bytes;
        // The first is made from the whole journal, the others from the one before and one turn.
        let times = if round == 0 { &mut made } else { &mut again };
        times.push(Value::seconds(elapsed));
        let snapshot = opened.snapshots.open(snapshot.state.sequence.0).expect("a snapshot");
        let engine = snapshot.part(1).expect("the engine");
        let (elapsed, engine) = time(|| Engine::load(engine, &LIMITS_MAX));
        assert!(engine.is_ok());
        loads.push(Value::seconds(elapsed));
        drop((keeper, opened));
        filler.fill(&folder, &[resting_order(commands, resting + round)]);
    }
    let name = format!("pipeline/snapshot, {resting} resting");
    bench.figure(&format!("{name}, bytes"), Unit::Megabytes, vec![Value::megabytes(bytes)]);
    bench.figure(&format!("{name}, made from the journal"), Unit::Seconds, made);
    bench.figure(&format!("{name}, made from the one before"), Unit::Seconds, again);
    bench.figure(&format!("{name}, its engine loaded"), Unit::Seconds, loads);
    let starts = || -> Vec<Value> {
        let start = || {
            let (elapsed, venue) = time(|| Venue::start(&config));
            let venue = venue.expect("a venue");
            assert!(venue.from_snapshot().is_some());
            venue.stop().expect("a clean end");
            Value::seconds(elapsed)
        };
        (0..rounds).map(|_| start()).collect()
    };
    bench.figure(&format!("{name}, a start from it"), Unit::Seconds, starts());
    let all = stream(&STANDARD, SEED, commands).operations;
    filler.fill(&folder, &all);
    let name = format!("{name}, a start from it and {commands} commands");
    bench.figure(&name, Unit::Seconds, starts());
}
