//! One engine and one stream of orders, for tools that count instructions.
//!
//! `book_only std|deep [limits]`: with `limits` all six are set; the loop of interest is `benches::orders::apply_all`.

use std::hint::black_box;

use benches::orders::{
    DEEP, GENEROUS, LIMITS, SEED, STANDARD, apply_all, engine, limit_all, requests, stream,
};
use matcher::{Event, EventSink};

/// Operations before the loop of interest: the book is full by then.
const WARM_UP: usize = 200_000;

/// Operations of the loop of interest.
const OPERATIONS: usize = 200_000;

struct Look;

impl EventSink for Look {
    #[inline]
    fn event(&mut self, event: &Event) {
        black_box(event);
    }
}

#[inline(never)]
fn measured(run: impl FnOnce()) {
    run();
}

fn main() {
    let mix = match std::env::args().nth(1).as_deref() {
        Some("deep") => &DEEP,
        _ => &STANDARD,
    };
    let stream = stream(mix, SEED, WARM_UP + OPERATIONS);
    let requests = requests(&stream.operations, 1).list;
    let (mut engine, mut sequence) = engine(LIMITS, 1);
    if std::env::args().nth(2).as_deref() == Some("limits") {
        sequence = limit_all(&mut engine, sequence, 1, GENEROUS);
    }
    apply_all(&mut engine, sequence, &requests[..WARM_UP], &mut Look);
    let sequence = sequence + WARM_UP as u64;
    measured(|| apply_all(&mut engine, sequence, &requests[WARM_UP..], &mut Look));
    black_box(&engine);
}
