//! Logon: who may speak for a session, and where both sides' numbers stand then.

use matcher::{MsgSeqNum, Numbering, Timestamp};

use super::head::Head;
use super::outbound::{Closing, submit_as};
use super::{LogonRefusal, NewPassword, Session, Shell};
use crate::fix::decimal::parse_uint;
use crate::fix::decode::{Fault, Message};
use crate::fix::dictionary::UnknownTags;
use crate::fix::note::Note;
use crate::fix::tag::{self, SessionRejectReason};
use crate::fix::version::{APPL_VER_ID, Version};

/// SessionStatus(1409).
mod status {
    pub(super) const PASSWORD_CHANGED: u8 = 1;
    pub(super) const NEW_PASSWORD_REFUSED: u8 = 3;
}

impl Session {
    /// Whether a connection whose first message is `logon` may speak for this session.
    ///
    /// # Errors
    ///
    /// Why not. Nothing is answered to a refused Logon: whoever guesses learns nothing.
    pub fn check_logon(&self, now: Timestamp, logon: &Message<'_>) -> Result<(), LogonRefusal> {
        if logon.msg_type() != b"A" {
            return Err(LogonRefusal::NotLogon);
        }
        let identity = &self.profile.identity;
        let version = Version::of_begin_string(logon.begin_string());
        let version = version.filter(|version| self.profile.versions.has(*version));
        let version = version.ok_or(LogonRefusal::BeginString)?;
        let head = Head::read(logon);
        if head.sender != Some(identity.target_comp_id.as_bytes())
            || head.target != Some(identity.sender_comp_id.as_bytes())
        {
            return Err(LogonRefusal::CompId);
        }
        if self.is_connected() {
            return Err(LogonRefusal::AlreadyConnected);
        }
        if self.is_reset_due(now) {
            return Err(LogonRefusal::Resetting);
        }
        // Venues' own tags are common on a Logon (cancel on disconnect, nonces): never a reason to refuse.
        let checked = version.dictionary().check(logon, UnknownTags::Ignore);
        checked.map_err(LogonRefusal::Field)?;
        if version == Version::Fix50Sp2 && logon.get(tag::DEFAULT_APPL_VER_ID) != Some(APPL_VER_ID)
        {
            return Err(LogonRefusal::ApplVersion);
        }
        // What was said under a number is said again in the words it had: another version needs new numbers.
        let numbered = self.next_in > 1 || self.last_out > 0;
        if version != self.version() && numbered && !is_reset(logon) {
            return Err(LogonRefusal::OtherVersion);
        }
        self.check_sending_time(now, &head).map_err(|()| LogonRefusal::SendingTime)?;
        self.check_terms(&head, logon)
    }

    /// Whether a Logon that [`Session::check_logon`] accepts would be answered by a Logout, for its numbers.
    #[must_use]
    pub fn has_wrong_numbers(&self, logon: &Message<'_>) -> bool {
        let number = Head::read(logon).number;
        let next_out = self.last_out.saturating_add(1);
        let is_low = number.is_none_or(|number| number < self.next_in);
        !is_reset(logon) && (is_low || next_expected(logon).is_some_and(|next| next > next_out))
    }

    /// The text of a Logout in answer to a Logon, with what has become of its NewPassword(925).
    fn with_new_password(&self, text: String) -> (String, u8) {
        match self.link.as_ref().and_then(|link| link.new_password) {
            Some(NewPassword::Done) => {
                (text + "; the new password counts", status::PASSWORD_CHANGED)
            }
            _ => (text, 0),
        }
    }

    /// What a Logon must say, at the start of a connection and in the middle of one.
    fn check_terms(&self, head: &Head<'_>, logon: &Message<'_>) -> Result<(), LogonRefusal> {
        if logon.get(tag::ENCRYPT_METHOD) != Some(b"0") {
            return Err(LogonRefusal::EncryptMethod);
        }
        let bounds = self.profile.heartbeat_s_min..=self.profile.heartbeat_s_max;
        if !heartbeat_s(logon).is_some_and(|heartbeat_s| bounds.contains(&heartbeat_s)) {
            return Err(LogonRefusal::HeartBtInt);
        }
        let username = matches_secret(self.profile.username.as_deref(), logon.get(tag::USERNAME));
        let password = matches_secret(self.profile.password.as_deref(), logon.get(tag::PASSWORD));
        if !(username & password) {
            return Err(LogonRefusal::Credentials);
        }
        let expects = next_expected(logon);
        if expects == Some(0) {
            let reason = SessionRejectReason::ValueIncorrect;
            return Err(LogonRefusal::Field(Fault::of(tag::NEXT_EXPECTED_MSG_SEQ_NUM, reason)));
        }
        if is_reset(logon) && (head.number != Some(1) || expects.is_some_and(|next| next != 1)) {
            return Err(LogonRefusal::ResetNumber);
        }
        Ok(())
    }

    /// The first message of a connection. [`Session::check_logon`] has accepted it.
    pub(super) fn logon(
        &mut self,
        now: Timestamp,
        head: &Head<'_>,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        let (Some(link), Some(number)) = (&mut self.link, head.number) else { return };
        link.logon = true;
        if let Some(version) = Version::of_begin_string(message.begin_string()) {
            self.profile.identity.version = version;
        }
        link.heartbeat_s = heartbeat_s(message).unwrap_or(0);
        let expects = next_expected(message);
        link.peer_expects = expects;
        if let Some(NewPassword::Refused(why)) = link.new_password {
            // FIX 4.4 has no other word for it: a Logon that is answered is done, all of it.
            let inbound = if is_reset(message) { MsgSeqNum::NONE } else { self.count(number) };
            let text = format!("the new password is refused: {why}");
            let said = (text.as_bytes(), status::NEW_PASSWORD_REFUSED);
            return self.log_out_as(now, inbound, said, Closing::WhenWritten, shell);
        }
        if is_reset(message) {
            return self.reset(shell);
        }
        if number < self.next_in {
            let (text, status) = self.with_new_password(self.number_too_low(number));
            let said = (text.as_bytes(), status);
            return self.log_out_as(now, MsgSeqNum::NONE, said, Closing::WhenWritten, shell);
        }
        let inbound = self.count(number);
        let next_out = self.last_out.saturating_add(1);
        if let Some(expects) = expects.filter(|expects| *expects > next_out) {
            // It has messages that we never sent: whose numbers are right, only people can say.
            let text = format!(
                "NextExpectedMsgSeqNum(789) too high, expecting at most {next_out} but received {expects}"
            );
            let (text, status) = self.with_new_password(text);
            let said = (text.as_bytes(), status);
            return self.log_out_as(now, inbound, said, Closing::WhenWritten, shell);
        }
        self.answer_logon(inbound, Numbering::Next, shell);
        if number > self.next_in {
            self.keep(number, b"");
            match expects {
                // Our answer says what we miss, and who says 789 reads it.
                Some(_) => self.wait_for_gap(now, number),
                None => self.ask_for_gap(now, number, shell),
            }
        }
    }

    /// A Logon in the middle of a connection: both sides start again at 1, or it is a mistake.
    pub(super) fn logon_again(
        &mut self,
        now: Timestamp,
        number: u32,
        head: &Head<'_>,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        if message.get(tag::NEW_PASSWORD).is_some() {
            let inbound = self.count(number);
            let text =
                b"NewPassword(925) is for the first Logon of a connection, or for UserRequest(BE)";
            return self.log_out(now, inbound, text, Closing::AfterAnswer, shell);
        }
        let reset = is_reset(message)
            && self.dictionary().check(message, UnknownTags::Ignore).is_ok()
            && self.check_terms(head, message).is_ok();
        if !reset {
            let inbound = self.count(number);
            let text = b"Logon while logged on must have ResetSeqNumFlag(141)=Y, MsgSeqNum(34)=1";
            return self.log_out(now, inbound, text, Closing::AfterAnswer, shell);
        }
        if let Some(link) = &mut self.link {
            link.heartbeat_s = heartbeat_s(message).unwrap_or(link.heartbeat_s);
            link.peer_expects = next_expected(message);
        }
        self.reset(shell);
    }

    /// Both directions start again; the Logon that asked for it was number 1.
    fn reset(&mut self, shell: &mut impl Shell) {
        self.queue.clear();
        self.next_in = 2;
        if let Some(link) = &mut self.link {
            link.gap = None;
            link.held_resend = None;
            link.resets_asked += 1;
        }
        self.answer_logon(MsgSeqNum(1), Numbering::Reset, shell);
    }

    fn answer_logon(&self, inbound: MsgSeqNum, numbering: Numbering, shell: &mut impl Shell) {
        let heartbeat_s = self.link.as_ref().map_or(0, |link| link.heartbeat_s);
        let reset = numbering == Numbering::Reset;
        let expects = self.link.as_ref().and_then(|link| link.peer_expects);
        let next_expected = expects.map_or(0, |_| self.next_in);
        let (connection, version) = (self.connection, self.version());
        let password_changed = self
            .link
            .as_ref()
            .is_some_and(|link| !link.active && link.new_password == Some(NewPassword::Done));
        let note = Note::Logon {
            heartbeat_s,
            reset,
            connection,
            version,
            next_expected,
            password_changed,
        };
        submit_as(shell, inbound, numbering, &note);
    }
}

fn heartbeat_s(logon: &Message<'_>) -> Option<u32> {
    logon.get(tag::HEART_BT_INT).and_then(parse_uint)
}

/// NextExpectedMsgSeqNum(789); FIX 4.2 has none, and one that is there all the same says nothing.
fn next_expected(logon: &Message<'_>) -> Option<u32> {
    let version = Version::of_begin_string(logon.begin_string())?;
    let next = logon.get(tag::NEXT_EXPECTED_MSG_SEQ_NUM).filter(|_| version > Version::Fix42);
    next.and_then(parse_uint)
}

fn is_reset(logon: &Message<'_>) -> bool {
    logon.get(tag::RESET_SEQ_NUM_FLAG) == Some(b"Y")
}

/// Whether `given` is `wanted`, in a time that tells nothing about where they differ.
fn matches_secret(wanted: Option<&[u8]>, given: Option<&[u8]>) -> bool {
    let Some(wanted) = wanted else { return true };
    let given = given.unwrap_or_default();
    let mut differs = u8::from(wanted.len() != given.len());
    for (i, byte) in given.iter().enumerate() {
        differs |= byte ^ wanted.get(i).copied().unwrap_or(!byte);
    }
    std::hint::black_box(differs) == 0
}
