//! Order entry by OUCH from the outside: several sessions over TCP, driven by one thread that never waits for one of them.
//!
//! A session keeps what it has asked and what has no answer yet. After a lost connection it logs in with the next number that
//! it expects and sends that again under the same UserRefNums: what the venue had it passes over, and its answer
//! is among what was missed.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gateway::ouch::{CancelReason, FromClient, FromVenue};
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent, SoupClose, SoupReject};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use venue::clock;

use crate::ouch_conn::OuchError;

/// Room for what has come and is not looked at yet. Unit: bytes.
const INBOX_BYTES: usize = 256 << 10;

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(20);

/// Where sessions connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OuchTarget {
    /// The venue's port of OUCH.
    pub address: SocketAddr,
    /// How long the first connection may take; a lost one is tried for as long.
    pub patience: Duration,
}

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OuchLogin {
    /// At most 6 characters.
    pub username: String,
    /// At most 10 characters.
    pub password: String,
    /// Number of the first message wanted; 0: only what is new.
    pub next_sequence: u64,
}

/// What a session heard.
#[derive(Clone, Copy, Debug)]
pub enum OuchSaid<'m> {
    /// A message, each once and in order.
    Message {
        /// Its number.
        sequence: u64,
        /// The message.
        message: &'m FromVenue,
        /// The same as it came.
        bytes: &'m [u8],
        /// The request that it answers, by its tag; the first thing that is said of one.
        answers: Option<u64>,
        /// What is open now of the order that it is about, as far as this session has heard of it.
        leaves: u32,
    },
    /// Nothing will be said to the request of this tag: what it asked of an order came when that had ended.
    PassedOver(u64),
}

/// Sessions with one venue.
pub struct OuchSet {
    waits: Waits,
    links: Vec<Link>,
    target: OuchTarget,
    /// Logins after the first of each session.
    reconnects: u64,
}

/// Who waits for the sockets.
enum Waits {
    /// [`OuchSet::poll`].
    Own { poll: Poll, events: Events },
    /// The owner of this registry, for whom our tokens begin with `first`.
    Beside { registry: Registry, first: usize },
}

struct Link {
    client: SoupClient,
    stream: Option<TcpStream>,
    address: SocketAddr,
    inbox: Box<[u8]>,
    /// Bytes of `inbox` in use.
    filled: usize,
    outbox: Vec<u8>,
    written: usize,
    orders: Orders,
}

/// What one session has asked, and its orders as far as it was told.
#[derive(Default)]
struct Orders {
    /// Requests without an answer, in order, with the tags of who asked.
    asked: VecDeque<(u64, FromClient)>,
    /// By UserRefNum: what is open of an order.
    open: HashMap<u32, u32>,
}

impl OuchSet {
    /// Connects and logs in every session.
    ///
    /// # Errors
    ///
    /// If one cannot.
    pub fn connect(
        target: OuchTarget,
        logins: &[OuchLogin],
        said: &mut impl FnMut(usize, OuchSaid<'_>),
    ) -> Result<OuchSet, OuchError> {
        let address = target.address;
        let poll = Poll::new().map_err(|error| OuchError::Lost { address, error })?;
        let events = Events::with_capacity(logins.len().max(8) * 2);
        OuchSet::start(Waits::Own { poll, events }, target, logins, said)
    }

    /// The same where somebody else waits: for the sockets that are registered there, with tokens from `first` on. Then
    /// [`OuchSet::poll`] looks at every socket and waits for none.
    ///
    /// # Errors
    ///
    /// If one cannot.
    pub fn connect_beside(
        (registry, first): (Registry, usize),
        target: OuchTarget,
        logins: &[OuchLogin],
        said: &mut impl FnMut(usize, OuchSaid<'_>),
    ) -> Result<OuchSet, OuchError> {
        OuchSet::start(Waits::Beside { registry, first }, target, logins, said)
    }

    fn start(
        waits: Waits,
        target: OuchTarget,
        logins: &[OuchLogin],
        said: &mut impl FnMut(usize, OuchSaid<'_>),
    ) -> Result<OuchSet, OuchError> {
        let address = target.address;
        let link = |login: &OuchLogin| {
            let OuchLogin { username, password, next_sequence } = login;
            let (username, password) = (username.as_bytes(), password.as_bytes());
            let config = SoupClientConfig::new(username, password, *next_sequence);
            Link {
                client: SoupClient::new(config),
                stream: None,
                address,
                inbox: vec![0; INBOX_BYTES].into(),
                filled: 0,
                outbox: Vec::new(),
                written: 0,
                orders: Orders::default(),
            }
        };
        let links: Vec<Link> = logins.iter().map(link).collect();
        let mut set = OuchSet { waits, links, target, reconnects: 0 };
        set.reconnect(said)?;
        set.reconnects = 0;
        Ok(set)
    }

    /// Logs in again every session that has no connection, with its next number, trying for as long as the target's patience;
    /// what has no answer is sent again.
    ///
    /// # Errors
    ///
    /// If one cannot in time.
    pub fn reconnect(
        &mut self,
        said: &mut impl FnMut(usize, OuchSaid<'_>),
    ) -> Result<(), OuchError> {
        let until = Instant::now() + self.target.patience;
        loop {
            let waiting = |link: &Link| link.stream.is_some() && !link.client.is_open();
            // One after the other: the same sessions make the same journal each time.
            if !self.links.iter().any(waiting) {
                match self.links.iter().position(|link| link.stream.is_none()) {
                    Some(session) => self.connect_one(session, until)?,
                    None => return Ok(()),
                }
                self.reconnects += 1;
            }
            // A venue that is just stopping or starting may cut us once more, or still know of the connection before.
            if let Err(error) = self.poll(Some(RETRY), said) {
                if self.is_final(&error) || Instant::now() >= until {
                    return Err(error);
                }
                pause(RETRY);
            } else if Instant::now() >= until && self.links.iter().any(waiting) {
                let (address, error) = (self.target.address, ErrorKind::TimedOut.into());
                return Err(OuchError::Lost { address, error });
            } else if matches!(self.waits, Waits::Beside { .. }) && self.links.iter().any(waiting) {
                pause(RETRY);
            }
        }
    }

    /// Whether another try would end the same: what a login asks for is not there, or the first one is not let in.
    fn is_final(&self, error: &OuchError) -> bool {
        match error {
            OuchError::Closed(SoupClose::Rejected(SoupReject::NotAuthorized)) => {
                self.links.iter().any(|link| link.client.session().is_none())
            }
            OuchError::Closed(SoupClose::Rejected(SoupReject::SessionNotAvailable))
            | OuchError::Message { .. } => true,
            OuchError::Closed(_) | OuchError::Lost { .. } => false,
        }
    }

    fn connect_one(&mut self, session: usize, until: Instant) -> Result<(), OuchError> {
        let address = self.target.address;
        let lost = |error| OuchError::Lost { address, error };
        let stream = loop {
            match std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() >= until => return Err(lost(error)),
                Err(_) => pause(RETRY),
            }
        };
        stream.set_nonblocking(true).map_err(lost)?;
        // Without it a small order waits for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(lost)?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let (registry, first) = match &self.waits {
            Waits::Own { poll, .. } => (poll.registry(), 0),
            Waits::Beside { registry, first } => (registry, *first),
        };
        registry.register(&mut stream, Token(first + session), interest).map_err(lost)?;
        let link = &mut self.links[session];
        (link.filled, link.written) = (0, 0);
        link.outbox.clear();
        link.client.login(&mut link.outbox);
        link.stream = Some(stream);
        Ok(())
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.links.len()
    }

    /// Logins after the first ones.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Number of the next message of `session`.
    #[must_use]
    pub fn next_sequence(&self, session: usize) -> u64 {
        self.links[session].client.next_sequence()
    }

    /// Requests of `session` without an answer.
    #[must_use]
    pub fn waiting(&self, session: usize) -> usize {
        self.links[session].orders.asked.len()
    }

    /// What is open of an order of `session`, as far as it has heard: 0 of one that has ended or is not known.
    #[must_use]
    pub fn leaves(&self, session: usize, user_ref_num: u32) -> u32 {
        self.links[session].orders.leaves(user_ref_num)
    }

    /// Puts a request of `session` into its buffer; [`OuchSet::poll`] or [`OuchSet::flush`] sends it. What answers
    /// it has this tag.
    pub fn send(&mut self, session: usize, tag: u64, message: FromClient) {
        let link = &mut self.links[session];
        link.orders.asked.push_back((tag, message));
        if link.client.is_open() {
            put(&mut link.client, &message, &mut link.outbox);
        }
    }

    /// Sends what is in the buffers, as far as the sockets take it.
    ///
    /// # Errors
    ///
    /// If a connection is gone, after which [`OuchSet::reconnect`] may go on.
    pub fn flush(&mut self) -> Result<(), OuchError> {
        self.links.iter_mut().try_for_each(Link::flush)
    }

    /// Sends, waits up to `timeout` for something to come (`None`: for ever), and tells `said` of it.
    ///
    /// # Errors
    ///
    /// If a connection is gone, after which [`OuchSet::reconnect`] may go on; or the venue says what is no OUCH.
    pub fn poll(
        &mut self,
        timeout: Option<Duration>,
        said: &mut impl FnMut(usize, OuchSaid<'_>),
    ) -> Result<(), OuchError> {
        self.flush()?;
        let OuchSet { waits, links, target, .. } = self;
        let mut result = Ok(());
        // The others' bytes are read all the same: a poll tells of them only once.
        match waits {
            Waits::Own { poll, events } => {
                match poll.poll(events, timeout) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
                    Err(error) => return Err(OuchError::Lost { address: target.address, error }),
                }
                for event in events.iter() {
                    let session = event.token().0;
                    result = result.and(links[session].read(&mut |it| said(session, it)));
                }
            }
            Waits::Beside { .. } => {
                for (session, link) in links.iter_mut().enumerate() {
                    result = result.and(link.read(&mut |it| said(session, it)));
                }
            }
        }
        let now = clock::now();
        for link in self.links.iter_mut().filter(|link| link.stream.is_some()) {
            if let Some(close) = link.client.tick(now, &mut link.outbox) {
                link.stream = None;
                result = result.and(Err(OuchError::Closed(close)));
            }
        }
        result.and(self.flush())
    }

    /// Logs every session out and hears what still comes, for at most `patience`.
    pub fn log_out(&mut self, patience: Duration) {
        let until = Instant::now() + patience;
        for link in self.links.iter_mut().filter(|link| link.stream.is_some()) {
            link.client.logout(&mut link.outbox);
        }
        while self.links.iter().any(|link| link.stream.is_some()) && Instant::now() < until {
            // A connection that ends is what we are waiting for.
            let _ = self.poll(Some(RETRY), &mut |_, _| {});
        }
    }
}

impl Link {
    fn lost(&mut self, error: std::io::Error) -> OuchError {
        self.stream = None;
        OuchError::Lost { address: self.address, error }
    }

    fn flush(&mut self) -> Result<(), OuchError> {
        while self.written < self.outbox.len() {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            match stream.write(&self.outbox[self.written..]) {
                Ok(0) => return Err(self.lost(ErrorKind::WriteZero.into())),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
        self.outbox.clear();
        self.written = 0;
        Ok(())
    }

    fn read(&mut self, said: &mut impl FnMut(OuchSaid<'_>)) -> Result<(), OuchError> {
        // Until the socket has nothing more: an end that came with the last bytes is told of only once.
        loop {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            match stream.read(&mut self.inbox[self.filled..]) {
                Ok(0) => return Err(self.lost(ErrorKind::UnexpectedEof.into())),
                Ok(len) => {
                    self.filled += len;
                    if let Err(error) = self.take(said) {
                        self.stream = None;
                        return Err(error);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn take(&mut self, said: &mut impl FnMut(OuchSaid<'_>)) -> Result<(), OuchError> {
        let now = clock::now();
        let mut at = 0;
        let mut result = Ok(());
        while result.is_ok() {
            let received = self.client.receive(now, &self.inbox[at..self.filled]);
            at += received.consumed;
            match received.event {
                None => break,
                Some(SoupClientEvent::Accepted { .. }) => {
                    for (_, message) in &self.orders.asked {
                        put(&mut self.client, message, &mut self.outbox);
                    }
                }
                Some(SoupClientEvent::Sequenced { sequence, message: bytes }) => {
                    match FromVenue::decode(bytes) {
                        Ok(message) => self.orders.hear(sequence, &message, bytes, said),
                        Err(error) => result = Err(OuchError::Message { sequence, error }),
                    }
                }
                Some(SoupClientEvent::Close(close)) => result = Err(OuchError::Closed(close)),
                // What it says for a person comes before it closes, or is about bytes that we never send.
                Some(SoupClientEvent::Debug(_) | SoupClientEvent::Unsequenced(_)) => {}
            }
        }
        self.inbox.copy_within(at..self.filled, 0);
        self.filled -= at;
        result
    }
}

impl Orders {
    fn leaves(&self, user_ref_num: u32) -> u32 {
        self.open.get(&user_ref_num).copied().unwrap_or(0)
    }

    /// Takes a message.
    fn hear(
        &mut self,
        sequence: u64,
        message: &FromVenue,
        bytes: &[u8],
        said: &mut impl FnMut(OuchSaid<'_>),
    ) {
        let answers = self.answered(message);
        let (order, ended) = self.follow(message);
        let leaves = order.map_or(0, |order| self.leaves(order));
        said(OuchSaid::Message { sequence, message, bytes, answers, leaves });
        // Whatever was asked before it ended is answered by now, since answers come in order. What was to be its next name never
        // is one.
        let mut ended: Vec<u32> = ended.into_iter().collect();
        while let Some(name) = ended.pop() {
            self.asked.retain(|(tag, asked)| {
                let over = target(asked) == Some(name);
                if over {
                    said(OuchSaid::PassedOver(*tag));
                    ended.extend(number(asked));
                }
                !over
            });
        }
    }

    /// Takes off the request that a message answers, and gives its tag.
    fn answered(&mut self, message: &FromVenue) -> Option<u64> {
        let is_it = |asked: &FromClient| match message {
            FromVenue::Accepted(it) => number(asked) == Some(it.user_ref_num),
            FromVenue::Replaced(it) => number(asked) == Some(it.user_ref_num),
            FromVenue::Rejected(it) => number(asked) == Some(it.user_ref_num),
            FromVenue::MassCancelResponse(it) => number(asked) == Some(it.user_ref_num),
            FromVenue::DisableResponse(it) => number(asked) == Some(it.user_ref_num),
            FromVenue::EnableResponse(it) => number(asked) == Some(it.user_ref_num),
            FromVenue::Canceled(it) => {
                it.reason == CancelReason::User.code() && is_less(asked, it.user_ref_num)
            }
            FromVenue::Modified(it) => is_less(asked, it.user_ref_num),
            FromVenue::CancelReject(it) => is_less(asked, it.user_ref_num),
            FromVenue::AccountQueryResponse(_) => matches!(asked, FromClient::AccountQuery(_)),
            _ => false,
        };
        let at = self.asked.iter().position(|(_, asked)| is_it(asked))?;
        self.asked.remove(at).map(|(tag, _)| tag)
    }

    /// Keeps what is open of the order that a message is about: that order, and the name that means none any more.
    fn follow(&mut self, message: &FromVenue) -> (Option<u32>, Option<u32>) {
        let less = match message {
            FromVenue::Accepted(it) => {
                self.open.insert(it.user_ref_num, it.quantity);
                return (Some(it.user_ref_num), None);
            }
            FromVenue::Replaced(it) => {
                self.open.remove(&it.orig_user_ref_num);
                self.open.insert(it.user_ref_num, it.quantity);
                return (Some(it.user_ref_num), Some(it.orig_user_ref_num));
            }
            FromVenue::Modified(it) => {
                self.open.insert(it.user_ref_num, it.quantity);
                return (Some(it.user_ref_num), None);
            }
            FromVenue::Rejected(it) => return (None, Some(it.user_ref_num)),
            FromVenue::Executed(it) => (it.user_ref_num, it.quantity),
            FromVenue::Canceled(it) => (it.user_ref_num, it.quantity),
            FromVenue::AiqCanceled(it) => (it.user_ref_num, it.decrement_shares),
            _ => return (None, None),
        };
        let (order, quantity) = less;
        let Some(open) = self.open.get_mut(&order) else { return (Some(order), None) };
        *open = open.saturating_sub(quantity);
        if *open > 0 {
            return (Some(order), None);
        }
        self.open.remove(&order);
        (Some(order), Some(order))
    }
}

/// The number that a request uses up.
const fn number(asked: &FromClient) -> Option<u32> {
    match asked {
        FromClient::Enter(it) => Some(it.user_ref_num),
        FromClient::Replace(it) => Some(it.user_ref_num),
        FromClient::MassCancel(it) => Some(it.user_ref_num),
        FromClient::DisableOrderEntry(it) => Some(it.user_ref_num),
        FromClient::EnableOrderEntry(it) => Some(it.user_ref_num),
        FromClient::Cancel(_) | FromClient::Modify(_) | FromClient::AccountQuery(_) => None,
    }
}

/// The order that a request is about.
const fn target(asked: &FromClient) -> Option<u32> {
    match asked {
        FromClient::Replace(it) => Some(it.orig_user_ref_num),
        FromClient::Cancel(it) => Some(it.user_ref_num),
        FromClient::Modify(it) => Some(it.user_ref_num),
        _ => None,
    }
}

/// Whether a request is a Cancel or Modify of this order.
const fn is_less(asked: &FromClient, user_ref_num: u32) -> bool {
    match asked {
        FromClient::Cancel(it) => it.user_ref_num == user_ref_num,
        FromClient::Modify(it) => it.user_ref_num == user_ref_num,
        _ => false,
    }
}

fn put(client: &mut SoupClient, message: &FromClient, out: &mut Vec<u8>) {
    let mut bytes = Vec::with_capacity(64);
    message.encode(&mut bytes);
    client.unsequenced(&bytes, out);
}

/// Waits without a poll: the venue is not there.
fn pause(time: Duration) {
    std::thread::park_timeout(time);
}
