//! `vesta journal index`: places where readers of a journal's past begin, made again.

use clap::Args;
use serde_json::json;
use venue::snapshots::{Keeper, RetentionConfig, SnapshotConfig};

use super::stopped;
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::{output, say, text};

/// A venue that starts looks at the newest alone.
const ALL: usize = usize::MAX;

#[derive(Args, Debug)]
pub(super) struct IndexArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// The `snapshot_mib` of the venue: a sixteenth of it is from one index to the next.
    #[arg(long, value_name = "MIB", default_value = "1024", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    snapshot_mib: u64,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn index(args: &IndexArgs) -> Result<(), Failure> {
    let (opened, _clear) = stopped::open(&args.journal, "snapshot_mib")?;
    let config = SnapshotConfig { every_bytes: args.snapshot_mib << 20, keep: 1 };
    let retention = (opened.retirer.clone(), RetentionConfig::default());
    let mut keeper = Keeper::new(&opened.log, (&opened.snapshots, config), retention, u32::MAX);
    let mended = keeper.mend(ALL, || true);
    let made = mended.made + keeper.make_index(|| true).map_err(Failure::failed)?;
    let all = opened.snapshots.list_all().map_err(Failure::failed)?.len();
    say!("{} indexes made; there are {} with the snapshots", made, text::count(all as u64));
    if args.json {
        let failed = mended.failed.iter().map(|(sequence, _)| sequence.0);
        let failed: Vec<u64> = failed.collect();
        output::json(&json!({ "made": made, "indexes": all, "failed": failed }));
    }
    match mended.failed.first() {
        None => Ok(()),
        Some((sequence, why)) => {
            Err(Failure::failed(format!("the index of sequence {sequence} cannot be made: {why}")))
        }
    }
}
