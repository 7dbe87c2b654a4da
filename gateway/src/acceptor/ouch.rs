//! OUCH over SoupBinTCP: bytes → packets → messages → the ring, and the journal's tail → sequenced packets.
//!
//! The same connections, sessions, rules and limits as FIX; what differs is here. The number of a sequenced packet is the
//! number of the Event that it tells, so a login that names the next one it wants gets it and all after it from the journal, whether
//! it asks for what it missed or for all of the day. A UserRefNum is the inbound number of its Input: the highest
//! one that was used stands in the journal.
//!
//! A login is an Input too, of no number. It is answered when it comes back: everything that the connection before had
//! asked for is behind us then.

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, MassCancelScope, MsgSeqNum, Numbering, SessionId, Timestamp};

use super::admission::{Admitted, Ask, Doorway, NotIn};
use super::rights::{Pace, Rights};
use super::serve::Served;
use super::{
    Acceptor, GARBLED_MAX, MESSAGES_A_ROUND, Peer, ROOM_FOR_ORDERS, ROOM_MIN, Requests, Slot,
};
use crate::connection::Fill;
use crate::network::{Network, Stream};
use crate::order_entry::ouch::{Asks, OuchRequest};
use crate::order_entry::{Inputs, OrderEntry, Told, Unreadable, shards};
use crate::ouch::{FromClient, FromVenue, Note, SystemCode, SystemEvent, session_name};
use crate::soup::{SOUP_SESSION_BYTES, SoupClose, SoupConfig, SoupEvent, SoupReject, SoupSession};

/// Between two looks at the clocks of a connection.
///
/// Unit: ns. A heartbeat is due after a second of silence; this is how late it may be.
const LOOK_NS: u64 = 250_000_000;

/// How long the end of a day waits for the client to read it.
///
/// Unit: ns.
const END_NS: u64 = 2_000_000_000;

/// Largest length field taken: no message is longer than 300 bytes.
const PACKET_BYTES_MAX: u16 = 1_024;

/// Who speaks OUCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OuchSetup {
    /// The user name of its logins, at most 6 characters; case does not count.
    pub username: Vec<u8>,
    /// Its firm as its messages name it, padded.
    pub firm: [u8; 4],
}

/// A session's side of OUCH. Outlives its connections.
pub(super) struct OuchSession {
    firm: [u8; 4],
    /// The highest UserRefNum that was used.
    last_user_ref: u32,
    /// Names the present connection in notes.
    connection: u64,
    login: Login,
    /// The beginning of the day was said, or is on its way.
    begun: bool,
    /// Since when the end of the day is on its way: nothing is taken behind it.
    ends: Option<Timestamp>,
    /// What is told from the journal was told before: it has a share of the time.
    replays: bool,
}

/// How far the present connection's login has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    None,
    /// It is on its way through the core.
    Asked(Wanted),
    /// It came back.
    Noted(Wanted),
    Answered,
}

/// What a login asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Number of the first message; 0: only new ones.
    sequence: u64,
    /// Name of the session; spaces: the present one.
    session: SoupSession,
}

/// The answer to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is in: the first message has this number, the last that there is this one.
    In { session: SoupSession, next: u64, last: u32 },
    /// What it asks for is not here, for this reason.
    NotHere(&'static str),
}

impl Wanted {
    /// The answer to it, where the session's numbers began then, its last message has this number and the first that can
    /// still be had that one.
    pub(super) fn against(
        self,
        begun_at: Timestamp,
        spoke_fix: bool,
        last: MsgSeqNum,
        oldest: u32,
    ) -> Answer {
        let present = session_name(begun_at);
        let after = u64::from(last.0) + 1;
        let next = if self.sequence == 0 { after } else { self.sequence };
        if spoke_fix {
            return Answer::NotHere("its numbers are those of FIX: it needs an entry of its own");
        }
        if self.session.trim_ascii() != b"" && self.session.trim_ascii() != present.trim_ascii() {
            return Answer::NotHere("the session of that name is over or never was");
        }
        if next > after {
            return Answer::NotHere("that number is beyond the next message");
        }
        if next < u64::from(oldest) {
            return Answer::NotHere("that message is not kept any more");
        }
        Answer::In { session: present, next, last: last.0 }
    }
}

impl OuchSession {
    /// As of the end of the journal.
    pub(super) fn new(
        setup: OuchSetup,
        (last_inbound, last_outbound): (MsgSeqNum, MsgSeqNum),
    ) -> OuchSession {
        OuchSession {
            firm: setup.firm,
            last_user_ref: last_inbound.0,
            connection: 0,
            login: Login::None,
            begun: last_outbound != MsgSeqNum::NONE,
            ends: None,
            replays: false,
        }
    }

    /// A connection speaks for the session from now on.
    pub(super) fn connect(&mut self, now: Timestamp) {
        // Unique over restarts too: a note of an earlier connection is never taken for one of this.
        self.connection = now.0.max(self.connection + 1);
    }

    pub(super) fn disconnected(&mut self) {
        self.login = Login::None;
        self.replays = false;
    }

    /// Both numbers start again.
    pub(super) fn cleared(&mut self) {
        self.last_user_ref = 0;
        self.begun = false;
        self.ends = None;
    }

    /// Whether what is told from the journal now was told before.
    pub(super) fn replays(&self) -> bool {
        self.replays
    }

    /// Tells the journal of a login, and of the beginning of a day.
    fn log_in(&mut self, id: SessionId, wanted: Wanted, requests: &mut impl Requests) {
        let begins = !std::mem::replace(&mut self.begun, true);
        let sequence = if begins { wanted.sequence.max(1) } else { wanted.sequence };
        self.login = Login::Asked(Wanted { sequence, ..wanted });
        let login = Note::Login { connection: self.connection };
        submit(id, Numbering::InboundOnly, &login, requests);
        if begins {
            submit(id, Numbering::Next, &Note::day(SystemCode::StartOfDay), requests);
        }
    }

    /// Tells the journal that the connection ends.
    pub(super) fn log_out(&self, id: SessionId, asked: bool, requests: &mut impl Requests) {
        let logout = Note::Logout { connection: self.connection, asked };
        submit(id, Numbering::InboundOnly, &logout, requests);
    }

    /// The login that came back and is not answered.
    pub(super) fn login_to_answer(&self) -> Option<Wanted> {
        match self.login {
            Login::Noted(wanted) => Some(wanted),
            _ => None,
        }
    }

    /// Answers the login; gives the first message that is to come from the journal, if one is.
    pub(super) fn answer<S: Stream>(&mut self, peer: &mut Peer<S>, answer: Answer) -> Option<u32> {
        self.login = Login::Answered;
        let soup = peer.soup.as_mut()?;
        let out = peer.connection.output();
        match answer {
            Answer::In { session, next, last } => {
                soup.accept_in(session, next, out);
                let first = u32::try_from(next).ok().filter(|first| *first <= last);
                self.replays = first.is_some();
                first
            }
            Answer::NotHere(why) => {
                soup.debug(why, out);
                let _ = soup.reject(SoupReject::SessionNotAvailable, out);
                peer.closing = true;
                None
            }
        }
    }

    /// Tells the connection of an Event, if it is logged in.
    #[inline]
    pub(super) fn tell<S: Stream>(
        &mut self,
        peer: &mut Peer<S>,
        entry: &OrderEntry,
        told: &Told<'_>,
        msg: MsgSeqNum,
        inputs: &mut impl Inputs,
    ) -> Result<(), Unreadable> {
        let Some(soup) = peer.soup.as_mut().filter(|soup| soup.is_open()) else { return Ok(()) };
        // Both sides count: a message under another number would be another message.
        if soup.next_sequence() != u64::from(msg.0) {
            peer.broken = Some("its numbers and the journal's are not the same");
            return Ok(());
        }
        let out = peer.connection.output();
        soup.sequenced_by(out, |out| entry.ouch_report(told, msg, inputs, out))?;
        if ends_day(told) {
            let _ = soup.end_of_session(out);
            peer.closing = true;
        }
        Ok(())
    }
}

/// Whether an Event is the end of the day.
#[inline]
fn ends_day(told: &Told<'_>) -> bool {
    let end = SystemCode::EndOfDay.code();
    matches!(told.event, matcher::Event::Numbered { .. })
        && matches!(
            Note::decode(told.attachment),
            Some(Note::Said(FromVenue::SystemEvent(SystemEvent { event_code, .. }))) if event_code == end
        )
}

/// Cancels what a session's UserRefNums name, before they name something else.
#[cold]
fn cancel_all(id: SessionId, requests: &mut impl Requests) {
    let command = Command::MassCancel(MassCancelScope::Session);
    requests.submit(id, MsgSeqNum::NONE, &command, &[]);
}

#[cold]
fn submit(id: SessionId, numbering: Numbering, note: &Note, requests: &mut impl Requests) {
    let mut attachment = [0; ATTACHMENT_BYTES_MAX];
    let len = note.encode(&mut attachment);
    requests.submit(id, MsgSeqNum::NONE, &Command::Note(numbering), &attachment[..len]);
}

/// What became of a packet.
enum Taken {
    /// It is done with.
    Yes,
    /// It waits where it is.
    NotYet,
    /// It waits where it is, and is looked at again then.
    Delayed(Timestamp),
    /// It was no message.
    Garbled,
    /// The session has sent far too much, says this.
    TooMuch(String),
}

impl<N: Network> Acceptor<N> {
    /// How SoupBinTCP is spoken with who comes for OUCH. Which session it is depends on who logs in.
    pub(super) fn soup_config(&self) -> SoupConfig {
        let login_ms = u32::try_from(self.config.logon_timeout_ns / 1_000_000).unwrap_or(u32::MAX);
        SoupConfig {
            login_timeout_ms: login_ms,
            packet_bytes_max: PACKET_BYTES_MAX,
            ..SoupConfig::new([b' '; SOUP_SESSION_BYTES])
        }
    }

    /// Reads one connection that came for OUCH.
    pub(super) fn serve_soup(
        &mut self,
        index: usize,
        peer: &mut Peer<N::Stream>,
        now: Timestamp,
        requests: &mut impl Requests,
    ) -> Served {
        let mut filled: Option<Fill> = None;
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
            let len = peer.connection.input().len();
            if peer.closing || self.has_ended(peer.session) {
                // Whatever else it sends is read and thrown away until our last bytes are out.
                peer.connection.consume(len);
            } else if peer.session.is_none() {
                match self.log_in_soup(index, peer, now, requests) {
                    Some(served) => return served,
                    None if peer.connection.input().len() < len => continue,
                    None => {}
                }
            } else {
                let Some(soup) = &mut peer.soup else { return Served::Gone };
                if !soup.is_open() {
                    // Its login is on its way through the core; what it has sent since is read behind the answer.
                    return Served::Waits;
                }
                let mut said = Vec::new();
                let received = soup.receive(now, peer.connection.input(), &mut said);
                let consumed = received.consumed;
                match received.event {
                    None => peer.connection.consume(consumed),
                    Some(SoupEvent::Unsequenced(payload)) => {
                        let taken = match peer.session {
                            Some(id) => self.take_ouch(id, now, payload, requests),
                            None => Taken::Garbled,
                        };
                        match taken {
                            Taken::Yes => {}
                            Taken::NotYet => return Served::More,
                            Taken::Delayed(until) => return Served::Delayed(until),
                            Taken::Garbled => {
                                let what = FromClient::decode(payload).err();
                                self.garbled_ouch(peer, what.map(|it| it.to_string()), index);
                                if peer.garbled > GARBLED_MAX {
                                    let what = "closed: what it sends is not OUCH";
                                    self.notice(now, peer.address, what);
                                    return Served::Gone;
                                }
                            }
                            Taken::TooMuch(text) => {
                                self.notice(now, peer.address, "logged out: too many messages");
                                self.close_soup(index, peer, &text);
                            }
                        }
                        peer.connection.consume(consumed);
                        continue;
                    }
                    Some(SoupEvent::Debug(_)) => {
                        peer.connection.consume(consumed);
                        continue;
                    }
                    Some(SoupEvent::Logout) => {
                        peer.logged_out = true;
                        if let Some(id) = peer.session
                            && let Some(Some(Slot { ouch: Some(ouch), .. })) =
                                self.slots.get(id.index())
                        {
                            ouch.log_out(id, true, requests);
                        }
                        return Served::Gone;
                    }
                    Some(SoupEvent::Close(why)) => {
                        self.stats.garbled += 1;
                        self.notice(now, peer.address, format_args!("closed: {why}"));
                        self.close_soup(index, peer, &why.to_string());
                        continue;
                    }
                    Some(SoupEvent::Login { .. }) => return Served::Gone,
                }
                if consumed > 0 {
                    continue;
                }
            }
            if let Some(served) = self.fill(index, peer, &mut filled, now) {
                return served;
            }
        }
        Served::More
    }

    /// Whether the end of a session's day is on its way: what it asks for now would come behind it.
    #[inline]
    fn has_ended(&self, session: Option<SessionId>) -> bool {
        let slot = session.and_then(|id| self.slots.get(id.index())?.as_ref());
        slot.is_some_and(|slot| slot.ouch.as_ref().is_some_and(|ouch| ouch.ends.is_some()))
    }

    /// Takes what a connection says before it speaks for a session.
    fn log_in_soup(
        &mut self,
        index: usize,
        peer: &mut Peer<N::Stream>,
        now: Timestamp,
        requests: &mut impl Requests,
    ) -> Option<Served> {
        // On a copy: a login whose password is compared elsewhere stays where it is.
        let mut soup = peer.soup.clone()?;
        let mut said = Vec::new();
        let received = soup.receive(now, peer.connection.input(), &mut said);
        let consumed = received.consumed;
        match received.event {
            None | Some(SoupEvent::Debug(_)) => {}
            Some(SoupEvent::Login {
                username,
                password,
                requested_session,
                requested_sequence,
            }) => {
                // Its last connection's orders are canceled before this one's are taken.
                if !self.disconnects.is_empty() {
                    return Some(Served::More);
                }
                let mut session = [b' '; SOUP_SESSION_BYTES];
                let len = requested_session.len().min(SOUP_SESSION_BYTES);
                session[..len].copy_from_slice(&requested_session[..len]);
                let wanted = Wanted { sequence: requested_sequence, session };
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
                let ask = Ask::Soup { username, password };
                match doorway.admit((index, &*peer), now, ask) {
                    Admitted::In(id) => {
                        peer.session = Some(id);
                        if let Some(Some(Slot { ouch: Some(ouch), .. })) =
                            self.slots.get_mut(id.index())
                        {
                            ouch.log_in(id, wanted, requests);
                        }
                        self.timers.look_at(index, peer, Timestamp(now.0 + LOOK_NS));
                        peer.connection.erase(consumed);
                    }
                    other => match self.not_in(other, index, peer, now) {
                        NotIn::Again => return Some(Served::More),
                        NotIn::Waits => return Some(Served::Waits),
                        NotIn::Refused => {
                            let _ = soup.reject(SoupReject::NotAuthorized, &mut said);
                            peer.closing = true;
                            peer.connection.erase(consumed);
                        }
                    },
                }
            }
            Some(SoupEvent::Logout) => return Some(Served::Gone),
            Some(SoupEvent::Close(_) | SoupEvent::Unsequenced(_)) => {
                self.stats.logons_refused += 1;
                let why = match received.event {
                    Some(SoupEvent::Close(why)) => why,
                    _ => SoupClose::LoginTimeout,
                };
                self.notice(now, peer.address, format_args!("login refused: {why}"));
                peer.closing = true;
            }
        }
        peer.connection.consume(consumed);
        peer.soup = Some(soup);
        self.say_soup(index, peer, &said);
        None
    }

    /// Puts bytes that have no number in line for a connection.
    fn say_soup(&mut self, index: usize, peer: &mut Peer<N::Stream>, said: &[u8]) {
        peer.connection.output().extend_from_slice(said);
        if !std::mem::replace(&mut peer.dirty, true) {
            self.dirty.push(index);
        }
    }

    /// Says why, and closes when that is written.
    #[cold]
    fn close_soup(&mut self, index: usize, peer: &mut Peer<N::Stream>, why: &str) {
        let mut said = Vec::new();
        if let Some(soup) = &peer.soup {
            soup.debug(why, &mut said);
        }
        peer.closing = true;
        self.say_soup(index, peer, &said);
    }

    /// A payload that is no message of OUCH: the client is told why.
    #[cold]
    fn garbled_ouch(&mut self, peer: &mut Peer<N::Stream>, why: Option<String>, index: usize) {
        self.stats.garbled += 1;
        peer.garbled += 1;
        let mut said = Vec::new();
        if let (Some(soup), Some(why)) = (&peer.soup, why) {
            soup.debug(&format!("not taken: {why}"), &mut said);
        }
        self.say_soup(index, peer, &said);
    }

    /// Takes one message of a session.
    #[inline]
    fn take_ouch(
        &mut self,
        id: SessionId,
        now: Timestamp,
        payload: &[u8],
        requests: &mut impl Requests,
    ) -> Taken {
        let Ok(message) = FromClient::decode(payload) else { return Taken::Garbled };
        let is_order = matches!(message, FromClient::Enter(_) | FromClient::Replace(_));
        if is_order && !requests.takes_orders() {
            return Taken::NotYet;
        }
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return Taken::Garbled };
        let Slot { ouch: Some(ouch), rights, rate, cancels, .. } = slot else {
            return Taken::Garbled;
        };
        cancels.heard(now);
        let is_cancel = matches!(
            message,
            FromClient::Cancel(_) | FromClient::Modify(_) | FromClient::MassCancel(_)
        );
        let pace = rate.as_mut().map_or(Pace::Go, |rate| rate.pace(now, is_cancel));
        self.stats.over_rate += u64::from(pace != Pace::Go);
        let over_rate = match pace {
            Pace::Go => false,
            Pace::Reject(_) => true,
            Pace::Delay(until) => return Taken::Delayed(until),
            Pace::Disconnect(wait_ns) => {
                return Taken::TooMuch(rate.map(|rate| rate.text(wait_ns)).unwrap_or_default());
            }
        };
        let rights: &Rights = rights;
        let disabled = !self.others.is_empty() && self.entry.is_entry_disabled(id);
        let asks = Asks {
            now,
            disabled,
            last_user_ref: ouch.last_user_ref,
            firm: ouch.firm,
            throttled: requests.room() < ROOM_FOR_ORDERS,
            over_rate,
            trade: rights.trade,
            cancel: rights.cancel,
            may_trade: &|symbol| rights.may_trade(symbol),
        };
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let (shard, entry) = if self.others.is_empty() {
            (0, &mut self.entry)
        } else {
            let shard = shards::of_ouch(&self.entry, &self.others, id, &message);
            (shard, shard.checked_sub(1).map_or(&mut self.entry, |at| &mut self.others[at]))
        };
        match entry.ouch_request(id, &message, &asks, &mut attachment) {
            OuchRequest::Submit { inbound, command, attachment_len } => {
                if inbound != MsgSeqNum::NONE {
                    ouch.last_user_ref = inbound.0;
                }
                let attachment = &attachment[..attachment_len];
                // What is no order's is home's.
                if shard == 0 || matches!(command, Command::Note(_)) {
                    requests.submit(id, inbound, &command, attachment);
                } else {
                    requests.submit_to(shard, id, inbound, &command, attachment);
                }
            }
            OuchRequest::Ignore => {}
        }
        Taken::Yes
    }

    /// A note of an OUCH session came back.
    #[cold]
    pub(super) fn ouch_note(&mut self, id: SessionId, attachment: &[u8]) {
        let Some(note) = Note::decode(attachment) else { return };
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        let (Some(ouch), Some(index)) = (&mut slot.ouch, slot.peer) else { return };
        match note {
            Note::Login { connection } if connection == ouch.connection => {
                if let Login::Asked(wanted) = ouch.login {
                    ouch.login = Login::Noted(wanted);
                    if !self.resending.contains(&id) {
                        self.resending.push(id);
                    }
                }
            }
            Note::Logout { connection, asked: false } if connection == ouch.connection => {
                if let Some(Some(peer)) = self.peers.get_mut(index) {
                    peer.closing = true;
                    if !std::mem::replace(&mut peer.dirty, true) {
                        self.dirty.push(index);
                    }
                }
            }
            Note::Login { .. } | Note::Logout { .. } | Note::Said(_) => {}
        }
    }

    /// Its login was answered: what it has sent since is read, and its clocks are looked at.
    pub(super) fn read_on_after_login(&mut self, index: usize, now: Timestamp) {
        let Some(Some(peer)) = self.peers.get_mut(index) else { return };
        self.timers.look_at(index, peer, Timestamp(now.0 + LOOK_NS));
        if !std::mem::replace(&mut peer.ready, true) {
            self.ready.push(index);
        }
        if !std::mem::replace(&mut peer.dirty, true) {
            self.dirty.push(index);
        }
    }

    /// Lets time pass for a connection; says when to look at it again, or `None` if it is over.
    pub(super) fn tick_soup(
        &mut self,
        (id, index): (SessionId, usize),
        peer: &mut Peer<N::Stream>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let soup = peer.soup.as_mut()?;
        let out = peer.connection.output();
        let before = out.len();
        let close = soup.tick(now, out);
        let wrote = out.len() > before;
        if let Some(why) = close.filter(|_| !peer.closing) {
            self.notice(now, peer.address, format_args!("session {id} closed: {why}"));
            let _ = peer.connection.flush();
            return None;
        }
        if wrote && !std::mem::replace(&mut peer.dirty, true) {
            self.dirty.push(index);
        }
        Some(Timestamp(now.0 + LOOK_NS))
    }

    /// Ends the day of an OUCH session, whose numbers are to begin again: its orders are canceled, then the end is told. Whether
    /// the numbers have to wait for that.
    pub(super) fn ends_day(
        &mut self,
        id: SessionId,
        now: Timestamp,
        requests: &mut impl Requests,
    ) -> bool {
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return false };
        let Some(ouch) = slot.ouch.as_mut().filter(|_| slot.session.is_reset_due(now)) else {
            return false;
        };
        let Some(index) = slot.peer else {
            // Nobody hears of it; what rests would have no name any more.
            if ouch.ends.is_none() {
                ouch.ends = Some(now);
                cancel_all(id, requests);
            }
            return false;
        };
        match ouch.ends {
            None => {
                ouch.ends = Some(now);
                cancel_all(id, requests);
                submit(id, Numbering::Next, &Note::day(SystemCode::EndOfDay), requests);
            }
            Some(since) if now.0.saturating_sub(since.0) > END_NS => {
                if let Some(peer) = self.peers.get_mut(index).and_then(Option::take) {
                    self.notice(now, peer.address, "closed: it has not read the end of its day");
                    self.drop_peer(index, peer, now);
                }
            }
            Some(_) => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn against(sequence: u64, session: &[u8; 10], spoke_fix: bool) -> Answer {
        let begun_at = Timestamp(1_767_605_400_999_999_999);
        let wanted = Wanted { sequence, session: *session };
        wanted.against(begun_at, spoke_fix, MsgSeqNum(7), 3)
    }

    #[test]
    fn a_login_gets_what_it_asks_for_or_nothing() {
        let present = *b"1767605400";
        let lets_in = |next| Answer::In { session: present, next, last: 7 };
        assert_eq!(against(0, b"          ", false), lets_in(8));
        assert_eq!(against(8, b"          ", false), lets_in(8));
        assert_eq!(against(3, b"1767605400", false), lets_in(3));
        let refused = |answer| matches!(answer, Answer::NotHere(_));
        assert!(refused(against(2, b"          ", false)), "not kept any more");
        assert!(refused(against(9, b"          ", false)), "never said");
        assert!(refused(against(u64::MAX, b"          ", false)));
        assert!(refused(against(3, b"1767605401", false)), "another day");
        assert!(refused(against(0, b"          ", true)), "numbers of FIX");
    }
}
