//! Failed Logons: whoever has too many in a row waits, longer after each one more.

use std::collections::HashMap;
use std::net::IpAddr;

use matcher::Timestamp;

use crate::address::network_of;

/// Networks remembered at once. Beyond them, one that has failed is forgotten when it has no connection.
const NETWORKS_MAX: usize = 1 << 16;

/// When who fails to log on is locked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Failures in a row that lock out; 0: none do.
    pub after: u32,
    /// How long the first time, ns. Twice as long after each failure more.
    pub first_ns: u64,
    /// How long at most, ns. After so long without a failure all are forgotten.
    pub most_ns: u64,
}

impl Lockout {
    fn pause_ns(&self, failures: u32) -> u64 {
        let Some(more) = failures.checked_sub(self.after).filter(|_| self.after > 0) else {
            return 0;
        };
        let doubled = 1_u64.checked_shl(more).and_then(|times| self.first_ns.checked_mul(times));
        doubled.unwrap_or(u64::MAX).min(self.most_ns)
    }
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    /// One more.
    pub(super) fn add(&mut self, now: Timestamp, rule: &Lockout) {
        if self.are_old(now, rule) {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
    }

    /// Until when it is locked out, if it is.
    pub(super) fn locked(&self, now: Timestamp, rule: &Lockout) -> Option<Timestamp> {
        let until = Timestamp(self.last.0.saturating_add(rule.pause_ns(self.count)));
        (until > now).then_some(until)
    }

    fn are_old(&self, now: Timestamp, rule: &Lockout) -> bool {
        self.count == 0 || now.0.saturating_sub(self.last.0) > rule.most_ns
    }
}

#[derive(Default)]
struct Network {
    connections: usize,
    failures: Failures,
}

/// What is known of those who connect, by network.
#[derive(Default)]
pub(super) struct Networks {
    known: HashMap<u128, Network>,
    /// How many there may be before those that can be are forgotten.
    forget_at: usize,
}

impl Networks {
    /// Connections of the network at present.
    pub(super) fn connections(&self, address: IpAddr) -> usize {
        self.known.get(&network_of(address)).map_or(0, |network| network.connections)
    }

    /// A connection more.
    pub(super) fn connected(&mut self, address: IpAddr) {
        self.known.entry(network_of(address)).or_default().connections += 1;
    }

    /// A connection less.
    pub(super) fn disconnected(&mut self, address: IpAddr) {
        let key = network_of(address);
        if let Some(network) = self.known.get_mut(&key) {
            network.connections = network.connections.saturating_sub(1);
            if network.connections == 0 && network.failures.count == 0 {
                self.known.remove(&key);
            }
        }
    }

    /// Until when the network is locked out, if it is.
    pub(super) fn locked(
        &self,
        address: IpAddr,
        now: Timestamp,
        rule: &Lockout,
    ) -> Option<Timestamp> {
        self.known.get(&network_of(address))?.failures.locked(now, rule)
    }

    /// A Logon from there failed.
    pub(super) fn failed(&mut self, address: IpAddr, now: Timestamp, rule: &Lockout) {
        self.known.entry(network_of(address)).or_default().failures.add(now, rule);
        if self.known.len() > self.forget_at.max(NETWORKS_MAX / 16) {
            self.known.retain(|_, it| it.connections > 0 || !it.failures.are_old(now, rule));
            if self.known.len() > NETWORKS_MAX {
                self.known.retain(|_, it| it.connections > 0);
            }
            self.forget_at = (2 * self.known.len()).min(NETWORKS_MAX);
        }
    }

    /// A Logon from there was good.
    pub(super) fn succeeded(&mut self, address: IpAddr) {
        if let Some(network) = self.known.get_mut(&network_of(address)) {
            network.failures = Failures::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const RULE: Lockout = Lockout { after: 3, first_ns: SECOND, most_ns: 60 * SECOND };

    #[test]
    fn the_third_failure_locks_and_each_more_twice_as_long() {
        let mut failures = Failures::default();
        let mut now = 5 * SECOND;
        for wait in [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60] {
            failures.add(Timestamp(now), &RULE);
            let until = failures.locked(Timestamp(now), &RULE);
            assert_eq!(until, (wait > 0).then_some(Timestamp(now + wait * SECOND)));
            now += wait * SECOND;
            assert_eq!(failures.locked(Timestamp(now), &RULE), None);
        }
        for _ in 0..200 {
            failures.add(Timestamp(now), &RULE);
        }
        assert_eq!(failures.locked(Timestamp(now), &RULE), Some(Timestamp(now + 60 * SECOND)));
        now += 61 * SECOND;
        failures.add(Timestamp(now), &RULE);
        assert_eq!(failures.locked(Timestamp(now), &RULE), None, "the others are forgotten");
        let never = Lockout { after: 0, ..RULE };
        failures.add(Timestamp(now), &never);
        assert_eq!(failures.locked(Timestamp(now), &never), None);
    }

    #[test]
    fn a_network_is_remembered_as_long_as_it_matters() {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let mut networks = Networks::default();
        networks.connected(address);
        networks.connected(address);
        assert_eq!(networks.connections(address), 2);
        for _ in 0..3 {
            networks.failed(address, Timestamp(SECOND), &RULE);
        }
        assert!(networks.locked(address, Timestamp(SECOND), &RULE).is_some());
        assert!(networks.locked("192.0.2.2".parse().unwrap(), Timestamp(SECOND), &RULE).is_none());
        networks.disconnected(address);
        networks.disconnected(address);
        assert!(networks.locked(address, Timestamp(SECOND), &RULE).is_some());
        networks.succeeded(address);
        assert!(networks.locked(address, Timestamp(SECOND), &RULE).is_none());
        networks.connected(address);
        networks.disconnected(address);
        assert!(networks.known.is_empty());
    }

    #[test]
    fn a_million_strangers_take_bounded_memory() {
        let mut networks = Networks::default();
        let held: IpAddr = "192.0.2.1".parse().unwrap();
        networks.connected(held);
        for stranger in 0..1_000_000_u32 {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + stranger);
            networks.failed(address.into(), Timestamp(SECOND), &RULE);
            assert!(networks.known.len() <= NETWORKS_MAX + 1);
        }
        assert_eq!(networks.connections(held), 1);
    }
}
