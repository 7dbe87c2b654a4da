//! Where who follows an order through a journal goes on, behind turns that are not about it.

use journal::{Position, Reader, Snapshot, SnapshotHead, Snapshots};
use matcher::{OrderNumber, Sequence, SessionId};

use super::called::SavedCalled;
use super::mentioned::Mentioned;
use super::{Index, Unusable, go_on, index_with, load_names, part};
use crate::recovery::Names;

/// A place of a journal behind a stretch of turns of which is known which orders they are about: who follows one that is
/// not among them goes on here.
#[derive(Debug)]
pub struct Mark {
    snapshot: Snapshot,
}

impl Mark {
    /// The snapshot that it is.
    #[must_use]
    pub fn head(&self) -> &SnapshotHead {
        self.snapshot.head()
    }

    fn mentioned(&self) -> Option<Mentioned<'_>> {
        Mentioned::load(self.snapshot.part(part::MENTIONED)?).ok()
    }

    /// The last turn before the stretch.
    #[must_use]
    pub fn after(&self) -> Sequence {
        self.mentioned().map_or(Sequence(self.head().sequence), |mentioned| mentioned.after)
    }

    /// Whether the stretch may be about this order: as what it asks for, or in what happens.
    #[must_use]
    pub fn names(&self, session: SessionId, number: OrderNumber) -> bool {
        self.mentioned().is_none_or(|mentioned| mentioned.names(session, number))
    }

    /// Whether in the stretch nobody came to stand before an order that stood in a queue: each place on a book was a
    /// new one.
    #[must_use]
    pub fn gives_new_places(&self) -> bool {
        self.mentioned().is_some_and(|mentioned| mentioned.gives_new_places())
    }

    fn called(&self) -> Option<SavedCalled<'_>> {
        SavedCalled::load(self.snapshot.part(part::CALLED)?).ok()
    }

    /// Where in the turns from `from`, where a turn begins, up to this place a request with this ClOrdID may be: from one place
    /// to before another, in order. All of it, if that is not known.
    #[must_use]
    pub fn called_at(
        &self,
        name: &[u8],
        after: Sequence,
        from: Position,
    ) -> Vec<(Position, Position)> {
        let end = self.head().position;
        match self.called() {
            Some(called) if called.after <= after => {
                let mut places = called.places(name, end);
                // An earlier snapshot has said so of what it knows.
                places.retain(|(_, to)| *to > from);
                places.iter_mut().for_each(|(begin, _)| *begin = from.max(*begin));
                places
            }
            _ => vec![(from, end)],
        }
    }

    /// Who and what is defined there.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub fn defined(&self) -> Result<Names, Unusable> {
        Ok(load_names(&self.snapshot)?.0)
    }

    /// The engine and the names there; `reader` is brought there.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub fn index(&self, reader: &mut Reader, snapshots: &Snapshots) -> Result<Index, Unusable> {
        let sequence = self.head().sequence;
        index_with(reader, snapshots, sequence, |_| true)?.ok_or(Unusable::OtherHistory)
    }
}

/// The marks behind the turn `after` of `reader`'s journal, in order, for who follows an order. Snapshots that cannot be
/// used are none, and those made before snapshots knew which orders were named; `reader` is where it was.
pub fn marks(reader: &mut Reader, snapshots: &Snapshots, after: Sequence) -> Vec<Mark> {
    let parts = [part::NAMES, part::MENTIONED];
    marks_with(reader, snapshots, after, &parts, |mark| mark.mentioned().is_some())
}

/// The same of the whole journal, for who looks for a ClOrdID.
pub fn called_marks(reader: &mut Reader, snapshots: &Snapshots) -> Vec<Mark> {
    let is_good = |mark: &Mark| mark.called().is_some();
    marks_with(reader, snapshots, Sequence(0), &[part::CALLED], is_good)
}

fn marks_with(
    reader: &mut Reader,
    snapshots: &Snapshots,
    after: Sequence,
    parts: &[u32],
    is_good: impl Fn(&Mark) -> bool,
) -> Vec<Mark> {
    let start = reader.position();
    let behind = |sequence: &u64| *sequence > after.0;
    let all = snapshots.list_all().unwrap_or_default().into_iter().filter(behind);
    let mut mark = |sequence| {
        let mark = Mark { snapshot: snapshots.open_parts(sequence, parts).ok()? };
        let is_there = is_good(&mark) && go_on(reader, mark.head()).is_ok();
        is_there.then_some(mark)
    };
    let marks = all.filter_map(&mut mark).collect();
    reader.seek(start);
    marks
}

/// Where a turn begins that is not behind `sequence`, the last one whose place the snapshots know; `reader` is where it
/// was. `None`: they know none.
pub fn begins_before(
    reader: &mut Reader,
    snapshots: &Snapshots,
    sequence: Sequence,
) -> Option<Position> {
    let start = reader.position();
    let all = snapshots.list_all().ok()?;
    let (before, behind) = all.split_at(all.partition_point(|known| *known < sequence.0));
    let found = behind.first().and_then(|behind| begins_in(reader, snapshots, *behind, sequence));
    let found = found.or_else(|| {
        let head = snapshots.head(*before.last()?).ok()?;
        go_on(reader, &head).ok().map(|()| head.position)
    });
    reader.seek(start);
    found
}

/// The same as the stretch before one of them knows it.
fn begins_in(
    reader: &mut Reader,
    snapshots: &Snapshots,
    of: u64,
    sequence: Sequence,
) -> Option<Position> {
    let snapshot = snapshots.open_parts(of, &[part::CALLED]).ok()?;
    let called = SavedCalled::load(snapshot.part(part::CALLED)?).ok()?;
    let (position, first) = called.before(sequence)?;
    reader.seek(position);
    let frame = reader.next().ok().flatten()?;
    let is_there = frame.first && frame.position == position && frame.sequence == first.0;
    is_there.then_some(position)
}
