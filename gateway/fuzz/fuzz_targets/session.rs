//! A hostile peer against the session machine, with the real engine behind it. What `tests/it/session.rs`
//! asserts on the way must hold: numbers have no holes, what is written can be read, nothing is sent again
//! that was never sent, every tick moves the deadline.

#![no_main]

#[path = "../../tests/it/session.rs"]
#[allow(dead_code, unused_imports, unreachable_pub)]
mod session;

use libfuzzer_sys::fuzz_target;
use matcher::Timestamp;
use session::{Venue, message, profile, time};

/// Message types and fields worth combining; `#` is a number near the expected one.
const MESSAGES: &[&str] = &[
    "0 34=#",
    "0 34=# 43=Y 122=-1s",
    "1 34=# 112=x",
    "2 34=# 7=1 16=0",
    "2 34=# 7=# 16=#",
    "3 34=# 45=1",
    "4 34=# 36=# 123=Y",
    "4 34=# 36=#",
    "5 34=#",
    "8 34=# 11=x",
    "A 34=# 98=0 108=10",
    "A 34=1 98=0 108=10 141=Y",
    "A 34=# 98=0 108=10 789=#",
    "A 8=FIX.4.2 34=1 98=0 108=10 141=Y",
    "A 8=FIXT.1.1 34=1 98=0 108=10 141=Y 1137=9",
    "D 8=FIXT.1.1 34=# 1128=9 11=a 40=1 54=1 55=X 60=20260102-09:30:00",
    "D 34=# 11=a 21=1 40=1 54=1 55=X 60=20260102-09:30:00",
    "D 34=# 43=Y 122=-1s 11=a 21=1 40=1 54=1 55=X 60=20260102-09:30:00",
    "D 34=# 115=a 129=b 11=a 21=9 40=1 54=1 55=X 60=20260102-09:30:00",
    "* 34=#",
];

fuzz_target!(|data: &[u8]| {
    let mut venue = Venue::new(time("09:30:00"), profile());
    let mut rest = data;
    while let Some((op, after)) = rest.split_first() {
        rest = after;
        let mut byte = || match rest.split_first() {
            Some((first, after)) => {
                rest = after;
                *first
            }
            None => 0,
        };
        if !venue.is_open() {
            venue.connect();
        }
        match op % 32 {
            0 => venue.pass(Timestamp(venue.now.0 + u64::from(byte()) * 100_000_000)),
            1 => venue.disconnect(),
            2 => venue.turn(),
            3 => {
                let len = usize::from(byte()).min(rest.len());
                let (bytes, after) = rest.split_at(len);
                rest = after;
                venue.receive(bytes);
            }
            op => {
                let mut text = String::new();
                for part in MESSAGES[usize::from(op) % MESSAGES.len()].split_inclusive('#') {
                    text.push_str(part.trim_end_matches('#'));
                    if part.ends_with('#') {
                        let next = i64::from(venue.session.next_inbound().0);
                        let number = next + i64::from(byte()).pow(2) / 64 - 4;
                        text.push_str(&number.to_string());
                    }
                }
                let bytes = message(venue.now, &text);
                venue.receive(&bytes);
                if op & 1 == 0 {
                    venue.turn();
                }
            }
        }
    }
    venue.turn();
});
