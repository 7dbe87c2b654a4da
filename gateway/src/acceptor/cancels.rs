//! When a session's orders are canceled without being asked: its connection is lost, it logs out, or it has not
//! said anything for too long. The time is the gateway's; the cancel is a command like any other, so a replay needs
//! no clock.

use matcher::{SessionId, Timestamp};

use super::{Acceptor, Slot};
use crate::fix::{Fault, LogonRefusal, Message, Note, SessionRejectReason};
use crate::network::Network;
use crate::ouch;

/// CancelOrdersOnDisconnect of a Logon: Y or S (as Coinbase has it), or N.
pub const CANCEL_ORDERS_ON_DISCONNECT: u32 = 8013;

/// CancelAfter of a Logon: seconds without an application message.
pub const CANCEL_AFTER: u32 = 8014;

/// Longest CancelAfter(8014).
///
/// Unit: seconds.
const CANCEL_AFTER_S_MAX: u32 = 86_400;

const SECOND_NS: u64 = 1_000_000_000;

/// When a session's orders are canceled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CancelRules {
    /// When its connection is lost.
    pub on_disconnect: bool,
    /// Whether a Logout counts as a lost connection, without the grace.
    pub on_logout: bool,
    /// How long a lost connection may take to come back, ns.
    pub grace_ns: u64,
    /// After so long without an application message, ns; 0: never.
    pub dead_man_ns: u64,
}

impl CancelRules {
    /// What holds where the client said `terms`.
    #[must_use]
    pub fn with(self, terms: CancelTerms) -> CancelRules {
        let dead_man_ns =
            terms.cancel_after_s.map_or(self.dead_man_ns, |s| u64::from(s) * SECOND_NS);
        CancelRules {
            on_disconnect: terms.on_disconnect.unwrap_or(self.on_disconnect),
            dead_man_ns,
            ..self
        }
    }
}

/// What a Logon says of it. Stands in the journal behind the note of its answer, if it says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CancelTerms {
    /// CancelOrdersOnDisconnect(8013).
    pub on_disconnect: Option<bool>,
    /// CancelAfter(8014).
    pub cancel_after_s: Option<u32>,
}

/// How a session's last connection began and ended, as the journal tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastConnection {
    /// What its Logon said.
    pub terms: CancelTerms,
    /// Whether it logged out.
    pub logged_out: bool,
}

mod flag {
    pub(super) const SAID: u8 = 1;
    pub(super) const ON_DISCONNECT: u8 = 2;
    pub(super) const AFTER: u8 = 4;
    pub(super) const LOGGED_OUT: u8 = 8;
}

/// What the bytes of [`LastConnection`] end with: told from a note without them.
const END: [u8; 2] = [0xC0, 0xD8];

/// Bytes of a [`LastConnection`]: flags, seconds, the end.
pub const LAST_CONNECTION_BYTES: usize = 7;

impl CancelTerms {
    /// What `logon` says.
    pub(super) fn read(logon: &Message<'_>) -> Result<CancelTerms, LogonRefusal> {
        let wrong = |tag| LogonRefusal::Field(Fault::of(tag, SessionRejectReason::ValueIncorrect));
        let on_disconnect = match logon.get(CANCEL_ORDERS_ON_DISCONNECT) {
            None => None,
            Some(b"Y" | b"S") => Some(true),
            Some(b"N") => Some(false),
            Some(_) => return Err(wrong(CANCEL_ORDERS_ON_DISCONNECT)),
        };
        let cancel_after_s = match logon.get(CANCEL_AFTER) {
            None => None,
            Some(text) => {
                let digits = text.iter().all(u8::is_ascii_digit);
                let s = std::str::from_utf8(text).ok().filter(|_| digits);
                let s = s.and_then(|s| s.parse().ok()).filter(|s| *s <= CANCEL_AFTER_S_MAX);
                Some(s.ok_or_else(|| wrong(CANCEL_AFTER))?)
            }
        };
        Ok(CancelTerms { on_disconnect, cancel_after_s })
    }

    /// `attachment` with the terms behind it, if it is the note of our Logon.
    pub(super) fn behind<'b>(self, attachment: &[u8], room: &'b mut [u8]) -> Option<&'b [u8]> {
        if self == CancelTerms::default()
            || !matches!(Note::decode(attachment), Some(Note::Logon { .. }))
        {
            return None;
        }
        let bytes = LastConnection { terms: self, logged_out: false }.encode();
        let len = attachment.len() + bytes.len();
        let out = room.get_mut(..len)?;
        out[..attachment.len()].copy_from_slice(attachment);
        out[attachment.len()..].copy_from_slice(&bytes);
        Some(out)
    }
}

impl LastConnection {
    /// What it is after a note of its session.
    #[must_use]
    pub fn after(self, attachment: &[u8]) -> LastConnection {
        match ouch::Note::decode(attachment) {
            Some(ouch::Note::Login { .. }) => return LastConnection::default(),
            Some(ouch::Note::Logout { asked, .. }) => {
                return LastConnection { logged_out: asked, ..self };
            }
            Some(ouch::Note::Said(_)) => return self,
            None => {}
        }
        match Note::decode(attachment) {
            Some(Note::Logon { .. }) => LastConnection::decode(attachment).unwrap_or_default(),
            // Ours says why; only the answer to the client's says nothing.
            Some(Note::Logout { text: b"", .. }) => LastConnection { logged_out: true, ..self },
            _ => self,
        }
    }

    /// As bytes, also the end of a note's.
    #[must_use]
    pub fn encode(self) -> [u8; LAST_CONNECTION_BYTES] {
        let CancelTerms { on_disconnect, cancel_after_s } = self.terms;
        let mut flags = 0;
        for (is, flag) in [
            (on_disconnect.is_some(), flag::SAID),
            (on_disconnect == Some(true), flag::ON_DISCONNECT),
            (cancel_after_s.is_some(), flag::AFTER),
            (self.logged_out, flag::LOGGED_OUT),
        ] {
            flags |= if is { flag } else { 0 };
        }
        let [a, b, c, d] = cancel_after_s.unwrap_or(0).to_le_bytes();
        [flags, a, b, c, d, END[0], END[1]]
    }

    /// What `bytes` end with, `None` if they end with something else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<LastConnection> {
        let (_, [flags, a, b, c, d, end @ ..]) =
            bytes.split_last_chunk::<LAST_CONNECTION_BYTES>()?;
        if *end != END {
            return None;
        }
        let has = |flag| flags & flag != 0;
        let terms = CancelTerms {
            on_disconnect: has(flag::SAID).then_some(has(flag::ON_DISCONNECT)),
            cancel_after_s: has(flag::AFTER).then(|| u32::from_le_bytes([*a, *b, *c, *d])),
        };
        Some(LastConnection { terms, logged_out: has(flag::LOGGED_OUT) })
    }
}

/// What a session's orders wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cancels {
    rules: CancelRules,
    pub(super) terms: CancelTerms,
    /// When a lost connection has taken too long to come back.
    lost_until: Option<Timestamp>,
    /// When the session said something last.
    heard: Timestamp,
    /// Its silence was acted on.
    acted: bool,
}

impl Cancels {
    /// At a start: `lost` if the connection went with the last run.
    pub(super) fn new(
        rules: CancelRules,
        last: LastConnection,
        now: Timestamp,
        lost: bool,
    ) -> Cancels {
        let grace = Timestamp(now.0.saturating_add(rules.grace_ns));
        Cancels {
            rules,
            terms: last.terms,
            lost_until: lost.then_some(grace),
            heard: now,
            acted: false,
        }
    }

    fn in_force(&self) -> CancelRules {
        self.rules.with(self.terms)
    }

    /// It has logged on.
    pub(super) fn logged_on(&mut self, terms: CancelTerms, now: Timestamp) {
        (self.terms, self.lost_until) = (terms, None);
        self.heard(now);
    }

    /// An application message has come.
    #[inline]
    pub(super) fn heard(&mut self, now: Timestamp) {
        (self.heard, self.acted) = (now, false);
    }

    /// Its connection has gone. Whether its orders are to be canceled at once.
    fn gone(&mut self, now: Timestamp, logged_out: bool) -> bool {
        let rules = self.in_force();
        if logged_out {
            return rules.on_disconnect && rules.on_logout;
        }
        if rules.on_disconnect && rules.grace_ns > 0 {
            self.lost_until = Some(Timestamp(now.0.saturating_add(rules.grace_ns)));
            return false;
        }
        rules.on_disconnect
    }

    /// When its orders are canceled if nothing comes before.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let silence_ns = self.in_force().dead_man_ns;
        let silent = (silence_ns > 0 && !self.acted)
            .then(|| Timestamp(self.heard.0.saturating_add(silence_ns)));
        [self.lost_until, silent].into_iter().flatten().min()
    }

    /// What is due by now is being done.
    fn act(&mut self) {
        (self.lost_until, self.acted) = (None, true);
    }
}

impl<N: Network> Acceptor<N> {
    /// A session's connection has gone.
    pub(super) fn connection_gone(&mut self, id: SessionId, now: Timestamp, logged_out: bool) {
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        if slot.cancels.gone(now, logged_out) {
            self.disconnects.push_back(id);
        }
        self.look_at_cancels(id);
    }

    /// The next cancel that nobody asks for may be nearer now.
    pub(super) fn look_at_cancels(&mut self, id: SessionId) {
        let slot = self.slots.get(id.index()).and_then(Option::as_ref);
        if let Some(due) = slot.and_then(|slot| slot.cancels.due()) {
            self.cancels_due.look_at(id, due);
        }
    }

    /// Puts sessions in line whose orders are to be canceled by now.
    #[inline]
    pub(super) fn cancel_what_is_due(&mut self, now: Timestamp) {
        if self.cancels_due.first().is_some_and(|first| first <= now) {
            self.cancel_of_those_that_are_due(now);
        }
    }

    #[cold]
    fn cancel_of_those_that_are_due(&mut self, now: Timestamp) {
        while let Some(id) = self.cancels_due.take(now) {
            let Some(Some(Slot { cancels, .. })) = self.slots.get_mut(id.index()) else { continue };
            match cancels.due() {
                Some(due) if due <= now => {
                    cancels.act();
                    self.disconnects.push_back(id);
                    self.look_at_cancels(id);
                }
                // It has said something since.
                Some(due) => self.cancels_due.look_at(id, due),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::Version;

    #[test]
    fn what_a_connection_was_stands_behind_a_note_and_is_read_back() {
        for on_disconnect in [None, Some(false), Some(true)] {
            for cancel_after_s in [None, Some(0), Some(86_400)] {
                for logged_out in [false, true] {
                    let terms = CancelTerms { on_disconnect, cancel_after_s };
                    let last = LastConnection { terms, logged_out };
                    assert_eq!(LastConnection::decode(&last.encode()), Some(last));
                }
            }
        }
        let terms = CancelTerms { on_disconnect: Some(true), cancel_after_s: None };
        let mut note = [0; matcher::record::ATTACHMENT_BYTES_MAX];
        let (version, next_expected) = (Version::Fix44, 7);
        let logon = Note::Logon {
            heartbeat_s: 30,
            reset: false,
            connection: 9,
            version,
            next_expected,
            password_changed: false,
        };
        let len = logon.encode(&mut note);
        let mut room = [0; matcher::record::ATTACHMENT_BYTES_MAX];
        let behind = terms.behind(&note[..len], &mut room).unwrap();
        assert_eq!(Note::decode(behind), Some(logon));
        let last = LastConnection::default().after(behind);
        assert_eq!(last, LastConnection { terms, logged_out: false });
        assert_eq!(
            last.after(&note[..len]),
            LastConnection::default(),
            "a Logon that says nothing"
        );
        let len = Note::Heartbeat { test_req_id: b"" }.encode(&mut note);
        assert_eq!(terms.behind(&note[..len], &mut room), None);
        assert_eq!(last.after(&note[..len]), last);
        let len = Note::Logout { text: b"", connection: 1, status: 0 }.encode(&mut note);
        assert!(last.after(&note[..len]).logged_out);
        let len = Note::Logout { text: b"venue stops", connection: 1, status: 0 }.encode(&mut note);
        assert!(!last.after(&note[..len]).logged_out);
    }
}
