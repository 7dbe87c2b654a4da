//! The release cursor: the one place that decides what may leave the venue.

use journal::{Log, Position};

use crate::config::Durability;

/// What may leave: records at or under [`Release::cursor`].
///
/// ```text
///   core ── commit ──▶ committed      (in the live log: survives the process)
///   syncer ─ fdatasync ─▶ durable     (on disk: survives the machine)
///
///   released = committed   with durability = "memory"
///   released = durable     with durability = "disk"
/// ```
///
/// A quorum of replicas would be a third cursor here and nowhere else.
#[derive(Clone)]
pub struct Release {
    log: Log,
    durability: Durability,
}

impl Release {
    /// The gate in front of every reader of `log` that tells somebody.
    #[must_use]
    pub fn new(log: Log, durability: Durability) -> Release {
        Release { log, durability }
    }

    /// The end of what may leave.
    #[must_use]
    pub fn cursor(&self) -> Position {
        match self.durability {
            Durability::Memory => self.log.committed(),
            Durability::Disk => self.log.durable(),
        }
    }

    /// Whether a release waits for the disk.
    #[must_use]
    pub fn waits_for_disk(&self) -> bool {
        self.durability == Durability::Disk
    }
}
