//! What clocks show: a time zone with its changes, daylight saving and others.
//!
//! Whoever says when something happens by the clock, says a local time. That may not be there (clocks jump over it) or be there twice
//! (they are set back). Here each happens once: at the first moment at which the clocks show it or something later. So what
//! they jump over happens at the jump, and what they show twice happens the first time.

use std::sync::Arc;

use matcher::Timestamp;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * SECOND_NS;

/// Further than this no clock is from UTC, and no change changes more.
const FAR_NS: i64 = 2 * DAY_NS;

/// What the clocks of a time zone show, at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// From when on the clocks are so far ahead of UTC, in ns since 1970 UTC and in ns; the first from ever.
    changes: Arc<[(i64, i64)]>,
}

impl Default for Zone {
    /// UTC.
    fn default() -> Zone {
        Zone::fixed(0)
    }
}

impl Zone {
    /// Clocks that are always `east_s` seconds ahead of UTC.
    #[must_use]
    pub fn fixed(east_s: i32) -> Zone {
        Zone::changing(east_s, &[])
    }

    /// Clocks that are `east_s` seconds ahead of UTC, and from each of these times, in seconds since 1970 UTC and ascending, so many.
    ///
    /// # Panics
    ///
    /// If the times do not ascend, or the clocks are more than a day from UTC.
    #[must_use]
    pub fn changing(east_s: i32, changes: &[(i64, i32)]) -> Zone {
        assert!(changes.is_sorted_by(|one, other| one.0 < other.0));
        let first = std::iter::once((i64::MIN, east_s));
        let all = first.chain(
            changes.iter().copied().map(|(at_s, east_s)| (at_s.saturating_mul(SECOND_NS), east_s)),
        );
        let all = all.map(|(at, east_s)| {
            let east = i64::from(east_s) * SECOND_NS;
            assert!(east.abs() <= DAY_NS);
            (at, east)
        });
        Zone { changes: all.collect() }
    }

    /// Which change was the last one up to `at`.
    fn change(&self, at: i64) -> usize {
        self.changes.partition_point(|(from, _)| *from <= at).saturating_sub(1)
    }

    /// What the clocks show at `at`, in ns since 1970 as they count.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> i64 {
        let at = ns(at);
        at.saturating_add(self.changes[self.change(at)].1)
    }

    /// The first moment at which the clocks show `local`, in ns since 1970 as they count, or something later. Not before 1970 UTC.
    #[must_use]
    pub fn moment(&self, local: i64) -> Timestamp {
        let mut index = self.change(local.saturating_sub(FAR_NS));
        loop {
            let (from, east) = self.changes[index];
            let at = local.saturating_sub(east).max(from);
            match self.changes.get(index + 1) {
                Some((end, _)) if at >= *end => index += 1,
                _ => return Timestamp(u64::try_from(at).unwrap_or(0)),
            }
        }
    }
}

/// A local time that comes again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurring {
    /// One of the times, in ns since 1970 as the clocks count.
    pub first: i64,
    /// A day or a week, in ns; above zero.
    pub every_ns: i64,
    /// Whose clocks.
    pub zone: Zone,
}

impl Recurring {
    /// The last moment up to `at`; 0 if there was none since 1970.
    #[must_use]
    pub fn last(&self, at: Timestamp) -> Timestamp {
        self.zone.moment(self.last_local(at))
    }

    /// The first moment after `at`.
    #[must_use]
    pub fn after(&self, at: Timestamp) -> Timestamp {
        self.zone.moment(self.last_local(at) + self.every_ns)
    }

    /// The last of the local times that have come up to `at`.
    fn last_local(&self, at: Timestamp) -> i64 {
        let phase = self.first.rem_euclid(self.every_ns);
        let since = (self.zone.local(at) - phase).rem_euclid(self.every_ns);
        let mut local = self.zone.local(at) - since;
        // Clocks that were set back have shown later ones before.
        while self.zone.moment(local + self.every_ns) <= at {
            local += self.every_ns;
        }
        local
    }
}

fn ns(at: Timestamp) -> i64 {
    // Room for what is added to it.
    i64::try_from(at.0).unwrap_or(i64::MAX).min(i64::MAX - 16 * DAY_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_S: i64 = 3_600;

    /// An hour ahead from the second day on, back on the fourth.
    fn zone() -> Zone {
        Zone::changing(0, &[(34 * HOUR_S, 3_600), (82 * HOUR_S, 0)])
    }

    fn at(hours: i64, minutes: i64) -> Timestamp {
        Timestamp(((hours * 60 + minutes) * 60 * SECOND_NS).unsigned_abs())
    }

    fn local(hours: i64, minutes: i64) -> i64 {
        (hours * 60 + minutes) * 60 * SECOND_NS
    }

    #[test]
    fn each_local_time_has_one_moment() {
        for (hours, minutes, moment) in [
            (9, 0, at(9, 0)),
            (33, 59, at(33, 59)),
            // Jumped over.
            (34, 0, at(34, 0)),
            (34, 30, at(34, 0)),
            (35, 0, at(34, 0)),
            (35, 1, at(34, 1)),
            (82, 0, at(81, 0)),
            // Twice.
            (82, 30, at(81, 30)),
            (83, 0, at(83, 0)),
            (84, 0, at(84, 0)),
        ] {
            assert_eq!(zone().moment(local(hours, minutes)), moment, "{hours}:{minutes}");
        }
        assert_eq!(zone().moment(-1), Timestamp(0));
        assert_eq!(zone().local(at(34, 0)), local(35, 0));
        assert_eq!(zone().local(at(82, 0)), local(82, 0));
        let never = zone().moment(i64::MAX);
        assert!(never > at(1_000_000, 0));
    }

    /// Against a walk through all minutes: a moment begins where the clocks first show its local time or a later one.
    #[test]
    fn times_that_come_again_come_once_each() {
        for (east_s, changes) in [
            (0, vec![]),
            (-5 * 3_600, vec![]),
            (0, vec![(34 * HOUR_S, 3_600), (82 * HOUR_S, 0)]),
            (12 * 3_600, vec![(40 * HOUR_S, -12 * 3_600), (100 * HOUR_S, 12 * 3_600)]),
            (3_600, vec![(30 * HOUR_S, 0), (31 * HOUR_S, 3_600), (60 * HOUR_S, 1_800)]),
        ] {
            let zone = Zone::changing(east_s, &changes);
            for (first_minutes, every_hours) in [(0, 24), (34 * 60 + 30, 24), (90, 24), (5, 1)] {
                let (first, every_ns) = (local(0, first_minutes), local(every_hours, 0));
                let recurring = Recurring { first, every_ns, zone: zone.clone() };
                let mut last = Timestamp(0);
                let mut reached = zone.local(Timestamp(0));
                let mut minute = 1;
                while minute < 150 * 60 {
                    let now = at(0, minute);
                    // Which of them the clocks have shown, or something later.
                    let shows = zone.local(now);
                    let index = |at: i64| (at - first).div_euclid(every_ns);
                    if shows > reached {
                        if index(shows) > index(reached) {
                            last = now;
                        }
                        reached = shows;
                    }
                    assert_eq!(recurring.last(now), last, "{zone:?} {first_minutes} {minute}");
                    let next = recurring.after(now);
                    assert!(next > now);
                    assert!(recurring.last(Timestamp(next.0 - 1)) == last, "{zone:?} {minute}");
                    assert_eq!(recurring.last(next), next);
                    minute += 1;
                }
            }
        }
    }
}
