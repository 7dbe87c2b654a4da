//! The way out: one producer, one consumer, 32 bytes a report, shown a batch at a time.
//!
//! It has the room that the harness asks for, so a drainer that is a million reports behind stops nobody.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::hint;
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use matcher::{OrderNumber, Side};

use crate::abi::{Report, ReportKind, Transport};
use crate::desk::Outlet;
use crate::memory::prefetch_to_write;
use crate::names::Ids;

/// A report, packed: kind, side and quantity; sequence number; price; id, or numbers of maker and taker.
type Slot = [u64; 4];

/// At most so many reports are held back before the consumer is shown them. A power of two.
///
/// A page that is turned costs both threads a fight for the lines at its edge, 150 to 500 ns: 64 reports a
/// page cost 5 to 9 ns a message, 256 about 1, 1,024 nothing that can be measured.
const PAGE: usize = 1024;

/// So many slots ahead the producer asks for the line that it is going to write. A lap ago that was the
/// consumer's, and a ring of the size that the harness asks for fits no cache of one core: stores that wait for it
/// hold up all that come after.
const AHEAD: usize = 48;

/// A pair of cache lines of its own: the hardware fetches them together.
#[repr(align(128))]
struct Apart<T>(T);

/// What the producer has of a ring: a page of it, which is shown when it is full.
pub struct RingOutlet<'a> {
    /// The slot of the next report.
    next: *mut Slot,
    /// The end of the page.
    end: *mut Slot,
    /// The number of the report that would be at `end`.
    end_at: usize,
    /// What was free when it last looked: the number of the first report that has no slot.
    free_to: usize,
    ring: &'a Ring,
}

/// The consumer's part.
struct Consumer {
    /// Reports read.
    head: usize,
    /// The tail when it last looked.
    tail: usize,
}

/// A ring of packed reports for two threads: one has a [`RingOutlet`], one drains.
pub struct Ring {
    slots: *mut Slot,
    /// One less than their number, which is a power of two.
    mask: usize,
    /// Whose the numbers are.
    ids: Arc<Ids>,
    consumer: Apart<UnsafeCell<Consumer>>,
    /// Reports shown to the consumer.
    shown: Apart<AtomicUsize>,
    /// Reports whose slots are free again.
    freed: Apart<AtomicUsize>,
}

impl Ring {
    /// A ring for at least `capacity` reports, its memory touched.
    #[must_use]
    pub fn new(capacity: u32) -> Ring {
        let len = (capacity as usize).max(PAGE).next_power_of_two();
        // Not zero: that would be a promise of memory.
        let slots = vec![[u64::MAX; 4]; len].into_boxed_slice();
        Ring {
            slots: Box::into_raw(slots).cast(),
            mask: len - 1,
            ids: Arc::new(Ids::new()),
            consumer: Apart(UnsafeCell::new(Consumer { head: 0, tail: 0 })),
            shown: Apart(AtomicUsize::new(0)),
            freed: Apart(AtomicUsize::new(0)),
        }
    }

    /// What the drained reports' ids are made from.
    #[must_use]
    pub fn ids(&self) -> Arc<Ids> {
        Arc::clone(&self.ids)
    }

    /// The slot of the report with this number. Numbers go on for ever.
    #[inline]
    fn slot(&self, at: usize) -> *mut Slot {
        // SAFETY: masked, the index is below the number of slots.
        unsafe { self.slots.add(at & self.mask) }
    }

    /// Reads as many reports as there are, or as `out` takes.
    ///
    /// # Safety
    ///
    /// The caller is the consumer, alone.
    unsafe fn drain(&self, out: &mut [Report]) -> u32 {
        // SAFETY: only the consumer reads or writes its part, and there is one.
        let consumer = unsafe { &mut *self.consumer.0.get() };
        if consumer.head == consumer.tail {
            consumer.tail = self.shown.0.load(Ordering::Acquire);
        }
        let mut count = 0;
        while count < out.len() && consumer.head != consumer.tail {
            // SAFETY: the report is shown and not freed, so the producer does not write it.
            out[count] = unpack(unsafe { &*self.slot(consumer.head) }, &self.ids);
            consumer.head = consumer.head.wrapping_add(1);
            count += 1;
        }
        if count > 0 {
            self.freed.0.store(consumer.head, Ordering::Release);
        }
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let slots = ptr::slice_from_raw_parts_mut(self.slots, self.mask + 1);
        // SAFETY: `new` made it from a box of that length, and nobody else frees it.
        drop(unsafe { Box::from_raw(slots) });
    }
}

impl<'a> RingOutlet<'a> {
    /// The producer of `ring`, which nothing was pushed to.
    ///
    /// # Safety
    ///
    /// `ring` has no other producer, ever.
    #[must_use]
    pub unsafe fn new(ring: &'a Ring) -> RingOutlet<'a> {
        RingOutlet { next: ring.slots, end: ring.slots, end_at: 0, free_to: ring.mask + 1, ring }
    }

    /// Writes a report; waits while the ring is full.
    #[inline(always)]
    fn push(&mut self, slot: Slot) {
        if self.next == self.end {
            self.turn_page();
        }
        prefetch_to_write(self.next, AHEAD);
        // SAFETY: the slot is in the page, so the consumer has freed it and is not shown it.
        unsafe { *self.next = slot };
        // SAFETY: at most the end of the page, which is at most the end of the ring.
        self.next = unsafe { self.next.add(1) };
    }

    /// Shows a full page, finds room for the next one.
    #[cold]
    #[inline(never)]
    fn turn_page(&mut self) {
        let at = self.end_at;
        self.ring.shown.0.store(at, Ordering::Release);
        // Looked up as rarely as can be: the line is the consumer's.
        while self.free_to == at {
            let freed = self.ring.freed.0.load(Ordering::Acquire);
            self.free_to = freed.wrapping_add(self.ring.mask + 1);
            hint::spin_loop();
        }
        // Not over the edge: a page begins and ends where its number says, or sooner.
        let room = self.free_to.wrapping_sub(at);
        let len = room.min(PAGE - at % PAGE);
        self.next = self.ring.slot(at);
        // SAFETY: the ring has a multiple of `PAGE` slots.
        self.end = unsafe { self.next.add(len) };
        self.end_at = at.wrapping_add(len);
    }

    /// Shows everything that was written.
    fn show(&self) {
        // SAFETY: both are in the same page.
        let unused = unsafe { self.end.offset_from(self.next) };
        let at = self.end_at.wrapping_sub(unused.unsigned_abs());
        self.ring.shown.0.store(at, Ordering::Release);
    }
}

#[inline(always)]
fn pack_answer(kind: ReportKind, seq: u64, id: u64, side: Side, price: i64, qty: u32) -> Slot {
    let head = kind as u64 | (side as u64) << 8 | u64::from(qty) << 32;
    [head, seq, price.cast_unsigned(), id]
}

#[inline(always)]
fn pack_trade(seq: u64, maker: OrderNumber, taker: OrderNumber, price: i64, qty: u32) -> Slot {
    let head = ReportKind::Trade as u64 | u64::from(qty) << 32;
    let numbers = u64::from(maker.0) | u64::from(taker.0) << 32;
    [head, seq, price.cast_unsigned(), numbers]
}

/// The report as the benchmark wants it.
#[inline]
fn unpack([head, seq, price, last]: &Slot, ids: &Ids) -> Report {
    let [kind, side, _, _, q0, q1, q2, q3] = head.to_le_bytes();
    let report = Report {
        kind,
        side: u8::from(side == Side::Sell as u8),
        sequence_number: *seq,
        price_ticks: price.cast_signed(),
        quantity: u32::from_le_bytes([q0, q1, q2, q3]),
        ..Report::default()
    };
    if kind == ReportKind::Trade as u8 {
        let [m0, m1, m2, m3, t0, t1, t2, t3] = last.to_le_bytes();
        let [maker, taker] = [[m0, m1, m2, m3], [t0, t1, t2, t3]]
            .map(|number| ids.of(OrderNumber(u32::from_le_bytes(number))));
        Report { maker_order_id: maker, taker_order_id: taker, ..report }
    } else {
        Report { order_id: *last, ..report }
    }
}

impl Outlet for RingOutlet<'_> {
    #[inline(always)]
    fn answer(&mut self, kind: ReportKind, seq: u64, id: u64, side: Side, price: i64, qty: u32) {
        self.push(pack_answer(kind, seq, id, side, price, qty));
    }

    #[inline(always)]
    fn trade(&mut self, seq: u64, maker: OrderNumber, taker: OrderNumber, price: i64, qty: u32) {
        self.push(pack_trade(seq, maker, taker, price, qty));
    }

    fn flush(&mut self) {
        self.show();
    }
}

/// The same reports through the queue of the harness.
pub struct QueueOutlet {
    transport: &'static Transport,
    queue: *mut c_void,
    ids: Arc<Ids>,
}

impl QueueOutlet {
    /// The producer of `queue`.
    ///
    /// # Safety
    ///
    /// `queue` is one of `transport`, both live as long as this, there is no other producer.
    #[must_use]
    pub unsafe fn new(
        transport: &'static Transport,
        queue: *mut c_void,
        ids: Arc<Ids>,
    ) -> QueueOutlet {
        QueueOutlet { transport, queue, ids }
    }

    #[inline(never)]
    fn push(&mut self, slot: &Slot) {
        let report = unpack(slot, &self.ids);
        // SAFETY: `new` was promised that the queue is this transport's and has one producer.
        while unsafe { (self.transport.push)(self.queue, &raw const report) } == 0 {
            hint::spin_loop();
        }
    }
}

impl Outlet for QueueOutlet {
    #[inline]
    fn answer(&mut self, kind: ReportKind, seq: u64, id: u64, side: Side, price: i64, qty: u32) {
        self.push(&pack_answer(kind, seq, id, side, price, qty));
    }

    #[inline]
    fn trade(&mut self, seq: u64, maker: OrderNumber, taker: OrderNumber, price: i64, qty: u32) {
        self.push(&pack_trade(seq, maker, taker, price, qty));
    }

    fn flush(&mut self) {}
}

/// The ring for the harness: it creates one, its drainer's thread drains it.
pub static TRANSPORT: Transport = Transport { create, push, drain, flush, destroy };

extern "C" fn create(capacity: u32) -> *mut c_void {
    Box::into_raw(Box::new(Ring::new(capacity))).cast()
}

/// Never called: the engine has its own end of the ring.
unsafe extern "C" fn push(_queue: *mut c_void, _report: *const Report) -> c_int {
    0
}

unsafe extern "C" fn drain(queue: *mut c_void, out: *mut Report, max: u32) -> u32 {
    // SAFETY: the harness hands over what `create` gave, and room for `max` reports.
    let (ring, out) =
        unsafe { (&*queue.cast::<Ring>(), slice::from_raw_parts_mut(out, max as usize)) };
    // SAFETY: the harness has one consumer, the caller.
    unsafe { ring.drain(out) }
}

/// Nothing left to show: `engine_flush` has shown it, and comes before.
unsafe extern "C" fn flush(_queue: *mut c_void) {}

unsafe extern "C" fn destroy(queue: *mut c_void) {
    // SAFETY: the harness hands over what `create` gave, once, when both threads are done.
    drop(unsafe { Box::from_raw(queue.cast::<Ring>()) });
}
