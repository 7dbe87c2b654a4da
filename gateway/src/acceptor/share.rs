//! A share of the loop's time for what nobody who trades waits for: strangers, and what is said again.
//!
//! Counted in steps of bounded work, not measured: the acceptor has no clock. What is not used is kept for a
//! moment only, and a round of the loop takes one step of each kind, so that an order never waits for more.

use matcher::Timestamp;

/// At most so many steps in so much time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Between two steps, in the mean. Unit: ns.
    gap_ns: u64,
    /// Steps that may follow at once after a pause.
    burst: u64,
    /// When the next step would be due if they came evenly.
    even: Timestamp,
}

impl Share {
    /// One step each `gap_ns`, and up to `burst` at once after a pause.
    pub(super) const fn new(gap_ns: u64, burst: u64) -> Share {
        Share { gap_ns, burst, even: Timestamp(0) }
    }

    /// Takes a step if one is left.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        if self.next() > now {
            return false;
        }
        let kept = Timestamp(now.0.saturating_sub(self.gap_ns * (self.burst - 1)));
        self.even = Timestamp(self.even.max(kept).0.saturating_add(self.gap_ns));
        true
    }

    /// When a step is left, or was.
    pub(super) fn next(&self) -> Timestamp {
        self.even
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_worth_a_burst_and_no_more() {
        let mut share = Share::new(100, 4);
        let mut taken = |now: u64| (0..100).filter(|_| share.take(Timestamp(now))).count();
        assert_eq!(taken(1_000_000), 4);
        assert_eq!(taken(1_000_050), 0);
        assert_eq!(taken(1_000_100), 1);
        assert_eq!(taken(1_000_350), 2);
        assert_eq!(taken(9_000_000), 4);
        // Evenly, however often it is asked.
        let steps: usize = (9_000_000..9_100_000).step_by(7).map(taken).sum();
        assert_eq!(steps, 999);
    }

    #[test]
    fn the_next_step_is_there_when_it_says_so() {
        let mut share = Share::new(100, 2);
        let mut now = Timestamp(500);
        for _ in 0..50 {
            while share.take(now) {}
            assert!(share.next() > now);
            now = share.next();
            assert!(share.take(now));
        }
    }
}
