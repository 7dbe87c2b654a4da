//! Numbers that start again by the clock.
//!
//! At its time a session is told by Logout; when its connection is gone, an Input clears both numbers. So what is numbered
//! from then on, whether anybody is logged on or not, has numbers of the new period, and the next Logon is number 1
//! on both sides or finds what it missed behind a gap. What was due while the venue was down is due at its start.

use matcher::{Command, MsgSeqNum, Numbering, Timestamp};

use super::outbound::Closing;
use super::{Session, Shell};

impl Session {
    /// Whether its numbers are of a period that is over.
    #[must_use]
    pub fn is_reset_due(&self, now: Timestamp) -> bool {
        let numbered = self.next_in > 1 || self.last_out > 0;
        let last = self.profile.resets.as_ref().map(|resets| resets.last(now));
        numbered && last.is_some_and(|last| last > self.begun_at)
    }

    /// When its numbers start again, `None` if never.
    #[must_use]
    pub fn next_reset(&self, now: Timestamp) -> Option<Timestamp> {
        self.profile.resets.as_ref().map(|resets| resets.after(now))
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
