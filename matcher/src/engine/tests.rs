//! What only the inside of the engine can bring about.

use super::*;
use crate::testing::{Flow, Profile};

/// Four billion orders take too long to send: the last number is set from the inside.
#[test]
fn a_session_that_used_all_its_numbers_is_told_so() {
    let mut flow = Flow::new(Profile { sessions: 1, ..Profile::standard() }, 1);
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    for _ in 0..3 {
        engine.apply(&flow.input(), &mut events);
    }
    let session = SessionId(1);
    let state = engine.store.sessions.state_mut(session).unwrap();
    state.last_number = OrderNumber(u32::MAX - 1);
    state.last_outbound = MsgSeqNum(u32::MAX - 4);
    let mut input = flow.input();
    let Command::New(mut new) = input.command else { panic!("{input:?}") };

    let mut give = |engine: &mut Engine, number: u32| {
        new.number = OrderNumber(number);
        input.command = Command::New(new);
        events.clear();
        engine.apply(&input, &mut events);
        engine.check();
        events.clone()
    };
    assert!(matches!(give(&mut engine, u32::MAX)[..], [Event::Accepted(_), Event::Rested(_)]));
    for number in [0, 1, u32::MAX] {
        let answer = give(&mut engine, number);
        let [Event::Rejected(rejected)] = answer[..] else { panic!("{answer:?}") };
        assert_eq!(rejected.reason, RejectReason::NumbersExhausted);
    }
    // The numbers of messages end as well; the last one is given over and over.
    give(&mut engine, 1);
    assert_eq!(engine.session(session).unwrap().last_outbound, MsgSeqNum(u32::MAX));

    let cancel = Command::Cancel { target: OrderNumber(u32::MAX) };
    events.clear();
    engine.apply(&Input { command: cancel, ..input }, &mut events);
    assert!(matches!(events[..], [Event::Canceled(_)]));
    engine.check();
}
