//! Numbers that start again by the clock, over sockets.

use gateway::zone::{Recurring, Zone};
use matcher::{MsgSeqNum, SessionId};

use crate::desk::{Desk, SECOND, session, settings};

/// Session 1 begins anew ten minutes after the desk opens, and then every hour; session 2 never does.
fn desk() -> Desk {
    let (mut first, second) = (session(1), session(2));
    let opened = Desk::new(settings(), Vec::new()).now;
    let resets = Recurring {
        first: (opened.0 + 600 * SECOND).cast_signed(),
        every_ns: (3_600 * SECOND).cast_signed(),
        zone: Zone::default(),
    };
    first.profile.resets = Some(resets);
    Desk::new(settings(), vec![first, second])
}

const ONE: SessionId = SessionId(1);
const TWO: SessionId = SessionId(2);

#[test]
fn a_session_begins_anew_and_the_night_counts_for_it() {
    let mut desk = desk();
    let (mut one, mut two) = (desk.log_on(1), desk.log_on(2));
    one.order(desk.now, "buy");
    desk.read_until(&mut one, "8");

    desk.pass(599 * SECOND);
    assert_eq!(desk.try_read(&mut one), None);
    desk.pass(SECOND);
    let logout = desk.read_until(&mut one, "5");
    assert!(logout.contains("58=the session is over: numbers start again at 1 "), "{logout}");
    one.send(desk.now, "5", "");
    assert_eq!(desk.read(&mut one), None);
    desk.pass(SECOND);
    assert_eq!(desk.numbers(ONE), (MsgSeqNum(0), MsgSeqNum(0)));
    assert_ne!(desk.numbers(TWO).1, MsgSeqNum(0));

    // Its order works on, and is filled while nobody of it is there.
    let sell = "11=sell 55=BTC-USD 54=2 60=20260105-09:30:00 38=1 40=2 44=100 59=1";
    two.send(desk.now, "D", sell);
    desk.read_until(&mut two, "8");
    assert_eq!(desk.numbers(ONE), (MsgSeqNum(0), MsgSeqNum(1)));

    let mut one = desk.connect(1);
    one.send(desk.now, "A", "98=0 108=0");
    assert_eq!(desk.read(&mut one).unwrap(), "35=A 98=0 108=0 ");
    assert_eq!(desk.numbers(ONE), (MsgSeqNum(1), MsgSeqNum(2)));

    // Once an hour, not once more.
    desk.pass(3_000 * SECOND);
    assert_eq!(desk.try_read(&mut one), None);
}

#[test]
fn a_session_that_does_not_answer_begins_anew_all_the_same() {
    let mut desk = desk();
    let mut one = desk.log_on(1);
    desk.pass(600 * SECOND);
    desk.read_until(&mut one, "5");
    desk.pass(2 * SECOND);
    assert_eq!(desk.read(&mut one), None);
    desk.pass(SECOND);
    assert_eq!(desk.numbers(ONE), (MsgSeqNum(0), MsgSeqNum(0)));
}
