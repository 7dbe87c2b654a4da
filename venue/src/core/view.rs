//! What may be asked of the core between turns.

use matcher::{Engine, Sequence};

use super::Core;
use crate::ring::Taken;

impl Core {
    /// The engine, to look at.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The last Sequence given.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Orders refused so far because the journal had no room.
    #[must_use]
    pub fn refused_for_room(&self) -> u64 {
        self.refused_for_room
    }

    /// Bytes that fit into the segments that are ready.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.writer.room()
    }

    /// Whether every ring is empty.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.rings.iter().all(Taken::is_empty)
    }
}
