//! A whole journal looked through on every processor: each takes the next segment.
//!
//! What is looked for is found by the bytes of a record's head (`journal/FORMAT.md`), and only what may
//! be it is decoded. A hundred million records in memory take about a second on two processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use journal::{Frame, Position, Reader, SegmentInfo};

use venue::turns::{TurnHead, read_head};

use crate::failure::Failure;
use crate::journal_reader::JournalArgs;

/// The segments of a journal that are begun.
///
/// # Errors
///
/// If they cannot be looked at.
pub fn segments(reader: &Reader) -> Result<Vec<SegmentInfo>, Failure> {
    let segments = reader.segments().map_err(Failure::failed)?;
    Ok(segments.into_iter().filter(|segment| segment.first_sequence.is_some()).collect())
}

/// Where the last segment ends that is begun: nothing stands behind it.
///
/// # Errors
///
/// As [`segments`].
pub fn end(reader: &Reader) -> Result<Position, Failure> {
    let last = segments(reader)?.last().map(|last| last.index + 1);
    Ok(Position(last.unwrap_or(0) * u64::from(reader.segment_bytes())))
}

/// The segment that the turn `sequence` begins in, or the last one.
#[must_use]
pub fn segment_of(segments: &[SegmentInfo], sequence: u64) -> Option<&SegmentInfo> {
    let behind = segments.partition_point(|it| it.first_sequence.is_some_and(|it| it <= sequence));
    segments.get(behind.checked_sub(1)?)
}

/// Where a segment begins.
#[must_use]
pub fn start(reader: &Reader, segment: &SegmentInfo) -> Position {
    Position(segment.index * u64::from(reader.segment_bytes()))
}

/// Shows `look` every frame, those of the turns that begin in one segment with one `T`; gives the `T`s
/// in the order of the segments. `done` is told of each segment.
///
/// # Errors
///
/// If the journal cannot be read.
pub fn scan<T: Default + Send>(
    journal: &JournalArgs,
    look: impl Fn(&mut T, &Frame<'_>) + Sync,
    done: impl Fn(u64) + Sync,
) -> Result<Vec<T>, Failure> {
    scan_segments(journal, &segments(&journal.open()?)?, look, done)
}

/// The same for some of the segments.
///
/// # Errors
///
/// As [`scan`].
pub fn scan_segments<T: Default + Send>(
    journal: &JournalArgs,
    segments: &[SegmentInfo],
    look: impl Fn(&mut T, &Frame<'_>) + Sync,
    done: impl Fn(u64) + Sync,
) -> Result<Vec<T>, Failure> {
    let bytes = u64::from(journal.open()?.segment_bytes());
    let whole = |segment: &SegmentInfo| {
        let from = segment.index * bytes;
        Span { from: Position(from), to: Position(from + bytes) }
    };
    let spans: Vec<Span> = segments.iter().map(whole).collect();
    scan_spans(journal, &spans, look, done)
}

/// A part of one segment: the turns that begin in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins: where a turn does, or the segment.
    pub from: Position,
    /// It ends before this.
    pub to: Position,
}

/// What stands from one position to another, in spans.
#[must_use]
pub fn spans(reader: &Reader, from: Position, to: Position) -> Vec<Span> {
    let bytes = u64::from(reader.segment_bytes());
    let span = |index: u64| {
        let (begin, end) = (Position(index * bytes), Position((index + 1) * bytes));
        Span { from: from.max(begin), to: to.min(end) }
    };
    (from.0 / bytes..to.0.div_ceil(bytes)).map(span).collect()
}

/// The same for some spans.
///
/// # Errors
///
/// As [`scan`].
pub fn scan_spans<T: Default + Send>(
    journal: &JournalArgs,
    spans: &[Span],
    look: impl Fn(&mut T, &Frame<'_>) + Sync,
    done: impl Fn(u64) + Sync,
) -> Result<Vec<T>, Failure> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<(), Failure> {
        let mut reader = journal.open()?;
        while let Some(span) = spans.get(next.fetch_add(1, Ordering::Relaxed)) {
            let seen = scan_span(&mut reader, span, &look)?;
            found.lock().map_err(Failure::failed)?.push((span.from, seen));
            done(span.to.0 - span.from.0);
        }
        Ok(())
    };
    let threads = processors().min(spans.len());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Result<(), Failure>>| {
            worker.join().unwrap_or_else(|_| Err(Failure::failed("a scan of a segment failed")))
        };
        workers.into_iter().try_for_each(join)
    })?;
    let mut found = found.into_inner().map_err(Failure::failed)?;
    found.sort_unstable_by_key(|(from, _)| *from);
    Ok(found.into_iter().map(|(_, seen)| seen).collect())
}

/// How many segments are looked through at the same time.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn scan_span<T: Default>(
    reader: &mut Reader,
    span: &Span,
    look: &(impl Fn(&mut T, &Frame<'_>) + Sync),
) -> Result<T, Failure> {
    reader.seek(span.from);
    let (mut seen, mut inside) = (T::default(), false);
    while let Some(frame) = reader.next().map_err(Failure::failed)? {
        if frame.first {
            if frame.position >= span.to {
                break;
            }
            inside = true;
        }
        // What a turn of the segment before has left over is its part.
        if inside {
            look(&mut seen, &frame);
        }
    }
    Ok(seen)
}

/// Kinds of Inputs that say what the rules are.
const RULES: [u8; 8] = [1, 2, 3, 15, 16, 17, 18, 19];

/// The Inputs of a journal that say what the rules are.
///
/// # Errors
///
/// If the journal cannot be read.
pub fn rules(journal: &JournalArgs) -> Result<Vec<TurnHead>, Failure> {
    let look = |seen: &mut Vec<TurnHead>, frame: &Frame<'_>| {
        if frame.first && frame.payload.get(2).is_some_and(|kind| RULES.contains(kind)) {
            seen.extend(read_head(frame));
        }
    };
    Ok(scan(journal, look, |_| {})?.concat())
}

/// The records of a frame, as bytes.
pub struct Records<'a>(pub &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_le_bytes([*self.0.first()?, *self.0.get(1)?]));
        let (record, rest) = self.0.split_at_checked(length.max(8))?;
        self.0 = rest;
        Some(record)
    }
}

/// Kinds of records, at offset 2.
pub mod kind {
    #![allow(missing_docs)] // FORMAT.md has them.

    pub const DEFINE_INSTRUMENT: u8 = 2;
    pub const DEFINE_SESSION: u8 = 3;
    pub const NEW: u8 = 5;
    pub const CANCEL: u8 = 6;
    pub const REPLACE: u8 = 7;
    pub const STATUS: u8 = 9;
    pub const REFUSE: u8 = 10;
    pub const NEW_SPECIAL: u8 = 13;
    pub const REPLACE_STOP: u8 = 14;
    pub const RESTED: u8 = 71;
    pub const TRADED: u8 = 72;
    pub const CANCELED: u8 = 73;
    pub const REPLACED: u8 = 74;
    pub const BUST: u8 = 22;
    pub const HELD: u8 = 81;
    pub const RESTATED: u8 = 83;
    pub const REPLENISHED: u8 = 84;
    pub const BUSTED: u8 = 87;
}

/// Four bytes of a record, or 0 past its end.
#[inline]
#[must_use]
pub fn u32_at(record: &[u8], at: usize) -> u32 {
    let Some(Ok(raw)) = record.get(at..at + 4).map(<[u8; 4]>::try_from) else { return 0 };
    u32::from_le_bytes(raw)
}

/// Eight bytes of a record, or 0 past its end.
#[inline]
#[must_use]
pub fn u64_at(record: &[u8], at: usize) -> u64 {
    let Some(Ok(raw)) = record.get(at..at + 8).map(<[u8; 8]>::try_from) else { return 0 };
    u64::from_le_bytes(raw)
}
