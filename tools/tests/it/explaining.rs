//! `vesta explain`: what it tells of an order, and that the queue before it is the engine's.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, MAKER, Market, TAKER, make_journal, run};

fn explain(dir: &str, order: &[&str]) -> (String, Value) {
    let ended = run(&[&["explain", dir, "--json"], order].concat());
    ended.assert_good();
    (ended.out.clone(), ended.json())
}

fn queue(told: &Value) -> Vec<(u64, String)> {
    let change = |it: &Value| {
        (it["orders_ahead"].as_u64().unwrap(), it["qty_ahead"].as_str().unwrap().to_owned())
    };
    told["queue"].as_array().unwrap().iter().map(change).collect()
}

#[test]
fn a_life_is_told_from_its_request_to_its_end() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();

    let (text, told) = explain(dir, &["MAKER:1"]);
    for words in [
        "MAKER:1",
        "new 1 BTC-USD sell 1.5 @ 50000.00 gtc 11=a",
        "accepted, told in out#2",
        "before it in the queue: nobody, it is the first",
        "trades 1.5 @ 50000.00 as maker with TAKER/1",
        "end: filled: 1.5 done in 1 trades at 50000.0000 on average",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert_eq!(told["numbers"], serde_json::json!([1]));
    let id = told["order_id"].as_u64().unwrap().to_string();
    let without_time = |mut told: Value| {
        told["elapsed_ms"] = 0.into();
        told
    };
    let told = without_time(told);
    assert_eq!(without_time(explain(dir, &[&id]).1), told);
    assert_eq!(without_time(explain(dir, &["a", "--session", "MAKER"]).1), told);

    // The second one waits behind the first, and is the first when that has traded.
    let (text, told) = explain(dir, &["b", "--session", "MAKER"]);
    assert_eq!(queue(&told), [(1, "1.5".into()), (0, "0.0".into())]);
    assert!(text.contains("(MAKER/1 traded)"), "{text}");
    assert!(text.contains("end: it works: 1.0 done in 1 trades"), "{text}");

    // The taker never rested; its cancel request leads to the order that it meant.
    let (text, told) = explain(dir, &["TAKER:1"]);
    assert_eq!(queue(&told), []);
    assert!(text.contains("as taker with MAKER/2"), "{text}");
    let (text, _) = explain(dir, &["e", "--session", "MAKER"]);
    assert!(text.contains("MAKER:3") && text.contains("its session asked"), "{text}");
}

#[test]
fn a_refusal_and_what_comes_too_late_are_told() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    market.order(MAKER, "a", b'2', "1.5", "50000.00");
    market.order(MAKER, "big", b'2', "5000.0", "50000.00");
    market.order(TAKER, "b", b'1', "1.5", "50000.00");
    market.cancel_side(MAKER, "late", "a", b'2');
    let journal = market.close(&folder);
    let dir = journal.to_str().unwrap();
    let (text, told) = explain(dir, &["big", "--session", "MAKER"]);
    assert!(text.contains("refused: quantity is above"), "{text}");
    assert!(text.contains("end: refused: it never was an order"), "{text}");
    assert_eq!(told["order_id"], Value::Null);
    let (text, told) = explain(dir, &["a", "--session", "MAKER"]);
    assert!(text.contains("later: ") && text.contains("cancel-rejected"), "{text}");
    assert_eq!(told["later"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_order_is_named() {
    let folder = Folder::new();
    let journal = make_journal(&folder);
    let dir = journal.to_str().unwrap();
    run(&["explain", dir, "1"]).assert_says(2, &["sequence 1 is no order", "configure"]);
    run(&["explain", dir, "MAKER:77"]).assert_says(2, &["MAKER:77"]);
    run(&["explain", dir, "zz", "--session", "MAKER"]).assert_says(2, &["ClOrdID zz of MAKER"]);
    run(&["explain", dir, "a", "--session", "NOBODY"]).assert_says(2, &["session NOBODY"]);
    run(&["explain", dir, "what"]).assert_says(2, &["COMPID:NUMBER"]);
}

/// Orders that come, go, shrink and move at one price: at every change the queue before the order that
/// is explained is what the engine's book says.
#[test]
fn the_queue_before_an_order_is_the_books() {
    let folder = Folder::new();
    let mut market = Market::open(&folder);
    for (id, qty) in [("a", "1.0"), ("b", "2.0"), ("c", "3.0"), ("d", "4.0"), ("e", "0.5")] {
        market.order(MAKER, id, b'2', qty, "50000.00");
    }
    market.order(MAKER, "other", b'2', "9.0", "50001.00");
    market.order(TAKER, "mine", b'2', "1.0", "50000.00");
    market.order(MAKER, "behind", b'2', "7.0", "50000.00");
    market.cancel_side(MAKER, "x", "b", b'2');
    market.replace((MAKER, "c2", "c"), (b'2', "2.5", "50000.00"));
    market.replace((MAKER, "d2", "d"), (b'2', "5.0", "50000.00"));
    market.cancel_side(MAKER, "y", "behind", b'2');
    market.order(MAKER, "take", b'1', "1.2", "50000.00");
    market.replace((TAKER, "mine2", "mine"), (b'2', "0.4", "50000.00"));
    let journal = market.close(&folder);
    let dir = journal.to_str().unwrap();
    let (_, told) = explain(dir, &["mine", "--session", "TAKER"]);
    let id = told["order_id"].as_u64().unwrap();
    let changes = told["queue"].as_array().unwrap();
    assert!(changes.len() >= 5, "{changes:?}");
    for (index, change) in changes.iter().enumerate() {
        let sequence = change["sequence"].as_u64().unwrap();
        if changes.get(index + 1).is_some_and(|next| next["sequence"] == sequence) {
            continue;
        }
        let at = sequence.to_string();
        let book = ["book", dir, "--symbol", "BTC-USD", "--orders", "--at", &at, "--json"];
        let book = run(&book).json();
        let queue = book["ask_orders"].as_array().unwrap();
        let before: Vec<&Value> = queue.iter().take_while(|it| it["order_id"] != id).collect();
        assert!(before.len() < queue.len(), "it is not in the book after {sequence}");
        // Tenths of a lot, as the instrument has them.
        let tenths =
            |qty: &Value| -> u64 { qty.as_str().unwrap().replace('.', "").parse().unwrap() };
        let qty: u64 = before.iter().map(|it| tenths(&it["qty"])).sum();
        assert_eq!(change["orders_ahead"], before.len() as u64, "after {sequence}");
        assert_eq!(tenths(&change["qty_ahead"]), qty, "after {sequence}");
    }
}

/// Snapshots of a journal.
fn snapshots(journal: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|it| it == "snap")).collect()
}

/// Orders of three days with a snapshot after each: what is told of any of them does not depend on the
/// snapshots.
#[test]
fn snapshots_change_nothing_that_is_told() {
    let folder = Folder::new();
    let sell = |market: &mut Market, id: &str, qty: &str, price: &str| {
        market.order(MAKER, id, b'2', qty, price);
    };
    let mut names = Vec::new();
    for day in 0..3_u32 {
        let mut market =
            Market::open_with(&folder, "[journal]\nsnapshot_mib = 1\nkeep_snapshots = 9\n");
        let mut day_names = Vec::new();
        for n in 0..130 {
            let (id, price) = (format!("d{day}n{n}"), format!("5000{}.00", n % 3));
            sell(&mut market, &id, "2.0", &price);
            if n % 8 == 0 || (10..20).contains(&n) {
                day_names.push(id);
            }
        }
        // Of this day and of those before: one is filled in part, some go, change their price or shrink.
        for of in 0..=day {
            let id = |n: u32| format!("d{of}n{n}");
            let by = |what: &str| format!("{what}{day}of{of}");
            market.order(TAKER, &by("take"), b'1', "3.0", "50000.00");
            market.cancel_side(MAKER, &by("cancel"), &id(10 + 3 * day), b'2');
            market.replace((MAKER, &by("move"), &id(11 + 3 * day)), (b'2', "2.0", "50002.00"));
            market.replace((MAKER, &by("cut"), &id(12 + 3 * day)), (b'2', "1.5", "50000.00"));
            market.cancel_side(MAKER, &by("late"), &id(10 + 3 * day), b'2');
            day_names.extend(["move", "cut", "cancel", "late"].map(by));
        }
        market.cancel_side(MAKER, &format!("again{day}"), &format!("move{day}of0"), b'2');
        names.extend(day_names.into_iter().map(|name| ("MAKER", name)));
        names.push(("TAKER", format!("take{day}of0")));
        let journal = market.close(&folder);
        assert_eq!(snapshots(&journal).len(), day as usize + 1);
    }
    let journal = folder.path().join("journal");
    let dir = journal.to_str().unwrap();
    let tell = |order: &[&str]| {
        let ended = run(&[&["explain", dir, "--queue"], order].concat());
        let lines: Vec<&str> = ended.out.lines().filter(|it| !it.starts_with("looked")).collect();
        (ended.code, lines.join("\n"), ended.err)
    };
    let mut orders: Vec<Vec<String>> = names
        .into_iter()
        .map(|(session, name)| vec![name, "--session".into(), session.into()])
        .collect();
    orders.extend((1..20).map(|n| vec![format!("MAKER:{}", n * 7)]));
    orders.push(vec!["MAKER:100000".into()]);
    let all = || -> Vec<_> {
        let one = |order: &Vec<String>| {
            let order: Vec<&str> = order.iter().map(String::as_str).collect();
            (order.join(" "), tell(&order))
        };
        orders.iter().map(one).collect()
    };
    let with = all();
    let told = |what: &str| with.iter().filter(|(_, (_, out, _))| out.contains(what)).count();
    for what in ["has less", "lost its place", "was canceled", "traded", "later: ", "it works"] {
        assert!(told(what) > 3, "{what} is told of {} orders", told(what));
    }
    snapshots(&journal).iter().for_each(|file| fs::remove_file(file).unwrap());
    for (with, without) in with.iter().zip(all()) {
        assert_eq!(with, &without);
    }
}
