//! Sessions that change their password: UserRequest(BE), and the UserResponse(BF) when it is done or refused.
//!
//! To compare the old password and to hash the new one takes tens of milliseconds, and to store it a sync of the disk: whoever
//! knows the secrets does that elsewhere, and the answer comes when it is done. The journal has the request's number, the answer,
//! and no password.

use std::net::SocketAddr;

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, MsgSeqNum, Numbering, SessionId, Timestamp};
use zeroize::Zeroizing;

use super::lockout::Failures;
use super::serve::FixShell;
use super::{Acceptor, ROOM_MIN, Requests};
use crate::fix::{Message, Note, SessionRejectReason, Taken, tag};
use crate::network::Network;

/// UserRequestID(923) is 1 to so many printable ASCII characters.
const REQUEST_ID_BYTES_MAX: usize = 48;

/// Username(553) of a request is 1 to so many printable ASCII characters.
const USERNAME_BYTES_MAX: usize = 64;

/// UserRequestType(924): change password.
const CHANGE_PASSWORD: &[u8] = b"3";

/// UserStatus(926).
mod status {
    pub(super) const UNKNOWN_USER: u8 = 3;
    pub(super) const WRONG_PASSWORD: u8 = 4;
    pub(super) const PASSWORD_CHANGED: u8 = 5;
    pub(super) const OTHER: u8 = 6;
}

/// A password that is to take the place of another.
pub struct Change<'a> {
    /// Whose.
    pub session: SessionId,
    /// Username(553).
    pub username: &'a [u8],
    /// Password(554).
    pub old: &'a [u8],
    /// NewPassword(925).
    pub new: &'a [u8],
}

/// What becomes of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changing {
    /// [`super::Credentials::next_change`] will say it.
    Later,
    /// Nobody is free to look at it.
    Busy,
    /// It is decided.
    Decided(Changed),
}

/// What has become of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// From now on, and after every restart, the new password is the one.
    Done,
    /// The session has another Username(553).
    UnknownUser,
    /// The old password is wrong.
    WrongPassword,
    /// Nothing is changed, for this reason.
    Not(&'static str),
}

impl Changed {
    /// UserStatus(926) and UserStatusText(927).
    fn said(self) -> (u8, &'static str) {
        match self {
            Changed::Done => (status::PASSWORD_CHANGED, ""),
            Changed::UnknownUser => (status::UNKNOWN_USER, "it is not the session's Username(553)"),
            Changed::WrongPassword => (status::WRONG_PASSWORD, "the old password is wrong"),
            Changed::Not(text) => (status::OTHER, text),
        }
    }
}

/// What an answer says again.
struct Named {
    id: Vec<u8>,
    username: Vec<u8>,
}

impl Named {
    fn answer(&self, changed: Changed, attachment: &mut [u8; ATTACHMENT_BYTES_MAX]) -> usize {
        let (status, text) = changed.said();
        let (request_id, username) = (&self.id[..], &self.username[..]);
        let note = Note::UserResponse { request_id, username, status, text: text.as_bytes() };
        note.encode(attachment)
    }
}

struct Asked {
    named: Named,
    old: Zeroizing<Vec<u8>>,
    new: Zeroizing<Vec<u8>>,
}

/// The one request of a session that is not answered.
#[derive(Default)]
pub(super) struct UserRequests {
    /// It has just come.
    asked: Option<Asked>,
    /// It is with whoever knows the secrets, and came from there.
    waiting: Option<(Named, SocketAddr)>,
}

impl UserRequests {
    /// The request that is not answered.
    fn open(&self) -> Option<&Named> {
        let asked = self.asked.as_ref().map(|asked| &asked.named);
        asked.or(self.waiting.as_ref().map(|(named, _)| named))
    }
}

/// Whether a message may have a secret in it, that is not to stay in memory.
#[inline]
pub(super) fn is_secret(msg_type: &[u8]) -> bool {
    matches!(msg_type, b"A" | b"BE")
}

fn text<'m>(message: &Message<'m>, tag: u32, bytes_max: usize) -> Result<&'m [u8], Taken<'m>> {
    let value = message.get(tag).unwrap_or_default();
    if value.is_empty() || value.len() > bytes_max || !value.iter().all(u8::is_ascii_graphic) {
        return Err(Taken::Reject { tag, reason: SessionRejectReason::ValueIncorrect.code() });
    }
    Ok(value)
}

fn secret(message: &Message<'_>, tag: u32) -> Result<Zeroizing<Vec<u8>>, Taken<'static>> {
    let missing = Taken::Reject { tag, reason: SessionRejectReason::RequiredTagMissing.code() };
    message.get(tag).map(|value| Zeroizing::new(value.to_vec())).ok_or(missing)
}

impl<R: Requests> FixShell<'_, R> {
    /// Takes a UserRequest(BE). What it asks is begun by [`Acceptor::change_password`].
    #[cold]
    pub(super) fn user_request<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m> {
        self.read_user_request(inbound, message, poss_resend).unwrap_or_else(|taken| taken)
    }

    fn read_user_request<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Result<Taken<'m>, Taken<'m>> {
        let id = text(message, tag::USER_REQUEST_ID, REQUEST_ID_BYTES_MAX)?;
        let username = text(message, tag::USERNAME, USERNAME_BYTES_MAX)?;
        let named = Named { id: id.to_vec(), username: username.to_vec() };
        if message.get(tag::USER_REQUEST_TYPE) != Some(CHANGE_PASSWORD) {
            let text = "only a change of password (924=3) is taken";
            return Ok(self.answer_user(inbound, &named, Changed::Not(text)));
        }
        let (old, new) = (secret(message, tag::PASSWORD)?, secret(message, tag::NEW_PASSWORD)?);
        let Some(users) = self.users.as_deref_mut() else { return Ok(Taken::Ignored) };
        match users.open() {
            Some(open) if poss_resend && open.id == id => return Ok(Taken::Ignored),
            Some(_) => {
                let text = "the request before is not answered yet";
                return Ok(self.answer_user(inbound, &named, Changed::Not(text)));
            }
            None => users.asked = Some(Asked { named, old, new }),
        }
        let command = Command::Note(Numbering::InboundOnly);
        self.requests.submit(self.session, inbound, &command, &[]);
        Ok(Taken::Submitted)
    }

    fn answer_user<'m>(
        &mut self,
        inbound: MsgSeqNum,
        named: &Named,
        changed: Changed,
    ) -> Taken<'m> {
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let len = named.answer(changed, &mut attachment);
        let command = Command::Note(Numbering::Next);
        self.requests.submit(self.session, inbound, &command, &attachment[..len]);
        Taken::Submitted
    }
}

impl<N: Network> Acceptor<N> {
    /// Begins what a UserRequest(BE) from `address` asks, if one has just come.
    #[cold]
    pub(super) fn change_password(
        &mut self,
        id: SessionId,
        address: SocketAddr,
        now: Timestamp,
        requests: &mut impl Requests,
    ) {
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        let Some(Asked { named, old, new }) = slot.users.asked.take() else { return };
        let lockout = &self.config.lockout;
        let locked = self.networks.locked(address.ip(), now, lockout);
        let changing = if locked.or(slot.failures.locked(now, lockout)).is_some() {
            Changing::Decided(Changed::Not("too many wrong passwords: locked out"))
        } else {
            let username = &named.username[..];
            self.credentials.change(&Change { session: id, username, old: &old, new: &new })
        };
        slot.users.waiting = Some((named, address));
        let changed = match changing {
            Changing::Later => return,
            Changing::Busy => Changed::Not("the venue is busy, try again"),
            Changing::Decided(changed) => changed,
        };
        self.password_changed(id, changed, now, requests);
    }

    /// Answers requests that were decided about.
    #[inline]
    pub(super) fn hear_changes(&mut self, now: Timestamp, requests: &mut impl Requests) {
        if !self.credentials.has_verdict() {
            return;
        }
        while requests.room() >= ROOM_MIN
            && let Some((id, changed)) = self.credentials.next_change()
        {
            self.password_changed(id, changed, now, requests);
        }
    }

    fn password_changed(
        &mut self,
        id: SessionId,
        changed: Changed,
        now: Timestamp,
        requests: &mut impl Requests,
    ) {
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        let Some((named, address)) = slot.users.waiting.take() else { return };
        match changed {
            Changed::Done => {
                self.networks.succeeded(address.ip());
                slot.failures = Failures::default();
            }
            // Whoever has the connection and not the password guesses, as on a Logon.
            Changed::WrongPassword => {
                self.networks.failed(address.ip(), now, &self.config.lockout);
                slot.failures.add(now, &self.config.lockout);
            }
            Changed::UnknownUser | Changed::Not(_) => {}
        }
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let len = named.answer(changed, &mut attachment);
        let command = Command::Note(Numbering::Next);
        requests.submit(id, MsgSeqNum::NONE, &command, &attachment[..len]);
        let what = match changed {
            Changed::Done => "changed",
            _ => "not changed",
        };
        self.notice(now, address, format_args!("password of session {id} {what}"));
    }
}
