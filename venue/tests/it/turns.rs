//! Ring → core → journal → readers, without sockets.

use journal::{Log, Opened, Prepared, Synced};
use matcher::testing::flow::{Profile, record};
use matcher::{Engine, Event, Input, Sequence, Timestamp};
use venue::replay::{Nobody, Replay};
use venue::ring::{Requests, ring};
use venue::turns::{Cutter, Follower, TurnHead};
use venue::{Core, Turned};

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
        let last = replay.last().map_or((Sequence(0), Timestamp(0)), |head| {
            (head.input.sequence, head.input.timestamp)
        });
        let (ring, taken) = ring(1 << 12);
        let core = Core::new(replay.into_engine(), writer, vec![taken], last);
        Bench { core, ring, log, syncer, preparer }
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
