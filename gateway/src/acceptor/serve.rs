//! Bytes → messages → sessions → the ring.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, MsgSeqNum, Numbering, SessionId, Timestamp};

use super::admission::{Admission, Admitted, Ask, Doorway, NotIn, Verdict};
use super::cancels::CancelTerms;
use super::copies::{Copies, trade_request};
use super::passing::{self, Passing};
use super::quoting::lacks_room;
use super::rights::{self, Pace, Rate, Rights};
use super::users::{UserRequests, is_secret};
use super::{
    Acceptor, GARBLED_MAX, MESSAGES_A_ROUND, Peer, RESENDS_MAX, ROOM_FOR_ORDERS, ROOM_MIN,
    Requests, Slot,
};
use crate::connection::Fill;
use crate::fix::{
    BadLength, CloseReason, DecodeError, Fields, Message, NewPassword, Note, Session, Shell, Taken,
    decode, decode_as, tag,
};
use crate::market_data::MarketData;
use crate::network::Network;
use crate::order_entry::{OrderEntry, Request, shards};

impl<N: Network> Acceptor<N> {
    /// Reads what came in and hands it to the sessions, as far as `requests` has room.
    pub fn serve(&mut self, now: Timestamp, requests: &mut impl Requests) {
        // Before anything is read: a session that comes back too late finds its orders canceled.
        self.cancel_what_is_due(now);
        self.cancel_for_disconnects(requests);
        self.hear_verdicts();
        self.hear_changes(now, requests);
        self.end_delays(now);
        self.hear_market_data();
        self.ask_for_numbers(requests);
        self.submit_announced(requests);
        self.resume_held(now, requests);
        if self.resends_held > 0 && self.resends_share.next() <= now {
            self.resends_held = 0;
        }
        let mut ready = std::mem::take(&mut self.ready);
        for index in ready.drain(..) {
            self.serve_one(index, now, requests);
        }
        if self.ready.is_empty() {
            self.ready = ready;
        }
        self.serve_strangers(now, requests);
    }

    #[cold]
    fn say_renewed(
        &mut self,
        now: Timestamp,
        address: SocketAddr,
        id: SessionId,
        new: NewPassword,
    ) {
        let what = match new {
            NewPassword::Done => "changed",
            NewPassword::Refused(_) => "not changed",
        };
        self.notice(now, address, format_args!("password of session {id} {what}"));
    }

    /// Reads one connection.
    pub(super) fn serve_one(&mut self, index: usize, now: Timestamp, requests: &mut impl Requests) {
        let Some(mut peer) = self.peers.get_mut(index).and_then(Option::take) else { return };
        let served = self.serve_peer(index, &mut peer, now, requests);
        // A handshake has answers of its own.
        if peer.connection.holds() && !std::mem::replace(&mut peer.dirty, true) {
            self.dirty.push(index);
        }
        peer.ready = matches!(served, Served::More);
        match served {
            Served::Waits => {}
            Served::More if peer.session.is_some() => self.ready.push(index),
            Served::More => self.strangers.push_back(index),
            Served::Delayed(until) => {
                if peer.delayed.replace(until).is_none() {
                    self.delayed.push(index);
                }
                let first = self.delayed_until.map_or(until, |first| first.min(until));
                self.delayed_until = Some(first);
            }
            Served::Gone => return self.drop_peer(index, peer, now),
        }
        self.hasten(index, &mut peer);
        self.peers[index] = Some(peer);
    }

    /// What a session read may have brought its next deadline nearer.
    fn hasten(&mut self, index: usize, peer: &mut Peer<N::Stream>) {
        let slot = peer.session.and_then(|id| self.slots.get(id.index())?.as_ref());
        if let Some(deadline) = slot.and_then(|slot| slot.session.deadline()) {
            self.timers.look_at(index, peer, deadline);
        }
    }

    /// Sessions that waited for a shard are read again, what came behind a gap first.
    #[inline]
    fn resume_held(&mut self, now: Timestamp, requests: &mut impl Requests) {
        if self.held.is_empty() {
            return;
        }
        for index in std::mem::take(&mut self.held) {
            let session = self.peers.get(index).and_then(|peer| peer.as_ref()?.session);
            let Some(id) = session else { continue };
            if !requests.is_held(id) {
                let (slots, entries) = (&mut self.slots, (&mut self.entry, &mut *self.others));
                let lists = (&mut self.resending, &mut self.asking);
                let mut border = Border::new((slots, entries), requests, lists, &mut *self.market);
                if border.take_queued(id, now).is_some() {
                    if let Some(peer) = self.peers.get_mut(index).and_then(Option::take) {
                        self.drop_peer(index, peer, now);
                    }
                    continue;
                }
            }
            if requests.is_held(id) {
                self.held.push(index);
            } else if let Some(Some(peer)) = self.peers.get_mut(index)
                && !std::mem::replace(&mut peer.ready, true)
            {
                self.ready.push(index);
            }
        }
    }

    /// Whether a connection is not read because its session waits for a shard.
    #[inline]
    pub(super) fn waits_for_shard(
        &mut self,
        index: usize,
        session: Option<SessionId>,
        requests: &impl Requests,
    ) -> bool {
        let waits = session.is_some_and(|id| requests.is_held(id));
        if waits && !self.held.contains(&index) {
            self.held.push(index);
        }
        waits
    }

    /// Connections that had sent too much are read again.
    fn end_delays(&mut self, now: Timestamp) {
        if self.delayed_until.is_none_or(|first| first > now) {
            return;
        }
        self.delayed_until = None;
        let mut delayed = std::mem::take(&mut self.delayed);
        delayed.retain(|index| {
            let Some(Some(peer)) = self.peers.get_mut(*index) else { return false };
            match peer.delayed {
                Some(until) if until > now => {
                    let first = self.delayed_until.map_or(until, |first| first.min(until));
                    self.delayed_until = Some(first);
                    true
                }
                Some(_) => {
                    peer.delayed = None;
                    if !std::mem::replace(&mut peer.ready, true) {
                        self.ready.push(*index);
                    }
                    false
                }
                None => false,
            }
        });
        self.delayed = delayed;
    }

    fn serve_peer(
        &mut self,
        index: usize,
        peer: &mut Peer<N::Stream>,
        now: Timestamp,
        requests: &mut impl Requests,
    ) -> Served {
        if matches!(peer.admission, Admission::Asked | Admission::Waits) {
            return Served::Waits;
        }
        if let Some(until) = peer.delayed.filter(|until| *until > now) {
            return Served::Delayed(until);
        }
        if peer.soup.is_some() {
            return self.serve_soup(index, peer, now, requests);
        }
        let mut filled = None;
        for _ in 0..MESSAGES_A_ROUND {
            if requests.room() < ROOM_MIN {
                self.stats.ring_full += 1;
                return Served::More;
            }
            if peer.connection.is_over() {
                peer.paused = true;
                return Served::Waits;
            }
            if self.waits_for_shard(index, peer.session, requests) {
                return Served::Waits;
            }
            if peer.closing {
                // Whatever else it sends is read and thrown away until our last bytes are out.
                let len = peer.connection.input().len();
                peer.connection.consume(len);
            }
            let slot = peer.session.and_then(|id| self.slots.get(id.index())?.as_ref());
            let bad_length = slot.map_or(BadLength::ItsMessage, |slot| slot.session.bad_length());
            let (bytes, fields) = (peer.connection.input(), &mut self.fields);
            let mut renewed = None;
            let used = match decode_as(bytes, fields, bad_length) {
                Ok((message, _)) if is_order(&message) && !requests.takes_orders() => {
                    return Served::More;
                }
                Ok((message, _)) if lacks_room(&message, requests.room()) => {
                    self.stats.ring_full += 1;
                    return Served::More;
                }
                Ok((message, used)) => {
                    let id = match peer.session {
                        Some(id) => id,
                        // Its last connection's orders are canceled before this one's are taken.
                        None if !self.disconnects.is_empty() => return Served::More,
                        None => {
                            let mut doorway = Doorway {
                                slots: &mut self.slots,
                                by_comp_id: &self.by_comp_id,
                                by_username: &self.by_username,
                                credentials: &mut *self.credentials,
                                networks: &mut self.networks,
                                lockout: &self.config.lockout,
                                logged_on: &mut self.logged_on,
                                cancels_due: &mut self.cancels_due,
                                resets_due: &mut self.resets_due,
                            };
                            match doorway.admit((index, &*peer), now, Ask::Fix(&message)) {
                                Admitted::In(id) => {
                                    if let Admission::Decided(Verdict::Renewed(new)) =
                                        peer.admission
                                    {
                                        renewed = Some(new);
                                    }
                                    id
                                }
                                other => match self.not_in(other, index, peer, now) {
                                    NotIn::Again => return Served::More,
                                    NotIn::Waits => return Served::Waits,
                                    NotIn::Refused => return Served::Gone,
                                },
                            }
                        }
                    };
                    let secret = is_secret(message.msg_type());
                    // The answer to our Logout at the end of a run is no wish to go.
                    peer.logged_out |= message.msg_type() == b"5" && !self.stopping;
                    peer.session = Some(id);
                    let entries = (&mut self.entry, &mut *self.others);
                    let (slots, lists) = (&mut self.slots, (&mut self.resending, &mut self.asking));
                    let mut border =
                        Border::new((slots, entries), requests, lists, &mut *self.market);
                    let pace = border.pace(id, now, &message);
                    self.stats.over_rate += u64::from(pace != Pace::Go);
                    let gone = match pace {
                        Pace::Go => border.receive(id, now, &message, None).is_some(),
                        Pace::Reject(wait_ns) => {
                            border.receive(id, now, &message, Some(wait_ns)).is_some()
                        }
                        Pace::Delay(until) => return Served::Delayed(until),
                        Pace::Disconnect(wait_ns) => {
                            border.log_out_for_rate(id, now, wait_ns);
                            let what = format_args!("session {id} logged out: too many messages");
                            self.notice(now, peer.address, what);
                            false
                        }
                    };
                    if gone {
                        return Served::Gone;
                    }
                    if secret {
                        peer.connection.erase(used);
                        self.change_password(id, peer.address, now, requests);
                        if let Some(new) = renewed {
                            self.say_renewed(now, peer.address, id, new);
                        }
                    }
                    used
                }
                Err(DecodeError::Garbled { resume_at }) => {
                    self.stats.garbled += 1;
                    peer.garbled += 1;
                    if peer.session.is_none() || peer.garbled > GARBLED_MAX {
                        self.notice(now, peer.address, "closed: what it sends is not FIX");
                        return Served::Gone;
                    }
                    resume_at.max(1)
                }
                Err(error @ DecodeError::TooLong { .. }) => {
                    self.stats.garbled += 1;
                    self.notice(now, peer.address, format_args!("closed: {error}"));
                    return Served::Gone;
                }
                Err(DecodeError::Incomplete) => match self.fill(index, peer, &mut filled, now) {
                    Some(served) => return served,
                    None => 0,
                },
            };
            peer.connection.consume(used);
        }
        Served::More
    }
}

impl<N: Network> Acceptor<N> {
    /// Reads more of a connection; says what becomes of it if there is no more.
    #[inline]
    pub(super) fn fill(
        &mut self,
        index: usize,
        peer: &mut Peer<N::Stream>,
        filled: &mut Option<Fill>,
        now: Timestamp,
    ) -> Option<Served> {
        let len = peer.connection.input().len();
        match filled {
            Some(Fill::Drained) => return Some(Served::Waits),
            Some(Fill::Closed) => return Some(Served::Gone),
            None | Some(Fill::Data) => {}
        }
        match peer.connection.fill() {
            // It has sent nothing that counts: others have their turn.
            Ok(Fill::Data) if peer.connection.input().len() == len => Some(Served::More),
            Ok(fill) => {
                if peer.connection.input().len() > len {
                    self.network.came_from(index);
                }
                *filled = Some(fill);
                None
            }
            Err(error) => {
                if error.kind() == ErrorKind::InvalidData {
                    self.notice(now, peer.address, format_args!("closed: TLS: {error}"));
                }
                Some(Served::Gone)
            }
        }
    }
}

fn is_of_session_layer(message: &Message<'_>) -> bool {
    matches!(message.msg_type(), [b'0'..=b'5' | b'A'] | [])
}

/// Takes what came behind a gap that is filled.
#[inline]
fn take_queued<R: Requests>(session: &mut Session, now: Timestamp, shell: &mut FixShell<'_, R>) {
    let mut fields = None;
    while shell.close.is_none()
        && shell.requests.room() >= ROOM_MIN
        && !shell.requests.is_held(shell.session)
    {
        let Some(bytes) = session.next_queued() else { break };
        let fields = fields.get_or_insert_with(Fields::new);
        if let Ok((message, _)) = decode(&bytes, fields) {
            session.receive(now, &message, shell);
        }
    }
}

/// Whether it has a limit of its own: who has sent too much can still cancel.
fn is_cancel(message: &Message<'_>) -> bool {
    matches!(message.msg_type(), b"F" | b"Z" | b"q")
}

fn is_order(message: &Message<'_>) -> bool {
    matches!(message.msg_type(), b"D" | b"G" | b"i")
}

pub(super) enum Served {
    /// The socket has no more bytes.
    Waits,
    /// It has, or may have: its next turn is after the others'.
    More,
    /// It has sent too much: it is read on then.
    Delayed(Timestamp),
    /// The connection is over.
    Gone,
}

/// What a message from a socket can reach.
pub(super) struct Border<'a, R> {
    pub(super) slots: &'a mut Vec<Option<Slot>>,
    pub(super) entry: &'a mut OrderEntry,
    /// Those of other shards.
    pub(super) others: &'a mut [OrderEntry],
    pub(super) requests: &'a mut R,
    pub(super) resending: &'a mut Vec<SessionId>,
    pub(super) asking: &'a mut Vec<SessionId>,
    pub(super) market: &'a mut (dyn MarketData + Send),
}

impl<'a, R: Requests> Border<'a, R> {
    pub(super) fn new(
        (slots, (entry, others)): (
            &'a mut Vec<Option<Slot>>,
            (&'a mut OrderEntry, &'a mut [OrderEntry]),
        ),
        requests: &'a mut R,
        (resending, asking): (&'a mut Vec<SessionId>, &'a mut Vec<SessionId>),
        market: &'a mut (dyn MarketData + Send),
    ) -> Border<'a, R> {
        Border { slots, entry, others, requests, resending, asking, market }
    }
}

impl<R: Requests> Border<'_, R> {
    fn receive(
        &mut self,
        id: SessionId,
        now: Timestamp,
        message: &Message<'_>,
        over_rate: Option<u64>,
    ) -> Option<CloseReason> {
        self.with(id, |session, shell| {
            shell.over_rate = over_rate;
            session.receive(now, message, shell);
            shell.over_rate = None;
            take_queued(session, now, shell);
        })
    }

    /// Goes on with what came behind a gap.
    fn take_queued(&mut self, id: SessionId, now: Timestamp) -> Option<CloseReason> {
        self.with(id, |session, shell| take_queued(session, now, shell))
    }

    /// Counts a message of a session, and what it says of its being there.
    #[inline]
    fn pace(&mut self, id: SessionId, now: Timestamp, message: &Message<'_>) -> Pace {
        if is_of_session_layer(message) {
            return Pace::Go;
        }
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return Pace::Go };
        slot.cancels.heard(now);
        slot.rate.as_mut().map_or(Pace::Go, |rate| rate.pace(now, is_cancel(message)))
    }

    /// It has sent far too much: it is told when to come back.
    fn log_out_for_rate(&mut self, id: SessionId, now: Timestamp, wait_ns: u64) {
        let rate = self.slots.get(id.index()).and_then(Option::as_ref).and_then(|it| it.rate);
        let text = rate.map(|rate| rate.text(wait_ns)).unwrap_or_default();
        self.with(id, |session, shell| session.stop(now, text.as_bytes(), shell));
    }

    pub(super) fn tick(&mut self, id: SessionId, now: Timestamp) -> Option<CloseReason> {
        self.with(id, |session, shell| session.tick(now, shell))
    }

    pub(super) fn with(
        &mut self,
        id: SessionId,
        call: impl FnOnce(&mut Session, &mut FixShell<'_, R>),
    ) -> Option<CloseReason> {
        let slot = self.slots.get_mut(id.index())?.as_mut()?;
        let (entry, requests) = (&mut *self.entry, &mut *self.requests);
        let said = (&mut slot.resends, &mut slot.passing);
        let mut shell = FixShell::new(id, (entry, requests), said, &slot.rights);
        shell.rate = slot.rate.as_ref();
        shell.market = Some(&mut *self.market);
        shell.terms = slot.cancels.terms;
        shell.copies = slot.copies.as_mut();
        shell.users = Some(&mut slot.users);
        shell.others = &mut *self.others;
        call(&mut slot.session, &mut shell);
        shell.ask_for_numbers();
        let close = shell.close;
        if !slot.resends.is_empty() && !self.resending.contains(&id) {
            self.resending.push(id);
        }
        if slot.passing.wants() && !self.asking.contains(&id) {
            self.asking.push(id);
        }
        close
    }
}

pub(super) struct FixShell<'a, R> {
    pub(super) session: SessionId,
    pub(super) entry: &'a mut OrderEntry,
    pub(super) requests: &'a mut R,
    pub(super) resends: &'a mut VecDeque<(u32, u32)>,
    pub(super) passing: &'a mut Passing,
    pub(super) market: Option<&'a mut (dyn MarketData + Send)>,
    pub(super) close: Option<CloseReason>,
    pub(super) rights: &'a Rights,
    rate: Option<&'a Rate>,
    terms: CancelTerms,
    /// What comes now is beyond the session's rate; the next would be taken after so many ns.
    over_rate: Option<u64>,
    /// What the session is told of others.
    copies: Option<&'a mut Copies>,
    pub(super) users: Option<&'a mut UserRequests>,
    /// Orders of other shards.
    pub(super) others: &'a mut [OrderEntry],
}

impl<'a, R> FixShell<'a, R> {
    pub(super) fn new(
        session: SessionId,
        (entry, requests): (&'a mut OrderEntry, &'a mut R),
        (resends, passing): (&'a mut VecDeque<(u32, u32)>, &'a mut Passing),
        rights: &'a Rights,
    ) -> FixShell<'a, R> {
        let (close, rate, over_rate) = (None, None, None);
        let terms = CancelTerms::default();
        let copies = None;
        FixShell {
            session,
            entry,
            requests,
            resends,
            passing,
            market: None,
            close,
            rights,
            rate,
            terms,
            over_rate,
            copies,
            users: None,
            others: &mut [],
        }
    }
}

impl<R: Requests> FixShell<'_, R> {
    /// BusinessMessageReject(j) with a text made for it.
    #[cold]
    fn reject_for_rate(&mut self, inbound: MsgSeqNum, message: &Message<'_>, wait_ns: u64) {
        let text = self.rate.map(|rate| rate.text(wait_ns)).unwrap_or_default();
        let note = Note::BusinessReject {
            ref_msg: inbound.0,
            ref_msg_type: message.msg_type(),
            ref_id: message.get(tag::CL_ORD_ID).unwrap_or_default(),
            reason: rights::OTHER,
            text: text.as_bytes(),
        };
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let len = note.encode(&mut attachment);
        let command = Command::Note(Numbering::Next);
        self.requests.submit(self.session, inbound, &command, &attachment[..len]);
    }
}

impl<R: Requests> Shell for FixShell<'_, R> {
    fn submit(&mut self, inbound: MsgSeqNum, command: &Command, attachment: &[u8]) {
        let mut room = [0; ATTACHMENT_BYTES_MAX];
        let attachment = self.terms.behind(attachment, &mut room).unwrap_or(attachment);
        self.requests.submit(self.session, inbound, command, attachment);
    }

    fn application<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m> {
        if let Some(wait_ns) = self.over_rate {
            self.reject_for_rate(inbound, message, wait_ns);
            return Taken::Submitted;
        }
        if message.msg_type() == b"AD" {
            let copies = self.copies.as_deref_mut();
            return trade_request(copies, self.session, inbound, message, self.requests);
        }
        if message.msg_type() == b"BE" {
            return self.user_request(inbound, message, poss_resend);
        }
        if let Some(text) = self.rights.refusal(message) {
            let ref_id = message.get(tag::CL_ORD_ID).unwrap_or_default();
            return Taken::BusinessReject { reason: rights::NOT_AUTHORIZED, text, ref_id };
        }
        if matches!(message.msg_type(), b"i" | b"Z" | b"a") && !self.others.is_empty() {
            let ref_id = message.get(tag::QUOTE_ID).unwrap_or_default();
            let text = "quotes are not taken where instruments are on shards";
            return Taken::BusinessReject { reason: rights::NOT_AVAILABLE, text, ref_id };
        }
        if matches!(message.msg_type(), b"i" | b"Z" | b"a") {
            return self.quote(inbound, message, poss_resend);
        }
        if passing::is_for(message) {
            return self.ask(inbound, message, poss_resend);
        }
        let throttled = self.requests.room() < ROOM_FOR_ORDERS;
        let mut attachment = [0; matcher::record::ATTACHMENT_BYTES_MAX];
        let (shard, entry) = if self.others.is_empty() {
            (0, &mut *self.entry)
        } else {
            let shard = shards::of_fix(self.entry, self.others, self.session, message);
            (shard, shard.checked_sub(1).map_or(&mut *self.entry, |at| &mut self.others[at]))
        };
        match entry.request(self.session, message, poss_resend, throttled, &mut attachment) {
            Request::Submit { command, attachment_len } => {
                let attachment = &attachment[..attachment_len];
                if shard == 0 {
                    self.requests.submit(self.session, inbound, &command, attachment);
                } else {
                    let session = self.session;
                    self.requests.submit_to(shard, session, inbound, &command, attachment);
                }
                Taken::Submitted
            }
            Request::Ignore => Taken::Ignored,
            Request::Reject { tag, reason } => Taken::Reject { tag, reason },
            Request::BusinessReject { reason, ref_id, text } => {
                Taken::BusinessReject { reason, text, ref_id }
            }
        }
    }

    fn resend(&mut self, begin: MsgSeqNum, end: MsgSeqNum) {
        // A peer that asks again before it has its answer gets the one it is waiting for.
        if self.resends.len() < RESENDS_MAX {
            self.resends.push_back((begin.0, end.0));
        }
    }

    fn close(&mut self, why: CloseReason) {
        self.close = Some(why);
    }
}
