//! Subscriptions to what stands of a session's own quotes.
//!
//! They are told as market data is: only numbers are in the journal, and what is said is what stands when the number comes. So whatever
//! happens in between is one change, and a market maker that reads slowly is told the present.

use std::collections::{BTreeMap, BTreeSet};

use matcher::{Event, Input, InstrumentId, MsgSeqNum, SessionId};

use super::serve::FixShell;
use super::{Acceptor, Requests};
use crate::fix::{Header, Identity, Message, Taken};
use crate::network::Network;
use crate::order_entry::OrderEntry;
use crate::order_entry::quotes::{QuotesAsked, QuotesWatched, Standings, instrument_of};

/// Subscriptions of one session. One more is refused.
const SUBSCRIPTIONS_MAX: usize = 16;

/// A subscription.
struct Subscription {
    number: u64,
    watched: QuotesWatched,
    /// What works, as it was told last: of as many instruments as a session may quote.
    told: BTreeMap<InstrumentId, Standings>,
    /// What waits to be told, each once.
    waiting: BTreeSet<InstrumentId>,
}

/// One thing to tell of quotes.
#[derive(Clone, Copy)]
pub(super) struct QuoteNews {
    subscription: u64,
    /// `None`: that there are none.
    instrument: Option<InstrumentId>,
}

/// The subscriptions of one session. Last as long as a connection.
#[derive(Default)]
pub(super) struct QuoteSubscriptions {
    all: Vec<Subscription>,
    /// The number of the next one.
    next: u64,
}

impl QuoteSubscriptions {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn find(&self, request_id: &[u8]) -> Option<usize> {
        self.all.iter().position(|it| it.watched.request_id == request_id)
    }

    fn begin(&mut self, watched: QuotesWatched, first: Vec<InstrumentId>) -> Vec<QuoteNews> {
        let number = self.next;
        self.next += 1;
        let news = |instrument| QuoteNews { subscription: number, instrument };
        let mut all: Vec<QuoteNews> = first.iter().map(|id| news(Some(*id))).collect();
        if all.is_empty() {
            all.push(news(None));
        }
        let waiting = first.into_iter().collect();
        self.all.push(Subscription { number, watched, told: BTreeMap::new(), waiting });
        all
    }

    /// Something in an instrument may be another: what to tell of that.
    fn changed(
        &mut self,
        session: SessionId,
        entry: &OrderEntry,
        instrument: InstrumentId,
    ) -> Vec<QuoteNews> {
        let mut news = Vec::new();
        for it in self.all.iter_mut().filter(|it| it.watched.has(instrument)) {
            let Some(now) = entry.quote_standings(session, &it.watched, instrument) else {
                continue;
            };
            let told = it.told.get(&instrument).copied().flatten();
            if now != told && it.waiting.insert(instrument) {
                let (subscription, instrument) = (it.number, Some(instrument));
                news.push(QuoteNews { subscription, instrument });
            }
        }
        news
    }

    /// A number has come for it: appends its message. `false`: its subscription has ended.
    pub(super) fn say(
        &mut self,
        news: QuoteNews,
        (session, entry): (SessionId, &OrderEntry),
        head: (&Identity, &Header),
        out: &mut Vec<u8>,
    ) -> bool {
        let of_it = self.all.iter_mut().find(|it| it.number == news.subscription);
        let Some(it) = of_it else { return false };
        let Some(instrument) = news.instrument else {
            entry.say_quote((session, &it.watched), None, false, head, out);
            return true;
        };
        it.waiting.remove(&instrument);
        let was = it.told.remove(&instrument).is_some();
        entry.say_quote((session, &it.watched), Some(instrument), was, head, out);
        // Of what the core has not answered for yet is told again when it has.
        let now = entry.quote_standings(session, &it.watched, instrument).flatten();
        if now.is_some() {
            it.told.insert(instrument, now);
        }
        true
    }
}

impl<R: Requests> FixShell<'_, R> {
    /// Takes a QuoteStatusRequest(a) with SubscriptionRequestType(263) 1 or 2.
    pub(super) fn watch_quotes<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m> {
        let subscriptions = &mut self.passing.quotes;
        let (watched, text) = match self.entry.quotes_asked(message) {
            QuotesAsked::Reject { tag, reason } => return Taken::Reject { tag, reason },
            QuotesAsked::Refused(command, attachment) => {
                self.requests.submit(self.session, inbound, &command, &attachment);
                return Taken::Submitted;
            }
            QuotesAsked::End(watched) => match subscriptions.find(&watched.request_id) {
                Some(at) => {
                    let number = subscriptions.all.remove(at).number;
                    self.passing.drop_quote_news(number);
                    return self.count(inbound);
                }
                None => (watched, "the QuoteStatusReqID names no subscription"),
            },
            QuotesAsked::Begin(watched) => match subscriptions.find(&watched.request_id) {
                // It was taken before.
                Some(at) if poss_resend && subscriptions.all[at].watched == watched => {
                    return Taken::Ignored;
                }
                Some(_) => (watched, "the QuoteStatusReqID names a subscription already"),
                None if subscriptions.all.len() >= SUBSCRIPTIONS_MAX => {
                    (watched, "too many subscriptions")
                }
                None => {
                    let first = self.entry.quotes_at_first(self.session, &watched);
                    let news = subscriptions.begin(watched, first);
                    self.passing.queue_quote_news(news);
                    return self.count(inbound);
                }
            },
        };
        let (command, attachment) = watched.refused(self.entry.directory(), text);
        self.requests.submit(self.session, inbound, &command, &attachment);
        Taken::Submitted
    }
}

impl<N: Network> Acceptor<N> {
    /// An Event of a session has been followed: a subscription to its quotes may have something to tell.
    #[inline]
    pub(super) fn look_at_quotes(&mut self, id: SessionId, input: &Input, event: &Event) {
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        if slot.passing.quotes.is_empty() {
            return;
        }
        let Some(instrument) = instrument_of(input, event) else { return };
        let news = slot.passing.quotes.changed(id, &self.entry, instrument);
        slot.passing.queue_quote_news(news);
        if slot.passing.wants() && !self.asking.contains(&id) {
            self.asking.push(id);
        }
    }
}

impl QuoteNews {
    /// Whether it is of that subscription.
    pub(super) fn is_of(self, subscription: u64) -> bool {
        self.subscription == subscription
    }
}
