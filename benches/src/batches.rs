//! What no journal that groups its commits can beat: bytes that are due by the clock, written from memory that is there and
//! synced, and nothing else done. Beside it a thread that does nothing but look at the clock: how late that is, is the machine's.

use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::scope;
use std::time::{Duration, Instant};

use journal::storage::{BLOCK_BYTES, Disk, Storage, StorageFile};

use crate::measure::{Sorted, Times, pin};

/// A batch is written in pieces of this size at most, as the syncer does. Unit: bytes.
const PIECE_BYTES: u64 = 1 << 20;

/// Zeroes for the file after are written in pieces of this size, as the preparer does. Unit: bytes.
const ZEROES_BYTES: u64 = 256 << 10;

/// What is due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Commands in all.
    pub commands: u64,
    /// Commands a millisecond.
    pub per_ms: u64,
    /// Bytes of a command.
    pub bytes: u64,
}

impl Due {
    /// When a command is due.
    fn at(&self, command: u64) -> Duration {
        Duration::from_nanos(command * 1_000_000 / self.per_ms)
    }

    /// How many are due.
    fn upto(&self, now: Duration) -> u64 {
        let due = now.as_nanos() * u128::from(self.per_ms) / 1_000_000;
        u64::try_from(due).unwrap_or(u64::MAX).min(self.commands)
    }

    /// How long after that a moment is. Unit: ns.
    fn late(&self, command: u64, at: Duration) -> u64 {
        let late = at.saturating_sub(self.at(command)).as_nanos();
        u64::try_from(late).unwrap_or(u64::MAX)
    }

    fn file_bytes(&self) -> u64 {
        (self.commands * self.bytes).next_multiple_of(PIECE_BYTES)
    }
}

/// What is asked of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Nothing.
    None,
    /// What is due, as much at a time as is due then, in a file that was written before.
    Batches,
    /// The same, and as many zeroes in another file: a journal needs them that does not write over old segments.
    Zeroes,
    /// The same, and between these two moments no sync comes back.
    Stall(Duration, Duration),
}

/// What came of it.
pub struct Bare {
    /// From when a command was due until the thread that does nothing else saw it.
    pub seen: Sorted,
    /// From when it was due until it was on disk.
    pub durable: Sorted,
}

/// Commands of one sync, and when it was over.
struct Batch {
    from: u64,
    to: u64,
    at: Duration,
}

struct Lanes {
    /// Commands that are written, and in how many batches.
    written: Mutex<(u64, u64)>,
    /// Batches that are synced.
    synced: Mutex<u64>,
    one_more: Condvar,
}

/// Writes and syncs under `folder` what is due: two lanes on the CPU `sync`, as the syncer of a venue with `disk` has them. On the CPU
/// `core` the thread that looks at the clock.
///
/// # Panics
///
/// If the disk fails.
#[must_use]
pub fn bare(folder: &Path, due: Due, (sync, core): (usize, usize), load: Load) -> Bare {
    let (path, ahead) = (folder.join("batches"), folder.join("zeroes"));
    let lanes =
        Lanes { written: Mutex::default(), synced: Mutex::default(), one_more: Condvar::new() };
    let (commands, file_bytes) = (due.commands as usize, due.file_bytes());
    if load != Load::None {
        fill(&path, file_bytes).expect("a file");
        Disk.create(&ahead, file_bytes).expect("room for zeroes");
    }
    let times = Times::with_capacity(commands);
    let start = Instant::now();
    let (seen, batches) = scope(|scope| {
        let mut each = Vec::new();
        if load != Load::None {
            for _ in 0..2 {
                each.push(scope.spawn(|| lane(&lanes, &path, (due, load), (sync, start))));
            }
        }
        if !matches!(load, Load::None | Load::Batches) {
            scope.spawn(|| write_zeroes(&ahead, due, (sync, start)));
        }
        let seen = scope.spawn(move || watch(due, times, (core, start)));
        let batches: Vec<_> = each.into_iter().map(|it| it.join().expect("a lane")).collect();
        (seen.join().expect("the watch"), batches)
    });
    for path in [path, ahead] {
        // Not there without a load.
        let _ = std::fs::remove_file(path);
    }
    let mut durable = Times::with_capacity(commands);
    for batch in batches.iter().flatten() {
        (batch.from..batch.to).for_each(|command| durable.push(due.late(command, batch.at)));
    }
    Bare { seen: seen.sorted(), durable: durable.sorted() }
}

fn watch(due: Due, mut times: Times, (cpu, start): (usize, Instant)) -> Times {
    pin(cpu);
    let mut next = 0;
    while next < due.commands {
        let now = start.elapsed();
        if now >= due.at(next) {
            times.push(due.late(next, now));
            next += 1;
        }
    }
    times
}

fn lane(
    lanes: &Lanes,
    path: &Path,
    (due, load): (Due, Load),
    (cpu, start): (usize, Instant),
) -> Vec<Batch> {
    pin(cpu);
    let file = Disk.open_blocks(path).expect("the file");
    let memory = Memory::new();
    let mut batches = Vec::new();
    loop {
        let mut written = lock(&lanes.written);
        let (from, number) = *written;
        if from == due.commands {
            return batches;
        }
        let to = loop {
            match due.upto(start.elapsed()) {
                to if to > from => break to,
                _ => std::hint::spin_loop(),
            }
        };
        memory.write(&*file, from * due.bytes, to * due.bytes).expect("a batch");
        *written = (to, number + 1);
        drop(written);
        if let Load::Stall(from, to) = load
            && (from..to).contains(&start.elapsed())
        {
            // The stall that is measured: a call of a disk that does not come back.
            std::thread::sleep(to.saturating_sub(start.elapsed()));
        }
        file.sync_data().expect("a sync");
        let mut synced = lock(&lanes.synced);
        while *synced < number {
            synced = lanes.one_more.wait(synced).unwrap_or_else(PoisonError::into_inner);
        }
        batches.push(Batch { from, to, at: start.elapsed() });
        *synced += 1;
        lanes.one_more.notify_all();
    }
}

fn write_zeroes(path: &Path, due: Due, (cpu, start): (usize, Instant)) {
    pin(cpu);
    let file = Disk.open_blocks(path).expect("the file");
    let memory = Memory::new();
    for at in (0..due.file_bytes()).step_by(ZEROES_BYTES as usize) {
        let when = due.at(at / due.bytes);
        // By the clock, as what is written beside it.
        std::thread::sleep(when.saturating_sub(start.elapsed()));
        memory.write(&*file, at, at + ZEROES_BYTES).expect("zeroes");
    }
    file.sync_data().expect("a sync");
}

/// A file whose blocks were all written once.
fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    Disk.create(path, bytes)?;
    let file = Disk.open_blocks(path)?;
    Memory::new().write(&*file, 0, bytes)?;
    file.sync_data()
}

/// Zeroes that a disk can fetch.
struct Memory(Vec<u8>);

impl Memory {
    fn new() -> Memory {
        // Touched.
        Memory(vec![1; PIECE_BYTES as usize + BLOCK_BYTES])
    }

    /// Writes whole blocks from that of `from` to that of `to`.
    fn write(&self, file: &dyn StorageFile, from: u64, to: u64) -> io::Result<()> {
        let block = BLOCK_BYTES as u64;
        let begin = self.0.as_ptr().align_offset(BLOCK_BYTES);
        let (mut at, end) = (from / block * block, to.next_multiple_of(block));
        while at < end {
            let len = (end - at).min(PIECE_BYTES) as usize;
            file.write_at(at, &self.0[begin..begin + len])?;
            at += len as u64;
        }
        Ok(())
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
