//! Indexes that are missing, damaged or of an older kind, made again from the journal: who looks for an order reads what
//! they do not tell him himself.

use journal::{Position, Tail};
use matcher::Sequence;

use super::called::SavedCalled;
use super::keeper::{FRAMES_A_LOOK, KeepError, Keeper};
use super::mentioned::Mentioned;
use super::past::Past;
use super::{INDEX_PARTS, TailSource, go_on, part};
use crate::turns::FollowError;

/// What became of the indexes that were not whole.
#[derive(Debug, Default)]
pub struct Mended {
    /// So many were made.
    pub made: u32,
    /// Those that could not be made, by the turn they end with. A journal of an earlier release may not replay there.
    pub failed: Vec<(Sequence, KeepError)>,
}

impl Keeper {
    /// Makes again what is missing of the `newest` indexes, and more of them where there are too few. A snapshot is left as it
    /// is. Where no snapshots are made nothing is.
    pub fn mend(&self, newest: usize, goes_on: impl Fn() -> bool) -> Mended {
        let (limit, mut mended) = (self.log.durable(), Mended::default());
        if self.config.every_bytes == 0 {
            return mended;
        }
        let all = self.snapshots.list_all().unwrap_or_default();
        let (before, known) = all.split_at(all.len().saturating_sub(newest));
        let mut good = before.last().copied().or(self.log.is_whole().then_some(0));
        let mut past = None;
        for sequence in known.iter().copied() {
            if !goes_on() {
                break;
            }
            let is_snapshot = self.snapshots.path(sequence).exists();
            let after = if is_snapshot { None } else { good };
            if self.is_good(sequence, after, limit) {
                (good, past) = (Some(sequence), None);
                continue;
            }
            if past.is_none() {
                past = good.and_then(|good| self.past_after(good, limit));
            }
            // Where nothing before it is known it stays as it is.
            let Some((state, tail)) = &mut past else { continue };
            match self.mend_to(state, tail, (sequence, limit), &goes_on, &mut mended.made) {
                Ok(()) => good = Some(sequence),
                Err(why) => {
                    mended.failed.push((Sequence(sequence), why));
                    (good, past) = (None, None);
                }
            }
        }
        mended
    }

    fn past_after(&self, sequence: u64, limit: Position) -> Option<(Past, Tail)> {
        match sequence {
            0 => Some(Past::at_start(&self.log)),
            _ => Past::after(&self.log, &self.snapshots, sequence, limit).ok(),
        }
    }

    /// Whether it is whole, of this log, and says what the turns behind `after` are about.
    fn is_good(&self, sequence: u64, after: Option<u64>, limit: Position) -> bool {
        let Ok(snapshot) = self.snapshots.open_parts(sequence, &INDEX_PARTS) else { return false };
        let mut source =
            TailSource { log: &self.log, tail: self.log.tail(self.log.start()), limit };
        if go_on(&mut source, snapshot.head()).is_err() {
            return false;
        }
        let Some(after) = after.map(Sequence) else { return true };
        let mentioned = snapshot.part(part::MENTIONED).map(Mentioned::load);
        let called = snapshot.part(part::CALLED).map(SavedCalled::load);
        let (Some(Ok(mentioned)), Some(Ok(called))) = (mentioned, called) else { return false };
        mentioned.after <= after && called.after <= after
    }

    /// Goes on to the turn `sequence`, and writes the index that ends with it and those that are due on the way.
    fn mend_to(
        &self,
        past: &mut Past,
        tail: &mut Tail,
        (sequence, limit): (u64, Position),
        goes_on: &impl Fn() -> bool,
        made: &mut u32,
    ) -> Result<(), KeepError> {
        let (mut frames, mut indexed) = (0, tail.position());
        let failed = |error| KeepError::Replay(FollowError::from(error).into());
        while let Some(frame) = tail.next(limit).map_err(failed)? {
            past.frame(&frame)?;
            let (end, is_whole, reached) = (frame.end(), frame.last, frame.sequence == sequence);
            frames += 1;
            if frames % FRAMES_A_LOOK == 0 && !goes_on() {
                break;
            }
            if !is_whole {
                continue;
            }
            let is_due = end.0 - indexed.0 >= self.index_after(past.bytes());
            if reached && !self.snapshots.path(sequence).exists() || !reached && is_due {
                past.save(&self.log, &self.snapshots, end)?;
                (indexed, *made) = (end, *made + 1);
            }
            if reached {
                break;
            }
        }
        Ok(())
    }
}
