//! Rounds, and what is said of them.

use std::fmt;
use std::time::{Duration, Instant};

use crate::machine;

/// The figures of one bench program, printed as the rows of a Markdown table.
pub struct Bench {
    filters: Vec<String>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, one decimal.
    Ns,
    /// Microseconds, two decimals.
    Us,
    /// Millions a second, two decimals.
    MillionsPerSecond,
    /// Thousands a second, two decimals.
    ThousandsPerSecond,
    /// Gigabytes (10^9 bytes) a second, two decimals.
    GigabytesPerSecond,
    /// Megabytes (10^6 bytes), two decimals.
    Megabytes,
    /// Bytes, one decimal.
    Bytes,
    /// Seconds, two decimals.
    Seconds,
    /// A ratio, two decimals.
    Ratio,
    /// Hundredths, two decimals.
    Percent,
}

/// A figure in the smallest step that its [`Unit`] prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(pub u64);

impl Unit {
    const fn decimals(self) -> usize {
        match self {
            Unit::Ns | Unit::Bytes => 1,
            _ => 2,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Unit::Ns => "ns",
            Unit::Us => "µs",
            Unit::MillionsPerSecond => "M/s",
            Unit::ThousandsPerSecond => "k/s",
            Unit::GigabytesPerSecond => "GB/s",
            Unit::Megabytes => "MB",
            Unit::Bytes => "B",
            Unit::Seconds => "s",
            Unit::Ratio => "×",
            Unit::Percent => "%",
        }
    }
}

struct Printed(Value, Unit);

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.1.decimals();
        let one = if decimals == 1 { 10 } else { 100 };
        write!(f, "{}.{:0decimals$}", self.0.0 / one, self.0.0 % one)
    }
}

impl Value {
    /// [`Unit::Ns`]: time of one of `count` things that took `elapsed` together.
    #[must_use]
    pub fn ns_each(elapsed: Duration, count: u64) -> Value {
        Value(ratio(elapsed.as_nanos() * 10, count.into()))
    }

    /// [`Unit::MillionsPerSecond`].
    #[must_use]
    pub fn millions_per_second(elapsed: Duration, count: u64) -> Value {
        Value(ratio(u128::from(count) * 100_000, elapsed.as_nanos()))
    }

    /// [`Unit::ThousandsPerSecond`].
    #[must_use]
    pub fn thousands_per_second(elapsed: Duration, count: u64) -> Value {
        Value(ratio(u128::from(count) * 100_000_000, elapsed.as_nanos()))
    }

    /// [`Unit::GigabytesPerSecond`].
    #[must_use]
    pub fn gigabytes_per_second(elapsed: Duration, bytes: u64) -> Value {
        Value(ratio(u128::from(bytes) * 100, elapsed.as_nanos()))
    }

    /// [`Unit::Us`].
    #[must_use]
    pub fn us(ns: u64) -> Value {
        Value(ns / 10)
    }

    /// [`Unit::Seconds`].
    #[must_use]
    pub fn seconds(elapsed: Duration) -> Value {
        Value(ratio(elapsed.as_nanos(), 10_000_000))
    }

    /// [`Unit::Megabytes`].
    #[must_use]
    pub fn megabytes(bytes: u64) -> Value {
        Value(bytes / 10_000)
    }

    /// [`Unit::Bytes`]: the share of each of `count` in `bytes`.
    #[must_use]
    pub fn bytes_each(bytes: u64, count: u64) -> Value {
        Value(ratio(u128::from(bytes) * 10, count.into()))
    }

    /// [`Unit::Ratio`].
    #[must_use]
    pub fn ratio(a: u64, b: u64) -> Value {
        Value(ratio(u128::from(a) * 100, b.into()))
    }
}

fn ratio(a: u128, b: u128) -> u64 {
    u64::try_from(a / b.max(1)).unwrap_or(u64::MAX)
}

impl Bench {
    /// A bench program: prints what it runs on. Arguments that are no options choose among its
    /// figures by a part of their names.
    #[must_use]
    pub fn new(name: &str) -> Bench {
        let filters = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        println!("\n## {name}: {}\n", machine::line());
        println!("| figure | median | smallest … largest | rounds |");
        println!("|---|---:|---:|---:|");
        Bench { filters }
    }

    /// Whether the figure is asked for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        let fits = |part: &String| name.contains(part.as_str()) || part.contains(name);
        self.filters.is_empty() || self.filters.iter().any(fits)
    }

    /// Prints what must be known of the next figure.
    pub fn note(&self, text: &str) {
        println!("| {text} | | | |");
    }

    /// Prints the figure of these rounds and returns its median.
    ///
    /// # Panics
    ///
    /// If there is no round.
    pub fn figure(&self, name: &str, unit: Unit, mut rounds: Vec<Value>) -> Value {
        rounds.sort_unstable();
        let median = rounds[rounds.len() / 2];
        let (first, last) = (rounds[0], rounds[rounds.len() - 1]);
        println!(
            "| {name} | {} {} | {} … {} | {} |",
            Printed(median, unit),
            unit.name(),
            Printed(first, unit),
            Printed(last, unit),
            rounds.len()
        );
        median
    }
}

/// The CPU time that `work` takes on this thread: what other programs do meanwhile is not counted, but
/// for the caches that they share.
pub fn cpu_time<R>(work: impl FnOnce() -> R) -> (Duration, R) {
    let start = thread_cpu_time();
    let result = work();
    (thread_cpu_time() - start, result)
}

fn thread_cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// The time on the clock that `work` takes.
pub fn time<R>(work: impl FnOnce() -> R) -> (Duration, R) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// Times in nanoseconds, to be asked for percentiles.
#[derive(Default)]
pub struct Times(Vec<u64>);

impl Times {
    /// None yet, with room for `count`.
    #[must_use]
    pub fn with_capacity(count: usize) -> Times {
        // Touched, so that no page fault is measured.
        let mut times = vec![1; count];
        times.clear();
        Times(times)
    }

    /// Adds one.
    pub fn push(&mut self, ns: u64) {
        self.0.push(ns);
    }

    /// Sorts them.
    #[must_use]
    pub fn sorted(mut self) -> Sorted {
        self.0.sort_unstable();
        Sorted(self.0)
    }
}

/// Sorted times.
pub struct Sorted(Vec<u64>);

impl Sorted {
    /// The time under which `per_mille` of 1,000 are; in nanoseconds.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[must_use]
    pub fn at(&self, per_mille: usize) -> u64 {
        self.0[(self.0.len() * per_mille / 1_000).min(self.0.len() - 1)]
    }
}

/// Runs `work` on a thread of its own on `cpu`. The caller stays where the kernel puts it, and so do the
/// threads it starts: they would inherit a pin.
///
/// # Panics
///
/// If `work` does.
pub fn on_cpu<R: Send>(cpu: usize, work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            pin(cpu);
            work()
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Puts the calling thread on `cpu`; says so if that is not possible.
pub fn pin(cpu: usize) {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
        eprintln!("benches: cannot pin to CPU {cpu}: its figures are not comparable");
    }
}
