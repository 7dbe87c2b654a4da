//! Time: heartbeats, test requests, and what happens when nothing does.

use matcher::{MsgSeqNum, Timestamp};

use super::gaps::Gap;
use super::outbound::{Closing, submit};
use super::{CloseReason, Conduct, Link, SECOND_NS, Session, Shell};
use crate::fix::note::Note;

/// Silence after which we send TestRequest(1).
///
/// Unit: percent of HeartBtInt(108). Source: FIX 4.4 vol. 2 says "HeartBtInt plus some reasonable
/// transmission time"; test case 6 sets 20 %.
const TEST_REQUEST_AFTER_PERCENT: u64 = 120;

/// Silence after which the connection is closed: the TestRequest had as long again.
const CLOSE_AFTER_PERCENT: u64 = 2 * TEST_REQUEST_AFTER_PERCENT;

/// How long the answer to our Logout(5) may take. Source: test case 2i.
const LOGOUT_NS: u64 = 2 * SECOND_NS;

impl Session {
    /// Its caller does not read it now: whether the peer is silent is not known, so it is not.
    pub fn unread(&mut self, now: Timestamp) {
        if let Some(link) = &mut self.link {
            link.received_at = now;
            link.test_request = false;
        }
    }

    /// Does what is due at `now`: heartbeats, test requests, gaps asked for again, timeouts.
    pub fn tick(&mut self, now: Timestamp, shell: &mut impl Shell) {
        let Some(link) = &mut self.link else { return };
        if let Some(logout) = &link.logout {
            if now >= logout.asked_at.after(LOGOUT_NS) {
                shell.close(CloseReason::LogoutTimeout);
            }
            return;
        }
        if !link.active {
            return;
        }
        if self.is_reset_due(now) {
            return self.log_out_for_reset(now, shell);
        }
        let Some(link) = &mut self.link else { return };
        if link.resets_asked == 0
            && let Some((begin, end)) = link.held_resend.take()
            && begin <= self.last_out
        {
            let end = if end == 0 { self.last_out } else { end.min(self.last_out) };
            shell.resend(MsgSeqNum(begin), MsgSeqNum(end));
        }
        if link.heartbeat_s > 0 {
            if now >= link.received_at.after(link.percent_ns(CLOSE_AFTER_PERCENT)) {
                let silent_s = (now.0 - link.received_at.0) / SECOND_NS;
                return match self.profile.conduct {
                    Conduct::Venue => self.log_out_silent(now, silent_s, shell),
                    Conduct::Conformance => shell.close(CloseReason::Silent),
                };
            }
            if !link.test_request
                && now >= link.received_at.after(link.percent_ns(TEST_REQUEST_AFTER_PERCENT))
            {
                link.test_request = true;
                submit(shell, MsgSeqNum::NONE, &Note::TestRequest { id: now.0 });
            } else if link.heartbeat_due().is_some_and(|due| now >= due) {
                link.heartbeat_asked = true;
                submit(shell, MsgSeqNum::NONE, &Note::Heartbeat { test_req_id: b"" });
            }
        }
        self.look_at_gap(now, shell);
    }

    /// Whether the peer still hears us is not known: it is told why, and not waited for.
    fn log_out_silent(&mut self, now: Timestamp, silent_s: u64, shell: &mut impl Shell) {
        let text = format!("no message for {silent_s} s, and no answer to our TestRequest");
        let (none, closing) = (MsgSeqNum::NONE, Closing::WhenWritten);
        self.log_out(now, none, text.as_bytes(), closing, shell);
    }

    /// When [`Session::tick`] has something to do, `None` if never.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let link = self.link.as_ref()?;
        if let Some(logout) = &link.logout {
            return Some(logout.asked_at.after(LOGOUT_NS));
        }
        if !link.active {
            return None;
        }
        if link.held_resend.is_some() && link.resets_asked == 0 {
            return Some(Timestamp(0));
        }
        let gap = link.gap.as_ref().map(Gap::due);
        if link.heartbeat_s == 0 {
            return gap;
        }
        let percent =
            if link.test_request { CLOSE_AFTER_PERCENT } else { TEST_REQUEST_AFTER_PERCENT };
        let silence = link.received_at.after(link.percent_ns(percent));
        [Some(silence), link.heartbeat_due(), gap].into_iter().flatten().min()
    }
}

impl Link {
    fn percent_ns(&self, percent: u64) -> u64 {
        u64::from(self.heartbeat_s) * (SECOND_NS / 100) * percent
    }

    /// None is sent while a TestRequest is open: it was sent already (test case 6).
    fn heartbeat_due(&self) -> Option<Timestamp> {
        let due = !self.heartbeat_asked && !self.test_request;
        due.then(|| self.sent_at.after(self.percent_ns(100)))
    }
}

/// Timestamps that saturate.
pub(super) trait AfterNs {
    fn after(self, ns: u64) -> Timestamp;
}

impl AfterNs for Timestamp {
    fn after(self, ns: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(ns))
    }
}
