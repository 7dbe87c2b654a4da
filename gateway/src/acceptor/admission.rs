//! Who may speak for a session: what its Logon claims, and who decides whether that is true.
//!
//! A password at rest takes tens of milliseconds to compare. So the answer may come later: the Logon stays in
//! its connection's buffer, nothing else of that connection is read, and everybody else is served meanwhile.

use matcher::{SessionId, Timestamp};
use zeroize::Zeroizing;

use super::Acceptor;
use crate::fix::{LogonRefusal, Message, parse_utc, tag};
use crate::network::Network;

/// Names one Logon that waits for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The session that it wants to speak for.
    pub session: SessionId,
    peer: usize,
    serial: u64,
}

impl Ticket {
    pub(super) fn new(session: SessionId, peer: usize, serial: u64) -> Ticket {
        Ticket { session, peer, serial }
    }
}

/// What a Logon brings to prove whose it is.
pub struct Claim<'m> {
    /// The session that it wants to speak for.
    pub session: SessionId,
    /// When it came.
    pub now: Timestamp,
    /// The whole message.
    pub logon: &'m Message<'m>,
}

impl<'m> Claim<'m> {
    /// Username(553), empty if there is none.
    #[must_use]
    pub fn username(&self) -> &'m [u8] {
        self.logon.get(tag::USERNAME).unwrap_or_default()
    }

    /// Password(554), empty if there is none.
    #[must_use]
    pub fn password(&self) -> &'m [u8] {
        self.logon.get(tag::PASSWORD).unwrap_or_default()
    }

    /// RawData(96), empty if there is none: where a signature stands.
    #[must_use]
    pub fn signature(&self) -> &'m [u8] {
        self.logon.get(tag::RAW_DATA).unwrap_or_default()
    }

    /// SendingTime(52).
    #[must_use]
    pub fn sending_time(&self) -> Timestamp {
        self.logon.get(tag::SENDING_TIME).and_then(parse_utc).unwrap_or_default()
    }

    /// What is signed: SendingTime(52), MsgType(35), MsgSeqNum(34), SenderCompID(49), TargetCompID(56) and, if
    /// the Logon has one, Password(554), as they stand there, with SOH between.
    #[must_use]
    pub fn signed(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it: a buffer that grows leaves a copy behind.
        let mut signed = Zeroizing::new(Vec::with_capacity(self.logon.bytes().len()));
        for (index, tag) in SIGNED.into_iter().enumerate() {
            let value = self.logon.get(tag);
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

    /// The next claim that was put off and is decided, and whether it was true.
    fn next_verdict(&mut self) -> Option<(Ticket, bool)>;

    /// Whether [`Credentials::next_verdict`] has one.
    fn has_verdict(&self) -> bool;
}

/// Sessions without secrets: every claim is true.
pub struct NoSecrets;

impl Credentials for NoSecrets {
    fn check(&mut self, _: Ticket, _: &Claim<'_>) -> Verdict {
        Verdict::Good
    }

    fn next_verdict(&mut self) -> Option<(Ticket, bool)> {
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
    Decided(bool),
}

/// What is to be done with a connection's first message.
pub(super) enum Admitted {
    /// It speaks for this session now.
    In(SessionId),
    /// It waits, for this.
    Later(Admission),
    /// It is closed.
    Refused(LogonRefusal),
}

impl<N: Network> Acceptor<N> {
    /// Connections whose Logon was decided about are read on; what waited for a free hand asks again.
    pub(super) fn hear_verdicts(&mut self) {
        if !self.credentials.has_verdict() {
            return;
        }
        while let Some((ticket, good)) = self.credentials.next_verdict() {
            if let Some(Some(slot)) = self.slots.get_mut(ticket.session.index()) {
                slot.asked = false;
            }
            if let Some(Some(peer)) = self.peers.get_mut(ticket.peer)
                && peer.serial == ticket.serial
            {
                peer.admission = Admission::Decided(good);
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
            && !peer.ready
        {
            peer.ready = true;
            self.ready.push(index);
        }
    }
}
