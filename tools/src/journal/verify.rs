//! `vesta journal verify`: whether every byte of a journal is as it was written.

use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::journal_reader::{JournalArgs, progress};
use crate::starting::Starts;
use crate::{output, say, text};

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let reader = args.journal.open()?;
    let (total, begins) = (reader.bytes_total(), JournalArgs::beginning(&reader));
    drop(reader);
    let bar = progress(total);
    let live_dir = args.journal.live_dir();
    let result = journal::verify(&args.journal.dir, live_dir.as_deref(), |at| bar.set_position(at));
    bar.finish_and_clear();
    match result {
        Ok(verified) => {
            let starts = match Starts::check(&args.journal) {
                Ok(starts) => starts,
                Err(failure) => {
                    if args.json {
                        output::json(&json!({ "ok": false, "why": failure.to_string() }));
                    }
                    return Err(failure);
                }
            };
            say!(
                "{} turns in {} segments are sound: sequence {} to {}, {} bytes",
                text::count(verified.turns),
                verified.segments,
                verified.first_sequence,
                verified.last_sequence,
                text::count(verified.bytes)
            );
            if let Some(begins) = begins {
                say!(
                    "{begins}; {} requests of them are kept, and sound",
                    text::count(verified.kept)
                );
            }
            for shard in args.journal.shards() {
                say!("{} is a journal of its own, and was not looked at", shard.display());
            }
            if verified.copies > 0 {
                say!("{} of them are live and on disk: both copies are sound", verified.copies);
            }
            if starts.good > 0 {
                say!("{} snapshots to start from are sound", starts.good);
            }
            for refused in &starts.refused {
                say!("{refused}");
            }
            if let Some(cut) = verified.torn_tail {
                say!("the end is torn, as after a crash: {cut}");
            }
            if args.json {
                output::json(&json!({
                    "ok": true,
                    "copies": verified.copies,
                    "segments": verified.segments,
                    "first_segment": verified.first_segment,
                    "kept": verified.kept,
                    "frames": verified.frames,
                    "turns": verified.turns,
                    "first_sequence": verified.first_sequence,
                    "last_sequence": verified.last_sequence,
                    "bytes": verified.bytes,
                    "snapshots": starts.good,
                    "bad_snapshots": starts.refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "torn_tail": verified.torn_tail.map(|cut| cut.to_string()),
                }));
            }
            Ok(())
        }
        Err(error) => {
            if args.json {
                output::json(&json!({
                    "ok": false,
                    "why": error.to_string(),
                    "segment": error.segment,
                    "offset": error.offset,
                    "sequence": error.sequence,
                }));
            }
            Err(Failure::failed(error))
        }
    }
}
