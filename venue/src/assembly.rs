//! A venue put together, without a thread: `run.rs` puts it on threads, a simulation steps it by hand.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use feed::glimpse::Standing;
use gateway::acceptor::{
    Acceptor, AcceptorConfig, Credentials, LastConnection, OuchSetup, SessionSetup,
};
use gateway::fix::{Conduct, Identity, Profile, UnknownTags, Version};
use gateway::network::Network;
use gateway::order_entry::Copy;
use journal::{Log, Opened, Preparer, Recovery, Syncer};
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, MassCancelScope, MsgSeqNum, Numbering, Sequence, SessionId, Timestamp};

use crate::clock::Clock;
use crate::config::{Config, SessionConfig};
use crate::core::{Core, Space, Turned};
use crate::feed_thread::{FeedLoop, FeedParts, Multicast};
use crate::gateway_thread::GatewayLoop;
use crate::glimpse_thread::GlimpseLoop;
use crate::market_data_thread::market_data;
pub use crate::market_data_thread::{MarketDataLoop, Round};
use crate::operator::Action;
use crate::recovery::{Folds, Names, definitions, follow, recover};
use crate::release::Release;
use crate::ring::{Requests, ring};
use crate::run::StartError;
use crate::schedule::{Schedule, Since};
use crate::snapshots::{Keeper, Refused};

/// Requests of one ring before the next has its turn.
pub(crate) const TURNS_A_ROUND: usize = 256;

/// How far the journal may be ahead of the clock at a start: what a small step of the clock makes.
const CLOCK_AHEAD_S_MAX: u64 = 5;

/// What a venue has from outside.
pub struct Outside<N: Network> {
    /// The time of the core and of the schedule.
    pub clock: Clock,
    /// The time of the timers of gateway and feed.
    pub border_clock: Clock,
    /// Where FIX and OUCH are spoken.
    pub fix: N,
    /// Where ITCH over SoupBinTCP is spoken, if it or a request server is.
    pub feed: Option<N>,
    /// Where requests of MoldUDP64 are answered, if they are; it does not block.
    pub requests: Option<UdpSocket>,
    /// Where GLIMPSE is spoken, if it is.
    pub glimpse: Option<N>,
    /// FIX connections at once.
    pub connections_max: usize,
    /// Cells of the gateway's ring: a longest request takes 8.
    pub gateway_cells: usize,
    /// Cells of the venue's own rings.
    pub venue_cells: usize,
    /// Bytes and messages that the feed keeps encoded.
    pub feed_window: (usize, usize),
    /// Whoever knows the sessions' secrets.
    pub credentials: Box<dyn Credentials + Send>,
    /// When a day ended last, instead of what the journal says: to see that somebody notices.
    pub day_ended: Option<Timestamp>,
}

/// The parts of a venue that has recovered and not yet begun.
pub struct Assembly<N: Network> {
    /// The loops.
    pub joined: Joined<N>,
    /// Copies the journal to disk.
    pub syncer: Syncer,
    /// Makes segments ahead.
    pub preparer: Preparer,
    /// The journal, to follow.
    pub log: Log,
    /// The gate in front of what leaves.
    pub release: Release,
    /// What the journal held.
    pub recovery: Recovery,
    /// The last turn in the snapshot that the rest was replayed from, if there was one.
    pub from_snapshot: Option<Sequence>,
    /// Newer snapshots that could not be used.
    pub refused: Vec<Refused>,
    /// Makes snapshots.
    pub keeper: Keeper,
    /// The last Sequence, definitions included.
    pub last: Sequence,
    /// Market data over FIX, if a session may have it.
    pub market_data: Option<MarketDataLoop>,
    /// Snapshots of the feed, if anybody may have them.
    pub(crate) glimpse: Option<GlimpseLoop<N>>,
    /// Takes the venue's own commands.
    pub operator: Operator,
    /// Who and what is defined.
    pub names: Names,
    /// What the disk has left.
    pub space: Arc<Space>,
}

/// Gateway, core, feed and schedule, in turn: [`Joined::take`], [`Joined::turns`], [`Joined::tell`].
pub struct Joined<N: Network> {
    pub(crate) core: Core,
    pub(crate) gateway: GatewayLoop<N>,
    /// Until it has a thread of its own.
    pub(crate) feed: Option<FeedLoop<N>>,
    pub(crate) multicast: Option<Multicast>,
    pub(crate) schedule: Schedule,
}

/// What [`Joined::tell`] found to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldOf {
    /// Sessions.
    pub sessions: bool,
    /// The feed's subscribers, or whoever hears the multicast.
    pub subscribers: bool,
}

/// The way in of the venue's own commands.
pub struct Operator {
    ring: Requests,
}

impl Operator {
    /// Submits a command of the venue itself: a halt, the end of the day. `false`: the ring is full. If
    /// the disk is full and the command may need more than what is left, it waits: [`Space`].
    pub fn submit(&mut self, command: &Command) -> bool {
        self.ring.push(SessionId::VENUE, MsgSeqNum::NONE, command, &[])
    }

    /// Notes in the journal what an operator does. `false`: the ring is full.
    pub fn note(&mut self, action: &Action) -> bool {
        let command = Command::Note(Numbering::InboundOnly);
        self.ring.push(SessionId::VENUE, MsgSeqNum::NONE, &command, &action.encode())
    }
}

impl<N: Network> Assembly<N> {
    /// Replays the journal that was opened, adds what the configuration adds, and puts the parts
    /// together.
    ///
    /// # Errors
    ///
    /// If the journal cannot be gone on from, or the kernel refuses a socket.
    pub fn new(
        config: &Config,
        opened: Opened,
        outside: Outside<N>,
    ) -> Result<Assembly<N>, StartError> {
        let Opened { writer, syncer, preparer, log, snapshots, recovery, retirer } = opened;
        let (clock, orders_max) = (outside.clock.clone(), config.fix.orders_per_session_max);
        let recovered = recover(&log, &snapshots, orders_max).map_err(StartError::Recovery)?;
        let (from_snapshot, refused) = (recovered.from_snapshot, recovered.refused);
        let (_, last_time) = recovered.last;
        let ahead_s = last_time.0.saturating_sub(clock.now().0) / 1_000_000_000;
        if ahead_s > CLOCK_AHEAD_S_MAX {
            return Err(StartError::ClockBehind { ahead_s });
        }
        let commands = definitions(config, &recovered.engine, &recovered.folds, clock.now())
            .map_err(StartError::Recovery)?;
        let release = Release::new(log.clone(), config.durability);

        let (gateway_ring, gateway_taken) = ring(outside.gateway_cells);
        let (operator_ring, operator_taken) = ring(outside.venue_cells);
        let (mut schedule_ring, schedule_taken) = ring(outside.venue_cells);
        // The venue's own first: what a restart cancels is canceled before the first order is taken.
        let rings = vec![schedule_taken, operator_taken, gateway_taken];
        let space = Arc::new(Space::default());
        let last = recovered.last;
        let core = Core::new(recovered.engine, writer, rings, last);
        let mut core = core.with_space(Arc::clone(&space)).with_clock(clock.clone());
        let mut folds = recovered.folds;

        for (command, attachment) in commands {
            schedule_ring.push(SessionId::VENUE, MsgSeqNum::NONE, &command, &attachment);
            core.turns(1);
        }
        // Who gets copies for the first time gets those of what comes from here on.
        for (id, _) in (1..).map(SessionId).zip(&config.sessions).filter(|(id, session)| {
            session.drop_copy.is_some() && folds.entry.copied_to(*id).is_none()
        }) {
            let mut attachment = [0; ATTACHMENT_BYTES_MAX];
            let len = Copy::Begin.encode(&mut attachment);
            let begin = Command::Note(Numbering::InboundOnly);
            schedule_ring.push(id, MsgSeqNum::NONE, &begin, &attachment[..len]);
            core.turns(1);
        }
        // No connection outlives the process: a restart is a disconnect. These turns may be long, so they
        // wait in the ring until the preparer runs beside the core.
        // Who has a grace has it from now on.
        for (id, session) in (1..).map(SessionId).zip(&config.sessions) {
            let rules = session.cancel.with(last_of(&folds, id).terms);
            if is_lost(&core, &folds, id, session) && rules.grace_ns == 0 {
                let cancel = Command::MassCancel(MassCancelScope::Session);
                schedule_ring.push(id, MsgSeqNum::NONE, &cancel, &[]);
            }
        }
        let end = follow(&log, recovered.end, log.committed(), &mut folds)
            .map_err(StartError::Recovery)?;
        // A day that ended while the venue was down ends now; so it is with a phase that began.
        let began = folds.names.began.unwrap_or_else(|| clock.now());
        let since = Since {
            day: outside.day_ended.or(folds.names.expired).unwrap_or(began),
            phases: if last.0 == Sequence(0) { clock.now() } else { last.1 },
        };
        let schedule = Schedule::new(
            &config.schedule,
            &since,
            &folds.in_force.phases,
            (clock, Arc::clone(&space)),
            schedule_ring,
        );

        let fix = AcceptorConfig {
            connections_max: outside.connections_max,
            before_logon_max: config.fix.connections_before_logon,
            of_network_max: config.fix.connections_per_address,
            lockout: config.fix.lockout,
            out_buffer_bytes: config.fix.out_buffer_bytes,
            slow_peer_ns: u64::from(config.fix.slow_peer_s) * 1_000_000_000,
            logon_timeout_ns: u64::from(config.fix.logon_timeout_s) * 1_000_000_000,
        };
        let setups = setups(config, &core, &folds, outside.border_clock.now());
        // A snapshot has the instruments as they were defined.
        for (id, instrument) in core.engine().instruments() {
            folds.entry.set_phase(id, instrument.phase);
        }
        folds.entry.set_day_end(config.schedule.date_end.clone());
        let acceptor = Acceptor::new(outside.fix, fix, setups, folds.entry)
            .with_credentials(outside.credentials);
        let (acceptor, market_data) = if config.sessions.iter().any(|it| it.rights.market_data) {
            let pace = Duration::from_millis(config.fix.market_data_ms.into());
            let (link, read) = market_data(core.engine(), &log, end, release.clone(), pace);
            (acceptor.with_market_data(Box::new(link)), Some(read))
        } else {
            (acceptor, None)
        };
        let gateway = GatewayLoop::new(
            acceptor,
            outside.border_clock.clone(),
            (gateway_ring, Arc::clone(&space)),
            &log,
            end,
            release.clone(),
            folds.outbound,
        );
        let multicast = match &config.mold {
            Some(mold) => {
                let time = (outside.border_clock.clone(), began);
                let publisher = folds.feed.publisher();
                let multicast = Multicast::new(mold, time, (&log, end, release.clone()), publisher);
                let refused =
                    |error| StartError::Kernel { what: "the sockets of the multicast", error };
                Some(multicast.map_err(refused)?)
            }
            None => None,
        };
        let glimpse = config.glimpse.clone().zip(outside.glimpse).map(|(config, network)| {
            let (publisher, next) = folds.feed.publisher();
            let time = (outside.clock.now(), folds.names.expired);
            let standing = Standing::of(core.engine(), next - 1, time);
            let (time, read) =
                ((outside.border_clock.clone(), began), (&log, end, release.clone()));
            GlimpseLoop::new(config, network, time, read, (standing, publisher))
        });
        let feed = outside.feed.map(|network| {
            let parts = FeedParts {
                clock: outside.border_clock,
                began,
                log: &log,
                from: end,
                release: release.clone(),
                index: folds.feed,
                window: outside.feed_window,
                requests: outside.requests,
            };
            FeedLoop::new(config, network, parts)
        });
        let keeper = Keeper::new(
            &log,
            (&snapshots, config.snapshots),
            (retirer, config.retention.clone()),
            orders_max,
        );
        Ok(Assembly {
            last: core.sequence(),
            from_snapshot,
            refused,
            keeper,
            market_data,
            glimpse,
            joined: Joined { core, gateway, feed, multicast, schedule },
            syncer,
            preparer,
            log,
            release,
            recovery,
            operator: Operator { ring: operator_ring },
            names: folds.names,
            space,
        })
    }
}

impl<N: Network> Joined<N> {
    /// The core, to look at.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// FIX connections at present.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.gateway.acceptor().connections()
    }

    /// Messages of the feed so far.
    #[must_use]
    pub fn feed_messages(&self) -> u64 {
        self.feed.as_ref().map_or(0, FeedLoop::messages)
    }

    /// Whether there is nothing to do before a socket, a timer or the release cursor moves.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.core.is_idle()
            && self.gateway.is_idle()
            && self.feed.as_ref().is_none_or(FeedLoop::is_idle)
            && self.multicast.as_ref().is_none_or(Multicast::is_idle)
    }

    /// Whether something waits that no socket and no release says: looked at again soon.
    #[must_use]
    pub(crate) fn holds_orders(&self) -> bool {
        self.gateway.holds_orders()
    }

    /// How long nothing will be due by the clock, at most `most`.
    pub fn timeout(&mut self, most: Duration) -> Duration {
        let feed = self.feed.as_ref().map_or(most, FeedLoop::timeout);
        let multicast = self.multicast.as_ref().map_or(most, Multicast::timeout);
        let gateway = self.gateway.timeout().unwrap_or(most);
        gateway.min(feed).min(multicast).min(self.schedule.wait(&mut self.core)).min(most)
    }

    /// Sockets → ring. Waits for sockets at most `timeout`. Says whether something went into the ring.
    ///
    /// # Errors
    ///
    /// If the kernel's poll fails.
    pub fn take(&mut self, timeout: Option<Duration>) -> Result<bool, String> {
        self.gateway.take_before_core(timeout).map_err(|error| format!("poll failed: {error}"))
    }

    /// Schedule and rings → journal.
    pub fn turns(&mut self) -> Turned {
        self.schedule.check(&mut self.core);
        self.core.turns(TURNS_A_ROUND)
    }

    /// Journal → sockets, as far as the release cursor.
    ///
    /// # Errors
    ///
    /// If the journal cannot be followed, or the kernel's poll fails.
    pub fn tell(&mut self) -> Result<ToldOf, String> {
        let sessions = self.gateway.tell().map_err(|error| error.to_string())?;
        let mut subscribers = false;
        if let Some(multicast) = &mut self.multicast {
            subscribers = multicast.publish().map_err(|error| error.to_string())?;
            multicast.tick();
        }
        if let Some(feed) = &mut self.feed {
            let polled = feed.poll(Some(Duration::ZERO));
            polled.map_err(|error| format!("poll failed: {error}"))?;
            subscribers |= feed.publish().map_err(|error| error.to_string())?;
        }
        Ok(ToldOf { sessions, subscribers })
    }

    /// Lines for the log since this was asked last.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.gateway.take_notices()
    }

    /// Tells every session that the venue stops.
    pub fn stop(&mut self) {
        self.gateway.stop();
    }

    /// Tells the feed's subscribers that it is over.
    pub fn end(&mut self) {
        if let Some(multicast) = &mut self.multicast {
            multicast.end();
        }
        if let Some(feed) = &mut self.feed {
            feed.end();
        }
    }
}

/// What the last connection of a session was, as far as that is anything.
fn last_of(folds: &Folds, id: SessionId) -> LastConnection {
    folds.in_force.connections.get(&id).copied().unwrap_or_default()
}

/// Whether the start of the venue is a lost connection that its orders are canceled for.
fn is_lost(core: &Core, folds: &Folds, id: SessionId, session: &SessionConfig) -> bool {
    let last = last_of(folds, id);
    let rules = session.cancel.with(last.terms);
    let counts = rules.on_disconnect && (rules.on_logout || !last.logged_out);
    counts && core.engine().session_has_orders(id)
}

fn setups(config: &Config, core: &Core, folds: &Folds, began: Timestamp) -> Vec<SessionSetup> {
    let mut setups = Vec::new();
    for (id, session) in (1..).map(SessionId).zip(&config.sessions) {
        let Some(state) = core.engine().session(id) else { continue };
        // Both names were checked with the configuration.
        let (ours, theirs) = (config.name.as_bytes(), session.comp_id.as_bytes());
        let Some(identity) = Identity::new(Version::Fix44, ours, theirs) else { continue };
        setups.push(SessionSetup {
            id,
            profile: Profile {
                identity,
                versions: session.versions,
                // Whoever knows the secrets is asked before a session hears of a Logon.
                username: None,
                password: None,
                heartbeat_s_min: config.fix.heartbeat_s_min,
                heartbeat_s_max: config.fix.heartbeat_s_max,
                latency_s_max: config.fix.latency_s_max,
                unknown_tags: if config.fix.reject_unknown_tags {
                    UnknownTags::Reject
                } else {
                    UnknownTags::Ignore
                },
                resets: session.resets.clone(),
                conduct: if session.conformance { Conduct::Conformance } else { Conduct::Venue },
            },
            last_inbound: state.last_inbound,
            last_outbound: state.last_outbound,
            cancel: session.cancel,
            last: last_of(folds, id),
            is_lost: is_lost(core, folds, id, session) && session.cancel.grace_ns > 0,
            began,
            takeover: session.takeover,
            addresses: session.addresses.clone(),
            rights: session.rights.clone(),
            rate: session.rate,
            drop_copy: session.drop_copy.clone(),
            ouch: session.ouch_firm.map(|firm| {
                let username = session.credentials.username.clone().unwrap_or_default();
                OuchSetup { username: username.into_bytes(), firm }
            }),
        });
    }
    setups
}
