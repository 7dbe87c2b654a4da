//! Makes pages for the tables of orders ahead of those who take them.

use std::time::Duration;

use gateway::orders::{PAGES_READY, PageMaker};

use crate::threads::Fate;

/// Priority of the thread: a tenth of a busy CPU's time, which is three times what a million orders a second need.
pub(crate) const NICE: i32 = 10;

/// It looks again after this at least: a million orders a second take a quarter of what is ready meanwhile.
const REST_MIN: Duration = Duration::from_millis(4);

/// And after this at most. Each look costs who is on that CPU some 50 µs: 250 a second were as many as the kernel's own
/// ticks, and together with them the p99 of orders that take 12.
const REST_MAX: Duration = Duration::from_millis(64);

/// How long until about half of what is ready is taken, if it goes on as in the last `rest`, in which so many were.
fn rest_after(rest: Duration, taken: usize) -> Duration {
    let next = if taken > PAGES_READY / 2 {
        rest / 4
    } else if taken > PAGES_READY / 4 {
        rest
    } else {
        rest * 2
    };
    next.clamp(REST_MIN, REST_MAX)
}

/// Makes pages until the venue ends. Nobody waits for it: where none is ready its taker makes one itself.
pub(crate) fn run(mut maker: PageMaker, fate: &Fate) {
    let mut rest = REST_MIN;
    loop {
        rest = rest_after(rest, maker.fill());
        if fate.wait(rest) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest that stays as it is at so many pages a second, and how many are taken in it.
    fn settled(pages_a_second: usize) -> (Duration, usize) {
        let (mut rest, mut taken) = (REST_MIN, 0);
        for _ in 0..50 {
            taken = pages_a_second * rest.as_millis() as usize / 1_000;
            rest = rest_after(rest, taken);
        }
        (rest, taken)
    }

    #[test]
    fn it_looks_as_seldom_as_it_may_and_before_all_are_taken() {
        assert_eq!(settled(0).0, REST_MAX);
        // 100,000 orders a second, one page of entries for each 256.
        assert_eq!(settled(390).0, REST_MAX);
        // A million, and two.
        for rate in [3_900, 7_800] {
            let (rest, taken) = settled(rate);
            assert!(rest >= REST_MIN && taken < PAGES_READY, "{rest:?} {taken}");
        }
    }
}
