//! The only place that reads the time.

use std::time::{SystemTime, UNIX_EPOCH};

use matcher::Timestamp;

/// Nanoseconds since 1970 UTC. On Linux this is a read of the vDSO, not a system call.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
