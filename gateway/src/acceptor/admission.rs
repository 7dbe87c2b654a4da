//! Who may speak for a session: what its Logon claims, and who decides whether that is true.
//!
//! A password at rest takes tens of milliseconds to compare. So the answer may come later: the Logon stays in
//! its connection's buffer, nothing else of that connection is read, and everybody else is served meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use matcher::{SessionId, Timestamp};
use zeroize::Zeroizing;

use super::cancels::CancelTerms;
use super::lockout::{Failures, Lockout, Networks};
use super::timers::Dues;
use super::users::{Change, Changed, Changing};
use super::{Acceptor, Peer, Slot};
use crate::fix::{LogonRefusal, Message, NewPassword, parse_utc, tag};
use crate::network::{Network, Stream};

/// Names one Logon that waits for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The session that it wants to speak for.
    pub session: SessionId,
    peer: usize,
    serial: u64,
}

/// What a Logon brings to prove whose it is.
pub struct Claim<'m> {
    /// The session that it wants to speak for.
    pub session: SessionId,
    /// When it came.
    pub now: Timestamp,
    /// What says so.
    pub ask: Ask<'m>,
    /// The certificate that the connection has proved to have, as DER.
    pub certificate: Option<&'m [u8]>,
    /// Whether the Logon would be taken if this is true: what it asks for is done then, and not else.
    pub is_taken: bool,
}

/// The first message of a connection.
#[derive(Clone, Copy)]
pub enum Ask<'m> {
    /// Of FIX: whole, whatever it is.
    Fix(&'m Message<'m>),
    /// A login of SoupBinTCP, for OUCH.
    Soup {
        /// Without padding.
        username: &'m [u8],
        /// Without padding.
        password: &'m [u8],
    },
}

impl<'m> Claim<'m> {
    fn field(&self, tag: u32) -> &'m [u8] {
        match self.ask {
            Ask::Fix(logon) => logon.get(tag).unwrap_or_default(),
            Ask::Soup { .. } => &[],
        }
    }

    /// Username(553), empty if there is none; or that of a login.
    #[must_use]
    pub fn username(&self) -> &'m [u8] {
        match self.ask {
            Ask::Fix(_) => self.field(tag::USERNAME),
            Ask::Soup { username, .. } => username,
        }
    }

    /// Password(554), empty if there is none; or that of a login.
    #[must_use]
    pub fn password(&self) -> &'m [u8] {
        match self.ask {
            Ask::Fix(_) => self.field(tag::PASSWORD),
            Ask::Soup { password, .. } => password,
        }
    }

    /// Whether case counts neither in the name nor, where the password kept has no capitals, in the password.
    #[must_use]
    pub fn is_without_case(&self) -> bool {
        matches!(self.ask, Ask::Soup { .. })
    }

    /// NewPassword(925): what is to be the password from now on.
    #[must_use]
    pub fn new_password(&self) -> Option<&'m [u8]> {
        match self.ask {
            Ask::Fix(logon) => logon.get(tag::NEW_PASSWORD).filter(|_| self.is_taken),
            Ask::Soup { .. } => None,
        }
    }

    /// RawData(96), empty if there is none: where a signature stands.
    #[must_use]
    pub fn signature(&self) -> &'m [u8] {
        self.field(tag::RAW_DATA)
    }

    /// SendingTime(52).
    #[must_use]
    pub fn sending_time(&self) -> Timestamp {
        parse_utc(self.field(tag::SENDING_TIME)).unwrap_or_default()
    }

    /// What is signed: SendingTime(52), MsgType(35), MsgSeqNum(34), SenderCompID(49), TargetCompID(56) and, if
    /// the Logon has one, Password(554), as they stand there, with SOH between.
    #[must_use]
    pub fn signed(&self) -> Zeroizing<Vec<u8>> {
        let Ask::Fix(logon) = self.ask else { return Zeroizing::new(Vec::new()) };
        // Room for all of it: a buffer that grows leaves a copy behind.
        let mut signed = Zeroizing::new(Vec::with_capacity(logon.bytes().len()));
        for (index, tag) in SIGNED.into_iter().enumerate() {
            let value = logon.get(tag);
            if tag == tag::PASSWORD && value.is_none() {
                break;
            }
            if index > 0 {
                signed.push(1);
            }
            signed.extend_from_slice(value.unwrap_or_default());
        }
        signed
    }
}

/// In this order. Source: the rules of engagement of Coinbase Exchange.
const SIGNED: [u32; 6] = [
    tag::SENDING_TIME,
    tag::MSG_TYPE,
    tag::MSG_SEQ_NUM,
    tag::SENDER_COMP_ID,
    tag::TARGET_COMP_ID,
    tag::PASSWORD,
];

/// What is known of a [`Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is true.
    Good,
    /// It is true, and this has become of its [`Claim::new_password`].
    Renewed(NewPassword),
    /// It is not.
    Bad,
    /// [`Credentials::next_verdict`] will say it.
    Later,
    /// Nobody is free to look at it. Ask again when a verdict has come.
    Busy,
}

/// Whoever knows the sessions' secrets. Never waits, and looks at a bounded number of claims at once.
pub trait Credentials {
    /// Whether `claim` is true.
    fn check(&mut self, ticket: Ticket, claim: &Claim<'_>) -> Verdict;

    /// The next claim that was put off and is decided, and what was found.
    fn next_verdict(&mut self) -> Option<(Ticket, Verdict)>;

    /// Whether [`Credentials::next_verdict`] or [`Credentials::next_change`] has one.
    fn has_verdict(&self) -> bool;

    /// Gives a session another password.
    fn change(&mut self, _change: &Change<'_>) -> Changing {
        Changing::Decided(Changed::Not("this venue keeps no passwords"))
    }

    /// The next change that was put off and is decided.
    fn next_change(&mut self) -> Option<(SessionId, Changed)> {
        None
    }
}

/// Sessions without secrets: every claim is true.
pub struct NoSecrets;

impl Credentials for NoSecrets {
    fn check(&mut self, _: Ticket, _: &Claim<'_>) -> Verdict {
        Verdict::Good
    }

    fn next_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        None
    }

    fn has_verdict(&self) -> bool {
        false
    }
}

/// How far a connection's Logon has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// No Logon was looked at.
    Open,
    /// It is being compared: nothing is read until the verdict.
    Asked,
    /// Nobody was free to look at it: nothing is read until somebody is.
    Waits,
    /// The verdict came; the Logon is still in the buffer.
    Decided(Verdict),
}

/// What is to be done with a connection's first message.
pub(super) enum Admitted {
    /// It speaks for this session now.
    In(SessionId),
    /// It will speak for the session of this connection, once that is closed: this was found.
    TakesOver(usize, Verdict),
    /// It waits, for this.
    Later(Admission),
    /// It is closed.
    Refused(Refusal),
}

/// What becomes of a connection that speaks for nobody yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotIn {
    /// Its first message is looked at again in its next turn.
    Again,
    /// It is read on when somebody says so.
    Waits,
    /// It is closed.
    Refused,
}

/// Why a connection's first message makes it speak for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The Logon is not good.
    Logon(LogonRefusal),
    /// The session may not be spoken for from there.
    Address,
    /// The address or the session has had too many failed Logons, until this time.
    LockedOut {
        /// Since when it is not looked at.
        now: Timestamp,
        /// Until when.
        until: Timestamp,
    },
}

impl Refusal {
    /// Whether it is what one who guesses would get.
    fn is_guess(&self) -> bool {
        match self {
            Refusal::Logon(refusal) => {
                matches!(refusal, LogonRefusal::CompId | LogonRefusal::Credentials)
            }
            Refusal::Address => true,
            Refusal::LockedOut { .. } => false,
        }
    }
}

impl From<LogonRefusal> for Refusal {
    fn from(refusal: LogonRefusal) -> Refusal {
        Refusal::Logon(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Logon(refusal) => refusal.fmt(f),
            Refusal::Address => f.write_str("the session may not log on from this address"),
            Refusal::LockedOut { now, until } => {
                let left_ms = until.0.saturating_sub(now.0).div_ceil(1_000_000);
                write!(f, "too many failed Logons: locked out for {left_ms} ms more")
            }
        }
    }
}

/// What a first message has to get past.
pub(super) struct Doorway<'a> {
    pub(super) slots: &'a mut [Option<Slot>],
    pub(super) by_comp_id: &'a HashMap<Vec<u8>, SessionId>,
    pub(super) by_username: &'a HashMap<Vec<u8>, SessionId>,
    pub(super) credentials: &'a mut dyn Credentials,
    pub(super) networks: &'a mut Networks,
    pub(super) lockout: &'a Lockout,
    pub(super) logged_on: &'a mut usize,
    pub(super) cancels_due: &'a mut Dues,
    pub(super) resets_due: &'a mut Dues,
}

impl Doorway<'_> {
    /// Whether the first message of `peer` makes it speak for a session.
    pub(super) fn admit<S: Stream>(
        &mut self,
        (index, peer): (usize, &Peer<S>),
        now: Timestamp,
        ask: Ask<'_>,
    ) -> Admitted {
        let address = peer.address.ip();
        let session = match ask {
            Ask::Fix(logon) => {
                logon.get(tag::SENDER_COMP_ID).and_then(|id| self.by_comp_id.get(id)).copied()
            }
            Ask::Soup { username, .. } => {
                self.by_username.get(&username.to_ascii_lowercase()).copied()
            }
        };
        let admitted = self.look(session, (index, peer), now, ask);
        let slot = session.and_then(|id| self.slots.get_mut(id.index())).and_then(Option::as_mut);
        match &admitted {
            Admitted::In(_) => {
                self.networks.succeeded(address);
                if let Some(slot) = slot {
                    slot.failures = Failures::default();
                    slot.proved_from = Some(address);
                }
            }
            Admitted::Refused(refusal) if refusal.is_guess() => {
                self.networks.failed(address, now, self.lockout);
                // From where it may not log on nobody locks it out.
                if let Some(slot) = slot.filter(|_| *refusal != Refusal::Address) {
                    slot.failures.add(now, self.lockout);
                }
            }
            Admitted::Refused(_) | Admitted::Later(_) | Admitted::TakesOver(..) => {}
        }
        admitted
    }

    fn look<S: Stream>(
        &mut self,
        session: Option<SessionId>,
        (index, peer): (usize, &Peer<S>),
        now: Timestamp,
        ask: Ask<'_>,
    ) -> Admitted {
        let address = peer.address.ip();
        let terms = match ask {
            Ask::Fix(logon) => CancelTerms::read(logon),
            Ask::Soup { .. } => Ok(CancelTerms::default()),
        };
        let terms = match terms {
            Ok(terms) => terms,
            Err(refusal) => return Admitted::Refused(refusal.into()),
        };
        let (id, slot) = match self.slot_of(session, address, now, ask) {
            Ok(found) => found,
            Err(refusal) => {
                if let (Refusal::Logon(LogonRefusal::Resetting), Some(id)) = (refusal, session) {
                    self.resets_due.look_at(id, now);
                }
                return Admitted::Refused(refusal);
            }
        };
        let verdict = match peer.admission {
            Admission::Decided(verdict) => verdict,
            // One at a time: who guesses at a session does so in a row.
            _ if self.slots[slot].as_ref().is_some_and(|slot| slot.asked) => Verdict::Busy,
            _ => {
                let session = self.slots[slot].as_ref().map(|slot| &slot.session);
                let is_taken = match ask {
                    Ask::Fix(logon) => session.is_some_and(|it| !it.has_wrong_numbers(logon)),
                    Ask::Soup { .. } => true,
                };
                let ticket = Ticket { session: id, peer: index, serial: peer.serial };
                let certificate = peer.connection.certificate();
                let claim = Claim { session: id, now, ask, certificate, is_taken };
                self.credentials.check(ticket, &claim)
            }
        };
        let Some(slot) = &mut self.slots[slot] else {
            return Admitted::Refused(LogonRefusal::CompId.into());
        };
        match verdict {
            Verdict::Good | Verdict::Renewed(_) => {
                if let Some(first) = slot.peer {
                    return Admitted::TakesOver(first, verdict);
                }
                slot.cancels.logged_on(terms, now);
                match &mut slot.ouch {
                    Some(ouch) => ouch.connect(now),
                    None => slot.session.connect(now),
                }
                if let Verdict::Renewed(new) = verdict {
                    slot.session.new_password(new);
                }
                slot.peer = Some(index);
                *self.logged_on += 1;
                if let Some(due) = slot.cancels.due() {
                    self.cancels_due.look_at(id, due);
                }
                Admitted::In(id)
            }
            Verdict::Bad => Admitted::Refused(LogonRefusal::Credentials.into()),
            Verdict::Later => {
                slot.asked = true;
                Admitted::Later(Admission::Asked)
            }
            Verdict::Busy => Admitted::Later(Admission::Waits),
        }
    }

    /// Whose Logon this is, if it is a good one and may be looked at.
    fn slot_of(
        &self,
        session: Option<SessionId>,
        address: IpAddr,
        now: Timestamp,
        ask: Ask<'_>,
    ) -> Result<(SessionId, usize), Refusal> {
        if let Ask::Fix(logon) = ask
            && logon.msg_type() != b"A"
        {
            return Err(LogonRefusal::NotLogon.into());
        }
        // Asked here and not only when it connected: one can open many connections first, then guess on each.
        if let Some(until) = self.networks.locked(address, now, self.lockout) {
            return Err(Refusal::LockedOut { now, until });
        }
        let id = session.ok_or(LogonRefusal::CompId)?;
        let slot = self.slots.get(id.index()).and_then(Option::as_ref);
        let slot = slot.ok_or(LogonRefusal::CompId)?;
        if !slot.addresses.is_empty() && !slot.addresses.iter().any(|it| it.contains(address)) {
            return Err(Refusal::Address);
        }
        // Whoever proved itself last is not kept out by strangers who guess.
        if slot.proved_from != Some(address)
            && let Some(until) = slot.failures.locked(now, self.lockout)
        {
            return Err(Refusal::LockedOut { now, until });
        }
        let checked = match ask {
            Ask::Fix(logon) => slot.session.check_logon(now, logon),
            Ask::Soup { .. } => slot.check_login(now),
        };
        match checked {
            // The rest is looked at when the first connection is gone.
            Err(LogonRefusal::AlreadyConnected) if slot.takeover => {}
            checked => checked?,
        }
        Ok((id, id.index()))
    }
}

impl Slot {
    /// Whether a login of SoupBinTCP may be for this session, whoever sends it.
    fn check_login(&self, now: Timestamp) -> Result<(), LogonRefusal> {
        if self.peer.is_some() {
            return Err(LogonRefusal::AlreadyConnected);
        }
        if self.session.is_reset_due(now) {
            return Err(LogonRefusal::Resetting);
        }
        Ok(())
    }
}

impl<N: Network> Acceptor<N> {
    /// What becomes of a connection whose first message does not make it speak for a session.
    pub(super) fn not_in(
        &mut self,
        admitted: Admitted,
        index: usize,
        peer: &mut Peer<N::Stream>,
        now: Timestamp,
    ) -> NotIn {
        match admitted {
            Admitted::TakesOver(old, verdict) => {
                self.notice(now, peer.address, "takes over its session");
                peer.admission = Admission::Decided(verdict);
                if let Some(first) = self.peers[old].take() {
                    self.drop_peer(old, first, now);
                }
                NotIn::Again
            }
            Admitted::Later(admission) => {
                peer.admission = admission;
                if admission == Admission::Waits {
                    self.waiting.push(index);
                }
                NotIn::Waits
            }
            // It waits, like whoever is behind it, until the numbers are 1 again.
            Admitted::Refused(Refusal::Logon(LogonRefusal::Resetting)) => NotIn::Again,
            Admitted::Refused(refusal) => {
                self.stats.logons_refused += 1;
                match (refusal, &peer.soup) {
                    // In the words of OUCH, where those of FIX name fields that it has not.
                    (Refusal::Logon(LogonRefusal::CompId), Some(_)) => {
                        self.notice(
                            now,
                            peer.address,
                            "login refused: no session has this user name",
                        );
                    }
                    (Refusal::Logon(LogonRefusal::Credentials), Some(_)) => {
                        self.notice(now, peer.address, "login refused: the password is wrong");
                    }
                    (refusal, Some(_)) => {
                        self.notice(now, peer.address, format_args!("login refused: {refusal}"));
                    }
                    (refusal, None) => {
                        self.notice(now, peer.address, format_args!("logon refused: {refusal}"));
                    }
                }
                NotIn::Refused
            }
            Admitted::In(_) => NotIn::Again,
        }
    }

    /// Connections whose Logon was decided about are read on; what waited for a free hand asks again.
    pub(super) fn hear_verdicts(&mut self) {
        if !self.credentials.has_verdict() {
            return;
        }
        while let Some((ticket, verdict)) = self.credentials.next_verdict() {
            if let Some(Some(slot)) = self.slots.get_mut(ticket.session.index()) {
                slot.asked = false;
            }
            if let Some(Some(peer)) = self.peers.get_mut(ticket.peer)
                && peer.serial == ticket.serial
            {
                peer.admission = Admission::Decided(verdict);
                self.read_again(ticket.peer);
            }
        }
        for index in std::mem::take(&mut self.waiting) {
            if let Some(Some(peer)) = self.peers.get_mut(index)
                && peer.admission == Admission::Waits
            {
                peer.admission = Admission::Open;
                self.read_again(index);
            }
        }
    }

    fn read_again(&mut self, index: usize) {
        if let Some(Some(peer)) = self.peers.get_mut(index)
            && !std::mem::replace(&mut peer.ready, true)
        {
            self.strangers.push_back(index);
        }
    }
}
