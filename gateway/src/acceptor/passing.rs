//! What a session is told and is never told again: what can be traded, in which state it is, market data, changes of its quotes.
//!
//! Only the numbers of these messages are in the journal ([`Note::Passing`]). A number is asked for when there is
//! something to say; when it comes, the message is made of what is known then. So what waits here is small and its
//! count is bounded, and a peer that reads slowly is told the present when it reads on, not the past.

use std::collections::VecDeque;

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, InstrumentId, MsgSeqNum, Numbering, SessionId};

use super::quotes_watched::{QuoteNews, QuoteSubscriptions};
use super::serve::FixShell;
use super::{Acceptor, ROOM_FOR_ORDERS, Requests};
use crate::fix::{Header, Identity, Message, Note, Taken, Version};
use crate::market_data::{Ask, Client, Parsed, Refusal, Said, Wanted, parse, refused};
use crate::network::Network;
use crate::order_entry::OrderEntry;
use crate::reference::{Answer, Asked, Known, Refused, Topic, asked, id_of, trading_session};

/// Numbers that one session may have asked for and not yet got.
const NUMBERS_MAX: u32 = 16;

/// Room in the ring that is left to orders.
const ROOM_FOR_NUMBERS: usize = 2 * ROOM_FOR_ORDERS;

/// Answers of one session that wait for their numbers. A request for one more is refused.
const ANSWERS_MAX: usize = 256;

/// Subscriptions of one session to states. One more is refused.
const WATCHED_MAX: usize = 256;

/// Requests of one session for market data that are not over, and instruments in all of them. One more is refused.
const MARKET_DATA_MAX: (usize, usize) = (64, 1_000);

/// Bytes that may wait for a peer that is told more of this.
const BYTES_MAX: usize = 64 << 10;

/// Messages of market data that get in line in one round.
const HEARD_A_ROUND: usize = 256;

/// MDReqRejReason(281).
mod market_data {
    pub(super) const DUPLICATE_ID: u8 = b'1';
    pub(super) const BANDWIDTH: u8 = b'2';
    pub(super) const PERMISSION: u8 = b'3';
}

/// BusinessRejectReason(380).
mod business {
    pub(super) const OTHER: u16 = 0;
    pub(super) const UNKNOWN_ID: u16 = 1;
    pub(super) const NOT_AVAILABLE: u16 = 4;
}

/// Whether the answer to a message is told once only.
#[inline]
pub(super) fn is_for(message: &Message<'_>) -> bool {
    matches!(message.msg_type(), b"V" | b"c" | b"e" | b"g" | b"x")
}

/// What waits for its number.
enum Waiting {
    /// It is made then.
    Answer(Answer),
    /// It was made beside the books, or is a refusal.
    Body {
        msg_type: u8,
        body: Vec<u8>,
        /// Whoever made it wants to know when it is taken.
        counts: bool,
    },
    /// It is made then.
    Quote(QuoteNews),
}

/// A subscription to a state.
struct Watched {
    topic: Topic,
    answer: Answer,
    /// It has changed, and that waits for its number already.
    queued: bool,
    /// What it was when it was told last, where that is the venue's.
    told: Option<(u8, Option<&'static [u8]>)>,
}

/// A request for market data.
struct Requested {
    /// MDReqID(262).
    id: Vec<u8>,
    /// Which of the connection's requests it is.
    number: u64,
    instruments: usize,
}

/// What one session is to be told once. Lasts as long as a connection.
#[derive(Default)]
pub(super) struct Passing {
    waiting: VecDeque<Waiting>,
    /// Numbers that what waits needs.
    needed: u32,
    /// Numbers that were asked for and have not come.
    asked: u32,
    watched: Vec<Watched>,
    /// Whether the acceptor knows that something is watched.
    listed: bool,
    /// Requests for market data that are not over.
    market: Vec<Requested>,
    /// Requests for market data that were handed on.
    market_requests: u64,
    /// Messages of market data that were taken, and nobody was told so yet.
    taken: u32,
    /// Which connection of the session it is.
    connection: u64,
    pub(super) quotes: QuoteSubscriptions,
}

impl Passing {
    /// Whether a number is needed that was not asked for.
    #[inline]
    pub(super) fn wants(&self) -> bool {
        self.asked < self.needed.min(NUMBERS_MAX)
    }

    /// Whether something is watched that the acceptor does not know of.
    #[inline]
    pub(super) fn begins_to_watch(&mut self) -> bool {
        !self.watched.is_empty() && !std::mem::replace(&mut self.listed, true)
    }

    /// A number that was asked for was passed over.
    pub(super) fn lost(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// Numbers start again: none of those asked for will come.
    pub(super) fn lost_all(&mut self) {
        self.asked = 0;
    }

    fn queue(&mut self, answer: Answer) {
        self.needed = self.needed.saturating_add(answer.left());
        self.waiting.push_back(Waiting::Answer(answer));
    }

    fn queue_body(&mut self, msg_type: u8, body: Vec<u8>, counts: bool) {
        self.needed = self.needed.saturating_add(1);
        self.waiting.push_back(Waiting::Body { msg_type, body, counts });
    }

    /// What there is to tell of quotes gets in line for its numbers.
    pub(super) fn queue_quote_news(&mut self, news: Vec<QuoteNews>) {
        for news in news {
            self.needed = self.needed.saturating_add(1);
            self.waiting.push_back(Waiting::Quote(news));
        }
    }

    /// Nobody wants to be told what a subscription has in line.
    pub(super) fn drop_quote_news(&mut self, subscription: u64) {
        let before = self.waiting.len();
        self.waiting.retain(|it| !matches!(it, Waiting::Quote(news) if news.is_of(subscription)));
        let dropped = u32::try_from(before - self.waiting.len()).unwrap_or(u32::MAX);
        self.needed = self.needed.saturating_sub(dropped);
    }

    /// The connection is gone. Gives its name if whoever has the books knows it.
    pub(super) fn end(&mut self) -> Option<u64> {
        let connection = self.connection;
        let requests = std::mem::take(self).market_requests;
        self.connection = connection + 1;
        (requests > 0).then_some(connection)
    }

    /// A message of market data has come. `false`: it is for a connection before.
    fn hear(&mut self, said: Said) -> bool {
        if said.client.connection != self.connection {
            return false;
        }
        if let Some(number) = said.ends {
            self.market.retain(|it| it.number != number);
        }
        self.queue_body(said.msg_type, said.body, true);
        true
    }

    /// A number has come: appends its message.
    pub(super) fn say(
        &mut self,
        (session, entry): (SessionId, &OrderEntry),
        identity: &Identity,
        header: &Header,
        out: &mut Vec<u8>,
    ) {
        let directory = entry.directory();
        self.lost();
        self.needed = self.needed.saturating_sub(1);
        let answer = match self.waiting.front_mut() {
            Some(Waiting::Answer(answer)) => answer,
            Some(Waiting::Body { msg_type, body, counts }) => {
                let mut message = identity.begin(out, &[*msg_type], header);
                message.fields(body);
                message.finish();
                self.taken += u32::from(*counts);
                self.waiting.pop_front();
                return;
            }
            Some(Waiting::Quote(news)) => {
                let (news, of) = (*news, (session, entry));
                self.waiting.pop_front();
                if !self.quotes.say(news, of, (identity, header), out) {
                    Note::Heartbeat { test_req_id: b"" }.write(identity, header, out);
                }
                return;
            }
            // Numbers were counted twice around a reset, or a subscription has ended: something has to be said under this one.
            None => return Note::Heartbeat { test_req_id: b"" }.write(identity, header, out),
        };
        Known { directory, identity, header }.say(answer, out);
        let (is_done, topic) = (answer.is_done(), answer.topic());
        if !is_done {
            return;
        }
        let Some(Waiting::Answer(answer)) = self.waiting.pop_front() else { return };
        let watched = self.watched.iter_mut();
        let mut of_it =
            watched.filter(|it| Some(it.topic) == topic && it.answer.id() == answer.id());
        if let Some(watched) = of_it.next() {
            watched.queued = false;
            watched.told = Some(trading_session(directory.phases()));
        }
    }

    /// Something of `topic` may have changed.
    fn changed(&mut self, topic: Topic, is_it: impl Fn(&Watched) -> bool) {
        let mut news = Vec::new();
        for watched in self.watched.iter_mut().filter(|it| it.topic == topic && !it.queued) {
            if is_it(watched) {
                watched.queued = true;
                news.push(watched.answer.clone().unsolicited());
            }
        }
        news.into_iter().for_each(|answer| self.queue(answer));
    }

    /// What becomes of a request; `Err` with the reason if nothing.
    fn take(&mut self, asked: Asked, poss_resend: bool) -> Result<(), (u16, &'static str)> {
        if self.waiting.len() >= ANSWERS_MAX {
            return Err((business::OTHER, "too many answers wait to be read"));
        }
        match asked {
            Asked::Once(answer) => self.queue(answer),
            Asked::Subscribe(answer) => {
                let Some(topic) = answer.topic() else { return Ok(()) };
                let is_it = |it: &&Watched| it.topic == topic && it.answer.id() == answer.id();
                match self.watched.iter().find(is_it) {
                    // It was taken before.
                    Some(known) if poss_resend && known.answer == answer => return Ok(()),
                    Some(_) => {
                        return Err((business::OTHER, "the id names a subscription already"));
                    }
                    None => {}
                }
                if self.watched.len() >= WATCHED_MAX {
                    return Err((business::OTHER, "too many subscriptions"));
                }
                // What it is now waits for its number; what changes until then is in it.
                let (answer, told) = (answer.clone(), None);
                self.watched.push(Watched { topic, answer: answer.clone(), queued: true, told });
                self.queue(answer);
            }
            Asked::Unsubscribe(topic, id) => {
                let before = self.watched.len();
                self.watched.retain(|it| it.topic != topic || it.answer.id() != id);
                if self.watched.len() == before {
                    return Err((business::UNKNOWN_ID, "the id names no subscription"));
                }
            }
        }
        Ok(())
    }
}

impl<R: Requests> FixShell<'_, R> {
    /// Takes a message that [`is_for`] this.
    #[cold]
    pub(super) fn ask<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m> {
        if !self.others.is_empty() {
            // Home knows its own instruments alone: no answer is better than one that leaves some out.
            let reason = business::NOT_AVAILABLE;
            let text = "not told over FIX where instruments are on shards: see the reference data";
            return Taken::BusinessReject { reason, text, ref_id: id_of(message) };
        }
        if message.msg_type() == b"V" {
            return self.ask_market(inbound, message, poss_resend);
        }
        let refused = match asked(message, self.entry.directory()) {
            Ok(asked) => match self.passing.take(asked, poss_resend) {
                Ok(()) => return self.count(inbound),
                Err((reason, text)) => Refused::Business { reason, text },
            },
            Err(refused) => refused,
        };
        match refused {
            Refused::Field { tag, reason } => Taken::Reject { tag, reason: reason.code() },
            Refused::Business { reason, text } => {
                Taken::BusinessReject { reason, text, ref_id: id_of(message) }
            }
        }
    }

    /// The number of a message counts, also after a restart.
    pub(super) fn count<'m>(&mut self, inbound: MsgSeqNum) -> Taken<'m> {
        let command = Command::Note(Numbering::InboundOnly);
        self.requests.submit(self.session, inbound, &command, &[]);
        Taken::Submitted
    }

    /// Takes a MarketDataRequest(V).
    fn ask_market<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m> {
        if self.passing.waiting.len() >= ANSWERS_MAX {
            let (reason, text) = (business::OTHER, "too many answers wait to be read");
            return Taken::BusinessReject { reason, text, ref_id: id_of(message) };
        }
        let version = Version::of_begin_string(message.begin_string()).unwrap_or_default();
        let outcome = match parse(message, version, self.entry.directory()) {
            // First, so that there is an MDReqID that can be said.
            Err(refusal @ Refusal::Field { .. }) => Err(refusal),
            _ if !self.rights.market_data => Err(Refusal::Request {
                reason: Some(market_data::PERMISSION),
                text: "this session may not have market data",
            }),
            Ok(Parsed::Begin(wanted)) => {
                let known = self.passing.market.iter().any(|it| it.id == wanted.id);
                if known && poss_resend {
                    return Taken::Ignored;
                }
                self.begin_market(wanted, known)
            }
            Ok(Parsed::End(id)) => self.end_market(&id),
            Err(refusal) => Err(refusal),
        };
        match outcome {
            Ok(()) => {}
            Err(Refusal::Field { tag, reason }) => {
                return Taken::Reject { tag, reason: reason.code() };
            }
            Err(Refusal::Request { reason, text }) => {
                // FIX 4.2 has no codes beyond 8.
                let reason = reason.filter(|code| version > Version::Fix42 || *code <= b'8');
                self.passing.queue_body(b'Y', refused(id_of(message), reason, text), false);
            }
        }
        self.count(inbound)
    }

    fn begin_market(&mut self, wanted: Wanted, known: bool) -> Result<(), Refusal> {
        let refusal = |reason, text| Err(Refusal::Request { reason: Some(reason), text });
        if known {
            return refusal(market_data::DUPLICATE_ID, "the MDReqID names a subscription already");
        }
        let (subscriptions_max, instruments_max) = MARKET_DATA_MAX;
        let count = wanted.instruments.len();
        let all = self.passing.market.iter().map(|it| it.instruments).sum::<usize>() + count;
        if self.passing.market.len() >= subscriptions_max || all > instruments_max {
            return refusal(market_data::BANDWIDTH, "too many subscriptions");
        }
        let (client, number) = (self.client(), self.passing.market_requests);
        let requested = Requested { id: wanted.id.clone(), number, instruments: count };
        let ask = Ask::Begin(client, number, wanted);
        let asked = self.market.as_mut().is_some_and(|it| it.ask(ask));
        if !asked {
            return refusal(market_data::BANDWIDTH, "too many requests at once: try again");
        }
        self.passing.market_requests += 1;
        self.passing.market.push(requested);
        Ok(())
    }

    fn end_market(&mut self, id: &[u8]) -> Result<(), Refusal> {
        let Some(at) = self.passing.market.iter().position(|it| it.id == id) else {
            let text = "the MDReqID names no subscription";
            return Err(Refusal::Request { reason: None, text });
        };
        let number = self.passing.market.remove(at).number;
        let client = self.client();
        if let Some(market) = &mut self.market {
            market.ask(Ask::End(client, number));
        }
        Ok(())
    }

    fn client(&self) -> Client {
        Client { session: self.session, connection: self.passing.connection }
    }

    /// Asks for the numbers that are needed, as far as there is room.
    #[inline]
    pub(super) fn ask_for_numbers(&mut self) {
        while self.passing.wants() && self.requests.room() >= ROOM_FOR_NUMBERS {
            let mut attachment = [0; ATTACHMENT_BYTES_MAX];
            let len = Note::Passing.encode(&mut attachment);
            let command = Command::Note(Numbering::Next);
            self.requests.submit(self.session, MsgSeqNum::NONE, &command, &attachment[..len]);
            self.passing.asked += 1;
        }
    }
}

impl<N: Network> Acceptor<N> {
    /// Asks for numbers for those who could not before.
    #[inline]
    pub(super) fn ask_for_numbers(&mut self, requests: &mut impl Requests) {
        if self.asking.is_empty() {
            return;
        }
        let mut asking = std::mem::take(&mut self.asking);
        asking.retain(|id| {
            let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return false };
            let peer = slot.peer.and_then(|index| self.peers.get(index)?.as_ref());
            // One that does not read asks again when it does.
            let reads = peer.is_some_and(|peer| peer.connection.waiting() <= BYTES_MAX);
            if !reads {
                return false;
            }
            let said = (&mut slot.resends, &mut slot.passing);
            let shell = (&mut self.entry, &mut *requests);
            FixShell::new(*id, shell, said, &slot.rights).ask_for_numbers();
            slot.passing.wants() && slot.passing.asked < NUMBERS_MAX
        });
        self.asking.append(&mut asking);
    }

    /// What was said beside the books gets in line for its numbers.
    #[inline]
    pub(super) fn hear_market_data(&mut self) {
        for _ in 0..HEARD_A_ROUND {
            let Some(said) = self.market.next() else { return };
            let id = said.client.session;
            let slot = self.slots.get_mut(id.index()).and_then(Option::as_mut);
            if slot.is_some_and(|slot| slot.passing.hear(said)) && !self.asking.contains(&id) {
                self.asking.push(id);
            }
        }
    }

    /// After a session was told something: it may want to be told more.
    #[inline]
    pub(super) fn look_at_passing(&mut self, id: SessionId) {
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        if slot.passing.wants() && !self.asking.contains(&id) {
            self.asking.push(id);
        }
        let taken = std::mem::take(&mut slot.passing.taken);
        if taken > 0 {
            let client = Client { session: id, connection: slot.passing.connection };
            self.market.ask(Ask::Taken(client, taken));
        }
        if slot.passing.begins_to_watch() && !self.watching.contains(&id) {
            self.watching.push(id);
        }
    }

    /// An instrument is in another phase: who wants to know is told when there is a number for it.
    #[cold]
    pub(super) fn phase_changed(&mut self, instrument: InstrumentId) {
        let venue = trading_session(self.entry.directory().phases());
        let mut watching = std::mem::take(&mut self.watching);
        watching.retain(|id| {
            let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return false };
            let passing = &mut slot.passing;
            passing.changed(Topic::Security, |it| {
                matches!(&it.answer, Answer::Security { instrument: Ok(of), .. } if *of == instrument)
            });
            passing.changed(Topic::TradingSession, |it| it.told != Some(venue));
            if passing.wants() && !self.asking.contains(id) {
                self.asking.push(*id);
            }
            passing.listed = !passing.watched.is_empty();
            passing.listed
        });
        self.watching = watching;
    }
}
