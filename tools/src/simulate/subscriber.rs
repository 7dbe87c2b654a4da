//! A subscriber of the feed, and what the feed said under each number.

use feed::{Mirror, decode};
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent, SoupClose, SoupReject};
use matcher::Timestamp;

use super::faults::{Counts, Fault};
use super::net::{ConnId, Leave, Net, Port};
use crate::random::Random;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// Message N of the feed, from 1: the same for every subscriber and for ever. `None`: nobody heard it.
#[derive(Default)]
pub(super) struct FeedLedger {
    messages: Vec<Option<Vec<u8>>>,
    /// Somebody began in the middle.
    has_holes: bool,
}

impl FeedLedger {
    fn hear(&mut self, number: u64, message: &[u8]) -> Result<(), String> {
        let index = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        if self.messages.len() <= index {
            self.messages.resize(index + 1, None);
        }
        match &mut self.messages[index] {
            Some(was) if was == message => Ok(()),
            Some(_) => Err(format!("message {number} of the feed is another one now")),
            nothing => {
                *nothing = Some(message.to_vec());
                Ok(())
            }
        }
    }
}

/// One subscriber and its book.
pub(super) struct Subscriber {
    pub(super) mirror: Mirror,
    pub(super) counts: Counts,
    client: SoupClient,
    conn: Option<ConnId>,
    connect_at: u64,
    ticks_at: u64,
    reads_from: u64,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    random: Random,
    fault_per_mille: u64,
    calm: bool,
    /// The feed's first messages have gone: it may say so.
    pub(super) may_be_late: bool,
    /// It did: the book is not ours to know.
    pub(super) late: bool,
}

fn from(number: u64) -> SoupClient {
    SoupClient::new(SoupClientConfig::new(b"", b"", number))
}

impl Subscriber {
    pub(super) fn new(began: u64, fault_per_mille: u64, mut random: Random) -> Subscriber {
        Subscriber {
            mirror: Mirror::new(),
            counts: Counts::default(),
            client: from(1),
            conn: None,
            connect_at: began + random.below(5 * SECOND),
            ticks_at: 0,
            reads_from: 0,
            inbox: Vec::new(),
            outbox: Vec::new(),
            random,
            fault_per_mille,
            calm: false,
            may_be_late: false,
            late: false,
        }
    }

    pub(super) fn calm_down(&mut self) {
        (self.calm, self.reads_from) = (true, 0);
    }

    /// Messages heard.
    pub(super) fn heard(&self) -> u64 {
        self.client.next_sequence().saturating_sub(1)
    }

    pub(super) fn next(&self, now: u64, net: &Net) -> u64 {
        let Some(conn) = self.conn else { return self.connect_at.max(now) };
        let heard = net.next_for_client(conn).map_or(u64::MAX, |at| at.max(self.reads_from));
        heard.min(self.ticks_at).max(now)
    }

    pub(super) fn step(
        &mut self,
        now: u64,
        net: &Net,
        ledger: &mut FeedLedger,
    ) -> Result<(), String> {
        let Some(conn) = self.conn else {
            if now < self.connect_at {
                return Ok(());
            }
            let Some(conn) = net.connect(Port::Feed) else {
                self.connect_at = now + 200 * MS + self.random.below(SECOND);
                return Ok(());
            };
            if !self.calm && self.random.below(5) == 0 {
                // Somebody new, from the beginning.
                self.client = from(1);
                (self.mirror, self.late) = (Mirror::new(), false);
            }
            self.conn = Some(conn);
            self.inbox.clear();
            self.outbox.clear();
            self.client.login(&mut self.outbox);
            self.ticks_at = now + SECOND;
            self.flush(now, net);
            return Ok(());
        };
        if now >= self.reads_from {
            self.read(conn, now, net, ledger)?;
        }
        if self.conn.is_some() && now >= self.ticks_at {
            self.ticks_at = now + SECOND;
            if self.client.tick(Timestamp(now), &mut self.outbox).is_some() {
                self.leave(now, net, None);
            } else if !self.calm && self.random.below(1_000) < self.fault_per_mille {
                match self.random.below(4) {
                    0 => self.leave(now, net, Some(Leave::Close)),
                    1 => self.leave(now, net, Some(Leave::Reset)),
                    2 => self.leave(now, net, Some(Leave::Vanish)),
                    _ => {
                        self.counts.add(Fault::SlowPeer);
                        self.reads_from = now + self.random.below(10 * SECOND);
                    }
                }
            }
        }
        self.flush(now, net);
        Ok(())
    }

    fn leave(&mut self, now: u64, net: &Net, how: Option<Leave>) {
        if let Some(conn) = self.conn.take() {
            match how {
                Some(how) => net.client_leaves(conn, how),
                None => net.client_done(conn),
            }
        }
        self.reads_from = 0;
        self.connect_at = now + MS + self.random.below(2 * SECOND);
    }

    fn flush(&mut self, now: u64, net: &Net) {
        let Some(conn) = self.conn else { return };
        if self.outbox.is_empty() {
            return;
        }
        match net.client_write(conn, &self.outbox) {
            Ok(len) => {
                self.outbox.drain(..len);
            }
            Err(_) => self.leave(now, net, None),
        }
    }

    fn read(
        &mut self,
        conn: ConnId,
        now: u64,
        net: &Net,
        ledger: &mut FeedLedger,
    ) -> Result<(), String> {
        let mut over = net.client_drain(conn, &mut self.inbox);
        let inbox = std::mem::take(&mut self.inbox);
        let mut at = 0;
        loop {
            let asked = self.client.next_sequence();
            let received = self.client.receive(Timestamp(now), &inbox[at..]);
            at += received.consumed;
            match received.event {
                None => break,
                Some(SoupClientEvent::Accepted { next_sequence, .. }) => {
                    if next_sequence != asked && asked != 0 {
                        return Err(format!(
                            "the feed goes on with {next_sequence} and not with {asked}"
                        ));
                    }
                }
                Some(SoupClientEvent::Sequenced { sequence, message }) => {
                    ledger.hear(sequence, message)?;
                    let wrong = |why: String| format!("message {sequence} of the feed: {why}");
                    let message = decode(message).map_err(|error| wrong(error.to_string()))?;
                    let applied = self.mirror.apply(&message);
                    if !self.late {
                        applied.map_err(|error| wrong(error.to_string()))?;
                    }
                }
                Some(SoupClientEvent::Close(SoupClose::Rejected(
                    SoupReject::SessionNotAvailable,
                ))) if self.may_be_late => {
                    // With what comes next.
                    (self.client, self.late, over) = (from(0), true, true);
                    ledger.has_holes = true;
                    break;
                }
                Some(SoupClientEvent::Close(SoupClose::Rejected(why))) => {
                    return Err(format!("the feed rejects us: {why:?}"));
                }
                Some(SoupClientEvent::Close(_)) => {
                    over = true;
                    break;
                }
                Some(SoupClientEvent::Unsequenced(_) | SoupClientEvent::Debug(_)) => {}
            }
        }
        self.inbox = inbox[at.min(inbox.len())..].to_vec();
        if over {
            self.leave(now, net, None);
        }
        Ok(())
    }
}

impl FeedLedger {
    /// Whether it is what the journal makes.
    pub(super) fn equals(&self, journal: &[Vec<u8>]) -> Result<(), String> {
        let differs = |(ours, theirs): (&Option<Vec<u8>>, &Vec<u8>)| {
            ours.as_ref().is_some_and(|ours| ours != theirs)
        };
        let (heard, made) = (self.messages.len(), journal.len());
        match self.messages.iter().zip(journal).position(differs) {
            None if heard == made || (self.has_holes && heard < made) => Ok(()),
            at => Err(format!("the feed was not what the journal makes: message {at:?} from 0")),
        }
    }
}
