//! What can go wrong in a simulation, by kind, and how often it did.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident $name:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Fault] = &[$(Fault::$fault,)*];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Fault::$fault => $name,)* }
            }
        }
    };
}

faults! {
    /// The venue's process ends between two steps.
    ProcessKilled "process killed",
    /// The machine ends between two steps.
    MachineEnded "machine ended",
    /// Process or machine ends in the middle of a call to the disk.
    EndedInCall "ended in a disk call",
    /// They end in a recovery.
    EndedInRecovery "ended in a recovery",
    /// A turn was half written to the live log when the process ended.
    HalfTurn "half a turn in the live log",
    /// The venue is stopped in order.
    Stopped "stopped in order",
    /// A sector that was not synced is lost.
    UnsyncedLost "unsynced sector lost",
    /// A sector that was not synced is there all the same.
    UnsyncedKept "unsynced sector kept",
    /// A sector is half old, half new.
    TornSector "sector torn",
    /// A bit of synced data is wrong.
    BitFlip "bit flipped",
    /// A write, a sync, or anything else fails.
    CallFailed "disk call failed",
    /// Of those, a sync.
    SyncFailed "sync failed",
    /// There is no room for a file.
    NoSpace "no space",
    /// All snapshots are bad, and segments that had gone are put back.
    PutBack "segments put back",
    /// A sync takes long.
    SlowSync "slow sync",
    /// The venue's thread does not run for a while.
    Stall "thread stalled",
    /// The clock goes back a little.
    ClockBack "clock went back",
    /// Bytes arrive in pieces.
    Split "bytes split",
    /// Bytes arrive late.
    Delayed "bytes delayed",
    /// A connection is reset by its peer.
    Reset "connection reset",
    /// A peer ends its connection.
    Closed "connection closed",
    /// A peer vanishes without a word.
    HalfOpen "half-open connection",
    /// A peer does not read.
    SlowPeer "slow peer",
    /// A client comes back without what it had sent.
    ClientForgot "client forgot",
    /// Bytes that are no FIX.
    Garbage "garbage sent",
    /// A message that ends in the middle.
    CutMessage "message cut",
    /// A Logon that is none.
    BadLogon "bad logon",
    /// Many connections at once.
    LogonStorm "logon storm",
    /// A message number that is wrong.
    WrongNumber "wrong number",
    /// A message that is too long.
    HugeMessage "huge message",
    /// A message with wrong fields.
    WrongFields "wrong fields",
    /// Everything is asked for again and again.
    ResendStorm "resend storm",
}

/// How often each fault was injected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts([u64; Fault::ALL.len()]);

impl Default for Counts {
    fn default() -> Counts {
        Counts([0; Fault::ALL.len()])
    }
}

impl Counts {
    /// Once more.
    pub fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Kinds that were injected at least once.
    #[must_use]
    pub fn kinds(&self) -> usize {
        self.0.iter().filter(|count| **count > 0).count()
    }

    /// Adds another's.
    pub fn extend(&mut self, other: &Counts) {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours += theirs;
        }
    }
}

/// Whether the disk has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    None,
    Some,
}

/// What is broken on purpose, to see that the simulation notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Every third sync of the disk does nothing.
    SkipSync,
    /// Reports leave before they are on disk.
    EarlyRelease,
    /// Some messages are never said again.
    DropResend,
    /// After a restart a message has a number that another one had.
    ReuseNumber,
    /// After a restart a day that has ended ends again.
    TimerTwice,
}

impl Sabotage {
    /// Every kind.
    pub const ALL: [Sabotage; 5] = [
        Sabotage::SkipSync,
        Sabotage::EarlyRelease,
        Sabotage::DropResend,
        Sabotage::ReuseNumber,
        Sabotage::TimerTwice,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Sabotage::SkipSync => "skip-sync",
            Sabotage::EarlyRelease => "early-release",
            Sabotage::DropResend => "drop-resend",
            Sabotage::ReuseNumber => "reuse-number",
            Sabotage::TimerTwice => "timer-twice",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Sabotage> {
        Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name)
    }
}

impl fmt::Display for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
