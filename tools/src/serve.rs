//! `vesta serve`: runs a venue until it is told to stop.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use venue::config::Mold;
use venue::{Config, Durability, Layout, Shard, Venue};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::operator::Door;
use crate::say;

/// How often a signal is looked for. Unit: milliseconds.
const LOOK_MS: u64 = 100;

/// Runs a venue until SIGINT or SIGTERM, then stops it in order.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vesta serve --config vesta.toml")]
pub struct ServeArgs {
    /// The configuration file; `venue/vesta.toml` is a commented one.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Lets a crash leave a core dump, and other processes of the user look into the memory. Passwords of the
    /// sessions that log on at that moment may be in it.
    #[arg(long)]
    core_dumps: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If the configuration cannot be used, the venue does not start, or it fails.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    if !args.core_dumps {
        keep_memory_to_itself();
    }
    let config = Config::load(&args.config).map_err(Failure::usage)?;
    let interrupt = Interrupt::catch().map_err(Failure::failed)?;
    let venue = Venue::start(&config).map_err(Failure::failed)?;
    // Before the announcement: a script that waits for its last line finds the door.
    let mut door = Door::open(&venue, &config, &args.config)
        .map_err(|error| eprintln!("vesta: no operator can reach this venue: {error}"));
    announce(&config, &venue);
    let mut failed = false;
    while !failed && !interrupt.is_set() {
        failed = venue.wait(Duration::from_millis(LOOK_MS));
        if let Ok(door) = &mut door {
            door.look(&venue);
        }
    }
    drop(door);
    if !failed {
        say!("stopping");
    }
    venue.stop().map_err(Failure::failed)?;
    say!("stopped");
    Ok(())
}

/// No core dump and no debugger of another process: what clients send to log on is in the memory for a moment.
fn keep_memory_to_itself() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("vesta: a crash may leave a core dump: {error}");
    }
}

fn announce(config: &Config, venue: &Venue) {
    let recovery = venue.recovery();
    let journal = config.journal_dir.display();
    if recovery.created {
        say!("journal    {journal}, new");
    } else {
        let from = if recovery.from_live { ", its last turns from the live log" } else { "" };
        say!("journal    {journal}, recovered to sequence {}{from}", recovery.last_sequence);
        if let Some(sequence) = venue.from_snapshot() {
            say!("           from the snapshot of sequence {sequence}");
        }
    }
    if let Some(cut) = &recovery.cut {
        say!("           cut off: {cut}");
    }
    say!("live log   {}", venue.live_dir().display());
    say!(
        "durability {}",
        match config.durability {
            Durability::Memory => "memory: survives the process, the disk follows behind",
            Durability::Disk => "disk: nobody is told before it is synced",
        }
    );
    let layout = match venue.layout() {
        Layout::Auto => "auto",
        Layout::Joined => "joined",
        Layout::Split => "split",
    };
    say!("layout     {layout}");
    say!("traded     {} instruments, {} sessions", config.instruments.len(), config.sessions.len());
    if let Some(address) = venue.soup_addr() {
        say!("itch       SoupBinTCP on {address}");
    }
    announce_multicast("itch", config.mold.as_ref());
    if let Some(address) = venue.requests_addr() {
        say!("itch       requests of MoldUDP64 on {address}");
    }
    if let Some(address) = venue.glimpse_addr() {
        say!("itch       GLIMPSE on {address}");
    }
    if let Some(address) = venue.reference_addr() {
        say!("itch       reference data on http://{address}/instruments.json and .csv");
    }
    for (shard, of) in (1..).zip(venue.shards()) {
        announce_shard(shard, of);
        announce_multicast("", config.shards[shard - 1].mold.as_ref());
    }
    if let Some(address) = venue.tls_addr() {
        say!("tls        FIX under TLS 1.3 on {address}");
    }
    if let Some(address) = venue.ouch_addr() {
        say!("ouch       OUCH 5.0 over SoupBinTCP on {address}");
    }
    if let Some(address) = venue.ouch_tls_addr() {
        say!("tls        OUCH under TLS 1.3 on {address}");
    }
    // Last, so that a script that waits for this line finds everything ready.
    say!("fix        FIX 4.2, 4.4, 5.0 SP2 on {}, we are {}", venue.fix_addr(), config.name);
}

/// Where a feed is multicast.
fn announce_multicast(what: &str, mold: Option<&Mold>) {
    let lines = mold.map(|mold| [("A", Some(&mold.line_a)), ("B", mold.line_b.as_ref())]);
    for (name, line) in lines.into_iter().flatten() {
        let Some(line) = line else { continue };
        say!("{what:<10} MoldUDP64 to {} from {}, line {name}", line.group, line.interface);
    }
}

/// What a shard beside home is.
fn announce_shard(shard: usize, of: &Shard) {
    let (journal, recovery) = (of.journal_dir().display(), of.recovery());
    let count = of.names().instruments.len();
    if recovery.created {
        say!("shard {shard}    {journal}, new; {count} instruments");
    } else {
        let last = recovery.last_sequence;
        say!("shard {shard}    {journal}, recovered to sequence {last}; {count} instruments");
        if let Some(sequence) = of.from_snapshot() {
            say!("           from the snapshot of sequence {sequence}");
        }
    }
    if let Some(cut) = &recovery.cut {
        say!("           cut off: {cut}");
    }
    say!("           live log {}", of.live_dir().display());
    let doors = [
        ("ITCH over SoupBinTCP", of.soup_addr()),
        ("requests of MoldUDP64", of.requests_addr()),
        ("GLIMPSE", of.glimpse_addr()),
        ("reference data", of.reference_addr()),
    ];
    for (what, address) in doors {
        if let Some(address) = address {
            say!("           {what} on {address}");
        }
    }
}
