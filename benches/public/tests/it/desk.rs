//! What a message is answered with. The rules are the benchmark's: docs/CONFORMANCE.md there.

use std::sync::Arc;

use matcher::{OrderNumber, Side};
use public_bench::abi::{CancelMsg, ModifyMsg, NewOrderMsg, ReportKind};
use public_bench::desk::{Desk, Outlet};
use public_bench::names::{Ids, WIDE_MAX};

const BUY: u8 = 0;
const SELL: u8 = 1;

/// Reports as lines: kind, sequence number, then what the benchmark's canonical text has.
struct Lines {
    ids: Arc<Ids>,
    lines: Vec<String>,
}

impl Outlet for Lines {
    fn answer(&mut self, kind: ReportKind, seq: u64, id: u64, side: Side, price: i64, qty: u32) {
        self.lines.push(match kind {
            ReportKind::CancelReject | ReportKind::ModifyReject => format!("{kind:?} {seq} #{id}"),
            _ => format!("{kind:?} {seq} #{id} {side:?} {qty} @ {price}"),
        });
    }

    fn trade(&mut self, seq: u64, maker: OrderNumber, taker: OrderNumber, price: i64, qty: u32) {
        let (maker, taker) = (self.ids.of(maker), self.ids.of(taker));
        self.lines.push(format!("Trade {seq} #{maker} #{taker} {qty} @ {price}"));
    }

    fn flush(&mut self) {}
}

struct Rig {
    desk: Desk<Lines>,
    seq: u64,
}

impl Rig {
    fn new() -> Rig {
        let ids = Arc::new(Ids::new());
        let lines = Lines { ids: Arc::clone(&ids), lines: Vec::new() };
        Rig { desk: Desk::new(lines, ids), seq: 0 }
    }

    fn enter(&mut self, order_id: u64, side: u8, quantity: u32, price_ticks: i64) -> Vec<String> {
        self.enter_as(order_id, side, quantity, price_ticks, 0)
    }

    fn enter_as(
        &mut self,
        order_id: u64,
        side: u8,
        quantity: u32,
        price_ticks: i64,
        ioc: u8,
    ) -> Vec<String> {
        let sequence_number = self.next();
        let reserved = [0; 2];
        self.desk.enter(&NewOrderMsg {
            order_id,
            sequence_number,
            price_ticks,
            quantity,
            side,
            ioc,
            reserved,
        });
        self.answers()
    }

    fn cancel(&mut self, order_id: u64) -> Vec<String> {
        let sequence_number = self.next();
        self.desk.cancel(&CancelMsg { order_id, sequence_number });
        self.answers()
    }

    fn modify(&mut self, order_id: u64, side: u8, new_quantity: u32, price: i64) -> Vec<String> {
        let sequence_number = self.next();
        let (new_price_ticks, reserved) = (price, [0; 3]);
        self.desk.modify(&ModifyMsg {
            order_id,
            sequence_number,
            new_price_ticks,
            new_quantity,
            side,
            reserved,
        });
        self.answers()
    }

    fn next(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn answers(&mut self) -> Vec<String> {
        self.desk.check();
        std::mem::take(&mut self.desk.outlet.lines)
    }

    fn best(&self) -> [Option<i64>; 2] {
        [Side::Buy, Side::Sell].map(|side| self.desk.best(side))
    }
}

#[test]
fn an_order_rests_and_is_canceled_once() {
    let mut rig = Rig::new();
    assert_eq!(rig.enter(7, SELL, 10, 100), ["OrderAck 1 #7 Sell 10 @ 100"]);
    assert_eq!(rig.best(), [None, Some(100)]);
    assert_eq!(rig.desk.depth_at(Side::Sell, 100), 10);
    assert_eq!(rig.desk.depth_at(Side::Buy, 100), 0);
    assert_eq!(rig.cancel(7), ["CancelAck 2 #7 Sell 10 @ 100"]);
    assert_eq!(rig.cancel(7), ["CancelReject 3 #7"]);
    assert_eq!(rig.modify(7, SELL, 5, 100), ["ModifyReject 4 #7"]);
    assert_eq!(rig.best(), [None, None]);
}

#[test]
fn a_trade_is_at_the_makers_price() {
    let mut rig = Rig::new();
    rig.enter(1, SELL, 10, 100);
    rig.enter(2, SELL, 10, 101);
    let answers = rig.enter(3, BUY, 15, 105);
    assert_eq!(
        answers,
        ["OrderAck 3 #3 Buy 15 @ 105", "Trade 3 #1 #3 10 @ 100", "Trade 3 #2 #3 5 @ 101"]
    );
    assert_eq!(rig.cancel(1), ["CancelReject 4 #1"]);
    assert_eq!(rig.cancel(2), ["CancelAck 5 #2 Sell 5 @ 101"]);
}

#[test]
fn what_an_ioc_order_leaves_is_canceled() {
    let mut rig = Rig::new();
    rig.enter(1, BUY, 10, 100);
    assert_eq!(
        rig.enter_as(2, SELL, 15, 99, 1),
        ["OrderAck 2 #2 Sell 15 @ 99", "Trade 2 #1 #2 10 @ 100", "CancelAck 2 #2 Sell 5 @ 99"]
    );
    assert_eq!(rig.best(), [None, None]);
    assert_eq!(rig.cancel(2), ["CancelReject 3 #2"]);
}

#[test]
fn a_modify_gives_what_is_open_anew() {
    let mut rig = Rig::new();
    rig.enter(1, SELL, 10, 100);
    rig.enter(2, BUY, 4, 100);
    // 6 are left of 10; 6 more than were done are asked for.
    assert_eq!(rig.modify(1, SELL, 6, 101), ["ModifyAck 3 #1 Sell 6 @ 101"]);
    assert_eq!(rig.desk.depth_at(Side::Sell, 101), 6);
    assert_eq!(rig.modify(1, SELL, 9, 101), ["ModifyAck 4 #1 Sell 9 @ 101"]);
    assert_eq!(rig.desk.depth_at(Side::Sell, 101), 9);
    assert_eq!(
        rig.enter_as(3, BUY, 9, 101, 1),
        ["OrderAck 5 #3 Buy 9 @ 101", "Trade 5 #1 #3 9 @ 101"]
    );
    assert_eq!(rig.cancel(1), ["CancelReject 6 #1"]);
}

#[test]
fn a_taker_that_rests_remembers_what_it_took() {
    let mut rig = Rig::new();
    rig.enter(1, SELL, 3, 100);
    rig.enter(2, BUY, 10, 100);
    assert_eq!(rig.desk.depth_at(Side::Buy, 100), 7);
    assert_eq!(rig.modify(2, BUY, 8, 99), ["ModifyAck 3 #2 Buy 8 @ 99"]);
    assert_eq!(rig.desk.depth_at(Side::Buy, 99), 8);
    rig.enter(3, SELL, 2, 110);
    let crossing = rig.modify(2, BUY, 8, 120);
    assert_eq!(crossing, ["ModifyAck 5 #2 Buy 8 @ 120", "Trade 5 #3 #2 2 @ 110"]);
    assert_eq!(rig.desk.depth_at(Side::Buy, 120), 6);
    assert_eq!(rig.modify(2, BUY, 1, 90), ["ModifyAck 6 #2 Buy 1 @ 90"]);
    assert_eq!(rig.cancel(2), ["CancelAck 7 #2 Buy 1 @ 90"]);
}

#[test]
fn a_refused_modify_leaves_the_order_as_it_was() {
    let mut rig = Rig::new();
    rig.enter(1, BUY, 10, 100);
    assert_eq!(rig.modify(1, BUY, 0, 100), ["ModifyReject 2 #1"]);
    assert_eq!(rig.modify(1, BUY, 5, i64::MAX), ["ModifyReject 3 #1"]);
    assert_eq!(rig.modify(1, SELL, 5, 100), ["ModifyReject 4 #1"]);
    assert_eq!(rig.cancel(1), ["CancelAck 5 #1 Buy 10 @ 100"]);
}

#[test]
fn a_free_id_is_used_again() {
    let mut rig = Rig::new();
    rig.enter(1, BUY, 10, 100);
    rig.cancel(1);
    assert_eq!(rig.enter(1, SELL, 10, 200), ["OrderAck 3 #1 Sell 10 @ 200"]);
    let answers = rig.enter_as(2, BUY, 10, 200, 1);
    assert_eq!(answers, ["OrderAck 4 #2 Buy 10 @ 200", "Trade 4 #1 #2 10 @ 200"]);
    assert_eq!(rig.enter(1, BUY, 1, 50), ["OrderAck 5 #1 Buy 1 @ 50"]);
    assert_eq!(rig.cancel(1), ["CancelAck 6 #1 Buy 1 @ 50"]);
}

#[test]
fn an_id_that_was_never_seen_is_refused() {
    let mut rig = Rig::new();
    for id in [0, 999, 2_000_000, 1 << 26, u64::MAX] {
        assert_eq!(rig.cancel(id), [format!("CancelReject {} #{id}", rig.seq)]);
        assert_eq!(rig.modify(id, BUY, 5, 100), [format!("ModifyReject {} #{id}", rig.seq)]);
    }
}

#[test]
fn an_absurd_id_is_an_id() {
    let mut rig = Rig::new();
    let (maker, taker) = (u64::MAX, 1 << 40);
    rig.enter(maker, SELL, 10, 100);
    assert_eq!(rig.modify(maker, SELL, 11, 100), [format!("ModifyAck 2 #{maker} Sell 11 @ 100")]);
    assert_eq!(rig.enter(taker, BUY, 4, 100)[1], format!("Trade 3 #{maker} #{taker} 4 @ 100"));
    assert_eq!(rig.cancel(maker), [format!("CancelAck 4 #{maker} Sell 7 @ 100")]);
    assert_eq!(rig.cancel(taker), [format!("CancelReject 5 #{taker}")]);
}

#[test]
fn absurd_ids_have_a_bound() {
    let mut rig = Rig::new();
    let first = 1 << 50;
    for id in (first..).take(WIDE_MAX as usize) {
        rig.desk.enter(&NewOrderMsg {
            order_id: id,
            sequence_number: 0,
            price_ticks: 100,
            quantity: 1,
            side: BUY,
            ioc: 1,
            reserved: [0; 2],
        });
    }
    rig.answers();
    let last = first + u64::from(WIDE_MAX);
    assert!(rig.enter(last, BUY, 1, 100).is_empty());
    assert_eq!(rig.cancel(last), [format!("CancelReject {} #{last}", rig.seq)]);
    assert_eq!(rig.enter(first, BUY, 1, 100).len(), 1);
    assert_eq!(rig.enter(1, BUY, 1, 100).len(), 1);
}

#[test]
fn what_the_instrument_does_not_take_is_not_answered() {
    let mut rig = Rig::new();
    assert!(rig.enter(1, BUY, 0, 100).is_empty());
    assert!(rig.enter(1, BUY, 1, i64::MIN).is_empty());
    assert_eq!(rig.cancel(1), ["CancelReject 3 #1"]);
    assert_eq!(rig.enter(1, BUY, u32::MAX, -5).len(), 1);
    assert_eq!(rig.cancel(1), [format!("CancelAck 5 #1 Buy {} @ -5", u32::MAX)]);
}
