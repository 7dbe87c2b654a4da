//! Commands that arrive by the clock, not when the core is ready: what one waits for the core, with a
//! journal that nobody waits for and with one that is synced all the time, and how long it takes to the disk.
//!
//! A round of each after the other, in one program. Times are from the moment a command was due. During the
//! rounds with faults no sync comes back for a second from a third of the round on, and there is no room for a
//! new segment for 0.2 s after that.
//!
//! After them the same amount of bytes by the same clock with no journal at all ([`benches::batches`]): what this disk gives at best, and how
//! late a thread is that only looks at the clock.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use benches::batches::{self, Bare, Due, Load};
use benches::measure::{Bench, Sorted, Times, Unit, Value, on_cpu, pin};
use benches::orders::{OPERATIONS, Request, SEED, STANDARD, requests, stream};
use benches::rig::{Folder, Helpers, core, push};
use journal::storage::{Disk, Storage, StorageFile};
use journal::{Opened, open_with};
use venue::Turned;

/// Where the synced segments go: a folder of the build, so on a disk.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");

/// As a venue has them by default.
const SEGMENT_BYTES: u32 = 64 << 20;

/// `segments_ahead` of the venue: what is written at 1,000,000 commands a second while the disk takes nothing for [`STALL`] and
/// [`FULL`], and what the preparer had not made yet before, has place in them.
const SEGMENTS_AHEAD: u32 = 6;

const SESSIONS: u32 = 64;
const CELLS: usize = 1 << 14;
const ROUNDS: usize = 5;

/// Of a round, unit: seconds.
const ROUND_S: usize = 3;
const ROUND: Duration = Duration::from_secs(ROUND_S as u64);

/// The CPUs of the syncer and of the core.
#[derive(Clone, Copy, Debug)]
struct Cpus {
    sync: usize,
    core: usize,
}

const STALL: Duration = Duration::from_secs(1);
const FULL: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Synced now and then ([`venue::LAZY_SYNC`]), as a venue with `durability = "memory"` does.
    Memory,
    /// Synced whenever there is something to sync.
    Disk,
    /// The same, and the disk stalls and is full for a time.
    Faults,
    /// As [`Kind::Disk`], and a thread that never sleeps is on the syncer's CPU.
    Hogged,
}

/// What the bare rounds ask of the disk.
const LOADS: [(&str, Load); 4] = [
    ("", Load::None),
    (" write and sync of what is due", Load::Batches),
    (" write and sync of what is due, as many zeroes beside it", Load::Zeroes),
    (" write and sync, zeroes, and a stall", Load::Stall(STALL, STALL.saturating_add(STALL))),
];

fn main() {
    let bench = Bench::new("paced");
    let cpus = bare(&bench);
    let stream = stream(&STANDARD, SEED, OPERATIONS);
    let list = requests(&stream.operations, SESSIONS).list;
    for thousands in [250, 1_000] {
        let name = format!("paced/{thousands} k commands/s");
        if bench.wants(&name) {
            rate(&bench, &name, &list, thousands, cpus);
        }
    }
}

/// What no buffered journal can beat: 4 KiB written to a place that was written before, and synced. On CPU 0 and
/// on CPU 1: the syncer gets the one where that is faster, most often the one that the disk interrupts.
fn bare(bench: &Bench) -> Cpus {
    const BLOCK: usize = 4096;
    const BLOCKS: u64 = 2048;
    let folder = Folder::on_disk(Path::new(DISK), "bare");
    let path = folder.dir.with_extension("bare");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
    let file = file.expect("a file");
    for at in 0..BLOCKS {
        file.write_all_at(&[1; BLOCK], at * BLOCK as u64).expect("a block");
    }
    file.sync_all().expect("a sync");
    let mut rounds: [(Vec<Value>, Vec<Value>, u64); 2] = Default::default();
    for _ in 0..ROUNDS {
        for (cpu, (p50, p90, sum)) in rounds.iter_mut().enumerate() {
            let times = on_cpu(cpu, || {
                let mut times = Times::with_capacity(BLOCKS as usize);
                for at in 0..BLOCKS {
                    let start = Instant::now();
                    file.write_all_at(&[2; BLOCK], at * BLOCK as u64).expect("a block");
                    file.sync_data().expect("a sync");
                    times.push(nanos(start.elapsed()));
                }
                times.sorted()
            });
            *sum += times.at(500);
            p50.push(Value::us(times.at(500)));
            p90.push(Value::us(times.at(900)));
        }
    }
    let sync = usize::from(rounds[1].2 < rounds[0].2);
    for (cpu, (p50, p90, _)) in rounds.into_iter().enumerate() {
        let name = format!("paced/bare pwrite and fdatasync of 4 KiB on CPU {cpu}");
        bench.figure(&format!("{name}, p50"), Unit::Us, p50);
        bench.figure(&format!("{name}, p90"), Unit::Us, p90);
    }
    let cpus = Cpus { sync, core: 1 - sync };
    bench.note(&format!("paced: syncer on CPU {sync}, core on CPU {}", cpus.core));
    cpus
}

fn rate(bench: &Bench, name: &str, list: &[Request], thousands: u64, cpus: Cpus) {
    let commands = usize::try_from(thousands * 1_000).unwrap_or(0) * ROUND_S;
    let list: Vec<&Request> = list.iter().take(commands).collect();
    let kinds = [Kind::Memory, Kind::Disk, Kind::Faults, Kind::Hogged];
    let mut rounds: Vec<Vec<Round>> = kinds.iter().map(|_| Vec::new()).collect();
    let mut floors: Vec<Vec<Bare>> = LOADS.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (kind, rounds) in kinds.iter().zip(&mut rounds) {
            rounds.push(round(&list, thousands, *kind, cpus));
        }
        let folder = Folder::on_disk(Path::new(DISK), "batches");
        let commands = list.len() as u64;
        let due = Due { commands, per_ms: thousands, bytes: rounds[0][0].bytes };
        for ((_, load), floor) in LOADS.iter().zip(&mut floors) {
            floor.push(batches::bare(folder.base(), due, (cpus.sync, cpus.core), *load));
        }
    }
    let figure = |what: &str, unit, rounds: &[Round], of: &dyn Fn(&Round) -> u64| {
        let values = rounds.iter().map(|round| Value::us(of(round))).collect();
        bench.figure(&format!("{name}, {what}"), unit, values);
    };
    for (kind, rounds) in kinds.iter().zip(&rounds) {
        let what = match kind {
            Kind::Memory => "memory",
            Kind::Disk => "disk",
            Kind::Faults => "disk that stalls and is full",
            Kind::Hogged => "disk, a busy thread on the syncer's CPU",
        };
        figure(&format!("{what}, to the commit, p50"), Unit::Us, rounds, &|it| it.turns.at(500));
        figure(&format!("{what}, to the commit, p99"), Unit::Us, rounds, &|it| it.turns.at(990));
        figure(&format!("{what}, to the commit, p99.9"), Unit::Us, rounds, &|it| it.turns.at(999));
        if matches!(kind, Kind::Disk | Kind::Hogged) {
            figure(&format!("{what}, to the disk, p50"), Unit::Us, rounds, &|it| {
                it.durable.at(500)
            });
            figure(&format!("{what}, to the disk, p90"), Unit::Us, rounds, &|it| {
                it.durable.at(900)
            });
        }
        let rate = rounds.iter().map(|it| Value::thousands_per_second(it.elapsed, it.taken));
        let rate = rate.collect();
        bench.figure(&format!("{name}, {what}, taken"), Unit::ThousandsPerSecond, rate);
    }
    bench.note(&format!("{name}, {} B of journal a command", rounds[0][0].bytes));
    for ((what, load), floor) in LOADS.iter().zip(&floors) {
        let figure = |of: &str, value: &dyn Fn(&Bare) -> u64| {
            let values = floor.iter().map(|it| Value::us(value(it))).collect();
            bench.figure(&format!("{name}, bare{what}, {of}"), Unit::Us, values);
        };
        figure("to be seen, p99", &|it| it.seen.at(990));
        figure("to be seen, p99.9", &|it| it.seen.at(999));
        if matches!(load, Load::Batches | Load::Zeroes) {
            figure("to the disk, p50", &|it| it.durable.at(500));
            figure("to the disk, p90", &|it| it.durable.at(900));
        }
    }
    let commits = |rounds: &[Round]| rounds.iter().map(|it| it.turns.at(999)).collect::<Vec<_>>();
    let seen = |rounds: &[Bare]| rounds.iter().map(|it| it.seen.at(999)).collect::<Vec<_>>();
    let (memory, nothing) = (commits(&rounds[0]), seen(&floors[0]));
    above(bench, &format!("{name}, disk: p99.9 above memory"), &memory, &commits(&rounds[1]));
    let what = format!("{name}, disk that stalls and is full: p99.9 above memory");
    above(bench, &what, &memory, &commits(&rounds[2]));
    for ((what, _), floor) in LOADS.iter().zip(&floors).skip(1) {
        let what = format!("{name}, bare{what}: p99.9 above one with nothing on the disk");
        above(bench, &what, &nothing, &seen(floor));
    }
}

/// By how much times of one kind are above those of another of the same round. Signed: the smaller of the two may be either.
fn above(bench: &Bench, what: &str, low: &[u64], high: &[u64]) {
    let mut above: Vec<i128> =
        low.iter().zip(high).map(|(a, b)| i128::from(*b) - i128::from(*a)).collect();
    above.sort_unstable();
    bench.note(&format!("{what}, ns: median {}, all {above:?}", above[above.len() / 2]));
}

struct Round {
    /// From due to committed.
    turns: Sorted,
    /// From due to durable.
    durable: Sorted,
    elapsed: Duration,
    taken: u64,
    /// Of the journal, a command.
    bytes: u64,
}

fn round(list: &[&Request], thousands: u64, kind: Kind, cpus: Cpus) -> Round {
    let folder = Folder::on_disk(Path::new(DISK), "paced");
    let disk = Arc::new(BadDisk::new(kind));
    let Opened { writer, syncer, mut preparer, log, .. } =
        open_with(&folder.options(SEGMENT_BYTES), disk).expect("a log");
    preparer.keep_ahead(SEGMENTS_AHEAD);
    while preparer.is_wanted() {
        preparer.step().expect("a segment");
    }
    let (mut core, mut ring) = core(writer, SESSIONS, CELLS);
    let helpers = if kind == Kind::Memory {
        Helpers::start_lazy(syncer, preparer, Some(cpus.sync))
    } else {
        Helpers::start(syncer, preparer, Some(cpus.sync))
    };
    helpers.prepare_when_taken(&log);
    let over = Arc::new(AtomicBool::new(false));
    let hog = (kind == Kind::Hogged).then(|| {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            pin(cpus.sync);
            while !over.load(Ordering::Relaxed) {
                black_box(0);
            }
        })
    });
    let (mut turns, mut durable) =
        (Times::with_capacity(list.len()), Times::with_capacity(list.len()));
    let elapsed = on_cpu(cpus.core, || {
        // Touched, so that no page fault is measured.
        let mut waiting = VecDeque::from(vec![(log.committed(), ROUND); list.len()]);
        waiting.clear();
        let start = Instant::now();
        let mut sent = 0;
        while sent < list.len() {
            let now = start.elapsed();
            let due = Duration::from_nanos(sent as u64 * 1_000_000 / thousands);
            if now >= due {
                assert!(push(&mut ring, list[sent]), "a cell");
                sent += 1;
                while core.turns(1) != Turned::Took(1) {
                    std::hint::spin_loop();
                }
                turns.push(nanos(start.elapsed() - due));
                if kind != Kind::Memory {
                    helpers.wake();
                }
                waiting.push_back((log.committed(), due));
            }
            settle(&mut waiting, &mut durable, log.durable(), now);
        }
        let elapsed = start.elapsed();
        while !waiting.is_empty() {
            helpers.wake();
            settle(&mut waiting, &mut durable, log.durable(), start.elapsed());
        }
        elapsed
    });
    over.store(true, Ordering::Relaxed);
    if let Some(hog) = hog {
        hog.join().expect("the busy thread");
    }
    assert_eq!(core.refused_for_room(), 0);
    let bytes = log.committed().0 / list.len() as u64;
    helpers.stop();
    Round {
        turns: turns.sorted(),
        durable: durable.sorted(),
        elapsed,
        taken: list.len() as u64,
        bytes,
    }
}

fn settle(
    waiting: &mut VecDeque<(journal::Position, Duration)>,
    durable: &mut Times,
    reached: journal::Position,
    now: Duration,
) {
    while let Some((end, due)) = waiting.front() {
        if *end > reached {
            break;
        }
        durable.push(nanos(now.saturating_sub(*due)));
        waiting.pop_front();
    }
}

/// A disk that stalls and is full for a time.
#[derive(Clone, Debug)]
struct BadDisk(Option<Ail>);

#[derive(Clone, Copy, Debug)]
struct Ail {
    stall: (Instant, Instant),
    full: (Instant, Instant),
}

impl BadDisk {
    fn new(kind: Kind) -> BadDisk {
        let ail = (kind == Kind::Faults).then(|| {
            let start = Instant::now();
            let (stall, full) = (start + ROUND / 3, start + ROUND * 7 / 10);
            Ail { stall: (stall, stall + STALL), full: (full, full + FULL) }
        });
        BadDisk(ail)
    }

    fn stall(&self) {
        let now = Instant::now();
        if let Some(Ail { stall: (from, to), .. }) = self.0
            && (from..to).contains(&now)
        {
            // The stall that is measured: a call of a disk that does not come back.
            std::thread::sleep(to - now);
        }
    }

    fn is_full(&self) -> bool {
        self.0.is_some_and(|ail| (ail.full.0..ail.full.1).contains(&Instant::now()))
    }
}

impl Storage for BadDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if self.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.stall();
        Disk.create(path, bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(BadFile { disk: self.clone(), file: Disk.open(path)? }))
    }

    fn open_blocks(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(BadFile { disk: self.clone(), file: Disk.open_blocks(path)? }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
}

#[derive(Debug)]
struct BadFile {
    disk: BadDisk,
    file: Box<dyn StorageFile>,
}

impl StorageFile for BadFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    // By one call, as the disk behind it has it.
    fn write_both_at(&self, offset: u64, first: &[u8], then: &[u8]) -> io::Result<()> {
        self.file.write_both_at(offset, first, then)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.stall();
        self.file.sync_data()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
