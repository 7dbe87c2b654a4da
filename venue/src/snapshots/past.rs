//! What an index is made of: less than a snapshot, so that one can be made from the one before, and soon.

use journal::{Frame, Log, Position, Snapshots, Tail};
use matcher::{Engine, Event, LIMITS_MAX, OrderRef, Sequence};

use super::{
    SaveError, Stretch, TailSource, Unusable, engine_bytes, fits, go_on, index_bytes, load_names,
    part, place, save_index,
};
use crate::in_force::InForce;
use crate::recovery::Names;
use crate::replay::{Replay, ReplayError};
use crate::turns::{Follower, TurnHead};

/// Everything that readers of the past want to know after a turn.
pub(super) struct Past {
    replay: Replay,
    folds: Folds,
    /// Where the last frame of the last turn begins, `None` before the first turn.
    last_frame: Option<Position>,
}

/// What follows the engine.
struct Folds {
    names: Names,
    in_force: InForce,
    stretch: Stretch,
}

impl Past {
    /// After the newest snapshot or index that is good and not beyond `limit` of the log, or before its first turn;
    /// and what comes next. `None`: there is none, and the log's beginning is not there.
    pub(super) fn begin(log: &Log, snapshots: &Snapshots, limit: Position) -> Option<(Past, Tail)> {
        let newest = snapshots.list_all().unwrap_or_default().into_iter().rev();
        let mut good =
            newest.filter_map(|sequence| Past::after(log, snapshots, sequence, limit).ok());
        good.next().or_else(|| log.is_whole().then(|| Past::at_start(log)))
    }

    /// Before the first turn of a log whose beginning is there.
    pub(super) fn at_start(log: &Log) -> (Past, Tail) {
        let names = (Names::default(), InForce::default());
        let past = Past::new(Replay::new(), names, Sequence(0), None, OrderRef::NONE);
        (past, log.tail(log.start()))
    }

    /// The same after that of `sequence`.
    ///
    /// # Errors
    ///
    /// Why it cannot be gone on from.
    pub(super) fn after(
        log: &Log,
        snapshots: &Snapshots,
        sequence: u64,
        limit: Position,
    ) -> Result<(Past, Tail), Unusable> {
        let snapshot = snapshots.open_parts(sequence, &[part::ENGINE, part::NAMES])?;
        let head = snapshot.head();
        let mut source = TailSource { log, tail: log.tail(log.start()), limit };
        go_on(&mut source, head)?;
        let (names, in_force) = load_names(&snapshot)?;
        let engine =
            Engine::load(engine_bytes(&snapshot)?, &LIMITS_MAX).map_err(Unusable::Engine)?;
        fits(&engine, &names)?;
        let places = engine.places();
        let replay = Replay::resume(engine, place(head));
        let (after, last_frame) = (Sequence(head.sequence), Some(head.last_frame));
        Ok((Past::new(replay, (names, in_force), after, last_frame, places), source.tail))
    }

    fn new(
        replay: Replay,
        (names, in_force): (Names, InForce),
        after: Sequence,
        last_frame: Option<Position>,
        places: OrderRef,
    ) -> Past {
        let stretch = Stretch::new(after, places);
        Past { replay, folds: Folds { names, in_force, stretch }, last_frame }
    }

    /// Takes the next frame of the journal.
    ///
    /// # Errors
    ///
    /// If it is no frame of a turn, or this build gives other events than it holds.
    pub(super) fn frame(&mut self, frame: &Frame<'_>) -> Result<(), ReplayError> {
        self.replay.frame(frame, &mut self.folds)?;
        if frame.last {
            self.last_frame = Some(frame.position);
        }
        Ok(())
    }

    /// About so many bytes its index has.
    pub(super) fn bytes(&self) -> u64 {
        index_bytes(&self.replay, &self.folds.stretch)
    }

    /// Writes the index that ends at `position`.
    ///
    /// # Errors
    ///
    /// If it cannot be written; there is none then.
    pub(super) fn save(
        &mut self,
        log: &Log,
        snapshots: &Snapshots,
        position: Position,
    ) -> Result<u64, SaveError> {
        let Past { replay, folds: Folds { names, in_force, stretch }, last_frame } = self;
        let end = (position, *last_frame);
        save_index((log, snapshots), replay, (names, in_force), stretch, end)
    }
}

impl Follower for Folds {
    fn input(&mut self, head: &TurnHead) {
        self.names.input(head);
        self.in_force.input(head);
        self.stretch.input(head);
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.names.event(head, index, event);
        self.in_force.event(head, index, event);
        self.stretch.event(head, index, event);
    }

    fn end_turn(&mut self, head: &TurnHead) {
        self.names.end_turn(head);
        self.in_force.end_turn(head);
    }
}
