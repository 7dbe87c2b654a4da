//! What goes out: numbers from the journal, notes and gap fills written, rejects and Logouts submitted.

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, MsgSeqNum, Numbering, Timestamp};

use super::{After, Header, Logout, Session, Shell};
use crate::fix::decode::{Fault, Message};
use crate::fix::note::{Note, Routing};
use crate::fix::tag;

/// What becomes of the connection once our Logout is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// It is closed.
    WhenWritten,
    /// The peer's Logout is waited for.
    AfterAnswer,
}

impl Session {
    /// A message of this session has this number, says the journal. To be called for every one, written
    /// or not, connected or not.
    #[inline]
    pub fn numbered(&mut self, msg: MsgSeqNum) {
        self.last_out = msg.0;
    }

    /// A note of this session has its number: writes it, if the connection it was meant for is there.
    #[must_use = "a Logout closes the connection"]
    pub fn note(
        &mut self,
        now: Timestamp,
        turn_time: Timestamp,
        msg: MsgSeqNum,
        note: &Note<'_>,
        out: &mut Vec<u8>,
    ) -> After {
        let Some(link) = &mut self.link else { return After::Open };
        let mut after = After::Open;
        match *note {
            Note::Logon { connection, reset, .. } => {
                if connection != self.connection {
                    return After::Open;
                }
                link.active = true;
                link.resets_asked -= u32::from(reset);
                // What it misses in front of this Logon comes without being asked for.
                if let Some(begin) = link.peer_expects.take().filter(|next| *next < msg.0) {
                    link.held_resend = Some(match link.held_resend {
                        Some((held, _)) => (begin.min(held), 0),
                        None => (begin, msg.0 - 1),
                    });
                }
            }
            Note::Logout { connection, .. } => {
                let Some(logout) = &mut link.logout else { return After::Open };
                if connection != self.connection {
                    return After::Open;
                }
                logout.written = true;
                logout.asked_at = now;
                if logout.close_when_written {
                    after = After::CloseWhenWritten;
                }
            }
            // Notes of this connection come after its Logon; anything before is an older one's.
            _ if !link.active => return After::Open,
            Note::Heartbeat { .. } => link.heartbeat_asked = false,
            _ => {}
        }
        link.sent_at = now;
        let header = Header { msg, sending_time: turn_time, resend: false, now };
        note.write(&self.profile.identity, &header, out);
        after
    }

    /// Application messages went out: the next Heartbeat is due an interval later.
    #[inline]
    pub fn wrote(&mut self, now: Timestamp) {
        if let Some(link) = &mut self.link {
            link.sent_at = now;
        }
    }

    /// Writes a gap fill: what has the numbers from `from` to below `next` is not sent again.
    pub fn gap_fill(&self, from: MsgSeqNum, next: MsgSeqNum, now: Timestamp, out: &mut Vec<u8>) {
        let header = Header { msg: from, sending_time: now, resend: true, now };
        let mut message = self.profile.identity.begin(out, b"4", &header);
        message.uint(tag::NEW_SEQ_NO, next.0.into());
        message.char(tag::GAP_FILL_FLAG, b'Y');
        message.finish();
    }

    /// The venue shuts down: Logout with `text`, and two seconds for its answer.
    pub fn stop(&mut self, now: Timestamp, text: &[u8], shell: &mut impl Shell) {
        self.log_out(now, MsgSeqNum::NONE, text, Closing::AfterAnswer, shell);
    }

    /// Submits a Logout; from now on nothing but its answer is taken.
    pub(super) fn log_out(
        &mut self,
        now: Timestamp,
        inbound: MsgSeqNum,
        text: &[u8],
        closing: Closing,
        shell: &mut impl Shell,
    ) {
        self.log_out_as(now, inbound, (text, 0), closing, shell);
    }

    /// The same, with a SessionStatus(1409).
    pub(super) fn log_out_as(
        &mut self,
        now: Timestamp,
        inbound: MsgSeqNum,
        (text, status): (&[u8], u8),
        closing: Closing,
        shell: &mut impl Shell,
    ) {
        let Some(link) = &mut self.link else { return };
        if link.logout.is_some() {
            return;
        }
        let close_when_written = closing == Closing::WhenWritten;
        link.logout = Some(Logout { asked_at: now, written: false, close_when_written });
        submit(shell, inbound, &Note::Logout { text, connection: self.connection, status });
    }

    pub(super) fn log_out_too_low(&mut self, now: Timestamp, number: u32, shell: &mut impl Shell) {
        let text = self.number_too_low(number);
        self.log_out(now, MsgSeqNum::NONE, text.as_bytes(), Closing::WhenWritten, shell);
    }

    pub(super) fn number_too_low(&self, number: u32) -> String {
        format!("MsgSeqNum too low, expecting {} but received {number}", self.next_in)
    }

    /// Answers Reject(3); the number counts if it was the expected one.
    pub(super) fn reject(
        &mut self,
        number: u32,
        fault: Fault,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        let inbound = self.count(number);
        submit(shell, inbound, &reject_note(number, fault.tag, fault.reason.code(), message));
    }

    pub(super) fn reject_and_log_out(
        &mut self,
        now: Timestamp,
        number: u32,
        fault: Fault,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        self.reject(number, fault, message, shell);
        let text = fault.reason.text().as_bytes();
        self.log_out(now, MsgSeqNum::NONE, text, Closing::AfterAnswer, shell);
    }
}

pub(super) fn reject_note<'m>(
    number: u32,
    ref_tag: Option<i32>,
    reason: u16,
    message: &Message<'m>,
) -> Note<'m> {
    Note::Reject {
        ref_msg: number,
        ref_tag,
        reason,
        ref_msg_type: message.msg_type(),
        text: b"",
        routing: Routing::reversed(message),
    }
}

pub(super) fn submit(shell: &mut impl Shell, inbound: MsgSeqNum, note: &Note<'_>) {
    submit_as(shell, inbound, Numbering::Next, note);
}

pub(super) fn submit_as(
    shell: &mut impl Shell,
    inbound: MsgSeqNum,
    numbering: Numbering,
    note: &Note<'_>,
) {
    let mut attachment = [0; ATTACHMENT_BYTES_MAX];
    let len = note.encode(&mut attachment);
    shell.submit(inbound, &Command::Note(numbering), &attachment[..len]);
}
