//! Cancels that nobody asks for: a lost connection, a Logout, silence; and who takes over a session.

use gateway::acceptor::{CancelRules, CancelTerms, LastConnection, SessionSetup};
use matcher::{Command, MassCancelScope, SessionId};

use crate::desk::{Client, Desk, MS, SECOND, session, settings};
use crate::doorway::Quick;

const ON: CancelRules =
    CancelRules { on_disconnect: true, on_logout: true, grace_ns: 0, dead_man_ns: 0 };

fn desk_with(cancel: CancelRules) -> Desk {
    Desk::new(settings(), vec![SessionSetup { cancel, ..session(1) }, session(2)])
}

/// A client with an order in the book.
fn with_order(desk: &mut Desk, more: &str) -> Client {
    let mut client = desk.connect(1);
    client.log_on(desk.now, more);
    desk.read_until(&mut client, "A");
    client.order(desk.now, "a");
    desk.read_until(&mut client, "8");
    client
}

fn lose(desk: &mut Desk, client: Client) {
    drop(client);
    desk.until(|desk| desk.acceptor.connections() == 0);
    desk.pass(0);
}

fn log_out(desk: &mut Desk, mut client: Client) {
    client.send(desk.now, "5", "");
    desk.read_until(&mut client, "5");
    desk.until(|desk| desk.acceptor.connections() == 0);
    desk.pass(0);
}

/// How often the first session's orders were canceled at once.
fn cancels(desk: &Desk) -> usize {
    let all = (SessionId(1), Command::MassCancel(MassCancelScope::Session));
    desk.commands().iter().filter(|asked| **asked == all).count()
}

#[test]
fn a_lost_connection_cancels_as_the_session_or_its_logon_says() {
    let off = CancelRules { on_disconnect: false, ..ON };
    for (rules, logon, lost, logged_out) in [
        (ON, "", 1, 1),
        (ON, "8013=Y", 1, 1),
        (ON, "8013=N", 0, 0),
        (off, "", 0, 0),
        (off, "8013=S", 1, 1),
        (CancelRules { on_logout: false, ..ON }, "", 1, 0),
        (CancelRules { on_logout: false, ..off }, "8013=Y", 1, 0),
    ] {
        let mut desk = desk_with(rules);
        let client = with_order(&mut desk, logon);
        lose(&mut desk, client);
        assert_eq!(cancels(&desk), lost, "lost: {rules:?} {logon}");
        let mut desk = desk_with(rules);
        let client = with_order(&mut desk, logon);
        log_out(&mut desk, client);
        assert_eq!(cancels(&desk), logged_out, "logged out: {rules:?} {logon}");
    }
}

#[test]
fn what_a_logon_says_holds_for_its_connection() {
    let mut desk = desk_with(ON);
    let client = with_order(&mut desk, "8013=N");
    lose(&mut desk, client);
    let client = with_order(&mut desk, "");
    lose(&mut desk, client);
    assert_eq!(cancels(&desk), 1);
    for wrong in ["8013=P", "8013=y", "8014=-1", "8014=86401", "8014=1.5", "8014=99999999999"] {
        let mut client = desk.connect(1);
        client.log_on(desk.now, wrong);
        assert_eq!(desk.read(&mut client), None, "{wrong}");
    }
    let notices = desk.acceptor.take_notices().join("\n");
    assert!(notices.contains("tag 8013 of the Logon"), "{notices}");
    assert!(notices.contains("tag 8014 of the Logon"), "{notices}");
}

#[test]
fn who_comes_back_in_time_keeps_its_orders() {
    let grace = CancelRules { grace_ns: 5 * SECOND, ..ON };
    let mut desk = desk_with(grace);
    let client = with_order(&mut desk, "");
    lose(&mut desk, client);
    desk.pass(5 * SECOND - 1);
    assert_eq!(cancels(&desk), 0);
    let client = with_order(&mut desk, "");
    desk.pass(60 * SECOND);
    assert_eq!(cancels(&desk), 0);
    lose(&mut desk, client);
    let due = desk.now.0 + 5 * SECOND;
    assert_eq!(desk.acceptor.deadline().map(|at| at.0), Some(due), "the loop wakes up for it");
    // It comes back too late, and nobody looked at the time in between: canceled, then logged on.
    desk.now.0 = due;
    let mut late = desk.log_on(1);
    assert_eq!(cancels(&desk), 1);
    desk.pass(60 * SECOND);
    late.order(desk.now, "b");
    assert!(desk.read_until(&mut late, "8").contains(" 11=b "));
    assert_eq!(cancels(&desk), 1);
    // A Logout is no accident: it has no grace.
    log_out(&mut desk, late);
    assert_eq!(cancels(&desk), 2);
}

#[test]
fn silence_cancels_until_something_is_said() {
    for (rules, logon) in [
        (CancelRules { dead_man_ns: 10 * SECOND, ..CancelRules::default() }, ""),
        (CancelRules::default(), "8014=10"),
        (CancelRules { dead_man_ns: 3 * SECOND, ..CancelRules::default() }, "8014=10"),
    ] {
        let mut desk = desk_with(rules);
        let mut client = with_order(&mut desk, logon);
        desk.pass(9 * SECOND);
        // What a FIX engine says by itself is no sign of life.
        client.send(desk.now, "1", "112=ping");
        desk.read_until(&mut client, "0");
        desk.pass(SECOND - 1);
        assert_eq!(cancels(&desk), 0);
        desk.pass(1);
        assert_eq!(cancels(&desk), 1, "{rules:?} {logon}");
        assert!(desk.read_until(&mut client, "8").contains(" 39=4 "), "it is told");
        desk.pass(100 * SECOND);
        assert_eq!(cancels(&desk), 1, "once is enough");
        client.order(desk.now, "b");
        desk.read_until(&mut client, "8");
        desk.pass(9 * SECOND);
        client.send(desk.now, "H", "11=b 55=BTC-USD 54=1");
        desk.read_until(&mut client, "8");
        desk.pass(9 * SECOND);
        assert_eq!(cancels(&desk), 1, "any application message renews it");
        // It goes on without a connection.
        lose(&mut desk, client);
        desk.pass(SECOND);
        assert_eq!(cancels(&desk), 2);
    }
    let rules = CancelRules { dead_man_ns: 10 * SECOND, ..CancelRules::default() };
    let mut desk = desk_with(rules);
    let _client = with_order(&mut desk, "8014=0");
    desk.pass(100 * SECOND);
    assert_eq!(cancels(&desk), 0, "a Logon can do without");
}

#[test]
fn a_start_goes_on_where_the_last_run_stopped() {
    let terms = CancelTerms { on_disconnect: Some(true), cancel_after_s: Some(30) };
    let last = LastConnection { terms, logged_out: false };
    let cancel = CancelRules { grace_ns: 5 * SECOND, ..CancelRules::default() };
    let setup = SessionSetup { cancel, last, is_lost: true, ..session(1) };
    let mut desk = Desk::new(settings(), vec![setup]);
    desk.pass(5 * SECOND - MS);
    assert_eq!(cancels(&desk), 0);
    desk.pass(MS);
    assert_eq!(cancels(&desk), 1, "the grace");
    // Neither was lost, but silence counts from the start.
    let setup = SessionSetup { cancel, last, ..session(1) };
    let mut desk = Desk::new(settings(), vec![setup]);
    desk.pass(30 * SECOND - MS);
    assert_eq!(cancels(&desk), 0);
    desk.pass(MS);
    assert_eq!(cancels(&desk), 1);
}

#[test]
fn a_second_connection_takes_over_if_it_proves_itself() {
    let cancel = CancelRules { grace_ns: SECOND, ..ON };
    let setup = SessionSetup { takeover: true, cancel, ..session(1) };
    let mut desk = Desk::with(settings(), vec![setup, session(2)], Some(Box::new(Quick)));
    let mut first = with_order(&mut desk, "554=good");
    let mut stranger = desk.connect(1);
    stranger.log_on(desk.now, "554=guess");
    assert_eq!(desk.read(&mut stranger), None);
    first.order(desk.now, "b");
    assert!(desk.read_until(&mut first, "8").contains(" 11=b "), "it is still there");
    let mut second = desk.connect(1);
    second.next_out = first.next_out;
    second.send(desk.now, "A", "98=0 108=0 554=good");
    assert!(desk.read(&mut second).unwrap().starts_with("35=A "));
    assert_eq!(desk.read(&mut first), None);
    second.order(desk.now, "c");
    assert!(desk.read_until(&mut second, "8").contains(" 11=c "));
    desk.pass(10 * SECOND);
    assert_eq!(cancels(&desk), 0, "it came back within the grace");
    // Without a grace the first one's orders go, before the second one's come.
    let setup = SessionSetup { takeover: true, cancel: ON, ..session(1) };
    let mut desk = Desk::with(settings(), vec![setup], Some(Box::new(Quick)));
    let mut first = with_order(&mut desk, "554=good");
    let mut second = with_order(&mut desk, "554=good");
    assert_eq!(desk.read(&mut first), None);
    assert_eq!(cancels(&desk), 1);
    second.send(desk.now, "H", "11=a 55=BTC-USD 54=1");
    assert!(desk.read_until(&mut second, "8").contains(" 11=a "));
    // Where it is not set the first one stays.
    let mut desk = Desk::with(settings(), vec![session(1)], Some(Box::new(Quick)));
    let _first = with_order(&mut desk, "554=good");
    let mut second = desk.connect(1);
    second.log_on(desk.now, "554=good");
    assert_eq!(desk.read(&mut second), None);
}
