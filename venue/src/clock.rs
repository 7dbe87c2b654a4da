//! The only place that reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use matcher::Timestamp;

/// Nanoseconds since 1970 UTC. On Linux this is a read of the vDSO, not a system call.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Where the core and the schedule have the time from. The gateway's and the feed's own timers always run by
/// the machine's.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    Machine,
    /// Set by hand, nanoseconds since 1970 UTC: for tests and rehearsals of a day.
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands at `at` until it is set again.
    #[must_use]
    pub fn set_at(at: Timestamp) -> Clock {
        Clock::Set(Arc::new(AtomicU64::new(at.0)))
    }

    /// What time it is.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::Machine => now(),
            Clock::Set(at) => Timestamp(at.load(Ordering::Acquire)),
        }
    }

    /// Sets a clock that is set by hand; the machine's stays as it is.
    pub fn set(&self, at: Timestamp) {
        if let Clock::Set(time) = self {
            time.store(at.0, Ordering::Release);
        }
    }

    /// How long it is until `at`. Nobody knows it of a clock that is set by hand.
    #[must_use]
    pub fn until(&self, at: Timestamp) -> Duration {
        match self {
            Clock::Machine => Duration::from_nanos(at.0.saturating_sub(now().0)),
            Clock::Set(_) => Duration::MAX,
        }
    }
}
