//! Listens, polls, and brings sockets, sessions, order entry and the journal together.
//!
//! One event loop for all connections. It owns no thread and no clock: the venue calls it and says
//! what time it is. Nothing in here waits: no room in the ring to the core means that bytes stay in
//! the kernel; a peer that does not read is cut.

mod admission;
mod announce;
mod cancels;
mod copies;
mod lockout;
mod ouch;
mod passing;
mod quotes_watched;
mod quoting;
mod rights;
mod serve;
mod share;
mod strangers;
mod tell;
mod timers;
mod users;

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use matcher::{Command, MassCancelScope, MsgSeqNum, SessionId, Timestamp};

use crate::address::AddressRange;
use crate::connection::{Connection, Flush};
use crate::fix::{CompId, Fields, Profile, Session};
use crate::market_data::{self, Client, MarketData, NoMarketData};
use crate::network::{Network, Ready, Sockets};
use crate::order_entry::{Inputs, OrderEntry, Told, Unreadable, shards};
use crate::orders::Pages;
use crate::soup::SoupServer;

use admission::Admission;
pub use admission::{Ask, Claim, Credentials, NoSecrets, Ticket, Verdict};
use announce::Announced;
pub use announce::{HEADLINE_BYTES_MAX, NEWS_BYTES_MAX, News, Urgency};
use cancels::Cancels;
pub use cancels::{
    CANCEL_AFTER, CANCEL_ORDERS_ON_DISCONNECT, CancelRules, CancelTerms, LAST_CONNECTION_BYTES,
    LastConnection,
};
use copies::{Copies, Waiting};
pub use copies::{DropCopy, TradeRequest};
pub use lockout::Lockout;
use lockout::{Failures, Networks};
use ouch::OuchSession;
pub use ouch::OuchSetup;
use passing::Passing;
use rights::Rate;
pub use rights::{OverRate, RateLimit, Rights};
use serve::{Border, FixShell};
use share::Share;
use strangers::{STRANGER_GAP_NS, STRANGERS_AT_ONCE};
use timers::{Dues, TICK_NS, Timers};
use users::UserRequests;
pub use users::{Change, Changed, Changing};

/// Submits that a call into a session may need at most.
const ROOM_MIN: usize = 8;

/// Room in the ring under which new orders are refused with a reason instead of being queued.
pub const ROOM_FOR_ORDERS: usize = 32;

/// Messages of one connection before the next has its turn.
const MESSAGES_A_ROUND: usize = 64;

/// Ranges that one session may have asked for and not yet got.
const RESENDS_MAX: usize = 8;

/// Messages that one session is told late, or again where nobody else is logged on, before live traffic has its
/// turn.
const RESENDS_A_ROUND: usize = 64;

/// Messages that are said again before live traffic of others has its turn …
const RESENDS_A_STEP: usize = 16;

/// … and how often, in the mean, and at most at once after a pause: whoever asks for everything again and again takes
/// a fifth of the time.
///
/// Unit: ns. Sixteen messages take some 20 µs.
const RESEND_GAP_NS: u64 = 100_000;
const RESENDS_AT_ONCE: u64 = 16;

/// Stretches of a logged-on peer's bytes that are no message, before it is cut: each costs a search
/// for the next message.
const GARBLED_MAX: u32 = 1_000;

/// Lines for the log in one second, at most.
const NOTICES_A_SECOND: u32 = 10;

/// Where the gateway's requests go: the ring into the core.
pub trait Requests {
    /// How many requests there is room for.
    fn room(&self) -> usize;
    /// Whether orders and replaces are taken at present; else they stay in their sockets, with what
    /// is behind them.
    fn takes_orders(&self) -> bool;
    /// Puts one in; the caller has looked at [`Requests::room`].
    fn submit(
        &mut self,
        session: SessionId,
        inbound: MsgSeqNum,
        command: &Command,
        attachment: &[u8],
    );

    /// The same into the ring of another shard; 0 is home, which [`Requests::submit`] leads to.
    fn submit_to(
        &mut self,
        shard: usize,
        session: SessionId,
        inbound: MsgSeqNum,
        command: &Command,
        attachment: &[u8],
    ) {
        assert!(shard == 0, "there is one shard");
        self.submit(session, inbound, command, attachment);
    }

    /// Whether what was submitted for a session waits for what it asked of another shard: until it does not any more,
    /// the session is not read.
    fn is_held(&self, session: SessionId) -> bool {
        let _ = session;
        false
    }
}

/// What was said before: the journal, read by session and number.
pub trait History: Inputs {
    /// The first message of `session` from number `from` on whose turn is still in the journal; the number after
    /// its last message if there is none.
    fn oldest(&self, session: SessionId, from: MsgSeqNum) -> MsgSeqNum;

    /// The Inputs of the journal that a message was told from.
    fn of(&mut self, original: Option<shards::Original>) -> &mut Self
    where
        Self: Sized,
    {
        let _ = original;
        self
    }

    /// Hands `each` the messages of `session` numbered `from..=to`, in order, until it breaks.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read; those before it were handed over.
    fn messages(
        &mut self,
        session: SessionId,
        from: MsgSeqNum,
        to: MsgSeqNum,
        each: &mut dyn FnMut(MsgSeqNum, &Told<'_>) -> ControlFlow<()>,
    ) -> Result<(), Unreadable>;
}

/// How the acceptor listens.
#[derive(Clone, Debug)]
pub struct AcceptorConfig {
    /// Connections at once; one more is closed at once.
    pub connections_max: usize,
    /// Of them those without a Logon: for one more the oldest of these is closed.
    pub before_logon_max: usize,
    /// Of them those of one network: one more is closed at once. `None`: 64, and any number from this machine.
    pub of_network_max: Option<usize>,
    /// When who fails to log on is locked out.
    pub lockout: Lockout,
    /// Bytes that may wait for a slow peer. Beyond them nothing is read from it, and what it is to be
    /// told waits in the journal.
    pub out_buffer_bytes: usize,
    /// How long a peer may take nothing while bytes wait for it before it is cut, ns.
    pub slow_peer_ns: u64,
    /// How long a connection may stay without a Logon, ns.
    pub logon_timeout_ns: u64,
}

/// Who may log on.
pub struct SessionSetup {
    /// Its id in the engine.
    pub id: SessionId,
    /// Rules and names.
    pub profile: Profile,
    /// As of the end of the journal.
    pub last_inbound: MsgSeqNum,
    /// As of the end of the journal.
    pub last_outbound: MsgSeqNum,
    /// When its orders are canceled without being asked.
    pub cancel: CancelRules,
    /// Its connection before this start.
    pub last: LastConnection,
    /// Whether that went with the last run, and the orders wait for the next one.
    pub is_lost: bool,
    /// The time of the start.
    pub began: Timestamp,
    /// Whether a second connection that proves itself takes the place of the first.
    pub takeover: bool,
    /// From where it may log on; empty: from anywhere.
    pub addresses: Vec<AddressRange>,
    /// What it may ask for.
    pub rights: Rights,
    /// How often, if there is a limit.
    pub rate: Option<RateLimit>,
    /// What it is told of others.
    pub drop_copy: Option<DropCopy>,
    /// If it speaks OUCH instead of FIX.
    pub ouch: Option<OuchSetup>,
}

/// What happened at the border since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptorStats {
    /// Connections taken.
    pub accepted: u64,
    /// Connections closed because too many were open.
    pub over_limit: u64,
    /// First messages that were no good Logon.
    pub logons_refused: u64,
    /// Stretches of bytes that were no message.
    pub garbled: u64,
    /// Peers cut because they did not read.
    pub slow_peers: u64,
    /// Peers cut because they sent no Logon in time.
    pub logon_timeouts: u64,
    /// Messages beyond the rate of their session, refused, put off or the last of a connection.
    pub over_rate: u64,
    /// Times that input waited because the ring was full.
    pub ring_full: u64,
    /// Messages that could not be written because the journal could not be read.
    pub unreadable: u64,
}

struct Peer<S> {
    connection: Connection<S>,
    address: SocketAddr,
    /// Unlike its index never used again.
    serial: u64,
    /// Its side of SoupBinTCP, if it came for OUCH.
    soup: Option<Box<SoupServer>>,
    admission: Admission,
    session: Option<SessionId>,
    opened: Timestamp,
    garbled: u32,
    /// The socket may have bytes that were not read.
    ready: bool,
    /// It has sent a Logout.
    logged_out: bool,
    /// It is not read because it does not read.
    paused: bool,
    /// It is not read before this time: it has sent too much.
    delayed: Option<Timestamp>,
    /// It waits in `dirty`.
    dirty: bool,
    /// Close once everything is written.
    closing: bool,
    /// The kernel takes no more bytes for it …
    blocked: bool,
    /// … and took the last ones then.
    progress: Timestamp,
    /// When it is looked at next.
    look_at: Timestamp,
    /// Why it cannot be told something that it must be told: better no connection than a hole.
    broken: Option<&'static str>,
}

struct Slot {
    /// Of one that speaks OUCH the numbers, and no connection.
    session: Session,
    ouch: Option<Box<OuchSession>>,
    peer: Option<usize>,
    /// A Logon for it is being compared.
    asked: bool,
    addresses: Vec<AddressRange>,
    rights: Rights,
    rate: Option<Rate>,
    failures: Failures,
    /// From where it logged on last.
    proved_from: Option<IpAddr>,
    cancels: Cancels,
    copies: Option<Copies>,
    takeover: bool,
    passing: Passing,
    users: UserRequests,
    resends: VecDeque<(u32, u32)>,
    /// The first number that was not said because too much was waiting: it and all after it come from
    /// the journal, as the peer reads on.
    lag: Option<u32>,
    /// The first number of a quote's reports that are not for it, and that nothing was said behind.
    quiet: Option<MsgSeqNum>,
}

impl Slot {
    fn has_history(&self) -> bool {
        self.lag.is_some() || !self.resends.is_empty()
    }
}

/// All connections and sessions of one gateway thread, of FIX and of OUCH.
pub struct Acceptor<N: Network = Sockets> {
    network: N,
    config: AcceptorConfig,
    peers: Vec<Option<Peer<N::Stream>>>,
    free: Vec<usize>,
    /// Those that may have bytes, and speak for a session …
    ready: Vec<usize>,
    /// … or do not yet: they have a share of the time.
    strangers: VecDeque<usize>,
    strangers_share: Share,
    dirty: Vec<usize>,
    resending: Vec<SessionId>,
    resends_share: Share,
    /// Of those that are resending, how many wait for their share.
    resends_held: usize,
    /// Sessions that wait for a number, and could not ask for it.
    asking: Vec<SessionId>,
    /// Those that want to hear of phases; some are gone.
    watching: Vec<SessionId>,
    slots: Vec<Option<Slot>>,
    by_comp_id: HashMap<Vec<u8>, SessionId>,
    /// Those that speak OUCH, by user name in lower case.
    by_username: HashMap<Vec<u8>, SessionId>,
    /// CompID by session.
    names: Vec<Option<CompId>>,
    /// Sessions that are told of others, and what they are told of when there is room.
    copying: Vec<SessionId>,
    copies: Waiting,
    announced: Announced,
    entry: OrderEntry,
    /// Those of other shards.
    others: Vec<OrderEntry>,
    /// Connections that are not read because their session waits for another shard.
    held: Vec<usize>,
    credentials: Box<dyn Credentials + Send>,
    market: Box<dyn MarketData + Send>,
    /// Connections whose Logon waits until somebody can look at it.
    waiting: Vec<usize>,
    serials: u64,
    networks: Networks,
    /// When to look whether a session's orders are to be canceled without being asked for.
    cancels_due: Dues,
    /// Connections that are not read before a time of theirs, and the first of these times.
    delayed: Vec<usize>,
    delayed_until: Option<Timestamp>,
    /// Connections that speak for a session.
    logged_on: usize,
    /// Those that did not when they came, oldest first, by serial: some do now, some are gone.
    newcomers: VecDeque<(usize, u64)>,
    fields: Fields,
    disconnects: VecDeque<SessionId>,
    timers: Timers,
    stats: AcceptorStats,
    stopping: bool,
    /// When to look whether a session's numbers start again.
    resets_due: Dues,
    /// Somebody may want to connect …
    knocks: bool,
    /// … and is not heard before this.
    accept_at: Timestamp,
    /// The last step for strangers was a connection taken.
    accepted_last: bool,
    notices: Vec<String>,
    /// The present second, and how many lines it has had.
    noticed: (u64, u32),
}

impl<N: Network> Acceptor<N> {
    /// Takes connections from `network`. `entry` has followed the journal to its end.
    #[must_use]
    pub fn new(
        network: N,
        config: AcceptorConfig,
        sessions: Vec<SessionSetup>,
        entry: OrderEntry,
    ) -> Acceptor<N> {
        let mut acceptor = Acceptor {
            network,
            config,
            peers: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            strangers: VecDeque::new(),
            strangers_share: Share::new(STRANGER_GAP_NS, STRANGERS_AT_ONCE),
            dirty: Vec::new(),
            resending: Vec::new(),
            resends_share: Share::new(RESEND_GAP_NS, RESENDS_AT_ONCE),
            resends_held: 0,
            asking: Vec::new(),
            watching: Vec::new(),
            slots: Vec::new(),
            by_comp_id: HashMap::new(),
            by_username: HashMap::new(),
            names: Vec::new(),
            copying: Vec::new(),
            copies: Waiting::default(),
            announced: Announced::default(),
            entry,
            others: Vec::new(),
            held: Vec::new(),
            credentials: Box::new(NoSecrets),
            market: Box::new(NoMarketData),
            waiting: Vec::new(),
            serials: 0,
            networks: Networks::default(),
            cancels_due: Dues::default(),
            delayed: Vec::new(),
            delayed_until: None,
            logged_on: 0,
            newcomers: VecDeque::new(),
            fields: Fields::new(),
            disconnects: VecDeque::new(),
            timers: Timers::default(),
            stats: AcceptorStats::default(),
            stopping: false,
            resets_due: Dues::default(),
            knocks: false,
            accept_at: Timestamp(0),
            accepted_last: false,
            notices: Vec::new(),
            noticed: (0, 0),
        };
        for mut setup in sessions {
            if let Some(version) = acceptor.entry.version(setup.id) {
                setup.profile.identity.version = version;
            }
            let index = setup.id.index();
            if acceptor.slots.len() <= index {
                acceptor.slots.resize_with(index + 1, || None);
                acceptor.names.resize(index + 1, None);
            }
            acceptor.names[index] = Some(setup.profile.identity.target_comp_id);
            let copies = setup.drop_copy.map(|what| {
                acceptor.copying.push(setup.id);
                Copies::new(what, acceptor.entry.copied_to(setup.id).unwrap_or_default())
            });
            match &setup.ouch {
                None => {
                    let comp_id = setup.profile.identity.target_comp_id.as_bytes().to_vec();
                    acceptor.by_comp_id.insert(comp_id, setup.id);
                }
                Some(ouch) => {
                    let username = ouch.username.to_ascii_lowercase();
                    acceptor.by_username.insert(username, setup.id);
                }
            }
            let numbers = (setup.last_inbound, setup.last_outbound);
            let ouch = setup.ouch.map(|ouch| Box::new(OuchSession::new(ouch, numbers)));
            if setup.profile.resets.is_some() {
                // Something may have been due while nobody looked.
                acceptor.resets_due.look_at(setup.id, Timestamp(0));
            }
            let begun_at = acceptor.entry.begun_at(setup.id);
            let mut session = Session::new(setup.profile, setup.last_inbound, setup.last_outbound);
            session.began(begun_at);
            acceptor.slots[index] = Some(Slot {
                session,
                ouch,
                peer: None,
                asked: false,
                addresses: setup.addresses,
                rights: setup.rights,
                rate: setup.rate.map(Rate::new),
                failures: Failures::default(),
                proved_from: None,
                copies,
                cancels: Cancels::new(setup.cancel, setup.last, setup.began, setup.is_lost),
                takeover: setup.takeover,
                passing: Passing::default(),
                users: UserRequests::default(),
                resends: VecDeque::new(),
                lag: None,
                quiet: None,
            });
            acceptor.look_at_cancels(setup.id);
        }
        acceptor
    }

    /// Memory for orders comes from there from now on.
    pub fn use_pages(&mut self, pages: Pages) {
        self.entry.use_pages(pages);
    }

    /// The same, with `credentials` to decide who may speak for a session.
    #[must_use]
    pub fn with_credentials(self, credentials: Box<dyn Credentials + Send>) -> Acceptor<N> {
        Acceptor { credentials, ..self }
    }

    /// The same, with more shards than home: `others` have followed their journals to the end.
    #[must_use]
    pub fn with_shards(self, others: Vec<OrderEntry>) -> Acceptor<N> {
        Acceptor { others, ..self }
    }

    /// The same, with `market` to tell of books and trades.
    #[must_use]
    pub fn with_market_data(self, market: Box<dyn MarketData + Send>) -> Acceptor<N> {
        Acceptor { market, ..self }
    }

    /// Where its connections come from.
    #[must_use]
    pub fn network(&self) -> &N {
        &self.network
    }

    /// What happened at the border.
    #[must_use]
    pub fn stats(&self) -> AcceptorStats {
        self.stats
    }

    /// Lines for the log since this was asked last: who was refused or cut, and why. Bounded.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    #[cold]
    fn notice(&mut self, now: Timestamp, address: SocketAddr, what: impl Display) {
        let second = now.0 / 1_000_000_000;
        if self.noticed.0 != second {
            self.noticed = (second, 0);
        }
        self.noticed.1 += 1;
        match self.noticed.1 {
            NOTICES_A_SECOND => self.notices.push("more of this kind in the same second".into()),
            count if count < NOTICES_A_SECOND => self.notices.push(format!("{address}: {what}")),
            _ => {}
        }
    }

    /// Connections at present.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.peers.len() - self.free.len()
    }

    /// Whether [`Acceptor::serve`] would find something without another poll.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty()
            || !self.dirty.is_empty()
            || self.resending.len() > self.resends_held
            || !self.asking.is_empty()
            || !self.announced.is_empty()
            || self.market.has_next()
            || self.credentials.has_verdict()
    }

    /// When [`Acceptor::serve`] and [`Acceptor::tick`] want to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let strangers = self.strangers_next();
        let resends = (self.resends_held > 0).then(|| self.resends_share.next());
        let timers = self.timers.first();
        let (cancels, resets) = (self.cancels_due.first(), self.resets_due.first());
        let all = [timers, strangers, resends, self.delayed_until, cancels, resets];
        all.into_iter().flatten().min()
    }

    /// Waits for sockets, at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the kernel's poll fails: the loop cannot go on.
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.network.poll(timeout)?;
        for ready in self.network.ready() {
            match ready {
                Ready::Listener => self.knocks = true,
                Ready::Joined => {}
                Ready::Peer { peer: index, readable, writable, ends } => {
                    let Some(Some(peer)) = self.peers.get_mut(index) else { continue };
                    if ends {
                        // A read that ends with the last bytes looks drained: the end is said here.
                        peer.connection.peer_ends();
                    }
                    if readable && !peer.ready && !peer.paused {
                        peer.ready = true;
                        match peer.session {
                            Some(_) => self.ready.push(index),
                            None => self.strangers.push_back(index),
                        }
                    }
                    if writable && peer.blocked && !peer.dirty {
                        peer.dirty = true;
                        self.dirty.push(index);
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what waits, one system call a connection.
    pub fn flush(&mut self, now: Timestamp) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            let Some(mut peer) = self.peers.get_mut(index).and_then(Option::take) else { continue };
            peer.dirty = false;
            if let Some(why) = peer.broken {
                self.notice(now, peer.address, format_args!("closed: {why}"));
                self.drop_peer(index, peer, now);
                continue;
            }
            let before = peer.connection.waiting();
            match peer.connection.flush() {
                Ok(Flush::Done) if peer.closing => {
                    self.drop_peer(index, peer, now);
                    continue;
                }
                Ok(Flush::Done) => peer.blocked = false,
                Ok(Flush::Blocked) => {
                    if !peer.blocked || peer.connection.waiting() < before {
                        peer.progress = now;
                    }
                    peer.blocked = true;
                    let slow = Timestamp(peer.progress.0 + self.config.slow_peer_ns);
                    self.timers.look_at(index, &mut peer, slow);
                }
                Err(_) => {
                    self.drop_peer(index, peer, now);
                    continue;
                }
            }
            if peer.connection.waiting() < self.config.out_buffer_bytes / 2 {
                self.read_on(index, &mut peer);
            }
            self.peers[index] = Some(peer);
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    /// A peer has room again: it is read again, and told what waits for it in the journal.
    fn read_on(&mut self, index: usize, peer: &mut Peer<N::Stream>) {
        if std::mem::take(&mut peer.paused) && !peer.ready {
            peer.ready = true;
            self.ready.push(index);
        }
        let Some(id) = peer.session else { return };
        let slot = self.slots.get(id.index()).and_then(Option::as_ref);
        if slot.is_some_and(Slot::has_history) && !self.resending.contains(&id) {
            self.resending.push(id);
        }
        self.look_at_passing(id);
    }

    /// What is due by the clock.
    pub fn tick(&mut self, now: Timestamp, requests: &mut impl Requests) {
        self.cancel_what_is_due(now);
        self.cancel_for_disconnects(requests);
        self.reset_sessions(now, requests);
        self.look_at_peers(now, requests);
    }

    /// Numbers of sessions that nobody is logged on to start again, if their time has come.
    fn reset_sessions(&mut self, now: Timestamp, requests: &mut impl Requests) {
        let later = Timestamp(now.0 + TICK_NS);
        while requests.room() >= ROOM_MIN
            && let Some(id) = self.resets_due.take(now)
        {
            if self.ends_day(id, now, requests) {
                self.resets_due.look_at(id, later);
                continue;
            }
            let (slots, entries) = (&mut self.slots, (&mut self.entry, &mut *self.others));
            let lists = (&mut self.resending, &mut self.asking);
            let mut border = Border::new((slots, entries), requests, lists, &mut *self.market);
            let mut due = None;
            border.with(id, |session, shell| {
                let waits = session.reset_by_clock(now, shell);
                due = if waits { Some(later) } else { session.next_reset(now) };
            });
            // Whoever is logged on to it is told that the session is over.
            let slot = self.slots.get(id.index()).and_then(Option::as_ref);
            let index = slot.and_then(|slot| slot.peer);
            let told = index.filter(|_| due == Some(later));
            if let Some((index, Some(peer))) = told.map(|index| (index, &mut self.peers[index])) {
                self.timers.look_at(index, peer, now);
            }
            if let Some(at) = due {
                self.resets_due.look_at(id, at);
            }
        }
    }

    /// The venue stops: every session is told, no more connections are taken.
    pub fn stop(&mut self, now: Timestamp, text: &[u8], requests: &mut impl Requests) {
        self.stopping = true;
        for index in 0..self.slots.len() {
            if requests.room() < ROOM_MIN {
                break;
            }
            let Some(slot) = &mut self.slots[index] else { continue };
            if slot.peer.is_none() {
                continue;
            }
            if let Some(ouch) = &slot.ouch {
                #[allow(clippy::cast_possible_truncation)] // Session ids are u32.
                ouch.log_out(SessionId(index as u32), false, requests);
                continue;
            }
            let (entry, resends) = (&mut self.entry, (&mut slot.resends, &mut slot.passing));
            #[allow(clippy::cast_possible_truncation)] // Session ids are u32.
            let session = SessionId(index as u32);
            let rights = &slot.rights;
            let mut shell = FixShell::new(session, (entry, requests), resends, rights);
            slot.session.stop(now, text, &mut shell);
        }
    }

    fn drop_peer(&mut self, index: usize, mut peer: Peer<N::Stream>, now: Timestamp) {
        self.network.forget(peer.connection.stream_mut());
        self.free.push(index);
        self.networks.disconnected(peer.address.ip());
        // It may have brought a password.
        let len = peer.connection.input().len();
        peer.connection.erase(len);
        let Some(id) = peer.session else { return };
        self.logged_on -= 1;
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        slot.session.disconnected();
        if let Some(ouch) = &mut slot.ouch {
            ouch.disconnected();
        }
        slot.resends.clear();
        if let Some(connection) = slot.passing.end() {
            self.market.ask(market_data::Ask::Gone(Client { session: id, connection }));
        }
        slot.lag = None;
        slot.quiet = None;
        slot.peer = None;
        self.connection_gone(id, now, peer.logged_out);
    }

    fn cancel_for_disconnects(&mut self, requests: &mut impl Requests) {
        while requests.room() >= ROOM_MIN {
            let Some(id) = self.disconnects.pop_front() else { return };
            let command = Command::MassCancel(MassCancelScope::Session);
            requests.submit(id, MsgSeqNum::NONE, &command, &[]);
        }
    }
}
