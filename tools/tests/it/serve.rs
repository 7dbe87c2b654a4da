//! `vesta serve`.

use std::net::TcpListener;
use std::time::Duration;

use tools::fix_conn::{FixSet, FixTarget, Heard, Login};

use crate::support::{Folder, Running, config_text, run, vesta};

fn serve(folder: &Folder, text: &str) -> Running {
    let file = folder.write("vesta.toml", text);
    Running::start(vesta().args(["serve", "--config"]).arg(file))
}

#[test]
fn a_venue_says_where_it_is_and_stops_in_order() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A"]);
    for (signal, journal) in [("-TERM", "new"), ("-INT", "recovered to sequence")] {
        let mut venue = serve(&folder, &text);
        assert!(venue.line("journal").contains(journal));
        assert!(venue.line("durability").contains("memory"));
        assert!(venue.line("itch").contains("127.0.0.1:"));
        assert!(venue.line("fix").contains("VESTA"));
        venue.signal(signal);
        let ended = venue.end();
        ended.assert_good();
        assert!(ended.out.ends_with("stopped"), "{}", ended.out);
        assert_eq!(ended.err, "");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = config_text(&folder, &["A"]).replacen("127.0.0.1:0", &address, 1);
    let ended = serve(&folder, &text).end();
    ended.assert_says(1, &["FIX", &address]);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A"]).replacen("\"journal\"", "\"no/such/journal\"", 1);
    serve(&folder, &text).end().assert_says(1, &["no/such"]);
}

#[test]
fn a_second_venue_on_the_same_journal_is_refused() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A"]);
    let mut first = serve(&folder, &text);
    first.line("fix");
    serve(&folder, &text).end().assert_says(1, &["journal"]);
    first.signal("-TERM");
    first.end().assert_good();
}

#[test]
fn a_config_that_takes_a_session_away_is_refused() {
    let folder = Folder::new();
    let mut first = serve(&folder, &config_text(&folder, &["A", "B"]));
    first.line("fix");
    first.signal("-TERM");
    first.end().assert_good();
    serve(&folder, &config_text(&folder, &["A"])).end().assert_says(1, &["B"]);
    let file = folder.path().join("vesta.toml");
    // The file alone is good: what it contradicts is the journal.
    run(&["check-config", file.to_str().unwrap()]).assert_good();
}

/// From the command line into a session's numbers, over kill -9.
#[test]
fn an_operator_says_something_to_sessions() {
    let folder = Folder::new();
    let text = config_text(&folder, &["A", "B"])
        .replace("B\"\nparticipant = \"FIRM\"", "B\"\nparticipant = \"OTHER\"");
    let file = folder.write("vesta.toml", &text);
    let file = file.to_str().unwrap();
    let news = |to: &[&str], said: &[&str]| run(&[&["news", "--config", file], to, said].concat());
    news(&["--all"], &["Head", "text"]).assert_says(1, &["no venue is running there"]);
    let mut venue = serve(&folder, &text);
    let line = venue.line("fix");
    let address = line.split_whitespace().find(|word| word.starts_with("127.")).unwrap();
    let address: std::net::SocketAddr = address.trim_end_matches(',').parse().unwrap();
    let target = |reset| FixTarget {
        address,
        comp_id: "VESTA".into(),
        reset,
        patience: Duration::from_secs(20),
    };
    let mut set = FixSet::connect(target(false), &[Login::plain("A")]).unwrap();
    let told = news(&["--all"], &["Maintenance", "At 22:00 UTC.\nBack at 22:30."]);
    told.assert_good();
    assert!(told.out.contains("told 1 sessions, in 1 messages each"), "{}", told.out);
    let heard = hear(&mut set);
    assert!(heard.contains("148=Maintenance|33=2|58=At 22:00 UTC.|58=Back at 22:30.|"), "{heard}");
    assert!(heard.starts_with("8=FIX.4.4|") && heard.contains("|35=B|34=2|"), "{heard}");
    news(&["--participant", "OTHER"], &["x", "y"]).assert_good();
    let told = news(&["--session", "A", "--urgency", "flash"], &["x", &"word ".repeat(60)]);
    assert!(told.out.contains("told 1 sessions, in 3 messages each"), "{}{}", told.out, told.err);
    assert!(hear(&mut set).contains("|61=1|148=x (1/3)|"));
    news(&["--session", "C"], &["x", "y"]).assert_says(1, &["no such participant or session"]);
    news(&["--all"], &["", "y"]).assert_says(2, &["a headline has 1 to 64 characters"]);
    news(&["--all"], &["x", "t\u{e4}xt"]).assert_says(2, &["printable ASCII"]);
    assert_eq!(news(&[], &["x", "y"]).code, Some(2));
    assert_eq!(news(&["--all", "--session", "A"], &["x", "y"]).code, Some(2));
    venue.signal("-KILL");
    venue.end();
    drop(set);

    // The door of the one that was killed is none.
    news(&["--all"], &["Head", "text"]).assert_says(1, &["no venue is running there"]);
    let mut venue = serve(&folder, &text);
    venue.line("fix");
    news(&["--all"], &["Again", "text"]).assert_good();
    venue.signal("-TERM");
    let ended = venue.end();
    ended.assert_good();
    assert_eq!(ended.err, "");
    assert!(!folder.path().join("live").exists(), "nothing is left of it");
    let journal = folder.path().join("journal");
    let printed = run(&["journal", "print", journal.to_str().unwrap(), "--fix", "A"]);
    printed.assert_good();
    for headline in ["Headline=Maintenance", "Headline=x (3/3)", "Headline=Again"] {
        assert!(printed.out.contains(headline), "{}", printed.out);
    }
}

/// The next news that the session hears, `|` for SOH.
fn hear(set: &mut FixSet) -> String {
    let mut news = None;
    while news.is_none() {
        set.poll(Some(Duration::from_secs(20)), &mut |_, heard| {
            if let Heard::Application(message) = heard {
                let text = String::from_utf8_lossy(message.bytes()).replace('\x01', "|");
                news.get_or_insert(text);
            }
        })
        .unwrap();
    }
    news.unwrap()
}

/// Where the core has its turns on the gateway's thread, orders of many sessions that come together wait for it in their
/// sockets: none is refused because the way to it is full of the others'.
#[test]
fn a_burst_of_many_sessions_is_taken_whole_by_a_joined_venue() {
    const SESSIONS: usize = 250;
    // What one session may send in a round: together more than the ring holds.
    const ORDERS: usize = 64;
    let folder = Folder::new();
    let names: Vec<String> = (0..SESSIONS).map(|n| format!("S{n}")).collect();
    let text = config_text(&folder, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let text = text.replacen("sessions = 8", "sessions = 300", 1);
    let text = text.replacen("[limits]", "[threads]\nlayout = \"joined\"\n[limits]", 1);
    let mut venue = serve(&folder, &text);
    let line = venue.line("fix");
    let address = line.split_whitespace().find_map(|word| word.trim_end_matches(',').parse().ok());
    let target = FixTarget {
        address: address.unwrap_or_else(|| panic!("no address in {line}")),
        comp_id: "VESTA".into(),
        reset: false,
        patience: Duration::from_secs(30),
    };
    let logins: Vec<Login> = names.iter().map(Login::plain).collect();
    let mut set = FixSet::connect(target, &logins).unwrap();
    // All of it is there before the venue looks.
    venue.signal("-STOP");
    for session in 0..SESSIONS {
        for n in 0..ORDERS {
            let now = venue::clock::now();
            set.send(session, now, b"D", |order| {
                order.bytes(11, format!("{session}-{n}").as_bytes()).bytes(55, b"BTC-USD");
                order.char(54, b'1').utc(60, now).uint(38, 1).char(40, b'2');
                order.decimal(44, 100, 2).char(59, b'3');
            });
        }
    }
    set.flush().unwrap();
    venue.signal("-CONT");
    let mut done = 0;
    while done < SESSIONS * ORDERS {
        let mut hear = |_: usize, heard: Heard<'_>| {
            let Heard::Application(report) = heard else { panic!("{heard:?}") };
            match report.get(150) {
                Some(b"0") => {}
                Some(b"4") => done += 1,
                _ => panic!("{report:?}"),
            }
        };
        set.poll(Some(Duration::from_secs(20)), &mut hear).unwrap();
    }
    set.logout(Duration::from_secs(10), &mut |_, _| {});
    venue.signal("-TERM");
    venue.end().assert_good();
}
