//! `vesta simulate`: a whole venue, its clients, its disk and its network from one seed.
//!
//! Nothing in a run depends on anything but its seed: one clock, no threads, no sockets, a disk that
//! loses what was not synced. Whoever finds something has a seed that finds it again.
//!
//! The three places to know: `world.rs` (who is due, what ends), `oracle.rs` (what must hold), `plan.rs`
//! (what a seed stands for).

mod disk;
mod faults;
mod hostile;
mod ledger;
mod listener;
mod net;
mod oracle;
mod ouch;
mod plan;
mod sabotage;
mod subscriber;
mod trader;
mod wire;
mod world;

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use clap::Args;
use serde_json::json;

pub use faults::{Counts, Fault, Sabotage};
pub use world::{Outcome, Tracing};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::temporary::TemporaryFolder;
use crate::{output, say};

/// Lines of the trace that are shown of a seed that found something.
const TRACE_LINES: usize = 60;

/// Runs whole venues in simulated time: clients, disk, network and crashes by a seed.
///
/// Each seed is a run of its own, and the same run every time. What it finds, it names with its seed.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  vesta simulate --runs 1000\n  vesta simulate --seed 4711 --trace"
)]
pub struct SimulateArgs {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Seeds at the same time.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Breaks something on purpose, to see that it is found: skip-sync, early-release, drop-resend,
    /// reuse-number or timer-twice.
    #[arg(long)]
    sabotage: Option<String>,
    /// Prints what happens as it happens.
    #[arg(long)]
    trace: bool,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// What many seeds gave.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// Simulated time, ns.
    pub simulated_ns: u128,
    /// Requests of the clients that keep the rules.
    pub commands: u64,
    /// Turns in the journals at the end.
    pub turns: u64,
    /// Starts of venues after their first.
    pub restarts: u64,
    /// Of those, the ones that went on from a snapshot.
    pub from_snapshot: u64,
    /// Segments of journals that went.
    pub retired: u64,
    /// Drop copies, messages of market data and messages of OUCH that were heard.
    pub heard: [u64; 3],
    /// Faults by kind.
    pub counts: Counts,
    /// The first seed that found something, and what.
    pub finding: Option<(u64, String)>,
}

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A panic says which seed it was.
fn name_seed_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(seed) = SEED.get() {
                eprintln!("vesta: seed {seed} panics");
            }
            before(panic);
        }));
    });
}

/// Runs one seed.
///
/// # Errors
///
/// If there is no folder for its files.
pub fn simulate(seed: u64, sabotage: Option<Sabotage>, tracing: Tracing) -> io::Result<Outcome> {
    name_seed_on_panic();
    let folder = TemporaryFolder::new_in_memory("simulate")?;
    SEED.set(Some(seed));
    let run = || world::run(seed, sabotage, folder.path(), tracing);
    // Where panics end the process, the hook has named the seed.
    let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Outcome::panicked(text.unwrap_or_default())
    });
    SEED.set(None);
    Ok(outcome)
}

/// Runs seeds on `threads` threads until they are done, one finds something, or `stop` is set.
///
/// # Errors
///
/// If there is no folder for their files.
pub fn simulate_all(
    seeds: std::ops::Range<u64>,
    threads: usize,
    sabotage: Option<Sabotage>,
    stop: &dyn Fn(&Report) -> bool,
) -> io::Result<Report> {
    let next = AtomicU64::new(seeds.start);
    let over = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    let refused = Mutex::new(None);
    // `stop` is asked by one thread only: whoever finishes a seed asks under the lock.
    let work = || {
        while !over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let outcome = match simulate(seed, sabotage, Tracing::Off) {
                Ok(outcome) => outcome,
                Err(error) => {
                    *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    over.store(true, Ordering::Relaxed);
                    return;
                }
            };
            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
            report.add(seed, outcome);
            if report.finding.is_some() {
                over.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
        let pause = std::time::Duration::from_millis(200);
        loop {
            let now = report.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let done = now.seeds >= seeds.end - seeds.start || over.load(Ordering::Relaxed);
            if stop(&now) {
                over.store(true, Ordering::Relaxed);
            }
            if done {
                return;
            }
            std::thread::park_timeout(pause);
        }
    });
    if let Some(error) = refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Report {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seeds += 1;
        self.simulated_ns += u128::from(outcome.simulated_ns);
        self.commands += outcome.commands;
        self.turns += outcome.turns;
        self.restarts += outcome.restarts;
        self.from_snapshot += outcome.from_snapshot;
        self.retired += outcome.retired;
        for (sum, heard) in self.heard.iter_mut().zip(outcome.heard) {
            *sum += heard;
        }
        self.counts.extend(&outcome.counts);
        if let Some(what) = outcome.finding
            && self.finding.as_ref().is_none_or(|(first, _)| seed < *first)
        {
            self.finding = Some((seed, what));
        }
    }

    /// Simulated hours.
    #[must_use]
    pub fn hours(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // For people.
        let ns = self.simulated_ns as f64;
        ns / 3.6e12
    }
}

/// Runs the command.
///
/// # Errors
///
/// If something is found, or a run cannot be made.
pub fn run(args: &SimulateArgs) -> Result<(), Failure> {
    let sabotage = match &args.sabotage {
        None => None,
        Some(name) => Some(
            Sabotage::named(name)
                .ok_or_else(|| Failure::usage(format!("there is no sabotage {name}")))?,
        ),
    };
    let failed = |error| Failure::failed(format!("no folder for a run: {error}"));
    if args.trace {
        let outcome = simulate(args.seed, sabotage, Tracing::Print).map_err(failed)?;
        return match outcome.finding {
            None => Ok(()),
            Some(what) => Err(Failure::failed(format!("seed {}: {what}", args.seed))),
        };
    }
    let interrupt = Interrupt::catch().map_err(Failure::failed)?;
    let end = args.seed.saturating_add(args.runs);
    let said = Cell::new(0);
    let report = simulate_all(args.seed..end, args.threads, sabotage, &|so_far| {
        // A line for about every tenth of it.
        let tenths = so_far.seeds * 10 / args.runs.max(1);
        if !args.json && args.runs >= 100 && tenths > said.replace(tenths) {
            say!("{} of {} seeds, {:.1} h simulated", so_far.seeds, args.runs, so_far.hours());
        }
        interrupt.is_set()
    });
    let report = report.map_err(failed)?;
    tell(args, &report);
    match &report.finding {
        None => Ok(()),
        Some((seed, what)) => Err(Failure::failed(format!("seed {seed}: {what}"))),
    }
}

fn tell(args: &SimulateArgs, report: &Report) {
    if args.json {
        let faults: serde_json::Map<String, serde_json::Value> = Fault::ALL
            .iter()
            .map(|fault| (fault.name().to_owned(), json!(report.counts.of(*fault))))
            .collect();
        output::json(&json!({
            "seeds": report.seeds,
            "simulated_hours": report.hours(),
            "commands": report.commands,
            "turns": report.turns,
            "restarts": report.restarts,
            "from_snapshot": report.from_snapshot,
            "retired": report.retired,
            "drop_copies": report.heard[0],
            "market_data_messages": report.heard[1],
            "ouch_messages": report.heard[2],
            "faults": faults,
            "fault_kinds": report.counts.kinds(),
            "fault_kinds_known": Fault::ALL.len(),
            "finding": report.finding.as_ref().map(|(seed, what)| json!({ "seed": seed, "what": what })),
        }));
        return;
    }
    if let Some((seed, _)) = &report.finding
        && let Ok(outcome) = simulate(*seed, args.sabotage_of(), Tracing::On)
    {
        let from = outcome.trace.len().saturating_sub(TRACE_LINES);
        say!("the end of seed {seed} (all of it: vesta simulate --seed {seed} --trace):");
        for line in &outcome.trace[from..] {
            say!("{line}");
        }
    }
    say!(
        "{} seeds, {:.1} h simulated, {} requests, {} turns, {} restarts, {} of them from a snapshot; {} \
         segments went; heard were {} drop copies, {} messages of market data, {} of OUCH",
        report.seeds,
        report.hours(),
        report.commands,
        report.turns,
        report.restarts,
        report.from_snapshot,
        report.retired,
        report.heard[0],
        report.heard[1],
        report.heard[2]
    );
    say!(
        "{} faults of {} kinds of {}",
        report.counts.total(),
        report.counts.kinds(),
        Fault::ALL.len()
    );
    for fault in Fault::ALL {
        say!("{:>10}  {}", report.counts.of(*fault), fault.name());
    }
}

impl SimulateArgs {
    fn sabotage_of(&self) -> Option<Sabotage> {
        self.sabotage.as_deref().and_then(Sabotage::named)
    }
}
