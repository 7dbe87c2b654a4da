//! How much of the journal stays, and what goes with the rest of it.
//!
//! Decided where snapshots are made, each time one was made: its state knows which orders work, and so which
//! Inputs of old segments are still needed. Those stay beside the journal when their segments go.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use journal::{
    Frame, Kept, Log, Position, ReadError, RetireError, Retired, Retirer, SnapshotFault, Snapshots,
};
use matcher::record::record_bytes;
use matcher::{Sequence, Timestamp};

use super::State;
use crate::turns::{FollowError, read_head};

/// How much of a journal stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionConfig {
    /// So much of its end stays; 0: all of it. Unit: bytes.
    pub keep_bytes: u64,
    /// And what is not older than that. Unit: ns of the journal's own time.
    pub keep_ns: u64,
    /// Where the rest goes; `None`: it is removed.
    pub archive: Option<PathBuf>,
    /// Asked about each file before it goes, with its path as the last argument; empty: nobody.
    pub archive_command: Vec<String>,
}

/// Segments that go at once, at most: what stays of them is in memory meanwhile.
const SEGMENTS_A_RUN: u64 = 64;

/// How long the command may take for one file.
const COMMAND_MAX: Duration = Duration::from_secs(600);

/// How often it is looked at meanwhile.
const COMMAND_LOOK: Duration = Duration::from_millis(50);

/// Why segments that are older than what is kept stay all the same, for now.
#[derive(Debug)]
pub enum NotRetired {
    /// Moving or removing failed.
    Retire(RetireError),
    /// What must stay of them cannot be read.
    Follow(FollowError),
    /// A snapshot is damaged: without the segments it would be missed.
    Snapshot(Sequence, SnapshotFault),
    /// What must stay of the turn at this position is nowhere.
    Lost(Position),
}

impl fmt::Display for NotRetired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotRetired::Retire(error) => error.fmt(f),
            NotRetired::Follow(error) => error.fmt(f),
            NotRetired::Snapshot(sequence, fault) => {
                write!(f, "the snapshot of sequence {sequence} {fault}: they wait for newer ones")
            }
            NotRetired::Lost(position) => {
                write!(f, "the request at position {position}, whose order works, is not there")
            }
        }
    }
}

impl std::error::Error for NotRetired {}

impl From<RetireError> for NotRetired {
    fn from(error: RetireError) -> NotRetired {
        NotRetired::Retire(error)
    }
}

impl From<FollowError> for NotRetired {
    fn from(error: FollowError) -> NotRetired {
        NotRetired::Follow(error)
    }
}

impl From<ReadError> for NotRetired {
    fn from(error: ReadError) -> NotRetired {
        NotRetired::Follow(error.into())
    }
}

/// Lets old segments go.
#[derive(Debug)]
pub(super) struct Retention {
    pub(super) retirer: Retirer,
    pub(super) config: RetentionConfig,
}

impl Retention {
    /// Lets go what may. `state` is that of the newest snapshot, `keep` how many there must be; what is asked of
    /// others ends when `goes_on` says no. `None`: there was nothing to do.
    pub(super) fn run(
        &self,
        log: &Log,
        (snapshots, keep): (&Snapshots, usize),
        (state, end): (&State, Position),
        goes_on: &dyn Fn() -> bool,
    ) -> Option<Result<Retired, NotRetired>> {
        if self.config.keep_bytes == 0 {
            return None;
        }
        let first = match self.first(log, (snapshots, keep), (state, end)) {
            Ok(first) => first?,
            Err(why) => return Some(Err(why)),
        };
        Some(self.retire(log, state, first, goes_on))
    }

    /// The segment that the journal can begin with, if that is a later one than it does.
    fn first(
        &self,
        log: &Log,
        (snapshots, keep): (&Snapshots, usize),
        (state, end): (&State, Position),
    ) -> Result<Option<u64>, NotRetired> {
        let (now, segment_bytes) =
            (state.replay.place().1, u64::from(self.retirer.segment_bytes()));
        let begins = self.retirer.first();
        let most = end.0.saturating_sub(self.config.keep_bytes) / segment_bytes;
        let most = most.min(self.retirer.last_possible()).min(begins + SEGMENTS_A_RUN);
        let old = now.0.saturating_sub(self.config.keep_ns);
        let mut first = most;
        while first > begins && begin(log, Position(first * segment_bytes), end)?.0 > old {
            first -= 1;
        }
        if first <= begins {
            return Ok(None);
        }
        // A start may need any of them, so any of them must be good, and there must be all.
        let mut good = 0;
        for sequence in snapshots.list()? {
            let damaged = |fault| NotRetired::Snapshot(Sequence(sequence), fault);
            let snapshot = snapshots.open(sequence).map_err(damaged)?;
            if snapshot.head().position <= end {
                first = first.min(snapshot.head().last_frame.0 / segment_bytes);
                good += 1;
            }
        }
        if good < keep || first <= begins {
            return Ok(None);
        }
        let first = self.retirer.last_with_turn(first)?;
        Ok((first > begins).then_some(first))
    }

    fn retire(
        &self,
        log: &Log,
        state: &State,
        first: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Retired, NotRetired> {
        let start = Position(first * u64::from(self.retirer.segment_bytes()));
        let mut positions = state.folds.entry.needed(start.0);
        positions.sort_unstable();
        positions.dedup();
        let (mut archive, retained) = (log.archive(), log.retained());
        let mut kept = Vec::with_capacity(positions.len());
        for position in positions.into_iter().map(Position) {
            let stays = retained.as_ref().and_then(|retained| retained.kept(position));
            if let Some((sequence, bytes)) = stays {
                kept.push(Kept { position, sequence, bytes: bytes.to_vec() });
                continue;
            }
            let frame = archive.frame(position)?;
            kept.push(input_of(&frame).ok_or(NotRetired::Lost(position))?);
        }
        let retired = self.retirer.retire(first, &kept, self.config.archive.as_deref(), |file| {
            if goes_on() { self.ask(file, goes_on) } else { Err("the venue stops".into()) }
        });
        Ok(retired?)
    }

    /// Asks the command about a file.
    fn ask(&self, file: &Path, goes_on: &dyn Fn() -> bool) -> Result<(), String> {
        let Some((program, arguments)) = self.config.archive_command.split_first() else {
            return Ok(());
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(file).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child =
            command.spawn().map_err(|error| format!("cannot run {program}: {error}"))?;
        let began = Instant::now();
        loop {
            let ended = child.try_wait().map_err(|error| format!("cannot wait: {error}"))?;
            let why = match ended {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("{program} says no: {status}")),
                None if !goes_on() => "the venue stops".into(),
                None if began.elapsed() > COMMAND_MAX => {
                    format!("{program} takes longer than {} s", COMMAND_MAX.as_secs())
                }
                None => {
                    std::thread::park_timeout(COMMAND_LOOK);
                    continue;
                }
            };
            // What is left of it is not ours to wait for; it has our word that the file stays.
            let _ = child.kill();
            let _ = child.wait();
            return Err(why);
        }
    }
}

/// What of a turn a report of its order is made from: the Input.
fn input_of(frame: &Frame<'_>) -> Option<Kept> {
    let len = record_bytes(frame.payload).ok().filter(|_| frame.first)?;
    let bytes = frame.payload.get(..len)?.to_vec();
    Some(Kept { position: frame.position, sequence: frame.sequence, bytes })
}

/// When the first turn at `from` or behind it was.
fn begin(log: &Log, from: Position, end: Position) -> Result<Timestamp, FollowError> {
    let mut tail = log.tail(from);
    while let Some(frame) = tail.next(end)? {
        if frame.first {
            let (sequence, position) = (Sequence(frame.sequence), frame.position);
            let failed = |error| FollowError::Record { sequence, position, error };
            return Ok(read_head(&frame).map_err(failed)?.input.timestamp);
        }
    }
    Ok(Timestamp(u64::MAX))
}
