//! `vesta journal cut`: a range of a journal as a journal of its own.

use std::path::PathBuf;

use clap::Args;
use journal::{Part, Reader};
use matcher::record::RECORD_VERSION;
use matcher::{Sequence, Timestamp};
use serde_json::json;
use venue::turns::read_head;

use crate::failure::Failure;
use crate::journal_reader::{JournalArgs, progress};
use crate::moment::{Range, RangeArgs};
use crate::unfinished::Unfinished;
use crate::{output, say, text};

#[derive(Args, Debug)]
pub(super) struct CutArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// Folder of the new journal; it must not be there yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    range: RangeArgs,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was copied.
#[derive(Default)]
struct Copied {
    turns: u64,
    first: u64,
    last: u64,
}

pub(super) fn cut(args: &CutArgs) -> Result<(), Failure> {
    args.range.range(Timestamp(0))?;
    let mut reader = args.journal.open()?;
    if reader.record_version() != RECORD_VERSION {
        let found = reader.record_version();
        let what =
            format!("its records are of version {found}, this program knows {RECORD_VERSION}");
        return Err(Failure::failed(what));
    }
    args.range.tell_day(&args.journal);
    let (segment_bytes, version) = (reader.segment_bytes(), reader.record_version());
    let (unfinished, mut part) =
        Unfinished::make(&args.out, |dir| Part::create(dir, segment_bytes, version))?;
    let bar = progress(reader.bytes_total());
    let copied = copy(args, &mut reader, &mut part, |at| bar.set_position(at));
    bar.finish_and_clear();
    let copied = copied?;
    let segments = part.end().map_err(Failure::failed)?;
    if copied.turns == 0 {
        return Err(Failure::usage("no turn of the journal is in that range: nothing was made"));
    }
    unfinished.finish()?;
    let replays = Sequence(copied.first).is_first();
    say!(
        "{} turns, sequence {} to {}, in {segments} segments in {}",
        text::count(copied.turns),
        copied.first,
        copied.last,
        args.out.display()
    );
    say!(
        "{}",
        if replays {
            "it begins with the first turn: replay, book and a venue take it like any journal"
        } else {
            "it does not begin with the first turn: it can be printed, verified and exported, with \
             numbers for names; it cannot be replayed, for what was before is not in it"
        }
    );
    if args.json {
        output::json(&json!({
            "turns": copied.turns,
            "first_sequence": copied.first,
            "last_sequence": copied.last,
            "segments": segments,
            "replays": replays,
        }));
    }
    Ok(())
}

fn copy(
    args: &CutArgs,
    reader: &mut Reader,
    part: &mut Part,
    mut at: impl FnMut(u64),
) -> Result<Copied, Failure> {
    let mut copied = Copied::default();
    let (mut range, mut inside): (Option<Range>, _) = (None, false);
    while let Some(frame) = reader.next().map_err(Failure::failed)? {
        if frame.first {
            let head = read_head(&frame).map_err(Failure::failed)?;
            let (sequence, time) = (Sequence(frame.sequence), head.input.timestamp);
            let range = match range {
                Some(range) => range,
                None => *range.insert(args.range.range(time)?),
            };
            if range.is_before(sequence, time) {
                break;
            }
            inside = !range.is_after(sequence, time);
        }
        if frame.last && frame.sequence.is_multiple_of(1 << 14) {
            at(frame.end().0);
        }
        if !inside {
            continue;
        }
        part.append(&frame).map_err(Failure::failed)?;
        if copied.turns == 0 {
            copied.first = frame.sequence;
        }
        copied.turns += u64::from(frame.last);
        copied.last = frame.sequence;
    }
    Ok(copied)
}
