//! `vesta explain`: what it tells of an order, and that the queue before it is the engine's.

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
