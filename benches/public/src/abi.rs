//! The benchmark's C ABI: `api/matching_engine_api.h` as Rust types. What the fields mean is said there.

use std::ffi::{c_int, c_void};

/// `new_order_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NewOrderMsg {
    /// The client's id of the order.
    pub order_id: u64,
    /// Place in the workload; every report to this message carries it.
    pub sequence_number: u64,
    /// Limit price.
    pub price_ticks: i64,
    /// Quantity.
    pub quantity: u32,
    /// 0 buys, 1 sells.
    pub side: u8,
    /// 1: what does not trade at once is canceled.
    pub ioc: u8,
    /// Padding.
    pub reserved: [u8; 2],
}

/// `cancel_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CancelMsg {
    /// Which order.
    pub order_id: u64,
    /// Place in the workload.
    pub sequence_number: u64,
}

/// `modify_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ModifyMsg {
    /// Which order.
    pub order_id: u64,
    /// Place in the workload.
    pub sequence_number: u64,
    /// The limit price from now on.
    pub new_price_ticks: i64,
    /// What is open from now on; what has traded before is not in it.
    pub new_quantity: u32,
    /// The order's side.
    pub side: u8,
    /// Padding.
    pub reserved: [u8; 3],
}

/// `me_msg_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TaggedMsg {
    /// Which arm of `body` is live: 0 new, 1 cancel, 2 modify.
    pub kind: u8,
    /// Padding.
    pub reserved: [u8; 7],
    /// The message.
    pub body: MsgBody,
}

/// The union in `me_msg_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union MsgBody {
    /// Kind 0.
    pub new: NewOrderMsg,
    /// Kind 1.
    pub cancel: CancelMsg,
    /// Kind 2.
    pub modify: ModifyMsg,
}

/// `me_report_type_t`.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// An order is accepted.
    OrderAck = 0,
    /// A fill.
    Trade = 1,
    /// An order, or what is left of an IOC order, is canceled.
    CancelAck = 2,
    /// An order is modified.
    ModifyAck = 3,
    /// A cancel of what does not rest.
    CancelReject = 4,
    /// A modify of what does not rest.
    ModifyReject = 5,
}

/// `me_report_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// A [`ReportKind`].
    pub kind: u8,
    /// 0 buys, 1 sells; not of trades and rejects.
    pub side: u8,
    /// Padding.
    pub reserved: [u8; 6],
    /// That of the message which is answered.
    pub sequence_number: u64,
    /// Not of trades.
    pub order_id: u64,
    /// Of a trade the maker's price.
    pub price_ticks: i64,
    /// How much.
    pub quantity: u32,
    /// Padding.
    pub reserved2: u32,
    /// Of trades only.
    pub maker_order_id: u64,
    /// Of trades only.
    pub taker_order_id: u64,
    /// Padding.
    pub reserved3: u64,
}

/// `me_transport_t`: how reports get to the thread that drains them.
#[repr(C)]
pub struct Transport {
    /// A queue with room for at least so many reports.
    pub create: extern "C" fn(capacity: u32) -> *mut c_void,
    /// Takes one report; 0 if full.
    pub push: unsafe extern "C" fn(queue: *mut c_void, report: *const Report) -> c_int,
    /// Gives up to `max` reports; how many.
    pub drain: unsafe extern "C" fn(queue: *mut c_void, out: *mut Report, max: u32) -> u32,
    /// Shows what was pushed and not shown yet.
    pub flush: unsafe extern "C" fn(queue: *mut c_void),
    /// Frees the queue.
    pub destroy: unsafe extern "C" fn(queue: *mut c_void),
}

const _: () = assert!(size_of::<NewOrderMsg>() == 32);
const _: () = assert!(size_of::<CancelMsg>() == 16);
const _: () = assert!(size_of::<ModifyMsg>() == 32);
const _: () = assert!(size_of::<TaggedMsg>() == 40 && std::mem::offset_of!(TaggedMsg, body) == 8);
const _: () = assert!(size_of::<Report>() == 64);
