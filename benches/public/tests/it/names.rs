//! Ids, numbers and back.

use std::sync::Arc;

use matcher::{OrderNumber, Side};
use public_bench::names::{Ids, NUMBERS_MAX, Names, Note};

fn name(names: &mut Names, id: u64, number: u32) -> bool {
    let Some(tag) = names.tag(id) else { return false };
    if !names.claim(tag, OrderNumber(number)) {
        return false;
    }
    names.name(tag, OrderNumber(number), Note { price: 1, cum_qty: 2, side: Side::Sell });
    true
}

#[test]
fn both_ways() {
    let ids = Arc::new(Ids::new());
    let mut names = Names::new(Arc::clone(&ids));
    // The last two make the tables grow.
    for (id, number) in [(0, 1), (1, 2), (u64::MAX, 3), (5_000_000, 4), (7, 5_000_000)] {
        assert_eq!(names.number(id), OrderNumber::NONE);
        assert!(name(&mut names, id, number));
        assert_eq!(names.number(id), OrderNumber(number));
        assert_eq!(ids.of(OrderNumber(number)), id);
    }
    assert_eq!(names.number(1), OrderNumber(2));
    assert_eq!(names.note(OrderNumber(2)).side, Side::Sell);
}

#[test]
fn what_was_named_long_ago_is_found() {
    let mut names = Names::new(Arc::new(Ids::new()));
    // In and out of what is kept close: ids that meet in one place, ids used again, id 0.
    let mut expected = vec![OrderNumber::NONE; 3000];
    let mut seed = 1_u64;
    for number in 1..20_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let id = (seed >> 33) % 3000;
        assert_eq!(names.number(id), expected[usize::try_from(id).unwrap()]);
        assert!(name(&mut names, id, number));
        expected[usize::try_from(id).unwrap()] = OrderNumber(number);
    }
    for (id, number) in (0..).zip(expected) {
        assert_eq!(names.number(id), number, "{id}");
    }
}

#[test]
fn numbers_have_a_bound() {
    let mut names = Names::new(Arc::new(Ids::new()));
    for number in [NUMBERS_MAX, u32::MAX] {
        assert!(!name(&mut names, 1, number));
        assert_eq!(names.number(1), OrderNumber::NONE);
    }
}
