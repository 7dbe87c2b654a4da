//! What can be traded, in which state it is, and market data, over real sockets: the examples of `FIX-MARKET.md`, and
//! what they do not show.
//!
//! A script is in the document: lines above `----` happen, lines below are what each session gets, in its order.
//! `UPDATE_GOLDEN=1` writes the lower part anew.
//!
//! ```text
//! session NAME FIX.4.2             logs on; FIX.4.4 if not given
//! phase SYMBOL halt                the venue sets a phase
//! news all HEADLINE|TEXT           the operator says something to all, or to NAME
//! NAME x|320=a|559=4               a message of a session
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gateway::acceptor::{News as GatewayNews, Rights, SessionSetup, Urgency};
use gateway::fix::Version;
use gateway::market_data::{
    Ask, Books, Client as ClientOfMarket, News, Said, Subscriptions, UNREAD_MAX, Updates, Wanted,
};
use matcher::{
    BookLevel, Command, Instrument, InstrumentId, MsgSeqNum, Phase, Price, Qty, SessionId, Side,
};

use crate::desk::{Client, Desk, session, settings};
use crate::random::Random;

/// Rounds in which nothing comes before nothing is believed to come.
const QUIET_ROUNDS: u32 = 20;

/// Rounds for what has to come.
const PATIENT_ROUNDS: u32 = 5_000;

pub(crate) struct Play {
    pub(crate) desk: Desk,
    clients: Vec<(String, Client)>,
}

impl Play {
    fn new() -> Play {
        Play::at(Desk::new(settings(), (1..=6).map(session).collect()))
    }

    pub(crate) fn at(desk: Desk) -> Play {
        Play { desk, clients: Vec::new() }
    }

    pub(crate) fn log_on(&mut self, name: &str, version: Version) {
        let number = u32::try_from(self.clients.len() + 1).unwrap();
        let mut client = self.desk.connect(number);
        client.version = version;
        let more = if version == Version::Fix50Sp2 { "1137=9" } else { "" };
        client.log_on(self.desk.now, more);
        self.clients.push((name.into(), client));
        let answer = self.read(name, PATIENT_ROUNDS).expect("a Logon");
        assert!(answer.starts_with("A|"), "{answer}");
    }

    /// The client is gone, and the acceptor has seen it.
    pub(crate) fn hang_up(&mut self, name: &str) {
        let at = self.clients.iter().position(|(known, _)| known == name).unwrap();
        drop(self.clients.remove(at));
        let left = self.desk.acceptor.connections() - 1;
        self.desk.until(|desk| desk.acceptor.connections() == left);
    }

    /// The first session has a client again, whose numbers go on.
    pub(crate) fn come_back(&mut self, name: &str, next_out: u32) {
        let mut client = self.desk.connect(1);
        client.next_out = next_out;
        client.send(self.desk.now, "A", "98=0 108=0");
        self.clients.insert(0, (name.into(), client));
        assert!(self.get(name).starts_with("A|"));
    }

    pub(crate) fn send(&mut self, name: &str, message: &str) {
        let (msg_type, fields) = message.split_once('|').unwrap_or((message, ""));
        let now = self.desk.now;
        let client = self.client(name);
        let fields = fields.split('|').filter(|field| !field.is_empty());
        let bytes = client.encode_fields(now, msg_type, fields);
        client.write(&bytes);
    }

    pub(crate) fn client(&mut self, name: &str) -> &mut Client {
        let named = |(known, _): &&mut (String, Client)| known == name;
        let found = self.clients.iter_mut().find(named);
        &mut found.unwrap_or_else(|| panic!("no session {name}")).1
    }

    pub(crate) fn read(&mut self, name: &str, rounds: u32) -> Option<String> {
        let at = self.clients.iter().position(|(known, _)| known == name).unwrap();
        self.desk.read_shown(&mut self.clients[at].1, rounds)
    }

    pub(crate) fn get(&mut self, name: &str) -> String {
        self.read(name, PATIENT_ROUNDS).unwrap_or_else(|| panic!("{name} gets nothing"))
    }

    pub(crate) fn gets_nothing(&mut self, name: &str) {
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
            "news" => {
                let (to, said) = rest.split_once(' ').unwrap();
                let (headline, text) = said.split_once('|').unwrap();
                let text = text.replace("\\n", "\n");
                let news = GatewayNews::new(Urgency::Normal, headline, &text).unwrap();
                let named = |(known, _): &(String, Client)| known == to;
                let at = self.clients.iter().position(named);
                let at = at.map(|at| [SessionId(u32::try_from(at + 1).unwrap())]);
                let to = at.as_ref().map(|at| &at[..]);
                self.desk.until(|desk| desk.acceptor.announce(to, &news).is_some());
            }
            "phase" => {
                let (symbol, phase) = rest.split_once(' ').unwrap();
                let instrument = ["BTC-USD", "ETH-USD"].iter().position(|it| *it == symbol);
                self.phase(u32::try_from(instrument.unwrap()).unwrap(), phase_named(phase));
            }
            name => {
                self.send(name, rest);
                // Taken before the next is sent: the order of the script is that of the core.
                let at = self.clients.iter().position(|(known, _)| known == name).unwrap();
                let session = SessionId(u32::try_from(at + 1).unwrap());
                let last = MsgSeqNum(self.clients[at].1.next_out - 1);
                self.desk.until(|desk| desk.numbers(session).0 >= last);
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
fn play(document: &str, mut play: Play) -> String {
    let (mut played, mut blocks) = (String::new(), 0);
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
    assert!(blocks > 1, "scripts are missing");
    played
}

#[test]
fn the_document_is_true() {
    is_true("FIX-MARKET.md", Play::new());
}

/// What the examples of a document say is what happens.
pub(crate) fn is_true(document: &str, stage: Play) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let document = fs::read_to_string(&path).unwrap();
    let played = play(&document, stage);
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

fn order(play: &mut Play, name: &str, id: &str, side: u8, qty: u32, price: &str) {
    let fields = "55=BTC-USD|60=20260105-09:30:00|40=2|59=1";
    play.send(name, &format!("D|11={id}|54={side}|38={qty}|44={price}|{fields}"));
}

/// Takes the reports away.
fn traded(play: &mut Play, name: &str, reports: usize) {
    for _ in 0..reports {
        assert!(play.get(name).starts_with("8|"));
    }
}

#[test]
fn market_data_is_refused_with_its_reason() {
    for version in Version::ALL {
        let mut play = one(version);
        let rest = "267=1|269=0|146=1|55=BTC-USD";
        for (request, reason) in [
            (format!("V|262=a|263=1|264=1|{rest}"), "281=6|"),
            (format!("V|262=a|263=0|264=0|{rest}"), "281=5|"),
            (format!("V|262=a|263=0|264=41|{rest}"), "281=5|"),
            (format!("V|262=a|263=0|264=1|266=N|{rest}"), "281=7|"),
            ("V|262=a|263=0|264=1|267=1|269=4|146=1|55=BTC-USD".into(), "281=8|"),
            ("V|262=a|263=0|264=1|267=1|269=0|146=1|55=XRP-USD".into(), "281=0|"),
            ("V|262=a|263=0|264=1|267=1|269=0|146=2|55=BTC-USD|55=XRP-USD".into(), "281=0|"),
            ("V|262=a|263=0|264=1|267=1|269=0|146=0".into(), "281=0|"),
            ("V|262=a|263=0|264=1|267=0|146=1|55=BTC-USD".into(), "281=8|"),
            (format!("V|262=a|263=2|264=1|{rest}"), "58=the MDReqID names no subscription"),
        ] {
            play.send("md", &request);
            let got = play.get("md");
            assert!(got.starts_with(&format!("Y|262=a|{reason}")), "{version:?} {request}: {got}");
        }
        play.send("md", "V|262=a|263=0|264=1|267=1|269=0|146=1|55=BTC-USD|336=2");
        let reason = if version == Version::Fix42 { "" } else { "281=9|" };
        let refused = format!("Y|262=a|{reason}58=unknown TradingSessionID: there is one, 1");
        assert_eq!(play.get("md"), refused);
        let groups = [
            ("V|262=a|263=0|264=1|267=2|269=0|146=1|55=BTC-USD".to_owned(), "371=267", "16"),
            ("V|262=a|263=0|264=1|267=1|55=BTC-USD|269=0|146=1".to_owned(), "371=267", "16"),
            ("V|262=a|263=0|264=1|267=1|269=0|55=BTC-USD|146=1".to_owned(), "371=55", "2"),
            (format!("V|263=0|264=1|{rest}"), "371=262", "1"),
        ];
        for (request, tag, reason) in groups {
            play.send("md", &request);
            let got = play.get("md");
            assert!(got.starts_with("3|") && got.contains(tag), "{version:?} {request}: {got}");
            // FIX 4.2 has no code for it.
            let has_code = version > Version::Fix42 || reason != "16";
            assert!(!has_code || got.ends_with(&format!("373={reason}")), "{got}");
        }
        if version > Version::Fix42 {
            for (field, reason) in [("286=0", "B"), ("546=1", "A"), ("547=Y", "C")] {
                play.send("md", &format!("V|262=a|263=0|264=1|{field}|{rest}"));
                assert!(play.get("md").starts_with(&format!("Y|262=a|281={reason}|")), "{field}");
            }
        }
    }
}

#[test]
fn a_session_without_the_permission_has_no_market_data() {
    let rights = Rights { market_data: false, ..Rights::default() };
    let desk = Desk::new(settings(), vec![SessionSetup { rights, ..session(1) }, session(2)]);
    let mut play = Play::at(desk);
    play.log_on("md", Version::Fix44);
    play.send("md", "V|262=a|263=0|264=1|267=1|269=0|146=1|55=BTC-USD");
    assert_eq!(play.get("md"), "Y|262=a|281=3|58=this session may not have market data");
    play.send("md", "x|320=l|559=0|55=BTC-USD");
    assert!(play.get("md").starts_with("y|320=l|"));
}

#[test]
fn every_version_has_snapshots_and_changes() {
    for version in Version::ALL {
        let mut play = one(version);
        play.log_on("maker", Version::Fix44);
        order(&mut play, "maker", "o1", 2, 5, "101.00");
        traded(&mut play, "maker", 1);
        play.send(
            "md",
            "V|262=m|263=1|264=5|265=1|267=3|269=0|269=1|269=2|146=2|55=BTC-USD|55=ETH-USD",
        );
        let said = [play.get("md"), play.get("md")];
        assert_eq!(said[0], "W|262=m|55=BTC-USD|268=1|269=1|270=101.00|271=5|290=1|346=1");
        assert_eq!(said[1], "W|262=m|55=ETH-USD|268=0");
        order(&mut play, "maker", "o2", 1, 2, "101.00");
        let time = "272=20260105|273=09:30:00.000";
        let trade = format!("279=0|269=2|278=1|55=BTC-USD|270=101.00|271=2|{time}");
        let level = "279=1|269=1|55=BTC-USD|270=101.00|271=3|346=1";
        assert_eq!(play.get("md"), format!("X|262=m|268=2|{trade}|{level}"));
        play.send("md", "V|262=s|263=0|264=1|267=1|269=2|146=1|55=BTC-USD");
        let id = if version == Version::Fix50Sp2 { "|278=1" } else { "" };
        let last = format!("269=2|270=101.00|271=2|{time}{id}");
        assert_eq!(play.get("md"), format!("W|262=s|55=BTC-USD|268=1|{last}"));
        play.send("md", "V|262=m|263=2|264=5|267=1|269=0|146=1|55=BTC-USD");
        play.desk.until(|desk| desk.market_is_quiet());
        order(&mut play, "maker", "o3", 1, 1, "99.00");
        play.gets_nothing("md");
    }
}

/// Whoever applies what it is told has the book at every moment, whatever happened between two messages.
#[test]
fn changes_make_the_book_that_a_snapshot_shows() {
    let mut play = one(Version::Fix44);
    play.log_on("maker", Version::Fix44);
    play.send("md", "V|262=m|263=1|264=3|265=1|267=2|269=0|269=1|146=1|55=BTC-USD");
    assert_eq!(play.get("md"), "W|262=m|55=BTC-USD|268=0");
    let mut random = Random::new(7);
    let mut mine: BTreeMap<(char, u32), (u32, u32)> = BTreeMap::new();
    for step in 0..300_u32 {
        play.desk.market_stands = true;
        for part in 0..1 + random.below(4) {
            let side = 1 + u8::from(random.below(2) == 0);
            // Prices of both sides that meet: there are trades too.
            let price = 100 + random.below(7) + if side == 1 { 0 } else { 4 };
            let qty = u32::try_from(1 + random.below(9)).unwrap();
            order(&mut play, "maker", &format!("o{step}-{part}"), side, qty, &price.to_string());
        }
        if step % 50 == 49 {
            play.send("maker", &format!("q|11=q{step}|530=7|60=20260105-09:30:00"));
        }
        while play.read("maker", 3).is_some() {}
        play.desk.market_stands = false;
        while let Some(got) = play.read("md", 3) {
            apply(&mut mine, &got);
        }
        play.send("md", &format!("V|262=s{step}|263=0|264=3|267=2|269=0|269=1|146=1|55=BTC-USD"));
        let shown = loop {
            let got = play.get("md");
            if got.starts_with("W|") {
                break got;
            }
            apply(&mut mine, &got);
        };
        let mut theirs = BTreeMap::new();
        apply(&mut theirs, &shown);
        assert_eq!(mine, theirs, "step {step}: {shown}");
    }
}

/// Applies the entries of a W or an X to prices by side and cents: size and orders.
fn apply(book: &mut BTreeMap<(char, u32), (u32, u32)>, message: &str) {
    let mut entries: Vec<BTreeMap<&str, &str>> = Vec::new();
    let begins = if message.starts_with("W|") { "269" } else { "279" };
    for (tag, value) in message.split('|').skip(1).filter_map(|field| field.split_once('=')) {
        if tag == begins {
            entries.push(BTreeMap::new());
        }
        if let Some(entry) = entries.last_mut() {
            entry.insert(tag, value);
        }
    }
    for entry in entries {
        let side = entry["269"].chars().next().unwrap();
        let key = (side, entry["270"].replace('.', "").parse().unwrap());
        let level = || (entry["271"].parse().unwrap(), entry["346"].parse().unwrap());
        match entry.get("279").copied().unwrap_or("0") {
            "0" => assert_eq!(book.insert(key, level()), None, "new, and was there: {message}"),
            "1" => assert!(book.insert(key, level()).is_some(), "{message}"),
            _ => assert!(book.remove(&key).is_some(), "{message}"),
        }
        let of_side = book.keys().filter(|(it, _)| *it == side).count();
        assert!(of_side <= 3, "more than the depth: {message}");
    }
}

/// A connection that takes nothing is told nothing more, and then all that it missed at once: what changed meanwhile and
/// back again is no change.
#[test]
fn who_does_not_read_is_told_the_present_when_it_does() {
    let (id, instrument) = (InstrumentId(0), Instrument::plain("GOLD").unwrap());
    let mut books = Levels { instrument, bids: Vec::new() };
    let client = ClientOfMarket { session: SessionId(1), connection: 0 };
    let mut subscriptions = Subscriptions::new();
    let mut said: Vec<Said> = Vec::new();
    subscriptions.ask(Ask::Begin(client, 0, wanted(id)));
    for qty in 1..1_000 {
        books.bids = vec![level(100, qty)];
        subscriptions.changed(id);
        subscriptions.publish(News::All, &books, 1_000, &mut |it| said.push(it));
    }
    assert_eq!(said.len(), UNREAD_MAX as usize, "it has not taken one of them");
    subscriptions.ask(Ask::Taken(client, UNREAD_MAX));
    said.clear();
    subscriptions.publish(News::All, &books, 1_000, &mut |it| said.push(it));
    let body = String::from_utf8(said[0].body.clone()).unwrap().replace('\x01', "|");
    assert_eq!(body, "262=m|268=1|279=1|269=0|55=GOLD|270=100|271=999|346=1|");
    for qty in [5, 7, 999] {
        books.bids = vec![level(100, qty)];
        subscriptions.changed(id);
    }
    subscriptions.publish(News::All, &books, 1_000, &mut |it| said.push(it));
    assert_eq!(said.len(), 1, "nothing has changed");
    subscriptions.ask(Ask::Gone(client));
    assert!(subscriptions.is_empty());
}

struct Levels {
    instrument: Instrument,
    bids: Vec<BookLevel>,
}

impl Books for Levels {
    fn instrument(&self, _: InstrumentId) -> Option<&Instrument> {
        Some(&self.instrument)
    }

    fn best(&self, _: InstrumentId, side: Side, depth: usize, out: &mut Vec<BookLevel>) {
        if side == Side::Buy {
            out.extend(self.bids.iter().take(depth));
        }
    }
}

fn level(ticks: i64, lots: u64) -> BookLevel {
    BookLevel { price: Price::from_ticks(ticks), qty: Qty::from_lots(lots), orders: 1 }
}

fn wanted(id: InstrumentId) -> Wanted {
    Wanted {
        id: b"m".to_vec(),
        version: Version::Fix44,
        instruments: vec![id],
        depth: 5,
        updates: Updates::Incremental,
        bids: true,
        asks: true,
        trades: false,
    }
}

/// Trades are told one by one or not at all: who does not read loses the subscription, with a reason, and nothing else.
#[test]
fn who_misses_trades_is_told_so() {
    let mut play = one(Version::Fix44);
    play.log_on("maker", Version::Fix44);
    play.send("md", "V|262=m|263=1|264=1|265=1|267=1|269=2|146=1|55=BTC-USD");
    assert_eq!(play.get("md"), "W|262=m|55=BTC-USD|268=0");
    // Who wants only the last trade misses none.
    play.send("md", "V|262=last|263=1|264=1|265=0|267=1|269=2|146=1|55=BTC-USD");
    assert_eq!(play.get("md"), "W|262=last|55=BTC-USD|268=0");
    play.desk.market_stands = true;
    for n in 0..1_025_u32 {
        order(&mut play, "maker", &format!("s{n}"), 2, 1, "100");
        order(&mut play, "maker", &format!("b{n}"), 1, 1, "100");
        traded(&mut play, "maker", 4);
    }
    play.desk.market_stands = false;
    let got = play.get("md");
    assert!(got.starts_with("Y|262=m|281=2|58=trades came faster than they were read"), "{got}");
    assert!(play.get("md").starts_with("W|262=last|55=BTC-USD|268=1|269=2|"));
    play.send("md", "V|262=last|263=2|264=1|267=1|269=2|146=1|55=BTC-USD");
    play.desk.until(|desk| desk.market_is_quiet());
    // The id is free, and orders were never in question.
    play.send("md", "V|262=m|263=1|264=1|265=1|267=1|269=2|146=1|55=BTC-USD");
    assert!(play.get("md").starts_with("W|262=m|55=BTC-USD|268=1|269=2|270=100.00|"));
    order(&mut play, "md", "mine", 1, 1, "50");
    assert!(play.get("md").starts_with("8|"));
}

/// What was asked once is over with its last answer, and counts until then.
#[test]
fn only_so_many_requests_wait_for_their_answer() {
    let mut play = one(Version::Fix44);
    play.desk.market_stands = true;
    for id in 0..65 {
        play.send(
            "md",
            &format!("V|262=m{id}|263=0|264=1|267=1|269=0|146=2|55=BTC-USD|55=ETH-USD"),
        );
    }
    assert_eq!(play.get("md"), "Y|262=m64|281=2|58=too many subscriptions");
    play.send("md", "V|262=m1|263=0|264=1|267=1|269=0|146=1|55=BTC-USD");
    assert_eq!(play.get("md"), "Y|262=m1|281=1|58=the MDReqID names a subscription already");
    play.desk.market_stands = false;
    for id in 0..64 {
        for symbol in ["BTC-USD", "ETH-USD"] {
            assert_eq!(play.get("md"), format!("W|262=m{id}|55={symbol}|268=0"));
        }
    }
    play.desk.until(|desk| desk.market_is_quiet());
    play.send("md", "V|262=m1|263=0|264=1|267=1|269=0|146=1|55=BTC-USD");
    assert_eq!(play.get("md"), "W|262=m1|55=BTC-USD|268=0");
}

/// Requests are answered at once, changes at their time; with little room everybody has a turn.
#[test]
fn who_asks_much_is_not_told_changes_faster() {
    let (id, instrument) = (InstrumentId(0), Instrument::plain("GOLD").unwrap());
    let mut books = Levels { instrument, bids: Vec::new() };
    let clients = [1, 2, 3].map(|id| ClientOfMarket { session: SessionId(id), connection: 0 });
    let mut subscriptions = Subscriptions::new();
    let mut said: Vec<Said> = Vec::new();
    for client in clients {
        subscriptions.ask(Ask::Begin(client, 0, wanted(id)));
    }
    assert!(!subscriptions.publish(News::First, &books, 1_000, &mut |it| said.push(it)));
    assert_eq!(said.len(), clients.len());
    said.clear();
    books.bids = vec![level(100, 5)];
    subscriptions.changed(id);
    let once = Wanted { updates: Updates::Never, ..wanted(id) };
    subscriptions.ask(Ask::Begin(clients[0], 7, once));
    subscriptions.publish(News::First, &books, 1_000, &mut |it| said.push(it));
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].client, said[0].msg_type, said[0].ends), (clients[0], b'W', Some(7)));
    said.clear();
    // Room for one connection at a time.
    for _ in clients {
        let room = 22;
        subscriptions.publish(News::All, &books, room, &mut |it| said.push(it));
    }
    let told: Vec<ClientOfMarket> = said.iter().map(|it| it.client).collect();
    assert_eq!(told, clients);
    assert!(!subscriptions.publish(News::All, &books, 1_000, &mut |it| said.push(it)));
    assert_eq!(said.len(), clients.len());
}

#[test]
fn nothing_is_left_of_a_connection_that_is_gone() {
    let mut play = one(Version::Fix44);
    for id in 0..64 {
        play.send("md", &format!("V|262=m{id}|263=1|264=1|265=0|267=1|269=0|146=1|55=BTC-USD"));
        assert!(play.get("md").starts_with(&format!("W|262=m{id}|")));
    }
    play.send("md", "V|262=more|263=1|264=1|265=0|267=1|269=0|146=1|55=BTC-USD");
    assert_eq!(play.get("md"), "Y|262=more|281=2|58=too many subscriptions");
    play.send("md", "V|262=m7|263=0|264=1|267=1|269=0|146=1|55=BTC-USD");
    assert_eq!(play.get("md"), "Y|262=m7|281=1|58=the MDReqID names a subscription already");
    play.clients.clear();
    play.desk.until(|desk| desk.acceptor.connections() == 0 && desk.market_is_quiet());
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
