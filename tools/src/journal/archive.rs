//! `vesta journal archive`: the first segments of a journal, moved into another folder.

use std::path::PathBuf;

use clap::Args;
use journal::{Reader, Retired};
use matcher::Timestamp;
use serde_json::json;
use venue::snapshots::{Keeper, RetentionConfig, SnapshotConfig};
use venue::turns::read_head;

use super::stopped;
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::moment::Moment;
use crate::{output, say, scan, text};

#[derive(Args, Debug)]
pub(super) struct ArchiveArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// The folder they go to; it is made if its parent is there. It may be in another file system.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// So many of the last segments stay at least.
    #[arg(long, value_name = "SEGMENTS", required_unless_present = "before")]
    keep: Option<u64>,
    /// What is not before this sequence or time stays.
    #[arg(long, value_name = "SEQ|TIME", conflicts_with = "keep")]
    before: Option<String>,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn archive(args: &ArchiveArgs) -> Result<(), Failure> {
    let mut reader = args.journal.open()?;
    let retention = retention(args, &mut reader)?;
    let (segment_bytes, first) = (reader.segment_bytes(), reader.first_segment());
    drop(reader);
    let (opened, _clear) = stopped::open(&args.journal, "keep_mib and archive")?;
    let config = SnapshotConfig { every_bytes: 0, keep: 1 };
    let keeper = Keeper::new(
        &opened.log,
        (&opened.snapshots, config),
        (opened.retirer.clone(), retention),
        u32::MAX,
    );
    let (mut moved, mut last): (u64, Option<Retired>) = (0, None);
    while let Some(retired) = keeper.retire().map_err(Failure::failed)? {
        let retired = retired.map_err(Failure::failed)?;
        moved += retired.segments;
        last = Some(retired);
    }
    match &last {
        None => {
            let oldest = opened.snapshots.list().map_err(Failure::failed)?.first().copied();
            let head = oldest.and_then(|oldest| opened.snapshots.head(oldest).ok());
            let held = head.map_or(String::new(), |head| {
                let segment = head.last_frame.0 / u64::from(segment_bytes);
                format!(
                    "; the oldest snapshot, of sequence {}, needs them from segment {segment} on",
                    head.sequence
                )
            });
            say!("no segment goes: the journal begins with segment {first}{held}");
        }
        Some(retired) => say!(
            "{} segments are in {}; the journal begins with segment {}, sequence {}, and keeps {} requests \
             of orders that work",
            text::count(moved),
            args.to.display(),
            retired.first,
            retired.first_sequence,
            text::count(retired.kept as u64)
        ),
    }
    if args.json {
        output::json(&json!({
            "segments": moved,
            "first_segment": last.as_ref().map_or(first, |retired| retired.first),
            "first_sequence": last.as_ref().map(|retired| retired.first_sequence),
            "kept": last.as_ref().map(|retired| retired.kept),
        }));
    }
    Ok(())
}

/// What stays, in the words of a configuration.
fn retention(args: &ArchiveArgs, reader: &mut Reader) -> Result<RetentionConfig, Failure> {
    let segment_bytes = u64::from(reader.segment_bytes());
    let began = reader.next().map_err(Failure::failed)?;
    let began = began.map(|frame| read_head(&frame)).transpose().map_err(Failure::failed)?;
    let began = began.map_or(Timestamp(0), |head| head.input.timestamp);
    Moment::tell_day(&args.journal, [("--before", args.before.as_ref())]);
    let moment = match &args.before {
        None => None,
        Some(before) => Some(Moment::parse("--before", before, began)?),
    };
    let (keep_bytes, keep_ns) = match moment {
        None => (args.keep.unwrap_or(0).saturating_mul(segment_bytes).max(1), 0),
        Some(Moment::Sequence(sequence)) => {
            let segments = scan::segments(reader)?;
            let from = scan::segment_of(&segments, sequence.0).map_or(0, |it| it.index);
            (reader.bytes_total().saturating_sub(from * segment_bytes).max(1), 0)
        }
        Some(Moment::Time(time)) => (1, last_time(reader)?.0.saturating_sub(time.0)),
    };
    let archive = Some(args.to.clone());
    Ok(RetentionConfig { keep_bytes, keep_ns, archive, archive_command: Vec::new() })
}

/// The time of the last turn.
fn last_time(reader: &mut Reader) -> Result<Timestamp, Failure> {
    let segments = scan::segments(reader)?;
    let mut last = Timestamp(0);
    for segment in segments.iter().rev() {
        reader.seek(scan::start(reader, segment));
        while let Some(frame) = reader.next().map_err(Failure::failed)? {
            if frame.first {
                last = read_head(&frame).map_err(Failure::failed)?.input.timestamp;
            }
        }
        if last.0 > 0 {
            break;
        }
    }
    Ok(last)
}
