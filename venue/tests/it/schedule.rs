//! What a venue does by the clock and what its file sets, with the real venue and a clock set by hand.

use gateway::fix::Version;
use gateway::order_entry::DayEnd;
use gateway::zone::Zone;
use journal::Reader;
use matcher::{
    BandAction, Bands, CancelReason, Command, Event, Input, InstrumentId, MsgSeqNum, NewOrder,
    OrderNumber, ParticipantId, Phase, Price, Qty, RiskLimits, SelfTradePrevention, Sequence,
    SessionId, Side, Terms, TimeInForce, Timestamp,
};
use venue::config::{InstrumentRules, NO_BANDS, PhaseEntry, RiskConfig};
use venue::turns::{Cutter, Follower, TurnHead};
use venue::{Clock, Config, Venue};

use crate::folder::Folder;
use crate::loopback::{config, fields, replays};
use crate::peer::{Peer, Subscriber};
use crate::turns::Bench;

/// 2026-01-02 00:00 UTC, a Friday.
const MIDNIGHT: u64 = 1_767_312_000_000_000_000;

fn time(text: &str) -> Timestamp {
    let parts: Vec<u64> = text.split(':').map(|part| part.parse().unwrap()).collect();
    Timestamp(MIDNIGHT + ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1_000_000_000)
}

fn entry(at: &str, phase: Phase) -> PhaseEntry {
    let at_s = u32::try_from((time(at).0 - MIDNIGHT) / 1_000_000_000).unwrap();
    PhaseEntry { at_s, phase, instruments: None }
}

/// A day with both auctions, for the sample's instruments.
fn day(folder: &Folder) -> Config {
    let mut config = config(folder);
    config.schedule.phases = vec![
        entry("07:00:00", Phase::PreOpen),
        entry("08:00:00", Phase::OpeningAuction),
        entry("08:10:00", Phase::Continuous),
        entry("17:30:00", Phase::ClosingAuction),
        entry("17:35:00", Phase::Closed),
    ];
    config.schedule.day_end_s = Some(17 * 3_600 + 36 * 60);
    config
}

struct Running {
    venue: Venue,
    clock: Clock,
    feed: Subscriber,
}

impl Running {
    fn start(config: &Config, at: &str) -> Running {
        let clock = Clock::set_at(time(at));
        let venue = Venue::start_by(config, clock.clone()).unwrap_or_else(|e| panic!("{e}"));
        let feed = Subscriber::connect(venue.soup_addr().unwrap(), 1);
        Running { venue, clock, feed }
    }

    fn at(&self, time_of_day: &str) {
        self.clock.set(time(time_of_day));
        self.venue.look_at_clock();
    }

    /// Reads the feed until all its messages are of these types.
    fn expect(&mut self, kinds: &str) {
        self.feed.read_until(|got| got.kinds().len() >= kinds.len());
        assert_eq!(self.feed.kinds(), kinds);
    }

    fn status(&self, locate: u16) -> char {
        char::from(self.feed.mirror().status(locate).unwrap().code())
    }

    fn stop(self, config: &Config) {
        self.venue.stop().unwrap();
        replays(config);
    }
}

/// What the venue itself asked for after its definitions, and what was answered first.
#[derive(Default)]
struct Asked {
    all: Vec<(Command, Timestamp, Option<Event>)>,
}

impl Follower for Asked {
    fn input(&mut self, head: &TurnHead) {
        let command = head.input.command;
        let defines = matches!(
            command,
            Command::Configure(_)
                | Command::DefineInstrument { .. }
                | Command::DefineSession { .. }
        );
        if head.input.session == SessionId::VENUE && !defines {
            self.all.push((command, head.input.timestamp, None));
        }
    }

    fn event(&mut self, head: &TurnHead, _: u32, event: &Event) {
        if head.input.session == SessionId::VENUE
            && let Some((command, _, answer @ None)) = self.all.last_mut()
            && *command == head.input.command
        {
            *answer = Some(*event);
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

fn asked(config: &Config) -> Vec<(Command, Timestamp, Option<Event>)> {
    let mut reader = Reader::open(&config.journal_dir, None).unwrap();
    let (mut cutter, mut asked) = (Cutter::default(), Asked::default());
    while let Some(frame) = reader.next().unwrap() {
        cutter.frame(&frame, &mut asked).unwrap();
    }
    for (command, _, answer) in &asked.all {
        assert!(!matches!(answer, Some(Event::CommandRefused { .. })), "{command:?}: {answer:?}");
    }
    asked.all
}

fn phases(config: &Config) -> Vec<(u32, Phase, Timestamp)> {
    let mut phases = Vec::new();
    for (command, at, _) in asked(config) {
        if let Command::SetPhase { instrument, phase } = command {
            phases.push((instrument.0, phase, at));
        }
    }
    phases
}

/// Clocks that jump, and clocks that are set back: each phase and each end of a day comes once, in the order of the day.
#[test]
fn a_night_in_which_the_clocks_change_has_every_phase_once() {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let utc = |midnight: u64, minutes: u64| Timestamp(midnight + minutes * 60_000_000_000);
    // 2026-03-29 and 2026-10-25, midnight UTC. In London they jump from 1 to 2, and go back from 2 to 1, both at 1 UTC.
    let (spring, autumn) = (1_774_742_400_000_000_000, 1_792_886_400_000_000_000);
    let phase = |minutes| utc(spring, minutes);
    let jumped = vec![(Phase::Closed, phase(30)), (Phase::Continuous, phase(60))];
    let phase = |minutes| utc(autumn, minutes);
    let twice = vec![
        (Phase::Closed, utc(autumn - HOUR_NS, 30)),
        (Phase::PreOpen, phase(15)),
        (Phase::Continuous, phase(45)),
    ];
    for (midnight, begin, changes, day_end) in [
        (spring, spring, jumped, utc(spring, 60)),
        (autumn, autumn - HOUR_NS, twice, utc(autumn, 50)),
    ] {
        let folder = Folder::new();
        let mut config = config(&folder);
        let text = include_str!("../../vesta.toml");
        let text = text.replace("time_zone = \"UTC\"", "time_zone = \"Europe/London\"");
        config.schedule.zone = Config::parse("vesta.toml", &text).unwrap().schedule.zone;
        config.schedule.phases = vec![
            entry("01:45:00", Phase::Continuous),
            entry("00:30:00", Phase::Closed),
            entry("01:15:00", Phase::PreOpen),
        ];
        config.schedule.day_end_s = Some(3_600 + 50 * 60);
        config.schedule.indicative_interval_ms = 0;
        // A moment of each five minutes of the night; the venue is down in some of them, of which it makes up.
        let clock = Clock::set_at(Timestamp(begin));
        let mut venue = Venue::start_by(&config, clock.clone()).unwrap();
        let mut seen = 0;
        while clock.now() < utc(midnight, 300) {
            clock.set(Timestamp(clock.now().0 + 300_000_000_000));
            venue.look_at_clock();
            // The schedule has looked once a status is answered behind it.
            seen += 1;
            let (peer, _) = Peer::log_on(venue.fix_addr(), "CLIENT1", seen * 2 - 1);
            peer.log_out();
            if seen % 20 == 0 {
                venue.stop().unwrap();
                venue = Venue::start_by(&config, clock.clone()).unwrap();
            }
        }
        venue.stop().unwrap();
        let told: Vec<_> = phases(&config).into_iter().filter(|(id, ..)| *id == 0).collect();
        let told: Vec<_> = told.into_iter().map(|(_, phase, at)| (phase, at)).collect();
        assert_eq!(told, changes);
        let ends = asked(&config).into_iter().filter(|it| it.0 == Command::ExpireDay);
        assert_eq!(ends.map(|(_, at, _)| at).collect::<Vec<_>>(), [day_end]);
        replays(&config);
    }
}

#[test]
fn a_day_goes_by_the_clock() {
    let folder = Folder::new();
    let mut config = day(&folder);
    config.schedule.indicative_interval_ms = 0;
    let mut running = Running::start(&config, "06:00:00");
    // Before the first phase of the day it is still the last one of yesterday.
    running.expect("SRHRH");
    assert_eq!((running.status(1), running.status(2)), ('H', 'H'));

    let (mut buyer, _) = Peer::log_on(running.venue.fix_addr(), "CLIENT1", 1);
    let (mut seller, _) = Peer::log_on(running.venue.fix_addr(), "CLIENT2", 1);
    buyer.order("early", "1", "1", "100");
    assert!(buyer.report().get(58).contains("closed"));

    running.at("07:00:00");
    running.expect("SRHRHHH");
    assert_eq!(running.status(1), 'Q');
    buyer.order("b1", "1", "2", "101");
    assert_eq!(buyer.report().get(150), "0");
    seller.order("s1", "2", "3", "99");
    assert_eq!(seller.report().get(150), "0");
    running.expect("SRHRHHHAA");

    // Set past two phases at once: the one that it is now begins, the one before is left out.
    running.at("08:12:00");
    let tags = [150, 39, 31, 32, 151];
    assert_eq!(fields(&buyer.report(), &tags), ["F", "2", "99.00", "2.0000", "0.0000"]);
    assert_eq!(fields(&seller.report(), &tags), ["F", "1", "99.00", "2.0000", "1.0000"]);
    running.expect("SRHRHHHAACCQHH");
    assert_eq!(running.status(1), 'T');

    running.at("17:30:00");
    running.expect("SRHRHHHAACCQHHHH");
    assert_eq!(running.status(1), 'Q');
    running.at("17:36:00");
    running.expect("SRHRHHHAACCQHHHHHHS");
    assert_eq!(running.status(1), 'H');
    running.stop(&config);

    let first: Vec<_> = phases(&config).into_iter().filter(|(id, ..)| *id == 0).collect();
    let of = |phase, at| (0, phase, time(at));
    assert_eq!(
        first,
        [
            of(Phase::PreOpen, "07:00:00"),
            of(Phase::Continuous, "08:12:00"),
            of(Phase::ClosingAuction, "17:30:00"),
            of(Phase::Closed, "17:36:00"),
        ]
    );
}

#[test]
fn a_restart_does_what_was_missed_once_and_leaves_the_rest_as_it_was() {
    let folder = Folder::new();
    let config = day(&folder);
    let running = Running::start(&config, "09:00:00");
    assert_eq!(running.venue.names().instruments[0].phase, Phase::Continuous);
    let halt = Command::SetPhase { instrument: InstrumentId(1), phase: Phase::Halt };
    assert!(running.venue.submit(&halt));
    running.stop(&config);
    assert_eq!(phases(&config).len(), 1);

    // Nothing began meanwhile: the operator's halt stays.
    let mut running = Running::start(&config, "09:30:00");
    running.expect("SRHRHH");
    assert_eq!((running.status(1), running.status(2)), ('T', 'H'));
    running.stop(&config);
    assert_eq!(phases(&config).len(), 1);

    // Down over the close and the night: the phase of now begins. A halt is for the operator to end.
    let mut running = Running::start(&config, "31:30:00");
    running.expect("SRHRHHHS");
    assert_eq!((running.status(1), running.status(2)), ('Q', 'H'));
    running.stop(&config);
    let done = phases(&config);
    assert_eq!(done[1..], [(0, Phase::PreOpen, time("31:30:00"))]);
}

#[test]
fn a_volatility_auction_ends_by_itself_also_after_a_restart() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.schedule.volatility_auction_s = 60;
    config.schedule.indicative_interval_ms = 20_000;
    let bands = Bands { static_ticks: 100, dynamic_ticks: 0, action: BandAction::Interrupt };
    let reference = Some(Price::from_ticks(10_000));
    config.rules = vec![InstrumentRules { reference, bands }];
    let mut running = Running::start(&config, "10:00:00");
    let (mut peer, _) = Peer::log_on(running.venue.fix_addr(), "CLIENT1", 1);
    for (id, side, price) in [("s1", "2", "102"), ("b1", "1", "103")] {
        peer.order(id, side, "1", price);
        assert_eq!(peer.report().get(150), "0");
    }
    running.expect("SRHRHAHA");
    assert_eq!(running.status(1), 'P');
    running.at("10:00:20");
    running.expect("SRHRHAHAI");
    peer.log_out();
    running.stop(&config);

    // The auction that began before the restart ends when it would have.
    let mut running = Running::start(&config, "10:00:59");
    running.expect("SRHRHAHAII");
    running.at("10:01:00");
    running.expect("SRHRHAHAIICCQH");
    assert_eq!(running.status(1), 'T');
    running.stop(&config);
    let ended = (0, Phase::Continuous, time("10:01:00"));
    assert_eq!(phases(&config), [ended]);

    // What is in force is not set again.
    let rules = |config: &Config| asked(config).len();
    let before = rules(&config);
    Running::start(&config, "10:02:00").stop(&config);
    assert_eq!(rules(&config), before);
}

#[test]
fn indicative_prices_are_published_while_there_is_a_call() {
    let folder = Folder::new();
    let mut config = config(&folder);
    let phase = |at, phase, id| PhaseEntry {
        instruments: Some(vec![InstrumentId(id)]),
        ..entry(at, phase)
    };
    config.schedule.phases =
        vec![phase("08:00:00", Phase::OpeningAuction, 1), phase("08:10:00", Phase::Continuous, 1)];
    config.schedule.indicative_interval_ms = 500;
    let mut running = Running::start(&config, "07:59:59");
    running.expect("SRHRH");
    assert_eq!((running.status(1), running.status(2)), ('T', 'T'));
    running.at("08:00:00");
    running.expect("SRHRHH");
    running.at("08:00:01");
    running.expect("SRHRHHI");
    running.at("08:00:02");
    running.expect("SRHRHHII");
    running.at("08:10:00");
    running.expect("SRHRHHIIH");
    running.at("08:20:00");
    running.stop(&config);
    let published: Vec<_> = asked(&config)
        .into_iter()
        .filter(|(command, ..)| matches!(command, Command::PublishIndicative { .. }))
        .map(|(command, at, _)| (command, at))
        .collect();
    let instrument = InstrumentId(1);
    let publish = Command::PublishIndicative { instrument };
    assert_eq!(published, [(publish, time("08:00:01")), (publish, time("08:00:02"))]);
}

#[test]
fn the_file_is_what_holds_after_a_start_and_nothing_is_said_twice() {
    let folder = Folder::new();
    let mut config = config(&folder);
    let rules = |config: &Config| -> Vec<Command> {
        asked(config).into_iter().map(|(command, ..)| command).collect()
    };
    Running::start(&config, "10:00:00").stop(&config);
    assert_eq!(rules(&config), [], "every default is in force");

    let bands = Bands { static_ticks: 0, dynamic_ticks: 50, action: BandAction::Reject };
    config.rules = vec![InstrumentRules { reference: Some(Price::from_ticks(77)), bands }];
    config.sessions[0].group = 7;
    config.sessions[0].self_trade = SelfTradePrevention::CancelOldest;
    let limits = RiskLimits { order_qty_max: Qty::from_lots(5), ..RiskLimits::NONE };
    let of_all = RiskConfig { participant: "FIRM2".into(), instrument: None, limits };
    let own = RiskLimits { open_orders_max: 3, ..RiskLimits::NONE };
    let of_one =
        RiskConfig { participant: "FIRM2".into(), instrument: Some(InstrumentId(1)), limits: own };
    config.risk = vec![of_all.clone(), of_one];
    let (participant, instrument) = (ParticipantId(2), InstrumentId(1));
    let set = [
        Command::SetReference { instrument: InstrumentId(0), price: Price::from_ticks(77) },
        Command::SetBands { instrument: InstrumentId(0), bands },
        Command::SetSession {
            session: SessionId(1),
            group: 7,
            self_trade: SelfTradePrevention::CancelOldest,
        },
        Command::SetRisk { participant, instrument, limits: own },
        Command::SetRisk { participant, instrument: InstrumentId::NONE, limits },
    ];
    let mut next_out = 1;
    for at in ["10:01:00", "10:02:00"] {
        let running = Running::start(&config, at);
        let (mut peer, _) = Peer::log_on(running.venue.fix_addr(), "CLIENT2", next_out);
        peer.order(at, "1", "1", "100");
        assert_eq!(peer.report().get(58), "quantity is above the participant's limit");
        next_out = peer.log_out();
        running.stop(&config);
        assert_eq!(rules(&config), set, "{at}");
    }

    // Taken out of the file: back to the default; an account that had its own limits has those of its firm.
    config.rules = Vec::new();
    config.sessions[0].group = 0;
    config.risk = vec![of_all];
    Running::start(&config, "10:03:00").stop(&config);
    let more = [
        Command::SetBands { instrument: InstrumentId(0), bands: NO_BANDS },
        Command::SetSession {
            session: SessionId(1),
            group: 0,
            self_trade: SelfTradePrevention::CancelOldest,
        },
        Command::SetRisk { participant, instrument, limits },
    ];
    assert_eq!(rules(&config)[set.len()..], more);
}

/// Over FIX such an order does not come yet, so it is put into the journal between two runs of the venue.
#[test]
fn an_order_that_expires_does_so_by_the_clock() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.sessions[0].cancel.on_disconnect = false;
    let mut running = Running::start(&config, "09:00:00");
    running.expect("SRHRH");
    running.stop(&config);
    let mut bench = Bench::open(&folder).with_clock(Clock::set_at(time("09:30:00")));
    let (price, qty) = (Price::from_ticks(10_000), Qty::from_lots(5));
    let order = NewOrder::limit(InstrumentId(0), Side::Buy, price, qty);
    let (number, time_in_force) = (OrderNumber(1), TimeInForce::Gtd);
    let terms = Terms { expire_at: time("10:00:00"), ..Terms::NONE };
    bench.run(&[Input {
        sequence: Sequence(0),
        timestamp: Timestamp(0),
        session: SessionId(1),
        inbound: MsgSeqNum::NONE,
        command: Command::NewSpecial(NewOrder { number, time_in_force, ..order }, terms),
    }]);
    assert_eq!(bench.core.engine().orders_len(), 1);
    drop(bench);

    let mut running = Running::start(&config, "09:45:00");
    running.expect("SRHRHA");
    // A nanosecond before it nothing happens: what follows is the first thing that does.
    running.clock.set(Timestamp(time("10:00:00").0 - 1));
    running.venue.look_at_clock();
    let halt = Command::SetPhase { instrument: InstrumentId(1), phase: Phase::Halt };
    assert!(running.venue.submit(&halt));
    running.expect("SRHRHAH");
    running.at("10:00:00");
    running.expect("SRHRHAHD");
    running.stop(&config);
    let asked = asked(&config);
    let [.., (first, ..), (last, at, Some(Event::Canceled(canceled)))] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!((first, last, *at), (&halt, &Command::Expire, time("10:00:00")));
    assert_eq!((canceled.reason, canceled.canceled_qty), (CancelReason::Expired, qty));
}

/// FIX 5.0 SP2's words over sockets: an order through a date ends when day orders do on it, also after a restart; what
/// a triggering instruction made of an order is told again as it was.
#[test]
fn an_order_through_a_date_ends_with_the_day_of_that_date() {
    let folder = Folder::new();
    let mut config = config(&folder);
    config.schedule.day_end_s = Some(17 * 3_600 + 36 * 60);
    config.schedule.date_end = DayEnd { at_s: 17 * 3_600 + 36 * 60, zone: Zone::default() };
    let running = Running::start(&config, "09:00:00");
    let address = running.venue.fix_addr();
    let mut peer = Peer::connect(address, "CLIENT1", 1);
    peer.version = Version::Fix50Sp2;
    peer.send("A", &[(98, "0"), (108, "30"), (1137, "9")]);
    assert_eq!(peer.read().msg_type(), "A");
    let order = |peer: &mut Peer, id: &str, more: &[(u32, &str)]| {
        let fields = [(11, id), (55, "BTC-USD"), (54, "1"), (60, "20260101-00:00:00"), (38, "1")];
        peer.send("D", &[&fields[..], more].concat());
        peer.report()
    };
    let limit = [(40, "2"), (44, "100")];
    let date = |date| [&limit[..], &[(59, "6"), (432, date)]].concat();
    let today = order(&mut peer, "today", &date("20260102"));
    assert_eq!(fields(&today, &[39, 59, 126]), ["0", "6", "20260102-17:36:00.000"]);
    let yesterday = order(&mut peer, "yesterday", &date("20260101"));
    assert_eq!(fields(&yesterday, &[39, 103]), ["8", "99"]);
    let tomorrow = order(&mut peer, "tomorrow", &date("20260103"));
    assert_eq!(fields(&tomorrow, &[39, 126]), ["0", "20260103-17:36:00.000"]);
    let stop = [&limit[..], &[(59, "1"), (1100, "4"), (1102, "99")]].concat();
    let stop = order(&mut peer, "stop", &stop);
    assert_eq!(fields(&stop, &[39, 40, 99]), ["0", "4", "99.00"]);
    let slides = [(40, "2"), (44, "100"), (59, "1"), (18, "6"), (9479, "S")];
    assert_eq!(order(&mut peer, "slides", &slides).get(39), "0");
    assert_eq!(order(&mut peer, "slid", &[(40, "2"), (44, "100"), (9479, "T")]).get(371), "9479");
    let next_out = peer.next_out;
    running.stop(&config);

    let running = Running::start(&config, "17:35:59");
    let mut peer = Peer::connect(running.venue.fix_addr(), "CLIENT1", next_out);
    peer.version = Version::Fix50Sp2;
    peer.send("A", &[(98, "0"), (108, "30"), (1137, "9")]);
    assert_eq!(peer.read().msg_type(), "A");
    peer.send("2", &[(7, "2"), (16, "5")]);
    for told in [&today, &yesterday, &tomorrow, &stop] {
        assert_eq!(peer.report().body(), told.body());
    }
    running.at("17:36:00");
    let ended = peer.report();
    assert_eq!(fields(&ended, &[150, 11, 58]), ["C", "today", "its ExpireTime is reached"]);
    peer.log_out();
    running.stop(&config);
}
