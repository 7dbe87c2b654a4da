//! The ring, through its own end and the table of C functions.

use std::ffi::c_void;
use std::thread;

use matcher::{OrderNumber, Side};
use public_bench::abi::{Report, ReportKind};
use public_bench::desk::Outlet;
use public_bench::names::{Names, Note};
use public_bench::ring::{Ring, RingOutlet, TRANSPORT};

struct Queue(*mut c_void);

// SAFETY: one thread has the producer's end, one drains.
unsafe impl Sync for Queue {}

impl Queue {
    fn new(capacity: u32) -> Queue {
        Queue((TRANSPORT.create)(capacity))
    }

    fn ring(&self) -> &Ring {
        // SAFETY: `create` gave a ring, which lives as long as this.
        unsafe { &*self.0.cast::<Ring>() }
    }

    fn outlet(&self) -> RingOutlet<'_> {
        // SAFETY: each test takes one outlet.
        unsafe { RingOutlet::new(self.ring()) }
    }

    fn drain(&self, max: usize) -> Vec<Report> {
        let mut out = vec![Report::default(); max];
        // SAFETY: there is room for `max`; each test drains on one thread.
        let count = unsafe { (TRANSPORT.drain)(self.0, out.as_mut_ptr(), max.try_into().unwrap()) };
        out.truncate(count as usize);
        out
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: `create` gave it, and nobody has it any more.
        unsafe { (TRANSPORT.destroy)(self.0) };
    }
}

fn ack(outlet: &mut RingOutlet<'_>, seq: u64) {
    outlet.answer(ReportKind::OrderAck, seq, seq + 1, Side::Sell, -1, u32::MAX);
}

#[test]
fn a_report_comes_out_as_it_went_in() {
    let queue = Queue::new(100);
    let mut outlet = queue.outlet();
    let (seq, id) = (u64::MAX - 1, u64::MAX - 2);
    outlet.answer(ReportKind::ModifyAck, seq, id, Side::Sell, i64::MIN, u32::MAX);
    outlet.answer(ReportKind::CancelAck, 1, 2, Side::Buy, i64::MAX, 3);
    let mut names = Names::new(queue.ring().ids());
    for (id, number) in [(60, 6), (70, 7)] {
        let (tag, number) = (names.tag(id).unwrap(), OrderNumber(number));
        assert!(names.claim(tag, number));
        names.name(tag, number, Note { price: 0, cum_qty: 0, side: Side::Buy });
    }
    outlet.trade(5, OrderNumber(6), OrderNumber(7), -8, 9);
    assert!(queue.drain(10).is_empty(), "held back until the batch is full");
    outlet.flush();
    let none = Report::default();
    assert_eq!(
        queue.drain(10),
        [
            Report {
                kind: 3,
                side: 1,
                sequence_number: seq,
                order_id: id,
                price_ticks: i64::MIN,
                quantity: u32::MAX,
                ..none
            },
            Report {
                kind: 2,
                sequence_number: 1,
                order_id: 2,
                price_ticks: i64::MAX,
                quantity: 3,
                ..none
            },
            Report {
                kind: 1,
                sequence_number: 5,
                price_ticks: -8,
                quantity: 9,
                maker_order_id: 60,
                taker_order_id: 70,
                ..none
            },
        ]
    );
    assert!(queue.drain(10).is_empty());
}

#[test]
fn it_holds_what_was_asked_for() {
    let queue = Queue::new(1000);
    let mut outlet = queue.outlet();
    for seq in 0..1000 {
        ack(&mut outlet, seq);
    }
    outlet.flush();
    let mut seqs = Vec::new();
    for max in [1, 0, 998, 10] {
        seqs.extend(queue.drain(max).iter().map(|report| report.sequence_number));
    }
    assert_eq!(seqs, (0..1000).collect::<Vec<_>>());
}

#[test]
fn two_threads_and_a_ring_that_is_too_small() {
    const REPORTS: u64 = 100_000;
    let queue = Queue::new(64);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut outlet = queue.outlet();
            for seq in 0..REPORTS {
                ack(&mut outlet, seq);
            }
            outlet.flush();
        });
        let mut next = 0;
        while next < REPORTS {
            let reports = queue.drain(50);
            if reports.is_empty() {
                thread::yield_now();
            }
            for report in reports {
                assert_eq!((report.sequence_number, report.order_id), (next, next + 1));
                next += 1;
            }
        }
    });
}
