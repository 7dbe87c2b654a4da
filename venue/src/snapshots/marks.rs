//! Where who follows an order through a journal goes on, behind turns that are not about it.

use journal::{Reader, Snapshot, SnapshotHead, Snapshots};
use matcher::{OrderNumber, Sequence, SessionId};

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

/// The marks behind the turn `after` of `reader`'s journal, in order. Snapshots that cannot be used are none, and those
/// made before snapshots knew which orders were named; `reader` is where it was.
pub fn marks(reader: &mut Reader, snapshots: &Snapshots, after: Sequence) -> Vec<Mark> {
    let start = reader.position();
    let behind = |sequence: &u64| *sequence > after.0;
    let all = snapshots.list_all().unwrap_or_default().into_iter().filter(behind);
    let mut mark = |sequence| {
        let parts = [part::NAMES, part::MENTIONED];
        let mark = Mark { snapshot: snapshots.open_parts(sequence, &parts).ok()? };
        mark.mentioned()?;
        go_on(reader, mark.head()).ok()?;
        Some(mark)
    };
    let marks = all.filter_map(&mut mark).collect();
    reader.seek(start);
    marks
}
