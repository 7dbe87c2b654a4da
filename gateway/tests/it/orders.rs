//! The orders of one session, by number and by ClOrdID.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

use std::collections::BTreeMap;

use gateway::orders::{Ending, Orders, Standing, Terms};
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
                assert_eq!(terms.time_in_force(), Some(code));
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
