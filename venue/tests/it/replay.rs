//! A replay finds what differs, and a venue nearly out of room keeps taking cancels.

use journal::{Opened, Options, Prepared};
use matcher::record::{RECORD_VERSION, encode_input};
use matcher::{
    Command, Event, EventSink, Input, Limits, MsgSeqNum, Sequence, SessionId, Timestamp,
};
use venue::replay::{Nobody, Replay, ReplayError};
use venue::{StartError, Venue};

use crate::folder::Folder;
use crate::loopback::config;

/// A journal of one turn, `Configure`, with `events` written behind it instead of the engine's.
fn journal_with(events: &[Event]) -> Result<(), ReplayError> {
    let folder = Folder::new();
    let Opened { mut writer, mut preparer, log, .. } = journal::open(&folder.journal()).unwrap();
    while preparer.step().unwrap() == Prepared::Made {}
    let limits = Limits { orders_max: 10, levels_max: 10, instruments_max: 1, sessions_max: 1 };
    let input = Input {
        sequence: Sequence(1),
        timestamp: Timestamp(1),
        session: SessionId::VENUE,
        inbound: MsgSeqNum::NONE,
        command: Command::Configure(limits),
    };
    let mut record = [0; matcher::record::INPUT_BYTES_MAX];
    let len = encode_input(&input, &[], &mut record);
    let mut turn = writer.begin(1);
    turn.space(len).copy_from_slice(&record[..len]);
    for event in events {
        let len = matcher::record::event_bytes(event);
        matcher::record::encode_event(event, turn.space(len));
    }
    turn.commit();

    let (mut replay, mut tail) = (Replay::new(), log.tail(log.start()));
    while let Some(frame) = tail.next(log.committed()).unwrap() {
        replay.frame(&frame, &mut Nobody)?;
    }
    Ok(())
}

#[test]
fn the_events_that_the_engine_gives_are_the_only_good_ones() {
    let mut right: Vec<Event> = Vec::new();
    right.event(&Event::Configured);
    journal_with(&right).unwrap();
}

#[test]
fn a_missing_an_additional_and_another_event_are_each_named() {
    let other = Event::Numbered { session: SessionId(1), msg: MsgSeqNum(1) };
    let cases = [
        (vec![], 0, None, Some(Event::Configured)),
        (vec![Event::Configured, other], 1, Some(other), None),
        (vec![other], 0, Some(other), Some(Event::Configured)),
    ];
    for (events, index, journaled, replayed) in cases {
        let Err(ReplayError::Diverged(found)) = journal_with(&events) else {
            panic!("{events:?} replayed");
        };
        assert_eq!(found.sequence, Sequence(1));
        assert_eq!((found.index, found.journaled, found.replayed), (index, journaled, replayed));
    }
}

#[test]
fn a_journal_with_records_of_version_1_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let old = Options { record_version: 1, ..folder.journal() };
    let Opened { mut writer, mut preparer, .. } = journal::open(&old).unwrap();
    while preparer.step().unwrap() == Prepared::Made {}
    let mut turn = writer.begin(1);
    turn.space(8).copy_from_slice(b"who read");
    turn.commit();
    drop((writer, preparer));

    let config = config(&folder);
    let Err(StartError::Journal(error)) = Venue::start(&config) else {
        panic!("it was taken");
    };
    let text = error.to_string();
    let ours = format!("this program writes version {RECORD_VERSION}");
    assert!(text.contains("records of version 1, ") && text.ends_with(&ours), "{text}");
    assert!(text.contains(&*folder.path().to_string_lossy()), "{text}");
    assert_eq!(journal::open(&old).unwrap().recovery.last_sequence, 1);
}
