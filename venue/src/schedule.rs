//! What the venue does by the clock: phases, the end of the day, of volatility auctions and of orders,
//! indicative prices. Each is an Input like any other, so that a replay needs no clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gateway::zone::Recurring;
use matcher::{Command, InstrumentId, MsgSeqNum, Phase, SessionId, Timestamp};

use crate::clock::Clock;
use crate::config::ScheduleConfig;
use crate::core::{Core, Space};
use crate::ring::Requests;

const SECOND_NS: u64 = 1_000_000_000;

/// After the last Timestamp there is.
const NEVER: Timestamp = Timestamp(u64::MAX);

/// How long the expiry of orders may take before it is asked for again: the clock may have gone back.
const EXPIRY_RETRY_NS: u64 = SECOND_NS;

/// How long to wait for a ring that was full.
const RING_RETRY: Duration = Duration::from_millis(5);

/// What is due, and when the next is.
pub(crate) struct Schedule {
    ring: Requests,
    space: Arc<Space>,
    clock: Clock,
    config: ScheduleConfig,
    standing: Vec<Standing>,
    day_ends: Option<Recurring>,
    day_end: Timestamp,
    /// When each of `config.phases` begins, and begins next.
    phases_at: Vec<Recurring>,
    begins: Vec<Timestamp>,
    indicative: Timestamp,
    expiry_asked: Option<(Timestamp, Timestamp)>,
    /// What is due and did not go into the ring yet.
    due: VecDeque<Command>,
    next: Timestamp,
}

/// The phase of an instrument.
#[derive(Clone, Copy)]
struct Standing {
    phase: Phase,
    since: Timestamp,
    /// The end of its volatility auction was asked for.
    ending: bool,
}

/// From when on a schedule goes on.
pub(crate) struct Since {
    /// When day orders expired last, or the journal began.
    pub day: Timestamp,
    /// The last turn of the journal before this start. A phase that began after it begins now.
    pub phases: Timestamp,
}

impl Schedule {
    pub(crate) fn new(
        config: &ScheduleConfig,
        since: &Since,
        phases: &[(Phase, Timestamp)],
        (clock, space): (Clock, Arc<Space>),
        ring: Requests,
    ) -> Schedule {
        let standing = |(phase, since): &(Phase, Timestamp)| Standing {
            phase: *phase,
            since: *since,
            ending: false,
        };
        let phases_at: Vec<Recurring> =
            config.phases.iter().map(|entry| config.daily(entry.at_s)).collect();
        let begins = phases_at.iter().map(|at| at.after(since.phases)).collect();
        let day_ends = config.day_end_s.map(|at_s| config.daily(at_s));
        let mut schedule = Schedule {
            ring,
            space,
            clock,
            standing: phases.iter().map(standing).collect(),
            day_end: day_ends.as_ref().map_or(NEVER, |at| at.after(since.day)),
            day_ends,
            begins,
            phases_at,
            indicative: NEVER,
            expiry_asked: None,
            due: VecDeque::new(),
            next: NEVER,
            config: config.clone(),
        };
        schedule.plan_indicative();
        schedule.plan();
        schedule
    }

    /// Submits what is due; says whether there was anything.
    pub(crate) fn check(&mut self, core: &mut Core) -> bool {
        self.learn(core);
        let expiry = self.expiry(core);
        if self.next.min(expiry) == NEVER && self.due.is_empty() {
            return false;
        }
        let now = self.clock.now();
        if expiry <= now {
            self.expiry_asked = core.engine().next_expiry().map(|at| (at, now));
            self.due.push_back(Command::Expire);
        }
        if self.next <= now {
            self.collect(now);
            self.plan();
        }
        self.submit()
    }

    /// How long nothing will be due.
    pub(crate) fn wait(&mut self, core: &mut Core) -> Duration {
        self.learn(core);
        if !self.due.is_empty() {
            return RING_RETRY;
        }
        match self.next.min(self.expiry(core)) {
            NEVER => Duration::MAX,
            at => self.clock.until(at),
        }
    }

    /// When orders expire next, or are asked for again.
    fn expiry(&self, core: &Core) -> Timestamp {
        match (core.engine().next_expiry(), self.expiry_asked) {
            (None, _) => NEVER,
            (Some(at), Some((asked, when))) if asked == at => {
                Timestamp(when.0.saturating_add(EXPIRY_RETRY_NS))
            }
            (Some(at), _) => at,
        }
    }

    /// Follows the phases: the operator and the price bands change them too.
    fn learn(&mut self, core: &mut Core) {
        if core.phase_changes().is_empty() {
            return;
        }
        for (id, phase, since) in core.phase_changes().drain(..) {
            if let Some(standing) = self.standing.get_mut(id.index()) {
                *standing = Standing { phase, since, ending: false };
            }
        }
        self.plan_indicative();
        self.plan();
    }

    fn plan_indicative(&mut self) {
        let interval_ns = u64::from(self.config.indicative_interval_ms) * 1_000_000;
        let called = self.standing.iter().filter(|standing| standing.phase.is_call());
        match called.map(|standing| standing.since).min() {
            Some(since) if interval_ns > 0 => {
                let first = Timestamp(since.0.saturating_add(interval_ns));
                self.indicative = if self.indicative == NEVER { first } else { self.indicative };
            }
            _ => self.indicative = NEVER,
        }
    }

    fn plan(&mut self) {
        let auctions = self.standing.iter().map(|standing| self.volatility_end(standing));
        let begins = self.begins.iter().copied();
        let other = [self.day_end, self.indicative];
        self.next = auctions.chain(begins).chain(other).min().unwrap_or(NEVER);
    }

    fn volatility_end(&self, standing: &Standing) -> Timestamp {
        let lasts_ns = u64::from(self.config.volatility_auction_s) * SECOND_NS;
        if standing.phase != Phase::VolatilityAuction || standing.ending || lasts_ns == 0 {
            return NEVER;
        }
        Timestamp(standing.since.0.saturating_add(lasts_ns))
    }

    /// Puts what is due at `now` into the queue: phases, then the end of the day, then indicative prices.
    fn collect(&mut self, now: Timestamp) {
        for (id, phase) in self.phases_due(now) {
            let standing = &mut self.standing[id.index()];
            standing.ending = true;
            self.due.push_back(Command::SetPhase { instrument: id, phase });
        }
        if self.day_end <= now {
            self.due.push_back(Command::ExpireDay);
            self.day_end = self.day_ends.as_ref().map_or(NEVER, |at| at.after(now));
        }
        if self.indicative <= now {
            let interval_ns = u64::from(self.config.indicative_interval_ms) * 1_000_000;
            self.indicative = Timestamp(now.0.saturating_add(interval_ns));
            // A venue that is behind publishes less often, one with a full disk nothing.
            if self.due.is_empty() && !self.space.is_full() {
                for (instrument, standing) in (0..).map(InstrumentId).zip(&self.standing) {
                    if standing.phase.is_call() && !standing.ending {
                        self.due.push_back(Command::PublishIndicative { instrument });
                    }
                }
            }
        }
    }

    /// The phase that each instrument should be in now and is not. Of several that began meanwhile the last
    /// one counts. A halt is the operator's: the schedule neither ends nor repeats it.
    fn phases_due(&mut self, now: Timestamp) -> BTreeMap<InstrumentId, Phase> {
        let mut began: Vec<(Timestamp, u32, usize)> = Vec::new();
        for (index, at) in self.phases_at.iter().enumerate() {
            if self.begins[index] <= now {
                self.begins[index] = at.after(now);
                // Where clocks jump, phases of different times begin at once.
                began.push((at.last(now), self.config.phases[index].at_s, index));
            }
        }
        began.sort_unstable();
        let mut phases: BTreeMap<InstrumentId, Phase> = BTreeMap::new();
        for (id, standing) in (0..).map(InstrumentId).zip(&self.standing) {
            if self.volatility_end(standing) <= now {
                phases.insert(id, Phase::Continuous);
            }
            for (_, _, index) in &began {
                let entry = &self.config.phases[*index];
                if entry.concerns(id) {
                    phases.insert(id, entry.phase);
                }
            }
            if standing.phase == Phase::Halt || phases.get(&id) == Some(&standing.phase) {
                phases.remove(&id);
            }
        }
        phases
    }

    fn submit(&mut self) -> bool {
        let mut submitted = false;
        while let Some(command) = self.due.front() {
            if !self.ring.push(SessionId::VENUE, MsgSeqNum::NONE, command, &[]) {
                break;
            }
            submitted = true;
            self.due.pop_front();
        }
        submitted
    }
}

impl ScheduleConfig {
    /// The phase of the day at `now`, for an instrument that is new.
    pub(crate) fn phase_at(&self, id: InstrumentId, now: Timestamp) -> Phase {
        self.phases
            .iter()
            .filter(|entry| entry.concerns(id))
            .max_by_key(|entry| (self.daily(entry.at_s).last(now), entry.at_s))
            .map_or(Phase::Continuous, |entry| entry.phase)
    }
}
