//! A venue put together, without a thread: `run.rs` puts it on threads, a simulation steps it by hand.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use feed::glimpse::Standing;
use gateway::acceptor::{
    Acceptor, AcceptorConfig, Credentials, LastConnection, OuchSetup, SessionSetup,
};
use gateway::fix::{Conduct, Identity, Profile, UnknownTags, Version};
use gateway::network::Network;
use gateway::order_entry::{Copy, OrderEntry};
use journal::{Log, Opened, Position, Preparer, Recovery, Retirer, Snapshots, Syncer};
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Command, Event, MassCancelScope, MsgSeqNum, Numbering, Relay, Sequence, SessionId, Timestamp,
};

use crate::clock::Clock;
use crate::config::{Config, SessionConfig};
use crate::core::{Core, Space, Turned};
use crate::feed_thread::{FeedIndex, FeedLoop, FeedParts, Multicast};
use crate::gateway_thread::{GatewayLoop, ShardParts};
use crate::glimpse_thread::GlimpseLoop;
use crate::lanes::Way;
use crate::market_data_thread::market_data;
pub use crate::market_data_thread::{MarketDataLoop, Round};
use crate::operator::Action;
use crate::outbound::Outbound;
use crate::recovery::{Definition, Folds, Names, RecoveryError, definitions, follow, recover};
use crate::release::Release;
use crate::replay::ReplayError;
use crate::ring::{CELLS_MAX, Requests, ring};
use crate::run::StartError;
use crate::schedule::{Schedule, Since};
use crate::snapshots::{Keeper, Refused};
use crate::turns::{Cutter, Follower, TurnHead};

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
    /// The shards beside home.
    pub shards: Vec<ShardOutside<N>>,
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
    /// Shards beside home.
    pub shards: Vec<ShardAssembly<N>>,
    /// Lines for the log.
    pub notices: Vec<String>,
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

/// A journal that is recovered, and its core.
struct Begun {
    config: Config,
    /// What the configuration adds.
    commands: Vec<Definition>,
    /// From 1; 0 is home.
    shard: usize,
    core: Core,
    /// To gateway and schedule, and to the venue.
    gateway_ring: Requests,
    schedule_ring: Requests,
    operator_ring: Requests,
    space: Arc<Space>,
    folds: Folds,
    /// How far the journal was when it was opened.
    recovered_to: Position,
    /// How far `folds` have followed.
    end: Position,
    last: (Sequence, Timestamp),
    log: Log,
    release: Release,
    snapshots: Snapshots,
    retirer: Retirer,
    syncer: Syncer,
    preparer: Preparer,
    recovery: Recovery,
    from_snapshot: Option<Sequence>,
    refused: Vec<Refused>,
}

impl Begun {
    /// Replays the journal that was opened. Nothing is added to it yet.
    fn new(
        (config, shard): (Config, usize),
        opened: Opened,
        clock: &Clock,
        (gateway_cells, venue_cells): (usize, usize),
        is_one_of_many: bool,
    ) -> Result<Begun, StartError> {
        let Opened { writer, syncer, preparer, log, snapshots, recovery, retirer } = opened;
        let orders_max = config.fix.orders_per_session_max;
        let recovered = recover(&log, &snapshots, orders_max).map_err(StartError::Recovery)?;
        let (from_snapshot, refused) = (recovered.from_snapshot, recovered.refused);
        let (_, last_time) = recovered.last;
        let ahead_s = last_time.0.saturating_sub(clock.now().0) / 1_000_000_000;
        if ahead_s > CLOCK_AHEAD_S_MAX {
            return Err(StartError::ClockBehind { ahead_s });
        }
        let commands = definitions(&config, &recovered.engine, &recovered.folds, clock.now())
            .map_err(StartError::Recovery)?;
        let release = Release::new(log.clone(), config.durability);

        let (gateway_ring, gateway_taken) = ring(gateway_cells);
        let (operator_ring, operator_taken) = ring(venue_cells);
        // A restart may have a mass cancel for each session, before anybody takes from it.
        let (schedule_ring, schedule_taken) =
            ring(venue_cells.max(CELLS_MAX + config.sessions.len()));
        // The venue's own first: what a restart cancels is canceled before the first order is taken.
        let rings = vec![schedule_taken, operator_taken, gateway_taken];
        let space = Arc::new(Space::default());
        let last = recovered.last;
        let before = match last.0 {
            Sequence(0) => (Sequence::before_shard(u8::try_from(shard).unwrap_or(u8::MAX)), last.1),
            _ => last,
        };
        let core = Core::new(recovered.engine, writer, rings, before);
        let core = core.with_space(Arc::clone(&space)).with_clock(clock.clone());
        let core = if is_one_of_many { core.with_others() } else { core };
        Ok(Begun {
            commands,
            config,
            shard,
            core,
            gateway_ring,
            schedule_ring,
            operator_ring,
            space,
            folds: recovered.folds,
            recovered_to: recovered.end,
            end: recovered.end,
            last,
            log,
            release,
            snapshots,
            retirer,
            syncer,
            preparer,
            recovery,
            from_snapshot,
            refused,
        })
    }

    /// Adds what the configuration adds. The folds do not follow that yet.
    fn define(&mut self) {
        for (command, attachment) in std::mem::take(&mut self.commands) {
            self.schedule_ring.push(SessionId::VENUE, MsgSeqNum::NONE, &command, &attachment);
            self.core.turns(1);
        }
    }

    /// Uses up the numbers of messages that were told and are lost: what comes next is told under others. A line for the
    /// log, if there are any.
    fn give_up(&mut self, lost: Lost) -> Option<String> {
        let messages: u32 = lost.iter().map(|(_, count)| count).sum();
        for (session, count) in lost {
            for _ in 0..count {
                let note = Command::Note(Numbering::Next);
                self.schedule_ring.push(session, MsgSeqNum::NONE, &note, &[]);
                self.core.turns(1);
            }
        }
        (messages > 0).then(|| {
            format!(
                "shard {} has lost its end with the machine, {messages} messages that were told: they are not told again",
                self.shard
            )
        })
    }

    /// Lets the folds follow what was added.
    fn follow(&mut self) -> Result<(), StartError> {
        let (from, to) = (self.end, self.log.committed());
        self.end = follow(&self.log, from, to, &mut self.folds).map_err(StartError::Recovery)?;
        // A snapshot has the instruments as they were defined.
        for (id, instrument) in self.core.engine().instruments() {
            self.folds.entry.set_phase(id, instrument.phase);
        }
        self.folds.entry.set_day_end(self.config.schedule.date_end.clone());
        Ok(())
    }

    /// Cancels the orders of those whose connections are lost. These turns may be long, so they wait in the ring until the
    /// preparer runs beside the core. Returns whose.
    fn cancel_lost(&mut self, lost: &[SessionId]) -> Vec<SessionId> {
        let has_orders = |id: &&SessionId| self.core.engine().session_has_orders(**id);
        let canceled: Vec<SessionId> = lost.iter().filter(has_orders).copied().collect();
        for id in &canceled {
            let cancel = Command::MassCancel(MassCancelScope::Session);
            let pushed = self.schedule_ring.push(*id, MsgSeqNum::NONE, &cancel, &[]);
            assert!(pushed, "the ring has a cell for each session");
        }
        canceled
    }

    /// When the journal began; that names its feed. No two shards have the same: each is as many seconds later as
    /// its number says, and began no earlier than those before it.
    fn feed_began(&self, clock: &Clock) -> Timestamp {
        let began = self.folds.names.began.unwrap_or_else(|| clock.now());
        Timestamp(began.0 + self.shard as u64 * 1_000_000_000)
    }
}

/// What a shard publishes to.
pub struct FeedOutside<N: Network> {
    /// Where ITCH over SoupBinTCP is spoken, if it or a request server is.
    pub feed: Option<N>,
    /// Where requests of MoldUDP64 are answered, if they are; it does not block.
    pub requests: Option<UdpSocket>,
    /// Where GLIMPSE is spoken, if it is.
    pub glimpse: Option<N>,
}

/// What a shard beside home has from outside.
pub struct ShardOutside<N: Network> {
    /// Its journal, opened.
    pub opened: Opened,
    /// Its feed.
    pub feed: FeedOutside<N>,
}

/// A shard beside home that has recovered and not yet begun.
pub struct ShardAssembly<N: Network> {
    pub(crate) parts: Parts,
    pub(crate) published: Published<N>,
}

/// A journal that has recovered, its core, and what looks after it.
pub(crate) struct Parts {
    pub(crate) core: Core,
    pub(crate) schedule: Schedule,
    pub(crate) syncer: Syncer,
    pub(crate) preparer: Preparer,
    pub(crate) log: Log,
    pub(crate) release: Release,
    pub(crate) recovery: Recovery,
    pub(crate) from_snapshot: Option<Sequence>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) keeper: Keeper,
    pub(crate) last: Sequence,
    pub(crate) operator: Operator,
    pub(crate) names: Names,
    pub(crate) space: Arc<Space>,
}

/// The loops of a feed.
pub(crate) struct Published<N: Network> {
    pub(crate) feed: Option<FeedLoop<N>>,
    pub(crate) multicast: Option<Multicast>,
    pub(crate) glimpse: Option<GlimpseLoop<N>>,
    /// What names it.
    pub(crate) began: Timestamp,
}

/// How long the feed's window is, and the clocks of its timers and of its times.
struct FeedTimes<'a> {
    window: (usize, usize),
    border_clock: &'a Clock,
    clock: &'a Clock,
}

impl Begun {
    /// The loops that publish what is traded.
    fn publish<N: Network>(
        &self,
        outside: FeedOutside<N>,
        index: FeedIndex,
        times: &FeedTimes<'_>,
    ) -> Result<Published<N>, StartError> {
        let Begun { config, log, release, end, .. } = self;
        let began = self.feed_began(times.clock);
        let border_clock = || times.border_clock.clone();
        let multicast = match &config.mold {
            Some(mold) => {
                let publisher = index.publisher();
                let (time, read) = ((border_clock(), began), (log, *end, release.clone()));
                let multicast = Multicast::new(mold, time, read, publisher);
                let refused =
                    |error| StartError::Kernel { what: "the sockets of the multicast", error };
                Some(multicast.map_err(refused)?)
            }
            None => None,
        };
        let glimpse = config.glimpse.clone().zip(outside.glimpse).map(|(config, network)| {
            let (publisher, next) = index.publisher();
            let time = (times.clock.now(), self.folds.names.expired);
            let standing = Standing::of(self.core.engine(), next - 1, time);
            let (time, read) = ((border_clock(), began), (log, *end, release.clone()));
            GlimpseLoop::new(config, network, time, read, (standing, publisher))
        });
        let feed = outside.feed.map(|network| {
            let parts = FeedParts {
                clock: border_clock(),
                began,
                log,
                from: *end,
                release: release.clone(),
                index,
                window: times.window,
                requests: outside.requests,
            };
            FeedLoop::new(config, network, parts)
        });
        Ok(Published { feed, multicast, glimpse, began })
    }

    /// Up to when what is done by the clock was done. A day that ended while the venue was down ends now; so it is with
    /// a phase that began.
    fn since(&self, day_ended: Option<Timestamp>, clock: &Clock) -> Since {
        let names = &self.folds.names;
        let began = names.began.unwrap_or_else(|| clock.now());
        Since {
            day: day_ended.or(names.expired).unwrap_or(began),
            phases: if self.last.0 == Sequence(0) { clock.now() } else { self.last.1 },
        }
    }

    /// What runs beside the gateway: the core, what it does by the clock, and what looks after its journal. And the gateway's
    /// parts: its ring, where messages are, and the orders.
    fn into_parts(self, since: &Since, clock: &Clock) -> (Parts, GatewayParts) {
        let Begun { config, core, schedule_ring, space, folds, log, snapshots, retirer, .. } = self;
        let time = (clock.clone(), Arc::clone(&space));
        let phases = &folds.in_force.phases;
        let schedule = Schedule::new(&config.schedule, since, phases, time, schedule_ring);
        let keeper = Keeper::new(
            &log,
            (&snapshots, config.snapshots),
            (retirer, config.retention.clone()),
            config.fix.orders_per_session_max,
        );
        let gateway = GatewayParts {
            ring: self.gateway_ring,
            space: Arc::clone(&space),
            log: log.clone(),
            release: self.release.clone(),
            from: self.recovered_to,
            folded_to: self.end,
            outbound: folds.outbound,
            entry: folds.entry,
        };
        let parts = Parts {
            last: core.sequence(),
            core,
            schedule,
            syncer: self.syncer,
            preparer: self.preparer,
            log,
            release: self.release,
            recovery: self.recovery,
            from_snapshot: self.from_snapshot,
            refused: self.refused,
            keeper,
            operator: Operator { ring: self.operator_ring },
            names: folds.names,
            space,
        };
        (parts, gateway)
    }
}

/// What the gateway has of a journal.
struct GatewayParts {
    ring: Requests,
    space: Arc<Space>,
    log: Log,
    release: Release,
    from: Position,
    folded_to: Position,
    outbound: Outbound,
    entry: OrderEntry,
}

impl<N: Network> Assembly<N> {
    /// Replays the journal that was opened, adds what the configuration adds, and puts the parts
    /// together; of shards beside home so too.
    ///
    /// # Errors
    ///
    /// If a journal cannot be gone on from, the journals of shards do not fit each other, or the kernel refuses a socket.
    pub fn new(
        config: &Config,
        opened: Opened,
        outside: Outside<N>,
    ) -> Result<Assembly<N>, StartError> {
        let Outside { clock, border_clock, .. } = outside;
        let cells = (outside.gateway_cells, outside.venue_cells);
        let has_others = !config.shards.is_empty();
        let mut home = Begun::new((config.of_shard(0), 0), opened, &clock, cells, has_others)?;
        let (mut others, mut shard_feeds) = (Vec::new(), Vec::new());
        for (shard, outside) in (1..).zip(outside.shards) {
            let ShardOutside { opened, feed } = outside;
            let config = (config.of_shard(shard), shard);
            let begun = Begun::new(config, opened, &clock, cells, has_others);
            others.push(begun.map_err(|error| error.of_shard(shard))?);
            shard_feeds.push(feed);
        }
        let known = home.folds.outbound.shards_relayed();
        if known > others.len() {
            let what = format!(
                "the journal has messages of shard {known}, and there are {} [[shard]]: take none away",
                others.len()
            );
            return Err(StartError::Shards(what));
        }
        let relays = others.iter().map(|other| unrelayed(&home.folds.outbound, other));
        let relays: Vec<Vec<_>> = relays.collect::<Result<_, _>>()?;
        let mut relays: Vec<_> = relays.into_iter().flatten().collect();
        // A session's last number is the last that comes home, whichever shard has it.
        relays.sort_by_key(|(session, inbound, _)| (*session, *inbound));
        let lost = others.iter().map(|other| lost(&home.folds.outbound, other));
        let lost: Vec<Lost> = lost.collect::<Result<_, _>>()?;
        // Only now, when all of them can be gone on from, anything is added to any.
        home.define();
        // Who gets copies for the first time gets those of what comes from here on.
        for (id, _) in (1..).map(SessionId).zip(&config.sessions).filter(|(id, session)| {
            session.drop_copy.is_some() && home.folds.entry.copied_to(*id).is_none()
        }) {
            let mut attachment = [0; ATTACHMENT_BYTES_MAX];
            let len = Copy::Begin.encode(&mut attachment);
            let begin = Command::Note(Numbering::InboundOnly);
            home.schedule_ring.push(id, MsgSeqNum::NONE, &begin, &attachment[..len]);
            home.core.turns(1);
        }
        let mut notices = Vec::new();
        for (begun, lost) in others.iter_mut().zip(lost) {
            begun.define();
            notices.extend(begun.give_up(lost));
            begun.follow().map_err(|error| error.of_shard(begun.shard))?;
        }
        // What the shards had told of by the end of the last run gets its numbers before anybody logs on.
        for (session, inbound, relay) in relays {
            home.schedule_ring.push(session, inbound, &Command::Relay(relay), &[]);
            home.core.turns(1);
        }
        // No connection outlives the process: a restart is a disconnect. Who has a grace has it from now on.
        let sessions = || (1..).map(SessionId).zip(&config.sessions);
        let lost: Vec<SessionId> = sessions()
            .filter(|(id, session)| {
                let rules = session.cancel.with(last_of(&home.folds, *id).terms);
                is_lost(&home.folds, *id, session) && rules.grace_ns == 0
            })
            .map(|(id, _)| id)
            .collect();
        let mut begun_before: Vec<(SessionId, usize)> = Vec::new();
        for begun in std::iter::once(&mut home).chain(&mut others) {
            let shard = begun.shard;
            begun_before.extend(begun.cancel_lost(&lost).into_iter().map(|id| (id, shard)));
        }
        home.follow()?;

        let fix = AcceptorConfig {
            connections_max: outside.connections_max,
            before_logon_max: config.fix.connections_before_logon,
            of_network_max: config.fix.connections_per_address,
            lockout: config.fix.lockout,
            out_buffer_bytes: config.fix.out_buffer_bytes,
            slow_peer_ns: u64::from(config.fix.slow_peer_s) * 1_000_000_000,
            logon_timeout_ns: u64::from(config.fix.logon_timeout_s) * 1_000_000_000,
        };
        let cores: Vec<&Core> =
            std::iter::once(&home.core).chain(others.iter().map(|other| &other.core)).collect();
        let setups = setups(config, &cores, &home.folds, border_clock.now());
        let times =
            FeedTimes { window: outside.feed_window, border_clock: &border_clock, clock: &clock };
        let index = std::mem::take(&mut home.folds.feed);
        let feed = FeedOutside {
            feed: outside.feed,
            requests: outside.requests,
            glimpse: outside.glimpse,
        };
        let Published { feed, multicast, glimpse, .. } = home.publish(feed, index, &times)?;
        let mut shards = Vec::new();
        let (mut entries, mut tails) = (Vec::new(), Vec::new());
        for (mut begun, feed) in others.into_iter().zip(shard_feeds) {
            let index = std::mem::take(&mut begun.folds.feed);
            let published = begun.publish(feed, index, &times)?;
            let since = begun.since(outside.day_ended, &clock);
            let (parts, of_gateway) = begun.into_parts(&since, &clock);
            shards.push(ShardAssembly { parts, published });
            let GatewayParts { ring, space, log, release, from, folded_to, outbound, entry } =
                of_gateway;
            entries.push(entry);
            let way = Way::new(ring, space);
            tails.push(ShardParts { way, log, release, from, folded_to, outbound });
        }
        let since = home.since(outside.day_ended, &clock);
        let (parts, of_gateway) = home.into_parts(&since, &clock);
        let GatewayParts { ring, space, log, release, folded_to: end, outbound, entry, .. } =
            of_gateway;
        let acceptor =
            Acceptor::new(outside.fix, fix, setups, entry).with_credentials(outside.credentials);
        // Market data of home alone would leave out the rest.
        let has_market =
            shards.is_empty() && config.sessions.iter().any(|it| it.rights.market_data);
        let (acceptor, market_data) = if has_market {
            let pace = Duration::from_millis(config.fix.market_data_ms.into());
            let engine = parts.core.engine();
            let (link, read) = market_data(engine, &log, end, release.clone(), pace);
            (acceptor.with_market_data(Box::new(link)), Some(read))
        } else {
            (acceptor.with_shards(entries), None)
        };
        let gateway =
            GatewayLoop::new(acceptor, border_clock, (ring, space), &log, end, release, outbound);
        let gateway =
            if tails.is_empty() { gateway } else { gateway.with_shards(tails, &begun_before) };
        let Parts { core, schedule, syncer, preparer, log, release, recovery, .. } = parts;
        let Parts { from_snapshot, refused, keeper, last, operator, names, space, .. } = parts;
        let names = merged(config, names, &shards);
        Ok(Assembly {
            last,
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
            operator,
            names,
            space,
            shards,
            notices,
        })
    }
}

/// The names of the whole: instruments in the order of the configuration.
fn merged<N: Network>(config: &Config, mut names: Names, shards: &[ShardAssembly<N>]) -> Names {
    if shards.is_empty() {
        return names;
    }
    let home = std::mem::take(&mut names.instruments);
    let of = |shard: usize| match shard.checked_sub(1) {
        None => &home,
        Some(at) => &shards[at].parts.names.instruments,
    };
    let places = config.places().into_iter();
    let defined = places.filter_map(|(shard, id)| of(shard).get(id.index()).copied());
    names.instruments = defined.collect();
    names
}

/// Numbers of a shard that home was told of, and that its journal does not have: by session, how many.
type Lost = Vec<(SessionId, u32)>;

/// What a shard's journal has lost of what home was told. Only with the machine, where nobody waits for the disk, can that be.
fn lost(home: &Outbound, other: &Begun) -> Result<Lost, StartError> {
    let (shard, there) = (other.shard, &other.folds.outbound);
    let ids = (1..).map(SessionId).take(home.sessions_len());
    let short = |id| home.last_relayed(id, shard).0.saturating_sub(there.last(id).0);
    let lost: Lost = ids.map(|id| (id, short(id))).filter(|(_, count)| *count > 0).collect();
    if !lost.is_empty() && other.release.waits_for_disk() {
        let what = format!(
            "the journal of shard {shard} ends before what that of shard 0 tells of it: it is not the one that was \
             there, or was cut off"
        );
        return Err(StartError::Shards(what));
    }
    Ok(lost)
}

/// What home was not told of a shard's messages by the end of the last run: their Relays.
fn unrelayed(
    home: &Outbound,
    other: &Begun,
) -> Result<Vec<(SessionId, MsgSeqNum, Relay)>, StartError> {
    let (shard, there) = (other.shard, &other.folds.outbound);
    let mut from: Option<Position> = None;
    for id in (1..).map(SessionId).take(other.core.engine().sessions_len()) {
        let (told, last) = (home.last_relayed(id, shard), there.last(id));
        if told < last {
            let first = there.position(id, MsgSeqNum(told.0 + 1));
            from = from.into_iter().chain(first).min();
        }
    }
    let Some(from) = from else { return Ok(Vec::new()) };
    let mut untold = Untold { home, shard, found: BTreeMap::new() };
    let failed = |error| StartError::Recovery(RecoveryError::Replay(ReplayError::Follow(error)));
    let (mut tail, mut cutter) = (other.log.tail(from), Cutter::default());
    // What was added at this start may not leave yet: the gateway's tail comes to it.
    let limit = other.recovered_to;
    while let Some(frame) = tail.next(limit).map_err(|error| failed(error.into()))? {
        cutter.frame(&frame, &mut untold).map_err(failed)?;
    }
    let code = u8::try_from(shard).unwrap_or(u8::MAX);
    let relay = |(session, (first, count, inbound))| {
        (session, inbound, Relay { shard: code, first, count })
    };
    Ok(untold.found.into_iter().map(relay).collect())
}

/// Finds the messages of a shard that home was not told of: by session the first, how many, and the highest number that
/// they answer.
struct Untold<'a> {
    home: &'a Outbound,
    shard: usize,
    found: BTreeMap<SessionId, (MsgSeqNum, u32, MsgSeqNum)>,
}

impl Follower for Untold<'_> {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, head: &TurnHead, _: u32, event: &Event) {
        for (session, msg) in event.recipients().into_iter().flatten() {
            if msg <= self.home.last_relayed(session, self.shard) {
                continue;
            }
            let new = (msg, 0, MsgSeqNum::NONE);
            let (_, count, inbound) = self.found.entry(session).or_insert(new);
            *count += 1;
            if head.input.session == session && head.input.inbound != MsgSeqNum::NONE {
                *inbound = head.input.inbound;
            }
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
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
fn is_lost(folds: &Folds, id: SessionId, session: &SessionConfig) -> bool {
    let last = last_of(folds, id);
    let rules = session.cancel.with(last.terms);
    rules.on_disconnect && (rules.on_logout || !last.logged_out)
}

/// `cores`: that of home first.
fn setups(config: &Config, cores: &[&Core], folds: &Folds, began: Timestamp) -> Vec<SessionSetup> {
    let home = cores[0].engine();
    let mut setups = Vec::new();
    for (id, session) in (1..).map(SessionId).zip(&config.sessions) {
        let Some(state) = home.session(id) else { continue };
        let has_orders = cores.iter().any(|core| core.engine().session_has_orders(id));
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
            is_lost: has_orders && is_lost(folds, id, session) && session.cancel.grace_ns > 0,
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
