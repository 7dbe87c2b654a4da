//! When each connection is to be looked at: the first of all is known without looking at the others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use matcher::{SessionId, Timestamp};

use super::serve::Border;
use super::{Acceptor, Peer, ROOM_MIN, Requests};
use crate::network::Network;

/// Connections looked at in one round.
const LOOKS_A_ROUND: usize = 32;

/// How often times are looked at, at most, and one connection.
///
/// Unit: ns. Heartbeats are counted in seconds; 20 ms keeps an idle venue asleep.
pub(super) const TICK_NS: u64 = 20_000_000;

/// No time of its own.
pub(super) const NEVER: Timestamp = Timestamp(u64::MAX);

/// Times of connections.
#[derive(Default)]
pub(super) struct Timers {
    /// The first on top: when, which, its serial. One that came nearer is in it twice; the other is passed over when
    /// its time comes.
    times: BinaryHeap<Reverse<(Timestamp, usize, u64)>>,
    /// When all whose time had come were looked at last.
    looked_at: Timestamp,
}

impl Timers {
    /// When to look at connections next.
    pub(super) fn first(&self) -> Option<Timestamp> {
        let Reverse((at, ..)) = *self.times.peek()?;
        Some(at.max(Timestamp(self.looked_at.0 + TICK_NS)))
    }

    /// Looks at a connection at `at`, if that is not to be done before anyway.
    #[inline]
    pub(super) fn look_at<S>(&mut self, index: usize, peer: &mut Peer<S>, at: Timestamp) {
        if at < peer.look_at {
            peer.look_at = at;
            self.times.push(Reverse((at, index, peer.serial)));
        }
    }

    /// The next connection whose time has come, and which it was.
    fn next(&mut self, now: Timestamp) -> Option<(usize, u64, Timestamp)> {
        let first = self.times.peek().filter(|Reverse((at, ..))| *at <= now);
        let Some(&Reverse((at, index, serial))) = first else {
            self.looked_at = now;
            return None;
        };
        self.times.pop();
        Some((index, serial, at))
    }

    /// Forgets times that `counts` says no to.
    fn retain(&mut self, counts: impl Fn(Timestamp, usize, u64) -> bool) {
        self.times.retain(|Reverse((at, index, serial))| counts(*at, *index, *serial));
    }
}

/// Times of sessions at which something may be due: the first of all is known without looking at the others.
#[derive(Default)]
pub(super) struct Dues {
    /// The first on top. One that came nearer is in it twice; the other is passed over when its time comes.
    times: BinaryHeap<Reverse<(Timestamp, SessionId)>>,
    /// Of each session the time that counts.
    next: Vec<Timestamp>,
}

impl Dues {
    /// When to look at a session next. It may turn out then that nothing is due yet.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.times.peek().map(|Reverse((at, _))| *at)
    }

    /// Looks at a session at `at`, if that is not to be done before anyway.
    pub(super) fn look_at(&mut self, id: SessionId, at: Timestamp) {
        if self.next.len() <= id.index() {
            self.next.resize(id.index() + 1, NEVER);
        }
        if at >= self.next[id.index()] {
            return;
        }
        self.next[id.index()] = at;
        self.times.push(Reverse((at, id)));
        if self.times.len() > 4 * self.next.len() + LOOKS_A_ROUND {
            let next = &self.next;
            self.times.retain(|Reverse((at, id))| next[id.index()] == *at);
        }
    }

    /// The next session whose time has come. It is not looked at again unless somebody says when.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<SessionId> {
        loop {
            let Reverse((at, id)) = *self.times.peek().filter(|Reverse((at, _))| *at <= now)?;
            self.times.pop();
            if self.next[id.index()] == at {
                self.next[id.index()] = NEVER;
                return Some(id);
            }
        }
    }
}

impl<N: Network> Acceptor<N> {
    /// Heartbeats, test requests, peers that never log on or do not read: of connections whose time has come, some.
    pub(super) fn look_at_peers(&mut self, now: Timestamp, requests: &mut impl Requests) {
        if self.timers.first().is_none_or(|first| first > now) {
            return;
        }
        let peers = &self.peers;
        if self.timers.times.len() > 4 * peers.len() + LOOKS_A_ROUND {
            self.timers.retain(|at, index, serial| {
                let peer = peers.get(index).and_then(Option::as_ref);
                peer.is_some_and(|peer| peer.serial == serial && peer.look_at == at)
            });
        }
        for _ in 0..LOOKS_A_ROUND {
            if requests.room() < ROOM_MIN {
                return;
            }
            let Some((index, serial, at)) = self.timers.next(now) else { return };
            let is_it = |peer: &mut Peer<_>| peer.serial == serial && peer.look_at == at;
            let Some(mut peer) = self.peers.get_mut(index).and_then(|it| it.take_if(is_it)) else {
                continue;
            };
            peer.look_at = NEVER;
            match self.look_at_peer(index, &mut peer, now, requests) {
                Some(next) => {
                    let next = next.max(Timestamp(now.0 + TICK_NS));
                    self.timers.look_at(index, &mut peer, next);
                    self.peers[index] = Some(peer);
                }
                None => self.drop_peer(index, peer, now),
            }
        }
    }

    /// When it is to be looked at next; `None`: it is over.
    fn look_at_peer(
        &mut self,
        index: usize,
        peer: &mut Peer<N::Stream>,
        now: Timestamp,
        requests: &mut impl Requests,
    ) -> Option<Timestamp> {
        let unread =
            peer.session.is_some_and(|id| requests.is_held(id)) || !requests.takes_orders();
        if unread && let Some(soup) = &mut peer.soup {
            soup.unread(now);
        } else if unread
            && let Some(id) = peer.session
            && let Some(Some(slot)) = self.slots.get_mut(id.index())
        {
            slot.session.unread(now);
        }
        let deadline = match peer.session {
            None => {
                let deadline = Timestamp(peer.opened.0 + self.config.logon_timeout_ns);
                if deadline <= now {
                    self.stats.logon_timeouts += 1;
                    self.notice(now, peer.address, "closed: no Logon in time");
                    return None;
                }
                deadline
            }
            Some(id) if peer.soup.is_some() => self.tick_soup((id, index), peer, now)?,
            Some(id) => {
                let (slots, entries) = (&mut self.slots, (&mut self.entry, &mut *self.others));
                let lists = (&mut self.resending, &mut self.asking);
                let mut border = Border::new((slots, entries), requests, lists, &mut *self.market);
                if let Some(why) = border.tick(id, now) {
                    self.notice(now, peer.address, format_args!("session {id} closed: {why:?}"));
                    // What was written before (a Logout) goes out if the socket takes it at once.
                    let _ = peer.connection.flush();
                    return None;
                }
                let slot = self.slots.get(id.index()).and_then(Option::as_ref);
                slot.and_then(|slot| slot.session.deadline()).unwrap_or(NEVER)
            }
        };
        if !peer.blocked {
            return Some(deadline);
        }
        let slow = Timestamp(peer.progress.0 + self.config.slow_peer_ns);
        if slow <= now {
            self.stats.slow_peers += 1;
            self.notice(now, peer.address, "closed: it does not read");
            return None;
        }
        Some(deadline.min(slow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xorshift(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    /// Against a list that is gone through each time: the same sessions at the same times, each once.
    #[test]
    fn the_first_of_many_is_known() {
        for seed in 1..=50_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (mut dues, mut model) = (Dues::default(), [NEVER; 40]);
            for step in 0..2_000_u64 {
                let now = Timestamp(step * 10);
                for _ in 0..xorshift(&mut state) % 8 {
                    let index = usize::try_from(xorshift(&mut state) % 40).unwrap();
                    let at = Timestamp(now.0 + xorshift(&mut state) % 500);
                    dues.look_at(SessionId(u32::try_from(index).unwrap()), at);
                    model[index] = model[index].min(at);
                }
                let (mut taken, mut due) = (Vec::new(), Vec::new());
                while let Some(id) = dues.take(now) {
                    taken.push(id.index());
                }
                for (index, at) in model.iter_mut().enumerate() {
                    if *at <= now {
                        due.push((*at, index));
                        *at = NEVER;
                    }
                }
                due.sort_unstable();
                let due: Vec<usize> = due.into_iter().map(|(_, index)| index).collect();
                assert_eq!(taken, due, "seed {seed}, step {step}");
                let first = model.iter().copied().min().filter(|at| *at != NEVER);
                assert!(dues.first() <= first || first.is_none(), "seed {seed}, step {step}");
                assert!(dues.times.len() <= 4 * dues.next.len() + LOOKS_A_ROUND + 1);
            }
        }
    }
}
