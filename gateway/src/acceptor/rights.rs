//! What a session may ask for, and how often.

use matcher::{Symbol, Timestamp};

use crate::fix::{Message, tag};

/// BusinessRejectReason(380): Not authorized.
pub(super) const NOT_AUTHORIZED: u16 = 6;

/// BusinessRejectReason(380): application not available.
pub(super) const NOT_AVAILABLE: u16 = 4;

/// BusinessRejectReason(380): Other.
pub(super) const OTHER: u16 = 0;

const SECOND_NS: u64 = 1_000_000_000;

/// What a session may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Orders and replaces.
    pub trade: bool,
    /// Cancels and the status of orders; who may trade may this too.
    pub cancel: bool,
    /// Market data.
    pub market_data: bool,
    /// Quotes.
    pub quote: bool,
    /// Instruments it may trade; empty: all.
    pub instruments: Vec<Symbol>,
}

impl Default for Rights {
    /// Everything.
    fn default() -> Rights {
        let instruments = Vec::new();
        Rights { trade: true, cancel: true, market_data: true, quote: true, instruments }
    }
}

impl Rights {
    /// Why an application message is not for this session, if so.
    #[inline]
    pub(super) fn refusal(&self, message: &Message<'_>) -> Option<&'static str> {
        if self.trade && self.instruments.is_empty() {
            return None;
        }
        match message.msg_type() {
            b"D" | b"G" if !self.trade && self.cancel => Some("this session may only cancel"),
            b"D" | b"F" | b"G" | b"H" | b"q" if !self.trade && !self.cancel => {
                Some("this session may not trade")
            }
            b"D" | b"G" if !self.may_trade(message.get(tag::SYMBOL).unwrap_or_default()) => {
                Some("this session may not trade this instrument")
            }
            _ => None,
        }
    }

    pub(super) fn may_trade(&self, symbol: &[u8]) -> bool {
        let is = |allowed: &Symbol| allowed.as_str().as_bytes() == symbol;
        self.instruments.is_empty() || self.instruments.iter().any(is)
    }
}

/// What becomes of a message beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverRate {
    /// It is answered by BusinessMessageReject(j). Beyond twice the limit as [`OverRate::Disconnect`].
    Reject,
    /// It waits in its socket, and what is behind it.
    Delay,
    /// The session is logged out.
    Disconnect,
}

/// How many application messages a session may send. Cancels have as many of their own: who has sent too much can
/// still cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In a second, in the long run. Not 0.
    pub per_s: u32,
    /// At once. Not 0.
    pub burst: u32,
    /// And beyond.
    pub over: OverRate,
}

impl RateLimit {
    fn interval_ns(&self) -> u64 {
        (SECOND_NS / u64::from(self.per_s.max(1))).max(1)
    }
}

/// A bucket that a message takes a token from; kept as the time at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// Takes a token, or says when there will be one.
    #[inline]
    fn take(&mut self, now: Timestamp, limit: &RateLimit) -> Result<(), Timestamp> {
        let interval = limit.interval_ns();
        let full_at = self.full_at.max(now.0);
        let most = interval.saturating_mul(u64::from(limit.burst.max(1)) - 1);
        if full_at - now.0 > most {
            return Err(Timestamp(full_at - most));
        }
        self.full_at = full_at.saturating_add(interval);
        Ok(())
    }
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It is taken.
    Go,
    /// It is refused; the next one is taken after so many ns.
    Reject(u64),
    /// It is looked at again then.
    Delay(Timestamp),
    /// It was one too many; the next one would be taken after so many ns.
    Disconnect(u64),
}

/// How often a session has asked of late.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) limit: RateLimit,
    others: Bucket,
    cancels: Bucket,
    refused: Bucket,
}

impl Rate {
    pub(super) fn new(limit: RateLimit) -> Rate {
        let empty = Bucket::default();
        Rate { limit, others: empty, cancels: empty, refused: empty }
    }

    /// Counts an application message.
    #[inline]
    pub(super) fn pace(&mut self, now: Timestamp, is_cancel: bool) -> Pace {
        let bucket = if is_cancel { &mut self.cancels } else { &mut self.others };
        let Err(at) = bucket.take(now, &self.limit) else { return Pace::Go };
        let wait_ns = at.0.saturating_sub(now.0);
        match self.limit.over {
            OverRate::Delay => Pace::Delay(at),
            OverRate::Reject if self.refused.take(now, &self.limit).is_ok() => {
                Pace::Reject(wait_ns)
            }
            OverRate::Reject | OverRate::Disconnect => Pace::Disconnect(wait_ns),
        }
    }

    /// What the client is told.
    pub(super) fn text(&self, wait_ns: u64) -> String {
        let wait_ms = wait_ns.div_ceil(1_000_000);
        format!("limit of {} messages a second: come back in {wait_ms} ms", self.limit.per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_through_a_burst_and_then_the_rate() {
        let limit = RateLimit { per_s: 10, burst: 3, over: OverRate::Reject };
        let mut bucket = Bucket::default();
        let ms = |ms: u64| Timestamp(1_000_000_000_000 + ms * 1_000_000);
        for _ in 0..3 {
            assert_eq!(bucket.take(ms(0), &limit), Ok(()));
        }
        assert_eq!(bucket.take(ms(0), &limit), Err(ms(100)));
        assert_eq!(bucket.take(ms(99), &limit), Err(ms(100)));
        assert_eq!(bucket.take(ms(100), &limit), Ok(()));
        assert_eq!(bucket.take(ms(100), &limit), Err(ms(200)));
        // A long pause saves up a burst and no more.
        for _ in 0..3 {
            assert_eq!(bucket.take(ms(60_000), &limit), Ok(()));
        }
        assert_eq!(bucket.take(ms(60_000), &limit), Err(ms(60_100)));
        // A clock that goes back takes nothing away for ever.
        assert!(bucket.take(ms(59_000), &limit).is_err());
        assert_eq!(bucket.take(ms(60_100), &limit), Ok(()));
    }

    #[test]
    fn in_the_long_run_a_second_has_so_many() {
        for (per_s, burst) in [(1, 1), (7, 2), (1_000, 1), (999_999_999, 50)] {
            let limit = RateLimit { per_s, burst, over: OverRate::Reject };
            let (mut bucket, mut now, mut taken) = (Bucket::default(), 0_u64, 0_u64);
            while taken < 5_000 {
                match bucket.take(Timestamp(now), &limit) {
                    Ok(()) => taken += 1,
                    Err(at) => now = at.0,
                }
            }
            let least = (taken - u64::from(burst)) * limit.interval_ns();
            assert_eq!(now, least, "{per_s} a second");
        }
    }
}
