//! Every bit of a small journal flipped, one at a time, and its files cut at every byte.
//!
//! Which bits a reader and a recovery must notice is said here, bit by bit; see [`Place`]. Usually a reader
//! is shown every bit of the headers and short turns of one segment, a bit of every byte of those of the
//! others, and of every 61st byte of what is long; a recovery some of them. With `VESTA_EVERY_BIT=1` a reader is shown all there are, and
//! a recovery all of headers and short turns.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use journal::{OpenError, Position, ReadError, Reader, verify};

use crate::format::{u32_at, u64_at};
use crate::support::{
    SEGMENT_BYTES, TempDir, byte, copy_dir, prepare, read_log, sizes, sync, try_read,
};

/// Records of each turn; an empty one is a turn without records. Before a turn of `LEAVE` the segment is
/// left for good.
const TURNS: [&[usize]; 12] = [
    &[8],
    &[64],
    &[],
    &[200],
    LEAVE,
    &[40],
    &[16],
    // Begins in one segment and goes on in the next.
    &[24, 65_376],
    &[32],
    &[80],
    &[8, 8],
    &[48],
];
const LEAVE: &[usize] = &[1];

/// How much of the journal was synced with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batches {
    /// Each turn before the next was appended.
    Single,
    /// The last three turns at once.
    LastThree,
    /// The last three turns never.
    AllButThree,
}

/// A frame or a seal, as the disk has it.
#[derive(Clone, Copy, Debug)]
struct Span {
    segment: u64,
    from: u64,
    to: u64,
    /// Of the turn it belongs to; of the turn that comes next for a seal.
    sequence: u64,
}

struct Small {
    temp: TempDir,
    /// Sequence and bytes of each turn.
    turns: Vec<(u64, usize)>,
    /// Where each turn begins.
    starts: Vec<Position>,
    /// Where each turn ends.
    ends: Vec<Position>,
    spans: Vec<Span>,
    /// Segments that are begun.
    begun: u64,
    /// Where the log ends, in the last of them.
    end: u64,
}

fn every_bit() -> bool {
    std::env::var_os("VESTA_EVERY_BIT").is_some()
}

/// What a byte of a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Of a header, or where one would begin: must be noticed.
    Header,
    /// Of a frame of this turn, or of the seal in front of it: must be noticed.
    Turn { sequence: u64, from: u64 },
    /// Behind the end of the log, where a torn write would be: must be noticed, and costs nothing.
    Behind,
    /// Behind a seal, or in a segment that is not begun: nothing is ever there.
    Padding,
}

fn segment(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:016}.seg"))
}

impl Small {
    fn new(batches: Batches) -> Small {
        let temp = TempDir::new();
        let mut opened = temp.open();
        let (mut turns, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut sequence = 0;
        for (n, records) in TURNS.iter().enumerate() {
            prepare(&mut opened.preparer);
            if *records == LEAVE {
                let mut turn = opened.writer.begin(sequence + 1);
                turn.space(65_400).fill(1);
                drop(turn);
                continue;
            }
            sequence += 1;
            let mut turn = opened.writer.begin(sequence);
            let mut at = 0;
            for len in *records {
                for (i, out) in turn.space(*len).iter_mut().enumerate() {
                    *out = byte(sequence, at + i);
                }
                at += len;
            }
            ends.push(turn.commit());
            turns.push((sequence, at));
            if batches == Batches::Single || n < TURNS.len() - 3 {
                sync(&mut opened.syncer);
            }
        }
        if batches == Batches::LastThree {
            sync(&mut opened.syncer);
        }
        let end = opened.log.committed().0;
        prepare(&mut opened.preparer);
        drop(opened);
        let spans = spans(&temp);
        for (sequence, _) in &turns {
            let first =
                spans.iter().find(|span| span.sequence == *sequence && !is_seal(&temp, span));
            let first = first.unwrap();
            starts.push(Position(first.segment * u64::from(SEGMENT_BYTES) + first.from));
        }
        let begun = end / u64::from(SEGMENT_BYTES) + 1;
        assert_eq!(begun, 4);
        Small { temp, turns, starts, ends, spans, begun, end: end % u64::from(SEGMENT_BYTES) }
    }

    fn place(&self, segment: u64, at: u64) -> Place {
        if segment >= self.begun {
            return if at < 4 { Place::Header } else { Place::Padding };
        }
        if at < 64 {
            return Place::Header;
        }
        let span =
            self.spans.iter().find(|it| it.segment == segment && (it.from..it.to).contains(&at));
        match span {
            Some(span) => Place::Turn { sequence: span.sequence, from: span.from },
            None if segment + 1 == self.begun => Place::Behind,
            None => Place::Padding,
        }
    }

    /// The sequence that comes next where segment `segment` begins.
    fn next_at(&self, segment: u64) -> u64 {
        let base = segment * u64::from(SEGMENT_BYTES);
        let open = self.starts.iter().filter(|start| start.0 < base).count() as u64;
        // The turn with two frames is open at the end of its first segment.
        let whole = if segment == self.split().segment + 1 { open - 1 } else { open };
        whole + 1
    }

    /// The first frame of the turn that goes on in the next segment.
    fn split(&self) -> Span {
        let (sequence, _) = self.turns.iter().find(|(_, bytes)| *bytes > 60_000).unwrap();
        *self.spans.iter().find(|span| span.sequence == *sequence).unwrap()
    }

    fn last(&self) -> u64 {
        self.turns.len() as u64
    }

    /// Offsets of segment `index` to show to who tries one byte in `one_in` of what is short.
    fn offsets(&self, index: u64, one_in: u64) -> Vec<u64> {
        let all = every_bit();
        let short = |at: u64| {
            at < 80
                || self.spans.iter().any(|it| {
                    let short = it.to - it.from < 1000;
                    let (from, to) = (it.from, if short { it.to } else { it.from + 40 });
                    it.segment == index && (from..to + 8).contains(&at)
                })
                || index + 1 == self.begun && (self.end..self.end + 40).contains(&at)
        };
        let is_asked = |at: &u64| match one_in {
            1 => all || short(*at) || at.is_multiple_of(61),
            _ if all => short(*at) || at.is_multiple_of(61),
            _ => short(*at) && at.is_multiple_of(one_in) || at.is_multiple_of(61 * 31),
        };
        (0..u64::from(SEGMENT_BYTES)).filter(is_asked).collect()
    }

    fn fork(&self, live: bool) -> TempDir {
        let fork = TempDir::new();
        copy_dir(&self.temp.dir(), &fork.dir());
        if live {
            copy_dir(&self.temp.live_dir(), &fork.live_dir());
        }
        // The copy's lock file names the copy's live folder.
        let lock = std::fs::read_to_string(fork.dir().join("lock")).unwrap();
        let path = |temp: &TempDir| temp.live_dir().display().to_string();
        let lines = lock.replace(&path(&self.temp), &path(&fork));
        let lines = &lines[..lines.rfind("check ").unwrap()];
        let check = crate::format::crc32c(lines.as_bytes());
        std::fs::write(fork.dir().join("lock"), format!("{lines}check {check:08x}\n")).unwrap();
        fork
    }
}

/// The frames and seals of all segments, by their lengths; of a live segment where there is one.
fn spans(temp: &TempDir) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut next = 1;
    for index in 0.. {
        let bytes = read_segment(temp, index);
        let Some(bytes) = bytes.filter(|bytes| bytes[..4] != [0; 4]) else { break };
        let mut at = 64;
        while at + 24 <= bytes.len() {
            let length = u32_at(&bytes, at) as usize;
            if length == 0 {
                break;
            }
            let seal = bytes[at + 20] == 2;
            let sequence = if seal { next } else { u64_at(&bytes, at + 8) };
            spans.push(Span {
                segment: index,
                from: at as u64,
                to: (at + length) as u64,
                sequence,
            });
            if seal {
                break;
            }
            next = sequence + u64::from(bytes[at + 21] & 2 == 2);
            at += length;
        }
    }
    spans
}

fn read_segment(temp: &TempDir, index: u64) -> Option<Vec<u8>> {
    let live = std::fs::read(segment(&temp.live_dir(), index));
    live.or_else(|_| std::fs::read(segment(&temp.dir(), index))).ok()
}

fn is_seal(temp: &TempDir, span: &Span) -> bool {
    read_segment(temp, span.segment).unwrap()[span.from as usize + 20] == 2
}

/// Flips one bit.
fn flip(file: &Path, at: u64, bit: u32) {
    let opened = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    opened.read_exact_at(&mut byte, at).unwrap();
    opened.write_all_at(&[byte[0] ^ 1 << bit], at).unwrap();
}

/// Each flip that is not in padding is reported with segment, offset and sequence.
#[test]
fn verify_names_the_place_of_every_flipped_bit() {
    let small = Small::new(Batches::Single);
    let dir = small.temp.dir();
    let (last, mut noticed) = (small.last(), 0);
    for index in 0..small.begun + 2 {
        let file = segment(&dir, index);
        for at in small.offsets(index, 1) {
            let place = small.place(index, at);
            let all = every_bit() || index == 0;
            for bit in if all { 0..8 } else { bits(at) } {
                let what = format!("segment {index}, byte {at}, bit {bit}: {place:?}");
                flip(&file, at, bit);
                let verified = verify(&dir, None, |_| ());
                flip(&file, at, bit);
                let named = verified
                    .as_ref()
                    .map_err(|it| (it.segment, u64::from(it.offset), it.sequence))
                    .map(|it| (it.last_sequence, it.torn_tail.map(|cut| cut.position.0)));
                let end = small.end + (small.begun - 1) * u64::from(SEGMENT_BYTES);
                let wanted = match place {
                    Place::Header => Err((Some(index), 0, small.next_at(index.min(small.begun)))),
                    // With nothing behind it, it cannot be told from a torn write.
                    Place::Turn { sequence, .. } if sequence == last => {
                        Ok((last - 1, Some(small.starts[last as usize - 1].0)))
                    }
                    Place::Turn { sequence, from } => Err((Some(index), from, sequence)),
                    Place::Behind => Ok((last, Some(end))),
                    Place::Padding => Ok((last, None)),
                };
                assert_eq!(named, wanted, "{what}: {verified:?}");
                noticed += u64::from(place != Place::Padding);
            }
        }
    }
    assert!(noticed > 4_000, "{noticed}");
    assert_eq!(verify(&dir, None, |_| ()).unwrap().last_sequence, last);
}

/// What a recovery, and reading everything after it, comes to.
#[derive(Debug)]
struct Came {
    turns: Vec<(u64, usize)>,
    cut: Option<Position>,
}

/// Opens the log and reads all of it, as a venue does that replays it; the text of an error.
fn recover(fork: &TempDir) -> Result<Came, String> {
    let opened = journal::open(&fork.options()).map_err(|error| error.to_string())?;
    let mut tail = opened.log.tail(opened.log.start());
    loop {
        match tail.next(opened.log.committed()) {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    let came = Came {
        turns: sizes(&read_log(&opened.log)),
        cut: opened.recovery.cut.map(|cut| cut.position),
    };
    drop(opened);
    // What is on disk now is that, whole.
    let mut reader = Reader::open(&fork.dir(), None).unwrap();
    assert_eq!(sizes(&try_read(&mut reader).unwrap()), came.turns);
    Ok(came)
}

/// From disk alone. A bit of the last batch that was synced may be torn for all that can be known: its
/// turn and those behind it are cut, and that is said. Any other is damage, and nothing starts.
#[test]
fn a_recovery_from_disk_cuts_the_last_batch_at_most() {
    for (batches, unsure) in [(Batches::Single, 1), (Batches::LastThree, 3)] {
        let small = Small::new(batches);
        let (last, mut cuts, mut refused) = (small.last(), 0, 0);
        for index in 0..small.begun + 2 {
            for at in small.offsets(index, 7) {
                for bit in bits(at) {
                    let fork = small.fork(false);
                    let (file, place) = (segment(&fork.dir(), index), small.place(index, at));
                    flip(&file, at, bit);
                    let what =
                        format!("{batches:?}, segment {index}, byte {at}, bit {bit}, {place:?}");
                    let came = recover(&fork);
                    match place {
                        Place::Turn { sequence, .. } if sequence + unsure > last => {
                            let came = came.unwrap_or_else(|why| panic!("{what}: {why}"));
                            let kept = sequence as usize - 1;
                            assert_eq!(came.turns, small.turns[..kept], "{what}");
                            // Where the turn before it ends, which may be in the segment before.
                            assert_eq!(came.cut, Some(small.ends[kept - 1]), "{what}");
                            cuts += 1;
                        }
                        Place::Turn { .. } | Place::Header => {
                            let why = came.map(|came| panic!("{what}: {came:?}")).unwrap_err();
                            assert!(why.contains(&file.display().to_string()), "{what}: {why}");
                            refused += 1;
                        }
                        Place::Behind | Place::Padding => {
                            let came = came.unwrap_or_else(|why| panic!("{what}: {why}"));
                            assert_eq!(came.turns, small.turns, "{what}");
                            assert_eq!(came.cut.is_some(), place == Place::Behind, "{what}");
                        }
                    }
                }
            }
        }
        assert!(cuts > 5 && refused > 50, "{cuts} cuts, {refused} refused");
    }
}

/// Recovery is slower than reading: one bit of a byte, another one each time, unless all are asked for.
fn bits(at: u64) -> std::ops::Range<u32> {
    if every_bit() {
        return 0..8;
    }
    let bit = (at % 8) as u32;
    bit..bit + 1
}

/// With the live log nothing that is whole in one place is lost by a bit of the other: all of it comes
/// back, or nothing starts. Turns that are in memory only may lose the last one, said.
#[test]
fn a_recovery_with_the_live_log_loses_nothing_it_has() {
    for batches in [Batches::Single, Batches::AllButThree] {
        let small = Small::new(batches);
        let mut files = Vec::new();
        for folder in ["disk", "live"] {
            for entry in std::fs::read_dir(small.temp.path().join(folder)).unwrap() {
                files.push(Path::new(folder).join(entry.unwrap().file_name()));
            }
        }
        let (mut whole, mut refused, mut cuts) = (0, 0, 0);
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let index: Option<u64> = name.parse().ok();
            let bytes = std::fs::metadata(small.temp.path().join(&file)).unwrap().len();
            let offsets =
                index.map_or_else(|| (0..bytes).collect(), |index| small.offsets(index, 11));
            for at in offsets {
                for bit in bits(at) {
                    let fork = small.fork(true);
                    flip(&fork.path().join(&file), at, bit);
                    let what = format!("{batches:?}, {}, byte {at}, bit {bit}", file.display());
                    match recover(&fork) {
                        Err(_) => refused += 1,
                        Ok(came) if came.turns == small.turns => whole += 1,
                        Ok(came) => {
                            let last = small.turns.len() - 1;
                            assert_eq!(came.turns, small.turns[..last], "{what}");
                            assert_eq!(came.cut, Some(small.starts[last]), "{what}");
                            assert!(batches == Batches::AllButThree, "{what}");
                            assert!(file.starts_with("live"), "{what}");
                            let place = small.place(index.unwrap(), at);
                            let sequence = last as u64 + 1;
                            assert!(
                                matches!(place, Place::Turn { sequence: it, .. } if it == sequence)
                            );
                            cuts += 1;
                        }
                    }
                }
            }
        }
        assert!(whole > 100 && refused > 30, "{whole} whole, {refused} refused, {cuts} cut");
        assert_eq!(cuts > 0, batches == Batches::AllButThree);
    }
}

/// A file of a begun segment that somebody cut is damage wherever a frame is gone with it, or may be.
#[test]
fn a_file_cut_at_any_byte_is_named() {
    let small = Small::new(Batches::Single);
    let (mut whole, mut refused) = (0, 0);
    for index in 0..small.begun + 2 {
        for at in small.offsets(index, 7) {
            let used = match index {
                // Up to the first word of zeroes, which says that nothing comes.
                index if index + 1 == small.begun => small.end + 4,
                index if index >= small.begun => 0,
                _ => small
                    .spans
                    .iter()
                    .filter(|it| it.segment == index)
                    .map(|it| it.to)
                    .max()
                    .unwrap(),
            };
            let fork = small.fork(false);
            let file = segment(&fork.dir(), index);
            OpenOptions::new().write(true).open(&file).unwrap().set_len(at).unwrap();
            let what = format!("segment {index} of {at} bytes");
            let verified = verify(&fork.dir(), None, |_| ());
            let came = recover(&fork);
            if at >= used {
                let verified = verified.unwrap_or_else(|why| panic!("{what}: {why}"));
                assert_eq!(
                    (verified.last_sequence, verified.torn_tail),
                    (small.last(), None),
                    "{what}"
                );
                let came = came.unwrap_or_else(|why| panic!("{what}: {why}"));
                assert_eq!((came.turns, came.cut), (small.turns.clone(), None), "{what}");
                whole += 1;
                continue;
            }
            let why = verified.map(|it| panic!("{what}: {it:?}")).unwrap_err();
            // A first segment without a byte is no journal to who reads it; a venue knows better.
            let absent = (index, at) == (0, 0) && matches!(*why.why, ReadError::Absent { .. });
            assert!(absent || why.segment == Some(index), "{what}: {why}");
            let why = came.map(|came| panic!("{what}: {came:?}")).unwrap_err();
            assert!(why.contains(&file.display().to_string()), "{what}: {why}");
            refused += 1;
        }
    }
    assert!(whole > 100 && refused > 100, "{whole} whole, {refused} refused");
}

/// The last segment, or the lock file, may go as a whole: not in silence.
#[test]
fn what_goes_as_a_whole_is_missed() {
    let small = Small::new(Batches::Single);
    for index in 0..small.begun {
        let fork = small.fork(false);
        std::fs::remove_file(segment(&fork.dir(), index)).unwrap();
        let error = journal::open(&fork.options()).map(|_| ()).unwrap_err();
        let missing =
            OpenError::Journal(ReadError::SegmentMissing { file: segment(&fork.dir(), index) });
        let first = OpenError::Journal(ReadError::FirstSegmentMissing {
            file: segment(&fork.dir(), index),
        });
        let wanted = if index == 0 { first } else { missing };
        assert_eq!(error.to_string(), wanted.to_string());
        assert!(verify(&fork.dir(), None, |_| ()).is_err());
    }
    // All behind the last begun one as well: made segments are missed too, but only behind a full one.
    let fork = small.fork(false);
    for index in small.begun - 1..small.begun + 2 {
        std::fs::remove_file(segment(&fork.dir(), index)).unwrap();
    }
    let error = journal::open(&fork.options()).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Journal(ReadError::SegmentMissing { .. })), "{error}");
    assert!(verify(&fork.dir(), None, |_| ()).is_err());

    let fork = small.fork(true);
    std::fs::remove_file(fork.dir().join("lock")).unwrap();
    let error = journal::open(&fork.options()).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Journal(ReadError::Owner { .. })), "{error}");
}
