//! The orders of one session, by number and by ClOrdID.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

use std::collections::BTreeMap;

use gateway::orders::{Ending, Orders, Restatement, Standing, Terms};
use matcher::{
    InstrumentId, Liquidity, NewOrder, Notional, OrderId, OrderKind, OrderNumber, Price, Qty, Side,
    TimeInForce,
};

fn n(number: u32) -> OrderNumber {
    OrderNumber(number)
}

fn done(ending: Ending, cum: u64, notional: i64) -> Standing {
    let (cum_qty, notional) = (Qty::from_lots(cum), Notional::from_tick_lots(notional));
    Standing::Done { ending, cum_qty, notional }
}

fn trade(orders: &mut Orders, number: u32, at: u64, cum: u64, notional: i64, leaves: u64) {
    let (cum, leaves) = (Qty::from_lots(cum), Qty::from_lots(leaves));
    orders.traded(n(number), at, cum, Notional::from_tick_lots(notional), leaves);
}

#[test]
fn a_number_and_its_cl_ord_id_name_each_other() {
    let mut orders = Orders::new();
    assert_eq!(orders.last_number(), OrderNumber::NONE);
    assert_eq!(orders.heap_bytes(), 0);
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    for number in 1..=20_000u32 {
        let id = format!("{}{number}", "x".repeat((number % 40) as usize));
        let account = if number % 3 == 0 { format!("ACC{number}") } else { String::new() };
        assert_eq!(orders.find(id.as_bytes()), None);
        assert_eq!(orders.enter(id.as_bytes(), account.as_bytes(), Terms::PLAIN), n(number));
        assert_eq!(orders.account(n(number)), account.as_bytes());
        known.insert(id, number);
    }
    for (id, number) in &known {
        assert_eq!(orders.find(id.as_bytes()), Some(n(*number)));
        assert_eq!(orders.cl_ord_id(n(*number)), id.as_bytes());
    }
    for unknown in [0, 20_001, u32::MAX] {
        assert_eq!(orders.cl_ord_id(n(unknown)), b"");
        assert_eq!(orders.account(n(unknown)), b"");
        assert_eq!(orders.position(n(unknown)), None);
        assert_eq!(orders.standing_at(n(unknown), u64::MAX - 1), Standing::Unknown);
    }
}

#[test]
fn a_duplicate_has_a_number_but_the_first_keeps_the_name() {
    let mut orders = Orders::new();
    orders.enter(b"one", b"", Terms::PLAIN);
    orders.enter(b"one", b"", Terms::PLAIN);
    assert_eq!(orders.last_number(), n(2));
    assert_eq!(orders.find(b"one"), Some(n(1)));
    assert_eq!(orders.cl_ord_id(n(2)), b"one");
}

#[test]
fn the_past_stays_what_it_was() {
    let mut orders = Orders::new();
    for id in ["a", "b", "c", "d"] {
        orders.enter(id.as_bytes(), b"", Terms::PLAIN);
    }
    assert_eq!(orders.standing_at(n(1), 10), Standing::Unknown);
    orders.journaled(n(1), 10);
    orders.journaled(n(1), 11);
    assert_eq!(orders.position(n(1)), Some(10));
    orders.accepted(n(1), OrderId(7));
    trade(&mut orders, 1, 20, 3, 30, 7);
    orders.replaced(n(1), n(2));
    trade(&mut orders, 2, 40, 5, 52, 5);
    orders.refused(n(3));
    orders.replaced(n(2), n(4));
    trade(&mut orders, 4, 60, 10, 107, 0);
    // Whatever comes after the end changes nothing.
    trade(&mut orders, 4, 70, 11, 200, 0);
    orders.ended(n(4), 70, Ending::Canceled);
    for number in [1, 2, 4] {
        assert_eq!(orders.order_id(n(number)), Some(OrderId(7)));
        assert_eq!(orders.present(n(number)), n(4));
        assert_eq!(orders.standing_at(n(number), 19), Standing::Working { traded: false });
        assert_eq!(orders.standing_at(n(number), 20), Standing::Working { traded: true });
        assert_eq!(orders.standing_at(n(number), 59), Standing::Working { traded: true });
        assert_eq!(orders.standing_at(n(number), 60), done(Ending::Filled, 10, 107));
        assert_eq!(orders.standing_at(n(number), 1_000), done(Ending::Filled, 10, 107));
    }
    assert_eq!(orders.order_id(n(3)), None);
    assert_eq!(orders.present(n(3)), n(3));
    assert_eq!(orders.standing_at(n(3), 60), Standing::Refused);
}

#[test]
fn orders_end_in_three_ways() {
    let mut orders = Orders::new();
    for (number, ending) in [(1, Ending::Canceled), (2, Ending::Expired)] {
        orders.enter(&[number], b"", Terms::PLAIN);
        orders.accepted(n(number.into()), OrderId(number.into()));
        orders.ended(n(number.into()), 5, ending);
        assert_eq!(orders.standing_at(n(number.into()), 4), Standing::Working { traded: false });
        assert_eq!(orders.standing_at(n(number.into()), 5), done(ending, 0, 0));
    }
}

#[test]
fn terms_are_those_of_the_order() {
    let limit = OrderKind::Limit(Price::default());
    let order = NewOrder {
        number: n(1),
        instrument: InstrumentId(0),
        side: Side::Buy,
        kind: limit,
        qty: Qty::from_lots(1),
        time_in_force: TimeInForce::Day,
        liquidity: Liquidity::Any,
    };
    for (time_in_force, code) in [
        (TimeInForce::Day, b'0'),
        (TimeInForce::Gtc, b'1'),
        (TimeInForce::Ioc, b'3'),
        (TimeInForce::Fok, b'4'),
    ] {
        for (kind, ord_type) in [(limit, b'2'), (OrderKind::Market, b'1')] {
            for (liquidity, post_only) in [(Liquidity::Any, false), (Liquidity::PostOnly, true)] {
                let new = NewOrder { kind, time_in_force, liquidity, ..order };
                let terms = Terms::new(&new, &matcher::Terms::NONE);
                assert_eq!(terms.time_in_force(), code);
                assert_eq!(terms.ord_type(), ord_type);
                assert_eq!(terms.is_post_only(), post_only);
            }
        }
    }
}

#[test]
fn an_order_takes_at_most_90_bytes_and_its_text() {
    let mut orders = Orders::new();
    let mut text = 0;
    let mut worst = 0;
    for number in 1..=300_000usize {
        let id = format!("ORDER-{number:010}");
        text += id.len();
        orders.enter(id.as_bytes(), b"", Terms::PLAIN);
        // Small sessions are ruled by the pages that are being filled.
        if number >= 4_096 {
            worst = worst.max((orders.heap_bytes() - text) * 10 / number);
        }
    }
    assert!((700..=900).contains(&worst), "tenths of a byte per order: {worst}");
    let pages = 21 * 1024;
    let mut one = Orders::new();
    one.enter(b"x", b"", Terms::PLAIN);
    assert!(one.heap_bytes() <= pages, "{}", one.heap_bytes());
}

/// Orders with everything that can be known of one.
fn many() -> Orders {
    let mut orders = Orders::new();
    for number in 1..=6_000u32 {
        // Some names twice, some without a text at all.
        let id = if number % 50 == 0 { String::new() } else { format!("C{}", number % 5_500) };
        let account = if number % 3 == 0 { format!("ACC{number}") } else { String::new() };
        orders.enter(id.as_bytes(), account.as_bytes(), Terms::PLAIN);
        grow(&mut orders, number);
    }
    orders
}

/// What becomes of order `number`, and of some before it.
fn grow(orders: &mut Orders, number: u32) {
    let at = u64::from(number) * 10;
    orders.journaled(n(number), at);
    match number % 7 {
        0 => orders.refused(n(number)),
        1 => {
            orders.accepted(n(number), OrderId(at));
            trade(orders, number, at + 1, 5, 50, 0);
            orders.busted(n(number), at + 2);
        }
        2 => {
            orders.accepted(n(number), OrderId(at));
            orders.ended(n(number), at + 3, Ending::Expired);
        }
        3 => orders.replaced(n(number - 1), n(number)),
        4 => {
            orders.accepted(n(number), OrderId(at));
            let price = number.is_multiple_of(2).then_some(Price::from_ticks(-7));
            let order_qty = Qty::from_lots(9);
            orders.restated(n(number), (at, number), Restatement { price, order_qty });
        }
        5 => {
            orders.accepted(n(number), OrderId(at));
            trade(orders, number, at + 1, 2, 20, 3);
        }
        _ => {}
    }
}

fn save(orders: &Orders) -> Vec<u8> {
    let mut bytes = Vec::new();
    orders.save(&mut |more| bytes.extend_from_slice(more));
    bytes
}

fn load(bytes: &[u8]) -> Result<Orders, gateway::saved::NotSaved> {
    let mut saved = gateway::saved::Saved::new(bytes);
    let orders = Orders::load(&mut saved)?;
    saved.end()?;
    Ok(orders)
}

fn assert_same(one: &Orders, other: &Orders) {
    assert_eq!(one.last_number(), other.last_number());
    for number in (0..=one.last_number().0 + 1).map(n) {
        let known = |orders: &Orders| {
            let text = orders.cl_ord_id(number).to_vec();
            (
                (orders.find(&text), text, orders.account(number).to_vec(), orders.terms(number)),
                (orders.position(number), orders.order_id(number), orders.present(number)),
                (orders.first(number), orders.restatement(number, (u64::MAX - 1, u32::MAX))),
                orders.when_busted(number, u64::from(number.0) * 10 + 2),
                [0, 1, 2, 3, 60_000]
                    .map(|after| orders.standing_at(number, u64::from(number.0) * 10 + after)),
            )
        };
        assert_eq!(known(one), known(other));
    }
}

#[test]
fn saved_orders_come_back_and_go_on_as_if_never_saved() {
    for orders in [Orders::new(), many()] {
        let (mut orders, mut loaded) = (orders, None);
        for round in 0..3 {
            let bytes = save(&orders);
            let mut again = load(&bytes).unwrap();
            assert_eq!(save(&again), bytes);
            assert_same(&orders, &again);
            // The one that was never saved, and one that was loaded in the last round, go on alike.
            for orders in [Some(&mut orders), Some(&mut again), loaded.as_mut()] {
                let Some(orders) = orders else { continue };
                let first = orders.last_number().0 + 1;
                for number in first..first + 700 {
                    orders.enter(format!("R{round}-{number}").as_bytes(), b"A", Terms::PLAIN);
                    grow(orders, number);
                }
            }
            assert_same(&orders, &again);
            if let Some(loaded) = &loaded {
                assert_eq!(save(loaded), save(&orders));
            }
            loaded = Some(again);
        }
    }
}

/// An empty text behind a page that is full to its last byte.
#[test]
fn a_text_that_ends_with_its_page_comes_back() {
    let mut orders = Orders::new();
    for _ in 0..64 {
        orders.enter(&[b'x'; 48], &[b'y'; 16], Terms::PLAIN);
    }
    orders.enter(b"", b"", Terms::PLAIN);
    assert_same(&orders, &load(&save(&orders)).unwrap());
}

#[test]
fn hostile_bytes_are_refused_or_make_orders_that_answer() {
    let mut orders = Orders::new();
    for number in 1..=40u32 {
        orders.enter(format!("ID{number}").as_bytes(), b"ACC", Terms::PLAIN);
        grow(&mut orders, number);
    }
    let whole = save(&orders);
    for len in 0..whole.len() {
        assert!(load(&whole[..len]).is_err(), "cut to {len} bytes");
    }
    assert!(load(&[&whole[..], &[0]].concat()).is_err());
    let mut refused = 0;
    for at in 0..whole.len() {
        for byte in [0, 1, 0x0c, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            match load(&bytes) {
                Ok(orders) => assert_same(&orders, &orders),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

/// Names that a fold leaves out of the index are found all the same, before it is made and after: the first
/// number of each.
#[test]
fn names_are_found_before_and_after_they_are_indexed() {
    let name = |number: u32| format!("ID{}", number - number.is_multiple_of(7) as u32);
    for (entered, appended) in [(0, 3), (0, 20_000), (10, 1), (4_095, 2), (5_000, 9_000)] {
        let (mut orders, mut plain) = (Orders::new(), Orders::new());
        for number in 1..=entered + appended {
            plain.enter(name(number).as_bytes(), b"A", Terms::PLAIN);
            let add = if number <= entered { Orders::enter } else { Orders::append };
            assert_eq!(add(&mut orders, name(number).as_bytes(), b"A", Terms::PLAIN), n(number));
        }
        for indexed in [false, true] {
            let step = if indexed { 1 } else { 501 };
            for number in (1..=entered + appended).step_by(step) {
                let name = name(number);
                assert_eq!(orders.find(name.as_bytes()), plain.find(name.as_bytes()), "{name}");
            }
            assert_eq!(orders.find(b"never"), None);
            orders.index();
        }
        let number = orders.enter(b"ID1", b"", Terms::PLAIN);
        assert!(number == n(entered + appended + 1) && orders.find(b"ID1") == Some(n(1)));
    }
}
