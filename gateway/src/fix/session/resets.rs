//! Numbers that start again by the clock.
//!
//! At its time a session is told by Logout; when its connection is gone, an Input clears both numbers. So what is numbered
//! from then on, whether anybody is logged on or not, has numbers of the new period, and the next Logon is number 1
//! on both sides or finds what it missed behind a gap. What was due while the venue was down is due at its start.

use matcher::{Command, MsgSeqNum, Numbering, Timestamp};

use super::outbound::Closing;
use super::{Session, Shell};

/// When numbers start again: at `first`, and every `every_ns` before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetTimes {
    /// One of the times.
    pub first: Timestamp,
    /// A day or a week, in ns; above zero.
    pub every_ns: u64,
}

impl ResetTimes {
    /// The last time up to `now`, 0 if there was none.
    fn last(self, now: Timestamp) -> Timestamp {
        match now.0.checked_sub(self.first.0 % self.every_ns) {
            Some(since) => Timestamp(now.0 - since % self.every_ns),
            None => Timestamp(0),
        }
    }

    /// The first time after `at`.
    fn after(self, at: Timestamp) -> Timestamp {
        let last = self.last(at).0.max(self.first.0 % self.every_ns);
        Timestamp(if last > at.0 { last } else { last.saturating_add(self.every_ns) })
    }
}

impl Session {
    /// Whether its numbers are of a period that is over.
    #[must_use]
    pub fn is_reset_due(&self, now: Timestamp) -> bool {
        let numbered = self.next_in > 1 || self.last_out > 0;
        let last = self.profile.resets.map(|resets| resets.last(now));
        numbered && last.is_some_and(|last| last > self.begun_at)
    }

    /// When its numbers start again, `None` if never.
    #[must_use]
    pub fn next_reset(&self, now: Timestamp) -> Option<Timestamp> {
        self.profile.resets.map(|resets| resets.after(now))
    }

    /// Clears the numbers of a period that is over, as far as nobody is connected; says whether there is
    /// something to do yet.
    pub fn reset_by_clock(&mut self, now: Timestamp, shell: &mut impl Shell) -> bool {
        if !self.is_reset_due(now) {
            return false;
        }
        if self.link.is_none() && !self.clear_asked {
            self.clear_asked = true;
            shell.submit(MsgSeqNum::NONE, &Command::Note(Numbering::Clear), &[]);
        }
        true
    }

    /// The journal says that both directions start again, at the time of this turn.
    pub fn cleared(&mut self, turn_time: Timestamp) {
        self.clear_asked = false;
        self.next_in = 1;
        self.last_out = 0;
        self.begun_at = turn_time;
        self.queue.clear();
    }

    /// Its numbers began at the time of this turn, says the journal.
    pub fn began(&mut self, turn_time: Timestamp) {
        self.begun_at = turn_time;
    }

    /// A period ends while somebody is logged on.
    pub(super) fn log_out_for_reset(&mut self, now: Timestamp, shell: &mut impl Shell) {
        let text = b"the session is over: numbers start again at 1";
        self.log_out(now, MsgSeqNum::NONE, text, Closing::AfterAnswer, shell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_before_and_after_the_one_that_is_said() {
        let resets = ResetTimes { first: Timestamp(1_030), every_ns: 100 };
        for (now, last, next) in [
            (0, 0, 30),
            (29, 0, 30),
            (30, 30, 130),
            (129, 30, 130),
            (1_030, 1_030, 1_130),
            (1_031, 1_030, 1_130),
            (5_000, 4_930, 5_030),
        ] {
            assert_eq!(resets.last(Timestamp(now)), Timestamp(last), "{now}");
            assert_eq!(resets.after(Timestamp(now)), Timestamp(next), "{now}");
        }
    }
}
