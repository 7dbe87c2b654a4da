//! Slots go round, whatever stands in them: what is given back is handed out again.

use super::*;
use crate::extras::Extra;
use crate::levels::Level;
use crate::ordered::Member;
use crate::orders::{Done, Order};
use crate::pegs::Pegged;
use crate::sessions::Page;
use crate::trailing::Trailing;

/// A chain of free slots that lost its links would take memory up to the pool's maximum, and then panic.
pub(crate) fn go_round<T: Pooled>() {
    let mut pool = Pool::<T>::new();
    pool.grow(4, 0).unwrap();
    let ids = [(); 4].map(|()| pool.take(T::EMPTY));
    assert_eq!((pool.len(), pool.room(), pool.is_full()), (4, 0, true));
    for id in ids {
        pool.give_back(id);
    }
    assert_eq!((pool.len(), pool.room(), pool.is_full()), (0, 4, false));
    let [first, second, third, fourth] = ids;
    assert_eq!([(); 4].map(|()| pool.take(T::EMPTY)), [fourth, third, second, first]);
    // The four and slot 0.
    assert_eq!(pool.slots.len(), 5);
}

#[test]
fn what_is_given_back_last_is_handed_out_first() {
    go_round::<Done>();
    go_round::<Extra>();
    go_round::<Level>();
    go_round::<Member>();
    go_round::<Order>();
    go_round::<Page>();
    go_round::<Pegged>();
    go_round::<Trailing>();
}
