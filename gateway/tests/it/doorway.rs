//! Who gets in: limits before a Logon, allowed addresses, lock-outs, and secrets that take their time.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::acceptor::{
    AcceptorConfig, Claim, Credentials, Lockout, SessionSetup, Ticket, Verdict,
};
use matcher::Timestamp;

use crate::desk::{Client, Desk, SECOND, session, settings};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Whether a Logon from there is answered.
fn gets_in(desk: &mut Desk, address: &str, number: u32, more: &str) -> Option<Client> {
    let mut client = desk.connect_from(ip(address), number);
    client.log_on(desk.now, more);
    desk.read(&mut client).map(|answer| {
        assert!(answer.starts_with("35=A "), "{answer}");
        client
    })
}

/// Every password is "good", and is looked at when the test says so.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<(Waiting, bool)>>);

type Waiting = VecDeque<(Ticket, Verdict)>;

impl Slow {
    fn decide(&self) {
        self.0.lock().unwrap().1 = true;
    }
}

impl Credentials for Slow {
    fn check(&mut self, ticket: Ticket, claim: &Claim<'_>) -> Verdict {
        let mut waiting = self.0.lock().unwrap();
        if waiting.0.len() == 2 {
            return Verdict::Busy;
        }
        let good = claim.password() == b"good";
        waiting.0.push_back((ticket, if good { Verdict::Good } else { Verdict::Bad }));
        waiting.1 = false;
        Verdict::Later
    }

    fn next_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        self.0.lock().unwrap().0.pop_front()
    }

    fn has_verdict(&self) -> bool {
        let waiting = self.0.lock().unwrap();
        waiting.1 && !waiting.0.is_empty()
    }
}

/// Every password is "good", and is looked at once.
pub(crate) struct Quick;

impl Credentials for Quick {
    fn check(&mut self, _: Ticket, claim: &Claim<'_>) -> Verdict {
        if claim.password() == b"good" { Verdict::Good } else { Verdict::Bad }
    }

    fn next_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        None
    }

    fn has_verdict(&self) -> bool {
        false
    }
}

fn quick(config: AcceptorConfig, sessions: Vec<SessionSetup>) -> Desk {
    Desk::with(config, sessions, Some(Box::new(Quick)))
}

#[test]
fn an_address_that_guesses_is_locked_out_longer_each_time() {
    let mut desk = quick(settings(), vec![session(1), session(2)]);
    let (good, bad) = ("554=good", "554=guess");
    for _ in 0..3 {
        assert!(gets_in(&mut desk, "127.0.0.7", 1, bad).is_none());
    }
    // Another address is not concerned, another session of the same one is.
    assert!(gets_in(&mut desk, "127.0.0.7", 2, good).is_none());
    assert!(gets_in(&mut desk, "127.0.0.8", 2, good).is_some());
    assert_eq!(desk.stats().over_limit, 1, "it was closed before it said a word");
    for wait in [1, 2, 4] {
        desk.pass(wait * SECOND);
        assert!(gets_in(&mut desk, "127.0.0.7", 1, bad).is_none());
        assert!(gets_in(&mut desk, "127.0.0.7", 1, good).is_none());
    }
    desk.pass(8 * SECOND);
    assert!(gets_in(&mut desk, "127.0.0.7", 1, good).is_some());
    // A good one ends the row.
    for _ in 0..2 {
        assert!(gets_in(&mut desk, "127.0.0.7", 1, bad).is_none());
    }
    assert!(gets_in(&mut desk, "127.0.0.7", 2, good).is_some());
    let notices = desk.acceptor.take_notices().join("\n");
    assert!(notices.contains("too many failed Logons from this address"), "{notices}");
    assert!(!notices.contains("guess"), "{notices}");
}

#[test]
fn connections_opened_before_a_lock_out_are_locked_out_too() {
    let mut desk = quick(settings(), vec![session(1)]);
    let mut open: Vec<Client> = (0..5).map(|_| desk.connect_from(ip("127.0.0.7"), 1)).collect();
    desk.until(|desk| desk.stats().accepted == 5);
    for client in &mut open[..4] {
        client.log_on(desk.now, "554=guess");
        assert_eq!(desk.read(client), None);
    }
    open[4].log_on(desk.now, "554=good");
    assert_eq!(desk.read(&mut open[4]), None);
    let notices = desk.acceptor.take_notices().join("\n");
    assert!(notices.contains("locked out for 1000 ms more"), "{notices}");
}

#[test]
fn a_session_that_many_guess_at_is_locked_out_but_for_where_it_logged_on_last() {
    let lockout = Lockout { after: 4, first_ns: SECOND, most_ns: 60 * SECOND };
    let mut desk = quick(AcceptorConfig { lockout, ..settings() }, vec![session(1), session(2)]);
    let (good, bad) = ("554=good", "554=guess");
    drop(gets_in(&mut desk, "127.0.0.9", 1, good).unwrap());
    desk.until(|desk| desk.acceptor.connections() == 0);
    for last in 11..=14 {
        assert!(gets_in(&mut desk, &format!("127.0.0.{last}"), 1, bad).is_none());
    }
    assert!(gets_in(&mut desk, "127.0.0.15", 1, good).is_none(), "from anywhere else");
    assert!(gets_in(&mut desk, "127.0.0.15", 2, good).is_some(), "another session");
    assert!(gets_in(&mut desk, "127.0.0.9", 1, good).is_some());
}

#[test]
fn a_session_is_spoken_for_from_its_addresses_only() {
    let addresses = vec!["127.0.1.0/24".parse().unwrap(), "127.0.2.7".parse().unwrap()];
    let sessions = vec![SessionSetup { addresses, ..session(1) }];
    let mut desk = quick(settings(), sessions);
    for stranger in ["127.0.0.1", "127.0.2.6", "127.0.3.7"] {
        for _ in 0..3 {
            assert!(gets_in(&mut desk, stranger, 1, "554=good").is_none(), "{stranger}");
        }
    }
    // Nine times from where it may not: that locks strangers out, and nobody else.
    for address in ["127.0.1.255", "127.0.2.7"] {
        drop(gets_in(&mut desk, address, 1, "554=good").unwrap());
        desk.until(|desk| desk.acceptor.connections() == 0);
    }
    let notices = desk.acceptor.take_notices().join("\n");
    assert!(notices.contains("may not log on from this address"), "{notices}");
}

#[test]
fn an_address_has_so_many_connections() {
    let config = AcceptorConfig { of_network_max: Some(2), ..settings() };
    let mut desk = Desk::new(config, vec![session(1), session(2), session(3)]);
    let first = desk.log_on(1);
    let _second = desk.log_on(2);
    assert!(gets_in(&mut desk, "127.0.0.1", 3, "").is_none());
    let _third = gets_in(&mut desk, "127.0.0.2", 3, "").unwrap();
    drop(first);
    desk.until(|desk| desk.acceptor.connections() == 2);
    assert!(gets_in(&mut desk, "127.0.0.1", 1, "").is_some());
    assert_eq!(desk.stats().over_limit, 1);
}

#[test]
fn the_oldest_without_a_logon_makes_room() {
    let config = AcceptorConfig { before_logon_max: 3, ..settings() };
    let mut desk = Desk::new(config, vec![session(1), session(2)]);
    let _logged_on = desk.log_on(1);
    let mut silent: Vec<Client> = Vec::new();
    for count in 1..=4 {
        silent.push(desk.connect(2));
        desk.until(|desk| desk.stats().accepted == 1 + count);
    }
    assert_eq!(desk.read(&mut silent[0]), None);
    // The others are still there: the second oldest logs on.
    silent[1].log_on(desk.now, "");
    assert!(desk.read(&mut silent[1]).unwrap().starts_with("35=A "));
    assert_eq!((desk.acceptor.connections(), desk.stats().logon_timeouts), (4, 1));
    desk.pass(10 * SECOND);
    assert_eq!(desk.acceptor.connections(), 2, "no Logon in time");
}

#[test]
fn a_slow_verdict_holds_up_nobody_else() {
    let slow = Slow::default();
    let sessions = (1..=4).map(session).collect();
    let mut desk = Desk::with(settings(), sessions, Some(Box::new(slow.clone())));
    let mut clients: Vec<Client> = (1..=4).map(|number| desk.connect(number)).collect();
    let accepted = |desk: &mut Desk| desk.stats().accepted == 4;
    desk.until(accepted);
    for (client, password) in clients.iter_mut().zip(["good", "bad", "good", "good"]) {
        client.log_on(desk.now, &format!("554={password}"));
        client.order(desk.now, "behind");
        desk.round(Duration::from_millis(50));
    }
    assert!(desk.commands().is_empty(), "nothing is taken before the verdict");
    // Two are looked at, two wait until somebody is free.
    let verdicts = slow.clone();
    desk.until(move |desk| {
        verdicts.decide();
        desk.commands().len() == 3
    });
    for index in [0, 2, 3] {
        let answer = desk.read(&mut clients[index]).unwrap();
        assert!(answer.starts_with("35=A "), "{answer}");
        assert!(desk.read_until(&mut clients[index], "8").contains(" 11=behind "));
    }
    assert_eq!(desk.read(&mut clients[1]), None);
}

#[test]
fn a_verdict_that_does_not_come_ends_with_the_time_for_a_logon() {
    let slow = Slow::default();
    let sessions = vec![session(1)];
    let mut desk = Desk::with(settings(), sessions, Some(Box::new(slow.clone())));
    let mut client = desk.connect(1);
    client.log_on(desk.now, "554=good");
    let asked = slow.clone();
    desk.until(move |_| asked.0.lock().unwrap().0.len() == 1);
    let began = desk.now;
    desk.now = Timestamp(began.0 + 10 * SECOND);
    assert_eq!(desk.read(&mut client), None);
    // Its verdict comes when it has gone: the next one, in its place, is not taken for it.
    let mut next = desk.connect(1);
    desk.until(|desk| desk.stats().accepted == 2);
    slow.decide();
    desk.round(Duration::ZERO);
    next.log_on(desk.now, "554=bad");
    let verdicts = slow.clone();
    desk.until(move |desk| {
        verdicts.decide();
        desk.stats().logons_refused == 1
    });
    assert_eq!(desk.read(&mut next), None);
}

/// Of a session that is not read nobody knows whether it is silent: it is asked nothing and not cut. Then it has its time as ever.
#[test]
fn who_is_not_read_is_not_silent() {
    let mut desk = Desk::new(settings(), vec![session(1)]);
    let mut client = desk.connect(1);
    client.send(desk.now, "A", "98=0 108=30 141=Y");
    assert!(desk.read(&mut client).unwrap().starts_with("35=A "));
    desk.hold(Some(matcher::SessionId(1)));
    for _ in 0..300 {
        desk.pass(SECOND);
        assert_eq!(desk.acceptor.connections(), 1);
    }
    desk.hold(None);
    let mut seconds = 0;
    while desk.acceptor.connections() > 0 {
        desk.pass(SECOND);
        seconds += 1;
        assert!(seconds < 300);
    }
    assert!(seconds >= 30, "{seconds}");
    let mut said = Vec::new();
    while let Some(message) = desk.read(&mut client) {
        said.push(message.split(' ').next().unwrap().to_owned());
    }
    // Heartbeats while it was not read, and only then a TestRequest and a Logout.
    assert!(said.iter().filter(|it| *it == "35=0").count() >= 9, "{said:?}");
    assert_eq!(said.iter().filter(|it| *it == "35=1").count(), 1, "{said:?}");
    assert_eq!(said.last().unwrap(), "35=5");
}
