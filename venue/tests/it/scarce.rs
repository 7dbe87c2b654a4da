//! A disk that is full: what is refused, what still goes through, what waits.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway::order_entry::shards::{WAITED, WAITS};
use journal::storage::{Disk, Storage, StorageFile};
use journal::{Opened, Prepared, Synced};
use matcher::record::CANCELED_BYTES;
use matcher::testing::flow::instrument;
use matcher::{
    CancelReason, Command, Engine, Event, InstrumentId, Limits, MassCancelScope, MsgSeqNum,
    NewOrder, Numbering, OrderNumber, ParticipantId, Permission, PermissionScope, Phase, Price,
    Qty, RejectReason, Sequence, SessionId, Side, Terms, TimeInForce, Timestamp,
};
use venue::ring::{Requests, ring};
use venue::turns::{Cutter, Follower, TurnHead};
use venue::{Clock, Core, Space, Turned};

use crate::folder::Folder;

const X: InstrumentId = InstrumentId(0);
const CLIENT: SessionId = SessionId(1);

/// A disk without room, until it has some again.
#[derive(Clone, Debug, Default)]
struct FullDisk(Arc<AtomicBool>);

impl Storage for FullDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Disk.create(path, bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Disk.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
}

/// A core whose journal is on such a disk, and what it told last.
struct Bed {
    core: Core,
    ring: Requests,
    opened: Rest,
    disk: FullDisk,
    space: Arc<Space>,
    clock: Clock,
    tail: journal::Tail,
    number: u32,
    inbound: u32,
}

/// What a journal needs beside its writer.
struct Rest {
    syncer: journal::Syncer,
    preparer: journal::Preparer,
    log: journal::Log,
}

/// The events of one turn after the other.
#[derive(Default)]
struct Told(Vec<Event>);

impl Follower for Told {
    fn input(&mut self, _: &TurnHead) {}
    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        self.0.push(*event);
    }
    fn end_turn(&mut self, _: &TurnHead) {}
}

impl Bed {
    fn new(folder: &Folder) -> Bed {
        Bed::for_orders(folder, 10_000)
    }

    fn for_orders(folder: &Folder, orders_max: u32) -> Bed {
        let disk = FullDisk::default();
        let opened = journal::open_with(&folder.journal(), Arc::new(disk.clone())).unwrap();
        let Opened { writer, syncer, preparer, log, .. } = opened;
        let (ring, taken) = ring(1 << 10);
        let (space, clock) = (Arc::new(Space::default()), Clock::set_at(Timestamp(1)));
        let last = (Sequence(0), Timestamp(0));
        let core = Core::new(Engine::new(), writer, vec![taken], last);
        let core = core.with_space(Arc::clone(&space)).with_clock(clock.clone());
        let tail = log.tail(log.start());
        let opened = Rest { syncer, preparer, log };
        let mut bed = Bed { core, ring, opened, disk, space, clock, tail, number: 0, inbound: 0 };
        let levels_max = 1_000;
        let limits = Limits { orders_max, levels_max, instruments_max: 1, sessions_max: 1 };
        bed.govern(Command::Configure(limits));
        let instrument = instrument("VESTA", (1, 1_000), 1_000_000);
        bed.govern(Command::DefineInstrument { id: X, instrument });
        bed.govern(Command::DefineSession { id: CLIENT, participant: ParticipantId(1) });
        bed
    }

    /// What the core, and those who make and sync its segments, have to do now; returns what was told.
    fn work(&mut self) -> Vec<Event> {
        self.core.turns(64);
        loop {
            match self.opened.preparer.step().unwrap() {
                Prepared::Made => self.space.set_full(false),
                Prepared::NoSpace { .. } => {
                    self.space.set_full(true);
                    break;
                }
                Prepared::Idle => break,
            }
        }
        while matches!(self.opened.syncer.step().unwrap(), Synced::Advanced(_)) {}
        let (mut cutter, mut told) = (Cutter::default(), Told::default());
        while let Some(frame) = self.tail.next(self.opened.log.committed()).unwrap() {
            cutter.frame(&frame, &mut told).unwrap();
        }
        told.0
    }

    fn govern(&mut self, command: Command) -> Vec<Event> {
        assert!(self.ring.push(SessionId::VENUE, MsgSeqNum::NONE, &command, &[]));
        self.work()
    }

    fn ask(&mut self, command: Command) -> Vec<Event> {
        self.inbound += 1;
        assert!(self.ring.push(CLIENT, MsgSeqNum(self.inbound), &command, b"client text"));
        self.work()
    }

    /// An order that stands somewhere far from the other side, if that is in a book without a call.
    fn order(&mut self, side: Side, price: i64, qty: u64) -> NewOrder {
        self.number += 1;
        let (price, qty) = (Price::from_ticks(price), Qty::from_lots(qty));
        NewOrder { number: OrderNumber(self.number), ..NewOrder::limit(X, side, price, qty) }
    }

    fn enter(&mut self, side: Side, price: i64, qty: u64) -> Vec<Event> {
        let new = self.order(side, price, qty);
        self.ask(Command::New(new))
    }

    fn rest(&mut self, orders: u32) {
        for _ in 0..orders {
            let told = self.enter(Side::Buy, 100, 1);
            assert!(matches!(told[..], [Event::Accepted(_), Event::Rested(_)]), "{told:?}");
        }
    }

    /// The same, of many: brought to the disk at the end.
    fn rest_many(&mut self, orders: u32) {
        for _ in 0..orders {
            let new = self.order(Side::Buy, 100, 1);
            self.inbound += 1;
            let (number, command) = (MsgSeqNum(self.inbound), Command::New(new));
            assert!(self.ring.push(CLIENT, number, &command, b"client text"));
            assert_eq!(self.core.turns(1), Turned::Took(1));
            while self.opened.preparer.step().unwrap() != Prepared::Idle {}
        }
        self.work();
    }

    /// No room is made any more, and less than `room` bytes are left.
    fn fill_up_to(&mut self, room: u64) {
        self.disk.0.store(true, Ordering::Relaxed);
        while self.core.room() >= room || !self.space.is_full() {
            let told = self.ask(Command::Status { target: OrderNumber(1) });
            assert!(matches!(told[..], [Event::StatusReported(_)]), "{told:?}");
        }
    }

    fn clear(&mut self) {
        self.disk.0.store(false, Ordering::Relaxed);
    }
}

fn is_refused(told: &[Event]) -> bool {
    let full = RejectReason::JournalFull;
    match told {
        [Event::Rejected(rejected)] => rejected.reason == full,
        [Event::CancelRejected(rejected)] => rejected.reason == full,
        [Event::MassCancelRejected { reason, .. }] => *reason == full,
        _ => false,
    }
}

fn canceled(told: &[Event], why: CancelReason) -> usize {
    let of_reason = |event: &&Event| match event {
        Event::Canceled(canceled) => canceled.reason == why,
        _ => false,
    };
    told.iter().filter(of_reason).count()
}

const QUARTER: u64 = 1 << 18;

#[test]
fn room_for_the_end_of_all_orders_is_there_before_they_end() {
    const ORDERS: u32 = 60_000;
    let folder = Folder::new();
    let mut bed = Bed::for_orders(&folder, ORDERS);
    bed.rest_many(ORDERS);
    // Far more than the two segments that are ahead of a small book, of a mebibyte each: nobody makes
    // another one while the turn is written, and the disk has become full without anybody having seen it.
    let needed = u64::from(ORDERS) * CANCELED_BYTES as u64;
    assert!(needed > 3 << 20 && bed.core.room() > needed, "{} for {needed}", bed.core.room());
    bed.disk.0.store(true, Ordering::Relaxed);
    let told = bed.ask(Command::MassCancel(MassCancelScope::Session));
    assert_eq!(canceled(&told, CancelReason::MassCancel), ORDERS as usize);
    // None works any more: what was made ahead for them is used up, no more is made.
    bed.clear();
    let told = bed.enter(Side::Buy, 100, 1);
    assert!(matches!(told[..], [Event::Accepted(_), Event::Rested(_)]), "{told:?}");
}

#[test]
fn in_the_last_quarter_orders_are_refused_and_what_takes_them_off_is_not() {
    let folder = Folder::new();
    let mut bed = Bed::new(&folder);
    bed.rest(100);
    let new = bed.order(Side::Buy, 101, 5);
    let (time_in_force, expire_at) = (TimeInForce::Gtd, Timestamp(500));
    let terms = Terms { expire_at, ..Terms::NONE };
    bed.ask(Command::NewSpecial(NewOrder { time_in_force, ..new }, terms));
    bed.fill_up_to(QUARTER);

    assert!(is_refused(&bed.enter(Side::Buy, 100, 1)));
    assert_eq!(
        canceled(&bed.ask(Command::Cancel { target: OrderNumber(1) }), CancelReason::Requested),
        1
    );
    bed.clock.set(Timestamp(500));
    assert_eq!(canceled(&bed.govern(Command::Expire), CancelReason::Expired), 1);
    let phase = Phase::Halt;
    let told = bed.govern(Command::SetPhase { instrument: X, phase });
    assert!(matches!(told[..], [Event::PhaseChanged { phase: Phase::Halt, .. }]), "{told:?}");
    let scope = PermissionScope::Session(CLIENT);
    let killed = Command::SetPermission { scope, permission: Permission::Killed };
    let told = bed.govern(killed);
    assert_eq!(canceled(&told, CancelReason::KillSwitch), 99);
    assert_eq!(bed.core.engine().orders_len(), 0);
    assert!(bed.space.is_full() && bed.core.room() < QUARTER);
}

#[test]
fn an_order_whose_turn_may_not_fit_is_refused_before_it_begins() {
    let folder = Folder::new();
    let mut bed = Bed::new(&folder);
    bed.rest(10);
    // It may display 9,999 slices more, and each of them may trade.
    let new = bed.order(Side::Sell, 500, 10_000);
    let terms = Terms { display_qty: Qty::from_lots(1), ..Terms::NONE };
    bed.ask(Command::NewSpecial(new, terms));
    bed.fill_up_to(3 << 20);
    assert!(bed.core.room() > 2 * QUARTER);
    assert!(is_refused(&bed.enter(Side::Buy, 500, 10_000)));
    let (target, price, qty) = (OrderNumber(1), Price::from_ticks(500), Qty::from_lots(10));
    bed.number += 1;
    let (number, instrument, side) = (OrderNumber(bed.number), X, Side::Buy);
    let replace = matcher::ReplaceOrder { number, target, instrument, side, price, qty };
    assert!(is_refused(&bed.ask(Command::Replace(replace))));
    // Without it there is room, and then with it when there is space.
    let iceberg = new.number;
    assert_eq!(canceled(&bed.ask(Command::Cancel { target: iceberg }), CancelReason::Requested), 1);
    assert!(matches!(bed.enter(Side::Buy, 500, 10)[..], [Event::Accepted(_), Event::Rested(_)]));
    assert!(bed.space.is_full());
}

#[test]
fn what_the_venue_does_waits_until_it_fits() {
    let folder = Folder::new();
    let mut bed = Bed::new(&folder);
    bed.govern(Command::SetPhase { instrument: X, phase: Phase::OpeningAuction });
    for n in 0..2_000 {
        let side = if n % 2 == 0 { Side::Buy } else { Side::Sell };
        let told = bed.enter(side, 100, 1);
        assert!(matches!(told[..], [Event::Accepted(_), Event::Rested(_)]), "{told:?}");
    }
    bed.fill_up_to(QUARTER / 2);
    let open = |phase| Command::SetPhase { instrument: X, phase };
    let scope = PermissionScope::Participant(ParticipantId(1));
    let permit = |permission| Command::SetPermission { scope, permission };
    // 2,000 orders are 128,000 bytes of cancels, and there is much more that an auction might say.
    assert_eq!(bed.govern(open(Phase::Continuous)), []);
    assert_eq!(bed.govern(open(Phase::Continuous)), []);
    assert!(is_refused(&bed.ask(Command::MassCancel(MassCancelScope::Session))));
    let room = bed.core.room();
    assert_eq!(bed.govern(permit(Permission::Killed)), [Event::Applied]);
    let permission = bed.core.engine().session_settings(CLIENT).unwrap().permission;
    assert_eq!((permission, bed.core.engine().orders_len()), (Permission::Trade, 2_000));
    let new = bed.order(Side::Buy, 100, 1);
    let told = bed.ask(Command::New(new));
    assert!(is_refused(&told), "{told:?}");
    // Said later, it counts: nobody is killed.
    assert_eq!(bed.govern(permit(Permission::Trade)), [Event::Applied]);
    assert!(room - bed.core.room() < 2_000);

    bed.clear();
    bed.work();
    assert!(!bed.space.is_full());
    let told = bed.work();
    let trades = told.iter().filter(|event| matches!(event, Event::Traded(_))).count();
    assert_eq!((trades, canceled(&told, CancelReason::KillSwitch)), (1_000, 0));
    assert!(matches!(told.last(), Some(Event::PhaseChanged { phase: Phase::Continuous, .. })));
    assert_eq!(bed.core.engine().orders_len(), 0);
    assert_eq!(bed.work(), []);
}

/// Inputs that came with one byte, and it.
#[derive(Default)]
struct Marked(Vec<(Command, u8)>);

impl Follower for Marked {
    fn input(&mut self, head: &TurnHead) {
        if let [mark] = head.attachment() {
            self.0.push((head.input.command, *mark));
        }
    }
    fn event(&mut self, _: &TurnHead, _: u32, _: &Event) {}
    fn end_turn(&mut self, _: &TurnHead) {}
}

/// Whoever has asked several shards hears from each: that it has done it, or that it waits for room.
#[test]
fn one_of_several_says_that_a_cancel_waits() {
    let all = Command::MassCancel(MassCancelScope::Session);
    for has_others in [false, true] {
        let folder = Folder::new();
        let bed = Bed::new(&folder);
        let mut bed = if has_others { Bed { core: bed.core.with_others(), ..bed } } else { bed };
        bed.rest(2_000);
        bed.fill_up_to(QUARTER / 2);
        for _ in 0..2 {
            assert!(bed.ring.push(CLIENT, MsgSeqNum::NONE, &all, &[]));
            assert_eq!(bed.work(), []);
        }
        assert_eq!(bed.core.engine().orders_len(), 2_000);
        bed.clear();
        bed.work();
        let told = bed.work();
        let canceled = told.iter().filter(|event| matches!(event, Event::Canceled(_))).count();
        assert_eq!((canceled, bed.core.engine().orders_len()), (2_000, 0));
        let (mut cutter, mut marked) = (Cutter::default(), Marked::default());
        let mut tail = bed.opened.log.tail(bed.opened.log.start());
        while let Some(frame) = tail.next(bed.opened.log.committed()).unwrap() {
            cutter.frame(&frame, &mut marked).unwrap();
        }
        let waits = Command::Note(Numbering::InboundOnly);
        let expected = [(waits, WAITS[0]), (waits, WAITS[0]), (all, WAITED[0])];
        assert_eq!(marked.0, if has_others { &expected[..] } else { &[] });
    }
}

/// Orders that expire at 100, it is earlier, and there is room for many cancels, but not for that.
fn orders_that_expire(bed: &mut Bed, room: u64) {
    for _ in 0..2_000 {
        let new = bed.order(Side::Buy, 100, 1);
        let terms = Terms { expire_at: Timestamp(100), ..Terms::NONE };
        let new = NewOrder { time_in_force: TimeInForce::Gtd, ..new };
        let told = bed.ask(Command::NewSpecial(new, terms));
        assert!(matches!(told[..], [Event::Accepted(_), Event::Rested(_)]), "{told:?}");
    }
    bed.fill_up_to(room);
}

#[test]
fn what_is_due_waits_until_it_fits_and_time_waits_too() {
    let folder = Folder::new();
    let mut bed = Bed::new(&folder);
    orders_that_expire(&mut bed, QUARTER / 2);
    bed.clock.set(Timestamp(200));
    assert_eq!(bed.govern(Command::Expire), []);
    assert_eq!(bed.govern(Command::Expire), []);
    let told = bed.ask(Command::Cancel { target: OrderNumber(7) });
    assert_eq!((told.len(), canceled(&told, CancelReason::Requested)), (1, 1));
    assert!(is_refused(&bed.enter(Side::Sell, 100, 1)));

    bed.clear();
    bed.work();
    let told = bed.work();
    assert_eq!((told.len(), canceled(&told, CancelReason::Expired)), (1_999, 1_999));
    assert_eq!(bed.work(), []);
}

/// A note takes nothing off, so orders may be due at a time that has been already.
#[test]
fn nothing_is_begun_while_what_is_due_anyway_does_not_fit() {
    let folder = Folder::new();
    let mut bed = Bed::new(&folder);
    orders_that_expire(&mut bed, 2 * QUARTER);
    bed.clock.set(Timestamp(200));
    // The preparer has not looked yet.
    bed.space.set_full(false);
    bed.ask(Command::Note(Numbering::InboundOnly));
    assert!(bed.space.is_full());
    let mut room = 0;
    while room != bed.core.room() {
        room = bed.core.room();
        bed.ask(Command::Note(Numbering::InboundOnly));
    }
    assert!(room > QUARTER / 4);
    assert_eq!(bed.ask(Command::Cancel { target: OrderNumber(7) }), []);
    assert_eq!((bed.core.turns(1), bed.core.engine().orders_len()), (Turned::NoRoom, 2_000));

    bed.clear();
    bed.work();
    let told = bed.work();
    assert_eq!((told.len(), canceled(&told, CancelReason::Expired)), (2_001, 2_000));
    assert!(matches!(told.last(), Some(Event::CancelRejected(_))));
}
