//! `vesta explain` leaves out the stretches between snapshots that are not about an order: what it tells is the same.

use std::collections::HashMap;
use std::fs;

use journal::{Opened, Prepared, Preparer, Reader, Retirer, Snapshots, Synced, Syncer};
use matcher::testing::flow::{Profile, instrument, record};
use matcher::testing::mix::{self, Mix};
use matcher::{
    Bust, Command, Engine, Event, InstrumentId, Liquidity, MsgSeqNum, NewOrder, OrderKind,
    OrderNumber, ParticipantId, Price, Qty, ReplaceOrder, Sequence, SessionId, Side, TimeInForce,
    Timestamp,
};
use serde_json::Value;
use venue::named::is_about;
use venue::ring::{Requests, ring};
use venue::snapshots::{Keeper, RetentionConfig, SnapshotConfig};
use venue::turns::{Cutter, Follower, TurnHead};
use venue::{Core, Turned};

use crate::support::{Folder, run, small_segments};

/// A core with its journal, in small segments.
struct Market {
    folder: Folder,
    core: Core,
    requests: Requests,
    syncer: Syncer,
    preparer: Preparer,
    keeper: Keeper,
    sent: u64,
}

impl Market {
    /// Of the snapshots that it makes the newest three stay, and the indexes of all.
    fn open() -> Market {
        let folder = Folder::new();
        let opened = journal::open(&small_segments(&folder)).unwrap();
        let Opened { writer, syncer, preparer, log, snapshots, retirer, .. } = opened;
        let (requests, taken) = ring(1 << 12);
        let core = Core::new(Engine::new(), writer, vec![taken], (Sequence(0), Timestamp(0)));
        let keeper = keeper(&log, &snapshots, &retirer, 1 << 40);
        Market { folder, core, requests, syncer, preparer, keeper, sent: 0 }
    }

    /// Sends a request, with `name` as its ClOrdID.
    fn send(&mut self, session: SessionId, command: &Command, name: &str) {
        let attachment = match command {
            Command::DefineSession { id, .. } => format!("TRADER{id}\0FIRM").into_bytes(),
            _ => [&[11, 0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat(),
        };
        assert!(self.requests.push(session, MsgSeqNum::NONE, command, &attachment));
        while self.core.turns(64) != Turned::Idle {}
        while self.preparer.step().unwrap() == Prepared::Made {}
        while matches!(self.syncer.step().unwrap(), Synced::Advanced(_)) {}
    }

    fn send_all<'a>(&mut self, inputs: impl Iterator<Item = &'a matcher::Input>) {
        for input in inputs {
            self.sent += 1;
            let name = format!("N{}", self.sent);
            self.send(input.session, &input.command, &name);
        }
    }

    fn snapshot(&mut self) {
        self.keeper.make(|| true).unwrap().unwrap();
    }

    /// What there is without its live part: its folder, and each event that is about an order.
    fn end(self) -> (Folder, Events) {
        let Market { folder, core, .. } = self;
        drop(core);
        fs::remove_dir_all(folder.path().join("live")).unwrap();
        let mut reader = Reader::open(&folder.path().join("journal"), None).unwrap();
        let (mut cutter, mut events) = (Cutter::default(), Events::default());
        while let Some(frame) = reader.next().unwrap() {
            cutter.frame(&frame, &mut events).unwrap();
        }
        (folder, events)
    }
}

fn keeper(
    log: &journal::Log,
    snapshots: &Snapshots,
    retirer: &Retirer,
    every_bytes: u64,
) -> Keeper {
    let config = SnapshotConfig { every_bytes, keep: 3 };
    let retention = (retirer.clone(), RetentionConfig::default());
    Keeper::new(log, (snapshots, config), retention, 1_000_000)
}

/// How often each kind of event is about an order, by the sequence that entered it.
#[derive(Default)]
struct Events {
    entered: HashMap<(SessionId, OrderNumber), u64>,
    trades: Vec<matcher::Traded>,
    busted: Vec<u64>,
    replaced: HashMap<u64, usize>,
}

impl Follower for Events {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, head: &TurnHead, _: u32, event: &Event) {
        match event {
            Event::Accepted(it) => {
                self.entered.insert((it.session, it.number), head.input.sequence.0);
            }
            Event::Replaced(it) => *self.replaced.entry(it.order_id.0).or_default() += 1,
            Event::Traded(it) => self.trades.push(*it),
            Event::Busted(_) => {
                let entered = &self.entered;
                let busted = &mut self.busted;
                let _ = is_about(event, |session, number| {
                    busted.extend(entered.get(&(session, number)));
                    false
                });
            }
            _ => {}
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// What is told of an order, but how long that took; and the segments that were looked through.
fn told(dir: &str, order: &[&str]) -> (Option<i32>, String, String, u64) {
    let ended = run(&[&["explain", dir, "--queue"], order].concat());
    let mut segments = 0;
    let mut lines = Vec::new();
    for line in ended.out.lines() {
        match line.strip_prefix("looked through ") {
            Some(rest) => segments = rest.split(' ').next().unwrap().parse().unwrap(),
            None => lines.push(line),
        }
    }
    (ended.code, lines.join("\n"), ended.err, segments)
}

fn remove_snapshots(dir: &str) -> usize {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |file: &std::path::PathBuf| {
        file.extension().is_some_and(|it| it == "snap" || it == "index")
    };
    let all: Vec<_> = files.filter(is_one).collect();
    all.iter().for_each(|file| fs::remove_file(file).unwrap());
    all.len()
}

/// Each order is told of as it is without a snapshot; `with` the segments looked through are fewer in all.
fn assert_same(dir: &str, orders: &[Vec<&str>]) -> Vec<String> {
    let with: Vec<_> = orders.iter().map(|order| told(dir, order)).collect();
    assert!(remove_snapshots(dir) > 3);
    let (mut few, mut many) = (0, 0);
    for ((code, out, err, segments), order) in with.iter().zip(orders) {
        let without = told(dir, order);
        assert_eq!((code, err), (&without.0, &without.2), "of {order:?}");
        assert!(*out == without.1, "of {order:?}\n{out}\n--- without snapshots\n{}", without.1);
        (few, many) = (few + segments, many + without.3);
    }
    assert!(few * 2 < many, "{few} segments of {many} were looked through");
    with.into_iter().map(|(_, out, ..)| out).collect()
}

/// Markets with all there is: auctions, stops, pegs, icebergs, busts, orders that expire.
#[test]
fn what_is_left_out_changes_nothing_that_is_told() {
    for (mix, seed) in [(Mix::everything(), 3), (Mix::auctions(), 4)] {
        let mut market = Market::open();
        for some in mix::record(mix, seed, 6_000).chunks(500) {
            market.send_all(some.iter());
            market.snapshot();
        }
        let (folder, events) = market.end();
        let dir = folder.path().join("journal").to_str().unwrap().to_owned();
        let mut ids: Vec<u64> = events.entered.values().copied().collect();
        ids.sort_unstable();
        let every = ids.len() / 60 + 1;
        let mut ids: Vec<u64> = ids.into_iter().step_by(every).collect();
        ids.extend(events.busted.iter().take(8));
        let mut replaced: Vec<(usize, u64)> =
            events.replaced.iter().map(|(id, count)| (*count, *id)).collect();
        replaced.sort_unstable();
        ids.extend(replaced.iter().rev().take(8).map(|(_, id)| *id));
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let orders: Vec<Vec<&str>> = ids.iter().map(|id| vec![id.as_str()]).collect();
        assert_same(&dir, &orders);
    }
}

/// An instrument with no other orders.
const OWN: InstrumentId = InstrumentId(1);
const FAR: i64 = 3_000_000_000;

struct Own<'a> {
    market: &'a mut Market,
    numbers: [u32; 2],
}

impl Own<'_> {
    fn session(who: usize) -> SessionId {
        SessionId(9 + u32::try_from(who).unwrap())
    }

    fn next(&mut self, who: usize) -> OrderNumber {
        self.numbers[who] += 1;
        OrderNumber(self.numbers[who])
    }

    fn order(&mut self, who: usize, name: &str, side: Side, qty: u64, ticks: i64) -> OrderNumber {
        let number = self.next(who);
        let new = NewOrder {
            number,
            instrument: OWN,
            side,
            kind: OrderKind::Limit(Price::from_ticks(ticks)),
            qty: Qty::from_lots(qty),
            time_in_force: TimeInForce::Gtc,
            liquidity: Liquidity::Any,
        };
        self.market.send(Own::session(who), &Command::New(new), name);
        number
    }

    fn replace(
        &mut self,
        (who, name): (usize, &str),
        target: OrderNumber,
        (qty, ticks): (u64, i64),
    ) -> OrderNumber {
        let number = self.next(who);
        let replace = ReplaceOrder {
            number,
            target,
            instrument: OWN,
            side: Side::Sell,
            price: Price::from_ticks(ticks),
            qty: Qty::from_lots(qty),
        };
        self.market.send(Own::session(who), &Command::Replace(replace), name);
        number
    }

    fn cancel(&mut self, who: usize, name: &str, target: OrderNumber) {
        self.market.send(Own::session(who), &Command::Cancel { target }, name);
    }
}

/// Lives of each kind over a dozen snapshots, among many others' orders.
#[test]
fn a_life_over_many_snapshots_is_told_whole() {
    let inputs = record(Profile { resting: 300, ..Profile::standard() }, 5, 9_000);
    let mut others = inputs.chunks(700);
    let mut market = Market::open();
    market.send_all(others.next().unwrap().iter());
    let instrument = instrument("OWN", (1, 1 << 32), 1 << 24);
    market.send(SessionId::VENUE, &Command::DefineInstrument { id: OWN, instrument }, "");
    for who in 0..2 {
        let (id, participant) = (Own::session(who), ParticipantId(7));
        market.send(SessionId::VENUE, &Command::DefineSession { id, participant }, "");
    }
    let mut own = Own { market: &mut market, numbers: [0; 2] };
    let first = own.order(1, "first", Side::Sell, 10, FAR);
    own.order(0, "long", Side::Sell, 5, FAR);
    own.order(0, "traded", Side::Sell, 4, FAR - 1);
    let mut chain = own.order(0, "chain", Side::Sell, 9, FAR + 1);
    own.order(0, "idle", Side::Sell, 9, FAR + 7);
    let gone = own.order(0, "gone", Side::Sell, 9, FAR + 8);
    for (stretch, some) in others.enumerate() {
        own.market.snapshot();
        own.market.send_all(some.iter());
        match stretch {
            1 => own.cancel(0, "off", gone),
            2 => {
                own.order(1, "take", Side::Buy, 4, FAR - 1);
            }
            3 => chain = own.replace((0, "chain2"), chain, (8, FAR + 1)),
            // It comes to stand behind the other order at that price.
            5 => chain = own.replace((0, "chain3"), chain, (8, FAR)),
            6 => {
                own.replace((1, "first2"), first, (6, FAR));
            }
            7 => {
                own.replace((0, "chain4"), chain, (7, FAR));
            }
            8 => own.cancel(0, "late", gone),
            9 => {
                let number = OrderNumber(own.numbers[1]);
                own.cancel(1, "first3", number);
            }
            _ => {}
        }
    }
    let bust = bust_of(&market, Own::session(0));
    market.send(SessionId::VENUE, &Command::Bust(bust), "");
    market.snapshot();
    market.send_all(inputs[..1].iter());
    let (folder, events) = market.end();
    assert_eq!(events.busted.len(), 2);
    let dir = folder.path().join("journal").to_str().unwrap().to_owned();
    let named = ["long", "traded", "chain", "chain3", "idle", "gone", "off", "late", "nobody"];
    let named = named.map(|name| vec![name, "--session", "TRADER9"]);
    let mut orders = named.to_vec();
    orders.extend([vec!["TRADER9:1"], vec!["TRADER10:1"], vec!["TRADER9:99"]]);
    let texts = assert_same(&dir, &orders);
    let says = |at: usize, words: &[&str]| {
        for word in words {
            assert!(texts[at].contains(word), "no {word:?} in\n{}", texts[at]);
        }
    };
    says(0, &["1 order of 10", "1 order of 6", "nobody, it is the first", "end: it works"]);
    says(1, &["end: filled", "later: ", "busted"]);
    says(2, &["then 6, then 7, then 8", "the place is lost", "keeps the place", "end: it works"]);
    assert_eq!(texts[2], texts[3]);
    says(4, &["end: it works: nothing done"]);
    says(5, &["end: canceled, its session asked", "later: ", "cancel-rejected"]);
    assert!(texts[6] == texts[5] && texts[7] == texts[5]);
    assert_eq!((&texts[8], &texts[11]), (&String::new(), &String::new()));
    assert_eq!(texts[9], texts[0]);
}

/// The bust of the only trade of a maker.
fn bust_of(market: &Market, maker: SessionId) -> Bust {
    let (dir, live) = (market.folder.path().join("journal"), market.folder.path().join("live"));
    let mut reader = Reader::open(&dir, Some(&live)).unwrap();
    let (mut cutter, mut events) = (Cutter::default(), Events::default());
    while let Some(frame) = reader.next().unwrap() {
        cutter.frame(&frame, &mut events).unwrap();
    }
    let [trade] =
        events.trades.iter().filter(|it| it.maker.session == maker).collect::<Vec<_>>()[..]
    else {
        panic!("another number of trades");
    };
    Bust {
        trade: trade.id,
        instrument: trade.instrument,
        price: trade.price,
        qty: trade.qty,
        buy: (trade.taker.session, trade.taker.number),
        sell: (trade.maker.session, trade.maker.number),
    }
}

/// On a long way without a snapshot indexes are written, and a damaged one is passed over.
#[test]
fn a_long_way_has_indexes_and_a_damaged_one_is_passed_over() {
    let inputs = record(Profile { resting: 20, ..Profile::standard() }, 6, 6_000);
    let mut market = Market::open();
    market.send_all(inputs.iter());
    let (folder, events) = market.end();
    let dir = folder.path().join("journal").to_str().unwrap().to_owned();
    let Opened { log, snapshots, retirer, .. } = journal::open(&small_segments(&folder)).unwrap();
    let every = log.durable().0 / 2;
    keeper(&log, &snapshots, &retirer, every).make(|| true).unwrap().unwrap();
    let (whole, all) = (snapshots.list().unwrap(), snapshots.list_all().unwrap());
    assert!(whole.len() == 2 && all.len() >= 7, "{whole:?} {all:?}");
    drop((log, retirer));
    fs::remove_dir_all(folder.path().join("live")).unwrap();

    let book = |at: u64| {
        let at = at.to_string();
        run(&["book", &dir, "--symbol", "VESTA", "--orders", "--at", &at, "--json"]).json()
    };
    let at: Vec<u64> = all.iter().flat_map(|at| [at - 1, *at, at + 1]).collect();
    let books: Vec<Value> = at.iter().map(|at| book(*at)).collect();
    let mut ids: Vec<u64> = events.entered.values().copied().collect();
    ids.sort_unstable();
    let ids: Vec<String> = ids.iter().step_by(160).map(ToString::to_string).collect();
    let tell = |id: &String| told(&dir, &[id.as_str()]).1;
    let lives: Vec<String> = ids.iter().map(tell).collect();
    let damage = |sequence: u64, at: usize| {
        let mut file = snapshots.index_path(sequence);
        if !file.exists() {
            file = snapshots.path(sequence);
        }
        let mut bytes = fs::read(&file).unwrap();
        bytes[at] ^= 4;
        fs::write(&file, bytes).unwrap();
    };
    // In the engine, and in the head.
    damage(all[1], 600);
    damage(all[4], 30);
    assert!(lives.iter().zip(ids.iter().map(tell)).all(|(before, now)| *before == now));
    assert!(books.iter().zip(at.iter().map(|at| book(*at))).all(|(before, now)| *before == now));
    assert_eq!(remove_snapshots(&dir), all.len());
    assert!(lives.iter().zip(ids.iter().map(tell)).all(|(before, now)| *before == now));
    assert!(books.iter().zip(at.iter().map(|at| book(*at))).all(|(before, now)| *before == now));
}

/// A journal of which nobody kept the indexes gets them; a filter that is damaged is of no use, and of no harm.
#[test]
fn indexes_are_made_again_and_change_nothing_that_is_told() {
    let inputs = record(Profile { resting: 20, ..Profile::standard() }, 7, 6_000);
    let mut market = Market::open();
    market.send_all(inputs.iter());
    let (folder, _) = market.end();
    let dir = folder.path().join("journal").to_str().unwrap().to_owned();
    let live = folder.path().join("other").to_str().unwrap().to_owned();
    let names: Vec<[String; 3]> = (1..)
        .zip(&inputs)
        .filter(|(_, input)| matches!(input.command, Command::New(_) | Command::Replace(_)))
        .step_by(150)
        .map(|(n, input)| [format!("N{n}"), "--session".into(), format!("TRADER{}", input.session)])
        .collect();
    let mut orders: Vec<Vec<&str>> =
        names.iter().map(|name| name.iter().map(String::as_str).collect()).collect();
    orders.extend([
        vec!["nobody", "--session", "TRADER1"],
        vec!["TRADER1:7"],
        vec!["TRADER1:99999"],
    ]);
    assert!(orders.len() > 10);
    let tails: Vec<Vec<&str>> = [
        &["-n", "0"][..],
        &["-n", "3"],
        &["-n", "2000"],
        &["-n", "70", "--kind", "traded"],
        &["-n", "9", "--session", "TRADER1"],
        &["-n", "5", "--session", "NOBODY"],
        &["-n", "1000000"],
    ]
    .into_iter()
    .map(|args| [&["journal", "tail", &dir], args].concat())
    .collect();
    let tell = || -> Vec<_> {
        let told = orders.iter().map(|order| told(&dir, order));
        let mut told: Vec<_> = told.map(|(code, out, err, _)| (code, out, err)).collect();
        let tails = tails.iter().map(|args| run(args));
        told.extend(tails.map(|ended| (ended.code, ended.out, ended.err)));
        told
    };
    let all = run(&["journal", "print", &dir]).out;
    let index = || {
        let args = ["journal", "index", &dir, "--live-dir", &live, "--snapshot-mib", "1", "--json"];
        let ended = run(&args);
        ended.assert_good();
        ended.json()
    };
    let without = tell();
    let made = index();
    assert!(made["made"].as_u64().unwrap() > 4, "{made}");
    assert_eq!(made["made"], made["indexes"]);
    assert!(tell() == without);
    assert_eq!(index()["made"], 0);
    for (args, (code, out, _)) in tails.iter().zip(&without[orders.len()..]) {
        let is_known = !args.contains(&"NOBODY");
        assert_eq!(*code, Some(if is_known { 0 } else { 2 }), "{args:?}");
        assert!(args.len() > 5 || all.ends_with(out), "{args:?}");
    }
    assert!(all == without.last().unwrap().1);

    let files = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|it| it == "index")).collect();
    let whole: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for (file, bytes) in files.iter().zip(&whole) {
        let mut bytes = bytes.clone();
        let at = bytes.len() - 20;
        bytes[at] ^= 16;
        fs::write(file, bytes).unwrap();
    }
    assert!(tell() == without);
    assert_eq!(index()["made"], files.len());
    assert!(files.iter().zip(&whole).all(|(file, bytes)| fs::read(file).unwrap() == *bytes));
    // The end is told without the beginning, which is not even looked at.
    let first = folder.path().join("journal").join("0000000000000000.seg");
    let mut bytes = fs::read(&first).unwrap();
    bytes[5000] ^= 1;
    fs::write(&first, bytes).unwrap();
    run(&["journal", "print", &dir]).assert_says(1, &["0000000000000000.seg"]);
    let end = run(&tails[1]);
    end.assert_good();
    assert_eq!(end.out, without[orders.len() + 1].1);
    let again = run(&["journal", "index", "/nowhere/at/all"]);
    again.assert_says(2, &["no such folder"]);
}
