//! A journal of a hundred million records, with snapshots and indexes as a venue with the default configuration makes them.
//!
//! ```text
//! target/release/long_journal DIR [COMMANDS [RESTING]]
//! ```
//!
//! 38,000,000 commands, if it is not said otherwise, are some 100,000,000 records in 6 GiB; the snapshots take as much
//! again. The last of them is of the state after six sevenths of the commands, as that of a venue which runs. The
//! first thousand orders, or as many as RESTING says, rest from the beginning to the end.

use std::path::PathBuf;

use benches::fill::{Filler, config, resting_order};
use benches::orders::{Operation, SEED, STANDARD, stream};
use benches::rig::Folder;
use journal::{Opened, SEGMENT_BYTES_DEFAULT};
use venue::Venue;
use venue::snapshots::{Keeper, RetentionConfig, SnapshotConfig};

const COMMANDS: usize = 38_000_000;

/// Orders that stay.
const RESTING: u32 = 1_000;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let dir = PathBuf::from(args.next().expect("a folder for the journal"));
    let mut number = || args.next().and_then(|text| text.to_str()?.parse::<u32>().ok());
    let commands = number().map_or(COMMANDS, |given| given as usize);
    let resting = number().unwrap_or(RESTING);
    let folder = Folder::staying(&dir);
    let config = config(&folder);
    Venue::start(&config).expect("a venue").stop().expect("a clean end");
    let mut filler = Filler::new();
    let resting: Vec<Operation> = (0..resting).map(|n| resting_order(commands, n)).collect();
    filler.fill(&folder, &resting);
    let stream = stream(&STANDARD, SEED, commands).operations;
    let (before, after) = stream.split_at(commands / 7 * 6);
    filler.fill(&folder, before);
    let opened = folder.open(SEGMENT_BYTES_DEFAULT);
    keeper(&opened).make(|| true).expect("a snapshot");
    drop(opened);
    filler.fill(&folder, after);
    drop(filler);
    Venue::start(&config).expect("a venue").stop().expect("a clean end");
    let opened = folder.open(SEGMENT_BYTES_DEFAULT);
    keeper(&opened).make_index(|| true).expect("indexes");
}

fn keeper(opened: &Opened) -> Keeper {
    let every = SnapshotConfig { every_bytes: 1 << 30, keep: 3 };
    let retention = (opened.retirer.clone(), RetentionConfig::default());
    Keeper::new(&opened.log, (&opened.snapshots, every), retention, 50_000_000)
}
