//! `vesta journal`: what is in a journal, and whether it is sound.

mod archive;
mod conversation;
mod cut;
mod index;
mod print;
mod stat;
mod stopped;
mod tail;
mod verify;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// Looks into a journal, of a running venue or of one that is stopped.
#[derive(Args, Debug)]
pub struct JournalCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Counts: segments, sequences, records of each kind, times.
    #[command(after_help = "Example:\n  vesta journal stat journal")]
    Stat(stat::StatArgs),
    /// One line a record, with names and decimals from the journal itself.
    #[command(
        after_help = "Examples:\n  vesta journal print journal --symbol BTC-USD --from 1000 --to 2000\n  \
                            vesta journal print journal --order 4711 --fix\n  \
                            vesta journal print journal --fix CLIENT1 --from 09:31:00\n  \
                            vesta journal print journal --kind traded,canceled --from 09:30:00 --json"
    )]
    Print(print::PrintArgs),
    /// Checks every checksum and sequence, in both copies of what is live and on disk; exit code 1 names
    /// segment, offset and sequence.
    #[command(after_help = "Example:\n  vesta journal verify journal --json")]
    Verify(verify::VerifyArgs),
    /// The last turns, and with -f those that a running venue appends, as it appends them.
    #[command(
        after_help = "Example:\n  vesta journal tail -f journal --symbol BTC-USD --kind traded"
    )]
    Tail(tail::TailArgs),
    /// Copies a range of turns into a new journal. What begins with turn 1 can be replayed; what begins
    /// later can only be read.
    #[command(after_help = "Example:\n  vesta journal cut journal --to 09:31:07 --out morning")]
    Cut(cut::CutArgs),
    /// Moves the first segments of a journal that no venue has open into another folder. What is behind the
    /// oldest snapshot stays, and of orders that work what their reports need.
    #[command(
        after_help = "Examples:\n  vesta journal archive journal --to /srv/old --keep 100\n  \
                            vesta journal archive journal --to /srv/old --before 2026-01-02T00:00:00Z"
    )]
    Archive(archive::ArchiveArgs),
    /// Makes the indexes again that `vesta book` and `vesta explain` begin at, where they are missing, damaged or of
    /// an earlier release: of a journal that no venue has open. A venue that runs does it by itself.
    #[command(after_help = "Example:\n  vesta journal index journal")]
    Index(index::IndexArgs),
}

/// Runs the command.
///
/// # Errors
///
/// If the journal cannot be read to its end or is not sound.
pub fn run(args: &JournalCommand) -> Result<(), Failure> {
    match &args.what {
        What::Stat(args) => stat::stat(args),
        What::Print(args) => print::print(args),
        What::Verify(args) => verify::verify(args),
        What::Tail(args) => tail::tail(args),
        What::Cut(args) => cut::cut(args),
        What::Archive(args) => archive::archive(args),
        What::Index(args) => index::index(args),
    }
}
