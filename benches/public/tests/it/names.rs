//! Ids, numbers and back.

use matcher::{OrderNumber, Side};
use public_bench::names::{Names, Note};

fn name(names: &mut Names, id: u64, number: u32) -> bool {
    let Some(tag) = names.tag(id) else { return false };
    names.name(OrderNumber(number), Note { tag, price: 1, cum_qty: 2, side: Side::Sell })
}

#[test]
fn both_ways() {
    let mut names = Names::new();
    // The last two make the tables grow.
    for (id, number) in [(0, 1), (1, 2), (u64::MAX, 3), (5_000_000, 4), (7, 5_000_000)] {
        assert_eq!(names.number(id), OrderNumber::NONE);
        assert!(name(&mut names, id, number));
        assert_eq!(names.number(id), OrderNumber(number));
        assert_eq!(names.note(OrderNumber(number)).tag.id(), id);
    }
    assert_eq!(names.number(1), OrderNumber(2));
    assert_eq!(names.note(OrderNumber(2)).side, Side::Sell);
}

#[test]
fn numbers_have_a_bound() {
    let mut names = Names::new();
    assert!(!name(&mut names, 1, u32::MAX));
    assert_eq!(names.number(1), OrderNumber::NONE);
}
