//! Quotes: the examples of `FIX-QUOTES.md` over real sockets; and what a message becomes, in every place that it can be broken off at.

use std::collections::BTreeMap;

use gateway::acceptor::{Rights, SessionSetup};
use gateway::fix::{Encoder, Fields, Note, Version, decode};
use gateway::order_entry::{OrderEntry, Quoted};
use matcher::{
    Command, Engine, Event, Input, Instrument, InstrumentId, Limits, MsgSeqNum, NewOrder,
    OrderNumber, ParticipantId, Phase, Price, Qty, Sequence, SessionId, Side, Symbol,
};

use crate::desk::{Desk, OPEN, session, settings};
use crate::market::{Play, is_true};
use crate::random::Random;

#[test]
fn the_document_is_true() {
    is_true("FIX-QUOTES.md", Play::at(Desk::new(settings(), (1..=7).map(session).collect())));
}

const QUOTE: &str = "i|117=a|296=1|302=s|304=1|295=1|299=1|55=BTC-USD|132=1.00|134=1";

#[test]
fn a_session_without_the_permission_may_not_quote() {
    let rights = Rights { quote: false, ..Rights::default() };
    let instruments = vec![Symbol::new(b"ETH-USD").unwrap()];
    let some = Rights { instruments, ..Rights::default() };
    let setups =
        vec![SessionSetup { rights, ..session(1) }, SessionSetup { rights: some, ..session(2) }];
    let mut play = Play::at(Desk::new(settings(), setups));
    play.log_on("none", Version::Fix44);
    play.log_on("some", Version::Fix44);
    for message in [QUOTE, "Z|117=a|298=4", "a|117=a|55=BTC-USD"] {
        play.send("none", message);
        let got = play.get("none");
        assert!(got.contains("58=this session may not quote|") && got.ends_with("|379=a|380=6"));
    }
    play.send("some", &format!("{QUOTE}|"));
    play.send("some", "i|117=b|301=1|296=1|302=s|304=1|295=1|299=1|55=BTC-USD|132=1.00|134=1");
    assert!(play.get("some").ends_with("|299=1|368=9"));
}

#[test]
fn what_is_malformed_is_rejected_and_changes_nothing() {
    let mut play = Play::at(Desk::new(settings(), vec![session(1)]));
    play.log_on("mm", Version::Fix44);
    let head = "i|117=a|301=2|296=1|302=s|304=1|295=1";
    for (message, tag) in [
        ("i|301=2|296=1|302=s|304=1|295=1|299=1|55=BTC-USD".to_owned(), 117),
        (format!("{head}|299=1|132=1.00|134=1"), 55),
        (format!("{head}|299=1|55=BTC-USD|132=1.00"), 134),
        (format!("{head}|299=1|55=BTC-USD|135=1"), 133),
        (format!("{head}|299=1|55=BTC-USD|132=+1|134=1"), 132),
        (format!("{head}|299=1|55=BTC-USD|132=1.00|134=1|133=2.00|135=1x"), 135),
        (format!("{head}|299={}|55=BTC-USD", "x".repeat(33)), 299),
        (format!("i|117={}|296=0", "x".repeat(33)), 117),
        ("i|117=a|301=9|296=0".into(), 301),
        (format!("{head}|55=BTC-USD"), 55),
        ("Z|117=a|298=1|295=1|55=".to_owned() + &"x".repeat(33), 55),
        ("Z|117=a".into(), 298),
        ("a|649=1".into(), 55),
        (format!("a|55=BTC-USD|649={}", "x".repeat(33)), 649),
        (format!("a|55=BTC-USD|117={}", "x".repeat(33)), 117),
        ("a|55=BTC-USD|263=3".into(), 263),
    ] {
        play.send("mm", &message);
        let got = play.get("mm");
        assert!(got.starts_with("3|") && got.contains(&format!("|371={tag}|")), "{message}: {got}");
    }
    assert_eq!(play.desk.commands(), []);
    let entries: String = (0..65).map(|n| format!("|299={n}|55=BTC-USD|132=1.00|134=1")).collect();
    play.send("mm", &format!("i|117=a|296=1|302=s|304=65|295=65{entries}"));
    let many = "b|117=a|297=5|300=3|301=0|58=at most 64 entries in a message";
    assert_eq!(play.get("mm"), many);
    play.send("mm", "i|117=a|301=2|296=0");
    assert_eq!(play.get("mm"), "b|117=a|297=0|301=2");
    assert_eq!(play.desk.commands(), []);
}

const ENTER: &str = "54=1|38=1|40=2|44=9.00|59=3|60=20260105-09:30:00";

/// Everything that a session gets until nothing comes.
fn all(play: &mut Play, name: &str) -> Vec<String> {
    let mut got = Vec::new();
    while let Some(line) = play.read(name, 20) {
        got.push(line);
    }
    got
}

#[test]
fn subscriptions_to_quotes_are_bounded_and_end_with_their_connection() {
    let mut play = Play::at(Desk::new(settings(), vec![session(1), session(2)]));
    play.log_on("mm", Version::Fix44);
    play.log_on("taker", Version::Fix44);
    play.send("mm", "i|117=a|296=1|302=s|304=1|295=1|299=1|55=BTC-USD|133=9.00|135=9");
    for n in 1..=17 {
        play.send("mm", &format!("a|649=s{n}|55=BTC-USD|263=1"));
    }
    let got = all(&mut play, "mm");
    let told = |got: &[String], with: &str| {
        got.iter().filter(|line| line.starts_with("AI|") && line.contains(with)).count()
    };
    assert_eq!(told(&got, "|297=16"), 16, "{got:?}");
    assert_eq!(told(&got, "649=s17|117=NONE|55=BTC-USD|"), 1, "{got:?}");
    assert!(got.iter().any(|line| line.ends_with("|297=5|58=too many subscriptions")), "{got:?}");
    // One that is over makes room, and what had been taken is not taken twice.
    play.send("mm", "a|649=s3|55=BTC-USD|263=2");
    play.send("mm", "a|649=s17|55=[N/A]|263=1");
    play.send("mm", "a|97=Y|649=s17|55=[N/A]|263=1");
    let got = all(&mut play, "mm");
    assert_eq!((told(&got, "|297=16"), told(&got, "|297=5")), (1, 0), "{got:?}");
    play.send("taker", &format!("D|11=t1|55=BTC-USD|{ENTER}"));
    assert_eq!(told(&all(&mut play, "mm"), "|135=8|"), 16);

    play.hang_up("mm");
    play.send("taker", &format!("D|11=t2|55=BTC-USD|{ENTER}"));
    all(&mut play, "taker");
    play.come_back("mm", 23);
    play.send("taker", &format!("D|11=t3|55=BTC-USD|{ENTER}"));
    let got = all(&mut play, "mm");
    assert!(got.iter().any(|line| line.contains("|11=a|")) && told(&got, "") == 0, "{got:?}");
    play.send("mm", "a|649=s1|55=BTC-USD|263=1");
    assert_eq!(told(&all(&mut play, "mm"), "|135=6|"), 1);
}

/// Whatever happens to quotes: what a subscription has told is what an answer tells.
#[test]
fn a_subscription_tells_what_stands() {
    let mut play = Play::at(Desk::new(settings(), vec![session(1), session(2)]));
    play.log_on("mm", Version::Fix44);
    play.log_on("taker", Version::Fix50Sp2);
    let mut random = Random::new(0x0901_57a7);
    play.send("mm", "a|649=all|55=[N/A]|263=1");
    all(&mut play, "mm");
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    let mut changes = 0;
    for step in 0..120 {
        for _ in 0..1 + random.below(3) {
            let symbol = ["BTC-USD", "ETH-USD"][random.below(2) as usize];
            let price = |random: &mut Random| 900 + random.below(5);
            match random.below(8) {
                0..4 => {
                    let (bid, offer) = (price(&mut random) - 5, price(&mut random));
                    let sides = match random.below(4) {
                        0 => format!("132={}.{:02}|134=3", bid / 100, bid % 100),
                        1 => format!("133={}.{:02}|135=4", offer / 100, offer % 100),
                        _ => format!(
                            "132={}.{:02}|133={}.{:02}|134=3|135=4",
                            bid / 100,
                            bid % 100,
                            offer / 100,
                            offer % 100
                        ),
                    };
                    play.send(
                        "mm",
                        &format!("i|117=q{step}|296=1|302=s|304=1|295=1|299=1|55={symbol}|{sides}"),
                    );
                }
                4..7 => {
                    let (side, price) = [(1, "9.04"), (2, "8.95")][random.below(2) as usize];
                    let qty = 1 + random.below(5);
                    let id = format!("t{step}-{}", random.below(1 << 40));
                    play.send(
                        "taker",
                        &format!(
                            "D|11={id}|55={symbol}|54={side}|38={qty}|40=2|44={price}|59=3|60=20260105-09:30:00"
                        ),
                    );
                }
                _ => play.send("mm", &format!("Z|117=z{step}|298=4")),
            }
        }
        all(&mut play, "taker");
        // What an AI says of a symbol, without ids.
        let told = |line: &str| {
            let field = |tag: &str| {
                line.split('|').find(|it| it.starts_with(&format!("{tag}="))).map(str::to_owned)
            };
            let standing: Vec<String> =
                ["117", "132", "133", "134", "135", "297"].into_iter().filter_map(field).collect();
            (field("55").unwrap(), standing.join("|"))
        };
        let reports = |got: &[String], id: &str| -> Vec<(String, String)> {
            let of = |line: &&String| line.starts_with(&format!("AI|649={id}|"));
            got.iter().filter(of).map(|line| told(line)).collect()
        };
        let got = all(&mut play, "mm");
        for (symbol, standing) in reports(&got, "all") {
            changes += 1;
            match standing.ends_with("297=16") {
                true => shown.insert(symbol, standing),
                false => shown.remove(&symbol),
            };
        }
        play.send("mm", "a|649=now|55=[N/A]");
        let got = all(&mut play, "mm");
        let mut now: BTreeMap<String, String> = reports(&got, "now").into_iter().collect();
        now.retain(|_, standing| standing.ends_with("297=16"));
        assert_eq!(shown, now, "step {step}");
    }
    assert!(changes > 100, "{changes}");
}

/// The core and the fold, without sockets.
struct Core {
    engine: Engine,
    entry: OrderEntry,
    turns: Vec<(Input, Vec<u8>, Vec<Event>)>,
}

const MAKER: SessionId = SessionId(1);
const TAKER: SessionId = SessionId(2);
const SYMBOLS: [&str; 3] = ["AAA", "BBB", "CCC"];

impl Core {
    fn new() -> Core {
        Core::of(&SYMBOLS.map(String::from))
    }

    /// With instruments S0, S1 and so on.
    fn with(count: u32) -> Core {
        Core::of(&(0..count).map(|id| format!("S{id}")).collect::<Vec<_>>())
    }

    fn of(symbols: &[String]) -> Core {
        let (engine, entry) = (Engine::new(), OrderEntry::new(100_000));
        let mut core = Core { engine, entry, turns: Vec::new() };
        let limits = Limits {
            orders_max: 2_000,
            levels_max: 2_000,
            instruments_max: 1_000,
            sessions_max: 4,
        };
        core.govern(Command::Configure(limits));
        for (id, symbol) in (0..).map(InstrumentId).zip(symbols) {
            let instrument = Instrument {
                symbol: Symbol::new(symbol.as_bytes()).unwrap(),
                price_decimals: 0,
                qty_decimals: 0,
                tick_size: 1,
                lot_size: 1,
                qty_min: Qty::from_lots(1),
                qty_max: Qty::from_lots(1_000),
                price_min: Price::from_ticks(1),
                price_max: Price::from_ticks(1_000),
                phase: Phase::Continuous,
            };
            core.govern(Command::DefineInstrument { id, instrument });
        }
        for id in [MAKER, TAKER] {
            core.govern(Command::DefineSession { id, participant: ParticipantId(id.0) });
        }
        core
    }

    fn govern(&mut self, command: Command) {
        self.turn(SessionId::VENUE, command, &[]);
    }

    fn turn(&mut self, session: SessionId, command: Command, attachment: &[u8]) {
        let sequence = Sequence(self.turns.len() as u64 + 1);
        let input = Input { sequence, timestamp: OPEN, session, inbound: MsgSeqNum::NONE, command };
        let mut events = Vec::new();
        self.engine.apply(&input, &mut events);
        self.turns.push((input, attachment.to_vec(), events));
        follow(&mut self.entry, &self.turns, self.turns.len() - 1);
    }

    /// The border begins anew, with what the journal has; over a snapshot made at `cut`.
    fn restart(&mut self, cut: usize) {
        let mut entry = OrderEntry::new(100_000);
        (0..cut).for_each(|index| follow(&mut entry, &self.turns, index));
        let mut bytes = Vec::new();
        entry.save(&mut |part| bytes.extend_from_slice(part));
        let instruments: Vec<Instrument> =
            self.engine.instruments().map(|(_, instrument)| *instrument).collect();
        let known = usize::try_from(entry.directory().len()).unwrap();
        let mut entry = OrderEntry::load(&bytes, &instruments[..known], 100_000).unwrap();
        (cut..self.turns.len()).for_each(|index| follow(&mut entry, &self.turns, index));
        self.entry = entry;
    }

    fn quote(&mut self, message: &str, again: bool, room: usize) -> Vec<(Command, Vec<u8>)> {
        let bytes = encode(message);
        let mut fields = Fields::new();
        let (message, _) = decode(&bytes, &mut fields).unwrap();
        assert_eq!(
            Version::Fix44.dictionary().check(&message, gateway::fix::UnknownTags::Reject),
            Ok(())
        );
        match self.entry.quote(MAKER, &message, again, room, &|_| true) {
            Quoted::Inputs(inputs) => inputs,
            Quoted::Reject { tag, reason } => panic!("rejected: {tag} {reason}"),
        }
    }

    fn statuses(&mut self, message: &str) -> Vec<Told> {
        let bytes = encode(message);
        let mut fields = Fields::new();
        let (message, _) = decode(&bytes, &mut fields).unwrap();
        let Quoted::Inputs(inputs) = self.entry.quote_status(MAKER, &message, 1_000) else {
            panic!("rejected")
        };
        let told = inputs.iter().map(|(_, attachment)| {
            let Some(Note::QuoteStatus(told)) = Note::decode(attachment) else {
                panic!("{attachment:?}")
            };
            let sides = told.sides.map(|side| side.map(|(price, qty)| (price, qty as u64)));
            (String::from_utf8(told.symbol.to_vec()).unwrap(), told.status, sides)
        });
        told.collect()
    }

    fn run(&mut self, inputs: &[(Command, Vec<u8>)]) {
        inputs.iter().for_each(|(command, attachment)| self.turn(MAKER, *command, attachment));
    }

    /// The maker's side of each book: price and quantity, and nothing else stands there.
    fn quoted(&self) -> Vec<[Vec<(i64, u64)>; 2]> {
        let side = |id, side| {
            let levels = self.engine.book(id).unwrap().levels(side);
            levels.map(|level| (level.price.ticks(), level.qty.lots())).collect()
        };
        let ids = (0..3).map(InstrumentId);
        ids.map(|id| [side(id, Side::Buy), side(id, Side::Sell)]).collect()
    }
}

fn follow(entry: &mut OrderEntry, turns: &[(Input, Vec<u8>, Vec<Event>)], index: usize) {
    let ((input, attachment, events), position) = (&turns[index], index as u64 * 8);
    entry.input(position, input, attachment);
    for (event_index, event) in (0..).zip(events) {
        entry.event(position, input, event_index, event);
    }
}

fn encode(message: &str) -> Vec<u8> {
    let (msg_type, fields) = message.split_once('|').unwrap();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::begin(&mut bytes, b"FIX.4.4", msg_type.as_bytes());
    encoder.uint(34, 1).bytes(49, b"MM").utc(52, OPEN).bytes(56, b"VESTA");
    for field in fields.split('|') {
        let (tag, value) = field.split_once('=').unwrap();
        encoder.bytes(tag.parse().unwrap(), value.as_bytes());
    }
    encoder.finish();
    bytes
}

/// What each instrument is to have: bid and offer, price and size.
type Model = BTreeMap<usize, [Option<(i64, u64)>; 2]>;

fn random_quote(random: &mut Random, name: u32, model: &mut Model) -> String {
    let mut entries = String::new();
    let mut count = 0;
    for (index, symbol) in SYMBOLS.iter().enumerate() {
        if random.below(4) == 0 {
            continue;
        }
        count += 1;
        entries += &format!("|299={index}|55={symbol}");
        let bid = (random.below(3) > 0)
            .then(|| (90 + i64::from(random.below(10) as u32), 1 + random.below(5)));
        let offer = (random.below(3) > 0)
            .then(|| (100 + i64::from(random.below(10) as u32), 1 + random.below(5)));
        for ((price, size), side) in [(132, 134), (133, 135)].into_iter().zip([bid, offer]) {
            match side {
                Some((at, qty)) => entries += &format!("|{price}={at}|{size}={qty}"),
                None if random.below(2) == 0 => entries += &format!("|{size}=0"),
                None => {}
            }
        }
        model.insert(index, [bid, offer]);
    }
    format!("i|117=q{name}|301=1|296=1|302=s|304={count}|295={count}{entries}")
}

fn wanted(model: &Model) -> Vec<[Vec<(i64, u64)>; 2]> {
    let of = |index| model.get(&index).copied().unwrap_or_default();
    (0..3).map(|index| of(index).map(|side| side.into_iter().collect())).collect()
}

/// After each message there stands what it said and nothing else, whatever stood there and however much of it had traded.
#[test]
fn there_stands_what_the_last_message_said() {
    for seed in 1..=200 {
        let mut random = Random::new(seed);
        let (mut core, mut model) = (Core::new(), Model::new());
        let mut number = 0;
        for name in 0..20 {
            let message = random_quote(&mut random, name, &mut model);
            let inputs = core.quote(&message, false, 1_000);
            core.run(&inputs);
            assert_eq!(core.quoted(), wanted(&model), "seed {seed}: {message}");
            // The same again changes nothing.
            let same = core.quote(&message, false, 1_000);
            assert_eq!(same.len(), 1, "seed {seed}: {message}");
            core.run(&same);
            // Somebody takes some of it.
            let (id, side) = (InstrumentId(random.below(3) as u32), random.below(2) == 0);
            let (side, price) = if side { (Side::Buy, 110) } else { (Side::Sell, 90) };
            number += 1;
            let qty = Qty::from_lots(1 + random.below(6));
            let order = NewOrder::limit(id, side, Price::from_ticks(price), qty);
            let time_in_force = matcher::TimeInForce::Ioc;
            let order = NewOrder { number: OrderNumber(number), time_in_force, ..order };
            core.turn(TAKER, Command::New(order), &[11, 0, 1, b'x']);
            for (index, sides) in core.quoted().iter().enumerate() {
                model.insert(index, [0, 1].map(|side| sides[side].first().copied()));
            }
            if random.below(3) == 0 {
                let cut = core.turns.len() - random.below(5) as usize;
                core.restart(cut);
            }
        }
        core.engine.check();
        let inputs = core.quote("Z|117=z|298=4", false, 1_000);
        core.run(&inputs);
        assert_eq!(core.quoted(), wanted(&Model::new()), "seed {seed}");
    }
}

/// Broken off behind any of its Inputs, with the first sides traded away meanwhile, a message that comes again does the rest and nothing
/// twice.
#[test]
fn a_message_that_was_broken_off_is_gone_on_with() {
    for seed in 1..=60 {
        let mut random = Random::new(seed);
        let (mut model, mut before) = (Model::new(), String::new());
        while model.is_empty() {
            before = random_quote(&mut random, 0, &mut model);
        }
        let message = random_quote(&mut random, 1, &mut model);
        let mut whole = Core::new();
        let first = whole.quote(&before, false, 1_000);
        whole.run(&first);
        let all = whole.quote(&message, false, 1_000);
        let entered = |inputs: &[(Command, Vec<u8>)]| {
            inputs.iter().filter(|(command, _)| matches!(command, Command::New(_))).count()
        };
        for cut in 0..all.len() {
            let mut core = Core::new();
            core.run(&first);
            core.run(&all[..cut]);
            // All that has been entered by then is traded away.
            let gone = entered(&all[..cut]);
            let taken = core.quoted();
            if gone > 0 {
                for (index, sides) in taken.iter().enumerate() {
                    for (side, levels) in [Side::Sell, Side::Buy].into_iter().zip(sides) {
                        for (price, qty) in levels {
                            let number = core.entry.orders(TAKER).unwrap().last_number().0 + 1;
                            let (price, qty) = (Price::from_ticks(*price), Qty::from_lots(*qty));
                            let id = InstrumentId(u32::try_from(index).unwrap());
                            let order = NewOrder::limit(id, side, price, qty);
                            let order = NewOrder { number: OrderNumber(number), ..order };
                            core.turn(TAKER, Command::New(order), &[11, 0, 1, b'x']);
                        }
                    }
                }
            }
            core.restart(core.turns.len() - cut.min(2));
            let rest = core.quote(&message, true, 1_000);
            core.run(&rest);
            let ids: Vec<&[u8]> = rest.iter().map(|(_, attachment)| &attachment[..]).collect();
            let twice = all[..cut].iter().filter(|(command, attachment)| {
                matches!(command, Command::New(_)) && ids.contains(&&attachment[..])
            });
            assert_eq!(twice.count(), 0, "seed {seed}, cut {cut}: {message}");
            // And once more: nothing at all.
            let again = core.quote(&message, true, 1_000);
            assert_eq!(entered(&again), 0, "seed {seed}, cut {cut}: {message}");
            core.engine.check();
        }
    }
}

/// Ids need not be new: a message that comes again with other prices is another quote.
#[test]
fn the_same_ids_with_another_price_are_another_quote() {
    let mut core = Core::new();
    let quote = |bid: i64, offer: i64| {
        format!("i|117=Q|296=1|302=s|304=1|295=1|299=1|55=AAA|132={bid}|134=1|133={offer}|135=2")
    };
    for (bid, offer, entered) in [(90, 100, 2), (90, 101, 1), (91, 101, 1), (91, 101, 0)] {
        let inputs = core.quote(&quote(bid, offer), true, 1_000);
        let count = inputs.iter().filter(|(command, _)| matches!(command, Command::New(_)));
        assert_eq!(count.count(), entered, "{bid} {offer}");
        core.run(&inputs);
        assert_eq!(core.quoted()[0], [vec![(bid, 1)], vec![(offer, 2)]]);
        core.restart(core.turns.len());
    }
}

/// Instruments that were quoted once take no place among those that are; and whoever quotes as many as he may can go on with these, and
/// take all off in one message.
#[test]
fn quotes_in_256_instruments_at_once_and_in_any_number_one_after_the_other() {
    const COUNT: u32 = 600;
    let mut core = Core::with(COUNT);
    let entry = |id: u32| format!("|299=1|55=S{id}|132=90|134=1|133=100|135=1");
    let quote = |ids: std::ops::Range<u32>| {
        let count = ids.len();
        let entries: String = ids.map(entry).collect();
        format!("i|117=q|301=2|296=1|302=s|304={count}|295={count}{entries}")
    };
    let entered = |inputs: &[(Command, Vec<u8>)]| {
        inputs.iter().filter(|(command, _)| matches!(command, Command::New(_))).count()
    };
    for first in (0..COUNT - 24).step_by(64) {
        let ids = first..first + 64;
        let inputs = core.quote(&quote(ids.clone()), false, 1_000);
        assert_eq!(entered(&inputs), 128, "from {first}");
        core.run(&inputs);
        if first + 64 < 576 - 4 * 64 + 1 {
            let symbols: String = ids.map(|id| format!("|55=S{id}")).collect();
            let inputs = core.quote(&format!("Z|117=z|298=1|295=64{symbols}"), false, 129);
            assert_eq!(inputs.len(), 129);
            core.run(&inputs);
        }
    }
    // 256 are quoted now, 320 were: no more, but these as often as wished, before and behind a restart.
    for _ in 0..2 {
        let one_more = core.quote(&quote(0..1), false, 1_000);
        assert_eq!(entered(&one_more), 0);
        let Some(Note::QuoteAck { entry: Some((_, _, 3)), .. }) = Note::decode(&one_more[0].1)
        else {
            panic!("{one_more:?}")
        };
        let again = quote(400..401).replace("132=90", "132=91");
        let again = core.quote(&again, false, 1_000);
        assert_eq!(entered(&again), 1);
        core.run(&again);
        let back = core.quote(&quote(400..401), false, 1_000);
        core.run(&back);
        core.restart(core.turns.len() - 3);
    }
    let all: String = (320..576).map(|id| format!("|55=S{id}")).collect();
    let off = core.quote(&format!("Z|117=z|298=1|295=256{all}"), false, 513);
    assert_eq!(off.len(), 513);
    core.run(&off);
    assert_eq!(core.quote("Z|117=z|298=4", false, 1_000).len(), 1);
    let inputs = core.quote(&quote(0..1), false, 1_000);
    assert_eq!(entered(&inputs), 2);
}

/// What a status says is what stands in the book, at any moment; what the core has not answered is said to be open.
#[test]
fn a_status_is_what_stands_in_the_book() {
    for seed in 1..=100 {
        let mut random = Random::new(seed);
        let (mut core, mut model) = (Core::new(), Model::new());
        for name in 0..10 {
            let message = random_quote(&mut random, name, &mut model);
            let inputs = core.quote(&message, false, 1_000);
            if inputs.iter().any(|(command, _)| matches!(command, Command::New(_))) {
                let open = core.statuses("a|55=[N/A]");
                assert!(open.iter().any(|it| it.1 == 10), "seed {seed}: {message}: {open:?}");
            }
            core.run(&inputs);
            let side = random.below(2) == 0;
            let (side, price) = if side { (Side::Buy, 110) } else { (Side::Sell, 90) };
            let qty = Qty::from_lots(1 + random.below(6));
            let id = InstrumentId(random.below(3) as u32);
            let order = NewOrder::limit(id, side, Price::from_ticks(price), qty);
            let number = core.entry.orders(TAKER).unwrap().last_number().0 + 1;
            let time_in_force = matcher::TimeInForce::Ioc;
            let order = NewOrder { number: OrderNumber(number), time_in_force, ..order };
            core.turn(TAKER, Command::New(order), &[11, 0, 1, b'x']);
            if random.below(3) == 0 {
                core.restart(core.turns.len() - random.below(5) as usize);
            }
            let mut told: Vec<Told> =
                SYMBOLS.map(|symbol| core.statuses(&format!("a|55={symbol}")).remove(0)).into();
            let quoted = core.quoted();
            for ((symbol, status, sides), stands) in told.iter().zip(&quoted) {
                let stands = stands.each_ref().map(|side| side.first().copied());
                assert_eq!(*sides, stands, "seed {seed}: {symbol}");
                let is_active = *status == 16;
                assert_eq!(is_active, stands != [None, None], "seed {seed}: {symbol}: {status}");
                assert!(is_active || matches!(status, 6 | 9), "seed {seed}: {status}");
            }
            told.retain(|it| it.1 == 16);
            if told.is_empty() {
                told.push(("[N/A]".into(), 9, [None; 2]));
            }
            assert_eq!(core.statuses("a|55=[N/A]"), told, "seed {seed}");
        }
    }
}

/// Symbol, QuoteStatus(297), and price and size of bid and offer.
type Told = (String, u8, [Option<(i64, u64)>; 2]);

#[test]
fn statuses_that_do_not_fit_into_the_ring_are_refused_whole() {
    let mut core = Core::new();
    let entry = |symbol| format!("|299=1|55={symbol}|132=90|134=1");
    let entries: String = SYMBOLS.into_iter().map(entry).collect();
    let inputs = core.quote(&format!("i|117=a|296=1|302=s|304=3|295=3{entries}"), false, 1_000);
    core.run(&inputs);
    let question = encode("a|55=[N/A]");
    let mut fields = Fields::new();
    let (message, _) = decode(&question, &mut fields).unwrap();
    for (room, count) in [(3, 3), (2, 1)] {
        let Quoted::Inputs(answers) = core.entry.quote_status(MAKER, &message, room) else {
            panic!("rejected")
        };
        assert_eq!(answers.len(), count);
    }
}

#[test]
fn what_does_not_fit_into_the_ring_is_refused_whole() {
    let mut core = Core::new();
    let message = "i|117=a|296=1|302=s|304=1|295=1|299=1|55=AAA|132=90|134=1|133=100|135=1";
    let refused = core.quote(message, false, 5);
    let [(Command::Note(_), attachment)] = &refused[..] else { panic!("{refused:?}") };
    let Some(Note::QuoteAck { status: 5, reason: 99, entry: None, text, .. }) =
        Note::decode(attachment)
    else {
        panic!("{attachment:?}")
    };
    assert_eq!(text, b"venue is busy, try again");
    let inputs = core.quote(message, false, 6);
    assert_eq!(inputs.len(), 3);
    core.run(&inputs);
    assert_eq!(core.quote("Z|117=z|298=4", false, 2).len(), 1);
    assert_eq!(core.quote("Z|117=z|298=4", false, 3).len(), 3);
    // Unknown: nothing is done.
    assert_eq!(core.quote("Z|117=z|298=1|295=2|55=AAA|55=NONE", false, 100).len(), 1);
}

/// Whatever stands in the fields of a message: no panic, a bounded number of Inputs, and books that agree.
#[test]
fn random_fields_are_quoted_or_refused() {
    for seed in 1..=2_000 {
        let mut random = Random::new(seed);
        let (mut core, mut model) = (Core::new(), Model::new());
        for name in 0..3 {
            let mut fields: Vec<String> =
                random_quote(&mut random, name, &mut model).split('|').map(Into::into).collect();
            for _ in 0..random.below(6) {
                let at = 1 + random.below(fields.len() as u64 - 1) as usize;
                match random.below(4) {
                    0 => drop(fields.remove(at)),
                    1 => fields.insert(at, fields[at].clone()),
                    2 => {
                        let values =
                            ["", "-1", "0", "9e9", "99999999999999999999", "1.5", "x y", "AAA"];
                        let tag = fields[at].split_once('=').unwrap().0;
                        let value = values[random.below(values.len() as u64) as usize];
                        fields[at] = format!("{tag}={value}");
                    }
                    _ => {
                        let other = 1 + random.below(fields.len() as u64 - 1) as usize;
                        fields.swap(at, other);
                    }
                }
                if fields.len() < 2 {
                    break;
                }
            }
            let bytes = encode(&fields.join("|"));
            let mut decoded = Fields::new();
            let (message, _) = decode(&bytes, &mut decoded).unwrap();
            // Also what the dictionary would have refused.
            let again = random.below(2) == 0;
            if let Quoted::Inputs(inputs) =
                core.entry.quote(MAKER, &message, again, 1_000, &|_| true)
            {
                assert!((1..300).contains(&inputs.len()), "seed {seed}");
                core.run(&inputs);
            }
            core.engine.check();
        }
        let quoted = core.quoted();
        assert!(quoted.iter().flatten().all(|levels| levels.len() <= 1), "seed {seed}: {quoted:?}");
    }
}
