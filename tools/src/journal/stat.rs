//! `vesta journal stat`: what a journal holds, counted.

use std::collections::BTreeMap;

use clap::Args;
use journal::Reader;
use matcher::{Event, Timestamp};
use serde_json::json;
use venue::Names;
use venue::turns::{Cutter, Follower, TurnHead};

use crate::failure::Failure;
use crate::journal_reader::{JournalArgs, progress};
use crate::text::{self, Rfc3339};
use crate::{describe, output, say};

#[derive(Args, Debug)]
pub(super) struct StatArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct Counts {
    names: Names,
    turns: u64,
    first: Option<(u64, Timestamp)>,
    last: Option<(u64, Timestamp)>,
    inputs: BTreeMap<&'static str, u64>,
    events: BTreeMap<&'static str, u64>,
}

impl Follower for Counts {
    fn input(&mut self, head: &TurnHead) {
        self.names.input(head);
        let place = (head.input.sequence.0, head.input.timestamp);
        self.turns += 1;
        self.first.get_or_insert(place);
        self.last = Some(place);
        *self.inputs.entry(describe::command_kind(&head.input.command)).or_default() += 1;
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.names.event(head, index, event);
        *self.events.entry(describe::event_kind(event)).or_default() += 1;
    }

    fn end_turn(&mut self, head: &TurnHead) {
        self.names.end_turn(head);
    }
}

pub(super) fn stat(args: &StatArgs) -> Result<(), Failure> {
    let mut reader = args.journal.open()?;
    let segments = reader.segments().map_err(Failure::failed)?;
    let begins = JournalArgs::beginning(&reader);
    let mut counts = Counts { names: args.journal.names(&reader), ..Counts::default() };
    let bar = progress(reader.bytes_total());
    let followed = follow(&mut reader, &mut counts, |at| bar.set_position(at));
    bar.finish_and_clear();
    followed?;
    let (start, cut) = (reader.start(), reader.tail_cut());
    let base = u64::from(reader.segment_bytes()) * reader.first_segment();
    let bytes = reader.position().0 - base;
    let begun = segments.iter().filter(|segment| segment.first_sequence.is_some()).count();
    let live = segments.iter().filter(|segment| segment.live).count();
    let (first, last) = (counts.first, counts.last);
    say!("log        {:016x}", reader.log_id());
    say!(
        "segments   {begun} of {} MiB in use, {live} of them live, {} made ahead",
        reader.segment_bytes() >> 20,
        segments.len() - begun
    );
    if let Some(begins) = &begins {
        say!("beginning  {begins}");
        let kept = reader.retained().map_or(0, journal::Retained::len);
        say!("kept       {} requests of orders that worked then", text::count(kept as u64));
    }
    say!("bytes      {}", text::count(bytes));
    if let (Some(first), Some(last)) = (first, last) {
        say!("sequences  {} to {}", first.0, last.0);
        say!("times      {} to {}", Rfc3339(first.1), Rfc3339(last.1));
    }
    for (what, kinds) in [("inputs", &counts.inputs), ("events", &counts.events)] {
        say!("{what:<10} {}", text::count(kinds.values().sum()));
        for (kind, count) in kinds {
            say!("  {kind:<22} {:>14}", text::count(*count));
        }
    }
    say!(
        "sessions   {}",
        joined(counts.names.sessions.iter().map(|(comp_id, _)| comp_id.as_str()))
    );
    let symbols = counts.names.instruments.iter().map(|instrument| instrument.symbol.as_str());
    say!("traded     {}", joined(symbols));
    if let Some(control) = reader.control() {
        let gone = if args.journal.is_in_use() { "" } else { " is gone" };
        say!("venue      process {}{gone}, durable to position {}", control.pid, control.durable);
    }
    for shard in args.journal.shards() {
        say!("shard      {} has a journal of its own", shard.display());
    }
    if let Some(cut) = cut {
        say!("the end is torn, as after a crash: {cut}");
    }
    if args.json {
        output::json(&json!({
            "log_id": format!("{:016x}", reader.log_id()),
            "segments": begun,
            "segment_bytes": reader.segment_bytes(),
            "bytes": bytes,
            "first_segment": reader.first_segment(),
            "start": start.0,
            "first_sequence": first.map(|place| place.0),
            "last_sequence": last.map(|place| place.0),
            "first_time": first.map(|place| Rfc3339(place.1).to_string()),
            "last_time": last.map(|place| Rfc3339(place.1).to_string()),
            "turns": counts.turns,
            "inputs": counts.inputs,
            "events": counts.events,
            "torn_tail": cut.map(|cut| cut.to_string()),
        }));
    }
    Ok(())
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    words.join(" ")
}

/// Gives every record from the reader's place on to `follower`.
fn follow(
    reader: &mut Reader,
    follower: &mut impl Follower,
    mut at: impl FnMut(u64),
) -> Result<(), Failure> {
    let mut cutter = Cutter::default();
    while let Some(frame) = reader.next().map_err(Failure::failed)? {
        cutter.frame(&frame, follower).map_err(Failure::failed)?;
        if frame.sequence.is_multiple_of(1 << 14) {
            at(frame.end().0);
        }
    }
    Ok(())
}
