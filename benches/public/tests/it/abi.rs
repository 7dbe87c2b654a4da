//! The exported functions, in the order in which the harness calls them. One test: the ABI has one
//! engine.

use std::ffi::{c_int, c_void};
use std::ptr;

use public_bench::abi::{CancelMsg, ModifyMsg, MsgBody, NewOrderMsg, Report, TaggedMsg, Transport};
use public_bench::{
    engine_flush, engine_get_transport, engine_init, engine_on_batch, engine_on_cancel,
    engine_on_modify, engine_on_new_order, engine_query_best_ask, engine_query_best_bid,
    engine_query_depth_at, engine_shutdown,
};

fn new(order_id: u64, sequence_number: u64, side: u8, ioc: u8) -> NewOrderMsg {
    let (price_ticks, quantity, reserved) = (100, 10, [0; 2]);
    NewOrderMsg { order_id, sequence_number, price_ticks, quantity, side, ioc, reserved }
}

fn tagged(kind: u8, body: MsgBody) -> TaggedMsg {
    TaggedMsg { kind, reserved: [0; 7], body }
}

/// A queue of the harness: it takes everything, and says once that it is full.
#[derive(Default)]
struct Harness {
    reports: Vec<Report>,
    refused: bool,
}

extern "C" fn create(_capacity: u32) -> *mut c_void {
    ptr::null_mut()
}

unsafe extern "C" fn push(queue: *mut c_void, report: *const Report) -> c_int {
    // SAFETY: the test hands a `Harness` over, nothing else refers to it meanwhile.
    let (harness, report) = unsafe { (&mut *queue.cast::<Harness>(), *report) };
    if !harness.refused {
        harness.refused = true;
        return 0;
    }
    harness.reports.push(report);
    1
}

unsafe extern "C" fn drain(_queue: *mut c_void, _out: *mut Report, _max: u32) -> u32 {
    0
}

unsafe extern "C" fn nothing(_queue: *mut c_void) {}

static QUEUE: Transport = Transport { create, push, drain, flush: nothing, destroy: nothing };

fn kinds(reports: &[Report]) -> Vec<(u8, u64, u64)> {
    reports.iter().map(|report| (report.kind, report.sequence_number, report.order_id)).collect()
}

/// Everything that can be asked, one message at a time; what is answered.
fn one_by_one() {
    let modify = ModifyMsg {
        order_id: 1,
        sequence_number: 1,
        new_price_ticks: 99,
        new_quantity: 12,
        side: 0,
        reserved: [0; 3],
    };
    // SAFETY: the messages are valid.
    unsafe {
        engine_on_new_order(&new(1, 0, 0, 0));
        engine_on_modify(&modify);
        assert_eq!((engine_query_best_bid(), engine_query_best_ask()), (99, i64::MAX));
        assert_eq!((engine_query_depth_at(99, 0), engine_query_depth_at(99, 1)), (12, 0));
        engine_on_cancel(&CancelMsg { order_id: 1, sequence_number: 2 });
    }
    assert_eq!((engine_query_best_bid(), engine_query_best_ask()), (i64::MIN, i64::MAX));
    engine_flush();
}

#[test]
fn as_the_harness_calls_it() {
    let acks = [(0, 0, 1), (3, 1, 1), (2, 2, 1)];

    // Before there is an engine.
    one_by_one_without_engine();

    // Through our ring, then as a batch.
    let ring = engine_get_transport();
    assert!(!ring.is_null());
    // SAFETY: it is a static.
    let ring = unsafe { &*ring };
    let queue = (ring.create)(1 << 10);
    let drained = || {
        let mut out = [Report::default(); 16];
        // SAFETY: there is room for 16, and nobody else drains.
        let count = unsafe { (ring.drain)(queue, out.as_mut_ptr(), 16) };
        kinds(&out[..count as usize])
    };
    // SAFETY: queue and transport belong together and outlive the engine.
    unsafe { engine_init(1, ring, queue) };
    one_by_one();
    assert_eq!(drained(), acks);
    let batch = [
        tagged(0, MsgBody { new: new(1, 3, 1, 0) }),
        tagged(0, MsgBody { new: new(2, 4, 0, 1) }),
        tagged(1, MsgBody { cancel: CancelMsg { order_id: 1, sequence_number: 5 } }),
    ];
    // SAFETY: the messages are valid.
    unsafe { engine_on_batch(batch.as_ptr(), 3) };
    engine_flush();
    assert_eq!(drained(), [(0, 3, 1), (0, 4, 2), (1, 4, 0), (4, 5, 1)]);
    engine_shutdown();
    // SAFETY: the engine is gone.
    unsafe { (ring.destroy)(queue) };

    // Through a queue of the harness.
    let mut harness = Harness::default();
    let queue = (&raw mut harness).cast();
    // SAFETY: queue and transport belong together and outlive the engine.
    unsafe { engine_init(2, &raw const QUEUE, queue) };
    one_by_one();
    engine_shutdown();
    assert_eq!(kinds(&harness.reports), acks);
}

fn one_by_one_without_engine() {
    // SAFETY: the message is valid.
    unsafe { engine_on_cancel(&CancelMsg { order_id: 1, sequence_number: 0 }) };
    engine_flush();
    assert_eq!((engine_query_best_bid(), engine_query_best_ask()), (i64::MIN, i64::MAX));
    assert_eq!(engine_query_depth_at(1, 0), 0);
}
