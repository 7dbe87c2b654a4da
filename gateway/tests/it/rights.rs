//! What a session may ask for, and how often.

use gateway::acceptor::{OverRate, RateLimit, Rights, SessionSetup};
use matcher::{Command, SessionId, Symbol};

use crate::desk::{Client, Desk, MS, SECOND, session, settings};

fn desk_of(rights: Rights, rate: Option<RateLimit>) -> (Desk, Client) {
    let setup = SessionSetup { rights, rate, ..session(1) };
    let mut desk = Desk::new(settings(), vec![setup, session(2)]);
    let client = desk.log_on(1);
    (desk, client)
}

const REST: &str = "54=1 60=20260105-09:30:00 38=1 40=2 44=100 59=1";

/// What is said to a message: type, and the fields that matter.
fn answer(desk: &mut Desk, client: &mut Client, msg_type: &str, fields: &str) -> String {
    client.send(desk.now, msg_type, fields);
    let got = desk.read(client).unwrap();
    let shown = ["35=", "39=", "379=", "380=", "58=", "531="];
    let kept = got.split(' ').filter(|it| shown.iter().any(|shown| it.starts_with(shown)));
    let first = kept.collect::<Vec<_>>().join(" ");
    // Texts have spaces.
    let text = got.split_once("58=").map(|(_, rest)| rest.split(" 3").next().unwrap_or(rest));
    format!("{first}|{}", text.unwrap_or_default())
}

#[test]
fn who_may_only_cancel_cancels() {
    let rights = Rights { trade: false, cancel: true, ..Rights::default() };
    let (mut desk, mut client) = desk_of(rights, None);
    let refused = answer(&mut desk, &mut client, "D", &format!("11=a 55=BTC-USD {REST}"));
    assert!(refused.contains("35=j") && refused.contains("379=a 380=6"), "{refused}");
    assert!(refused.contains("this session may only cancel"), "{refused}");
    let fields = format!("11=b 41=a 55=BTC-USD {REST}");
    assert!(answer(&mut desk, &mut client, "G", &fields).contains("380=6"));
    let fields = "11=c 41=a 55=BTC-USD 54=1 60=20260105-09:30:00";
    assert!(answer(&mut desk, &mut client, "F", fields).starts_with("35=9"));
    let fields = "11=d 530=7 60=20260105-09:30:00";
    assert!(answer(&mut desk, &mut client, "q", fields).contains("531=7"));
    let entered = desk.commands().iter().any(|(_, it)| matches!(it, Command::New(_)));
    assert!(!entered, "nothing reached the core");
    // The others may do as before.
    let mut other = desk.log_on(2);
    other.order(desk.now, "x");
    assert!(desk.read_until(&mut other, "8").contains(" 39=0 "));
}

#[test]
fn who_may_nothing_is_told_so() {
    let rights = Rights { trade: false, cancel: false, ..Rights::default() };
    let (mut desk, mut client) = desk_of(rights, None);
    for (msg_type, fields) in [
        ("D", format!("11=a 55=BTC-USD {REST}")),
        ("G", format!("11=b 41=a 55=BTC-USD {REST}")),
        ("F", "11=c 41=a 55=BTC-USD 54=1 60=20260105-09:30:00".to_owned()),
        ("q", "11=d 530=7 60=20260105-09:30:00".to_owned()),
        ("H", "11=e 55=BTC-USD 54=1".to_owned()),
    ] {
        let refused = answer(&mut desk, &mut client, msg_type, &fields);
        assert!(refused.contains("380=6") && refused.contains("may not trade"), "{refused}");
    }
    // What nobody is answered stays what it is.
    assert!(answer(&mut desk, &mut client, "AE", "571=1").contains("35=j"));
    assert_eq!(desk.commands(), []);
}

#[test]
fn a_session_trades_its_instruments() {
    let instruments = vec![Symbol::new(b"ETH-USD").unwrap()];
    let rights = Rights { instruments, ..Rights::default() };
    let (mut desk, mut client) = desk_of(rights, None);
    let refused = answer(&mut desk, &mut client, "D", &format!("11=a 55=BTC-USD {REST}"));
    assert!(refused.contains("380=6") && refused.contains("this instrument"), "{refused}");
    let taken = answer(&mut desk, &mut client, "D", &format!("11=b 55=ETH-USD {REST}"));
    assert!(taken.contains("35=8") && taken.contains("39=0"), "{taken}");
    let refused = answer(&mut desk, &mut client, "G", &format!("11=c 41=b 55=BTC-USD {REST}"));
    assert!(refused.contains("380=6"), "{refused}");
    let fields = "11=d 41=a 55=BTC-USD 54=1 60=20260105-09:30:00";
    assert!(answer(&mut desk, &mut client, "F", fields).starts_with("35=9"), "cancels are taken");
}

#[test]
fn beyond_its_rate_a_session_is_refused_then_logged_out() {
    let limit = RateLimit { per_s: 10, burst: 2, over: OverRate::Reject };
    let (mut desk, mut client) = desk_of(Rights::default(), Some(limit));
    for id in ["a", "b", "c", "d"] {
        client.order(desk.now, id);
    }
    for id in ["a", "b"] {
        assert!(desk.read_until(&mut client, "8").contains(&format!(" 11={id} ")));
    }
    let refused = desk.read(&mut client).unwrap();
    let told = "58=limit of 10 messages a second: come back in 100 ms ";
    assert!(refused.contains(told) && refused.contains("379=c 380=0 "), "{refused}");
    assert!(desk.read(&mut client).unwrap().contains("379=d "));
    // A cancel has tokens of its own, heartbeats need none.
    client.send(desk.now, "F", "11=e 41=a 55=BTC-USD 54=1 60=20260105-09:30:00");
    assert!(desk.read_until(&mut client, "8").contains(" 39=4 "));
    client.send(desk.now, "1", "112=ping");
    assert!(desk.read_until(&mut client, "0").contains("112=ping"));
    // When it was told to, it comes back.
    desk.pass(100 * MS);
    client.order(desk.now, "f");
    assert!(desk.read_until(&mut client, "8").contains(" 11=f "));
    // It keeps going far beyond: that is the end of the session, and its numbers stay right.
    for id in ["g", "h", "i", "j"] {
        client.order(desk.now, id);
    }
    let out = desk.read_until(&mut client, "5");
    assert!(out.contains("58=limit of 10 messages a second: come back in"), "{out}");
    client.send(desk.now, "5", "");
    desk.until(|desk| desk.acceptor.connections() == 0);
    let orders = desk.commands();
    let count = orders.iter().filter(|(_, it)| matches!(it, Command::New(_))).count();
    assert_eq!(count, 3, "{orders:?}");
}

#[test]
fn beyond_its_rate_a_session_waits_and_loses_nothing() {
    let limit = RateLimit { per_s: 1_000, burst: 5, over: OverRate::Delay };
    let (mut desk, mut client) = desk_of(Rights::default(), Some(limit));
    let mut other = desk.log_on(2);
    let burst: Vec<u8> = (0..30)
        .flat_map(|n| client.encode(desk.now, "D", &format!("11=o{n} 55=BTC-USD {REST}")))
        .collect();
    client.write(&burst);
    desk.until(|desk| desk.commands().len() == 5);
    // Whoever else trades does not notice.
    other.order(desk.now, "x");
    assert!(desk.read_until(&mut other, "8").contains(" 11=x "));
    let began = desk.now;
    for n in 0..30 {
        let id = format!(" 11=o{n} ");
        loop {
            match desk.try_read(&mut client) {
                Some(report) if report.contains(&id) => break,
                Some(other) => panic!("{id}: {other}"),
                None => {
                    let until = desk.acceptor.deadline().unwrap();
                    let step = until.0.saturating_sub(desk.now.0);
                    desk.pass(step);
                }
            }
        }
    }
    let took = desk.now.0 - began.0;
    assert!((25 * MS..SECOND).contains(&took), "{took} ns for 25 beyond the burst");
    let orders = desk.commands();
    assert_eq!(orders.iter().filter(|(id, _)| *id == SessionId(1)).count(), 30);
}

#[test]
fn beyond_its_rate_a_session_is_logged_out_at_once_where_it_says_so() {
    let limit = RateLimit { per_s: 1, burst: 1, over: OverRate::Disconnect };
    let (mut desk, mut client) = desk_of(Rights::default(), Some(limit));
    client.order(desk.now, "a");
    client.order(desk.now, "b");
    assert!(desk.read_until(&mut client, "5").contains("come back in 1000 ms"));
    desk.pass(2 * SECOND);
    assert_eq!(desk.acceptor.connections(), 0);
    // A new connection is not a way around it.
    desk.now.0 -= 2 * SECOND;
    let mut again = desk.log_on(1);
    again.order(desk.now, "c");
    assert!(desk.read_until(&mut again, "5").contains("come back in"));
}
