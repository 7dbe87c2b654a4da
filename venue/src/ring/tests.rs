//! The ring keeps what it is given.

use super::*;
use matcher::{MassCancelScope, record::decode_input};

#[test]
fn requests_come_out_as_they_went_in_also_around_the_end() {
    let (mut requests, mut taken) = ring(16);
    let mut record = [0; RECORD_BYTES];
    for round in 0..100u32 {
        let attachment = vec![7; (round as usize * 13) % 193];
        let command = Command::MassCancel(MassCancelScope::Session);
        assert!(requests.push(SessionId(round), MsgSeqNum(round), &command, &attachment));
        let len = taken.pop(&mut record).unwrap();
        let (input, got, used) = decode_input(Sequence(1), &record[..len]).unwrap();
        assert_eq!((input.session, input.inbound), (SessionId(round), MsgSeqNum(round)));
        assert_eq!((input.command, got, used), (command, &attachment[..], len));
    }
    assert!(taken.is_empty());
}

#[test]
fn a_full_ring_says_so_and_keeps_what_it_has() {
    let (mut requests, mut taken) = ring(8);
    let command = Command::ExpireDay;
    let mut pushed = 0;
    while requests.push(SessionId(pushed), MsgSeqNum::NONE, &command, &[]) {
        pushed += 1;
    }
    assert_eq!(pushed, 8);
    let mut record = [0; RECORD_BYTES];
    for expected in 0..pushed {
        let len = taken.pop(&mut record).unwrap();
        let (input, _, _) = decode_input(Sequence(1), &record[..len]).unwrap();
        assert_eq!(input.session, SessionId(expected));
    }
    assert!(taken.pop(&mut record).is_none());
}
