//! Those who connect, until they have logged on.
//!
//! Whoever is logged on does not wait for them: while somebody is, they have a share of the loop's time, in steps of
//! one connection taken or one read. What comes beyond it waits in the kernel, and so nothing grows here.

use std::io;
use std::net::{IpAddr, SocketAddr};

use matcher::Timestamp;

use super::admission::Admission;
use super::timers::NEVER;
use super::{Acceptor, Peer, Requests};
use crate::connection::Connection;
use crate::network::{Door, Network};
use crate::soup::SoupServer;

/// Between two steps for strangers while somebody is logged on, in the mean.
///
/// Unit: ns. A step takes some 10 µs, most of it in the kernel: a tenth of the time, and a thousand sessions that come
/// back at once are logged on again in a fifth of a second.
pub(super) const STRANGER_GAP_NS: u64 = 100_000;

/// Steps at once after a pause: what a poll that sleeps for a millisecond lets gather.
pub(super) const STRANGERS_AT_ONCE: u64 = 16;

/// Steps in a round while nobody is logged on.
const STEPS_A_ROUND: usize = 64;

/// Connections of one network where nothing else is set, but for those of this machine.
const OF_NETWORK_MAX: usize = 64;

/// How long no connection is taken after the kernel had no descriptor for one.
///
/// Unit: ns.
const ACCEPT_PAUSE_NS: u64 = 100_000_000;

impl<N: Network> Acceptor<N> {
    /// Takes and reads those who are not logged on, as far as their share of the time goes: a connection taken and
    /// one read in turn.
    pub(super) fn serve_strangers(&mut self, now: Timestamp, requests: &mut impl Requests) {
        let others = self.logged_on > 0;
        for _ in 0..if others { 1 } else { STEPS_A_ROUND } {
            self.pass_over_those_who_went();
            let knocks = self.knocks && self.accept_at <= now;
            if !knocks && self.strangers.is_empty() {
                return;
            }
            if others && !self.strangers_share.take(now) {
                return;
            }
            self.accepted_last = knocks && (!self.accepted_last || self.strangers.is_empty());
            if self.accepted_last {
                self.accept(now);
            } else if let Some(index) = self.strangers.pop_front() {
                self.serve_one(index, now, requests);
            }
        }
    }

    /// Those that were closed while they waited cost nothing.
    fn pass_over_those_who_went(&mut self) {
        let waits = |peers: &[Option<Peer<N::Stream>>], index: usize| {
            peers.get(index).and_then(Option::as_ref).is_some_and(|peer| peer.ready)
        };
        while self.strangers.front().is_some_and(|first| !waits(&self.peers, *first)) {
            self.strangers.pop_front();
        }
    }

    /// When the next step for strangers may be taken, if somebody waits for one.
    pub(super) fn strangers_next(&self) -> Option<Timestamp> {
        let waiting = (!self.strangers.is_empty()).then_some(Timestamp(0));
        let knocks = self.knocks.then_some(self.accept_at);
        let next = waiting.into_iter().chain(knocks).min()?;
        Some(if self.logged_on > 0 { next.max(self.strangers_share.next()) } else { next })
    }

    /// Takes the next connection, if there is one.
    fn accept(&mut self, now: Timestamp) {
        let (stream, address, door) = match self.network.accept() {
            Ok(accepted) => accepted,
            // The next one says so again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.knocks = false;
                return;
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => return,
            Err(error) => {
                // No descriptor or no memory: looking again at once would only spin.
                if let Ok(address) = self.network.local_addr() {
                    self.notice(now, address, format_args!("cannot take a connection: {error}"));
                }
                self.accept_at = Timestamp(now.0 + ACCEPT_PAUSE_NS);
                return;
            }
        };
        if self.connections() >= self.config.connections_max || self.stopping {
            self.stats.over_limit += 1;
            return self.notice(now, address, "closed: too many connections");
        }
        if let Some(why) = self.turns_away(address.ip(), now) {
            self.stats.over_limit += 1;
            return self.notice(now, address, why);
        }
        let Ok(mut connection) = Connection::new(stream, self.config.out_buffer_bytes) else {
            return;
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.peers.push(None);
            self.peers.len() - 1
        });
        if self.network.register(connection.stream_mut(), index).is_err() {
            self.free.push(index);
            return;
        }
        self.serials += 1;
        let mut peer = new_peer(connection, address, self.serials, now);
        peer.soup = (door == Door::Ouch).then(|| Box::new(SoupServer::new(self.soup_config())));
        let logon_by = Timestamp(now.0 + self.config.logon_timeout_ns);
        self.timers.look_at(index, &mut peer, logon_by);
        self.peers[index] = Some(peer);
        self.stats.accepted += 1;
        self.networks.connected(address.ip());
        self.newcomers.push_back((index, self.serials));
        self.make_room_for_newcomers(now);
    }

    /// Why nobody from there may connect at present, if so.
    fn turns_away(&self, address: IpAddr, now: Timestamp) -> Option<&'static str> {
        let here = address.to_canonical().is_loopback();
        let most = self.config.of_network_max;
        let most = most.unwrap_or(if here { usize::MAX } else { OF_NETWORK_MAX });
        if self.networks.connections(address) >= most {
            return Some("closed: too many connections from this address");
        }
        let locked = self.networks.locked(address, now, &self.config.lockout);
        locked.map(|_| "closed: too many failed Logons from this address")
    }

    /// Closes the oldest connections without a Logon as long as there are too many.
    fn make_room_for_newcomers(&mut self, now: Timestamp) {
        let is_new = |peers: &[Option<Peer<N::Stream>>], (index, serial): (usize, u64)| {
            let peer = peers.get(index).and_then(Option::as_ref);
            peer.is_some_and(|peer| peer.serial == serial && peer.session.is_none())
        };
        while let Some(oldest) = self.newcomers.front().copied() {
            let is_new = is_new(&self.peers, oldest);
            if is_new && self.connections() - self.logged_on <= self.config.before_logon_max {
                break;
            }
            self.newcomers.pop_front();
            // One whose password is being compared has its verdict soon.
            let asked = |peer: &Peer<N::Stream>| peer.admission == Admission::Asked;
            if is_new && let Some(peer) = self.peers[oldest.0].take_if(|peer| !asked(peer)) {
                self.stats.logon_timeouts += 1;
                self.notice(now, peer.address, "closed: no Logon, and others wait to log on");
                self.drop_peer(oldest.0, peer, now);
            }
        }
        if self.newcomers.len() > 2 * self.config.connections_max.max(64) {
            let peers = &self.peers;
            self.newcomers.retain(|newcomer| is_new(peers, *newcomer));
        }
    }
}

fn new_peer<S>(
    connection: Connection<S>,
    address: SocketAddr,
    serial: u64,
    now: Timestamp,
) -> Peer<S> {
    Peer {
        connection,
        address,
        serial,
        soup: None,
        admission: Admission::Open,
        session: None,
        opened: now,
        garbled: 0,
        // Readiness is said once it is registered, also of what came before.
        ready: false,
        logged_out: false,
        paused: false,
        delayed: None,
        dirty: false,
        closing: false,
        blocked: false,
        progress: now,
        look_at: NEVER,
        broken: None,
    }
}
