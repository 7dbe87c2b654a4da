//! What can be traded, in which state it is, and market data, over real sockets: the examples of `FIX-MARKET.md`, and
//! what they do not show.
//!
//! A script is in the document: lines above `----` happen, lines below are what each session gets, in its order.
//! `UPDATE_GOLDEN=1` writes the lower part anew.
//!
//! ```text
//! session NAME FIX.4.2             logs on; FIX.4.4 if not given
//! phase SYMBOL halt                the venue sets a phase
//! NAME x|320=a|559=4               a message of a session
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gateway::fix::Version;
use matcher::{Command, InstrumentId, Phase};

use crate::desk::{Client, Desk, session, settings};

/// Rounds in which nothing comes before nothing is believed to come.
const QUIET_ROUNDS: u32 = 20;

/// Rounds for what has to come.
const PATIENT_ROUNDS: u32 = 5_000;

struct Play {
    desk: Desk,
    clients: Vec<(String, Client)>,
}

impl Play {
    fn new() -> Play {
        let desk = Desk::new(settings(), (1..=6).map(session).collect());
        Play { desk, clients: Vec::new() }
    }

    fn log_on(&mut self, name: &str, version: Version) {
        let number = u32::try_from(self.clients.len() + 1).unwrap();
        let mut client = self.desk.connect(number);
        client.version = version;
        let more = if version == Version::Fix50Sp2 { "1137=9" } else { "" };
        client.log_on(self.desk.now, more);
        self.clients.push((name.into(), client));
        let answer = self.read(name, PATIENT_ROUNDS).expect("a Logon");
        assert!(answer.starts_with("A|"), "{answer}");
    }

    fn send(&mut self, name: &str, message: &str) {
        let (msg_type, fields) = message.split_once('|').unwrap_or((message, ""));
        let now = self.desk.now;
        let client = self.client(name);
        let fields = fields.split('|').filter(|field| !field.is_empty());
        let bytes = client.encode_fields(now, msg_type, fields);
        client.write(&bytes);
    }

    fn client(&mut self, name: &str) -> &mut Client {
        let named = |(known, _): &&mut (String, Client)| known == name;
        let found = self.clients.iter_mut().find(named);
        &mut found.unwrap_or_else(|| panic!("no session {name}")).1
    }

    fn read(&mut self, name: &str, rounds: u32) -> Option<String> {
        let at = self.clients.iter().position(|(known, _)| known == name).unwrap();
        self.desk.read_shown(&mut self.clients[at].1, rounds)
    }

    fn get(&mut self, name: &str) -> String {
        self.read(name, PATIENT_ROUNDS).unwrap_or_else(|| panic!("{name} gets nothing"))
    }

    fn gets_nothing(&mut self, name: &str) {
        assert_eq!(self.read(name, QUIET_ROUNDS), None);
    }

    fn phase(&mut self, instrument: u32, phase: Phase) {
        self.desk.govern(Command::SetPhase { instrument: InstrumentId(instrument), phase });
    }

    fn step(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap();
        match word {
            "session" => {
                let (name, begin_string) = rest.split_once(' ').unwrap_or((rest, "FIX.4.4"));
                self.log_on(name, Version::of_begin_string(begin_string.as_bytes()).unwrap());
            }
            "phase" => {
                let (symbol, phase) = rest.split_once(' ').unwrap();
                let instrument = ["BTC-USD", "ETH-USD"].iter().position(|it| *it == symbol);
                self.phase(u32::try_from(instrument.unwrap()).unwrap(), phase_named(phase));
            }
            name => {
                self.send(name, rest);
                self.desk.round(std::time::Duration::from_millis(1));
            }
        }
    }
}

fn phase_named(name: &str) -> Phase {
    match name {
        "continuous" => Phase::Continuous,
        "halt" => Phase::Halt,
        "closed" => Phase::Closed,
        "pre-open" => Phase::PreOpen,
        "opening-auction" => Phase::OpeningAuction,
        "volatility-auction" => Phase::VolatilityAuction,
        "closing-auction" => Phase::ClosingAuction,
        _ => panic!("no phase {name}"),
    }
}

/// Plays the scripts of a document; returns it with what came.
fn play(document: &str) -> String {
    let (mut played, mut play, mut blocks) = (String::new(), Play::new(), 0);
    for (index, part) in document.split("```").enumerate() {
        if index > 0 {
            played.push_str("```");
        }
        let script = part.strip_prefix("text\n").filter(|script| script.contains("\n----\n"));
        let Some(script) = script.filter(|_| index % 2 == 1) else {
            played.push_str(part);
            continue;
        };
        played.push_str("text\n");
        for block in script.trim_end().split("\n\n") {
            blocks += 1;
            let (above, below) = block.split_once("\n----").unwrap_or((block, ""));
            for line in above.lines() {
                play.step(line);
            }
            writeln!(played, "{above}\n----").unwrap();
            let names: Vec<String> = play.clients.iter().map(|(name, _)| name.clone()).collect();
            for name in names {
                let mut wanted = below.lines().filter(|line| line.starts_with(&format!("{name} ")));
                loop {
                    let rounds = wanted.next().map_or(QUIET_ROUNDS, |_| PATIENT_ROUNDS);
                    let updates = std::env::var_os("UPDATE_GOLDEN").is_some();
                    let rounds = if updates { QUIET_ROUNDS } else { rounds };
                    let Some(got) = play.read(&name, rounds) else { break };
                    writeln!(played, "{name} {got}").unwrap();
                }
            }
            played.push('\n');
        }
        played.pop();
    }
    assert!(blocks > 2, "scripts are missing");
    played
}

#[test]
fn the_document_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("FIX-MARKET.md");
    let document = fs::read_to_string(&path).unwrap();
    let played = play(&document);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, played).unwrap();
    } else {
        assert!(played == document, "{played}");
    }
}

fn one(version: Version) -> Play {
    let mut play = Play::new();
    play.log_on("md", version);
    play
}

/// What is not said in a version, and what has no answer of its own.
#[test]
fn requests_are_refused_with_their_reason() {
    for version in Version::ALL {
        let mut play = one(version);
        for (request, answer) in [
            ("c|320=a|321=0|55=XRP-USD", "d|320=a|322=2|323=6|"),
            ("c|320=a|321=2", "d|320=a|322=3|323=5|"),
            ("c|321=3", "3|45=4|58=Required tag missing|371=320|372=c|373=1"),
            (
                "e|324=a|263=2|55=BTC-USD",
                "j|45=5|58=the id names no subscription|372=e|379=a|380=1",
            ),
            ("g|335=a|263=2", "j|45=6|58=the id names no subscription|372=g|379=a|380=1"),
            ("e|324=b|263=0|55=XRP-USD", "f|324=b|55=XRP-USD|326=20"),
            ("e|324=b|263=3|55=BTC-USD", "3|45=8|"),
            ("e|324=b|263=1", "3|45=9|58=Required tag missing|371=55|372=e|373=1"),
        ] {
            play.send("md", request);
            let got = play.get("md");
            assert!(got.starts_with(answer), "{version:?} {request}: {got}");
        }
        let long = "x".repeat(33);
        play.send("md", &format!("e|324={long}|263=0|55=BTC-USD"));
        assert!(play.get("md").starts_with("3|45=10|"), "{version:?}");
        play.send("md", "x|320=l|559=4");
        let got = play.get("md");
        if version == Version::Fix42 {
            assert!(got.starts_with("3|45=11|") && got.ends_with("|373=11"), "{got}");
            play.send("md", "g|335=a|263=0|336=2");
            assert!(play.get("md").starts_with("j|45=12|58=unknown TradingSessionID"));
        } else {
            assert!(got.starts_with("y|320=l|322=11|560=0|393=2|893=Y|146=2|"), "{got}");
            play.send("md", "x|320=l|559=1");
            assert_eq!(play.get("md"), "y|320=l|322=12|560=1");
            play.send("md", "x|320=l|559=0|55=XRP-USD");
            assert_eq!(play.get("md"), "y|320=l|322=13|560=2");
            play.send("md", "g|335=a|263=0|336=2");
            assert_eq!(play.get("md"), "h|335=a|336=2|340=6|567=1");
        }
    }
}

#[test]
fn each_version_has_its_words_for_each_phase() {
    for version in Version::ALL {
        let mut play = one(version);
        play.send("md", "e|324=s|263=1|55=BTC-USD");
        let is_old = version == Version::Fix42;
        let open = if is_old {
            "f|324=s|55=BTC-USD|326=17"
        } else {
            "f|324=s|55=BTC-USD|326=17|625=3|58=continuous trading"
        };
        assert_eq!(play.get("md"), open);
        for (phase, old, new) in [
            (Phase::Halt, "2", "2|58=halt"),
            (Phase::PreOpen, "5", "21|625=1|58=pre-open"),
            (Phase::OpeningAuction, "5", "22|625=2|58=opening auction"),
            (Phase::VolatilityAuction, "5", "5|625=6|58=volatility auction"),
            (Phase::ClosingAuction, "5", "5|625=4|58=closing auction"),
            (Phase::Closed, "18", "18|625=5|58=closed"),
        ] {
            // The other instrument is none of its business.
            play.phase(1, phase);
            play.phase(0, phase);
            let said = if is_old { old } else { new };
            assert_eq!(play.get("md"), format!("f|324=s|55=BTC-USD|325=Y|326={said}"));
        }
        play.gets_nothing("md");
        play.send("md", "e|324=s|263=2|55=BTC-USD");
        play.phase(0, Phase::Continuous);
        play.gets_nothing("md");
    }
}

#[test]
fn there_are_only_so_many_subscriptions_and_answers() {
    let mut play = one(Version::Fix44);
    for id in 0..256 {
        play.send("md", &format!("e|324=s{id}|263=1|55=ETH-USD"));
        assert!(play.get("md").starts_with(&format!("f|324=s{id}|")));
    }
    play.send("md", "e|324=more|263=1|55=ETH-USD");
    assert!(play.get("md").contains("|58=too many subscriptions|"));
    play.send("md", "e|324=s7|263=1|55=ETH-USD");
    assert!(play.get("md").contains("|58=the id names a subscription already|"));
    // One change is told to each of them, and the numbers are asked for some at a time.
    play.phase(1, Phase::Halt);
    for id in 0..256 {
        assert!(play.get("md").starts_with(&format!("f|324=s{id}|55=ETH-USD|325=Y|")));
    }
    play.gets_nothing("md");
    // Orders are taken all the while.
    play.send("md", "D|11=o|55=BTC-USD|54=1|60=20260105-09:30:00|38=1|40=2|44=100|59=1");
    assert!(play.get("md").starts_with("8|"));
}

/// While a session is not read, states change as they like: it is told the last one, once.
#[test]
fn states_that_wait_are_told_as_they_are_when_they_are_told() {
    let mut play = one(Version::Fix44);
    play.send("md", "g|335=t|263=1");
    assert_eq!(play.get("md"), "h|335=t|336=1|338=1|340=2|625=3|58=continuous trading");
    // All in one round of the core: the number comes behind the last of them.
    for phase in [Phase::Halt, Phase::PreOpen, Phase::OpeningAuction] {
        play.phase(0, phase);
        play.phase(1, phase);
    }
    assert_eq!(play.get("md"), "h|335=t|336=1|338=1|325=Y|340=4|625=2|58=opening auction");
    play.phase(0, Phase::Continuous);
    assert_eq!(play.get("md"), "h|335=t|336=1|338=1|325=Y|340=2|58=instruments differ");
    play.gets_nothing("md");
}

#[test]
fn a_request_sent_again_is_not_taken_twice() {
    let mut play = one(Version::Fix44);
    play.send("md", "e|324=s|263=1|55=BTC-USD");
    play.get("md");
    play.send("md", "e|97=Y|324=s|263=1|55=BTC-USD");
    play.gets_nothing("md");
    play.phase(0, Phase::Halt);
    assert!(play.get("md").starts_with("f|324=s|"));
    play.gets_nothing("md");
}
