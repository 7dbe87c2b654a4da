//! Ring → core → journal → readers, without sockets.

use std::sync::Arc;

use journal::{Log, Opened, Prepared, Synced};
use matcher::testing::flow::{Profile, Rng, record};
use matcher::{
    Command, Engine, Event, Input, Instrument, InstrumentId, Limits, MsgSeqNum, NewOrder,
    OrderNumber, ParticipantId, Price, Qty, SessionId, Side, Terms, TimeInForce, Timestamp,
};
use venue::replay::{Nobody, Replay};
use venue::ring::{Requests, ring};
use venue::turns::{Cutter, Follower, TurnHead};
use venue::{Clock, Core, Space, Turned};

use crate::folder::Folder;

pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) ring: Requests,
    pub(crate) log: Log,
    pub(crate) syncer: journal::Syncer,
    preparer: journal::Preparer,
}

impl Bench {
    pub(crate) fn open(folder: &Folder) -> Bench {
        let Opened { writer, syncer, preparer, log, .. } =
            journal::open(&folder.journal()).unwrap();
        let mut replay = Replay::new();
        let mut tail = log.tail(log.start());
        while let Some(frame) = tail.next(log.committed()).unwrap() {
            replay.frame(&frame, &mut Nobody).unwrap();
        }
        let last = replay.place();
        let (ring, taken) = ring(1 << 12);
        let core = Core::new(replay.into_engine(), writer, vec![taken], last);
        Bench { core, ring, log, syncer, preparer }
    }

    /// The same with its time from `clock`.
    pub(crate) fn with_clock(self, clock: Clock) -> Bench {
        Bench { core: self.core.with_clock(clock), ..self }
    }

    /// Sends the commands of `inputs` through the ring.
    pub(crate) fn run(&mut self, inputs: &[Input]) {
        for input in inputs {
            while !self.ring.push(input.session, input.inbound, &input.command, b"client text") {
                self.turn();
            }
        }
        while !self.core.is_idle() {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.core.turns(64);
        while self.preparer.step().unwrap() == Prepared::Made {}
        while matches!(self.syncer.step().unwrap(), Synced::Advanced(_)) {}
    }
}

/// Everything that a journal says, in one string: to compare two ways of reading it.
#[derive(Default)]
pub(crate) struct Said(pub(crate) Vec<String>);

impl Follower for Said {
    fn input(&mut self, head: &TurnHead) {
        self.0.push(format!("{:?} {:?}", head.input, head.attachment()));
    }
    fn event(&mut self, _: &TurnHead, index: u32, event: &Event) {
        self.0.push(format!("{index} {event:?}"));
    }
    fn end_turn(&mut self, _: &TurnHead) {
        self.0.push("end".to_owned());
    }
}

pub(crate) fn read(log: &Log) -> Vec<String> {
    let (mut tail, mut cutter, mut said) =
        (log.tail(log.start()), Cutter::default(), Said::default());
    while let Some(frame) = tail.next(log.committed()).unwrap() {
        cutter.frame(&frame, &mut said).unwrap();
    }
    said.0
}

#[test]
fn a_journal_replays_to_the_same_engine_and_tells_a_reader_the_same() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    bench.run(&record(Profile::hostile(), 0x51ab, 20_000));
    let log = bench.log.clone();

    let (mut replay, mut said) = (Replay::new(), Said::default());
    let mut tail = log.tail(log.start());
    while let Some(frame) = tail.next(log.committed()).unwrap() {
        replay.frame(&frame, &mut said).unwrap();
    }
    assert_eq!(replay.turns(), bench.core.sequence().0);
    assert!(replay.turns() >= 20_000 && replay.events() > 10_000);
    assert_eq!(said.0, read(&log));
    same_engine(replay.engine(), bench.core.engine());
}

/// Books that are large enough for it are looked at ahead, through rings that are full and rings that are
/// nearly empty; what happens is what happens to who sees one command at a time.
#[test]
fn what_waits_in_the_ring_changes_no_answer() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    let instrument = Instrument::plain("GOLD").unwrap();
    let limits =
        Limits { orders_max: 1 << 15, levels_max: 1 << 12, instruments_max: 1, sessions_max: 2 };
    let mut commands = vec![
        (SessionId::VENUE, Command::Configure(limits)),
        (SessionId::VENUE, Command::DefineInstrument { id: InstrumentId(0), instrument }),
    ];
    for id in 1..=2 {
        let define = Command::DefineSession { id: SessionId(id), participant: ParticipantId(id) };
        commands.push((SessionId::VENUE, define));
    }
    let (mut rng, mut numbers) = (Rng::new(0xa4ead), [0; 3]);
    for index in 0..30_000 {
        let session = 1 + u32::try_from(rng.below(2)).unwrap();
        let number = &mut numbers[session as usize];
        // Enough rest before any goes.
        if index > 16_000 && rng.percent(60) {
            let target = OrderNumber(1 + u32::try_from(rng.below(u64::from(*number))).unwrap());
            commands.push((SessionId(session), Command::Cancel { target }));
            continue;
        }
        *number += 1;
        let side = if rng.percent(50) { Side::Buy } else { Side::Sell };
        let distance = i64::try_from(rng.below(1_000)).unwrap();
        // Some reach the other side.
        let price = if side == Side::Buy { 1_010 - distance } else { 990 + distance };
        let (price, qty) = (Price::from_ticks(price), Qty::from_lots(1 + rng.below(9)));
        let order = NewOrder::limit(InstrumentId(0), side, price, qty);
        let number = OrderNumber(*number);
        commands.push((SessionId(session), Command::New(NewOrder { number, ..order })));
    }
    let mut most = 0;
    for (index, (session, command)) in commands.iter().enumerate() {
        while !bench.ring.push(*session, MsgSeqNum::NONE, command, b"client text") {
            bench.turn();
        }
        if index % 5_000 > 4_000 {
            bench.turn();
        }
        most = most.max(bench.core.engine().orders_len());
    }
    while !bench.core.is_idle() {
        bench.turn();
    }
    assert!(most > 14_000 && bench.core.engine().pays_to_look_ahead());

    // A replay looks at nothing ahead, and compares every Event.
    let mut replay = Replay::new();
    let mut tail = bench.log.tail(bench.log.start());
    while let Some(frame) = tail.next(bench.log.committed()).unwrap() {
        replay.frame(&frame, &mut Nobody).unwrap();
    }
    assert_eq!(replay.turns(), u64::try_from(commands.len()).unwrap());
    same_engine(replay.engine(), bench.core.engine());
}

#[test]
fn a_reopened_journal_goes_on_where_it_was() {
    let folder = Folder::new();
    let inputs = record(Profile::standard(), 7, 10_000);
    let mut bench = Bench::open(&folder);
    bench.run(&inputs[..5_000]);
    let (sequence, before) = (bench.core.sequence(), read(&bench.log));
    drop(bench);

    let mut bench = Bench::open(&folder);
    assert_eq!(bench.core.sequence(), sequence);
    assert_eq!(read(&bench.log), before);
    bench.run(&inputs[5_000..]);
    let after = read(&bench.log);
    assert_eq!(after[..before.len()], before[..]);
    assert!(after.len() > before.len() + 5_000);
}

#[test]
fn an_idle_core_says_so() {
    let folder = Folder::new();
    let mut bench = Bench::open(&folder);
    assert_eq!(bench.core.turns(64), Turned::Idle);
    assert!(bench.core.is_idle());
}

/// A core without space for another segment, with so many orders that expire at 100. It is 10, and goes on
/// refusing orders for want of room, at most so often; then the core, how to ask it, and its clock.
fn without_space(folder: &Folder, refused_max: u64) -> (Bench, Arc<Space>, Clock) {
    let (clock, space) = (Clock::set_at(Timestamp(10)), Arc::new(Space::default()));
    let mut bench = Bench::open(folder);
    bench.core = bench.core.with_clock(clock.clone()).with_space(Arc::clone(&space));
    let (orders_max, instrument) = (u32::from(EXPIRING), Instrument::plain("GOLD").unwrap());
    let limits = Limits { orders_max, levels_max: 10, instruments_max: 1, sessions_max: 1 };
    for command in [
        Command::Configure(limits),
        Command::DefineInstrument { id: InstrumentId(0), instrument },
        Command::DefineSession { id: SessionId(1), participant: ParticipantId(1) },
    ] {
        assert!(bench.ring.push(SessionId::VENUE, MsgSeqNum::NONE, &command, &[]));
        bench.turn();
    }
    let order = |number| NewOrder {
        number: OrderNumber(number),
        time_in_force: TimeInForce::Gtd,
        ..NewOrder::limit(InstrumentId(0), Side::Buy, Price::from_ticks(5), Qty::from_lots(1))
    };
    let terms = Terms { expire_at: Timestamp(100), ..Terms::NONE };
    let enter = |bench: &mut Bench, number| {
        let command = Command::NewSpecial(order(number), terms);
        assert!(bench.ring.push(SessionId(1), MsgSeqNum(number), &command, &[]));
    };
    for number in 1..=orders_max {
        enter(&mut bench, number);
        bench.turn();
    }
    assert_eq!(bench.core.engine().orders_len(), usize::from(EXPIRING));
    space.set_full(true);
    let mut number = orders_max;
    while bench.core.refused_for_room() < refused_max {
        number += 1;
        enter(&mut bench, number);
        // Without a preparer there is no further segment.
        if bench.core.turns(1) == Turned::NoRoom {
            break;
        }
    }
    (bench, space, clock)
}

/// Orders that expire at once.
const EXPIRING: u16 = 2_000;

/// A turn that was begun must end: on a full disk nothing expires that may not fit, and cancels are taken.
#[test]
fn time_stands_still_before_orders_expire_that_do_not_fit() {
    let most = without_space(&Folder::new(), u64::MAX).0.core.refused_for_room();
    // Room for some cancels, not for all orders to expire.
    let folder = Folder::new();
    let (mut bench, space, clock) = without_space(&folder, most - 200);
    clock.set(Timestamp(200));
    let cancel = Command::Cancel { target: OrderNumber(7) };
    for number in [1, 2] {
        assert!(bench.ring.push(SessionId(1), MsgSeqNum(number), &cancel, &[]));
        assert_eq!(bench.core.turns(1), Turned::Took(1));
        assert_eq!(bench.core.engine().orders_len(), usize::from(EXPIRING - 1));
    }
    assert!(read(&bench.log).iter().rev().nth(2).unwrap().contains("timestamp: Timestamp(99)"));

    // With space the time is the clock's again.
    bench.turn();
    space.set_full(false);
    assert!(bench.ring.push(SessionId(1), MsgSeqNum(3), &cancel, &[]));
    bench.turn();
    assert_eq!(bench.core.engine().orders_len(), 0);
}

fn same_engine(left: &Engine, right: &Engine) {
    assert_eq!(left.instruments().len(), right.instruments().len());
    left.check();
    right.check();
    assert_eq!(left.orders_len(), right.orders_len());
    for (id, _) in left.instruments() {
        let (left, right) = (left.book(id).unwrap(), right.book(id).unwrap());
        for side in [matcher::Side::Buy, matcher::Side::Sell] {
            let orders = |book: &matcher::Book<'_>| {
                book.orders(side).map(|order| format!("{order:?}")).collect::<Vec<_>>()
            };
            assert_eq!(orders(&left), orders(&right));
        }
    }
}
