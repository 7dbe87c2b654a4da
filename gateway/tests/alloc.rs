//! Memory: none is taken on the way of an order in and of a report out.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use gateway::fix::{
    CloseReason, Conduct, Fields, Header, Identity, Message, Profile, Session, Shell, Taken,
    UnknownTags, Version, Versions, decode,
};
use matcher::{Command, MsgSeqNum, Timestamp};

/// Counts the calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator as it came; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller's promises are handed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const NOW: Timestamp = Timestamp(1_767_346_200_123_456_789);

/// Takes orders and answers nothing.
#[derive(Default)]
struct Orders(u32);

impl Shell for Orders {
    fn submit(&mut self, _: MsgSeqNum, _: &Command, _: &[u8]) {}

    fn application<'m>(&mut self, _: MsgSeqNum, _: &Message<'m>, _: bool) -> Taken<'m> {
        self.0 += 1;
        Taken::Submitted
    }

    fn resend(&mut self, _: MsgSeqNum, _: MsgSeqNum) {
        panic!("nothing is sent again");
    }

    fn close(&mut self, why: CloseReason) {
        panic!("{why:?}");
    }
}

fn header(msg: u32) -> Header {
    Header { msg: MsgSeqNum(msg), sending_time: NOW, resend: false, now: NOW }
}

#[test]
fn an_order_in_and_a_report_out_take_no_memory() {
    let client = Identity::new(Version::Fix44, b"C1", b"VESTA").unwrap();
    let profile = Profile {
        identity: Identity::new(Version::Fix44, b"VESTA", b"C1").unwrap(),
        versions: Versions::ALL,
        username: None,
        password: None,
        heartbeat_s_min: 1,
        heartbeat_s_max: 60,
        latency_s_max: 120,
        unknown_tags: UnknownTags::Reject,
        conduct: Conduct::Venue,
        resets: None,
    };
    let mut session = Session::new(profile, MsgSeqNum::NONE, MsgSeqNum::NONE);
    let mut orders = Orders::default();
    let mut fields = Box::new(Fields::new());
    let mut bytes = Vec::with_capacity(4096);
    let mut logon = client.begin(&mut bytes, b"A", &header(1));
    logon.uint(98, 0).uint(108, 30);
    logon.finish();
    let (message, _) = decode(&bytes, &mut fields).unwrap();
    session.check_logon(NOW, &message).unwrap();
    session.connect(NOW);
    session.receive(NOW, &message, &mut orders);

    let before = CALLS.with(Cell::get);
    for number in 2..100_002 {
        bytes.clear();
        let mut order = client.begin(&mut bytes, b"D", &header(number));
        order.uint(11, number.into()).char(21, b'1').bytes(55, b"BTC-USD").char(54, b'1');
        order.utc(60, NOW).decimal(38, 150, 2).char(40, b'2').decimal(44, 10_025, 2);
        order.finish();
        let (message, _) = decode(&bytes, &mut fields).unwrap();
        session.receive(NOW, &message, &mut orders);
        assert!(session.next_queued().is_none());
        session.numbered(MsgSeqNum(number));
        let mut report = session.identity().begin(&mut bytes, b"8", &header(number));
        report.uint(37, number.into()).uint(11, number.into()).char(150, b'0').char(39, b'0');
        report.bytes(55, b"BTC-USD").char(54, b'1').decimal(38, 150, 2).utc_ns(60, NOW);
        report.finish();
        session.wrote(NOW);
        session.tick(NOW, &mut orders);
    }
    assert_eq!(CALLS.with(Cell::get), before);
    assert_eq!(orders.0, 100_000);
}
