//! The ring keeps what it is given.

use super::*;
use matcher::{MassCancelScope, OrderNumber, record::decode_input};

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

/// Looking at requests takes none, and each is shown once, in order, also around the end.
#[test]
fn requests_are_shown_before_they_come_out() {
    let (mut requests, mut taken) = ring(64);
    let mut record = [0; RECORD_BYTES];
    let (mut sent, mut shown, mut got) = (0, 0, 0);
    for round in 0..200u32 {
        for _ in 0..round % 5 {
            let command = Command::Cancel { target: OrderNumber(sent + 1) };
            let attachment = vec![0xff; (sent as usize * 13) % 193];
            if requests.push(SessionId(sent), MsgSeqNum::NONE, &command, &attachment) {
                sent += 1;
            }
        }
        for _ in 0..round % 7 {
            let Some(wanted) = taken.show(3) else { break };
            assert_eq!((wanted.session, wanted.target), (SessionId(shown), OrderNumber(shown + 1)));
            shown += 1;
        }
        assert!(shown <= sent && shown - got.min(shown) <= 3);
        for _ in 0..round % 3 {
            let Some(len) = taken.pop(&mut record) else { break };
            let (input, _, _) = decode_input(Sequence(1), &record[..len]).unwrap();
            assert_eq!(input.session, SessionId(got));
            got += 1;
            shown = shown.max(got);
        }
    }
    assert!(got > 100 && shown > 100);
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
