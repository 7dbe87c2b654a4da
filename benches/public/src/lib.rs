//! Our matcher behind the C ABI of the public matching-engine benchmark.
//!
//! Every message goes through [`matcher::Engine::apply`] as an Input, alone and in order; every report
//! is made from an Event; every query reads the engine's book. What a gateway does is done here:
//! [`names`] maps the client's ids to order numbers and back. See README.md for what is measured.

#![allow(unsafe_code)] // A C ABI, and a ring between two threads. Each block says why it is sound.

pub mod abi;
pub mod desk;
mod memory;
pub mod names;
pub mod ring;

use std::cell::UnsafeCell;
use std::env;
use std::ffi::c_void;
use std::ptr;
use std::slice;
use std::sync::Arc;

use matcher::Side;

use abi::{CancelMsg, ModifyMsg, NewOrderMsg, TaggedMsg, Transport};
use desk::{Desk, Outlet};
use memory::{HugePages, prefetch};
use names::Ids;
use ring::{QueueOutlet, Ring, RingOutlet, TRANSPORT};

#[global_allocator]
static MEMORY: HugePages = HugePages;

/// If this variable is set the reports go through the harness's own queue.
const OWN_QUEUE: &str = "PUBLIC_BENCH_HARNESS_QUEUE";

/// So many messages ahead the memory of a batch is asked for, which says nothing of what is in it. About the time
/// that memory takes.
const MSGS_AHEAD: usize = 40;

/// The engine under test, by where its reports go.
enum UnderTest {
    Nothing,
    Ring(Desk<RingOutlet<'static>>),
    Queue(Desk<QueueOutlet>),
}

/// The ABI has no handle, so there is one of it.
struct Global(UnsafeCell<UnderTest>);

// SAFETY: the harness makes all `engine_*` calls on one thread; its drainer knows the ring alone.
unsafe impl Sync for Global {}

static UNDER_TEST: Global = Global(UnsafeCell::new(UnderTest::Nothing));

/// Calls `$call` on the desk, whatever its outlet.
macro_rules! desk {
    ($desk:ident => $call:expr, else $nothing:expr) => {
        // SAFETY: the harness's thread is here, alone; no call is made from inside another.
        match unsafe { &mut *UNDER_TEST.0.get() } {
            UnderTest::Ring($desk) => $call,
            other => aside(|| match other {
                UnderTest::Queue($desk) => $call,
                _ => $nothing,
            }),
        }
    };
}

/// Keeps what is rare out of the way.
#[cold]
#[inline(never)]
fn aside<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Which queue the harness is to use.
#[unsafe(no_mangle)]
pub extern "C" fn engine_get_transport() -> *const Transport {
    if env::var_os(OWN_QUEUE).is_some() { ptr::null() } else { &raw const TRANSPORT }
}

/// Sets the engine up. The nonce is not used: nothing here is random.
///
/// # Safety
///
/// `transport` is null or valid until the end, `queue` is one of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_init(_nonce: u64, transport: *const Transport, queue: *mut c_void) {
    let under_test = if ptr::eq(transport, &raw const TRANSPORT) {
        // SAFETY: the queue of our transport is a ring.
        let ring = unsafe { &*queue.cast::<Ring>() };
        // SAFETY: the engine is its only producer.
        UnderTest::Ring(Desk::new(unsafe { RingOutlet::new(ring) }, ring.ids()))
    } else if transport.is_null() {
        UnderTest::Nothing
    } else {
        let ids = Arc::new(Ids::new());
        // SAFETY: the harness says that both live until the end, and the engine is the only producer.
        let outlet = unsafe { QueueOutlet::new(&*transport, queue, Arc::clone(&ids)) };
        UnderTest::Queue(Desk::new(outlet, ids))
    };
    // SAFETY: the harness's thread is here, alone.
    unsafe { *UNDER_TEST.0.get() = under_test };
}

/// Tears the engine down.
#[unsafe(no_mangle)]
pub extern "C" fn engine_shutdown() {
    // SAFETY: the harness's thread is here, alone.
    unsafe { *UNDER_TEST.0.get() = UnderTest::Nothing };
}

/// A new order.
///
/// # Safety
///
/// `msg` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_new_order(msg: *const NewOrderMsg) {
    // SAFETY: the caller's promise.
    let msg = unsafe { &*msg };
    desk!(desk => desk.enter(msg), else ());
}

/// A cancel.
///
/// # Safety
///
/// `msg` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_cancel(msg: *const CancelMsg) {
    // SAFETY: the caller's promise.
    let msg = unsafe { &*msg };
    desk!(desk => desk.cancel(msg), else ());
}

/// A modify.
///
/// # Safety
///
/// `msg` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_modify(msg: *const ModifyMsg) {
    // SAFETY: the caller's promise.
    let msg = unsafe { &*msg };
    desk!(desk => desk.modify(msg), else ());
}

/// Several messages, one after the other: none is looked at before the one ahead of it is done. The
/// reports are shown at the end.
///
/// # Safety
///
/// `msgs` are `len` valid messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_batch(msgs: *const TaggedMsg, len: u32) {
    // SAFETY: the caller's promise.
    let msgs = unsafe { slice::from_raw_parts(msgs, len as usize) };
    desk!(desk => work(desk, msgs), else ());
}

fn work<O: Outlet>(desk: &mut Desk<O>, msgs: &[TaggedMsg]) {
    for msg in msgs {
        prefetch(&raw const *msg, MSGS_AHEAD);
        // SAFETY: the tag says which arm is live.
        unsafe {
            match msg.kind {
                0 => desk.enter(&msg.body.new),
                1 => desk.cancel(&msg.body.cancel),
                _ => desk.modify(&msg.body.modify),
            }
        }
    }
    desk.outlet.flush();
}

/// Everything is matched and reported when the call returns; the reports are shown.
#[unsafe(no_mangle)]
pub extern "C" fn engine_flush() {
    desk!(desk => desk.outlet.flush(), else ());
}

/// The best bid in ticks, `INT64_MIN` if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_best_bid() -> i64 {
    desk!(desk => desk.best(Side::Buy), else None).unwrap_or(i64::MIN)
}

/// The best ask in ticks, `INT64_MAX` if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_best_ask() -> i64 {
    desk!(desk => desk.best(Side::Sell), else None).unwrap_or(i64::MAX)
}

/// What rests at a price.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_depth_at(price: i64, side: u8) -> u64 {
    desk!(desk => desk.depth_at(desk::side_of(side), price), else 0)
}
